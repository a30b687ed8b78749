//! Checking a release folder: offline, and without trust in the coordinator beyond what the
//! governance key gave it.
//!
//! What a folder proves: who published it, over which roster, that not one byte changed, and that
//! it stands in the study's log. What it does not prove: that the numbers are right; for that the
//! sites recompute every sum and step as they go.

use super::{FILE_NAME, FORMAT, MOST_FILES, Manifest, TAG, files_digest};
use crate::log::Publication;
use crate::proof::{Broken, Found};
use crate::roster::{Roster, SignedRoster};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A folder that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What was checked, a sentence each, for people.
    pub lines: Vec<String>,
    /// Fingerprint of the governance key on which everything rests.
    pub governance: Digest,
}

const FETCH: &str = "fetch the release again and, if it stays so, tell the consortium's operator";
const DISTRUST: &str = "do not use this release and tell the consortium's operator";

fn broken<T>(what: impl AsRef<str>, next: &str) -> Result<T, Broken> {
    Err(Broken::new(what.as_ref(), next))
}

/// Checks everything a folder can prove: `manifest` are the bytes of its `manifest.json`, `files`
/// all other files of it by name. `trusted` is the governance fingerprint the reader has from
/// elsewhere; without it only inner consistency is checked, and the fingerprint it rests on is in
/// the answer, to be compared by the reader.
///
/// # Errors
/// [`Broken`] for the first thing that is wrong.
pub fn check(
    manifest: &[u8],
    files: &BTreeMap<String, Vec<u8>>,
    trusted: Option<Digest>,
) -> Result<Verified, Broken> {
    let manifest = Manifest::from_json(manifest)?;
    if manifest.format != FORMAT {
        let what = format!(
            "`{FILE_NAME}` has format `{}` and this software reads `{FORMAT}`",
            manifest.format
        );
        return broken(what, "use the version of the software named in it");
    }
    let mut lines = Vec::new();
    manifest.verify_files(|name| files.get(name).cloned())?;
    let named: BTreeSet<&str> = manifest
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    if let Some(extra) = files.keys().find(|name| !named.contains(name.as_str())) {
        return broken(
            format!("`{extra}` is not a file of this release"),
            "move it out of the folder: nothing vouches for it",
        );
    }
    lines.push(format!(
        "{} files are byte for byte those of the manifest",
        manifest.files.len()
    ));
    let roster = manifest.verify_roster()?;
    lines.push(format!(
        "the roster of {} sites is signed by the governance key",
        roster.entries.len()
    ));
    let fingerprint = manifest.governance_fingerprint;
    match trusted {
        Some(trusted) if trusted != fingerprint => {
            let what =
                format!("the folder rests on governance key `{fingerprint}` and you trust `{trusted}`");
            return broken(
                what,
                "check that the fingerprint is your consortium's; if it is, do not use this release",
            );
        }
        Some(_) => lines.push("the governance key is the one you trust".to_owned()),
        None => lines.push(format!(
            "everything rests on governance key `{fingerprint}`: compare it with the one you were given"
        )),
    }
    manifest.verify_signature()?;
    lines.push("the manifest is signed by the coordinator that the roster names".to_owned());
    manifest.verify_rounds(&roster)?;
    let found = manifest.verify_ledger(&roster)?;
    manifest.verify_report(files)?;
    let place = manifest
        .ledger
        .leaves
        .last()
        .map_or(0, |leaf| leaf.index + 1);
    let size = manifest.ledger.tree_size;
    let origin = &manifest.ledger.origin;
    lines.push(format!(
        "the release is entry {place} of {size} in the log `{origin}`"
    ));
    lines.push(found.witnessed());
    lines.push(found.checked());
    lines.push(found.remade());
    lines.push(format!(
        "{} rounds, each committed to the log before it was opened and \
         opened once; the last sum holds {} sites",
        manifest.rounds, manifest.sites
    ));
    Ok(Verified {
        lines,
        governance: fingerprint,
    })
}

impl Manifest {
    /// Every file is there with the length and digest the manifest names; `read` gives a file's
    /// bytes, or nothing.
    ///
    /// # Errors
    /// [`Broken`] with the first file that differs, or a name that is none.
    pub fn verify_files(
        &self,
        mut read: impl FnMut(&str) -> Option<Vec<u8>>,
    ) -> Result<(), Broken> {
        if self.files.is_empty() || self.files.len() > MOST_FILES {
            return broken(
                format!("the manifest names `{}` files", self.files.len()),
                FETCH,
            );
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            if !is_file_name(&file.name) || !names.insert(file.name.to_ascii_lowercase()) {
                return broken(
                    format!(
                        "`{}` is not a file name of its own",
                        file.name.escape_default()
                    ),
                    DISTRUST,
                );
            }
            let Some(bytes) = read(&file.name) else {
                return broken(format!("file `{}` is missing", file.name), FETCH);
            };
            if bytes.len() as u64 != file.bytes || Digest::of_file(&bytes) != file.sha256 {
                return broken(
                    format!("file `{}` is not the one that was released", file.name),
                    FETCH,
                );
            }
        }
        Ok(())
    }

    /// What the manifest says of the result is what its report says, which sites have made again.
    ///
    /// # Errors
    /// [`Broken`] with the first key that differs.
    fn verify_report(&self, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Broken> {
        let report = files
            .get("report.json")
            .map(|bytes| serde_json::from_slice(bytes));
        let Some(Ok(Value::Object(report))) = report else {
            return broken("the release has no `report.json` that can be read", FETCH);
        };
        let said = [
            ("consortium", Value::from(self.consortium.as_str())),
            ("study", Value::from(self.study.as_str())),
            ("recipe", Value::from(self.recipe.as_str())),
            ("run", Value::from(self.run.hex())),
            ("sites", Value::from(self.sites)),
        ];
        match said.iter().find(|(key, own)| report.get(*key) != Some(own)) {
            Some((key, _)) => broken(
                format!("`{key}` in the manifest is not that of `report.json`"),
                DISTRUST,
            ),
            None => Ok(()),
        }
    }

    /// The signed roster inside, once it is valid and the manifest agrees with it.
    ///
    /// # Errors
    /// [`Broken`] also when study, consortium, size, digest, or coordinator's or governance key
    /// differ.
    pub fn verify_roster(&self) -> Result<Roster, Broken> {
        let Ok(signed) = SignedRoster::from_bytes(&self.roster) else {
            return broken("the roster in the manifest is malformed", DISTRUST);
        };
        let roster = signed
            .verify(&self.governance_fingerprint)
            .map_err(|error| {
                Broken::new(
                    &format!("the roster in the manifest is not valid: {error}"),
                    DISTRUST,
                )
            })?;
        let agree = [
            ("the governance key", self.governance == signed.governance),
            (
                "the coordinator's key",
                self.coordinator == roster.coordinator,
            ),
            ("the study", self.study == roster.study_id),
            ("the consortium", self.consortium == roster.consortium),
            ("the roster's digest", self.roster_digest == roster.digest()),
            (
                "the number of sites",
                self.roster_size as usize == roster.entries.len(),
            ),
        ];
        match agree.iter().find(|(_, same)| !same) {
            Some((what, _)) => broken(
                format!("{what} in the manifest differs from the signed roster"),
                DISTRUST,
            ),
            None => Ok(roster.clone()),
        }
    }

    /// The coordinator signed exactly this content.
    ///
    /// # Errors
    /// [`Broken`] when it did not.
    pub fn verify_signature(&self) -> Result<(), Broken> {
        let signed = self
            .coordinator
            .verify(TAG, &self.signed_bytes(), &self.signature);
        signed.map_err(|_| {
            Broken::new(
                "the coordinator's signature does not fit the manifest",
                FETCH,
            )
        })
    }

    /// The release stands in the study's log with these very files, and every round's sum with its
    /// commitment before it.
    ///
    /// # Errors
    /// [`Broken`] when the checkpoint, a path, or what a leaf says does not fit.
    pub fn verify_ledger(&self, roster: &Roster) -> Result<Found, Broken> {
        let found = self.ledger.verify(roster)?;
        let wanted = Publication {
            run: self.run,
            files: files_digest(&self.files),
            state_root: self.state_root,
            ..found.publication.clone()
        };
        if found.publication != wanted || found.opening.study_digest != self.study_digest {
            return broken("the log's entry is about another release", DISTRUST);
        }
        let rounds = found.rounds.len() == self.round_log.len();
        let last = found
            .rounds
            .last()
            .is_some_and(|(_, last)| last.state_root == self.state_root);
        if !rounds
            || !last
            || !found
                .rounds
                .iter()
                .zip(&self.round_log)
                .all(|((commit, _), record)| {
                    let set = commit.set.iter().map(|(node, _)| *node);
                    (commit.round, commit.ask, commit.t3)
                        == (record.round, record.ask, record.transcript)
                        && set.eq(record.set.iter().copied())
                })
        {
            return broken(
                "the rounds of the manifest are not those of the log",
                DISTRUST,
            );
        }
        Ok(found)
    }

    /// The rounds are in order, opened no question twice, and hold sites of the roster only.
    fn verify_rounds(&self, roster: &Roster) -> Result<(), Broken> {
        let rounds = &self.round_log;
        if rounds.len() != self.rounds as usize || !rounds.is_sorted_by(|a, b| a.round < b.round) {
            return broken(
                "the rounds of the manifest are not complete or not in order",
                DISTRUST,
            );
        }
        let asked: BTreeSet<Digest> = rounds.iter().map(|round| round.ask).collect();
        if asked.len() != rounds.len() {
            return broken("a question was opened twice", DISTRUST);
        }
        let unsound = rounds.iter().find(|round| {
            !round.set.is_sorted_by(|a, b| a < b)
                || round.set.iter().any(|node| roster.entry(*node).is_none())
        });
        if let Some(round) = unsound {
            return broken(
                format!(
                    "the set of round `{}` is not made of sites of the roster",
                    round.round
                ),
                DISTRUST,
            );
        }
        if rounds
            .last()
            .is_none_or(|last| last.set.len() != self.sites as usize)
        {
            return broken(
                "the number of sites is not that of the last round",
                DISTRUST,
            );
        }
        Ok(())
    }
}

/// Names nothing outside the folder, on any system, and is not the manifest itself.
fn is_file_name(name: &str) -> bool {
    let letters = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    letters
        && (1..=100).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && !name.eq_ignore_ascii_case(FILE_NAME)
}

#[cfg(test)]
mod tests;
