//! The report of a summary: its columns with their distributions, and the table by group. A withheld
//! count is null.

use super::columns::{counts, sd};
use super::withheld;
use crate::context::Context;
use motet_recipes::Variable;
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::summary::{Cell, Distribution, Quantile, Table};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Summary<'a> {
    variables: Vec<Column<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_group: Option<ByGroup<'a>>,
}

#[derive(Serialize)]
struct Column<'a> {
    name: &'a str,
    count: Option<u64>,
    missing: Option<u64>,
    mean: f64,
    variance: f64,
    sd: f64,
    #[serde(flatten)]
    distribution: Option<Distributed<'a>>,
}

#[derive(Serialize)]
struct Distributed<'a> {
    histogram: Histogram<'a>,
    /// Why bins are null and what to do about it; nothing where they are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    histogram_note: Option<String>,
    quantiles: Vec<QuantileOut>,
    /// The same of quantiles.
    #[serde(skip_serializing_if = "Option::is_none")]
    quantiles_note: Option<String>,
    /// Null unless the study asks for extremes.
    min: Option<QuantileOut>,
    max: Option<QuantileOut>,
}

#[derive(Serialize)]
struct Histogram<'a> {
    edges: &'a [f64],
    rows: &'a [Option<u64>],
    below: Option<u64>,
    above: Option<u64>,
}

#[derive(Serialize)]
struct QuantileOut {
    probability: f64,
    estimate: f64,
    error: f64,
}

#[derive(Serialize)]
struct ByGroup<'a> {
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

pub(crate) fn body<'a>(summary: &'a SummaryOutcome, context: &Context) -> Summary<'a> {
    let columns = summary.variables.iter();
    Summary {
        variables: columns.map(|own| column(own, summary, context)).collect(),
        by_group: by_group(summary),
    }
}

fn column<'a>(own: &'a Variable, summary: &'a SummaryOutcome, context: &Context) -> Column<'a> {
    let smallest = context.smallest_cell;
    let told = counts(own, smallest);
    Column {
        name: &own.name,
        count: told.map(|(count, _)| count),
        missing: told.map(|(_, missing)| missing),
        mean: own.mean,
        variance: own.variance,
        sd: sd(own, smallest),
        distribution: of(summary, &own.name).map(|found| distributed(found, smallest)),
    }
}

fn distributed(found: &Distribution, smallest: u64) -> Distributed<'_> {
    Distributed {
        histogram: histogram(found),
        histogram_note: found.withheld().then(|| withheld::bins(smallest)),
        quantiles: found.quantiles.iter().map(quantile).collect(),
        quantiles_note: found
            .quantiles_withheld
            .then(|| withheld::quantiles(smallest)),
        min: found.extremes.as_ref().map(|ends| quantile(&ends.0)),
        max: found.extremes.as_ref().map(|ends| quantile(&ends.1)),
    }
}

/// The distribution of a column, if the study asks for one.
fn of<'a>(summary: &'a SummaryOutcome, name: &str) -> Option<&'a Distribution> {
    summary
        .details
        .as_ref()?
        .distributions
        .iter()
        .find(|distribution| distribution.name == name)
}

fn histogram(distribution: &Distribution) -> Histogram<'_> {
    Histogram {
        edges: &distribution.edges,
        rows: &distribution.bins,
        below: distribution.below,
        above: distribution.above,
    }
}

fn quantile(quantile: &Quantile) -> QuantileOut {
    QuantileOut {
        probability: quantile.probability,
        estimate: quantile.estimate,
        error: quantile.error,
    }
}

fn by_group(summary: &SummaryOutcome) -> Option<ByGroup<'_>> {
    let Table { levels, lines } = summary.details.as_ref()?.table.as_ref()?;
    let levels = levels
        .iter()
        .map(|(name, rows)| Level { name, rows: *rows })
        .collect();
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

fn cell(cell: &Cell) -> Option<CellOut> {
    match *cell {
        Cell::Number { values, mean, sd } => Some(CellOut::Number { values, mean, sd }),
        Cell::Share {
            values,
            rows,
            share,
        } => Some(CellOut::Share {
            values,
            rows,
            share,
        }),
        Cell::Withheld => None,
    }
}
