//! Pairs, channels and shares: what opens, what does not, and what a wrong key or a wrong place
//! gives.

use motet_secagg::channel::{ChannelError, ChannelSecret, Sealed, check_public, seal};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::pair::{Kind, PairError, PairKeys, PairPublic, commit, commit_share, self_seed};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::{ShamirError, Share, combine, split};
use motet_secagg::sign::{PublicKey, SecretKey, Signature};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

const LOW: NodeId = NodeId([1; 16]);
const HIGH: NodeId = NodeId([2; 16]);

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([8; 32])
}

#[test]
fn a_pair_seed_depends_on_the_transcript_and_on_both_nodes() {
    let (a, b) = (
        PairKeys::derive(&Secret::new([1; 32])),
        PairKeys::derive(&Secret::new([2; 32])),
    );
    let (one, two) = (Digest([1; 32]), Digest([2; 32]));
    let seed = a.seed_as_lower(LOW, HIGH, &b.public(), &one).unwrap();
    assert!(seed.same(&a.seed_as_lower(LOW, HIGH, &b.public(), &one).unwrap()));
    assert!(!seed.same(&a.seed_as_lower(LOW, HIGH, &b.public(), &two).unwrap()));
    assert!(
        !seed.same(
            &a.seed_as_lower(LOW, NodeId([3; 16]), &b.public(), &one)
                .unwrap()
        )
    );
    assert!(!seed.same(&a.seed_as_lower(LOW, HIGH, &a.public(), &one).unwrap()));
    let mut ciphertext = a.encapsulate(HIGH, &b.public()).unwrap();
    ciphertext[5] ^= 1;
    assert!(
        !seed.same(
            &b.seed_as_upper(HIGH, LOW, &a.public(), &ciphertext, &one)
                .unwrap()
        )
    );
}

#[test]
fn whoever_recovers_r_repeats_the_ciphertext_byte_for_byte() {
    let r = Secret::new([7; 32]);
    let their = PairKeys::derive(&Secret::new([2; 32])).public();
    let first = PairKeys::derive(&r).encapsulate(HIGH, &their).unwrap();
    assert_eq!(
        first,
        PairKeys::derive(&Secret::new([7; 32]))
            .encapsulate(HIGH, &their)
            .unwrap()
    );
    assert_ne!(
        first,
        PairKeys::derive(&r).encapsulate(LOW, &their).unwrap()
    );
}

#[test]
fn unusable_peer_keys_are_named_before_use() {
    let keys = PairKeys::derive(&Secret::new([1; 32]));
    let good = PairKeys::derive(&Secret::new([2; 32])).public();
    let t2 = Digest([1; 32]);
    assert_eq!(good.check(), Ok(()));
    assert_eq!(PairPublic::from_bytes(&good.to_bytes()).unwrap(), good);
    // The points of order 1, 2 and 4 that RFC 7748 implementations meet.
    for point in [0, 1] {
        let mut x25519 = [0; 32];
        x25519[0] = point;
        let weak = PairPublic {
            x25519,
            mlkem: good.mlkem.clone(),
        };
        assert_eq!(weak.check(), Err(PairError::WeakKey));
        assert_eq!(
            keys.seed_as_lower(LOW, HIGH, &weak, &t2).err(),
            Some(PairError::WeakKey)
        );
    }
    let short = PairPublic {
        x25519: good.x25519,
        mlkem: good.mlkem[1..].to_vec(),
    };
    // Coefficients above the modulus: FIPS 203 asks for this check.
    let large = PairPublic {
        x25519: good.x25519,
        mlkem: vec![0xff; good.mlkem.len()],
    };
    for bad in [short, large] {
        assert_eq!(bad.check(), Err(PairError::MalformedKey));
        assert_eq!(
            keys.encapsulate(HIGH, &bad).err(),
            Some(PairError::MalformedKey)
        );
    }
    assert_eq!(
        keys.seed_as_lower(HIGH, LOW, &good, &t2).err(),
        Some(PairError::Order)
    );
    assert_eq!(
        keys.seed_as_lower(LOW, LOW, &good, &t2).err(),
        Some(PairError::Order)
    );
    assert_eq!(
        keys.seed_as_upper(LOW, HIGH, &good, &[], &t2).err(),
        Some(PairError::Order)
    );
    assert_eq!(
        keys.seed_as_upper(HIGH, LOW, &good, &[0; 1087], &t2).err(),
        Some(PairError::MalformedCiphertext)
    );
}

#[test]
fn commitments_differ_in_kind_plan_node_and_secret() {
    let secret = Secret::new([1; 32]);
    let mut seen = Vec::new();
    for kind in [Kind::Pair, Kind::Own] {
        for plan in [Digest([1; 32]), Digest([2; 32])] {
            for node in [LOW, HIGH] {
                seen.push(commit(kind, &plan, node, &secret));
                seen.push(commit(kind, &plan, node, &Secret::new([2; 32])));
                for (other, x) in [(LOW, 1), (HIGH, 1), (LOW, 2)] {
                    seen.push(commit_share(
                        kind,
                        &plan,
                        node,
                        other,
                        x,
                        &Share::copied(&[1; 32]),
                    ));
                    seen.push(commit_share(
                        kind,
                        &plan,
                        node,
                        other,
                        x,
                        &Share::copied(&[2; 32]),
                    ));
                }
            }
        }
    }
    let all = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all, seen.len()), (64, 64));
}

#[test]
fn what_is_sealed_opens_only_for_its_receiver_in_its_context() {
    let mut rng = rng();
    let (mine, other) = (
        ChannelSecret::derive(&Secret::draw(&mut rng)),
        ChannelSecret::derive(&Secret::draw(&mut rng)),
    );
    assert_eq!(mine.public().len(), 1216);
    let sealed = seal(&mine.public(), b"info", b"aad", b"two shares", &mut rng).unwrap();
    assert_eq!((sealed.enc.len(), sealed.ct.len()), (1120, 10 + 16));
    assert_eq!(
        mine.open(&sealed, b"info", b"aad").unwrap().as_slice(),
        b"two shares"
    );
    let closed = Some(ChannelError::Closed);
    assert_eq!(other.open(&sealed, b"info", b"aad").err(), closed);
    assert_eq!(mine.open(&sealed, b"Info", b"aad").err(), closed);
    assert_eq!(mine.open(&sealed, b"info", b"").err(), closed);
    for (part, at) in [(0, 0), (0, 1119), (1, 0), (1, 25)] {
        let mut changed = sealed.clone();
        [&mut changed.enc, &mut changed.ct][part][at] ^= 1;
        assert_eq!(mine.open(&changed, b"info", b"aad").err(), closed);
    }
    let short = Sealed {
        enc: sealed.enc[1..].to_vec(),
        ct: sealed.ct.clone(),
    };
    assert_eq!(mine.open(&short, b"info", b"aad").err(), closed);
    let malformed = Err(ChannelError::MalformedKey);
    assert_eq!(
        seal(&mine.public()[1..], b"", b"", b"", &mut rng),
        malformed
    );
    assert_eq!(check_public(&[0xff; 1216]), Err(ChannelError::MalformedKey));
    assert_eq!(check_public(&mine.public()), Ok(()));
}

/// Drafts of X-Wing and of its key derivation in HPKE differ in their labels: these digests hold
/// the one in use, so that a newer library which speaks another draft is noticed before two
/// releases of ours meet. A second implementation (OpenSSL's ML-KEM, X25519 and AES-GCM under the
/// published key schedule) derived the same key and opened the message.
#[test]
fn the_channel_keeps_its_bytes_from_release_to_release() {
    let key = ChannelSecret::derive(&Secret::new([1; 32]));
    let sealed = seal(&key.public(), b"info", b"aad", b"message", &mut rng()).unwrap();
    assert_eq!(Digest::of_file(&key.public()).hex(), CHANNEL_PUBLIC);
    assert_eq!(Digest::of_file(&sealed.to_bytes()).hex(), CHANNEL_SEALED);
}
const CHANNEL_PUBLIC: &str = "b37e773a08cf16cce4c4ea2694d2e980e109303c538ed6f6202d30cfb562d9b6";
const CHANNEL_SEALED: &str = "9f83d75dde7c6a5524eaa63ea9d1eb4aacaed22ae6d970a418352734d8764fd1";

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn any_t_shares_give_the_secret_and_fewer_another(n in 2_usize..40, t in 2_usize..40, seed: u64, bytes: [u8; 32]) {
        let t = t.min(n);
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let secret = Secret::new(bytes);
        let shares = split(&secret, t, n, &mut rng).unwrap();
        let mut all: Vec<(u8, Share)> = (1..).zip(shares).collect();
        let by = usize::try_from(seed % 7).unwrap() % n;
        all.rotate_left(by);
        prop_assert!(combine(&all[..t]).unwrap().same(&secret));
        prop_assert!(combine(&all).unwrap().same(&secret));
        prop_assert!(!combine(&all[..t - 1]).is_ok_and(|found| found.same(&secret)));
        let mut bytes = *all[0].1.expose();
        bytes[31] ^= 1;
        all[0].1 = Share::copied(&bytes);
        prop_assert!(!combine(&all[..t]).unwrap().same(&secret));
    }
}

#[test]
fn the_largest_line_up_and_impossible_ones() {
    let mut rng = rng();
    let secret = Secret::new([3; 32]);
    let shares = split(&secret, 167, 250, &mut rng).unwrap();
    let all: Vec<(u8, Share)> = (1..).zip(shares).skip(83).collect();
    assert!(combine(&all).unwrap().same(&secret));
    let refused = |t, n| split(&secret, t, n, &mut ChaCha20Rng::from_seed([1; 32])).err();
    assert_eq!(
        refused(1, 3),
        Some(ShamirError::Threshold {
            threshold: 1,
            holders: 3
        })
    );
    assert_eq!(
        refused(4, 3),
        Some(ShamirError::Threshold {
            threshold: 4,
            holders: 3
        })
    );
    assert_eq!(refused(4, 256), Some(ShamirError::Holders { holders: 256 }));
    assert_eq!(combine(&[]).err(), Some(ShamirError::Empty));
    let share = || Share::copied(&[1; 32]);
    assert_eq!(
        combine(&[(1, share()), (0, share())]).err(),
        Some(ShamirError::PlaceZero)
    );
    assert_eq!(
        combine(&[(2, share()), (2, share())]).err(),
        Some(ShamirError::PlaceTwice { x: 2 })
    );
}

#[test]
fn secrets_do_not_print() {
    assert_eq!(format!("{:?}", Share::copied(&[1; 32])), "Share(..)");
    let (b, t2) = (Secret::new([1; 32]), Digest([2; 32]));
    assert!(!self_seed(&b, &t2).same(&self_seed(&b, &Digest([3; 32]))));
}

#[test]
fn a_signature_holds_for_one_tag_one_message_and_one_key() {
    let key = SecretKey::from_seed([1; 32]);
    let public = key.public();
    let signature = key.sign("plan", b"m");
    assert!(public.verify("plan", b"m", &signature).is_ok());
    assert!(public.verify("plans", b"m", &signature).is_err());
    assert!(public.verify("plan", b"n", &signature).is_err());
    assert!(
        SecretKey::from_seed([2; 32])
            .public()
            .verify("plan", b"m", &signature)
            .is_err()
    );
    let mut changed = signature;
    changed.0[63] ^= 0x80;
    assert!(public.verify("plan", b"m", &changed).is_err());
    assert_eq!(PublicKey::from_hex(&public.hex()).unwrap(), public);
    assert_eq!(
        Signature::from_bytes(&signature.to_bytes()).unwrap(),
        signature
    );
    assert_eq!(public.node_id().0, public.fingerprint().0[..16]);
    assert_eq!(*SecretKey::from_seed(*key.seed()).seed(), [1; 32]);
}

#[test]
fn a_small_order_key_signs_nothing() {
    // The neutral element: with it, (R = neutral, S = 0) would verify every message under a lenient
    // check.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut forged = [0; 64];
    forged[0] = 1;
    assert!(!PublicKey(neutral).is_sound());
    assert!(
        PublicKey(neutral)
            .verify("plan", b"m", &Signature(forged))
            .is_err()
    );
    assert!(SecretKey::from_seed([1; 32]).public().is_sound());
}
