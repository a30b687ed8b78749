//! From numbers to ring words, masked chunks and back: quantising, packing, masking, decoding.

use crate::{array, hex, number, outcome, ring, scale, unhex};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::fold::{Aggregate, fold_chunk};
use motet_secagg::layout::{Block, ClearUpdate, Layout, Ring};
use motet_secagg::mask::{EncodedUpdate, InputRefusal, Masks, Shape, Sign};
use motet_secagg::secret::{Secret, Seed};
use serde_json::{Value, json};

fn layout(takes: &Value) -> Layout {
    let len = number(
        takes
            .get("elements")
            .unwrap_or(&json!(takes["values"].as_array().unwrap().len())),
    );
    let blocks = vec![Block {
        len,
        scale: scale(&takes["scale"]),
        bound: number(&takes["bound"]),
    }];
    Layout {
        ring: ring(&takes["ring"]),
        weight_max: number(&takes["weight_max"]),
        blocks,
    }
}

fn encoded(takes: &Value) -> Result<EncodedUpdate, InputRefusal> {
    let values = takes["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    let rounding = Secret::new(array(&takes["rounding"]));
    ClearUpdate::new(number(&takes["weight"]), values).encode(
        &layout(takes),
        number(&takes["sites"]),
        &rounding,
    )
}

/// The words of an aggregate, whose encoding is the ring, the number of words and the packed words.
fn unpacked(
    ring: Ring,
    count: u32,
    packed: &[u8],
) -> Result<Aggregate, motet_secagg::encode::Malformed> {
    Aggregate::from_bytes(&[&ring.to_bytes()[..], &count.to_bytes(), packed].concat())
}

pub(crate) fn packing(takes: &Value) -> Value {
    let ring = ring(&takes["ring"]);
    if let Some(packed) = takes.get("packed") {
        let read = unpacked(ring, number(&takes["count"]), &unhex(packed));
        return outcome(read.map(|_| json!("accepted")));
    }
    let words: Vec<u64> = takes["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    let aggregate = Aggregate { ring, words };
    let bytes = aggregate.to_bytes();
    assert_eq!(
        unpacked(ring, number(&json!(aggregate.words.len())), &bytes[5..]).unwrap(),
        aggregate
    );
    json!({ "packed": hex(&bytes[5..]) })
}

/// The words a site masks: the weight, then the values. A mask that is added and taken off again
/// changes nothing, and the two sentinels are left out.
pub(crate) fn quantise(takes: &Value) -> Value {
    outcome(encoded(takes).map(|update| {
        let shape = *update.shape();
        let seed = || Seed::new([1; 32]);
        let bare = update.mask(Masks {
            own: seed(),
            peers: vec![(Sign::Minus, seed())],
        });
        let [payload] = bare.chunks.as_slice() else {
            panic!("one chunk is enough here")
        };
        let count = u32::try_from(shape.words).unwrap() + 2;
        let words = unpacked(shape.ring, count, payload).unwrap().words;
        assert_eq!(words[..2], [1, 0]);
        json!({ "words": words[2..].iter().map(u64::to_string).collect::<Vec<_>>() })
    }))
}

pub(crate) fn decode(takes: &Value) -> Value {
    let words = takes["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(number)
        .collect();
    let sum = Aggregate {
        ring: ring(&takes["ring"]),
        words,
    }
    .decode(&layout(takes), number(&takes["sites"]), Digest::default());
    outcome(sum.map(|sum| {
        let values: Vec<_> = sum
            .values
            .iter()
            .map(|value| format!("{value:?}"))
            .collect();
        json!({ "weight": sum.weight, "values": values })
    }))
}

/// A site's chunks; and that they fold to its words when exactly its masks are taken off again.
pub(crate) fn masked(takes: &Value) -> Value {
    let seed = |value: &Value| Seed::new(array(value));
    let peers = || {
        let peers = takes["peers"].as_array().unwrap().iter();
        peers.map(|peer| {
            (
                if peer["sign"] == "+" {
                    Sign::Plus
                } else {
                    Sign::Minus
                },
                seed(&peer["seed"]),
            )
        })
    };
    outcome(encoded(takes).map(|update| {
        let update = update.with_chunk_words(number(&takes["chunk_words"]));
        let shape: Shape = *update.shape();
        let masked = update.mask(Masks {
            own: seed(&takes["own"]),
            peers: peers().collect(),
        });
        let removals: Vec<(Sign, Seed)> = peers()
            .map(|(sign, seed)| (sign.opposite(), seed))
            .chain([(Sign::Minus, seed(&takes["own"]))])
            .collect();
        let words: Vec<String> = (masked.chunks.iter().enumerate())
            .flat_map(|(at, chunk)| fold_chunk(&shape, at, &[chunk], &removals, 1).unwrap())
            .map(|word| word.to_string())
            .collect();
        let chunks: Vec<String> = masked.chunks.iter().map(|chunk| hex(chunk)).collect();
        json!({ "chunks": chunks, "upload_root": masked.root().hex(), "words": words })
    }))
}
