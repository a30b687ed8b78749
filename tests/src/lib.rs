//! What the tests share: a simulated world of rounds, and a consortium of real processes.

pub mod consortium;
pub mod sim;
