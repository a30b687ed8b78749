//! The domain of Motet and its round machine: pure values, no socket, no file, no clock, no dice of
//! its own.
//!
//! ```text
//! refusal     stable codes for every no            moment     time as a number
//! roster      who is in a study, signed            enrol      how a site or person joins
//! study       what is asked, and of whom           decision   what a steward says to it
//! chain       the states of a study's recipe       log        what is on record about its sums
//! round       one attempt: coordinator's `Round`, node's `Member`    audit    making a released sum again
//! opening     sets signed for studies that share data
//! manifest    what a release folder vouches for    proof      what ties a result to its study's log
//! ```
#![warn(missing_docs)]

pub mod audit;
pub mod chain;
pub mod checks;
pub mod decision;
pub mod enrol;
mod hex;
pub mod log;
pub mod manifest;
pub mod moment;
pub mod opening;
pub mod proof;
pub mod refusal;
pub mod roster;
pub mod round;
pub mod study;
pub mod text;
