//! Phase `sign`: U3 is committed to the log, proposed to U2, and signed by at least t of it.

use super::entry::{Heard, wrong_phase};
use super::reveal::Reveal;
use super::share::Share;
use super::terms::{Terms, bad_signature, same_again};
use super::verdict::Verdict;
use crate::log::{Commit, Leaf};
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Logged, Message, Proposal, RevealRequest, SetSign, SignedRoot, t3};
use std::collections::BTreeMap;

pub(super) struct Sign {
    dealt: Share,
    pub(super) t2: Digest,
    /// Upload roots of U3, sorted.
    roots: Vec<SignedRoot>,
    t3: Digest,
    commit: Option<Logged>,
    signatures: BTreeMap<NodeId, SetSign>,
}

impl Sign {
    pub(super) fn new(dealt: Share, t2: Digest, roots: Vec<SignedRoot>) -> Self {
        let t3 = t3(&t2, &roots);
        Self {
            dealt,
            t2,
            roots,
            t3,
            commit: None,
            signatures: BTreeMap::new(),
        }
    }

    /// The leaf that must stand in the log before anybody is asked to sign.
    pub(super) fn leaf(&self, terms: &Terms) -> Leaf {
        let plan = terms.plan();
        Leaf::Commit(Commit {
            study: plan.study.clone(),
            ask: plan.ask,
            run: plan.run,
            round: plan.round,
            attempt: plan.attempt,
            pin: plan.pin(),
            t3: self.t3,
            set: self
                .roots
                .iter()
                .map(|root| (root.node, root.root))
                .collect(),
        })
    }

    pub(super) fn is_committed(&self) -> bool {
        self.commit.is_some()
    }

    pub(super) fn committed(&mut self, logged: Logged) {
        self.commit = Some(logged);
    }

    pub(super) fn check(
        &self,
        terms: &Terms,
        node: NodeId,
        message: &Message,
    ) -> Result<bool, Refusal> {
        let Message::SetSign(signed) = message else {
            return Err(wrong_phase(message));
        };
        let Some(commit) = &self.commit else {
            return Err(wrong_phase(message));
        };
        if !self.dealt.shares.contains_key(&node) || signed.node != node {
            return Err(Code::NotInLineUp.into());
        }
        if signed.t3 != self.t3 || signed.point != commit.point {
            return Err(Refusal::new(
                Code::SetEquivocation,
                format!("node `{node}` signed another set or log"),
            ));
        }
        if !signed.is_signed_by(terms.key(node)?) {
            return Err(bad_signature(node));
        }
        if !terms.is_cosigned(&commit.point, node, &signed.cosignature) {
            return Err(Refusal::new(
                Code::BadSignature,
                format!("the cosignature of node `{node}`"),
            ));
        }
        same_again(self.signatures.get(&node), signed, node)
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        if let Message::SetSign(signed) = heard.message {
            self.signatures.insert(heard.node, signed);
        }
    }

    pub(super) fn awaited(&self) -> Vec<NodeId> {
        if self.commit.is_none() {
            return Vec::new();
        }
        self.dealt
            .shares
            .keys()
            .filter(|node| !self.signatures.contains_key(node))
            .copied()
            .collect()
    }

    /// Who may sign.
    pub(super) fn dealers(&self) -> Vec<NodeId> {
        self.dealt.shares.keys().copied().collect()
    }

    pub(super) fn pending(&self, node: NodeId) -> Option<Message> {
        let commit = self.commit.as_ref()?;
        self.awaited().contains(&node).then(|| {
            Message::Proposal(Proposal {
                t2: self.t2,
                roots: self.roots.clone(),
                commit: commit.clone(),
            })
        })
    }

    pub(super) fn closing(&self, terms: &Terms, _waiting: bool, late: bool) -> Verdict {
        if self.commit.is_some() && self.signatures.len() >= terms.threshold() {
            return Verdict::Close(self.signatures.keys().copied().collect());
        }
        if late {
            Verdict::Abandon(Code::TooFewSignatures)
        } else {
            Verdict::Wait
        }
    }

    pub(super) fn close(self) -> Result<Reveal, Refusal> {
        let request = RevealRequest {
            t3: self.t3,
            signatures: self.signatures.into_values().collect(),
        };
        let commit = self.commit.ok_or(Code::SetNotLogged)?;
        Ok(Reveal::new(
            self.dealt, self.t2, self.roots, commit, request,
        ))
    }
}
