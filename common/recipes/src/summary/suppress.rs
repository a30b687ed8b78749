//! Withholding small cells of an outcome. A cell with 1 to `min_cell - 1` rows is withheld, and
//! then, line by line, further cells until the total of the line cannot give one back: at least two
//! cells of a line are withheld, with `min_cell` rows together. An empty cell is shown unless
//! nothing else is left to hide behind.
//!
//! Each table is protected on its own; what two tables of one outcome give away by their difference
//! is not looked for.
//!
//! This protects readers of a release from seeing small cells, not sites or the coordinator: they
//! have opened the sum.

/// Withholds the small cells of a single line with a known total.
pub(crate) fn line(cells: &[u64], min_cell: u32) -> Vec<Option<u64>> {
    table(&[cells.to_vec()], min_cell).pop().unwrap_or_default()
}

/// Withholds the small cells of a table whose totals of rows and, where there are several rows, of
/// columns are known.
pub(crate) fn table(cells: &[Vec<u64>], min_cell: u32) -> Vec<Vec<Option<u64>>> {
    let least = u64::from(min_cell);
    let mut shown: Vec<Vec<Option<u64>>> = cells
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| (*cell == 0 || *cell >= least).then_some(*cell))
                .collect()
        })
        .collect();
    let columns = cells.iter().map(Vec::len).max().unwrap_or_default();
    let mut lines: Vec<Vec<(usize, usize)>> = (0..cells.len())
        .map(|row| (0..columns).map(|column| (row, column)).collect())
        .collect();
    if cells.len() > 1 {
        lines.extend((0..columns).map(|column| {
            (0..cells.len())
                .map(|row| (row, column))
                .collect::<Vec<_>>()
        }));
    }
    // Every pass withholds at least one more cell or is the last.
    while lines
        .iter()
        .any(|line| hide_one(cells, &mut shown, line, least))
    {}
    shown
}

/// Withholds one more cell of a line that would give a cell back; false where none does or none is
/// left.
fn hide_one(
    cells: &[Vec<u64>],
    shown: &mut [Vec<Option<u64>>],
    line: &[(usize, usize)],
    least: u64,
) -> bool {
    let cell = |at: &(usize, usize)| {
        cells
            .get(at.0)
            .and_then(|row| row.get(at.1))
            .copied()
            .unwrap_or_default()
    };
    let seen = |at: &(usize, usize)| {
        shown
            .get(at.0)
            .and_then(|row| row.get(at.1))
            .is_some_and(Option::is_some)
    };
    let hidden: Vec<u64> = line.iter().filter(|at| !seen(at)).map(cell).collect();
    if hidden.is_empty() || hidden.len() > 1 && hidden.iter().sum::<u64>() >= least {
        return false;
    }
    // The smallest cell with rows, else an empty one; the first of equals.
    let next = line
        .iter()
        .filter(|at| seen(at))
        .min_by_key(|at| (cell(at) == 0, cell(at)))
        .copied();
    match next.and_then(|(row, column)| shown.get_mut(row)?.get_mut(column)) {
        Some(cell) => {
            *cell = None;
            true
        }
        None => false,
    }
}

/// Three significant digits: what is published of a statistic whose further digits could give a
/// withheld cell back.
pub(crate) fn rounded(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let unit = libm::pow(10.0, libm::floor(libm::log10(x.abs())) - 2.0);
    if unit > 0.0 {
        libm::rint(x / unit) * unit
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_gives_no_withheld_cell_back() {
        assert_eq!(line(&[10, 20, 0], 5), [Some(10), Some(20), Some(0)]);
        assert_eq!(line(&[10, 3, 20], 5), [None, None, Some(20)]);
        // 1 + 2 = 3: both would be known to be 1 or 2
        assert_eq!(line(&[10, 1, 2, 30], 5), [None, None, None, Some(30)]);
        assert_eq!(
            line(&[0, 3], 5),
            [None, None],
            "only an empty cell is left to hide behind"
        );
        assert_eq!(line(&[3, 9], 1), [Some(3), Some(9)]);
    }

    #[test]
    fn in_a_table_neither_rows_nor_columns_give_a_cell_back() {
        let cells = vec![vec![3, 20, 30], vec![40, 50, 60], vec![70, 80, 90]];
        let shown = table(&cells, 5);
        assert_eq!(shown[0], [None, None, Some(30)]);
        assert_eq!(shown[1], [None, None, Some(60)]);
        assert_eq!(shown[2], [Some(70), Some(80), Some(90)]);
    }

    #[test]
    fn rounded_statistics_keep_three_digits() {
        assert!(
            (rounded(121.301_334) - 121.0).abs() < 1e-9
                && rounded(0.0) == 0.0
                && rounded(f64::NAN).is_nan()
        );
        assert!((rounded(1.898_198e-11) / 1.9e-11 - 1.0).abs() < 1e-12);
    }
}
