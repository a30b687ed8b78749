//! The methods of a study file: for each kind its keys, its keys written back, and what it tells a steward.

mod averaging; // fedavg and its family
mod regression; // logistic
mod summary; // summary

use super::keys::Keys;
use super::reading::Checked;
use super::{Data, Study};
use motet_recipes::Recipe;

/// Sums of a calibration step, and of the final score: counts of both outcomes and summed risks in each of 1000 bins, the
/// right answers, the squared error and a calibration line. A test of motet-data holds [`Study::vectors`] to what the
/// recipes really ask.
const CALIBRATION: usize = 5;
const SCORE: usize = 3 * 1000 + 2 + CALIBRATION;

/// The kinds, in the order in which a message lists them.
const KINDS: [&str; 8] =
    ["summary", "logistic", "fedavg", "fedprox", "fedavgm", "fedadam", "fedyogi", "fedadagrad"];

/// What a kind wants of the table `[data]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// Columns alone.
    Features,
    /// Columns and an outcome to explain.
    Outcome,
    /// The same, or a time and an event.
    OutcomeOrEvent,
}

/// What a kind wants; nothing for an unknown one.
pub(super) fn wants(kind: &str) -> Option<Wants> {
    Some(match kind {
        "summary" => Wants::Features,
        "logistic" => Wants::Outcome,
        kind if KINDS.contains(&kind) => Wants::OutcomeOrEvent,
        _ => return None,
    })
}

/// The kinds as a sentence says them.
pub(super) fn kinds() -> String {
    KINDS.map(|kind| format!("`{kind}`")).join(", ")
}

/// The method of a kind from its keys, on the columns of the study.
pub(super) fn read(kind: &str, keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    match kind {
        "summary" => summary::read(data),
        "logistic" => regression::read(keys, data),
        _ => averaging::read(kind, keys, data),
    }
}

/// The keys that give this recipe, with every default spelled out.
pub(super) fn write(recipe: &Recipe) -> Vec<String> {
    match recipe {
        Recipe::Summary(_) => Vec::new(),
        Recipe::Logistic(recipe) => regression::write(recipe),
        Recipe::FedAvg(recipe) => averaging::write(recipe),
    }
}

impl Study {
    /// What a site's vector adds up, in a sentence for the steward.
    pub(super) fn adds_up(&self) -> String {
        match &self.recipe {
            Recipe::Summary(_) => summary::adds_up(),
            Recipe::Logistic(recipe) => regression::adds_up(recipe),
            Recipe::FedAvg(recipe) => averaging::adds_up(recipe),
        }
    }

    /// The kinds of rounds a run goes through and how many numbers one site's vector has in each, without the few words
    /// that the masking itself adds.
    pub fn vectors(&self) -> Vec<(&'static str, usize)> {
        match &self.recipe {
            Recipe::Summary(recipe) => summary::vectors(recipe),
            Recipe::Logistic(recipe) => regression::vectors(recipe),
            Recipe::FedAvg(recipe) => averaging::vectors(recipe),
        }
    }
}
