//! The model in groups of patients and at sites.

use super::told;
use crate::context::{self, Context};
use motet_recipes::{Figures, Shown, SiteFindings};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Judged<'a> {
    /// Group by group; within a group the worst level first, then those that are not shown.
    subgroups: Vec<Level<'a>>,
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

#[derive(Serialize)]
#[serde(untagged)]
enum Measured {
    Risk(Risk),
    Number(Number),
    Time(Time),
}

#[derive(Serialize)]
struct Risk {
    rows: u64,
    events: u64,
    auc: Option<f64>,
    auc_ci_low: Option<f64>,
    auc_ci_high: Option<f64>,
    /// 0 where a site computed its AUC without bins.
    auc_bins: u32,
    auc_error_bound: f64,
    brier: f64,
    observed: f64,
    expected: f64,
    observed_to_expected: Option<f64>,
    observed_to_expected_ci_low: Option<f64>,
    observed_to_expected_ci_high: Option<f64>,
    /// Null where it, or that of another level, would tell a cell of few patients.
    accuracy: Option<f64>,
    sensitivity: Option<f64>,
    specificity: Option<f64>,
}

#[derive(Serialize)]
struct Number {
    rows: u64,
    /// In the outcome's unit squared.
    mse: f64,
    rmse: f64,
    r_squared: Option<f64>,
    /// Mean of outcome less prediction.
    bias: f64,
    bias_ci_low: f64,
    bias_ci_high: f64,
}

#[derive(Serialize)]
struct Time {
    rows: u64,
    events: u64,
    /// Of pairs of patients at one site.
    c_index: Option<f64>,
    c_index_ci_low: Option<f64>,
    c_index_ci_high: Option<f64>,
    pairs: f64,
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

fn measured(figures: &Figures, tells_right: bool) -> Measured {
    match figures {
        Figures::Risk(found) => {
            let right = tells_right.then(|| told::right(found));
            let rates = right.and_then(|right| right.rates);
            Measured::Risk(Risk {
                rows: found.rows,
                events: found.events,
                auc: found.auc.map(|auc| auc.estimate),
                auc_ci_low: found.auc.map(|auc| auc.low),
                auc_ci_high: found.auc.map(|auc| auc.high),
                auc_bins: found.auc_bins,
                auc_error_bound: found.auc_error_bound,
                brier: found.brier,
                observed: found.observed,
                expected: found.expected,
                observed_to_expected: found.ratio.map(|ratio| ratio.estimate),
                observed_to_expected_ci_low: found.ratio.map(|ratio| ratio.low),
                observed_to_expected_ci_high: found.ratio.map(|ratio| ratio.high),
                accuracy: right.map(|right| right.accuracy),
                sensitivity: rates.map(|rates| rates.0),
                specificity: rates.map(|rates| rates.1),
            })
        }
        Figures::Time(found) => Measured::Time(Time {
            rows: found.rows,
            events: found.events,
            c_index: found.c_index.map(|index| index.estimate),
            c_index_ci_low: found.c_index.map(|index| index.low),
            c_index_ci_high: found.c_index.map(|index| index.high),
            pairs: found.pairs,
        }),
        Figures::Number(found) => Measured::Number(Number {
            rows: found.rows,
            mse: found.mse,
            rmse: found.mse.sqrt(),
            r_squared: found.r_squared,
            bias: found.bias.estimate,
            bias_ci_low: found.bias.low,
            bias_ci_high: found.bias.high,
        }),
    }
}
