//! What a node keeps of one attempt in its vault: secrets, and every message of its own so that a repeat gets the same
//! bytes. Wiped when dropped.

use motet_secagg::canonical;
use motet_secagg::id::NodeId;
use motet_secagg::message::{
    AdvertSet, Complaint, Delivery, Header, RevealReply, SetSign, Shares, SignedAdvert, SignedPlan,
};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::Share;
use zeroize::Zeroize;

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

canonical! {
    /// The vault's item for one attempt. It has no `Debug` and no `Clone`.
    pub struct Kept {
        /// The plan, as signed.
        pub plan: SignedPlan,
        /// Secret of the pair masks; zero before the advert and after it was forgotten.
        pub pair: [u8; 32],
        /// Secret of the self mask.
        pub own: [u8; 32],
        /// Secret of the share channel; zero once the shares are open.
        pub channel: [u8; 32],
        /// M2 as sent.
        pub advert: Option<SignedAdvert>,
        /// M3 as received.
        pub adverts: Option<AdvertSet>,
        /// M4 as sent.
        pub shares: Option<Shares>,
        /// The dealer's own shares of its own secrets.
        pub own_shares: Option<Held>,
        /// M5 as received.
        pub delivery: Option<Delivery>,
        /// The opened shares of the other dealers.
        pub held: Vec<Held>,
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
    }
}

impl Kept {
    pub(super) fn new(plan: SignedPlan) -> Self {
        Self {
            plan,
            pair: [0; 32],
            own: [0; 32],
            channel: [0; 32],
            advert: None,
            adverts: None,
            shares: None,
            own_shares: None,
            delivery: None,
            held: Vec::new(),
            header: None,
            set: Vec::new(),
            signed: None,
            reply: None,
            complaint: None,
        }
    }

    pub(super) fn draw(&mut self, pair: &Secret, own: &Secret, channel: &Secret) {
        self.pair = *pair.expose();
        self.own = *own.expose();
        self.channel = *channel.expose();
    }

    pub(super) fn share_of(&self, dealer: NodeId) -> Option<Held> {
        self.own_shares.iter().chain(&self.held).find(|held| held.dealer == dealer).cloned()
    }

    /// The shares are open: what could open them again goes.
    pub(super) fn close_channel(&mut self) {
        self.channel.zeroize();
    }

    /// An excluded node's own secrets; its peers' shares stay.
    pub(super) fn forget_own(&mut self) {
        self.pair.zeroize();
        self.own.zeroize();
        self.channel.zeroize();
    }

    /// After the reply only its bytes are kept.
    pub(super) fn spend(&mut self, reply: RevealReply) {
        self.forget_own();
        self.wipe_shares();
        self.reply = Some(reply);
    }

    fn wipe_shares(&mut self) {
        for held in self.held.iter_mut().chain(self.own_shares.as_mut()) {
            held.pair.0.zeroize();
            held.own.0.zeroize();
        }
        self.held.clear();
        self.own_shares = None;
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.forget_own();
        self.wipe_shares();
    }
}
