//! What is wrong with a formula, and where.

use crate::tokens::NoWord;

/// A formula that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`formula`, character {at}: {what}")]
pub struct FormulaError {
    /// The character, from 1.
    pub at: usize,
    /// What is wrong and what to write.
    pub what: String,
}

impl FormulaError {
    pub(super) fn at(at: usize, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
        }
    }
}

impl From<NoWord> for FormulaError {
    fn from(NoWord { at, what }: NoWord) -> Self {
        Self { at, what }
    }
}
