//! What is done to a number before it is a value: it is
//! multiplied, moved, rounded and cut.

/// The steps, in the order in which they are taken. None of them
/// is one that changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steps {
    /// What it is multiplied by.
    pub scale: Option<f64>,
    /// What is added then.
    pub offset: Option<f64>,
    /// The step to whose nearest multiple it is rounded, half
    /// away from zero.
    pub round: Option<f64>,
    /// Where it is cut into levels, in ascending order: a number
    /// that is a cut is of the level below it.
    pub cut: Option<Vec<f64>>,
}

impl Steps {
    /// Whether every result is a whole number, whatever goes in.
    pub(crate) fn is_whole(&self) -> bool {
        self.round.is_some_and(|step| step.fract() == 0.0)
    }

    /// The number after all steps but the cuts.
    pub(crate) fn of(&self, number: f64) -> f64 {
        let scaled = self.scale.map_or(number, |scale| number * scale);
        let moved = self.offset.map_or(scaled, |offset| scaled + offset);
        self.round.map_or(moved, |step| rounded(moved, step))
    }

    /// The place of the level that a number is cut into, where
    /// there are cuts.
    pub(crate) fn level(&self, number: f64) -> Option<u32> {
        let cuts = self.cut.as_ref()?;
        let below = cuts.iter().filter(|cut| is_above(number, **cut)).count();
        u32::try_from(below).ok()
    }
}

/// How far two numbers may be apart that are one but for the last
/// bits of a multiplication, as a part of them: 100.4 degrees
/// Fahrenheit are 38.00000000000001 degrees Celsius.
const NOISE: f64 = 1e-9;

/// Whether a number is above another by more than last bits.
pub(crate) fn is_above(number: f64, other: f64) -> bool {
    number - other > NOISE * other.abs().max(1.0)
}

/// Whether they are one but for last bits.
pub(crate) fn are_one(number: f64, other: f64) -> bool {
    !is_above(number, other) && !is_above(other, number)
}

/// The nearest whole number, half away from zero. What is a half
/// but for last bits is one: 0.145 in hundredths.
fn nearest(number: f64) -> f64 {
    let halves = (2.0 * number).round() / 2.0;
    match are_one(number, halves) {
        true => halves.round(),
        false => number.round(),
    }
}

/// The nearest multiple of a step, half away from zero. A step
/// such as 0.1 is taken as a tenth, so that 0.3 comes out as it
/// is written.
fn rounded(number: f64, step: f64) -> f64 {
    let parts = (1.0 / step).round();
    if step < 1.0 && (parts * step - 1.0).abs() < 1e-9 {
        nearest(number * parts) / parts
    } else {
        nearest(number / step) * step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_is_rounded_away_from_zero_and_a_tenth_is_a_tenth() {
        for (number, step, result) in [
            (2.5, 1.0, 3.0),
            (-2.5, 1.0, -3.0),
            (2.49, 1.0, 2.0),
            (0.26, 0.1, 0.3),
            (1.25, 0.5, 1.5),
            (1.1, 0.25, 1.0),
            (7.0, 5.0, 5.0),
            (8.0, 5.0, 10.0),
            (0.145, 0.01, 0.15),
            (0.565, 0.01, 0.57),
            (0.5005, 0.001, 0.501),
            (45.0 * 0.7, 1.0, 32.0),
            (-50.0 * 1.15, 1.0, -58.0),
            (0.144_99, 0.01, 0.14),
        ] {
            assert_eq!(rounded(number, step), result, "{number} {step}");
        }
    }

    #[test]
    fn a_number_is_scaled_then_moved_then_rounded_then_cut() {
        let steps = Steps {
            scale: Some(2.0),
            offset: Some(1.0),
            round: Some(1.0),
            cut: Some(vec![20.0, 50.0]),
        };
        assert_eq!(steps.of(1.3), 4.0);
        let level = |number| steps.level(number).unwrap();
        assert_eq!([-1.0, 20.0, 20.5, 50.0, 51.0].map(level), [0, 0, 1, 1, 2]);
        assert_eq!(level(20.000_000_000_000_004), 0, "last bits");
        assert_eq!(level(20.000_001), 1);
        assert_eq!(Steps::default().of(1.3), 1.3);
        assert_eq!(Steps::default().level(1.3), None);
    }
}
