//! What a node may never do twice, across attempts, rounds and runs: one opening for each ask-key,
//! one masked upload and one signed set for each attempt. The facts are recorded before the message
//! they allow leaves the node.

use crate::refusal::{Code, Refusal};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::message::Plan;
use std::collections::BTreeMap;

canonical! {
    /// The node took part in an attempt.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Joined {
        /// A.
        pub ask: Digest,
        /// The attempt.
        pub attempt: u32,
        /// P.
        pub plan: Digest,
    }
}

canonical! {
    /// The node's masked file exists; from here on A is pinned to the plan's terms.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Masked {
        /// A.
        pub ask: Digest,
        /// The attempt.
        pub attempt: u32,
        /// [`Plan::pin`]: line-up, C, s, weights and encoding, which no later attempt may change.
        pub pin: Digest,
        /// Root over the masked chunks.
        pub upload_root: Digest,
    }
}

canonical! {
    /// One irrevocable step of a node, as its ledger holds it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Fact {
        /// An advert left.
        1 => Joined(Joined),
        /// A masked vector may leave.
        2 => Masked(Masked),
        /// (A, T3): a set was signed.
        3 => Signed((Digest, Digest)),
        /// (A, digest of the reply): shares were opened; A is spent.
        4 => Spent((Digest, Digest)),
    }
}

#[derive(Debug, Clone, Default)]
struct Pin {
    attempt: u32,
    /// The terms of the masked answer.
    terms: Option<Digest>,
    spent: bool,
}

/// All facts of a node, by ask-key.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    by_ask: BTreeMap<Digest, Pin>,
}

impl Pins {
    /// Takes in a recorded fact.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::Joined(joined) => {
                let pin = self.by_ask.entry(joined.ask).or_default();
                pin.attempt = pin.attempt.max(joined.attempt);
            }
            Fact::Masked(masked) => {
                self.by_ask.entry(masked.ask).or_default().terms = Some(masked.pin);
            }
            Fact::Signed(_) => {}
            Fact::Spent((ask, _)) => self.by_ask.entry(*ask).or_default().spent = true,
        }
    }

    /// Whether a later attempt at the question was joined: whatever is left of this one is never
    /// taken up again, for it could open the question once more.
    pub fn is_past(&self, ask: &Digest, attempt: u32) -> bool {
        self.by_ask
            .get(ask)
            .is_some_and(|pin| pin.attempt > attempt)
    }

    /// Whether the node may join this plan again. A plan whose attempt is still in the vault is not
    /// joined again but answered from there, with the bytes that were sent before.
    ///
    /// # Errors
    /// `round_spent` when A was opened; `round_replay` for an attempt already joined, be it under
    /// the very same plan (its secrets are gone, and new ones would be a second advert), for an
    /// older one, and for other terms after a masked file exists.
    pub fn admit(&self, plan: &Plan) -> Result<(), Refusal> {
        let Some(pin) = self.by_ask.get(&plan.ask) else {
            return Ok(());
        };
        if pin.spent {
            return Err(Code::RoundSpent.into());
        }
        if plan.attempt <= pin.attempt {
            return Err(Refusal::new(
                Code::RoundReplay,
                format!("attempt {}", plan.attempt),
            ));
        }
        if pin.terms.is_some_and(|terms| terms != plan.pin()) {
            return Err(Refusal::new(
                Code::RoundReplay,
                "other terms for a question already answered",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_an_attempt_is_past_once_a_later_one_was_joined() {
        let mut pins = Pins::default();
        let ask = Digest([1; 32]);
        let joined = |attempt| {
            Fact::Joined(Joined {
                ask,
                attempt,
                plan: Digest([2; 32]),
            })
        };
        assert!(!pins.is_past(&ask, 1));
        pins.apply(&joined(1));
        assert!(!pins.is_past(&ask, 1), "its own attempt is taken up again");
        pins.apply(&joined(2));
        assert!(pins.is_past(&ask, 1) && !pins.is_past(&ask, 2));
        assert!(!pins.is_past(&Digest([3; 32]), 1), "another question");
    }
}
