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
//! The modules in reading order: [`Ledger`] is the door, [`record`](Recorded) the chain, `memory`
//! and `sqlite` the stores, `schema` the tables and the way to them from an older release, `heads`
//! where every stream ended, in a file beside the database, `blobs` and `spool` files on disk,
//! `claim` one process on a folder, `report` and `export` the checks a person can run, [`backup`] a
//! copy taken while others write.
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
