//! What is shown of Kaplan-Meier curves.

mod card;
mod cells;
mod pictures;
mod report;

use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::kit::tensor::Tensor;
use crate::report::Report;
use crate::shown::{Shown, Weights};
use crate::survival::words::cautions_of_follow_up;
use motet_recipes::km::KmOutcome;
use motet_recipes::{Curve, CurvePoint};
use serde_json::{Value, json};

impl Shown for KmOutcome {
    fn protect(&mut self, context: &Context) {
        cells::protect(self, context.least_in_time());
    }

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(report::body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "survival curves (Kaplan-Meier), counted exactly as on one pooled table"
    }

    fn patients(&self, context: &Context) -> String {
        card::patients(self, context)
    }

    fn result(&self, page: &mut Page<'_>) {
        card::result(page, self);
    }

    fn cautions(&self, page: &mut Page<'_>) {
        cautions_of_follow_up(page);
    }

    fn pictures(&self, context: &Context) -> Vec<Picture> {
        pictures::pictures(self, context)
    }

    fn weights(&self) -> Weights {
        Weights {
            names: Some(
                self.curves
                    .iter()
                    .map(|curve| curve.group.clone())
                    .collect(),
            ),
            tensors: self.curves.iter().map(points).collect(),
            holds: "the curves, 64-bit",
        }
    }

    fn own(&self) -> Value {
        json!({})
    }

    fn measured(&self) -> Option<Value> {
        None
    }
}

/// `curve.NAME`: rows of time, at risk, events, survival, lower and upper end of the interval.
fn points(curve: &Curve) -> Tensor {
    let rows = curve.points.iter().map(row);
    Tensor::rows(&format!("curve.{}", curve.group), rows)
}

/// What does not exist, or is not told, is NaN.
fn row(point: &CurvePoint) -> [f64; 6] {
    [
        point.time,
        point.at_risk.map_or(f64::NAN, |rows| rows as f64),
        point.events as f64,
        point.survival,
        point.low.unwrap_or(f64::NAN),
        point.high.unwrap_or(f64::NAN),
    ]
}
