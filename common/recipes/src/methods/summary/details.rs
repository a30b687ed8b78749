//! What a study may ask of a summary beyond counts, means and variances.

use super::suppress::Least;
use crate::error::{RecipeError, require};
use motet_secagg::canonical;
use std::collections::BTreeMap;

/// The most bins of a column, levels of a group and quantiles: far above what a table or picture
/// shows.
const MOST_BINS: usize = 1024;
const MOST_LEVELS: usize = 256;
const MOST_QUANTILES: usize = 99;
const MOST_CELL: u32 = 1000;

/// Probabilities are multiples of a two-hundredth (2.5 and 97.5 per cent are among them): a finer
/// one tells, where whole numbers step from one value to the next, how many patients are below.
pub(super) const STEPS: f64 = 200.0;

canonical! {
    /// How a column is described.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Scale {
        /// Rising public edges of its histogram, between which quantiles and extremes are looked
        /// for; empty for neither.
        pub edges: Vec<f64>,
        /// For a 0/1 column the number of its category: columns of the same number are its levels,
        /// and rows that have none of them its first level. A yes/no column is a category of its
        /// own. Nothing for a number.
        pub category: Option<u32>,
    }
}

canonical! {
    /// Distributions and a table by group.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Details {
        /// One for each column of the recipe.
        pub scales: Vec<Scale>,
        /// Probabilities, between 0 and 1, of the quantiles of every column with edges.
        pub quantiles: Vec<f64>,
        /// How far a quantile may be off, as a part of the range of its edges.
        pub tolerance: f64,
        /// Whether the smallest and largest value of every column with edges are looked for: each
        /// is one patient's.
        pub extremes: bool,
        /// Levels of the group, in the order of their numbers; empty for no table by group.
        pub levels: Vec<String>,
        /// Cells of the outcome that hold fewer rows are withheld, no quantile is looked for among
        /// fewer, and none is told with fewer between it and the next.
        pub min_cell: u32,
        /// Fewest sites that have a level or a cell that anybody is in: that many patients are in
        /// it at least.
        pub min_sites: u32,
    }
}

impl Scale {
    /// A number with `bins` equal bins from `low` to `high`.
    pub fn equal(low: f64, high: f64, bins: u32) -> Self {
        Self {
            edges: (0..=bins)
                .map(|at| {
                    if at == bins {
                        high
                    } else {
                        low + (high - low) * (f64::from(at) / f64::from(bins))
                    }
                })
                .collect(),
            category: None,
        }
    }

    /// A yes/no column, or a level of a category.
    pub fn level(category: u32) -> Self {
        Self {
            edges: Vec::new(),
            category: Some(category),
        }
    }
}

impl Details {
    /// No quantiles, no extremes, no groups; a tolerance of a thousandth and cells from 5.
    pub fn new(scales: Vec<Scale>) -> Self {
        Self {
            scales,
            quantiles: Vec::new(),
            tolerance: 0.001,
            extremes: false,
            levels: Vec::new(),
            min_cell: 5,
            min_sites: 3,
        }
    }

    /// What is few.
    pub(crate) fn least(&self) -> Least {
        Least {
            cell: u64::from(self.min_cell),
            sites: u64::from(self.min_sites),
        }
    }

    pub(crate) fn check(&self, columns: usize) -> Result<(), RecipeError> {
        require(
            self.scales.len() == columns,
            "scales",
            "one for each feature",
        )?;
        require(
            self.scales.iter().all(|scale| {
                let edges = &scale.edges;
                edges.len() != 1
                    && edges.len() <= MOST_BINS + 1
                    && are_finite(edges)
                    && rising(edges)
            }),
            "edges",
            "2 to 1025 rising numbers, or none",
        )?;
        let distinct = self
            .levels
            .iter()
            .collect::<std::collections::BTreeSet<_>>()
            .len();
        let levels = self.levels.len();
        let many = levels <= MOST_LEVELS && levels != 1 && distinct == levels;
        require(many, "levels", "2 to 256 different names, or none")?;
        let inside = self.quantiles.iter().all(|p| {
            (0.0..=1.0).contains(p)
                && ((p * STEPS).round() - p * STEPS).abs() < 1e-9
                && (self.extremes || *p > 0.0 && *p < 1.0)
        });
        require(
            inside && self.quantiles.len() <= MOST_QUANTILES,
            "quantiles",
            "at most 99 probabilities above 0 and below 1 (0 and 1 are the extremes), in steps of 0.005",
        )?;
        require(
            (1e-9..=0.5).contains(&self.tolerance),
            "quantile_tolerance",
            "from 0.000000001 to 0.5",
        )?;
        require(
            (1..=MOST_CELL).contains(&self.min_cell),
            "min_cell",
            "from 1 to 1000",
        )
    }

    /// Positions of the columns that are levels, and of those that are numbers.
    pub(crate) fn split(&self) -> (Vec<usize>, Vec<usize>) {
        (0..self.scales.len()).partition(|at| self.category(*at).is_some())
    }

    /// The columns of every category.
    pub(crate) fn categories(&self) -> Vec<Vec<usize>> {
        let mut columns: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, scale) in self.scales.iter().enumerate() {
            if let Some(category) = scale.category {
                columns.entry(category).or_default().push(at);
            }
        }
        columns.into_values().collect()
    }

    /// The category of a column, if it is a level.
    pub(crate) fn category(&self, column: usize) -> Option<u32> {
        self.scales.get(column).and_then(|scale| scale.category)
    }
}

/// Whether the edges are numbers, and how far they reach is one too.
fn are_finite(edges: &[f64]) -> bool {
    let range = match edges {
        [low, .., high] => high - low,
        _ => 0.0,
    };
    edges.iter().all(|edge| edge.is_finite()) && range.is_finite()
}

fn rising(edges: &[f64]) -> bool {
    edges.windows(2).all(|pair| matches!(pair, [a, b] if a < b))
}
