//! The result of checking a whole record: what was read, where every stream ends, and what does not
//! fit.

use crate::record::{Head, Recorded};
use motet_secagg::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// What a check of a ledger or of its export found.
///
/// A chain cannot show that its *last* entries were cut off; whoever opens a ledger on disk holds
/// it against the file beside it that says where streams ended. Where both may have been put back,
/// compare `heads` with heads noted elsewhere: an earlier report, a signed checkpoint, another
/// site's ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Where every sound stream ends, and a broken one its last sound entry; sorted by stream.
    pub heads: Vec<Head>,
    /// How many entries were read.
    pub entries: u64,
    /// How many blobs were read; none in an export.
    pub blobs: u64,
    /// Everything that does not fit, in the order in which it was met; for a stream only the first,
    /// because everything after it is in doubt.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether everything fits.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// One thing that does not fit. Its text names the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An entry that does not follow from the one before it: its bytes, its chain or its place was
    /// changed.
    #[error("entry `{version}` of stream `{stream}` does not follow from the entry before it")]
    Entry {
        /// The stream.
        stream: String,
        /// The first version that does not fit.
        version: u64,
    },
    /// An entry is missing before this one, or stands twice.
    #[error("stream `{stream}` has entry `{found}` where entry `{expected}` belongs")]
    Order {
        /// The stream.
        stream: String,
        /// The version that belongs there.
        expected: u64,
        /// The version that stands there.
        found: u64,
    },
    /// A blob whose bytes are not those it is named after.
    #[error("blob `{digest}` in {place} has the digest `{found}`")]
    Blob {
        /// The blob.
        digest: Digest,
        /// The digest of its bytes.
        found: Digest,
        /// Where it is.
        place: String,
    },
    /// Something in the database file that no entry shows.
    #[error("{place} is damaged: {what}")]
    Database {
        /// The file.
        place: String,
        /// What the database itself says.
        what: String,
    },
    /// A line of an export that cannot be read.
    #[error("line `{line}` of the export is not an entry: {why}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Follows the chains of any number of streams, entry by entry, in whatever order the streams come.
#[derive(Default)]
pub(crate) struct Checker {
    heads: BTreeMap<String, Head>,
    broken: BTreeSet<String>,
    report: Report,
}

impl Checker {
    pub(crate) fn entry(&mut self, stream: &str, stored: &Recorded) {
        self.report.entries += 1;
        let head = self
            .heads
            .entry(stream.to_owned())
            .or_insert_with(|| Head::empty(stream));
        if self.broken.contains(stream) || head.follow(stored) {
            return;
        }
        let stream = stream.to_owned();
        let expected = head.version.saturating_add(1);
        let found = stored.version;
        self.broken.insert(stream.clone());
        self.report.faults.push(match found == expected {
            true => Fault::Entry {
                stream,
                version: found,
            },
            false => Fault::Order {
                stream,
                expected,
                found,
            },
        });
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.report.faults.push(fault);
    }

    pub(crate) fn finish(mut self) -> Report {
        self.report.heads = self.heads.into_values().collect();
        self.report
    }
}
