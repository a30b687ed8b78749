//! What a lying hospital makes: bundles by hand, of whatever secrets and with whatever ciphertexts,
//! under its own real signature.

use crate::sim::cast::Cast;
use motet_common::round::member::Kept;
use motet_secagg::channel::{self, Sealed};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::merkle;
use motet_secagg::message::{AdvertSet, Bundle, Kind, Shares, SignedRoot};
use motet_secagg::pair::{PairKeys, commit_share};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::{self, Share};
use rand_core::CryptoRng;

/// How a dealer lies to the holders of its shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// It deals as it should.
    None,
    /// It deals shares of another pair secret than it committed to.
    OtherPair,
    /// It deals shares of another own secret than it committed to.
    OtherOwn,
    /// The ciphertext for this holder is not the one that its pair secret gives.
    Ciphertext(NodeId),
    /// The ciphertext for this holder is not as long as one is: too short where one is due, and
    /// there where none is.
    Length(NodeId),
    /// The sealed pair share of this holder does not fit its commitment.
    BadPair(NodeId),
    /// The sealed own share of this holder does not fit its commitment.
    BadOwn(NodeId),
    /// What is sealed for this holder does not open.
    Closed(NodeId),
    /// The shares sealed for this holder are those of its neighbour's place.
    Place(NodeId),
}

/// Everything of one bundle before it is sealed.
struct Deal<'a> {
    t1: Digest,
    dealer: NodeId,
    keys: &'a PairKeys,
    trick: Trick,
}

/// M4 of a lying dealer, and the shares it keeps for itself.
pub struct Dealt {
    /// M4.
    pub shares: Shares,
    /// Its own share of its pair secret.
    pub pair: Share,
    /// Its own share of its own secret.
    pub own: Share,
}

/// Deals the secrets of a vault, with a trick.
pub fn deal(
    cast: &Cast,
    site: usize,
    kept: &Kept,
    set: &AdvertSet,
    trick: Trick,
    rng: &mut impl CryptoRng,
) -> Dealt {
    let (t1, dealer, holders) = (set.t1(), cast.node(site), set.adverts.len());
    let threshold = usize::from(kept.plan.plan.threshold);
    let mut dealt = |kept: &Secret, lies: bool| {
        let secret = if lies {
            Secret::draw(rng)
        } else {
            Secret::copied(kept.expose())
        };
        shamir::split(&secret, threshold, holders, rng).expect("a sound line-up")
    };
    let pair = dealt(&kept.pair, trick == Trick::OtherPair);
    let own = dealt(&kept.own, trick == Trick::OtherOwn);
    let keys = PairKeys::derive(&kept.pair);
    let deal = Deal {
        t1,
        dealer,
        keys: &keys,
        trick,
    };
    let mine = set
        .adverts
        .iter()
        .position(|signed| signed.advert.node == dealer)
        .expect("of U1");
    let bundle = |index: usize| deal.bundle(set, index, (&pair[index], &own[index]), rng);
    let bundles: Vec<Bundle> = (0..holders).map(bundle).collect();
    let leaves: Vec<Digest> = bundles.iter().map(Bundle::leaf).collect();
    let root = SignedRoot::sign(
        "m4",
        &t1,
        dealer,
        merkle::root(&leaves),
        &cast.sites[site].key,
    );
    let shares = Shares { t1, bundles, root };
    Dealt {
        shares,
        pair: pair[mine].clone(),
        own: own[mine].clone(),
    }
}

impl Deal<'_> {
    fn bundle(
        &self,
        set: &AdvertSet,
        index: usize,
        (pair, own): (&Share, &Share),
        rng: &mut impl CryptoRng,
    ) -> Bundle {
        let (holder, x) = (&set.adverts[index].advert, 1 + index as u8);
        let commit = |kind, share| commit_share(kind, &self.t1, self.dealer, holder.node, x, share);
        let mut bundle = Bundle {
            dealer: self.dealer,
            holder: holder.node,
            mask_ct: Vec::new(),
            sealed: Sealed {
                enc: Vec::new(),
                ct: Vec::new(),
            },
            commit_pair: commit(Kind::Pair, pair),
            commit_own: commit(Kind::Own, own),
        };
        if holder.node == self.dealer {
            return bundle;
        }
        if self.dealer < holder.node {
            // Encapsulated for another peer's name: right key, other randomness.
            let name = if self.trick == Trick::Ciphertext(holder.node) {
                self.dealer
            } else {
                holder.node
            };
            bundle.mask_ct = self
                .keys
                .encapsulate(name, &holder.pair)
                .expect("a sound key");
        }
        if self.trick == Trick::Length(holder.node) {
            let other = if bundle.mask_ct.is_empty() { 1 } else { 3 };
            bundle.mask_ct.resize(other, 0);
        }
        let flipped = |share: &Share, lies| {
            if lies {
                Share::copied(&share.expose().map(|byte| !byte))
            } else {
                share.clone()
            }
        };
        let pair = flipped(pair, self.trick == Trick::BadPair(holder.node));
        let own = flipped(own, self.trick == Trick::BadOwn(holder.node));
        let place = x + u8::from(self.trick == Trick::Place(holder.node));
        let plain = [
            &self.dealer.0[..],
            &holder.node.0,
            &[place],
            pair.expose(),
            own.expose(),
        ]
        .concat();
        let info = Bundle::info(&self.t1, self.dealer, holder.node);
        let sealed = channel::seal(&holder.channel, &info, &bundle.aad(), &plain, rng);
        bundle.sealed = sealed.expect("a sound key");
        if self.trick == Trick::Closed(holder.node) {
            bundle.sealed.ct[0] ^= 1;
        }
        bundle
    }
}
