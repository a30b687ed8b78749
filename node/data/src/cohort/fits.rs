//! Whether a site's schema and a study mean the same.

use crate::error::{Code, DataError};
use crate::meaning::Units;
use crate::schema::{Column, Kind, Schema, Use, listed};
use crate::spelling::{lists, same};
use crate::table::Table;
use motet_common::study::text::as_number;
use motet_common::study::{Outcome, Study};
use motet_recipes::filter::{Filter, Literal, days_since_1970};
use motet_recipes::{Subgroup, SubgroupKind};

/// Checks that a site's schema and a study mean the same,
/// before any file is opened.
///
/// # Errors
/// `unknown_column` and `schema_mismatch`: all that is wrong,
/// the first of them with [`DataError::also`].
pub fn check_schema(schema: &Schema, study: &Study) -> Result<(), DataError> {
    fits(study, |name| schema.column(name)).map(drop)
}

/// The same of a table that is open, and how its numbers
/// become those of the study.
pub(crate) fn check_schema_of<'s>(table: &Table, study: &'s Study) -> Result<Units<'s>, DataError> {
    fits(study, |name| {
        table.series(name).map(|series| &series.declared)
    })
}

fn mismatch<T>(name: &str, problem: String, fix: &str) -> Result<T, DataError> {
    Err(DataError::new(Code::SchemaMismatch, problem, fix).in_column(name))
}

fn outcome_fits(study: &Study, outcome: &str, kind: &Kind) -> Result<(), DataError> {
    if study.outcome() == Outcome::Ordered {
        return order_fits(outcome, kind, study.levels_of(outcome).unwrap_or(&[]));
    }
    if study.outcome() != Outcome::YesNo || matches!(kind, Kind::Bool { .. }) {
        return Ok(());
    }
    let problem = format!(
        "the outcome is declared as `{}`, the study needs yes or no",
        kind.word()
    );
    mismatch(
        outcome,
        problem,
        "declare `type = \"bool\"` with its `false` and `true` texts",
    )
}

/// Whether the levels of an outcome stand here in the study's
/// order. A site may lack some of them.
fn order_fits(outcome: &str, kind: &Kind, theirs: &[String]) -> Result<(), DataError> {
    let Kind::Category {
        levels,
        ordered: true,
    } = kind
    else {
        let problem = format!(
            "the outcome is declared as `{}`, the study needs levels that \
                 are in order",
            kind.word()
        );
        return mismatch(
            outcome,
            problem,
            "declare `type = \"ordered\"` with its `levels`, the lowest \
                 first",
        );
    };
    let mut rest = theirs.iter();
    match levels
        .iter()
        .find(|level| !rest.any(|their| same(their, level)))
    {
        None => Ok(()),
        Some(level) if !lists(theirs, level) => no_level(outcome, level, theirs),
        Some(_) => {
            let problem = format!(
                "the levels are in the order {} here, and in the study {}",
                levels.join(", "),
                theirs.join(", ")
            );
            let fix = "agree with the study's proposer which level is the lowest";
            mismatch(outcome, problem, fix)
        }
    }
}

/// A level that the study does not know.
fn no_level<T>(name: &str, level: &str, theirs: &[String]) -> Result<T, DataError> {
    let problem = format!(
        "the study has no level `{level}`; its levels are {}",
        theirs.join(", ")
    );
    mismatch(
        name,
        problem,
        "agree on the levels with the study's proposer",
    )
}

/// What is wrong between a schema and a study, and how the
/// units are converted where nothing is.
fn fits<'c, 's>(
    study: &'s Study,
    declared: impl Fn(&str) -> Result<&'c Column, DataError>,
) -> Result<Units<'s>, DataError> {
    let mut faults = not_there(study, &declared);
    // What is not there was said.
    let there = |name: &str| declared(name).ok();
    let data = &study.data;
    if let Some(outcome) = &data.outcome
        && let Some(column) = there(outcome)
    {
        faults.extend(outcome_fits(study, outcome, &column.kind).err());
    }
    faults.extend(numbers_fit(study, &there));
    faults.extend(uses_fit(study, &there));
    faults.extend(levels_fit(study, &there));
    for group in judged(study) {
        if let Some(column) = there(&group.column) {
            faults.extend(judges(&group.column, &column.kind, &group.kind).err());
        }
    }
    let comparisons = data.filter.iter().flat_map(|filter| filter.comparisons());
    for comparison in comparisons {
        let name = comparison.column.as_str();
        if let Some(column) = there(name) {
            faults.extend(compares(name, column, &comparison.literal).err());
        }
    }
    let units = Units::of(study, there);
    match units {
        Ok(units) if faults.is_empty() => Ok(units),
        units => {
            faults.extend(units.err().into_iter().flatten());
            Err(DataError::joined(faults).unwrap_or_else(nothing))
        }
    }
}

/// The columns that are not there, and where they are many
/// most of them in one line.
fn not_there<'c>(
    study: &Study,
    declared: impl Fn(&str) -> Result<&'c Column, DataError>,
) -> Vec<DataError> {
    let names: Vec<&str> = study.reads().into_iter().collect();
    let missing = names
        .into_iter()
        .filter_map(|name| Some((name, declared(name).err()?)));
    let mut missing: Vec<(&str, DataError)> = missing.collect();
    let rest = missing.split_off(missing.len().min(ONE_BY_ONE));
    let mut faults: Vec<DataError> = missing.into_iter().map(|(_, fault)| fault).collect();
    if !rest.is_empty() {
        let names = rest.iter().map(|(name, _)| (*name).to_owned()).collect();
        let problem = format!("neither are there {}", listed(names));
        let fix = "declare them as well";
        faults.push(DataError::new(Code::UnknownColumn, problem, fix));
    }
    faults
}

/// Columns that are not there and are said one by one.
const ONE_BY_ONE: usize = 3;

/// A list of faults is never empty.
fn nothing() -> DataError {
    debug_assert!(false, "faults without one");
    let fix = "compare the schema with the study";
    DataError::new(
        Code::SchemaMismatch,
        "schema and study do not mean the same",
        fix,
    )
}

fn judged(study: &Study) -> impl Iterator<Item = &Subgroup> {
    let judged = study.recipe.judged.as_ref();
    judged.into_iter().flat_map(|asked| &asked.groups)
}

/// Outcomes and others that have to be numbers.
fn numbers_fit<'c>(study: &Study, there: impl Fn(&str) -> Option<&'c Column>) -> Vec<DataError> {
    let data = &study.data;
    // Risk ratios by poisson, risk differences by linear: there yes and no are 1 and 0.
    let number = study.outcome() == Outcome::Number;
    let outcome = data.outcome.as_ref().filter(|name| {
        let yes_no = there(name).is_some_and(|column| matches!(column.kind, Kind::Bool { .. }));
        number && !(yes_no && study.recipe.method.takes_yes_no())
    });
    let names = [
        outcome,
        data.time.as_ref(),
        data.offset.as_ref(),
        data.weight.as_ref(),
    ];
    let columns = names
        .into_iter()
        .flatten()
        .filter_map(|name| Some((name, &there(name)?.kind)));
    columns
        .filter(|(_, kind)| !matches!(kind, Kind::Float | Kind::Int))
        .filter_map(|(name, kind)| {
            let problem = format!("declared as `{}`, the study needs a number", kind.word());
            let fix = "declare `type = \"float\"` or `type = \"int\"`";
            mismatch::<()>(name, problem, fix).err()
        })
        .collect()
}

/// What the site lets no study do with a column.
fn uses_fit<'c>(study: &Study, there: impl Fn(&str) -> Option<&'c Column>) -> Vec<DataError> {
    let data = &study.data;
    let filters = data
        .filter
        .iter()
        .flat_map(Filter::columns)
        .map(|name| (name, Use::Filter));
    let weights = data.weight.iter().map(|name| (name.as_str(), Use::Weight));
    let groups = data
        .group
        .iter()
        .map(String::as_str)
        .chain(judged(study).map(|group| group.column.as_str()))
        .map(|name| (name, Use::Group));
    let wanted = filters.chain(weights).chain(groups);
    wanted
        .filter(|(name, wanted)| there(name).is_some_and(|column| !column.uses.contains(wanted)))
        .filter_map(|(name, wanted)| {
            let problem = format!("this site lets no study {} by it", wanted.word());
            let fix = "the proposer leaves it out, or the site adds it to `use` in its schema";
            mismatch::<()>(name, problem, fix).err()
        })
        .collect()
}

/// Categories of one that are none of the other, and levels.
fn levels_fit<'c>(study: &Study, there: impl Fn(&str) -> Option<&'c Column>) -> Vec<DataError> {
    let mut faults = Vec::new();
    for feature in study.data.features.iter().chain(&study.data.group) {
        let Some(column) = there(feature) else {
            continue;
        };
        let fits = match (&column.kind, study.levels_of(feature)) {
            (Kind::Category { levels, .. }, Some(theirs)) => {
                match levels.iter().find(|level| !lists(theirs, level)) {
                    Some(level) => no_level(feature, level, theirs),
                    None => Ok(()),
                }
            }
            (Kind::Category { .. }, None) => {
                let problem = "a category here, but the study names no levels of it".to_string();
                let fix = "the study's file needs them under `[data.levels]`";
                mismatch(feature, problem, fix)
            }
            (kind, Some(_)) => {
                let problem = format!(
                    "declared as `{}`, the study takes it as a category",
                    kind.word()
                );
                let fix = "declare `type = \"category\"` with its `levels`";
                mismatch(feature, problem, fix)
            }
            (_, None) => Ok(()),
        };
        faults.extend(fits.err());
    }
    faults
}

/// Whether a rule of the study compares a column with a value
/// of its type.
fn compares(name: &str, column: &Column, literal: &Literal) -> Result<(), DataError> {
    match (&column.kind, literal) {
        (Kind::Category { levels, .. }, Literal::Number(number)) if column.codes => {
            let problem = format!(
                "the levels {} are codes here, the study's rule compares them \
                 with the number `{number}`",
                levels.join(", ")
            );
            let fix = "the rule needs the level as it is written, in quotes";
            mismatch(name, problem, fix)
        }
        (Kind::Category { levels, .. }, Literal::Text(text))
            if !levels.contains(text)
                && levels
                    .iter()
                    .any(|level| as_number(level) == as_number(text) || same(level, text)) =>
        {
            let problem = format!(
                "the study's rule compares with `{text}`, which is none of the \
                 levels {}, though it is one of them written otherwise",
                levels.join(", ")
            );
            mismatch(name, problem, "the rule needs the level as it is written")
        }
        (Kind::Category { .. }, _)
        | (Kind::Float | Kind::Int | Kind::Bool { .. }, Literal::Number(_)) => Ok(()),
        (Kind::Date, Literal::Text(text)) if days_since_1970(text).is_some() => Ok(()),
        (kind, literal) => {
            let problem = format!(
                "declared as `{}`, the study's rule compares it with \
                 `{literal}`",
                kind.word()
            );
            let fix = "agree on the column's type with the study's proposer";
            mismatch(name, problem, fix)
        }
    }
}

/// Whether a column can divide the patients as the study says.
fn judges(name: &str, kind: &Kind, wanted: &SubgroupKind) -> Result<(), DataError> {
    let (needs, fix) = match (kind, wanted) {
        (Kind::Bool { .. }, SubgroupKind::YesNo)
        | (Kind::Float | Kind::Int, SubgroupKind::Bands(_)) => {
            return Ok(());
        }
        (Kind::Category { levels, .. }, SubgroupKind::Category(theirs)) => {
            let Some(level) = levels.iter().find(|level| !lists(theirs, level)) else {
                return Ok(());
            };
            let problem = format!(
                "the study judges no level `{level}`; its levels are {}",
                theirs.join(", ")
            );
            return mismatch(
                name,
                problem,
                "agree on the levels with the study's proposer",
            );
        }
        (_, SubgroupKind::YesNo) => (
            "yes or no",
            "the study's file needs its levels or its cuts under \
                 `[evaluation]`",
        ),
        (_, SubgroupKind::Bands(_)) => (
            "a number with cuts",
            "declare `type = \"float\"` or `type = \"int\"`",
        ),
        (_, SubgroupKind::Category(_)) => (
            "a category",
            "declare `type = \"category\"` with its `levels`",
        ),
    };
    let problem = format!(
        "declared as `{}`, the study judges its model by it as {needs}",
        kind.word()
    );
    mismatch(name, problem, fix)
}
