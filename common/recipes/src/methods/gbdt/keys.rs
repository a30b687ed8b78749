//! The keys of `gbdt` in a study file, and its words on the card.

use super::{Gbdt, Loss};
use crate::data::{Data, outcome};
use crate::keyed::{CALIBRATION, Fineness, Keyed, SCORE, Wanted, Wants};
use crate::windows::PARTS;
use motet_toml::{Checked, Keys};

/// Counts of a column's first round, as the recipe has them.
const CELLS: usize = 125;
const LOSSES: [(&str, Loss); 2] = [("logistic", Loss::Logistic), ("squared", Loss::Squared)];

impl Keyed for Gbdt {
    type Kind = ();

    const KINDS: &'static [(&'static str, ())] = &[("gbdt", ())];
    const WANTS: Wants = Wants {
        features: true,
        explained: Wanted::Outcome,
        group: false,
        sides: false,
    };

    fn kind(&self) {}

    fn read(_kind: (), keys: &mut Keys<'_>, data: &mut Data) -> Checked<Self> {
        let loss = keys.word("loss", &LOSSES)?;
        let usual = Gbdt::new(data.columns(), outcome(keys, data)?, loss);
        Ok(Gbdt {
            trees: keys.whole("trees", usual.trees, 1..=1000)?,
            depth: keys.whole("depth", usual.depth, 1..=8)?,
            learning_rate: keys.number("learning_rate", usual.learning_rate, 1e-6..=1.0)?,
            lambda: keys.number("lambda", usual.lambda, 0.0..=1e9)?,
            gamma: keys.number("gamma", usual.gamma, 0.0..=1e9)?,
            min_child_weight: keys.number("min_child_weight", usual.min_child_weight, 0.0..=1e9)?,
            min_rows: keys.whole("min_leaf", usual.min_rows, 1..=1_000_000)?,
            bins: keys.whole("bins", usual.bins, 2..=64)?,
            column_share: keys.number("column_share", usual.column_share, 1e-3..=1.0)?,
            validation: keys.number("validation", usual.validation, 0.0..=0.5)?,
            patience: keys.whole("patience", usual.patience, 1..=1000)?,
            ..usual
        })
    }

    fn write(&self, _data: &Data) -> Vec<String> {
        let loss = LOSSES
            .iter()
            .find(|(_, loss)| *loss == self.loss)
            .map_or("", |(word, _)| word);
        vec![
            format!("loss = \"{loss}\""),
            format!("trees = {}", self.trees),
            format!("depth = {}", self.depth),
            format!("learning_rate = {:?}", self.learning_rate),
            format!("lambda = {:?}", self.lambda),
            format!("gamma = {:?}", self.gamma),
            format!("min_child_weight = {:?}", self.min_child_weight),
            format!("min_leaf = {}", self.min_rows),
            format!("bins = {}", self.bins),
            format!("column_share = {:?}", self.column_share),
            format!("validation = {:?}", self.validation),
            format!("patience = {}", self.patience),
        ]
    }

    fn adds_up(&self) -> String {
        let (outcome, end) = match self.loss {
            Loss::Logistic => ("", "histograms of the score"),
            Loss::Squared => (" and of the outcome, and its sum", "the squared errors"),
        };
        format!(
            "how many rows lie in wide cells of each column{outcome}, and \
             in parts of those with many; \
             how many, and how much error, lie \
             in each bin of each column and \
             node of a tree; then {end}; at \
             most {} trees of {} levels, a round a level",
            self.trees, self.depth
        )
    }

    fn shows(&self) -> Vec<String> {
        let mut lines = vec![
            "where one patient of all sites falls alone into a bin of a \
             node, the sum shows \
             that patient's outcome, though not at \
             which site: fewer `bins` and less `depth` show less"
                .to_owned(),
        ];
        lines.push(if self.validation > 0.0 {
            "rows held out choose the number of trees and measure the result: the figures flatter a little"
                .to_owned()
        } else {
            "the result is measured on the rows it was made from: the figures flatter".to_owned()
        });
        lines
    }

    fn vectors(&self) -> Vec<(&'static str, usize)> {
        let columns = self.columns.len();
        // Each of the most nodes of a level, a bin for missing values beside up to twice the bins;
        // rows, g and h.
        let level =
            (1_usize << self.depth.saturating_sub(1)) * columns * (2 * self.bins as usize + 1) * 3;
        let end = match self.loss {
            Loss::Logistic => vec![
                ("the score's histograms", SCORE),
                ("calibration", CALIBRATION),
            ],
            Loss::Squared => vec![("squared errors", 4)],
        };
        let scales = columns + usize::from(self.loss == Loss::Squared);
        // Fewer cells than `bins` have more than one part in `bins` of the rows.
        let refined = columns * (self.bins as usize - 1) * PARTS;
        let mut steps = vec![
            ("cells of each column", 3 + CELLS * scales),
            ("parts of full cells", refined),
        ];
        if self.loss == Loss::Squared {
            steps.push(("the outcome", 1));
        }
        steps.push(("a level of a tree", level + 2));
        [steps, end].concat()
    }

    fn first_tells(&self, _min_cell: u32, least_sites: &str) -> Option<String> {
        Some(format!(
            "trees part who lacks a value from who has one: of a column \
             that some of your patients lack \
             and fewer than {least_sites} \
             sites have such patients, \
             the run ends with its name"
        ))
    }

    fn explains_number(&self) -> bool {
        self.loss == Loss::Squared
    }

    fn keeps_missing(&self) -> bool {
        true
    }

    fn fineness(&self) -> Fineness<'_> {
        Fineness {
            bins: Some(self.bins as usize),
            leaf: Some(self.min_rows),
            ..Fineness::default()
        }
    }
}
