//! From numbers to ring words and back, block by block: fixed point, limbs and stochastic rounding,
//! the headroom rule that keeps sums from wrapping, and the bounds a decoded sum must keep.
//!
//! | scale | one site's word | one site's bound Q |
//! |---|---|---|
//! | fixed | x * 2^f, rounded half to even | ceil(bound * 2^f) |
//! | limbs | x * 2^40 as an i128 in four 32-bit limbs, low first, top signed | 2^32 a limb |
//! | weighted | floor(x * w/w_max * 2^f + U[0,1)) | ceil(bound * 2^f) |
//!
//! Headroom, for every block and for the weight: `sites * Q <= 2^(B-2)`. Half of the signed range
//! stays free as a guard. Rounding adds no unit to Q: a value at the bound is rounded to
//! `ceil(bound * 2^f)` at most, and the product with `w/w_max <= 1` never exceeds the value, in
//! `f64` too, because rounding to nearest keeps order. All of it is integer arithmetic on the exact
//! value of each `f64`, so decoding gives the same bits everywhere.

use crate::layout::{Block, Layout, Ring, Scale};
use rand_core::Rng as _;

/// Fractional bits of a value in limbs.
pub const LIMB_FRACTION: u8 = 40;
/// Values in limbs stay below this power of two.
const LIMB_RANGE: i32 = 86;
const LIMB_BITS: u32 = 32;
const LIMB_MASK: u128 = (1 << LIMB_BITS) - 1;

/// Why a sum that unmasked cleanly is still not accepted. It names places and never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeViolation {
    /// The aggregate does not have the layout's ring or length.
    #[error("the aggregate does not have the ring and length of its layout")]
    Layout,
    /// The sum of the weights cannot come from this many sites.
    #[error("the sum of the weights is impossible for the number of sites; the round is void")]
    Weight,
    /// A coordinate cannot come from sites that kept their bounds.
    #[error(
        "a coordinate of block `{block}` is beyond what the sites' bounds allow; the round is void"
    )]
    Block {
        /// Index of the block in the layout.
        block: usize,
    },
}

/// Why a site's answer cannot be encoded. It names places and never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InputRefusal {
    /// The vector does not have the layout's length.
    #[error(
        "the answer has `{got}` elements where the layout has \
         `{expected}`; the recipe and the plan disagree"
    )]
    Length {
        /// Elements of the layout.
        expected: usize,
        /// Elements given.
        got: usize,
    },
    /// A value is NaN or infinite.
    #[error(
        "a value in block `{block}` of the answer is not finite; look \
         for missing values or a diverging fit"
    )]
    NotFinite {
        /// Index of the block in the layout.
        block: usize,
    },
    /// A value exceeds the bound of its block.
    #[error(
        "a value in block `{block}` of the answer exceeds the bound the study sets; nothing was sent"
    )]
    OutOfRange {
        /// Index of the block in the layout.
        block: usize,
    },
    /// The weight is zero or above the layout's largest.
    #[error("the weight of the answer is not between 1 and the study's largest")]
    Weight,
    /// The sum over this many sites could wrap around.
    #[error(
        "the sum over `{sites}` sites could overflow the ring at \
         block `{block}`; the study needs fewer bits"
    )]
    Headroom {
        /// Sites of the line-up.
        sites: u32,
        /// Index of the block in the layout, or the number of blocks for the weight slot.
        block: usize,
    },
    /// Limbs need 64-bit words.
    #[error("block `{block}` is in limbs, which need the 64-bit ring")]
    LimbsRing {
        /// Index of the block in the layout.
        block: usize,
    },
    /// The plain sum does not keep its bounds.
    #[error(transparent)]
    Sum(#[from] RangeViolation),
}

/// A finite `f64` as `mantissa * 2^exponent`, exactly.
fn parts(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let field = bits >> 52 & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    // The mask leaves 11 bits.
    let field = field as i32;
    if field == 0 {
        (fraction, -1074)
    } else {
        (fraction | 1 << 52, field - 1075)
    }
}

/// `x * 2^bits` rounded half to even, exactly; nothing where x is not finite or the result needs
/// more than 126 bits.
pub(crate) fn fixed(x: f64, bits: u8) -> Option<i128> {
    if !x.is_finite() {
        return None;
    }
    let (mantissa, exponent) = parts(x);
    let mantissa = u128::from(mantissa);
    let shift = exponent + i32::from(bits);
    let magnitude = match u32::try_from(shift) {
        Ok(_) if mantissa == 0 => 0,
        Ok(left) if left + 53 <= 126 => mantissa << left,
        Ok(_) => return None,
        // Below half a unit whatever the mantissa: 53 bits shifted out by 54 or more.
        Err(_) if shift <= -54 => 0,
        Err(_) => {
            let right = shift.unsigned_abs();
            let whole = mantissa >> right;
            let rest = mantissa & ((1 << right) - 1);
            let half = 1_u128 << (right - 1);
            whole + u128::from(rest > half || rest == half && whole & 1 == 1)
        }
    };
    let magnitude = i128::try_from(magnitude).ok()?;
    Some(if x.is_sign_negative() {
        -magnitude
    } else {
        magnitude
    })
}

/// `ceil(bound * 2^bits * numerator / denominator)`, exactly; nothing where it does not fit or the
/// bound is not one.
fn scaled_ceil(bound: f64, bits: u8, numerator: u64, denominator: u32) -> Option<u128> {
    if !bound.is_finite() || bound < 0.0 || denominator == 0 {
        return None;
    }
    let (mantissa, exponent) = parts(bound);
    // 53 + 64 bits: the product fits.
    let product = u128::from(mantissa) * u128::from(numerator);
    let shift = exponent + i32::from(bits);
    let denominator = u128::from(denominator);
    match u32::try_from(shift) {
        _ if product == 0 => Some(0),
        Ok(left) if left <= product.leading_zeros() => {
            Some((product << left).div_ceil(denominator))
        }
        Ok(_) => None,
        // Rounding up twice in a row is rounding up once by the product of the divisors.
        Err(_) => {
            let quotient = product.div_ceil(denominator);
            let right = shift.unsigned_abs();
            Some(match 1_u128.checked_shl(right) {
                Some(divisor) => quotient.div_ceil(divisor),
                None => 1,
            })
        }
    }
}

/// The largest magnitude one site's word of this block can have.
fn site_bound(block: &Block) -> Option<u128> {
    match block.scale {
        Scale::Fixed(bits) | Scale::Weighted(bits) => scaled_ceil(block.bound, bits, 1, 1),
        Scale::Limbs => Some(1 << LIMB_BITS),
    }
}

/// The largest magnitude a sum may have: 2^(B-2).
pub(crate) fn ceiling(ring: Ring) -> u128 {
    1 << (ring.bits() - 2)
}

impl Layout {
    /// Whether so much of each site fits into a word.
    fn fits(&self, bound: u128, sites: u32) -> bool {
        let total = bound.checked_mul(u128::from(sites));
        total.is_some_and(|total| total <= ceiling(self.ring))
    }

    /// Checks with integers that no sum over `sites` sites can wrap around, whatever they answer
    /// within their bounds. Both sides check it before anything is masked.
    ///
    /// # Errors
    /// [`InputRefusal::Headroom`] or [`InputRefusal::LimbsRing`].
    pub fn headroom(&self, sites: u32) -> Result<(), InputRefusal> {
        for (index, block) in self.blocks.iter().enumerate() {
            if block.scale == Scale::Limbs && self.ring != Ring::Bits64 {
                return Err(InputRefusal::LimbsRing { block: index });
            }
            if !site_bound(block).is_some_and(|bound| self.fits(bound, sites)) {
                return Err(InputRefusal::Headroom {
                    sites,
                    block: index,
                });
            }
        }
        if self.fits(u128::from(self.weight_max), sites) {
            Ok(())
        } else {
            Err(InputRefusal::Headroom {
                sites,
                block: self.blocks.len(),
            })
        }
    }
}

/// Writes one block's words. Values are as many as the block has elements; `push` gets each word in
/// two's complement.
pub(crate) fn encode_block(
    index: usize,
    block: &Block,
    values: &[f64],
    share: f64,
    rng: &mut rand_chacha::ChaCha20Rng,
    mut push: impl FnMut(u64),
) -> Result<(), InputRefusal> {
    let not_finite = InputRefusal::NotFinite { block: index };
    let out_of_range = InputRefusal::OutOfRange { block: index };
    for x in values.iter().copied() {
        if !x.is_finite() {
            return Err(not_finite);
        }
        if block.scale != Scale::Limbs && x.abs() > block.bound {
            return Err(out_of_range);
        }
        match block.scale {
            Scale::Fixed(bits) => push(ring_word(fixed(x, bits).ok_or(out_of_range)?)),
            Scale::Weighted(bits) => push(ring_word(i128::from(stochastic(x * share, bits, rng)))),
            Scale::Limbs => {
                if x.abs() >= power_of_two(LIMB_RANGE) {
                    return Err(out_of_range);
                }
                limbs(fixed(x, LIMB_FRACTION).ok_or(out_of_range)?)
                    .into_iter()
                    .for_each(&mut push);
            }
        }
    }
    Ok(())
}

/// The low 64 bits in two's complement: what a ring of at most 64 bits keeps of an integer.
fn ring_word(value: i128) -> u64 {
    value.cast_unsigned() as u64
}

/// `y * 2^bits` rounded down or up at random so that the mean is exact (to 2^-53).
fn stochastic(y: f64, bits: u8, rng: &mut rand_chacha::ChaCha20Rng) -> i64 {
    // Scaling by a power of two is exact, and so is the difference to the floor.
    let scaled = y * power_of_two(i32::from(bits));
    let floor = scaled.floor();
    let uniform = (rng.next_u64() >> 11) as f64 * power_of_two(-53);
    // The headroom check keeps |scaled| below 2^62: the conversion is exact.
    floor as i64 + i64::from(uniform < scaled - floor)
}

/// Four limbs, low first; the top one keeps the sign.
fn limbs(value: i128) -> [u64; 4] {
    let [low, second, third] = [0, LIMB_BITS, 2 * LIMB_BITS]
        .map(|shift| (value.cast_unsigned() >> shift & LIMB_MASK) as u64);
    [low, second, third, ring_word(value >> (3 * LIMB_BITS))]
}

/// 2^exponent for a normal exponent.
fn power_of_two(exponent: i32) -> f64 {
    debug_assert!((-1022..=1023).contains(&exponent));
    f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// What decoding knows of the whole sum.
pub(crate) struct Context {
    /// Sites in the sum.
    pub(crate) sites: u32,
    /// Sum of their weights.
    pub(crate) weight: u64,
    /// Largest weight of one site.
    pub(crate) weight_max: u32,
}

/// Reads one block of the sum. Words are centred integers, four an element in limbs; the bounds of
/// each coordinate are checked, and nothing comes back where one is broken.
pub(crate) fn decode_block(block: &Block, words: &[i64], context: &Context) -> Option<Vec<f64>> {
    let sites = u128::from(context.sites);
    match block.scale {
        Scale::Fixed(bits) => {
            let limit = site_bound(block)?.checked_mul(sites)?;
            let unit = power_of_two(-i32::from(bits));
            words
                .iter()
                .map(|word| {
                    (u128::from(word.unsigned_abs()) <= limit).then_some(*word as f64 * unit)
                })
                .collect()
        }
        Scale::Weighted(bits) => {
            let weighted = scaled_ceil(block.bound, bits, context.weight, context.weight_max)?;
            // One unit of rounding a site, and in the 64-bit ring what a product of two f64 may be
            // off by.
            let slack = sites + (site_bound(block)?.checked_mul(sites)? >> 51);
            let limit = weighted.checked_add(slack)?;
            let unit = power_of_two(-i32::from(bits));
            words
                .iter()
                .map(|word| {
                    let exact = i128::from(*word) * i128::from(context.weight_max);
                    (u128::from(word.unsigned_abs()) <= limit).then_some(exact as f64 * unit)
                })
                .collect()
        }
        Scale::Limbs => {
            let unit = power_of_two(-i32::from(LIMB_FRACTION));
            let sites = i64::from(context.sites);
            words
                .chunks(4)
                .map(|limbs| Some(join(limbs.try_into().ok()?, sites)? * unit))
                .collect()
        }
    }
}

/// The nearest f64 to the sum of limbs `l0 + l1*2^32 + l2*2^64 + l3*2^96`, where each is itself a
/// sum over sites.
fn join(limbs: [i64; 4], sites: i64) -> Option<f64> {
    let [l0, l1, l2, l3] = limbs;
    let low_limit = sites.checked_mul(i64::from(u32::MAX))?;
    let top_limit = sites.checked_mul(1 << (LIMB_RANGE + i32::from(LIMB_FRACTION) - 96))?;
    if [l0, l1, l2]
        .iter()
        .any(|limb| !(0..=low_limit).contains(limb))
        || l3.unsigned_abs() > top_limit.unsigned_abs()
    {
        return None;
    }
    // Carry upwards: what is left is `top * 2^96 + low` with 0 <= low < 2^96.
    let sum = u128::from(l0.cast_unsigned())
        + (u128::from(l1.cast_unsigned()) << 32)
        + (u128::from(l2.cast_unsigned()) << 64);
    let low = sum & ((1 << 96) - 1);
    let top = i128::from(l3) + i128::try_from(sum >> 96).ok()?;
    let negative = top < 0;
    let (top, low) = match (negative, low) {
        (false, _) => (top.unsigned_abs(), low),
        (true, 0) => (top.unsigned_abs(), 0),
        (true, _) => (top.unsigned_abs() - 1, (1 << 96) - low),
    };
    // `top` has at most 63 bits. Where the whole does not fit 128 bits, the lowest 32 become one
    // sticky bit: far below the 53 that survive, it decides ties and nothing else. The conversions
    // round to nearest, ties to even.
    let magnitude = if top >> 32 == 0 {
        (top << 96 | low) as f64
    } else {
        (top << 64 | low >> 32 | u128::from(low & LIMB_MASK != 0)) as f64 * power_of_two(32)
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// The largest number of fractional bits, at most `most`, with `sites * bound * 2^bits <= 2^(B-2)`;
/// nothing where that is below `least`. `bound` is a public integer that no site's element exceeds,
/// for instance the pooled rows.
pub fn fixed_bits(ring: Ring, sites: u32, bound: u64, most: u8, least: u8) -> Option<u8> {
    let total = u128::from(sites) * u128::from(bound);
    (least..=most)
        .rev()
        .find(|bits| match ceiling(ring).checked_shr(u32::from(*bits)) {
            Some(room) => total <= room,
            // This many bits leave room for nothing at all.
            None => total == 0,
        })
}

#[cfg(test)]
mod tests;
