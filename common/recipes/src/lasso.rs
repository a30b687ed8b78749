//! The step of a proximal Newton method: the maximum of the quadratic model of a log-likelihood at
//! a point, less the ridge and the lasso (Friedman, Hastie and Tibshirani 2010, J Stat Softw 33(1);
//! Lee, Sun and Saunders 2014, SIAM J Optim 24, 1420). Coordinate descent finds which coefficients
//! are zero; a Cholesky factor then solves for the others.
//!
//! ```text
//! b = argmax  g'(b-p) - (b-p)' H (b-p) / 2 - ridge/2 sum_j b_j^2 - lasso sum_j |b_j|      (sums without the intercept)
//! ```

use crate::linear::{Factor, largest, square, triangle};

/// Rounds over all coordinates. What is left undone the next Newton round does.
const MOST_SWEEPS: usize = 1000;
/// A sweep that moves no coefficient by more than this ends the descent: the factor does the rest.
const STILL: f64 = 1e-13;

/// The step from `point`; `information` is the upper triangle of H and `gradient` g, both without
/// penalties.
pub(crate) fn step(
    information: &[f64],
    gradient: &[f64],
    point: &[f64],
    ridge: f64,
    lasso: f64,
) -> Vec<f64> {
    let square = square(information, point.len());
    let rows: Vec<&[f64]> = square.chunks_exact(point.len().max(1)).collect();
    let descended = descend(&rows, gradient, point, ridge, lasso);
    let target = polish(&rows, gradient, point, &descended, ridge, lasso).unwrap_or(descended);
    target.iter().zip(point).map(|(b, p)| b - p).collect()
}

/// The slope of the model's smooth part along coordinate `row`, at a distance `moved` from the
/// point.
fn slope(row: &[f64], gradient: f64, moved: &[f64]) -> f64 {
    row.iter()
        .zip(moved)
        .fold(gradient, |sum, (h, d)| sum - h * d)
}

fn descend(rows: &[&[f64]], gradient: &[f64], point: &[f64], ridge: f64, lasso: f64) -> Vec<f64> {
    let mut moved = vec![0.0; point.len()];
    for _ in 0..MOST_SWEEPS {
        let mut most = 0.0_f64;
        for (at, ((row, g), p)) in rows.iter().zip(gradient).zip(point).enumerate() {
            let (ridge, lasso) = if at == 0 { (0.0, 0.0) } else { (ridge, lasso) };
            let (Some(curvature), Some(before)) = (row.get(at).copied(), moved.get(at).copied())
            else {
                continue;
            };
            // Written so that NaN moves nothing.
            if !(curvature > 0.0 && curvature.is_finite()) {
                continue;
            }
            let pull = slope(row, *g, &moved) + curvature * (p + before);
            let after = soft(pull, lasso) / (curvature + ridge) - p;
            most = most.max((after - before).abs());
            if let Some(cell) = moved.get_mut(at) {
                *cell = after;
            }
        }
        if most <= STILL {
            break;
        }
    }
    // A coefficient that was set to zero is zero, not the rest of a subtraction.
    point
        .iter()
        .zip(&moved)
        .map(|(p, d)| if *d == -p { 0.0 } else { p + d })
        .collect()
}

/// Moves `x` towards zero by `by`, no further.
fn soft(x: f64, by: f64) -> f64 {
    if x > by {
        x - by
    } else if x < -by {
        x + by
    } else {
        0.0
    }
}

/// The exact maximum with the signs that the descent found; nothing where a coefficient would
/// change its sign.
fn polish(
    rows: &[&[f64]],
    gradient: &[f64],
    point: &[f64],
    found: &[f64],
    ridge: f64,
    lasso: f64,
) -> Option<Vec<f64>> {
    let active: Vec<usize> = (0..point.len())
        .filter(|at| *at == 0 || found.get(*at) != Some(&0.0))
        .collect();
    let mut packed = Vec::with_capacity(triangle(active.len()));
    let mut right = Vec::with_capacity(active.len());
    // With inactive coefficients at zero the model's slope at b_A = 0 is g + H p.
    let back: Vec<f64> = point.iter().map(|p| -p).collect();
    for (place, at) in active.iter().enumerate() {
        let row = rows.get(*at)?;
        packed.extend(
            active
                .get(place..)?
                .iter()
                .filter_map(|column| row.get(*column)),
        );
        let sign = if *at == 0 {
            0.0
        } else {
            found.get(*at)?.signum()
        };
        right.push(slope(row, *gradient.get(*at)?, &back) - lasso * sign);
    }
    let solved = Factor::of(&packed, active.len(), ridge).ok()?.solve(&right);
    let mut target = vec![0.0; point.len()];
    for (at, b) in active.iter().zip(&solved) {
        if *at > 0 && b.signum() != found.get(*at)?.signum() {
            return None;
        }
        *target.get_mut(*at)? = *b;
    }
    largest(&target).is_finite().then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_ends_where_no_coordinate_pulls_harder_than_the_lasso() {
        // H = [4 1 0.5; 1 3 1; 0.5 1 2], g = (1, -0.2, 5) at p = (0.3, 0.4, -1)
        let packed = [4.0, 1.0, 0.5, 3.0, 1.0, 2.0];
        let (gradient, point) = ([1.0, -0.2, 5.0], [0.3, 0.4, -1.0]);
        let square = square(&packed, 3);
        let rows: Vec<&[f64]> = square.chunks_exact(3).collect();
        for (ridge, lasso) in [(0.0, 0.5), (0.7, 1.5), (0.0, 100.0), (2.0, 0.0)] {
            let moved = step(&packed, &gradient, &point, ridge, lasso);
            for at in 0..3 {
                let b = point[at] + moved[at];
                let pull =
                    slope(rows[at], gradient[at], &moved) - if at == 0 { 0.0 } else { ridge * b };
                if at == 0 {
                    assert!(pull.abs() < 1e-12);
                } else if b == 0.0 {
                    assert!(pull.abs() <= lasso + 1e-12, "{at}: {pull} beyond {lasso}");
                } else {
                    assert!((pull - lasso * b.signum()).abs() < 1e-12, "{at}: {pull}");
                }
            }
        }
        let none = step(&packed, &gradient, &point, 0.0, 100.0);
        assert_eq!((point[1] + none[1], point[2] + none[2]), (0.0, 0.0));
    }

    #[test]
    fn a_matrix_that_is_no_curvature_moves_nothing() {
        assert_eq!(
            step(&[f64::NAN, 0.0, -1.0], &[1.0, 1.0], &[0.0, 0.0], 0.0, 1.0),
            [0.0, 0.0]
        );
    }
}
