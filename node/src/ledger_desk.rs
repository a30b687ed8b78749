//! What left this hospital, frame by frame, whether the
//! record of it is whole, and what became of it.

use crate::error::ANEW;
use crate::home::Paths;
use crate::receipts::{self, Receipt};
use crate::records::{self, Frame, OUTBOUND};
use crate::{Home, NodeError, clock};
use motet_ledger::{Ledger, Report};
use motet_program::Table;
use serde::Serialize;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// One frame that left.
#[derive(Debug, Serialize)]
pub struct Line {
    /// When.
    pub when: String,
    /// What kind of message.
    pub kind: String,
    /// For which study.
    pub study: String,
    /// In which round.
    pub round: u64,
    /// How many bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub digest: String,
}

/// What left.
#[derive(Debug, Serialize)]
pub struct Outbound {
    /// Frames, oldest first.
    pub frames: Vec<Line>,
    /// How many.
    pub count: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Where a stream ends.
#[derive(Debug, Serialize)]
pub struct Stream {
    /// The stream.
    pub stream: String,
    /// Entries.
    pub entries: u64,
    /// The chain at the last one: note it elsewhere, and a
    /// cut-off end is noticed.
    pub chain: String,
}

/// Whether the record is whole, and what became of this
/// site's updates.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Whether everything fits.
    pub sound: bool,
    /// Whether every entry follows from the one before it.
    pub whole: bool,
    /// Entries that were read.
    pub entries: u64,
    /// Where each stream ends.
    pub streams: Vec<Stream>,
    /// Every set of a study's log that counts an update of this site.
    pub receipts: Vec<Receipt>,
    /// What does not fit.
    pub faults: Vec<String>,
}

/// The frames that left, of one study if named.
///
/// # Errors
/// [`NodeError::Ledger`] when the record was altered.
pub async fn show(home: &Home, study: Option<&str>) -> Result<Outbound, NodeError> {
    let frames: Vec<Frame> = records::read(&home.ledger, OUTBOUND).await?;
    let wanted = frames
        .into_iter()
        .filter(|frame| study.is_none_or(|study| frame.study == study));
    let frames: Vec<Line> = wanted
        .map(|frame| Line {
            when: clock::text(frame.when_ms),
            kind: frame.kind,
            study: frame.study,
            round: frame.round,
            bytes: frame.bytes,
            digest: frame.digest.hex(),
        })
        .collect();
    let bytes = frames
        .iter()
        .map(|frame| frame.bytes)
        .fold(0, u64::saturating_add);
    Ok(Outbound {
        count: frames.len(),
        frames,
        bytes,
    })
}

/// The frames as a table.
pub fn show_text(outbound: &Outbound) -> String {
    let head = ["when", "kind", "study", "round", "bytes", "sha256"];
    let table = Table::of(head, outbound.frames.iter().map(frame_row)).text();
    format!(
        "{table}{} frames, {} bytes left this site",
        outbound.count, outbound.bytes
    )
}

fn frame_row(line: &Line) -> [String; 6] {
    let round = if line.round == 0 {
        String::new()
    } else {
        line.round.to_string()
    };
    let digest = line.digest.chars().take(16).collect();
    [
        line.when.clone(),
        line.kind.clone(),
        line.study.clone(),
        round,
        line.bytes.to_string(),
        digest,
    ]
}

/// Recomputes every chain and every blob's digest, and holds
/// each study's log against this site's own record.
///
/// # Errors
/// [`NodeError::Ledger`] when it cannot be read at all.
pub async fn verify(home: &Home) -> Result<Verified, NodeError> {
    let Report {
        heads,
        entries,
        faults,
        ..
    } = home.ledger.verify().await?;
    let streams = heads
        .into_iter()
        .map(|head| Stream {
            stream: head.stream,
            entries: head.version,
            chain: head.chain.hex(),
        })
        .collect();
    let mut faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let whole = faults.is_empty();
    let receipts = match receipts::read(home).await {
        Ok(found) => {
            faults.extend(found.faults);
            found.receipts
        }
        // What cannot be read because it was altered is named already.
        Err(_) if !whole => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Verified {
        sound: faults.is_empty(),
        whole,
        entries,
        streams,
        receipts,
        faults,
    })
}

/// What was found, for people.
pub fn verify_text(verified: &Verified) -> String {
    let row = |stream: &Stream| {
        [
            stream.stream.clone(),
            stream.entries.to_string(),
            stream.chain.clone(),
        ]
    };
    let table = Table::of(
        ["stream", "entries", "chain"],
        verified.streams.iter().map(row),
    )
    .text();
    let faults: String = verified
        .faults
        .iter()
        .map(|fault| format!("FAULT  {fault}\n"))
        .collect();
    let end = if verified.whole {
        "every entry follows from the one before it"
    } else {
        "the record was altered"
    };
    let receipts = receipts::text(&verified.receipts);
    format!(
        "{table}\n{receipts}\n{faults}{} entries: {end}",
        verified.entries
    )
}

impl Verified {
    /// The failure to end with, when something does not fit.
    ///
    /// # Errors
    /// [`NodeError::Unsound`] with what to do next.
    pub fn conclude(&self) -> Result<(), NodeError> {
        if self.sound {
            return Ok(());
        }
        Err(NodeError::Unsound(if self.whole {
            "what the consortium's log says of this site does not hold: stop \
             the node, keep a copy of this folder as \
             evidence and call the other sites"
                .to_owned()
        } else {
            format!("the record was altered after it was written; {ANEW}")
        }))
    }
}

/// Takes the record as it is where the file that says where
/// its streams ended is missing or damaged; says so in it.
///
/// # Errors
/// [`NodeError::Running`]; [`NodeError::Unsound`] where a
/// chain does not hold; [`NodeError::Ledger`] where entries
/// are missing.
pub async fn accept(paths: &Paths, when_ms: u64) -> Result<Report, NodeError> {
    paths.read_settings()?;
    let _claim = paths.claim()?;
    let report = Ledger::accept(&paths.ledger()).await?;
    if let Some(first) = report.faults.first() {
        return Err(NodeError::Unsound(format!(
            "the record is not accepted: {first}; {ANEW}"
        )));
    }
    let ledger = Ledger::open(&paths.ledger()).await?;
    let text = format!(
        "the record of {} entries was accepted as it is",
        report.entries
    );
    records::event(&ledger, when_ms, "accepted", text).await?;
    ledger.close().await;
    Ok(report)
}

/// Writes every entry as a line of JSON; gives how many.
///
/// # Errors
/// [`NodeError::File`], [`NodeError::Ledger`].
pub async fn export(home: &Home, file: &Path) -> Result<u64, NodeError> {
    let mut writer = BufWriter::new(File::create(file).map_err(NodeError::file("write", file))?);
    Ok(home.ledger.export(&mut writer).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use motet_secagg::digest::Digest;
    use motet_secagg::sign::SecretKey;

    #[tokio::test]
    async fn every_frame_is_shown_counted_and_exported() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
        let home = Home::open(folder.path()).await.unwrap();
        for (study, bytes) in [("ist", 100), ("heart", 23), ("ist", 4000)] {
            let frame = Frame {
                when_ms: 1_795_392_000_000,
                kind: "masked".into(),
                study: study.into(),
                round: 2,
                bytes,
                digest: Digest::of_file(b"x"),
            };
            records::append(&home.ledger, OUTBOUND, &frame)
                .await
                .unwrap();
        }
        let all = show(&home, None).await.unwrap();
        assert_eq!((all.count, all.bytes), (3, 4123));
        assert!(
            show_text(&all).contains("2026-11-23T00:00:00Z  masked  heart  2      23"),
            "{}",
            show_text(&all)
        );
        assert_eq!(show(&home, Some("ist")).await.unwrap().bytes, 4100);
        let verified = verify(&home).await.unwrap();
        assert!(verified.sound && verified.entries == 3);
        let file = folder.path().join("export.jsonl");
        assert_eq!(export(&home, &file).await.unwrap(), 3);
        let reader = std::io::BufReader::new(File::open(&file).unwrap());
        assert_eq!(
            motet_ledger::verify_export(reader).unwrap().heads[0]
                .chain
                .hex(),
            verified.streams[0].chain
        );
    }
}
