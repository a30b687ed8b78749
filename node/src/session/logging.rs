//! The study's log at this site: fetched leaf by leaf, recomputed before anything is signed about it, and witnessed.

use super::{Away, Session, clock_day};
use crate::NodeError;
use crate::follower;
use crate::link::Link;
use motet_common::refusal::Code;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Stands, Witness, Witnessed};
use motet_secagg::note::Note;

impl Session {
    /// Follows the log to a checkpoint.
    ///
    /// # Errors
    /// `log_inconsistent`, with the checkpoint kept on record: signed by the log's key, it is proof against whoever
    /// showed it.
    pub(super) async fn sync_log(
        &mut self,
        link: &Link,
        study: &Digest,
        checkpoint: &str,
    ) -> Result<(), Away> {
        let Some(follower) = self.followers.get_mut(study) else { return Ok(()) };
        let seen = follower.log.size();
        let size = checkpoint.parse::<Note>().map_or(0, |note| note.unverified().size);
        let result = if size <= seen {
            follower.log.check(checkpoint, &follower.proposal.roster).map(drop).map_err(NodeError::from)
        } else {
            let news = link.leaves(study, seen, size).await.map_err(Away::from)?;
            follower.grow(&self.home, checkpoint, &news).await
        };
        match result {
            Err(NodeError::Refused(refusal)) if refusal.code == Code::LogInconsistent => {
                let one_line = checkpoint.replace('\n', " | ");
                let text = format!("the study's log was shown in two ways: {refusal}; shown now: {one_line}");
                self.say("log-inconsistent", &text).await?;
                Err(NodeError::Refused(refusal).into())
            }
            result => Ok(result?),
        }
    }

    /// Cosigns where a study's log stands, when it continues what this site knows.
    pub(super) async fn witness(&mut self, link: &Link, run: RunId, stands: &Stands) -> Result<(), Away> {
        let today = clock_day();
        let known =
            self.studies.all().find(|at| at.proposal.digest == stands.study).map(|at| at.proposal.clone());
        let Some(proposal) = known else { return Ok(()) };
        if self.studies.may_run(&stands.study, &proposal.roster_digest, today).is_err() {
            return Ok(());
        }
        if let Err(away) = self.follow(link, &stands.study, proposal).await.map(drop) {
            return self.refused_one(away, "a checkpoint is not witnessed").await;
        }
        match self.sync_log(link, &stands.study, &stands.checkpoint).await {
            Err(Away::Node(NodeError::Refused(refusal))) => {
                self.say("refused", &format!("a checkpoint is not witnessed: {refusal}")).await?;
                return Ok(());
            }
            synced => synced?,
        }
        let Some(follower) = self.followers.get(&stands.study) else { return Ok(()) };
        let me = follower::me(&self.home, &follower.proposal, &follower.chain, &follower.log);
        let point = follower.log.check(&stands.checkpoint, me.roster)?;
        let witness = Witness { node: me.node, cosignature: point.cosign(me.witness, me.seconds) };
        let witnessed = Message::Witnessed(Witnessed { study: stands.study, point, witness });
        self.tell(link, &stands.study, run, &witnessed).await
    }
}
