//! The node's side of one round attempt, as a value.
//!
//! ```text
//! plan -> Answering -> Advertised -> Dealt -> Masked -> Signed -> Spent -> released
//!                                        \-> Excluded (own upload not in the set: signs and opens for the others)
//! ```
//! Every step is sealed into the vault, then recorded, then told; a message that comes again gets
//! the same bytes again.

mod admit;
mod deal;
mod expected;
mod saved;
mod words;

pub use admit::admit;
pub use expected::Expected;
pub use saved::Kept;

use super::pins::Fact;
use super::terms::Terms;
use crate::log::{Asked, Leaf, Mirror};
use crate::opening::Opening;
use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::channel::ChannelSecret;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::layout::{ClearUpdate, Layout};
use motet_secagg::mask::{EncodedUpdate, MaskedUpdate, upload_root};
use motet_secagg::merkle;
use motet_secagg::message::{
    Advert, AdvertSet, Complaint, Delivery, Header, Message, OpenedShare, Proposal, Refused,
    Released, RevealReply, RevealRequest, SetSign, SignedRoot, t3,
};
use motet_secagg::pair::{Kind, PairKeys, commit};
use motet_secagg::secret::{Secret, scrubbed};
use motet_secagg::sign::SecretKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The node's identity in the protocol, and what it knows of the study by itself.
pub struct Me<'a> {
    /// Its id.
    pub node: NodeId,
    /// Its identity key.
    pub key: &'a SecretKey,
    /// Its witness key.
    pub witness: &'a SecretKey,
    /// The study's roster.
    pub roster: &'a Roster,
    /// The study's log as far as this site has seen it.
    pub log: &'a Mirror,
    /// Whom this question's sum may be about.
    pub sets: Sets<'a>,
    /// Seconds since 1970, for cosignatures.
    pub seconds: u64,
}

/// Which sets a node signs, besides what the protocol asks.
#[derive(Debug, Clone, Copy)]
pub struct Sets<'a> {
    /// The sites of the previous sum; empty before the first.
    pub previous: &'a [NodeId],
    /// How many of them may have left since; none ever comes. What differs between two sums becomes
    /// computable (ruling R5), so none may in a study that does not go on without a site.
    pub may_leave: usize,
    /// The sets of other studies over the same data that this site has signed.
    pub beside: &'a [Opening],
    /// In fewer sites than this a set may not differ from any of those.
    pub least: usize,
}

impl Sets<'_> {
    fn check(&self, set: &[SignedRoot], roster: &Roster) -> Result<(), Refusal> {
        let nodes: Vec<NodeId> = set.iter().map(|root| root.node).collect();
        self.beside
            .iter()
            .try_for_each(|opening| opening.check(&nodes, self.least, roster))?;
        if self.previous.is_empty() {
            return Ok(());
        }
        let came = set.iter().any(|root| !self.previous.contains(&root.node));
        let left = self.previous.len().saturating_sub(set.len());
        if came || left > self.may_leave {
            Err(Code::SetChanged.into())
        } else {
            Ok(())
        }
    }
}

/// What the session does next, in this order.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful at a time, consumed at once"
)]
pub enum Act {
    /// Put this into the vault under the attempt's plan digest, durably.
    Seal(Zeroizing<Vec<u8>>),
    /// Write the masked vector to disk, durably, instead of what an interrupted attempt to do so
    /// left there: no header names that.
    Store(MaskedUpdate),
    /// Stop uploading the masked vector and remove it from disk: it will never count.
    Discard,
    /// Append this fact to the node's ledger.
    Record(Fact),
    /// Send this.
    Tell(Message),
    /// Upload the stored chunks under this header.
    Upload(Header),
    /// Fetch, check and absorb this release; then forget the attempt.
    Absorb(Box<Released>),
    /// Wipe what the attempt left in the vault and on disk.
    Forget,
}

/// One attempt.
pub struct Member {
    terms: Terms,
    kept: Kept,
    /// The encoded answer, in memory only until it is masked.
    answer: Option<EncodedUpdate>,
    /// A delivery that came while the answer was being computed again.
    early: Option<Delivery>,
    /// Read back from the vault: the fact of the last step may not have reached the ledger before
    /// the stop.
    restored: bool,
}

impl Member {
    /// An attempt whose plan was admitted by [`admit`].
    pub fn new(terms: Terms) -> Self {
        let kept = Kept::new(terms.signed().clone());
        Self {
            terms,
            kept,
            answer: None,
            early: None,
            restored: false,
        }
    }

    /// The attempt as the vault kept it over a restart.
    ///
    /// # Errors
    /// `malformed` when the vault's bytes are not a member's.
    pub fn restore(bytes: &[u8], roster: &Roster) -> Result<Self, Refusal> {
        let kept = scrubbed(|| Kept::from_bytes(bytes))?;
        let terms = Terms::new(kept.plan.clone(), roster)?;
        Ok(Self {
            terms,
            kept,
            answer: None,
            early: None,
            restored: true,
        })
    }

    /// The terms of the attempt.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether the answer must be computed (again): nothing is masked yet and none is in memory.
    pub fn needs_answer(&self) -> bool {
        self.answer.is_none() && self.kept.header.is_none()
    }

    /// The header of the stored upload, once there is one.
    pub fn header(&self) -> Option<&Header> {
        self.kept.header.as_ref()
    }

    /// Whether it has signed a set: from then on the others may need what it holds to open the sum.
    pub fn has_signed(&self) -> bool {
        self.kept.signed.is_some()
    }

    /// What the computation of the answer rolls where it trains: always the same for an attempt,
    /// also when it is computed again after a restart.
    pub fn training_seed(&mut self, rng: &mut impl CryptoRng) -> Secret {
        scrubbed(|| self.answer_secret(rng).derive(b"training"))
    }

    /// Drawn once, and in the vault from the advert on: under one mask there is never a second
    /// vector.
    fn answer_secret(&mut self, rng: &mut impl CryptoRng) -> &Secret {
        if self.kept.answer.is_none() {
            self.kept.answer = Secret::draw(rng);
        }
        &self.kept.answer
    }

    /// Takes the clear update, refuses what is out of range, and adverts.
    ///
    /// # Errors
    /// `input_refused` with the reason for the node's own log; the coordinator gets the code alone.
    pub fn answered(
        &mut self,
        update: ClearUpdate,
        layout: &Layout,
        me: &Me<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Act>, Refusal> {
        scrubbed(|| self.on_answer(update, layout, me, rng))
    }

    fn on_answer(
        &mut self,
        update: ClearUpdate,
        layout: &Layout,
        me: &Me<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Act>, Refusal> {
        if self.kept.header.is_some() {
            // Masked already: a second answer under the same masks would show the difference of the
            // two.
            return Ok(self.say_again());
        }
        let rounding = self.answer_secret(rng).derive(b"rounding");
        let sites = u32::try_from(self.terms.plan().candidates.len())
            .map_err(|_| Refusal::new(Code::PlanRejected, "more sites than any roster"))?;
        let answer = update
            .encode(layout, sites, &rounding)
            .map_err(|refusal| Refusal::new(Code::InputRefused, refusal.to_string()))?;
        self.answer = Some(answer.with_chunk_words(self.terms.plan().chunk_words));
        match self.early.take() {
            Some(delivery) => self.on_delivery(&delivery, me),
            // Computed again after a restart: the advert has long left.
            None if self.kept.advert.is_some() => Ok(self.say_again()),
            None => Ok(self.advertise(me, rng)),
        }
    }

    fn advertise(&mut self, me: &Me<'_>, rng: &mut impl CryptoRng) -> Vec<Act> {
        let pair = Secret::draw(rng);
        let own = Secret::draw(rng);
        let channel = Secret::draw(rng);
        let plan = self.terms.plan_root();
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let advert = Advert {
            plan,
            node: me.node,
            pair: PairKeys::derive(&pair).public(),
            channel: ChannelSecret::derive(&channel).public(),
            nonce,
            commit_pair: commit(Kind::Pair, &plan, me.node, &pair),
            commit_own: commit(Kind::Own, &plan, me.node, &own),
            cosignature: self.terms.point().cosign(me.witness, me.seconds),
        };
        (self.kept.pair, self.kept.own, self.kept.channel) = (pair, own, channel);
        self.kept.advert = Some(advert.sign(me.key));
        self.acts(self.joined())
    }

    /// Takes a message of the coordinator.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing is said and nothing changes.
    pub fn handle(
        &mut self,
        message: &Message,
        me: &Me<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Act>, Refusal> {
        scrubbed(|| self.on_message(message, me, rng))
    }

    fn on_message(
        &mut self,
        message: &Message,
        me: &Me<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Act>, Refusal> {
        match message {
            Message::Plan(plan) if *plan == self.kept.plan => Ok(self.say_again()),
            Message::AdvertSet(set) => self.on_adverts(set, me, rng),
            Message::Delivery(delivery) => self.on_delivery(delivery, me),
            Message::Proposal(proposal) => self.on_proposal(proposal, me),
            Message::RevealRequest(request) => self.on_request(request, me),
            Message::Released(released) => self.on_released(released, me),
            Message::Abandoned(abandoned) if abandoned.plan == self.terms.plan_root() => {
                Ok(vec![Act::Forget])
            }
            other => Err(super::entry::wrong_phase(other)),
        }
    }

    fn on_adverts(
        &mut self,
        set: &AdvertSet,
        me: &Me<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Act>, Refusal> {
        if let Some(known) = &self.kept.adverts {
            return if known == set {
                Ok(self.say_again())
            } else {
                Err(Code::TwoMessages.into())
            };
        }
        let own = self.kept.advert.as_ref().ok_or(Code::WrongPhase)?;
        deal::check_adverts(&self.terms, set, own, me)?;
        let (shares, kept_shares) = deal::shares(&self.kept, set, me, rng)?;
        self.kept.own_shares = Some(kept_shares);
        self.kept.adverts = Some(set.clone());
        self.kept.shares = Some(shares);
        Ok(self.acts(None))
    }

    fn on_delivery(&mut self, delivery: &Delivery, me: &Me<'_>) -> Result<Vec<Act>, Refusal> {
        if let Some(known) = &self.kept.delivery {
            return if known == delivery {
                Ok(self.say_again())
            } else {
                Err(Code::TwoMessages.into())
            };
        }
        if self.kept.complaint.is_some() {
            return Ok(self.say_again());
        }
        let held = match deal::open_delivery(&self.terms, &self.kept, delivery, me) {
            Ok(held) => held,
            Err(deal::Fault::Refused(refusal)) => return Err(refusal),
            Err(deal::Fault::Dealer(dealer, code)) => {
                let complaint =
                    Complaint::sign(delivery.t1, me.node, dealer, code.as_str(), me.key);
                self.kept.complaint = Some(complaint);
                return Ok(self.acts(None));
            }
        };
        let masks = deal::masks(&self.kept, delivery, me)?;
        let Some(answer) = self.answer.take() else {
            // Stopped and started since the advert: masked as soon as the answer is there again.
            self.early = Some(delivery.clone());
            return Ok(Vec::new());
        };
        let masked = answer.mask(masks);
        let t2 = motet_secagg::message::t2(&delivery.t1, &delivery.roots);
        let chunks = masked.hashes();
        let root = SignedRoot::sign("m6", &t2, me.node, upload_root(&chunks), me.key);
        self.kept.held = held;
        self.kept.close_channel();
        self.kept.close_answer();
        self.kept.delivery = Some(delivery.clone());
        self.kept.header = Some(Header { t2, chunks, root });
        // The file first: a header in the vault without its file could never be uploaded, while a
        // file without its header was shown to nobody and is written again.
        let mut acts = vec![Act::Store(masked)];
        acts.extend(self.acts(self.masked()));
        Ok(acts)
    }

    fn on_proposal(&mut self, proposal: &Proposal, me: &Me<'_>) -> Result<Vec<Act>, Refusal> {
        let t3 = t3(&proposal.t2, &proposal.roots);
        if let Some(signed) = &self.kept.signed {
            let same = signed.t3 == t3 && signed.point == proposal.commit.point;
            return if same {
                Ok(self.say_again())
            } else {
                Err(Code::SetEquivocation.into())
            };
        }
        self.check_proposal(proposal, &t3, me)?;
        let own_in_set = proposal.roots.iter().any(|root| root.node == me.node);
        if !own_in_set {
            // Left out: the own upload can no longer count, so the own secrets go; the peers'
            // shares stay until the reveal.
            self.kept.forget_own();
        }
        let point = proposal.commit.point.clone();
        let cosignature = point.cosign(me.witness, me.seconds);
        self.kept.set = proposal.roots.iter().map(|root| root.node).collect();
        self.kept.signed = Some(SetSign::sign(t3, point, me.node, me.key, cosignature));
        let mut acts = self.acts(self.signed());
        if !own_in_set {
            acts.insert(1, Act::Discard);
        }
        Ok(acts)
    }

    fn check_proposal(&self, proposal: &Proposal, t3: &Digest, me: &Me<'_>) -> Result<(), Refusal> {
        let delivery = self.kept.delivery.as_ref().ok_or(Code::WrongPhase)?;
        let header = self.kept.header.as_ref().ok_or(Code::WrongPhase)?;
        if proposal.t2 != header.t2 {
            return Err(Refusal::new(Code::RoundReplay, "a set of another attempt"));
        }
        let sorted = proposal.roots.is_sorted_by(|a, b| a.node < b.node);
        let known = proposal
            .roots
            .iter()
            .all(|root| delivery.roots.iter().any(|dealt| dealt.node == root.node));
        if !sorted || !known {
            return Err(Refusal::new(
                Code::PlanRejected,
                "the set is not a sorted part of the dealers",
            ));
        }
        if proposal.roots.len() < self.terms.survivors() {
            return Err(Code::LineUpTooSmall.into());
        }
        for root in &proposal.roots {
            if !root.is_signed_by("m6", &proposal.t2, self.terms.key(root.node)?) {
                return Err(super::terms::bad_signature(root.node));
            }
        }
        if proposal
            .roots
            .iter()
            .any(|root| root.node == me.node && root.root != header.root.root)
        {
            return Err(Refusal::new(
                Code::UploadMismatch,
                "the set holds another upload of this node",
            ));
        }
        me.sets.check(&proposal.roots, me.roster)?;
        self.check_logged(proposal, t3, me)
    }

    /// The commitment must be this set's, the one that stands for this question in the log as this
    /// site recomputed it, and in the very tree that is signed: under an older point, which two
    /// logs may share, signatures would not bind to one log.
    fn check_logged(&self, proposal: &Proposal, t3: &Digest, me: &Me<'_>) -> Result<(), Refusal> {
        let commit = &proposal.commit;
        let plan = self.terms.plan();
        // What is signed is the log up to this point: were it older than the commitment, sites that
        // saw two logs part after it would sign the same, and add up to a quorum.
        let point = me.log.check(&commit.checkpoint, me.roster)?;
        if point != commit.point || !me.log.covers(&point, t3) {
            return Err(Code::SetNotLogged.into());
        }
        // The cosignature is on everything up to there: on no release, and no result, that came
        // since the plan.
        if me.log.latest() != Some((plan.previous_index, plan.previous_leaf))
            || me.log.published().is_some()
        {
            return Err(Refusal::new(
                Code::SetNotLogged,
                "a release stands between the plan and its set",
            ));
        }
        let set = proposal.roots.iter().map(|root| (root.node, root.root));
        let found = me.log.log().hash(commit.index) == Some(merkle::leaf(&commit.leaf));
        let stands = me.log.commit(t3).is_some_and(|leaf| {
            Leaf::Commit(leaf.clone()).to_bytes() == commit.leaf
                && leaf.study == plan.study
                && leaf.ask == plan.ask
                && leaf.run == plan.run
                && (leaf.round, leaf.attempt) == (plan.round, plan.attempt)
                && leaf.pin == plan.pin()
                && set.eq(leaf.set.iter().copied())
        });
        let open = me.log.asked(&plan.ask) == Some(Asked::Committed(*t3));
        if found && stands && open {
            Ok(())
        } else {
            Err(Code::SetNotLogged.into())
        }
    }

    fn on_request(&mut self, request: &RevealRequest, me: &Me<'_>) -> Result<Vec<Act>, Refusal> {
        let signed = self.kept.signed.as_ref();
        if let Some(reply) = &self.kept.reply {
            return if reply.t3 == request.t3 {
                Ok(self.say_again())
            } else {
                Err(Code::SetEquivocation.into())
            };
        }
        // A node that did not sign learns the set from the request's proposal alone and must not
        // open anything for it.
        let signed = signed.ok_or(Code::WrongPhase)?;
        self.check_request(request, signed)?;
        let opened = self.open_shares()?;
        let reply = RevealReply::sign(request.t3, me.node, opened, me.key);
        self.kept.spend(reply);
        Ok(self.acts(self.spent()))
    }

    fn check_request(&self, request: &RevealRequest, own: &SetSign) -> Result<(), Refusal> {
        if request.t3 != own.t3 {
            return Err(Code::SetEquivocation.into());
        }
        let delivery = self.kept.delivery.as_ref().ok_or(Code::WrongPhase)?;
        let distinct = request.signatures.is_sorted_by(|a, b| a.node < b.node);
        if !distinct || request.signatures.len() < self.terms.threshold() {
            return Err(Code::TooFewSignatures.into());
        }
        for signature in &request.signatures {
            let dealer = delivery
                .roots
                .iter()
                .any(|root| root.node == signature.node);
            let same = signature.t3 == own.t3 && signature.point == own.point;
            if !dealer || !same || !signature.is_signed_by(self.terms.key(signature.node)?) {
                return Err(Refusal::new(
                    Code::TooFewSignatures,
                    format!("node `{}`", signature.node),
                ));
            }
        }
        Ok(())
    }

    /// One share for each dealer: of the self secret for a node in the set, of the pair secret for
    /// a lost one.
    fn open_shares(&self) -> Result<Vec<OpenedShare>, Refusal> {
        let delivery = self.kept.delivery.as_ref().ok_or(Code::WrongPhase)?;
        delivery
            .roots
            .iter()
            .map(|root| {
                let held = self
                    .kept
                    .share_of(root.node)
                    .ok_or(Code::ReconstructFailed)?;
                let in_set = self.kept.set.contains(&root.node);
                let (kind, share) = if in_set {
                    (Kind::Own, &held.own)
                } else {
                    (Kind::Pair, &held.pair)
                };
                Ok(OpenedShare {
                    dealer: root.node,
                    kind,
                    share: share.clone(),
                })
            })
            .collect()
    }

    fn on_released(&self, released: &Released, me: &Me<'_>) -> Result<Vec<Act>, Refusal> {
        if released.plan != self.terms.plan_root() {
            return Err(Refusal::new(
                Code::RoundReplay,
                "a release of another attempt",
            ));
        }
        if !released.is_signed_by(&me.roster.coordinator) {
            return Err(Refusal::new(
                Code::BadSignature,
                "the coordinator's release",
            ));
        }
        if self
            .kept
            .signed
            .as_ref()
            .is_some_and(|signed| signed.t3 != released.t3)
        {
            return Err(Code::SetEquivocation.into());
        }
        Ok(vec![Act::Absorb(Box::new(released.clone())), Act::Forget])
    }
}

/// The longest reason that goes with a refusal, in bytes: a column, and what it is declared as.
pub const LONGEST_WHY: usize = 400;

/// The coarse no that goes to the coordinator for a plan: the code alone, but for what two texts
/// say without any patient.
pub fn refused(plan: Digest, refusal: &Refusal) -> Message {
    let mut why = String::new();
    if refusal.code.is_of_texts() {
        let ends = refusal.detail.char_indices();
        let told = ends.take_while(|(at, char)| at + char.len_utf8() <= LONGEST_WHY);
        why.extend(told.map(|(_, char)| char));
    }
    Message::Refused(Refused {
        plan,
        code: refusal.code.as_str().to_owned(),
        why,
    })
}
