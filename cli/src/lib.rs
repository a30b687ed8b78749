//! `motet`: the commands of operators and researchers, and the demo. The daemons are embedded as subcommands.
//!
//! ```text
//! args       the command line               identity   who calls, and the line to the coordinator
//! init       a new consortium               members    invite, list, remove; person: join
//! study      lint, propose with a roster    run        start, follow, say why it waits
//! release    list, get, verify              ledger     verify, export, proof
//! demo       all of it, on real data        output, failure   how commands speak and how they end
//! ```

pub mod args;
pub mod demo;
pub mod failure;
pub mod identity;
pub mod init;
pub mod ledger;
pub mod members;
pub mod output;
pub mod person;
pub mod release;
pub mod run;
pub mod study;
