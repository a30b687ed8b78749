//! The house seen from outside: the files of the repository, which knows which, and the figures
//! that are counted in them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

pub mod count; // the figures
pub mod defaults; // what may be replaced in silence, and why
pub mod methods; // which methods there are, and where each is at home
pub mod modules; // which file imports which
pub mod source; // files, tokens, production code
