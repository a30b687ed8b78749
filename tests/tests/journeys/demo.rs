//! `motet demo`, as a newcomer types it, with one hospital lost in each phase: the run completes by
//! the protocol's rule, and the report equals the pooled fit of exactly the sites it names. (The
//! demo itself fits the pooled table and prints how many digits agree; here its JSON is held
//! against the bound.)
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::study::Study;
use motet_data::{Cohort, Schema, Table};
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Outcome, Rows};
use motet_tests::consortium::demo_file;
use ndarray::{Axis, concatenate};
use rand_core::SeedableRng as _;
use serde_json::Value;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");

/// Runs the demo and gives its summary, its report.json and its folder.
fn demo(arguments: &[&str]) -> (Value, Value, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("demo");
    let output = Command::new(PROGRAM)
        .arg("demo")
        .args(arguments)
        .args(["--json", "--out", out.to_str().unwrap()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "demo {arguments:?}: {errors}");
    let exact = if arguments.contains(&"breast") {
        "cox"
    } else {
        "logistic"
    };
    let report = std::fs::read(out.join(exact).join("report.json")).unwrap();
    (
        serde_json::from_slice(&output.stdout).unwrap(),
        serde_json::from_slice(&report).unwrap(),
        dir,
    )
}

/// One fit over one table with the rows of these sites, made here from the files the demo ships.
fn pooled(scene: &str, sites: &[String]) -> GlmOutcome {
    let read = |name: &str| std::fs::read_to_string(demo_file(&format!("{scene}/{name}"))).unwrap();
    let (schema, study) = (
        Schema::parse(&read("schema.toml")).unwrap(),
        Study::parse(&read("logistic.toml")).unwrap(),
    );
    let cohort = |site: &String| {
        let file = demo_file(&format!("{scene}/{site}.csv"));
        Cohort::of(&Table::open(&file, &schema, study.reads()).unwrap(), &study).unwrap()
    };
    let cohorts: Vec<Cohort> = sites.iter().map(cohort).collect();
    let x: Vec<_> = cohorts.iter().map(|cohort| cohort.x.view()).collect();
    let y: Vec<_> = cohorts
        .iter()
        .map(|cohort| cohort.y.as_ref().unwrap().view())
        .collect();
    let (x, y) = (
        concatenate(Axis(0), &x).unwrap(),
        concatenate(Axis(0), &y).unwrap(),
    );
    let rows = Rows::new(x.view()).outcome(y.view());
    match study
        .recipe
        .alone(&rows, &mut rand_chacha::ChaCha20Rng::from_seed([0; 32]))
        .unwrap()
    {
        Outcome::Glm(fit) => fit,
        _ => unreachable!("a logistic study"),
    }
}

fn close(what: &str, found: &Value, reference: f64) {
    let distance = (found.as_f64().unwrap() - reference).abs();
    assert!(
        distance <= 1e-8 * (1.0 + reference.abs()),
        "{what}: {found} and {reference} differ by {distance:e}"
    );
}

fn assert_pooled(scene: &str, report: &Value) -> Vec<String> {
    let sites: Vec<String> = report["site_names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    let fit = pooled(scene, &sites);
    assert_eq!(report["rows"].as_u64().unwrap(), fit.rows);
    for (found, reference) in report["coefficients"]
        .as_array()
        .unwrap()
        .iter()
        .zip(&fit.coefficients)
    {
        assert_eq!(found["name"].as_str().unwrap(), reference.name);
        close(&reference.name, &found["estimate"], reference.estimate);
        let known = reference.uncertainty.as_ref().unwrap();
        close(&reference.name, &found["se"], known.se);
    }
    close("loglik", &report["loglik"], fit.loglik.unwrap());
    sites
}

fn assert_reference(report: &Value, reference: &str) {
    let reference: Value = serde_json::from_str(reference).unwrap();
    for (index, found) in report["coefficients"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let name = found["name"].as_str().unwrap();
        assert_eq!(name, reference["features"][index].as_str().unwrap());
        close(
            name,
            &found["estimate"],
            reference["coef"][index].as_f64().unwrap(),
        );
        close(name, &found["se"], reference["se"][index].as_f64().unwrap());
    }
    close(
        "loglik",
        &report["loglik"],
        reference["loglik"].as_f64().unwrap(),
    );
}

#[test]
fn ten_countries_equal_the_published_pooled_fit_and_averaging_learns() {
    let (demo, report, dir) = demo(&[]);
    assert_eq!(
        (report["sites"].as_u64(), report["rows"].as_u64()),
        (Some(10), Some(9381))
    );
    assert_reference(
        &report,
        include_str!("../../../common/recipes/tests/reference/stroke_logistic.json"),
    );
    assert_eq!(demo["verified"], true);
    let averaged = std::fs::read(dir.path().join("demo/fedavg/report.json")).unwrap();
    let averaged: Value = serde_json::from_slice(&averaged).unwrap();
    let losses: Vec<f64> = averaged["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|epoch| epoch["loss"].as_f64().unwrap())
        .collect();
    assert!(
        losses.len() >= 10 && losses[..10].is_sorted_by(|a, b| a > b),
        "{losses:?}"
    );
}

#[test]
fn four_heart_hospitals_equal_the_published_fit_of_740_rows() {
    let (_, report, _dir) = demo(&["heart"]);
    assert_eq!(
        (report["sites"].as_u64(), report["rows"].as_u64()),
        (Some(4), Some(740))
    );
    assert_reference(
        &report,
        include_str!("../../../common/recipes/tests/reference/heart_logistic.json"),
    );
}

#[test]
fn six_regions_have_the_survival_of_one_table_and_a_curve() {
    let (demo, report, dir) = demo(&["breast"]);
    assert_eq!(
        (report["sites"].as_u64(), report["rows"].as_u64()),
        (Some(6), Some(1088))
    );
    assert_eq!(
        (report["recipe"].as_str(), report["events"].as_u64()),
        (Some("cox"), Some(151))
    );
    assert_eq!(demo["verified"], true);
    for figure in ["estimates", "errors", "loglik"] {
        assert!(
            demo["agreement"][figure].as_u64().unwrap() >= 9,
            "{}",
            demo["agreement"]
        );
    }
    let curve = std::fs::read_to_string(dir.path().join("demo/km/survival.svg")).unwrap();
    assert!(
        curve.contains("<svg") && curve.contains("1,088 patients"),
        "{curve}"
    );
}

fn lose(phase: &str) {
    let (demo, report, _dir) = demo(&["--drop", &format!("ITAL@{phase}")]);
    let sites = assert_pooled("stroke", &report);
    assert!(
        !sites.iter().any(|site| site == "ITAL"),
        "ITAL stays dead: {sites:?}"
    );
    assert_eq!((sites.len(), demo["verified"].as_bool()), (9, Some(true)));
}

#[test]
fn a_site_lost_while_sharing_is_left_out_and_the_others_finish() {
    lose("share");
}

#[test]
fn a_site_lost_while_uploading_is_unmasked_by_the_others_and_they_finish() {
    lose("upload");
}

#[test]
fn a_site_lost_while_signing_counts_in_that_round_and_the_others_finish() {
    lose("sign");
}

#[test]
fn a_site_lost_while_revealing_counts_in_that_round_and_the_others_finish() {
    lose("reveal");
}
