//! Merkle trees and signed notes.

use crate::{array, hex, number, outcome, text, unhex};
use motet_secagg::digest::Digest;
use motet_secagg::merkle::{self, Inclusion};
use motet_secagg::note::{Checkpoint, Note, NoteError};
use motet_secagg::sign::SecretKey;
use serde_json::{Value, json};

fn digests(value: &Value) -> Vec<Digest> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|one| Digest(array(one)))
        .collect()
}

fn hexes(path: &[Digest]) -> Vec<String> {
    path.iter().map(Digest::hex).collect()
}

pub(crate) fn tree(takes: &Value) -> Value {
    let of = |name: &str| Digest(array(&takes[name]));
    if takes.get("path").is_some() {
        let path = digests(&takes["path"]);
        let verified = if takes.get("old").is_some() {
            let (old, new) = (number(&takes["old"]), number(&takes["new"]));
            merkle::verify_consistency(old, new, &of("old_root"), &of("new_root"), &path)
        } else {
            Inclusion {
                index: number(&takes["index"]),
                size: number(&takes["size"]),
                path,
            }
            .verify(&of("leaf"), &of("root"))
        };
        return outcome(verified.map(|()| json!("accepted")));
    }
    let leaves: Vec<Digest> = takes["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| merkle::leaf(&unhex(entry)))
        .collect();
    let inclusions: Vec<_> = (0..leaves.len())
        .map(|at| hexes(&merkle::inclusion(&leaves, at).unwrap()))
        .collect();
    let growth: Vec<_> = (1..=leaves.len())
        .map(|old| hexes(&merkle::consistency(&leaves, old).unwrap()))
        .collect();
    json!({
        "leaves": hexes(&leaves),
        "root": merkle::root(&leaves).hex(),
        "inclusion_of_each_leaf": inclusions,
        "consistency_from_each_size": growth,
    })
}

fn key(seed: &Value) -> SecretKey {
    SecretKey::from_seed(array(seed))
}

pub(crate) fn note(takes: &Value) -> Value {
    let (log, witness) = (&takes["log"], &takes["witness"]);
    if takes.get("origin").is_some() {
        let signed = || -> Result<Value, NoteError> {
            let checkpoint = Checkpoint {
                origin: text(&takes["origin"]),
                size: number(&takes["size"]),
                root: Digest(array(&takes["root"])),
            };
            let mut note = Note::sign(checkpoint, &text(&log["name"]), &key(&log["seed"]))?;
            if !witness.is_null() {
                let (name, key) = (text(&witness["name"]), key(&witness["seed"]));
                let cosignature = note.unverified().cosign(&key, number(&witness["seconds"]));
                note.add(&name, &key.public(), &cosignature)?;
            }
            Ok(json!({ "log_key": key(&log["seed"]).public().hex(), "text": note.to_string() }))
        };
        return outcome(signed());
    }
    let read = || -> Result<Value, NoteError> {
        let note: Note = text(&takes["text"]).parse()?;
        assert_eq!(
            note.to_string(),
            text(&takes["text"]),
            "a note has one text"
        );
        let checkpoint = note.verify(&text(&log["name"]), &key(&log["seed"]).public())?;
        let mut gives = json!({ "origin": checkpoint.origin, "size": checkpoint.size, "root": hex(&checkpoint.root.0) });
        if !witness.is_null() {
            let witness_key = key(&witness["seed"]).public();
            gives["seconds"] =
                json!(note.verify_cosignature(&text(&witness["name"]), &witness_key)?);
        }
        Ok(gives)
    };
    outcome(read())
}
