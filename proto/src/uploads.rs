//! Masked uploads on their way to whoever makes a sum again: pieces become chunks, chunks become
//! rows (one chunk of every site of the sum), and each row is added up as soon as it is whole.
//! Nodes and auditors share it.

use crate::MAX_MESSAGE;
use crate::v1::{UploadsRequest, UploadsResponse};
use motet_common::audit::Audit;
use motet_common::refusal::Refusal;
use motet_secagg::digest::Digest;

/// Why the uploads could not be taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadsError {
    /// Pieces that fit no row.
    #[error("the coordinator sends masked uploads out of order")]
    Order,
    /// More rows than the uploads have.
    #[error("the coordinator sends more chunks than an upload has")]
    Length,
    /// The uploads are not those of the sum.
    #[error(transparent)]
    Sum(#[from] Refusal),
}

/// A sum being made again while its uploads arrive.
pub struct Gathering {
    audit: Audit,
    rows: Rows,
    chunks: usize,
    done: usize,
}

impl Gathering {
    /// Begins; nothing has arrived.
    pub fn new(audit: Audit) -> Self {
        let evidence = audit.evidence();
        let sites = evidence.uploads.len();
        let chunks = evidence.shape().chunks();
        Self {
            audit,
            rows: Rows::new(sites),
            chunks,
            done: 0,
        }
    }

    /// What to ask the coordinator for: the rows that have not arrived, and of the next one what has
    /// not.
    pub fn request(&self, study: &Digest) -> UploadsRequest {
        let evidence = self.audit.evidence();
        let nodes = evidence
            .uploads
            .iter()
            .map(|root| root.node.0.to_vec())
            .collect();
        let rows = u32::try_from(self.done).unwrap_or(u32::MAX);
        UploadsRequest {
            study: study.0.to_vec(),
            t2: evidence.t2().0.to_vec(),
            nodes,
            rows,
            bytes: self.rows.arrived() as u64,
        }
    }

    /// Takes in the next piece.
    ///
    /// # Errors
    /// [`UploadsError`]: more of it helps nobody.
    pub fn take(&mut self, piece: UploadsResponse) -> Result<(), UploadsError> {
        let Some(row) = self.rows.take(piece)? else {
            return Ok(());
        };
        if self.done == self.chunks {
            return Err(UploadsError::Length);
        }
        self.done += 1;
        let payloads: Vec<&[u8]> = row.iter().map(Vec::as_slice).collect();
        Ok(self.audit.row(&payloads)?)
    }

    /// Whether all of the uploads have arrived.
    pub fn is_whole(&self) -> bool {
        self.done == self.chunks
    }

    /// Whether the sum that was made again is the released one.
    ///
    /// # Errors
    /// `sum_mismatch`.
    pub fn finish(self) -> Result<(), Refusal> {
        self.audit.finish()
    }
}

/// Gathers pieces of chunks into rows.
struct Rows {
    sites: usize,
    row: Vec<Vec<u8>>,
    chunk: Vec<u8>,
}

impl Rows {
    fn new(sites: usize) -> Self {
        Self {
            sites,
            row: Vec::with_capacity(sites),
            chunk: Vec::new(),
        }
    }

    /// Bytes of a row that is not whole.
    fn arrived(&self) -> usize {
        self.row.iter().map(Vec::len).sum::<usize>() + self.chunk.len()
    }

    /// A whole row, when this piece ends one.
    fn take(&mut self, piece: UploadsResponse) -> Result<Option<Vec<Vec<u8>>>, UploadsError> {
        let place = self.row.len();
        let fits = place < self.sites && piece.node as usize == place;
        if !fits || self.chunk.len() + piece.piece.len() > MAX_MESSAGE {
            return Err(UploadsError::Order);
        }
        self.chunk.extend_from_slice(&piece.piece);
        if piece.last {
            self.row.push(std::mem::take(&mut self.chunk));
        }
        debug_assert!(
            self.row.len() <= self.sites,
            "a row has a chunk of each site"
        );
        let whole = self.row.len() == self.sites;
        Ok(whole.then(|| std::mem::take(&mut self.row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(node: u32, bytes: &[u8], last: bool) -> UploadsResponse {
        UploadsResponse {
            node,
            index: 0,
            piece: bytes.to_vec(),
            last,
        }
    }

    #[test]
    fn pieces_become_rows_of_one_chunk_a_site() {
        let mut rows = Rows::new(2);
        for _ in 0..2 {
            assert_eq!(rows.take(piece(0, b"ab", false)), Ok(None));
            assert_eq!(rows.take(piece(0, b"c", true)), Ok(None));
            assert_eq!(rows.arrived(), 3);
            assert_eq!(
                rows.take(piece(1, b"de", true)),
                Ok(Some(vec![b"abc".to_vec(), b"de".to_vec()]))
            );
        }
    }

    #[test]
    fn pieces_out_of_order_or_without_end_are_refused() {
        assert_eq!(
            Rows::new(2).take(piece(1, b"a", true)),
            Err(UploadsError::Order)
        );
        assert_eq!(
            Rows::new(0).take(piece(0, b"a", true)),
            Err(UploadsError::Order)
        );
        let mut rows = Rows::new(1);
        let most = vec![0; MAX_MESSAGE];
        assert_eq!(rows.take(piece(0, &most, false)), Ok(None));
        assert_eq!(rows.take(piece(0, b"a", false)), Err(UploadsError::Order));
    }
}
