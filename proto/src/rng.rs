//! Randomness of the programs: the operating system's own randomness, read again for every draw.
//!
//! A generator that lives in the process repeats itself where the process is copied: a virtual
//! machine that is resumed twice from one snapshot would draw the same secrets, and the same
//! nonces, twice. So nothing here keeps a state, and the lints forbid every other source outside
//! tests.

use rand::rand_core::{CryptoRng, Rng as _, UnwrapErr};
use rand::rngs::SysRng;

/// The operating system's randomness. A system that has none ends the process: nothing is drawn
/// from something weaker.
pub fn rng() -> impl CryptoRng {
    UnwrapErr(SysRng)
}

/// This many fresh bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut drawn = [0; N];
    rng().fill_bytes(&mut drawn);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_draw_is_like_another() {
        assert_ne!(bytes::<16>(), bytes::<16>());
    }
}
