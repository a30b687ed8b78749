//! Federated averaging: against reference weights, its falling loss, and what a lost site does.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

mod common;

use common::*;
use motet_recipes::{FedAvg, FedAvgOutcome, Recipe, Weight};

fn stroke_recipe() -> FedAvg {
    FedAvg::new(names(&STROKE_COLUMNS), "dead14".into())
}

fn values<'a>(outcome: &'a FedAvgOutcome, name: &str) -> &'a [f64] {
    &outcome.layers.iter().find(|layer| layer.name == name).unwrap().values
}

#[test]
fn whole_table_steps_follow_the_reference_weights() {
    let sites = stroke();
    let want = &reference("stroke_logistic")["fedavg_full_batch"];
    for run_name in ["fedavg_E1_lr0p5", "fedavg_E5_lr0p1"] {
        let want = &want[run_name];
        for (rounds, weights) in want["standardised_weights_after_round"].as_object().unwrap() {
            let recipe = FedAvg {
                rounds: rounds.parse().unwrap(),
                local_epochs: want["local_epochs"].as_u64().unwrap() as u32,
                lr: want["lr"].as_f64().unwrap(),
                batch: 0,
                ..stroke_recipe()
            };
            if recipe.rounds > 20 {
                continue;
            }
            let outcome = fedavg(run(&Recipe::FedAvg(recipe), &sites));
            let got: Vec<f64> =
                [values(&outcome, "layers.0.bias"), values(&outcome, "layers.0.weight")].concat();
            for (got, want) in got.iter().zip(numbers(weights)) {
                // Stochastic rounding at 2^-24 of ten sites, over the rounds.
                assert!((got - want).abs() < 2e-6, "{run_name} after {rounds}: {got} instead of {want}");
            }
        }
    }
}

fn falls_over_ten_rounds(recipe: FedAvg) -> FedAvgOutcome {
    let rounds = recipe.rounds;
    let outcome = fedavg(run(&Recipe::FedAvg(recipe), &stroke()));
    assert_eq!((outcome.sites, outcome.rows, outcome.events), (10, 9381, 813));
    assert_eq!(outcome.history.len(), rounds as usize);
    let loss: Vec<f64> = outcome.history.iter().map(|epoch| epoch.loss).collect();
    assert!(loss[..10].windows(2).all(|pair| pair[1] < pair[0]), "{loss:?}");
    outcome
}

#[test]
fn the_loss_falls_and_comes_close_to_the_exact_fit() {
    let outcome = falls_over_ten_rounds(stroke_recipe());
    let best = reference("stroke_logistic")["metrics"]["logloss"].as_f64().unwrap();
    // Stochastic rounding at 2^-26 (bound 16, ten sites).
    assert!((outcome.history[0].loss - std::f64::consts::LN_2).abs() < 3e-6, "a model of zeros is a coin");
    assert_eq!(outcome.history[0].auc, 0.5);
    let last = outcome.history.last().unwrap();
    assert!(last.loss < best + 0.002 && last.auc > 0.80, "{last:?}");
    assert!(outcome.metrics.auc > 0.80 && outcome.metrics.brier < 0.07);
    assert!((0.8..1.2).contains(&outcome.metrics.calibration_slope), "{:?}", outcome.metrics);
}

#[test]
fn a_hidden_layer_learns_too() {
    let outcome = falls_over_ten_rounds(FedAvg { hidden: vec![16], ..stroke_recipe() });
    assert!(outcome.metrics.auc > 0.80, "{:?}", outcome.metrics);
    let shapes: Vec<(&str, &[usize])> =
        outcome.layers.iter().map(|layer| (layer.name.as_str(), layer.shape.as_slice())).collect();
    assert_eq!(
        shapes,
        [
            ("standardise.mean", &[13][..]),
            ("standardise.sd", &[13]),
            ("layers.0.weight", &[16, 13]),
            ("layers.0.bias", &[16]),
            ("layers.1.weight", &[1, 16]),
            ("layers.1.bias", &[1]),
        ]
    );
    assert!(outcome.layers.iter().all(|layer| layer.values.len() == layer.shape.iter().product::<usize>()));
}

#[test]
fn the_layers_alone_reproduce_the_score_of_the_outcome() {
    let sites = heart();
    let recipe = FedAvg { hidden: vec![5, 3], rounds: 4, ..FedAvg::new(names(&HEART_COLUMNS), "y".into()) };
    let outcome = fedavg(run(&Recipe::FedAvg(recipe), &sites));
    let (mean, sd) = (values(&outcome, "standardise.mean"), values(&outcome, "standardise.sd"));
    let mut squares = 0.0;
    for line in sites.iter().flat_map(Site::lines) {
        let mut a: Vec<f64> = (0..13).map(|at| (line[at] - mean[at]) / sd[at]).collect();
        for layer in 0..3 {
            let (weight, bias) = (
                values(&outcome, &format!("layers.{layer}.weight")),
                values(&outcome, &format!("layers.{layer}.bias")),
            );
            let sums = weight
                .chunks(a.len())
                .zip(bias)
                .map(|(w, b)| w.iter().zip(&a).map(|(w, a)| w * a).sum::<f64>() + b);
            a = sums.map(|sum| if layer < 2 { sum.tanh() } else { 1.0 / (1.0 + (-sum).exp()) }).collect();
        }
        squares += (a[0] - line[13]) * (a[0] - line[13]);
    }
    assert!((outcome.metrics.brier - squares / 740.0).abs() < 1e-9);
}

#[test]
fn weights_decide_what_a_big_site_counts_for() {
    let sites = stroke();
    let fit = |weight| fedavg(run(&Recipe::FedAvg(FedAvg { weight, rounds: 3, ..stroke_recipe() }), &sites));
    let (rows, equal) = (fit(Weight::Rows), fit(Weight::Equal));
    assert_ne!(values(&rows, "layers.0.weight"), values(&equal, "layers.0.weight"));
}

#[test]
fn a_lost_site_is_trained_without_and_evaluated_without() {
    let sites = stroke();
    let recipe = Recipe::FedAvg(FedAvg { rounds: 6, ..stroke_recipe() });
    let left = |count: usize| sites.iter().take(count).collect::<Vec<_>>();
    // The last is SWIT with 1631 rows and 155 deaths.
    let outcome = fedavg(run_with(&recipe, |round| left(if round < 4 { 10 } else { 9 })));
    assert_eq!(outcome.sites, 9);
    assert_eq!((outcome.rows, outcome.events), (9381 - 1631, 813 - 155));
    assert_eq!(outcome.history.len(), 6);

    let complete = fedavg(run(&recipe, &sites));
    assert!(complete.rounds > 9, "the test needs a round of calibration");
    // Lost between evaluation and calibration: evaluated again.
    let outcome = fedavg(run_with(&recipe, |round| left(if round < 9 { 10 } else { 9 })));
    assert_eq!((outcome.sites, outcome.rows, outcome.events), (9, 9381 - 1631, 813 - 155));
    // Lost between the two rounds of moments: these begin again.
    let outcome = fedavg(run_with(&recipe, |round| left(if round < 1 { 10 } else { 9 })));
    let nine = fedavg(run(&recipe, &sites[..9]));
    assert_eq!(values(&outcome, "standardise.mean"), values(&nine, "standardise.mean"));
}

#[test]
fn training_that_leaves_its_bounds_is_refused_and_not_cut_off() {
    let sites = stroke();
    let recipe = Recipe::FedAvg(FedAvg { lr: 1000.0, ..stroke_recipe() });
    let refused = recipe.alone(&sites[0].rows(), &mut dice(1)).unwrap_err();
    assert!(refused.to_string().contains("exceeds the bound"), "{refused}");
}
