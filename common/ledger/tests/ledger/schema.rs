//! A ledger as the first release wrote it, opened by this one.

use motet_ledger::{Ledger, LedgerError, START, link};
use sqlx::{Connection as _, SqliteConnection};
use std::path::Path;

/// Schema 1 as it was written first. It never changes: files that hold it are out there.
const SCHEMA_1: &str = "
    CREATE TABLE entry (
        stream  TEXT    NOT NULL,
        version INTEGER NOT NULL CHECK (version >= 1),
        entry   BLOB    NOT NULL,
        chain   BLOB    NOT NULL CHECK (length(chain) = 32),
        PRIMARY KEY (stream, version)
    ) STRICT;
    CREATE TRIGGER entry_stays BEFORE UPDATE ON entry
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    CREATE TRIGGER entry_remains BEFORE DELETE ON entry
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
    PRAGMA user_version = 1;
";

/// Chains of the entries below, computed apart from this crate as `GOLDEN` in `src/record.rs` was.
const ENTRIES: [(&str, i64, &[u8], &str); 3] = [
    (
        "s",
        1,
        b"x",
        "056338f2fe6742829623a4c0c16fda0340d6a0f7d70110a6e77de1498c990f79",
    ),
    (
        "s",
        2,
        b"y",
        "4feb7339f3d7cb8dd58b336f8d76dfc4e46d07852c4dacedb699699cf3f0e281",
    ),
    (
        "members",
        1,
        b"",
        "555bc0534724f3ae5ffa11da6d83195a6b8f78959928226915c4cf5251a7ef51",
    ),
];

async fn written_by_the_first_release(dir: &Path) {
    let url = format!("sqlite://{}?mode=rwc", dir.join("ledger.sqlite").display());
    let mut file = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("PRAGMA journal_mode = WAL")
        .execute(&mut file)
        .await
        .unwrap();
    sqlx::raw_sql(SCHEMA_1).execute(&mut file).await.unwrap();
    for (stream, version, entry, chain) in ENTRIES {
        let chain: Vec<u8> = chain
            .as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect();
        sqlx::query("INSERT INTO entry (stream, version, entry, chain) VALUES ($1, $2, $3, $4)")
            .bind(stream)
            .bind(version)
            .bind(entry)
            .bind(chain)
            .execute(&mut file)
            .await
            .unwrap();
    }
    file.close().await.unwrap();
    assert!(Ledger::accept(dir).await.unwrap().is_sound());
}

#[tokio::test]
async fn a_file_of_schema_1_keeps_every_entry_and_takes_new_ones() {
    let dir = tempfile::tempdir().unwrap();
    written_by_the_first_release(dir.path()).await;
    let ledger = Ledger::open(dir.path()).await.unwrap();
    for (stream, version, entry, chain) in ENTRIES {
        let recorded = ledger.read(stream, 1).await.unwrap();
        let found = recorded
            .iter()
            .find(|found| i64::try_from(found.version) == Ok(version))
            .unwrap();
        assert_eq!(
            (found.entry.as_slice(), found.chain.hex().as_str()),
            (entry, chain)
        );
    }
    let next = ledger.append("members", 1, b"lyon").await.unwrap();
    let first = link(START, "members", 1, b"");
    assert_eq!(next.chain, link(first, "members", 2, b"lyon"));
    assert!(ledger.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn the_first_releases_file_is_still_append_only() {
    let dir = tempfile::tempdir().unwrap();
    written_by_the_first_release(dir.path()).await;
    Ledger::open(dir.path()).await.unwrap().close().await;
    let url = format!("sqlite://{}", dir.path().join("ledger.sqlite").display());
    let mut file = SqliteConnection::connect(&url).await.unwrap();
    assert!(
        sqlx::raw_sql("DELETE FROM entry")
            .execute(&mut file)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_appender_who_has_not_seen_the_old_entries_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    written_by_the_first_release(dir.path()).await;
    let ledger = Ledger::open(dir.path()).await.unwrap();
    let error = ledger.append("s", 0, b"z").await.unwrap_err();
    assert!(
        matches!(error, LedgerError::Conflict { found: 2, .. }),
        "{error}"
    );
}
