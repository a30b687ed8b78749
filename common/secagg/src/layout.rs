//! What a vector means, element by element: the layout both sides derive from the question, and the
//! two readings of it, [`ClearUpdate`] (one site's, secret) and [`Sum`] (all sites', decoded).
//!
//! ```text
//! vector of ring words = [ weight | block 0 | block 1 | ... ]        (sentinels are added per chunk when masked)
//! ```

use crate::canonical;
use crate::encode::Canonical as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

canonical! {
    /// The ring Z_2^B in which vectors are masked and added.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Ring {
        /// 16 bits a word: updates of small line-ups, where every byte counts.
        16 => Bits16,
        /// 20 bits a word: updates of large models from up to 64 sites.
        20 => Bits20,
        /// 24 bits a word: updates of large models.
        24 => Bits24,
        /// 32 bits a word: updates of models.
        32 => Bits32,
        /// 64 bits a word: exact statistics.
        64 => Bits64,
    }
}

impl Ring {
    /// Bits of a word, B.
    pub fn bits(self) -> u32 {
        match self {
            Self::Bits16 => 16,
            Self::Bits20 => 20,
            Self::Bits24 => 24,
            Self::Bits32 => 32,
            Self::Bits64 => 64,
        }
    }

    /// The largest word, 2^B - 1: also the mask that reduces a wider integer modulo 2^B.
    pub fn largest(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// Bytes of that many words on the wire, where they stand without gaps: their bits, rounded up
    /// to whole bytes.
    pub fn packed_bytes(self, words: usize) -> usize {
        let bits = self.bits() as usize;
        // Eight words are B bytes: nothing overflows before the result does, and that saturates.
        (words / 8)
            .saturating_mul(bits)
            .saturating_add((words % 8 * bits).div_ceil(8))
    }
}

canonical! {
    /// How the elements of a block become ring words.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Scale {
        /// Fixed point with this many fractional bits, rounded half to even; refused where |x|
        /// exceeds the bound.
        0 => Fixed(u8),
        /// No provable bound: an i128 at 2^-40 in four 32-bit limbs, the top one signed; ring 64
        /// only. Four words an element.
        1 => Limbs,
        /// `x * (weight / weight_max)` in fixed point with this many fractional bits, rounded
        /// stochastically: an update of a weighted mean. [`Sum`] gives back the sum of `weight *
        /// x`.
        2 => Weighted(u8),
    }
}

canonical! {
    /// A run of elements with one scale and one bound.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Block {
        /// Elements (not words).
        pub len: u32,
        /// How they are written.
        pub scale: Scale,
        /// No site's element may exceed this in absolute value (ignored for limbs, whose range is
        /// 2^86).
        pub bound: f64,
    }
}

canonical! {
    /// The whole vector.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Layout {
        /// The ring of every word.
        pub ring: Ring,
        /// The largest weight a site may have; exact recipes have 1.
        pub weight_max: u32,
        /// The blocks in order.
        pub blocks: Vec<Block>,
    }
}

/// One site's answer in the clear. It has no `Debug`, `Clone`, `Serialize` or wire type, is wiped
/// when dropped and is consumed by masking: nothing else leads out of it towards a socket.
///
/// ```compile_fail
/// fn show(update: motet_secagg::layout::ClearUpdate) { println!("{update:?}"); }
/// ```
/// ```compile_fail
/// fn copy(update: &motet_secagg::layout::ClearUpdate) -> motet_secagg::layout::ClearUpdate { update.clone() }
/// ```
/// ```compile_fail
/// use motet_secagg::encode::Canonical;
/// fn send(update: &motet_secagg::layout::ClearUpdate) -> Vec<u8> { update.to_bytes() }
/// ```
#[derive(Zeroize)]
pub struct ClearUpdate {
    pub(crate) weight: u32,
    pub(crate) values: Vec<f64>,
}

impl Drop for ClearUpdate {
    fn drop(&mut self) {
        #[cfg(test)]
        let held = self.values.len();
        self.zeroize();
        #[cfg(test)]
        crate::wiped::saw(
            "ClearUpdate",
            held,
            self.values.is_empty() && self.weight == 0,
        );
    }
}

impl ZeroizeOnDrop for ClearUpdate {}

impl ClearUpdate {
    /// An answer of `values` in layout order, from a site of this `weight`.
    pub fn new(weight: u32, values: Vec<f64>) -> Self {
        Self { weight, values }
    }
}

/// The decoded sum over the sites of a set. It has no wire type: what travels is the ring words it
/// was decoded from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// How many sites are in it.
    pub sites: u32,
    /// Digest of the sorted set of their ids: tells a recipe that the set has changed.
    pub set: crate::digest::Digest,
    /// Sum of the weights.
    pub weight: u64,
    /// The elements in layout order; for weighted blocks the sum of `weight * x`.
    pub values: Vec<f64>,
}

impl Layout {
    /// Elements of a [`ClearUpdate`].
    pub fn elements(&self) -> usize {
        self.blocks.iter().map(|block| block.len as usize).sum()
    }

    /// Ring words of the vector, the weight's included, sentinels not.
    pub fn words(&self) -> usize {
        1 + self
            .blocks
            .iter()
            .map(|b| b.len as usize * if b.scale == Scale::Limbs { 4 } else { 1 })
            .sum::<usize>()
    }

    /// Digest that a plan pins, so that both sides mean the same vector.
    pub fn root(&self) -> crate::digest::Digest {
        self.digest("layout")
    }
}
