//! The study's log at this site: fetched leaf by leaf, recomputed before anything is signed about
//! it, and witnessed.

use super::{Away, Session, clock_day, followed};
use crate::NodeError;
use crate::follower;
use crate::link::Link;
use motet_common::checks::may_cosign;
use motet_common::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Stands, Witness, Witnessed};
use motet_secagg::note::Note;

impl Session {
    /// Follows the log to a checkpoint.
    ///
    /// # Errors
    /// `log_inconsistent`, with the checkpoint kept on record: signed by the log's key, it is proof
    /// against whoever showed it.
    pub(super) async fn sync_log(
        &mut self,
        link: &Link,
        study: &Digest,
        checkpoint: &str,
    ) -> Result<(), Away> {
        let follower = followed(&mut self.followers, study)?;
        let seen = follower.log.size();
        let size = checkpoint
            .parse::<Note>()
            .map_or(0, |note| note.unverified().size);
        let result = if size <= seen {
            follower
                .log
                .check(checkpoint, &follower.proposal.roster)
                .map(drop)
                .map_err(NodeError::from)
        } else {
            let news = link.leaves(study, seen, size).await.map_err(Away::from)?;
            follower.grow(&self.home, checkpoint, &news).await
        };
        match result {
            Err(NodeError::Refused(refusal)) if refusal.code == Code::LogInconsistent => {
                let one_line = checkpoint.replace('\n', " | ");
                let text = format!(
                    "the study's log was shown in two ways: {refusal}; shown now: {one_line}"
                );
                self.say("log-inconsistent", &text).await?;
                Err(NodeError::Refused(refusal).into())
            }
            result => Ok(result?),
        }
    }

    /// Follows the log to a checkpoint, absorbs every release in it, and hears who made the latest
    /// sum again.
    pub(super) async fn shown(&mut self, link: &Link, stands: &Stands) -> Result<(), Away> {
        let study = &stands.study;
        self.sync_log(link, study, &stands.checkpoint).await?;
        let latest = self
            .followers
            .get(study)
            .and_then(|follower| follower.log.state_root());
        if let Some(root) = latest {
            self.catch_up(link, study, &root).await?;
        }
        let follower = followed(&mut self.followers, study)?;
        if let Some(latest) = follower.latest.as_mut() {
            latest.hear(&stands.checked, &follower.proposal.roster);
        }
        follower
            .log
            .check(&stands.checkpoint, &follower.proposal.roster)?;
        Ok(())
    }

    /// As [`Session::shown`]; where the log holds a result, enough sites must have made the last
    /// sum again, and its folder must be the one that this site makes: gives this site's word on it.
    async fn stands(&mut self, link: &Link, stands: &Stands) -> Result<Option<Message>, Away> {
        self.shown(link, stands).await?;
        let Some(follower) = self.followers.get(&stands.study) else {
            return Ok(None);
        };
        // An older point of the same log may end in what this site would not cosign.
        let point = follower
            .log
            .check(&stands.checkpoint, &follower.proposal.roster)?;
        if point.size != follower.log.size() {
            return Err(Refusal::new(
                Code::LogInconsistent,
                "an older point of the log is not cosigned",
            )
            .into());
        }
        may_cosign(
            &follower.log,
            follower.latest.as_ref(),
            follower.is_finished(),
        )?;
        self.holds_own_result(&stands.study).await
    }

    /// Makes ready to speak about the end of a study; false where nothing is said about it. A study
    /// that ended meanwhile is answered no more; how it ended may be witnessed, which reads no
    /// patient.
    pub(super) async fn follow_to_the_end(
        &mut self,
        link: &Link,
        study: &Digest,
        what: &str,
    ) -> Result<bool, Away> {
        let known = self
            .studies
            .all()
            .find(|at| at.proposal.digest == *study)
            .map(|at| at.proposal.clone());
        let Some(proposal) = known else {
            return Ok(false);
        };
        let today = clock_day().min(proposal.study.ends);
        let may_run = self.studies.may_run(study, &proposal.roster_digest, today);
        if may_run.is_err() {
            return Ok(false);
        }
        match self.follow(link, study, proposal).await {
            Ok(_) => Ok(true),
            Err(away) => self.refused_one(away, what).await.map(|()| false),
        }
    }

    /// Cosigns where a study's log stands, when it continues what this site knows.
    pub(super) async fn witness(
        &mut self,
        link: &Link,
        run: RunId,
        stands: &Stands,
    ) -> Result<(), Away> {
        const WHAT: &str = "a checkpoint is not witnessed";
        if !self.follow_to_the_end(link, &stands.study, WHAT).await? {
            return Ok(());
        }
        let remade = match self.stands(link, stands).await {
            Err(Away::Node(NodeError::Refused(refusal))) => {
                return self.say_refused(WHAT, &refusal).await;
            }
            stands => stands?,
        };
        // What the steward is to have of a finished study is there before anybody hears that this
        // site has seen its end.
        self.finish(&stands.study).await?;
        if let Some(remade) = remade {
            self.tell(link, &stands.study, run, &remade).await?;
        }
        let follower = followed(&mut self.followers, &stands.study)?;
        let me = follower::me(
            &self.home,
            &follower.proposal,
            &follower.chain,
            &follower.log,
        );
        let point = follower.log.check(&stands.checkpoint, me.roster)?;
        let witness = Witness {
            node: me.node,
            cosignature: point.cosign(me.witness, me.seconds),
        };
        let witnessed = Message::Witnessed(Witnessed {
            study: stands.study,
            point,
            witness,
        });
        self.tell(link, &stands.study, run, &witnessed).await
    }
}
