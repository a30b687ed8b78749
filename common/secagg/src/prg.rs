//! The mask generator: AES-256 in counter mode keyed by a [`Seed`], one counter range per chunk, read as little-endian
//! ring words.
//!
//! ```text
//! stream(seed, chunk) = AES-256-CTR(key = seed, counter block = be64(chunk) || be64(0))
//! ```
//! Rings below 32 bits read 32 bits a word too and drop the high ones when everything is added and the words are packed.
//! The block counter has 64 bits to itself, so two chunks never share a block of keystream.

use crate::pack::Word;
use crate::secret::Seed;
use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use zeroize::Zeroizing;

/// The number a plan names this generator by.
pub const PRG_ID: u8 = 1;

/// Keystream made at a time: small enough for the first-level cache, large enough to keep the AES units busy.
const BATCH: usize = 8 * 1024;

/// Whether a mask is added or subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Added.
    Plus,
    /// Subtracted.
    Minus,
}

impl Sign {
    /// The sign with which `me` applies the mask shared with `peer`: the lower id adds what the upper subtracts.
    pub fn of(me: crate::id::NodeId, peer: crate::id::NodeId) -> Self {
        if me < peer { Self::Plus } else { Self::Minus }
    }

    /// The sign that undoes this one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

/// Writes the keystream of one chunk over `out`.
pub fn keystream(seed: &Seed, chunk: u64, out: &mut [u8]) {
    stream(seed, chunk).write_keystream(out);
}

fn stream(seed: &Seed, chunk: u64) -> Ctr128BE<Aes256> {
    let counter = u128::from(chunk) << 64;
    Ctr128BE::<Aes256>::new(seed.expose().into(), &counter.to_be_bytes().into())
}

/// Adds or subtracts the stream of `(seed, chunk)` to the words of that chunk, sentinels included.
pub(crate) fn apply<W: Word>(seed: &Seed, sign: Sign, chunk: u64, words: &mut [W]) {
    let mut cipher = stream(seed, chunk);
    let mut batch = Zeroizing::new([0_u8; BATCH]);
    for part in words.chunks_mut(BATCH / W::BYTES) {
        // A whole batch each time: the tail of the last one is simply not used.
        cipher.write_keystream(batch.as_mut_slice());
        let masks = batch.chunks_exact(W::BYTES).map(W::from_le);
        match sign {
            Sign::Plus => part.iter_mut().zip(masks).for_each(|(word, mask)| *word = word.add(mask)),
            Sign::Minus => part.iter_mut().zip(masks).for_each(|(word, mask)| *word = word.sub(mask)),
        }
    }
}
