//! What this site takes in from the coordinator: sums, their
//! evidence, and uploads from which a sum is made again. Each
//! study waits for its own, so that a large one holds up no
//! other. What had arrived when a line broke stays here, and
//! the next connection asks for the rest. In memory only; a
//! node that starts again begins again.

use crate::NodeError;
use crate::link::Again;
use motet_common::refusal::Refusal;
use motet_proto::uploads::Gathering;
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Downloads kept of each kind over a broken line, enough for as many
/// studies at once; the others begin again.
const MOST: usize = 8;

/// Bytes of blobs that are on their way at the same time; as
/// many may lie here that broke off, and as many that are
/// whole. The largest sum there can be fits, and what a
/// coordinator can fill of a hospital's memory is bounded.
const MOST_BYTES: usize = 1 << 30;

/// Downloads at the same time; the others wait their turn.
const MOST_AT_ONCE: usize = 8;

/// Downloads that were stopped, and those that are whole.
#[derive(Clone)]
pub(crate) struct Downloads {
    kept: Arc<Mutex<Kept>>,
    turns: Arc<Semaphore>,
}

/// What came of asking for a blob.
pub(crate) enum Fetched {
    /// All of it.
    Whole(Arc<Vec<u8>>),
    /// The coordinator does not hand it out, and its words.
    Gone(String),
}

#[derive(Default)]
struct Kept {
    parts: BTreeMap<Digest, Vec<u8>>,
    gathered: BTreeMap<Digest, Gathering>,
    /// Bytes of blobs on their way over the present connection.
    active: usize,
    blobs: BTreeMap<Digest, Arc<Vec<u8>>>,
    verdicts: BTreeMap<Digest, Again>,
}

impl Default for Downloads {
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            turns: Arc::new(Semaphore::new(MOST_AT_ONCE)),
        }
    }
}

impl Downloads {
    /// A blob that is whole.
    pub(crate) fn blob(&self, digest: &Digest) -> Option<Arc<Vec<u8>>> {
        self.kept().blobs.get(digest).cloned()
    }

    /// One of a few that are on their way at the same time.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, NodeError> {
        let turn = self.turns.acquire().await;
        Ok(turn.map_err(|_| Refusal::broken("the turns of downloads are closed"))?)
    }

    /// What came of making the sum of this release again.
    pub(crate) fn verdict(&self, released: &Digest) -> Option<Again> {
        self.kept().verdicts.get(released).cloned()
    }

    /// Drops what was taken in, or will not be.
    pub(crate) fn forget(&self, digests: &[Digest]) {
        let mut kept = self.kept();
        for digest in digests {
            kept.blobs.remove(digest);
            kept.verdicts.remove(digest);
        }
    }

    /// A new connection: what was whole on the last and is not asked
    /// for again does not pile up.
    pub(crate) fn trim(&self) {
        let mut kept = self.kept();
        while kept.blobs.len() > MOST {
            kept.blobs.pop_first();
        }
        while kept.verdicts.len() > MOST {
            kept.verdicts.pop_first();
        }
    }

    /// A blob on its way: what has arrived of it, and what arrives.
    /// However its task ends, what has arrived is kept.
    pub(crate) fn part(&self, digest: Digest, resumes: bool) -> Part<'_> {
        let arrived = self.kept().parts.remove(&digest).filter(|_| resumes);
        Part {
            downloads: self,
            digest,
            bytes: arrived.unwrap_or_default(),
            counted: 0,
        }
    }

    /// Uploads on their way, as [`Downloads::part`]; `begin` where
    /// nothing has arrived.
    pub(crate) fn gathering(
        &self,
        released: Digest,
        resumes: bool,
        begin: impl FnOnce() -> Gathering,
    ) -> Sum<'_> {
        let arrived = self.kept().gathered.remove(&released).filter(|_| resumes);
        Sum {
            downloads: self,
            released,
            gathering: Some(arrived.unwrap_or_else(begin)),
        }
    }

    /// As if the sum of this release had been made again.
    #[cfg(test)]
    pub(crate) fn judge(&self, released: Digest, verdict: Again) {
        self.kept().verdicts.insert(released, verdict);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was fetched of one release, and came of making it
/// again, until it is taken in: it goes with this value.
pub(crate) struct Held {
    downloads: Downloads,
    digests: [Digest; 3],
}

impl Held {
    pub(crate) fn new(downloads: &Downloads, digests: [Digest; 3]) -> Self {
        Self {
            downloads: downloads.clone(),
            digests,
        }
    }

    /// Whether it is of these.
    pub(crate) fn is_of(&self, digests: &[Digest; 3]) -> bool {
        self.digests == *digests
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.downloads.forget(&self.digests);
    }
}

/// A blob that is being fetched.
pub(crate) struct Part<'a> {
    downloads: &'a Downloads,
    digest: Digest,
    pub(crate) bytes: Vec<u8>,
    /// How much of it counts among what is on its way.
    counted: usize,
}

impl Part<'_> {
    /// Takes in what has arrived; whether there was room, which a
    /// coordinator that sends without end uses up.
    pub(crate) fn take(&mut self, piece: &[u8]) -> bool {
        let mut kept = self.downloads.kept();
        debug_assert!(
            self.counted <= kept.active,
            "it is on its way with the others"
        );
        let size = self.bytes.len().saturating_add(piece.len());
        let active = kept
            .active
            .saturating_sub(self.counted)
            .saturating_add(size);
        if active > MOST_BYTES {
            return false;
        }
        kept.active = active;
        self.counted = size;
        self.bytes.extend_from_slice(piece);
        true
    }

    /// It is whole.
    pub(crate) fn done(mut self) -> Arc<Vec<u8>> {
        let bytes = Arc::new(std::mem::take(&mut self.bytes));
        let mut kept = self.downloads.kept();
        debug_assert!(self.counted <= kept.active, "it was on its way until now");
        kept.active = kept
            .active
            .saturating_sub(std::mem::take(&mut self.counted));
        // What the message that asked for it has not taken in by now
        // goes first, and is fetched again.
        while kept
            .blobs
            .values()
            .map(|blob| blob.len())
            .sum::<usize>()
            .saturating_add(bytes.len())
            > MOST_BYTES
            && kept.blobs.pop_first().is_some()
        {}
        kept.blobs.insert(self.digest, Arc::clone(&bytes));
        bytes
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let mut kept = self.downloads.kept();
        kept.active = kept.active.saturating_sub(self.counted);
        if !self.bytes.is_empty() {
            let size = self.bytes.len();
            while kept
                .parts
                .values()
                .map(Vec::len)
                .sum::<usize>()
                .saturating_add(size)
                > MOST_BYTES
                && kept.parts.pop_first().is_some()
            {}
            keep(
                &mut kept.parts,
                self.digest,
                std::mem::take(&mut self.bytes),
            );
        }
    }
}

/// A sum that is being made again.
pub(crate) struct Sum<'a> {
    downloads: &'a Downloads,
    released: Digest,
    /// Taken out when it is over.
    gathering: Option<Gathering>,
}

impl Sum<'_> {
    /// What has been added up.
    pub(crate) fn gathering(&mut self) -> Result<&mut Gathering, NodeError> {
        Ok(self.gathering.as_mut().ok_or_else(over)?)
    }

    /// What came of it: what was clear before the end, or what all of
    /// it shows.
    pub(crate) fn done(mut self, early: Option<Again>) -> Result<Again, NodeError> {
        let whole = self.gathering.take().ok_or_else(over)?;
        let verdict = match early {
            Some(verdict) => verdict,
            None => whole.finish().map_or_else(Again::Wrong, |()| Again::Same),
        };
        let mut kept = self.downloads.kept();
        kept.verdicts.insert(self.released, verdict.clone());
        drop(kept);
        Ok(verdict)
    }
}

fn over() -> Refusal {
    Refusal::broken("a sum is made again that was made again")
}

impl Drop for Sum<'_> {
    fn drop(&mut self) {
        if let Some(gathering) = self.gathering.take() {
            keep(
                &mut self.downloads.kept().gathered,
                self.released,
                gathering,
            );
        }
    }
}

fn keep<T>(kept: &mut BTreeMap<Digest, T>, digest: Digest, value: T) {
    if kept.len() >= MOST {
        kept.pop_first();
    }
    kept.insert(digest, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_that_stops_anywhere_goes_on_from_there_and_one_that_is_whole_is_here_until_it_is_taken_in()
     {
        let (downloads, digest) = (Downloads::default(), Digest([1; 32]));
        downloads.part(digest, true).bytes.extend(b"ab");
        let mut part = downloads.part(digest, true);
        part.bytes.extend(b"cd");
        assert_eq!(downloads.blob(&digest), None);
        part.done();
        assert_eq!(downloads.blob(&digest).unwrap().as_slice(), b"abcd");
        downloads.forget(&[digest]);
        assert_eq!(downloads.blob(&digest), None);
        downloads.part(digest, true).bytes.extend(b"ab");
        assert!(
            downloads.part(digest, false).bytes.is_empty(),
            "an older coordinator sends all of it again"
        );
    }

    #[test]
    fn what_nobody_asks_for_does_not_pile_up() {
        let downloads = Downloads::default();
        let digest = |n: usize| Digest([u8::try_from(n).unwrap(); 32]);
        for n in 0..MOST + 3 {
            downloads.part(digest(n), true).bytes.push(1);
            let mut whole = downloads.part(digest(100 + n), true);
            whole.bytes.push(1);
            whole.done();
        }
        downloads.trim();
        let kept = downloads.kept();
        assert_eq!((kept.parts.len(), kept.blobs.len()), (MOST, MOST));
    }
}
