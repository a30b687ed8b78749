//! A stop, a withdrawal, a study's end: nothing of it leaves from then on, and what its open
//! attempt left here goes at once. What left before stays in the sum, if enough of the others open
//! it; this site then opens nothing.
//!
//! That holds while the coordinator is away, too, and what nobody ends does not stay for ever: an
//! attempt that is older than its phases together is given up, unless its set is signed. Then the
//! others may need this site's shares to open the sum.

use super::{Away, LOOK, Session, UNUSED, clock_day};
use crate::link::Link;
use crate::{NodeError, switch};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::refused;
use motet_common::study::{Date, Study};
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Plan};
use std::pin::pin;
use std::time::Duration;

/// What an attempt may last beyond its phases: a coordinator or a line that is away for a while
/// costs no round.
const MARGIN: Duration = Duration::from_secs(60 * 60);

/// How long an attempt of a study can be of use: by what its steward approved, not by what a plan
/// says.
pub(super) fn longest(study: &Study) -> Duration {
    let rounds = &study.rounds;
    let phases = [
        rounds.join_s,
        rounds.share_s,
        rounds.upload_s,
        rounds.sign_s,
        rounds.reveal_s,
    ];
    Duration::from_secs(phases.into_iter().map(u64::from).sum()) + MARGIN
}

pub(super) fn overdue() -> Refusal {
    Refusal::new(
        Code::Deadline,
        "nobody ended it, and its phases are long over",
    )
}

/// An attempt that this site gave up, for the coordinator to hear.
pub(super) struct GivenUp {
    id: String,
    round: u64,
    run: RunId,
    said: Message,
}

impl GivenUp {
    pub(super) fn of(plan: &Plan, why: &Refusal) -> Self {
        Self {
            id: plan.study.clone(),
            round: plan.round,
            run: plan.run,
            said: refused(plan.root(), why),
        }
    }
}

impl Session {
    /// The site's own limits as they are now. Where node.toml cannot be understood nothing is
    /// answered.
    pub(super) fn read_settings(&mut self) -> Result<(), Refusal> {
        self.home.settings = self.studies.read_settings(&self.home.paths)?.clone();
        Ok(())
    }

    /// Whether the steward still lets the site answer.
    pub(super) async fn may_go_on(
        &mut self,
        study: &Digest,
    ) -> Result<Result<(), Refusal>, NodeError> {
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
        if let Err(refusal) = self.read_settings() {
            return Ok(Err(refusal));
        }
        let limits = self.studies.limits(study).limits;
        let Some(follower) = self.followers.get_mut(study) else {
            return Ok(Err(Code::StudyUnknown.into()));
        };
        follower.hold_to(limits);
        let today = day(self.studies.last_day(&follower.proposal));
        Ok(self
            .studies
            .may_run(study, &follower.proposal.roster_digest, today)
            .map(drop))
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
        // What leaves is on record under its study also where that is not followed: then by its
        // digest.
        let id = follower.map_or_else(
            || study.short(),
            |follower| follower.proposal.study.id.clone(),
        );
        let round = follower
            .and_then(|follower| follower.attempt.as_ref())
            .map_or(0, |attempt| attempt.round);
        Ok(link.tell(&self.home, &id, round, run, message).await?)
    }

    /// Takes in what the command line decided, and gives up what it does not let go on. True when
    /// the steward has released the node since the last look.
    pub(super) async fn hold_to_decisions(&mut self) -> Result<bool, NodeError> {
        let is_stopped = switch::is_stopped(&self.home.ledger).await?;
        self.studies.read_on(&self.home.ledger).await?;
        // An editor may be about to write it: nothing leaves meanwhile, and nothing is given up for
        // that.
        let _unread = self.read_settings();
        let today = clock_day();
        let refused = self
            .followers
            .iter()
            .filter(|(_, at)| at.attempt.is_some() || at.cohort.is_some());
        let refused = refused.filter_map(|(study, at)| {
            let may = self
                .studies
                .may_run(study, &at.proposal.roster_digest, today)
                .map(drop);
            let may = if is_stopped {
                Err(Code::SiteStopped.into())
            } else {
                may
            };
            Some((*study, may.err()?))
        });
        for (study, why) in refused.collect::<Vec<(Digest, Refusal)>>() {
            self.give_up(&study, &why).await?;
        }
        let refused = self.lacking.iter().filter_map(|(name, plan)| {
            let may = self
                .studies
                .may_run(&plan.study_digest, &plan.roster, today)
                .map(drop);
            let may = if is_stopped {
                Err(Code::SiteStopped.into())
            } else {
                may
            };
            Some((*name, GivenUp::of(plan, &may.err()?)))
        });
        for (name, given_up) in refused.collect::<Vec<(Digest, GivenUp)>>() {
            self.lacking.remove(&name);
            self.given_up.push(given_up);
            self.wipe(&name).await?;
        }
        Ok(std::mem::replace(&mut self.was_stopped, is_stopped) && !is_stopped)
    }

    /// Lets go of a study's open attempt, with its secrets, its masked vector and its upload, and
    /// of its patients.
    pub(super) async fn give_up(&mut self, study: &Digest, why: &Refusal) -> Result<(), NodeError> {
        let Some(follower) = self.followers.get_mut(study) else {
            // Nothing of it is in memory.
            return Ok(());
        };
        follower.cohort = None;
        let Some(attempt) = &follower.attempt else {
            // It has no open attempt.
            return Ok(());
        };
        let plan = attempt.member.terms().plan();
        let text = format!(
            "round {} of study {} is given up: {why}",
            plan.round, plan.study
        );
        self.given_up.push(GivenUp::of(plan, why));
        // Gone before anything is said about it.
        self.forget(study).await?;
        self.say("given-up", &text).await
    }

    /// Gives up what nobody ended, and lets go of patients of whom nothing was asked for as long.
    pub(super) async fn give_up_overdue(&mut self) -> Result<(), NodeError> {
        let mut late = Vec::new();
        for (study, follower) in &mut self.followers {
            let longest = longest(&follower.proposal.study);
            match &follower.attempt {
                Some(attempt) if attempt.age() > longest && !attempt.member.has_signed() => {
                    late.push(*study)
                }
                Some(attempt) if attempt.age() > longest => follower.cohort = None,
                None if follower.used.elapsed() > longest => follower.cohort = None,
                _ => {}
            }
        }
        for study in late {
            self.give_up(&study, &overdue()).await?;
        }
        // Where they still lack a sum they wait on.
        for name in self.lacking.keys().copied().collect::<Vec<_>>() {
            self.lacking.remove(&name);
            self.restore_sealed(&name).await?;
        }
        Ok(())
    }

    /// The coordinator says that this site was removed: nothing that is open here will be asked for
    /// any more.
    pub(super) async fn removed(&mut self) -> Result<(), NodeError> {
        for study in self.followers.keys().copied().collect::<Vec<_>>() {
            self.give_up(&study, &Code::SiteRevoked.into()).await?;
        }
        for name in std::mem::take(&mut self.lacking).into_keys() {
            self.wipe(&name).await?;
        }
        // There is nobody to tell.
        self.given_up.clear();
        Ok(())
    }

    /// Waits for something that needs no session, and holds meanwhile to what the steward decides
    /// and to what time ends.
    pub(super) async fn meanwhile<T>(
        &mut self,
        what: impl Future<Output = T>,
    ) -> Result<T, NodeError> {
        let mut what = pin!(what);
        let mut look = tokio::time::interval(LOOK);
        let mut unused = tokio::time::interval(UNUSED);
        loop {
            tokio::select! {
                done = &mut what => return Ok(done),
                _ = look.tick() => drop(self.hold_to_decisions().await?),
                _ = unused.tick() => self.let_go().await?,
                // Of an attempt that is still open it is computed again on the next connection.
                Some(computed) = self.computed.recv() => drop(computed),
            }
        }
    }

    /// Tells the coordinator of attempts that were given up: it need not wait for this site.
    pub(super) async fn tell_given_up(&mut self, link: &Link) -> Result<(), Away> {
        for GivenUp {
            id,
            round,
            run,
            said,
        } in std::mem::take(&mut self.given_up)
        {
            link.tell(&self.home, &id, round, run, &said).await?;
        }
        Ok(())
    }
}
