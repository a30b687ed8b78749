//! The coordinator's side: accepts TLS connections, tells the services who is calling, and cuts a removed site off.
//!
//! A caller without a certificate is let in, so that joining is possible and everyone else gets a refusal with a code
//! instead of a broken handshake; a certificate of another authority, or an expired one, ends the handshake.

use super::authority::ServerIdentity;
use super::peer::{Peer, peer_of};
use super::{ALPN, CONNECTION_WINDOW, STREAM_WINDOW, provider};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::version::TLS13;
use std::collections::BTreeMap;
use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// How long a caller may take for the handshake; a hospital's slowest line needs a second.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Handshakes at the same time; more wait in the operating system's queue.
const HANDSHAKES: usize = 256;

/// Open connections of callers without a certificate: joining takes seconds, so more than this is not joining.
const UNKNOWN_CALLERS: usize = 256;

/// Open connections of one name: a node uses a few, and one that opens thousands must not starve the others.
const PER_NAME: usize = 64;

/// How long accepting rests when the system is out of sockets.
const REST: Duration = Duration::from_millis(100);

/// How often an idle connection is asked whether its other end still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Why the server cannot offer TLS.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A stored certificate or key is not PEM.
    #[error("the coordinator's {what} is not readable as PEM")]
    Pem {
        /// Which one.
        what: &'static str,
    },
    /// The TLS library refused the certificates or the key.
    #[error("the coordinator's TLS identity is not usable: {0}")]
    Tls(#[from] rustls::Error),
    /// The authority's certificate is not one.
    #[error("the consortium's CA certificate is not usable: {0}")]
    Authority(#[from] rustls::server::VerifierBuilderError),
}

/// TLS 1.3, HTTP/2, certificates of this authority only, no resumption: every connection shows its certificate anew.
///
/// # Errors
/// [`ServerError`].
pub fn server_config(ca_pem: &str, identity: &ServerIdentity) -> Result<Arc<ServerConfig>, ServerError> {
    let pem = |what| move |_| ServerError::Pem { what };
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(pem("CA certificate"))?;
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem("certificate chain"))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(pem("private key"))?;
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    let callers = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(callers)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A gRPC server with windows wide enough for long lines, which notices callers that vanished.
pub fn http2() -> tonic::transport::Server {
    tonic::transport::Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
}

/// Accepts connections until the stream is dropped. Each handshake runs in a task of its own with a time limit, so
/// neither a failed nor a slow one holds up the next; the stream itself never yields an error.
pub fn incoming(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    connections: Connections,
) -> impl Stream<Item = io::Result<Guarded>> + Send + Unpin + 'static {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(accept(listener, TlsAcceptor::from(config), connections, sender));
    ReceiverStream::new(receiver)
}

type Accepted = mpsc::Sender<io::Result<Guarded>>;

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, connections: Connections, accepted: Accepted) {
    let turns = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let next = async {
            let turn = Arc::clone(&turns).acquire_owned().await.ok();
            (listener.accept().await, turn)
        };
        let (arrived, turn) = tokio::select! {
            () = accepted.closed() => return,
            arrived = next => arrived,
        };
        match arrived {
            Ok((tcp, address)) => {
                let admit =
                    admit(tcp, address, acceptor.clone(), connections.clone(), accepted.clone(), turn);
                tokio::spawn(admit);
            }
            // The caller hung up before it was accepted, or the system is out of sockets: neither ends the service.
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

async fn admit(
    tcp: TcpStream,
    address: SocketAddr,
    acceptor: TlsAcceptor,
    connections: Connections,
    accepted: Accepted,
    turn: Option<OwnedSemaphorePermit>,
) {
    let _ = tcp.set_nodelay(true);
    let Ok(Ok(tls)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(tcp)).await else {
        return;
    };
    drop(turn);
    if let Some(guarded) = connections.admit(tls, address) {
        let _ = accepted.send(Ok(guarded)).await;
    }
}

/// The open connections, by the name in the caller's certificate. Clones share one list.
#[derive(Clone, Default)]
pub struct Connections {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    next: u64,
    lines: BTreeMap<u64, Line>,
}

struct Line {
    name: Option<String>,
    /// Dropped to cut the connection.
    _cut: oneshot::Sender<()>,
}

impl Connections {
    /// Cuts every open connection of this site or person, whatever is under way on it; gives their number.
    ///
    /// Record the removal first: a connection that opens after this call is admitted, and it is the services that
    /// refuse a removed caller, with a code.
    pub fn close(&self, name: &str) -> usize {
        let mut open = self.lock();
        let before = open.lines.len();
        open.lines.retain(|_, line| line.name.as_deref() != Some(name));
        before.saturating_sub(open.lines.len())
    }

    /// How many connections of this site or person are open.
    pub fn count(&self, name: &str) -> usize {
        self.lock().with(Some(name))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, tls: TlsStream<TcpStream>, address: SocketAddr) -> Option<Guarded> {
        let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
        // A certificate of our authority that does not say who its holder is was not made by `authority`.
        let peer = certificate.map(|certificate| peer_of(certificate)).transpose().ok()?.map(Arc::new);
        let name = peer.as_ref().map(|peer| peer.name.clone());
        let (sender, receiver) = oneshot::channel();
        let mut open = self.lock();
        let most = if name.is_some() { PER_NAME } else { UNKNOWN_CALLERS };
        if open.with(name.as_deref()) >= most {
            return None;
        }
        let id = open.next;
        open.next = id.wrapping_add(1);
        open.lines.insert(id, Line { name, _cut: sender });
        drop(open);
        let place = Place { id, connections: self.clone() };
        Some(Guarded { tls, cut: Some(receiver), caller: Caller { peer, address }, _place: place })
    }
}

impl Open {
    fn with(&self, name: Option<&str>) -> usize {
        self.lines.values().filter(|line| line.name.as_deref() == name).count()
    }
}

/// Leaves the list when the connection ends by itself.
struct Place {
    id: u64,
    connections: Connections,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().lines.remove(&self.id);
    }
}

/// Who is on a connection; an extension of every request that arrives on it.
#[derive(Debug, Clone)]
pub struct Caller {
    /// From the caller's certificate, which the handshake has checked; nobody when it showed none.
    pub peer: Option<Arc<Peer>>,
    /// Where the connection comes from, which may be a proxy.
    pub address: SocketAddr,
}

/// Who sends this request: nobody when the caller showed no certificate.
pub fn peer_of_request<T>(request: &tonic::Request<T>) -> Option<Peer> {
    let caller = request.extensions().get::<Caller>()?;
    caller.peer.as_deref().cloned()
}

/// A TLS connection that [`Connections::close`] can cut from outside.
pub struct Guarded {
    tls: TlsStream<TcpStream>,
    /// Nothing once it was cut.
    cut: Option<oneshot::Receiver<()>>,
    caller: Caller,
    _place: Place,
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

    /// Fails once the connection was cut; otherwise has the task woken when it is.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let open = self.cut.as_mut().is_some_and(|cut| Pin::new(cut).poll(cx).is_pending());
        if open {
            return Ok(());
        }
        self.cut = None;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the caller was removed from the consortium"))
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
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
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
