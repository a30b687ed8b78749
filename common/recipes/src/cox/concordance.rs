//! How often, of two patients, the one with the higher score has the event first (Harrell's C; R's
//! `concordance`).
//!
//! A pair is comparable where one has the event while the other is known to be without it for
//! longer; a censoring at the very time of an event is later than it, two events at one time are
//! not comparable. Equal scores count one half. Pairs are looked for within a stratum only.
//!
//! ```text
//! one set of risk sets  -> [ censored rows | events ]  a time bin and score bin       masked histogram
//! risk sets of each site -> [ concordant, discordant, tied pairs ]                    exact: a pair never leaves its site
//! ```
//!
//! Time bins begin at event points and hold about equally many events; scores have equal bins of
//! Phi(score / spread), about equally many rows each. Pairs with the same score bin count one half,
//! and where a time bin holds several event points, pairs within it are left out:
//! [`Concordance::error_bound`] is what both can be wrong by.

use super::points::EventPoint;
use super::risk::Patients;
use crate::followup::Follow;
use motet_secagg::canonical;

/// Bins of the score.
const SCORES: usize = 100;
/// Time bins of all strata together, and of each where that leaves too few.
const TIMES: usize = 100;
const LEAST_TIMES: usize = 20;

canonical! {
    /// Pairs of patients.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Pairs {
        /// The higher score had the event first.
        pub concordant: f64,
        /// The lower score had it first.
        pub discordant: f64,
        /// The scores are equal, or share a bin.
        pub tied: f64,
        /// It is not known which had it first.
        pub undecided: f64,
    }
}

/// Discrimination of the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Concordance {
    /// Share of comparable pairs in which the higher score has the event first; 0.5 is chance.
    pub index: f64,
    /// The index of the unbinned scores and times differs from it by no more than this.
    pub error_bound: f64,
}

/// The time bin of each event point, counting on from stratum to stratum.
pub(super) fn time_bins(points: &[EventPoint], strata: usize) -> Vec<usize> {
    let most = (TIMES / strata.max(1)).max(LEAST_TIMES);
    let mut bins = Vec::with_capacity(points.len());
    let mut next = 0;
    for stratum in points.chunk_by(|a, b| a.stratum == b.stratum) {
        let total: u64 = stratum.iter().map(|point| point.events).sum();
        let (mut before, mut last) = (0, None);
        for (at, point) in stratum.iter().enumerate() {
            // Few points have a bin each; many share one until their events fill it.
            let part = if stratum.len() <= most {
                at as u64
            } else {
                before * most as u64 / total.max(1)
            };
            if last != Some(part) {
                (last, next) = (Some(part), next + 1);
            }
            bins.push(next - 1);
            before += point.events;
        }
    }
    bins
}

/// Elements of the histogram.
pub(super) fn elements(points: &[EventPoint], strata: usize) -> usize {
    2 * SCORES * time_bins(points, strata).last().map_or(0, |last| last + 1)
}

fn score_bin(score: f64, spread: f64) -> usize {
    let p = 0.5 * libm::erfc(-score / spread / std::f64::consts::SQRT_2);
    ((p * SCORES as f64) as usize).min(SCORES - 1)
}

/// A site's rows in the histogram; rows that leave before the first event are in no pair.
pub(super) fn histogram(
    patients: &Patients<'_>,
    beta: &[f64],
    spread: f64,
    strata: usize,
) -> Vec<f64> {
    let bins = time_bins(patients.points, strata);
    let mut cells = vec![0.0; elements(patients.points, strata)];
    patients.each(beta, |_, score, follow, at_risk| {
        if let Some(bin) = at_risk.last().and_then(|last| bins.get(last)) {
            let at = (2 * bin + usize::from(follow.event)) * SCORES + score_bin(score, spread);
            cells
                .get_mut(at)
                .into_iter()
                .for_each(|count| *count += 1.0);
        }
    });
    cells
}

impl Pairs {
    /// Counts the pairs of the summed histogram.
    pub(super) fn of(histogram: &[u64], points: &[EventPoint], strata: usize) -> Self {
        let bins = time_bins(points, strata);
        let mut pairs = Self::default();
        let mut later = vec![0.0; SCORES];
        let mut stratum = None;
        let cells: Vec<&[u64]> = histogram.chunks_exact(SCORES).collect();
        for (bin, cell) in cells.chunks_exact(2).enumerate().rev() {
            let mut held = points
                .iter()
                .zip(&bins)
                .filter(|(_, at)| **at == bin)
                .map(|(point, _)| point.stratum);
            let (first, alone) = (held.next(), held.next().is_none());
            if first != stratum {
                later.fill(0.0);
                stratum = first;
            }
            let [censored, events] = cell else { continue };
            if alone {
                add(&mut later, censored);
                pairs.count(events, &later);
            } else {
                pairs.count(events, &later);
                add(&mut later, censored);
                let [e, c] = [events, censored].map(|counts| counts.iter().sum::<u64>() as f64);
                pairs.undecided += 0.5 * e * (e - 1.0) + e * c;
            }
            add(&mut later, events);
        }
        pairs
    }

    /// Events of one bin against all that are later, by score.
    fn count(&mut self, events: &[u64], later: &[f64]) {
        let (mut below, all) = (0.0, later.iter().sum::<f64>());
        for (events, later) in events.iter().zip(later) {
            let events = *events as f64;
            self.concordant += events * below;
            self.tied += events * later;
            below += later;
            self.discordant += events * (all - below);
        }
    }

    /// Every pair of one site's rows, by a tree of counts over the ranks of their scores.
    pub(super) fn exact(rows: &[(f64, Follow)]) -> Self {
        let mut scores: Vec<f64> = rows.iter().map(|(score, _)| *score).collect();
        scores.sort_by(f64::total_cmp);
        scores.dedup();
        let mut rows: Vec<(usize, Follow)> = rows
            .iter()
            .map(|(score, follow)| {
                (
                    scores.partition_point(|other| other.total_cmp(score).is_lt()),
                    *follow,
                )
            })
            .collect();
        // The latest first, and at one time the censored before the events.
        rows.sort_by_key(|(_, follow)| std::cmp::Reverse((follow.cell, !follow.event)));
        let mut later = Tree(vec![0; scores.len() + 1]);
        let (mut pairs, mut seen) = (Self::default(), 0);
        for group in rows.chunk_by(|(_, a), (_, b)| (a.cell, a.event) == (b.cell, b.event)) {
            for (rank, _) in group.iter().filter(|(_, follow)| follow.event) {
                let (below, upto) = (later.below(*rank), later.below(rank + 1));
                pairs.concordant += below as f64;
                pairs.tied += (upto - below) as f64;
                pairs.discordant += (seen - upto) as f64;
            }
            group.iter().for_each(|(rank, _)| later.add(*rank));
            seen += group.len() as u64;
        }
        pairs
    }

    /// The index; without a comparable pair nothing is known: 0.5, give or take 0.5.
    pub(super) fn concordance(&self) -> Concordance {
        let comparable = self.concordant + self.discordant + self.tied;
        if comparable <= 0.0 {
            return Concordance {
                index: 0.5,
                error_bound: 0.5,
            };
        }
        let index = (self.concordant + 0.5 * self.tied) / comparable;
        let all = comparable + self.undecided;
        let (low, high) = (
            self.concordant / all,
            (self.concordant + self.tied + self.undecided) / all,
        );
        Concordance {
            index,
            error_bound: (index - low).max(high - index),
        }
    }

    /// The index of pairs whose scores are compared unbinned.
    pub(super) fn unbinned(&self) -> Concordance {
        Concordance {
            error_bound: 0.0,
            ..self.concordance()
        }
    }
}

fn add(sums: &mut [f64], counts: &[u64]) {
    sums.iter_mut()
        .zip(counts)
        .for_each(|(sum, count)| *sum += *count as f64);
}

/// Counts by rank, with sums over all lower ranks in logarithmic time (Fenwick 1994).
struct Tree(Vec<u64>);

impl Tree {
    fn add(&mut self, rank: usize) {
        let mut at = rank + 1;
        while let Some(count) = self.0.get_mut(at) {
            *count += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn below(&self, rank: usize) -> u64 {
        let (mut at, mut sum) = (rank, 0);
        while at > 0 {
            sum += self.0.get(at).copied().unwrap_or_default();
            at &= at - 1;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_pairs_are_those_of_all_against_all() {
        let rows: Vec<(f64, Follow)> = (0_u32..60)
            .map(|at| {
                let score = f64::from(at * 37 % 23);
                (
                    score,
                    Follow {
                        group: 0,
                        cell: at * 53 % 31,
                        event: at % 3 == 0,
                    },
                )
            })
            .collect();
        let mut want = Pairs::default();
        for (score, a) in rows.iter().filter(|(_, a)| a.event) {
            for (other, b) in &rows {
                if b.cell > a.cell || b.cell == a.cell && !b.event {
                    want.concordant += f64::from(u8::from(score > other));
                    want.discordant += f64::from(u8::from(score < other));
                    want.tied += f64::from(u8::from(score == other));
                }
            }
        }
        assert_eq!(Pairs::exact(&rows), want);
        assert_eq!(
            Pairs::exact(&[]).concordance(),
            Concordance {
                index: 0.5,
                error_bound: 0.5
            }
        );
    }

    #[test]
    fn bins_of_one_point_each_lose_no_pair() {
        let points: Vec<EventPoint> = [2, 5, 9]
            .map(|cell| EventPoint {
                stratum: 0,
                cell,
                events: 1,
                scale: 1.0,
            })
            .to_vec();
        let rows: Vec<(f64, Follow)> = (0_u32..80)
            .map(|at| {
                let cell = at * 53 % 13;
                let event = [2, 5, 9].contains(&cell) && at % 4 != 0;
                (
                    f64::from(at * 37 % 23),
                    Follow {
                        group: 0,
                        cell,
                        event,
                    },
                )
            })
            .collect();
        let mut histogram = vec![0; elements(&points, 1)];
        for (score, follow) in &rows {
            if let Some(bin) = points.iter().rposition(|point| point.cell <= follow.cell) {
                histogram[(2 * bin + usize::from(follow.event)) * SCORES + *score as usize] += 1;
            }
        }
        assert_eq!(Pairs::of(&histogram, &points, 1), Pairs::exact(&rows));
        // Held in one bin, pairs are undecided and no number is made of them.
        let crowd: Vec<EventPoint> = (0..300)
            .map(|cell| EventPoint {
                stratum: 0,
                cell,
                events: 1,
                scale: 1.0,
            })
            .collect();
        let mut histogram = vec![0; elements(&crowd, 1)];
        (histogram[3], histogram[SCORES + 1], histogram[SCORES + 9]) = (1, 2, 1);
        let pairs = Pairs::of(&histogram, &crowd, 1);
        assert_eq!(
            pairs,
            Pairs {
                undecided: 3.0 + 3.0,
                ..Pairs::default()
            }
        );
    }

    #[test]
    fn time_bins_are_the_points_themselves_while_there_are_few() {
        let point = |stratum, cell, events| EventPoint {
            stratum,
            cell,
            events,
            scale: 1.0,
        };
        let few: Vec<EventPoint> = vec![point(0, 1, 5), point(0, 7, 1), point(2, 0, 1)];
        assert_eq!(time_bins(&few, 3), [0, 1, 2]);
        let many: Vec<EventPoint> = (0..250).map(|cell| point(0, cell, 1)).collect();
        let bins = time_bins(&many, 1);
        assert_eq!((bins[0], bins[2], bins[3], bins[249]), (0, 0, 1, 99));
    }
}
