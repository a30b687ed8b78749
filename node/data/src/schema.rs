//! The schema of a dataset at one site: what each declared column
//! is, and where it stands in the site's own file or of which
//! other columns it is made. SCHEMA.md has every key.
//!
//! ```text
//! a cell -> missing? -> replace | map | format | number by its marks
//!                            \-> factor | scale, offset, round -> min, max -> cut
//! other columns -> between | when | any_of | all_of | coalesce | of | value -/
//! ```
//!
//! Headers and texts of values are compared after NFKC, so that
//! one letter has one spelling. `[source]` says how the file is
//! written: [`Layout`] has its keys.
//!
//! Where neither `decimal` nor `thousands` is declared, numbers
//! have a decimal point, and a column in which whole numbers
//! stand beside values that all have exactly three digits after a
//! point is refused: `1.838` may be 1838. A value such as `0.838`
//! or `1838.250` shows that it is not.

mod declared; // the columns, alone and in ranges
mod layout; //   how the file is written
mod making; //   the keys that make a column of others
mod parse; //    the whole file
mod raw; //      the tables as they are written
mod words; //    how a column is made, for people
mod works; //    the keys that work on a cell or a number

use crate::circles::order;
use crate::dates::Format;
pub use crate::derivation::{Constant, Derivation, End, Measure};
use crate::error::{Code, DataError};
use crate::number::Marks;
use crate::spelling::nfkc;
use crate::steps::Steps;
pub use layout::Layout;
use motet_common::study::ranges::{by_number, joined};
use motet_common::study::text;
use std::collections::{BTreeMap, BTreeSet};

/// A dataset's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The name that studies use.
    pub name: String,
    /// Where the patient's identifier stands, if the site names
    /// it: a second row of a patient is left out.
    pub key: Option<Source>,
    /// How the site's file is written.
    pub layout: Layout,
    /// The declared columns, by name.
    pub columns: BTreeMap<String, Column>,
    /// Their names as the file has them.
    pub order: Vec<String>,
    /// The ranges in which many are declared at once, and the
    /// names of each.
    pub ranges: BTreeMap<String, Vec<String>>,
}

/// One declared column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Where its values come from.
    pub origin: Origin,
    /// What it holds.
    pub kind: Kind,
    /// UCUM code of its values.
    pub unit: Option<String>,
    /// UCUM code of the file's own numbers, where they are multiplied by `factor`.
    pub from: Option<String>,
    /// What a number is multiplied by to get `unit`.
    pub factor: Option<f64>,
    /// What else is done to a number.
    pub steps: Steps,
    /// Smallest allowed value, in `unit`; of a date in days since
    /// 1970-01-01, as its values are.
    pub min: Option<f64>,
    /// Largest allowed value, in `unit`.
    pub max: Option<f64>,
    /// How its numbers are written.
    pub marks: Marks,
    /// Texts that mean "not known", in normal form.
    pub missing: Vec<String>,
    /// Whether a text of its values is a code, so that cells are
    /// compared as they are written.
    pub codes: bool,
    /// What a study may do with it beside explaining and being
    /// explained.
    pub uses: Vec<Use>,
    /// Whether it feeds other columns and no study.
    pub private: bool,
    /// Of a category the place of each level, by all texts that
    /// mean it, in normal form.
    pub(crate) places: BTreeMap<String, u32>,
}

/// Where a column's values come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    /// A column of the file.
    Cell {
        /// Where it stands.
        source: Source,
        /// What its texts mean.
        texts: Texts,
    },
    /// Other declared columns.
    Made(Derivation),
}

/// What texts of a column's cells mean beside what its type says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    /// Texts that are numbers in the site's own unit, as they are
    /// written: `1.500` is not `1.5`.
    pub replace: BTreeMap<String, f64>,
    /// Texts that are levels, by their places, in normal form.
    pub map: BTreeMap<String, u32>,
    /// How dates are written; none is YYYY-MM-DD.
    pub format: Option<Format>,
}

/// What a study may do with a column beside explaining and being
/// explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Choose patients by it.
    Filter,
    /// Let rows count by it.
    Weight,
    /// Divide patients by it: groups, strata, and those by which
    /// a model is judged.
    Group,
}

impl Use {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Filter, Self::Weight, Self::Group];

    /// The word in the schema file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Weight => "weight",
            Self::Group => "group",
        }
    }
}

/// Where a column stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Under this header.
    Header(String),
    /// At this 1-based place, in a file without a header.
    Number(usize),
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Float,
    /// A whole number.
    Int,
    /// Yes or no, read as 1 or 0: the texts for no and for yes,
    /// as the schema has them.
    Bool {
        /// Texts for no.
        no: Vec<String>,
        /// Texts for yes.
        yes: Vec<String>,
    },
    /// One of these levels, as the schema has them.
    Category {
        /// The levels.
        levels: Vec<String>,
        /// Whether they are in order, the lowest first.
        ordered: bool,
    },
    /// A day, read as days since 1970-01-01.
    Date,
}

impl Kind {
    /// The word in the schema file.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Float => "float",
            Kind::Int => "int",
            Kind::Bool { .. } => "bool",
            Kind::Category { ordered: true, .. } => "ordered",
            Kind::Category { .. } => "category",
            Kind::Date => "date",
        }
    }

    /// The texts that a schema gives a column's values.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &String> {
        let (first, second): (&[String], &[String]) = match self {
            Kind::Bool { no, yes } => (no, yes),
            Kind::Category { levels, .. } => (levels, &[]),
            _ => (&[], &[]),
        };
        first.iter().chain(second)
    }
}

/// A text of the file as it is compared with those of the schema:
/// as a number, as a level, or, where one of those is a code, as
/// it is written.
pub(crate) fn compared(kind: &Kind, codes: bool, marks: Marks, text: &str) -> String {
    match kind {
        Kind::Float | Kind::Int => number(marks, text).unwrap_or_else(|| spaced(marks, text)),
        Kind::Bool { .. } | Kind::Category { .. } if !codes => marks.level(&nfkc(text)),
        _ => nfkc(text.trim()).into_owned(),
    }
}

/// A number as programs write it; nothing where the text is none
/// by these marks.
fn number(marks: Marks, text: &str) -> Option<String> {
    let plain = marks.plain(text)?;
    let value: Result<f64, _> = plain.parse();
    value.is_ok().then(|| text::as_number(&plain))
}

/// A text among numbers as it is compared: after NFKC, and with
/// one space for any that part its words.
fn spaced(marks: Marks, text: &str) -> String {
    let normal = nfkc(text);
    if number(marks, &normal).is_some() {
        // `10²` is not 102.
        return text.to_owned();
    }
    let words: Vec<&str> = normal.split_whitespace().collect();
    words.join(" ")
}

impl Column {
    /// What its cells hold: numbers also where these are cut into
    /// levels.
    pub(crate) fn read_as(&self) -> &Kind {
        match self.steps.cut {
            Some(_) => &Kind::Float,
            None => &self.kind,
        }
    }

    /// A text of the file as it is compared with those of the
    /// schema.
    pub(crate) fn compared(&self, text: &str) -> String {
        compared(self.read_as(), self.codes, self.marks, text)
    }

    /// The place of a level of this name.
    pub(crate) fn place(&self, level: &str) -> Option<u32> {
        self.places.get(nfkc(level).as_ref()).copied()
    }

    /// A text of the file as it is written, after NFKC.
    pub(crate) fn written(&self, text: &str) -> String {
        spaced(self.marks, text.trim())
    }

    /// Where it stands in the file, unless it is made of others.
    pub fn source(&self) -> Option<&Source> {
        match &self.origin {
            Origin::Cell { source, .. } => Some(source),
            Origin::Made(_) => None,
        }
    }

    /// The columns that it is made of.
    pub fn inputs(&self) -> Vec<&str> {
        match &self.origin {
            Origin::Cell { .. } => Vec::new(),
            Origin::Made(derivation) => derivation.inputs(),
        }
    }
}

/// What each column is made of.
pub(crate) fn inputs(columns: &BTreeMap<String, Column>) -> BTreeMap<&str, Vec<&str>> {
    let columns = columns.iter();
    columns
        .map(|(name, column)| (name.as_str(), column.inputs()))
        .collect()
}

/// Names of columns as a message lists them, those that differ in
/// a number alone together.
pub(crate) fn listed(mut names: Vec<String>) -> String {
    by_number(&mut names);
    joined(&names).join(", ")
}

/// What is wrong where columns are made of each other, and what
/// to do.
pub(crate) fn in_circle(circle: &[&str]) -> (String, &'static str) {
    let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
    (
        format!("columns are made of each other: {}", names.join(" of ")),
        "make one of them of columns of the file",
    )
}

impl Schema {
    /// Whether the site's file has no header: then every source
    /// is a number.
    pub fn headerless(&self) -> bool {
        self.columns
            .values()
            .any(|column| matches!(column.source(), Some(Source::Number(_))))
    }

    /// A declared column that studies may have.
    ///
    /// # Errors
    /// `unknown_column`, with the names there are. Of a private
    /// one the problem is the same, as if it were not there; only
    /// the fix, which is the site's own, says more.
    pub fn column(&self, name: &str) -> Result<&Column, DataError> {
        let found = self.columns.get(name);
        if let Some(column) = found.filter(|column| !column.private) {
            return Ok(column);
        }
        let fix = if found.is_some() {
            format!(
                "it is `private`, which no study gets: take that out of `[columns.{name}]` to \
                 offer it"
            )
        } else {
            let offered = self.columns.iter().filter(|(_, column)| !column.private);
            let offered: Vec<String> = offered.map(|(name, _)| name.clone()).collect();
            format!(
                "declare `[columns.{name}]`; declared are {}",
                listed(offered)
            )
        };
        Err(DataError::new(
            Code::UnknownColumn,
            format!("the schema of `{}` has no column `{name}`", self.name),
            fix,
        ))
    }

    /// The range that declares a column, for each that has one.
    pub(crate) fn range_of(&self) -> BTreeMap<&str, &str> {
        let ranges = self.ranges.iter();
        ranges
            .flat_map(|(range, names)| names.iter().map(|name| (name.as_str(), range.as_str())))
            .collect()
    }

    /// These columns and all that they are made of, each after
    /// its own.
    ///
    /// # Errors
    /// `schema_invalid` where columns are made of each other,
    /// which no schema that was parsed says.
    pub(crate) fn made_of(
        &self,
        names: &BTreeSet<&str>,
    ) -> Result<Vec<(&str, &Column)>, DataError> {
        let wanted = self.columns.keys().map(String::as_str);
        let wanted = wanted.filter(|name| names.contains(name));
        let order = order(&inputs(&self.columns), wanted).map_err(|circle| {
            let (problem, fix) = in_circle(&circle);
            DataError::new(Code::SchemaInvalid, problem, fix)
        })?;
        let columns = order.into_iter();
        Ok(columns
            .filter_map(|name| self.columns.get_key_value(name))
            .map(|(name, column)| (name.as_str(), column))
            .collect())
    }

    /// The declared columns, as a file lists them.
    pub fn in_order(&self) -> impl Iterator<Item = (&str, &Column)> {
        self.order
            .iter()
            .filter_map(|name| Some((name.as_str(), self.columns.get(name)?)))
    }
}
