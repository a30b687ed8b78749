//! What the further options of a summary have found so far, and what they ask for in each round.
//!
//! ```text
//! sums   -> [ .. | rows below, in each bin and above, of every column with edges | by group ]
//! spread -> [ .. | by group ]
//! refine -> [ rows in parts of windows ]           until every quantile and extreme is known well enough
//! ```

use super::details::Details;
use super::groups::{self, Groups, Table};
use super::quantile::{self, Quantile, Steps, Target};
use crate::error::{MOST_ROWS, RecipeError};
use crate::moments::counts;
use crate::rows::{Rows, Values};
use crate::squares::{self, Squares, Units};
use crate::windows::{counting, histogram};
use motet_secagg::canonical;
use motet_secagg::layout::{Block, Layout};

canonical! {
    /// Histograms, order statistics and groups, as far as they are known.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Found {
        /// Rows below the edges, in each bin and above, of every column; empty for a column without
        /// edges.
        pub histograms: Vec<Vec<u64>>,
        /// Order statistics around the quantiles.
        pub targets: Vec<Target>,
        /// The table by group.
        pub groups: Option<Groups>,
    }
}

/// The distribution of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// The column.
    pub name: String,
    /// Edges of its bins; a bin holds its lower edge, the last one its upper edge too.
    pub edges: Vec<f64>,
    /// Rows of each bin; none where they are withheld, and then none of any.
    pub bins: Vec<Option<u64>>,
    /// Rows below the first edge.
    pub below: Option<u64>,
    /// Rows above the last edge.
    pub above: Option<u64>,
    /// In the order of the study.
    pub quantiles: Vec<Quantile>,
    /// Smallest and largest value, if the study asks for them; the outer edges say as much as may
    /// be said otherwise.
    pub extremes: Option<(Quantile, Quantile)>,
    /// Whether quantiles and extremes are withheld.
    pub quantiles_withheld: bool,
}

impl Distribution {
    /// Below the edges, the bins, above.
    pub fn cells(&self) -> impl Iterator<Item = Option<u64>> {
        let ends = std::iter::once(self.below).chain(self.bins.iter().copied());
        ends.chain(std::iter::once(self.above))
    }

    /// Whether the histogram is withheld: all of it or nothing, for beside the others a bin follows
    /// from total, mean, variance and quantiles.
    pub fn withheld(&self) -> bool {
        self.cells().any(|rows| rows.is_none())
    }

    /// Withholds the histogram where a cell of it has fewer than `least` rows, and not none.
    pub fn withhold_below(&mut self, least: u64) {
        if self
            .cells()
            .any(|rows| rows.is_none_or(|rows| rows > 0 && rows < least))
        {
            self.withhold();
        }
    }

    /// Withholds the histogram.
    pub fn withhold(&mut self) {
        (self.below, self.above) = (None, None);
        self.bins.fill(None);
    }

    /// Withholds quantiles that few of that many values lie between.
    pub fn withhold_close(&mut self, values: u64, least: u64) {
        let asked: Vec<f64> = self.quantiles.iter().map(|of| of.probability).collect();
        if !asked.is_empty() && !quantile::apart(&asked, values, least) {
            self.quantiles.iter_mut().for_each(Quantile::withhold);
            self.quantiles_withheld = true;
        }
    }

    /// Withholds quantiles and extremes.
    pub fn withhold_quantiles(&mut self) {
        let ends = self.extremes.iter_mut().flat_map(|(low, high)| [low, high]);
        let all = self.quantiles.iter_mut().chain(ends);
        self.quantiles_withheld = all.map(Quantile::withhold).count() > 0;
    }
}

/// What a summary with details has beyond its variables.
#[derive(Debug, Clone, PartialEq)]
pub struct Detailed {
    /// Of every column with edges.
    pub distributions: Vec<Distribution>,
    /// By group.
    pub table: Option<Table>,
}

pub(crate) fn ask_sums(details: &Details) -> Vec<Block> {
    let bins = details
        .scales
        .iter()
        .filter(|scale| !scale.edges.is_empty())
        .map(|scale| scale.edges.len() + 1)
        .sum();
    let mut blocks = vec![counts(bins, MOST_ROWS)];
    if !details.levels.is_empty() {
        blocks.extend(groups::ask_sums(details));
    }
    blocks
}

pub(crate) fn answer_sums(
    details: &Details,
    columns: &[String],
    rows: &Rows<'_>,
) -> Result<Vec<f64>, RecipeError> {
    let mut values = Vec::new();
    for ((cells, scale), column) in rows
        .x
        .columns()
        .into_iter()
        .zip(&details.scales)
        .zip(columns)
    {
        if scale.category.is_some() {
            let rows = cells
                .iter()
                .filter(|x| !x.is_nan() && **x != 0.0 && **x != 1.0)
                .count();
            if rows > 0 {
                return Err(RecipeError::NotYesNo {
                    column: column.clone(),
                    rows,
                });
            }
        }
        if !scale.edges.is_empty() {
            values.extend(histogram(cells, &scale.edges));
        }
    }
    one_level(details, columns, rows)?;
    if !details.levels.is_empty() {
        values.extend(groups::answer_sums(details, rows)?);
    }
    Ok(values)
}

/// No row may have two levels of one category: then the study calls columns one category that are
/// not.
fn one_level(details: &Details, columns: &[String], rows: &Rows<'_>) -> Result<(), RecipeError> {
    let (flags, _) = details.split();
    for (at, column) in flags.iter().enumerate() {
        let earlier = flags
            .iter()
            .take(at)
            .filter(|own| details.category(**own) == details.category(*column));
        for other in earlier {
            let both = rows
                .x
                .column(*column)
                .into_iter()
                .zip(rows.x.column(*other));
            let rows = both.filter(|(a, b)| **a == 1.0 && **b == 1.0).count();
            if let (true, Some(column)) = (rows > 0, columns.get(*column)) {
                return Err(RecipeError::TwoLevels {
                    column: column.clone(),
                    rows,
                });
            }
        }
    }
    Ok(())
}

impl Found {
    pub(crate) fn absorb_sums(
        details: &Details,
        counts: &[u64],
        values: &mut Values<'_>,
    ) -> Result<Self, RecipeError> {
        const WHAT: &str = "the histogram";
        let mut histograms = Vec::with_capacity(counts.len());
        for (scale, count) in details.scales.iter().zip(counts) {
            let cells = if scale.edges.is_empty() {
                0
            } else {
                scale.edges.len() + 1
            };
            let cells = values.counts(cells, WHAT)?;
            if !cells.is_empty() && cells.iter().sum::<u64>() != *count {
                return Err(RecipeError::Implausible { what: WHAT });
            }
            histograms.push(cells);
        }
        let targets = quantile::targets(details, &histograms, counts);
        let grouped = !details.levels.is_empty();
        let groups = if grouped {
            Some(Groups::absorb_sums(details, values)?)
        } else {
            None
        };
        Ok(Self {
            histograms,
            targets,
            groups,
        })
    }

    pub(crate) fn answer_spread(
        &self,
        details: &Details,
        rows: &Rows<'_>,
    ) -> Result<Vec<f64>, RecipeError> {
        self.groups.as_ref().map_or(Ok(Vec::new()), |groups| {
            groups::answer_spread(details, groups, rows)
        })
    }

    pub(crate) fn ask_spread(&self) -> Option<Block> {
        self.groups.as_ref().map(Groups::ask_spread)
    }

    /// What a round of squares says of the groups, if there are any.
    pub(crate) fn take_spread(
        &self,
        values: &mut Values<'_>,
        sites: u32,
    ) -> Result<Option<Squares>, RecipeError> {
        self.groups
            .as_ref()
            .map(|groups| groups.take_spread(values, sites))
            .transpose()
    }

    /// Squares are asked for once more.
    pub(crate) fn again(&self, levels: Option<Squares>) -> Self {
        let mut next = self.clone();
        if let (Some(groups), Some(levels)) = (&mut next.groups, levels) {
            groups.units = levels.finer.unwrap_or(Units {
                again: true,
                ..groups.units.clone()
            });
        }
        next
    }

    /// They are known.
    pub(crate) fn spread(&self, levels: Option<Squares>) -> Self {
        let mut next = self.clone();
        if let (Some(groups), Some(levels)) = (&mut next.groups, levels) {
            groups.squares = squares::known(&levels);
            groups.means = levels.mean;
        }
        next
    }

    /// Whether a round of refinement is due.
    pub(crate) fn open(&self, details: &Details) -> bool {
        quantile::words(details, &self.targets) > 0
    }

    pub(crate) fn ask(&self, details: &Details, sites: u32, rows: u64) -> Layout {
        counting(quantile::words(details, &self.targets), sites, rows)
    }

    pub(crate) fn answer(&self, details: &Details, rows: &Rows<'_>) -> Vec<f64> {
        quantile::answer(details, &self.targets, rows.x)
    }

    pub(crate) fn absorb(
        &self,
        details: &Details,
        values: &mut Values<'_>,
    ) -> Result<Self, RecipeError> {
        Ok(Self {
            targets: quantile::absorb(details, &self.targets, values)?,
            ..self.clone()
        })
    }

    /// `blank`: the columns whose mean is withheld.
    pub(crate) fn outcome(
        &self,
        details: &Details,
        columns: &[String],
        counts: &[u64],
        blank: &[bool],
    ) -> Detailed {
        let named = (0_u32..)
            .zip(columns)
            .zip(&details.scales)
            .zip(self.histograms.iter().zip(counts));
        let least = u64::from(details.min_cell);
        let distributions = named
            .filter(|((_, scale), _)| !scale.edges.is_empty())
            .map(|(((at, name), scale), (histogram, count))| {
                let quantile = |p, beside| quantile::quantile(&self.targets, at, *count, p, beside);
                let steps = Steps {
                    edges: &scale.edges,
                    cells: histogram,
                    min_cell: least,
                };
                let quantiles = details.quantiles.iter();
                let mut cells = histogram.iter().copied().map(Some);
                let below = cells.next().flatten();
                let above = cells.next_back().flatten();
                let mut distribution = Distribution {
                    name: name.clone(),
                    edges: scale.edges.clone(),
                    bins: cells.collect(),
                    below,
                    above,
                    quantiles: quantiles.map(|p| quantile(*p, Some(&steps))).collect(),
                    extremes: details
                        .extremes
                        .then(|| (quantile(0.0, None), quantile(1.0, None))),
                    quantiles_withheld: false,
                };
                distribution.withhold_below(least);
                distribution.withhold_close(*count, least);
                distribution
            })
            .collect();
        Detailed {
            distributions,
            table: self
                .groups
                .as_ref()
                .map(|groups| groups.table(details, columns, blank)),
        }
    }
}
