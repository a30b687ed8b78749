//! What a generalised linear model brings as a method, and its finished model.

use super::{Check, Errors, Family, Glm, GlmOutcome, GlmPhase, GlmState, WeightKind};
use crate::census::Beside;
use crate::compared::Compared;
use crate::error::{RecipeError, is_strength, require};
use crate::leverage;
use crate::memory::{Answer, Memory};
use crate::method::{Method, MethodTypes, Pass, Standing};
use crate::moments::Moments;
use crate::newton::Newton;
use crate::nobody::Nobody;
use crate::rows::Rows;
use crate::score::Score;
use crate::subgroups::{Fitted, Measure, Model, Predictions};
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

impl MethodTypes for Glm {
    type State = GlmState;
    type Outcome = GlmOutcome;
}

impl Method for Glm {
    fn exact(&self) -> bool {
        true
    }

    fn tells_counts(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), RecipeError> {
        self.design.check()?;
        require(is_strength(self.ridge), "ridge", "0 or more")?;
        require(is_strength(self.lasso), "lasso", "0 or more")?;
        // Quantiles are those of rows as they stand, and not of the table written out.
        let counted = self.weight == Some(WeightKind::Frequency);
        require(
            !counted || self.design.sought().is_empty(),
            "formula",
            "one whose ns() has knots of its own where weights are frequencies",
        )?;
        let plain = self.lasso == 0.0 || self.errors == Errors::Model;
        require(
            plain,
            "errors",
            "`model` where there is a lasso: no standard errors are valid with one",
        )?;
        require(
            self.tolerance.is_finite() && self.tolerance > 0.0,
            "tolerance",
            "above 0",
        )?;
        require(self.max_rounds > 0, "max_rounds", "1 or more")
    }

    fn start(&self, _seed: &Digest) -> GlmState {
        GlmState {
            phase: self.first(),
            placed: Vec::new(),
            moments: Moments::default(),
            total: 0.0,
            mean: 0.0,
            centre: 0.0,
            scale: 1.0,
            offset: 0.0,
            newton: Newton::new(0),
            check: Check::default(),
            score: Score::default(),
            products: Vec::new(),
            nobody: Nobody::default(),
        }
    }

    fn again(&self, _state: &GlmState) -> Option<GlmState> {
        Some(self.start(&Digest::default()))
    }

    fn ask(&self, state: &GlmState, sites: u32) -> Result<Option<Layout>, RecipeError> {
        Ok(self.question(state, sites))
    }

    fn answer(
        &self,
        state: &GlmState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        Ok(ClearUpdate::new(1, self.values(state, rows)?).into())
    }

    fn absorb(&self, state: &GlmState, before: &Pass, sum: &Sum) -> Result<GlmState, RecipeError> {
        self.moved(state, before, sum)
    }

    fn outcome(&self, state: &GlmState, pass: &Pass) -> Result<GlmOutcome, RecipeError> {
        self.fit(state, pass)
    }

    fn standing(state: &GlmState) -> Standing {
        match &state.phase {
            GlmPhase::Place(_) => Standing::Open("knots"),
            GlmPhase::Moments => Standing::Open("moments"),
            GlmPhase::Spread => Standing::Open("spread"),
            GlmPhase::Null => Standing::Open("null"),
            GlmPhase::Fit => Standing::Open("newton"),
            GlmPhase::Evaluate => Standing::Open("evaluate"),
            GlmPhase::Calibrate => Standing::Open("calibrate"),
            GlmPhase::Finished => Standing::Finished,
            GlmPhase::Stuck(_) => Standing::Stuck,
        }
    }

    /// Nothing until it is known that nobody decides alone: the first step of a linear model is its
    /// fit, and the intercept alone is one too.
    fn watched(state: &GlmState) -> Option<(&'static str, f64)> {
        let early = matches!(state.phase, GlmPhase::Null | GlmPhase::Stuck(_));
        if early || !state.products.is_empty() {
            return None;
        }
        let last = state.newton.history.last()?;
        Some(("largest step", leverage::watched(last.step)))
    }

    fn tolerance(&self) -> Option<f64> {
        Some(self.tolerance)
    }

    fn ridge(&mut self) -> Option<&mut f64> {
        Some(&mut self.ridge)
    }

    fn beside(&self) -> Beside {
        let beside = Beside::of(&self.design);
        Beside {
            common: match self.family {
                // Its errors tell a column's variance, too.
                Family::Linear => 3,
                _ => beside.common,
            },
            ..beside
        }
    }

    /// Nothing where rows count differently, for which there are no such figures.
    fn measure(&self) -> Option<Measure> {
        self.weight.is_none().then(|| self.measured())
    }

    fn compared<'a>(
        &'a self,
        state: &'a GlmState,
        _sites: u32,
        rows: &Rows<'_>,
    ) -> Result<Option<Compared<'a>>, RecipeError> {
        self.to_compare(state, rows)
    }

    fn model<'a>(&'a self, state: &'a GlmState) -> Option<Box<dyn Model + 'a>> {
        Some(Box::new(Fitted {
            method: self,
            state,
        }))
    }
}

impl Glm {
    fn measured(&self) -> Measure {
        match self.family {
            Family::Logistic => Measure::Risk,
            _ => Measure::Number,
        }
    }
}

impl Model for Fitted<'_, Glm, GlmState> {
    fn measure(&self) -> Measure {
        self.method.measured()
    }

    fn score(&self) -> Option<&Score> {
        Some(&self.state.score)
    }

    fn rows(&self) -> (u64, u64) {
        match self.method.family {
            Family::Logistic => self.state.score.rows(),
            _ => (self.state.moments.rows, 0),
        }
    }

    fn scale(&self) -> (f64, f64) {
        match self.method.family {
            Family::Linear => (0.0, self.state.scale),
            _ => (self.state.mean / self.state.scale, self.state.scale),
        }
    }

    fn predictions(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        Ok(Predictions::of(self.method.predictions(self.state, rows)?))
    }
}
