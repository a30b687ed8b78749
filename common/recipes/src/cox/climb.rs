//! Newton's method for the partial likelihood on standardised columns: the point moves by the whole
//! step; where the objective fell, or could not be told, by half of it, then a quarter. There is no
//! intercept, and the ridge binds all.
//!
//! A round that only tells the log-likelihood (with risk sets over all sites, the information comes
//! a round later) decides [`Climb::fell`] first, so that no information is asked for at a point
//! that is left again.

use crate::error::RecipeError;
use crate::linear::{Factor, dot, largest, triangle};
use crate::newton::{Limits, STILL, Step};
use motet_secagg::canonical;

/// The objective may fall by this part of its size before a step counts as too long: rounding of
/// the sums.
const SLACK: f64 = 1e-10;
/// Signs of a likelihood without a maximum, as in the logistic climb (see newton.rs): it cannot
/// rise noticeably any more, and yet the coefficients go on by steps that hardly shorten.
const LITTLE_GAIN: f64 = 1e-4;
const REAL_STEP: f64 = 1e-6;
/// A column takes part in a direction without end if it moves by this part of the largest.
const PART: f64 = 0.1;
/// So many times in a row a point lay out of range, halved each time: no step of this direction is
/// short enough.
const OUT_OF_RANGE: u32 = 10;
/// What must be left of a column beside those before it, as a part of its square: risk sets are not
/// asked for in turned columns (as `basis` does for the other fits), and their sums tell standard
/// errors to a hundred-millionth down to here.
const ALIKE: f64 = 2e-6;
/// Information of a column, an event, below which risk sets do not tell its values apart.
const SILENT: f64 = 1e-10;

canonical! {
    /// The sums themselves show that this fit has no answer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum CoxStuck {
        /// This column has the same value in every row.
        1 => Constant(u32),
        /// This column is a linear combination of others.
        2 => Collinear(u32),
        /// No event within the horizon.
        3 => NoEvents,
        /// The likelihood keeps rising while the coefficients of these columns grow without end.
        4 => Monotone(Vec<u32>),
        /// Fewer than two rows.
        5 => TooFewRows,
        /// This column is the same for all who are at risk whenever there is an event.
        6 => Silent(u32),
        /// Sums at so many event points are too many for one vector.
        7 => TooManyPoints(u32),
    }
}

canonical! {
    /// The climb so far, on standardised columns.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Climb {
        /// Points asked for in this pass.
        pub taken: u32,
        /// The best point.
        pub beta: Vec<f64>,
        /// The whole Newton step from there.
        pub direction: Vec<f64>,
        /// The part of it that is tried.
        pub shrink: f64,
        /// Penalised log-likelihood at `beta`; minus infinity before the first round.
        pub objective: f64,
        /// Log-likelihood there; 0 before.
        pub loglik: f64,
        /// Log-likelihood at zero.
        pub null_loglik: f64,
        /// Information without the ridge, upper triangle.
        pub information: Vec<f64>,
        /// Largest coefficient of the whole step from `beta`; 0 before the first.
        pub stride: f64,
        /// Points out of range since the last step.
        pub beyond: u32,
        /// Whether the last step was within the tolerance.
        pub converged: bool,
        /// One entry a point whose likelihood could be told.
        pub history: Vec<Step>,
    }
}

/// What a round led to.
pub(super) enum Move {
    /// Ask for another point.
    On(Climb),
    /// Converged, or out of rounds.
    End(Climb),
    /// There is no maximum.
    Stuck(CoxStuck),
}

impl CoxStuck {
    pub(super) fn error(&self, columns: &[String], event: &str) -> RecipeError {
        let column = |at: &u32| columns.get(*at as usize).cloned().unwrap_or_default();
        match self {
            Self::Constant(at) => RecipeError::Constant { column: column(at) },
            Self::Collinear(at) => RecipeError::Collinear { column: column(at) },
            Self::NoEvents => RecipeError::NoEvents {
                event: event.to_owned(),
            },
            Self::Monotone(at) => {
                let quoted: Vec<String> = at.iter().map(|at| format!("`{}`", column(at))).collect();
                RecipeError::Monotone {
                    columns: quoted.join(", "),
                }
            }
            Self::TooFewRows => RecipeError::TooFewRows,
            Self::Silent(at) => RecipeError::Silent { column: column(at) },
            Self::TooManyPoints(points) => RecipeError::TooManyPoints { points: *points },
        }
    }
}

/// The information with the ridge on its diagonal.
pub(super) fn penalised(information: &[f64], size: usize, ridge: f64) -> Vec<f64> {
    let mut packed = information.to_vec();
    for at in diagonal(size) {
        packed
            .get_mut(at)
            .into_iter()
            .for_each(|cell| *cell += ridge);
    }
    packed
}

/// Places of the diagonal in a packed upper triangle.
fn diagonal(size: usize) -> impl Iterator<Item = usize> {
    (0..size).map(move |row| triangle(size) - triangle(size - row))
}

impl Climb {
    pub(super) fn new(columns: usize) -> Self {
        Self {
            taken: 0,
            beta: vec![0.0; columns],
            direction: vec![0.0; columns],
            shrink: 1.0,
            objective: f64::NEG_INFINITY,
            loglik: 0.0,
            null_loglik: 0.0,
            information: Vec::new(),
            stride: 0.0,
            beyond: 0,
            converged: false,
            history: Vec::new(),
        }
    }

    /// The point the next round asks for.
    pub(super) fn point(&self) -> Vec<f64> {
        self.beta
            .iter()
            .zip(&self.direction)
            .map(|(beta, step)| beta + self.shrink * step)
            .collect()
    }

    fn objective(&self, loglik: f64, ridge: f64) -> f64 {
        let point = self.point();
        loglik - 0.5 * ridge * dot(&point, &point)
    }

    /// Whether the step to [`Climb::point`] was too long. `loglik` is none where a score or a risk
    /// set was out of range.
    pub(super) fn fell(&self, loglik: Option<f64>, ridge: f64) -> bool {
        let least = self.objective - SLACK * (1.0 + self.objective.abs());
        loglik.is_none_or(|loglik| self.objective(loglik, ridge) < least)
    }

    /// Half the step, after [`Climb::fell`].
    pub(super) fn halve(
        &self,
        round: u32,
        loglik: Option<f64>,
        limits: Limits,
    ) -> Result<Move, RecipeError> {
        if self.taken == 0 {
            // At zero every r is 1.
            return Err(RecipeError::Implausible { what: "risk sets" });
        }
        let mut next = Self {
            taken: self.taken + 1,
            shrink: 0.5 * self.shrink,
            ..self.clone()
        };
        next.beyond += u32::from(loglik.is_none());
        if limits.ridge == 0.0 && next.beyond >= OUT_OF_RANGE {
            return Ok(Move::Stuck(monotone(&self.direction)));
        }
        let tried = self.shrink * self.stride;
        next.history.extend(loglik.map(|loglik| Step {
            round,
            loglik,
            step: tried,
        }));
        Ok(if next.taken >= limits.max_rounds {
            Move::End(next)
        } else {
            Move::On(next)
        })
    }

    /// The whole step from [`Climb::point`], whose objective did not fall.
    pub(super) fn step(
        &self,
        round: u32,
        loglik: f64,
        gradient: &[f64],
        information: Vec<f64>,
        events: u64,
        limits: Limits,
    ) -> Move {
        let (point, size) = (self.point(), self.beta.len());
        let mut next = Self {
            taken: self.taken + 1,
            loglik,
            ..self.clone()
        };
        if self.taken == 0 {
            next.null_loglik = loglik;
            let silent = |at: &usize| {
                information
                    .get(*at)
                    .is_none_or(|cell| *cell <= SILENT * events as f64)
            };
            if let (Some(at), true) = (
                diagonal(size).position(|at| silent(&at)),
                limits.ridge == 0.0,
            ) {
                return Move::Stuck(CoxStuck::Silent(at as u32));
            }
        }
        let slope: Vec<f64> = gradient
            .iter()
            .zip(&point)
            .map(|(g, b)| g - limits.ridge * b)
            .collect();
        let step = match Factor::of(&penalised(&information, size, limits.ridge), size, 0.0) {
            Ok(factor) => {
                let (left, at) = factor.least();
                if self.taken == 0 && limits.ridge == 0.0 && left < ALIKE {
                    return Move::Stuck(CoxStuck::Collinear(at as u32));
                }
                factor.solve(&slope)
            }
            Err(at) if self.taken == 0 => return Move::Stuck(CoxStuck::Collinear(at as u32)),
            Err(at) => return Move::Stuck(CoxStuck::Monotone(vec![at as u32])),
        };
        let (stride, gain) = (largest(&step), dot(&step, &slope));
        if !stride.is_finite() {
            return Move::Stuck(monotone(&self.direction));
        }
        next.history.push(Step {
            round,
            loglik,
            step: stride,
        });
        next.objective = self.objective(loglik, limits.ridge);
        next.information = information;
        if stride <= limits.tolerance || gain <= STILL * limits.rows as f64 {
            next.beta = point.iter().zip(&step).map(|(b, step)| b + step).collect();
            next.converged = true;
            return Move::End(next);
        }
        let goes_on = self.stride > 0.0 && stride > 0.5 * self.stride;
        if limits.ridge == 0.0 && gain < LITTLE_GAIN && stride > REAL_STEP && goes_on {
            return Move::Stuck(monotone(&step));
        }
        next.beyond = 0;
        next.beta = point;
        (next.direction, next.shrink, next.stride) = (step, 1.0, stride);
        if next.taken >= limits.max_rounds {
            Move::End(next)
        } else {
            Move::On(next)
        }
    }
}

/// The columns that a step moves.
fn monotone(step: &[f64]) -> CoxStuck {
    let most = largest(step);
    let moved = step
        .iter()
        .enumerate()
        .filter(|(_, part)| part.abs() >= PART * most);
    CoxStuck::Monotone(moved.map(|(at, _)| at as u32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ridge_stands_on_the_diagonal() {
        assert_eq!(
            penalised(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 0.5),
            [1.5, 2.0, 3.0, 4.5, 5.0, 6.5]
        );
    }

    /// -sqrt(1 + (b - 2)^2): from zero Newton jumps ever farther; a score out of range counts as
    /// too long a step as well.
    #[test]
    fn a_step_that_is_too_long_is_halved() {
        let limits = Limits {
            ridge: 0.0,
            lasso: 0.0,
            tolerance: 1e-9,
            max_rounds: 40,
            unit: 1.0,
            rows: 1,
            separable: true,
        };
        let mut climb = Climb::new(1);
        let mut asked = Vec::new();
        for round in 1.. {
            let distance = climb.point()[0] - 2.0;
            asked.push(climb.point()[0]);
            let root = (1.0 + distance * distance).sqrt();
            let loglik = (distance < 7.0).then_some(-root);
            let moved = if climb.fell(loglik, 0.0) {
                climb.halve(round, loglik, limits).unwrap()
            } else {
                climb.step(
                    round,
                    -root,
                    &[-distance / root],
                    vec![root.powi(-3)],
                    1,
                    limits,
                )
            };
            match moved {
                Move::On(next) => climb = next,
                Move::End(end) => {
                    climb = end;
                    break;
                }
                Move::Stuck(stuck) => panic!("{stuck:?}"),
            }
        }
        let first: Vec<f64> = asked[..4]
            .iter()
            .map(|point| (point * 1e9).round() / 1e9)
            .collect();
        assert_eq!(first, [0.0, 10.0, 5.0, 2.5]);
        assert!(climb.converged && (climb.beta[0] - 2.0).abs() < 1e-9);
        assert_eq!(
            climb.history.len() + 1,
            asked.len(),
            "the point out of range has no likelihood"
        );
        assert!(Climb::new(1).halve(1, None, limits).is_err());
    }

    #[test]
    fn a_direction_without_end_names_its_columns() {
        assert_eq!(
            monotone(&[0.01, -1.0, 0.2, 0.05]),
            CoxStuck::Monotone(vec![1, 2])
        );
    }
}
