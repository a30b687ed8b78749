//! Quantiles and extremes from counts alone. Each is an order statistic or lies between two; the
//! state knows for each a window that holds it, and a round looks into the [`PARTS`] parts of that
//! window.
//!
//! ```text
//! refine -> [ rows in each part of window 1 | .. of window 2 | .. ]      counts; a window that several share is asked once
//! ```
//!
//! A window is narrow enough when a quantile in its middle is off by no more than the tolerance. It
//! is also left alone when it holds fewer than `min_cell` rows: a narrower one would show what
//! single patients have. The outcome says how far each quantile may be off. For extremes the search
//! goes on to 2^-36 of the range: it is meant to find one patient's value.

use super::details::{Details, STEPS};
use crate::error::RecipeError;
use crate::rows::Values;
use crate::windows::{PARTS, edge, spent, tally};
use motet_secagg::canonical;
use ndarray::ArrayView2;
use std::collections::BTreeMap;

/// What is left of the range around an extreme.
const FINE: f64 = 1.0 / 68_719_476_736.0; // 2^-36

/// What the rounds of refinement count.
pub(crate) const WHAT: &str = "rows in parts of a window";

canonical! {
    /// An order statistic and what is known of it.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Target {
        /// Its column.
        pub column: u32,
        /// Values that are smaller, in order: 0 is the smallest value.
        pub rank: u64,
        /// Whether it is an extreme that the study asks for.
        pub extreme: bool,
        /// Lower edge of the window that holds it.
        pub low: f64,
        /// Upper edge.
        pub high: f64,
        /// Values below the window.
        pub below: u64,
        /// Values in it.
        pub inside: u64,
    }
}

/// A quantile of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantile {
    /// Its probability; 0 is the smallest value and 1 the largest.
    pub probability: f64,
    /// The quantile as R's type 7 defines it: linear between the order statistics around (n - 1) p.
    /// NaN where it lies outside the edges or there are no values.
    pub estimate: f64,
    /// The exact one differs by no more.
    pub error: f64,
}

/// Whether `least` or more of that many values lie between any two neighbours of these
/// probabilities, 0 and 1 among them: closer ones, looked up, count the patients of an interval one
/// by one.
pub fn apart(probabilities: &[f64], values: u64, least: u64) -> bool {
    let whole = STEPS as u64;
    let mut steps: Vec<u64> = probabilities
        .iter()
        .map(|p| libm::round(p * STEPS).clamp(0.0, STEPS) as u64)
        .chain([0, whole])
        .collect();
    steps.sort_unstable();
    steps.dedup();
    steps
        .iter()
        .zip(steps.iter().skip(1))
        .all(|(low, high)| values.saturating_mul(high - low) >= least.saturating_mul(whole))
}

/// A histogram that is told beside quantiles.
pub(crate) struct Steps<'a> {
    pub(crate) edges: &'a [f64],
    /// Rows below, in each bin, above.
    pub(crate) cells: &'a [u64],
    pub(crate) min_cell: u64,
}

impl Steps<'_> {
    /// The interval of a quantile. Where fewer than `min_cell` patients lie between it and an edge
    /// of the histogram, the interval is the bins that hold its order statistics, and says no more
    /// than they do: how many values are below an edge is known, and beside it the other end would
    /// tell of a few patients, too.
    fn reach(&self, (from, to): (f64, f64), values: u64, probability: f64) -> (f64, f64) {
        let (low, high, _) = ranks(values, probability);
        // Values up to the quantile, it included, and from it on: it is one of both, or lies between.
        let up_to = low + 1;
        let before = high;
        let below = self.cells.iter().scan(0, |sum, cell| {
            *sum += cell;
            Some(*sum)
        });
        let few = 1..self.min_cell;
        let edges: Vec<(f64, u64)> = self.edges.iter().copied().zip(below).collect();
        let under = edges.iter().rev().find(|(_, below)| *below < up_to);
        let over = edges.iter().find(|(_, below)| *below > before);
        let (Some((first, under)), Some((last, over))) = (under, over) else {
            return (from, to);
        };
        let near_first =
            few.contains(&(up_to - under)) || few.contains(&before.saturating_sub(*under));
        let near_last = few.contains(&(over - before)) || few.contains(&over.saturating_sub(up_to));
        if near_first || near_last {
            (from.min(*first), to.max(*last))
        } else {
            (from, to)
        }
    }
}

impl Quantile {
    pub(crate) fn withhold(&mut self) {
        (self.estimate, self.error) = (f64::NAN, f64::NAN);
    }
}

/// The two order statistics around a quantile and the part of the way between them.
pub(crate) fn ranks(values: u64, probability: f64) -> (u64, u64, f64) {
    let at = values.saturating_sub(1) as f64 * probability;
    let low = libm::floor(at);
    let rest = at - low;
    (
        low as u64,
        if rest > 0.0 {
            low as u64 + 1
        } else {
            low as u64
        },
        rest,
    )
}

/// The order statistics to look for, from the histograms (below, bins, above) of all columns.
pub(crate) fn targets(details: &Details, histograms: &[Vec<u64>], counts: &[u64]) -> Vec<Target> {
    let mut targets = Vec::new();
    for ((column, scale), (histogram, values)) in (0_u32..)
        .zip(&details.scales)
        .zip(histograms.iter().zip(counts))
    {
        if scale.edges.is_empty() || *values == 0 {
            continue;
        }
        let mut wanted = BTreeMap::new();
        if details.extremes {
            wanted.insert(0, true);
            wanted.insert(values - 1, true);
        }
        for probability in &details.quantiles {
            let (low, high, _) = ranks(*values, *probability);
            wanted.entry(low).or_insert(false);
            wanted.entry(high).or_insert(false);
        }
        if let [below, bins @ ..] = histogram.as_slice() {
            targets.extend(within(column, &wanted, *below, bins, &scale.edges));
        }
    }
    targets
}

/// The targets of a column, which are wanted by their rank, in bins between these edges.
pub(crate) fn within(
    column: u32,
    wanted: &BTreeMap<u64, bool>,
    mut below: u64,
    bins: &[u64],
    edges: &[f64],
) -> Vec<Target> {
    let mut targets = Vec::new();
    for (inside, edges) in bins.iter().zip(edges.windows(2)) {
        let [low, high] = edges else { continue };
        for (rank, extreme) in wanted.range(below..below + inside) {
            let rank = *rank;
            let extreme = *extreme;
            let low = *low;
            let high = *high;
            let inside = *inside;
            targets.push(Target {
                column,
                rank,
                extreme,
                low,
                high,
                below,
                inside,
            });
        }
        below += inside;
    }
    targets
}

fn range(details: &Details, column: u32) -> (f64, f64) {
    let scale = details.scales.get(column as usize);
    match scale.map(|scale| scale.edges.as_slice()) {
        Some([low, .., high]) => (*low, *high),
        // Without edges nothing is looked for.
        _ => (0.0, 0.0),
    }
}

impl Target {
    fn open(&self, details: &Details) -> bool {
        let (low, high) = range(details, self.column);
        // An extreme is one patient's, however few lie about it.
        let (part, least) = if self.extreme {
            (FINE, 0)
        } else {
            (2.0 * details.tolerance, u64::from(details.min_cell))
        };
        let is_wide = self.high - self.low > part * (high - low);
        is_wide && self.inside >= least && !spent(self.low, self.high)
    }

    /// In the part of its window that holds it; `cells` are the rows of the parts, [`PARTS`] or a
    /// half, a quarter .. of it.
    pub(crate) fn narrowed(&self, cells: &[u64]) -> Result<Self, RecipeError> {
        if cells.iter().sum::<u64>() != self.inside {
            return Err(RecipeError::Implausible { what: WHAT });
        }
        let wide = PARTS / cells.len().max(1);
        let mut below = self.below;
        for (part, inside) in cells.iter().enumerate() {
            if self.rank < below + inside {
                let low = edge(self.low, self.high, part * wide);
                let high = edge(self.low, self.high, (part + 1) * wide);
                return Ok(Self {
                    low,
                    high,
                    below,
                    inside: *inside,
                    ..self.clone()
                });
            }
            below += inside;
        }
        Err(RecipeError::Implausible { what: WHAT })
    }
}

/// The windows of the next round, each once: (column, low, high), rising.
fn windows(details: &Details, targets: &[Target]) -> Vec<(u32, f64, f64)> {
    let mut windows: Vec<_> = targets
        .iter()
        .filter(|target| target.open(details))
        .map(|target| (target.column, target.low, target.high))
        .collect();
    windows.dedup();
    windows
}

/// Counts of the next round; 0 when nothing is left to look for.
pub(crate) fn words(details: &Details, targets: &[Target]) -> usize {
    windows(details, targets).len() * PARTS
}

pub(crate) fn answer(details: &Details, targets: &[Target], x: ArrayView2<'_, f64>) -> Vec<f64> {
    let windows = windows(details, targets);
    let mut values = Vec::new();
    for (column, cells) in (0_u32..).zip(x.columns()) {
        let of_column: Vec<(f64, f64)> = windows
            .iter()
            .filter(|window| window.0 == column)
            .map(|(_, low, high)| (*low, *high))
            .collect();
        if !of_column.is_empty() {
            values.extend(tally(cells, &of_column, range(details, column).1));
        }
    }
    values
}

/// Every target moves into the part that holds it.
pub(crate) fn absorb(
    details: &Details,
    targets: &[Target],
    values: &mut Values<'_>,
) -> Result<Vec<Target>, RecipeError> {
    let mut next = targets.to_vec();
    for window in windows(details, targets) {
        let cells = values.counts(PARTS, WHAT)?;
        for target in next.iter_mut().filter(|target| {
            target.open(details) && (target.column, target.low, target.high) == window
        }) {
            *target = target.narrowed(&cells)?;
        }
    }
    Ok(next)
}

/// The interval that holds a quantile of a column of that many values.
pub(crate) fn interval(
    targets: &[Target],
    column: u32,
    values: u64,
    probability: f64,
) -> Option<(f64, f64)> {
    let (low, high, part) = ranks(values, probability);
    let mut of_column = targets.iter().filter(|target| target.column == column);
    let below = of_column.clone().find(|target| target.rank == low)?;
    let above = of_column.find(|target| target.rank == high)?;
    let low = below.low + (above.low - below.low) * part;
    let high = below.high + (above.high - below.high) * part;
    (values > 0).then_some((low, high))
}

/// The quantile of a column of so many values, as far as it may be told beside a histogram.
pub(crate) fn quantile(
    targets: &[Target],
    column: u32,
    values: u64,
    probability: f64,
    beside: Option<&Steps<'_>>,
) -> Quantile {
    let (estimate, error) = match interval(targets, column, values, probability) {
        Some(interval) => {
            let (from, to) =
                beside.map_or(interval, |steps| steps.reach(interval, values, probability));
            // The last term is what the rounding of the edges can make.
            (
                from + (to - from) / 2.0,
                (to - from) / 2.0 + f64::EPSILON * (from.abs() + to.abs()),
            )
        }
        _ => (f64::NAN, f64::NAN),
    };
    Quantile {
        probability,
        estimate,
        error,
    }
}
