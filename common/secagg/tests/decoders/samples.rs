//! Every type with a canonical encoding, and valid bytes of each, found without knowing its fields.
//!
//! Zeros are a value of nearly everything: empty lists, absent options, digests of zeros. What they
//! leave out is found by setting one byte after another: a tag of an enum, a list of one element,
//! which grows out of zeros again.

use motet_secagg::channel::Sealed;
use motet_secagg::digest::Digest;
use motet_secagg::encode::{Canonical, Reader};
use motet_secagg::fold::Aggregate;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::{Block, Layout, Ring, Scale};
use motet_secagg::mask::Shape;
use motet_secagg::merkle::Inclusion;
use motet_secagg::message::Message;
use motet_secagg::note::{Checkpoint, Note};
use motet_secagg::pair::{Kind, PairPublic};
use motet_secagg::shamir::Share;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};

/// One decoder: bytes to the bytes of the value they are.
pub struct Decoder {
    pub name: &'static str,
    /// The whole input is one value.
    pub exact: fn(&[u8]) -> Option<Vec<u8>>,
    /// The input starts with a value.
    pub prefix: fn(&[u8]) -> Option<Vec<u8>>,
}

macro_rules! decoders {
    ($($type:ty),* $(,)?) => {
        [$(Decoder {
            name: stringify!($type),
            exact: |bytes| <$type>::from_bytes(bytes).ok().map(|value| value.to_bytes()),
            prefix: |bytes| <$type>::read(&mut Reader::new(bytes)).ok().map(|value| value.to_bytes()),
        }),*]
    };
}

pub fn decoders() -> [Decoder; 34] {
    decoders![
        bool,
        u8,
        u16,
        u32,
        u64,
        i64,
        i128,
        f64,
        String,
        Vec<u8>,
        Vec<u64>,
        Vec<String>,
        Option<String>,
        (u32, String),
        [u8; 32],
        Digest,
        NodeId,
        RunId,
        Ring,
        Scale,
        Block,
        Layout,
        Shape,
        Aggregate,
        Sealed,
        PairPublic,
        Kind,
        Share,
        PublicKey,
        Signature,
        Inclusion,
        Checkpoint,
        Note,
        Message,
    ]
}

/// Samples of one type are cut off here: mutations reach the rest.
const MOST: usize = 150;
/// Longer ones are not searched byte by byte.
const SEARCHED: usize = 700;

fn padded(sample: &[u8]) -> Vec<u8> {
    [sample, &[0; 3000]].concat()
}

/// Different valid values of a type.
pub fn samples(decoder: &Decoder) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let add = |found: &mut Vec<Vec<u8>>, bytes: &[u8]| {
        if let Some(value) = (decoder.prefix)(bytes)
            && found.len() < MOST
            && !found
                .iter()
                .any(|old| old.len() == value.len() && old.first() == value.first())
        {
            found.push(value);
        }
    };
    if decoder.name == "Note" {
        found.push(note_text().to_bytes());
    }
    for tag in 0..=255 {
        add(&mut found, &padded(&[tag]));
    }
    // A tag inside: nothing was found for this first byte, but with one more byte set there is.
    for tag in 0..=40 {
        if !found.iter().any(|value| value.first() == Some(&tag)) {
            for (at, byte) in (1..SEARCHED).flat_map(|at| [(at, 1), (at, 32)]) {
                let mut bytes = padded(&[tag]);
                bytes[at] = byte;
                add(&mut found, &bytes);
            }
        }
    }
    let mut next = 0;
    while let Some(sample) = found.get(next).filter(|_| found.len() < MOST).cloned() {
        for (at, byte) in (0..sample.len().min(SEARCHED)).flat_map(|at| [(at, 1), (at, 2)]) {
            let mut bytes = padded(&sample);
            bytes[at] = byte;
            add(&mut found, &bytes);
        }
        next += 1;
    }
    found
}

pub fn note_text() -> String {
    let checkpoint = Checkpoint {
        origin: "motet.example/log".into(),
        size: 5,
        root: Digest([7; 32]),
    };
    let mut note = Note::sign(
        checkpoint,
        "motet.example/log",
        &SecretKey::from_seed([1; 32]),
    )
    .unwrap();
    let witness = SecretKey::from_seed([2; 32]);
    let cosignature = note.unverified().cosign(&witness, 1_770_000_000);
    note.add("witness.example", &witness.public(), &cosignature)
        .unwrap();
    note.to_string()
}
