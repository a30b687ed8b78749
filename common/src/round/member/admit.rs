//! What a node checks before it joins: the plan must say what the approved study, the pinned roster
//! and the node's own state say. A mismatch is a refusal; there is nothing to negotiate.

use super::super::pins::Pins;
use super::super::terms::Terms;
use super::{Expected, Me};
use crate::log::Asked;
use crate::refusal::{Code, Refusal};
use motet_secagg::merkle;
use motet_secagg::message::{Plan, SignedPlan};

/// Checks a plan, also against earlier facts, and gives the attempt's terms.
///
/// # Errors
/// The [`Refusal`] names the first thing that differs.
pub fn admit(
    signed: &SignedPlan,
    expected: &Expected<'_>,
    pins: &Pins,
    me: &Me<'_>,
) -> Result<Terms, Refusal> {
    let plan = &signed.plan;
    if !signed.is_signed_by(&me.roster.coordinator) {
        return Err(Refusal::new(Code::BadSignature, "the plan"));
    }
    let terms = Terms::new(signed.clone(), me.roster)?;
    if !terms.is_candidate(me.node) {
        return Err(Code::NotInLineUp.into());
    }
    expected.check(plan, me.roster)?;
    pins.admit(plan)?;
    check_log(plan, me)?;
    expected.check_due(plan, me.roster)?;
    Ok(terms)
}

/// The plan stands on the log this site knows, right after the latest release, and asks what was
/// not opened yet.
fn check_log(plan: &Plan, me: &Me<'_>) -> Result<(), Refusal> {
    let point = me.log.check(&plan.checkpoint, me.roster)?;
    let previous = (plan.previous_index, plan.previous_leaf);
    let size = point.size;
    let path = &plan.previous_proof;
    let proven = merkle::verify_inclusion(&previous.1, previous.0, size, path, &point.root);
    if me.log.latest() != Some(previous) || me.log.published().is_some() || proven.is_err() {
        return Err(Refusal::new(
            Code::LogInconsistent,
            "the plan does not follow the latest release, or follows a result",
        ));
    }
    match me.log.asked(&plan.ask) {
        Some(Asked::Released | Asked::Void) => Err(Code::RoundSpent.into()),
        // Even for who masked nothing yet: of two line-ups each could find its openers.
        _ if !me.log.keeps_terms(&plan.ask, &plan.pin()) => Err(Refusal::new(
            Code::RoundReplay,
            "other terms for a question that was committed before",
        )),
        Some(Asked::Committed(_) | Asked::Aborted) | None => Ok(()),
    }
}
