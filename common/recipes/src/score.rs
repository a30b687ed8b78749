//! What the score of a model is worth, from sums over the
//! sites: a histogram of the predicted risk p in 1000 bins
//! for each class gives the ROC curve and the area under
//! it, with the error that the bins can make; sums give
//! accuracy, Brier score and the calibration curve; Newton
//! steps give calibration slope and intercept.
//!
//! The bins are equal in the risk that the same odds would
//! be if half of all rows had the outcome,
//! `u = logistic(x - base)` with the log odds of the
//! outcome in all rows as `base`: risks of a rare outcome
//! all lie close to 0 and would share a bin or two of equal
//! risk. One bin begins at p = 0.5.
//!
//! ```text
//! evaluate  -> [ rows without the outcome a bin | rows with it a bin | right at p >= 0.5 | sum of p a bin, sum (p-y)^2 | line ]
//! calibrate -> [ line ]      repeated until the step is small; at a maximum-likelihood fit the first step already is
//! line       = gradient (2) and information (3) of  logit P(y) = a + b * logit(p)
//! ```

use crate::error::RecipeError;
use crate::linear::{Factor, largest};
use crate::moments::{bounded, counts, limbs};
use crate::rows::Values;
use motet_secagg::canonical;
use motet_secagg::layout::Block;

/// Bins of the predicted risk.
pub(crate) const BINS: usize = 1000;
/// Points of the calibration curve, of about equally many
/// rows.
const GROUPS: u64 = 10;
/// Sums of one Newton step of the calibration line.
pub(crate) const LINE: usize = 5;
/// A step this small ends the calibration: what is left is
/// about its square.
pub(crate) const SMALL_STEP: f64 = 1e-5;
/// Rounds of calibration after which a line that has not
/// settled is given up (its slope is then NaN).
pub(crate) const MOST_LINE_STEPS: u32 = 15;

canonical! {
    /// The evaluation so far.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Score {
        /// Log odds of the outcome, around which the bins lie.
        pub base: f64,
        /// Rows with outcome 0 in each bin of p.
        pub negatives: Vec<u64>,
        /// Rows with outcome 1 in each bin of p.
        pub positives: Vec<u64>,
        /// Rows predicted rightly at p >= 0.5.
        pub right: u64,
        /// Sum of p in each bin.
        pub predicted: Vec<f64>,
        /// Sum of (p - y)^2.
        pub squares: f64,
        /// Calibration intercept and slope; none where they have no
        /// finite fit.
        pub line: Option<(f64, f64)>,
        /// Newton steps taken on the line.
        pub steps: u32,
        /// Whether the line has settled.
        pub settled: bool,
    }
}

/// Discrimination and calibration of a model on all rows of
/// the sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Area under the ROC curve; rows in one bin count as ties.
    pub auc: f64,
    /// Bins of the histogram it comes from.
    pub auc_bins: u32,
    /// The AUC of the unbinned scores differs from `auc` by no
    /// more than this: half the share of pairs that share a
    /// bin.
    pub auc_error_bound: f64,
    /// Share of rows predicted rightly at p >= 0.5.
    pub accuracy: f64,
    /// Rows with p below 0.5, and the others.
    pub sides: [u64; 2],
    /// Mean of (p - y)^2.
    pub brier: f64,
    /// Slope b of logit P(y) = a + b logit(p); 1 is perfect,
    /// NaN where the line has no finite fit.
    pub calibration_slope: f64,
    /// Its intercept a; 0 is perfect.
    pub calibration_intercept: f64,
}

/// A group of rows of similar predicted risk.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationBin {
    /// Mean predicted risk.
    pub predicted: f64,
    /// Share of rows with the outcome.
    pub observed: f64,
    /// Rows of the group.
    pub rows: u64,
}

/// 1 / (1 + e^-x) without overflow.
pub(crate) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// log P(y) where P(1) = logistic(x), without overflow.
pub(crate) fn log_likelihood(x: f64, y: f64) -> f64 {
    let x = if y == 1.0 { x } else { -x };
    if x >= 0.0 {
        -(-x).exp().ln_1p()
    } else {
        x - x.exp().ln_1p()
    }
}

/// Where the climb of a fit to these log odds begins: half
/// a unit nearer to even odds than the model of the
/// intercept alone. From that model Newton's first step
/// overshoots where the outcome is uncommon, from even odds
/// it takes a round for each factor of e.
pub(crate) fn start(odds: f64) -> f64 {
    const NEARER: f64 = 0.5;
    odds - odds.clamp(-NEARER, NEARER)
}

/// What p = 0.5 would be if half of all rows had the
/// outcome, and the bin that begins there. By `libm`,
/// because the chain knows it too.
fn middle(base: f64) -> (f64, usize) {
    let share = 1.0 / (1.0 + libm::exp(base));
    let at = libm::round(share * BINS as f64) as usize;
    (share, at.clamp(1, BINS - 1))
}

/// The bin that begins at risk 0.5.
pub(crate) fn half(base: f64) -> usize {
    middle(base).1
}

/// The bin of a linear predictor.
pub(crate) fn bin(x: f64, base: f64) -> usize {
    let (share, half) = middle(base);
    let risk = logistic(x - base);
    if logistic(x) < 0.5 {
        ((risk / share * half as f64) as usize).min(half - 1)
    } else {
        let above = (risk - share) / (1.0 - share) * (BINS - half) as f64;
        half + (above as usize).min(BINS - half - 1)
    }
}

/// Blocks of the evaluation round; no sum of one site
/// exceeds the pooled number of rows.
pub(crate) fn ask(sites: u32, rows: u64) -> Vec<Block> {
    vec![
        counts(2 * BINS + 1, rows as f64),
        bounded(BINS + 1, sites, rows),
        limbs(LINE),
    ]
}

/// Answers the evaluation round from pairs (linear
/// predictor, outcome).
pub(crate) fn answer(pairs: &[(f64, f64)], base: f64) -> Vec<f64> {
    let mut cells = vec![[0.0_f64; 2]; BINS];
    let mut predicted = vec![0.0; BINS];
    let mut right = 0.0;
    let mut squares = 0.0;
    for &(x, y) in pairs {
        let p = logistic(x);
        let at = bin(x, base);
        if let (Some([negative, positive]), Some(sum)) = (cells.get_mut(at), predicted.get_mut(at))
        {
            *(if y == 1.0 { positive } else { negative }) += 1.0;
            *sum += p;
        }
        right += if (p >= 0.5) == (y == 1.0) { 1.0 } else { 0.0 };
        squares += (p - y) * (p - y);
    }
    let mut values: Vec<f64> = cells.iter().map(|[negative, _]| *negative).collect();
    values.extend(cells.iter().map(|[_, positive]| *positive));
    values.push(right);
    values.extend(predicted);
    values.push(squares);
    values.extend(answer_line(pairs, (0.0, 1.0)));
    values
}

/// Gradient and information of the calibration line at (a,
/// b).
pub(crate) fn answer_line(pairs: &[(f64, f64)], (a, b): (f64, f64)) -> [f64; LINE] {
    let mut sums = [0.0; LINE];
    for &(x, y) in pairs {
        let p = logistic(a + b * x);
        let rest = y - p;
        let weight = p * (1.0 - p);
        for (sum, term) in sums
            .iter_mut()
            .zip([rest, rest * x, weight, weight * x, weight * x * x])
        {
            *sum += term;
        }
    }
    sums
}

impl Score {
    /// Reads the evaluation round.
    pub(crate) fn absorb(values: &mut Values<'_>, base: f64) -> Result<Self, RecipeError> {
        let negatives = values.counts(BINS, "the histogram")?;
        let positives = values.counts(BINS, "the histogram")?;
        let right = values.count("right predictions")?;
        let predicted = values.take(BINS)?.to_vec();
        let squares = values.one()?;
        let mut score = Self {
            base,
            negatives,
            positives,
            right,
            predicted,
            squares,
            line: Some((0.0, 1.0)),
            ..Self::default()
        };
        score.absorb_line(values)?;
        Ok(score)
    }

    /// One Newton step of the calibration line, at most 1 long
    /// in each direction so that a bad start does not
    /// overshoot.
    pub(crate) fn absorb_line(&mut self, values: &mut Values<'_>) -> Result<(), RecipeError> {
        let gradient = values.take(2)?;
        let information = values.take(3)?;
        self.steps += 1;
        let (line, length) = step_of_line(self.line, gradient, information);
        self.line = line;
        self.settled = length <= SMALL_STEP || self.line.is_none();
        if !self.settled && self.steps >= MOST_LINE_STEPS {
            (self.line, self.settled) = (None, true);
        }
        Ok(())
    }

    /// Rows and events of the sites that took part in the
    /// evaluation.
    pub(crate) fn rows(&self) -> (u64, u64) {
        let events: u64 = self.positives.iter().sum();
        (events + self.negatives.iter().sum::<u64>(), events)
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let (auc, auc_error_bound) = area(&self.negatives, &self.positives);
        let rows = self.rows().0 as f64;
        Metrics {
            auc,
            auc_bins: BINS as u32,
            auc_error_bound,
            accuracy: self.right as f64 / rows,
            sides: self.sides(),
            brier: self.squares / rows,
            calibration_slope: self.line.map_or(f64::NAN, |(_, slope)| slope),
            calibration_intercept: self.line.map_or(f64::NAN, |(intercept, _)| intercept),
        }
    }

    /// Rows on either side of p = 0.5, where a bin begins.
    fn sides(&self) -> [u64; 2] {
        let half = half(self.base);
        let mut sides = [0; 2];
        for (at, rows) in self.negatives.iter().zip(&self.positives).enumerate() {
            let [below, above] = &mut sides;
            *(if at < half { below } else { above }) += rows.0 + rows.1;
        }
        sides
    }

    /// The calibration line so far, to step on from.
    ///
    /// # Errors
    /// There is none: no step is asked for.
    pub(crate) fn line_so_far(&self) -> Result<(f64, f64), RecipeError> {
        self.line.ok_or(RecipeError::Mismatch { what: "state" })
    }

    /// The ROC curve as (false positive rate, true positive
    /// rate) from (0, 0) to (1, 1), one point for each bin in
    /// use.
    pub(crate) fn roc(&self) -> Vec<(f64, f64)> {
        let (rows, events) = self.rows();
        let mut false_positives = 0;
        let mut true_positives = 0;
        let mut curve = vec![(0.0, 0.0)];
        for (negatives, positives) in self.negatives.iter().zip(&self.positives).rev() {
            false_positives += negatives;
            true_positives += positives;
            if negatives + positives > 0 {
                curve.push((
                    rate(false_positives, rows - events),
                    rate(true_positives, events),
                ));
            }
        }
        curve
    }

    /// Neighbouring bins joined to ten groups of about equally
    /// many rows.
    pub(crate) fn calibration(&self) -> Vec<CalibrationBin> {
        let total = self.rows().0;
        let mut groups = Vec::new();
        let mut seen = 0;
        let mut next = 1;
        let mut rows = 0;
        let mut events = 0;
        let mut predicted = 0.0;
        for ((negatives, positives), sum) in self
            .negatives
            .iter()
            .zip(&self.positives)
            .zip(&self.predicted)
        {
            seen += negatives + positives;
            rows += negatives + positives;
            events += positives;
            predicted += sum;
            // A group ends with the bin that takes the rows seen to the next tenth.
            if rows > 0 && seen * GROUPS >= total * next {
                next = seen * GROUPS / total + 1;
                groups.push(CalibrationBin {
                    predicted: predicted / rows as f64,
                    observed: events as f64 / rows as f64,
                    rows,
                });
                (rows, events, predicted) = (0, 0, 0.0);
            }
        }
        groups
    }
}

/// A calibration line one Newton step further, at most 1 in
/// each direction, and the length of the whole step;
/// nothing where no line fits best.
pub(crate) fn step_of_line(
    line: Option<(f64, f64)>,
    gradient: &[f64],
    information: &[f64],
) -> (Option<(f64, f64)>, f64) {
    let step = match Factor::of(information, 2, 0.0) {
        Ok(factor) => factor.solve(gradient),
        // There is none from here on.
        Err(_) => Vec::new(),
    };
    let length = largest(&step);
    let next = match (line, step.as_slice()) {
        (Some((intercept, slope)), [a, b]) if length.is_finite() => {
            let shrink = if length > 1.0 { 1.0 / length } else { 1.0 };
            Some((intercept + shrink * a, slope + shrink * b))
        }
        _ => None,
    };
    (next, length)
}

/// Area under the ROC curve of two histograms with rising
/// score, and half the share of pairs within one bin.
/// Without a single pair nothing is known: 0.5, give or
/// take 0.5.
pub(crate) fn area(negatives: &[u64], positives: &[u64]) -> (f64, f64) {
    let mut below = 0.0;
    let mut won = 0.0;
    let mut tied = 0.0;
    let mut events = 0.0;
    for (negatives, positives) in negatives.iter().zip(positives) {
        let negatives = *negatives as f64;
        let positives = *positives as f64;
        won += positives * below;
        tied += positives * negatives;
        below += negatives;
        events += positives;
    }
    let pairs = below * events;
    if pairs == 0.0 {
        return (0.5, 0.5);
    }
    ((won + 0.5 * tied) / pairs, 0.5 * tied / pairs)
}

/// A share; of nothing it is 0.
fn rate(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moments::log_odds;

    #[test]
    fn the_area_counts_ties_as_half_and_bounds_the_error() {
        assert_eq!(area(&[2, 0], &[0, 0]), (0.5, 0.5));
        assert_eq!(area(&[2, 0], &[0, 3]), (1.0, 0.0));
        assert_eq!(area(&[0, 2], &[3, 0]), (0.0, 0.0));
        // 3 x 2 pairs, of which 3 are won and 2 tied
        assert_eq!(area(&[1, 1, 1], &[0, 1, 1]), (4.0 / 6.0, 1.0 / 6.0));
    }

    #[test]
    fn likelihood_and_risk_survive_extreme_predictors() {
        assert_eq!(log_likelihood(800.0, 0.0), -800.0);
        assert_eq!(log_likelihood(-800.0, 0.0), 0.0);
        assert_eq!(logistic(-800.0), 0.0);
        assert_eq!(logistic(800.0), 1.0);
        assert!((log_likelihood(0.3, 1.0) - logistic(0.3).ln()).abs() < 1e-15);
        assert_eq!(
            (bin(-800.0, 0.0), bin(0.0, 0.0), bin(800.0, 0.0)),
            (0, 500, BINS - 1)
        );
    }

    #[test]
    fn the_sides_of_one_half_are_those_of_the_risks() {
        let base = log_odds(1000, 30);
        let risks = [0.01, 0.03, 0.2, 0.499_999, 0.5, 0.7];
        let pairs: Vec<(f64, f64)> = risks
            .iter()
            .map(|p: &f64| ((p / (1.0 - p)).ln(), 1.0))
            .collect();
        let values = answer(&pairs, base);
        let score = Score::absorb(&mut Values::from(&values), base).unwrap();
        assert_eq!(score.metrics().sides, [4, 2]);
        assert_eq!(score.metrics().accuracy, 2.0 / 6.0);
    }

    #[test]
    fn the_bins_follow_the_share_of_the_outcome_and_one_begins_at_risk_one_half() {
        for (rows, events) in [
            (10, 5),
            (24_000, 10),
            (24_000, 23_990),
            (2_000_000_000, 1),
            (7, 0),
            (7, 7),
        ] {
            let base = log_odds(rows, events);
            let half = half(base);
            let bins: Vec<usize> = (-4000..=4000)
                .map(|at| bin(f64::from(at) / 100.0, base))
                .collect();
            assert!(
                bins.windows(2)
                    .all(|pair| pair[0] <= pair[1] && pair[1] < BINS),
                "{events} of {rows}"
            );
            assert_eq!(
                (bins[3999] < half, bins[4000]),
                (true, half),
                "{events} of {rows}"
            );
            // A twentieth of a logit beside the usual risk is another bin, however rare the outcome
            // is.
            assert!(
                bin(base + 0.05, base) > bin(base - 0.05, base) + 10,
                "{events} of {rows}"
            );
        }
    }

    #[test]
    fn the_calibration_groups_hold_every_row_once() {
        let pairs: Vec<(f64, f64)> = (0..997)
            .map(|at| {
                (
                    f64::from(at) / 200.0 - 3.0,
                    f64::from(u8::from(at % 3 == 0)),
                )
            })
            .collect();
        let values = answer(&pairs, log_odds(997, 333));
        let sum = motet_secagg::layout::Sum {
            sites: 1,
            set: Default::default(),
            weight: 1,
            values,
        };
        let score = Score::absorb(&mut Values::of(&sum), log_odds(997, 333)).unwrap();
        let groups = score.calibration();
        assert_eq!(groups.len(), 10);
        assert_eq!(groups.iter().map(|group| group.rows).sum::<u64>(), 997);
        assert!(
            groups
                .windows(2)
                .all(|pair| pair[0].predicted < pair[1].predicted)
        );
        assert_eq!(score.roc().last(), Some(&(1.0, 1.0)));
    }
}
