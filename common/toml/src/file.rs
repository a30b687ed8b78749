//! A TOML file while it is read: places become lines, and a mistake says the file, the line, what is
//! wrong and what to write instead, in the same words whichever file it is.
//!
//! ```text
//! text --TomlFile::read--> the keys that a struct declares, each `Spanned` by its place
//!              \               --whole, word, day, prose--> checked values
//!               \                            \
//!                what TOML refused            --refuse--> Mistake { file, line, problem, fix }
//! ```

use crate::plain::is_plain;
use crate::refused::{self, Refused};
use crate::words::listed;
use serde::de::DeserializeOwned;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use toml::Spanned;
use toml::value::{Date, Datetime};

/// A value, or the first mistake.
pub type Checked<T> = Result<T, Mistake>;

/// A mistake in a TOML file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}; {fix}")]
pub struct Mistake {
    /// Which file: its path in backticks, or what kind of file it is where nobody knows a path.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl Mistake {
    /// The same mistake, where the file's path is known.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        Self {
            file: quoted(path),
            ..self
        }
    }

    /// Where it is and what is wrong, for those who show the fix on a line of its own.
    pub fn what(&self) -> String {
        format!("{}, line {}: {}", self.file, self.line, self.problem)
    }
}

/// The file's name and text.
#[derive(Debug, Clone)]
pub struct TomlFile<'t> {
    name: String,
    text: &'t str,
}

impl<'t> TomlFile<'t> {
    /// A file of this kind whose path nobody knows: a study came over the wire.
    pub fn new(kind: &str, text: &'t str) -> Self {
        Self {
            name: kind.to_owned(),
            text,
        }
    }

    /// The file at this path, which has been read.
    pub fn at(path: &Path, text: &'t str) -> Self {
        Self {
            name: quoted(path),
            text,
        }
    }

    /// The keys of the file as `T` declares them.
    ///
    /// # Errors
    /// The first mistake: what is not TOML, a key that stands twice, is unknown, is missing or has a
    /// value of another kind.
    pub fn read<T: DeserializeOwned>(&self) -> Checked<T> {
        toml::from_str(self.text).map_err(|error| {
            let Refused { span, problem, fix } = refused::explain::<T>(self.text, &error);
            self.mistake(span, problem, fix)
        })
    }

    /// The 1-based line of a place in the text.
    pub fn line(&self, offset: usize) -> u32 {
        debug_assert!(offset <= self.text.len(), "a place of another text");
        let before = self.text.bytes().take(offset);
        before
            .filter(|byte| *byte == b'\n')
            .fold(1_u32, |line, _| line.saturating_add(1))
    }

    /// A mistake at a place of this file.
    pub fn mistake(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Mistake {
        Mistake {
            file: self.name.clone(),
            line: self.line(span.start),
            problem: problem.into(),
            fix: fix.into(),
        }
    }

    /// The same as the result of whoever found it.
    ///
    /// # Errors
    /// Always.
    pub fn refuse<T>(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Checked<T> {
        Err(self.mistake(span, problem, fix))
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// For one outside of it.
    pub fn whole(
        &self,
        value: &Option<Spanned<u32>>,
        key: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Checked<u32> {
        let Some(value) = value else {
            return Ok(default);
        };
        if range.contains(value.get_ref()) {
            return Ok(*value.get_ref());
        }
        let problem = format!("`{key}` is `{}`", value.get_ref());
        let fix = format!("write {} to {}", range.start(), range.end());
        self.refuse(value.span(), problem, fix)
    }

    /// One of a few words.
    ///
    /// # Errors
    /// For another word.
    pub fn word<T: Copy>(
        &self,
        value: &Spanned<String>,
        key: &str,
        words: &[(&str, T)],
    ) -> Checked<T> {
        let word = value.get_ref().as_str();
        match words.iter().find(|(known, _)| *known == word) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let fix = format!("write {}", listed(words.iter().map(|(known, _)| *known)));
                self.refuse(value.span(), format!("`{key}` is {word:?}"), fix)
            }
        }
    }

    /// A day of the calendar.
    ///
    /// # Errors
    /// For a moment of a day, and for a day that no calendar has.
    pub fn day(&self, value: &Spanned<Datetime>, key: &str) -> Checked<Date> {
        let moment = value.get_ref();
        match (moment.date, moment.time, moment.offset) {
            (Some(date), None, None) if is_real(date) => Ok(date),
            _ => self.refuse(
                value.span(),
                format!("`{key}` is `{moment}`, not a day"),
                "write a date such as 2027-12-31, without quotes",
            ),
        }
    }

    /// Words for people, without the spaces around them: 1 to `most` characters that show as what
    /// they are, on one line unless `line_breaks`.
    ///
    /// # Errors
    /// For fewer, more or others.
    pub fn prose(
        &self,
        value: &Spanned<String>,
        key: &str,
        most: usize,
        line_breaks: bool,
    ) -> Checked<String> {
        let text = value.get_ref().trim();
        if text.is_empty() || text.chars().count() > most {
            let problem = format!("`{key}` has 0 or too many characters");
            return self.refuse(value.span(), problem, format!("write 1 to {most}"));
        }
        if !is_plain(text, line_breaks) {
            let fix =
                "stewards read it on a terminal: remove control characters and hidden letters";
            let problem = format!("`{key}` holds characters that do not show as they are");
            return self.refuse(value.span(), problem, fix);
        }
        Ok(text.to_owned())
    }
}

fn quoted(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// TOML checks the form of a day; the calendar knows 30 days of April.
fn is_real(date: Date) -> bool {
    let numbers = (
        i16::try_from(date.year),
        i8::try_from(date.month),
        i8::try_from(date.day),
    );
    match numbers {
        (Ok(year), Ok(month), Ok(day)) => jiff::civil::Date::new(year, month, day).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
