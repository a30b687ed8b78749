//! Whether a site's schema and a study mean the same.

use super::parts::no_key;
use crate::error::{Code, DataError};
use crate::meaning::Units;
use crate::schema::{Column, Kind, Schema, Use};
use crate::spelling::{lists, same};
use crate::table::Table;
use motet_common::study::text::as_number;
use motet_common::study::{Outcome, Study};
use motet_recipes::filter::{Filter, Literal, days_since_1970};
use motet_recipes::{SubgroupKind, Subgroups};

/// Checks that a site's schema and a study mean the same,
/// before any file is opened.
///
/// # Errors
/// `unknown_column` and `schema_mismatch`.
pub fn check_schema(schema: &Schema, study: &Study) -> Result<(), DataError> {
    if study.held_out().is_some() && schema.key.is_none() {
        return Err(no_key());
    }
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

/// Whether the levels of an outcome stand here in the
/// study's order. A site may lack some of them.
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

fn fits<'c, 's>(
    study: &'s Study,
    declared: impl Fn(&str) -> Result<&'c Column, DataError>,
) -> Result<Units<'s>, DataError> {
    let data = &study.data;
    if let Some(outcome) = &data.outcome {
        outcome_fits(study, outcome, &declared(outcome)?.kind)?;
    }
    // Risk ratios by poisson, risk differences by linear: there yes and no are 1 and 0.
    let number = study.outcome() == Outcome::Number;
    let numbers = [
        data.outcome.as_ref().filter(|name| {
            let yes_no =
                declared(name).is_ok_and(|column| matches!(column.kind, Kind::Bool { .. }));
            number && !(yes_no && study.recipe.method.takes_yes_no())
        }),
        data.time.as_ref(),
        data.offset.as_ref(),
    ];
    for name in numbers.into_iter().chain([data.weight.as_ref()]).flatten() {
        let kind = &declared(name)?.kind;
        if !matches!(kind, Kind::Float | Kind::Int) {
            let problem = format!("declared as `{}`, the study needs a number", kind.word());
            return mismatch(
                name,
                problem,
                "declare `type = \"float\"` or `type = \"int\"`",
            );
        }
    }
    let filters = data
        .filter
        .iter()
        .flat_map(Filter::columns)
        .map(|name| (name, Use::Filter));
    let weights = data.weight.iter().map(|name| (name.as_str(), Use::Weight));
    let judged = study
        .recipe
        .judged
        .as_ref()
        .into_iter()
        .flat_map(Subgroups::in_columns);
    let groups = data
        .group
        .iter()
        .map(String::as_str)
        .chain(judged.map(|group| group.column.as_str()));
    for (name, wanted) in filters
        .chain(weights)
        .chain(groups.map(|name| (name, Use::Group)))
    {
        if !declared(name)?.uses.contains(&wanted) {
            let problem = format!("this site lets no study {} by it", wanted.word());
            return mismatch(
                name,
                problem,
                "the proposer leaves it out, or the site adds it to `use` in \
                 its schema",
            );
        }
    }
    for feature in data.features.iter().chain(&data.group) {
        match (&declared(feature)?.kind, study.levels_of(feature)) {
            (Kind::Category { levels, .. }, Some(theirs)) => {
                if let Some(level) = levels.iter().find(|level| !lists(theirs, level)) {
                    return no_level(feature, level, theirs);
                }
            }
            (Kind::Category { .. }, None) => {
                let problem = "a category here, but the study names no levels of it".to_string();
                return mismatch(
                    feature,
                    problem,
                    "the study's file needs them under `[data.levels]`",
                );
            }
            (kind, Some(_)) => {
                let problem = format!(
                    "declared as `{}`, the study takes it as a category",
                    kind.word()
                );
                return mismatch(
                    feature,
                    problem,
                    "declare `type = \"category\"` with its `levels`",
                );
            }
            (_, None) => {}
        }
    }
    for group in study
        .recipe
        .judged
        .as_ref()
        .into_iter()
        .flat_map(Subgroups::in_columns)
    {
        judges(&group.column, &declared(&group.column)?.kind, &group.kind)?;
    }
    for comparison in study
        .data
        .filter
        .iter()
        .flat_map(|filter| filter.comparisons())
    {
        let name = &comparison.column;
        let Column { kind, codes, .. } = declared(name)?;
        match (kind, &comparison.literal) {
            (Kind::Category { levels, .. }, Literal::Number(number)) if *codes => {
                let problem = format!(
                    "the levels {} are codes here, the study's rule compares them \
                 with the number `{number}`",
                    levels.join(", ")
                );
                return mismatch(
                    name,
                    problem,
                    "the rule needs the level as it is written, in quotes",
                );
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
                return mismatch(name, problem, "the rule needs the level as it is written");
            }
            (Kind::Category { .. }, _)
            | (Kind::Float | Kind::Int | Kind::Bool { .. }, Literal::Number(_)) => {}
            (Kind::Date, Literal::Text(text)) if days_since_1970(text).is_some() => {}
            (kind, literal) => {
                let problem = format!(
                    "declared as `{}`, the study's rule compares it with \
                 `{literal}`",
                    kind.word()
                );
                return mismatch(
                    name,
                    problem,
                    "agree on the column's type with the study's proposer",
                );
            }
        }
    }
    Units::of(study, declared)
}

/// Whether a column can divide the patients as the study
/// says.
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
        (_, SubgroupKind::HeldOut) => return Ok(()),
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
