//! What a column means in every country: what it is called,
//! in which unit it is, what its levels are. A site's schema
//! is held against it before the steward decides, and no
//! round compares sites.

use crate::units::{Substance, Unit};
use motet_secagg::canonical;

canonical! {
    /// What a column means in every country.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Meaning {
        /// The column.
        pub column: String,
        /// What people call it.
        pub label: Option<String>,
        /// What every site's schema must declare it as.
        pub kind: Option<Type>,
        /// UCUM code of its numbers, as [`Unit::parse`] reads it.
        pub unit: Option<String>,
        /// Of what it is an amount, where a site's unit may be one of
        /// mass and the study's of moles.
        pub substance: Option<String>,
        /// What people call its levels, in the study's order.
        pub labels: Vec<(String, String)>,
        /// Lowest and highest plausible value in `unit`.
        pub range: Option<(f64, f64)>,
        /// The step in which an effect is told beside that of one
        /// unit.
        pub per: Option<f64>,
    }
}

canonical! {
    /// What a column is, in the words of a schema.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Type {
        /// A number.
        1 => Float,
        /// A whole number.
        2 => Int,
        /// Yes or no.
        3 => Bool,
        /// One of levels.
        4 => Category,
        /// One of levels in order.
        5 => Ordered,
        /// A day.
        6 => Date,
    }
}

/// The words of a schema for them.
pub(super) const TYPES: [(&str, Type); 6] = [
    ("float", Type::Float),
    ("int", Type::Int),
    ("bool", Type::Bool),
    ("category", Type::Category),
    ("ordered", Type::Ordered),
    ("date", Type::Date),
];

impl Type {
    /// The word in a file.
    pub fn word(self) -> &'static str {
        TYPES
            .iter()
            .find(|(_, own)| *own == self)
            .map_or("", |(word, _)| word)
    }

    /// Whether a schema may declare a column as this word: a
    /// whole number is a number, and levels in order are levels.
    pub fn takes(self, word: &str) -> bool {
        word == self.word()
            || matches!(
                (self, word),
                (Type::Float, "int") | (Type::Category, "ordered")
            )
    }

    /// Whether it is a number.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Type::Float | Type::Int)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A level as a key: of texts in quotes TOML takes only the
/// plainest for one.
fn key(level: &str) -> String {
    let level = level.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{level}\"")
}

impl Meaning {
    /// Whether it says anything.
    pub(super) fn is_said(&self) -> bool {
        self.write().len() > 2
    }

    /// The unit, where there is one.
    pub fn unit(&self) -> Option<Unit> {
        // Whoever read the study has parsed it.
        Unit::parse(self.unit.as_deref()?).ok()
    }

    /// The substance, where there is one.
    pub fn substance(&self) -> Option<&'static Substance> {
        Substance::named(self.substance.as_deref()?)
    }

    /// The table that gives this meaning; the levels themselves
    /// stand under `[data.levels]`.
    pub(super) fn write(&self) -> Vec<String> {
        let mut lines = vec![String::new(), format!("[data.columns.{}]", self.column)];
        let texts = [
            ("label", self.label.as_deref()),
            ("type", self.kind.map(Type::word)),
            ("unit", self.unit.as_deref()),
            ("substance", self.substance.as_deref()),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(key, text)| Some(format!("{key} = {}", quoted(text?))));
        lines.extend(texts);
        let range = self.range.iter();
        lines.extend(range.map(|(low, high)| format!("range = [{low:?}, {high:?}]")));
        lines.extend(self.per.iter().map(|per| format!("per = {per:?}")));
        if !self.labels.is_empty() {
            let labels: Vec<String> = self
                .labels
                .iter()
                .map(|(level, label)| format!("{} = {}", key(level), quoted(label)))
                .collect();
            lines.push(format!("labels = {{ {} }}", labels.join(", ")));
        }
        lines
    }

    /// What it says besides its levels, for the steward.
    pub(super) fn said(&self) -> String {
        let mut facts: Vec<String> = self.label.iter().cloned().collect();
        facts.extend(self.kind.map(|kind| format!("of type `{}`", kind.word())));
        facts.extend(self.unit.iter().map(|unit| match &self.substance {
            Some(substance) => format!("in `{unit}` of {substance}"),
            None => format!("in `{unit}`"),
        }));
        let range = self.range.iter();
        facts.extend(range.map(|(low, high)| format!("plausible from {low} to {high}")));
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(level, label)| format!("{level} is {label}"))
            .collect();
        if !labels.is_empty() {
            facts.push(labels.join(", "));
        }
        facts.extend(
            self.per
                .map(|per| format!("its effect told for each {per} too")),
        );
        format!("{}: {}", self.column, facts.join("; "))
    }
}
