//! What the node writes for its own steward when a study is finished: the fit on this site's rows
//! alone, how the federated model does on them, and whether it serves this site's patients. It
//! stays in the node's folder.

use motet_recipes::gbdt::Fit;
use motet_recipes::{
    Coefficient, Comparison, Difference, Estimate, Interval, Metrics, Outcome, Quality,
};
use serde_json::{Value, json};

/// What the report is about.
pub(crate) struct Subject<'a> {
    pub(crate) site: &'a str,
    pub(crate) study: &'a str,
    pub(crate) recipe: &'a str,
    pub(crate) rows: u64,
}

/// `local/STUDY.json`: `alone`, `federated_here` and `verdict` are null where there is no estimate,
/// or nothing to compare.
pub(crate) fn report(
    subject: &Subject<'_>,
    alone: Option<&(Outcome, f64)>,
    here: Option<&Outcome>,
    comparison: Option<&Comparison>,
) -> Value {
    json!({
        "site": subject.site,
        "study": subject.study,
        "recipe": subject.recipe,
        "rows": subject.rows,
        "alone": alone.map(|(fit, _)| outcome(fit)),
        "alone_ridge": alone.map(|(_, ridge)| ridge),
        "federated_here": here.and_then(measured),
        "verdict": comparison.map(|comparison| comparison.verdict.text()),
        "comparison": comparison.map(compared),
        "note": "made at this site for its own steward; the node sends none of it",
    })
}

fn outcome(outcome: &Outcome) -> Value {
    let metrics = measured(outcome);
    match outcome {
        Outcome::Glm(fit) => json!({
            "converged": fit.converged, "loglik": fit.loglik, "coefficients": estimates(&fit.coefficients),
            "metrics": metrics,
        }),
        Outcome::Cox(fit) => json!({
            "converged": fit.converged, "loglik": fit.loglik, "coefficients": coefficients(&fit.coefficients),
            "metrics": metrics,
        }),
        Outcome::Summary(summary) => json!({ "variables": summary.variables.len() }),
        Outcome::Count(_) | Outcome::KaplanMeier(_) => json!({}),
        other => json!({ "rounds": other.rounds(), "metrics": metrics }),
    }
}

fn coefficients(coefficients: &[Coefficient]) -> Vec<Value> {
    let line = |c: &Coefficient| json!({"name": c.name, "estimate": c.estimate, "se": c.se, "ci_low": c.ci_low, "ci_high": c.ci_high});
    coefficients.iter().map(line).collect()
}

fn estimates(estimates: &[Estimate]) -> Vec<Value> {
    let line = |e: &Estimate| {
        let known = e.uncertainty.as_ref();
        json!({
            "name": e.name, "estimate": e.estimate, "se": known.map(|u| u.se),
            "ci_low": known.map(|u| u.ci_low), "ci_high": known.map(|u| u.ci_high),
        })
    };
    estimates.iter().map(line).collect()
}

/// How a model did on this site's rows; nothing where a method measures nothing.
fn measured(outcome: &Outcome) -> Option<Value> {
    match outcome {
        Outcome::FedAvg(fit) => Some(metrics(&fit.metrics)),
        Outcome::Glm(fit) => fit
            .evaluation
            .as_ref()
            .map(|evaluation| metrics(&evaluation.metrics)),
        Outcome::Gbdt(model) => Some(match &model.fit {
            Fit::Classes { metrics: found, .. } => metrics(found),
            Fit::Numbers { rmse, r2 } => json!({ "rmse": rmse, "r_squared": r2 }),
        }),
        Outcome::Cox(fit) => {
            let found = &fit.concordance;
            Some(json!({ "c_index": found.index, "c_index_error_bound": found.error_bound }))
        }
        Outcome::FedTime(model) => Some(json!({ "c_index": model.c_index })),
        Outcome::FedNumber(model) => {
            Some(json!({ "mse": model.mse, "r_squared": model.r_squared }))
        }
        Outcome::Summary(_) | Outcome::Count(_) | Outcome::KaplanMeier(_) => None,
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

/// The common model, one of this site's rows alone, and the common one tuned to this site.
fn compared(comparison: &Comparison) -> Value {
    let own = comparison.own.as_ref();
    json!({
        "reading": "in the two comparisons a number above 0 says that the model named first is the better one",
        "rows": comparison.rows,
        "events": comparison.events,
        "common_judged_without_the_rows_it_saw": comparison.held_out,
        "common": quality(&comparison.common),
        "local_only": own.map(|own| quality(&own.local)),
        "personal": own.map(|own| quality(&own.personal)),
        "common_against_local": own.map(|own| difference(&own.common_to_local)),
        "personal_against_common": own.map(|own| difference(&own.personal_to_common)),
        "personal_verdict": comparison.personal_verdict.text(),
    })
}

fn quality(quality: &Quality) -> Value {
    json!({ "auc": quality.auc.as_ref().map(interval), "brier": interval(&quality.brier) })
}

fn difference(difference: &Difference) -> Value {
    json!({ "auc": interval(&difference.auc), "brier": interval(&difference.brier) })
}

fn interval(interval: &Interval) -> Value {
    json!({ "estimate": interval.estimate, "ci_low": interval.low, "ci_high": interval.high })
}
