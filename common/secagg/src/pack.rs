//! Ring words as bytes: every word takes exactly as many bits as the ring has, with no gaps between
//! words.
//!
//! ```text
//! bit i*B + k of the string = bit k of word i            (0 <= k < B)
//! bit n of the string       = bit n mod 8 of byte n/8    (the low bit first, in words and in bytes)
//! ```
//! Bits of the last byte beyond the last word are zero, and bytes in which they are not are
//! refused: one value, one byte string. In rings of 16, 24, 32 and 64 bits this is little-endian
//! words side by side; in the ring of 20 bits two words share five bytes:
//!
//! ```text
//! byte    0         1         2                3         4
//! word    0         0         0 low, 1 high    1         1        low and high half of the byte
//! ```

use crate::layout::Ring;

/// A machine word that holds ring elements and wraps. Words of rings below 32 bits live in `u32`
/// and are reduced when they are packed: dropping high bits is a homomorphism, so it can wait until
/// everything has been added.
pub(crate) trait Word: Copy + Default + 'static {
    /// Bytes of one word in memory and in a mask stream.
    const BYTES: usize;
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    /// The word of exactly [`Word::BYTES`] little-endian bytes.
    fn from_le(bytes: &[u8]) -> Self;
    fn from_u64(wide: u64) -> Self;
    fn to_u64(self) -> u64;
}

macro_rules! word {
    ($name:ty) => {
        impl Word for $name {
            const BYTES: usize = size_of::<$name>();
            #[inline]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline]
            fn from_le(bytes: &[u8]) -> Self {
                // Callers cut exact pieces; a shorter one would be read as zero rather than panic.
                bytes.try_into().map_or(0, Self::from_le_bytes)
            }
            #[inline]
            fn from_u64(wide: u64) -> Self {
                // Reduction modulo 2^B is a ring homomorphism: dropping the high bits is the
                // definition of the ring.
                wide as Self
            }
            #[inline]
            fn to_u64(self) -> u64 {
                u64::from(self)
            }
        }
    };
}
word!(u32);
word!(u64);

/// The packed words: `ring.packed_bytes(words.len())` bytes.
pub(crate) fn pack<W: Word>(ring: Ring, words: &[W]) -> Vec<u8> {
    let mut bytes = vec![0; ring.packed_bytes(words.len())];
    match ring {
        Ring::Bits16 => spread(words, &mut bytes, |[word]| low::<2>(word)),
        Ring::Bits20 => {
            let pairs = words.len() / 2 * 2;
            let (even, odd) = words.split_at(pairs);
            let (whole, last) = bytes.split_at_mut(pairs / 2 * 5);
            spread(even, whole, |[one, two]| {
                low::<5>(one & MASK_20 | two << 20)
            });
            spread(odd, last, |[word]| low::<3>(word & MASK_20));
        }
        Ring::Bits24 => spread(words, &mut bytes, |[word]| low::<3>(word)),
        Ring::Bits32 => spread(words, &mut bytes, |[word]| low::<4>(word)),
        Ring::Bits64 => spread(words, &mut bytes, |[word]| low::<8>(word)),
    }
    bytes
}

/// Unpacks as many words as `words` has places and gives each with its place to `put`; false, with
/// nothing promised about the places, where the bytes are not the packed form of that many words.
pub(crate) fn unpack<W: Word>(
    ring: Ring,
    bytes: &[u8],
    words: &mut [W],
    put: impl Fn(&mut W, W),
) -> bool {
    if bytes.len() != ring.packed_bytes(words.len()) {
        return false;
    }
    match ring {
        Ring::Bits16 => gather(bytes, words, put, |bytes: [u8; 2]| [wide(bytes)]),
        Ring::Bits20 => {
            let pairs = words.len() / 2 * 2;
            let (even, odd) = words.split_at_mut(pairs);
            let (whole, last) = bytes.split_at(pairs / 2 * 5);
            gather(whole, even, &put, |bytes: [u8; 5]| {
                [wide(bytes) & MASK_20, wide(bytes) >> 20]
            });
            gather(last, odd, &put, |bytes: [u8; 3]| [wide(bytes) & MASK_20]);
            return last.last().is_none_or(|byte| byte >> 4 == 0);
        }
        Ring::Bits24 => gather(bytes, words, put, |bytes: [u8; 3]| [wide(bytes)]),
        Ring::Bits32 => gather(bytes, words, put, |bytes: [u8; 4]| [wide(bytes)]),
        Ring::Bits64 => gather(bytes, words, put, |bytes: [u8; 8]| [wide(bytes)]),
    }
    true
}

const MASK_20: u64 = (1 << 20) - 1;

/// `I` words at a time become `O` bytes: whole groups of a fixed size, so that the compiler can do
/// many at once.
#[inline]
fn spread<W: Word, const I: usize, const O: usize>(
    words: &[W],
    bytes: &mut [u8],
    group: impl Fn([u64; I]) -> [u8; O],
) {
    let groups = bytes
        .as_chunks_mut::<O>()
        .0
        .iter_mut()
        .zip(words.as_chunks::<I>().0);
    groups.for_each(|(bytes, words)| *bytes = group(words.map(Word::to_u64)));
}

/// The reverse of [`spread`].
#[inline]
fn gather<W: Word, const I: usize, const O: usize>(
    bytes: &[u8],
    words: &mut [W],
    put: impl Fn(&mut W, W),
    group: impl Fn([u8; I]) -> [u64; O],
) {
    for (words, bytes) in words
        .as_chunks_mut::<O>()
        .0
        .iter_mut()
        .zip(bytes.as_chunks::<I>().0)
    {
        words
            .iter_mut()
            .zip(group(*bytes))
            .for_each(|(word, packed)| put(word, W::from_u64(packed)));
    }
}

/// The `N` low bytes, low first.
#[inline]
fn low<const N: usize>(word: u64) -> [u8; N] {
    word.to_le_bytes().first_chunk().copied().unwrap_or([0; N])
}

/// The number that these bytes are, low first.
#[inline]
fn wide<const N: usize>(bytes: [u8; N]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RINGS: [Ring; 5] = [
        Ring::Bits16,
        Ring::Bits20,
        Ring::Bits24,
        Ring::Bits32,
        Ring::Bits64,
    ];

    /// The definition at the top, bit by bit.
    fn by_definition(ring: Ring, words: &[u64]) -> Vec<u8> {
        let width = ring.bits() as usize;
        let mut bytes = vec![0; (words.len() * width).div_ceil(8)];
        for (place, word) in words.iter().enumerate() {
            for bit in 0..width {
                let at = place * width + bit;
                bytes[at / 8] |= u8::from(word >> bit & 1 == 1) << (at % 8);
            }
        }
        bytes
    }

    fn pack_words(ring: Ring, words: &[u64]) -> Vec<u8> {
        if ring == Ring::Bits64 {
            return pack(ring, words);
        }
        pack(
            ring,
            &words.iter().map(|word| *word as u32).collect::<Vec<_>>(),
        )
    }

    fn unpack_words(ring: Ring, bytes: &[u8], count: usize) -> Option<Vec<u64>> {
        if ring == Ring::Bits64 {
            let mut words = vec![0_u64; count];
            return unpack(ring, bytes, &mut words, |to, word| *to = word).then_some(words);
        }
        let mut words = vec![0_u32; count];
        let fits = unpack(ring, bytes, &mut words, |to, word| *to = word);
        fits.then(|| words.into_iter().map(u64::from).collect())
    }

    proptest! {
        #[test]
        fn words_of_every_ring_and_number_come_back_reduced(words: Vec<u64>) {
            for ring in RINGS {
                for length in 0..words.len().min(12) {
                    let words = &words[words.len() - length..];
                    let packed = pack_words(ring, words);
                    prop_assert_eq!(&packed, &by_definition(ring, words));
                    prop_assert_eq!(packed.len(), ring.packed_bytes(length));
                    let reduced: Vec<u64> = words.iter().map(|word| word & ring.largest()).collect();
                    prop_assert_eq!(unpack_words(ring, &packed, length), Some(reduced));
                }
                let packed = pack_words(ring, &words);
                prop_assert_eq!(&packed, &by_definition(ring, &words));
            }
        }

        #[test]
        fn bytes_that_unpack_are_the_only_bytes_of_their_words(bytes: Vec<u8>, count in 0_usize..40) {
            for ring in RINGS {
                if let Some(words) = unpack_words(ring, &bytes, count) {
                    prop_assert_eq!(pack_words(ring, &words), &bytes[..]);
                }
                // The right length, so that words do come back.
                let cut: Vec<u8> = bytes.iter().cycle().take(ring.packed_bytes(count)).copied().collect();
                if let Some(words) = unpack_words(ring, &cut, count) {
                    prop_assert_eq!(pack_words(ring, &words), cut);
                } else if !bytes.is_empty() {
                    prop_assert!(ring == Ring::Bits20 && count % 2 == 1 && cut.last().unwrap() >> 4 != 0);
                }
            }
        }
    }

    #[test]
    fn two_words_of_twenty_bits_share_five_bytes() {
        assert_eq!(
            pack(Ring::Bits20, &[0x12345_u32, 0x6789a]),
            [0x45, 0x23, 0xa1, 0x89, 0x67]
        );
        assert_eq!(pack(Ring::Bits20, &[0xfff1_2345_u32]), [0x45, 0x23, 0x01]);
        assert_eq!(pack(Ring::Bits24, &[0xff12_3456_u32]), [0x56, 0x34, 0x12]);
    }

    #[test]
    fn padding_that_is_not_zero_is_refused() {
        assert_eq!(
            unpack_words(Ring::Bits20, &[1, 2, 0x0f], 1),
            Some(vec![0xf0201])
        );
        for bit in 4..8 {
            assert_eq!(unpack_words(Ring::Bits20, &[1, 2, 1 << bit], 1), None);
            assert_eq!(
                unpack_words(Ring::Bits20, &[1, 2, 3, 4, 5, 6, 7, 1 << bit], 3),
                None
            );
        }
    }

    #[test]
    fn another_length_is_refused() {
        for ring in RINGS {
            for count in 0..9 {
                let packed = pack_words(ring, &vec![1; count]);
                assert!(unpack_words(ring, &packed, count).is_some());
                assert!(unpack_words(ring, &[&packed[..], &[0]].concat(), count).is_none());
                assert!(count == 0 || unpack_words(ring, &packed[1..], count).is_none());
            }
        }
    }

    #[test]
    fn a_packed_length_never_overflows() {
        for ring in RINGS {
            for count in 0..100 {
                assert_eq!(
                    ring.packed_bytes(count),
                    (count * ring.bits() as usize).div_ceil(8)
                );
            }
            assert!(ring.packed_bytes(usize::MAX) >= usize::MAX / 8);
        }
    }
}
