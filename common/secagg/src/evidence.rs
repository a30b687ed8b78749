//! What anyone needs beside the masked uploads to recompute a released sum bit for bit: the
//! attempt's public messages and the opened secrets. The coordinator unmasks with it, every node
//! and every auditor repeats it.
//!
//! ```text
//! plan + adverts = T1     T1 + dealers' roots = T2     T2 + upload roots = T3, with the signatures of t sites; the log holds it
//! opened secrets, held against commitments, keys and ciphertexts -> mask seeds -> the same fold -> the same sum
//! ```
//! It contains nothing beyond the sum: of each site one of its two secrets, never both.

use crate::canonical;
use crate::digest::Digest;
use crate::fold::{Aggregate, FoldError, fold_chunk};
use crate::id::NodeId;
use crate::mask::{Shape, Sign, chunk_hash, upload_root};
use crate::merkle;
use crate::message::{
    Advert, AdvertSet, Bundle, Checkpoint, Delivered, Kind, OpenedSecret, SetSign, SignedPlan,
    SignedRoot, t2, t3,
};
use crate::pair::{PairKeys, commit, self_seed};
use crate::secret::{Secret, Seed};
use crate::sign::{PublicKey, Signature};

/// Sums up to this many masked bytes are recomputed by every node before it goes on.
pub const RECOMPUTED_BYTES: u64 = 64 << 20;

canonical! {
    /// The public record of one unmasking.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Evidence {
        /// M1 as signed.
        pub plan: SignedPlan,
        /// M3: the adverts of U1.
        pub adverts: AdvertSet,
        /// The signed bundle roots of U2, sorted.
        pub dealt: Vec<SignedRoot>,
        /// For each lost dealer and each site of the sum, in this order, the bundle that the lower
        /// of the two made for the upper, under the lower's root.
        pub lost: Vec<Delivered>,
        /// The signed upload roots of U3, sorted.
        pub uploads: Vec<SignedRoot>,
        /// The log in which the signers of this set saw it committed.
        pub point: Checkpoint,
        /// M8 of at least t dealers over T3 and `point`, sorted by node: without them an upload
        /// that a site signs after the secrets are known could stand in another set than the one
        /// that was opened.
        pub signed: Vec<(NodeId, Signature)>,
        /// One secret of each dealer, sorted.
        pub opened: Vec<OpenedSecret>,
    }
}

/// Why evidence does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEvidence {
    /// A message is not signed by whose it claims to be, or not of this attempt, or out of order.
    #[error("the record of node `{0}` in the evidence is not that node's, or not of this attempt")]
    Message(NodeId),
    /// Lists that do not fit each other.
    #[error("the evidence is not the record of one attempt: its {0} do not fit")]
    Shape(&'static str),
    /// A dealer's opened secret does not give its commitment, its advertised keys or its
    /// ciphertexts.
    #[error("the opened secret of dealer `{0}` is not the one it committed to")]
    Dealer(NodeId),
    /// A masked upload is not the one whose root was signed.
    #[error("the masked upload of node `{0}` is not the one it signed")]
    Upload(NodeId),
    /// The sum cannot be made.
    #[error(transparent)]
    Fold(#[from] FoldError),
}

impl Evidence {
    /// T2.
    pub fn t2(&self) -> Digest {
        t2(&self.adverts.t1(), &self.dealt)
    }

    /// T3.
    pub fn t3(&self) -> Digest {
        t3(&self.t2(), &self.uploads)
    }

    /// U3.
    pub fn set(&self) -> Vec<NodeId> {
        self.uploads.iter().map(|root| root.node).collect()
    }

    /// How the vectors are cut.
    pub fn shape(&self) -> Shape {
        let plan = &self.plan.plan;
        Shape {
            ring: plan.ring,
            words: plan.words,
            chunk_words: plan.chunk_words,
        }
    }

    /// Bytes of all masked uploads of the sum together.
    pub fn upload_bytes(&self) -> u64 {
        masked_bytes(&self.shape(), self.uploads.len())
    }

    /// Checks who signed what, and that every message belongs to the attempt; `identity` gives the
    /// roster's keys.
    ///
    /// # Errors
    /// [`BadEvidence`] for the first thing that is wrong. The opened secrets are checked by
    /// [`Evidence::removals`].
    pub fn check(
        &self,
        coordinator: &PublicKey,
        identity: impl Fn(NodeId) -> Option<PublicKey>,
    ) -> Result<(), BadEvidence> {
        let plan = &self.plan.plan;
        if !self.plan.is_signed_by(coordinator) || self.adverts.plan != plan.root() {
            return Err(BadEvidence::Shape("plan and adverts"));
        }
        for advert in &self.adverts.adverts {
            let node = advert.advert.node;
            if advert.advert.plan != self.adverts.plan || !plan.candidates.contains(&node) {
                return Err(BadEvidence::Message(node));
            }
            must(
                node,
                identity(node).is_some_and(|key| advert.is_signed_by(&key)),
            )?;
        }
        let t1 = self.adverts.t1();
        let t2 = self.t2();
        for root in &self.dealt {
            let key = identity(root.node);
            must(
                root.node,
                key.is_some_and(|key| root.is_signed_by("m4", &t1, &key)),
            )?;
        }
        for root in &self.uploads {
            let key = identity(root.node);
            must(
                root.node,
                key.is_some_and(|key| root.is_signed_by("m6", &t2, &key)),
            )?;
        }
        self.check_signers()?;
        let t3 = self.t3();
        for (node, signature) in &self.signed {
            let key = identity(*node);
            must(
                *node,
                key.is_some_and(|key| SetSign::holds(&t3, &self.point, signature, &key)),
            )?;
        }
        self.check_order()
    }

    /// So many dealers as open a secret signed the set, each once.
    fn check_signers(&self) -> Result<(), BadEvidence> {
        let sorted = self.signed.is_sorted_by(|a, b| a.0 < b.0);
        if !sorted || self.signed.len() < usize::from(self.plan.plan.threshold) {
            return Err(BadEvidence::Shape("signatures of the set"));
        }
        let stranger = self
            .signed
            .iter()
            .find(|(node, _)| !self.dealt.iter().any(|dealt| dealt.node == *node));
        stranger.map_or(Ok(()), |(node, _)| Err(BadEvidence::Message(*node)))
    }

    /// U3 lies in U2, U2 in U1, each sorted; one secret of each dealer, of the right kind; one
    /// bundle for each lost pair.
    fn check_order(&self) -> Result<(), BadEvidence> {
        let sorted = self
            .adverts
            .adverts
            .is_sorted_by(|a, b| a.advert.node < b.advert.node)
            && self.dealt.is_sorted_by(|a, b| a.node < b.node)
            && self.uploads.is_sorted_by(|a, b| a.node < b.node);
        let nested = self
            .dealt
            .iter()
            .all(|root| self.advert(root.node).is_some())
            && self
                .uploads
                .iter()
                .all(|root| self.dealt.iter().any(|dealt| dealt.node == root.node));
        let plan = &self.plan.plan;
        // U2 holds U3; whoever compares the plan with its roster finds s no smaller than t.
        let enough = self.adverts.adverts.len() >= usize::from(plan.min_start)
            && self.uploads.len() >= usize::from(plan.min_survivors);
        if !sorted || !nested || !enough {
            return Err(BadEvidence::Shape("sets"));
        }
        let due = self
            .dealt
            .iter()
            .map(|root| (root.node, self.kind_of(root.node)));
        if !due.eq(self.opened.iter().map(|opened| (opened.node, opened.kind))) {
            return Err(BadEvidence::Shape("opened secrets"));
        }
        let pairs = self
            .lost()
            .flat_map(|lost| self.set().into_iter().map(move |site| order(lost, site)));
        if !pairs.eq(self
            .lost
            .iter()
            .map(|found| (found.bundle.dealer, found.bundle.holder)))
        {
            return Err(BadEvidence::Shape("bundles of lost pairs"));
        }
        let nodes: Vec<NodeId> = self
            .adverts
            .adverts
            .iter()
            .map(|signed| signed.advert.node)
            .collect();
        for Delivered { bundle, path } in &self.lost {
            let root = self.dealt.iter().find(|root| root.node == bundle.dealer);
            let index = nodes.iter().position(|node| *node == bundle.holder);
            let proven = root.zip(index).is_some_and(|(root, index)| {
                let index = index as u64;
                let size = nodes.len() as u64;
                merkle::verify_inclusion(&bundle.leaf(), index, size, path, &root.root).is_ok()
            });
            if !proven {
                return Err(BadEvidence::Message(bundle.dealer));
            }
        }
        Ok(())
    }

    /// The masks to take off the sum of the uploads: of a site in it its own, of a lost one its
    /// pairs' with every site in it. Every secret is held against its commitment, and of a lost
    /// node keys and ciphertexts are computed again, so that a dealer who lied is named here and
    /// does not show as a wrong sum.
    ///
    /// # Errors
    /// [`BadEvidence::Dealer`].
    pub fn removals(&self) -> Result<Vec<(Sign, Seed)>, BadEvidence> {
        let plan = self.adverts.plan;
        let t2 = self.t2();
        let mut removals = Vec::new();
        for opened in &self.opened {
            let blame = BadEvidence::Dealer(opened.node);
            let secret = Secret::new(opened.secret);
            let advert = self.advert(opened.node).ok_or(blame)?;
            let committed = match opened.kind {
                Kind::Pair => advert.commit_pair,
                Kind::Own => advert.commit_own,
            };
            if commit(opened.kind, &plan, opened.node, &secret) != committed {
                return Err(blame);
            }
            if opened.kind == Kind::Own {
                removals.push((Sign::Minus, self_seed(&secret, &t2)));
                continue;
            }
            let keys = PairKeys::derive(&secret);
            if keys.public() != advert.pair {
                return Err(blame);
            }
            for site in self.set() {
                let seed = self.pair_seed(&keys, opened.node, site, &t2).ok_or(blame)?;
                removals.push((Sign::of(site, opened.node).opposite(), seed));
            }
        }
        Ok(removals)
    }

    fn pair_seed(&self, keys: &PairKeys, lost: NodeId, site: NodeId, t2: &Digest) -> Option<Seed> {
        let their = &self.advert(site)?.pair;
        let bundle = self.bundle(lost, site)?;
        if lost < site {
            let made = keys.encapsulate(site, their).ok()?;
            (made == bundle.mask_ct).then(|| keys.seed_as_lower(lost, site, their, t2).ok())?
        } else {
            keys.seed_as_upper(lost, site, their, &bundle.mask_ct, t2)
                .ok()
        }
    }

    fn bundle(&self, lost: NodeId, site: NodeId) -> Option<&Bundle> {
        let pair = order(lost, site);
        self.lost
            .iter()
            .map(|found| &found.bundle)
            .find(|bundle| (bundle.dealer, bundle.holder) == pair)
    }

    fn advert(&self, node: NodeId) -> Option<&Advert> {
        self.adverts
            .adverts
            .iter()
            .map(|signed| &signed.advert)
            .find(|advert| advert.node == node)
    }

    fn kind_of(&self, node: NodeId) -> Kind {
        if self.uploads.iter().any(|root| root.node == node) {
            Kind::Own
        } else {
            Kind::Pair
        }
    }

    /// Dealers that are not in the sum.
    fn lost(&self) -> impl Iterator<Item = NodeId> {
        self.dealt
            .iter()
            .map(|root| root.node)
            .filter(|node| self.kind_of(*node) == Kind::Pair)
    }
}

/// The lower and the upper of two nodes.
pub fn order(a: NodeId, b: NodeId) -> (NodeId, NodeId) {
    if a < b { (a, b) } else { (b, a) }
}

/// Bytes of the masked uploads of a sum over `sites` sites.
pub fn masked_bytes(shape: &Shape, sites: usize) -> u64 {
    (shape.total_bytes() as u64).saturating_mul(sites as u64)
}

/// The sum, made again from the masked uploads as they come in: one row of chunks after the other.
pub struct Recomputation {
    shape: Shape,
    sites: Vec<SignedRoot>,
    hashes: Vec<Vec<Digest>>,
    removals: Vec<(Sign, Seed)>,
    words: Vec<u64>,
}

impl Recomputation {
    /// Starts from evidence that was checked.
    ///
    /// # Errors
    /// [`BadEvidence::Dealer`].
    pub fn of(evidence: &Evidence) -> Result<Self, BadEvidence> {
        let shape = evidence.shape();
        let sites = evidence.uploads.clone();
        let hashes = vec![Vec::with_capacity(shape.chunks()); sites.len()];
        Ok(Self {
            shape,
            sites,
            hashes,
            removals: evidence.removals()?,
            words: Vec::new(),
        })
    }

    /// Takes the next chunk of every site, in the order of U3.
    ///
    /// # Errors
    /// [`BadEvidence::Fold`] when a payload has another length or the masks do not come off.
    pub fn row(&mut self, payloads: &[&[u8]]) -> Result<(), BadEvidence> {
        let index = self.hashes.first().map_or(0, Vec::len);
        for (hashes, payload) in self.hashes.iter_mut().zip(payloads) {
            hashes.push(chunk_hash(payload));
        }
        if payloads.len() != self.sites.len() {
            return Err(BadEvidence::Shape("uploads"));
        }
        let sites = u32::try_from(self.sites.len()).map_err(|_| BadEvidence::Shape("uploads"))?;
        self.words.extend(fold_chunk(
            &self.shape,
            index,
            payloads,
            &self.removals,
            sites,
        )?);
        Ok(())
    }

    /// The sum, once every upload proved to be the one that its site signed.
    ///
    /// # Errors
    /// [`BadEvidence::Upload`], or [`BadEvidence::Shape`] when rows are missing.
    pub fn finish(self) -> Result<Aggregate, BadEvidence> {
        for (site, hashes) in self.sites.iter().zip(&self.hashes) {
            if hashes.len() != self.shape.chunks() {
                return Err(BadEvidence::Shape("rows of chunks"));
            }
            if upload_root(hashes) != site.root {
                return Err(BadEvidence::Upload(site.node));
            }
        }
        Ok(Aggregate {
            ring: self.shape.ring,
            words: self.words,
        })
    }
}

/// A message of this node must be as it signed it.
fn must(node: NodeId, is_signed: bool) -> Result<(), BadEvidence> {
    if is_signed {
        Ok(())
    } else {
        Err(BadEvidence::Message(node))
    }
}
