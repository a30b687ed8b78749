//! What the TOML reader refused, in the words of whoever wrote the file. Its own sentences name
//! types of the program and, of a wrong value, the value itself, which may be a secret: kinds,
//! places and names are taken from them, and the sentences are ours.

use crate::plain::cleaned;
use crate::words::{said, unknown};
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// What was refused: where it stands, what is wrong, and what to write instead.
pub(crate) struct Refused {
    pub(crate) span: Range<usize>,
    pub(crate) problem: String,
    pub(crate) fix: String,
}

impl Refused {
    fn new(span: Range<usize>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            span,
            problem: problem.into(),
            fix: fix.into(),
        }
    }
}

/// What is behind an error in `text`. `T` is what was to be read.
pub(crate) fn explain<T: DeserializeOwned>(text: &str, error: &Error) -> Refused {
    let span = error.span().unwrap_or(0..0);
    let Ok(tree) = DeTable::parse(text) else {
        return broken(text, span, error.message());
    };
    let (what, rest) = match error.message().split_once(" field ") {
        Some((what @ ("missing" | "unknown"), rest)) => (what, rest),
        _ => ("wrong", error.message()),
    };
    // `expected` is the reader's own list, behind whatever stands in the file.
    let expected = rest.rsplit_once("expected ").map_or("", |(_, last)| last);
    match what {
        "missing" => missing::<T>(text, span, rest.trim_matches('`')),
        "unknown" => {
            let key = at(text, &span);
            let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let (problem, fix) = unknown(key.trim_matches(['"', '\'']), &known);
            Refused::new(span, problem, fix)
        }
        _ => wrong(tree.get_ref(), span, expected),
    }
}

/// What stands at a place; nothing where the text has no such place.
fn at<'t>(text: &'t str, place: &Range<usize>) -> &'t str {
    text.get(place.clone()).unwrap_or_default()
}

/// The text is not TOML.
fn broken(text: &str, span: Range<usize>, message: &str) -> Refused {
    if message == "duplicate key" {
        let key = cleaned(at(text, &span));
        return Refused::new(span, format!("`{key}` stands twice"), "keep one of them");
    }
    let problem = if message.starts_with("string values must be quoted") {
        // What stands there is no value at all, or a text without quotes.
        match at(text, &span).trim() {
            "" => "a value is missing",
            _ => "a text must be quoted",
        }
    } else {
        message.trim_end_matches(", expected nothing")
    };
    Refused::new(span, format!("not TOML: {problem}"), "correct the line")
}

/// A key is missing from its table, which has a place in the text; a key or a table from the file,
/// which has none.
fn missing<T: DeserializeOwned>(text: &str, span: Range<usize>, name: &str) -> Refused {
    let is_table = span.is_empty() && {
        // The file itself does not say which it is; an empty table in its place is refused as a
        // value of another kind where a key is wanted.
        let with_table = format!("{text}\n[{name}]\n");
        let refused = toml::from_str::<T>(&with_table).err();
        !refused.is_some_and(|error| error.message().starts_with("invalid type"))
    };
    let problem = if is_table {
        format!("missing table `[{name}]`")
    } else {
        format!("missing key `{name}`")
    };
    Refused::new(span, problem, "add it")
}

/// A value of another kind, or a number that does not fit.
fn wrong(tree: &DeTable<'_>, span: Range<usize>, expected: &str) -> Refused {
    let wanted = wanted(expected);
    let problem = match found(tree, &span) {
        None => format!("a value here is not {wanted}"),
        Some(Found { key, value, listed }) => {
            let key = cleaned(key);
            let subject = if listed {
                format!("a value of `{key}`")
            } else {
                format!("`{key}`")
            };
            // A number may be shown: it is of the right kind, and does not fit.
            let is = match value {
                DeValue::Integer(number) if wanted.contains("number") => {
                    format!("`{}`", number.as_str())
                }
                other => said(other.type_str()).to_owned(),
            };
            format!("{subject} is {is}, not {wanted}")
        }
    };
    Refused::new(span, problem, "correct the line")
}

/// What the reader wanted, in plain words.
fn wanted(expected: &str) -> &'static str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "a text in quotes",
        "a sequence" => "a list in brackets",
        "a TOML datetime" => "a date without quotes",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        _ => "what belongs here",
    }
}

/// A value of the file, and whose it is.
struct Found<'f> {
    key: &'f str,
    value: &'f DeValue<'f>,
    listed: bool,
}

/// The value at this place.
fn found<'f>(table: &'f DeTable<'f>, span: &Range<usize>) -> Option<Found<'f>> {
    table.iter().find_map(|(key, value)| {
        let key: &'f str = AsRef::<str>::as_ref(Spanned::<std::borrow::Cow<'f, str>>::get_ref(key));
        within(key, value, false, span)
    })
}

fn within<'f>(
    key: &'f str,
    value: &'f Spanned<DeValue<'f>>,
    listed: bool,
    span: &Range<usize>,
) -> Option<Found<'f>> {
    if value.span() == *span {
        let value = value.get_ref();
        return Some(Found { key, value, listed });
    }
    match value.get_ref() {
        DeValue::Table(table) => found(table, span),
        DeValue::Array(list) => list.iter().find_map(|item| within(key, item, true, span)),
        _ => None,
    }
}
