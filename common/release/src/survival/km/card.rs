//! The card of Kaplan-Meier curves.

use super::cells::{events_hidden, rows_hidden};
use crate::context::Context;
use crate::kit::cells::small;
use crate::kit::chi_square::in_words;
use crate::kit::page::Page;
use crate::kit::patients::{at_sites, with_outcome};
use crate::kit::words::{code, figure, percent, thousands};
use crate::survival::words::times;
use motet_recipes::km::KmOutcome;
use motet_recipes::{Curve, CurvePoint};

pub(crate) fn patients(found: &KmOutcome, context: &Context) -> String {
    let patients = at_sites(found.rows, context);
    if rows_hidden(found, context.least_in_time()) {
        return format!("{patients} in the groups that are shown.");
    }
    if events_hidden(found) {
        return format!("{patients}.");
    }
    with_outcome(found.rows, found.events, context)
}

pub(crate) fn result(page: &mut Page<'_>, found: &KmOutcome) {
    page.section("Result");
    times(page);
    page.line(
        "A curve gives the share of patients without the event at each time. \
         Those whose follow-up ended count as long as \
         they were followed. The median is the first time at which half have had the event.\n",
    );
    page.line("| Group | Patients | Events | Median time | 95% CI | Mean time up to a limit |");
    page.line("|---|---:|---:|---:|---:|---:|");
    for own in &found.curves {
        curve(page, own);
    }
    marks(page, found);
    if let Some(log_rank) = &found.log_rank {
        page.line(&format!(
            "\nDo all groups fare alike? Log-rank test: {}. A small p says \
             that chance alone seldom makes curves so \
             different; it does not say why they differ.",
            in_words(&log_rank.test)
        ));
    } else if events_hidden(found) {
        page.line(
            "\nThe groups are not compared: a test would tell of the one \
             whose patients or events are withheld.",
        );
    }
    if found.curves.iter().any(|curve| curve.withheld) {
        let least = page.context.least_in_time();
        page.line(&format!(
            "\nWithheld: steps of fewer than {least} events are joined to the next, \
             a curve ends where fewer than {least} patients are at risk, \
             and its end is left out where the last events are so few.\n\n\
             So that none of it follows from the rest, such a curve has:\n\n\
             - shares in tenths of a per cent, \
             of fewer than 200 patients in whole per cent\n\
             - an interval that follows from these and an error of two digits, \
             of fewer than 50 patients none\n\
             - its median, and the ends of the median's interval, \
             from the steps that are shown: up to one joined step late\n\
             - no time in the table that shows few events, or when they were\n\
             - a number at risk only where neither the events of that time \
             nor those who left since the last number are few\n\
             - no mean time up to a limit\n\
             - a log-rank test in tenths, of three digits at most, with the p of these\n\n\
             A study with a wider `step` joins less."
        ));
    }
    shown_by_curves(page);
}

fn curve(page: &mut Page<'_>, curve: &Curve) {
    let smallest = page.context.least_in_time();
    let few = format!("fewer than {}", page.context.least_in_time());
    let rows = if small(curve.rows, smallest) {
        few.clone()
    } else {
        thousands(curve.rows)
    };
    let events = curve.events.map_or(few, thousands);
    let unknown = match (curve.rows, curve.withheld) {
        (0, _) => "no patient",
        (rows, _) if small(rows, smallest) => "not shown",
        (_, true) => "not reached where shown",
        (_, false) => "not reached",
    };
    let median = curve.median.map_or_else(|| unknown.to_owned(), figure);
    // Where a part of the curve is kept back nobody can say that an end is open: it may lie
    // there.
    let beyond = if curve.withheld { "not shown" } else { "open" };
    let interval = match (curve.median, curve.median_low) {
        (None, None) => String::new(),
        _ => {
            let [low, high] = [curve.median_low, curve.median_high]
                .map(|end| end.map_or_else(|| beyond.to_owned(), figure));
            format!("{low} to {high}")
        }
    };
    let mean = curve.restricted_mean.map_or_else(String::new, |mean| {
        format!(
            "{} (standard error {}) up to {}",
            figure(mean.mean),
            figure(mean.se),
            figure(mean.tau)
        )
    });
    page.line(&format!(
        "| {} | {rows} | {events} | {median} | {interval} | {mean} |",
        code(&curve.group)
    ));
}

/// The times that the study names.
fn marks(page: &mut Page<'_>, found: &KmOutcome) {
    if found.curves.iter().all(|curve| curve.marks.is_empty()) {
        return;
    }
    page.line(
        "\n| Group | Time | Without the event | 95% CI | Patients at risk |\n|---|---:|---:|---:|---:|",
    );
    for curve in &found.curves {
        for own in &curve.marks {
            mark(page, &curve.group, own);
        }
    }
}

fn mark(page: &mut Page<'_>, group: &str, mark: &CurvePoint) {
    let interval = mark
        .low
        .zip(mark.high)
        .map_or_else(String::new, |(low, high)| {
            format!("{} to {}", percent(low), percent(high))
        });
    page.line(&format!(
        "| {} | {} | {} | {interval} | {} |",
        code(group),
        figure(mark.time),
        percent(mark.survival),
        mark.at_risk
            .map_or_else(|| "not shown".to_owned(), thousands)
    ));
}

fn shown_by_curves(page: &mut Page<'_>) {
    page.section("What the rounds showed to those who take part");
    page.line(
        "The coordinator and all sites saw, of the sum of all sites: at \
         every time of every group the number of events, \
         single ones included, and how many \
         were at risk. When a follow-up \
         ended without the event shows only as one number \
         between two such times. What is withheld above is withheld \
         from readers of this folder, not from them.",
    );
}
