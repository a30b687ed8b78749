//! The rows and columns of one study at one site.

use crate::cell::Cell;
use crate::error::{Code, DataError};
use crate::schema::{Column, Kind, Schema};
use crate::table::{Series, Table};
use motet_common::study::filter::{Literal, days_since_1970};
use motet_common::study::{Method, Study};
use motet_recipes::Rows;
use ndarray::{Array1, Array2};

/// What a recipe answers from. It has no `Debug` and no `Clone`.
pub struct Cohort {
    /// One row a patient, one column for each of [`Study::columns`]. For `summary` NaN is a missing value; other recipes
    /// have complete rows only.
    pub x: Array2<f64>,
    /// The outcome, 0 or 1, where the study has one.
    pub y: Option<Array1<f64>>,
    /// Rows in `x`.
    pub used: u64,
    /// Rows left out because a value was missing.
    pub left_out: u64,
    /// Rows that the study's rule left out.
    pub filtered: u64,
    /// Second rows of a patient.
    pub repeated: u64,
}

/// How one feature becomes columns.
enum Expansion<'a> {
    Number(&'a Series),
    /// For each level of the schema, its place in the study's list; the study's first level has no column.
    Dummies {
        series: &'a Series,
        places: Vec<usize>,
        width: usize,
    },
}

impl Cohort {
    /// Selects the study's rows and expands its categories.
    ///
    /// # Errors
    /// `schema_mismatch` and `unknown_column` as [`check_schema`]; `too_few_rows` when fewer rows remain than the study asks of a
    /// site (the error says no number).
    pub fn of(table: &Table, study: &Study) -> Result<Self, DataError> {
        fits(study, |name| table.series(name).map(|series| &series.declared))?;
        let features: Vec<Expansion<'_>> =
            study.data.features.iter().map(|name| expansion(table, study, name)).collect::<Result<_, _>>()?;
        let outcome = study.data.outcome.as_deref().map(|name| table.series(name)).transpose()?;
        let whole = study.method != Method::Summary;
        let (mut x, mut y, mut left_out, mut filtered) = (Vec::new(), Vec::new(), 0, 0);
        let mut cells = Vec::new();
        for row in 0..table.rows {
            let value = |name: &str| table.series(name).ok().and_then(|series| series.value(row));
            if study.data.filter.as_ref().is_some_and(|filter| !filter.keeps(&value)) {
                filtered += 1;
                continue;
            }
            cells.clear();
            features.iter().for_each(|feature| feature.push(row, &mut cells));
            let answer = outcome.map(|series| series.number(row));
            if whole && (cells.iter().any(|cell| cell.is_nan()) || answer.is_some_and(f64::is_nan)) {
                left_out += 1;
                continue;
            }
            x.append(&mut cells);
            y.extend(answer);
        }
        let width = study.columns().len();
        let used = x.len() / width.max(1);
        if used < (study.privacy.min_rows as usize).max(1) {
            let problem =
                format!("fewer rows are left than the study asks of a site, `{}`", study.privacy.min_rows);
            let fix = "this site does not take part; `motet-node data check` shows which rows are left out";
            return Err(DataError::new(Code::TooFewRows, problem, fix).in_file(&table.file));
        }
        let x = Array2::from_shape_vec((used, width), x).map_err(|_| {
            DataError::new(
                Code::SchemaMismatch,
                "columns and study do not agree",
                "compare the schema's levels with the study's",
            )
        })?;
        let y = outcome.map(|_| Array1::from_vec(y));
        Ok(Self { x, y, used: used as u64, left_out, filtered, repeated: table.repeated })
    }

    /// The cohort as a recipe takes it.
    pub fn rows(&self) -> Rows<'_> {
        Rows { y: self.y.as_ref().map(|y| y.view()), ..Rows::new(self.x.view()) }
    }
}

/// Checks that a site's schema and a study mean the same, before any file is opened.
///
/// # Errors
/// `unknown_column` and `schema_mismatch`.
pub fn check_schema(schema: &Schema, study: &Study) -> Result<(), DataError> {
    fits(study, |name| schema.column(name))
}

fn mismatch<T>(name: &str, problem: String, fix: &str) -> Result<T, DataError> {
    Err(DataError::new(Code::SchemaMismatch, problem, fix).in_column(name))
}

fn fits<'c>(
    study: &Study,
    declared: impl Fn(&str) -> Result<&'c Column, DataError>,
) -> Result<(), DataError> {
    if let Some(outcome) = &study.data.outcome {
        let kind = &declared(outcome)?.kind;
        if !matches!(kind, Kind::Bool { .. }) {
            let problem = format!("the outcome is declared as `{}`, the study needs yes or no", kind.word());
            return mismatch(outcome, problem, "declare `type = \"bool\"` with its `false` and `true` texts");
        }
    }
    for feature in &study.data.features {
        match (&declared(feature)?.kind, study.levels_of(feature)) {
            (Kind::Category { levels }, Some(theirs)) => {
                if let Some(level) = levels.iter().find(|level| !theirs.contains(level)) {
                    let problem =
                        format!("the study has no level `{level}`; its levels are {}", theirs.join(", "));
                    return mismatch(feature, problem, "agree on the levels with the study's proposer");
                }
            }
            (Kind::Category { .. }, None) => {
                let problem = "a category here, but the study names no levels of it".to_string();
                return mismatch(feature, problem, "the study's file needs them under `[data.levels]`");
            }
            (kind, Some(_)) => {
                let problem = format!("declared as `{}`, the study takes it as a category", kind.word());
                return mismatch(feature, problem, "declare `type = \"category\"` with its `levels`");
            }
            (_, None) => {}
        }
    }
    for comparison in study.data.filter.iter().flat_map(|filter| filter.comparisons()) {
        let name = &comparison.column;
        match (&declared(name)?.kind, &comparison.literal) {
            (Kind::Category { .. }, _)
            | (Kind::Float | Kind::Int | Kind::Bool { .. }, Literal::Number(_)) => {}
            (Kind::Date, Literal::Text(text)) if days_since_1970(text).is_some() => {}
            (kind, literal) => {
                let problem =
                    format!("declared as `{}`, the study's rule compares it with `{literal}`", kind.word());
                return mismatch(name, problem, "agree on the column's type with the study's proposer");
            }
        }
    }
    Ok(())
}

fn expansion<'a>(table: &'a Table, study: &Study, name: &str) -> Result<Expansion<'a>, DataError> {
    let series = table.series(name)?;
    Ok(match (&series.declared.kind, study.levels_of(name)) {
        (Kind::Category { levels }, Some(theirs)) => {
            let place = |level: &String| theirs.iter().position(|their| their == level);
            Expansion::Dummies {
                series,
                places: levels.iter().filter_map(place).collect(),
                width: theirs.len(),
            }
        }
        _ => Expansion::Number(series),
    })
}

impl Expansion<'_> {
    fn push(&self, row: usize, cells: &mut Vec<f64>) {
        match self {
            Expansion::Number(series) => cells.push(series.number(row)),
            Expansion::Dummies { series, places, width } => {
                let level = match series.cells.get(row) {
                    Some(Cell::Level(level)) => places.get(*level as usize).copied(),
                    _ => None,
                };
                cells.extend((1..*width).map(|place| match level {
                    Some(level) => f64::from(u8::from(level == place)),
                    None => f64::NAN,
                }));
            }
        }
    }
}

impl Series {
    /// The cell as a number; NaN when it is missing.
    fn number(&self, row: usize) -> f64 {
        match self.cells.get(row) {
            Some(Cell::Number(number)) => *number,
            _ => f64::NAN,
        }
    }
}
