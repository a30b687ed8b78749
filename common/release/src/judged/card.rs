//! The card of a model that was judged in groups of patients and at sites.

use super::table::{columns, columns_of, row};
use super::{held_out, told};
use crate::context::Context;
use crate::kit::page::Page;
use crate::kit::words::{bound, code, digits, figure, plain};
use motet_recipes::subgroups::Measure;
use motet_recipes::{Figures, Findings, GroupFindings, Interval, Shown, SiteFindings};
use std::cmp::Ordering;

/// Groups and sites, where the study asks for them.
pub(crate) fn judgement(page: &mut Page<'_>) {
    let context = page.context;
    let Some(findings) = &context.findings else {
        return;
    };
    held_out::section(page, findings);
    if !findings.groups.is_empty() {
        page.section("How it does in groups of patients");
        page.line(
            "One model for all, not fitted again for any group, on the \
             patients it is measured on above. A gap can have \
             many reasons: other illnesses, other care, fewer patients to learn from, or chance.",
        );
        if findings.measure == Measure::Time {
            page.line(
                "Pairs of patients are compared within each site, so that no time leaves it.",
            );
        }
        if findings.measure != Measure::Number {
            page.line(
                "Within a group the figure is often lower than over all \
                 patients: there, what divides \
                 the groups helps to tell \
                 patients apart.",
            );
        }
        if let Some(most) = largest_bound(findings) {
            page.line(&format!(
                "AUCs are counted from about a hundred bins of the score: \
                 each exact value differs by at most {}.",
                bound(most)
            ));
        }
        for own in &findings.groups {
            group(page, own, findings);
        }
        page.line(
            "\nHow many patients and sites each level has, also one that is \
             not shown, is in a sum that the coordinator and \
             every site of the study know.",
        );
    }
    if !findings.sites.is_empty() {
        sites_figures(page, findings);
    }
}

fn group(page: &mut Page<'_>, group: &GroupFindings, findings: &Findings) {
    page.line(&format!("\n### {}\n", code(&group.column)));
    columns_of(page, "Level", findings);
    let tells_right = told::group_tells_right(group, findings);
    for level in &group.levels {
        match &level.shown {
            Shown::Figures(figures) => {
                let line = row(figures, tells_right);
                page.line(&format!("| {} {line}", plain(&level.name)));
            }
            Shown::Hidden(why) => {
                let empty = " |".repeat(columns(findings) - 1);
                let why = told::why(*why, findings);
                page.line(&format!(
                    "| {} | not shown: {why} |{empty}",
                    plain(&level.name)
                ));
            }
        }
    }
    let shown: Vec<(&str, &Figures)> = group
        .levels
        .iter()
        .filter_map(|level| match &level.shown {
            Shown::Figures(figures) => Some((level.name.as_str(), figures)),
            Shown::Hidden(_) => None,
        })
        .collect();
    page.line("");
    let said = gaps(&shown);
    if said.is_empty() {
        page.line("There are no two levels to compare.");
    }
    for line in &said {
        page.line(line);
    }
}

fn sites_figures(page: &mut Page<'_>, findings: &Findings) {
    let context = page.context;
    page.section("How it does at sites that tell it");
    page.line(
        "Each of these sites allowed by its own rules that its own figures are \
         told: the common model on its patients alone.\n",
    );
    columns_of(page, "Site", findings);
    let tells_right = told::sites_tell_right(findings, context);
    for (site, found) in told::sites(findings, context) {
        let empty = " |".repeat(columns(findings) - 1);
        let line = match found {
            SiteFindings::Told(figures) => row(figures, tells_right),
            SiteFindings::NotTold => format!("| not told |{empty}"),
            SiteFindings::Withheld => format!("| withheld |{empty}"),
        };
        page.line(&format!("| {} {line}", plain(&site.name)));
    }
    page.line(&format!(
        "\nA site that is not told did not take part in the sum, does not \
         allow it, or has fewer than {} patients{}.",
        findings.min_cell,
        told::of_a_class(findings)
    ));
    if findings.sites.contains(&SiteFindings::Withheld) {
        page.line(
            "Sites are withheld, though they would have told, where the \
             figures of those that are not told would follow from \
             the total.",
        );
    }
    for line in gaps(&told::told(findings, context)) {
        page.line(&format!("\n{line}"));
    }
}

/// What the card says about fairness among its cautions.
pub(crate) fn fairness(context: &Context) -> &'static str {
    match &context.findings {
        Some(findings) if !findings.groups.is_empty() => {
            "- The groups above are those the study asked for; others were \
             not examined. A small group shows chance, and \
             equal figures in two groups do not make a model fair."
        }
        _ => "- Fairness between groups of patients was not examined unless the study says so.",
    }
}

/// Whether the release tells how many patients a site has.
pub(crate) fn rows_of_sites(context: &Context) -> &'static str {
    match &context.findings {
        Some(findings) if !told::told(findings, context).is_empty() => {
            "How many patients a site has is told below where the site allows it."
        }
        _ => "How many patients each site has is not part of this release.",
    }
}

fn largest_bound(findings: &Findings) -> Option<f64> {
    let levels = findings.groups.iter().flat_map(|group| &group.levels);
    let bounds = levels.filter_map(|level| match &level.shown {
        Shown::Figures(Figures::Risk(found)) => Some(found.auc_error_bound),
        _ => None,
    });
    bounds.reduce(f64::max)
}

/// A name with its figure.
type Named<'a> = (&'a str, Interval);

/// The lowest and the highest of one figure; nothing of fewer than two.
fn ends<'a>(
    shown: &[(&'a str, &Figures)],
    of: fn(&Figures) -> Option<Interval>,
) -> Option<(Named<'a>, Named<'a>)> {
    let named: Vec<Named<'a>> = shown
        .iter()
        .filter_map(|(name, figures)| Some((*name, of(figures)?)))
        .collect();
    let low = named.iter().min_by(|a, b| by_estimate(a, b))?;
    let high = named.iter().max_by(|a, b| by_estimate(a, b))?;
    debug_assert!(by_estimate(low, high).is_le(), "the ends are in order");
    (named.len() > 1).then_some((*low, *high))
}

fn by_estimate(a: &Named<'_>, b: &Named<'_>) -> Ordering {
    a.1.estimate.total_cmp(&b.1.estimate)
}

/// The gap between the worst and the best of so many, by the figure that says how well the model
/// tells something.
fn gap(tells: &str, figure: &str, (worst, best): (Named<'_>, Named<'_>), of: usize) -> String {
    format!(
        "**Gap:** the model tells {tells} worst in {} ({figure} {}) and \
         best in {} ({figure} {}), a gap of {}. {}",
        plain(worst.0),
        digits(worst.1.estimate, 3),
        plain(best.0),
        digits(best.1.estimate, 3),
        digits(best.1.estimate - worst.1.estimate, 3),
        apart(worst.1, best.1, of)
    )
}

/// The gap between the best and the worst, in plain words.
fn gaps(shown: &[(&str, &Figures)]) -> Vec<String> {
    let mut lines = Vec::new();
    let of = shown.len();
    if let Some(ends) = ends(shown, auc) {
        let tells = "patients with and without the outcome apart";
        lines.push(gap(tells, "AUC", ends, of));
    }
    if let Some(ends) = ends(shown, c_index) {
        lines.push(gap("who has the event first", "C-index", ends, of));
    }
    if let Some((low, high)) = ends(shown, ratio) {
        lines.push(format!(
            "Observed over expected is lowest in {} ({}) and highest in {} \
             ({}); below 1 the risks are \
             too high there, above 1 too \
             low. {}",
            plain(low.0),
            digits(low.1.estimate, 2),
            plain(high.0),
            digits(high.1.estimate, 2),
            apart(low.1, high.1, shown.len())
        ));
    }
    let mut errors: Vec<(&str, f64)> = shown
        .iter()
        .filter_map(|(name, figures)| match figures {
            Figures::Number(found) => Some((*name, found.mse.sqrt())),
            Figures::Risk(_) | Figures::Time(_) => None,
        })
        .collect();
    errors.sort_by(|a, b| a.1.total_cmp(&b.1));
    if let [best, .., worst] = errors.as_slice() {
        lines.push(format!(
            "**Gap:** the typical error is largest in {} ({}) and smallest in {} ({}).",
            plain(worst.0),
            figure(worst.1),
            plain(best.0),
            figure(best.1)
        ));
    }
    if let Some((low, high)) = ends(shown, bias) {
        lines.push(format!(
            "Outcome less prediction is lowest in {} ({}) and highest in {} \
             ({}); below 0 the predictions are too high there, \
             above 0 too low. {}",
            plain(low.0),
            figure(low.1.estimate),
            plain(high.0),
            figure(high.1.estimate),
            apart(low.1, high.1, shown.len())
        ));
    }
    lines
}

fn auc(figures: &Figures) -> Option<Interval> {
    match figures {
        Figures::Risk(found) => found.auc,
        Figures::Number(_) | Figures::Time(_) => None,
    }
}

fn c_index(figures: &Figures) -> Option<Interval> {
    match figures {
        Figures::Time(found) => found.c_index,
        Figures::Risk(_) | Figures::Number(_) => None,
    }
}

/// Observed over expected.
fn ratio(figures: &Figures) -> Option<Interval> {
    match figures {
        Figures::Risk(found) => found.ratio,
        Figures::Number(_) | Figures::Time(_) => None,
    }
}

/// Outcome less prediction.
fn bias(figures: &Figures) -> Option<Interval> {
    match figures {
        Figures::Number(found) => Some(found.bias),
        Figures::Risk(_) | Figures::Time(_) => None,
    }
}

/// What the intervals of the lowest and the highest of that many figures say.
fn apart(low: Interval, high: Interval, of: usize) -> &'static str {
    if low.high < high.low && of > 2 {
        "The two intervals do not meet; but the ends of several figures \
         lie apart by chance more often than two do."
    } else if low.high < high.low {
        "The two intervals do not meet: chance alone seldom makes such a gap."
    } else {
        "The two intervals overlap: chance may be all of it."
    }
}
