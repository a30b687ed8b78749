//! Federated averaging: against reference weights, its falling loss, and what a lost site does.

use crate::common::*;
use motet_recipes::fedavg::FedAvgOutcome;
use motet_recipes::{FedAvg, Recipe, Weight, fraction_bits};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::layout::{Ring, Sum};

fn stroke_recipe() -> FedAvg {
    FedAvg::new(names(&STROKE_COLUMNS), "dead14".into())
}

fn values<'a>(outcome: &'a FedAvgOutcome, name: &str) -> &'a [f64] {
    &outcome
        .layers
        .iter()
        .find(|layer| layer.name == name)
        .unwrap()
        .values
}

#[test]
fn whole_table_steps_follow_the_reference_weights() {
    let sites = stroke();
    let want = &reference("stroke_logistic")["fedavg_full_batch"];
    for run_name in ["fedavg_E1_lr0p5", "fedavg_E5_lr0p1"] {
        let want = &want[run_name];
        for (rounds, weights) in want["standardised_weights_after_round"]
            .as_object()
            .unwrap()
        {
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
            let outcome = fedavg(run(&Recipe::from(recipe), &sites));
            let got: Vec<f64> = [
                values(&outcome, "layers.0.bias"),
                values(&outcome, "layers.0.weight"),
            ]
            .concat();
            for (got, want) in got.iter().zip(numbers(weights)) {
                // Stochastic rounding at 2^-24 of ten sites, over the rounds.
                assert!(
                    (got - want).abs() < 2e-6,
                    "{run_name} after {rounds}: {got} instead of {want}"
                );
            }
        }
    }
}

fn falls_over_ten_rounds(recipe: FedAvg) -> FedAvgOutcome {
    let rounds = recipe.rounds;
    let outcome = fedavg(run(&Recipe::from(recipe), &stroke()));
    assert_eq!(
        (outcome.sites, outcome.rows, outcome.events),
        (10, 9381, 813)
    );
    assert_eq!(outcome.history.len(), rounds as usize);
    let loss: Vec<f64> = outcome.history.iter().map(|epoch| epoch.loss).collect();
    assert!(
        loss[..10].windows(2).all(|pair| pair[1] < pair[0]),
        "{loss:?}"
    );
    outcome
}

#[test]
fn the_loss_falls_and_comes_close_to_the_exact_fit() {
    let outcome = falls_over_ten_rounds(stroke_recipe());
    let best = reference("stroke_logistic")["metrics"]["logloss"]
        .as_f64()
        .unwrap();
    // Stochastic rounding at 2^-26 (bound 16, ten sites).
    assert!(
        (outcome.history[0].loss - std::f64::consts::LN_2).abs() < 3e-6,
        "a model of zeros is a coin"
    );
    let last = outcome.history.last().unwrap();
    assert!(last.loss < best + 0.002, "{last:?}");
    assert!(outcome.metrics.auc > 0.80 && outcome.metrics.brier < 0.07);
    assert!(
        (0.8..1.2).contains(&outcome.metrics.calibration_slope),
        "{:?}",
        outcome.metrics
    );
}

#[test]
fn a_hidden_layer_learns_too() {
    let outcome = falls_over_ten_rounds(FedAvg {
        hidden: vec![16],
        ..stroke_recipe()
    });
    assert!(outcome.metrics.auc > 0.80, "{:?}", outcome.metrics);
    let shapes: Vec<(&str, &[usize])> = outcome
        .layers
        .iter()
        .map(|layer| (layer.name.as_str(), layer.shape.as_slice()))
        .collect();
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
    assert!(
        outcome
            .layers
            .iter()
            .all(|layer| layer.values.len() == layer.shape.iter().product::<usize>())
    );
}

#[test]
fn the_layers_alone_reproduce_the_score_of_the_outcome() {
    let sites = heart();
    let recipe = FedAvg {
        hidden: vec![5, 3],
        rounds: 4,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    };
    let outcome = fedavg(run(&Recipe::from(recipe), &sites));
    let (mean, sd) = (
        values(&outcome, "standardise.mean"),
        values(&outcome, "standardise.sd"),
    );
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
            a = sums
                .map(|sum| {
                    if layer < 2 {
                        sum.tanh()
                    } else {
                        1.0 / (1.0 + (-sum).exp())
                    }
                })
                .collect();
        }
        squares += (a[0] - line[13]) * (a[0] - line[13]);
    }
    assert!((outcome.metrics.brier - squares / 740.0).abs() < 1e-9);
}

#[test]
fn weights_decide_what_a_big_site_counts_for() {
    let sites = stroke();
    let fit = |weight| {
        fedavg(run(
            &Recipe::from(FedAvg {
                weight,
                rounds: 3,
                ..stroke_recipe()
            }),
            &sites,
        ))
    };
    let (rows, equal) = (fit(Weight::Rows), fit(Weight::Equal));
    assert_ne!(
        values(&rows, "layers.0.weight"),
        values(&equal, "layers.0.weight")
    );
}

#[test]
fn a_lost_site_is_trained_without_and_evaluated_without() {
    let sites = stroke();
    let recipe = Recipe::from(FedAvg {
        rounds: 6,
        ..stroke_recipe()
    });
    let left = |count: usize| sites.iter().take(count).collect::<Vec<_>>();
    // The last is SWIT with 1631 rows and 155 deaths.
    let outcome = fedavg(run_with(&recipe, |round| {
        left(if round < 4 { 10 } else { 9 })
    }));
    assert_eq!(outcome.sites, 9);
    assert_eq!((outcome.rows, outcome.events), (9381 - 1631, 813 - 155));
    assert_eq!(outcome.history.len(), 6);

    let complete = fedavg(run(&recipe, &sites));
    assert_eq!(
        values(&outcome, "standardise.mean"),
        values(&complete, "standardise.mean"),
        "the model is on the scale of all ten"
    );
    assert!(complete.rounds > 9, "the test needs a round of calibration");
    // Lost between evaluation and calibration: evaluated again.
    let outcome = fedavg(run_with(&recipe, |round| {
        left(if round < 9 { 10 } else { 9 })
    }));
    assert_eq!(
        (outcome.sites, outcome.rows, outcome.events),
        (9, 9381 - 1631, 813 - 155)
    );
    // Lost between the two rounds of moments: these begin again.
    let outcome = fedavg(run_with(&recipe, |round| {
        left(if round < 1 { 10 } else { 9 })
    }));
    let nine = fedavg(run(&recipe, &sites[..9]));
    assert_eq!(
        values(&outcome, "standardise.mean"),
        values(&nine, "standardise.mean")
    );
}

#[test]
fn training_that_leaves_its_bounds_is_refused_and_not_cut_off() {
    let sites = stroke();
    let recipe = Recipe::from(FedAvg {
        lr: 1000.0,
        ..stroke_recipe()
    });
    let refused = recipe.alone(&sites[0].rows(), &mut rng(1)).unwrap_err();
    assert!(
        refused.to_string().contains("exceeds the bound"),
        "{refused}"
    );
}

#[test]
fn narrow_rings_train_as_well() {
    let wide = fedavg(run(&Recipe::from(stroke_recipe()), &stroke()));
    let start = std::f64::consts::LN_2;
    for (ring, sites, bits) in [(Ring::Bits24, 10, 16), (Ring::Bits20, 10, 12)] {
        assert_eq!(fraction_bits(ring, sites), Some(bits));
        let narrow = fedavg(run(
            &Recipe::from(FedAvg {
                ring,
                ..stroke_recipe()
            }),
            &stroke(),
        ));
        // Ten draws a round, each less than a unit of the loss's own rounding, which has two bits
        // fewer.
        let noise = 10.0 * 2.0_f64.powi(2 - i32::from(bits));
        let loss: Vec<f64> = narrow.history.iter().map(|epoch| epoch.loss).collect();
        assert!((loss[0] - start).abs() <= noise, "{loss:?}");
        assert!(
            loss.windows(2).all(|pair| pair[1] < pair[0] + noise),
            "{loss:?}"
        );
        assert!(loss[4] < loss[0] - 0.2 && loss[19] < 0.25, "{loss:?}");
        assert!(
            (narrow.metrics.auc - wide.metrics.auc).abs() < 0.002,
            "{:?}",
            narrow.metrics
        );
        assert!(
            (narrow.metrics.brier - wide.metrics.brier).abs() < 0.0005,
            "{:?}",
            narrow.metrics
        );
        assert_ne!(
            values(&narrow, "layers.0.weight"),
            values(&wide, "layers.0.weight")
        );
    }
    // Four hospitals with 740 rows fit the narrowest ring, with ten bits after the point.
    let recipe = |ring| FedAvg {
        ring,
        ..FedAvg::new(names(&HEART_COLUMNS), "y".into())
    };
    let fit = |ring| {
        fedavg(run(&Recipe::from(recipe(ring)), &heart()))
            .metrics
            .auc
    };
    assert_eq!(fraction_bits(Ring::Bits16, 4), Some(10));
    assert!((fit(Ring::Bits16) - fit(Ring::Bits32)).abs() < 0.005);
}

#[test]
fn rows_that_do_not_fit_travel_in_the_next_wider_ring() {
    let ring = |ring, rows: f64, sites: u32| {
        let recipe = Recipe::from(FedAvg {
            ring,
            ..FedAvg::new(names(&["a", "b"]), "y".into())
        });
        let sum = |values| Sum {
            sites,
            set: Digest([1; 32]),
            weight: u64::from(sites),
            values,
        };
        let state = recipe.start(Digest::default());
        let state = recipe
            .absorb(&state, &sum(vec![rows, 70.0, 21_000.5, 150.0]))
            .unwrap();
        let state = recipe.absorb(&state, &sum(vec![4.0 * rows, rows])).unwrap();
        let layout = recipe.ask(&state, sites).unwrap().unwrap().layout;
        layout.headroom(sites).unwrap();
        layout.ring
    };
    // Four sites: 2^12, 2^16, 2^20 and 2^28 rows.
    for (narrow, wider, most) in [
        (Ring::Bits16, Ring::Bits20, 4_096.0),
        (Ring::Bits20, Ring::Bits24, 65_536.0),
        (Ring::Bits24, Ring::Bits32, 1_048_576.0),
        (Ring::Bits32, Ring::Bits64, 268_435_456.0),
    ] {
        assert_eq!(ring(narrow, most, 4), narrow);
        assert_eq!(ring(narrow, most + 1.0, 4), wider);
        assert_eq!(ring(narrow, 4e9, 4), Ring::Bits64);
    }
    // Enough room for the rows, too few bits for seventeen sites.
    assert_eq!(
        (ring(Ring::Bits16, 100.0, 16), ring(Ring::Bits16, 100.0, 17)),
        (Ring::Bits16, Ring::Bits20)
    );
}

#[test]
fn the_ring_is_part_of_what_a_study_fixes() {
    let recipe = |ring| {
        Recipe::from(FedAvg {
            ring,
            ..stroke_recipe()
        })
    };
    let rings = [Ring::Bits16, Ring::Bits20, Ring::Bits24, Ring::Bits32];
    let digests: std::collections::BTreeSet<Digest> =
        rings.map(|ring| recipe(ring).digest("recipe")).into();
    assert_eq!(digests.len(), 4);
    let refused = recipe(Ring::Bits64).check().unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("`ring` must be 16, 20, 24 or 32"),
        "{refused}"
    );
}
