//! How long each patient was followed and how that ended, on a public grid of times: what the
//! survival recipes share.
//!
//! ```text
//! time:   0     step   2 step               horizon
//! cell:   0       1       2       ...        last        nothing between two cells ever leaves a site
//! ```
//!
//! With [`Times::Grid`] a time is rounded up to the next cell. With [`Times::Exact`] a time that is
//! no multiple of the step is refused at the site, so that the result is that of the times
//! themselves. A patient who is followed beyond the horizon counts as censored there. Events come
//! before censorings of the same cell, and a patient with time 0 is at risk at 0, as in R's
//! survival package.

pub(crate) mod keys; // the grid's keys in a study file

use crate::error::{RecipeError, require};
use crate::rows::Rows;
use motet_secagg::canonical;
use ndarray::ArrayView1;

/// Steps from 0 to the horizon: 54 years of days.
pub(crate) const MOST_STEPS: u32 = 20_000;
/// Grid points of all groups together.
pub(crate) const MOST_CELLS: usize = 200_000;
/// Groups or strata of one column; their names make the rows of a printed table.
const MOST_LEVELS: usize = 50;
/// A quotient this close to a whole number is one: decimal steps such as 0.1 are no binary
/// fractions.
const WHOLE: f64 = 1e-9;

canonical! {
    /// What becomes of a time between two grid points.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Times {
        /// It is rounded up to the next one.
        1 => Grid,
        /// The site refuses it: the analysis of the times themselves, which shows them in the sum.
        2 => Exact,
    }
}

canonical! {
    /// The times at which anything can happen.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Grid {
        /// Distance of two grid points, in the unit of the time column.
        pub step: f64,
        /// Last grid point, a multiple of the step; who is followed longer is censored there.
        pub horizon: f64,
        /// What becomes of the times between.
        pub times: Times,
    }
}

canonical! {
    /// A column of categories that splits the patients; rows carry the number of the level from 0.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Grouping {
        /// The column.
        pub column: String,
        /// Names of its levels.
        pub levels: Vec<String>,
    }
}

/// One patient on the grid.
#[derive(Clone, Copy)]
pub(crate) struct Follow {
    /// Level of the grouping, 0 without one.
    pub(crate) group: u32,
    /// The last grid point at which the patient is at risk.
    pub(crate) cell: u32,
    /// Whether the event happened there.
    pub(crate) event: bool,
}

impl Grid {
    /// Whole days up to `horizon`, as they are.
    pub fn days(horizon: f64) -> Self {
        Self {
            step: 1.0,
            horizon,
            times: Times::Exact,
        }
    }

    /// Number of the last grid point.
    pub(crate) fn last(&self) -> u32 {
        libm::round(self.horizon / self.step) as u32
    }

    /// Grid points of one group.
    pub(crate) fn cells(&self) -> usize {
        self.last() as usize + 1
    }

    /// The time of a grid point.
    pub(crate) fn time(&self, cell: u32) -> f64 {
        f64::from(cell) * self.step
    }

    /// The grid point of a time that is one.
    pub(crate) fn cell(&self, time: f64) -> Option<u32> {
        let ratio = time / self.step;
        let cell = libm::round(time / self.step);
        let whole = (ratio - cell).abs() <= WHOLE * ratio.max(1.0);
        (whole && (0.0..=f64::from(self.last())).contains(&cell)).then_some(cell as u32)
    }

    pub(crate) fn check(&self, groups: usize) -> Result<(), RecipeError> {
        require(self.step.is_finite() && self.step > 0.0, "step", "above 0")?;
        let steps = self.horizon / self.step;
        let fits = self.horizon.is_finite()
            && steps >= 1.0 - WHOLE
            && steps <= f64::from(MOST_STEPS) + WHOLE;
        let must = "a multiple of `step` above 0 and at most 20000 steps";
        require(fits && self.cell(self.horizon).is_some(), "horizon", must)?;
        require(
            groups * self.cells() <= MOST_CELLS,
            "horizon",
            "so short that groups times steps is at most 200000",
        )
    }

    /// Where a patient's time lies; nothing where it may not be rounded.
    fn place(&self, time: f64, event: bool) -> Option<(u32, bool)> {
        let last = self.last();
        let ratio = time / self.step;
        let nearest = libm::round(time / self.step);
        let whole = (ratio - nearest).abs() <= WHOLE * ratio.max(1.0);
        let cell = if whole { nearest } else { ratio.ceil() };
        if cell > f64::from(last) {
            return Some((last, false));
        }
        (whole || self.times == Times::Grid).then_some((cell as u32, event))
    }
}

impl Grouping {
    /// The place of a level, if the value is one.
    fn level(&self, value: f64) -> Option<u32> {
        let known = 0.0..self.levels.len() as f64;
        (known.contains(&value) && value.fract() == 0.0).then_some(value as u32)
    }
    pub(crate) fn check(&self, key: &'static str) -> Result<(), RecipeError> {
        let distinct: std::collections::BTreeSet<&String> = self.levels.iter().collect();
        let good =
            (1..=MOST_LEVELS).contains(&self.levels.len()) && distinct.len() == self.levels.len();
        require(good, key, "a column with 1 to 50 different levels")
    }
}

/// Places every row on the grid.
///
/// # Errors
/// The table has no times or groups, or some that cannot be used: how many, never which.
pub(crate) fn follow(
    rows: &Rows<'_>,
    events: ArrayView1<'_, f64>,
    grid: &Grid,
    time: &str,
    grouping: Option<&Grouping>,
) -> Result<Vec<Follow>, RecipeError> {
    let count = events.len();
    let times = column(rows.time, time, count)?;
    let bad = times
        .iter()
        .filter(|time| !(time.is_finite() && **time >= 0.0))
        .count();
    if bad > 0 {
        return Err(RecipeError::BadTime {
            time: time.to_owned(),
            rows: bad,
        });
    }
    let groups = match grouping {
        Some(grouping) => levels(&column(rows.group, &grouping.column, count)?, grouping)?,
        None => vec![0; count],
    };
    let places = times
        .iter()
        .zip(events)
        .map(|(time, event)| grid.place(*time, *event == 1.0));
    let off = places.clone().filter(Option::is_none).count();
    if off > 0 {
        return Err(RecipeError::OffGrid {
            time: time.to_owned(),
            rows: off,
        });
    }
    Ok(places
        .flatten()
        .zip(groups)
        .map(|((cell, event), group)| Follow { group, cell, event })
        .collect())
}

/// The values of a column that the table must have.
fn column(
    values: Option<ArrayView1<'_, f64>>,
    name: &str,
    rows: usize,
) -> Result<Vec<f64>, RecipeError> {
    values
        .filter(|values| values.len() == rows)
        .map(|values| values.to_vec())
        .ok_or_else(|| RecipeError::NoColumn {
            column: name.to_owned(),
            rows,
        })
}

fn levels(values: &[f64], grouping: &Grouping) -> Result<Vec<u32>, RecipeError> {
    let levels: Vec<u32> = values
        .iter()
        .filter_map(|value| grouping.level(*value))
        .collect();
    let bad = values.len() - levels.len();
    if bad > 0 {
        return Err(RecipeError::NotALevel {
            column: grouping.column.clone(),
            rows: bad,
        });
    }
    Ok(levels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_up_to_the_next_grid_point_or_is_refused() {
        let grid = Grid {
            step: 0.1,
            horizon: 0.5,
            times: Times::Grid,
        };
        assert_eq!((grid.last(), grid.cells()), (5, 6));
        assert_eq!(grid.place(0.0, true), Some((0, true)));
        assert_eq!(grid.place(0.1 + 0.2, true), Some((3, true)));
        assert_eq!(grid.place(0.21, true), Some((3, true)));
        assert_eq!(grid.place(0.5, true), Some((5, true)));
        assert_eq!(grid.place(0.51, true), Some((5, false)));
        let exact = Grid {
            times: Times::Exact,
            ..grid
        };
        assert_eq!(exact.place(0.1 + 0.2, true), Some((3, true)));
        assert_eq!(exact.place(0.21, true), None);
        assert_eq!(exact.place(0.77, true), Some((5, false)));
    }

    #[test]
    fn a_grid_that_cannot_be_is_refused_by_its_key() {
        let key = |step: f64, horizon: f64, groups: usize| match (Grid {
            step,
            horizon,
            times: Times::Exact,
        })
        .check(groups)
        {
            Err(RecipeError::Parameter { name, .. }) => Some(name),
            _ => None,
        };
        assert_eq!(key(1.0, 20_000.0, 9), None);
        assert_eq!(key(0.1, 1.7, 1), None);
        assert_eq!(key(0.0, 10.0, 1), Some("step"));
        assert_eq!(key(f64::NAN, 10.0, 1), Some("step"));
        assert_eq!(key(1.0, 20_001.0, 1), Some("horizon"));
        assert_eq!(key(1.0, 20_000.0, 10), Some("horizon"));
        assert_eq!(key(2.0, 11.0, 1), Some("horizon"));
        assert_eq!(key(1.0, f64::INFINITY, 1), Some("horizon"));
        assert_eq!(key(1.0, 0.0, 1), Some("horizon"));
    }
}
