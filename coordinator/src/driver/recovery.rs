//! A driver that cannot write, or that finds what cannot be: nothing more is said, the book is read
//! again from the ledger once the disk can be written, and the study goes on as after a restart of
//! the process. Where the same is found again, the run is held until somebody mends the program.
//!
//! What is in memory may be ahead of the record, or behind it: an append can fail after it was
//! written. So nothing of it is kept.

use super::replay::{replay, unread};
use super::{Driver, now, reply};
use crate::handle::Ask;
use crate::members::disk;
use crate::pause::{Pause, Reason};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_program::{Backoff, clock};
use motet_secagg::id::NodeId;
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait before the disk is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const WAITS: Backoff = Backoff::new(Duration::from_secs(1), LONGEST_WAIT);

impl Driver {
    /// Until the study can go on; false when the process is ending.
    pub(super) async fn mend(&mut self, mut refusal: Refusal) -> bool {
        // Nothing is wrong with the disk of a process that was told to stop.
        if self.shared.ledger.is_closed() {
            return false;
        }
        // A disk that is mended for a moment only does not begin again with short waits.
        let lately = self
            .mended
            .filter(|(at, _)| at.elapsed() < LONGEST_WAIT * 2);
        let mut waits = lately.map_or(WAITS, |(_, waits)| waits);
        loop {
            let wait = waits.next_wait();
            let reason = if refusal.code == Code::Internal {
                tracing::error!(study = %self.book.study.id, %refusal, wait_s = wait.as_secs(),
                    "the program is at fault; the study is held, read anew and tried again");
                Reason::Internal(refusal.detail.clone())
            } else {
                tracing::error!(study = %self.book.study.id, %refusal, wait_s = wait.as_secs(),
                    "the study's driver cannot write; it tries again by itself");
                Reason::Storage(refusal.detail.clone())
            };
            let until = now().ms.saturating_add(clock::ms(wait));
            self.pause = Some(Pause {
                reason,
                awaited: Vec::new(),
                until: Some(Moment { ms: until }),
            });
            self.show();
            if !self.turn_away(wait, &refusal).await {
                return false;
            }
            match self.again().await {
                Ok(()) => {
                    self.mended = Some((Instant::now(), waits));
                    tracing::info!(study = %self.book.study.id, "the study is read anew from its record, and goes on");
                    return true;
                }
                Err(next) => refusal = next,
            }
        }
    }

    /// Answers questions for a while and refuses what would have to be written; false when the
    /// process is ending.
    async fn turn_away(&mut self, wait: Duration, refusal: &Refusal) -> bool {
        let end = Instant::now() + wait;
        loop {
            let ask = tokio::select! {
                () = tokio::time::sleep_until(end) => return true,
                ask = self.inbox.recv() => ask,
            };
            match ask {
                None => return false,
                Some(
                    Ask::Decide { answer, .. }
                    | Ask::Withdraw { answer }
                    | Ask::Abandon { answer, .. },
                ) => {
                    reply(answer, Err(refusal.clone()));
                }
                Some(Ask::Start { answer, .. }) => reply(answer, Err(refusal.clone())),
                Some(Ask::Header { answer, .. }) => reply(answer, None),
                // Nodes say it again on their next connection; a sum is made again.
                Some(
                    Ask::FromNode { .. }
                    | Ask::Uploaded { .. }
                    | Ask::Folded(_)
                    | Ask::Came(_)
                    | Ask::Due
                    | Ask::Removed,
                ) => {}
                Some(looking) => self.look(looking),
            }
        }
    }

    /// Reads the book again and goes on.
    async fn again(&mut self) -> Result<(), Refusal> {
        // A small append may fit where a chunk or a sum does not: there is to be room for these
        // too.
        self.shared.ledger.room().await.map_err(disk)?;
        let read = replay(&self.shared, &self.stream).await.map_err(unread)?;
        (self.book, self.version) = (read.book, read.version);
        self.handle.follow(&self.book);
        (self.wake, self.pause, self.done, self.folding, self.written) =
            (None, None, None, false, 0);
        self.drafted = false;
        self.waiting_since = now();
        self.begin().await?;
        self.removed().await?;
        // What nodes said meanwhile was not heard: cut off, they come back at once and say it
        // again.
        for node in self.book.roster().nodes().collect::<Vec<NodeId>>() {
            self.shared.hub.cut(node);
        }
        Ok(())
    }
}
