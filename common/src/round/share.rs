//! Phase `share`: every node of U1 deals shares of its two secrets; whose bundles are complete is
//! U2.

use super::entry::{Heard, wrong_phase};
use super::terms::{Terms, bad_signature, same_again};
use super::upload::Upload;
use super::verdict::Verdict;
use crate::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::merkle;
use motet_secagg::message::{AdvertSet, Bundle, Delivered, Message, Shares};
use std::collections::BTreeMap;

pub(super) struct Share {
    pub(super) adverts: AdvertSet,
    pub(super) t1: Digest,
    pub(super) shares: BTreeMap<NodeId, Shares>,
    /// Of each dealer, the hashes of its bundles: every holder's path is over them.
    leaves: BTreeMap<NodeId, Vec<Digest>>,
}

impl Share {
    pub(super) fn new(adverts: AdvertSet) -> Self {
        let t1 = adverts.t1();
        Self {
            adverts,
            t1,
            shares: BTreeMap::new(),
            leaves: BTreeMap::new(),
        }
    }

    pub(super) fn check(
        &self,
        terms: &Terms,
        node: NodeId,
        message: &Message,
    ) -> Result<bool, Refusal> {
        let Message::Shares(shares) = message else {
            return Err(wrong_phase(message));
        };
        if !self.nodes().any(|known| known == node) {
            return Err(Code::NotInLineUp.into());
        }
        if shares.t1 != self.t1 || shares.root.node != node {
            return Err(Refusal::new(
                Code::RoundReplay,
                format!("shares of node `{node}` for another attempt"),
            ));
        }
        let leaves: Vec<Digest> = shares.bundles.iter().map(Bundle::leaf).collect();
        let complete = shares
            .bundles
            .iter()
            .map(|bundle| bundle.holder)
            .eq(self.nodes())
            && shares
                .bundles
                .iter()
                .all(|bundle| bundle.dealer == node && bundle.has_its_ciphertext())
            && merkle::root(&leaves) == shares.root.root;
        if !complete {
            return Err(Refusal::new(
                Code::Malformed,
                format!("the bundles of node `{node}`"),
            ));
        }
        if !shares.root.is_signed_by("m4", &self.t1, terms.key(node)?) {
            return Err(bad_signature(node));
        }
        same_again(self.shares.get(&node), shares, node)
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        if let Message::Shares(shares) = heard.message {
            self.leaves.insert(
                heard.node,
                shares.bundles.iter().map(Bundle::leaf).collect(),
            );
            self.shares.insert(heard.node, shares);
        }
    }

    pub(super) fn awaited(&self) -> Vec<NodeId> {
        self.nodes()
            .filter(|node| !self.shares.contains_key(node))
            .collect()
    }

    pub(super) fn pending(&self, node: NodeId) -> Option<Message> {
        self.awaited()
            .contains(&node)
            .then(|| Message::AdvertSet(self.adverts.clone()))
    }

    pub(super) fn closing(&self, terms: &Terms, waiting: bool, late: bool) -> Verdict {
        if waiting && !late {
            return Verdict::Wait;
        }
        if self.shares.len() < terms.survivors().max(terms.threshold()) {
            return if late {
                Verdict::Abandon(Code::LineUpTooSmall)
            } else {
                Verdict::Wait
            };
        }
        Verdict::Close(self.shares.keys().copied().collect())
    }

    pub(super) fn close(mut self, nodes: &[NodeId]) -> Upload {
        self.shares.retain(|node, _| nodes.contains(node));
        Upload::new(self)
    }

    /// U1, sorted.
    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.adverts.adverts.iter().map(|signed| signed.advert.node)
    }

    /// What a dealer made for a holder, with its path to the dealer's signed root.
    pub(super) fn delivered(&self, dealer: NodeId, holder: NodeId) -> Option<Delivered> {
        let shares = self.shares.get(&dealer)?;
        let index = shares
            .bundles
            .iter()
            .position(|bundle| bundle.holder == holder)?;
        let path = merkle::inclusion(self.leaves.get(&dealer)?, index)?;
        Some(Delivered {
            bundle: shares.bundles.get(index)?.clone(),
            path,
        })
    }

    /// A node's rank in U1, counted from 1: the x of its shares.
    pub(super) fn rank(&self, node: NodeId) -> Option<u8> {
        rank(self.nodes(), node)
    }
}

/// The 1-based rank of a node, the x at which its shares are taken.
pub(super) fn rank(mut nodes: impl Iterator<Item = NodeId>, node: NodeId) -> Option<u8> {
    nodes
        .position(|known| known == node)
        .and_then(|index| u8::try_from(index + 1).ok())
}
