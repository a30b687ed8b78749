//! What a ledger promises: one program, so that it is linked once.
//! `cargo test --workspace --test ledger -- damage::` runs one file of it.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

mod backup;
mod contract;
mod damage;
mod files;
mod schema;
