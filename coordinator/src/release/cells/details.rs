//! Small cells of histograms and of the table by group. The recipe withholds cells below the study's own limit; where the
//! limit of the release is higher, further cells go, and never one alone: its line's total would give it back.

use super::small;
use motet_recipes::SummaryOutcome;
use motet_recipes::summary::{Cell, Distribution, Line, Test};

pub(super) fn protect(summary: &mut SummaryOutcome, smallest: u64) {
    let few: Vec<String> =
        summary.variables.iter().filter(|v| small(v.count, smallest)).map(|v| v.name.clone()).collect();
    let Some(details) = &mut summary.details else { return };
    for distribution in &mut details.distributions {
        histogram(distribution, smallest);
        if few.contains(&distribution.name) {
            quantiles(distribution);
        }
    }
    if let Some(table) = &mut details.table {
        let mut rows: Vec<Option<u64>> = table.levels.iter().map(|level| level.1).collect();
        hide(&mut rows, smallest);
        table.levels.iter_mut().zip(rows).for_each(|(level, rows)| level.1 = rows);
        table.lines.iter_mut().for_each(|own| line(own, smallest));
    }
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

fn histogram(distribution: &mut Distribution, smallest: u64) {
    let ends = [distribution.below, distribution.above];
    let mut counts: Vec<Option<u64>> = ends.into_iter().chain(distribution.bins.iter().copied()).collect();
    hide(&mut counts, smallest);
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

fn line(line: &mut Line, smallest: u64) {
    let withheld = |line: &Line| line.cells.iter().filter(|cell| **cell == Cell::Withheld).count();
    let before = withheld(line);
    // Of a share both those with it and those without it must be many.
    let count = |cell: &Cell| match cell {
        Cell::Number { values, .. } => Some(*values),
        Cell::Share { values, rows, .. } => {
            let rest = values.saturating_sub(*rows);
            Some(if small(rest, smallest) { rest } else { *rows })
        }
        Cell::Withheld => None,
    };
    let mut counts: Vec<Option<u64>> = line.cells.iter().map(count).collect();
    hide(&mut counts, smallest);
    for (cell, count) in line.cells.iter_mut().zip(counts) {
        if count.is_none() {
            *cell = Cell::Withheld;
        }
    }
    if let (true, Some(test)) = (withheld(line) > before, &mut line.test) {
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
        line(&mut own, 5);
        assert_eq!(own.cells, [Cell::Withheld, Cell::Withheld, share(60, 100)]);
        let test = own.test.unwrap();
        assert_eq!((test.statistic, test.p), (1.23, 0.54));
    }
}
