//! The table of figures on a card: its head, and the cells
//! of a line.

use super::told;
use crate::kit::page::Page;
use crate::kit::words::{digits, figure, percent, thousands};
use motet_recipes::subgroups::Measure;
use motet_recipes::{Figures, Findings, Interval};

const RISK_HEAD: &str = "| Patients | With the outcome | AUC (95% CI) | Brier score | Observed / expected (95% CI) | Sensitivity, specificity at risk 0.5 |\n";
const TIME_HEAD: &str = "| Patients | With the event | C-index (95% CI) |\n";
const NUMBER_HEAD: &str =
    "| Patients | Typical error | Variance explained | Outcome less prediction (95% CI) |\n";

/// The head, whose first column is called so.
pub(crate) fn columns_of(page: &mut Page<'_>, first: &str, findings: &Findings) {
    let head = match findings.measure {
        Measure::Risk => RISK_HEAD,
        Measure::Number => NUMBER_HEAD,
        Measure::Time => TIME_HEAD,
    };
    page.line(&format!(
        "| {first} {head}|---|{}",
        "---:|".repeat(columns(findings))
    ));
}

/// Columns after the name.
pub(crate) fn columns(findings: &Findings) -> usize {
    match findings.measure {
        Measure::Risk => 6,
        Measure::Number => 4,
        Measure::Time => 3,
    }
}

/// An estimate with its ends.
pub(crate) fn interval(interval: Interval, places: usize) -> String {
    let [at, low, high] =
        [interval.estimate, interval.low, interval.high].map(|end| digits(end, places));
    format!("{at} ({low} to {high})")
}

/// The cells after the name.
pub(crate) fn row(figures: &Figures, tells_right: bool) -> String {
    match figures {
        Figures::Risk(found) => {
            let rates = told::right(found).rates.filter(|_| tells_right);
            let rates = rates.map_or("not shown".to_owned(), |(a, b)| {
                format!("{}, {}", percent(a), percent(b))
            });
            format!(
                "| {} | {} ({}) | {} | {} | {} | {rates} |",
                thousands(found.rows),
                thousands(found.events),
                percent(found.observed),
                found.auc.map_or("none".to_owned(), |auc| interval(auc, 3)),
                digits(found.brier, 4),
                found
                    .ratio
                    .map_or("none".to_owned(), |ratio| interval(ratio, 2)),
            )
        }
        Figures::Time(found) => format!(
            "| {} | {} | {} |",
            thousands(found.rows),
            thousands(found.events),
            found
                .c_index
                .map_or("none".to_owned(), |index| interval(index, 3))
        ),
        Figures::Number(found) => {
            let [at, low, high] =
                [found.bias.estimate, found.bias.low, found.bias.high].map(figure);
            format!(
                "| {} | {} | {} | {at} ({low} to {high}) |",
                thousands(found.rows),
                figure(found.mse.sqrt()),
                found.r_squared.map_or("none".to_owned(), percent),
            )
        }
    }
}
