//! Natural cubic splines: cubic between knots, straight beyond the outer two. The basis is the
//! cardinal one (Wood 2017, Generalized Additive Models, 5.3.1): function k is 1 at knot k and 0 at
//! the others, so that a coefficient is the difference of the linear predictor between its knot and
//! the first. It spans, with the intercept, the same functions as R's `splines::ns` with these
//! knots: fitted values, log-likelihood and all other coefficients are equal.

use motet_secagg::canonical;

/// More knots than anyone places by hand.
pub(crate) const MOST_KNOTS: usize = 32;

canonical! {
    /// One function of the basis.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Spline {
        /// Rising; the first and the last are the boundary.
        pub knots: Vec<f64>,
        /// The knot at which this function is 1; never the first, whose function the intercept
        /// replaces.
        pub at: u32,
        /// Its second derivative at each knot; 0 at the boundary.
        pub bend: Vec<f64>,
    }
}

/// More degrees of freedom than a spline with knots at quantiles is worth (Harrell 2015, 2.4.6,
/// takes 2 to 6), and so few that its inner knots, the first at one in so many, lie within the
/// outer ones (`glm::knots`).
pub(crate) const MOST_DEGREES: u32 = 10;

canonical! {
    /// One function of a natural spline whose knots are quantiles of its column, which a run has to
    /// find.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Sought {
        /// Degrees of freedom: knots less one.
        pub degrees: u32,
        /// The knot at which this function is 1, the first being 0; from 1.
        pub at: u32,
    }
}

canonical! {
    /// Knots that a run has found.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Placed {
        /// Index of the column in the design.
        pub column: u32,
        /// Degrees of freedom that the formula asks for.
        pub degrees: u32,
        /// Rising; the first and the last are the boundary.
        pub knots: Vec<f64>,
        /// Of each knot, how far the pooled quantile may be from it.
        pub within: Vec<f64>,
    }
}

impl Sought {
    pub(crate) fn good(&self) -> bool {
        (2..=MOST_DEGREES).contains(&self.degrees) && (1..=self.degrees).contains(&self.at)
    }

    /// The name of its coefficient as long as no knot is known.
    pub(crate) fn name(&self, column: &str) -> String {
        format!("ns({column}, {})[knot {}]", self.degrees, self.at + 1)
    }
}

impl Placed {
    /// The function that was looked for, and the name of its coefficient.
    pub(crate) fn function(&self, at: u32, column: &str) -> Option<(String, Spline)> {
        let spline = Spline::basis(&self.knots)
            .into_iter()
            .find(|spline| spline.at == at)?;
        let knot = self.knots.get(at as usize)?;
        Some((format!("ns({column}, {})[{knot}]", self.degrees), spline))
    }
}

impl Spline {
    /// The basis: one function for each knot but the first.
    pub(crate) fn basis(knots: &[f64]) -> Vec<Self> {
        (1..knots.len())
            .map(|at| Self {
                knots: knots.to_vec(),
                at: at as u32,
                bend: bend(knots, at),
            })
            .collect()
    }

    pub(crate) fn good(&self) -> bool {
        rising(&self.knots)
            && (1..self.knots.len()).contains(&(self.at as usize))
            && self.bend == bend(&self.knots, self.at as usize)
    }

    pub(crate) fn value(&self, x: f64) -> f64 {
        // The interval of x, or the outer one that it is nearest to.
        let place = self.knots.iter().filter(|knot| **knot <= x).count();
        let right = place.clamp(1, self.knots.len().saturating_sub(1));
        let left = right.saturating_sub(1);
        let ends = (
            self.knots.get(left),
            self.knots.get(right),
            self.bend.get(left),
            self.bend.get(right),
        );
        let (Some(from), Some(to), Some(bend_from), Some(bend_to)) = ends else {
            return f64::NAN;
        };
        let from_height = height(left, self.at as usize);
        let to_height = height(right, self.at as usize);
        let width = to - from;
        let steep = (to_height - from_height) / width;
        if x < *from {
            return from_height + (x - from) * (steep - width * (2.0 * bend_from + bend_to) / 6.0);
        }
        if x > *to {
            return to_height + (x - to) * (steep + width * (bend_from + 2.0 * bend_to) / 6.0);
        }
        let a = to - x;
        let b = x - from;
        (from_height * a + to_height * b) / width
            + bend_from * cubic(a, width)
            + bend_to * cubic(b, width)
    }
}

/// At least three finite knots, each above the last.
pub(crate) fn rising(knots: &[f64]) -> bool {
    (3..=MOST_KNOTS).contains(&knots.len())
        && knots.iter().all(|knot| knot.is_finite())
        && knots
            .windows(2)
            .all(|pair| matches!(pair, [low, high] if low < high))
}

/// The spline's height at a knot: 1 at knot `at`, 0 at the others.
fn height(knot: usize, at: usize) -> f64 {
    if knot == at { 1.0 } else { 0.0 }
}

/// What a bend at one end of an interval adds, at this distance from the other.
fn cubic(part: f64, width: f64) -> f64 {
    part * (part * part / width - width) / 6.0
}

/// Second derivatives of the natural spline through 1 at knot `at` and 0 at the others: the
/// tridiagonal system `h_(i-1) m_(i-1) + 2 (h_(i-1) + h_i) m_i + h_i m_(i+1) = 6 (slope_i -
/// slope_(i-1))`, solved from top to bottom and back.
fn bend(knots: &[f64], at: usize) -> Vec<f64> {
    let width: Vec<f64> = knots
        .windows(2)
        .map(|pair| {
            if let [low, high] = pair {
                high - low
            } else {
                1.0
            }
        })
        .collect();
    // Factor and right side of the line above; there is none above the first.
    let mut factor = 0.0;
    let mut above = 0.0;
    let mut lines: Vec<(f64, f64)> = Vec::new();
    for (inner, pair) in width.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let [low, knot, high] = [inner, inner + 1, inner + 2].map(|knot| height(knot, at));
        let right = 6.0 * ((high - knot) / after - (knot - low) / before);
        let pivot = 2.0 * (before + after) - before * factor;
        (factor, above) = (after / pivot, (right - before * above) / pivot);
        lines.push((factor, above));
    }
    let mut bend = vec![0.0];
    let mut next = 0.0;
    for (factor, right) in lines.iter().rev() {
        next = right - factor * next;
        bend.push(next);
    }
    bend.push(0.0);
    bend.reverse();
    bend
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_basis_is_one_at_its_knot_smooth_and_straight_outside() {
        let knots = [80.0, 120.0, 140.0, 160.0, 220.0];
        for spline in Spline::basis(&knots) {
            assert!(spline.good());
            for (at, knot) in knots.iter().enumerate() {
                assert_eq!(
                    spline.value(*knot),
                    if at == spline.at as usize { 1.0 } else { 0.0 }
                );
            }
            let value = |x: f64| spline.value(x);
            let slope = |x: f64, h: f64| (value(x + h) - value(x)) / h;
            let bend = |x: f64, h: f64| (slope(x + h, h) - slope(x, h)) / h;
            for (at, knot) in knots.iter().enumerate() {
                assert!(
                    (slope(*knot, 1e-6) - slope(*knot, -1e-6)).abs() < 1e-6,
                    "a kink at {knot}"
                );
                let (left, right) = (bend(*knot, -1e-3), bend(*knot, 1e-3));
                assert!(
                    (left - right).abs() < 1e-6,
                    "the second derivative jumps at {knot}: {left} {right}"
                );
                assert!((right - spline.bend[at]).abs() < 1e-6);
            }
            assert!(
                (slope(20.0, 10.0) - slope(79.0, 1.0)).abs() < 1e-12
                    && (slope(220.0, 1.0) - slope(300.0, 9.0)).abs() < 1e-12
            );
        }
    }

    #[test]
    fn knots_must_rise() {
        assert!(rising(&[0.0, 1.0, 2.0]));
        for bad in [
            &[0.0, 1.0][..],
            &[0.0, 1.0, 1.0],
            &[0.0, f64::NAN, 1.0],
            &[0.0, 2.0, 1.0, 3.0],
        ] {
            assert!(!rising(bad));
        }
    }
}
