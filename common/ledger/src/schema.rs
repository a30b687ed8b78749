//! The tables of the database, their number, and the way from an older number to the present one.
//!
//! A file of an older release is brought forward when it is opened, under the write lock and in one
//! transaction: it is then either as it was or wholly of this release. A newer file, or one of
//! another program, is left as it is.

use crate::LedgerError;
use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, SqliteConnection};
use std::path::Path;

/// What a release writes, and from what it can come.
pub(crate) struct Schema {
    /// Its number, kept in `PRAGMA user_version`.
    pub(crate) number: i64,
    /// The tables of a new file.
    tables: &'static str,
    /// Steps forward, oldest first: the number a file has before, and the SQL that makes it the
    /// next one. No step touches the rows of `entry`: their chains are a promise.
    steps: &'static [(i64, &'static str)],
}

/// The schema of this release. Whoever changes it adds a step; the tables of schema 1 stay pinned
/// in `tests/schema.rs`.
pub(crate) const PRESENT: Schema = Schema {
    number: 1,
    tables: TABLES,
    steps: &[],
};

const TABLES: &str = "
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
";

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// Nothing yet.
    New,
    /// Of the present schema.
    Present,
    /// Of an older one, and the way from there.
    Older(Vec<&'static str>),
}

impl Schema {
    /// Refuses a newer file and a database of something else, without touching either; tells
    /// whether there are tables.
    pub(crate) async fn look(
        &self,
        on: &mut SqliteConnection,
        path: &Path,
    ) -> Result<bool, LedgerError> {
        Ok(self.found(on, path).await? != Found::New)
    }

    /// Makes the tables of a new file and brings an older one forward, under the write lock:
    /// another process may be doing the same.
    pub(crate) async fn prepare(
        &self,
        writer: &SqlitePool,
        path: &Path,
    ) -> Result<(), LedgerError> {
        let mut transaction = writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(LedgerError::database("open", path))?;
        let steps = match self.found(&mut transaction, path).await? {
            Found::Present => {
                return transaction
                    .rollback()
                    .await
                    .map_err(LedgerError::database("open", path));
            }
            Found::New => vec![self.tables],
            Found::Older(way) => way,
        };
        for step in steps {
            sqlx::raw_sql(step)
                .execute(&mut *transaction)
                .await
                .map_err(LedgerError::database("bring forward", path))?;
        }
        let number = AssertSqlSafe(format!("PRAGMA user_version = {}", self.number));
        sqlx::raw_sql(number)
            .execute(&mut *transaction)
            .await
            .map_err(LedgerError::database("bring forward", path))?;
        transaction
            .commit()
            .await
            .map_err(LedgerError::database("bring forward", path))
    }

    async fn found(&self, on: &mut SqliteConnection, path: &Path) -> Result<Found, LedgerError> {
        let (number, tables): (i64, i64) = sqlx::query_as(
            "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version",
        )
        .fetch_one(on)
        .await
        .map_err(LedgerError::database("open", path))?;
        match (number, tables) {
            (0, 0) => Ok(Found::New),
            (0, _) => Err(LedgerError::Foreign {
                path: path.to_path_buf(),
            }),
            _ if number == self.number => Ok(Found::Present),
            _ => match self.way_from(number) {
                Some(way) => Ok(Found::Older(way)),
                None => Err(LedgerError::Newer {
                    path: path.to_path_buf(),
                    found: number,
                    known: self.number,
                }),
            },
        }
    }

    /// The steps from `number` to the present, when they lead there without a gap.
    fn way_from(&self, number: i64) -> Option<Vec<&'static str>> {
        let mut at = number;
        let mut way = Vec::new();
        for (from, sql) in self.steps.iter().filter(|(from, _)| *from >= number) {
            if *from != at {
                return None;
            }
            way.push(*sql);
            at += 1;
        }
        (at == self.number && number < self.number).then_some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ledger;
    use crate::heads::Heads;
    use crate::sqlite::Sqlite;
    use sqlx::Connection as _;

    /// What a later release might say.
    const PRETENDED: Schema = Schema {
        number: 3,
        tables: TABLES,
        steps: &[
            (1, "CREATE TABLE noted (stream TEXT NOT NULL) STRICT"),
            (
                2,
                "ALTER TABLE noted ADD COLUMN version INTEGER; INSERT INTO noted VALUES ('sites', 2)",
            ),
        ],
    };

    async fn filled(dir: &Path) -> Ledger {
        let ledger = Ledger::create(dir).await.unwrap();
        ledger.append_next("sites", b"amsterdam").await.unwrap();
        ledger.append_next("sites", b"barcelona").await.unwrap();
        ledger
    }

    #[tokio::test]
    async fn an_older_file_is_brought_forward_step_by_step_and_keeps_every_entry() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = filled(dir.path()).await;
        let before = ledger.read("sites", 1).await.unwrap();
        ledger.close().await;
        let path = dir.path().join("ledger.sqlite");
        for _ in 0..2 {
            let ends = Heads::read(dir.path()).unwrap().unwrap();
            let store = Sqlite::open_as(&path, &PRETENDED, &ends).await.unwrap();
            assert_eq!(store.page("sites", 1, 9).await.unwrap(), before);
            store
                .append(
                    "sites",
                    Some(store.head("sites").await.unwrap().version),
                    &[b""; 0],
                )
                .await
                .unwrap();
            store.close().await;
        }
        let mut raw = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
            .await
            .unwrap();
        let noted: Vec<(String, i64)> = sqlx::query_as("SELECT * FROM noted")
            .fetch_all(&mut raw)
            .await
            .unwrap();
        assert_eq!(
            noted,
            [("sites".to_owned(), 2)],
            "each step ran once, in order"
        );
        raw.close().await.unwrap();
        let error = Ledger::open(dir.path()).await.err().unwrap();
        assert!(
            matches!(
                error,
                LedgerError::Newer {
                    found: 3,
                    known: 1,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_step_that_fails_leaves_the_file_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await.close().await;
        let path = dir.path().join("ledger.sqlite");
        let broken = Schema {
            steps: &[(1, "CREATE TABLE noted (x)"), (2, "CREATE TABLE noted (x)")],
            ..PRETENDED
        };
        let error = Sqlite::open_as(&path, &broken, &Default::default())
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("bring forward"), "{error}");
        let ledger = Ledger::open(dir.path()).await.unwrap();
        assert_eq!(ledger.read("sites", 1).await.unwrap().len(), 2);
        assert!(ledger.verify().await.unwrap().is_sound());
    }

    #[test]
    fn a_way_with_a_gap_is_no_way() {
        let gap = Schema {
            steps: &[(1, "a"), (3, "c")],
            number: 4,
            ..PRETENDED
        };
        assert_eq!((gap.way_from(1), gap.way_from(3)), (None, Some(vec!["c"])));
        assert_eq!(
            (
                PRETENDED.way_from(1).map(|way| way.len()),
                PRETENDED.way_from(3)
            ),
            (Some(2), None)
        );
        assert_eq!(PRETENDED.way_from(0), None);
    }
}
