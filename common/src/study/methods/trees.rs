//! `gbdt`: boosted trees.

use super::{CALIBRATION, SCORE};
use motet_recipes::data::Data;
use motet_recipes::gbdt::Loss;
use motet_recipes::{Gbdt, Recipe};
use motet_toml::{Checked, Keys};

/// Counts of a column's first round, as the recipe has them.
const CELLS: usize = 125;
/// Parts of a cell that is looked into again.
const PARTS: usize = 32;
const LOSSES: [(&str, Loss); 2] = [("logistic", Loss::Logistic), ("squared", Loss::Squared)];

pub(super) fn read(keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    let loss = keys.word("loss", &LOSSES)?;
    let usual = Gbdt::new(
        data.columns(),
        data.outcome.clone().unwrap_or_default(),
        loss,
    );
    Ok(Recipe::from(Gbdt {
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
    }))
}

pub(super) fn write(recipe: &Gbdt) -> Vec<String> {
    let loss = LOSSES
        .iter()
        .find(|(_, loss)| *loss == recipe.loss)
        .map_or("", |(word, _)| word);
    vec![
        format!("loss = \"{loss}\""),
        format!("trees = {}", recipe.trees),
        format!("depth = {}", recipe.depth),
        format!("learning_rate = {:?}", recipe.learning_rate),
        format!("lambda = {:?}", recipe.lambda),
        format!("gamma = {:?}", recipe.gamma),
        format!("min_child_weight = {:?}", recipe.min_child_weight),
        format!("min_leaf = {}", recipe.min_rows),
        format!("bins = {}", recipe.bins),
        format!("column_share = {:?}", recipe.column_share),
        format!("validation = {:?}", recipe.validation),
        format!("patience = {}", recipe.patience),
    ]
}

pub(super) fn adds_up(recipe: &Gbdt) -> String {
    let (outcome, end) = match recipe.loss {
        Loss::Logistic => ("", "histograms of the score"),
        Loss::Squared => (" and of the outcome, and its sum", "the squared errors"),
    };
    format!(
        "how many rows lie in wide cells of each column{outcome}, and in parts of those with many; how many, and how much error, lie \
         in each bin of each column and node of a tree; then {end}; at most {} trees of {} levels, a round a level",
        recipe.trees, recipe.depth
    )
}

pub(super) fn shows(recipe: &Gbdt) -> Vec<String> {
    let mut lines = vec![
        "where one patient of all sites falls alone into a bin of a node, the sum shows that patient's outcome, though not at \
         which site: fewer `bins` and less `depth` show less"
            .to_owned(),
    ];
    lines.push(if recipe.validation > 0.0 {
        "rows held out choose the number of trees and measure the result: the figures flatter a little"
            .to_owned()
    } else {
        "the result is measured on the rows it was made from: the figures flatter".to_owned()
    });
    lines
}

pub(super) fn vectors(recipe: &Gbdt) -> Vec<(&'static str, usize)> {
    let columns = recipe.columns.len();
    // Each of the most nodes of a level, a bin for missing values beside up to twice the bins;
    // rows, g and h.
    let level =
        (1_usize << recipe.depth.saturating_sub(1)) * columns * (2 * recipe.bins as usize + 1) * 3;
    let end = match recipe.loss {
        Loss::Logistic => vec![
            ("the score's histograms", SCORE),
            ("calibration", CALIBRATION),
        ],
        Loss::Squared => vec![("squared errors", 4)],
    };
    let scales = columns + usize::from(recipe.loss == Loss::Squared);
    // Fewer cells than `bins` have more than one part in `bins` of the rows.
    let refined = columns * (recipe.bins as usize - 1) * PARTS;
    let mut steps = vec![
        ("cells of each column", 3 + CELLS * scales),
        ("parts of full cells", refined),
    ];
    if recipe.loss == Loss::Squared {
        steps.push(("the outcome", 1));
    }
    steps.push(("a level of a tree", level + 2));
    [steps, end].concat()
}
