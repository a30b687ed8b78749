//! The mask generator: AES-256 in counter mode keyed by a [`Seed`], one counter range per chunk,
//! read as little-endian ring words.
//!
//! ```text
//! stream(seed, chunk) = AES-256-CTR(key = seed, counter block = be64(chunk) || be64(0))
//! ```
//! Rings below 32 bits read 32 bits a word too and drop the high ones when everything is added and
//! the words are packed. The block counter has 64 bits to itself, so two chunks never share a block
//! of keystream.

use crate::pack::Word;
use crate::secret::Seed;
use aes::Aes256;
use aes::cipher::{Array, BlockCipherEncrypt as _, KeyInit as _};
use zeroize::Zeroizing;

/// The number a plan names this generator by.
pub const PRG_ID: u8 = 1;

/// Keystream made at a time: small enough for the first-level cache, large enough to keep the AES
/// units busy.
const BATCH: usize = 8 * 1024;

/// Bytes of an AES block.
const BLOCK: usize = 16;

/// Whether a mask is added or subtracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Added.
    Plus,
    /// Subtracted.
    Minus,
}

impl Sign {
    /// The sign with which `me` applies the mask shared with `peer`: the lower id adds what the
    /// upper subtracts.
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
    let mut stream = Stream::new(seed, chunk);
    let mut batch = Zeroizing::new([0_u8; BATCH]);
    for part in out.chunks_mut(BATCH) {
        let next = stream.next(&mut batch, part.len());
        part.iter_mut().zip(next).for_each(|(to, from)| *to = *from);
    }
}

/// The keystream of one chunk, a batch at a time. The counters of a whole batch are written first
/// and encrypted in place: a general counter mode makes them one by one, which takes longer than
/// the encryption.
struct Stream {
    cipher: Aes256,
    chunk: u128,
    /// The next counter block.
    next: u64,
}

impl Stream {
    fn new(seed: &Seed, chunk: u64) -> Self {
        Self {
            cipher: Aes256::new(seed.expose().into()),
            chunk: u128::from(chunk) << 64,
            next: 0,
        }
    }

    /// At least the next `bytes` of the stream, in whole blocks: only the last batch of a stream is
    /// cut short.
    fn next<'a>(&mut self, batch: &'a mut [u8; BATCH], bytes: usize) -> &'a [u8] {
        let (all, _) = batch.as_chunks_mut::<BLOCK>();
        let count = bytes.div_ceil(BLOCK).min(all.len());
        let (blocks, _) = all.split_at_mut(count);
        for (number, block) in (self.next..).zip(blocks.iter_mut()) {
            *block = (self.chunk | u128::from(number)).to_be_bytes();
        }
        self.next += count as u64;
        self.cipher
            .encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
        blocks.as_flattened()
    }
}

/// Adds or subtracts the stream of `(seed, chunk)` to the words of that chunk, sentinels included.
pub(crate) fn apply<W: Word>(seed: &Seed, sign: Sign, chunk: u64, words: &mut [W]) {
    let mut stream = Stream::new(seed, chunk);
    let mut batch = Zeroizing::new([0_u8; BATCH]);
    for part in words.chunks_mut(BATCH / W::BYTES) {
        let masks = stream
            .next(&mut batch, part.len() * W::BYTES)
            .chunks_exact(W::BYTES)
            .map(W::from_le);
        match sign {
            Sign::Plus => part
                .iter_mut()
                .zip(masks)
                .for_each(|(word, mask)| *word = word.add(mask)),
            Sign::Minus => part
                .iter_mut()
                .zip(masks)
                .for_each(|(word, mask)| *word = word.sub(mask)),
        }
    }
}
