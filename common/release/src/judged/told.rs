//! What may be told of a model in groups of patients and at
//! sites, and why the rest may not.

use crate::context::{Context, Site};
use crate::kit::cells::small;
use motet_recipes::subgroups::Measure;
use motet_recipes::{Figures, Findings, GroupFindings, RiskFigures, Shown, SiteFindings, Why};

/// Why a level has no figures here, as the end of a
/// sentence.
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
        Why::Unlike => "one patient is so far from all others that the figures would tell that \
             patient's outcome"
            .to_owned(),
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

/// What is predicted rightly at risk 0.5.
#[derive(Clone, Copy)]
pub(crate) struct Right {
    pub(crate) accuracy: f64,
    /// Sensitivity and specificity, where there are patients
    /// with the outcome and without it.
    pub(crate) rates: Option<(f64, f64)>,
}

/// Whether that may be told of the levels of a group: of all or of none. Where the rates of one
/// would tell a cell of few patients, so would its accuracy, and it follows from that of the others
/// and of all; that of levels that are not shown follows likewise.
pub(crate) fn group_tells_right(group: &GroupFindings, findings: &Findings) -> bool {
    group.levels.iter().all(|level| match &level.shown {
        Shown::Figures(figures) => !tells_a_cell(figures, findings),
        Shown::Hidden(why) => *why == Why::Empty,
    })
}

/// The same of the sites.
pub(crate) fn sites_tell_right(findings: &Findings, context: &Context) -> bool {
    sites(findings, context).all(|(_, found)| match found {
        SiteFindings::Told(figures) => !tells_a_cell(figures, findings),
        SiteFindings::NotTold | SiteFindings::Withheld => false,
    })
}

/// Of figures that are told.
pub(crate) fn right(figures: &RiskFigures) -> Right {
    Right {
        accuracy: figures.accuracy,
        rates: figures.sensitivity.zip(figures.specificity),
    }
}

/// Whether a rate is that of few patients.
pub(crate) fn tells_a_cell(figures: &Figures, findings: &Findings) -> bool {
    let Figures::Risk(figures) = figures else {
        return false;
    };
    debug_assert!(figures.events <= figures.rows, "an event is a patient's");
    let smallest = u64::from(findings.min_cell);
    let of_events = (figures.sensitivity, figures.events);
    let of_others = (figures.specificity, figures.rows - figures.events);
    [of_events, of_others]
        .into_iter()
        .any(|(rate, whole)| rate.is_some_and(|rate| tells_few(rate, whole, smallest)))
}

/// Whether a share of a whole is that of few, or leaves
/// few.
fn tells_few(rate: f64, whole: u64, smallest: u64) -> bool {
    let right = ((rate * whole as f64).round() as u64).min(whole);
    small(right, smallest) || small(whole - right, smallest)
}

/// Name, country and figures of every site of the roster,
/// where sites are asked.
pub(crate) fn sites<'a>(
    findings: &'a Findings,
    context: &'a Context,
) -> impl Iterator<Item = (&'a Site, &'a SiteFindings)> {
    context.roster.iter().zip(&findings.sites)
}

/// Figures of the sites that tell them, with the site's
/// name.
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
