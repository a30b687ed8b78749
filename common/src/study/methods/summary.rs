//! `summary` and `count`: what is there, before anything is explained.

use super::{levels, numbers};
use motet_recipes::data::Data;
use motet_recipes::{Count, Details, Recipe, Scale, Summary};
use motet_toml::{Checked, Keys, float};
use toml::Value;

pub(super) fn read(keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    let columns = data.columns();
    let asks = ["edges", "quantiles", "extremes"]
        .iter()
        .any(|key| keys.given(key))
        || data.group.is_some();
    if !asks {
        return Ok(Recipe::from(Summary::new(columns)));
    }
    let mut scales = categories(data);
    edges(keys, data, &columns, &mut scales)?;
    if !keys.given("edges") && (keys.given("quantiles") || keys.given("extremes")) {
        let key = if keys.given("quantiles") {
            "quantiles"
        } else {
            "extremes"
        };
        let problem = format!("`{key}` are looked for between edges, and no column has any");
        return keys.refuse(
            key,
            problem,
            "write edges = { age = { from = 0, to = 120, bins = 24 } }",
        );
    }
    let details = Details {
        quantiles: keys.numbers("quantiles")?,
        tolerance: keys.number("quantile_tolerance", 0.001, 1e-9..=0.5)?,
        extremes: keys.flag("extremes", false)?,
        levels: data
            .group
            .as_ref()
            .map(|group| levels(data, group))
            .unwrap_or_default(),
        min_cell: keys.whole("min_cell", 5, 1..=1000)?,
        ..Details::new(scales)
    };
    Ok(Recipe::from(Summary {
        columns,
        details: Some(details),
    }))
}

/// A scale a column: those of a category share a number, in the order of the features.
fn categories(data: &Data) -> Vec<Scale> {
    let of = |(at, feature): (usize, &String)| match data.levels_of(feature) {
        Some(levels) => vec![Scale::level(u32::try_from(at).unwrap_or(u32::MAX)); levels.len() - 1],
        None => vec![Scale::default()],
    };
    data.features.iter().enumerate().flat_map(of).collect()
}

/// `edges = { age = [0, 20, 40, 60, 80, 120], sbp = { from = 60, to = 300, bins = 24 }, male = "yes
/// or no" }`.
fn edges(
    keys: &mut Keys<'_>,
    data: &Data,
    columns: &[String],
    scales: &mut [Scale],
) -> Checked<()> {
    let numbers: Vec<&str> = data
        .features
        .iter()
        .filter(|feature| data.levels_of(feature).is_none())
        .map(String::as_str)
        .collect();
    let Some(table) = keys.table("edges", &numbers)? else {
        return Ok(());
    };
    for (name, value) in table {
        let wrong = || {
            let fix = "write a list of rising numbers, { from = 0, to = 120, bins = 24 }, or \"yes or no\"";
            keys.refuse("edges", format!("`edges.{name}` is no scale"), fix)
        };
        let at = columns.iter().position(|column| column == name);
        let Some(scale) = at.and_then(|at| scales.get_mut(at)) else {
            return wrong();
        };
        *scale = match value {
            Value::Array(list) => match list.iter().map(float).collect::<Option<Vec<f64>>>() {
                Some(edges) => Scale {
                    edges: edges.iter().map(|edge| edge + 0.0).collect(),
                    category: None,
                },
                None => return wrong(),
            },
            Value::Table(table) => {
                let number = |key: &str| table.get(key).and_then(float);
                let bins = table
                    .get("bins")
                    .and_then(Value::as_integer)
                    .and_then(|bins| u32::try_from(bins).ok());
                match (number("from"), number("to"), bins, table.len()) {
                    (Some(low), Some(high), Some(bins), 3)
                        if (1..=1024).contains(&bins) && low < high =>
                    {
                        Scale::equal(low, high, bins)
                    }
                    _ => return wrong(),
                }
            }
            Value::String(text) if text == "yes or no" => Scale::level(
                u32::try_from(data.features.len() + at.unwrap_or(0)).unwrap_or(u32::MAX),
            ),
            _ => return wrong(),
        };
    }
    Ok(())
}

pub(super) fn read_count(keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    let usual = Count::new(data.outcome.clone());
    Ok(Recipe::from(Count {
        multiple: keys.whole("multiple", usual.multiple, 1..=1000)?,
        min_cell: keys.whole("min_cell", usual.min_cell, 1..=1000)?,
        ..usual
    }))
}

pub(super) fn write(recipe: &Summary, data: &Data) -> Vec<String> {
    let Some(details) = &recipe.details else {
        return Vec::new();
    };
    let first = u32::try_from(data.features.len()).unwrap_or(u32::MAX);
    let scale = |(column, scale): (&String, &Scale)| match (scale.edges.is_empty(), scale.category)
    {
        (false, _) => Some(format!("{column} = {}", numbers(&scale.edges))),
        (true, Some(category)) if category >= first => Some(format!("{column} = \"yes or no\"")),
        _ => None,
    };
    let scales: Vec<String> = recipe
        .columns
        .iter()
        .zip(&details.scales)
        .filter_map(scale)
        .collect();
    let mut lines = Vec::new();
    if !scales.is_empty() {
        lines.push(format!("edges = {{ {} }}", scales.join(", ")));
    }
    lines.extend([
        format!("quantiles = {}", numbers(&details.quantiles)),
        format!("quantile_tolerance = {:?}", details.tolerance),
        format!("extremes = {}", details.extremes),
        format!("min_cell = {}", details.min_cell),
    ]);
    lines
}

pub(super) fn write_count(recipe: &Count) -> Vec<String> {
    vec![
        format!("multiple = {}", recipe.multiple),
        format!("min_cell = {}", recipe.min_cell),
    ]
}

pub(super) fn adds_up(recipe: &Summary) -> String {
    let mut text = "counts, missing values, means and variances of the columns".to_owned();
    if let Some(details) = &recipe.details {
        if details.scales.iter().any(|scale| !scale.edges.is_empty()) {
            text.push_str("; histograms, and counts in ever narrower bins around the quantiles");
        }
        if !details.levels.is_empty() {
            text.push_str(
                "; for each group counts, means and variances, and how many have each yes/no column",
            );
        }
    }
    text
}

pub(super) fn shows(recipe: &Summary) -> Vec<String> {
    let Some(details) = &recipe.details else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "cells of fewer than {} patients are left out of what researchers receive; operators and the sites of the roster can read the sum itself",
        details.min_cell
    )];
    if details.extremes {
        lines.push(
            "ATTENTION: the smallest and the largest value of columns are looked for: each is one patient's"
                .to_owned(),
        );
    }
    lines
}

pub(super) fn count_adds_up(recipe: &Count) -> String {
    format!(
        "the number of your patients{}, rounded at your site to a multiple of {}; fewer than {} are said as none",
        if recipe.outcome.is_some() {
            " and of those with the outcome"
        } else {
            ""
        },
        recipe.multiple,
        recipe.min_cell
    )
}

pub(super) fn vectors(recipe: &Summary) -> Vec<(&'static str, usize)> {
    let columns = recipe.columns.len();
    let Some(details) = &recipe.details else {
        return vec![("counts and sums", 3 * columns), ("spread", 2 * columns)];
    };
    let histograms: usize = details
        .scales
        .iter()
        .filter(|s| !s.edges.is_empty())
        .map(|s| s.edges.len() + 1)
        .sum();
    let groups = details.levels.len();
    let levels = details
        .scales
        .iter()
        .filter(|scale| scale.category.is_some())
        .count();
    let scaled = details
        .scales
        .iter()
        .filter(|scale| !scale.edges.is_empty())
        .count();
    let windows = scaled * (details.quantiles.len() + if details.extremes { 2 } else { 0 });
    let mut steps = vec![
        (
            "counts and sums",
            3 * columns + histograms + groups * (1 + 2 * columns + levels),
        ),
        ("spread", 2 * (columns + groups * columns)),
    ];
    if windows > 0 {
        steps.push(("windows around the quantiles", 64 * windows));
    }
    steps
}

pub(super) fn count_vectors(recipe: &Count) -> Vec<(&'static str, usize)> {
    vec![("counts", if recipe.outcome.is_some() { 4 } else { 2 })]
}
