//! What is shown of a count: is a study feasible? Sites round, and the sums leave a range open.

use super::range::{Range, Rule};
use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::kit::tensor::Tensor;
use crate::kit::words::thousands;
use crate::report::Report;
use crate::shown::{Shown, Weights};
use motet_recipes::Rounded;
use motet_recipes::count::CountOutcome;
use serde::Serialize;
use serde_json::{Value, json};

impl Shown for CountOutcome {
    /// Sites round their counts themselves.
    fn protect(&mut self, _context: &Context) {}

    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError> {
        report.of(body(self, report.context))
    }

    fn kind(&self) -> &'static str {
        "a rounded count of patients, to see whether a study is feasible"
    }

    fn patients(&self, context: &Context) -> String {
        let sites = context.sites_in_words();
        format!("Patients at {sites}; rounded counts are in the table below.")
    }

    fn keeps_missing(&self) -> bool {
        true
    }

    fn result(&self, page: &mut Page<'_>) {
        result(page, self);
    }

    fn cautions(&self, page: &mut Page<'_>) {
        page.line("- Rounded counts plan a study; they are no result about patients.");
    }

    fn pictures(&self, _context: &Context) -> Vec<Picture> {
        Vec::new()
    }

    /// `rounded_counts`, `sites_below`: rows, then events.
    fn weights(&self) -> Weights {
        let sums: Vec<&Rounded> = [&self.rows].into_iter().chain(&self.events).collect();
        let rows = sums.iter().map(|sum| sum.rows as f64);
        let below = sums.iter().map(|sum| sum.below as f64);
        Weights {
            names: None,
            tensors: vec![
                Tensor::column("rounded_counts", rows),
                Tensor::column("sites_below", below),
            ],
            holds: "the rounded counts, 64-bit",
        }
    }

    fn own(&self) -> Value {
        json!({})
    }

    fn measured(&self) -> Option<Value> {
        None
    }
}

#[derive(Serialize)]
struct Body<'a> {
    outcome: &'a str,
    /// Every site rounded its count to a multiple of this.
    multiple: Option<u64>,
    /// A site with fewer answered 0 and is in `sites_below`.
    min_cell: Option<u64>,
    rows: Total,
    events: Option<Total>,
}

#[derive(Serialize)]
struct Total {
    rounded: u64,
    sites_below: u64,
    true_low: Option<u64>,
    true_high: Option<u64>,
    /// The same if no site below has fewer than `min_cell` patients without the outcome.
    true_high_if_few: Option<u64>,
}

fn body<'a>(count: &'a CountOutcome, context: &'a Context) -> Body<'a> {
    let rule = Rule::of(context);
    let rows = rule.map(|rule| rule.rows(count));
    let events = rule.and_then(|rule| rule.events(count));
    Body {
        outcome: &context.outcome,
        multiple: rule.map(|rule| rule.multiple),
        min_cell: rule.map(|rule| rule.min_cell),
        rows: total(&count.rows, rows, rows.map(|rows| rows.high)),
        events: count
            .events
            .as_ref()
            .map(|sum| total(sum, events, rule.and_then(|rule| rule.events_if_few(count)))),
    }
}

fn total(sum: &Rounded, range: Option<Range>, if_few: Option<u64>) -> Total {
    Total {
        rounded: sum.rows,
        sites_below: sum.below,
        true_low: range.map(|range| range.low),
        true_high: range.map(|range| range.high),
        true_high_if_few: if_few,
    }
}

fn result(page: &mut Page<'_>, count: &CountOutcome) {
    page.section("Result");
    let Some(rule) = Rule::of(page.context) else {
        page.line(
            "The study does not say how sites rounded, so nothing is known about the true totals.\n",
        );
        totals(page, count, None, None);
        return;
    };
    let least = rule.min_cell;
    page.line(&format!(
        "Every site rounded its own count to a multiple of {} before \
         anything was added. A site with fewer than {least} \
         answered 0 and counts as a site below the limit.\n",
        rule.multiple
    ));
    totals(page, count, Some(rule.rows(count)), rule.events(count));
    if let Some(events) = &count.events
        && events.below > 0
        && let Some(few) = rule.events_if_few(count)
    {
        page.line(&format!(
            "\nA site is below the limit of the outcome when fewer than \
             {least} of its patients had it, or fewer than \
             {least} did not. If all such sites \
             have few patients with the \
             outcome, the true total is at most {}.",
            thousands(few)
        ));
    }
}

fn totals(page: &mut Page<'_>, count: &CountOutcome, rows: Option<Range>, events: Option<Range>) {
    page.line(
        "| | Sum of rounded counts | Sites below the limit | True total |\n|---|---:|---:|---:|",
    );
    page.line(&line("Patients", &count.rows, count.sites, rows));
    if let Some(sum) = &count.events {
        page.line(&line("With the outcome", sum, count.sites, events));
    }
}

fn line(name: &str, sum: &Rounded, sites: u32, total: Option<Range>) -> String {
    let total = match total {
        Some(Range { low, high }) if low == high => thousands(low),
        Some(Range { low, high }) => format!("{} to {}", thousands(low), thousands(high)),
        None => "not known".to_owned(),
    };
    let rows = thousands(sum.rows);
    format!("| {name} | {rows} | {} of {sites} | {total} |", sum.below)
}
