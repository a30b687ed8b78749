//! `report.json`: every number of the release, in full double precision, in a stable order of keys;
//! those of a column whose number of values is withheld, and of a curve that joins steps, are rounded.
//!
//! JSON knows no "not a number": what could not be computed, or may not be shown, is `null`.

use crate::context::{Column, Context};
use crate::error::ReleaseError;
use crate::judged::report::{self as judged, Judged};
use crate::meaning::Stepped;
use serde::Serialize;

/// What every report says around the numbers of its method.
pub(crate) struct Report<'a> {
    pub(crate) context: &'a Context,
    /// Rounds of the run.
    pub(crate) rounds: u32,
    /// Sites that every figure comes from.
    pub(crate) sites: u32,
    /// Effects for the steps that the study names.
    pub(crate) steps: Vec<Stepped<'a>>,
}

#[derive(Serialize)]
struct Written<'a, B> {
    study: &'a str,
    run: &'a str,
    recipe: &'a str,
    rounds: u32,
    sites: u32,
    #[serde(flatten)]
    result: B,
    /// Effects for the steps that the study names, beside those for one unit.
    steps: &'a [Stepped<'a>],
    #[serde(flatten)]
    judged: Option<Judged<'a>>,
    /// What every column of the study means.
    columns: &'a [Column],
    site_names: Vec<&'a str>,
    sites_lost: Vec<Lost<'a>>,
    /// Sites of the roster that are in none of the sums; why is not said.
    sites_absent: Vec<Absent<'a>>,
    consortium: &'a str,
    dataset: &'a str,
    started: &'a str,
    finished: &'a str,
    software: &'a str,
    smallest_cell: u64,
}

#[derive(Serialize)]
struct Absent<'a> {
    name: &'a str,
    country: &'a str,
}

#[derive(Serialize)]
struct Lost<'a> {
    name: &'a str,
    country: &'a str,
    round: u64,
}

impl Report<'_> {
    /// The report on these numbers as indented JSON with a final line end.
    pub(crate) fn of<B: Serialize>(&self, result: B) -> Result<Vec<u8>, ReleaseError> {
        let context = self.context;
        let report = Written {
            study: &context.study,
            run: &context.run,
            recipe: &context.recipe,
            rounds: self.rounds,
            sites: self.sites,
            result,
            steps: &self.steps,
            judged: judged::body(context),
            columns: &context.columns,
            site_names: context
                .sites
                .iter()
                .map(|site| site.name.as_str())
                .collect(),
            sites_lost: context
                .sites_lost
                .iter()
                .map(|lost| Lost {
                    name: &lost.name,
                    country: &lost.country,
                    round: lost.round,
                })
                .collect(),
            sites_absent: context
                .sites_absent
                .iter()
                .map(|site| Absent {
                    name: &site.name,
                    country: &site.country,
                })
                .collect(),
            consortium: &context.consortium,
            dataset: &context.dataset,
            started: &context.started,
            finished: &context.finished,
            software: &context.software,
            smallest_cell: context.smallest_cell,
        };
        let mut bytes = serde_json::to_vec_pretty(&report)?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}
