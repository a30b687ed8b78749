//! Masked vectors on their way out, each in a task of its
//! own. A task ends with its attempt and with its session,
//! and asks before every chunk whether the steward still lets
//! it leave.

use crate::link::{record, why};
use crate::switch::Consent;
use crate::{NodeError, output};
use motet_common::refusal::{Code, Refusal};
use motet_ledger::{LedgerError, Spool};
use motet_program::Backoff;
use motet_proto::Cut;
use motet_proto::refusal::refusal;
use motet_proto::v1::rounds_client::RoundsClient;
use motet_proto::v1::{UploadRequest, UploadStateRequest};
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Header;
use prost::Message as _;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

/// Pieces that may wait to be sent.
const QUEUE: usize = 64;
/// The waits of an upload that a disk refused.
const WAITS: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
/// How often it is asked whether what waits may still leave.
const LOOK: Duration = Duration::from_millis(200);

/// The uploads under way, by the roots of their plans; they
/// end with this value.
#[derive(Default)]
pub(crate) struct Uploads {
    tasks: BTreeMap<Digest, JoinHandle<()>>,
    /// Those that were begun over some connection.
    begun: BTreeSet<Digest>,
}

impl Uploads {
    /// Sends the stored chunks from the first that the
    /// coordinator misses. What asks for it again meanwhile sends
    /// nothing twice.
    pub(crate) fn begin(&mut self, upload: Upload) {
        self.tasks.retain(|_, task| !task.is_finished());
        if let Entry::Vacant(place) = self.tasks.entry(upload.plan) {
            let again = !self.begun.insert(upload.plan);
            place.insert(tokio::spawn(upload.send(again)));
        }
    }

    /// Ends the upload of an attempt that is over; what waits of
    /// it is not sent.
    pub(crate) fn end(&mut self, plan: &Digest) {
        self.begun.remove(plan);
        if let Some(task) = self.tasks.remove(plan) {
            task.abort();
        }
    }

    /// Ends those of a connection that is gone: the next one
    /// takes them up where they stopped.
    pub(crate) fn end_all(&mut self) {
        while let Some((_, task)) = self.tasks.pop_first() {
            task.abort();
        }
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// What an upload needs to know.
pub(crate) struct Upload {
    pub(crate) client: RoundsClient<Channel>,
    /// Whether it may still leave.
    pub(crate) consent: Consent,
    /// The folder of masked vectors.
    pub(crate) masked: PathBuf,
    pub(crate) plan: Digest,
    pub(crate) run: RunId,
    pub(crate) header: Header,
    /// The study's id and the round, for the record of what left.
    pub(crate) context: (String, u64),
}

/// Why an upload stopped.
enum Stopped {
    /// This process ends.
    Ending,
    /// The connection is gone, or the upload is not wanted any
    /// more: the next connection takes it up where it stopped.
    Over(String),
    /// A disk refused, here or at the coordinator: the same
    /// connection may go on when it is mended.
    Disk(String),
}

impl From<NodeError> for Stopped {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Ledger(LedgerError::Stopping) => Self::Ending,
            error if error.is_of_the_disk() => Self::Disk(error.to_string()),
            error => Self::Over(error.to_string()),
        }
    }
}

impl From<Status> for Stopped {
    fn from(status: Status) -> Self {
        match refusal(&status) {
            Some(refused) if refused.code == Code::Storage => Self::Disk(why(&status)),
            _ => Self::Over(why(&status)),
        }
    }
}

impl Upload {
    /// Sends everything while the steward lets it leave. What
    /// waits to be sent is dropped, too, when that ends, however
    /// slow the line is, and whatever the session is waiting for.
    async fn send(self, again: bool) {
        let mut consent = self.consent.clone();
        let withheld = async {
            let mut look = tokio::time::interval(LOOK);
            loop {
                look.tick().await;
                if let Err(NodeError::Refused(why) | NodeError::Broken(why)) = consent.ask().await {
                    return why;
                }
            }
        };
        tokio::select! {
            () = self.send_all(again) => {}
            why = withheld => output::note(format!("an upload stopped: {why}")),
        }
    }

    /// Sends everything, over disks that are full for a while;
    /// what cannot go on in this connection is left to the next.
    async fn send_all(mut self, again: bool) {
        let mut waits = WAITS;
        loop {
            match self.send_missing(again).await {
                Ok(()) | Err(Stopped::Ending) => return,
                Err(Stopped::Over(why)) => {
                    return output::note(format!("an upload stopped: {why}"));
                }
                Err(Stopped::Disk(why)) if waits == WAITS => {
                    output::note(format!(
                        "an upload waits for a disk and goes on by itself: {why}"
                    ));
                }
                Err(Stopped::Disk(_)) => {}
            }
            tokio::time::sleep(waits.next_wait()).await;
        }
    }

    /// Sends what is missing. Where a connection broke
    /// before, the first piece goes alone, and what follows
    /// waits until it has arrived: of a line that breaks in
    /// the very burst in which an upload leaves, nobody at
    /// its other end may have read anything.
    async fn send_missing(&mut self, again: bool) -> Result<(), Stopped> {
        let spool = Spool::open(&self.masked, &self.plan.hex())
            .await
            .map_err(NodeError::from)?;
        let count = u32::try_from(self.header.chunks.len())
            .map_err(|_| Refusal::broken("an upload of more chunks than its header lists"))
            .map_err(NodeError::from)?;
        let run = self.run.0.to_vec();
        let t2 = self.header.t2.0.to_vec();
        let request = UploadStateRequest {
            run: run.clone(),
            t2: t2.clone(),
        };
        let body = request.encode_to_vec();
        self.consent.ask().await?;
        record(
            &self.consent.ledger,
            "upload-request",
            &self.context.0,
            self.context.1,
            &body,
        )
        .await?;
        let state = self.client.upload_state(request).await?.into_inner();
        let mut next = state.next_missing;
        let mut arrived = usize::try_from(state.offset).map_err(|_| {
            Stopped::Over(
                "more of the upload has arrived than a chunk holds, says the coordinator"
                    .to_owned(),
            )
        })?;
        let mut alone = again;
        while next < count {
            let (pieces, stream) = mpsc::channel(QUEUE);
            let sending = self.client.upload(ReceiverStream::new(stream));
            let sending = async { sending.await.map_err(Stopped::from) };
            let consent = &mut self.consent;
            let context = &self.context;
            let filling = async {
                let mut cut = Cut::default();
                for index in next..count {
                    let chunk = spool.read_chunk(index).await.map_err(NodeError::from)?;
                    consent.ask().await?;
                    record(
                        &consent.ledger,
                        "masked-chunk",
                        &context.0,
                        context.1,
                        &chunk,
                    )
                    .await?;
                    let first = std::mem::take(&mut arrived).min(chunk.len());
                    let (_, mut rest) = chunk.split_at(first);
                    while let Some(payload) = cut.piece(&mut rest) {
                        let offset = chunk.len() - rest.len() - payload.len();
                        let offset = u32::try_from(offset)
                            .map_err(|_| Refusal::broken("a chunk is longer than the wire can say"))
                            .map_err(NodeError::from)?;
                        let piece = UploadRequest {
                            run: run.clone(),
                            t2: t2.clone(),
                            index,
                            offset,
                            payload: payload.to_vec(),
                        };
                        if pieces.send(piece).await.is_err() {
                            return Ok(None); // the call has ended; its answer says where to go on
                        }
                        if alone {
                            drop(pieces);
                            return Ok(Some((index, chunk.len() - rest.len())));
                        }
                    }
                }
                drop(pieces);
                Ok::<_, Stopped>(None)
            };
            // Whichever fails first ends the other: what waits is not sent after a no.
            let (sent, behind) = tokio::try_join!(sending, filling)?;
            next = sent.into_inner().next_missing;
            alone = false;
            if let Some((_, length)) = behind.filter(|(index, _)| *index == next) {
                arrived = length;
            }
        }
        Ok(())
    }
}
