//! Who plays: keys, roster, the question, and every site's answer, all drawn from the world's seed.

use motet_common::checks::Due;
use motet_common::log::{Leaf, Log, Mirror, StudyOpen};
use motet_common::roster::{Entry, HubKeys, Roster, SiteKeys};
use motet_common::round::member::{Expected, Me, Sets};
use motet_common::round::witness_quorum;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::chunk_words;
use motet_secagg::message::{
    Checked, Checkpoint, Durations, PRG, Plan, Released, SUITE, SignedPlan, VERSION,
};
use motet_secagg::sign::SecretKey;
use motet_secagg::threshold::Thresholds;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The study's name.
pub const STUDY: &str = "simulated";
/// Each phase may last this long: far more than a lease, so that only what is lost for good ends a
/// phase late.
pub const PHASE_MS: u32 = 60_000;
/// All five phases one after the other.
pub const ATTEMPT_MS: u64 = 5 * PHASE_MS as u64;
/// The coordinator is not stopped by the random generator more often than this in one attempt.
pub const STOPS: u32 = 3;
const WEIGHT_MAX: u32 = 8;

/// One site: its node's id and identity key.
pub struct Site {
    /// The node.
    pub node: NodeId,
    /// Its identity key.
    pub key: SecretKey,
    /// Its witness key.
    pub witness: SecretKey,
}

/// Everything that is fixed for one world.
pub struct Cast {
    /// The coordinator's key.
    pub coordinator: SecretKey,
    /// The key of its log.
    pub log_key: SecretKey,
    /// The sites in order of their node ids.
    pub sites: Vec<Site>,
    /// Their roster.
    pub roster: Roster,
    /// What every vector means.
    pub layout: Layout,
    /// Words of a chunk.
    pub chunk_words: u32,
}

/// A site's answer, which the world keeps beside the node to know what the sum has to be.
#[derive(Clone)]
pub struct Answer {
    weight: u32,
    values: Vec<f64>,
}

impl Answer {
    /// The update made of it.
    pub fn update(&self) -> ClearUpdate {
        ClearUpdate::new(self.weight, self.values.clone())
    }

    /// Makes it one that no node may send.
    pub fn spoil(&mut self) {
        if let Some(value) = self.values.first_mut() {
            *value = 1e9;
        }
    }
}

/// What the coordinator keeps for everybody to fetch.
#[derive(Default)]
pub struct Archive {
    /// Sums by their digest.
    pub sums: BTreeMap<Digest, Aggregate>,
    /// Releases by the state they started from.
    pub releases: BTreeMap<Digest, Released>,
    /// Evidence of sums by its digest.
    pub evidence: BTreeMap<Digest, Vec<u8>>,
    /// Masked uploads of released sums: rows of chunks by T2.
    pub uploads: BTreeMap<Digest, Vec<Vec<Rc<Vec<u8>>>>>,
    /// Leaves of every log that was ever shown, by size and root.
    pub logs: BTreeMap<(u64, Digest), Vec<Vec<u8>>>,
    /// Known to the world alone: the answer behind each masked file, by plan and node.
    pub masked: BTreeMap<(Digest, NodeId), Answer>,
}

impl Archive {
    /// A log is shown to somebody: whoever sees its checkpoint can fetch its leaves.
    pub fn show(&mut self, log: &Log) {
        let point = log.point();
        self.logs
            .insert((point.size, point.root), log.leaves().to_vec());
    }

    /// The leaves behind a point, from a size on.
    pub fn leaves(&self, point: &Checkpoint, from: u64) -> Vec<Vec<u8>> {
        let known = self.logs.get(&(point.size, point.root));
        known.map_or_else(Vec::new, |leaves| {
            leaves.iter().skip(from as usize).cloned().collect()
        })
    }
}

/// The state that follows from a sum; it stands for the recipe's `absorb`.
pub fn follow(state: &Digest, sum: &Digest) -> Digest {
    Digest::of("simulated-state", &[&state.0, &sum.0])
}

/// A number below `bound`.
pub fn below(rng: &mut ChaCha20Rng, bound: u64) -> u64 {
    rng.next_u64() % bound.max(1)
}

fn seed(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

impl Cast {
    /// `size` sites with fresh keys. With `real_chunks` the plan's chunks have the size that nodes
    /// insist on when they admit it, and the vector is one chunk; otherwise chunks are tiny and
    /// there are several.
    pub fn new(size: usize, ring: Ring, real_chunks: bool, rng: &mut ChaCha20Rng) -> Self {
        let (coordinator, log_key) = (
            SecretKey::from_seed(seed(rng)),
            SecretKey::from_seed(seed(rng)),
        );
        let mut sites: Vec<Site> = (0..size).map(|_| Site::new(rng)).collect();
        sites.sort_by_key(|site| site.node);
        let entry = |(at, site): (usize, &Site)| {
            let steward = SecretKey::from_seed(seed(&mut *rng)).public();
            let keys = SiteKeys {
                identity: site.key.public(),
                steward,
                witness: site.witness.public(),
            };
            Entry::new(&format!("site-{at}"), "NL", keys)
        };
        let hub = HubKeys {
            signing: coordinator.public(),
            log: log_key.public(),
        };
        let entries: Vec<Entry> = sites.iter().enumerate().map(entry).collect();
        let roster = Roster::new(STUDY, 1, hub, "sim", entries).expect("a sound roster");
        let layout = layout(ring, rng);
        let chunk_words = if real_chunks {
            chunk_words(ring)
        } else {
            4 + below(rng, 6) as u32
        };
        Self {
            coordinator,
            log_key,
            sites,
            roster,
            layout,
            chunk_words,
        }
    }

    /// How many sites there are.
    pub fn size(&self) -> usize {
        self.sites.len()
    }

    /// All node ids, sorted.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.sites.iter().map(|site| site.node).collect()
    }

    /// The place of a node.
    pub fn place(&self, node: NodeId) -> usize {
        self.sites
            .iter()
            .position(|site| site.node == node)
            .expect("a node of the cast")
    }

    /// The node id at a place.
    pub fn node(&self, site: usize) -> NodeId {
        self.sites[site].node
    }

    /// A node's identity as the machine takes it.
    pub fn me<'a>(&'a self, site: usize, log: &'a Mirror, seconds: u64) -> Me<'a> {
        let Site { node, key, witness } = &self.sites[site];
        let sets = Sets {
            previous: &[],
            may_leave: usize::MAX,
            beside: &[],
            least: 0,
        };
        Me {
            node: *node,
            key,
            witness,
            roster: &self.roster,
            log,
            sets,
            seconds,
        }
    }

    /// What a node has seen of the log before it has seen anything.
    pub fn mirror(&self) -> Mirror {
        Mirror::empty(Log::new("sim", STUDY), self.opening())
    }

    /// Whether the plan's chunks are the ones that nodes insist on.
    pub fn real_chunks(&self) -> bool {
        self.chunk_words == chunk_words(self.layout.ring)
    }

    /// An empty log but for the study's opening.
    pub fn log(&self) -> Log {
        let mut log = Log::new("sim", STUDY);
        log.push(self.opening());
        log
    }

    fn opening(&self) -> Vec<u8> {
        let open = StudyOpen {
            study: STUDY.to_owned(),
            study_digest: self.study_digest(),
            recipe: self.recipe(),
            roster: self.roster.digest(),
            colluders: self.roster.colluders,
            h_min: self.roster.h_min,
        };
        Leaf::StudyOpen(open).to_bytes()
    }

    /// Digest of the study.
    pub fn study_digest(&self) -> Digest {
        Digest::of("simulated-study", &[])
    }

    /// Digest of its recipe.
    pub fn recipe(&self) -> Digest {
        Digest::of("simulated-recipe", &[])
    }

    /// What a plan after this release owes every node.
    pub fn due(&self, released: &Released, candidates: usize) -> Due {
        let checks = self
            .thresholds(candidates)
            .map_or(usize::MAX, |numbers| numbers.threshold);
        Due {
            release: released.leaf_hash(),
            checks,
        }
    }

    /// What a plan for a state must say after a sum of which this is due.
    pub fn expected(&self, state_root: Digest, previous: Digest, due: Option<Due>) -> Expected<'_> {
        Expected {
            study: STUDY,
            study_digest: self.study_digest(),
            recipe: self.recipe(),
            state_root,
            layout: &self.layout,
            chunk_words: self.chunk_words,
            min_sites: 3,
            previous,
            due,
        }
    }

    /// Sites that must have cosigned one checkpoint.
    pub fn witness_quorum(&self) -> usize {
        witness_quorum(self.size(), usize::from(self.roster.colluders))
    }

    /// The numbers of a line-up; nothing when it is too small for any sum.
    pub fn thresholds(&self, candidates: usize) -> Option<Thresholds> {
        let (colluders, h_min) = (
            usize::from(self.roster.colluders),
            usize::from(self.roster.h_min),
        );
        Thresholds::of(candidates, self.size(), colluders, h_min, 3).ok()
    }

    /// A plan for asking `state`'s question.
    pub fn plan(&self, asked: &Asked, log: &Log, rng: &mut ChaCha20Rng) -> Plan {
        let numbers = self
            .thresholds(asked.candidates.len())
            .expect("a line-up that is large enough");
        let leaf = |bytes: &Vec<u8>| matches!(Leaf::from_bytes(bytes), Ok(Leaf::Release(_)));
        let previous = log.leaves().iter().rposition(leaf).unwrap_or(0) as u64;
        let narrow = |number: usize| u16::try_from(number).expect("a small number");
        Plan {
            version: VERSION,
            suite: SUITE,
            prg: PRG,
            study: STUDY.to_owned(),
            study_digest: self.study_digest(),
            roster: self.roster.digest(),
            recipe: self.recipe(),
            run: asked.run,
            // Counted by sums, as every log is: a round that came to none does not count.
            round: log.leaves().iter().filter(|bytes| leaf(bytes)).count() as u64 + 1,
            attempt: asked.attempt,
            ask: Plan::ask_key(STUDY, &self.recipe(), &asked.state),
            state_root: asked.state,
            previous_leaf: log.hash(previous).expect("the opening leaf"),
            ring: self.layout.ring,
            words: self.layout.words() as u64,
            chunk_words: self.chunk_words,
            layout: self.layout.root(),
            weight_max: self.layout.weight_max,
            candidates: asked.candidates.clone(),
            colluders: self.roster.colluders,
            threshold: narrow(numbers.threshold),
            min_start: narrow(numbers.survivors),
            min_survivors: narrow(numbers.survivors),
            checkpoint: log.checkpoint(&self.log_key),
            previous_index: previous,
            previous_proof: log.inclusion(previous),
            checked: asked.checked.clone(),
            durations: Durations {
                join: PHASE_MS,
                share: PHASE_MS,
                upload: PHASE_MS,
                sign: PHASE_MS,
                reveal: PHASE_MS,
            },
            nonce: seed(rng),
        }
    }

    /// Signs a plan as the coordinator does.
    pub fn sign(&self, plan: Plan) -> SignedPlan {
        plan.sign(&self.coordinator)
    }

    /// A fresh answer. Every value is a whole number of units, so that rounding has nothing to
    /// decide and the sum is known exactly; values of weighted blocks are whole units after the
    /// division by the largest weight, too.
    pub fn answer(&self, rng: &mut ChaCha20Rng) -> Answer {
        let weight = 1 << below(rng, 4);
        let mut values = Vec::with_capacity(self.layout.elements());
        for block in &self.layout.blocks {
            let (unit, most) = match block.scale {
                Scale::Fixed(bits) => (exp2(-i32::from(bits)), block.bound),
                Scale::Weighted(bits) => (exp2(3 - i32::from(bits)), block.bound),
                Scale::Limbs => (exp2(-40), 2048.0),
            };
            let units = (most / unit) as u64;
            for _ in 0..block.len {
                let whole = below(rng, 2 * units + 1) as f64 - units as f64;
                values.push(whole * unit);
            }
        }
        Answer { weight, values }
    }
}

/// What is asked of whom.
pub struct Asked {
    /// The run.
    pub run: RunId,
    /// Its round.
    pub round: u64,
    /// The attempt.
    pub attempt: u32,
    /// Root of the state that asks.
    pub state: Digest,
    /// The line-up.
    pub candidates: Vec<NodeId>,
    /// Who made the previous sum again.
    pub checked: Vec<Checked>,
}

impl Site {
    fn new(rng: &mut ChaCha20Rng) -> Self {
        let (key, witness) = (
            SecretKey::from_seed(seed(rng)),
            SecretKey::from_seed(seed(rng)),
        );
        Self {
            node: key.public().node_id(),
            key,
            witness,
        }
    }
}

fn exp2(power: i32) -> f64 {
    2.0_f64.powi(power)
}

fn layout(ring: Ring, rng: &mut ChaCha20Rng) -> Layout {
    let mut block = |scale, bound, most| Block {
        len: 1 + below(rng, most) as u32,
        scale,
        bound,
    };
    let blocks = match ring {
        // Forty sites times the bound in units stay below 2^(B-2).
        Ring::Bits32 => vec![
            block(Scale::Fixed(8), 1000.0, 6),
            block(Scale::Weighted(9), 4.0, 6),
        ],
        Ring::Bits24 => vec![
            block(Scale::Fixed(8), 300.0, 6),
            block(Scale::Weighted(9), 4.0, 6),
        ],
        Ring::Bits20 => vec![
            block(Scale::Fixed(6), 90.0, 6),
            block(Scale::Weighted(7), 4.0, 6),
        ],
        Ring::Bits16 => vec![
            block(Scale::Fixed(4), 15.0, 6),
            block(Scale::Weighted(5), 4.0, 6),
        ],
        Ring::Bits64 => {
            vec![
                block(Scale::Fixed(30), 1e6, 5),
                block(Scale::Weighted(20), 16.0, 4),
                block(Scale::Limbs, 0.0, 2),
            ]
        }
    };
    Layout {
        ring,
        weight_max: WEIGHT_MAX,
        blocks,
    }
}
