//! What a round takes in, what it asks its driver to do, and what it writes down.

use crate::log::Leaf;
use crate::moment::Moment;
use crate::refusal::{Code, Refusal};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::evidence::Evidence;
use motet_secagg::id::NodeId;
use motet_secagg::mask::Sign;
use motet_secagg::message::{Logged, Message, Released};
use motet_secagg::secret::Seed;

/// What may happen to a round.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one at a time, consumed at once")]
pub enum Input {
    /// A node said something.
    Message(NodeId, Message),
    /// All chunks of a node's upload are on disk and match its header.
    Uploaded(NodeId),
    /// A node's lease is over: nothing is awaited from it until it is back.
    Gone(NodeId),
    /// A node is connected again.
    Back(NodeId),
    /// The leaf asked for by [`Effect::Log`] stands in the log.
    Logged(Logged),
    /// The sum asked for by [`Effect::Fold`] is done and absorbed.
    Folded(Folded),
    /// The sum failed a check: the question is void.
    FoldFailed(Code),
    /// The operator gives the run up.
    Abandon,
    /// Time has passed.
    Tick,
}

canonical! {
    /// What folding the uploads gave.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Folded {
        /// Digest of the aggregate, which lies among the ledger's blobs.
        pub aggregate: Digest,
        /// Digest of the evidence, which lies there too.
        pub evidence: Digest,
        /// Root of the recipe's state after absorbing it.
        pub state_root: Digest,
    }
}

canonical! {
    /// A phase closed with these nodes at this moment.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Closed {
        /// Who goes on, sorted.
        pub nodes: Vec<NodeId>,
        /// When.
        pub at: Moment,
    }
}

canonical! {
    /// A message as it was accepted.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Heard {
        /// From whom.
        pub node: NodeId,
        /// What.
        pub message: Message,
    }
}

canonical! {
    /// What a round writes down, in order; replaying it gives the same round.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Entry {
        /// A node's message was accepted.
        1 => Heard(Heard),
        /// A node's upload is complete.
        2 => Uploaded(NodeId),
        /// The phase closed and the next began.
        3 => Closed(Closed),
        /// The commit leaf stands in the log; the set may be proposed.
        4 => Committed(Logged),
        /// The uploads were folded, unmasked, checked and absorbed.
        5 => Folded(Folded),
        /// The release leaf stands in the log; the round is over.
        6 => Released(Logged),
        /// The attempt ended without a sum; the text is a refusal code.
        7 => Abandoned(String),
    }
}

/// What the driver does next, in this order: nothing is told before it is recorded.
#[expect(
    clippy::large_enum_variant,
    reason = "a handful at a time, consumed at once"
)]
pub enum Effect {
    /// Write this down, durably.
    Record(Entry),
    /// Send this.
    Tell(NodeId, Message),
    /// Put this leaf into the study's log and come back with [`Input::Logged`].
    Log(Leaf),
    /// Fold these uploads and come back with [`Input::Folded`].
    Fold(Fold),
    /// Come back with [`Input::Tick`] then.
    WakeAt(Moment),
    /// The sum is public.
    Publish(Box<Released>),
    /// The attempt is over without a sum.
    End(Code),
}

/// The work of unmasking: whose uploads to add, why, and which masks to take off again.
pub struct Fold {
    /// The public record of the attempt, the opened secrets included; it is published.
    pub evidence: Evidence,
    /// Masks to apply to the sum of the uploads, the sign being the one that removes them.
    pub removals: Vec<(Sign, Seed)>,
}

/// The message is late, or early: right once, not now.
pub(super) fn wrong_phase(message: &Message) -> Refusal {
    Refusal::new(
        Code::WrongPhase,
        format!("`{}` is not awaited now", message.kind()),
    )
}
