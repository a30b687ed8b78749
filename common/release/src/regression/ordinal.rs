//! What is shown of a proportional odds regression.

mod card;
mod report;

use super::forest::{self, Words};
use super::steps::{self, start_is_withheld};
use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::cells::small;
use crate::kit::page::Page;
use crate::kit::patients::at_sites;
use crate::kit::picture::{Picture, outcome_name};
use crate::kit::tensor::Tensor;
use crate::meaning::Effects;
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use motet_recipes::ordinal::{AtLevel, Effect, OrdinalOutcome};
use serde_json::{Value, json};

impl Shown for OrdinalOutcome {
    /// Where a level has few patients no level is told: beside the others and the total it would
    /// follow, as it would from the likelihood without any variable, which is that of the shares.
    fn protect(&mut self, context: &Context) {
        if !self.levels.iter().any(|level| is_few(level, context)) {
            return;
        }
        for level in &mut self.levels {
            level.rows = None;
        }
        self.null_loglik = f64::NAN;
        self.likelihood_ratio = None;
        start_is_withheld(&mut self.history);
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(report::body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a proportional odds regression of an outcome whose levels are in \
         order, fitted exactly as on one pooled table"
    }

    fn patients(&self, context: &Context) -> String {
        format!("{}.", at_sites(self.rows, context))
    }

    fn result(&self, page: &mut Page<'_>) {
        card::result(page, self);
    }

    fn effects(&self) -> Effects<'_> {
        let effects = self.coefficients.iter();
        Effects {
            ratio: Some("odds ratio"),
            of: effects
                .map(|of| (of.name.as_str(), [of.estimate, of.ci_low, of.ci_high]))
                .collect(),
        }
    }

    fn cautions(&self, page: &mut Page<'_>) {
        card::cautions(page);
    }

    /// `forest.svg`, `convergence.svg`.
    fn pictures(&self, context: &Context) -> Vec<Picture> {
        let effects = self.coefficients.iter().map(effect);
        let outcome = outcome_name(context);
        let words = Words {
            one: "Odds ratio",
            title: format!("Odds ratios for a higher level of {outcome}"),
            of: format!("odds of a higher level of {outcome}"),
            intercept: "",
            shows: "odds ratios with their confidence intervals",
            ratio: true,
        };
        let mut pictures = forest::pictures(self.rows, effects.collect(), &words, context);
        pictures.extend(steps::picture(
            self.rows,
            self.converged,
            &self.history,
            context,
        ));
        pictures
    }

    fn overall(&self) -> Overall {
        Overall {
            patients: self.rows,
            figure: None,
        }
    }

    /// `coefficients`, `standard_errors`; `thresholds`, `threshold_errors`.
    fn weights(&self) -> Weights {
        let names = self.coefficients.iter().map(|effect| effect.name.clone());
        let columns = [
            ("coefficients", "standard_errors", &self.coefficients),
            ("thresholds", "threshold_errors", &self.thresholds),
        ];
        let tensors = columns
            .into_iter()
            .flat_map(|(estimates, errors, effects)| {
                [
                    Tensor::column(estimates, effects.iter().map(|effect| effect.estimate)),
                    Tensor::column(errors, effects.iter().map(|effect| effect.se)),
                ]
            });
        Weights {
            names: Some(names.collect()),
            tensors: tensors.collect(),
            holds: "coefficients, thresholds and their standard errors, 64-bit",
        }
    }

    fn own(&self) -> Value {
        let coefficients: Vec<Value> = self.coefficients.iter().map(own).collect();
        json!({ "converged": self.converged, "loglik": self.loglik, "coefficients": coefficients })
    }

    fn measured(&self) -> Option<Value> {
        None
    }
}

fn is_few(level: &AtLevel, context: &Context) -> bool {
    level
        .rows
        .is_none_or(|rows| small(rows, context.smallest_cell))
}

fn effect(of: &Effect) -> forest::Effect<'_> {
    forest::Effect {
        name: &of.name,
        estimate: of.estimate,
        ci_low: of.ci_low,
        ci_high: of.ci_high,
    }
}

fn own(of: &Effect) -> Value {
    json!({
        "name": of.name,
        "estimate": of.estimate,
        "se": of.se,
        "ci_low": of.ci_low,
        "ci_high": of.ci_high,
    })
}

#[cfg(test)]
mod tests;
