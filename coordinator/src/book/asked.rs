//! Who of those that were asked is still waited for, and who is in no sum.

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

    /// Sites of the roster that are in none of the sums.
    pub(crate) fn absent(&self) -> impl Iterator<Item = NodeId> {
        let is_in = |node: &NodeId| self.chain.set().contains(node) || self.lost.contains_key(node);
        self.roster().nodes().filter(move |node| !is_in(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::{book, node, with_set};

    #[test]
    fn a_site_of_the_roster_that_is_in_no_sum_is_absent_whatever_it_decided() {
        // One has not decided, and one approved and was gone before the first sum.
        let mut book = with_set(book(6, &[1, 2, 3, 4, 5]), &[1, 2, 3, 4]);
        let absent = |book: &Book| {
            let mut names: Vec<String> = book.absent().map(|node| book.name(node)).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(absent(&book), ["site-5", "site-6"]);
        book.lost.insert(node(4), 3);
        let book = with_set(book, &[1, 2, 3]);
        assert_eq!(
            absent(&book),
            ["site-5", "site-6"],
            "a site that was lost has a list of its own"
        );
    }
}
