//! The folder of a study that has ended, from what every site that followed it knows: the
//! coordinator writes it, and each site makes it again.
//!
//! ```text
//! study text, roster, governance key ─┐
//! chain: sets, bytes, final state ────┼─> files of the folder, but for its manifest
//! run, its beginning and its end ─────┘
//! ```
//! Nothing enters that not all of them know, no limit of a site, and no version of the software but
//! the [`FORMAT`] of the files.

use crate::context::{Column, Context, Level, LostSite, Site, Survival};
use crate::error::ReleaseError;
use crate::folder::build;
use jiff::Timestamp;
use motet_common::chain::Chain;
use motet_common::log::Publication;
use motet_common::manifest::{File, files_digest};
use motet_common::moment::Moment;
use motet_common::roster::{Entry, Roster};
use motet_common::study::{LEAST_CELL, LEAST_ROWS, SiteLoss, Study, Type};
use motet_recipes::RecipeError;
use motet_secagg::digest::Digest;
use motet_secagg::id::{NodeId, RunId};

/// The form of the files. Whoever changes one byte of what is written for the same run counts it
/// up: sites of another form say so, and do not call the folder another one.
pub const FORMAT: u32 = 1;

/// A finished run.
pub struct Ending<'a> {
    /// The study.
    pub study: &'a Study,
    /// Its roster.
    pub roster: &'a Roster,
    /// Fingerprint of the governance key that signed the roster.
    pub governance: Digest,
    /// The states, up to the last one.
    pub chain: &'a Chain,
    /// The run of the last sum.
    pub run: RunId,
    /// When it began,
    pub started: Moment,
    /// and when its last sum was there.
    pub finished: Moment,
}

impl Ending<'_> {
    /// Name and content of every file but the manifest.
    ///
    /// # Errors
    /// [`ReleaseError::Recipe`] where the run has no result; the others as [`build`].
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, ReleaseError> {
        let none = |error: RecipeError| ReleaseError::Recipe {
            run: self.run.hex(),
            what: error.to_string(),
        };
        let state = self.chain.state();
        let outcome = self.chain.recipe().outcome(state).map_err(none)?;
        let findings = self.chain.recipe().findings(state).map_err(none)?;
        let context = Context {
            findings,
            ..self.context()
        };
        build(&outcome, &context)
    }

    /// What of a folder is not as it is made here: the first of the files that are shown of it, or
    /// the list that the publication is over.
    ///
    /// # Errors
    /// As [`Ending::files`].
    pub fn difference(
        &self,
        publication: &Publication,
        shown: Option<&[(String, Digest)]>,
    ) -> Result<Option<String>, ReleaseError> {
        let made = self.files()?;
        let entries: Vec<File> = made
            .iter()
            .map(|(name, bytes)| File::of(name, bytes))
            .collect();
        let is_shown =
            |of: &File, shown: &(String, Digest)| (&of.name, of.sha256) == (&shown.0, shown.1);
        let mut pairs = entries.iter().zip(shown.into_iter().flatten());
        let same = files_digest(&entries) == publication.files
            && shown.is_none_or(|shown| shown.len() == entries.len());
        Ok(match pairs.find(|(of, shown)| !is_shown(of, shown)) {
            Some((of, _)) => Some(format!("`{}`", of.name)),
            None if same => None,
            None => Some("the list of files".to_owned()),
        })
    }

    fn context(&self) -> Context {
        let Self { study, roster, .. } = self;
        Context {
            consortium: roster.consortium.clone(),
            study: study.id.clone(),
            title: study.title.clone(),
            question: study.question.clone(),
            purpose: study.purpose.clone(),
            dataset: study.data.dataset.clone(),
            columns: columns(study),
            outcome: study.data.outcome.clone().unwrap_or_default(),
            filter: study.data.filter.as_ref().map(ToString::to_string),
            held_out: study.held_out(),
            weight: study.data.weight.clone(),
            features: study.data.features.clone(),
            run: self.run.hex(),
            recipe: study.recipe.kind().to_owned(),
            parameters: study.parameters(),
            survival: Survival::of(&study.recipe),
            tolerance: study.recipe.tolerance(),
            roster: roster.entries.iter().map(site).collect(),
            sites: self.named(self.chain.set()),
            sites_lost: self.lost(),
            sites_absent: self.named(&self.chain.absent(roster).collect::<Vec<_>>()),
            on_site_loss: match study.rounds.on_site_loss {
                SiteLoss::Pause => "pause".to_owned(),
                SiteLoss::Continue => "continue".to_owned(),
            },
            min_sites: study.privacy.min_sites,
            // A method that says itself what is few takes every site.
            min_rows: if study.recipe.method.asks_first() {
                u64::from(study.privacy.min_rows.max(LEAST_ROWS))
            } else {
                0
            },
            colluders: u32::from(roster.colluders),
            smallest_cell: u64::from(study.cell().unwrap_or(LEAST_CELL).max(study.first_cell())),
            started: text(self.started),
            finished: text(self.finished),
            bytes_up: Some(self.chain.bytes_up()),
            governance: self.governance.hex(),
            software: format!("motet, release format {FORMAT}"),
            ..Context::default()
        }
    }

    fn named(&self, nodes: &[NodeId]) -> Vec<Site> {
        let entries = nodes.iter().filter_map(|node| self.roster.entry(*node));
        entries.map(site).collect()
    }

    fn lost(&self) -> Vec<LostSite> {
        let lost = self.chain.lost().iter();
        lost.filter_map(|(node, round)| {
            let Site { name, country } = site(self.roster.entry(*node)?);
            Some(LostSite {
                name,
                country,
                round: *round,
            })
        })
        .collect()
    }
}

/// Every column of a study, the explained ones first.
fn columns(study: &Study) -> Vec<Column> {
    let data = &study.data;
    let first = [
        &data.outcome,
        &data.time,
        &data.group,
        &data.offset,
        &data.weight,
    ];
    let mut names: Vec<&str> = first.into_iter().filter_map(Option::as_deref).collect();
    names.extend(data.features.iter().map(String::as_str));
    let others: Vec<&str> = study
        .reads()
        .into_iter()
        .filter(|name| !names.contains(name))
        .collect();
    names.extend(others);
    names.into_iter().map(|name| column(study, name)).collect()
}

fn column(study: &Study, name: &str) -> Column {
    let levels = study.levels_of(name).unwrap_or(&[]);
    let is_feature = study.data.features.iter().any(|feature| feature == name);
    let mut column = Column {
        name: name.to_owned(),
        levels: levels
            .iter()
            .map(|level| Level {
                level: level.clone(),
                label: None,
            })
            .collect(),
        reference: levels.first().filter(|_| is_feature).cloned(),
        ..Column::default()
    };
    let Some(meaning) = study.meaning(name) else {
        return column;
    };
    for level in &mut column.levels {
        let mut labels = meaning.labels.iter();
        let label = labels.find(|(of, _)| *of == level.level);
        level.label = label.map(|(_, label)| label.clone());
    }
    Column {
        label: meaning.label.clone(),
        kind: meaning.kind.map(Type::word),
        unit: meaning.unit.clone(),
        substance: meaning.substance.clone(),
        range: meaning.range,
        per: meaning.per,
        ..column
    }
}

fn site(entry: &Entry) -> Site {
    Site {
        name: entry.name.clone(),
        country: entry.country.clone(),
    }
}

/// A moment as RFC 3339 text, in whole seconds of UTC; empty for one beyond the calendar.
fn text(moment: Moment) -> String {
    let time = i64::try_from(moment.ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| {
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    })
}
