//! What the tests share: a simulated world of rounds, a lying coordinator, a model of the rules, a consortium of real
//! processes, a bad network, and a caller who keeps to no rules.

pub mod attack;
pub mod consortium;
#[cfg(target_os = "linux")]
pub mod image;
pub mod model;
pub mod netns;
pub mod proxy;
pub mod sim;
pub mod stranger;
pub mod trial;
