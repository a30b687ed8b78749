//! A copy of a ledger that is taken while others write to it, and checked without anybody's help.
//!
//! ```text
//! make     VACUUM INTO: one moment of every stream     then the blobs that its entries name      -> Snapshot
//! verify   bytes, chains, heads, blobs                 held against the Snapshot                 -> Checked
//! restore  the same files in an empty folder           the database last
//! ```
//!
//! A blob is written before the entry that names it, so the blobs of a snapshot are there when it
//! is taken. Which blobs an entry names is for the owner of the entries to say: they are opaque
//! here.

use crate::blobs::Blobs;
use crate::files::{blocking, create_folder, sync_folder};
use crate::heads::{Ends, HEADS, Heads};
use crate::ledger::DATABASE;
use crate::{Ledger, LedgerError, Report};
use motet_secagg::digest::Digest;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

/// The blobs that an entry of a stream names.
pub type Names<'a> = &'a (dyn Fn(&str, &[u8]) -> Vec<Digest> + Send + Sync);

/// What a backup of a ledger holds, for its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The database file.
    pub database: Item,
    /// Where every stream ends, sorted.
    pub streams: Vec<StreamEnd>,
    /// The blobs that the entries name, sorted.
    pub blobs: Vec<Item>,
}

/// A file: length and SHA-256, in hexadecimal. A blob's is its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Its SHA-256.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
}

/// The last entry of a stream and its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamEnd {
    /// The stream.
    pub stream: String,
    /// The version of its last entry.
    pub version: u64,
    /// The chain there, in hexadecimal.
    pub chain: String,
}

/// What a check of a backup found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Entries read.
    pub entries: u64,
    /// Everything that does not fit, in words that name the place.
    pub faults: Vec<String>,
}

impl Item {
    fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: Digest::of_file(bytes).hex(),
            bytes: bytes.len() as u64,
        }
    }
}

/// Copies the ledger in the folder `from` into the folder `to`, which must be empty. Others may
/// read and append meanwhile: the copy is that of one moment.
///
/// # Errors
/// [`LedgerError::NoLedger`] when there is none in `from`; [`LedgerError::Broken`],
/// [`LedgerError::BlobMissing`] and [`LedgerError::BlobCorrupt`] when it does not hold together: a
/// copy would be no backup; [`LedgerError::File`] and [`LedgerError::Database`].
pub async fn make(from: &Path, to: &Path, names: Names<'_>) -> Result<Snapshot, LedgerError> {
    let database = from.join(DATABASE);
    if !database.is_file() {
        return Err(LedgerError::NoLedger { path: database });
    }
    // Read first: the copy may be ahead of these, never behind.
    let folder = from.to_path_buf();
    let due = blocking(move || Heads::read(&folder)).await?;
    let due = due.ok_or_else(|| LedgerError::NoHeads {
        path: from.join(HEADS),
    })?;
    vacuum_into(&database, &to.join(DATABASE)).await?;
    let copy = Ledger::open_to_read(to).await?;
    copy.hold(&due).await?;
    let (report, named) = walk(&copy, names).await?;
    copy.close().await;
    if let Some(
        crate::Fault::Entry { stream, version }
        | crate::Fault::Order {
            stream,
            found: version,
            ..
        },
    ) = report.faults.first()
    {
        let place = format!("`{}`", database.display());
        return Err(LedgerError::Broken {
            place,
            stream: stream.clone(),
            version: *version,
        });
    }
    let source = Blobs::Folder(from.join("blobs"));
    let target = Blobs::Folder(to.join("blobs"));
    let mut blobs = Vec::with_capacity(named.len());
    for digest in named {
        let bytes = source.get(&digest).await?;
        target.put(&bytes).await?;
        blobs.push(Item {
            sha256: digest.hex(),
            bytes: bytes.len() as u64,
        });
    }
    Ok(Snapshot {
        database: read_item(&to.join(DATABASE)).await?,
        streams: ends(&report),
        blobs,
    })
}

/// Checks the copy in `folder` against what its manifest says. Nothing is written, not even beside
/// the database.
///
/// # Errors
/// Only when something cannot be read at all; what does not fit is in the report.
pub async fn verify(
    folder: &Path,
    snapshot: &Snapshot,
    names: Names<'_>,
) -> Result<Checked, LedgerError> {
    let database = folder.join(DATABASE);
    let found = read_item(&database).await?;
    if found != snapshot.database {
        // What is not the file that was written is not opened.
        let path = database.display();
        let Item { sha256, bytes } = found;
        let due = &snapshot.database.sha256;
        let fault = format!(
            "`{path}` has `{bytes}` bytes and the digest `{sha256}`, the manifest says `{due}`"
        );
        return Ok(Checked {
            entries: 0,
            faults: vec![fault],
        });
    }
    let ledger = Ledger::open_to_read(folder).await?;
    let (report, named) = walk(&ledger, names).await?;
    ledger.close().await;
    let mut faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    if ends(&report) != snapshot.streams {
        faults.push("the ends of the streams are not those in the manifest".to_owned());
    }
    let listed: BTreeSet<String> = snapshot
        .blobs
        .iter()
        .map(|blob| blob.sha256.clone())
        .collect();
    for digest in named
        .iter()
        .filter(|digest| !listed.contains(&digest.hex()))
    {
        faults.push(format!(
            "blob `{digest}` is named by an entry and missing in the manifest"
        ));
    }
    let blobs = Blobs::Folder(folder.join("blobs"));
    for Item { sha256, bytes } in &snapshot.blobs {
        let Ok(digest) = Digest::from_hex(sha256) else {
            faults.push(format!("`{sha256}` in the manifest is no digest"));
            continue;
        };
        match blobs.get(&digest).await {
            Ok(found) if found.len() as u64 == *bytes => {}
            Ok(found) => faults.push(format!(
                "blob `{digest}` has `{}` bytes, the manifest says `{bytes}`",
                found.len()
            )),
            Err(error @ (LedgerError::BlobMissing { .. } | LedgerError::BlobCorrupt { .. })) => {
                faults.push(error.to_string());
            }
            Err(other) => return Err(other),
        }
    }
    Ok(Checked {
        entries: report.entries,
        faults,
    })
}

/// Copies what [`verify`] found sound into the folder `to`, the database last: until then there is
/// no ledger in it.
///
/// # Errors
/// [`LedgerError::File`], [`LedgerError::BlobMissing`], [`LedgerError::BlobCorrupt`].
pub async fn restore(folder: &Path, snapshot: &Snapshot, to: &Path) -> Result<(), LedgerError> {
    let source = Blobs::Folder(folder.join("blobs"));
    let target = Blobs::Folder(to.join("blobs"));
    for blob in &snapshot.blobs {
        if let Ok(digest) = Digest::from_hex(&blob.sha256) {
            target.put(&source.get(&digest).await?).await?;
        }
    }
    let mut ends = Ends::new();
    for StreamEnd {
        stream,
        version,
        chain,
    } in &snapshot.streams
    {
        ends.extend(
            Digest::from_hex(chain)
                .ok()
                .map(|chain| (stream.clone(), (*version, chain))),
        );
    }
    let from = folder.join(DATABASE);
    let folder = to.to_path_buf();
    let to = to.join(DATABASE);
    blocking(move || {
        create_folder(&folder)?;
        Heads::create(&folder, &ends)?;
        fs::copy(&from, &to).map_err(LedgerError::file("write", &to))?;
        synced(&to)
    })
    .await
}

/// Writes the database as it is at this moment into a file of its own. `VACUUM INTO` reads within
/// one transaction, so writers go on and the copy is of one moment; copying the file and its
/// journal by hand would not be.
async fn vacuum_into(database: &Path, to: &Path) -> Result<(), LedgerError> {
    let failed = LedgerError::database("copy", database);
    let Some(target) = to.to_str() else {
        let cause = std::io::Error::other("its name is not Unicode");
        return Err(LedgerError::file("write", to)(cause));
    };
    if let Some(parent) = to.parent() {
        create_folder(parent)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(crate::sqlite::BUSY);
    let mut source = options
        .disable_statement_logging()
        .connect()
        .await
        .map_err(&failed)?;
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(target)
        .execute(&mut source)
        .await;
    source.close().await.map_err(&failed)?;
    copied.map_err(LedgerError::database("write", to))?;
    let to = to.to_path_buf();
    blocking(move || synced(&to)).await
}

/// The whole record, checked, and the blobs it names.
async fn walk(
    ledger: &Ledger,
    names: Names<'_>,
) -> Result<(Report, BTreeSet<Digest>), LedgerError> {
    let mut named = BTreeSet::new();
    let report = ledger
        .check_chains(&mut |stream, entry| named.extend(names(stream, entry)))
        .await?;
    Ok((report, named))
}

fn ends(report: &Report) -> Vec<StreamEnd> {
    report
        .heads
        .iter()
        .map(|head| StreamEnd {
            stream: head.stream.clone(),
            version: head.version,
            chain: head.chain.hex(),
        })
        .collect()
}

async fn read_item(path: &Path) -> Result<Item, LedgerError> {
    let path = path.to_path_buf();
    blocking(move || {
        fs::read(&path)
            .map(|bytes| Item::of(&bytes))
            .map_err(LedgerError::file("read", &path))
    })
    .await
}

/// Makes a file that something else wrote survive a power cut.
fn synced(path: &Path) -> Result<(), LedgerError> {
    let failed = LedgerError::file("write", path);
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(&failed)?;
    sync_folder(path).map_err(&failed)
}
