//! A finished run of boosting, in the units of the table.

use super::tree::{Node, Split, Tree};
use super::{Boost, Gbdt, GbdtState, Loss, Phase};
use crate::error::RecipeError;
use crate::method::{Finished, Method as _, Pass, with_and_without};
use crate::score::{CalibrationBin, Metrics};
use motet_secagg::digest::Digest;

/// How well the model fits the rows that were held out, or without such rows those in training.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// Of a yes/no outcome.
    Classes {
        /// Discrimination and calibration.
        metrics: Metrics,
        /// (false positive rate, true positive rate), rising.
        roc: Vec<(f64, f64)>,
        /// Ten groups of rising risk.
        calibration: Vec<CalibrationBin>,
    },
    /// Of a number.
    Numbers {
        /// Root of the mean squared distance to the score, in units of the outcome.
        rmse: f64,
        /// The part of the outcome's variance that the scores explain; none where it does not vary.
        r2: Option<f64>,
    },
}

/// A finished run. The score of a row is `base` and what its leaf in each tree adds: log odds of
/// outcome 1, or the outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct GbdtOutcome {
    /// Rounds of the run, all passes and phases.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// Rows in training.
    pub rows: u64,
    /// Rows held out.
    pub held: u64,
    /// What they, and the columns that a tree may use, were drawn with.
    pub seed: Digest,
    /// Rows in training with outcome 1; none for a number.
    pub events: Option<u64>,
    /// Score before the first tree.
    pub base: f64,
    /// The trees that are kept.
    pub trees: Vec<Tree>,
    /// What each column's splits took off the training loss, in the order of the recipe's columns.
    pub importance: Vec<(String, f64)>,
    /// Losses before the first tree and after each, dropped trees included.
    pub history: Vec<Boost>,
    /// On the rows held out, or without such rows on those in training.
    pub fit: Fit,
}

impl Finished for GbdtOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, yes_no: bool) -> Vec<u64> {
        let events = self
            .events
            .or_else(|| yes_no.then(|| libm::round(self.base * self.rows as f64) as u64));
        with_and_without(self.rows, events)
    }
}

impl Gbdt {
    /// The finished run.
    pub(super) fn trees(&self, state: &GbdtState, pass: &Pass) -> Result<GbdtOutcome, RecipeError> {
        match &state.phase {
            Phase::Finished => {}
            Phase::Stuck(stuck) => return Err(stuck.error(&self.columns, &self.outcome, &[])),
            _ => {
                return Err(RecipeError::Unfinished {
                    phase: Self::standing(state).phase(),
                });
            }
        }
        let squared = state.scale * state.scale;
        let mut importance: Vec<(String, f64)> = self
            .columns
            .iter()
            .map(|name| (name.clone(), 0.0))
            .collect();
        for split in state.trees.iter().flat_map(Tree::splits) {
            if let Some((_, gain)) = importance.get_mut(split.column as usize) {
                *gain += split.gain * squared;
            }
        }
        Ok(GbdtOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows: state.rows,
            held: state.held,
            seed: state.seed,
            events: (self.loss == Loss::Logistic).then_some(state.events),
            base: state.base * state.scale,
            trees: state
                .trees
                .iter()
                .map(|tree| Tree {
                    nodes: tree
                        .nodes
                        .iter()
                        .map(|node| match node {
                            Node::Leaf(value) => Node::Leaf(value * state.scale),
                            Node::Split(split) => Node::Split(Split {
                                gain: split.gain * squared,
                                ..split.clone()
                            }),
                        })
                        .collect(),
                })
                .collect(),
            importance,
            history: state.history.clone(),
            fit: self.fit(state)?,
        })
    }

    fn fit(&self, state: &GbdtState) -> Result<Fit, RecipeError> {
        match (self.loss, state.residuals.as_slice()) {
            (Loss::Squared, [rows, d, squares, rest]) if *rows > 0.0 => {
                let whole = squares - d * d / rows;
                let r2 = (whole > 0.0).then(|| 1.0 - rest / whole);
                Ok(Fit::Numbers {
                    rmse: (rest / rows).sqrt() * state.scale,
                    r2,
                })
            }
            (Loss::Logistic, _) if state.score.rows().0 > 0 => Ok(Fit::Classes {
                metrics: state.score.metrics(),
                roc: state.score.roc(),
                calibration: state.score.calibration(),
            }),
            // A site that evaluates alone may hold out none of its rows.
            _ => Err(RecipeError::NoRows),
        }
    }
}
