//! Whether a notice has the form of one. Whoever
//! signed it, nothing longer, hidden or twice is
//! recorded, and none is shown.

use super::{HUNDRED, MOST_BYTES, MOST_COLUMNS, MOST_LEVELS, Notice, Offer, SignedNotice, Told};
use crate::enrol::check_name;
use crate::refusal::{Code, Refusal};
use crate::study::text::{NAME_LIMIT, is_column_name, is_dataset_name};
use crate::study::{LONGEST_LABEL, Type};
use motet_secagg::encode::Canonical as _;
use motet_toml::is_plain;
use std::collections::BTreeSet;

/// The last number: files that keep it have 63
/// bits.
const LAST: u64 = i64::MAX as u64;

/// Bytes of a signed notice around what it tells,
/// and to spare.
const AROUND: usize = 512;

fn malformed(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::Malformed, what)
}

/// Text on one line that shows as what it is.
fn is_text(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && is_plain(text, false)
}

/// Whether something is said that does not show
/// as what it is.
fn is_long(text: Option<&String>, most: usize) -> bool {
    text.is_some_and(|text| !is_text(text, most))
}

/// Whether one of these stands there twice.
fn is_twice(levels: &[String]) -> bool {
    let different: BTreeSet<&String> = levels.iter().collect();
    different.len() != levels.len()
}

impl SignedNotice {
    /// Whether it has the form of a notice; whose it
    /// is, [`SignedNotice::is_signed_by`] tells.
    ///
    /// # Errors
    /// `malformed`, with the column.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.to_bytes().len() > MOST_BYTES {
            return Err(malformed(format!(
                "a notice of more than {MOST_BYTES} bytes"
            )));
        }
        self.notice.check()
    }
}

impl Notice {
    fn check(&self) -> Result<(), Refusal> {
        if !is_dataset_name(&self.dataset) {
            return Err(malformed("a notice names no dataset"));
        }
        if !(1..=LAST).contains(&self.number) {
            return Err(malformed("a notice without a number"));
        }
        self.offer().map_or(Ok(()), Offer::check)
    }
}

impl Offer {
    /// Whether it can be told.
    ///
    /// # Errors
    /// `malformed`, with the column.
    pub fn check(&self) -> Result<(), Refusal> {
        let to = u64::from(self.rounded_to);
        if self.rounded_to < HUNDRED || !self.rows.is_multiple_of(to) {
            return Err(malformed("rows that are not rounded"));
        }
        if self.to_bytes().len() > MOST_BYTES - AROUND {
            return Err(malformed(format!("more than {MOST_BYTES} bytes")));
        }
        if self.columns.is_empty() || self.columns.len() > MOST_COLUMNS {
            return Err(malformed(format!(
                "a notice tells of 1 to {MOST_COLUMNS} columns"
            )));
        }
        let mut pairs = self.columns.iter().zip(self.columns.iter().skip(1));
        if pairs.any(|(one, next)| one.column >= next.column) {
            return Err(malformed("columns that do not rise by name"));
        }
        for name in self.researchers.names() {
            check_name(name)?;
        }
        self.columns.iter().try_for_each(Told::check)
    }
}

impl Told {
    fn check(&self) -> Result<(), Refusal> {
        if !is_column_name(&self.column) {
            return Err(malformed("a name that is no column's"));
        }
        let texts = [
            (&self.label, LONGEST_LABEL),
            (&self.unit, NAME_LIMIT),
            (&self.substance, NAME_LIMIT),
        ];
        let is_number = matches!(self.kind, Type::Float | Type::Int);
        let has_levels = matches!(self.kind, Type::Category | Type::Ordered);
        let bounds = [self.min, self.max];
        let what = if texts
            .iter()
            .any(|(text, most)| is_long(text.as_ref(), *most))
        {
            "a label, unit or substance that does not show as what it is"
        } else if !is_number && bounds.iter().any(Option::is_some) {
            "a range of what is no number"
        } else if bounds.iter().flatten().any(|bound| !bound.is_finite()) {
            "a range without an end"
        } else if self.uses.len() > 3 {
            "more uses than there are"
        } else if !has_levels && !self.levels.is_empty() {
            "levels of what is no category"
        } else if self.levels.len() > MOST_LEVELS
            || self.levels.iter().any(|level| !is_text(level, NAME_LIMIT))
        {
            "too many levels, or one that does not show as what it is"
        } else if is_twice(&self.levels) {
            "a level that is told twice"
        } else if self.kind != Type::Date && self.years.is_some() {
            "years of what is no date"
        } else {
            return Ok(());
        };
        Err(malformed(format!("column `{}` has {what}", self.column)))
    }
}
