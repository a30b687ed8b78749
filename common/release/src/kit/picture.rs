//! Pictures of a release as SVG, 1600 by 1000, for a clinician's slide.
//!
//! One look for all: a title in plain words, a line that says how to read it, one plot, and a
//! footnote with the study, the sites and the patients. Colours are from the Okabe-Ito palette,
//! which colour-blind readers can tell apart.

use super::canvas::{BLUE, Canvas, GREY, HEIGHT, INK, Ink, LEFT, WIDTH};
use super::words::{thousands, wrapped};
use crate::context::Context;

/// A file of the release folder.
pub(crate) struct Picture {
    /// Its file name.
    pub(crate) name: String,
    pub(crate) svg: String,
    /// What it shows, for the card's list of files.
    pub(crate) shows: &'static str,
}

/// The two lines at the top.
pub(crate) struct Heading {
    pub(crate) title: String,
    pub(crate) how_to_read: String,
}

/// One of the sheets that something is drawn on, for which one is too small.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    number: usize,
    of: usize,
}

/// Even parts of at most that many.
pub(crate) fn parts<T>(all: &[T], most: usize) -> impl Iterator<Item = (Part, &[T])> {
    let of = all.len().div_ceil(most).max(1);
    let each = all.len().div_ceil(of).max(1);
    debug_assert!(each <= most, "a part is no larger than a sheet");
    let numbered = (1..).zip(all.chunks(each));
    numbered.map(move |(number, part)| (Part { number, of }, part))
}

impl Part {
    /// " (1 of 2)" for the title, where there are several.
    pub(crate) fn page(self) -> String {
        let Self { number, of } = self;
        if of > 1 {
            format!(" ({number} of {of})")
        } else {
            String::new()
        }
    }

    /// "forest.svg", "forest-2.svg".
    pub(crate) fn name(self, stem: &str) -> String {
        match self.number {
            1 => format!("{stem}.svg"),
            number => format!("{stem}-{number}.svg"),
        }
    }
}

/// Draws a picture with its heading and footnote around `inside`; `description` is read out by
/// screen readers.
pub(crate) fn draw(
    context: &Context,
    rows: u64,
    heading: &Heading,
    inside: impl FnOnce(&mut Canvas),
) -> String {
    let mut canvas = Canvas::new(&heading.title, &heading.how_to_read);
    let room = f64::from(WIDTH) - 2.0 * LEFT;
    canvas.text_within((LEFT, 62.0), &heading.title, &Ink::bold(INK, 40.0), room);
    canvas.text_within(
        (LEFT, 108.0),
        &heading.how_to_read,
        &Ink::new(GREY, 23.0),
        room,
    );
    inside(&mut canvas);
    let from = format!(
        "Study {}, {}, {} patients. Only masked sums left the sites. Run {}.",
        context.study,
        context.sites_in_words(),
        thousands(rows),
        context.run.chars().take(8).collect::<String>()
    );
    let foot = f64::from(HEIGHT) - 26.0;
    canvas.text_within((LEFT, foot), &from, &Ink::new(GREY, 19.0), 1180.0);
    let by = if context.consortium.is_empty() {
        &context.software
    } else {
        &context.consortium
    };
    canvas.text_within(
        (f64::from(WIDTH) - LEFT, foot),
        by,
        &Ink::new(GREY, 19.0).right_aligned(),
        240.0,
    );
    canvas.finish()
}

/// The outcome column as it stands in a sentence: by its label, where it has one.
pub(crate) fn outcome_name(context: &Context) -> &str {
    let column = context.column(&context.outcome);
    match column.and_then(|column| column.label.as_deref()) {
        Some(label) => label,
        None if context.outcome.is_empty() => "the outcome",
        None => &context.outcome,
    }
}

/// A big number with a line below it, in the panel at the right; gives the height after it.
pub(crate) fn big_number(canvas: &mut Canvas, at: (f64, f64), value: &str, label: &str) -> f64 {
    canvas.text_within(at, value, &Ink::bold(BLUE, 58.0), 560.0);
    canvas.text_within((at.0, at.1 + 46.0), label, &Ink::new(INK, 23.0), 560.0);
    at.1 + 46.0
}

/// Lines of running text in the panel at the right; gives the height after them.
pub(crate) fn lines(canvas: &mut Canvas, at: (f64, f64), text: &str) -> f64 {
    let ink = Ink::new(GREY, 22.0);
    let mut y = at.1;
    for line in wrapped(text, 54) {
        canvas.text_within((at.0, y), &line, &ink, 600.0);
        y += 32.0;
    }
    y
}
