//! A line with a meter: passes on what a site and the coordinator say to each other and counts the
//! bytes of each direction, as they are on the wire.

use crate::failure::{Done, Failure};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

#[derive(Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
}

/// The line; it ends with this value.
pub(super) struct Meter {
    /// Where it listens.
    pub(super) address: String,
    counts: Arc<Counts>,
    listening: JoinHandle<()>,
}

impl Meter {
    /// Listens on a free port of this machine and passes on to `target`.
    ///
    /// # Errors
    /// When there is no free port.
    pub(super) async fn start(target: &str) -> Done<Self> {
        let loopback = Path::new("127.0.0.1:0");
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(Failure::io("listen at", loopback))?;
        let address = listener
            .local_addr()
            .map_err(Failure::io("listen at", loopback))?
            .to_string();
        let counts = Arc::new(Counts::default());
        let listening = tokio::spawn(listen(listener, target.to_owned(), counts.clone()));
        Ok(Self {
            address,
            counts,
            listening,
        })
    }

    /// Bytes that have passed towards the coordinator, and back.
    pub(super) fn passed(&self) -> (u64, u64) {
        (
            self.counts.up.load(Ordering::Relaxed),
            self.counts.down.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, target: String, counts: Arc<Counts>) {
    while let Ok((site, _)) = listener.accept().await {
        let target = target.clone();
        let counts = counts.clone();
        tokio::spawn(async move {
            let Ok(hub) = TcpStream::connect(&target).await else {
                return;
            };
            let ((from_site, to_site), (from_hub, to_hub)) = (site.into_split(), hub.into_split());
            // Where one direction ends the connection is over: both sides dial and answer again.
            tokio::select! {
                () = pass(from_site, to_hub, &counts.up) => {}
                () = pass(from_hub, to_site, &counts.down) => {}
            }
        });
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
) {
    let mut piece = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        count.fetch_add(read as u64, Ordering::Relaxed);
        let Some(bytes) = piece.get(..read) else {
            return;
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_of_both_directions_are_counted() {
        let hub = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let meter = Meter::start(&hub.local_addr().unwrap().to_string())
            .await
            .unwrap();
        let answering = tokio::spawn(async move {
            let (mut line, _) = hub.accept().await.unwrap();
            let mut asked = [0; 7];
            line.read_exact(&mut asked).await.unwrap();
            line.write_all(&[1; 300]).await.unwrap();
        });
        let mut site = TcpStream::connect(&meter.address).await.unwrap();
        site.write_all(&[2; 7]).await.unwrap();
        let mut told = [0; 300];
        site.read_exact(&mut told).await.unwrap();
        answering.await.unwrap();
        assert_eq!((told, meter.passed()), ([1; 300], (7, 300)));
    }
}
