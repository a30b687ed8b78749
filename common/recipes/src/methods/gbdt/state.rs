//! What all parties know between two rounds of boosting, and when boosting ends.

use super::bins::{Bins, Search};
use super::growth::Growth;
use super::tree::Tree;
use crate::error::Stuck;
use crate::score::Score;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;

canonical! {
    /// Where a run stands.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Phase {
        /// Rows, and the first cells of every column.
        1 => Cells,
        /// Finer cells.
        2 => Refine(Search),
        /// The mean outcome.
        3 => Base,
        /// A level of a tree.
        4 => Grow(Growth),
        /// The final model on the rows held out, or on all.
        5 => Evaluate,
        /// A Newton step of the calibration line.
        6 => Calibrate,
        /// An outcome is ready.
        7 => Finished,
        /// There is none to be had.
        8 => Stuck(Stuck),
    }
}

canonical! {
    /// Mean losses of the first trees.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Boost {
        /// How many trees.
        pub trees: u32,
        /// On the rows in training: cross-entropy, or mean squared distance.
        pub training: f64,
        /// On the rows held out, if there are any.
        pub held_out: Option<f64>,
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GbdtState {
        /// Draws the rows that are held out and the columns of each tree.
        pub seed: Digest,
        /// Where the run stands.
        pub phase: Phase,
        /// Rows in training.
        pub rows: u64,
        /// Rows held out.
        pub held: u64,
        /// Rows in training with outcome 1.
        pub events: u64,
        /// A power of two that no outcome exceeds; 1 for log loss.
        pub scale: f64,
        /// Score before the first tree: log odds, or the mean outcome in units of the scale.
        pub base: f64,
        /// Bins of each column.
        pub columns: Vec<Bins>,
        /// Whole trees.
        pub trees: Vec<Tree>,
        /// One entry a tree, and one before the first.
        pub history: Vec<Boost>,
        /// Evaluation of a yes/no outcome.
        pub score: Score,
        /// Evaluation of a number: rows, and sums of d, d^2 and r^2 in units of the scale; empty
        /// before.
        pub residuals: Vec<f64>,
    }
}

impl GbdtState {
    /// Rows of the evaluation.
    pub(crate) fn evaluated(&self) -> u64 {
        if self.held > 0 { self.held } else { self.rows }
    }

    /// The first entry with the lowest loss held out; none without rows held out.
    fn best(&self) -> Option<&Boost> {
        let measured = self
            .history
            .iter()
            .filter_map(|boost| Some((boost, boost.held_out?)));
        measured
            .min_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(boost, _)| boost)
    }

    /// Trees since the best.
    pub(crate) fn patient_for(&self) -> u32 {
        self.best()
            .map_or(0, |best| self.trees.len() as u32 - best.trees)
    }

    /// Boosting is over: the trees up to the best stay.
    pub(crate) fn end(&mut self) {
        if let Some(trees) = self.best().map(|best| best.trees) {
            self.trees.truncate(trees as usize);
        }
        self.phase = Phase::Evaluate;
    }
}
