//! The log-rank test: at each event, how many of a group's patients would have it if all groups
//! were alike.
//!
//! With d events among n at risk, n_g of them in group g, `expected_g = sum d n_g / n` and the
//! hypergeometric covariance is `sum d (n - d) / (n - 1) * n_g / n * ([g = h] - n_h / n)` (Mantel
//! 1966; R's `survdiff`).

use super::counts::Counts;
use crate::linear::{Factor, dot};
use crate::tails::ChiSquare;

/// The test and its figures a group.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRank {
    /// On one degree of freedom less than there are groups with anybody at risk at an event.
    pub test: ChiSquare,
    /// Events of each group.
    pub observed: Vec<u64>,
    /// Events to be expected if all groups were alike.
    pub expected: Vec<f64>,
}

/// Digits of a figure beside a curve of which a part is withheld: all of them are those of one
/// history only.
const DIGITS: i32 = 3;

/// This many digits at most, and none finer than `10^finest`.
pub(super) fn rounded(value: f64, digits: i32, finest: i32) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    debug_assert!(digits > 0, "a number has a digit");
    let size = libm::floor(libm::log10(value.abs())) as i32;
    let power = (size - (digits - 1)).max(finest);
    let unit = libm::pow(10.0, f64::from(power.abs()));
    if power < 0 {
        libm::round(value * unit) / unit
    } else {
        libm::round(value / unit) * unit
    }
}

impl LogRank {
    pub(super) fn of(groups: &[Counts<'_>]) -> Option<Self> {
        let size = groups.len();
        let mut expected = vec![0.0; size];
        let mut covariance = vec![0.0; size * size];
        for at in 0..groups.first()?.cells.len() {
            let at_risk: Vec<f64> = groups
                .iter()
                .map(|group| number(group.at_risk, at))
                .collect();
            let n: f64 = at_risk.iter().sum();
            let d: f64 = groups.iter().map(|group| number(group.events, at)).sum();
            if d == 0.0 {
                continue;
            }
            expected
                .iter_mut()
                .zip(&at_risk)
                .for_each(|(sum, n_g)| *sum += d * n_g / n);
            if n > 1.0 {
                let factor = d * (n - d) / (n - 1.0);
                let mut cells = covariance.iter_mut();
                for (g, n_g) in at_risk.iter().enumerate() {
                    for ((h, n_h), cell) in at_risk.iter().enumerate().zip(&mut cells) {
                        let same = if g == h { 1.0 } else { 0.0 };
                        *cell += factor * n_g / n * (same - n_h / n);
                    }
                }
            }
        }
        let observed: Vec<u64> = groups
            .iter()
            .map(|group| group.events.iter().sum())
            .collect();
        let test = statistic(&observed, &expected, &covariance)?;
        Some(Self {
            test,
            observed,
            expected,
        })
    }

    /// In so few digits that they do not tell when the events were: the statistic in tenths, with the
    /// p of these, and whole expected events.
    pub(super) fn round(&mut self) {
        self.test = ChiSquare::new(rounded(self.test.statistic, DIGITS, -1), self.test.df);
        self.expected
            .iter_mut()
            .for_each(|events| *events = rounded(*events, DIGITS, 0));
    }
}

/// A count; a state from elsewhere that has none at this point counts nobody.
fn number(counts: &[u64], at: usize) -> f64 {
    counts.get(at).map_or(0.0, |count| *count as f64)
}

/// (O - E)' V^-1 (O - E) over all groups with an expectation but the first of them: the differences
/// add up to 0.
fn statistic(observed: &[u64], expected: &[f64], covariance: &[f64]) -> Option<ChiSquare> {
    let size = expected.len();
    let used: Vec<usize> = (0..size)
        .filter(|at| expected.get(*at).is_some_and(|sum| *sum > 0.0))
        .skip(1)
        .collect();
    let differences: Vec<f64> = used
        .iter()
        .filter_map(|at| Some(*observed.get(*at)? as f64 - expected.get(*at)?))
        .collect();
    let upper = used
        .iter()
        .enumerate()
        .flat_map(|(at, row)| used.iter().skip(at).map(move |column| row * size + column));
    let packed: Vec<f64> = upper
        .filter_map(|cell| covariance.get(cell).copied())
        .collect();
    if used.is_empty() {
        return None;
    }
    let factor = Factor::of(&packed, used.len(), 0.0).ok()?;
    Some(ChiSquare::new(
        dot(&differences, &factor.solve(&differences)),
        used.len() as u32,
    ))
}
