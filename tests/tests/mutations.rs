//! One bit of one message is flipped on the wire, anywhere: the message is refused, or the flip is
//! in something that decides nothing and is listed here by name. The attempt ends, and what it
//! releases is the sum of the inputs of its set.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::audit::Audit;
use motet_common::log::{Log, Mirror};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::round::member::{Act, Expected, Member, admit};
use motet_common::round::pins::{Fact, Pins};
use motet_common::round::{Effect, Folded, Input, PhaseName, Round, Terms};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::Ring;
use motet_secagg::mask::chunk_hash;
use motet_secagg::message::{Message, Plan, Released};
use motet_secagg::note::Note;
use motet_secagg::sign::Signature;
use motet_tests::sim::cast::{Answer, Asked, Cast, STUDY};
use motet_tests::sim::checks::{Claim, Watch};
use motet_tests::sim::spools::Spools;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// Sites; as many may be lost as one.
const SITES: usize = 4;
/// The site that is lost before it uploads.
const LOST: usize = 2;
/// The other site whose messages are changed.
const OTHER: usize = 1;
/// Messages of that many bytes are changed at every byte.
const SHORT: usize = 330;
/// Longer ones at that many bytes.
const SAMPLES: usize = 100;

/// Something on the wire.
#[derive(Clone)]
enum Wire {
    Down(usize, Message),
    Up(usize, Message),
    Chunk(usize, usize, Vec<u8>),
}

/// Which message of an attempt: its way, its name, its site.
type Place = (&'static str, &'static str, usize);

impl Wire {
    fn place(&self) -> Place {
        match self {
            Self::Down(site, message) => ("to", message.kind(), *site),
            Self::Up(site, message) => ("from", message.kind(), *site),
            Self::Chunk(site, ..) => ("from", "chunk", *site),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Down(_, message) | Self::Up(_, message) => message.to_bytes(),
            Self::Chunk(.., payload) => payload.clone(),
        }
    }

    /// The same with other bytes; nothing where they are no message.
    fn with(&self, bytes: &[u8]) -> Option<Self> {
        match self {
            Self::Down(site, _) => Some(Self::Down(*site, Message::from_bytes(bytes).ok()?)),
            Self::Up(site, _) => Some(Self::Up(*site, Message::from_bytes(bytes).ok()?)),
            Self::Chunk(site, index, _) => Some(Self::Chunk(*site, *index, bytes.to_vec())),
        }
    }
}

/// What decides nothing, taken out. Each line is a field that its receiver does not read, and why
/// it need not:
fn material(message: &Message) -> Message {
    let mut message = message.clone();
    match &mut message {
        Message::Proposal(proposal) => {
            // A node recomputes the whole log and needs no proof of it; they are for offline
            // bundles (ruling R6).
            proposal.commit.inclusion.clear();
            proposal.commit.consistency.clear();
        }
        Message::RevealRequest(request) => {
            // A cosignature vouches for the log towards third parties; t signatures over the same
            // log count here.
            for signed in &mut request.signatures {
                signed.cosignature.seconds = 0;
                signed.cosignature.signature = Signature([0; 64]);
            }
        }
        // The node forgets an attempt that is over whatever the reason.
        Message::Abandoned(abandoned) => abandoned.code.clear(),
        _ => {}
    }
    message
}

/// A flip.
#[derive(Clone, Copy)]
struct Flip {
    place: Place,
    byte: usize,
    bit: u8,
}

struct Site {
    member: Option<Member>,
    facts: Vec<Fact>,
    log: Mirror,
    answer: Answer,
    rng: ChaCha20Rng,
    is_done: bool,
}

/// One attempt.
struct Attempt {
    cast: Cast,
    plan: Plan,
    state: Digest,
    round: Round,
    now: Moment,
    log: Log,
    sites: Vec<Site>,
    spools: Spools,
    wire: VecDeque<Wire>,
    watch: Watch,
    flip: Option<Flip>,
    /// What crossed the wire.
    seen: BTreeMap<Place, usize>,
    /// What became of the changed message, and whether it differed in something.
    fate: Option<(bool, bool)>,
    dealers: BTreeSet<NodeId>,
    uploads: BTreeMap<usize, Vec<Rc<Vec<u8>>>>,
    evidence: Vec<u8>,
    released: Option<(Released, Aggregate)>,
}

impl Attempt {
    fn new(flip: Option<Flip>) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let cast = Cast::new(SITES, Ring::Bits64, false, &mut rng);
        let (state, log) = (Digest::of("simulated-state", &[]), cast.log());
        let candidates = cast.nodes();
        let asked = Asked {
            run: RunId([1; 16]),
            round: 1,
            attempt: 1,
            state,
            candidates,
            checked: Vec::new(),
        };
        let signed = cast.sign(cast.plan(&asked, &log, &mut rng));
        let terms = Terms::new(signed.clone(), &cast.roster).expect("a fair plan");
        let now = Moment { ms: 1 };
        let site = |site| Site {
            member: None,
            facts: Vec::new(),
            log: cast.mirror(),
            answer: cast.answer(&mut rng),
            rng: ChaCha20Rng::seed_from_u64(100 + site),
            is_done: false,
        };
        let sites = (0..SITES as u64).map(site).collect();
        Self {
            plan: signed.plan,
            state,
            round: Round::open(terms, now),
            now,
            log,
            sites,
            spools: Spools::default(),
            wire: VecDeque::new(),
            watch: Watch::new(false),
            flip,
            seen: BTreeMap::new(),
            fate: None,
            dealers: BTreeSet::new(),
            uploads: BTreeMap::new(),
            evidence: Vec::new(),
            released: None,
            cast,
        }
    }

    /// Runs to the end, with deadlines where nothing moves any more.
    fn run(mut self) -> Self {
        let effects = self.round.resume();
        self.execute(effects);
        loop {
            while let Some(wire) = self.wire.pop_front() {
                self.carry(wire);
            }
            if self.round.phase() >= PhaseName::Released {
                return self;
            }
            self.now = self.round.deadline();
            let _ = self.input(Input::Tick);
        }
    }

    fn carry(&mut self, wire: Wire) {
        let (place, length) = (wire.place(), wire.bytes().len());
        let first = self.seen.insert(place, length).is_none();
        let Some(flip) = self.flip.filter(|flip| flip.place == place && first) else {
            let _ = self.deliver(&wire);
            return;
        };
        let mut bytes = wire.bytes();
        bytes[flip.byte] ^= 1 << flip.bit;
        let Some(changed) = wire.with(&bytes) else {
            self.fate = Some((false, true));
            return;
        };
        let differs = match (&wire, &changed) {
            (Wire::Down(_, a), Wire::Down(_, b)) | (Wire::Up(_, a), Wire::Up(_, b)) => {
                material(a) != material(b)
            }
            _ => true,
        };
        let taken = self.deliver(&changed).is_ok();
        self.fate = Some((taken, differs));
    }

    fn deliver(&mut self, wire: &Wire) -> Result<(), Refusal> {
        match wire {
            Wire::Down(site, message) => self.hear(*site, message),
            Wire::Up(site, message) => {
                self.input(Input::Message(self.cast.node(*site), message.clone()))
            }
            Wire::Chunk(site, index, payload) => {
                let node = self.cast.node(*site);
                let header = self
                    .round
                    .header(node)
                    .cloned()
                    .ok_or(Code::UploadMismatch)?;
                if header.chunks.get(*index) != Some(&chunk_hash(payload)) {
                    return Err(Code::UploadMismatch.into());
                }
                self.spools.take(&header, *index, &Rc::new(payload.clone()));
                if self.spools.missing(&header).is_none() {
                    self.input(Input::Uploaded(node))?;
                }
                Ok(())
            }
        }
    }

    fn input(&mut self, input: Input) -> Result<(), Refusal> {
        let dealer = match &input {
            Input::Message(_, Message::Shares(shares)) => Some(shares.root.node),
            _ => None,
        };
        let effects = self.round.handle(input, self.now, &self.cast.coordinator)?;
        self.dealers.extend(dealer);
        self.execute(effects);
        Ok(())
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell(node, message) => self
                    .wire
                    .push_back(Wire::Down(self.cast.place(node), message)),
                Effect::Log(leaf) => {
                    let index = self.log.push(leaf.to_bytes());
                    if let motet_common::log::Leaf::Commit(commit) = &leaf {
                        self.watch.committed(commit.t3);
                    }
                    let logged = self
                        .log
                        .logged(index, 1, &self.cast.log_key)
                        .expect("a leaf of the log");
                    let _ = self.input(Input::Logged(logged));
                }
                Effect::Fold(fold) => {
                    let (shape, t2) = (
                        self.round.terms().shape(),
                        self.round.t2().expect("an upload"),
                    );
                    let sum = self
                        .spools
                        .fold(&fold, &shape, t2)
                        .unwrap_or_else(|broken| panic!("{}", broken.0));
                    self.evidence = fold.evidence.to_bytes();
                    let (aggregate, evidence) = (
                        Digest::of_file(&sum.to_bytes()),
                        Digest::of_file(&self.evidence),
                    );
                    self.released = Some((placeholder(&self.log, &self.cast), sum));
                    let _ = self.input(Input::Folded(Folded {
                        aggregate,
                        evidence,
                        state_root: aggregate,
                    }));
                }
                Effect::Publish(released) => {
                    let sum = self.released.take().expect("a sum before its release").1;
                    self.released = Some((*released, sum));
                }
                Effect::Record(_) | Effect::WakeAt(_) | Effect::End(_) => {}
            }
        }
    }

    /// A node takes a message, or refuses it.
    fn hear(&mut self, at: usize, message: &Message) -> Result<(), Refusal> {
        let Self {
            cast, sites, log, ..
        } = self;
        let site = &mut sites[at];
        if site.is_done {
            return Ok(());
        }
        let note = match message {
            Message::Plan(plan) => Some(&plan.plan.checkpoint),
            Message::Proposal(proposal) => Some(&proposal.commit.checkpoint),
            Message::Released(released) => Some(&released.release.checkpoint),
            _ => None,
        };
        if let Some(note) = note {
            let size = note
                .parse::<Note>()
                .map_or(0, |note| note.unverified().size) as usize;
            let known = site.log.size() as usize;
            let news: Vec<Vec<u8>> = log
                .leaves()
                .iter()
                .take(size)
                .skip(known)
                .cloned()
                .collect();
            site.log = site.log.grown(note, &news, &cast.roster)?;
        }
        let who = cast.me(at, &site.log, 0);
        let acts = if let Message::Plan(plan) = message {
            let mut pins = Pins::default();
            site.facts.iter().for_each(|fact| pins.apply(fact));
            let expected = Expected {
                study: STUDY,
                study_digest: cast.study_digest(),
                recipe: cast.recipe(),
                state_root: self.state,
                layout: &cast.layout,
                chunk_words: cast.chunk_words,
                min_sites: 3,
                previous: site.log.latest().map(|(_, hash)| hash).unwrap_or_default(),
                due: None,
            };
            let mut member = Member::new(admit(plan, &expected, &pins, &who)?);
            let acts = member.answered(site.answer.update(), &cast.layout, &who, &mut site.rng)?;
            site.member = Some(member);
            acts
        } else {
            let member = site.member.as_mut().ok_or(Code::WrongPhase)?;
            member.handle(message, &who, &mut site.rng)?
        };
        self.act(at, acts)
    }

    fn act(&mut self, at: usize, acts: Vec<Act>) -> Result<(), Refusal> {
        for act in acts {
            match act {
                Act::Tell(message) => {
                    let said = self.watch.said(at, &self.plan, &message);
                    said.unwrap_or_else(|broken| panic!("{}", broken.0));
                    if at != LOST || !matches!(message, Message::Header(_)) {
                        self.wire.push_back(Wire::Up(at, message));
                    }
                }
                Act::Store(masked) => {
                    self.uploads
                        .insert(at, masked.chunks.into_iter().map(Rc::new).collect());
                }
                Act::Upload(_) if at != LOST => {
                    let chunks = self.uploads[&at].clone();
                    let chunk = |(index, payload): (usize, Rc<Vec<u8>>)| {
                        Wire::Chunk(at, index, payload.to_vec())
                    };
                    self.wire.extend(chunks.into_iter().enumerate().map(chunk));
                }
                Act::Record(fact) => self.sites[at].facts.push(fact),
                Act::Absorb(released) => self.audit(&released)?,
                Act::Forget => (self.sites[at].member, self.sites[at].is_done) = (None, true),
                Act::Seal(_) | Act::Discard | Act::Upload(_) => {}
            }
        }
        Ok(())
    }

    /// The node makes the sum again before it goes on.
    fn audit(&self, released: &Released) -> Result<(), Refusal> {
        let mut audit = Audit::of(released, &self.evidence, &self.cast.roster)?;
        let shape = self.round.terms().shape();
        for index in 0..shape.chunks() {
            let chunk = |node: &NodeId| self.uploads[&self.cast.place(*node)][index].as_slice();
            audit.row(&released.set.iter().map(chunk).collect::<Vec<_>>())?;
        }
        audit.finish()
    }

    /// What must hold at the end, whatever was changed.
    fn check(&mut self) {
        if self.round.phase() != PhaseName::Released {
            return;
        }
        let (released, sum) = self.released.as_ref().expect("a release");
        let masked = |node: &NodeId| (*node, self.sites[self.cast.place(*node)].answer.clone());
        let dealers: Vec<NodeId> = self.dealers.iter().copied().collect();
        let claim = Claim {
            plan: &self.plan,
            released,
            sum,
            dealers: &dealers,
            answers: released.set.iter().map(masked).collect(),
        };
        let held = self.watch.released(&self.cast, &claim);
        held.unwrap_or_else(|broken| panic!("{}", broken.0));
    }
}

fn placeholder(log: &Log, cast: &Cast) -> Released {
    Released {
        plan: Digest::default(),
        t3: Digest::default(),
        set: Vec::new(),
        opened: Vec::new(),
        aggregate: Digest::default(),
        evidence: Digest::default(),
        state_root: Digest::default(),
        release: log.logged(0, 1, &cast.log_key).expect("the opening"),
        signature: Signature([0; 64]),
    }
}

/// The bytes at which a message of this length is changed: all, or the first, the last and some
/// between.
fn positions(length: usize) -> Vec<usize> {
    if length <= SHORT {
        return (0..length).collect();
    }
    let edge = SAMPLES / 5;
    let middle = (0..SAMPLES - 2 * edge).map(|n| edge + (n * 7_919) % (length - 2 * edge));
    (0..edge)
        .chain(middle)
        .chain(length - edge..length)
        .collect()
}

#[test]
fn one_flipped_bit_of_any_message_is_refused_and_never_gives_another_sum() {
    let mut honest = Attempt::new(None).run();
    honest.check();
    assert_eq!(honest.round.phase(), PhaseName::Released);
    let (released, _) = honest.released.as_ref().expect("a release");
    assert_eq!(released.set.len(), SITES - 1);
    let flips: Vec<Flip> = honest
        .seen
        .iter()
        .filter(|((.., site), _)| [OTHER, LOST].contains(site))
        .flat_map(|(place, length)| {
            let flip = |(n, byte): (usize, usize)| Flip {
                place: *place,
                byte,
                bit: (n % 8) as u8,
            };
            positions(*length).into_iter().enumerate().map(flip)
        })
        .collect();
    let kinds: BTreeSet<&str> = flips.iter().map(|flip| flip.place.1).collect();
    assert_eq!(kinds.len(), 12, "M1 to M11 and the chunks: {kinds:?}");
    let half = |thread: usize| {
        let mut ends = [0; 4];
        for flip in flips.iter().skip(thread).step_by(2) {
            let (way, kind, site) = flip.place;
            let what = format!(
                "byte {} bit {} of `{kind}` {way} site {site}",
                flip.byte, flip.bit
            );
            let run = || {
                let mut attempt = Attempt::new(Some(*flip)).run();
                attempt.check();
                (attempt.fate, attempt.round.phase())
            };
            let Ok((fate, end)) = std::panic::catch_unwind(run) else {
                panic!("{what}: see above")
            };
            let (taken, differs) = fate.unwrap_or_else(|| panic!("{what}: it was not said"));
            assert!(
                !taken || !differs,
                "{what}: taken as if nothing had happened"
            );
            ends[usize::from(taken) * 2 + usize::from(end == PhaseName::Released)] += 1;
        }
        ends
    };
    let ends = std::thread::scope(|scope| {
        let halves = [0, 1].map(|thread| scope.spawn(move || half(thread)));
        halves.map(|half| {
            half.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    });
    let sum = |at: usize| ends[0][at] + ends[1][at];
    println!(
        "{} flips: {} refused and no sum, {} refused and the sum of a smaller set or the same, {} of no matter",
        flips.len(),
        sum(0),
        sum(1),
        sum(2) + sum(3)
    );
    assert!(sum(0) > 100 && sum(1) > 100 && sum(3) > 10);
    assert_eq!(sum(2), 0, "what is of no matter ends no attempt");
}
