//! What the TOML reader refused, in the words of whoever wrote the file. Its own sentences name
//! types of the program and, of a wrong value, the value itself, which may be a secret: kinds,
//! places and names are taken from them, and the sentences are ours.

use super::{Mistake, TomlFile};
use crate::text::cleaned;
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

/// The mistake behind a refusal. `T` is what was to be read.
pub(super) fn explain<T: DeserializeOwned>(file: &TomlFile<'_>, error: &Error) -> Mistake {
    let span = error.span().unwrap_or(0..0);
    let Ok(tree) = DeTable::parse(file.text) else {
        return broken(file, span, error.message());
    };
    let (what, rest) = match error.message().split_once(" field ") {
        Some((what @ ("missing" | "unknown"), rest)) => (what, rest),
        _ => ("wrong", error.message()),
    };
    // `expected` is the reader's own list, behind whatever stands in the file.
    let expected = rest.rsplit_once("expected ").map_or("", |(_, last)| last);
    match what {
        "missing" => missing::<T>(file, span, rest.trim_matches('`')),
        "unknown" => {
            let key = file.text.get(span.clone()).unwrap_or_default();
            let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let (problem, fix) = unknown(key.trim_matches(['"', '\'']), &known);
            file.mistake(span, problem, fix)
        }
        _ => wrong(file, tree.get_ref(), span, expected),
    }
}

/// The text is not TOML.
fn broken(file: &TomlFile<'_>, span: Range<usize>, message: &str) -> Mistake {
    if message == "duplicate key" {
        let key = cleaned(file.text.get(span.clone()).unwrap_or_default());
        return file.mistake(span, format!("`{key}` stands twice"), "keep one of them");
    }
    let problem = if message.starts_with("string values must be quoted") {
        // What stands there is no value at all, or a text without quotes.
        match file.text.get(span.clone()).unwrap_or_default().trim() {
            "" => "a value is missing",
            _ => "a text must be quoted",
        }
    } else {
        message.trim_end_matches(", expected nothing")
    };
    file.mistake(span, format!("not TOML: {problem}"), "correct the line")
}

/// A key is missing from its table, which has a place in the text; a key or a table from the file,
/// which has none.
fn missing<T: DeserializeOwned>(file: &TomlFile<'_>, span: Range<usize>, name: &str) -> Mistake {
    let is_table = span.is_empty() && {
        // The file itself does not say which it is; an empty table in its place is refused as a
        // value of another kind where a key is wanted.
        let with_table = format!("{}\n[{name}]\n", file.text);
        let refused = toml::from_str::<T>(&with_table).err();
        !refused.is_some_and(|error| error.message().starts_with("invalid type"))
    };
    let problem = if is_table {
        format!("missing table `[{name}]`")
    } else {
        format!("missing key `{name}`")
    };
    file.mistake(span, problem, "add it")
}

/// A key that nobody knows, and what to do: the key that it is nearly, or all that may stand there.
pub(crate) fn unknown(key: &str, known: &[&str]) -> (String, String) {
    let key = cleaned(key);
    match near(&key, known) {
        Some(near) => (
            format!("unknown key `{key}`"),
            format!("did you mean `{near}`? correct or remove it"),
        ),
        None => (
            format!("unknown key `{key}`, the keys here are {}", keys(known)),
            "correct or remove it".to_owned(),
        ),
    }
}

/// No key of a file is nearly as long.
const LONGEST_KEY: usize = 100;

/// The known key that is at most one slip in three letters away.
pub(crate) fn near<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    // A text may come over the wire: what is longer than any key is none with a slip in it.
    if key.len() > LONGEST_KEY {
        return None;
    }
    let slips = |known: &&'k str| (strsim::damerau_levenshtein(key, known), *known);
    let (slips, nearest) = known.iter().map(slips).min()?;
    (slips <= key.chars().count().div_ceil(3)).then_some(nearest)
}

fn keys(known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    known.join(", ")
}

/// A value of another kind, or a number that does not fit.
fn wrong(file: &TomlFile<'_>, tree: &DeTable<'_>, span: Range<usize>, expected: &str) -> Mistake {
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
    file.mistake(span, problem, "correct the line")
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

/// A kind of value, from TOML's word for it.
pub(crate) fn said(kind: &str) -> &'static str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "float" => "a number",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a table",
    }
}

/// `"a", "b" or "c"`.
pub(crate) fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
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
    let at = |(key, value): (&'f Spanned<_>, &'f Spanned<DeValue<'f>>)| {
        let key: &'f str = AsRef::<str>::as_ref(Spanned::<std::borrow::Cow<'f, str>>::get_ref(key));
        within(key, value, false, span)
    };
    table.iter().find_map(at)
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
