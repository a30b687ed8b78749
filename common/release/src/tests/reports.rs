//! What a report holds, to the last bit.

use crate::sample;
use motet_recipes::Outcome;
use serde_json::Value;

fn read(outcome: &Outcome) -> (String, Value) {
    let text = sample::report(&*sample::shown(outcome), &sample::context());
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

/// The text of a number as it stands in the file, read by the standard library, which rounds
/// correctly.
fn exact(text: &str, key: &str, nth: usize) -> f64 {
    let from = text
        .match_indices(&format!("\"{key}\": "))
        .nth(nth)
        .unwrap()
        .0
        + key.len()
        + 4;
    text[from..]
        .split([',', '\n', '}'])
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn every_number_comes_back_to_the_last_bit() {
    let Outcome::Glm(mut fit) = sample::logistic() else {
        unreachable!()
    };
    let awkward = [
        0.1 + 0.2,
        -1.0 / 3.0,
        5e-324,
        f64::MIN_POSITIVE,
        1.797e308,
        9_007_199_254_740_994.0,
        -6.327035103753219,
    ];
    for (coefficient, value) in fit.coefficients.iter_mut().zip(awkward) {
        coefficient.estimate = value;
        coefficient.uncertainty.as_mut().unwrap().p = value.abs();
    }
    fit.loglik = Some(-2264.687424311281);
    let (text, _) = read(&Outcome::Glm(fit));
    for (nth, value) in awkward.into_iter().enumerate() {
        assert_eq!(exact(&text, "estimate", nth).to_bits(), value.to_bits());
        assert_eq!(exact(&text, "p", nth).to_bits(), value.abs().to_bits());
    }
    assert_eq!(exact(&text, "loglik", 0), -2264.687424311281);
}

#[test]
fn the_keys_researchers_rely_on_are_there() {
    let (_, report) = read(&sample::logistic());
    for key in [
        "study",
        "run",
        "recipe",
        "rounds",
        "sites",
        "rows",
        "converged",
        "loglik",
        "null_loglik",
        "events",
    ] {
        assert!(!report[key].is_null(), "{key}");
    }
    assert_eq!(report["coefficients"][0]["name"], "(intercept)");
    for key in ["estimate", "se", "z", "p", "ci_low", "ci_high"] {
        assert!(report["coefficients"][1][key].is_number(), "{key}");
    }
    for key in [
        "auc",
        "auc_bins",
        "auc_error_bound",
        "accuracy",
        "brier",
        "calibration_slope",
    ] {
        assert!(report["metrics"][key].is_number(), "{key}");
    }
    assert_eq!(report["site_names"].as_array().unwrap().len(), 10);
    assert_eq!(report["sites_lost"][0]["name"], "ITAL");
    let (_, report) = read(&sample::fedavg());
    // No round of training asks for more than the loss: counts by score would tell a site that
    // leaves.
    assert!(report["history"][0]["loss"].is_number() && report["history"][0].get("auc").is_none());
}

#[test]
fn what_could_not_be_computed_is_null_and_never_nan() {
    let Outcome::Glm(mut fit) = sample::logistic() else {
        unreachable!()
    };
    let evaluation = fit.evaluation.as_mut().unwrap();
    evaluation.metrics.auc = f64::NAN;
    evaluation.metrics.calibration_slope = f64::INFINITY;
    evaluation.roc = vec![(f64::NAN, 0.0)];
    fit.coefficients[2].uncertainty.as_mut().unwrap().se = f64::NAN;
    let (text, report) = read(&Outcome::Glm(fit));
    assert!(report["metrics"]["auc"].is_null() && report["metrics"]["calibration_slope"].is_null());
    assert!(report["coefficients"][2]["se"].is_null());
    assert!(!text.contains("NaN") && !text.contains(": inf"), "{text}");
}

#[test]
fn a_count_below_the_smallest_cell_is_not_shown() {
    let Outcome::Summary(mut summary) = sample::summary() else {
        unreachable!()
    };
    summary.variables[0].missing = 3;
    summary.variables[1].missing = 0;
    let (_, report) = read(&Outcome::Summary(summary));
    assert!(report["variables"][0]["missing"].is_null());
    assert_eq!(report["variables"][1]["missing"], 0);
}
