//! Open attempts out of the vault: taken up where they stood, or given up where they may not be.

use super::halt::{self, GivenUp};
use super::{Session, clock_day};
use crate::follower::Attempt;
use crate::{NodeError, switch};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::Member;
use motet_secagg::digest::Digest;
use motet_secagg::encode::{Canonical as _, Reader};
use motet_secagg::message::SignedPlan;
use std::time::{Duration, Instant};

impl Session {
    /// Attempts that were under way when the process ended.
    pub(super) async fn restore(&mut self) -> Result<(), NodeError> {
        for name in self.vault.names()? {
            self.restore_sealed(&name).await?;
        }
        Ok(())
    }

    /// Takes up an attempt; gives the sum that is lacking for that, if one is, for which it then
    /// waits.
    pub(super) async fn restore_sealed(
        &mut self,
        name: &Digest,
    ) -> Result<Option<Digest>, NodeError> {
        let plain = self.vault.unseal(name)?;
        let aged = self.vault.age(name)?;
        let Err(error) = self.restore_one(&plain, aged).await else {
            return Ok(None);
        };
        let plan = SignedPlan::read(&mut Reader::new(&plain)).map(|signed| signed.plan);
        if let (Some(lacking), Ok(plan)) = (error.lacks(), &plan) {
            self.lacking.insert(*name, plan.clone());
            self.say(
                "blob-damaged",
                &format!("an open attempt waits: {error}; it is fetched again"),
            )
            .await?;
            return Ok(Some(lacking));
        }
        // A disk that refuses for a while costs no attempt, nor does a damaged record, which stops
        // the node, nor a fault of this program.
        let is_broken = matches!(error, NodeError::Broken(_));
        if is_broken || error.is_of_the_disk() || error.is_damage() {
            return Err(error);
        }
        if let (NodeError::Refused(why), Ok(plan)) = (&error, &plan) {
            self.given_up.push(GivenUp::of(plan, why));
        }
        // Gone before anything is said about it.
        self.wipe(name).await?;
        self.say(
            "attempt-lost",
            &format!("an open attempt could not be taken up again: {error}"),
        )
        .await?;
        Ok(None)
    }

    async fn restore_one(&mut self, plain: &[u8], aged: Duration) -> Result<(), NodeError> {
        // The plan is the first field of what the vault keeps.
        let signed = SignedPlan::read(&mut Reader::new(plain)).map_err(Refusal::from)?;
        let plan = &signed.plan;
        if switch::is_stopped(&self.home.ledger).await? {
            return Err(Refusal::from(Code::SiteStopped).into());
        }
        if self.pins.is_past(&plan.ask, plan.attempt) {
            return Err(Refusal::new(
                Code::RoundReplay,
                "a later attempt at its question was joined",
            )
            .into());
        }
        let today = clock_day();
        let proposal = self
            .studies
            .may_run(&plan.study_digest, &plan.roster, today)?
            .proposal
            .clone();
        let run = plan.run;
        let round = plan.round;
        let candidates = plan.candidates.len();
        let study = proposal.digest;
        let member = Member::restore(plain, &proposal.roster)?;
        if !member.has_signed() && aged > halt::longest(&proposal.study) {
            return Err(halt::overdue().into());
        }
        let follower = self.follower(&study, proposal).await?;
        if follower.chain.root() != plan.state_root {
            return Err(Refusal::new(Code::WrongPhase, "its round is over").into());
        }
        let layout = follower
            .chain
            .question(candidates)?
            .ok_or(Code::WrongPhase)
            .map_err(Refusal::from)?
            .layout;
        follower.attempt = Some(Attempt {
            run,
            round,
            member,
            layout,
            since: Instant::now(),
            aged,
        });
        Ok(())
    }
}
