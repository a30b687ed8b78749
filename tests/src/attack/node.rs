//! A hospital under attack: a real `Member` behind the node's own doors, with a disk that survives
//! being killed after any act.

use crate::sim::cast::{Archive, Cast};
use crate::sim::disk::Disk;
use motet_common::log::Mirror;
use motet_common::opening::Opening;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Act, Kept, Me, Member, Sets};
use motet_common::round::pins::Pins;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::layout::ClearUpdate;
use motet_secagg::message::{
    Checked, Message, Plan, Released, SignedPlan, Stands, Witness, Witnessed,
};
use rand_chacha::ChaCha20Rng;
use std::collections::VecDeque;

/// Who else there is: what the coordinator keeps for everybody, and the cast.
pub struct Scene<'a> {
    /// Keys, roster, question.
    pub cast: &'a Cast,
    /// What can be fetched.
    pub archive: &'a Archive,
}

/// One hospital's node.
pub struct Node {
    site: usize,
    rng: ChaCha20Rng,
    /// What it keeps over a stop.
    pub disk: Disk,
    pins: Pins,
    member: Option<Member>,
    /// Its answer: weight and values. Each computation rolls rng unless it is fixed here.
    pub answer: Option<(u32, Vec<f64>)>,
    /// Everything it ever said, over all its lives.
    pub said: Vec<Message>,
    /// The name of every act it ever executed.
    pub acts: Vec<&'static str>,
    /// It is killed after that many more acts.
    pub killed_after: Option<usize>,
    /// The sites of the previous sum.
    pub previous: Vec<NodeId>,
    /// How many of them may have left.
    pub may_leave: usize,
    /// The sets of other studies over the same data.
    pub beside: Vec<Opening>,
    /// It has written its own report.
    pub has_report: bool,
}

impl Node {
    /// A node that has seen nothing yet.
    pub fn new(site: usize, state: Digest, log: Mirror, rng: ChaCha20Rng) -> Self {
        Self {
            site,
            rng,
            disk: Disk::new(state, log),
            pins: Pins::default(),
            member: None,
            answer: None,
            said: Vec::new(),
            acts: Vec::new(),
            killed_after: None,
            previous: Vec::new(),
            may_leave: 0,
            beside: Vec::new(),
            has_report: false,
        }
    }

    /// Takes one message of the coordinator; gives what is said to it.
    ///
    /// # Errors
    /// The node's refusal: then it said nothing but, for a plan, the coarse code.
    pub fn hear(&mut self, message: &Message, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        match message {
            Message::Plan(plan)
                if self
                    .member
                    .as_ref()
                    .is_none_or(|m| m.terms().signed() != plan) =>
            {
                self.join(plan, scene)
            }
            Message::Proposal(proposal) => {
                self.disk
                    .sync(&proposal.commit.checkpoint, scene.archive, scene.cast)?;
                self.handle(message, scene)
            }
            Message::Stands(stands) => self.witness(stands, scene),
            Message::Released(released) if self.member.is_none() => {
                self.disk
                    .sync(&released.release.checkpoint, scene.archive, scene.cast)?;
                self.disk
                    .catch_up(Some(&released.state_root), scene.archive, scene.cast)?;
                let from = self.said.len();
                self.tell_checked(released, scene);
                Ok(self.said[from..].to_vec())
            }
            _ => self.handle(message, scene),
        }
    }

    /// Cosigns where the log stands; at the end of a study its own report is written before that is
    /// told.
    fn witness(&mut self, stands: &Stands, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        self.disk.witness(stands, scene.archive, scene.cast)?;
        let me = self.me(scene.cast);
        let point = me.log.check(&stands.checkpoint, me.roster)?;
        let witness = Witness {
            node: me.node,
            cosignature: point.cosign(me.witness, me.seconds),
        };
        self.has_report = self
            .disk
            .latest
            .is_some_and(|latest| latest.may_be_used().is_ok());
        let said = vec![Message::Witnessed(Witnessed {
            study: stands.study,
            point,
            witness,
        })];
        self.said.extend(said.clone());
        Ok(said)
    }

    fn join(&mut self, signed: &SignedPlan, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        self.disk
            .sync(&signed.plan.checkpoint, scene.archive, scene.cast)?;
        let open = self.member.as_ref().map(|member| member.terms().plan());
        let me = self.me(scene.cast);
        let terms = self.disk.admit(signed, open, &self.pins, scene.cast, &me)?;
        // Joining this attempt ends every earlier one.
        self.disk.forget_all();
        self.member = Some(Member::new(terms));
        self.compute(scene)
    }

    /// Computes the answer, again where it was computed before.
    ///
    /// # Errors
    /// `input_refused`.
    pub fn compute(&mut self, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        let Some(mut member) = self.member.take() else {
            return Ok(Vec::new());
        };
        let update = match &self.answer {
            Some((weight, values)) => ClearUpdate::new(*weight, values.clone()),
            None => scene.cast.answer(&mut self.rng).update(),
        };
        let mut rng = self.rng.clone();
        let done = member.answered(update, &scene.cast.layout, &self.me(scene.cast), &mut rng);
        (self.rng, self.member) = (rng, Some(member));
        let acts = done?;
        self.act(acts, scene)
    }

    fn handle(&mut self, message: &Message, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        let mut member = self.member.take().ok_or(Code::WrongPhase)?;
        let mut rng = self.rng.clone();
        let done = member.handle(message, &self.me(scene.cast), &mut rng);
        (self.rng, self.member) = (rng, Some(member));
        let acts = done?;
        self.act(acts, scene)
    }

    fn me<'a>(&'a self, cast: &'a Cast) -> Me<'a> {
        let sets = Sets {
            previous: &self.previous,
            may_leave: self.may_leave,
            beside: &self.beside,
            least: 3,
        };
        Me {
            sets,
            ..cast.me(self.site, &self.disk.log, 1_700_000_000)
        }
    }

    fn act(&mut self, acts: Vec<Act>, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        let mut acts = VecDeque::from(acts);
        let from = self.said.len();
        while let Some(act) = acts.pop_front() {
            self.execute(act, scene)?;
            if let Some(left) = &mut self.killed_after {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.killed_after = None;
                    self.restart(scene.cast);
                    break;
                }
            }
        }
        Ok(self.said[from..].to_vec())
    }

    fn execute(&mut self, act: Act, scene: &Scene<'_>) -> Result<(), Refusal> {
        let Some(member) = &self.member else {
            return Ok(());
        };
        let root = member.terms().plan_root();
        let plan = member.terms().plan().clone();
        match act {
            Act::Seal(bytes) => {
                self.acts.push("seal");
                self.disk.seal(root, bytes.to_vec());
            }
            Act::Store(masked) => {
                self.acts.push("store");
                self.disk.store(root, masked);
            }
            Act::Discard => {
                self.acts.push("discard");
                self.disk.discard(&root);
            }
            Act::Record(fact) => {
                self.acts.push("record");
                self.pins.apply(&fact);
                self.disk.append(&fact);
            }
            Act::Tell(message) => {
                self.acts.push("tell");
                self.disk
                    .knows(&plan, &message)
                    .expect("what is said stands in the ledger before");
                self.said.push(message);
            }
            Act::Upload(_) => self.acts.push("upload"),
            Act::Absorb(released) => {
                self.acts.push("absorb");
                return self.absorb(&released, scene);
            }
            Act::Forget => {
                self.acts.push("forget");
                self.disk.forget(&root);
                self.member = None;
            }
        }
        Ok(())
    }

    fn absorb(&mut self, released: &Released, scene: &Scene<'_>) -> Result<(), Refusal> {
        self.disk
            .sync(&released.release.checkpoint, scene.archive, scene.cast)?;
        self.disk
            .absorb(released, true, scene.archive, scene.cast)?;
        self.tell_checked(released, scene);
        Ok(())
    }

    fn tell_checked(&mut self, released: &Released, scene: &Scene<'_>) {
        if self.disk.has_checked(released) {
            let site = &scene.cast.sites[self.site];
            self.said.push(Message::Checked(Checked::sign(
                released.leaf_hash(),
                site.node,
                &site.key,
            )));
            self.previous.clone_from(&released.set);
        }
    }

    /// Killed and started again: only the disk is left.
    pub fn restart(&mut self, cast: &Cast) {
        self.member = None;
        (self.pins, self.member) = self.disk.wake(cast).expect("what was sealed can be read");
    }

    /// Its member says again what it last owed; where the answer was lost with the memory, it is
    /// computed again.
    ///
    /// # Errors
    /// `input_refused`.
    pub fn resume(&mut self, scene: &Scene<'_>) -> Result<Vec<Message>, Refusal> {
        match &self.member {
            Some(member) if member.needs_answer() => self.compute(scene),
            Some(member) => {
                let acts = member.say_again();
                self.act(acts, scene)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The plan of the attempt under way.
    pub fn plan(&self) -> Option<&Plan> {
        self.member.as_ref().map(|member| member.terms().plan())
    }

    /// What the vault holds of an attempt.
    pub fn kept(&self, plan: &Digest) -> Option<Kept> {
        self.disk
            .vault(plan)
            .map(|bytes| Kept::from_bytes(bytes).expect("the vault's own bytes"))
    }

    /// A lying hospital writes another vault and starts from it.
    pub fn tamper(&mut self, cast: &Cast, change: impl FnOnce(&mut Kept)) {
        let root = self
            .member
            .as_ref()
            .expect("an attempt under way")
            .terms()
            .plan_root();
        let mut kept = self.kept(&root).expect("a sealed attempt");
        change(&mut kept);
        self.disk.seal(root, kept.to_bytes().to_vec());
        self.restart(cast);
    }

    /// Whether these bytes stand anywhere in the vault.
    pub fn keeps(&self, plan: &Digest, bytes: &[u8]) -> bool {
        self.disk
            .vault(plan)
            .is_some_and(|vault| vault.windows(bytes.len()).any(|part| part == bytes))
    }
}
