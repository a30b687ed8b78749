//! How many values each column has, how many are missing, and the pooled mean and variance; in two
//! rounds, because the variance from raw squares would lose digits where the mean is large. With
//! [`Details`] also histograms, quantiles, extremes and a table by group.
//!
//! ```text
//! sums   -> [ values, missing a column | sum a column | histograms | by group ]
//! spread -> [ sum of (x - mean)^2 a column            | by group ]       once more in finer units where needed: see `squares`
//! refine -> [ rows in parts of the windows around the quantiles ]         only with quantiles or extremes, some rounds
//! ```
//!
//! **What the sums show.** All participants read every count of every sum, also those of one
//! patient: `min_cell` withholds cells of the outcome, which readers of the release see, and cannot
//! withhold a cell of an opened sum. What must not be seen must not be asked for: choose wide bins
//! and few groups. Windows grow no narrower where they hold fewer than `min_cell` rows, but for the
//! extremes that a study asks for.
//!
//! **One set of sites.** A sum of another set begins the pass again at `sums`.

mod details; //        what a study may ask
mod found; //          what its rounds have found
mod groups; //         table by group
mod keys; // its keys in a study file
pub(crate) mod quantile; //       order statistics in ever narrower windows
mod suppress; //       small cells of an outcome
mod withhold; //       what is withheld in the outcome

pub use details::{Details, Scale};
pub use found::{Detailed, Distribution, Found};
pub use groups::{Cell, Groups, Line, Table, Test};
pub use quantile::{Quantile, Target, apart};

use crate::census::Beside;
use crate::error::{MOST_ROWS, RecipeError, check_columns};
use crate::memory::{Answer, Memory};
use crate::method::{Method, MethodTypes, Pass, Standing};
use crate::moments::{self, counts, exact, limbs};
use crate::rows::{Rows, Values};
use crate::squares::{self, UNKNOWN, Units};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use ndarray::Axis;
use rand_core::CryptoRng;

canonical! {
    /// Counts, means and variances of columns. A value that is missing in one column does not drop
    /// the row from the others.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Summary {
        /// Columns of the table.
        pub columns: Vec<String>,
        /// Distributions and groups, if the study asks for them.
        pub details: Option<Details>,
    }
}

canonical! {
    /// Where a summary stands.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Phase {
        /// Counts and sums.
        1 => Sums,
        /// Centred squares.
        2 => Spread,
        /// An outcome is ready.
        3 => Finished,
        /// Centred squares, after sums with details.
        4 => Spreading(Found),
        /// Windows around the quantiles.
        5 => Refining(Found),
        /// An outcome with details is ready.
        6 => Detailed(Found),
    }
}

canonical! {
    /// The public state between two rounds.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SummaryState {
        /// Where it stands.
        pub phase: Phase,
        /// Values of each column.
        pub counts: Vec<u64>,
        /// Missing values of each column.
        pub missing: Vec<u64>,
        /// Means; 0 for a column without values.
        pub means: Vec<f64>,
        /// Sums of centred squares; -1 where they are not known.
        pub squares: Vec<f64>,
        /// In which units they are asked for.
        pub units: Units,
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The column.
    pub name: String,
    /// Values.
    pub count: u64,
    /// Missing values.
    pub missing: u64,
    /// Whether these lie at too few sites to be told.
    pub few_missing: bool,
    /// Mean; NaN without values.
    pub mean: f64,
    /// Variance, ddof 1; NaN with fewer than two values, or where the values differ by too little
    /// to be told.
    pub variance: f64,
}

/// A finished summary.
#[derive(Debug, Clone, PartialEq)]
pub struct SummaryOutcome {
    /// Rounds of the run.
    pub rounds: u32,
    /// Sites every figure comes from.
    pub sites: u32,
    /// In the order of the recipe's columns.
    pub variables: Vec<Variable>,
    /// Distributions and groups, if the study asks for them.
    pub details: Option<Detailed>,
}

impl MethodTypes for Summary {
    type State = SummaryState;
    type Outcome = SummaryOutcome;
}

impl Method for Summary {
    fn exact(&self) -> bool {
        true
    }

    fn tells_counts(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), RecipeError> {
        check_columns(&self.columns)?;
        self.details
            .as_ref()
            .map_or(Ok(()), |details| details.check(self.columns.len()))
    }

    fn start(&self, _seed: &Digest) -> SummaryState {
        SummaryState {
            phase: Phase::Sums,
            counts: Vec::new(),
            missing: Vec::new(),
            means: Vec::new(),
            squares: Vec::new(),
            units: Units::default(),
        }
    }

    fn again(&self, _state: &SummaryState) -> Option<SummaryState> {
        Some(self.start(&Digest::default()))
    }

    fn ask(&self, state: &SummaryState, sites: u32) -> Result<Option<Layout>, RecipeError> {
        let columns = self.columns.len();
        Ok(match &state.phase {
            Phase::Sums => {
                let mut blocks = vec![counts(2 * columns, MOST_ROWS), limbs(columns)];
                blocks.extend(self.details.iter().flat_map(found::ask_sums));
                Some(exact(blocks))
            }
            Phase::Spread => Some(exact(vec![limbs(state.units.len(columns))])),
            Phase::Spreading(found) => {
                let mut blocks = vec![limbs(state.units.len(columns))];
                blocks.extend(found.ask_spread());
                Some(exact(blocks))
            }
            Phase::Refining(found) => {
                let most = state.counts.iter().fold(0, |most, count| most.max(*count));
                Some(found.ask(self.details()?, sites, most))
            }
            Phase::Finished | Phase::Detailed(_) => None,
        })
    }

    fn answer(
        &self,
        state: &SummaryState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        Ok(ClearUpdate::new(1, self.values(state, rows)?).into())
    }

    fn absorb(
        &self,
        state: &SummaryState,
        _before: &Pass,
        sum: &Sum,
    ) -> Result<SummaryState, RecipeError> {
        let columns = self.columns.len();
        let mut next = state.clone();
        let mut values = Values::of(sum);
        match &state.phase {
            Phase::Sums => {
                next.counts = values.counts(columns, "values")?;
                next.missing = values.counts(columns, "missing values")?;
                next.means = values
                    .take(columns)?
                    .iter()
                    .zip(&next.counts)
                    .map(|(sum, count)| match count {
                        // 0 and not NaN without values: the bits of a computed NaN differ between
                        // processors.
                        0 => 0.0,
                        count => sum / *count as f64,
                    })
                    .collect();
                next.units = Units::first(&next.means);
                next.phase = match &self.details {
                    None => Phase::Spread,
                    Some(details) => {
                        Phase::Spreading(Found::absorb_sums(details, &next.counts, &mut values)?)
                    }
                };
            }
            Phase::Spread | Phase::Spreading(_) => {
                let own = values.take(state.units.len(columns))?;
                let rows: Vec<f64> = state
                    .counts
                    .iter()
                    .map(|count| squares::varying(*count))
                    .collect();
                let own = state.units.absorb(own, &state.means, &rows, sum.sites);
                let levels = match &state.phase {
                    Phase::Spreading(found) => found.take_spread(&mut values, sum.sites)?,
                    _ => None,
                };
                // One round asks again for all or for nothing: a table by group has the means of
                // the whole beside it.
                let open = own.finer.is_some()
                    || levels.as_ref().is_some_and(|levels| levels.finer.is_some());
                if open {
                    next.units = own.finer.unwrap_or(Units {
                        again: true,
                        ..state.units.clone()
                    });
                } else {
                    next.squares = squares::known(&own);
                    next.means = own.mean;
                }
                next.phase = match &state.phase {
                    Phase::Spreading(found) if open => Phase::Spreading(found.again(levels)),
                    Phase::Spreading(found) => self.refine(found.spread(levels))?,
                    _ if open => Phase::Spread,
                    _ => Phase::Finished,
                };
            }
            Phase::Refining(found) => {
                next.phase = self.refine(found.absorb(self.details()?, &mut values)?)?;
            }
            Phase::Finished | Phase::Detailed(_) => {
                return Err(RecipeError::Mismatch { what: "state" });
            }
        }
        values.end()?;
        Ok(next)
    }

    fn outcome(&self, state: &SummaryState, pass: &Pass) -> Result<SummaryOutcome, RecipeError> {
        if !matches!(state.phase, Phase::Finished | Phase::Detailed(_)) {
            return Err(RecipeError::Unfinished {
                phase: Self::standing(state).phase(),
            });
        }
        let figures = state
            .counts
            .iter()
            .zip(&state.missing)
            .zip(state.means.iter().zip(&state.squares));
        let variables =
            self.columns
                .iter()
                .zip(figures)
                .map(|(name, ((count, missing), (mean, squares)))| Variable {
                    name: name.clone(),
                    count: *count,
                    missing: *missing,
                    few_missing: false,
                    mean: if *count == 0 { f64::NAN } else { *mean },
                    variance: if *count < 2 || *squares == UNKNOWN {
                        f64::NAN
                    } else {
                        squares / (count - 1) as f64
                    },
                });
        let mut outcome = SummaryOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            variables: variables.collect(),
            details: None,
        };
        if let Phase::Detailed(found) = &state.phase {
            let details = self.details()?;
            let blank = outcome.withhold_levels(details.categories(), details.min_cell);
            outcome.details = Some(found.outcome(details, &self.columns, &state.counts, &blank));
        }
        Ok(outcome)
    }

    fn standing(state: &SummaryState) -> Standing {
        match &state.phase {
            Phase::Sums => Standing::Open("sums"),
            Phase::Spread | Phase::Spreading(_) => Standing::Open("spread"),
            Phase::Refining(_) => Standing::Open("refine"),
            Phase::Finished | Phase::Detailed(_) => Standing::Finished,
        }
    }

    fn watched(_state: &SummaryState) -> Option<(&'static str, f64)> {
        None
    }

    fn cell(&mut self) -> Option<&mut u32> {
        self.details.as_mut().map(|details| &mut details.min_cell)
    }

    fn sites(&mut self) -> Option<&mut u32> {
        self.details.as_mut().map(|details| &mut details.min_sites)
    }

    fn beside(&self) -> Beside {
        Beside {
            bins: self.scaled(),
            gaps: self.columns.len(),
            common: 3,
            ..Beside::default()
        }
    }
}

impl Summary {
    /// The columns with a histogram, by their place, and its edges.
    pub(crate) fn scaled(&self) -> Vec<(usize, Vec<f64>)> {
        let scales = self
            .details
            .iter()
            .flat_map(|details| details.scales.iter().enumerate());
        scales
            .filter(|(_, scale)| !scale.edges.is_empty())
            .map(|(at, scale)| (at, scale.edges.clone()))
            .collect()
    }

    /// Counts, means and variances alone.
    pub fn new(columns: Vec<String>) -> Self {
        Self {
            columns,
            details: None,
        }
    }
    fn details(&self) -> Result<&Details, RecipeError> {
        self.details
            .as_ref()
            .ok_or(RecipeError::Mismatch { what: "state" })
    }
    /// What a site answers.
    fn values(&self, state: &SummaryState, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
        let x = rows.of(&self.columns)?;
        for (values, column) in x.axis_iter(Axis(1)).zip(&self.columns) {
            let rows = values.iter().filter(|value| value.is_infinite()).count();
            if rows > 0 {
                return Err(RecipeError::NotFinite {
                    column: column.clone(),
                    rows,
                });
            }
        }
        let columns: Vec<_> = x.axis_iter(Axis(1)).collect();
        match &state.phase {
            Phase::Sums => {
                let missing: Vec<f64> = columns
                    .iter()
                    .map(|values| values.iter().filter(|value| value.is_nan()).count() as f64)
                    .collect();
                let present = missing.iter().map(|missing| x.nrows() as f64 - missing);
                let sums: Vec<f64> = columns
                    .iter()
                    .map(|values| values.iter().filter(|value| !value.is_nan()).sum())
                    .collect();
                moments::within(&sums, &self.columns)?;
                let mut values: Vec<f64> =
                    present.chain(missing.iter().copied()).chain(sums).collect();
                if let Some(details) = &self.details {
                    values.extend(found::answer_sums(details, &self.columns, rows)?);
                }
                Ok(values)
            }
            Phase::Spread | Phase::Spreading(_) => {
                let mut values = state.units.answer(&state.means, |at, figure| {
                    let values = columns.get(at).into_iter().flatten();
                    values
                        .filter(|value| !value.is_nan())
                        .map(|value| figure(*value))
                        .sum()
                });
                moments::within(&values, &self.columns)?;
                let Phase::Spreading(found) = &state.phase else {
                    return Ok(values);
                };
                values.extend(found.answer_spread(self.details()?, rows)?);
                Ok(values)
            }
            Phase::Refining(found) => Ok(found.answer(self.details()?, rows)),
            Phase::Finished | Phase::Detailed(_) => Err(RecipeError::Mismatch { what: "state" }),
        }
    }

    fn refine(&self, found: Found) -> Result<Phase, RecipeError> {
        Ok(if found.open(self.details()?) {
            Phase::Refining(found)
        } else {
            Phase::Detailed(found)
        })
    }
}
