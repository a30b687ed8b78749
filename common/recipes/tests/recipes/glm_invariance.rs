//! What must not change a model: where rows lie, whether they stand twice or weigh two, and the
//! units of columns.

use crate::columns::{Columns, heart, run};
use crate::common::names;
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Design, Errors, Family, Glm, WeightKind};
use proptest::prelude::*;

const HEART: [&str; 8] = [
    "age", "sex", "trestbps", "chol", "fbs", "exang", "oldpeak", "cp_4",
];

fn glm(columns: &[&str], outcome: &str, family: Family) -> Glm {
    Glm::new(Design::plain(names(columns)), outcome.into(), family)
}

/// Largest difference of coefficients and errors, each beside its size.
fn apart(a: &GlmOutcome, b: &GlmOutcome, factor: &[f64], se: f64) -> f64 {
    let mut most = 0.0_f64;
    for ((a, b), factor) in a.coefficients.iter().zip(&b.coefficients).zip(factor) {
        most = most.max((a.estimate * factor - b.estimate).abs() / (1.0 + b.estimate.abs()));
        if let (Some(a), Some(b)) = (&a.uncertainty, &b.uncertainty) {
            most = most.max((a.se * factor * se - b.se).abs() / (1.0 + b.se));
        }
    }
    most
}

const EVERY: [(Family, &str); 5] = [
    (Family::Linear, "thalach"),
    (Family::Poisson, "thalach"),
    (Family::Gamma, "thalach"),
    (Family::Logistic, "y"),
    (Family::Quasipoisson, "thalach"),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_fit_does_not_depend_on_where_rows_lie(
        places in proptest::collection::vec(0_usize..36, 740),
        sites in 1_usize..37,
        weight in any::<bool>(),
    ) {
        let all = Columns::joined(&heart());
        let share = |site: usize| -> Vec<usize> { (0..all.len()).filter(|row| places[*row] % sites == site).collect() };
        let shares: Vec<Columns> =
            (0..sites).map(share).filter(|rows| !rows.is_empty()).map(|rows| all.pick(&rows)).collect();
        for (family, outcome) in EVERY {
            let errors = if weight { Errors::Hc1 } else { Errors::Model };
            let recipe = Glm { weight: weight.then_some(WeightKind::Precision), offset: weight, errors, ..glm(&HEART, outcome, family) };
            let (here, there) = (run(&recipe, &shares).unwrap(), run(&recipe, &heart()).unwrap());
            let apart = apart(&here, &there, &[1.0; 9], 1.0);
            prop_assert!(apart <= 1e-10, "{}: {apart}", family.name());
            let logliks = (here.loglik.unwrap_or(0.0), there.loglik.unwrap_or(0.0));
            prop_assert!((logliks.0 - logliks.1).abs() <= 1e-10 * (1.0 + logliks.1.abs()));
        }
    }
}

#[test]
fn rows_that_stand_twice_or_weigh_two_leave_the_coefficients() {
    for (family, outcome) in EVERY {
        let recipe = glm(&HEART, outcome, family);
        let once = run(&recipe, &heart()).unwrap();
        let twice = run(&recipe, &[heart(), heart()].concat()).unwrap();
        let heavy: Vec<Columns> = heart()
            .into_iter()
            .map(|site| site.with("weight", &[], |_| 2.0))
            .collect();
        let heavy = run(
            &Glm {
                weight: Some(WeightKind::Precision),
                ..recipe.clone()
            },
            &heavy,
        )
        .unwrap();
        // With a dispersion from rows less coefficients the error of doubled rows is almost, not
        // quite, by root 2 smaller; that of doubled weights (of a likelihood of twice the rows) is
        // the same, because the rows are not more.
        let root = 2.0_f64.sqrt();
        let df = if family.disperses() {
            (once.df as f64 / twice.df as f64).sqrt() * root
        } else {
            1.0
        };
        let double = apart(&once, &twice, &[1.0; 9], df / root);
        assert!(double < 1e-9, "{}: {double}", family.name());
        let factor = if family.disperses() { 1.0 } else { 1.0 / root };
        let weighed = apart(&once, &heavy, &[1.0; 9], factor);
        assert!(weighed < 1e-9, "{}: {weighed}", family.name());
        assert_eq!((twice.rows, heavy.rows, heavy.weight), (1480, 740, 1480.0));
    }
}

#[test]
fn frequency_weights_give_every_figure_of_the_table_written_out() {
    let times = |row: &[f64]| 1.0 + row[0] % 3.0;
    let mark = |site: Columns| site.with("weight", &["age"], times);
    let counted: Vec<Columns> = heart().into_iter().map(mark).collect();
    // A row of weight 0 is no patient.
    let counted: Vec<Columns> = counted
        .into_iter()
        .map(|site| {
            site.with("weight", &["age", "weight"], |row| {
                if row[0] > 70.0 { 0.0 } else { row[1] }
            })
        })
        .collect();
    let written: Vec<Columns> = counted.iter().map(Columns::written_out).collect();
    for (family, outcome) in EVERY {
        for errors in [Errors::Model, Errors::Hc0, Errors::Hc1] {
            let recipe = Glm {
                errors,
                ..glm(&HEART, outcome, family)
            };
            let want = run(&recipe, &written).unwrap();
            let got = run(
                &Glm {
                    weight: Some(WeightKind::Frequency),
                    ..recipe
                },
                &counted,
            )
            .unwrap();
            let what = format!("{} {errors:?}", family.name());
            assert!(apart(&want, &got, &[1.0; 9], 1.0) < 1e-10, "{what}");
            assert_eq!(
                (got.rows, got.df, got.events, got.weight),
                (want.rows, want.df, want.events, want.weight)
            );
            for (got, want) in [
                (got.loglik, want.loglik),
                (got.null_loglik, want.null_loglik),
                (Some(got.deviance), Some(want.deviance)),
                (Some(got.dispersion), Some(want.dispersion)),
            ] {
                assert_eq!(got.is_some(), want.is_some(), "{what}");
                let (got, want) = (got.unwrap_or_default(), want.unwrap_or_default());
                assert!(
                    (got - want).abs() <= 1e-10 * (1.0 + want.abs()),
                    "{what}: {got} {want}"
                );
            }
        }
    }
}

#[test]
fn nine_rows_that_stand_for_twenty_patients_have_the_errors_of_twenty_or_of_nine_as_the_study_says()
{
    let sites = [
        [[0.0, 1.0, 3.0], [1.0, 2.0, 2.0], [2.0, 4.0, 4.0]],
        [[0.0, 2.0, 1.0], [1.0, 3.0, 3.0], [2.0, 3.0, 2.0]],
        [[0.0, 0.0, 2.0], [1.0, 1.0, 2.0], [2.0, 5.0, 1.0]],
    ];
    let sites: Vec<Columns> = sites
        .iter()
        .map(|rows| Columns::lines(&["x", "y", "weight"], rows))
        .collect();
    // Of so few a row decides too much for a fit of several sites.
    let sites = [Columns::joined(&sites)];
    for (kind, rows, se) in [
        (WeightKind::Precision, 9, 0.344103), // R: lm(y ~ x, weights = w)
        (WeightKind::Frequency, 20, 0.214586), // R: lm(y ~ x) of the table written out
    ] {
        let fit = run(
            &Glm {
                weight: Some(kind),
                ..glm(&["x"], "y", Family::Linear)
            },
            &sites,
        )
        .unwrap();
        let x = &fit.coefficients[1];
        assert_eq!((fit.rows, fit.df, fit.weight), (rows, rows - 2, 20.0));
        assert!((x.estimate - 1.517375).abs() < 1e-5, "{}", x.estimate);
        assert!((x.uncertainty.as_ref().unwrap().se - se).abs() < 1e-6);
    }
    let halves = Columns::lines(&["x", "y", "weight"], &[[0.0, 1.0, 0.5], [1.0, 2.0, 1.0]]);
    let recipe = Glm {
        weight: Some(WeightKind::Frequency),
        ..glm(&["x"], "y", Family::Linear)
    };
    let refused = run(&recipe, &[halves]).unwrap_err().to_string();
    assert!(refused.contains("a whole number of rows"), "{refused}");
}

#[test]
fn rows_of_weight_zero_are_as_if_they_were_not_there() {
    for (family, outcome) in EVERY {
        let recipe = Glm {
            weight: Some(WeightKind::Precision),
            ..glm(&HEART, outcome, family)
        };
        let mark = |site: Columns| {
            site.with("weight", &["age", "weight"], |row| {
                if row[0] > 60.0 { 0.0 } else { row[1] }
            })
        };
        let marked: Vec<Columns> = heart().into_iter().map(mark).collect();
        let young = |site: &Columns| -> Columns {
            let rows: Vec<usize> = (0..site.len())
                .filter(|row| site.column("age")[*row] <= 60.0)
                .collect();
            site.pick(&rows)
        };
        let without: Vec<Columns> = marked.iter().map(young).collect();
        let (a, b) = (
            run(&recipe, &marked).unwrap(),
            run(&recipe, &without).unwrap(),
        );
        assert!(apart(&a, &b, &[1.0; 9], 1.0) < 1e-12, "{}", family.name());
        assert_eq!((a.rows, a.df, a.events), (b.rows, b.df, b.events));
    }
}

#[test]
fn another_unit_scales_its_coefficient_and_nothing_else() {
    for (family, outcome) in EVERY {
        let recipe = glm(&HEART, outcome, family);
        let mut factor = [1.0; 9];
        (factor[1], factor[4]) = (1000.0, 0.001);
        let change = |site: Columns| {
            site.with("age", &["age"], |row| row[0] / 1000.0)
                .with("chol", &["chol"], |row| row[0] * 1000.0)
        };
        let other: Vec<Columns> = heart().into_iter().map(change).collect();
        let (a, b) = (
            run(&recipe, &heart()).unwrap(),
            run(&recipe, &other).unwrap(),
        );
        let apart = apart(&a, &b, &factor, 1.0);
        assert!(apart < 1e-9, "{}: {apart}", family.name());
    }
    // The outcome's unit: a linear model scales, a gamma model shifts.
    let small: Vec<Columns> = heart()
        .into_iter()
        .map(|site| site.with("thalach", &["thalach"], |row| row[0] / 1e4))
        .collect();
    let linear = glm(&HEART, "thalach", Family::Linear);
    let (a, b) = (
        run(&linear, &heart()).unwrap(),
        run(&linear, &small).unwrap(),
    );
    assert!(apart(&a, &b, &[1e-4; 9], 1.0) < 1e-10);
    assert!((a.r_squared.unwrap() - b.r_squared.unwrap()).abs() < 1e-10);
    let gamma = glm(&HEART, "thalach", Family::Gamma);
    let (a, mut b) = (run(&gamma, &heart()).unwrap(), run(&gamma, &small).unwrap());
    b.coefficients[0].estimate += 1e4_f64.ln();
    assert!(apart(&a, &b, &[1.0; 9], 1.0) < 1e-9);
}
