//! Open attempts out of the vault: taken up where they stood, or given
//! up where they may not be.

use super::given_up::{longest, overdue};
use super::halt::refrozen;
use super::lack::Lacking;
use super::shared::{Shared, clock_day};
use super::study::Study;
use crate::follower::Attempt;
use crate::frozen::History;
use crate::studies::Proposal;
use crate::{NodeError, switch};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::Member;
use motet_secagg::digest::Digest;
use motet_secagg::encode::{Canonical as _, Reader};
use motet_secagg::message::{Plan, SignedPlan};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What came of taking up an attempt.
#[expect(clippy::large_enum_variant, reason = "one at a time, consumed at once")]
pub(super) enum Restored {
    /// It goes on.
    Open(Study),
    /// It waits for a sum.
    Lacking(Lacking),
    /// It does not go on, and is wiped.
    Lost,
}

/// Takes up an attempt that was under way when the process ended.
pub(super) async fn restore(shared: &Arc<Shared>, name: &Digest) -> Result<Restored, NodeError> {
    let plain = shared.vault.unseal(name)?;
    let aged = shared.vault.age(name)?;
    // The plan is the first field of what the vault keeps.
    let plan = SignedPlan::read(&mut Reader::new(&plain)).map(|signed| signed.plan);
    let plan = match plan {
        Ok(plan) => plan,
        Err(error) => return lost(shared, name, None, Refusal::from(error).into()).await,
    };
    let proposal = match proposal(shared, &plan).await {
        Ok(proposal) => Arc::new(proposal),
        Err(error) => return lost(shared, name, Some(&plan), error).await,
    };
    match take_up(shared, &proposal, &plan, &plain, aged).await {
        Ok(study) => Ok(Restored::Open(study)),
        Err(error) => {
            let Some(blob) = error.lacks() else {
                return lost(shared, name, Some(&plan), error).await;
            };
            let text = format!("an open attempt waits: {error}; it is fetched again");
            shared.say("blob-damaged", &text).await?;
            Ok(Restored::Lacking(Lacking {
                name: *name,
                plan,
                proposal,
                blob,
            }))
        }
    }
}

/// The study that an attempt is of, where it may go on.
async fn proposal(shared: &Shared, plan: &Plan) -> Result<Proposal, NodeError> {
    if switch::is_stopped(&shared.home.ledger).await? {
        return Err(Refusal::from(Code::SiteStopped).into());
    }
    if shared.pins().is_past(&plan.ask, plan.attempt) {
        let what = "a later attempt at its question was joined";
        return Err(Refusal::new(Code::RoundReplay, what).into());
    }
    let studies = shared.studies.lock().await;
    let known = studies.may_run(&plan.study_digest, &plan.roster, clock_day())?;
    Ok(known.proposal.clone())
}

async fn take_up(
    shared: &Arc<Shared>,
    proposal: &Arc<Proposal>,
    plan: &Plan,
    plain: &[u8],
    aged: Duration,
) -> Result<Study, NodeError> {
    let member = Member::restore(plain, &proposal.roster)?;
    if !member.has_signed() && aged > longest(&proposal.study) {
        return Err(overdue().into());
    }
    let mut study = Study::open(shared, proposal).await?;
    let chain = &study.follower.chain;
    if chain.root() != plan.state_root {
        return Err(Refusal::new(Code::WrongPhase, "its round is over").into());
    }
    let question = chain.question(plan.candidates.len())?;
    let layout = question
        .ok_or(Code::WrongPhase)
        .map_err(Refusal::from)?
        .layout;
    if member.header().is_some() {
        // Masked over a table that is not that of the decision any more:
        // the stop came between the vault and the record.
        let history = History::read(&shared.home.ledger).await?;
        if !study.follower.is_over_the_table(&plan.root(), &history) {
            return Err(refrozen().into());
        }
    }
    study.follower.attempt = Some(Attempt {
        run: plan.run,
        round: plan.round,
        member,
        layout,
        since: Instant::now(),
        aged,
    });
    Ok(study)
}

/// An attempt that does not go on.
async fn lost(
    shared: &Shared,
    name: &Digest,
    plan: Option<&Plan>,
    error: NodeError,
) -> Result<Restored, NodeError> {
    // A disk that refuses for a while costs no attempt, nor does a
    // damaged record, which stops the node, nor a fault of this
    // program.
    let is_broken = matches!(error, NodeError::Broken(_));
    if is_broken || error.is_of_the_disk() || error.is_damage() {
        return Err(error);
    }
    if let (NodeError::Refused(why), Some(plan)) = (&error, plan) {
        shared.to_be_told(plan, why);
    }
    // Gone before anything is said about it.
    shared.wipe(name).await?;
    let text = format!("an open attempt could not be taken up again: {error}");
    shared.say("attempt-lost", &text).await?;
    Ok(Restored::Lost)
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
