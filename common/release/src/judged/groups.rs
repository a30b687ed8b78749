//! How the model does in groups of patients and at sites
//! that tell it: AUC, or the bias of a number, with
//! intervals.

use super::told;
use crate::context::Context;
use crate::kit::axis::Axis;
use crate::kit::canvas::{BLUE, Canvas, GREY, INK, Ink, LEFT, Pen, RULE};
use crate::kit::frame::Frame;
use crate::kit::picture::{Heading, Picture, draw, outcome_name, parts};
use crate::kit::words::thousands;
use motet_recipes::subgroups::Measure;
use motet_recipes::{Figures, Interval, Shown};

/// Lines that can be read on one picture; more go on a
/// second.
const LINES: usize = 26;

/// A line of the picture.
struct Line {
    name: String,
    /// Nothing heads a group.
    figures: Option<(u64, Interval)>,
}

/// `groups.svg`, `groups-2.svg`, ...; nothing where nothing
/// is shown.
///
/// `patients` are those that the model is judged on, `auc`
/// its figure on all of them.
pub(crate) fn pictures(patients: u64, auc: Option<f64>, context: &Context) -> Vec<Picture> {
    let lines = lines(context);
    let ends = lines.iter().filter_map(|line| line.figures.as_ref());
    let ends = ends
        .flat_map(|(_, at)| [at.low, at.high])
        .filter(|end| end.is_finite());
    let Some((low, high)) = ends.fold(None, |range: Option<(f64, f64)>, end| {
        Some(range.map_or((end, end), |(low, high)| (low.min(end), high.max(end))))
    }) else {
        return Vec::new();
    };
    let measure = context
        .findings
        .as_ref()
        .map_or(Measure::Risk, |findings| findings.measure);
    let number = measure == Measure::Number;
    let line_at = if number {
        Some(0.0)
    } else {
        auc.filter(|auc| auc.is_finite())
    };
    let (low, high) = line_at.map_or((low, high), |at| (low.min(at), high.max(at)));
    let air = 0.05 * (high - low).max(0.01);
    let x = if number {
        Axis::linear(low - air, high + air)
    } else {
        Axis::linear((low - air).max(0.0), (high + air).min(1.0))
    };
    let name = outcome_name(context);
    let (title, words, dot, worst) = match measure {
        Measure::Risk => (
            format!("How well {name} is told apart in groups"),
            "AUC",
            "AUC",
            "The worst of a group",
        ),
        Measure::Number => (
            format!("Predictions of {name} in groups of patients"),
            "Outcome less prediction",
            "outcome less prediction",
            "The largest error of a group",
        ),
        Measure::Time => (
            format!("Who has {name} first: the model in groups"),
            "C-index",
            "C-index of pairs at one site",
            "The worst of a group",
        ),
    };
    let reading = match line_at {
        Some(_) if number => "; grey line: no bias",
        Some(_) => "; grey line: all patients",
        None => "",
    };
    let mut pictures = Vec::new();
    for (part, lines) in parts(&lines, LINES) {
        let heading = Heading {
            title: format!("{title}{}", part.page()),
            how_to_read: format!(
                "One model for all. Dot: {dot}; bar: its 95% confidence interval{reading}. {worst} comes first."
            ),
        };
        let svg = draw(context, patients, &heading, |canvas| {
            sheet(canvas, lines, x.clone(), (words, line_at))
        });
        pictures.push(Picture {
            name: part.name("groups"),
            svg,
            shows: "the model in groups of patients and at sites",
        });
    }
    pictures
}

/// Groups with the levels that are shown, then the sites.
fn lines(context: &Context) -> Vec<Line> {
    let Some(findings) = &context.findings else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for group in &findings.groups {
        let shown = group.levels.iter().filter_map(|level| match &level.shown {
            Shown::Figures(figures) => line(&level.name, figures),
            Shown::Hidden(_) => None,
        });
        lines.extend(headed(&context.labelled(&group.column), shown.collect()));
    }
    let mut sites = told::told(findings, context);
    sites.sort_by(|a, b| a.1.merit().total_cmp(&b.1.merit()));
    let sites = sites
        .iter()
        .filter_map(|(name, figures)| line(name, figures));
    lines.extend(headed("Sites that tell their figures", sites.collect()));
    lines
}

fn line(name: &str, figures: &Figures) -> Option<Line> {
    let interval = match figures {
        Figures::Risk(found) => found.auc?,
        Figures::Number(found) => found.bias,
        Figures::Time(found) => found.c_index?,
    };
    Some(Line {
        name: name.to_owned(),
        figures: Some((figures.rows(), interval)),
    })
}

/// The members of a group below its name; nothing without
/// members.
fn headed(head: &str, mut members: Vec<Line>) -> Vec<Line> {
    if !members.is_empty() {
        members.insert(
            0,
            Line {
                name: head.to_owned(),
                figures: None,
            },
        );
    }
    members
}

fn sheet(canvas: &mut Canvas, lines: &[Line], x: Axis, (measure, line_at): (&str, Option<f64>)) {
    let frame = Frame {
        left: 560.0,
        right: 1215.0,
        top: 190.0,
        bottom: 838.0,
        x,
        y: Axis::linear(0.0, 1.0),
    };
    // A picture of few lines does not stretch them over the sheet.
    let pitch = ((frame.bottom - frame.top) / lines.len() as f64).min(60.0);
    let bottom = frame.top + pitch * lines.len() as f64;
    let frame = Frame { bottom, ..frame };
    for (number, _) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.figures.is_none())
    {
        let top = frame.top + number as f64 * pitch;
        canvas.band(top, top + pitch);
    }
    frame.columns(canvas, measure);
    let head = Ink::bold(INK, 21.0);
    canvas.text((LEFT, frame.top - 26.0), "Group", &head);
    canvas.text(
        (530.0, frame.top - 26.0),
        "Patients",
        &head.clone().right_aligned(),
    );
    canvas.text_within(
        (1245.0, frame.top - 26.0),
        &format!("{measure} (95% CI)"),
        &head,
        275.0,
    );
    if let Some(at) = line_at {
        let at = frame.at(at, 0.0).0;
        canvas.line((at, frame.top), (at, frame.bottom), Pen(RULE, 3));
    }
    let size = (pitch * 0.6).clamp(13.0, 24.0);
    for (number, line) in lines.iter().enumerate() {
        let y = frame.top + (number as f64 + 0.5) * pitch;
        let Some((patients, at)) = &line.figures else {
            canvas.text_within((LEFT, y), &line.name, &Ink::bold(INK, size), 460.0);
            continue;
        };
        canvas.text_within((LEFT + 24.0, y), &line.name, &Ink::new(INK, size), 330.0);
        let count = thousands(*patients);
        canvas.text_within(
            (530.0, y),
            &count,
            &Ink::new(GREY, size).right_aligned(),
            110.0,
        );
        let [low, estimate, high] = [at.low, at.estimate, at.high]
            .map(|value| frame.at(value, 0.0).0.clamp(frame.left, frame.right));
        canvas.line((low, y), (high, y), Pen(BLUE, 4));
        for end in [low, high] {
            canvas.line((end, y - 6.0), (end, y + 6.0), Pen(BLUE, 3));
        }
        canvas.dot((estimate, y), if size > 18.0 { 9 } else { 6 }, BLUE);
        canvas.text_within(
            (1245.0, y),
            &printed(*at, line_at != Some(0.0)),
            &Ink::new(INK, size),
            275.0,
        );
    }
}

/// "0.812 (0.790 to 0.834)": shares with three decimals,
/// numbers of any size with the digits that fit it.
fn printed(at: Interval, share: bool) -> String {
    let size = [at.estimate, at.low, at.high]
        .into_iter()
        .fold(0.0_f64, |most, end| most.max(end.abs()));
    let fitting = if size > 0.0 {
        (2.0 - libm::log10(size).floor()).clamp(0.0, 9.0) as usize
    } else {
        0
    };
    let places = if share { 3 } else { fitting };
    let [at, low, high] = [at.estimate, at.low, at.high].map(|value| unsigned(value, places));
    format!("{at} ({low} to {high})")
}

/// A rounded minus zero confuses readers.
fn unsigned(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let none = format!("-{:.places$}", 0.0);
    if text == none {
        text.trim_start_matches('-').to_owned()
    } else {
        text
    }
}
