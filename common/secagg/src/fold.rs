//! Adding masked chunks, taking the opened masks off, and reading the sum: the only way from masked
//! vectors to numbers, and it gives numbers for whole sets only.

use crate::canonical;
use crate::digest::Digest;
use crate::encode::{Canonical, Malformed, Reader, write_length};
use crate::id::NodeId;
use crate::layout::{ClearUpdate, Layout, Ring, Scale, Sum};
use crate::mask::{EncodedUpdate, InputRefusal, SENTINELS, Shape, Sign, Words};
use crate::pack::{Word, pack, unpack};
use crate::prg::apply;
pub use crate::quantise::RangeViolation;
use crate::quantise::{Context, decode_block};
use crate::secret::{Secret, Seed, derive};
use zeroize::Zeroizing;

/// The smallest weight of a site in a sum.
const WEIGHT_MIN: u64 = 1;

/// Why a chunk of the sum cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The vector has no such chunk.
    #[error("the vector has no chunk `{chunk}`")]
    NoSuchChunk {
        /// Index of the chunk.
        chunk: usize,
    },
    /// A payload has another length than the shape says.
    #[error("payload `{payload}` of chunk `{chunk}` has the wrong length")]
    PayloadLength {
        /// Index of the chunk.
        chunk: usize,
        /// Index of the payload among those given.
        payload: usize,
    },
    /// The last byte of a payload has bits set beyond its last word.
    #[error("payload `{payload}` of chunk `{chunk}` does not end in zero bits")]
    Padding {
        /// Index of the chunk.
        chunk: usize,
        /// Index of the payload among those given.
        payload: usize,
    },
    /// Masks are left on the sum: a payload, a seed or the set is wrong, so the round is void.
    #[error(
        "the masks of chunk `{chunk}` do not cancel; the round is void and its sum must not be used"
    )]
    Sentinel {
        /// Index of the chunk.
        chunk: usize,
    },
}

/// Adds the payloads of chunk `index` over the sites of the sum and applies the `removals` exactly
/// as signed: a site's own mask goes with [`Sign::Minus`]; the mask that site `v` in the sum shares
/// with a node `w` that is not goes with [`Sign::of`] `(w, v)`, the opposite of what `v` added.
/// Returns the data words, sentinels checked and dropped.
///
/// # Errors
/// [`FoldError`].
pub fn fold_chunk(
    shape: &Shape,
    index: usize,
    payloads: &[&[u8]],
    removals: &[(Sign, Seed)],
    sites: u32,
) -> Result<Vec<u64>, FoldError> {
    match shape.ring {
        Ring::Bits64 => fold_words::<u64>(shape, index, payloads, removals, sites),
        _ => fold_words::<u32>(shape, index, payloads, removals, sites),
    }
}

fn fold_words<W: Word>(
    shape: &Shape,
    index: usize,
    payloads: &[&[u8]],
    removals: &[(Sign, Seed)],
    sites: u32,
) -> Result<Vec<u64>, FoldError> {
    let length = shape.payload_bytes(index);
    let chunk = u64::try_from(index).map_err(|_| FoldError::NoSuchChunk { chunk: index })?;
    if length == 0 {
        return Err(FoldError::NoSuchChunk { chunk: index });
    }
    if let Some(payload) = payloads.iter().position(|payload| payload.len() != length) {
        return Err(FoldError::PayloadLength {
            chunk: index,
            payload,
        });
    }
    let mut words = vec![W::default(); shape.data(index).len() + SENTINELS];
    for (number, payload) in payloads.iter().enumerate() {
        if !unpack(shape.ring, payload, &mut words, |sum, word| {
            *sum = sum.add(word)
        }) {
            return Err(FoldError::Padding {
                chunk: index,
                payload: number,
            });
        }
    }
    for (sign, seed) in removals {
        apply(seed, *sign, chunk, &mut words);
    }
    let mut sum = words
        .into_iter()
        .map(|word| word.to_u64() & shape.ring.largest());
    if [sum.next(), sum.next()] != [Some(u64::from(sites)), Some(0)] {
        return Err(FoldError::Sentinel { chunk: index });
    }
    Ok(sum.collect())
}

/// The unmasked sum as ring words, weight first: what is released, hashed and sent down. Encoded as
/// the ring, the number of words and the words packed as in a chunk, so that three words of 20 bits
/// and four are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The ring of every word.
    pub ring: Ring,
    /// The data words of all chunks in order, each below 2^B.
    pub words: Vec<u64>,
}

impl Aggregate {
    /// Decodes the sum over `sites` sites, whose set digest is `set`, and accepts it only within
    /// the bounds that honest sites keep: the weights between `sites` and `sites * weight_max`, and
    /// every coordinate of a block within `sites * ceil(bound * 2^f)`, or for weighted blocks
    /// within `bound * 2^f * weight / weight_max + sites`.
    ///
    /// # Errors
    /// [`RangeViolation`]: the round is void.
    pub fn decode(&self, layout: &Layout, sites: u32, set: Digest) -> Result<Sum, RangeViolation> {
        if self.ring != layout.ring || self.words.len() != layout.words() {
            return Err(RangeViolation::Layout);
        }
        let mut words = self.words.iter().map(|word| centred(self.ring, *word));
        let weight = words
            .next()
            .and_then(|word| u64::try_from(word).ok())
            .ok_or(RangeViolation::Weight)?;
        let allowed =
            u64::from(sites) * WEIGHT_MIN..=u64::from(sites) * u64::from(layout.weight_max);
        if sites == 0 || !allowed.contains(&weight) {
            return Err(RangeViolation::Weight);
        }
        let context = Context {
            sites,
            weight,
            weight_max: layout.weight_max,
        };
        let mut values = Vec::with_capacity(layout.elements());
        for (index, block) in layout.blocks.iter().enumerate() {
            let width = if block.scale == Scale::Limbs { 4 } else { 1 };
            let these: Vec<i64> = words.by_ref().take(block.len as usize * width).collect();
            values.extend(
                decode_block(block, &these, &context)
                    .ok_or(RangeViolation::Block { block: index })?,
            );
        }
        Ok(Sum {
            sites,
            set,
            weight,
            values,
        })
    }
}

/// The representative of a ring word nearest to zero.
fn centred(ring: Ring, word: u64) -> i64 {
    let unused = 64 - ring.bits();
    (word << unused).cast_signed() >> unused
}

impl Canonical for Aggregate {
    fn write(&self, out: &mut Vec<u8>) {
        self.ring.write(out);
        write_length(self.words.len(), out);
        out.extend_from_slice(&pack(self.ring, &self.words));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        const WHAT: &str = "aggregate";
        let ring = Ring::read(input)?;
        let count = u32::read(input)? as usize;
        // The bytes are there before anything is allocated for their words.
        let packed = input.take(ring.packed_bytes(count), WHAT)?;
        let mut words = vec![0; count];
        if unpack(ring, packed, &mut words, |to, word| *to = word) {
            Ok(Self { ring, words })
        } else {
            Err(Malformed { what: WHAT })
        }
    }
}

canonical! {
    /// Sorted ids, for their digest only.
    struct Set { sites: Vec<NodeId> }
}

/// The digest of a set of sites; their order does not matter.
pub fn set_digest(sites: &[NodeId]) -> Digest {
    let mut sites = sites.to_vec();
    sites.sort_unstable();
    sites.dedup();
    Set { sites }.digest("set")
}

/// The sum of answers that never leave this place, on the same path as a masked sum but without
/// masks: for a site's fit on its own data and for tests. Stochastic rounding is seeded with
/// constants, so the result is reproducible.
///
/// # Errors
/// [`InputRefusal`] as for [`ClearUpdate::encode`], with as many sites as there are answers.
pub fn plain_sum(
    layout: &Layout,
    set: Digest,
    updates: Vec<ClearUpdate>,
) -> Result<Sum, InputRefusal> {
    let sites = u32::try_from(updates.len()).unwrap_or(u32::MAX);
    // What has been added so far may be one site's answer: it is wiped where the next one is
    // refused.
    let mut sum = Zeroizing::new(vec![0_u64; layout.words()]);
    for (place, update) in (0_u64..).zip(updates) {
        let rounding = Secret::from(derive::<32>(&place.to_le_bytes(), &[], &[b"plain"]));
        add_encoded(&mut sum, &update.encode(layout, sites, &rounding)?);
    }
    sum.iter_mut()
        .for_each(|word| *word &= layout.ring.largest());
    let words = std::mem::take(&mut *sum);
    Ok(Aggregate {
        ring: layout.ring,
        words,
    }
    .decode(layout, sites, set)?)
}

fn add_encoded(sum: &mut [u64], update: &EncodedUpdate) {
    fn add<W: Word>(sum: &mut [u64], words: &[W]) {
        sum.iter_mut()
            .zip(words)
            .for_each(|(to, from)| *to = to.wrapping_add(from.to_u64()));
    }
    debug_assert!(SENTINELS == 2 && sum.len() as u64 == update.shape.words);
    match &update.words {
        Words::Half(words) => add(sum, &words.0),
        Words::Full(words) => add(sum, &words.0),
    }
}
