//! Counting in intervals that grow narrower from round to round: how quantiles, extremes and the
//! candidate splits of trees are found without a site naming a value. An interval (window) is
//! public; the sites count their rows in its [`PARTS`] equal parts, and the sum says which part to
//! look into next.
//!
//! A part holds its lower edge and not its upper one; the last part of a scale holds its upper edge
//! too. Counts are whole numbers, so what is found does not depend on how rows lie at sites.

use crate::moments::counts;
use motet_secagg::layout::{Block, Layout, Ring};
use ndarray::ArrayView1;

/// Parts of a window: a power of two, so that edges of equal windows are equal numbers.
pub(crate) const PARTS: usize = 32;

/// The lower edge of a part; that of part [`PARTS`] is the window's upper edge.
pub(crate) fn edge(low: f64, high: f64, part: usize) -> f64 {
    if part >= PARTS {
        high
    } else {
        low + (high - low) * (part as f64 / PARTS as f64)
    }
}

/// Whether no number lies between the first two edges: the window is as narrow as numbers are.
pub(crate) fn spent(low: f64, high: f64) -> bool {
    edge(low, high, 1) <= low || edge(low, high, PARTS - 1) >= high
}

/// The bin of `x` among rising edges: 0 below the first, then the bins, and one more above the last
/// edge.
pub(crate) fn place(edges: &[f64], x: f64) -> usize {
    match edges.last() {
        Some(last) if x == *last => edges.len() - 1,
        _ => edges.partition_point(|edge| *edge <= x),
    }
}

/// Rows below the first edge, in each bin and above the last edge; missing values count nowhere.
pub(crate) fn histogram(values: ArrayView1<'_, f64>, edges: &[f64]) -> Vec<f64> {
    let mut cells = vec![0.0; edges.len() + 1];
    for x in values.iter().filter(|x| !x.is_nan()) {
        if let Some(cell) = cells.get_mut(place(edges, *x)) {
            *cell += 1.0;
        }
    }
    cells
}

/// Rows in every part of every window. Windows rise and do not overlap; `last` is the upper edge of
/// the scale.
pub(crate) fn tally(values: ArrayView1<'_, f64>, windows: &[(f64, f64)], last: f64) -> Vec<f64> {
    let edges: Vec<Vec<f64>> = windows
        .iter()
        .map(|(low, high)| (0..=PARTS).map(|part| edge(*low, *high, part)).collect())
        .collect();
    let mut cells = vec![0.0; windows.len() * PARTS];
    for x in values.iter().filter(|x| !x.is_nan()) {
        let Some(at) = windows.partition_point(|(low, _)| low <= x).checked_sub(1) else {
            continue;
        };
        let (Some((_, high)), Some(edges)) = (windows.get(at), edges.get(at)) else {
            continue;
        };
        if x < high || (x == high && *high == last) {
            let part = edges.partition_point(|edge| edge <= x).clamp(1, PARTS) - 1;
            if let Some(cell) = cells.get_mut(at * PARTS + part) {
                *cell += 1.0;
            }
        }
    }
    cells
}

/// A layout of `len` counts up to `rows`, in the narrowest ring that holds their sum over that many
/// sites.
pub(crate) fn counting(len: usize, sites: u32, rows: u64) -> Layout {
    let block: Block = counts(len, rows as f64);
    let rings = [
        Ring::Bits16,
        Ring::Bits20,
        Ring::Bits24,
        Ring::Bits32,
        Ring::Bits64,
    ];
    let most = u64::from(sites.max(1)).saturating_mul(rows.max(1));
    let ring = rings
        .into_iter()
        .find(|ring| most <= 1 << (ring.bits() - 2))
        .unwrap_or(Ring::Bits64);
    Layout {
        ring,
        weight_max: 1,
        blocks: vec![block],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    #[test]
    fn bins_hold_their_lower_edge_and_the_last_one_its_upper_too() {
        let edges = [0.0, 1.0, 2.0];
        assert_eq!(
            [-0.1, 0.0, 0.9, 1.0, 2.0, 2.1].map(|x| place(&edges, x)),
            [0, 1, 1, 2, 2, 3]
        );
        let values = arr1(&[-1.0, 0.0, 0.5, 1.0, 2.0, 3.0, f64::NAN]);
        assert_eq!(histogram(values.view(), &edges), [1.0, 2.0, 2.0, 1.0]);
    }

    #[test]
    fn every_row_of_a_window_is_in_one_part() {
        let values = arr1(&[0.0, 0.99, 1.0, 31.5, 32.0, 40.0, 64.0, 64.5, -1.0, f64::NAN]);
        let cells = tally(values.view(), &[(0.0, 32.0), (32.0, 64.0)], 64.0);
        let filled: Vec<(usize, f64)> = cells
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, count)| *count > 0.0)
            .collect();
        assert_eq!(
            filled,
            [
                (0, 2.0),
                (1, 1.0),
                (31, 1.0),
                (32, 1.0),
                (40, 1.0),
                (63, 1.0)
            ]
        );
        let cells = tally(values.view(), &[(0.0, 32.0)], 64.0);
        assert_eq!(
            cells.iter().sum::<f64>(),
            4.0,
            "32 belongs to the next window"
        );
        assert!(spent(1.0, 1.0 + f64::EPSILON) && !spent(0.0, 1.0));
    }
}
