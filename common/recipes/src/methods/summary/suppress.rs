//! Withholding small cells of an outcome. A cell with 1 to `min_cell - 1` rows is withheld, and
//! then, line by line, further cells until the total of the line cannot give one back: at least two
//! cells of a line are withheld, with `min_cell` rows together, and with more than `min_sites` rows
//! each: a cell that anybody is in lies at so many sites, so that two withheld ones of 3 and 3 would
//! follow from their sum. An empty cell is shown unless nothing else is left to hide behind.
//!
//! In a table two withheld cells in every line are not enough: the totals of several rows less those
//! of several columns can leave one cell. Rows and columns are the points of a graph and withheld
//! cells its edges; totals fix a cell where no way around it joins its row and its column (it is a
//! bridge), and then a further cell of its row or column is withheld.
//!
//! Each table is protected on its own; what two tables of one outcome give away by their difference
//! is not looked for.
//!
//! This protects readers of a release from seeing small cells, not sites or the coordinator: they
//! have opened the sum.

/// What is few.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Least {
    /// Rows of a cell that is shown.
    pub(crate) cell: u64,
    /// Sites, and so rows, of a cell that is not empty.
    pub(crate) sites: u64,
}

/// Withholds the small cells of a single line with a known total.
pub(crate) fn line(cells: &[u64], least: Least) -> Vec<Option<u64>> {
    beside(cells, &[], least)
}

/// The same where some cells are `withheld` already.
pub(crate) fn beside(cells: &[u64], withheld: &[bool], least: Least) -> Vec<Option<u64>> {
    table(&[cells.to_vec()], (&[], withheld), least).concat()
}

/// Withholds the small cells of a table whose totals of rows and, where there are several rows, of
/// columns are known; whole rows and whole columns may be `withheld` already.
pub(crate) fn table(
    cells: &[Vec<u64>],
    withheld: (&[bool], &[bool]),
    least: Least,
) -> Vec<Vec<Option<u64>>> {
    let columns = cells.iter().fold(0, |most, row| most.max(row.len()));
    let all: Vec<Place> = (0..cells.len())
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .collect();
    let mut shown: Vec<Vec<Option<u64>>> = cells
        .iter()
        .map(|row| row.iter().copied().map(Some).collect())
        .collect();
    for at in &all {
        let rows = rows_of(cells, *at);
        if withheld.0.get(at.0) == Some(&true)
            || withheld.1.get(at.1) == Some(&true)
            || rows > 0 && rows < least.cell
        {
            hide(&mut shown, *at);
        }
    }
    let mut lines: Vec<Vec<Place>> = all.chunks(columns.max(1)).map(<[Place]>::to_vec).collect();
    if cells.len() > 1 {
        lines.extend((0..columns).map(|at| {
            all.iter()
                .copied()
                .filter(|of| of.1 == at)
                .collect::<Vec<_>>()
        }));
    }
    // Every pass withholds at least one more cell or is the last.
    loop {
        while lines
            .iter()
            .any(|line| hide_one(cells, &mut shown, line, least))
        {}
        let Some(fixed) = (lines.len() > cells.len())
            .then(|| bridge(&shown, columns))
            .flatten()
        else {
            break;
        };
        let cross: Vec<Place> = all
            .iter()
            .copied()
            .filter(|of| of.0 == fixed.0 || of.1 == fixed.1)
            .collect();
        if !hide_next(cells, &mut shown, &cross) && !hide_next(cells, &mut shown, &all) {
            break;
        }
    }
    shown
}

/// Row and column of a cell.
type Place = (usize, usize);

/// A withheld cell that the totals fix.
fn bridge(shown: &[Vec<Option<u64>>], columns: usize) -> Option<Place> {
    let rows = shown.len();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); rows + columns];
    for (row, cells) in shown.iter().enumerate() {
        for (column, _) in cells.iter().enumerate().filter(|(_, cell)| cell.is_none()) {
            for (from, to) in [(row, rows + column), (rows + column, row)] {
                next.get_mut(from)?.push(to);
            }
        }
    }
    let mut walk = Walk {
        next,
        met: vec![0; rows + columns],
        least: vec![0; rows + columns],
        steps: 0,
    };
    let ends = (0..rows).find_map(|row| match walk.met.get(row) {
        Some(0) => walk.from(row, None),
        _ => None,
    })?;
    Some((ends.0.min(ends.1), ends.0.max(ends.1) - rows))
}

/// A walk through the graph, point by point and each once.
struct Walk {
    next: Vec<Vec<usize>>,
    /// When a point was met, from 1; 0 before.
    met: Vec<usize>,
    /// When the earliest point was met that can be reached from it but by the way it was met.
    least: Vec<usize>,
    steps: usize,
}

impl Walk {
    /// An edge without a way around it. No deeper than a table has rows and columns.
    fn from(&mut self, point: usize, before: Option<usize>) -> Option<Place> {
        self.steps += 1;
        *self.met.get_mut(point)? = self.steps;
        *self.least.get_mut(point)? = self.steps;
        let mut earliest = self.steps;
        for to in self.next.get(point)?.clone() {
            if Some(to) == before {
                continue;
            }
            let met = *self.met.get(to)?;
            if met > 0 {
                earliest = earliest.min(met);
                continue;
            }
            if let Some(found) = self.from(to, Some(point)) {
                return Some(found);
            }
            let behind = *self.least.get(to)?;
            if behind > *self.met.get(point)? {
                return Some((point, to));
            }
            earliest = earliest.min(behind);
        }
        *self.least.get_mut(point)? = earliest;
        None
    }
}

/// Withholds one more cell of a line that would give a cell back; false where none does or none is
/// left.
fn hide_one(
    cells: &[Vec<u64>],
    shown: &mut [Vec<Option<u64>>],
    line: &[Place],
    least: Least,
) -> bool {
    let hidden: Vec<u64> = line
        .iter()
        .filter(|at| !is_shown(shown, **at))
        .map(|at| rows_of(cells, *at))
        .collect();
    let sum: u64 = hidden.iter().sum();
    // Of the empty ones the reader may know that they are.
    let filled = hidden.iter().filter(|rows| **rows > 0).count() as u64;
    let open = sum >= least.cell && sum > filled * least.sites;
    if hidden.is_empty() || hidden.len() > 1 && open {
        return false;
    }
    hide_next(cells, shown, line)
}

fn rows_of(cells: &[Vec<u64>], at: Place) -> u64 {
    // A shorter row ends in cells of nobody.
    let cell = cells.get(at.0).and_then(|row| row.get(at.1));
    cell.map_or(0, |rows| *rows)
}

fn is_shown(shown: &[Vec<Option<u64>>], at: Place) -> bool {
    let cell = shown.get(at.0).and_then(|row| row.get(at.1));
    cell.is_some_and(Option::is_some)
}

fn hide(shown: &mut [Vec<Option<u64>>], at: Place) {
    if let Some(cell) = shown.get_mut(at.0).and_then(|row| row.get_mut(at.1)) {
        *cell = None;
    }
}

/// Withholds the smallest cell of these with rows, else an empty one; the first of equals.
fn hide_next(cells: &[Vec<u64>], shown: &mut [Vec<Option<u64>>], of: &[Place]) -> bool {
    let next = of
        .iter()
        .filter(|at| is_shown(shown, **at))
        .min_by_key(|at| (rows_of(cells, **at) == 0, rows_of(cells, **at)))
        .copied();
    if let Some(at) = next {
        hide(shown, at);
    }
    next.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Least = Least { cell: 5, sites: 3 };

    #[test]
    fn a_total_gives_no_withheld_cell_back() {
        assert_eq!(line(&[10, 20, 0], FIVE), [Some(10), Some(20), Some(0)]);
        assert_eq!(line(&[10, 3, 20], FIVE), [None, None, Some(20)]);
        // 1 + 2 = 3: both would be known to be 1 or 2
        assert_eq!(line(&[10, 1, 2, 30], FIVE), [None, None, None, Some(30)]);
        assert_eq!(
            line(&[0, 3], FIVE),
            [None, None],
            "only an empty cell is left to hide behind"
        );
        // 3 + 3 = 6: as no cell is of fewer than three sites, each would be known
        let shown = [None, None, None, Some(100)];
        assert_eq!(line(&[3, 3, 60, 100], FIVE), shown);
        let two_alike = Least { cell: 5, sites: 2 };
        assert_eq!(line(&[3, 3, 60], two_alike), [None, None, Some(60)]);
        let columns = vec![vec![3, 90], vec![3, 90], vec![60, 90]];
        let shown = table(&columns, (&[], &[]), FIVE);
        assert!(shown.iter().all(|row| row[0].is_none()), "{shown:?}");
        assert_eq!(line(&[3, 9], Least { cell: 1, ..FIVE }), [Some(3), Some(9)]);
    }

    #[test]
    fn in_a_table_neither_rows_nor_columns_give_a_cell_back() {
        let cells = vec![vec![3, 20, 30], vec![40, 50, 60], vec![70, 80, 90]];
        let shown = table(&cells, (&[], &[]), FIVE);
        assert_eq!(shown[0], [None, None, Some(30)]);
        assert_eq!(shown[1], [None, None, Some(60)]);
        assert_eq!(shown[2], [Some(70), Some(80), Some(90)]);
    }

    #[test]
    fn totals_of_several_rows_less_those_of_several_columns_leave_no_withheld_cell() {
        // Two withheld cells in every row and column; those of the first two rows less those of the
        // first two columns are the third cell of the second row.
        let cells = vec![
            vec![2, 3, 60, 60],
            vec![3, 2, 4, 60],
            vec![60, 60, 2, 3],
            vec![60, 60, 3, 2],
        ];
        let shown = table(&cells, (&[], &[]), Least { sites: 1, ..FIVE });
        assert_eq!(bridge(&shown, 4), None);
        assert_eq!((shown[0][0], shown[1][2]), (None, None));
        let told = shown.iter().flatten().filter(|cell| cell.is_some());
        assert_eq!(told.count(), 6, "one cell more is enough: {shown:?}");
        // A cell is fixed where no way around it joins its row and its column.
        let hidden = |rows: [[bool; 3]; 3]| -> Vec<Vec<Option<u64>>> {
            rows.map(|row| row.map(|hidden| (!hidden).then_some(9)).to_vec())
                .to_vec()
        };
        let ring = [[true, true, false], [true, true, false], [false; 3]];
        assert_eq!(bridge(&hidden(ring), 3), None);
        let tail = [[true, true, false], [true, true, true], [false; 3]];
        assert_eq!(bridge(&hidden(tail), 3), Some((1, 2)));
        let around = [
            [true, true, false],
            [false, true, true],
            [true, false, true],
        ];
        assert_eq!(bridge(&hidden(around), 3), None);
    }

    /// Whether the totals of rows and columns fix a cell among those that are withheld: whether its
    /// unit vector is a sum of their equations, by elimination.
    fn solved(shown: &[Vec<Option<u64>>], cell: Place) -> bool {
        let rows = shown.len();
        let hidden: Vec<Place> = (0..rows)
            .flat_map(|row| (0..shown[row].len()).map(move |column| (row, column)))
            .filter(|at| shown[at.0][at.1].is_none())
            .collect();
        let equation = |line: usize| -> Vec<f64> {
            let on = |at: &Place| at.0 == line || at.1 + rows == line;
            hidden
                .iter()
                .map(|at| f64::from(u8::from(on(at))))
                .collect()
        };
        let rank = |mut lines: Vec<Vec<f64>>| {
            let mut rank = 0;
            for column in 0..hidden.len() {
                let Some(pivot) = (rank..lines.len()).find(|at| lines[*at][column].abs() > 1e-9)
                else {
                    continue;
                };
                lines.swap(rank, pivot);
                let own = lines[rank].clone();
                for line in &mut lines[rank + 1..] {
                    let part = line[column] / own[column];
                    line.iter_mut().zip(&own).for_each(|(x, y)| *x -= part * y);
                }
                rank += 1;
            }
            rank
        };
        let mut lines: Vec<Vec<f64>> = (0..rows + shown[0].len()).map(equation).collect();
        let before = rank(lines.clone());
        lines.push(
            hidden
                .iter()
                .map(|at| f64::from(u8::from(*at == cell)))
                .collect(),
        );
        rank(lines) == before
    }

    #[test]
    fn no_withheld_cell_of_a_table_is_a_sum_of_its_totals() {
        let mut die = 7_u64;
        for _ in 0..300 {
            let mut cells = vec![vec![0; 5]; 4];
            for cell in cells.iter_mut().flatten() {
                die = die.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *cell = if die >> 61 < 2 {
                    die >> 33 & 3
                } else {
                    20 + (die >> 40 & 63)
                };
            }
            let shown = table(&cells, (&[], &[]), FIVE);
            for (row, column) in (0..4).flat_map(|row| (0..5).map(move |column| (row, column))) {
                let hidden = shown[row][column].is_none();
                assert!(
                    !hidden || !solved(&shown, (row, column)),
                    "{cells:?} {shown:?}"
                );
            }
        }
    }

    #[test]
    fn cells_beside_a_withheld_level_are_hidden_until_they_are_enough_together() {
        let hidden = [true, true, false];
        assert_eq!(beside(&[3, 10, 8], &hidden, FIVE), [None, None, Some(8)]);
        assert_eq!(beside(&[1, 2, 8], &hidden, FIVE), [None; 3]);
        let cells = [vec![20, 30], vec![40, 50], vec![60, 70]];
        assert_eq!(
            table(&cells, (&hidden, &[]), FIVE),
            [[None, None], [None, None], [Some(60), Some(70)]]
        );
    }
}
