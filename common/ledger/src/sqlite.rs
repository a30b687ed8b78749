//! The store of a daemon: one SQLite file that several processes of one machine open at once.
//!
//! One connection writes and a few read. Every append takes SQLite's write lock first (`BEGIN IMMEDIATE`), looks at
//! the head of the stream and only then inserts, so two processes cannot both follow the same entry.

use crate::LedgerError;
use crate::record::{Head, Recorded};
use crate::schema::{PRESENT, Schema};
use motet_secagg::digest::Digest;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a process waits for another one's write: an append takes milliseconds, a slow disk or a backup seconds.
pub(crate) const BUSY: Duration = Duration::from_secs(20);

/// How often opening is repeated while another process creates the file. Turning a new file to WAL does not wait for
/// `BUSY`: SQLite answers "locked" at once.
const OPEN_TRIES: u32 = 100;
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Readers beside the writer: WAL lets them read while it writes; more would only queue for the disk.
const READERS: u32 = 4;

pub(crate) struct Sqlite {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

type Row = (i64, Vec<u8>, Vec<u8>);

impl Sqlite {
    pub(crate) async fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_as(path, &PRESENT).await
    }

    /// Opens a file as a release with this schema would.
    pub(crate) async fn open_as(path: &Path, schema: &Schema) -> Result<Self, LedgerError> {
        let mut tries = 0;
        loop {
            match Self::open_once(path, schema).await {
                Err(LedgerError::Database { cause, .. }) if is_busy(&cause) && tries < OPEN_TRIES => {
                    tries += 1;
                    tokio::time::sleep(OPEN_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn open_once(path: &Path, schema: &Schema) -> Result<Self, LedgerError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(BUSY)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .disable_statement_logging();
        let failed = || LedgerError::database("open", path);
        // Look before turning the file to WAL: a file that is refused stays as it is, to the byte.
        let mut look = options.connect().await.map_err(failed())?;
        schema.look(&mut look, path).await?;
        look.close().await.map_err(failed())?;
        let options = options.journal_mode(SqliteJournalMode::Wal);
        let writer = pool(1).connect_with(options.clone()).await.map_err(failed())?;
        schema.prepare(&writer, path).await?;
        let readers = options.create_if_missing(false).pragma("query_only", "ON");
        let readers = pool(READERS).connect_with(readers).await.map_err(failed())?;
        Ok(Self { path: path.to_path_buf(), writer, readers })
    }

    /// Opens a file that is there and that nobody writes, without touching it or anything beside it.
    pub(crate) async fn open_to_read(path: &Path) -> Result<Self, LedgerError> {
        let failed = || LedgerError::database("open", path);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(true)
            .disable_statement_logging();
        let mut look = options.connect().await.map_err(failed())?;
        PRESENT.look(&mut look, path).await?;
        look.close().await.map_err(failed())?;
        let readers = pool(1).connect_with(options).await.map_err(failed())?;
        Ok(Self { path: path.to_path_buf(), writer: readers.clone(), readers })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn head(&self, stream: &str) -> Result<Head, LedgerError> {
        let failed = || LedgerError::database("read", &self.path);
        let mut reader = self.readers.acquire().await.map_err(failed())?;
        self.head_on(&mut reader, stream).await
    }

    async fn head_on(&self, on: &mut SqliteConnection, stream: &str) -> Result<Head, LedgerError> {
        let last: Option<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT version, chain FROM entry WHERE stream = $1 ORDER BY version DESC LIMIT 1",
        )
        .bind(stream)
        .fetch_optional(on)
        .await
        .map_err(LedgerError::database("read", &self.path))?;
        let mut head = Head::empty(stream);
        if let Some((version, chain)) = last {
            let last = self.recorded(stream, (version, Vec::new(), chain))?;
            (head.version, head.chain) = (last.version, last.chain);
        }
        Ok(head)
    }

    pub(crate) async fn append<B: AsRef<[u8]>>(
        &self,
        stream: &str,
        expected: Option<u64>,
        entries: &[B],
    ) -> Result<Vec<Recorded>, LedgerError> {
        let failed = || LedgerError::database("write", &self.path);
        let mut writer = self.writer.acquire().await.map_err(failed())?;
        let appended = self.append_on(&mut writer, stream, expected, entries).await;
        if let Err(LedgerError::Database { .. }) = &appended {
            // A full disk ends the transaction behind the driver's back, and the connection would refuse every later
            // one: the next append gets a new connection. What closing says is of no use to anybody.
            let _ = writer.close().await;
        }
        appended
    }

    async fn append_on<B: AsRef<[u8]>>(
        &self,
        writer: &mut SqliteConnection,
        stream: &str,
        expected: Option<u64>,
        entries: &[B],
    ) -> Result<Vec<Recorded>, LedgerError> {
        let failed = || LedgerError::database("write", &self.path);
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
        let mut head = self.head_on(&mut transaction, stream).await?;
        head.expect(expected)?;
        let mut recorded = Vec::with_capacity(entries.len());
        for entry in entries {
            let next = head.extend(entry.as_ref());
            sqlx::query("INSERT INTO entry (stream, version, entry, chain) VALUES ($1, $2, $3, $4)")
                .bind(stream)
                .bind(integer(next.version))
                .bind(next.entry.as_slice())
                .bind(next.chain.0.as_slice())
                .execute(&mut *transaction)
                .await
                .map_err(failed())?;
            recorded.push(next);
        }
        transaction.commit().await.map_err(failed())?;
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
            "SELECT version, entry, chain FROM entry WHERE stream = $1 AND version >= $2 ORDER BY version LIMIT $3",
        )
        .bind(stream)
        .bind(integer(from))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await
        .map_err(LedgerError::database("read", &self.path))?;
        rows.into_iter().map(|row| self.recorded(stream, row)).collect()
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

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn recorded(&self, stream: &str, (version, entry, chain): Row) -> Result<Recorded, LedgerError> {
        let version = u64::try_from(version).unwrap_or_default();
        match chain.try_into() {
            Ok(chain) => Ok(Recorded { version, entry, chain: Digest(chain) }),
            Err(_) => {
                let place = format!("`{}`", self.path.display());
                Err(LedgerError::Broken { place, stream: stream.to_owned(), version })
            }
        }
    }
}

/// A pool that keeps its connections: reopening a WAL file is slow and its last closing folds the log.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
}

fn is_busy(cause: &sqlx::Error) -> bool {
    // SQLITE_BUSY is 5 and SQLITE_LOCKED 6; the extended codes carry them in the low byte.
    let code =
        cause.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i64>().ok());
    matches!(code.map(|code| code & 0xff), Some(5 | 6))
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
        let store = Sqlite::open(&dir.path().join("ledger.sqlite")).await.unwrap();
        store.append("sites", Some(0), &["amsterdam"]).await.unwrap();
        let long = vec![0_u8; 1 << 16];
        for _ in 0..3 {
            // SQLite says "database or disk is full" beyond this many pages.
            let limit = "PRAGMA max_page_count = 8";
            sqlx::raw_sql(limit).execute(&store.writer).await.unwrap();
            let error = store.append("sites", Some(1), &[&long]).await.unwrap_err().to_string();
            assert!(error.contains("full") && error.contains("ledger.sqlite"), "{error}");
            assert!(error.contains("check that the disk has room"), "{error}");
        }
        store.append("sites", Some(1), &[&long]).await.unwrap();
        assert_eq!(store.head("sites").await.unwrap().version, 2);
    }
}
