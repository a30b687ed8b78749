//! What may be told of a model in groups of patients and at sites, and why the rest may not.

use crate::context::{Context, Site};
use crate::kit::cells::small;
use motet_recipes::subgroups::Measure;
use motet_recipes::{Figures, Findings, RiskFigures, SiteFindings, Why};

/// Why a level has no figures here, as the end of a sentence.
pub(crate) fn why(why: Why, findings: &Findings) -> String {
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
pub(crate) fn of_a_class(findings: &Findings) -> &'static str {
    match findings.measure {
        Measure::Risk => " with the outcome, or without it",
        Measure::Number => " whose outcome is neither 0 nor 1, or of 0 and 1 alone with each",
        Measure::Time => " with the event",
    }
}

/// Sensitivity and specificity at risk 0.5; nothing where they would tell a cell of few patients.
pub(crate) fn rates(figures: &RiskFigures, findings: &Findings) -> Option<(f64, f64)> {
    debug_assert!(figures.events <= figures.rows, "an event is a patient's");
    let sensitivity = figures.sensitivity?;
    let specificity = figures.specificity?;
    let smallest = u64::from(findings.min_cell);
    let few = tells_few(sensitivity, figures.events, smallest)
        || tells_few(specificity, figures.rows - figures.events, smallest);
    (!few).then_some((sensitivity, specificity))
}

/// Whether a share of a whole is that of few, or leaves few.
fn tells_few(rate: f64, whole: u64, smallest: u64) -> bool {
    let right = ((rate * whole as f64).round() as u64).min(whole);
    small(right, smallest) || small(whole - right, smallest)
}

/// Name, country and figures of every site of the roster, where sites are asked.
pub(crate) fn sites<'a>(
    findings: &'a Findings,
    context: &'a Context,
) -> impl Iterator<Item = (&'a Site, &'a SiteFindings)> {
    context.roster.iter().zip(&findings.sites)
}

/// Figures of the sites that tell them, with the site's name.
pub(crate) fn told<'a>(
    findings: &'a Findings,
    context: &'a Context,
) -> Vec<(&'a str, &'a Figures)> {
    let told = sites(findings, context).filter_map(|(site, found)| match found {
        SiteFindings::Told(figures) => Some((site.name.as_str(), figures)),
        SiteFindings::NotTold | SiteFindings::Withheld => None,
    });
    told.collect()
}
