//! The node's session: it dials out, holds one stream, and gives every
//! message to the driver of its study. Here, and only here at the node,
//! clock and randomness are read for the protocol.
//!
//! ```text
//! reconnect  from one connection to the next
//! recovery   a folder that is in trouble
//! proposals  studies as they arrive and go
//! shared     what the line and the studies share
//! drivers    all of them
//! inbox      what waits for one
//! driver     one study's task: hears and waits
//! restore    its open attempt out of the vault
//! lack       ... for which a sum is lacking
//! study      a study that is followed
//! plans      from a plan to an advert
//! opening    sets of other studies
//! releases   from a release to the next state
//! log        the study's log, and its witness
//! remade     a folder, made again
//! halt       what may be told, and a stop
//! given_up   attempts that end here
//! notices    what the catalogue is told
//! fault      rehearsed losses
//! ```

mod driver;
mod drivers;
mod fault;
mod given_up;
mod halt;
mod inbox;
mod lack;
mod log;
mod notices;
mod opening;
mod plans;
mod proposals;
pub(crate) mod reconnect;
mod recovery;
mod releases;
mod remade;
mod restore;
mod shared;
mod study;

use crate::drill::Drill;
use crate::frozen::Tables;
use crate::link::{Broken, Line, Link, agreed};
use crate::studies::{AtSite, Proposal, Standing, Studies};
use crate::{Home, NodeError, switch};
use driver::At;
use drivers::Drivers;
use inbox::Heard;
use motet_common::decision::SignedDecision;
use motet_common::log::Log;
use motet_common::refusal::Code;
use motet_proto::v1::Envelope;
use motet_proto::v1::attend_response::Frame;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_secagg::message::Message;
use notices::Telling;
use restore::{Restored, restore};
use shared::{Shared, clock_day};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How often the node looks at what the command line has written
/// meanwhile.
const LOOK: Duration = Duration::from_millis(200);

struct Session {
    shared: Arc<Shared>,
    drivers: Drivers,
    /// Whether the switch was off at the last look.
    was_stopped: bool,
    /// What the coordinator was told of that on this connection.
    told_stopped: bool,
    /// Decisions that the coordinator has, or that the present
    /// connection has carried.
    told: Vec<SignedDecision>,
    /// What the catalogue is told.
    notices: Telling,
    /// Whether the coordinator welcomed the latest connection.
    was_welcome: bool,
}

impl Session {
    /// The folder's session, with the attempts that were under way when
    /// the process ended.
    async fn open(home: Home, drill: Option<Drill>) -> Result<Self, NodeError> {
        let shared = Shared::open(home, drill).await?;
        let mut open: BTreeMap<String, (Arc<Proposal>, At)> = BTreeMap::new();
        for name in shared.vault.names()? {
            let (proposal, at) = match restore(&shared, &name).await? {
                Restored::Open(study) => {
                    let proposal = Arc::clone(&study.follower.proposal);
                    (proposal, At::Open(study))
                }
                Restored::Lacking(lacking) => {
                    let proposal = Arc::clone(&lacking.proposal);
                    (proposal, At::Lacking(lacking))
                }
                Restored::Lost => continue,
            };
            // A study has one attempt under way, whatever its folder
            // holds.
            let id = proposal.study.id.clone();
            if let Some((_, mut before)) = open.insert(id, (proposal, at)) {
                before.give_up(&shared, &Code::RoundReplay.into()).await?;
            }
        }
        let notices = Telling::of(&shared.home);
        let mut drivers = Drivers::default();
        for (proposal, at) in open.into_values() {
            drivers.start(&shared, proposal, at);
        }
        Ok(Self {
            shared,
            drivers,
            was_stopped: false,
            told_stopped: false,
            told: Vec::new(),
            notices,
            was_welcome: false,
        })
    }

    /// Returns when nothing of it does anything any more.
    async fn end(self) {
        self.drivers.end().await;
    }

    /// Connects and serves the stream until it ends.
    async fn attend(&mut self, replaced: u32) -> Result<(), Broken> {
        let stopped = switch::is_stopped(&self.shared.home.ledger).await?;
        self.told_stopped = stopped;
        let address = self.shared.studies.lock().await.address().to_owned();
        let dialling = Link::dial(&self.shared.home, address, replaced, stopped);
        let (mut link, mut line) = self.meanwhile(dialling).await??;
        let Some(welcome) = self.meanwhile(line.next()).await?? else {
            return Ok(());
        };
        let Some(Frame::Welcome(welcome)) = welcome.frame else {
            return Err(Broken::Line(
                "the coordinator did not say welcome; its version may differ".into(),
            ));
        };
        let agreed = match agreed(&welcome) {
            Ok(agreed) => agreed,
            Err(refusal) => {
                return Err(Broken::Line(refusal.to_string()));
            }
        };
        link.speaks(agreed);
        let text = format!(
            "connected to the coordinator of {} (protocol {agreed})",
            welcome.consortium
        );
        self.shared.say("connected", &text).await?;
        self.was_welcome = true;
        self.shared.downloads.trim();
        // The proposals that come first say which decisions the
        // coordinator knows; the others are told then.
        self.told = self.decisions().await;
        if agreed.has_catalogue() {
            self.notices.begin(&self.shared, &welcome.notices).await?;
        }
        self.take_in_decisions().await?;
        self.shared.tell_given_up(&link).await?;
        self.drivers.connect(&link);
        self.serve(&link, &mut line).await
    }

    async fn decisions(&self) -> Vec<SignedDecision> {
        let studies = self.shared.studies.lock().await;
        let decided = studies.all().filter_map(|study| match &study.standing {
            Standing::Decided(signed) => Some((**signed).clone()),
            _ => None,
        });
        decided.collect()
    }

    async fn serve(&mut self, link: &Link, line: &mut Line) -> Result<(), Broken> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                frame = line.next() => match frame? {
                    Some(frame) => if let Some(frame) = frame.frame {
                        self.hear(link, frame).await?;
                    },
                    None => return Ok(()),
                },
                trouble = self.drivers.trouble() => return Err(trouble.into()),
                _ = look.tick() => if self.look(link).await? {
                    return Ok(());
                },
            }
        }
    }

    /// Takes in what the command line decided since the last look. True
    /// when the steward has released the node: what it did not hear
    /// while it was stopped, the coordinator says again to whoever comes
    /// again.
    async fn look(&mut self, link: &Link) -> Result<bool, Broken> {
        let resumed = self.take_in_decisions().await?;
        if self.was_stopped != self.told_stopped {
            link.turned(self.was_stopped).await?;
            self.told_stopped = self.was_stopped;
        }
        self.shared.tell_given_up(link).await?;
        self.tell_decisions(link).await?;
        self.notices
            .tell(&self.shared, link, self.was_stopped)
            .await?;
        Ok(resumed)
    }

    /// As [`Session::look`], where there is no line. The drivers give
    /// up what does not go on.
    async fn take_in_decisions(&mut self) -> Result<bool, NodeError> {
        let is_stopped = self.shared.look().await?;
        let was_stopped = self.was_stopped;
        self.was_stopped = is_stopped;
        Ok(was_stopped && !is_stopped)
    }

    /// Sends every decision that this connection has not carried yet.
    async fn tell_decisions(&mut self, link: &Link) -> Result<(), Broken> {
        let mut new = self.decisions().await;
        new.retain(|decision| !self.told.contains(decision));
        for decision in new {
            let text = format!(
                "study {} is {}",
                decision.decision.study,
                decision.decision.verdict.as_str()
            );
            self.shared.say("decision", &text).await?;
            link.decide(&decision).await?;
            self.told.push(decision);
        }
        Ok(())
    }

    async fn hear(&mut self, link: &Link, frame: Frame) -> Result<(), Broken> {
        match frame {
            Frame::Welcome(_) => Ok(()),
            Frame::Proposal(proposal) => self.heard_of(link, proposal).await,
            Frame::Withdrawn(digest) => Ok(self.withdrawn(&digest).await?),
            Frame::Message(Envelope { run, body }) => {
                let run = <[u8; 16]>::try_from(run.as_slice()).map(RunId);
                let (Ok(run), Ok(message)) = (run, Message::from_bytes(&body)) else {
                    let text =
                        "a message of the coordinator could not be read; its version may differ";
                    return Ok(self.shared.say("malformed", text).await?);
                };
                let room = self.shared.room(body.len())?;
                let link = link.clone();
                let heard = Heard {
                    link,
                    run,
                    message,
                    room,
                };
                self.message(Box::new(heard)).await
            }
        }
    }

    /// Gives a message to the driver of its study.
    async fn message(&mut self, heard: Box<Heard>) -> Result<(), Broken> {
        // What is given up is forgotten, also where nothing may be
        // answered any more; else a stopped node hears nothing.
        let is_end = matches!(heard.message, Message::Abandoned(_));
        if !is_end && switch::is_stopped(&self.shared.home.ledger).await? {
            return self.not_heard(&heard.link, &heard.message).await;
        }
        let heard = match &heard.message {
            Message::Plan(_) | Message::Stands(_) | Message::Draft(_) => heard,
            // Only a study that has heard a plan waits for something of
            // its run.
            _ => match self.drivers.deliver_by_run(heard)? {
                Some(heard) => heard,
                None => return Ok(()),
            },
        };
        let studies = self.shared.studies.lock().await;
        let today = clock_day();
        let known = match &heard.message {
            Message::Plan(signed) => {
                let plan = &signed.plan;
                match studies.may_run(&plan.study_digest, &plan.roster, today) {
                    Ok(known) => Some(known),
                    Err(refusal) => {
                        drop(studies);
                        return self.shared.refuse_plan(&heard.link, signed, &refusal).await;
                    }
                }
            }
            // Which study it is of, its log's name tells.
            Message::Released(released) => studies.all().find(|at| {
                let proposal = &at.proposal;
                let may = studies.may_run(&proposal.digest, &proposal.roster_digest, today);
                let log = Log::of_study(&proposal.study, &proposal.roster);
                may.is_ok() && log.origin() == released.release.point.origin
            }),
            Message::Stands(stands) => to_the_end(&studies, &stands.study),
            Message::Draft(draft) => to_the_end(&studies, &draft.stands.study),
            // Of an attempt that is over here, or that this site is not
            // in.
            _ => None,
        };
        match known {
            Some(known) => {
                let proposal = &known.proposal;
                self.drivers.deliver(&self.shared, proposal, heard)
            }
            // This site does not follow that study, or may not any
            // more.
            None => Ok(()),
        }
    }

    /// What a stopped node does with a message.
    async fn not_heard(&mut self, link: &Link, message: &Message) -> Result<(), Broken> {
        if let Message::Plan(signed) = message {
            let stopped = Code::SiteStopped.into();
            return self.shared.refuse_plan(link, signed, &stopped).await;
        }
        self.take_in_decisions().await?;
        self.shared.tell_given_up(link).await
    }

    /// Waits for something that needs no session, and holds meanwhile
    /// to what the steward decides.
    async fn meanwhile<T>(&mut self, what: impl Future<Output = T>) -> Result<T, NodeError> {
        let mut what = pin!(what);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                done = &mut what => return Ok(done),
                _ = look.tick() => drop(self.take_in_decisions().await?),
                trouble = self.drivers.trouble() => return Err(trouble),
            }
        }
    }

    /// The coordinator says that this site was removed: nothing that is
    /// open here will be asked for any more, and there is nobody to
    /// tell. Nor does a frozen table stay.
    async fn removed(&self) -> Result<(), NodeError> {
        self.drivers.give_up(&Code::SiteRevoked.into());
        self.shared.tell_nobody();
        let home = &self.shared.home;
        let why = "the coordinator says that the site was removed";
        Tables::of(home).delete_all(&home.ledger, why).await
    }
}

/// The study, where it may be spoken of to its end. One that ended
/// meanwhile is answered no more; how it ended may be witnessed, which
/// reads no patient.
fn to_the_end<'a>(studies: &'a Studies, study: &Digest) -> Option<&'a AtSite> {
    let known = studies.all().find(|at| at.proposal.digest == *study)?;
    let proposal = &known.proposal;
    let today = clock_day().min(proposal.study.ends);
    let may = studies.may_run(study, &proposal.roster_digest, today);
    may.ok()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod waiting_tests;
