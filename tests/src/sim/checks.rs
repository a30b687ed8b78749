//! What must hold after every step: what a node may never say twice, and what a released sum must
//! be.

use super::cast::{Answer, Cast};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, plain_sum, set_digest};
use motet_secagg::id::NodeId;
use motet_secagg::message::{Message, OpenedSecret, Plan, Released, RevealReply};
use motet_secagg::pair::Kind;
use std::collections::{BTreeMap, BTreeSet};

/// A promise that was broken, in words.
#[derive(Debug)]
pub struct Broken(pub String);

/// Nothing, or a broken promise.
pub type Check = Result<(), Broken>;

/// Fails with a text unless the condition holds.
pub fn hold(condition: bool, text: impl FnOnce() -> String) -> Check {
    if condition {
        Ok(())
    } else {
        Err(Broken(text()))
    }
}

/// Remembers everything every node ever said, over all its lives.
#[derive(Default)]
pub struct Watch {
    /// (site, A, attempt, kind of message) to the digest of what was said.
    said: BTreeMap<(usize, Digest, u32, &'static str), Digest>,
    /// (site, T2, chunk) to the digest of the payload.
    chunks: BTreeMap<(usize, Digest, usize), Digest>,
    /// (site, A) to the opening.
    openings: BTreeMap<(usize, Digest), Digest>,
    /// A to T3 to the sites that opened shares for it.
    openers: BTreeMap<Digest, BTreeMap<Digest, BTreeSet<usize>>>,
    /// A to the digest of its one release.
    released: BTreeMap<Digest, Digest>,
    /// T3 of every commitment in the log.
    committed: BTreeSet<Digest>,
    /// Several logs are shown: a commitment may stand in one that is not ours.
    forked: bool,
}

impl Watch {
    /// Nothing was said yet. Where logs are `forked`, what is opened need not stand in ours.
    pub fn new(forked: bool) -> Self {
        Self {
            forked,
            ..Self::default()
        }
    }

    /// A set was committed to the log.
    pub fn committed(&mut self, t3: Digest) {
        self.committed.insert(t3);
    }

    /// A node says something under a plan.
    ///
    /// # Errors
    /// [`Broken`] when it said something else before.
    pub fn said(&mut self, site: usize, plan: &Plan, message: &Message) -> Check {
        let kind = message.kind();
        if matches!(message, Message::Refused(_)) {
            return Ok(());
        }
        let digest = message.digest("said");
        let known = *self
            .said
            .entry((site, plan.ask, plan.attempt, kind))
            .or_insert(digest);
        hold(known == digest, || {
            format!(
                "node {site} sent two different messages `{kind}` in attempt {} of one question",
                plan.attempt
            )
        })?;
        match message {
            Message::RevealReply(reply) => self.opens(site, plan, reply, digest),
            Message::SetSign(signed) => {
                hold(self.forked || self.committed.contains(&signed.t3), || {
                    format!("node {site} signed a set that is not in the log")
                })
            }
            _ => Ok(()),
        }
    }

    fn opens(&mut self, site: usize, plan: &Plan, reply: &RevealReply, digest: Digest) -> Check {
        let known = *self.openings.entry((site, plan.ask)).or_insert(digest);
        hold(known == digest, || {
            format!("node {site} opened one question twice")
        })?;
        let dealers: BTreeSet<NodeId> = reply.opened.iter().map(|share| share.dealer).collect();
        hold(dealers.len() == reply.opened.len(), || {
            format!("node {site} opened two kinds of share for one dealer")
        })?;
        hold(self.forked || self.committed.contains(&reply.t3), || {
            format!("node {site} opened shares for a set that is not in the log")
        })?;
        let sets = self.openers.entry(plan.ask).or_default();
        sets.entry(reply.t3).or_default().insert(site);
        let quorums = sets
            .values()
            .filter(|sites| sites.len() >= usize::from(plan.threshold))
            .count();
        hold(quorums <= 1, || {
            "two sums of one question could be opened".to_owned()
        })
    }

    /// A node uploads a chunk.
    ///
    /// # Errors
    /// [`Broken`] when it uploaded another payload for the same place before.
    pub fn uploaded(&mut self, site: usize, t2: Digest, index: usize, hash: Digest) -> Check {
        let known = *self.chunks.entry((site, t2, index)).or_insert(hash);
        hold(known == hash, || {
            format!("node {site} uploaded two different payloads of chunk {index}")
        })
    }

    /// A sum is public: it is the only one of its question, and the sum of the inputs of exactly
    /// its set.
    ///
    /// # Errors
    /// [`Broken`] when anything about it is not so.
    pub fn released(&mut self, cast: &Cast, claim: &Claim<'_>) -> Check {
        let Claim { plan, released, .. } = claim;
        hold(released.is_signed_by(&cast.coordinator.public()), || {
            "a release without signature".to_owned()
        })?;
        let digest = released.digest("released");
        let known = *self.released.entry(plan.ask).or_insert(digest);
        hold(known == digest, || {
            "one question has two releases".to_owned()
        })?;
        claim.set_is_sound()?;
        claim.opened_is_sound()?;
        claim.sum_is_exact(cast)
    }
}

/// A release with everything it is to be held against.
pub struct Claim<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The release.
    pub released: &'a Released,
    /// The sum it names.
    pub sum: &'a Aggregate,
    /// U2.
    pub dealers: &'a [NodeId],
    /// What the nodes of the set masked.
    pub answers: BTreeMap<NodeId, Answer>,
}

impl Claim<'_> {
    fn set_is_sound(&self) -> Check {
        let set = &self.released.set;
        hold(set.is_sorted_by(|a, b| a < b), || {
            "the released set is not sorted".to_owned()
        })?;
        hold(set.len() >= usize::from(self.plan.min_survivors), || {
            format!(
                "a sum of {} sites where {} must be in it",
                set.len(),
                self.plan.min_survivors
            )
        })?;
        hold(set.iter().all(|node| self.dealers.contains(node)), || {
            "the released set holds a node that dealt no shares".to_owned()
        })
    }

    /// Of each dealer exactly one secret: its own mask's where it is in the set, its pairs' where
    /// it is not.
    fn opened_is_sound(&self) -> Check {
        let opened = &self.released.opened;
        let kind = |node: &NodeId| {
            if self.released.set.contains(node) {
                Kind::Own
            } else {
                Kind::Pair
            }
        };
        let due = self.dealers.iter().map(|node| (*node, kind(node)));
        let found = opened
            .iter()
            .map(|OpenedSecret { node, kind, .. }| (*node, *kind));
        hold(due.eq(found), || {
            "the opened secrets are not one of the right kind for each dealer".to_owned()
        })
    }

    fn sum_is_exact(&self, cast: &Cast) -> Check {
        let broken = |text: String| Broken(text);
        let set = &self.released.set;
        let digest = set_digest(set);
        let updates = set
            .iter()
            .map(|node| self.answers.get(node).map(Answer::update))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                broken("the sum counts a node that never masked an answer".to_owned())
            })?;
        let due =
            plain_sum(&cast.layout, digest, updates).map_err(|error| broken(error.to_string()))?;
        let sites = u32::try_from(set.len()).unwrap_or(u32::MAX);
        let found = self
            .sum
            .decode(&cast.layout, sites, digest)
            .map_err(|error| broken(error.to_string()))?;
        hold(found == due, || {
            "the released sum is not the sum of the answers of its set".to_owned()
        })?;
        hold(
            Digest::of_file(&self.sum.to_bytes()) == self.released.aggregate,
            || "the release names another sum".to_owned(),
        )
    }
}
