//! The hospital's side of Motet: the daemon that answers rounds, and the desk at which a steward
//! decides.
//!
//! ```text
//! cli         commands: the binary `motet-node`, and `motet node ...`        output    what they answer
//! error       why a command did not do it
//! status      one look at the site
//! join        an invitation becomes a folder                                 doctor    why it does not work
//! home        the folder: settings, keys, ledger, datasets                   records   what its ledger holds
//! settings    node.toml
//! studies     what was proposed and decided, folded from the ledger
//! desk        approve, decline, withdraw             steward   the key that signs these
//! sealed      that key's file, under a passphrase
//! shown       what of these was read before it is approved
//! permits     the legal authority for a study        switch    stop and resume
//! publish_desk  what the catalogue tells of them   notices   the same, folded from the ledger
//! catalogue_desk  what others tell of theirs
//! data_desk   datasets: draft, add, check, ..     data_list   all of them
//! ledger_desk   what left this hospital
//! own_values  what a steward reads of this site's values before the yes
//! release_desk  a release, made again from this site's own record
//! receipts    what became of this hospital's updates, by the studies' logs and its own record
//! session     the daemon: dials, hears, acts      link     frames out, each on record first
//! openings    sets signed for studies that share data
//! follower    one study's chain and attempt       vault    what an open attempt must keep and forget
//! frozen      the patients of approved studies, read once and sealed
//! uploads     masked vectors on their way out
//! downloads   sums and evidence on their way in
//! fetching    over a line that may break
//! memory      what a recipe keeps here for itself
//! local       does the model serve this site's patients
//! disk        room on it
//! drill       a rehearsed loss of this process
//! ```
//! A study is answered only when the steward's own signature stands under exactly its digest and
//! its roster: whatever is missing, altered or withdrawn means no.

// the folder and what is in it
pub mod home;
pub mod records;
pub mod settings;
pub mod studies;

// the desk
pub mod catalogue_desk;
pub mod data_desk;
pub mod data_list;
pub mod desk;
pub mod doctor;
pub mod join;
pub mod ledger_desk;
mod notices;
pub mod own_values;
pub mod permits;
pub mod publish_desk;
pub mod receipts;
pub mod release_desk;
pub mod sealed;
mod shown;
pub mod status;
pub mod steward;
pub mod switch;

// the daemon
mod disk;
mod downloads;
pub mod drill;
mod fetching;
mod follower;
mod frozen;
mod link;
mod local;
mod memory;
mod openings;
pub mod session;
mod uploads;
mod vault;

// the command line
pub mod cli;
pub mod error;
pub mod output;

pub use error::NodeError;
pub use home::Home;
pub(crate) use motet_program::clock;
