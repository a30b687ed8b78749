//! Generalised linear models over sites against pooled reference fits.

use crate::columns::{Columns, heart, run, stroke};
use crate::common::{assert_close, numbers, reference};
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Design, Errors, Family, Formula, Glm, WeightKind};
use serde_json::Value;

const FAMILIES: [Family; 6] = [
    Family::Linear,
    Family::Poisson,
    Family::Gamma,
    Family::Logistic,
    Family::Quasipoisson,
    Family::Quasibinomial,
];

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

fn sites(want: &Value) -> Vec<Columns> {
    if want["data"] == "heart" {
        heart()
    } else {
        stroke()
    }
}

fn recipe(want: &Value) -> Glm {
    let family = FAMILIES
        .into_iter()
        .find(|family| want["family"] == family.name())
        .unwrap();
    Glm {
        offset: want["offset"] == true,
        weight: (want["weight"] == true).then_some(WeightKind::Precision),
        ..Glm::new(
            Design::plain(texts(&want["columns"])),
            want["outcome"].as_str().unwrap().into(),
            family,
        )
    }
}

fn optional(got: Option<f64>, want: &Value, what: &str) {
    match (got, want.as_f64()) {
        (Some(got), Some(want)) => assert_close(got, want, what),
        (got, want) => assert!(
            got.is_none() && want.is_none(),
            "{what}: {got:?} instead of {want:?}"
        ),
    }
}

fn agrees(fit: &GlmOutcome, want: &Value, errors: &str, what: &str) {
    assert!(fit.converged, "{what}");
    assert_eq!(fit.rows, want["n"].as_u64().unwrap());
    let (coefficients, errors) = (numbers(&want["coef"]), numbers(&want[errors]));
    assert_eq!(fit.coefficients.len(), coefficients.len());
    for ((got, coefficient), se) in fit.coefficients.iter().zip(&coefficients).zip(&errors) {
        let what = format!("{what}: {}", got.name);
        let known = got.uncertainty.as_ref().unwrap();
        assert_close(got.estimate, *coefficient, &what);
        assert_close(known.se, *se, &format!("se of {what}"));
        assert_close(
            known.statistic,
            coefficient / se,
            &format!("statistic of {what}"),
        );
    }
    for (got, key) in [
        (fit.deviance, "deviance"),
        (fit.null_deviance, "null_deviance"),
        (fit.pearson, "pearson"),
        (fit.dispersion, "dispersion"),
    ] {
        assert_close(got, want[key].as_f64().unwrap(), &format!("{what}: {key}"));
    }
    optional(fit.loglik, &want["loglik"], &format!("{what}: loglik"));
    optional(
        fit.null_loglik,
        &want["null_loglik"],
        &format!("{what}: null loglik"),
    );
    optional(fit.r_squared, &want["r_squared"], &format!("{what}: R^2"));
}

#[test]
fn every_family_gives_the_fit_of_one_table() {
    let reference = reference("glm");
    for (name, want) in reference["fits"].as_object().unwrap() {
        if want.get("names").is_some() {
            continue;
        }
        let fit =
            run(&recipe(want), &sites(want)).unwrap_or_else(|error| panic!("{name}: {error}"));
        agrees(&fit, want, "se", name);
        assert!(
            fit.history.len() <= 10,
            "{name}: {} Newton rounds",
            fit.history.len()
        );
        let t = want["t95"].as_f64().unwrap();
        for (got, p) in fit.coefficients.iter().zip(numbers(&want["p"])) {
            let known = got.uncertainty.as_ref().unwrap();
            assert_close(known.p, p, &format!("{name}: p of {}", got.name));
            let half = if fit.family.disperses() {
                t
            } else {
                1.959_963_984_540_054
            };
            assert_close(known.ci_high - got.estimate, half * known.se, name);
        }
    }
}

#[test]
fn robust_errors_are_those_of_the_sandwich() {
    let reference = reference("glm");
    for (name, want) in reference["fits"].as_object().unwrap() {
        for (errors, key) in [(Errors::Hc0, "hc0"), (Errors::Hc1, "hc1")] {
            if want.get(key).is_some() && want.get("names").is_none() {
                let fit = run(
                    &Glm {
                        errors,
                        ..recipe(want)
                    },
                    &sites(want),
                )
                .unwrap();
                agrees(&fit, want, key, &format!("{name} {key}"));
            }
        }
    }
}

#[test]
fn a_formula_with_a_spline_gives_the_fit_that_r_gives() {
    let reference = reference("glm");
    let want = &reference["fits"]["stroke_spline_formula"];
    let countries: Vec<String> = crate::common::STROKE[1..]
        .iter()
        .map(|name| format!("country_{name}"))
        .collect();
    let text = "dead14 ~ age + male + ns(sbp, knots = c(120, 140, 160), boundary = c(80, 220)) + age:male + country";
    let design = Formula::parse(text)
        .unwrap()
        .design(|feature| match feature {
            "country" => Some(countries.clone()),
            other => Some(vec![other.to_owned()]),
        })
        .unwrap();
    assert_eq!(texts(&want["names"])[1..], design.names());
    for (errors, key) in [(Errors::Model, "se"), (Errors::Hc0, "hc0")] {
        let recipe = Glm {
            errors,
            ..Glm::new(design.clone(), "dead14".into(), Family::Logistic)
        };
        // A country is one site's: rows are dealt to others.
        let all = Columns::joined(&stroke());
        let dealt = |first| all.pick(&(first..all.len()).step_by(5).collect::<Vec<_>>());
        let sites: Vec<Columns> = (0..5).map(dealt).collect();
        agrees(&run(&recipe, &sites).unwrap(), want, key, "spline");
    }
}

#[test]
fn an_elastic_net_gives_the_fit_of_one_table_and_no_standard_errors() {
    let reference = reference("glm");
    for (name, want) in reference["nets"].as_object().unwrap() {
        let net = Glm {
            ridge: want["ridge"].as_f64().unwrap(),
            lasso: want["lasso"].as_f64().unwrap(),
            ..recipe(want)
        };
        let fit = run(&net, &sites(want)).unwrap();
        assert!(fit.converged, "{name}");
        for (got, coefficient) in fit.coefficients.iter().zip(numbers(&want["coef"])) {
            assert_close(got.estimate, coefficient, &format!("{name}: {}", got.name));
            assert_eq!(
                got.estimate == 0.0,
                coefficient == 0.0,
                "{name}: {}",
                got.name
            );
            assert_eq!(got.uncertainty, None);
        }
        optional(fit.loglik, &want["loglik"], name);
        let zeros = want["zeros"].as_u64().unwrap();
        assert!(
            fit.history.len() <= 10,
            "{name}: {} rounds",
            fit.history.len()
        );
        assert!(zeros > 0 && fit.df == fit.rows - (fit.coefficients.len() as u64 - zeros));
    }
}

/// Two sites of these rows: the last column is the outcome `y`, the others `a`, `b` ..
fn halves(rows: &[Vec<f64>]) -> Vec<Columns> {
    let width = rows[0].len() - 1;
    let names: Vec<String> = (b'a'..)
        .take(width)
        .map(|letter| char::from(letter).to_string())
        .collect();
    let column = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<f64>>();
    let mut named: Vec<(&str, Vec<f64>)> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), column(at)))
        .collect();
    named.push(("y", column(width)));
    let all = Columns::of(&named);
    let half = rows.len() / 2;
    vec![
        all.pick(&(0..half).collect::<Vec<_>>()),
        all.pick(&(half..rows.len()).collect::<Vec<_>>()),
    ]
}

/// The examples on R's own help pages, to the digits that R prints there.
#[test]
fn the_examples_of_r_come_out_as_r_prints_them() {
    let close = |got: f64, want: f64, digits: f64| {
        assert!((got - want).abs() < 0.5 * digits, "{got} for {want}")
    };
    // ?lm: weights of plants under control and treatment
    let control = [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14];
    let treated = [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69];
    let rows: Vec<Vec<f64>> = control
        .iter()
        .map(|y| vec![0.0, *y])
        .chain(treated.iter().map(|y| vec![1.0, *y]))
        .collect();
    let lm = Glm::new(
        Design::plain(crate::common::names(&["a"])),
        "y".into(),
        Family::Linear,
    );
    // Every second row of each group, so that the column varies at both sites.
    let order: Vec<Vec<f64>> = (0..20)
        .map(|at| rows[at % 2 * 10 + at / 2].clone())
        .collect();
    let fit = run(&lm, &halves(&order)).unwrap();
    let [mean, effect] = fit.coefficients.as_slice() else {
        panic!("two coefficients")
    };
    let (m, e) = (
        mean.uncertainty.as_ref().unwrap(),
        effect.uncertainty.as_ref().unwrap(),
    );
    close(mean.estimate, 5.032, 1e-3);
    close(m.se, 0.220_2, 1e-4);
    close(m.statistic, 22.850, 1e-3);
    close(m.p / 1e-15, 9.55, 1e-2);
    close(effect.estimate, -0.371, 1e-3);
    close(e.se, 0.311_4, 1e-4);
    close(e.statistic, -1.191, 1e-3);
    close(e.p, 0.249, 1e-3);
    close(fit.dispersion.sqrt(), 0.696_4, 1e-4);
    close(fit.r_squared.unwrap(), 0.073_08, 1e-5);
    assert_eq!(fit.df, 18);

    // ?glm: Dobson's randomised trial, two factors of three levels
    let counts = [18.0, 17.0, 15.0, 20.0, 10.0, 20.0, 25.0, 13.0, 12.0];
    let is = |yes: bool| f64::from(u8::from(yes));
    let row = |(at, y): (usize, &f64)| {
        vec![
            is(at % 3 == 1),
            is(at % 3 == 2),
            is(at / 3 == 1),
            is(at / 3 == 2),
            *y,
        ]
    };
    let rows: Vec<Vec<f64>> = counts.iter().enumerate().map(row).collect();
    let glm = Glm::new(
        Design::plain(crate::common::names(&["a", "b", "c", "d"])),
        "y".into(),
        Family::Poisson,
    );
    // One table: of sites each row would have too much of five coefficients.
    let fit = run(&glm, &[Columns::joined(&halves(&rows))]).unwrap();
    let want = [
        (3.045, 0.170_9),
        (-0.454_3, 0.202_2),
        (-0.293_0, 0.192_7),
        (0.0, 0.2),
        (0.0, 0.2),
    ];
    for (got, (estimate, se)) in fit.coefficients.iter().zip(want) {
        close(
            got.estimate,
            estimate,
            if estimate > 1.0 { 1e-3 } else { 1e-4 },
        );
        close(got.uncertainty.as_ref().unwrap().se, se, 1e-4);
    }
    close(fit.null_deviance, 10.581_4, 1e-4);
    close(fit.deviance, 5.129_1, 1e-4);
    close(-2.0 * fit.loglik.unwrap() + 10.0, 56.76, 1e-2);
}
