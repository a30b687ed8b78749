//! A caller who keeps to no rules: TLS to the coordinator's port and HTTP/2 frames written by hand,
//! so that a test can do what no client library would.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_proto::tls::COORDINATOR_NAME;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frame types.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Bytes of a frame's payload that every server takes.
const FRAME: usize = 16_384;
/// What a server grants until it says otherwise.
const WINDOW: i64 = 65_535;
/// How long an answer is listened for.
const LISTEN: Duration = Duration::from_millis(20);
/// How long the other side may keep us from writing.
const PUSH: Duration = Duration::from_secs(5);

/// A connection without a certificate.
pub struct Stranger {
    tls: StreamOwned<ClientConnection, TcpStream>,
    next: u32,
    /// Bytes that the server still takes on this connection, and on a new stream.
    window: i64,
    stream_window: i64,
    heard: Vec<u8>,
    /// Streams on which headers came back.
    pub answered: usize,
    /// Whether the server has said that it is enough.
    pub over: bool,
}

/// Settings of TLS that trust the consortium's authority and show no certificate.
pub fn tls(authority: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority).expect("a certificate"))
        .expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal of HPACK: a length below 127 and the text.
fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("short");
    [&[length], text.as_bytes()].concat()
}

/// The headers of a gRPC call, without the compression that a client would use.
fn headers(path: &str) -> Vec<u8> {
    [
        vec![0x83, 0x87],
        [vec![0x04], text(path)].concat(),
        [vec![0x01], text("coordinator")].concat(),
        [vec![0x0f, 0x10], text("application/grpc")].concat(),
        [vec![0x00], text("te"), text("trailers")].concat(),
    ]
    .concat()
}

impl Stranger {
    /// Connects and shakes hands.
    ///
    /// # Errors
    /// When the coordinator does not let it.
    pub fn connect(address: &str, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_write_timeout(Some(PUSH))?;
        tcp.set_read_timeout(Some(PUSH))?;
        let name = ServerName::try_from(COORDINATOR_NAME).expect("a name");
        let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut tls = StreamOwned::new(session, tcp);
        tls.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())?;
        tls.flush()?;
        let (window, stream_window) = (WINDOW, WINDOW);
        let mut stranger = Self {
            tls,
            next: 1,
            window,
            stream_window,
            heard: Vec::new(),
            answered: 0,
            over: false,
        };
        stranger.listen_once()?;
        stranger.tls.sock.set_read_timeout(Some(LISTEN))?;
        Ok(stranger)
    }

    /// Opens `count` calls of a method and sends nothing more on them.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn open(&mut self, path: &str, count: usize) -> io::Result<()> {
        let block = headers(path);
        let mut bytes = Vec::with_capacity(count * (block.len() + 9));
        for _ in 0..count {
            bytes.extend(frame(HEADERS, 4, self.next, &block));
            self.next += 2;
        }
        self.tls.write_all(&bytes)?;
        self.tls.flush()
    }

    /// Opens a call and sends the beginning of a message of `announced` bytes: up to `most` of it,
    /// as far as the server takes them. Gives how many were taken.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn pour(&mut self, path: &str, announced: u32, most: usize) -> io::Result<usize> {
        self.open(path, 1)?;
        let stream = self.next - 2;
        let mut payload = [&[0_u8][..], &announced.to_be_bytes()].concat();
        payload.resize(FRAME, 0);
        let (mut sent, mut waited, before) = (0_usize, 0, self.answered);
        while sent < most && !self.over && self.answered == before && waited < 10 {
            let room = self
                .window
                .min(self.stream_window - i64::try_from(sent).unwrap_or(i64::MAX));
            if room < FRAME as i64 {
                self.listen()?;
                waited += 1;
                continue;
            }
            self.tls.write_all(&frame(DATA, 0, stream, &payload))?;
            self.window -= FRAME as i64;
            sent += FRAME;
            // Now and then it is heard whether this is refused: what follows would be thrown away.
            if sent.is_multiple_of(1 << 20) {
                self.listen()?;
            }
            payload.fill(0);
        }
        self.tls.flush()?;
        Ok(sent)
    }

    /// Takes in what the server has said by now.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn listen(&mut self) -> io::Result<()> {
        loop {
            match self.listen_once() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn listen_once(&mut self) -> io::Result<()> {
        let mut buffer = [0; FRAME];
        let read = self.tls.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.heard.extend(buffer.get(..read).unwrap_or_default());
        let mut granted = false;
        while let Some((head, rest)) = self.heard.split_first_chunk::<9>() {
            let [a, b, c, kind, flags, stream @ ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some(payload) = rest.get(..length) else {
                break;
            };
            match kind {
                HEADERS => self.answered += 1,
                GOAWAY => self.over = true,
                SETTINGS if flags & 1 == 0 => {
                    granted = true;
                    for setting in payload.chunks_exact(6) {
                        if let [0, 4, value @ ..] = setting {
                            let value = value.try_into().map_or(0, u32::from_be_bytes);
                            self.stream_window = i64::from(value);
                        }
                    }
                }
                WINDOW_UPDATE if u32::from_be_bytes(stream) == 0 => {
                    let more = payload.try_into().map_or(0, u32::from_be_bytes);
                    self.window += i64::from(more & 0x7fff_ffff);
                }
                _ => {}
            }
            self.heard.drain(..9 + length);
        }
        if granted {
            // What the server grants counts from here on.
            self.tls.write_all(&frame(SETTINGS, 1, 0, &[]))?;
            self.tls.flush()?;
        }
        Ok(())
    }
}

/// Resident memory of a process in MiB; nothing where the system does not tell.
pub fn resident(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}
