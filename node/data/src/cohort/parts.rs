//! Which patients of a study are held out of its fit.
//!
//! ```text
//! secret  = HMAC-SHA256(secret of the site's pseudonyms, "held-out patients")
//! number  = first 8 bytes of HMAC-SHA256(secret, "held-out patient", study digest | pseudonym)
//! held out where  number / 2^64 < test_fraction
//! ```
//!
//! So a patient is in the same part whenever the rows of
//! the study are read again, whatever else is in the file;
//! a patient in two rows is in one part; and who is held
//! out is known to nobody without the secret, and not from
//! one study to the next.

use super::column::{Role, Told};
use crate::error::{Code, DataError};
use crate::table::{Pseudonym, Table};
use motet_common::study::Study;
use motet_secagg::digest::Digest;
use motet_secagg::mac::mac;
use ndarray::Array1;
use zeroize::Zeroizing;

/// What a patient lacks who has no key, in the list of
/// columns that are lacking.
pub(super) const KEY: &str = "(the patient's key)";

/// The part of a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartOf {
    /// No study holds anybody out.
    Whole,
    Fitted,
    HeldOut,
    /// Without a key nobody knows whether the patient is held
    /// out.
    Neither,
}

impl PartOf {
    /// As the column of the cohort has it, where it has one.
    pub(super) fn value(self) -> Option<f64> {
        match self {
            Self::Whole | Self::Neither => None,
            Self::Fitted => Some(0.0),
            Self::HeldOut => Some(1.0),
        }
    }
}

/// How the patients of a study are drawn; nothing where it
/// holds nobody out.
pub(super) struct Drawn(Option<Lot>);

struct Lot {
    secret: Zeroizing<[u8; 32]>,
    study: Digest,
    share: f64,
}

impl Drawn {
    /// # Errors
    /// `schema_mismatch` where the schema names no key to draw
    /// by.
    pub(super) fn of(table: &Table, study: &Study) -> Result<Self, DataError> {
        let Some(share) = study.held_out() else {
            return Ok(Self(None));
        };
        if !table.has_key() {
            return Err(no_key());
        }
        Ok(Self(Some(Lot {
            secret: table.secret_of_parts(),
            study: study.root(),
            share,
        })))
    }

    pub(super) fn is_drawn(&self) -> bool {
        self.0.is_some()
    }

    /// The rows as [`Table::by_patient`], those that are held
    /// out after all others.
    pub(super) fn in_order(&self, table: &Table) -> Vec<usize> {
        let mut rows: Vec<usize> = table.by_patient().collect();
        if self.is_drawn() {
            // The sort keeps the order within a part.
            rows.sort_by_cached_key(|row| self.part(table, *row) == PartOf::HeldOut);
        }
        rows
    }

    pub(super) fn part(&self, table: &Table, row: usize) -> PartOf {
        let Some(lot) = &self.0 else {
            return PartOf::Whole;
        };
        match table.pseudonym(row).flatten() {
            None => PartOf::Neither,
            Some(pseudonym) if lot.falls_on(&pseudonym) => PartOf::HeldOut,
            Some(_) => PartOf::Fitted,
        }
    }
}

impl Lot {
    fn falls_on(&self, pseudonym: &Pseudonym) -> bool {
        let message = [self.study.0.as_slice(), pseudonym].concat();
        let [a, b, c, d, e, f, g, h, ..] = mac(&self.secret, "held-out patient", &message);
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        // 2^64 numbers, each as likely.
        number as f64 / 18_446_744_073_709_551_616.0 < self.share
    }
}

/// The column that says who is held out, in a cohort that
/// has it.
pub(super) fn told() -> Told {
    Told::new(Role::HeldOut, "(held out)", "bool", Vec::new())
}

/// Whether all that are held out come after all others, and
/// nothing else is said of anybody.
pub(super) fn are_in_order(held_out: &Array1<f64>) -> bool {
    let mut rest = held_out.iter().skip_while(|value| **value == 0.0);
    rest.all(|value| *value == 1.0)
}

/// The refusal of a site whose schema names no key.
pub(super) fn no_key() -> DataError {
    let problem = "the study holds patients out of its fit, and the schema names no `key` by which \
        a patient is told from the others";
    let fix = "write `key = \"COLUMN\"` under `[dataset]` of the schema and read it again with \
        `motet-node data add NAME --csv F --schema S --replace`, or decline the study";
    DataError::new(Code::SchemaMismatch, problem, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lot(secret: u8, study: u8, share: f64) -> Lot {
        Lot {
            secret: Zeroizing::new([secret; 32]),
            study: Digest([study; 32]),
            share,
        }
    }

    fn held_out(lot: &Lot) -> Vec<u32> {
        let patients = 0_u32..10_000;
        patients
            .filter(|patient| {
                let mut pseudonym = Pseudonym::default();
                pseudonym[..4].copy_from_slice(&patient.to_le_bytes());
                lot.falls_on(&pseudonym)
            })
            .collect()
    }

    #[test]
    fn about_the_share_is_held_out_and_always_the_same_patients() {
        for share in [0.05, 0.2, 0.5] {
            let drawn = held_out(&lot(1, 1, share));
            // Six standard deviations of a binomial number.
            let within = 6.0 * (10_000.0 * share * (1.0 - share)).sqrt();
            assert!(
                (drawn.len() as f64 - 10_000.0 * share).abs() < within,
                "{share}"
            );
            assert_eq!(drawn, held_out(&lot(1, 1, share)));
        }
        let (few, many) = (held_out(&lot(1, 1, 0.1)), held_out(&lot(1, 1, 0.4)));
        assert!(few.iter().all(|patient| many.contains(patient)));
    }

    #[test]
    fn another_secret_and_another_study_hold_out_others() {
        let drawn = held_out(&lot(1, 1, 0.2));
        for other in [lot(2, 1, 0.2), lot(1, 2, 0.2)] {
            let others = held_out(&other);
            let both = others.iter().filter(|patient| drawn.contains(patient));
            // As many as chance has it: 400 of 10,000, within six standard deviations.
            assert!((both.count() as f64 - 400.0).abs() < 6.0 * 19.6);
        }
    }

    #[test]
    fn a_column_that_is_not_in_order_is_none() {
        let are = |values: &[f64]| are_in_order(&Array1::from_vec(values.to_vec()));
        assert!(are(&[0.0, 0.0, 1.0]) && are(&[0.0]) && are(&[1.0, 1.0]) && are(&[]));
        assert!(!are(&[0.0, 1.0, 0.0]) && !are(&[0.5]) && !are(&[0.0, f64::NAN, 1.0]));
    }
}
