//! A study file while it is read: its tables and keys as the TOML reader sees them, each with its
//! place in the text.

use motet_toml::{Checked, Table, TomlFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

/// A study file while it is read.
pub(super) struct Reading<'t> {
    pub(super) file: TomlFile<'t>,
}

impl Reading<'_> {
    /// A mistake at a place of the file.
    pub(super) fn refuse<T>(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Checked<T> {
        self.file.refuse(span, problem, fix)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) study: RawStudy,
    pub(super) data: RawData,
    pub(super) recipe: Table,
    pub(super) evaluation: Option<Spanned<RawEvaluation>>,
    #[serde(default)]
    pub(super) privacy: RawPrivacy,
    #[serde(default)]
    pub(super) rounds: RawRounds,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStudy {
    pub(super) id: Spanned<String>,
    pub(super) title: Spanned<String>,
    pub(super) question: Spanned<String>,
    pub(super) purpose: Spanned<String>,
    pub(super) ends: Spanned<toml::value::Datetime>,
    pub(super) sites: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) recipients: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawData {
    pub(super) dataset: Spanned<String>,
    pub(super) outcome: Option<Spanned<String>>,
    pub(super) time: Option<Spanned<String>>,
    pub(super) event: Option<Spanned<String>>,
    pub(super) group: Option<Spanned<String>>,
    pub(super) offset: Option<Spanned<String>>,
    pub(super) weight: Option<Spanned<String>>,
    pub(super) weight_kind: Option<Spanned<String>>,
    pub(super) features: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) levels: RawLevels,
    #[serde(default)]
    pub(super) columns: BTreeMap<String, Spanned<RawColumn>>,
    pub(super) filter: Option<Spanned<String>>,
    pub(super) test_fraction: Option<Spanned<f64>>,
}

/// Levels by column.
pub(super) type RawLevels = BTreeMap<String, Spanned<Vec<Spanned<String>>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawColumn {
    pub(super) label: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub(super) kind: Option<Spanned<String>>,
    pub(super) unit: Option<Spanned<String>>,
    pub(super) substance: Option<Spanned<String>>,
    pub(super) levels: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Spanned<String>>,
    pub(super) reference: Option<Spanned<String>>,
    pub(super) range: Option<Spanned<Vec<f64>>>,
    pub(super) per: Option<Spanned<f64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvaluation {
    pub(super) groups: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) cuts: BTreeMap<String, Spanned<Vec<f64>>>,
    #[serde(default)]
    pub(super) levels: BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
    pub(super) sites: Option<bool>,
    pub(super) min_cell: Option<Spanned<u32>>,
    pub(super) folds: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPrivacy {
    pub(super) min_sites: Option<Spanned<u32>>,
    pub(super) min_rows: Option<Spanned<u32>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRounds {
    pub(super) join: Option<Spanned<String>>,
    pub(super) share: Option<Spanned<String>>,
    pub(super) upload: Option<Spanned<String>>,
    pub(super) sign: Option<Spanned<String>>,
    pub(super) reveal: Option<Spanned<String>>,
    pub(super) quorum: Option<Spanned<u32>>,
    pub(super) on_site_loss: Option<Spanned<String>>,
}
