//! The one property everything else serves: what unmasks is exactly the sum of what was encoded,
//! whoever drops out, and nothing unmasks otherwise.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly"
)]

use motet_secagg::digest::{Digest, to_hex};
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, FoldError, fold_chunk, plain_sum, set_digest};
use motet_secagg::id::NodeId;
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::{MaskedUpdate, Masks, Shape, Sign};
use motet_secagg::pair::{PairKeys, PairPublic, self_seed};
use motet_secagg::secret::{Secret, Seed};
use motet_secagg::shamir::{Share, combine, split};
use motet_secagg::threshold::{Thresholds, default_colluders, default_h_min};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const RINGS: [Ring; 5] = [
    Ring::Bits16,
    Ring::Bits20,
    Ring::Bits24,
    Ring::Bits32,
    Ring::Bits64,
];

fn id(rank: usize) -> NodeId {
    NodeId([u8::try_from(rank).unwrap() + 1; 16])
}

fn layout(ring: Ring, elements: u32) -> Layout {
    let block = |len, scale, bound| Block { len, scale, bound };
    // Up to eight sites: 8 * 2^11 is the room of the narrowest ring.
    let fixed = if ring.bits() < 32 {
        (3, 250.0)
    } else {
        (8, 1000.0)
    };
    let mut blocks = vec![
        block(elements, Scale::Fixed(fixed.0), fixed.1),
        block(2, Scale::Weighted(9), 3.0),
    ];
    if ring == Ring::Bits64 {
        blocks.push(block(3, Scale::Limbs, 0.0));
        blocks.push(block(elements, Scale::Fixed(30), 1e6));
    }
    Layout {
        ring,
        weight_max: 500,
        blocks,
    }
}

fn values(layout: &Layout, rng: &mut ChaCha20Rng) -> Vec<f64> {
    let unit = |rng: &mut ChaCha20Rng| rng.next_u32() as f64 / f64::from(u32::MAX) * 2.0 - 1.0;
    let mut values = Vec::new();
    for block in &layout.blocks {
        let bound = if block.scale == Scale::Limbs {
            2.0_f64.powi(85)
        } else {
            block.bound
        };
        values.extend((0..block.len).map(|_| unit(rng) * bound));
    }
    values
}

/// A node of a round in which everything is real but the messages.
struct Node {
    id: NodeId,
    keys: PairKeys,
    public: PairPublic,
    b: Secret,
    shares_r: Vec<Share>,
    shares_b: Vec<Share>,
}

fn nodes(n: usize, t: usize, rng: &mut ChaCha20Rng) -> Vec<Node> {
    let node = |rank| {
        let (r, b) = (Secret::draw(rng), Secret::draw(rng));
        let keys = PairKeys::derive(&r);
        let public = keys.public();
        let (shares_r, shares_b) = (split(&r, t, n, rng).unwrap(), split(&b, t, n, rng).unwrap());
        Node {
            id: id(rank),
            keys,
            public,
            b,
            shares_r,
            shares_b,
        }
    };
    (0..n).map(node).collect()
}

fn pair_seed(me: &PairKeys, me_id: NodeId, peer: &Node, t2: &Digest) -> Seed {
    if me_id < peer.id {
        me.seed_as_lower(me_id, peer.id, &peer.public, t2).unwrap()
    } else {
        let public = me.public();
        let ciphertext = peer.keys.encapsulate(me_id, &public).unwrap();
        me.seed_as_upper(me_id, peer.id, &peer.public, &ciphertext, t2)
            .unwrap()
    }
}

/// The secret put together from the shares of the given holders.
fn recovered(shares: &[Share], holders: &[usize]) -> Secret {
    let these: Vec<_> = holders
        .iter()
        .map(|rank| (u8::try_from(rank + 1).unwrap(), shares[*rank].clone()))
        .collect();
    combine(&these).unwrap()
}

struct Round {
    layout: Layout,
    shape: Shape,
    uploads: Vec<MaskedUpdate>,
    kept: Vec<usize>,
    plain: Vec<u64>,
    removals: Vec<(Sign, Seed)>,
}

fn round(
    n: usize,
    dropped: usize,
    ring: Ring,
    elements: u32,
    chunk_words: u32,
    seed: u64,
) -> Round {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let colluders = default_colluders(n);
    let numbers = Thresholds::of(n, n, colluders, default_h_min(n), 0).unwrap();
    let layout = layout(ring, elements);
    let t2 = Digest([3; 32]);
    let all = nodes(n, numbers.threshold, &mut rng);
    // Who drops out after sharing, drawn without replacement.
    let mut order: Vec<usize> = (0..n).collect();
    (0..n).for_each(|i| order.swap(i, i + rng.next_u32() as usize % (n - i)));
    let mut kept = order.split_off(dropped.min(n - numbers.survivors));
    kept.sort_unstable();

    let mut uploads = Vec::new();
    let mut plain = vec![0_u64; layout.words()];
    let mut shape = Shape::of(&layout);
    shape.chunk_words = chunk_words;
    for u in &kept {
        let me = &all[*u];
        let answer = values(&layout, &mut rng);
        let (weight, rounding) = (1 + rng.next_u32() % 500, Secret::draw(&mut rng));
        let again = Secret::new(*rounding.expose());
        let encode = |z: &Secret| {
            let update = ClearUpdate::new(weight, answer.clone());
            update
                .encode(&layout, u32::try_from(n).unwrap(), z)
                .unwrap()
                .with_chunk_words(chunk_words)
        };
        // The words without masks are read off a copy whose masks cancel: +s and -s.
        let s = || Seed::new([1; 32]);
        let bare = encode(&again).mask(Masks {
            own: s(),
            peers: vec![(Sign::Minus, s())],
        });
        add_bare(&shape, &bare, &mut plain);
        let peers = all.iter().filter(|peer| peer.id != me.id);
        let peers = peers
            .map(|peer| {
                (
                    Sign::of(me.id, peer.id),
                    pair_seed(&me.keys, me.id, peer, &t2),
                )
            })
            .collect();
        uploads.push(encode(&rounding).mask(Masks {
            own: self_seed(&me.b, &t2),
            peers,
        }));
    }

    // Opening: t holders, dropped ones may answer too, give one kind of share per node.
    let holders: Vec<usize> = (n - numbers.threshold..n).collect();
    let mut removals = Vec::new();
    for (w, node) in all.iter().enumerate() {
        if kept.contains(&w) {
            removals.push((
                Sign::Minus,
                self_seed(&recovered(&node.shares_b, &holders), &t2),
            ));
        } else {
            let keys = PairKeys::derive(&recovered(&node.shares_r, &holders));
            for v in &kept {
                removals.push((
                    Sign::of(node.id, all[*v].id),
                    pair_seed(&keys, node.id, &all[*v], &t2),
                ));
            }
        }
    }
    Round {
        layout,
        shape,
        uploads,
        kept,
        plain,
        removals,
    }
}

fn add_bare(shape: &Shape, bare: &MaskedUpdate, plain: &mut [u64]) {
    let largest = u64::MAX >> (64 - shape.ring.bits());
    for (chunk, payload) in bare.chunks.iter().enumerate() {
        for (place, to) in plain[shape.data(chunk)].iter_mut().enumerate() {
            *to = to.wrapping_add(word_at(shape.ring, payload, place + 2)) & largest;
        }
    }
}

/// One word of a payload, read bit by bit: the definition of packing and nothing of its code.
fn word_at(ring: Ring, payload: &[u8], place: usize) -> u64 {
    let width = ring.bits() as usize;
    let bit = |at: usize| u64::from(payload[at / 8] >> (at % 8) & 1);
    (0..width).map(|k| bit(place * width + k) << k).sum()
}

impl Round {
    fn fold(&self, chunk: usize) -> Result<Vec<u64>, FoldError> {
        let payloads: Vec<&[u8]> = self
            .uploads
            .iter()
            .map(|u| u.chunks[chunk].as_slice())
            .collect();
        fold_chunk(
            &self.shape,
            chunk,
            &payloads,
            &self.removals,
            u32::try_from(self.kept.len()).unwrap(),
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn what_unmasks_is_the_plain_sum(
        n in 3_usize..9, dropped in 0_usize..4, ring in 0_usize..5, elements in 1_u32..40, chunk_words in 3_u32..20, seed: u64,
    ) {
        let ring = RINGS[ring];
        let round = round(n, dropped, ring, elements, chunk_words, seed);
        let chunks = round.shape.chunks();
        prop_assert!(round.uploads.iter().all(|upload| upload.chunks.len() == chunks));
        let mut words = Vec::new();
        for chunk in 0..chunks {
            words.extend(round.fold(chunk).unwrap());
        }
        prop_assert_eq!(&words, &round.plain);
        let aggregate = Aggregate { ring, words };
        prop_assert_eq!(&Aggregate::from_bytes(&aggregate.to_bytes()).unwrap(), &aggregate);
        let sites: Vec<_> = round.kept.iter().map(|rank| id(*rank)).collect();
        let sum = aggregate.decode(&round.layout, u32::try_from(sites.len()).unwrap(), set_digest(&sites));
        prop_assert!(sum.is_ok());
    }
}

#[test]
fn forty_sites_of_which_twelve_are_lost_still_unmask() {
    for ring in [Ring::Bits20, Ring::Bits24] {
        let round = round(40, 12, ring, 31, 7, 5);
        assert_eq!((round.kept.len(), round.shape.chunks()), (28, 7));
        let words: Vec<u64> = (0..7)
            .flat_map(|chunk| round.fold(chunk).unwrap())
            .collect();
        assert_eq!(words, round.plain);
    }
}

#[test]
fn a_missing_site_a_changed_byte_or_a_mask_left_on_void_the_chunk() {
    let sentinel = Err(FoldError::Sentinel { chunk: 1 });
    let mut whole = round(5, 1, Ring::Bits32, 20, 7, 1);
    assert!(whole.fold(1).is_ok());
    // The first four bytes of a chunk are its first sentinel.
    whole.uploads[0].chunks[1][2] ^= 4;
    assert_eq!(whole.fold(1), sentinel);
    whole.uploads[0].chunks[1][2] ^= 4;
    let mask = whole.removals.pop().unwrap();
    assert_eq!(whole.fold(1), sentinel);
    whole.removals.push((mask.0.opposite(), mask.1));
    assert_eq!(whole.fold(1), sentinel);
    whole.removals.last_mut().unwrap().0 = mask.0;
    assert!(whole.fold(1).is_ok());
    whole.uploads[0].chunks.swap(0, 1);
    assert_eq!(whole.fold(1), sentinel);
    whole.uploads[0].chunks.swap(0, 1);
    whole.uploads[0].chunks[1].pop();
    assert_eq!(
        whole.fold(1),
        Err(FoldError::PayloadLength {
            chunk: 1,
            payload: 0
        })
    );
    whole.uploads.remove(0);
    assert_eq!(whole.fold(1), sentinel);
    assert_eq!(
        fold_chunk(&whole.shape, 99, &[], &[], 3),
        Err(FoldError::NoSuchChunk { chunk: 99 })
    );
}

/// Nobody but the site can add zero bits to what it signed, and two payloads of one value would
/// have two roots.
#[test]
fn a_payload_whose_last_bits_are_not_zero_is_refused() {
    let mut whole = round(4, 0, Ring::Bits20, 20, 7, 2);
    assert!(whole.fold(1).is_ok());
    let last = whole.uploads[2].chunks[1].last_mut().unwrap();
    assert_eq!(*last >> 4, 0, "seven words of 20 bits leave four bits");
    *last |= 0x10;
    assert_eq!(
        whole.fold(1),
        Err(FoldError::Padding {
            chunk: 1,
            payload: 2
        })
    );
}

#[test]
fn shapes_count_sentinels_in_every_chunk() {
    for ring in RINGS {
        for words in 1..50 {
            for chunk_words in 3..12 {
                let shape = Shape {
                    ring,
                    words,
                    chunk_words,
                };
                let data: usize = (0..shape.chunks())
                    .map(|chunk| shape.data(chunk).len())
                    .sum();
                let bytes: usize = (0..shape.chunks())
                    .map(|chunk| shape.payload_bytes(chunk))
                    .sum();
                assert_eq!(data as u64, words);
                assert_eq!(bytes, shape.total_bytes());
                let most = (chunk_words * ring.bits()).div_ceil(8) as usize;
                assert!((0..shape.chunks()).all(|chunk| shape.payload_bytes(chunk) <= most));
                assert_eq!(shape.payload_bytes(shape.chunks()), 0);
            }
        }
        assert_eq!(
            Shape {
                ring,
                words: 0,
                chunk_words: 3
            }
            .total_bytes(),
            0
        );
    }
    // A million numbers and the weight; the last chunk is not full.
    for (ring, chunk, whole) in [
        (Ring::Bits16, 524_288, 2_000_018),
        (Ring::Bits20, 655_360, 2_500_023),
        (Ring::Bits24, 786_432, 3_000_027),
        (Ring::Bits32, 1 << 20, 4_000_036),
        (Ring::Bits64, 1 << 20, 8_000_136),
    ] {
        let blocks = vec![Block {
            len: 1_000_000,
            scale: Scale::Fixed(8),
            bound: 1.0,
        }];
        let shape = Shape::of(&Layout {
            ring,
            weight_max: 1,
            blocks,
        });
        assert_eq!(
            (shape.payload_bytes(0), shape.total_bytes()),
            (chunk, whole)
        );
    }
}

/// A small update under fixed seeds. The expected bytes were computed with OpenSSL's AES, not with
/// this crate.
fn golden(ring: Ring) -> MaskedUpdate {
    let blocks = vec![Block {
        len: 4,
        scale: Scale::Fixed(8),
        bound: 100.0,
    }];
    let layout = Layout {
        ring,
        weight_max: 100,
        blocks,
    };
    let update = ClearUpdate::new(7, vec![1.5, -2.25, 0.001_953_125, 100.0]);
    let seed = |byte| Seed::new([byte; 32]);
    let masks = Masks {
        own: seed(1),
        peers: vec![(Sign::Plus, seed(2)), (Sign::Minus, seed(3))],
    };
    let encoded = update.encode(&layout, 3, &Secret::new([0; 32])).unwrap();
    encoded.with_chunk_words(5).mask(masks)
}

const GOLDEN_32: [&str; 2] = [
    "d60de454817af3475cc7d2b10dbbff57ae5c584f",
    "d2d0c90de4e6b1f3ef7b6239dd215263",
];
const GOLDEN_64: [&str; 2] = [
    "d60de454817af34755c7d2b18db9ff57f55e584fe7de722fd79e6a6f782fd53c78814cccb104bec1",
    "d2d0c90de4e6b1f3ef7b6239ddbd5163ff52eb671f528076b947a107e32b6910",
];

#[test]
fn masked_chunks_are_these_bytes() {
    let hex = |ring| {
        golden(ring)
            .chunks
            .iter()
            .map(|chunk| to_hex(chunk))
            .collect::<Vec<_>>()
    };
    assert_eq!(hex(Ring::Bits32), GOLDEN_32);
    assert_eq!(hex(Ring::Bits64), GOLDEN_64);
}

/// Masks and words are added in 32 bits and cut when they are packed, so a narrower ring sends the
/// low bits of a wider one.
#[test]
fn a_narrow_ring_sends_the_low_bits_of_a_wide_one() {
    let masked = |ring| {
        let blocks = vec![Block {
            len: 6,
            scale: Scale::Fixed(4),
            bound: 100.0,
        }];
        let layout = Layout {
            ring,
            weight_max: 100,
            blocks,
        };
        let update = ClearUpdate::new(7, vec![1.5, -2.25, 0.125, 100.0, -100.0, -0.0625]);
        let seed = |byte| Seed::new([byte; 32]);
        let masks = Masks {
            own: seed(1),
            peers: vec![(Sign::Plus, seed(2)), (Sign::Minus, seed(3))],
        };
        update
            .encode(&layout, 3, &Secret::new([0; 32]))
            .unwrap()
            .with_chunk_words(5)
            .mask(masks)
    };
    let wide = masked(Ring::Bits32);
    for ring in [Ring::Bits16, Ring::Bits20, Ring::Bits24] {
        let narrow = masked(ring);
        for (narrow, wide) in narrow.chunks.iter().zip(&wide.chunks) {
            assert_eq!(narrow.len(), ring.packed_bytes(wide.len() / 4));
            for place in 0..wide.len() / 4 {
                let whole = word_at(Ring::Bits32, wide, place);
                assert_eq!(word_at(ring, narrow, place), whole & ring.largest());
            }
        }
    }
}

#[test]
fn a_plain_sum_is_the_sum() {
    let blocks = vec![
        Block {
            len: 2,
            scale: Scale::Fixed(20),
            bound: 10.0,
        },
        Block {
            len: 1,
            scale: Scale::Limbs,
            bound: 0.0,
        },
    ];
    let layout = Layout {
        ring: Ring::Bits64,
        weight_max: 9,
        blocks,
    };
    let updates = vec![
        ClearUpdate::new(4, vec![1.25, -3.5, 1e20]),
        ClearUpdate::new(9, vec![-10.0, 0.5, -1e20]),
        ClearUpdate::new(1, vec![0.25, 0.5, 0.375]),
    ];
    let sum = plain_sum(&layout, Digest([1; 32]), updates).unwrap();
    assert_eq!((sum.sites, sum.weight, sum.set), (3, 14, Digest([1; 32])));
    assert_eq!(sum.values, [-8.5, -2.5, 0.375]);
}

#[test]
fn a_set_has_one_digest_whatever_its_order() {
    assert_eq!(
        set_digest(&[id(2), id(1)]),
        set_digest(&[id(1), id(2), id(1)])
    );
    assert_ne!(set_digest(&[id(2), id(1)]), set_digest(&[id(1)]));
}
