//! Canonical bytes: of values, and bytes that are nobody's.

use crate::{array, hex, number, ring, scale, text, unhex};
use motet_secagg::channel::Sealed;
use motet_secagg::digest::Digest;
use motet_secagg::encode::{Canonical, Malformed};
use motet_secagg::fold::Aggregate;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::layout::{Block, Layout, Ring, Scale};
use motet_secagg::mask::Shape;
use motet_secagg::merkle::Inclusion;
use motet_secagg::note::{Checkpoint, Note};
use motet_secagg::pair::{Kind, PairPublic};
use motet_secagg::shamir::Share;
use motet_secagg::sign::{PublicKey, Signature};
use serde_json::{Value, json};

/// A value's bytes, or why bytes are no value.
pub(crate) fn case(takes: &Value) -> Value {
    let kind = takes["type"].as_str().unwrap();
    if let Some(value) = takes.get("value") {
        let bytes = encode(kind, value);
        assert_eq!(
            decode(kind, &bytes).unwrap(),
            bytes,
            "{kind} does not come back from its bytes"
        );
        return json!({ "bytes": hex(&bytes) });
    }
    match decode(kind, &unhex(&takes["bytes"])) {
        Ok(_) => json!("accepted"),
        Err(malformed) => json!({ "refused": malformed.to_string() }),
    }
}

fn block(value: &Value) -> Block {
    Block {
        len: number(&value["len"]),
        scale: scale(&value["scale"]),
        bound: number(&value["bound"]),
    }
}

fn digests(value: &Value) -> Vec<Digest> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|one| Digest(array(one)))
        .collect()
}

fn encode(kind: &str, value: &Value) -> Vec<u8> {
    let list = || value.as_array().unwrap();
    match kind {
        "bool" => value.as_bool().unwrap().to_bytes(),
        "u8" => number::<u8>(value).to_bytes(),
        "u16" => number::<u16>(value).to_bytes(),
        "u32" => number::<u32>(value).to_bytes(),
        "u64" => number::<u64>(value).to_bytes(),
        "i64" => number::<i64>(value).to_bytes(),
        "i128" => number::<i128>(value).to_bytes(),
        "f64" => number::<f64>(value).to_bytes(),
        "text" => text(value).to_bytes(),
        "list of u16" => list()
            .iter()
            .map(number::<u16>)
            .collect::<Vec<_>>()
            .to_bytes(),
        "optional u32" => (!value.is_null()).then(|| number::<u32>(value)).to_bytes(),
        "pair of u8 and text" => (number::<u8>(&value[0]), text(&value[1])).to_bytes(),
        "digest" => Digest(array(value)).to_bytes(),
        "node" => NodeId(array(value)).to_bytes(),
        "run" => RunId(array(value)).to_bytes(),
        "public key" => PublicKey(array(value)).to_bytes(),
        "signature" => Signature(array(value)).to_bytes(),
        "share" => Share::copied(&array(value)).to_bytes(),
        "ring" => ring(value).to_bytes(),
        "scale" => scale(value).to_bytes(),
        "kind" => if value == "pair" {
            Kind::Pair
        } else {
            Kind::Own
        }
        .to_bytes(),
        "block" => block(value).to_bytes(),
        "layout" => Layout {
            ring: ring(&value["ring"]),
            weight_max: number(&value["weight_max"]),
            blocks: value["blocks"]
                .as_array()
                .unwrap()
                .iter()
                .map(block)
                .collect(),
        }
        .to_bytes(),
        "shape" => Shape {
            ring: ring(&value["ring"]),
            words: number(&value["words"]),
            chunk_words: number(&value["chunk_words"]),
        }
        .to_bytes(),
        "sealed" => Sealed {
            enc: unhex(&value["enc"]),
            ct: unhex(&value["ct"]),
        }
        .to_bytes(),
        "pair keys" => PairPublic {
            x25519: array(&value["x25519"]),
            mlkem: unhex(&value["mlkem"]),
        }
        .to_bytes(),
        "inclusion" => Inclusion {
            index: number(&value["index"]),
            size: number(&value["size"]),
            path: digests(&value["path"]),
        }
        .to_bytes(),
        "checkpoint" => Checkpoint {
            origin: text(&value["origin"]),
            size: number(&value["size"]),
            root: Digest(array(&value["root"])),
        }
        .to_bytes(),
        "aggregate" => {
            let words = value["words"]
                .as_array()
                .unwrap()
                .iter()
                .map(number)
                .collect();
            Aggregate {
                ring: ring(&value["ring"]),
                words,
            }
            .to_bytes()
        }
        other => panic!("no type {other}"),
    }
}

fn decode(kind: &str, bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    fn read<T: Canonical>(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
        T::from_bytes(bytes).map(|value| value.to_bytes())
    }
    let read: fn(&[u8]) -> Result<Vec<u8>, Malformed> = match kind {
        "bool" => read::<bool>,
        "u8" => read::<u8>,
        "u16" => read::<u16>,
        "u32" => read::<u32>,
        "u64" => read::<u64>,
        "i64" => read::<i64>,
        "i128" => read::<i128>,
        "f64" => read::<f64>,
        "text" => read::<String>,
        "list of u16" => read::<Vec<u16>>,
        "optional u32" => read::<Option<u32>>,
        "pair of u8 and text" => read::<(u8, String)>,
        "digest" => read::<Digest>,
        "node" => read::<NodeId>,
        "run" => read::<RunId>,
        "public key" => read::<PublicKey>,
        "signature" => read::<Signature>,
        "share" => read::<Share>,
        "ring" => read::<Ring>,
        "scale" => read::<Scale>,
        "kind" => read::<Kind>,
        "block" => read::<Block>,
        "layout" => read::<Layout>,
        "shape" => read::<Shape>,
        "sealed" => read::<Sealed>,
        "pair keys" => read::<PairPublic>,
        "inclusion" => read::<Inclusion>,
        "checkpoint" => read::<Checkpoint>,
        "aggregate" => read::<Aggregate>,
        "note" => read::<Note>,
        other => panic!("no type {other}"),
    };
    read(bytes)
}
