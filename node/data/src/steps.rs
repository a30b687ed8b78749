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
        let below = cuts.iter().filter(|cut| **cut < number).count();
        u32::try_from(below).ok()
    }
}

/// The nearest multiple of a step, half away from zero. A step
/// such as 0.1 is taken as a tenth, so that 0.3 comes out as it
/// is written.
fn rounded(number: f64, step: f64) -> f64 {
    let parts = (1.0 / step).round();
    if step < 1.0 && (parts * step - 1.0).abs() < 1e-9 {
        (number * parts).round() / parts
    } else {
        (number / step).round() * step
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
        assert_eq!(Steps::default().of(1.3), 1.3);
        assert_eq!(Steps::default().level(1.3), None);
    }
}
