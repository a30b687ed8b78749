//! The reports of recipes whose outcome is a time to an event.

use super::super::cells::{small, survival as cells};
use super::{EpochOut, LayerOut, StepOut};
use crate::context::Context;
use motet_recipes::{
    Baseline, ChiSquare, Clock, Coefficient, CoxOutcome, Curve, CurvePoint, FedTimeOutcome,
    KmOutcome, Proportionality,
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Cox<'a> {
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
struct Test {
    statistic: f64,
    df: u32,
    p: f64,
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
pub(super) struct Km<'a> {
    rows: Option<u64>,
    events: Option<u64>,
    outcome: &'a str,
    time: &'a str,
    group: Option<&'a str>,
    times: Option<&'a str>,
    step: Option<f64>,
    horizon: Option<f64>,
    interval: Option<&'a str>,
    min_cell: u64,
    curves: Vec<CurveOut<'a>>,
    log_rank: Option<LogRankOut<'a>>,
}

#[derive(Serialize)]
struct CurveOut<'a> {
    group: &'a str,
    rows: Option<u64>,
    events: Option<u64>,
    median: Option<f64>,
    median_low: Option<f64>,
    median_high: Option<f64>,
    /// What a null end of the interval means: `open`, or `not shown` where a part of the curve is
    /// kept back.
    #[serde(skip_serializing_if = "Option::is_none")]
    median_beyond: Option<&'static str>,
    rmst: Option<Rmst>,
    withheld: bool,
    points: Vec<PointOut>,
    marks: Vec<MarkOut>,
}

#[derive(Serialize)]
struct Rmst {
    tau: f64,
    mean: f64,
    se: f64,
}

#[derive(Serialize)]
struct PointOut {
    time: f64,
    at_risk: u64,
    events: u64,
    survival: f64,
    se: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
}

#[derive(Serialize)]
struct MarkOut {
    time: f64,
    at_risk: u64,
    survival: f64,
    se: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
}

#[derive(Serialize)]
struct LogRankOut<'a> {
    #[serde(flatten)]
    test: Test,
    groups: Vec<Expected<'a>>,
}

#[derive(Serialize)]
struct Expected<'a> {
    group: &'a str,
    observed: Option<u64>,
    expected: Option<f64>,
}

#[derive(Serialize)]
pub(super) struct FedTime<'a> {
    rows: u64,
    events: Option<u64>,
    outcome: &'a str,
    time: &'a str,
    ties: Option<&'a str>,
    strata: Option<&'a str>,
    loglik: f64,
    layers: Vec<LayerOut<'a>>,
    metrics: FedMetrics,
    history: Vec<EpochOut>,
}

#[derive(Serialize)]
struct FedMetrics {
    /// Over pairs of patients of one site.
    c_index: Option<f64>,
    comparable_pairs: f64,
}

fn shown(count: u64, context: &Context) -> Option<u64> {
    (!small(count, context.smallest_cell)).then_some(count)
}

pub(super) fn cox<'a>(fit: &'a CoxOutcome, context: &'a Context) -> Cox<'a> {
    let survival = &context.survival;
    let means = fit.means.iter().copied().chain(std::iter::repeat(f64::NAN));
    Cox {
        rows: fit.rows,
        events: shown(fit.events, context),
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
        min_cell: survival.min_cell.max(context.smallest_cell),
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

fn test(test: &ChiSquare) -> Test {
    Test {
        statistic: test.statistic,
        df: test.df,
        p: test.p,
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
    let step = |&(time, hazard): &(f64, f64)| HazardStep {
        time,
        cumulative_hazard: hazard,
        survival: libm::exp(-hazard),
    };
    BaselineOut {
        stratum: &of.stratum,
        steps: of.hazard.iter().map(step).collect(),
    }
}

pub(super) fn km<'a>(found: &'a KmOutcome, context: &'a Context) -> Km<'a> {
    let survival = &context.survival;
    Km {
        rows: (!cells::rows_hidden(found, context.smallest_cell)).then_some(found.rows),
        events: shown(found.events, context).filter(|_| !cells::events_hidden(found)),
        outcome: &context.outcome,
        time: &survival.time,
        group: survival.group.as_deref(),
        times: survival.times,
        step: survival.step,
        horizon: survival.horizon,
        interval: survival.interval,
        min_cell: survival.min_cell.max(context.smallest_cell),
        curves: found
            .curves
            .iter()
            .map(|curve| curve_out(curve, context))
            .collect(),
        log_rank: found.log_rank.as_ref().map(|log_rank| LogRankOut {
            test: test(&log_rank.test),
            groups: (0_usize..)
                .zip(&found.curves)
                .map(|(at, curve)| Expected {
                    group: &curve.group,
                    observed: log_rank.observed.get(at).copied(),
                    expected: log_rank.expected.get(at).copied(),
                })
                .collect(),
        }),
    }
}

fn curve_out<'a>(curve: &'a Curve, context: &Context) -> CurveOut<'a> {
    CurveOut {
        group: &curve.group,
        rows: shown(curve.rows, context),
        events: curve.events.and_then(|events| shown(events, context)),
        median: curve.median,
        median_low: curve.median_low,
        median_high: curve.median_high,
        median_beyond: (curve.median_low.is_none() || curve.median_high.is_none())
            .then_some(if curve.withheld { "not shown" } else { "open" }),
        rmst: curve.restricted_mean.map(|mean| Rmst {
            tau: mean.tau,
            mean: mean.mean,
            se: mean.se,
        }),
        withheld: curve.withheld,
        points: curve.points.iter().map(point).collect(),
        marks: curve.marks.iter().map(mark).collect(),
    }
}

fn point(at: &CurvePoint) -> PointOut {
    PointOut {
        time: at.time,
        at_risk: at.at_risk,
        events: at.events,
        survival: at.survival,
        se: at.se,
        ci_low: at.low,
        ci_high: at.high,
    }
}

fn mark(at: &CurvePoint) -> MarkOut {
    MarkOut {
        time: at.time,
        at_risk: at.at_risk,
        survival: at.survival,
        se: at.se,
        ci_low: at.low,
        ci_high: at.high,
    }
}

pub(super) fn fedtime<'a>(model: &'a FedTimeOutcome, context: &'a Context) -> FedTime<'a> {
    FedTime {
        rows: model.rows,
        events: shown(model.events, context),
        outcome: &context.outcome,
        time: &context.survival.time,
        ties: context.survival.ties,
        strata: context.survival.strata.as_deref(),
        loglik: model.loglik,
        layers: model
            .layers
            .iter()
            .map(|l| LayerOut {
                name: &l.name,
                shape: &l.shape,
            })
            .collect(),
        metrics: FedMetrics {
            c_index: model.c_index,
            comparable_pairs: model.comparable,
        },
        history: model
            .history
            .iter()
            // A ranking into two classes means nothing for a time: `auc` is null.
            .map(|e| EpochOut {
                round: e.round,
                loss: e.loss,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
