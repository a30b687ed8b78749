//! The record: append-only streams of entries, each chained to the one before it, and blobs named
//! by their digest.
//!
//! Entries and blobs are opaque bytes here: this crate knows no protocol, no clock and no network.
//! An entry carries its own moment if it needs one. No secret belongs in a ledger, because a chain
//! cannot forget.
//!
//! ```text
//! append(stream, expected, entry)       a conflict says: read again and decide anew
//!   |
//!   v
//! chain(n) = H("entry", chain(n-1), stream, n, entry)        chain(0) = 32 zero bytes
//! ```
//!
//! The modules in reading order:
//!
//! ```text
//! ledger   the door: one set of operations over every store
//! record   an entry, and what chains it to the one before
//! error    what can be wrong, and what mends it
//! memory, sqlite  the stores
//! schema   the tables, and the way to them from an older release
//! heads    where every stream ended, in a file beside the database
//! blobs    files named by their digest
//! spool    uploads on their way in
//! files    written so that a power cut leaves all or nothing
//! claim    one process on a folder
//! report, export  the checks that a person can run
//! backup   a copy taken while others write
//! ```
//!
//! Two entries, and a writer who has not seen the second:
//!
//! ```
//! use motet_ledger::{Ledger, LedgerError, START, link};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ledger = Ledger::memory();
//! let name = "study/stroke-1";
//! let one = ledger.append(name, 0, b"proposed").await?;
//! let two = ledger.append(name, 1, b"approved").await?;
//!
//! let late = ledger.append(name, 1, b"declined").await;
//! assert!(matches!(late, Err(LedgerError::Conflict { .. })));
//!
//! assert_eq!(one.chain, link(START, name, 1, b"proposed"));
//! assert_eq!(two.chain, link(one.chain, name, 2, b"approved"));
//! assert_eq!(ledger.read(name, 1).await?, [one, two]);
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

pub mod backup;
mod blobs;
mod claim;
mod error;
mod export;
mod files;
mod heads;
mod ledger;
mod memory;
mod record;
mod report;
mod schema;
mod spool;
mod sqlite;

pub use claim::Claim;
pub use error::LedgerError;
pub use export::verify_export;
pub use ledger::Ledger;
pub use record::{Head, MAX_ENTRY, MAX_STREAM, Recorded, START, link};
pub use report::{Fault, Report};
pub use spool::{MAX_CHUNK, Spool};
