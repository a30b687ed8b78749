//! A table by group ("table one"): every column in every level of the group, and a test of whether
//! the levels differ.
//!
//! ```text
//! sums   -> [ rows a level | values a level and column | rows with 1 a level and 0/1 column | sum a level and number ]
//! spread -> [ sum of (x - mean of the level)^2 a level and number ]
//! ```
//!
//! Rows without a group count in the whole and in no level; a node leaves them out before. Numbers: one-way analysis of variance,
//! F = (between / (k - 1)) / (within / (n - k)), as R's aov. 0/1 columns and categories: Pearson's
//! chi-square without continuity correction, as R's chisq.test(correct = FALSE); levels without
//! rows take no part.

use super::details::Details;
use super::suppress;
use crate::error::RecipeError;
use crate::moments::{counts, limbs};
use crate::rows::{Rows, Values};
use crate::squares::{self, Squares, UNKNOWN, Units};
use crate::tails;
use motet_secagg::canonical;
use motet_secagg::layout::Block;
use std::collections::BTreeMap;

canonical! {
    /// The sums of every level; of each figure the levels in turn, and in a level the columns.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Groups {
        /// Rows of each level.
        pub rows: Vec<u64>,
        /// Values of each column.
        pub counts: Vec<u64>,
        /// Rows with 1 of each 0/1 column.
        pub ones: Vec<u64>,
        /// The columns that are numbers.
        pub numbers: Vec<u32>,
        /// Mean of each number; 0 without values.
        pub means: Vec<f64>,
        /// Centred squares of each number; -1 where they are not known.
        pub squares: Vec<f64>,
        /// In which units they are asked for.
        pub units: Units,
    }
}

/// A table by group.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The levels of the group with their rows; withheld where they are few.
    pub levels: Vec<(String, Option<u64>)>,
    /// Lines in the order of the recipe's columns.
    pub lines: Vec<Line>,
}

/// One column of the recipe by group.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The column.
    pub name: String,
    /// The category of the study that it is a level of; its lines have one test.
    pub category: Option<u32>,
    /// One cell a level of the group.
    pub cells: Vec<Cell>,
    /// Whether the levels differ; for a level of a category the test of the whole category. None
    /// where there is nothing to test, or where a cell of the line, or of another level of the
    /// category, is withheld: three digits of a statistic give that back.
    pub test: Option<Test>,
}

/// A column in one level of the group.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Of a number.
    Number {
        /// Values; a release does not always tell them.
        values: Option<u64>,
        /// Mean; NaN without values.
        mean: f64,
        /// Standard deviation, ddof 1; NaN with fewer than two values.
        sd: f64,
    },
    /// Of a 0/1 column.
    Share {
        /// Values; a release does not always tell them.
        values: Option<u64>,
        /// Rows with 1; told with the values.
        rows: Option<u64>,
        /// Their part; NaN without values.
        share: f64,
    },
    /// Fewer rows than may be shown, or a cell that would give one of those back.
    Withheld,
}

/// A comparison of the levels of the group.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// `anova F` or `chi-square`.
    pub name: &'static str,
    /// The statistic.
    pub statistic: f64,
    /// Degrees of freedom: of the levels and, for F, of the residuals.
    pub df: (u64, Option<u64>),
    /// P-value.
    pub p: f64,
}

pub(crate) fn ask_sums(details: &Details) -> Vec<Block> {
    let (flags, numbers) = details.split();
    let levels = details.levels.len();
    let whole = levels * (1 + details.scales.len() + flags.len());
    vec![
        counts(whole, crate::error::MOST_ROWS),
        limbs(levels * numbers.len()),
    ]
}

/// The level of each row, if it has one.
fn levels(details: &Details, rows: &Rows<'_>) -> Result<Vec<Option<usize>>, RecipeError> {
    let group = rows
        .group
        .filter(|group| group.len() == rows.x.nrows())
        .ok_or(RecipeError::NoGroup {
            rows: rows.x.nrows(),
        })?;
    let known = 0.0..details.levels.len() as f64;
    let unknown = group
        .iter()
        .filter(|level| !level.is_nan())
        .filter(|level| !known.contains(*level) || libm::floor(**level) != **level)
        .count();
    if unknown > 0 {
        return Err(RecipeError::UnknownLevel { rows: unknown });
    }
    Ok(group
        .iter()
        .map(|level| (!level.is_nan()).then_some(*level as usize))
        .collect())
}

/// Sums of a figure of each value, a cell a level and column; missing values add nothing.
fn sums(
    rows: &Rows<'_>,
    group: &[Option<usize>],
    levels: usize,
    columns: &[usize],
    figure: impl Fn(f64) -> f64,
) -> Vec<f64> {
    let mut cells = vec![0.0; levels * columns.len()];
    for (at, column) in columns.iter().enumerate() {
        for (x, level) in rows.x.column(*column).into_iter().zip(group) {
            let (Some(level), false) = (level, x.is_nan()) else {
                continue;
            };
            if let Some(cell) = cells.get_mut(level * columns.len() + at) {
                *cell += figure(*x);
            }
        }
    }
    cells
}

pub(crate) fn answer_sums(details: &Details, rows: &Rows<'_>) -> Result<Vec<f64>, RecipeError> {
    let group = levels(details, rows)?;
    let (flags, numbers) = details.split();
    let mut values: Vec<f64> = (0..details.levels.len())
        .map(|level| group.iter().filter(|at| **at == Some(level)).count() as f64)
        .collect();
    let all: Vec<usize> = (0..details.scales.len()).collect();
    let levels = details.levels.len();
    values.extend(sums(rows, &group, levels, &all, |_| 1.0));
    values.extend(sums(rows, &group, levels, &flags, |x| x));
    values.extend(sums(rows, &group, levels, &numbers, |x| x));
    Ok(values)
}

pub(crate) fn answer_spread(
    details: &Details,
    groups: &Groups,
    rows: &Rows<'_>,
) -> Result<Vec<f64>, RecipeError> {
    let group = levels(details, rows)?;
    let (_, numbers) = details.split();
    let width = numbers.len().max(1);
    Ok(groups.units.answer(&groups.means, |place, figure| {
        let level = place / width;
        let Some(column) = numbers.get(place % width) else {
            return 0.0;
        };
        let here = rows
            .x
            .column(*column)
            .into_iter()
            .zip(&group)
            .filter(|(_, of)| **of == Some(level));
        here.filter(|(x, _)| !x.is_nan())
            .map(|(x, _)| figure(*x))
            .sum()
    }))
}

impl Groups {
    pub(crate) fn absorb_sums(
        details: &Details,
        values: &mut Values<'_>,
    ) -> Result<Self, RecipeError> {
        const WHAT: &str = "rows by group";
        let (flags, numbers) = details.split();
        let levels = details.levels.len();
        let columns = details.scales.len();
        let rows = values.counts(levels, WHAT)?;
        let counts = values.counts(levels * columns, WHAT)?;
        let ones = values.counts(levels * flags.len(), WHAT)?;
        let sums = values.take(levels * numbers.len())?;
        let mut groups = Self {
            rows,
            counts,
            ones,
            ..Self::default()
        };
        let values =
            (0..levels).flat_map(|level| numbers.iter().map(move |column| (level, *column)));
        groups.means = values
            .zip(sums)
            .map(
                |((level, column), sum)| match groups.count(columns, level, column) {
                    0 => 0.0,
                    count => sum / count as f64,
                },
            )
            .collect();
        groups.units = Units::first(&groups.means);
        groups.numbers = numbers.iter().map(|column| *column as u32).collect();
        Ok(groups)
    }

    pub(crate) fn ask_spread(&self) -> Block {
        limbs(self.units.len(self.means.len()))
    }

    /// What a round of squares says of every level and number.
    pub(crate) fn take_spread(
        &self,
        values: &mut Values<'_>,
        sites: u32,
    ) -> Result<Squares, RecipeError> {
        let values = values.take(self.units.len(self.means.len()))?;
        let columns = self.counts.len() / self.rows.len().max(1);
        let rows: Vec<f64> = (0..self.rows.len())
            .flat_map(|level| {
                self.numbers
                    .iter()
                    .map(move |at| squares::varying(self.count(columns, level, *at as usize)))
            })
            .collect();
        Ok(self.units.absorb(values, &self.means, &rows, sites))
    }

    fn count(&self, columns: usize, level: usize, column: usize) -> u64 {
        self.counts
            .get(level * columns + column)
            .copied()
            .unwrap_or_default()
    }

    /// A level whose rows are withheld is withheld in every line, and a column whose mean is
    /// (`blank`) in every level.
    pub(crate) fn table(&self, details: &Details, names: &[String], blank: &[bool]) -> Table {
        let (flags, numbers) = details.split();
        let rows = suppress::line(&self.rows, details.least());
        let hidden: Vec<bool> = rows.iter().map(Option::is_none).collect();
        let categories = self.categories(details, &flags, (&hidden, blank));
        let lines = names.iter().enumerate().map(|(column, name)| {
            let number = details.category(column);
            let (cells, test) = match number.and_then(|number| categories.get(&number)) {
                Some(category) => category.line(column),
                None => {
                    debug_assert!(numbers.contains(&column) && numbers.is_sorted());
                    let at = numbers.partition_point(|number| *number < column);
                    self.number(details, column, (at, numbers.len()), &hidden)
                }
            };
            Line {
                name: name.clone(),
                category: number,
                cells,
                test,
            }
        });
        Table {
            lines: lines.collect(),
            levels: details.levels.iter().cloned().zip(rows).collect(),
        }
    }

    /// A number: its cells, and the analysis of variance.
    fn number(
        &self,
        details: &Details,
        column: usize,
        (at, numbers): (usize, usize),
        hidden: &[bool],
    ) -> (Vec<Cell>, Option<Test>) {
        let levels = 0..details.levels.len();
        let means = self.means.iter().skip(at).step_by(numbers.max(1));
        let squares = self.squares.iter().skip(at).step_by(numbers.max(1));
        let parts: Vec<(u64, f64, f64)> = levels
            .zip(means.zip(squares))
            .map(|(level, (mean, squares))| {
                let count = self.count(details.scales.len(), level, column);
                (count, *mean, *squares)
            })
            .collect();
        let counts: Vec<u64> = parts.iter().map(|part| part.0).collect();
        let shown = suppress::beside(&counts, hidden, details.least());
        (
            parts
                .iter()
                .zip(&shown)
                .map(|(part, shown)| match shown {
                    None => Cell::Withheld,
                    Some(values) => Cell::number(*values, part),
                })
                .collect(),
            (!shown.contains(&None)).then(|| anova(&parts)).flatten(),
        )
    }

    /// The tables of all categories. `withheld` are the levels of the group and the columns that are.
    fn categories(
        &self,
        details: &Details,
        flags: &[usize],
        withheld: (&[bool], &[bool]),
    ) -> BTreeMap<u32, Category> {
        let mut categories: BTreeMap<u32, Category> = BTreeMap::new();
        for (at, column) in flags.iter().enumerate() {
            let Some(number) = details.category(*column) else {
                continue;
            };
            let category = categories.entry(number).or_default();
            category.columns.push(*column);
            for level in 0..details.levels.len() {
                let values = self.count(details.scales.len(), level, *column);
                let ones = self
                    .ones
                    .get(level * flags.len() + at)
                    .copied()
                    .unwrap_or_default();
                match category.cells.get_mut(level) {
                    Some(cells) => cells.push(ones),
                    // The first level of the category is what the others leave over.
                    None => category.cells.push(vec![values, ones]),
                }
            }
        }
        for category in categories.values_mut() {
            for cells in &mut category.cells {
                let others: u64 = cells.iter().skip(1).sum();
                if let Some(first) = cells.first_mut() {
                    *first = first.saturating_sub(others);
                }
            }
            let is = |column: &usize| withheld.1.get(*column).copied().unwrap_or(false);
            // All of them or none, and the first level with them.
            let columns = vec![category.columns.iter().any(is); category.columns.len() + 1];
            let withheld = (withheld.0, columns.as_slice());
            category.shown = suppress::table(&category.cells, withheld, details.least());
        }
        categories
    }
}

/// The counts of a category: a row a level of the group, a column a level of the category, its
/// first level first.
#[derive(Default)]
struct Category {
    columns: Vec<usize>,
    cells: Vec<Vec<u64>>,
    shown: Vec<Vec<Option<u64>>>,
}

impl Category {
    fn line(&self, column: usize) -> (Vec<Cell>, Option<Test>) {
        debug_assert!(self.columns.contains(&column));
        // The first level has no column.
        let at = 1 + self
            .columns
            .iter()
            .take_while(|own| **own != column)
            .count();
        let whole = self.shown.iter().flatten().all(Option::is_some);
        (
            self.cells
                .iter()
                .zip(&self.shown)
                .map(|(cells, shown)| match shown.get(at).copied().flatten() {
                    None => Cell::Withheld,
                    Some(rows) => Cell::share(rows, cells.iter().sum()),
                })
                .collect(),
            whole.then(|| chi_square(&self.cells)).flatten(),
        )
    }
}

impl Cell {
    /// Mean and standard deviation, as far as values, mean and centred squares give them.
    fn number(values: u64, (count, mean, squares): &(u64, f64, f64)) -> Self {
        Self::Number {
            values: Some(values),
            mean: if *count == 0 { f64::NAN } else { *mean },
            sd: if *count < 2 || *squares == UNKNOWN {
                f64::NAN
            } else {
                (squares / (count - 1) as f64).sqrt()
            },
        }
    }

    /// Rows of all values.
    fn share(rows: u64, values: u64) -> Self {
        Self::Share {
            values: Some(values),
            rows: Some(rows),
            share: if values == 0 {
                f64::NAN
            } else {
                rows as f64 / values as f64
            },
        }
    }
}

/// One-way analysis of variance of (values, mean, centred squares) a level.
fn anova(parts: &[(u64, f64, f64)]) -> Option<Test> {
    let n: u64 = parts.iter().map(|part| part.0).sum();
    let levels = parts.iter().filter(|part| part.0 > 0).count() as u64;
    if levels < 2 || n <= levels {
        return None;
    }
    let mean = parts
        .iter()
        .map(|(count, mean, _)| *count as f64 * mean)
        .sum::<f64>()
        / n as f64;
    let between: f64 = parts
        .iter()
        .map(|(count, own, _)| *count as f64 * (own - mean) * (own - mean))
        .sum();
    let within: f64 = parts.iter().map(|part| part.2).sum();
    // Where the squares of a level are not known there is no test.
    if within <= 0.0 || parts.iter().any(|part| part.2 == UNKNOWN) {
        return None;
    }
    let df = levels - 1;
    let rest = n - levels;
    let statistic = (between / df as f64) / (within / rest as f64);
    let p = tails::f(statistic, df as f64, rest as f64);
    Some(Test {
        name: "anova F",
        statistic,
        df: (df, Some(rest)),
        p,
    })
}

/// Degrees of freedom of lines with these totals: one less than are used.
fn free(totals: &[u64]) -> u64 {
    let used = totals.iter().filter(|total| **total > 0).count() as u64;
    used.saturating_sub(1)
}

/// Pearson's chi-square of a table; lines and columns without rows take no part.
fn chi_square(cells: &[Vec<u64>]) -> Option<Test> {
    let columns = cells.first()?.len();
    let down: Vec<u64> = (0..columns)
        .map(|at| cells.iter().filter_map(|row| row.get(at)).sum())
        .collect();
    let across: Vec<u64> = cells.iter().map(|row| row.iter().sum()).collect();
    let n: u64 = across.iter().sum();
    let df = free(&down) * free(&across);
    if df == 0 {
        return None;
    }
    let mut statistic = 0.0;
    for (row, across) in cells.iter().zip(&across) {
        for (cell, down) in row.iter().zip(&down) {
            let expected = *across as f64 * *down as f64 / n as f64;
            if expected > 0.0 {
                statistic += (*cell as f64 - expected) * (*cell as f64 - expected) / expected;
            }
        }
    }
    Some(Test {
        name: "chi-square",
        statistic,
        df: (df, None),
        p: tails::chi_square(statistic, df as f64),
    })
}
