//! `data list`: every dataset of the site at a glance.

use crate::NodeError;
use crate::data_desk::{Dataset, names};
use crate::home::Paths;
use motet_program::table;
use serde::Serialize;
use std::fs;

/// One line of `data list`.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// The dataset.
    pub name: String,
    /// The site's own file.
    pub csv: String,
    /// Declared columns.
    pub columns: usize,
    /// What stands against using it, if anything.
    pub problem: Option<String>,
}

/// Every dataset; the files' contents are not read.
///
/// # Errors
/// [`NodeError::File`].
pub fn list(paths: &Paths) -> Result<Vec<Listed>, NodeError> {
    let line = |name: String| match Dataset::find(paths, &name) {
        Ok(dataset) => {
            let unreadable = fs::File::open(&dataset.csv)
                .err()
                .map(|cause| cause.to_string());
            let csv = match dataset.leads_to() {
                Some(target) => format!("{} -> {target}", dataset.csv.display()),
                None => dataset.csv.display().to_string(),
            };
            Listed {
                name,
                csv,
                columns: dataset.schema.columns.len(),
                problem: unreadable,
            }
        }
        Err(error) => Listed {
            name,
            csv: String::new(),
            columns: 0,
            problem: Some(error.to_string()),
        },
    };
    Ok(names(paths)?.into_iter().map(line).collect())
}

/// The list as a table.
pub fn list_text(lines: &[Listed]) -> String {
    if lines.is_empty() {
        return "no dataset; `motet-node data add NAME --csv F --schema S.toml` gives one"
            .to_owned();
    }
    table::Table::of(
        ["dataset", "columns", "state", "file"],
        lines.iter().map(row),
    )
    .text()
}

fn row(line: &Listed) -> [String; 4] {
    let state = line
        .problem
        .clone()
        .unwrap_or_else(|| "readable".to_owned());
    [
        line.name.clone(),
        line.columns.to_string(),
        state,
        line.csv.clone(),
    ]
}
