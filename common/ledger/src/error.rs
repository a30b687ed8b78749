//! What can go wrong with a record, in the words of the person who has to mend it. How to get a
//! lost one back is another thing at a coordinator, which has backups, than at a node, which has
//! none: each says it for itself.

use motet_secagg::digest::Digest;
use std::path::{Path, PathBuf};

/// A ledger or a spool refused or could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Someone else appended first. Nothing was written.
    #[error(
        "stream `{stream}` is at version `{found}`, not `{expected}`: read it again and decide anew"
    )]
    Conflict {
        /// The stream.
        stream: String,
        /// The version the caller believed to be the last.
        expected: u64,
        /// The version that is the last.
        found: u64,
    },
    /// A stream or spool name that no store accepts.
    #[error("`{name}` cannot be a {what} name: {rule}")]
    Name {
        /// `stream` or `spool`.
        what: &'static str,
        /// The name as given.
        name: String,
        /// What a name looks like.
        rule: &'static str,
    },
    /// More bytes than one entry or chunk may have.
    #[error(
        "{what} has `{bytes}` bytes, the limit is `{limit}`: keep large values as blobs or in more chunks"
    )]
    TooLong {
        /// What is too long.
        what: String,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// A stored entry does not follow from the one before it.
    #[error(
        "entry `{version}` of stream `{stream}` in {place} does not follow \
         from the entry before it: the record was \
         changed after it was written; stop and keep this copy for the inquiry"
    )]
    Broken {
        /// Where the record is kept.
        place: String,
        /// The stream.
        stream: String,
        /// The first version that does not fit.
        version: u64,
    },
    /// No blob of this digest.
    #[error("blob `{digest}` is not in {place}: copy it there from wherever it is kept, too")]
    BlobMissing {
        /// The blob asked for.
        digest: Digest,
        /// Where it was looked for.
        place: String,
    },
    /// The bytes of a blob are not those it was named after.
    #[error(
        "blob `{digest}` in {place} now has the digest `{found}`: the \
         file was changed; put back what it was"
    )]
    BlobCorrupt {
        /// The blob asked for.
        digest: Digest,
        /// The digest of the bytes found.
        found: Digest,
        /// Where they were found.
        place: String,
    },
    /// A chunk was asked for before it was written.
    #[error("chunk `{index}` is not in `{path}`: upload it again")]
    ChunkMissing {
        /// The chunk.
        index: u32,
        /// The spool's folder.
        path: PathBuf,
    },
    /// A chunk was written twice with different bytes. The first stays.
    #[error(
        "chunk `{index}` in `{path}` was written before with other bytes: \
         the first stays; remove the spool to begin anew"
    )]
    ChunkDiffers {
        /// The chunk.
        index: u32,
        /// The spool's folder.
        path: PathBuf,
    },
    /// The file was written by a newer release.
    #[error(
        "`{path}` has schema `{found}`, this release knows `{known}`: \
         install the release that wrote it; nothing was \
         changed"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema number.
        found: i64,
        /// The newest schema number known here.
        known: i64,
    },
    /// The file is a database, but not one of ours.
    #[error("`{path}` is a database of something else: name another folder; nothing was changed")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// A ledger that should be there is not.
    #[error(
        "`{path}` is not there, and no empty ledger is begun in its place: \
         name the folder that the ledger was written to"
    )]
    NoLedger {
        /// The database file.
        path: PathBuf,
    },
    /// There is a ledger, or part of one, where a new one was to be made.
    #[error("`{path}` is there already: a new ledger is made in a folder without one")]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The ledger lacks entries that were written, or ends with others.
    #[error(
        "`{path}` has {found} of stream `{stream}`, but {due} was \
         written: its end was lost or the files beside it were \
         damaged, removed or put back; stop and keep this copy for the inquiry"
    )]
    Behind {
        /// The database file.
        path: PathBuf,
        /// The stream.
        stream: String,
        /// Where it ends, in words.
        found: String,
        /// Where it ended when it was last written, in words.
        due: String,
    },
    /// The file that says where streams end is not there.
    #[error(
        "`{path}` is not there: it says where every stream of the ledger \
         ended, and without it nobody can tell that the \
         ledger is whole; put the file back, or accept the ledger as it is with `ledger accept`"
    )]
    NoHeads {
        /// The file.
        path: PathBuf,
    },
    /// The file that says where streams end was changed.
    #[error(
        "`{path}`, line {line}, was changed after it was written: it says \
         where every stream of the ledger ended, and \
         nobody can tell now that the ledger \
         is whole; put the file back, or \
         accept the ledger as it is with `ledger accept`"
    )]
    Heads {
        /// The file.
        path: PathBuf,
        /// The first line that does not hold.
        line: usize,
    },
    /// The folder is another one than it was.
    #[error(
        "`{path}` was moved or replaced while this process had it \
         open: stop the process and start it again"
    )]
    Moved {
        /// The folder.
        path: PathBuf,
    },
    /// The database cannot be read as one.
    #[error("`{path}` is damaged: {cause}; stop and keep this copy for the inquiry")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What the database said.
        cause: sqlx::Error,
    },
    /// The operating system refused a file or folder.
    #[error(
        "cannot {doing} `{path}`: {cause}; check that the disk has \
         room and that this user may write there"
    )]
    File {
        /// What was attempted.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The database refused.
    #[error(
        "cannot {doing} `{path}`: {cause}; check that the disk has \
         room and that this user may write there"
    )]
    Database {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What the database said.
        cause: sqlx::Error,
    },
    /// An export could not be written or read.
    #[error(
        "cannot {doing} the export: {cause}; check the disk or the pipe and run the command again"
    )]
    Export {
        /// `read` or `write`.
        doing: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The process is ending, so the work was not done.
    #[error("the process is stopping: start it again and repeat the request")]
    Stopping,
}

/// What SQLite says of a file whose pages do not hold together, and of one that is none of its own.
const CORRUPT: i64 = 11;
const NO_DATABASE: i64 = 26;

/// SQLite's code; extended ones carry it in the low byte.
pub(crate) fn code(cause: &sqlx::Error) -> Option<i64> {
    let code = cause.as_database_error()?.code()?;
    Some(code.parse::<i64>().ok()? & 0xff)
}

impl LedgerError {
    /// For `map_err`: an operating-system refusal about `path`.
    pub(crate) fn file(
        doing: &'static str,
        path: &Path,
    ) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |cause| Self::File {
            doing,
            path: path.clone(),
            cause,
        }
    }

    /// For `map_err`: a database refusal about `path`.
    pub(crate) fn database(
        doing: &'static str,
        path: &Path,
    ) -> impl Fn(sqlx::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |cause| match code(&cause) {
            // Not the disk's doing: this process closed its ledger, and something of it was still
            // at work.
            _ if matches!(cause, sqlx::Error::PoolClosed) => Self::Stopping,
            Some(CORRUPT | NO_DATABASE) => Self::Damaged {
                path: path.clone(),
                cause,
            },
            _ => Self::Database {
                doing,
                path: path.clone(),
                cause,
            },
        }
    }

    /// Whether entries that were written are gone or changed: no file that is put together again
    /// brings them back.
    pub fn is_loss(&self) -> bool {
        use LedgerError::{Behind, Broken, Damaged, NoLedger};
        matches!(
            self,
            Behind { .. } | Broken { .. } | Damaged { .. } | NoLedger { .. }
        )
    }

    /// Whether the record itself is not as it was written: trying again mends nothing.
    pub fn is_damage(&self) -> bool {
        use LedgerError::{Heads, Moved, NoHeads};
        self.is_loss() || matches!(self, Heads { .. } | Moved { .. } | NoHeads { .. })
    }
}
