//! The coordinator: a real `Round`, driven as the daemon drives it, with a ledger, a log and spools that survive a stop.
//! Beside it a shadow is fed with nothing but what was recorded; whatever is told must be the shadow's word.

use super::cast::{Asked, PHASE_MS, follow};
use super::checks::{Broken, Check, Claim, hold};
use super::liar::Liar;
use super::net::{Down, Event, Stage, Up};
use motet_common::log::{Leaf, Log};
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::round::{Closed, Effect, Entry, Fold, Folded, Input, PhaseName, Round, Terms};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, fold_chunk};
use motet_secagg::id::NodeId;
use motet_secagg::mask::chunk_hash;
use motet_secagg::message::{Message, Plan, Released, SignedPlan};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// The coordinator is not stopped by the dice more often than this in one attempt.
const STOPS: u32 = 3;

/// What the ledger holds of one attempt.
struct Recorded {
    plan: SignedPlan,
    at: Moment,
    entries: Vec<Vec<u8>>,
}

/// The coordinator.
pub struct Coordinator {
    // what survives a stop
    recorded: Option<Recorded>,
    log: Log,
    spools: BTreeMap<(Digest, NodeId), BTreeMap<usize, Rc<Vec<u8>>>>,
    // what does not
    round: Option<Round>,
    folding: Option<Fold>,
    is_up: bool,
    life: u64,
    // what the world knows of it
    shadow: Option<Round>,
    closed: Vec<Closed>,
    liar: Liar,
    effects: usize,
    stops: u32,
    /// How often it started again.
    pub starts: u32,
    /// Sites that were lost to the present attempt, or refused it.
    pub failed: BTreeSet<usize>,
    /// The operator gave the present attempt up.
    pub abandoned: bool,
    /// Set by the world that lies: what nodes are told about the release.
    pub withholds: bool,
}

impl Coordinator {
    /// A coordinator with an empty ledger.
    pub fn new(log: Log) -> Self {
        Self {
            recorded: None,
            log,
            spools: BTreeMap::new(),
            round: None,
            folding: None,
            is_up: true,
            life: 0,
            shadow: None,
            closed: Vec::new(),
            liar: Liar::default(),
            effects: 0,
            stops: 0,
            starts: 0,
            failed: BTreeSet::new(),
            abandoned: false,
            withholds: false,
        }
    }

    /// Whether it runs.
    pub fn is_up(&self) -> bool {
        self.is_up
    }

    /// The study's log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// How many effects it has executed or stopped before.
    pub fn effects(&self) -> usize {
        self.effects
    }

    /// The plan of the present attempt.
    pub fn plan(&self) -> Option<&Plan> {
        self.recorded.as_ref().map(|recorded| &recorded.plan.plan)
    }

    /// How the present attempt ended, once it has and everything about it is said.
    pub fn ended(&self) -> Option<PhaseName> {
        let phase = self.round.as_ref().filter(|_| self.is_up)?.phase();
        (phase >= PhaseName::Released).then_some(phase)
    }

    /// Whether nodes may have masked something in the present attempt.
    pub fn reached_upload(&self) -> bool {
        self.closed.len() >= 2
    }

    /// Whether shares may have been opened in the present attempt.
    pub fn reached_reveal(&self) -> bool {
        self.closed.len() >= 4
    }

    /// What the present attempt released.
    pub fn released(&self) -> Option<Released> {
        let round = self.shadow.as_ref()?;
        let node = *round.terms().plan().candidates.first()?;
        round.pending(node).into_iter().find_map(|message| match message {
            Message::Released(released) => Some(released),
            _ => None,
        })
    }

    /// Records a plan and opens the attempt.
    pub fn open(&mut self, asked: &Asked, dice: &mut ChaCha20Rng, stage: &mut Stage) -> Check {
        let plan = stage.cast.sign(stage.cast.plan(asked, &self.log, dice));
        let at = stage.net.now();
        stage.net.say(|| {
            format!(
                "attempt {} at round {} with {} sites",
                asked.attempt,
                asked.round,
                asked.candidates.len()
            )
        });
        self.recorded = Some(Recorded {
            plan,
            at,
            entries: Vec::new(),
        });
        (self.stops, self.folding, self.abandoned) = (0, None, false);
        self.closed.clear();
        self.failed.clear();
        self.spools.clear();
        self.shadow = Some(self.empty_round(stage)?);
        self.round = Some(self.empty_round(stage)?);
        self.miss_absent(stage)?;
        let effects = self.round.as_ref().map(Round::resume).unwrap_or_default();
        self.act(effects, stage)
    }

    fn empty_round(&self, stage: &Stage) -> Result<Round, Broken> {
        let recorded = self
            .recorded
            .as_ref()
            .ok_or_else(|| Broken("no attempt is recorded".to_owned()))?;
        let terms = Terms::new(recorded.plan.clone(), &stage.cast.roster);
        let terms = terms.map_err(|refusal| Broken(refusal.to_string()))?;
        Ok(Round::open(terms, recorded.at))
    }

    /// Nothing is awaited from those who are known to be away.
    fn miss_absent(&mut self, stage: &mut Stage) -> Check {
        let absent = (0..stage.cast.size()).filter(|site| !stage.net.present.contains(site));
        for site in absent.collect::<Vec<_>>() {
            self.miss(site, stage)?;
        }
        Ok(())
    }

    /// A node's lease is over.
    pub fn miss(&mut self, site: usize, stage: &mut Stage) -> Check {
        self.failed.insert(site);
        self.input(Input::Gone(stage.cast.node(site)), stage)
    }

    /// The ledger is read and the effects of the present phase are executed again.
    pub fn start(&mut self, stage: &mut Stage) -> Check {
        if self.is_up {
            return Ok(());
        }
        self.is_up = true;
        self.life += 1;
        self.starts += 1;
        stage.net.lease_all();
        if self.recorded.is_none() {
            return Ok(());
        }
        let mut round = self.empty_round(stage)?;
        let entries = self.recorded.iter().flat_map(|recorded| &recorded.entries);
        for bytes in entries {
            let entry = Entry::from_bytes(bytes).map_err(|error| Broken(error.to_string()))?;
            let applied = round.apply(entry, &stage.cast.coordinator);
            applied.map_err(|refusal| Broken(format!("the record cannot be replayed: {refusal}")))?;
        }
        stage.net.say(|| {
            format!(
                "    the coordinator starts, in phase `{}`",
                round.phase().as_str()
            )
        });
        let effects = round.resume();
        self.round = Some(round);
        self.compare(stage, &(0..stage.cast.size()).collect::<Vec<_>>())?;
        self.act(effects, stage)
    }

    fn stop(&mut self, stage: &mut Stage) {
        stage.net.say(|| "    the coordinator stops".to_owned());
        (self.is_up, self.round, self.folding) = (false, None, None);
        stage.net.cut_all();
        let delay = stage.net.between(20, 1_500);
        stage.net.after(delay, Event::StartCoordinator);
    }

    /// Something arrived from a node.
    pub fn hear(&mut self, site: usize, what: &Up, stage: &mut Stage) -> Check {
        if stage.net.chance(stage.net.weather.stray / 4) {
            self.hear_of_old_leaf(stage)?;
        }
        match what {
            Up::Message(message) => self.on_message(site, message, stage),
            Up::Query(t2) => self.on_query(site, t2, stage),
            Up::Chunk(t2, index, payload) => self.on_chunk(site, *t2, *index, payload, stage),
        }
    }

    /// The log may report any leaf again.
    fn hear_of_old_leaf(&mut self, stage: &mut Stage) -> Check {
        let index = stage.net.between(0, self.log.point().size - 1);
        let logged = self.log.logged(index, 1, &stage.cast.coordinator);
        logged.map_or(Ok(()), |logged| self.input(Input::Logged(logged), stage))
    }

    fn on_message(&mut self, site: usize, message: &Message, stage: &mut Stage) -> Check {
        let node = stage.cast.node(site);
        if let Message::Refused(refused) = message
            && let Some(round) = self
                .round
                .as_ref()
                .filter(|round| round.terms().plan_root() == refused.plan)
            && round.phase() < PhaseName::Released
        {
            self.failed.insert(site);
            let calm = !stage.net.weather.storm && !stage.net.weather.lies;
            let fair = ["input_refused", "round_spent"].contains(&refused.code.as_str());
            hold(!calm || fair || stage.net.weather.bad_answer > 0, || {
                format!("node {site} refused a fair plan: {}", refused.code)
            })?;
        }
        if stage.net.weather.lies
            && let Message::SetSign(signed) = message
            && let Some(threshold) = self.plan().map(|plan| usize::from(plan.threshold))
            && let Some(request) = self.liar.hear(signed, threshold)
        {
            for site in 0..stage.cast.size() {
                stage.net.send_down(site, Down::Message(Rc::new(request.clone())));
            }
        }
        self.input(Input::Message(node, message.clone()), stage)
    }

    /// Shows a node another plan for the same question.
    pub fn other_plan(&mut self, site: usize, stage: &mut Stage) {
        let Some(recorded) = &self.recorded else { return };
        let other = Liar::other_plan(&recorded.plan.plan, &stage.cast, &mut stage.net.dice);
        stage.net.say(|| {
            format!(
                "    shows node {site} another plan, attempt {}",
                other.plan.attempt
            )
        });
        stage
            .net
            .send_down(site, Down::Message(Rc::new(Message::Plan(other))));
    }

    fn on_query(&mut self, site: usize, t2: &Digest, stage: &mut Stage) -> Check {
        let node = stage.cast.node(site);
        let Some(header) = self.round.as_ref().and_then(|round| round.header(node)) else {
            return Ok(());
        };
        if header.t2 != *t2 {
            return Ok(());
        }
        let spool = self.spools.entry((*t2, node)).or_default();
        match (0..header.chunks.len()).find(|index| !spool.contains_key(index)) {
            Some(next) => {
                stage.net.send_down(site, Down::Missing(*t2, next));
                Ok(())
            }
            None => self.input(Input::Uploaded(node), stage),
        }
    }

    fn on_chunk(
        &mut self,
        site: usize,
        t2: Digest,
        index: usize,
        payload: &Rc<Vec<u8>>,
        stage: &mut Stage,
    ) -> Check {
        let node = stage.cast.node(site);
        let Some(header) = self.round.as_ref().and_then(|round| round.header(node)) else {
            return Ok(());
        };
        if header.t2 != t2 || header.chunks.get(index) != Some(&chunk_hash(payload)) {
            return Ok(());
        }
        let spool = self.spools.entry((t2, node)).or_default();
        spool.insert(index, Rc::clone(payload));
        if spool.len() < header.chunks.len() {
            return Ok(());
        }
        self.input(Input::Uploaded(node), stage)
    }

    /// Hands an input to the round and executes what follows.
    pub fn input(&mut self, input: Input, stage: &mut Stage) -> Check {
        let Some(round) = self.round.as_mut().filter(|_| self.is_up) else {
            return Ok(());
        };
        let now = stage.net.now();
        match round.handle(input, now, &stage.cast.coordinator) {
            Ok(effects) => self.act(effects, stage)?,
            Err(refusal) => stage
                .net
                .say(|| format!("    the coordinator refuses: {refusal}")),
        }
        let site = stage.net.between(0, stage.cast.size() as u64 - 1) as usize;
        self.compare(stage, &[site])
    }

    /// The live round and the replay of its record say the same.
    fn compare(&self, stage: &Stage, sites: &[usize]) -> Check {
        let (Some(live), Some(shadow)) = (&self.round, &self.shadow) else {
            return Ok(());
        };
        let open = live.phase() < PhaseName::Released;
        let same = live.phase() == shadow.phase()
            && live.t2() == shadow.t2()
            && live.refused() == shadow.refused()
            && (!open || live.deadline() == shadow.deadline());
        hold(same, || {
            format!(
                "the record gives phase `{}`, the round is in `{}`",
                shadow.phase().as_str(),
                live.phase().as_str()
            )
        })?;
        let told = |site: &usize| {
            let node = stage.cast.node(*site);
            live.pending(node) == shadow.pending(node) && live.header(node) == shadow.header(node)
        };
        hold(sites.iter().all(told), || {
            "the round has something to say that its record does not give".to_owned()
        })
    }

    /// Executes effects in order; it may stop before any of them.
    fn act(&mut self, effects: Vec<Effect>, stage: &mut Stage) -> Check {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            if self.stops_here(stage) {
                self.stop(stage);
                return Ok(());
            }
            match effect {
                Effect::Record(entry) => self.record(entry, stage)?,
                Effect::Tell(node, message) => self.tell(node, message, stage)?,
                Effect::Log(leaf) => {
                    self.put(&leaf, stage);
                    if self.stops_here(stage) {
                        self.stop(stage);
                        return Ok(());
                    }
                    queue.extend(self.logged(&leaf, stage)?);
                }
                Effect::Fold(fold) => {
                    self.folding = Some(fold);
                    let delay = stage.net.between(1, 300);
                    stage.net.after(delay, Event::Folded(self.life));
                }
                Effect::WakeAt(moment) => stage.net.at(moment, Event::Tick),
                Effect::Publish(released) => self.publish(&released, stage)?,
                Effect::End(code) => stage
                    .net
                    .say(|| format!("    the attempt ends: {}", code.as_str())),
            }
        }
        Ok(())
    }

    fn stops_here(&mut self, stage: &mut Stage) -> bool {
        let scripted = stage.net.weather.script.coordinator_stop == Some(self.effects);
        let drawn = self.stops < STOPS && stage.net.chance(stage.net.weather.coordinator_stop);
        self.effects += 1;
        self.stops += u32::from(drawn);
        scripted || drawn
    }

    fn record(&mut self, entry: Entry, stage: &mut Stage) -> Check {
        let bytes = entry.to_bytes();
        let entry = Entry::from_bytes(&bytes).map_err(|error| Broken(error.to_string()))?;
        stage.net.say(|| format!("    recorded: {}", brief(&entry)));
        if let Entry::Closed(closed) = &entry {
            self.closed.push(closed.clone());
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.entries.push(bytes);
        }
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let applied = shadow.apply(entry, &stage.cast.coordinator);
        applied.map_err(|refusal| Broken(format!("a recorded entry cannot be applied: {refusal}")))
    }

    fn tell(&mut self, node: NodeId, message: Message, stage: &mut Stage) -> Check {
        let derivable = self
            .shadow
            .as_ref()
            .is_some_and(|shadow| shadow.pending(node).contains(&message));
        hold(derivable, || {
            format!("`{}` was told before it was recorded", message.kind())
        })?;
        if self.withholds && matches!(message, Message::Released(_)) {
            return Ok(());
        }
        let site = stage.cast.place(node);
        if stage.net.weather.lies
            && stage.net.chance(400)
            && let Message::Proposal(honest) = &message
            && let Some(plan) = self.recorded.as_ref().map(|recorded| &recorded.plan.plan)
            && let Some(lie) = self
                .liar
                .other_set(honest, plan, &self.log, &stage.cast, &mut stage.net.dice)
        {
            stage.net.say(|| format!("    shows node {site} another set"));
            stage.net.send_down(site, Down::Message(Rc::new(lie)));
        }
        stage
            .net
            .say(|| format!("    tells node {site} `{}`", message.kind()));
        stage.net.send_down(site, Down::Message(Rc::new(message)));
        Ok(())
    }

    fn put(&mut self, leaf: &Leaf, stage: &mut Stage) {
        let bytes = leaf.to_bytes();
        if self.log.find(&bytes).is_none() {
            self.log.push(bytes);
        }
        if let Leaf::Commit(commit) = leaf {
            stage.watch.committed(commit.t3);
        }
    }

    fn logged(&mut self, leaf: &Leaf, stage: &Stage) -> Result<Vec<Effect>, Broken> {
        let index = self.log.find(&leaf.to_bytes());
        let logged = index.and_then(|index| self.log.logged(index, 1, &stage.cast.coordinator));
        let logged = logged.ok_or_else(|| Broken("a leaf is not in the log".to_owned()))?;
        let Some(round) = &mut self.round else {
            return Ok(Vec::new());
        };
        round
            .handle(Input::Logged(logged), stage.net.now(), &stage.cast.coordinator)
            .map_err(|refusal| Broken(format!("a logged leaf was refused: {refusal}")))
    }

    /// Folds the uploads of the set, chunk by chunk.
    pub fn fold(&mut self, life: u64, stage: &mut Stage) -> Check {
        if !self.is_up || life != self.life {
            return Ok(());
        }
        let Some(fold) = self.folding.take() else {
            return Ok(());
        };
        let Some(round) = &self.round else { return Ok(()) };
        let (shape, t2, state) = (round.terms().shape(), round.t2(), round.terms().plan().state_root);
        let t2 = t2.ok_or_else(|| Broken("a fold before the uploads".to_owned()))?;
        let sites = u32::try_from(fold.set.len()).unwrap_or(u32::MAX);
        let mut words = Vec::new();
        for index in 0..shape.chunks() {
            let spooled = |node: &NodeId| Some(self.spools.get(&(t2, *node))?.get(&index)?.as_slice());
            let payloads = fold.set.iter().map(spooled).collect::<Option<Vec<_>>>();
            let payloads =
                payloads.ok_or_else(|| Broken("a set holds an upload that is not complete".to_owned()))?;
            let chunk = fold_chunk(&shape, index, &payloads, &fold.removals, sites);
            words.extend(chunk.map_err(|error| Broken(error.to_string()))?);
        }
        let sum = Aggregate {
            ring: shape.ring,
            words,
        };
        let aggregate = sum.digest("aggregate");
        stage.archive.sums.insert(aggregate, sum);
        let state_root = follow(&state, &aggregate);
        self.input(
            Input::Folded(Folded {
                aggregate,
                state_root,
            }),
            stage,
        )
    }

    fn publish(&mut self, released: &Released, stage: &mut Stage) -> Check {
        stage
            .net
            .say(|| format!("    the sum of {} sites is public", released.set.len()));
        let plan = self
            .plan()
            .cloned()
            .ok_or_else(|| Broken("a release without a plan".to_owned()))?;
        let dealers = self
            .closed
            .get(1)
            .map(|closed| closed.nodes.clone())
            .unwrap_or_default();
        let sum = stage.archive.sums.get(&released.aggregate);
        let sum = sum
            .cloned()
            .ok_or_else(|| Broken("the released sum is nowhere".to_owned()))?;
        let answers = released
            .set
            .iter()
            .filter_map(|node| Some((*node, stage.archive.masked.get(&(plan.root(), *node))?.clone())));
        let answers = answers.collect();
        let claim = Claim {
            plan: &plan,
            released,
            sum: &sum,
            dealers: &dealers,
            answers,
        };
        stage.watch.released(&stage.cast, &claim)?;
        if !self.withholds {
            stage.archive.releases.insert(plan.state_root, released.clone());
        }
        Ok(())
    }

    /// All phases are over by then, however often it stopped.
    pub fn patience(&self) -> u64 {
        let opened = self.recorded.as_ref().map_or(0, |recorded| recorded.at.ms);
        opened + super::cast::ATTEMPT_MS + 2 * u64::from(PHASE_MS)
    }

    /// Gives the attempt up.
    pub fn abandon(&mut self, stage: &mut Stage) -> Check {
        self.abandoned = true;
        self.input(Input::Abandon, stage)
    }

    /// The code under which the present attempt was abandoned.
    pub fn code(&self) -> Option<Code> {
        let recorded = self.recorded.as_ref()?;
        recorded
            .entries
            .iter()
            .find_map(|bytes| match Entry::from_bytes(bytes) {
                Ok(Entry::Abandoned(code)) => Code::parse(&code),
                _ => None,
            })
    }
}

fn brief(entry: &Entry) -> String {
    match entry {
        Entry::Heard(heard) => format!("`{}` of {}", heard.message.kind(), heard.node),
        Entry::Uploaded(node) => format!("the upload of {node}"),
        Entry::Closed(closed) => format!("a phase closed with {} nodes", closed.nodes.len()),
        Entry::Committed(_) => "the set is committed".to_owned(),
        Entry::Folded(_) => "the sum".to_owned(),
        Entry::Released(_) => "released".to_owned(),
        Entry::Abandoned(code) => format!("abandoned: {code}"),
    }
}
