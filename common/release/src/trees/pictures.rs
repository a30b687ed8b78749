//! The pictures of boosted trees: what the columns contribute, and how the loss fell.

use crate::context::Context;
use crate::judged::held_out;
use crate::kit::axis::Axis;
use crate::kit::canvas::{BLUE, Canvas, Colour, GREY, INK, Ink, LEFT, Pen, VERMILION};
use crate::kit::frame::Frame;
use crate::kit::picture::{Heading, Picture, draw, outcome_name};
use crate::kit::words::thousands;
use crate::performance;
use crate::performance::scene::{FITTED, HELD_OUT, Scene};
use motet_recipes::gbdt::GbdtOutcome;
use motet_recipes::{Boost, Fit};

/// Columns that can be read on one picture; the rest is named in a line.
const BARS: usize = 24;

/// `importance.svg`, `convergence.svg`; of a yes/no outcome also `roc.svg` and `calibration.svg`.
pub(crate) fn pictures(model: &GbdtOutcome, context: &Context) -> Vec<Picture> {
    let mut pictures = Vec::new();
    pictures.extend(importance(model, context));
    pictures.extend(losses(model, context));
    if let Fit::Classes {
        metrics,
        roc,
        calibration,
    } = &model.fit
    {
        let (rows, measured) = if model.held > 0 {
            (model.held, HELD_OUT)
        } else {
            (model.rows, FITTED)
        };
        let scene = Scene {
            context,
            rows,
            metrics,
            measured,
        };
        let performance = performance::pictures::pictures(&scene, roc, calibration);
        pictures.extend(performance);
    }
    pictures
}

fn importance(model: &GbdtOutcome, context: &Context) -> Option<Picture> {
    let total: f64 = model.importance.iter().map(|(_, gain)| gain).sum();
    if !total.is_finite() || total <= 0.0 {
        return None;
    }
    let mut bars: Vec<(String, f64)> = model
        .importance
        .iter()
        .map(|(name, gain)| (context.labelled(name), gain / total))
        .collect();
    bars.sort_by(|a, b| b.1.total_cmp(&a.1));
    let left_over = bars.len().saturating_sub(BARS);
    bars.truncate(BARS);
    let highest = bars.first().map_or(1.0, |bar| bar.1);
    let heading = Heading {
        title: format!("What the prediction of {} rests on", outcome_name(context)),
        how_to_read: "What each variable's splits took off the training loss. It says what the \
                      model uses, not what causes the outcome."
            .to_owned(),
    };
    let frame = Frame {
        left: 440.0,
        right: 1400.0,
        top: 150.0,
        bottom: 850.0,
        x: Axis::widened(0.0, highest).in_percent(),
        y: Axis::linear(0.0, 1.0),
    };
    let svg = draw(context, model.rows, &heading, |canvas| {
        let pitch = (frame.bottom - frame.top) / bars.len() as f64;
        for number in (0..bars.len()).step_by(2) {
            let top = frame.top + number as f64 * pitch;
            canvas.band(top, top + pitch);
        }
        frame.columns(canvas, "Share of the gain of all splits");
        let size = (pitch * 0.6).clamp(15.0, 26.0);
        for (number, (name, share)) in bars.iter().enumerate() {
            let y = frame.top + (number as f64 + 0.5) * pitch;
            let half = (pitch * 0.34).min(22.0);
            let end = frame.at(*share, 0.0).0;
            canvas.text_within(
                (LEFT, y),
                name,
                &Ink::new(INK, size),
                frame.left - LEFT - 20.0,
            );
            canvas.rect((frame.left, y - half), (end, y + half), BLUE);
            canvas.text(
                (end + 12.0, y),
                &format!("{:.1}%", share * 100.0),
                &Ink::new(INK, size),
            );
        }
        if left_over > 0 {
            let text = format!("Not drawn: {left_over} variables with smaller shares.");
            canvas.text_within((LEFT, 938.0), &text, &Ink::new(GREY, 19.0), 900.0);
        }
    });
    Some(Picture {
        name: "importance.svg".to_owned(),
        svg,
        shows: "which variables the trees use",
    })
}

fn losses(model: &GbdtOutcome, context: &Context) -> Option<Picture> {
    let training = points(model, |boost| Some(boost.training));
    let held = points(model, |boost| boost.held_out);
    let drawn: Vec<f64> = training.iter().chain(&held).map(|point| point.1).collect();
    let low = drawn.iter().copied().reduce(f64::min)?;
    let high = drawn.iter().copied().reduce(f64::max)?;
    let last = model.history.iter().map(|boost| boost.trees).max()?;
    let frame = Frame {
        left: 230.0,
        right: 1180.0,
        top: 170.0,
        bottom: 860.0,
        x: Axis::rounds(0, last),
        y: Axis::widened(low - 0.05 * (high - low), high),
    };
    let kept = model.trees.len();
    let end = if kept == 0 {
        "before the first tree"
    } else {
        "at the tree that is kept last"
    };
    let heading = Heading {
        title: format!("Loss over {last} trees; {kept} are kept"),
        how_to_read: if held.is_empty() && held_out::parts(context).is_some() {
            "Lower is better. This is of patients in training, and says nothing about others."
                .to_owned()
        } else if held.is_empty() {
            "Lower is better. No patients were held out, so this says nothing about new patients."
                .to_owned()
        } else {
            format!(
                "Lower is better. Patients held out took no part in the training; the dashed line is {end}."
            )
        },
    };
    let measure = match model.fit {
        Fit::Classes { .. } => "Mean log loss per patient",
        Fit::Numbers { .. } => "Mean squared error, in the outcome's unit squared",
    };
    // Patients held out who are too few to be shown have no curve; the total must not tell how many
    // they are.
    let patients = if held.is_empty() {
        model.rows
    } else {
        model.rows.saturating_add(model.held)
    };
    let svg = draw(context, patients, &heading, |canvas| {
        frame.draw(canvas, "Trees", measure);
        let stop = frame.at(kept as f64, 0.0).0;
        canvas.dashes((stop, frame.top), (stop, frame.bottom), Pen(GREY, 2));
        let training = (&training, BLUE, "in training", model.rows);
        let held = (&held, VERMILION, "held out", model.held);
        let mut y = 230.0;
        for (points, colour, name, rows) in [training, held] {
            let places: Vec<_> = points
                .iter()
                .map(|&(trees, loss)| frame.at(f64::from(trees), loss))
                .collect();
            canvas.path(&places, Pen(colour, 4));
            if !places.is_empty() {
                legend(canvas, y, (colour, name, rows));
                y += 90.0;
            }
        }
    });
    Some(Picture {
        name: "convergence.svg".to_owned(),
        svg,
        shows: "the loss with more and more trees",
    })
}

/// Trees and loss, where there is one.
fn points(model: &GbdtOutcome, of: fn(&Boost) -> Option<f64>) -> Vec<(u32, f64)> {
    let losses = model
        .history
        .iter()
        .filter_map(|boost| Some((boost.trees, of(boost)?)));
    losses.filter(|point| point.1.is_finite()).collect()
}

fn legend(canvas: &mut Canvas, y: f64, (colour, name, rows): (Colour, &str, u64)) {
    canvas.line((1215.0, y), (1260.0, y), Pen(colour, 5));
    canvas.text((1275.0, y), name, &Ink::bold(INK, 25.0));
    canvas.text_within(
        (1275.0, y + 34.0),
        &format!("{} patients", thousands(rows)),
        &Ink::new(GREY, 22.0),
        245.0,
    )
}
