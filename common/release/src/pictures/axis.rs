//! Axes with round numbers, and the frame of a plot with its light grid.

use super::canvas::{Canvas, GREY, GRID, INK, Ink, Pen, Point, RULE};

/// More ticks than this make labels touch.
const MOST_TICKS: usize = 9;

/// A range of values, its ticks, and whether equal steps are equal factors.
#[derive(Clone)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From `low` to `high` exactly, with ticks at round numbers in between.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        let (low, high) = proper(low, high);
        let step = round_step(high - low, 6.0);
        Self {
            low,
            high,
            log: false,
            ticks: linear_ticks(low, high, step),
        }
    }

    /// The same, widened to the next round numbers.
    pub(super) fn widened(low: f64, high: f64) -> Self {
        let (low, high) = proper(low, high);
        let step = round_step(high - low, 6.0);
        let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
        Self {
            low,
            high,
            log: false,
            ticks: linear_ticks(low, high, step),
        }
    }

    /// From `low` to `high` exactly, with about so many ticks: for small plots.
    pub(super) fn few(low: f64, high: f64, ticks: f64) -> Self {
        let (low, high) = proper(low, high);
        let step = round_step(high - low, ticks);
        Self {
            low,
            high,
            log: false,
            ticks: linear_ticks(low, high, step),
        }
    }

    /// Rounds of a run: whole numbers only.
    pub(super) fn rounds(first: u32, last: u32) -> Self {
        let (low, high) = (f64::from(first), f64::from(last.max(first + 1)));
        let step = round_step(high - low, 10.0).max(1.0);
        let mut ticks: Vec<f64> = linear_ticks(low, high, step)
            .into_iter()
            .map(|tick| tick.0)
            .collect();
        if step > 1.0 && ticks.first().is_some_and(|&t| t - low > step / 2.0) {
            ticks.insert(0, low);
        }
        let ticks = ticks
            .into_iter()
            .map(|tick| (tick, format!("{tick:.0}")))
            .collect();
        let margin = (high - low) * 0.03;
        Self {
            low: low - margin,
            high: high + margin,
            log: false,
            ticks,
        }
    }

    /// Powers of ten from at most `low` to at least `high`.
    pub(super) fn powers(low: f64, high: f64) -> Self {
        let first = libm::log10(low).floor();
        let last = libm::log10(high).ceil().max(first + 1.0);
        let every = ((last - first) / MOST_TICKS as f64).ceil().max(1.0);
        let mut ticks = Vec::new();
        let mut power = last;
        while power >= first {
            ticks.push((libm::pow(10.0, power), power_of_ten(power)));
            power -= every;
        }
        Self {
            low: libm::pow(10.0, first),
            high: libm::pow(10.0, last),
            log: true,
            ticks,
        }
    }

    /// Ratios: a logarithmic axis with the ticks people expect (0.5, 1, 2, 5), finer where the
    /// range is narrow.
    pub(super) fn ratios(low: f64, high: f64) -> Self {
        let (low, high) = if low < high {
            (low, high)
        } else {
            (low / 1.5, high * 1.5)
        };
        let ticks = ratio_ticks(low, high)
            .into_iter()
            .map(|tick| (tick, short(tick)))
            .collect();
        Self {
            low,
            high,
            log: true,
            ticks,
        }
    }

    /// Shares as percentages.
    pub(super) fn in_percent(mut self) -> Self {
        for (value, label) in &mut self.ticks {
            *label = format!("{}%", short(*value * 100.0));
        }
        self
    }

    /// Where its ticks stand.
    pub(super) fn ticks(&self) -> impl Iterator<Item = f64> {
        self.ticks.iter().map(|tick| tick.0)
    }

    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// The pixel at which `value` stands when the axis runs from pixel `from` to pixel `to`.
    fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let share = if self.log {
            libm::log(value / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        from + (to - from) * share
    }
}

/// The rectangle of a plot with its two axes.
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Frame {
    /// Where the values stand on the sheet.
    pub(super) fn at(&self, x: f64, y: f64) -> Point {
        (
            self.x.place(x, self.left, self.right),
            self.y.place(y, self.bottom, self.top),
        )
    }

    /// Grid, tick labels and the names of the axes.
    pub(super) fn draw(&self, canvas: &mut Canvas, x_name: &str, y_name: &str) {
        self.columns(canvas, x_name);
        let ink = Ink::new(GREY, 21.0).right_aligned();
        for (value, label) in &self.y.ticks {
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
    pub(super) fn small(&self, canvas: &mut Canvas) {
        let ink = Ink::new(GREY, 19.0);
        for (value, label) in &self.y.ticks {
            let y = self.y.place(*value, self.bottom, self.top);
            canvas.line((self.left, y), (self.right, y), Pen(GRID, 1));
            canvas.text_within(
                (self.left - 8.0, y),
                label,
                &ink.clone().right_aligned(),
                62.0,
            );
        }
        for (value, label) in &self.x.ticks {
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
    pub(super) fn columns(&self, canvas: &mut Canvas, x_name: &str) {
        let ink = Ink::new(GREY, 21.0).centred();
        for (value, label) in &self.x.ticks {
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

/// A range that has a length, from whatever the data gave.
fn proper(low: f64, high: f64) -> (f64, f64) {
    match (low.is_finite(), high.is_finite()) {
        (true, true) if high > low => (low, high),
        (true, true) => (
            low - low.abs().max(1.0) * 0.05,
            low + low.abs().max(1.0) * 0.05,
        ),
        _ => (0.0, 1.0),
    }
}

/// 1, 2 or 5 times a power of ten that cuts `length` into at most about `parts` parts.
fn round_step(length: f64, parts: f64) -> f64 {
    let raw = length / parts;
    let power = libm::pow(10.0, libm::log10(raw).floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| factor * power >= raw * 0.999)
        .unwrap_or(10.0);
    factor * power
}

fn linear_ticks(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let digits = (-(libm::log10(step) + 1e-9).floor()).max(0.0) as usize;
    let label = |value: f64| {
        let text = format!("{value:.digits$}");
        if digits == 0 && value.abs() >= 10_000.0 {
            grouped(value)
        } else {
            text
        }
    };
    // At most a few dozen by construction of the step; the bound keeps a mistake there from filling
    // the memory.
    (first..=last)
        .take(100)
        .map(|i| i as f64 * step + 0.0)
        .map(|value| (value, label(value)))
        .collect()
}

fn grouped(value: f64) -> String {
    let text = super::thousands(value.abs() as u64);
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

fn ratio_ticks(low: f64, high: f64) -> Vec<f64> {
    if high / low < 2.5 {
        let step = round_step(high - low, 6.0);
        return linear_ticks(low, high, step)
            .into_iter()
            .map(|tick| tick.0)
            .collect();
    }
    let fine = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0];
    let sets: [&[f64]; 3] = [&fine, &[1.0, 2.0, 5.0], &[1.0]];
    let mut ticks = Vec::new();
    for set in sets {
        let powers = libm::log10(low).floor() as i32..=libm::log10(high).ceil() as i32;
        ticks = powers
            .flat_map(|power| {
                set.iter()
                    .map(move |m| m * libm::pow(10.0, f64::from(power)))
            })
            .collect();
        ticks.retain(|tick| (low..=high).contains(tick));
        if ticks.len() <= MOST_TICKS {
            break;
        }
    }
    ticks
}

/// A number without needless zeros.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if value.abs() < 1e-4 && value != 0.0 {
        format!("{value:.0e}")
    } else {
        text.to_owned()
    }
}

/// A small or large number the way people write it.
pub(super) fn scientific(value: f64) -> String {
    let power = libm::log10(value);
    if (power - power.round()).abs() < 1e-9 {
        power_of_ten(power.round())
    } else {
        format!("{value:e}")
    }
}

/// "1e-10" the way people write it, with superscript digits.
fn power_of_ten(power: f64) -> String {
    let raised = |c: char| match c {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => digit
            .to_digit(10)
            .and_then(|d| char::from_u32(0x2070 + d))
            .unwrap_or(digit),
    };
    match power as i32 {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        -1 => "0.1".to_owned(),
        whole => format!(
            "10{}",
            whole.to_string().chars().map(raised).collect::<String>()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            labels(&Axis::linear(0.0, 1.0)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&Axis::widened(0.01, 0.37).in_percent()),
            ["0%", "10%", "20%", "30%", "40%"]
        );
        assert_eq!(
            labels(&Axis::rounds(1, 8)),
            ["1", "2", "3", "4", "5", "6", "7", "8"]
        );
        assert_eq!(
            labels(&Axis::rounds(1, 40)),
            ["1", "5", "10", "15", "20", "25", "30", "35", "40"]
        );
        assert_eq!(
            labels(&Axis::ratios(0.4, 40.0)),
            ["0.5", "1", "2", "5", "10", "20"]
        );
        assert_eq!(
            labels(&Axis::ratios(0.93, 1.12)),
            ["0.95", "1", "1.05", "1.1"]
        );
        assert_eq!(
            labels(&Axis::ratios(1e-3, 1e3)),
            ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]
        );
        assert_eq!(labels(&Axis::powers(7e-13, 2.2)).len(), 8);
        assert_eq!(
            labels(&Axis::powers(1e-3, 2.0)),
            ["10", "1", "0.1", "10\u{207b}\u{b2}", "10\u{207b}\u{b3}"]
        );
    }

    #[test]
    fn a_range_without_length_or_end_still_gives_an_axis() {
        for axis in [
            Axis::linear(3.0, 3.0),
            Axis::linear(f64::NAN, 1.0),
            Axis::widened(0.0, f64::INFINITY),
        ] {
            assert!(axis.low < axis.high && !axis.ticks.is_empty() && axis.ticks.len() < 12);
        }
    }
}
