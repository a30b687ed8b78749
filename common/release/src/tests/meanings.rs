//! What columns mean, in every file of a folder.

use super::{build, sample};
use crate::{Column, Context, Level};
use motet_recipes::Outcome;
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;

fn said(name: &str, label: &str) -> Column {
    Column {
        name: name.to_owned(),
        label: Some(label.to_owned()),
        ..Column::default()
    }
}

fn level(level: &str, label: Option<&str>) -> Level {
    Level {
        level: level.to_owned(),
        label: label.map(str::to_owned),
    }
}

/// The context of the sample whose study says what some columns mean.
fn context() -> Context {
    Context {
        columns: vec![
            said("dead14", "Death within 14 days"),
            Column {
                unit: Some("a".to_owned()),
                per: Some(10.0),
                range: Some((15.0, 110.0)),
                ..said("age", "Age")
            },
            Column {
                unit: Some("mm[Hg]".to_owned()),
                substance: None,
                ..said("sbp", "Systolic <pressure>")
            },
            Column {
                levels: vec![level("no", Some("awake")), level("ct", Some("seen"))],
                reference: Some("no".to_owned()),
                ..said("infarct", "Infarct")
            },
        ],
        ..sample::context()
    }
}

fn folder(outcome: &Outcome, context: &Context) -> BTreeMap<String, Vec<u8>> {
    build(outcome, context).unwrap().into_iter().collect()
}

fn text(folder: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    String::from_utf8(folder[name].clone()).unwrap()
}

#[test]
fn labels_units_levels_and_reference_stand_in_card_report_and_model() {
    let folder = folder(&sample::logistic(), &context());
    let card = text(&folder, "card.md");
    for line in [
        "## What the columns mean",
        "| `age` | Age | `a` | 15 to 110 |  |",
        "| `sbp` | Systolic &lt;pressure&gt; | `mm[Hg]` |  |  |",
        "| `infarct` | Infarct |  |  | `no` awake (reference), `ct` seen |",
    ] {
        assert!(card.contains(line), "{line}\n{card}");
    }
    let report: Value = serde_json::from_str(&text(&folder, "report.json")).unwrap();
    assert_eq!(report["columns"][1]["unit"], "a");
    assert_eq!(report["columns"][1]["range"][1], 110.0);
    assert_eq!(report["columns"][3]["levels"][1]["label"], "seen");
    assert_eq!(report["columns"][3]["reference"], "no");
    let (_, header) = SafeTensors::read_metadata(&folder["model.safetensors"]).unwrap();
    let metadata = header.metadata().clone().unwrap();
    let columns: Value = serde_json::from_str(&metadata["columns"]).unwrap();
    assert_eq!(columns, report["columns"]);
}

#[test]
fn an_effect_is_told_for_the_step_of_the_study_and_the_coefficient_stays_that_of_one_unit() {
    let Outcome::Glm(fit) = sample::logistic() else {
        unreachable!()
    };
    let age = fit.coefficients.iter().find(|of| of.name == "age").unwrap();
    let folder = folder(&sample::logistic(), &context());
    let report: Value = serde_json::from_str(&text(&folder, "report.json")).unwrap();
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1);
    let step = &steps[0];
    assert_eq!((&step["name"], &step["unit"]), (&"age".into(), &"a".into()));
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!(number(&step["estimate"]), 10.0 * age.estimate);
    assert!((number(&step["ratio"]) - libm::exp(10.0 * age.estimate)).abs() < 1e-12);
    let known = age.uncertainty.as_ref().unwrap();
    assert_eq!(number(&step["ci_high"]), 10.0 * known.ci_high);
    assert_eq!(number(&report["coefficients"][1]["estimate"]), age.estimate);
    // exp(10 * 0.03535541982433427) = 1.424
    let card = text(&folder, "card.md");
    assert!(card.contains("| `age` | 10 years | 1.424 | "), "{card}");
    assert!(
        card.contains("| Variable | Step | Odds ratio | 95% CI |"),
        "{card}"
    );
}

#[test]
fn pictures_call_variables_by_their_labels_and_draw_the_step() {
    let folder = folder(&sample::logistic(), &context());
    let forest = text(&folder, "forest.svg");
    for words in [
        "Odds ratios for Death within 14 days",
        "Age (per 10 years)",
        "Systolic &lt;pressure&gt; (mmHg)",
        "per the step beside a name",
        "\n1.42 (1.31-1.55)\n",
        "\ndelay_h\n",
    ] {
        assert!(forest.contains(words), "{words}\n{forest}");
    }
    assert!(!forest.contains("1.04 (1.03"), "that of one year");
}

#[test]
fn a_level_is_called_with_the_one_it_stands_against() {
    let context = context();
    assert_eq!(context.called("infarct_ct"), "Infarct: seen against awake");
    assert_eq!(context.called("infarct_other"), "infarct_other");
    assert_eq!(context.called("ns(age)[50]"), "ns(age)[50]");
    assert_eq!(context.called("male"), "male");
}

#[test]
fn a_study_that_says_nothing_has_a_folder_without_the_section() {
    let folder = folder(&sample::logistic(), &sample::context());
    assert!(!text(&folder, "card.md").contains("What the columns mean"));
    let report: Value = serde_json::from_str(&text(&folder, "report.json")).unwrap();
    assert_eq!(report["steps"].as_array().unwrap().len(), 0);
}

#[test]
fn an_axis_of_time_has_the_label_and_the_unit_of_the_study() {
    let mut context = context();
    context.survival.time = "days".to_owned();
    assert_eq!(context.time_axis(), "Time (days)");
    context.columns.push(Column {
        unit: Some("mo".to_owned()),
        ..said("days", "Time since diagnosis")
    });
    assert_eq!(context.time_axis(), "Time since diagnosis (months)");
}
