//! Measures of few patients: steps of the ROC curve and calibration bins that stand for a handful
//! are joined to the next one. The metrics themselves are not touched, unless they would tell how
//! few have the outcome: then all of them go, and the accuracy where few are on one side of risk 0.5.

use crate::kit::cells::{one_sided, small};
use motet_recipes::{CalibrationBin, Metrics};

/// Half a patient of slack: shares are quotients and come back with rounding.
const HALF: f64 = 0.5;

/// Takes the measures of a model away: of few patients with the outcome, or without it, each would
/// tell how many they are.
pub(crate) fn unmeasured(
    metrics: &mut Metrics,
    roc: &mut Vec<(f64, f64)>,
    calibration: &mut Vec<CalibrationBin>,
) {
    roc.clear();
    calibration.clear();
    *metrics = Metrics {
        auc: f64::NAN,
        auc_bins: metrics.auc_bins,
        auc_error_bound: f64::NAN,
        accuracy: f64::NAN,
        sides: metrics.sides,
        brier: f64::NAN,
        calibration_slope: f64::NAN,
        calibration_intercept: f64::NAN,
    };
}

/// Takes the accuracy away where few patients are on one side of risk 0.5: with rows and events it
/// tells how many of those have the outcome, less how many have not.
pub(crate) fn one_sided_accuracy(metrics: &mut Metrics, smallest: u64) {
    if metrics.sides.iter().any(|side| small(*side, smallest)) {
        metrics.accuracy = f64::NAN;
    }
}

/// Rows and events of the patients in the groups: of those held out nothing else tells the events.
pub(crate) fn behind(bins: &[CalibrationBin]) -> (u64, u64) {
    let events: f64 = bins
        .iter()
        .map(|bin| (bin.observed * bin.rows as f64).round())
        .sum();
    (bins.iter().map(|bin| bin.rows).sum(), events as u64)
}

/// False positive share, true positive share.
type Point = (f64, f64);

/// The patients behind the steps of a curve.
struct Steps {
    with: f64,
    without: f64,
    smallest: f64,
}

impl Steps {
    /// Whether the step stands for few of either kind, or for nobody.
    fn tells(&self, from: Point, to: Point) -> bool {
        let right = (to.0 - from.0) * self.without;
        let up = (to.1 - from.1) * self.with;
        self.few(right) || self.few(up) || right + up < HALF
    }

    fn few(&self, patients: f64) -> bool {
        patients > HALF && patients < self.smallest - HALF
    }
}

/// Points (false positive share, true positive share) from (0,0) to (1,1); a step that rises has at
/// least `smallest` patients with the outcome, one that goes to the right as many without it.
pub(crate) fn merge_roc(points: &[Point], rows: u64, events: u64, smallest: u64) -> Vec<Point> {
    debug_assert!(events <= rows, "a patient with the outcome is a patient");
    let steps = Steps {
        with: events as f64,
        without: rows.saturating_sub(events) as f64,
        smallest: smallest as f64,
    };
    let mut kept: Vec<Point> = Vec::new();
    let mut last = None;
    for point in points
        .iter()
        .copied()
        .filter(|p| p.0.is_finite() && p.1.is_finite())
    {
        match kept.last() {
            Some(previous) if smallest > 0 && steps.tells(*previous, point) => {}
            _ => kept.push(point),
        }
        last = Some(point);
    }
    // The curve ends where it ended; a step that would tell is joined to the one before.
    if let Some(last) = last {
        while kept.len() > 1
            && kept
                .last()
                .is_some_and(|previous| *previous != last && steps.tells(*previous, last))
        {
            kept.pop();
        }
        if kept.last() != Some(&last) {
            kept.push(last);
        }
    }
    kept
}

/// Neighbouring bins joined until each holds at least `smallest` patients with the outcome and as
/// many without, or none of one kind; shares are weighted by rows.
pub(crate) fn merge_bins(bins: &[CalibrationBin], smallest: u64) -> Vec<CalibrationBin> {
    let mut kept: Vec<CalibrationBin> = Vec::new();
    for bin in bins.iter().filter(|bin| bin.rows > 0) {
        match kept.last_mut() {
            Some(previous) if bin_tells(previous, smallest) => join(previous, bin),
            _ => kept.push(bin.clone()),
        }
    }
    while kept.len() > 1
        && let Some(short) = kept.pop_if(|bin| bin_tells(bin, smallest))
        && let Some(previous) = kept.last_mut()
    {
        join(previous, &short);
    }
    kept
}

fn bin_tells(bin: &CalibrationBin, smallest: u64) -> bool {
    let events = (bin.observed * bin.rows as f64).round() as u64;
    bin.rows < smallest || one_sided(bin.rows, events, smallest)
}

fn join(into: &mut CalibrationBin, other: &CalibrationBin) {
    debug_assert!(into.rows > 0 && other.rows > 0, "no empty bin is joined");
    let a = into.rows as f64;
    let b = other.rows as f64;
    into.predicted = (into.predicted * a + other.predicted * b) / (a + b);
    into.observed = (into.observed * a + other.observed * b) / (a + b);
    into.rows += other.rows;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_of_the_curve_stands_for_fewer_patients_than_the_limit() {
        // 100 patients, 50 events: every point is one patient.
        let fine: Vec<(f64, f64)> = (0..=100)
            .map(|i: i32| ((i / 2).min(50) as f64 / 50.0, ((i + 1) / 2) as f64 / 50.0))
            .collect();
        let coarse = merge_roc(&fine, 100, 50, 10);
        assert_eq!(
            (coarse[0], coarse[coarse.len() - 1]),
            ((0.0, 0.0), (1.0, 1.0))
        );
        assert!(coarse.len() > 4);
        for pair in coarse.windows(2) {
            let patients = (pair[1].0 - pair[0].0) * 50.0 + (pair[1].1 - pair[0].1) * 50.0;
            assert!(patients > 9.5, "{pair:?}");
        }
        assert_eq!(merge_roc(&fine, 100, 50, 0), fine);
        assert!(merge_roc(&[], 0, 0, 10).is_empty());
    }

    #[test]
    fn a_step_or_a_bin_tells_of_no_handful_with_the_outcome() {
        // 1,000 patients, 20 with the outcome: one of them at every fifth step.
        let mut at = (0.0, 0.0);
        let mut fine = vec![at];
        for step in 0..100 {
            at = (
                at.0 + if step % 5 == 0 { 9.0 } else { 10.0 } / 980.0,
                at.1 + if step % 5 == 0 { 0.05 } else { 0.0 },
            );
            fine.push(at);
        }
        let coarse = merge_roc(&fine, 1000, 20, 5);
        for pair in coarse.windows(2) {
            let (right, up) = (
                (pair[1].0 - pair[0].0) * 980.0,
                (pair[1].1 - pair[0].1) * 20.0,
            );
            let few = |patients: f64| (0.5..=4.5).contains(&patients);
            assert!(!few(up) && !few(right), "{pair:?}");
        }
        assert!(coarse.len() > 3 && coarse.last() == fine.last());
        let bins: Vec<CalibrationBin> = (0..10)
            .map(|at| CalibrationBin {
                predicted: 0.02,
                observed: f64::from(at % 3) / 100.0,
                rows: 100,
            })
            .collect();
        let joined = merge_bins(&bins, 5);
        for bin in &joined {
            let events = (bin.observed * bin.rows as f64).round();
            assert!(events == 0.0 || events > 4.5, "{bin:?}");
        }
        assert_eq!(
            (joined.iter().map(|bin| bin.rows).sum::<u64>(), joined.len()),
            (1000, 2)
        );
    }

    #[test]
    fn short_bins_join_their_neighbour_and_no_patient_is_lost() {
        let bin = |predicted, observed, rows| CalibrationBin {
            predicted,
            observed,
            rows,
        };
        let merged = merge_bins(
            &[
                bin(0.1, 0.0, 4),
                bin(0.2, 0.5, 40),
                bin(0.4, 0.4, 50),
                bin(0.9, 1.0, 3),
            ],
            10,
        );
        assert_eq!(merged.iter().map(|b| b.rows).collect::<Vec<_>>(), [44, 53]);
        assert!((merged[0].observed - 20.0 / 44.0).abs() < 1e-12);
        assert!((merged[1].predicted - (20.0 + 2.7) / 53.0).abs() < 1e-12);
        // Fewer patients than the limit in all: one bin, nothing to join it to.
        assert_eq!(
            merge_bins(&[bin(0.1, 0.0, 4), bin(0.3, 0.0, 2)], 10).len(),
            1
        );
    }
}
