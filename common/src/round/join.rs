//! Phase `join`: adverts come in; who advertised is U1.

use super::entry::{Heard, wrong_phase};
use super::share::Share;
use super::terms::{Terms, bad_signature, same_again};
use super::verdict::Verdict;
use crate::refusal::{Code, Refusal};
use motet_secagg::channel;
use motet_secagg::id::NodeId;
use motet_secagg::message::{AdvertSet, Message, SignedAdvert, Stands, Witness, Witnessed};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Join {
    adverts: BTreeMap<NodeId, SignedAdvert>,
    witnesses: BTreeMap<NodeId, Witness>,
}

impl Join {
    pub(super) fn check(
        &self,
        terms: &Terms,
        node: NodeId,
        message: &Message,
    ) -> Result<bool, Refusal> {
        let Message::Advert(signed) = message else {
            return Err(wrong_phase(message));
        };
        let advert = &signed.advert;
        if advert.node != node || advert.plan != terms.plan_root() {
            return Err(Refusal::new(
                Code::RoundReplay,
                format!("an advert of node `{node}` for another plan"),
            ));
        }
        if !signed.is_signed_by(terms.key(node)?) {
            return Err(bad_signature(node));
        }
        if advert.pair.check().is_err() || channel::check_public(&advert.channel).is_err() {
            return Err(Refusal::new(
                Code::Malformed,
                format!("a key in the advert of node `{node}`"),
            ));
        }
        if !terms.is_cosigned(terms.point(), node, &advert.cosignature) {
            return Err(Refusal::new(
                Code::BadSignature,
                format!("the cosignature of node `{node}`"),
            ));
        }
        let twin = self.adverts.values().any(|other| {
            other.advert.node != node
                && (other.advert.pair.x25519 == advert.pair.x25519
                    || other.advert.channel == advert.channel)
        });
        if twin {
            return Err(Refusal::new(Code::DuplicateKey, format!("node `{node}`")));
        }
        same_again(self.adverts.get(&node), signed, node)
    }

    /// A site outside the line-up may still witness the log.
    pub(super) fn check_witness(
        &self,
        terms: &Terms,
        node: NodeId,
        witnessed: &Witnessed,
    ) -> Result<bool, Refusal> {
        if witnessed.witness.node != node || witnessed.point != *terms.point() {
            return Err(Refusal::new(
                Code::WrongPhase,
                format!("node `{node}` witnessed another checkpoint"),
            ));
        }
        if !terms.is_witness(&witnessed.witness) {
            return Err(bad_signature(node));
        }
        Ok(!self.witnesses.contains_key(&node) && !terms.is_candidate(node))
    }

    pub(super) fn hear(&mut self, heard: Heard) {
        match heard.message {
            Message::Advert(advert) => {
                self.adverts.insert(heard.node, advert);
            }
            Message::Witnessed(witnessed) => {
                self.witnesses.insert(heard.node, witnessed.witness);
            }
            _ => {}
        }
    }

    pub(super) fn awaited(&self, terms: &Terms) -> Vec<NodeId> {
        terms
            .plan()
            .candidates
            .iter()
            .filter(|node| !self.adverts.contains_key(node))
            .copied()
            .collect()
    }

    pub(super) fn pending(&self, terms: &Terms, node: NodeId) -> Option<Message> {
        if !terms.is_candidate(node) {
            let plan = terms.plan();
            let stands = Stands {
                study: plan.study_digest,
                checkpoint: plan.checkpoint.clone(),
                checked: plan.checked.clone(),
            };
            return (!self.witnesses.contains_key(&node)).then_some(Message::Stands(stands));
        }
        (!self.adverts.contains_key(&node)).then(|| Message::Plan(terms.signed().clone()))
    }

    pub(super) fn closing(&self, terms: &Terms, waiting: bool, late: bool) -> Verdict {
        if waiting && !late {
            return Verdict::Wait;
        }
        // Nodes that are gone may come back until the deadline.
        if self.adverts.len() < usize::from(terms.plan().min_start) {
            return if late {
                Verdict::Abandon(Code::LineUpTooSmall)
            } else {
                Verdict::Wait
            };
        }
        // So many are a quorum of the log's witnesses as well: t counts the roster.
        Verdict::Close(self.adverts.keys().copied().collect())
    }

    pub(super) fn close(mut self, terms: &Terms, nodes: &[NodeId]) -> Share {
        self.adverts.retain(|node, _| nodes.contains(node));
        Share::new(AdvertSet {
            plan: terms.plan_root(),
            adverts: self.adverts.into_values().collect(),
            witnesses: self.witnesses.into_values().collect(),
        })
    }
}
