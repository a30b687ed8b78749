//! The virtual clock and the lines between the coordinator and the nodes, with everything that goes
//! wrong on them.
//!
//! A line is ordered while it stands, as one stream is. What is lost breaks it; the coordinator
//! waits a lease for the node to come back and then reckons without it. In a storm there is no
//! order, and delays exceed deadlines.

use super::cast::{Archive, Cast, PHASE_MS, below};
use super::checks::Watch;
use motet_common::moment::Moment;
use motet_common::round::PhaseName;
use motet_secagg::digest::Digest;
use motet_secagg::message::Message;
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How long the coordinator waits for a broken line.
pub const LEASE_MS: u64 = 3_000;
/// By how much a clock is set, at the most.
const MOST_SET_MS: u64 = 30 * 60_000;
/// Old messages kept for being delivered again.
const STRAYS: usize = 256;

/// From a node.
#[derive(Clone)]
pub enum Up {
    /// A message of the protocol.
    Message(Rc<Message>),
    /// Which chunk of this upload is missing?
    Query(Digest),
    /// One chunk of an upload.
    Chunk(Digest, usize, Rc<Vec<u8>>),
}

/// To a node.
#[derive(Clone)]
pub enum Down {
    /// A message of the protocol.
    Message(Rc<Message>),
    /// The first missing chunk of an upload.
    Missing(Digest, usize),
}

/// Something that happens at a moment.
pub enum Event {
    /// Something arrives at the coordinator; over no line when it is a copy from earlier.
    Up {
        site: usize,
        line: Option<u64>,
        what: Up,
    },
    /// Something arrives at a node.
    Down {
        site: usize,
        line: Option<u64>,
        what: Down,
    },
    /// A node tries to connect.
    Connect(usize),
    /// A node was away for a lease, if its line is still this one.
    LeaseOver(usize, u64),
    /// A node's answer is computed.
    Answered {
        site: usize,
        life: u64,
        plan: Digest,
    },
    /// A node sends the next chunk of its upload.
    Chunk {
        site: usize,
        life: u64,
        t2: Digest,
        index: usize,
    },
    /// A node starts again.
    Start(usize),
    /// The coordinator starts again.
    StartCoordinator,
    /// A phase may be over.
    Tick,
    /// The coordinator has folded the uploads, if it is still in this life.
    Folded(u64),
    /// The operator gives up.
    Abandon,
    /// A lying coordinator shows a node another plan for the same question.
    OtherPlan(usize),
}

/// What goes wrong, and how often (in thousandths).
#[derive(Clone, Default)]
pub struct Weather {
    /// A message is lost and its line breaks.
    pub loss: u64,
    /// A message arrives twice.
    pub repeat: u64,
    /// An old message arrives again beside a new one.
    pub stray: u64,
    /// A node stops after an act and starts again.
    pub node_stop: u64,
    /// The coordinator stops before an effect and starts again.
    pub coordinator_stop: u64,
    /// The coordinator's clock has been set when it starts again.
    pub clock_set: u64,
    /// An answer is out of range.
    pub bad_answer: u64,
    /// The operator abandons an attempt.
    pub abandon: u64,
    /// No order, long delays: nothing is promised but safety.
    pub storm: bool,
    /// The coordinator lies: it shows forked logs, other sets and other plans.
    pub lies: bool,
    /// What must happen whatever the random generator says.
    pub script: Script,
}

/// Faults at chosen places.
#[derive(Clone, Default)]
pub struct Script {
    /// The site dies when the first message of this phase reaches it.
    pub deaths: BTreeMap<usize, PhaseName>,
    /// The site stops after this many acts and starts again.
    pub node_stop: Option<(usize, usize)>,
    /// The coordinator stops before its effect of this number.
    pub coordinator_stop: Option<usize>,
    /// The first site deals a share to the second that does not open.
    pub bad_share: Option<(usize, usize)>,
    /// The site's chunks never arrive: it is there, and left out.
    pub unheard: Option<usize>,
    /// After the first round the dead come back for good.
    pub comes_back: bool,
}

struct Line {
    up: bool,
    id: u64,
    /// When the last thing sent over it arrives, in either direction.
    last_up: u64,
    last_down: u64,
}

/// Clock, queue and lines.
pub struct Net {
    now: u64,
    count: u64,
    queue: BTreeMap<(u64, u64), Event>,
    lines: Vec<Line>,
    /// Sites within their lease.
    pub present: BTreeSet<usize>,
    strays: Vec<(usize, Result<Up, Down>)>,
    /// What goes wrong.
    pub weather: Weather,
    /// Draws of everything that is not the machine's own.
    pub rng: ChaCha20Rng,
    /// Whether every step is printed.
    pub trace: bool,
}

/// What everybody acts on.
pub struct Stage {
    /// Who plays.
    pub cast: Cast,
    /// Clock and lines.
    pub net: Net,
    /// What must hold.
    pub watch: Watch,
    /// What can be fetched.
    pub archive: Archive,
}

impl Net {
    /// Lines to `size` sites, all of them down.
    pub fn new(size: usize, weather: Weather, rng: ChaCha20Rng, trace: bool) -> Self {
        let line = |_| Line {
            up: false,
            id: 0,
            last_up: 0,
            last_down: 0,
        };
        Self {
            now: 1_000_000,
            count: 0,
            queue: BTreeMap::new(),
            lines: (0..size).map(line).collect(),
            present: BTreeSet::new(),
            strays: Vec::new(),
            weather,
            rng,
            trace,
        }
    }

    /// The virtual moment.
    pub fn now(&self) -> Moment {
        Moment { ms: self.now }
    }

    /// Prints a step when steps are printed.
    pub fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:>9} {}", self.now, text());
        }
    }

    /// Whether something of this likelihood happens.
    pub fn chance(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && below(&mut self.rng, 1000) < thousandths
    }

    /// A number of milliseconds.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + below(&mut self.rng, high - low + 1)
    }

    /// Where a coordinator that starts finds its clock, in milliseconds off. Forward only where
    /// nothing is promised: that ends phases early.
    pub fn clock_set_to(&mut self) -> i64 {
        if !self.chance(self.weather.clock_set) {
            return 0;
        }
        let forward = if self.weather.storm || self.weather.lies {
            MOST_SET_MS
        } else {
            0
        };
        let span = self.between(0, MOST_SET_MS + forward);
        i64::try_from(span).unwrap_or(0) - i64::try_from(MOST_SET_MS).unwrap_or(0)
    }

    /// Something will happen.
    pub fn after(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.queue.insert((self.now + delay, self.count), event);
    }

    /// Something will happen at a moment, or now if that is past.
    pub fn at(&mut self, moment: Moment, event: Event) {
        self.after(moment.ms.saturating_sub(self.now), event);
    }

    /// The next thing to happen.
    pub fn next_event(&mut self) -> Option<Event> {
        let ((when, _), event) = self.queue.pop_first()?;
        self.now = self.now.max(when);
        Some(event)
    }

    /// When the next thing happens.
    pub fn next_moment(&self) -> Option<u64> {
        self.queue.keys().next().map(|(when, _)| *when)
    }

    /// Whether a node is connected.
    pub fn is_up(&self, site: usize) -> bool {
        self.lines[site].up
    }

    /// Whether what was sent over a line still arrives.
    pub fn stands(&self, site: usize, line: Option<u64>) -> bool {
        line.is_none_or(|id| self.lines[site].up && self.lines[site].id == id)
    }

    /// A node connects.
    pub fn connect(&mut self, site: usize) {
        let now = self.now;
        let line = &mut self.lines[site];
        *line = Line {
            up: true,
            id: line.id + 1,
            last_up: now,
            last_down: now,
        };
        self.present.insert(site);
    }

    /// A line breaks; both ends try again, the coordinator for a lease only.
    pub fn cut(&mut self, site: usize) {
        self.drop_line(site);
        self.lease(site);
        let patience = self.between(20, LEASE_MS + LEASE_MS / 4);
        self.after(patience, Event::Connect(site));
    }

    /// The coordinator is down: every line breaks, and nobody counts leases.
    pub fn cut_all(&mut self) {
        for site in 0..self.lines.len() {
            self.drop_line(site);
            let patience = self.between(20, LEASE_MS / 4);
            self.after(patience, Event::Connect(site));
        }
    }

    /// The coordinator is up again and gives everybody a lease to come back.
    pub fn lease_all(&mut self) {
        for site in 0..self.lines.len() {
            self.present.insert(site);
            self.lease(site);
        }
    }

    /// The lease of a node whose line is down is over, unless it has come back since.
    pub fn lease_is_over(&mut self, site: usize, id: u64) -> bool {
        let line = &self.lines[site];
        !line.up && line.id == id && self.present.remove(&site)
    }

    fn lease(&mut self, site: usize) {
        let id = self.lines[site].id;
        self.after(LEASE_MS, Event::LeaseOver(site, id));
    }

    fn drop_line(&mut self, site: usize) {
        let line = &mut self.lines[site];
        line.up = false;
        line.id += 1;
    }

    /// A node sends something.
    pub fn send_up(&mut self, site: usize, what: Up) {
        if !self.sent(site, Ok(what.clone())) {
            return;
        }
        let when = self.arrival(self.lines[site].last_up);
        self.lines[site].last_up = when;
        let line = Some(self.lines[site].id);
        if self.chance(self.weather.repeat) {
            self.at(
                Moment { ms: when },
                Event::Up {
                    site,
                    line,
                    what: what.clone(),
                },
            );
        }
        self.at(Moment { ms: when }, Event::Up { site, line, what });
    }

    /// The coordinator sends something.
    pub fn send_down(&mut self, site: usize, what: Down) {
        if !self.sent(site, Err(what.clone())) {
            return;
        }
        let when = self.arrival(self.lines[site].last_down);
        self.lines[site].last_down = when;
        let line = Some(self.lines[site].id);
        if self.chance(self.weather.repeat) {
            self.at(
                Moment { ms: when },
                Event::Down {
                    site,
                    line,
                    what: what.clone(),
                },
            );
        }
        self.at(Moment { ms: when }, Event::Down { site, line, what });
    }

    /// Whether something leaves at all; then it may come again at any later time, and an older one
    /// may come now.
    fn sent(&mut self, site: usize, what: Result<Up, Down>) -> bool {
        if !self.lines[site].up {
            return false;
        }
        if self.strays.len() < STRAYS {
            self.strays.push((site, what));
        } else {
            let place = below(&mut self.rng, STRAYS as u64) as usize;
            self.strays[place] = (site, what);
        }
        if self.chance(self.weather.stray) {
            self.stray();
        }
        let lost = self.chance(self.weather.loss);
        if lost {
            self.say(|| format!("    the line of node {site} breaks"));
            self.cut(site);
        }
        !lost
    }

    fn stray(&mut self) {
        let place = below(&mut self.rng, self.strays.len() as u64) as usize;
        let (site, what) = self.strays[place].clone();
        let delay = self.between(0, 2_000);
        let event = match what {
            Ok(what) => Event::Up {
                site,
                line: None,
                what,
            },
            Err(what) => Event::Down {
                site,
                line: None,
                what,
            },
        };
        self.after(delay, event);
    }

    fn arrival(&mut self, last: u64) -> u64 {
        if self.weather.storm {
            let most = if self.chance(20) {
                u64::from(PHASE_MS) * 3 / 2
            } else {
                400
            };
            return self.now + self.between(0, most);
        }
        let most = if self.chance(50) { 500 } else { 20 };
        (self.now + self.between(1, most)).max(last)
    }
}
