//! The tables of a schema file as they are written.

use super::layout::RawLayout;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::{Spanned, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) dataset: RawDataset,
    #[serde(default)]
    pub(super) source: RawLayout,
    pub(super) columns: BTreeMap<String, Spanned<RawColumn>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDataset {
    pub(super) name: Spanned<String>,
    pub(super) key: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumn {
    #[serde(rename = "type")]
    pub(super) kind: Spanned<String>,
    pub(super) source: Option<Spanned<Value>>,
    pub(super) unit: Option<Spanned<String>>,
    pub(super) label: Option<Spanned<String>>,
    pub(super) substance: Option<Spanned<String>>,
    pub(super) from: Option<Spanned<String>>,
    pub(super) factor: Option<Spanned<f64>>,
    pub(super) min: Option<Spanned<Value>>,
    pub(super) max: Option<Spanned<Value>>,
    pub(super) decimal: Option<Spanned<String>>,
    pub(super) thousands: Option<Spanned<String>>,
    pub(super) missing: Option<Spanned<Vec<String>>>,
    pub(super) levels: Option<Spanned<Vec<String>>>,
    #[serde(rename = "use")]
    pub(super) uses: Option<Vec<Spanned<String>>>,
    pub(super) private: Option<bool>,
    #[serde(rename = "false")]
    pub(super) no: Option<Spanned<Vec<String>>>,
    #[serde(rename = "true")]
    pub(super) yes: Option<Spanned<Vec<String>>>,
    pub(super) format: Option<Spanned<String>>,
    pub(super) map: Option<Spanned<BTreeMap<String, String>>>,
    pub(super) replace: Option<Spanned<BTreeMap<String, f64>>>,
    pub(super) scale: Option<Spanned<f64>>,
    pub(super) offset: Option<Spanned<f64>>,
    pub(super) round: Option<Spanned<f64>>,
    pub(super) cut: Option<Spanned<Vec<f64>>>,
    pub(super) of: Option<Spanned<String>>,
    pub(super) between: Option<Spanned<RawBetween>>,
    pub(super) when: Option<Spanned<RawWhen>>,
    pub(super) any_of: Option<Spanned<Vec<String>>>,
    pub(super) all_of: Option<Spanned<Vec<String>>>,
    pub(super) coalesce: Option<Spanned<Vec<String>>>,
    pub(super) value: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBetween {
    pub(super) from: Spanned<Value>,
    pub(super) to: Spanned<Value>,
    #[serde(rename = "in")]
    pub(super) measure: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWhen {
    pub(super) column: String,
    pub(super) is: Value,
    pub(super) then: String,
    #[serde(rename = "else")]
    pub(super) otherwise: String,
}

/// Where a key stands, if it is there.
fn span<T>(key: &Option<Spanned<T>>) -> Option<Range<usize>> {
    key.as_ref().map(Spanned::span)
}

impl RawColumn {
    /// The keys that say where the column's values come from, as
    /// far as they are there.
    pub(super) fn origins(&self) -> Vec<(&'static str, Range<usize>)> {
        let keys = [
            ("source", span(&self.source)),
            ("of", span(&self.of)),
            ("between", span(&self.between)),
            ("when", span(&self.when)),
            ("any_of", span(&self.any_of)),
            ("all_of", span(&self.all_of)),
            ("coalesce", span(&self.coalesce)),
            ("value", span(&self.value)),
        ];
        there(keys)
    }

    /// The keys of which only columns of the file have any, as
    /// far as they are there.
    pub(super) fn of_cells(&self) -> Vec<(&'static str, Range<usize>)> {
        let keys = [
            ("decimal", span(&self.decimal)),
            ("thousands", span(&self.thousands)),
            ("missing", span(&self.missing)),
            ("false", span(&self.no)),
            ("true", span(&self.yes)),
            ("format", span(&self.format)),
            ("map", span(&self.map)),
            ("replace", span(&self.replace)),
        ];
        there(keys)
    }

    /// The keys that a type has and another has not, as far as
    /// they are there.
    pub(super) fn of_types(&self) -> Vec<(&'static str, Range<usize>)> {
        let keys = [
            ("min", span(&self.min)),
            ("max", span(&self.max)),
            ("from", span(&self.from)),
            ("factor", span(&self.factor)),
            ("substance", span(&self.substance)),
            ("decimal", span(&self.decimal)),
            ("thousands", span(&self.thousands)),
            ("replace", span(&self.replace)),
            ("scale", span(&self.scale)),
            ("offset", span(&self.offset)),
            ("round", span(&self.round)),
            ("between", span(&self.between)),
            ("levels", span(&self.levels)),
            ("cut", span(&self.cut)),
            ("map", span(&self.map)),
            ("false", span(&self.no)),
            ("true", span(&self.yes)),
            ("any_of", span(&self.any_of)),
            ("all_of", span(&self.all_of)),
            ("format", span(&self.format)),
        ];
        there(keys)
    }
}

fn there<const N: usize>(
    keys: [(&'static str, Option<Range<usize>>); N],
) -> Vec<(&'static str, Range<usize>)> {
    keys.into_iter()
        .filter_map(|(key, span)| Some((key, span?)))
        .collect()
}
