//! Known answers in `common/secagg/vectors`, for other implementations as much as for this one:
//! each case says what it takes and what it gives, and every file there is read here.
//!
//! `MOTET_WRITE_VECTORS=1 cargo test -p motet-secagg --test vectors` writes what this
//! implementation gives into the files; a difference in them is then a change of the protocol and
//! wants a reason. Published vectors are never rewritten.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests read the vector files and fail loudly"
)]

mod encoding;
mod records;
mod secrets;
mod vector;
mod xwing;

use motet_secagg::layout::{Ring, Scale};
use rand_core::{TryCryptoRng, TryRng};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

/// What a case gives, computed from what it takes.
type Case = fn(&Value) -> Value;

/// Every file, how its cases are computed, and whether others published it.
const FILES: &[(&str, Case, bool)] = &[
    ("encoding", encoding::case, false),
    ("digests", secrets::digest, false),
    ("seeds", secrets::seed, false),
    ("streams", secrets::stream, false),
    ("shamir", secrets::share, false),
    ("packing", vector::packing, false),
    ("quantise", vector::quantise, false),
    ("decode", vector::decode, false),
    ("masked", vector::masked, false),
    ("merkle", records::tree, false),
    ("notes", records::note, false),
    ("xwing", xwing::case, true),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    motet_secagg::digest::to_hex(bytes)
}

pub(crate) fn unhex(text: &Value) -> Vec<u8> {
    motet_secagg::digest::from_hex(text.as_str().unwrap()).unwrap()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A number as JSON has it, or as text where JSON would round it or does not know it.
pub(crate) fn number<T: FromStr>(value: &Value) -> T {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is not such a number"))
}

pub(crate) fn ring(value: &Value) -> Ring {
    let all = [
        Ring::Bits16,
        Ring::Bits20,
        Ring::Bits24,
        Ring::Bits32,
        Ring::Bits64,
    ];
    all.into_iter()
        .find(|ring| ring.bits() == number::<u32>(value))
        .unwrap()
}

pub(crate) fn scale(value: &Value) -> Scale {
    match (value.get("fixed"), value.get("weighted")) {
        (Some(bits), _) => Scale::Fixed(number(bits)),
        (_, Some(bits)) => Scale::Weighted(number(bits)),
        _ => Scale::Limbs,
    }
}

pub(crate) fn outcome<E: Display>(result: Result<Value, E>) -> Value {
    result.unwrap_or_else(|refused| json!({ "refused": refused.to_string() }))
}

/// A die whose throws are known.
pub(crate) struct Known(pub(crate) Vec<u8>);

impl TryRng for Known {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("nothing here draws words")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("nothing here draws words")
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(to.len());
        to.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Known {}

#[test]
fn every_case_gives_what_its_file_says() {
    let write = std::env::var_os("MOTET_WRITE_VECTORS").is_some();
    for (name, case, published) in FILES {
        let path = folder().join(format!("{name}.json"));
        let mut file: Value =
            serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let cases = file["cases"].as_array_mut().unwrap();
        assert!(!cases.is_empty(), "{name}.json has no cases");
        for (at, entry) in cases.iter_mut().enumerate() {
            let gives = case(&entry["takes"]);
            if write && !published {
                entry["gives"] = gives;
            } else {
                assert_eq!(
                    entry["gives"], gives,
                    "case {at} of {name}.json: {}",
                    entry["takes"]
                );
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
    let read: BTreeSet<String> = FILES
        .iter()
        .map(|(name, ..)| format!("{name}.json"))
        .collect();
    assert_eq!(found, read);
}
