//! A stop, a withdrawal, a study's end: nothing of it leaves from then on, and what its open attempt left here goes at once.
//! What left before stays in the sum, if enough of the others open it; they can, and this site then opens nothing.

use super::{Away, Session, clock_day};
use crate::link::Link;
use crate::{NodeError, switch};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::refused;
use motet_common::study::Date;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Plan};

/// An attempt that this site gave up, for the coordinator to hear.
pub(super) struct GivenUp {
    id: String,
    round: u64,
    run: RunId,
    said: Message,
}

impl GivenUp {
    pub(super) fn of(plan: &Plan, why: &Refusal) -> Self {
        Self { id: plan.study.clone(), round: plan.round, run: plan.run, said: refused(plan.root(), why) }
    }
}

impl Session {
    /// Whether the steward still lets the site answer.
    pub(super) async fn may_go_on(&mut self, study: &Digest) -> Result<Result<(), Refusal>, NodeError> {
        self.may_on(study, |_| clock_day()).await
    }

    async fn may_on(
        &mut self,
        study: &Digest,
        day: impl FnOnce(Date) -> Date,
    ) -> Result<Result<(), Refusal>, NodeError> {
        if switch::is_stopped(&self.home.ledger).await? {
            return Ok(Err(Code::SiteStopped.into()));
        }
        self.studies.read_on(&self.home.ledger).await?;
        let Some(follower) = self.followers.get(study) else { return Ok(Err(Code::StudyUnknown.into())) };
        let today = day(follower.proposal.study.ends);
        Ok(self.studies.may_run(study, &follower.proposal.roster_digest, today).map(drop))
    }

    /// The only way out for what this site says in a study: asked each time, whatever led there.
    pub(super) async fn tell(
        &mut self,
        link: &Link,
        study: &Digest,
        run: RunId,
        message: &Message,
    ) -> Result<(), Away> {
        let may = match message {
            // A coarse no says nothing but that.
            Message::Refused(_) => Ok(()),
            // What ended meanwhile may be witnessed and checked, which reads no patient.
            Message::Witnessed(_) | Message::Checked(_) => {
                self.may_on(study, |ends| clock_day().min(ends)).await?
            }
            _ => self.may_go_on(study).await?,
        };
        if let Err(why) = may {
            self.give_up(study, &why).await?;
            return self.tell_given_up(link).await;
        }
        let follower = self.followers.get(study);
        let id = follower.map(|follower| follower.proposal.study.id.clone()).unwrap_or_default();
        let round =
            follower.and_then(|follower| follower.attempt.as_ref()).map_or(0, |attempt| attempt.round);
        Ok(link.tell(&self.home, &id, round, run, message).await?)
    }

    /// Takes in what the command line decided, and gives up what it does not let go on. True when the steward has released
    /// the node since the last look.
    pub(super) async fn hold_to_decisions(&mut self) -> Result<bool, NodeError> {
        let is_stopped = switch::is_stopped(&self.home.ledger).await?;
        self.studies.read_on(&self.home.ledger).await?;
        let today = clock_day();
        let refused = self.followers.iter().filter(|(_, at)| at.attempt.is_some() || at.cohort.is_some());
        let refused = refused.filter_map(|(study, at)| {
            let may = self.studies.may_run(study, &at.proposal.roster_digest, today).map(drop);
            let may = if is_stopped { Err(Code::SiteStopped.into()) } else { may };
            Some((*study, may.err()?))
        });
        for (study, why) in refused.collect::<Vec<(Digest, Refusal)>>() {
            self.give_up(&study, &why).await?;
        }
        Ok(std::mem::replace(&mut self.was_stopped, is_stopped) && !is_stopped)
    }

    /// Lets go of a study's open attempt, with its secrets, its masked vector and its upload, and of its patients.
    pub(super) async fn give_up(&mut self, study: &Digest, why: &Refusal) -> Result<(), NodeError> {
        let Some(follower) = self.followers.get_mut(study) else { return Ok(()) };
        follower.cohort = None;
        let Some(attempt) = &follower.attempt else { return Ok(()) };
        let plan = attempt.member.terms().plan();
        let text = format!("round {} of study {} is given up: {why}", plan.round, plan.study);
        self.given_up.push(GivenUp::of(plan, why));
        // Gone before anything is said about it.
        self.forget(study).await?;
        self.say("given-up", &text).await
    }

    /// Tells the coordinator of attempts that were given up: it need not wait for this site.
    pub(super) async fn tell_given_up(&mut self, link: &Link) -> Result<(), Away> {
        for GivenUp { id, round, run, said } in std::mem::take(&mut self.given_up) {
            link.tell(&self.home, &id, round, run, &said).await?;
        }
        Ok(())
    }
}
