//! A finished run becomes a release: files, a leaf in the study's log over their digests, and a
//! signed manifest.

use crate::book::Book;
use crate::entries::Publishing;
use crate::shared::Shared;
use crate::view::timestamp;
use motet_common::log::{Leaf, Publication};
use motet_common::manifest::{
    FILE_NAME, FORMAT, File, Manifest, Privacy, RoundRecord, files_digest,
};
use motet_common::proof::{Check, LedgerProof, Proven};
use motet_common::refusal::{Code, Refusal};
use motet_release::Ending;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::note::{Note, NoteError};
use motet_secagg::sign::{SecretKey, Signature};

/// A result, fixed: what every site of it can make again, with its files.
pub(crate) struct Written {
    pub(crate) publishing: Publishing,
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// The result of the finished recipe. It follows from what is on record, so that a coordinator that
/// begins again comes to the same.
pub(crate) fn write(book: &Book, governance: Digest) -> Result<Written, Refusal> {
    // Why there is no result, where there is none.
    let outcome = book.chain.recipe().outcome(book.chain.state());
    outcome.map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))?;
    let last = book.past.last().ok_or(Code::RunUnknown)?;
    let Ok(Leaf::Release(release)) = Leaf::from_bytes(&last.released.release.leaf) else {
        return Err(Refusal::new(Code::Storage, "the last sum has no leaf"));
    };
    let runs = book.past_runs.iter().map(|(started, _)| started);
    let mut runs = runs.chain(book.run.iter().map(|run| &run.started));
    let run = runs.find(|started| started.run == release.run);
    let ending = Ending {
        study: &book.study,
        roster: book.roster(),
        governance,
        chain: &book.chain,
        run: release.run,
        // A clock that was set back in between ran ahead then.
        started: run.ok_or(Code::RunUnknown)?.at.min(last.at),
        finished: last.at,
    };
    let files = ending
        .files()
        .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))?;
    let publishing = Publishing {
        format: motet_release::FORMAT,
        run: release.run,
        files: entries(&files),
        started: ending.started,
        finished: ending.finished,
    };
    Ok(Written { publishing, files })
}

fn software() -> String {
    format!("motet {}", env!("CARGO_PKG_VERSION"))
}

impl Book {
    /// What would put the result on record, once it is fixed.
    pub(crate) fn publication(&self) -> Option<Publication> {
        let publishing = self.publishing.as_ref()?;
        Some(Publication {
            format: publishing.format,
            run: publishing.run,
            started: publishing.started,
            finished: publishing.finished,
            files: files_digest(&publishing.files),
            state_root: self.chain.root(),
            unchecked: self.unchecked,
            last_checked: self.due.is_some(),
        })
    }
}

fn entries(files: &[(String, Vec<u8>)]) -> Vec<File> {
    files
        .iter()
        .map(|(name, bytes)| File::of(name, bytes))
        .collect()
}

/// The signed manifest over the files and their leaf.
pub(crate) fn manifest(
    book: &Book,
    shared: &Shared,
    publishing: &Publishing,
) -> Result<(String, Vec<u8>), Refusal> {
    let key = &shared.keys.signing;
    let roster = book.roster();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let manifest = Manifest {
        format: FORMAT,
        consortium: roster.consortium.clone(),
        study: book.study.id.clone(),
        title: book.study.title.clone(),
        study_digest: book.digest,
        recipe: book.study.recipe.kind().to_owned(),
        run: publishing.run,
        state_root: book.chain.root(),
        rounds: count(book.past.len()),
        sites: count(book.chain.set().len()),
        roster_size: count(roster.entries.len()),
        roster_digest: roster.digest(),
        roster: book.proposed.roster.to_bytes(),
        governance: shared.keys.governance,
        governance_fingerprint: shared.keys.governance.fingerprint(),
        coordinator: key.public(),
        permits: permits(book),
        privacy: Privacy {
            mode: "none".to_owned(),
            epsilon: None,
        },
        software: software(),
        created: timestamp(publishing.finished),
        files: publishing.files.clone(),
        ledger: ledger_proof(book, &shared.keys.log)?,
        round_log: book
            .past
            .iter()
            .map(|past| RoundRecord {
                round: past.round,
                ask: past.ask,
                set: past.released.set.clone(),
                transcript: past.released.t3,
            })
            .collect(),
        signature: Signature([0; 64]),
    };
    let text = manifest
        .sign(key)
        .to_json()
        .map_err(|error| Refusal::new(Code::Storage, error.to_string()))?;
    Ok((FILE_NAME.to_owned(), text.into_bytes()))
}

/// The log's checkpoint with its witnesses, and every leaf that the result rests on.
fn ledger_proof(book: &Book, key: &SecretKey) -> Result<LedgerProof, Refusal> {
    let publication = book.published().ok_or(Code::Storage)?;
    let (log, point, cosigned) = (&book.log, book.log.point(), book.cosigned());
    let unsound = |error: NoteError| Refusal::new(Code::Storage, error.to_string());
    let mut note = Note::sign(point.clone(), &point.origin, key).map_err(unsound)?;
    for entry in &book.roster().entries {
        if let Some(cosignature) = cosigned.get(&entry.node) {
            note.add(&entry.name, &entry.witness, cosignature)
                .map_err(unsound)?;
        }
    }
    let released: Vec<Digest> = book.past.iter().map(|past| past.released.t3).collect();
    let counts = |leaf: &Vec<u8>| match Leaf::from_bytes(leaf) {
        Ok(Leaf::StudyOpen(_)) => true,
        Ok(Leaf::Commit(commit)) => released.contains(&commit.t3),
        Ok(Leaf::Release(_)) => true,
        _ => false,
    };
    let proven = |index: u64| {
        let leaf = log.leaves().get(usize::try_from(index).ok()?)?.clone();
        Some(Proven {
            index,
            leaf,
            inclusion: log.inclusion(index),
        })
    };
    let before = (0_u64..)
        .zip(log.leaves())
        .filter(|(_, leaf)| counts(leaf))
        .map(|(index, _)| index);
    let leaves = before
        .chain([publication])
        .map(proven)
        .collect::<Option<Vec<_>>>();
    Ok(LedgerProof {
        origin: point.origin,
        tree_size: point.size,
        root: point.root,
        checkpoint: note.to_string(),
        leaves: leaves.ok_or(Code::Storage)?,
        checks: book.checked.values().map(Check::of).collect(),
        remade: book.remakes.words(),
    })
}

/// The permits that stewards named when they approved.
fn permits(book: &Book) -> Vec<String> {
    let named = book
        .decisions
        .iter()
        .filter(|(node, _)| book.approved(**node));
    named
        .filter(|(_, signed)| !signed.decision.verdict.text().is_empty())
        .map(|(node, signed)| format!("{}: {}", book.name(*node), signed.decision.verdict.text()))
        .collect()
}
