//! The methods, one line each: who answers for an outcome, and who knows how its times were read.

use crate::averaging;
use crate::context::Survival;
use crate::shown::Shown;
use motet_recipes::{AnyMethod, Outcome, Recipe};

/// The outcome as its method shows it.
pub(crate) fn shown(outcome: Outcome) -> Box<dyn Shown> {
    match outcome {
        Outcome::Summary(found) => Box::new(found),
        Outcome::Count(found) => Box::new(found),
        Outcome::Glm(found) => Box::new(found),
        Outcome::Ordinal(found) => Box::new(found),
        Outcome::Cox(found) => Box::new(found),
        Outcome::KaplanMeier(found) => Box::new(found),
        Outcome::FedAvg(found) => averaging::shown(found),
        Outcome::Gbdt(found) => Box::new(found),
    }
}

impl Survival {
    /// As the study fixed it.
    pub fn of(recipe: &Recipe) -> Self {
        match &recipe.method {
            AnyMethod::Cox(method) => method.into(),
            AnyMethod::KaplanMeier(method) => method.into(),
            AnyMethod::FedAvg(method) => method.into(),
            _ => Self::default(),
        }
    }
}
