//! The card of recipes whose outcome is a time to an event.

use super::super::cells::{small, survival as cells};
use super::words::{code, digits, figure, p_value, percent, ratio};
use super::{Card, thousands};
use motet_recipes::{
    ChiSquare, Coefficient, CoxOutcome, Curve, CurvePoint, FedTimeOutcome, KmOutcome,
};

pub(super) const COX: &str =
    "a Cox regression of the time to an event, fitted exactly as on one pooled table";
pub(super) const KM: &str =
    "survival curves (Kaplan-Meier), counted exactly as on one pooled table";
pub(super) const FEDTIME: &str = "a model of the time to an event, trained by federated averaging, which is an \
                                  approximation";

fn test(test: &ChiSquare) -> String {
    let degrees = if test.df == 1 { "degree" } else { "degrees" };
    format!(
        "chi-square {} on {} {degrees} of freedom, p {}",
        figure(test.statistic),
        test.df,
        p_value(test.p)
    )
}

impl Card<'_> {
    pub(super) fn patients_of_curves(&self, found: &KmOutcome) -> String {
        let (sites, smallest) = (self.context.sites_in_words(), self.context.smallest_cell);
        let rows = thousands(found.rows);
        if cells::rows_hidden(found, smallest) {
            return format!("{rows} patients at {sites} in the groups that are shown.");
        }
        if cells::events_hidden(found) {
            return format!("{rows} patients at {sites}.");
        }
        self.with_outcome(found.rows, found.events)
    }

    /// The limit below which this folder prints no number.
    fn least(&self) -> u64 {
        self.context
            .survival
            .min_cell
            .max(self.context.smallest_cell)
    }

    fn times(&mut self) {
        let survival = &self.context.survival;
        if survival.time.is_empty() {
            return;
        }
        let read = match (survival.times, survival.step, survival.horizon) {
            (Some("grid"), Some(step), Some(horizon)) => format!(
                " Times were rounded up to multiples of {step}; who was followed beyond {horizon} counts as followed until then."
            ),
            (Some(_), Some(step), Some(horizon)) => format!(
                " Times are exact multiples of {step}; who was followed beyond {horizon} counts as followed until then."
            ),
            _ => String::new(),
        };
        let line = format!(
            "Times are those of {}, in the unit of that column.{read}\n",
            code(&survival.time)
        );
        self.line(&line);
    }

    pub(super) fn cox(&mut self, fit: &CoxOutcome) {
        self.section("Result");
        let settled = if fit.converged {
            "The fit settled."
        } else {
            "**The fit did not settle: do not use it.**"
        };
        self.line(&format!(
            "{settled} Log partial likelihood {} (without any variable: {}). Full precision is in `report.json`.\n",
            digits(fit.loglik, 4),
            if fit.null_loglik.is_nan() { "withheld".to_owned() } else { digits(fit.null_loglik, 4) }
        ));
        self.times();
        self.line(
            "A hazard is the rate at which the event happens among those who have not had it yet. A hazard ratio of 2 means \
             that rate is twice as high for one unit more of the variable, the others held equal; below 1 it is lower. It is \
             taken to be the same at all times. It is an association, not proof of a cause, and it does not say how much \
             time is gained or lost.\n",
        );
        self.line("| Variable | Coefficient | Standard error | Hazard ratio | 95% CI | p |");
        self.line("|---|---:|---:|---:|---:|---:|");
        fit.coefficients.iter().for_each(|c| self.hazard_ratio(c));
        if let Some(likelihood_ratio) = &fit.likelihood_ratio {
            self.line(&format!(
                "\nAll variables together: likelihood ratio {}.",
                test(likelihood_ratio)
            ));
        }
        self.compared();
        self.ranking(fit);
        self.proportional(fit);
        self.baseline(fit);
        self.shown_by_risk_sets();
    }

    fn hazard_ratio(&mut self, c: &Coefficient) {
        let known = c.estimate.is_finite() && !c.ci_low.is_nan() && !c.ci_high.is_nan();
        let (hazard, interval) = if known {
            (
                ratio(c.estimate),
                format!("{} to {}", ratio(c.ci_low), ratio(c.ci_high)),
            )
        } else {
            ("not estimated".to_owned(), String::new())
        };
        let (estimate, se, p) = (digits(c.estimate, 4), digits(c.se, 4), p_value(c.p));
        self.line(&format!(
            "| {} | {estimate} | {se} | {hazard} | {interval} | {p} |",
            code(&c.name)
        ));
    }

    fn compared(&mut self) {
        let survival = &self.context.survival;
        let with = match survival.strata.as_deref() {
            Some("site") => {
                "those at risk at the same site only, so each site has its own baseline".to_owned()
            }
            Some(column) => format!("those at risk at the same level of {} only", code(column)),
            None => "all who were still at risk at that time, at any site".to_owned(),
        };
        let ties = match survival.ties {
            Some("efron") => " Events at the same time were treated by Efron's method.",
            Some("breslow") => " Events at the same time were treated by Breslow's method.",
            _ => "",
        };
        self.line(&format!(
            "\nAt each event a patient was compared with {with}.{ties}"
        ));
    }

    fn ranking(&mut self, fit: &CoxOutcome) {
        self.section("How well it predicts");
        let bound = fit.concordance.error_bound;
        let counted = if bound > 0.0 {
            format!(
                " It was counted in bins: the exact value differs by at most {}.",
                super::super::pictures::bound(bound)
            )
        } else {
            String::new()
        };
        self.line(&format!(
            "Of two patients, the one with the higher predicted hazard had the event first in a share of {} of the pairs that \
             can be compared (Harrell's C; 1 is perfect, 0.5 is chance).{counted} Measured on the same patients the model was \
             fitted to, so expect less in new patients.",
            digits(fit.concordance.index, 4)
        ));
    }

    fn proportional(&mut self, fit: &CoxOutcome) {
        self.section("Is a hazard ratio the same at all times?");
        let Some(check) = &fit.proportionality else {
            self.line(
                "This was not tested: the study switched the test off, or the fit has a ridge.",
            );
            return;
        };
        self.line(
            "A small p says that the hazard ratio of a variable changes with time; then the one number above is an average \
             over the follow-up (test of Grambsch and Therneau).\n",
        );
        self.line("| Variable | Chi-square | p |\n|---|---:|---:|");
        for (name, found) in &check.columns {
            let (statistic, p) = found
                .map_or(("not available".to_owned(), String::new()), |test| {
                    (figure(test.statistic), p_value(test.p))
                });
            self.line(&format!("| {} | {statistic} | {p} |", code(name)));
        }
        if let Some(global) = &check.global {
            self.line(&format!("\nAll together: {}.", test(global)));
        }
    }

    fn baseline(&mut self, fit: &CoxOutcome) {
        if fit.baseline.is_empty() {
            self.line("\nThere is no baseline hazard: each site has its own, and it did not leave the site.");
            return;
        }
        self.line(&format!(
            "\nThe baseline in `report.json` is the cumulative hazard of a patient with the mean of every variable over all \
             sites. It is told at times that lie {} events or more apart; the steps between are withheld.",
            self.least()
        ));
    }

    fn shown_by_risk_sets(&mut self) {
        self.section("What the rounds showed to those who take part");
        self.line(if self.context.survival.strata.as_deref() == Some("site") {
            "Each site compared its own patients with each other. No time of an event and no group at risk left a site: only \
             sums over all sites of slopes and curvatures were opened."
        } else {
            "The coordinator and all sites saw, of the sum of all sites: at which times there were how many events, single ones \
             included, and at each of them the weight and the mean of every variable of those still at risk. Late in the \
             follow-up these can be few patients, and the difference of two neighbouring times is those who left between: \
             **with few patients at risk, their values can be worked out from these sums**, though not at which site they \
             are. Coarser times, an earlier horizon, or comparing within sites would show less."
        });
    }

    pub(super) fn curves(&mut self, found: &KmOutcome) {
        self.section("Result");
        self.times();
        self.line(
            "A curve gives the share of patients without the event at each time. Those whose follow-up ended count as long as \
             they were followed. The median is the first time at which half have had the event.\n",
        );
        self.line("| Group | Patients | Events | Median time | 95% CI | Mean time up to a limit |");
        self.line("|---|---:|---:|---:|---:|---:|");
        found.curves.iter().for_each(|curve| self.curve(curve));
        self.marks(found);
        if let Some(log_rank) = &found.log_rank {
            self.line(&format!(
                "\nDo all groups fare alike? Log-rank test: {}. A small p says that chance alone seldom makes curves so \
                 different; it does not say why they differ.",
                test(&log_rank.test)
            ));
        }
        if found.curves.iter().any(|curve| curve.withheld) {
            let least = self.least();
            self.line(&format!(
                "\nWithheld: steps of fewer than {least} events are joined to the next, a time that would show so few is left \
                 out of the table, a curve ends where fewer than {least} patients are at risk, and the end of a curve is left out where its last events are so few."
            ));
        }
        self.shown_by_curves();
    }

    fn curve(&mut self, curve: &Curve) {
        let few = format!("fewer than {}", self.least());
        let rows = if small(curve.rows, self.context.smallest_cell) {
            few.clone()
        } else {
            thousands(curve.rows)
        };
        let events = curve.events.map_or(few, thousands);
        let unknown = match (curve.rows, curve.withheld) {
            (0, _) => "no patient",
            (rows, _) if small(rows, self.context.smallest_cell) => "not shown",
            (_, true) => "not reached where shown",
            (_, false) => "not reached",
        };
        let median = curve.median.map_or_else(|| unknown.to_owned(), figure);
        // Where a part of the curve is kept back nobody can say that an end is open: it may lie
        // there.
        let beyond = if curve.withheld { "not shown" } else { "open" };
        let end = |end: Option<f64>| end.map_or_else(|| beyond.to_owned(), figure);
        let interval = match (curve.median, curve.median_low) {
            (None, None) => String::new(),
            _ => format!("{} to {}", end(curve.median_low), end(curve.median_high)),
        };
        let mean = curve.restricted_mean.map_or_else(String::new, |mean| {
            format!(
                "{} (standard error {}) up to {}",
                figure(mean.mean),
                figure(mean.se),
                figure(mean.tau)
            )
        });
        self.line(&format!(
            "| {} | {rows} | {events} | {median} | {interval} | {mean} |",
            code(&curve.group)
        ));
    }

    /// The times that the study names.
    fn marks(&mut self, found: &KmOutcome) {
        if found.curves.iter().all(|curve| curve.marks.is_empty()) {
            return;
        }
        self.line(
            "\n| Group | Time | Without the event | 95% CI | Patients at risk |\n|---|---:|---:|---:|---:|",
        );
        for curve in &found.curves {
            for mark in &curve.marks {
                self.mark(&curve.group, mark);
            }
        }
    }

    fn mark(&mut self, group: &str, mark: &CurvePoint) {
        let interval = mark
            .low
            .zip(mark.high)
            .map_or_else(String::new, |(low, high)| {
                format!("{} to {}", percent(low), percent(high))
            });
        self.line(&format!(
            "| {} | {} | {} | {interval} | {} |",
            code(group),
            figure(mark.time),
            percent(mark.survival),
            thousands(mark.at_risk)
        ));
    }

    fn shown_by_curves(&mut self) {
        self.section("What the rounds showed to those who take part");
        self.line(
            "The coordinator and all sites saw, of the sum of all sites: at every time of every group the number of events, \
             single ones included, and how many were at risk. When a follow-up ended without the event shows only as one number \
             between two such times. What is withheld above is withheld from readers of this folder, not from them.",
        );
    }

    pub(super) fn fedtime(&mut self, model: &FedTimeOutcome) {
        self.section("Result");
        self.line(&format!(
            "The weights after {} rounds of training are in `model.safetensors`. To use them: subtract `standardise.mean` from \
             the variables and divide by `standardise.sd`; each layer but the last gives tanh(W x + b); the last gives the log \
             hazard ratio. The model ranks patients; it gives no risk by a date, because no baseline hazard left a site.\n",
            model.history.len()
        ));
        self.times();
        self.line("| Layer | Shape |\n|---|---|");
        for layer in &model.layers {
            let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
            self.line(&format!(
                "| {} | {} |",
                code(&layer.name),
                shape.join(" x ")
            ));
        }
        self.line(&format!(
            "\nLog partial likelihood within sites (Breslow's ties): {}.",
            digits(model.loglik, 4)
        ));
        self.section("How well it predicts");
        let c = model
            .c_index
            .map_or_else(|| "not available".to_owned(), |c| digits(c, 4));
        self.line(&format!(
            "Of two patients of one site, the one with the higher predicted hazard had the event first in a share of {c} of the \
             pairs that can be compared (Harrell's C; 1 is perfect, 0.5 is chance). Measured on the same patients the model was \
             fitted to, so expect less in new patients."
        ));
        self.section("What the rounds showed to those who take part");
        self.line(
            "Each site compared its own patients with each other. No time of an event and no group at risk left a site: only \
             sums over all sites were opened.",
        );
    }

    pub(super) fn cautions_of_cox(&mut self) {
        self.line(
            "- One hazard ratio a variable for all sites and all times: differences between sites and over time are averaged \
             away. Coefficients are associations, given the other variables, and no proof of cause and effect.",
        );
        self.cautions_of_follow_up();
    }

    pub(super) fn cautions_of_follow_up(&mut self) {
        self.line(
            "- Patients whose follow-up ended are taken to fare like those still followed. Where patients leave because they \
             are worse or better, or another event comes first, the numbers mislead.",
        );
    }
}
