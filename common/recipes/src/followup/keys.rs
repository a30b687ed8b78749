//! The keys of the grid of times, and what a card says of it.

use super::{Grid, Grouping, Times};
use crate::data::{Data, outcome};
use crate::written::{levels, word};
use motet_toml::{Checked, Keys};

const TIMES: [(&str, Times); 2] = [("grid", Times::Grid), ("exact", Times::Exact)];
/// A time beyond this is a mistake in its unit: 10,000 years of hours.
pub(crate) const MOST_TIME: f64 = 1e8;

/// Step, horizon and what becomes of times between two points.
pub(crate) fn grid(keys: &mut Keys<'_>) -> Checked<Grid> {
    if !keys.given("times") {
        let fix = "write times = \"grid\", which rounds them up to the grid, or \
            times = \"exact\", which shows them in the sum";
        return keys.refuse("times", "`times` is missing", fix);
    }
    let times = keys.word("times", &TIMES)?;
    let step = keys.number("step", 1.0, 1e-9..=MOST_TIME)?;
    match keys.number_given("horizon", 1e-9..=MOST_TIME)? {
        Some(horizon) => Ok(Grid {
            step,
            horizon,
            times,
        }),
        None => keys.refuse(
            "horizon",
            "`horizon` is missing",
            "write the last time that counts, a multiple of `step`",
        ),
    }
}

/// The column that groups or stratifies.
pub(crate) fn grouping(data: &Data) -> Option<Grouping> {
    data.group.as_ref().map(|column| Grouping {
        column: column.clone(),
        levels: levels(data, column),
    })
}

/// The columns of time and event.
pub(crate) fn explained(keys: &Keys<'_>, data: &Data) -> Checked<(String, String)> {
    let event = outcome(keys, data)?;
    match &data.time {
        Some(time) => Ok((time.clone(), event)),
        None => keys.refuse(
            "kind",
            "the study names no `time`",
            "add `time` and `event` to `[data]`",
        ),
    }
}

/// The keys that give this grid.
pub(crate) fn write_grid(grid: &Grid) -> Vec<String> {
    vec![
        format!("times = \"{}\"", word(&TIMES, &grid.times)),
        format!("step = {:?}", grid.step),
        format!("horizon = {:?}", grid.horizon),
    ]
}

/// What the times show, and what makes them show less.
pub(crate) fn times_shown(grid: &Grid) -> String {
    match grid.times {
        Times::Exact => "ATTENTION: times are taken as they are, so the sum shows at \
             which exact times there \
             was an event, single ones \
             included, though not at which site. \
             Your site's own policy must allow that"
            .to_owned(),
        Times::Grid => format!(
            "times are rounded up to multiples of {} before anything is \
             counted; the sum shows \
             at which of these there was an \
             event, single ones \
             included, though not at which site",
            grid.step
        ),
    }
}

/// Grid points of all strata or groups.
pub(crate) fn points(grid: &Grid, groups: usize) -> usize {
    groups * ((grid.horizon / grid.step).round() as usize + 1)
}
