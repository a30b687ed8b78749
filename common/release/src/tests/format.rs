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
        "369e9d5800e279c84b76c0629c54240457633b63fca5bc28310811339189e78d",
    ),
    (
        "hard",
        "b45f435761c41b46fe63a167c2f588d29b12276ec31a58cd4ea3b0f7a22814e5",
    ),
    (
        "fedavg",
        "3febb6a1611d046a5634167a16ff139db22a7063a04d6f8938614087d6f34f3a",
    ),
    (
        "summary",
        "1fb4a0c0e0e07f4d305fa7ec0fd6ca3d6a3e1f1007dfc80ec81e77474917f83b",
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
