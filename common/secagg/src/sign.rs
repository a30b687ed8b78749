//! Ed25519 signatures (RFC 8032) over tagged digests, and the public keys that rosters list.
//!
//! What is signed is always the 32 bytes of `Digest::of(tag, message)`, so a signature made for one
//! purpose never passes for another; checkpoints ([`crate::note`]) sign their own text, as their
//! public format prescribes.

use crate::digest::{Digest, from_hex, to_hex};
use crate::encode::{Canonical, Malformed, Reader};
use crate::id::NodeId;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use std::fmt;
use zeroize::Zeroizing;

/// A private signing key; wiped when dropped, never printed or copied.
///
/// ```compile_fail
/// fn show(key: motet_secagg::sign::SecretKey) { println!("{key:?}"); }
/// ```
/// ```compile_fail
/// fn copy(key: &motet_secagg::sign::SecretKey) -> motet_secagg::sign::SecretKey { key.clone() }
/// ```
pub struct SecretKey(SigningKey);

/// A public signing key: 32 bytes as in RFC 8032. Any bytes can be held; [`PublicKey::is_sound`]
/// tells whether they are a key that a roster may list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

/// A signature: 64 bytes as in RFC 8032.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

/// The signature does not fit the key, the tag and the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key and the message")]
pub struct BadSignature;

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// The seed, for storing the key.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key that goes with it.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for the purpose named by `tag`.
    pub fn sign(&self, tag: &str, message: &[u8]) -> Signature {
        self.sign_text(&Digest::of(tag, &[message]).0)
    }

    /// Signs bytes as they stand: for formats with their own domain line, which are all longer than
    /// a digest.
    pub(crate) fn sign_text(&self, text: &[u8]) -> Signature {
        Signature(self.0.sign(text).to_bytes())
    }
}

impl PublicKey {
    /// Checks a signature strictly: small-order keys and points and non-canonical scalars are
    /// refused.
    ///
    /// # Errors
    /// [`BadSignature`] for anything but a valid signature.
    pub fn verify(
        &self,
        tag: &str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        self.verify_text(&Digest::of(tag, &[message]).0, signature)
    }

    /// The counterpart of [`SecretKey::sign_text`].
    pub(crate) fn verify_text(
        &self,
        text: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        key.verify_strict(text, &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| BadSignature)
    }

    /// Whether the bytes are the one encoding of a point of the curve that is not of small order; a
    /// roster lists no other.
    pub fn is_sound(&self) -> bool {
        self.is_canonical() && VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }

    /// Whether the y coordinate is below p = 2^255 - 19. A few points have a second encoding at or
    /// above it, under which one key would have two fingerprints. (The other double encodings are
    /// those of x = 0, which is of small order.)
    fn is_canonical(&self) -> bool {
        let [low, middle @ .., high] = &self.0;
        *low < 0xed || high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
    }

    /// The digest by which people compare keys.
    pub fn fingerprint(&self) -> Digest {
        Digest::of("key", &[&self.0])
    }

    /// The id of the node whose identity key this is: the first 16 bytes of the fingerprint.
    pub fn node_id(&self) -> NodeId {
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(self.fingerprint().0) {
            *to = from;
        }
        NodeId(id)
    }
}

macro_rules! shown_as_hex {
    ($name:ident, $length:literal, $what:literal) => {
        impl $name {
            /// Lower-case hexadecimal.
            pub fn hex(&self) -> String {
                to_hex(&self.0)
            }

            /// Reads lower- or upper-case hexadecimal of exactly the right length.
            ///
            /// # Errors
            /// [`Malformed`] for anything else.
            pub fn from_hex(text: &str) -> Result<Self, Malformed> {
                from_hex(text)
                    .and_then(|bytes| bytes.try_into().ok())
                    .map(Self)
                    .ok_or(Malformed { what: $what })
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.hex())
            }
        }

        impl Canonical for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
            fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                <[u8; $length]>::read(input).map(Self)
            }
        }
    };
}
shown_as_hex!(PublicKey, 32, "public key");
shown_as_hex!(Signature, 64, "signature");
