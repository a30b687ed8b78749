//! How many patients there are, in sentences that tell of no few of them.

use super::cells::{small, told};
use super::words::thousands;
use crate::context::Context;

/// "9,381", or "fewer than 5".
pub(crate) fn counted(count: u64, smallest: u64) -> String {
    told(count, smallest).map_or_else(|| format!("fewer than {smallest}"), thousands)
}

/// "9,381 patients at 10 sites in 9 countries".
pub(crate) fn at_sites(rows: u64, context: &Context) -> String {
    format!(
        "{} patients at {}",
        thousands(rows),
        context.sites_in_words()
    )
}

/// What a regression tells all the same of a number that is not told beside it.
pub(crate) const COEFFICIENTS: &str = " Whoever has the model can work out how many: \
     its coefficients and standard errors are those of so many patients.";
/// What an average tells all the same.
pub(crate) const WEIGHTS: &str =
    " Whoever has the model can estimate how many: its weights were fitted to so many.";

/// A sentence on those with the outcome, and beside a number that is not told what the model says
/// all the same.
pub(crate) fn of_a_model(said: String, is_told: bool, model: &str) -> String {
    if is_told { said } else { said + model }
}

/// The same with how many of them had the outcome, as a sentence.
pub(crate) fn with_outcome(rows: u64, events: u64, context: &Context) -> String {
    let patients = at_sites(rows, context);
    let events = counted(events, context.smallest_cell);
    format!("{patients}; {events} of them had the outcome.")
}

/// Of a yes/no outcome: few without it are told no more than few with it.
pub(crate) fn with_class(rows: u64, events: u64, context: &Context) -> String {
    debug_assert!(events <= rows, "a patient with the outcome is a patient");
    let smallest = context.smallest_cell;
    if !small(rows.saturating_sub(events), smallest) {
        return with_outcome(rows, events, context);
    }
    let patients = at_sites(rows, context);
    format!("{patients}; all but fewer than {smallest} of them had the outcome.")
}
