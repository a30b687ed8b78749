//! What a node checks before it joins: the plan must say what the approved study, the pinned roster and the node's own
//! state say. A mismatch is a refusal; there is nothing to negotiate.

use super::super::line_up::Terms;
use super::super::pins::Pins;
use super::Me;
use crate::log::Asked;
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::layout::Layout;
use motet_secagg::merkle;
use motet_secagg::message::{Checked, PRG, Plan, SUITE, SignedPlan, VERSION};
use motet_secagg::threshold::Thresholds;

/// What the node knows by itself.
pub struct Expected<'a> {
    /// The study's name.
    pub study: &'a str,
    /// Digest of the study the steward approved.
    pub study_digest: Digest,
    /// Digest of its recipe.
    pub recipe: Digest,
    /// Root of the state this node computed from the releases so far.
    pub state_root: Digest,
    /// The layout of the question derived from that state.
    pub layout: &'a Layout,
    /// Words of a chunk: [`motet_secagg::mask::chunk_words`] of its ring, smaller in simulations only.
    pub chunk_words: u32,
    /// The larger of the study's and the site's own minimum of sites in a sum.
    pub min_sites: usize,
    /// What the plan owes this node of the previous release; nothing before the first.
    pub due: Option<Due>,
    /// Earlier facts.
    pub pins: &'a Pins,
}

/// That enough sites have recomputed the previous sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Digest of the release this node absorbed.
    pub released: Digest,
    /// Sites that must have recomputed it: t of its plan.
    pub checks: usize,
}

/// Checks a plan and gives the attempt's terms.
///
/// # Errors
/// The [`Refusal`] names the first thing that differs.
pub fn admit(signed: &SignedPlan, expected: &Expected<'_>, me: &Me<'_>) -> Result<Terms, Refusal> {
    let plan = &signed.plan;
    if plan.version != VERSION || plan.suite != SUITE || plan.prg != PRG {
        return Err(Code::VersionUnknown.into());
    }
    if !signed.is_signed_by(&me.roster.coordinator) {
        return Err(Refusal::new(Code::BadSignature, "the plan"));
    }
    let terms = Terms::new(signed.clone(), me.roster)?;
    if !terms.is_candidate(me.node) {
        return Err(Code::NotInLineUp.into());
    }
    check_study(plan, expected)?;
    check_vector(plan, expected)?;
    check_thresholds(plan, expected, me)?;
    expected.pins.admit(plan)?;
    check_log(plan, me)?;
    check_checked(plan, expected.due, me)?;
    Ok(terms)
}

/// The plan stands on the log this site knows, right after the latest release, and asks what was not opened yet.
fn check_log(plan: &Plan, me: &Me<'_>) -> Result<(), Refusal> {
    let point = me.log.check(&plan.checkpoint, me.roster)?;
    let previous = (plan.previous_index, plan.previous_leaf);
    let (size, path) = (point.size, &plan.previous_proof);
    let proven = merkle::verify_inclusion(&previous.1, previous.0, size, path, &point.root);
    if me.log.latest() != Some(previous) || proven.is_err() {
        return Err(Refusal::new(Code::LogInconsistent, "the plan does not follow the latest release"));
    }
    match me.log.asked(&plan.ask) {
        Some(Asked::Released | Asked::Void) => Err(Code::RoundSpent.into()),
        // Even for who masked nothing yet: of two line-ups each could find its openers.
        _ if !me.log.keeps_terms(&plan.ask, &plan.pin()) => {
            Err(Refusal::new(Code::RoundReplay, "other terms for a question that was committed before"))
        }
        Some(Asked::Committed(_) | Asked::Aborted) | None => Ok(()),
    }
}

/// Ruling R3: nobody goes on from a sum that fewer than t sites have made again from the masked uploads.
fn check_checked(plan: &Plan, due: Option<Due>, me: &Me<'_>) -> Result<(), Refusal> {
    let Some(due) = due else { return Ok(()) };
    if !plan.checked.is_sorted_by(|a, b| a.node < b.node) {
        return Err(Refusal::new(
            Code::PlanRejected,
            "the checks of the last sum are not sorted, or repeated",
        ));
    }
    let holds = |checked: &&Checked| {
        let entry = me.roster.entry(checked.node);
        checked.released == due.released && entry.is_some_and(|entry| checked.is_signed_by(&entry.identity))
    };
    if plan.checked.iter().filter(holds).count() >= due.checks {
        Ok(())
    } else {
        Err(Code::TooFewChecks.into())
    }
}

fn check_study(plan: &Plan, expected: &Expected<'_>) -> Result<(), Refusal> {
    let rejected = |what: &str| Err(Refusal::new(Code::PlanRejected, what.to_owned()));
    if plan.study != expected.study || plan.study_digest != expected.study_digest {
        return rejected("the study differs from the approved one");
    }
    if plan.recipe != expected.recipe {
        return rejected("the recipe differs from the approved study's");
    }
    if plan.state_root != expected.state_root {
        return Err(Code::StateRootMismatch.into());
    }
    if plan.ask != Plan::ask_key(expected.study, &expected.recipe, &expected.state_root) {
        return rejected("the ask-key does not follow from study, recipe and state");
    }
    Ok(())
}

fn check_vector(plan: &Plan, expected: &Expected<'_>) -> Result<(), Refusal> {
    let layout = expected.layout;
    let same = plan.layout == layout.root()
        && plan.ring == layout.ring
        && plan.words == layout.words() as u64
        && plan.weight_max == layout.weight_max
        && plan.chunk_words == expected.chunk_words;
    if same {
        Ok(())
    } else {
        Err(Refusal::new(Code::PlanRejected, "the vector differs from the derived question"))
    }
}

fn check_thresholds(plan: &Plan, expected: &Expected<'_>, me: &Me<'_>) -> Result<(), Refusal> {
    let (colluders, h_min) = (usize::from(plan.colluders), usize::from(me.roster.h_min));
    if plan.colluders < me.roster.colluders {
        return Err(Refusal::new(Code::ThresholdTooLow, "fewer colluders than the roster assumes"));
    }
    let due = Thresholds::of(plan.candidates.len(), colluders, h_min, expected.min_sites)
        .map_err(|small| Refusal::new(Code::LineUpTooSmall, small.to_string()))?;
    let low = usize::from(plan.threshold) != due.threshold
        || usize::from(plan.min_survivors) < due.survivors
        || plan.min_start < plan.min_survivors;
    if low { Err(Code::ThresholdTooLow.into()) } else { Ok(()) }
}
