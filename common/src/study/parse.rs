//! From a study file to a [`Study`]: every key is known, every value is checked, every mistake has its line and its fix.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `study.sites` | every enrolled site | names of the sites asked |
//! | `data.levels.NAME` | | the levels of a feature that is a category, reference first |
//! | `data.filter` | every row | rule for the cohort |
//! | `data.test_fraction` | 0.0 | only 0.0 in this version |
//! | `recipe.ridge`, `tolerance`, `max_rounds` | 0.0, 1e-10, 30 | logistic |
//! | `recipe.model` | `{ kind = "logistic" }` | fedavg; or `{ kind = "mlp", hidden = [16] }` |
//! | `recipe.rounds`, `local_epochs`, `batch` | 20, 1, 32 | fedavg; batch 0 is the whole table |
//! | `recipe.lr`, `server_lr`, `weight` | 0.1, 1.0, "rows" | fedavg |
//! | `recipe.ring` | 32 | fedavg; bits of a number of the update: 16, 20, 24 or 32 |
//! | `privacy.min_sites`, `min_rows` | 3, 10 | |
//! | `rounds.join`, `share`, `upload`, `sign`, `reveal` | 30s, 30s, 10m, 30s, 30s | whole seconds, minutes or hours |
//! | `rounds.quorum` | survivors of the protocol | nodes that must have joined |
//! | `rounds.on_site_loss` | "pause" | or "continue" |

use super::raw::{RawData, RawFile};
use super::text::{self, NAME_LIMIT};
use super::{Data, Date, Filter, Levels, Method, Privacy, Study, StudyError};
use crate::enrol::check_name;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

/// A study file is a page of text; a longer one is a mistake.
const MAX_FILE: usize = 256 * 1024;
/// Columns after the categories' expansion: an exact fit sends the square of it.
const MAX_COLUMNS: usize = 1000;
impl Study {
    /// Reads a study file.
    ///
    /// # Errors
    /// [`StudyError`] for the first mistake, with its line and what to write instead.
    pub fn parse(toml_text: &str) -> Result<Self, StudyError> {
        if toml_text.len() > MAX_FILE {
            return Err(StudyError {
                line: 1,
                problem: format!("the file is larger than {} KiB", MAX_FILE / 1024),
                fix: "give the path of a study file".into(),
            });
        }
        let raw: RawFile = toml::from_str(toml_text).map_err(|error| {
            let (line, problem, fix) = text::explain(toml_text, &error);
            StudyError { line, problem, fix: fix.into() }
        })?;
        Reading { text: toml_text }.study(&raw)
    }
}

/// The file's text, to turn places into lines.
pub(super) struct Reading<'t> {
    text: &'t str,
}

pub(super) type Checked<T> = Result<T, StudyError>;

impl Reading<'_> {
    pub(super) fn refuse<T>(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Checked<T> {
        let line = text::line_at(self.text, span.start);
        Err(StudyError { line, problem: problem.into(), fix: fix.into() })
    }

    fn study(&self, raw: &RawFile) -> Checked<Study> {
        // The recipe comes first: what the data table must hold depends on it.
        let method = self.method(&raw.recipe)?;
        let data = self.data(&raw.data, &method)?;
        let privacy = Privacy {
            min_sites: self.whole(&raw.privacy.min_sites, "min_sites", 3, 3..=250)?,
            min_rows: self.whole(&raw.privacy.min_rows, "min_rows", 10, 1..=1_000_000)?,
        };
        let study = &raw.study;
        let sites = self.sites(study.sites.as_ref(), &privacy)?;
        self.room(&raw.recipe, &method, sites.len())?;
        Ok(Study {
            id: self.id(&study.id)?,
            title: self.prose(&study.title, "title", 200, false)?,
            question: self.prose(&study.question, "question", 4000, true)?,
            purpose: self.purpose(&study.purpose)?,
            ends: self.ends(&study.ends)?,
            sites,
            data,
            method,
            privacy,
            rounds: self.rounds(&raw.rounds)?,
        })
    }

    fn id(&self, id: &Spanned<String>) -> Checked<String> {
        let text = id.get_ref();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (3..=40).contains(&text.len()) && text.chars().all(fits) {
            return Ok(text.clone());
        }
        self.refuse(id.span(), format!("`id` is {text:?}"), "use 3 to 40 of a-z, 0-9 and `-`")
    }

    fn prose(&self, value: &Spanned<String>, key: &str, most: usize, line_breaks: bool) -> Checked<String> {
        let text = value.get_ref().trim();
        if text.is_empty() || text.chars().count() > most {
            return self.refuse(
                value.span(),
                format!("`{key}` has 0 or too many characters"),
                format!("write 1 to {most}"),
            );
        }
        if !text::is_plain(text, line_breaks) {
            let fix = "stewards read it on a terminal: remove control characters and hidden letters";
            return self.refuse(
                value.span(),
                format!("`{key}` holds characters that do not show as they are"),
                fix,
            );
        }
        Ok(text.to_string())
    }

    fn purpose(&self, value: &Spanned<String>) -> Checked<String> {
        let code: String = value.get_ref().split_whitespace().collect();
        if super::purpose_meaning(&code).is_some() {
            return Ok(code);
        }
        let fix = "use a point of Article 53(1) of Regulation (EU) 2025/327: 53(1)(a) to 53(1)(f), 53(1)(e)(i) or 53(1)(e)(ii)";
        self.refuse(value.span(), format!("`purpose` is {code:?}"), fix)
    }

    fn ends(&self, value: &Spanned<toml::value::Datetime>) -> Checked<Date> {
        let moment = value.get_ref();
        if let (Some(date), None, None) = (moment.date, moment.time, moment.offset) {
            let valid = i16::try_from(date.year)
                .ok()
                .zip(i8::try_from(date.month).ok().zip(i8::try_from(date.day).ok()))
                .is_some_and(|(year, (month, day))| jiff::civil::Date::new(year, month, day).is_ok());
            if valid {
                return Ok(Date { year: date.year, month: date.month, day: date.day });
            }
        }
        self.refuse(
            value.span(),
            format!("`ends` is `{moment}`, not a day"),
            "write a date such as 2027-12-31, without quotes",
        )
    }

    fn sites(
        &self,
        value: Option<&Spanned<Vec<Spanned<String>>>>,
        privacy: &Privacy,
    ) -> Checked<Vec<String>> {
        let Some(list) = value else { return Ok(Vec::new()) };
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
            let problem =
                format!("`sites` names `{}` sites, `min_sites` is `{}`", names.len(), privacy.min_sites);
            return self.refuse(
                list.span(),
                problem,
                "name more sites, or leave `sites` out to ask every enrolled site",
            );
        }
        Ok(list.get_ref().iter().map(|site| site.get_ref().clone()).collect())
    }

    fn data(&self, raw: &RawData, method: &Method) -> Checked<Data> {
        if let Some(key) = raw.time.as_ref().or(raw.event.as_ref()) {
            let problem =
                "`time` and `event` belong to `cox` and `km`, which are not yet available in this version";
            return self.refuse(key.span(), problem, "give `outcome`, a yes/no column");
        }
        if let Some(fraction) = raw.test_fraction.as_ref().filter(|fraction| *fraction.get_ref() != 0.0) {
            let problem = format!(
                "`test_fraction` is `{}`: held-out rows are not yet available in this version",
                fraction.get_ref()
            );
            return self.refuse(fraction.span(), problem, "write 0.0 or leave it out");
        }
        let features = self.features(&raw.features)?;
        let outcome = self.outcome(raw, &features, method)?;
        let data = Data {
            dataset: self.dataset(&raw.dataset)?,
            outcome,
            levels: self.levels(raw, &features)?,
            features,
            filter: self.filter(raw.filter.as_ref())?,
            test_fraction: 0.0,
        };
        self.expanded(raw, &data)?;
        Ok(data)
    }

    fn dataset(&self, name: &Spanned<String>) -> Checked<String> {
        let text = name.get_ref();
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=NAME_LIMIT).contains(&text.len()) && text.chars().all(fits) {
            return Ok(text.clone());
        }
        self.refuse(name.span(), format!("`dataset` is {text:?}"), "use letters, digits, `-` and `_`")
    }

    fn column(&self, name: &Spanned<String>) -> Checked<String> {
        if text::is_column_name(name.get_ref()) {
            return Ok(name.get_ref().clone());
        }
        let fix = format!("use a letter, then letters, digits and `_`, at most {NAME_LIMIT}");
        self.refuse(name.span(), format!("{:?} is not a column's name", name.get_ref()), fix)
    }

    fn features(&self, list: &Spanned<Vec<Spanned<String>>>) -> Checked<Vec<String>> {
        let mut features: Vec<String> = Vec::new();
        for item in list.get_ref() {
            let name = self.column(item)?;
            if features.contains(&name) {
                return self.refuse(item.span(), format!("feature `{name}` stands twice"), "name it once");
            }
            features.push(name);
        }
        if features.is_empty() {
            return self.refuse(list.span(), "`features` is empty", "name at least one column");
        }
        Ok(features)
    }

    fn outcome(&self, raw: &RawData, features: &[String], method: &Method) -> Checked<Option<String>> {
        match (&raw.outcome, method) {
            (Some(outcome), Method::Summary) => self.refuse(
                outcome.span(),
                "recipe `summary` has no `outcome`",
                "name the column in `features` instead",
            ),
            (None, Method::Summary) => Ok(None),
            (None, _) => {
                let problem = format!("recipe `{}` needs an `outcome`", method.kind());
                self.refuse(raw.features.span(), problem, "add the name of a yes/no column")
            }
            (Some(outcome), _) => {
                let name = self.column(outcome)?;
                if features.contains(&name) {
                    let problem = format!("`{name}` is the outcome and a feature");
                    return self.refuse(outcome.span(), problem, "take it out of one of them");
                }
                Ok(Some(name))
            }
        }
    }

    fn levels(&self, raw: &RawData, features: &[String]) -> Checked<Vec<Levels>> {
        if let Some((name, levels)) = raw.levels.iter().find(|(name, _)| !features.contains(name)) {
            return self.refuse(
                levels.span(),
                format!("`levels.{name}` is not one of the features"),
                "add it there or remove it",
            );
        }
        let listed = features.iter().filter_map(|feature| Some((feature, raw.levels.get(feature)?)));
        listed.map(|(feature, list)| self.category(feature, list)).collect()
    }

    fn category(&self, feature: &str, list: &Spanned<Vec<Spanned<String>>>) -> Checked<Levels> {
        let mut levels: Vec<String> = Vec::new();
        for item in list.get_ref() {
            let level = text::normal_level(item.get_ref());
            if level.is_empty() || level.chars().count() > NAME_LIMIT || !text::is_plain(&level, false) {
                let fix = format!("a level has 1 to {NAME_LIMIT} characters that show as they are");
                return self.refuse(item.span(), format!("{level:?} is not a level"), fix);
            }
            if levels.contains(&level) {
                let fix = "levels that are numbers compare as numbers: name each once";
                return self.refuse(item.span(), format!("level `{level}` of `{feature}` stands twice"), fix);
            }
            levels.push(level);
        }
        if levels.len() < 2 {
            let fix = "name the reference level first, then the others";
            return self.refuse(list.span(), format!("`levels.{feature}` has fewer than two levels"), fix);
        }
        Ok(Levels { feature: feature.to_string(), levels })
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
        let widths = data
            .features
            .iter()
            .map(|f| data.levels.iter().find(|l| l.feature == *f).map_or(1, |l| l.levels.len() - 1));
        if widths.sum::<usize>() > MAX_COLUMNS {
            return self.refuse(
                raw.features.span(),
                format!("the study has more than {MAX_COLUMNS} columns"),
                "use fewer",
            );
        }
        for Levels { feature, levels } in &data.levels {
            for name in levels.iter().skip(1).map(|level| format!("{feature}_{level}")) {
                if data.features.contains(&name) || data.outcome.as_ref() == Some(&name) {
                    let problem =
                        format!("column `{name}` of category `{feature}` has the name of another column");
                    return self.refuse(
                        raw.features.span(),
                        problem,
                        "rename one of them in the schema and here",
                    );
                }
            }
        }
        Ok(())
    }
}
