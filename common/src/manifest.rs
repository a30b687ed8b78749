//! The manifest of a release folder: what each file holds, from whom, and where it stands in the
//! study's log.
//!
//! ```text
//! files <- sizes and digests <- manifest <- coordinator's signature <- roster <- governance key   whom you trust
//!                  `- digest of the list <- leaf of the log <- inclusion proof <- signed checkpoint
//! ```
//! For people it is JSON, for signing canonical bytes. The JSON of a manifest is one byte string
//! too: a file that says the same in another layout is refused, so that no byte of it can be
//! changed unseen.

mod check;

pub use crate::proof::Broken;
pub use check::{Verified, check};

use crate::hex;
use crate::proof::{self, LedgerProof, Proof};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::sign::{PublicKey, SecretKey, Signature};
use serde::{Deserialize, Serialize};

/// The layout this software writes and reads.
pub const FORMAT: u32 = 1;
/// The manifest's own name in the folder.
pub const FILE_NAME: &str = "manifest.json";
/// Files a release may have; more would only be there to exhaust a reader.
pub const MOST_FILES: usize = 1000;

/// Tag under which the coordinator signs.
const TAG: &str = "manifest";

canonical! {
    /// What a release folder vouches for.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Manifest {
        /// [`FORMAT`].
        pub format: u32,
        /// Name of the consortium, as in the roster.
        pub consortium: String,
        /// The study's id, as in the roster.
        pub study: String,
        /// The study's title.
        pub title: String,
        /// Digest of everything the study fixes; what the stewards' decisions are bound to.
        #[serde(with = "hex")]
        pub study_digest: Digest,
        /// Recipe kind as in the study file.
        pub recipe: String,
        /// The run.
        #[serde(with = "hex")]
        pub run: RunId,
        /// Root of the recipe's state at the end.
        #[serde(with = "hex")]
        pub state_root: Digest,
        /// Rounds of the run: the length of `round_log`.
        pub rounds: u32,
        /// Sites behind the numbers of the release: the set of the last round.
        pub sites: u32,
        /// Sites of the roster.
        pub roster_size: u32,
        /// Digest of the roster, as plans and decisions quote it.
        #[serde(with = "hex")]
        pub roster_digest: Digest,
        /// Canonical bytes of the signed roster.
        #[serde(with = "hex")]
        pub roster: Vec<u8>,
        /// The governance key.
        #[serde(with = "hex")]
        pub governance: PublicKey,
        /// Its fingerprint: what people compare.
        #[serde(with = "hex")]
        pub governance_fingerprint: Digest,
        /// The coordinator's key.
        #[serde(with = "hex")]
        pub coordinator: PublicKey,
        /// References of the permits, as the stewards entered them; may be empty.
        pub permits: Vec<String>,
        /// Differential privacy spent.
        pub privacy: Privacy,
        /// Software name and version.
        pub software: String,
        /// When the manifest was made, RFC 3339 in UTC.
        pub created: String,
        /// Every file of the folder but this one.
        pub files: Vec<File>,
        /// Where the release stands in the study's log.
        pub ledger: LedgerProof,
        /// The rounds in order.
        pub round_log: Vec<RoundRecord>,
        /// The coordinator's, over the canonical bytes of everything above.
        #[serde(with = "hex")]
        pub signature: Signature,
    }
}

canonical! {
    /// Differential privacy of a release.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Privacy {
        /// `none` where no noise was added.
        pub mode: String,
        /// The epsilon spent, where there is one.
        pub epsilon: Option<f64>,
    }
}

canonical! {
    /// A file of the release.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct File {
        /// Its name: letters, digits, `.`, `-` and `_` only, so that it names nothing outside the
        /// folder.
        pub name: String,
        /// Its length in bytes.
        pub bytes: u64,
        /// Its SHA-256, as `sha256sum` prints it.
        #[serde(with = "hex")]
        pub sha256: Digest,
    }
}

canonical! {
    /// A round of the run.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct RoundRecord {
        /// Its number.
        pub round: u64,
        /// The ask-key: at most one opening each.
        #[serde(with = "hex")]
        pub ask: Digest,
        /// The nodes in its sum, ascending.
        #[serde(with = "hex")]
        pub set: Vec<NodeId>,
        /// T3, the transcript every node of the set signed before anything was opened.
        #[serde(with = "hex")]
        pub transcript: Digest,
    }
}

impl File {
    /// The entry of a file with this content.
    pub fn of(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            bytes: content.len() as u64,
            sha256: Digest::of_file(content),
        }
    }
}

/// What the publication leaf of the log holds: one digest over names, lengths and digests in the
/// manifest's order.
pub fn files_digest(files: &[File]) -> Digest {
    Digest::of("release-files", &[&files.to_vec().to_bytes()])
}

impl Manifest {
    /// The part that ties the release to the study's log, without the release.
    pub fn proof(&self) -> Proof {
        Proof {
            format: proof::FORMAT,
            study: self.study.clone(),
            study_digest: self.study_digest,
            run: self.run,
            governance_fingerprint: self.governance_fingerprint,
            governance: self.governance,
            roster: self.roster.clone(),
            ledger: self.ledger.clone(),
        }
    }

    /// The manifest with the coordinator's signature in place of whatever stood there.
    #[must_use]
    pub fn sign(mut self, coordinator: &SecretKey) -> Self {
        self.coordinator = coordinator.public();
        self.signature = coordinator.sign(TAG, &self.signed_bytes());
        self
    }

    /// The canonical bytes without the signature, which is the last field and 64 bytes long.
    fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.to_bytes();
        bytes.truncate(bytes.len().saturating_sub(self.signature.0.len()));
        bytes
    }

    /// The one JSON text of this manifest, indented, with a line end.
    ///
    /// # Errors
    /// [`Broken`] never happens for a manifest made by this software; it stands for a writer that
    /// failed.
    pub fn to_json(&self) -> Result<String, Broken> {
        let text = serde_json::to_string_pretty(self).map_err(|_| {
            Broken::new(
                "the manifest cannot be written as JSON",
                "report this with the study's ledger",
            )
        })?;
        Ok(text + "\n")
    }

    /// Reads exactly what [`Manifest::to_json`] wrote.
    ///
    /// # Errors
    /// [`Broken`] for another layout, unknown keys and anything else; the content is not yet
    /// verified.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Broken> {
        let fetch = "fetch the release again";
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Broken::new(&format!("`{FILE_NAME}` cannot be read ({place})"), fetch)
        })?;
        if manifest.to_json()?.as_bytes() != bytes {
            return Err(Broken::new(
                &format!("`{FILE_NAME}` is not laid out as it was written"),
                fetch,
            ));
        }
        Ok(manifest)
    }
}
