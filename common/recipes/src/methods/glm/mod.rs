//! Exact generalised linear models: the fit that one table
//! of all rows would give, as R's `lm` and `glm`.
//!
//! ```text
//! [knots ..] -> moments -> spread -> [null ..] -> newton (until the largest step <= tolerance) -> evaluate -> [calibrate ..]
//!    ^            |          |          |          |                                                |            |
//!    +------------+----------+----------+----------+------ a sum of another set of sites -----------+------------+
//!
//! knots      see `knots`; only for a formula with `ns(x, 3)`: what follows is the fit with the knots that were found
//! moments    [ rows, events (logistic) | sum w (precision), sum w offset, sum w y, sum w x_j ]    (w, offset: where the study has them)
//! spread     [ sum w (x_j - mean_j)^2, sum w (y - mean)^2 (linear) | sum w y / scale (gamma, quasipoisson),
//!            sum w exp offset and sites with an offset far out (log link with an offset) ]   again in finer units where needed
//! null       [ kernel, gradient, information of the intercept ]           only for a logit link with an offset
//! newton     [ kernel | gradient (p+1) | information, upper triangle ]
//!            the first also [ products of standardised columns and intercept, upper triangle ], weighted as `leverage` says,
//!            the second [ sites with a row that decides alone, sites that do ]
//! evaluate   [ kernel, sum of squared Pearson residuals, constants (see `family`) | expected information (gamma)
//!            | meat, upper triangle (robust errors) | histograms of the score, see `score` (logistic without weights)
//!            | sites with a row that decides alone, sites that do: by the model's weights ]
//! calibrate  [ line, see `score` ]
//! ```
//!
//! Columns are standardised by the pooled mean and standard
//! deviation (weighted by w), and so is the outcome of
//! `linear`; that of `gamma` and `quasipoisson` is divided
//! by a power of two near its mean, an offset is centred.
//! The climb begins at the model of the intercept alone,
//! whose log-likelihood is then that of the first Newton
//! round, and with a logit link near it (`score::start`).
//! Numbers are counts, or fixed point where a bound is
//! known (below), or limbs of 2^-40.
//!
//! **Sources.** Models: McCullagh and Nelder 1989, 2. The
//! climb takes Newton steps by the observed information,
//! which with all links here but gamma's is the expected
//! one (Fisher scoring). Log-likelihoods: R's `logLik.lm`
//! and `logLik.glm`, with the dispersion that they use.
//! Frequency weights are counts of equal rows: rows,
//! degrees of freedom, likelihood and sandwich are those of
//! the table written out. Dispersion: Pearson's, sum /
//! (rows - coefficients). Robust errors: the sandwich
//! `A B A`, A the inverse of the (penalised) expected
//! information and B = sum (w r)^2 z z' (sum w r^2 z z' of
//! frequencies; White 1980, Econometrica 48, 817; R:
//! `sandwich::vcovHC`), times n / (n - p) for HC1. Ridge
//! and lasso bind the standardised columns; with a lasso
//! there are no standard errors, because none are valid for
//! a selected model.
//!
//! **Bounds.** Without weights, `derivatives` explains why
//! n bounds gradient and information of the logistic model.
//! In the linear one sum z_j^2 <= n and sum r^2 <= sum
//! (standardised y)^2 <= n, since the climb begins at 0 and
//! no step of it raises the penalised sum of squares: by
//! Cauchy and Schwarz gradient and information are within n
//! too. The meat of a logit link has r^2 <= 1 and the bound
//! of z_j z_k; so has gamma's expected information.
//!
//! **Nobody alone.** A fit in which one row or one site has
//! a direction of the coefficients to itself ends without a
//! result: see `leverage`. That is asked of the columns
//! alone before the second step is taken, and once more at
//! the last point with the weights that the model gives the
//! rows. A direction that no row has, which a penalty makes
//! fittable, is taken out of each sum: see `nobody`.
//!
//! **What a sum shows,** to the coordinator and to every
//! site, of all rows together: sums of each column and of
//! the outcome, so of a 0/1 column how many rows have it;
//! the products of each two columns, weighted by the model,
//! which for `linear` and `gamma` is how many rows have
//! both; and each column's product with the outcome. The
//! meat adds products weighted by squared residuals. Of a
//! column that one row alone has the first two steps show
//! that row's outcome. Histograms: see `score`.
//!
//! **One set of sites.** The state remembers the set of its
//! first sum. When a sum comes from another set (a site was
//! lost), that sum is laid aside and the pass begins again:
//! coefficients, errors, log-likelihood, rows and metrics
//! of an outcome all come from one set. Rounds keep
//! counting; `max_rounds` limits the Newton rounds of one
//! pass.

mod absorb;
mod answer;
mod compared;
mod family;
mod keys; // its keys in a study file
mod knots;
mod method;
mod outcome;
mod table;

use crate::data::WeightKind;
use crate::design::Design;
use crate::error::{MOST_ROWS, Stuck};
use crate::leverage;
use crate::linear::triangle;
use crate::moments::{Moments, bounded, counts, exact, limbs};
use crate::newton::Newton;
use crate::nobody::Nobody;
use crate::score::{self, Score};
use crate::spline::Placed;
pub use family::Family;
use knots::{Search, Sought};
use motet_secagg::canonical;
use motet_secagg::layout::{Block, Layout};
pub use outcome::{Estimate, Evaluation, GlmOutcome, Knots, Uncertainty};

canonical! {
    /// Where standard errors come from.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Errors {
        /// The model's information.
        1 => Model,
        /// The sandwich.
        2 => Hc0,
        /// The sandwich times rows / (rows - coefficients).
        3 => Hc1,
    }
}

canonical! {
    /// A generalised linear model, maximising
    /// `kernel - ridge / 2 * sum b_j^2 - lasso * sum |b_j|` on
    /// standardised columns (and, if linear, a standardised
    /// outcome), intercept free.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Glm {
        /// The columns and what is made of them.
        pub design: Design,
        /// The outcome.
        pub outcome: String,
        /// Its distribution.
        pub family: Family,
        /// Whether the table brings an offset.
        pub offset: bool,
        /// What the weights say that the table brings, if it brings
        /// any.
        pub weight: Option<WeightKind>,
        /// Strength of the ridge; 0 for none.
        pub ridge: f64,
        /// Strength of the lasso; 0 for none.
        pub lasso: f64,
        /// Where standard errors come from.
        pub errors: Errors,
        /// Largest coefficient of the last Newton step, on the
        /// standardised scale.
        pub tolerance: f64,
        /// Newton rounds after which the fit ends without having
        /// converged.
        pub max_rounds: u32,
    }
}

canonical! {
    /// Where a fit stands: the question of the next round.
    #[derive(Debug, Clone, PartialEq)]
    pub enum GlmPhase {
        /// Rows and sums.
        1 => Moments,
        /// Centred squares.
        2 => Spread,
        /// A Newton step of the intercept alone.
        3 => Null,
        /// A Newton step.
        4 => Fit,
        /// The final model.
        5 => Evaluate,
        /// A Newton step of the calibration line.
        6 => Calibrate,
        /// An outcome is ready.
        7 => Finished,
        /// There is none to be had.
        8 => Stuck(Stuck),
        /// A step of the search for knots.
        9 => Place(Search),
    }
}

canonical! {
    /// What the sites say of the final model; all on the scale
    /// of the fit.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Check {
        /// The part of the log-likelihood that depends on the
        /// coefficients.
        pub kernel: f64,
        /// Sum of squared Pearson residuals, weighted.
        pub pearson: f64,
        /// Sums of the family's likelihood that do not depend on
        /// coefficients.
        pub constants: Vec<f64>,
        /// Expected information where it is not the observed one;
        /// upper triangle.
        pub expected: Vec<f64>,
        /// The middle of the sandwich; empty without robust errors.
        pub meat: Vec<f64>,
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct GlmState {
        /// Where the fit stands.
        pub phase: GlmPhase,
        /// Knots that were found; empty before, and where the
        /// formula has its own.
        pub placed: Vec<Placed>,
        /// Pooled moments of the design's terms; rows are those
        /// with a weight above 0, or the sum of frequencies.
        pub moments: Moments,
        /// Sum of the weights.
        pub total: f64,
        /// Mean of the outcome (of outcome less offset if linear).
        pub mean: f64,
        /// Subtracted from the outcome ..
        pub centre: f64,
        /// .. which is then divided by this.
        pub scale: f64,
        /// Mean of the offset.
        pub offset: f64,
        /// The climb; in phase `null` that of the intercept alone.
        pub newton: Newton,
        /// The final model.
        pub check: Check,
        /// Its evaluation, if logistic.
        pub score: Score,
        /// Products of the standardised columns and the intercept,
        /// upper triangle: from the first step until it is known
        /// that nobody decides alone, else empty.
        pub products: Vec<f64>,
        /// What they say that no row has.
        pub nobody: Nobody,
    }
}

impl GlmState {
    /// The outcome on the scale of the fit.
    fn scaled(&self, y: f64) -> f64 {
        (y - self.centre) / self.scale
    }

    /// A sum of the family's likelihood.
    fn constant(&self, at: usize) -> f64 {
        // Those that a family does without are 0, as are all before the last round.
        self.check.constants.get(at).map_or(0.0, |sum| *sum)
    }

    /// Mean weight of the rows.
    fn unit(&self) -> f64 {
        self.total / self.moments.rows as f64
    }
}

impl Glm {
    /// A plain fit over these columns with the usual limits:
    /// tolerance 1e-10, at most 30 Newton rounds.
    pub fn new(design: Design, outcome: String, family: Family) -> Self {
        Self {
            design,
            outcome,
            family,
            offset: false,
            weight: None,
            ridge: 0.0,
            lasso: 0.0,
            errors: Errors::Model,
            tolerance: 1e-10,
            max_rounds: 30,
        }
    }

    /// The same for a yes/no outcome and columns as they stand:
    /// `P(outcome = 1) = 1 / (1 + exp(-(b_0 + sum b_j x_j)))`.
    pub fn logistic(columns: Vec<String>, outcome: String) -> Self {
        Self::new(Design::plain(columns), outcome, Family::Logistic)
    }

    /// A logistic fit of rows that count alike, with a ridge at
    /// most.
    pub(crate) fn is_plain_logistic(&self) -> bool {
        self.scored() && !self.offset && self.lasso == 0.0
    }
    /// The phase of a pass's first sum.
    fn first(&self) -> GlmPhase {
        if self.design.sought().is_empty() {
            GlmPhase::Moments
        } else {
            GlmPhase::Place(Search::Sums)
        }
    }

    fn sought(&self) -> Sought {
        Sought(self.design.sought())
    }

    /// The most numbers a site is asked for in each step of the
    /// search for knots; nothing where they are given.
    pub fn knot_vectors(&self) -> Option<[usize; 4]> {
        let sought = self.sought();
        (!sought.0.is_empty()).then(|| sought.vectors())
    }

    /// Coefficients, the intercept's included.
    fn terms(&self) -> usize {
        self.design.terms.len() + 1
    }

    /// Whether the linear predictor holds an offset (that of a
    /// linear model is taken from the outcome).
    fn shifted(&self) -> bool {
        self.offset && self.family != Family::Linear
    }

    /// Whether an offset says how much a row counts, whatever
    /// its outcome is.
    fn exposed(&self) -> bool {
        let counts = matches!(self.family, Family::Poisson | Family::Quasipoisson);
        counts && self.offset
    }

    /// Sums of the outcome and the offset beside the squares:
    /// see `answer_base`.
    fn bases(&self) -> usize {
        let offset = self.shifted() && self.family.log_link();
        usize::from(self.family.scales()) + 2 * usize::from(offset)
    }

    /// Columns whose squares are asked for: the design's, and
    /// an outcome that is standardised.
    fn spread(&self) -> usize {
        self.terms() - 1 + usize::from(self.family == Family::Linear)
    }

    /// Whether the final model is evaluated as a classifier.
    fn scored(&self) -> bool {
        self.family == Family::Logistic && self.weight.is_none()
    }

    /// Whether weights are other than counts of rows: such have
    /// no bound and no whole sum.
    fn precise(&self) -> bool {
        self.weight == Some(WeightKind::Precision)
    }

    fn robust(&self) -> bool {
        self.errors != Errors::Model
    }

    /// What is asked; nothing when the run is over.
    fn question(&self, state: &GlmState, sites: u32) -> Option<Layout> {
        let terms = self.terms();
        let rows = state.moments.rows;
        // Bounds hold for standardised columns, and almost for turned ones.
        let plain = !self.precise() && state.newton.basis.is_plain();
        let known = plain.then_some((sites, rows));
        let logit = self.family.logit_link();
        Some(match &state.phase {
            GlmPhase::Place(search) => search.ask(&self.sought(), sites),
            GlmPhase::Moments => {
                let sums = usize::from(self.precise()) + usize::from(self.shifted()) + terms;
                exact(vec![
                    counts(1 + usize::from(self.family == Family::Logistic), MOST_ROWS),
                    limbs(sums),
                ])
            }
            GlmPhase::Spread => exact(vec![limbs(
                state.moments.units.len(self.spread()) + self.bases(),
            )]),
            GlmPhase::Null => exact(vec![limbs(1), block(known, 2)]),
            GlmPhase::Fit => {
                let step = known.filter(|_| logit || self.family == Family::Linear);
                let mut blocks = vec![limbs(1), block(step, terms + triangle(terms))];
                if state.newton.taken == 0 {
                    let known = known.filter(|_| !self.exposed());
                    blocks.push(block(known, triangle(terms)));
                } else if !state.products.is_empty() {
                    blocks.push(leverage::ask());
                }
                exact(blocks)
            }
            GlmPhase::Evaluate => {
                let mut blocks: Vec<Block> = vec![limbs(2 + self.family.constants(self.precise()))];
                if self.family == Family::Gamma {
                    blocks.push(block(known, triangle(terms)));
                }
                if self.robust() {
                    blocks.push(block(known.filter(|_| logit), triangle(terms)));
                }
                if self.scored() {
                    blocks.extend(score::ask(sites, rows));
                }
                blocks.push(leverage::ask());
                exact(blocks)
            }
            GlmPhase::Calibrate => exact(vec![limbs(score::LINE)]),
            GlmPhase::Finished | GlmPhase::Stuck(_) => return None,
        })
    }

    /// The kernel of the model of intercept and offset alone,
    /// where the climb began; with a logit link and no offset
    /// it has a formula, and the climb begins elsewhere.
    fn null(&self, state: &GlmState) -> f64 {
        if self.family.logit_link() && !self.offset {
            let [with, without] =
                [state.mean, 1.0 - state.mean].map(|share| share * libm::log(share));
            return state.total * (with + without);
        }
        // Before its first step it is not known, and nobody asks.
        let first = state.newton.history.first();
        first.map_or(0.0, |step| step.loglik)
    }

    /// Twice the distance to the kernel of a model that hits
    /// every row; if linear the residual sum of squares.
    fn deviance(&self, state: &GlmState, kernel: f64) -> f64 {
        let saturated = match self.family {
            Family::Linear => return -2.0 * kernel * state.scale * state.scale,
            Family::Quasipoisson => return 2.0 * (state.constant(0) - kernel) * state.scale,
            Family::Gamma => -state.constant(0) - state.total,
            _ => state.constant(0),
        };
        2.0 * (saturated - kernel)
    }
}

/// Sums with a bound that follows from that many sites and
/// rows, or of no known bound.
fn block(known: Option<(u32, u64)>, len: usize) -> Block {
    match known {
        Some((sites, rows)) => bounded(len, sites, rows),
        None => limbs(len),
    }
}
