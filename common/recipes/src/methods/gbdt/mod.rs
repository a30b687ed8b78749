//! Gradient boosting of regression trees on histograms, for
//! a yes/no outcome (log loss) or a number (squared loss):
//! exactly the trees that one table of all rows would give
//! (Chen and Guestrin 2016; histograms as in LightGBM, Ke
//! et al. 2017).
//!
//! ```text
//! cells -> [refine ..] -> [base] -> grow (at most `depth` rounds a tree) .. -> evaluate -> [calibrate ..] -> finished
//!   ^                                 |                                          |
//!   +---------------------------------+---- a sum of another set of sites -------+
//!
//! cells    = [ rows in training, held out, with the outcome | cells of each column ]       counts, see `bins`
//! refine   = [ rows in parts of heavy cells ]                                              counts
//! base     = [ sum of the outcome ]                                                        squared loss only; limbs
//! grow     = [ rows | g | h of each node, column and bin | losses ]                        see `grow`
//! evaluate = score histograms as in the logistic fit, or [ rows, sum d, d^2, r^2 ]         d = y - base, r = y - score
//! ```
//!
//! **Exact.** What a row adds is rounded to 2^-20 before it
//! is added (for a number: 2^-20 of the power of two above
//! the largest outcome), so a sum is one of whole numbers
//! and has the same bits however rows lie at sites. So have
//! edges, splits, leaves and losses. Derivatives of log
//! loss are bounded, |g| <= 1 and h <= 1/4, and by the
//! pooled rows when added: fixed point. Those of squared
//! loss have no bound before the fit: limbs.
//!
//! **Held-out rows.** A row is held out when a number drawn
//! from its own values and the seed of the run falls below
//! `validation`: the same rows in every round though sites
//! remember nothing, and at whatever site they lie. With
//! them boosting ends when the loss held out has not fallen
//! for `patience` trees, the trees after the best are
//! dropped, and the metrics are of these rows; they have
//! chosen the number of trees, so the metrics flatter a
//! little. Without, the metrics are of the training rows
//! and flatter a lot.
//!
//! **What the sums show.** Cells with few rows: a cell with
//! one row shows its g, and so the outcome of a patient in
//! that bin, though not at which site. Leaves have at least
//! `min_rows` rows, cells do not. Few bins and little depth
//! show less.
//!
//! **One set of sites.** A sum of another set is laid aside
//! and the run begins again at `cells`, with the same seed.

mod bins; //           candidate splits
mod grow; //           a level of a tree
mod growth; //         a tree that grows
mod keys; // its keys in a study file
mod outcome; //        the finished model
mod site; //           rows in training
mod state; //          between two rounds
mod tree; //           splits and leaves

pub use bins::{Bins, Cell, Search};
pub use growth::{Growth, Histogram, Pending};
pub use outcome::{Fit, GbdtOutcome};
pub use state::{Boost, GbdtState, Phase};
pub use tree::{Node, Split, Tree};

use crate::census::Beside;
use crate::error::{MOST_ROWS, RecipeError, Stuck, check_wide, is_strength, require};
use crate::memory::{Answer, Memory};
use crate::method::{Method, MethodTypes, Pass, Standing};
use crate::moments::{counts, exact, limbs};
use crate::rows::{Rows, Values};
use crate::score::{self, Score};
use crate::subgroups::{Fitted, Measure, Model, Predictions};
use crate::windows::counting;
use grow::Grown;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;
use site::{BITS, Site, UNIT, draw, whole};

/// The most cells of a level: with three words each a
/// vector of 100 MB.
const MOST_CELLS: u64 = 1 << 22;

canonical! {
    /// What the trees are fitted to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Loss {
        /// Cross-entropy of an outcome of 0 or 1.
        1 => Logistic,
        /// Squared distance to a number.
        2 => Squared,
    }
}

canonical! {
    /// Boosted trees.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Gbdt {
        /// Columns of the table; missing values are allowed.
        pub columns: Vec<String>,
        /// The outcome.
        pub outcome: String,
        /// What the trees are fitted to.
        pub loss: Loss,
        /// The most trees.
        pub trees: u32,
        /// Levels of splits of a tree: rounds it takes.
        pub depth: u32,
        /// What a tree's leaves are multiplied with.
        pub learning_rate: f64,
        /// Pull of leaves towards 0.
        pub lambda: f64,
        /// The least gain of a split.
        pub gamma: f64,
        /// The least sum of second derivatives in a leaf.
        pub min_child_weight: f64,
        /// The least rows in a leaf.
        pub min_rows: u32,
        /// About how many bins a column has; at most twice as many.
        pub bins: u32,
        /// The part of the columns that each tree may use.
        pub column_share: f64,
        /// The part of the rows that is held out.
        pub validation: f64,
        /// Trees without a lower loss held out after which boosting
        /// ends.
        pub patience: u32,
    }
}

impl MethodTypes for Gbdt {
    type State = GbdtState;
    type Outcome = GbdtOutcome;
}

impl Method for Gbdt {
    fn exact(&self) -> bool {
        true
    }

    fn tells_counts(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), RecipeError> {
        check_wide(&self.columns)?;
        require((1..=1000).contains(&self.trees), "trees", "from 1 to 1000")?;
        require((1..=8).contains(&self.depth), "depth", "from 1 to 8")?;
        require(
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "learning_rate",
            "above 0 and at most 1",
        )?;
        require(is_strength(self.lambda), "lambda", "0 or more")?;
        require(is_strength(self.gamma), "gamma", "0 or more")?;
        require(
            is_strength(self.min_child_weight),
            "min_child_weight",
            "0 or more",
        )?;
        require(self.min_rows > 0, "min_rows", "1 or more")?;
        require((2..=64).contains(&self.bins), "bins", "from 2 to 64")?;
        require(
            self.column_share > 0.0 && self.column_share <= 1.0,
            "column_share",
            "above 0 and at most 1",
        )?;
        require(
            (0.0..=0.5).contains(&self.validation),
            "validation",
            "from 0 to 0.5",
        )?;
        require(self.patience > 0, "patience", "1 or more")?;
        let cells = (self.columns.len() as u64 * u64::from(self.bins)) << self.depth;
        require(
            cells <= MOST_CELLS,
            "depth",
            "less, or `bins` fewer: features x bins x 2^depth at most 4194304",
        )
    }

    fn start(&self, seed: &Digest) -> GbdtState {
        GbdtState {
            seed: *seed,
            phase: Phase::Cells,
            rows: 0,
            held: 0,
            events: 0,
            scale: 1.0,
            base: 0.0,
            columns: Vec::new(),
            trees: Vec::new(),
            history: Vec::new(),
            score: Score::default(),
            residuals: Vec::new(),
        }
    }

    fn again(&self, state: &GbdtState) -> Option<GbdtState> {
        Some(self.start(&state.seed))
    }

    fn ask(&self, state: &GbdtState, sites: u32) -> Result<Option<Layout>, RecipeError> {
        // Fixed point of BITS after the point, for sums up to the pooled rows at each site: 2^62
        // units in all.
        let most = (1_u64 << (62 - BITS)) / u64::from(sites.max(1));
        if state.rows + state.held > most {
            return Err(RecipeError::TooManyRows {
                rows: state.rows + state.held,
                most,
            });
        }
        Ok(Some(match &state.phase {
            Phase::Cells => {
                let scales = self.columns.len() + usize::from(self.loss == Loss::Squared);
                exact(vec![counts(3 + scales * bins::first_cells(), MOST_ROWS)])
            }
            Phase::Refine(search) => counting(search.words(self.bins), sites, state.rows),
            Phase::Base => exact(vec![limbs(1)]),
            Phase::Grow(growth) => growth.ask(self, state),
            Phase::Evaluate if self.loss == Loss::Squared => {
                exact(vec![counts(1, MOST_ROWS), limbs(3)])
            }
            Phase::Evaluate => exact(score::ask(sites, state.evaluated())),
            Phase::Calibrate => exact(vec![limbs(score::LINE)]),
            Phase::Finished | Phase::Stuck(_) => return Ok(None),
        }))
    }

    fn answer(
        &self,
        state: &GbdtState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        Ok(ClearUpdate::new(1, self.values(state, rows)?).into())
    }

    fn absorb(
        &self,
        state: &GbdtState,
        before: &Pass,
        sum: &Sum,
    ) -> Result<GbdtState, RecipeError> {
        let mut next = state.clone();
        let mut values = Values::of(sum);
        match &state.phase {
            Phase::Cells => self.absorb_cells(&mut next, &mut values)?,
            Phase::Refine(search) => {
                let search = search.absorb(self.bins, &mut values)?;
                self.searched(&mut next, search);
            }
            Phase::Base => {
                next.base = values.one()? / state.rows as f64;
                next.phase = Phase::Grow(Growth::root());
            }
            Phase::Grow(growth) => self.absorb_growth(&mut next, growth, &mut values)?,
            Phase::Evaluate if self.loss == Loss::Squared => {
                let rows = values.count("rows")?;
                if sum.sites == before.sites && rows != state.evaluated() {
                    return Err(RecipeError::Implausible { what: "rows" });
                }
                next.residuals = std::iter::once(rows as f64)
                    .chain(values.take(3)?.iter().copied())
                    .collect();
                next.phase = Phase::Finished;
            }
            Phase::Evaluate => {
                next.score = Score::absorb(&mut values, state.base)?;
                // A site that scores the final model on its own rows alone, for its own steward,
                // brings a sum of fewer sites.
                if sum.sites == before.sites && next.score.rows().0 != state.evaluated() {
                    return Err(RecipeError::Implausible {
                        what: "the histogram",
                    });
                }
                next.phase = Phase::Calibrate;
            }
            Phase::Calibrate => next.score.absorb_line(&mut values)?,
            Phase::Finished | Phase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        }
        values.end()?;
        if next.score.settled {
            next.phase = Phase::Finished;
        }
        Ok(next)
    }

    fn outcome(&self, state: &GbdtState, pass: &Pass) -> Result<GbdtOutcome, RecipeError> {
        self.trees(state, pass)
    }

    fn standing(state: &GbdtState) -> Standing {
        match &state.phase {
            Phase::Cells => Standing::Open("cells"),
            Phase::Refine(_) => Standing::Open("refine"),
            Phase::Base => Standing::Open("base"),
            Phase::Grow(_) => Standing::Open("grow"),
            Phase::Evaluate => Standing::Open("evaluate"),
            Phase::Calibrate => Standing::Open("calibrate"),
            Phase::Finished => Standing::Finished,
            Phase::Stuck(_) => Standing::Stuck,
        }
    }

    fn watched(state: &GbdtState) -> Option<(&'static str, f64)> {
        let last = state.history.last()?;
        Some(("loss", last.held_out.unwrap_or(last.training)))
    }

    fn beside(&self) -> Beside {
        Beside {
            parts: true,
            common: 1,
            ..Beside::default()
        }
    }

    fn measure(&self) -> Option<Measure> {
        Some(self.measured())
    }

    fn model<'a>(&'a self, state: &'a GbdtState) -> Option<Box<dyn Model + 'a>> {
        Some(Box::new(Fitted {
            method: self,
            state,
        }))
    }
}

impl Model for Fitted<'_, Gbdt, GbdtState> {
    fn measure(&self) -> Measure {
        self.method.measured()
    }

    fn score(&self) -> Option<&Score> {
        Some(&self.state.score)
    }

    fn rows(&self) -> (u64, u64) {
        match self.method.loss {
            Loss::Logistic => self.state.score.rows(),
            Loss::Squared => (self.state.evaluated(), 0),
        }
    }

    fn scale(&self) -> (f64, f64) {
        (self.state.base, self.state.scale)
    }

    fn predictions(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        Ok(Predictions {
            pairs: judged(self.state, &Site::of(self.method, self.state, rows)?),
            times: Vec::new(),
        })
    }

    fn predictions_of_others(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        let site = Site::of(self.method, self.state, rows)?;
        let scores = site.scores(self.state.base, &self.state.trees);
        Ok(Predictions::of(scores.into_iter().zip(site.y)))
    }
}

impl Gbdt {
    /// Shallow trees that suit tables of some hundred to some
    /// ten thousand rows: at most 100 of depth 3, learning rate
    /// 0.1, lambda 1, about 32 bins, leaves of 10 rows and
    /// more, a fifth of the rows held out, patience 10.
    pub fn new(columns: Vec<String>, outcome: String, loss: Loss) -> Self {
        Self {
            columns,
            outcome,
            loss,
            trees: 100,
            depth: 3,
            learning_rate: 0.1,
            lambda: 1.0,
            gamma: 0.0,
            min_child_weight: 1.0,
            min_rows: 10,
            bins: 32,
            column_share: 1.0,
            validation: 0.2,
            patience: 10,
        }
    }
    fn measured(&self) -> Measure {
        match self.loss {
            Loss::Logistic => Measure::Risk,
            Loss::Squared => Measure::Number,
        }
    }

    /// Columns that the next tree may use: those that vary, or
    /// the share of them that the seed draws for it.
    pub(crate) fn used<'a>(
        &self,
        state: &'a GbdtState,
    ) -> impl Iterator<Item = (usize, &'a Bins)> + use<'a> {
        let tree = state.trees.len() as u64;
        let mut draws: Vec<f64> = state
            .columns
            .iter()
            .enumerate()
            .filter(|(_, bins)| bins.vary())
            .map(|(column, _)| draw(&state.seed, [tree, column as u64].into_iter()))
            .collect();
        draws.sort_by(f64::total_cmp);
        let most = libm::ceil(draws.len() as f64 * self.column_share) as usize;
        let last = draws.get(most.max(1) - 1).copied().unwrap_or(1.0);
        let seed = state.seed;
        state
            .columns
            .iter()
            .enumerate()
            .filter(|(_, bins)| bins.vary())
            .filter(move |(column, _)| draw(&seed, [tree, *column as u64].into_iter()) <= last)
    }
    /// What a site answers.
    fn values(&self, state: &GbdtState, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
        let site = Site::of(self, state, rows)?;
        Ok(match &state.phase {
            Phase::Cells => self.answer_cells(&site),
            Phase::Refine(search) => (0..self.columns.len())
                .flat_map(|column| search.answer(column, self.bins, site.training(column).view()))
                .collect(),
            Phase::Base => {
                vec![site.trained().map(whole).sum::<i64>() as f64 * UNIT]
            }
            Phase::Grow(growth) => growth.answer(self, state, &site),
            Phase::Evaluate | Phase::Calibrate => self.answer_evaluation(state, &site)?,
            Phase::Finished | Phase::Stuck(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        })
    }

    fn answer_cells(&self, site: &Site<'_>) -> Vec<f64> {
        let held = site.held.iter().filter(|held| **held).count();
        let events = site
            .trained()
            .filter(|y| self.loss == Loss::Logistic && *y == 1.0)
            .count();
        let mut values = vec![site.trained().count() as f64, held as f64, events as f64];
        for column in 0..self.columns.len() {
            values.extend(bins::answer_cells(site.training(column).view()));
        }
        if self.loss == Loss::Squared {
            values.extend(bins::answer_cells(ndarray::ArrayView1::from(&site.y)));
        }
        values
    }

    fn answer_evaluation(
        &self,
        state: &GbdtState,
        site: &Site<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        let pairs: Vec<(f64, f64)> = judged(state, site).into_iter().flatten().collect();
        Ok(match (self.loss, &state.phase) {
            (Loss::Squared, _) => {
                let mut sums = [0_i64; 3];
                let rows = pairs.len() as f64;
                for (score, y) in pairs {
                    let d = y - state.base;
                    let r = y - score;
                    for (sum, term) in sums.iter_mut().zip([d, d * d, r * r]) {
                        *sum += whole(term);
                    }
                }
                std::iter::once(rows)
                    .chain(sums.iter().map(|sum| *sum as f64 * UNIT))
                    .collect()
            }
            (Loss::Logistic, Phase::Calibrate) => {
                score::answer_line(&pairs, state.score.line_so_far()?).to_vec()
            }
            (Loss::Logistic, _) => score::answer(&pairs, state.base),
        })
    }

    fn absorb_cells(
        &self,
        next: &mut GbdtState,
        values: &mut Values<'_>,
    ) -> Result<(), RecipeError> {
        next.rows = values.count("rows")?;
        next.held = values.count("rows held out")?;
        next.events = values.count("events")?;
        if next.events > next.rows {
            return Err(RecipeError::Implausible { what: "events" });
        }
        let mut search = Search::default();
        for _ in &self.columns {
            let (missing, cells) = bins::absorb_cells(values)?;
            if missing + cells.iter().map(|cell| cell.rows).sum::<u64>() != next.rows {
                return Err(RecipeError::Implausible {
                    what: "rows in cells",
                });
            }
            search.missing.push(missing);
            search.cells.push(cells);
        }
        if self.loss == Loss::Squared {
            let (_, cells) = bins::absorb_cells(values)?;
            next.scale = cells.iter().fold(0.0, |most, cell| {
                libm::fmax(most, libm::fmax(cell.low.abs(), cell.high.abs()))
            });
            if !(next.scale > 0.0 && next.scale.is_finite()) {
                return Err(RecipeError::Implausible {
                    what: "rows in cells",
                });
            }
        }
        if next.rows < 2 {
            next.phase = Phase::Stuck(Stuck::TooFewRows);
        } else if self.loss == Loss::Logistic && (next.events == 0 || next.events == next.rows) {
            next.phase = Phase::Stuck(Stuck::OneClass);
        } else {
            self.searched(next, search);
        }
        Ok(())
    }

    /// Goes on with the search, or with its result.
    fn searched(&self, next: &mut GbdtState, search: Search) {
        if search.words(self.bins) > 0 {
            next.phase = Phase::Refine(search);
            return;
        }
        next.columns = search.bins(self.bins);
        let fixed = next.columns.iter().all(|bins| bins.edges.is_empty());
        next.phase = match self.loss {
            _ if fixed => Phase::Stuck(Stuck::Constant(0)),
            Loss::Squared => Phase::Base,
            Loss::Logistic => {
                next.base = libm::log(next.events as f64 / (next.rows - next.events) as f64);
                Phase::Grow(Growth::root())
            }
        };
    }

    fn absorb_growth(
        &self,
        next: &mut GbdtState,
        growth: &Growth,
        values: &mut Values<'_>,
    ) -> Result<(), RecipeError> {
        let (histograms, losses) = growth.read(self, next, values)?;
        if let Some([training, held_out]) = losses {
            let held_out = (next.held > 0).then(|| mean_loss(held_out, next.held, next.scale));
            let trees = next.trees.len() as u32;
            next.history.push(Boost {
                trees,
                training: mean_loss(training, next.rows, next.scale),
                held_out,
            });
            if growth.pending.is_empty() || next.patient_for() >= self.patience {
                next.end();
                return Ok(());
            }
        }
        match growth.split(self, next, histograms)? {
            Grown::On(growth) => next.phase = Phase::Grow(growth),
            Grown::Nothing => next.end(),
            Grown::Tree(tree) => {
                next.trees.push(tree);
                let mut growth = Growth::root();
                if next.trees.len() >= self.trees as usize {
                    growth.pending.clear();
                }
                next.phase = Phase::Grow(growth);
            }
        }
        Ok(())
    }
}

/// Score and outcome of the rows held out, or of all where
/// none are.
fn judged(state: &GbdtState, site: &Site<'_>) -> Vec<Option<(f64, f64)>> {
    let scores = site
        .scores(state.base, &state.trees)
        .into_iter()
        .zip(&site.y)
        .zip(&site.held);
    scores
        .map(|((score, y), held)| (*held || state.held == 0).then_some((score, *y)))
        .collect()
}

/// The mean of that many rows, in the units of the outcome.
fn mean_loss(sum: f64, rows: u64, scale: f64) -> f64 {
    sum / rows as f64 * scale * scale
}
