//! The tables and keys of a study file as the TOML reader sees them, each with its place in the text.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) study: RawStudy,
    pub(super) data: RawData,
    pub(super) recipe: RawRecipe,
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawData {
    pub(super) dataset: Spanned<String>,
    pub(super) outcome: Option<Spanned<String>>,
    pub(super) time: Option<Spanned<String>>,
    pub(super) event: Option<Spanned<String>>,
    pub(super) features: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) levels: BTreeMap<String, Spanned<Vec<Spanned<String>>>>,
    pub(super) filter: Option<Spanned<String>>,
    pub(super) test_fraction: Option<Spanned<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecipe {
    pub(super) kind: Spanned<String>,
    pub(super) ridge: Option<Spanned<f64>>,
    pub(super) tolerance: Option<Spanned<f64>>,
    pub(super) max_rounds: Option<Spanned<u32>>,
    pub(super) ties: Option<Spanned<String>>,
    pub(super) strata: Option<Spanned<String>>,
    pub(super) model: Option<Spanned<RawModel>>,
    pub(super) rounds: Option<Spanned<u32>>,
    pub(super) local_epochs: Option<Spanned<u32>>,
    pub(super) batch: Option<Spanned<u32>>,
    pub(super) lr: Option<Spanned<f64>>,
    pub(super) server_lr: Option<Spanned<f64>>,
    pub(super) weight: Option<Spanned<String>>,
    pub(super) ring: Option<Spanned<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub(super) kind: Spanned<String>,
    pub(super) hidden: Option<Spanned<Vec<u32>>>,
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

impl RawRecipe {
    /// The keys that stand in the file, `kind` aside.
    pub(super) fn given(&self) -> Vec<(&'static str, Range<usize>)> {
        fn at<T>(key: &'static str, value: &Option<Spanned<T>>) -> Option<(&'static str, Range<usize>)> {
            value.as_ref().map(|value| (key, value.span()))
        }
        [
            at("ridge", &self.ridge),
            at("tolerance", &self.tolerance),
            at("max_rounds", &self.max_rounds),
            at("ties", &self.ties),
            at("strata", &self.strata),
            at("model", &self.model),
            at("rounds", &self.rounds),
            at("local_epochs", &self.local_epochs),
            at("batch", &self.batch),
            at("lr", &self.lr),
            at("server_lr", &self.server_lr),
            at("weight", &self.weight),
            at("ring", &self.ring),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
