//! The folder of a proportional odds regression.

use crate::context::Context;
use crate::{build, sample};
use motet_recipes::ordinal::{Ordinal, OrdinalOutcome};
use motet_recipes::{Design, Outcome, Recipe, Rows};
use ndarray::{Array1, Array2};
use rand_core::SeedableRng as _;
use serde_json::Value;

const LEVELS: [&str; 4] = ["dead", "dependent", "not recovered", "recovered"];

fn context() -> Context {
    Context {
        outcome: "occode".to_owned(),
        features: vec!["age".to_owned(), "aspirin".to_owned()],
        smallest_cell: 5,
        ..sample::context()
    }
}

/// A fit of 240 made-up rows to that many levels.
fn fit(levels: usize) -> OrdinalOutcome {
    let x = Array2::from_shape_fn((240, 2), |(row, column)| match column {
        0 => 50.0 + (row * 37 % 41) as f64,
        _ => (row % 2) as f64,
    });
    let y: Array1<f64> = (0..240)
        .map(|row| ((row * 7 % 11 + row * 37 % 41 / 9) % levels) as f64)
        .collect();
    let recipe = Ordinal::new(
        Design::plain(vec!["age".to_owned(), "aspirin".to_owned()]),
        "occode".to_owned(),
        LEVELS[..levels]
            .iter()
            .map(|&level| level.to_owned())
            .collect(),
    );
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let rows = Rows::new(x.view()).outcome(y.view());
    match Recipe::from(recipe).alone(&rows, &mut rng) {
        Ok(Outcome::Ordinal(fit)) => OrdinalOutcome { sites: 10, ..fit },
        other => panic!("{other:?}"),
    }
}

fn files(fit: &OrdinalOutcome) -> Vec<(String, Vec<u8>)> {
    build(&Outcome::Ordinal(fit.clone()), &context()).unwrap()
}

fn text(fit: &OrdinalOutcome, name: &str) -> String {
    let files = files(fit);
    let (_, bytes) = files.iter().find(|(own, _)| own == name).unwrap();
    String::from_utf8(bytes.clone()).unwrap()
}

#[test]
fn a_proportional_odds_folder_has_every_number_of_the_fit() {
    let fit = fit(4);
    let names: Vec<String> = files(&fit).into_iter().map(|(name, _)| name).collect();
    let pictures = ["forest.svg", "convergence.svg"];
    assert_eq!(names[..3], ["model.safetensors", "report.json", "card.md"]);
    assert_eq!(names[3..], pictures);
    assert_eq!(files(&fit), files(&fit));
    let report: Value = serde_json::from_str(&text(&fit, "report.json")).unwrap();
    let age = &report["coefficients"][0];
    assert_eq!(age["name"], "age");
    assert_eq!(age["se"].as_f64(), Some(fit.coefficients[0].se));
    let ratio = libm::exp(fit.coefficients[0].estimate);
    assert_eq!(age["ratio"].as_f64(), Some(ratio));
    assert_eq!(report["thresholds"][2]["name"], "not recovered|recovered");
    let levels = report["levels"].as_array().unwrap();
    let rows: u64 = levels.iter().map(|of| of["rows"].as_u64().unwrap()).sum();
    assert_eq!((levels.len(), rows), (4, 240));
    let test = &report["proportional_odds"];
    assert_eq!(test["global"]["df"], 4);
    assert_eq!(test["columns"][1]["df"], 2);
    assert_eq!(report["likelihood_ratio"]["df"], 2);
    let card = text(&fit, "card.md");
    for words in [
        "the lowest first: `dead`, `dependent`, `not recovered`, `recovered`",
        "| `dependent` to `not recovered` |",
        "All together: chi-square",
    ] {
        assert!(card.contains(words), "{words}: {card}");
    }
}

#[test]
fn two_levels_have_no_test_of_proportionality() {
    let fit = fit(2);
    let report: Value = serde_json::from_str(&text(&fit, "report.json")).unwrap();
    assert!(report["proportional_odds"].is_null());
    assert!(text(&fit, "card.md").contains("one way to divide them"));
}

#[test]
fn few_patients_at_a_level_follow_from_no_figure_of_a_folder() {
    let with = |few: u64| {
        let mut found = fit(4);
        let rows = [few, 100, 96 - few, 44];
        for (level, rows) in found.levels.iter_mut().zip(rows) {
            level.rows = Some(rows);
        }
        // What is a function of these counts moves with them.
        let shares = rows.iter().map(|rows| {
            let rows = *rows as f64;
            rows * libm::log(rows / 240.0)
        });
        found.null_loglik = shares.sum();
        found.history[0].loglik = found.null_loglik;
        let test = found.likelihood_ratio.as_mut().unwrap();
        test.statistic = 2.0 * (found.loglik - found.null_loglik);
        files(&found)
    };
    for few in 1..4 {
        assert!(with(few) == with(4), "{few} patients are told");
    }
    assert!(with(5) != with(6), "enough are told");
    let card = String::from_utf8(with(3)[2].1.clone()).unwrap();
    assert!(
        card.contains("is withheld: a level has fewer than 5"),
        "{card}"
    );
}
