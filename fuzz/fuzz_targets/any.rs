//! Any target of `motet_tests::fuzz`, by the name in `MOTET_TARGET`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use motet_tests::fuzz::targets;
use std::sync::LazyLock;

static RUN: LazyLock<fn(&[u8]) -> bool> = LazyLock::new(|| {
    let name = std::env::var("MOTET_TARGET").unwrap_or_default();
    let found = targets().into_iter().find(|target| target.name == name);
    let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
    found.map(|target| target.run).unwrap_or_else(|| panic!("MOTET_TARGET is one of {}", names.join(", ")))
});

fuzz_target!(|bytes: &[u8]| {
    let _ = RUN(bytes);
});
