//! Counts, means and variances over sites against reference figures.

use crate::common::*;
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::{Outcome, Recipe, Summary};

fn summary(columns: &[&str], sites: &[Site]) -> SummaryOutcome {
    match run(&Recipe::from(Summary::new(names(columns))), sites) {
        Ok(Outcome::Summary(outcome)) => outcome,
        other => panic!("no summary: {other:?}"),
    }
}

fn agrees_with_reference(data: &str, sites: &[&str], columns: &[&str]) {
    let want = reference(&format!("{data}_summary"));
    let cut = |site: &&str| {
        let (header, rows) = table(data, site);
        let at = |column: &&str| header.iter().position(|name| name == column).unwrap();
        let pick = |row: &Vec<f64>| {
            columns
                .iter()
                .map(|column| row[at(column)])
                .chain([0.0])
                .collect()
        };
        Site::new(site, &rows.iter().map(pick).collect::<Vec<Vec<f64>>>())
    };
    let outcome = summary(columns, &sites.iter().map(cut).collect::<Vec<_>>());
    assert_eq!((outcome.rounds, outcome.sites as usize), (2, sites.len()));
    for variable in &outcome.variables {
        let want = &want[&variable.name];
        assert_eq!(
            variable.count,
            want["n"].as_u64().unwrap(),
            "{}",
            variable.name
        );
        assert_eq!(
            variable.missing,
            want["missing"].as_u64().unwrap(),
            "{}",
            variable.name
        );
        assert_close(
            variable.mean,
            want["mean"].as_f64().unwrap(),
            &variable.name,
        );
        assert_close(
            variable.variance,
            want["var"].as_f64().unwrap(),
            &variable.name,
        );
    }
}

#[test]
fn ten_countries_and_four_hospitals_give_the_figures_of_one_table() {
    agrees_with_reference("stroke", &STROKE, &["age", "delay_h", "sbp", "n_deficits"]);
    agrees_with_reference(
        "heart",
        &HEART,
        &["age", "trestbps", "chol", "thalach", "oldpeak"],
    );
}

#[test]
fn a_column_without_values_has_no_mean_and_one_value_no_variance() {
    let nan = f64::NAN;
    let sites = [
        Site::new("a", &[vec![nan, nan, 1e9 + 1.0, 0.0]]),
        Site::new("b", &[vec![nan, 4.0, 1e9 + 3.0, 0.0]]),
    ];
    let outcome = summary(&["none", "one", "two"], &sites);
    let [none, one, two] = outcome.variables.as_slice() else {
        panic!("three variables")
    };
    assert!(none.mean.is_nan() && none.variance.is_nan() && (none.count, none.missing) == (0, 2));
    assert!(one.mean == 4.0 && one.variance.is_nan() && (one.count, one.missing) == (1, 1));
    assert!(two.mean == 1e9 + 2.0 && two.variance == 2.0 && (two.count, two.missing) == (2, 0));
}

#[test]
fn a_changed_set_begins_again() {
    let sites = [1.0, 2.0, 6.0].map(|value| {
        Site::new(
            &value.to_string(),
            &[vec![value, 0.0], vec![value + 1.0, 0.0]],
        )
    });
    let recipe = Recipe::from(Summary::new(names(&["a"])));
    let Ok(Outcome::Summary(outcome)) = run_with(&recipe, |round| {
        sites.iter().take(if round < 1 { 3 } else { 2 }).collect()
    }) else {
        panic!("no summary")
    };
    assert_eq!((outcome.rounds, outcome.sites), (4, 2));
    assert_eq!(
        (outcome.variables[0].count, outcome.variables[0].mean),
        (4, 2.0)
    );
}
