//! Small groups of patients: merged with their neighbours, or left out, before anything is written for a researcher.
//!
//! Every recipient of the sums (coordinator and nodes) knows the fine histograms already. The release goes further, to
//! people outside, so a step of the ROC curve or a calibration bin that stands for a handful of patients is joined to
//! the next one. The metrics themselves are not touched.

mod details;
pub(super) mod survival;

use motet_recipes::{CalibrationBin, Fit, GbdtOutcome, GlmOutcome, Outcome, Variable};

/// The outcome with no step, bin or count in it that stands for 1 to `smallest - 1` patients. A variable that too few
/// patients have keeps its name and loses its numbers (`NaN`, written as null).
pub(super) fn merged(outcome: &Outcome, smallest: u64) -> Outcome {
    let mut outcome = outcome.clone();
    match &mut outcome {
        Outcome::Logistic(fit) => {
            fit.roc = merge_roc(&fit.roc, fit.rows, fit.events, smallest);
            fit.calibration = merge_bins(&fit.calibration, smallest);
        }
        Outcome::FedAvg(model) => {
            model.roc = merge_roc(&model.roc, model.rows, model.events, smallest);
            model.calibration = merge_bins(&model.calibration, smallest);
        }
        Outcome::Summary(summary) => {
            summary.variables.iter_mut().for_each(|variable| hide(variable, smallest));
            details::protect(summary, smallest);
        }
        Outcome::Glm(fit) => glm(fit, smallest),
        Outcome::Gbdt(model) => gbdt(model, smallest),
        // Sites round counts themselves; a network for numbers holds no counts.
        Outcome::Count(_) | Outcome::FedNumber(_) | Outcome::FedTime(_) => {}
        // Its events are hidden where they are written, its baseline is thinned with the study's own limit.
        Outcome::Cox(_) => {}
        Outcome::KaplanMeier(found) => survival::curves(found, smallest),
    }
    outcome
}

/// Is this a count that may not be shown?
pub(super) fn small(count: u64, smallest: u64) -> bool {
    count > 0 && count < smallest
}

/// Few patients with the outcome, or few without it?
pub(super) fn one_sided(rows: u64, events: u64, smallest: u64) -> bool {
    small(events, smallest) || small(rows.saturating_sub(events), smallest)
}

fn glm(fit: &mut GlmOutcome, smallest: u64) {
    let (rows, events) = (fit.rows, fit.events.unwrap_or_default());
    if one_sided(rows, events, smallest) {
        // Each of these would give the few events back.
        (fit.mean, fit.null_deviance, fit.null_loglik) = (f64::NAN, f64::NAN, None);
        fit.evaluation = None;
    }
    if let Some(evaluation) = &mut fit.evaluation {
        evaluation.roc = merge_roc(&evaluation.roc, rows, events, smallest);
        evaluation.calibration = merge_bins(&evaluation.calibration, smallest);
    }
}

fn gbdt(model: &mut GbdtOutcome, smallest: u64) {
    let few = small(model.held, smallest);
    if few {
        model.history.iter_mut().for_each(|boost| boost.held_out = None);
    }
    match &mut model.fit {
        Fit::Numbers { rmse, r2 } if few => (*rmse, *r2) = (f64::NAN, None),
        Fit::Numbers { .. } => {}
        Fit::Classes { metrics, roc, calibration } => {
            let (rows, events) = behind(calibration);
            *roc = merge_roc(roc, rows, events, smallest);
            *calibration = merge_bins(calibration, smallest);
            if one_sided(rows, events, smallest) {
                roc.clear();
                calibration.clear();
            }
            if few {
                let none = f64::NAN;
                (metrics.auc, metrics.auc_error_bound, metrics.accuracy) = (none, none, none);
                (metrics.brier, metrics.calibration_slope, metrics.calibration_intercept) =
                    (none, none, none);
            }
        }
    }
}

/// Rows and events of the patients in the groups: of those held out nothing else tells the events.
fn behind(bins: &[CalibrationBin]) -> (u64, u64) {
    let events: f64 = bins.iter().map(|bin| (bin.observed * bin.rows as f64).round()).sum();
    (bins.iter().map(|bin| bin.rows).sum(), events as u64)
}

/// The rows with 1, if the column holds nothing but 0 and 1: then its sum is a whole number that fixes its variance.
fn ones(variable: &Variable) -> Option<u64> {
    let n = variable.count as f64;
    let sum = (variable.mean * n).round();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
    let variance = sum * (1.0 - sum / n) / (n - 1.0);
    let yes_no = near(variable.mean * n, sum) && near(variable.variance, variance);
    (yes_no && (0.0..=n).contains(&sum)).then_some(sum as u64)
}

fn hide(variable: &mut Variable, smallest: u64) {
    // The mean of a yes/no column is the count of its yes.
    let rare = |ones: u64| small(ones, smallest) || small(variable.count.saturating_sub(ones), smallest);
    if small(variable.count, smallest) || ones(variable).is_some_and(rare) {
        variable.mean = f64::NAN;
        variable.variance = f64::NAN;
    }
}

/// Points (false positive share, true positive share) from (0,0) to (1,1) with at least `smallest` patients a step.
fn merge_roc(points: &[(f64, f64)], rows: u64, events: u64, smallest: u64) -> Vec<(f64, f64)> {
    let without = rows.saturating_sub(events) as f64;
    let patients = |a: (f64, f64), b: (f64, f64)| (b.0 - a.0) * without + (b.1 - a.1) * events as f64;
    // Half a patient of slack: the shares are quotients and come back with rounding.
    let enough = smallest as f64 - 0.5;
    let points = points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite());
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for point in points {
        match kept.last() {
            Some(&previous) if patients(previous, point) < enough => {}
            _ => kept.push(point),
        }
        last = Some(point);
    }
    // The curve ends where it ended; a short last step is joined to the one before.
    if let Some(last) = last
        && kept.last() != Some(&last)
    {
        if kept.len() > 1 {
            kept.pop();
        }
        kept.push(last);
    }
    kept
}

/// Neighbouring bins joined until each holds at least `smallest` rows; shares are weighted by rows.
fn merge_bins(bins: &[CalibrationBin], smallest: u64) -> Vec<CalibrationBin> {
    let mut kept: Vec<CalibrationBin> = Vec::new();
    for bin in bins.iter().filter(|bin| bin.rows > 0) {
        match kept.last_mut() {
            Some(previous) if previous.rows < smallest => join(previous, bin),
            _ => kept.push(bin.clone()),
        }
    }
    if kept.len() > 1
        && let Some(short) = kept.pop_if(|bin| bin.rows < smallest)
        && let Some(previous) = kept.last_mut()
    {
        join(previous, &short);
    }
    kept
}

fn join(into: &mut CalibrationBin, other: &CalibrationBin) {
    let (a, b) = (into.rows as f64, other.rows as f64);
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
        let fine: Vec<(f64, f64)> =
            (0..=100).map(|i: i32| ((i / 2).min(50) as f64 / 50.0, ((i + 1) / 2) as f64 / 50.0)).collect();
        let coarse = merge_roc(&fine, 100, 50, 10);
        assert_eq!((coarse[0], coarse[coarse.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        assert!(coarse.len() > 8);
        for pair in coarse.windows(2) {
            let patients = (pair[1].0 - pair[0].0) * 50.0 + (pair[1].1 - pair[0].1) * 50.0;
            assert!(patients > 9.5, "{pair:?}");
        }
        assert_eq!(merge_roc(&fine, 100, 50, 0), fine);
        assert!(merge_roc(&[], 0, 0, 10).is_empty());
    }

    #[test]
    fn the_mean_of_a_yes_no_column_does_not_tell_its_few_patients() {
        let column = |ones: f64, n: u64| {
            let mean = ones / n as f64;
            let variance = ones * (1.0 - mean) / (n as f64 - 1.0);
            Variable { name: "x".to_owned(), count: n, missing: 0, mean, variance }
        };
        for (ones, shown) in [(0.0, true), (3.0, false), (5.0, true), (997.0, false), (1000.0, true)] {
            let mut variable = column(ones, 1000);
            hide(&mut variable, 5);
            assert_eq!(variable.mean.is_finite(), shown, "{ones}");
        }
        let mut number = Variable { variance: 7.0, ..column(3.0, 1000) };
        hide(&mut number, 5);
        assert!(number.mean.is_finite());
    }

    #[test]
    fn short_bins_join_their_neighbour_and_no_patient_is_lost() {
        let bin = |predicted, observed, rows| CalibrationBin { predicted, observed, rows };
        let merged =
            merge_bins(&[bin(0.1, 0.0, 4), bin(0.2, 0.5, 12), bin(0.4, 0.4, 20), bin(0.9, 1.0, 3)], 10);
        assert_eq!(merged.iter().map(|b| b.rows).collect::<Vec<_>>(), [16, 23]);
        assert!((merged[0].observed - 6.0 / 16.0).abs() < 1e-12);
        assert!((merged[1].predicted - (8.0 + 2.7) / 23.0).abs() < 1e-12);
        // Fewer patients than the limit in all: one bin, nothing to join it to.
        assert_eq!(merge_bins(&[bin(0.1, 0.0, 4), bin(0.3, 0.0, 2)], 10).len(), 1);
    }
}
