//! The tensors of recipes whose outcome is a time to an event.

use crate::kit::tensor::Tensor;
use motet_recipes::{CoxOutcome, Curve, CurvePoint, KmOutcome};

/// `coefficients`, `standard_errors`, `means` (where the baseline stands), and for each stratum
/// `baseline.NAME`: rows of time and cumulative hazard.
pub(super) fn cox(fit: &CoxOutcome) -> Vec<Tensor> {
    let mut tensors = vec![
        Tensor::column("coefficients", fit.coefficients.iter().map(|c| c.estimate)),
        Tensor::column("standard_errors", fit.coefficients.iter().map(|c| c.se)),
        Tensor::column("means", fit.means.clone()),
    ];
    tensors.extend(fit.baseline.iter().map(|baseline| {
        let rows = baseline
            .hazard
            .iter()
            .flat_map(|(time, hazard)| [*time, *hazard]);
        Tensor::new(
            &format!("baseline.{}", baseline.stratum),
            vec![baseline.hazard.len(), 2],
            rows,
        )
    }));
    tensors
}

/// For each group `curve.NAME`: rows of time, at risk, events, survival, lower and upper end of the
/// interval.
pub(super) fn curves(found: &KmOutcome) -> Vec<Tensor> {
    let tensor = |curve: &Curve| {
        let rows = curve.points.iter().flat_map(row);
        Tensor::new(
            &format!("curve.{}", curve.group),
            vec![curve.points.len(), 6],
            rows,
        )
    };
    found.curves.iter().map(tensor).collect()
}

/// What does not exist is NaN.
fn row(point: &CurvePoint) -> [f64; 6] {
    let end = |end: Option<f64>| end.unwrap_or(f64::NAN);
    let (at_risk, events) = (point.at_risk as f64, point.events as f64);
    [
        point.time,
        at_risk,
        events,
        point.survival,
        end(point.low),
        end(point.high),
    ]
}
