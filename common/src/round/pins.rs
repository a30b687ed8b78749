//! What a node may never do twice, across attempts, rounds and runs: one opening for each ask-key, one masked upload
//! and one signed set for each attempt. The facts are recorded before the message they allow leaves the node.

use crate::refusal::{Code, Refusal};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
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
    /// The node's masked file exists; from here on A is pinned to the plan's line-up.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Masked {
        /// A.
        pub ask: Digest,
        /// The attempt.
        pub attempt: u32,
        /// The plan's candidates.
        pub candidates: Vec<NodeId>,
        /// C of the plan.
        pub colluders: u16,
        /// s of the plan.
        pub min_survivors: u16,
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
    /// Line-up, C and s of the masked answer.
    line_up: Option<(Vec<NodeId>, u16, u16)>,
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
                let line_up = (masked.candidates.clone(), masked.colluders, masked.min_survivors);
                self.by_ask.entry(masked.ask).or_default().line_up = Some(line_up);
            }
            Fact::Signed(_) => {}
            Fact::Spent((ask, _)) => self.by_ask.entry(*ask).or_default().spent = true,
        }
    }

    /// Whether the node may join this plan anew. A plan whose attempt is still in the vault is not joined again but
    /// answered from there, with the bytes that were sent before.
    ///
    /// # Errors
    /// `round_spent` when A was opened; `round_replay` for an attempt already joined, be it under the very same plan
    /// (its secrets are gone, and new ones would be a second advert), for an older one, and for another line-up after a
    /// masked file exists.
    pub fn admit(&self, plan: &Plan) -> Result<(), Refusal> {
        let Some(pin) = self.by_ask.get(&plan.ask) else {
            return Ok(());
        };
        if pin.spent {
            return Err(Code::RoundSpent.into());
        }
        if plan.attempt <= pin.attempt {
            return Err(Refusal::new(Code::RoundReplay, format!("attempt {}", plan.attempt)));
        }
        let differs = |(candidates, colluders, min_survivors): &(Vec<NodeId>, u16, u16)| {
            *candidates != plan.candidates
                || *colluders != plan.colluders
                || *min_survivors != plan.min_survivors
        };
        if pin.line_up.as_ref().is_some_and(differs) {
            return Err(Refusal::new(Code::RoundReplay, "another line-up for a question already answered"));
        }
        Ok(())
    }
}
