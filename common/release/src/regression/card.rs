//! The card of a generalised linear model.

use super::scale;
use crate::context::Context;
use crate::kit::cells::one_sided;
use crate::kit::page::Page;
use crate::kit::patients::{COEFFICIENTS, at_sites, of_a_model, with_class};
use crate::kit::words::{capital, code, digits, figure, p_value, ratio, thousands};
use crate::performance::card::{FITTED, risk};
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Errors, Estimate, Family, WeightKind};

pub(crate) fn kind(fit: &GlmOutcome) -> &'static str {
    match fit.family {
        Family::Linear => "a linear regression, fitted exactly as on one pooled table",
        Family::Poisson => "a Poisson regression of a count, fitted exactly as on one pooled table",
        Family::Quasipoisson => {
            "a quasi-Poisson regression (a log rate whose spread is \
             estimated), fitted exactly as on one pooled table"
        }
        Family::Gamma => {
            "a gamma regression with a log link, fitted exactly as on one pooled table"
        }
        Family::Logistic => "a logistic regression, fitted exactly as on one pooled table",
        Family::Quasibinomial => {
            "a quasi-binomial regression (log odds whose spread is \
             estimated), fitted exactly as on one pooled table"
        }
    }
}

pub(crate) fn patients(fit: &GlmOutcome, context: &Context) -> String {
    match fit.events {
        Some(events) => {
            let said = with_class(fit.rows, events, context);
            let is_told = !one_sided(fit.rows, events, context.smallest_cell);
            of_a_model(said, is_told, COEFFICIENTS)
        }
        None => format!("{}.", at_sites(fit.rows, context)),
    }
}

pub(crate) fn result(page: &mut Page<'_>, fit: &GlmOutcome) {
    page.section("Result");
    let settled = if fit.converged {
        "The fit settled."
    } else {
        "**The fit did not settle: do not use it.**"
    };
    page.line(&format!("{settled} Full precision is in `report.json`.\n"));
    page.line(&meaning(fit));
    page.line(&format!("{}\n", certainty(fit)));
    if let (Some(column), Some(kind)) = (&page.context.weight, fit.weight_kind) {
        let what = match kind {
            WeightKind::Precision => {
                "as its precision: a patient of weight 2 is one patient whose \
                 outcome is known better, as with the `weights` of \
                 R's `lm` and `glm`"
            }
            WeightKind::Frequency => {
                "as its frequency: a row of weight 2 is two equal patients, and \
                 patients here are the sum of the weights"
            }
        };
        page.line(&format!("A row was weighted by {} {what}.\n", code(column)));
    }
    effects(page, fit);
    knots(page, fit);
    fit_in_numbers(page, fit);
    if let Some(evaluation) = &fit.evaluation {
        risk(page, &evaluation.metrics, &evaluation.calibration, FITTED);
    }
}

fn effects(page: &mut Page<'_>, fit: &GlmOutcome) {
    let name = scale::ratio(fit.family);
    let head = name.map_or_else(String::new, |name| format!(" {} |", capital(name)));
    let rule = if name.is_some() { "---:|" } else { "" };
    page.line(&format!(
        "| Variable | Coefficient | Standard error |{head} 95% CI | p |"
    ));
    page.line(&format!("|---|---:|---:|{rule}---:|---:|"));
    for c in &fit.coefficients {
        let (se, p) = c
            .uncertainty
            .as_ref()
            .map_or((String::new(), String::new()), |known| {
                (figure(known.se), p_value(known.p))
            });
        let effect = if name.is_some() {
            ratios(c)
        } else {
            format!("{} |", interval(c, figure))
        };
        page.line(&format!(
            "| {} | {} | {se} | {effect} {p} |",
            code(&c.name),
            figure(c.estimate)
        ));
    }
}

/// Where the splines bend that the formula left open.
fn knots(page: &mut Page<'_>, fit: &GlmOutcome) {
    if fit.knots.is_empty() {
        return;
    }
    page.line(
        "\nThe formula left the knots of these splines open. They are \
         quantiles of all patients, found from counts in \
         intervals, the outer two at 5% and 95%; beyond those the curve \
         is straight. A coefficient is the difference between \
         its knot and the first. R's `splines::ns` with these knots fits the same curve.\n",
    );
    for found in &fit.knots {
        let within = found.within.iter().copied().fold(0.0, f64::max);
        page.line(&format!(
            "- {}, {} degrees of freedom: {}; each within {} of the quantile",
            code(&found.column),
            found.degrees,
            code(&found.formula()),
            figure(within)
        ));
    }
}

fn fit_in_numbers(page: &mut Page<'_>, fit: &GlmOutcome) {
    page.line("\n| Of the whole model | Value |\n|---|---:|");
    let mut facts = Vec::new();
    if let Some(r_squared) = fit.r_squared {
        facts.push((
            "R squared: share of the variance of the outcome that the variables explain",
            digits(r_squared, 4),
        ));
    }
    if fit.family == Family::Linear {
        facts.push(("Residual standard error", figure(fit.dispersion.sqrt())));
    } else {
        facts.push(("Deviance", figure(fit.deviance)));
        if fit.null_deviance.is_finite() {
            facts.push(("Deviance without any variable", figure(fit.null_deviance)));
        }
    }
    if fit.family.disperses() && fit.family != Family::Linear {
        facts.push(("Dispersion", figure(fit.dispersion)));
    }
    if let Some(loglik) = fit.loglik {
        facts.push(("Log-likelihood", digits(loglik, 4)));
    }
    if let Some(loglik) = fit.null_loglik {
        facts.push(("Log-likelihood without any variable", digits(loglik, 4)));
    }
    facts.push(("Residual degrees of freedom", thousands(fit.df)));
    for (name, value) in facts {
        page.line(&format!("| {name} | {value} |"));
    }
}

pub(crate) fn cautions(page: &mut Page<'_>, fit: &GlmOutcome) {
    page.line(
        "- One set of coefficients for all sites: differences between \
         sites are averaged away. Coefficients \
         are associations, given the other variables, and no proof of cause and effect.",
    );
    if fit.coefficients.iter().any(|c| c.uncertainty.is_none()) {
        page.line(
            "- Coefficients without a standard error were chosen by the fit \
             itself (lasso) or are fixed by too few \
             patients: there is no valid interval for them, and they are drawn towards 0.",
        );
    }
    if fit.family == Family::Poisson && fit.pearson > 1.5 * fit.df as f64 {
        page.line(
            "- **The counts vary more than a Poisson model expects**, so \
             intervals are too narrow and p-values too \
             small. A `quasipoisson` study or robust errors would show wider ones.",
        );
    }
}

fn meaning(fit: &GlmOutcome) -> String {
    let product = if fit.coefficients.iter().any(|c| c.name.contains(':')) {
        " Of a variable that also stands in a product (`a:b`) it holds where the other is 0."
    } else {
        ""
    };
    let (what, more) = match fit.family {
        Family::Linear => {
            return format!(
                "A coefficient is the change of the mean of the outcome, in \
                 its own unit, for one unit more of the variable, the \
                 others held equal.{product} It is an association, not proof of a cause."
            );
        }
        Family::Poisson | Family::Quasipoisson => ("A rate ratio", "a higher rate of the outcome"),
        Family::Gamma => ("A ratio of means", "a higher mean of the outcome"),
        Family::Logistic | Family::Quasibinomial => ("An odds ratio", "higher odds of the outcome"),
    };
    format!(
        "{what} above 1 means {more} for one unit more of the variable, \
         the others held equal.{product} It is an \
         association, not proof of a cause."
    )
}

/// Where the standard errors and the p-values come from.
fn certainty(fit: &GlmOutcome) -> String {
    if fit.coefficients.iter().all(|c| c.uncertainty.is_none()) {
        return "There are no standard errors: none are valid for variables that the fit itself has chosen."
            .to_owned();
    }
    let errors = match fit.errors {
        Errors::Model => "Standard errors are those of the model",
        Errors::Hc0 => {
            "Standard errors are robust (sandwich, HC0): they do not rely on the model's spread"
        }
        Errors::Hc1 => {
            "Standard errors are robust (sandwich, HC1): they do not rely on the model's spread"
        }
    };
    let test = if fit.family.disperses() {
        format!("Student's t with {} degrees of freedom", thousands(fit.df))
    } else {
        "the normal distribution".to_owned()
    };
    format!("{errors}; intervals and p-values are by {test}.")
}

/// Ratio and interval as two cells; the intercept has none.
fn ratios(c: &Estimate) -> String {
    if c.name == "(intercept)" {
        " | |".to_owned()
    } else if !c.estimate.is_finite() {
        "not estimated | |".to_owned()
    } else {
        format!("{} | {} |", ratio(c.estimate), interval(c, ratio))
    }
}

fn interval(c: &Estimate, print: fn(f64) -> String) -> String {
    c.uncertainty.as_ref().map_or_else(String::new, |known| {
        format!("{} to {}", print(known.ci_low), print(known.ci_high))
    })
}
