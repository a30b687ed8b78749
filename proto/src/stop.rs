//! How a daemon's process is told to stop: Ctrl-C or, where there is one, the service manager's
//! terminate signal.
//!
//! Everything said is on disk before it is said, so a daemon may end at any moment, and it does:
//! whoever waits for something else just now, or computes, has a few seconds, and then the process
//! ends all the same. Signals are heard by a thread of their own from the moment on at which this
//! is made, however busy the others are.

use std::process;
use std::time::Duration;
use tokio::sync::watch;

/// What is under way may take this long to end by itself; a service manager kills after ten seconds
/// at the earliest.
const GRACE: Duration = Duration::from_secs(3);

/// Whether the process was told to stop. A clone is another handle on the same.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on: no signal is missed after this returns.
    ///
    /// # Errors
    /// When the system gives no thread or no signals.
    pub fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (told, heard) = watch::channel(false);
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        std::thread::Builder::new()
            .name("stop".to_owned())
            .spawn(move || {
                runtime.block_on(signals.next());
                // Nobody may be waiting any more.
                let _ = told.send(true);
                std::thread::sleep(GRACE);
                process::exit(0)
            })?;
        Ok(Self(heard))
    }

    /// Returns once the process is told to stop, at once where it was already.
    pub async fn told(&self) {
        let mut heard = self.0.clone();
        if heard.wait_for(|told| *told).await.is_err() {
            // Its thread sends before it ends.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler the process simply ends.
            std::future::pending::<()>().await;
        }
    }
}
