//! A copy of a ledger that is taken while somebody writes: whole, of one moment, and every change
//! to it is named.

use motet_ledger::backup::{self, Snapshot};
use motet_ledger::{Ledger, LedgerError};
use motet_secagg::digest::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Entries of the stream `sums` are digests of blobs.
fn names(stream: &str, entry: &[u8]) -> Vec<Digest> {
    let digest = <[u8; 32]>::try_from(entry)
        .ok()
        .filter(|_| stream == "sums");
    digest.map(Digest).into_iter().collect()
}

async fn filled(dir: &Path) -> (Ledger, Digest) {
    let ledger = Ledger::create(dir).await.unwrap();
    ledger.append_next("sites", b"amsterdam").await.unwrap();
    ledger.append_next("sites", b"barcelona").await.unwrap();
    let sum = ledger.put_blob(b"the sum of round three").await.unwrap();
    ledger.append_next("sums", &sum.0).await.unwrap();
    ledger.put_blob(b"no entry names this").await.unwrap();
    (ledger, sum)
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path))
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()))
        }
    }
    all.sort();
    all
}

async fn faults(dir: &Path, snapshot: &Snapshot) -> String {
    backup::verify(dir, snapshot, &names)
        .await
        .unwrap()
        .faults
        .join("\n")
}

#[tokio::test]
async fn a_backup_holds_the_entries_and_the_blobs_they_name_and_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy, back) = (
        dir.path().join("a"),
        dir.path().join("b"),
        dir.path().join("c"),
    );
    let (ledger, sum) = filled(&home).await;
    let snapshot = backup::make(&home, &copy, &names).await.unwrap();
    assert_eq!(
        snapshot
            .blobs
            .iter()
            .map(|blob| blob.sha256.clone())
            .collect::<Vec<_>>(),
        [sum.hex()]
    );
    assert_eq!(
        snapshot
            .streams
            .iter()
            .map(|end| end.version)
            .collect::<Vec<_>>(),
        [2, 1]
    );
    // Checking changes nothing, not even beside the database.
    let before = files(&copy);
    let checked = backup::verify(&copy, &snapshot, &names).await.unwrap();
    assert_eq!((checked.entries, checked.faults), (3, Vec::new()));
    assert_eq!(files(&copy), before);

    // What was appended later is not in it.
    ledger.append_next("sites", b"cluj").await.unwrap();
    backup::restore(&copy, &snapshot, &back).await.unwrap();
    let restored = Ledger::open(&back).await.unwrap();
    assert_eq!(restored.version("sites").await.unwrap(), 2);
    assert_eq!(
        restored.get_blob(&sum).await.unwrap(),
        b"the sum of round three"
    );
    assert!(restored.verify().await.unwrap().is_sound());
    restored.append("sites", 2, b"dublin").await.unwrap();
}

#[tokio::test]
async fn a_changed_byte_anywhere_in_a_backup_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("a"), dir.path().join("b"));
    let (_ledger, sum) = filled(&home).await;
    let snapshot = backup::make(&home, &copy, &names).await.unwrap();
    for (path, bytes) in files(&copy) {
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        fs::write(&path, changed).unwrap();
        let found = faults(&copy, &snapshot).await;
        assert!(
            found.contains(&path.display().to_string()),
            "{}: {found}",
            path.display()
        );
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(faults(&copy, &snapshot).await, "");
    let blob = copy
        .join("blobs")
        .join(&sum.hex()[..2])
        .join(&sum.hex()[2..]);
    fs::remove_file(blob).unwrap();
    assert!(faults(&copy, &snapshot).await.contains(&sum.hex()));
}

#[tokio::test]
async fn a_manifest_that_leaves_something_out_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("a"), dir.path().join("b"));
    let (_ledger, sum) = filled(&home).await;
    let snapshot = backup::make(&home, &copy, &names).await.unwrap();
    let shortened = Snapshot {
        blobs: Vec::new(),
        ..snapshot.clone()
    };
    assert!(faults(&copy, &shortened).await.contains(&sum.hex()));
    let mut other = snapshot.clone();
    other.streams.pop();
    assert!(faults(&copy, &other).await.contains("ends of the streams"));
}

#[tokio::test]
async fn what_does_not_hold_together_is_no_source_of_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("a"), dir.path().join("b"));
    let error = backup::make(&home, &copy, &names).await.unwrap_err();
    assert!(matches!(error, LedgerError::NoLedger { .. }), "{error}");
    assert!(!home.exists(), "looking for a ledger makes none");
    let (ledger, sum) = filled(&home).await;
    ledger.remove_blob(&sum).await.unwrap();
    let error = backup::make(&home, &copy, &names).await.unwrap_err();
    assert!(matches!(error, LedgerError::BlobMissing { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_others_write_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("a");
    let (ledger, _) = filled(&home).await;
    let done = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (ledger, done) = (ledger.clone(), Arc::clone(&done));
        async move {
            for index in 0_u32.. {
                // First the blob, then the entry that names it, in the same order as the
                // coordinator.
                let sum = ledger.put_blob(&index.to_le_bytes()).await.unwrap();
                ledger.append_next("sums", &sum.0).await.unwrap();
                if done.load(Ordering::Relaxed) {
                    return u64::from(index) + 2;
                }
            }
            0
        }
    });
    let mut last = 0;
    for index in 0..4 {
        let copy = dir.path().join(format!("copy-{index}"));
        let snapshot = backup::make(&home, &copy, &names).await.unwrap();
        assert_eq!(faults(&copy, &snapshot).await, "");
        let version = snapshot.streams.last().unwrap().version;
        assert!(version >= last, "{version} after {last}");
        last = version;
    }
    done.store(true, Ordering::Relaxed);
    assert_eq!(
        writing.await.unwrap(),
        ledger.version("sums").await.unwrap(),
        "nobody's append was lost"
    );
}
