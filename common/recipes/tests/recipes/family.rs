//! The FedAvg family against reference trajectories, in plain numbers and through the words of a
//! 32-bit ring.

#![allow(clippy::disallowed_methods, reason = "the tests read their tables")]
#![allow(clippy::print_stdout, reason = "the deviations are worth reading")]

use crate::common::plain::{drive, finished_with, weights};
use crate::common::*;
use motet_recipes::{Adaptive, FedAvg, Loss, Memory, Recipe, RecipeError, Rule, Weight};
use motet_secagg::digest::Digest;
use motet_secagg::layout::{ClearUpdate, Layout};

fn furthest(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter()
        .zip(want)
        .map(|(got, want)| (got - want).abs())
        .fold(0.0, f64::max)
}

/// The recipe of a reference run.
fn recipe(columns: Vec<String>, params: &serde_json::Value, rounds: u32) -> Recipe {
    let number = |name: &str| params[name].as_f64().unwrap_or(1.0);
    let adaptive = Adaptive::default();
    let rule = match params["algo"].as_str().unwrap() {
        "fedavg" => Rule::Average,
        "fedprox" => Rule::Prox(number("mu")),
        "fedavgm" => Rule::Momentum(number("mom")),
        "fedadam" => Rule::Adam(adaptive),
        "fedyogi" => Rule::Yogi(adaptive),
        "fedadagrad" => Rule::Adagrad(adaptive),
        "scaffold" => Rule::Scaffold,
        other => panic!("{other}"),
    };
    Recipe::from(FedAvg {
        rule,
        rounds,
        local_epochs: params["E"].as_u64().unwrap() as u32,
        lr: number("lr"),
        server_lr: number("slr"),
        batch: 0,
        ..FedAvg::new(columns, "y".into())
    })
}

/// Runs every algorithm of a reference file to rounds 1, 10 and 100: within 1e-6 in plain numbers,
/// within `ring` in words.
fn follow(name: &str, columns: &[&str], sites: &[Site], ring: f64) {
    let want = reference(name);
    assert_eq!(
        sites.iter().map(|site| site.y.len() as u64).sum::<u64>(),
        want["n"].as_u64().unwrap()
    );
    assert_eq!(
        sites.iter().map(|site| site.y.sum()).sum::<f64>(),
        want["events"].as_f64().unwrap()
    );
    let rows: Vec<_> = sites.iter().map(Site::rows).collect();
    let runs = want["runs"].as_object().unwrap();
    assert_eq!(runs.len(), 8);
    for (run, want) in runs {
        let (mut exact, mut words) = (0.0_f64, 0.0_f64);
        for (round, weights_there) in want["weights_after_round"].as_object().unwrap() {
            let recipe = recipe(names(columns), &want["params"], round.parse().unwrap());
            let there = numbers(weights_there);
            exact = exact.max(furthest(&weights(drive(&recipe, &rows, true)), &there));
            words = words.max(furthest(&weights(drive(&recipe, &rows, false)), &there));
        }
        println!("{name} {run}: {exact:.1e} in plain numbers, {words:.1e} through 32-bit words");
        assert!(exact < 1e-6, "{name} {run}: {exact}");
        assert!(words < ring, "{name} {run}: {words}");
    }
}

const EICU_COLUMNS: [&str; 6] = ["age", "male", "aps", "vent_day1", "metastatic", "elective"];

/// Intensive care by region of the United States.
fn eicu() -> Vec<Site> {
    let (_, rows) = regions();
    let site = |region: &&str| {
        let mine = rows
            .iter()
            .filter(|(name, _)| name == region)
            .map(|(_, row)| row.clone());
        Site::new(region, &mine.collect::<Vec<Vec<f64>>>())
    };
    ["Midwest", "Northeast", "South", "West"]
        .iter()
        .map(site)
        .collect()
}

#[test]
fn every_algorithm_follows_its_reference_on_the_heart_hospitals() {
    follow("heart_trajectories", &HEART_COLUMNS, &heart_train(), 5e-6);
}

#[test]
fn every_algorithm_follows_its_reference_on_intensive_care() {
    follow("eicu_trajectories", &EICU_COLUMNS, &eicu(), 5e-6);
}

#[test]
fn every_algorithm_follows_its_reference_on_the_stroke_countries() {
    follow("stroke_trajectories", &STROKE_COLUMNS, &stroke(), 2e-5);
}

fn heart_recipe() -> FedAvg {
    let columns = names(&HEART_COLUMNS);
    FedAvg {
        rounds: 12,
        batch: 0,
        lr: 0.3,
        ..FedAvg::new(columns, "y".into())
    }
}

#[test]
fn one_site_that_takes_one_step_a_round_descends_the_gradient() {
    let site = heart().remove(0);
    let (mean, sd): (Vec<f64>, Vec<f64>) = site
        .x
        .columns()
        .into_iter()
        .map(|c| (c.mean().unwrap(), c.std(1.0)))
        .unzip();
    let mut w = [0.0; 14];
    for _ in 0..12 {
        let mut slope = [0.0; 14];
        for line in site.lines() {
            let z = |at: usize| {
                if at == 0 {
                    1.0
                } else {
                    (line[at - 1] - mean[at - 1]) / sd[at - 1]
                }
            };
            let f: f64 = (0..14).map(|at| w[at] * z(at)).sum();
            let rest = 1.0 / (1.0 + (-f).exp()) - line[13];
            (0..14).for_each(|at| slope[at] += rest * z(at) / site.y.len() as f64);
        }
        (0..14).for_each(|at| w[at] -= 0.3 * slope[at]);
    }
    let got = weights(drive(&Recipe::from(heart_recipe()), &[site.rows()], true));
    assert!(furthest(&got, &w) < 1e-9, "{got:?} instead of {w:?}");
}

#[test]
fn sites_of_the_same_size_count_the_same_by_rows_and_equally() {
    let halves = |site: Site| {
        let lines = site.lines();
        let half = lines.len() / 2;
        [
            Site::new("first", &lines[..half]),
            Site::new("second", &lines[half..2 * half]),
        ]
    };
    let sites = halves(heart().remove(0));
    let fit = |recipe: FedAvg| {
        weights(drive(
            &Recipe::from(recipe),
            &sites.each_ref().map(Site::rows),
            true,
        ))
    };
    let (rows, equal) = (
        fit(heart_recipe()),
        fit(FedAvg {
            weight: Weight::Equal,
            ..heart_recipe()
        }),
    );
    assert!(furthest(&rows, &equal) < 1e-12);
}

/// A run of the heart hospitals.
fn heart_fit(recipe: FedAvg) -> Vec<f64> {
    let sites = heart();
    let rows: Vec<_> = sites.iter().map(Site::rows).collect();
    weights(drive(&Recipe::from(recipe), &rows, true))
}

#[test]
fn a_cap_takes_from_the_largest_sites_only() {
    let rows = heart_fit(heart_recipe());
    // 303 of 740 rows is the largest share, 0.41; 46 rows the smallest, 0.06.
    assert!(
        furthest(
            &heart_fit(FedAvg {
                weight_cap: 0.42,
                ..heart_recipe()
            }),
            &rows
        ) < 1e-12
    );
    assert!(
        furthest(
            &heart_fit(FedAvg {
                weight_cap: 0.2,
                ..heart_recipe()
            }),
            &rows
        ) > 0.01
    );
    // Below the smallest share all count the same.
    let equal = heart_fit(FedAvg {
        weight: Weight::Equal,
        ..heart_recipe()
    });
    let capped = heart_fit(FedAvg {
        weight_cap: 0.05,
        ..heart_recipe()
    });
    assert!(furthest(&capped, &equal) < 1e-12);
    let question = |cap| {
        let recipe = Recipe::from(FedAvg {
            weight_cap: cap,
            ..heart_recipe()
        });
        layout_of_training(&recipe)
    };
    assert_eq!(
        (question(1.0).weight_max, question(0.2).weight_max),
        (740, 148)
    );
}

/// The question of the first round of training on the heart hospitals.
fn layout_of_training(recipe: &Recipe) -> Layout {
    let sites = heart();
    let mut state = recipe.start(Digest::default());
    for _ in 0..2 {
        state = round(recipe, &state, &sites.iter().collect::<Vec<_>>())
            .unwrap()
            .unwrap();
    }
    recipe.ask(&state, 4).unwrap().unwrap().layout
}

#[test]
fn a_schedule_shortens_the_steps_and_a_clip_the_gradients() {
    let plain = heart_fit(FedAvg {
        rounds: 4,
        ..heart_recipe()
    });
    let decayed = |rounds, lr_decay, lr_step| {
        heart_fit(FedAvg {
            rounds,
            lr_decay,
            lr_step,
            ..heart_recipe()
        })
    };
    // Nothing falls due before the first four rounds are over ..
    assert_eq!(decayed(4, 0.5, 4), plain);
    // .. and a decay to almost nothing after them leaves the model almost where it is.
    assert!(furthest(&decayed(7, 4e-4, 4), &plain) < 1e-3);
    assert!(furthest(&decayed(4, 0.5, 1), &plain) > 0.01);
    assert_eq!(
        heart_fit(FedAvg {
            rounds: 4,
            clip: 1e6,
            ..heart_recipe()
        }),
        plain
    );
    let clipped = heart_fit(FedAvg {
        rounds: 1,
        clip: 0.01,
        ..heart_recipe()
    });
    // One step of 0.3 along a gradient no longer than 0.01 at every site.
    assert!(clipped.iter().map(|w| w * w).sum::<f64>().sqrt() <= 0.003 + 1e-12);
}

#[test]
fn scaffold_asks_for_one_more_number_a_parameter_and_keeps_one_at_the_site() {
    let scaffold = Recipe::from(FedAvg {
        rule: Rule::Scaffold,
        ..heart_recipe()
    });
    let plain = Recipe::from(heart_recipe());
    assert_eq!(layout_of_training(&plain).elements(), 1 + 14);
    assert_eq!(layout_of_training(&scaffold).elements(), 1 + 14 + 14);

    let sites = heart();
    let mut state = scaffold.start(Digest::default());
    for _ in 0..3 {
        state = round(&scaffold, &state, &sites.iter().collect::<Vec<_>>())
            .unwrap()
            .unwrap();
    }
    let question = scaffold.ask(&state, 4).unwrap().unwrap();
    let answer =
        |memory: &Memory| scaffold.answer(&state, &question, &sites[0].rows(), memory, &mut rng(0));
    let first = answer(&Memory::default()).unwrap().memory.unwrap();
    // The same state with the same memory is the same attempt; the next memory is another.
    assert_eq!(
        answer(&Memory::default())
            .unwrap()
            .memory
            .unwrap()
            .to_bytes(),
        first.to_bytes()
    );
    assert_ne!(
        answer(&first).unwrap().memory.unwrap().to_bytes(),
        first.to_bytes()
    );
    let foreign =
        Memory::from_bytes(&[2, 0, 0, 0].into_iter().chain([0; 16]).collect::<Vec<u8>>()).unwrap();
    let refused = answer(&foreign).err().unwrap();
    assert_eq!(
        refused,
        RecipeError::Mismatch {
            what: "memory of this site"
        }
    );
    let _: ClearUpdate = answer(&first).unwrap().update;
}

#[test]
fn scaffold_goes_on_when_a_site_is_lost_and_when_it_comes_back() {
    let sites = heart();
    let rows: Vec<_> = sites.iter().map(Site::rows).collect();
    let fit = |rounds, present: fn(u32) -> usize| {
        let recipe = Recipe::from(FedAvg {
            rule: Rule::Scaffold,
            rounds,
            lr: 0.2,
            local_epochs: 5,
            ..heart_recipe()
        });
        weights(
            finished_with(&recipe, &rows, true, present).and_then(|state| recipe.outcome(&state)),
        )
    };
    // Two rounds of moments, then training: the last site is away for ten rounds of four hundred
    // and is then made up for.
    let (whole, away) = (
        fit(400, |_| 4),
        fit(400, |round| if (20..30).contains(&round) { 3 } else { 4 }),
    );
    assert!(furthest(&whole, &away) < 1e-3, "{whole:?} {away:?}");
    assert!(
        furthest(
            &fit(30, |_| 4),
            &fit(30, |round| if round < 20 { 4 } else { 3 })
        ) > 1e-3
    );
}

#[test]
fn every_rule_runs_at_one_site_alone_and_after_a_loss() {
    let adaptive = Adaptive::default();
    let rules = [
        (Rule::Average, 1.0),
        (Rule::Prox(0.1), 1.0),
        (Rule::Momentum(0.5), 1.0),
        (Rule::Adam(adaptive), 0.1),
        (Rule::Yogi(adaptive), 0.1),
        (Rule::Adagrad(adaptive), 0.1),
        (Rule::Scaffold, 1.0),
    ];
    let sites = heart();
    for (rule, server_lr) in rules {
        let recipe = Recipe::from(FedAvg {
            rule,
            server_lr,
            hidden: vec![4, 3],
            ..heart_recipe()
        });
        assert_eq!(recipe.kind(), rule.name());
        let alone = fedavg(recipe.alone(&sites[0].rows(), &mut rng(2)));
        assert!(alone.metrics.auc > 0.7, "{rule:?}: {:?}", alone.metrics);
        let outcome = fedavg(run_with(&recipe, |round| {
            sites.iter().take(if round < 6 { 4 } else { 3 }).collect()
        }));
        assert_eq!((outcome.sites, outcome.history.len()), (3, 12));
        assert!(
            outcome.history[11].loss < outcome.history[0].loss,
            "{rule:?}"
        );
    }
}

#[test]
fn numbers_out_of_range_are_named_by_their_key() {
    let key = |recipe: FedAvg| match Recipe::from(recipe).check() {
        Err(RecipeError::Parameter { name, .. }) => name,
        other => panic!("accepted: {other:?}"),
    };
    let rule = |rule| {
        key(FedAvg {
            rule,
            ..heart_recipe()
        })
    };
    let adaptive = Adaptive::default();
    assert_eq!(rule(Rule::Prox(0.0)), "mu");
    assert_eq!(rule(Rule::Prox(4.0)), "mu");
    assert_eq!(rule(Rule::Momentum(1.0)), "momentum");
    assert_eq!(
        rule(Rule::Adam(Adaptive {
            beta1: f64::NAN,
            ..adaptive
        })),
        "beta1"
    );
    assert_eq!(
        rule(Rule::Yogi(Adaptive {
            beta2: -0.1,
            ..adaptive
        })),
        "beta2"
    );
    assert_eq!(
        rule(Rule::Adagrad(Adaptive {
            tau: 0.0,
            ..adaptive
        })),
        "tau"
    );
    assert_eq!(
        key(FedAvg {
            lr_decay: 0.0,
            ..heart_recipe()
        }),
        "lr_decay"
    );
    assert_eq!(
        key(FedAvg {
            lr_step: 0,
            ..heart_recipe()
        }),
        "lr_step"
    );
    assert_eq!(
        key(FedAvg {
            clip: -1.0,
            ..heart_recipe()
        }),
        "clip"
    );
    assert_eq!(
        key(FedAvg {
            weight_cap: 1.5,
            ..heart_recipe()
        }),
        "weight_cap"
    );
    let time = |name: &str, batch| FedAvg {
        loss: Loss::Time(name.into()),
        batch,
        ..heart_recipe()
    };
    assert_eq!(key(time("days", 64)), "batch");
    assert_eq!(key(time("age", 0)), "time");
}
