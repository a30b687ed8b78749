//! The fitted rows and those held out, side by side: as a
//! group of two levels that no column gives, after all
//! others.
//!
//! Both are judged by the same sums: AUC with the variance
//! of DeLong, DeLong and Clarke-Pearson (1988) of scores in
//! the bins of the method's own evaluation, Brier score,
//! observed over expected, and accuracy with that of Wilson
//! (1927); a C-index, or errors of a number, as of any
//! group. The calibration line logit P(y) = a + b logit(p)
//! is fitted anew to each part (Cox 1958, Biometrika 45,
//! 562), its errors are those of the information of that
//! fit.

use crate::score::BINS;

/// What stands in the place of a column: no column can be
/// called so.
pub(super) const COLUMN: &str = "(held out)";
/// The two levels.
pub(super) const NAMES: [&str; 2] = ["fitted", "held out"];
/// The parts that there are: fitted rows, and those held
/// out.
pub const PARTS: usize = NAMES.len();
/// Bins of the score of a part: those of the method's own
/// evaluation.
pub const PART_BINS: usize = BINS;
