//! What a backup of the coordinator has to know: which blobs its entries name, which keys it has,
//! and that a ledger was restored, so that no round goes on that the nodes may have taken further.

use crate::entries::{Restored, StudyEntry};
use anyhow::bail;
use motet_common::moment::Moment;
use motet_common::round::Entry;
use motet_ledger::{Ledger, LedgerError};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use std::collections::BTreeMap;
use std::path::Path;

/// The files in the keys folder.
pub const KEYS: [&str; 6] = [
    "authority.pem",
    "authority.key",
    "server.pem",
    "server.key",
    "signing.key",
    "log.key",
];

/// The folder inside the state folder in which a restore is put together before it is moved into
/// place.
pub const DRAFT: &str = "restoring";

/// Entries are added by `motet backup restore` alone.
const STREAM: &str = "restores";

/// The blobs that an entry names: sums, their evidence, the files of releases.
pub fn names(stream: &str, entry: &[u8]) -> Vec<Digest> {
    if !stream.starts_with("study/") {
        return Vec::new();
    }
    match StudyEntry::from_bytes(entry) {
        Ok(StudyEntry::Round(Entry::Folded(folded))) => vec![folded.aggregate, folded.evidence],
        Ok(StudyEntry::Publishing(publishing)) => {
            publishing.files.iter().map(|file| file.sha256).collect()
        }
        Ok(StudyEntry::RunEnded(ended)) => ended.files.iter().map(|(_, digest)| *digest).collect(),
        _ => Vec::new(),
    }
}

/// What is wrong with the blobs that entries of the ledger name, one sentence each: a chain does
/// not show that one is gone.
///
/// # Errors
/// When the ledger itself cannot be read.
pub async fn lacking(ledger: &Ledger) -> Result<Vec<String>, LedgerError> {
    let mut faults = Vec::new();
    for stream in ledger.streams("study/").await? {
        for recorded in ledger.read(&stream, 1).await? {
            for digest in names(&stream, &recorded.entry) {
                if let Err(error @ LedgerError::BlobMissing { .. }) = ledger.get_blob(&digest).await
                {
                    faults.push(format!(
                        "entry `{}` of stream `{stream}` names what is gone: {error}",
                        recorded.version
                    ));
                }
            }
        }
    }
    Ok(faults)
}

/// Writes into a restored ledger that it was restored, and where its studies stood.
///
/// # Errors
/// When the ledger cannot be read or written.
pub async fn note(ledger: &Ledger, at: Moment) -> anyhow::Result<()> {
    let mut studies = Vec::new();
    for stream in ledger.streams("study/").await? {
        let version = ledger.version(&stream).await?;
        studies.push((stream, version));
    }
    ledger
        .append_next(STREAM, &Restored { at, studies }.to_bytes())
        .await?;
    Ok(())
}

/// Where each study stood when the ledger was restored last; empty for one that never was.
pub(crate) async fn restored(ledger: &Ledger) -> anyhow::Result<BTreeMap<String, u64>> {
    let last = ledger.version(STREAM).await?;
    let entries = ledger.read(STREAM, last).await?;
    let Some(entry) = entries.last() else {
        return Ok(BTreeMap::new());
    };
    Ok(Restored::from_bytes(&entry.entry)?
        .studies
        .into_iter()
        .collect())
}

/// Refuses a state folder that is not there: it is made with a ledger in it by `motet init`, and
/// put back by a restore.
pub(crate) fn refuse_missing(state: &Path) -> anyhow::Result<()> {
    if !state.is_dir() {
        bail!(
            "the state folder `{}` is not there: name the folder that `motet \
             init` made as `state` in coordinator.toml, or \
             put it back with `motet backup restore`",
            state.display()
        );
    }
    Ok(())
}

/// A ledger that is not whole is put back from a backup, or nothing goes on.
pub(crate) fn or_restore(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<LedgerError>() {
        Some(LedgerError::NoHeads { .. } | LedgerError::Heads { .. }) => {
            anyhow::anyhow!("{error:#} (`motet ledger accept --config FILE` at a coordinator)")
        }
        Some(lost) if lost.is_loss() => {
            anyhow::anyhow!(
                "{error:#}; put a backup back with `motet backup restore` into an empty folder"
            )
        }
        _ => error,
    }
}

/// Refuses a folder in which a restore did not finish: a coordinator would begin an empty ledger
/// beside it.
pub(crate) fn refuse_draft(state: &Path) -> anyhow::Result<()> {
    if state.join(DRAFT).exists() {
        bail!(
            "a restore into `{}` did not finish: empty the folder and run `motet backup restore` again",
            state.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::{End, RunEnded};
    use motet_common::round::Folded;
    use motet_secagg::id::RunId;

    #[test]
    fn every_entry_that_names_blobs_is_read_for_them() {
        let digest = |byte| Digest([byte; 32]);
        let folded = Folded {
            aggregate: digest(1),
            evidence: digest(2),
            state_root: digest(3),
        };
        let folded = StudyEntry::Round(Entry::Folded(folded)).to_bytes();
        assert_eq!(names("study/a/b", &folded), [digest(1), digest(2)]);
        assert_eq!(names("log/a/b", &folded), []);
        let ended = RunEnded {
            run: RunId([0; 16]),
            end: End::Released,
            detail: String::new(),
            files: vec![("card.md".to_owned(), digest(4))],
            at: Moment { ms: 1 },
        };
        assert_eq!(
            names("study/a/b", &StudyEntry::RunEnded(ended).to_bytes()),
            [digest(4)]
        );
        assert_eq!(names("study/a/b", b"?"), []);
    }

    #[tokio::test]
    async fn a_restore_is_on_record_with_where_every_study_stood() {
        let ledger = Ledger::memory();
        assert!(restored(&ledger).await.unwrap().is_empty());
        ledger.append_next("study/a/b", b"1").await.unwrap();
        ledger.append_next("study/a/b", b"2").await.unwrap();
        note(&ledger, Moment { ms: 7 }).await.unwrap();
        ledger.append_next("study/a/b", b"3").await.unwrap();
        assert_eq!(
            restored(&ledger).await.unwrap(),
            BTreeMap::from([("study/a/b".to_owned(), 2)])
        );
    }
}
