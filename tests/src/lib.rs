//! What the tests share: a simulated world of rounds, a lying coordinator, a consortium of real processes, and a bad network.

pub mod attack;
pub mod consortium;
pub mod proxy;
pub mod sim;
