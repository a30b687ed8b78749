//! What is signed and what is hashed: each message's signature under the tag of its number, and the
//! three digests that bind every later message to all that was said before.

use super::{
    Advert, AdvertSet, Bundle, Checked, Checkpoint, Complaint, Cosignature, Durations, OpenedShare,
    Plan, Released, Remade, RevealReply, SetSign, SignedAdvert, SignedPlan, SignedRoot,
};
use crate::digest::Digest;
use crate::encode::Canonical as _;
use crate::id::{NodeId, RunId};
use crate::merkle;
use crate::sign::{PublicKey, SecretKey, Signature};

impl Plan {
    /// P, the digest that every later message of the attempt carries.
    pub fn root(&self) -> Digest {
        self.digest("plan")
    }

    /// Digest of what two attempts at one question must share once an answer is masked: all but
    /// attempt, run, round, nonce, deadlines, and where the log stands (ruling R1).
    pub fn pin(&self) -> Digest {
        let none = Durations {
            join: 0,
            share: 0,
            upload: 0,
            sign: 0,
            reveal: 0,
        };
        let pinned = Self {
            run: RunId([0; 16]),
            round: 0,
            attempt: 0,
            nonce: [0; 32],
            durations: none,
            checkpoint: String::new(),
            previous_proof: Vec::new(),
            checked: Vec::new(),
            ..self.clone()
        };
        pinned.digest("pin")
    }

    /// The ask-key of a study's recipe in one state.
    pub fn ask_key(study: &str, recipe: &Digest, state_root: &Digest) -> Digest {
        Digest::of("ask", &[study.as_bytes(), &recipe.0, &state_root.0])
    }

    /// Signs the plan with the coordinator's key.
    pub fn sign(self, key: &SecretKey) -> SignedPlan {
        let signature = key.sign("m1", &self.to_bytes());
        SignedPlan {
            plan: self,
            signature,
        }
    }
}

impl SignedPlan {
    /// Whether `coordinator` signed this plan.
    pub fn is_signed_by(&self, coordinator: &PublicKey) -> bool {
        coordinator
            .verify("m1", &self.plan.to_bytes(), &self.signature)
            .is_ok()
    }
}

impl Advert {
    /// Signs the advert with the site's identity key.
    pub fn sign(self, key: &SecretKey) -> SignedAdvert {
        let signature = key.sign("m2", &self.to_bytes());
        SignedAdvert {
            advert: self,
            signature,
        }
    }
}

impl SignedAdvert {
    /// Whether `identity` signed this advert.
    pub fn is_signed_by(&self, identity: &PublicKey) -> bool {
        identity
            .verify("m2", &self.advert.to_bytes(), &self.signature)
            .is_ok()
    }
}

impl AdvertSet {
    /// T1, over the plan and every signed advert in order.
    pub fn t1(&self) -> Digest {
        let adverts: Vec<Digest> = self
            .adverts
            .iter()
            .map(|advert| advert.digest("advert"))
            .collect();
        Digest::of("t1", &[&self.plan.0, &adverts.to_bytes()])
    }
}

impl Bundle {
    /// What the sealed shares are bound to besides T1, dealer and holder.
    pub fn aad(&self) -> Vec<u8> {
        let mask_ct = Digest::of("mask-ct", &[&self.mask_ct]);
        [mask_ct.0, self.commit_pair.0, self.commit_own.0].concat()
    }

    /// HPKE info: the transcript, the dealer and the holder.
    pub fn info(t1: &Digest, dealer: NodeId, holder: NodeId) -> Vec<u8> {
        [&t1.0[..], &dealer.0[..], &holder.0[..]].concat()
    }

    /// The Merkle leaf of this bundle.
    pub fn leaf(&self) -> Digest {
        merkle::leaf(&self.to_bytes())
    }
}

impl SignedRoot {
    /// Signs `root` after transcript `t`; `tag` is the message's name, `m4` or `m6`.
    pub fn sign(tag: &str, t: &Digest, node: NodeId, root: Digest, key: &SecretKey) -> Self {
        Self {
            node,
            root,
            signature: key.sign(tag, &Self::message(t, node, &root)),
        }
    }

    /// Whether `identity` signed this root for this node after transcript `t`.
    pub fn is_signed_by(&self, tag: &str, t: &Digest, identity: &PublicKey) -> bool {
        identity
            .verify(
                tag,
                &Self::message(t, self.node, &self.root),
                &self.signature,
            )
            .is_ok()
    }

    fn message(t: &Digest, node: NodeId, root: &Digest) -> Vec<u8> {
        [&t.0[..], &node.0[..], &root.0[..]].concat()
    }
}

/// T2, over T1 and the bundle root of every dealer in U2.
pub fn t2(t1: &Digest, roots: &[SignedRoot]) -> Digest {
    Digest::of("t2", &[&t1.0, &named_roots(roots)])
}

/// T3, over T2 and the upload root of every node in U3.
pub fn t3(t2: &Digest, roots: &[SignedRoot]) -> Digest {
    Digest::of("t3", &[&t2.0, &named_roots(roots)])
}

fn named_roots(roots: &[SignedRoot]) -> Vec<u8> {
    roots
        .iter()
        .map(|root| (root.node, root.root))
        .collect::<Vec<_>>()
        .to_bytes()
}

impl SetSign {
    /// Signs the set under the log the node saw.
    pub fn sign(
        t3: Digest,
        point: Checkpoint,
        node: NodeId,
        key: &SecretKey,
        cosignature: Cosignature,
    ) -> Self {
        let signature = key.sign("m8", &Self::message(&t3, &point));
        Self {
            t3,
            point,
            node,
            signature,
            cosignature,
        }
    }

    /// Whether `identity` signed it.
    pub fn is_signed_by(&self, identity: &PublicKey) -> bool {
        Self::holds(&self.t3, &self.point, &self.signature, identity)
    }

    /// Whether a signature is that of `identity` over a set and a log.
    pub fn holds(
        t3: &Digest,
        point: &Checkpoint,
        signature: &Signature,
        identity: &PublicKey,
    ) -> bool {
        identity
            .verify("m8", &Self::message(t3, point), signature)
            .is_ok()
    }

    fn message(t3: &Digest, point: &Checkpoint) -> Vec<u8> {
        [t3.to_bytes(), point.to_bytes()].concat()
    }
}

impl RevealReply {
    /// Signs the opened shares.
    pub fn sign(t3: Digest, node: NodeId, opened: Vec<OpenedShare>, key: &SecretKey) -> Self {
        let signature = key.sign("m10", &Self::message(&t3, node, &opened));
        Self {
            t3,
            node,
            opened,
            signature,
        }
    }

    /// Whether `identity` signed it.
    pub fn is_signed_by(&self, identity: &PublicKey) -> bool {
        identity
            .verify(
                "m10",
                &Self::message(&self.t3, self.node, &self.opened),
                &self.signature,
            )
            .is_ok()
    }

    fn message(t3: &Digest, node: NodeId, opened: &[OpenedShare]) -> Vec<u8> {
        [t3.to_bytes(), node.to_bytes(), opened.to_vec().to_bytes()].concat()
    }
}

impl Checked {
    /// Signs that the sum of the release with this leaf hash was made again.
    pub fn sign(release: Digest, node: NodeId, key: &SecretKey) -> Self {
        Self {
            release,
            node,
            signature: key.sign("checked", &release.0),
        }
    }

    /// Whether `identity` signed it.
    pub fn is_signed_by(&self, identity: &PublicKey) -> bool {
        identity
            .verify("checked", &self.release.0, &self.signature)
            .is_ok()
    }
}

impl Remade {
    /// Signs that the folder of a publication was made again from what `of` names.
    pub fn sign(of: &MadeOf, node: NodeId, key: &SecretKey) -> Self {
        Self {
            study: of.study,
            publication: of.publication,
            node,
            signature: key.sign("remade", &of.message()),
        }
    }

    /// Whether `identity` signed it about this.
    pub fn is_signed_by(&self, of: &MadeOf, identity: &PublicKey) -> bool {
        (self.study, self.publication) == (of.study, of.publication)
            && identity
                .verify("remade", &of.message(), &self.signature)
                .is_ok()
    }
}

/// What a folder was made again from; [`Remade`] is signed over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeOf {
    /// Digest of the study.
    pub study: Digest,
    /// Digest of its roster.
    pub roster: Digest,
    /// The hash of the last `Release` leaf, which binds sum and state.
    pub release: Digest,
    /// The hash of the `Publication` leaf.
    pub publication: Digest,
}

impl MadeOf {
    fn message(&self) -> Vec<u8> {
        [
            self.study.0,
            self.roster.0,
            self.release.0,
            self.publication.0,
        ]
        .concat()
    }
}

impl Complaint {
    /// Signs a complaint about a dealer's shares.
    pub fn sign(t1: Digest, node: NodeId, dealer: NodeId, code: &str, key: &SecretKey) -> Self {
        let signature = key.sign("complaint", &Self::message(&t1, node, dealer, code));
        Self {
            t1,
            node,
            dealer,
            code: code.to_owned(),
            signature,
        }
    }

    /// Whether `identity` signed it.
    pub fn is_signed_by(&self, identity: &PublicKey) -> bool {
        let message = Self::message(&self.t1, self.node, self.dealer, &self.code);
        identity
            .verify("complaint", &message, &self.signature)
            .is_ok()
    }

    fn message(t1: &Digest, node: NodeId, dealer: NodeId, code: &str) -> Vec<u8> {
        [&t1.0[..], &node.0, &dealer.0, code.as_bytes()].concat()
    }
}

impl Released {
    /// Digest of M11 as sent.
    pub fn root(&self) -> Digest {
        self.digest("m11")
    }

    /// H, what [`Checked`] is about: the hash of the leaf that puts the release on record.
    pub fn leaf_hash(&self) -> Digest {
        merkle::leaf(&self.release.leaf)
    }

    /// The bytes the coordinator signs: everything before the signature.
    fn message(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        bytes.truncate(bytes.len().saturating_sub(64));
        bytes
    }

    /// Fills in the coordinator's signature.
    #[must_use]
    pub fn signed(mut self, key: &SecretKey) -> Self {
        self.signature = key.sign("m11", &self.message());
        self
    }

    /// Whether `coordinator` signed it.
    pub fn is_signed_by(&self, coordinator: &PublicKey) -> bool {
        coordinator
            .verify("m11", &self.message(), &self.signature)
            .is_ok()
    }
}
