//! The card of a summary: its columns, their quantiles, and the table by group.

use super::columns::{counts, sd};
use super::withheld;
use crate::kit::cells::small;
use crate::kit::page::Page;
use crate::kit::words::{code, digits, figure, p_value, percent, plain, thousands};
use motet_recipes::Variable;
use motet_recipes::summary::SummaryOutcome;
use motet_recipes::summary::{Cell, Detailed, Distribution, Line, Quantile, Table, Test};

const WITHHELD: &str = "withheld";

/// The columns and what is told beside them.
pub(crate) fn result(page: &mut Page<'_>, summary: &SummaryOutcome) {
    variables(page, summary);
    details(page, summary);
}

fn variables(page: &mut Page<'_>, summary: &SummaryOutcome) {
    let smallest = page.context.smallest_cell;
    page.section("Result");
    page.line("| Variable | Patients | Missing | Mean | Standard deviation |");
    page.line("|---|---:|---:|---:|---:|");
    for own in &summary.variables {
        variable(page, own);
    }
    let mut counted = summary.variables.iter().map(|own| counts(own, smallest));
    if counted.any(|counts| counts.is_none()) {
        page.line(
            "\nMean and standard deviation are rounded where their digits would tell a withheld number.",
        );
    }
    why_no_mean(page, summary);
}

/// Where a mean is missing whose count is told.
fn why_no_mean(page: &mut Page<'_>, summary: &SummaryOutcome) {
    let smallest = page.context.smallest_cell;
    let is_withheld =
        |own: &Variable| own.mean.is_nan() && own.count > 0 && counts(own, smallest).is_some();
    if summary.variables.iter().any(is_withheld) {
        page.line(&format!(
            "\nA yes or no of fewer than {smallest} patients has no mean, and of a \
             category with such a level no level has one: join the \
             level with another.",
        ));
    }
}

fn variable(page: &mut Page<'_>, own: &Variable) {
    let smallest = page.context.smallest_cell;
    let told = counts(own, smallest);
    let numbers = match told {
        Some((count, missing)) => format!("{} | {}", thousands(count), thousands(missing)),
        None if small(own.missing, smallest) => format!("{WITHHELD} | fewer than {smallest}"),
        None => format!("{WITHHELD} | {WITHHELD}"),
    };
    let [mean, sd] = [own.mean, sd(own, smallest)].map(|value| match told {
        Some(_) => digits(value, 4),
        None => figure(value),
    });
    let name = code(&own.name);
    page.line(&format!("| {name} | {numbers} | {mean} | {sd} |"));
}

fn details(page: &mut Page<'_>, summary: &SummaryOutcome) {
    let Some(details) = &summary.details else {
        return;
    };
    quantiles(page, details);
    if let Some(table) = &details.table {
        by_group(page, table);
    }
    let smallest = page.context.smallest_cell;
    if details.distributions.iter().any(Distribution::withheld) {
        let why = withheld::bins(smallest);
        page.line(&format!("\nHistograms: {why}."));
    }
    if details.distributions.iter().any(|of| of.quantiles_withheld) {
        let why = withheld::quantiles(smallest);
        page.line(&format!("\nQuantiles: {why}."));
    }
    if summary
        .variables
        .iter()
        .any(|variable| variable.few_missing)
    {
        page.line(
            "\nWhere the rows without a value lie at too few hospitals, a column \
             keeps a rounded mean and standard deviation and no \
             line by group (a `filter` on the column leaves such rows out).",
        );
    }
}

fn quantiles(page: &mut Page<'_>, details: &Detailed) {
    let Some(first) = details.distributions.first() else {
        return;
    };
    let mut heads: Vec<String> = first
        .quantiles
        .iter()
        .map(|q| format!("{}%", figure(q.probability * 100.0)))
        .collect();
    if first.extremes.is_some() {
        heads.insert(0, "Smallest".to_owned());
        heads.push("Largest".to_owned());
    }
    if heads.is_empty() {
        return;
    }
    page.line(
        "\nQuantiles (50% is the median), each with how far it may be off. \
         They were found by counting patients in ever \
         narrower intervals, and not narrower than the study's limits allow.\n",
    );
    page.line(&format!("| Variable | {} |", heads.join(" | ")));
    page.line(&format!("|---|{}", "---:|".repeat(heads.len())));
    for distribution in &details.distributions {
        let name = &distribution.name;
        let ends = distribution.extremes.as_ref();
        let all = ends
            .map(|ends| &ends.0)
            .into_iter()
            .chain(&distribution.quantiles)
            .chain(ends.map(|ends| &ends.1));
        let cells: Vec<String> = all
            .map(|own| told(own, distribution.quantiles_withheld))
            .collect();
        page.line(&format!("| {} | {} |", code(name), cells.join(" | ")));
    }
    if first.extremes.is_some() {
        page.line(
            "\nA smallest or largest value is that of one patient; the approved study asks for it.",
        );
    }
}

fn by_group(page: &mut Page<'_>, table: &Table) {
    page.line(
        "\nBy group: mean (standard deviation) of a number, patients \
        with yes (share) of a yes/no variable.\n",
    );
    let levels: Vec<String> = table
        .levels
        .iter()
        .map(|(name, rows)| {
            format!(
                "{} ({})",
                plain(name),
                rows.map_or(WITHHELD.to_owned(), thousands)
            )
        })
        .collect();
    page.line(&format!("| Variable | {} | Test | p |", levels.join(" | ")));
    page.line(&format!("|---|{}---|---:|", "---:|".repeat(levels.len())));
    for line in &table.lines {
        let Line {
            name, cells, test, ..
        } = line;
        let cells: Vec<String> = cells.iter().map(cell).collect();
        let (how, p) = test
            .as_ref()
            .map_or((String::new(), String::new()), |test| {
                (statistic(test), p_value(test.p))
            });
        page.line(&format!(
            "| {} | {} | {how} | {p} |",
            code(name),
            cells.join(" | ")
        ));
    }
    page.line(
        "\nA small p says that the groups differ by more than chance \
         explains, not why. With many tests some are small \
         by chance. Cells of few patients are withheld, \
         and others with them so that totals do \
         not give them back; such a line has \
         no test. Where few values are \
         missing, a line has no test and is rounded, shares to whole per \
         cent, for the digits would tell how many.",
    );
}

fn told(own: &Quantile, are_withheld: bool) -> String {
    if are_withheld && !own.estimate.is_finite() {
        return WITHHELD.to_owned();
    }
    quantile(own)
}

fn quantile(quantile: &Quantile) -> String {
    if !quantile.estimate.is_finite() {
        return "not available".to_owned();
    }
    if quantile.error <= 1e-6 * quantile.estimate.abs() {
        return figure(quantile.estimate);
    }
    // As many decimals as the error leaves sure, and one more.
    let sure = if quantile.error > 0.0 {
        (1.0 - libm::log10(quantile.error).floor()).clamp(0.0, 6.0)
    } else {
        3.0
    };
    let places = sure as usize;
    format!(
        "{:.places$} \u{b1} {:.places$}",
        quantile.estimate, quantile.error
    )
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Number { mean, .. } if !mean.is_finite() => "no values".to_owned(),
        Cell::Number { mean, sd, .. } => format!("{} ({})", figure(*mean), figure(*sd)),
        Cell::Share {
            rows: Some(rows),
            share,
            ..
        } => format!("{} ({})", thousands(*rows), percent(*share)),
        Cell::Share { share, .. } => format!("{:.0}%", share * 100.0),
        Cell::Withheld => WITHHELD.to_owned(),
    }
}

fn statistic(test: &Test) -> String {
    let df = test.df.1.map_or_else(
        || test.df.0.to_string(),
        |rest| format!("{}, {rest}", test.df.0),
    );
    format!("{}({df}) = {}", test.name, figure(test.statistic))
}
