//! Histograms of a summary's columns, up to twelve small ones on a picture.

use crate::context::Context;
use crate::kit::axis::{Axis, short};
use crate::kit::canvas::{BLUE, Canvas, GREY, GRID, INK, Ink, LEFT, Pen, VERMILION, WIDTH};
use crate::kit::frame::Frame;
use crate::kit::picture::{Heading, Part, Picture, draw, parts};
use crate::kit::words::wrapped;
use motet_recipes::summary::Distribution;
use motet_recipes::summary::SummaryOutcome;

/// Columns on one picture.
const PANELS: usize = 12;
/// What stands in place of the bars of a column whose histogram is withheld.
const WITHHELD: &str =
    "Withheld: it would tell of few patients or few hospitals. The card says what helps.";
/// Size of these words, and the width of a letter of them, in pixels.
const WORDS: f64 = 20.0;
const LETTER: f64 = 10.5;

/// `histograms.svg`, `histograms-2.svg`, ...; nothing for a summary without distributions.
pub(crate) fn pictures(summary: &SummaryOutcome, context: &Context) -> Vec<Picture> {
    let Some(details) = &summary.details else {
        return Vec::new();
    };
    let columns: Vec<&Distribution> = details
        .distributions
        .iter()
        .filter(|distribution| is_drawn(distribution))
        .collect();
    let rows = summary
        .variables
        .iter()
        .map(|v| v.count.saturating_add(v.missing));
    let Some(rows) = rows.max() else {
        debug_assert!(columns.is_empty(), "a distribution is that of a column");
        return Vec::new();
    };
    let mut pictures = Vec::new();
    for (part, columns) in parts(&columns, PANELS) {
        let heading = heading(columns, part);
        let svg = draw(context, rows, &heading, |canvas| sheet(canvas, columns));
        pictures.push(Picture {
            name: part.name("histograms"),
            svg,
            shows: "how the variables are distributed",
        });
    }
    pictures
}

fn is_drawn(distribution: &Distribution) -> bool {
    distribution.edges.len() > 1
}

fn heading(columns: &[&Distribution], part: Part) -> Heading {
    let mut how_to_read = "Every bar is a bin of values.".to_owned();
    if columns
        .iter()
        .any(|column| !column.withheld() && median(column).is_some())
    {
        how_to_read += " Orange line: median.";
    }
    Heading {
        title: format!("How the variables are distributed{}", part.page()),
        how_to_read,
    }
}

/// Whether all bins have one width; then heights are counts.
fn even(distribution: &Distribution) -> bool {
    let widths = distribution.edges.windows(2).map(width);
    let (low, high) = widths.fold((f64::INFINITY, 0.0f64), |(low, high), w| {
        (low.min(w), high.max(w))
    });
    high - low <= 1e-6 * high
}

fn width(pair: &[f64]) -> f64 {
    if let [low, high] = pair {
        high - low
    } else {
        0.0
    }
}

fn median(distribution: &Distribution) -> Option<f64> {
    let median = distribution
        .quantiles
        .iter()
        .find(|quantile| quantile.probability == 0.5)?;
    median.estimate.is_finite().then_some(median.estimate)
}

fn sheet(canvas: &mut Canvas, columns: &[&Distribution]) {
    let across = match columns.len() {
        0 | 1 => 1,
        2..=4 => 2,
        5..=9 => 3,
        _ => 4,
    };
    let down = columns.len().div_ceil(across);
    let wide = (f64::from(WIDTH) - 2.0 * LEFT + 40.0) / across as f64;
    let high = 800.0 / down as f64;
    for (at, column) in columns.iter().enumerate() {
        let corner = (
            LEFT - 20.0 + (at % across) as f64 * wide,
            140.0 + (at / across) as f64 * high,
        );
        panel(canvas, column, corner, (wide, high));
    }
}

fn panel(
    canvas: &mut Canvas,
    column: &Distribution,
    (left, top): (f64, f64),
    (wide, high): (f64, f64),
) {
    let (Some(first), Some(last)) = (column.edges.first(), column.edges.last()) else {
        return;
    };
    let from = left + 84.0;
    let to = left + wide - 16.0;
    canvas.text_within(
        (from, top + 24.0),
        &column.name,
        &Ink::bold(INK, 24.0),
        to - from,
    );
    if column.withheld() {
        let middle = median(column).map_or_else(String::new, |median| {
            format!(" The median is {}.", short(median))
        });
        let mut y = top + 62.0;
        let letters = ((to - from) / LETTER) as usize;
        for line in wrapped(&format!("{WITHHELD}{middle}"), letters) {
            canvas.text_within((from, y), &line, &Ink::new(GREY, WORDS), to - from);
            y += 1.4 * WORDS;
        }
        return;
    }
    let even = even(column);
    let bars: Vec<(f64, f64, f64)> = column
        .edges
        .windows(2)
        .zip(&column.bins)
        .filter_map(|(pair, rows)| {
            let [from, to] = pair else { return None };
            let per = if even { 1.0 } else { to - from };
            Some((*from, *to, (*rows)? as f64 / per))
        })
        .collect();
    let most = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
    let frame = Frame {
        left: from,
        right: to,
        top: top + 48.0,
        bottom: top + high - 46.0,
        x: Axis::few(*first, *last, if wide > 450.0 { 6.0 } else { 4.0 }),
        y: Axis::few(0.0, if most > 0.0 { most * 1.05 } else { 1.0 }, 3.0),
    };
    frame.small(canvas);
    let height = if even {
        "patients"
    } else {
        "patients per unit"
    };
    let middle = (left + 2.0, (frame.top + frame.bottom) / 2.0);
    let ink = Ink::new(GREY, 19.0).centred().upwards();
    canvas.text_within(middle, height, &ink, frame.bottom - frame.top);
    for (from, to, rows) in bars {
        let base = frame.at(from, 0.0);
        let end = frame.at(to, rows);
        let gap = if end.0 - base.0 > 6.0 { 1.0 } else { 0.0 };
        canvas.rect((base.0 + gap, end.1), (end.0 - gap, base.1), BLUE);
    }
    if let Some(median) = median(column) {
        let x = frame.at(median, 0.0).0;
        canvas.line((x, frame.top), (x, frame.bottom), Pen(VERMILION, 3));
    }
    canvas.line(
        (frame.left, frame.bottom),
        (frame.right, frame.bottom),
        Pen(GRID, 1),
    )
}
