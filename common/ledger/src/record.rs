//! One entry of a stream and the digest that chains it to the entry before it.

use crate::LedgerError;
use motet_secagg::digest::Digest;

/// The longest stream name in bytes: a word, a few ids of 32 digits and their separators.
pub const MAX_STREAM: usize = 200;

/// The longest entry in bytes. An entry is hashed and held in memory whole; what is larger belongs
/// in a blob that the entry names.
pub const MAX_ENTRY: usize = 64 << 20;

/// The chain before the first entry of any stream.
pub const START: Digest = Digest([0; 32]);

/// One entry as it stands in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its place in the stream: 1, 2, 3, ... without a gap.
    pub version: u64,
    /// Its bytes.
    pub entry: Vec<u8>,
    /// [`link`] of the entry before it and this one.
    pub chain: Digest,
}

/// The last version of a stream and its chain: it stands for the whole stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The stream.
    pub stream: String,
    /// The version of its last entry; 0 when there is none.
    pub version: u64,
    /// The chain at that entry; [`START`] when there is none.
    pub chain: Digest,
}

/// The chain of an entry: `H("entry", chain before it, stream, version, entry)`, the version as 8
/// little-endian bytes.
pub fn link(before: Digest, stream: &str, version: u64, entry: &[u8]) -> Digest {
    Digest::of(
        "entry",
        &[&before.0, stream.as_bytes(), &version.to_le_bytes(), entry],
    )
}

impl Head {
    /// A stream without entries.
    pub(crate) fn empty(stream: &str) -> Self {
        Self {
            stream: stream.to_owned(),
            version: 0,
            chain: START,
        }
    }

    /// Moves the head over `entry`, the next of its stream, and gives it as it will be recorded.
    pub(crate) fn extend(&mut self, entry: &[u8]) -> Recorded {
        self.version = self.version.saturating_add(1);
        self.chain = link(self.chain, &self.stream, self.version, entry);
        Recorded {
            version: self.version,
            entry: entry.to_vec(),
            chain: self.chain,
        }
    }

    /// Accepts a stored entry as the next of the stream, or tells that it does not follow.
    pub(crate) fn follow(&mut self, stored: &Recorded) -> bool {
        let version = self.version.saturating_add(1);
        if stored.version != version
            || link(self.chain, &self.stream, version, &stored.entry) != stored.chain
        {
            return false;
        }
        (self.version, self.chain) = (version, stored.chain);
        true
    }

    /// Refuses an append by a caller who has not seen the last entry.
    pub(crate) fn expect(&self, expected: Option<u64>) -> Result<(), LedgerError> {
        match expected {
            Some(expected) if expected != self.version => Err(LedgerError::Conflict {
                stream: self.stream.clone(),
                expected,
                found: self.version,
            }),
            _ => Ok(()),
        }
    }
}

/// Checks a stream name. Visible ASCII only: then every store sorts names alike and no name can
/// look like another.
pub(crate) fn check_stream(name: &str) -> Result<(), LedgerError> {
    if name.is_empty()
        || name.len() > MAX_STREAM
        || !name.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let rule = "1 to 200 visible ASCII characters, no space";
        return Err(LedgerError::Name {
            what: "stream",
            name: name.to_owned(),
            rule,
        });
    }
    Ok(())
}

/// Checks the length of an entry.
pub(crate) fn check_entry(stream: &str, entry: &[u8]) -> Result<(), LedgerError> {
    if entry.len() > MAX_ENTRY {
        let what = format!("an entry for stream `{stream}`");
        return Err(LedgerError::TooLong {
            what,
            bytes: entry.len(),
            limit: MAX_ENTRY,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_binds_the_past_the_stream_the_place_and_the_bytes() {
        let base = link(START, "s", 1, b"x");
        assert_eq!(
            base.hex(),
            GOLDEN,
            "the chain is a promise: it may never change"
        );
        assert_ne!(base, link(base, "s", 1, b"x"));
        assert_ne!(base, link(START, "t", 1, b"x"));
        assert_ne!(base, link(START, "s", 2, b"x"));
        assert_ne!(base, link(START, "s", 1, b"y"));
    }

    // Computed apart from this crate, with Python's hashlib: part = lambda b: len(b).to_bytes(4,
    // "little") + b sha256(part(b"motet/csa1/entry") + part(bytes(32)) + part(b"s") +
    // part((1).to_bytes(8, "little")) + part(b"x"))
    const GOLDEN: &str = "056338f2fe6742829623a4c0c16fda0340d6a0f7d70110a6e77de1498c990f79";

    #[test]
    fn names_that_sort_differently_or_hide_something_are_refused() {
        for name in ["", "a b", "a\n", "é", &"x".repeat(MAX_STREAM + 1)] {
            assert!(check_stream(name).is_err(), "{name:?}");
        }
        check_stream(&"x".repeat(MAX_STREAM)).unwrap();
        check_stream("study/4f2a/run:7").unwrap();
    }
}
