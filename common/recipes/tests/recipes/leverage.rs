//! Fits in which one patient or one site alone has a direction of the coefficients end without a
//! result, whatever that patient's outcome is; those beside them are as before.

use crate::columns::{Columns, round, run};
use crate::common::{Site, assert_close, names};
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

fn crossed(family: Family, ridge: f64) -> Glm {
    Glm {
        ridge,
        ..over("y ~ treated + I(dose^9) + I(dose^9):treated", family)
    }
}

#[test]
fn a_rest_of_one_row_or_of_one_hospital_ends_a_fit() {
    let of_one_site: Vec<f64> = (0..25).map(|at| 20.0 + 0.04 * f64::from(at)).collect();
    for ridge in [1e-6, 1e-3, 1.0] {
        for family in [Family::Linear, Family::Logistic] {
            let recipe = crossed(family, ridge);
            for dose in [20.2, 21.0, 22.0] {
                let ended = run(&recipe, &untreated(&[dose]));
                assert_eq!(ended, Err(RecipeError::OnePatient), "{ridge} {dose}");
            }
            let ended = run(&recipe, &untreated(&of_one_site));
            assert_eq!(ended, Err(RecipeError::OnePatient), "{ridge}");
            assert!(run(&recipe, &untreated(&[])).is_ok(), "{ridge}");
        }
    }
}

#[test]
fn what_rounding_leaves_is_no_rest() {
    let sites: Vec<Columns> = births(Family::Logistic, &[])
        .into_iter()
        .map(|site| {
            let level = |site: Columns, at: f64| {
                let name = format!("level{at}");
                site.with(&name, &["x"], |row| f64::from(u8::from(row[0] == at)))
            };
            let site = (0..4).map(f64::from).fold(site, level);
            site.with("pounds", &["x"], |row| 2.204_622_621_8 * row[0] + 5.0)
        })
        .collect();
    for text in [
        "y ~ level0 + level1 + level2 + level3",
        "y ~ x + pounds",
        "y ~ x + pounds + level0 + level1 + level2 + level3 + x:level1 + pounds:level1",
    ] {
        for (ridge, lasso) in [(1e-3, 0.0), (1.0, 0.0), (1.0, 2.0)] {
            let recipe = Glm {
                ridge,
                lasso,
                ..over(text, Family::Logistic)
            };
            let fit = run(&recipe, &sites).unwrap();
            let table = run(&recipe, &[Columns::joined(&sites)]).unwrap();
            for (got, want) in fit.coefficients.iter().zip(&table.coefficients) {
                assert_close(got.estimate, want.estimate, &got.name);
            }
        }
    }
}

/// Spread of values (ddof 1).
fn spread(values: &[f64]) -> f64 {
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (rows - 1.0)).sqrt()
}

#[test]
fn what_is_less_than_a_rest_is_in_no_result() {
    // Untreated patients of the first site whose dose differs so little that it is taken for
    // rounding: of the direction (20^9, 1, -1) each has `rest`, and the ridge times what the
    // coefficients have of it would be the sum of rest times residual.
    let ninth = 20_f64.powi(9);
    for ridge in [1e-6, 1e-2] {
        for (family, patients) in [
            (Family::Linear, 1),
            (Family::Linear, 25),
            (Family::Logistic, 25),
        ] {
            let plain = Columns::joined(&untreated(&vec![20.0; patients]));
            let plain = plain.with("both", &["treated", "dose"], |row| row[0] * row[1].powi(9));
            let rest = 3e-12 * spread(plain.column("both"));
            let dose = (ninth + rest).powf(1.0 / 9.0);
            let rest = dose.powi(9) - ninth;
            for yes in [0.0, 1.0] {
                let mut sites = untreated(&vec![dose; patients]);
                for y in sites[0].0.get_mut("y").unwrap().iter_mut().take(patients) {
                    *y = yes;
                }
                for errors in [Errors::Model, Errors::Hc0] {
                    let recipe = Glm {
                        errors,
                        ..crossed(family, ridge)
                    };
                    let fit = run(&recipe, &sites).unwrap();
                    let all = Columns::joined(&sites)
                        .with("power", &["dose"], |row| row[0].powi(9))
                        .with("both", &["treated", "dose"], |row| row[0] * row[1].powi(9));
                    let terms = [("treated", ninth), ("power", 1.0), ("both", -1.0)];
                    let along: f64 = terms
                        .iter()
                        .zip(&fit.coefficients[1..])
                        .map(|((name, part), found)| {
                            part * spread(all.column(name)).powi(2) * found.estimate
                        })
                        .sum();
                    let read = ridge * along / (rest * patients as f64);
                    assert!(read.abs() < 1e-3, "{family:?} {ridge} {patients}: {read}");
                }
            }
        }
    }
}

#[test]
fn small_weights_hide_no_hospital() {
    let recipe = Glm {
        weight: Some(WeightKind::Precision),
        ..over("y ~ a + b", Family::Linear)
    };
    for seed in 0..20 {
        let site = |first: u32| {
            let row = |at: u32| {
                let at = 1_000 * seed + at;
                let a = f64::from(u8::from(chance(at) < 0.5));
                let own = first == 0 && at % 1_000 < 75;
                let size = 0.7e-4 * (0.5 + chance(at + 500_000));
                let more = if chance(at + 600_000) < 0.5 {
                    size
                } else {
                    -size
                };
                let b = if own { a + more } else { a };
                [a, b, a + chance(at + 700_000), 0.001_05]
            };
            let rows: Vec<[f64; 4]> = (first..900).step_by(3).map(row).collect();
            Columns::lines(&["a", "b", "y", "weight"], &rows)
        };
        let sites: Vec<Columns> = (0..3).map(site).collect();
        let ended = run(&recipe, &sites).unwrap_err();
        let by_name = matches!(
            ended,
            RecipeError::OneSite | RecipeError::OnePatient | RecipeError::Collinear { .. }
        );
        assert!(by_name, "{seed}: {ended}");
    }
}

#[test]
fn weights_that_are_next_to_nothing_where_a_column_varies_end_a_fit() {
    // Thirty rows alone vary in a and b, which are alike but for a little in one of them.
    let recipe = Glm {
        weight: Some(WeightKind::Precision),
        ridge: 1.0,
        ..over("y ~ a + b", Family::Linear)
    };
    let ended = |light: f64| {
        let site = |first: u32| {
            let row = |at: u32| {
                let varies = at < 30;
                let a = if varies { chance(at) } else { 0.0 };
                let b = if at == 4 { a + 1e-6 } else { a };
                let weight = if varies { light } else { 1.0 };
                [a, b, chance(at + 700_000), weight]
            };
            let rows: Vec<[f64; 4]> = (first..900).step_by(3).map(row).collect();
            Columns::lines(&["a", "b", "y", "weight"], &rows)
        };
        run(&recipe, &(0..3).map(site).collect::<Vec<_>>()).unwrap_err()
    };
    for light in [1e-4, 1e-5, 1e-6, 1e-7] {
        assert_eq!(ended(light), RecipeError::Light, "{light}");
    }
    assert_eq!(ended(1.0), RecipeError::OnePatient);
}

#[test]
fn who_is_followed_for_short_is_a_patient_as_any_other() {
    // a was measured twice, b; in one patient, or at one site, they differ, and the others were
    // followed e^6 times as long.
    let recipe = |ridge: f64| Glm {
        offset: true,
        ridge,
        ..over("y ~ a + b", Family::Poisson)
    };
    let site = |first: u32, differ: u32, event: f64| {
        let row = |at: u32| {
            let a = f64::from(u8::from(chance(at) < 0.5));
            let differs = at.is_multiple_of(3) && at < 3 * differ;
            let b = if differs {
                a + 1.0
            } else {
                a + 0.02 * (chance(at + 500_000) - 0.5)
            };
            let y = if at == 0 {
                event
            } else {
                f64::from(u8::from(chance(at + 9_000) < 0.3))
            };
            [a, b, y, if differs { -6.0 } else { 0.0 }]
        };
        let rows: Vec<[f64; 4]> = (first..900).step_by(3).map(row).collect();
        Columns::lines(&["a", "b", "y", "offset"], &rows)
    };
    for ridge in [1.0, 10.0] {
        for event in [0.0, 1.0] {
            let ended = |differ: u32| {
                let sites: Vec<Columns> = (0..3).map(|first| site(first, differ, event)).collect();
                run(&recipe(ridge), &sites).unwrap_err()
            };
            assert_eq!(ended(1), RecipeError::OnePatient, "{ridge} {event}");
            assert_eq!(ended(30), RecipeError::OneSite, "{ridge} {event}");
        }
    }
}

#[test]
fn a_hospital_where_all_counts_are_high_ends_a_fit() {
    // Among the columns the others have a tenth of x; by the weights of their counts next to nothing.
    let sites = |slope: f64| -> Vec<Columns> {
        let site = |site: u32| {
            let row = |at: u32| {
                let at = 1_000 * site + at;
                let x = 2.0 * chance(at) + if site == 0 { 2.0 } else { -1.0 };
                let mean = if site == 0 {
                    1.0 + 0.8 * slope * x
                } else {
                    slope * x
                };
                [x, (mean.exp() * (0.5 + chance(at + 9_000))).round()]
            };
            let rows: Vec<[f64; 2]> = (0..300).map(row).collect();
            Columns::lines(&["x", "y"], &rows)
        };
        (0..3).map(site).collect()
    };
    let recipe = over("y ~ x", Family::Poisson);
    assert_eq!(run(&recipe, &sites(3.0)), Err(RecipeError::OneSite));
    assert!(run(&recipe, &sites(0.3)).is_ok());
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
    // Nor of the intercept alone, which stands before the columns where a logit link has an offset.
    let shifted = Glm {
        offset: true,
        ..over("y ~ x", Family::Logistic)
    };
    let mut state = Recipe::from(shifted.clone()).start(Digest::default());
    let followed: Vec<Columns> = births(Family::Logistic, &[])
        .into_iter()
        .map(|site| site.with("offset", &["x"], |row| row[0] * row[0]))
        .collect();
    let mut steps = 0;
    while let Some(next) = round(&shifted, &state, &followed) {
        state = next.unwrap();
        if state.progress().phase == "null" {
            assert_eq!(state.progress().measure, None, "a step is told");
            steps += 1;
        }
    }
    assert!(steps > 1 && !state.stuck());
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
        crate::common::run(&Recipe::from(recipe), &sites)
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
        crate::common::run(&Recipe::from(recipe), &sites)
    };
    assert_eq!(nested([40, 1, 0]), Err(RecipeError::OneSite));
    assert!(nested([40, 10, 5]).is_ok());
}

/// Patients with a number from 0 to 3 at three sites, of whom so many have an event, and one far out.
fn rare(patients: u32, every: u32, far: f64, event: f64) -> Vec<Columns> {
    let site = |first: u32| {
        let one = (first == 0).then_some([far, event]);
        let others = (first..patients).step_by(3).map(|at| {
            let x = (4.0 * chance(at + 1_000)).floor();
            [x, f64::from(u8::from(at % every == 7))]
        });
        let rows: Vec<[f64; 2]> = one.into_iter().chain(others).collect();
        Columns::lines(&["x", "y"], &rows)
    };
    (0..3).map(site).collect()
}

#[test]
fn a_rare_yes_far_out_ends_proportional_odds() {
    let ordinal = |levels: &[&str], event: f64| {
        let design = Design::plain(names(&["x"]));
        let recipe = Ordinal::new(design, "y".into(), names(levels));
        let sites = rare(20_000, 600, 60.0, event).into_iter().enumerate();
        let sites: Vec<Site> = sites
            .map(|(at, site)| {
                let rows = site.column("x").iter().zip(site.column("y")).enumerate();
                let rows = rows.map(|(row, (x, y))| {
                    // Where there are three levels the middle one has a third.
                    let up = levels.len() > 2 && (*y == 1.0 || row % 3 == 0);
                    vec![*x, y + f64::from(u8::from(up))]
                });
                Site::new(&format!("site {at}"), &rows.collect::<Vec<_>>())
            })
            .collect();
        crate::common::run(&Recipe::from(recipe), &sites)
    };
    let logistic = over("y ~ x", Family::Logistic);
    let patient = || Err(RecipeError::OnePatient);
    assert_eq!(
        run(&logistic, &rare(20_000, 600, 60.0, 1.0)).map(|_| ()),
        patient()
    );
    assert!(run(&logistic, &rare(20_000, 600, 60.0, 0.0)).is_ok());
    assert_eq!(ordinal(&["no", "yes"], 1.0).map(|_| ()), patient());
    assert!(ordinal(&["no", "yes"], 0.0).is_ok());
    assert!(ordinal(&["low", "middle", "high"], 0.0).is_ok());
    // So it is with counts: that the run ends is the outcome.
    let counts = over("y ~ x", Family::Poisson);
    let ended = run(&counts, &rare(3_000, 94, 30.0, 1.0)).map(|_| ());
    assert_eq!(ended, patient());
    assert!(run(&counts, &rare(3_000, 94, 30.0, 0.0)).is_ok());
}
