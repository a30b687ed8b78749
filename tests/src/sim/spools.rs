//! The coordinator's disk for masked uploads: chunks by attempt and node, held against their
//! header, and the fold.

use super::checks::Broken;
use motet_common::round::Fold;
use motet_secagg::digest::Digest;
use motet_secagg::fold::{Aggregate, fold_chunk};
use motet_secagg::id::NodeId;
use motet_secagg::mask::{Shape, chunk_hash};
use motet_secagg::message::Header;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Chunks by T2, node and index.
#[derive(Default)]
pub struct Spools {
    chunks: BTreeMap<(Digest, NodeId, usize), Rc<Vec<u8>>>,
}

impl Spools {
    /// The first chunk of this upload that is not there.
    pub fn missing(&self, header: &Header) -> Option<usize> {
        let node = header.root.node;
        (0..header.chunks.len()).find(|index| !self.chunks.contains_key(&(header.t2, node, *index)))
    }

    /// Keeps a chunk that is what its header says; any other is dropped.
    pub fn take(&mut self, header: &Header, index: usize, payload: &Rc<Vec<u8>>) {
        if header.chunks.get(index) == Some(&chunk_hash(payload)) {
            self.chunks
                .insert((header.t2, header.root.node, index), Rc::clone(payload));
        }
    }

    /// Adds the uploads of the set and takes the opened masks off, chunk by chunk.
    ///
    /// # Errors
    /// [`Broken`] when an upload is not complete or a mask is left: with honest nodes neither
    /// happens.
    pub fn fold(&self, fold: &Fold, shape: &Shape, t2: Digest) -> Result<Aggregate, Broken> {
        let set = fold.evidence.set();
        let sites = u32::try_from(set.len()).unwrap_or(u32::MAX);
        let mut words = Vec::new();
        for index in 0..shape.chunks() {
            let spooled = |node: &NodeId| Some(self.chunks.get(&(t2, *node, index))?.as_slice());
            let payloads = set.iter().map(spooled).collect::<Option<Vec<_>>>();
            let payloads = payloads
                .ok_or_else(|| Broken("a set holds an upload that is not complete".to_owned()))?;
            let chunk = fold_chunk(shape, index, &payloads, &fold.removals, sites);
            words.extend(chunk.map_err(|error| Broken(error.to_string()))?);
        }
        Ok(Aggregate {
            ring: shape.ring,
            words,
        })
    }

    /// One row of chunks, of these nodes.
    pub fn row(&self, t2: Digest, nodes: &[NodeId], index: usize) -> Option<Vec<Rc<Vec<u8>>>> {
        nodes
            .iter()
            .map(|node| self.chunks.get(&(t2, *node, index)).cloned())
            .collect()
    }

    /// Uploads of earlier attempts go.
    pub fn clear(&mut self) {
        self.chunks.clear();
    }
}
