//! What a steward looks at before approving a study: each column's type, missing values and spread.
//! It stays at the site; counts under five are shown as `<5` all the same, because profiles get
//! copied into mails.

use crate::dates::written;
use crate::schema::Kind;
use crate::table::{Series, Table};
use crate::value::Cell;
use serde::{Serialize, Serializer};
use std::fmt;

/// Counts from 1 to below this are not shown.
const SMALL: u64 = 5;

/// A dataset at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// The dataset's name.
    pub dataset: String,
    /// Rows, second rows of a patient not counted.
    pub rows: Count,
    /// One entry for each column of the table, by name.
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
    pub missing: Count,
    /// The same as a share of the rows, unless the count is small.
    pub missing_share: Option<f64>,
    /// What the values are like.
    #[serde(flatten)]
    pub values: Values,
}

/// The values of a column; nothing when fewer than five are known.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Values {
    /// Fewer than five known values.
    Few {},
    /// Numbers, in the column's unit; the standard deviation divides by n - 1.
    Numbers {
        /// Arithmetic mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
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
    pub count: Count,
}

/// A count that hides small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// None, or five and more.
    Exactly(u64),
    /// One to four.
    Few,
    /// Not shown, because the one small count beside it could be worked out from it.
    Hidden,
}

impl Count {
    fn of(count: u64) -> Self {
        if (1..SMALL).contains(&count) {
            Count::Few
        } else {
            Count::Exactly(count)
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count::Exactly(count) => f.pad(&count.to_string()),
            Count::Few => f.pad("<5"),
            Count::Hidden => f.pad("hidden"),
        }
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Count::Exactly(count) => serializer.serialize_u64(*count),
            other => serializer.collect_str(other),
        }
    }
}

/// Looks at every column of the table.
pub fn profile(table: &Table) -> Profile {
    let columns = table
        .columns
        .iter()
        .map(|(name, series)| column(name, series, table.rows as u64))
        .collect();
    Profile {
        dataset: table.dataset.clone(),
        rows: Count::of(table.rows as u64),
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
                Some(*n)
            } else {
                None
            }
        })
        .collect();
    let values = match &series.declared.kind {
        _ if rows - missing < SMALL => Values::Few {},
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
    let mut count = Count::of(missing);
    let mut values = values;
    if let Values::Levels { levels } = &mut values {
        shield(
            std::iter::once(&mut count)
                .chain(levels.iter_mut().map(|level| &mut level.count))
                .collect(),
        );
    }
    ColumnProfile {
        name: name.to_string(),
        kind: series.declared.kind.word(),
        unit: series.declared.unit.clone(),
        missing: count,
        missing_share: matches!(count, Count::Exactly(_)).then(|| missing as f64 / rows as f64),
        values,
    }
}

/// How many cells are of a level.
fn level(name: &str, series: &Series, is_of: impl Fn(&Cell) -> bool) -> LevelCount {
    LevelCount {
        level: name.to_string(),
        count: Count::of(series.cells.iter().filter(|cell| is_of(cell)).count() as u64),
    }
}

/// Counts that add up to the rows: one small count alone would follow from the others, so the
/// smallest of them goes too.
fn shield(counts: Vec<&mut Count>) {
    if counts.iter().filter(|count| ***count == Count::Few).count() != 1 {
        return;
    }
    let smallest = counts
        .into_iter()
        .filter_map(|count| match count {
            Count::Exactly(rows @ 1..) => Some((*rows, count)),
            _ => None,
        })
        .min_by_key(|(rows, _)| *rows);
    if let Some((_, smallest)) = smallest {
        *smallest = Count::Hidden;
    }
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
        mean,
        sd: (squares / (count - 1.0)).sqrt(),
        min,
        max,
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
            let share = column
                .missing_share
                .map_or_else(String::new, |share| format!(" ({:.1} %)", 100.0 * share));
            let missing = format!("{}{share}", column.missing);
            let unit = column.unit.as_deref().unwrap_or("-");
            writeln!(
                f,
                "{:width$}  {:8}  {unit:8}  {missing:>16}  {}",
                column.name, column.kind, column.values
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Values::Few {} => write!(f, "fewer than {SMALL} known"),
            Values::Numbers { mean, sd, min, max } => {
                write!(f, "mean {mean:.4}, sd {sd:.4}, {min} to {max}")
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
