//! What a study says: everything that its digest covers.

use super::{Date, Meaning, Recipients};
use motet_recipes::data::Data;
use motet_recipes::filter::Filter;
use motet_recipes::{Recipe, Subgroups};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::threshold::{LineUpTooSmall, Thresholds, default_colluders, default_h_min};
use std::collections::BTreeSet;

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
        /// The point of Article 53(1) of Regulation (EU) 2025/327, such
        /// as `53(1)(e)`; [`purpose_meaning`] spells it out.
        pub purpose: String,
        /// The last day on which the study may run.
        pub ends: Date,
        /// Names of the sites asked to take part; empty means every
        /// enrolled site.
        pub sites: Vec<String>,
        /// Which researchers receive the release.
        pub recipients: Recipients,
        /// Which data are used.
        pub data: Data,
        /// What columns mean in every country, in the order of their
        /// names.
        pub meanings: Vec<Meaning>,
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
        /// Rows a site must have to take part; one with fewer says no
        /// number.
        pub min_rows: u32,
    }
}

canonical! {
    /// How long each phase of a round may take, in seconds, and who
    /// must be there.
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
        /// Nodes that must have joined; absent means the survivors that
        /// the protocol needs.
        pub quorum: Option<u32>,
        /// What a run does when a site stays away.
        pub on_site_loss: SiteLoss,
    }
}

/// Sites that may leave a study after its first sum where it
/// says `on_site_loss = "continue"`: of each that leaves, the
/// sums before and after tell its own.
pub const MOST_LOST: u32 = 1;

canonical! {
    /// What a run does when a site that was in the last sum stays
    /// away.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum SiteLoss {
        /// Wait for it until the deadline, then end with the last
        /// complete state.
        1 => Pause,
        /// Go on without it: its own statistics become computable by
        /// difference.
        2 => Continue,
    }
}

impl Study {
    /// The digest that plans, decisions and permits name: it covers
    /// every field.
    pub fn root(&self) -> Digest {
        self.digest("study")
    }

    /// What is asked of the data, whatever the study is called and
    /// whoever is asked: two studies with one question over nearly
    /// the same sites tell what the sites that differ would say
    /// alone. How a model is judged, and on whom who is held out,
    /// does not make another question of its fit, and what a column
    /// is called, or in which unit it is, no other of its data.
    pub fn asks(&self) -> Digest {
        let data = Data {
            test_fraction: 0.0,
            ..self.data.clone()
        };
        Digest::of(
            "question",
            &[&data.to_bytes(), &self.recipe.method.to_bytes()],
        )
    }

    /// The columns of the table `x` at every site, in order: see
    /// [`Data::columns`].
    pub fn columns(&self) -> Vec<String> {
        self.data.columns()
    }

    /// The levels of a column that is a category.
    pub fn levels_of(&self, column: &str) -> Option<&[String]> {
        self.data.levels_of(column)
    }

    /// What a column means in every country, as far as the study
    /// says.
    pub fn meaning(&self, column: &str) -> Option<&Meaning> {
        self.meanings
            .iter()
            .find(|meaning| meaning.column == column)
    }

    /// The columns of the dataset that a site opens for this study,
    /// and no others: features, what is explained, what groups or
    /// weighs, by what the model is judged, and those of the rule.
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
            .flat_map(Subgroups::in_columns);
        names.extend(judged.map(|group| group.column.as_str()));
        names
    }

    /// Colluders, openers and survivors of a line-up of `sites`
    /// with the roster's usual numbers. A roster that states its
    /// own colluders and honest sites goes to [`Thresholds::of`]
    /// directly, with `privacy.min_sites` as floor.
    ///
    /// # Errors
    /// [`LineUpTooSmall`] when more sites must stay in the sum than
    /// there are.
    pub fn thresholds(&self, sites: usize) -> Result<Thresholds, LineUpTooSmall> {
        Thresholds::of(
            sites,
            sites,
            default_colluders(sites),
            default_h_min(sites),
            self.privacy.min_sites as usize,
        )
    }

    /// Nodes that must have joined before a round goes on: the
    /// study's quorum, and never fewer than the survivors that the
    /// protocol needs.
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
