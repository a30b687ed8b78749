//! The sealed channel against code that shares nothing with it: X-Wing from its definition, with
//! Keccak from FIPS 202 written out here and X25519, ML-KEM-768, HMAC, HKDF, AES-GCM and SHA3-256
//! from aws-lc; and the key schedule of HPKE (RFC 9180 section 5.1, base mode) on top.
//!
//! One step stays ours: aws-lc reads the expanded ML-KEM key only, so expanding its seed is the
//! `ml-kem` crate's work. The published public keys hold that step.

use crate::{Known, hex, unhex};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, ML_KEM_768};
use aws_lc_rs::{agreement, digest, error::Unspecified, hmac};
use ml_kem::DecapsulationKey768;
#[expect(
    deprecated,
    reason = "the expanded ML-KEM key is the only form the other implementation reads"
)]
use ml_kem::{ExpandedKeyEncoding as _, KeyExport as _};
use motet_secagg::channel::{ChannelSecret, seal};
use motet_secagg::secret::Secret;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::{Value, json};

/// Keccak-f[1600] (FIPS 202 section 3), straight from its text.
fn keccak(a: &mut [u64; 25]) {
    let mut lfsr = 1_u8;
    for _ in 0..24 {
        let c: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |sum, y| sum ^ a[x + 5 * y]));
        for (at, lane) in a.iter_mut().enumerate() {
            *lane ^= c[(at + 4) % 5] ^ c[(at + 1) % 5].rotate_left(1);
        }
        let (mut x, mut y, mut last) = (1, 0, a[1]);
        for t in 0..24_u32 {
            (x, y) = (y, (2 * x + 3 * y) % 5);
            let next = last.rotate_left((t + 1) * (t + 2) / 2 % 64);
            last = std::mem::replace(&mut a[x + 5 * y], next);
        }
        for row in a.as_chunks_mut::<5>().0 {
            let old = *row;
            *row = std::array::from_fn(|x| old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]));
        }
        for j in 0..7 {
            a[0] ^= u64::from(lfsr & 1) << ((1 << j) - 1);
            lfsr = lfsr << 1 ^ if lfsr & 0x80 == 0 { 0 } else { 0x71 };
        }
    }
}

/// The sponge with a rate of 136 bytes: SHA3-256 under the suffix 0x06, SHAKE256 under 0x1f.
fn sponge(suffix: u8, parts: &[&[u8]], length: usize) -> Vec<u8> {
    const RATE: usize = 136;
    let mut message = parts.concat();
    message.push(suffix);
    message.resize(message.len().next_multiple_of(RATE), 0);
    *message.last_mut().unwrap() |= 0x80;
    let mut state = [0; 25];
    for block in message.chunks(RATE) {
        for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        keccak(&mut state);
    }
    assert!(length <= RATE, "one block is enough here");
    state
        .iter()
        .flat_map(|lane| lane.to_le_bytes())
        .take(length)
        .collect()
}

fn shake256(parts: &[&[u8]], length: usize) -> Vec<u8> {
    sponge(0x1f, parts, length)
}

#[test]
fn keccak_gives_the_sha3_of_another_implementation() {
    for length in [0, 1, 135, 136, 137, 500] {
        let message: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let theirs = digest::digest(&digest::SHA3_256, &message);
        assert_eq!(sponge(0x06, &[&message], 32), theirs.as_ref());
    }
    // SHAKE256 of nothing, from the examples that NIST publishes with FIPS 202.
    let known = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f";
    assert_eq!(hex(&shake256(&[], 32)), known);
}

/// X-Wing's key pair of a 32-byte decapsulation key.
struct XWing {
    mlkem: DecapsulationKey<aws_lc_rs::kem::AlgorithmId>,
    x25519: Vec<u8>,
    public: Vec<u8>,
}

fn x25519(private: &[u8], public: &[u8]) -> Vec<u8> {
    let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private).unwrap();
    let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, public);
    agreement::agree(&key, peer, Unspecified, |shared| Ok(shared.to_vec())).unwrap()
}

fn x25519_public(private: &[u8]) -> Vec<u8> {
    let mut base = [0; 32];
    base[0] = 9;
    x25519(private, &base)
}

impl XWing {
    #[expect(
        deprecated,
        reason = "the expanded ML-KEM key is the only form the other implementation reads"
    )]
    fn of(seed: &[u8]) -> Self {
        let expanded = shake256(&[seed], 96);
        let mlkem: [u8; 64] = expanded[..64].try_into().unwrap();
        let ours = DecapsulationKey768::from_seed(mlkem.into());
        let x25519 = expanded[64..].to_vec();
        let public = [
            &ours.encapsulation_key().to_bytes()[..],
            &x25519_public(&x25519),
        ]
        .concat();
        let mlkem = DecapsulationKey::new(&ML_KEM_768, &ours.to_expanded_bytes()).unwrap();
        Self {
            mlkem,
            x25519,
            public,
        }
    }

    /// `SHA3-256(ssM || ssX || ctX || pkX || label)`.
    fn decapsulate(&self, sent: &[u8]) -> Vec<u8> {
        let (ct_m, ct_x) = sent.split_at(1088);
        let ss_m = self.mlkem.decapsulate(Ciphertext::from(ct_m)).unwrap();
        let ss_x = x25519(&self.x25519, ct_x);
        let combined = [ss_m.as_ref(), &ss_x, ct_x, &self.public[1184..], br"\.//^\"].concat();
        digest::digest(&digest::SHA3_256, &combined)
            .as_ref()
            .to_vec()
    }
}

/// HPKE's suite: X-Wing, HKDF-SHA256, AES-256-GCM.
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x02";

fn labeled_extract(salt: &[u8], label: &[u8], material: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    hmac::sign(&key, &[b"HPKE-v1", SUITE, label, material].concat())
        .as_ref()
        .to_vec()
}

struct Length(u16);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0.into()
    }
}

fn labeled_expand(prk: &[u8], label: &[u8], info: &[u8], length: u16) -> Vec<u8> {
    let mut out = vec![0; length.into()];
    let length_bytes = length.to_be_bytes();
    let info: [&[u8]; 5] = [&length_bytes, b"HPKE-v1", SUITE, label, info];
    Prk::new_less_safe(HKDF_SHA256, prk)
        .expand(&info, Length(length))
        .unwrap()
        .fill(&mut out)
        .unwrap();
    out
}

/// Opens the first message of a base-mode context.
fn open(shared: &[u8], info: &[u8], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let context = [
        &[0][..],
        &labeled_extract(&[], b"psk_id_hash", &[]),
        &labeled_extract(&[], b"info_hash", info),
    ]
    .concat();
    let secret = labeled_extract(shared, b"secret", &[]);
    let key = labeled_expand(&secret, b"key", &context, 32);
    let nonce = labeled_expand(&secret, b"base_nonce", &context, 12);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let mut text = sealed.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(&nonce).unwrap();
    key.open_in_place(nonce, Aad::from(aad), &mut text)
        .ok()
        .map(|text| text.to_vec())
}

/// The published vector through `seal`: its randomness gives its encapsulated key, and what is
/// sealed opens under its shared secret.
pub(crate) fn case(takes: &Value) -> Value {
    let key = XWing::of(&unhex(&takes["seed"]));
    let mut rng = Known(unhex(&takes["eseed"]));
    let sealed = seal(&key.public, b"info", b"aad", b"two shares", &mut rng).unwrap();
    assert!(
        rng.0.is_empty(),
        "the encapsulation draws exactly its 64 bytes"
    );
    let shared = key.decapsulate(&sealed.enc);
    assert_eq!(
        open(&shared, b"info", b"aad", &sealed.ct).unwrap(),
        b"two shares"
    );
    assert_eq!(open(&shared, b"other", b"aad", &sealed.ct), None);
    json!({ "pk": hex(&key.public), "ct": hex(&sealed.enc), "ss": hex(&shared) })
}

/// HPKE's `DeriveKeyPair` for X-Wing (draft-ietf-hpke-pq): 32 bytes of SHAKE256 over the labelled
/// secret.
#[test]
fn another_implementation_derives_the_channel_key_and_opens_what_is_sealed_to_it() {
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    for byte in 0..8 {
        let secret = Secret::new([byte; 32]);
        let labelled: [&[u8]; 5] = [
            secret.expose(),
            b"HPKE-v1",
            b"KEM\x64\x7a",
            b"\x00\x0dDeriveKeyPair",
            &[0, 32],
        ];
        let theirs = XWing::of(&shake256(&labelled, 32));
        let ours = ChannelSecret::derive(&secret);
        assert_eq!(ours.public(), theirs.public);
        let sealed = seal(&ours.public(), b"info", b"aad", &[byte; 99], &mut rng).unwrap();
        let shared = theirs.decapsulate(&sealed.enc);
        assert_eq!(
            open(&shared, b"info", b"aad", &sealed.ct).unwrap(),
            [byte; 99]
        );
        assert_eq!(
            ours.open(&sealed, b"info", b"aad").unwrap().as_slice(),
            [byte; 99]
        );
    }
}
