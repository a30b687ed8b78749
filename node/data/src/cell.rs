//! One cell's text to its value. The text never gets into an error.

use crate::error::{Code, DataError};
use crate::number::whole_advice;
use crate::schema::{Column, Kind};
use crate::spelling::{same, same_in_any_case};
use motet_recipes::filter::days_since_1970;

/// What a cell holds.
#[derive(Clone, Copy)]
pub(crate) enum Cell {
    /// Not known.
    Missing,
    /// A number, 0 or 1 of a yes/no column, or days since 1970-01-01.
    Number(f64),
    /// A category's level, by its place in the schema's list.
    Level(u32),
}

/// Reads a cell of this column.
pub(crate) fn read(column: &Column, bytes: &[u8]) -> Result<Cell, DataError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| {
            DataError::new(
                Code::NotText,
                "the cell is not UTF-8 text",
                "declare the file's `encoding` under `[source]` of the schema, such as \
                 \"windows-1252\", or save it in UTF-8",
            )
        })?
        .trim();
    let normal = column.kind.compared(column.codes, column.marks, text);
    if column.missing.contains(&normal) {
        return Ok(Cell::Missing);
    }
    match &column.kind {
        Kind::Float => number_within(column, column.marks.number(text)?, text),
        Kind::Int => match column.marks.number(text)? {
            own if own.fract() == 0.0 => number_within(column, own, text),
            _ => {
                let fix = whole_advice(column.marks, text);
                Err(DataError::new(Code::NotWhole, "not a whole number", fix))
            }
        },
        Kind::Bool { no, yes } => boolean(no, yes, &normal),
        Kind::Category { levels, .. } => {
            match (0_u32..)
                .zip(levels)
                .find(|(_, level)| same(level, &normal))
            {
                Some((place, _)) => Ok(Cell::Level(place)),
                None => {
                    let fix = format!(
                        "the levels are {}; correct the cell, add the level or list it as `missing`",
                        levels.join(", ")
                    );
                    Err(DataError::new(
                        Code::UnknownLevel,
                        "not one of the column's levels",
                        fix,
                    ))
                }
            }
        }
        Kind::Date => match days_since_1970(text) {
            Some(days) => within(column, days),
            None => Err(DataError::new(
                Code::NotADate,
                "not a date",
                "write dates as YYYY-MM-DD, or list the text as `missing`",
            )),
        },
    }
}

fn boolean(no: &[String], yes: &[String], normal: &str) -> Result<Cell, DataError> {
    let [is_no, is_yes] =
        [no, yes].map(|texts| texts.iter().any(|text| same_in_any_case(text, normal)));
    match (is_no, is_yes) {
        (true, _) => Ok(Cell::Number(0.0)),
        (_, true) => Ok(Cell::Number(1.0)),
        _ => {
            let fix = format!(
                "no is {}, yes is {}; correct the cell, or the column's `false`, `true` or `missing`",
                no.join(" or "),
                yes.join(" or ")
            );
            Err(DataError::new(Code::NotABool, "neither yes nor no", fix))
        }
    }
}

/// A day that is that many after 1970-01-01.
fn day(days: f64) -> String {
    let span = jiff::Span::new().try_days(days as i64).ok();
    let day = span.and_then(|span| jiff::civil::date(1970, 1, 1).checked_add(span).ok());
    day.map_or_else(|| "another day".to_owned(), |day| day.to_string())
}

/// Converts a number to the column's unit and holds it to the bounds.
fn within(column: &Column, own: f64) -> Result<Cell, DataError> {
    let value = own * column.factor.unwrap_or(1.0);
    let bounds = [
        column.min.map(|min| (value < min, "below `min`", min)),
        column.max.map(|max| (value > max, "above `max`", max)),
    ];
    match bounds.into_iter().flatten().find(|(outside, ..)| *outside) {
        Some((_, where_to, bound)) => {
            if column.kind == Kind::Date {
                let problem = format!("{where_to}, which is {}", day(bound));
                return Err(DataError::new(
                    Code::OutOfRange,
                    problem,
                    "correct the cell or the bound",
                ));
            }
            let unit = column
                .unit
                .as_deref()
                .map_or_else(String::new, |unit| format!(" {unit}"));
            let fix = "correct the cell, the bound, or the unit (`from` and `factor`)";
            Err(DataError::new(
                Code::OutOfRange,
                format!("{where_to}, which is {bound}{unit}"),
                fix,
            ))
        }
        None => Ok(Cell::Number(value)),
    }
}

/// The same, with what else may be the reason that it is out of bounds.
fn number_within(column: &Column, own: f64, text: &str) -> Result<Cell, DataError> {
    within(column, own).map_err(|error| match column.marks.doubt(text) {
        Some(fix) => error.but(&fix),
        None => error,
    })
}
