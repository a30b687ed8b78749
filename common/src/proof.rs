//! What ties a result to its study's log, for anyone and offline: the roster, the log's checkpoint
//! with the cosignatures of its witnesses, and the leaves of the result and of every sum it was
//! made from, each with its path to the root.
//!
//! ```text
//! governance key -> roster -> log key -> checkpoint <- cosigned by the sites' witness keys
//!                                            root <- paths <- StudyOpen, (Commit, Release) of each round, Publication
//! ```

use crate::checks::Due;
use crate::hex;
use crate::log::{Commit, Leaf, Publication, Release, StudyOpen};
use crate::roster::{Roster, SignedRoster};
use crate::round::witness_quorum;
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::merkle;
use motet_secagg::message::{Checked, MadeOf, Remade};
use motet_secagg::note::Note;
use motet_secagg::sign::{PublicKey, Signature};
use motet_secagg::threshold::Thresholds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The layout this software writes and reads.
pub const FORMAT: u32 = 1;
/// Leaves a proof may have; more would only be there to exhaust a reader.
pub const MOST_LEAVES: usize = 100_000;

/// A folder or proof that does not hold: what is wrong, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {next}")]
pub struct Broken {
    /// What is wrong.
    pub what: String,
    /// What the reader can do.
    pub next: String,
}

impl Broken {
    pub(crate) fn new(what: &str, next: &str) -> Self {
        Self {
            what: what.to_owned(),
            next: next.to_owned(),
        }
    }
}

const DISTRUST: &str = "do not rely on it and tell the consortium's operator";

canonical! {
    /// A leaf with its path to the root.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Proven {
        /// Its place, from 0.
        pub index: u64,
        /// Its canonical bytes.
        #[serde(with = "hex")]
        pub leaf: Vec<u8>,
        /// RFC 6962 audit path to the root.
        #[serde(with = "hex")]
        pub inclusion: Vec<Digest>,
    }
}

canonical! {
    /// A study's log as far as a result rests on it.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct LedgerProof {
        /// The log's name.
        pub origin: String,
        /// Leaves under the root.
        pub tree_size: u64,
        /// Root of the tree.
        #[serde(with = "hex")]
        pub root: Digest,
        /// The checkpoint over origin, size and root, signed by the log's key and cosigned by sites
        /// (C2SP signed note).
        pub checkpoint: String,
        /// The study's opening; commitment and release of every round, in order; the publication.
        pub leaves: Vec<Proven>,
        /// Who made the last sum again, sorted by site; none where it was too large for that.
        pub checks: Vec<Check>,
        /// Who made the folder again, sorted by site.
        pub remade: Vec<Check>,
    }
}

canonical! {
    /// A site's word that it made the last sum again from the masked uploads, bit for bit, or the
    /// folder from the states.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Check {
        /// The site's node.
        #[serde(with = "hex")]
        pub node: NodeId,
        /// Its signature over the hash of the last `Release` leaf, or over what the folder was made
        /// of ([`MadeOf`]).
        #[serde(with = "hex")]
        pub signature: Signature,
    }
}

impl Check {
    /// What a site said, without the hash, which the log's leaf gives.
    pub fn of(checked: &Checked) -> Self {
        Self {
            node: checked.node,
            signature: checked.signature,
        }
    }
}

/// What a ledger proof says, once it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The study's opening.
    pub opening: StudyOpen,
    /// Commitment and release of every round.
    pub rounds: Vec<(Commit, Release)>,
    /// The published result.
    pub publication: Publication,
    /// Sites that made the last sum again; nothing where it was too large for that, and so many
    /// sites as one that is honest must be among cosigned the log with the result all the same.
    pub checks: Option<usize>,
    /// Sites that made the folder again.
    pub remade: usize,
    /// Sites of the roster.
    pub roster: usize,
    /// Sites that cosigned the checkpoint.
    pub witnesses: usize,
    /// Cosignatures that leave no room for a second log.
    pub quorum: usize,
}

impl Found {
    /// Sites in the smallest of the sums.
    pub fn fewest_sites(&self) -> usize {
        self.rounds
            .iter()
            .map(|(commit, _)| commit.set.len())
            .min()
            .unwrap_or(0)
    }

    /// How many sums were made again by the sites before anything followed from them, in words.
    pub fn checked(&self) -> String {
        match (self.checks, self.publication.unchecked) {
            (Some(checks), 0) => {
                format!(
                    "the last sum was made again from the masked uploads by {checks} sites, bit for bit"
                )
            }
            (Some(checks), unchecked) => format!(
                "the last sum was made again from the masked uploads by {checks} \
                 sites, bit for bit; {unchecked} of the {} \
                 sums before it were NOT, for they \
                 were too large: audit them \
                 with `motet ledger verify --recompute`",
                self.rounds.len().saturating_sub(1)
            ),
            (None, _) => format!(
                "the last sum was NOT made again by the sites, for it was too \
                 large, as were {} of {} sums in all; {} sites \
                 that follow the study found that none had to",
                self.publication.unchecked,
                self.rounds.len(),
                self.witnesses
            ),
        }
    }

    /// Who made the folder again, in words.
    pub fn remade(&self) -> String {
        format!(
            "remade byte for byte by {} of the roster's {} sites",
            self.remade, self.roster
        )
    }

    /// How far the log is the only one, in words.
    pub fn witnessed(&self) -> String {
        let Self {
            witnesses, quorum, ..
        } = self;
        if witnesses >= quorum {
            format!("the log's checkpoint is cosigned by {witnesses} sites, a quorum ({quorum})")
        } else {
            format!(
                "the log's checkpoint is cosigned by {witnesses} sites, fewer than \
                 a quorum ({quorum}): that there is one log \
                 rests on those who took part"
            )
        }
    }
}

fn broken<T>(what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken {
        what: what.into(),
        next: DISTRUST.to_owned(),
    })
}

impl LedgerProof {
    /// Checks checkpoint, cosignatures, paths and the order of the leaves against the study's
    /// roster.
    ///
    /// # Errors
    /// [`Broken`] for the first thing that does not hold; also for a cosignature that is not one of
    /// the roster's.
    pub fn verify(&self, roster: &Roster) -> Result<Found, Broken> {
        let witnesses = self.witnesses(roster)?;
        let quorum = roster_quorum(roster);
        if self.leaves.len() > MOST_LEAVES || !self.leaves.is_sorted_by(|a, b| a.index < b.index) {
            return broken("the leaves of the log are not in order");
        }
        let mut leaves = Vec::with_capacity(self.leaves.len());
        for Proven {
            index,
            leaf,
            inclusion,
        } in &self.leaves
        {
            let hash = merkle::leaf(leaf);
            let proven =
                merkle::verify_inclusion(&hash, *index, self.tree_size, inclusion, &self.root);
            match Leaf::from_bytes(leaf) {
                Ok(leaf) if proven.is_ok() => leaves.push(leaf),
                _ => {
                    return broken(format!(
                        "the log does not contain this entry at place {index}"
                    ));
                }
            }
        }
        let mut leaves = leaves.into_iter();
        let Some(Leaf::StudyOpen(opening)) = leaves.next() else {
            return broken("the log does not begin with the study's opening");
        };
        let Some(Leaf::Publication(publication)) = leaves.next_back() else {
            return broken("the log does not end with the result");
        };
        let mut rounds = Vec::new();
        let mut asked = BTreeSet::new();
        while let Some(commit) = leaves.next() {
            match (commit, leaves.next()) {
                (Leaf::Commit(commit), Some(Leaf::Release(release))) if commit.t3 == release.t3 => {
                    if !is_set(&commit, roster) {
                        return broken("a committed set is not made of sites of the roster");
                    }
                    if thresholds(&commit, roster).is_none() {
                        return broken("a sum holds fewer sites than the roster demands");
                    }
                    // Sites cosign no log whose sums are not numbered without a gap.
                    if (commit.round, release.round)
                        != (rounds.len() as u64 + 1, rounds.len() as u64 + 1)
                    {
                        return broken("a round is left out, or not in its place");
                    }
                    if !asked.insert(commit.ask) {
                        return broken("a question was opened twice");
                    }
                    rounds.push((commit, release));
                }
                _ => {
                    return broken(
                        "a sum of the log was released without the commitment before it",
                    );
                }
            }
        }
        let last = rounds
            .last()
            .map(|(_, release): &(Commit, Release)| release.run);
        if last != Some(publication.run) {
            return broken("the result is not of the run of its last sum");
        }
        let fits = opening.study == roster.study_id
            && opening.roster == roster.digest()
            && (opening.colluders, opening.h_min) == (roster.colluders, roster.h_min);
        if !fits {
            return broken("the log was opened for another study or roster");
        }
        if self
            .leaves
            .last()
            .is_none_or(|last| last.index + 1 != self.tree_size)
        {
            return broken("the result is not the last entry of the log");
        }
        let mut found = Found {
            opening,
            rounds,
            publication,
            checks: None,
            remade: 0,
            roster: roster.entries.len(),
            witnesses,
            quorum,
        };
        found.checks = self.checks(roster, &found)?;
        found.remade = self.remade(roster, &found)?;
        Ok(found)
    }

    /// How many sites made the folder again: as many as a quorum at least, which is the t of every
    /// line-up of the roster.
    fn remade(&self, roster: &Roster, found: &Found) -> Result<usize, Broken> {
        let Some((_, release)) = found.rounds.last() else {
            return broken("the log holds no sum that the result could rest on");
        };
        let of = MadeOf {
            study: found.opening.study_digest,
            roster: found.opening.roster,
            release: merkle::leaf(&Leaf::Release(release.clone()).to_bytes()),
            publication: found.publication.leaf_hash(),
        };
        let is_of = |check: &Check| {
            let remade = Remade {
                study: of.study,
                publication: of.publication,
                node: check.node,
                signature: check.signature,
            };
            let entry = roster.entry(check.node);
            entry.is_some_and(|entry| remade.is_signed_by(&of, &entry.identity))
        };
        if !self.remade.is_sorted_by(|a, b| a.node < b.node) || !self.remade.iter().all(is_of) {
            return broken(
                "a site's word that it made this folder again is not that of a \
                 site of the roster, or about another folder",
            );
        }
        let least = found.quorum;
        if self.remade.len() < least {
            return broken(format!(
                "the folder was made again by {} sites, and {least} must have",
                self.remade.len()
            ));
        }
        Ok(self.remade.len())
    }

    /// How many sites made the last sum again. Checks are about one sum, cosignatures about the log
    /// with the result: more witnesses than may collude must be there in any case, and where nobody
    /// made the sum again, they say that it was too large for it, for sites cosign no other result
    /// without its checks.
    fn checks(&self, roster: &Roster, found: &Found) -> Result<Option<usize>, Broken> {
        let Some((commit, release)) = found.rounds.last() else {
            return broken("the log holds no sum that the result could rest on");
        };
        let colluders = usize::from(roster.colluders);
        if found.witnesses <= colluders {
            return broken(format!(
                "the log with the result is cosigned by {} sites, and so many may collude: {} must have",
                found.witnesses,
                colluders + 1
            ));
        }
        if self.checks.is_empty() {
            // Sites that follow the study held this number against their own.
            return if !found.publication.last_checked {
                Ok(None)
            } else {
                broken(
                    "nobody says to have made the last sum again, and it was not too large for that",
                )
            };
        }
        let release = merkle::leaf(&Leaf::Release(release.clone()).to_bytes());
        // t, and so more than may collude.
        let checks = thresholds(commit, roster).map_or(usize::MAX, |numbers| numbers.threshold);
        let due = Due { release, checks };
        let checked: Vec<Checked> = self
            .checks
            .iter()
            .map(|check| Checked {
                release,
                node: check.node,
                signature: check.signature,
            })
            .collect();
        if !checked.iter().all(|checked| due.counts(checked, roster)) {
            return broken(
                "a site's word on the last sum is not that of a site of the roster, or about another sum",
            );
        }
        if due.met_by(&checked, roster).is_err() {
            return broken(format!(
                "the last sum was made again by {} different sites, and {} must have",
                checked.len(),
                due.checks
            ));
        }
        Ok(Some(checked.len()))
    }

    fn witnesses(&self, roster: &Roster) -> Result<usize, Broken> {
        let unsigned = "the log's checkpoint is not signed by the log's key for this tree";
        let Ok(note) = self.checkpoint.parse::<Note>() else {
            return broken(unsigned);
        };
        let fits = note.verify(&self.origin, &roster.log).is_ok_and(|found| {
            found.origin == self.origin && found.size == self.tree_size && found.root == self.root
        });
        if !fits || note.to_string() != self.checkpoint {
            return broken(unsigned);
        }
        let cosigned = roster
            .entries
            .iter()
            .filter(|entry| note.verify_cosignature(&entry.name, &entry.witness).is_ok());
        let witnesses = cosigned.count();
        // Every line is accounted for: one of the log, the rest of sites.
        if note.signatures() != witnesses + 1 {
            return broken(
                "a cosignature of the log's checkpoint is not that of a site of the roster",
            );
        }
        Ok(witnesses)
    }
}

fn is_set(commit: &Commit, roster: &Roster) -> bool {
    let sorted = commit.set.is_sorted_by(|a, b| a.0 < b.0);
    sorted
        && commit
            .set
            .iter()
            .all(|(node, _)| roster.entry(*node).is_some())
}

/// What the roster demands of a line-up that is no larger than the set; nothing where no sum may
/// hold so few.
fn thresholds(commit: &Commit, roster: &Roster) -> Option<Thresholds> {
    let colluders = usize::from(roster.colluders);
    let h_min = usize::from(roster.h_min);
    Thresholds::of(commit.set.len(), roster.entries.len(), colluders, h_min, 0).ok()
}

fn roster_quorum(roster: &Roster) -> usize {
    witness_quorum(roster.entries.len(), usize::from(roster.colluders))
}

canonical! {
    /// The proof of one result, without the result: what `motet ledger proof` writes.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Proof {
        /// [`FORMAT`].
        pub format: u32,
        /// The study's id, as in the roster.
        pub study: String,
        /// Digest of everything the study fixes.
        #[serde(with = "hex")]
        pub study_digest: Digest,
        /// The run.
        #[serde(with = "hex")]
        pub run: RunId,
        /// Fingerprint of the governance key on which everything rests: what people compare.
        #[serde(with = "hex")]
        pub governance_fingerprint: Digest,
        /// The governance key.
        #[serde(with = "hex")]
        pub governance: PublicKey,
        /// Canonical bytes of the signed roster.
        #[serde(with = "hex")]
        pub roster: Vec<u8>,
        /// The log.
        pub ledger: LedgerProof,
    }
}

impl Proof {
    /// The one JSON text of this proof.
    ///
    /// # Errors
    /// [`Broken`] never happens for a proof made by this software; it stands for a writer that
    /// failed.
    pub fn to_json(&self) -> Result<String, Broken> {
        match serde_json::to_string_pretty(self) {
            Ok(text) => Ok(text + "\n"),
            Err(_) => broken("the proof cannot be written as JSON"),
        }
    }

    /// Reads exactly what [`Proof::to_json`] wrote.
    ///
    /// # Errors
    /// [`Broken`] for another layout and anything else; the content is not yet verified.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Broken> {
        let proof: Self = match serde_json::from_slice(bytes) {
            Ok(proof) => proof,
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                return broken(format!("the proof cannot be read ({place})"));
            }
        };
        if proof.to_json()?.as_bytes() == bytes {
            Ok(proof)
        } else {
            broken("the proof is not laid out as it was written")
        }
    }

    /// Checks everything the proof can prove; `trusted` is the governance fingerprint the reader
    /// has from elsewhere.
    ///
    /// # Errors
    /// [`Broken`] for the first thing that is wrong.
    pub fn verify(&self, trusted: Option<Digest>) -> Result<(Roster, Found), Broken> {
        if self.format != FORMAT {
            return broken(format!(
                "the proof has format `{}` and this software reads `{FORMAT}`",
                self.format
            ));
        }
        if let Some(trusted) = trusted.filter(|trusted| *trusted != self.governance_fingerprint) {
            let own = self.governance_fingerprint;
            return broken(format!(
                "the proof rests on governance key `{own}` and you trust `{trusted}`"
            ));
        }
        let Ok(signed) = SignedRoster::from_bytes(&self.roster) else {
            return broken("the roster in the proof is malformed");
        };
        let roster = match signed.verify(&self.governance_fingerprint) {
            Ok(roster) if self.governance == signed.governance => roster.clone(),
            Ok(_) => {
                return broken("the governance key in the proof differs from the signed roster");
            }
            Err(error) => return broken(format!("the roster in the proof is not valid: {error}")),
        };
        let found = self.ledger.verify(&roster)?;
        let agree = self.study == roster.study_id
            && self.study_digest == found.opening.study_digest
            && self.run == found.publication.run
            && found
                .rounds
                .last()
                .is_none_or(|(_, last)| last.state_root == found.publication.state_root);
        if agree {
            Ok((roster, found))
        } else {
            broken("the log's entries are about another result")
        }
    }
}
