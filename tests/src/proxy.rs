//! A network as hospitals have it: a proxy on loopback that cuts connections after that many bytes
//! or so long, delays what it passes on, forgets connections, and goes dark. It counts what it
//! passes.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time.
const PIECE: usize = 16 << 10;
/// How often a waiting thread looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// What goes wrong on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// A connection is cut after that many bytes in both directions together.
    pub cut_after: Option<u64>,
    /// A connection is cut after so long.
    pub cut_every: Option<Duration>,
    /// Each direction delays what it passes on by this.
    pub delay: Duration,
    /// Each direction passes on at most that many bytes a second.
    pub rate: Option<u64>,
}

#[derive(Default)]
struct Counts {
    /// Bytes towards the coordinator.
    up: AtomicU64,
    cuts: AtomicU64,
    dark: AtomicBool,
    over: AtomicBool,
    /// How often the proxy has forgotten its connections.
    forgotten: AtomicU64,
}

/// The proxy; it ends with this value.
pub struct Proxy {
    /// Where it listens.
    pub address: String,
    counts: Arc<Counts>,
}

impl Proxy {
    /// Listens on a free port and passes on to `target`.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn start(target: &str, faults: Faults) -> std::io::Result<Self> {
        Self::start_at("127.0.0.1", target, faults)
    }

    /// The same at another of this machine's addresses.
    ///
    /// # Errors
    /// When there is no such address, or no free port.
    pub fn start_at(host: &str, target: &str, faults: Faults) -> std::io::Result<Self> {
        let listener = TcpListener::bind((host, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?.to_string();
        let counts = Arc::new(Counts::default());
        let target: SocketAddr = target.parse().map_err(std::io::Error::other)?;
        let shared = Arc::clone(&counts);
        thread::spawn(move || {
            while !shared.over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((client, _)) if !shared.dark.load(Ordering::Relaxed) => {
                        pass(client, target, faults, &shared);
                    }
                    Ok(_) => {}
                    Err(_) => thread::sleep(LOOK),
                }
            }
        });
        Ok(Self { address, counts })
    }

    /// Cuts everything and lets nobody through, or lets them through again.
    pub fn go_dark(&self, dark: bool) {
        self.counts.dark.store(dark, Ordering::Relaxed);
    }

    /// Forgets its connections, as a router does that translates addresses: what is sent over them
    /// is swallowed, neither end is told, and only new connections pass.
    pub fn forget(&self) {
        self.counts.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    /// Bytes passed on towards the coordinator.
    pub fn bytes_up(&self) -> u64 {
        self.counts.up.load(Ordering::Relaxed)
    }

    /// Connections cut so far.
    pub fn cuts(&self) -> u64 {
        self.counts.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.counts.over.store(true, Ordering::Relaxed);
    }
}

/// One connection, in a thread for each direction.
fn pass(client: TcpStream, target: SocketAddr, faults: Faults, counts: &Arc<Counts>) {
    let Ok(server) = TcpStream::connect(target) else {
        return;
    };
    let (passed, is_cut, start) = (
        Arc::<AtomicU64>::default(),
        Arc::<AtomicBool>::default(),
        Instant::now(),
    );
    for (from, to, is_up) in [(&client, &server, true), (&server, &client, false)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
            return;
        };
        let way = Way {
            from,
            to,
            is_up,
            passed: Arc::clone(&passed),
            is_cut: Arc::clone(&is_cut),
            start,
            faults,
            counts: Arc::clone(counts),
            known: counts.forgotten.load(Ordering::Relaxed),
        };
        thread::spawn(move || way.run());
    }
}

struct Way {
    from: TcpStream,
    to: TcpStream,
    is_up: bool,
    passed: Arc<AtomicU64>,
    /// One of the two directions has found that the connection is to be cut.
    is_cut: Arc<AtomicBool>,
    start: Instant,
    faults: Faults,
    counts: Arc<Counts>,
    /// How often the proxy had forgotten when this connection began.
    known: u64,
}

impl Way {
    fn run(mut self) {
        let _ = self.from.set_read_timeout(Some(LOOK));
        let _ = (self.from.set_nodelay(true), self.to.set_nodelay(true));
        // What is delayed goes out in a thread of its own, in order.
        let (sender, waiting) = mpsc::channel::<(Instant, Vec<u8>)>();
        let Ok(mut out) = self.to.try_clone() else {
            return;
        };
        let writer = thread::spawn(move || {
            for (due, bytes) in waiting {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if out.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        let mut piece = vec![0; PIECE];
        loop {
            if self.is_to_be_cut() {
                let first = !self.is_cut.swap(true, Ordering::Relaxed);
                self.counts
                    .cuts
                    .fetch_add(u64::from(first), Ordering::Relaxed);
                break;
            }
            match self.from.read(&mut piece) {
                Ok(0) => break,
                Ok(_) if self.known < self.counts.forgotten.load(Ordering::Relaxed) => {}
                Ok(count) => {
                    self.passed.fetch_add(count as u64, Ordering::Relaxed);
                    if self.is_up {
                        self.counts.up.fetch_add(count as u64, Ordering::Relaxed);
                    }
                    if let Some(rate) = self.faults.rate {
                        thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64));
                    }
                    let bytes = piece.get(..count).unwrap_or_default().to_vec();
                    if sender
                        .send((Instant::now() + self.faults.delay, bytes))
                        .is_err()
                    {
                        break;
                    }
                }
                Err(error) if is_pause(&error) => {}
                Err(_) => break,
            }
        }
        drop(sender);
        let _ = writer.join();
        let _ = (
            self.from.shutdown(Shutdown::Both),
            self.to.shutdown(Shutdown::Both),
        );
    }

    fn is_to_be_cut(&self) -> bool {
        let Faults {
            cut_after,
            cut_every,
            ..
        } = self.faults;
        self.counts.over.load(Ordering::Relaxed)
            || self.counts.dark.load(Ordering::Relaxed)
            || cut_after.is_some_and(|most| self.passed.load(Ordering::Relaxed) >= most)
            || cut_every.is_some_and(|most| self.start.elapsed() >= most)
    }
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}
