//! Reports of the survival recipes that are run in the samples.

use crate::Context;
use crate::sample::{self, survival as of_times};
use motet_recipes::{Averaged, Outcome};
use serde_json::Value;

fn read((outcome, context): &(Outcome, Context)) -> Value {
    let text = sample::report(&*sample::protected(outcome, context), context);
    assert!(!text.contains("NaN") && !text.contains(": inf"), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// An outcome as it stands, protected or not.
fn written(outcome: &Outcome, context: &Context) -> Value {
    serde_json::from_str(&sample::report(&*sample::shown(outcome), context)).unwrap()
}

fn same(value: &Value, wanted: f64) {
    // This reader is off by a bit now and then; what the file holds is tested below.
    let read = value.as_f64().unwrap();
    assert!(
        read.to_bits().abs_diff(wanted.to_bits()) <= 1,
        "{value} {wanted}"
    );
}

#[test]
fn the_file_holds_every_number_to_the_last_bit() {
    let (outcome, context) = of_times::cox(|_| ());
    let text = sample::report(&*sample::shown(&outcome), &context);
    let Outcome::Cox(fit) = outcome else {
        unreachable!()
    };
    let holds = |key: &str, value: f64| {
        let wanted = format!("\"{key}\": ");
        let numbers = text.match_indices(&wanted).map(|(at, found)| {
            let number = &text[at + found.len()..];
            number
                .split([',', '\n'])
                .next()
                .unwrap()
                .trim()
                .parse::<f64>()
        });
        let found = numbers
            .flatten()
            .any(|number| number.to_bits() == value.to_bits());
        assert!(found, "{key} {value:e}");
    };
    holds("loglik", fit.loglik);
    holds("c_index", fit.concordance.index);
    for c in &fit.coefficients {
        holds("estimate", c.estimate);
        holds("se", c.se);
        holds("p", c.p);
        holds("hazard_ratio_low", libm::exp(c.ci_low));
    }
    fit.baseline[0]
        .hazard
        .iter()
        .for_each(|step| holds("cumulative_hazard", step.1));
}

#[test]
fn a_cox_report_has_hazard_ratios_tests_and_baseline() {
    let sample = of_times::cox(|_| ());
    let Outcome::Cox(fit) = &sample.0 else {
        unreachable!()
    };
    let report = read(&sample);
    assert_eq!(
        (report["ties"].as_str(), report["strata"].is_null()),
        (Some("efron"), true)
    );
    assert_eq!(
        (report["time"].as_str(), report["times"].as_str()),
        (Some("days"), Some("exact"))
    );
    assert_eq!(report["converged"], true);
    for (row, c) in report["coefficients"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&fit.coefficients)
    {
        assert_eq!(row["name"], c.name);
        same(&row["estimate"], c.estimate);
        same(&row["p"], c.p);
        same(&row["hazard_ratio"], libm::exp(c.estimate));
        same(&row["hazard_ratio_high"], libm::exp(c.ci_high));
        assert!(row["se"].is_number() && row["z"].is_number() && row["mean"].is_number());
    }
    same(&report["loglik"], fit.loglik);
    same(&report["metrics"]["c_index"], fit.concordance.index);
    same(
        &report["metrics"]["c_index_error_bound"],
        fit.concordance.error_bound,
    );
    assert_eq!(report["likelihood_ratio"]["df"], 5);
    assert_eq!(
        report["proportional_hazards"]["columns"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert!(report["proportional_hazards"]["global"]["p"].is_number());
    let (time, hazard) = fit.baseline[0].hazard[1];
    same(&report["baseline"][0]["steps"][1]["time"], time);
    same(
        &report["baseline"][0]["steps"][1]["cumulative_hazard"],
        hazard,
    );
    assert!(report["history"][0]["step"].is_number());
}

#[test]
fn strata_are_named_and_sites_keep_their_baseline() {
    let site = read(&of_times::cox(|recipe| {
        (recipe.strata, recipe.clock) = (motet_recipes::Strata::Site, motet_recipes::Clock::Off);
    }));
    assert_eq!(
        (
            site["strata"].as_str(),
            site["baseline"].as_array().unwrap().len()
        ),
        (Some("site"), 0)
    );
    assert!(site["proportional_hazards"].is_null());
}

#[test]
fn a_study_that_prints_every_event_gives_no_step_of_few_events() {
    let all = of_times::cox(|recipe| recipe.min_cell = 0);
    let Outcome::Cox(fit) = &all.0 else {
        unreachable!()
    };
    let steps = read(&all)["baseline"][0]["steps"].as_array().unwrap().len();
    assert_eq!(steps, fit.baseline[0].hazard.len() / 5);
    let all = of_times::km(9, |recipe| recipe.min_cell = 0);
    let Outcome::KaplanMeier(found) = &all.0 else {
        unreachable!()
    };
    assert!(
        found
            .curves
            .iter()
            .flat_map(|curve| &curve.points)
            .any(|point| point.events < 5)
    );
    for curve in read(&all)["curves"].as_array().unwrap() {
        for point in curve["points"].as_array().unwrap() {
            assert!(
                point["events"].as_u64().unwrap() >= 5
                    && point["at_risk"].as_u64().is_none_or(|rows| rows >= 5)
            );
        }
    }
}

#[test]
fn a_km_report_has_curves_marks_and_the_log_rank_test() {
    let sample = of_times::km(2, |recipe| {
        (recipe.marks, recipe.tau) = (vec![30.0, 90.0], Some(90.0));
    });
    let Outcome::KaplanMeier(found) = &sample.0 else {
        unreachable!()
    };
    let report = read(&sample);
    assert_eq!(
        (report["rows"].as_u64(), report["group"].as_str()),
        (Some(900), Some("aspirin"))
    );
    let (curve, wanted) = (&report["curves"][1], &found.curves[1]);
    assert_eq!(
        (&curve["group"], curve["rows"].as_u64()),
        (&Value::from("with aspirin"), Some(wanted.rows))
    );
    same(&curve["points"][0]["survival"], wanted.points[0].survival);
    same(&curve["points"][0]["ci_low"], wanted.points[0].low.unwrap());
    // Steps are joined here, and a mean up to a limit is the sum of all of them.
    assert!(wanted.withheld && curve["rmst"].is_null());
    assert_eq!(
        curve["marks"][1]["at_risk"].as_u64(),
        wanted.marks[1].at_risk
    );
    let log_rank = found.log_rank.as_ref().unwrap();
    same(&report["log_rank"]["p"], log_rank.test.p);
    same(
        &report["log_rank"]["groups"][1]["expected"],
        log_rank.expected[1],
    );
}

#[test]
fn a_null_end_of_the_medians_interval_says_whether_it_is_open_or_kept_back() {
    let (outcome, context) = of_times::km(2, |_| ());
    let Outcome::KaplanMeier(mut found) = outcome else {
        unreachable!()
    };
    for (withheld, word) in [(true, "not shown"), (false, "open")] {
        let curve = &mut found.curves[0];
        (curve.median, curve.median_low, curve.median_high) = (Some(7.5), Some(3.0), None);
        curve.withheld = withheld;
        let report = written(&Outcome::KaplanMeier(found.clone()), &context);
        let curve = &report["curves"][0];
        assert!(curve["median_high"].is_null());
        assert_eq!(curve["median_beyond"], word);
    }
    found.curves[0].median_high = Some(11.0);
    let report = written(&Outcome::KaplanMeier(found), &context);
    assert!(report["curves"][0].get("median_beyond").is_none());
}

#[test]
fn counts_of_few_patients_are_null_and_so_is_the_total_that_would_tell_them() {
    let (outcome, context) = of_times::km(2, |_| ());
    let Outcome::KaplanMeier(mut found) = outcome else {
        unreachable!()
    };
    found.curves[0].rows = 3;
    let report = read(&(Outcome::KaplanMeier(found), context));
    assert!(report["rows"].is_null() && report["events"].is_null());
    assert!(report["curves"][0]["rows"].is_null() && report["curves"][0]["median"].is_null());
    assert!(report["log_rank"]["groups"][1]["observed"].is_null());
    let (outcome, context) = of_times::cox(|_| ());
    let Outcome::Cox(mut fit) = outcome else {
        unreachable!()
    };
    fit.events = 4;
    fit.coefficients[0].se = f64::NAN;
    fit.coefficients[1].ci_high = f64::INFINITY;
    let report = read(&(Outcome::Cox(fit), context));
    assert!(report["events"].is_null() && report["coefficients"][0]["se"].is_null());
    // The likelihood is that of so many events, with few effects as without any.
    assert!(report["loglik"].is_null() && report["null_loglik"].is_null());
    let steps = report["history"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["loglik"].is_null()));
    assert!(report["coefficients"][1]["hazard_ratio_high"].is_null());
}

#[test]
fn a_network_for_a_time_has_its_c_index_and_no_auc() {
    let sample = of_times::network();
    let Outcome::FedAvg(Averaged::Time(model)) = &sample.0 else {
        unreachable!()
    };
    let report = read(&sample);
    same(&report["metrics"]["c_index"], model.c_index.unwrap());
    same(&report["loglik"], model.loglik);
    assert!(report["history"][0]["loss"].is_number() && report["history"][0]["auc"].is_null());
    assert_eq!(report["strata"], "site");
}
