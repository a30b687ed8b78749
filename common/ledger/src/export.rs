//! A ledger as text that outlives this program: one JSON object a line, checked with nothing but
//! SHA-256.
//!
//! `{"stream":"study/4f2a","version":1,"chain":"<64 hex digits>","entry":"<hex>"}`, streams sorted,
//! versions rising.

use crate::ledger::PAGE;
use crate::record::{MAX_ENTRY, MAX_STREAM, Recorded, check_stream};
use crate::report::{Checker, Fault, Report};
use crate::{Ledger, LedgerError};
use motet_secagg::digest::{Digest, from_hex, to_hex};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Read as _, Write};
use tokio::sync::mpsc;

/// The longest line a reader accepts: the longest entry in hex, the longest name with every
/// character escaped, the rest.
const MAX_LINE: u64 = (2 * MAX_ENTRY + 6 * MAX_STREAM + 512) as u64;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    stream: String,
    version: u64,
    chain: String,
    entry: String,
}

impl Ledger {
    /// Writes every entry of every stream as a line of JSON; gives how many. Blobs are not in it:
    /// they are files already, named by their own digest.
    ///
    /// # Errors
    /// [`LedgerError::Export`] when the writer fails, and whatever reading the ledger gives. A
    /// broken chain is exported as it is, so that it can be examined.
    pub async fn export(&self, writer: &mut (impl Write + Send)) -> Result<u64, LedgerError> {
        let mut count = 0;
        for stream in self.streams("").await? {
            let mut from = 1;
            loop {
                let page = self.page(&stream, from, PAGE).await?;
                let Some(last) = page.last() else { break };
                from = last.version.saturating_add(1);
                for recorded in &page {
                    writer
                        .write_all(&Line::of(&stream, recorded).text()?)
                        .map_err(failed)?;
                    count += 1;
                }
            }
        }
        writer.flush().map_err(failed)?;
        Ok(count)
    }

    /// Sends the lines of [`Ledger::export`] one after the other, no faster than they are taken;
    /// ends early when nobody takes them any more.
    ///
    /// # Errors
    /// Whatever reading the ledger gives.
    pub async fn export_lines(&self, lines: &mpsc::Sender<Vec<u8>>) -> Result<(), LedgerError> {
        for stream in self.streams("").await? {
            let mut from = 1;
            // One entry at a time: they may be long, and whoever takes them may be slow.
            while let Some(recorded) = self.page(&stream, from, 1).await?.first() {
                from = recorded.version.saturating_add(1);
                if lines
                    .send(Line::of(&stream, recorded).text()?)
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Recomputes every chain of an export.
///
/// # Errors
/// [`LedgerError::Export`] when it cannot be read. What does not fit is in the report.
pub fn verify_export(mut reader: impl BufRead) -> Result<Report, LedgerError> {
    let mut checker = Checker::default();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
        if read.map_err(|cause| LedgerError::Export {
            doing: "read",
            cause,
        })? == 0
        {
            break;
        }
        match parse(&bytes) {
            Ok((stream, recorded)) => checker.entry(&stream, &recorded),
            Err(why) => checker.fault(Fault::Line { line, why }),
        }
    }
    Ok(checker.finish())
}

fn failed(cause: std::io::Error) -> LedgerError {
    LedgerError::Export {
        doing: "write",
        cause,
    }
}

impl Line {
    fn text(&self) -> Result<Vec<u8>, LedgerError> {
        let mut text = serde_json::to_vec(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        Ok(text)
    }

    fn of(stream: &str, recorded: &Recorded) -> Self {
        Self {
            stream: stream.to_owned(),
            version: recorded.version,
            chain: recorded.chain.hex(),
            entry: to_hex(&recorded.entry),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<(String, Recorded), String> {
    let bytes = bytes
        .strip_suffix(b"\n")
        .ok_or("it does not end, the export was cut off")?;
    let line: Line = serde_json::from_slice(bytes).map_err(|cause| cause.to_string())?;
    check_stream(&line.stream).map_err(|cause| cause.to_string())?;
    let chain = Digest::from_hex(&line.chain).map_err(|_| "`chain` is not 64 hex digits")?;
    let entry = from_hex(&line.entry).ok_or("`entry` is not hex digits")?;
    Ok((
        line.stream,
        Recorded {
            version: line.version,
            entry,
            chain,
        },
    ))
}
