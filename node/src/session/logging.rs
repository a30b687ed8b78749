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
use motet_secagg::threshold::FEWEST_SITES;

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

    /// Follows the log to a checkpoint, and absorbs every release in it; where it holds a result,
    /// enough sites must have made the last sum again.
    async fn stands(&mut self, link: &Link, stands: &Stands) -> Result<(), Away> {
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
        let is_finished = matches!(follower.chain.question(FEWEST_SITES), Ok(None));
        Ok(may_cosign(
            &follower.log,
            follower.latest.as_ref(),
            is_finished,
        )?)
    }

    /// Cosigns where a study's log stands, when it continues what this site knows.
    pub(super) async fn witness(
        &mut self,
        link: &Link,
        run: RunId,
        stands: &Stands,
    ) -> Result<(), Away> {
        let known = self
            .studies
            .all()
            .find(|at| at.proposal.digest == stands.study)
            .map(|at| at.proposal.clone());
        let Some(proposal) = known else {
            // Of a study that was not proposed here this site knows nothing to witness.
            return Ok(());
        };
        // A study that ended meanwhile is answered no more; how it ended may be witnessed, which
        // reads no patient.
        let today = clock_day().min(proposal.study.ends);
        if self
            .studies
            .may_run(&stands.study, &proposal.roster_digest, today)
            .is_err()
        {
            return Ok(());
        }
        if let Err(away) = self.follow(link, &stands.study, proposal).await.map(drop) {
            return self
                .refused_one(away, "a checkpoint is not witnessed")
                .await;
        }
        match self.stands(link, stands).await {
            Err(Away::Node(NodeError::Refused(refusal))) => {
                self.say(
                    "refused",
                    &format!("a checkpoint is not witnessed: {refusal}"),
                )
                .await?;
                return Ok(());
            }
            stands => stands?,
        }
        // What the steward is to have of a finished study is there before anybody hears that this
        // site has seen its end.
        self.finish(&stands.study).await?;
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
