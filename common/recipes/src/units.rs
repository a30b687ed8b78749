//! From standardised columns back to the units of the columns.

use crate::basis::Basis;
use crate::linear::dot;
use crate::moments::Moments;

/// Estimates `T b` and their standard errors, the roots of the diagonal of `T V T'`, where row 0 of
/// T is `(1, -mean_1/sd_1, ..)` and row j is `1/sd_j` at j. `covariance` is a full square in the
/// columns of `basis`; intercept first.
pub(crate) fn own(
    beta: &[f64],
    covariance: &[f64],
    moments: &Moments,
    basis: &Basis,
) -> Vec<(f64, f64)> {
    let terms = beta.len();
    (0..terms)
        .map(|row| {
            let t = transform(row, terms, moments);
            let mut turned = Vec::new();
            let estimate = dot(&t, beta);
            let t = basis.turn(&t, &mut turned);
            let moved: Vec<f64> = covariance
                .chunks_exact(terms)
                .map(|line| dot(line, t))
                .collect();
            (estimate, dot(t, &moved).sqrt())
        })
        .collect()
}

/// A row of T.
fn transform(row: usize, terms: usize, moments: &Moments) -> Vec<f64> {
    let Moments { mean, sd, .. } = moments;
    if row == 0 {
        let shift = mean.iter().zip(sd).map(|(mean, sd)| -mean / sd);
        return std::iter::once(1.0).chain(shift).collect();
    }
    let mut t = vec![0.0; terms];
    if let (Some(cell), Some(sd)) = (t.get_mut(row), sd.get(row - 1)) {
        *cell = 1.0 / sd;
    }
    t
}
