//! Thirty-two secret bytes: a node's fresh secrets ([`Secret`]), keys of the mask generator ([`Seed`]), and the key
//! derivation between them.
//!
//! Both are wiped when dropped, compare in constant time and can be neither printed, copied nor encoded; the bytes come
//! out only where a caller writes `expose`, so a review can list every such place.

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

macro_rules! secret_bytes {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Zeroize)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes over existing bytes, for instance from the vault.
            pub fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Draws fresh bytes.
            pub fn draw(dice: &mut impl CryptoRng) -> Self {
                let mut drawn = Self([0; 32]);
                dice.fill_bytes(&mut drawn.0);
                drawn
            }

            /// The bytes themselves.
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }

            /// Whether both hold the same bytes, compared in constant time.
            pub fn same(&self, other: &Self) -> bool {
                self.0.ct_eq(&other.0).into()
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
                #[cfg(test)]
                crate::wiped::saw(stringify!($name), 32, self.0 == [0; 32]);
            }
        }

        impl ZeroizeOnDrop for $name {}
    };
}

secret_bytes! {
    /// A fresh secret of a node, with one use only: pair keys `r`, own mask `b`, rounding `z`, sealing `w`.
    ///
    /// ```compile_fail
    /// fn show(secret: motet_secagg::secret::Secret) { println!("{secret:?}"); }
    /// ```
    /// ```compile_fail
    /// fn copy(secret: &motet_secagg::secret::Secret) -> motet_secagg::secret::Secret { secret.clone() }
    /// ```
    /// ```compile_fail
    /// use motet_secagg::encode::Canonical;
    /// fn send(secret: &motet_secagg::secret::Secret) -> Vec<u8> { secret.to_bytes() }
    /// ```
    Secret
}

secret_bytes! {
    /// The key of one mask stream. Only the derivations in [`crate::pair`] make one in earnest, so that no stream is
    /// ever keyed with fewer than 256 bits of a hash.
    ///
    /// ```compile_fail
    /// fn show(seed: motet_secagg::secret::Seed) { println!("{seed:?}"); }
    /// ```
    /// ```compile_fail
    /// fn copy(seed: &motet_secagg::secret::Seed) -> motet_secagg::secret::Seed { seed.clone() }
    /// ```
    /// ```compile_fail
    /// use motet_secagg::encode::Canonical;
    /// fn send(seed: &motet_secagg::secret::Seed) -> Vec<u8> { seed.to_bytes() }
    /// ```
    Seed
}

/// HKDF-SHA256 (RFC 5869) of `material` under `salt`; the parts of `info` are concatenated, so every caller gives at
/// most its last part a variable length.
pub(crate) fn derive<const N: usize>(material: &[u8], salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 8,160 bytes") };
    let mut out = Zeroizing::new([0; N]);
    #[expect(
        clippy::expect_used,
        reason = "the only error is a length above 8,160 bytes, refused two lines up"
    )]
    Hkdf::<Sha256>::new(Some(salt), material)
        .expand_multi_info(info, out.as_mut_slice())
        .expect("bounded length");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{from_hex, to_hex};

    /// RFC 5869 appendix A, test cases 1 and 3.
    #[test]
    fn key_derivation_gives_the_known_answers() {
        let salt = from_hex("000102030405060708090a0b0c").unwrap();
        let out = derive::<42>(
            &[0x0b; 22],
            &salt,
            &[&[0xf0, 0xf1, 0xf2, 0xf3], &[0xf4, 0xf5], &[0xf6, 0xf7, 0xf8, 0xf9]],
        );
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(to_hex(out.as_slice()), expected);
        let out = derive::<42>(&[0x0b; 22], &[], &[]);
        let expected = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(to_hex(out.as_slice()), expected);
    }

    #[test]
    fn equal_bytes_are_the_same_secret() {
        assert!(Secret::new([1; 32]).same(&Secret::new([1; 32])));
        assert!(!Secret::new([1; 32]).same(&Secret::new([0; 32])));
    }
}
