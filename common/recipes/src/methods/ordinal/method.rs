//! What a proportional odds regression brings as a method.

use super::{Ordinal, OrdinalOutcome, OrdinalPhase, OrdinalState};
use crate::census::Beside;
use crate::error::{RecipeError, require};
use crate::leverage;
use crate::memory::{Answer, Memory};
use crate::method::{Method, MethodTypes, Pass, Standing};
use crate::moments::Moments;
use crate::newton::Newton;
use crate::rows::Rows;
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout, Sum};
use rand_core::CryptoRng;

/// The Barthel index in steps of five has that many levels; an outcome of more is a number.
const MOST_LEVELS: usize = 21;
/// The most numbers of the last round, as many as the largest step of an exact fit has.
const MOST_NUMBERS: usize = 1 << 19;

impl MethodTypes for Ordinal {
    type State = OrdinalState;
    type Outcome = OrdinalOutcome;
}

impl Method for Ordinal {
    fn exact(&self) -> bool {
        true
    }

    fn tells_counts(&self) -> bool {
        true
    }

    fn check(&self) -> Result<(), RecipeError> {
        self.design.check()?;
        let different: std::collections::BTreeSet<&String> = self.levels.iter().collect();
        require(
            (2..=MOST_LEVELS).contains(&different.len()) && different.len() == self.levels.len(),
            "levels",
            "2 to 21 different ones of the outcome",
        )?;
        require(
            self.design.sought().is_empty(),
            "formula",
            "one whose ns() has knots of its own",
        )?;
        require(
            self.last() <= MOST_NUMBERS,
            "features",
            "fewer for so many levels of the outcome: each two cuts have a product of each two columns",
        )?;
        // A longer step can carry a threshold over the next one.
        require(
            self.tolerance > 0.0 && self.tolerance <= 1e-4,
            "tolerance",
            "above 0 and at most 1e-4",
        )?;
        require(self.max_rounds > 0, "max_rounds", "1 or more")
    }

    fn start(&self, _seed: &Digest) -> OrdinalState {
        OrdinalState {
            phase: OrdinalPhase::Moments,
            counts: Vec::new(),
            moments: Moments::default(),
            newton: Newton::begin(Vec::new()),
            loglik: 0.0,
            tests: Vec::new(),
            products: Vec::new(),
        }
    }

    fn again(&self, _state: &OrdinalState) -> Option<OrdinalState> {
        Some(self.start(&Digest::default()))
    }

    fn ask(&self, state: &OrdinalState, sites: u32) -> Result<Option<Layout>, RecipeError> {
        Ok(self.question(state, sites))
    }

    fn answer(
        &self,
        state: &OrdinalState,
        rows: &Rows<'_>,
        _memory: &Memory,
        _rng: &mut impl CryptoRng,
    ) -> Result<Answer, RecipeError> {
        Ok(ClearUpdate::new(1, self.values(state, rows)?).into())
    }

    fn absorb(
        &self,
        state: &OrdinalState,
        before: &Pass,
        sum: &Sum,
    ) -> Result<OrdinalState, RecipeError> {
        self.moved(state, before, sum)
    }

    fn outcome(&self, state: &OrdinalState, pass: &Pass) -> Result<OrdinalOutcome, RecipeError> {
        self.fit(state, pass)
    }

    fn standing(state: &OrdinalState) -> Standing {
        match &state.phase {
            OrdinalPhase::Moments => Standing::Open("moments"),
            OrdinalPhase::Spread => Standing::Open("spread"),
            OrdinalPhase::Fit => Standing::Open("newton"),
            OrdinalPhase::Parallel => Standing::Open("parallel"),
            OrdinalPhase::Finished => Standing::Finished,
            OrdinalPhase::Stuck(_) | OrdinalPhase::Empty(_) => Standing::Stuck,
        }
    }

    /// Nothing until it is known that nobody decides alone.
    fn watched(state: &OrdinalState) -> Option<(&'static str, f64)> {
        if !state.products.is_empty() || matches!(state.phase, OrdinalPhase::Stuck(_)) {
            return None;
        }
        let last = state.newton.history.last()?;
        Some(("largest step", leverage::watched(last.step)))
    }

    fn tolerance(&self) -> Option<f64> {
        Some(self.tolerance)
    }

    fn beside(&self) -> Beside {
        Beside::of(&self.design)
    }
}
