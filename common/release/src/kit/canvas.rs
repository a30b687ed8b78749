//! The sheet of paper: lines, dots and texts on an SVG of fixed size.
//!
//! Without a font library nobody can tell how wide a text is. Here every text is given the room it
//! may take and shrinks to fit.

use std::fmt::Write as _;

/// A colour: red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

pub(crate) const WIDTH: u32 = 1600;
pub(crate) const HEIGHT: u32 = 1000;
/// Margin at both sides.
pub(crate) const LEFT: f64 = 80.0;

/// Okabe and Ito's palette, and greys.
pub(crate) const BLUE: Colour = Colour(0, 114, 178);
pub(crate) const VERMILION: Colour = Colour(213, 94, 0);
pub(crate) const INK: Colour = Colour(34, 34, 34);
pub(crate) const GREY: Colour = Colour(95, 95, 95);
pub(crate) const RULE: Colour = Colour(120, 120, 120);
pub(crate) const GRID: Colour = Colour(228, 228, 228);
const BAND: Colour = Colour(246, 248, 250);
const PAPER: Colour = Colour(255, 255, 255);

/// Fonts that are on every computer somewhere in this list; the picture names them and carries
/// none.
const FONT: &str = "Helvetica Neue, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif";
/// Average width of a letter over the font size: on the safe side for the fonts above.
const LETTER: f64 = 0.54;
/// No text gets smaller than this, however little room it has.
const SMALLEST: f64 = 9.0;
/// Pixels that no sheet has.
const FAR: f64 = 1e5;

/// A point in pixels from the upper left corner.
pub(crate) type Point = (f64, f64);

/// Colour, size and direction of a text.
#[derive(Clone)]
pub(crate) struct Ink {
    colour: Colour,
    size: f64,
    bold: bool,
    anchor: &'static str,
    upwards: bool,
}

impl Ink {
    pub(crate) fn new(colour: Colour, size: f64) -> Self {
        Self {
            colour,
            size,
            bold: false,
            anchor: "start",
            upwards: false,
        }
    }
    pub(crate) fn bold(colour: Colour, size: f64) -> Self {
        Self {
            bold: true,
            ..Self::new(colour, size)
        }
    }
    /// The text ends at its point.
    pub(crate) fn right_aligned(self) -> Self {
        Self {
            anchor: "end",
            ..self
        }
    }
    /// The text is centred on its point.
    pub(crate) fn centred(self) -> Self {
        Self {
            anchor: "middle",
            ..self
        }
    }
    /// The text reads from below upwards.
    pub(crate) fn upwards(self) -> Self {
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
pub(crate) struct Pen(pub(crate) Colour, pub(crate) u32);

/// An SVG being drawn.
pub(crate) struct Canvas {
    svg: String,
}

/// Points far outside are kept at the border of a much larger sheet: the numbers stay small and the
/// picture right.
fn pixel(point: Point) -> (i32, i32) {
    (whole(point.0), whole(point.1))
}

fn whole(value: f64) -> i32 {
    value.round().clamp(-FAR, FAR) as i32
}

/// The point at this share of the way.
fn between(from: Point, to: Point, share: f64) -> Point {
    let share = share.min(1.0);
    (
        from.0 + (to.0 - from.0) * share,
        from.1 + (to.1 - from.1) * share,
    )
}

impl Canvas {
    /// An empty sheet; title and description are what a screen reader says.
    pub(crate) fn new(title: &str, description: &str) -> Self {
        let mut canvas = Self { svg: String::new() };
        canvas.put(&format!(
            "<svg width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             xmlns=\"http://www.w3.org/2000/svg\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>",
            escaped(title),
            escaped(description)
        ));
        canvas.rect((0.0, 0.0), (f64::from(WIDTH), f64::from(HEIGHT)), PAPER);
        canvas
    }

    /// The picture as text.
    pub(crate) fn finish(mut self) -> String {
        self.put("</svg>");
        self.svg
    }

    fn put(&mut self, element: &str) {
        self.svg.push_str(element);
        self.svg.push('\n');
    }

    pub(crate) fn line(&mut self, from: Point, to: Point, pen: Pen) {
        let (x1, y1) = pixel(from);
        let (x2, y2) = pixel(to);
        let stroke = pen.stroke();
        self.put(&format!(
            "<line opacity=\"1\" {stroke} x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"
        ));
    }

    /// A line of dashes.
    pub(crate) fn dashes(&mut self, from: Point, to: Point, pen: Pen) {
        const DASH: f64 = 9.0;
        let length = libm::hypot(to.0 - from.0, to.1 - from.1);
        // Beyond any sheet, or no length at all.
        if length.is_nan() || length > FAR {
            return;
        }
        let mut way = 0.0;
        while way < length {
            let start = between(from, to, way / length);
            let end = between(from, to, (way + DASH) / length);
            self.line(start, end, pen);
            way += 2.0 * DASH;
        }
    }

    /// A line through all points.
    pub(crate) fn path(&mut self, points: &[Point], pen: Pen) {
        let stroke = pen.stroke();
        let points = joined(points);
        self.put(&format!(
            "<polyline fill=\"none\" opacity=\"1\" {stroke} points=\"{points}\"/>"
        ));
    }

    pub(crate) fn polygon(&mut self, points: &[Point], colour: Colour) {
        let points = joined(points);
        self.put(&format!(
            "<polygon opacity=\"1\" fill=\"{colour}\" points=\"{points}\"/>"
        ));
    }

    pub(crate) fn rect(&mut self, from: Point, to: Point, colour: Colour) {
        self.filled(from, to, colour, "1");
    }

    /// A rectangle that lets what is below shine through.
    pub(crate) fn shade(&mut self, from: Point, to: Point, colour: Colour) {
        self.filled(from, to, colour, "0.16");
    }

    /// A light band across the sheet.
    pub(crate) fn band(&mut self, top: f64, bottom: f64) {
        let right = f64::from(WIDTH) - LEFT;
        self.rect((LEFT - 12.0, top), (right + 12.0, bottom), BAND);
    }

    fn filled(&mut self, from: Point, to: Point, colour: Colour, opacity: &str) {
        let (x, y) = pixel(from);
        let (right, below) = pixel(to);
        let width = right - x;
        let height = below - y;
        self.put(&format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" opacity=\"{opacity}\" \
             fill=\"{colour}\" stroke=\"none\"/>"
        ));
    }

    pub(crate) fn dot(&mut self, centre: Point, radius: u32, colour: Colour) {
        let (x, y) = pixel(centre);
        self.put(&format!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" opacity=\"1\" fill=\"{colour}\" stroke=\"none\" \
             stroke-width=\"1\"/>"
        ));
    }

    /// A text whose middle height is at the point.
    pub(crate) fn text(&mut self, at: Point, text: &str, ink: &Ink) {
        let (x, y) = pixel(at);
        let bold = if ink.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        let turn = if ink.upwards {
            format!(" transform=\"rotate(270, {x}, {y})\"")
        } else {
            String::new()
        };
        let Ink {
            anchor,
            size,
            colour,
            ..
        } = ink;
        let text = escaped(text);
        self.put(&format!(
            "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\" text-anchor=\"{anchor}\" font-family=\"{FONT}\" \
             font-size=\"{size}\" opacity=\"1\" fill=\"{colour}\"{bold}{turn}>\n{text}\n</text>"
        ));
    }

    /// A text that shrinks until it fits `room` pixels.
    pub(crate) fn text_within(&mut self, at: Point, text: &str, ink: &Ink, room: f64) {
        let wide = ink.width(text);
        let size = if wide > room {
            (ink.size * room / wide).max(SMALLEST)
        } else {
            ink.size
        };
        debug_assert!(size <= ink.size, "a text shrinks and does not grow");
        let ink = Ink {
            size,
            ..ink.clone()
        };
        self.text(at, text, &ink);
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }
}

impl Pen {
    fn stroke(self) -> String {
        format!("stroke=\"{}\" stroke-width=\"{}\"", self.0, self.1)
    }
}

fn joined(points: &[Point]) -> String {
    points
        .iter()
        .copied()
        .map(pixel)
        .fold(String::new(), |mut joined, (x, y)| {
            // Writing to a text does not fail.
            let _ = write!(joined, "{x},{y} ");
            joined
        })
}

/// A text in XML. Control characters are none, whatever the study's title holds.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other if other.is_control() || matches!(other, '\u{fffe}' | '\u{ffff}') => {
                escaped.push(' ');
            }
            other => escaped.push(other),
        }
    }
    escaped
}
