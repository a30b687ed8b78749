//! The columns that a schema declares: one by one, or many in a
//! range such as `[columns."emb[0..511]"]`, as a study names its
//! features.

use super::raw::{RawColumn, RawFile};
use motet_common::study::ranges::{MOST_COLUMNS, names};
use motet_toml::{Checked, TomlFile};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// The most columns of a schema, and of a file by their numbers.
pub(super) const MOST: usize = 100_000;

/// One column, and the table that declares it.
pub(super) struct Declared<'r> {
    pub(super) raw: &'r RawColumn,
    /// Where the table stands.
    pub(super) at: Range<usize>,
    /// Where the table is that of a range.
    pub(super) member: Option<Member<'r>>,
}

/// A column's place in a range.
#[derive(Clone, Copy)]
pub(super) struct Member<'r> {
    /// The range as it is written.
    pub(super) range: &'r str,
    /// From 0.
    pub(super) place: usize,
    /// How many columns the range has.
    pub(super) of: usize,
}

/// All columns, by their names.
///
/// # Errors
/// For a range that is none or is made of others, a column that
/// two tables declare, and too many of them.
pub(super) fn declared<'r>(
    file: &TomlFile<'_>,
    raw: &'r RawFile,
) -> Checked<BTreeMap<String, Declared<'r>>> {
    let mut tables: Vec<(&String, &Spanned<RawColumn>)> = raw.columns.iter().collect();
    tables.sort_by_key(|(_, table)| table.span().start);
    let mut columns: BTreeMap<String, Declared<'r>> = BTreeMap::new();
    for (text, table) in tables {
        let at = table.span();
        let Some(names) = names(text) else {
            let problem = format!("{text:?} is not a range of columns");
            let fix = format!(
                "write `[columns.\"emb[0..511]\"]` for emb0 to emb511, at most {MOST_COLUMNS} of \
                 them"
            );
            return file.refuse(at, problem, fix);
        };
        let is_range = text.contains('[');
        if is_range {
            of_the_file(file, text, table.get_ref())?;
        }
        let of = names.len();
        for (place, name) in names.into_iter().enumerate() {
            let member = Member {
                range: text,
                place,
                of,
            };
            if let Some(before) = columns.get(&name) {
                return twice(file, &name, before, at, text);
            }
            let column = Declared {
                raw: table.get_ref(),
                at: at.clone(),
                member: Some(member).filter(|_| is_range),
            };
            columns.insert(name, column);
        }
        if columns.len() > MOST {
            let problem = format!("more than {MOST} columns are declared");
            return file.refuse(at, problem, "declare those that studies use");
        }
    }
    Ok(columns)
}

/// A range is one of the file's columns: made of one other, all
/// of its columns would be the same.
fn of_the_file(file: &TomlFile<'_>, range: &str, raw: &RawColumn) -> Checked<()> {
    let made = raw.origins().into_iter().find(|(key, _)| *key != "source");
    match made {
        Some((key, span)) => file.refuse(
            span,
            format!("`{key}` makes one column, and `{range}` is a range of them"),
            "give a column that is made of others a table of its own",
        ),
        None => Ok(()),
    }
}

fn twice<T>(
    file: &TomlFile<'_>,
    name: &str,
    before: &Declared<'_>,
    at: Range<usize>,
    text: &str,
) -> Checked<T> {
    let line = file.line(before.at.start);
    let first = before.member.map_or(name, |member| member.range);
    let problem = format!(
        "column `{name}` is declared twice: in `{first}`, line {line}, and in `{text}` here"
    );
    let fix = "declare it once: end the range before it, and begin another behind it";
    file.refuse(at, problem, fix)
}
