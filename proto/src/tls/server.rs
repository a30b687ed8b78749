//! The coordinator's side: TLS, and what a connection may hold by who is on it.
//!
//! A caller without a certificate is let in, so that joining is possible and everyone else gets a
//! refusal with a code instead of a broken handshake; a certificate of another authority, or an
//! expired one, ends the handshake. One of this authority that is no member's (a removed one's, a
//! thief's) gets what a caller without any gets.

pub use super::arriving::{Arrivals, Lanes, incoming, sockets};
pub use super::connections::{Busy, Caller, Connections, Guarded};

use super::authority::ServerIdentity;
use super::{ALPN, CONNECTION_WINDOW, STREAM_WINDOW, provider};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::version::TLS13;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::transport::Server;

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
    Tls(rustls::Error),
    /// The authority's certificate is not one.
    #[error("the consortium's CA certificate is not usable: {0}")]
    Authority(rustls::server::VerifierBuilderError),
}

impl From<rustls::Error> for ServerError {
    fn from(error: rustls::Error) -> Self {
        Self::Tls(error)
    }
}

impl From<rustls::server::VerifierBuilderError> for ServerError {
    fn from(error: rustls::server::VerifierBuilderError) -> Self {
        Self::Authority(error)
    }
}

/// TLS 1.3, HTTP/2, certificates of this authority only, no resumption: every connection shows its
/// certificate again.
///
/// # Errors
/// [`ServerError`].
pub fn server_config(
    ca_pem: &str,
    identity: &ServerIdentity,
) -> Result<Arc<ServerConfig>, ServerError> {
    let pem = |what| move |_| ServerError::Pem { what };
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(pem("CA certificate"))?;
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem("certificate chain"))?;
    let key =
        PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(pem("private key"))?;
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
    config.max_fragment_size = Some(super::RECORD);
    Ok(Arc::new(config))
}

/// What one connection may hold at the coordinator, by who is on it. HTTP/2 has no limits of its
/// own: without them a single caller opens a hundred thousand requests.
struct Lane {
    /// Requests at the same time; more are refused, and a client waits for its turn.
    streams: u32,
    /// Bytes under way in one request ..
    stream_window: u32,
    /// .. and in all of them.
    connection_window: u32,
}

/// Joining takes two small requests. The windows are the smallest that HTTP/2 knows.
const STRANGERS: Lane = Lane {
    streams: 4,
    stream_window: 65_535,
    connection_window: 65_535,
};

/// A command asks one or two things; the largest is a proposal.
const PEOPLE: Lane = Lane {
    streams: 32,
    stream_window: 256 << 10,
    connection_window: 1 << 20,
};

/// A node has one stream open, and for each of its studies an upload and a few downloads; beyond
/// this it waits. The windows are wide because uploads travel far.
const SITES: Lane = Lane {
    streams: 64,
    stream_window: STREAM_WINDOW,
    connection_window: CONNECTION_WINDOW,
};

/// Bytes of all headers of one request together; ours have a few hundred.
const HEADERS: u32 = 8 << 10;

impl Lane {
    fn server(&self) -> Server {
        Server::builder()
            .max_concurrent_streams(self.streams)
            .initial_stream_window_size(self.stream_window)
            .initial_connection_window_size(self.connection_window)
            .http2_max_header_list_size(HEADERS)
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
    }
}

/// Serves callers, each kind within its own limits, until the process ends.
///
/// # Errors
/// When the transport cannot serve at all; no caller's fault ends it.
pub async fn serve<S>(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    connections: Connections,
    service: S,
) -> Result<(), tonic::transport::Error>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let lanes = incoming(listener, config, connections);
    tokio::try_join!(
        STRANGERS
            .server()
            .serve_with_incoming(service.clone(), lanes.strangers),
        PEOPLE
            .server()
            .serve_with_incoming(service.clone(), lanes.people),
        SITES.server().serve_with_incoming(service, lanes.sites),
    )?;
    Ok(())
}
