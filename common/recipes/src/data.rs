//! What a study says of its data: the table `[data]` of its file, in the names that every site maps
//! its own table to. A method takes from it the columns that it needs.

use crate::filter::Filter;
use motet_secagg::canonical;
use motet_toml::{Checked, Keys};

canonical! {
    /// The data of a study, in the names that every site maps its own table to.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Data {
        /// The name of the dataset at each site.
        pub dataset: String,
        /// The column that is explained, if one is; with a time, whether the event was seen.
        pub outcome: Option<String>,
        /// The time to the event or to the end of follow-up.
        pub time: Option<String>,
        /// The category that groups or stratifies; its levels stand among `levels`.
        pub group: Option<String>,
        /// A known part of the linear predictor.
        pub offset: Option<String>,
        /// The weight of a row.
        pub weight: Option<String>,
        /// What it says: there is no usual meaning, so a study that has a weight names it.
        pub weight_kind: Option<WeightKind>,
        /// What a regression makes of the features, where it does not take them as they are.
        pub formula: Option<String>,
        /// The columns in order; a category stands for its levels' columns.
        pub features: Vec<String>,
        /// The features that are categories, in the order of `features`, then the group, then the
        /// outcome whose levels are in order.
        pub levels: Vec<Levels>,
        /// Which patients form the cohort.
        pub filter: Option<Filter>,
        /// The share of patients held out of the fit, from 0.05 to 0.5; 0 where nobody is.
        pub test_fraction: f64,
    }
}

canonical! {
    /// A category and its levels, fixed by the study so that every site has the same columns.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Levels {
        /// The column.
        pub feature: String,
        /// At least two, the first being the reference (of an outcome the lowest), as they are
        /// written: `250.0` and `250.00` are two.
        pub levels: Vec<String>,
    }
}

canonical! {
    /// What the weight of a row says.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum WeightKind {
        /// How precise its outcome is, as the `weights` of R's `lm` and `glm`: a row stays one
        /// observation.
        1 => Precision,
        /// How many equal rows it stands for, a whole number: the fit is that of the table written
        /// out.
        2 => Frequency,
    }
}

impl Data {
    /// The columns of the table `x` at every site, in order: a category gives one column for each
    /// level but the first (`cp` gives `cp_2`, `cp_3`, ...), in its place among the features.
    pub fn columns(&self) -> Vec<String> {
        self.features
            .iter()
            .flat_map(|feature| match self.levels_of(feature) {
                Some(levels) => levels
                    .iter()
                    .skip(1)
                    .map(|level| format!("{feature}_{level}"))
                    .collect(),
                None => vec![feature.clone()],
            })
            .collect()
    }

    /// The levels of a column that is a category.
    pub fn levels_of(&self, column: &str) -> Option<&[String]> {
        self.levels
            .iter()
            .find(|levels| levels.feature == column)
            .map(|levels| levels.levels.as_slice())
    }
}

/// The column that is explained, for a method that wants one.
///
/// # Errors
/// The study names none: whoever reads a file says so before, in the line of its data.
pub(crate) fn outcome(keys: &Keys<'_>, data: &Data) -> Checked<String> {
    match &data.outcome {
        Some(outcome) => Ok(outcome.clone()),
        None => keys.refuse("kind", "the study names no `outcome`", "add it to `[data]`"),
    }
}
