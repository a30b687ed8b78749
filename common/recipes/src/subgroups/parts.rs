//! The fitted rows and those held out, side by side: as a group of two levels that no column gives,
//! after all others.
//!
//! Both are judged by the same sums: AUC with the interval of DeLong, DeLong and Clarke-Pearson (1988)
//! of scores in the bins of the method's own evaluation, Brier score, observed over expected, and
//! accuracy with that of Wilson (1927); a C-index, or errors of a number, as of any group. The
//! calibration line logit P(y) = a + b logit(p) is fitted anew to each part (Cox 1958, Biometrika 45,
//! 562), its errors are those of the information of that fit.

use super::{Judgement, Level, Subgroup, SubgroupKind, Subgroups};
use crate::score::BINS;

/// What stands in the place of a column: no column can be called so.
pub(super) const COLUMN: &str = "(held out)";
/// The two levels.
pub(super) const NAMES: [&str; 2] = ["fitted", "held out"];
/// The parts that there are: fitted rows, and those held out.
pub const PARTS: usize = NAMES.len();
/// Bins of the score of a part: those of the method's own evaluation.
pub const PART_BINS: usize = BINS;

impl Subgroups {
    /// The same, and how the model does on rows that are held out beside those that it was fitted on.
    pub fn with_held_out(mut self) -> Self {
        self.groups.push(Subgroup {
            column: COLUMN.to_owned(),
            kind: SubgroupKind::HeldOut,
        });
        self
    }

    /// Whether rows are held out.
    pub fn holds_out(&self) -> bool {
        self.groups.len() > self.in_columns().count()
    }

    /// The groups that columns of the dataset give.
    pub fn in_columns(&self) -> impl Iterator<Item = &Subgroup> {
        let groups = self.groups.iter();
        groups.filter(|group| group.kind != SubgroupKind::HeldOut)
    }

    /// The levels of the groups that columns give, and those of the parts.
    fn levels_and_parts<'j>(&self, judgement: &'j Judgement) -> [&'j [Vec<Level>]; 2] {
        let groups = judgement.groups.as_slice();
        // There are none before the first sum.
        let (levels, parts) = groups.split_at(self.in_columns().count().min(groups.len()));
        [levels, parts]
    }

    /// The levels that are shown, group by group, and the parts.
    pub(super) fn shown<'j>(&self, judgement: &'j Judgement) -> [Vec<&'j Level>; 2] {
        let all = self.levels_and_parts(judgement);
        all.map(|groups| {
            let levels = groups.iter().flatten();
            levels.filter(|level| level.is_shown()).collect()
        })
    }

    /// Which of the parts are shown, by their place.
    pub(super) fn shown_parts(&self, judgement: &Judgement) -> Vec<usize> {
        let [_, parts] = self.levels_and_parts(judgement);
        let levels = parts.iter().flatten().enumerate();
        levels
            .filter(|(_, level)| level.is_shown())
            .map(|(at, _)| at)
            .collect()
    }
}
