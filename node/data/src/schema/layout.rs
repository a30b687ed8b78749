//! The table `[source]` of a schema: how the site's file is written.
//!
//! - `kind`: `csv`, a text file whose cells are parted by a delimiter, or
//!   `xlsx`, an Excel workbook. Both, and gzip, are seen by their first
//!   bytes; where `kind` is declared, another file is refused.
//! - `sheet`: the name of a workbook's sheet. Not declared it is the only
//!   one with a value.
//! - `delimiter`: one sign, or `tab`. Not declared it is that of the
//!   file's `sep=` line, or the comma, semicolon or tab of its first row;
//!   a file of decimal commas without a header, semicolon and tab needs it.
//! - `quote`: what a cell with delimiters or line ends stands between.
//!   Not declared it is `"`; `""` is none. A quoted cell whose lines all
//!   have the delimiters of a row is refused.
//! - `decimal`: the decimal mark, `.` or `,`. Not declared it is `.`, or
//!   `,` where `thousands = "."`.
//! - `thousands`: what parts thousands: `.`, `,`, a space of any kind, or
//!   an apostrophe. Not declared it is nothing.
//! - `encoding`: `utf-8` if not declared; `utf-16` (by its mark, and
//!   without one little-endian; `utf-16be` is the other), or the name of
//!   one of one byte a letter: `windows-1252`, `iso-8859-15`,
//!   `windows-1250` .. Those of MS-DOS (CP850, CP437: Excel's `CSV
//!   (MS-DOS)`) are not read.
//!
//! `decimal` and `thousands` may stand in a column's own table, too: then both of `[source]` do not
//! count for it.

use crate::number::{Decimal, Marks, Thousands};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use motet_toml::{Checked, TomlFile};
use serde::Deserialize;
use toml::Spanned;

/// What kind of file a site's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A text file whose cells are parted by a delimiter.
    Csv,
    /// An Excel workbook.
    Xlsx,
}

impl FileKind {
    /// The words of a schema file.
    pub const WORDS: [(&'static str, Self); 2] = [("csv", Self::Csv), ("xlsx", Self::Xlsx)];
}

/// How the site's file is written. What is not declared is seen from the file, or is the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// What kind of file it is; seen where it is not declared.
    pub kind: Option<FileKind>,
    /// The sheet of a workbook; the only one with a value where it is not declared.
    pub sheet: Option<String>,
    /// What parts the cells.
    pub delimiter: Option<u8>,
    /// What cells are quoted with; none where quotes are letters like any other.
    pub quote: Option<u8>,
    /// How numbers are written, where a column does not say so itself.
    pub marks: Marks,
    /// The letters' bytes; UTF-8 where it is not declared.
    pub encoding: Option<&'static Encoding>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            kind: None,
            sheet: None,
            delimiter: None,
            quote: Some(b'"'),
            marks: Marks::default(),
            encoding: None,
        }
    }
}

/// The table as it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLayout {
    kind: Option<Spanned<String>>,
    sheet: Option<String>,
    delimiter: Option<Spanned<String>>,
    quote: Option<Spanned<String>>,
    decimal: Option<Spanned<String>>,
    thousands: Option<Spanned<String>>,
    encoding: Option<Spanned<String>>,
}

impl RawLayout {
    pub(super) fn read(&self, file: &TomlFile<'_>) -> Checked<Layout> {
        let kind = self.kind.as_ref();
        let kind = kind
            .map(|given| {
                let fix = "this version reads `csv` and `xlsx`";
                word(file, "kind", given, &FileKind::WORDS, fix)
            })
            .transpose()?;
        let quote = match &self.quote {
            None => Some(b'"'),
            Some(none) if none.get_ref().is_empty() => None,
            Some(given) => Some(sign(file, "quote", given)?),
        };
        let delimiter = self.delimiter.as_ref();
        let delimiter = delimiter
            .map(|given| match given.get_ref().as_str() {
                "tab" => Ok(b'\t'),
                _ => sign(file, "delimiter", given),
            })
            .transpose()?;
        if let Some(given) = self
            .quote
            .as_ref()
            .filter(|_| quote.is_some() && quote == delimiter)
        {
            let problem = "`quote` and `delimiter` are one sign";
            return file.refuse(given.span(), problem, "give each its own");
        }
        Ok(Layout {
            kind,
            sheet: self.sheet.clone(),
            delimiter,
            quote,
            marks: marks(file, self.decimal.as_ref(), self.thousands.as_ref())?,
            encoding: self
                .encoding
                .as_ref()
                .map(|given| encoding(file, given))
                .transpose()?,
        })
    }
}

/// The marks that a table declares.
pub(super) fn marks(
    file: &TomlFile<'_>,
    decimal: Option<&Spanned<String>>,
    thousands: Option<&Spanned<String>>,
) -> Checked<Marks> {
    let marks = Marks {
        decimal: decimal
            .map(|given| {
                word(
                    file,
                    "decimal",
                    given,
                    &Decimal::WORDS,
                    "write \".\" or \",\"",
                )
            })
            .transpose()?,
        thousands: thousands
            .map(|given| {
                let fix = "write \".\", \",\", \" \" (a space of any kind) or \"'\"";
                word(file, "thousands", given, &Thousands::WORDS, fix)
            })
            .transpose()?,
    };
    match (decimal, thousands) {
        (Some(decimal), Some(thousands)) if decimal.get_ref() == thousands.get_ref() => {
            let problem = "`decimal` and `thousands` are one mark";
            file.refuse(
                thousands.span(),
                problem,
                "give each its own, or take one out",
            )
        }
        _ => Ok(marks),
    }
}

fn word<T: Copy>(
    file: &TomlFile<'_>,
    key: &str,
    given: &Spanned<String>,
    words: &[(&str, T)],
    fix: &str,
) -> Checked<T> {
    let found = words.iter().find(|(word, _)| word == given.get_ref());
    match found {
        Some((_, value)) => Ok(*value),
        None => file.refuse(
            given.span(),
            format!("`{key}` is {:?}", given.get_ref()),
            fix,
        ),
    }
}

/// One sign that is neither a letter, a digit nor a line end.
fn sign(file: &TomlFile<'_>, key: &str, given: &Spanned<String>) -> Checked<u8> {
    match given.get_ref().as_bytes() {
        [sign] if sign.is_ascii_punctuation() || matches!(sign, b'\t' | b' ') => Ok(*sign),
        _ => {
            let problem = format!("`{key}` is {:?}", given.get_ref());
            let fix = "write one sign, such as \",\", \";\", \"|\" or \"\\t\"";
            file.refuse(given.span(), problem, fix)
        }
    }
}

/// The encodings of whole files: UTF-8, UTF-16 and those of one byte a letter.
fn encoding(file: &TomlFile<'_>, given: &Spanned<String>) -> Checked<&'static Encoding> {
    let found = Encoding::for_label(given.get_ref().as_bytes());
    match found {
        Some(known) if known.is_single_byte() || [UTF_8, UTF_16LE, UTF_16BE].contains(&known) => {
            Ok(known)
        }
        _ => {
            let problem = format!("`encoding` is {:?}", given.get_ref());
            let fix = "write \"utf-8\", \"utf-16\", \"windows-1252\", \"iso-8859-15\" or another \
                       of one byte a letter; what Excel saved as \
                       `CSV (MS-DOS)` (CP850) save anew \
                       as `CSV UTF-8`";
            file.refuse(given.span(), problem, fix)
        }
    }
}
