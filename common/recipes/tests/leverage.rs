//! Fits in which one patient or one site alone has a direction of the coefficients end without a
//! result, whatever that patient's outcome is; those beside them are as before.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

#[path = "common/columns.rs"]
mod columns;
mod common;

use columns::{Columns, round, run};
use common::{Site, assert_close, names};
use motet_recipes::ordinal::Ordinal;
use motet_recipes::{
    Design, Errors, Family, Formula, Glm, Outcome, Recipe, RecipeError, WeightKind,
};
use motet_secagg::digest::Digest;

const FAMILIES: [Family; 6] = [
    Family::Linear,
    Family::Poisson,
    Family::Gamma,
    Family::Logistic,
    Family::Quasipoisson,
    Family::Quasibinomial,
];

/// A number from 0 to 1 that looks like chance.
fn chance(at: u32) -> f64 {
    let mixed = at.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
    f64::from(mixed ^ (mixed >> 13)) / f64::from(u32::MAX)
}

/// An outcome of the family where the mean rises with `x`.
fn outcome(family: Family, x: f64, at: u32) -> f64 {
    let yes = f64::from(u8::from(chance(at) < 0.2 + 0.15 * x));
    match family {
        Family::Logistic | Family::Quasibinomial => yes,
        Family::Poisson | Family::Quasipoisson => yes + (2.0 * chance(at + 7_000)).floor(),
        Family::Gamma => 0.5 + 0.2 * x + chance(at),
        Family::Linear => 0.3 * x + chance(at),
    }
}

fn over(text: &str, family: Family) -> Glm {
    let formula = Formula::parse(text).unwrap();
    let design = formula
        .design(|feature| Some(vec![feature.to_owned()]))
        .unwrap();
    Glm::new(design, formula.outcome.unwrap(), family)
}

/// Births of 420 women, 0 to 3, dealt to three sites in turn, and of so many more, 9 each, all at
/// the first site, where `far` is the outcome.
fn births(family: Family, far: &[f64]) -> Vec<Columns> {
    let site = |first: u32| {
        let rows = (first..420).step_by(3).map(|at| {
            let x = (4.0 * chance(at + 1_000)).floor();
            [x, outcome(family, x, at), 1.0, 0.0]
        });
        let more = far.iter().filter(|_| first == 0);
        let more = more.map(|y| [9.0, *y, 1.0, 0.0]);
        let rows: Vec<[f64; 4]> = rows.chain(more).collect();
        Columns::lines(&["x", "y", "weight", "offset"], &rows)
    };
    (0..3).map(site).collect()
}

fn cubed(family: Family) -> Glm {
    over("y ~ x + I(x^2) + I(x^3)", family)
}

#[test]
fn one_patient_far_out_ends_a_fit_with_powers_whatever_the_outcome() {
    for family in FAMILIES {
        for errors in [Errors::Model, Errors::Hc1] {
            let recipe = Glm {
                errors,
                ..cubed(family)
            };
            let least = if family == Family::Gamma { 1e-3 } else { 0.0 };
            for far in [least, 1.0] {
                let ended = run(&recipe, &births(family, &[far]));
                assert_eq!(ended, Err(RecipeError::OnePatient), "{family:?} {far}");
                // Two decide together what one does.
                let ended = run(&recipe, &births(family, &[far, far]));
                assert_eq!(ended, Err(RecipeError::OnePatient), "{family:?} {far}");
            }
            // Without that patient, and in a straight line with her, it is the fit of one table,
            // which is held to nothing.
            let straight = over("y ~ x", family);
            for (recipe, far) in [(&recipe, &[][..]), (&straight, &[1.0])] {
                let sites = births(family, far);
                let fit = run(recipe, &sites).unwrap();
                let table = run(recipe, &[Columns::joined(&sites)]).unwrap();
                assert!(fit.converged && fit.sites == 3 && table.sites == 1);
                for (got, want) in fit.coefficients.iter().zip(&table.coefficients) {
                    assert_close(got.estimate, want.estimate, &got.name);
                    let [got, want] = [got, want].map(|of| of.uncertainty.as_ref().unwrap().se);
                    assert_close(got, want, "error");
                }
            }
        }
    }
}

#[test]
fn a_site_fits_its_own_rows_whoever_decides() {
    let sites = births(Family::Logistic, &[1.0]);
    let fit = run(&over("y ~ x + I(x^2)", Family::Logistic), &sites[..1]);
    assert_eq!(fit.unwrap().sites, 1);
    let fit = run(&cubed(Family::Linear), &sites[..1]);
    assert_eq!(fit.unwrap().sites, 1);
}

#[test]
fn no_penalty_hides_a_patient_and_none_says_the_outcome_of_one() {
    for (ridge, lasso) in [
        (1e-3, 0.0),
        (1.0, 0.0),
        (100.0, 0.0),
        (1e4, 0.0),
        (0.0, 10.0),
        (0.0, 100.0),
        (2.0, 5.0),
    ] {
        let recipe = Glm {
            ridge,
            lasso,
            ..cubed(Family::Logistic)
        };
        for far in [0.0, 1.0] {
            let ended = run(&recipe, &births(Family::Logistic, &[far]));
            assert_eq!(ended, Err(RecipeError::OnePatient), "{ridge} {lasso} {far}");
        }
        assert!(run(&recipe, &births(Family::Logistic, &[])).is_ok());
    }
    // A column that says nothing new, which only a penalty makes fittable, is nobody's.
    let twice = over("y ~ x + z", Family::Logistic);
    let sites = births(Family::Logistic, &[]);
    let sites: Vec<Columns> = sites
        .into_iter()
        .map(|site| site.with("z", &["x"], |row| row[0]))
        .collect();
    let ridge = Glm {
        ridge: 1.0,
        ..twice.clone()
    };
    assert!(run(&ridge, &sites).is_ok());
    let lasso = Glm {
        lasso: 1.0,
        ..twice.clone()
    };
    assert!(run(&lasso, &sites).is_ok());
    let named = RecipeError::Collinear { column: "z".into() };
    assert_eq!(run(&twice, &sites), Err(named));
}

#[test]
fn a_row_that_counts_for_many_is_one_row() {
    let weighed = |weight: WeightKind, far: &[f64]| {
        let recipe = Glm {
            weight: Some(weight),
            ..cubed(Family::Linear)
        };
        let mut sites = births(Family::Linear, &[]);
        // Each far row at another site.
        for (site, weight) in sites.iter_mut().zip(far) {
            let row = [("x", 9.0), ("y", 2.0), ("weight", *weight), ("offset", 0.0)];
            for (name, value) in row {
                site.0.get_mut(name).unwrap().push(value);
            }
        }
        run(&recipe, &sites)
    };
    let patient = Err(RecipeError::OnePatient);
    for weight in [1.0, 2.0, 62.0] {
        assert_eq!(weighed(WeightKind::Frequency, &[weight]), patient);
        assert_eq!(weighed(WeightKind::Precision, &[weight]), patient);
    }
    assert!(weighed(WeightKind::Frequency, &[5.0, 5.0, 5.0]).is_ok());
    assert!(weighed(WeightKind::Frequency, &[0.0]).is_ok());
    assert!(weighed(WeightKind::Precision, &[1.0, 1.0, 1.0]).is_ok());
    // One of three counts for most of what is told, though not for half of the sum.
    assert_eq!(weighed(WeightKind::Precision, &[1.5, 1.0, 1.0]), patient);
}

/// Two yes/no columns that differ in so many patients of each site.
fn nested(differ: [u32; 3]) -> Vec<Columns> {
    let site = |(site, differ): (u32, u32)| {
        let row = |at: u32| {
            let at = 1_000 * site + at;
            let a = f64::from(at % 2);
            let b = if at % 1_000 < 2 * differ { 0.0 } else { a };
            [a, b, f64::from(u8::from(chance(at) < 0.3 + 0.2 * a))]
        };
        let rows: Vec<[f64; 3]> = (0..200).map(row).collect();
        Columns::lines(&["a", "b", "y"], &rows)
    };
    (0..3).zip(differ).map(site).collect()
}

#[test]
fn one_hospital_between_two_columns_ends_a_fit() {
    for family in [Family::Logistic, Family::Linear, Family::Poisson] {
        for ridge in [0.0, 1.0] {
            let recipe = Glm {
                ridge,
                ..over("y ~ a + b", family)
            };
            for alone in [[40, 0, 0], [0, 40, 1], [1, 60, 0]] {
                let ended = run(&recipe, &nested(alone));
                assert_eq!(ended, Err(RecipeError::OneSite), "{family:?} {alone:?}");
            }
            let fit = run(&recipe, &nested([40, 10, 5])).unwrap();
            let table = run(&recipe, &[Columns::joined(&nested([40, 10, 5]))]).unwrap();
            for (got, want) in fit.coefficients.iter().zip(&table.coefficients) {
                assert_close(got.estimate, want.estimate, &got.name);
            }
            assert_eq!(
                run(&recipe, &nested([1, 0, 0])),
                Err(RecipeError::OnePatient)
            );
        }
    }
}

/// A treatment that every twentieth of 1,200 patients has not, all of whom would take the same dose,
/// small beside the others', but for these of the first site.
fn untreated(doses: &[f64]) -> Vec<Columns> {
    let site = |first: u32| {
        let rows = (first..1_200).step_by(3).map(|at| {
            let dose = 20.0 + 80.0 * chance(at);
            let yes = f64::from(u8::from(chance(at + 5_000) < 0.4));
            if at % 20 == 0 {
                [0.0, 20.0, yes]
            } else {
                [1.0, dose, yes]
            }
        });
        let others = doses.iter().filter(|_| first == 0);
        let rows: Vec<[f64; 3]> = others.map(|dose| [0.0, *dose, 1.0]).chain(rows).collect();
        Columns::lines(&["treated", "dose", "y"], &rows)
    };
    (0..3).map(site).collect()
}

#[test]
fn a_direction_as_thin_as_rounding_hides_nobody() {
    let of_one_site: Vec<f64> = (0..25).map(|at| 20.0 + 0.4 * f64::from(at)).collect();
    for power in 2..=9 {
        let text = format!("y ~ treated + I(dose^{power}) + I(dose^{power}):treated");
        for ridge in [0.0, 1e-12, 1e-9, 1e-7, 1e-3] {
            let recipe = Glm {
                ridge,
                ..over(&text, Family::Linear)
            };
            for dose in [25.0, 36.0] {
                let ended = run(&recipe, &untreated(&[dose])).unwrap_err();
                let by_name = matches!(
                    ended,
                    RecipeError::OnePatient | RecipeError::Collinear { .. }
                );
                assert!(by_name, "{text} {ridge} {dose}: {ended}");
            }
            let ended = run(&recipe, &untreated(&of_one_site)).unwrap_err();
            let by_name = matches!(
                ended,
                RecipeError::OneSite | RecipeError::OnePatient | RecipeError::Collinear { .. }
            );
            assert!(by_name, "{text} {ridge}: {ended}");
        }
    }
}

#[test]
fn a_patient_followed_far_longer_than_all_others_ends_a_fit_and_so_does_a_huge_count() {
    let family = Family::Poisson;
    let with = |offset: f64| {
        let mut sites = births(family, &[]);
        let row = [("x", 3.0), ("y", 3.0), ("weight", 1.0), ("offset", offset)];
        for (name, value) in row {
            sites[0].0.get_mut(name).unwrap().push(value);
        }
        let recipe = Glm {
            offset: true,
            ..over("y ~ x", family)
        };
        run(&recipe, &sites)
    };
    assert_eq!(with(10_000_f64.ln()), Err(RecipeError::OnePatient));
    assert!(with(2_f64.ln()).is_ok());
    // Among the columns this one has a tenth.
    let ended = run(&over("y ~ x", family), &births(family, &[1e5]));
    assert_eq!(ended, Err(RecipeError::OnePatient));
}

#[test]
fn it_is_asked_of_the_columns_before_anything_is_told_of_the_outcome() {
    let recipe = cubed(Family::Linear);
    let whole = Recipe::from(recipe.clone());
    let mut state = whole.start(Digest::default());
    let sites = births(Family::Linear, &[5.0]);
    let mut steps = 0;
    while !state.stuck() {
        let phase = state.progress().phase;
        state = round(&recipe, &state, &sites).unwrap().unwrap();
        steps += u32::from(phase == "newton");
        assert_eq!(state.progress().measure, None, "a step is told");
    }
    assert_eq!(steps, 2);
    // A fit of one step is asked at its end.
    let short = Glm {
        max_rounds: 1,
        ..recipe
    };
    assert_eq!(run(&short, &sites), Err(RecipeError::OnePatient));
    assert!(run(&short, &births(Family::Linear, &[])).is_ok());
}

#[test]
fn proportional_odds_are_held_to_it_too() {
    let text = "y ~ x + I(x^2) + I(x^3)";
    let formula = Formula::parse(text).unwrap();
    let design = formula
        .design(|feature| Some(vec![feature.to_owned()]))
        .unwrap();
    let fit = |far: &[f64], max_rounds: u32| {
        let levels = names(&["low", "middle", "high"]);
        let recipe = Ordinal {
            max_rounds,
            ..Ordinal::new(design.clone(), "y".into(), levels)
        };
        let sites = births(Family::Logistic, far).into_iter().enumerate();
        let sites: Vec<Site> = sites
            .map(|(at, site)| {
                let rows = site.column("x").iter().zip(site.column("y")).enumerate();
                let rows = rows.map(|(row, (x, y))| {
                    let up = chance((997 * at + row) as u32) < 0.4 && *x < 9.0;
                    vec![*x, y + f64::from(u8::from(up))]
                });
                Site::new(&format!("site {at}"), &rows.collect::<Vec<_>>())
            })
            .collect();
        common::run(&Recipe::from(recipe), &sites)
    };
    for far in [0.0, 1.0, 2.0] {
        for rounds in [30, 1] {
            assert_eq!(fit(&[far], rounds), Err(RecipeError::OnePatient), "{far}");
        }
    }
    assert!(matches!(fit(&[], 30), Ok(Outcome::Ordinal(fit)) if fit.converged));
    let design = Design::plain(names(&["a", "b"]));
    let nested = |differ: [u32; 3]| {
        let levels = names(&["low", "middle", "high"]);
        let recipe = Ordinal::new(design.clone(), "y".into(), levels);
        let sites = nested(differ).into_iter().enumerate();
        let sites: Vec<Site> = sites
            .map(|(at, site)| {
                let row = |row: usize| {
                    let up = chance((997 * at + row) as u32) < 0.4;
                    let [a, b, y] = ["a", "b", "y"].map(|name| site.column(name)[row]);
                    vec![a, b, y + f64::from(u8::from(up))]
                };
                let rows: Vec<Vec<f64>> = (0..site.len()).map(row).collect();
                Site::new(&format!("site {at}"), &rows)
            })
            .collect();
        common::run(&Recipe::from(recipe), &sites)
    };
    assert_eq!(nested([40, 1, 0]), Err(RecipeError::OneSite));
    assert!(nested([40, 10, 5]).is_ok());
}
