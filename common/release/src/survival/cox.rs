//! What is shown of a Cox regression.

mod card;
mod pictures;
mod report;

use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::cells::small;
use crate::kit::page::Page;
use crate::kit::patients::{COEFFICIENTS, of_a_model, with_outcome};
use crate::kit::picture::Picture;
use crate::kit::tensor::Tensor;
use crate::meaning::Effects;
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use motet_recipes::cox::CoxOutcome;
use motet_recipes::{Baseline, Coefficient};
use serde_json::{Value, json};

impl Shown for CoxOutcome {
    /// Its events are hidden where they are written.
    fn protect(&mut self, context: &Context) {
        if small(self.events, context.smallest_cell) {
            // The likelihood without any effect is that of that many events. With few effects, that
            // of the fit bounds them as closely.
            (self.null_loglik, self.loglik) = (f64::NAN, f64::NAN);
            self.likelihood_ratio = None;
            let steps = self.history.iter_mut();
            steps.for_each(|step| step.loglik = f64::NAN);
        }
        let every = steps_together(context);
        for baseline in &mut self.baseline {
            let steps = (1..).zip(std::mem::take(&mut baseline.hazard));
            baseline.hazard = steps
                .filter(|(number, _): &(u64, _)| number.is_multiple_of(every))
                .map(|(_, step)| step)
                .collect();
        }
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(report::body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a Cox regression of the time to an event, fitted exactly as on one pooled table"
    }

    fn patients(&self, context: &Context) -> String {
        let said = with_outcome(self.rows, self.events, context);
        let is_told = !small(self.events, context.smallest_cell);
        of_a_model(said, is_told, COEFFICIENTS)
    }

    fn result(&self, page: &mut Page<'_>) {
        card::result(page, self);
    }

    fn effects(&self) -> Effects<'_> {
        let effects = self.coefficients.iter();
        Effects {
            ratio: Some("hazard ratio"),
            of: effects
                .map(|of| (of.name.as_str(), [of.estimate, of.ci_low, of.ci_high]))
                .collect(),
        }
    }

    fn cautions(&self, page: &mut Page<'_>) {
        card::cautions(page);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        pictures::pictures(self, context)
    }

    /// A C-index of all pairs is not that of pairs within sites.
    fn overall(&self) -> Overall {
        Overall {
            patients: self.rows,
            figure: None,
        }
    }

    /// `coefficients`, `standard_errors`, `means` (where the baseline stands), and for each stratum
    /// `baseline.NAME`: rows of time and cumulative hazard.
    fn weights(&self) -> Weights {
        let estimates = self.coefficients.iter().map(|c| c.estimate);
        let errors = self.coefficients.iter().map(|c| c.se);
        let mut tensors = vec![
            Tensor::column("coefficients", estimates),
            Tensor::column("standard_errors", errors),
            Tensor::column("means", self.means.iter().copied()),
        ];
        tensors.extend(self.baseline.iter().map(steps));
        Weights {
            names: Some(self.coefficients.iter().map(|c| c.name.clone()).collect()),
            tensors,
            holds: "coefficients, standard errors and baseline, 64-bit",
        }
    }

    fn own(&self) -> Value {
        let coefficients: Vec<Value> = self.coefficients.iter().map(own).collect();
        json!({ "converged": self.converged, "loglik": self.loglik, "coefficients": coefficients })
    }

    fn measured(&self) -> Option<Value> {
        let found = &self.concordance;
        Some(json!({ "c_index": found.index, "c_index_error_bound": found.error_bound }))
    }
}

/// A study may print steps of fewer events than a release may: of so many steps of the baseline one
/// is kept, so that each holds enough.
fn steps_together(context: &Context) -> u64 {
    let own = context.survival.min_cell.max(1);
    context.smallest_cell.div_ceil(own).max(1)
}

fn steps(baseline: &Baseline) -> Tensor {
    let rows = baseline
        .hazard
        .iter()
        .map(|(time, hazard)| [*time, *hazard]);
    Tensor::rows(&format!("baseline.{}", baseline.stratum), rows)
}

fn own(coefficient: &Coefficient) -> Value {
    json!({
        "name": coefficient.name,
        "estimate": coefficient.estimate,
        "se": coefficient.se,
        "ci_low": coefficient.ci_low,
        "ci_high": coefficient.ci_high,
    })
}
