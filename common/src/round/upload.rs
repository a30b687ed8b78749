//! Phase `upload`: shares are delivered, masked vectors come in; whose upload is complete is U3.

use super::entry::{Entry, Heard, wrong_phase};
use super::share::Share;
use super::sign::Sign;
use super::terms::{Terms, bad_signature, same_again};
use super::verdict::Verdict;
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::mask::upload_root;
use motet_secagg::message::{Complaint, Delivery, Header, Message, SignedRoot, t2};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Upload {
    pub(super) dealt: Share,
    pub(super) t2: Digest,
    pub(super) headers: BTreeMap<NodeId, Header>,
    complete: BTreeSet<NodeId>,
}

impl Upload {
    pub(super) fn new(dealt: Share) -> Self {
        let t2 = t2(&dealt.t1, &dealt_roots(&dealt));
        Self {
            dealt,
            t2,
            headers: BTreeMap::new(),
            complete: BTreeSet::new(),
        }
    }

    pub(super) fn header(&self, node: NodeId) -> Option<&Header> {
        self.headers.get(&node)
    }

    pub(super) fn check(
        &self,
        terms: &Terms,
        node: NodeId,
        message: &Message,
    ) -> Result<bool, Refusal> {
        let header = match message {
            Message::Header(header) => header,
            Message::Complaint(complaint) => return self.check_complaint(terms, node, complaint),
            _ => return Err(wrong_phase(message)),
        };
        if !self.dealt.shares.contains_key(&node) {
            return Err(Code::NotInLineUp.into());
        }
        if header.t2 != self.t2 || header.root.node != node {
            return Err(Refusal::new(
                Code::RoundReplay,
                format!("an upload of node `{node}` for another attempt"),
            ));
        }
        if header.chunks.len() != terms.shape().chunks()
            || upload_root(&header.chunks) != header.root.root
        {
            return Err(Refusal::new(
                Code::Malformed,
                format!("the upload header of node `{node}`"),
            ));
        }
        if !header.root.is_signed_by("m6", &self.t2, terms.key(node)?) {
            return Err(bad_signature(node));
        }
        same_again(self.headers.get(&node), header, node)
    }

    fn check_complaint(
        &self,
        terms: &Terms,
        node: NodeId,
        complaint: &Complaint,
    ) -> Result<bool, Refusal> {
        let dealers = &self.dealt.shares;
        let known = dealers.contains_key(&node) && dealers.contains_key(&complaint.dealer);
        if complaint.node != node
            || complaint.t1 != self.dealt.t1
            || !known
            || complaint.dealer == node
        {
            return Err(Refusal::new(
                Code::RoundReplay,
                format!("a complaint of node `{node}`"),
            ));
        }
        if ![Code::ShareOpenFailed, Code::ShareCommitment]
            .map(Code::as_str)
            .contains(&complaint.code.as_str())
        {
            return Err(Refusal::new(
                Code::Malformed,
                format!("the complaint of node `{node}`"),
            ));
        }
        if complaint.is_signed_by(terms.key(node)?) {
            Ok(true)
        } else {
            Err(bad_signature(node))
        }
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        if let Message::Header(header) = heard.message {
            self.headers.insert(heard.node, header);
        }
    }

    /// The last chunk of a pinned upload has arrived.
    pub(super) fn check_complete(&self, node: NodeId) -> Result<Option<Entry>, Refusal> {
        if !self.headers.contains_key(&node) {
            return Err(Refusal::new(
                Code::UploadMismatch,
                format!("no header of node `{node}`"),
            ));
        }
        Ok((!self.complete.contains(&node)).then_some(Entry::Uploaded(node)))
    }

    pub(super) fn complete(&mut self, node: NodeId) {
        self.complete.insert(node);
    }

    pub(super) fn awaited(&self) -> Vec<NodeId> {
        self.dealt
            .shares
            .keys()
            .filter(|node| !self.complete.contains(node))
            .copied()
            .collect()
    }

    pub(super) fn pending(&self, node: NodeId) -> Option<Message> {
        let open = self.dealt.shares.contains_key(&node) && !self.complete.contains(&node);
        open.then(|| Message::Delivery(self.delivery(node)))
    }

    pub(super) fn closing(&self, terms: &Terms, waiting: bool, late: bool) -> Verdict {
        if waiting && !late {
            return Verdict::Wait;
        }
        if self.complete.len() < terms.survivors() {
            return if late {
                Verdict::Abandon(Code::LineUpTooSmall)
            } else {
                Verdict::Wait
            };
        }
        Verdict::Close(self.complete.iter().copied().collect())
    }

    pub(super) fn close(self, nodes: &[NodeId]) -> Sign {
        let roots = self
            .headers
            .values()
            .map(|header| header.root)
            .filter(|root| nodes.contains(&root.node))
            .collect();
        Sign::new(self.dealt, self.t2, roots)
    }

    fn delivery(&self, holder: NodeId) -> Delivery {
        let dealers = self.dealt.shares.keys().filter(|dealer| **dealer != holder);
        let bundles = dealers.filter_map(|dealer| self.dealt.delivered(*dealer, holder));
        Delivery {
            t1: self.dealt.t1,
            roots: dealt_roots(&self.dealt),
            bundles: bundles.collect(),
        }
    }
}

/// The signed bundle roots of U2, sorted by dealer.
pub(super) fn dealt_roots(dealt: &Share) -> Vec<SignedRoot> {
    dealt.shares.values().map(|shares| shares.root).collect()
}
