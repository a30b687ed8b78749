//! What a node knows by itself of a study's next question, and what a plan must therefore say: held
//! against the plan that asks it, and against the plan in the evidence of a sum that is said to
//! answer it.

use crate::checks::Due;
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::digest::Digest;
use motet_secagg::layout::Layout;
use motet_secagg::message::{PRG, Plan, SUITE, VERSION};
use motet_secagg::threshold::Thresholds;

/// What the node knows by itself.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The study's name.
    pub study: &'a str,
    /// Digest of the study the steward approved.
    pub study_digest: Digest,
    /// Digest of its recipe.
    pub recipe: Digest,
    /// Root of the state this node computed from the releases so far.
    pub state_root: Digest,
    /// The layout of the question derived from that state for the plan's candidates.
    pub layout: &'a Layout,
    /// Words of a chunk: [`motet_secagg::mask::chunk_words`] of its ring, smaller in simulations
    /// only.
    pub chunk_words: u32,
    /// The study's own minimum of sites in a sum; for a plan that asks, the site's where that is
    /// larger.
    pub min_sites: usize,
    /// Hash of the leaf of the release this node absorbed last, or of the study's opening before
    /// the first.
    pub previous: Digest,
    /// What must have come of that release; nothing before the first.
    pub due: Option<Due>,
}

impl Expected<'_> {
    /// Whether the plan asks exactly this question, with the numbers that rulings R1 and R2 give
    /// its candidates.
    ///
    /// # Errors
    /// The [`Refusal`] names the first thing that differs.
    pub fn check(&self, plan: &Plan, roster: &Roster) -> Result<(), Refusal> {
        if plan.version != VERSION || plan.suite != SUITE || plan.prg != PRG {
            return Err(Code::VersionUnknown.into());
        }
        if plan.roster != roster.digest() {
            return Err(Code::RosterMismatch.into());
        }
        self.check_study(plan)?;
        if plan.previous_leaf != self.previous {
            return Err(Refusal::new(
                Code::LogInconsistent,
                "the plan follows a release that this site does not",
            ));
        }
        self.check_vector(plan)?;
        self.check_thresholds(plan, roster)
    }

    /// Ruling R3: nobody goes on from a sum that fewer than t sites have made again from the masked
    /// uploads.
    ///
    /// # Errors
    /// As [`Due::met_by`].
    pub fn check_due(&self, plan: &Plan, roster: &Roster) -> Result<(), Refusal> {
        self.due
            .map_or(Ok(()), |due| due.met_by(&plan.checked, roster))
    }

    fn check_study(&self, plan: &Plan) -> Result<(), Refusal> {
        if plan.study != self.study || plan.study_digest != self.study_digest {
            return rejected("the study differs from the approved one");
        }
        if plan.recipe != self.recipe {
            return rejected("the recipe differs from the approved study's");
        }
        if plan.state_root != self.state_root {
            return Err(Code::StateRootMismatch.into());
        }
        if plan.ask != Plan::ask_key(self.study, &self.recipe, &self.state_root) {
            return rejected("the ask-key does not follow from study, recipe and state");
        }
        Ok(())
    }

    fn check_vector(&self, plan: &Plan) -> Result<(), Refusal> {
        let layout = self.layout;
        let same = plan.layout == layout.root()
            && plan.ring == layout.ring
            && plan.words == layout.words() as u64
            && plan.weight_max == layout.weight_max
            && plan.chunk_words == self.chunk_words;
        if same {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::PlanRejected,
                "the vector differs from the derived question",
            ))
        }
    }

    fn check_thresholds(&self, plan: &Plan, roster: &Roster) -> Result<(), Refusal> {
        let colluders = usize::from(plan.colluders);
        let h_min = usize::from(roster.h_min);
        if plan.colluders < roster.colluders {
            return Err(Refusal::new(
                Code::ThresholdTooLow,
                "fewer colluders than the roster assumes",
            ));
        }
        let due = Thresholds::of(
            plan.candidates.len(),
            roster.entries.len(),
            colluders,
            h_min,
            self.min_sites,
        )
        .map_err(|small| Refusal::new(Code::LineUpTooSmall, small.to_string()))?;
        let low = usize::from(plan.threshold) != due.threshold
            || usize::from(plan.min_survivors) < due.survivors
            || plan.min_start < plan.min_survivors;
        if low {
            Err(Code::ThresholdTooLow.into())
        } else {
            Ok(())
        }
    }
}

fn rejected(what: &str) -> Result<(), Refusal> {
    Err(Refusal::new(Code::PlanRejected, what.to_owned()))
}
