//! The consortium's daemon: it plans rounds, takes masked vectors, and can read nothing but their
//! sum.
//!
//! ```text
//! serve      from keys and ledger to listening
//! config     coordinator.toml                 entries   what is written down
//! shared     keys, ledger, hub, studies       members   who was invited, joined, removed
//! hub        who is connected                 book      what is known of one study (pure)
//! run_state  what may follow what in a run    pause     why one is held, and what to do
//! line_up    who may be in the next round     driver    one study's driver: the only clock and rng
//! handle     how others reach a driver        founding  the first operator, and with it the ledger
//! admission  who is let in to which call
//! allowance  what one member may say        changes   how often a steward has decided
//! receiving  an upload on its way in          catalogue  what stewards tell of their datasets
//! view       where a run stands
//! folding    masked uploads -> sum            publish   finished run -> release
//! refusals   a site's no, in words              lock      one process on one state folder
//! drill      a rehearsed loss of this process
//! backup     what a copy of the state holds, and what a restored one must not go on with
//! services   gRPC
//! ```

mod admission;
mod allowance;
pub mod backup;
mod book;
mod catalogue;
mod changes;
pub mod config;
pub mod drill;
mod driver;
mod entries;
mod folding;
pub mod founding;
mod handle;
mod hub;
mod line_up;
pub mod lock;
mod members;
mod pause;
mod publish;
mod receiving;
mod refusals;
mod run_state;
mod serve;
mod services;
mod shared;
mod view;

pub use serve::run;
