//! What report, card and picture share about a model in groups of patients and at sites.

use super::cells::small;
use crate::context::Context;
use motet_recipes::gbdt::Fit;
use motet_recipes::subgroups::Measure;
use motet_recipes::{Figures, Findings, Outcome, RiskFigures, SiteFindings, Why};

/// Why a level has no figures here, as the end of a sentence.
pub(super) fn why(why: Why, findings: &Findings) -> String {
    let Findings {
        min_cell,
        min_sites,
        ..
    } = *findings;
    match why {
        Why::Empty => "no patients".to_owned(),
        Why::Few => format!("fewer than {min_cell} patients{}", of_a_class(findings)),
        Why::Sites => format!("fewer than {min_sites} sites have such patients"),
        Why::Beside => "a level that is not shown would follow from it".to_owned(),
    }
}

/// Of which patients there must be enough.
pub(super) fn of_a_class(findings: &Findings) -> &'static str {
    match findings.measure {
        Measure::Risk => " with the outcome, or without it",
        Measure::Number => "",
        Measure::Time => " with the event",
    }
}

/// Sensitivity and specificity at risk 0.5; nothing where they would tell a cell of few patients.
pub(super) fn rates(figures: &RiskFigures, findings: &Findings) -> Option<(f64, f64)> {
    let (sensitivity, specificity) = (figures.sensitivity?, figures.specificity?);
    let cells = [
        (sensitivity, figures.events),
        (specificity, figures.rows - figures.events),
    ];
    let telling = |(rate, whole): (f64, u64)| {
        let right = ((rate * whole as f64).round() as u64).min(whole);
        small(right, u64::from(findings.min_cell))
            || small(whole - right, u64::from(findings.min_cell))
    };
    (!cells.into_iter().any(telling)).then_some((sensitivity, specificity))
}

/// Name, country and figures of every site of the roster, where sites are asked.
pub(super) fn sites<'a>(
    findings: &'a Findings,
    context: &'a Context,
) -> impl Iterator<Item = (&'a super::Site, &'a SiteFindings)> {
    context.roster.iter().zip(&findings.sites)
}

/// Figures of the sites that tell them, with the site's name.
pub(super) fn told<'a>(
    findings: &'a Findings,
    context: &'a Context,
) -> Vec<(&'a str, &'a Figures)> {
    let told = sites(findings, context).filter_map(|(site, found)| match found {
        SiteFindings::Told(figures) => Some((site.name.as_str(), figures)),
        SiteFindings::NotTold | SiteFindings::Withheld => None,
    });
    told.collect()
}

/// The patients that a model is judged on, and its figure on all of them that those of groups can
/// be held to, if it has one: a C-index of all pairs is not that of pairs within sites.
pub(super) fn all(outcome: &Outcome) -> (u64, Option<f64>) {
    match outcome {
        Outcome::FedAvg(model) => (model.rows, Some(model.metrics.auc)),
        Outcome::Glm(fit) => (
            fit.rows,
            fit.evaluation.as_ref().map(|found| found.metrics.auc),
        ),
        Outcome::FedNumber(model) => (model.rows, None),
        Outcome::Cox(fit) => (fit.rows, None),
        Outcome::FedTime(model) => (model.rows, model.c_index),
        Outcome::Gbdt(model) => {
            let auc = match &model.fit {
                Fit::Classes { metrics, .. } => Some(metrics.auc),
                Fit::Numbers { .. } => None,
            };
            (
                if model.held > 0 {
                    model.held
                } else {
                    model.rows
                },
                auc,
            )
        }
        _ => (0, None),
    }
}
