//! The candidate splits of every column: about `bins` bins of about equally many rows, from counts
//! alone and without bounds that a study would have to know. The first round counts rows between
//! powers of two; further rounds look into the cells that hold more than a bin's share (see
//! [`crate::windows`]). Cells are counts of whole rows, so the edges do not depend on how rows lie
//! at sites.
//!
//! ```text
//! cells  -> [ missing, rows below -2^40, .. , -2^-20, 0, 2^-20, .. , 2^40 and above ] a column
//! refine -> [ rows in each part of a heavy cell ]                                       twice at most
//! ```

use crate::error::RecipeError;
use crate::rows::Values;
use crate::windows::{PARTS, edge, histogram, spent, tally};
use motet_secagg::canonical;
use ndarray::ArrayView1;

/// The powers of two that bound the first cells: medical units lie between a millionth and a
/// million millions.
const EXPONENTS: std::ops::RangeInclusive<i32> = -20..=40;
/// Rounds of refinement: 1024 cells between 64 and 128.
const REFINEMENTS: u32 = 2;

canonical! {
    /// How the values of a column are binned.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Bins {
        /// Rising edges; values below the first are bin 0.
        pub edges: Vec<f64>,
        /// Whether rows of the first round miss it: then a last bin holds those.
        pub missing: bool,
    }
}

canonical! {
    /// An interval with rows in it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Cell {
        /// Its lower edge, which it holds.
        pub low: f64,
        /// Its upper edge, which it does not.
        pub high: f64,
        /// Rows.
        pub rows: u64,
    }
}

canonical! {
    /// The search for edges.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Search {
        /// Cells of each column that hold rows, rising.
        pub cells: Vec<Vec<Cell>>,
        /// Rows that miss each column.
        pub missing: Vec<u64>,
        /// Refinements so far.
        pub refined: u32,
    }
}

/// The edges of the first cells.
pub(crate) fn powers() -> Vec<f64> {
    let up = EXPONENTS.map(|exponent| libm::scalbn(1.0, exponent));
    up.clone()
        .rev()
        .map(|edge| -edge)
        .chain([0.0])
        .chain(up)
        .collect()
}

/// Counts a column in the first round.
pub(crate) fn first_cells() -> usize {
    powers().len() + 2
}

pub(crate) fn answer_cells(values: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut cells = vec![values.iter().filter(|x| x.is_nan()).count() as f64];
    // No value lies on the closed last edge but 2^40 itself, which the site refuses.
    cells.extend(histogram(values, &powers()));
    cells
}

/// Reads the first round of one column: missing rows, and the cells in use.
pub(crate) fn absorb_cells(values: &mut Values<'_>) -> Result<(u64, Vec<Cell>), RecipeError> {
    let missing = values.count("rows in cells")?;
    let counts = values.counts(first_cells() - 1, "rows in cells")?;
    let powers = powers();
    let lows = std::iter::once(f64::NEG_INFINITY).chain(powers.iter().copied());
    let highs = powers.iter().copied().chain([f64::INFINITY]);
    let cells = lows.zip(highs).zip(&counts).filter(|(_, rows)| **rows > 0);
    let cells = cells.map(|((low, high), rows)| Cell {
        low,
        high,
        rows: *rows,
    });
    Ok((missing, cells.collect()))
}

impl Search {
    /// Cells of a column to look into: those with more than a bin's share.
    fn heavy(&self, column: usize, bins: u32) -> Vec<(f64, f64)> {
        let Some(cells) = self.cells.get(column) else {
            return Vec::new();
        };
        let all: u64 = cells.iter().map(|cell| cell.rows).sum();
        cells
            .iter()
            .filter(|cell| {
                let finite = cell.low.is_finite() && cell.high.is_finite();
                finite && cell.rows * u64::from(bins) > all && !spent(cell.low, cell.high)
            })
            .map(|cell| (cell.low, cell.high))
            .collect()
    }

    /// Counts of the next round; 0 when the search is over.
    pub(crate) fn words(&self, bins: u32) -> usize {
        if self.refined >= REFINEMENTS {
            return 0;
        }
        (0..self.cells.len())
            .map(|column| self.heavy(column, bins).len() * PARTS)
            .sum()
    }

    pub(crate) fn answer(&self, column: usize, bins: u32, values: ArrayView1<'_, f64>) -> Vec<f64> {
        tally(values, &self.heavy(column, bins), f64::INFINITY)
    }

    pub(crate) fn absorb(&self, bins: u32, values: &mut Values<'_>) -> Result<Self, RecipeError> {
        const WHAT: &str = "rows in parts of a cell";
        let mut next = Self {
            refined: self.refined + 1,
            missing: self.missing.clone(),
            cells: Vec::new(),
        };
        for (column, cells) in self.cells.iter().enumerate() {
            let heavy = self.heavy(column, bins);
            let mut finer = Vec::with_capacity(cells.len());
            for cell in cells {
                if !heavy.contains(&(cell.low, cell.high)) {
                    finer.push(cell.clone());
                    continue;
                }
                let parts = values.counts(PARTS, WHAT)?;
                if parts.iter().sum::<u64>() != cell.rows {
                    return Err(RecipeError::Implausible { what: WHAT });
                }
                finer.extend(parts.iter().enumerate().filter(|(_, rows)| **rows > 0).map(
                    |(at, rows)| Cell {
                        low: edge(cell.low, cell.high, at),
                        high: edge(cell.low, cell.high, at + 1),
                        rows: *rows,
                    },
                ));
            }
            next.cells.push(finer);
        }
        Ok(next)
    }

    /// The edges: before every cell where there are few, else where a bin has its share or a heavy
    /// cell begins.
    pub(crate) fn bins(&self, bins: u32) -> Vec<Bins> {
        self.cells
            .iter()
            .zip(&self.missing)
            .map(|(cells, missing)| Bins {
                edges: edges(cells, bins),
                missing: *missing > 0,
            })
            .collect()
    }
}

/// The edges of so many bins, or about as many.
fn edges(cells: &[Cell], bins: u32) -> Vec<f64> {
    let all: u64 = cells.iter().map(|cell| cell.rows).sum();
    let mut edges = Vec::new();
    let mut rows = 0;
    for cell in cells {
        let is_full = [rows, cell.rows]
            .into_iter()
            .any(|rows| rows * u64::from(bins) >= all);
        if rows > 0 && (cells.len() <= bins as usize || is_full) {
            edges.push(cell.low);
            rows = 0;
        }
        rows += cell.rows;
    }
    edges
}

impl Bins {
    /// Whether there is more than one bin to split between.
    pub(crate) fn vary(&self) -> bool {
        !self.edges.is_empty()
    }
    /// Bins of the column, that of missing values included.
    pub(crate) fn len(&self) -> usize {
        self.edges.len() + 1 + usize::from(self.missing)
    }

    /// The bin of a value. Where no row was missing at first, a missing value counts in the first
    /// bin.
    pub(crate) fn place(&self, x: f64) -> usize {
        match (x.is_nan(), self.missing) {
            (true, true) => self.edges.len() + 1,
            (true, false) => 0,
            (false, _) => self.edges.partition_point(|edge| *edge <= x),
        }
    }
}
