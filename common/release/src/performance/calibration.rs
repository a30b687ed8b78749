//! Calibration: do as many patients have the outcome as the model says?

use super::scene::Scene;
use crate::kit::axis::Axis;
use crate::kit::canvas::{BLUE, Canvas, GREY, GRID, INK, Ink, Pen, RULE};
use crate::kit::frame::Frame;
use crate::kit::picture::{Heading, Picture, draw, lines, outcome_name};
use crate::kit::words::{percent, thousands};
use motet_recipes::CalibrationBin;

/// The standard normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.959_963_984_540_054;
/// Groups listed in the table at the right.
const LISTED: usize = 12;

/// `calibration.svg`; nothing without groups.
pub(crate) fn calibration(scene: &Scene<'_>, bins: &[CalibrationBin]) -> Option<Picture> {
    let bins: Vec<&CalibrationBin> = bins.iter().filter(|bin| is_drawn(bin)).collect();
    if bins.is_empty() {
        return None;
    }
    let highest = bins
        .iter()
        .map(|bin| bin.predicted.max(wilson(bin).1))
        .fold(0.0, f64::max);
    let axis = Axis::widened(0.0, highest.min(1.0)).in_percent();
    let frame = Frame {
        left: 210.0,
        right: 920.0,
        top: 160.0,
        bottom: 870.0,
        x: axis.clone(),
        y: axis,
    };
    let outcome = outcome_name(scene.context);
    let heading = Heading {
        title: format!("Predicted risk of {outcome} against what happened"),
        how_to_read: "Patients in groups of rising predicted risk. Dots on the dashed line: as many had the outcome as \
                      predicted. Bars: 95% intervals."
            .to_owned(),
    };
    let svg = draw(scene.context, scene.rows, &heading, |canvas| {
        frame.draw(
            canvas,
            "Mean predicted risk",
            &format!("Patients with {outcome}"),
        );
        let end = frame.x.high();
        canvas.dashes(frame.at(0.0, 0.0), frame.at(end, end), Pen(RULE, 2));
        for bin in &bins {
            let (low, high) = wilson(bin);
            let (x, top) = frame.at(bin.predicted, high);
            let (_, bottom) = frame.at(bin.predicted, low);
            canvas.line((x, top), (x, bottom), Pen(BLUE, 3));
            for y in [top, bottom] {
                canvas.line((x - 6.0, y), (x + 6.0, y), Pen(BLUE, 3));
            }
        }
        for bin in &bins {
            canvas.dot(frame.at(bin.predicted, bin.observed), 8, BLUE);
        }
        let y = table(canvas, &bins);
        summary(canvas, scene, y)
    });
    Some(Picture {
        name: "calibration.svg".to_owned(),
        svg,
        shows: "predicted risk against what happened",
    })
}

fn is_drawn(bin: &CalibrationBin) -> bool {
    bin.predicted.is_finite() && bin.observed.is_finite() && bin.rows > 0
}

/// Wilson's score interval (1927) of the observed share at 95 %.
fn wilson(bin: &CalibrationBin) -> (f64, f64) {
    debug_assert!(bin.rows > 0, "an empty group has no share");
    let n = bin.rows as f64;
    let p = bin.observed;
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

fn table(canvas: &mut Canvas, bins: &[&CalibrationBin]) -> f64 {
    const COLUMNS: [f64; 4] = [1040.0, 1190.0, 1340.0, 1500.0];
    let mut y = 186.0;
    let head = Ink::bold(INK, 20.0).right_aligned();
    for (x, title) in COLUMNS
        .into_iter()
        .zip(["Group", "Predicted", "Observed", "Patients"])
    {
        canvas.text((x, y), title, &head);
    }
    let ink = Ink::new(INK, 20.0).right_aligned();
    let pitch = 36.0;
    for (number, bin) in (1..).zip(bins.iter().take(LISTED)) {
        y += pitch;
        canvas.line(
            (975.0, y - pitch / 2.0),
            (1500.0, y - pitch / 2.0),
            Pen(GRID, 1),
        );
        let cells = [
            format!("{number}"),
            percent(bin.predicted),
            percent(bin.observed),
            thousands(bin.rows),
        ];
        for (x, cell) in COLUMNS.into_iter().zip(cells) {
            canvas.text((x, y), &cell, &ink);
        }
    }
    if bins.len() > LISTED {
        y += pitch;
        let text = format!("and {} more groups", bins.len() - LISTED);
        canvas.text((1500.0, y), &text, &Ink::new(GREY, 20.0).right_aligned());
    }
    y + 60.0
}

fn summary(canvas: &mut Canvas, scene: &Scene<'_>, y: f64) {
    let slope = scene.metrics.calibration_slope;
    let brier = scene.metrics.brier;
    let mut text = String::new();
    if slope.is_finite() {
        text += &format!(
            "Calibration slope {slope:.2} (1 is ideal; below 1: predictions too extreme). "
        );
    }
    if brier.is_finite() {
        text += &format!("Brier score {brier:.4} (0 is perfect). ");
    }
    text += scene.measured;
    lines(canvas, (985.0, y), &text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        let close = |bin, low: f64, high: f64| {
            let (a, b) = wilson(&bin);
            assert!((a - low).abs() < 1e-4 && (b - high).abs() < 1e-4, "{a} {b}");
        };
        // Values of Newcombe (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
        let bin = |events: f64, rows: u64| CalibrationBin {
            predicted: 0.1,
            observed: events / rows as f64,
            rows,
        };
        close(bin(81.0, 263), 0.2553, 0.3662);
        close(bin(15.0, 148), 0.0624, 0.1605);
        close(bin(0.0, 20), 0.0, 0.1611);
        close(bin(1.0, 29), 0.0061, 0.1718);
    }
}
