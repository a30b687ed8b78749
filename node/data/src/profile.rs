//! What a steward looks at before approving a study: each
//! column's type, missing values and spread. It stays at the
//! site, whose own rows these are: counts are whole, and a
//! sentence under the table says that it is not to be mailed.

use crate::dates::written;
use crate::schema::Kind;
use crate::table::{Series, Table};
use crate::value::Cell;
use serde::Serialize;
use std::fmt;

/// Digits of a mean, a standard deviation and the ends of a
/// range.
const DIGITS: i32 = 4;
const STAYS: &str =
    "its counts are this site's own and whole: it stays here, and is not to be mailed";

/// A dataset at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// The dataset's name.
    pub dataset: String,
    /// Rows, second rows of a patient not counted.
    pub rows: u64,
    /// One entry for each column of the table, in the schema's
    /// order.
    pub columns: Vec<ColumnProfile>,
}

/// A column at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnProfile {
    /// The declared name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// UCUM code of its values.
    pub unit: Option<String>,
    /// Rows without a value.
    pub missing: u64,
    /// The same as a share of the rows.
    pub missing_share: f64,
    /// What the values are like.
    #[serde(flatten)]
    pub values: Values,
}

/// The values of a column, numbers in four digits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// No known value.
    None {},
    /// Numbers, in the column's unit; the standard deviation
    /// divides by n - 1.
    Numbers {
        /// Arithmetic mean.
        mean: f64,
        /// Standard deviation; none of one value.
        sd: Option<f64>,
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Days.
    Days {
        /// First day.
        earliest: String,
        /// Last day.
        latest: String,
    },
    /// How often each level occurs.
    Levels {
        /// In the schema's order.
        levels: Vec<LevelCount>,
    },
}

/// A level and how often it occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LevelCount {
    /// The level; `false` and `true` for a yes/no column.
    pub level: String,
    /// Its rows.
    pub count: u64,
}

/// Looks at every column of the table.
pub fn profile(table: &Table) -> Profile {
    let columns = table
        .in_order()
        .map(|(name, series)| column(name, series, table.rows as u64))
        .collect();
    Profile {
        dataset: table.dataset.clone(),
        rows: table.rows as u64,
        columns,
    }
}

fn column(name: &str, series: &Series, rows: u64) -> ColumnProfile {
    let missing = series
        .cells
        .iter()
        .filter(|cell| matches!(cell, Cell::Missing))
        .count() as u64;
    let numbers: Vec<f64> = series
        .cells
        .iter()
        .filter_map(|cell| {
            if let Cell::Number(n) = cell {
                Some(n)
            } else {
                None
            }
        })
        .collect();
    let values = match &series.declared.kind {
        _ if rows == missing => Values::None {},
        Kind::Bool { .. } => Values::Levels {
            levels: vec![
                level(
                    "false",
                    series,
                    |cell| matches!(cell, Cell::Number(n) if *n == 0.0),
                ),
                level(
                    "true",
                    series,
                    |cell| matches!(cell, Cell::Number(n) if *n == 1.0),
                ),
            ],
        },
        Kind::Category { levels, .. } => Values::Levels {
            levels: (0_u32..)
                .zip(levels)
                .map(|(place, name)| {
                    level(
                        name,
                        series,
                        |cell| matches!(cell, Cell::Level(l) if *l == place),
                    )
                })
                .collect(),
        },
        Kind::Date => days(&numbers),
        Kind::Float | Kind::Int => spread(&numbers),
    };
    ColumnProfile {
        name: name.to_string(),
        kind: series.declared.kind.word(),
        unit: series.declared.unit.clone(),
        missing,
        missing_share: in_digits(missing as f64 / rows as f64),
        values,
    }
}

/// How many cells are of a level.
fn level(name: &str, series: &Series, is_of: impl Fn(&Cell) -> bool) -> LevelCount {
    LevelCount {
        level: name.to_string(),
        count: series.cells.iter().filter(|cell| is_of(cell)).count() as u64,
    }
}

/// A number in four digits; what is whole and longer stays whole.
fn in_digits(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let places = DIGITS - 1 - number.abs().log10().floor() as i32;
    let power = 10_f64.powi(places.clamp(0, 300));
    (number * power).round() / power
}

fn ends(numbers: &[f64]) -> (f64, f64) {
    numbers
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), n| {
            (low.min(*n), high.max(*n))
        })
}

fn spread(numbers: &[f64]) -> Values {
    let count = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / count;
    let squares: f64 = numbers
        .iter()
        .map(|number| (number - mean) * (number - mean))
        .sum();
    let (min, max) = ends(numbers);
    Values::Numbers {
        mean: in_digits(mean),
        sd: (numbers.len() > 1).then(|| in_digits((squares / (count - 1.0)).sqrt())),
        min: in_digits(min),
        max: in_digits(max),
    }
}

fn days(numbers: &[f64]) -> Values {
    let (first, last) = ends(numbers);
    Values::Days {
        earliest: written(first),
        latest: written(last),
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "dataset {}: {} rows", self.dataset, self.rows)?;
        // At least as wide as its title.
        let width = self
            .columns
            .iter()
            .fold("column".len(), |most, column| most.max(column.name.len()));
        writeln!(
            f,
            "{:width$}  {:8}  {:8}  {:>16}  values",
            "column", "type", "unit", "missing"
        )?;
        for column in &self.columns {
            let missing = format!("{} ({:.1} %)", column.missing, 100.0 * column.missing_share);
            let unit = column.unit.as_deref().unwrap_or("-");
            writeln!(
                f,
                "{:width$}  {:8}  {unit:8}  {missing:>16}  {}",
                column.name, column.kind, column.values
            )?;
        }
        writeln!(f, "{STAYS}")
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Values::None {} => f.write_str("none known"),
            Values::Numbers { mean, sd, min, max } => {
                let sd = sd.map_or_else(String::new, |sd| format!(", sd {sd}"));
                write!(f, "mean {mean}{sd}, {min} to {max}")
            }
            Values::Days { earliest, latest } => write!(f, "{earliest} to {latest}"),
            Values::Levels { levels } => {
                let levels: Vec<String> = levels
                    .iter()
                    .map(|level| format!("{}: {}", level.level, level.count))
                    .collect();
                f.write_str(&levels.join(", "))
            }
        }
    }
}
