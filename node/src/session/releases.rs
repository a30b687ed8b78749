//! From a release to the next state: fetched, checked like any other, absorbed; and the site's own
//! report at the end.

use super::{Away, Session, clock_day};
use crate::follower::{self, Follower};
use crate::link::{Again, Link};
use crate::memory::Memories;
use crate::{NodeError, local};
use motet_common::audit::Audit;
use motet_common::log::Log;
use motet_common::refusal::{Code, Refusal};
use motet_proto::dice::dice;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Checked, Message, Released};
use motet_secagg::secret::scrubbed;
use std::sync::Arc;

impl Session {
    /// A release: of the attempt under way, or a hint that something was missed.
    pub(super) async fn released(
        &mut self,
        link: &Link,
        study: Option<Digest>,
        run: RunId,
        released: &Released,
    ) -> Result<(), Away> {
        let own = study.filter(|study| {
            let attempt = self
                .followers
                .get(study)
                .and_then(|follower| follower.attempt.as_ref());
            attempt.is_some_and(|attempt| attempt.member.terms().plan_root() == released.plan)
        });
        if let Some(study) = own {
            let Some(follower) = self.followers.get_mut(&study) else {
                return Ok(());
            };
            let Follower {
                proposal,
                attempt,
                chain,
                log,
                ..
            } = follower;
            let Some(attempt) = attempt.as_mut() else {
                return Ok(());
            };
            let me = follower::me(&self.home, proposal, chain, log);
            return match attempt.member.handle(
                &Message::Released(released.clone()),
                &me,
                &mut dice(),
            ) {
                Ok(acts) => self.act(link, &study, acts).await,
                Err(refusal) => {
                    self.say("refused", &format!("a release was refused: {refusal}"))
                        .await?;
                    Ok(())
                }
            };
        }
        // Which study it is of, its log's name tells.
        let today = clock_day();
        let origin = &released.release.point.origin;
        let mut approved = self.studies.all().filter(|at| {
            self.studies
                .may_run(&at.proposal.digest, &at.proposal.roster_digest, today)
                .is_ok()
                && Log::of_study(&at.proposal.study, &at.proposal.roster).origin() == origin
        });
        let Some(proposal) = approved.next().map(|at| at.proposal.clone()) else {
            return Ok(());
        };
        drop(approved);
        let (study, id) = (proposal.digest, proposal.study.id.clone());
        if let Err(away) = self.follow(link, &study, proposal).await.map(drop) {
            return self.refused_one(away, "a release is not followed").await;
        }
        if self.is_behind(&study, released).await? {
            let text = format!(
                "study {id}: the coordinator's latest release is one that this site is beyond: its record was put back from an older \
                 copy; propose the study anew, under another id"
            );
            return Ok(self.say("log-inconsistent", &text).await?);
        }
        match self.catch_up(link, &study, &released.state_root).await {
            Ok(()) => self.tell_checked(link, &study, run, released).await,
            Err(Away::Node(NodeError::Refused(refusal))) => {
                self.say("refused", &format!("a release is not followed: {refusal}"))
                    .await?;
                Ok(())
            }
            Err(away) => Err(away),
        }
    }

    /// Whether this site has absorbed the release and a later one: a coordinator whose latest it is
    /// has lost what followed.
    async fn is_behind(&self, study: &Digest, released: &Released) -> Result<bool, NodeError> {
        let Some(follower) = self.followers.get(study) else {
            return Ok(false);
        };
        if follower.chain.root() == released.state_root {
            return Ok(false);
        }
        let past = follower::absorbed(&self.home, &follower.proposal).await?;
        Ok(past
            .iter()
            .any(|absorbed| absorbed.released.leaf_hash() == released.leaf_hash()))
    }

    /// Absorbs the releases this node has missed on its way to a state, each by evidence that
    /// counts; the latest of them it makes again, for nothing vouches for that one yet. Where this
    /// node is there already, only that is left to do.
    pub(super) async fn catch_up(
        &mut self,
        link: &Link,
        study: &Digest,
        root: &Digest,
    ) -> Result<(), Away> {
        let Some(follower) = self.followers.get(study) else {
            return Ok(());
        };
        let unchecked = follower
            .latest
            .as_ref()
            .is_some_and(|latest| latest.due.is_some() && !latest.checked);
        if follower.chain.root() == *root {
            return if unchecked {
                self.check_latest(link, study).await
            } else {
                Ok(())
            };
        }
        while let Some(follower) = self.followers.get_mut(study)
            && follower.chain.root() != *root
        {
            let Some(next) = follower.missed.front().cloned() else {
                let missed = link
                    .releases(study, follower.chain.round())
                    .await
                    .map_err(Away::from)?;
                if missed.is_empty() {
                    break;
                }
                follower.missed = missed.into();
                continue;
            };
            let latest = follower.missed.len() == 1;
            let taken = self.take_in(link, study, &next, latest).await;
            let Some(follower) = self.followers.get_mut(study) else {
                return Ok(());
            };
            // Where a sum is on its way, the rest is gone on with when it has come.
            if !matches!(taken, Ok(()) | Err(Away::Later(_))) {
                follower.missed.clear();
            }
            taken?;
        }
        self.finish(study).await?;
        self.forget_if_past(study).await?;
        Ok(())
    }

    /// An attempt at a question that is answered meanwhile is over: its secrets and vectors go.
    async fn forget_if_past(&mut self, study: &Digest) -> Result<(), NodeError> {
        let is_past = |follower: &Follower| {
            let attempt = follower.attempt.as_ref();
            attempt.is_some_and(|attempt| {
                attempt.member.terms().plan().state_root != follower.chain.root()
            })
        };
        if self.followers.get(study).is_some_and(is_past) {
            self.forget(study).await?;
        }
        Ok(())
    }

    /// Makes the latest sum again that was absorbed without.
    async fn check_latest(&mut self, link: &Link, study: &Digest) -> Result<(), Away> {
        let Some(follower) = self.followers.get(study) else {
            return Ok(());
        };
        // The one on this site's own record: whoever was asked for it could name another, whose sum
        // is the true one.
        let past = follower::absorbed(&self.home, &follower.proposal).await?;
        let Some(latest) = past.last().map(|absorbed| absorbed.released.clone()) else {
            return Ok(());
        };
        let checked = self.recompute(link, study, &latest).await;
        self.let_go_of(&latest, &checked);
        let checked = checked?;
        if let Some(latest) = self
            .followers
            .get_mut(study)
            .and_then(|follower| follower.latest.as_mut())
        {
            latest.checked = checked;
        }
        Ok(())
    }

    /// What was fetched for a release is not kept, however taking it in went, but until all of it
    /// has come.
    fn let_go_of<T>(&mut self, released: &Released, taken: &Result<T, Away>) {
        if !matches!(taken, Err(Away::Later(_))) {
            self.downloads
                .forget(&[released.aggregate, released.evidence, released.root()]);
        }
    }

    pub(super) async fn absorb(
        &mut self,
        link: &Link,
        study: &Digest,
        run: RunId,
        released: &Released,
    ) -> Result<(), Away> {
        let Some(follower) = self.followers.get(study) else {
            return Ok(());
        };
        if follower
            .latest
            .as_ref()
            .is_some_and(|latest| latest.release == released.leaf_hash())
        {
            // Absorbed before the attempt was forgotten: a stop came between the two.
            return self.tell_checked(link, study, run, released).await;
        }
        match self.take_in(link, study, released, true).await {
            Ok(()) => {}
            Err(Away::Node(NodeError::Refused(refusal))) => {
                self.say("refused", &format!("a release is not followed: {refusal}"))
                    .await?;
                return Ok(());
            }
            Err(away) => return Err(away),
        }
        self.tell_checked(link, study, run, released).await?;
        self.finish(study).await?;
        Ok(())
    }

    /// One release: in the log, by evidence that counts, the sum it names, made again where it is
    /// the latest, and the state that follows from it.
    async fn take_in(
        &mut self,
        link: &Link,
        study: &Digest,
        released: &Released,
        again: bool,
    ) -> Result<(), Away> {
        let taken = self
            .take_in_what_is_here(link, study, released, again)
            .await;
        self.let_go_of(released, &taken);
        taken
    }

    async fn take_in_what_is_here(
        &mut self,
        link: &Link,
        study: &Digest,
        released: &Released,
        again: bool,
    ) -> Result<(), Away> {
        self.sync_log(link, study, &released.release.checkpoint)
            .await?;
        let sum = self.blob(link, study, released.aggregate);
        let evidence = self.blob(link, study, released.evidence)?;
        let Some(follower) = self.followers.get(study) else {
            return Ok(());
        };
        let (_, due) = follower.audit(released, &evidence)?;
        let checked = again && due.is_some() && self.recompute(link, study, released).await?;
        let sum = sum?;
        let Some(follower) = self.followers.get_mut(study) else {
            return Ok(());
        };
        Ok(follower
            .absorb(&self.home, released, &evidence, &sum, checked)
            .await?)
    }

    /// A public blob that is here; else it is on its way, and this is tried again when it has come.
    /// One that the coordinator has not got is the study's affair: the connection and other studies
    /// go on.
    fn blob(&mut self, link: &Link, study: &Digest, digest: Digest) -> Result<Arc<Vec<u8>>, Away> {
        if let Some(bytes) = self.downloads.blob(&digest) {
            return Ok(bytes);
        }
        if let Some(why) = self.downloads.take_refusal(&digest) {
            let detail = format!("the coordinator does not hand out blob `{digest}`: {why}");
            return Err(Refusal::new(Code::ReleaseUnknown, detail).into());
        }
        let (link, downloads) = (link.clone(), self.downloads.clone());
        self.coming.fetch(*study, digest, async move {
            link.fetch(digest, &downloads).await
        });
        Err(Away::Later(*study))
    }

    /// Makes a sum again from the masked uploads and the opened secrets (ruling R3). False when the
    /// uploads are not handed out any more: then this site does not vouch for the sum, and goes on
    /// only where t others have.
    async fn recompute(
        &mut self,
        link: &Link,
        study: &Digest,
        released: &Released,
    ) -> Result<bool, Away> {
        let root = released.root();
        let Some(verdict) = self.downloads.verdict(&root) else {
            if self.coming.awaits(*study, &root) {
                return Err(Away::Later(*study));
            }
            let bytes = self.blob(link, study, released.evidence)?;
            let Some(follower) = self.followers.get(study) else {
                return Ok(false);
            };
            let audit = Audit::of(released, &bytes, &follower.proposal.roster)?;
            let (link, downloads, of) = (link.clone(), self.downloads.clone(), *study);
            self.coming.fetch(of, root, async move {
                link.recompute(&of, root, audit, &downloads).await
            });
            return Err(Away::Later(*study));
        };
        match verdict {
            Again::Same => Ok(true),
            Again::NotKept => {
                self.say(
                    "not-checked",
                    "a sum could not be made again: its uploads are not handed out",
                )
                .await?;
                Ok(false)
            }
            Again::Wrong(refusal) => {
                self.say(
                    "sum-mismatch",
                    &format!("the released sum could not be made again: {refusal}"),
                )
                .await?;
                Err(refusal.into())
            }
        }
    }

    /// Says that this site made the latest sum again.
    async fn tell_checked(
        &mut self,
        link: &Link,
        study: &Digest,
        run: RunId,
        released: &Released,
    ) -> Result<(), Away> {
        let latest = self
            .followers
            .get(study)
            .and_then(|follower| follower.latest.as_ref());
        let due = latest.filter(|latest| {
            latest.checked && latest.due.is_some() && latest.release == released.leaf_hash()
        });
        let Some(latest) = due else { return Ok(()) };
        let checked = Checked::sign(latest.release, self.home.node(), &self.home.identity);
        self.tell(link, study, run, &Message::Checked(checked))
            .await
    }

    /// When the recipe is finished, and enough sites have made the last sum again, the site's own
    /// report is written for its steward.
    pub(super) async fn finish(&mut self, study: &Digest) -> Result<(), NodeError> {
        let Some(follower) = self.followers.get_mut(study) else {
            return Ok(());
        };
        let sound = follower
            .latest
            .is_some_and(|latest| latest.may_be_used().is_ok());
        if !sound || !matches!(follower.chain.question(3), Ok(None)) {
            return Ok(());
        }
        let mut work = follower.work(&self.home);
        // Nothing more is asked: the patients do not stay in memory, nor what the recipe kept.
        follower.cohort = None;
        let own = follower.own.take();
        Memories::open(&self.home)?.forget(study)?;
        let path = self.home.paths.local(&follower.proposal.study.id);
        if path.exists() {
            return Ok(());
        }
        let id = follower.proposal.study.id.clone();
        let (site, kind) = (
            self.home.settings.site.clone(),
            follower.proposal.study.recipe.kind(),
        );
        let written = tokio::task::spawn_blocking(move || {
            scrubbed(|| -> Result<(), NodeError> {
                let Ok(cohort) = work.cohort() else {
                    return Ok(());
                };
                let alone = work.alone(&mut dice()).ok();
                let comparison = work.compare(&mut dice());
                let subject = local::Subject {
                    site: &site,
                    study: &id,
                    recipe: kind,
                    rows: cohort.used,
                };
                let report =
                    local::report(&subject, alone.as_ref(), own.as_ref(), comparison.as_ref());
                let parent = path.parent().unwrap_or(&path);
                std::fs::create_dir_all(parent).map_err(NodeError::file("make", parent))?;
                std::fs::write(&path, format!("{report:#}\n"))
                    .map_err(NodeError::file("write", &path))
            })
        });
        written.await.unwrap_or(Ok(()))?;
        let id = self
            .followers
            .get(study)
            .map(|follower| follower.proposal.study.id.clone())
            .unwrap_or_default();
        self.say(
            "finished",
            &format!("study {id} is finished; this site's own report is written"),
        )
        .await
    }
}
