//! `motet`: the commands of operators and researchers, and the demo. The daemons are embedded as
//! subcommands.
//!
//! ```text
//! args        the command line
//! as_text     a value that a file holds as its word
//! entry       from there to an exit code
//! identity    who calls, and the line to the coordinator
//! init        a new consortium
//! governance  the key that signs rosters
//! members     invite, list
//! removal     remove
//! person      join
//! standing    who joined with a proof, and which keys are whose
//! invitation  what is kept of each
//! hub         the coordinator's keys, as first seen
//! catalogue   datasets that stewards tell of
//! study       lint, show, withdraw
//! feasibility  how many patients, asked beforehand
//! propose     with a signed roster
//! epoch       the number of each roster
//! run         start, list, why it waits
//! watch       follow one to its end
//! release     list, get, verify
//! proof       what ties a release to its log
//! ledger      verify, export, proof
//! recompute   a run's sums, made again from the uploads
//! backup      make, verify, restore
//! demo        all of it, on real data
//! loss        whose process ends in it, and when
//! bench       what each recipe needs
//! output      how commands speak
//! failure     how they end
//! ```

pub mod args;
mod as_text;
pub mod backup;
pub mod bench;
pub mod catalogue;
pub mod demo;
mod entry;
mod epoch;
pub mod failure;
mod feasibility;
pub mod governance;
mod hub;
pub mod identity;
pub mod init;
mod invitation;
pub mod ledger;
pub mod loss;
pub mod members;
pub mod output;
pub mod person;
pub mod proof;
pub mod propose;
pub mod recompute;
pub mod release;
mod removal;
pub mod run;
pub mod standing;
pub mod study;
pub mod watch;

pub use entry::main;

#[cfg(test)]
mod toml_tests;
