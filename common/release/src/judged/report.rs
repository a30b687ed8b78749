//! The model in groups of patients and at sites.

use super::held_out::{self, HeldOut};
use super::measured::{Measured, measured};
use super::told;
use crate::context::{self, Context};
use motet_recipes::{Shown, SiteFindings};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Judged<'a> {
    /// Group by group; within a group the worst level first, then those that are not shown.
    subgroups: Vec<Level<'a>>,
    /// The model on fitted patients beside those held out, where the study holds some out.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out: Option<HeldOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sites_metrics: Option<Vec<Site<'a>>>,
    subgroups_min_cell: u32,
    subgroups_min_sites: u32,
}

#[derive(Serialize)]
struct Level<'a> {
    group: &'a str,
    level: &'a str,
    /// Why the figures are not there; null where they are.
    not_shown: Option<String>,
    #[serde(flatten)]
    figures: Option<Measured>,
}

#[derive(Serialize)]
struct Site<'a> {
    site: &'a str,
    country: &'a str,
    /// `told`, `not told` or `withheld`.
    told: &'static str,
    #[serde(flatten)]
    figures: Option<Measured>,
}

pub(crate) fn body<'a>(context: &'a Context) -> Option<Judged<'a>> {
    let findings = context.findings.as_ref()?;
    let mut subgroups = Vec::new();
    for group in &findings.groups {
        let tells_right = told::group_tells_right(group, findings);
        subgroups.extend(group.levels.iter().map(|level| {
            let (figures, not_shown) = match &level.shown {
                Shown::Figures(figures) => (Some(measured(figures, tells_right)), None),
                Shown::Hidden(why) => (None, Some(told::why(*why, findings))),
            };
            Level {
                group: &group.column,
                level: &level.name,
                not_shown,
                figures,
            }
        }));
    }
    let mut sites_metrics = None;
    if !findings.sites.is_empty() {
        let tells_right = told::sites_tell_right(findings, context);
        let found = told::sites(findings, context);
        let written = found.map(|(place, found)| site(place, found, tells_right));
        sites_metrics = Some(written.collect());
    }
    Some(Judged {
        subgroups,
        held_out: held_out::body(context, findings),
        sites_metrics,
        subgroups_min_cell: findings.min_cell,
        subgroups_min_sites: findings.min_sites,
    })
}

fn site<'a>(site: &'a context::Site, found: &SiteFindings, tells_right: bool) -> Site<'a> {
    let (told, figures) = match found {
        SiteFindings::Told(figures) => ("told", Some(measured(figures, tells_right))),
        SiteFindings::NotTold => ("not told", None),
        SiteFindings::Withheld => ("withheld", None),
    };
    Site {
        site: &site.name,
        country: &site.country,
        told,
        figures,
    }
}
