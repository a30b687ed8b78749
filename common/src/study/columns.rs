//! The tables `[data.columns.NAME]`: what a column means in
//! every country.
//!
//! | key | meaning |
//! |---|---|
//! | `label` | what people call it |
//! | `type` | what every site's schema must declare it as: `float` (a number, whole or not), `int`, `bool`, `category`, `ordered`, `date` |
//! | `unit` | UCUM code of its numbers; a site whose schema has another unit is converted or refused |
//! | `substance` | of what it is an amount (`creatinine`), so that mass and moles convert: RECIPES.md has the list |
//! | `levels` | as under `[data.levels]`, and not in both places |
//! | `labels` | what people call its levels, by level |
//! | `reference` | the level that others are compared with, where it is not the first of `levels` |
//! | `range` | lowest and highest plausible value: each site hears how many of its own lie outside |
//! | `per` | the step in which an effect is told beside that of one unit |

use super::meaning::{Meaning, TYPES, Type};
use super::raw::{RawColumn, RawData, RawLevels, Reading};
use super::{Outcome, Study};
use crate::units::{Substance, Unit};
use motet_toml::Checked;
use toml::Spanned;

/// A label stands in tables and beside pictures.
pub const LONGEST_LABEL: usize = 80;

impl Reading<'_> {
    /// The levels of both places, the reference of a column
    /// first.
    pub(super) fn all_levels(&self, raw: &RawData) -> Checked<RawLevels> {
        let mut all = raw.levels.clone();
        for (name, column) in &raw.columns {
            let column = column.get_ref();
            let Some(levels) = &column.levels else {
                if let Some(reference) = &column.reference {
                    let fix = "name `levels` beside it; under `[data.levels]` the first level \
                        is the reference";
                    return self.refuse(reference.span(), "`reference` without `levels`", fix);
                }
                continue;
            };
            if all.contains_key(name) {
                let problem = format!("the levels of `{name}` stand under `[data.levels]`, too");
                return self.refuse(levels.span(), problem, "name them in one place");
            }
            all.insert(name.clone(), self.reference_first(raw, name, levels)?);
        }
        Ok(all)
    }

    /// The levels of a column, the reference first.
    fn reference_first(
        &self,
        raw: &RawData,
        name: &str,
        levels: &Spanned<Vec<Spanned<String>>>,
    ) -> Checked<Spanned<Vec<Spanned<String>>>> {
        let column = raw.columns.get(name).map(Spanned::get_ref);
        let Some(reference) = column.and_then(|column| column.reference.as_ref()) else {
            return Ok(levels.clone());
        };
        if raw.outcome.as_ref().is_some_and(|of| of.get_ref() == name) {
            let problem = "an outcome whose levels are in order has no `reference`";
            return self.refuse(reference.span(), problem, "remove it");
        }
        let is_first =
            |level: &&Spanned<String>| level.get_ref().trim() == reference.get_ref().trim();
        let Some(first) = levels.get_ref().iter().find(is_first) else {
            let problem = format!(
                "`reference` {:?} is none of the levels of `{name}`",
                reference.get_ref()
            );
            return self.refuse(reference.span(), problem, "write one of them");
        };
        let rest = levels.get_ref().iter().filter(|level| !is_first(level));
        let all = std::iter::once(first).chain(rest).cloned().collect();
        Ok(Spanned::new(levels.span(), all))
    }

    /// What the columns of a study mean, in the order of their
    /// names.
    pub(super) fn meanings(&self, raw: &RawData, study: &Study) -> Checked<Vec<Meaning>> {
        let reads = study.reads();
        let mut all = Vec::new();
        for (name, column) in &raw.columns {
            if !reads.contains(name.as_str()) {
                let problem = format!("the study reads no column `{name}`");
                let fix = "remove the table, or name the column among `features`";
                return self.refuse(column.span(), problem, fix);
            }
            let meaning = self.meaning(name, column.get_ref(), study)?;
            // Levels alone are those of the data.
            if meaning.is_said() {
                all.push(meaning);
            } else if column.get_ref().levels.is_none() {
                let problem = format!("`[data.columns.{name}]` says nothing");
                let fix = "give its `label` and `unit`, or remove it";
                return self.refuse(column.span(), problem, fix);
            }
        }
        Ok(all)
    }

    fn meaning(&self, name: &str, raw: &RawColumn, study: &Study) -> Checked<Meaning> {
        let kind = raw.kind.as_ref();
        let kind = kind
            .map(|kind| self.file.word(kind, "type", &TYPES))
            .transpose()?;
        self.kind_fits(name, raw, kind, study)?;
        Ok(Meaning {
            column: name.to_owned(),
            label: self.label(raw.label.as_ref())?,
            kind,
            unit: self.unit(raw.unit.as_ref())?,
            substance: self.substance(raw)?,
            labels: self.labels(name, raw, study)?,
            range: self.range(raw.range.as_ref())?,
            per: self.per(name, raw.per.as_ref(), study)?,
        })
    }

    /// Keys that only numbers have, and levels that only
    /// categories have.
    fn kind_fits(
        &self,
        name: &str,
        raw: &RawColumn,
        kind: Option<Type>,
        study: &Study,
    ) -> Checked<()> {
        let levels = study.levels_of(name);
        let is_event =
            study.data.outcome.as_deref() == Some(name) && study.outcome() == Outcome::YesNo;
        let keys = [
            ("unit", raw.unit.as_ref().map(Spanned::span)),
            ("substance", raw.substance.as_ref().map(Spanned::span)),
            ("range", raw.range.as_ref().map(Spanned::span)),
            ("per", raw.per.as_ref().map(Spanned::span)),
        ];
        let given = keys.into_iter().find_map(|(key, span)| Some((key, span?)));
        let is_number = kind.is_none_or(Type::is_number) && levels.is_none() && !is_event;
        if let (Some((key, span)), false) = (given, is_number) {
            let problem = format!("`{key}` of `{name}`, which is no number");
            return self.refuse(span, problem, "remove it, or correct `type` and levels");
        }
        let Some(word) = &raw.kind else { return Ok(()) };
        let divides = study.data.features.iter().chain(&study.data.group);
        let is_column = divides.into_iter().any(|column| column == name);
        let (problem, fix) = match (kind, levels) {
            (Some(Type::Category | Type::Ordered), None) if is_column => (
                format!("category `{name}` has no `levels`"),
                "name them, the reference first",
            ),
            (Some(Type::Category | Type::Ordered) | None, _) | (_, None) => return Ok(()),
            (Some(_), Some(_)) => (
                format!("`{name}` has levels and is no category"),
                "write type = \"category\", or remove its levels",
            ),
        };
        self.refuse(word.span(), problem, fix)
    }

    fn label(&self, label: Option<&Spanned<String>>) -> Checked<Option<String>> {
        label
            .map(|label| self.file.prose(label, "label", LONGEST_LABEL, false))
            .transpose()
    }

    fn unit(&self, unit: Option<&Spanned<String>>) -> Checked<Option<String>> {
        let Some(code) = unit else { return Ok(None) };
        match Unit::parse(code.get_ref()) {
            Ok(unit) => Ok(Some(unit.code().to_owned())),
            Err(error) => {
                let problem = format!("`unit`: {}", error.problem);
                self.refuse(code.span(), problem, error.fix)
            }
        }
    }

    fn substance(&self, raw: &RawColumn) -> Checked<Option<String>> {
        let Some(name) = &raw.substance else {
            return Ok(None);
        };
        if raw.unit.is_none() {
            let problem = "`substance` without `unit`";
            return self.refuse(
                name.span(),
                problem,
                "write the unit of the study's numbers",
            );
        }
        match Substance::named(name.get_ref()) {
            Some(known) => Ok(Some(known.name.to_owned())),
            None => {
                let fix = format!(
                    "write one of {}, or leave it out: then every site's unit must \
                     convert without it",
                    Substance::names_like(name.get_ref())
                );
                let problem = format!("no molar mass of {:?} is known here", name.get_ref());
                self.refuse(name.span(), problem, fix)
            }
        }
    }

    /// The labels in the order of the levels.
    fn labels(&self, name: &str, raw: &RawColumn, study: &Study) -> Checked<Vec<(String, String)>> {
        let levels = study.levels_of(name).unwrap_or(&[]);
        let stray = raw.labels.iter().find(|(level, _)| !levels.contains(level));
        if let Some((level, label)) = stray {
            let problem = format!("`labels` names {level:?}, which is no level of `{name}`");
            return self.refuse(label.span(), problem, "write a level of the study");
        }
        let labelled = levels
            .iter()
            .filter_map(|level| Some((level, raw.labels.get(level)?)));
        labelled
            .map(|(level, label)| {
                let label = self.file.prose(label, "labels", LONGEST_LABEL, false)?;
                Ok((level.clone(), label))
            })
            .collect()
    }

    fn range(&self, range: Option<&Spanned<Vec<f64>>>) -> Checked<Option<(f64, f64)>> {
        let Some(range) = range else { return Ok(None) };
        match range.get_ref().as_slice() {
            // Adding zero turns -0 into 0: one number, one digest.
            [low, high] if low < high && low.is_finite() && high.is_finite() => {
                Ok(Some((low + 0.0, high + 0.0)))
            }
            _ => {
                let fix = "write the lowest and the highest, such as [0.2, 20]";
                self.refuse(range.span(), "`range` is not two rising numbers", fix)
            }
        }
    }

    fn per(&self, name: &str, per: Option<&Spanned<f64>>, study: &Study) -> Checked<Option<f64>> {
        let Some(per) = per else { return Ok(None) };
        let step = *per.get_ref();
        if !step.is_finite() || step <= 0.0 {
            let problem = "`per` is not a positive number";
            return self.refuse(per.span(), problem, "write the step, such as 10");
        }
        if !study.data.features.iter().any(|feature| feature == name) {
            let problem = format!("`per` of `{name}`, which is no feature");
            return self.refuse(per.span(), problem, "remove it");
        }
        Ok(Some(step))
    }
}
