//! Journeys: what users do, with real processes. One program, so that it is linked once and one journey's waiting is
//! another's work; `cargo test --workspace --test journeys -- crashes` runs those of one file.

mod anew;
mod bad_input;
mod bench;
mod catalogue;
mod consortium;
mod crashes;
mod damage;
mod demo;
mod disk;
mod enrolment;
mod far_away;
mod frozen;
mod groups;
mod halts;
mod heldout;
mod many;
mod methods;
mod network;
mod operations;
mod readme;
mod receipts;
mod remade;
mod restart;
mod resting;
mod rotterdam;
mod sets;
mod stops;
mod twins;
mod units;
mod upload;
mod words;
