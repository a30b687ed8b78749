//! The area under the ROC curve of one table's scores, with
//! the variance of DeLong, DeLong and Clarke-Pearson
//! (1988).
//!
//! The area is the mean placement of the events: the share
//! of non-events that score lower, ties by half. Its
//! variance is
//! `var(placements of events) / events + var(placements of non-events) / non-events`;
//! that of a difference of two areas on the same rows is
//! the same of the differences of the placements.
//!
//! The interval is `logit(area) +- 1.96 sd / (area (1 - area))`,
//! turned back (Pepe 2003, The Statistical Evaluation of
//! Medical Tests for Classification and Prediction, 5.2):
//! of 6 events and 24 others with an area of 0.9 it holds
//! the truth in 94 of 100 tables, `area +- 1.96 sd` in 81.
//! That of a difference is the plain one.

use crate::linear::difference;
use crate::normal::Z_95;

/// An estimate and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub estimate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Placements of the events among the non-events, and of
/// the non-events among the events, in the order of the
/// rows.
#[derive(Debug, Clone)]
pub(crate) struct Placements {
    events: Vec<f64>,
    others: Vec<f64>,
}

impl Interval {
    /// Estimate and interval from a variance.
    pub(crate) fn new(estimate: f64, variance: f64) -> Self {
        let half = Z_95 * variance.max(0.0).sqrt();
        Self {
            estimate,
            low: estimate - half,
            high: estimate + half,
        }
    }

    /// The mean of these figures; they are two or more.
    pub(crate) fn of_mean(values: &[f64]) -> Self {
        let (mean, variance) = moments(values);
        Self::new(mean, variance / values.len() as f64)
    }

    /// A share of that many, with the interval of Wilson (1927,
    /// Journal of the American Statistical Association 22,
    /// 209).
    pub(crate) fn of_share(part: u64, whole: u64) -> Self {
        let n = (whole as f64).max(1.0);
        let share = part as f64 / n;
        let square = Z_95 * Z_95 / n;
        let middle = (share + square / 2.0) / (1.0 + square);
        let spread = (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
        let half = Z_95 * spread / (1.0 + square);
        Self {
            estimate: share,
            low: (middle - half).max(0.0),
            high: (middle + half).min(1.0),
        }
    }

    /// The share of pairs that a score ranks rightly, an area or a
    /// C-index, on the scale of its log odds. Of none or all of
    /// them there are no log odds: then the `apart` pairs of which
    /// no two have a patient in common came out alike, with the
    /// interval of Clopper and Pearson (1934, Biometrika 26, 404).
    pub(crate) fn of_pairs(share: f64, variance: f64, apart: f64) -> Self {
        const EDGE: f64 = 1e-12;
        let alike = libm::exp(libm::log(0.025) / apart);
        let spread = libm::exp(Z_95 * variance.max(0.0).sqrt() / (share * (1.0 - share)));
        let (low, high) = if share <= EDGE {
            (0.0, 1.0 - alike)
        } else if share >= 1.0 - EDGE {
            (alike, 1.0)
        } else {
            let rest = 1.0 - share;
            (
                share / (share + rest * spread),
                share / (share + rest / spread),
            )
        };
        debug_assert!(low <= high, "the ends are in order");
        Self {
            estimate: share,
            low,
            high,
        }
    }

    /// The same with both ends between 0 and 1.
    pub(crate) fn within_one(self) -> Self {
        Self {
            low: self.low.max(0.0),
            high: self.high.min(1.0),
            ..self
        }
    }
}

/// Mean, and variance with ddof 1 (0 of a single figure).
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / (values.len() as f64).max(1.0);
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    (mean, squares / (values.len() as f64 - 1.0).max(1.0))
}

impl Placements {
    /// Nothing where there are fewer than two events or two
    /// others: then there is no interval.
    pub(crate) fn of(scores: &[f64], y: &[f64]) -> Option<Self> {
        let events = of_class(scores, y, 1.0);
        let others = of_class(scores, y, 0.0);
        if events.len() < 2 || others.len() < 2 {
            return None;
        }
        let low = sorted(&others);
        let high = sorted(&events);
        Some(Self {
            events: events.iter().map(|score| below(&low, *score)).collect(),
            others: others
                .iter()
                .map(|score| 1.0 - below(&high, *score))
                .collect(),
        })
    }

    /// The area and its variance.
    pub(crate) fn spread(&self) -> (f64, f64) {
        let (area, events) = moments(&self.events);
        let (_, others) = moments(&self.others);
        (
            area,
            events / self.events.len() as f64 + others / self.others.len() as f64,
        )
    }

    /// The area and its interval.
    pub(crate) fn area(&self) -> Interval {
        let (area, variance) = self.spread();
        let apart = self.events.len().min(self.others.len());
        Interval::of_pairs(area, variance, apart as f64)
    }

    /// This area less another of the same rows.
    pub(crate) fn less(&self, other: &Self) -> Interval {
        debug_assert_eq!(self.events.len(), other.events.len());
        debug_assert_eq!(self.others.len(), other.others.len());
        let differences = Self {
            events: difference(&self.events, &other.events),
            others: difference(&self.others, &other.others),
        };
        let (area, variance) = differences.spread();
        Interval::new(area, variance)
    }
}

/// The scores of one class.
fn of_class(scores: &[f64], y: &[f64], class: f64) -> Vec<f64> {
    debug_assert_eq!(scores.len(), y.len());
    scores
        .iter()
        .zip(y)
        .filter(|(_, y)| **y == class)
        .map(|(score, _)| *score)
        .collect()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// How many are below, and half of those that are equal, as
/// a share.
fn below(among: &[f64], score: f64) -> f64 {
    let less = among.partition_point(|other| *other < score);
    let up_to = among.partition_point(|other| *other <= score);
    (less + up_to) as f64 / (2.0 * among.len() as f64)
}

/// The same of scores in rising bins, of which the rows
/// without and with the event are counted: rows of one bin
/// are ties. Nothing where there are fewer than two of
/// either.
pub(crate) fn binned(others: &[u64], events: &[u64]) -> Option<Interval> {
    debug_assert_eq!(others.len(), events.len());
    let all_others = others.iter().sum::<u64>() as f64;
    let all_events = events.iter().sum::<u64>() as f64;
    if all_others < 2.0 || all_events < 2.0 {
        return None;
    }
    let below = placements(events, others, all_others);
    let above: Vec<(f64, f64)> = placements(others, events, all_events)
        .into_iter()
        .map(|(share, rows)| (1.0 - share, rows))
        .collect();
    let (area, of_events) = spread(&below, all_events);
    let (_, of_others) = spread(&above, all_others);
    let apart = all_events.min(all_others);
    Some(Interval::of_pairs(area, of_events + of_others, apart))
}

/// Of each bin of one class: which share of the other lies
/// below it, ties as halves, and how many rows it has.
fn placements(class: &[u64], among: &[u64], whole: f64) -> Vec<(f64, f64)> {
    let mut below = 0.0;
    class
        .iter()
        .zip(among)
        .map(|(rows, tied)| {
            let share = (below + 0.5 * *tied as f64) / whole;
            below += *tied as f64;
            (share, *rows as f64)
        })
        .collect()
}

/// The mean of placements of that many rows, and its
/// variance.
fn spread(placements: &[(f64, f64)], rows: f64) -> (f64, f64) {
    let mean = placements
        .iter()
        .map(|(share, rows)| share * rows)
        .sum::<f64>()
        / rows;
    let squares: f64 = placements
        .iter()
        .map(|(share, rows)| rows * (share - mean) * (share - mean))
        .sum();
    (mean, squares / (rows - 1.0) / rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_and_its_error_are_those_worked_out_by_hand() {
        let y = [1.0, 0.0, 1.0, 0.0];
        let placements = Placements::of(&[3.0, 1.0, 4.0, 3.0], &y).unwrap();
        // Events: 3/4 and 1, non-events the same; variance 1/32 each, over two rows each.
        let area = placements.area();
        assert_eq!(area.estimate, 0.875);
        // Log odds of ln 7 with the error sqrt(1/32) / (7/64).
        let odds = 7.0 * (Z_95 * (1.0_f64 / 32.0).sqrt() * 64.0 / 7.0).exp();
        assert!((area.high - odds / (1.0 + odds)).abs() < 1e-15, "{area:?}");
        assert!((area.low - 49.0 / (49.0 + odds)).abs() < 1e-15, "{area:?}");
        let same = placements.less(&placements);
        assert_eq!((same.estimate, same.low, same.high), (0.0, 0.0, 0.0));
        let worst = Placements::of(&[0.0, 1.0, 0.0, 1.0], &y).unwrap();
        assert_eq!(
            (worst.area().estimate, placements.less(&worst).estimate),
            (0.0, 0.875)
        );
        assert!(Placements::of(&[1.0, 2.0, 3.0], &[1.0, 0.0, 0.0]).is_none());
    }

    #[test]
    fn an_area_of_one_is_as_certain_as_its_pairs_are_many() {
        let y: Vec<f64> = (0..30).map(|at| f64::from(u8::from(at < 6))).collect();
        let area = Placements::of(&y, &y).unwrap().area();
        // All of six pairs: Clopper and Pearson, 0.025 to the power of 1/6.
        assert_eq!((area.estimate, area.high), (1.0, 1.0));
        assert!((area.low - 0.540_741).abs() < 1e-6, "{area:?}");
        let worst: Vec<f64> = y.iter().map(|y| -y).collect();
        let area = Placements::of(&worst, &y).unwrap().area();
        assert_eq!((area.estimate, area.low), (0.0, 0.0));
        assert!((area.high - 0.459_259).abs() < 1e-6, "{area:?}");
        // All tied: nothing is ranked, and that is certain.
        let same = Placements::of(&[2.0; 30], &y).unwrap().area();
        assert_eq!((same.low, same.estimate, same.high), (0.5, 0.5, 0.5));
    }

    #[test]
    fn a_share_has_the_interval_of_wilson() {
        // Newcombe 1998, Statistics in Medicine 17, 857, table I, method 3.
        let share = Interval::of_share(81, 263);
        assert!((share.low - 0.2553).abs() < 5e-5 && (share.high - 0.3662).abs() < 5e-5);
        let none = Interval::of_share(0, 20);
        assert!(none.low == 0.0 && (none.high - 0.1611).abs() < 5e-5);
    }

    #[test]
    fn binned_scores_have_the_interval_of_their_rows() {
        let (others, events) = ([3, 0, 4, 1], [0, 1, 2, 2]);
        let rows = |counts: [u64; 4], y: f64| {
            let scores = counts.into_iter().enumerate();
            scores.flat_map(move |(bin, rows)| std::iter::repeat_n((bin as f64, y), rows as usize))
        };
        let (scores, y): (Vec<f64>, Vec<f64>) = rows(others, 0.0).chain(rows(events, 1.0)).unzip();
        let (got, want) = (
            binned(&others, &events).unwrap(),
            Placements::of(&scores, &y).unwrap().area(),
        );
        assert!(
            (got.estimate - want.estimate).abs() < 1e-15 && (got.high - want.high).abs() < 1e-15
        );
        assert_eq!(binned(&others, &[0, 1, 0, 0]), None);
    }
}
