//! Who of those that were asked is still waited for.

use super::Book;
use motet_common::decision::Verdict;
use motet_secagg::id::{NodeId, RunId};

impl Book {
    /// Whether a site's steward has approved.
    pub(crate) fn approved(&self, node: NodeId) -> bool {
        self.decisions
            .get(&node)
            .is_some_and(|signed| matches!(signed.decision.verdict, Verdict::Approve(_)))
    }

    /// The run that has not begun its first round, where it waits for everyone who has not
    /// declined.
    pub(crate) fn waits_for_decisions(&self) -> Option<RunId> {
        let run = self
            .run
            .as_ref()
            .filter(|run| run.round.is_none() && self.chain.set().is_empty())?;
        (!run.started.without_undecided).then_some(run.started.run)
    }
}
