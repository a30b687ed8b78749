//! The line to the coordinator: one stream for messages, others for
//! uploads and downloads. Every frame that leaves is written into the
//! outbound ledger before it is sent.

use crate::records::{self, Frame as Left, OUTBOUND};
use crate::{Home, NodeError, clock};
use motet_common::decision::SignedDecision;
use motet_common::log::{MOST_LEAF, MOST_LEAVES};
use motet_common::refusal::{Code, Refusal};
use motet_ledger::{Ledger, Spool};
use motet_proto::MAX_MESSAGE;
use motet_proto::refusal::{refusal, words};
use motet_proto::tls::COORDINATOR_NAME;
use motet_proto::tls::client::{ClientIdentity, ConnectError, connect};
use motet_proto::v1::attend_request::Frame;
use motet_proto::v1::rounds_client::RoundsClient;
use motet_proto::v1::{
    AttendRequest, AttendResponse, Envelope, Hello, LeavesRequest, ReleasesRequest, Welcome,
};
use motet_proto::version::{Side, Version, agree};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_secagg::mask::MaskedUpdate;
use motet_secagg::message::{Message, Released};
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Frames that may wait to be sent.
const QUEUE: usize = 64;

/// A coordinator that moves nothing for so long is as good as
/// gone, also where its line is open: the session waits for
/// it no longer, for it looks at no stop and no withdrawal
/// meanwhile.
const STALLED: Duration = Duration::from_secs(60);

/// The way out, for the session and for every study; a study
/// that finds it broken hangs up for all.
#[derive(Clone)]
pub(crate) struct Link {
    client: RoundsClient<Channel>,
    ledger: Ledger,
    /// One frame after the other is put on record and sent: the record
    /// has them in the order in which they left.
    out: Arc<Mutex<mpsc::Sender<AttendRequest>>>,
    /// Where it is said why the line broke; closed when the line is
    /// over.
    breaks: mpsc::Sender<Broken>,
    /// Whether somebody hung up: from then on nobody says anything more
    /// over it.
    cut: Arc<watch::Sender<bool>>,
    /// Whether the coordinator lets a download go on where it broke.
    resumes: bool,
}

/// What came of making a sum again.
#[derive(Clone)]
pub(crate) enum Again {
    /// It is the released one, bit for bit.
    Same,
    /// The coordinator does not hand out all of the uploads (any more):
    /// this site cannot say that it made the sum again.
    NotKept,
    /// It is another.
    Wrong(Refusal),
}

/// The way in. The line is over when this value is dropped.
pub(crate) struct Line {
    frames: Streaming<AttendResponse>,
    breaks: mpsc::Receiver<Broken>,
}

/// Bytes of the announcements of missed sums that are taken
/// in at once: some ten thousand of them.
const MOST_MISSED: usize = 64 << 20;

/// Why something could not be done to its end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// A refusal, which is one study's affair; or the node's own
    /// folder, in which everything that leaves stands first: nothing
    /// more is said before it is mended.
    Own(NodeError),
    /// The coordinator, or the way there, in words for the steward.
    Line(String),
    /// Another connection with this site's certificate took the place
    /// of this one.
    Replaced,
    /// The coordinator says that this site was removed.
    Removed(String),
}

impl From<Status> for Broken {
    fn from(status: Status) -> Self {
        match refusal(&status) {
            Some(refusal) if refusal.code == Code::SiteRevoked => Self::Removed(why(&status)),
            Some(refusal) if refusal.code == Code::LineReplaced => Self::Replaced,
            _ => Self::Line(why(&status)),
        }
    }
}

impl Broken {
    /// The refusal, which is one study's affair.
    ///
    /// # Errors
    /// Whatever else it is, which is everybody's.
    pub(crate) fn refusal(self) -> Result<Refusal, Self> {
        match self {
            Self::Own(NodeError::Refused(refusal)) => Ok(refusal),
            other => Err(other),
        }
    }
}

impl<E: Into<NodeError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Own(error.into())
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
    /// Why the stream broke, here or for a study that waited for
    /// something over it.
    pub(crate) async fn next(&mut self) -> Result<Option<AttendResponse>, Broken> {
        tokio::select! {
            frame = self.frames.message() => Ok(frame?),
            Some(broken) = self.breaks.recv() => Err(broken),
        }
    }
}

/// A line that is over, found by whoever still had something
/// to say or to ask over it.
fn ended() -> Broken {
    Broken::Line("the connection has ended".to_owned())
}

/// What was sent over a line that nobody hears.
#[cfg(test)]
pub(crate) struct Unheard {
    pub(crate) frames: mpsc::Receiver<AttendRequest>,
    pub(crate) breaks: mpsc::Receiver<Broken>,
}

/// What the coordinator does within [`STALLED`].
///
/// # Errors
/// When it does not.
pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> Result<T, Broken> {
    let stalled =
        |_| Broken::Line("the coordinator is there and moves nothing; dialling again".to_owned());
    timeout(STALLED, what).await.map_err(stalled)
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
    let theirs = Version {
        major: welcome.version,
        minor: welcome.minor,
    };
    let ours = Side {
        version: Version::ours(),
        software: env!("CARGO_PKG_VERSION"),
    };
    agree(
        &ours,
        &Side {
            version: theirs,
            software: &welcome.software,
        },
    )
}

impl Link {
    /// Dials the coordinator with this site's certificate and opens the
    /// stream. `replaced` is how often another connection took this
    /// process's line, `stopped` whether the steward has stopped this
    /// node.
    ///
    /// # Errors
    /// Why it cannot be reached, for the steward.
    pub(crate) fn dial(
        home: &Home,
        address: String,
        replaced: u32,
        stopped: bool,
    ) -> impl Future<Output = Result<(Self, Line), Broken>> + use<> {
        let identity = home.paths.client();
        let ledger = home.ledger.clone();
        async move { Self::dial_at(&address, &identity?, ledger, (replaced, stopped)).await }
    }

    async fn dial_at(
        address: &str,
        identity: &ClientIdentity,
        ledger: Ledger,
        (replaced, stopped): (u32, bool),
    ) -> Result<(Self, Line), Broken> {
        let channel = connect(address, identity, COORDINATOR_NAME)
            .await
            .map_err(|e| e.to_string())?;
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
            stopped,
        };
        record(&ledger, "hello", "", 0, &hello.encode_to_vec()).await?;
        // The queue is empty: the first frame always fits.
        let _ = out.try_send(AttendRequest {
            frame: Some(Frame::Hello(hello)),
        });
        let response = client.attend(ReceiverStream::new(frames)).await?;
        let (told, breaks) = mpsc::channel(1);
        let link = Self {
            client,
            ledger,
            out: Arc::new(Mutex::new(out)),
            breaks: told,
            cut: Arc::default(),
            resumes: false,
        };
        let frames = response.into_inner();
        Ok((link, Line { frames, breaks }))
    }

    /// A line to whoever is at the address, on which nobody listens,
    /// and what is sent over it.
    #[cfg(test)]
    pub(crate) fn to_nobody(home: &Home, address: &str) -> (Self, Unheard) {
        let endpoint = tonic::transport::Endpoint::from_shared(address.to_owned());
        let client = RoundsClient::new(endpoint.unwrap().connect_lazy());
        let (out, frames) = mpsc::channel(QUEUE);
        let (told, breaks) = mpsc::channel(1);
        let link = Self {
            client,
            ledger: home.ledger.clone(),
            out: Arc::new(Mutex::new(out)),
            breaks: told,
            cut: Arc::default(),
            resumes: false,
        };
        (link, Unheard { frames, breaks })
    }

    /// Says why the line broke; the first reason counts, and none where
    /// it is over. Nothing more is said over it.
    pub(crate) fn hang_up(&self, broken: Broken) {
        let _said_before = self.breaks.try_send(broken);
        self.cut.send_replace(true);
    }

    /// Whether the line is over.
    pub(crate) fn is_over(&self) -> bool {
        self.breaks.is_closed() || *self.cut.borrow()
    }

    /// Returns when the line is over.
    pub(crate) async fn over(&self) -> Broken {
        let mut cut = self.cut.subscribe();
        tokio::select! {
            () = self.breaks.closed() => {}
            // Its sender lives as long as this value.
            _ = cut.wait_for(|cut| *cut) => {}
        }
        ended()
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
    /// When it cannot be recorded: then it is not sent. When the line
    /// takes nothing any more.
    pub(crate) async fn tell(
        &self,
        study: &str,
        round: u64,
        run: RunId,
        message: &Message,
    ) -> Result<(), Broken> {
        let body = message.to_bytes();
        let frame = Frame::Message(Envelope {
            run: run.0.to_vec(),
            body: body.clone(),
        });
        self.send(message.kind(), (study, round), &body, frame)
            .await
    }

    /// Sends a steward's decision, after recording that it leaves.
    ///
    /// # Errors
    /// As [`Link::tell`].
    pub(crate) async fn decide(&self, decision: &SignedDecision) -> Result<(), Broken> {
        let body = decision.to_bytes();
        let study = &decision.decision.study;
        let frame = Frame::Decision(body.clone());
        self.send("decision", (study, 0), &body, frame).await
    }

    /// Says whether the steward has stopped this node: nobody is to
    /// wait for its answers without knowing why.
    ///
    /// # Errors
    /// As [`Link::tell`].
    pub(crate) async fn turned(&self, stopped: bool) -> Result<(), Broken> {
        let kind = if stopped { "stopped" } else { "resumed" };
        let body = [stopped.into()];
        self.send(kind, ("", 0), &body, Frame::Stopped(stopped))
            .await
    }

    /// Requests carry ids and digests only; they leave the site all the
    /// same and are on record.
    pub(crate) async fn record_request(
        &self,
        kind: &str,
        request: &impl prost::Message,
    ) -> Result<(), NodeError> {
        record(&self.ledger, kind, "", 0, &request.encode_to_vec()).await
    }

    /// Puts a frame on record and sends it, unless the line is over:
    /// what is owed is said again on the next one.
    async fn send(
        &self,
        kind: &str,
        (study, round): (&str, u64),
        body: &[u8],
        frame: Frame,
    ) -> Result<(), Broken> {
        // Whoever waits for its turn waits no longer than for its own frame: the coordinator may take
        // none of those before it.
        let sending = async {
            let out = self.out.lock().await;
            if self.is_over() {
                return Err(ended());
            }
            record(&self.ledger, kind, study, round, body).await?;
            // A broken stream is noticed where it is read.
            let _ = out.send(AttendRequest { frame: Some(frame) }).await;
            Ok(())
        };
        tokio::select! {
            sent = in_time(sending) => sent?,
            over = self.over() => Err(over),
        }
    }

    /// Writes the masked chunks to disk, from where they are sent, and
    /// sent again, unchanged.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) async fn store(
        &self,
        home: &Home,
        plan: &Digest,
        masked: &MaskedUpdate,
    ) -> Result<(), NodeError> {
        // What an interrupted attempt to do so left: no header names
        // it, and it was shown to nobody.
        remove_masked(home, plan).await?;
        let spool = Spool::open(&home.paths.masked(), &plan.hex()).await?;
        for (index, chunk) in (0..).zip(&masked.chunks) {
            spool.write_chunk(index, chunk).await?;
        }
        Ok(())
    }

    /// The releases of a study after a round.
    ///
    /// # Errors
    /// Why they could not be fetched.
    pub(crate) async fn releases(
        &self,
        study: &Digest,
        after_round: u64,
    ) -> Result<Vec<Released>, Broken> {
        let request = ReleasesRequest {
            study: study.0.to_vec(),
            after_round,
        };
        self.record_request("releases-request", &request).await?;
        let mut stream = in_time(self.client.clone().releases(request))
            .await??
            .into_inner();
        let mut releases = Vec::new();
        let mut bytes = 0_usize;
        while let Some(response) = in_time(stream.message()).await?? {
            bytes = bytes.saturating_add(response.released.len());
            if bytes > MOST_MISSED {
                return Err("the coordinator sends more missed sums than any study has"
                    .to_owned()
                    .into());
            }
            releases
                .push(Released::from_bytes(&response.released).map_err(|error| error.to_string())?);
        }
        Ok(releases)
    }

    /// Leaves of a study's log after the first `from`, up to `to` of
    /// them in all.
    ///
    /// # Errors
    /// Why they could not be fetched.
    pub(crate) async fn leaves(
        &self,
        study: &Digest,
        from: u64,
        to: u64,
    ) -> Result<Vec<Vec<u8>>, Broken> {
        let request = LeavesRequest {
            study: study.0.to_vec(),
            from,
            to,
        };
        self.record_request("leaves-request", &request).await?;
        let mut stream = in_time(self.client.clone().leaves(request))
            .await??
            .into_inner();
        let mut leaves = Vec::new();
        while let Some(response) = in_time(stream.message()).await?? {
            if leaves.len() as u64 >= to.saturating_sub(from).min(MOST_LEAVES) {
                return Err("the coordinator sends more leaves than were asked for"
                    .to_owned()
                    .into());
            }
            if response.leaf.len() > MOST_LEAF {
                return Err(
                    "the coordinator sends a leaf that is larger than any has to be"
                        .to_owned()
                        .into(),
                );
            }
            leaves.push(response.leaf);
        }
        Ok(leaves)
    }
}

/// Everything that leaves stands on record first.
///
/// # Errors
/// When it cannot be recorded: then it is not sent.
pub(crate) async fn record(
    ledger: &Ledger,
    kind: &str,
    study: &str,
    round: u64,
    body: &[u8],
) -> Result<(), NodeError> {
    let left = Left {
        when_ms: clock::now().ms,
        kind: kind.to_owned(),
        study: study.to_owned(),
        round,
        bytes: body.len() as u64,
        digest: Digest::of_file(body),
    };
    // In a task of its own: whoever waits for the way out may be held up between two steps, and the
    // one writer of the ledger with it.
    let ledger = ledger.clone();
    let written = tokio::spawn(async move { records::append(&ledger, OUTBOUND, &left).await });
    match written.await {
        Ok(written) => written.map(drop),
        Err(_) => {
            Err(Refusal::broken("the record of what leaves was not written to its end").into())
        }
    }
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
        // Welcome { version: 1, software: "0.1.0", consortium: "trial",
        // lease_ms: 15000 } of protocol 1.0, and a field of a later
        // one.
        let recorded = "08011205302e312e301a05747269616c2098757a056c61746572";
        let welcome = Welcome::decode(from_hex(recorded).unwrap().as_slice()).unwrap();
        assert_eq!(
            (welcome.lease_ms, agreed(&welcome).unwrap()),
            (15_000, Version { major: 1, minor: 0 })
        );
        let refusal = agreed(&Welcome {
            version: 2,
            software: "0.9.0".into(),
            ..welcome
        })
        .unwrap_err();
        assert_eq!(refusal.code, Code::VersionUnknown);
        assert!(
            refusal.detail.contains("install motet `0.9.0`"),
            "{}",
            refusal.detail
        );
    }
}
