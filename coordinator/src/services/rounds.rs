//! What nodes speak: one long-lived stream, uploads that resume, downloads of sums.

use super::frames::listen;
use super::{caller, digest, fixed, malformed};
use crate::allowance::LINE;
use crate::folding::spool_name;
use crate::handle::{Ask, Handle};
use crate::hub::QUEUE;
use crate::receiving::{Upload, missing};
use crate::refusals::status;
use crate::shared::Shared;
use motet_common::enrol::Role;
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_ledger::Spool;
use motet_program::Backoff;
use motet_program::clock;
use motet_proto::Cut;
use motet_proto::v1::attend_request::Frame as FromNode;
use motet_proto::v1::attend_response::Frame as ToNode;
use motet_proto::v1::rounds_server::Rounds;
use motet_proto::v1::{
    AttendRequest, AttendResponse, FetchRequest, FetchResponse, Hello, LeavesRequest,
    LeavesResponse, ReleasesRequest, ReleasesResponse, UploadRequest, UploadResponse,
    UploadStateRequest, UploadStateResponse, UploadsRequest, UploadsResponse, Welcome,
};
use motet_proto::version::{Side, Version, agree};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::mask::Shape;
use motet_secagg::message::Header;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// A clock further off than this makes deadlines and certificates meaningless.
const CLOCK_TOLERANCE_MS: u64 = 5 * 60 * 1000;
/// An upload may overtake its header, which travels on the other stream, by this long.
const HEADER_PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked for: whoever asks for what does not come does not keep the study's driver
/// busy.
const HEADER_POLLS: Backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(160));
/// How long the first message of a stream may take.
const FIRST: Duration = Duration::from_secs(30);
/// Pieces of uploads that wait for a reader: a member that does not read holds no more than these
/// and a chunk.
const PIECES: usize = 8;

#[derive(Clone)]
pub(crate) struct RoundsService(pub(crate) Arc<Shared>);

type Boxed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl RoundsService {
    fn node<T>(request: &Request<T>) -> Result<NodeId, Status> {
        let peer = caller(request)?;
        peer.node
            .ok_or_else(|| malformed("the certificate names no node"))
    }

    /// Anyone who may read a study's sums.
    fn reader<T>(request: &Request<T>) -> Result<Reader, Status> {
        let peer = caller(request)?;
        match (peer.role, peer.node) {
            (Role::Site, Some(node)) => Ok(Reader::Site(node)),
            (Role::Site, None) => Err(malformed("the certificate names no node")),
            (Role::Operator, _) => Ok(Reader::Operator),
            _ => Err(status(&Code::RoleNotAllowed.into())),
        }
    }

    /// The study, where the caller may read it.
    async fn readable(&self, reader: &Reader, study: &[u8]) -> Result<Handle, Status> {
        let handle = self.0.studies.read().await.get(&digest(study)?).cloned();
        let may = |handle: &Handle| {
            let nodes: Vec<NodeId> = handle.proposed.roster.roster.nodes().collect();
            reader.is_one_of(nodes.iter())
        };
        handle
            .filter(may)
            .ok_or_else(|| status(&Code::StudyUnknown.into()))
    }

    /// The upload's header and its driver, once the header has arrived.
    async fn upload(
        &self,
        node: NodeId,
        run: &[u8],
        t2: Digest,
    ) -> Result<(Handle, Header, Shape), Status> {
        let run = RunId(fixed(run, "the run")?);
        let handle = self
            .0
            .study_of_run(&run)
            .await
            .map_err(|refusal| status(&refusal))?;
        let deadline = tokio::time::Instant::now() + HEADER_PATIENCE;
        let mut polls = HEADER_POLLS;
        loop {
            let found = handle.ask(|answer| Ask::Header { node, t2, answer }).await;
            if let Some((header, shape)) = found.map_err(|refusal| status(&refusal))? {
                return Ok((handle, header, shape));
            }
            if tokio::time::Instant::now() > deadline {
                return Err(status(&Refusal::new(
                    Code::WrongPhase,
                    "no upload is awaited here",
                )));
            }
            tokio::time::sleep(polls.next_wait()).await;
        }
    }

    /// Takes in the pieces of an upload until they end; the first chunk that is not here then.
    async fn receive(
        self,
        node: NodeId,
        mut pieces: Streaming<UploadRequest>,
    ) -> Result<u32, Status> {
        let Some(first) = first(&mut pieces).await? else {
            return Err(malformed("an empty upload"));
        };
        let t2 = digest(&first.t2)?;
        let (handle, header, shape) = self.upload(node, &first.run, t2).await?;
        let count = header.chunks.len();
        let upload = Upload::new(header, shape, self.spool(&t2, node).await?);
        let turn = self.0.receiving.turn((t2, node)).await;
        let (next, _) = upload.receive(first, pieces, turn).await?;
        if next as usize == count {
            handle.send(Ask::Uploaded { node, t2 }).await;
        }
        Ok(next)
    }

    async fn spool(&self, t2: &Digest, node: NodeId) -> Result<Spool, Status> {
        let spool = Spool::open(&self.0.spools(), &spool_name(t2, node)).await;
        spool.map_err(|error| status(&crate::members::storage(error)))
    }
}

#[tonic::async_trait]
impl Rounds for RoundsService {
    type AttendStream = Boxed<AttendResponse>;
    type FetchStream = Boxed<FetchResponse>;
    type ReleasesStream = Boxed<ReleasesResponse>;
    type LeavesStream = Boxed<LeavesResponse>;
    type UploadsStream = Boxed<UploadsResponse>;

    async fn attend(
        &self,
        request: Request<Streaming<AttendRequest>>,
    ) -> Result<Response<Self::AttendStream>, Status> {
        let node = Self::node(&request)?;
        self.0
            .allowances
            .spend(node, LINE)
            .map_err(|refusal| status(&refusal))?;
        let mut frames = request.into_inner();
        let hello = first(&mut frames).await?;
        let (replaced, stopped) = match &hello {
            Some(AttendRequest {
                frame: Some(FromNode::Hello(hello)),
            }) => (hello.replaced > 0, hello.stopped),
            _ => (false, false),
        };
        let mut welcome = greet(
            hello,
            clock::now(),
            &self.0.config.consortium,
            self.0.hub.lease(),
        )?;
        welcome.notices = self.0.catalogue.known(node);
        let (line, out) = mpsc::channel(QUEUE);
        let mut told = BTreeMap::new();
        let mut first = vec![ToNode::Welcome(welcome)];
        first.extend(untold(&self.0, node, &mut told).await);
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            // However many studies there are: each waits until the node has read those before it.
            for frame in first {
                if line
                    .send(Ok(AttendResponse { frame: Some(frame) }))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            // Before it is here: a run that is to begin knows then that this one answers nothing.
            shared.hub.turned(node, stopped);
            let id = shared.hub.came(node, line);
            if replaced {
                shared.hub.contested(node);
            }
            // From here on the hub tells what is new; this is what came while the node was reading.
            for frame in untold(&shared, node, &mut told).await {
                shared.hub.send(node, frame);
            }
            tokio::spawn(tell_missed(Arc::clone(&shared), node));
            listen(&shared, node, id, frames).await;
            shared.hub.went(node, id);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadRequest>>,
    ) -> Result<Response<UploadResponse>, Status> {
        let node = Self::node(&request)?;
        let receiving = self.clone().receive(node, request.into_inner());
        // In a task of its own, and wholly: when the line breaks, this call is gone at once, and
        // what has arrived is not, even where nobody has looked at it yet.
        let next = tokio::spawn(receiving)
            .await
            .unwrap_or_else(|error| Err(Status::internal(error.to_string())))?;
        Ok(Response::new(UploadResponse { next_missing: next }))
    }

    async fn upload_state(
        &self,
        request: Request<UploadStateRequest>,
    ) -> Result<Response<UploadStateResponse>, Status> {
        let node = Self::node(&request)?;
        let request = request.into_inner();
        let t2 = digest(&request.t2)?;
        let (handle, header, _) = self.upload(node, &request.run, t2).await?;
        let spool = self.spool(&t2, node).await?;
        let turn = self.0.receiving.turn((t2, node)).await;
        let (next_missing, offset) = missing(&spool, &header).await?;
        drop(turn);
        if next_missing as usize == header.chunks.len() {
            handle.send(Ask::Uploaded { node, t2 }).await;
        }
        Ok(Response::new(UploadStateResponse {
            next_missing,
            offset,
        }))
    }

    async fn fetch(
        &self,
        request: Request<FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let reader = Self::reader(&request)?;
        let FetchRequest {
            digest: wanted,
            offset,
        } = request.into_inner();
        let wanted = digest(&wanted)?;
        let studies = self.0.fetchable.read().await.get(&wanted).cloned();
        let mut allowed = false;
        for study in studies.iter().flatten() {
            allowed |= self.readable(&reader, &study.0).await.is_ok();
        }
        if !allowed {
            return Err(status(&Refusal::new(
                Code::ReleaseUnknown,
                "no such sum for this site",
            )));
        }
        let blob = self.0.ledger.get_blob(&wanted).await;
        let blob = blob.map_err(|error| {
            tracing::error!(%error, "a sum cannot be handed out");
            let detail =
                "a file of the coordinator is damaged or missing; its operator finds the name in its log";
            status(&Refusal::new(Code::Storage, detail))
        })?;
        let rest = usize::try_from(offset)
            .ok()
            .filter(|offset| *offset <= blob.len());
        let mut at = rest.ok_or_else(|| malformed("more bytes than the sum has"))?;
        let mut cut = Cut::default();
        let pieces = std::iter::from_fn(move || {
            let piece = cut.piece(&mut blob.get(at..)?)?.to_vec();
            at += piece.len();
            Some(Ok(FetchResponse { piece }))
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(pieces))))
    }

    async fn releases(
        &self,
        request: Request<ReleasesRequest>,
    ) -> Result<Response<Self::ReleasesStream>, Status> {
        let reader = Self::reader(&request)?;
        let request = request.into_inner();
        let handle = self.readable(&reader, &request.study).await?;
        let past = handle
            .ask(|answer| Ask::Past {
                after: request.after_round,
                answer,
            })
            .await;
        let past = past.map_err(|refusal| status(&refusal))?;
        let releases: Vec<_> = past
            .into_iter()
            .map(|past| {
                Ok(ReleasesResponse {
                    round: past.round,
                    released: past.released.to_bytes(),
                })
            })
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(releases))))
    }

    async fn leaves(
        &self,
        request: Request<LeavesRequest>,
    ) -> Result<Response<Self::LeavesStream>, Status> {
        let reader = Self::reader(&request)?;
        let LeavesRequest { study, from, to } = request.into_inner();
        let handle = self.readable(&reader, &study).await?;
        let leaves = handle.ask(|answer| Ask::Leaves { from, to, answer }).await;
        let leaves = leaves.map_err(|refusal| status(&refusal))?;
        let leaves = leaves.into_iter().map(|leaf| Ok(LeavesResponse { leaf }));
        Ok(Response::new(Box::pin(tokio_stream::iter(leaves))))
    }

    async fn uploads(
        &self,
        request: Request<UploadsRequest>,
    ) -> Result<Response<Self::UploadsStream>, Status> {
        let reader = Self::reader(&request)?;
        let UploadsRequest {
            study,
            t2,
            nodes,
            rows,
            bytes,
        } = request.into_inner();
        let handle = self.readable(&reader, &study).await?;
        let t2 = digest(&t2)?;
        let site = matches!(reader, Reader::Site(_));
        let released = handle
            .ask(|answer| Ask::HasUploads { t2, site, answer })
            .await;
        if !released.map_err(|refusal| status(&refusal))? {
            let detail = "the uploads of this sum are not kept any more, or there is no such sum";
            return Err(status(&Refusal::new(Code::ReleaseUnknown, detail)));
        }
        let roster = &handle.proposed.roster.roster;
        let mut spools = Vec::with_capacity(nodes.len());
        for node in nodes {
            let node = NodeId(fixed(&node, "a node")?);
            if roster.entry(node).is_none() || spools.len() > roster.entries.len() {
                return Err(status(&Code::NotInRoster.into()));
            }
            spools.push(self.spool(&t2, node).await?);
        }
        let (sender, out) = mpsc::channel(PIECES);
        tokio::spawn(send_uploads(spools, (rows, bytes), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(out))))
    }
}

/// Sends row after row of chunks from the row `first` on, of which so many bytes have arrived, until
/// the first spool has no further chunk.
async fn send_uploads(
    spools: Vec<Spool>,
    (first, mut arrived): (u32, u64),
    sender: mpsc::Sender<Result<UploadsResponse, Status>>,
) {
    let mut cut = Cut::default();
    for index in first.. {
        for (node, spool) in (0_u32..).zip(&spools) {
            // The end of the first spool is the end of all: they are cut alike.
            let Ok(chunk) = spool.read_chunk(index).await else {
                return;
            };
            // No more than a chunk's length, which fits.
            let before = arrived.min(chunk.len() as u64);
            arrived -= before;
            let (_, mut rest) = chunk.split_at(before as usize);
            while let Some(piece) = cut.piece(&mut rest) {
                let piece = UploadsResponse {
                    node,
                    index,
                    piece: piece.to_vec(),
                    last: rest.is_empty(),
                };
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
            }
        }
        // No more than a row has arrived, whatever was said.
        arrived = 0;
    }
}

/// The first message of a stream, which follows its request at once.
async fn first<T>(messages: &mut Streaming<T>) -> Result<Option<T>, Status> {
    let arrived = tokio::time::timeout(FIRST, messages.message()).await;
    arrived.unwrap_or_else(|_| {
        Err(Status::deadline_exceeded(
            "nothing followed the request: try again",
        ))
    })
}

/// Who may read what sums are made again from: the sites of the study's roster, and operators, whom
/// the table of calls lets in.
enum Reader {
    Site(NodeId),
    Operator,
}

impl Reader {
    fn is_one_of<'a>(&self, mut nodes: impl Iterator<Item = &'a NodeId>) -> bool {
        match self {
            Self::Site(node) => nodes.any(|known| known == node),
            Self::Operator => true,
        }
    }
}

/// Answers the first frame of a node.
fn greet(
    first: Option<AttendRequest>,
    now: Moment,
    consortium: &str,
    lease: Duration,
) -> Result<Welcome, Status> {
    let Some(AttendRequest {
        frame: Some(FromNode::Hello(hello)),
    }) = first
    else {
        return Err(malformed("the first frame is not a hello"));
    };
    let theirs = Version {
        major: hello.version,
        minor: hello.minor,
    };
    let ours = Side {
        version: Version::ours(),
        software: env!("CARGO_PKG_VERSION"),
    };
    let agreed = agree(
        &Side {
            version: theirs,
            software: &hello.software,
        },
        &ours,
    );
    let agreed = agreed.map_err(|refusal| status(&refusal))?;
    check_clock(&hello, now)?;
    let lease_ms = u32::try_from(lease.as_millis())
        .map_err(|_| status(&Refusal::broken("a lease longer than the wire can say")))?;
    Ok(Welcome {
        version: agreed.major,
        minor: agreed.minor,
        software: ours.software.to_owned(),
        consortium: consortium.to_owned(),
        lease_ms,
        // Who is greeted is not known here.
        notices: Vec::new(),
    })
}

fn check_clock(hello: &Hello, now: Moment) -> Result<(), Status> {
    let skew = now.ms.abs_diff(hello.clock_ms);
    if skew > CLOCK_TOLERANCE_MS {
        let detail = format!(
            "the node's clock is {} s off the coordinator's",
            skew / 1000
        );
        return Err(status(&Refusal::new(Code::ClockSkew, detail)));
    }
    Ok(())
}

/// What a node is to hear of its studies: proposals, and which are withdrawn. `told` is what it has
/// heard on this connection.
async fn untold(shared: &Shared, node: NodeId, told: &mut BTreeMap<Digest, bool>) -> Vec<ToNode> {
    let mut frames = Vec::new();
    for handle in shared.studies.read().await.values() {
        let withdrawn = handle.is_withdrawn();
        let in_roster = handle.proposed.roster.roster.entry(node).is_some();
        if in_roster && told.insert(handle.digest, withdrawn) != Some(withdrawn) {
            frames.push(if withdrawn {
                ToNode::Withdrawn(handle.digest.0.to_vec())
            } else {
                handle.proposal(node)
            });
        }
    }
    frames
}

/// Tells a node that came of releases that it may have missed.
async fn tell_missed(shared: Arc<Shared>, node: NodeId) {
    let studies: Vec<Handle> = shared.studies.read().await.values().cloned().collect();
    for handle in studies
        .iter()
        .filter(|handle| handle.proposed.roster.roster.entry(node).is_some())
    {
        handle.came(node).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_proto::refusal::refusal;
    use motet_secagg::digest::from_hex;
    use prost::Message as _;

    /// The clock of the recorded frames.
    const AT: Moment = Moment {
        ms: 1_795_392_000_123,
    };
    /// The first frame of a node of protocol 1.0, which says no minor, as it was sent.
    const HELLO_1_0: &str = "0a1008011205302e312e3018fba0cfada034";
    /// One of a later 1.7, with fields that this release does not know, in the hello and beside it.
    const HELLO_1_7: &str =
        "0a1c08011205302e312e3018fba0cfada03420077a056c6174657280012a8a0103616263";

    fn greeted(frame: &[u8]) -> Result<Welcome, Status> {
        greet(
            Some(AttendRequest::decode(frame).unwrap()),
            AT,
            "trial",
            Duration::from_secs(15),
        )
    }

    #[test]
    fn a_node_of_the_minor_before_and_one_of_a_later_one_are_understood() {
        for (recorded, minor) in [(HELLO_1_0, 0), (HELLO_1_7, Version::ours().minor)] {
            let welcome = greeted(&from_hex(recorded).unwrap()).unwrap();
            assert_eq!((welcome.version, welcome.minor), (1, minor));
            assert_eq!(
                (welcome.lease_ms, welcome.consortium.as_str()),
                (15_000, "trial")
            );
        }
    }

    #[test]
    fn another_major_is_refused_with_both_versions() {
        let hello = Hello {
            version: 2,
            software: "0.9.0".into(),
            clock_ms: AT.ms,
            minor: 3,
            ..Hello::default()
        };
        let frame = AttendRequest {
            frame: Some(FromNode::Hello(hello)),
        };
        let found = refusal(&greeted(&frame.encode_to_vec()).unwrap_err()).unwrap();
        assert_eq!(found.code, Code::VersionUnknown);
        assert!(
            found.detail.contains("2.3") && found.detail.contains(&Version::ours().to_string()),
            "{}",
            found.detail
        );
    }

    #[test]
    fn a_clock_that_is_far_off_and_a_frame_that_is_no_hello_are_refused() {
        let hello = Hello {
            version: 1,
            clock_ms: AT.ms + CLOCK_TOLERANCE_MS + 1,
            ..Hello::default()
        };
        let frame = AttendRequest {
            frame: Some(FromNode::Hello(hello)),
        };
        let found = refusal(&greeted(&frame.encode_to_vec()).unwrap_err()).unwrap();
        assert_eq!(found.code, Code::ClockSkew);
        let found = refusal(&greet(None, AT, "trial", Duration::ZERO).unwrap_err()).unwrap();
        assert_eq!(found.code, Code::Malformed);
    }

    #[tokio::test]
    async fn a_row_of_which_a_part_has_arrived_goes_on_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut spools = Vec::new();
        for site in [1_u8, 2] {
            let spool = Spool::open(folder.path(), &format!("site{site}"))
                .await
                .unwrap();
            for index in 0..2 {
                let chunk = vec![10 * site + index as u8; 10_000];
                spool.write_chunk(index, &chunk).await.unwrap();
            }
            spools.push(spool);
        }
        let sent = |from: (u32, u64)| {
            let spools = spools.clone();
            async move {
                let (sender, mut out) = mpsc::channel(64);
                send_uploads(spools, from, sender).await;
                // By node and row: bytes of the content, and whether the chunk ends.
                let mut parts: BTreeMap<(u32, u32), (usize, bool)> = BTreeMap::new();
                while let Some(piece) = out.recv().await {
                    let UploadsResponse {
                        node,
                        index,
                        piece,
                        last,
                    } = piece.unwrap();
                    let value = 10 * (node + 1) + index;
                    assert!(piece.iter().all(|byte| u32::from(*byte) == value));
                    let part = parts.entry((index, node)).or_default();
                    *part = (part.0 + piece.len(), last);
                }
                parts
            }
        };
        let row = |index: u32| [((index, 0), (10_000, true)), ((index, 1), (10_000, true))];
        let all: BTreeMap<_, _> = [row(0), row(1)].concat().into_iter().collect();
        assert_eq!(sent((0, 0)).await, all);
        // Of the first row one chunk and a part of the next have arrived.
        let mut rest = all.clone();
        rest.remove(&(0, 0));
        rest.insert((0, 1), (7_500, true));
        assert_eq!(sent((0, 12_500)).await, rest);
        let second: BTreeMap<_, _> = row(1).into_iter().collect();
        assert_eq!(sent((0, 20_000)).await, second);
        assert_eq!(
            sent((0, u64::MAX)).await,
            second,
            "more than a row has not arrived"
        );
    }
}
