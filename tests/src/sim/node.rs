//! A hospital's node: a real `Member`, a vault and a ledger that survive a stop, and everything
//! else that does not.

use super::cast::Answer;
use super::checks::{Broken, Check, hold};
use super::disk::Disk;
use super::net::{Down, Event, LEASE_MS, Stage, Up};
use motet_common::log::Mirror;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Act, Me, Member, refused};
use motet_common::round::pins::Pins;
use motet_common::round::{PhaseName, Terms};
use motet_secagg::digest::Digest;
use motet_secagg::mask::chunk_hash;
use motet_secagg::merkle;
use motet_secagg::message::{
    Bundle, Checked, Header, Message, Plan, Released, SignedPlan, SignedRoot, Stands, Witness,
    Witnessed,
};
use rand_chacha::ChaCha20Rng;
use std::collections::VecDeque;
use std::rc::Rc;

/// A node is not stopped more often than this in one attempt.
const STOPS: u32 = 2;

/// One node.
pub struct Node {
    site: usize,
    rng: ChaCha20Rng,
    // what survives a stop
    disk: Disk,
    // what does not
    member: Option<Member>,
    pins: Pins,
    is_up: bool,
    life: u64,
    // what the world knows of it
    /// Gone for good.
    pub is_dead: bool,
    /// Its answer was out of range in this attempt: it said so, but that may have been lost.
    pub had_no_answer: bool,
    /// It dies after this many more steps.
    pub doom: Option<u32>,
    /// The answer last given to the member.
    latest: Option<Answer>,
    acts: usize,
    stops: u32,
    /// How often it started again.
    pub starts: u32,
}

impl Node {
    /// A node that is off.
    pub fn new(site: usize, state: Digest, log: Mirror, rng: ChaCha20Rng) -> Self {
        Self {
            site,
            rng,
            disk: Disk::new(state, log),
            member: None,
            pins: Pins::default(),
            is_up: false,
            life: 0,
            is_dead: false,
            had_no_answer: false,
            doom: None,
            latest: None,
            acts: 0,
            stops: 0,
            starts: 0,
        }
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// The state it computed from the releases so far.
    pub fn state(&self) -> Digest {
        self.disk.state
    }

    /// How many acts it has executed.
    pub fn acts(&self) -> usize {
        self.acts
    }

    /// Another question is asked: the last one was given up.
    pub fn turn_to(&mut self, state: Digest) {
        self.disk.state = state;
    }

    /// A new attempt begins.
    pub fn fresh_luck(&mut self, doom: Option<u32>) {
        (self.stops, self.had_no_answer) = (0, false);
        self.doom = doom;
    }

    /// Starts from what survived.
    pub fn start(&mut self, stage: &mut Stage) -> Check {
        if self.is_up || self.is_dead {
            return Ok(());
        }
        self.is_up = true;
        self.life += 1;
        self.starts += 1;
        stage.net.say(|| format!("    node {} starts", self.site));
        (self.pins, self.member) = self.disk.wake(&stage.cast)?;
        self.compute(stage);
        let delay = stage.net.between(1, 50);
        stage.net.after(delay, Event::Connect(self.site));
        Ok(())
    }

    /// Stops; unless for good it starts again, mostly within its lease.
    pub fn stop(&mut self, stage: &mut Stage, for_good: bool) {
        if !self.is_up {
            return;
        }
        stage.net.say(|| {
            format!(
                "    node {} {}",
                self.site,
                if for_good { "dies" } else { "stops" }
            )
        });
        self.is_up = false;
        self.is_dead = for_good;
        self.member = None;
        self.life += 1;
        if stage.net.is_up(self.site) {
            stage.net.cut(self.site);
        }
        if !for_good {
            let delay = stage.net.between(20, LEASE_MS / 2);
            stage.net.after(delay, Event::Start(self.site));
        }
    }

    /// It comes back after all, with whatever it had kept.
    pub fn revive(&mut self, stage: &mut Stage) {
        if std::mem::take(&mut self.is_dead) {
            self.doom = None;
            stage.net.after(1, Event::Start(self.site));
        }
    }

    /// Something arrived.
    pub fn hear(&mut self, what: &Down, stage: &mut Stage) -> Check {
        if !self.is_up {
            return Ok(());
        }
        if self.is_doomed(what, stage) {
            self.stop(stage, true);
            return Ok(());
        }
        match what {
            Down::Message(message) => self.on_message(message, stage),
            Down::Missing(t2, next) => {
                let (site, life) = (self.site, self.life);
                stage.net.after(
                    1,
                    Event::Chunk {
                        site,
                        life,
                        t2: *t2,
                        index: *next,
                    },
                );
                Ok(())
            }
        }
    }

    fn is_doomed(&mut self, what: &Down, stage: &Stage) -> bool {
        if let Some(left) = &mut self.doom {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return true;
            }
        }
        let Down::Message(message) = what else {
            return false;
        };
        let phase = match **message {
            Message::Plan(_) => PhaseName::Join,
            Message::AdvertSet(_) => PhaseName::Share,
            Message::Delivery(_) => PhaseName::Upload,
            Message::Proposal(_) => PhaseName::Sign,
            Message::RevealRequest(_) => PhaseName::Reveal,
            _ => return false,
        };
        stage.net.weather.script.deaths.get(&self.site) == Some(&phase)
    }

    fn on_message(&mut self, message: &Message, stage: &mut Stage) -> Check {
        if let Message::Stands(stands) = message {
            self.witness(stands, stage);
            return Ok(());
        }
        if let Message::Proposal(proposal) = message
            && let Err(refusal) =
                self.disk
                    .sync(&proposal.commit.checkpoint, &stage.archive, &stage.cast)
        {
            stage
                .net
                .say(|| format!("    node {} refuses a log: {refusal}", self.site));
            return Ok(());
        }
        if let Message::Plan(plan) = message
            && self
                .member
                .as_ref()
                .is_none_or(|member| member.terms().signed() != plan)
        {
            return self.on_plan(plan, stage);
        }
        let Some(member) = &mut self.member else {
            // Between attempts a release that comes again asks for what this node owes: that it
            // made the sum again.
            if let Message::Released(released) = message {
                self.tell_checked(released, stage);
            }
            return Ok(());
        };
        let me = stage
            .cast
            .me(self.site, &self.disk.log, stage.net.now().ms / 1000);
        match member.handle(message, &me, &mut self.rng) {
            Ok(acts) => self.act(acts, stage),
            Err(refusal) => {
                stage.net.say(|| {
                    format!(
                        "    node {} refuses `{}`: {refusal}",
                        self.site,
                        message.kind()
                    )
                });
                Ok(())
            }
        }
    }

    fn on_plan(&mut self, signed: &SignedPlan, stage: &mut Stage) -> Check {
        if let Err(refusal) = self
            .disk
            .sync(&signed.plan.checkpoint, &stage.archive, &stage.cast)
        {
            stage
                .net
                .say(|| format!("    node {} does not join: {refusal}", self.site));
            return Ok(());
        }
        let mut terms = self.admit(signed, stage);
        if terms
            .as_ref()
            .is_err_and(|refusal| refusal.code == Code::StateRootMismatch)
        {
            self.catch_up(stage)?;
            terms = self.admit(signed, stage);
        }
        match terms {
            Ok(terms) => {
                // Joining this attempt ends every earlier one.
                self.disk.forget_all();
                self.member = Some(Member::new(terms));
                self.compute(stage);
            }
            Err(refusal) => {
                stage
                    .net
                    .say(|| format!("    node {} does not join: {refusal}", self.site));
                let message = Rc::new(refused(signed.plan.root(), &refusal));
                stage.net.send_up(self.site, Up::Message(message));
            }
        }
        Ok(())
    }

    /// Through the node's own door.
    fn admit(&self, signed: &SignedPlan, stage: &Stage) -> Result<Terms, Refusal> {
        let open = self.member.as_ref().map(|member| member.terms().plan());
        self.disk
            .admit(signed, open, &self.pins, &stage.cast, &self.me(stage))
    }

    fn me<'a>(&'a self, stage: &'a Stage) -> Me<'a> {
        stage
            .cast
            .me(self.site, &self.disk.log, stage.net.now().ms / 1000)
    }

    /// Cosigns where the log stands.
    fn witness(&mut self, stands: &Stands, stage: &mut Stage) {
        if let Err(refusal) = self.disk.witness(stands, &stage.archive, &stage.cast) {
            stage
                .net
                .say(|| format!("    node {} does not witness: {refusal}", self.site));
            return;
        }
        let me = self.me(stage);
        let Ok(point) = me.log.check(&stands.checkpoint, me.roster) else {
            return;
        };
        let witness = Witness {
            node: me.node,
            cosignature: point.cosign(me.witness, me.seconds),
        };
        let message = Message::Witnessed(Witnessed {
            study: stands.study,
            point,
            witness,
        });
        stage.net.send_up(self.site, Up::Message(Rc::new(message)));
    }

    /// Fetches and checks the releases it missed.
    fn catch_up(&mut self, stage: &mut Stage) -> Check {
        let lies = stage.net.weather.lies;
        let caught_up = self.disk.catch_up(None, &stage.archive, &stage.cast);
        hold(lies || caught_up.is_ok(), || {
            format!("an honest release is not followed: {caught_up:?}")
        })
    }

    /// A release is in the log, and its sum is made again, before anything follows from it.
    fn absorb(&mut self, released: &Released, stage: &mut Stage) -> Check {
        let broken =
            |refusal: Refusal| Broken(format!("an honest release is not followed: {refusal}"));
        if let Err(refusal) =
            self.disk
                .sync(&released.release.checkpoint, &stage.archive, &stage.cast)
        {
            let lies = stage.net.weather.lies;
            return if lies { Ok(()) } else { Err(broken(refusal)) };
        }
        self.disk
            .absorb(released, true, &stage.archive, &stage.cast)
            .map_err(broken)?;
        self.tell_checked(released, stage);
        Ok(())
    }

    /// Says that it made the latest sum again.
    fn tell_checked(&mut self, released: &Released, stage: &mut Stage) {
        if self.disk.has_checked(released) {
            let site = &stage.cast.sites[self.site];
            stage
                .net
                .say(|| format!("    node {} made the sum again", self.site));
            let checked = Checked::sign(released.leaf_hash(), site.node, &site.key);
            stage
                .net
                .send_up(self.site, Up::Message(Rc::new(Message::Checked(checked))));
        }
    }

    fn compute(&self, stage: &mut Stage) {
        if let Some(member) = &self.member
            && member.needs_answer()
        {
            let delay = stage.net.between(1, 400);
            let plan = member.terms().plan_root();
            let (site, life) = (self.site, self.life);
            stage.net.after(delay, Event::Answered { site, life, plan });
            if stage.net.chance(stage.net.weather.repeat) {
                // A session that dialled again starts the computation again, and both end.
                let delay = stage.net.between(1, 2_000);
                stage.net.after(delay, Event::Answered { site, life, plan });
            }
        }
    }

    /// The answer is there. It differs each time it is computed: training rolls rng.
    pub fn answered(&mut self, life: u64, plan: Digest, stage: &mut Stage) -> Check {
        let due = |member: &&mut Member| member.terms().plan_root() == plan;
        let Some(member) = self.member.as_mut().filter(due) else {
            return Ok(());
        };
        if life != self.life {
            return Ok(());
        }
        let mut answer = stage.cast.answer(&mut self.rng);
        if stage.net.chance(stage.net.weather.bad_answer) {
            answer.spoil();
        }
        let me = stage
            .cast
            .me(self.site, &self.disk.log, stage.net.now().ms / 1000);
        let result = member.answered(answer.update(), &stage.cast.layout, &me, &mut self.rng);
        self.latest = Some(answer);
        match result {
            Ok(acts) => self.act(acts, stage),
            Err(refusal) => {
                stage
                    .net
                    .say(|| format!("    node {} has no answer: {refusal}", self.site));
                (self.member, self.had_no_answer) = (None, true);
                self.disk.forget(&plan);
                stage
                    .net
                    .send_up(self.site, Up::Message(Rc::new(refused(plan, &refusal))));
                Ok(())
            }
        }
    }

    /// Executes acts in order; it may stop after any of them.
    fn act(&mut self, acts: Vec<Act>, stage: &mut Stage) -> Check {
        let mut acts = VecDeque::from(acts);
        while let Some(act) = acts.pop_front() {
            let Some(plan) = self
                .member
                .as_ref()
                .map(|member| member.terms().signed().plan.clone())
            else {
                return Ok(());
            };
            self.execute(act, &plan, stage)?;
            self.acts += 1;
            if self.stops_here(stage) {
                self.stop(stage, false);
                return Ok(());
            }
        }
        Ok(())
    }

    fn stops_here(&mut self, stage: &mut Stage) -> bool {
        let scripted = stage.net.weather.script.node_stop == Some((self.site, self.acts));
        let drawn = self.stops < STOPS && stage.net.chance(stage.net.weather.node_stop);
        self.stops += u32::from(drawn);
        scripted || drawn
    }

    fn execute(&mut self, act: Act, plan: &Plan, stage: &mut Stage) -> Check {
        let root = plan.root();
        match act {
            Act::Seal(bytes) => {
                stage
                    .net
                    .say(|| format!("    node {} seals {} bytes", self.site, bytes.len()));
                self.disk.seal(root, bytes.to_vec());
            }
            Act::Store(masked) => {
                stage
                    .net
                    .say(|| format!("    node {} stores its masked answer", self.site));
                self.disk.store(root, masked);
                let answer = self
                    .latest
                    .clone()
                    .map(|answer| ((root, stage.cast.node(self.site)), answer));
                stage.archive.masked.extend(answer);
            }
            Act::Discard => self.disk.discard(&root),
            Act::Record(fact) => {
                stage
                    .net
                    .say(|| format!("    node {} records {fact:?}", self.site));
                self.pins.apply(&fact);
                self.disk.append(&fact);
            }
            Act::Tell(message) => {
                let message = self.dealt(message, stage);
                stage
                    .net
                    .say(|| format!("    node {} says `{}`", self.site, message.kind()));
                self.disk.knows(plan, &message)?;
                self.has_discarded(&message, &root, stage)?;
                stage.watch.said(self.site, plan, &message)?;
                stage.net.send_up(self.site, Up::Message(Rc::new(message)));
            }
            Act::Upload(header) => self.upload(&header, &root, stage)?,
            Act::Absorb(released) => {
                self.absorb(&released, stage)?;
            }
            Act::Forget => {
                self.disk.forget(&root);
                self.member = None;
            }
        }
        Ok(())
    }

    /// Who is left out of the set that it signs keeps no masked answer.
    fn has_discarded(&self, message: &Message, root: &Digest, stage: &Stage) -> Check {
        let left_out = stage.net.weather.script.unheard == Some(self.site)
            && matches!(message, Message::SetSign(_) | Message::RevealReply(_));
        hold(!left_out || self.disk.masked(root).is_none(), || {
            format!("node {} is left out and keeps its masked answer", self.site)
        })
    }

    /// A bad dealer signs a share that does not open.
    fn dealt(&self, message: Message, stage: &Stage) -> Message {
        let (Message::Shares(mut shares), Some((dealer, holder))) =
            (message.clone(), stage.net.weather.script.bad_share)
        else {
            return message;
        };
        if dealer != self.site {
            return message;
        }
        let holder = stage.cast.node(holder);
        for bundle in shares
            .bundles
            .iter_mut()
            .filter(|bundle| bundle.holder == holder)
        {
            bundle.sealed.ct[0] ^= 1;
        }
        let leaves: Vec<Digest> = shares.bundles.iter().map(Bundle::leaf).collect();
        let site = &stage.cast.sites[self.site];
        shares.root = SignedRoot::sign(
            "m4",
            &shares.t1,
            site.node,
            merkle::root(&leaves),
            &site.key,
        );
        Message::Shares(shares)
    }

    fn upload(&mut self, header: &Header, root: &Digest, stage: &mut Stage) -> Check {
        let stored = self
            .disk
            .masked(root)
            .is_some_and(|masked| masked.hashes() == header.chunks);
        hold(stored, || {
            format!(
                "node {} has no masked file for the header it sent",
                self.site
            )
        })?;
        stage.net.send_up(self.site, Up::Query(header.t2));
        Ok(())
    }

    /// Sends one chunk of its upload; the next follows.
    pub fn send_chunk(&mut self, life: u64, t2: Digest, index: usize, stage: &mut Stage) -> Check {
        let Some(member) = self.member.as_ref().filter(|_| life == self.life) else {
            return Ok(());
        };
        if member.header().is_none_or(|header| header.t2 != t2) {
            return Ok(());
        }
        let root = member.terms().plan_root();
        let Some(payload) = self
            .disk
            .masked(&root)
            .and_then(|masked| masked.chunks.get(index))
        else {
            return Ok(());
        };
        stage
            .watch
            .uploaded(self.site, t2, index, chunk_hash(payload))?;
        stage
            .net
            .send_up(self.site, Up::Chunk(t2, index, Rc::new(payload.clone())));
        let site = self.site;
        stage.net.after(
            1,
            Event::Chunk {
                site,
                life,
                t2,
                index: index + 1,
            },
        );
        Ok(())
    }
}
