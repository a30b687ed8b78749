//! The bytes of a folder belong to the number of its format: a site that makes another one says so
//! by that number, and not by digests that differ.

use super::{build, sample};
use crate::FORMAT;
use motet_secagg::digest::Digest;

/// Of outcomes that are written down, not computed: what a site answers from its rows may differ in
/// the last digit by its processor, and what follows from a sum may not. Until a first version is
/// out, a change writes its digests here; afterwards it raises [`FORMAT`], too.
const FOLDERS: [(&str, &str); 4] = [
    ("logistic", ""),
    ("hard", ""),
    ("fedavg", ""),
    ("summary", ""),
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
    for ((name, digest), outcome) in FOLDERS.iter().zip(&outcomes) {
        let files = build(outcome, &sample::context()).unwrap();
        let parts: Vec<&[u8]> = files
            .iter()
            .flat_map(|(file, bytes)| [file.as_bytes(), &bytes[..]])
            .collect();
        assert_eq!(Digest::of("folder", &parts).hex(), *digest, "{name}");
    }
}
