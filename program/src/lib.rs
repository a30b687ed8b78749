//! What our programs do alike, so that an operator's command and a hospital's speak and end in one
//! way.
//!
//! ```text
//! end      how a command ends that did not do what it was asked: exit code, word, JSON
//! backoff  waits that double                            clock    the present moment and its day
//! print    every print, harmless on a terminal          table    columns that line up
//! catalogue  datasets that stewards told of
//! ```
#![warn(missing_docs)]

pub mod backoff;
pub mod catalogue;
pub mod clock;
pub mod end;
pub mod print;
pub mod table;

pub use backoff::Backoff;
pub use end::End;
pub use table::Table;
