//! The calibration line of each part that is shown, step by step. They are kept behind the other
//! figures, each as `[ intercept, slope | information (3) | where it stands ]`.

use super::model::Measure;
use super::{Judgement, Stage, Subgroups};
use crate::error::RecipeError;
use crate::moments::{exact, limbs};
use crate::rows::Values;
use crate::score::{self, MOST_LINE_STEPS, SMALL_STEP};
use motet_secagg::layout::{Layout, Sum};

/// A step this small is the last: the information at the point before it, of which errors are made,
/// is that at the line.
const LAST_STEP: f64 = 1e-9;
/// Numbers that are kept of a line.
const KEPT: usize = 6;
/// Where a line stands that is stepped on,
const OPEN: f64 = 0.0;
/// one that has settled,
const SETTLED: f64 = 1.0;
/// and one that has no finite fit.
const NONE: f64 = 2.0;
/// Without a shift and a stretch: the model's own log odds.
const START: [f64; KEPT] = [0.0, 1.0, 0.0, 0.0, 0.0, OPEN];

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
    /// Whether it has a finite fit, and this is it.
    pub(super) fn is_settled(&self) -> bool {
        self.stands == SETTLED
    }

    fn of(figures: &[f64]) -> Option<Self> {
        match *figures {
            [a, b, first, second, third, stands] => Some(Self {
                at: (a, b),
                information: [first, second, third],
                stands,
            }),
            _ => None,
        }
    }

    fn figures(&self) -> [f64; KEPT] {
        let ((a, b), [first, second, third]) = (self.at, self.information);
        [a, b, first, second, third, self.stands]
    }

    /// One Newton step on; `steps` with this one. What has settled stays.
    fn step(&mut self, gradient: &[f64], information: &[f64], steps: u32) {
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

impl Subgroups {
    /// The judgement before the first step, where a line is asked for; `judgement` has all other
    /// figures.
    pub(super) fn before_lines(&self, mut judgement: Judgement) -> Judgement {
        let parts = self.shown_parts(&judgement).len();
        if parts > 0 {
            judgement.limbs.extend(START.repeat(parts));
            judgement.stage = Stage::Line(0);
        }
        judgement
    }

    /// The lines so far; of what is no risk there are none.
    pub(super) fn lines(&self, judgement: &Judgement, of: Measure) -> Result<Lines, RecipeError> {
        if of != Measure::Risk {
            return Ok(Lines(Vec::new()));
        }
        let (_, kept) = self.behind(judgement)?;
        Ok(Lines(kept.chunks(KEPT).filter_map(Kept::of).collect()))
    }

    /// The other figures, and what is kept of the lines.
    fn behind<'j>(&self, judgement: &'j Judgement) -> Result<(&'j [f64], &'j [f64]), RecipeError> {
        let kept = KEPT * self.shown_parts(judgement).len();
        let figures = judgement.limbs.as_slice();
        let at = figures.len().checked_sub(kept);
        at.and_then(|at| figures.split_at_checked(at))
            .ok_or(RecipeError::Mismatch { what: "state" })
    }

    pub(super) fn ask_lines(&self, judgement: &Judgement) -> Layout {
        exact(vec![limbs(score::LINE * self.shown_parts(judgement).len())])
    }

    pub(super) fn absorb_lines(
        &self,
        judgement: &Judgement,
        steps: u32,
        sum: &Sum,
    ) -> Result<Judgement, RecipeError> {
        let mut values = Values::of(sum);
        let Lines(mut lines) = self.lines(judgement, Measure::Risk)?;
        for line in &mut lines {
            let gradient = values.take(2)?;
            let information = values.take(score::LINE - 2)?;
            line.step(gradient, information, steps + 1);
        }
        values.end()?;
        let (figures, _) = self.behind(judgement)?;
        let kept = lines.iter().flat_map(Kept::figures);
        let is_open = lines.iter().any(|line| line.stands == OPEN);
        Ok(Judgement {
            stage: match is_open {
                true => Stage::Line(steps + 1),
                false => Stage::Finished,
            },
            limbs: figures.iter().copied().chain(kept).collect(),
            ..judgement.clone()
        })
    }
}
