//! Curves on as many sheets as they need.

use super::curves::{CURVES, Line, Sheet, draw};
use crate::context::Context;
use crate::kit::picture::{Heading, Picture, outcome_name, parts};

/// What the sheets share.
pub(crate) struct Sheets<'a> {
    /// What their names begin with.
    pub(crate) stem: &'static str,
    pub(crate) title: String,
    pub(crate) how_to_read: &'static str,
    /// What they show, for the card's list of files.
    pub(crate) shows: &'static str,
    pub(crate) rows: u64,
    pub(crate) notes: &'a [String],
}

impl Sheets<'_> {
    /// `STEM.svg`, `STEM-2.svg`, ...; nothing without a curve that begins.
    pub(crate) fn pictures(&self, lines: &[Line], context: &Context) -> Vec<Picture> {
        let ends = lines
            .iter()
            .filter_map(|line| line.steps.last())
            .map(|step| step.time);
        let last = ends.fold(0.0, f64::max);
        if lines.is_empty() || last <= 0.0 {
            return Vec::new();
        }
        let mut pictures = Vec::new();
        for (part, lines) in parts(lines, CURVES) {
            let sheet = Sheet {
                heading: Heading {
                    title: format!("{}{}", self.title, part.page()),
                    how_to_read: self.how_to_read.to_owned(),
                },
                rows: self.rows,
                x_name: context.time_axis(),
                y_name: format!("Share without {}", outcome_name(context)),
                last,
                notes: self.notes.to_vec(),
                lines,
            };
            pictures.push(Picture {
                name: part.name(self.stem),
                svg: draw(&sheet, context),
                shows: self.shows,
            });
        }
        pictures
    }
}
