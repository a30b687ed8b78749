//! The ledger as text on its way to an operator: read entry by entry, never held whole.

use crate::members::disk;
use crate::refusals::status;
use motet_ledger::Ledger;
use motet_proto::PIECE;
use motet_proto::v1::ExportLedgerResponse;
use tokio::sync::mpsc;
use tonic::Status;

/// Lines and pieces that are read ahead of a slow line.
const AHEAD: usize = 4;

type Piece = Result<ExportLedgerResponse, Status>;

/// Begins an export; what does not fit ends it with an error.
///
/// # Errors
/// When the ledger lost what was written to it: its export would be no record.
pub(super) async fn export(ledger: &Ledger) -> Result<mpsc::Receiver<Piece>, Status> {
    ledger
        .hold_to_heads()
        .await
        .map_err(|error| status(&disk(error)))?;
    let (lines, taken) = mpsc::channel(AHEAD);
    let (pieces, stream) = mpsc::channel(AHEAD);
    let ledger = ledger.clone();
    let reading = tokio::spawn(async move { ledger.export_lines(&lines).await });
    tokio::spawn(async move {
        if !send(taken, &pieces).await {
            return;
        }
        if let Ok(Err(error)) = reading.await {
            // Nobody may be listening any more.
            let _ = pieces.send(Err(status(&disk(error)))).await;
        }
    });
    Ok(stream)
}

/// Sends lines in pieces; false when nobody listens any more.
async fn send(mut lines: mpsc::Receiver<Vec<u8>>, pieces: &mpsc::Sender<Piece>) -> bool {
    let mut part = Vec::new();
    loop {
        let line = lines.recv().await;
        let is_last = line.is_none();
        part.extend(line.into_iter().flatten());
        if part.len() >= PIECE || is_last {
            for piece in std::mem::take(&mut part).chunks(PIECE) {
                if pieces
                    .send(Ok(ExportLedgerResponse {
                        piece: piece.to_vec(),
                    }))
                    .await
                    .is_err()
                {
                    return false;
                }
            }
        }
        if is_last {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_export_is_read_as_it_is_taken_and_is_the_same_as_a_file() {
        let ledger = Ledger::memory();
        for turn in 0..40_u8 {
            ledger
                .append_next("long", &[turn; PIECE / 3])
                .await
                .unwrap();
            ledger.append_next("short", &[turn]).await.unwrap();
        }
        let mut whole = Vec::new();
        ledger.export(&mut whole).await.unwrap();
        let mut stream = export(&ledger).await.unwrap();
        // While nobody takes a piece, only what is read ahead is in memory: its readers wait.
        tokio::task::yield_now().await;
        let mut taken = Vec::new();
        while let Some(piece) = stream.recv().await {
            let piece = piece.unwrap().piece;
            assert!(piece.len() <= PIECE && stream.len() <= AHEAD);
            taken.extend(piece);
        }
        assert!(taken == whole);
    }
}
