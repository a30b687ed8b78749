//! From an answer in the clear to masked chunks: encode once, add the node's own mask, add or
//! subtract one mask per peer, pack. What leaves here is uniformly random to anyone who lacks one
//! of the seeds.
//!
//! ```text
//! chunk j = pack([ 1 | 0 | data words ] + PRG(own, j) +/- PRG(pair, j) for every peer        mod 2^B)
//! ```
//! How words become bytes is in `pack`. The two sentinel slots come back as (number of sites, 0)
//! when, and only when, every mask has been removed.

use crate::canonical;
use crate::digest::Digest;
use crate::layout::{ClearUpdate, Layout, Ring};
use crate::merkle;
use crate::pack::{Word, pack};
pub use crate::prg::Sign;
use crate::prg::apply;
pub use crate::quantise::InputRefusal;
use crate::quantise::encode_block;
use crate::secret::{Secret, Seed, derive};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::ops::Range;
use zeroize::Zeroize;

/// Sentinel slots at the start of every chunk.
pub const SENTINELS: usize = 2;

/// Ring words of a full chunk, sentinels included: at most 1 MiB of payload in every ring.
pub fn chunk_words(ring: Ring) -> u32 {
    match ring {
        Ring::Bits16 | Ring::Bits20 | Ring::Bits24 | Ring::Bits32 => 1 << 18,
        Ring::Bits64 => 1 << 17,
    }
}

canonical! {
    /// How a vector is cut into chunks; both sides derive it from the layout.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Shape {
        /// The ring of every word.
        pub ring: Ring,
        /// Words of the vector: the weight and the blocks, without sentinels.
        pub words: u64,
        /// Words of a full chunk with its sentinels; fewer than 3 count as 3.
        pub chunk_words: u32,
    }
}

impl Shape {
    /// The shape in which a layout's vectors travel.
    pub fn of(layout: &Layout) -> Self {
        Self {
            ring: layout.ring,
            words: layout.words() as u64,
            chunk_words: chunk_words(layout.ring),
        }
    }

    fn room(&self) -> usize {
        (self.chunk_words as usize).saturating_sub(SENTINELS).max(1)
    }

    fn total(&self) -> usize {
        usize::try_from(self.words).unwrap_or(usize::MAX)
    }

    /// How many chunks the vector takes.
    pub fn chunks(&self) -> usize {
        self.total().div_ceil(self.room())
    }

    /// Which words of the vector chunk `index` holds; empty past the end.
    pub fn data(&self, index: usize) -> Range<usize> {
        let start = index.saturating_mul(self.room()).min(self.total());
        start..start.saturating_add(self.room()).min(self.total())
    }

    /// Bytes of the payload of chunk `index`; 0 past the end.
    pub fn payload_bytes(&self, index: usize) -> usize {
        match self.data(index).len() {
            0 => 0,
            data => self.ring.packed_bytes(data + SENTINELS),
        }
    }

    /// Bytes of all payloads together.
    pub fn total_bytes(&self) -> usize {
        // All chunks but the last are alike, and each is rounded up to whole bytes on its own.
        match self.chunks().checked_sub(1) {
            None => 0,
            Some(last) => last
                .saturating_mul(self.payload_bytes(0))
                .saturating_add(self.payload_bytes(last)),
        }
    }
}

/// Ring words in machine words of 32 or 64 bits: half the memory for models. Below 32 bits the high
/// ones mean nothing.
pub(crate) enum Words {
    Half(Wiped<u32>),
    Full(Wiped<u64>),
}

/// Words of one site that are wiped wherever they are dropped: masked, refused half way or given
/// up.
pub(crate) struct Wiped<W: Zeroize>(pub(crate) Vec<W>);

impl<W: Zeroize> Drop for Wiped<W> {
    fn drop(&mut self) {
        #[cfg(test)]
        let held = self.0.len();
        self.0.zeroize();
        #[cfg(test)]
        crate::wiped::saw("EncodedUpdate", held, self.0.is_empty());
    }
}

/// One site's answer as ring words, not yet masked: as secret as the answer itself, and consumed by
/// [`EncodedUpdate::mask`].
///
/// ```compile_fail
/// fn show(update: motet_secagg::mask::EncodedUpdate) { println!("{update:?}"); }
/// ```
/// ```compile_fail
/// fn copy(update: &motet_secagg::mask::EncodedUpdate) -> motet_secagg::mask::EncodedUpdate { update.clone() }
/// ```
/// ```compile_fail
/// use motet_secagg::encode::Canonical;
/// fn send(update: &motet_secagg::mask::EncodedUpdate) -> Vec<u8> { update.to_bytes() }
/// ```
pub struct EncodedUpdate {
    pub(crate) shape: Shape,
    pub(crate) words: Words,
}

/// The seeds of every mask on one site's update, each wiped when it is dropped.
///
/// ```compile_fail
/// fn show(masks: motet_secagg::mask::Masks) { println!("{masks:?}"); }
/// ```
/// ```compile_fail
/// fn copy(masks: &motet_secagg::mask::Masks) -> motet_secagg::mask::Masks { masks.clone() }
/// ```
pub struct Masks {
    /// The node's own mask, added.
    pub own: Seed,
    /// One mask per peer, with [`Sign::of`] `(me, peer)`.
    pub peers: Vec<(Sign, Seed)>,
}

/// The masked chunks of one site: what is written down, uploaded and kept for checking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedUpdate {
    /// Payload of each chunk, in order.
    pub chunks: Vec<Vec<u8>>,
}

impl ClearUpdate {
    /// Writes the answer as ring words. `sites` is the size of the line-up, against which the
    /// headroom is checked; `rounding` seeds the stochastic rounding and is used for nothing else.
    ///
    /// # Errors
    /// [`InputRefusal`]; the answer is wiped either way.
    pub fn encode(
        self,
        layout: &Layout,
        sites: u32,
        rounding: &Secret,
    ) -> Result<EncodedUpdate, InputRefusal> {
        layout.headroom(sites)?;
        if self.values.len() != layout.elements() {
            return Err(InputRefusal::Length {
                expected: layout.elements(),
                got: self.values.len(),
            });
        }
        if self.weight == 0 || self.weight > layout.weight_max {
            return Err(InputRefusal::Weight);
        }
        let words = match layout.ring {
            Ring::Bits64 => Words::Full(self.ring_words(layout, rounding)?),
            _ => Words::Half(self.ring_words(layout, rounding)?),
        };
        Ok(EncodedUpdate {
            shape: Shape::of(layout),
            words,
        })
    }

    fn ring_words<W: Word + Zeroize>(
        &self,
        layout: &Layout,
        rounding: &Secret,
    ) -> Result<Wiped<W>, InputRefusal> {
        let mut rng = ChaCha20Rng::from_seed(*derive::<32>(rounding.expose(), &[], &[b"sr"]));
        let share = f64::from(self.weight) / f64::from(layout.weight_max);
        // The full length at once: a vector that grows leaves copies of itself behind.
        let mut words = Wiped(Vec::with_capacity(layout.words()));
        words.0.push(W::from_u64(u64::from(self.weight)));
        let mut values = self.values.as_slice();
        for (index, block) in layout.blocks.iter().enumerate() {
            // The lengths were compared above: the split cannot come short.
            let (these, rest) = values.split_at(values.len().min(block.len as usize));
            values = rest;
            encode_block(index, block, these, share, &mut rng, |word| {
                words.0.push(W::from_u64(word))
            })?;
        }
        Ok(words)
    }
}

impl EncodedUpdate {
    /// How the update will be cut.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Cuts into chunks of another size than the ring's own; both sides must mean the same.
    #[must_use]
    pub fn with_chunk_words(mut self, chunk_words: u32) -> Self {
        self.shape.chunk_words = chunk_words;
        self
    }

    /// Adds every mask, chunk by chunk, and packs the words.
    pub fn mask(self, masks: Masks) -> MaskedUpdate {
        let chunks = match &self.words {
            Words::Half(words) => mask_words(&self.shape, &words.0, &masks),
            Words::Full(words) => mask_words(&self.shape, &words.0, &masks),
        };
        MaskedUpdate { chunks }
    }
}

fn mask_words<W: Word>(shape: &Shape, words: &[W], masks: &Masks) -> Vec<Vec<u8>> {
    (0..)
        .zip(words.chunks(shape.room()))
        .map(|(chunk, data)| {
            let mut part = Vec::with_capacity(data.len() + SENTINELS);
            part.extend([W::from_u64(1), W::from_u64(0)]);
            part.extend_from_slice(data);
            apply(&masks.own, Sign::Plus, chunk, &mut part);
            for (sign, seed) in &masks.peers {
                apply(seed, *sign, chunk, &mut part);
            }
            pack(shape.ring, &part)
        })
        .collect()
}

impl MaskedUpdate {
    /// The digest of every chunk.
    pub fn hashes(&self) -> Vec<Digest> {
        self.chunks
            .iter()
            .map(|payload| chunk_hash(payload))
            .collect()
    }

    /// The upload's root over [`MaskedUpdate::hashes`].
    pub fn root(&self) -> Digest {
        upload_root(&self.hashes())
    }
}

/// The digest of one chunk's payload, as upload headers list it.
pub fn chunk_hash(payload: &[u8]) -> Digest {
    Digest::of("chunk", &[payload])
}

/// The Merkle root over chunk digests; their places are the leaves' places.
pub fn upload_root(hashes: &[Digest]) -> Digest {
    let leaves: Vec<_> = hashes.iter().map(|hash| merkle::leaf(&hash.0)).collect();
    merkle::root(&leaves)
}
