//! Thirty-two secret bytes: a node's fresh secrets ([`Secret`]), keys of the mask generator
//! ([`Seed`]), and the key derivation between them.
//!
//! Both are wiped when dropped, compare in constant time and can be neither printed, copied nor
//! encoded; the bytes come out only where a caller writes `expose`, so a review can list every such
//! place. They lie on the heap, one place for each, so that moving one moves a pointer and leaves
//! no copy behind. What computing with them leaves on the stack goes with [`scrubbed`].

use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use std::ops::{Deref, DerefMut};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, zeroize_stack};

/// Stack that is overwritten after a computation with secrets: several times what the deepest of
/// them, key generation and decapsulation of ML-KEM under HPKE, takes in an unoptimised build, and
/// an eighth of a thread's stack.
const STACK: usize = 256 * 1024;

/// Does something with secrets and then overwrites the stack it has used: arrays that were moved,
/// states of ciphers and hashes, spilled registers. Nothing secret may be in the result itself but
/// on the heap.
#[inline(never)]
pub fn scrubbed<T>(work: impl FnOnce() -> T) -> T {
    let done = apart(work);
    zeroize_stack::<STACK>();
    done
}

/// A frame of its own: what is inlined into the caller would lie above the part that is
/// overwritten.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// `N` secret bytes in one place of the heap, wiped when dropped.
pub(crate) struct Boxed<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Boxed<N> {
    /// Zeros, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }
}

impl<const N: usize> Deref for Boxed<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Boxed<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Boxed<N> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<const N: usize> ZeroizeOnDrop for Boxed<N> {}

macro_rules! secret_bytes {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        pub struct $name(Boxed<32>);

        impl $name {
            /// Takes over bytes that are at hand. The caller's own copy is the caller's to wipe:
            /// where the bytes are secret in earnest, [`Self::copied`] makes no other.
            pub fn new(mut bytes: [u8; 32]) -> Self {
                let taken = Self::copied(&bytes);
                bytes.zeroize();
                taken
            }

            /// The bytes as they lie elsewhere, for instance in an item of the vault.
            pub fn copied(bytes: &[u8; 32]) -> Self {
                let mut copy = Boxed::zeroed();
                copy.copy_from_slice(bytes);
                Self(copy)
            }

            /// Draws fresh bytes.
            pub fn draw(rng: &mut impl CryptoRng) -> Self {
                let mut drawn = Boxed::zeroed();
                rng.fill_bytes(drawn.as_mut_slice());
                Self(drawn)
            }

            /// The bytes themselves.
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }

            /// Whether both hold the same bytes, compared in constant time.
            pub fn same(&self, other: &Self) -> bool {
                self.0.ct_eq(&*other.0).into()
            }
        }

        impl Zeroize for $name {
            fn zeroize(&mut self) {
                self.0.as_mut_slice().zeroize();
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                self.zeroize();
                #[cfg(test)]
                crate::wiped::saw(stringify!($name), 32, *self.0 == [0; 32]);
            }
        }

        impl ZeroizeOnDrop for $name {}

        impl From<Boxed<32>> for $name {
            fn from(bytes: Boxed<32>) -> Self {
                Self(bytes)
            }
        }
    };
}

secret_bytes! {
    /// A fresh secret of a node, with one use only: pair keys `r`, own mask `b`, rounding `z`,
    /// sealing `w`.
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
    /// The key of one mask stream. Only the derivations in [`crate::pair`] make one in earnest, so
    /// that no stream is ever keyed with fewer than 256 bits of a hash.
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

impl Secret {
    /// Zeros in the place of a secret that is not drawn yet, or was forgotten.
    pub fn none() -> Self {
        Self(Boxed::zeroed())
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.ct_eq(&[0; 32]).into()
    }

    /// Another secret that follows from this one, for the purpose of this label and no other.
    pub fn derive(&self, label: &[u8]) -> Self {
        Self::from(derive::<32>(self.expose(), &[], &[label]))
    }
}

/// HKDF-SHA256 (RFC 5869) of `material` under `salt`; the parts of `info` are concatenated, so
/// every caller gives at most its last part a variable length.
pub(crate) fn derive<const N: usize>(material: &[u8], salt: &[u8], info: &[&[u8]]) -> Boxed<N> {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 8,160 bytes") };
    let mut out = Boxed::zeroed();
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
            &[
                &[0xf0, 0xf1, 0xf2, 0xf3],
                &[0xf4, 0xf5],
                &[0xf6, 0xf7, 0xf8, 0xf9],
            ],
        );
        let expected =
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(to_hex(out.as_slice()), expected);
        let out = derive::<42>(&[0x0b; 22], &[], &[]);
        let expected =
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8";
        assert_eq!(to_hex(out.as_slice()), expected);
    }

    #[test]
    fn equal_bytes_are_the_same_secret() {
        assert!(Secret::new([1; 32]).same(&Secret::new([1; 32])));
        assert!(!Secret::new([1; 32]).same(&Secret::new([0; 32])));
        assert!(Secret::none().is_none() && !Secret::copied(&[1; 32]).is_none());
    }

    #[test]
    fn secrets_that_follow_from_one_differ_by_their_label() {
        let one = Secret::new([1; 32]);
        assert!(one.derive(b"a").same(&one.derive(b"a")));
        assert!(!one.derive(b"a").same(&one.derive(b"b")) && !one.derive(b"a").same(&one));
    }
}
