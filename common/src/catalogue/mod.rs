//! The catalogue: what the stewards of a
//! consortium tell each other, and the
//! researchers whom it enrolled, of their
//! datasets. A *notice* is a steward's signed
//! word on one dataset; the latest of each
//! counts, and a researcher who reads it drafts a
//! study without guessing.
//!
//! ```text
//! check    whether a notice has the form of one
//! words    how it is read
//! changes  what a later one says beside an earlier
//! read     what it is worth to whoever reads it
//! ```

mod changes;
mod check;
mod read;
mod words;

use crate::study::{Recipients, Type};
use motet_secagg::canonical;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};
pub use read::{Found, Read, Vouched, VouchedSite};
use serde::Serialize;
pub use words::HEADS;

/// The most columns that a notice tells of: a
/// wide table of measurements is named by
/// `--columns`.
pub const MOST_COLUMNS: usize = 1000;

/// The most levels of a column that are told:
/// more than these are codes, and some of them
/// rare.
pub const MOST_LEVELS: usize = 256;

/// Bytes of the longest notice: so many columns
/// with a unit and a label each.
pub const MOST_BYTES: usize = 128 << 10;

/// The most datasets that a site has in the
/// catalogue, those that were taken out counted.
pub const MOST_DATASETS: usize = 64;

/// What a number of rows is rounded to at least.
pub const HUNDRED: u32 = 100;

/// What a steward's key signs a notice for, and
/// nothing else.
const TAG: &str = "notice";

canonical! {
    /// The first and the last year in which a date
    /// has as many patients as a cell must have;
    /// there may be others outside.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
    pub struct Years {
        /// The first.
        pub first: u16,
        /// The last.
        pub last: u16,
    }
}

canonical! {
    /// What a study may do with a column beside
    /// explaining and being explained.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Use {
        /// Choose patients by it.
        1 => Filter,
        /// Let rows count by it.
        2 => Weight,
        /// Divide patients by it.
        3 => Group,
    }
}

canonical! {
    /// What is told of one column: what the site's
    /// schema declares, and of its values nothing but
    /// levels and years that are those of enough
    /// patients.
    #[derive(Debug, Clone, PartialEq, Serialize)]
    pub struct Told {
        /// The name that a study uses.
        pub column: String,
        /// What it holds.
        #[serde(rename = "type", serialize_with = "words::word_of")]
        pub kind: Type,
        /// What people call it.
        pub label: Option<String>,
        /// UCUM code of its numbers.
        pub unit: Option<String>,
        /// Of what it is an amount.
        pub substance: Option<String>,
        /// The smallest number that the schema allows, in
        /// `unit`.
        pub min: Option<f64>,
        /// The largest.
        pub max: Option<f64>,
        /// What a study may do with it besides.
        pub uses: Vec<Use>,
        /// All its levels, where they are told.
        pub levels: Vec<String>,
        /// Of a date, where they are told.
        pub years: Option<Years>,
    }
}

canonical! {
    /// What is told of a dataset.
    #[derive(Debug, Clone, PartialEq, Serialize)]
    pub struct Offer {
        /// Which researchers it is for, besides operators
        /// and sites.
        #[serde(serialize_with = "words::who")]
        pub researchers: Recipients,
        /// Rows, second rows of a patient not counted, to
        /// the nearest multiple of `rounded_to`; 0 for
        /// fewer than that.
        pub rows: u64,
        /// [`HUNDRED`], or more where the site rounds to
        /// more.
        pub rounded_to: u32,
        /// The columns, by name.
        pub columns: Vec<Told>,
    }
}

canonical! {
    /// What a notice says.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Word {
        /// The dataset is there.
        1 => Published(Offer),
        /// It is told of no more.
        2 => Withdrawn,
    }
}

canonical! {
    /// A steward's word on one dataset.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Notice {
        /// The site.
        pub site: NodeId,
        /// The dataset.
        pub dataset: String,
        /// Above that of every notice this site signed of
        /// it before: the highest counts.
        pub number: u64,
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// What it says.
        pub word: Word,
    }
}

canonical! {
    /// A notice with the steward's signature.
    #[derive(Debug, Clone, PartialEq)]
    pub struct SignedNotice {
        /// The notice.
        pub notice: Notice,
        /// By the steward.
        pub signature: Signature,
    }
}

impl Notice {
    /// Signs with the steward's key.
    pub fn sign(self, steward: &SecretKey) -> SignedNotice {
        let signature = steward.sign(TAG, &self.to_bytes());
        SignedNotice {
            notice: self,
            signature,
        }
    }

    /// What is told, unless the dataset was taken
    /// out.
    pub fn offer(&self) -> Option<&Offer> {
        match &self.word {
            Word::Published(offer) => Some(offer),
            Word::Withdrawn => None,
        }
    }
}

impl SignedNotice {
    /// Whether `steward` signed it.
    pub fn is_signed_by(&self, steward: &PublicKey) -> bool {
        steward
            .verify(TAG, &self.notice.to_bytes(), &self.signature)
            .is_ok()
    }
}

impl Offer {
    /// A number of rows as it is told: rounded to a
    /// hundred or more, 0 where there are fewer.
    pub fn rounded(rows: u64, to: u32) -> u64 {
        debug_assert!(to >= HUNDRED, "a site can only be stricter");
        let to = u64::from(to.max(HUNDRED));
        if rows < to {
            return 0;
        }
        (rows.saturating_add(to / 2)) / to * to
    }
}

#[cfg(test)]
mod tests;
