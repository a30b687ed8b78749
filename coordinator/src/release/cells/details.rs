//! Small cells of histograms and of the table by group. The recipe withholds cells below the
//! study's own limit; where the limit of the release is higher, further cells go, and never one
//! alone: its line's total would give it back. Where the number of a column's values may not be
//! told, no histogram, share, degree of freedom or test of that column tells it. Where that is
//! because few sites lack them, or where few sites have the patients of a bin, what remains of the
//! column is too little to solve for either.

use super::{counts, one_sided, ones, rounded, small, unit};
use motet_recipes::summary::{Cell, Distribution, Line, Test};
use motet_recipes::{SummaryOutcome, Variable};

/// `told` are the columns as they were before anything of them was hidden.
pub(super) fn protect(summary: &mut SummaryOutcome, told: &[Variable], smallest: u64) {
    let of = |name: &str| told.iter().find(|variable| variable.name == name);
    let vague = |name: &str| of(name).is_some_and(|variable| counts(variable, smallest).is_none());
    let Some(details) = &mut summary.details else {
        return;
    };
    let mut hidden: Vec<String> = Vec::new();
    for distribution in &mut details.distributions {
        let own = of(&distribution.name);
        let few =
            own.is_some_and(|variable| small(variable.count, smallest) || variable.few_missing);
        // Bins that hold one whole number each leave nothing open between total and mean.
        let is_narrow = |ends: &[f64]| matches!(ends, [low, high] if high - low <= 1.0);
        let narrow = distribution.edges.windows(2).any(is_narrow);
        let withheld = |cell: &Option<u64>| cell.is_none_or(|rows| small(rows, smallest));
        let ends = [&distribution.below, &distribution.above];
        let some = ends.into_iter().chain(&distribution.bins).any(withheld);
        if distribution.few_sites || narrow && some {
            hidden.push(distribution.name.clone());
        }
        if few || hidden.contains(&distribution.name) {
            quantiles(distribution);
        }
        histogram(distribution, smallest, vague(&distribution.name));
        // Of many missing values a total that is open by one cell would tell about as much as their
        // number.
        if own.is_some_and(|variable| variable.few_missing) {
            (distribution.below, distribution.above) = (None, None);
            distribution.bins.fill(None);
        }
    }
    // Beside the cells that are shown, mean, variance and quantiles of whole numbers are equations
    // for those that are not.
    for variable in summary
        .variables
        .iter_mut()
        .filter(|variable| hidden.contains(&variable.name))
    {
        (variable.mean, variable.variance) = (f64::NAN, f64::NAN);
    }
    let lines = details.table.iter_mut().flat_map(|table| &mut table.lines);
    let few_missing = |name: &str| of(name).is_some_and(|variable| variable.few_missing);
    for line in lines.filter(|line| hidden.contains(&line.name) || few_missing(&line.name)) {
        line.cells
            .iter_mut()
            .for_each(|cell| *cell = Cell::Withheld);
    }
    if let Some(table) = &mut details.table {
        let levels: Vec<Option<u64>> = table.levels.iter().map(|level| level.1).collect();
        for own in &mut table.lines {
            let yes_no = of(&own.name).is_some_and(|variable| ones(variable).is_some());
            line(
                own,
                &Beside {
                    levels: &levels,
                    yes_no,
                    vague: vague(&own.name),
                },
                smallest,
            );
        }
        let mut rows = levels;
        hide(&mut rows, smallest);
        table
            .levels
            .iter_mut()
            .zip(rows)
            .for_each(|(level, rows)| level.1 = rows);
    }
}

/// What the rest of the page tells of a line.
struct Beside<'a> {
    /// Rows of each level.
    levels: &'a [Option<u64>],
    /// Whether the column holds nothing but 0 and 1.
    yes_no: bool,
    /// Whether the number of its values is withheld.
    vague: bool,
}

/// Hides small counts of a line, and then the smallest others until at least two are hidden.
fn hide(counts: &mut [Option<u64>], smallest: u64) {
    let mut hidden = 0;
    for count in counts.iter_mut() {
        *count = count.filter(|count| !small(*count, smallest));
        hidden += usize::from(count.is_none());
    }
    // The smallest with rows, else an empty one.
    let next = counts
        .iter_mut()
        .filter(|count| count.is_some())
        .min_by_key(|count| (**count == Some(0), **count));
    if let (1, Some(next)) = (hidden, next) {
        *next = None;
    }
}

/// `vague`: the number of all values is withheld, and so one cell more where none is.
fn histogram(distribution: &mut Distribution, smallest: u64, vague: bool) {
    let ends = [distribution.below, distribution.above];
    let mut counts: Vec<Option<u64>> = ends
        .into_iter()
        .chain(distribution.bins.iter().copied())
        .collect();
    hide(&mut counts, smallest);
    if vague
        && !counts.contains(&None)
        && let Some(least) = counts
            .iter_mut()
            .min_by_key(|count| (**count == Some(0), **count))
    {
        *least = None;
    }
    let mut counts = counts.into_iter();
    distribution.below = counts.next().flatten();
    distribution.above = counts.next().flatten();
    distribution.bins = counts.collect();
}

/// Quantiles of a handful of patients are those patients' values.
fn quantiles(distribution: &mut Distribution) {
    let ends = distribution
        .extremes
        .iter_mut()
        .flat_map(|ends| [&mut ends.0, &mut ends.1]);
    for quantile in distribution.quantiles.iter_mut().chain(ends) {
        (quantile.estimate, quantile.error) = (f64::NAN, f64::NAN);
    }
}

fn line(line: &mut Line, beside: &Beside<'_>, smallest: u64) {
    let withheld = |line: &Line| {
        line.cells
            .iter()
            .filter(|cell| **cell == Cell::Withheld)
            .count()
    };
    let before = withheld(line);
    let rare = |values: u64, ones: u64| {
        let rest = values.saturating_sub(ones);
        if small(rest, smallest) { rest } else { ones }
    };
    // Of a share, and of the mean of a yes/no column, both those with it and those without it must
    // be many.
    let count = |cell: &Cell| match cell {
        Cell::Number {
            values: Some(values),
            mean,
            ..
        } if beside.yes_no && *values > 0 => {
            let ones = (mean * *values as f64).round() as u64;
            Some(if one_sided(*values, ones, smallest) {
                rare(*values, ones)
            } else {
                (*values).min(ones)
            })
        }
        Cell::Number { values, .. } => *values,
        Cell::Share {
            values: Some(values),
            rows: Some(rows),
            ..
        } => Some(rare(*values, *rows)),
        Cell::Share { .. } | Cell::Withheld => None,
    };
    let mut counts: Vec<Option<u64>> = line.cells.iter().map(count).collect();
    hide(&mut counts, smallest);
    for (cell, count) in line.cells.iter_mut().zip(counts) {
        if count.is_none() {
            *cell = Cell::Withheld;
        }
    }
    // Beside the rows of a level its values tell those that are missing.
    let missing = |(cell, rows): (&Cell, &Option<u64>)| match (cell, rows) {
        (
            Cell::Number {
                values: Some(values),
                ..
            }
            | Cell::Share {
                values: Some(values),
                ..
            },
            Some(rows),
        ) => small(rows.saturating_sub(*values), smallest),
        _ => false,
    };
    let vague = beside.vague || line.cells.iter().zip(beside.levels).any(missing);
    if vague {
        blur(&mut line.cells, beside, smallest);
    }
    if vague || line.cells.iter().all(|cell| *cell == Cell::Withheld) {
        line.test = None;
    } else if let (true, Some(test)) = (withheld(line) > before, &mut line.test) {
        round(test);
    }
}

/// Values of which a whole per cent is some number of patients, whatever their number.
const HUNDRED: u64 = 100;

/// The cells of a line whose numbers of values are withheld: rounded means, and shares in whole per
/// cent.
fn blur(cells: &mut [Cell], beside: &Beside<'_>, smallest: u64) {
    let means: Vec<(u64, f64)> = cells
        .iter()
        .filter_map(|cell| Some((values(cell)?, mean(cell)?)))
        .collect();
    let sds: Vec<(u64, f64)> = cells
        .iter()
        .filter_map(|cell| match cell {
            Cell::Number { values, sd, .. } => values.zip(Some(*sd).filter(|sd| sd.is_finite())),
            _ => None,
        })
        .collect();
    let (open_means, open_sds) = (open(&means, smallest), open(&sds, smallest));
    for (cell, rows) in cells.iter_mut().zip(beside.levels) {
        let values = values(cell).unwrap_or_default();
        // So many rows that there are a hundred values however many of the withheld number are
        // missing.
        let many = values >= HUNDRED
            && rows.is_some_and(|rows| rows >= HUNDRED + smallest.saturating_sub(1));
        let share = |share: f64| {
            (many && open_means <= PER_CENT)
                .then(|| rounded(share, PER_CENT))
                .filter(|share| share.is_finite())
        };
        let unit = unit(rows.unwrap_or(values));
        *cell = match *cell {
            Cell::Number { mean, .. } if beside.yes_no => {
                share(mean).map_or(Cell::Withheld, |mean| {
                    let sd = rounded((mean * (1.0 - mean)).max(0.0).sqrt(), PER_CENT);
                    Cell::Number {
                        values: None,
                        mean,
                        sd,
                    }
                })
            }
            Cell::Number { mean, sd, .. } => Cell::Number {
                values: None,
                mean: rounded(mean, unit.max(open_means)),
                sd: rounded(sd, unit.max(open_sds)),
            },
            Cell::Share { share: part, .. } => {
                share(part).map_or(Cell::Withheld, |share| Cell::Share {
                    values: None,
                    rows: None,
                    share,
                })
            }
            Cell::Withheld => Cell::Withheld,
        };
    }
}

const PER_CENT: f64 = 0.01;

fn values(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Number { values, .. } | Cell::Share { values, .. } => *values,
        Cell::Withheld => None,
    }
}

fn mean(cell: &Cell) -> Option<f64> {
    let mean = match cell {
        Cell::Number { mean, .. } => *mean,
        Cell::Share { share, .. } => *share,
        Cell::Withheld => return None,
    };
    mean.is_finite().then_some(mean)
}

/// The unit of figures of groups (values, figure) beside number and figure of all patients: a few
/// patients more in one group and fewer in another move the sum by less than the rounding leaves
/// open.
fn open(groups: &[(u64, f64)], smallest: u64) -> f64 {
    let ends = groups.iter().fold((f64::MAX, f64::MIN), |ends, group| {
        (ends.0.min(group.1), ends.1.max(group.1))
    });
    let all: u64 = groups.iter().map(|group| group.0).sum();
    2.0 * smallest as f64 * (ends.1 - ends.0).max(0.0) / all.max(1) as f64
}

/// Three digits: more could give a withheld cell back.
fn round(test: &mut Test) {
    let three = |value: f64| format!("{value:.2e}").parse().unwrap_or(f64::NAN);
    (test.statistic, test.p) = (three(test.statistic), three(test.p));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_count_is_never_hidden_alone() {
        let after = |counts: &[u64]| {
            let mut counts: Vec<Option<u64>> = counts.iter().copied().map(Some).collect();
            hide(&mut counts, 5);
            counts
        };
        assert_eq!(after(&[10, 3, 20]), [None, None, Some(20)]);
        assert_eq!(after(&[10, 3, 4, 20]), [Some(10), None, None, Some(20)]);
        assert_eq!(after(&[0, 10, 20]), [Some(0), Some(10), Some(20)]);
        assert_eq!(after(&[3]), [None]);
    }

    #[test]
    fn a_share_hides_those_without_it_too_and_its_test_loses_digits() {
        let share = |rows, values| {
            let share = rows as f64 / values as f64;
            Cell::Share {
                values: Some(values),
                rows: Some(rows),
                share,
            }
        };
        let test = Test {
            name: "chi-square",
            statistic: 1.23456,
            df: (2, None),
            p: 0.539876,
        };
        let cells = vec![share(97, 100), share(50, 100), share(60, 100)];
        let mut own = Line {
            name: "x".to_owned(),
            cells,
            test: Some(test),
        };
        let levels = [Some(100); 3];
        line(
            &mut own,
            &Beside {
                levels: &levels,
                yes_no: false,
                vague: false,
            },
            5,
        );
        assert_eq!(own.cells, [Cell::Withheld, Cell::Withheld, share(60, 100)]);
        let test = own.test.unwrap();
        assert_eq!((test.statistic, test.p), (1.23, 0.54));
    }

    #[test]
    fn a_share_of_a_hundred_is_told_in_whole_per_cent_where_few_are_missing() {
        let after = |cells: &[(u64, u64, u64)]| {
            let share = |(ones, values, _): &(u64, u64, u64)| {
                let share = *ones as f64 / *values as f64;
                Cell::Share {
                    values: Some(*values),
                    rows: Some(*ones),
                    share,
                }
            };
            let levels: Vec<Option<u64>> = cells.iter().map(|cell| Some(cell.2)).collect();
            let cells = cells.iter().map(share).collect();
            let mut own = Line {
                name: "x".to_owned(),
                cells,
                test: None,
            };
            line(
                &mut own,
                &Beside {
                    levels: &levels,
                    yes_no: false,
                    vague: false,
                },
                5,
            );
            own.cells
        };
        let told = |share| Cell::Share {
            values: None,
            rows: None,
            share,
        };
        assert_eq!(
            after(&[(117, 298, 300), (150, 300, 310)]),
            [told(0.39), told(0.5)]
        );
        // Too few for a per cent, and so few rows that the missing ones decide.
        assert_eq!(
            after(&[(39, 98, 100), (150, 300, 300)]),
            [Cell::Withheld, told(0.5)]
        );
        assert_eq!(
            after(&[(39, 102, 103), (150, 300, 300)]),
            [Cell::Withheld, told(0.5)]
        );
        // Groups so far apart that what all have in common tells how many are in each.
        assert_eq!(
            after(&[(10, 118, 120), (110, 120, 120)]),
            [Cell::Withheld, Cell::Withheld]
        );
    }

    #[test]
    fn figures_of_a_withheld_number_leave_several_sums_open() {
        for (value, rows, shown) in [
            (62.254_321, 924, 62.25),
            (2.345_678, 924, 2.35),
            (62.254_321, 60, 62.3),
            (-0.0012, 100, 0.0),
        ] {
            assert_eq!(rounded(value, unit(rows)), shown, "{value} of {rows}");
        }
        assert_eq!(rounded(1_234_567.8, unit(9000)), 1_235_000.0);
        assert!(rounded(f64::NAN, unit(9)).is_nan());
    }
}
