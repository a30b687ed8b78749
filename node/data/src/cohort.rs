//! The rows and columns of one study at one site.

mod counting; // for how many rows the rows count
mod fits; //     whether schema and study mean the same

pub use fits::check_schema;
pub(crate) use fits::check_schema_of;

use crate::error::{Code, DataError};
use crate::meaning::Units;
use crate::schema::Kind;
use crate::spelling::same;
use crate::table::{Series, Table};
use crate::value::Cell;
use counting::{counting, effective};
use motet_common::study::Study;
use motet_common::units::Conversion;
use motet_recipes::filter::Value;
use motet_recipes::{Rows, SubgroupKind};
use motet_secagg::digest::Digest;
use motet_secagg::mac;
use ndarray::{Array1, Array2, ArrayView1, ShapeError};
use zeroize::Zeroizing;

/// Values that are hashed at once.
const PIN_BLOCK: usize = 8192;

/// What a recipe answers from. It has no `Debug` and no `Clone`.
pub struct Cohort {
    /// One row a patient, one column for each of [`Study::columns`]. NaN is a missing value where
    /// [`motet_recipes::AnyMethod::keeps_missing`]; elsewhere rows are complete.
    pub x: Array2<f64>,
    /// What is explained, where the study has it: 0 or 1, a number, or the place of the level among
    /// the study's, from 0.
    pub y: Option<Array1<f64>>,
    /// Time to the event or to the end of follow-up.
    pub time: Option<Array1<f64>>,
    /// Place of the level among the study's, from 0.
    pub group: Option<Array1<f64>>,
    /// A known part of the linear predictor.
    pub offset: Option<Array1<f64>>,
    /// The weight of a row.
    pub weight: Option<Array1<f64>>,
    /// By what the finished model is judged, one column a group, where the study has it; NaN is a
    /// missing value, for which no row is left out.
    pub groups: Option<Array2<f64>>,
    /// Rows in `x`.
    pub used: u64,
    /// Rows left out because a value was missing.
    pub left_out: u64,
    /// How many of them lack a value of which column; a row that lacks two counts at both.
    pub missing: Vec<(String, u64)>,
    /// Rows of which the study's rule is false.
    pub filtered: u64,
    /// Rows left out because the rule cannot be decided of them: a value that it needs is missing.
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
    /// For each level of the schema, its place in the study's list; the study's first level has no
    /// column.
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
    /// `schema_mismatch` and `unknown_column` as [`check_schema`]; `too_few_rows` when fewer rows
    /// remain than the study asks of a site (the error says no number).
    pub fn of(table: &Table, study: &Study) -> Result<Self, DataError> {
        match Self::however_few(table, study)? {
            (_, Some(too_few)) => Err(too_few),
            (cohort, None) => Ok(cohort),
        }
    }

    /// The same, however few rows are left, and why they are too few: for the site's own eyes.
    ///
    /// # Errors
    /// As [`Cohort::of`], but for `too_few_rows`.
    pub fn however_few(
        table: &Table,
        study: &Study,
    ) -> Result<(Self, Option<DataError>), DataError> {
        let (cohort, weights) = Self::selected(table, study)?;
        // What says itself what is few answers for a site of any size, and nobody learns who did.
        let least = if study.recipe.method.asks_first() {
            study.privacy.min_rows.max(1)
        } else {
            0
        };
        let too_few = if cohort.used < u64::from(least) {
            Some("fewer rows are left")
        } else {
            weights
                .iter()
                .any(|weights| effective(weights) < f64::from(least))
                .then_some("with weight and offset rows count for fewer")
        };
        let too_few = too_few.map(|what| few(table, study, what));
        Ok((cohort, too_few))
    }

    /// The rows, and what they weigh in each of the ways in which the study weighs them.
    fn selected(table: &Table, study: &Study) -> Result<(Self, Vec<Vec<f64>>), DataError> {
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
        for row in 0..table.rows {
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
            if whole && cells.iter().any(|cell| cell.is_nan())
                || beside.iter().any(|value| value.is_nan())
            {
                left_out += 1;
                lack(&mut missing, table, row);
                continue;
            }
            used += 1;
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
        let [.., offset, weight] = &sides;
        let [offset, weight] =
            [offset, weight].map(|side| side.as_ref().map(|side| side.values.clone()));
        let weights = counting(study, weight, offset);
        let x = Array2::from_shape_vec((used, study.columns().len()), x).map_err(disagree)?;
        let divided = Array2::from_shape_vec((used, judged.len()), divided).map_err(disagree)?;
        let groups = study.recipe.judged.as_ref().map(|_| divided);
        let [y, time, group, offset, weight] =
            sides.map(|side| side.map(|side| Array1::from_vec(side.values)));
        let used = used as u64;
        let repeated = table.repeated;
        let cohort = Self {
            x,
            y,
            time,
            group,
            offset,
            weight,
            groups,
            used,
            left_out,
            missing,
            filtered,
            undecided,
            repeated,
        };
        Ok((cohort, weights))
    }

    /// The column with the largest numbers, for this site's own log: where an answer is out of
    /// range it is nearly always its unit.
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

    /// A digest of every value in its order, under a key of the site's own: it tells this cohort
    /// from another, and to nobody who has not the key does it tell anything.
    pub fn pin(&self, key: &[u8; 32]) -> [u8; 32] {
        let sides = [&self.y, &self.time, &self.group, &self.offset, &self.weight];
        let shape = [
            self.x.nrows() as u64,
            self.x.ncols() as u64,
            self.groups.as_ref().map_or(0, |g| g.ncols() as u64),
        ];
        let shape: Vec<u8> = shape
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let there: Vec<u8> = sides.iter().map(|side| u8::from(side.is_some())).collect();
        let mut chain = Digest::of("cohort", &[&shape, &there]);
        let beside = sides.into_iter().flatten().flat_map(|side| side.iter());
        let mut values = self
            .x
            .iter()
            .chain(beside)
            .chain(self.groups.iter().flat_map(|groups| groups.iter()));
        // One buffer, overwritten at the end: what it held are patients' values.
        let mut block = Zeroizing::new(Vec::with_capacity(PIN_BLOCK * 8));
        loop {
            block.clear();
            values
                .by_ref()
                .take(PIN_BLOCK)
                .for_each(|value| block.extend_from_slice(&value.to_le_bytes()));
            if block.is_empty() {
                return mac::mac(key, "cohort", &chain.0);
            }
            chain = Digest::of("cohort block", &[&chain.0, &block]);
        }
    }

    /// The cohort as a recipe takes it; this site tells nothing of itself.
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

/// The columns of which a row that is used has a value, and no row yet that lacks one.
fn lacking(study: &Study) -> Vec<(String, u64)> {
    let data = &study.data;
    let whole = !study.recipe.method.keeps_missing();
    let features = data.features.iter().filter(|_| whole);
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

/// Too few rows, in words that say no number.
fn few(table: &Table, study: &Study, what: &str) -> DataError {
    let problem = format!(
        "{what} than the study asks of a site, `{}`",
        study.privacy.min_rows
    );
    let fix = "this site does not take part; `motet-node data check DATA --study STUDY` says, at \
        the site, how many rows are left out and for want of which column";
    DataError::new(Code::TooFewRows, problem, fix).in_file(&table.file)
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

/// What divides the patients where the finished model is judged.
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
        .flat_map(|asked| &asked.groups);
    groups
        .map(|group| {
            let levels = match &group.kind {
                SubgroupKind::Category(levels) => Some(levels.as_slice()),
                SubgroupKind::YesNo | SubgroupKind::Bands(_) => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn cohort(x: &[f64], y: Option<&[f64]>, groups: Option<&[f64]>) -> Cohort {
        Cohort {
            x: Array2::from_shape_vec((x.len() / 2, 2), x.to_vec()).unwrap(),
            y: y.map(|y| Array1::from_vec(y.to_vec())),
            time: None,
            group: None,
            offset: None,
            weight: None,
            groups: groups
                .map(|groups| Array2::from_shape_vec((groups.len(), 1), groups.to_vec()).unwrap()),
            used: 0,
            left_out: 0,
            missing: Vec::new(),
            filtered: 0,
            undecided: 0,
            repeated: 0,
        }
    }

    #[test]
    fn a_pin_tells_any_other_value_order_shape_or_key_and_nothing_else() {
        let x = [1.0, 2.0, 3.0, f64::NAN];
        let of = |cohort: &Cohort| cohort.pin(&[7; 32]);
        let pin = of(&cohort(&x, Some(&[0.0, 1.0]), None));
        assert_eq!(of(&cohort(&x, Some(&[0.0, 1.0]), None)), pin);
        let mut weighted = cohort(&x, None, None);
        weighted.weight = Some(Array1::from_vec(vec![0.0, 1.0]));
        for other in [
            cohort(&[1.0, 2.0, 3.5, f64::NAN], Some(&[0.0, 1.0]), None),
            cohort(&[3.0, f64::NAN, 1.0, 2.0], Some(&[0.0, 1.0]), None),
            cohort(&x, Some(&[1.0, 1.0]), None),
            cohort(&x, None, None),
            cohort(&x, None, Some(&[0.0, 1.0])),
            cohort(&x[..2], Some(&[0.0]), None),
            weighted,
        ] {
            assert_ne!(of(&other), pin);
        }
        assert_ne!(cohort(&x, Some(&[0.0, 1.0]), None).pin(&[8; 32]), pin);
        // Longer than what is hashed at once.
        let mut long = vec![0.5; 3 * PIN_BLOCK];
        let before = of(&cohort(&long, None, None));
        *long.last_mut().unwrap() = 0.25;
        assert_ne!(of(&cohort(&long, None, None)), before);
    }
}
