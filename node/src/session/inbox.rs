//! What a study's driver is to hear, in the order in which it came. The
//! line puts it in and waits for nobody.

use crate::link::Link;
use crate::studies::Proposal;
use motet_common::refusal::Refusal;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Messages that wait in one study: a round has a handful, and a line
/// that brings more is cut.
pub(super) const MOST_WAITING: usize = 256;

/// Bytes of messages that wait at this node, whatever study they are
/// for: the largest message sixteen times. A line that brings more is
/// cut, so that a coordinator cannot fill the hospital's memory.
pub(super) const MOST_BYTES: usize = 256 << 20;

/// One thing to hear.
pub(super) enum Mail {
    /// Another text or roster stands under the study's name.
    Changed(Arc<Proposal>),
    /// There is a line again: what is owed is said over it.
    Connected(Link),
    /// A message of the coordinator.
    Message(Box<Heard>),
    /// What is open ends here.
    GiveUp(Refusal),
}

/// A message, its run, and the line over which it came.
pub(super) struct Heard {
    pub(super) link: Link,
    pub(super) run: RunId,
    pub(super) message: Message,
    /// Its bytes' share of [`MOST_BYTES`], given back when it was heard.
    pub(super) room: OwnedSemaphorePermit,
}

/// Why something was not put in.
pub(super) enum Unposted {
    /// Too much waits.
    Full,
    /// Nobody reads it any more: whoever has something for the study
    /// starts its driver again.
    Resting(Box<Mail>),
}

/// The queue between the line and one driver.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    came: Notify,
}

#[derive(Default)]
struct Waiting {
    mails: VecDeque<Mail>,
    /// Nothing is put in any more, and what waits is not heard.
    is_closed: bool,
}

impl Inbox {
    /// With something to hear in it.
    pub(super) fn of(mail: Mail) -> Self {
        let mut waiting = Waiting::default();
        waiting.mails.push_back(mail);
        Self {
            waiting: Mutex::new(waiting),
            came: Notify::new(),
        }
    }

    /// Puts something in.
    pub(super) fn post(&self, mail: Mail) -> Result<(), Unposted> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(Unposted::Resting(Box::new(mail)));
        }
        if waiting.mails.len() >= MOST_WAITING {
            return Err(Unposted::Full);
        }
        waiting.mails.push_back(mail);
        debug_assert!(waiting.mails.len() <= MOST_WAITING, "it was not full");
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }

    /// There is a new line: what came over the last one the coordinator
    /// says again, but for what is over.
    pub(super) fn connect(&self, link: &Link) {
        let mut waiting = self.waiting();
        waiting.mails.retain(|mail| match mail {
            Mail::Changed(_) | Mail::GiveUp(_) => true,
            Mail::Message(heard) => matches!(heard.message, Message::Abandoned(_)),
            Mail::Connected(_) => false,
        });
        waiting.mails.push_back(Mail::Connected(link.clone()));
        drop(waiting);
        self.came.notify_one();
    }

    /// The next thing to hear; none when the session has ended.
    pub(super) async fn next(&self) -> Option<Mail> {
        loop {
            {
                let mut waiting = self.waiting();
                if waiting.is_closed {
                    return None;
                }
                if let Some(mail) = waiting.mails.pop_front() {
                    return Some(mail);
                }
            }
            self.came.notified().await;
        }
    }

    /// Whether something waits that ends the attempt under this plan,
    /// or comes after it: it is not worth beginning.
    pub(super) fn is_past(&self, plan: &Digest) -> bool {
        self.waiting().mails.iter().any(|mail| match mail {
            Mail::Message(heard) => match &heard.message {
                Message::Abandoned(abandoned) => abandoned.plan == *plan,
                Message::Plan(signed) => signed.plan.root() != *plan,
                _ => false,
            },
            Mail::Changed(_) | Mail::GiveUp(_) => true,
            Mail::Connected(_) => false,
        })
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().mails.is_empty()
    }

    /// Closes the inbox where nothing waits in it; whether it is
    /// closed.
    pub(super) fn rest(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_closed |= waiting.mails.is_empty();
        waiting.is_closed
    }

    /// Closes it whatever waits.
    pub(super) fn end(&self) {
        self.waiting().is_closed = true;
        self.came.notify_one();
    }

    /// Whether its driver rests, or is about to.
    pub(super) fn is_closed(&self) -> bool {
        self.waiting().is_closed
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
