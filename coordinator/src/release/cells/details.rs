//! Small cells of histograms and of the table by group. The recipe withholds cells below the study's own limit; where the
//! limit of the release is higher, further cells go, and never one alone: its line's total would give it back. Where the number
//! of a column's values may not be told, no histogram, share, degree of freedom or test of that column tells it.

use super::{counts, one_sided, ones, small};
use motet_recipes::summary::{Cell, Distribution, Line, Test};
use motet_recipes::{SummaryOutcome, Variable};

/// `told` are the columns as they were before anything of them was hidden.
pub(super) fn protect(summary: &mut SummaryOutcome, told: &[Variable], smallest: u64) {
    let of = |name: &str| told.iter().find(|variable| variable.name == name);
    let vague = |name: &str| of(name).is_some_and(|variable| counts(variable, smallest).is_none());
    let Some(details) = &mut summary.details else { return };
    for distribution in &mut details.distributions {
        histogram(distribution, smallest, vague(&distribution.name));
        if of(&distribution.name).is_some_and(|variable| small(variable.count, smallest)) {
            quantiles(distribution);
        }
    }
    if let Some(table) = &mut details.table {
        let levels: Vec<Option<u64>> = table.levels.iter().map(|level| level.1).collect();
        for own in &mut table.lines {
            let yes_no = of(&own.name).is_some_and(|variable| ones(variable).is_some());
            line(own, &Beside { levels: &levels, yes_no, vague: vague(&own.name) }, smallest);
        }
        let mut rows = levels;
        hide(&mut rows, smallest);
        table.levels.iter_mut().zip(rows).for_each(|(level, rows)| level.1 = rows);
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
    let next =
        counts.iter_mut().filter(|count| count.is_some()).min_by_key(|count| (**count == Some(0), **count));
    if let (1, Some(next)) = (hidden, next) {
        *next = None;
    }
}

/// `vague`: the number of all values is withheld, and so one cell more where none is.
fn histogram(distribution: &mut Distribution, smallest: u64, vague: bool) {
    let ends = [distribution.below, distribution.above];
    let mut counts: Vec<Option<u64>> = ends.into_iter().chain(distribution.bins.iter().copied()).collect();
    hide(&mut counts, smallest);
    if vague
        && !counts.contains(&None)
        && let Some(least) = counts.iter_mut().min_by_key(|count| (**count == Some(0), **count))
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
    let ends = distribution.extremes.iter_mut().flat_map(|ends| [&mut ends.0, &mut ends.1]);
    for quantile in distribution.quantiles.iter_mut().chain(ends) {
        (quantile.estimate, quantile.error) = (f64::NAN, f64::NAN);
    }
}

fn line(line: &mut Line, beside: &Beside<'_>, smallest: u64) {
    let withheld = |line: &Line| line.cells.iter().filter(|cell| **cell == Cell::Withheld).count();
    let before = withheld(line);
    let rare = |values: u64, ones: u64| {
        let rest = values.saturating_sub(ones);
        if small(rest, smallest) { rest } else { ones }
    };
    // Of a share, and of the mean of a yes/no column, both those with it and those without it must be many.
    let count = |cell: &Cell| match cell {
        Cell::Number { values: Some(values), mean, .. } if beside.yes_no && *values > 0 => {
            let ones = (mean * *values as f64).round() as u64;
            Some(if one_sided(*values, ones, smallest) { rare(*values, ones) } else { (*values).min(ones) })
        }
        Cell::Number { values, .. } => *values,
        Cell::Share { values, rows, .. } => Some(rare(*values, *rows)),
        Cell::Withheld => None,
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
        (Cell::Number { values: Some(values), .. } | Cell::Share { values, .. }, Some(rows)) => {
            small(rows.saturating_sub(*values), smallest)
        }
        _ => false,
    };
    let vague = beside.vague || line.cells.iter().zip(beside.levels).any(missing);
    if vague {
        for cell in &mut line.cells {
            match cell {
                Cell::Number { .. } if beside.yes_no => *cell = Cell::Withheld,
                Cell::Number { values, .. } => *values = None,
                // A share is a fraction, and tells of how many.
                Cell::Share { .. } => *cell = Cell::Withheld,
                Cell::Withheld => {}
            }
        }
    }
    if vague || line.cells.iter().all(|cell| *cell == Cell::Withheld) {
        line.test = None;
    } else if let (true, Some(test)) = (withheld(line) > before, &mut line.test) {
        round(test);
    }
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
        let share = |rows, values| Cell::Share { values, rows, share: rows as f64 / values as f64 };
        let test = Test { name: "chi-square", statistic: 1.23456, df: (2, None), p: 0.539876 };
        let cells = vec![share(97, 100), share(50, 100), share(60, 100)];
        let mut own = Line { name: "x".to_owned(), cells, test: Some(test) };
        let levels = [Some(100); 3];
        line(&mut own, &Beside { levels: &levels, yes_no: false, vague: false }, 5);
        assert_eq!(own.cells, [Cell::Withheld, Cell::Withheld, share(60, 100)]);
        let test = own.test.unwrap();
        assert_eq!((test.statistic, test.p), (1.23, 0.54));
    }
}
