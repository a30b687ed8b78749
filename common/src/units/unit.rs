//! A unit as it was written, or why it is none.

use super::advice;
use super::code::{Size, Unknown, size};
use super::remarks::{Remark, agree, are_same, is_share, remarks};

/// A unit, and how it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Unit {
    code: String,
    pub(super) size: Size,
    remarks: Vec<Remark>,
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
                remarks: remarks(code),
            }),
            Err(Unknown) => Err(UnitError {
                problem: format!("{code:?} is not a unit as UCUM writes it"),
                fix: advice::instead(code),
            }),
        }
    }

    /// Whether the remarks in braces contradict each other:
    /// `ug/L{DDU}` is no `ug/L{FEU}`, and `mL/min` is not for
    /// each 1.73 m2.
    pub fn contradicts(&self, other: &Self) -> bool {
        !agree(&self.remarks, &other.remarks)
    }

    /// The remarks of one of both, where the other has none.
    pub fn only_remark(&self, other: &Self) -> Option<String> {
        let all = match (self.remarks.as_slice(), other.remarks.as_slice()) {
            ([], []) => return None,
            ([], some) | (some, []) => some,
            _ => return None,
        };
        Some(all.iter().map(|remark| remark.written.as_str()).collect())
    }

    /// Whether one of both is `1` and the other a share such as
    /// `%`, and nothing says that the `1` is a share, too: an INR
    /// and a score are `1`.
    pub fn may_be_no_share(&self, other: &Self) -> bool {
        let is_of_one_kind =
            self.size.powers == other.size.powers && self.size.of_moles == other.size.of_moles;
        let is_doubtful = |unit: &Self| unit.size == Size::one() && !is_share(&unit.remarks);
        is_of_one_kind
            && self.size != other.size
            && (is_doubtful(self) || is_doubtful(other))
            && !are_same(&self.remarks, &other.remarks)
    }

    /// Whether both are one unit, however they are written and
    /// whatever is remarked.
    pub fn equals(&self, other: &Self) -> bool {
        self.size == other.size
    }

    /// As it was written.
    pub fn code(&self) -> &str {
        &self.code
    }
}
