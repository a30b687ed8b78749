//! The pictures of a Cox regression.

use crate::context::Context;
use crate::kit::picture::{Picture, outcome_name};
use crate::regression::forest::{self, Effect, Words};
use crate::regression::steps;
use crate::survival::curves::{Line, Step};
use crate::survival::sheets::Sheets;
use motet_recipes::Baseline;
use motet_recipes::cox::CoxOutcome;

/// `forest.svg`, `convergence.svg`; with a baseline hazard also `baseline.svg`.
pub(crate) fn pictures(fit: &CoxOutcome, context: &Context) -> Vec<Picture> {
    let outcome = outcome_name(context);
    let words = Words {
        one: "Hazard ratio",
        title: format!("Hazard ratios for {outcome}"),
        of: format!("hazard of {outcome}"),
        intercept: "",
        shows: "hazard ratios with their confidence intervals",
        ratio: true,
    };
    let effects = fit.coefficients.iter().map(|c| Effect {
        name: &c.name,
        estimate: c.estimate,
        ci_low: c.ci_low,
        ci_high: c.ci_high,
    });
    let mut pictures = forest::pictures(fit.rows, effects.collect(), &words, context);
    pictures.extend(steps::picture(
        fit.rows,
        fit.converged,
        &fit.history,
        context,
    ));
    pictures.extend(baseline(fit, context));
    pictures
}

fn baseline(fit: &CoxOutcome, context: &Context) -> Vec<Picture> {
    let told = fit
        .baseline
        .iter()
        .filter(|baseline| !baseline.hazard.is_empty());
    let lines: Vec<Line> = told
        .map(|baseline| line(baseline, fit.baseline.len()))
        .collect();
    let outcome = outcome_name(context);
    let notes = vec![
        "The patient has the mean of every variable over all sites, a \
         share for yes or no. Such a patient need not \
         exist."
            .to_owned(),
        format!(
            "Steps of fewer than {} events are joined to the next.",
            context.least_in_time()
        ),
    ];
    let sheets = Sheets {
        stem: "baseline",
        title: format!("Without {outcome} over time: a patient who is average in every variable"),
        how_to_read: "From the Cox model: the share expected to be without the event at each time. The curve has no interval.",
        shows: "the share without the event for an average patient",
        rows: fit.rows,
        notes: &notes,
    };
    sheets.pictures(&lines, context)
}

fn line(baseline: &Baseline, strata: usize) -> Line {
    let name = match strata {
        1 => "Average patient".to_owned(),
        _ => baseline.stratum.clone(),
    };
    Line {
        name,
        facts: Vec::new(),
        steps: baseline.hazard.iter().map(step).collect(),
        patients: None,
    }
}

fn step(&(time, hazard): &(f64, f64)) -> Step {
    debug_assert!(
        hazard.is_nan() || hazard >= 0.0,
        "a cumulative hazard rises from 0"
    );
    Step {
        time,
        survival: libm::exp(-hazard),
        interval: None,
        at_risk: None,
    }
}
