//! The report of Kaplan-Meier curves.

use super::cells::{events_hidden, rows_hidden};
use crate::context::Context;
use crate::kit::cells::told;
use crate::kit::chi_square::{Test, test};
use motet_recipes::km::KmOutcome;
use motet_recipes::{Curve, CurvePoint};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Km<'a> {
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
    /// Null where it would tell of few.
    at_risk: Option<u64>,
    events: u64,
    survival: f64,
    se: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
}

#[derive(Serialize)]
struct MarkOut {
    time: f64,
    /// Null where it would tell of few.
    at_risk: Option<u64>,
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

pub(crate) fn body<'a>(found: &'a KmOutcome, context: &'a Context) -> Km<'a> {
    let survival = &context.survival;
    Km {
        rows: (!rows_hidden(found, context.least_in_time())).then_some(found.rows),
        events: told(found.events, context.least_in_time()).filter(|_| !events_hidden(found)),
        outcome: &context.outcome,
        time: &survival.time,
        group: survival.group.as_deref(),
        times: survival.times,
        step: survival.step,
        horizon: survival.horizon,
        interval: survival.interval,
        min_cell: context.least_in_time(),
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
        rows: told(curve.rows, context.least_in_time()),
        events: curve
            .events
            .and_then(|events| told(events, context.least_in_time())),
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
