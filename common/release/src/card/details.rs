//! The further parts of a summary in the card: quantiles and the table by group.

use super::super::withheld;
use super::words::{code, figure, p_value, percent, plain};
use super::{Card, thousands};
use motet_recipes::SummaryOutcome;
use motet_recipes::summary::{Cell, Detailed, Distribution, Line, Quantile, Table, Test};

const WITHHELD: &str = "withheld";

impl Card<'_> {
    pub(super) fn details(&mut self, summary: &SummaryOutcome) {
        let Some(details) = &summary.details else {
            return;
        };
        self.quantiles(details);
        if let Some(table) = &details.table {
            self.by_group(table);
        }
        let smallest = self.context.smallest_cell;
        if details.distributions.iter().any(Distribution::withheld) {
            let why = withheld::bins(smallest);
            self.line(&format!("\nHistograms: {why}."));
        }
        if details.distributions.iter().any(|of| of.quantiles_withheld) {
            let why = withheld::quantiles(smallest);
            self.line(&format!("\nQuantiles: {why}."));
        }
        if summary
            .variables
            .iter()
            .any(|variable| variable.few_missing)
        {
            self.line(
                "\nWhere the rows without a value lie at too few hospitals, a column keeps a rounded mean and standard deviation and no \
                 line by group (a `filter` on the column leaves such rows out).",
            );
        }
    }

    fn quantiles(&mut self, details: &Detailed) {
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
        self.line(
            "\nQuantiles (50% is the median), each with how far it may be off. They were found by counting patients in ever \
             narrower intervals, and not narrower than the study's limits allow.\n",
        );
        self.line(&format!("| Variable | {} |", heads.join(" | ")));
        self.line(&format!("|---|{}", "---:|".repeat(heads.len())));
        for distribution in &details.distributions {
            let name = &distribution.name;
            let told =
                |of: &Quantile| match of.estimate.is_finite() || !distribution.quantiles_withheld {
                    true => quantile(of),
                    false => WITHHELD.to_owned(),
                };
            let mut cells: Vec<String> = distribution.quantiles.iter().map(told).collect();
            if let Some((low, high)) = &distribution.extremes {
                cells.insert(0, told(low));
                cells.push(told(high));
            }
            self.line(&format!("| {} | {} |", code(name), cells.join(" | ")));
        }
        if first.extremes.is_some() {
            self.line(
                "\nA smallest or largest value is that of one patient; the approved study asks for it.",
            );
        }
    }

    fn by_group(&mut self, table: &Table) {
        self.line("\nBy group: mean (standard deviation) of a number, patients with yes (share) of a yes/no variable.\n");
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
        self.line(&format!("| Variable | {} | Test | p |", levels.join(" | ")));
        self.line(&format!("|---|{}---|---:|", "---:|".repeat(levels.len())));
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
            self.line(&format!(
                "| {} | {} | {how} | {p} |",
                code(name),
                cells.join(" | ")
            ));
        }
        self.line(
            "\nA small p says that the groups differ by more than chance explains, not why. With many tests some are small \
             by chance. Cells of few patients are withheld, and others with them so that totals do not give them back; such a line has no test. Where few values are \
             missing, a line has no test and is rounded, shares to whole per cent, for the digits would tell how many.",
        );
    }
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
