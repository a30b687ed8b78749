//! What a site keeps for itself from one round to the next, and what it hands out in a round.
//!
//! Only `scaffold` keeps something: the site's control variate, which would tell its mean gradient
//! to whoever read it. The rule for whoever keeps it: the memory handed in belongs to the state the
//! round starts from, so an attempt that is made again for the same state starts from the same
//! memory; the next one takes its place only once the update was masked.

use crate::error::RecipeError;
use motet_secagg::encode::Canonical as _;
use motet_secagg::layout::ClearUpdate;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Numbers of one site, secret: no `Debug`, `Clone` or wire type, wiped when dropped. Empty before
/// the first round and in every recipe that keeps nothing.
///
/// ```compile_fail
/// fn show(memory: motet_recipes::Memory) { println!("{memory:?}"); }
/// ```
/// ```compile_fail
/// fn copy(memory: &motet_recipes::Memory) -> motet_recipes::Memory { memory.clone() }
/// ```
/// ```compile_fail
/// use motet_secagg::encode::Canonical;
/// fn send(memory: &motet_recipes::Memory) { memory.write(&mut Vec::new()); }
/// ```
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct Memory {
    values: Vec<f64>,
}

/// What a site brings to a round.
pub struct Answer {
    /// The vector to mask.
    pub update: ClearUpdate,
    /// What to keep in place of the memory handed in, once `update` was masked; nothing where that
    /// stays.
    pub memory: Option<Memory>,
}

impl Memory {
    pub(crate) fn new(values: Vec<f64>) -> Self {
        Self { values }
    }

    /// As many numbers as the model has parameters: zeros before the first round.
    pub(crate) fn read(&self, len: usize) -> Result<Zeroizing<Vec<f64>>, RecipeError> {
        match self.values.len() {
            0 => Ok(Zeroizing::new(vec![0.0; len])),
            held if held == len => Ok(Zeroizing::new(self.values.clone())),
            _ => Err(RecipeError::Mismatch {
                what: "memory of this site",
            }),
        }
    }

    /// The bytes to seal in the site's own vault; they are as secret as the memory.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // The whole length is allotted first: a text that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(4 + 8 * self.values.len()));
        self.values.write(&mut bytes);
        bytes
    }

    /// The memory that [`Memory::to_bytes`] wrote.
    ///
    /// # Errors
    /// Other bytes, or numbers that are not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecipeError> {
        let memory = Vec::from_bytes(bytes).map(Self::new);
        memory
            .ok()
            .filter(|memory| memory.values.iter().all(|value| value.is_finite()))
            .ok_or(RecipeError::Mismatch {
                what: "memory of this site",
            })
    }
}

impl From<ClearUpdate> for Answer {
    fn from(update: ClearUpdate) -> Self {
        Self {
            update,
            memory: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_comes_back_from_its_bytes_and_from_no_others() {
        let memory = Memory::new(vec![1.5, -2.0]);
        let bytes = memory.to_bytes();
        assert_eq!(Memory::from_bytes(&bytes).ok().unwrap().values, [1.5, -2.0]);
        assert!(Memory::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(Memory::from_bytes(&Memory::new(vec![f64::NAN]).to_bytes()).is_err());
        assert_eq!(
            Memory::default().read(3).ok(),
            Some(Zeroizing::new(vec![0.0; 3]))
        );
        assert!(memory.read(3).is_err());
    }

    #[test]
    fn a_memory_is_wiped() {
        let mut memory = Memory::new(vec![1.0; 4]);
        memory.zeroize();
        assert!(memory.values.is_empty());
    }
}
