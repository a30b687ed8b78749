//! Secrets are wiped on every way out, and nothing prints, copies or encodes them.

use super::{End, ends};
use crate::channel::ChannelSecret;
use crate::digest::Digest;
use crate::encode::Canonical;
use crate::fold::plain_sum;
use crate::id::NodeId;
use crate::layout::{Block, ClearUpdate, Layout, Ring, Scale};
use crate::mask::{EncodedUpdate, InputRefusal, Masks, Sign};
use crate::pair::{PairKeys, self_seed};
use crate::secret::{Secret, Seed};
use crate::shamir::{Share, combine, split};
use crate::sign::SecretKey;
use rand_core::SeedableRng as _;
use std::fmt::{Debug, Display};
use zeroize::ZeroizeOnDrop;

/// What ended since the last call, as (type, elements); all of it clean.
fn wiped() -> Vec<(&'static str, usize)> {
    let all = ends();
    assert!(all.iter().all(|end| end.clean), "{all:?}");
    all.into_iter()
        .map(|End { what, held, .. }| (what, held))
        .collect()
}

fn layout(ring: Ring) -> Layout {
    Layout {
        ring,
        weight_max: 10,
        blocks: vec![Block {
            len: 3,
            scale: Scale::Fixed(4),
            bound: 8.0,
        }],
    }
}

fn encode(ring: Ring, weight: u32, values: &[f64]) -> Result<EncodedUpdate, InputRefusal> {
    let rounding = Secret::new([1; 32]);
    let encoded = ClearUpdate::new(weight, values.to_vec()).encode(&layout(ring), 3, &rounding);
    drop(rounding);
    encoded
}

#[test]
fn thirty_two_secret_bytes_are_wiped() {
    drop(Secret::new([7; 32]));
    drop(Secret::draw(&mut rand_chacha::ChaCha20Rng::from_seed(
        [1; 32],
    )));
    drop(Seed::new([7; 32]));
    assert_eq!(wiped(), [("Secret", 32), ("Secret", 32), ("Seed", 32)]);
    // On the way out of a function that fails, and of a list.
    let failing = || -> Option<()> {
        let _one = Secret::new([1; 32]);
        let _list = [Seed::new([2; 32]), Seed::new([3; 32])];
        None
    };
    assert!(failing().is_none());
    assert_eq!(wiped(), [("Seed", 32), ("Seed", 32), ("Secret", 32)]);
    let unwound = std::panic::catch_unwind(|| {
        let _secret = Secret::new([1; 32]);
        std::panic::resume_unwind(Box::new("on the way"));
    });
    assert!(unwound.is_err());
    assert_eq!(wiped(), [("Secret", 32)]);
}

#[test]
fn an_answer_is_wiped_when_it_is_encoded_and_when_it_is_refused() {
    drop(ClearUpdate::new(3, vec![1.5, 2.5, 3.5]));
    assert_eq!(wiped(), [("ClearUpdate", 3)]);
    for ring in [
        Ring::Bits16,
        Ring::Bits20,
        Ring::Bits24,
        Ring::Bits32,
        Ring::Bits64,
    ] {
        let encoded = encode(ring, 3, &[1.5, 2.5, 3.5]).unwrap();
        assert_eq!(wiped(), [("ClearUpdate", 3), ("Secret", 32)]);
        drop(encoded);
        assert_eq!(wiped(), [("EncodedUpdate", 4)]);

        // Half way: the weight and two values are written, the third is refused.
        for bad in [f64::NAN, 9.0] {
            assert!(encode(ring, 3, &[1.5, 2.5, bad]).is_err());
            assert_eq!(
                wiped(),
                [("EncodedUpdate", 3), ("ClearUpdate", 3), ("Secret", 32)]
            );
        }
        // Before anything is written.
        for (weight, values) in [(0, vec![1.5; 3]), (11, vec![1.5; 3]), (3, vec![1.5; 2])] {
            assert!(encode(ring, weight, &values).is_err());
            assert_eq!(wiped(), [("ClearUpdate", values.len()), ("Secret", 32)]);
        }
        let crowd = ClearUpdate::new(1, vec![1.5; 3]).encode(
            &layout(ring),
            u32::MAX,
            &Secret::new([1; 32]),
        );
        assert!(ring == Ring::Bits64 || crowd.is_err());
        drop(crowd);
        ends();
    }
}

#[test]
fn masking_wipes_the_words_and_every_seed() {
    for ring in [Ring::Bits20, Ring::Bits64] {
        let encoded = encode(ring, 3, &[1.5, 2.5, 3.5])
            .unwrap()
            .with_chunk_words(4);
        ends();
        let seed = |byte| Seed::new([byte; 32]);
        let masked = encoded.mask(Masks {
            own: seed(1),
            peers: vec![(Sign::Plus, seed(2)), (Sign::Minus, seed(3))],
        });
        assert_eq!(masked.chunks.len(), 2);
        let mut seen = wiped();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                ("EncodedUpdate", 4),
                ("Seed", 32),
                ("Seed", 32),
                ("Seed", 32)
            ]
        );
    }
    drop(Masks {
        own: Seed::new([1; 32]),
        peers: vec![(Sign::Plus, Seed::new([2; 32]))],
    });
    assert_eq!(wiped(), [("Seed", 32), ("Seed", 32)]);
}

#[test]
fn a_plain_sum_wipes_every_answer_also_when_one_is_refused() {
    let answers = |last: f64| {
        vec![
            ClearUpdate::new(1, vec![1.0; 3]),
            ClearUpdate::new(1, vec![last; 3]),
        ]
    };
    for (last, fine) in [(2.0, true), (f64::INFINITY, false)] {
        assert_eq!(
            plain_sum(&layout(Ring::Bits32), Digest::default(), answers(last)).is_ok(),
            fine
        );
        let seen = wiped();
        let count = |what: &str| seen.iter().filter(|(name, _)| *name == what).count();
        assert_eq!(
            (count("ClearUpdate"), count("EncodedUpdate")),
            (2, 2),
            "{seen:?}"
        );
    }
}

#[test]
fn keys_and_what_they_give_are_wiped() {
    let keys = PairKeys::derive(&Secret::new([1; 32]));
    assert_eq!(wiped(), [("Secret", 32)], "the one it was made from");
    let peer = PairKeys::derive(&Secret::new([2; 32])).public();
    assert_eq!(
        wiped(),
        [("Secret", 32), ("Secret", 32)],
        "that of the peer, and the one in its keys"
    );
    let (low, high) = (NodeId([1; 16]), NodeId([2; 16]));
    drop(
        keys.seed_as_lower(low, high, &peer, &Digest::default())
            .unwrap(),
    );
    assert_eq!(wiped(), [("Seed", 32)]);
    drop(keys);
    assert_eq!(wiped(), [("Secret", 32)], "the root in the keys");

    drop(self_seed(&Secret::new([1; 32]), &Digest::default()));
    assert_eq!(wiped(), [("Seed", 32), ("Secret", 32)]);
    drop(ChannelSecret::derive(&Secret::new([1; 32])));
    assert_eq!(wiped(), [("Secret", 32)]);
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
    let shares = split(&Secret::new([1; 32]), 2, 3, &mut rng).unwrap();
    drop(combine(&(1..).zip(shares).collect::<Vec<_>>()).unwrap());
    assert_eq!(wiped(), [("Secret", 32), ("Secret", 32)]);
}

/// The parts that other packages keep: each promises by its type to wipe itself, with the features
/// we build with.
#[test]
fn what_other_packages_keep_for_us_is_wiped() {
    fn wipes<T: ZeroizeOnDrop>() {}
    wipes::<Secret>();
    wipes::<Seed>();
    wipes::<ClearUpdate>();
    wipes::<Share>();
    // In PairKeys, in ChannelSecret under HPKE's wrapper, and in SecretKey.
    wipes::<x25519_dalek::StaticSecret>();
    wipes::<ml_kem::DecapsulationKey768>();
    wipes::<x_wing::DecapsulationKey>();
    wipes::<ed25519_dalek::SigningKey>();
    // Mask streams keep a schedule of their key.
    wipes::<aes::Aes256>();
}

/// Compiles only where the type has none of the traits: with one of them there are two ways to find
/// `Hidden::ok`, and the compiler asks which. Other than the examples in the documentation, this
/// cannot pass for a wrong reason.
macro_rules! hidden {
    ($($secret:ty),* $(,)?) => {$({
        trait Hidden<A> {
            fn ok() {}
        }
        impl<T: ?Sized> Hidden<()> for T {}
        impl<T: ?Sized + Debug> Hidden<[u8; 1]> for T {}
        impl<T: ?Sized + Display> Hidden<[u8; 2]> for T {}
        impl<T: ?Sized + Clone> Hidden<[u8; 3]> for T {}
        impl<T: ?Sized + Canonical> Hidden<[u8; 4]> for T {}
        <$secret as Hidden<_>>::ok();
    })*};
}

#[test]
fn no_secret_can_be_printed_copied_or_encoded() {
    hidden!(
        Secret,
        Seed,
        ClearUpdate,
        EncodedUpdate,
        Masks,
        PairKeys,
        ChannelSecret,
        SecretKey
    );
}
