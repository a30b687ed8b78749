//! What is on its way over the present connection, and the messages that wait for it.

use crate::link::Broken;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use std::collections::BTreeSet;
use tokio::task::JoinSet;

/// Downloads under way; they stop when the value is dropped.
#[derive(Default)]
pub(super) struct Coming {
    underway: BTreeSet<Digest>,
    tasks: JoinSet<(Digest, Result<(), Broken>)>,
    waiting: Vec<(RunId, Message)>,
}

impl Coming {
    /// Begins to fetch `digest`, unless that is under way.
    pub(super) fn fetch(
        &mut self,
        digest: Digest,
        fetching: impl Future<Output = Result<(), Broken>> + Send + 'static,
    ) {
        if self.underway.insert(digest) {
            self.tasks.spawn(async move { (digest, fetching.await) });
        }
    }

    /// The next download that ends; nothing when none is under way.
    pub(super) async fn next(&mut self) -> Option<Result<(), Broken>> {
        let ended = self.tasks.join_next().await?;
        Some(match ended {
            Ok((digest, result)) => {
                self.underway.remove(&digest);
                result
            }
            Err(error) => Err(Broken::Line(format!("a download ended early ({error})"))),
        })
    }

    /// Keeps a message that needs something on its way.
    pub(super) fn wait(&mut self, run: RunId, message: Message) {
        let waits = (run, message);
        if !self.waiting.contains(&waits) {
            self.waiting.push(waits);
        }
    }

    /// Every message that waits, in the order in which they came.
    pub(super) fn waiting(&mut self) -> Vec<(RunId, Message)> {
        std::mem::take(&mut self.waiting)
    }
}
