//! The sheet of paper: lines, dots and texts on an SVG of fixed size, by way of `plotters`' SVG
//! backend.
//!
//! `plotters` writes and escapes the elements; its own chart layout is not used, because without a
//! font library it can only guess how wide a text is. Here every text is given the room it may take
//! and shrinks to fit.

use super::ReleaseError;
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
};

pub(super) const WIDTH: u32 = 1600;
pub(super) const HEIGHT: u32 = 1000;
/// Margin at both sides.
pub(super) const LEFT: f64 = 80.0;

/// Okabe and Ito's palette, and greys.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub(super) const INK: RGBColor = RGBColor(34, 34, 34);
pub(super) const GREY: RGBColor = RGBColor(95, 95, 95);
pub(super) const RULE: RGBColor = RGBColor(120, 120, 120);
pub(super) const GRID: RGBColor = RGBColor(228, 228, 228);
pub(super) const BAND: RGBColor = RGBColor(246, 248, 250);
const PAPER: RGBColor = RGBColor(255, 255, 255);

/// Fonts that are on every computer somewhere in this list; the picture names them and carries
/// none.
const FONT: &str = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif";
/// Average width of a letter over the font size: on the safe side for the fonts above.
const LETTER: f64 = 0.54;
/// No text gets smaller than this, however little room it has.
const SMALLEST: f64 = 9.0;

/// A point in pixels from the upper left corner.
pub(super) type Point = (f64, f64);

/// Colour, size and direction of a text.
#[derive(Clone)]
pub(super) struct Ink {
    colour: RGBColor,
    size: f64,
    bold: bool,
    anchor: HPos,
    upwards: bool,
}

impl Ink {
    pub(super) fn new(colour: RGBColor, size: f64) -> Self {
        Self {
            colour,
            size,
            bold: false,
            anchor: HPos::Left,
            upwards: false,
        }
    }
    pub(super) fn bold(colour: RGBColor, size: f64) -> Self {
        Self {
            bold: true,
            ..Self::new(colour, size)
        }
    }
    /// The text ends at its point.
    pub(super) fn right_aligned(self) -> Self {
        Self {
            anchor: HPos::Right,
            ..self
        }
    }
    /// The text is centred on its point.
    pub(super) fn centred(self) -> Self {
        Self {
            anchor: HPos::Center,
            ..self
        }
    }
    /// The text reads from below upwards.
    pub(super) fn upwards(self) -> Self {
        Self {
            upwards: true,
            ..self
        }
    }

    fn width(&self, text: &str) -> f64 {
        let letter = if self.bold { LETTER * 1.07 } else { LETTER };
        text.chars().count() as f64 * letter * self.size
    }
}

/// A stroke: colour and width in pixels.
#[derive(Clone, Copy)]
pub(super) struct Pen(pub(super) RGBColor, pub(super) u32);

impl Pen {
    fn style(self) -> ShapeStyle {
        ShapeStyle {
            color: self.0.to_rgba(),
            filled: false,
            stroke_width: self.1,
        }
    }
}

/// An SVG being drawn.
pub(super) struct Canvas<'a> {
    svg: SVGBackend<'a>,
}

type Drawn = Result<(), ReleaseError>;

fn drawn<E: std::fmt::Display>(result: Result<(), E>) -> Drawn {
    result.map_err(|error| ReleaseError::Picture(error.to_string()))
}

/// Points far outside are kept at the border of a much larger sheet: the numbers stay small and the
/// picture right.
fn pixel(point: Point) -> (i32, i32) {
    let whole = |value: f64| value.round().clamp(-1e5, 1e5) as i32;
    (whole(point.0), whole(point.1))
}

impl<'a> Canvas<'a> {
    pub(super) fn new(out: &'a mut String) -> Result<Self, ReleaseError> {
        let mut canvas = Self {
            svg: SVGBackend::with_string(out, (WIDTH, HEIGHT)),
        };
        canvas.rect((0.0, 0.0), (f64::from(WIDTH), f64::from(HEIGHT)), PAPER)?;
        Ok(canvas)
    }

    pub(super) fn finish(mut self) -> Drawn {
        drawn(self.svg.present())
    }

    pub(super) fn line(&mut self, from: Point, to: Point, pen: Pen) -> Drawn {
        drawn(self.svg.draw_line(pixel(from), pixel(to), &pen.style()))
    }

    /// A line of dashes.
    pub(super) fn dashes(&mut self, from: Point, to: Point, pen: Pen) -> Drawn {
        const DASH: f64 = 9.0;
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |way: f64| {
            let share = (way / length).min(1.0);
            (
                from.0 + (to.0 - from.0) * share,
                from.1 + (to.1 - from.1) * share,
            )
        };
        let mut way = 0.0;
        while way < length {
            self.line(at(way), at(way + DASH), pen)?;
            way += 2.0 * DASH;
        }
        Ok(())
    }

    /// A line through all points.
    pub(super) fn path(&mut self, points: &[Point], pen: Pen) -> Drawn {
        drawn(
            self.svg
                .draw_path(points.iter().copied().map(pixel), &pen.style()),
        )
    }

    pub(super) fn polygon(&mut self, points: &[Point], colour: RGBColor) -> Drawn {
        drawn(
            self.svg
                .fill_polygon(points.iter().copied().map(pixel), &Pen(colour, 1).style()),
        )
    }

    pub(super) fn rect(&mut self, from: Point, to: Point, colour: RGBColor) -> Drawn {
        drawn(
            self.svg
                .draw_rect(pixel(from), pixel(to), &Pen(colour, 1).style(), true),
        )
    }

    /// A rectangle that lets what is below shine through.
    pub(super) fn shade(&mut self, from: Point, to: Point, colour: RGBColor) -> Drawn {
        let style = ShapeStyle {
            color: colour.mix(0.16),
            filled: true,
            stroke_width: 0,
        };
        drawn(self.svg.draw_rect(pixel(from), pixel(to), &style, true))
    }

    pub(super) fn dot(&mut self, centre: Point, radius: u32, colour: RGBColor) -> Drawn {
        drawn(
            self.svg
                .draw_circle(pixel(centre), radius, &Pen(colour, 1).style(), true),
        )
    }

    /// A text whose middle height is at the point.
    pub(super) fn text(&mut self, at: Point, text: &str, ink: &Ink) -> Drawn {
        // Control characters are not XML, whatever the study's title holds.
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let style = if ink.bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        let turn = if ink.upwards {
            FontTransform::Rotate270
        } else {
            FontTransform::None
        };
        // The backend divides sizes by 1.24 (pixels to points): undone here, so that a size is in
        // pixels.
        let font = FontDesc::new(FontFamily::Name(FONT), ink.size * 1.24, style).transform(turn);
        let style = TextStyle::from(font)
            .color(&ink.colour)
            .pos(Pos::new(ink.anchor, VPos::Center));
        drawn(self.svg.draw_text(&text, &style, pixel(at)))
    }

    /// A text that shrinks until it fits `room` pixels.
    pub(super) fn text_within(&mut self, at: Point, text: &str, ink: &Ink, room: f64) -> Drawn {
        let wide = ink.width(text);
        let size = if wide > room {
            (ink.size * room / wide).max(SMALLEST)
        } else {
            ink.size
        };
        self.text(
            at,
            text,
            &Ink {
                size,
                ..ink.clone()
            },
        )
    }
}

/// Adds what a screen reader says.
pub(super) fn described(svg: String, title: &str, description: &str) -> String {
    let clean = |text: &str| -> String {
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let words = format!(
        "<title>{}</title>\n<desc>{}</desc>\n",
        clean(title),
        clean(description)
    );
    match svg.split_once(">\n") {
        Some((open, rest)) => format!("{open} role=\"img\">\n{words}{rest}"),
        None => svg,
    }
}
