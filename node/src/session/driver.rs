//! One study's driver at a node: a task of its own, which hears the
//! study's messages in their order and waits for what the study needs,
//! a download or a computation, while others go on.

use super::inbox::{Heard, Inbox, Mail};
use super::lack::Lacking;
use super::restore::{Restored, restore};
use super::shared::Shared;
use super::study::{Study, UNUSED};
use crate::NodeError;
use crate::downloads::Fetched;
use crate::link::{Broken, Link};
use crate::studies::Proposal;
use motet_common::refusal::{Code, Refusal};
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;

/// Where a study stands at this site.
#[expect(clippy::large_enum_variant, reason = "one a driver, in its place")]
pub(super) enum At {
    /// Nothing of it is in memory.
    Closed,
    /// Its open attempt waits in the vault for a sum that is fetched
    /// again.
    Lacking(Lacking),
    /// It is followed.
    Open(Study),
}

impl At {
    /// Ends its open attempt.
    pub(super) async fn give_up(
        &mut self,
        shared: &Shared,
        why: &Refusal,
    ) -> Result<(), NodeError> {
        match self {
            Self::Closed => Ok(()),
            Self::Open(study) => study.give_up(why).await,
            Self::Lacking(lacking) => {
                lacking.give_up(shared, why).await?;
                *self = Self::Closed;
                Ok(())
            }
        }
    }

    /// The run of its open attempt.
    pub(super) fn run(&self) -> Option<RunId> {
        match self {
            Self::Closed => None,
            Self::Lacking(lacking) => Some(lacking.plan.run),
            Self::Open(study) => study.follower.attempt.as_ref().map(|attempt| attempt.run),
        }
    }
}

pub(super) struct Driver {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    looks: watch::Receiver<bool>,
    proposal: Arc<Proposal>,
    pub(super) at: At,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: Arc<Inbox>,
        proposal: Arc<Proposal>,
        at: At,
    ) -> Self {
        let looks = shared.looks();
        Self {
            shared,
            inbox,
            looks,
            proposal,
            at,
        }
    }

    /// Hears one thing after the other, until nothing more is asked of
    /// the study or the session ends.
    ///
    /// # Errors
    /// The trouble of the node's own folder: nothing more is said
    /// before it is mended.
    pub(super) async fn drive(mut self) -> Result<(), NodeError> {
        let mut unused = tokio::time::interval(UNUSED);
        loop {
            tokio::select! {
                mail = self.inbox.next() => match mail {
                    Some(mail) => self.hear(mail).await?,
                    None => return Ok(()),
                },
                (link, computed) = computed(&mut self.at) => {
                    if let At::Open(study) = &mut self.at {
                        let heard = study.computed(&link, computed).await;
                        end_line(&link, heard)?;
                    }
                }
                looked = self.looks.changed() => match looked {
                    Ok(()) => self.hold().await?,
                    // Nobody looks any more.
                    Err(_) => return Ok(()),
                },
                _ = unused.tick() => if self.rests().await? {
                    return Ok(());
                },
            }
        }
    }

    async fn hear(&mut self, mail: Mail) -> Result<(), NodeError> {
        match mail {
            Mail::Changed(proposal) => {
                let what = "another text or roster stands under its name";
                let why = Refusal::new(Code::StudyNotApproved, what);
                self.at.give_up(&self.shared, &why).await?;
                self.at = At::Closed;
                self.proposal = proposal;
                Ok(())
            }
            Mail::GiveUp(why) => self.at.give_up(&self.shared, &why).await,
            Mail::Connected(link) => {
                let said = self.connected(&link).await;
                end_line(&link, said)
            }
            // The coordinator says it again over the next line, but for what is over.
            Mail::Message(heard)
                if heard.link.is_over() && !matches!(heard.message, Message::Abandoned(_)) =>
            {
                Ok(())
            }
            Mail::Message(heard) => {
                let Heard {
                    link,
                    run,
                    message,
                    room,
                } = *heard;
                let heard = self.heard(&link, run, &message).await;
                drop((message, room));
                end_line(&link, heard)
            }
        }
    }

    /// What is owed is said over a new line, once what is lacking for
    /// that is here.
    async fn connected(&mut self, link: &Link) -> Result<(), Broken> {
        while let At::Lacking(_) = self.at {
            if let Err(broken) = self.come_closer(link).await {
                // It stays sealed: the next connection tries again.
                let what = "an open attempt waits";
                return self.shared.say_broken(what, broken).await;
            }
        }
        match &mut self.at {
            At::Open(study) => study.speak_again(link).await,
            At::Closed | At::Lacking(_) => Ok(()),
        }
    }

    async fn heard(&mut self, link: &Link, run: RunId, message: &Message) -> Result<(), Broken> {
        let inbox = Arc::clone(&self.inbox);
        // What the steward stopped meanwhile is not followed; a plan is answered with that.
        let is_answered = matches!(message, Message::Plan(_) | Message::Abandoned(_));
        if !is_answered
            && let Some(_stopped) = self.shared.objection_to_the_end(&self.proposal).await
        {
            return Ok(());
        }
        let opened = match (message, &mut self.at) {
            // It is over before it was heard.
            (Message::Plan(signed), _) if inbox.is_past(&signed.plan.root()) => return Ok(()),
            (_, At::Open(study)) => Ok(study),
            (
                Message::Plan(_) | Message::Released(_) | Message::Stands(_) | Message::Draft(_),
                At::Closed | At::Lacking(_),
            ) => self.open(link).await,
            // Of an attempt that is over here, or was not taken up.
            (_, At::Closed | At::Lacking(_)) => return Ok(()),
        };
        match opened {
            Ok(study) => study.hear(link, &inbox, run, message).await,
            Err(broken) => self.not_opened(link, message, broken).await,
        }
    }

    /// That the study cannot be followed is its own affair: it is said,
    /// and the connection goes on.
    async fn not_opened(
        &self,
        link: &Link,
        message: &Message,
        broken: Broken,
    ) -> Result<(), Broken> {
        let what = match message {
            Message::Plan(signed) => {
                let refusal = broken.refusal()?;
                return self.shared.refuse_plan(link, signed, &refusal).await;
            }
            Message::Stands(_) => "a checkpoint is not witnessed",
            Message::Draft(_) => "a release is not made again",
            _ => "a release is not followed",
        };
        self.shared.say_broken(what, broken).await
    }

    /// The study, opened. Where a sum is lacking it is fetched first.
    ///
    /// # Errors
    /// A refusal where the coordinator does not hand it out either.
    async fn open(&mut self, link: &Link) -> Result<&mut Study, Broken> {
        while !matches!(self.at, At::Open(_)) {
            self.come_closer(link).await?;
        }
        match &mut self.at {
            At::Open(study) => Ok(study),
            At::Closed | At::Lacking(_) => {
                Err(Refusal::broken("a study was opened and is not").into())
            }
        }
    }

    /// One step towards a study that is open: read, or a sum fetched
    /// that is lacking for that.
    async fn come_closer(&mut self, link: &Link) -> Result<(), Broken> {
        let lacking = match &self.at {
            At::Open(_) => return Ok(()),
            At::Closed => match Study::open(&self.shared, &self.proposal).await {
                Ok(study) => {
                    self.at = At::Open(study);
                    return Ok(());
                }
                Err(error) => {
                    let Some(lacking) = error.lacks() else {
                        return Err(error.into());
                    };
                    let id = &self.proposal.study.id;
                    let text = format!("study {id}: {error}; it is fetched again");
                    self.shared.say("blob-damaged", &text).await?;
                    lacking
                }
            },
            At::Lacking(lacking) => {
                let name = lacking.name;
                match restore(&self.shared, &name).await? {
                    Restored::Lacking(lacking) => lacking.blob,
                    Restored::Open(study) => {
                        self.at = At::Open(study);
                        return Ok(());
                    }
                    Restored::Lost => {
                        self.at = At::Closed;
                        return Ok(());
                    }
                }
            }
        };
        let shared = Arc::clone(&self.shared);
        let fetching = link.fetch(lacking, &shared.downloads);
        let fetched = self.meanwhile(link, fetching).await?;
        self.put_back(lacking, fetched).await
    }

    /// Puts a blob that has come among this site's own.
    async fn put_back(&self, lacking: Digest, fetched: Fetched) -> Result<(), Broken> {
        self.shared.downloads.forget(&[lacking]);
        let why = match fetched {
            Fetched::Whole(bytes) if Digest::of_file(&bytes) == lacking => {
                self.shared.home.ledger.put_blob(&bytes).await?;
                let id = &self.proposal.study.id;
                let text = format!("study {id}: blob `{lacking}` is here again");
                return Ok(self.shared.say("blob-mended", &text).await?);
            }
            Fetched::Whole(_) => "what the coordinator handed out is another sum".to_owned(),
            Fetched::Gone(why) => why,
        };
        let detail = format!(
            "blob `{lacking}` is damaged or missing here, \
                    and the coordinator does not hand it out: {why}"
        );
        Err(Refusal::new(Code::Storage, detail).into())
    }

    /// Waits for what comes over the line, while it is there and the
    /// steward lets the study go on.
    async fn meanwhile<T>(
        &mut self,
        link: &Link,
        what: impl Future<Output = Result<T, Broken>>,
    ) -> Result<T, Broken> {
        let mut what = pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return done,
                over = link.over() => return Err(over),
                _ = self.looks.changed() => {
                    self.hold().await?;
                    if let Some(why) = self.shared.objection_to_the_end(&self.proposal).await {
                        return Err(why.into());
                    }
                }
            }
        }
    }

    /// Gives up what the steward does not let go on.
    async fn hold(&mut self) -> Result<(), NodeError> {
        match &mut self.at {
            At::Closed => Ok(()),
            At::Open(study) => study.hold().await,
            At::Lacking(lacking) => {
                if let Some(why) = lacking.objection(&self.shared).await {
                    self.at.give_up(&self.shared, &why).await?;
                }
                Ok(())
            }
        }
    }

    /// Drops a study of which nothing more is asked, with patients, states and log: should it be,
    /// they are read again. Whether it is let go.
    pub(super) async fn rests(&mut self) -> Result<bool, NodeError> {
        match &mut self.at {
            At::Closed => {}
            At::Lacking(lacking) => {
                // Where it still lacks a sum it waits on, unless it is
                // overdue.
                let name = lacking.name;
                self.at = match restore(&self.shared, &name).await? {
                    Restored::Open(study) => At::Open(study),
                    Restored::Lost => At::Closed,
                    Restored::Lacking(lacking) => At::Lacking(lacking),
                };
                return Ok(false);
            }
            At::Open(study) => {
                study.hold().await?;
                if study.is_needed().await || !self.inbox.is_empty() {
                    return Ok(false);
                }
                study.forget().await?;
            }
        }
        Ok(self.inbox.rest())
    }
}

/// What was computed for a study, and the line that it was computed
/// for.
async fn computed(at: &mut At) -> (Link, super::study::Computed) {
    match at {
        At::Open(study) => study.next_computed().await,
        At::Closed | At::Lacking(_) => std::future::pending().await,
    }
}

/// What became of the line ends the connection, for all studies; the
/// node's own trouble ends more.
fn end_line(link: &Link, heard: Result<(), Broken>) -> Result<(), NodeError> {
    match heard {
        Ok(()) => Ok(()),
        Err(Broken::Own(error)) => Err(error),
        Err(broken) => {
            link.hang_up(broken);
            Ok(())
        }
    }
}
