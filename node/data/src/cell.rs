//! One cell's text to its value. The text never gets into an
//! error.

use crate::dates;
use crate::error::{Code, DataError};
use crate::number::whole_advice;
use crate::schema::{Column, Kind, Origin, Texts};
use crate::spelling::{nfkc, same_in_any_case};
use crate::steps::is_above;
use crate::value::Cell;

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
    let normal = column.compared(text);
    if column.missing.contains(&normal) {
        return Ok(Cell::Missing);
    }
    match column.read_as() {
        Kind::Float | Kind::Int => {
            let own = number(column, text)?;
            finished(column, own).map_err(|error| match column.marks.doubt(text) {
                // What else may be the reason that it is out of bounds.
                Some(fix) => error.but(&fix),
                None => error,
            })
        }
        Kind::Bool { no, yes } => boolean(no, yes, &normal),
        Kind::Category { levels, .. } => level(column, levels, &normal),
        Kind::Date => finished(column, day(column, &nfkc(text))?),
    }
}

/// What texts mean beside what the type says.
fn texts(column: &Column) -> Option<&Texts> {
    match &column.origin {
        Origin::Cell { texts, .. } => Some(texts),
        Origin::Made(_) => None,
    }
}

/// Whether a text is replaced by a number, so that its marks are
/// not those of numbers.
pub(crate) fn is_replaced(column: &Column, bytes: &[u8]) -> bool {
    let Some(texts) = texts(column).filter(|texts| !texts.replace.is_empty()) else {
        return false;
    };
    std::str::from_utf8(bytes).is_ok_and(|text| texts.replace.contains_key(&column.written(text)))
}

/// The number in a cell, in the site's own unit.
fn number(column: &Column, text: &str) -> Result<f64, DataError> {
    let replace = texts(column).map(|texts| &texts.replace);
    let replace = replace.filter(|replace| !replace.is_empty());
    if let Some(number) = replace.and_then(|replace| replace.get(&column.written(text))) {
        return Ok(*number);
    }
    let own = column.marks.number(text)?;
    if column.kind == Kind::Int && own.fract() != 0.0 && !column.steps.is_whole() {
        let fix = whole_advice(column.marks, text);
        return Err(DataError::new(Code::NotWhole, "not a whole number", fix));
    }
    Ok(own)
}

fn day(column: &Column, text: &str) -> Result<f64, DataError> {
    match texts(column).and_then(|texts| texts.format.as_ref()) {
        Some(format) => format.day(text),
        None => dates::plain(text),
    }
}

fn level(column: &Column, levels: &[String], normal: &str) -> Result<Cell, DataError> {
    match column.places.get(normal) {
        Some(place) => Ok(Cell::Level(*place)),
        None => {
            let fix = format!(
                "the levels are {}; correct the cell, add the level, give the text one by \
                 `map`, or list it as `missing`",
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

/// What becomes of a number or a day: it is converted, held to
/// the bounds, and cut into levels.
pub(crate) fn finished(column: &Column, own: f64) -> Result<Cell, DataError> {
    let value = column.steps.of(own * column.factor.unwrap_or(1.0));
    if !value.is_finite() {
        let problem = "no finite number once it is multiplied, moved and rounded";
        let fix = "correct the cell, or `factor`, `scale`, `offset` and `round` of the column";
        return Err(DataError::new(Code::OutOfRange, problem, fix));
    }
    let bounds = [
        column
            .min
            .map(|min| (is_above(min, value), "below `min`", min)),
        column
            .max
            .map(|max| (is_above(value, max), "above `max`", max)),
    ];
    match bounds.into_iter().flatten().find(|(outside, ..)| *outside) {
        Some((_, where_to, bound)) => Err(outside(column, where_to, bound)),
        None => Ok(match column.steps.level(value) {
            Some(level) => Cell::Level(level),
            None => Cell::Number(value),
        }),
    }
}

fn outside(column: &Column, where_to: &str, bound: f64) -> DataError {
    let cell = match column.origin {
        Origin::Cell { .. } => "the cell",
        Origin::Made(_) => "the cells that it is made of",
    };
    if column.kind == Kind::Date {
        let problem = format!("{where_to}, which is {}", dates::written(bound));
        let fix = format!("correct {cell} or the bound");
        return DataError::new(Code::OutOfRange, problem, fix);
    }
    let unit = column
        .unit
        .as_deref()
        .map_or_else(String::new, |unit| format!(" {unit}"));
    let fix = format!("correct {cell}, the bound, or the unit (`from` and `factor`)");
    DataError::new(
        Code::OutOfRange,
        format!("{where_to}, which is {bound}{unit}"),
        fix,
    )
}
