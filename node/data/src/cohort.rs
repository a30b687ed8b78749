//! The rows and columns of one study at one site.

mod column; //   what a column is
mod content; //  the cohort as bytes, and their digest
mod counting; // for how many rows the rows count
mod fits; //     whether schema and study mean the same
mod parts; //    which patients are held out

pub use fits::check_schema;
pub(crate) use fits::check_schema_of;

use crate::error::{Code, DataError};
use crate::meaning::Units;
use crate::schema::Kind;
use crate::spelling::same;
use crate::table::{Pseudonym, Series, Table};
use crate::value::Cell;
use column::{Role, Told};
use counting::{counting, effective};
use motet_common::study::Study;
use motet_common::units::Conversion;
use motet_recipes::filter::Value;
use motet_recipes::{Rows, SubgroupKind, Subgroups};
use ndarray::{Array1, Array2, ArrayView1, ShapeError};
use parts::{Drawn, KEY, PartOf};

/// What a recipe answers from. It has no `Debug` and no
/// `Clone`.
pub struct Cohort {
    /// What its columns are, in the order in which the study reads
    /// them.
    columns: Vec<Told>,
    /// The pseudonyms of the patients, one a row, where the schema
    /// names their key; a row may lack it.
    pseudonyms: Vec<Option<Pseudonym>>,
    /// One row a patient, in the order of their pseudonyms, or of
    /// the file where no key is named (and those who are held out
    /// after all others), one column for each of
    /// [`Study::columns`]. NaN is a missing value where
    /// [`motet_recipes::AnyMethod::keeps_missing`]; elsewhere rows
    /// are complete.
    pub x: Array2<f64>,
    /// What is explained, where the study has it: 0 or 1, a number,
    /// or the place of the level among the study's, from 0.
    pub y: Option<Array1<f64>>,
    /// Time to the event or to the end of follow-up.
    pub time: Option<Array1<f64>>,
    /// Place of the level among the study's, from 0.
    pub group: Option<Array1<f64>>,
    /// A known part of the linear predictor.
    pub offset: Option<Array1<f64>>,
    /// The weight of a row.
    pub weight: Option<Array1<f64>>,
    /// 1 for a patient who is held out of the fit, where the study
    /// holds some out, else 0: all of these come first.
    pub held_out: Option<Array1<f64>>,
    /// By what the finished model is judged, one column a group,
    /// where the study has it; NaN is a missing value, for which no
    /// row is left out.
    pub groups: Option<Array2<f64>>,
    /// Rows in `x`.
    pub used: u64,
    /// Rows left out because a value was missing.
    pub left_out: u64,
    /// How many of them lack a value of which column; a row that
    /// lacks two counts at both.
    pub missing: Vec<(String, u64)>,
    /// Rows of which the study's rule is false.
    pub filtered: u64,
    /// Rows left out because the rule cannot be decided of them: a
    /// value that it needs is missing.
    pub undecided: u64,
    /// Second rows of a patient.
    pub repeated: u64,
}

/// A column beside the features, while rows are gathered.
struct Side<'a> {
    source: Source<'a>,
    values: Vec<f64>,
}

/// Where its values come from.
enum Source<'a> {
    Number(&'a Series, Conversion),
    /// For each level of the schema, its place in the study's list.
    Place(&'a Series, Vec<usize>),
}

/// How one feature becomes columns.
enum Expansion<'a> {
    Number(&'a Series, Conversion),
    /// For each level of the schema, its place in the study's list;
    /// the study's first level has no column.
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
    /// `schema_mismatch` and `unknown_column` as [`check_schema`];
    /// `too_few_rows` when fewer rows remain than the study asks of
    /// a site (the error says no number).
    pub fn of(table: &Table, study: &Study) -> Result<Self, DataError> {
        match Self::however_few(table, study)? {
            (_, Some(too_few)) => Err(too_few),
            (cohort, None) => Ok(cohort),
        }
    }

    /// The same, however few rows are left, and why they are too
    /// few: for the site's own eyes.
    ///
    /// # Errors
    /// As [`Cohort::of`], but for `too_few_rows`.
    pub fn however_few(
        table: &Table,
        study: &Study,
    ) -> Result<(Self, Option<DataError>), DataError> {
        let cohort = Self::selected(table, study)?;
        let too_few = cohort.too_few(study);
        Ok((cohort, too_few.map(|few| few.in_file(table.file()))))
    }

    /// Why its rows are too few for what the study asks of a site,
    /// if they are; it says no number.
    pub fn too_few(&self, study: &Study) -> Option<DataError> {
        // What says itself what is few answers for a site of any size, and nobody learns who did.
        if !study.recipe.method.asks_first() {
            return None;
        }
        let least = study.privacy.min_rows.max(1);
        if self.used < u64::from(least) {
            return Some(few(study, "fewer rows are left"));
        }
        let fitted = self.used.saturating_sub(self.rows_held_out());
        if self.held_out.is_some() && fitted.min(self.rows_held_out()) < u64::from(least) {
            let what = "in one of the two parts, patients fitted on and patients held out, fewer \
                rows are left";
            return Some(few(study, what));
        }
        let rows = self.rows();
        let parts = self.held_out.as_ref().map(|_| rows.only_held_out());
        std::iter::once(rows.fitted())
            .chain(parts)
            .any(|part| {
                let [offset, weight] =
                    [part.offset, part.weight].map(|side| side.map(|side| side.to_vec()));
                counting(study, weight, offset)
                    .iter()
                    .any(|weights| effective(weights) < f64::from(least))
            })
            .then(|| few(study, "with weight and offset rows count for fewer"))
    }

    /// How many of its rows, the last ones, are held out.
    pub fn rows_held_out(&self) -> u64 {
        let parts = self.held_out.iter().flatten();
        parts.filter(|held_out| **held_out == 1.0).count() as u64
    }

    fn selected(table: &Table, study: &Study) -> Result<Self, DataError> {
        let units = check_schema_of(table, study)?;
        let features: Vec<Expansion<'_>> = study
            .data
            .features
            .iter()
            .map(|name| expansion(table, study, &units, name))
            .collect::<Result<_, _>>()?;
        let data = &study.data;
        let mut sides = [
            Side::of(table, study, &units, &data.outcome)?,
            Side::of(table, study, &units, &data.time)?,
            Side::of(table, study, &units, &data.group)?,
            Side::of(table, study, &units, &data.offset)?,
            Side::of(table, study, &units, &data.weight)?,
        ];
        let judged = groups(table, study, &units)?;
        let columns = columns(table, study)?;
        let drawn = Drawn::of(table, study)?;
        let mut held_out = Vec::new();
        let mut pseudonyms = Vec::new();
        let whole = !study.recipe.method.keeps_missing();
        let mut divided = Vec::new();
        let mut x = Vec::new();
        let mut used = 0;
        let mut left_out = 0;
        let mut missing = lacking(study);
        let mut filtered = 0;
        let mut undecided = 0;
        let mut cells = Vec::new();
        let mut beside = Vec::new();
        for row in drawn.in_order(table) {
            let kept = data.filter.as_ref().map_or(Some(true), |filter| {
                filter.holds(&|name: &str| {
                    let value = table.series(name).ok()?.value(row)?;
                    Some(in_unit(value, units.conversion(name)))
                })
            });
            match kept {
                Some(true) => {}
                Some(false) => {
                    filtered += 1;
                    continue;
                }
                None => {
                    undecided += 1;
                    continue;
                }
            }
            cells.clear();
            features
                .iter()
                .for_each(|feature| feature.push(row, &mut cells));
            beside.clear();
            beside.extend(sides.iter().flatten().map(|side| side.source.value(row)));
            let part = drawn.part(table, row);
            if whole && cells.iter().any(|cell| cell.is_nan())
                || beside.iter().any(|value| value.is_nan())
                || part == PartOf::Neither
            {
                left_out += 1;
                lack(&mut missing, table, row);
                if part == PartOf::Neither {
                    lack_key(&mut missing);
                }
                continue;
            }
            used += 1;
            held_out.extend(part.value());
            pseudonyms.extend(table.pseudonym(row));
            x.append(&mut cells);
            for (side, value) in sides.iter_mut().flatten().zip(&beside) {
                side.values.push(*value);
            }
            divided.extend(judged.iter().map(|group| group.value(row)));
        }
        debug_assert!(
            sides.iter().flatten().all(|side| side.values.len() == used),
            "each row that is used has all its values"
        );
        let x = Array2::from_shape_vec((used, study.columns().len()), x).map_err(disagree)?;
        let divided = Array2::from_shape_vec((used, judged.len()), divided).map_err(disagree)?;
        let groups = study.recipe.judged.as_ref().map(|_| divided);
        let [y, time, group, offset, weight] =
            sides.map(|side| side.map(|side| Array1::from_vec(side.values)));
        let held_out = drawn.is_drawn().then(|| Array1::from_vec(held_out));
        let used = used as u64;
        let repeated = table.repeated;
        debug_assert_eq!(
            columns
                .iter()
                .filter(|column| column.role() == Some(Role::Feature))
                .map(Told::width)
                .sum::<usize>(),
            x.ncols(),
            "each column of numbers is told"
        );
        Ok(Self {
            columns,
            pseudonyms,
            x,
            y,
            time,
            group,
            offset,
            weight,
            held_out,
            groups,
            used,
            left_out,
            missing,
            filtered,
            undecided,
            repeated,
        })
    }

    /// The column with the largest numbers, for this site's own
    /// log: where an answer is out of range it is nearly always its
    /// unit.
    pub fn largest(&self, study: &Study) -> Option<String> {
        let features = study
            .columns()
            .into_iter()
            .zip(self.x.columns())
            .map(|(name, values)| (name, size(values)));
        let data = &study.data;
        let beside = [
            (&data.outcome, &self.y),
            (&data.time, &self.time),
            (&data.offset, &self.offset),
            (&data.weight, &self.weight),
        ];
        let beside = beside
            .into_iter()
            .filter_map(|(name, values)| Some((name.clone()?, size(values.as_ref()?.view()))));
        features
            .chain(beside)
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(name, _)| name)
    }

    /// The cohort as a recipe takes it; this site tells nothing of
    /// itself.
    pub fn rows(&self) -> Rows<'_> {
        Rows {
            x: self.x.view(),
            y: self.y.as_ref().map(|y| y.view()),
            time: self.time.as_ref().map(|time| time.view()),
            group: self.group.as_ref().map(|group| group.view()),
            offset: self.offset.as_ref().map(|offset| offset.view()),
            weight: self.weight.as_ref().map(|weight| weight.view()),
            groups: self.groups.as_ref().map(|groups| groups.view()),
            slot: None,
            place: None,
            held_out: self.rows_held_out() as usize,
        }
    }
}

impl<'a> Side<'a> {
    /// Nothing where the study names no such column.
    fn of(
        table: &'a Table,
        study: &Study,
        units: &Units<'_>,
        name: &Option<String>,
    ) -> Result<Option<Self>, DataError> {
        let Some(name) = name else { return Ok(None) };
        Ok(Some(Self {
            source: Source::of(
                table.series(name)?,
                study.levels_of(name),
                units.conversion(name),
            ),
            values: Vec::new(),
        }))
    }
}

/// The columns of which a row that is used has a value, and no
/// row yet that lacks one.
fn lacking(study: &Study) -> Vec<(String, u64)> {
    let data = &study.data;
    let whole = !study.recipe.method.keeps_missing();
    let features = data.features.iter().filter(|_| whole);
    let key = study.held_out().map(|_| (KEY.to_owned(), 0));
    let beside = [
        &data.outcome,
        &data.time,
        &data.group,
        &data.offset,
        &data.weight,
    ];
    features
        .chain(beside.into_iter().flatten())
        .map(|name| (name.clone(), 0))
        .chain(key)
        .collect()
}

/// Counts a row at each column of which it lacks the value.
fn lack(missing: &mut [(String, u64)], table: &Table, row: usize) {
    for (name, rows) in missing {
        if table
            .series(name)
            .is_ok_and(|series| series.value(row).is_none())
        {
            *rows += 1;
        }
    }
}

/// Counts a row at the key, which it lacks.
fn lack_key(missing: &mut [(String, u64)]) {
    let of_key = missing.iter_mut().filter(|(name, _)| name == KEY);
    of_key.for_each(|(_, rows)| *rows += 1);
}

/// Too few rows, in words that say no number.
fn few(study: &Study, what: &str) -> DataError {
    let problem = format!(
        "{what} than the study asks of a site, `{}`",
        study.privacy.min_rows
    );
    let fix = "this site does not take part; `motet-node data check DATA --study STUDY` says, at \
        the site, how many rows are left out and for want of which column";
    DataError::new(Code::TooFewRows, problem, fix)
}

/// What the columns are, in the order of a cohort's bytes.
fn columns(table: &Table, study: &Study) -> Result<Vec<Told>, DataError> {
    let data = &study.data;
    let beside = [
        &data.outcome,
        &data.time,
        &data.group,
        &data.offset,
        &data.weight,
    ];
    let beside = Role::BESIDE
        .into_iter()
        .zip(beside)
        .filter_map(|(role, name)| Some((role, name.as_deref()?)));
    let features = data.features.iter();
    let all = features
        .map(|name| (Role::Feature, name.as_str()))
        .chain(beside);
    let mut columns = Vec::new();
    for (role, name) in all {
        let levels = study.levels_of(name).unwrap_or(&[]);
        columns.push(told(table, role, name, levels)?);
    }
    let judged = study.recipe.judged.iter();
    for group in judged.flat_map(Subgroups::in_columns) {
        let levels = match &group.kind {
            SubgroupKind::Category(levels) => levels.as_slice(),
            _ => &[],
        };
        columns.push(told(table, Role::Judged, &group.column, levels)?);
    }
    columns.extend(study.held_out().map(|_| parts::told()));
    Ok(columns)
}

fn told(table: &Table, role: Role, name: &str, levels: &[String]) -> Result<Told, DataError> {
    let kind = table.series(name)?.declared.kind.word();
    Ok(Told::new(role, name, kind, levels.to_vec()))
}

fn disagree(_: ShapeError) -> DataError {
    let fix = "compare the schema's levels with the study's";
    DataError::new(Code::SchemaMismatch, "columns and study do not agree", fix)
}

/// The largest absolute value.
fn size(values: ArrayView1<'_, f64>) -> f64 {
    values
        .iter()
        .fold(0.0, |most: f64, value| most.max(value.abs()))
}

/// What divides the patients where the finished model is
/// judged.
fn groups<'a>(
    table: &'a Table,
    study: &Study,
    units: &Units<'_>,
) -> Result<Vec<Source<'a>>, DataError> {
    let groups = study
        .recipe
        .judged
        .as_ref()
        .into_iter()
        .flat_map(Subgroups::in_columns);
    groups
        .map(|group| {
            let levels = match &group.kind {
                SubgroupKind::Category(levels) => Some(levels.as_slice()),
                _ => None,
            };
            let name = &group.column;
            Ok(Source::of(
                table.series(name)?,
                levels,
                units.conversion(name),
            ))
        })
        .collect()
}

impl<'a> Source<'a> {
    fn of(series: &'a Series, levels: Option<&[String]>, to: Conversion) -> Self {
        match (&series.declared.kind, levels) {
            (Kind::Category { levels, .. }, Some(theirs)) => {
                Self::Place(series, places(levels, theirs))
            }
            _ => Self::Number(series, to),
        }
    }
}

impl Source<'_> {
    /// The value of a row; NaN when it is missing.
    fn value(&self, row: usize) -> f64 {
        match self {
            Source::Number(series, to) => to.of(series.number(row)),
            Source::Place(series, places) => match series.cells.get(row) {
                Some(Cell::Level(level)) => places
                    .get(level as usize)
                    .map_or(f64::NAN, |place| *place as f64),
                _ => f64::NAN,
            },
        }
    }
}

/// For each of a schema's levels, its place among the study's.
fn places(levels: &[String], theirs: &[String]) -> Vec<usize> {
    levels
        .iter()
        .filter_map(|level| theirs.iter().position(|their| same(their, level)))
        .collect()
}

/// A cell as a rule of the study compares it.
fn in_unit(value: Value<'_>, to: Conversion) -> Value<'_> {
    match value {
        Value::Number(number) => Value::Number(to.of(number)),
        text => text,
    }
}

fn expansion<'a>(
    table: &'a Table,
    study: &Study,
    units: &Units<'_>,
    name: &str,
) -> Result<Expansion<'a>, DataError> {
    let series = table.series(name)?;
    Ok(match (&series.declared.kind, study.levels_of(name)) {
        (Kind::Category { levels, .. }, Some(theirs)) => Expansion::Dummies {
            series,
            places: places(levels, theirs),
            width: theirs.len(),
        },
        _ => Expansion::Number(series, units.conversion(name)),
    })
}

impl Expansion<'_> {
    fn push(&self, row: usize, cells: &mut Vec<f64>) {
        match self {
            Expansion::Number(series, to) => cells.push(to.of(series.number(row))),
            Expansion::Dummies {
                series,
                places,
                width,
            } => {
                let level = match series.cells.get(row) {
                    Some(Cell::Level(level)) => places.get(level as usize).copied(),
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
            Some(Cell::Number(number)) => number,
            _ => f64::NAN,
        }
    }
}
