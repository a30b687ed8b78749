//! The eleven messages of CSA-1 and the three transcript digests that bind them.
//!
//! ```text
//! join    M1 plan ->            M2 advert <-
//! share   M3 advert set ->      M4 shares <-
//! upload  M5 delivery ->        M6 header and chunks <-         T1 = H(plan, adverts)
//! sign    M7 proposal ->        M8 set signature <-             T2 = H(T1, U2, bundle roots)
//! reveal  M9 reveal request ->  M10 reveal reply <-             T3 = H(T2, U3, upload roots)
//!         M11 released ->           checked <-
//! end     draft ->                  remade <-
//! ```
//! (`->` from the coordinator to the nodes.) A message crosses the wire as its canonical bytes, so
//! that what was signed, recorded and resent is one byte string. Who signs what, and what T1 to T3
//! hash, is in `transcript`; what is said beside the eleven is in `beside`.

mod beside;
mod transcript;

pub use beside::{
    Abandoned, Checked, Complaint, Draft, NotRemade, Refused, Remade, Stands, Witness, Witnessed,
};
pub use transcript::{MadeOf, t2, t3};

use crate::canonical;
use crate::channel::Sealed;
use crate::digest::Digest;
use crate::id::{NodeId, RunId};
use crate::layout::Ring;
pub use crate::note::{Checkpoint, Cosignature};
pub use crate::pair::Kind;
use crate::pair::{MLKEM_CIPHERTEXT, PairPublic};
use crate::shamir::Share;
use crate::sign::Signature;

/// The protocol version a plan carries.
pub const VERSION: u16 = 1;
/// Suite 1: Ed25519, X25519 + ML-KEM-768, X-Wing HPKE with AES-256-GCM, HKDF-SHA256.
pub const SUITE: u16 = 1;
/// Mask generator 1: AES-256 in counter mode.
pub const PRG: u8 = 1;

canonical! {
    /// How long each phase may last, in milliseconds from its start.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Durations {
        /// Adverts.
        pub join: u32,
        /// Shares.
        pub share: u32,
        /// Training and the masked upload.
        pub upload: u32,
        /// Signatures over the set.
        pub sign: u32,
        /// Opened shares.
        pub reveal: u32,
    }
}

canonical! {
    /// M1. Everything a round fixes. Its digest P goes into every later signature.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Plan {
        /// [`VERSION`].
        pub version: u16,
        /// [`SUITE`].
        pub suite: u16,
        /// [`PRG`].
        pub prg: u8,
        /// The study's name.
        pub study: String,
        /// Digest of everything the study fixes; what a steward's decision is bound to.
        pub study_digest: Digest,
        /// Digest of the governance-signed roster.
        pub roster: Digest,
        /// Digest of the recipe and its parameters.
        pub recipe: Digest,
        /// The run.
        pub run: RunId,
        /// Rounds of this run, counted from 1.
        pub round: u64,
        /// Attempts at this ask-key, counted from 1 across rounds and runs.
        pub attempt: u32,
        /// The ask-key A = H("ask", study, recipe, state root): at most one opening each.
        pub ask: Digest,
        /// Root of the recipe's state before this round.
        pub state_root: Digest,
        /// Leaf hash of the previous release, or of the study's opening.
        pub previous_leaf: Digest,
        /// Ring of the vector.
        pub ring: Ring,
        /// Words of the vector, the weight's included.
        pub words: u64,
        /// Words of a chunk, its two sentinels included.
        pub chunk_words: u32,
        /// Digest of the layout, which every node derives itself.
        pub layout: Digest,
        /// The largest weight.
        pub weight_max: u32,
        /// The line-up's candidates, sorted.
        pub candidates: Vec<NodeId>,
        /// C: how many of the roster may collude with the coordinator.
        pub colluders: u16,
        /// t: shares that open a secret.
        pub threshold: u16,
        /// Nodes that must have joined.
        pub min_start: u16,
        /// s: sites that must be in the sum.
        pub min_survivors: u16,
        /// Signed note over the study's log.
        pub checkpoint: String,
        /// Index of `previous_leaf` in that log.
        pub previous_index: u64,
        /// Inclusion proof of `previous_leaf` in that log.
        pub previous_proof: Vec<Digest>,
        /// Who recomputed the sum of the previous release, sorted by node; at least t of its plan,
        /// unless there was none or it was too large to be recomputed by everybody.
        pub checked: Vec<Checked>,
        /// Deadlines as durations.
        pub durations: Durations,
        /// Fresh randomness of the coordinator.
        pub nonce: [u8; 32],
    }
}

canonical! {
    /// M1 as sent.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedPlan {
        /// The plan.
        pub plan: Plan,
        /// By the coordinator, over the plan's canonical bytes.
        pub signature: Signature,
    }
}

canonical! {
    /// M2. A node's keys and commitments for one attempt.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Advert {
        /// P.
        pub plan: Digest,
        /// The sender.
        pub node: NodeId,
        /// Keys of the pair masks.
        pub pair: PairPublic,
        /// X-Wing key of the share channel.
        pub channel: Vec<u8>,
        /// Fresh randomness of the node.
        pub nonce: [u8; 32],
        /// Commitment to the secret of the pair masks.
        pub commit_pair: Digest,
        /// Commitment to the secret of the self mask.
        pub commit_own: Digest,
        /// By the site's witness key, on the plan's checkpoint.
        pub cosignature: Cosignature,
    }
}

canonical! {
    /// M2 as sent.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SignedAdvert {
        /// The advert.
        pub advert: Advert,
        /// By the site's identity key.
        pub signature: Signature,
    }
}

canonical! {
    /// M3. The adverts of U1, sorted by node.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AdvertSet {
        /// P.
        pub plan: Digest,
        /// The adverts.
        pub adverts: Vec<SignedAdvert>,
        /// Cosignatures of the roster's other sites on the plan's checkpoint, sorted by node.
        pub witnesses: Vec<Witness>,
    }
}

canonical! {
    /// One dealer's sealed shares for one holder, with the commitments that let a bad share be
    /// blamed on one of them.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Bundle {
        /// Who dealt.
        pub dealer: NodeId,
        /// For whom; the dealer's own entry has commitments only.
        pub holder: NodeId,
        /// ML-KEM ciphertext of the pair, from the lower id to the higher; empty otherwise.
        pub mask_ct: Vec<u8>,
        /// The sealed shares; empty for the dealer's own.
        pub sealed: Sealed,
        /// Commitment to the share of the pair secret.
        pub commit_pair: Digest,
        /// Commitment to the share of the self secret.
        pub commit_own: Digest,
    }
}

impl Bundle {
    /// Whether a ciphertext is there exactly where one is due, as long as it is due. One of another
    /// length would leave its holder without a mask, after everybody else has masked with it in
    /// mind.
    pub fn has_its_ciphertext(&self) -> bool {
        let due = if self.dealer < self.holder {
            MLKEM_CIPHERTEXT
        } else {
            0
        };
        self.mask_ct.len() == due
    }
}

canonical! {
    /// M4. A dealer's bundles, one for each node of U1 in order, under one signed Merkle root.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Shares {
        /// T1.
        pub t1: Digest,
        /// Sorted by holder.
        pub bundles: Vec<Bundle>,
        /// The root and who signs it.
        pub root: SignedRoot,
    }
}

canonical! {
    /// A node's signature over one Merkle root: its bundles' (M4) or its upload's (M6).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SignedRoot {
        /// The signer.
        pub node: NodeId,
        /// The root.
        pub root: Digest,
        /// Over the transcript so far, the node and the root.
        pub signature: Signature,
    }
}

canonical! {
    /// A bundle and its Merkle path to the dealer's signed root.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Delivered {
        /// The bundle.
        pub bundle: Bundle,
        /// The path.
        pub path: Vec<Digest>,
    }
}

canonical! {
    /// M5. Who dealt (U2), under which roots, and the receiver's own bundles.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Delivery {
        /// T1.
        pub t1: Digest,
        /// One root for each node of U2, sorted.
        pub roots: Vec<SignedRoot>,
        /// One bundle of each other node of U2, sorted by dealer.
        pub bundles: Vec<Delivered>,
    }
}

canonical! {
    /// M6, its head. The first header pins the upload: chunks are checked against it on arrival and
    /// may come in pieces.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Header {
        /// T2.
        pub t2: Digest,
        /// SHA-256 of each chunk's payload.
        pub chunks: Vec<Digest>,
        /// Merkle root over `chunks`, signed.
        pub root: SignedRoot,
    }
}

canonical! {
    /// A leaf in the study's log, with what proves it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Logged {
        /// The leaf's canonical bytes.
        pub leaf: Vec<u8>,
        /// Its index.
        pub index: u64,
        /// Inclusion proof under `point`.
        pub inclusion: Vec<Digest>,
        /// Where the log stands.
        pub point: Checkpoint,
        /// Signed note of the coordinator over `point`.
        pub checkpoint: String,
        /// Consistency proof from the plan's checkpoint to `point`.
        pub consistency: Vec<Digest>,
    }
}

canonical! {
    /// M7. The set whose sum is to be opened, already committed to the log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Proposal {
        /// T2.
        pub t2: Digest,
        /// Upload roots of U3, sorted by node.
        pub roots: Vec<SignedRoot>,
        /// The commit leaf in the log.
        pub commit: Logged,
    }
}

canonical! {
    /// M8. A node stands by one set under one log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SetSign {
        /// T3.
        pub t3: Digest,
        /// The log the node saw the commitment in.
        pub point: Checkpoint,
        /// The signer.
        pub node: NodeId,
        /// Over (T3, origin, size, root).
        pub signature: Signature,
        /// By the site's witness key, on the log's point.
        pub cosignature: Cosignature,
    }
}

canonical! {
    /// M9. At least t signatures over the same set and log.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RevealRequest {
        /// T3.
        pub t3: Digest,
        /// By distinct nodes of U2, sorted.
        pub signatures: Vec<SetSign>,
    }
}

canonical! {
    /// One opened share.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OpenedShare {
        /// Whose secret.
        pub dealer: NodeId,
        /// The self secret of a node in U3, the pair secret of a node lost before it.
        pub kind: Kind,
        /// The share at the sender's rank.
        pub share: Share,
    }
}

canonical! {
    /// M10. Exactly one kind for each node of U2.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RevealReply {
        /// T3.
        pub t3: Digest,
        /// The sender.
        pub node: NodeId,
        /// Sorted by dealer.
        pub opened: Vec<OpenedShare>,
        /// Over all of the above.
        pub signature: Signature,
    }
}

canonical! {
    /// A reconstructed secret; public from M11 on, so that anyone can recompute the sum.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OpenedSecret {
        /// Whose.
        pub node: NodeId,
        /// Which.
        pub kind: Kind,
        /// The secret.
        pub secret: [u8; 32],
    }
}

canonical! {
    /// M11. The sum, by digest, and all that is needed to recompute it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Released {
        /// P.
        pub plan: Digest,
        /// T3.
        pub t3: Digest,
        /// U3.
        pub set: Vec<NodeId>,
        /// Every opened secret, sorted by node.
        pub opened: Vec<OpenedSecret>,
        /// SHA-256 of the aggregate's canonical bytes.
        pub aggregate: Digest,
        /// SHA-256 of the canonical bytes of the [`crate::evidence::Evidence`] from which anyone
        /// recomputes the sum.
        pub evidence: Digest,
        /// Root of the recipe's state after this round.
        pub state_root: Digest,
        /// The release leaf in the log.
        pub release: Logged,
        /// By the coordinator, over all of the above.
        pub signature: Signature,
    }
}

canonical! {
    /// Any message, as it crosses the wire and stands in a ledger.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Message {
        /// M1.
        1 => Plan(SignedPlan),
        /// M2.
        2 => Advert(SignedAdvert),
        /// M3.
        3 => AdvertSet(AdvertSet),
        /// M4.
        4 => Shares(Shares),
        /// M5.
        5 => Delivery(Delivery),
        /// M6, its head.
        6 => Header(Header),
        /// M7.
        7 => Proposal(Proposal),
        /// M8.
        8 => SetSign(SetSign),
        /// M9.
        9 => RevealRequest(RevealRequest),
        /// M10.
        10 => RevealReply(RevealReply),
        /// M11.
        11 => Released(Released),
        /// A node's no.
        12 => Refused(Refused),
        /// The coordinator gives up an attempt.
        13 => Abandoned(Abandoned),
        /// A sum was recomputed.
        14 => Checked(Checked),
        /// A dealer's shares are bad.
        15 => Complaint(Complaint),
        /// Where the log stands.
        16 => Stands(Stands),
        /// A checkpoint is cosigned.
        17 => Witnessed(Witnessed),
        /// A release, before it is on record.
        18 => Draft(Draft),
        /// Its folder was made again.
        19 => Remade(Remade),
        /// Its folder was not.
        20 => NotRemade(NotRemade),
    }
}

impl Message {
    /// The message's name in ledgers and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Plan(_) => "plan",
            Self::Advert(_) => "advert",
            Self::AdvertSet(_) => "advert-set",
            Self::Shares(_) => "shares",
            Self::Delivery(_) => "delivery",
            Self::Header(_) => "upload-header",
            Self::Proposal(_) => "proposal",
            Self::SetSign(_) => "set-sign",
            Self::RevealRequest(_) => "reveal-request",
            Self::RevealReply(_) => "reveal-reply",
            Self::Released(_) => "released",
            Self::Refused(_) => "refused",
            Self::Abandoned(_) => "abandoned",
            Self::Checked(_) => "checked",
            Self::Complaint(_) => "complaint",
            Self::Stands(_) => "checkpoint",
            Self::Witnessed(_) => "cosignature",
            Self::Draft(_) => "draft",
            Self::Remade(_) => "remade",
            Self::NotRemade(_) => "not-remade",
        }
    }
}
