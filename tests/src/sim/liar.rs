//! What a lying coordinator tries: other sets in forked logs, other plans for the same question,
//! and asking everybody to open whatever set has found enough signatures.

use super::cast::{Archive, Cast, below};
use motet_common::log::{Commit, Leaf, Log};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Message, Plan, Proposal, RevealRequest, SetSign, SignedPlan, t3};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::collections::BTreeMap;

/// Signatures it has collected, by set and log.
#[derive(Default)]
pub struct Liar {
    signatures: BTreeMap<(Digest, Vec<u8>), BTreeMap<NodeId, SetSign>>,
}

impl Liar {
    /// A proposal of one site fewer, committed to a log that only its reader sees.
    pub fn other_set(
        &self,
        honest: &Proposal,
        plan: &Plan,
        log: &Log,
        cast: &Cast,
        rng: &mut ChaCha20Rng,
        archive: &mut Archive,
    ) -> Option<Message> {
        let mut roots = honest.roots.clone();
        roots.remove(below(rng, roots.len() as u64) as usize);
        if roots.len() < usize::from(plan.min_survivors) {
            // Too small a set is refused at once; a second commitment of the same set is the finer
            // lie.
            roots.clone_from(&honest.roots);
        }
        let mut fork = log.clone();
        if below(rng, 2) == 0 {
            fork.push(Leaf::Void(Digest::of("lie", &[&rng.next_u64().to_le_bytes()])).to_bytes());
        }
        let commit = Commit {
            study: plan.study.clone(),
            ask: plan.ask,
            run: plan.run,
            round: plan.round,
            attempt: plan.attempt,
            pin: plan.pin(),
            t3: t3(&honest.t2, &roots),
            set: roots.iter().map(|root| (root.node, root.root)).collect(),
        };
        let index = fork.push(Leaf::Commit(commit).to_bytes());
        archive.show(&fork);
        let commit = fork.logged(index, 1, &cast.log_key)?;
        Some(Message::Proposal(Proposal {
            t2: honest.t2,
            roots,
            commit,
        }))
    }

    /// Keeps a signature; once enough stand under one set and log, the request to open it.
    pub fn hear(&mut self, signed: &SetSign, threshold: usize) -> Option<Message> {
        let group = self
            .signatures
            .entry((signed.t3, signed.point.to_bytes()))
            .or_default();
        group.insert(signed.node, signed.clone());
        let enough = group.len() >= threshold;
        let request = || RevealRequest {
            t3: signed.t3,
            signatures: group.values().cloned().collect(),
        };
        enough.then(|| Message::RevealRequest(request()))
    }

    /// Another plan for the same question.
    pub fn other_plan(plan: &Plan, cast: &Cast, rng: &mut ChaCha20Rng) -> SignedPlan {
        let mut plan = plan.clone();
        rng.fill_bytes(&mut plan.nonce);
        if below(rng, 2) == 0 {
            plan.attempt += 1;
        }
        if below(rng, 2) == 0 {
            plan.run.0[0] ^= 1;
        }
        if below(rng, 2) == 0 {
            fewer(&mut plan, cast, rng);
        }
        cast.sign(plan)
    }
}

/// A smaller line-up with the smaller numbers that go with it.
fn fewer(plan: &mut Plan, cast: &Cast, rng: &mut ChaCha20Rng) {
    let Some(numbers) = cast.thresholds(plan.candidates.len() - 1) else {
        return;
    };
    plan.candidates
        .remove(below(rng, plan.candidates.len() as u64) as usize);
    let narrow = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
    plan.threshold = narrow(numbers.threshold);
    plan.min_survivors = narrow(numbers.survivors);
    plan.min_start = plan.min_survivors;
}
