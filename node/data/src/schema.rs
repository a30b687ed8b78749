//! The schema of a dataset at one site: what each declared column is, and where it stands in the
//! site's own file.
//!
//! | key of `[columns.NAME]` | default | meaning |
//! |---|---|---|
//! | `type` | | `float`, `int`, `bool`, `category`, `ordered` (a category whose levels are in order) or `date` (YYYY-MM-DD) |
//! | `source` | NAME | the column's header, or its 1-based number in a file without a header |
//! | `missing` | `NA`, `NaN`, `?`, `.` | texts that mean "not known", beside the empty cell, which means it unless it is a level or a yes or no; in columns of numbers they compare as numbers |
//! | `decimal`, `thousands` | those of `[source]` | the marks of this column's numbers, where they are others than the file's |
//! | `unit` | | UCUM code of the values; a study in another unit gets them converted by the node |
//! | `from`, `factor` | | where no law of units and no table of substances says how: the file's own unit, and what a value is multiplied by to get `unit` |
//! | `min`, `max` | | allowed range in `unit`, ends included; of a date two days |
//! | `levels` | | the levels of a category, of an ordered one the lowest first; a cell `1.0` is `1`, unless one of them is a code such as `01`, `250.00` or `1E3`: then all are compared as they are written |
//! | `use` | all of them | what a study may do with the column beside explaining and being explained: `"filter"`, `"weight"`, `"group"` |
//! | `false`, `true` | `0`, `false`, `no` and `1`, `true`, `yes` | texts of a yes/no column, in any case |
//!
//! Headers and texts of values are compared after NFKC, so that one letter has one spelling. `[source]`
//! says how the file is written: [`Layout`] has its keys.
//!
//! Where neither `decimal` nor `thousands` is declared, numbers have a decimal point, and a column in
//! which whole numbers stand beside values that all have exactly three digits after a point is
//! refused: `1.838` may be 1838. A value such as `0.838` or `1838.250` shows that it is not.
//!
//! `[dataset]` has `name`, which studies use, and optionally `key`, the column of the patient's
//! identifier.

mod layout;
mod parse;

use crate::error::{Code, DataError};
use crate::number::Marks;
use crate::spelling::nfkc;
pub use layout::Layout;
use motet_common::study::text;
use std::collections::BTreeMap;

/// A dataset's columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The name that studies use.
    pub name: String,
    /// Where the patient's identifier stands, if the site names it: a second row of a patient is
    /// left out.
    pub key: Option<Source>,
    /// How the site's file is written.
    pub layout: Layout,
    /// The declared columns, by name.
    pub columns: BTreeMap<String, Column>,
}

/// One declared column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Where it stands in the file.
    pub source: Source,
    /// What it holds.
    pub kind: Kind,
    /// UCUM code of its values.
    pub unit: Option<String>,
    /// UCUM code of the file's own numbers, where they are multiplied by `factor`.
    pub from: Option<String>,
    /// What a number is multiplied by to get `unit`.
    pub factor: Option<f64>,
    /// Smallest allowed value, in `unit`; of a date in days since 1970-01-01, as its values are.
    pub min: Option<f64>,
    /// Largest allowed value, in `unit`.
    pub max: Option<f64>,
    /// How its numbers are written.
    pub marks: Marks,
    /// Texts that mean "not known", in normal form.
    pub missing: Vec<String>,
    /// Whether a text of its values is a code, so that cells are compared as they are written.
    pub codes: bool,
    /// What a study may do with it beside explaining and being explained.
    pub uses: Vec<Use>,
}

/// What a study may do with a column beside explaining and being explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Choose patients by it.
    Filter,
    /// Let rows count by it.
    Weight,
    /// Divide patients by it: groups, strata, and those by which a model is judged.
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
    /// Yes or no, read as 1 or 0: the texts for no and for yes, as the schema has them.
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

    /// A text of the file as it is compared with those of the schema.
    pub(crate) fn compared(&self, codes: bool, marks: Marks, text: &str) -> String {
        match self {
            Kind::Float | Kind::Int => match marks.plain(text) {
                Some(plain) => text::as_number(&plain),
                None => text.to_owned(),
            },
            Kind::Bool { .. } | Kind::Category { .. } if !codes => text::normal_level(&nfkc(text)),
            _ => nfkc(text.trim()).into_owned(),
        }
    }
}

impl Schema {
    /// Whether the site's file has no header: then every source is a number.
    pub fn headerless(&self) -> bool {
        self.columns
            .values()
            .any(|column| matches!(column.source, Source::Number(_)))
    }

    /// A declared column.
    ///
    /// # Errors
    /// `unknown_column`, with the names there are.
    pub fn column(&self, name: &str) -> Result<&Column, DataError> {
        self.columns.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.columns.keys().map(String::as_str).collect();
            let fix = format!(
                "declare `[columns.{name}]`; declared are {}",
                names.join(", ")
            );
            DataError::new(
                Code::UnknownColumn,
                format!("the schema of `{}` has no column `{name}`", self.name),
                fix,
            )
        })
    }
}
