//! The study's log at this site: fetched leaf by leaf, recomputed
//! before anything is signed about it, and witnessed.

use super::study::Study;
use crate::NodeError;
use crate::follower;
use crate::link::{Broken, Link};
use motet_common::checks::may_cosign;
use motet_common::refusal::{Code, Refusal};
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Stands, Witness, Witnessed};
use motet_secagg::note::Note;

impl Study {
    /// Follows the log to a checkpoint.
    ///
    /// # Errors
    /// `log_inconsistent`, with the checkpoint kept on record: signed
    /// by the log's key, it is proof against whoever showed it.
    pub(super) async fn sync_log(&mut self, link: &Link, checkpoint: &str) -> Result<(), Broken> {
        let seen = self.follower.log.size();
        let size = checkpoint
            .parse::<Note>()
            .map_or(0, |note| note.unverified().size);
        let result = if size <= seen {
            let roster = &self.follower.proposal.roster;
            let checked = self.follower.log.check(checkpoint, roster);
            checked.map(drop).map_err(NodeError::from)
        } else {
            let study = self.follower.proposal.digest;
            let news = self
                .meanwhile(link, link.leaves(&study, seen, size))
                .await?;
            let home = &self.shared.home;
            self.follower.grow(home, checkpoint, &news).await
        };
        match result {
            Err(NodeError::Refused(refusal)) if refusal.code == Code::LogInconsistent => {
                let one_line = checkpoint.replace('\n', " | ");
                let text = format!(
                    "the study's log was shown in two ways: {refusal}; shown now: {one_line}"
                );
                self.shared.say("log-inconsistent", &text).await?;
                Err(refusal.into())
            }
            result => Ok(result?),
        }
    }

    /// Follows the log to a checkpoint, absorbs every release in it,
    /// and hears who made the latest sum again.
    pub(super) async fn shown(&mut self, link: &Link, stands: &Stands) -> Result<(), Broken> {
        self.sync_log(link, &stands.checkpoint).await?;
        if let Some(root) = self.follower.log.state_root() {
            self.catch_up(link, &root).await?;
        }
        let follower = &mut self.follower;
        let roster = &follower.proposal.roster;
        if let Some(latest) = follower.latest.as_mut() {
            latest.hear(&stands.checked, roster);
        }
        follower.log.check(&stands.checkpoint, roster)?;
        Ok(())
    }

    /// As [`Study::shown`]; where the log holds a result, enough sites
    /// must have made the last sum again, and its folder must be the
    /// one that this site makes: gives this site's word on it.
    async fn stands(&mut self, link: &Link, stands: &Stands) -> Result<Option<Message>, Broken> {
        self.shown(link, stands).await?;
        let follower = &self.follower;
        // An older point of the same log may end in what this site
        // would not cosign.
        let point = follower
            .log
            .check(&stands.checkpoint, &follower.proposal.roster)?;
        if point.size != follower.log.size() {
            let what = "an older point of the log is not cosigned";
            return Err(Refusal::new(Code::LogInconsistent, what).into());
        }
        let latest = follower.latest.as_ref();
        may_cosign(&follower.log, latest, follower.is_finished())?;
        Ok(self.holds_own_result().await?)
    }

    /// Cosigns where a study's log stands, when it continues what this
    /// site knows.
    pub(super) async fn witness(
        &mut self,
        link: &Link,
        run: RunId,
        stands: &Stands,
    ) -> Result<(), Broken> {
        let remade = match self.stands(link, stands).await {
            Ok(remade) => remade,
            Err(broken) => {
                let what = "a checkpoint is not witnessed";
                return self.shared.say_broken(what, broken).await;
            }
        };
        // What the steward is to have of a finished study is there
        // before anybody hears that this site has seen its end.
        self.finish().await?;
        if let Some(remade) = remade {
            self.tell(link, run, &remade).await?;
        }
        let follower = &self.follower;
        let me = follower::me(
            &self.shared.home,
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
        self.tell(link, run, &witnessed).await
    }
}
