//! Studies behind a first round, over the heart tables with one more column.

use super::{HEART_COLUMNS, Site, heart, names, round};
use motet_recipes::{Category, Census, Explained, Glm, Grouping, Recipe};
use motet_secagg::digest::Digest;

pub fn census(columns: &[&str], outcome: Option<Explained>) -> Census {
    Census {
        columns: names(columns),
        categories: Vec::new(),
        outcome,
        time: None,
        offset: None,
        weight: None,
        group: None,
        min_sites: 3,
        spare: 0,
        min_cell: 5,
        cell: 5,
        crosses: true,
        pairs: true,
    }
}

pub fn yes_no() -> Option<Explained> {
    Some(Explained::YesNo("y".into()))
}

pub fn grouping(column: &str, levels: &[&str]) -> Grouping {
    Grouping {
        column: column.into(),
        levels: names(levels),
    }
}

pub fn heart_census() -> Census {
    let category = |of, first| Category { of, first };
    Census {
        categories: vec![
            category(grouping("cp", &["1", "2", "3", "4"]), 8),
            category(grouping("restecg", &["0", "1", "2"]), 11),
        ],
        ..census(&HEART_COLUMNS, yes_no())
    }
}

pub fn plain_heart() -> Recipe {
    Recipe::from(Glm::logistic(names(&HEART_COLUMNS), "y".into()))
}

/// The heart tables with one more column.
pub fn with(more: impl Fn(usize, usize) -> f64) -> Vec<Site> {
    let longer = |(at, site): (usize, &Site)| {
        let line = |(row, mut line): (usize, Vec<f64>)| {
            line.insert(line.len() - 1, more(at, row));
            line
        };
        let lines: Vec<Vec<f64>> = site.lines().into_iter().enumerate().map(line).collect();
        Site::new(&site.name, &lines)
    };
    heart().iter().enumerate().map(longer).collect()
}

pub fn columns_with(more: &'static str) -> Vec<&'static str> {
    HEART_COLUMNS.iter().copied().chain([more]).collect()
}

/// Runs it; the run has one round and ends with this.
pub fn ends(recipe: &Recipe, sites: &[Site], words: &str) {
    let all: Vec<&Site> = sites.iter().collect();
    let start = recipe.start(Digest([3; 32]));
    assert_eq!(start.progress().phase, "census");
    let state = round(recipe, &start, &all).unwrap().unwrap();
    assert!(
        state.stuck() && recipe.ask(&state, 4).unwrap().is_none(),
        "{words}: more is asked"
    );
    let error = recipe.outcome(&state).unwrap_err().to_string();
    assert!(error.starts_with(words), "{error}");
}

/// Cholesterol is 0 for all of the third hospital: gives its patients one.
pub fn vary_cholesterol(sites: &mut [Site]) {
    for site in sites {
        let mut values = site.x.column_mut(3);
        if values.iter().all(|value| *value == 0.0) {
            let rows = values.iter_mut().enumerate();
            rows.for_each(|(row, value)| *value = 180.0 + (row % 90) as f64);
        }
    }
}
