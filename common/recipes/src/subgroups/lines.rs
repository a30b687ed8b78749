//! The calibration line of each part that is shown, step by
//! step. They are kept behind the other figures, each as
//! `[ intercept, slope | information (3) | where it stands ]`.

use crate::score::{self, MOST_LINE_STEPS, SMALL_STEP};

/// A step this small is the last: the information at the
/// point before it, of which errors are made, is that at
/// the line.
const LAST_STEP: f64 = 1e-9;
/// Numbers that are kept of a line.
pub(super) const KEPT: usize = 6;
/// Where a line stands that is stepped on,
const OPEN: f64 = 0.0;
/// one that has settled,
const SETTLED: f64 = 1.0;
/// and one that has no finite fit.
const NONE: f64 = 2.0;
/// Without a shift and a stretch: the model's own log odds.
pub(super) const START: [f64; KEPT] = [0.0, 1.0, 0.0, 0.0, 0.0, OPEN];

/// The lines of the parts that are shown, in their order.
pub(super) struct Lines(pub(super) Vec<Kept>);

/// What is known of a line.
pub(super) struct Kept {
    /// Intercept and slope.
    pub(super) at: (f64, f64),
    /// Upper triangle, at the point before the last step.
    pub(super) information: [f64; 3],
    stands: f64,
}

impl Kept {
    /// Whether it is stepped on.
    pub(super) fn is_open(&self) -> bool {
        self.stands == OPEN
    }

    /// Whether it has a finite fit, and this is it.
    pub(super) fn is_settled(&self) -> bool {
        self.stands == SETTLED
    }

    pub(super) fn of(figures: &[f64]) -> Option<Self> {
        match *figures {
            [a, b, first, second, third, stands] => Some(Self {
                at: (a, b),
                information: [first, second, third],
                stands,
            }),
            _ => None,
        }
    }

    pub(super) fn figures(&self) -> [f64; KEPT] {
        let ((a, b), [first, second, third]) = (self.at, self.information);
        [a, b, first, second, third, self.stands]
    }

    /// One Newton step on; `steps` with this one. What has
    /// settled stays.
    pub(super) fn step(&mut self, gradient: &[f64], information: &[f64], steps: u32) {
        if self.stands != OPEN {
            return;
        }
        let (line, length) = score::step_of_line(Some(self.at), gradient, information);
        let Some(at) = line else {
            self.stands = NONE;
            return;
        };
        self.at = at;
        for (kept, new) in self.information.iter_mut().zip(information) {
            *kept = *new;
        }
        if length <= LAST_STEP {
            self.stands = SETTLED;
        } else if steps >= MOST_LINE_STEPS {
            // A part of few rows knows its line to fewer digits.
            self.stands = if length <= SMALL_STEP { SETTLED } else { NONE };
        }
    }
}
