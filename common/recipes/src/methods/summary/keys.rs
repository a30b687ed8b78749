//! The keys of `summary` in a study file, and its words on the card.

use super::{Details, Scale, Summary};
use crate::data::Data;
use crate::keyed::{Fineness, Keyed, Wanted, Wants};
use crate::written::{levels, numbers};
use motet_toml::{Checked, Keys, float};
use toml::Value;

impl Keyed for Summary {
    type Kind = ();

    const KINDS: &'static [(&'static str, ())] = &[("summary", ())];
    const WANTS: Wants = Wants {
        features: true,
        explained: Wanted::Nothing,
        group: true,
        sides: false,
    };

    fn kind(&self) {}

    fn read(_kind: (), keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let columns = data.columns();
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
                "write edges = { age = { from = 40, to = 90, bins = 5 } }",
            );
        }
        let details = Details {
            quantiles: keys.numbers("quantiles")?,
            tolerance: keys.number("quantile_tolerance", 0.001, 1e-9..=0.5)?,
            extremes: keys.flag("extremes", false)?,
            levels: match &data.group {
                Some(group) => levels(data, group),
                None => Vec::new(),
            },
            min_cell: keys.whole("min_cell", 5, 1..=1000)?,
            ..Details::new(scales)
        };
        Ok(Summary {
            columns,
            details: Some(details),
        })
    }

    fn write(&self, data: &Data) -> Vec<String> {
        let Some(details) = &self.details else {
            return Vec::new();
        };
        let first = own_category(data, 0);
        let scales: Vec<String> = self
            .columns
            .iter()
            .zip(&details.scales)
            .filter_map(
                |(column, scale)| match (scale.edges.is_empty(), scale.category) {
                    (false, _) => Some(format!("{column} = {}", numbers(&scale.edges))),
                    (true, Some(category)) if category >= first => {
                        Some(format!("{column} = \"yes or no\""))
                    }
                    _ => None,
                },
            )
            .collect();
        let mut lines = Vec::new();
        if !scales.is_empty() {
            lines.push(format!("edges = {{ {} }}", scales.join(", ")));
        }
        // They are looked for between edges.
        if details.scales.iter().any(|scale| !scale.edges.is_empty()) {
            lines.extend([
                format!("quantiles = {}", numbers(&details.quantiles)),
                format!("quantile_tolerance = {:?}", details.tolerance),
                format!("extremes = {}", details.extremes),
            ]);
        }
        lines.push(format!("min_cell = {}", details.min_cell));
        lines
    }

    fn adds_up(&self) -> String {
        let mut text = "counts, missing values, means and variances of the columns".to_owned();
        if let Some(details) = &self.details {
            if details.scales.iter().any(|scale| !scale.edges.is_empty()) {
                text.push_str(
                    "; histograms, and counts in ever narrower bins around the quantiles",
                );
            }
            if !details.levels.is_empty() {
                text.push_str(
                    "; for each group counts, means and variances, and how many have each yes/no column",
                );
            }
        }
        text
    }

    fn shows(&self) -> Vec<String> {
        let Some(details) = &self.details else {
            return Vec::new();
        };
        let mut lines = vec![format!(
            "cells of fewer than {} patients, and the mean of a yes/no column that so few have, \
             are left out of what researchers receive; \
             operators and the sites \
             of the roster can read the sum itself",
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

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        let columns = self.columns.len();
        let Some(details) = &self.details else {
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

    fn first_tells(&self, min_cell: u32, _least_sites: &str) -> Option<String> {
        Some(format!(
            "of a table it also asks whether any, and whether {min_cell} or \
             more, of your patients lack \
             a value of a column, in all and in \
             each group, or have a yes, a no or \
             the first level of \
             it in a group, and whether \
             any, and {min_cell} or more, are in each bin of a histogram"
        ))
    }

    fn explains_number(&self) -> bool {
        false
    }

    fn keeps_missing(&self) -> bool {
        true
    }

    fn fineness(&self) -> Fineness<'_> {
        let Some(details) = &self.details else {
            return Fineness::default();
        };
        let bins = details
            .scales
            .iter()
            .map(|scale| scale.edges.len().saturating_sub(1));
        Fineness {
            cell: Some(details.min_cell),
            bins: bins.max().filter(|bins| *bins > 0),
            extremes: details.extremes,
            ..Fineness::default()
        }
    }
}

/// A scale a column: those of a category share a number, in the order of the features.
fn categories(data: &Data) -> Vec<Scale> {
    (0_u32..)
        .zip(&data.features)
        .flat_map(|(at, feature)| match data.levels_of(feature) {
            Some(levels) => vec![Scale::level(at); levels.len() - 1],
            None => vec![Scale::default()],
        })
        .collect()
}

/// The number of a column that is a yes or no of its own: they come after the features, of which
/// there are no more than columns.
fn own_category(data: &Data, column: usize) -> u32 {
    (data.features.len() + column) as u32
}

/// `edges = { age = [0, 20, 40, 60, 80, 120], sbp = { from = 100, to = 220, bins = 6 }, male = "yes
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
        let mut of_columns = (0..).zip(columns).zip(scales.iter_mut());
        let Some(((at, _), scale)) = of_columns.find(|((_, column), _)| *column == name) else {
            return no_scale(keys, name);
        };
        *scale = match value {
            Value::Array(list) => match list.iter().map(float).collect::<Option<Vec<f64>>>() {
                Some(edges) => Scale {
                    edges: edges.iter().map(|edge| edge + 0.0).collect(),
                    category: None,
                },
                None => return no_scale(keys, name),
            },
            Value::Table(table) => {
                let bins = table
                    .get("bins")
                    .and_then(Value::as_integer)
                    .and_then(|bins| u32::try_from(bins).ok());
                let low = table.get("from").and_then(float);
                let high = table.get("to").and_then(float);
                match (low, high, bins, table.len()) {
                    (Some(low), Some(high), Some(bins), 3)
                        if (1..=1024).contains(&bins) && low < high =>
                    {
                        Scale::equal(low, high, bins)
                    }
                    _ => return no_scale(keys, name),
                }
            }
            Value::String(text) if text == "yes or no" => Scale::level(own_category(data, at)),
            _ => return no_scale(keys, name),
        };
    }
    Ok(())
}

fn no_scale<T>(keys: &Keys<'_>, name: &str) -> Checked<T> {
    let fix = "write a list of rising numbers, { from = 40, to = 90, bins = 5 }, or \"yes or no\"";
    keys.refuse("edges", format!("`edges.{name}` is no scale"), fix)
}
