//! The node's session: it dials out, holds one stream, and executes the acts of the round machine in order, what is sealed
//! and recorded before what is told. Here, and only here at the node, clock and randomness are read for the protocol.

use crate::clock;
use crate::drill::Drill;
use crate::follower::{Absorbed, Answered, Attempt, Follower};
use crate::link::{Link, Line};
use crate::local;
use crate::records::{self, FACTS, Proposed, STUDIES, StudyRecord};
use crate::studies::Studies;
use crate::switch;
use crate::vault::Vault;
use crate::{Home, NodeError, output};
use motet_common::decision::SignedDecision;
use motet_common::refusal::{Code, Refusal};
use motet_common::roster::SignedRoster;
use motet_common::round::PhaseName;
use motet_common::round::member::{Act, Expected, Member, admit, refused};
use motet_common::round::pins::{Fact, Pins};
use motet_proto::v1::attend_response::Frame;
use motet_proto::v1::{Envelope, Proposal};
use motet_secagg::digest::Digest;
use motet_secagg::encode::{Canonical as _, Reader};
use motet_secagg::id::RunId;
use motet_secagg::message::{Message, Released, SignedPlan};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often the node looks at what the command line has written meanwhile.
const LOOK: Duration = Duration::from_millis(200);
/// The first wait before dialling again; it doubles up to [`LONGEST_WAIT`], with jitter so that sites do not dial in step.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Results of computations that may wait for the session.
const RESULTS: usize = 16;

/// A computation's result, for the attempt with this plan digest.
struct Computed {
    study: Digest,
    plan: Digest,
    result: Result<Answered, Refusal>,
}

/// Runs the node until its process is told to stop. It never ends because the coordinator is away.
///
/// # Errors
/// When the node's own folder cannot be read or written.
pub async fn run(home: Home, drill: Option<Drill>) -> anyhow::Result<()> {
    let mut session = Session::open(home, drill).await?;
    let mut wait = FIRST_WAIT;
    loop {
        let attended = tokio::select! {
            attended = session.attend() => attended,
            () = told_to_stop() => return Ok(()),
        };
        match attended {
            Ok(was_welcome) => {
                session.say("disconnected", "the connection to the coordinator ended; dialling again").await?;
                if was_welcome {
                    wait = FIRST_WAIT;
                }
            }
            Err(Away::Node(error)) => return Err(error.into()),
            Err(Away::Coordinator(why)) => session.say("away", &why).await?,
        }
        let jitter = rand::random::<f64>() + 0.5;
        tokio::select! {
            () = tokio::time::sleep(wait.mul_f64(jitter)) => {}
            () = told_to_stop() => return Ok(()),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Why a session ended.
enum Away {
    /// The node's own folder is the trouble: going on would not help.
    Node(NodeError),
    /// The coordinator, or the way there.
    Coordinator(String),
}

impl<E: Into<NodeError>> From<E> for Away {
    fn from(error: E) -> Self {
        Self::Node(error.into())
    }
}

struct Session {
    home: Home,
    vault: Vault,
    drill: Option<Drill>,
    studies: Studies,
    studies_version: u64,
    pins: Pins,
    followers: BTreeMap<Digest, Follower>,
    results: mpsc::Sender<Computed>,
    computed: mpsc::Receiver<Computed>,
    /// Decisions that the present connection has carried.
    told: Vec<SignedDecision>,
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
        let (results, computed) = mpsc::channel(RESULTS);
        let mut session = Self {
            studies_version: studies.version(),
            vault,
            drill,
            studies,
            pins,
            followers: BTreeMap::new(),
            results,
            computed,
            told: Vec::new(),
            last_said: String::new(),
            home,
        };
        session.restore().await?;
        Ok(session)
    }

    /// Attempts that were under way when the process ended.
    async fn restore(&mut self) -> Result<(), NodeError> {
        for name in self.vault.names()? {
            let plain = self.vault.unseal(&name)?;
            let restored = self.restore_one(&plain).await;
            if let Err(error) = restored {
                self.say("attempt-lost", &format!("an open attempt could not be taken up again: {error}")).await?;
                self.vault.forget(&name)?;
            }
        }
        Ok(())
    }

    async fn restore_one(&mut self, plain: &[u8]) -> Result<(), NodeError> {
        // The plan is the first field of what the vault keeps.
        let signed = SignedPlan::read(&mut Reader::new(plain)).map_err(Refusal::from)?;
        let plan = &signed.plan;
        let today = clock::day(clock::now());
        let proposal = self.studies.may_run(&plan.study_digest, &plan.roster, today)?.proposal.clone();
        let (run, round, candidates) = (plan.run, plan.round, plan.candidates.len());
        let study = proposal.digest;
        let member = Member::restore(plain, &proposal.roster)?;
        let follower = self.follower(&study, proposal).await?;
        if follower.chain.root() != plan.state_root {
            return Err(Refusal::new(Code::WrongPhase, "its round is over").into());
        }
        let layout = follower.chain.question(candidates)?.ok_or(Code::WrongPhase).map_err(Refusal::from)?.layout;
        follower.attempt = Some(Attempt { run, round, member, layout });
        Ok(())
    }

    async fn follower(
        &mut self,
        study: &Digest,
        proposal: crate::studies::Proposal,
    ) -> Result<&mut Follower, NodeError> {
        if !self.followers.contains_key(study) {
            let follower = Follower::open(&self.home, proposal).await?;
            self.followers.insert(*study, follower);
        }
        self.followers.get_mut(study).ok_or_else(|| NodeError::from(Refusal::from(Code::StudyUnknown)))
    }

    /// One line for the steward, on record and on the terminal; never the same line twice in a row.
    async fn say(&mut self, code: &str, text: &str) -> Result<(), NodeError> {
        if self.last_said == text {
            return Ok(());
        }
        text.clone_into(&mut self.last_said);
        let now = clock::now();
        output::line(&format!("{} {code}: {text}", clock::text(now.ms)));
        records::event(&self.home.ledger, now.ms, code, text).await
    }

    /// Connects and serves the stream until it ends. True when the coordinator had welcomed the node.
    async fn attend(&mut self) -> Result<bool, Away> {
        let (link, mut line) = Link::dial(&self.home).await.map_err(Away::Coordinator)?;
        let Some(welcome) = line.next().await.map_err(Away::Coordinator)? else { return Ok(false) };
        let Some(Frame::Welcome(welcome)) = welcome.frame else {
            return Err(Away::Coordinator("the coordinator did not say welcome; its version may differ".into()));
        };
        self.say("connected", &format!("connected to the coordinator of {}", welcome.consortium)).await?;
        self.told.clear();
        self.tell_decisions(&link, false).await?;
        self.speak_again(&link).await?;
        self.serve(&link, &mut line).await?;
        Ok(true)
    }

    fn decisions(&self) -> impl Iterator<Item = SignedDecision> {
        self.studies.all().filter_map(|study| match &study.standing {
            crate::studies::Standing::Decided(signed) => Some((**signed).clone()),
            _ => None,
        })
    }

    /// What open attempts last owed, and computations that a restart interrupted.
    async fn speak_again(&mut self, link: &Link) -> Result<(), Away> {
        let open: Vec<Digest> = self.followers.keys().copied().collect();
        for study in open {
            let acts = match self.followers.get(&study).and_then(|follower| follower.attempt.as_ref()) {
                Some(attempt) if attempt.member.needs_answer() => {
                    self.compute(&study);
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
        loop {
            tokio::select! {
                frame = line.next() => match frame.map_err(Away::Coordinator)? {
                    Some(frame) => if let Some(frame) = frame.frame {
                        self.hear(link, frame).await?;
                    },
                    None => return Ok(()),
                },
                Some(computed) = self.computed.recv() => self.computed(link, computed).await?,
                _ = look.tick() => self.look(link).await?,
            }
        }
    }

    /// Takes in what the command line decided since the last look.
    async fn look(&mut self, link: &Link) -> Result<(), Away> {
        let version = self.home.ledger.version(STUDIES).await?;
        if version == self.studies_version {
            // A proposal that arrived meanwhile may have taken a decision in with it.
            return self.tell_decisions(link, true).await;
        }
        self.studies = Studies::read(&self.home).await?;
        self.studies_version = self.studies.version();
        self.tell_decisions(link, true).await
    }

    /// Sends every decision that this connection has not carried yet.
    async fn tell_decisions(&mut self, link: &Link, aloud: bool) -> Result<(), Away> {
        let new: Vec<SignedDecision> = self.decisions().filter(|decision| !self.told.contains(decision)).collect();
        for decision in new {
            if aloud {
                let text = format!("study {} is {}", decision.decision.study, decision.decision.verdict.as_str());
                self.say("decision", &text).await?;
            }
            link.decide(&self.home, &decision).await?;
            self.told.push(decision);
        }
        Ok(())
    }

    async fn hear(&mut self, link: &Link, frame: Frame) -> Result<(), Away> {
        match frame {
            Frame::Welcome(_) => Ok(()),
            Frame::Proposal(proposal) => Ok(self.proposed(proposal).await?),
            Frame::Withdrawn(digest) => Ok(self.withdrawn(&digest).await?),
            Frame::Message(Envelope { run, body }) => {
                let run = <[u8; 16]>::try_from(run.as_slice()).map(RunId);
                let (Ok(run), Ok(message)) = (run, Message::from_bytes(&body)) else {
                    self.say("malformed", "a message of the coordinator could not be read; its version may differ").await?;
                    return Ok(());
                };
                self.message(link, run, message).await
            }
        }
    }

    async fn proposed(&mut self, proposal: Proposal) -> Result<(), NodeError> {
        let Proposal { study, roster, proposer, .. } = proposal;
        let arrived = SignedRoster::from_bytes(&roster).map(|signed| signed.roster.digest()).unwrap_or_default();
        let known = self.studies.all().any(|at| at.proposal.text == study && at.proposal.roster_digest == arrived);
        if known {
            return Ok(());
        }
        let record = Proposed { text: study, roster, proposer, when_ms: clock::now().ms };
        records::append(&self.home.ledger, STUDIES, &StudyRecord::Proposed(record)).await?;
        self.studies = Studies::read(&self.home).await?;
        self.studies_version = self.studies.version();
        let newest = self.studies.all().max_by_key(|at| at.proposal.when_ms);
        let text = newest.map(|at| {
            format!("study {} is proposed by {}: read it with `motet-node study show {}`", at.proposal.study.id, at.proposal.proposer, at.proposal.study.id)
        });
        match text {
            Some(text) => self.say("proposed", &text).await,
            None => Ok(()),
        }
    }

    async fn withdrawn(&mut self, digest: &[u8]) -> Result<(), NodeError> {
        let Ok(digest) = <[u8; 32]>::try_from(digest).map(Digest) else { return Ok(()) };
        let standing = self.studies.all().find(|at| at.proposal.digest == digest);
        let Some(id) = standing.filter(|at| at.standing != crate::studies::Standing::Recalled).map(|at| at.proposal.study.id.clone()) else {
            return Ok(());
        };
        records::append(&self.home.ledger, STUDIES, &StudyRecord::Withdrawn(digest)).await?;
        self.studies = Studies::read(&self.home).await?;
        self.studies_version = self.studies.version();
        self.say("withdrawn", &format!("study {id} was withdrawn by its proposer")).await
    }

    async fn message(&mut self, link: &Link, run: RunId, message: Message) -> Result<(), Away> {
        if let Message::Plan(plan) = message {
            return self.planned(link, plan).await;
        }
        let of_run = |follower: &Follower| follower.attempt.as_ref().is_some_and(|attempt| attempt.run == run);
        let study = self.followers.iter().find(|(_, follower)| of_run(follower)).map(|(study, _)| *study);
        if let Message::Released(released) = &message {
            return self.released(link, study, released).await;
        }
        let Some(study) = study else { return Ok(()) };
        self.drill(&study, &message);
        if switch::is_stopped(&self.home.ledger).await? {
            return self.refuse_attempt(link, &study, &Code::SiteStopped.into()).await;
        }
        let Some(follower) = self.followers.get_mut(&study) else { return Ok(()) };
        let Follower { proposal, attempt, .. } = follower;
        let Some(attempt) = attempt.as_mut() else { return Ok(()) };
        let me = motet_common::round::member::Me { node: self.home.node(), key: &self.home.identity, roster: &proposal.roster };
        match attempt.member.handle(&message, &me, &mut rand::rng()) {
            Ok(acts) => self.act(link, &study, acts).await,
            // Repeats and late messages are the network's; anything else the steward should know.
            Err(refusal) if refusal.code == Code::WrongPhase => Ok(()),
            Err(refusal) => {
                let text = format!("a `{}` message was refused: {refusal}", message.kind());
                self.say("refused", &text).await?;
                self.refuse_attempt(link, &study, &refusal).await
            }
        }
    }

    /// A rehearsed loss of this site: the process ends where the phase begins.
    fn drill(&self, study: &Digest, message: &Message) {
        let phase = match message {
            Message::Plan(_) => PhaseName::Join,
            Message::AdvertSet(_) => PhaseName::Share,
            Message::Delivery(_) => PhaseName::Upload,
            Message::Proposal(_) => PhaseName::Sign,
            Message::RevealRequest(_) => PhaseName::Reveal,
            _ => return,
        };
        let round = match message {
            Message::Plan(signed) => Some(signed.plan.round),
            _ => self.followers.get(study).and_then(|f| f.attempt.as_ref()).map(|attempt| attempt.round),
        };
        let due = |drill: Drill| drill.phase == phase && drill.round.is_none_or(|wanted| Some(wanted) == round);
        if self.drill.is_some_and(due) {
            output::note("drill: this process ends here");
            std::process::abort();
        }
    }

    async fn refuse_attempt(&mut self, link: &Link, study: &Digest, refusal: &Refusal) -> Result<(), Away> {
        let Some(attempt) = self.followers.get(study).and_then(|follower| follower.attempt.as_ref()) else { return Ok(()) };
        let (run, plan) = (attempt.run, attempt.member.terms().plan_root());
        self.tell(link, study, run, &refused(plan, refusal)).await
    }

    async fn planned(&mut self, link: &Link, signed: SignedPlan) -> Result<(), Away> {
        let study = signed.plan.study_digest;
        self.drill(&study, &Message::Plan(signed.clone()));
        match self.join(link, &signed).await {
            Ok(()) => Ok(()),
            Err(Away::Node(NodeError::Refused(refusal))) => {
                let text = format!("round {} of study {}: {refusal}", signed.plan.round, signed.plan.study);
                self.say("refused", &text).await?;
                self.tell(link, &study, signed.plan.run, &refused(signed.plan.root(), &refusal)).await
            }
            Err(away) => Err(away),
        }
    }

    /// Everything a node checks before it computes: standing, roster, state, question, thresholds, pins.
    async fn join(&mut self, link: &Link, signed: &SignedPlan) -> Result<(), Away> {
        let plan = &signed.plan;
        if switch::is_stopped(&self.home.ledger).await? {
            return Err(Refusal::from(Code::SiteStopped).into());
        }
        let today = clock::day(clock::now());
        let proposal = self.studies.may_run(&plan.study_digest, &plan.roster, today)?.proposal.clone();
        let study = proposal.digest;
        let follower = self.follower(&study, proposal).await?;
        if let Some(attempt) = &follower.attempt
            && attempt.member.terms().signed() == signed
        {
            let acts = attempt.member.say_again();
            return self.act(link, &study, acts).await;
        }
        if follower.chain.root() != plan.state_root {
            self.catch_up(link, &study).await?;
        }
        self.forget(&study).await?;
        let Some(follower) = self.followers.get_mut(&study) else { return Ok(()) };
        let question = follower.chain.question(plan.candidates.len())?.ok_or(Code::PlanRejected).map_err(Refusal::from)?;
        let min_sites = follower.proposal.study.privacy.min_sites.max(self.home.settings.min_sites);
        let expected = Expected {
            study: &follower.proposal.study.id,
            study_digest: study,
            recipe: follower.chain.recipe_digest(),
            state_root: follower.chain.root(),
            layout: &question.layout,
            min_sites: min_sites as usize,
            pins: &self.pins,
        };
        let terms = admit(signed, &expected, &follower.me(&self.home))?;
        let member = Member::new(terms);
        follower.attempt = Some(Attempt { run: plan.run, round: plan.round, member, layout: question.layout });
        self.compute(&study);
        Ok(())
    }

    /// Starts the computation on patients in a thread of its own.
    fn compute(&self, study: &Digest) {
        let Some(follower) = self.followers.get(study) else { return };
        let Some(attempt) = &follower.attempt else { return };
        let (study, plan) = (*study, attempt.member.terms().plan_root());
        let candidates = attempt.member.terms().plan().candidates.len();
        let (work, results) = (follower.work(&self.home), self.results.clone());
        tokio::task::spawn_blocking(move || {
            let result = work.answer(candidates, &mut rand::rng());
            // A session that has ended computes again when it is back.
            let _ = results.blocking_send(Computed { study, plan, result });
        });
    }

    async fn computed(&mut self, link: &Link, computed: Computed) -> Result<(), Away> {
        let Computed { study, plan, result } = computed;
        let Some(follower) = self.followers.get_mut(&study) else { return Ok(()) };
        let Follower { proposal, attempt, cohort, own, .. } = follower;
        let Some(attempt) = attempt.as_mut().filter(|attempt| attempt.member.terms().plan_root() == plan) else {
            return Ok(());
        };
        let (run, round) = (attempt.run, attempt.round);
        let answered = result.and_then(|answered| {
            *cohort = Some(answered.cohort);
            *own = answered.own.or(own.take());
            let me = motet_common::round::member::Me { node: self.home.node(), key: &self.home.identity, roster: &proposal.roster };
            attempt.member.answered(answered.update, &attempt.layout, &me, &mut rand::rng())
        });
        match answered {
            Ok(acts) => self.act(link, &study, acts).await,
            Err(refusal) => {
                let id = proposal.study.id.clone();
                follower.attempt = None;
                self.say("refused", &format!("round {round} of study {id} is not answered: {refusal}")).await?;
                self.tell(link, &study, run, &refused(plan, &refusal)).await
            }
        }
    }

    async fn act(&mut self, link: &Link, study: &Digest, acts: Vec<Act>) -> Result<(), Away> {
        for act in acts {
            let Some(follower) = self.followers.get(study) else { return Ok(()) };
            let Some(attempt) = &follower.attempt else { return Ok(()) };
            let (run, plan) = (attempt.run, attempt.member.terms().plan_root());
            match act {
                Act::Seal(kept) => self.vault.seal(&plan, &kept)?,
                Act::Store(masked) => link.store(&self.home, &plan, &masked).await?,
                Act::Record(fact) => {
                    records::append(&self.home.ledger, FACTS, &fact).await?;
                    self.pins.apply(&fact);
                }
                Act::Tell(message) => self.tell(link, study, run, &message).await?,
                Act::Upload(header) => {
                    let context = (follower.proposal.study.id.clone(), attempt.round);
                    link.upload(&self.home, plan, run, header, context);
                }
                Act::Absorb(released) => self.absorb(link, study, &released).await?,
                Act::Forget => self.forget(study).await?,
            }
        }
        Ok(())
    }

    async fn tell(&self, link: &Link, study: &Digest, run: RunId, message: &Message) -> Result<(), Away> {
        let follower = self.followers.get(study);
        let id = follower.map(|follower| follower.proposal.study.id.clone()).unwrap_or_default();
        let round = follower.and_then(|follower| follower.attempt.as_ref()).map_or(0, |attempt| attempt.round);
        Ok(link.tell(&self.home, &id, round, run, message).await?)
    }

    /// A release: of the attempt under way, or a hint that something was missed.
    async fn released(&mut self, link: &Link, study: Option<Digest>, released: &Released) -> Result<(), Away> {
        let own = study.filter(|study| {
            let attempt = self.followers.get(study).and_then(|follower| follower.attempt.as_ref());
            attempt.is_some_and(|attempt| attempt.member.terms().plan_root() == released.plan)
        });
        if let Some(study) = own {
            let Some(follower) = self.followers.get_mut(&study) else { return Ok(()) };
            let Follower { proposal, attempt, .. } = follower;
            let Some(attempt) = attempt.as_mut() else { return Ok(()) };
            let me = motet_common::round::member::Me { node: self.home.node(), key: &self.home.identity, roster: &proposal.roster };
            return match attempt.member.handle(&Message::Released(released.clone()), &me, &mut rand::rng()) {
                Ok(acts) => self.act(link, &study, acts).await,
                Err(refusal) => {
                    self.say("refused", &format!("a release was refused: {refusal}")).await?;
                    Ok(())
                }
            };
        }
        let today = clock::day(clock::now());
        let approved: Vec<_> = self
            .studies
            .all()
            .filter(|at| self.studies.may_run(&at.proposal.digest, &at.proposal.roster_digest, today).is_ok())
            .map(|at| at.proposal.clone())
            .collect();
        for proposal in approved {
            let study = proposal.digest;
            self.follower(&study, proposal).await?;
            match self.catch_up(link, &study).await {
                Err(Away::Node(NodeError::Refused(_))) | Ok(()) => {}
                Err(away) => return Err(away),
            }
        }
        Ok(())
    }

    /// Absorbs the releases this node has missed, each checked like any other.
    async fn catch_up(&mut self, link: &Link, study: &Digest) -> Result<(), Away> {
        let Some(after) = self.followers.get(study).map(|follower| follower.chain.round()) else { return Ok(()) };
        let missed = link.releases(study, after).await.map_err(Away::Coordinator)?;
        for absorbed in missed {
            let bytes = link.fetch(&absorbed.released.aggregate).await.map_err(Away::Coordinator)?;
            if let Some(follower) = self.followers.get_mut(study) {
                follower.absorb(&self.home, absorbed, &bytes).await?;
            }
        }
        self.finish(study).await?;
        Ok(())
    }

    async fn absorb(&mut self, link: &Link, study: &Digest, released: &Released) -> Result<(), Away> {
        let bytes = link.fetch(&released.aggregate).await.map_err(Away::Coordinator)?;
        let Some(follower) = self.followers.get_mut(study) else { return Ok(()) };
        let candidates = follower.attempt.as_ref().map_or(0, |attempt| attempt.member.terms().plan().candidates.len());
        let candidates = u32::try_from(candidates).unwrap_or(u32::MAX);
        let absorbed = Absorbed { candidates, released: released.clone() };
        match follower.absorb(&self.home, absorbed, &bytes).await {
            Ok(()) => {}
            Err(NodeError::Refused(refusal)) => {
                self.say("refused", &format!("a release does not follow from its sum: {refusal}")).await?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.finish(study).await?;
        Ok(())
    }

    /// When the recipe is finished, the site's own report is written for its steward.
    async fn finish(&mut self, study: &Digest) -> Result<(), NodeError> {
        let Some(follower) = self.followers.get_mut(study) else { return Ok(()) };
        let path = self.home.paths.local(&follower.proposal.study.id);
        if !matches!(follower.chain.question(3), Ok(None)) || path.exists() {
            return Ok(());
        }
        let mut work = follower.work(&self.home);
        let own = follower.own.take();
        let id = follower.proposal.study.id.clone();
        let (site, kind) = (self.home.settings.site.clone(), follower.proposal.study.method.kind());
        let written = tokio::task::spawn_blocking(move || -> Result<(), NodeError> {
            let Ok(cohort) = work.cohort() else { return Ok(()) };
            let alone = work.alone(&mut rand::rng()).ok();
            let report = local::report(&site, &id, kind, cohort.used, alone.as_ref(), own.as_ref());
            let parent = path.parent().unwrap_or(&path);
            std::fs::create_dir_all(parent).map_err(NodeError::file("make", parent))?;
            std::fs::write(&path, format!("{report:#}\n")).map_err(NodeError::file("write", &path))
        });
        written.await.unwrap_or(Ok(()))?;
        let id = self.followers.get(study).map(|follower| follower.proposal.study.id.clone()).unwrap_or_default();
        self.say("finished", &format!("study {id} is finished; this site's own report is written")).await
    }

    /// Wipes what an attempt left behind.
    async fn forget(&mut self, study: &Digest) -> Result<(), NodeError> {
        let Some(attempt) = self.followers.get_mut(study).and_then(|follower| follower.attempt.take()) else { return Ok(()) };
        let plan = attempt.member.terms().plan_root();
        drop(attempt);
        self.vault.forget(&plan)?;
        crate::link::remove_masked(&self.home, &plan).await
    }
}

/// Ctrl-C or the service manager's terminate signal: everything said is written, so the node may end at any moment.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    // Without a handler the process simply ends.
    let _ = tokio::signal::ctrl_c().await;
}
