//! Who is connected. Each node has one line out; a node that does not read is cut and comes back by
//! itself.

use crate::refusals::status;
use motet_common::refusal::{Code, Refusal};
use motet_proto::v1::{AttendResponse, Envelope, attend_response::Frame};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tonic::Status;

/// Frames that may wait for one node; a healthy node reads them at once.
pub(crate) const QUEUE: usize = 256;
/// Comings and goings that a study's driver may lag behind.
const NEWS: usize = 4096;
/// How long the operator hears that a site's folder runs in two places: whoever looks once an hour
/// sees it.
const CONTESTED: Duration = Duration::from_secs(60 * 60);

/// A node's line out.
pub(crate) type Line = mpsc::Sender<Result<AttendResponse, Status>>;

/// Who came and who went for longer than the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Came(NodeId),
    Went(NodeId),
    /// Its steward stopped or released it.
    Turned(NodeId),
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
    /// Nodes within their lease, connected or not, with the number of their latest line or lease:
    /// an older lease that runs out says nothing about them any more.
    present: BTreeMap<NodeId, u64>,
    /// Nodes that came back although another connection with their certificate had taken their
    /// line, and when they last did.
    contested: BTreeMap<NodeId, Instant>,
    /// Nodes that say that their stewards stopped them.
    stopped: BTreeSet<NodeId>,
}

impl Hub {
    pub(crate) fn new(lease: Duration) -> Self {
        Self {
            lines: Arc::default(),
            news: broadcast::channel(NEWS).0,
            lease,
        }
    }

    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    pub(crate) fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Nodes within their lease.
    pub(crate) fn present(&self) -> Vec<NodeId> {
        self.lock().present.keys().copied().collect()
    }

    pub(crate) fn is_connected(&self, node: NodeId) -> bool {
        self.lock().open.contains_key(&node)
    }

    /// Whether a node says that its steward stopped it.
    pub(crate) fn is_stopped(&self, node: NodeId) -> bool {
        self.lock().stopped.contains(&node)
    }

    /// A node says whether its steward has stopped it.
    pub(crate) fn turned(&self, node: NodeId, stopped: bool) {
        let mut lines = self.lock();
        let changed = if stopped {
            lines.stopped.insert(node)
        } else {
            lines.stopped.remove(&node)
        };
        drop(lines);
        if changed {
            tracing::info!(%node, stopped, "a steward turned the node's switch");
            // Nobody listens before the first study: that is no error.
            let _ = self.news.send(News::Turned(node));
        }
    }

    /// After a restart every node has a lease to come back: what was under way waits for it as
    /// before.
    pub(crate) fn expect(&self, nodes: impl IntoIterator<Item = NodeId>) {
        nodes.into_iter().for_each(|node| self.lease_begins(node));
    }

    /// Registers a node's line. A second line of the same node takes the place of the first at
    /// once: that may be the half of a connection that broke. Whoever still listens there is told,
    /// and is another process then.
    pub(crate) fn came(&self, node: NodeId, line: Line) -> u64 {
        let mut lines = self.lock();
        let id = lines.number();
        let before = lines.open.insert(node, (id, line));
        lines.present.insert(node, id);
        drop(lines);
        if let Some((_, before)) = before {
            tracing::info!(%node, "a newer line took the place of one that was open: the node was started again, or its folder runs in two places");
            // Nobody may be listening there any more.
            let _ = before.try_send(Err(status(&Refusal::from(Code::LineReplaced))));
        }
        // Nobody listens before the first study: that is no error.
        let _ = self.news.send(News::Came(node));
        id
    }

    /// A node is here that was told before that another connection took its line: two processes
    /// have its certificate.
    pub(crate) fn contested(&self, node: NodeId) {
        tracing::warn!(%node, "a site's folder runs in two places: two nodes with its certificate take the line from each other; call the site, one of the two is to end");
        self.lock().contested.insert(node, Instant::now());
    }

    /// Whether two nodes took this one's line from each other lately.
    pub(crate) fn is_contested(&self, node: NodeId) -> bool {
        self.lock()
            .contested
            .get(&node)
            .is_some_and(|since| since.elapsed() < CONTESTED)
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
        let mut lines = self.lock();
        let lease = lines.number();
        lines.present.insert(node, lease);
        drop(lines);
        let hub = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(hub.lease).await;
            let mut lines = hub.lock();
            if lines.present.get(&node) == Some(&lease) {
                lines.present.remove(&node);
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
        if line
            .try_send(Ok(AttendResponse { frame: Some(frame) }))
            .is_err()
        {
            lines.open.remove(&node);
        }
    }

    /// Ends a node's line; the node comes back and says again what it owes.
    pub(crate) fn cut(&self, node: NodeId) {
        self.lock().open.remove(&node);
    }

    /// Ends this line of a node with a reason.
    pub(crate) fn refuse(&self, node: NodeId, id: u64, why: Status) {
        let mut lines = self.lock();
        if let Some((_, line)) = lines.open.get(&node).filter(|(known, _)| *known == id) {
            // A node that does not read its queue does not hear why.
            let _ = line.try_send(Err(why));
            lines.open.remove(&node);
        }
    }

    pub(crate) fn tell(&self, node: NodeId, run: RunId, message: &Message) {
        self.send(
            node,
            Frame::Message(Envelope {
                run: run.0.to_vec(),
                body: message.to_bytes(),
            }),
        );
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_that_breaks_again_and_again_has_a_whole_lease_each_time() {
        let hub = Hub::new(Duration::from_secs(3));
        let node = NodeId([7; 16]);
        let mut news = hub.news();
        let come = || hub.came(node, mpsc::channel(QUEUE).0);
        let first = come();
        hub.went(node, first);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let second = come();
        // The first lease would be over now; the second has just begun.
        tokio::time::sleep(Duration::from_millis(900)).await;
        hub.went(node, second);
        tokio::time::sleep(Duration::from_millis(2_900)).await;
        assert_eq!(hub.present(), [node]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(hub.present(), []);
        let heard: Vec<News> = std::iter::from_fn(|| news.try_recv().ok()).collect();
        assert_eq!(
            heard,
            [News::Came(node), News::Came(node), News::Went(node)]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_newer_line_has_the_place_at_once_and_whoever_listens_on_the_older_is_told_why() {
        let hub = Hub::new(Duration::from_secs(3));
        let node = NodeId([7; 16]);
        let (line, mut older) = mpsc::channel(QUEUE);
        hub.came(node, line);
        // A line on which nobody reads any more is full and hears nothing; that keeps nobody
        // waiting either.
        let (line, _full) = mpsc::channel(1);
        line.try_send(Ok(AttendResponse { frame: None })).unwrap();
        hub.came(node, line);
        let told = older.try_recv().unwrap().unwrap_err();
        let code = motet_proto::refusal::refusal(&told).map(|refusal| refusal.code);
        assert_eq!(code, Some(Code::LineReplaced));
        let (line, mut newest) = mpsc::channel(QUEUE);
        hub.came(node, line);
        hub.send(node, Frame::Withdrawn(Vec::new()));
        assert!(matches!(newest.try_recv(), Ok(Ok(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_in_two_places_is_told_for_an_hour() {
        let hub = Hub::new(Duration::from_secs(3));
        let node = NodeId([7; 16]);
        hub.came(node, mpsc::channel(QUEUE).0);
        hub.came(node, mpsc::channel(QUEUE).0);
        assert!(
            !hub.is_contested(node),
            "a restart with an old connection half open is no alarm"
        );
        hub.contested(node);
        assert!(hub.is_contested(node));
        tokio::time::sleep(CONTESTED).await;
        assert!(!hub.is_contested(node));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_line_that_was_replaced_begins_no_lease() {
        let hub = Hub::new(Duration::from_secs(3));
        let node = NodeId([7; 16]);
        let first = hub.came(node, mpsc::channel(QUEUE).0);
        hub.came(node, mpsc::channel(QUEUE).0);
        hub.went(node, first);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(hub.present(), [node]);
        assert!(hub.is_connected(node));
    }
}
