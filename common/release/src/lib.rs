//! A release folder: what the researcher receives when a run has ended.
//!
//! ```text
//! Outcome + Context -> report.json        every number, full double precision     report.rs
//!                   -> model.safetensors  the weights, f64                        weights.rs
//!                   -> card.md            the model card, for clinicians          card.rs
//!                   -> *.svg              pictures for a slide
//! ```
//! ```text
//! context.rs, error.rs   what is said besides the outcome, and why a folder could not be made
//! kit/                   what the methods share: sheet, axis, page, tensor, words
//! performance/           how well a model predicts: measures, ROC curve, calibration
//! judged/                a model in groups of patients and at sites
//! meaning.rs             what columns mean, wherever one is named
//! report.rs              what stands around the numbers of a method
//! shown.rs               what is asked of each outcome: its small cells, and its part of every file
//! regression/, survival/, averaging/, trees/, tables/   the methods: each answers for its outcomes
//! methods.rs             which method answers for an outcome: the one list of them
//! card.rs, weights.rs    the other files, of whatever outcome
//! own.rs                 what a site tells its own steward of a fit on its own rows
//! folder.rs              all files of an outcome
//! ending.rs              the folder of a study, from what every site that followed it knows
//! ```
//! [`Ending`] is what every site that followed the study knows, and a folder follows from it. The
//! manifest is made afterwards, over exactly these bytes, because it holds their digests. The
//! same outcome and context always give the same bytes: a coordinator that restarts while it
//! publishes writes the same folder again.

mod averaging;
mod card;
mod context;
mod ending;
mod error;
mod folder;
mod judged;
mod kit;
mod meaning;
mod methods;
pub mod own;
mod performance;
mod regression;
mod report;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tables that a test draws")]
mod sample;
mod shown;
mod survival;
mod tables;
mod trees;
mod weights;

pub use context::{Column, Context, Level, LostSite, Site, Survival};
pub use ending::{Ending, FORMAT};
pub use error::ReleaseError;
pub use folder::build;

#[cfg(test)]
mod tests;
