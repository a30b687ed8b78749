//! What a recipe lets this site keep for itself from one round to the next, such as the control
//! variate of `scaffold`: sealed under the node's state key like the vault, one file a study, never
//! sent, gone with the study's last round.
//!
//! ```text
//! state it was answered for | what the answer began from | what came of it
//! ```
//! An attempt that is made again for the same state begins from the same memory; another state
//! begins from what came of the last one.

use crate::vault::Vault;
use crate::{Home, NodeError};
use motet_recipes::Memory;
use motet_secagg::digest::Digest;
use std::io::{Error, ErrorKind};
use zeroize::Zeroizing;

/// Bytes of the state's digest, and of the length of what follows it.
const HEAD: usize = 32 + 8;

/// The memories of a node's studies.
pub(crate) struct Memories(Vault);

/// What an answer began from, and what came of it.
pub(crate) struct Remembered {
    pub(crate) before: Memory,
    pub(crate) after: Memory,
}

impl Memories {
    /// The memories in a node's folder.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn open(home: &Home) -> Result<Self, NodeError> {
        Vault::open(&home.paths.memory(), &home.state_key).map(Self)
    }

    /// What the answer for a state begins from; empty before the first.
    ///
    /// # Errors
    /// [`NodeError::File`] when it cannot be read, or was changed.
    pub(crate) fn before(&self, study: &Digest, state: &Digest) -> Result<Memory, NodeError> {
        if !self.0.names()?.contains(study) {
            return Ok(Memory::default());
        }
        let plain = self.0.unseal(study)?;
        let (before, after) = parts(&plain).ok_or_else(changed)?;
        let part = if plain.starts_with(&state.0) {
            before
        } else {
            after
        };
        Memory::from_bytes(part).map_err(|_| changed())
    }

    /// Keeps what came of the answer for a state.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn keep(
        &self,
        study: &Digest,
        state: &Digest,
        of: &Remembered,
    ) -> Result<(), NodeError> {
        let before = of.before.to_bytes();
        let after = of.after.to_bytes();
        let mut plain = Zeroizing::new(Vec::with_capacity(HEAD + before.len() + after.len()));
        plain.extend_from_slice(&state.0);
        plain.extend_from_slice(&(before.len() as u64).to_le_bytes());
        plain.extend_from_slice(&before);
        plain.extend_from_slice(&after);
        self.0.seal(study, plain)
    }

    /// Forgets a study.
    ///
    /// # Errors
    /// [`NodeError::File`].
    pub(crate) fn forget(&self, study: &Digest) -> Result<(), NodeError> {
        self.0.forget(study)
    }
}

fn parts(plain: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = plain.split_at_checked(HEAD)?;
    let length = head
        .last_chunk::<8>()
        .map(|bytes| u64::from_le_bytes(*bytes))?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

fn changed() -> NodeError {
    NodeError::file("open", "memory".as_ref())(Error::new(
        ErrorKind::InvalidData,
        "it is not what was kept",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use motet_secagg::encode::Canonical as _;
    use motet_secagg::sign::SecretKey;

    fn memory(values: &[f64]) -> Memory {
        Memory::from_bytes(&values.to_vec().to_bytes()).unwrap()
    }

    #[tokio::test]
    async fn an_attempt_made_again_begins_from_the_same_memory_and_the_next_state_from_what_came_of_it()
     {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
        let memories = Memories::open(&Home::open(folder.path()).await.unwrap()).unwrap();
        let (study, first, second) = (Digest([1; 32]), Digest([2; 32]), Digest([3; 32]));
        let before = |state: &Digest| memories.before(&study, state).unwrap().to_bytes().to_vec();
        let bytes = |values: &[f64]| memory(values).to_bytes().to_vec();
        assert_eq!(before(&first), bytes(&[]));
        let of = Remembered {
            before: memory(&[]),
            after: memory(&[1.5, -2.0]),
        };
        memories.keep(&study, &first, &of).unwrap();
        assert_eq!(before(&first), bytes(&[]), "the same round again");
        assert_eq!(before(&second), bytes(&[1.5, -2.0]));
        let of = Remembered {
            before: memory(&[1.5, -2.0]),
            after: memory(&[4.0, 4.0]),
        };
        memories.keep(&study, &second, &of).unwrap();
        assert_eq!(
            (before(&second), before(&first)),
            (bytes(&[1.5, -2.0]), bytes(&[4.0, 4.0]))
        );
        memories.forget(&study).unwrap();
        assert_eq!(before(&second), bytes(&[]));
    }
}
