//! A study: a research question with its purpose, its data, its recipe, its limits and its end.
//! What a steward approves is the digest of this value, so nothing about a study can change behind
//! an approval.
//!
//! ```text
//! study file (TOML) --Study::parse--> Study --digest--> what decisions and permits sign
//!                                       |--recipe----> the federated method      |--lint()--> advice before proposing
//!                                       |--columns()-> the columns of every site |--card()--> what the steward reads
//! ```

pub mod card; //    the plain-language card
mod columns; //     from TOML: what each column means
mod content; //     what a study says
mod date; //        a day of the calendar
mod evaluation; //  by which groups and sites the finished model is judged
mod feasibility; // how many patients would it have
mod floors; //      what a site goes not below, and what this study asks
mod held_out; //    patients that are held out of the fit
mod lint; //        advice and refusals before a study is proposed
mod meaning; //     what a column means in every country
mod meant; //       what it does not say of them, for the steward
mod methods; //     what a method tells of a study, and the first round before it
mod parse; //       from TOML: the study and its data
mod purpose; //     what it may be for
pub mod ranges; //  names that differ in a number alone, as `emb[0..511]`
mod raw; //         the file's tables and keys
mod recipients; //  who receives the release
mod rounds; //      from TOML: deadlines and quorum
pub mod text; //    names and levels
mod write; //       back to TOML, and the check of a study that came over the wire

pub use card::{CardContext, Earlier, shell, shortened};
pub use columns::LONGEST_LABEL;
pub use content::{MOST_LOST, Privacy, Rounds, SiteLoss, Study};
pub use date::Date;
pub use floors::{Floors, LEAST_CELL, LEAST_MULTIPLE, LEAST_ROWS, LEAST_STEP, MOST_BINS};
pub use lint::{Finding, Severity};
pub use meaning::{Meaning, Type};
pub use methods::Outcome;
pub use purpose::purpose_meaning;
pub use recipients::{EVERYONE, Recipients};

#[cfg(test)]
mod tests;
