//! A driver that nobody needs rests: its task ends and its book is let go. What must be known of
//! the study meanwhile stays with its handle, a few kilobytes; the rest is in the ledger, and is
//! read from there when somebody asks.

use super::publication::kept_until;
use super::{Driver, now};
use crate::book::Book;
use crate::config::Config;
use crate::handle::{Handle, Line, Resting};
use crate::shared::Shared;
use crate::view;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::message::Message;
use motet_secagg::sign::SecretKey;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a driver stays awake after somebody asked.
pub(super) const AWAKE: Duration = Duration::from_secs(10);
/// How often the coordinator looks for uploads that are due to go.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// Senders of an inbox that nobody is about to use: the driver's own, and that of its handle.
const OWN_SENDERS: usize = 2;

/// Whether nothing of the study is under way.
pub(super) fn may_rest(book: &Book) -> bool {
    book.run.is_none() && book.spooled.is_empty() && !book.log.leaves().is_empty()
}

/// What a late site is told, with the run it is of: the latest sum, and the end once there is one.
/// The same whether the driver rests or is awake: which of the two it is when a site comes is
/// chance.
fn missed(book: &Book, key: &SecretKey) -> Option<(RunId, Vec<Message>)> {
    let (run, past) = book.latest_run().zip(book.past.last())?;
    let end = book.is_over().then(|| Message::Stands(book.stands(key)));
    let draft = book.draft(key).map(Message::Draft);
    Some((
        run,
        [Message::Released(past.released.clone())]
            .into_iter()
            .chain(draft)
            .chain(end)
            .collect(),
    ))
}

/// What must be known of the study while its driver rests.
pub(super) fn resting(book: &Book, config: &Config, key: &SecretKey) -> Resting {
    let owed: BTreeSet<NodeId> = book
        .roster()
        .nodes()
        .filter(|node| book.is_late(*node))
        .collect();
    Resting {
        runs: view::runs(book, None),
        latest: missed(book, key).filter(|_| !owed.is_empty()),
        owed,
        due: kept_until(
            &book.uploads,
            config.retain_uploads_days,
            book.needs_no_uploads(),
        )
        .flatten()
        .min(),
    }
}

impl Driver {
    /// Between rounds, tells a late site what it missed.
    pub(super) fn tell_missed(&self, node: NodeId) {
        if self.round().is_none()
            && self.book.is_late(node)
            && let Some((run, told)) = missed(&self.book, &self.shared.keys.log)
        {
            told.iter()
                .for_each(|message| self.shared.hub.tell(node, run, message));
        }
    }

    /// Puts the handle to rest; false when somebody is about to ask, or a node has just come.
    pub(super) fn rest(&self) -> bool {
        debug_assert!(may_rest(&self.book), "a driver with something to do rests");
        let Ok(mut line) = self.handle.line.try_lock() else {
            return false;
        };
        // With the handle's line held, nobody new can come by a sender.
        if self.own.strong_count() > OWN_SENDERS || !self.inbox.is_empty() || !self.news.is_empty()
        {
            return false;
        }
        *line = Line::Resting(resting(
            &self.book,
            &self.shared.config,
            &self.shared.keys.log,
        ));
        tracing::info!(study = %self.book.study.id, "the study rests: nothing of it is under way");
        true
    }
}

/// Wakes, for as long as the process runs, studies with uploads that are due to go.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let studies: Vec<Handle> = shared.studies.read().await.values().cloned().collect();
        for handle in studies {
            handle.sweep(now()).await;
        }
    }
}

#[cfg(test)]
#[path = "idle_tests.rs"]
mod tests;
