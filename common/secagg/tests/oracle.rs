//! Every primitive against aws-lc, an implementation that shares no code with ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use aws_lc_rs::{agreement, error::Unspecified};
use ml_kem::DecapsulationKey768;
#[expect(
    deprecated,
    reason = "the expanded ML-KEM key is the only form the other implementation reads"
)]
use ml_kem::ExpandedKeyEncoding;
use motet_secagg::digest::Digest;
use motet_secagg::id::NodeId;
use motet_secagg::pair::{PairKeys, PairPublic, ciphertext_digest, self_seed};
use motet_secagg::prg::keystream;
use motet_secagg::secret::{Secret, Seed};
use motet_secagg::sign::SecretKey;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

struct Bytes(usize);

impl KeyType for Bytes {
    fn len(&self) -> usize {
        self.0
    }
}

fn hkdf(material: &[u8], salt: &[u8], info: &[&[u8]], length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let prk = Salt::new(HKDF_SHA256, salt).extract(material);
    prk.expand(info, Bytes(length))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

fn aes_256_ctr(key: &[u8; 32], chunk: u64, length: usize) -> Vec<u8> {
    let mut counter = [0; 16];
    counter[..8].copy_from_slice(&chunk.to_be_bytes());
    let mut out = vec![0; length];
    let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_256, key).unwrap()).unwrap();
    key.less_safe_encrypt(
        &mut out,
        EncryptionContext::Iv128(FixedLength::from(counter)),
    )
    .unwrap();
    out
}

#[test]
fn the_mask_stream_is_aes_256_ctr_over_the_chunk_number() {
    let mut rng = rng(1);
    // Every power of two and both neighbours: each of the 64 bits of a chunk number stands where
    // the other puts it.
    let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    for chunk in edges.chain([u64::MAX - 1, u64::MAX]) {
        let mut key = [0; 32];
        rng.fill_bytes(&mut key);
        // Longer than one batch of keystream, and no multiple of a block.
        let mut ours = vec![0; 20_001];
        keystream(&Seed::new(key), chunk, &mut ours);
        assert_eq!(ours, aes_256_ctr(&key, chunk, 20_001), "chunk {chunk}");
    }
}

#[test]
fn every_bit_of_a_seed_changes_the_stream() {
    let stream = |key: [u8; 32]| {
        let mut out = [0; 64];
        keystream(&Seed::new(key), 3, &mut out);
        out
    };
    let mut seen = vec![stream([7; 32])];
    for bit in 0..256 {
        let mut key = [7; 32];
        key[bit / 8] ^= 1 << (bit % 8);
        seen.push(stream(key));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 257);
}

/// A derived seed that ignored a bit of what it comes from would have fewer than 256 bits itself.
#[test]
fn every_bit_of_a_secret_and_of_the_transcript_changes_every_derived_seed() {
    let flipped = |bytes: [u8; 32]| {
        let one = move |bit: usize| {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            changed
        };
        std::iter::once(bytes).chain((0..256).map(one))
    };
    let all_differ = |mut seeds: Vec<[u8; 32]>| {
        assert_eq!(seeds.len(), 257);
        seeds.sort_unstable();
        seeds.dedup();
        assert_eq!(seeds.len(), 257);
    };
    let (secret, other, t2) = ([7; 32], Secret::new([8; 32]), Digest([9; 32]));
    let (low, high) = (NodeId([1; 16]), NodeId([2; 16]));
    let peer = PairKeys::derive(&other);
    let (their, me) = (peer.public(), PairKeys::derive(&Secret::new(secret)));

    all_differ(
        flipped(secret)
            .map(|b| *self_seed(&Secret::new(b), &t2).expose())
            .collect(),
    );
    all_differ(
        flipped(t2.0)
            .map(|t2| *self_seed(&Secret::new(secret), &Digest(t2)).expose())
            .collect(),
    );
    let as_lower =
        |keys: &PairKeys, t2| *keys.seed_as_lower(low, high, &their, &t2).unwrap().expose();
    all_differ(
        flipped(secret)
            .map(|r| as_lower(&PairKeys::derive(&Secret::new(r)), t2))
            .collect(),
    );
    all_differ(flipped(t2.0).map(|t2| as_lower(&me, Digest(t2))).collect());
    let as_upper = |r: [u8; 32]| {
        let keys = PairKeys::derive(&Secret::new(r));
        let sent = peer.encapsulate(high, &keys.public()).unwrap();
        *keys
            .seed_as_upper(high, low, &their, &sent, &t2)
            .unwrap()
            .expose()
    };
    all_differ(flipped(secret).map(as_upper).collect());
}

#[test]
fn signatures_are_those_of_another_ed25519() {
    let mut rng = rng(2);
    for round in 0..20_u8 {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        let (ours, theirs) = (
            SecretKey::from_seed(seed),
            Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(),
        );
        assert_eq!(ours.public().0, theirs.public_key().as_ref());
        let signed = Digest::of("plan", &[&[round]]);
        let signature = ours.sign("plan", &[round]);
        assert_eq!(signature.0, theirs.sign(&signed.0).as_ref());
        UnparsedPublicKey::new(&ED25519, ours.public().0)
            .verify(&signed.0, &signature.0)
            .unwrap();
    }
}

/// The pair seed of the lower node, computed by aws-lc on the upper node's side from the bytes that
/// travel.
#[expect(
    deprecated,
    reason = "the expanded ML-KEM key is the only form the other implementation reads"
)]
fn seed_by_aws(
    r: &Secret,
    their: &PairPublic,
    ciphertext: &[u8],
    ids: [NodeId; 2],
    t2: &Digest,
) -> Vec<u8> {
    let agreed = {
        let key = hkdf(r.expose(), &[], &[b"x"], 32);
        let key = agreement::PrivateKey::from_private_key(&agreement::X25519, &key).unwrap();
        let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, their.x25519);
        agreement::agree(&key, peer, Unspecified, |shared| Ok(shared.to_vec())).unwrap()
    };
    let decapsulated = {
        // aws-lc takes the expanded key only, so this one step of ML-KEM is ours: its key schedule
        // from the seed.
        let seed: [u8; 64] = hkdf(r.expose(), &[], &[b"k"], 64).try_into().unwrap();
        let expanded = DecapsulationKey768::from_seed(seed.into()).to_expanded_bytes();
        let key = DecapsulationKey::new(&ML_KEM_768, &expanded).unwrap();
        key.decapsulate(Ciphertext::from(ciphertext))
            .unwrap()
            .as_ref()
            .to_vec()
    };
    let material = [decapsulated, agreed].concat();
    let sent = ciphertext_digest(ciphertext);
    hkdf(
        &material,
        &t2.0,
        &[b"pair", &ids[0].0, &ids[1].0, &sent.0],
        32,
    )
}

#[test]
fn both_sides_of_a_pair_and_aws_arrive_at_the_same_seed() {
    let mut rng = rng(3);
    let (low, high) = (NodeId([1; 16]), NodeId([2; 16]));
    let t2 = Digest([9; 32]);
    for _ in 0..5 {
        let (r_low, r_high) = (Secret::draw(&mut rng), Secret::draw(&mut rng));
        let (keys_low, keys_high) = (PairKeys::derive(&r_low), PairKeys::derive(&r_high));
        let ciphertext = keys_low.encapsulate(high, &keys_high.public()).unwrap();
        let lower = keys_low
            .seed_as_lower(low, high, &keys_high.public(), &t2)
            .unwrap();
        let upper = keys_high
            .seed_as_upper(high, low, &keys_low.public(), &ciphertext, &t2)
            .unwrap();
        assert!(lower.same(&upper));
        let other = seed_by_aws(&r_high, &keys_low.public(), &ciphertext, [low, high], &t2);
        assert_eq!(lower.expose().as_slice(), other);
    }
}

#[test]
fn aws_accepts_our_encapsulation_key() {
    let public = PairKeys::derive(&Secret::new([5; 32])).public();
    assert!(
        EncapsulationKey::new(&ML_KEM_768, &public.mlkem)
            .unwrap()
            .encapsulate()
            .is_ok()
    );
}

#[test]
fn the_own_seed_is_hkdf_under_t2() {
    let mut rng = rng(4);
    for _ in 0..20 {
        let (b, t2) = (
            Secret::draw(&mut rng),
            Digest(*Secret::draw(&mut rng).expose()),
        );
        assert_eq!(
            self_seed(&b, &t2).expose().as_slice(),
            hkdf(b.expose(), &t2.0, &[b"self"], 32)
        );
    }
}
