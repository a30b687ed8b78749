//! One group's survival curve from its counts, with what may be printed of it.

use super::counts::Counts;
use super::log_rank::rounded;
use super::point::{Asked, CurvePoint, printed};
use crate::followup::Grid;
use crate::normal::Z_95;
use motet_secagg::canonical;

/// A survival within this distance of one half is one half: the square root of the machine's
/// epsilon, as in R.
const HALF_TOLERANCE: f64 = 1.490_116_119_384_765_6e-8;
/// Where a part of a curve is withheld, shares are told in whole thousandths: all their digits are
/// the product of one history's factors only.
const PARTS: f64 = 1000.0;
/// In whole hundredths of fewer than [`MANY_ROWS`], of whom one more or less at risk is seen in a
/// thousandth.
const FEW_PARTS: f64 = 100.0;
/// Digits of a standard error there.
const ERROR_DIGITS: i32 = 2;
/// Of fewer rows it is not told: beside survival its first two digits are those of few histories.
const ROWS_OF_ERROR: u64 = 50;
/// This many rows leave several histories open in thousandths.
const MANY_ROWS: u64 = 200;

canonical! {
    /// How the interval of survival is made, with s the standard error of log S.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Interval {
        /// exp(-exp(log(-log S) -+ z s / log S)): within 0 and 1, good for few events.
        1 => LogLog,
        /// S exp(-+ z s), at most 1: R's default.
        2 => Log,
        /// S -+ z s S, cut at 0 and 1.
        3 => Plain,
    }
}

/// Mean survival time restricted to tau: the area under the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RestrictedMean {
    /// Where the area ends.
    pub tau: f64,
    /// The area.
    pub mean: f64,
    /// Its standard error.
    pub se: f64,
}

/// The curve of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The level, or `all`.
    pub group: String,
    /// Rows of the group.
    pub rows: u64,
    /// Events of the group; none where they or the rows are fewer than `min_cell`.
    pub events: Option<u64>,
    /// The steps that may be printed; smaller ones are merged into the next, and what is left at
    /// the end into none.
    pub points: Vec<CurvePoint>,
    /// The times the study names, where enough rows are at risk and no few events since the step
    /// before, nor when they were, would show.
    pub marks: Vec<CurvePoint>,
    /// First time at which survival is one half or less, of the curve as it is printed.
    pub median: Option<f64>,
    /// Lower end of its 95 % interval, from the lower ends of the curve's.
    pub median_low: Option<f64>,
    /// Upper end.
    pub median_high: Option<f64>,
    /// None without tau, where nobody is followed that far, and where a part of the curve is
    /// withheld: mean and standard error are sums over all steps, which few histories share.
    pub restricted_mean: Option<RestrictedMean>,
    /// Whether steps are joined or a part of the curve is kept back; then its shares are rounded.
    pub withheld: bool,
    /// Every asked point, as counted.
    all: Vec<Asked>,
    /// The restricted mean of all of them.
    whole_mean: Option<RestrictedMean>,
    /// The limit that it was printed with,
    least: u64,
    /// and the kind of its intervals.
    interval: Interval,
}

/// What a study fixes of its curves.
pub(super) struct Rules<'a> {
    pub(super) grid: &'a Grid,
    pub(super) marks: &'a [f64],
    pub(super) tau: Option<f64>,
    pub(super) interval: Interval,
    pub(super) least: u64,
}

impl Curve {
    pub(super) fn of(rules: &Rules<'_>, name: &str, counts: &Counts<'_>) -> Self {
        let all = points(rules, counts);
        let whole_mean = rules
            .tau
            .and_then(|tau| restricted_mean(counts.rows, &all, tau));
        let mut curve = Self {
            group: name.to_owned(),
            rows: counts.rows,
            events: None,
            points: Vec::new(),
            marks: Vec::new(),
            median: None,
            median_low: None,
            median_high: None,
            restricted_mean: None,
            withheld: false,
            all,
            whole_mean,
            least: 0,
            interval: rules.interval,
        };
        curve.keep_back(rules.least);
        curve
    }

    /// Prints the curve again, with no number below `least` nor below the limit it was printed with.
    pub(super) fn keep_back(&mut self, least: u64) {
        self.least = self.least.max(least);
        let few = 1..self.least;
        // Of so few patients nothing is printed.
        let all: &[Asked] = if few.contains(&self.rows) {
            &[]
        } else {
            &self.all
        };
        let total: u64 = all.iter().map(|at| at.point.events).sum();
        let mut printed = printed(self.rows, all, self.least);
        self.withheld = printed.withheld || all.len() < self.all.len();
        if self.withheld {
            let parts = if self.rows < MANY_ROWS {
                FEW_PARTS
            } else {
                PARTS
            };
            let points = printed.points.iter_mut();
            points
                .chain(&mut printed.marks)
                .for_each(|point| point.round(parts, self.interval, self.rows));
        }
        let told = (!few.contains(&total) && !few.contains(&self.rows)).then_some(total);
        self.events = told;
        (self.points, self.marks) = (printed.points, printed.marks);
        let mut seen: Vec<&CurvePoint> = self.points.iter().chain(&self.marks).collect();
        seen.sort_by(|a, b| a.time.total_cmp(&b.time));
        let medians = [
            median_of(&seen, |point| Some(point.survival)),
            median_of(&seen, |point| point.low),
            median_of(&seen, |point| point.high),
        ];
        [self.median, self.median_low, self.median_high] = medians;
        self.restricted_mean = self.whole_mean.filter(|_| !self.withheld);
    }
}

impl CurvePoint {
    /// Survival as so many parts of the whole, its error in two digits, and the interval that
    /// follows from these two: one of its own would be as good as further digits. Of so few rows
    /// there is neither.
    fn round(&mut self, parts: f64, kind: Interval, rows: u64) {
        self.survival = libm::round(self.survival * parts) / parts;
        self.se = self
            .se
            .filter(|_| self.survival > 0.0 && rows >= ROWS_OF_ERROR)
            .map(|se| rounded(se, ERROR_DIGITS, i32::MIN));
        let ends = self
            .se
            .and_then(|se| interval(kind, self.survival, se / self.survival));
        (self.low, self.high) = ends.unzip();
    }
}

impl Rules<'_> {
    /// Whether the study names the time of this point.
    fn is_mark(&self, point: &CurvePoint) -> bool {
        self.marks
            .iter()
            .any(|mark| (mark - point.time).abs() < 0.5 * self.grid.step)
    }
}

/// The median of a curve of these values, as far as it has them.
fn median_of(seen: &[&CurvePoint], value: impl Fn(&CurvePoint) -> Option<f64>) -> Option<f64> {
    let curve = seen
        .iter()
        .filter_map(|point| Some((point.time, value(point)?)));
    median(&curve.collect::<Vec<_>>())
}

/// The whole curve at all asked points.
fn points(rules: &Rules<'_>, counts: &Counts<'_>) -> Vec<Asked> {
    let mut survival = 1.0;
    let mut greenwood = 0.0;
    let mut points = Vec::with_capacity(counts.cells.len());
    for ((cell, events), at_risk) in counts.cells.iter().zip(counts.events).zip(counts.at_risk) {
        let d = *events as f64;
        let n = *at_risk as f64;
        if *events > 0 {
            survival *= (n - d) / n;
            greenwood += if events == at_risk {
                0.0
            } else {
                d / (n * (n - d))
            };
        }
        let s = libm::sqrt(greenwood);
        let (low, high) = interval(rules.interval, survival, s).unzip();
        let se = (survival > 0.0).then_some(survival * s);
        let point = CurvePoint {
            time: rules.grid.time(*cell),
            at_risk: Some(*at_risk),
            events: *events,
            survival,
            se,
            low,
            high,
        };
        points.push(Asked {
            is_mark: rules.is_mark(&point),
            at_risk: *at_risk,
            point,
        });
    }
    points
}

/// R's `survfit_confint`.
fn interval(kind: Interval, survival: f64, s: f64) -> Option<(f64, f64)> {
    if survival <= 0.0 {
        return None;
    }
    let half = Z_95 * s;
    match kind {
        Interval::Plain => Some((
            (survival - half * survival).max(0.0),
            (survival + half * survival).min(1.0),
        )),
        Interval::Log => Some((
            survival * libm::exp(-half),
            (survival * libm::exp(half)).min(1.0),
        )),
        Interval::LogLog if survival >= 1.0 => None,
        Interval::LogLog => {
            let log = libm::log(survival);
            Some(
                [-1.0, 1.0]
                    .map(|sign| libm::exp(-libm::exp(libm::log(-log) + sign * half / log)))
                    .into(),
            )
        }
    }
}

/// First time with half or less; where the curve runs level at one half, the middle of that piece.
fn median(curve: &[(f64, f64)]) -> Option<f64> {
    let mut low = curve
        .iter()
        .filter(|(_, value)| *value < 0.5 + HALF_TOLERANCE);
    let (time, value) = low.next()?;
    match low.find(|(_, later)| later < value) {
        Some((next, _)) if (value - 0.5).abs() < HALF_TOLERANCE => Some(0.5 * (time + next)),
        _ => Some(*time),
    }
}

/// Area under the curve of that many rows up to tau, and the variance sum of A_k^2 d / (n (n - d))
/// with A_k the area beyond event k.
fn restricted_mean(rows: u64, curve: &[Asked], tau: f64) -> Option<RestrictedMean> {
    let within: Vec<&Asked> = curve.iter().filter(|at| at.point.time <= tau).collect();
    let last = within.last();
    // tau is among the asked points: the last one tells whether anybody is followed so far.
    if rows == 0 || last.is_none_or(|last| last.at_risk == 0 && last.point.survival > 0.0) {
        return None;
    }
    let mut area = 0.0;
    let mut variance = 0.0;
    let mut end = tau;
    for Asked { point, at_risk, .. } in within.iter().rev() {
        area += point.survival * (end - point.time);
        end = point.time;
        let d = point.events as f64;
        let n = *at_risk as f64;
        if point.events > 0 && point.events < *at_risk {
            variance += area * area * d / (n * (n - d));
        }
    }
    Some(RestrictedMean {
        tau,
        mean: area + end,
        se: libm::sqrt(variance),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_piece_at_one_half_has_its_median_in_the_middle() {
        assert_eq!(median(&[(1.0, 0.75), (2.0, 0.5), (4.0, 0.25)]), Some(3.0));
        assert_eq!(median(&[(1.0, 0.75), (2.0, 0.5)]), Some(2.0));
        assert_eq!(median(&[(1.0, 0.75), (2.0, 0.4), (4.0, 0.25)]), Some(2.0));
        assert_eq!(median(&[(1.0, 0.75)]), None);
    }
}
