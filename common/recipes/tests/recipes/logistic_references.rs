//! Four data sets, each with three pooled logistic fits: maximum likelihood, a ridge, and an
//! intercept for every site. The recipe must give them.

use crate::columns::{Columns, run};
use crate::common::{assert_close, numbers, reference};
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Design, Family, Glm, Outcome, Recipe};
use serde_json::Value;

const REGIONS: [&str; 4] = ["Midwest", "Northeast", "South", "West"];

fn eicu() -> Vec<Columns> {
    let (header, rows) = crate::common::regions();
    let site = |name: &&str| {
        let mine: Vec<&Vec<f64>> = rows
            .iter()
            .filter(|(region, _)| region == name)
            .map(|(_, row)| row)
            .collect();
        let column = |at: usize| mine.iter().map(|row| row[at]).collect();
        Columns(
            header
                .iter()
                .enumerate()
                .map(|(at, name)| (name.clone(), column(at)))
                .collect(),
        )
    };
    REGIONS.iter().map(site).collect()
}

/// The sites of a data set with their names in the reference.
fn sites(name: &str, want: &Value) -> Vec<(String, Columns)> {
    let named = |names: &[&str], sites: Vec<Columns>| -> Vec<(String, Columns)> {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .zip(sites)
            .collect()
    };
    match name {
        "heart_all740" => named(&crate::common::HEART, crate::columns::heart()),
        "heart_train" => {
            let train = |(name, site): (String, Columns)| {
                let marks = want["train"][name.as_str()].as_str().unwrap().as_bytes();
                assert_eq!(marks.len(), site.len());
                let rows: Vec<usize> = (0..site.len()).filter(|row| marks[*row] == b'1').collect();
                (name, site.pick(&rows))
            };
            named(&crate::common::HEART, crate::columns::heart())
                .into_iter()
                .map(train)
                .collect()
        }
        "stroke_eu10" => named(&crate::common::STROKE, crate::columns::stroke()),
        "eicu_region" => named(&["Midwest", "Northeast", "South", "West"], eicu()),
        other => panic!("no data set {other}"),
    }
}

fn features(want: &Value) -> Vec<String> {
    want["features"]
        .as_array()
        .unwrap()
        .iter()
        .skip(1)
        .map(|f| f.as_str().unwrap().to_owned())
        .collect()
}

fn glm(features: Vec<String>, want: &Value) -> Glm {
    Glm::new(
        Design::plain(features),
        want["outcome"].as_str().unwrap().into(),
        Family::Logistic,
    )
}

fn agrees(fit: &GlmOutcome, coef: &[f64], se: &[f64], what: &str) {
    assert!(fit.converged, "{what}");
    assert_eq!(fit.coefficients.len(), coef.len());
    for ((got, coef), se) in fit.coefficients.iter().zip(coef).zip(se) {
        assert_close(got.estimate, *coef, &format!("{what}: {}", got.name));
        assert_close(
            got.uncertainty.as_ref().unwrap().se,
            *se,
            &format!("{what}: se of {}", got.name),
        );
    }
}

/// All fits of one data set.
fn holds(name: &str, want: &Value, sites: &[(String, Columns)]) {
    let tables: Vec<Columns> = sites.iter().map(|(_, site)| site.clone()).collect();
    let mle = glm(features(want), want);
    let fit = run(&mle, &tables).unwrap();
    assert_eq!(
        (fit.rows, fit.events),
        (want["n"].as_u64().unwrap(), want["events"].as_u64())
    );
    agrees(
        &fit,
        &numbers(&want["mle"]["coef"]),
        &numbers(&want["mle"]["se"]),
        name,
    );
    assert_close(
        fit.loglik.unwrap(),
        want["mle"]["loglik"].as_f64().unwrap(),
        name,
    );
    let (rows, events) = (fit.rows as f64, fit.events.unwrap() as f64);
    let null = events * (events / rows).ln() + (rows - events) * (1.0 - events / rows).ln();
    assert_close(fit.null_loglik.unwrap(), null, &format!("{name}: null"));

    // The reference gives the ridge on the standardised scale.
    let (mean, sd) = (
        numbers(&want["standardisation"]["mean"]),
        numbers(&want["standardisation"]["sd"]),
    );
    let (coef, se) = (
        numbers(&want["ridge_1"]["coef"]),
        numbers(&want["ridge_1"]["se"]),
    );
    let ridge = run(
        &Glm {
            ridge: 1.0,
            ..mle.clone()
        },
        &tables,
    )
    .unwrap();
    let mut intercept = coef[0];
    for (at, got) in ridge.coefficients.iter().skip(1).enumerate() {
        assert_close(
            got.estimate,
            coef[at + 1] / sd[at],
            &format!("{name}: ridge {}", got.name),
        );
        assert_close(
            got.uncertainty.as_ref().unwrap().se,
            se[at + 1] / sd[at],
            name,
        );
        intercept -= coef[at + 1] * mean[at] / sd[at];
    }
    assert_close(
        ridge.coefficients[0].estimate,
        intercept,
        &format!("{name}: ridge intercept"),
    );

    let effects = &want["fixed_effects"];
    let names: Vec<&str> = effects["sites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s.as_str().unwrap())
        .collect();
    let dummies: Vec<String> = names[1..]
        .iter()
        .map(|name| format!("site_{name}"))
        .collect();
    let mut marked: Vec<Columns> = Vec::new();
    for (site, table) in sites
        .iter()
        .filter(|(site, _)| names.contains(&site.as_str()))
    {
        let mark = |table: Columns, other: &&str| {
            table.with(&format!("site_{other}"), &[], |_| {
                f64::from(u8::from(other == site))
            })
        };
        marked.push(names[1..].iter().fold(table.clone(), mark));
    }
    // Each column of a site is that site's alone: rows are dealt to others.
    let all = Columns::joined(&marked);
    let dealt = |first| all.pick(&(first..all.len()).step_by(3).collect::<Vec<_>>());
    let marked: Vec<Columns> = (0..3).map(dealt).collect();
    let fit = run(&glm([dummies, features(want)].concat(), want), &marked).unwrap();
    let intercepts = numbers(&effects["site_intercepts"]);
    assert_close(
        fit.coefficients[0].estimate,
        intercepts[0],
        &format!("{name}: first site"),
    );
    for (at, want) in intercepts.iter().enumerate().skip(1) {
        let got = fit.coefficients[0].estimate + fit.coefficients[at].estimate;
        assert_close(got, *want, &format!("{name}: {}", names[at]));
    }
    let rest = GlmOutcome {
        coefficients: fit.coefficients[names.len()..].to_vec(),
        ..fit.clone()
    };
    agrees(
        &rest,
        &numbers(&effects["coef"]),
        &numbers(&effects["se"]),
        &format!("{name}: fixed effects"),
    );
    assert_close(
        fit.loglik.unwrap(),
        effects["loglik"].as_f64().unwrap(),
        name,
    );
}

#[test]
fn every_reference_fit_is_met_at_every_cut_of_the_rows() {
    let reference = reference("logistic");
    for (name, want) in reference.as_object().unwrap() {
        holds(name, want, &sites(name, want));
    }
}

#[test]
fn a_fit_over_sites_is_the_fit_of_one_table() {
    let reference = reference("logistic");
    for (name, want) in reference.as_object().unwrap() {
        let tables: Vec<Columns> = sites(name, want)
            .into_iter()
            .map(|(_, site)| site)
            .collect();
        let one = Columns::joined(&tables);
        let recipe = glm(features(want), want);
        let fit = crate::common::logistic(run(&recipe, &tables).map(Outcome::Glm));
        let alone = Recipe::from(recipe.clone());
        let alone = one.read(&recipe, |rows| {
            crate::common::logistic(alone.alone(rows, &mut crate::common::rng(1)))
        });
        for (a, b) in fit.coefficients.iter().zip(&alone.coefficients) {
            assert_close(a.estimate, b.estimate, &a.name);
            assert_close(a.se, b.se, &a.name);
            assert_close(a.p, b.p, &a.name);
            assert_close(a.ci_low, b.ci_low, &a.name);
        }
        assert_eq!(fit.metrics.auc, alone.metrics.auc);
        assert_close(fit.metrics.brier, alone.metrics.brier, "brier");
        assert_eq!(fit.roc, alone.roc);
    }
}
