//! Shamir's secret sharing (1979) of 32 bytes, byte by byte over GF(2^8) with the polynomial of
//! AES.
//!
//! Branch-free and table-free, so that neither time nor cache lines depend on a secret. Any `t`
//! shares give the secret back, fewer give nothing. A wrong share gives a wrong secret and no error
//! here: shares are held against their commitments ([`crate::pair::commit_share`]) before they are
//! combined.

use crate::encode::{Canonical, Malformed, Reader};
use crate::secret::{Boxed, Secret};
use rand_core::CryptoRng;
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// One holder's share. Its abscissa `x` is the holder's rank and never travels with it. It prints
/// as `Share(..)`, lies in one place of the heap, like a [`Secret`], and is wiped when dropped.
pub struct Share(Boxed<32>);

impl Share {
    /// The bytes as they lie elsewhere, for instance in an opened bundle.
    pub fn copied(bytes: &[u8; 32]) -> Self {
        let mut copy = Boxed::zeroed();
        copy.copy_from_slice(bytes);
        Self(copy)
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Clone for Share {
    fn clone(&self) -> Self {
        Self::copied(&self.0)
    }
}

impl ZeroizeOnDrop for Share {}

/// Why a secret could not be split or put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShamirError {
    /// A threshold of one would give everybody the secret; one above the holders would give it to
    /// nobody.
    #[error("a threshold of `{threshold}` does not fit `{holders}` holders")]
    Threshold {
        /// Shares needed.
        threshold: usize,
        /// Shares made.
        holders: usize,
    },
    /// More holders than the field has places.
    #[error("`{holders}` holders are more than the 255 the field has places for")]
    Holders {
        /// Shares asked for.
        holders: usize,
    },
    /// The abscissa 0 is the secret's own place.
    #[error("a share at place 0 is not a share")]
    PlaceZero,
    /// The same abscissa twice.
    #[error("two shares claim place `{x}`")]
    PlaceTwice {
        /// The place.
        x: u8,
    },
    /// Nothing to combine.
    #[error("no shares to combine")]
    Empty,
}

/// Splits `secret` into `n` shares at places 1..=n, any `t` of which give it back.
///
/// # Errors
/// [`ShamirError::Threshold`] unless 2 <= t <= n, [`ShamirError::Holders`] above 255.
pub fn split(
    secret: &Secret,
    t: usize,
    n: usize,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Share>, ShamirError> {
    if t < 2 || t > n {
        return Err(ShamirError::Threshold {
            threshold: t,
            holders: n,
        });
    }
    let last = u8::try_from(n).map_err(|_| ShamirError::Holders { holders: n })?;
    // One polynomial of degree t - 1 per byte: the secret is its constant term, the rest is drawn
    // uniformly, zero included. Coefficients stand from the highest degree down, as Horner's rule
    // wants them.
    let mut coefficients = Zeroizing::new(vec![[0_u8; 32]; t - 1]);
    for coefficient in coefficients.iter_mut() {
        rng.fill_bytes(coefficient);
    }
    Ok((1..=last)
        .map(|x| evaluate(&coefficients, secret.expose(), x))
        .collect())
}

fn evaluate(coefficients: &[[u8; 32]], constant: &[u8; 32], x: u8) -> Share {
    let mut value = Boxed::zeroed();
    for coefficient in coefficients.iter().chain(std::iter::once(constant)) {
        for (byte, add) in value.iter_mut().zip(coefficient) {
            *byte = multiply(*byte, x) ^ add;
        }
    }
    Share(value)
}

/// Puts the secret together from all the given shares (Lagrange interpolation at 0). The caller
/// gives at least as many as the threshold; with fewer the result is unrelated to the secret.
///
/// # Errors
/// [`ShamirError`] for no shares, a share at place 0 or two at the same place.
pub fn combine(shares: &[(u8, Share)]) -> Result<Secret, ShamirError> {
    if shares.is_empty() {
        return Err(ShamirError::Empty);
    }
    let mut secret = Boxed::<32>::zeroed();
    for (i, (x, share)) in shares.iter().enumerate() {
        if *x == 0 {
            return Err(ShamirError::PlaceZero);
        }
        let mut over = 1;
        let mut under = 1;
        for (_, (other, _)) in shares.iter().enumerate().filter(|(j, _)| *j != i) {
            if other == x {
                return Err(ShamirError::PlaceTwice { x: *x });
            }
            over = multiply(over, *other);
            under = multiply(under, *other ^ *x);
        }
        let weight = multiply(over, invert(under));
        for (byte, add) in secret.iter_mut().zip(share.0.iter()) {
            *byte ^= multiply(*add, weight);
        }
    }
    Ok(secret.into())
}

/// The product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, with masks in place of branches.
fn multiply(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut power = a;
    for bit in 0..8 {
        product ^= power & (b >> bit & 1).wrapping_neg();
        power = power << 1 ^ 0x1b & (power >> 7).wrapping_neg();
    }
    product
}

/// The inverse of a non-zero element: a^254.
fn invert(a: u8) -> u8 {
    let mut result = 1;
    let mut square = a;
    for _ in 0..7 {
        square = multiply(square, square);
        result = multiply(result, square);
    }
    result
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for Share {}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(..)")
    }
}

impl Canonical for Share {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.expose());
    }
    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = input
            .take(32, "share")?
            .try_into()
            .map_err(|_| Malformed { what: "share" })?;
        Ok(Self::copied(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The product by definition: multiply the polynomials over GF(2), then divide by the modulus
    /// with remainder.
    fn by_definition(a: u8, b: u8) -> u8 {
        let mut product = 0_u32;
        for i in 0..8 {
            for j in 0..8 {
                product ^= (u32::from(a) >> i & 1 & u32::from(b) >> j) << (i + j);
            }
        }
        for degree in (8..15).rev() {
            if product >> degree & 1 == 1 {
                product ^= 0x11b << (degree - 8);
            }
        }
        u8::try_from(product).unwrap()
    }

    #[test]
    fn all_products_and_inverses_of_the_field() {
        for a in 0..=255 {
            for b in 0..=255 {
                assert_eq!(multiply(a, b), by_definition(a, b), "{a} * {b}");
            }
            assert_eq!(multiply(a, invert(a)), u8::from(a != 0));
        }
        // FIPS 197 section 4.2.
        assert_eq!(multiply(0x57, 0x83), 0xc1);
    }

    /// With every polynomial equally likely, what t - 1 holders see is uniform and the same for
    /// every secret.
    #[test]
    fn fewer_than_t_shares_say_nothing() {
        for secret in [0_u8, 1, 0x53, 255] {
            for x in [1, 2, 200] {
                let mut seen = [0_u32; 256];
                for slope in 0..=255 {
                    seen[usize::from(evaluate(&[[slope; 32]], &[secret; 32], x).expose()[0])] += 1;
                }
                assert_eq!(seen, [1; 256]);
            }
            let mut seen = vec![0_u32; 1 << 16];
            for square in 0..=255 {
                for slope in 0..=255 {
                    let polynomial = [[square; 32], [slope; 32]];
                    let at = |x| usize::from(evaluate(&polynomial, &[secret; 32], x).expose()[0]);
                    seen[at(3) << 8 | at(7)] += 1;
                }
            }
            assert!(seen.iter().all(|count| *count == 1));
        }
    }
}
