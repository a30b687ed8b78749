//! What is shown of a generalised linear model.

use super::steps::start_is_withheld;
use super::{card, pictures, report, scale};
use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::cells::few;
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::kit::tensor::Tensor;
use crate::meaning::Effects;
use crate::performance::cells::{merge_bins, merge_roc, one_sided_accuracy};
use crate::performance::report::metrics;
use crate::report::Report;
use crate::shown::{Overall, Shown, Weights};
use motet_recipes::Estimate;
use motet_recipes::glm::GlmOutcome;
use serde_json::{Value, json};

impl Shown for GlmOutcome {
    fn protect(&mut self, context: &Context) {
        let smallest = context.smallest_cell;
        if few(self.rows, self.events, smallest) {
            // Each of these would give the few events back.
            self.mean = f64::NAN;
            self.null_deviance = f64::NAN;
            self.null_loglik = None;
            start_is_withheld(&mut self.history);
            self.evaluation = None;
        }
        debug_assert!(
            self.evaluation.is_none() || self.events.is_some(),
            "what is evaluated has classes"
        );
        if let (Some(found), Some(events)) = (&mut self.evaluation, self.events) {
            found.roc = merge_roc(&found.roc, self.rows, events, smallest);
            found.calibration = merge_bins(&found.calibration, smallest);
            one_sided_accuracy(&mut found.metrics, smallest);
        }
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(report::body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        card::kind(self)
    }

    fn patients(&self, context: &Context) -> String {
        card::patients(self, context)
    }

    fn result(&self, page: &mut Page<'_>) {
        card::result(page, self);
    }

    fn effects(&self) -> Effects<'_> {
        let effects = self.coefficients.iter();
        Effects {
            ratio: scale::ratio(self.family),
            of: effects.map(|of| (of.name.as_str(), ends(of))).collect(),
        }
    }

    fn cautions(&self, page: &mut Page<'_>) {
        card::cautions(page, self);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        pictures::pictures(self, context)
    }

    fn overall(&self) -> Overall {
        Overall {
            patients: self.rows,
            figure: self.evaluation.as_ref().map(|found| found.metrics.auc),
        }
    }

    /// `coefficients`, `standard_errors`; a standard error that does not exist is NaN.
    fn weights(&self) -> Weights {
        let known = self.coefficients.iter().map(|c| c.uncertainty.as_ref());
        let errors = known.map(|known| known.map_or(f64::NAN, |known| known.se));
        let estimates = self.coefficients.iter().map(|c| c.estimate);
        Weights {
            names: Some(self.coefficients.iter().map(|c| c.name.clone()).collect()),
            tensors: vec![
                Tensor::column("coefficients", estimates),
                Tensor::column("standard_errors", errors),
            ],
            holds: "coefficients and standard errors, 64-bit",
        }
    }

    fn own(&self) -> Value {
        let coefficients: Vec<Value> = self.coefficients.iter().map(own).collect();
        json!({ "converged": self.converged, "loglik": self.loglik, "coefficients": coefficients })
    }

    fn measured(&self) -> Option<Value> {
        let evaluation = self.evaluation.as_ref()?;
        Some(json!(metrics(&evaluation.metrics)))
    }
}

/// A coefficient and its interval.
fn ends(of: &Estimate) -> [f64; 3] {
    match &of.uncertainty {
        Some(known) => [of.estimate, known.ci_low, known.ci_high],
        None => [of.estimate, f64::NAN, f64::NAN],
    }
}

fn own(estimate: &Estimate) -> Value {
    let known = estimate.uncertainty.as_ref();
    json!({
        "name": estimate.name,
        "estimate": estimate.estimate,
        "se": known.map(|known| known.se),
        "ci_low": known.map(|known| known.ci_low),
        "ci_high": known.map(|known| known.ci_high),
    })
}
