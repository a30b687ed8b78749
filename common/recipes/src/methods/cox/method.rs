//! What Cox regression brings as a method, and its finished model.

use super::concordance::Pairs;
use super::model::{Cox, Strata};
use super::outcome::CoxOutcome;
use super::proportional::{Clock, Drift};
use super::risk::RiskSets;
use super::state::{CoxPhase, CoxState};
use crate::error::{RecipeError, check_columns, require};
use crate::memory::{Answer, Memory};
use crate::method::{Method, MethodTypes, Pass, Standing};
use crate::moments::Moments;
use crate::newton::Newton;
use crate::rows::Rows;
use crate::score::Score;
use crate::subgroups::{Fitted, Measure, Model, Predictions};
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

/// Coefficients, hazards and tests are told at points that differ by the last step: it must be
/// small.
const MOST_TOLERANCE: f64 = 1e-6;

impl MethodTypes for Cox {
    type State = CoxState;
    type Outcome = CoxOutcome;
}

impl Method for Cox {
    fn exact(&self) -> bool {
        true
    }

    fn tells_counts(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), RecipeError> {
        check_columns(&self.columns)?;
        if let Strata::Group(grouping) = &self.strata {
            grouping.check("strata")?;
        }
        self.grid.check(self.strata())?;
        require(
            self.ridge.is_finite() && self.ridge >= 0.0,
            "ridge",
            "0 or more",
        )?;
        let tolerance = self.tolerance > 0.0 && self.tolerance <= MOST_TOLERANCE;
        require(tolerance, "tolerance", "above 0 and at most 0.000001")?;
        require(self.max_rounds > 0, "max_rounds", "1 or more")?;
        let clock = self.clock != Clock::Km || self.strata == Strata::None;
        require(
            clock,
            "proportional_hazards",
            "`identity` or `off` with strata: no curve of all rows is known",
        )
    }

    fn start(&self, _seed: &Digest) -> CoxState {
        CoxState {
            phase: CoxPhase::Moments,
            moments: Moments::default(),
            points: Vec::new(),
            clock: Vec::new(),
            newton: Newton::begin(vec![0.0; self.columns.len()]),
            loglik: 0.0,
            beyond: 0,
            sets: RiskSets::default(),
            spread: 1.0,
            pairs: Pairs::default(),
            drift: Drift::default(),
        }
    }

    fn again(&self, _state: &CoxState) -> Option<CoxState> {
        Some(self.start(&Digest::default()))
    }

    fn ask(&self, state: &CoxState, _sites: u32) -> Result<Option<Layout>, RecipeError> {
        Ok(self.question(state))
    }

    fn answer(
        &self,
        state: &CoxState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        Ok(ClearUpdate::new(1, self.values(state, rows)?).into())
    }

    fn absorb(&self, state: &CoxState, before: &Pass, sum: &Sum) -> Result<CoxState, RecipeError> {
        self.moved(state, before, sum)
    }

    fn outcome(&self, state: &CoxState, pass: &Pass) -> Result<CoxOutcome, RecipeError> {
        self.fit(state, pass)
    }

    fn standing(state: &CoxState) -> Standing {
        match state.phase {
            CoxPhase::Moments => Standing::Open("moments"),
            CoxPhase::Spread => Standing::Open("spread"),
            CoxPhase::RiskSets => Standing::Open("risk sets"),
            CoxPhase::Information => Standing::Open("information"),
            CoxPhase::Newton => Standing::Open("newton"),
            CoxPhase::Evaluate => Standing::Open("evaluate"),
            CoxPhase::Finished => Standing::Finished,
            CoxPhase::Stuck(_) => Standing::Stuck,
        }
    }

    fn watched(state: &CoxState) -> Option<(&'static str, f64)> {
        let last = state.newton.history.last()?;
        Some(("largest step", last.step))
    }

    fn cell(&mut self) -> Option<&mut u32> {
        Some(&mut self.min_cell)
    }

    fn tolerance(&self) -> Option<f64> {
        Some(self.tolerance)
    }

    fn ridge(&mut self) -> Option<&mut f64> {
        Some(&mut self.ridge)
    }

    fn measure(&self) -> Option<Measure> {
        Some(Measure::Time)
    }

    fn model<'a>(&'a self, state: &'a CoxState) -> Option<Box<dyn Model + 'a>> {
        Some(Box::new(Fitted {
            method: self,
            state,
        }))
    }
}

impl Model for Fitted<'_, Cox, CoxState> {
    fn measure(&self) -> Measure {
        Measure::Time
    }

    fn score(&self) -> Option<&Score> {
        None
    }

    fn rows(&self) -> (u64, u64) {
        (self.state.moments.rows, self.state.moments.events)
    }

    fn scale(&self) -> (f64, f64) {
        (0.0, 1.0)
    }

    fn predictions(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        let rows = self.method.predictions(self.state, rows)?;
        let pairs = rows
            .iter()
            .map(|(score, follow)| (*score, f64::from(u8::from(follow.event))));
        let times = rows
            .iter()
            .map(|(_, follow)| (f64::from(follow.cell), follow.group));
        Ok(Predictions {
            times: times.collect(),
            ..Predictions::of(pairs)
        })
    }
}
