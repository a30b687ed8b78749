//! The terms of an attempt: its plan and the identity keys of its candidates.

use crate::refusal::{Code, Refusal};
use crate::roster::Roster;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::mask::Shape;
use motet_secagg::message::{Checkpoint, Cosignature, Plan, SignedPlan, Witness};
use motet_secagg::note::Note;
use motet_secagg::sign::PublicKey;
use std::collections::BTreeMap;

/// What every phase checks against.
pub struct Terms {
    signed: SignedPlan,
    root: Digest,
    keys: BTreeMap<NodeId, PublicKey>,
    /// Witness keys of the whole roster.
    witnesses: BTreeMap<NodeId, PublicKey>,
    point: Checkpoint,
    colluders: usize,
}

impl Terms {
    /// The plan with the keys that the roster gives its candidates.
    ///
    /// # Errors
    /// `plan_rejected` when candidates are unsorted, repeated or not in the roster;
    /// `roster_mismatch` for another roster; `bad_signature` when the log's key did not sign the
    /// checkpoint.
    pub fn new(signed: SignedPlan, roster: &Roster) -> Result<Self, Refusal> {
        let plan = &signed.plan;
        if plan.roster != roster.digest() {
            return Err(Code::RosterMismatch.into());
        }
        if !plan.candidates.is_sorted_by(|a, b| a < b) {
            return Err(Refusal::new(
                Code::PlanRejected,
                "candidates are not sorted, or repeated",
            ));
        }
        let mut keys = BTreeMap::new();
        for node in &plan.candidates {
            let entry = roster
                .entries
                .iter()
                .find(|entry| entry.node == *node)
                .ok_or(Code::NotInRoster)?;
            keys.insert(*node, entry.identity);
        }
        let note = plan.checkpoint.parse::<Note>().ok();
        let point = note.and_then(|note| {
            note.verify(&note.unverified().origin, &roster.log)
                .ok()
                .cloned()
        });
        let point =
            point.ok_or_else(|| Refusal::new(Code::BadSignature, "the plan's checkpoint"))?;
        let witnesses = roster
            .entries
            .iter()
            .map(|entry| (entry.node, entry.witness))
            .collect();
        let root = plan.root();
        let colluders = usize::from(roster.colluders);
        Ok(Self {
            signed,
            root,
            keys,
            witnesses,
            point,
            colluders,
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.signed.plan
    }

    /// The plan as sent.
    pub fn signed(&self) -> &SignedPlan {
        &self.signed
    }

    /// P.
    pub fn plan_root(&self) -> Digest {
        self.root
    }

    /// Whether the node is a candidate of the line-up.
    pub fn is_candidate(&self, node: NodeId) -> bool {
        self.keys.contains_key(&node)
    }

    /// A candidate's identity key.
    ///
    /// # Errors
    /// `not_in_line_up`.
    pub fn key(&self, node: NodeId) -> Result<&PublicKey, Refusal> {
        self.keys
            .get(&node)
            .ok_or_else(|| Refusal::new(Code::NotInLineUp, format!("node `{node}`")))
    }

    /// Where the plan says that the study's log stands.
    pub fn point(&self) -> &Checkpoint {
        &self.point
    }

    /// Every site of the roster, in the line-up or not.
    pub fn roster(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.witnesses.keys().copied()
    }

    /// Sites of the roster that must have cosigned one checkpoint for it to be the only one: two
    /// such groups share an honest site.
    pub fn witness_quorum(&self) -> usize {
        witness_quorum(self.witnesses.len(), self.colluders)
    }

    /// Whether a site of the roster cosigned the plan's checkpoint.
    pub(super) fn is_witness(&self, witness: &Witness) -> bool {
        let key = self.witnesses.get(&witness.node);
        key.is_some_and(|key| self.point.is_cosigned_by(key, &witness.cosignature))
    }

    /// Whether a site of the roster cosigned a point.
    pub(super) fn is_cosigned(
        &self,
        point: &Checkpoint,
        node: NodeId,
        cosignature: &Cosignature,
    ) -> bool {
        self.witnesses
            .get(&node)
            .is_some_and(|key| point.is_cosigned_by(key, cosignature))
    }

    /// Words and chunks of the masked vector.
    pub fn shape(&self) -> Shape {
        let plan = self.plan();
        Shape {
            ring: plan.ring,
            words: plan.words,
            chunk_words: plan.chunk_words,
        }
    }

    /// s, the sites that must be in the sum.
    pub(super) fn survivors(&self) -> usize {
        usize::from(self.plan().min_survivors)
    }

    /// t, the shares that open a secret.
    pub(super) fn threshold(&self) -> usize {
        usize::from(self.plan().threshold)
    }
}

/// Cosignatures that leave no room for a second log, with this many sites in the roster.
pub fn witness_quorum(sites: usize, colluders: usize) -> usize {
    sites.saturating_add(colluders) / 2 + 1
}

pub(super) fn bad_signature(node: NodeId) -> Refusal {
    Refusal::new(Code::BadSignature, format!("node `{node}`"))
}

/// Whether a message that is already there is the same one: a repeat is fine, a difference is not.
pub(super) fn same_again<T: PartialEq>(
    known: Option<&T>,
    new: &T,
    node: NodeId,
) -> Result<bool, Refusal> {
    match known {
        None => Ok(true),
        Some(known) if known == new => Ok(false),
        Some(_) => Err(Refusal::new(Code::TwoMessages, format!("node `{node}`"))),
    }
}
