//! The key `formula` of a study file: the design it gives over the features of the study.

use super::{Formula, FormulaError};
use crate::data::Data;
use crate::design::Design;
use motet_toml::{Checked, Keys};

/// The design of a regression: that of `formula`, which brings the features into its own order, or
/// every feature as it is.
///
/// # Errors
/// The first mistake of the formula, or what it lacks of the features.
pub(crate) fn read(keys: &mut Keys<'_>, data: &mut Data) -> Checked<Design> {
    let text = keys.text("formula")?.map(str::to_owned);
    let design = match &text {
        Some(text) => design(keys, text, data)?,
        None => Design::plain(data.columns()),
    };
    data.formula = text;
    Ok(design)
}

/// The key that gives this formula, where there is one.
pub(crate) fn written(data: &Data) -> impl Iterator<Item = String> {
    let text = data.formula.iter();
    text.map(|text| format!("formula = {}", toml::Value::String(text.clone())))
}

/// The columns that a formula makes; `features` come into the order in which it names them.
fn design(keys: &Keys<'_>, text: &str, data: &mut Data) -> Checked<Design> {
    let formula = match Formula::parse(text) {
        Ok(formula) => formula,
        Err(error) => return refuse(keys, &error),
    };
    if let Some(other) = formula
        .outcome
        .as_ref()
        .filter(|other| Some(*other) != data.outcome.as_ref())
    {
        let problem = format!("`formula` explains `{other}`, and `outcome` is another column");
        return keys.refuse(
            "formula",
            problem,
            "name the outcome before `~`, or nothing",
        );
    }
    let named: Vec<String> = formula.features().into_iter().map(str::to_owned).collect();
    if let Some(name) = named.iter().find(|name| !data.features.contains(name)) {
        let problem = format!("`formula` names `{name}`, which is not among the features");
        return keys.refuse("formula", problem, "add it to `features`");
    }
    if let Some(name) = data.features.iter().find(|name| !named.contains(name)) {
        let problem = format!("feature `{name}` has no part in the formula");
        return keys.refuse(
            "formula",
            problem,
            "use it, or take it out of `features`: what is not needed is not read",
        );
    }
    data.features = named;
    let order = data.features.clone();
    data.levels.sort_by_key(|levels| {
        order
            .iter()
            .position(|feature| *feature == levels.feature)
            .unwrap_or(order.len())
    });
    match formula.design(|feature| match data.levels_of(feature) {
        Some(levels) => Some(
            levels
                .iter()
                .skip(1)
                .map(|level| format!("{feature}_{level}"))
                .collect(),
        ),
        None => data
            .features
            .iter()
            .any(|known| known == feature)
            .then(|| vec![feature.to_owned()]),
    }) {
        Ok(design) if design.columns == data.columns() => Ok(design),
        Ok(_) => keys.refuse(
            "formula",
            "the formula leaves out a column",
            "write the features as main effects first",
        ),
        Err(error) => refuse(keys, &error),
    }
}

fn refuse<T>(keys: &Keys<'_>, error: &FormulaError) -> Checked<T> {
    keys.refuse("formula", error.to_string(), "correct it")
}
