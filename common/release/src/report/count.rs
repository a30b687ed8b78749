//! The report of a count: rounded sums, and what they say about the true totals.

use super::super::range::{Range, Rule};
use crate::context::Context;
use motet_recipes::{CountOutcome, Rounded};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Count<'a> {
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

pub(super) fn body<'a>(count: &'a CountOutcome, context: &'a Context) -> Count<'a> {
    let rule = Rule::of(context);
    let rows = rule.map(|rule| rule.rows(count));
    let events = rule.and_then(|rule| rule.events(count));
    Count {
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
