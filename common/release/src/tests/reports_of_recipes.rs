//! Reports of the recipes that are run in the samples.

use crate::Context;
use crate::sample::{self, run};
use motet_recipes::{Averaged, Family, Fit, Outcome, gbdt, summary::Cell};
use serde_json::Value;

fn read(name: &str, outcome: &Outcome) -> Value {
    let context = run::context(name);
    let text = sample::report(&*sample::protected(outcome, &context), &context);
    assert!(!text.contains("NaN"));
    serde_json::from_str(&text).unwrap()
}

/// The last bit counts: the file holds the shortest text that is this number and no other.
fn same(value: &Value, wanted: f64) {
    let text = serde_json::to_string(&wanted).unwrap();
    assert_eq!(text.parse::<f64>().unwrap().to_bits(), wanted.to_bits());
    assert_eq!(
        *value,
        serde_json::from_str::<Value>(&text).unwrap(),
        "{wanted}"
    );
}

#[test]
fn a_linear_report_has_t_and_differences_a_poisson_report_has_z_and_rate_ratios() {
    let outcome = run::glm(Family::Linear, |_| ());
    let Outcome::Glm(fit) = &outcome else {
        unreachable!()
    };
    let report = read("linear", &outcome);
    assert_eq!(
        (report["family"].as_str(), report["link"].as_str()),
        (Some("linear"), Some("identity"))
    );
    assert!(report["ratio"].is_null() && report["events"].is_null() && report["metrics"].is_null());
    assert_eq!(report["dispersion_estimated"], true);
    for (row, c) in report["coefficients"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&fit.coefficients)
    {
        let known = c.uncertainty.as_ref().unwrap();
        assert_eq!(row["name"], c.name);
        same(&row["estimate"], c.estimate);
        same(&row["se"], known.se);
        same(&row["t"], known.statistic);
        same(&row["ci_high"], known.ci_high);
        assert!(row["z"].is_null() && row["ratio"].is_null());
    }
    for key in [
        "loglik",
        "null_loglik",
        "deviance",
        "null_deviance",
        "dispersion",
        "r_squared",
        "df",
        "mean",
    ] {
        assert!(report[key].is_number(), "{key}");
    }
    let outcome = run::glm(Family::Poisson, |_| ());
    let Outcome::Glm(fit) = &outcome else {
        unreachable!()
    };
    let report = read("poisson", &outcome);
    let (row, c) = (&report["coefficients"][1], &fit.coefficients[1]);
    assert_eq!(
        (report["ratio"].as_str(), report["standard_errors"].as_str()),
        (Some("rate ratio"), Some("model"))
    );
    same(&row["z"], c.uncertainty.as_ref().unwrap().statistic);
    same(&row["ratio"], libm::exp(c.estimate));
    same(
        &row["ratio_low"],
        libm::exp(c.uncertainty.as_ref().unwrap().ci_low),
    );
    assert!(row["t"].is_null() && report["coefficients"][0]["ratio"].is_null());
}

#[test]
fn knots_that_were_found_can_be_fitted_by_others() {
    let outcome = run::splines();
    let Outcome::Glm(fit) = &outcome else {
        unreachable!()
    };
    let report = read("splines", &outcome);
    let [crp, age] = report["knots"].as_array().unwrap().as_slice() else {
        unreachable!()
    };
    assert_eq!(
        (age["column"].as_str(), crp["degrees"].as_u64()),
        (Some("age"), Some(4))
    );
    let found = &fit.knots[0];
    for (at, knot) in crp["knots"].as_array().unwrap().iter().enumerate() {
        same(knot, found.knots[at + 1]);
    }
    same(&crp["boundary"][0], found.knots[0]);
    same(&crp["boundary"][1], found.knots[4]);
    assert_eq!(crp["within"].as_array().unwrap().len(), 5);
    // What the report says can be read as a formula, and gives the same terms.
    let text = format!("y ~ {}", crp["r"].as_str().unwrap());
    let design = motet_recipes::Formula::parse(&text)
        .unwrap()
        .design(|name| Some(vec![name.to_owned()]));
    let names = design
        .unwrap()
        .names()
        .join(" ")
        .replace("ns(crp)", "ns(crp, 4)");
    let own = fit
        .coefficients
        .iter()
        .filter(|c| c.name.starts_with("ns(crp, 4)"))
        .map(|c| c.name.as_str());
    assert_eq!(names, own.collect::<Vec<_>>().join(" "));
    assert_eq!(
        read("linear", &run::glm(Family::Linear, |_| ()))["knots"],
        serde_json::json!([])
    );
}

#[test]
fn what_a_lasso_or_a_quasi_family_has_not_is_null() {
    let report = read(
        "lasso",
        &run::glm(Family::Linear, |recipe| recipe.lasso = 20.0),
    );
    for key in ["se", "z", "t", "p", "ci_low", "ci_high"] {
        assert!(
            report["coefficients"][1]
                .as_object()
                .unwrap()
                .contains_key(key),
            "{key}"
        );
        assert!(report["coefficients"][1][key].is_null(), "{key}");
    }
    let report = read("quasipoisson", &run::glm(Family::Quasipoisson, |_| ()));
    assert!(report["loglik"].is_null() && report["null_loglik"].is_null());
    assert!(report["dispersion"].is_number());
}

#[test]
fn a_logistic_glm_has_the_keys_of_a_logistic_report() {
    let report = read("logistic", &run::glm(Family::Logistic, |_| ()));
    for key in [
        "auc",
        "auc_bins",
        "auc_error_bound",
        "accuracy",
        "brier",
        "calibration_slope",
    ] {
        assert!(report["metrics"][key].is_number(), "{key}");
    }
    for key in ["rows", "events", "converged", "loglik", "null_loglik"] {
        assert!(!report[key].is_null(), "{key}");
    }
    assert!(
        report["roc"].is_array()
            && report["calibration"].is_array()
            && report["history"].is_array()
    );
    assert!(report["history"][0]["loglik"].is_number());
}

#[test]
fn few_events_are_told_by_no_number_of_the_report() {
    let Outcome::Glm(mut fit) = run::glm(Family::Logistic, |_| ()) else {
        unreachable!()
    };
    for events in [3, fit.rows - 3] {
        fit.events = Some(events);
        let report = read("logistic", &Outcome::Glm(fit.clone()));
        for key in [
            "events",
            "mean",
            "null_loglik",
            "null_deviance",
            "metrics",
            "calibration",
            "roc",
        ] {
            assert!(report[key].is_null(), "{key}");
        }
        // The first round's likelihood is that of the model without any column.
        let [first, second] = [&report["history"][0], &report["history"][1]];
        assert!(
            first["objective"].is_null() && first["loglik"].is_null(),
            "{first}"
        );
        assert!(second["objective"].is_number(), "{second}");
    }
}

#[test]
fn trees_say_what_was_held_out_and_how_to_predict() {
    let outcome = run::trees(gbdt::Loss::Logistic, 0.3);
    let Outcome::Gbdt(model) = &outcome else {
        unreachable!()
    };
    let report = read("gbdt", &outcome);
    assert_eq!(report["measured_on"], "held_out");
    assert_eq!(report["rows_held_out"], model.held);
    assert_eq!(
        report["seed"],
        model.seed.hex(),
        "with it one table gives the same trees"
    );
    let Fit::Classes { metrics, .. } = &model.fit else {
        unreachable!()
    };
    same(&report["metrics"]["auc"], metrics.auc);
    same(
        &report["history"][1]["held_out_loss"],
        model.history[1].held_out.unwrap(),
    );
    same(&report["importance"][0]["gain"], model.importance[0].1);
    same(&report["model"]["base"], model.base);
    assert!(
        report["model"]["tensors"]["node_edge"].is_string()
            && report["model"]["predict"].is_string()
    );
    assert!(
        report["calibration"]
            .as_array()
            .unwrap()
            .iter()
            .all(|bin| bin["rows"].as_u64() >= Some(5))
    );
    let report = read("gbdt-number", &run::trees(gbdt::Loss::Squared, 0.0));
    assert_eq!(report["measured_on"], "training");
    assert!(report["metrics"]["rmse"].is_number() && report["metrics"]["r_squared"].is_number());
    assert!(
        report["roc"].is_null()
            && report["events"].is_null()
            && report["history"][0]["held_out_loss"].is_null()
    );
}

#[test]
fn a_count_says_between_which_numbers_the_truth_lies() {
    let report = read("count", &run::rounded());
    // Nine sites rounded to tens (down by up to 4, up by up to 5), one has 0 to 4.
    let rows = &report["rows"];
    assert_eq!(
        (rows["rounded"].as_u64(), rows["sites_below"].as_u64()),
        (Some(9380), Some(1))
    );
    assert_eq!(
        (rows["true_low"].as_u64(), rows["true_high"].as_u64()),
        (Some(9335), Some(9380 + 36 + 4))
    );
    let events = &report["events"];
    assert_eq!(
        (events["true_low"].as_u64(), events["true_high"].as_u64()),
        (Some(755), Some(9420 - 35))
    );
    assert_eq!(events["true_high_if_few"], 790 + 28 + 12);
    let context = Context {
        parameters: Vec::new(),
        ..run::context("count")
    };
    let report: Value =
        serde_json::from_str(&sample::report(&*sample::shown(&run::rounded()), &context)).unwrap();
    assert!(report["rows"]["true_low"].is_null() && report["rows"]["rounded"] == 9380);
}

#[test]
fn a_network_for_a_number_has_its_errors_and_history() {
    let outcome = run::network();
    let Outcome::FedAvg(Averaged::Number(model)) = &outcome else {
        unreachable!()
    };
    let report = read("fednumber", &outcome);
    same(&report["metrics"]["mse"], model.mse);
    same(&report["metrics"]["r_squared"], model.r_squared.unwrap());
    same(&report["history"][2]["loss"], model.history[2].loss);
    assert!(report["history"][0]["auc"].is_null());
    assert_eq!(report["layers"][0]["name"], "standardise.mean");
}

#[test]
fn a_summary_has_histograms_quantiles_and_a_table_and_withheld_cells_are_null() {
    let outcome = run::distributions();
    let Outcome::Summary(summary) = &outcome else {
        unreachable!()
    };
    let details = summary.details.as_ref().unwrap();
    let report = read("distributions", &outcome);
    let age = &report["variables"][0];
    assert_eq!(age["histogram"]["edges"].as_array().unwrap().len(), 13);
    assert_eq!(age["histogram"]["rows"].as_array().unwrap().len(), 12);
    same(
        &age["quantiles"][1]["estimate"],
        details.distributions[0].quantiles[1].estimate,
    );
    assert!(
        age["max"]["estimate"].is_null(),
        "it lies outside the edges"
    );
    let delay = &report["variables"][3]["max"]["estimate"];
    same(
        delay,
        details.distributions[2]
            .extremes
            .as_ref()
            .unwrap()
            .1
            .estimate,
    );
    assert!(
        report["variables"][1]["histogram"].is_null()
            && report["variables"][1]["quantiles"].is_null()
    );
    let table = &report["by_group"];
    assert_eq!(table["levels"][2]["name"], "<i>C</i>");
    same(&table["variables"][0]["cells"][0]["mean"], {
        let Cell::Number { mean, .. } = details.table.as_ref().unwrap().lines[0].cells[0] else {
            unreachable!()
        };
        mean
    });
    assert_eq!(table["variables"][0]["test"]["name"], "anova F");
    // Four patients of all have it.
    let rare = &table["variables"][5];
    assert!(
        rare["cells"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|cell| cell.is_null())
            .count()
            >= 2,
        "{rare}"
    );
    assert!(report["variables"][5]["mean"].is_null());
    // No count of the file is from 1 to 4.
    let counts = report["variables"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|variable| {
            let histogram = &variable["histogram"];
            let rows = histogram["rows"].as_array().cloned().unwrap_or_default();
            rows.into_iter()
                .chain([histogram["below"].clone(), histogram["above"].clone()])
        });
    assert!(
        counts
            .filter_map(|count| count.as_u64())
            .all(|count| count == 0 || count >= 5)
    );
}
