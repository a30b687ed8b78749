//! Small groups of patients: which counts may not be shown.
//!
//! Every recipient of the sums (coordinator and nodes) knows the fine histograms already. The
//! release goes further, to people outside, so what stands for a handful of patients is joined to
//! the next or left out before anything is written: each method does so with its own numbers. What
//! one figure of a page withholds, no other figure of it gives back: a test puts every other small
//! number in the place of a withheld one, and the page stays the same.

/// Is this a count that may not be shown?
pub(crate) fn small(count: u64, smallest: u64) -> bool {
    count > 0 && count < smallest
}

/// The count, where it may be shown.
pub(crate) fn told(count: u64, smallest: u64) -> Option<u64> {
    (!small(count, smallest)).then_some(count)
}

/// Few patients with the outcome, or few without it?
pub(crate) fn one_sided(rows: u64, events: u64, smallest: u64) -> bool {
    small(events, smallest) || small(rows.saturating_sub(events), smallest)
}

/// The same of an outcome that may have no classes: then few patients at all.
pub(crate) fn few(rows: u64, events: Option<u64>, smallest: u64) -> bool {
    match events {
        Some(events) => one_sided(rows, events, smallest),
        None => small(rows, smallest),
    }
}
