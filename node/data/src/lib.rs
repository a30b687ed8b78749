//! Opens a hospital's patient files, read only, and gives the checked array that a study works on.
//! It knows no network.
//!
//! ```text
//! schema.toml --Schema::parse--> Schema \
//! patients.csv ------------------------- Table::open(path, schema, study.reads()) --Cohort::of(table, study)--> x, y
//!                                                                                \-profile(table)--> what a steward sees
//! ```
//!
//! Only the columns that are asked for are interpreted; whatever stands in the others changes
//! nothing. Errors name file, line, column and fix, and never what stands in a cell.
#![warn(missing_docs)]

mod cell; //        one cell's text to its value
pub mod cohort; //  the rows and columns of a study
mod error;
mod file; //        byte order mark, delimiter, header
pub mod profile; // what a steward looks at before saying yes
pub mod schema; //  what the columns mean
pub mod table; //   the file, read and checked

pub use cohort::Cohort;
pub use error::{Code, DataError};
pub use profile::{Profile, profile};
pub use schema::Schema;
pub use table::Table;
