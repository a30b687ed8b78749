//! The model on the patients it was fitted on beside those
//! who were held out, in report and card.

use super::measured::{Measured, measured};
use super::table::{columns, columns_of, interval, row};
use super::told;
use crate::context::Context;
use crate::kit::page::Page;
use crate::kit::words::{bound, near, percent, thousands};
use motet_recipes::subgroups::{Measure, Part, Parts};
use motet_recipes::{Figures, Findings, Interval, Shown};
use serde::Serialize;

const LINE_HEAD: &str = "\n| Patients | Calibration slope (95% CI) | Calibration intercept (95% CI) \
    | Accuracy at risk 0.5 (95% CI) |\n|---|---:|---:|---:|";

/// Both parts as the report writes them.
#[derive(Serialize)]
pub(crate) struct HeldOut {
    /// The share that the study asks for; each patient is drawn
    /// with it.
    test_fraction: Option<f64>,
    fitted: PartOut,
    held_out: PartOut,
}

#[derive(Serialize)]
struct PartOut {
    /// Why the figures are not there; null where they are.
    not_shown: Option<String>,
    #[serde(flatten)]
    figures: Option<Measured>,
    #[serde(flatten)]
    line: Option<LineOut>,
}

/// Of a risk alone; null where the line has no finite fit.
#[derive(Serialize)]
struct LineOut {
    /// Null where accuracy is.
    accuracy_ci_low: Option<f64>,
    accuracy_ci_high: Option<f64>,
    calibration_slope: Option<f64>,
    calibration_slope_ci_low: Option<f64>,
    calibration_slope_ci_high: Option<f64>,
    calibration_intercept: Option<f64>,
    calibration_intercept_ci_low: Option<f64>,
    calibration_intercept_ci_high: Option<f64>,
}

/// What is written of both; nothing where the study holds
/// nobody out.
pub(crate) fn body(context: &Context, findings: &Findings) -> Option<HeldOut> {
    let Parts { fitted, held_out } = findings.parts.as_ref()?;
    let [fitted, held_out] = [fitted, held_out].map(|part| part_out(part, findings));
    Some(HeldOut {
        test_fraction: context.held_out,
        fitted,
        held_out,
    })
}

fn part_out(part: &Part, findings: &Findings) -> PartOut {
    let figures = match &part.shown {
        Shown::Figures(figures) => figures,
        Shown::Hidden(why) => {
            return PartOut {
                not_shown: Some(told::why(*why, findings)),
                figures: None,
                line: None,
            };
        }
    };
    let accuracy = accuracy(part, figures, findings);
    let (slope, intercept) = (
        part.line.map(|line| line.slope),
        part.line.map(|line| line.intercept),
    );
    let line = LineOut {
        accuracy_ci_low: accuracy.map(|end| end.low),
        accuracy_ci_high: accuracy.map(|end| end.high),
        calibration_slope: slope.map(|end| end.estimate),
        calibration_slope_ci_low: slope.map(|end| end.low),
        calibration_slope_ci_high: slope.map(|end| end.high),
        calibration_intercept: intercept.map(|end| end.estimate),
        calibration_intercept_ci_low: intercept.map(|end| end.low),
        calibration_intercept_ci_high: intercept.map(|end| end.high),
    };
    PartOut {
        not_shown: None,
        line: (findings.measure == Measure::Risk).then_some(line),
        figures: Some(measured(figures, accuracy.is_some())),
    }
}

/// The accuracy of a part, where it does not tell a cell of
/// few patients.
fn accuracy(part: &Part, figures: &Figures, findings: &Findings) -> Option<Interval> {
    part.accuracy
        .filter(|_| !told::tells_a_cell(figures, findings))
}

/// What the card says of who was held out, among its words
/// on the data.
pub(crate) fn patients(page: &mut Page<'_>) {
    let context = page.context;
    let Some(parts) = parts(context) else {
        return;
    };
    let share = context.held_out.map_or_else(String::new, |share| {
        format!(" (each was drawn with a chance of {})", percent(share))
    });
    let rows = match &parts.held_out.shown {
        Shown::Figures(figures) => format!("{} further patients", thousands(figures.rows())),
        Shown::Hidden(_) => "Further patients".to_owned(),
    };
    page.line(&format!(
        "{rows} were held out{share}: when its rows were frozen each site put them aside by a secret \
         of its own. No sum of the fit has seen their rows \
         (whoever is a patient of two sites, or has two \
         keys at one, may be on either side). Of \
         a site each of the two parts has at least {} \
         patients.",
        context.min_rows
    ));
}

/// Both parts, where findings have them.
pub(crate) fn parts(context: &Context) -> Option<&Parts> {
    context.findings.as_ref()?.parts.as_ref()
}

/// The section of the card.
pub(crate) fn section(page: &mut Page<'_>, findings: &Findings) {
    let Some(parts) = &findings.parts else {
        return;
    };
    page.section("How it does on patients held out");
    page.line(
        "Those who were held out took no part in this study's fit, and nothing in it was changed after \
         they were looked at. An earlier version of the \
         study, or another one, may have been judged on \
         some who are fitted here, and fitted to some who \
         are held out: the best of several does too well. They are patients of the same \
         sites and years: elsewhere it may do worse. \
         Beside them those it was fitted on, or measured on above, by the same sums: \
         their figures are apparent ones, of a model on \
         patients that made it or chose it, and flatter it; their intervals do not count that.\n",
    );
    columns_of(page, "Patients", findings);
    let named = [("Fitted", &parts.fitted), ("Held out", &parts.held_out)];
    for (name, part) in named {
        let line = match &part.shown {
            Shown::Figures(figures) => row(figures, accuracy(part, figures, findings).is_some()),
            Shown::Hidden(why) => {
                let empty = " |".repeat(columns(findings) - 1);
                format!("| not shown: {} |{empty}", told::why(*why, findings))
            }
        };
        page.line(&format!("| {name} {line}"));
    }
    if findings.measure == Measure::Risk {
        lines(page, findings, named);
    }
    page.line(
        "\nHow many patients, and how many of them with the outcome, each part has is in a sum that \
         the coordinator and every site of the study know, also where it is not shown.",
    );
}

/// Calibration and accuracy of both, and where the
/// intervals come from.
fn lines(page: &mut Page<'_>, findings: &Findings, named: [(&str, &Part); 2]) {
    page.line(LINE_HEAD);
    let mut most: f64 = 0.0;
    for (name, part) in named {
        let Shown::Figures(figures) = &part.shown else {
            page.line(&format!("| {name} | not shown | | |"));
            continue;
        };
        if let Figures::Risk(found) = figures {
            most = most.max(found.auc_error_bound);
        }
        let accuracy = accuracy(part, figures, findings);
        page.line(&format!(
            "| {name} | {} | {} | {} |",
            near_interval(part.line.map(|line| line.slope)),
            near_interval(part.line.map(|line| line.intercept)),
            accuracy.map_or("not shown".to_owned(), |accuracy| interval(accuracy, 3)),
        ));
    }
    page.line(&format!(
        "\nIntervals: AUC on the scale of log odds with the variance of DeLong, DeLong and \
         Clarke-Pearson (1988), of score bins, from which \
         the exact value differs by at most {}; accuracy \
         after Wilson (1927); slope and intercept of \
         logit(observed) on logit(predicted) from the \
         information of that fit. A slope below 1: \
         risks too extreme; an intercept above 0 at a slope near 1: risks too low. A fit without a \
         penalty has slope 1 and intercept 0 on the fitted by construction.",
        bound(most)
    ));
}

fn near_interval(of: Option<Interval>) -> String {
    let Some(of) = of else {
        return "none".to_owned();
    };
    let [at, low, high] = [of.estimate, of.low, of.high].map(|end| near(end, 3));
    format!("{at} ({low} to {high})")
}
