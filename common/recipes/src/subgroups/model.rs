//! A finished model of one of the methods that can be judged by group, whatever the method.

use crate::error::RecipeError;
use crate::fedavg::{Evaluation, FedAvg, FedAvgState, standard};
use crate::gbdt::{self, Gbdt, GbdtState};
use crate::glm::{Family, Glm, GlmState};
use crate::logistic::{Logistic, LogisticState};
use crate::loss::Loss;
use crate::rows::Rows;
use crate::score::Score;
use motet_secagg::digest::Digest;

/// What a model says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The risk of a yes/no outcome.
    Risk,
    /// A number.
    Number,
}

/// A method with its state.
#[derive(Clone, Copy)]
pub(crate) enum Model<'a> {
    Logistic(&'a Logistic, &'a LogisticState),
    Glm(&'a Glm, &'a GlmState),
    FedAvg(&'a FedAvg, &'a FedAvgState),
    Gbdt(&'a Gbdt, &'a GbdtState),
}

impl Glm {
    /// What its model says; nothing where rows count differently, for which there are no such figures.
    pub(crate) fn measure(&self) -> Option<Measure> {
        match self.family {
            _ if self.weight => None,
            Family::Logistic => Some(Measure::Risk),
            _ => Some(Measure::Number),
        }
    }
}

impl FedAvg {
    /// What its model says; nothing where it orders patients by their hazard.
    pub(crate) fn measure(&self) -> Option<Measure> {
        match self.loss {
            Loss::Binary => Some(Measure::Risk),
            Loss::Number => Some(Measure::Number),
            Loss::Time(_) => None,
        }
    }
}

impl Gbdt {
    /// What its model says.
    pub(crate) fn measure(&self) -> Measure {
        match self.loss {
            gbdt::Loss::Logistic => Measure::Risk,
            gbdt::Loss::Squared => Measure::Number,
        }
    }
}

impl Model<'_> {
    pub(crate) fn measure(&self) -> Result<Measure, RecipeError> {
        let measure = match self {
            Self::Logistic(..) => Some(Measure::Risk),
            Self::Glm(recipe, _) => recipe.measure(),
            Self::FedAvg(recipe, _) => recipe.measure(),
            Self::Gbdt(recipe, _) => Some(recipe.measure()),
        };
        measure.ok_or(RecipeError::Mismatch { what: "evaluation" })
    }

    /// The set that the model's own figures come from.
    pub(crate) fn set(&self) -> Digest {
        match self {
            Self::Logistic(_, state) => state.set,
            Self::Glm(_, state) => state.set,
            Self::FedAvg(_, state) => state.set,
            Self::Gbdt(_, state) => state.set,
        }
    }

    /// Histogram of the score of all rows; none for a number.
    pub(crate) fn score(&self) -> Option<&Score> {
        match self {
            Self::Logistic(_, state) => Some(&state.score),
            Self::Glm(_, state) => Some(&state.score),
            Self::Gbdt(_, state) => Some(&state.score),
            Self::FedAvg(_, state) => match &state.evaluation {
                Evaluation::Binary(score) => Some(score),
                _ => None,
            },
        }
    }

    /// Rows that the model is judged on, and of these the ones with the outcome; 0 of a number.
    pub(crate) fn rows(&self) -> (u64, u64) {
        match (self, self.measure()) {
            (_, Ok(Measure::Risk)) => self.score().map(Score::rows).unwrap_or_default(),
            (Self::Logistic(_, state), _) => (state.moments.rows, 0),
            (Self::Glm(_, state), _) => (state.moments.rows, 0),
            (Self::Gbdt(_, state), _) => (state.evaluated(), 0),
            (Self::FedAvg(_, state), _) => match &state.evaluation {
                Evaluation::Number(sums) => (sums.rows, 0),
                _ => (0, 0),
            },
        }
    }

    /// A middle of the outcome on the scale of the fit, and what one unit of that scale is.
    pub(crate) fn scale(&self) -> (f64, f64) {
        match self {
            Self::Logistic(..) => (0.0, 1.0),
            Self::Glm(recipe, state) if recipe.family == Family::Linear => (0.0, state.scale),
            Self::Glm(_, state) => (state.mean / state.scale, state.scale),
            Self::FedAvg(recipe, state) => {
                (0.0, standard::outcome_scale(&recipe.loss, &state.moments).map_or(1.0, |(_, sd)| sd))
            }
            Self::Gbdt(_, state) => (state.base, state.scale),
        }
    }

    /// Of each row what the model says (log odds, or a number) and the outcome; nothing of rows it is not judged on.
    pub(crate) fn predictions(&self, rows: &Rows<'_>) -> Result<Vec<Option<(f64, f64)>>, RecipeError> {
        let all = |pairs: Vec<(f64, f64)>| pairs.into_iter().map(Some).collect();
        match self {
            Self::Logistic(recipe, state) => recipe.predictions(state, rows).map(all),
            Self::Glm(recipe, state) => recipe.predictions(state, rows).map(all),
            Self::FedAvg(recipe, state) => recipe.predictions(state, rows).map(all),
            Self::Gbdt(recipe, state) => recipe.predictions(state, rows),
        }
    }
}
