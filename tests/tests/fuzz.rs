//! Every decoder and parser with valid bytes and with broken ones: none panics, none takes memory
//! out of proportion to what it was sent, and what is accepted comes back.
//!
//! One test in a binary of its own, because it counts what the whole process allocates.
//! `MOTET_FUZZ=100000` takes that many broken inputs a target, `MOTET_SEED` draws others,
//! `MOTET_TARGET` names one target; a failure names target and bytes. `MOTET_CORPUS` is a folder to
//! write the valid inputs to. With coverage and without end: `fuzz/README.md`.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::fuzz::{Draws, Target, targets};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What any target may take for an input of a few bytes: buffers of readers, a message that
/// explains an error.
const FREE: usize = 1 << 20;
/// Broken inputs a target; enough to meet a forgotten check, few enough for every run of all tests.
const USUAL: u64 = 300;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

/// Runs one input; what was wrong with it.
fn trouble(target: &Target, bytes: &[u8]) -> Option<String> {
    let region = Region::new(COUNTED);
    let ran = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    let change = region.change();
    if ran.is_err() {
        return Some("it panicked, see above".to_owned());
    }
    let taken = change.bytes_allocated + change.bytes_reallocated.max(0).unsigned_abs();
    (taken > target.times * bytes.len() + FREE).then(|| format!("it took {taken} bytes of memory"))
}

#[test]
fn every_decoder_and_parser_refuses_broken_bytes_or_gives_them_back() {
    let (inputs, seed) = (number("MOTET_FUZZ", USUAL), number("MOTET_SEED", 1));
    let only = std::env::var("MOTET_TARGET").ok();
    let mut troubles = Vec::new();
    for target in targets()
        .iter()
        .filter(|target| only.as_ref().is_none_or(|name| name == target.name))
    {
        let seeds = (target.seeds)();
        assert!(
            !seeds.is_empty(),
            "{} has no valid bytes to begin from",
            target.name
        );
        if let Ok(corpus) = std::env::var("MOTET_CORPUS") {
            let folder = Path::new(&corpus).join(target.name);
            std::fs::create_dir_all(&folder).expect("a folder");
            for (number, seed) in seeds.iter().enumerate() {
                std::fs::write(folder.join(number.to_string()), seed).expect("room");
            }
        }
        // The first inputs fill what is made once, too: keys, tables, allocators of threads.
        let accepted = seeds.iter().filter(|seed| (target.run)(seed)).count();
        if accepted == 0 {
            troubles.push(format!(
                "{}: no valid bytes are accepted, the search stops at the door",
                target.name
            ));
        }
        if inputs > USUAL {
            println!(
                "{}: {accepted} of {} seeds are accepted",
                target.name,
                seeds.len()
            );
        }
        let mut rng = Draws::new(seed);
        let broken = (0..inputs).map(|_| rng.broken(&seeds));
        let bytes = seeds.iter().cloned().chain(broken);
        let found = bytes
            .filter_map(|bytes| trouble(target, &bytes).map(|what| (what, bytes)))
            .next();
        if let Some((what, bytes)) = found {
            let hex: String = bytes
                .iter()
                .take(4_000)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let text = String::from_utf8_lossy(&bytes)
                .chars()
                .take(1_500)
                .collect::<String>();
            troubles.push(format!(
                "{}: {what} (MOTET_SEED={seed}); {} bytes:\n{hex}\n{text}",
                target.name,
                bytes.len()
            ));
        }
    }
    assert!(troubles.is_empty(), "\n{}", troubles.join("\n\n"));
}
