//! Convergence: how the fit settled, round by round.

use super::axis::{Axis, Frame, scientific};
use super::canvas::{BLUE, Canvas, Colour, GREY, INK, Ink, Pen, VERMILION};
use super::{Heading, picture};
use crate::context::Context;
use motet_recipes::{Epoch, FedAvgOutcome, FedNumberOutcome, Step};

/// One of the two panels: what it shows and its points (round, value).
struct Panel {
    title: String,
    axis: &'static str,
    points: Vec<(u32, f64)>,
    y: Axis,
    colour: Colour,
    /// A horizontal line with a name: the limit, or the last value.
    mark: Option<(f64, String)>,
}

/// `convergence.svg` of an exact fit: log-likelihood and largest step per Newton round.
pub(super) fn newton(
    rows: u64,
    converged: bool,
    history: &[Step],
    context: &Context,
) -> Option<(String, String)> {
    let logliks = finite(history.iter().map(|step| (step.round, step.loglik)));
    let steps = finite(history.iter().map(|step| (step.round, step.step)));
    let steps: Vec<(u32, f64)> = steps.into_iter().filter(|step| step.1 > 0.0).collect();
    let (Some(lowest), Some(highest)) = (least(&logliks), most(&logliks)) else {
        return None;
    };
    let mut panels = vec![Panel {
        title: "Fit to the data (higher is better)".to_owned(),
        axis: "Log-likelihood",
        y: Axis::widened(lowest, highest),
        points: logliks,
        colour: BLUE,
        mark: None,
    }];
    if let (Some(low), Some(high)) = (least(&steps), most(&steps)) {
        let limit = context
            .tolerance
            .filter(|limit| limit.is_finite() && *limit > 0.0);
        panels.push(Panel {
            title: "How far the coefficients still moved".to_owned(),
            axis: "Largest step, in standard deviations",
            y: Axis::powers(low.min(limit.map_or(low, |limit| limit / 10.0)), high),
            points: steps,
            colour: VERMILION,
            mark: limit.map(|limit| (limit, format!("stops below {}", scientific(limit)))),
        });
    }
    let end = if converged {
        "The fit settled"
    } else {
        "The fit did not settle"
    };
    let heading = Heading {
        title: format!("{end} after {} Newton step{}", history.len(), if history.len() == 1 { "" } else { "s" }),
        how_to_read: "Each Newton step rests on masked sums over all sites, so these are the steps of a fit on the patients \
                      of all sites together."
            .to_owned(),
    };
    both(context, rows, &heading, &panels)
}

/// `convergence.svg` of federated averaging of a yes/no outcome: loss per round.
pub(super) fn fedavg(model: &FedAvgOutcome, context: &Context) -> Option<(String, String)> {
    losses(
        model.rows,
        &model.history,
        "Mean log loss per patient",
        context,
    )
}

/// `convergence.svg` of federated averaging whose outcome is a number: loss per round.
pub(super) fn number(model: &FedNumberOutcome, context: &Context) -> Option<(String, String)> {
    losses(
        model.rows,
        &model.history,
        "Half the mean squared error, in standard deviations",
        context,
    )
}

/// `convergence.svg` of federated averaging that has no other measure: loss per round.
pub(super) fn losses(
    rows: u64,
    history: &[Epoch],
    axis: &'static str,
    context: &Context,
) -> Option<(String, String)> {
    let losses = finite(history.iter().map(|epoch| (epoch.round, epoch.loss)));
    let (Some(low), Some(high)) = (least(&losses), most(&losses)) else {
        return None;
    };
    let mark = losses
        .last()
        .map(|last| (last.1, format!("at the last round {:.4}", last.1)));
    let panel = Panel {
        title: "Loss (lower is better)".to_owned(),
        axis,
        y: Axis::widened(low - 0.08 * (high - low), high),
        points: losses,
        colour: VERMILION,
        mark,
    };
    both(context, rows, &averaging(history.len()), &[panel])
}

fn averaging(rounds: usize) -> Heading {
    Heading {
        title: format!("Training over {rounds} rounds of federated averaging"),
        how_to_read: "In each round every site trains on its own patients and only the masked sum of the models is opened."
            .to_owned(),
    }
}

fn finite(points: impl Iterator<Item = (u32, f64)>) -> Vec<(u32, f64)> {
    points.filter(|point| point.1.is_finite()).collect()
}

fn least(points: &[(u32, f64)]) -> Option<f64> {
    points.iter().map(|point| point.1).reduce(f64::min)
}

fn most(points: &[(u32, f64)]) -> Option<f64> {
    points.iter().map(|point| point.1).reduce(f64::max)
}

/// The panels side by side, or one over the whole width.
fn both(
    context: &Context,
    rows: u64,
    heading: &Heading,
    panels: &[Panel],
) -> Option<(String, String)> {
    let places: &[(f64, f64)] = if panels.len() > 1 {
        &[(215.0, 760.0), (985.0, 1520.0)]
    } else {
        &[(215.0, 1520.0)]
    };
    let svg = picture(context, rows, heading, |canvas| {
        panels
            .iter()
            .zip(places)
            .for_each(|(panel, &place)| plot(canvas, panel, place))
    });
    Some(("convergence.svg".to_owned(), svg))
}

fn plot(canvas: &mut Canvas, panel: &Panel, (left, right): (f64, f64)) {
    let (Some(first), Some(last)) = (panel.points.first(), panel.points.last()) else {
        return;
    };
    let frame = Frame {
        left,
        right,
        top: 220.0,
        bottom: 860.0,
        x: Axis::rounds(first.0, last.0),
        y: panel.y.clone(),
    };
    canvas.text_within(
        (left, 180.0),
        &panel.title,
        &Ink::bold(INK, 25.0),
        right - left,
    );
    frame.draw(canvas, "Round", panel.axis);
    if let Some((value, name)) = &panel.mark {
        let (_, y) = frame.at(f64::from(first.0), *value);
        canvas.dashes((left, y), (right, y), Pen(GREY, 2));
        // A falling curve starts above the line and a rising one below it: the other side is free
        // on the left.
        let side = if first.1 > *value { 20.0 } else { -20.0 };
        canvas.text_within(
            (left + 14.0, y + side),
            name,
            &Ink::new(GREY, 20.0),
            right - left,
        );
    }
    let points: Vec<_> = panel
        .points
        .iter()
        .map(|&(round, value)| frame.at(f64::from(round), value))
        .collect();
    canvas.path(&points, Pen(panel.colour, 4));
    if points.len() <= 60 {
        for &point in &points {
            canvas.dot(point, if points.len() <= 20 { 8 } else { 5 }, panel.colour);
        }
    }
}
