//! What the tests share: a simulated world of rounds, a lying coordinator, a model of the rules, every decoder and
//! parser as a function of bytes, a consortium of real processes, and a bad network.

pub mod attack;
pub mod consortium;
pub mod fuzz;
pub mod model;
pub mod netns;
pub mod proxy;
pub mod sim;
pub mod trial;
pub mod twin;
