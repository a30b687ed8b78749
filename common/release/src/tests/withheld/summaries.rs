//! Summaries of which each figure can be chosen, and their pages.

use super::{MOST, page_of};
use crate::{Context, sample};
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::summary::{Cell, Detailed, Details, Distribution, Line, Scale, Table, Test};
use motet_recipes::{Outcome, Recipe, Rows, Variable};
use rand_core::SeedableRng as _;

pub(super) fn page(outcome: &Outcome) -> Vec<String> {
    page_of(
        outcome,
        &Context {
            smallest_cell: MOST + 1,
            ..sample::context()
        },
    )
}

pub(super) fn number(name: &str, count: u64, missing: u64) -> Variable {
    Variable {
        name: name.into(),
        count,
        missing,
        few_missing: false,
        mean: 62.25,
        variance: 90.5,
    }
}

/// Fails unless one of the choices gives the page.
pub(super) fn one_is(page: &[String], choices: impl IntoIterator<Item = Outcome>, what: &str) {
    let found = choices
        .into_iter()
        .any(|outcome| self::page(&outcome) == *page);
    assert!(found, "{what}: no choice gives\n{}", page.join("\n"));
}

/// Two groups of 460.
pub(super) fn large(name: &str, cells: [Cell; 2]) -> Table {
    let table = table(name, cells, 1.5, 908);
    Table {
        levels: table
            .levels
            .into_iter()
            .map(|(name, _)| (name, Some(460)))
            .collect(),
        ..table
    }
}

/// Two groups of 60, what stands in each of them, and the analysis of variance.
pub(super) fn table(name: &str, cells: [Cell; 2], statistic: f64, residual: u64) -> Table {
    let test = Test {
        name: "anova F",
        statistic,
        df: (1, Some(residual)),
        p: 1.0 / (1.0 + statistic),
    };
    let levels = vec![("A".to_owned(), Some(60)), ("B".to_owned(), Some(60))];
    Table {
        levels,
        lines: vec![Line {
            name: name.into(),
            category: None,
            cells: cells.into(),
            test: Some(test),
        }],
    }
}

pub(super) fn summary(
    variables: Vec<Variable>,
    distributions: Vec<Distribution>,
    table: Table,
) -> Outcome {
    let details = Some(Detailed {
        distributions,
        table: Some(table),
    });
    Outcome::Summary(SummaryOutcome {
        rounds: 3,
        sites: 10,
        variables,
        details,
    })
}

pub(super) fn values(values: u64, mean: f64) -> Cell {
    Cell::Number {
        values: Some(values),
        mean,
        sd: 9.5,
    }
}

/// What stands in the report about a column.
pub(super) fn column(page: &[String], at: usize) -> serde_json::Value {
    let lines = page
        .iter()
        .filter_map(|line| line.strip_prefix("report.json: "));
    let report: serde_json::Value =
        serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    report["variables"][at].clone()
}

/// What a table of these patients says, a site's worth: column by column with the group last.
pub(super) fn described(columns: &[&str], rows: &[Vec<f64>], details: Details) -> Outcome {
    let width = columns.len();
    let x = ndarray::Array2::from_shape_fn((rows.len(), width), |(row, at)| rows[row][at]);
    let group: ndarray::Array1<f64> = rows.iter().map(|row| row[width]).collect();
    let recipe = Recipe::from(motet_recipes::Summary {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        details: Some(details),
    });
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let rows = Rows {
        group: Some(group.view()),
        ..Rows::new(x.view())
    };
    let mut outcome = recipe.alone(&rows, &mut rng).unwrap();
    if let Outcome::Summary(outcome) = &mut outcome {
        outcome.sites = 10;
    }
    outcome
}

pub(super) fn groups(scales: Vec<Scale>, levels: usize) -> Details {
    Details {
        levels: (0..levels).map(|at| format!("g{at}")).collect(),
        ..Details::new(scales)
    }
}
