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
//!
//! ```
//! use motet_data::{Schema, Table, profile};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("ward.csv");
//! let schema = Schema::parse(
//!     r#"
//!     [dataset]
//!     name = "ward"
//!     [columns.age]
//!     type = "float"
//!     max = 120
//!     [columns.died]
//!     type = "bool"
//!     false = ["no"]
//!     true = ["yes"]
//!     "#,
//! )?;
//! std::fs::write(&path, "age,died,remark\n61.5,no,x\n70,yes,\n,no,\n58,no,\n44,no,\n")?;
//! let table = Table::open(&path, &schema, ["age", "died"])?;
//! let seen = profile(&table);
//! assert_eq!(seen.rows, 5);
//! assert_eq!(seen.columns[0].missing, 1);
//!
//! std::fs::write(&path, "age,died\n615,no\n")?;
//! let Err(refused) = Table::open(&path, &schema, ["age"]) else {
//!     unreachable!()
//! };
//! let said = refused.to_string();
//! assert!(said.contains("line 2") && !said.contains("615"));
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]

mod cell; //        one cell's text to its value
mod cells; //       a column's cells, eight bytes each
mod circles; //     columns in the order in which they can be made
pub mod cohort; //  the rows and columns of a study
mod dates; //       how dates are written, and what lies between two
mod derivation; //  how a column is made of others, as it is declared
mod derive; //      a row's cells to a cell more
mod draft; //       a first schema of a file
mod error; //       what is wrong, where, and what mends it
mod file; //        a delimited file: delimiter, quotes, header, lines
mod formats; //     what kind of file it is, by its first bytes
mod meaning; //     what a site's numbers are in the units of a study
mod number; //      how numbers are written, and the trap of thousands
pub mod offer; //    what may be told of a dataset in the catalogue
pub mod plausible; // whether a site's own values are where a study expects them
pub mod profile; // what a steward looks at before saying yes
mod scan; //        rows too large, and quotes that take in rows
pub mod schema; //  what the columns mean, and how the file is written
mod sheet; //       a workbook's sheet, row by row
mod source; //      where rows come from
mod spelling; //    one letter in several spellings
mod steps; //       what is done to a number: scale, offset, round, cut
pub mod table; //   the file, read and checked
mod text; //        a file's bytes as text: gzip, encoding, line ends
mod totals; //      rows of totals under the table
mod value; //       what a cell holds
pub mod watched; // a file that changes while it is read
mod workbook; //    an Excel workbook: sheets, shared texts, which numbers are days
mod xml; //         tags and texts
mod zip; //         a zip file's parts

pub use cohort::Cohort;
pub use draft::{draft, draft_of_sheet};
pub use error::{Code, DataError};
pub use meaning::figure;
pub use plausible::{OwnValues, own_values};
pub use profile::{Profile, profile};
pub use schema::Schema;
pub use table::Table;
pub use watched::Watched;
