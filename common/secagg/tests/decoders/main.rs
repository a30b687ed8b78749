//! Whatever bytes arrive: no decoder panics, none takes much more memory than it was sent, and what
//! is accepted is the one byte string of its value.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers of tests fail loudly, and one helper file is shared by two test binaries"
)]

mod samples;

use motet_secagg::channel::{ChannelSecret, Sealed, check_public};
use motet_secagg::digest::{Digest, from_hex, to_hex};
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::fold_chunk;
use motet_secagg::id::NodeId;
use motet_secagg::layout::Ring;
use motet_secagg::mask::Shape;
use motet_secagg::message::Message;
use motet_secagg::note::Note;
use motet_secagg::pair::{PairKeys, PairPublic};
use motet_secagg::secret::Secret;
use motet_secagg::sign::{PublicKey, Signature};
use proptest::prelude::*;
use samples::{Decoder, decoders, note_text, samples};
use std::sync::LazyLock;

static SAMPLES: LazyLock<Vec<(Decoder, Vec<Vec<u8>>)>> = LazyLock::new(|| {
    decoders()
        .into_iter()
        .map(|decoder| (samples(&decoder), decoder))
        .map(|(s, d)| (d, s))
        .collect()
});

/// What is accepted is written back the same. (That it comes back at all is half of the test.)
fn check(decoder: &Decoder, bytes: &[u8]) {
    if let Some(again) = (decoder.exact)(bytes) {
        assert_eq!(again, bytes, "{} has two byte strings", decoder.name);
    }
}

/// A change somewhere: what an attacker or a broken disk does to good bytes.
#[derive(Debug, Clone)]
enum Change {
    Set(usize, u8),
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Length(usize, u32),
    Repeat(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let place = 0..5000_usize;
    let one = prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (place.clone(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        place.clone().prop_map(Change::Cut),
        (place.clone(), proptest::collection::vec(any::<u8>(), 1..9))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (
            place.clone(),
            prop_oneof![
                0..9_u32,
                Just(u32::MAX),
                Just(1 << 28),
                Just((1 << 28) + 1),
                any::<u32>()
            ]
        )
            .prop_map(|(at, length)| Change::Length(at, length)),
        (place, 1..200_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
    ];
    proptest::collection::vec(one, 0..4)
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let end = bytes.len();
        let place = |at: usize| at % end.max(1);
        match change {
            _ if end == 0 => bytes.push(1),
            Change::Set(at, byte) => bytes[place(*at)] = *byte,
            Change::Flip(at, bit) => bytes[place(*at)] ^= 1 << bit,
            Change::Cut(at) => bytes.truncate(place(*at)),
            Change::Insert(at, more) => {
                drop(bytes.splice(place(*at)..place(*at), more.iter().copied()))
            }
            Change::Length(at, length) => {
                bytes
                    .iter_mut()
                    .skip(place(*at))
                    .zip(length.to_le_bytes())
                    .for_each(|(to, from)| *to = from);
            }
            Change::Repeat(at, length) => {
                let piece = bytes[place(*at)..end.min(place(*at) + length)].to_vec();
                bytes.splice(place(*at)..place(*at), piece);
            }
        }
    }
    bytes
}

#[test]
fn there_are_valid_bytes_of_every_type_and_of_every_message() {
    for (decoder, samples) in SAMPLES.iter() {
        assert!(!samples.is_empty(), "{} has no sample", decoder.name);
        samples
            .iter()
            .for_each(|bytes| assert_eq!((decoder.exact)(bytes).as_ref(), Some(bytes)));
    }
    let (_, messages) = SAMPLES
        .iter()
        .find(|(decoder, _)| decoder.name == "Message")
        .unwrap();
    let kinds: std::collections::BTreeSet<&str> = messages
        .iter()
        .map(|bytes| Message::from_bytes(bytes).unwrap().kind())
        .collect();
    assert!(kinds.len() >= 13, "{kinds:?}");
    assert!(
        messages.len() > kinds.len(),
        "lists that are not empty are among them"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decoders().iter().for_each(|decoder| check(decoder, &bytes));
    }

    #[test]
    fn bytes_full_of_small_numbers_are_refused_or_come_back(bytes in proptest::collection::vec(0..4_u8, 0..400), tag in 0..35_u8) {
        decoders().iter().for_each(|decoder| check(decoder, &[&[tag][..], &bytes].concat()));
    }

    #[test]
    fn changed_values_are_refused_or_come_back(which: prop::sample::Index, changes in changes()) {
        for (decoder, samples) in SAMPLES.iter() {
            check(decoder, &changed(which.get(samples).clone(), &changes));
        }
    }

    #[test]
    fn changed_messages_are_refused_or_come_back(which: prop::sample::Index, changes in changes()) {
        let (decoder, samples) = SAMPLES.iter().find(|(decoder, _)| decoder.name == "Message").unwrap();
        check(decoder, &changed(which.get(samples).clone(), &changes));
    }

    #[test]
    fn a_note_has_one_text(changes in changes(), text in ".{0,80}") {
        let bytes = changed(note_text().into_bytes(), &changes);
        for text in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            if let Ok(note) = text.parse::<Note>() {
                prop_assert_eq!(note.to_string(), text);
            }
        }
    }

    #[test]
    fn hexadecimal_is_read_or_refused(text in "[0-9a-fA-F+ ]{0,70}|.{0,70}|[0-9a-f]{32}|[0-9a-f]{64}|[0-9a-f]{128}") {
        if let Some(bytes) = from_hex(&text) {
            prop_assert_eq!(to_hex(&bytes), text.to_ascii_lowercase());
        }
        let lower = text.to_ascii_lowercase();
        prop_assert!(Digest::from_hex(&text).is_ok_and(|it| it.hex() == lower) || text.len() != 64 || from_hex(&text).is_none());
        prop_assert!(NodeId::from_hex(&text).is_ok_and(|it| it.hex() == lower) || text.len() != 32 || from_hex(&text).is_none());
        prop_assert!(Signature::from_hex(&text).is_ok_and(|it| it.hex() == lower) || text.len() != 128 || from_hex(&text).is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// What is computed with decoded bytes before anybody has vouched for them.
    #[test]
    fn keys_and_ciphertexts_of_any_bytes_are_refused_or_used(
        bytes in proptest::collection::vec(any::<u8>(), 0..1300), point: [u8; 32], signature: [[u8; 32]; 2], fits: bool,
    ) {
        let sized = |length: usize| if fits { bytes.iter().cycle().chain([&0]).take(length).copied().collect() } else { bytes.clone() };
        let public = PairPublic { x25519: point, mlkem: sized(1184) };
        let keys = PairKeys::derive(&Secret::new([1; 32]));
        let (low, high) = (NodeId([1; 16]), NodeId([2; 16]));
        prop_assert_eq!(public.check().is_ok(), keys.seed_as_lower(low, high, &public, &Digest(point)).is_ok());
        drop(keys.seed_as_upper(high, low, &public, &sized(1088), &Digest(point)));
        let _ = check_public(&sized(1216));
        let sealed = Sealed { enc: sized(1120), ct: sized(80) };
        prop_assert!(ChannelSecret::derive(&Secret::new([2; 32])).open(&sealed, &point, &bytes).is_err());
        let signature = Signature(signature.concat().try_into().unwrap());
        prop_assert!(PublicKey(point).verify("t", &bytes, &signature).is_err());
    }

    #[test]
    fn payloads_of_any_length_are_refused_or_added(
        words: u64, chunk_words: u32, index: usize, payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..4),
        small: bool,
    ) {
        for ring in [Ring::Bits16, Ring::Bits20, Ring::Bits24, Ring::Bits32, Ring::Bits64] {
            // Whatever a plan says of chunks, nothing is allocated for payloads that are not there.
            let shape = if small { Shape { ring, words: words % 30, chunk_words: chunk_words % 12 } } else { Shape { ring, words, chunk_words } };
            let payloads: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
            drop(fold_chunk(&shape, index % (shape.chunks() + 2).min(7), &payloads, &[], 3));
            drop(fold_chunk(&shape, index, &payloads, &[], 3));
            let _ = shape.total_bytes();
        }
    }
}
