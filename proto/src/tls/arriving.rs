//! Connections on their way in. Who says nothing, who is slow with the handshake and who is no
//! member each have their own bounded places, so that none of them keeps a member out.

use super::connections::{Connections, Guarded};
use super::places::Places;
use rustls::server::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;

/// How long a caller may take for its first byte: one way there and back.
const SILENCE: Duration = Duration::from_secs(3);

/// How long the handshake may take after that; a hospital's slowest line needs a second.
const HANDSHAKE: Duration = Duration::from_secs(3);

/// Connections at the same time that have not said a byte. Each costs a socket and little else, and
/// at a thousand a second a caller still has its three seconds.
const SILENT: usize = 4096;

/// Handshakes at the same time; each may hold a few kilobytes of what the caller said.
const TALKING: usize = 1024;

/// Sockets we ask the system for: all places, and 250 members with a few each.
const SOCKETS: usize = 16_384;

/// Sockets where the system does not say.
const FEW_SOCKETS: usize = 1024;

/// How long accepting rests when the system is out of sockets.
const REST: Duration = Duration::from_millis(100);

/// Connections of one kind of caller, as they arrive; never an error.
pub type Arrivals = ReceiverStream<io::Result<Guarded>>;

/// Connections by who is on them: each kind is served within its own limits.
pub struct Lanes {
    /// Callers without a certificate, or with one that is no member's.
    pub strangers: Arrivals,
    /// Operators and researchers.
    pub people: Arrivals,
    /// Nodes.
    pub sites: Arrivals,
}

/// A lane's other end.
type Accepted = mpsc::Sender<io::Result<Guarded>>;

#[derive(Clone)]
struct Senders {
    strangers: Accepted,
    people: Accepted,
    sites: Accepted,
}

impl Senders {
    /// Nobody serves any lane any more.
    async fn closed(&self) {
        tokio::join!(
            self.strangers.closed(),
            self.people.closed(),
            self.sites.closed()
        );
    }
}

/// What every arrival goes through.
#[derive(Clone)]
struct Entrance {
    acceptor: TlsAcceptor,
    silent: Places,
    talking: Places,
    connections: Connections,
    lanes: Senders,
}

/// Accepts connections until the lanes are dropped. Each handshake runs in a task of its own with a
/// time limit, so neither a failed nor a slow one holds up the next.
pub fn incoming(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    connections: Connections,
) -> Lanes {
    let sockets = sockets();
    let lane = || mpsc::channel(1);
    let ((strangers, for_strangers), (people, for_people), (sites, for_sites)) =
        (lane(), lane(), lane());
    let entrance = Entrance {
        acceptor: TlsAcceptor::from(config),
        // However few sockets the system gives: most of them are for callers who do say something.
        silent: Places::new(SILENT.min(sockets / 4)),
        talking: Places::new(TALKING.min(sockets / 8)),
        connections,
        lanes: Senders {
            strangers,
            people,
            sites,
        },
    };
    tokio::spawn(accept(listener, entrance));
    Lanes {
        strangers: ReceiverStream::new(for_strangers),
        people: ReceiverStream::new(for_people),
        sites: ReceiverStream::new(for_sites),
    }
}

async fn accept(listener: TcpListener, entrance: Entrance) {
    loop {
        let arrived = tokio::select! {
            () = entrance.lanes.closed() => return,
            arrived = listener.accept() => arrived,
        };
        match arrived {
            Ok((tcp, address)) => {
                tokio::spawn(entrance.clone().admit(tcp, address));
            }
            // The caller hung up before it was accepted, or the system is out of sockets: neither
            // ends the service.
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

impl Entrance {
    async fn admit(self, tcp: TcpStream, address: SocketAddr) {
        let _ = tcp.set_nodelay(true);
        let (place, cut) = self.silent.take(address);
        let spoke = tokio::select! {
            _ = cut => return,
            spoke = timeout(SILENCE, tcp.readable()) => spoke,
        };
        if !matches!(spoke, Ok(Ok(()))) {
            return;
        }
        drop(place);
        let (place, cut) = self.talking.take(address);
        let shaken = tokio::select! {
            _ = cut => return,
            shaken = timeout(HANDSHAKE, self.acceptor.accept(tcp)) => shaken,
        };
        let Ok(Ok(tls)) = shaken else { return };
        drop(place);
        let Some(guarded) = self.connections.admit(tls, address) else {
            return;
        };
        let lane = match guarded.caller().member() {
            None => &self.lanes.strangers,
            Some(peer) if peer.node.is_some() => &self.lanes.sites,
            Some(_) => &self.lanes.people,
        };
        let _ = lane.send(Ok(guarded)).await;
    }
}

/// How many sockets this process may hold, after asking for as many as it is allowed: the default
/// of many systems, 1024, is fewer than one crowd brings.
#[cfg(unix)]
pub fn sockets() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = allowed(maximum).min(SOCKETS);
    if allowed(current) < wanted {
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(wanted as u64),
                maximum,
            },
        );
    }
    allowed(getrlimit(Resource::Nofile).current).max(FEW_SOCKETS / 4)
}

fn allowed(limit: Option<u64>) -> usize {
    limit.map_or(SOCKETS, |limit| usize::try_from(limit).unwrap_or(SOCKETS))
}

/// How many sockets this process may hold.
#[cfg(not(unix))]
pub fn sockets() -> usize {
    FEW_SOCKETS
}
