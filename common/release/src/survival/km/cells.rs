//! Curves of few patients: steps of few events are joined to the next one, and a curve ends where
//! few are at risk. The recipe prints them; here what stands beside the curves is held to it.

use crate::kit::cells::small;
use motet_recipes::km::KmOutcome;

/// The curves without numbers of 1 to `smallest - 1` patients or events. Where a group is that
/// small, the number of all rows is that of the groups that are shown, so that no difference tells.
pub(crate) fn protect(found: &mut KmOutcome, smallest: u64) {
    found.keep_back(smallest);
    if rows_hidden(found, smallest) {
        let shown = found
            .curves
            .iter()
            .map(|curve| curve.rows)
            .filter(|rows| !small(*rows, smallest));
        found.rows = shown.sum();
    }
}

/// Whether a group is too small for its number to be shown.
pub(crate) fn rows_hidden(found: &KmOutcome, smallest: u64) -> bool {
    found.curves.iter().any(|curve| small(curve.rows, smallest))
}

/// Whether a group has too few events for their number to be shown; then that of all would tell it.
pub(crate) fn events_hidden(found: &KmOutcome) -> bool {
    found.curves.iter().any(|curve| curve.events.is_none())
}
