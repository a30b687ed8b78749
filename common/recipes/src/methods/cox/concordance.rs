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
//!
//! **Equal scores** count one half and are in no doubt; but a count of a bin does not say that its
//! scores are equal. Where every column is a yes or a no, it does: there are no other scores than
//! those of the combinations, which all can compute, and a bin that only one of them falls into
//! holds equal ones. That all columns are so the moments say: of zeros and ones, and hardly of
//! anything else, the sum is that of the squares. Where it is, the sites say in one more number how
//! many of them have other values after all; where it is not, nothing more is asked, and the bound
//! is that of bins that may hold anything.

use super::points::EventPoint;
use super::risk::Patients;
use crate::followup::Follow;
use crate::moments::Moments;
use motet_secagg::canonical;
use ndarray::{Array2, ArrayView2};

/// Bins of the score.
const SCORES: usize = 100;
/// Time bins of all strata together, and of each where that leaves too few.
const TIMES: usize = 100;
const LEAST_TIMES: usize = 20;

/// Most yes/no columns whose combinations are looked at: of more, hardly a bin has but one.
const MOST_COLUMNS: usize = 12;
/// Sums of squares are right to this share of them.
const NEARLY: f64 = 1e-9;

/// Of all score bins, none is known to hold equal scores.
pub(super) const MIXED: [bool; SCORES] = [false; SCORES];

canonical! {
    /// Pairs of patients.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Pairs {
        /// The higher score had the event first.
        pub concordant: f64,
        /// The lower score had it first.
        pub discordant: f64,
        /// The scores are equal.
        pub tied: f64,
        /// The scores share a bin, and may differ.
        pub alike: f64,
        /// Those of one time bin, which are left out.
        pub within: Within,
    }
}

canonical! {
    /// Pairs of patients of one time bin: it is not known which had the event first, or whether
    /// they are comparable.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Within {
        /// One was censored, and has the lower score.
        pub concordant: f64,
        /// One was censored, and has the higher score.
        pub discordant: f64,
        /// The scores are equal.
        pub tied: f64,
        /// Two events, or scores that share a bin and may differ.
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
        let mut before = 0;
        let mut last = None;
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

/// Whether the moments are those of columns of zeros and ones: the square of each value is the
/// value itself.
pub(super) fn looks_yes_no(moments: &Moments) -> bool {
    let rows = moments.rows as f64;
    let columns = moments.mean.iter().zip(&moments.sd);
    let off = columns.map(|(mean, sd)| (rows - 1.0) * sd * sd - rows * mean * (1.0 - mean));
    moments.mean.len() <= MOST_COLUMNS && off.into_iter().all(|off| off.abs() <= NEARLY * rows)
}

/// Whether any value is neither 0 nor 1.
pub(super) fn has_others(x: ArrayView2<'_, f64>) -> bool {
    x.iter().any(|value| *value != 0.0 && *value != 1.0)
}

/// In which bins all scores are equal, where all columns hold zeros and ones alone: at most one of
/// all combinations falls there.
pub(super) fn equal_bins(moments: &Moments, beta: &[f64], spread: f64) -> Vec<bool> {
    let combinations = Array2::from_shape_fn(
        (1 << beta.len().min(MOST_COLUMNS), beta.len()),
        |(of, column)| f64::from(u8::from(of >> column & 1 == 1)),
    );
    let follow = vec![
        Follow {
            group: 0,
            cell: 0,
            event: false
        };
        combinations.nrows()
    ];
    // By the arithmetic that every site has: a score beside the edge of a bin falls on the same
    // side.
    let all = Patients {
        x: combinations.view(),
        moments,
        follow: &follow,
        points: &[],
    };
    let mut scores = vec![0_u32; SCORES];
    all.each(beta, |_, score, _, _| {
        scores
            .get_mut(score_bin(score, spread))
            .into_iter()
            .for_each(|scores| *scores += 1);
    });
    scores.iter().map(|scores| *scores <= 1).collect()
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
    /// Counts the pairs of the summed histogram, in some of whose score bins all scores are equal.
    pub(super) fn of(
        histogram: &[u64],
        points: &[EventPoint],
        strata: usize,
        equal: &[bool],
    ) -> Self {
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
            let first = held.next();
            let alone = held.next().is_none();
            if first != stratum {
                later.fill(0.0);
                stratum = first;
            }
            let [censored, events] = cell else { continue };
            if alone {
                add(&mut later, censored);
                pairs.count(events, &later, equal);
            } else {
                pairs.count(events, &later, equal);
                add(&mut later, censored);
                pairs.within.count(events, censored, equal);
            }
            add(&mut later, events);
        }
        pairs
    }

    /// Events of one bin against all that are later, by score.
    fn count(&mut self, events: &[u64], later: &[f64], equal: &[bool]) {
        let mut below = 0.0;
        let all = later.iter().sum::<f64>();
        for ((events, later), equal) in events.iter().zip(later).zip(equal) {
            let events = *events as f64;
            self.concordant += events * below;
            *(if *equal {
                &mut self.tied
            } else {
                &mut self.alike
            }) += events * later;
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
        let mut pairs = Self::default();
        let mut seen = 0;
        for group in rows.chunk_by(|(_, a), (_, b)| (a.cell, a.event) == (b.cell, b.event)) {
            for (rank, _) in group.iter().filter(|(_, follow)| follow.event) {
                let below = later.below(*rank);
                let upto = later.below(rank + 1);
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
        let comparable = self.concordant + self.discordant + self.tied + self.alike;
        if comparable <= 0.0 {
            return Concordance {
                index: 0.5,
                error_bound: 0.5,
            };
        }
        let certain = self.concordant + 0.5 * self.tied;
        let index = (certain + 0.5 * self.alike) / comparable;
        // Of the pairs left out, those that move the index farthest may be the comparable ones.
        let within = &self.within;
        let low = beside(
            certain,
            comparable + within.discordant + within.undecided,
            within.tied,
            f64::min,
        );
        let more = within.concordant + within.undecided;
        let high = beside(
            certain + self.alike + more,
            comparable + more,
            within.tied,
            f64::max,
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

impl Within {
    /// Adds the pairs of a time bin that holds several event points.
    fn count(&mut self, events: &[u64], censored: &[u64], equal: &[bool]) {
        let mut before = 0.0;
        let mut below = 0.0;
        let mut above = censored.iter().sum::<u64>() as f64;
        for ((events, censored), equal) in events.iter().zip(censored).zip(equal) {
            let events = *events as f64;
            let censored = *censored as f64;
            above -= censored;
            self.concordant += events * below;
            self.discordant += events * above;
            self.undecided += events * before;
            *(if *equal {
                &mut self.tied
            } else {
                &mut self.undecided
            }) += 0.5 * events * (events - 1.0) + events * censored;
            (before, below) = (before + events, below + censored);
        }
    }
}

/// The share of `part` in `all`, or that with that many more pairs of equal scores, whichever
/// `pick` prefers.
fn beside(part: f64, all: f64, tied: f64, pick: fn(f64, f64) -> f64) -> f64 {
    pick(part / all, (part + 0.5 * tied) / (all + tied))
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
        let mut at = rank;
        let mut sum = 0;
        // The first place is nobody's: sums end there.
        while let Some(count) = self.0.get(at).filter(|_| at > 0) {
            sum += count;
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
        assert_eq!(
            Pairs::of(&histogram, &points, 1, &[true; SCORES]),
            Pairs::exact(&rows)
        );
        let mixed = Pairs::of(&histogram, &points, 1, &MIXED);
        assert_eq!((mixed.tied, mixed.alike), (0.0, Pairs::exact(&rows).tied));
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
        let pairs = Pairs::of(&histogram, &crowd, 1, &MIXED);
        // Three events, one of them with a higher score; and one censored, whose score is between.
        let within = Within {
            concordant: 1.0,
            discordant: 2.0,
            undecided: 1.0 + 2.0,
            tied: 0.0,
        };
        assert_eq!(
            pairs,
            Pairs {
                within,
                ..Pairs::default()
            }
        );
        let equal = Pairs::of(&histogram, &crowd, 1, &[true; SCORES]).within;
        assert_eq!((equal.tied, equal.undecided), (1.0, 2.0));
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
