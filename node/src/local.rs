//! What the node writes for its own steward when a study is finished: the fit on this site's rows alone, and how the
//! federated model does on them. It stays in the node's folder.

use motet_recipes::{LogisticOutcome, Metrics, Outcome};
use serde_json::{Value, json};

/// `local/STUDY.json`: `alone` and `federated_here` are null where there is no estimate.
pub(crate) fn report(
    site: &str,
    study: &str,
    recipe: &str,
    rows: u64,
    alone: Option<&(Outcome, f64)>,
    here: Option<&Outcome>,
) -> Value {
    json!({
        "site": site,
        "study": study,
        "recipe": recipe,
        "rows": rows,
        "alone": alone.map(|(fit, _)| outcome(fit)),
        "alone_ridge": alone.map(|(_, ridge)| ridge),
        "federated_here": here.and_then(metrics_of).map(metrics),
        "note": "made at this site for its own steward; the node sends none of it",
    })
}

fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Logistic(fit) => logistic(fit),
        Outcome::FedAvg(fit) => json!({"rounds": fit.rounds, "metrics": metrics(&fit.metrics)}),
        Outcome::Summary(summary) => json!({"variables": summary.variables.len()}),
    }
}

fn logistic(fit: &LogisticOutcome) -> Value {
    let coefficients: Vec<Value> = fit
        .coefficients
        .iter()
        .map(|c| json!({"name": c.name, "estimate": c.estimate, "se": c.se, "ci_low": c.ci_low, "ci_high": c.ci_high}))
        .collect();
    json!({
        "converged": fit.converged,
        "loglik": fit.loglik,
        "coefficients": coefficients,
        "metrics": metrics(&fit.metrics),
    })
}

fn metrics_of(outcome: &Outcome) -> Option<&Metrics> {
    match outcome {
        Outcome::Logistic(fit) => Some(&fit.metrics),
        Outcome::FedAvg(fit) => Some(&fit.metrics),
        Outcome::Summary(_) => None,
    }
}

fn metrics(metrics: &Metrics) -> Value {
    json!({
        "auc": metrics.auc,
        "auc_bins": metrics.auc_bins,
        "auc_error_bound": metrics.auc_error_bound,
        "accuracy": metrics.accuracy,
        "brier": metrics.brier,
        "calibration_slope": metrics.calibration_slope,
    })
}
