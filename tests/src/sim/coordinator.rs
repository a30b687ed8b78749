//! The coordinator: a real `Round`, driven as the daemon drives it, with a record, a log and spools
//! that survive a stop. Whatever it tells must be what its record alone gives.

use super::cast::{Asked, STOPS, follow};
use super::checks::{Broken, Check, Claim, hold};
use super::liar::Liar;
use super::net::{Down, Event, Stage, Up};
use super::record::{Record, brief};
use super::spools::Spools;
use motet_common::checks::Due;
use motet_common::log::{Leaf, Log};
use motet_common::moment::Moment;
use motet_common::round::{Effect, Entry, Fold, Folded, Input, PhaseName, Round};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Checked, Header, Message, Released};
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// The coordinator.
pub struct Coordinator {
    // what survives a stop
    record: Option<Record>,
    log: Log,
    spools: Spools,
    /// What is due of the latest release, and who made its sum again.
    latest: Option<Due>,
    checked: BTreeMap<NodeId, Checked>,
    // what does not
    /// How far its clock is from the world's: somebody set it while it was down.
    ahead_ms: i64,
    round: Option<Round>,
    folding: Option<Fold>,
    is_up: bool,
    life: u64,
    // what the world knows of it
    liar: Liar,
    effects: usize,
    stops: u32,
    /// How often it started again.
    pub starts: u32,
    /// Sites that were lost to the present attempt, or refused it.
    pub failed: BTreeSet<usize>,
    /// The operator gave the present attempt up.
    pub abandoned: bool,
    /// A liar keeps the release of the present attempt to itself.
    pub withholds: bool,
}

impl Coordinator {
    /// A coordinator with an empty ledger.
    pub fn new(log: Log) -> Self {
        Self {
            record: None,
            log,
            spools: Spools::default(),
            latest: None,
            checked: BTreeMap::new(),
            ahead_ms: 0,
            round: None,
            folding: None,
            is_up: true,
            life: 0,
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

    /// What is written down of the present attempt.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// How many effects it has executed or stopped before.
    pub fn effects(&self) -> usize {
        self.effects
    }

    /// How the present attempt ended, once it has and everything about it is said.
    pub fn ended(&self) -> Option<PhaseName> {
        let phase = self.round.as_ref().filter(|_| self.is_up)?.phase();
        (phase >= PhaseName::Released).then_some(phase)
    }

    /// Who made the latest sum again, once there are enough of them.
    pub fn checked(&self) -> Option<Vec<Checked>> {
        let enough = self
            .latest
            .is_none_or(|due| self.checked.len() >= due.checks);
        enough.then(|| self.checked.values().cloned().collect())
    }

    /// Records a plan and opens the attempt.
    pub fn open(&mut self, asked: &Asked, rng: &mut ChaCha20Rng, stage: &mut Stage) -> Check {
        let plan = stage.cast.sign(stage.cast.plan(asked, &self.log, rng));
        stage.net.say(|| {
            let Asked {
                attempt,
                round,
                candidates,
                ..
            } = asked;
            format!(
                "attempt {attempt} at round {round} with {} sites",
                candidates.len()
            )
        });
        stage.archive.show(&self.log);
        let record = Record::new(plan, (self.now(stage), stage.net.now()), &stage.cast)?;
        (self.stops, self.folding, self.abandoned) = (0, None, false);
        self.failed.clear();
        self.spools.clear();
        self.round = Some(record.replay(&stage.cast)?);
        self.record = Some(record);
        // Nothing is awaited from those who are known to be away.
        let absent = (0..stage.cast.size()).filter(|site| !stage.net.present.contains(site));
        for site in absent.collect::<Vec<_>>() {
            self.miss(site, stage)?;
        }
        let effects = self.round.as_ref().map(Round::resume).unwrap_or_default();
        self.act(effects, stage)
    }

    /// A node's lease is over.
    pub fn miss(&mut self, site: usize, stage: &mut Stage) -> Check {
        self.failed.insert(site);
        self.input(Input::Gone(stage.cast.node(site)), stage)
    }

    /// Shows the latest release again to those who have not said that they made its sum again.
    pub fn nudge(&mut self, stage: &mut Stage) -> Check {
        let Some(round) = self
            .round
            .as_ref()
            .filter(|_| self.is_up && !self.withholds)
        else {
            return Ok(());
        };
        for node in stage
            .cast
            .nodes()
            .into_iter()
            .filter(|node| !self.checked.contains_key(node))
        {
            for message in round.pending(node) {
                let site = stage.cast.place(node);
                stage.net.send_down(site, Down::Message(Rc::new(message)));
            }
        }
        Ok(())
    }

    /// Gives the attempt up.
    pub fn abandon(&mut self, stage: &mut Stage) -> Check {
        self.abandoned = true;
        self.input(Input::Abandon, stage)
    }

    /// The record is read and the effects of the present phase are executed again.
    pub fn start(&mut self, stage: &mut Stage) -> Check {
        if self.is_up {
            return Ok(());
        }
        self.is_up = true;
        self.life += 1;
        self.starts += 1;
        stage.net.lease_all();
        let Some(record) = &self.record else {
            return Ok(());
        };
        let round = record.replay(&stage.cast)?;
        record.compare(&round, &stage.cast.nodes())?;
        // As the driver has it: its time does not go on before what is on record.
        let since = i64::try_from(round.since().ms).unwrap_or(i64::MAX);
        let least = since - i64::try_from(stage.net.now().ms).unwrap_or(i64::MAX);
        self.ahead_ms = stage.net.clock_set_to().max(least);
        stage.net.say(|| {
            format!(
                "    the coordinator starts, in phase `{}`",
                round.phase().as_str()
            )
        });
        let effects = round.resume();
        self.round = Some(round);
        self.act(effects, stage)
    }

    fn stop(&mut self, stage: &mut Stage) {
        stage.net.say(|| "    the coordinator stops".to_owned());
        (self.is_up, self.round, self.folding) = (false, None, None);
        stage.net.cut_all();
        let delay = stage.net.between(20, 1_500);
        stage.net.after(delay, Event::StartCoordinator);
    }

    /// Its own clock: the driver's runs steadily from where the wall clock, or the record, had it
    /// at the start.
    fn now(&self, stage: &Stage) -> Moment {
        Moment {
            ms: stage.net.now().ms.saturating_add_signed(self.ahead_ms),
        }
    }

    /// Something arrived from a node.
    pub fn hear(&mut self, site: usize, what: &Up, stage: &mut Stage) -> Check {
        if stage.net.chance(stage.net.weather.stray / 4) {
            self.hear_of_old_leaf(stage)?;
        }
        match what {
            Up::Message(message) => self.on_message(site, message, stage),
            Up::Query(t2) => self.on_query(site, t2, stage),
            Up::Chunk(..) if stage.net.weather.script.unheard == Some(site) => Ok(()),
            Up::Chunk(t2, index, payload) => {
                let Some(header) = self.header(site, t2, stage) else {
                    return Ok(());
                };
                self.spools.take(&header, *index, payload);
                self.if_complete(site, &header, stage)
            }
        }
    }

    fn on_message(&mut self, site: usize, message: &Message, stage: &mut Stage) -> Check {
        if let Message::Refused(refused) = message
            && let Some(round) = &self.round
            && round.terms().plan_root() == refused.plan
            && round.phase() < PhaseName::Released
        {
            self.failed.insert(site);
            let weather = &stage.net.weather;
            let disorder = weather.storm || weather.lies || weather.bad_answer > 0;
            hold(disorder || refused.code == "round_spent", || {
                format!("node {site} refused a fair plan: {}", refused.code)
            })?;
        }
        if let Message::Checked(checked) = message {
            if self
                .latest
                .is_some_and(|due| due.release == checked.release)
            {
                self.checked.insert(checked.node, checked.clone());
            }
            return Ok(());
        }
        if stage.net.weather.lies {
            self.misuse(message, stage);
        }
        self.input(
            Input::Message(stage.cast.node(site), message.clone()),
            stage,
        )
    }

    fn on_query(&mut self, site: usize, t2: &Digest, stage: &mut Stage) -> Check {
        let Some(header) = self.header(site, t2, stage) else {
            return Ok(());
        };
        if let Some(next) = self.spools.missing(&header) {
            stage.net.send_down(site, Down::Missing(*t2, next));
        }
        self.if_complete(site, &header, stage)
    }

    /// The header of a node's upload, if it is of this attempt and still awaited.
    fn header(&self, site: usize, t2: &Digest, stage: &Stage) -> Option<Header> {
        let header = self.round.as_ref()?.header(stage.cast.node(site))?;
        (header.t2 == *t2).then(|| header.clone())
    }

    fn if_complete(&mut self, site: usize, header: &Header, stage: &mut Stage) -> Check {
        if self.spools.missing(header).is_some() {
            return Ok(());
        }
        self.input(Input::Uploaded(stage.cast.node(site)), stage)
    }

    /// The log may report any leaf again.
    fn hear_of_old_leaf(&mut self, stage: &mut Stage) -> Check {
        let index = stage.net.between(0, self.log.point().size - 1);
        let logged = self.log.logged(index, 1, &stage.cast.log_key);
        logged.map_or(Ok(()), |logged| self.input(Input::Logged(logged), stage))
    }

    /// Hands an input to the round and executes what follows.
    pub fn input(&mut self, input: Input, stage: &mut Stage) -> Check {
        let now = self.now(stage);
        let Some(round) = self.round.as_mut().filter(|_| self.is_up) else {
            return Ok(());
        };
        match round.handle(input, now, &stage.cast.coordinator) {
            Ok(effects) => self.act(effects, stage)?,
            Err(refusal) => stage
                .net
                .say(|| format!("    the coordinator refuses: {refusal}")),
        }
        let site = stage.net.between(0, stage.cast.size() as u64 - 1) as usize;
        let (Some(record), Some(round)) = (&self.record, &self.round) else {
            return Ok(());
        };
        record.compare(round, &[stage.cast.node(site)])?;
        self.awaits(site, round, stage)
    }

    /// Who is connected, has something to answer and did not refuse is waited for.
    fn awaits(&self, site: usize, round: &Round, stage: &Stage) -> Check {
        let node = stage.cast.node(site);
        let refused = round.refused().iter().any(|(known, _)| *known == node);
        if !stage.net.is_up(site)
            || refused
            || round.phase() > PhaseName::Sign
            || !round.terms().is_candidate(node)
            || round.pending(node).is_empty()
        {
            return Ok(());
        }
        hold(round.awaited().contains(&node), || {
            format!("node {site} is back and nobody waits for it")
        })
    }

    /// Executes effects in order; it may stop before any of them.
    fn act(&mut self, effects: Vec<Effect>, stage: &mut Stage) -> Check {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            if self.stops_here(stage) {
                return Ok(());
            }
            match effect {
                Effect::Record(entry) => self.write(&entry, stage)?,
                Effect::Tell(node, message) => self.tell(node, message, stage)?,
                Effect::Log(leaf) => {
                    self.put(&leaf, stage);
                    if self.stops_here(stage) {
                        return Ok(());
                    }
                    queue.extend(self.logged(&leaf, stage)?);
                }
                Effect::Fold(fold) => {
                    self.folding = Some(fold);
                    let delay = stage.net.between(1, 300);
                    stage.net.after(delay, Event::Folded(self.life));
                }
                Effect::WakeAt(moment) => {
                    let due = moment.ms.saturating_add_signed(-self.ahead_ms);
                    stage.net.at(Moment { ms: due }, Event::Tick);
                }
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
        if scripted || drawn {
            self.stop(stage);
        }
        scripted || drawn
    }

    fn write(&mut self, entry: &Entry, stage: &Stage) -> Check {
        stage.net.say(|| format!("    recorded: {}", brief(entry)));
        let record = self
            .record
            .as_mut()
            .ok_or_else(|| Broken("an entry without a plan".to_owned()))?;
        record.write(entry, &stage.cast)
    }

    fn tell(&mut self, node: NodeId, message: Message, stage: &mut Stage) -> Check {
        let on_record = self
            .record
            .as_ref()
            .is_some_and(|record| record.gives(node, &message));
        hold(on_record, || {
            format!("`{}` was told before it was recorded", message.kind())
        })?;
        if self.withholds && matches!(message, Message::Released(_)) {
            return Ok(());
        }
        let site = stage.cast.place(node);
        if stage.net.weather.lies && stage.net.chance(400) {
            self.show_other_set(site, &message, stage);
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
        stage.archive.show(&self.log);
        if let Leaf::Commit(commit) = leaf {
            stage.watch.committed(commit.t3);
        }
    }

    fn logged(&mut self, leaf: &Leaf, stage: &Stage) -> Result<Vec<Effect>, Broken> {
        let index = self.log.find(&leaf.to_bytes());
        let logged = index.and_then(|index| self.log.logged(index, 1, &stage.cast.log_key));
        let logged = logged.ok_or_else(|| Broken("a leaf is not in the log".to_owned()))?;
        let now = self.now(stage);
        let Some(round) = &mut self.round else {
            return Ok(Vec::new());
        };
        round
            .handle(Input::Logged(logged), now, &stage.cast.coordinator)
            .map_err(|refusal| Broken(format!("a logged leaf was refused: {refusal}")))
    }

    /// Folds the uploads of the set, if this is still the life in which that was asked for.
    pub fn fold(&mut self, life: u64, stage: &mut Stage) -> Check {
        if !self.is_up || life != self.life {
            return Ok(());
        }
        let (Some(fold), Some(round)) = (self.folding.take(), &self.round) else {
            return Ok(());
        };
        let (shape, state) = (round.terms().shape(), round.terms().plan().state_root);
        // Given up while it was folded: what comes out is nobody's.
        let Some(t2) = round.t2() else { return Ok(()) };
        let sum = self.spools.fold(&fold, &shape, t2)?;
        let aggregate = Digest::of_file(&sum.to_bytes());
        let bytes = fold.evidence.to_bytes();
        let evidence = Digest::of_file(&bytes);
        let set = fold.evidence.set();
        let rows = (0..shape.chunks())
            .filter_map(|index| self.spools.row(t2, &set, index))
            .collect();
        stage.archive.uploads.insert(t2, rows);
        stage.archive.sums.insert(aggregate, sum);
        stage.archive.evidence.insert(evidence, bytes);
        let state_root = follow(&state, &aggregate);
        self.input(
            Input::Folded(Folded {
                aggregate,
                evidence,
                state_root,
            }),
            stage,
        )
    }

    fn publish(&mut self, released: &Released, stage: &mut Stage) -> Check {
        stage
            .net
            .say(|| format!("    the sum of {} sites is public", released.set.len()));
        let record = self
            .record
            .as_ref()
            .ok_or_else(|| Broken("a release without a plan".to_owned()))?;
        let (plan, archive) = (record.plan(), &mut stage.archive);
        let sum = archive.sums.get(&released.aggregate);
        let sum = sum.ok_or_else(|| Broken("the released sum is nowhere".to_owned()))?;
        let root = plan.root();
        let answer = |node: &NodeId| Some((*node, archive.masked.get(&(root, *node))?.clone()));
        let answers = released.set.iter().filter_map(answer).collect();
        let dealers = record.closed(1).unwrap_or_default();
        stage.watch.released(
            &stage.cast,
            &Claim {
                plan,
                released,
                sum,
                dealers,
                answers,
            },
        )?;
        let due = stage.cast.due(released, plan.candidates.len());
        if self.latest != Some(due) {
            self.latest = Some(due);
            self.checked.clear();
        }
        if !self.withholds {
            archive.releases.insert(plan.state_root, released.clone());
        }
        Ok(())
    }

    /// A liar asks everybody to open whatever has found enough signatures.
    fn misuse(&mut self, message: &Message, stage: &mut Stage) {
        let (Message::SetSign(signed), Some(record)) = (message, &self.record) else {
            return;
        };
        let Some(request) = self.liar.hear(signed, usize::from(record.plan().threshold)) else {
            return;
        };
        for site in 0..stage.cast.size() {
            stage
                .net
                .send_down(site, Down::Message(Rc::new(request.clone())));
        }
    }

    /// A liar shows a node another set before the one it committed.
    fn show_other_set(&self, site: usize, message: &Message, stage: &mut Stage) {
        let (Message::Proposal(honest), Some(record)) = (message, &self.record) else {
            return;
        };
        let Stage {
            net, cast, archive, ..
        } = stage;
        let Some(other) = self.liar.other_set(
            honest,
            record.plan(),
            &self.log,
            cast,
            &mut net.rng,
            archive,
        ) else {
            return;
        };
        stage
            .net
            .say(|| format!("    shows node {site} another set"));
        stage.net.send_down(site, Down::Message(Rc::new(other)));
    }

    /// A liar shows a node another plan for the same question.
    pub fn show_other_plan(&mut self, site: usize, stage: &mut Stage) {
        let Some(record) = &self.record else { return };
        let other = Liar::other_plan(record.plan(), &stage.cast, &mut stage.net.rng);
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
}
