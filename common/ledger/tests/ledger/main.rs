//! What a ledger promises: one program, so that it is linked once.
//! `cargo test --workspace --test ledger -- damage::` runs one file of it.

mod backup;
mod contract;
mod damage;
mod files;
mod schema;
