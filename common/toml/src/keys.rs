//! The table `[recipe]`, key by key: each method takes the keys it knows, and what nobody took is
//! refused in its line.
//!
//! ```
//! use motet_toml::{Keys, Table, TomlFile};
//!
//! let file = TomlFile::new("study file", "kind = \"logistic\"\nridge = 0.5\ntolernace = 1e-8\n");
//! let table: Table = file.read()?;
//! let mut keys = Keys::new(&file, &table, "logistic");
//! assert_eq!(keys.number("ridge", 0.0, 0.0..=1e9)?, 0.5);
//! assert_eq!(keys.number("tolerance", 1e-10, 1e-12..=1e-3)?, 1e-10);
//! assert_eq!(
//!     keys.end().unwrap_err().to_string(),
//!     "study file, line 3: `tolernace` is not a key of recipe `logistic`; did you mean `tolerance`? \
//!      correct or remove it"
//! );
//! # Ok::<(), motet_toml::Mistake>(())
//! ```

use crate::file::{Checked, TomlFile};
use crate::words::{listed, near, said, unknown};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use toml::{Spanned, Value};

/// A table as it stands in the file.
pub type Table = BTreeMap<String, Spanned<Value>>;

/// The keys of a recipe, and which of them have been taken.
pub struct Keys<'r> {
    reading: &'r TomlFile<'r>,
    table: &'r Table,
    taken: BTreeSet<&'static str>,
    kind: &'r str,
}

impl<'r> Keys<'r> {
    /// The keys of this table, of which `kind` has been read.
    pub fn new(reading: &'r TomlFile<'r>, table: &'r Table, kind: &'r str) -> Self {
        Self {
            reading,
            table,
            taken: BTreeSet::from(["kind"]),
            kind,
        }
    }

    /// A mistake at a key; at the recipe's kind where the key is not given.
    ///
    /// # Errors
    /// Always.
    pub fn refuse<T>(
        &self,
        key: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Checked<T> {
        self.reading.refuse(self.span(key), problem, fix)
    }

    fn span(&self, key: &str) -> Range<usize> {
        self.table
            .get(key)
            .or_else(|| self.table.get("kind"))
            .map_or(0..0, Spanned::span)
    }

    fn take(&mut self, key: &'static str) -> Option<&'r Value> {
        self.taken.insert(key);
        self.table.get(key).map(Spanned::get_ref)
    }

    /// Whether the file has the key.
    pub fn given(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn wrong<T>(&self, key: &str, value: &Value, wanted: &str) -> Checked<T> {
        let problem = format!("`{key}` is {}, not {wanted}", said(value.type_str()));
        self.refuse(key, problem, "correct the line")
    }

    /// A number within a range.
    ///
    /// # Errors
    /// For another kind of value, and for a number outside of the range.
    pub fn number(
        &mut self,
        key: &'static str,
        default: f64,
        range: RangeInclusive<f64>,
    ) -> Checked<f64> {
        Ok(self.number_given(key, range)?.unwrap_or(default))
    }

    /// The same, without a default.
    ///
    /// # Errors
    /// Likewise.
    pub fn number_given(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Checked<Option<f64>> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let Some(number) = float(value) else {
            return self.wrong(key, value, "a number");
        };
        if range.contains(&number) {
            // Adding zero turns -0 into 0: one number, one digest.
            return Ok(Some(number + 0.0));
        }
        let fix = format!("write {:?} to {:?}", range.start(), range.end());
        self.refuse(key, format!("`{key}` is `{number}`"), fix)
    }

    /// A whole number within a range.
    ///
    /// # Errors
    /// For another kind of value, and for a number outside of the range.
    pub fn whole(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Checked<u32> {
        let Some(value) = self.take(key) else {
            return Ok(default);
        };
        let Some(number) = value.as_integer() else {
            return self.wrong(key, value, "a whole number");
        };
        match u32::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
        {
            Some(number) => Ok(number),
            None => {
                let fix = format!("write {} to {}", range.start(), range.end());
                self.refuse(key, format!("`{key}` is `{number}`"), fix)
            }
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// For another kind of value.
    pub fn flag(&mut self, key: &'static str, default: bool) -> Checked<bool> {
        let Some(value) = self.take(key) else {
            return Ok(default);
        };
        value
            .as_bool()
            .map_or_else(|| self.wrong(key, value, "true or false"), Ok)
    }

    /// A text.
    ///
    /// # Errors
    /// For another kind of value.
    pub fn text(&mut self, key: &'static str) -> Checked<Option<&'r str>> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        value.as_str().map_or_else(
            || self.wrong(key, value, "a text in quotes"),
            |text| Ok(Some(text)),
        )
    }

    /// One of a few words; the first is the default.
    ///
    /// # Errors
    /// For another kind of value, and for another word.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Checked<T> {
        let wanted = match self.text(key)? {
            Some(word) => words.iter().find(|(known, _)| *known == word).ok_or(word),
            None => words.first().ok_or(""),
        };
        match wanted {
            Ok((_, value)) => Ok(*value),
            Err(word) => {
                let fix = format!("write {}", listed(words.iter().map(|(known, _)| *known)));
                self.refuse(key, format!("`{key}` is {word:?}"), fix)
            }
        }
    }

    /// A list of numbers; empty where the key is not given.
    ///
    /// # Errors
    /// For another kind of value.
    pub fn numbers(&mut self, key: &'static str) -> Checked<Vec<f64>> {
        let Some(value) = self.take(key) else {
            return Ok(Vec::new());
        };
        let numbers: Option<Vec<f64>> = value
            .as_array()
            .and_then(|list| list.iter().map(float).collect());
        match numbers.filter(|numbers| numbers.iter().all(|number| number.is_finite())) {
            // As in `number_given`.
            Some(numbers) => Ok(numbers.iter().map(|number| number + 0.0).collect()),
            None => self.wrong(key, value, "a list of numbers"),
        }
    }

    /// A table within the table, with the keys that it may have.
    ///
    /// # Errors
    /// For another kind of value, and for another key.
    pub fn table(
        &mut self,
        key: &'static str,
        known: &[&str],
    ) -> Checked<Option<&'r toml::map::Map<String, Value>>> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let Some(table) = value.as_table() else {
            return self.wrong(key, value, "a table in braces");
        };
        match table.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Some(table)),
            Some(name) => {
                let (problem, fix) = unknown(name, known);
                self.refuse(key, problem, fix)
            }
        }
    }

    /// Every key must have been taken.
    ///
    /// # Errors
    /// For the first that nobody took.
    pub fn end(self) -> Checked<()> {
        let left = self
            .table
            .iter()
            .find(|(key, _)| !self.taken.contains(key.as_str()));
        match left {
            None => Ok(()),
            Some((key, value)) => {
                let problem = format!("`{key}` is not a key of recipe `{}`", self.kind);
                let known: Vec<&str> = self.taken.iter().copied().collect();
                let fix = near(key, &known).map_or_else(
                    || "remove it".to_owned(),
                    |near| format!("did you mean `{near}`? correct or remove it"),
                );
                self.reading.refuse(value.span(), problem, fix)
            }
        }
    }
}

/// A number, whole or not.
pub fn float(value: &Value) -> Option<f64> {
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}
