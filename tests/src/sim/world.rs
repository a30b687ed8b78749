//! One world: rounds with up to three attempts each, and what is promised about how they end.

use super::cast::{Asked, Cast, below};
use super::checks::{Broken, Check, Watch, hold};
use super::coordinator::Coordinator;
use super::net::{Event, Net, Script, Stage, Weather};
use super::node::Node;
use super::record::Record;
use motet_common::refusal::Code;
use motet_common::round::{Input, PhaseName};
use motet_secagg::digest::Digest;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::Ring;
use motet_secagg::message::Checked;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Attempts at one question.
pub const ATTEMPTS: u32 = 3;
/// Between attempts and rounds what is under way goes on for this long.
const PAUSE_MS: u64 = 2_000;
/// Pauses in which the sites of a round come back to make its sum again.
const PATIENCE: u64 = 50;

/// What a world is made of.
pub struct Setup {
    /// Sites.
    pub size: usize,
    /// Ring of the vectors.
    pub ring: Ring,
    /// Chunks of the size that nodes insist on when they admit a plan; tiny ones otherwise.
    pub real_chunks: bool,
    /// Questions asked.
    pub rounds: u64,
    /// What goes wrong.
    pub weather: Weather,
    /// How likely a site is to die in an attempt, in thousandths.
    pub doom: u64,
    /// Sites of the roster that are not in the line-up: they witness the log.
    pub outside: usize,
}

/// What happened in a world.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Questions asked.
    pub rounds: u64,
    /// Attempts made.
    pub attempts: u64,
    /// Questions whose sum was released.
    pub released: u64,
    /// Sums with fewer sites than the line-up had.
    pub smaller: u64,
    /// Sums that took more than one attempt.
    pub later: u64,
    /// Attempts that ended without a sum.
    pub abandoned: u64,
    /// Attempts whose release was promised, because no more sites failed than may.
    pub promised: u64,
    /// Nodes that started again.
    pub node_starts: u64,
    /// Coordinators that started again.
    pub coordinator_starts: u64,
    /// Acts of all nodes.
    pub acts: usize,
    /// Effects of the coordinator.
    pub effects: usize,
}

/// A coordinator, its nodes, and what is between them.
pub struct World {
    stage: Stage,
    nodes: Vec<Node>,
    coordinator: Coordinator,
    rng: ChaCha20Rng,
    setup: Setup,
    state: Digest,
    tally: Tally,
    /// How the latest attempt ended.
    ends: Vec<PhaseName>,
}

impl Setup {
    /// No faults at all.
    pub fn calm(size: usize) -> Self {
        let weather = Weather::default();
        Self {
            size,
            ring: Ring::Bits32,
            real_chunks: false,
            rounds: 1,
            weather,
            doom: 0,
            outside: 0,
        }
    }

    /// Whatever the seed draws.
    pub fn drawn(rng: &mut ChaCha20Rng) -> Self {
        // Work grows with the square of the sites: most worlds are small, and one in five hundred
        // is large.
        let size = match below(rng, 1000) {
            0..720 => 3,
            720..890 => 4,
            890..945 => 5,
            945..975 => 6,
            975..985 => 7,
            985..993 => 8,
            993..998 => 9,
            _ => 10 + below(rng, 31) as usize,
        };
        let mut one_of = |choices: &[u64]| choices[below(rng, choices.len() as u64) as usize];
        let kind = one_of(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 2]);
        let mut weather = Weather {
            loss: one_of(&[0, 0, 5, 20, 40]),
            repeat: one_of(&[0, 0, 60]),
            stray: one_of(&[0, 30, 120]),
            node_stop: one_of(&[0, 10, 40]),
            coordinator_stop: one_of(&[0, 4, 12]),
            clock_set: 0,
            bad_answer: one_of(&[0, 0, 0, 40]),
            abandon: one_of(&[0, 0, 0, 100]),
            storm: kind == 1,
            lies: kind == 2,
            script: Script::default(),
        };
        let doom = one_of(&[0, 0, 60, 120, 250]);
        let rings = [
            Ring::Bits32,
            Ring::Bits64,
            Ring::Bits32,
            Ring::Bits64,
            Ring::Bits16,
            Ring::Bits20,
            Ring::Bits24,
        ];
        let ring = rings[one_of(&[0, 1, 2, 3, 4, 5, 6]) as usize];
        let real_chunks = one_of(&[0, 0, 1]) == 1;
        // Drawn last: the worlds of older seeds stay what they were where no clock is set.
        weather.clock_set = one_of(&[0, 0, 500]);
        Self {
            size,
            ring,
            real_chunks,
            rounds: 2,
            weather,
            doom,
            outside: 0,
        }
    }
}

impl World {
    /// The world of a seed, with faults as drawn.
    pub fn of_seed(seed: u64, trace: bool) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let setup = Setup::drawn(&mut rng);
        Self::with(setup, rng, trace)
    }

    /// A world with chosen faults.
    pub fn new(setup: Setup, seed: u64, trace: bool) -> Self {
        Self::with(setup, ChaCha20Rng::seed_from_u64(seed), trace)
    }

    fn with(setup: Setup, mut rng: ChaCha20Rng, trace: bool) -> Self {
        let cast = Cast::new(setup.size, setup.ring, setup.real_chunks, &mut rng);
        let fork = |rng: &mut ChaCha20Rng| ChaCha20Rng::seed_from_u64(rng.next_u64());
        let net = Net::new(setup.size, setup.weather.clone(), fork(&mut rng), trace);
        let state = Digest::of("simulated-state", &[]);
        let node = |site| Node::new(site, state, cast.mirror(), fork(&mut rng));
        let nodes = (0..setup.size).map(node).collect();
        let coordinator = Coordinator::new(cast.log());
        let watch = Watch::new(setup.weather.lies);
        let stage = Stage {
            cast,
            net,
            watch,
            archive: Default::default(),
        };
        Self {
            stage,
            nodes,
            coordinator,
            rng,
            setup,
            state,
            tally: Tally::default(),
            ends: Vec::new(),
        }
    }

    /// Runs every round to its end.
    ///
    /// # Errors
    /// The first [`Broken`] promise.
    pub fn run(&mut self) -> Result<Tally, Broken> {
        for site in 0..self.setup.size {
            self.nodes[site].start(&mut self.stage)?;
        }
        self.pass(PAUSE_MS)?;
        for round in 1..=self.setup.rounds {
            self.round(round)?;
        }
        self.tally.node_starts = self
            .nodes
            .iter()
            .map(|node| u64::from(node.starts) - 1)
            .sum();
        self.tally.coordinator_starts = u64::from(self.coordinator.starts);
        self.tally.acts = self.nodes.iter().map(Node::acts).sum();
        self.tally.effects = self.coordinator.effects();
        Ok(self.tally)
    }

    /// How each attempt ended.
    pub fn ends(&self) -> &[PhaseName] {
        &self.ends
    }

    /// The code under which the latest attempt ended without a sum, and who was complained about by
    /// whom.
    pub fn complaint(&self) -> Option<(Code, NodeId, NodeId)> {
        let record = self.coordinator.record()?;
        let (node, dealer) = record.complaint()?;
        Some((record.code()?, node, dealer))
    }

    /// How many sites outside of the line-up cosigned the latest attempt's log.
    pub fn witnesses(&self) -> usize {
        self.coordinator.record().map_or(0, Record::witnesses)
    }

    /// The node at a place.
    pub fn node(&self, site: usize) -> NodeId {
        self.stage.cast.node(site)
    }

    /// Sites of the latest release.
    pub fn released(&self) -> Vec<NodeId> {
        self.coordinator
            .record()
            .and_then(Record::released)
            .map_or_else(Vec::new, |released| released.set)
    }

    /// Acts of each node.
    pub fn acts(&self) -> Vec<usize> {
        self.nodes.iter().map(Node::acts).collect()
    }

    fn round(&mut self, round: u64) -> Check {
        self.tally.rounds += 1;
        let run = RunId([u8::try_from(round).unwrap_or(u8::MAX); 16]);
        let mut candidates = self.stage.cast.nodes();
        candidates.truncate(candidates.len() - self.setup.outside);
        let (mut sum, mut pinned) = (None, false);
        for attempt in 1..=ATTEMPTS {
            let checked = self.checks()?;
            let asked = Asked {
                run,
                round,
                attempt,
                state: self.state,
                candidates: candidates.clone(),
                checked,
            };
            self.coordinator.withholds =
                self.setup.weather.lies && attempt < ATTEMPTS && below(&mut self.rng, 2) == 0;
            self.attempt(&asked)?;
            let released = self.coordinator.record().and_then(Record::released);
            let released = released.filter(|_| !self.coordinator.withholds);
            if let Some(released) = released {
                self.tally.released += 1;
                self.tally.later += u64::from(attempt > 1);
                self.tally.smaller += u64::from(released.set.len() < candidates.len());
                sum = Some(released);
                break;
            }
            // Who may have masked an answer stays in the line-up of this question.
            pinned |= self
                .coordinator
                .record()
                .is_some_and(|record| record.closed(1).is_some());
            if !pinned {
                candidates = self.line_up();
            }
        }
        self.pass(PAUSE_MS)?;
        match sum {
            Some(released) => self.state = released.state_root,
            None => {
                self.state = Digest::of("another-question", &[&self.state.0]);
                self.nodes
                    .iter_mut()
                    .for_each(|node| node.turn_to(self.state));
            }
        }
        let comes_back = self.setup.weather.script.comes_back;
        if comes_back {
            self.stage.net.weather.script.deaths.clear();
        }
        if comes_back || below(&mut self.rng, 2) == 0 {
            self.nodes
                .iter_mut()
                .for_each(|node| node.revive(&mut self.stage));
            self.pass(PAUSE_MS)?;
        }
        Ok(())
    }

    /// Enough sites must have made the latest sum again before anything follows from it: those who
    /// are away come back for that. A liar gets what there is.
    fn checks(&mut self) -> Result<Vec<Checked>, Broken> {
        for pause in 1..=PATIENCE {
            if let Some(checked) = self.coordinator.checked() {
                return Ok(checked);
            }
            self.nodes
                .iter_mut()
                .for_each(|node| node.revive(&mut self.stage));
            // The clock moves with events only: longer and longer, until the next one is in reach.
            self.pass(PAUSE_MS * pause)?;
            self.coordinator.nudge(&mut self.stage)?;
        }
        let disorder = self.setup.weather.storm || self.setup.weather.lies;
        hold(disorder, || {
            "too few sites made the latest sum again".to_owned()
        })?;
        Ok(Vec::new())
    }

    /// Before anything was masked, an attempt may go on without those who are away.
    fn line_up(&self) -> Vec<NodeId> {
        let here = self
            .stage
            .net
            .present
            .iter()
            .map(|site| self.stage.cast.node(*site));
        let mut here: Vec<NodeId> = here.collect();
        here.sort_unstable();
        let enough = self.stage.cast.thresholds(here.len()).is_some()
            && here.len() >= self.stage.cast.witness_quorum();
        if enough {
            here
        } else {
            self.stage.cast.nodes()
        }
    }

    fn attempt(&mut self, asked: &Asked) -> Check {
        self.tally.attempts += 1;
        for node in &mut self.nodes {
            let dies = below(&mut self.rng, 1000) < self.setup.doom;
            let doom = 1 + below(&mut self.rng, 8);
            node.fresh_luck(dies.then_some(u32::try_from(doom).unwrap_or(1)));
        }
        self.until("the coordinator is back", |world| world.coordinator.is_up())?;
        if self.stage.net.chance(self.setup.weather.abandon) {
            let delay = self.stage.net.between(1, 3_000);
            self.stage.net.after(delay, Event::Abandon);
        }
        self.coordinator
            .open(asked, &mut self.rng, &mut self.stage)?;
        self.lie(asked);
        self.until("the attempt has ended", |world| {
            world.coordinator.ended().is_some()
        })?;
        let end = self.coordinator.ended().unwrap_or(PhaseName::Abandoned);
        self.ends.push(end);
        self.tally.abandoned += u64::from(end == PhaseName::Abandoned);
        self.keep_promises(asked, end)
    }

    /// No more sites failed than may: the sum is there, and every site that did not fail is in it.
    fn keep_promises(&mut self, asked: &Asked, end: PhaseName) -> Check {
        let weather = &self.setup.weather;
        let coordinator = &self.coordinator;
        if weather.storm
            || weather.lies
            || coordinator.abandoned
            || weather.script.bad_share.is_some()
        {
            return Ok(());
        }
        let failed = |node: &&NodeId| {
            let site = self.stage.cast.place(**node);
            let unheard = weather.script.unheard == Some(site);
            unheard || coordinator.failed.contains(&site) || self.nodes[site].had_no_answer
        };
        let failures = asked.candidates.iter().filter(failed).count();
        let survivors = self
            .stage
            .cast
            .thresholds(asked.candidates.len())
            .map_or(0, |numbers| numbers.survivors);
        let tolerated = asked.candidates.len() - survivors.max(self.stage.cast.witness_quorum());
        if failures <= tolerated {
            self.tally.promised += 1;
            hold(end == PhaseName::Released, || {
                let code = coordinator
                    .record()
                    .and_then(Record::code)
                    .map_or("", |code| code.as_str());
                format!(
                    "{failures} sites failed, {tolerated} may, and still the attempt was abandoned: {code}"
                )
            })?;
        }
        let Some(released) = coordinator.record().and_then(Record::released) else {
            return Ok(());
        };
        let whole = asked
            .candidates
            .iter()
            .filter(|node| !failed(node))
            .all(|node| released.set.contains(node));
        hold(whole, || {
            "a site that did not fail is missing from the sum".to_owned()
        })
    }

    fn lie(&mut self, asked: &Asked) {
        if !self.setup.weather.lies {
            return;
        }
        for node in &asked.candidates {
            if self.stage.net.chance(250) {
                let delay = self.stage.net.between(1, 1_500);
                self.stage
                    .net
                    .after(delay, Event::OtherPlan(self.stage.cast.place(*node)));
            }
        }
    }

    /// Lets time pass.
    fn pass(&mut self, span: u64) -> Check {
        let end = self.stage.net.now().ms + span;
        while self
            .stage
            .net
            .next_moment()
            .is_some_and(|moment| moment <= end)
        {
            self.step()?;
        }
        Ok(())
    }

    /// Runs until something is so; it must become so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) -> Check {
        let end = self
            .stage
            .net
            .now()
            .ms
            .max(self.coordinator.record().map_or(0, Record::patience));
        while !is_so(self) {
            let late = self
                .stage
                .net
                .next_moment()
                .is_none_or(|moment| moment > end);
            hold(!late, || format!("stuck before {what}"))?;
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Check {
        let Some(event) = self.stage.net.next_event() else {
            return Ok(());
        };
        let Self {
            stage,
            nodes,
            coordinator,
            ..
        } = self;
        match event {
            Event::Up { site, line, what }
                if stage.net.stands(site, line) && coordinator.is_up() =>
            {
                coordinator.hear(site, &what, stage)
            }
            Event::Down { site, line, what } if stage.net.stands(site, line) => {
                nodes[site].hear(&what, stage)
            }
            Event::Up { .. } | Event::Down { .. } => Ok(()),
            Event::Connect(site) => Self::connect(&nodes[site], site, coordinator, stage),
            Event::LeaseOver(site, line)
                if coordinator.is_up() && stage.net.lease_is_over(site, line) =>
            {
                stage
                    .net
                    .say(|| format!("    the lease of node {site} is over"));
                coordinator.miss(site, stage)
            }
            Event::LeaseOver(..) => Ok(()),
            Event::Answered { site, life, plan } => nodes[site].answered(life, plan, stage),
            Event::Chunk {
                site,
                life,
                t2,
                index,
            } => nodes[site].send_chunk(life, t2, index, stage),
            Event::Start(site) => nodes[site].start(stage),
            Event::StartCoordinator => coordinator.start(stage),
            Event::Tick => coordinator.input(Input::Tick, stage),
            Event::Folded(life) => coordinator.fold(life, stage),
            Event::Abandon if coordinator.is_up() && coordinator.ended().is_none() => {
                coordinator.abandon(stage)
            }
            Event::Abandon => Ok(()),
            Event::OtherPlan(site) => {
                coordinator.show_other_plan(site, stage);
                Ok(())
            }
        }
    }

    fn connect(
        node: &Node,
        site: usize,
        coordinator: &mut Coordinator,
        stage: &mut Stage,
    ) -> Check {
        if !node.is_up() || stage.net.is_up(site) {
            return Ok(());
        }
        if !coordinator.is_up() {
            stage.net.after(100, Event::Connect(site));
            return Ok(());
        }
        stage.net.connect(site);
        stage.net.say(|| format!("    node {site} connects"));
        coordinator.input(Input::Back(stage.cast.node(site)), stage)
    }
}
