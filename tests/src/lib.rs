//! What the tests share: a simulated world of rounds, a lying coordinator, and a consortium of real processes.

pub mod attack;
pub mod consortium;
pub mod sim;
