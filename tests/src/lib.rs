//! What the tests share: a simulated world of rounds, a lying coordinator, a model of the rules,
//! every decoder and parser as a function of bytes, a consortium of real processes, a bad network,
//! and a caller who keeps to no rules.

pub mod attack;
pub mod consortium;
pub mod fuzz;
#[cfg(target_os = "linux")]
pub mod image;
pub mod model;
pub mod netns;
pub mod proxy;
pub mod sim;
pub mod stranger;
pub mod trial;
pub mod twin;
