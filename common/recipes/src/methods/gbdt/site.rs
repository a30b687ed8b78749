//! A site's rows in training: which are held out, their score under the trees so far, and gradients
//! as whole numbers.
//!
//! A site keeps nothing between rounds: everything here follows from its table and the public
//! state. What a row adds to a sum depends on that row alone and is rounded to a multiple of
//! [`UNIT`] before it is added, so sums are sums of whole numbers, and the same whatever site a row
//! lies at.

use super::tree::Tree;
use super::{Gbdt, GbdtState, Loss};
use crate::error::RecipeError;
use crate::rows::Rows;
use motet_secagg::digest::Digest;
use ndarray::{ArrayView1, ArrayView2};

/// Bits after the point of everything a row adds.
pub(crate) const BITS: u8 = 20;
const STEPS: f64 = 1_048_576.0;
/// What the rows' whole numbers count: 2^-20.
pub(crate) const UNIT: f64 = 1.0 / STEPS;
/// The largest value: beyond it there is no cell (see [`super::bins`]).
const MOST: f64 = 1_099_511_627_776.0; // 2^40

/// The rows of one site, checked.
pub(crate) struct Site<'a> {
    pub(crate) x: ArrayView2<'a, f64>,
    /// The outcome, in units of the state's scale.
    pub(crate) y: Vec<f64>,
    /// Whether the row is kept out of training.
    pub(crate) held: Vec<bool>,
}

impl<'a> Site<'a> {
    /// Outcomes of the rows that are not held out.
    pub(crate) fn trained(&self) -> impl Iterator<Item = f64> {
        let rows = self.y.iter().zip(&self.held);
        rows.filter(|(_, held)| !**held).map(|(y, _)| *y)
    }

    pub(crate) fn of(
        recipe: &Gbdt,
        state: &GbdtState,
        rows: &Rows<'a>,
    ) -> Result<Self, RecipeError> {
        let x = rows.of(&recipe.columns)?;
        for (values, column) in x.columns().into_iter().zip(&recipe.columns) {
            let rows = beyond(values);
            if rows > 0 {
                return Err(RecipeError::TooLarge {
                    column: column.clone(),
                    rows,
                });
            }
        }
        let name = &recipe.outcome;
        let y = rows
            .y
            .filter(|y| y.len() == x.nrows())
            .ok_or_else(|| RecipeError::NoOutcome {
                outcome: name.clone(),
                rows: x.nrows(),
            })?;
        match recipe.loss {
            Loss::Logistic => {
                let rows = y
                    .iter()
                    .filter(|value| **value != 0.0 && **value != 1.0)
                    .count();
                if rows > 0 {
                    return Err(RecipeError::NotBinary {
                        outcome: name.clone(),
                        rows,
                    });
                }
            }
            Loss::Squared => {
                let rows = y.iter().filter(|value| value.is_nan()).count();
                if rows > 0 {
                    return Err(RecipeError::NotFinite {
                        column: name.clone(),
                        rows,
                    });
                }
                let rows = beyond(y);
                if rows > 0 {
                    return Err(RecipeError::TooLarge {
                        column: name.clone(),
                        rows,
                    });
                }
            }
        }
        let held = x
            .rows()
            .into_iter()
            .zip(y)
            .map(|(row, y)| held_out(&state.seed, row, *y, recipe.validation));
        Ok(Self {
            x,
            held: held.collect(),
            y: y.iter().map(|y| y / state.scale).collect(),
        })
    }

    /// The training rows of a column.
    pub(crate) fn training(&self, column: usize) -> ndarray::Array1<f64> {
        self.x
            .column(column)
            .into_iter()
            .zip(&self.held)
            .filter(|(_, held)| !**held)
            .map(|(x, _)| *x)
            .collect()
    }

    /// Score of every row under these trees: log odds, or the outcome in units of the scale.
    pub(crate) fn scores(&self, base: f64, trees: &[Tree]) -> Vec<f64> {
        self.x
            .rows()
            .into_iter()
            .map(|row| {
                trees
                    .iter()
                    .fold(base, |score, tree| score + tree.walk(row).1)
            })
            .collect()
    }
}

/// Multiples of the unit next to `x`; far more than any gradient is cut off by the cast.
pub(crate) fn whole(x: f64) -> i64 {
    libm::rint(x * STEPS) as i64
}

/// First and second derivative of the loss of a row by its score.
pub(crate) fn derivatives(loss: Loss, score: f64, y: f64) -> (i64, i64) {
    match loss {
        Loss::Logistic => {
            let p = 1.0 / (1.0 + libm::exp(-score));
            (whole(p - y), whole(p * (1.0 - p)))
        }
        Loss::Squared => (whole(score - y), 0),
    }
}

/// The loss of a row: cross-entropy, or the squared distance.
pub(crate) fn loss_of(loss: Loss, score: f64, y: f64) -> i64 {
    match loss {
        Loss::Logistic => {
            let x = if y == 1.0 { -score } else { score };
            whole(if x > 0.0 {
                x + libm::log1p(libm::exp(-x))
            } else {
                libm::log1p(libm::exp(x))
            })
        }
        Loss::Squared => whole((score - y) * (score - y)),
    }
}

/// Whether a row is held out: a number drawn from its values and the seed. It is the same in every
/// round and at every site, and rows that are equal stay together.
fn held_out(seed: &Digest, row: ArrayView1<'_, f64>, y: f64, share: f64) -> bool {
    let values = row.iter().chain(std::iter::once(&y)).map(|x| {
        // One pattern of bits for each of the two numbers that have several.
        if x.is_nan() {
            u64::MAX
        } else {
            (x + 0.0).to_bits()
        }
    });
    share > 0.0 && draw(seed, values) < share
}

/// A number from 0 to 1 drawn from the seed and some values: the finaliser of splitmix64 (Steele et
/// al. 2014) over each.
pub(crate) fn draw(seed: &Digest, values: impl Iterator<Item = u64>) -> f64 {
    let words = seed
        .0
        .chunks_exact(8)
        .map(|word| word.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)));
    let mut mixed = 0_u64;
    for value in words.chain(values) {
        mixed = (mixed ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    (mixed >> 11) as f64 / 9_007_199_254_740_992.0
}

/// How many values are too large.
fn beyond(values: ArrayView1<'_, f64>) -> usize {
    values.iter().filter(|x| x.abs() >= MOST).count()
}
