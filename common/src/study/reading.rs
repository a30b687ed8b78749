//! A study file while it is read: places become lines, mistakes become errors.

use super::StudyError;
use super::text;
use std::ops::Range;

/// A value, or the first mistake.
pub(super) type Checked<T> = Result<T, StudyError>;

/// The file's text, to turn places into lines.
pub(super) struct Reading<'t> {
    pub(super) text: &'t str,
}

impl Reading<'_> {
    pub(super) fn refuse<T>(
        &self,
        span: Range<usize>,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Checked<T> {
        let line = text::line_at(self.text, span.start);
        Err(StudyError {
            line,
            problem: problem.into(),
            fix: fix.into(),
        })
    }
}
