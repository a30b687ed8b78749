//! The frame of a plot: its axes and its light grid.

use super::axis::Axis;
use super::canvas::{Canvas, GREY, GRID, INK, Ink, Pen, Point, RULE};

/// The rectangle of a plot with its two axes.
pub(crate) struct Frame {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

impl Frame {
    /// Where the values stand on the sheet.
    pub(crate) fn at(&self, x: f64, y: f64) -> Point {
        (
            self.x.place(x, self.left, self.right),
            self.y.place(y, self.bottom, self.top),
        )
    }

    /// Grid, tick labels and the names of the axes.
    pub(crate) fn draw(&self, canvas: &mut Canvas, x_name: &str, y_name: &str) {
        self.columns(canvas, x_name);
        let ink = Ink::new(GREY, 21.0).right_aligned();
        for (value, label) in self.y.labelled() {
            let y = self.y.place(*value, self.bottom, self.top);
            canvas.line((self.left, y), (self.right, y), Pen(GRID, 1));
            canvas.text((self.left - 12.0, y), label, &ink);
        }
        let middle = (self.top + self.bottom) / 2.0;
        let room = self.bottom - self.top;
        canvas.text_within(
            (self.left - 104.0, middle),
            y_name,
            &Ink::new(INK, 23.0).centred().upwards(),
            room,
        );
        canvas.line(
            (self.left, self.top),
            (self.left, self.bottom),
            Pen(RULE, 2),
        );
        canvas.line(
            (self.left, self.bottom),
            (self.right, self.bottom),
            Pen(RULE, 2),
        )
    }

    /// Grid and tick labels of a small plot, whose axes are named elsewhere.
    pub(crate) fn small(&self, canvas: &mut Canvas) {
        let ink = Ink::new(GREY, 19.0);
        for (value, label) in self.y.labelled() {
            let y = self.y.place(*value, self.bottom, self.top);
            canvas.line((self.left, y), (self.right, y), Pen(GRID, 1));
            canvas.text_within(
                (self.left - 8.0, y),
                label,
                &ink.clone().right_aligned(),
                62.0,
            );
        }
        for (value, label) in self.x.labelled() {
            let x = self.x.place(*value, self.left, self.right);
            canvas.line((x, self.bottom), (x, self.bottom + 5.0), Pen(RULE, 2));
            canvas.text((x, self.bottom + 20.0), label, &ink.clone().centred());
        }
        canvas.line(
            (self.left, self.bottom),
            (self.right, self.bottom),
            Pen(RULE, 2),
        )
    }

    /// The vertical grid lines alone, with their labels below and the name of the axis.
    pub(crate) fn columns(&self, canvas: &mut Canvas, x_name: &str) {
        let ink = Ink::new(GREY, 21.0).centred();
        for (value, label) in self.x.labelled() {
            let x = self.x.place(*value, self.left, self.right);
            canvas.line((x, self.top), (x, self.bottom), Pen(GRID, 1));
            canvas.text((x, self.bottom + 24.0), label, &ink);
        }
        let middle = (self.left + self.right) / 2.0;
        let room = self.right - self.left + 100.0;
        canvas.text_within(
            (middle, self.bottom + 62.0),
            x_name,
            &Ink::new(INK, 23.0).centred(),
            room,
        )
    }
}
