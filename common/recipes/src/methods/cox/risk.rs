//! The sums over risk sets that a Newton step of the partial likelihood needs, at a site and from
//! the sum.
//!
//! At an event point k of a stratum, with r = exp(b z), let S0, S1 be the sums of r and r z over
//! all who are at risk there, D0, D1 the same over the d who have the event there. Efron's
//! approximation of ties has a term for each l = 0 .. d-1 (with f = l / d), Breslow's has d times
//! that of l = 0 (Efron 1977; Therneau & Grambsch 2000, section 3.3):
//!
//! ```text
//! den_l = S0 - f D0           mean_l = (S1 - f D1) / den_l
//! loglik      = sum over events of b z - sum_kl log den_l
//! gradient    = sum over events of z   - sum_kl mean_l
//! information = sum_kl (S2 - f D2) / den_l  -  sum_kl mean_l mean_l'
//! ```
//!
//! The first part of the information needs no S2 for each k. With the public weights w_k = sum_l 1
//! / den_l and v_k = sum_l f / den_l it is `sum over rows of z z' r (W - v)`: W adds up w_k over
//! the points at which the row is at risk, and v is that of the row's own event. So it is one
//! triangle, whatever the number of event points.
//!
//! **Range.** One patient far out, alone at risk in the end, may have a hazard of exp(-40), and
//! exp(40) where he is the first to die. So the sums of each point travel times a public power of
//! two, which follows the risk set: from one kept point of the climb to the next they may grow or
//! shrink by about exp(31). What goes farther is a step that was too long, is halved, and is told
//! from there.
#![expect(
    clippy::indexing_slicing,
    reason = "all indices are below lengths that this file itself allots"
)]

use super::points::{EventPoint, Ties, reach};
use crate::error::RecipeError;
use crate::followup::Follow;
use crate::linear::{dot, triangle};
use crate::moments::Moments;
use crate::rows::Values;
use crate::squares::power;
use motet_secagg::canonical;
use ndarray::ArrayView2;
use std::ops::Range;

/// What a risk set's sum is brought to by its scale, whenever a point of the climb is kept: half
/// way between too little for the limbs' 2^-41 and too much for their 2^86.
const AIM: f64 = 1_099_511_627_776.0; // 2^40
/// A site's sum above this would leave the range of the limbs where many sites have one.
const MOST: f64 = 1_208_925_819_614_629_174_706_176.0; // 2^80
/// A risk set whose sum, times its scale, is below this (2^-8) is known to too few digits.
pub(super) const LEAST: f64 = 0.003_906_25;

/// A site's rows as the sums see them.
pub(super) struct Patients<'a> {
    pub(super) x: ArrayView2<'a, f64>,
    pub(super) moments: &'a Moments,
    pub(super) follow: &'a [Follow],
    pub(super) points: &'a [EventPoint],
}

canonical! {
    /// What is kept of the risk sets at one point of the climb.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct RiskSets {
        /// Log partial likelihood.
        pub loglik: f64,
        /// Its gradient.
        pub gradient: Vec<f64>,
        /// w_k of each event point.
        pub weights: Vec<f64>,
        /// v_k of each event point; 0 without ties.
        pub tied: Vec<f64>,
        /// Sums over all terms of g mean, with g the clock of the check of proportional hazards.
        pub drift: Vec<f64>,
        /// Sums over all terms of mean mean', then g mean mean', then g^2 mean mean', each an upper
        /// triangle; the last two only where there is a clock.
        pub outer: Vec<Vec<f64>>,
    }
}

/// Weights of the rows in a triangle: of each point the sum of weights up to it, from the first of
/// its stratum, and v.
pub(super) struct Weighing(Vec<(f64, f64)>);

impl Patients<'_> {
    /// Calls `each` with every row's standardised columns, its score, and the event points at which
    /// it is at risk.
    pub(super) fn each(
        &self,
        beta: &[f64],
        mut each: impl FnMut(&[f64], f64, &Follow, Range<usize>),
    ) {
        let mut z = vec![0.0; beta.len()];
        for (row, follow) in self.x.rows().into_iter().zip(self.follow) {
            self.moments.standardise(row, &mut z);
            each(&z, dot(&z, beta), follow, reach(self.points, follow));
        }
    }

    /// `[ 1 where a sum is beyond the range | S0, S1 a point | D0, D1 a point with ties | sum of z
    /// over events ]`
    pub(super) fn risk_sets(&self, beta: &[f64], ties: Ties) -> Vec<f64> {
        let width = 1 + beta.len();
        let slots = ties.slots(self.points);
        let mut risk = vec![0.0; self.points.len() * width];
        let mut tied = vec![0.0; slots.iter().flatten().count() * width];
        let mut events = vec![0.0; beta.len()];
        self.each(beta, |z, score, follow, at_risk| {
            let Some(last) = at_risk.last() else { return };
            let r = score.exp();
            add(&mut risk[last * width..][..width], r, z);
            if follow.event {
                events.iter_mut().zip(z).for_each(|(sum, z)| *sum += z);
                if let Some(slot) = slots[last] {
                    add(&mut tied[slot * width..][..width], r, z);
                }
            }
        });
        // So far each row stands at the last point at which it is at risk; it is at risk at all
        // before too.
        for k in (1..self.points.len()).rev() {
            if self.points[k].stratum == self.points[k - 1].stratum {
                let (before, here) = risk.split_at_mut(k * width);
                let before = &mut before[(k - 1) * width..];
                before
                    .iter_mut()
                    .zip(&here[..width])
                    .for_each(|(sum, later)| *sum += later);
            }
        }
        debug_assert_eq!(slots.len(), self.points.len());
        let with_ties = self.points.iter().zip(&slots);
        scale_widely(&mut risk, width, self.points.iter());
        scale_widely(
            &mut tied,
            width,
            with_ties.filter_map(|(point, slot)| slot.and(Some(point))),
        );
        if risk
            .iter()
            .chain(&tied)
            .any(|sum| !sum.is_finite() || sum.abs() > MOST)
        {
            return [vec![1.0], vec![0.0; risk.len() + tied.len()], events].concat();
        }
        [vec![0.0], risk, tied, events].concat()
    }

    /// For each weighing the upper triangle of the sum of z z' r (W - v).
    pub(super) fn triangles(&self, beta: &[f64], weighings: &[Weighing]) -> Vec<f64> {
        let size = triangle(beta.len());
        let mut sums = vec![0.0; size * weighings.len()];
        self.each(beta, |z, score, follow, at_risk| {
            let Some(last) = at_risk.last() else { return };
            let r = score.exp();
            for (weighing, sums) in weighings.iter().zip(sums.chunks_exact_mut(size.max(1))) {
                // A state from elsewhere may hold fewer weights than points: nothing is added, and
                // nothing panics.
                let Some((whole, tied)) = weighing.0.get(last) else {
                    return;
                };
                add_square(
                    sums,
                    r * (whole - if follow.event { *tied } else { 0.0 }),
                    z,
                );
            }
        });
        sums
    }
}

/// Multiplies what each point has, `width` sums, by the scale of the point.
fn scale_widely<'p>(sums: &mut [f64], width: usize, points: impl Iterator<Item = &'p EventPoint>) {
    for (sums, point) in sums.chunks_exact_mut(width).zip(points) {
        sums.iter_mut().for_each(|sum| *sum *= point.scale);
    }
}

/// Adds `r (1, z)`.
fn add(sums: &mut [f64], r: f64, z: &[f64]) {
    sums[0] += r;
    sums[1..]
        .iter_mut()
        .zip(z)
        .for_each(|(sum, z)| *sum += r * z);
}

/// Adds the upper triangle of `weight z z'`.
fn add_square(sums: &mut [f64], weight: f64, z: &[f64]) {
    let mut cells = sums.iter_mut();
    for (at, z_j) in z.iter().enumerate() {
        let part = weight * z_j;
        // The rest of z stands first: zip takes from its first side before it finds the second at
        // its end.
        for (z_k, cell) in z[at..].iter().zip(&mut cells) {
            *cell += part * z_k;
        }
    }
}

/// Elements of [`Patients::risk_sets`] after the first.
pub(super) fn elements(points: &[EventPoint], columns: usize, ties: Ties) -> usize {
    (points.len() + ties.slots(points).iter().flatten().count()) * (1 + columns) + columns
}

/// S0 of each point from the start of a round's values.
pub(super) fn masses(values: &[f64], points: &[EventPoint], columns: usize) -> Vec<f64> {
    values
        .iter()
        .step_by(1 + columns)
        .zip(points)
        .map(|(sum, point)| sum / point.scale)
        .collect()
}

/// The points with scales that follow their risk sets, `masses` being S0 of each.
pub(super) fn rescaled(points: &[EventPoint], masses: &[f64]) -> Vec<EventPoint> {
    points
        .iter()
        .zip(masses)
        .map(|(point, mass)| EventPoint {
            scale: AIM / power(*mass),
            ..*point
        })
        .collect()
}

impl RiskSets {
    /// Reads the sum (or one site's values, where each site has its own risk sets) after its first
    /// element; nothing where a risk set's sum is not above `least`, too small to divide by.
    /// `clock` has g of each point where there is a check.
    pub(super) fn read(
        values: &mut Values<'_>,
        points: &[EventPoint],
        beta: &[f64],
        ties: Ties,
        clock: Option<&[f64]>,
        least: f64,
    ) -> Result<Option<Self>, RecipeError> {
        let width = 1 + beta.len();
        let slots = ties.slots(points);
        let risk = values.take(points.len() * width)?;
        let tied = values.take(slots.iter().flatten().count() * width)?;
        let gradient = values.take(beta.len())?.to_vec();
        let outers = if clock.is_some() { 3 } else { 1 };
        let mut sets = Self {
            loglik: dot(beta, &gradient),
            gradient,
            weights: vec![0.0; points.len()],
            tied: vec![0.0; points.len()],
            drift: vec![0.0; if clock.is_some() { beta.len() } else { 0 }],
            outer: vec![vec![0.0; triangle(beta.len())]; outers],
        };
        for (k, point) in points.iter().enumerate() {
            let s = &risk[k * width..][..width];
            let d = slots[k].map(|slot| &tied[slot * width..][..width]);
            let g = match clock {
                Some(clock) => *clock
                    .get(k)
                    .ok_or(RecipeError::Mismatch { what: "state" })?,
                // Without a check of the hazards nothing is weighed by a clock.
                None => 0.0,
            };
            if s[0].is_nan() || s[0] <= least || !sets.add(k, point, s, d, (g, least)) {
                return Ok(None);
            }
        }
        Ok(Some(sets))
    }

    /// The terms l of one point; false where one of them cannot be divided by.
    ///
    /// With s = S1 / S0, e = D1 / S0 and q = S0 / den_l, a mean is `q (s - f e)`, and so `sum_l
    /// mean_l mean_l' = a (s - c e) (s - c e)' + b e e'` with `a = sum q^2`, `c = sum f q^2 / a`
    /// and `b = sum (f - c)^2 q^2`: two squares, however many events are tied.
    fn add(
        &mut self,
        k: usize,
        point: &EventPoint,
        s: &[f64],
        d: Option<&[f64]>,
        (g, least): (f64, f64),
    ) -> bool {
        let events = point.events;
        let scale = point.scale;
        let count = events as f64;
        let tied = d.map_or(0.0, |d| d[0] / s[0]);
        let terms = if d.is_some() { events } else { 1 };
        let times = if d.is_some() { 1.0 } else { count };
        let mut q1 = 0.0;
        let mut f1 = 0.0;
        let mut q2 = 0.0;
        let mut f2 = 0.0;
        for l in 0..terms {
            let f = l as f64 / count;
            let den = s[0] * (1.0 - f * tied);
            if den <= least {
                return false;
            }
            let q = s[0] / den;
            self.loglik -= times * libm::log(den / scale);
            (q1, f1) = (q1 + times * q, f1 + f * q);
            (q2, f2) = (q2 + times * q * q, f2 + f * q * q);
        }
        let centre = f2 / q2;
        let spread = (0..if d.is_some() { terms } else { 0 }).fold(0.0, |sum, l| {
            let f = l as f64 / count;
            let part = (f - centre) / (1.0 - f * tied);
            sum + part * part
        });
        self.weights[k] = q1 * scale / s[0];
        self.tied[k] = f1 * scale / s[0];
        let mean: Vec<f64> = s[1..].iter().map(|sum| sum / s[0]).collect();
        let own: Vec<f64> = d.map_or_else(
            || vec![0.0; mean.len()],
            |d| d[1..].iter().map(|sum| sum / s[0]).collect(),
        );
        for (at, (mean, own)) in mean.iter().zip(&own).enumerate() {
            let sum = q1 * mean - f1 * own;
            self.gradient[at] -= sum;
            self.drift
                .get_mut(at)
                .into_iter()
                .for_each(|drift| *drift += g * sum);
        }
        let middle: Vec<f64> = mean
            .iter()
            .zip(&own)
            .map(|(mean, own)| mean - centre * own)
            .collect();
        let mut weight = 1.0;
        for outer in &mut self.outer {
            add_square(outer, weight * q2, &middle);
            if d.is_some() {
                add_square(outer, weight * spread, &own);
            }
            weight *= g;
        }
        true
    }

    /// Weights w_k and v_k times the factor of each point.
    pub(super) fn weighing(
        &self,
        points: &[EventPoint],
        factors: impl Iterator<Item = f64>,
    ) -> Weighing {
        let mut sum = 0.0;
        let mut stratum = None;
        let weights = self.weights.iter().zip(&self.tied);
        Weighing(
            points
                .iter()
                .zip(weights)
                .zip(factors)
                .map(|((point, (weight, tied)), factor)| {
                    if stratum != Some(point.stratum) {
                        (sum, stratum) = (0.0, Some(point.stratum));
                    }
                    sum += weight * factor;
                    (sum, tied * factor)
                })
                .collect(),
        )
    }
}
