//! The report of a generalised linear model.

use super::scale;
use crate::context::Context;
use crate::kit::cells::one_sided;
use crate::performance::report::{Bin, MetricsOut, bins, metrics};
use motet_recipes::glm::GlmOutcome;
use motet_recipes::{Estimate, Family, Knots};
use serde::Serialize;

/// The keys that regressions share, and those of R's `summary(glm)`.
#[derive(Serialize)]
pub(crate) struct Glm<'a> {
    rows: u64,
    events: Option<u64>,
    outcome: &'a str,
    family: &'static str,
    link: &'static str,
    /// `model`, or the sandwich `hc0` or `hc1`.
    standard_errors: &'static str,
    converged: bool,
    loglik: Option<f64>,
    null_loglik: Option<f64>,
    deviance: f64,
    null_deviance: f64,
    pearson: f64,
    dispersion: f64,
    /// Whether it is estimated: then coefficients have a `t` with `df` degrees of freedom, else a
    /// `z`.
    dispersion_estimated: bool,
    df: u64,
    r_squared: Option<f64>,
    weight: f64,
    /// The column of the weight, and what it says: `precision` or `frequency`.
    weight_column: Option<&'a str>,
    weight_kind: Option<&'static str>,
    mean: f64,
    /// What `ratio` of a coefficient is.
    ratio: Option<&'static str>,
    /// Of splines whose knots were found in the run; empty without such.
    knots: Vec<KnotsOut<'a>>,
    coefficients: Vec<Row<'a>>,
    metrics: Option<MetricsOut>,
    calibration: Option<Vec<Bin>>,
    roc: Option<&'a [(f64, f64)]>,
    history: Vec<Climbed>,
}

/// A spline whose knots were found in the run.
#[derive(Serialize)]
struct KnotsOut<'a> {
    column: &'a str,
    degrees: u32,
    boundary: Vec<f64>,
    knots: &'a [f64],
    /// How far the pooled quantile may be from each, boundary included.
    within: &'a [f64],
    /// The same spline as R (`library(splines)`) and a study file write it.
    r: String,
}

/// A Newton round.
#[derive(Serialize)]
struct Climbed {
    round: u32,
    /// The part of the log-likelihood that depends on the coefficients, on the scale of the fit.
    objective: f64,
    /// The whole of it, where that is the same: if logistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    loglik: Option<f64>,
    step: f64,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    estimate: f64,
    se: Option<f64>,
    z: Option<f64>,
    t: Option<f64>,
    p: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    ratio: Option<f64>,
    ratio_low: Option<f64>,
    ratio_high: Option<f64>,
}

pub(crate) fn body<'a>(fit: &'a GlmOutcome, context: &'a Context) -> Glm<'a> {
    let evaluation = fit.evaluation.as_ref();
    Glm {
        rows: fit.rows,
        events: fit
            .events
            .filter(|events| !one_sided(fit.rows, *events, context.smallest_cell)),
        outcome: &context.outcome,
        family: fit.family.name(),
        link: scale::link(fit.family),
        standard_errors: scale::errors(fit.errors),
        converged: fit.converged,
        loglik: fit.loglik,
        null_loglik: fit.null_loglik,
        deviance: fit.deviance,
        null_deviance: fit.null_deviance,
        pearson: fit.pearson,
        dispersion: fit.dispersion,
        dispersion_estimated: fit.family.disperses(),
        df: fit.df,
        r_squared: fit.r_squared,
        weight: fit.weight,
        weight_column: context.weight.as_deref(),
        weight_kind: fit.weight_kind.map(scale::weight_kind),
        mean: fit.mean,
        ratio: scale::ratio(fit.family),
        knots: fit.knots.iter().map(knots).collect(),
        coefficients: fit
            .coefficients
            .iter()
            .map(|estimate| row(estimate, fit))
            .collect(),
        metrics: evaluation.map(|evaluation| metrics(&evaluation.metrics)),
        calibration: evaluation.map(|evaluation| bins(&evaluation.calibration)),
        roc: evaluation.map(|evaluation| evaluation.roc.as_slice()),
        history: fit
            .history
            .iter()
            .map(|s| Climbed {
                round: s.round,
                objective: s.loglik,
                loglik: (fit.family == Family::Logistic).then_some(s.loglik),
                step: s.step,
            })
            .collect(),
    }
}

fn knots(found: &Knots) -> KnotsOut<'_> {
    debug_assert!(found.knots.len() > 1, "a spline has two boundary knots");
    let (boundary, inner) = match found.knots.as_slice() {
        [first, inner @ .., last] => (vec![*first, *last], inner),
        short => (short.to_vec(), &[][..]),
    };
    KnotsOut {
        column: &found.column,
        degrees: found.degrees,
        boundary,
        knots: inner,
        within: &found.within,
        r: found.formula(),
    }
}

fn row<'a>(c: &'a Estimate, fit: &GlmOutcome) -> Row<'a> {
    let known = c.uncertainty.as_ref();
    let student = fit.family.disperses();
    let ratios = scale::ratio(fit.family).is_some() && c.name != "(intercept)";
    Row {
        name: &c.name,
        estimate: c.estimate,
        se: known.map(|u| u.se),
        z: known.filter(|_| !student).map(|u| u.statistic),
        t: known.filter(|_| student).map(|u| u.statistic),
        p: known.map(|u| u.p),
        ci_low: known.map(|u| u.ci_low),
        ci_high: known.map(|u| u.ci_high),
        ratio: ratios.then(|| libm::exp(c.estimate)),
        ratio_low: known.filter(|_| ratios).map(|u| libm::exp(u.ci_low)),
        ratio_high: known.filter(|_| ratios).map(|u| libm::exp(u.ci_high)),
    }
}
