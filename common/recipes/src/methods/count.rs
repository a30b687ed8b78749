//! Whether a study is feasible: how many rows, and rows with the outcome, the sites have together.
//! One round.
//!
//! ```text
//! count -> [ rows | sites below | rows with the outcome | sites below ]        the last two only with an outcome
//! ```
//!
//! A site rounds its count to a multiple of `multiple`; a count below `min_cell` is answered as 0,
//! and the site adds 1 to the sites below. So the suppression is made at the site, before anything
//! is added: the sum cannot show a small cohort. The true total differs from the sum by at most
//! `multiple / 2` for each site that is not below, and by less than `min_cell` for each that is. An
//! empty cohort is below too. Rows without the outcome that are fewer than `min_cell` make the rows
//! with it as good as known: then they are answered as 0 as well.

mod keys; // its keys in a study file

use crate::error::{MOST_ROWS, RecipeError, require};
use crate::memory::{Answer, Memory};
use crate::method::{Finished, Method, MethodTypes, Pass, Standing};
use crate::moments::{counts, exact};
use crate::rows::{Rows, Values};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

/// The one phase.
const PHASE: &str = "count";

canonical! {
    /// Rounded counts of the cohort.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Count {
        /// The outcome, 0 or 1, whose rows are counted too; nothing to count rows alone.
        pub outcome: Option<String>,
        /// Counts are rounded to multiples of this.
        pub multiple: u32,
        /// Smaller counts are answered as 0.
        pub min_cell: u32,
    }
}

canonical! {
    /// A sum of rounded counts.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Rounded {
        /// The sum.
        pub rows: u64,
        /// Sites whose count is below `min_cell` and not in the sum.
        pub below: u64,
    }
}

canonical! {
    /// The public state before and after the round.
    #[derive(Debug, Clone, PartialEq)]
    pub struct CountState {
        /// Rows, then rows with the outcome; empty before the round.
        pub counts: Vec<Rounded>,
    }
}

/// A finished count.
#[derive(Debug, Clone, PartialEq)]
pub struct CountOutcome {
    /// Rounds of the run.
    pub rounds: u32,
    /// Sites that answered.
    pub sites: u32,
    /// Their rows.
    pub rows: Rounded,
    /// Their rows with the outcome.
    pub events: Option<Rounded>,
}

impl MethodTypes for Count {
    type State = CountState;
    type Outcome = CountOutcome;
}

impl Method for Count {
    fn exact(&self) -> bool {
        false
    }

    fn tells_counts(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), RecipeError> {
        require(
            (1..=1000).contains(&self.multiple),
            "multiple",
            "from 1 to 1000",
        )?;
        require(
            (1..=1000).contains(&self.min_cell),
            "min_cell",
            "from 1 to 1000",
        )
    }

    fn start(&self, _seed: &Digest) -> CountState {
        CountState { counts: Vec::new() }
    }

    fn again(&self, _state: &CountState) -> Option<CountState> {
        None
    }

    fn ask(&self, state: &CountState, _sites: u32) -> Result<Option<Layout>, RecipeError> {
        // Rounding up can exceed the most rows by half a multiple.
        let most = MOST_ROWS + f64::from(self.multiple);
        let open = state.counts.is_empty();
        Ok(open.then(|| exact(vec![counts(2 * self.figures(), most)])))
    }

    fn answer(
        &self,
        _state: &CountState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        Ok(ClearUpdate::new(1, self.count(rows)?).into())
    }

    fn absorb(
        &self,
        state: &CountState,
        _before: &Pass,
        sum: &Sum,
    ) -> Result<CountState, RecipeError> {
        if !state.counts.is_empty() {
            return Err(RecipeError::Mismatch { what: "state" });
        }
        let mut values = Values::of(sum);
        let mut found = Vec::new();
        for _ in 0..self.figures() {
            let rows = values.count("rounded counts")?;
            let below = values.count("rounded counts")?;
            if below > u64::from(sum.sites) || !rows.is_multiple_of(u64::from(self.multiple)) {
                return Err(RecipeError::Implausible {
                    what: "rounded counts",
                });
            }
            found.push(Rounded { rows, below });
        }
        values.end()?;
        Ok(CountState { counts: found })
    }

    fn outcome(&self, state: &CountState, pass: &Pass) -> Result<CountOutcome, RecipeError> {
        let mut counts = state.counts.iter().cloned();
        let rows = counts
            .next()
            .ok_or(RecipeError::Unfinished { phase: PHASE })?;
        Ok(CountOutcome {
            rounds: pass.rounds,
            sites: pass.sites,
            rows,
            events: counts.next(),
        })
    }

    fn standing(state: &CountState) -> Standing {
        if state.counts.is_empty() {
            Standing::Open(PHASE)
        } else {
            Standing::Finished
        }
    }

    fn watched(_state: &CountState) -> Option<(&'static str, f64)> {
        None
    }
}

impl Finished for CountOutcome {
    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn sites(&self) -> u32 {
        self.sites
    }

    fn classes(&self, _yes_no: bool) -> Vec<u64> {
        Vec::new()
    }
}

impl Count {
    /// Rows alone, in tens, from 5.
    pub fn new(outcome: Option<String>) -> Self {
        Self {
            outcome,
            multiple: 10,
            min_cell: 5,
        }
    }

    /// How many counts it makes.
    fn figures(&self) -> usize {
        1 + usize::from(self.outcome.is_some())
    }

    /// The counts of one site.
    fn count(&self, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
        let all = rows.x.nrows() as u64;
        if all as f64 > MOST_ROWS {
            return Err(RecipeError::TooManyRows {
                rows: all,
                most: MOST_ROWS as u64,
            });
        }
        let mut values = self.rounded(all, all).to_vec();
        if let Some(outcome) = &self.outcome {
            let y =
                rows.y
                    .filter(|y| y.len() as u64 == all)
                    .ok_or_else(|| RecipeError::NoOutcome {
                        outcome: outcome.clone(),
                        rows: rows.x.nrows(),
                    })?;
            let other = y
                .iter()
                .filter(|value| **value != 0.0 && **value != 1.0)
                .count();
            if other > 0 {
                return Err(RecipeError::NotBinary {
                    outcome: outcome.clone(),
                    rows: other,
                });
            }
            let events = y.iter().filter(|value| **value == 1.0).count() as u64;
            values.extend(self.rounded(events, all - events));
        }
        Ok(values)
    }

    /// A count to the nearest multiple, or 0 and a mark when it or what is left of the rows is
    /// small.
    fn rounded(&self, count: u64, rest: u64) -> [f64; 2] {
        let least = u64::from(self.min_cell);
        let multiple = u64::from(self.multiple);
        if count < least || rest < least {
            return [0.0, 1.0];
        }
        [((count + multiple / 2) / multiple * multiple) as f64, 0.0]
    }
}
