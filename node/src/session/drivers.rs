//! The drivers of this node's studies: a message goes to that of its
//! study, which is started where it does not run.

use super::driver::{At, Driver};
use super::inbox::{Heard, Inbox, MOST_WAITING, Mail, Unposted};
use super::shared::Shared;
use crate::NodeError;
use crate::link::{Broken, Link};
use crate::studies::Proposal;
use motet_common::refusal::Refusal;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// How the line reaches one driver.
struct Handle {
    inbox: Arc<Inbox>,
    /// The text and the roster that it goes by.
    stands: (Digest, Digest),
    /// The run of the latest plan: what else comes of it is this
    /// study's.
    run: Option<RunId>,
}

/// All drivers, by their studies' names: a question goes by the name,
/// so that another text or roster under it asks the same, and of two
/// attempts at one question the later ends the earlier.
#[derive(Default)]
pub(super) struct Drivers {
    handles: BTreeMap<String, Handle>,
    tasks: JoinSet<(String, Result<(), NodeError>)>,
}

impl Drivers {
    /// Starts the driver of a study.
    pub(super) fn start(&mut self, shared: &Arc<Shared>, proposal: Arc<Proposal>, at: At) {
        let run = at.run();
        let inbox = Inbox::default();
        let driver = (proposal, at);
        self.start_with(shared, driver, inbox, run);
    }

    /// Starts one that has something to hear: one that has not rests at
    /// its first turn.
    fn start_with(
        &mut self,
        shared: &Arc<Shared>,
        (proposal, at): (Arc<Proposal>, At),
        inbox: Inbox,
        run: Option<RunId>,
    ) {
        let inbox = Arc::new(inbox);
        let handle = Handle {
            inbox: Arc::clone(&inbox),
            stands: stands(&proposal),
            run,
        };
        let id = proposal.study.id.clone();
        debug_assert!(
            self.handles
                .get(&id)
                .is_none_or(|handle| handle.inbox.is_closed()),
            "two drivers of one study"
        );
        let driver = Driver::new(Arc::clone(shared), inbox, proposal, at);
        self.handles.insert(id.clone(), handle);
        self.tasks.spawn(async move { (id, driver.drive().await) });
    }

    /// Puts a message into the inbox of its study.
    ///
    /// # Errors
    /// When more wait there than a coordinator has reason to send.
    pub(super) fn deliver(
        &mut self,
        shared: &Arc<Shared>,
        proposal: &Proposal,
        heard: Box<Heard>,
    ) -> Result<(), Broken> {
        let id = &proposal.study.id;
        let run = match heard.message {
            Message::Plan(_) => Some(heard.run),
            _ => None,
        };
        let mut mail = Mail::Message(heard);
        if let Some(handle) = self.handles.get_mut(id) {
            handle.run = run.or(handle.run);
            match handle.put(proposal, mail) {
                Ok(()) => return Ok(()),
                Err(Unposted::Full) => return Err(too_many()),
                // It has let go of the study, which is opened again.
                Err(Unposted::Resting(back)) => mail = *back,
            }
        }
        let driver = (Arc::new(proposal.clone()), At::Closed);
        self.start_with(shared, driver, Inbox::of(mail), run);
        Ok(())
    }

    /// Puts a message of a run into the inbox of the study that has heard
    /// of the run. Where none has, it comes back.
    ///
    /// # Errors
    /// As [`Drivers::deliver`].
    pub(super) fn deliver_by_run(&self, heard: Box<Heard>) -> Result<Option<Box<Heard>>, Broken> {
        let run = Some(heard.run);
        let mut handles = self.handles.values();
        let Some(handle) = handles.find(|handle| handle.run == run) else {
            return Ok(Some(heard));
        };
        let back = match handle.inbox.post(Mail::Message(heard)) {
            Ok(()) => return Ok(None),
            Err(Unposted::Full) => return Err(too_many()),
            Err(Unposted::Resting(back)) => back,
        };
        match *back {
            Mail::Message(heard) => Ok(Some(heard)),
            _ => Err(Refusal::broken("a message came back as something else").into()),
        }
    }

    /// There is a new line.
    pub(super) fn connect(&self, link: &Link) {
        for handle in self.handles.values() {
            handle.inbox.connect(link);
        }
    }

    /// What is open anywhere ends.
    pub(super) fn give_up(&self, why: &Refusal) {
        for handle in self.handles.values() {
            // One that rests has nothing open; what waits in one that
            // is full is of no use.
            let _unposted = handle.inbox.post(Mail::GiveUp(why.clone()));
        }
    }

    /// Returns when a driver could not go on: the node's own folder is
    /// the trouble, or the program.
    pub(super) async fn trouble(&mut self) -> NodeError {
        loop {
            match self.tasks.join_next().await {
                // No driver runs, and none can fail.
                None => std::future::pending().await,
                Some(Ok((id, Ok(())))) => self.rested(&id),
                Some(Ok((_, Err(error)))) => return error,
                Some(Err(error)) => {
                    let what = format!("what answers a study ended early ({error})");
                    return Refusal::broken(what).into();
                }
            }
        }
    }

    /// A driver that rests was perhaps started again meanwhile.
    fn rested(&mut self, id: &str) {
        if self
            .handles
            .get(id)
            .is_some_and(|handle| handle.inbox.is_closed())
        {
            self.handles.remove(id);
        }
    }

    /// Returns when no driver does anything any more: each has heard
    /// what it was hearing to its end.
    pub(super) async fn end(mut self) {
        for handle in self.handles.values() {
            handle.inbox.end();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    #[cfg(test)]
    pub(super) fn running(&self) -> Vec<&str> {
        self.handles.keys().map(String::as_str).collect()
    }
}

impl Handle {
    /// Puts something in for this text and roster, after that they
    /// stand now, where the driver goes by others.
    fn put(&mut self, proposal: &Proposal, mail: Mail) -> Result<(), Unposted> {
        if self.stands != stands(proposal) {
            let changed = Mail::Changed(Arc::new(proposal.clone()));
            match self.inbox.post(changed) {
                Ok(()) => self.stands = stands(proposal),
                Err(Unposted::Full) => return Err(Unposted::Full),
                Err(Unposted::Resting(_)) => {
                    return Err(Unposted::Resting(Box::new(mail)));
                }
            }
        }
        self.inbox.post(mail)
    }
}

fn stands(proposal: &Proposal) -> (Digest, Digest) {
    (proposal.digest, proposal.roster_digest)
}

fn too_many() -> Broken {
    Broken::Line(format!(
        "more than {MOST_WAITING} messages wait in one study"
    ))
}
