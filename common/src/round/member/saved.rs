//! What a node keeps of one attempt in its vault: secrets, and every message of its own so that a
//! repeat gets the same bytes. Wiped when dropped.
//!
//! ```text
//! plan | M2 | M3 | M4 | M5 | head of M6 | U3 | M8 | M10 | complaint | r b channel answer | own shares | shares of others
//! ```
//! What is secret stands last and takes as many bytes as are counted beforehand: a text that grows
//! while it is written leaves copies of itself behind.

use motet_secagg::canonical;
use motet_secagg::encode::{Canonical, Malformed, Reader};
use motet_secagg::id::NodeId;
use motet_secagg::message::{
    AdvertSet, Complaint, Delivery, Header, RevealReply, SetSign, Shares, SignedAdvert, SignedPlan,
};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::Share;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a secret, and of a share.
const SECRET: usize = 32;
/// Bytes of what is held of one dealer: who it is, and two shares.
const HELD: usize = 16 + 2 * SECRET;

canonical! {
    /// A dealer's two shares as this node holds them.
    #[derive(Clone)]
    pub struct Held {
        /// The dealer.
        pub dealer: NodeId,
        /// Share of its pair secret.
        pub pair: Share,
        /// Share of its self secret.
        pub own: Share,
    }
}

/// The vault's item for one attempt. It has no `Debug`, no `Clone`, and no bytes but those that are
/// wiped.
///
/// ```compile_fail
/// fn copy(kept: &motet_common::round::member::Kept) -> motet_common::round::member::Kept { kept.clone() }
/// ```
/// ```compile_fail
/// fn plain(kept: &motet_common::round::member::Kept) -> Vec<u8> { kept.to_bytes() }
/// ```
pub struct Kept {
    /// The plan, as signed.
    pub plan: SignedPlan,
    /// M2 as sent.
    pub advert: Option<SignedAdvert>,
    /// M3 as received.
    pub adverts: Option<AdvertSet>,
    /// M4 as sent.
    pub shares: Option<Shares>,
    /// M5 as received.
    pub delivery: Option<Delivery>,
    /// The head of M6 as sent.
    pub header: Option<Header>,
    /// U3 as signed.
    pub set: Vec<NodeId>,
    /// M8 as sent.
    pub signed: Option<SetSign>,
    /// M10 as sent.
    pub reply: Option<RevealReply>,
    /// What was said instead of an upload, where a dealer's shares were bad.
    pub complaint: Option<Complaint>,
    /// Secret of the pair masks; none before the advert and after it was forgotten.
    pub pair: Secret,
    /// Secret of the self mask.
    pub own: Secret,
    /// Secret of the share channel; none once the shares are open.
    pub channel: Secret,
    /// What the answer rolls: the order of rows in training, and the rounding. Drawn once, so that
    /// an attempt that is taken up again masks the very vector that it would have masked; none once
    /// it is masked.
    pub answer: Secret,
    /// The dealer's own shares of its own secrets.
    pub own_shares: Option<Held>,
    /// The opened shares of the other dealers.
    pub held: Vec<Held>,
}

impl Kept {
    pub(super) fn new(plan: SignedPlan) -> Self {
        Self {
            plan,
            advert: None,
            adverts: None,
            shares: None,
            delivery: None,
            header: None,
            set: Vec::new(),
            signed: None,
            reply: None,
            complaint: None,
            pair: Secret::none(),
            own: Secret::none(),
            channel: Secret::none(),
            answer: Secret::none(),
            own_shares: None,
            held: Vec::new(),
        }
    }

    /// The item's bytes.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut said = Vec::new();
        self.plan.write(&mut said);
        self.advert.write(&mut said);
        self.adverts.write(&mut said);
        self.shares.write(&mut said);
        self.delivery.write(&mut said);
        self.header.write(&mut said);
        self.set.write(&mut said);
        self.signed.write(&mut said);
        self.reply.write(&mut said);
        self.complaint.write(&mut said);

        let held = self.held.len() + usize::from(self.own_shares.is_some());
        let length = said.len() + 4 * SECRET + 1 + 4 + held * HELD;
        let mut out = Zeroizing::new(Vec::with_capacity(length));
        out.extend_from_slice(&said);
        for secret in [&self.pair, &self.own, &self.channel, &self.answer] {
            out.extend_from_slice(secret.expose());
        }
        self.own_shares.write(&mut out);
        self.held.write(&mut out);
        debug_assert_eq!(out.len(), length, "counted beforehand");
        out
    }

    /// The item whose bytes are exactly these.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let input = &mut Reader::new(bytes);
        let kept = Self {
            plan: Canonical::read(input)?,
            advert: Canonical::read(input)?,
            adverts: Canonical::read(input)?,
            shares: Canonical::read(input)?,
            delivery: Canonical::read(input)?,
            header: Canonical::read(input)?,
            set: Canonical::read(input)?,
            signed: Canonical::read(input)?,
            reply: Canonical::read(input)?,
            complaint: Canonical::read(input)?,
            pair: secret(input)?,
            own: secret(input)?,
            channel: secret(input)?,
            answer: secret(input)?,
            own_shares: Canonical::read(input)?,
            held: Canonical::read(input)?,
        };
        if input.peek().is_none() {
            Ok(kept)
        } else {
            Err(Malformed {
                what: "trailing bytes",
            })
        }
    }

    pub(super) fn share_of(&self, dealer: NodeId) -> Option<&Held> {
        self.own_shares
            .iter()
            .chain(&self.held)
            .find(|held| held.dealer == dealer)
    }

    /// The shares are open: what could open them again goes.
    pub(super) fn close_channel(&mut self) {
        self.channel.zeroize();
    }

    /// The answer is masked: what it rolled goes.
    pub(super) fn close_answer(&mut self) {
        self.answer.zeroize();
    }

    /// An excluded node's own secrets; its peers' shares stay.
    pub(super) fn forget_own(&mut self) {
        for secret in [
            &mut self.pair,
            &mut self.own,
            &mut self.channel,
            &mut self.answer,
        ] {
            secret.zeroize();
        }
    }

    /// After the reply only its bytes are kept.
    pub(super) fn spend(&mut self, reply: RevealReply) {
        self.forget_own();
        self.held.clear();
        self.own_shares = None;
        self.reply = Some(reply);
    }
}

/// A secret as it lies in the item.
fn secret(input: &mut Reader<'_>) -> Result<Secret, Malformed> {
    input
        .take(SECRET, "secret")?
        .try_into()
        .map(Secret::copied)
        .map_err(|_| Malformed { what: "secret" })
}
