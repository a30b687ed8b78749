//! Ten thousand line-ups of three to forty sites with losses at any phase: the exact sum, or none.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_secagg::digest::Digest;
use motet_secagg::fold::{Aggregate, fold_chunk};
use motet_secagg::id::NodeId;
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::{Masks, Shape, Sign};
use motet_secagg::secret::{Secret, Seed};
use motet_secagg::shamir::{combine, split};
use motet_secagg::threshold::{Thresholds, default_colluders, default_h_min};
use motet_tests::sim::cast::below;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// Rounds of the small kind.
const ROUNDS: u64 = 10_000;
/// A prime for a key agreement that anybody could undo, but that commutes as the real one does.
const PRIME: u128 = (1 << 61) - 1;

/// One small round, from its seed: real thresholds, shares, masks and fold. Pair seeds come from a
/// toy agreement in place of X25519 and ML-KEM: ten thousand rounds with every pair of up to forty
/// sites would take five million of those.
struct Small {
    rng: ChaCha20Rng,
    numbers: Thresholds,
    layout: Layout,
    unit: f64,
    shape: Shape,
    /// r and b of every site.
    secrets: Vec<[[u8; 32]; 2]>,
    /// Sites that still answer.
    here: Vec<usize>,
}

fn small_id(site: usize) -> NodeId {
    NodeId([site as u8; 16])
}

/// The seed of a pair, from the secret of one and the public key of the other.
fn toy_seed(secret: &[u8; 32], site: usize, public: u128, other: usize) -> Seed {
    let shared = toy_key(secret) * public % PRIME;
    let ends = [site.min(other) as u8, site.max(other) as u8];
    Seed::new(Digest::of("toy", &[&shared.to_le_bytes(), &ends]).0)
}

fn toy_key(secret: &[u8; 32]) -> u128 {
    let first = secret.first_chunk().expect("32 bytes");
    u128::from(u64::from_le_bytes(*first)) % PRIME
}

fn toy_public(secret: &[u8; 32]) -> u128 {
    toy_key(secret) * 0x1234_5678_9abc_def1 % PRIME
}

impl Small {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let sites = 3 + below(&mut rng, 38) as usize;
        let numbers = Thresholds::of(
            sites,
            sites,
            default_colluders(sites),
            default_h_min(sites),
            3,
        );
        let (ring, bits, bound) = [
            (Ring::Bits16, 4, 15.0),
            (Ring::Bits20, 6, 50.0),
            (Ring::Bits24, 8, 200.0),
            (Ring::Bits32, 10, 1000.0),
            (Ring::Bits64, 30, 1e6),
        ][below(&mut rng, 5) as usize];
        let block = Block {
            len: 1 + below(&mut rng, 12) as u32,
            scale: Scale::Fixed(bits),
            bound,
        };
        let layout = Layout {
            ring,
            weight_max: 8,
            blocks: vec![block],
        };
        let shape = Shape {
            chunk_words: 4 + below(&mut rng, 6) as u32,
            ..Shape::of(&layout)
        };
        let secret = |rng: &mut ChaCha20Rng| *Secret::draw(rng).expose();
        let secrets = (0..sites)
            .map(|_| [secret(&mut rng), secret(&mut rng)])
            .collect();
        let here = (0..sites).collect();
        Self {
            rng,
            numbers: numbers.expect("three sites at least"),
            layout,
            unit: 0.5_f64.powi(i32::from(bits)),
            shape,
            secrets,
            here,
        }
    }

    /// Some are lost before they answer; who did answer, if they are enough.
    fn phase(&mut self, lost: usize, enough: usize) -> Option<Vec<usize>> {
        for _ in 0..lost.min(self.here.len()) {
            let gone = below(&mut self.rng, self.here.len() as u64) as usize;
            self.here.remove(gone);
        }
        (self.here.len() >= enough).then(|| self.here.clone())
    }

    fn masks(&self, site: usize, dealers: &[usize]) -> Masks {
        let peer = |other: &usize| {
            let seed = toy_seed(
                &self.secrets[site][0],
                site,
                toy_public(&self.secrets[*other][0]),
                *other,
            );
            (Sign::of(small_id(site), small_id(*other)), seed)
        };
        let peers = dealers
            .iter()
            .filter(|other| **other != site)
            .map(peer)
            .collect();
        Masks {
            own: Seed::new(Digest::of("toy-own", &[&self.secrets[site][1]]).0),
            peers,
        }
    }

    /// The secret of a dealer, from the shares of those who replied.
    fn open(&mut self, dealer: usize, kind: usize, joined: &[usize], replied: &[usize]) -> Secret {
        let (t, secret) = (
            self.numbers.threshold,
            Secret::new(self.secrets[dealer][kind]),
        );
        let shares = split(&secret, t, joined.len(), &mut self.rng).expect("a threshold that fits");
        let rank = |site: &usize| {
            joined
                .iter()
                .position(|known| known == site)
                .expect("a site that joined")
        };
        let points = replied
            .iter()
            .take(t)
            .map(|site| (rank(site) as u8 + 1, shares[rank(site)].clone()));
        combine(&points.collect::<Vec<_>>()).expect("distinct places")
    }

    /// Whether a sum came out; if one does, it is the sum of the inputs of its set.
    fn run(mut self) -> bool {
        // Up to two more losses than the table allows, each at any phase.
        let losses = (self.here.len() - self.numbers.survivors) as u64;
        let (t, s) = (self.numbers.threshold, self.numbers.survivors);
        let mut lost = [0; 5];
        for _ in 0..below(&mut self.rng, losses + 3) {
            lost[below(&mut self.rng, 5) as usize] += 1;
        }
        let mut last = Vec::new();
        let mut sets = Vec::new();
        for (lost, enough) in lost.into_iter().zip([s, s.max(t), s, t, t]) {
            let Some(set) = self.phase(lost, enough) else {
                return false;
            };
            sets.push(set.clone());
            last = set;
        }
        let (joined, dealers, set) = (sets[0].clone(), sets[1].clone(), sets[2].clone());
        let unit = self.unit;
        let most = (self.layout.blocks[0].bound / unit) as u64;
        let mut due = vec![0_i64; self.layout.elements()];
        let mut weights = 0;
        let mut uploads = Vec::new();
        for site in &set {
            let values: Vec<f64> = due
                .iter_mut()
                .map(|sum| {
                    let units = below(&mut self.rng, 2 * most + 1) as i64 - most as i64;
                    *sum += units;
                    units as f64 * unit
                })
                .collect();
            let weight = 1 + below(&mut self.rng, 8) as u32;
            weights += u64::from(weight);
            let rounding = Secret::draw(&mut self.rng);
            let encoded = ClearUpdate::new(weight, values).encode(
                &self.layout,
                self.secrets.len() as u32,
                &rounding,
            );
            let encoded = encoded
                .expect("an answer in range")
                .with_chunk_words(self.shape.chunk_words);
            uploads.push(encoded.mask(self.masks(*site, &dealers)));
        }
        let mut removals = Vec::new();
        for dealer in &dealers {
            if set.contains(dealer) {
                let secret = self.open(*dealer, 1, &joined, &last);
                removals.push((
                    Sign::Minus,
                    Seed::new(Digest::of("toy-own", &[secret.expose()]).0),
                ));
                continue;
            }
            let secret = self.open(*dealer, 0, &joined, &last);
            for site in &set {
                let seed = toy_seed(
                    secret.expose(),
                    *dealer,
                    toy_public(&self.secrets[*site][0]),
                    *site,
                );
                removals.push((Sign::of(small_id(*dealer), small_id(*site)), seed));
            }
        }
        let mut words = Vec::new();
        for index in 0..self.shape.chunks() {
            let row: Vec<&[u8]> = uploads
                .iter()
                .map(|upload| upload.chunks[index].as_slice())
                .collect();
            let chunk = fold_chunk(&self.shape, index, &row, &removals, set.len() as u32);
            words.extend(chunk.expect("masks that cancel"));
        }
        let sum = Aggregate {
            ring: self.layout.ring,
            words,
        };
        let sum = sum
            .decode(&self.layout, set.len() as u32, Digest::default())
            .expect("a sum in its range");
        let due: Vec<f64> = due.into_iter().map(|units| units as f64 * unit).collect();
        assert_eq!((sum.values, sum.weight), (due, weights));
        true
    }
}

#[test]
fn ten_thousand_line_ups_of_three_to_forty_give_the_exact_sum_or_none() {
    let half = |thread: u64| {
        let round = |seed: u64| {
            let run = std::panic::catch_unwind(|| Small::new(seed).run());
            run.unwrap_or_else(|_| panic!("seed {seed}: see above"))
        };
        (thread..ROUNDS)
            .step_by(2)
            .filter(|seed| round(*seed))
            .count() as u64
    };
    let released: u64 = std::thread::scope(|scope| {
        let halves = [0, 1].map(|thread| scope.spawn(move || half(thread)));
        halves.map(|half| half.join().expect("a half")).iter().sum()
    });
    println!("{released} of {ROUNDS} gave a sum");
    assert!(
        released > ROUNDS / 2 && released < ROUNDS * 19 / 20,
        "{released}"
    );
}
