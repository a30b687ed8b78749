//! Axes with round numbers.

use super::words::thousands;

/// More ticks than this make labels touch.
const MOST_TICKS: usize = 9;

/// A range of values, its ticks, and whether equal steps are equal factors.
#[derive(Clone)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From `low` to `high` exactly, with ticks at round numbers in between.
    pub(crate) fn linear(low: f64, high: f64) -> Self {
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
    pub(crate) fn widened(low: f64, high: f64) -> Self {
        let (low, high) = proper(low, high);
        let step = round_step(high - low, 6.0);
        let low = (low / step).floor() * step;
        let high = (high / step).ceil() * step;
        Self {
            low,
            high,
            log: false,
            ticks: linear_ticks(low, high, step),
        }
    }

    /// From `low` to `high` exactly, with about that many ticks: for small plots.
    pub(crate) fn few(low: f64, high: f64, ticks: f64) -> Self {
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
    pub(crate) fn rounds(first: u32, last: u32) -> Self {
        let low = f64::from(first);
        let high = f64::from(last.max(first + 1));
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
    pub(crate) fn powers(low: f64, high: f64) -> Self {
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
    pub(crate) fn ratios(low: f64, high: f64) -> Self {
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
    pub(crate) fn in_percent(mut self) -> Self {
        for (value, label) in &mut self.ticks {
            *label = format!("{}%", short(*value * 100.0));
        }
        self
    }

    /// Where its ticks stand.
    pub(crate) fn ticks(&self) -> impl Iterator<Item = f64> {
        self.ticks.iter().map(|tick| tick.0)
    }

    /// Its ticks with what is written at them.
    pub(crate) fn labelled(&self) -> &[(f64, String)] {
        &self.ticks
    }

    pub(crate) fn high(&self) -> f64 {
        self.high
    }

    /// The pixel at which `value` stands when the axis runs from pixel `from` to pixel `to`.
    pub(crate) fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        debug_assert!(from != to, "an axis has a length on the sheet");
        let share = if self.log {
            libm::log(value / self.low) / libm::log(self.high / self.low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        from + (to - from) * share
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
    // At most a few dozen by construction of the step; the bound keeps a mistake there from filling
    // the memory.
    (first..=last)
        .take(100)
        .map(|i| i as f64 * step + 0.0)
        .map(|value| (value, label(value, digits)))
        .collect()
}

fn label(value: f64, digits: usize) -> String {
    if digits == 0 && value.abs() >= 10_000.0 {
        grouped(value)
    } else {
        format!("{value:.digits$}")
    }
}

fn grouped(value: f64) -> String {
    let text = thousands(value.abs() as u64);
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
pub(crate) fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if value.abs() < 1e-4 && value != 0.0 {
        format!("{value:.0e}")
    } else {
        text.to_owned()
    }
}

/// A small or large number the way people write it.
pub(crate) fn scientific(value: f64) -> String {
    let power = libm::log10(value);
    if (power - power.round()).abs() < 1e-9 {
        power_of_ten(power.round())
    } else {
        format!("{value:e}")
    }
}

/// "1e-10" the way people write it, with superscript digits.
fn power_of_ten(power: f64) -> String {
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

fn raised(c: char) -> char {
    match c {
        '-' => '\u{207b}',
        '1' => '\u{b9}',
        '2' => '\u{b2}',
        '3' => '\u{b3}',
        digit => digit
            .to_digit(10)
            .and_then(|d| char::from_u32(0x2070 + d))
            .unwrap_or(digit),
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
