//! One study at this site, followed: its chain, its log, its patients,
//! the attempt under way. It executes the acts of the round machine in
//! order, what is sealed and recorded before what is told.

use super::inbox::Inbox;
use super::shared::{Shared, clock_day};
use crate::NodeError;
use crate::downloads::Held;
use crate::follower::{self, Answered, Follower};
use crate::frozen::Tables;
use crate::link::{Broken, Link, remove_masked};
use crate::openings::Beside;
use crate::records::{self, FACTS};
use crate::studies::Proposal;
use crate::switch::Consent;
use crate::uploads::{Upload, Uploads};
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Act, refused};
use motet_common::round::pins::Fact;
use motet_proto::rng::rng;
use motet_secagg::digest::Digest;
use motet_secagg::id::RunId;
use motet_secagg::message::{Header, Message};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A study of which nothing more is asked stays in memory this long:
/// its result may have to be witnessed yet.
pub(super) const UNUSED: Duration = Duration::from_secs(30);

pub(super) struct Study {
    pub(super) shared: Arc<Shared>,
    pub(super) follower: Follower,
    /// What was fetched of the release that is being taken in.
    pub(super) held: Option<Held>,
    pub(super) computing: Option<Computing>,
    /// Acts left before a rehearsed loss, once its phase is reached.
    pub(super) acts_left: Option<u32>,
    uploads: Uploads,
    looks: watch::Receiver<bool>,
}

/// A computation under way, for the attempt with this plan digest.
pub(super) struct Computing {
    pub(super) plan: Digest,
    /// Over which line its result is said.
    pub(super) link: Link,
    pub(super) task: JoinHandle<Result<Answered, Refusal>>,
}

/// A computation's result, for the attempt with this plan digest.
pub(super) struct Computed {
    pub(super) plan: Digest,
    pub(super) result: Result<Answered, Refusal>,
}

impl Study {
    /// Reads what the ledger has of a study.
    ///
    /// # Errors
    /// As [`Follower::open`].
    pub(super) async fn open(
        shared: &Arc<Shared>,
        proposal: &Arc<Proposal>,
    ) -> Result<Self, NodeError> {
        let mut follower = Follower::open(&shared.home, Arc::clone(proposal)).await?;
        let studies = shared.studies.lock().await;
        let limits = studies.limits(&proposal.digest).limits;
        follower.hold_to(limits, studies.frozen(&proposal.digest));
        drop(studies);
        Ok(Self {
            shared: Arc::clone(shared),
            follower,
            held: None,
            computing: None,
            acts_left: None,
            uploads: Uploads::default(),
            looks: shared.looks(),
        })
    }

    /// Hears a message to its end.
    pub(super) async fn hear(
        &mut self,
        link: &Link,
        inbox: &Inbox,
        run: RunId,
        message: &Message,
    ) -> Result<(), Broken> {
        self.follower.used = Instant::now();
        match message {
            Message::Plan(signed) => self.planned(link, inbox, signed).await,
            Message::Released(released) => self.released(link, run, released).await,
            Message::Stands(stands) => self.witness(link, run, stands).await,
            Message::Draft(draft) => self.draft(link, run, draft).await,
            _ => self.step(link, run, message).await,
        }
    }

    /// A message of the attempt under way.
    async fn step(&mut self, link: &Link, run: RunId, message: &Message) -> Result<(), Broken> {
        let attempt = self.follower.attempt.as_ref();
        if attempt.is_none_or(|attempt| attempt.run != run) {
            // Of an attempt that is over here, or that this site is not
            // in.
            return Ok(());
        }
        self.drill(message);
        // What is given up is forgotten, also where nothing may be
        // answered any more.
        if !matches!(message, Message::Abandoned(_))
            && let Err(refusal) = self.may_go_on().await?
        {
            self.give_up(&refusal).await?;
            return self.shared.tell_given_up(link).await;
        }
        let handled = match message {
            Message::Proposal(set) => {
                let synced = self.sync_log(link, &set.commit.checkpoint).await;
                if let Err(broken) = synced {
                    let refusal = broken.refusal()?;
                    return self.refuse_attempt(link, &refusal).await;
                }
                match self.reading().await {
                    Ok(reading) => self.sign(message, set, reading).await?,
                    // Its table cannot be opened any more: what is wrong
                    // with it is nobody else's business.
                    Err(refusal) => {
                        let what = "a set is not signed";
                        return Ok(self.shared.say_refused(what, &refusal).await?);
                    }
                }
            }
            _ => self.handle(message, &Beside::default()),
        };
        match handled {
            Ok(acts) => self.act(link, acts).await,
            // Repeats and late messages are the network's; anything
            // else the steward should know.
            Err(refusal) if refusal.code == Code::WrongPhase => Ok(()),
            Err(refusal) => {
                let what = format!("a `{}` message was refused", message.kind());
                self.shared.say_refused(&what, &refusal).await?;
                self.refuse_attempt(link, &refusal).await
            }
        }
    }

    /// What follows from a message for the attempt under way. Where
    /// that is over, given up while something was waited for, say, it
    /// is a late message.
    pub(super) fn handle(
        &mut self,
        message: &Message,
        beside: &Beside,
    ) -> Result<Vec<Act>, Refusal> {
        let Follower {
            proposal,
            attempt,
            chain,
            log,
            ..
        } = &mut self.follower;
        let attempt = attempt.as_mut().ok_or(Code::WrongPhase)?;
        let mut me = follower::me(&self.shared.home, proposal, chain, log);
        me.sets.beside = &beside.openings;
        me.sets.least = beside.least;
        me.sets.may_leave = chain.may_leave(proposal.study.rounds.on_site_loss, beside.may_leave);
        attempt.member.handle(message, &me, &mut rng())
    }

    async fn refuse_attempt(&mut self, link: &Link, refusal: &Refusal) -> Result<(), Broken> {
        let Some(attempt) = &self.follower.attempt else {
            // Given up meanwhile, and said so.
            return Ok(());
        };
        let run = attempt.run;
        let plan = attempt.member.terms().plan_root();
        self.tell(link, run, &refused(plan, refusal)).await
    }

    pub(super) async fn act(&mut self, link: &Link, acts: Vec<Act>) -> Result<(), Broken> {
        let shared = Arc::clone(&self.shared);
        for act in acts {
            self.drill_act();
            let Some(attempt) = &self.follower.attempt else {
                // An act before this one found that the steward stopped
                // it: the attempt is given up, with what was still to
                // be done for it.
                return Ok(());
            };
            let run = attempt.run;
            let plan = attempt.member.terms().plan_root();
            match act {
                Act::Seal(kept) => shared.vault.seal(&plan, kept)?,
                Act::Store(masked) => link.store(&shared.home, &plan, &masked).await?,
                Act::Record(fact) => {
                    let lock = match fact {
                        Fact::Masked(_) => Some(Tables::of(&shared.home).locked().await?),
                        _ => None,
                    };
                    // A decision over other rows is on record before the
                    // lock is free, or waits for this fact.
                    if lock.is_some()
                        && let Err(why) = self.may_be_masked(&plan).await?
                    {
                        self.give_up(&why).await?;
                        return self.shared.tell_given_up(link).await;
                    }
                    records::append(&shared.home.ledger, FACTS, &fact).await?;
                    shared.pins().apply(&fact);
                }
                Act::Tell(message) => {
                    let said = attempt.member.terms().plan();
                    debug_assert!(
                        !shared.pins().is_past(&said.ask, said.attempt),
                        "an attempt speaks after a later one was joined"
                    );
                    self.tell(link, run, &message).await?
                }
                Act::Upload(header) => {
                    let context = (self.follower.proposal.study.id.clone(), attempt.round);
                    self.upload(link, (plan, run), header, context).await;
                }
                Act::Discard => {
                    self.uploads.end(&plan);
                    remove_masked(&shared.home, &plan).await?;
                }
                Act::Absorb(released) => self.absorb(link, run, &released).await?,
                Act::Forget => self.forget().await?,
            }
        }
        Ok(())
    }

    async fn upload(
        &mut self,
        link: &Link,
        (plan, run): (Digest, RunId),
        header: Header,
        context: (String, u64),
    ) {
        let home = &self.shared.home;
        let proposal = &self.follower.proposal;
        let consent = Consent {
            ledger: home.ledger.clone(),
            studies: self.shared.studies.lock().await.clone(),
            paths: home.paths.clone(),
            study: proposal.digest,
            roster: proposal.roster_digest,
            frozen: self.follower.frozen,
            today: clock_day(),
        };
        self.uploads.begin(Upload {
            client: link.client(),
            consent,
            masked: home.paths.masked(),
            plan,
            run,
            header,
            context,
        });
    }

    /// What is owed is said over a new line, and what is computed is
    /// said over it when it is there. The uploads of the last line
    /// stop, if they have not: what asks for them again begins them.
    pub(super) async fn speak_again(&mut self, link: &Link) -> Result<(), Broken> {
        self.uploads.end_all();
        let Some(attempt) = &self.follower.attempt else {
            return Ok(());
        };
        let plan = attempt.member.terms().plan_root();
        if !attempt.member.needs_answer() {
            let acts = attempt.member.say_again();
            return self.act(link, acts).await;
        }
        if let Err(why) = self.may_go_on().await? {
            self.give_up(&why).await?;
            return self.shared.tell_given_up(link).await;
        }
        match &mut self.computing {
            Some(computing) if computing.plan == plan => computing.link = link.clone(),
            _ => self.compute(link)?,
        }
        Ok(())
    }

    /// Whether the study stays in memory.
    pub(super) async fn is_needed(&self) -> bool {
        let follower = &self.follower;
        if follower.used.elapsed() < UNUSED {
            return true;
        }
        let goes_on = follower.attempt.is_some()
            || !follower.is_over
            // What only memory has of the finished model belongs into the site's own report.
            || follower.own.is_some();
        if !goes_on {
            return false;
        }
        let today = clock_day();
        let proposal = &follower.proposal;
        let objection = self.shared.objection(proposal, today).await;
        // A stopped site goes on with it one day, and nothing of it leaves before.
        objection.is_none_or(|why| why.code == Code::SiteStopped)
    }

    /// Waits for what comes over the line, while it is there and the
    /// steward lets the study go on.
    pub(super) async fn meanwhile<T>(
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
                    let proposal = &self.follower.proposal;
                    if let Some(why) = self.shared.objection_to_the_end(proposal).await {
                        return Err(why.into());
                    }
                }
            }
        }
    }

    /// Wipes what the open attempt left behind, if there is one.
    pub(super) async fn forget(&mut self) -> Result<(), NodeError> {
        self.computing = None;
        let Some(attempt) = self.follower.attempt.take() else {
            // There is nothing to forget.
            return Ok(());
        };
        let plan = attempt.member.terms().plan_root();
        drop(attempt);
        self.uploads.end(&plan);
        self.shared.wipe(&plan).await
    }
}
