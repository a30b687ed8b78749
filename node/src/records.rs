//! What a node's ledger holds, stream by stream. Every entry
//! is the canonical bytes of one of these values; the command
//! line may append while the daemon runs. No secret and no
//! patient's value enters any of them.

use crate::error::NodeError;
use motet_common::catalogue::SignedNotice;
use motet_common::decision::SignedDecision;
use motet_common::opening::Lifted;
use motet_common::roster::SignedRoster;
use motet_common::study::Date;
use motet_ledger::{Ledger, Recorded};
use motet_secagg::canonical;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical;

/// Proposals, withdrawals and decisions: [`StudyRecord`].
pub const STUDIES: &str = "studies";
/// Proposals whose card was shown here: [`Shown`].
pub const SHOWN: &str = "shown";
/// Under what a steward decided: [`Under`].
pub const UNDER: &str = "under";
/// Sets of sites that were signed, over all studies:
/// [`motet_common::opening::Opening`].
pub const OPENINGS: &str = "openings";
/// Which patients were frozen, answered with and deleted:
/// [`FrozenRecord`].
pub const FROZEN: &str = "frozen";
/// What is told of datasets: [`CatalogueRecord`].
pub const CATALOGUE: &str = "catalogue";
/// What left: [`Frame`].
pub const OUTBOUND: &str = "outbound";
/// What a steward would want to know: [`Event`].
pub const EVENTS: &str = "events";
/// Releases that were made again here and signed: [`Remade`].
pub const REMADE: &str = "remade";
/// What the node may never do twice:
/// [`motet_common::round::pins::Fact`].
pub const FACTS: &str = "facts";
/// The kill switch: [`Switch`].
pub const SWITCH: &str = "switch";

canonical! {
    /// A study as the coordinator brought it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Proposed {
        /// The study file.
        pub text: String,
        /// Canonical bytes of the [`SignedRoster`]: kept as they
        /// came, so that what was signed can be checked again.
        pub roster: Vec<u8>,
        /// Who proposes it.
        pub proposer: String,
        /// When it arrived, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
    }
}

canonical! {
    /// One entry of the stream [`STUDIES`].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum StudyRecord {
        /// A study arrived.
        1 => Proposed(Proposed),
        /// The study with this digest was withdrawn by its proposer.
        2 => Withdrawn(Digest),
        /// The steward decided.
        3 => Decided(SignedDecision),
    }
}

canonical! {
    /// A card was shown: what is approved after that is this very
    /// study and roster, or nothing.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Shown {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// The study's id.
        pub id: String,
        /// Digest of everything it fixes.
        pub study: Digest,
        /// Digest of its roster.
        pub roster: Digest,
        /// What it said of sums that were opened before, a sentence each.
        pub near: Vec<String>,
    }
}

canonical! {
    /// Under what a steward decided; for this site alone. It is
    /// on record before the decision is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Under {
        /// Digest of the signed decision.
        pub decision: Digest,
        /// The sites by which sums may differ from those of other
        /// studies over the same data.
        pub again: Lifted,
        /// `min_sites` of node.toml,
        pub min_sites: u32,
        /// `max_set_change`,
        pub max_set_change: u32,
        /// `own_metrics`,
        pub own_metrics: bool,
        /// and `min_rows`, as they were then. The other floors are
        /// held against the study's text, which stays.
        pub min_rows: u32,
        /// The permit's reference, and the last day on which it holds.
        pub permit: Option<(String, Date)>,
    }
}

canonical! {
    /// A frozen table is on disk, whole. It is on record before
    /// the decision that names it is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Kept {
        /// When its rows were read, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// The study's id.
        pub id: String,
        /// Digest of everything it fixes.
        pub study: Digest,
        /// Digest of its roster.
        pub roster: Digest,
        /// What the decision says of the table.
        pub table: Digest,
        /// A digest of its content under a key of this site.
        pub content: [u8; 32],
        /// The study's last day.
        pub ends: Date,
    }
}

canonical! {
    /// A study was answered over these rows. It is on record
    /// before such an answer leaves.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Answered {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// Digest of the study.
        pub study: Digest,
        /// Digest of the plan that asked.
        pub plan: Digest,
        /// A digest of the rows' content under a key of this site.
        pub content: [u8; 32],
    }
}

canonical! {
    /// A frozen table was deleted.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Deleted {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// What the decision said of it.
        pub table: Digest,
        /// Why, in a few words.
        pub why: String,
    }
}

canonical! {
    /// A table's study was seen to be over by this site's clock.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Ended {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// What the decision says of the table.
        pub table: Digest,
    }
}

canonical! {
    /// One entry of the stream [`FROZEN`].
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum FrozenRecord {
        /// A table is there.
        1 => Kept(Kept),
        /// It was answered with.
        2 => Answered(Answered),
        /// It is gone.
        3 => Deleted(Deleted),
        /// It goes at the next turn of the day.
        4 => Ended(Ended),
    }
}

canonical! {
    /// The card of a dataset was shown: what is signed after that is this very offer, or nothing.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CardShown {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// The dataset.
        pub dataset: String,
        /// Digest of what it said.
        pub offer: Digest,
    }
}

canonical! {
    /// Whether the coordinator has a notice that was sent to it over an earlier connection, where
    /// that is news.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Found {
        /// When it said so, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// The dataset.
        pub dataset: String,
        /// The notice's number.
        pub number: u64,
        /// Whether it has it.
        pub there: bool,
    }
}

canonical! {
    /// One entry of the stream [`CATALOGUE`].
    #[derive(Debug, Clone, PartialEq)]
    pub enum CatalogueRecord {
        /// A card was shown.
        1 => Shown(CardShown),
        /// The steward signed a notice.
        2 => Signed(SignedNotice),
        /// The coordinator was found to have a notice, or not to have it.
        3 => Found(Found),
    }
}

canonical! {
    /// One frame that left the site.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Frame {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// What kind of message.
        pub kind: String,
        /// For which study; empty for what belongs to none.
        pub study: String,
        /// In which round; 0 for what belongs to none.
        pub round: u64,
        /// How many bytes.
        pub bytes: u64,
        /// SHA-256 of these bytes.
        pub digest: Digest,
    }
}

canonical! {
    /// Something a steward would want to know.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Event {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// A stable word.
        pub code: String,
        /// One line.
        pub text: String,
    }
}

canonical! {
    /// A release that was made again here and signed.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Remade {
        /// Digest of the study.
        pub study: Digest,
        /// Root of the final state.
        pub state_root: Digest,
        /// The hash of the leaf that puts it on record.
        pub publication: Digest,
    }
}

canonical! {
    /// One turn of the kill switch.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Switch {
        /// When, milliseconds since 1970-01-01 UTC.
        pub when_ms: u64,
        /// Stopped from here on, or running again.
        pub stopped: bool,
    }
}

impl Proposed {
    /// The roster inside.
    ///
    /// # Errors
    /// `malformed` when the bytes are not one.
    pub fn signed_roster(&self) -> Result<SignedRoster, motet_common::refusal::Refusal> {
        Ok(SignedRoster::from_bytes(&self.roster)?)
    }
}

/// All values of a stream, oldest first.
///
/// # Errors
/// [`NodeError::Ledger`] when the chain does not hold,
/// [`NodeError::Entry`] for bytes of another kind or version.
pub async fn read<T: Canonical>(
    ledger: &Ledger,
    stream: &'static str,
) -> Result<Vec<T>, NodeError> {
    ledger
        .read(stream, 1)
        .await?
        .iter()
        .map(|recorded| decode(stream, recorded))
        .collect()
}

/// The last value of a stream, if there is one.
///
/// # Errors
/// As [`read`].
pub async fn last<T: Canonical>(
    ledger: &Ledger,
    stream: &'static str,
) -> Result<Option<T>, NodeError> {
    let version = ledger.version(stream).await?;
    let entries = ledger.read(stream, version).await?;
    entries
        .last()
        .map(|recorded| decode(stream, recorded))
        .transpose()
}

/// Appends a value after whatever is last.
///
/// # Errors
/// [`NodeError::Ledger`].
pub async fn append<T: Canonical>(
    ledger: &Ledger,
    stream: &str,
    value: &T,
) -> Result<Recorded, NodeError> {
    Ok(ledger.append_next(stream, &value.to_bytes()).await?)
}

/// Appends an event.
///
/// # Errors
/// [`NodeError::Ledger`].
pub async fn event(
    ledger: &Ledger,
    when_ms: u64,
    code: &str,
    text: impl Into<String>,
) -> Result<(), NodeError> {
    let event = Event {
        when_ms,
        code: code.to_owned(),
        text: text.into(),
    };
    append(ledger, EVENTS, &event).await.map(drop)
}

pub(crate) fn decode<T: Canonical>(
    stream: &'static str,
    recorded: &Recorded,
) -> Result<T, NodeError> {
    T::from_bytes(&recorded.entry).map_err(|_| NodeError::Entry {
        stream,
        version: recorded.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(round: u64) -> Frame {
        Frame {
            when_ms: 1_800_000_000_000,
            kind: "masked".into(),
            study: "ist-death14".into(),
            round,
            bytes: 4096,
            digest: Digest::of_file(b"frame"),
        }
    }

    #[test]
    fn the_bytes_of_a_record_are_a_promise() {
        let event = Event {
            when_ms: 1,
            code: "joined".into(),
            text: "x".into(),
        };
        assert_eq!(
            event.to_bytes(),
            [
                &[1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0][..],
                b"joined",
                &[1, 0, 0, 0],
                b"x"
            ]
            .concat()
        );
        assert_eq!(
            StudyRecord::Withdrawn(Digest([7; 32])).to_bytes(),
            [&[2][..], &[7; 32]].concat()
        );
        assert_eq!(
            Switch {
                when_ms: 2,
                stopped: true
            }
            .to_bytes(),
            [2, 0, 0, 0, 0, 0, 0, 0, 1]
        );
        assert_eq!(Frame::from_bytes(&frame(3).to_bytes()), Ok(frame(3)));
        let proposed = Proposed {
            text: "t".into(),
            roster: vec![1, 2],
            proposer: "p".into(),
            when_ms: 3,
        };
        let record = StudyRecord::Proposed(proposed);
        assert_eq!(StudyRecord::from_bytes(&record.to_bytes()), Ok(record));
    }

    #[tokio::test]
    async fn streams_come_back_in_order_and_foreign_bytes_are_named() {
        let ledger = Ledger::memory();
        assert_eq!(last::<Frame>(&ledger, OUTBOUND).await.unwrap(), None);
        for round in 1..=3 {
            append(&ledger, OUTBOUND, &frame(round)).await.unwrap();
        }
        assert_eq!(
            read::<Frame>(&ledger, OUTBOUND).await.unwrap(),
            [frame(1), frame(2), frame(3)]
        );
        assert_eq!(last(&ledger, OUTBOUND).await.unwrap(), Some(frame(3)));
        ledger.append_next(OUTBOUND, b"?").await.unwrap();
        let error = read::<Frame>(&ledger, OUTBOUND).await.unwrap_err();
        assert!(
            matches!(
                error,
                NodeError::Entry {
                    stream: OUTBOUND,
                    version: 4
                }
            ),
            "{error}"
        );
    }
}
