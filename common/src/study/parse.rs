//! From a study file to a [`Study`]: every key is known, every value is checked, every mistake has
//! its line and its fix.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `study.sites` | every enrolled site | names of the sites asked |
//! | `study.recipients` | nobody | names of researchers, or "all researchers of the consortium" |
//! | `data.levels.NAME` | | the levels of a feature that is a category, reference first; of an outcome in order, lowest first |
//! | `data.columns.NAME` | | what the column means in every country: `columns.rs` has its keys |
//! | `data.filter` | every row | rule for the cohort |
//! | `data.test_fraction` | 0.0 | the share of patients held out of the fit, 0.05 to 0.5 |
//! | `recipe.ridge`, `tolerance`, `max_rounds` | 0.0, 1e-10, 30 | logistic |
//! | `recipe.model` | `{ kind = "logistic" }` | fedavg; or `{ kind = "mlp", hidden = [16] }` |
//! | `recipe.rounds`, `local_epochs`, `batch` | 20, 1, 32 | fedavg; batch 0 is the whole table |
//! | `recipe.lr`, `server_lr`, `weight` | 0.1, 1.0, "rows" | fedavg |
//! | `recipe.ring` | 32 | fedavg; bits of a number of the update: 16, 20, 24 or 32 |
//! | `privacy.min_sites`, `min_rows` | 3, 10 | |
//! | `rounds.join`, `share`, `upload`, `sign`, `reveal` | 30s, 30s, 10m, 30s, 30s | whole seconds, minutes or hours |
//! | `rounds.quorum` | survivors of the protocol | nodes that must have joined |
//! | `rounds.on_site_loss` | "pause" | or "continue" |

use super::methods;
use super::ranges::{self, MOST_COLUMNS};
use super::raw::{RawData, RawFile, RawLevels, Reading};
use super::text::{NAME_LIMIT, is_column_name, is_dataset_name};
use super::{LEAST_ROWS, Privacy, Study};
use crate::enrol::check_name;
use motet_recipes::data::{Data, Levels};
use motet_recipes::filter::Filter;
use motet_recipes::{AnyMethod, Recipe, Wanted, Wants, WeightKind};
use motet_toml::{Checked, Keys, Table, TomlFile, is_plain};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

/// A study file is a page of text; a longer one is a mistake.
const MAX_FILE: usize = 256 * 1024;
/// What a study's text is called where nobody knows a path: most come over the wire.
pub(super) const KIND: &str = "study file";

impl Study {
    /// Reads a study file.
    ///
    /// # Errors
    /// The first mistake, with its line and what to write instead.
    pub fn parse(toml_text: &str) -> Checked<Self> {
        let reading = Reading {
            file: TomlFile::new(KIND, toml_text),
        };
        if toml_text.len() > MAX_FILE {
            let problem = format!("the file is larger than {} KiB", MAX_FILE / 1024);
            return reading.refuse(0..0, problem, "give the path of a study file");
        }
        reading.study(&reading.file.read()?)
    }
}

/// What `min_rows` may be above the least of any site.
const ROWS_STEPS: [u32; 10] = [10, 20, 50, 100, 200, 500, 1_000, 10_000, 100_000, 1_000_000];

impl Reading<'_> {
    fn study(&self, raw: &RawFile) -> Checked<Study> {
        let kind = self.kind(raw)?;
        let wants = self.wants(&kind)?;
        let mut data = self.data(raw, kind.get_ref(), wants)?;
        let mut keys = Keys::new(&self.file, &raw.recipe, kind.get_ref());
        let recipe = match AnyMethod::read(kind.get_ref(), &mut keys, &mut data) {
            Some(method) => Recipe::from(method?),
            None => return self.unknown(&kind),
        };
        keys.end()?;
        if let Err(error) = recipe.check() {
            return self.refuse(
                kind.span(),
                error.to_string(),
                "correct the keys of the recipe",
            );
        }
        let privacy = Privacy {
            min_sites: self
                .file
                .whole(&raw.privacy.min_sites, "min_sites", 3, 3..=250)?,
            min_rows: self.rows(&raw.privacy.min_rows)?,
        };
        let study = &raw.study;
        let sites = self.sites(study.sites.as_ref(), &privacy)?;
        self.room(&raw.recipe, &recipe, sites.len())?;
        let recipe = self.evaluation(raw, recipe, &data, &privacy)?;
        let rounds = self.rounds(&raw.rounds)?;
        let recipe = methods::behind_census(recipe, &data, &privacy, rounds.on_site_loss);
        if let Err(error) = recipe.check() {
            return self.refuse(
                kind.span(),
                error.to_string(),
                "correct the keys of the recipe",
            );
        }
        let study = Study {
            id: self.id(&study.id)?,
            title: self.file.prose(&study.title, "title", 200, false)?,
            question: self.file.prose(&study.question, "question", 4000, true)?,
            purpose: self.purpose(&study.purpose)?,
            ends: self.file.day(&study.ends, "ends")?.into(),
            sites,
            recipients: self.recipients(study.recipients.as_ref())?,
            data,
            meanings: Vec::new(),
            recipe,
            privacy,
            rounds,
        };
        let meanings = self.meanings(&raw.data, &study)?;
        Ok(Study { meanings, ..study })
    }

    /// Rows that a site must have: above the least of any site only in a few steps. Who asks a
    /// steward again with another number hears yes or no, and finds no count by that.
    fn rows(&self, rows: &Option<Spanned<u32>>) -> Checked<u32> {
        let number = self
            .file
            .whole(rows, "min_rows", LEAST_ROWS, 1..=1_000_000)?;
        let is_step = number <= LEAST_ROWS || ROWS_STEPS.contains(&number);
        match rows {
            Some(rows) if !is_step => {
                let steps = ROWS_STEPS.map(|step| step.to_string()).join(", ");
                self.refuse(
                    rows.span(),
                    format!("`min_rows` is `{number}`"),
                    format!("write one of {steps}"),
                )
            }
            _ => Ok(number),
        }
    }

    fn id(&self, id: &Spanned<String>) -> Checked<String> {
        let text = id.get_ref();
        if (3..=40).contains(&text.len())
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            return Ok(text.clone());
        }
        self.refuse(
            id.span(),
            format!("`id` is {text:?}"),
            "use 3 to 40 of a-z, 0-9 and `-`",
        )
    }

    fn purpose(&self, value: &Spanned<String>) -> Checked<String> {
        let code: String = value.get_ref().split_whitespace().collect();
        if super::purpose_meaning(&code).is_some() {
            return Ok(code);
        }
        let fix = "use a point of Article 53(1) of Regulation (EU) 2025/327: \
            53(1)(a) to 53(1)(f), 53(1)(e)(i) or 53(1)(e)(ii)";
        self.refuse(value.span(), format!("`purpose` is {code:?}"), fix)
    }

    fn sites(
        &self,
        value: Option<&Spanned<Vec<Spanned<String>>>>,
        privacy: &Privacy,
    ) -> Checked<Vec<String>> {
        let Some(list) = value else {
            return Ok(Vec::new());
        };
        let mut names = BTreeSet::new();
        for site in list.get_ref() {
            let name = site.get_ref();
            if check_name(name).is_err() {
                return self.refuse(
                    site.span(),
                    format!("{name:?} is not a site's name"),
                    "see `motet site list`",
                );
            }
            if !names.insert(name) {
                return self.refuse(
                    site.span(),
                    format!("site `{name}` stands twice"),
                    "name each site once",
                );
            }
        }
        if names.len() < privacy.min_sites as usize {
            let problem = format!(
                "`sites` names `{}` sites, `min_sites` is `{}`",
                names.len(),
                privacy.min_sites
            );
            return self.refuse(
                list.span(),
                problem,
                "name more sites, or leave `sites` out to ask every enrolled site",
            );
        }
        Ok(list
            .get_ref()
            .iter()
            .map(|site| site.get_ref().clone())
            .collect())
    }

    fn data(&self, file: &RawFile, kind: &str, wants: Wants) -> Checked<Data> {
        let raw = &file.data;
        self.wanted(raw, kind, wants)?;
        let features = match &raw.features {
            Some(features) => self.features(features)?,
            None if wants.features => {
                let problem = "missing key `features`";
                return self.refuse(raw.dataset.span(), problem, "name the columns");
            }
            None => Vec::new(),
        };
        let (outcome, time) = self.explained(raw, kind, wants.explained)?;
        let [group, offset, weight] = [&raw.group, &raw.offset, &raw.weight];
        let data = Data {
            dataset: self.dataset(&raw.dataset)?,
            outcome,
            time,
            group: self.other(group.as_ref())?,
            offset: self.other(offset.as_ref())?,
            weight: self.other(weight.as_ref())?,
            weight_kind: self.weight_kind(raw)?,
            formula: None,
            levels: self.levels(raw, &self.all_levels(raw)?, &features, wants.explained)?,
            features,
            filter: self.filter(raw.filter.as_ref())?,
            test_fraction: self.test_fraction(raw)?,
        };
        self.distinct(raw, &data)?;
        self.in_order(raw, wants.explained, &data)?;
        self.expanded(raw, &data)?;
        Ok(data)
    }

    /// The recipe's kind, with its place.
    fn kind(&self, raw: &RawFile) -> Checked<Spanned<String>> {
        let Some(kind) = raw.recipe.get("kind") else {
            return self.refuse(0..0, "missing key `kind`", "add it");
        };
        match kind.get_ref().as_str() {
            Some(word) => Ok(Spanned::new(kind.span(), word.to_owned())),
            None => self.refuse(kind.span(), "`kind` is not a text", "write it in quotes"),
        }
    }

    fn wants(&self, kind: &Spanned<String>) -> Checked<Wants> {
        match AnyMethod::kinds().find(|(known, _)| known == kind.get_ref()) {
            Some((_, wants)) => Ok(wants),
            None => self.unknown(kind),
        }
    }

    fn unknown<T>(&self, kind: &Spanned<String>) -> Checked<T> {
        let fix = format!("use one of {}", methods::kinds());
        self.refuse(kind.span(), format!("no recipe {:?}", kind.get_ref()), fix)
    }

    /// A ring too narrow for the sites that the study names. How many there are of a study that
    /// names none is known when it is proposed.
    fn room(&self, table: &Table, recipe: &Recipe, sites: usize) -> Checked<()> {
        match (table.get("ring"), recipe.method.too_narrow(sites as u32)) {
            (Some(ring), Some(needed)) => {
                let problem = format!(
                    "`ring = {}` leaves `{sites}` sites too few bits",
                    ring.get_ref()
                );
                self.refuse(ring.span(), problem, format!("write {needed}"))
            }
            _ => Ok(()),
        }
    }

    fn dataset(&self, name: &Spanned<String>) -> Checked<String> {
        let text = name.get_ref();
        if is_dataset_name(text) {
            return Ok(text.clone());
        }
        self.refuse(
            name.span(),
            format!("`dataset` is {text:?}"),
            "use letters, digits, `-` and `_`",
        )
    }

    pub(super) fn column(&self, name: &Spanned<String>) -> Checked<String> {
        if is_column_name(name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let fix = format!("use a letter, then letters, digits and `_`, at most {NAME_LIMIT}");
        self.refuse(
            name.span(),
            format!("{:?} is not a column's name", name.get_ref()),
            fix,
        )
    }

    fn features(&self, list: &Spanned<Vec<Spanned<String>>>) -> Checked<Vec<String>> {
        let mut features: Vec<String> = Vec::new();
        let mut named = BTreeSet::new();
        for item in list.get_ref() {
            for name in self.named(item)? {
                if !named.insert(name.clone()) {
                    return self.refuse(
                        item.span(),
                        format!("feature `{name}` stands twice"),
                        "name it once",
                    );
                }
                features.push(name);
            }
        }
        if features.is_empty() {
            return self.refuse(
                list.span(),
                "`features` is empty",
                "name at least one column",
            );
        }
        Ok(features)
    }

    /// The columns that a text stands for: itself, or those of its range.
    fn named(&self, text: &Spanned<String>) -> Checked<Vec<String>> {
        let Some(names) = ranges::names(text.get_ref()) else {
            let problem = format!("{:?} is not a range of columns", text.get_ref());
            let fix =
                format!("write `emb[0..511]` for emb0 to emb511, at most {MOST_COLUMNS} of them");
            return self.refuse(text.span(), problem, fix);
        };
        names
            .into_iter()
            .map(|name| self.column(&Spanned::new(text.span(), name)))
            .collect()
    }

    fn other(&self, name: Option<&Spanned<String>>) -> Checked<Option<String>> {
        name.map(|name| self.column(name)).transpose()
    }

    fn unwanted<T>(&self, kind: &str, key: &Spanned<String>, name: &str, fix: &str) -> Checked<T> {
        self.refuse(key.span(), format!("recipe `{kind}` has no `{name}`"), fix)
    }

    /// Outcome and time: `outcome` alone, or `time` and `event` together.
    fn explained(
        &self,
        raw: &RawData,
        kind: &str,
        wants: Wanted,
    ) -> Checked<(Option<String>, Option<String>)> {
        let place = raw.dataset.span();
        match (&raw.outcome, &raw.time, &raw.event, wants) {
            (Some(outcome), _, _, Wanted::Nothing) => self.unwanted(
                kind,
                outcome,
                "outcome",
                "name the column in `features` instead",
            ),
            (Some(outcome), _, _, Wanted::Event) => {
                self.unwanted(kind, outcome, "outcome", "give `time` and `event` instead")
            }
            (
                _,
                Some(key),
                _,
                Wanted::Nothing | Wanted::Outcome | Wanted::Ordered | Wanted::Maybe,
            ) => self.unwanted(kind, key, "time", "remove it; `cox` and `km` have one"),
            (
                _,
                _,
                Some(key),
                Wanted::Nothing | Wanted::Outcome | Wanted::Ordered | Wanted::Maybe,
            ) => self.unwanted(kind, key, "event", "remove it; `cox` and `km` have one"),
            (None, None, None, Wanted::Nothing | Wanted::Maybe) => Ok((None, None)),
            (Some(outcome), None, None, _) => Ok((Some(self.column(outcome)?), None)),
            (None, Some(time), Some(event), _) => {
                Ok((Some(self.column(event)?), Some(self.column(time)?)))
            }
            (Some(outcome), _, _, _) => {
                let problem = "`outcome` stands beside `time` or `event`";
                self.refuse(
                    outcome.span(),
                    problem,
                    "give `outcome` alone, or `time` and `event`",
                )
            }
            (None, Some(key), None, _) | (None, None, Some(key), _) => self.refuse(
                key.span(),
                "`time` and `event` belong together",
                "add the other",
            ),
            (None, None, None, Wanted::Event) => {
                let problem = format!("recipe `{kind}` needs `time` and `event`");
                self.refuse(
                    place,
                    problem,
                    "add the columns of the time and of whether the event was seen",
                )
            }
            (None, None, None, _) => {
                let problem = format!("recipe `{kind}` needs an `outcome`");
                self.refuse(place, problem, "add the name of a column")
            }
        }
    }

    /// Group, offset and weight belong to some kinds only.
    fn wanted(&self, raw: &RawData, kind: &str, wants: Wants) -> Checked<()> {
        let keys = [
            ("group", &raw.group, wants.group),
            ("offset", &raw.offset, wants.sides),
            ("weight", &raw.weight, wants.sides),
        ];
        match keys
            .into_iter()
            .find_map(|(name, key, may)| Some((name, key.as_ref().filter(|_| !may)?)))
        {
            None => Ok(()),
            Some((name, key)) => self.refuse(
                key.span(),
                format!("recipe `{kind}` has no `{name}`"),
                "remove it",
            ),
        }
    }

    /// A weight says how precise a row is or how many rows it stands for; the standard errors
    /// differ, so neither is usual.
    fn weight_kind(&self, raw: &RawData) -> Checked<Option<WeightKind>> {
        const FIX: &str = "write `weight_kind = \"precision\"` (as R's `weights`: a row stays one patient) or \
                           `weight_kind = \"frequency\"` (a row stands for so many equal ones)";
        match (&raw.weight, &raw.weight_kind) {
            (None, None) => Ok(None),
            (Some(weight), None) => {
                self.refuse(weight.span(), "`weight` stands without `weight_kind`", FIX)
            }
            (None, Some(kind)) => self.refuse(
                kind.span(),
                "`weight_kind` stands without `weight`",
                "name the column of the weight",
            ),
            (Some(_), Some(kind)) => {
                let known = methods::WEIGHT_KINDS
                    .iter()
                    .find(|(word, _)| *word == kind.get_ref().as_str());
                match known {
                    Some((_, known)) => Ok(Some(*known)),
                    None => self.refuse(
                        kind.span(),
                        format!("`weight_kind` is {:?}", kind.get_ref()),
                        FIX,
                    ),
                }
            }
        }
    }

    /// No column has two parts to play.
    fn distinct(&self, raw: &RawData, data: &Data) -> Checked<()> {
        let outcome_span = span_of(if raw.event.is_some() {
            &raw.event
        } else {
            &raw.outcome
        });
        let parts = [
            ("the outcome", &data.outcome, outcome_span),
            ("the time", &data.time, span_of(&raw.time)),
            ("the group", &data.group, span_of(&raw.group)),
            ("the offset", &data.offset, span_of(&raw.offset)),
            ("the weight", &data.weight, span_of(&raw.weight)),
        ];
        let mut seen: Vec<(&str, &String)> = data
            .features
            .iter()
            .map(|feature| ("a feature", feature))
            .collect();
        for (part, name, span) in parts {
            let Some(name) = name else { continue };
            if let Some((other, _)) = seen.iter().find(|(_, known)| *known == name) {
                let problem = format!("`{name}` is {part} and {other}");
                return self.refuse(span, problem, "take it out of one of them");
            }
            seen.push((part, name));
        }
        match (&data.group, &raw.group) {
            (Some(group), Some(key)) if data.levels_of(group).is_none() => {
                let fix = format!("add `{group} = [\"..\", \"..\"]` under `[data.levels]`");
                self.refuse(
                    key.span(),
                    format!("the study names no levels of `{group}`"),
                    fix,
                )
            }
            _ => Ok(()),
        }
    }

    /// An outcome whose levels are in order needs them.
    fn in_order(&self, raw: &RawData, wanted: Wanted, data: &Data) -> Checked<()> {
        match (wanted, &data.outcome) {
            (Wanted::Ordered, Some(outcome)) if data.levels_of(outcome).is_none() => {
                let fix = format!(
                    "add `{outcome} = [\"..\", \"..\"]` under `[data.levels]`, the lowest level first"
                );
                let problem = format!("the study names no levels of `{outcome}`");
                self.refuse(span_of(&raw.outcome), problem, fix)
            }
            _ => Ok(()),
        }
    }

    fn levels(
        &self,
        raw: &RawData,
        all: &RawLevels,
        features: &[String],
        wanted: Wanted,
    ) -> Checked<Vec<Levels>> {
        let group = raw.group.as_ref().map(|group| group.get_ref());
        let outcome = raw.outcome.as_ref().map(|outcome| outcome.get_ref());
        let outcome = outcome.filter(|_| wanted == Wanted::Ordered);
        let mut of_no_column = all.iter().filter(|(name, _)| {
            !features.contains(name) && group != Some(name) && outcome != Some(name)
        });
        if let Some((name, levels)) = of_no_column.next() {
            return self.refuse(
                levels.span(),
                format!("`levels.{name}` is not one of the features"),
                "add it there or remove it",
            );
        }
        let listed = features
            .iter()
            .chain(group)
            .chain(outcome)
            .filter_map(|feature| Some((feature, all.get(feature)?)));
        listed
            .map(|(feature, list)| self.category(feature, list))
            .collect()
    }

    pub(super) fn category(
        &self,
        feature: &str,
        list: &Spanned<Vec<Spanned<String>>>,
    ) -> Checked<Levels> {
        let mut levels: Vec<String> = Vec::new();
        for item in list.get_ref() {
            let level = item.get_ref().trim().to_owned();
            if level.is_empty() || level.chars().count() > NAME_LIMIT || !is_plain(&level, false) {
                let fix = format!("a level has 1 to {NAME_LIMIT} characters that show as they are");
                return self.refuse(item.span(), format!("{level:?} is not a level"), fix);
            }
            if levels.contains(&level) {
                let fix = "name each level once";
                return self.refuse(
                    item.span(),
                    format!("level `{level}` of `{feature}` stands twice"),
                    fix,
                );
            }
            levels.push(level);
        }
        if levels.len() < 2 {
            let fix = "name the reference level first, then the others";
            return self.refuse(
                list.span(),
                format!("`levels.{feature}` has fewer than two levels"),
                fix,
            );
        }
        Ok(Levels {
            feature: feature.to_string(),
            levels,
        })
    }

    fn filter(&self, rule: Option<&Spanned<String>>) -> Checked<Option<Filter>> {
        let Some(rule) = rule else { return Ok(None) };
        match Filter::parse(rule.get_ref()) {
            Ok(filter) => Ok(Some(filter)),
            Err(error) => {
                let fix = "write conditions such as `age >= 18 and sex == 1`";
                self.refuse(rule.span(), format!("`filter`, {error}"), fix)
            }
        }
    }

    /// The columns after expansion must be few enough and have different names.
    fn expanded(&self, raw: &RawData, data: &Data) -> Checked<()> {
        let widths = data.features.iter().map(|f| {
            data.levels
                .iter()
                .find(|l| l.feature == *f)
                .map_or(1, |l| l.levels.len() - 1)
        });
        if widths.sum::<usize>() > MOST_COLUMNS as usize {
            return self.refuse(
                raw.features.as_ref().map_or(0..0, Spanned::span),
                format!("the study has more than {MOST_COLUMNS} columns"),
                "use fewer",
            );
        }
        let categories = data.levels.iter();
        // The levels of an outcome are no columns.
        for Levels { feature, levels } in
            categories.filter(|levels| data.outcome.as_ref() != Some(&levels.feature))
        {
            for name in levels
                .iter()
                .skip(1)
                .map(|level| format!("{feature}_{level}"))
            {
                if data.features.contains(&name) || data.outcome.as_ref() == Some(&name) {
                    let problem = format!(
                        "column `{name}` of category `{feature}` has the name of another column"
                    );
                    return self.refuse(
                        raw.features.as_ref().map_or(0..0, Spanned::span),
                        problem,
                        "rename one of them in the schema and here",
                    );
                }
            }
        }
        Ok(())
    }
}

/// Where a key stands, if it does.
fn span_of(key: &Option<Spanned<String>>) -> Range<usize> {
    key.as_ref().map_or(0..0, Spanned::span)
}
