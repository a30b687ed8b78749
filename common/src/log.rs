//! The study's transparency log: which leaves enter it, and the tree over them.

use crate::moment::Moment;
use crate::roster::Roster;
use crate::study::Study;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::{Checkpoint, Logged};
use motet_secagg::sign::{PublicKey, SecretKey};
use motet_secagg::{canonical, merkle, note};

mod mirror;

pub use mirror::{Asked, MOST_LEAF, MOST_LEAVES, Mirror};

canonical! {
    /// The log's first leaf: what the study fixes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct StudyOpen {
        /// The study's name.
        pub study: String,
        /// Digest of everything it fixes.
        pub study_digest: Digest,
        /// Digest of recipe and parameters.
        pub recipe: Digest,
        /// Digest of the roster.
        pub roster: Digest,
        /// C.
        pub colluders: u16,
        /// Honest sites that must be in a sum besides C.
        pub h_min: u16,
    }
}

impl Publication {
    /// The hash of its leaf, which a site signs that has made the folder again.
    pub fn leaf_hash(&self) -> Digest {
        merkle::leaf(&Leaf::Publication(self.clone()).to_bytes())
    }
}

impl StudyOpen {
    /// What opens the study's log: derived by everybody from the study and its roster.
    pub fn of(study: &Study, roster: &Roster) -> Self {
        Self {
            study: study.id.clone(),
            study_digest: study.root(),
            recipe: study.recipe.digest("recipe"),
            roster: roster.digest(),
            colluders: roster.colluders,
            h_min: roster.h_min,
        }
    }
}

canonical! {
    /// The set whose sum is about to be opened.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Commit {
        /// The study's name.
        pub study: String,
        /// A.
        pub ask: Digest,
        /// The run.
        pub run: RunId,
        /// Its round.
        pub round: u64,
        /// The attempt.
        pub attempt: u32,
        /// The plan's pin, [`motet_secagg::message::Plan::pin`]: every commitment of one question
        /// has the same, so that one number of openers holds for all of them (ruling R1).
        pub pin: Digest,
        /// T3.
        pub t3: Digest,
        /// U3 with each node's upload root.
        pub set: Vec<(NodeId, Digest)>,
    }
}

canonical! {
    /// A published sum.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Release {
        /// The run.
        pub run: RunId,
        /// Its round.
        pub round: u64,
        /// T3.
        pub t3: Digest,
        /// Digest of the aggregate.
        pub aggregate: Digest,
        /// Root of the recipe's state after it.
        pub state_root: Digest,
        /// Privacy charge in thousandths of epsilon; 0 where the study has no differential privacy.
        pub charge: u64,
    }
}

canonical! {
    /// An attempt that ended without a sum.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Abort {
        /// A.
        pub ask: Digest,
        /// The attempt.
        pub attempt: u32,
        /// Stable refusal code.
        pub code: String,
    }
}

canonical! {
    /// A result folder handed out. All files of it but the manifest follow from the study, its
    /// roster, the governance key, the states and this: every site can make them again.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Publication {
        /// In what form the folder is written: who has another cannot make it again.
        pub format: u32,
        /// The run of the last sum.
        pub run: RunId,
        /// When that run began, by the coordinator's clock,
        pub started: Moment,
        /// and when its last sum was there.
        pub finished: Moment,
        /// Digest over names and digests of the files.
        pub files: Digest,
        /// Root of the final state.
        pub state_root: Digest,
        /// How many of its sums were too large for the sites to make them again.
        pub unchecked: u64,
        /// Whether the last sum was not: then this result rests on t sites that made it again.
        pub last_checked: bool,
    }
}

canonical! {
    /// What may enter the log; nothing in it holds a row count or a metric of one site.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Leaf {
        /// The study opens.
        1 => StudyOpen(StudyOpen),
        /// A set is committed before anything of it is opened.
        2 => Commit(Commit),
        /// An opened question whose sum failed its checks.
        3 => Void(Digest),
        /// A sum is published.
        4 => Release(Release),
        /// An attempt ended without one.
        5 => Abort(Abort),
        /// A result folder is published.
        6 => Publication(Publication),
    }
}

/// One study's log: leaves in order, proofs over them. The ledger stores the leaves; this value is
/// rebuilt from them.
#[derive(Debug, Clone)]
pub struct Log {
    origin: String,
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Digest>,
}

impl Log {
    /// An empty log of `study` in `consortium`.
    pub fn new(consortium: &str, study: &str) -> Self {
        // A note's key name must not hold spaces or `+`; two consortia are told apart by their
        // keys, not by this name.
        let origin = format!("motet/{consortium}/{study}").replace(
            |c: char| !c.is_ascii_alphanumeric() && !"-_./".contains(c),
            "-",
        );
        Self {
            origin,
            leaves: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// The empty log of one study, named by what it fixes.
    pub fn of_study(study: &Study, roster: &Roster) -> Self {
        Self::new(
            &roster.consortium,
            &format!("{}/{}", study.id, study.root().short()),
        )
    }

    /// Appends a leaf and gives its index.
    pub fn push(&mut self, leaf: Vec<u8>) -> u64 {
        debug_assert_eq!(self.hashes.len(), self.leaves.len());
        self.hashes.push(merkle::leaf(&leaf));
        self.leaves.push(leaf);
        self.leaves.len() as u64 - 1
    }

    /// The index of a leaf that is already there.
    pub fn find(&self, leaf: &[u8]) -> Option<u64> {
        self.leaves
            .iter()
            .position(|known| known == leaf)
            .map(|index| index as u64)
    }

    /// The leaves in order.
    pub fn leaves(&self) -> &[Vec<u8>] {
        &self.leaves
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root when it had `size` leaves; nothing where it never had.
    pub fn at(&self, size: u64) -> Option<Checkpoint> {
        let hashes = self.hashes.get(..usize::try_from(size).ok()?)?;
        Some(Checkpoint {
            origin: self.origin.clone(),
            size,
            root: merkle::root(hashes),
        })
    }

    /// Size and root now.
    pub fn point(&self) -> Checkpoint {
        Checkpoint {
            origin: self.origin.clone(),
            size: self.hashes.len() as u64,
            root: merkle::root(&self.hashes),
        }
    }

    /// Signed note over size and root.
    pub fn checkpoint(&self, key: &SecretKey) -> String {
        let Checkpoint { origin, size, root } = self.point();
        let name = origin.clone();
        // An origin is made of checked names: the note's own rule on them cannot fail.
        note::Note::sign(note::Checkpoint { origin, size, root }, &name, key)
            .map(|n| n.to_string())
            .unwrap_or_default()
    }

    /// Inclusion proof of the leaf at `index` under the present root.
    pub fn inclusion(&self, index: u64) -> Vec<Digest> {
        usize::try_from(index)
            .ok()
            .and_then(|index| merkle::inclusion(&self.hashes, index))
            .unwrap_or_default()
    }

    /// Hash of the leaf at `index`.
    pub fn hash(&self, index: u64) -> Option<Digest> {
        self.hashes.get(usize::try_from(index).ok()?).copied()
    }

    /// A leaf with its proofs, the consistency proof taken from `known_size`.
    pub fn logged(&self, index: u64, known_size: u64, key: &SecretKey) -> Option<Logged> {
        Some(Logged {
            leaf: self.leaves.get(usize::try_from(index).ok()?)?.clone(),
            index,
            inclusion: self.inclusion(index),
            point: self.point(),
            checkpoint: self.checkpoint(key),
            consistency: usize::try_from(known_size)
                .ok()
                .and_then(|known| merkle::consistency(&self.hashes, known))
                .unwrap_or_default(),
        })
    }
}

/// Checks that `logged` stands in the log whose checkpoint the log's `key` signed.
pub fn is_logged(logged: &Logged, key: &PublicKey) -> bool {
    let Checkpoint { origin, size, root } = &logged.point;
    let leaf = merkle::leaf(&logged.leaf);
    let signed = logged.checkpoint.parse::<note::Note>().is_ok_and(|note| {
        note.verify(origin, key).is_ok_and(|found| {
            found.origin == *origin && found.size == *size && found.root == *root
        })
    });
    signed && merkle::verify_inclusion(&leaf, logged.index, *size, &logged.inclusion, root).is_ok()
}

/// The leaf inside `logged`, when the bytes are one.
pub fn leaf_of(logged: &Logged) -> Option<Leaf> {
    Leaf::from_bytes(&logged.leaf).ok()
}
