//! The dialling side: nodes and people reach the coordinator, and learn in plain words why when
//! they cannot.
//!
//! The first contact knows only the fingerprint in the join code ([`connect_pinned`]); afterwards
//! the stored authority is the only one trusted ([`connect`]). The system's own certificate list is
//! never consulted.

use super::trust::{Foreign, Trust};
use super::{ALPN, CONNECTION_WINDOW, COORDINATOR_NAME, STREAM_WINDOW};
use hyper_util::rt::TokioIo;
use motet_common::enrol::split_address;
use motet_secagg::digest::Digest;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, Resumption};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::TLS13;
use rustls::{AlertDescription, CertificateError, OtherError};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use zeroize::Zeroizing;

/// How long reaching the coordinator's port may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long the TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the coordinator's first bytes are waited for, so that its refusal of our certificate is
/// heard here.
const GREETING: Duration = Duration::from_secs(2);

/// Waits before dialling again where the coordinator closed the connection: it may have had a crowd
/// at its door.
const AGAIN: [Duration; 3] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(1000),
];

/// Idle firewalls forget a connection after a minute or more; a ping every 20 s keeps it known.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// What a node or person shows and trusts.
pub struct ClientIdentity {
    /// The consortium's CA certificate.
    pub ca_pem: String,
    /// The holder's certificate.
    pub cert_pem: String,
    /// Its private key, PKCS #8.
    pub key_pem: Zeroizing<String>,
}

/// Why there is no connection, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The address is not `host:port`.
    #[error("`{address}` is not an address of the form `host:port`")]
    Address {
        /// The address.
        address: String,
    },
    /// Nothing answers.
    #[error(
        "cannot reach `{address}` ({why}): check the address, DNS and \
         that the firewall lets this machine out to it"
    )]
    Unreachable {
        /// The address.
        address: String,
        /// The system's reason.
        why: String,
    },
    /// The port is open, but no TLS 1.3 coordinator answers there.
    #[error(
        "`{address}` answers, but not as a coordinator ({why}): check \
         the port, and whether a firewall interferes"
    )]
    NotACoordinator {
        /// The address.
        address: String,
        /// What happened.
        why: String,
    },
    /// It is the coordinator, and it closed the connection before anything was asked.
    #[error(
        "the coordinator at `{address}` closed the connection at once: too \
         many callers who have not joined are at its \
         door, or this member has too many \
         connections open; try again in a \
         minute, and tell the operator if it goes on"
    )]
    Crowded {
        /// The address.
        address: String,
    },
    /// The certificate comes from another authority.
    #[error(
        "`{address}` shows a certificate of another authority (`{issuer}`): \
         a firewall may be opening TLS traffic; ask \
         IT to exempt this address, and compare the fingerprint with the operator if it goes on"
    )]
    WrongAuthority {
        /// The address.
        address: String,
        /// Who issued what was shown.
        issuer: String,
    },
    /// The certificate is the consortium's, but not for this server.
    #[error(
        "`{address}` shows a certificate for another name than `{name}`: is it the coordinator?"
    )]
    WrongName {
        /// The address.
        address: String,
        /// The expected name.
        name: String,
    },
    /// The coordinator's certificate has run out.
    #[error(
        "the certificate of `{address}` has expired: check this \
         machine's clock; if it is right, tell the operator"
    )]
    Expired {
        /// The address.
        address: String,
    },
    /// The coordinator's certificate begins in the future.
    #[error("the certificate of `{address}` is not valid yet: check this machine's clock")]
    NotYetValid {
        /// The address.
        address: String,
    },
    /// The coordinator ended the handshake because of our certificate.
    #[error("`{address}` refuses this side's certificate: {why}")]
    Refused {
        /// The address.
        address: String,
        /// Its reason and what to do.
        why: String,
    },
    /// Our own files are not usable.
    #[error(
        "this side's {what} is not usable: put back the copy that you \
         kept, or join anew with a new invitation"
    )]
    Identity {
        /// Which of them.
        what: &'static str,
    },
}

impl ConnectError {
    /// A stable code for scripts and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "bad-address",
            Self::Unreachable { .. } => "unreachable",
            Self::NotACoordinator { .. } => "not-a-coordinator",
            Self::Crowded { .. } => "crowded",
            Self::WrongAuthority { .. } => "wrong-authority",
            Self::WrongName { .. } => "wrong-name",
            Self::Expired { .. } => "certificate-expired",
            Self::NotYetValid { .. } => "certificate-not-yet-valid",
            Self::Refused { .. } => "certificate-refused",
            Self::Identity { .. } => "bad-identity",
        }
    }

    /// Finds the reason inside the error of a call: a channel dials again by itself and reports
    /// failures as a status.
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found.clone());
            }
            next = error.source();
        }
        None
    }
}

/// Connects with this side's certificate to a coordinator that must hold one for `server_name` from
/// the stored authority; [`COORDINATOR_NAME`] is in every coordinator's certificate. The channel
/// reconnects by itself.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(
    address: &str,
    identity: &ClientIdentity,
    server_name: &str,
) -> Result<Channel, ConnectError> {
    let ca = CertificateDer::from_pem_slice(identity.ca_pem.as_bytes()).map_err(|_| {
        ConnectError::Identity {
            what: "CA certificate",
        }
    })?;
    let name = ServerName::try_from(server_name.to_owned()).map_err(|_| ConnectError::Address {
        address: server_name.to_owned(),
    })?;
    let trust = Arc::new(Trust::known(ca, name));
    let chain = CertificateDer::pem_slice_iter(identity.cert_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| ConnectError::Identity {
            what: "certificate",
        })?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(|_| {
        ConnectError::Identity {
            what: "private key",
        }
    })?;
    let config = builder(&trust)?
        .with_client_auth_cert(chain, key)
        .map_err(|_| ConnectError::Identity {
            what: "certificate or its private key",
        })?;
    Dial::new(address, config)?.channel().await
}

/// A first contact: the channel, without a certificate of our own, and the authority that the
/// fingerprint named.
pub struct Pinned {
    /// For the join call only; everything else is refused to a caller without a certificate.
    pub channel: Channel,
    /// The consortium's CA certificate, to be stored.
    pub ca_pem: String,
}

/// Connects to a coordinator whose certificate chain must lead to the authority with this SHA-256
/// fingerprint, as the join code carries it.
///
/// # Errors
/// [`ConnectError`]; [`ConnectError::WrongAuthority`] when the chain does not hold that authority.
pub async fn connect_pinned(
    address: &str,
    ca_fingerprint: &Digest,
) -> Result<Pinned, ConnectError> {
    let name = ServerName::try_from(COORDINATOR_NAME).map_err(|_| ConnectError::Address {
        address: COORDINATOR_NAME.to_owned(),
    })?;
    let trust = Arc::new(Trust::pinned(*ca_fingerprint, name));
    let config = builder(&trust)?.with_no_client_auth();
    let channel = Dial::new(address, config)?.channel().await?;
    let ca_pem = trust.authority_pem().ok_or(ConnectError::Identity {
        what: "CA certificate",
    })?;
    Ok(Pinned { channel, ca_pem })
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn builder(trust: &Arc<Trust>) -> Result<Builder, ConnectError> {
    Ok(ClientConfig::builder_with_provider(super::provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| ConnectError::Identity {
            what: "TLS library",
        })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(trust) as Arc<dyn ServerCertVerifier>))
}

/// Everything needed to dial, and to dial again.
#[derive(Clone)]
struct Dial {
    address: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Dial {
    fn new(address: &str, mut config: ClientConfig) -> Result<Self, ConnectError> {
        let bad = || ConnectError::Address {
            address: address.chars().take(60).collect(),
        };
        let (host, port) = split_address(address).map_err(|_| bad())?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.max_fragment_size = Some(super::RECORD);
        Ok(Self {
            address: address.to_owned(),
            host: host.to_owned(),
            port,
            name: ServerName::try_from(host.to_owned()).map_err(|_| bad())?,
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    async fn channel(self) -> Result<Channel, ConnectError> {
        let address = self.address.clone();
        let unreachable = |error: &(dyn Error + 'static)| {
            ConnectError::within(error).unwrap_or_else(|| ConnectError::Unreachable {
                address: address.clone(),
                why: error.to_string(),
            })
        };
        // To tonic this is a plain connection: the TLS below it is ours.
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
            .and_then(|endpoint| endpoint.user_agent(concat!("motet/", env!("CARGO_PKG_VERSION"))))
            .map_err(|error| unreachable(&error))?
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let connector = tower::service_fn(move |_: Uri| {
            let dial = self.clone();
            async move { dial.open().await.map(TokioIo::new) }
        });
        endpoint
            .connect_with_connector(connector)
            .await
            .map_err(|error| unreachable(&error))
    }

    /// Dials, again where the coordinator closed the connection before it had said why.
    async fn open(&self) -> Result<BufReader<TlsStream<TcpStream>>, ConnectError> {
        for wait in AGAIN {
            match self.dial().await {
                Err(Failed { closed: true, .. }) => tokio::time::sleep(wait).await,
                other => return other.map_err(|failed| failed.error),
            }
        }
        self.dial().await.map_err(|failed| failed.error)
    }

    async fn dial(&self) -> Result<BufReader<TlsStream<TcpStream>>, Failed> {
        let tcp = self
            .route()
            .await
            .map_err(|error| ConnectError::Unreachable {
                address: self.address.clone(),
                why: error.to_string(),
            })?;
        let _ = tcp.set_nodelay(true);
        let silent = || self.strange("no TLS answer within 10 s".to_owned());
        let tls = timeout(HANDSHAKE, self.tls.connect(self.name.clone(), tcp))
            .await
            .map_err(|_| silent())?;
        let tls = tls.map_err(|error| Failed {
            closed: is_closed(&error),
            error: self.explain(&error),
        })?;
        if tls.get_ref().1.alpn_protocol() != Some(ALPN) {
            return Err(self.strange("it does not offer HTTP/2".to_owned()).into());
        }
        // In TLS 1.3 our side is done before the coordinator has looked at our certificate. Its
        // first bytes, HTTP/2 settings or an alert, tell which; the buffer is small so that later
        // reads go past it.
        let mut stream = BufReader::with_capacity(64, tls);
        // Whoever closes now has shown the coordinator's certificate.
        let crowded = || Failed {
            closed: true,
            error: ConnectError::Crowded {
                address: self.address.clone(),
            },
        };
        match timeout(GREETING, stream.fill_buf()).await {
            Ok(Ok([])) => Err(crowded()),
            Ok(Err(error)) if is_closed(&error) => Err(crowded()),
            Ok(Err(error)) => Err(self.explain(&error).into()),
            Ok(Ok(_)) | Err(_) => Ok(stream),
        }
    }

    /// The way to the coordinator's port. A hospital's proxy tunnel belongs here: everything above
    /// sees the stream only.
    async fn route(&self) -> io::Result<TcpStream> {
        timeout(CONNECT, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .unwrap_or_else(|_| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no answer within 10 s",
                ))
            })
    }

    fn strange(&self, why: String) -> ConnectError {
        ConnectError::NotACoordinator {
            address: self.address.clone(),
            why,
        }
    }

    /// Turns what the TLS library says into something a person can act on.
    fn explain(&self, error: &io::Error) -> ConnectError {
        let address = self.address.clone();
        let Some(tls) = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        else {
            return self.strange(error.to_string());
        };
        match tls {
            rustls::Error::InvalidCertificate(reason) => match reason {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    ConnectError::Expired { address }
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    ConnectError::NotYetValid { address }
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => ConnectError::WrongName {
                    address,
                    name: self.name.to_str().into_owned(),
                },
                CertificateError::Other(OtherError(other)) => match other.downcast_ref::<Foreign>()
                {
                    Some(foreign) => ConnectError::WrongAuthority {
                        address,
                        issuer: foreign.issuer.clone(),
                    },
                    None => self.strange(tls.to_string()),
                },
                _ => self.strange(tls.to_string()),
            },
            rustls::Error::AlertReceived(alert) => refusal(address, *alert),
            _ => self.strange(tls.to_string()),
        }
    }
}

/// Why a connection came to nothing.
struct Failed {
    error: ConnectError,
    /// The other side hung up without a word.
    closed: bool,
}

impl From<ConnectError> for Failed {
    fn from(error: ConnectError) -> Self {
        Self {
            error,
            closed: false,
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        error.kind(),
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe
    )
}

fn refusal(address: String, alert: AlertDescription) -> ConnectError {
    let why = match alert {
        AlertDescription::CertificateExpired => {
            "it has expired or is not valid yet; check this machine's clock; if it is right, \
             ask the operator to remove this member and to invite it anew"
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::DecryptError
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            "it was not issued by this consortium; is `--dir` or `--as` the right one?"
        }
        _ => {
            return ConnectError::NotACoordinator {
                address,
                why: format!("alert {alert:?}"),
            };
        }
    };
    ConnectError::Refused {
        address,
        why: why.to_owned(),
    }
}
