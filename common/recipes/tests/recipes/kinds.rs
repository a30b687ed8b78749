//! Federated averaging of outcomes that are numbers or times to an event.

#![allow(clippy::disallowed_methods, reason = "the tests read their tables")]

use crate::common::plain::drive;
use crate::common::*;
use motet_recipes::fedavg::{FedNumberOutcome, FedTimeOutcome};
use motet_recipes::{Averaged, FedAvg, Layer, Loss, Outcome, Recipe, RecipeError, Rows, Rule};
use ndarray::{Array1, Array2};
use std::path::PathBuf;

fn values<'a>(layers: &'a [Layer], name: &str) -> &'a [f64] {
    &layers
        .iter()
        .find(|layer| layer.name == name)
        .unwrap()
        .values
}

/// A country's table with the systolic blood pressure as outcome.
fn pressure(site: &Site) -> Site {
    let at = STROKE_COLUMNS
        .iter()
        .position(|name| *name == "sbp")
        .unwrap();
    let lines = site.lines().into_iter().map(|mut line| {
        line.pop();
        let sbp = line.remove(at);
        line.push(sbp);
        line
    });
    Site::new(&site.name, &lines.collect::<Vec<_>>())
}

fn number(outcome: Result<Outcome, RecipeError>) -> FedNumberOutcome {
    match outcome {
        Ok(Outcome::FedAvg(Averaged::Number(outcome))) => outcome,
        other => panic!("no outcome of numbers: {other:?}"),
    }
}

fn pressure_recipe() -> FedAvg {
    let columns: Vec<String> = names(&STROKE_COLUMNS)
        .into_iter()
        .filter(|name| name != "sbp")
        .collect();
    FedAvg {
        loss: Loss::Number,
        batch: 0,
        lr: 0.1,
        rule: Rule::Momentum(0.8),
        rounds: 150,
        ..FedAvg::new(columns, "sbp".into())
    }
}

#[test]
fn a_number_is_fitted_by_least_squares() {
    let sites: Vec<Site> = stroke().iter().map(pressure).collect();
    let rows: Vec<Rows<'_>> = sites.iter().map(Site::rows).collect();
    let outcome = number(drive(&Recipe::from(pressure_recipe()), &rows, true));
    assert_eq!(
        (outcome.sites, outcome.rows, outcome.history.len()),
        (10, 9381, 150)
    );
    let layer = |name| values(&outcome.layers, name);
    let (mean, sd) = (layer("standardise.mean"), layer("standardise.sd"));
    let (scale, weight) = (layer("outcome.sd")[0], layer("layers.0.weight"));
    let (mut squares, mut spread, mut normal) = (0.0, 0.0, [0.0; 13]);
    for line in sites.iter().flat_map(Site::lines) {
        let z: Vec<f64> = (0..12).map(|at| (line[at] - mean[at]) / sd[at]).collect();
        let f = layer("layers.0.bias")[0] + z.iter().zip(weight).map(|(z, w)| z * w).sum::<f64>();
        let rest = line[12] - (layer("outcome.mean")[0] + scale * f);
        squares += rest * rest;
        spread += (line[12] - layer("outcome.mean")[0]).powi(2);
        (0..12).for_each(|at| normal[at] += rest * z[at] / 9381.0);
        normal[12] += rest / 9381.0;
    }
    // What is left is at right angles to every column: the normal equations.
    assert!(normal.iter().all(|sum| sum.abs() < 1e-6), "{normal:?}");
    assert_close(outcome.mse, squares / 9381.0, "mse");
    assert_close(
        outcome.r_squared.unwrap(),
        1.0 - squares / spread,
        "R squared",
    );
    assert!((0.0..0.2).contains(&outcome.r_squared.unwrap()));
    // Half the mean square of the standardised outcome.
    assert!(
        (outcome.history[0].loss - 0.5).abs() < 1e-4,
        "{:?}",
        outcome.history[0]
    );
    let words = number(drive(&Recipe::from(pressure_recipe()), &rows, false));
    assert!((words.mse / outcome.mse - 1.0).abs() < 1e-6);
}

#[test]
fn a_number_that_does_not_vary_is_nothing_to_fit() {
    let mut site = pressure(&stroke()[0]);
    site.y.fill(140.0);
    let recipe = Recipe::from(pressure_recipe());
    let refused = recipe.alone(&site.rows(), &mut rng(1)).unwrap_err();
    assert_eq!(
        refused,
        RecipeError::OneClass {
            outcome: "sbp".into()
        }
    );
    site.y[3] = f64::NAN;
    let refused = recipe.alone(&site.rows(), &mut rng(1)).unwrap_err();
    assert_eq!(
        refused,
        RecipeError::NotFinite {
            column: "sbp".into(),
            rows: 1
        }
    );
}

/// A country's columns of the survival reference, its times to death (censored at 182 days) and
/// deaths.
struct FollowUp {
    x: Array2<f64>,
    event: Array1<f64>,
    time: Array1<f64>,
}

fn follow_up(columns: &[String]) -> Vec<FollowUp> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/stroke_followup.csv");
    let mut reader = csv::Reader::from_path(path).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let country = |site: Site| {
        let lines = site.lines();
        let at: Vec<usize> = columns
            .iter()
            .map(|name| {
                STROKE_COLUMNS
                    .iter()
                    .position(|column| column == name)
                    .unwrap()
            })
            .collect();
        let mine: Vec<(f64, f64)> = records
            .iter()
            .filter(|record| record[0] == *site.name)
            .map(|record| (record[1].parse().unwrap(), record[2].parse().unwrap()))
            .collect();
        assert_eq!(mine.len(), lines.len());
        FollowUp {
            x: Array2::from_shape_fn((lines.len(), at.len()), |(row, column)| {
                lines[row][at[column]]
            }),
            event: mine
                .iter()
                .map(|(days, died)| if *days <= 182.0 { *died } else { 0.0 })
                .collect(),
            time: mine.iter().map(|(days, _)| days.min(182.0)).collect(),
        }
    };
    stroke().into_iter().map(country).collect()
}

impl FollowUp {
    fn rows(&self) -> Rows<'_> {
        Rows {
            time: Some(self.time.view()),
            ..Rows::new(self.x.view()).outcome(self.event.view())
        }
    }

    /// Comparable and concordant pairs (ties by half), one by one.
    fn pairs(&self, coefficients: &[f64]) -> (f64, f64) {
        let f: Vec<f64> = self
            .x
            .rows()
            .into_iter()
            .map(|row| row.iter().zip(coefficients).map(|(x, b)| x * b).sum())
            .collect();
        let (mut comparable, mut concordant) = (0.0, 0.0);
        for i in (0..f.len()).filter(|i| self.event[*i] == 1.0) {
            for j in 0..f.len() {
                let (a, b) = (self.time[i], self.time[j]);
                if a < b || (a == b && self.event[j] == 0.0) {
                    comparable += 1.0;
                    concordant += if f[i] > f[j] {
                        1.0
                    } else if f[i] == f[j] {
                        0.5
                    } else {
                        0.0
                    };
                }
            }
        }
        (comparable, concordant)
    }
}

fn time(outcome: Result<Outcome, RecipeError>) -> FedTimeOutcome {
    match outcome {
        Ok(Outcome::FedAvg(Averaged::Time(outcome))) => outcome,
        other => panic!("no outcome of times: {other:?}"),
    }
}

fn survival_recipe(columns: Vec<String>) -> FedAvg {
    FedAvg {
        loss: Loss::Time("days".into()),
        batch: 0,
        lr: 0.4,
        rule: Rule::Momentum(0.7),
        rounds: 120,
        ..FedAvg::new(columns, "died".into())
    }
}

#[test]
fn hazards_converge_to_the_fit_stratified_by_site() {
    let want = reference("stroke_cox_stratified");
    let columns: Vec<String> = want["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let tables = follow_up(&columns);
    let rows: Vec<Rows<'_>> = tables.iter().map(FollowUp::rows).collect();
    let outcome = time(drive(&Recipe::from(survival_recipe(columns)), &rows, true));
    assert_eq!((outcome.rows, outcome.events), (9381, 1861));
    let (sd, bias) = (
        values(&outcome.layers, "standardise.sd"),
        values(&outcome.layers, "layers.0.bias"),
    );
    let got: Vec<f64> = values(&outcome.layers, "layers.0.weight")
        .iter()
        .zip(sd)
        .map(|(weight, sd)| weight / sd)
        .collect();
    for (got, want) in got.iter().zip(numbers(&want["coef"])) {
        assert_close(*got, want, "coefficient");
    }
    assert!(bias[0].abs() < 1e-9);
    assert_close(
        outcome.loglik,
        want["loglik"].as_f64().unwrap(),
        "log partial likelihood",
    );
    let start = outcome.history[0].loss * 1861.0;
    assert!(
        (start + want["loglik_null"].as_f64().unwrap()).abs() < 1e-4,
        "{start}"
    );

    let (mut comparable, mut concordant) = (0.0, 0.0);
    for (table, name) in tables.iter().zip(STROKE) {
        let (pairs, right) = table.pairs(&numbers(&want["coef"]));
        assert_close(
            right / pairs,
            want["cindex_per_site"][name].as_f64().unwrap(),
            name,
        );
        (comparable, concordant) = (comparable + pairs, concordant + right);
    }
    assert_eq!(outcome.comparable, comparable);
    assert!(
        (outcome.c_index.unwrap() - concordant / comparable).abs() < 1e-6,
        "{:?}",
        outcome.c_index
    );
}

#[test]
fn hazards_train_through_words_in_networks_and_where_nobody_had_an_event() {
    let columns = names(&["age", "drowsy", "tacs"]);
    let mut tables = follow_up(&columns);
    tables.truncate(4);
    tables[1].event.fill(0.0);
    let rows: Vec<Rows<'_>> = tables.iter().map(FollowUp::rows).collect();
    let recipe = FedAvg {
        hidden: vec![4],
        local_epochs: 3,
        rounds: 30,
        ..survival_recipe(columns)
    };
    let outcome = time(drive(&Recipe::from(recipe.clone()), &rows, false));
    assert!(outcome.c_index.unwrap() > 0.7, "{:?}", outcome.c_index);
    assert!(outcome.history[29].loss < outcome.history[0].loss);

    // Nobody is censored: still something to fit. Nobody had the event: nothing.
    let fit = |event: f64| {
        let mut table = follow_up(&recipe.columns).remove(0);
        table.event.fill(event);
        Recipe::from(recipe.clone()).alone(&table.rows(), &mut rng(0))
    };
    assert_eq!(time(fit(1.0)).events, 305);
    assert_eq!(
        fit(0.0).unwrap_err(),
        RecipeError::OneClass {
            outcome: "died".into()
        }
    );

    let recipe = Recipe::from(recipe);
    let without = Rows {
        time: None,
        ..rows[0]
    };
    let refused = recipe.alone(&without, &mut rng(0)).unwrap_err();
    assert!(refused.to_string().contains("`days`"), "{refused}");
    let alone = time(recipe.alone(&rows[0], &mut rng(0)));
    assert!(alone.c_index.unwrap() > 0.7);
}
