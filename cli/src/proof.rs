//! The proof file: what ties one release to its study's log, on one page of JSON that anyone checks
//! offline, without the release itself and without the coordinator.

use crate::failure::{Done, Failure};
use crate::output::{count, shown};
use motet_common::manifest::{Broken, Manifest};
use motet_common::proof::{Found, Proof};
use motet_common::refusal::Code;
use motet_common::roster::Roster;
use motet_secagg::digest::Digest;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The largest proof file that is read: the leaves of far more rounds than any study has.
const MOST_BYTES: u64 = 256 << 20;

/// A proof that holds, with what it says.
#[derive(Debug)]
pub struct Held {
    /// The proof.
    pub proof: Proof,
    /// The roster inside.
    pub roster: Roster,
    /// What the log says.
    pub found: Found,
}

/// The proof of a manifest that is signed and stands in the log: nobody is handed a proof of
/// anything else.
///
/// # Errors
/// `release_mismatch` with what does not hold.
pub fn held_by(manifest: &Manifest, trusted: Option<Digest>, place: &Path) -> Done<Held> {
    let wrong = |broken| refused(place, broken);
    manifest
        .verify_ledger(&manifest.verify_roster().map_err(wrong)?)
        .map_err(wrong)?;
    manifest.verify_signature().map_err(wrong)?;
    let proof = manifest.proof();
    let (roster, found) = proof.verify(trusted).map_err(wrong)?;
    Ok(Held {
        proof,
        roster,
        found,
    })
}

/// A release or a proof that does not hold.
pub fn refused(place: &Path, broken: Broken) -> Failure {
    Failure::refused(
        Code::ReleaseMismatch,
        format!("`{}`: {}", place.display(), broken.what),
    )
    .instead(broken.next)
}

impl Held {
    /// The place of the result among the entries of the log, counted from 1.
    pub fn entry(&self) -> u64 {
        self.proof
            .ledger
            .leaves
            .last()
            .map_or(0, |leaf| leaf.index + 1)
    }

    /// What was checked, a sentence each.
    fn lines(&self, trusted: Option<Digest>) -> Vec<String> {
        let Self {
            proof,
            roster,
            found,
        } = self;
        let (origin, size) = (shown(&proof.ledger.origin), proof.ledger.tree_size);
        let governance = match trusted {
            Some(_) => "the governance key is the one you trust".to_owned(),
            None => format!(
                "everything rests on governance key `{}`: compare it with the one you were given",
                proof.governance_fingerprint
            ),
        };
        vec![
            format!(
                "the roster of {} sites is signed by the governance key",
                roster.entries.len()
            ),
            governance,
            format!(
                "the log `{origin}` was opened for study `{}` and this roster",
                proof.study
            ),
            format!(
                "the result of run {} is entry {} of {size} in that log",
                proof.run.hex(),
                self.entry()
            ),
            found.witnessed(),
            found.checked(),
            format!(
                "{}, each committed to the log before it was opened and opened once, with at least {} each",
                count(found.rounds.len(), "round"),
                count(found.fewest_sites(), "site"),
            ),
        ]
    }

    /// The same facts for programs.
    pub fn facts(&self, trusted: Option<Digest>) -> Value {
        let Self {
            proof,
            roster,
            found,
        } = self;
        json!({
            "study": proof.study, "study_digest": proof.study_digest.hex(), "run": proof.run.hex(),
            "origin": proof.ledger.origin, "entry": self.entry(), "tree_size": proof.ledger.tree_size,
            "root": proof.ledger.root.hex(), "checks": found.checks, "witnesses": found.witnesses, "quorum": found.quorum,
            "roster_size": roster.entries.len(), "rounds": found.rounds.len(), "fewest_sites": found.fewest_sites(),
            "governance": proof.governance_fingerprint.hex(), "trusted": trusted.is_some(),
        })
    }
}

/// `motet release verify FILE`: everything a proof file can prove, without any network.
///
/// # Errors
/// `release_mismatch` with what is wrong; a failure when the file cannot be read.
pub fn verify(path: &Path, trusted: Option<Digest>) -> Done<Verdict> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Failure::io("read", path))?;
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(Failure::io("read", path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Failure::usage(
            format!("`{}` is too large for a proof", path.display()),
            "give a file that `motet ledger proof` wrote, or a release folder",
        ));
    }
    let wrong = |broken| refused(path, broken);
    let proof = Proof::from_json(&bytes).map_err(wrong)?;
    let (roster, found) = proof.verify(trusted).map_err(wrong)?;
    let held = Held {
        proof,
        roster,
        found,
    };
    let (lines, mut facts) = (held.lines(trusted), held.facts(trusted));
    if let Some(fields) = facts.as_object_mut() {
        fields.insert("verified".into(), json!(true));
        fields.insert("checks".into(), json!(lines));
    }
    Ok(Verdict { lines, facts })
}

/// A proof file that holds.
#[derive(Debug)]
pub struct Verdict {
    /// What was checked, a sentence each, for people.
    pub lines: Vec<String>,
    /// The same for programs.
    pub facts: Value,
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
