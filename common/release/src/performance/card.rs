//! The card's section on how well a model predicts.

use crate::kit::page::Page;
use crate::kit::words::{bound, digits, figure, near, percent, thousands};
use motet_recipes::{CalibrationBin, Metrics};

/// Of a model without patients that were held out.
pub(crate) const FITTED: &str =
    "Measured on the same patients the model was fitted to, so expect less in new patients.";

/// How well a yes/no outcome is predicted.
pub(crate) fn risk(
    page: &mut Page<'_>,
    metrics: &Metrics,
    calibration: &[CalibrationBin],
    measured: &str,
) {
    page.section("How well it predicts");
    if metrics.auc.is_nan() && calibration.is_empty() {
        page.line(&format!(
            "Not told: fewer than {} patients are behind the measures, or \
             of those with the outcome, or without it, and every \
             measure would tell how many.",
            page.context.smallest_cell
        ));
        return;
    }
    page.line(&format!("{measured}\n"));
    page.line("| Measure | Value | How to read it |\n|---|---:|---|");
    let auc_note = format!(
        "1 is perfect, 0.5 is chance. Counted from {} score bins: the exact value differs by at most {}",
        metrics.auc_bins,
        if metrics.auc_error_bound.is_finite() {
            bound(metrics.auc_error_bound)
        } else {
            "an unknown amount".to_owned()
        }
    );
    let accuracy_note = if metrics.accuracy.is_finite() {
        "Share classified rightly; misleading when the outcome is rare".to_owned()
    } else {
        format!(
            "Not told: fewer than {} patients are on one side of risk 0.5",
            page.context.smallest_cell
        )
    };
    let rows = [
        (
            "Area under the ROC curve (AUC)",
            digits(metrics.auc, 4),
            auc_note.as_str(),
        ),
        (
            "Accuracy at risk 0.5",
            digits(metrics.accuracy, 4),
            accuracy_note.as_str(),
        ),
        (
            "Brier score",
            digits(metrics.brier, 4),
            "Mean squared error of the risk; 0 is perfect",
        ),
        (
            "Calibration slope",
            near(metrics.calibration_slope, 3),
            "1 is ideal; below 1: predictions too extreme",
        ),
        (
            "Calibration intercept",
            near(metrics.calibration_intercept, 3),
            "0 is ideal; above 0: risks too low",
        ),
    ];
    for (name, value, note) in rows {
        page.line(&format!("| {name} | {value} | {note} |"));
    }
    if calibration.is_empty() {
        return;
    }
    page.line("\nPatients in groups of rising predicted risk:\n");
    page.line("| Mean predicted risk | Had the outcome | Patients |\n|---:|---:|---:|");
    for bin in calibration {
        page.line(&format!(
            "| {} | {} | {} |",
            percent(bin.predicted),
            percent(bin.observed),
            thousands(bin.rows)
        ));
    }
}

/// How well a number is predicted.
pub(crate) fn number(page: &mut Page<'_>, rmse: f64, r_squared: Option<f64>, measured: &str) {
    page.section("How well it predicts");
    page.line(&format!("{measured}\n"));
    page.line("| Measure | Value | How to read it |\n|---|---:|---|");
    page.line(&format!(
        "| Root mean squared error | {} | Typical distance between \
         prediction and outcome, in the outcome's unit |",
        figure(rmse)
    ));
    let r_squared = r_squared.map_or_else(|| "not available".to_owned(), |share| digits(share, 4));
    page.line(&format!(
        "| R squared | {r_squared} | 1 is perfect, 0 is no better than the mean; below 0 is worse |"
    ));
}
