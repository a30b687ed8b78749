//! What the tests share.
//!
//! ```text
//! sim         a simulated world of rounds, from seeds    attack     a lying coordinator with the real keys
//! model       a model of the rules, searched             fuzz       every decoder and parser as a function of bytes
//! consortium  one of real processes                      twin       a second one that is a copy of it
//! trial       methods through the real system, masked    image      the memory of a running process, from outside
//! proxy       a bad network                              netns      a host of its own for a process
//! stranger    a caller who keeps to no rules             house      the figures of the house
//! ```

pub mod attack;
pub mod consortium;
pub mod fuzz;
pub mod house;
#[cfg(target_os = "linux")]
pub mod image;
pub mod model;
pub mod netns;
pub mod proxy;
pub mod sim;
pub mod stranger;
pub mod trial;
pub mod twin;
