//! Whatever bytes arrive, from a stranger, a member, a disk or a person: every decoder and parser
//! as a plain function of bytes, with valid bytes to begin from. `tests/tests/fuzz.rs` runs them
//! briefly, `fuzz/` for as long as one likes.
//!
//! ```text
//! run(bytes)     never panics, and takes no memory out of proportion to the bytes
//!                what is accepted is written back: the same bytes where they are canonical, else the same value
//! seeds()        valid values, from which [`Draws`] makes broken ones
//! canonical      everything hashed, signed, recorded or sent       texts   what people write, files, frames of the wire
//! ```
//! The types of `motet-secagg` itself have a search of their own in `common/secagg/tests/decoders`.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "for tests: what does not hold ends them"
)]

mod canonical;
mod given;
mod texts;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// One decoder or parser.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Takes any bytes, and says whether they were accepted.
    pub run: fn(&[u8]) -> bool,
    /// Valid bytes.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Bytes that may be allocated for each byte of input, those of writing back included. They are
    /// counted as they are taken, not as they are held.
    pub times: usize,
}

/// All of them.
pub fn targets() -> Vec<Target> {
    let mut all = canonical::targets();
    all.extend(texts::targets());
    all
}

/// Inputs longer than this are cut: a seed that doubles again and again says nothing new.
const LONGEST: usize = 1 << 16;

/// Makes broken bytes of good ones, the same for one seed.
pub struct Draws(ChaCha20Rng);

impl Draws {
    /// Thrown from this seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha20Rng::seed_from_u64(seed))
    }

    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    /// One to four changes of one of the seeds: what an attacker or a broken disk does to good
    /// bytes.
    pub fn broken(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, seeds);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        /// Lengths that are more than there is, numbers at an edge, words that mean something to a
        /// parser.
        const WORDS: [&[u8]; 16] = [
            b"\xff\xff\xff\xff",
            b"\0\0\0\x10",
            b"\x01\0\0\0",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\0\0\0\0\0\0\xf0\x7f",
            b"18446744073709551616",
            b"-1",
            b"1e308",
            b"nan",
            b"\"",
            b"((((((((",
            b"\n[x]\n",
            b" and not ",
            b"\xf0\x9f\x92\xa9",
            b"{",
            b",",
        ];
        let at = self.below(bytes.len());
        let end = bytes.len().min(at + 1 + self.below(64));
        match self.below(9) {
            _ if bytes.is_empty() => bytes.push(1),
            0 => bytes[at] = self.below(256) as u8,
            1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                let times = 1 + self.below(40);
                bytes.splice(at..at, piece.repeat(times));
            }
            5 => {
                let word = WORDS[self.below(WORDS.len())];
                bytes
                    .iter_mut()
                    .skip(at)
                    .zip(word)
                    .for_each(|(to, from)| *to = *from);
            }
            6 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
            7 => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let other = &seeds[self.below(seeds.len())];
                let from = self.below(other.len());
                let piece = &other[from..other.len().min(from + 64)];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}
