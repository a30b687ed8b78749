//! What a study says of its columns, and what it does not
//! say, in sentences for the steward.

use super::ranges::in_words;
use super::{Meaning, Outcome, Study, Type};
use motet_recipes::SubgroupKind;

impl Study {
    /// What the columns mean in every country, and what the study
    /// does not say of them, in sentences for the steward.
    pub(super) fn means(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.meanings.is_empty() {
            let said: Vec<String> = self.meanings.iter().map(Meaning::said).collect();
            lines.push(format!(
                "what they mean in every country: {}. Your schema is held against this before \
                 you approve, and your node converts your \
                 unit where units or the substance's \
                 molar mass say how; no round compares sites",
                said.join(". ")
            ));
        }
        let features = self.data.levels.iter();
        let references: Vec<String> = features
            .filter(|of| self.data.features.contains(&of.feature))
            .filter_map(|of| Some(format!("{} with {}", of.feature, of.levels.first()?)))
            .collect();
        if !references.is_empty() {
            lines.push(format!(
                "levels are compared with one of them, the reference: {}",
                references.join(", ")
            ));
        }
        let without = self.without_unit();
        if !without.is_empty() {
            lines.push(format!(
                "the study names no unit of {}: where one of them is a number, your figures are \
                 taken as they are in your schema, and \
                 nobody sees it if another site's are in \
                 another unit",
                in_words(&without)
            ));
        }
        let without = self.without(|meaning| meaning.range.is_none());
        if !without.is_empty() {
            lines.push(format!(
                "the study names no plausible range of {}: where one of them is a number, your \
                 node cannot tell you that your values look like those of another unit",
                in_words(&without)
            ));
        }
        lines
    }

    /// The columns that may be numbers in a unit of which the study
    /// names none. An offset is none of them: it stands on the
    /// scale of the linear predictor, and no node converts it.
    pub(super) fn without_unit(&self) -> Vec<&str> {
        let mut names = self.without(|meaning| meaning.unit.is_none());
        names.retain(|name| self.data.offset.as_deref() != Some(*name));
        names
    }

    /// The columns that may be numbers of which the study does
    /// not say something.
    pub(super) fn without(&self, lacks: impl Fn(&Meaning) -> bool) -> Vec<&str> {
        let names = self.reads().into_iter();
        names
            .filter(|name| {
                let meaning = self.meaning(name);
                let kind = meaning.and_then(|meaning| meaning.kind);
                self.may_be_number(name, kind) && meaning.is_none_or(&lacks)
            })
            .collect()
    }

    fn may_be_number(&self, name: &str, kind: Option<Type>) -> bool {
        let is_event =
            self.data.outcome.as_deref() == Some(name) && self.outcome() != Outcome::Number;
        let judged = self.recipe.judged.as_ref();
        let is_group = judged.is_some_and(|asked| {
            let mut groups = asked.in_columns();
            groups
                .any(|group| group.column == name && !matches!(group.kind, SubgroupKind::Bands(_)))
        });
        let is_category = self.levels_of(name).is_some() || is_group;
        !is_event && !is_category && kind.is_none_or(Type::is_number)
    }
}
