//! What has arrived of downloads that a broken line stopped: the next connection asks for the rest. In memory only; a node
//! that starts again begins them anew.

use motet_proto::uploads::Gathering;
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;

/// Downloads kept of each kind, enough for as many studies at once; the others begin anew.
const MOST: usize = 8;

/// Downloads that were stopped.
#[derive(Default)]
pub(crate) struct Downloads {
    blobs: BTreeMap<Digest, Vec<u8>>,
    sums: BTreeMap<Digest, Gathering>,
}

impl Downloads {
    /// What has arrived of a blob.
    pub(crate) fn blob(&mut self, digest: &Digest) -> Option<Vec<u8>> {
        self.blobs.remove(digest)
    }

    /// Keeps what has arrived of a blob.
    pub(crate) fn keep_blob(&mut self, digest: Digest, bytes: Vec<u8>) {
        keep(&mut self.blobs, digest, bytes);
    }

    /// What was added up of the uploads of a sum.
    pub(crate) fn sum(&mut self, t2: &Digest) -> Option<Gathering> {
        self.sums.remove(t2)
    }

    /// Keeps what was added up of the uploads of a sum.
    pub(crate) fn keep_sum(&mut self, t2: Digest, gathering: Gathering) {
        keep(&mut self.sums, t2, gathering);
    }
}

fn keep<T>(kept: &mut BTreeMap<Digest, T>, digest: Digest, value: T) {
    if kept.len() >= MOST {
        kept.pop_first();
    }
    kept.insert(digest, value);
}
