//! Masks: entropy, reuse, what messages tell by their size, and two families of keys: A10, A13,
//! A16, A17, A18, A20, R10.

use motet_secagg::channel::{self, ChannelSecret};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use motet_secagg::mask::{Masks, Sign};
use motet_secagg::message::Message;
use motet_secagg::pair::{PairKeys, PairPublic, self_seed};
use motet_secagg::prg::keystream;
use motet_secagg::secret::{Secret, Seed};
use motet_tests::attack::lie::Lie;
use motet_tests::attack::node::Scene;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::{BTreeMap, BTreeSet};

fn flipped(bit: usize) -> [u8; 32] {
    let mut bytes = [0x5a; 32];
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

fn stream(seed: &Seed, chunk: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    keystream(seed, chunk, &mut out);
    out
}

#[test]
fn attack_a16_every_bit_of_a_seed_matters() {
    let streams: BTreeSet<Vec<u8>> = (0..256)
        .map(|bit| stream(&Seed::new(flipped(bit)), 0, 32))
        .collect();
    assert_eq!(streams.len(), 256);
    let t2 = Digest::of("t2", &[]);
    let seeds = (0..256).map(|bit| *self_seed(&Secret::new(flipped(bit)), &t2).expose());
    assert_eq!(seeds.collect::<BTreeSet<_>>().len(), 256);
    let keys = (0..256).map(|bit| {
        PairKeys::derive(&Secret::new(flipped(bit)))
            .public()
            .to_bytes()
    });
    assert_eq!(keys.collect::<BTreeSet<_>>().len(), 256);
    let salts =
        (0..256).map(|bit| *self_seed(&Secret::new([1; 32]), &Digest(flipped(bit))).expose());
    assert_eq!(salts.collect::<BTreeSet<_>>().len(), 256);
}

#[test]
fn attack_a17_no_block_of_a_mask_stream_comes_twice() {
    // Neighbouring chunks, and chunks whose numbers differ in one byte; each stream as long as a
    // chunk of 64 KiB.
    let mut blocks = BTreeSet::new();
    let chunks = [0, 1, 2, 255, 256, 1 << 16, 1 << 32, u64::MAX];
    for chunk in chunks {
        let stream = stream(&Seed::new([3; 32]), chunk, 1 << 16);
        blocks.extend(stream.chunks(16).map(<[u8]>::to_vec));
    }
    assert_eq!(blocks.len(), chunks.len() * (1 << 16) / 16);
}

#[test]
fn attack_a17_another_transcript_is_another_key() {
    let lie = Lie::with_sites(3);
    let (lower, upper) = (lie.cast.node(0), lie.cast.node(1));
    let (mine, their) = (
        PairKeys::derive(&Secret::new([1; 32])),
        PairKeys::derive(&Secret::new([2; 32])),
    );
    let seed = |t2: &str| {
        let seed = mine
            .seed_as_lower(lower, upper, &their.public(), &Digest::of(t2, &[]))
            .unwrap();
        *seed.expose()
    };
    assert_eq!(seed("t2"), seed("t2"));
    assert_ne!(seed("t2"), seed("another attempt"));
    // A second attempt has other secrets as well: nothing of the first is used again.
    let mut lie = Lie::with_sites(3);
    lie.join_all();
    let first = lie.heard.adverts.clone();
    lie.join_these_to(2, &[0, 1, 2]);
    for (node, again) in &lie.heard.adverts {
        assert_ne!(first[node].advert.pair, again.advert.pair);
        assert_ne!(first[node].advert.channel, again.advert.channel);
        assert_ne!(first[node].advert.commit_own, again.advert.commit_own);
    }
}

#[test]
fn attack_a10_a_second_answer_is_never_masked() {
    let mut lie = Lie::with_sites(3);
    lie.upload_all();
    let header = lie.heard.headers[&lie.cast.node(0)].clone();
    // The answer is computed again, with other rng, by a session that dialled again, and after a
    // restart.
    for restarts in [false, true] {
        if restarts {
            lie.restart(0);
        }
        let scene = Scene {
            cast: &lie.cast,
            archive: &lie.archive,
        };
        let said = lie.nodes[0].compute(&scene).unwrap();
        assert!(matches!(&said[..], [Message::Header(again)] if *again == header));
    }
    let stored = lie.nodes[0].disk.masked(&lie.root()).unwrap();
    assert_eq!(stored.hashes(), header.chunks);
    assert_eq!(
        lie.nodes[0]
            .acts
            .iter()
            .filter(|act| **act == "store")
            .count(),
        1
    );
}

#[test]
fn attack_a10_killed_between_the_file_and_the_vault_one_answer_is_shown() {
    let mut lie = Lie::with_sites(3);
    lie.share_all();
    lie.nodes[0].killed_after = Some(1);
    lie.upload_these(&[0, 1, 2]);
    assert_eq!(lie.nodes[0].acts.last(), Some(&"store"));
    assert!(
        !lie.heard.headers.contains_key(&lie.cast.node(0)),
        "nothing left the node"
    );
    lie.resume(0);
    lie.upload_these(&[0]);
    let header = &lie.heard.headers[&lie.cast.node(0)];
    assert_eq!(
        lie.nodes[0].disk.masked(&lie.root()).unwrap().hashes(),
        header.chunks
    );
    let shown = lie.nodes[0]
        .said
        .iter()
        .filter(|message| matches!(message, Message::Header(_)));
    assert_eq!(shown.count(), 1);
}

/// Four sites whose first one answers this; everything it said in a whole round, and its upload.
fn told(weight: u32, value: f64) -> (Vec<Message>, Vec<u8>) {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let mut cast = motet_tests::sim::cast::Cast::new(4, Ring::Bits32, false, &mut rng);
    let blocks = vec![Block {
        len: 200,
        scale: Scale::Weighted(4),
        bound: 1000.0,
    }];
    cast.layout = Layout {
        ring: Ring::Bits32,
        weight_max: 1 << 25,
        blocks,
    };
    let mut lie = Lie::of(cast, rng);
    for (site, node) in lie.nodes.iter_mut().enumerate() {
        node.answer = Some(if site == 0 {
            (weight, vec![value; 200])
        } else {
            (5, vec![1.0; 200])
        });
    }
    lie.upload_all();
    let upload = lie
        .chunks(0)
        .iter()
        .flat_map(|chunk| chunk.to_vec())
        .collect();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let evidence = lie.evidence(&proposal);
    let sum = lie.sum(&evidence);
    let released = lie.released(&evidence, &sum);
    lie.tell(0, Message::Released(released)).unwrap();
    (std::mem::take(&mut lie.nodes[0].said), upload)
}

#[test]
fn attack_a13_nothing_a_site_says_depends_on_its_weight_or_values_by_size_or_in_clear() {
    let (weight, value) = (0x0123_4567, 123.456_f64);
    let (secret, upload) = told(weight, value);
    let (dull, other) = told(1, 0.0);
    let sizes = |said: &[Message]| -> Vec<(&str, usize)> {
        said.iter()
            .map(|message| (message.kind(), message.to_bytes().len()))
            .collect()
    };
    assert_eq!(sizes(&secret), sizes(&dull));
    assert_eq!(secret.len(), 6, "{:?}", sizes(&secret));
    assert_eq!(upload.len(), other.len());
    let told: Vec<u8> = secret
        .iter()
        .flat_map(|message| message.to_bytes())
        .chain(upload)
        .collect();
    let scaled = (value * 16.0) as u32;
    for plain in [
        weight.to_le_bytes().to_vec(),
        weight.to_be_bytes().to_vec(),
        f64::from(weight).to_le_bytes().to_vec(),
        value.to_le_bytes().to_vec(),
        [scaled.to_le_bytes(), scaled.to_le_bytes()].concat(),
    ] {
        assert!(
            !told.windows(plain.len()).any(|part| part == plain),
            "{plain:x?}"
        );
    }
}

#[test]
fn attack_a18_an_answer_of_zeros_looks_like_any_other() {
    // A site that alone has a rare category sends a vector in which others have zeros: by its
    // upload nobody can tell.
    let ((_, zeros), (_, dense)) = (told(1, 0.0), told(1, 999.0));
    assert_eq!(zeros.len(), dense.len());
    let most = |bytes: &[u8]| {
        let mut counts = BTreeMap::new();
        bytes
            .iter()
            .for_each(|byte| *counts.entry(*byte).or_insert(0) += 1);
        counts.into_values().max()
    };
    assert!(
        most(&zeros) < Some(zeros.len() / 16),
        "masked bytes are even"
    );
    assert!(most(&dense) < Some(dense.len() / 16));
}

#[test]
fn attack_a20_seed_and_channel_hang_on_the_lattice_and_on_the_curve() {
    let lie = Lie::with_sites(3);
    let (lower, upper, t2) = (lie.cast.node(0), lie.cast.node(1), Digest::of("t2", &[]));
    let keys = |byte| PairKeys::derive(&Secret::new([byte; 32]));
    let (mine, their, foreign) = (keys(1), keys(2), keys(3).public());
    let honest = their.public();
    let as_upper = |keys: &PairKeys, sent: &[u8]| {
        *keys
            .seed_as_upper(upper, lower, &mine.public(), sent, &t2)
            .unwrap()
            .expose()
    };
    let sent = mine.encapsulate(upper, &honest).unwrap();
    let seed = *mine
        .seed_as_lower(lower, upper, &honest, &t2)
        .unwrap()
        .expose();
    assert_eq!(seed, as_upper(&their, &sent));
    // Either half swapped for one whose secret an attacker has: the two sides share no seed.
    let lattice = PairPublic {
        mlkem: foreign.mlkem.clone(),
        ..honest.clone()
    };
    let curve = PairPublic {
        x25519: foreign.x25519,
        ..honest.clone()
    };
    for swapped in [lattice, curve] {
        let seed = *mine
            .seed_as_lower(lower, upper, &swapped, &t2)
            .unwrap()
            .expose();
        let sent = mine.encapsulate(upper, &swapped).unwrap();
        assert_ne!(seed, as_upper(&their, &sent));
        // Nor does the attacker's whole key give the seed: it lacks the half that was not swapped.
        assert_ne!(seed, as_upper(&keys(3), &sent));
    }
    // The channel: X-Wing keys are the lattice half, then the curve's 32 bytes.
    let channel = |byte| ChannelSecret::derive(&Secret::new([byte; 32]));
    let (honest, foreign) = (channel(4), channel(5));
    let (public, other) = (honest.public(), foreign.public());
    let border = public.len() - 32;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut sealed = |to: &[u8]| channel::seal(to, b"info", b"aad", b"shares", &mut rng).unwrap();
    assert!(honest.open(&sealed(&public), b"info", b"aad").is_ok());
    for swapped in [
        [&other[..border], &public[border..]].concat(),
        [&public[..border], &other[border..]].concat(),
    ] {
        let sealed = sealed(&swapped);
        assert!(honest.open(&sealed, b"info", b"aad").is_err());
        assert!(foreign.open(&sealed, b"info", b"aad").is_err());
    }
}

/// The upload that site 0 would have made with this secret behind its rounding, from what its vault
/// holds.
fn masked_with(lie: &Lie, rounding: &[u8; 32], weight: u32, values: &[f64]) -> Vec<Vec<u8>> {
    let root = lie.root();
    let (kept, me, t2) = (
        lie.nodes[0].kept(&root).unwrap(),
        lie.cast.node(0),
        lie.t2(),
    );
    let keys = PairKeys::derive(&kept.pair);
    let peer = |site: &usize| {
        let peer = lie.cast.node(*site);
        let their = &lie.heard.adverts[&peer].advert.pair;
        (
            Sign::Plus,
            keys.seed_as_lower(me, peer, their, &t2).unwrap(),
        )
    };
    let masks = Masks {
        own: self_seed(&kept.own, &t2),
        peers: [1, 2].iter().map(peer).collect(),
    };
    let update = ClearUpdate::new(weight, values.to_vec());
    let encoded = update
        .encode(&lie.cast.layout, 3, &Secret::new(*rounding))
        .unwrap();
    encoded
        .with_chunk_words(lie.cast.chunk_words)
        .mask(masks)
        .chunks
}

#[test]
fn ruling_r10_rounding_does_not_follow_from_any_secret_that_is_opened() {
    let mut lie = Lie::with_sites(3);
    let blocks = vec![Block {
        len: 64,
        scale: Scale::Weighted(4),
        bound: 8.0,
    }];
    lie.cast.layout = Layout {
        ring: Ring::Bits32,
        weight_max: 8,
        blocks,
    };
    let made = |value: f64| vec![value; 64];
    // A third of a unit: each of 64 values is rounded up or down by a die of its own.
    let thirds = made(1.0 / 3.0);
    lie.nodes
        .iter_mut()
        .for_each(|node| node.answer = Some((8, thirds.clone())));
    lie.upload_all();
    let root = lie.root();
    let kept = lie.nodes[0].kept(&root).unwrap();
    let upload: Vec<Vec<u8>> = lie.chunks(0).iter().map(|chunk| chunk.to_vec()).collect();
    for opened in [kept.own.expose(), kept.pair.expose(), &[0; 32]] {
        assert_ne!(masked_with(&lie, opened, 8, &thirds), upload);
    }
    // (The masks are the right ones: where rounding decides nothing, the bytes are the same.)
    let mut whole = Lie::with_sites(3);
    whole.cast.layout = lie.cast.layout.clone();
    whole
        .nodes
        .iter_mut()
        .for_each(|node| node.answer = Some((8, made(2.0))));
    whole.upload_all();
    let root = whole.root();
    let own = whole.nodes[0].kept(&root).unwrap().own;
    let upload: Vec<Vec<u8>> = whole.chunks(0).iter().map(|chunk| chunk.to_vec()).collect();
    assert_eq!(masked_with(&whole, own.expose(), 8, &made(2.0)), upload);
}
