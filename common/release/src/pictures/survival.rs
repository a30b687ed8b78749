//! The pictures of recipes whose outcome is a time to an event.

use super::super::cells::small;
use super::axis::short;
use super::curves::{self, CURVES, Line, Sheet, Step};
use super::forest::{Effect, Words};
use super::{Heading, convergence, forest, outcome_name, thousands};
use crate::context::Context;
use motet_recipes::{Baseline, CoxOutcome, Curve, CurvePoint, FedTimeOutcome, KmOutcome};

/// With more curves than these, light areas hide each other.
const BANDS: usize = 3;

type Pictures = Vec<(String, String)>;

/// `forest.svg`, `convergence.svg`; with a baseline hazard also `baseline.svg`.
pub(super) fn cox(fit: &CoxOutcome, context: &Context) -> Pictures {
    let outcome = outcome_name(context);
    let words = Words {
        one: "Hazard ratio",
        title: format!("Hazard ratios for {outcome}"),
        of: format!("hazard of {outcome}"),
        intercept: "",
        ratio: true,
    };
    let effects = fit.coefficients.iter().map(|c| Effect {
        name: &c.name,
        estimate: c.estimate,
        ci_low: c.ci_low,
        ci_high: c.ci_high,
    });
    let mut pictures = forest::draw(fit.rows, effects.collect(), &words, context);
    pictures.extend(convergence::newton(
        fit.rows,
        fit.converged,
        &fit.history,
        context,
    ));
    pictures.extend(baseline(fit, context));
    pictures
}

fn baseline(fit: &CoxOutcome, context: &Context) -> Pictures {
    let told = fit
        .baseline
        .iter()
        .filter(|baseline| !baseline.hazard.is_empty());
    let lines: Vec<Line> = told
        .map(|baseline| of_baseline(baseline, fit.baseline.len()))
        .collect();
    let outcome = outcome_name(context);
    let notes = vec![
        "The patient has the mean of every variable over all sites, a share for yes or no. Such a patient need not \
         exist."
            .to_owned(),
        format!(
            "Steps of fewer than {} events are joined to the next.",
            context.survival.min_cell.max(context.smallest_cell)
        ),
    ];
    let title = format!("Without {outcome} over time: a patient who is average in every variable");
    let read = "From the Cox model: the share expected to be without the event at each time. The curve has no interval.";
    sheets(
        "baseline",
        &lines,
        &notes,
        (fit.rows, &title, read),
        context,
    )
}

fn of_baseline(baseline: &Baseline, strata: usize) -> Line {
    let step = |&(time, hazard): &(f64, f64)| Step {
        time,
        survival: libm::exp(-hazard),
        interval: None,
        at_risk: None,
    };
    let name = if strata == 1 {
        "Average patient".to_owned()
    } else {
        baseline.stratum.clone()
    };
    Line {
        name,
        facts: Vec::new(),
        steps: baseline.hazard.iter().map(step).collect(),
        patients: None,
    }
}

/// `survival.svg`, `survival-2.svg`, ...: a curve a group.
pub(super) fn km(found: &KmOutcome, context: &Context) -> Pictures {
    let mut lines: Vec<Line> = found
        .curves
        .iter()
        .filter(|curve| !small(curve.rows, context.smallest_cell))
        .map(|curve| of_curve(curve, found.curves.len(), context))
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
            "Steps of fewer than {0} events are joined to the next; a curve ends (dot) where too few patients or events are left.",
            context.survival.min_cell.max(context.smallest_cell)
        ));
    }
    let by = context
        .survival
        .group
        .as_ref()
        .map_or_else(String::new, |group| format!(", by {group}"));
    let title = format!("Patients without {} over time{by}", outcome_name(context));
    let read = if lines.len() > BANDS {
        lines
            .iter_mut()
            .flat_map(|line| &mut line.steps)
            .for_each(|step| step.interval = None);
        "Kaplan-Meier: the share of patients without the event at each time. Confidence intervals are in report.json."
    } else {
        "Kaplan-Meier: the share of patients without the event at each time. Light area: 95% confidence interval."
    };
    sheets(
        "survival",
        &lines,
        &notes,
        (found.rows, &title, read),
        context,
    )
}

fn p_value(p: f64) -> String {
    match p {
        p if p.is_nan() => "not available".to_owned(),
        p if p < 0.001 => "< 0.001".to_owned(),
        p => format!("= {p:.3}"),
    }
}

fn of_curve(curve: &Curve, groups: usize, context: &Context) -> Line {
    let mut points: Vec<&CurvePoint> = curve.points.iter().chain(&curve.marks).collect();
    points.sort_by(|a, b| a.time.total_cmp(&b.time));
    let step = |point: &CurvePoint| Step {
        time: point.time,
        survival: point.survival,
        interval: point.low.zip(point.high),
        at_risk: Some(point.at_risk),
    };
    let events = match curve.events {
        Some(events) => thousands(events),
        None => format!(
            "fewer than {}",
            context.survival.min_cell.max(context.smallest_cell)
        ),
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
        curve.group.clone()
    };
    Line {
        name,
        facts,
        steps: points.into_iter().map(step).collect(),
        patients: Some(curve.rows),
    }
}

fn sheets(
    stem: &str,
    lines: &[Line],
    notes: &[String],
    (rows, title, read): (u64, &str, &str),
    context: &Context,
) -> Pictures {
    let ends = lines
        .iter()
        .filter_map(|line| line.steps.last())
        .map(|step| step.time);
    let last = ends.fold(0.0, f64::max);
    if lines.is_empty() || last <= 0.0 {
        return Vec::new();
    }
    let count = lines.len().div_ceil(CURVES);
    let mut pictures = Vec::new();
    for (number, lines) in (1..).zip(lines.chunks(lines.len().div_ceil(count))) {
        let page = if count > 1 {
            format!(" ({number} of {count})")
        } else {
            String::new()
        };
        let sheet = Sheet {
            heading: Heading {
                title: format!("{title}{page}"),
                how_to_read: read.to_owned(),
            },
            rows,
            x_name: context.survival.axis(),
            y_name: format!("Share without {}", outcome_name(context)),
            last,
            notes: notes.to_vec(),
            lines,
        };
        let name = if number == 1 {
            format!("{stem}.svg")
        } else {
            format!("{stem}-{number}.svg")
        };
        pictures.push((name, curves::draw(&sheet, context)));
    }
    pictures
}

/// `convergence.svg`: loss per round.
pub(super) fn fedtime(model: &FedTimeOutcome, context: &Context) -> Pictures {
    let axis = "Mean loss (partial likelihood within sites)";
    convergence::losses(model.rows, &model.history, axis, context)
        .into_iter()
        .collect()
}
