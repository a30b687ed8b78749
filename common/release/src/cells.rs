//! Small groups of patients: merged with their neighbours, or left out, before anything is written
//! for a researcher.
//!
//! Every recipient of the sums (coordinator and nodes) knows the fine histograms already. The
//! release goes further, to people outside, so a step of the ROC curve or a calibration bin that
//! stands for a handful of patients is joined to the next one. The metrics themselves are not
//! touched. What one figure of a page withholds, no other figure of it gives back: a test puts
//! every other small number in the place of a withheld one, and the page stays the same.

mod details;
pub(super) mod survival;

use motet_recipes::{
    CalibrationBin, Fit, GbdtOutcome, GlmOutcome, Metrics, Outcome, Step, Variable,
};

/// The outcome with no step, bin or count in it that stands for 1 to `smallest - 1` patients. A
/// variable that too few patients have keeps its name and loses its numbers (`NaN`, written as
/// null). `sites` are the fewest with a level or a cell that is not empty.
pub(super) fn merged(outcome: &Outcome, smallest: u64, sites: u64) -> Outcome {
    let mut outcome = outcome.clone();
    match &mut outcome {
        Outcome::FedAvg(model) => {
            if one_sided(model.rows, model.events, smallest) {
                unmeasured(&mut model.metrics, &mut model.roc, &mut model.calibration);
            }
            model.roc = merge_roc(&model.roc, model.rows, model.events, smallest);
            model.calibration = merge_bins(&model.calibration, smallest);
        }
        Outcome::Summary(summary) => {
            let told = summary.variables.clone();
            summary
                .variables
                .iter_mut()
                .for_each(|variable| hide(variable, smallest));
            let least = details::Least {
                cell: smallest,
                sites,
            };
            details::protect(summary, &told, least);
        }
        Outcome::Glm(fit) => glm(fit, smallest),
        Outcome::Gbdt(model) => gbdt(model, smallest),
        // Sites round counts themselves; a network for numbers holds no counts.
        Outcome::Count(_) | Outcome::FedNumber(_) | Outcome::FedTime(_) => {}
        // Its events are hidden where they are written, its baseline is thinned with the study's own limit.
        Outcome::Cox(fit) => {
            if small(fit.events, smallest) {
                // The likelihood without any effect is that of so many events.
                (fit.null_loglik, fit.likelihood_ratio) = (f64::NAN, None);
                start_is_withheld(&mut fit.history);
            }
        }
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

/// A climb begins where no column has an effect: its likelihood there is a function of rows and events.
fn start_is_withheld(history: &mut [Step]) {
    if let Some(first) = history.first_mut() {
        first.loglik = f64::NAN;
    }
}

fn glm(fit: &mut GlmOutcome, smallest: u64) {
    let (rows, events) = (fit.rows, fit.events.unwrap_or_default());
    if one_sided(rows, events, smallest) {
        // Each of these would give the few events back.
        (fit.mean, fit.null_deviance, fit.null_loglik) = (f64::NAN, f64::NAN, None);
        start_is_withheld(&mut fit.history);
        fit.evaluation = None;
    }
    if let Some(evaluation) = &mut fit.evaluation {
        evaluation.roc = merge_roc(&evaluation.roc, rows, events, smallest);
        evaluation.calibration = merge_bins(&evaluation.calibration, smallest);
    }
}

/// Takes the measures of a model away: of few patients with the outcome, or without it, each would
/// tell how many they are.
fn unmeasured(
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
        brier: f64::NAN,
        calibration_slope: f64::NAN,
        calibration_intercept: f64::NAN,
    };
}

fn gbdt(model: &mut GbdtOutcome, smallest: u64) {
    let events = model.events.unwrap_or_default();
    let few_trained = one_sided(model.rows, events, smallest);
    // Before the first tree the loss is a function of rows and events.
    if let (true, Some(first)) = (few_trained, model.history.first_mut()) {
        first.training = f64::NAN;
    }
    let few = few_trained
        || small(model.held, smallest)
        || match &model.fit {
            // Of those held out as many with the outcome and without it.
            Fit::Classes { calibration, .. } => {
                let (rows, events) = behind(calibration);
                one_sided(rows, events, smallest)
            }
            Fit::Numbers { .. } => false,
        };
    if few {
        model
            .history
            .iter_mut()
            .for_each(|boost| boost.held_out = None);
    }
    match &mut model.fit {
        Fit::Numbers { rmse, r2 } if few => (*rmse, *r2) = (f64::NAN, None),
        Fit::Numbers { .. } => {}
        Fit::Classes {
            metrics,
            roc,
            calibration,
        } => {
            let (rows, events) = behind(calibration);
            *roc = merge_roc(roc, rows, events, smallest);
            *calibration = merge_bins(calibration, smallest);
            if few {
                unmeasured(metrics, roc, calibration);
            }
        }
    }
}

/// Rows and events of the patients in the groups: of those held out nothing else tells the events.
fn behind(bins: &[CalibrationBin]) -> (u64, u64) {
    let events: f64 = bins
        .iter()
        .map(|bin| (bin.observed * bin.rows as f64).round())
        .sum();
    (bins.iter().map(|bin| bin.rows).sum(), events as u64)
}

/// The rows with 1, if the column holds nothing but 0 and 1: then its sum is a whole number that
/// fixes its variance.
fn ones(variable: &Variable) -> Option<u64> {
    ones_of(variable.count, variable.mean, variable.variance)
}

/// The same of so many values.
fn ones_of(values: u64, mean: f64, variance: f64) -> Option<u64> {
    let n = values as f64;
    let sum = (mean * n).round();
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
    let of_ones = sum * (1.0 - sum / n) / (n - 1.0);
    let yes_no = near(mean * n, sum) && near(variance, of_ones);
    (yes_no && (0.0..=n).contains(&sum)).then_some(sum as u64)
}

/// Values and missing values of a column: both or none, for beside the number of all rows each
/// tells the other.
pub(super) fn counts(variable: &Variable, smallest: u64) -> Option<(u64, u64)> {
    let Variable {
        count,
        missing,
        few_missing,
        ..
    } = *variable;
    let told = !few_missing && !small(count, smallest) && !small(missing, smallest);
    told.then_some((count, missing))
}

fn hide(variable: &mut Variable, smallest: u64) {
    // The mean of a yes/no column is the count of its yes, and a fraction that tells of how many.
    let told = |ones: u64| {
        one_sided(variable.count, ones, smallest) || counts(variable, smallest).is_none()
    };
    if small(variable.count, smallest) || ones(variable).is_some_and(told) {
        variable.mean = f64::NAN;
        variable.variance = f64::NAN;
    }
    if counts(variable, smallest).is_none() {
        let rows = variable.count + variable.missing;
        variable.mean = rounded(variable.mean, unit(rows), digits(rows));
        // A variance has twice as many digits to say as what is told in its place.
        variable.variance = libm::pow(sd(variable, smallest), 2.0);
    }
}

/// Standard deviation of a column from the variance that is shown.
pub(super) fn sd(variable: &Variable, smallest: u64) -> f64 {
    let sd = variable.variance.sqrt();
    match counts(variable, smallest) {
        Some(_) => sd,
        None => {
            let rows = variable.count + variable.missing;
            rounded(sd, unit(rows), digits(rows))
        }
    }
}

/// Variance of a column where its number of values is told; else the standard deviation is told
/// alone.
pub(super) fn variance(variable: &Variable, smallest: u64) -> f64 {
    counts(variable, smallest).map_or(f64::NAN, |_| variable.variance)
}

/// Whole sums that one rounded mean leaves open, for each number of values: a mean of whole numbers
/// in all its digits is the quotient of one number of values only, and so is one of whole tens.
const SUMS: f64 = 40.0;
/// Digits of a figure whose number of values is withheld.
const DIGITS: i32 = 3;
/// Digits of one of fewer than [`MANY_ROWS`]: values that are written in hundreds have few sums.
const FEW_DIGITS: i32 = 2;
/// So many rows leave several sums of hundreds open in [`DIGITS`].
const MANY_ROWS: u64 = 200;

/// Digits of a figure of a column whose number of values is withheld; of all `rows`.
fn digits(rows: u64) -> i32 {
    if rows < MANY_ROWS { FEW_DIGITS } else { DIGITS }
}

/// The finest unit of a figure of a column whose number of values is withheld; of all `rows`, which
/// do not tell it.
fn unit(rows: u64) -> f64 {
    SUMS / rows.max(1) as f64
}

/// At most so many significant digits, and no decimal finer than `unit`.
fn rounded(value: f64, unit: f64, digits: i32) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let [size, finest] =
        [libm::log10(value.abs()).floor(), libm::log10(unit).ceil()].map(|power| power as i32);
    let power = (size - digits + 1).max(finest);
    let decimals = usize::try_from(-power).unwrap_or_default();
    let tens = libm::pow(10.0, f64::from(power.max(0)));
    // Through text: a product of decimals has digits of its own. A zero has no sign.
    format!("{:.decimals$}", value / tens)
        .parse()
        .map_or(f64::NAN, |value: f64| value * tens + 0.0)
}

/// Points (false positive share, true positive share) from (0,0) to (1,1); a step that rises has at
/// least `smallest` patients with the outcome, one that goes to the right as many without it.
fn merge_roc(points: &[(f64, f64)], rows: u64, events: u64, smallest: u64) -> Vec<(f64, f64)> {
    let without = rows.saturating_sub(events) as f64;
    // Half a patient of slack: the shares are quotients and come back with rounding.
    let few = |patients: f64| patients > 0.5 && patients < smallest as f64 - 0.5;
    let tells = |a: (f64, f64), b: (f64, f64)| {
        let (right, up) = ((b.0 - a.0) * without, (b.1 - a.1) * events as f64);
        few(right) || few(up) || right + up < 0.5
    };
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for point in points
        .iter()
        .copied()
        .filter(|p| p.0.is_finite() && p.1.is_finite())
    {
        match kept.last() {
            Some(&previous) if smallest > 0 && tells(previous, point) => {}
            _ => kept.push(point),
        }
        last = Some(point);
    }
    // The curve ends where it ended; a step that would tell is joined to the one before.
    if let Some(last) = last {
        while kept.len() > 1
            && kept
                .last()
                .is_some_and(|previous| *previous != last && tells(*previous, last))
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
fn merge_bins(bins: &[CalibrationBin], smallest: u64) -> Vec<CalibrationBin> {
    let tells = |bin: &CalibrationBin| {
        let events = (bin.observed * bin.rows as f64).round() as u64;
        bin.rows < smallest || one_sided(bin.rows, events, smallest)
    };
    let mut kept: Vec<CalibrationBin> = Vec::new();
    for bin in bins.iter().filter(|bin| bin.rows > 0) {
        match kept.last_mut() {
            Some(previous) if tells(previous) => join(previous, bin),
            _ => kept.push(bin.clone()),
        }
    }
    while kept.len() > 1
        && let Some(short) = kept.pop_if(|bin| tells(bin))
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
    fn the_mean_of_a_yes_no_column_does_not_tell_its_few_patients() {
        let column = |ones: f64, n: u64| {
            let mean = ones / n as f64;
            let variance = ones * (1.0 - mean) / (n as f64 - 1.0);
            Variable {
                name: "x".to_owned(),
                count: n,
                missing: 0,
                few_missing: false,
                mean,
                variance,
            }
        };
        for (ones, shown) in [
            (0.0, true),
            (3.0, false),
            (5.0, true),
            (997.0, false),
            (1000.0, true),
        ] {
            let mut variable = column(ones, 1000);
            hide(&mut variable, 5);
            assert_eq!(variable.mean.is_finite(), shown, "{ones}");
        }
        let mut number = Variable {
            variance: 7.0,
            ..column(3.0, 1000)
        };
        hide(&mut number, 5);
        assert!(number.mean.is_finite());
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
