//! The command line of `motet bench`.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub enum Bench {
    /// Rounds, bytes and seconds of every recipe, for the ten countries of the stroke demo
    Recipes(Recipes),
}

#[derive(Args)]
pub struct Recipes {
    /// Only the recipes of these kinds, such as `cox`; may be given several times
    #[arg(long, value_name = "KIND")]
    pub only: Vec<String>,
    /// Keep the folders of the coordinator and the nodes (keys, ledgers, logs)
    #[arg(long)]
    pub keep: bool,
    /// Print one JSON object instead of the table
    #[arg(long)]
    pub json: bool,
}
