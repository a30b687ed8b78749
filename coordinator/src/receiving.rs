//! An upload on its way in: pieces become chunks, and a whole chunk is held against the pinned
//! header before it is kept. What had arrived when a line broke counts, to the last piece: it is
//! taken in to its end by a task of its own, the part of a chunk is put beside the chunks, and the
//! next connection of that node waits for that before it hears where to go on.

use crate::members::storage;
use crate::refusals::status;
use motet_common::refusal::{Code, Refusal};
use motet_ledger::{LedgerError, Spool};
use motet_proto::access::UPLOAD;
use motet_proto::v1::UploadRequest;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::mask::{Shape, chunk_hash};
use motet_secagg::message::Header;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedMutexGuard, watch};
use tonic::{Status, Streaming};

/// Whose upload of which attempt.
type Name = (Digest, NodeId);

/// The uploads being received.
#[derive(Clone, Default)]
pub(crate) struct Receiving(Arc<Mutex<BTreeMap<Name, Arc<Line>>>>);

/// The connections that want to bring one upload; one of them does.
struct Line {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Counts those who came.
    came: watch::Sender<u64>,
}

/// The right to bring an upload, until it is dropped or somebody newer comes.
pub(crate) struct Turn {
    receiving: Receiving,
    name: Name,
    line: Arc<Line>,
    newer: watch::Receiver<u64>,
    _guard: OwnedMutexGuard<()>,
}

impl Receiving {
    /// Waits until whoever brought this upload before has put down what arrived. A connection that
    /// only seems to stand gives way.
    pub(crate) async fn turn(&self, name: Name) -> Turn {
        let line = Arc::clone(self.lines().entry(name).or_insert_with(|| {
            Arc::new(Line {
                turn: Arc::default(),
                came: watch::channel(0).0,
            })
        }));
        line.came.send_modify(|count| *count += 1);
        let newer = line.came.subscribe();
        let guard = Arc::clone(&line.turn).lock_owned().await;
        Turn {
            receiving: self.clone(),
            name,
            line,
            newer,
            _guard: guard,
        }
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Line>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut lines = self.receiving.lines();
        // Here and in the list: nobody else waits.
        if Arc::strong_count(&self.line) == 2 {
            lines.remove(&self.name);
        }
    }
}

fn malformed(what: &str) -> Status {
    status(&Refusal::new(Code::Malformed, what))
}

/// What the spool's disk refused, for the sender.
fn refused(error: LedgerError) -> Status {
    status(&storage(error))
}

/// The first chunk that is not here, and how much of it is.
pub(crate) async fn missing(spool: &Spool, header: &Header) -> Result<(u32, u64), Status> {
    let count = u32::try_from(header.chunks.len()).map_err(|_| {
        status(&Refusal::broken(
            "an upload of more chunks than a header lists",
        ))
    })?;
    let next = spool
        .missing(count)
        .await
        .map_err(refused)?
        .unwrap_or(count);
    let part = if next < count {
        spool.read_part(next).await.map_err(refused)?.len()
    } else {
        0
    };
    Ok((next, part as u64))
}

/// An upload that is being received.
pub(crate) struct Upload {
    header: Header,
    /// How its chunks are cut: no chunk is longer than this says.
    shape: Shape,
    spool: Spool,
    index: u32,
    chunk: Vec<u8>,
}

impl Upload {
    pub(crate) fn new(header: Header, shape: Shape, spool: Spool) -> Self {
        Self {
            header,
            shape,
            spool,
            index: 0,
            chunk: Vec::new(),
        }
    }

    /// Takes in pieces, the first of which has arrived, until they end, the line breaks, or
    /// somebody newer comes.
    pub(crate) async fn receive(
        mut self,
        first: UploadRequest,
        mut pieces: Streaming<UploadRequest>,
        mut turn: Turn,
    ) -> Result<(u32, u64), Status> {
        let mut next = Ok(Some(first));
        let ended = loop {
            match next {
                Ok(Some(piece)) => {
                    self.take(&piece).await?;
                }
                Ok(None) => break Ok(()),
                Err(broken) => break Err(broken),
            }
            next = tokio::select! {
                // What has arrived comes before who has come.
                biased;
                piece = pieces.message() => piece,
                _ = turn.newer.changed() => Err(Status::aborted("the upload goes on over a newer connection")),
            };
        };
        if !self.chunk.is_empty() {
            let kept = self.spool.write_part(self.index, &self.chunk).await;
            kept.map_err(refused)?;
        }
        ended?;
        missing(&self.spool, &self.header).await
    }

    async fn take(&mut self, piece: &UploadRequest) -> Result<(), Status> {
        if piece.offset == 0 {
            self.chunk.clear();
        } else if self.chunk.is_empty() {
            self.chunk = self.spool.read_part(piece.index).await.map_err(refused)?;
        } else if piece.index != self.index {
            return Err(malformed("a piece of an upload is out of place"));
        }
        self.index = piece.index;
        let expected = self
            .header
            .chunks
            .get(piece.index as usize)
            .ok_or_else(|| malformed("no such chunk"))?;
        let whole = self.shape.payload_bytes(piece.index as usize);
        let length = self.chunk.len().saturating_add(piece.payload.len());
        let fits = (1..=UPLOAD).contains(&piece.payload.len()) && length <= whole;
        if piece.offset as usize != self.chunk.len() || !fits {
            self.chunk.clear();
            return Err(malformed("a piece of an upload is out of place"));
        }
        self.chunk
            .reserve_exact(if self.chunk.is_empty() { whole } else { 0 });
        self.chunk.extend_from_slice(&piece.payload);
        if length < whole {
            return Ok(()); // more pieces of this chunk follow, or it will be found missing
        }
        // Once, when all of it is here: a hash at every piece is the square of what was sent.
        if chunk_hash(&self.chunk) != *expected {
            self.chunk.clear();
            // Also where an earlier connection brought the beginning: the chunk begins again.
            self.spool
                .write_part(piece.index, &[])
                .await
                .map_err(refused)?;
            return Err(status(&Refusal::new(
                Code::UploadMismatch,
                format!("chunk {}", piece.index),
            )));
        }
        let written = self.spool.write_chunk(piece.index, &self.chunk).await;
        self.chunk.clear();
        written.map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::layout::Ring;
    use motet_secagg::message::SignedRoot;
    use motet_secagg::sign::Signature;
    use std::time::Duration;

    /// An upload of one chunk, which by its shape has that many bytes.
    async fn one_chunk(dir: &std::path::Path, payload: &[u8]) -> Upload {
        let shape = Shape {
            ring: Ring::Bits32,
            words: 8,
            chunk_words: 1 << 10,
        };
        assert_eq!(shape.payload_bytes(0), payload.len());
        let (t2, node) = (Digest::default(), NodeId([7; 16]));
        let root = SignedRoot {
            node,
            root: Digest::default(),
            signature: Signature([0; 64]),
        };
        let header = Header {
            t2,
            chunks: vec![chunk_hash(payload)],
            root,
        };
        Upload::new(header, shape, Spool::open(dir, "upload").await.unwrap())
    }

    fn piece(offset: usize, payload: &[u8]) -> UploadRequest {
        let offset = u32::try_from(offset).unwrap();
        UploadRequest {
            offset,
            payload: payload.to_vec(),
            ..UploadRequest::default()
        }
    }

    #[tokio::test]
    async fn a_chunk_takes_what_its_shape_says_and_is_refused_as_soon_as_it_is_whole_and_another() {
        let dir = tempfile::tempdir().unwrap();
        let payload: Vec<u8> = (0..40).collect();
        let mut upload = one_chunk(dir.path(), &payload).await;
        let code = |taken: Result<(), Status>| {
            motet_proto::refusal::refusal(&taken.unwrap_err())
                .unwrap()
                .code
        };
        let large = vec![0; 1 << 20];
        assert_eq!(
            code(upload.take(&piece(0, &large)).await),
            Code::Malformed,
            "larger than the chunk"
        );
        assert_eq!(
            code(upload.take(&piece(0, &[])).await),
            Code::Malformed,
            "a piece of nothing"
        );
        for at in 0..39 {
            upload.take(&piece(at, &payload[at..=at])).await.unwrap();
        }
        assert_eq!(
            code(upload.take(&piece(39, &[0])).await),
            Code::UploadMismatch,
            "whole, and another"
        );
        assert_eq!(
            missing(&upload.spool, &upload.header).await.unwrap(),
            (0, 0),
            "it begins anew"
        );
        upload.take(&piece(0, &payload[..17])).await.unwrap();
        assert_eq!(
            code(upload.take(&piece(17, &payload)).await),
            Code::Malformed,
            "beyond its end"
        );
        upload.take(&piece(0, &payload[..17])).await.unwrap();
        upload.take(&piece(17, &payload[17..])).await.unwrap();
        assert_eq!(
            missing(&upload.spool, &upload.header).await.unwrap(),
            (1, 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_connection_waits_until_the_older_has_put_down_what_arrived() {
        let receiving = Receiving::default();
        let name = (Digest::default(), NodeId([7; 16]));
        let mut first = receiving.turn(name).await;
        let other = receiving.turn((Digest::default(), NodeId([8; 16]))).await;
        assert!(
            !first.newer.has_changed().unwrap(),
            "another site's upload is no newcomer"
        );
        let (mine, waiting) = (receiving.clone(), receiving.clone());
        let second = tokio::spawn(async move { mine.turn(name).await });
        tokio::time::timeout(Duration::from_secs(1), first.newer.changed())
            .await
            .unwrap()
            .unwrap();
        assert!(!second.is_finished());
        drop(first);
        let second = second.await.unwrap();
        assert!(
            !second.newer.has_changed().unwrap(),
            "nobody newer than itself"
        );
        drop((second, other));
        assert!(waiting.lines().is_empty(), "who has gone is forgotten");
    }
}
