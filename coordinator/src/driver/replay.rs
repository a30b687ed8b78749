//! Bringing a driver to life: from a proposal, or from a stream that a restart finds or that
//! somebody asks for.

use super::idle::{may_rest, resting};
use super::publication::sweep_uploads;
use super::{Driver, not_before, now};
use crate::book::{Book, stream};
use crate::entries::{Proposed, StudyEntry};
use crate::handle::{Awake, Handle, Line, Wake};
use crate::members::disk;
use crate::shared::Shared;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::{Entry, Folded};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

/// Requests that may wait for a driver.
const INBOX: usize = 1024;
/// Views that a slow watcher may lag behind before it skips some; each study holds room for as
/// many.
const VIEWS: usize = 16;

/// Records a proposal and starts its driver.
pub(crate) async fn propose(
    shared: &Arc<Shared>,
    text: String,
    roster: motet_common::roster::SignedRoster,
    proposer: String,
) -> Result<Handle, Refusal> {
    let proposed = Proposed {
        text,
        roster,
        proposer,
        at: now(),
    };
    let book = Book::open(proposed.clone(), &shared.keys.governance.fingerprint())?;
    if book.roster().coordinator != shared.keys.signing.public() {
        return Err(Refusal::new(
            Code::RosterMismatch,
            "the roster names another coordinator",
        ));
    }
    if let Some(known) = shared.studies.read().await.get(&book.digest)
        && !known.is_withdrawn()
    {
        return Err(Refusal::new(
            Code::StudyKnown,
            format!("the very same study is already proposed as `{}`", known.id),
        ));
    }
    let stream = book.stream();
    let version = shared.ledger.version(&stream).await.map_err(disk)?;
    if version > 0 {
        return Err(Refusal::new(
            Code::StudyWithdrawn,
            "the very same study was withdrawn before",
        ));
    }
    shared
        .ledger
        .append(&stream, 0, &StudyEntry::Proposed(proposed).to_bytes())
        .await
        .map_err(disk)?;
    let handle = handle_of(shared, &book);
    let read = Replayed {
        book,
        version: 1,
        planned: 0,
    };
    *handle.line.lock().await = Line::Awake(drive(shared, &handle, read, false));
    shared
        .studies
        .write()
        .await
        .insert(handle.digest, handle.clone());
    Ok(handle)
}

/// Rebuilds a study from its stream, and starts its driver where there is something to do. What was
/// under way at version `backed_up` or before is not continued: the stream was restored from a
/// backup then, and the nodes may be further (ruling R7).
pub(crate) async fn reopen(
    shared: &Arc<Shared>,
    stream: &str,
    backed_up: u64,
) -> anyhow::Result<()> {
    let mut read = replay(shared, stream).await?;
    if read.book.run.is_none() {
        sweep_uploads(shared, &mut read.book).await;
    }
    let handle = handle_of(shared, &read.book);
    if !may_rest(&read.book) {
        let restored = read.planned <= backed_up;
        *handle.line.lock().await = Line::Awake(drive(shared, &handle, read, restored));
    }
    shared.studies.write().await.insert(handle.digest, handle);
    Ok(())
}

/// Starts drivers of studies that rested, from their streams.
struct Waker(Arc<Shared>);

#[tonic::async_trait]
impl Wake for Waker {
    async fn wake(&self, handle: &Handle) -> Result<Awake, Refusal> {
        let stream = stream(&handle.id, &handle.digest);
        let read = replay(&self.0, &stream).await.map_err(unread)?;
        Ok(drive(&self.0, handle, read, false))
    }
}

/// The way to the study of this book, whose driver rests as yet.
fn handle_of(shared: &Arc<Shared>, book: &Book) -> Handle {
    let waker = Arc::new(Waker(Arc::clone(shared)));
    Handle::new(
        waker,
        shared.hub.clone(),
        book,
        resting(book, &shared.config, &shared.keys.log),
    )
}

/// A study as its stream has it.
pub(super) struct Replayed {
    pub(super) book: Book,
    /// Version of its last entry.
    pub(super) version: u64,
    /// Version of its last plan; 0 when there is none.
    pub(super) planned: u64,
}

/// Why a stream cannot be read: the disk, unless the program finds that the fault is its own.
pub(super) fn unread(error: anyhow::Error) -> Refusal {
    match error.downcast::<Refusal>() {
        Ok(refusal) if refusal.code == Code::Internal => refusal,
        Ok(refusal) => disk(refusal),
        Err(error) => disk(format!("{error:#}")),
    }
}

/// Reads a study's stream.
pub(super) async fn replay(shared: &Shared, stream: &str) -> anyhow::Result<Replayed> {
    let recorded = shared.ledger.read(stream, 1).await?;
    let mut entries = recorded
        .iter()
        .map(|recorded| StudyEntry::from_bytes(&recorded.entry));
    let Some(Ok(StudyEntry::Proposed(proposed))) = entries.next() else {
        anyhow::bail!("stream `{stream}` does not begin with a proposal");
    };
    let mut book = Book::open(proposed, &shared.keys.governance.fingerprint())?;
    for leaf in shared.ledger.read(&book.log_stream(), 1).await? {
        book.log.push(leaf.entry);
    }
    let mut folded: Option<Folded> = None;
    let mut planned = 0;
    for (entry, version) in entries.zip(2..) {
        let entry = entry?;
        let mut aggregate = None;
        match &entry {
            StudyEntry::RunStarted(started) => {
                shared.runs.write().await.insert(started.run, book.digest);
            }
            StudyEntry::Planned(_) => planned = version,
            StudyEntry::Round(Entry::Folded(result)) => folded = Some(*result),
            StudyEntry::Round(Entry::Released(_)) => {
                let folded = folded.take().ok_or_else(|| {
                    Refusal::broken(format!(
                        "stream `{stream}` releases a sum before it is folded"
                    ))
                })?;
                let bytes = shared.ledger.get_blob(&folded.aggregate).await?;
                aggregate = Some(Aggregate::from_bytes(&bytes)?);
                allow(shared, &book, [folded.aggregate, folded.evidence]).await;
            }
            _ => {}
        }
        book.apply(entry, &shared.keys.signing, aggregate.as_ref())?;
    }
    let version = recorded.len() as u64;
    Ok(Replayed {
        book,
        version,
        planned,
    })
}

/// The study's nodes may fetch these blobs: a sum and its evidence.
pub(super) async fn allow(shared: &Shared, book: &Book, blobs: [Digest; 2]) {
    let mut fetchable = shared.fetchable.write().await;
    for blob in blobs {
        let studies = fetchable.entry(blob).or_default();
        if !studies.contains(&book.digest) {
            studies.push(book.digest);
        }
    }
}

pub(super) fn drive(
    shared: &Arc<Shared>,
    handle: &Handle,
    read: Replayed,
    restored: bool,
) -> Awake {
    let Replayed { book, version, .. } = read;
    if let Some(round) = book.run.as_ref().and_then(|run| run.round.as_ref()) {
        not_before(round.since());
    }
    let (own, inbox) = mpsc::channel(INBOX);
    let views = broadcast::channel(VIEWS).0;
    let awake = Awake {
        inbox: own.clone(),
        views: views.clone(),
    };
    let driver = Driver {
        shared: Arc::clone(shared),
        handle: handle.clone(),
        stream: book.stream(),
        version,
        restored,
        inbox,
        own,
        news: shared.hub.news(),
        views,
        needed: Instant::now(),
        wake: None,
        pause: None,
        waiting_since: now(),
        asked_for: None,
        drafted: false,
        done: None,
        folding: false,
        written: 0,
        mended: None,
        book,
    };
    tokio::spawn(driver.run());
    awake
}
