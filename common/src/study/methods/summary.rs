//! `summary`: counts, means and variances.

use super::super::Data;
use super::super::reading::Checked;
use motet_recipes::{Recipe, Summary};

pub(super) fn read(data: &Data) -> Checked<Recipe> {
    Ok(Recipe::Summary(Summary { columns: data.columns() }))
}

pub(super) fn adds_up() -> String {
    "counts, missing values, means and variances of the columns".to_owned()
}

pub(super) fn vectors(recipe: &Summary) -> Vec<(&'static str, usize)> {
    let columns = recipe.columns.len();
    vec![("counts and sums", 3 * columns), ("spread", columns)]
}
