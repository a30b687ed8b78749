//! Known answers in `common/secagg/vectors`, for other implementations as much as for this one: each case says what it
//! takes and what it gives, and every file there is read here.
//!
//! `MOTET_WRITE_VECTORS=1 cargo test -p motet-secagg --test vectors` writes what this implementation gives into the files;
//! a difference in them is then a change of the protocol and wants a reason. Published vectors are never rewritten.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests read the vector files and fail loudly"
)]

mod xwing;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a case gives, computed from what it takes.
type Case = fn(&Value) -> Value;

/// Every file, how its cases are computed, and whether others published it.
const FILES: &[(&str, Case, bool)] = &[("xwing", xwing::case, true)];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    motet_secagg::digest::to_hex(bytes)
}

pub(crate) fn unhex(text: &Value) -> Vec<u8> {
    motet_secagg::digest::from_hex(text.as_str().unwrap()).unwrap()
}

#[test]
fn every_case_gives_what_its_file_says() {
    let write = std::env::var_os("MOTET_WRITE_VECTORS").is_some();
    for (name, case, published) in FILES {
        let path = folder().join(format!("{name}.json"));
        let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let cases = file["cases"].as_array_mut().unwrap();
        assert!(!cases.is_empty(), "{name}.json has no cases");
        for (at, entry) in cases.iter_mut().enumerate() {
            let gives = case(&entry["takes"]);
            if write && !published {
                entry["gives"] = gives;
            } else {
                assert_eq!(entry["gives"], gives, "case {at} of {name}.json: {}", entry["takes"]);
            }
        }
        if write && !published {
            std::fs::write(&path, serde_json::to_string_pretty(&file).unwrap() + "\n").unwrap();
        }
    }
}

#[test]
fn every_vector_file_is_read() {
    let found: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let read: BTreeSet<String> = FILES.iter().map(|(name, ..)| format!("{name}.json")).collect();
    assert_eq!(found, read);
}
