//! A study: a research question with its purpose, its data, its recipe, its limits and its end.
//! What a steward approves is the digest of this value, so nothing about a study can change behind
//! an approval.
//!
//! ```text
//! study file (TOML) --Study::parse--> Study --digest--> what decisions and permits sign
//!                                       |--recipe----> the federated method      |--lint()--> advice before proposing
//!                                       |--columns()-> the columns of every site |--card()--> what the steward reads
//! ```

pub mod card; //    the plain-language card
mod evaluation; //  by which groups and sites the finished model is judged
mod floors; //      what a site goes not below, and what this study asks
mod lint; //        advice and refusals before a study is proposed
mod methods; //     what a method tells of a study, and the first round before it
mod parse; //       from TOML: the study and its data
mod raw; //         the file's tables and keys
mod recipients; //  who receives the release
mod rounds; //      from TOML: deadlines and quorum
pub mod text; //    names and levels
mod write; //       back to TOML, and the check of a study that came over the wire

pub use card::{CardContext, Earlier, shortened};
pub use floors::{Floors, LEAST_CELL, LEAST_MULTIPLE, LEAST_ROWS, LEAST_STEP, MOST_BINS};
pub use lint::{Finding, Severity};
pub use methods::Outcome;
pub use recipients::{EVERYONE, Recipients};

use motet_recipes::data::Data;
use motet_recipes::filter::Filter;
use motet_recipes::{Count, Recipe};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::threshold::{LineUpTooSmall, Thresholds, default_colluders, default_h_min};
use std::collections::BTreeSet;
use std::fmt;

/// What the id of a feasibility study ends with.
const FEASIBILITY: &str = "-count";

canonical! {
    /// One study, as proposed and approved.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Study {
        /// `[a-z0-9-]{3,40}`, unique in the consortium.
        pub id: String,
        /// One line.
        pub title: String,
        /// What is asked, in plain language.
        pub question: String,
        /// The point of Article 53(1) of Regulation (EU) 2025/327, such as `53(1)(e)`;
        /// [`purpose_meaning`] spells it out.
        pub purpose: String,
        /// The last day on which the study may run.
        pub ends: Date,
        /// Names of the sites asked to take part; empty means every enrolled site.
        pub sites: Vec<String>,
        /// Which researchers receive the release.
        pub recipients: Recipients,
        /// Which data are used.
        pub data: Data,
        /// The federated method, on this study's columns.
        pub recipe: Recipe,
        /// Limits.
        pub privacy: Privacy,
        /// Deadlines and quorum.
        pub rounds: Rounds,
    }
}

canonical! {
    /// Limits that nothing is opened below.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Privacy {
        /// Sites that must be in a sum.
        pub min_sites: u32,
        /// Rows a site must have to take part; one with fewer says no number.
        pub min_rows: u32,
    }
}

canonical! {
    /// How long each phase of a round may take, in seconds, and who must be there.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rounds {
        /// For nodes to join.
        pub join_s: u32,
        /// For key shares.
        pub share_s: u32,
        /// For masked vectors: the slowest link decides.
        pub upload_s: u32,
        /// For signatures on the set of sites.
        pub sign_s: u32,
        /// For opening the sum.
        pub reveal_s: u32,
        /// Nodes that must have joined; absent means the survivors that the protocol needs.
        pub quorum: Option<u32>,
        /// What a run does when a site stays away.
        pub on_site_loss: SiteLoss,
    }
}

/// Sites that may leave a study after its first sum where it says `on_site_loss = "continue"`: of
/// each that leaves, the sums before and after tell its own.
pub const MOST_LOST: u32 = 1;

canonical! {
    /// What a run does when a site that was in the last sum stays away.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum SiteLoss {
        /// Wait for it until the deadline, then end with the last complete state.
        1 => Pause,
        /// Go on without it: its own statistics become computable by difference.
        2 => Continue,
    }
}

canonical! {
    /// A day of the calendar.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Date {
        /// Year of the common era.
        pub year: u16,
        /// 1 to 12.
        pub month: u8,
        /// 1 to 31.
        pub day: u8,
    }
}

impl From<toml::value::Date> for Date {
    fn from(date: toml::value::Date) -> Self {
        Self {
            year: date.year,
            month: date.month,
            day: date.day,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// What a point of Article 53(1) of Regulation (EU) 2025/327 allows, in short words, or nothing for
/// another code.
pub fn purpose_meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "53(1)(a)" => {
            "public interest in public or occupational health, such as surveillance or the safety of care"
        }
        "53(1)(b)" => "policymaking and regulation by public bodies in the health or care sector",
        "53(1)(c)" => "official statistics on the health or care sector",
        "53(1)(d)" => "vocational or higher education in the health or care sector",
        "53(1)(e)" => {
            "scientific research that serves public health, health technology assessment or the quality of care"
        }
        "53(1)(e)(i)" => {
            "scientific research: development of and innovation in products or services"
        }
        "53(1)(e)(ii)" => "scientific research: training, testing and evaluation of algorithms",
        "53(1)(f)" => {
            "better delivery of care and better treatment, learned from other patients' data"
        }
        _ => return None,
    })
}

impl Study {
    /// The digest that plans, decisions and permits name: it covers every field.
    pub fn root(&self) -> Digest {
        self.digest("study")
    }

    /// What is asked of the data, whatever the study is called and whoever is asked: two studies
    /// with one question over nearly the same sites tell what the sites that differ would say
    /// alone. How a model is judged does not make another question of its fit.
    pub fn asks(&self) -> Digest {
        Digest::of(
            "question",
            &[&self.data.to_bytes(), &self.recipe.method.to_bytes()],
        )
    }

    /// The columns of the table `x` at every site, in order: see [`Data::columns`].
    pub fn columns(&self) -> Vec<String> {
        self.data.columns()
    }

    /// The levels of a column that is a category.
    pub fn levels_of(&self, column: &str) -> Option<&[String]> {
        self.data.levels_of(column)
    }

    /// The columns of the dataset that a site opens for this study, and no others: features, what
    /// is explained, what groups or weighs, by what the model is judged, and those of the rule.
    pub fn reads(&self) -> BTreeSet<&str> {
        let data = &self.data;
        let mut names: BTreeSet<&str> = data.features.iter().map(String::as_str).collect();
        let others = [
            &data.outcome,
            &data.time,
            &data.group,
            &data.offset,
            &data.weight,
        ];
        names.extend(others.into_iter().filter_map(Option::as_deref));
        names.extend(data.filter.iter().flat_map(Filter::columns));
        let judged = self
            .recipe
            .judged
            .as_ref()
            .into_iter()
            .flat_map(|asked| &asked.groups);
        names.extend(judged.map(|group| group.column.as_str()));
        names
    }

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
            ..self.data.clone()
        };
        let stem: String = self.id.chars().take(40 - FEASIBILITY.len()).collect();
        Self {
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
            recipe: Recipe::from(Count {
                multiple,
                ..Count::new(yes_no)
            }),
            ..self.clone()
        }
    }

    /// Colluders, openers and survivors of a line-up of `sites` with the roster's usual numbers. A
    /// roster that states its own colluders and honest sites goes to [`Thresholds::of`] directly,
    /// with `privacy.min_sites` as floor.
    ///
    /// # Errors
    /// [`LineUpTooSmall`] when more sites must stay in the sum than there are.
    pub fn thresholds(&self, sites: usize) -> Result<Thresholds, LineUpTooSmall> {
        Thresholds::of(
            sites,
            sites,
            default_colluders(sites),
            default_h_min(sites),
            self.privacy.min_sites as usize,
        )
    }

    /// Nodes that must have joined before a round goes on: the study's quorum, and never fewer than
    /// the survivors that the protocol needs.
    ///
    /// # Errors
    /// As [`Study::thresholds`].
    pub fn quorum(&self, sites: usize) -> Result<usize, LineUpTooSmall> {
        let survivors = self.thresholds(sites)?.survivors;
        Ok(self
            .rounds
            .quorum
            .map_or(survivors, |quorum| survivors.max(quorum as usize)))
    }
}

#[cfg(test)]
mod tests;
