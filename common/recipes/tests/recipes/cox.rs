//! The exact Cox fit over sites against pooled reference fits, and where there is no fit to be had.

use crate::common::survival::*;
use crate::common::*;
use motet_recipes::cox::CoxOutcome;
use motet_recipes::{Clock, Cox, Outcome, Recipe, RecipeError, Strata, Ties};

fn recipe(cohort: &Cohort) -> Cox {
    Cox::new(
        cohort.columns.clone(),
        "days".into(),
        "died".into(),
        cohort.grid,
    )
}

fn fit(recipe: &Cox, sites: &[Site]) -> Result<CoxOutcome, RecipeError> {
    match run(&Recipe::from(recipe.clone()), sites)? {
        Outcome::Cox(outcome) => Ok(outcome),
        other => panic!("no cox outcome: {other:?}"),
    }
}

fn good(recipe: &Cox, sites: &[Site]) -> CoxOutcome {
    fit(recipe, sites).unwrap()
}

const TIES: [(Ties, &str); 2] = [(Ties::Efron, "cox_efron"), (Ties::Breslow, "cox_breslow")];

/// Coefficients, errors and log-likelihoods of an unpenalised fit. `bound` is how far the binned
/// concordance may be off.
fn agrees(got: &CoxOutcome, cohort: &Cohort, key: &str) {
    let want = &cohort.reference[key];
    assert!(got.converged);
    assert_eq!(
        (got.rows, got.events),
        (
            cohort.reference["n"].as_u64().unwrap(),
            cohort.reference["events"].as_u64().unwrap()
        )
    );
    for ((got, coef), se) in got
        .coefficients
        .iter()
        .zip(numbers(&want["coef"]))
        .zip(numbers(&want["se"]))
    {
        assert_close(got.estimate, coef, &format!("{key} {}", got.name));
        assert_close(got.se, se, &format!("{key} se of {}", got.name));
    }
    assert_eq!(got.coefficients.len(), cohort.columns.len());
    assert_close(got.loglik, want["loglik"].as_f64().unwrap(), "loglik");
    assert_close(
        got.null_loglik,
        want["loglik_null"].as_f64().unwrap(),
        "null loglik",
    );
    let test = got.likelihood_ratio.unwrap();
    assert!((test.statistic - 2.0 * (got.loglik - got.null_loglik)).abs() < 1e-9 && test.p < 1e-6);
}

fn all_strata_agree(cohort: &Cohort) {
    let sites = cohort.tables();
    for (ties, key) in TIES {
        let plain = good(
            &Cox {
                ties,
                ..recipe(cohort)
            },
            &sites,
        );
        agrees(&plain, cohort, key);
        // The reference of the training part tells the concordance in the test part; R's
        // `concordance` has this one.
        let train = cohort.reference["n"] == 866;
        let want = if train {
            0.6764519
        } else {
            cohort.reference[key]["cindex"].as_f64().unwrap()
        };
        let c = plain.concordance;
        assert!(
            (c.index - want).abs() <= c.error_bound,
            "{key}: {c:?} {want}"
        );
        assert!(
            (c.index - want).abs() < 0.002 && c.error_bound < 0.03,
            "{key}: {c:?} {want}"
        );

        let key = format!("{key}_stratified_by_site");
        let clock = Clock::Identity;
        let group = Cox {
            ties,
            clock,
            strata: Strata::Group(cohort.grouping()),
            ..recipe(cohort)
        };
        let by_column = good(&group, &sites);
        agrees(&by_column, cohort, &key);
        let by_site = good(
            &Cox {
                strata: Strata::Site,
                ..group
            },
            &sites,
        );
        agrees(&by_site, cohort, &key);
        // Two ways to the same strata: the same checks, and a binned concordance around the exact
        // one.
        let (a, b) = (
            by_column.proportionality.unwrap(),
            by_site.proportionality.unwrap(),
        );
        assert!((a.global.unwrap().statistic / b.global.unwrap().statistic - 1.0).abs() < 1e-7);
        let (binned, exact) = (by_column.concordance, by_site.concordance);
        assert_eq!(exact.error_bound, 0.0);
        assert!(
            (binned.index - exact.index).abs() <= binned.error_bound,
            "{binned:?} {exact:?}"
        );
        assert!(by_site.baseline.is_empty() && by_column.baseline.len() == sites.len());
        // Moments, spread, one round a step, evaluation; with event points a step has two rounds,
        // and one where it was too long.
        let too_long = by_column
            .history
            .windows(2)
            .filter(|pair| pair[1].loglik < pair[0].loglik - 1e-6)
            .count();
        assert_eq!(by_site.rounds as usize, 3 + by_site.history.len());
        assert_eq!(
            by_column.rounds as usize,
            3 + 2 * by_column.history.len() - too_long
        );
    }
}

fn ridge_agrees(cohort: &Cohort, strength: &str) {
    for (ties, key) in TIES {
        let ridge = strength.parse().unwrap();
        let got = good(
            &Cox {
                ties,
                ridge,
                ..recipe(cohort)
            },
            &cohort.tables(),
        );
        let want = &cohort.reference[format!("{key}_ridge{strength}_standardised")];
        let sd = numbers(&cohort.reference["standardisation"]["sd"]);
        for ((got, want), sd) in got.coefficients.iter().zip(numbers(&want["coef"])).zip(sd) {
            assert_close(got.estimate * sd, want, &got.name);
        }
        assert_close(got.loglik, want["loglik"].as_f64().unwrap(), "loglik");
        assert!(got.converged && got.proportionality.is_none() && got.likelihood_ratio.is_none());
    }
}

#[test]
fn ten_countries_give_the_fit_of_one_table() {
    let cohort = stroke_followup();
    all_strata_agree(&cohort);
    ridge_agrees(&cohort, "1");
}

#[test]
fn six_regions_give_the_fit_of_one_table() {
    for name in ["breast_tcga_cox", "breast_tcga_cox_train"] {
        let cohort = breast(name);
        all_strata_agree(&cohort);
        ridge_agrees(&cohort, "1");
    }
}

#[test]
fn rotterdam_and_gbsg_give_the_fit_of_one_table() {
    rotterdam_gbsg().iter().for_each(|cohort| {
        all_strata_agree(cohort);
        ridge_agrees(cohort, "1");
    });
}

#[test]
fn a_ridge_gives_an_estimate_where_columns_depend_on_each_other() {
    let cohort = breast("breast_tcga_cox_39");
    ["0.1", "1", "10"]
        .iter()
        .for_each(|strength| ridge_agrees(&cohort, strength));
    ridge_agrees(&breast("breast_tcga_cox_fullrank"), "1");
}

#[test]
fn no_numbers_come_where_there_is_no_finite_estimate() {
    let cohort = breast("breast_tcga_cox_39");
    let full = breast("breast_tcga_cox_fullrank");
    for strata in [Strata::None, Strata::Site] {
        for (ties, _) in TIES {
            let clock = Clock::Off;
            let change = |recipe: Cox| Cox {
                ties,
                clock,
                strata: strata.clone(),
                ..recipe
            };
            let error = fit(&change(recipe(&cohort)), &cohort.tables()).unwrap_err();
            assert!(matches!(error, RecipeError::Collinear { .. }), "{error}");
            let error = fit(&change(recipe(&full)), &full.tables()).unwrap_err();
            assert!(
                error.to_string().starts_with("no finite estimate"),
                "{error}"
            );
        }
    }
}
