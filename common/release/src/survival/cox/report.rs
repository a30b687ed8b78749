//! The report of a Cox regression.

use crate::context::Context;
use crate::kit::cells::told;
use crate::kit::chi_square::{Test, test};
use motet_recipes::cox::CoxOutcome;
use motet_recipes::{Baseline, Clock, Coefficient, Proportionality};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Cox<'a> {
    rows: u64,
    events: Option<u64>,
    outcome: &'a str,
    time: &'a str,
    ties: Option<&'a str>,
    strata: Option<&'a str>,
    times: Option<&'a str>,
    step: Option<f64>,
    horizon: Option<f64>,
    converged: bool,
    loglik: f64,
    null_loglik: f64,
    likelihood_ratio: Option<Test>,
    coefficients: Vec<HazardOut<'a>>,
    metrics: CoxMetrics,
    proportional_hazards: Option<Proportional<'a>>,
    baseline: Vec<BaselineOut<'a>>,
    min_cell: u64,
    history: Vec<StepOut>,
}

#[derive(Serialize)]
struct HazardOut<'a> {
    name: &'a str,
    estimate: f64,
    se: f64,
    z: f64,
    p: f64,
    ci_low: f64,
    ci_high: f64,
    hazard_ratio: f64,
    hazard_ratio_low: f64,
    hazard_ratio_high: f64,
    /// Pooled mean of the column, at which the baseline stands.
    mean: f64,
}

#[derive(Serialize)]
struct CoxMetrics {
    c_index: f64,
    c_index_error_bound: f64,
}

#[derive(Serialize)]
struct Proportional<'a> {
    clock: &'static str,
    columns: Vec<ColumnTest<'a>>,
    global: Option<Test>,
}

#[derive(Serialize)]
struct ColumnTest<'a> {
    name: &'a str,
    statistic: Option<f64>,
    df: Option<u32>,
    p: Option<f64>,
}

#[derive(Serialize)]
struct BaselineOut<'a> {
    stratum: &'a str,
    steps: Vec<HazardStep>,
}

#[derive(Serialize)]
struct HazardStep {
    time: f64,
    cumulative_hazard: f64,
    survival: f64,
}

#[derive(Serialize)]
struct StepOut {
    round: u32,
    loglik: f64,
    step: f64,
}

pub(crate) fn body<'a>(fit: &'a CoxOutcome, context: &'a Context) -> Cox<'a> {
    let survival = &context.survival;
    debug_assert_eq!(
        fit.means.len(),
        fit.coefficients.len(),
        "a mean for each column"
    );
    let means = fit.means.iter().copied().chain(std::iter::repeat(f64::NAN));
    Cox {
        rows: fit.rows,
        events: told(fit.events, context.smallest_cell),
        outcome: &context.outcome,
        time: &survival.time,
        ties: survival.ties,
        strata: survival.strata.as_deref(),
        times: survival.times,
        step: survival.step,
        horizon: survival.horizon,
        converged: fit.converged,
        loglik: fit.loglik,
        null_loglik: fit.null_loglik,
        likelihood_ratio: fit.likelihood_ratio.as_ref().map(test),
        coefficients: fit.coefficients.iter().zip(means).map(hazard).collect(),
        metrics: CoxMetrics {
            c_index: fit.concordance.index,
            c_index_error_bound: fit.concordance.error_bound,
        },
        proportional_hazards: fit.proportionality.as_ref().map(proportional),
        baseline: fit.baseline.iter().map(baseline).collect(),
        min_cell: context.least_in_time(),
        history: fit
            .history
            .iter()
            .map(|s| StepOut {
                round: s.round,
                loglik: s.loglik,
                step: s.step,
            })
            .collect(),
    }
}

fn hazard((c, mean): (&Coefficient, f64)) -> HazardOut<'_> {
    HazardOut {
        name: &c.name,
        estimate: c.estimate,
        se: c.se,
        z: c.z,
        p: c.p,
        ci_low: c.ci_low,
        ci_high: c.ci_high,
        hazard_ratio: libm::exp(c.estimate),
        hazard_ratio_low: libm::exp(c.ci_low),
        hazard_ratio_high: libm::exp(c.ci_high),
        mean,
    }
}

fn proportional(check: &Proportionality) -> Proportional<'_> {
    Proportional {
        clock: clock(check.clock),
        columns: check
            .columns
            .iter()
            .map(|(name, test)| ColumnTest {
                name,
                statistic: test.map(|test| test.statistic),
                df: test.map(|test| test.df),
                p: test.map(|test| test.p),
            })
            .collect(),
        global: check.global.as_ref().map(test),
    }
}

/// As the study file names it.
fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Off => "off",
        Clock::Identity => "identity",
        Clock::Km => "km",
    }
}

fn baseline(of: &Baseline) -> BaselineOut<'_> {
    BaselineOut {
        stratum: &of.stratum,
        steps: of.hazard.iter().map(step).collect(),
    }
}

fn step(&(time, hazard): &(f64, f64)) -> HazardStep {
    HazardStep {
        time,
        cumulative_hazard: hazard,
        survival: libm::exp(-hazard),
    }
}
