//! What the sums of a run show of few patients, as the card of a study says before it starts.

use crate::common::*;
use motet_recipes::gbdt::Loss;
use motet_recipes::{Gbdt, Glm, Recipe, RecipeError};

/// The place of the one patient of all sites who has `b`.
const ALONE: u32 = 50;

/// 120 patients with a number, `b` and an outcome, which for the one with `b` is given.
fn one_with_b(outcome: f64) -> Vec<Site> {
    three_sites(120, |at| {
        let y = if at == ALONE {
            outcome
        } else {
            f64::from(u8::from(at * 7 % 11 > 6))
        };
        vec![
            f64::from(at * 37 % 101),
            f64::from(u8::from(at == ALONE)),
            y,
        ]
    })
}

#[test]
fn what_one_patient_alone_has_shows_that_patients_outcome_in_the_sums_of_a_fit() {
    let columns = || names(&["a", "b"]);
    // A ridge: `b` alone separates the outcome. It is no part of the sums.
    let plain = Glm {
        ridge: 1.0,
        ..Glm::logistic(columns(), "y".into())
    };
    for y in [0.0, 1.0] {
        let sites = one_with_b(y);
        let recipe = Recipe::from(plain.clone());
        let sums = first_sums(&recipe, &sites);
        // Rows, events, and the sums of the outcome, of `a` and of `b`.
        let (rows, events) = (sums["moments"][0], sums["moments"][1]);
        assert_eq!(
            (rows, sums["moments"][4]),
            (120.0, 1.0),
            "one patient of all has `b`"
        );
        // Of a column with one yes among n rows 1 / n is the mean, and the variance.
        let (mean, sd) = (1.0 / rows, (1.0 / rows).sqrt());
        // The log-likelihood, then the sums of y - p, of a (y - p) and of b (y - p); p is at
        // first the same for all.
        let gradient = &sums["newton"][1..4];
        let p = (events - gradient[0]) / rows;
        let shown = sd * gradient[2] + mean * gradient[0] + p;
        assert!((shown - y).abs() < 1e-9, "{shown} instead of {y}");
        // And that is all of it: a fit that one patient decides has no result.
        assert_eq!(run(&recipe, &sites), Err(RecipeError::OnePatient));
    }
}

#[test]
fn a_patient_alone_in_a_bin_shows_the_outcome_in_the_first_sum_of_a_tree() {
    for y in [0.0, 1.0] {
        // Six patients of each age from 40 to 59, and one of 97.
        let sites = three_sites(121, |at| match at {
            120 => vec![97.0, y],
            _ => vec![
                f64::from(40 + at % 20),
                f64::from(u8::from(at * 7 % 11 > 6)),
            ],
        });
        let first = |bins: u32| {
            let recipe = Gbdt::new(names(&["age"]), "y".into(), Loss::Logistic);
            first_sums(
                &Recipe::from(Gbdt {
                    bins,
                    trees: 1,
                    validation: 0.0,
                    ..recipe
                }),
                &sites,
            )
        };
        let sums = first(30);
        // Rows, g and h of each bin, and two losses.
        let (rows, rest) = sums["grow"].split_at((sums["grow"].len() - 2) / 3);
        let alone: Vec<usize> = (0..rows.len()).filter(|at| rows[*at] == 1.0).collect();
        assert_eq!(alone, [rows.len() - 1], "the highest bin: {rows:?}");
        // The first tree starts from one risk for all: rows with the outcome by rows, which the
        // first sum tells.
        let p = sums["cells"][2] / sums["cells"][0];
        let shown = p - rest[alone[0]];
        assert!((shown - y).abs() < 1e-5, "{shown} instead of {y}");

        let sums = first(2);
        let rows = &sums["grow"][..(sums["grow"].len() - 2) / 3];
        assert!(rows.iter().all(|rows| *rows != 1.0), "{rows:?}");
    }
}
