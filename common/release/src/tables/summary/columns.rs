//! How much is told of a column where its numbers of values, of missing values or of yes are few.

use crate::kit::cells::{one_sided, small};
use motet_recipes::Variable;

/// The rows with 1, if the column holds nothing but 0 and 1: then its sum is a whole number that
/// fixes its variance.
pub(crate) fn ones(variable: &Variable) -> Option<u64> {
    ones_of(variable.count, variable.mean, variable.variance)
}

/// The same of that many values.
pub(crate) fn ones_of(values: u64, mean: f64, variance: f64) -> Option<u64> {
    let n = values as f64;
    let sum = (mean * n).round();
    let of_ones = sum * (1.0 - sum / n) / (n - 1.0);
    let yes_no = near(mean * n, sum) && near(variance, of_ones);
    (yes_no && (0.0..=n).contains(&sum)).then_some(sum as u64)
}

/// The same number but for rounding.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs())
}

/// Values and missing values of a column: both or none, for beside the number of all rows each
/// tells the other.
pub(crate) fn counts(variable: &Variable, smallest: u64) -> Option<(u64, u64)> {
    let Variable {
        count,
        missing,
        few_missing,
        ..
    } = *variable;
    let told = !few_missing && !small(count, smallest) && !small(missing, smallest);
    told.then_some((count, missing))
}

pub(crate) fn hide(variable: &mut Variable, smallest: u64) {
    // The mean of a yes/no column is the count of its yes, and a fraction that tells of how many.
    let is_vague = counts(variable, smallest).is_none();
    let ones = ones(variable);
    let tells = ones.is_some_and(|ones| is_vague || one_sided(variable.count, ones, smallest));
    if small(variable.count, smallest) || tells {
        variable.mean = f64::NAN;
        variable.variance = f64::NAN;
    }
    if is_vague {
        let rows = variable.count + variable.missing;
        variable.mean = rounded(variable.mean, unit(rows), digits(rows));
        // A variance in digits of its own would say more than the deviation that is told.
        variable.variance = libm::pow(sd(variable, smallest), 2.0);
    }
}

/// Standard deviation of a column from the variance that is shown.
pub(crate) fn sd(variable: &Variable, smallest: u64) -> f64 {
    let sd = variable.variance.sqrt();
    match counts(variable, smallest) {
        Some(_) => sd,
        None => {
            let rows = variable.count + variable.missing;
            rounded(sd, unit(rows), digits(rows))
        }
    }
}

/// Whole sums that one rounded mean leaves open, for each number of values: a mean of whole numbers
/// in all its digits is the quotient of one number of values only, and so is one of whole tens.
pub(crate) const SUMS: f64 = 40.0;
/// Digits of a figure whose number of values is withheld.
pub(crate) const DIGITS: i32 = 3;
/// Digits of one of fewer than [`MANY_ROWS`]: values that are written in hundreds have few sums.
const FEW_DIGITS: i32 = 2;
/// This many rows leave several sums of hundreds open in [`DIGITS`].
const MANY_ROWS: u64 = 200;

/// Digits of a figure of a column whose number of values is withheld; of all `rows`.
pub(crate) fn digits(rows: u64) -> i32 {
    if rows < MANY_ROWS { FEW_DIGITS } else { DIGITS }
}

/// The finest unit of a figure of a column whose number of values is withheld; of all `rows`, which
/// do not tell it.
pub(crate) fn unit(rows: u64) -> f64 {
    SUMS / rows.max(1) as f64
}

/// At most that many significant digits, and no decimal finer than `unit`.
pub(crate) fn rounded(value: f64, unit: f64, digits: i32) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return value;
    }
    let [size, finest] =
        [libm::log10(value.abs()).floor(), libm::log10(unit).ceil()].map(|power| power as i32);
    let power = (size - digits + 1).max(finest);
    let decimals = power.min(0).unsigned_abs() as usize;
    let tens = libm::pow(10.0, f64::from(power.max(0)));
    // Through text: a product of decimals has digits of its own. A zero has no sign.
    format!("{:.decimals$}", value / tens)
        .parse()
        .map_or(f64::NAN, |value: f64| value * tens + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
