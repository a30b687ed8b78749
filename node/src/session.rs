//! The node's session: it dials out, holds one stream, and executes the acts of the round machine
//! in order, what is sealed and recorded before what is told. Here, and only here at the node,
//! clock and randomness are read for the protocol.

mod coming;
mod fault;
mod halt;
mod lack;
mod log;
mod opening;
mod plans;
mod proposals;
mod reconnect;
mod releases;
mod remade;
mod restore;

pub use reconnect::run;

use coming::Coming;
use halt::GivenUp;

use crate::downloads::Downloads;
use crate::drill::Drill;
use crate::follower::{self, Answered, Follower};
use crate::link::{Broken, Line, Link, agreed};
use crate::openings::Openings;
use crate::records::{self, FACTS};
use crate::studies::{Proposal, Standing, Studies};
use crate::switch::Consent;
use crate::uploads::{Upload, Uploads};
use crate::vault::Vault;
use crate::{Home, NodeError, clock, output, switch};
use motet_common::decision::SignedDecision;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Act, refused};
use motet_common::round::pins::{Fact, Pins};
use motet_common::study::Date;
use motet_proto::dice::dice;
use motet_proto::v1::Envelope;
use motet_proto::v1::attend_response::Frame;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Plan};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often the node looks at what the command line has written meanwhile.
const LOOK: Duration = Duration::from_millis(200);
/// A study of which nothing more is asked stays in memory this long: its result may have to be
/// witnessed yet.
const UNUSED: Duration = Duration::from_secs(30);
/// Results of computations that may wait for the session.
const RESULTS: usize = 16;

/// A computation's result, for the attempt with this plan digest.
struct Computed {
    study: Digest,
    plan: Digest,
    result: Result<Answered, Refusal>,
}

/// Why a frame could not be heard to its end.
enum Away {
    /// The node's own folder is the trouble: nothing more is said before it is mended.
    Node(NodeError),
    /// The coordinator, or the way there.
    Coordinator(String),
    /// Another process with this site's certificate has the line now.
    Replaced,
    /// This site was removed, in the coordinator's words.
    Removed(String),
    /// What a message of this study needs is on its way; the message is heard again when it has
    /// come.
    Later(Digest),
}

impl<E: Into<NodeError>> From<E> for Away {
    fn from(error: E) -> Self {
        Self::Node(error.into())
    }
}

impl From<Broken> for Away {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Own(error) => Self::Node(error),
            Broken::Line(why) => Self::Coordinator(why),
            Broken::Replaced => Self::Replaced,
            Broken::Removed(why) => Self::Removed(why),
        }
    }
}

struct Session {
    home: Home,
    vault: Vault,
    drill: Option<Drill>,
    /// Acts left before a rehearsed loss, once its phase is reached.
    acts_left: Option<u32>,
    studies: Studies,
    pins: Pins,
    openings: Openings,
    followers: BTreeMap<Digest, Follower>,
    downloads: Downloads,
    coming: Coming,
    uploads: Uploads,
    results: mpsc::Sender<Computed>,
    computed: mpsc::Receiver<Computed>,
    /// Attempts that were given up here and of which the coordinator has not heard that.
    given_up: Vec<GivenUp>,
    /// Whether the switch was off at the last look.
    was_stopped: bool,
    /// What the coordinator was told of that on this connection.
    told_stopped: bool,
    /// Open attempts, by their names in the vault, that wait for a sum which is fetched again.
    lacking: BTreeMap<Digest, Plan>,
    /// Decisions that the coordinator has, or that the present connection has carried.
    told: Vec<SignedDecision>,
    /// Whether the coordinator welcomed the latest connection.
    was_welcome: bool,
    /// The last line said, so that a long outage is one line and not a thousand.
    last_said: String,
}

impl Session {
    async fn open(home: Home, drill: Option<Drill>) -> Result<Self, NodeError> {
        let vault = Vault::open(&home.paths.vault(), &home.state_key)?;
        let mut pins = Pins::default();
        for fact in records::read::<Fact>(&home.ledger, FACTS).await? {
            pins.apply(&fact);
        }
        let studies = Studies::read(&home).await?;
        let openings = Openings::read(&home).await?;
        let (results, computed) = mpsc::channel(RESULTS);
        let mut session = Self {
            vault,
            drill,
            acts_left: None,
            studies,
            pins,
            openings,
            followers: BTreeMap::new(),
            downloads: Downloads::default(),
            coming: Coming::default(),
            uploads: Uploads::default(),
            results,
            computed,
            given_up: Vec::new(),
            was_stopped: false,
            told_stopped: false,
            lacking: BTreeMap::new(),
            told: Vec::new(),
            was_welcome: false,
            last_said: String::new(),
            home,
        };
        session.restore().await?;
        Ok(session)
    }

    async fn follower(
        &mut self,
        study: &Digest,
        proposal: Proposal,
    ) -> Result<&mut Follower, NodeError> {
        if !self.followers.contains_key(study) {
            let follower = Follower::open(&self.home, proposal).await?;
            self.followers.insert(*study, follower);
        }
        let follower = followed(&mut self.followers, study)?;
        follower.used = Instant::now();
        let limits = self.studies.limits(study).limits;
        follower.hold_to(limits);
        Ok(follower)
    }

    /// Lets go of studies of which nothing more is asked, with patients, states and log: should it
    /// be, they are read again.
    async fn let_go(&mut self) -> Result<(), NodeError> {
        self.give_up_overdue().await?;
        let today = clock_day();
        let is_needed = |follower: &Follower| {
            let Proposal {
                digest,
                roster_digest,
                ..
            } = &follower.proposal;
            // What only memory has of the finished model belongs into the site's own report.
            let goes_on = follower.attempt.is_some() || !follower.is_over || follower.own.is_some();
            follower.used.elapsed() < UNUSED
                || goes_on && self.studies.may_run(digest, roster_digest, today).is_ok()
        };
        let unneeded = self
            .followers
            .iter()
            .filter(|(_, follower)| !is_needed(follower));
        let unneeded: Vec<Digest> = unneeded.map(|(study, _)| *study).collect();
        for study in unneeded {
            self.forget(&study).await?;
            self.followers.remove(&study);
        }
        Ok(())
    }

    /// One line for the steward, on record and on the terminal; never the same line twice in a row.
    async fn say(&mut self, code: &str, text: &str) -> Result<(), NodeError> {
        if self.last_said == text {
            return Ok(());
        }
        text.clone_into(&mut self.last_said);
        let now = clock::now();
        output::line(format!("{} {code}: {text}", clock::text(now.ms)));
        records::event(&self.home.ledger, now.ms, code, text).await
    }

    /// Connects and serves the stream until it ends.
    async fn attend(&mut self, replaced: u32) -> Result<(), Away> {
        let stopped = switch::is_stopped(&self.home.ledger).await?;
        self.told_stopped = stopped;
        let dialling = Link::dial(&self.home, replaced, stopped);
        let (mut link, mut line) = self.meanwhile(dialling).await??;
        let Some(welcome) = self.meanwhile(line.next()).await?? else {
            return Ok(());
        };
        let Some(Frame::Welcome(welcome)) = welcome.frame else {
            return Err(Away::Coordinator(
                "the coordinator did not say welcome; its version may differ".into(),
            ));
        };
        let agreed = agreed(&welcome).map_err(|refusal| Away::Coordinator(refusal.to_string()))?;
        link.speaks(agreed);
        let text = format!(
            "connected to the coordinator of {} (protocol {agreed})",
            welcome.consortium
        );
        self.say("connected", &text).await?;
        self.was_welcome = true;
        // What the last connection was fetching stops here, and what it was sending; the
        // coordinator says again what it was for.
        self.coming = Coming::default();
        self.uploads.end_all();
        self.downloads.trim();
        // The proposals that come first say which decisions the coordinator knows; the others are
        // told then.
        self.told = self.decisions().collect();
        self.restore_lacking(&link).await?;
        self.hold_to_decisions().await?;
        self.tell_given_up(&link).await?;
        self.speak_again(&link).await?;
        self.serve(&link, &mut line).await
    }

    fn decisions(&self) -> impl Iterator<Item = SignedDecision> {
        self.studies
            .all()
            .filter_map(|study| match &study.standing {
                Standing::Decided(signed) => Some((**signed).clone()),
                _ => None,
            })
    }

    /// What open attempts last owed, and computations that a restart interrupted.
    async fn speak_again(&mut self, link: &Link) -> Result<(), Away> {
        let open: Vec<Digest> = self.followers.keys().copied().collect();
        for study in open {
            let acts = match self
                .followers
                .get(&study)
                .and_then(|follower| follower.attempt.as_ref())
            {
                Some(attempt) if attempt.member.needs_answer() => {
                    // Whether it may is asked before, and before its result is said.
                    self.compute(&study)?;
                    continue;
                }
                Some(attempt) => attempt.member.say_again(),
                None => continue,
            };
            self.act(link, &study, acts).await?;
        }
        Ok(())
    }

    async fn serve(&mut self, link: &Link, line: &mut Line) -> Result<(), Away> {
        let mut look = tokio::time::interval(LOOK);
        let mut unused = tokio::time::interval(UNUSED);
        loop {
            tokio::select! {
                frame = line.next() => match frame? {
                    Some(frame) => if let Some(frame) = frame.frame {
                        self.hear(link, frame).await?;
                    },
                    None => return Ok(()),
                },
                Some(arrived) = self.coming.next() => self.arrived(link, arrived).await?,
                Some(computed) = self.computed.recv() => self.computed(link, computed).await?,
                _ = look.tick() => if self.look(link).await? {
                    return Ok(());
                },
                _ = unused.tick() => self.let_go().await?,
            }
        }
    }

    /// Takes in what the command line decided since the last look. True when the steward has
    /// released the node: what it did not hear while it was stopped, the coordinator says again to
    /// whoever comes anew.
    async fn look(&mut self, link: &Link) -> Result<bool, Away> {
        let resumed = self.hold_to_decisions().await?;
        if self.was_stopped != self.told_stopped {
            link.turned(&self.home, self.was_stopped).await?;
            self.told_stopped = self.was_stopped;
        }
        self.tell_given_up(link).await?;
        self.tell_decisions(link).await?;
        Ok(resumed)
    }

    /// Sends every decision that this connection has not carried yet.
    async fn tell_decisions(&mut self, link: &Link) -> Result<(), Away> {
        let new: Vec<SignedDecision> = self
            .decisions()
            .filter(|decision| !self.told.contains(decision))
            .collect();
        for decision in new {
            let text = format!(
                "study {} is {}",
                decision.decision.study,
                decision.decision.verdict.as_str()
            );
            self.say("decision", &text).await?;
            link.decide(&self.home, &decision).await?;
            self.told.push(decision);
        }
        Ok(())
    }

    async fn hear(&mut self, link: &Link, frame: Frame) -> Result<(), Away> {
        match frame {
            Frame::Welcome(_) => Ok(()),
            Frame::Proposal(proposal) => self.heard_of(link, proposal).await,
            Frame::Withdrawn(digest) => Ok(self.withdrawn(&digest).await?),
            Frame::Message(Envelope { run, body }) => {
                let run = <[u8; 16]>::try_from(run.as_slice()).map(RunId);
                let (Ok(run), Ok(message)) = (run, Message::from_bytes(&body)) else {
                    self.say(
                        "malformed",
                        "a message of the coordinator could not be read; its version may differ",
                    )
                    .await?;
                    return Ok(());
                };
                self.message(link, run, message).await
            }
        }
    }

    /// Something that was on its way is here, or cannot be fetched.
    async fn arrived(
        &mut self,
        link: &Link,
        arrived: Result<BTreeSet<Digest>, Broken>,
    ) -> Result<(), Away> {
        for study in arrived? {
            for (run, message) in self.coming.ready(&study) {
                self.message(link, run, message).await?;
            }
        }
        if self.coming.is_idle() {
            // Nobody waits for what is whole and was not taken in, of a study that was withdrawn,
            // say.
            self.downloads.clear();
        }
        Ok(())
    }

    async fn message(&mut self, link: &Link, run: RunId, message: Message) -> Result<(), Away> {
        match self.message_now(link, run, &message).await {
            Err(Away::Later(study)) => Ok(self.coming.wait(study, run, message)?),
            heard => heard,
        }
    }

    async fn message_now(
        &mut self,
        link: &Link,
        run: RunId,
        message: &Message,
    ) -> Result<(), Away> {
        if let Message::Plan(plan) = message {
            return self.planned(link, plan).await;
        }
        // What is given up is forgotten, also where nothing may be answered any more; else a
        // stopped node hears nothing.
        if !matches!(message, Message::Abandoned(_))
            && switch::is_stopped(&self.home.ledger).await?
        {
            self.hold_to_decisions().await?;
            return self.tell_given_up(link).await;
        }
        let of_run = |follower: &Follower| {
            follower
                .attempt
                .as_ref()
                .is_some_and(|attempt| attempt.run == run)
        };
        // Only a study that waits for something of this run has an attempt of it.
        let study = self
            .followers
            .iter()
            .find(|(_, follower)| of_run(follower))
            .map(|(study, _)| *study);
        match message {
            Message::Released(released) => return self.released(link, study, run, released).await,
            Message::Stands(stands) => return self.witness(link, run, stands).await,
            Message::Draft(draft) => return self.draft(link, run, draft).await,
            Message::Abandoned(abandoned) => self.coming.abandoned(&abandoned.plan),
            _ => {}
        }
        let Some(study) = study else {
            // Of an attempt that is over here, or that this site is not in.
            return Ok(());
        };
        self.drill(&study, message);
        if !matches!(message, Message::Abandoned(_))
            && let Err(refusal) = self.may_go_on(&study).await?
        {
            self.give_up(&study, &refusal).await?;
            return self.tell_given_up(link).await;
        }
        if let Message::Proposal(proposal) = message {
            match self
                .sync_log(link, &study, &proposal.commit.checkpoint)
                .await
            {
                Err(Away::Node(NodeError::Refused(refusal))) => {
                    return self.refuse_attempt(link, &study, &refusal).await;
                }
                synced => synced?,
            }
        }
        let beside = match self.beside(&study, message).await? {
            Ok(beside) => beside,
            // Its file cannot be read any more: what is wrong with it is nobody else's business.
            Err(_) => return Ok(()),
        };
        let Follower {
            proposal,
            attempt,
            chain,
            log,
            ..
        } = followed(&mut self.followers, &study)?;
        let Some(attempt) = attempt.as_mut() else {
            // The log that was fetched for it showed that its round is over.
            return Ok(());
        };
        let mut me = follower::me(&self.home, proposal, chain, log);
        (me.sets.beside, me.sets.least) = (&beside.openings, beside.least);
        me.sets.may_leave = chain.may_leave(proposal.study.rounds.on_site_loss, beside.may_leave);
        match attempt.member.handle(message, &me, &mut dice()) {
            Ok(acts) => {
                self.keep_opening(&study, message).await?;
                self.act(link, &study, acts).await
            }
            // Repeats and late messages are the network's; anything else the steward should know.
            Err(refusal) if refusal.code == Code::WrongPhase => Ok(()),
            Err(refusal) => {
                let text = format!("a `{}` message was refused: {refusal}", message.kind());
                self.say("refused", &text).await?;
                self.refuse_attempt(link, &study, &refusal).await
            }
        }
    }

    async fn refuse_attempt(
        &mut self,
        link: &Link,
        study: &Digest,
        refusal: &Refusal,
    ) -> Result<(), Away> {
        let Some(attempt) = self
            .followers
            .get(study)
            .and_then(|follower| follower.attempt.as_ref())
        else {
            // Given up meanwhile, and said so.
            return Ok(());
        };
        let run = attempt.run;
        let plan = attempt.member.terms().plan_root();
        self.tell(link, study, run, &refused(plan, refusal)).await
    }

    async fn act(&mut self, link: &Link, study: &Digest, acts: Vec<Act>) -> Result<(), Away> {
        for act in acts {
            self.drill_act();
            let follower = followed(&mut self.followers, study)?;
            let Some(attempt) = &follower.attempt else {
                // An act before this one found that the steward stopped it: the attempt is given up,
                // with what was still to be done for it.
                return Ok(());
            };
            let run = attempt.run;
            let plan = attempt.member.terms().plan_root();
            match act {
                Act::Seal(kept) => self.vault.seal(&plan, kept)?,
                Act::Store(masked) => link.store(&self.home, &plan, &masked).await?,
                Act::Record(fact) => {
                    records::append(&self.home.ledger, FACTS, &fact).await?;
                    self.pins.apply(&fact);
                }
                Act::Tell(message) => {
                    let said = attempt.member.terms().plan();
                    debug_assert!(
                        !self.pins.is_past(&said.ask, said.attempt),
                        "an attempt speaks after a later one was joined"
                    );
                    self.tell(link, study, run, &message).await?
                }
                Act::Upload(header) => {
                    let context = (follower.proposal.study.id.clone(), attempt.round);
                    let roster = follower.proposal.roster_digest;
                    let consent = Consent {
                        ledger: self.home.ledger.clone(),
                        studies: self.studies.clone(),
                        paths: self.home.paths.clone(),
                        study: *study,
                        roster,
                        today: clock_day(),
                    };
                    self.uploads.begin(Upload {
                        client: link.client(),
                        consent,
                        masked: self.home.paths.masked(),
                        plan,
                        run,
                        header,
                        context,
                    });
                }
                Act::Discard => {
                    self.uploads.end(&plan);
                    crate::link::remove_masked(&self.home, &plan).await?;
                }
                Act::Absorb(released) => self.absorb(link, study, run, &released).await?,
                Act::Forget => self.forget(study).await?,
            }
        }
        Ok(())
    }

    /// Wipes what an attempt left behind.
    async fn forget(&mut self, study: &Digest) -> Result<(), NodeError> {
        let Some(attempt) = self
            .followers
            .get_mut(study)
            .and_then(|follower| follower.attempt.take())
        else {
            // There is nothing to forget.
            return Ok(());
        };
        let plan = attempt.member.terms().plan_root();
        drop(attempt);
        self.wipe(&plan).await
    }

    async fn wipe(&mut self, plan: &Digest) -> Result<(), NodeError> {
        self.uploads.end(plan);
        self.vault.forget(plan)?;
        crate::link::remove_masked(&self.home, plan).await
    }
}

/// A study that the session follows, and goes on following until it has heard a message to its end:
/// only time lets go of one, between two messages.
fn followed<'a>(
    followers: &'a mut BTreeMap<Digest, Follower>,
    study: &Digest,
) -> Result<&'a mut Follower, Refusal> {
    let follower = followers.get_mut(study);
    follower.ok_or_else(|| {
        let short = study.short();
        Refusal::broken(format!(
            "study `{short}` is being answered and is not followed"
        ))
    })
}

/// Today, in UTC.
fn clock_day() -> Date {
    clock::day(clock::now())
}

#[cfg(test)]
mod tests;
