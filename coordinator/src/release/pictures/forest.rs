//! Forest plot: the odds ratio of every variable with its 95 % confidence interval.

use super::super::{Context, ReleaseError};
use super::axis::{Axis, Frame};
use super::canvas::{BAND, BLUE, Canvas, GREY, INK, Ink, LEFT, Pen, RULE, VERMILION, WIDTH};
use super::{Heading, outcome_name, picture};
use motet_recipes::{Coefficient, LogisticOutcome};

/// Rows that can be read on one picture; more go on a second.
const ROWS: usize = 28;
/// Intervals that leave 1/1000 to 1000 are cut there and end in an arrow: they come from variables the data hardly fix.
const WIDEST: f64 = 1000.0;

/// A variable's row: the three odds ratios, when they exist.
struct Row<'a> {
    name: &'a str,
    unit: Option<&'a str>,
    ratio: Option<[f64; 3]>,
}

/// `forest.svg`, `forest-2.svg`, ...; nothing for a fit without variables.
pub(super) fn draw(fit: &LogisticOutcome, context: &Context) -> Result<Vec<(String, String)>, ReleaseError> {
    let (intercept, variables): (Vec<&Coefficient>, Vec<&Coefficient>) =
        fit.coefficients.iter().partition(|c| c.name == "(intercept)");
    let rows: Vec<Row<'_>> = variables.into_iter().map(|c| row(c, context)).collect();
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let sheets = rows.len().div_ceil(ROWS);
    let (low, high) = range(&rows);
    let mut pictures = Vec::new();
    for (number, rows) in (1..).zip(rows.chunks(rows.len().div_ceil(sheets))) {
        let page = if sheets > 1 { format!(" ({number} of {sheets})") } else { String::new() };
        let heading = Heading {
            title: format!("Odds ratios for {}{page}", outcome_name(context)),
            how_to_read:
                "One model with all variables together. Dot: odds ratio per unit or for yes against no; \
                          bar: 95% confidence interval (grey: it includes 1)."
                    .to_owned(),
        };
        let svg = picture(context, fit.rows, &heading, |canvas| {
            sheet(canvas, rows, &intercept, (low, high), context)
        })?;
        let name = if number == 1 { "forest.svg".to_owned() } else { format!("forest-{number}.svg") };
        pictures.push((name, svg));
    }
    Ok(pictures)
}

fn row<'a>(coefficient: &'a Coefficient, context: &'a Context) -> Row<'a> {
    let ratio = [coefficient.estimate, coefficient.ci_low, coefficient.ci_high].map(f64::exp);
    // An interval without end is drawn with an arrow; a missing number is not drawn.
    let drawable = coefficient.estimate.is_finite() && !ratio.iter().any(|r| r.is_nan());
    Row {
        name: &coefficient.name,
        unit: context.units.get(&coefficient.name).map(String::as_str),
        ratio: drawable.then_some(ratio),
    }
}

/// The axis all sheets share: every interval, with 1 inside and a little air.
fn range(rows: &[Row<'_>]) -> (f64, f64) {
    let ratios = rows.iter().filter_map(|row| row.ratio);
    let (low, high) = ratios
        .fold((0.8f64, 1.25f64), |(low, high), [at, from, to]| (low.min(from).min(at), high.max(to).max(at)));
    ((low / 1.12).max(1.0 / WIDEST), (high * 1.12).min(WIDEST))
}

fn sheet(
    canvas: &mut Canvas<'_>,
    rows: &[Row<'_>],
    intercept: &[&Coefficient],
    (low, high): (f64, f64),
    context: &Context,
) -> Result<(), ReleaseError> {
    let frame = Frame {
        left: 480.0,
        right: 1215.0,
        top: 190.0,
        bottom: 838.0,
        x: Axis::ratios(low, high),
        y: Axis::linear(0.0, 1.0),
    };
    let pitch = (frame.bottom - frame.top) / rows.len() as f64;
    for number in (0..rows.len()).step_by(2) {
        let top = frame.top + number as f64 * pitch;
        canvas.rect((LEFT - 12.0, top), (f64::from(WIDTH) - LEFT + 12.0, top + pitch), BAND)?;
    }
    frame.columns(canvas, "Odds ratio (logarithmic scale)")?;
    let one = frame.at(1.0, 0.0).0;
    canvas.line((one, frame.top), (one, frame.bottom), Pen(RULE, 3))?;
    directions(canvas, &frame, one, context)?;
    let size = (pitch * 0.6).clamp(13.0, 24.0);
    for (number, row) in rows.iter().enumerate() {
        let y = frame.top + (number as f64 + 0.5) * pitch;
        label(canvas, row, y, size)?;
        match row.ratio {
            Some(ratio) => estimate(canvas, &frame, ratio, y, size)?,
            None => canvas.text((1245.0, y), "not estimated", &Ink::new(GREY, size))?,
        }
    }
    if let Some(c) = intercept.first().filter(|c| c.estimate.is_finite()) {
        let text = format!(
            "Not drawn: {} {:.3}, the log odds of a patient with 0 in every variable.",
            c.name, c.estimate
        );
        canvas.text_within((LEFT, 938.0), &text, &Ink::new(GREY, 19.0), 900.0)?;
    }
    Ok(())
}

/// Column heads, with the direction in words on either side of 1.
fn directions(
    canvas: &mut Canvas<'_>,
    frame: &Frame,
    one: f64,
    context: &Context,
) -> Result<(), ReleaseError> {
    let y = frame.top - 26.0;
    let head = Ink::bold(INK, 21.0);
    canvas.text((LEFT, y), "Variable", &head)?;
    canvas.text((1245.0, y), "Odds ratio (95% CI)", &head)?;
    let outcome = outcome_name(context);
    let side = Ink::new(GREY, 20.0);
    let (left, right) = (one - frame.left, frame.right - one);
    if left > 110.0 {
        let text = if left > 330.0 {
            format!("\u{2190} lower odds of {outcome}")
        } else {
            "\u{2190} lower".to_owned()
        };
        canvas.text_within((one - 14.0, y), &text, &side.clone().right_aligned(), left - 14.0)?;
    }
    if right > 110.0 {
        let text = if right > 330.0 {
            format!("higher odds of {outcome} \u{2192}")
        } else {
            "higher \u{2192}".to_owned()
        };
        canvas.text_within((one + 14.0, y), &text, &side, right - 14.0)?;
    }
    Ok(())
}

/// The variable's name and, in grey at the end of the column, its unit.
fn label(canvas: &mut Canvas<'_>, row: &Row<'_>, y: f64, size: f64) -> Result<(), ReleaseError> {
    let room = match row.unit {
        Some(unit) => {
            let text = format!("per {unit}");
            canvas.text_within((455.0, y), &text, &Ink::new(GREY, size * 0.85).right_aligned(), 130.0)?;
            230.0
        }
        None => 375.0,
    };
    canvas.text_within((LEFT, y), row.name, &Ink::new(INK, size), room)
}

/// The bar, its dot, and the numbers at the right. Intervals that hold 1 are drawn in grey.
fn estimate(
    canvas: &mut Canvas<'_>,
    frame: &Frame,
    ratio: [f64; 3],
    y: f64,
    size: f64,
) -> Result<(), ReleaseError> {
    let [at, from, to] = ratio;
    let colour = match (from > 1.0, to < 1.0) {
        (true, _) => VERMILION,
        (_, true) => BLUE,
        _ => GREY,
    };
    let inside = |x: f64| x.clamp(frame.left, frame.right);
    let x = |value: f64| frame.at(value, 0.0).0;
    canvas.line((inside(x(from)), y), (inside(x(to)), y), Pen(colour, 4))?;
    for (end, border, way) in [(x(from), frame.left, 12.0), (x(to), frame.right, -12.0)] {
        if (border - end) * way > 1.0 {
            canvas.polygon(&[(border, y), (border + way, y - 8.0), (border + way, y + 8.0)], colour)?;
        } else {
            canvas.line((end, y - 6.0), (end, y + 6.0), Pen(colour, 3))?;
        }
    }
    if (frame.left..=frame.right).contains(&x(at)) {
        canvas.dot((x(at), y), if size > 18.0 { 9 } else { 6 }, colour)?;
    }
    canvas.text_within((1245.0, y), &numbers(ratio), &Ink::new(INK, size), 275.0)
}

/// "1.04 (1.03-1.05)": two decimals, three where two would hide which side of 1 the number is on, fewer for big ones.
fn numbers([at, from, to]: [f64; 3]) -> String {
    let near_one = |value: f64| (value - 1.0).abs() < 0.005 && value != 1.0;
    let digits = if near_one(at) || near_one(from) || near_one(to) { 3 } else { 2 };
    let print = |value: f64| match value {
        v if v > WIDEST => format!(">{WIDEST:.0}"),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v < 0.005 => "<0.005".to_owned(),
        v => format!("{v:.digits$}"),
    };
    // A dash beside `<` or `>` would read as an arrow.
    let between = if from < 0.005 || to > WIDEST { " to " } else { "-" };
    format!("{} ({}{between}{})", print(at), print(from), print(to))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn an_odds_ratio_is_printed_with_the_digits_that_matter() {
        assert_eq!(numbers([1.0360, 1.0275, 1.0445]), "1.04 (1.03-1.04)");
        assert_eq!(numbers([1.0022, 0.9994, 1.0050]), "1.002 (0.999-1.005)");
        assert_eq!(numbers([23.33, 15.88, 34.28]), "23.3 (15.9-34.3)");
        assert_eq!(numbers([0.0001, 0.0, f64::INFINITY]), "<0.005 (<0.005 to >1000)");
    }
}
