//! One round of two hundred sites with a million words, alone in its process so that what it prints
//! is what it took.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::moment::Moment;
use motet_common::round::member::{Act, Expected, Me, Member, admit};
use motet_common::round::pins::Pins;
use motet_common::round::{Effect, Folded, Input, PhaseName, Round, Terms};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, fold_chunk, set_digest};
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::{MaskedUpdate, Shape, chunk_words};
use motet_secagg::message::{Message, Released, SignedPlan};
use motet_tests::sim::cast::{Asked, Cast, STUDY};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::time::Instant;

/// Sites.
const SITES: usize = 200;
/// Words of every vector, the weight's included.
const WORDS: usize = 1_000_000;
/// Sites lost in join, share, upload, sign and reveal: all that the table allows for 200, which is
/// 66.
const LOST: [usize; 5] = [13, 13, 14, 13, 13];
/// Units of a value: whole ones, so that the sum is known exactly.
const UNIT: f64 = 1.0 / 256.0;

/// The value of a site at a place, in units.
fn units(site: usize, place: usize) -> i64 {
    ((site * 7_919 + place * 104_729) % 200_001) as i64 - 100_000
}

fn weight(site: usize) -> u32 {
    1 + (site % 8) as u32
}

/// One site of the large round.
struct Site {
    member: Member,
    rng: ChaCha20Rng,
    masked: Option<MaskedUpdate>,
}

/// Processor seconds of this process so far, user and system.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<f64>().ok())
        .sum();
    ticks / 100.0
}

/// The most memory this process ever held, in MiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Says what a part of the work took.
struct Meter {
    since: f64,
    wall: Instant,
}

impl Meter {
    fn say(&mut self, what: &str) {
        let now = processor_seconds();
        let wall = self.wall.elapsed().as_secs_f64();
        println!(
            "{what:<28} {:>6.1} processor seconds, {wall:>6.1} s",
            now - self.since
        );
        (self.since, self.wall) = (now, Instant::now());
    }
}

/// The round between a real coordinator and its real sites, without a network.
struct Large {
    cast: Cast,
    round: Round,
    log: motet_common::log::Log,
    sites: BTreeMap<usize, Site>,
    inbox: BTreeMap<usize, Message>,
    /// Masked uploads, at the coordinator.
    spools: BTreeMap<usize, MaskedUpdate>,
    released: Option<Released>,
    sum: Option<Aggregate>,
    meter: Meter,
}

fn layout() -> Layout {
    let block = Block {
        len: WORDS as u32 - 1,
        scale: Scale::Fixed(8),
        bound: 400.0,
    };
    Layout {
        ring: Ring::Bits32,
        weight_max: 8,
        blocks: vec![block],
    }
}

impl Large {
    fn new() -> Self {
        let meter = Meter {
            since: processor_seconds(),
            wall: Instant::now(),
        };
        let mut rng = ChaCha20Rng::seed_from_u64(200);
        let mut cast = Cast::new(SITES, Ring::Bits32, true, &mut rng);
        cast.layout = layout();
        assert_eq!(cast.layout.words(), WORDS);
        let state = Digest::of("simulated-state", &[]);
        let candidates = cast.nodes();
        let asked = Asked {
            run: RunId([1; 16]),
            round: 1,
            attempt: 1,
            state,
            candidates,
            checked: Vec::new(),
        };
        let log = cast.log();
        let plan = cast.sign(cast.plan(&asked, &log, &mut rng));
        let terms = Terms::new(plan.clone(), &cast.roster).expect("a fair plan");
        let round = Round::open(terms, Moment { ms: 0 });
        let sites = (0..SITES)
            .map(|site| (site, Site::new(site, &cast, &plan, state)))
            .collect();
        let inbox = BTreeMap::new();
        let spools = BTreeMap::new();
        Self {
            cast,
            round,
            log,
            sites,
            inbox,
            spools,
            released: None,
            sum: None,
            meter,
        }
    }

    /// These sites are gone for good.
    fn lose(&mut self, phase: PhaseName, lost: usize) {
        assert_eq!(self.round.phase(), phase);
        // From both ends and the middle: a lost site is below some and above others.
        let here: Vec<usize> = self.sites.keys().copied().collect();
        for site in here.iter().step_by(here.len() / lost).take(lost) {
            self.sites.remove(site);
            self.inbox.remove(site);
            self.input(Input::Gone(self.cast.node(*site)));
        }
    }

    fn input(&mut self, input: Input) {
        let now = Moment { ms: 1 };
        let effects = self.round.handle(input, now, &self.cast.coordinator);
        self.execute(effects.unwrap_or_else(|refusal| panic!("{refusal}")));
    }

    fn execute(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell(node, message) => {
                    let site = self.cast.place(node);
                    if self.sites.contains_key(&site) {
                        self.inbox.insert(site, message);
                    }
                }
                Effect::Log(leaf) => {
                    let index = self.log.push(leaf.to_bytes());
                    let logged = self
                        .log
                        .logged(index, 1, &self.cast.log_key)
                        .expect("a leaf of the log");
                    self.input(Input::Logged(logged));
                }
                Effect::Fold(fold) => {
                    self.meter.say("reveal, at the coordinator");
                    let sum = self.fold(&fold);
                    let (aggregate, evidence) = (
                        Digest::of_file(&sum.to_bytes()),
                        Digest::of_file(&fold.evidence.to_bytes()),
                    );
                    self.sum = Some(sum);
                    self.meter.say("fold");
                    self.input(Input::Folded(Folded {
                        aggregate,
                        evidence,
                        state_root: aggregate,
                    }));
                }
                Effect::Publish(released) => self.released = Some(*released),
                Effect::End(code) => panic!("the attempt ended: {}", code.as_str()),
                Effect::Record(_) | Effect::WakeAt(_) => {}
            }
        }
    }

    /// Two threads, a chunk each.
    fn fold(&self, fold: &motet_common::round::Fold) -> Aggregate {
        let shape = Shape::of(&self.cast.layout);
        let set = fold.evidence.set();
        let uploads: Vec<&MaskedUpdate> = set
            .iter()
            .map(|node| &self.spools[&self.cast.place(*node)])
            .collect();
        let chunk = |index: usize| {
            let payloads: Vec<&[u8]> = uploads
                .iter()
                .map(|upload| upload.chunks[index].as_slice())
                .collect();
            fold_chunk(&shape, index, &payloads, &fold.removals, set.len() as u32)
                .expect("masks that cancel")
        };
        let chunks: Vec<usize> = (0..shape.chunks()).collect();
        let words = in_two(&chunks, |index| chunk(**index)).concat();
        Aggregate {
            ring: shape.ring,
            words,
        }
    }

    /// Every site that was told something answers, two at a time; then the coordinator hears them
    /// one by one.
    fn exchange(&mut self, what: &str) {
        let Self {
            cast,
            sites,
            inbox,
            log,
            ..
        } = self;
        let mut mirror = cast.mirror();
        log.leaves()
            .iter()
            .for_each(|leaf| mirror.push(leaf.clone()).expect("a leaf that follows"));
        let mut told: Vec<(usize, &mut Site, Message)> = sites
            .iter_mut()
            .filter_map(|(site, at)| Some((*site, at, inbox.remove(site)?)))
            .collect();
        let half = told.len() / 2;
        let (one, two) = told.split_at_mut(half);
        let cast = &*cast;
        let answer = |part: &mut [(usize, &mut Site, Message)]| -> Vec<(NodeId, Message)> {
            part.iter_mut()
                .filter_map(|(site, at, message)| {
                    Some((
                        cast.node(*site),
                        at.answer(message, &cast.me(*site, &mirror, 0), cast, *site)?,
                    ))
                })
                .collect()
        };
        let said = std::thread::scope(|scope| {
            let other = scope.spawn(|| answer(two));
            let mut said = answer(one);
            said.extend(other.join().expect("every site answers"));
            said
        });
        drop(told);
        self.meter.say(&format!("{what}, at {} sites", said.len()));
        for (node, message) in said {
            self.input(Input::Message(node, message));
            let site = self.cast.place(node);
            if let Some(masked) = self
                .sites
                .get_mut(&site)
                .and_then(|site| site.masked.take())
            {
                self.spools.insert(site, masked);
                self.input(Input::Uploaded(node));
            }
        }
        if self.round.phase() < PhaseName::Released {
            self.meter.say(&format!("{what}, at the coordinator"));
        }
    }
}

/// In order, two at a time.
fn in_two<T: Sync, R: Send>(items: &[T], work: impl Fn(&&T) -> R + Sync) -> Vec<R> {
    let (one, two) = items.split_at(items.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| two.iter().map(|item| work(&item)).collect::<Vec<R>>());
        let mut done: Vec<R> = one.iter().map(|item| work(&item)).collect();
        done.extend(other.join().expect("the other half"));
        done
    })
}

impl Site {
    fn new(site: usize, cast: &Cast, plan: &SignedPlan, state: Digest) -> Self {
        let mut mirror = cast.mirror();
        mirror
            .push(cast.log().leaves()[0].clone())
            .expect("the opening");
        let expected = Expected {
            study: STUDY,
            study_digest: cast.study_digest(),
            recipe: cast.recipe(),
            state_root: state,
            layout: &cast.layout,
            chunk_words: chunk_words(Ring::Bits32),
            min_sites: 3,
            previous: mirror.latest().map(|(_, hash)| hash).unwrap_or_default(),
            due: None,
        };
        let terms = admit(
            plan,
            &expected,
            &Pins::default(),
            &cast.me(site, &mirror, 0),
        )
        .expect("a fair plan");
        let rng = ChaCha20Rng::seed_from_u64(1_000 + site as u64);
        Self {
            member: Member::new(terms),
            rng,
            masked: None,
        }
    }

    fn answer(
        &mut self,
        message: &Message,
        me: &Me<'_>,
        cast: &Cast,
        site: usize,
    ) -> Option<Message> {
        let Self { member, rng, .. } = self;
        let acts = if matches!(message, Message::Plan(_)) {
            let values = (0..WORDS - 1)
                .map(|place| units(site, place) as f64 * UNIT)
                .collect();
            member.answered(
                ClearUpdate::new(weight(site), values),
                &cast.layout,
                me,
                rng,
            )
        } else {
            member.handle(message, me, rng)
        };
        let mut said = None;
        for act in acts.unwrap_or_else(|refusal| panic!("site {site}: {refusal}")) {
            match act {
                Act::Tell(message) => said = Some(message),
                Act::Store(masked) => self.masked = Some(masked),
                Act::Discard => self.masked = None,
                _ => {}
            }
        }
        said
    }
}

#[test]
fn two_hundred_sites_of_which_sixty_six_are_lost_give_the_exact_sum_of_the_rest() {
    let begun = (processor_seconds(), Instant::now());
    let mut large = Large::new();
    large.meter.say("keys and plan");
    let effects = large.round.resume();
    large.execute(effects);
    use PhaseName::{Join, Reveal, Share, Sign, Upload};
    for (phase, lost) in [Join, Share, Upload, Sign, Reveal].into_iter().zip(LOST) {
        large.lose(phase, lost);
        large.exchange(phase.as_str());
    }
    let (released, sum) = (
        large.released.take().expect("a release"),
        large.sum.take().expect("a sum"),
    );
    assert_eq!(released.set.len(), SITES - LOST[..3].iter().sum::<usize>());
    let set: Vec<usize> = released
        .set
        .iter()
        .map(|node| large.cast.place(*node))
        .collect();
    let sites = set.len() as u32;
    let sum = sum
        .decode(&large.cast.layout, sites, set_digest(&released.set))
        .expect("a sum in its range");
    assert_eq!(
        sum.weight,
        set.iter().map(|site| u64::from(weight(*site))).sum::<u64>()
    );
    for (place, value) in sum.values.iter().enumerate() {
        let due: i64 = set.iter().map(|site| units(*site, place)).sum();
        assert_eq!(*value, due as f64 * UNIT, "at {place}");
    }
    large.meter.say("the sum, held against the inputs");
    let (seconds, wall) = (
        processor_seconds() - begun.0,
        begun.1.elapsed().as_secs_f64(),
    );
    println!(
        "{seconds:.1} processor seconds, {wall:.1} s, {} MiB at most",
        peak_memory()
    );
}
