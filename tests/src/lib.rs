//! What the tests share: a simulated world of rounds, a model of it, and a consortium of real processes.

pub mod consortium;
pub mod model;
pub mod sim;
