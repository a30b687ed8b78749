//! The bytes of a folder belong to the number of its format: a site that makes another one says so
//! by that number, and not by digests that differ.

use super::{build, sample};
use crate::FORMAT;
use motet_secagg::digest::Digest;

/// Of outcomes that are written down, not computed: what a site answers from its rows may differ in
/// the last digit by its processor, and what follows from a sum may not. Until a first version is
/// out, a change writes its digests here; afterwards it raises [`FORMAT`], too.
const FOLDERS: [(&str, &str); 4] = [
    (
        "logistic",
        "098830bfdd4b159e137bca1754543dba2328d65b2229c145cc4be72d26b32f99",
    ),
    (
        "hard",
        "a8056d8a1894480f2be8f2a305e83840efb60c87e31aef86060d77290a3b903a",
    ),
    (
        "fedavg",
        "8596f32ebec1bc4347cd529ebe9bf1b538ffd57728dce87c0681b715c777abf8",
    ),
    (
        "summary",
        "270de795640b6cd3f788c70165230ddb350566c98400c4aab7bb71985d8383f9",
    ),
];

#[test]
fn the_bytes_of_a_folder_are_those_of_its_format() {
    assert_eq!(FORMAT, 1);
    let outcomes = [
        sample::logistic(),
        sample::hard(),
        sample::fedavg(),
        sample::summary(),
    ];
    let found: Vec<(&str, String)> = FOLDERS
        .iter()
        .zip(&outcomes)
        .map(|((name, _), outcome)| {
            let files = build(outcome, &sample::context()).unwrap();
            let parts: Vec<&[u8]> = files
                .iter()
                .flat_map(|(file, bytes)| [file.as_bytes(), &bytes[..]])
                .collect();
            (*name, Digest::of("folder", &parts).hex())
        })
        .collect();
    let due = FOLDERS.map(|(name, digest)| (name, digest.to_owned()));
    assert_eq!(found, due);
}
