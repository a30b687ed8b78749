//! Who is connected. Each node has one line out; a node that does not read is cut and comes back by itself.

use motet_proto::v1::{AttendResponse, Envelope, attend_response::Frame};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::Message;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tonic::Status;

/// Frames that may wait for one node; a healthy node reads them at once.
pub(crate) const QUEUE: usize = 256;
/// Comings and goings that a study's driver may lag behind.
const NEWS: usize = 4096;

/// A node's line out.
pub(crate) type Line = mpsc::Sender<Result<AttendResponse, Status>>;

/// Who came and who went for longer than the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Came(NodeId),
    Went(NodeId),
}

#[derive(Clone)]
pub(crate) struct Hub {
    lines: Arc<Mutex<Lines>>,
    news: broadcast::Sender<News>,
    lease: Duration,
}

#[derive(Default)]
struct Lines {
    next: u64,
    open: BTreeMap<NodeId, (u64, Line)>,
    /// Nodes within their lease, connected or not.
    present: std::collections::BTreeSet<NodeId>,
}

impl Hub {
    pub(crate) fn new(lease: Duration) -> Self {
        Self { lines: Arc::default(), news: broadcast::channel(NEWS).0, lease }
    }

    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Nodes within their lease.
    pub(crate) fn present(&self) -> Vec<NodeId> {
        self.lock().present.iter().copied().collect()
    }

    pub(crate) fn is_connected(&self, node: NodeId) -> bool {
        self.lock().open.contains_key(&node)
    }

    /// After a restart every node has a lease to come back: what was under way waits for it as before.
    pub(crate) fn expect(&self, nodes: impl IntoIterator<Item = NodeId>) {
        for node in nodes {
            self.lock().present.insert(node);
            self.lease_begins(node);
        }
    }

    /// Registers a node's line; a second line of the same node replaces the first.
    pub(crate) fn came(&self, node: NodeId, line: Line) -> u64 {
        let mut lines = self.lock();
        let id = lines.next;
        lines.next += 1;
        lines.open.insert(node, (id, line));
        lines.present.insert(node);
        drop(lines);
        // Nobody listens before the first study: that is no error.
        let _ = self.news.send(News::Came(node));
        id
    }

    /// The line broke; the lease begins.
    pub(crate) fn went(&self, node: NodeId, id: u64) {
        let mut lines = self.lock();
        // A newer line of the same node stands.
        if lines.open.get(&node).is_some_and(|(known, _)| *known != id) {
            return;
        }
        lines.open.remove(&node);
        drop(lines);
        self.lease_begins(node);
    }

    fn lease_begins(&self, node: NodeId) {
        let hub = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(hub.lease).await;
            let mut lines = hub.lock();
            if !lines.open.contains_key(&node) && lines.present.remove(&node) {
                drop(lines);
                let _ = hub.news.send(News::Went(node));
            }
        });
    }

    /// Sends a frame, or cuts a node whose queue is full.
    pub(crate) fn send(&self, node: NodeId, frame: Frame) {
        let mut lines = self.lock();
        let Some((_, line)) = lines.open.get(&node) else {
            return;
        };
        if line.try_send(Ok(AttendResponse { frame: Some(frame) })).is_err() {
            lines.open.remove(&node);
        }
    }

    /// Ends a node's line; the node comes back and says again what it owes.
    pub(crate) fn cut(&self, node: NodeId) {
        self.lock().open.remove(&node);
    }

    pub(crate) fn tell(&self, node: NodeId, run: RunId, message: &Message) {
        self.send(node, Frame::Message(Envelope { run: run.0.to_vec(), body: message.to_bytes() }));
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
