//! `card.md`: the model card, in plain words for clinicians and data stewards.
//!
//! Names come from people and from data, so everything that is not ours is escaped: a study's title
//! cannot draw a heading or a link here.

mod count;
mod details;
mod glm;
mod judged;
mod number;
mod sites;
mod survival;
mod trees;
mod words;

use super::cells::{counts, sd, small};
use super::pictures::thousands;
use crate::context::{Context, Site};
use motet_recipes::{CalibrationBin, FedAvgOutcome, Metrics, Outcome, SummaryOutcome, Variable};
use std::fmt::Write as _;
use words::{code, digits, figure, near, percent, plain};

/// The card as Markdown; `pictures` are the file names of the pictures that go with it.
pub(super) fn text(outcome: &Outcome, context: &Context, pictures: &[&str]) -> String {
    let mut card = Card {
        text: String::new(),
        context,
    };
    card.head();
    card.what_it_is(outcome);
    card.data(outcome);
    card.computation(outcome);
    match outcome {
        Outcome::FedAvg(model) => {
            card.network(model);
            card.performance(&model.metrics, &model.calibration, FITTED);
        }
        Outcome::Summary(summary) => {
            card.variables(summary);
            card.details(summary);
        }
        Outcome::Glm(fit) => card.glm(fit),
        Outcome::Gbdt(model) => card.trees(model),
        Outcome::Count(count) => card.counted(count),
        Outcome::FedNumber(model) => card.number(model),
        Outcome::Cox(fit) => card.cox(fit),
        Outcome::KaplanMeier(found) => card.curves(found),
        Outcome::FedTime(model) => card.fedtime(model),
    }
    card.judgement();
    card.cautions(outcome);
    card.what_the_sums_show();
    card.verify();
    card.files(outcome, pictures);
    card.reuse();
    card.text
}

const FITTED: &str =
    "Measured on the same patients the model was fitted to, so expect less in new patients.";

struct Card<'a> {
    text: String,
    context: &'a Context,
}

impl Card<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n## {title}\n\n");
    }

    fn head(&mut self) {
        let title = if self.context.title.is_empty() {
            &self.context.study
        } else {
            &self.context.title
        };
        self.line(&format!("# Model card: {}", plain(title)));
        self.line("");
        self.line(
            "> **A research result, not a medical device.** It was not validated for the care of patients. Do not use \
             it to decide about a patient.",
        );
    }

    fn what_it_is(&mut self, outcome: &Outcome) {
        let context = self.context;
        self.section("What this is");
        let kind = match outcome {
            Outcome::FedAvg(_) => {
                "a prediction model trained by federated averaging, which is an approximation"
            }
            Outcome::Summary(_) => "a table of counts, means and variances over all sites",
            Outcome::Glm(fit) => glm::kind(fit),
            Outcome::Gbdt(_) => {
                "a prediction model of boosted trees, grown exactly as on one pooled table"
            }
            Outcome::Count(_) => "a rounded count of patients, to see whether a study is feasible",
            Outcome::FedNumber(_) => {
                "a model of a number, trained by federated averaging, which is an approximation"
            }
            Outcome::Cox(_) => survival::COX,
            Outcome::KaplanMeier(_) => survival::KM,
            Outcome::FedTime(_) => survival::FEDTIME,
        };
        self.line(&format!("The result is {kind}.\n"));
        let mut facts = vec![
            ("Study", code(&context.study)),
            ("Question", plain(&context.question)),
            (
                "Purpose (EHDS, Regulation (EU) 2025/327, Article 53)",
                plain(&context.purpose),
            ),
            ("Recipe", code(&context.recipe)),
        ];
        if !context.outcome.is_empty() {
            facts.push(("Outcome", code(&context.outcome)));
        }
        let features: Vec<String> = context.features.iter().map(|name| code(name)).collect();
        facts.push(("Variables", features.join(", ")));
        let parameters: Vec<String> = context
            .parameters
            .iter()
            .map(|(name, value)| format!("{} = {}", code(name), plain(value)))
            .collect();
        facts.push(("Parameters", parameters.join(", ")));
        facts.push(("Consortium", plain(&context.consortium)));
        facts.push(("Run", code(&context.run)));
        facts.push((
            "Started, finished",
            format!("{}, {}", plain(&context.started), plain(&context.finished)),
        ));
        facts.push(("Software", plain(&context.software)));
        self.line("| | |\n|---|---|");
        for (name, value) in facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty() && value != "``")
        {
            self.line(&format!("| {name} | {value} |"));
        }
    }

    fn data(&mut self, outcome: &Outcome) {
        let context = self.context;
        self.section("The data");
        let sites = context.sites_in_words();
        let patients = match outcome {
            Outcome::FedAvg(model) => self.with_class(model.rows, model.events),
            Outcome::Summary(_) => {
                format!("Patients at {sites}; the count of each variable is in the table below.")
            }
            Outcome::Glm(fit) => self.patients_of_glm(fit),
            Outcome::Gbdt(model) => self.patients_of_trees(model),
            Outcome::Count(_) => {
                format!("Patients at {sites}; rounded counts are in the table below.")
            }
            Outcome::FedNumber(model) => self.patients_of_number(model),
            Outcome::Cox(fit) => self.with_outcome(fit.rows, fit.events),
            Outcome::KaplanMeier(found) => self.patients_of_curves(found),
            Outcome::FedTime(model) => self.with_outcome(model.rows, model.events),
        };
        self.line(&patients);
        self.line(&format!(
            "Each site mapped its own table to the dataset {}.",
            code(&context.dataset)
        ));
        if let Some(filter) = &context.filter {
            self.line(&format!("Patients were chosen by the rule {}; those of whom a missing value leaves it open were left out.", code(filter)));
        }
        if !matches!(
            outcome,
            Outcome::Summary(_) | Outcome::Gbdt(_) | Outcome::Count(_)
        ) {
            self.line("Patients with a missing value in a used column were left out.");
        }
        self.line(&format!(
            "No site with fewer than {} patients took part. {}",
            context.min_rows,
            self.rows_of_sites()
        ));
        self.line("\n| Site | Country |\n|---|---|");
        for Site { name, country } in &context.sites {
            self.line(&format!("| {} | {} |", plain(name), plain(country)));
        }
        self.sites_absent();
        self.sites_lost(matches!(
            outcome,
            Outcome::FedAvg(_) | Outcome::FedNumber(_) | Outcome::FedTime(_)
        ));
    }

    fn with_outcome(&self, rows: u64, events: u64) -> String {
        let (rows, sites, smallest) = (
            thousands(rows),
            self.context.sites_in_words(),
            self.context.smallest_cell,
        );
        let events = if small(events, smallest) {
            format!("fewer than {smallest}")
        } else {
            thousands(events)
        };
        format!("{rows} patients at {sites}; {events} of them had the outcome.")
    }

    /// Of a yes/no outcome: few without it are told no more than few with it.
    fn with_class(&self, rows: u64, events: u64) -> String {
        let smallest = self.context.smallest_cell;
        if !small(rows.saturating_sub(events), smallest) {
            return self.with_outcome(rows, events);
        }
        format!(
            "{} patients at {}; all but fewer than {smallest} of them had the outcome.",
            thousands(rows),
            self.context.sites_in_words()
        )
    }

    fn computation(&mut self, outcome: &Outcome) {
        let context = self.context;
        self.section("How it was computed");
        let rounds = outcome.rounds();
        self.line(&format!(
            "In each of {rounds} rounds every site computed a vector of numbers on its own patients and added random \
             masks to it before sending. The masks cancel only when the vectors of all sites in the set are added. No \
             patient's row left a site, and no site's vector was opened by itself: only the sum was.",
        ));
        self.line(&format!(
            "\nThe protection holds as long as at most {} of the sites work together with the coordinator. A sum is \
             opened only for {} or more sites. No noise was added (no differential privacy).",
            context.colluders, context.min_sites
        ));
        if let Some(bytes) = context.bytes_up {
            self.line(&format!(
                "\nAll sites together sent {} bytes of masked numbers.",
                thousands(bytes)
            ));
        }
    }

    fn network(&mut self, model: &FedAvgOutcome) {
        self.section("Result");
        self.line(&format!(
            "The weights after {} rounds of training are in `model.safetensors`. To use them: subtract \
             `standardise.mean` from the variables and divide by `standardise.sd`; each layer but the last gives \
             tanh(W x + b); the last gives the log odds of the outcome.\n",
            model.history.len()
        ));
        self.line("| Layer | Shape |\n|---|---|");
        for layer in &model.layers {
            let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
            self.line(&format!(
                "| {} | {} |",
                code(&layer.name),
                shape.join(" x ")
            ));
        }
        if let Some(last) = model.history.last() {
            self.line(&format!(
                "\nThe common model at the start of the last round: loss {}.",
                digits(last.loss, 4)
            ));
        }
    }

    fn variables(&mut self, summary: &SummaryOutcome) {
        let smallest = self.context.smallest_cell;
        let few = format!("fewer than {smallest}");
        let vague = |v: &Variable| counts(v, smallest).is_none();
        let figures = |v: &Variable, value| {
            if vague(v) {
                figure(value)
            } else {
                digits(value, 4)
            }
        };
        self.section("Result");
        self.line("| Variable | Patients | Missing | Mean | Standard deviation |");
        self.line("|---|---:|---:|---:|---:|");
        for v in &summary.variables {
            let counts = counts(v, smallest).map_or_else(
                || {
                    format!(
                        "withheld | {}",
                        if small(v.missing, smallest) {
                            &few
                        } else {
                            "withheld"
                        }
                    )
                },
                |(count, missing)| format!("{} | {}", thousands(count), thousands(missing)),
            );
            self.line(&format!(
                "| {} | {counts} | {} | {} |",
                code(&v.name),
                figures(v, v.mean),
                figures(v, sd(v, smallest))
            ));
        }
        if summary.variables.iter().any(vague) {
            self.line(
                "\nMean and standard deviation are rounded where their digits would tell a withheld number.",
            );
        }
    }

    fn performance(&mut self, metrics: &Metrics, calibration: &[CalibrationBin], measured: &str) {
        self.section("How well it predicts");
        if metrics.auc.is_nan() && calibration.is_empty() {
            self.line(&format!(
                "Not told: fewer than {} patients are behind the measures, or of those with the outcome, or without it, and every \
                 measure would tell how many.",
                self.context.smallest_cell
            ));
            return;
        }
        self.line(&format!("{measured}\n"));
        self.line("| Measure | Value | How to read it |\n|---|---:|---|");
        let auc_note = format!(
            "1 is perfect, 0.5 is chance. Counted from {} score bins: the exact value differs by at most {}",
            metrics.auc_bins,
            if metrics.auc_error_bound.is_finite() {
                super::pictures::bound(metrics.auc_error_bound)
            } else {
                "an unknown amount".to_owned()
            }
        );
        let rows = [
            (
                "Area under the ROC curve (AUC)",
                digits(metrics.auc, 4),
                auc_note.as_str(),
            ),
            (
                "Accuracy at risk 0.5",
                digits(metrics.accuracy, 4),
                "Share classified rightly; misleading when the outcome is rare",
            ),
            (
                "Brier score",
                digits(metrics.brier, 4),
                "Mean squared error of the risk; 0 is perfect",
            ),
            (
                "Calibration slope",
                near(metrics.calibration_slope, 3),
                "1 is ideal; below 1: predictions too extreme",
            ),
            (
                "Calibration intercept",
                near(metrics.calibration_intercept, 3),
                "0 is ideal; above 0: risks too low",
            ),
        ];
        for (name, value, note) in rows {
            self.line(&format!("| {name} | {value} | {note} |"));
        }
        if calibration.is_empty() {
            return;
        }
        self.line("\nPatients in groups of rising predicted risk:\n");
        self.line("| Mean predicted risk | Had the outcome | Patients |\n|---:|---:|---:|");
        for bin in calibration {
            self.line(&format!(
                "| {} | {} | {} |",
                percent(bin.predicted),
                percent(bin.observed),
                thousands(bin.rows)
            ));
        }
    }

    fn cautions(&mut self, outcome: &Outcome) {
        self.section("Limits and cautions");
        self.line("- **Not for clinical use** without validation on other patients, at the place where it would be used.");
        self.line(
            "- The patients are those of the sites listed above. Other hospitals, countries and years can differ, and \
             so can how a variable was measured at each site.",
        );
        self.line(
            "- Sites check their own columns, units and ranges; nobody saw the rows of another site. A site that \
             supplies wrong numbers distorts the result, and under the masks nobody can see which one did.",
        );
        match outcome {
            Outcome::FedAvg(_) | Outcome::FedNumber(_) | Outcome::FedTime(_) => {
                self.line(
                    "- **Federated averaging can harm a site.** The common model is a compromise and can predict worse \
                     at one site than that site's own model. Each site's local report compares the two: read it before \
                     using the model there.",
                );
                self.line("- Another start or other training parameters give another model; this one is not unique.");
            }
            Outcome::Summary(_) => {
                self.line("- Means and variances over all sites hide differences between them.");
            }
            Outcome::Glm(fit) => self.cautions_of_glm(fit),
            Outcome::Gbdt(model) => self.cautions_of_trees(model),
            Outcome::Count(_) => {
                self.line("- Rounded counts plan a study; they are no result about patients.")
            }
            Outcome::Cox(_) => self.cautions_of_cox(),
            Outcome::KaplanMeier(_) => self.cautions_of_follow_up(),
        }
        self.line(self.fairness());
    }

    fn what_the_sums_show(&mut self) {
        let context = self.context;
        self.section("What these numbers can show about patients");
        self.line(
            "The opened sums of every round are known to the coordinator, to operators and to every site of the roster. They are \
             statistics over all sites, but statistics of few patients can still say something about one of them, and \
             a model can reveal whether a known patient was among those it was fitted to. Whether that risk is \
             acceptable is for the data holders and the terms of the permit to decide, not for this software.",
        );
        if context.smallest_cell > 1 {
            self.line(&format!(
                "\nIn this folder, steps of the ROC curve and calibration groups with fewer than {0} patients are joined \
                 to their neighbours, and counts of 1 to {1} are left out.",
                context.smallest_cell,
                context.smallest_cell - 1
            ));
        }
    }

    fn verify(&mut self) {
        let context = self.context;
        self.section("How to verify this folder");
        self.line("Needs no network and no word from the coordinator:\n");
        let known = !context.governance.is_empty()
            && context.governance.chars().all(|c| c.is_ascii_hexdigit());
        let fingerprint = if known {
            context.governance.as_str()
        } else {
            "FINGERPRINT"
        };
        self.line(&format!(
            "    motet release verify DIR --governance {fingerprint}\n"
        ));
        self.line(
            "It checks every file against `manifest.json`, the coordinator's signature, the roster of sites signed by \
             the consortium's governance key, and that the release stands in the study's log. Compare the fingerprint \
             with the one your consortium gave you by another way: a forged folder would carry a forged one here. It \
             shows who published these files and that they are unchanged; it does not compute the numbers again.",
        );
    }

    fn files(&mut self, outcome: &Outcome, pictures: &[&str]) {
        self.section("Files");
        let weights = match outcome {
            Outcome::FedAvg(_) | Outcome::FedNumber(_) | Outcome::FedTime(_) => {
                "weights of the model, 64-bit"
            }
            Outcome::Summary(_) => "means and variances, 64-bit",
            Outcome::Glm(_) => "coefficients and standard errors, 64-bit",
            Outcome::Gbdt(_) => "the trees, 64-bit; `report.json` says how to read them",
            Outcome::Count(_) => "the rounded counts, 64-bit",
            Outcome::Cox(_) => "coefficients, standard errors and baseline, 64-bit",
            Outcome::KaplanMeier(_) => "the curves, 64-bit",
        };
        self.line(&format!("- `model.safetensors`: {weights}"));
        self.line("- `report.json`: every number, in full precision unless that would tell a withheld one");
        self.line("- `manifest.json`: digests, roster, rounds, signatures and the log's proof");
        for picture in pictures {
            let shows = match *picture {
                "convergence.svg" if matches!(outcome, Outcome::Gbdt(_)) => {
                    "the loss with more and more trees"
                }
                "convergence.svg" => "how the fit settled, round by round",
                name if name.starts_with("survival") => "the share without the event over time",
                name if name.starts_with("baseline") => {
                    "the share without the event for an average patient"
                }
                "importance.svg" => "which variables the trees use",
                name if name.starts_with("histograms") => "how the variables are distributed",
                "roc.svg" => "how well the model tells patients apart",
                "calibration.svg" => "predicted risk against what happened",
                name if name.starts_with("groups") => {
                    "the model in groups of patients and at sites"
                }
                _ => glm::effects(outcome),
            };
            self.line(&format!("- `{picture}`: {shows}"));
        }
    }

    fn reuse(&mut self) {
        self.section("Licence and citation");
        self.line("- Licence: not stated; ask the consortium before you reuse it");
        self.line(
            "- Citation: name the study, the run and the sites above, and acknowledge that the data were made available under the \
             purpose stated above",
        );
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod kinds_tests;

#[cfg(test)]
mod survival_tests;
