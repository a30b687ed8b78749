//! From a release to the next state: fetched, checked like any other, absorbed; and the site's own report at the end.

use super::{Away, Session, clock_day};
use crate::follower::{Absorbed, Follower};
use crate::link::Link;
use crate::{NodeError, local};
use motet_common::round::member::Me;
use motet_secagg::digest::Digest;
use motet_secagg::message::{Message, Released};

impl Session {
    /// A release: of the attempt under way, or a hint that something was missed.
    pub(super) async fn released(
        &mut self,
        link: &Link,
        study: Option<Digest>,
        released: &Released,
    ) -> Result<(), Away> {
        let own = study.filter(|study| {
            let attempt = self.followers.get(study).and_then(|follower| follower.attempt.as_ref());
            attempt.is_some_and(|attempt| attempt.member.terms().plan_root() == released.plan)
        });
        if let Some(study) = own {
            let Some(follower) = self.followers.get_mut(&study) else { return Ok(()) };
            let Follower { proposal, attempt, .. } = follower;
            let Some(attempt) = attempt.as_mut() else { return Ok(()) };
            let me = Me { node: self.home.node(), key: &self.home.identity, roster: &proposal.roster };
            return match attempt.member.handle(&Message::Released(released.clone()), &me, &mut rand::rng()) {
                Ok(acts) => self.act(link, &study, acts).await,
                Err(refusal) => {
                    self.say("refused", &format!("a release was refused: {refusal}")).await?;
                    Ok(())
                }
            };
        }
        let today = clock_day();
        let approved: Vec<_> = self
            .studies
            .all()
            .filter(|at| self.studies.may_run(&at.proposal.digest, &at.proposal.roster_digest, today).is_ok())
            .map(|at| at.proposal.clone())
            .collect();
        for proposal in approved {
            let study = proposal.digest;
            self.follower(&study, proposal).await?;
            match self.catch_up(link, &study).await {
                Err(Away::Node(NodeError::Refused(_))) | Ok(()) => {}
                Err(away) => return Err(away),
            }
        }
        Ok(())
    }

    /// Absorbs the releases this node has missed, each checked like any other.
    pub(super) async fn catch_up(&mut self, link: &Link, study: &Digest) -> Result<(), Away> {
        let Some(after) = self.followers.get(study).map(|follower| follower.chain.round()) else {
            return Ok(());
        };
        let missed = link.releases(study, after).await.map_err(Away::Coordinator)?;
        for absorbed in missed {
            let bytes = link.fetch(&absorbed.released.aggregate).await.map_err(Away::Coordinator)?;
            if let Some(follower) = self.followers.get_mut(study) {
                follower.absorb(&self.home, absorbed, &bytes).await?;
            }
        }
        self.finish(study).await?;
        Ok(())
    }

    pub(super) async fn absorb(
        &mut self,
        link: &Link,
        study: &Digest,
        released: &Released,
    ) -> Result<(), Away> {
        let bytes = link.fetch(&released.aggregate).await.map_err(Away::Coordinator)?;
        let Some(follower) = self.followers.get_mut(study) else { return Ok(()) };
        let candidates =
            follower.attempt.as_ref().map_or(0, |attempt| attempt.member.terms().plan().candidates.len());
        let candidates = u32::try_from(candidates).unwrap_or(u32::MAX);
        let absorbed = Absorbed { candidates, released: released.clone() };
        match follower.absorb(&self.home, absorbed, &bytes).await {
            Ok(()) => {}
            Err(NodeError::Refused(refusal)) => {
                self.say("refused", &format!("a release does not follow from its sum: {refusal}")).await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.finish(study).await?;
        Ok(())
    }

    /// When the recipe is finished, the site's own report is written for its steward.
    async fn finish(&mut self, study: &Digest) -> Result<(), NodeError> {
        let Some(follower) = self.followers.get_mut(study) else { return Ok(()) };
        let path = self.home.paths.local(&follower.proposal.study.id);
        if !matches!(follower.chain.question(3), Ok(None)) || path.exists() {
            return Ok(());
        }
        let mut work = follower.work(&self.home);
        let own = follower.own.take();
        let id = follower.proposal.study.id.clone();
        let (site, kind) = (self.home.settings.site.clone(), follower.proposal.study.method.kind());
        let written = tokio::task::spawn_blocking(move || -> Result<(), NodeError> {
            let Ok(cohort) = work.cohort() else { return Ok(()) };
            let alone = work.alone(&mut rand::rng()).ok();
            let report = local::report(&site, &id, kind, cohort.used, alone.as_ref(), own.as_ref());
            let parent = path.parent().unwrap_or(&path);
            std::fs::create_dir_all(parent).map_err(NodeError::file("make", parent))?;
            std::fs::write(&path, format!("{report:#}\n")).map_err(NodeError::file("write", &path))
        });
        written.await.unwrap_or(Ok(()))?;
        let id =
            self.followers.get(study).map(|follower| follower.proposal.study.id.clone()).unwrap_or_default();
        self.say("finished", &format!("study {id} is finished; this site's own report is written")).await
    }
}
