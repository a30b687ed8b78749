//! A few bytes that announce many cost a few bytes: no decoder allocates before what was announced
//! is there.
//!
//! One test in a binary of its own, because it counts what the whole process allocates.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "helpers of tests fail loudly, and one helper file is shared by two test binaries"
)]

#[path = "decoders/samples.rs"]
mod samples;

use motet_secagg::note::Note;
use samples::{decoders, note_text, samples};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated for each byte received, growing lists and writing back included: a text of four
/// bytes in a list is a `String` of twenty-four, and a list that grows is copied.
const TIMES: usize = 40;
/// For inputs of a few bytes.
const FREE: usize = 4096;

fn costs(name: &str, length: usize, decode: impl FnOnce()) {
    let region = Region::new(COUNTED);
    decode();
    let change = region.change();
    let taken = change.bytes_allocated + change.bytes_reallocated.max(0).unsigned_abs();
    assert!(
        taken <= TIMES * length + FREE,
        "{name}: {taken} bytes for {length}"
    );
}

#[test]
fn a_hostile_length_costs_nothing() {
    const ANNOUNCED: [u32; 6] = [u32::MAX, 1 << 31, (1 << 28) + 1, 1 << 28, 1 << 24, 1 << 16];
    for decoder in decoders() {
        let name = decoder.name;
        for sample in samples(&decoder) {
            // A length may stand anywhere: each four bytes are one in turn.
            for at in 0..sample.len().min(600) {
                for length in ANNOUNCED {
                    let mut bytes = sample.clone();
                    bytes
                        .iter_mut()
                        .skip(at)
                        .zip(length.to_le_bytes())
                        .for_each(|(to, from)| *to = from);
                    costs(name, bytes.len(), || drop((decoder.exact)(&bytes)));
                }
            }
        }
        // Long inputs of the smallest elements.
        for fill in 0..=3 {
            let bytes = [&[fill, 0, 0, 1][..], &vec![fill; 1 << 16]].concat();
            costs(name, bytes.len(), || drop((decoder.exact)(&bytes)));
            costs(name, bytes.len(), || {
                drop((decoder.prefix)(&[&[0, 64, 0, 0][..], &bytes].concat()))
            });
        }
    }
    // As many signature lines as fit, and more.
    let text = note_text();
    let line = text.lines().last().unwrap();
    for lines in [10, 1024, 5000] {
        let text = format!("{text}{}", format!("{line}\n").repeat(lines));
        costs("a note", text.len(), || drop(text.parse::<Note>()));
    }
}
