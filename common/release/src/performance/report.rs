//! The measures of a model as the report writes them.

use motet_recipes::{CalibrationBin, Metrics};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct MetricsOut {
    auc: f64,
    auc_bins: u32,
    auc_error_bound: f64,
    accuracy: f64,
    brier: f64,
    calibration_slope: f64,
    calibration_intercept: f64,
}

#[derive(Serialize)]
pub(crate) struct Bin {
    predicted: f64,
    observed: f64,
    rows: u64,
}

pub(crate) fn metrics(m: &Metrics) -> MetricsOut {
    MetricsOut {
        auc: m.auc,
        auc_bins: m.auc_bins,
        auc_error_bound: m.auc_error_bound,
        accuracy: m.accuracy,
        brier: m.brier,
        calibration_slope: m.calibration_slope,
        calibration_intercept: m.calibration_intercept,
    }
}

pub(crate) fn bins(bins: &[CalibrationBin]) -> Vec<Bin> {
    bins.iter()
        .map(|b| Bin {
            predicted: b.predicted,
            observed: b.observed,
            rows: b.rows,
        })
        .collect()
}
