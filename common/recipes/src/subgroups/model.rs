//! A finished model of one of the methods that can be judged by group, whatever the method.

use crate::cox::{Cox, CoxState};
use crate::error::RecipeError;
use crate::fedavg::{Evaluation, FedAvg, FedAvgState, standard};
use crate::followup::Follow;
use crate::gbdt::{self, Gbdt, GbdtState};
use crate::glm::{Family, Glm, GlmState};
use crate::loss::Loss;
use crate::rows::Rows;
use crate::score::Score;
use motet_secagg::digest::Digest;

/// What a model says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The risk of a yes/no outcome.
    Risk,
    /// A number.
    Number,
    /// Who has an event before whom.
    Time,
}

/// What a model says of the rows of a site.
pub(crate) struct Predictions {
    /// Of each row log odds, a number or a score, and the outcome; nothing of rows the model is not
    /// judged on.
    pub(crate) pairs: Vec<Option<(f64, f64)>>,
    /// Time and stratum of each row where the outcome is a time to an event; else nothing.
    pub(crate) times: Vec<(f64, u32)>,
}

/// A method with its state.
#[derive(Clone, Copy)]
pub(crate) enum Model<'a> {
    Glm(&'a Glm, &'a GlmState),
    FedAvg(&'a FedAvg, &'a FedAvgState),
    Gbdt(&'a Gbdt, &'a GbdtState),
    Cox(&'a Cox, &'a CoxState),
}

impl Glm {
    /// What its model says; nothing where rows count differently, for which there are no such
    /// figures.
    pub(crate) fn measure(&self) -> Option<Measure> {
        match self.family {
            _ if self.weight.is_some() => None,
            Family::Logistic => Some(Measure::Risk),
            _ => Some(Measure::Number),
        }
    }
}

impl FedAvg {
    /// What its model says.
    pub(crate) fn measure(&self) -> Measure {
        match self.loss {
            Loss::Binary => Measure::Risk,
            Loss::Number => Measure::Number,
            Loss::Time(_) => Measure::Time,
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
            Self::Glm(recipe, _) => recipe.measure(),
            Self::FedAvg(recipe, _) => Some(recipe.measure()),
            Self::Gbdt(recipe, _) => Some(recipe.measure()),
            Self::Cox(..) => Some(Measure::Time),
        };
        measure.ok_or(RecipeError::Mismatch { what: "evaluation" })
    }

    /// The set that the model's own figures come from.
    pub(crate) fn set(&self) -> Digest {
        match self {
            Self::Glm(_, state) => state.set,
            Self::FedAvg(_, state) => state.set,
            Self::Gbdt(_, state) => state.set,
            Self::Cox(_, state) => state.set,
        }
    }

    /// Histogram of the risk of all rows; none of what is no risk.
    pub(crate) fn score(&self) -> Option<&Score> {
        match self {
            Self::Glm(_, state) => Some(&state.score),
            Self::Gbdt(_, state) => Some(&state.score),
            Self::FedAvg(_, state) => match &state.evaluation {
                Evaluation::Binary(score) => Some(score),
                _ => None,
            },
            Self::Cox(..) => None,
        }
    }

    /// Rows that the model is judged on, and of these the ones with the outcome; 0 of a number.
    pub(crate) fn rows(&self) -> (u64, u64) {
        match (self, self.measure()) {
            (_, Ok(Measure::Risk)) => self.score().map(Score::rows).unwrap_or_default(),
            (Self::Glm(_, state), _) => (state.moments.rows, 0),
            (Self::Gbdt(_, state), _) => (state.evaluated(), 0),
            (Self::FedAvg(_, state), _) => match &state.evaluation {
                Evaluation::Number(sums) => (sums.rows, 0),
                Evaluation::Time(sums) => (sums.rows, sums.events),
                _ => (0, 0),
            },
            (Self::Cox(_, state), _) => (state.moments.rows, state.moments.events),
        }
    }

    /// A middle of the outcome on the scale of the fit, and what one unit of that scale is.
    pub(crate) fn scale(&self) -> (f64, f64) {
        match self {
            Self::Cox(..) => (0.0, 1.0),
            Self::Glm(recipe, state) if recipe.family == Family::Linear => (0.0, state.scale),
            Self::Glm(_, state) => (state.mean / state.scale, state.scale),
            Self::FedAvg(recipe, state) => (
                0.0,
                standard::outcome_scale(&recipe.loss, &state.moments).map_or(1.0, |(_, sd)| sd),
            ),
            Self::Gbdt(_, state) => (state.base, state.scale),
        }
    }

    pub(crate) fn predictions(&self, rows: &Rows<'_>) -> Result<Predictions, RecipeError> {
        let all = |pairs: Vec<(f64, f64)>| Predictions {
            pairs: pairs.into_iter().map(Some).collect(),
            times: Vec::new(),
        };
        Ok(match self {
            Self::Glm(recipe, state) => all(recipe.predictions(state, rows)?),
            Self::FedAvg(recipe, state) => {
                let [scores, y, times] = recipe.predictions(state, rows)?;
                let pairs = all(scores.into_iter().zip(y).collect());
                Predictions {
                    times: times.into_iter().map(|time| (time, 0)).collect(),
                    ..pairs
                }
            }
            Self::Gbdt(recipe, state) => Predictions {
                pairs: recipe.predictions(state, rows)?,
                times: Vec::new(),
            },
            Self::Cox(recipe, state) => {
                let rows = recipe.predictions(state, rows)?;
                let pair =
                    |(score, follow): &(f64, Follow)| (*score, f64::from(u8::from(follow.event)));
                Predictions {
                    times: rows
                        .iter()
                        .map(|(_, follow)| (f64::from(follow.cell), follow.group))
                        .collect(),
                    ..all(rows.iter().map(pair).collect())
                }
            }
        })
    }
}
