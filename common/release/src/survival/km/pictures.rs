//! The pictures of Kaplan-Meier curves.

use crate::context::Context;
use crate::kit::axis::short;
use crate::kit::cells::small;
use crate::kit::picture::{Picture, outcome_name};
use crate::kit::words::thousands;
use crate::survival::curves::{Line, Step};
use crate::survival::sheets::Sheets;
use motet_recipes::km::KmOutcome;
use motet_recipes::{Curve, CurvePoint};

/// With more curves than these, light areas hide each other.
const BANDS: usize = 3;

/// `survival.svg`, `survival-2.svg`, ...: a curve a group.
pub(crate) fn pictures(found: &KmOutcome, context: &Context) -> Vec<Picture> {
    let mut lines: Vec<Line> = found
        .curves
        .iter()
        .filter(|curve| !small(curve.rows, context.least_in_time()))
        .map(|curve| line(curve, found.curves.len(), context))
        .filter(|line| !line.steps.is_empty())
        .collect();
    let mut notes = Vec::new();
    if let Some(log_rank) = &found.log_rank {
        notes.push(format!(
            "All groups alike? Log-rank test {:.2} on {} df, p {}",
            log_rank.test.statistic,
            log_rank.test.df,
            p_value(log_rank.test.p)
        ));
    }
    if found.curves.iter().any(|curve| curve.withheld) {
        notes.push(format!(
            "Steps of fewer than {0} events are joined to the next, and shares rounded; \
             a curve ends (dot) where too few patients or events are left.",
            context.least_in_time()
        ));
    }
    let by = context
        .survival
        .group
        .as_ref()
        .map_or_else(String::new, |group| {
            format!(", by {}", context.labelled(group))
        });
    let title = format!("Patients without {} over time{by}", outcome_name(context));
    let read = if lines.len() > BANDS {
        lines
            .iter_mut()
            .flat_map(|line| &mut line.steps)
            .for_each(|step| step.interval = None);
        "Kaplan-Meier: the share of patients without the event at each \
         time. Confidence intervals are in report.json."
    } else {
        "Kaplan-Meier: the share of patients without the event at each \
         time. Light area: 95% confidence interval."
    };
    let sheets = Sheets {
        stem: "survival",
        title,
        how_to_read: read,
        shows: "the share without the event over time",
        rows: found.rows,
        notes: &notes,
    };
    sheets.pictures(&lines, context)
}

fn p_value(p: f64) -> String {
    match p {
        p if p.is_nan() => "not available".to_owned(),
        p if p < 0.001 => "< 0.001".to_owned(),
        p => format!("= {p:.3}"),
    }
}

fn line(curve: &Curve, groups: usize, context: &Context) -> Line {
    let mut points: Vec<&CurvePoint> = curve.points.iter().chain(&curve.marks).collect();
    points.sort_by(|a, b| a.time.total_cmp(&b.time));
    let events = match curve.events {
        Some(events) => thousands(events),
        None => format!("fewer than {}", context.least_in_time()),
    };
    let mut facts = vec![format!(
        "{} patients, {events} events",
        thousands(curve.rows)
    )];
    if let Some(median) = curve.median {
        facts.push(format!("half had it by {}", short(median)));
    }
    let name = if groups == 1 {
        "All patients".to_owned()
    } else {
        context.level(&curve.group).to_owned()
    };
    Line {
        name,
        facts,
        steps: points.into_iter().map(step).collect(),
        patients: Some(curve.rows),
    }
}

fn step(point: &CurvePoint) -> Step {
    Step {
        time: point.time,
        survival: point.survival,
        interval: point.low.zip(point.high),
        at_risk: point.at_risk,
    }
}
