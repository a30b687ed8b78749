//! The open connections: who is on each, what is under way on it, and the means to cut it.

use super::peer::{Peer, peer_of};
use super::places::{Place, Places};
use motet_secagg::digest::Digest;
use std::collections::BTreeMap;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Open connections of callers who are no members: joining takes seconds, so more than this is not
/// joining.
const STRANGERS: usize = 256;

/// How long such a caller may ask for nothing.
const IDLE: Duration = Duration::from_secs(30);

/// Open connections of one site: a node uses one, and another when a line breaks. Each may hold
/// what is under way in a connection's window, so a site's share of the coordinator's memory is
/// bounded by this.
const PER_SITE: usize = 8;

/// Open connections of one person: a command uses one.
const PER_PERSON: usize = 64;

/// Whether a certificate of the authority is that of a member who stands in the book.
type IsMember = dyn Fn(&Peer) -> bool + Send + Sync;

/// The open connections, by the digest of the caller's certificate: what a certificate says of its
/// holder, a removed namesake's says too. Clones share one list.
#[derive(Clone)]
pub struct Connections {
    is_member: Arc<IsMember>,
    open: Arc<Mutex<Open>>,
    strangers: Places,
}

#[derive(Default)]
struct Open {
    next: u64,
    lines: BTreeMap<u64, Line>,
}

struct Line {
    certificate: Digest,
    activity: Arc<Activity>,
    /// Dropped to cut the connection.
    _cut: oneshot::Sender<()>,
}

impl Connections {
    /// No connection yet. Whoever is no member by this is a stranger here, whatever certificate it
    /// shows.
    pub fn new(is_member: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        Self {
            is_member: Arc::new(is_member),
            open: Arc::default(),
            strangers: Places::new(STRANGERS),
        }
    }

    /// Cuts every open connection of the member with this certificate, whatever is under way on it;
    /// gives their number.
    ///
    /// Record the removal first: a connection that opens after this call is then a stranger's, and
    /// it is the services that refuse a removed caller, with a code.
    pub fn close(&self, certificate: &Digest) -> usize {
        let mut open = self.lock();
        let before = open.lines.len();
        open.lines
            .retain(|_, line| line.certificate != *certificate);
        before.saturating_sub(open.lines.len())
    }

    /// Cuts every open connection of every member: the process ends.
    pub fn close_all(&self) {
        self.lock().lines.clear();
    }

    /// How many connections of the member with this certificate are open.
    pub fn count(&self, certificate: &Digest) -> usize {
        self.lock().with(certificate)
    }

    /// How many connections of strangers are open.
    #[cfg(test)]
    pub(super) fn strangers(&self) -> usize {
        self.strangers.taken()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in. Nobody is turned away: when a caller has too many, an older one of
    /// its own ends.
    pub(super) fn admit(&self, tls: TlsStream<TcpStream>, address: SocketAddr) -> Option<Guarded> {
        let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        // A certificate of our authority that does not say who its holder is was not made by
        // `authority`.
        let peer = certificate
            .map(|certificate| peer_of(certificate))
            .transpose()
            .ok()?
            .map(Arc::new);
        // Asked with the list locked: a removal is recorded before it cuts, so that it finds the
        // line or the line it.
        let mut open = self.lock();
        let Some(peer) = peer.clone().filter(|peer| (self.is_member)(peer)) else {
            drop(open);
            let (place, cut) = self.strangers.take(address);
            let caller = Caller {
                peer,
                address,
                activity: Activity::new(Some(place)),
            };
            let idle = Some(Box::pin(tokio::time::sleep(IDLE)));
            return Some(Guarded {
                tls,
                cut: Some(cut),
                idle,
                caller,
                _listed: None,
            });
        };
        let most = if peer.node.is_some() {
            PER_SITE
        } else {
            PER_PERSON
        };
        let activity = Activity::new(None);
        let (sender, cut) = oneshot::channel();
        while open.with(&peer.certificate) >= most {
            open.let_go(&peer.certificate);
        }
        let id = open.next;
        open.next = id.wrapping_add(1);
        let line = Line {
            certificate: peer.certificate,
            activity: Arc::clone(&activity),
            _cut: sender,
        };
        open.lines.insert(id, line);
        drop(open);
        let listed = Some(Listed {
            id,
            connections: self.clone(),
        });
        let caller = Caller {
            peer: Some(peer),
            address,
            activity,
        };
        Some(Guarded {
            tls,
            cut: Some(cut),
            idle: None,
            caller,
            _listed: listed,
        })
    }
}

impl Open {
    fn with(&self, certificate: &Digest) -> usize {
        self.lines
            .values()
            .filter(|line| line.certificate == *certificate)
            .count()
    }

    /// Cuts the oldest connection of this member, of those with nothing under way if there is one:
    /// what is older may be a line that only seems to stand.
    fn let_go(&mut self, certificate: &Digest) {
        let of_member = self
            .lines
            .iter()
            .filter(|(_, line)| line.certificate == *certificate);
        let oldest = of_member
            .min_by_key(|(id, line)| (line.activity.is_busy(), **id))
            .map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.lines.remove(&id);
        }
    }
}

/// Leaves the list when the connection ends by itself.
struct Listed {
    id: u64,
    connections: Connections,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.lock().lines.remove(&self.id);
    }
}

/// What is under way on a connection.
struct Activity {
    busy: AtomicUsize,
    /// When something last began or ended.
    last: Mutex<Instant>,
    /// A stranger's.
    place: Option<Place>,
}

impl Activity {
    fn new(place: Option<Place>) -> Arc<Self> {
        Arc::new(Self {
            busy: AtomicUsize::new(0),
            last: Mutex::new(Instant::now()),
            place,
        })
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed) > 0
    }

    fn touch(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// When it will have been idle for too long, if nothing happens.
    fn idle_at(&self) -> Instant {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (if self.is_busy() { Instant::now() } else { last }) + IDLE
    }
}

/// A request that is under way, until this is dropped.
pub struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Who is on a connection; an extension of every request that arrives on it.
#[derive(Clone)]
pub struct Caller {
    /// From the caller's certificate, which the handshake has checked; nobody when it showed none.
    pub peer: Option<Arc<Peer>>,
    /// Where the connection comes from, which may be a proxy.
    pub address: SocketAddr,
    activity: Arc<Activity>,
}

impl Caller {
    /// The member, when its certificate stood in the book as the connection was taken in.
    pub fn member(&self) -> Option<&Peer> {
        self.peer
            .as_deref()
            .filter(|_| self.activity.place.is_none())
    }

    /// A request begins.
    pub fn begin(&self) -> Busy {
        self.activity.busy.fetch_add(1, Ordering::Relaxed);
        self.activity.touch();
        Busy(Arc::clone(&self.activity))
    }

    /// A caller without a certificate knew an invitation: in a crowd of strangers it goes last.
    pub fn vouch(&self) {
        if let Some(place) = &self.activity.place {
            place.vouch();
        }
    }
}

/// A TLS connection that [`Connections::close`] can cut from outside.
pub struct Guarded {
    tls: TlsStream<TcpStream>,
    /// Nothing once it was cut.
    cut: Option<oneshot::Receiver<()>>,
    /// Ends a connection of a stranger who asks for nothing.
    idle: Option<Pin<Box<Sleep>>>,
    caller: Caller,
    _listed: Option<Listed>,
}

impl Guarded {
    /// Who is on the connection.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The TLS session, for diagnosis.
    pub fn session(&self) -> &rustls::ServerConnection {
        self.tls.get_ref().1
    }

    /// Fails once the connection was cut or idle for too long; otherwise has the task woken when it
    /// is.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(idle) = &mut self.idle {
            if idle.as_mut().poll(cx).is_pending() {
                break;
            }
            let due = self.caller.activity.idle_at();
            if due > Instant::now() {
                idle.as_mut().reset(due);
            } else {
                self.cut = None;
                self.idle = None;
            }
        }
        let open = self
            .cut
            .as_mut()
            .is_some_and(|cut| Pin::new(cut).poll(cx).is_pending());
        if open {
            return Ok(());
        }
        self.cut = None;
        Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the connection was cut",
        ))
    }
}

impl Connected for Guarded {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.tls).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tls.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Also after a cut: ending the connection is what was asked for.
        ready!(Pin::new(&mut self.tls).poll_shutdown(cx))?;
        Poll::Ready(Ok(()))
    }
}
