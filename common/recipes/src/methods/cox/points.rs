//! The grid points at which events happen: nothing else of the times enters a partial likelihood.

use crate::followup::Follow;
use motet_secagg::canonical;
use std::ops::Range;

canonical! {
    /// Events at one grid point of one stratum.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct EventPoint {
        /// The stratum.
        pub stratum: u32,
        /// The grid point.
        pub cell: u32,
        /// How many, at least one.
        pub events: u64,
        /// Sums of hazards of its risk set travel times this power of two: see `risk`.
        pub scale: f64,
    }
}

canonical! {
    /// How events at the same time are treated.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Ties {
        /// Efron's approximation: R's default, and the closer one.
        1 => Efron,
        /// Breslow's approximation: each of the tied events counts with the whole risk set.
        2 => Breslow,
    }
}

impl Ties {
    /// The place of each point among those whose tied events need sums of their own.
    pub(super) fn slots(self, points: &[EventPoint]) -> Vec<Option<usize>> {
        let mut next = 0..;
        points
            .iter()
            .map(|point| {
                (self == Self::Efron && point.events > 1)
                    .then(|| next.next())
                    .flatten()
            })
            .collect()
    }
}

/// The first scale, at coefficients of zero, where each hazard is 1: limbs then keep 2^-60 of them.
const FIRST_SCALE: f64 = 1_048_576.0; // 2^20

/// Event points from the counts of all strata, one after the other.
pub(super) fn points(counts: &[u64], cells: usize) -> Vec<EventPoint> {
    counts
        .chunks(cells.max(1))
        .enumerate()
        .flat_map(|(stratum, counts)| {
            let counts = counts.to_vec();
            counts
                .into_iter()
                .enumerate()
                .filter(|(_, events)| *events > 0)
                .map(move |(cell, events)| EventPoint {
                    stratum: stratum as u32,
                    cell: cell as u32,
                    events,
                    scale: FIRST_SCALE,
                })
        })
        .collect()
}

/// Events of a site's rows at each grid point of each stratum.
pub(super) fn events(follow: &[Follow], strata: usize, cells: usize) -> Vec<u64> {
    let mut counts = vec![0; strata * cells];
    for row in follow.iter().filter(|row| row.event) {
        let at = row.group as usize * cells + row.cell as usize;
        counts.get_mut(at).into_iter().for_each(|count| *count += 1);
    }
    counts
}

/// The points at which a row is at risk: those of its stratum up to its own time.
pub(super) fn reach(points: &[EventPoint], row: &Follow) -> Range<usize> {
    let from = points.partition_point(|point| point.stratum < row.group);
    let to = points.partition_point(|point| (point.stratum, point.cell) <= (row.group, row.cell));
    from..to.max(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_at_risk_in_their_stratum_up_to_their_time() {
        let found = points(&[0, 2, 0, 1, 3, 0, 0, 0], 4);
        let point = |stratum, cell, events| EventPoint {
            stratum,
            cell,
            events,
            scale: FIRST_SCALE,
        };
        assert_eq!(found, [point(0, 1, 2), point(0, 3, 1), point(1, 0, 3)]);
        let at = |group, cell| {
            reach(
                &found,
                &Follow {
                    group,
                    cell,
                    event: false,
                },
            )
        };
        assert_eq!(
            (at(0, 0), at(0, 1), at(0, 2), at(0, 3), at(1, 0)),
            (0..0, 0..1, 0..1, 0..2, 2..3)
        );
        assert_eq!(Ties::Efron.slots(&found), [Some(0), None, Some(1)]);
        assert_eq!(Ties::Breslow.slots(&found), [None; 3]);
        let row = |group, cell, event| Follow { group, cell, event };
        let rows = [
            row(0, 1, true),
            row(0, 1, true),
            row(0, 3, true),
            row(0, 3, false),
            row(1, 0, true),
        ];
        assert_eq!(events(&rows, 2, 4), [0, 2, 0, 1, 1, 0, 0, 0]);
    }
}
