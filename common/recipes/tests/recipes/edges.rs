//! Numbers at their edges, against one table: units small and large, columns almost alike, outcomes
//! of yes and no. `reference/edges.py` makes the figures from `data/edges/`, with fifty digits.

use crate::columns::{Columns, run};
use crate::common::{Site, names, reference};
use motet_recipes::cox::{Clock, Cox, Strata};
use motet_recipes::glm::GlmOutcome;
use motet_recipes::summary::{Details, Scale};
use motet_recipes::{Design, Errors, Family, Glm, Grid, Outcome, Recipe, Summary, Times};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The sites of a table of `data/edges`.
fn sites(name: &str) -> Vec<Columns> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/edges/{name}.csv"));
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let mut tables: BTreeMap<String, Columns> = BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        let table = tables.entry(record[0].to_owned()).or_default();
        for (name, field) in header.iter().zip(&record).skip(1) {
            // Levels `x` and `y` are 0 and 1.
            let value = field.parse().unwrap_or(f64::from(u8::from(field == "y")));
            table.0.entry(name.clone()).or_default().push(value);
        }
    }
    tables.into_values().collect()
}

/// The same rows at that many sites, dealt out in turn.
fn dealt(sites: &[Columns], count: usize) -> Vec<Columns> {
    let all = Columns::joined(sites);
    (0..count)
        .map(|site| all.pick(&(site..all.len()).step_by(count).collect::<Vec<_>>()))
        .collect()
}

fn glm(columns: &[&str], outcome: &str, family: Family) -> Glm {
    Glm::new(Design::plain(names(columns)), outcome.into(), family)
}

/// Largest difference from the reference: of estimates in standard errors, of errors in parts of
/// themselves.
fn apart(fit: &GlmOutcome, want: &Value) -> (f64, f64) {
    let mut most = (0.0_f64, 0.0_f64);
    for got in &fit.coefficients {
        let figure = |key: &str| want[&got.name][key].as_f64().unwrap();
        let se = got.uncertainty.as_ref().unwrap().se;
        most.0 = most
            .0
            .max((got.estimate - figure("estimate")).abs() / figure("se"));
        most.1 = most.1.max((se / figure("se") - 1.0).abs());
    }
    most
}

#[test]
fn columns_almost_alike_have_the_errors_of_one_table_at_any_number_of_sites() {
    let want = reference("edges");
    for (name, second, outcome, family) in [
        ("near_linear_40", "b40", "lin", Family::Linear),
        ("near_linear_30", "b30", "lin", Family::Linear),
        ("near_logistic_40", "b40", "y", Family::Logistic),
        ("near_duplicates", "z", "y", Family::Linear),
    ] {
        let first = if name == "near_duplicates" { "x" } else { "a" };
        let sites = sites(name);
        for count in [2, 3, 4, 5, 9] {
            let fit = run(
                &glm(&[first, second], outcome, family),
                &dealt(&sites, count),
            )
            .unwrap();
            assert!(
                fit.converged && fit.history.len() <= 8,
                "{name} {count}: {:?}",
                fit.history
            );
            let (estimate, se) = apart(&fit, &want[name]);
            assert!(
                estimate < 1e-8 && se < 1e-8,
                "{name} {count}: {estimate} {se}"
            );
            // With a ridge nothing is turned, and a fit ends by what is still to be gained.
            let ridge = Glm {
                ridge: 1e-6,
                ..glm(&[first, second], outcome, family)
            };
            let fit = run(&ridge, &dealt(&sites, count)).unwrap();
            assert!(
                fit.converged && fit.history.len() <= 10,
                "{name} {count}: {:?}",
                fit.history
            );
        }
    }
}

#[test]
fn a_ridge_and_a_slope_do_not_depend_on_the_units_they_come_in() {
    let want = reference("edges");
    let ridge = Glm {
        ridge: 20.0,
        ..glm(&["a"], "y", Family::Logistic)
    };
    let fit = run(&ridge, &sites("ridge_small")).unwrap();
    let (estimate, se) = apart(&fit, &want["ridge_small"]);
    assert!(
        fit.converged && estimate < 1e-8 && se < 1e-8,
        "{estimate} {se}"
    );
    let fit = run(
        &glm(&["rbc_per_litre"], "y", Family::Logistic),
        &sites("red_cells"),
    )
    .unwrap();
    let (estimate, se) = apart(&fit, &want["red_cells"]);
    assert!(
        fit.converged && estimate < 1e-8 && se < 1e-8,
        "{estimate} {se}"
    );
    // The same columns in other units: every penalty binds the standardised ones.
    for power in [-15, -9, -3, 4, 9] {
        let unit = 10.0_f64.powi(power);
        let scaled: Vec<Columns> = sites("ridge_small")
            .into_iter()
            .map(|site| site.with("a", &["a"], |row| row[0] * 1e5 * unit))
            .collect();
        for recipe in [
            ridge.clone(),
            Glm {
                ridge: 0.0,
                lasso: 5.0,
                ..ridge.clone()
            },
        ] {
            let fit = run(&recipe, &scaled).unwrap();
            let first = run(&recipe, &sites("ridge_small")).unwrap();
            let ratio = fit.coefficients[1].estimate * unit * 1e5 / first.coefficients[1].estimate;
            assert!((ratio - 1.0).abs() < 1e-9, "1e{power}: {ratio}");
        }
    }
}

#[test]
fn quasi_families_and_gamma_do_not_depend_on_the_unit_of_the_outcome() {
    let want = reference("edges");
    let made = |unit: f64| -> Vec<Columns> {
        sites("quasi_small")
            .into_iter()
            .map(|site| site.with("y8", &["y8"], |row| row[0] * unit))
            .collect()
    };
    let fit = run(&glm(&["a"], "y8", Family::Quasipoisson), &made(1.0)).unwrap();
    let (estimate, se) = apart(&fit, &want["quasi_small"]);
    assert!(
        fit.converged && fit.history.len() <= 8 && estimate < 1e-8 && se < 1e-8,
        "{estimate} {se}"
    );
    for family in [Family::Quasipoisson, Family::Gamma] {
        let first = run(&glm(&["a"], "y8", family), &made(1e8)).unwrap();
        for unit in [1e-2, 1.0, 1e4, 1e16, 1e20] {
            let fit = run(&glm(&["a"], "y8", family), &made(unit)).unwrap();
            let [a, b] = [&fit, &first].map(|fit| &fit.coefficients[1]);
            let [sa, sb] = [a, b].map(|a| a.uncertainty.as_ref().unwrap().se);
            assert!(
                fit.converged && (a.estimate - b.estimate).abs() < 1e-9 * sb,
                "{} {unit}",
                family.name()
            );
            assert!((sa / sb - 1.0).abs() < 1e-9);
            let power = if family == Family::Quasipoisson {
                unit / 1e8
            } else {
                1.0
            };
            for (got, want) in [
                (fit.dispersion, first.dispersion * power),
                (fit.deviance, first.deviance * power),
                (fit.null_deviance, first.null_deviance * power),
                (fit.mean, first.mean * unit / 1e8),
            ] {
                assert!(
                    (got / want - 1.0).abs() < 1e-9,
                    "{} {unit}: {got} {want}",
                    family.name()
                );
            }
        }
    }
}

#[test]
fn a_summary_is_right_in_every_unit_with_its_groups_and_its_test() {
    let want = reference("edges");
    let columns = ["estradiol_mol_l", "cortisol_mol_l", "creatinine_mol_l"];
    for power in [-10, -4, 0, 9, 25] {
        let unit = 10.0_f64.powi(power);
        let details = Details {
            levels: names(&["x", "y"]),
            ..Details::new(vec![Scale::default(); columns.len()])
        };
        let recipe = Recipe::from(Summary {
            columns: names(&columns),
            details: Some(details),
        });
        let tables: Vec<Site> = sites("hormones")
            .iter()
            .map(|site| {
                let row = |at: usize| -> Vec<f64> {
                    columns
                        .iter()
                        .map(|name| site.column(name)[at] * unit)
                        .chain([0.0])
                        .collect()
                };
                let rows: Vec<Vec<f64>> = (0..site.len()).map(row).collect();
                Site {
                    group: Some(site.column("arm").to_vec().into()),
                    ..Site::new("s", &rows)
                }
            })
            .collect();
        let Ok(Outcome::Summary(outcome)) = crate::common::run(&recipe, &tables) else {
            panic!("no summary")
        };
        let table = outcome.details.as_ref().unwrap().table.as_ref().unwrap();
        for (variable, line) in outcome.variables.iter().zip(&table.lines) {
            let figure = |key: &str| want["hormones"][&variable.name][key].as_f64().unwrap();
            let test = line.test.as_ref().unwrap();
            for (got, want) in [
                (variable.mean, figure("mean") * unit),
                (variable.variance, figure("variance") * unit * unit),
                (test.statistic, figure("f")),
                (test.p, figure("p")),
            ] {
                assert!(
                    (got / want - 1.0).abs() < 1e-9,
                    "{} 1e{power}: {got} {want}",
                    variable.name
                );
            }
        }
        assert!(outcome.rounds <= 3);
    }
}

#[test]
fn values_that_do_not_differ_have_no_variance_and_sums_beyond_all_name_their_column() {
    let rows = |value: f64| -> Vec<Vec<f64>> { (0..20).map(|_| vec![value, 0.0, 0.0]).collect() };
    let recipe = Recipe::from(Summary::new(names(&["same", "none"])));
    let Ok(Outcome::Summary(outcome)) = crate::common::run(
        &recipe,
        &[Site::new("a", &rows(0.1)), Site::new("b", &rows(0.1))],
    ) else {
        panic!("no summary")
    };
    for (variable, mean) in outcome.variables.iter().zip([0.1, 0.0]) {
        assert!(
            (variable.mean - mean).abs() < 1e-16 && variable.variance < 1e-30,
            "{variable:?}"
        );
    }
    let vast = Columns::lines(
        &["cells", "y"],
        &[[3e25, 0.0], [6e25, 1.0], [-1e12, 0.0], [5e25, 1.0]],
    );
    let refused = run(&glm(&["cells"], "y", Family::Logistic), &[vast])
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("column `cells`") && refused.contains("larger unit"),
        "{refused}"
    );
}

#[test]
fn risks_of_yes_and_no_are_fitted_by_linear_poisson_and_quasi_models() {
    let want = reference("edges");
    for (family, errors, key) in [
        (Family::Poisson, Errors::Hc0, "yes_no_poisson"),
        (Family::Quasipoisson, Errors::Hc0, "yes_no_poisson"),
        (Family::Linear, Errors::Hc0, "yes_no_linear"),
    ] {
        let fit = run(
            &Glm {
                errors,
                ..glm(&["a"], "y", family)
            },
            &sites("yes_no"),
        )
        .unwrap();
        let (estimate, se) = apart(&fit, &want[key]);
        assert!(
            fit.converged && estimate < 1e-8 && se < 1e-8,
            "{key}: {estimate} {se}"
        );
    }
}

#[test]
fn an_offset_in_days_where_its_logarithm_is_meant_is_refused_by_the_sum() {
    let sites = [
        [
            [0.2, 30.0, 2.0],
            [-1.1, 45.0, 1.0],
            [0.7, 60.0, 4.0],
            [1.5, 90.0, 11.0],
        ],
        [
            [-0.3, 120.0, 6.0],
            [0.9, 150.0, 14.0],
            [-0.8, 35.0, 1.0],
            [0.1, 50.0, 3.0],
        ],
        [
            [1.2, 75.0, 9.0],
            [-1.4, 100.0, 4.0],
            [0.4, 130.0, 10.0],
            [-0.6, 160.0, 6.0],
        ],
    ];
    let sites: Vec<Columns> = sites
        .iter()
        .map(|rows| Columns::lines(&["x", "offset", "cnt"], rows))
        .collect();
    for family in [Family::Poisson, Family::Gamma, Family::Quasipoisson] {
        let days = Glm {
            offset: true,
            ..glm(&["x"], "cnt", family)
        };
        let refused = run(&days, &sites).unwrap_err().to_string();
        assert!(
            refused.contains("offset") && refused.contains("log(days)"),
            "{refused}"
        );
        // Within the range of a predictor, and of no use to the columns beside it.
        let halves: Vec<Columns> = sites
            .iter()
            .map(|site| {
                site.clone().with("offset", &["offset"], |row| {
                    if row[0] > 70.0 { 66.0 } else { 0.0 }
                })
            })
            .collect();
        assert!(
            run(&days, &halves)
                .unwrap_err()
                .to_string()
                .contains("offset"),
            "{family:?}"
        );
        let logs: Vec<Columns> = sites
            .iter()
            .map(|site| site.clone().with("offset", &["offset"], |row| row[0].ln()))
            .collect();
        assert!(run(&days, &logs).unwrap().converged);
    }
}

#[test]
fn one_patient_far_out_who_outlives_all_or_dies_first_leaves_a_cox_fit_finite() {
    let want = &reference("edges")["cox_outlier"]["x"];
    let figure = |key: &str| want[key].as_f64().unwrap();
    for (sign, strata) in [
        (1.0, Strata::None),
        (-1.0, Strata::None),
        (1.0, Strata::Site),
    ] {
        let tables: Vec<Site> = sites("cox_outlier")
            .iter()
            .map(|site| {
                let row = |at: usize| vec![sign * site.column("x")[at], site.column("ev")[at]];
                let rows: Vec<Vec<f64>> = (0..site.len()).map(row).collect();
                Site {
                    time: Some(site.column("time").to_vec().into()),
                    ..Site::new("s", &rows)
                }
            })
            .collect();
        let grid = Grid {
            step: 1.0,
            horizon: 4000.0,
            times: Times::Exact,
        };
        let cox = Cox::new(names(&["x"]), "time".into(), "ev".into(), grid);
        let clock = if strata == Strata::None {
            Clock::Km
        } else {
            Clock::Off
        };
        let outcome = crate::common::run(
            &Recipe::from(Cox {
                strata: strata.clone(),
                clock,
                ..cox
            }),
            &tables,
        );
        let Ok(Outcome::Cox(fit)) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(fit.converged && fit.history.len() < 20, "{:?}", fit.history);
        if strata == Strata::None {
            let [x] = fit.coefficients.as_slice() else {
                panic!("one column")
            };
            assert!(
                (sign * x.estimate - figure("estimate")).abs() < 1e-8 * figure("se"),
                "{}",
                x.estimate
            );
            assert!((x.se / figure("se") - 1.0).abs() < 1e-8, "{}", x.se);
        }
    }
}

#[test]
fn a_cox_column_that_is_almost_another_is_named_at_any_number_of_sites() {
    let mut table = Columns::joined(&sites("cox_outlier"));
    table = table.with("near", &["x", "time"], |row| {
        row[0] + 1e-4 * (row[1] * 7.0 % 11.0)
    });
    for count in [1, 2, 3, 5, 8] {
        let site = |columns: Columns| {
            let row = |at: usize| {
                vec![
                    columns.column("x")[at],
                    columns.column("near")[at],
                    columns.column("ev")[at],
                ]
            };
            let rows: Vec<Vec<f64>> = (0..columns.len()).map(row).collect();
            Site {
                time: Some(columns.column("time").to_vec().into()),
                ..Site::new("s", &rows)
            }
        };
        let tables: Vec<Site> = dealt(std::slice::from_ref(&table), count)
            .into_iter()
            .map(site)
            .collect();
        let grid = Grid {
            step: 1.0,
            horizon: 4000.0,
            times: Times::Exact,
        };
        let cox = Cox::new(names(&["x", "near"]), "time".into(), "ev".into(), grid);
        let refused = crate::common::run(&Recipe::from(cox), &tables)
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("column `near` is a linear combination"),
            "{count}: {refused}"
        );
    }
}

#[test]
fn a_spread_below_all_digits_is_said_to_be_unknown_and_not_zero() {
    let rows = |from: u32| -> Vec<Vec<f64>> {
        (from..from + 20)
            .map(|at| vec![1e-24 * f64::from(at * 7 % 11), 0.0])
            .collect()
    };
    let recipe = Recipe::from(Summary::new(names(&["x"])));
    let Ok(Outcome::Summary(outcome)) = crate::common::run(
        &recipe,
        &[Site::new("a", &rows(0)), Site::new("b", &rows(20))],
    ) else {
        panic!("no summary")
    };
    assert!(
        outcome.variables[0].variance.is_nan(),
        "{:?}",
        outcome.variables[0]
    );
}

#[test]
fn a_column_that_nearly_decides_a_rare_outcome_is_fitted_and_not_said_to_separate_it() {
    // Of each group its rows and those with the outcome: the estimates are log odds, written down.
    for groups in [
        [(990, 1), (10, 9)],
        [(9990, 1), (10, 9)],
        [(950, 1), (50, 49)],
        [(989, 988), (11, 2)],
    ] {
        let lines = |(x, (rows, events)): (usize, &(usize, usize))| {
            let line = |row: usize| [x as f64, f64::from(u8::from(row < *events))];
            (0..*rows).map(line).collect::<Vec<_>>()
        };
        let table = Columns::lines(
            &["x", "y"],
            &groups
                .iter()
                .enumerate()
                .flat_map(lines)
                .collect::<Vec<_>>(),
        );
        let fit = run(&glm(&["x"], "y", Family::Logistic), &dealt(&[table], 3)).unwrap();
        let odds = groups.map(|(rows, events)| (events as f64 / (rows - events) as f64).ln());
        let parts = groups.map(|(rows, events)| 1.0 / events as f64 + 1.0 / (rows - events) as f64);
        let [a, b] = fit.coefficients.as_slice() else {
            panic!("two coefficients")
        };
        assert!(
            fit.converged && fit.history.len() <= 20,
            "{groups:?}: {:?}",
            fit.history
        );
        assert!(
            (a.estimate - odds[0]).abs() < 1e-8 && (b.estimate - odds[1] + odds[0]).abs() < 1e-8
        );
        let se = b.uncertainty.as_ref().unwrap().se;
        assert!(
            (se / (parts[0] + parts[1]).sqrt() - 1.0).abs() < 1e-8,
            "{groups:?}: {se}"
        );
    }
}

#[test]
fn a_start_far_below_half_of_the_rows_ends_in_few_rounds() {
    let line = |row: usize| {
        let x = (row % 2) as f64;
        [x, (0.5 + (row / 2 % 2) as f64) * 1e7_f64.powf(x)]
    };
    let table = Columns::lines(&["x", "y"], &(0..100).map(line).collect::<Vec<_>>());
    let fit = run(&glm(&["x"], "y", Family::Gamma), &dealt(&[table], 3)).unwrap();
    assert!(
        fit.converged && fit.history.len() <= 22,
        "{:?}",
        fit.history
    );
    assert!((fit.coefficients[1].estimate - 1e7_f64.ln()).abs() < 1e-8);
}

#[test]
fn a_rare_column_that_nearly_decides_who_dies_is_fitted_by_cox_and_not_said_to_be_without_end() {
    // In the order of their times: 36 with the column die, then 2 without; 4 with it are the last
    // to die.
    let patients: Vec<(f64, bool)> = [
        (36, 1.0, true),
        (2, 0.0, true),
        (958, 0.0, false),
        (4, 1.0, true),
    ]
    .into_iter()
    .flat_map(|(rows, x, dies)| std::iter::repeat_n((x, dies), rows))
    .collect();
    // The score of the partial likelihood falls: its zero by halving.
    let score = |b: f64| {
        let (mut s0, mut s1, mut score) = (0.0, 0.0, 0.0);
        for (x, dies) in patients.iter().rev() {
            let r = (b * x).exp();
            (s0, s1) = (s0 + r, s1 + r * x);
            score += if *dies { x - s1 / s0 } else { 0.0 };
        }
        score
    };
    let (mut low, mut high) = (-20.0, 20.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if score(middle) > 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    let table = |site: usize| {
        let own = || patients.iter().enumerate().skip(site).step_by(3);
        let rows: Vec<Vec<f64>> = own()
            .map(|(_, (x, dies))| vec![*x, f64::from(u8::from(*dies))])
            .collect();
        let time: Vec<f64> = own().map(|(at, _)| at as f64 + 1.0).collect();
        Site {
            time: Some(time.into()),
            ..Site::new("s", &rows)
        }
    };
    let grid = Grid {
        step: 1.0,
        horizon: 4000.0,
        times: Times::Exact,
    };
    let cox = Recipe::from(Cox::new(names(&["x"]), "time".into(), "ev".into(), grid));
    let outcome = crate::common::run(&cox, &[table(0), table(1), table(2)]);
    let Ok(Outcome::Cox(fit)) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        fit.converged && fit.history.len() <= 20,
        "{:?}",
        fit.history
    );
    assert!(
        (fit.coefficients[0].estimate - low).abs() < 1e-8,
        "{} {low}",
        fit.coefficients[0].estimate
    );
}

#[test]
fn a_climb_takes_few_rounds_however_rare_the_outcome_is() {
    for rare in [2000, 200, 20] {
        let line = |at: u64| -> [f64; 2] {
            let x = (at * 7919 % 10_007) as f64 / 10_007.0 * 4.0 - 2.0;
            let odds = 1.5 * x + (f64::from(rare) / 20_000.0).ln() - 1.0;
            let drawn = (at * 104_729 % 99_991) as f64 / 99_991.0;
            [x, f64::from(u8::from(drawn < 1.0 / (1.0 + (-odds).exp())))]
        };
        let table = Columns::lines(&["x", "y"], &(0..20_000).map(line).collect::<Vec<_>>());
        let fit = run(
            &glm(&["x"], "y", Family::Logistic),
            std::slice::from_ref(&table),
        )
        .unwrap();
        assert!(
            fit.converged && fit.history.len() <= 8,
            "{rare}: {}",
            fit.history.len()
        );
        // One round tells no less than the model of the intercept alone.
        let short = Glm {
            max_rounds: 1,
            ..glm(&["x"], "y", Family::Logistic)
        };
        let short = run(&short, std::slice::from_ref(&table)).unwrap();
        assert_eq!(short.null_loglik, fit.null_loglik);
        assert!(!short.converged);
    }
    let stroke = run(
        &glm(
            &[
                "age",
                "male",
                "sbp",
                "drowsy",
                "unconscious",
                "n_deficits",
                "tacs",
                "lacs",
                "pocs",
            ],
            "dead14",
            Family::Logistic,
        ),
        &crate::columns::stroke(),
    );
    assert!(
        stroke.unwrap().history.len() <= 7,
        "ten rounds from the model of the intercept"
    );
}
