//! The words of `motet data`.

use super::Read;
use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum Data {
    /// Datasets that the sites' stewards tell of, so that a study is drafted without guessing:
    /// columns with type, unit, declared range, and levels and years where they are told
    Catalogue(Catalogue),
}

#[derive(Args)]
pub struct Catalogue {
    /// Of this site only
    #[arg(long, value_name = "SITE")]
    pub site: Option<String>,
    #[command(flatten)]
    pub read: Read,
}
