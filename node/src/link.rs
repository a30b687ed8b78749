//! The line to the coordinator: one stream for messages, others for uploads and downloads. Every frame that leaves is
//! written into the outbound ledger before it is sent.

use crate::records::{self, Frame as Left, OUTBOUND};
use crate::{Home, NodeError, clock, output};
use motet_common::decision::SignedDecision;
use motet_common::log::MOST_LEAVES;
use motet_common::refusal::{Code, Refusal};
use motet_ledger::{Ledger, LedgerError, Spool};
use motet_proto::refusal::{refusal, words};
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::client::{ConnectError, connect};
use motet_proto::v1::attend_request::Frame;
use motet_proto::v1::rounds_client::RoundsClient;
use motet_proto::v1::{
    AttendRequest, AttendResponse, Envelope, Hello, LeavesRequest, ReleasesRequest, UploadRequest,
    UploadStateRequest, Welcome,
};
use motet_proto::version::{Side, Version, agree};
use motet_proto::{MAX_MESSAGE, PIECE};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_secagg::mask::MaskedUpdate;
use motet_secagg::message::{Header, Message, Released};
use prost::Message as _;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Frames that may wait to be sent.
const QUEUE: usize = 64;
/// The first wait of an upload that a disk refused; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The way out.
#[derive(Clone)]
pub(crate) struct Link {
    client: RoundsClient<Channel>,
    ledger: Ledger,
    out: mpsc::Sender<AttendRequest>,
    /// Whether the coordinator lets a download go on where it broke.
    resumes: bool,
    /// Plans whose upload is on its way over this connection: what asks for it again meanwhile sends nothing twice.
    uploading: Arc<Mutex<BTreeSet<Digest>>>,
}

/// What came of making a sum again.
#[derive(Clone)]
pub(crate) enum Again {
    /// It is the released one, bit for bit.
    Same,
    /// The coordinator does not hand out all of the uploads (any more): this site cannot say that it made the sum again.
    NotKept,
    /// It is another.
    Wrong(Refusal),
}

/// The way in.
pub(crate) struct Line(Streaming<AttendResponse>);

/// Why nothing came of a call.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The node's own folder, in which everything that leaves stands first: nothing was said.
    Own(NodeError),
    /// The coordinator, or the way there, in words for the steward.
    Line(String),
    /// Another connection with this site's certificate took the place of this one.
    Replaced,
}

impl From<NodeError> for Broken {
    fn from(error: NodeError) -> Self {
        Self::Own(error)
    }
}

impl From<String> for Broken {
    fn from(why: String) -> Self {
        Self::Line(why)
    }
}

impl Line {
    /// The next frame; nothing when the coordinator closed the stream.
    ///
    /// # Errors
    /// Why the stream broke, for the steward.
    pub(crate) async fn next(&mut self) -> Result<Option<AttendResponse>, Broken> {
        self.0.message().await.map_err(|status| match refusal(&status) {
            Some(Refusal { code: Code::LineReplaced, .. }) => Broken::Replaced,
            _ => Broken::Line(why(&status)),
        })
    }
}

/// A broken stream or a refusal, in words.
pub(crate) fn why(status: &Status) -> String {
    if let Some(refusal) = refusal(status) {
        return format!("the coordinator refused: {refusal}");
    }
    match ConnectError::within(status) {
        Some(error) => error.to_string(),
        None => format!("the connection broke ({})", words(status)),
    }
}

/// What this node and the coordinator speak with each other.
///
/// # Errors
/// `version_unknown` for another major.
pub(crate) fn agreed(welcome: &Welcome) -> Result<Version, Refusal> {
    let theirs = Version { major: welcome.version, minor: welcome.minor };
    let ours = Side { version: Version::ours(), software: env!("CARGO_PKG_VERSION") };
    agree(&ours, &Side { version: theirs, software: &welcome.software })
}

impl Link {
    /// Dials the coordinator with this site's certificate and opens the stream. `replaced` is how often another connection
    /// took this process's line.
    ///
    /// # Errors
    /// Why it cannot be reached, for the steward.
    pub(crate) async fn dial(home: &Home, replaced: u32) -> Result<(Self, Line), Broken> {
        let identity = home.paths.client()?;
        let channel =
            connect(&home.settings.address, &identity, COORDINATOR_NAME).await.map_err(|e| e.to_string())?;
        let mut client = RoundsClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let (out, frames) = mpsc::channel(QUEUE);
        let hello = Hello {
            version: Version::ours().major,
            software: env!("CARGO_PKG_VERSION").to_owned(),
            clock_ms: clock::now().ms,
            minor: Version::ours().minor,
            replaced,
        };
        record(&home.ledger, "hello", "", 0, &hello.encode_to_vec()).await?;
        // The queue is empty: the first frame always fits.
        let _ = out.try_send(AttendRequest { frame: Some(Frame::Hello(hello)) });
        let response = client.attend(ReceiverStream::new(frames)).await.map_err(|status| why(&status))?;
        let link =
            Self { client, ledger: home.ledger.clone(), out, resumes: false, uploading: Arc::default() };
        Ok((link, Line(response.into_inner())))
    }

    /// A line over which nothing is answered, and what is sent over it.
    #[cfg(test)]
    pub(crate) fn to_nobody(home: &Home) -> (Self, mpsc::Receiver<AttendRequest>) {
        let channel = tonic::transport::Endpoint::from_static("http://nobody.invalid").connect_lazy();
        let (client, ledger) = (RoundsClient::new(channel), home.ledger.clone());
        let (out, frames) = mpsc::channel(QUEUE);
        (Self { client, ledger, out, resumes: false, uploading: Arc::default() }, frames)
    }

    /// The version that both sides will speak.
    pub(crate) fn speaks(&mut self, version: Version) {
        self.resumes = version.resumes();
    }

    /// Whether a download may go on where it broke.
    pub(crate) fn resumes(&self) -> bool {
        self.resumes
    }

    pub(crate) fn client(&self) -> RoundsClient<Channel> {
        self.client.clone()
    }

    /// Sends a protocol message, after recording that it leaves.
    ///
    /// # Errors
    /// When it cannot be recorded: then it is not sent.
    pub(crate) async fn tell(
        &self,
        home: &Home,
        study: &str,
        round: u64,
        run: RunId,
        message: &Message,
    ) -> Result<(), NodeError> {
        let body = message.to_bytes();
        record(&home.ledger, message.kind(), study, round, &body).await?;
        self.send(Frame::Message(Envelope { run: run.0.to_vec(), body })).await;
        Ok(())
    }

    /// Sends a steward's decision, after recording that it leaves.
    ///
    /// # Errors
    /// As [`Link::tell`].
    pub(crate) async fn decide(&self, home: &Home, decision: &SignedDecision) -> Result<(), NodeError> {
        let body = decision.to_bytes();
        record(&home.ledger, "decision", &decision.decision.study, 0, &body).await?;
        self.send(Frame::Decision(body)).await;
        Ok(())
    }

    /// Requests carry ids and digests only; they leave the site all the same and are on record.
    pub(crate) async fn record_request(
        &self,
        kind: &str,
        request: &impl prost::Message,
    ) -> Result<(), NodeError> {
        record(&self.ledger, kind, "", 0, &request.encode_to_vec()).await
    }

    async fn send(&self, frame: Frame) {
        // A broken stream is noticed where it is read; what was owed is said again on the next one.
        let _ = self.out.send(AttendRequest { frame: Some(frame) }).await;
    }

    /// Writes the masked chunks to disk, from where they are sent, and sent again, unchanged.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) async fn store(
        &self,
        home: &Home,
        plan: &Digest,
        masked: &MaskedUpdate,
    ) -> Result<(), NodeError> {
        // What an interrupted attempt to do so left: no header names it, and it was shown to nobody.
        remove_masked(home, plan).await?;
        let spool = Spool::open(&home.paths.masked(), &plan.hex()).await?;
        for (index, chunk) in (0..).zip(&masked.chunks) {
            spool.write_chunk(index, chunk).await?;
        }
        Ok(())
    }

    /// Sends the stored chunks from the first that the coordinator misses, in a task of its own; one at a time.
    pub(crate) fn upload(
        &self,
        home: &Home,
        plan: Digest,
        run: RunId,
        header: Header,
        context: (String, u64),
    ) {
        if !self.uploads().insert(plan) {
            return;
        }
        let upload = Upload {
            client: self.client.clone(),
            ledger: home.ledger.clone(),
            masked: home.paths.masked(),
            plan,
            run,
            header,
            context,
        };
        let link = self.clone();
        tokio::spawn(async move {
            upload.send().await;
            link.uploads().remove(&plan);
        });
    }

    fn uploads(&self) -> MutexGuard<'_, BTreeSet<Digest>> {
        self.uploading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The releases of a study after a round.
    ///
    /// # Errors
    /// Why they could not be fetched.
    pub(crate) async fn releases(&self, study: &Digest, after_round: u64) -> Result<Vec<Released>, Broken> {
        let request = ReleasesRequest { study: study.0.to_vec(), after_round };
        self.record_request("releases-request", &request).await?;
        let mut stream =
            self.client.clone().releases(request).await.map_err(|status| why(&status))?.into_inner();
        let mut releases = Vec::new();
        while let Some(response) = stream.message().await.map_err(|status| why(&status))? {
            releases.push(Released::from_bytes(&response.released).map_err(|error| error.to_string())?);
        }
        Ok(releases)
    }

    /// Leaves of a study's log after the first `from`, up to `to` of them in all.
    ///
    /// # Errors
    /// Why they could not be fetched.
    pub(crate) async fn leaves(&self, study: &Digest, from: u64, to: u64) -> Result<Vec<Vec<u8>>, Broken> {
        let request = LeavesRequest { study: study.0.to_vec(), from, to };
        self.record_request("leaves-request", &request).await?;
        let mut stream =
            self.client.clone().leaves(request).await.map_err(|status| why(&status))?.into_inner();
        let mut leaves = Vec::new();
        while let Some(response) = stream.message().await.map_err(|status| why(&status))? {
            if leaves.len() as u64 >= to.saturating_sub(from).min(MOST_LEAVES) {
                return Err("the coordinator sends more leaves than were asked for".to_owned().into());
            }
            leaves.push(response.leaf);
        }
        Ok(leaves)
    }
}

struct Upload {
    client: RoundsClient<Channel>,
    ledger: Ledger,
    masked: PathBuf,
    plan: Digest,
    run: RunId,
    header: Header,
    context: (String, u64),
}

/// Why an upload stopped.
enum Stopped {
    /// The connection is gone, or the upload is not wanted any more: the next connection takes it up where it stopped.
    Over(String),
    /// This process ends.
    Ending,
    /// A disk refused, here or at the coordinator: the same connection may go on when it is mended.
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
    /// Sends everything, over disks that are full for a while; what cannot go on in this connection is left to the next.
    async fn send(mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            match self.send_missing().await {
                Ok(()) | Err(Stopped::Ending) => return,
                Err(Stopped::Over(why)) => return output::note(&format!("an upload stopped: {why}")),
                Err(Stopped::Disk(why)) if wait == FIRST_WAIT => {
                    output::note(&format!("an upload waits for a disk and goes on by itself: {why}"));
                }
                Err(Stopped::Disk(_)) => {}
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn send_missing(&mut self) -> Result<(), Stopped> {
        let spool = Spool::open(&self.masked, &self.plan.hex()).await.map_err(NodeError::from)?;
        let count = u32::try_from(self.header.chunks.len()).unwrap_or(u32::MAX);
        let (run, t2) = (self.run.0.to_vec(), self.header.t2.0.to_vec());
        let request = UploadStateRequest { run: run.clone(), t2: t2.clone() };
        let body = request.encode_to_vec();
        record(&self.ledger, "upload-request", &self.context.0, self.context.1, &body).await?;
        let state = self.client.upload_state(request).await?.into_inner();
        let (mut next, mut arrived) = (state.next_missing, usize::try_from(state.offset).unwrap_or(0));
        while next < count {
            let (pieces, stream) = mpsc::channel(QUEUE);
            let sending = self.client.upload(ReceiverStream::new(stream));
            let (ledger, context) = (&self.ledger, &self.context);
            let filling = async {
                for index in next..count {
                    let chunk = spool.read_chunk(index).await.map_err(NodeError::from)?;
                    record(ledger, "masked-chunk", &context.0, context.1, &chunk).await?;
                    let first = std::mem::take(&mut arrived).min(chunk.len());
                    let rest = chunk.get(first..).unwrap_or_default();
                    let offsets = (u32::try_from(first).unwrap_or(u32::MAX)..).step_by(PIECE);
                    for (offset, payload) in offsets.zip(rest.chunks(PIECE)) {
                        let (run, t2) = (run.clone(), t2.clone());
                        let piece = UploadRequest { run, t2, index, offset, payload: payload.to_vec() };
                        if pieces.send(piece).await.is_err() {
                            return Ok(()); // the call has ended; its answer says where to go on
                        }
                    }
                }
                drop(pieces);
                Ok::<(), Stopped>(())
            };
            let (sent, filled) = tokio::join!(sending, filling);
            filled?;
            next = sent?.into_inner().next_missing;
        }
        Ok(())
    }
}

async fn record(ledger: &Ledger, kind: &str, study: &str, round: u64, body: &[u8]) -> Result<(), NodeError> {
    let left = Left {
        when_ms: clock::now().ms,
        kind: kind.to_owned(),
        study: study.to_owned(),
        round,
        bytes: body.len() as u64,
        digest: Digest::of_file(body),
    };
    records::append(ledger, OUTBOUND, &left).await.map(drop)
}

/// Removes the masked chunks of an attempt that is over.
///
/// # Errors
/// When the disk refuses.
pub(crate) async fn remove_masked(home: &Home, plan: &Digest) -> Result<(), NodeError> {
    Ok(Spool::remove(&home.paths.masked(), &plan.hex()).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_secagg::digest::from_hex;

    #[test]
    fn a_coordinator_of_the_minor_before_is_understood_and_another_major_is_refused() {
        // Welcome { version: 1, software: "0.1.0", consortium: "trial", lease_ms: 15000 } of protocol 1.0, and a field of
        // a later one.
        let recorded = "08011205302e312e301a05747269616c2098757a056c61746572";
        let welcome = Welcome::decode(from_hex(recorded).unwrap().as_slice()).unwrap();
        assert_eq!((welcome.lease_ms, agreed(&welcome).unwrap()), (15_000, Version { major: 1, minor: 0 }));
        let refusal = agreed(&Welcome { version: 2, software: "0.9.0".into(), ..welcome }).unwrap_err();
        assert_eq!(refusal.code, Code::VersionUnknown);
        assert!(refusal.detail.contains("install motet `0.9.0`"), "{}", refusal.detail);
    }
}
