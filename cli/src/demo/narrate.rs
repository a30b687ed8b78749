//! The demo's words: what happens, round by round, for people who decide about such things and do
//! not type.

use super::compare::{Agreement, Own, Report};
use super::consortium::Member;
use super::data::{Data, Site};
use super::rounds::Rounds;
use crate::loss::Loss;
use crate::output::{Out, Table, WIDTH, count, shown, wrapped};
use std::time::Instant;

/// Tells the demo.
pub(super) struct Narrator {
    out: Out,
    began: Instant,
    step: u32,
}

impl Narrator {
    /// Begins.
    pub(super) fn new(out: Out) -> Self {
        Self {
            out,
            began: Instant::now(),
            step: 0,
        }
    }

    /// Seconds since the beginning.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// A numbered heading.
    pub(super) fn chapter(&mut self, title: &str) {
        self.step += 1;
        self.out.line("");
        self.out.heading(format!("{}  {title}", self.step));
    }

    /// A line of text.
    pub(super) fn say(&self, text: impl std::fmt::Display) {
        for line in wrapped(&text.to_string(), WIDTH - 3) {
            self.out.line(format!("   {line}"));
        }
    }

    /// A table, set in.
    pub(super) fn table(&self, table: &Table) {
        for line in table.lines() {
            self.out.line(format!("   {line}"));
        }
    }

    /// What is about to be seen.
    pub(super) fn opening(&self, data: &Data, losses: &[Loss]) {
        self.out.heading(format!("MOTET  {}", data.title));
        self.out.line(data.question);
        self.out.line("─".repeat(WIDTH.min(88)));
        let sites = data.sites.len();
        self.say(format!(
            "{} patients at {}. Every site keeps its own file. One process \
             a hospital and one for the coordinator; what \
             leaves a hospital is a vector \
             under masks that cancel in the \
             sum of all, and only that sum can be opened.",
            thousands(data.patients() as u64),
            count(sites, "site"),
        ));
        for loss in losses {
            self.say(format!(
                "{} will be lost on purpose: its process ends itself in phase {} of round {} and stays dead.",
                loss.site,
                loss.phase.as_str(),
                loss.round
            ));
        }
    }

    /// Who takes part, and the proof that they are processes of their own.
    pub(super) fn processes(
        &self,
        data: &Data,
        members: &[Member],
        coordinator: u32,
        address: &str,
    ) {
        let mut table = Table::new(&["site", "country", "where", ">patients", ">process"]);
        for member in members {
            let site = member.site;
            let rows = thousands(site.patients() as u64);
            let pid = member.process.pid().to_string();
            table.row([
                site.name.into(),
                site.country.into(),
                site.land.into(),
                rows,
                pid,
            ]);
        }
        self.table(&table);
        self.say(format!(
            "coordinator: process {coordinator} at {address}; {} nodes, each \
             with its own keys, ledger and data folder",
            data.sites.len()
        ));
    }

    /// Follows a run.
    pub(super) fn rounds(&self) -> Rounds {
        Rounds::new(self.out)
    }

    /// The exact result.
    pub(super) fn coefficients(&self, report: &Report) {
        let hazard = report.metrics.c_index.is_some();
        let ratio = if hazard {
            ">hazard ratio"
        } else {
            ">odds ratio"
        };
        let mut table = Table::new(&[
            "",
            ratio,
            ">95 % interval",
            ">coefficient",
            ">standard error",
            ">p",
        ]);
        for fit in &report.coefficients {
            let interval = format!("{:.3} to {:.3}", fit.ci_low.exp(), fit.ci_high.exp());
            let intercept = fit.name == "(intercept)";
            let (ratio, interval) = if intercept {
                (String::new(), String::new())
            } else {
                (format!("{:.3}", fit.estimate.exp()), interval)
            };
            let p = if fit.p < 0.0001 {
                "< 0.0001".to_owned()
            } else {
                format!("{:.4}", fit.p)
            };
            table.row([
                fit.name.clone(),
                ratio,
                interval,
                format!("{:+.6}", fit.estimate),
                format!("{:.6}", fit.se),
                p,
            ]);
        }
        self.table(&table);
        let loglik = report.loglik.map_or_else(String::new, |loglik| {
            format!(", log-likelihood {loglik:.6}")
        });
        self.say(format!(
            "{} patients of {}, {} with the outcome{loglik}; {}",
            thousands(report.rows),
            count(report.sites as usize, "site"),
            report.events.map_or_else(|| "-".to_owned(), thousands),
            if report.converged == Some(true) {
                "converged"
            } else {
                "NOT converged"
            },
        ));
        if let Some(index) = report.metrics.c_index {
            self.say(format!(
                "concordance index {index:.4}: 0.5 is chance, 1 a perfect order"
            ));
        }
        for lost in &report.sites_lost {
            self.say(format!(
                "without {}, lost from round {} on: every number above is of the others alone",
                shown(&lost.name),
                lost.round
            ));
        }
    }

    /// How near the federated fit is to one table.
    pub(super) fn agreement(&self, agreement: &Agreement, report: &Report) {
        self.say(format!(
            "federated = pooled to {} digits in every coefficient, {} in \
             every standard error, {} in the log-likelihood",
            agreement.estimates, agreement.errors, agreement.loglik
        ));
        self.say(format!(
            "(only a demo can say so: here all extracts lie on one machine, \
             and those of the {} released sites were also \
             fitted as one table)",
            report.sites
        ));
    }

    /// Area under the ROC curve, model by model and site by site.
    pub(super) fn models(
        &self,
        exact: &Report,
        pooled_auc: f64,
        averaged: &Report,
        owns: &[(Site, Own)],
    ) {
        let mut table = Table::new(&["one model for all", ">AUC", ">rounds", "on"]);
        table.row([
            "exact, federated".into(),
            auc_text(exact.metrics.auc),
            exact.rounds.to_string(),
            patients_of(exact),
        ]);
        table.row([
            "exact, one pooled table".into(),
            auc_text(Some(pooled_auc)),
            String::new(),
            patients_of(exact),
        ]);
        table.row([
            "averaged (FedAvg), federated".into(),
            auc_text(averaged.metrics.auc),
            averaged.rounds.to_string(),
            patients_of(averaged),
        ]);
        self.table(&table);
        self.out.line("");
        let mut table = Table::new(&[
            "each site alone",
            ">patients",
            ">AUC of its own model",
            ">AUC of the federated model there",
        ]);
        for (site, own) in owns {
            // A fit that needed a ridge had no finite answer without one: few patients, or a
            // finding none of them had.
            let ridge = if own.ridge.is_some_and(|ridge| ridge > 0.0) {
                " *"
            } else {
                "  "
            };
            let alone = format!("{}{ridge}", auc_text(own.alone));
            let federated = auc_text(own.federated);
            table.row([
                site.name.into(),
                thousands(site.patients() as u64),
                alone,
                federated,
            ]);
        }
        self.table(&table);
        let any = |wanted: fn(&Own) -> bool| owns.iter().any(|(_, own)| wanted(own));
        if any(|own| own.ridge.is_some_and(|ridge| ridge > 0.0)) {
            self.say(
                "* alone, this site's patients gave no finite answer; its own \
                fit was held together by a ridge penalty",
            );
        }
        if any(|own| own.written && own.alone.is_none()) {
            self.say("- alone, this site's patients gave no answer at all");
        }
        let lost: Vec<&str> = owns
            .iter()
            .filter(|(_, own)| !own.written)
            .map(|(site, _)| site.name)
            .collect();
        if !lost.is_empty() {
            self.say(format!(
                "no report: {}, whose node was lost before it could write one",
                lost.join(", ")
            ));
        }
        self.say(
            "Both on the site's own patients, as its node wrote them for \
             its own steward. A site's own model is measured on \
             the very patients it was fitted to, which flatters it, most \
             of all where few had the outcome.",
        );
    }

    /// What left the hospitals, and what could be seen outside.
    pub(super) fn what_left(&self, rows: &[Left], second: &'static str) {
        let mut table = Table::new(&[
            "site",
            ">frames",
            ">exact fit",
            second,
            ">all bytes",
            "patients' rows",
        ]);
        for left in rows {
            table.row([
                left.site.clone(),
                thousands(left.frames),
                thousands(left.exact),
                thousands(left.averaged),
                thousands(left.all),
                "none".into(),
            ]);
        }
        self.table(&table);
        self.say(
            "(from each node's own outbound ledger: every frame \
            that left, with its size and digest)",
        );
        self.out.line("");
        self.say("What the coordinator could see:");
        for line in [
            "which sites took part in which round, when they were connected, and how large their frames were",
            "their public keys, sealed shares it cannot open, and vectors \
             under masks it cannot remove one by one",
            "each round's sum over all sites, and the model that follows from it: so can every site",
            "never a row, never one site's own sums, coefficients or metrics",
        ] {
            self.say(format!("  - {line}"));
        }
    }

    /// The end.
    pub(super) fn closing(&self, lines: &[(String, String)]) {
        self.out.line("");
        let letters = lines.iter().map(|(what, _)| what.chars().count());
        let width = letters.fold(0, usize::max);
        for (what, place) in lines {
            self.out.line(format!("   {what:<width$}  {place}"));
        }
        self.out.line("");
        self.out
            .heading(format!("Done in {:.1} s.", self.seconds()));
    }
}

fn patients_of(report: &Report) -> String {
    format!("the patients of {}", count(report.sites as usize, "site"))
}

fn auc_text(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |auc| format!("{auc:.4}"))
}

/// What left one site.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// The site.
    pub(super) site: String,
    /// Frames.
    pub(super) frames: u64,
    /// Bytes of the exact study.
    pub(super) exact: u64,
    /// Bytes of the second study.
    pub(super) averaged: u64,
    /// All bytes.
    pub(super) all: u64,
}

/// A count with commas: `9,381`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        assert_eq!(
            [0, 999, 1000, 9381, 1_234_567].map(thousands),
            ["0", "999", "1,000", "9,381", "1,234,567"]
        );
    }
}
