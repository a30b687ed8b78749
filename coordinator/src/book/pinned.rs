//! Who is asked a question, with which numbers; once nodes may have masked an answer to it, these
//! stay.

use super::Book;
use motet_secagg::id::NodeId;
use motet_secagg::message::Plan;
use motet_secagg::threshold::Thresholds;

/// The sites of an attempt, and its numbers.
#[derive(Debug, Clone)]
pub(crate) struct LineUp {
    pub(crate) candidates: Vec<NodeId>,
    pub(crate) thresholds: Thresholds,
    pub(crate) min_start: usize,
}

impl LineUp {
    /// That of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let thresholds = Thresholds {
            colluders: plan.colluders.into(),
            threshold: plan.threshold.into(),
            survivors: plan.min_survivors.into(),
        };
        Self {
            candidates: plan.candidates.clone(),
            thresholds,
            min_start: plan.min_start.into(),
        }
    }
}

impl Book {
    /// The line-up that the present question is pinned to, when nodes may have masked an answer to
    /// it already.
    pub(crate) fn pinned(&self) -> Option<&LineUp> {
        let (ask, line_up) = self.pinned.as_ref()?;
        (*ask == self.chain.ask_key()).then_some(line_up)
    }
}
