//! A unit as it was written, or why it is none.

use super::advice;
use super::code::{Size, Unknown, size};

/// A unit, and how it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    code: String,
    pub(super) size: Size,
}

/// Why a text is no unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {fix}")]
pub struct UnitError {
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl Unit {
    /// Reads a unit.
    ///
    /// # Errors
    /// [`UnitError`], with the right spelling where it can be
    /// guessed.
    pub fn parse(code: &str) -> Result<Self, UnitError> {
        match size(code) {
            Ok(size) => Ok(Self {
                code: code.to_owned(),
                size,
            }),
            Err(Unknown) => Err(UnitError {
                problem: format!("{code:?} is not a unit as UCUM writes it"),
                fix: advice::instead(code),
            }),
        }
    }

    /// Whether both are one unit, however they are written.
    pub fn equals(&self, other: &Self) -> bool {
        self.size == other.size
    }

    /// As it was written.
    pub fn code(&self) -> &str {
        &self.code
    }
}
