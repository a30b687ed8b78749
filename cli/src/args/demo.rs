//! The command line of `motet demo`.

use crate::loss::Loss;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The data a demo runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scene {
    /// International Stroke Trial: ten European countries, death within 14 days
    Stroke,
    /// UCI Heart Disease: four hospitals, coronary disease
    Heart,
    /// TCGA breast cancer: six regions, survival
    Breast,
}

#[derive(Args)]
pub struct Demo {
    /// Which data
    #[arg(value_enum, default_value_t = Scene::Stroke)]
    pub scene: Scene,
    /// Folder for the releases; a former demo's is replaced, any other that holds something is
    /// refused
    #[arg(long, value_name = "DIR", default_value = "motet-demo")]
    pub out: PathBuf,
    /// Keep the folders of the coordinator and the nodes (keys, ledgers, logs) in --out
    #[arg(long)]
    pub keep: bool,
    /// Print one JSON object instead of the narration
    #[arg(long)]
    pub json: bool,
    /// Kill that site's node at join, share, upload, sign or reveal of a round (5, the third Newton
    /// round, unless said); it stays dead. May be given several times, of which one after round 1
    #[arg(long = "drop", value_name = "SITE@PHASE[:ROUND]")]
    pub drops: Vec<Loss>,
}
