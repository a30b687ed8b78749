//! What is said beside the eleven messages of an attempt: that a sum or a release was made again,
//! that a log was seen, and every no.

use crate::canonical;
use crate::digest::Digest;
use crate::id::NodeId;
use crate::note::{Checkpoint, Cosignature};
use crate::sign::Signature;

canonical! {
    /// A site's cosignature on a checkpoint that is known from the context.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Witness {
        /// The site.
        pub node: NodeId,
        /// By its witness key.
        pub cosignature: Cosignature,
    }
}

canonical! {
    /// A node recomputed the sum of a release from the masked uploads and the opened secrets, bit
    /// for bit.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Checked {
        /// H, the hash of the `Release` leaf in the log as the signer recomputed it: it binds T3,
        /// the sum and the state.
        pub release: Digest,
        /// The signer.
        pub node: NodeId,
        /// Over the hash.
        pub signature: Signature,
    }
}

canonical! {
    /// A dealer's sealed shares do not open, or do not fit their commitments: the attempt ends and
    /// both are named.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Complaint {
        /// T1.
        pub t1: Digest,
        /// Who complains.
        pub node: NodeId,
        /// About whom.
        pub dealer: NodeId,
        /// `share_open_failed` or `share_commitment`.
        pub code: String,
        /// Over all of the above.
        pub signature: Signature,
    }
}

canonical! {
    /// Where a study's log stands, to be witnessed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Stands {
        /// Digest of the study.
        pub study: Digest,
        /// Signed note.
        pub checkpoint: String,
        /// Who made the latest sum again, sorted by node; at least as many as must, where the log
        /// holds a `Publication` of it, or is about to.
        pub checked: Vec<Checked>,
    }
}

canonical! {
    /// A site cosigns a checkpoint outside of a round.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Witnessed {
        /// Digest of the study.
        pub study: Digest,
        /// What is cosigned.
        pub point: Checkpoint,
        /// The cosignature.
        pub witness: Witness,
    }
}

canonical! {
    /// The release as the coordinator would put it on record, for the sites to make again.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Draft {
        /// Where the study's log stands, with the release not yet in it.
        pub stands: Stands,
        /// The leaf that would enter it.
        pub publication: Vec<u8>,
        /// Name and SHA-256 of each file of the folder but the manifest, in their order.
        pub files: Vec<(String, Digest)>,
    }
}

canonical! {
    /// A site made the folder of a release again, byte for byte.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Remade {
        /// Digest of the study.
        pub study: Digest,
        /// The hash of the `Publication` leaf: it binds run, times, files and final state.
        pub publication: Digest,
        /// The signer.
        pub node: NodeId,
        /// Over study, roster, last sum and hash: [`MadeOf`](super::MadeOf).
        pub signature: Signature,
    }
}

canonical! {
    /// A site did not come to the folder that it was shown.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct NotRemade {
        /// Digest of the study.
        pub study: Digest,
        /// The hash of the `Publication` leaf.
        pub publication: Digest,
        /// The form in which this site writes a folder: another one, or its files differ.
        pub format: u32,
    }
}

canonical! {
    /// A node's no, as a coarse code: never a value, never a count.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Refused {
        /// P.
        pub plan: Digest,
        /// Stable refusal code.
        pub code: String,
        /// What follows from the study's text and the site's schema alone, where that is the
        /// reason; else empty.
        pub why: String,
    }
}

canonical! {
    /// The coordinator gives up one attempt.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Abandoned {
        /// P.
        pub plan: Digest,
        /// Stable refusal code.
        pub code: String,
    }
}
