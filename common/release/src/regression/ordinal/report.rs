//! The report of a proportional odds regression.

use crate::context::Context;
use crate::kit::chi_square::{Test, test};
use motet_recipes::Step;
use motet_recipes::ordinal::{AtLevel, Effect, OrdinalOutcome, Parallel};
use serde::Serialize;

/// The keys that regressions share, and those of R's `polr`.
#[derive(Serialize)]
pub(super) struct Ordinal<'a> {
    rows: u64,
    outcome: &'a str,
    /// The lowest first.
    levels: Vec<LevelOut<'a>>,
    link: &'static str,
    converged: bool,
    loglik: f64,
    null_loglik: f64,
    likelihood_ratio: Option<Test>,
    /// What `ratio` of a coefficient is.
    ratio: &'static str,
    coefficients: Vec<Row<'a>>,
    thresholds: Vec<ThresholdOut<'a>>,
    proportional_odds: Option<Proportional<'a>>,
    history: Vec<StepOut>,
}

#[derive(Serialize)]
struct LevelOut<'a> {
    level: &'a str,
    rows: Option<u64>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    estimate: f64,
    se: f64,
    z: f64,
    p: f64,
    ci_low: f64,
    ci_high: f64,
    ratio: f64,
    ratio_low: f64,
    ratio_high: f64,
}

/// Log odds of being at or below the level in front of `|`.
#[derive(Serialize)]
struct ThresholdOut<'a> {
    name: &'a str,
    estimate: f64,
    se: f64,
}

#[derive(Serialize)]
struct Proportional<'a> {
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
struct StepOut {
    round: u32,
    loglik: f64,
    step: f64,
}

pub(super) fn body<'a>(fit: &'a OrdinalOutcome, context: &'a Context) -> Ordinal<'a> {
    Ordinal {
        rows: fit.rows,
        outcome: &context.outcome,
        levels: fit.levels.iter().map(level).collect(),
        link: "logit",
        converged: fit.converged,
        loglik: fit.loglik,
        null_loglik: fit.null_loglik,
        likelihood_ratio: fit.likelihood_ratio.as_ref().map(test),
        ratio: "odds ratio",
        coefficients: fit.coefficients.iter().map(row).collect(),
        thresholds: fit.thresholds.iter().map(threshold).collect(),
        proportional_odds: fit.parallel.as_ref().map(proportional),
        history: fit.history.iter().map(step).collect(),
    }
}

fn level(of: &AtLevel) -> LevelOut<'_> {
    LevelOut {
        level: &of.level,
        rows: of.rows,
    }
}

fn row(c: &Effect) -> Row<'_> {
    Row {
        name: &c.name,
        estimate: c.estimate,
        se: c.se,
        z: c.z,
        p: c.p,
        ci_low: c.ci_low,
        ci_high: c.ci_high,
        ratio: libm::exp(c.estimate),
        ratio_low: libm::exp(c.ci_low),
        ratio_high: libm::exp(c.ci_high),
    }
}

fn threshold(c: &Effect) -> ThresholdOut<'_> {
    ThresholdOut {
        name: &c.name,
        estimate: c.estimate,
        se: c.se,
    }
}

fn proportional(found: &Parallel) -> Proportional<'_> {
    let columns = found.terms.iter().map(|(name, test)| ColumnTest {
        name,
        statistic: test.map(|test| test.statistic),
        df: test.map(|test| test.df),
        p: test.map(|test| test.p),
    });
    Proportional {
        columns: columns.collect(),
        global: found.all.as_ref().map(test),
    }
}

fn step(of: &Step) -> StepOut {
    StepOut {
        round: of.round,
        loglik: of.loglik,
        step: of.step,
    }
}
