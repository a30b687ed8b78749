//! What a masked round costs in processor time, one step at a time: `cargo bench -p motet-secagg`.
//! A vector of 2^20 numbers among four sites. Times of one sitting compare; times of two do not.
#![allow(clippy::expect_used, reason = "a bench that cannot be set up stops")]

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use motet_secagg::digest::Digest;
use motet_secagg::fold::fold_chunk;
use motet_secagg::id::NodeId;
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::{EncodedUpdate, Masks, Shape, Sign};
use motet_secagg::pair::self_seed;
use motet_secagg::secret::{Secret, Seed};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const NUMBERS: u32 = 1 << 20;
const SITES: u8 = 4;
const RINGS: [Ring; 3] = [Ring::Bits20, Ring::Bits32, Ring::Bits64];

fn main() {
    divan::main();
}

fn layout(ring: Ring) -> Layout {
    Layout {
        ring,
        weight_max: 1,
        blocks: vec![Block {
            len: NUMBERS,
            scale: Scale::Fixed(8),
            bound: 16.0,
        }],
    }
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn seed() -> Seed {
    self_seed(&Secret::draw(&mut rng()), &Digest::of("bench", &[]))
}

fn encoded(layout: &Layout) -> EncodedUpdate {
    let values = (0..NUMBERS).map(|at| f64::from(at % 31) - 15.0);
    let update = ClearUpdate::new(1, values.collect());
    let rounding = Secret::draw(&mut rng());
    let encoded = update.encode(layout, u32::from(SITES), &rounding);
    encoded.expect("the values lie within the bound of the layout")
}

fn masks() -> Masks {
    let me = NodeId([0; 16]);
    let peers = (1..SITES).map(|peer| (Sign::of(me, NodeId([peer; 16])), seed()));
    Masks {
        own: seed(),
        peers: peers.collect(),
    }
}

/// From numbers to the words of the ring.
#[divan::bench(args = RINGS)]
fn quantise(bencher: Bencher<'_, '_>, ring: Ring) {
    let layout = layout(ring);
    bencher
        .counter(ItemsCount::new(NUMBERS))
        .bench_local(|| encoded(black_box(&layout)));
}

/// One site's own mask and one for each of its three peers, and packing.
#[divan::bench(args = RINGS)]
fn mask(bencher: Bencher<'_, '_>, ring: Ring) {
    let layout = layout(ring);
    bencher
        .counter(ItemsCount::new(NUMBERS))
        .with_inputs(|| (encoded(&layout), masks()))
        .bench_local_values(|(encoded, masks)| encoded.mask(masks));
}

/// Four payloads added and four own masks taken off.
#[divan::bench(args = RINGS)]
fn fold(bencher: Bencher<'_, '_>, ring: Ring) {
    let layout = layout(ring);
    let shape = Shape::of(&layout);
    // Masks between peers cancel and cost the fold nothing: the site has none here.
    let upload = encoded(&layout).mask(Masks {
        own: seed(),
        peers: Vec::new(),
    });
    let opened: Vec<(Sign, Seed)> = (0..SITES).map(|_| (Sign::Minus, seed())).collect();
    bencher.counter(ItemsCount::new(NUMBERS)).bench_local(|| {
        for (index, chunk) in upload.chunks.iter().enumerate() {
            let payloads = [&chunk[..]; SITES as usize];
            let words = fold_chunk(&shape, index, &payloads, &opened, u32::from(SITES));
            black_box(words.expect("every mask is taken off"));
        }
    });
}
