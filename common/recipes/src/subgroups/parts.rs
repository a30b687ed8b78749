//! The fitted rows and those held out, side by side: as a
//! group of two levels that no column gives, after all
//! others.
//!
//! Both are judged by the same sums: AUC with the variance
//! of DeLong, DeLong and Clarke-Pearson (1988) of scores in
//! the bins of any level (in finer ones each of a few held
//! out would have one alone, with the outcome, in a sum
//! that the sites know), Brier score,
//! observed over expected, and accuracy with that of Wilson
//! (1927); a C-index, or errors of a number, as of any
//! group. The calibration line logit P(y) = a + b logit(p)
//! is fitted anew to each part (Cox 1958, Biometrika 45,
//! 562), its errors are those of the information of that
//! fit.

/// What stands in the place of a column: no column can be
/// called so.
pub(super) const COLUMN: &str = "(held out)";
/// The two levels.
pub(super) const NAMES: [&str; 2] = ["fitted", "held out"];
/// The parts that there are: fitted rows, and those held
/// out.
pub const PARTS: usize = NAMES.len();
