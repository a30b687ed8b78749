//! A ledger that lost its end, or a file, is refused and never begun again: a chain alone cannot
//! show that its end is missing.

use motet_ledger::{Ledger, LedgerError};
use std::fs;
use std::path::Path;

/// A copy of what a process that is killed now would leave.
fn killed(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

async fn refused(dir: &Path) -> LedgerError {
    match Ledger::open(dir).await {
        Err(error) => error,
        Ok(_) => panic!("it opened"),
    }
}

#[tokio::test]
async fn a_flipped_byte_in_the_write_ahead_log_never_rolls_the_ledger_back_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let ledger = Ledger::create(&home).await.unwrap();
    for turn in 0..12_u8 {
        ledger.append_next("study/a", &[turn; 300]).await.unwrap();
        ledger.append_next("members", &[turn; 40]).await.unwrap();
    }
    let due = (
        ledger.version("study/a").await.unwrap(),
        ledger.version("members").await.unwrap(),
    );
    let snapshot = dir.path().join("snapshot");
    killed(&home, &snapshot);
    drop(ledger);
    let log = fs::read(snapshot.join("ledger.sqlite-wal")).unwrap();
    assert!(log.len() > 50_000, "{} bytes", log.len());
    let mut refusals = 0;
    for at in (0..log.len()).step_by(1499) {
        let copy = dir.path().join(format!("flip-{at}"));
        killed(&snapshot, &copy);
        let mut bytes = log.clone();
        bytes[at] ^= 0x20;
        fs::write(copy.join("ledger.sqlite-wal"), &bytes).unwrap();
        match Ledger::open(&copy).await {
            Ok(ledger) => {
                // A byte of a frame that a later one replaces, or of a checksum nobody reads.
                let found = (
                    ledger.version("study/a").await.unwrap(),
                    ledger.version("members").await.unwrap(),
                );
                assert_eq!(found, due, "byte {at}");
                assert!(ledger.verify().await.unwrap().is_sound(), "byte {at}");
                ledger.close().await;
            }
            Err(LedgerError::Behind { .. } | LedgerError::Damaged { .. }) => {
                refusals += 1;
                assert_eq!(
                    fs::read(copy.join("ledger.sqlite-wal")).unwrap(),
                    bytes,
                    "evidence stays as it is"
                );
            }
            Err(other) => panic!("byte {at}: {other}"),
        }
        fs::remove_dir_all(copy).unwrap();
    }
    assert!(refusals > 5, "{refusals} refusals");
}

#[tokio::test]
async fn a_missing_file_is_named_and_nothing_is_begun_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let error = refused(&home).await;
    assert!(matches!(error, LedgerError::NoLedger { .. }), "{error}");
    assert!(!home.exists(), "opening makes nothing");
    let ledger = Ledger::create(&home).await.unwrap();
    ledger.append_next("sites", b"amsterdam").await.unwrap();
    for missing in ["ledger.sqlite", "ledger.sqlite-wal", "ledger.head"] {
        let copy = dir.path().join(missing.replace('.', "-"));
        killed(&home, &copy);
        fs::remove_file(copy.join(missing)).unwrap();
        let error = refused(&copy).await;
        match missing {
            "ledger.sqlite" => assert!(matches!(error, LedgerError::NoLedger { .. }), "{error}"),
            "ledger.head" => assert!(matches!(error, LedgerError::NoHeads { .. }), "{error}"),
            _ => assert!(matches!(error, LedgerError::Behind { .. }), "{error}"),
        }
        let file = if missing.ends_with("head") {
            "ledger.head"
        } else {
            "ledger.sqlite"
        };
        assert!(error.to_string().contains(file), "{error}");
        assert!(!copy.join(missing).exists() || missing.ends_with("wal"));
        assert!(matches!(
            Ledger::create(&copy).await,
            Err(LedgerError::Taken { .. })
        ));
    }
}

#[tokio::test]
async fn a_ledger_that_is_ahead_of_its_head_is_a_crash_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("home"), dir.path().join("copy"));
    let ledger = Ledger::create(&home).await.unwrap();
    ledger.append_next("sites", b"amsterdam").await.unwrap();
    let before = fs::read(home.join("ledger.head")).unwrap();
    ledger.append_next("sites", b"barcelona").await.unwrap();
    ledger.append_next("studies", b"heart").await.unwrap();
    killed(&home, &copy);
    let after = fs::read(copy.join("ledger.head")).unwrap();
    for torn in [before.len(), before.len() + 7, after.len() - 1] {
        fs::write(copy.join("ledger.head"), &after[..torn]).unwrap();
        let again = Ledger::open(&copy).await.unwrap();
        assert_eq!(again.version("sites").await.unwrap(), 2);
        assert!(again.verify().await.unwrap().is_sound());
        again.close().await;
        // It has caught up: from here on the end cannot be lost.
        let text = fs::read_to_string(copy.join("ledger.head")).unwrap();
        assert!(
            text.contains("sites 2 ") && text.contains("studies 1 "),
            "{text}"
        );
    }
}

#[tokio::test]
async fn an_entry_that_was_replaced_by_another_is_refused() {
    use sqlx::Connection as _;
    let dir = tempfile::tempdir().unwrap();
    let (home, other) = (dir.path().join("home"), dir.path().join("other"));
    for (place, entry) in [(&home, "amsterdam"), (&other, "antwerp")] {
        let ledger = Ledger::create(place).await.unwrap();
        ledger.append_next("sites", entry.as_bytes()).await.unwrap();
        ledger.close().await;
    }
    // A database of the same consortium, say, whose chains all hold.
    fs::copy(other.join("ledger.sqlite"), home.join("ledger.sqlite")).unwrap();
    let error = refused(&home).await;
    assert!(
        matches!(&error, LedgerError::Behind { found, .. } if found == "another entry"),
        "{error}"
    );
    let mut raw = sqlx::SqliteConnection::connect(&format!(
        "sqlite://{}",
        other.join("ledger.sqlite").display()
    ))
    .await
    .unwrap();
    sqlx::raw_sql("DROP TRIGGER entry_remains; DELETE FROM entry")
        .execute(&mut raw)
        .await
        .unwrap();
    raw.close().await.unwrap();
    let error = refused(&other).await;
    assert!(
        error
            .to_string()
            .contains("0 entries of stream `sites`, but entry 1 was written"),
        "{error}"
    );
}

#[tokio::test]
async fn a_missing_or_damaged_head_is_accepted_by_a_person_and_a_ledger_behind_a_sound_one_is_not()
{
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let ledger = Ledger::create(&home).await.unwrap();
    ledger.append_next("sites", b"amsterdam").await.unwrap();
    ledger.append_next("sites", b"barcelona").await.unwrap();
    ledger.close().await;
    let head = home.join("ledger.head");
    let whole = fs::read(&head).unwrap();
    for damaged in [None, Some(b"?".to_vec()), Some(whole[..10].to_vec())] {
        match &damaged {
            None => fs::remove_file(&head).unwrap(),
            Some(bytes) => fs::write(&head, bytes).unwrap(),
        }
        let error = refused(&home).await;
        assert!(
            error.to_string().contains("ledger.head") && error.to_string().contains("accept"),
            "{error}"
        );
        assert!(Ledger::accept(&home).await.unwrap().is_sound());
        Ledger::open(&home).await.unwrap().close().await;
    }
    let behind = dir.path().join("behind");
    Ledger::create(&behind).await.unwrap().close().await;
    fs::copy(&head, behind.join("ledger.head")).unwrap();
    let error = Ledger::accept(&behind).await.unwrap_err();
    assert!(matches!(error, LedgerError::Behind { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_replaced_under_a_running_process_is_noticed_at_the_next_append() {
    let dir = tempfile::tempdir().unwrap();
    let (home, away) = (dir.path().join("home"), dir.path().join("away"));
    let ledger = Ledger::create(&home).await.unwrap();
    ledger.append_next("sites", b"amsterdam").await.unwrap();
    fs::rename(&home, &away).unwrap();
    killed(&away, &home);
    let error = ledger.append_next("sites", b"barcelona").await.unwrap_err();
    assert!(matches!(error, LedgerError::Moved { .. }), "{error}");
    // What lies in its place was not written to.
    let copy = Ledger::open(&home).await.unwrap();
    assert_eq!(copy.version("sites").await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_written_does_not_live_in_the_write_ahead_log_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).await.unwrap();
    let log = dir.path().join("ledger.sqlite-wal");
    let length = || fs::metadata(&log).map_or(0, |found| found.len());
    for turn in 0..200_u8 {
        ledger.append_next("sites", &[turn; 4000]).await.unwrap();
    }
    assert!(length() < 2 << 20, "{} bytes after 200 appends", length());
    let mut waited = 0;
    while length() > 0 {
        // Emptied when nothing is appended for a few seconds; the limit only bounds a hang.
        assert!(waited < 600, "{} bytes stay in the log", length());
        waited += 1;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
