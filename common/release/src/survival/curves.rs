//! Curves of survival: steps down from 100 %, with a band for the interval, a legend, and a table
//! of patients at risk.

use crate::context::Context;
use crate::kit::axis::Axis;
use crate::kit::canvas::{BLUE, Canvas, Colour, GREY, INK, Ink, LEFT, Pen, VERMILION};
use crate::kit::frame::Frame;
use crate::kit::picture::{self, Heading};
use crate::kit::words::{thousands, wrapped};

/// Curves that can be told apart on one picture; more go on a second.
pub(crate) const CURVES: usize = 6;
/// Okabe and Ito's palette.
const COLOURS: [Colour; CURVES] = [
    BLUE,
    VERMILION,
    Colour(0, 158, 115),
    Colour(160, 80, 130),
    Colour(86, 180, 233),
    Colour(190, 130, 0),
];
const RIGHT: f64 = 1090.0;
const PANEL: f64 = 1130.0;

/// One curve.
pub(crate) struct Line {
    pub(crate) name: String,
    /// What the legend says below the name.
    pub(crate) facts: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// Patients at the start; none where they are not told.
    pub(crate) patients: Option<u64>,
}

/// The curve from a time on.
pub(crate) struct Step {
    pub(crate) time: f64,
    pub(crate) survival: f64,
    pub(crate) interval: Option<(f64, f64)>,
    /// Patients at risk just before, where they are told.
    pub(crate) at_risk: Option<u64>,
}

/// What the curves of one sheet share.
pub(crate) struct Sheet<'a> {
    pub(crate) heading: Heading,
    pub(crate) rows: u64,
    pub(crate) x_name: String,
    pub(crate) y_name: String,
    /// The last time of the axis.
    pub(crate) last: f64,
    /// Running text at the right, below the legend.
    pub(crate) notes: Vec<String>,
    pub(crate) lines: &'a [Line],
}

/// A picture of up to [`CURVES`] curves.
pub(crate) fn draw(sheet: &Sheet<'_>, context: &Context) -> String {
    let table = sheet
        .lines
        .iter()
        .any(|line| line.steps.iter().any(|step| step.at_risk.is_some()));
    let room = if table {
        40.0 + 28.0 * sheet.lines.len() as f64
    } else {
        0.0
    };
    let frame = Frame {
        left: 295.0,
        right: RIGHT,
        top: 165.0,
        bottom: 866.0 - room,
        x: Axis::linear(0.0, sheet.last * 1.03),
        y: shares(sheet.lines),
    };
    debug_assert!(sheet.lines.len() <= CURVES, "a colour for each curve");
    picture::draw(context, sheet.rows, &sheet.heading, |canvas| {
        frame.draw(canvas, &sheet.x_name, &sheet.y_name);
        // All light areas lie below all curves.
        for (line, colour) in sheet.lines.iter().zip(COLOURS) {
            band(canvas, &frame, line, colour);
        }
        for (line, colour) in sheet.lines.iter().zip(COLOURS) {
            curve(canvas, &frame, line, colour);
        }
        if table {
            at_risk(canvas, &frame, sheet.lines);
        }
        legend(canvas, sheet)
    })
}

/// From 0 where a curve falls far, else only the part that is needed.
fn shares(lines: &[Line]) -> Axis {
    let steps = lines.iter().flat_map(|line| &line.steps);
    let ends = steps.map(|step| step.interval.map_or(step.survival, |ends| ends.0));
    let lowest = ends.filter(|end| end.is_finite()).fold(1.0, f64::min);
    let axis = if lowest < 0.6 {
        Axis::linear(0.0, 1.0)
    } else {
        Axis::widened(lowest.min(0.98), 1.0)
    };
    axis.in_percent()
}

/// The light area between the ends of the interval, as far as they are known.
fn band(canvas: &mut Canvas, frame: &Frame, line: &Line, colour: Colour) {
    for pair in line.steps.windows(2) {
        let [from, to] = pair else { continue };
        if let Some((low, high)) = from
            .interval
            .filter(|(low, high)| low.is_finite() && high.is_finite())
        {
            canvas.shade(frame.at(from.time, high), frame.at(to.time, low), colour);
        }
    }
}

fn curve(canvas: &mut Canvas, frame: &Frame, line: &Line, colour: Colour) {
    let mut path = vec![frame.at(0.0, 1.0)];
    let mut level = 1.0;
    for step in line.steps.iter().filter(|step| step.survival.is_finite()) {
        path.push(frame.at(step.time, level));
        path.push(frame.at(step.time, step.survival));
        level = step.survival;
    }
    canvas.path(&path, Pen(colour, 4));
    // Where the curve ends, because no more is told.
    path.last()
        .into_iter()
        .for_each(|end| canvas.dot(*end, 6, colour))
}

/// Below the axis, at its ticks: how many were at risk at the latest step that is told.
fn at_risk(canvas: &mut Canvas, frame: &Frame, lines: &[Line]) {
    let head = frame.bottom + 102.0;
    canvas.text(
        (LEFT, head),
        "Patients at risk, at the latest step up to each time (-: not shown)",
        &Ink::bold(INK, 19.0),
    );
    for ((number, line), colour) in lines.iter().enumerate().zip(COLOURS) {
        let y = head + 28.0 * (number as f64 + 1.0);
        canvas.text_within((LEFT, y), &line.name, &Ink::bold(colour, 19.0), 186.0);
        for time in frame.x.ticks() {
            let step = line.steps.iter().rev().find(|step| step.time <= time);
            // Beyond the last step that is told nothing is known.
            let over = line.steps.last().is_none_or(|last| last.time < time) && time > 0.0;
            let count = step.map_or(line.patients, |step| step.at_risk);
            let count = count.filter(|_| !over);
            let (x, _) = frame.at(time, 1.0);
            let text = count.map_or_else(|| "-".to_owned(), thousands);
            canvas.text((x, y), &text, &Ink::new(INK, 19.0).centred());
        }
    }
}

fn legend(canvas: &mut Canvas, sheet: &Sheet<'_>) {
    let mut y = 190.0;
    for (line, colour) in sheet.lines.iter().zip(COLOURS) {
        canvas.line((PANEL, y), (PANEL + 34.0, y), Pen(colour, 6));
        canvas.text_within((PANEL + 46.0, y), &line.name, &Ink::bold(INK, 22.0), 340.0);
        for fact in &line.facts {
            y += 27.0;
            canvas.text_within((PANEL + 46.0, y), fact, &Ink::new(GREY, 19.0), 340.0);
        }
        y += 40.0;
    }
    y += 6.0;
    for note in &sheet.notes {
        for line in wrapped(note, 36) {
            canvas.text_within((PANEL, y), &line, &Ink::new(GREY, 20.0), 390.0);
            y += 29.0;
        }
        y += 10.0;
    }
}
