//! What only files can suffer: a killed process, a flipped byte, another program's file, an
//! interrupted upload.

use motet_ledger::{Fault, Ledger, LedgerError, Spool};
use sqlx::{Connection as _, SqliteConnection};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CHILD: &str = "MOTET_LEDGER_TEST_CHILD";

async fn raw(dir: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}?mode=rwc", dir.join("ledger.sqlite").display());
    SqliteConnection::connect(&url).await.unwrap()
}

/// Flips one bit of the only place in `file` that holds `bytes`.
fn flip(file: &Path, bytes: &[u8]) {
    let mut content = fs::read(file).unwrap();
    let places: Vec<usize> = content
        .windows(bytes.len())
        .enumerate()
        .filter(|(_, w)| *w == bytes)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(places.len(), 1, "{} holds the bytes once", file.display());
    content[places[0]] ^= 1;
    fs::write(file, content).unwrap();
}

fn only_file_below(dir: &Path) -> PathBuf {
    let entry = fs::read_dir(dir).unwrap().next().unwrap().unwrap();
    if entry.path().is_dir() {
        only_file_below(&entry.path())
    } else {
        entry.path()
    }
}

#[tokio::test]
async fn a_flipped_byte_in_the_database_is_named_and_never_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).await.unwrap();
    for entry in ["amsterdam", "barcelona", "cluj"] {
        ledger.append_next("sites", entry.as_bytes()).await.unwrap();
    }
    ledger.append_next("other", b"untouched").await.unwrap();
    ledger.close().await;
    flip(&dir.path().join("ledger.sqlite"), b"barcelona");

    let ledger = Ledger::open(dir.path()).await.unwrap();
    let report = ledger.verify().await.unwrap();
    assert_eq!(
        report.faults,
        [Fault::Entry {
            stream: "sites".into(),
            version: 2
        }]
    );
    assert_eq!(report.heads[1].version, 1, "the last sound entry");
    let error = ledger.read("sites", 1).await.unwrap_err();
    assert!(
        matches!(error, LedgerError::Broken { version: 2, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("ledger.sqlite") && error.to_string().contains("keep this copy"),
        "{error}"
    );
    assert_eq!(ledger.read("other", 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_flipped_byte_in_a_blob_is_named_and_putting_it_again_mends_it() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).await.unwrap();
    let digest = ledger
        .put_blob(b"the masked sum of round three")
        .await
        .unwrap();
    let file = only_file_below(&dir.path().join("blobs"));
    // What a crash in the middle of a write leaves behind disturbs nobody.
    fs::write(file.with_extension("0123456789abcdef.part"), b"half").unwrap();
    flip(&file, b"round three");

    let error = ledger.get_blob(&digest).await.unwrap_err();
    assert!(matches!(error, LedgerError::BlobCorrupt { .. }), "{error}");
    assert!(
        error.to_string().contains(&file.display().to_string()),
        "{error}"
    );
    let report = ledger.verify().await.unwrap();
    assert!(
        matches!(&report.faults[..], [Fault::Blob { digest: named, .. }] if *named == digest),
        "{report:?}"
    );
    assert_eq!(report.blobs, 1);

    ledger
        .put_blob(b"the masked sum of round three")
        .await
        .unwrap();
    assert!(ledger.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn the_database_itself_refuses_to_change_or_delete_an_entry() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).await.unwrap();
    ledger.append_next("study", b"decided").await.unwrap();
    let mut raw = raw(dir.path()).await;
    for change in ["UPDATE entry SET entry = x'00'", "DELETE FROM entry"] {
        let refused = sqlx::query(change).execute(&mut raw).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(ledger.read("study", 1).await.unwrap()[0].entry, b"decided");
}

#[tokio::test]
async fn a_newer_schema_and_another_programs_file_are_refused_untouched() {
    for (change, newer) in [
        ("PRAGMA user_version = 7", true),
        ("CREATE TABLE patients (id TEXT)", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        Ledger::create(dir.path()).await.unwrap().close().await;
        if !newer {
            fs::remove_file(dir.path().join("ledger.sqlite")).unwrap();
        }
        let mut other = raw(dir.path()).await;
        sqlx::raw_sql(change).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let before = fs::read(dir.path().join("ledger.sqlite")).unwrap();

        let error = Ledger::open(dir.path()).await.err().unwrap();
        assert!(error.to_string().contains("ledger.sqlite"), "{error}");
        match error {
            LedgerError::Newer {
                found: 7, known: 1, ..
            } => assert!(newer),
            LedgerError::Foreign { .. } => assert!(!newer),
            other => panic!("{other}"),
        }
        assert_eq!(fs::read(dir.path().join("ledger.sqlite")).unwrap(), before);
    }
}

#[tokio::test]
async fn a_ledger_that_was_closed_says_that_the_process_stops_and_blames_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(folder.path()).await.unwrap();
    ledger.append("a", 0, b"one").await.unwrap();
    assert!(!ledger.is_closed());
    let other = ledger.clone();
    other.close().await;
    assert!(ledger.is_closed());
    assert!(matches!(
        ledger.append("a", 1, b"two").await,
        Err(LedgerError::Stopping)
    ));
    assert!(matches!(
        ledger.append_next("a", b"two").await,
        Err(LedgerError::Stopping)
    ));
    assert!(matches!(
        ledger.read("a", 1).await,
        Err(LedgerError::Stopping)
    ));
    assert!(matches!(
        ledger.streams("").await,
        Err(LedgerError::Stopping)
    ));
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("taken");
    fs::write(&file, b"").unwrap();
    let error = Ledger::create(&file.join("ledger"))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("taken") && error.contains("may write"),
        "{error}"
    );
    Ledger::create(dir.path()).await.unwrap().close().await;
    fs::write(
        dir.path().join("ledger.sqlite"),
        b"this is no database at all, but long enough to be read as one",
    )
    .unwrap();
    let error = Ledger::open(dir.path()).await.err().unwrap().to_string();
    assert!(error.contains("ledger.sqlite"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_folder_may_be_opened_by_many_at_the_same_moment() {
    let dir = tempfile::tempdir().unwrap();
    Ledger::create(&dir.path().join("new/folder"))
        .await
        .unwrap()
        .close()
        .await;
    let openers: Vec<_> = (0..8_u8)
        .map(|opener| {
            let path = dir.path().join("new/folder");
            tokio::spawn(async move {
                let ledger = Ledger::open(&path).await.unwrap();
                ledger.append_next("opened", &[opener]).await.unwrap();
            })
        })
        .collect();
    for opener in openers {
        opener.await.unwrap();
    }
    let ledger = Ledger::open(&dir.path().join("new/folder")).await.unwrap();
    assert_eq!(ledger.read("opened", 1).await.unwrap().len(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_waits_while_another_process_writes() {
    let dir = tempfile::tempdir().unwrap();
    Ledger::create(dir.path()).await.unwrap().close().await;
    let mut other = raw(dir.path()).await;
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    let path = dir.path().to_path_buf();
    let opening = tokio::spawn(async move { Ledger::open(&path).await.map(|_| ()) });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(!opening.is_finished(), "it waits instead of failing");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    opening.await.unwrap().unwrap();
}

/// Not a test of its own: the process that the next test kills. Run by hand it has nothing to do
/// and passes.
#[tokio::test]
async fn child_that_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let ledger = Ledger::open(Path::new(&dir)).await.unwrap();
    for turn in 0_u64.. {
        let digest = ledger
            .put_blob(&turn.to_le_bytes().repeat(1000))
            .await
            .unwrap();
        let recorded = ledger.append_next("child", &digest.0).await.unwrap();
        println!("\npromised {}", recorded.version);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_was_promised() {
    let dir = tempfile::tempdir().unwrap();
    let mine = Ledger::create(dir.path()).await.unwrap();
    for _ in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "files::child_that_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let mut promised =
            lines.filter_map(|line| line.strip_prefix("promised ")?.parse::<u64>().ok());
        // Two processes write to one file meanwhile.
        let last = promised.by_ref().take(8).last().unwrap();
        mine.append_next("mine", &last.to_le_bytes()).await.unwrap();
        let last = promised.by_ref().take(3).last().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let last = promised.last().unwrap_or(last);

        let after = Ledger::open(dir.path()).await.unwrap();
        let entries = after.read("child", 1).await.unwrap();
        assert!(
            entries.len() as u64 >= last,
            "promised {last}, found {}",
            entries.len()
        );
        for recorded in &entries {
            let digest = motet_secagg::digest::Digest(recorded.entry.clone().try_into().unwrap());
            assert_eq!(after.get_blob(&digest).await.unwrap().len(), 8000);
        }
        assert!(after.verify().await.unwrap().is_sound());
    }
    assert_eq!(mine.version("mine").await.unwrap(), 3);
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), "run-7.round-2").await.unwrap();
    assert_eq!(spool.missing(0).await.unwrap(), None);
    assert_eq!(spool.missing(3).await.unwrap(), Some(0));
    spool.write_chunk(0, b"zero").await.unwrap();
    spool.write_chunk(2, b"").await.unwrap();
    fs::write(
        dir.path()
            .join("spools/run-7.round-2/1.0123456789abcdef.part"),
        b"ha",
    )
    .unwrap();

    let spool = Spool::open(dir.path(), "run-7.round-2").await.unwrap();
    assert_eq!(spool.missing(3).await.unwrap(), Some(1));
    assert!(matches!(
        spool.read_chunk(1).await,
        Err(LedgerError::ChunkMissing { index: 1, .. })
    ));
    spool.write_chunk(1, b"one").await.unwrap();
    spool.write_chunk(1, b"one").await.unwrap();
    assert!(matches!(
        spool.write_chunk(1, b"two").await,
        Err(LedgerError::ChunkDiffers { index: 1, .. })
    ));
    assert_eq!(spool.missing(3).await.unwrap(), None);
    assert_eq!(spool.missing(4).await.unwrap(), Some(3));
    let chunks = [
        spool.read_chunk(0).await,
        spool.read_chunk(1).await,
        spool.read_chunk(2).await,
    ];
    assert_eq!(chunks.map(Result::unwrap), [&b"zero"[..], b"one", b""]);

    for _ in 0..2 {
        Spool::remove(dir.path(), "run-7.round-2").await.unwrap();
        assert!(!dir.path().join("spools/run-7.round-2").exists());
    }
    assert!(matches!(
        Spool::remove(dir.path(), "../x").await,
        Err(LedgerError::Name { .. })
    ));
}

#[tokio::test]
async fn the_beginning_of_a_chunk_is_kept_for_that_chunk_alone() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), "cut").await.unwrap();
    assert_eq!(spool.read_part(0).await.unwrap(), b"");
    spool.write_part(1, b"begin").await.unwrap();
    assert_eq!(spool.read_part(0).await.unwrap(), b"");
    assert_eq!(spool.read_part(1).await.unwrap(), b"begin");
    assert_eq!(
        spool.missing(2).await.unwrap(),
        Some(0),
        "a part is no chunk"
    );
    spool.write_part(2, b"").await.unwrap();
    assert_eq!(spool.read_part(1).await.unwrap(), b"");
}

#[tokio::test]
async fn a_spool_name_cannot_lead_out_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        ".hidden",
        "a b",
        &"x".repeat(121),
    ] {
        assert!(
            matches!(
                Spool::open(dir.path(), name).await,
                Err(LedgerError::Name { .. })
            ),
            "{name:?}"
        );
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn only_this_user_may_look_into_a_new_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("state");
    Ledger::create(&home).await.unwrap().close().await;
    assert_eq!(
        fs::metadata(&home).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn room_is_tried_without_leaving_anything_and_a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::create(dir.path()).await.unwrap();
    let names = || {
        fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    let before = names();
    ledger.room().await.unwrap();
    assert_eq!(names(), before);
    // A folder of that name stands for a disk that refuses.
    fs::create_dir(dir.path().join("room")).unwrap();
    let error = ledger.room().await.unwrap_err().to_string();
    assert!(
        error.contains("room") && error.contains("check that the disk has room"),
        "{error}"
    );
    fs::remove_dir(dir.path().join("room")).unwrap();
    ledger.room().await.unwrap();
    Ledger::memory().room().await.unwrap();
}
