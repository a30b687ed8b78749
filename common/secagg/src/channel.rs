//! The sealed channel from one node to another through the coordinator: HPKE base mode (RFC 9180)
//! with X-Wing (X25519 and ML-KEM-768), HKDF-SHA256 and AES-256-GCM.
//!
//! The key pair must not depend on `r` or `b`: opening those after a drop-out would open the shares
//! of others too.

use crate::canonical;
use crate::secret::Secret;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem as _, XWing};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

type PrivateKey = <XWing as hpke::Kem>::PrivateKey;
type PublicKey = <XWing as hpke::Kem>::PublicKey;
type EncappedKey = <XWing as hpke::Kem>::EncappedKey;

/// Bytes of an X-Wing public key.
pub const PUBLIC_KEY: usize = 1216;
/// Bytes of an X-Wing encapsulated key.
pub const ENCAPSULATED: usize = 1120;
/// Bytes that sealing adds to the plaintext.
pub const TAG: usize = 16;

canonical! {
    /// A sealed message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Sealed {
        /// The encapsulated key, [`ENCAPSULATED`] bytes.
        pub enc: Vec<u8>,
        /// The ciphertext with its tag.
        pub ct: Vec<u8>,
    }
}

/// Why a message could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The receiver's public key is malformed.
    #[error(
        "the channel key of the receiver is malformed; the node that advertised it must be left out"
    )]
    MalformedKey,
    /// The message is not one that was sealed to this key with this context; nothing more is told
    /// on purpose.
    #[error("the sealed message does not open with this key and context")]
    Closed,
}

/// A node's private channel key for one attempt; deleted after the shares have been opened, and
/// wiped when it is dropped.
///
/// ```compile_fail
/// fn show(key: motet_secagg::channel::ChannelSecret) { println!("{key:?}"); }
/// ```
/// ```compile_fail
/// fn copy(key: &motet_secagg::channel::ChannelSecret) -> motet_secagg::channel::ChannelSecret { key.clone() }
/// ```
pub struct ChannelSecret {
    private: PrivateKey,
    public: PublicKey,
}

impl ChannelSecret {
    /// The key pair that follows from a fresh secret (HPKE `DeriveKeyPair`).
    pub fn derive(secret: &Secret) -> Self {
        let (private, public) = XWing::derive_keypair(secret.expose());
        Self { private, public }
    }

    /// The public key, [`PUBLIC_KEY`] bytes.
    pub fn public(&self) -> Vec<u8> {
        self.public.to_bytes().to_vec()
    }

    /// Opens what was sealed to this key with the same `info` and `aad`.
    ///
    /// # Errors
    /// [`ChannelError::Closed`].
    pub fn open(
        &self,
        sealed: &Sealed,
        info: &[u8],
        aad: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        let enc = EncappedKey::from_bytes(&sealed.enc).map_err(|_| ChannelError::Closed)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.private,
            &enc,
            info,
            &sealed.ct,
            aad,
        )
        .map(Zeroizing::new)
        .map_err(|_| ChannelError::Closed)
    }
}

/// Checks a channel key as it arrives in an advert.
///
/// # Errors
/// [`ChannelError::MalformedKey`].
pub fn check_public(public: &[u8]) -> Result<(), ChannelError> {
    PublicKey::from_bytes(public)
        .map(|_| ())
        .map_err(|_| ChannelError::MalformedKey)
}

/// Seals `pt` to a public key. `info` binds the key to its context, `aad` is authenticated and not
/// sent.
///
/// # Errors
/// [`ChannelError::MalformedKey`] when the public key is not one.
pub fn seal(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    pt: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Sealed, ChannelError> {
    let public = PublicKey::from_bytes(public).map_err(|_| ChannelError::MalformedKey)?;
    let (enc, ct) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        info,
        pt,
        aad,
        rng,
    )
    .map_err(|_| ChannelError::MalformedKey)?;
    Ok(Sealed {
        enc: enc.to_bytes().to_vec(),
        ct,
    })
}
