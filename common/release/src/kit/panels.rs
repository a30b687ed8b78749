//! Panels side by side, in each a number of the fit round by round: how it settled.

use super::axis::Axis;
use super::canvas::{Canvas, Colour, GREY, INK, Ink, Pen};
use super::frame::Frame;
use super::picture::{Heading, Picture, draw};
use crate::context::Context;

/// A panel: what it shows and its points (round, value).
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) axis: &'static str,
    pub(crate) points: Vec<(u32, f64)>,
    pub(crate) y: Axis,
    pub(crate) colour: Colour,
    /// A horizontal line with a name: the limit, or the last value.
    pub(crate) mark: Option<(f64, String)>,
}

/// The points that can be drawn.
pub(crate) fn finite(points: impl Iterator<Item = (u32, f64)>) -> Vec<(u32, f64)> {
    points.filter(|point| point.1.is_finite()).collect()
}

pub(crate) fn least(points: &[(u32, f64)]) -> Option<f64> {
    points.iter().map(|point| point.1).reduce(f64::min)
}

pub(crate) fn most(points: &[(u32, f64)]) -> Option<f64> {
    points.iter().map(|point| point.1).reduce(f64::max)
}

/// `convergence.svg`: two panels side by side, or one over the whole width.
pub(crate) fn convergence(
    context: &Context,
    rows: u64,
    heading: &Heading,
    panels: &[Panel],
) -> Picture {
    debug_assert!(panels.len() <= 2, "there is room for two");
    let places: &[(f64, f64)] = if panels.len() > 1 {
        &[(215.0, 760.0), (985.0, 1520.0)]
    } else {
        &[(215.0, 1520.0)]
    };
    let svg = draw(context, rows, heading, |canvas| {
        panels
            .iter()
            .zip(places)
            .for_each(|(panel, &place)| plot(canvas, panel, place))
    });
    Picture {
        name: "convergence.svg".to_owned(),
        svg,
        shows: "how the fit settled, round by round",
    }
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
