//! Phase `reveal`: t holders open their shares, one kind for each node; the secrets are put
//! together and checked.

use super::entry::{Heard, wrong_phase};
use super::fold::Fold;
use super::share::Share;
use super::terms::{Terms, bad_signature, same_again};
use super::upload::dealt_roots;
use super::verdict::Verdict;
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::evidence::{Evidence, order};
use motet_secagg::id::NodeId;
use motet_secagg::message::{
    Logged, Message, OpenedSecret, OpenedShare, Proposal, RevealReply, RevealRequest, SignedRoot,
};
use motet_secagg::pair::{Kind, commit_share};
use motet_secagg::shamir;
use std::collections::BTreeMap;

pub(super) struct Reveal {
    pub(super) dealt: Share,
    pub(super) t2: Digest,
    pub(super) roots: Vec<SignedRoot>,
    pub(super) commit: Logged,
    request: RevealRequest,
    replies: BTreeMap<NodeId, RevealReply>,
}

impl Reveal {
    pub(super) fn new(
        dealt: Share,
        t2: Digest,
        roots: Vec<SignedRoot>,
        commit: Logged,
        request: RevealRequest,
    ) -> Self {
        Self {
            dealt,
            t2,
            roots,
            commit,
            request,
            replies: BTreeMap::new(),
        }
    }

    pub(super) fn check(
        &self,
        terms: &Terms,
        node: NodeId,
        message: &Message,
    ) -> Result<bool, Refusal> {
        // Enough have signed already; a later signature changes nothing.
        if matches!(message, Message::SetSign(_)) {
            return Ok(false);
        }
        let Message::RevealReply(reply) = message else {
            return Err(wrong_phase(message));
        };
        if !self.dealt.shares.contains_key(&node) || reply.node != node {
            return Err(Code::NotInLineUp.into());
        }
        if reply.t3 != self.request.t3 {
            return Err(Refusal::new(
                Code::SetEquivocation,
                format!("node `{node}` opened another set"),
            ));
        }
        if !reply.is_signed_by(terms.key(node)?) {
            return Err(bad_signature(node));
        }
        if !reply
            .opened
            .iter()
            .map(|share| share.dealer)
            .eq(self.dealt.shares.keys().copied())
        {
            return Err(Refusal::new(
                Code::Malformed,
                format!("the opened shares of node `{node}`"),
            ));
        }
        for share in &reply.opened {
            self.check_share(node, share)?;
        }
        same_again(self.replies.get(&node), reply, node)
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        if let Message::RevealReply(reply) = heard.message {
            self.replies.insert(heard.node, reply);
        }
    }

    pub(super) fn awaited(&self) -> Vec<NodeId> {
        self.dealt
            .shares
            .keys()
            .filter(|node| !self.replies.contains_key(node))
            .copied()
            .collect()
    }

    /// A node that has not signed is shown the committed set first: it may still open its shares.
    pub(super) fn pending(&self, node: NodeId) -> Vec<Message> {
        if !self.awaited().contains(&node) {
            return Vec::new();
        }
        let request = Message::RevealRequest(self.request.clone());
        if self
            .request
            .signatures
            .iter()
            .any(|signed| signed.node == node)
        {
            return vec![request];
        }
        let proposal = Proposal {
            t2: self.t2,
            roots: self.roots.clone(),
            commit: self.commit.clone(),
        };
        vec![Message::Proposal(proposal), request]
    }

    pub(super) fn closing(&self, terms: &Terms, _waiting: bool, late: bool) -> Verdict {
        if self.replies.len() >= terms.threshold() {
            return Verdict::Close(self.replies.keys().copied().collect());
        }
        if late {
            Verdict::Abandon(Code::Deadline)
        } else {
            Verdict::Wait
        }
    }

    pub(super) fn close(self, terms: &Terms) -> Result<Fold, Refusal> {
        let opened = self
            .dealt
            .shares
            .keys()
            .map(|node| self.reconstruct(terms, *node))
            .collect::<Result<Vec<OpenedSecret>, Refusal>>()?;
        let t2 = self.t2;
        let t3 = self.request.t3;
        Fold::new(self.evidence(terms, opened), t2, t3)
    }

    fn evidence(self, terms: &Terms, opened: Vec<OpenedSecret>) -> Evidence {
        let set: Vec<NodeId> = self.roots.iter().map(|root| root.node).collect();
        let lost = opened
            .iter()
            .filter(|opened| opened.kind == Kind::Pair)
            .map(|opened| opened.node);
        let pairs = lost.flat_map(|lost| set.iter().map(move |site| order(lost, *site)));
        let lost = pairs
            .filter_map(|(lower, upper)| self.dealt.delivered(lower, upper))
            .collect();
        Evidence {
            plan: terms.signed().clone(),
            dealt: dealt_roots(&self.dealt),
            adverts: self.dealt.adverts,
            lost,
            uploads: self.roots,
            point: self.commit.point,
            signed: self
                .request
                .signatures
                .iter()
                .map(|signed| (signed.node, signed.signature))
                .collect(),
            opened,
        }
    }

    /// The self secret where the upload counts, the pair secret where the node was lost before it.
    fn kind_of(&self, node: NodeId) -> Kind {
        if self.roots.iter().any(|root| root.node == node) {
            Kind::Own
        } else {
            Kind::Pair
        }
    }

    fn check_share(&self, holder: NodeId, share: &OpenedShare) -> Result<(), Refusal> {
        if share.kind != self.kind_of(share.dealer) {
            return Err(Refusal::new(
                Code::ShareCommitment,
                format!("node `{holder}` opened the other kind"),
            ));
        }
        if self.is_committed(holder, share) == Some(true) {
            Ok(())
        } else {
            Err(Refusal::new(
                Code::ShareCommitment,
                format!("from node `{holder}` for `{}`", share.dealer),
            ))
        }
    }

    /// Whether the dealer committed to this share; nothing where it dealt this holder none.
    fn is_committed(&self, holder: NodeId, share: &OpenedShare) -> Option<bool> {
        let dealt = self.dealt.shares.get(&share.dealer)?;
        let bundle = dealt
            .bundles
            .iter()
            .find(|bundle| bundle.holder == holder)?;
        let committed = match share.kind {
            Kind::Pair => bundle.commit_pair,
            Kind::Own => bundle.commit_own,
        };
        let found = commit_share(
            share.kind,
            &self.dealt.t1,
            share.dealer,
            holder,
            self.dealt.rank(holder)?,
            &share.share,
        );
        Some(found == committed)
    }

    fn reconstruct(&self, terms: &Terms, dealer: NodeId) -> Result<OpenedSecret, Refusal> {
        let points: Vec<(u8, shamir::Share)> = self
            .replies
            .values()
            .take(terms.threshold())
            .filter_map(|reply| {
                let share = reply.opened.iter().find(|share| share.dealer == dealer)?;
                Some((self.dealt.rank(reply.node)?, share.share.clone()))
            })
            .collect();
        let secret = shamir::combine(&points)
            .map_err(|_| Refusal::new(Code::ReconstructFailed, format!("dealer `{dealer}`")))?;
        let kind = self.kind_of(dealer);
        Ok(OpenedSecret {
            node: dealer,
            kind,
            secret: *secret.expose(),
        })
    }
}
