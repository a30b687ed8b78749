//! The store of a daemon: one SQLite file that several processes of one machine open at once.
//!
//! One connection writes and a few read. Every append takes SQLite's write lock first (`BEGIN
//! IMMEDIATE`), looks at the head of the stream and only then inserts, so two processes cannot both
//! follow the same entry. Where streams end is noted beside the file (`heads`) once that is
//! durable, and held against it whenever it is opened.

use crate::LedgerError;
use crate::error::code;
use crate::files::blocking;
use crate::heads::{Ends, Heads};
use crate::record::{Head, Recorded};
use crate::schema::{PRESENT, Schema};
use motet_secagg::digest::Digest;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a process waits for another one's write: an append takes milliseconds, a slow disk or a
/// backup seconds.
pub(crate) const BUSY: Duration = Duration::from_secs(20);

/// How often opening is repeated while another process creates the file. Turning a new file to WAL
/// does not wait for `BUSY`: SQLite answers "locked" at once.
const OPEN_TRIES: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Readers beside the writer: WAL lets them read while it writes; more would only queue for the
/// disk.
const READERS: u32 = 4;

/// Pages in the write-ahead log before they go into the database, 256 KiB: what lives in the log
/// alone is kept small.
const LOG_PAGES: &str = "64";

/// Notes reach the disk this much later than their appends: one sync for all of a burst.
const SYNC_AFTER: Duration = Duration::from_millis(100);

/// After so many times of that without an append, five seconds, the write-ahead log is emptied.
const IDLE: u32 = 50;

pub(crate) struct Sqlite {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    /// Nothing for a copy that nobody writes.
    tended: Option<Arc<Tended>>,
}

/// What follows an append a while later.
struct Tended {
    heads: Heads,
    writer: SqlitePool,
    appends: AtomicU64,
    is_tended: AtomicBool,
}

type Row = (i64, Vec<u8>, Vec<u8>);

impl Sqlite {
    /// Opens the file that is there, when it holds what `ends` says.
    pub(crate) async fn open(path: &Path, ends: &Ends) -> Result<Self, LedgerError> {
        Self::open_as(path, &PRESENT, ends).await
    }

    /// Opens a file as a release with this schema would.
    pub(crate) async fn open_as(
        path: &Path,
        schema: &Schema,
        ends: &Ends,
    ) -> Result<Self, LedgerError> {
        let mut tries = 0;
        loop {
            match Self::open_once(path, schema, ends).await {
                Err(LedgerError::Database { cause, .. })
                    if is_busy(&cause) && tries < OPEN_TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(OPEN_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn open_once(path: &Path, schema: &Schema, ends: &Ends) -> Result<Self, LedgerError> {
        let failed = LedgerError::database("open", path);
        // Look before writing anything: a file that is refused stays as it is, to the byte, and so
        // does its log.
        let mut look = options(path)
            .read_only(true)
            .connect()
            .await
            .map_err(&failed)?;
        let looked = look_at(&mut look, path, schema, ends).await;
        look.close().await.map_err(&failed)?;
        let unnoted = looked?;
        let options = options(path)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", LOG_PAGES);
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(&failed)?;
        schema.prepare(&writer, path).await?;
        let readers = pool(READERS)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(&failed)?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_path_buf();
        let heads = blocking(move || {
            let heads = Heads::open(&folder)?;
            heads.note(&unnoted)?;
            Ok(heads)
        })
        .await?;
        empty_log(&writer).await;
        let appends = AtomicU64::new(0);
        let is_tended = AtomicBool::new(false);
        let tended = Some(Arc::new(Tended {
            heads,
            writer: writer.clone(),
            appends,
            is_tended,
        }));
        Ok(Self {
            path: path.to_path_buf(),
            writer,
            readers,
            tended,
        })
    }

    /// Makes a new file with the tables of this release and nothing in them.
    pub(crate) async fn create(path: &Path) -> Result<(), LedgerError> {
        let options = options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let writer = pool(1)
            .connect_with(options)
            .await
            .map_err(LedgerError::database("make", path))?;
        PRESENT.prepare(&writer, path).await?;
        empty_log(&writer).await;
        writer.close().await;
        Ok(())
    }

    /// Where streams end in a file that is there, without touching it.
    pub(crate) async fn ends(path: &Path) -> Result<Ends, LedgerError> {
        let failed = LedgerError::database("open", path);
        let mut look = options(path)
            .read_only(true)
            .connect()
            .await
            .map_err(&failed)?;
        let ends = look_at(&mut look, path, &PRESENT, &Ends::new()).await;
        look.close().await.map_err(&failed)?;
        Ok(ends?
            .into_iter()
            .map(|head| (head.stream, (head.version, head.chain)))
            .collect())
    }

    /// Refuses a file that lacks what `ends` says.
    pub(crate) async fn hold(&self, ends: &Ends) -> Result<(), LedgerError> {
        let mut reader = self
            .readers
            .acquire()
            .await
            .map_err(LedgerError::database("read", &self.path))?;
        hold(&mut reader, &self.path, ends).await.map(drop)
    }

    /// What SQLite itself finds wrong with the file, in its words.
    pub(crate) async fn integrity(&self) -> Result<Vec<String>, LedgerError> {
        let found: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(10)")
            .fetch_all(&self.readers)
            .await
            .map_err(LedgerError::database("read", &self.path))?;
        Ok(found
            .into_iter()
            .map(|(line,)| line)
            .filter(|line| line != "ok")
            .collect())
    }

    /// Opens a file that is there to be read alone; one that nobody writes (`is_still`) without
    /// touching anything beside it.
    pub(crate) async fn open_to_read(path: &Path, is_still: bool) -> Result<Self, LedgerError> {
        let failed = LedgerError::database("open", path);
        let options = options(path).read_only(true).immutable(is_still);
        let mut look = options.connect().await.map_err(&failed)?;
        let looked = look_at(&mut look, path, &PRESENT, &Ends::new()).await;
        look.close().await.map_err(&failed)?;
        looked?;
        let readers = pool(1).connect_with(options).await.map_err(&failed)?;
        Ok(Self {
            path: path.to_path_buf(),
            writer: readers.clone(),
            readers,
            tended: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn head(&self, stream: &str) -> Result<Head, LedgerError> {
        let failed = LedgerError::database("read", &self.path);
        let mut reader = self.readers.acquire().await.map_err(&failed)?;
        head_on(&mut reader, &self.path, stream).await
    }

    pub(crate) async fn append<B: AsRef<[u8]>>(
        &self,
        stream: &str,
        expected: Option<u64>,
        entries: &[B],
    ) -> Result<Vec<Recorded>, LedgerError> {
        let failed = LedgerError::database("write", &self.path);
        let mut writer = self.writer.acquire().await.map_err(&failed)?;
        let appended = self.append_on(&mut writer, stream, expected, entries).await;
        if let Err(LedgerError::Database { .. }) = &appended {
            // A full disk ends the transaction behind the driver's back, and the connection would
            // refuse every later one: the next append gets a new connection. What closing says is
            // of no use to anybody.
            let _ = writer.close().await;
        }
        let appended = appended?;
        if let (Some(tended), Some(last)) = (&self.tended, appended.last()) {
            let head = Head {
                stream: stream.to_owned(),
                version: last.version,
                chain: last.chain,
            };
            tended.noted(head).await?;
        }
        Ok(appended)
    }

    async fn append_on<B: AsRef<[u8]>>(
        &self,
        writer: &mut SqliteConnection,
        stream: &str,
        expected: Option<u64>,
        entries: &[B],
    ) -> Result<Vec<Recorded>, LedgerError> {
        let failed = LedgerError::database("write", &self.path);
        let mut transaction = writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(&failed)?;
        let mut head = head_on(&mut transaction, &self.path, stream).await?;
        head.expect(expected)?;
        let mut recorded = Vec::with_capacity(entries.len());
        for entry in entries {
            let next = head.extend(entry.as_ref());
            sqlx::query(
                "INSERT INTO entry (stream, version, entry, chain) VALUES ($1, $2, $3, $4)",
            )
            .bind(stream)
            .bind(integer(next.version))
            .bind(next.entry.as_slice())
            .bind(next.chain.0.as_slice())
            .execute(&mut *transaction)
            .await
            .map_err(&failed)?;
            recorded.push(next);
        }
        debug_assert!(
            recorded.is_sorted_by(|entry, next| entry.version + 1 == next.version),
            "versions have no gap"
        );
        transaction.commit().await.map_err(&failed)?;
        Ok(recorded)
    }

    /// Up to `limit` entries of `stream` from version `from` on.
    pub(crate) async fn page(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Recorded>, LedgerError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT version, entry, chain FROM entry WHERE stream = $1 AND \
             version >= $2 ORDER BY version LIMIT $3",
        )
        .bind(stream)
        .bind(integer(from))
        .bind(integer(limit as u64))
        .fetch_all(&self.readers)
        .await
        .map_err(LedgerError::database("read", &self.path))?;
        rows.into_iter()
            .map(|row| recorded(&self.path, stream, row))
            .collect()
    }

    pub(crate) async fn names(&self, prefix: &str) -> Result<Vec<String>, LedgerError> {
        // Names are visible ASCII, so DEL stands above every name that begins with the prefix.
        let names: Vec<(String,)> = sqlx::query_as(
            "SELECT DISTINCT stream FROM entry WHERE stream >= $1 AND stream < $2 ORDER BY stream",
        )
        .bind(prefix)
        .bind(format!("{prefix}\u{7f}"))
        .fetch_all(&self.readers)
        .await
        .map_err(LedgerError::database("read", &self.path))?;
        Ok(names.into_iter().map(|(name,)| name).collect())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.writer.is_closed()
    }

    pub(crate) async fn close(&self) {
        if let Some(tended) = &self.tended {
            tended.tidy().await;
        }
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Tended {
    /// Notes where a stream ends now. Once begun this goes on, also where nobody waits for it any
    /// more.
    async fn noted(self: &Arc<Self>, head: Head) -> Result<(), LedgerError> {
        let tended = Arc::clone(self);
        blocking(move || tended.heads.note(&[head])).await?;
        self.appends.fetch_add(1, Ordering::Relaxed);
        if !self.is_tended.swap(true, Ordering::AcqRel) {
            tokio::spawn(Self::tend(Arc::downgrade(self)));
        }
        Ok(())
    }

    /// Syncs the notes of a burst of appends soon, and empties the write-ahead log when they have
    /// ended.
    async fn tend(tended: std::sync::Weak<Self>) {
        let mut seen = None;
        let mut quiet = 0;
        loop {
            tokio::time::sleep(SYNC_AFTER).await;
            let Some(present) = tended.upgrade() else {
                return;
            };
            let appends = present.appends.load(Ordering::Acquire);
            if seen.replace(appends) != Some(appends) {
                quiet = 0;
                let syncing = Arc::clone(&present);
                // What cannot be synced is noted again at the next start.
                let _ = blocking(move || syncing.heads.sync()).await;
                continue;
            }
            quiet += 1;
            if quiet < IDLE {
                continue;
            }
            empty_log(&present.writer).await;
            present.is_tended.store(false, Ordering::Release);
            // Whoever appended meanwhile believed that this goes on.
            let is_late = present.appends.load(Ordering::Acquire) != appends;
            if !is_late || present.is_tended.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    async fn tidy(self: &Arc<Self>) {
        let tended = Arc::clone(self);
        let _ = blocking(move || tended.heads.sync()).await;
        empty_log(&self.writer).await;
    }
}

/// Moves what is in the write-ahead log into the database, where a flipped byte is found by its
/// chain. Another process that reads just now keeps it from that, and the next time will do.
async fn empty_log(writer: &SqlitePool) {
    let _ = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(writer)
        .await;
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .disable_statement_logging()
}

/// Refuses a file of another release or program, and one that lacks what `ends` says; gives the
/// ends that are not in it yet.
async fn look_at(
    on: &mut SqliteConnection,
    path: &Path,
    schema: &Schema,
    ends: &Ends,
) -> Result<Vec<Head>, LedgerError> {
    if schema.look(on, path).await? {
        return hold(on, path, ends).await;
    }
    // A file without tables holds nothing that was ever written to it.
    let path = path.to_path_buf();
    Err(match ends.first_key_value() {
        Some((stream, (version, _))) => LedgerError::Behind {
            path,
            stream: stream.clone(),
            found: "nothing".to_owned(),
            due: format!("entry {version}"),
        },
        None => LedgerError::NoLedger { path },
    })
}

async fn hold(
    on: &mut SqliteConnection,
    path: &Path,
    ends: &Ends,
) -> Result<Vec<Head>, LedgerError> {
    let failed = LedgerError::database("read", path);
    for (stream, (version, chain)) in ends {
        let found: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT chain FROM entry WHERE stream = $1 AND version = $2")
                .bind(stream)
                .bind(integer(*version))
                .fetch_optional(&mut *on)
                .await
                .map_err(&failed)?;
        let found = match found {
            Some((found,)) if found == chain.0 => continue,
            Some(_) => "another entry".to_owned(),
            None => format!("{} entries", head_on(on, path, stream).await?.version),
        };
        let path = path.to_path_buf();
        let stream = stream.clone();
        return Err(LedgerError::Behind {
            path,
            stream,
            found,
            due: format!("entry {version}"),
        });
    }
    // From name to name by the index: the entries between them are not read.
    let last: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
        "WITH RECURSIVE name(stream) AS (
             SELECT min(stream) FROM entry
             UNION ALL
             SELECT (SELECT min(stream) FROM entry WHERE stream > name.stream) FROM name WHERE name.stream NOT NULL
         )
         SELECT entry.stream, version, chain FROM name JOIN entry ON entry.stream = name.stream
         WHERE version = (SELECT max(version) FROM entry AS other WHERE other.stream = name.stream)",
    )
    .fetch_all(&mut *on)
    .await
    .map_err(&failed)?;
    let mut unnoted = Vec::new();
    for (stream, version, chain) in last {
        let last = recorded(path, &stream, (version, Vec::new(), chain))?;
        if ends
            .get(&stream)
            .is_none_or(|(noted, _)| *noted < last.version)
        {
            unnoted.push(Head {
                stream,
                version: last.version,
                chain: last.chain,
            });
        }
    }
    Ok(unnoted)
}

async fn head_on(
    on: &mut SqliteConnection,
    path: &Path,
    stream: &str,
) -> Result<Head, LedgerError> {
    let last: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT version, chain FROM entry WHERE stream = $1 ORDER BY version DESC LIMIT 1",
    )
    .bind(stream)
    .fetch_optional(on)
    .await
    .map_err(LedgerError::database("read", path))?;
    let mut head = Head::empty(stream);
    if let Some((version, chain)) = last {
        let last = recorded(path, stream, (version, Vec::new(), chain))?;
        (head.version, head.chain) = (last.version, last.chain);
    }
    Ok(head)
}

fn recorded(
    path: &Path,
    stream: &str,
    (version, entry, chain): Row,
) -> Result<Recorded, LedgerError> {
    match (u64::try_from(version), chain.try_into()) {
        (Ok(version), Ok(chain)) => Ok(Recorded {
            version,
            entry,
            chain: Digest(chain),
        }),
        (version, _) => {
            let place = format!("`{}`", path.display());
            // A number that no entry can have is told as 0.
            let version = version.map_or(0, |version| version);
            Err(LedgerError::Broken {
                place,
                stream: stream.to_owned(),
                version,
            })
        }
    }
}

/// A pool that keeps its connections: reopening a WAL file is slow and its last closing folds the
/// log.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn is_busy(cause: &sqlx::Error) -> bool {
    // SQLITE_BUSY, SQLITE_LOCKED, and SQLITE_CANTOPEN: another process may just be removing its
    // log.
    matches!(code(cause), Some(5 | 6 | 14))
}

fn integer(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_disk_refuses_appends_only_while_it_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.sqlite");
        Sqlite::create(&path).await.unwrap();
        Heads::create(dir.path(), &Ends::new()).unwrap();
        let store = Sqlite::open(&path, &Ends::new()).await.unwrap();
        store
            .append("sites", Some(0), &["amsterdam"])
            .await
            .unwrap();
        let long = vec![0_u8; 1 << 16];
        for _ in 0..3 {
            // SQLite says "database or disk is full" beyond this many pages.
            let limit = "PRAGMA max_page_count = 8";
            sqlx::raw_sql(limit).execute(&store.writer).await.unwrap();
            let error = store
                .append("sites", Some(1), &[&long])
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("full") && error.contains("ledger.sqlite"),
                "{error}"
            );
            assert!(error.contains("check that the disk has room"), "{error}");
        }
        store.append("sites", Some(1), &[&long]).await.unwrap();
        assert_eq!(store.head("sites").await.unwrap().version, 2);
    }
}
