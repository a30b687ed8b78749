//! From a file to a cohort: one program, so that it is linked once.
//! `cargo test --workspace --test data -- traps::` runs one file of it.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

#[path = "../ward/mod.rs"]
mod ward;

mod cohorts;
mod demo;
mod derivations;
mod drafts;
mod exports;
mod files;
mod groups;
mod held_out;
mod layouts;
mod meanings;
mod own_eyes;
mod ranges;
mod schema_page;
mod traps;
mod workbooks;
