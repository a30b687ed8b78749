//! The figures of a model on some patients, as the report
//! writes them.

use super::told;
use motet_recipes::Figures;
use serde::Serialize;

/// By what the model says of a patient.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Measured {
    Risk(Risk),
    Number(Number),
    Time(Time),
}

#[derive(Serialize)]
pub(crate) struct Risk {
    rows: u64,
    events: u64,
    auc: Option<f64>,
    auc_ci_low: Option<f64>,
    auc_ci_high: Option<f64>,
    /// 0 where a site computed its AUC without bins.
    auc_bins: u32,
    auc_error_bound: f64,
    brier: f64,
    observed: f64,
    expected: f64,
    observed_to_expected: Option<f64>,
    observed_to_expected_ci_low: Option<f64>,
    observed_to_expected_ci_high: Option<f64>,
    /// Null where it, or that of another level, would tell a
    /// cell of few patients.
    accuracy: Option<f64>,
    sensitivity: Option<f64>,
    specificity: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct Number {
    rows: u64,
    /// In the outcome's unit squared.
    mse: f64,
    rmse: f64,
    r_squared: Option<f64>,
    /// Mean of outcome less prediction.
    bias: f64,
    bias_ci_low: f64,
    bias_ci_high: f64,
}

#[derive(Serialize)]
pub(crate) struct Time {
    rows: u64,
    events: u64,
    /// Of pairs of patients at one site.
    c_index: Option<f64>,
    c_index_ci_low: Option<f64>,
    c_index_ci_high: Option<f64>,
    pairs: f64,
}

/// These figures; those at risk 0.5 where they may be told.
pub(crate) fn measured(figures: &Figures, tells_right: bool) -> Measured {
    match figures {
        Figures::Risk(found) => {
            let right = tells_right.then(|| told::right(found));
            let rates = right.and_then(|right| right.rates);
            Measured::Risk(Risk {
                rows: found.rows,
                events: found.events,
                auc: found.auc.map(|auc| auc.estimate),
                auc_ci_low: found.auc.map(|auc| auc.low),
                auc_ci_high: found.auc.map(|auc| auc.high),
                auc_bins: found.auc_bins,
                auc_error_bound: found.auc_error_bound,
                brier: found.brier,
                observed: found.observed,
                expected: found.expected,
                observed_to_expected: found.ratio.map(|ratio| ratio.estimate),
                observed_to_expected_ci_low: found.ratio.map(|ratio| ratio.low),
                observed_to_expected_ci_high: found.ratio.map(|ratio| ratio.high),
                accuracy: right.map(|right| right.accuracy),
                sensitivity: rates.map(|rates| rates.0),
                specificity: rates.map(|rates| rates.1),
            })
        }
        Figures::Time(found) => Measured::Time(Time {
            rows: found.rows,
            events: found.events,
            c_index: found.c_index.map(|index| index.estimate),
            c_index_ci_low: found.c_index.map(|index| index.low),
            c_index_ci_high: found.c_index.map(|index| index.high),
            pairs: found.pairs,
        }),
        Figures::Number(found) => Measured::Number(Number {
            rows: found.rows,
            mse: found.mse,
            rmse: found.mse.sqrt(),
            r_squared: found.r_squared,
            bias: found.bias.estimate,
            bias_ci_low: found.bias.low,
            bias_ci_high: found.bias.high,
        }),
    }
}
