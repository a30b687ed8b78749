//! The secret that two nodes share: X25519 and ML-KEM-768 side by side, both derived from the one
//! secret `r` that the protocol can recover when a node drops out; and the seeds and commitments
//! made from it.
//!
//! ```text
//! r ── HKDF "x" ──► X25519 key          lower id: encapsulates with HKDF(r, "e"||peer), so r alone repeats it
//!   ── HKDF "k" ──► ML-KEM key          upper id: decapsulates
//! seed = HKDF(ml-kem secret || x25519 secret, salt = T2, "pair" || lower || upper || H(ciphertext))
//! ```
//! Breaking a recorded seed later needs both the elliptic curve and the lattice to fall.

use crate::canonical;
use crate::digest::Digest;
use crate::id::NodeId;
use crate::secret::{Secret, Seed, derive};
use crate::shamir::Share;
use ml_kem::{B32, Decapsulate as _, DecapsulationKey768, EncapsulationKey768, KeyExport as _};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

/// Bytes of an ML-KEM-768 encapsulation key (FIPS 203 table 3).
pub const MLKEM_KEY: usize = 1184;
/// Bytes of an ML-KEM-768 ciphertext.
pub const MLKEM_CIPHERTEXT: usize = 1088;

canonical! {
    /// The two public halves that a node adverts for its pairs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct PairPublic {
        /// X25519 public key.
        pub x25519: [u8; 32],
        /// ML-KEM-768 encapsulation key, [`MLKEM_KEY`] bytes.
        pub mlkem: Vec<u8>,
    }
}

canonical! {
    /// Which of the two secrets of a node a commitment, a share or an opening is about.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Kind {
        /// `r`, behind the masks of its pairs; opened for nodes that dropped out.
        1 => Pair,
        /// `b`, behind its own mask; opened for nodes whose update is in the sum.
        2 => Own,
    }
}

/// Why a peer's key or ciphertext is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The ML-KEM key has the wrong length or coefficients outside the modulus.
    #[error(
        "the ML-KEM key of the peer is malformed; the node that advertised it must be left out"
    )]
    MalformedKey,
    /// The X25519 point is of small order, so the shared value would be zero.
    #[error(
        "the X25519 key of the peer is of small order; the node that advertised it must be left out"
    )]
    WeakKey,
    /// The ciphertext has the wrong length.
    #[error("the ML-KEM ciphertext of the peer has the wrong length")]
    MalformedCiphertext,
    /// The lower of two ids encapsulates, the upper decapsulates; these ids are the other way
    /// round, or equal.
    #[error("the two ids are in the wrong order for this side of the pair")]
    Order,
}

impl PairPublic {
    /// Checks a key as it arrives in an advert, before anything is computed with it.
    ///
    /// # Errors
    /// [`PairError::MalformedKey`] or [`PairError::WeakKey`].
    pub fn check(&self) -> Result<(), PairError> {
        self.encapsulation_key()?;
        // Clamped scalars are multiples of the cofactor: any of them sends a small-order point to
        // zero.
        if StaticSecret::from([1; 32])
            .diffie_hellman(&PublicKey::from(self.x25519))
            .was_contributory()
        {
            Ok(())
        } else {
            Err(PairError::WeakKey)
        }
    }

    fn encapsulation_key(&self) -> Result<EncapsulationKey768, PairError> {
        let bytes = self
            .mlkem
            .as_slice()
            .try_into()
            .map_err(|_| PairError::MalformedKey)?;
        EncapsulationKey768::new(bytes).map_err(|_| PairError::MalformedKey)
    }
}

/// The private halves, all recomputable from `r`; each is wiped when it is dropped.
///
/// ```compile_fail
/// fn show(keys: motet_secagg::pair::PairKeys) { println!("{keys:?}"); }
/// ```
/// ```compile_fail
/// fn copy(keys: &motet_secagg::pair::PairKeys) -> motet_secagg::pair::PairKeys { keys.clone() }
/// ```
pub struct PairKeys {
    root: Secret,
    x25519: StaticSecret,
    mlkem: DecapsulationKey768,
}

impl PairKeys {
    /// The keys that follow from `r`.
    pub fn derive(r: &Secret) -> Self {
        let mlkem = derive::<64>(r.expose(), &[], &[b"k"]);
        Self {
            root: Secret::copied(r.expose()),
            x25519: StaticSecret::from(*derive::<32>(r.expose(), &[], &[b"x"])),
            mlkem: DecapsulationKey768::from_seed((*mlkem).into()),
        }
    }

    /// The public halves.
    pub fn public(&self) -> PairPublic {
        PairPublic {
            x25519: PublicKey::from(&self.x25519).to_bytes(),
            mlkem: self.mlkem.encapsulation_key().to_bytes().to_vec(),
        }
    }

    /// The ciphertext that this node, the lower of the pair, sends to `peer`. The randomness comes
    /// from `r` and the peer's id, so whoever recovers `r` recomputes the same bytes.
    ///
    /// # Errors
    /// [`PairError::MalformedKey`].
    pub fn encapsulate(&self, peer: NodeId, their: &PairPublic) -> Result<Vec<u8>, PairError> {
        Ok(self.encapsulated(peer, their)?.0)
    }

    fn encapsulated(
        &self,
        peer: NodeId,
        their: &PairPublic,
    ) -> Result<(Vec<u8>, Zeroizing<[u8; 32]>), PairError> {
        let randomness: Zeroizing<B32> =
            Zeroizing::new((*derive::<32>(self.root.expose(), &[], &[b"e", &peer.0])).into());
        let (ciphertext, shared) = their
            .encapsulation_key()?
            .encapsulate_deterministic(&randomness);
        Ok((ciphertext.to_vec(), Zeroizing::new(shared.into())))
    }

    /// The seed shared with `peer`, where this node has the lower id.
    ///
    /// # Errors
    /// [`PairError`] when the peer's keys are unusable or the ids are not in order.
    pub fn seed_as_lower(
        &self,
        me: NodeId,
        peer: NodeId,
        their: &PairPublic,
        t2: &Digest,
    ) -> Result<Seed, PairError> {
        if me >= peer {
            return Err(PairError::Order);
        }
        let (ciphertext, shared) = self.encapsulated(peer, their)?;
        self.seed(&shared, their, (me, peer), &ciphertext, t2)
    }

    /// The seed shared with `peer`, where this node has the upper id and the peer sent
    /// `ciphertext`.
    ///
    /// # Errors
    /// [`PairError`] when the peer's keys or ciphertext are unusable or the ids are not in order. A
    /// ciphertext of the right length that was made for another key gives another seed and no error
    /// (FIPS 203, implicit rejection).
    pub fn seed_as_upper(
        &self,
        me: NodeId,
        peer: NodeId,
        their: &PairPublic,
        ciphertext: &[u8],
        t2: &Digest,
    ) -> Result<Seed, PairError> {
        if peer >= me {
            return Err(PairError::Order);
        }
        let encoded = ciphertext
            .try_into()
            .map_err(|_| PairError::MalformedCiphertext)?;
        let shared = Zeroizing::new(self.mlkem.decapsulate(encoded).into());
        self.seed(&shared, their, (peer, me), ciphertext, t2)
    }

    fn seed(
        &self,
        mlkem: &[u8; 32],
        their: &PairPublic,
        (lower, upper): (NodeId, NodeId),
        ciphertext: &[u8],
        t2: &Digest,
    ) -> Result<Seed, PairError> {
        let x25519 = self.x25519.diffie_hellman(&PublicKey::from(their.x25519));
        if !x25519.was_contributory() {
            return Err(PairError::WeakKey);
        }
        let mut material = Zeroizing::new([0; 64]);
        for (to, from) in material
            .iter_mut()
            .zip(mlkem.iter().chain(x25519.as_bytes()))
        {
            *to = *from;
        }
        let ciphertext = ciphertext_digest(ciphertext);
        let info: [&[u8]; 4] = [b"pair", &lower.0, &upper.0, &ciphertext.0];
        Ok(Seed::from(derive::<32>(material.as_slice(), &t2.0, &info)))
    }
}

/// The digest of a ciphertext as it stands in seeds and in sealed shares; that of no bytes where
/// the upper node, which sends none, is the dealer.
pub fn ciphertext_digest(ciphertext: &[u8]) -> Digest {
    Digest::of("mask-ct", &[ciphertext])
}

/// The seed of a node's own mask.
pub fn self_seed(b: &Secret, t2: &Digest) -> Seed {
    Seed::from(derive::<32>(b.expose(), &t2.0, &[b"self"]))
}

/// The commitment to one of a node's two secrets, bound to the plan's digest and the node.
pub fn commit(kind: Kind, plan: &Digest, node: NodeId, secret: &Secret) -> Digest {
    let tag = match kind {
        Kind::Pair => "r",
        Kind::Own => "b",
    };
    Digest::of(tag, &[&plan.0, &node.0, secret.expose()])
}

/// The commitment to the share that `dealer` gives to `holder` at abscissa `x`, one per kind, so
/// that a single revealed share can be checked and its dealer or revealer be named.
pub fn commit_share(
    kind: Kind,
    t1: &Digest,
    dealer: NodeId,
    holder: NodeId,
    x: u8,
    share: &Share,
) -> Digest {
    let tag = match kind {
        Kind::Pair => "share-r",
        Kind::Own => "share-b",
    };
    Digest::of(tag, &[&t1.0, &dealer.0, &holder.0, &[x], share.expose()])
}
