//! Federated against pooled. Only a demo can do this: it puts the extracts of exactly the released
//! sites into one table and fits them here, with the same recipe, which in earnest nobody may.

use super::data::Data;
use crate::failure::{Done, Failure};
use motet_common::study::Study;
use motet_data::{Cohort, Schema, Table};
use motet_recipes::{Estimate, Outcome, Rows};
use ndarray::{Array1, Axis, concatenate};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// What the demo reads of a `report.json`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Report {
    /// The study.
    pub(super) study: String,
    /// The run, hexadecimal.
    pub(super) run: String,
    /// Rounds of the run.
    pub(super) rounds: u32,
    /// Sites behind every number.
    pub(super) sites: u32,
    /// Their rows.
    #[serde(default)]
    pub(super) rows: u64,
    /// Rows with the outcome, where it is counted.
    #[serde(default)]
    pub(super) events: Option<u64>,
    /// Whether an exact fit came to its end.
    pub(super) converged: Option<bool>,
    /// Log-likelihood of an exact fit.
    pub(super) loglik: Option<f64>,
    /// Coefficients of an exact fit.
    #[serde(default)]
    pub(super) coefficients: Vec<Coefficient>,
    /// On the same rows.
    #[serde(default)]
    pub(super) metrics: Metrics,
    /// The sites by name.
    pub(super) site_names: Vec<String>,
    /// Sites that began and are not in the numbers.
    #[serde(default)]
    pub(super) sites_lost: Vec<Lost>,
}

/// A coefficient.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Coefficient {
    /// `(intercept)` or the column.
    pub(super) name: String,
    /// Log odds ratio, or log hazard ratio.
    pub(super) estimate: f64,
    /// Its standard error.
    pub(super) se: f64,
    /// Two-sided.
    pub(super) p: f64,
    /// 95 % interval of the estimate, lower end.
    pub(super) ci_low: f64,
    /// Upper end.
    pub(super) ci_high: f64,
}

/// Metrics; a figure that could not be computed is null.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Metrics {
    /// Area under the ROC curve.
    pub(super) auc: Option<f64>,
    /// Mean squared error of the risk.
    pub(super) brier: Option<f64>,
    /// 1 is perfect.
    pub(super) calibration_slope: Option<f64>,
    /// Of a survival model.
    pub(super) c_index: Option<f64>,
}

/// The fit of one pooled table.
#[derive(Debug, Clone)]
pub(super) struct Pooled {
    /// Name, estimate and standard error in the order of the report.
    pub(super) coefficients: Vec<(String, f64, f64)>,
    /// Log-likelihood.
    pub(super) loglik: f64,
    /// Rows.
    pub(super) rows: u64,
    /// Area under the ROC curve, where the outcome is yes or no.
    pub(super) auc: Option<f64>,
}

/// A lost site.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Lost {
    /// Its name.
    pub(super) name: String,
    /// The first round without it.
    pub(super) round: u32,
}

/// How near the federated fit is to the pooled one: digits that agree in the worst place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Of all coefficients.
    pub(super) estimates: u32,
    /// Of all standard errors.
    pub(super) errors: u32,
    /// Of the log-likelihood.
    pub(super) loglik: u32,
}

/// Reads a release's report.
///
/// # Errors
/// When it is not one.
pub(super) fn report(bytes: &[u8]) -> Done<Report> {
    serde_json::from_slice(bytes)
        .map_err(|error| Failure::failed(format!("report.json is not a report: {error}"), ""))
}

/// The fit of one table that holds the rows of exactly these sites.
///
/// # Errors
/// When an extract does not fit its schema or the pooled fit has no answer.
pub(super) fn pooled(
    data: &Data,
    extracts: &Path,
    study: &Study,
    sites: &[String],
) -> Done<Pooled> {
    let failed =
        |what: String| Failure::failed(format!("the pooled comparison failed: {what}"), "");
    let schema = Schema::parse(data.schema).map_err(|error| failed(error.to_string()))?;
    let mut cohorts = Vec::new();
    for name in sites {
        let path = extracts.join(format!("{name}.csv"));
        let table = Table::open(&path, &schema, study.reads())
            .map_err(|error| failed(error.to_string()))?;
        cohorts.push(Cohort::of(&table, study).map_err(|error| failed(error.to_string()))?);
    }
    let x: Vec<_> = cohorts.iter().map(|cohort| cohort.x.view()).collect();
    let x = concatenate(Axis(0), &x).map_err(|error| failed(error.to_string()))?;
    let side = |of: fn(&Cohort) -> Option<&Array1<f64>>| -> Option<Array1<f64>> {
        let parts: Option<Vec<_>> = cohorts
            .iter()
            .map(|cohort| of(cohort).map(|side| side.view()))
            .collect();
        concatenate(Axis(0), &parts?).ok()
    };
    let y = side(|cohort| cohort.y.as_ref());
    let time = side(|cohort| cohort.time.as_ref());
    let mut rows = Rows::new(x.view());
    rows.y = y.as_ref().map(|y| y.view());
    rows.time = time.as_ref().map(|time| time.view());
    match study.recipe.alone(&rows, &mut motet_proto::rng::rng()) {
        Ok(Outcome::Glm(fit)) => Ok(Pooled {
            coefficients: fit.coefficients.into_iter().map(figures).collect(),
            loglik: fit.loglik.unwrap_or(f64::NAN),
            rows: fit.rows,
            auc: fit.evaluation.map(|evaluation| evaluation.metrics.auc),
        }),
        Ok(Outcome::Cox(fit)) => Ok(Pooled {
            coefficients: fit
                .coefficients
                .into_iter()
                .map(|c| (c.name, c.estimate, c.se))
                .collect(),
            loglik: fit.loglik,
            rows: fit.rows,
            auc: None,
        }),
        Ok(_) => Err(failed(
            "the study is neither a regression nor a Cox regression".to_owned(),
        )),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn figures(estimate: Estimate) -> (String, f64, f64) {
    let se = estimate.uncertainty.map_or(f64::NAN, |known| known.se);
    (estimate.name, estimate.estimate, se)
}

/// Numbers that differ from the first digit on, or of which there are none to compare.
const NO_DIGIT: u32 = 0;

/// Compares a released fit with the pooled one.
pub(super) fn agreement(report: &Report, pooled: &Pooled) -> Agreement {
    let pairs = report.coefficients.iter().zip(&pooled.coefficients);
    let same_names = report.coefficients.len() == pooled.coefficients.len()
        && pairs.clone().all(|(a, b)| a.name == b.0);
    if !same_names {
        return Agreement {
            estimates: NO_DIGIT,
            errors: NO_DIGIT,
            loglik: NO_DIGIT,
        };
    }
    let estimates = pairs.clone().map(|(a, b)| digits(a.estimate, b.1));
    let errors = pairs.map(|(a, b)| digits(a.se, b.2));
    Agreement {
        estimates: estimates.min().unwrap_or(NO_DIGIT),
        errors: errors.min().unwrap_or(NO_DIGIT),
        loglik: digits(report.loglik.unwrap_or(f64::NAN), pooled.loglik),
    }
}

/// How many leading digits two numbers share: `floor(-log10(|a - b| / max(|a|, |b|)))`, from 0 to
/// 15, which is as many as a double always carries.
pub(super) fn digits(a: f64, b: f64) -> u32 {
    const MOST: u32 = 15;
    if !a.is_finite() || !b.is_finite() {
        return NO_DIGIT;
    }
    let scale = a.abs().max(b.abs());
    if a == b || scale == 0.0 {
        return MOST;
    }
    let agreed = -((a - b).abs() / scale).log10();
    (1..=MOST)
        .rev()
        .find(|digit| f64::from(*digit) <= agreed)
        .unwrap_or(NO_DIGIT)
}

/// What one site's own report says about its own patients; nothing where there was no estimate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Own {
    /// Whether there is a report: a node that was lost wrote none.
    pub(super) written: bool,
    /// AUC of the model that the site fitted alone.
    pub(super) alone: Option<f64>,
    /// The ridge that its own fit needed to have an answer at all; 0 for none.
    pub(super) ridge: Option<f64>,
    /// AUC of the federated model on the same patients.
    pub(super) federated: Option<f64>,
}

/// Reads what a node wrote for its own steward; what is no report counts as none.
pub(super) fn own(bytes: &[u8]) -> Own {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return Own::default();
    };
    Own {
        written: value.is_object(),
        alone: number(&value, "/alone/metrics/auc"),
        ridge: number(&value, "/alone_ridge"),
        federated: number(&value, "/federated_here/auc"),
    }
}

fn number(report: &Value, place: &str) -> Option<f64> {
    report.pointer(place)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_counted_from_the_first_and_never_more_than_a_double_has() {
        assert_eq!(digits(1.0, 1.0), 15);
        assert_eq!(digits(0.0, 0.0), 15);
        assert_eq!(
            digits(1.0, 1.0 + 1e-12),
            11,
            "1e-12 is not representable exactly: a little more than it is added"
        );
        assert_eq!(digits(-6.327_1, -6.327_2), 4);
        assert_eq!(digits(2_264.687, 2_264.687_000_5), 9);
        assert_eq!(digits(1.0, -1.0), 0);
        assert_eq!(digits(1.0, 3.0), 0);
        assert_eq!(digits(f64::NAN, 1.0), 0);
        assert_eq!(digits(1.0, f64::INFINITY), 0);
        assert_eq!(digits(0.0, 1e-300), 0);
    }

    #[test]
    fn a_site_without_an_estimate_has_none_here_either() {
        let written = r#"{"alone": {"metrics": {"auc": 0.81}}, "alone_ridge": 1.0, "federated_here": {"auc": 0.79}}"#;
        assert_eq!(
            own(written.as_bytes()),
            Own {
                written: true,
                alone: Some(0.81),
                ridge: Some(1.0),
                federated: Some(0.79)
            }
        );
        assert_eq!(
            own(br#"{"alone": null}"#),
            Own {
                written: true,
                ..Own::default()
            }
        );
        assert_eq!(own(b"no json"), Own::default());
    }

    #[test]
    fn one_site_more_or_less_is_seen_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let data = super::super::data::of(crate::args::Scene::Stroke);
        for site in data.sites {
            std::fs::write(folder.path().join(format!("{}.csv", site.name)), site.csv).unwrap();
        }
        let study = Study::parse(data.exact.text).unwrap();
        let all: Vec<String> = data.sites.iter().map(|site| site.name.to_owned()).collect();
        let fit = pooled(data, folder.path(), &study, &all).unwrap();
        assert_eq!(fit.rows, 9381);
        // The reference fit of the same rows by other software.
        assert!(
            (fit.coefficients[0].1 + 6.327).abs() < 1e-3,
            "{}",
            fit.coefficients[0].1
        );
        assert!((fit.loglik + 2264.687).abs() < 1e-3, "{}", fit.loglik);
        let fewer = pooled(data, folder.path(), &study, &all[1..]).unwrap();
        let as_report = |fit: &Pooled| Report {
            study: study.id.clone(),
            run: String::new(),
            rounds: 0,
            sites: 10,
            rows: fit.rows,
            events: None,
            converged: Some(true),
            loglik: Some(fit.loglik),
            coefficients: fit
                .coefficients
                .iter()
                .map(|c| Coefficient {
                    name: c.0.clone(),
                    estimate: c.1,
                    se: c.2,
                    p: 0.5,
                    ci_low: c.1,
                    ci_high: c.1,
                })
                .collect(),
            metrics: Metrics::default(),
            site_names: all.clone(),
            sites_lost: Vec::new(),
        };
        assert_eq!(
            agreement(&as_report(&fit), &fit),
            Agreement {
                estimates: 15,
                errors: 15,
                loglik: 15
            }
        );
        assert!(agreement(&as_report(&fewer), &fit).estimates < 3);
    }
}
