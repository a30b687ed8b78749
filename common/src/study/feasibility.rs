//! The study that asks how many patients another one would have.

use super::{Meaning, Outcome, Study};
use motet_recipes::data::Data;
use motet_recipes::{Count, Recipe};

/// What the id of a feasibility study ends with.
const FEASIBILITY: &str = "-count";

impl Study {
    /// The study that asks only how many patients this one would have: the same rows, rounded
    /// counts, one round. What this one needs of a row is a feature there.
    pub fn feasibility(&self, multiple: u32) -> Self {
        let of = &self.data;
        let yes_no = of
            .outcome
            .clone()
            .filter(|_| self.outcome() == Outcome::YesNo);
        let number = of.outcome.clone().filter(|_| yes_no.is_none());
        let kept = if self.recipe.method.keeps_missing() {
            Vec::new()
        } else {
            of.features.clone()
        };
        let beside = [
            number,
            of.time.clone(),
            of.group.clone(),
            of.offset.clone(),
            of.weight.clone(),
        ];
        let features: Vec<String> = kept
            .into_iter()
            .chain(beside.into_iter().flatten())
            .collect();
        let levels = features
            .iter()
            .filter_map(|name| of.levels.iter().find(|levels| levels.feature == *name));
        let data = Data {
            levels: levels.cloned().collect(),
            features,
            outcome: yes_no.clone(),
            time: None,
            group: None,
            offset: None,
            weight: None,
            weight_kind: None,
            formula: None,
            test_fraction: 0.0,
            ..self.data.clone()
        };
        let mut count = Count::new(yes_no);
        count.multiple = multiple;
        let stem: String = self.id.chars().take(40 - FEASIBILITY.len()).collect();
        let mut study = Self {
            id: format!("{stem}{FEASIBILITY}"),
            title: format!("Feasibility: {}", self.title)
                .chars()
                .take(200)
                .collect(),
            question: format!(
                "How many patients would the study `{}` have? It asks: {}",
                self.id, self.question
            )
            .chars()
            .take(4000)
            .collect(),
            data,
            recipe: Recipe::from(count),
            ..self.clone()
        };
        study.meanings = study.still_meant();
        study
    }

    /// What the columns mean that are read, less what belongs to a part that they play no longer.
    fn still_meant(&self) -> Vec<Meaning> {
        let reads = self.reads();
        let read = self
            .meanings
            .iter()
            .filter(|meaning| reads.contains(meaning.column.as_str()));
        let left = read.map(|meaning| {
            let mut left = meaning.clone();
            if !self.data.features.contains(&left.column) {
                left.per = None;
            }
            if self.levels_of(&left.column).is_none() {
                left.labels.clear();
            }
            left
        });
        left.filter(Meaning::is_said).collect()
    }
}
