//! How the values of a study file are written back.

use crate::data::Data;

/// The levels of a category, which the study names.
pub(crate) fn levels(data: &Data, column: &str) -> Vec<String> {
    match data.levels_of(column) {
        Some(levels) => levels.to_vec(),
        // None at all, which no method takes for a category.
        None => Vec::new(),
    }
}

/// Numbers as a list in the file.
pub(crate) fn numbers(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|number| format!("{number:?}")).collect();
    format!("[{}]", numbers.join(", "))
}

/// The word of a value.
pub(crate) fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words
        .iter()
        .find(|(_, known)| known == value)
        .map_or("", |(word, _)| word)
}
