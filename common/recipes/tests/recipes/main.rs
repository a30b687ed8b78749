//! What the recipes give, against one pooled table: one program, so that it is linked once.
//! `cargo test --workspace --test recipes -- cox::` runs one file of it.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests and their helpers fail by panicking"
)]

#[path = "../common/columns.rs"]
mod columns;
#[path = "../common/mod.rs"]
mod common;

mod census;
mod census_fits;
mod census_ordered;
mod census_pairs;
mod census_tables;
mod chain;
mod count;
mod cox;
mod cox_checks;
mod cox_limits;
mod details;
mod edges;
mod family;
mod fedavg;
mod few_patients;
mod formula;
mod gbdt;
mod gbdt_held_out;
mod glm;
mod glm_invariance;
mod glm_limits;
mod held_out;
mod kinds;
mod km;
mod knots;
mod leverage;
mod logistic;
mod logistic_references;
mod ordinal;
mod subgroups;
mod subgroups_limits;
mod subgroups_methods;
mod subgroups_time;
mod summary;
mod survival_chain;
mod tokens;
mod verdict;
