//! A stop, a withdrawal, a study's end: nothing of it leaves from then
//! on, and what its open attempt left here goes at once. What left
//! before stays in the sum, if enough of the others open it; this site
//! then opens nothing.
//!
//! That holds while the coordinator is away, too, and what nobody ends
//! does not stay for ever: an attempt that is older than its phases
//! together is given up, unless its set is signed. Then the others may
//! need this site's shares to open the sum.

use super::given_up::{longest, overdue};
use super::shared::clock_day;
use super::study::Study;
use crate::NodeError;
use crate::frozen::History;
use crate::link::{Broken, Link};
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Date;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;

/// Why an open attempt ends whose patients are not those of the decision
/// any more.
pub(super) fn refrozen() -> Refusal {
    Refusal::new(
        Code::StudyNotApproved,
        "the steward froze the rows anew: an attempt over the former ones ends",
    )
}

impl Study {
    /// Whether the steward still lets the site answer.
    pub(super) async fn may_go_on(&mut self) -> Result<Result<(), Refusal>, NodeError> {
        self.may_on(|_| clock_day()).await
    }

    async fn may_on(
        &mut self,
        day: impl FnOnce(Date) -> Date,
    ) -> Result<Result<(), Refusal>, NodeError> {
        let may = self.shared.may(&self.follower.proposal, day).await?;
        Ok(may.and_then(
            |(limits, frozen)| match self.follower.hold_to(limits, frozen) {
                true => Ok(()),
                false => Err(refrozen()),
            },
        ))
    }

    /// The same for what was masked under this plan: it leaves only where
    /// it is of the rows that the decision names, also where another one
    /// took its place while the node did not run.
    pub(super) async fn may_be_masked(
        &mut self,
        plan: &Digest,
    ) -> Result<Result<(), Refusal>, NodeError> {
        if let Err(why) = self.may_go_on().await? {
            return Ok(Err(why));
        }
        let history = History::read(&self.shared.home.ledger).await?;
        Ok(match self.follower.is_over_the_table(plan, &history) {
            true => Ok(()),
            false => Err(refrozen()),
        })
    }

    /// The only way out for what this site says in a study: asked each
    /// time, whatever led there.
    pub(super) async fn tell(
        &mut self,
        link: &Link,
        run: RunId,
        message: &Message,
    ) -> Result<(), Broken> {
        let may = match message {
            // A coarse no says nothing but that.
            Message::Refused(_) => Ok(()),
            // What ended meanwhile may be witnessed and checked, which
            // reads no patient.
            Message::Witnessed(_) | Message::Checked(_) => {
                self.may_on(|ends| clock_day().min(ends)).await?
            }
            _ => self.may_go_on().await?,
        };
        if let Err(why) = may {
            self.give_up(&why).await?;
            return self.shared.tell_given_up(link).await;
        }
        let id = &self.follower.proposal.study.id;
        let attempt = self.follower.attempt.as_ref();
        let round = attempt.map_or(0, |attempt| attempt.round);
        link.tell(id, round, run, message).await
    }

    /// Gives up what the steward does not let go on, as of the last
    /// look, and what nobody ended; drops patients of whom nothing was
    /// asked for as long.
    pub(super) async fn hold(&mut self) -> Result<(), NodeError> {
        let follower = &mut self.follower;
        let longest = longest(&follower.proposal.study);
        let has_signed = follower
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.member.has_signed());
        let age = match &follower.attempt {
            Some(attempt) => attempt.age(),
            None => follower.used.elapsed(),
        };
        let is_late = age > longest;
        if is_late {
            follower.cohort = None;
        }
        if follower.attempt.is_none() && follower.cohort.is_none() {
            // Nothing of it is open.
            return Ok(());
        }
        let objection = self.shared.objection(&follower.proposal, clock_day()).await;
        let frozen = self.shared.frozen(&follower.proposal).await;
        match objection {
            Some(why) => self.give_up(&why).await,
            None if frozen != self.follower.frozen => self.give_up(&refrozen()).await,
            None if is_late && !has_signed => self.give_up(&overdue()).await,
            None => Ok(()),
        }
    }

    /// Drops the open attempt, with its secrets, its masked vector and
    /// its upload, and of the patients.
    pub(super) async fn give_up(&mut self, why: &Refusal) -> Result<(), NodeError> {
        self.follower.cohort = None;
        let Some(attempt) = &self.follower.attempt else {
            // It has no open attempt.
            return Ok(());
        };
        let plan = attempt.member.terms().plan().clone();
        // Gone before anything is said about it.
        self.forget().await?;
        self.shared.gave_up(&plan, why).await
    }
}
