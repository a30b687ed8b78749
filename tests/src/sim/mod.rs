//! A world in one thread: one coordinator and its nodes, all real but the clock, the network, the
//! disks and the random generator, which come from one seed. What the seed draws goes wrong: lost,
//! repeated and old messages, deaths, stops at any point of a step, storms, a lying coordinator.
//! Every step is checked, and a seed repeats its world step by step.
//!
//! ```text
//! cast          keys, roster, question, answers       checks   what must hold after every step
//! net           virtual clock, lines, faults          liar     what a lying coordinator tries
//! node          a `Member`, executing acts            disk     what it keeps over a stop
//! coordinator   a `Round`, executing effects          record, spools   what it keeps over a stop
//! world         puts them together and runs rounds
//! ```
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

pub mod cast;
pub mod checks;
pub mod coordinator;
pub mod disk;
pub mod liar;
pub mod net;
pub mod node;
pub mod record;
pub mod spools;
pub mod world;
