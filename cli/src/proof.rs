//! The proof file: what ties one release to its study's log, on one page of JSON that anyone checks offline, without the
//! release itself and without the coordinator.

use crate::args::Proof as Args;
use crate::failure::{Done, Failure};
use crate::identity::{Identity, governance_of};
use crate::output::{Out, count, shown};
use crate::release::{check_files, fetch};
use motet_common::manifest::{Broken, FILE_NAME, Manifest};
use motet_common::proof::{Found, Proof};
use motet_common::refusal::Code;
use motet_common::roster::Roster;
use motet_secagg::digest::Digest;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

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

/// `motet ledger proof`
///
/// # Errors
/// A release whose manifest does not hold; `release_unknown`; a file that is there already.
pub async fn write(args: &Args) -> Done {
    let out = Out::new(args.read.json);
    let (manifest, trusted, place) = manifest(args).await?;
    let held = held_by(&manifest, trusted, &place)?;
    let file = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.proof.json", held.proof.study)));
    create(&file, &held.proof, &place)?;
    say(out, &held, &file, trusted);
    Ok(())
}

/// The manifest, the governance fingerprint to trust, and what to call the release in messages.
async fn manifest(args: &Args) -> Done<(Manifest, Option<Digest>, PathBuf)> {
    let given = args.read.who.identity.as_deref();
    let path = PathBuf::from(&args.release);
    let (bytes, trusted, place) = if path.exists() {
        if args.run.is_some() {
            return Err(Failure::usage(
                format!("`{}` is a release already, and --run picks one of a study", path.display()),
                "leave --run out, or give the id of the study",
            ));
        }
        let file = if path.is_dir() { path.join(FILE_NAME) } else { path };
        let bytes = std::fs::read(&file).map_err(Failure::io("read", &file))?;
        (bytes, given.map(governance_of).transpose()?, file)
    } else {
        if !is_study_id(&args.release) {
            return Err(Failure::usage(
                format!("`{}` is neither a release folder nor the id of a study", shown(&args.release)),
                "give a folder that `motet release get` made, its manifest.json, or the id of a study",
            ));
        }
        let identity = Identity::open(given)?;
        let (trusted, place) = (identity.fingerprint(), PathBuf::from(&args.release));
        let run = args.run.as_deref().unwrap_or_default();
        let (_, mut files) = fetch(&mut identity.desk().await?, &args.release, run).await?;
        check_files(&mut files, &place, Some(trusted))?;
        (files.remove(FILE_NAME).unwrap_or_default(), Some(trusted), place)
    };
    let manifest = Manifest::from_json(&bytes).map_err(|broken| refused(&place, broken))?;
    Ok((manifest, trusted, place))
}

fn is_study_id(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=40).contains(&text.len()) && text.bytes().all(letter)
}

/// The proof of a manifest that is signed and stands in the log: nobody is handed a proof of anything else.
fn held_by(manifest: &Manifest, trusted: Option<Digest>, place: &Path) -> Done<Held> {
    let wrong = |broken| refused(place, broken);
    manifest.verify_ledger(&manifest.verify_roster().map_err(wrong)?).map_err(wrong)?;
    manifest.verify_signature().map_err(wrong)?;
    let proof = Proof::of(manifest);
    let (roster, found) = proof.verify(trusted).map_err(wrong)?;
    Ok(Held { proof, roster, found })
}

fn refused(place: &Path, broken: Broken) -> Failure {
    Failure::refused(Code::ReleaseMismatch, format!("`{}`: {}", place.display(), broken.what))
        .instead(broken.next)
}

fn create(file: &Path, proof: &Proof, place: &Path) -> Done {
    let text = proof.to_json().map_err(|broken| refused(place, broken))?;
    let mut target = match File::create_new(file) {
        Ok(target) => target,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::usage(
                format!("`{}` exists already and is left as it is", file.display()),
                "give a file that does not exist yet with --out FILE",
            ));
        }
        Err(error) => return Err(Failure::io("make", file)(error)),
    };
    target.write_all(text.as_bytes()).and_then(|()| target.sync_all()).map_err(|error| {
        let _ = std::fs::remove_file(file);
        Failure::io("write", file)(error)
    })
}

impl Held {
    /// The place of the result among the entries of the log, counted from 1.
    fn entry(&self) -> u64 {
        self.proof.ledger.leaves.last().map_or(0, |leaf| leaf.index + 1)
    }

    /// What was checked, a sentence each.
    fn lines(&self, trusted: Option<Digest>) -> Vec<String> {
        let Self { proof, roster, found } = self;
        let (origin, size) = (shown(&proof.ledger.origin), proof.ledger.tree_size);
        let governance = match trusted {
            Some(_) => "the governance key is the one you trust".to_owned(),
            None => format!(
                "everything rests on governance key `{}`: compare it with the one you were given",
                proof.governance_fingerprint
            ),
        };
        vec![
            format!("the roster of {} sites is signed by the governance key", roster.entries.len()),
            governance,
            format!("the log `{origin}` was opened for study `{}` and this roster", proof.study),
            format!("the result of run {} is entry {} of {size} in that log", proof.run.hex(), self.entry()),
            found.witnessed(),
            format!(
                "{}, each committed to the log before it was opened and opened once, with at least {} each",
                count(found.rounds.len(), "round"),
                count(found.fewest_sites(), "site"),
            ),
        ]
    }

    /// The same facts for programs.
    fn facts(&self, trusted: Option<Digest>) -> Value {
        let Self { proof, roster, found } = self;
        json!({
            "study": proof.study, "study_digest": proof.study_digest.hex(), "run": proof.run.hex(),
            "origin": proof.ledger.origin, "entry": self.entry(), "tree_size": proof.ledger.tree_size,
            "root": proof.ledger.root.hex(), "witnesses": found.witnesses, "quorum": found.quorum,
            "roster_size": roster.entries.len(), "rounds": found.rounds.len(), "fewest_sites": found.fewest_sites(),
            "governance": proof.governance_fingerprint.hex(), "trusted": trusted.is_some(),
        })
    }
}

fn say(out: Out, held: &Held, file: &Path, trusted: Option<Digest>) {
    let Held { proof, roster, found } = held;
    let mut facts = held.facts(trusted);
    if let Some(fields) = facts.as_object_mut() {
        fields.insert("file".into(), json!(file));
    }
    out.value(&facts);
    let (study, run) = (shown(&proof.study), proof.run.hex());
    out.heading(format!("Proof of the release of `{study}`, run {run}, in `{}`", file.display()));
    out.line(format!("  log         {}", shown(&proof.ledger.origin)));
    out.line(format!("  entry       {} of {}", held.entry(), proof.ledger.tree_size));
    out.line(format!(
        "  witnesses   {} of {}; a quorum is {}",
        found.witnesses,
        count(roster.entries.len(), "site"),
        found.quorum
    ));
    out.line(format!(
        "  rounds      {}, each committed before it was opened, with at least {}",
        found.rounds.len(),
        count(found.fewest_sites(), "site")
    ));
    out.line(format!("  governance  {}", proof.governance_fingerprint));
    out.line(format!("Anyone checks it offline: motet release verify {} --as DIR", file.display()));
}

/// `motet release verify FILE`: everything a proof file can prove, without any network.
///
/// # Errors
/// `release_mismatch` with what is wrong; a failure when the file cannot be read.
pub fn verify(path: &Path, trusted: Option<Digest>) -> Done<Verdict> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Failure::io("read", path))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(Failure::io("read", path))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Failure::usage(
            format!("`{}` is too large for a proof", path.display()),
            "give a file that `motet ledger proof` wrote, or a release folder",
        ));
    }
    let wrong = |broken| refused(path, broken);
    let proof = Proof::from_json(&bytes).map_err(wrong)?;
    let (roster, found) = proof.verify(trusted).map_err(wrong)?;
    let held = Held { proof, roster, found };
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
