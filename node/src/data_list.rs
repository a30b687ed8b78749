//! `data list`: every dataset of the site at a glance.

use crate::NodeError;
use crate::data_desk::{Dataset, names};
use crate::home::Paths;
use crate::notices::Published;
use motet_program::table;
use serde::Serialize;
use std::collections::BTreeSet;
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
    /// Where it stands in the catalogue, where a notice was signed.
    pub published: Option<Published>,
}

/// Every dataset, also one that the catalogue tells of and that is here no more; the files'
/// contents are not read.
///
/// # Errors
/// [`NodeError::File`].
pub fn list(paths: &Paths, published: &[Published]) -> Result<Vec<Listed>, NodeError> {
    let mut all: BTreeSet<String> = names(paths)?.into_iter().collect();
    let told = published.iter().filter(|one| !one.withdrawn);
    all.extend(told.map(|one| one.dataset.clone()));
    Ok(all
        .into_iter()
        .map(|name| line(paths, published, name))
        .collect())
}

fn line(paths: &Paths, published: &[Published], name: String) -> Listed {
    let published = published.iter().find(|one| one.dataset == name).cloned();
    match Dataset::find(paths, &name) {
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
                published,
            }
        }
        Err(error) => Listed {
            name,
            csv: String::new(),
            columns: 0,
            problem: Some(error.to_string()),
            published,
        },
    }
}

/// The list as a table.
pub fn list_text(lines: &[Listed]) -> String {
    if lines.is_empty() {
        return "no dataset; `motet-node data add NAME --csv F --schema S.toml` gives one"
            .to_owned();
    }
    table::Table::of(
        ["dataset", "columns", "state", "catalogue", "file"],
        lines.iter().map(row),
    )
    .text()
}

fn row(line: &Listed) -> [String; 5] {
    let published = line.published.as_ref();
    let state = line
        .problem
        .clone()
        .unwrap_or_else(|| "readable".to_owned());
    [
        line.name.clone(),
        line.columns.to_string(),
        state,
        published.map_or_else(|| "-".to_owned(), Published::text),
        line.csv.clone(),
    ]
}
