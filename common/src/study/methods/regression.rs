//! `logistic`: exact regression by Newton's method.

use super::super::Data;
use super::super::keys::Keys;
use super::super::reading::Checked;
use super::{CALIBRATION, SCORE};
use motet_recipes::{Logistic, Recipe};

pub(super) fn read(keys: &mut Keys<'_>, data: &Data) -> Checked<Recipe> {
    Ok(Recipe::Logistic(Logistic {
        columns: data.columns(),
        outcome: data.outcome.clone().unwrap_or_default(),
        ridge: keys.number("ridge", 0.0, 0.0..=1e9)?,
        tolerance: keys.number("tolerance", 1e-10, 1e-14..=0.1)?,
        max_rounds: keys.whole("max_rounds", 30, 1..=1000)?,
    }))
}

pub(super) fn write(recipe: &Logistic) -> Vec<String> {
    vec![
        format!("ridge = {:?}", recipe.ridge),
        format!("tolerance = {:?}", recipe.tolerance),
        format!("max_rounds = {}", recipe.max_rounds),
    ]
}

pub(super) fn adds_up(recipe: &Logistic) -> String {
    format!(
        "the slopes and curvatures of a logistic regression, and histograms of its score; at most {} rounds",
        recipe.max_rounds
    )
}

pub(super) fn vectors(recipe: &Logistic) -> Vec<(&'static str, usize)> {
    let columns = recipe.columns.len();
    let terms = columns + 1;
    // Log-likelihood, gradient, and one triangle of the information matrix.
    let newton = 1 + terms + terms * (terms + 1) / 2;
    vec![
        ("counts and sums", 2 + columns),
        ("spread", columns),
        ("a step of the fit", newton),
        ("the score's histograms", SCORE + 1),
        ("calibration", CALIBRATION),
    ]
}
