//! Forest plot: the odds ratio (or another effect) of every variable with its 95 % confidence
//! interval.

use crate::context::Context;
use crate::kit::axis::Axis;
use crate::kit::canvas::{BLUE, Canvas, GREY, INK, Ink, LEFT, Pen, RULE, VERMILION};
use crate::kit::frame::Frame;
use crate::kit::picture::{Heading, Picture, draw, parts};

/// Rows that can be read on one picture; more go on a second.
const ROWS: usize = 28;
/// Intervals that leave 1/1000 to 1000 are cut there and end in an arrow: they come from variables
/// the data hardly fix.
const WIDEST: f64 = 1000.0;

/// A coefficient of a fit. Without an interval its ends are NaN.
pub(crate) struct Effect<'a> {
    pub(crate) name: &'a str,
    pub(crate) estimate: f64,
    pub(crate) ci_low: f64,
    pub(crate) ci_high: f64,
}

/// What the effects are called.
pub(crate) struct Words {
    /// "Odds ratio".
    pub(crate) one: &'static str,
    /// "Odds ratios for dead14".
    pub(crate) title: String,
    /// "odds of dead14": what is lower on the left and higher on the right.
    pub(crate) of: String,
    /// What the intercept is.
    pub(crate) intercept: &'static str,
    /// What the picture shows, for the card's list of files.
    pub(crate) shows: &'static str,
    /// Whether effects are drawn as exp(coefficient), against 1, or as they are, against 0.
    pub(crate) ratio: bool,
}

/// A variable's row: estimate and interval as they are drawn, when they exist.
struct Row {
    name: String,
    effect: Option<[f64; 3]>,
}

/// `forest.svg`, `forest-2.svg`, ...; nothing for a fit without variables.
pub(crate) fn pictures(
    patients: u64,
    effects: Vec<Effect<'_>>,
    words: &Words,
    context: &Context,
) -> Vec<Picture> {
    let (intercept, variables): (Vec<Effect<'_>>, Vec<Effect<'_>>) =
        effects.into_iter().partition(|c| c.name == "(intercept)");
    let rows: Vec<Row> = variables.iter().map(|c| row(c, words, context)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let x = axis(&rows, words);
    let none = if words.ratio { 1 } else { 0 };
    let bars = if intervals(&rows) {
        format!("; bar: 95% confidence interval (grey: it includes {none})")
    } else {
        String::new()
    };
    let has_step = |c: &Effect<'_>| context.column(c.name).is_some_and(|of| of.per.is_some());
    let each = if variables.iter().any(has_step) {
        "per unit, per the step beside a name,"
    } else {
        "per unit"
    };
    let mut pictures = Vec::new();
    for (part, rows) in parts(&rows, ROWS) {
        let heading = Heading {
            title: format!("{}{}", words.title, part.page()),
            how_to_read: format!(
                "One model with all variables together. Dot: {} {each} or for yes against no{bars}.",
                words.one.to_lowercase()
            ),
        };
        let svg = draw(context, patients, &heading, |canvas| {
            sheet(canvas, rows, intercept.first(), x.clone(), words)
        });
        pictures.push(Picture {
            name: part.name("forest"),
            svg,
            shows: words.shows,
        });
    }
    pictures
}

/// Whether any row has an interval: a lasso has none.
fn intervals(rows: &[Row]) -> bool {
    rows.iter()
        .any(|row| row.effect.is_some_and(|[_, low, _]| !low.is_nan()))
}

fn row(effect: &Effect<'_>, words: &Words, context: &Context) -> Row {
    let step = context.column(effect.name).and_then(|column| column.per);
    // An interval without end is drawn with an arrow; a missing number is not drawn.
    let mut values = [effect.estimate, effect.ci_low, effect.ci_high];
    if let Some(per) = step {
        values = values.map(|value| value * per);
    }
    if words.ratio {
        values = values.map(libm::exp);
    }
    Row {
        name: context.called(effect.name),
        effect: (effect.estimate.is_finite() && values[1].is_nan() == values[2].is_nan())
            .then_some(values),
    }
}

/// The axis all sheets share: every interval, with 1 (or 0) inside and a little air.
fn axis(rows: &[Row], words: &Words) -> Axis {
    debug_assert!(!rows.is_empty(), "no picture without variables");
    if words.ratio {
        let (low, high) = ends(rows, (0.8, 1.25));
        return Axis::ratios((low / 1.12).max(1.0 / WIDEST), (high * 1.12).min(WIDEST));
    }
    let (low, high) = ends(rows, (0.0, 0.0));
    let air = 0.06 * (high - low);
    Axis::linear(low - air, high + air)
}

/// The lowest and the highest end of all intervals, no narrower than `from`.
fn ends(rows: &[Row], from: (f64, f64)) -> (f64, f64) {
    let drawn = rows.iter().filter_map(|row| row.effect).flatten();
    drawn
        .filter(|end| !end.is_nan())
        .fold(from, |(low, high), end| (low.min(end), high.max(end)))
}

fn sheet(
    canvas: &mut Canvas,
    rows: &[Row],
    intercept: Option<&Effect<'_>>,
    x: Axis,
    words: &Words,
) {
    let frame = Frame {
        left: 480.0,
        right: 1215.0,
        top: 190.0,
        bottom: 838.0,
        x,
        y: Axis::linear(0.0, 1.0),
    };
    let pitch = (frame.bottom - frame.top) / rows.len() as f64;
    for number in (0..rows.len()).step_by(2) {
        let top = frame.top + number as f64 * pitch;
        canvas.band(top, top + pitch);
    }
    let scale = if words.ratio {
        " (logarithmic scale)"
    } else {
        " (change of the outcome per unit)"
    };
    frame.columns(canvas, &format!("{}{scale}", words.one));
    let one = frame.at(if words.ratio { 1.0 } else { 0.0 }, 0.0).0;
    canvas.line((one, frame.top), (one, frame.bottom), Pen(RULE, 3));
    directions(canvas, &frame, one, (words, intervals(rows)));
    let size = (pitch * 0.6).clamp(13.0, 24.0);
    for (number, row) in rows.iter().enumerate() {
        let y = frame.top + (number as f64 + 0.5) * pitch;
        canvas.text_within((LEFT, y), &row.name, &Ink::new(INK, size), 375.0);
        match row.effect {
            Some(effect) => estimate(canvas, &frame, effect, (y, size), words.ratio),
            None => canvas.text((1245.0, y), "not estimated", &Ink::new(GREY, size)),
        }
    }
    if let Some(c) = intercept.filter(|c| c.estimate.is_finite()) {
        let text = format!(
            "Not drawn: {} {:.3}, {}.",
            c.name, c.estimate, words.intercept
        );
        canvas.text_within((LEFT, 938.0), &text, &Ink::new(GREY, 19.0), 900.0);
    }
}

/// Column heads, with the direction in words on either side of 1.
fn directions(canvas: &mut Canvas, frame: &Frame, one: f64, (words, intervals): (&Words, bool)) {
    let y = frame.top - 26.0;
    let head = Ink::bold(INK, 21.0);
    let interval = if intervals { " (95% CI)" } else { "" };
    canvas.text((LEFT, y), "Variable", &head);
    canvas.text((1245.0, y), &format!("{}{interval}", words.one), &head);
    let of = &words.of;
    let side = Ink::new(GREY, 20.0);
    let left = one - frame.left;
    let right = frame.right - one;
    if left > 110.0 {
        let text = if left > 330.0 {
            format!("\u{2190} lower {of}")
        } else {
            "\u{2190} lower".to_owned()
        };
        canvas.text_within(
            (one - 14.0, y),
            &text,
            &side.clone().right_aligned(),
            left - 14.0,
        );
    }
    if right > 110.0 {
        let text = if right > 330.0 {
            format!("higher {of} \u{2192}")
        } else {
            "higher \u{2192}".to_owned()
        };
        canvas.text_within((one + 14.0, y), &text, &side, right - 14.0);
    }
}

/// The bar, its dot, and the numbers at the right. Intervals that hold 1 are drawn in grey.
fn estimate(
    canvas: &mut Canvas,
    frame: &Frame,
    effect: [f64; 3],
    (y, size): (f64, f64),
    ratio: bool,
) {
    let [_, from, to] = effect;
    let none = if ratio { 1.0 } else { 0.0 };
    let colour = match (from > none, to < none) {
        (true, _) => VERMILION,
        (_, true) => BLUE,
        _ => GREY,
    };
    let interval = !from.is_nan() && !to.is_nan();
    let [dot, start, end] = effect.map(|value| frame.at(value, 0.0).0);
    if interval {
        let [start, end] = [start, end].map(|x| x.clamp(frame.left, frame.right));
        canvas.line((start, y), (end, y), Pen(colour, 4));
    }
    for (end, border, way) in [(start, frame.left, 12.0), (end, frame.right, -12.0)]
        .into_iter()
        .filter(|_| interval)
    {
        if (border - end) * way > 1.0 {
            canvas.polygon(
                &[
                    (border, y),
                    (border + way, y - 8.0),
                    (border + way, y + 8.0),
                ],
                colour,
            );
        } else {
            canvas.line((end, y - 6.0), (end, y + 6.0), Pen(colour, 3));
        }
    }
    if (frame.left..=frame.right).contains(&dot) {
        canvas.dot((dot, y), if size > 18.0 { 9 } else { 6 }, colour);
    }
    let text = if ratio {
        numbers(effect)
    } else {
        differences(effect)
    };
    canvas.text_within((1245.0, y), &text, &Ink::new(INK, size), 275.0)
}

/// "1.04 (1.03-1.05)": two decimals, three where two would hide which side of 1 the number is on,
/// fewer for big ones.
fn numbers([at, from, to]: [f64; 3]) -> String {
    let digits = if [at, from, to].into_iter().any(is_near_one) {
        3
    } else {
        2
    };
    if from.is_nan() {
        return ratio(at, digits);
    }
    // A dash beside `<` or `>` would read as an arrow.
    let between = if from < 0.005 || to > WIDEST {
        " to "
    } else {
        "-"
    };
    let [at, from, to] = [at, from, to].map(|value| ratio(value, digits));
    format!("{at} ({from}{between}{to})")
}

fn is_near_one(value: f64) -> bool {
    (value - 1.0).abs() < 0.005 && value != 1.0
}

fn ratio(value: f64, digits: usize) -> String {
    match value {
        v if v > WIDEST => format!(">{WIDEST:.0}"),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v < 0.005 => "<0.005".to_owned(),
        v => format!("{v:.digits$}"),
    }
}

/// "0.597 (0.293 to 0.900)": all with the same decimals.
fn differences([at, from, to]: [f64; 3]) -> String {
    let size = [at, from, to]
        .into_iter()
        .filter(|value| value.is_finite())
        .fold(0.0f64, |a, b| a.max(b.abs()));
    // Three digits, two for small numbers, whose zeros need room too.
    let wanted = if size < 0.1 { 1.0 } else { 2.0 };
    let digits = if size > 0.0 {
        (wanted - libm::log10(size).floor()).clamp(0.0, 9.0) as usize
    } else {
        0
    };
    if from.is_nan() {
        format!("{at:.digits$}")
    } else {
        format!("{at:.digits$} ({from:.digits$} to {to:.digits$})")
    }
}

#[cfg(test)]
mod tests {
    use super::{differences, numbers};

    #[test]
    fn an_odds_ratio_is_printed_with_the_digits_that_matter() {
        assert_eq!(numbers([1.0360, 1.0275, 1.0445]), "1.04 (1.03-1.04)");
        assert_eq!(numbers([1.0022, 0.9994, 1.0050]), "1.002 (0.999-1.005)");
        assert_eq!(numbers([23.33, 15.88, 34.28]), "23.3 (15.9-34.3)");
        assert_eq!(
            numbers([0.0001, 0.0, f64::INFINITY]),
            "<0.005 (<0.005 to >1000)"
        );
    }

    #[test]
    fn a_difference_keeps_the_digits_that_matter() {
        assert_eq!(
            differences([-0.012_37, -0.021_11, 0.003_66]),
            "-0.012 (-0.021 to 0.004)"
        );
        assert_eq!(differences([123.4, f64::NAN, f64::NAN]), "123");
    }
}
