//! Proportional odds: one effect of each column on an outcome whose levels are
//! in order, the fit that one table of all rows would give, as R's `polr`.
//!
//! ```text
//! log odds of (Y <= level j) = theta_j - (x_1 beta_1 + .. + x_p beta_p)        theta_1 < theta_2 < .. < theta_m, m = k - 1
//!
//! moments -> spread -> newton (until the largest step <= tolerance) -> parallel
//!    ^          |         |                                              |
//!    +----------+---------+----- a sum of another set of sites ----------+
//!
//! moments    [ rows of each level (k) | sum x_j (p) ]
//! spread     [ sum (x_j - mean_j)^2 (p) ]                                        again in finer units where needed
//! newton     [ kernel | gradient (m + p) | curvature: of each cut (m), of cut and column (m p), of two columns (triangle p) ]
//!            the first also [ products of standardised columns and intercept (triangle p + 1) ],
//!            the second [ sites with a row that decides alone, sites that do ], see `leverage`
//! parallel   [ kernel | score (m (p + 1)) | expected information of each cut and of two neighbours (2 m - 1 triangles of p + 1)
//!            | sites with a row that decides alone, sites that do: by the model's curvatures ]
//! ```
//!
//! A positive coefficient moves patients to higher levels: exp(beta_j) is the
//! odds ratio of being above any cut, for one unit of the column. Columns are
//! standardised by the pooled mean and standard deviation; the climb begins at
//! the model of the thresholds alone, which are the log odds of the shares and
//! whose log-likelihood is that of the first Newton round.
//!
//! **What the sites need not say.** Of a row at a level between the cuts a
//! (above) and b (below), at log odds `u = theta_a - z beta` and `v = theta_b -
//! z beta`, with F the logistic function,
//!
//! ```text
//! P(level) = F(u) F(-v) (1 - exp(theta_b - theta_a))
//! ```
//!
//! The last factor is the same for all rows of the level: it, its slopes and
//! its curvatures follow from thresholds and rows that all know (`cuts.rs`). So
//! the sums hold the other two factors alone, the log-likelihood's part of
//! which is the kernel, and the curvature of two different cuts is in no sum.
//! It is also why rows with a narrow level do no harm to the bounds.
//!
//! **Bounds.** With n rows and columns as in `derivatives`, F and 1 - F are at
//! most 1 and F (1 - F) at most 1/4. A row adds at most 1 to the gradient of a
//! cut and |z_j| to that of a column, 1/4 to the curvature of a cut, |z_j| / 4
//! to that of a cut and a column, and |z_j z_k| / 2 to that of two columns: by
//! Cauchy and Schwarz all of it is within n. The kernel has no such bound, nor
//! have the sums of the last round: limbs.
//!
//! **Sources.** Model: McCullagh 1980, Journal of the Royal Statistical Society
//! B 42, 109; R's `MASS::polr` has the same signs. Newton's steps and the
//! standard errors take the observed information, as `polr` and statsmodels'
//! `OrderedModel` (both by differences) do; the likelihood is concave (Pratt
//! 1981, Journal of the American Statistical Association 76, 103), as the
//! factors show. The test of proportionality is in `parallel.rs`.
//!
//! **Nobody alone.** A fit in which one row or one site has a direction of the
//! coefficients to itself ends without a result: see `leverage`. That is asked
//! of the columns before the second step is taken, and once more at the last
//! point by the curvature of each row beside that of all; the thresholds tell
//! how many are at each level, which the first round counts.
//!
//! **What a sum shows,** to the coordinator and to every site, of all rows
//! together: how many are at each level, sums and squares of each column, and
//! of each column its products with the others and with each cut, so of a 0/1
//! column about how many rows that have it lie below each cut.
//!
//! **One set of sites**, as in `glm`: a sum of another set begins the pass
//! again.

mod absorb;
mod answer;
mod cuts; //     what follows from thresholds and rows of each level alone
mod keys; //     its keys in a study file
mod method;
mod outcome;
mod parallel; // the test of proportionality
mod patients; // a site's rows, checked
mod row; //      a row between the cuts next to its level

use crate::design::Design;
use crate::error::MOST_ROWS;
use crate::error::Stuck;
use crate::leverage;
use crate::linear::triangle;
use crate::moments::{Moments, bounded, counts, exact, limbs};
use crate::newton::Newton;
use motet_secagg::canonical;
use motet_secagg::layout::{Block, Layout};
pub use outcome::{AtLevel, Effect, OrdinalOutcome, Parallel};

canonical! {
    /// A proportional odds regression.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Ordinal {
        /// The columns and what is made of them.
        pub design: Design,
        /// The outcome: a row has the place of its level, from 0.
        pub outcome: String,
        /// Its levels, the lowest first.
        pub levels: Vec<String>,
        /// Largest coefficient of the last Newton step, on the standardised scale.
        pub tolerance: f64,
        /// Newton rounds after which the fit ends without having converged.
        pub max_rounds: u32,
    }
}

canonical! {
    /// Where a fit stands: the question of the next round.
    #[derive(Debug, Clone, PartialEq)]
    pub enum OrdinalPhase {
        /// Rows of each level, and sums.
        1 => Moments,
        /// Centred squares.
        2 => Spread,
        /// A Newton step.
        3 => Fit,
        /// The final model: its likelihood, and slopes of each cut beside it.
        4 => Parallel,
        /// An outcome is ready.
        5 => Finished,
        /// There is none to be had.
        6 => Stuck(Stuck),
        /// Nobody is at this level.
        7 => Empty(u32),
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct OrdinalState {
        /// Where the fit stands.
        pub phase: OrdinalPhase,
        /// Rows of each level.
        pub counts: Vec<u64>,
        /// Pooled moments of the design's terms.
        pub moments: Moments,
        /// The climb: thresholds, then coefficients.
        pub newton: Newton,
        /// Log-likelihood of the final model.
        pub loglik: f64,
        /// Its tests of proportionality, see `parallel`; empty before them, and of two levels.
        pub tests: Vec<f64>,
        /// Products of intercept and standardised columns, upper triangle: from the first step until
        /// it is known that nobody decides alone, else empty.
        pub products: Vec<f64>,
    }
}

impl Ordinal {
    /// A fit over these columns with the usual limits: tolerance 1e-10, at most 30 Newton rounds.
    pub fn new(design: Design, outcome: String, levels: Vec<String>) -> Self {
        Self {
            design,
            outcome,
            levels,
            tolerance: 1e-10,
            max_rounds: 30,
        }
    }

    /// Cuts between two neighbouring levels, m.
    fn cuts(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    /// Columns of the fit, p.
    fn columns(&self) -> usize {
        self.design.terms.len()
    }

    /// Numbers of a step behind the kernel.
    fn step(&self) -> usize {
        let cuts = self.cuts();
        let columns = self.columns();
        cuts + columns + cuts + cuts * columns + triangle(columns)
    }

    /// Products of intercept and columns.
    fn products(&self) -> usize {
        triangle(self.columns() + 1)
    }

    /// Numbers of the last round.
    fn last(&self) -> usize {
        let cuts = self.cuts();
        let terms = self.columns() + 1;
        match cuts {
            0 | 1 => 1,
            _ => 1 + cuts * terms + (2 * cuts - 1) * triangle(terms),
        }
    }

    /// Who decides alone, where it is asked.
    fn alone(&self, state: &OrdinalState) -> Option<Block> {
        (!state.products.is_empty()).then(leverage::ask)
    }

    /// What is asked; nothing when the run is over.
    fn question(&self, state: &OrdinalState, sites: u32) -> Option<Layout> {
        Some(match state.phase {
            OrdinalPhase::Moments => exact(vec![
                counts(self.levels.len(), MOST_ROWS),
                limbs(self.columns()),
            ]),
            OrdinalPhase::Spread => exact(vec![state.moments.ask_spread()]),
            OrdinalPhase::Fit => {
                let bounded = |len| bounded(len, sites, state.moments.rows);
                let first = state.newton.taken == 0;
                let products = first.then(|| bounded(self.products()));
                let step = [limbs(1), bounded(self.step())].into_iter();
                exact(step.chain(products).chain(self.alone(state)).collect())
            }
            OrdinalPhase::Parallel => exact(vec![limbs(self.last()), leverage::ask()]),
            OrdinalPhase::Finished | OrdinalPhase::Stuck(_) | OrdinalPhase::Empty(_) => {
                return None;
            }
        })
    }
}
