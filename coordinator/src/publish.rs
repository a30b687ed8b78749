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
use motet_common::moment::Moment;
use motet_common::proof::{Check, LedgerProof, Proven};
use motet_common::refusal::{Code, Refusal};
use motet_common::study::{LEAST_CELL, LEAST_ROWS, SiteLoss};
use motet_recipes::AnyMethod;
use motet_release::{Context, LostSite, Site, Survival};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::note::{Note, NoteError};
use motet_secagg::sign::{SecretKey, Signature};

/// Name and content of every file but the manifest.
pub(crate) fn files(
    book: &Book,
    shared: &Shared,
    at: Moment,
) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
    let outcome = book
        .chain
        .recipe()
        .outcome(book.chain.state())
        .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))?;
    let findings = book
        .chain
        .recipe()
        .findings(book.chain.state())
        .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))?;
    motet_release::build(
        &outcome,
        &Context {
            findings,
            ..context(book, shared, at)
        },
    )
    .map_err(|error| Refusal::new(Code::RecipeFailed, error.to_string()))
}

fn context(book: &Book, shared: &Shared, at: Moment) -> Context {
    let study = &book.study;
    let roster = book.roster();
    let site = |node: &motet_secagg::id::NodeId| {
        roster
            .entry(*node)
            .map(|entry| (entry.name.clone(), entry.country.clone()))
    };
    let run = book.run.as_ref();
    Context {
        consortium: roster.consortium.clone(),
        study: study.id.clone(),
        title: study.title.clone(),
        question: study.question.clone(),
        purpose: study.purpose.clone(),
        dataset: study.data.dataset.clone(),
        outcome: study.data.outcome.clone().unwrap_or_default(),
        filter: study.data.filter.as_ref().map(ToString::to_string),
        weight: study.data.weight.clone(),
        features: study.data.features.clone(),
        run: run.map(|run| run.started.run.hex()).unwrap_or_default(),
        recipe: study.recipe.kind().to_owned(),
        parameters: study.parameters(),
        survival: Survival::of(&study.recipe),
        tolerance: match &study.recipe.method {
            AnyMethod::Glm(recipe) => Some(recipe.tolerance),
            AnyMethod::Cox(recipe) => Some(recipe.tolerance),
            _ => None,
        },
        roster: roster
            .entries
            .iter()
            .map(|entry| Site {
                name: entry.name.clone(),
                country: entry.country.clone(),
            })
            .collect(),
        sites: book
            .chain
            .set()
            .iter()
            .filter_map(site)
            .map(|(name, country)| Site { name, country })
            .collect(),
        sites_lost: book
            .lost
            .iter()
            .filter_map(|(node, round)| {
                let (name, country) = site(node)?;
                Some(LostSite {
                    name,
                    country,
                    round: u32::try_from(*round).unwrap_or(u32::MAX),
                })
            })
            .collect(),
        sites_absent: book
            .absent()
            .filter_map(|node| site(&node))
            .map(|(name, country)| Site { name, country })
            .collect(),
        on_site_loss: match study.rounds.on_site_loss {
            SiteLoss::Pause => "pause".to_owned(),
            SiteLoss::Continue => "continue".to_owned(),
        },
        min_sites: study.privacy.min_sites,
        min_rows: u64::from(study.privacy.min_rows.max(LEAST_ROWS)),
        colluders: u32::from(roster.colluders),
        smallest_cell: u64::from(study.cell().unwrap_or(LEAST_CELL).max(study.first_cell())),
        started: run.map(|run| timestamp(run.started.at)).unwrap_or_default(),
        finished: timestamp(at),
        bytes_up: Some(book.bytes_up),
        governance: shared.keys.governance.fingerprint().hex(),
        software: software(),
        ..Context::default()
    }
}

fn software() -> String {
    format!("motet {}", env!("CARGO_PKG_VERSION"))
}

impl Publishing {
    /// The leaf that puts the folder on record.
    pub(crate) fn leaf(&self, book: &Book) -> Vec<u8> {
        let files = files_digest(&self.files);
        let (state_root, unchecked) = (book.chain.root(), book.unchecked);
        let (run, last_checked) = (self.run, book.due.is_some());
        Leaf::Publication(Publication {
            run,
            files,
            state_root,
            unchecked,
            last_checked,
        })
        .to_bytes()
    }
}

pub(crate) fn entries(files: &[(String, Vec<u8>)]) -> Vec<File> {
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
        created: timestamp(publishing.at),
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
