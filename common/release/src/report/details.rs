//! The further parts of a summary: distributions beside their variable, and the table by group. A
//! withheld count is null.

use motet_recipes::SummaryOutcome;
use motet_recipes::summary::{Cell, Distribution, Quantile, Table};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Histogram<'a> {
    edges: &'a [f64],
    rows: &'a [Option<u64>],
    below: Option<u64>,
    above: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct QuantileOut {
    probability: f64,
    estimate: f64,
    error: f64,
}

#[derive(Serialize)]
pub(super) struct ByGroup<'a> {
    levels: Vec<Level<'a>>,
    variables: Vec<LineOut<'a>>,
}

#[derive(Serialize)]
struct Level<'a> {
    name: &'a str,
    rows: Option<u64>,
}

#[derive(Serialize)]
struct LineOut<'a> {
    name: &'a str,
    /// One a level, in their order; null where it is withheld.
    cells: Vec<Option<CellOut>>,
    test: Option<TestOut>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CellOut {
    Number {
        values: Option<u64>,
        mean: f64,
        sd: f64,
    },
    Share {
        values: Option<u64>,
        rows: Option<u64>,
        share: f64,
    },
}

#[derive(Serialize)]
struct TestOut {
    name: &'static str,
    statistic: f64,
    df: u64,
    df_residual: Option<u64>,
    p: f64,
}

/// The distribution of a column, if the study asks for one.
pub(super) fn of<'a>(summary: &'a SummaryOutcome, name: &str) -> Option<&'a Distribution> {
    summary
        .details
        .as_ref()?
        .distributions
        .iter()
        .find(|distribution| distribution.name == name)
}

pub(super) fn histogram(distribution: &Distribution) -> Histogram<'_> {
    Histogram {
        edges: &distribution.edges,
        rows: &distribution.bins,
        below: distribution.below,
        above: distribution.above,
    }
}

pub(super) fn quantile(quantile: &Quantile) -> QuantileOut {
    QuantileOut {
        probability: quantile.probability,
        estimate: quantile.estimate,
        error: quantile.error,
    }
}

pub(super) fn by_group(summary: &SummaryOutcome) -> Option<ByGroup<'_>> {
    let Table { levels, lines } = summary.details.as_ref()?.table.as_ref()?;
    let levels = levels
        .iter()
        .map(|(name, rows)| Level { name, rows: *rows })
        .collect();
    let cell = |cell: &Cell| match cell {
        Cell::Number { values, mean, sd } => Some(CellOut::Number {
            values: *values,
            mean: *mean,
            sd: *sd,
        }),
        Cell::Share {
            values,
            rows,
            share,
        } => Some(CellOut::Share {
            values: *values,
            rows: *rows,
            share: *share,
        }),
        Cell::Withheld => None,
    };
    let variables = lines.iter().map(|line| LineOut {
        name: &line.name,
        cells: line.cells.iter().map(cell).collect(),
        test: line.test.as_ref().map(|test| TestOut {
            name: test.name,
            statistic: test.statistic,
            df: test.df.0,
            df_residual: test.df.1,
            p: test.p,
        }),
    });
    Some(ByGroup {
        levels,
        variables: variables.collect(),
    })
}
