//! Checking the line-up, dealing shares to it, opening what it dealt, and deriving the masks.

use super::super::share::rank;
use super::super::terms::{Terms, bad_signature};
use super::Me;
use super::saved::{Held, Kept};
use crate::refusal::{Code, Refusal};
use motet_secagg::channel::{self, ChannelSecret, Sealed};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::mask::{Masks, Sign};
use motet_secagg::merkle;
use motet_secagg::message::{
    Advert, AdvertSet, Bundle, Delivery, Shares, SignedAdvert, SignedRoot, Witness, t2,
};
use motet_secagg::pair::{Kind, PairKeys, commit_share, self_seed};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::{self, Share};
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// M3: signed by their sites, for this plan, sorted, no key twice, the own advert untouched, enough
/// of them.
pub(super) fn check_adverts(
    terms: &Terms,
    set: &AdvertSet,
    own: &SignedAdvert,
    me: &Me<'_>,
) -> Result<(), Refusal> {
    if set.plan != terms.plan_root() {
        return Err(Refusal::new(
            Code::RoundReplay,
            "adverts of another attempt",
        ));
    }
    let adverts = &set.adverts;
    if adverts.len() < usize::from(terms.plan().min_start) {
        return Err(Code::LineUpTooSmall.into());
    }
    if !adverts.is_sorted_by(|a, b| a.advert.node < b.advert.node) {
        return Err(Refusal::new(
            Code::PlanRejected,
            "adverts are not sorted, or repeated",
        ));
    }
    let mut pairs = BTreeSet::new();
    let mut channels = BTreeSet::new();
    for signed in adverts {
        let advert = &signed.advert;
        if advert.plan != set.plan || !signed.is_signed_by(terms.key(advert.node)?) {
            return Err(bad_signature(advert.node));
        }
        if !pairs.insert(advert.pair.x25519) || !channels.insert(advert.channel.as_slice()) {
            return Err(Refusal::new(
                Code::DuplicateKey,
                format!("node `{}`", advert.node),
            ));
        }
    }
    check_witnesses(terms, set)?;
    match adverts.iter().find(|signed| signed.advert.node == me.node) {
        Some(found) if found == own => Ok(()),
        _ => Err(Code::OwnAdvertAltered.into()),
    }
}

/// Everybody in the line-up, and whoever else is listed, cosigned the very checkpoint that this
/// node cosigned; and they are so many of the roster that no second log can find as many. Without
/// that, sites that were shown another log could open the same question once more (rulings R1 and
/// R6).
fn check_witnesses(terms: &Terms, set: &AdvertSet) -> Result<(), Refusal> {
    let others = &set.witnesses;
    let joined: BTreeSet<NodeId> = set
        .adverts
        .iter()
        .map(|signed| signed.advert.node)
        .collect();
    if !others.is_sorted_by(|a, b| a.node < b.node)
        || others.iter().any(|other| joined.contains(&other.node))
    {
        return Err(Refusal::new(
            Code::PlanRejected,
            "witnesses are not sorted, or repeated",
        ));
    }
    if set.adverts.len() + others.len() < terms.witness_quorum() {
        return Err(Code::TooFewWitnesses.into());
    }
    let adverts = set.adverts.iter().map(|signed| &signed.advert);
    let mut all = adverts
        .map(|advert| Witness {
            node: advert.node,
            cosignature: advert.cosignature,
        })
        .chain(others.iter().cloned());
    match all.find(|witness| !terms.is_witness(witness)) {
        Some(witness) => Err(Refusal::new(
            Code::BadSignature,
            format!("the cosignature of node `{}`", witness.node),
        )),
        None => Ok(()),
    }
}

/// M4: shares of both secrets for every node of U1, sealed to each holder; also the dealer's own
/// shares.
pub(super) fn shares(
    kept: &Kept,
    set: &AdvertSet,
    me: &Me<'_>,
    rng: &mut impl CryptoRng,
) -> Result<(Shares, Held), Refusal> {
    let holders = set.adverts.len();
    let threshold = usize::from(kept.plan.plan.threshold);
    let pair_shares = split(&kept.pair, threshold, holders, rng)?;
    let own_shares = split(&kept.own, threshold, holders, rng)?;
    debug_assert_eq!(pair_shares.len(), holders);
    debug_assert_eq!(own_shares.len(), holders);
    let t1 = set.t1();
    let keys = PairKeys::derive(&kept.pair);
    let mut mine = None;
    let mut bundles = Vec::with_capacity(holders);
    // The adverts are sorted, so the place of a holder is its rank.
    for (((x, signed), pair), own) in (1..).zip(&set.adverts).zip(pair_shares).zip(own_shares) {
        let holder = &signed.advert;
        let held = Held {
            dealer: me.node,
            pair,
            own,
        };
        bundles.push(seal(&t1, &keys, holder, x, &held, rng)?);
        if holder.node == me.node {
            mine = Some(held);
        }
    }
    let leaves: Vec<Digest> = bundles.iter().map(Bundle::leaf).collect();
    let root = SignedRoot::sign("m4", &t1, me.node, merkle::root(&leaves), me.key);
    let mine = mine.ok_or(Code::OwnAdvertAltered)?;
    Ok((Shares { t1, bundles, root }, mine))
}

/// A share of a secret for every holder.
fn split(
    secret: &Secret,
    threshold: usize,
    holders: usize,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Share>, Refusal> {
    shamir::split(secret, threshold, holders, rng)
        .map_err(|_| Refusal::new(Code::Malformed, "the secrets could not be shared"))
}

fn malformed(node: NodeId) -> Refusal {
    Refusal::new(Code::Malformed, format!("a key of node `{node}`"))
}

fn seal(
    t1: &Digest,
    keys: &PairKeys,
    holder: &Advert,
    x: u8,
    shares: &Held,
    rng: &mut impl CryptoRng,
) -> Result<Bundle, Refusal> {
    let dealer = shares.dealer;
    let mut bundle = Bundle {
        dealer,
        holder: holder.node,
        mask_ct: Vec::new(),
        sealed: Sealed {
            enc: Vec::new(),
            ct: Vec::new(),
        },
        commit_pair: commit_share(Kind::Pair, t1, dealer, holder.node, x, &shares.pair),
        commit_own: commit_share(Kind::Own, t1, dealer, holder.node, x, &shares.own),
    };
    if holder.node == dealer {
        return Ok(bundle);
    }
    if dealer < holder.node {
        bundle.mask_ct = keys
            .encapsulate(holder.node, &holder.pair)
            .map_err(|_| malformed(holder.node))?;
    }
    let info = Bundle::info(t1, dealer, holder.node);
    let plain = plaintext(holder.node, x, shares);
    bundle.sealed = channel::seal(&holder.channel, &info, &bundle.aad(), &plain, rng)
        .map_err(|_| malformed(holder.node))?;
    Ok(bundle)
}

/// `u || v || x_v || share_r || share_b`.
fn plaintext(holder: NodeId, x: u8, shares: &Held) -> Zeroizing<Vec<u8>> {
    let parts: [&[u8]; 5] = [
        &shares.dealer.0,
        &holder.0,
        &[x],
        shares.pair.expose(),
        shares.own.expose(),
    ];
    // The whole length is allotted first: a text that grows leaves copies behind.
    Zeroizing::new(parts.concat())
}

/// Why a delivery is not taken.
pub(super) enum Fault {
    /// It is not what this attempt is due.
    Refused(Refusal),
    /// What this dealer signed does not open, or does not fit its commitments.
    Dealer(NodeId, Code),
}

impl<E: Into<Refusal>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// M5: every dealer's signed root, the own bundles under them, each opened and held against its
/// commitments.
pub(super) fn open_delivery(
    terms: &Terms,
    kept: &Kept,
    delivery: &Delivery,
    me: &Me<'_>,
) -> Result<Vec<Held>, Fault> {
    let set = kept.adverts.as_ref().ok_or(Code::WrongPhase)?;
    let own = kept.shares.as_ref().ok_or(Code::WrongPhase)?;
    if delivery.t1 != own.t1 {
        return Err(Refusal::new(Code::RoundReplay, "shares of another attempt").into());
    }
    let nodes: Vec<NodeId> = set
        .adverts
        .iter()
        .map(|signed| signed.advert.node)
        .collect();
    let sorted = delivery.roots.is_sorted_by(|a, b| a.node < b.node);
    if !sorted || !delivery.roots.iter().all(|root| nodes.contains(&root.node)) {
        return Err(Refusal::new(
            Code::PlanRejected,
            "the dealers are not a sorted part of the line-up",
        )
        .into());
    }
    if delivery.roots.len() < terms.survivors().max(terms.threshold()) {
        return Err(Code::LineUpTooSmall.into());
    }
    if !delivery.roots.contains(&own.root) {
        return Err(Refusal::new(
            Code::NotInLineUp,
            "this node's own shares are not among the dealt ones",
        )
        .into());
    }
    for root in &delivery.roots {
        if !root.is_signed_by("m4", &delivery.t1, terms.key(root.node)?) {
            return Err(bad_signature(root.node).into());
        }
    }
    let others = delivery.roots.iter().filter(|root| root.node != me.node);
    if !others.clone().map(|root| root.node).eq(delivery
        .bundles
        .iter()
        .map(|delivered| delivered.bundle.dealer))
    {
        return Err(Refusal::new(Code::Malformed, "the delivered bundles").into());
    }
    let x = rank(nodes.into_iter(), me.node).ok_or(Code::NotInLineUp)?;
    let secret = ChannelSecret::derive(&kept.channel);
    let total = set.adverts.len() as u64;
    others
        .zip(&delivery.bundles)
        .map(|(root, delivered)| {
            let bundle = &delivered.bundle;
            let index = u64::from(x) - 1;
            let proven =
                merkle::verify_inclusion(&bundle.leaf(), index, total, &delivered.path, &root.root);
            if bundle.holder != me.node || proven.is_err() {
                // Not what the dealer signed: whoever delivered it changed it.
                return Err(Refusal::new(
                    Code::Malformed,
                    format!("a bundle of `{}`", bundle.dealer),
                )
                .into());
            }
            open_bundle(&delivery.t1, bundle, x, &secret)
                .map_err(|code| Fault::Dealer(bundle.dealer, code))
        })
        .collect()
}

fn open_bundle(t1: &Digest, bundle: &Bundle, x: u8, secret: &ChannelSecret) -> Result<Held, Code> {
    let closed = Code::ShareOpenFailed;
    if !bundle.has_its_ciphertext() {
        return Err(closed);
    }
    let info = Bundle::info(t1, bundle.dealer, bundle.holder);
    let plain = secret
        .open(&bundle.sealed, &info, &bundle.aad())
        .map_err(|_| closed)?;
    let header = [&bundle.dealer.0[..], &bundle.holder.0, &[x]].concat();
    let shares = plain.strip_prefix(header.as_slice()).ok_or(closed)?;
    let (pair, own) = <(Share, Share)>::from_bytes(shares).map_err(|_| closed)?;
    let held = Held {
        dealer: bundle.dealer,
        pair,
        own,
    };
    let Bundle { dealer, holder, .. } = *bundle;
    let pair = commit_share(Kind::Pair, t1, dealer, holder, x, &held.pair);
    let own = commit_share(Kind::Own, t1, dealer, holder, x, &held.own);
    if pair == bundle.commit_pair && own == bundle.commit_own {
        Ok(held)
    } else {
        Err(Code::ShareCommitment)
    }
}

/// The node's self mask and one pair mask for each other dealer, all bound to T2.
pub(super) fn masks(kept: &Kept, delivery: &Delivery, me: &Me<'_>) -> Result<Masks, Refusal> {
    let set = kept.adverts.as_ref().ok_or(Code::WrongPhase)?;
    let own = kept.shares.as_ref().ok_or(Code::WrongPhase)?;
    let t2 = t2(&delivery.t1, &delivery.roots);
    let keys = PairKeys::derive(&kept.pair);
    let mut peers = Vec::with_capacity(delivery.bundles.len());
    for delivered in &delivery.bundles {
        let bundle = &delivered.bundle;
        let peer = bundle.dealer;
        let advert = set
            .adverts
            .iter()
            .find(|signed| signed.advert.node == peer)
            .ok_or(Code::NotInLineUp)?;
        let their = &advert.advert.pair;
        let pair = if me.node < peer {
            let own_bundle = own
                .bundles
                .iter()
                .find(|bundle| bundle.holder == peer)
                .ok_or_else(|| malformed(peer))?;
            debug_assert!(
                !own_bundle.mask_ct.is_empty(),
                "the lower node encapsulates"
            );
            (Sign::Plus, keys.seed_as_lower(me.node, peer, their, &t2))
        } else {
            (
                Sign::Minus,
                keys.seed_as_upper(me.node, peer, their, &bundle.mask_ct, &t2),
            )
        };
        peers.push((pair.0, pair.1.map_err(|_| malformed(peer))?));
    }
    Ok(Masks {
        own: self_seed(&kept.own, &t2),
        peers,
    })
}
