//! The methods of a study file: for each kind its keys, its keys written back, and what it tells a
//! steward.

mod averaging; // fedavg and its family
mod census; // what is counted before any of them
mod regression; // logistic, linear, poisson, gamma
mod summary; // summary, count
mod survival; // cox, km
mod trees; // gbdt

use super::Study;
pub(super) use census::behind_census;
use motet_recipes::data::Data;
use motet_recipes::{AnyMethod, Family, Recipe, WeightKind};
use motet_toml::{Checked, Keys};

/// Sums of a calibration step, and of the final score: counts of both outcomes and summed risks in
/// each of 1000 bins, the right answers, the squared error and a calibration line. A test of
/// motet-data holds [`Study::vectors`] to what the recipes really ask.
const CALIBRATION: usize = 5;
const SCORE: usize = 3 * 1000 + 2 + CALIBRATION;

/// What a kind wants of the table `[data]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wants {
    /// Whether there must be features.
    pub(super) features: bool,
    /// What is explained.
    pub(super) explained: Explained,
    /// Whether a group may divide the patients.
    pub(super) group: bool,
    /// Whether offset and weight may be named.
    pub(super) sides: bool,
}

/// What is explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Explained {
    /// Nothing.
    Nothing,
    /// An outcome, or nothing.
    Maybe,
    /// An outcome.
    Outcome,
    /// A time and an event.
    Event,
    /// An outcome, or a time and an event.
    Either,
}

/// The kinds, in the order in which a message lists them.
const KINDS: [(&str, Wants); 18] = {
    const fn wants(features: bool, explained: Explained, group: bool, sides: bool) -> Wants {
        Wants {
            features,
            explained,
            group,
            sides,
        }
    }
    const REGRESSION: Wants = wants(true, Explained::Outcome, false, true);
    const AVERAGING: Wants = wants(true, Explained::Either, false, false);
    [
        ("summary", wants(true, Explained::Nothing, true, false)),
        ("count", wants(false, Explained::Maybe, false, false)),
        ("linear", REGRESSION),
        ("logistic", REGRESSION),
        ("poisson", REGRESSION),
        ("gamma", REGRESSION),
        ("quasipoisson", REGRESSION),
        ("quasibinomial", REGRESSION),
        ("cox", wants(true, Explained::Event, true, false)),
        ("km", wants(false, Explained::Event, true, false)),
        ("fedavg", AVERAGING),
        ("fedprox", AVERAGING),
        ("fedavgm", AVERAGING),
        ("fedadam", AVERAGING),
        ("fedyogi", AVERAGING),
        ("fedadagrad", AVERAGING),
        ("scaffold", AVERAGING),
        ("gbdt", wants(true, Explained::Outcome, false, false)),
    ]
};

/// What a kind wants; nothing for an unknown one.
pub(super) fn wants(kind: &str) -> Option<Wants> {
    KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, wants)| *wants)
}

/// The kinds as a sentence says them.
pub(super) fn kinds() -> String {
    KINDS.map(|(kind, _)| format!("`{kind}`")).join(", ")
}

/// The method of a kind from its keys, on the columns of the study; a formula brings them into its
/// own order.
pub(super) fn read(kind: &str, keys: &mut Keys<'_>, data: &mut Data) -> Checked<Recipe> {
    match kind {
        "summary" => summary::read(keys, data),
        "count" => summary::read_count(keys, data),
        "cox" => survival::read_cox(keys, data),
        "km" => survival::read_km(keys, data),
        "gbdt" => trees::read(keys, data),
        kind if regression::FAMILIES
            .iter()
            .any(|family| family.name() == kind) =>
        {
            regression::read(kind, keys, data)
        }
        _ => averaging::read(kind, keys, data),
    }
}

/// The keys that give this recipe, with every default spelled out.
pub(super) fn write(recipe: &Recipe, data: &Data) -> Vec<String> {
    match &recipe.method {
        AnyMethod::Summary(recipe) => summary::write(recipe, data),
        AnyMethod::Count(recipe) => summary::write_count(recipe),
        AnyMethod::Glm(recipe) => regression::write(recipe, data),
        AnyMethod::Cox(recipe) => survival::write_cox(recipe),
        AnyMethod::KaplanMeier(recipe) => survival::write_km(recipe),
        AnyMethod::FedAvg(recipe) => averaging::write(recipe),
        AnyMethod::Gbdt(recipe) => trees::write(recipe),
    }
}

/// The bits of the narrowest ring in which so many sites can train, where the study's own has too
/// few.
pub(super) fn too_narrow(recipe: &Recipe, sites: usize) -> Option<u32> {
    match &recipe.method {
        AnyMethod::FedAvg(recipe) => averaging::too_narrow(recipe, sites),
        _ => None,
    }
}

/// The words of `weight_kind`.
pub(super) const WEIGHT_KINDS: [(&str, WeightKind); 2] = [
    ("precision", WeightKind::Precision),
    ("frequency", WeightKind::Frequency),
];

/// The word of a kind of weight.
pub(super) fn weight_word(kind: WeightKind) -> &'static str {
    WEIGHT_KINDS
        .iter()
        .find(|(_, own)| *own == kind)
        .map_or("", |(word, _)| word)
}

/// The levels of a category, which the study names.
fn levels(data: &Data, column: &str) -> Vec<String> {
    data.levels_of(column)
        .map(<[String]>::to_vec)
        .unwrap_or_default()
}

/// Numbers as a list in the file.
fn numbers(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:?}")).collect();
    format!("[{}]", numbers.join(", "))
}

/// What the explained column must be at every site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0 or 1.
    YesNo,
    /// A number.
    Number,
}

impl Study {
    /// What the explained column must be.
    pub fn outcome(&self) -> Outcome {
        let number = census::is_number(&self.recipe);
        if number {
            Outcome::Number
        } else {
            Outcome::YesNo
        }
    }

    /// Whether an outcome of yes and no, as 1 and 0, will do where a number is explained.
    pub fn takes_yes_no(&self) -> bool {
        use Family::{Linear, Poisson, Quasibinomial, Quasipoisson};
        match &self.recipe.method {
            AnyMethod::Glm(recipe) => matches!(
                recipe.family,
                Linear | Poisson | Quasipoisson | Quasibinomial
            ),
            _ => false,
        }
    }

    /// Whether a study file may name this kind of recipe.
    pub fn is_kind(word: &str) -> bool {
        wants(word).is_some()
    }

    /// The kinds as a sentence says them.
    pub fn kinds() -> String {
        kinds()
    }

    /// The recipe's keys and values, for a report.
    pub fn parameters(&self) -> Vec<(String, String)> {
        let pair = |line: &String| {
            let (key, value) = line.split_once(" = ")?;
            Some((key.to_owned(), value.trim_matches('"').to_owned()))
        };
        write(&self.recipe, &self.data)
            .iter()
            .filter_map(pair)
            .collect()
    }

    /// Whether a row with a missing feature stays in the cohort.
    pub fn keeps_missing(&self) -> bool {
        matches!(
            self.recipe.method,
            AnyMethod::Summary(_) | AnyMethod::Gbdt(_)
        )
    }

    /// What is explained, and what groups or weighs, in sentences for the steward.
    pub(super) fn explains(&self) -> Vec<String> {
        let data = &self.data;
        let mut lines = Vec::new();
        match (&data.outcome, &data.time) {
            (Some(event), Some(time)) => {
                lines.push(format!(
                    "the time that is explained: {time}, and whether the event was seen: {event}"
                ));
            }
            (Some(outcome), None) => {
                let kind = if self.outcome() == Outcome::YesNo {
                    "yes or no"
                } else {
                    "a number"
                };
                lines.push(format!("the outcome that is explained: {outcome} ({kind})"));
            }
            _ => {}
        }
        if let Some(group) = &data.group {
            let levels = levels(data, group).join(", ");
            lines.push(format!(
                "the column that divides the patients: {group} (one of {levels})"
            ));
        }
        lines.extend(
            data.offset
                .iter()
                .map(|column| format!("a known part of the prediction: {column}")),
        );
        lines.extend(data.weight.iter().zip(data.weight_kind).map(|(column, kind)| match kind {
            WeightKind::Precision => {
                format!("the weight of a row: {column}, its precision (a patient of weight 2 is one patient known better, as in R's `weights`)")
            }
            WeightKind::Frequency => {
                format!("the weight of a row: {column}, its frequency (a row of weight 2 is two equal patients)")
            }
        }));
        lines.extend(
            data.formula
                .iter()
                .map(|formula| format!("the model: {formula}")),
        );
        lines
    }

    /// What the sums of this method show of few patients, in sentences for the steward.
    pub(super) fn shows(&self) -> Vec<String> {
        match &self.recipe.method {
            AnyMethod::Summary(recipe) => summary::shows(recipe),
            AnyMethod::Glm(recipe) => regression::shows(recipe),
            AnyMethod::Cox(recipe) => survival::cox_shows(recipe),
            AnyMethod::KaplanMeier(recipe) => survival::km_shows(recipe),
            AnyMethod::Gbdt(recipe) => trees::shows(recipe),
            AnyMethod::FedAvg(recipe) => averaging::shows(recipe),
            AnyMethod::Count(_) => Vec::new(),
        }
    }

    /// What a site's vector adds up, in a sentence for the steward.
    pub(super) fn adds_up(&self) -> String {
        match &self.recipe.method {
            AnyMethod::Summary(recipe) => summary::adds_up(recipe),
            AnyMethod::Count(recipe) => summary::count_adds_up(recipe),
            AnyMethod::Glm(recipe) => regression::adds_up(recipe),
            AnyMethod::Cox(recipe) => survival::cox_adds_up(recipe),
            AnyMethod::KaplanMeier(recipe) => survival::km_adds_up(recipe),
            AnyMethod::FedAvg(recipe) => averaging::adds_up(recipe),
            AnyMethod::Gbdt(recipe) => trees::adds_up(recipe),
        }
    }

    /// The kinds of rounds a run goes through and how many numbers one site's vector has in each at
    /// the most, without the few words that the masking itself adds.
    pub fn vectors(&self) -> Vec<(&'static str, usize)> {
        let mut steps = self.census_vectors();
        steps.extend(match &self.recipe.method {
            AnyMethod::Summary(recipe) => summary::vectors(recipe),
            AnyMethod::Count(recipe) => summary::count_vectors(recipe),
            AnyMethod::Glm(recipe) => regression::vectors(recipe),
            AnyMethod::Cox(recipe) => survival::cox_vectors(recipe),
            AnyMethod::KaplanMeier(recipe) => survival::km_vectors(recipe),
            AnyMethod::FedAvg(recipe) => averaging::vectors(recipe),
            AnyMethod::Gbdt(recipe) => trees::vectors(recipe),
        });
        steps
    }
}
