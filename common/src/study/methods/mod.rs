//! A study's method: its kind, its keys and what it tells a steward, as the method says it.

mod census; // what is counted before it

use super::Study;
pub(super) use census::behind_census;
use motet_recipes::{AnyMethod, WeightKind};

/// The kinds as a sentence says them.
pub(super) fn kinds() -> String {
    let kinds: Vec<String> = AnyMethod::kinds()
        .map(|(kind, _)| format!("`{kind}`"))
        .collect();
    kinds.join(", ")
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

/// What the explained column must be at every site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0 or 1.
    YesNo,
    /// A number.
    Number,
    /// One of levels that are in the study's order.
    Ordered,
}

impl Study {
    /// What the explained column must be.
    pub fn outcome(&self) -> Outcome {
        let outcome = self.data.outcome.as_ref();
        if outcome.is_some_and(|outcome| self.levels_of(outcome).is_some()) {
            Outcome::Ordered
        } else if self.recipe.method.explains_number() {
            Outcome::Number
        } else {
            Outcome::YesNo
        }
    }

    /// Whether a study file may name this kind of recipe.
    pub fn is_kind(word: &str) -> bool {
        AnyMethod::kinds().any(|(kind, _)| kind == word)
    }

    /// The kinds as a sentence says them.
    pub fn kinds() -> String {
        kinds()
    }

    /// The recipe's keys and values, for a report.
    pub fn parameters(&self) -> Vec<(String, String)> {
        self.recipe
            .method
            .write(&self.data)
            .iter()
            .filter_map(|line| {
                let (key, value) = line.split_once(" = ")?;
                Some((key.to_owned(), value.trim_matches('"').to_owned()))
            })
            .collect()
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
                let kind = match self.outcome() {
                    Outcome::YesNo => "yes or no".to_owned(),
                    Outcome::Number => "a number".to_owned(),
                    Outcome::Ordered => {
                        let levels = self.levels_of(outcome).unwrap_or(&[]);
                        format!("one of these levels, in this order: {}", levels.join(", "))
                    }
                };
                lines.push(format!("the outcome that is explained: {outcome} ({kind})"));
            }
            _ => {}
        }
        if let Some(group) = &data.group {
            let levels = data
                .levels_of(group)
                .map_or_else(String::new, |of| of.join(", "));
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
                format!("the weight of a row: {column}, its precision (a patient of weight 2 \
                    is one patient known better, as in R's `weights`)")
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

    /// The kinds of rounds a run goes through and how many numbers one site's vector has in each at
    /// the most, without the few words that the masking itself adds.
    pub fn vectors(&self) -> Vec<(&'static str, usize)> {
        let mut steps = self.census_vectors();
        steps.extend(self.recipe.method.vectors());
        steps
    }
}
