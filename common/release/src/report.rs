//! `report.json`: every number of the release, in full double precision, in a stable order of keys;
//! those of a column whose number of values is withheld are rounded.
//!
//! JSON knows no "not a number": what could not be computed, or may not be shown, is `null`.

mod count;
mod details;
mod gbdt;
mod glm;
mod judged;
mod number;
mod survival;

use super::cells::{counts, one_sided, sd, variance};
use super::withheld;
use crate::context::Context;
use crate::error::ReleaseError;
use motet_recipes::{CalibrationBin, Metrics, Outcome, SummaryOutcome, Variable};
use serde::Serialize;

#[derive(Serialize)]
struct Report<'a> {
    study: &'a str,
    run: &'a str,
    recipe: &'a str,
    rounds: u32,
    sites: u32,
    #[serde(flatten)]
    result: Body<'a>,
    #[serde(flatten)]
    judged: Option<judged::Judged<'a>>,
    site_names: Vec<&'a str>,
    sites_lost: Vec<Lost<'a>>,
    /// Sites of the roster that are in none of the sums; why is not said.
    sites_absent: Vec<Absent<'a>>,
    consortium: &'a str,
    dataset: &'a str,
    started: &'a str,
    finished: &'a str,
    software: &'a str,
    smallest_cell: u64,
}

#[derive(Serialize)]
struct Absent<'a> {
    name: &'a str,
    country: &'a str,
}

#[derive(Serialize)]
struct Lost<'a> {
    name: &'a str,
    country: &'a str,
    round: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    FedAvg(FedAvg<'a>),
    Summary(Summary<'a>),
    Glm(glm::Glm<'a>),
    Gbdt(gbdt::Gbdt<'a>),
    Count(count::Count<'a>),
    FedNumber(number::FedNumber<'a>),
    Cox(survival::Cox<'a>),
    Km(survival::Km<'a>),
    FedTime(survival::FedTime<'a>),
}

#[derive(Serialize)]
struct Summary<'a> {
    variables: Vec<VariableOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_group: Option<details::ByGroup<'a>>,
}

#[derive(Serialize)]
struct FedAvg<'a> {
    rows: u64,
    events: Option<u64>,
    outcome: &'a str,
    layers: Vec<LayerOut<'a>>,
    metrics: MetricsOut,
    calibration: Vec<Bin>,
    roc: &'a [(f64, f64)],
    history: Vec<EpochOut>,
}

#[derive(Serialize)]
struct MetricsOut {
    auc: f64,
    auc_bins: u32,
    auc_error_bound: f64,
    accuracy: f64,
    brier: f64,
    calibration_slope: f64,
    calibration_intercept: f64,
}

#[derive(Serialize)]
struct Bin {
    predicted: f64,
    observed: f64,
    rows: u64,
}

#[derive(Serialize)]
struct StepOut {
    round: u32,
    loglik: f64,
    step: f64,
}

#[derive(Serialize)]
struct EpochOut {
    round: u32,
    loss: f64,
}

#[derive(Serialize)]
struct LayerOut<'a> {
    name: &'a str,
    shape: &'a [usize],
}

#[derive(Serialize)]
struct VariableOut<'a> {
    name: &'a str,
    count: Option<u64>,
    missing: Option<u64>,
    mean: f64,
    variance: f64,
    sd: f64,
    #[serde(flatten)]
    distribution: Option<DistributionOut<'a>>,
}

#[derive(Serialize)]
struct DistributionOut<'a> {
    histogram: details::Histogram<'a>,
    /// Why bins are null and what to do about it; nothing where they are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram_note: Option<String>,
    quantiles: Vec<details::QuantileOut>,
    /// The same of quantiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    quantiles_note: Option<String>,
    /// Null unless the study asks for extremes.
    min: Option<details::QuantileOut>,
    max: Option<details::QuantileOut>,
}

/// The report as indented JSON with a final line end.
pub(super) fn bytes(outcome: &Outcome, context: &Context) -> Result<Vec<u8>, ReleaseError> {
    let (rounds, sites, result) = body(outcome, context);
    let report = Report {
        study: &context.study,
        run: &context.run,
        recipe: &context.recipe,
        rounds,
        sites,
        result,
        judged: judged::body(context),
        site_names: context
            .sites
            .iter()
            .map(|site| site.name.as_str())
            .collect(),
        sites_lost: context
            .sites_lost
            .iter()
            .map(|lost| Lost {
                name: &lost.name,
                country: &lost.country,
                round: lost.round,
            })
            .collect(),
        sites_absent: context
            .sites_absent
            .iter()
            .map(|site| Absent {
                name: &site.name,
                country: &site.country,
            })
            .collect(),
        consortium: &context.consortium,
        dataset: &context.dataset,
        started: &context.started,
        finished: &context.finished,
        software: &context.software,
        smallest_cell: context.smallest_cell,
    };
    let mut bytes = serde_json::to_vec_pretty(&report)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn body<'a>(outcome: &'a Outcome, context: &'a Context) -> (u32, u32, Body<'a>) {
    match outcome {
        Outcome::FedAvg(model) => {
            let body = FedAvg {
                rows: model.rows,
                events: Some(model.events)
                    .filter(|events| !one_sided(model.rows, *events, context.smallest_cell)),
                outcome: &context.outcome,
                layers: model
                    .layers
                    .iter()
                    .map(|l| LayerOut {
                        name: &l.name,
                        shape: &l.shape,
                    })
                    .collect(),
                metrics: metrics(&model.metrics),
                calibration: bins(&model.calibration),
                roc: &model.roc,
                history: model
                    .history
                    .iter()
                    .map(|e| EpochOut {
                        round: e.round,
                        loss: e.loss,
                    })
                    .collect(),
            };
            (model.rounds, model.sites, Body::FedAvg(body))
        }
        Outcome::Summary(found) => (
            found.rounds,
            found.sites,
            Body::Summary(summary(found, context)),
        ),
        Outcome::Glm(fit) => (fit.rounds, fit.sites, Body::Glm(glm::body(fit, context))),
        Outcome::Gbdt(model) => (
            model.rounds,
            model.sites,
            Body::Gbdt(gbdt::body(model, context)),
        ),
        Outcome::Count(count) => (
            count.rounds,
            count.sites,
            Body::Count(count::body(count, context)),
        ),
        Outcome::FedNumber(m) => (m.rounds, m.sites, Body::FedNumber(number::body(m, context))),
        Outcome::Cox(fit) => (
            fit.rounds,
            fit.sites,
            Body::Cox(survival::cox(fit, context)),
        ),
        Outcome::KaplanMeier(found) => (
            found.rounds,
            found.sites,
            Body::Km(survival::km(found, context)),
        ),
        Outcome::FedTime(m) => (
            m.rounds,
            m.sites,
            Body::FedTime(survival::fedtime(m, context)),
        ),
    }
}

fn summary<'a>(summary: &'a SummaryOutcome, context: &Context) -> Summary<'a> {
    let told = |v: &Variable| counts(v, context.smallest_cell);
    let variable = |v: &'a Variable| VariableOut {
        name: &v.name,
        count: told(v).map(|counts| counts.0),
        missing: told(v).map(|counts| counts.1),
        mean: v.mean,
        variance: variance(v, context.smallest_cell),
        sd: sd(v, context.smallest_cell),
        distribution: details::of(summary, &v.name).map(|d| DistributionOut {
            histogram: details::histogram(d),
            histogram_note: d.withheld().then(|| withheld::bins(context.smallest_cell)),
            quantiles: d.quantiles.iter().map(details::quantile).collect(),
            quantiles_note: d
                .quantiles_withheld
                .then(|| withheld::quantiles(context.smallest_cell)),
            min: d.extremes.as_ref().map(|ends| details::quantile(&ends.0)),
            max: d.extremes.as_ref().map(|ends| details::quantile(&ends.1)),
        }),
    };
    Summary {
        variables: summary.variables.iter().map(variable).collect(),
        by_group: details::by_group(summary),
    }
}

fn metrics(m: &Metrics) -> MetricsOut {
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

fn bins(bins: &[CalibrationBin]) -> Vec<Bin> {
    bins.iter()
        .map(|b| Bin {
            predicted: b.predicted,
            observed: b.observed,
            rows: b.rows,
        })
        .collect()
}

#[cfg(test)]
mod kinds_tests;

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use serde_json::Value;

    fn read(outcome: &Outcome) -> (String, Value) {
        let text = String::from_utf8(bytes(outcome, &sample::context()).unwrap()).unwrap();
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
        assert!(
            report["history"][0]["loss"].is_number() && report["history"][0].get("auc").is_none()
        );
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
        assert!(
            report["metrics"]["auc"].is_null() && report["metrics"]["calibration_slope"].is_null()
        );
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
}
