//! The card of a Cox regression.

use crate::kit::chi_square::in_words;
use crate::kit::page::Page;
use crate::kit::words::{bound, code, digits, figure, p_value, ratio};
use crate::survival::words::{cautions_of_follow_up, times};
use motet_recipes::Coefficient;
use motet_recipes::cox::CoxOutcome;

pub(crate) fn result(page: &mut Page<'_>, fit: &CoxOutcome) {
    page.section("Result");
    let settled = if fit.converged {
        "The fit settled."
    } else {
        "**The fit did not settle: do not use it.**"
    };
    page.line(&format!(
        "{settled} Log partial likelihood {} (without any variable: \
         {}). Full precision is in `report.json`.\n",
        told(fit.loglik),
        told(fit.null_loglik)
    ));
    times(page);
    page.line(
        "A hazard is the rate at which the event happens among those who \
         have not had it yet. A hazard ratio of 2 means \
         that rate is twice as high for one \
         unit more of the variable, the \
         others held equal; below 1 it is lower. It is \
         taken to be the same at all times. It is an association, not \
         proof of a cause, and it does not say how much \
         time is gained or lost.\n",
    );
    page.line("| Variable | Coefficient | Standard error | Hazard ratio | 95% CI | p |");
    page.line("|---|---:|---:|---:|---:|---:|");
    for coefficient in &fit.coefficients {
        hazard_ratio(page, coefficient);
    }
    if let Some(likelihood_ratio) = &fit.likelihood_ratio {
        page.line(&format!(
            "\nAll variables together: likelihood ratio {}.",
            in_words(likelihood_ratio)
        ));
    }
    compared(page);
    ranking(page, fit);
    proportional(page, fit);
    baseline(page, fit);
    shown_by_risk_sets(page);
}

/// A likelihood; that of few events is none.
fn told(loglik: f64) -> String {
    if loglik.is_nan() {
        return "withheld".to_owned();
    }
    digits(loglik, 4)
}

fn hazard_ratio(page: &mut Page<'_>, c: &Coefficient) {
    let known = c.estimate.is_finite() && !c.ci_low.is_nan() && !c.ci_high.is_nan();
    let (hazard, interval) = if known {
        (
            ratio(c.estimate),
            format!("{} to {}", ratio(c.ci_low), ratio(c.ci_high)),
        )
    } else {
        ("not estimated".to_owned(), String::new())
    };
    let estimate = digits(c.estimate, 4);
    let se = digits(c.se, 4);
    let p = p_value(c.p);
    page.line(&format!(
        "| {} | {estimate} | {se} | {hazard} | {interval} | {p} |",
        code(&c.name)
    ));
}

fn compared(page: &mut Page<'_>) {
    let survival = &page.context.survival;
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
    page.line(&format!(
        "\nAt each event a patient was compared with {with}.{ties}"
    ));
}

fn ranking(page: &mut Page<'_>, fit: &CoxOutcome) {
    page.section("How well it predicts");
    let most = fit.concordance.error_bound;
    let counted = if most > 0.0 {
        format!(
            " It was counted in bins: the exact value differs by at most {}.",
            bound(most)
        )
    } else {
        String::new()
    };
    page.line(&format!(
        "Of two patients, the one with the higher predicted hazard had the \
         event first in a share of {} of the pairs that \
         can be compared (Harrell's C; 1 is \
         perfect, 0.5 is chance).{counted} \
         Measured on the same patients the model was \
         fitted to, so expect less in new patients.",
        digits(fit.concordance.index, 4)
    ));
}

fn proportional(page: &mut Page<'_>, fit: &CoxOutcome) {
    page.section("Is a hazard ratio the same at all times?");
    let Some(check) = &fit.proportionality else {
        page.line("This was not tested: the study switched the test off, or the fit has a ridge.");
        return;
    };
    page.line(
        "A small p says that the hazard ratio of a variable changes with \
         time; then the one number above is an average \
         over the follow-up (test of Grambsch and Therneau).\n",
    );
    page.line("| Variable | Chi-square | p |\n|---|---:|---:|");
    for (name, found) in &check.columns {
        let (statistic, p) = found.map_or(("not available".to_owned(), String::new()), |test| {
            (figure(test.statistic), p_value(test.p))
        });
        page.line(&format!("| {} | {statistic} | {p} |", code(name)));
    }
    if let Some(global) = &check.global {
        page.line(&format!("\nAll together: {}.", in_words(global)));
    }
}

fn baseline(page: &mut Page<'_>, fit: &CoxOutcome) {
    if fit.baseline.is_empty() {
        page.line(
            "\nThere is no baseline hazard: each site has its own, and it did not leave the site.",
        );
        return;
    }
    page.line(&format!(
        "\nThe baseline in `report.json` is the cumulative hazard of a \
         patient with the mean of every variable over all \
         sites. It is told at times that lie {} events or more apart; the steps between are withheld.",
        page.context.least_in_time()
    ));
}

fn shown_by_risk_sets(page: &mut Page<'_>) {
    page.section("What the rounds showed to those who take part");
    page.line(if page.context.survival.strata.as_deref() == Some("site") {
        "Each site compared its own patients with each other. No time of an \
         event and no group at risk left a site: only \
         sums over all sites of slopes and curvatures were opened."
    } else {
        "The coordinator and all sites saw, of the sum of all sites: at which \
         times there were how many events, single ones \
         included, and at each of them the weight and the mean of every \
         variable of those still at risk. Late in the \
         follow-up these can be few patients, and the difference of two \
         neighbouring times is those who left between: \
         **with few patients at risk, their \
         values can be worked out from \
         these sums**, though not at which site they \
         are. Coarser times, an earlier horizon, or comparing within sites would show less."
    });
}

pub(crate) fn cautions(page: &mut Page<'_>) {
    page.line(
        "- One hazard ratio a variable for all sites and all times: \
         differences between sites and over time are averaged \
         away. Coefficients are associations, given the other \
         variables, and no proof of cause and effect.",
    );
    cautions_of_follow_up(page);
}
