//! For how many rows the rows of a site count, by weight and offset.

use motet_common::study::Study;
use motet_recipes::OffsetWeighs;

/// What rows count for, in each way in which they do: by their weights, and under a log or logit
/// link by what the offset makes of them, which is exp(offset), and p(1 - p) at the offset itself,
/// where a fit begins, and about the middle one, where it ends.
pub(super) fn counting(
    study: &Study,
    weights: Option<Vec<f64>>,
    offsets: Option<Vec<f64>>,
) -> Vec<Vec<f64>> {
    // Rows without an offset count by their weights.
    let Some(offsets) = offsets else {
        return weights.into_iter().collect();
    };
    let mut sorted = offsets.clone();
    sorted.sort_by(f64::total_cmp);
    let (Some(middle), Some(most)) = (sorted.get(sorted.len() / 2), sorted.last()) else {
        return weights.into_iter().collect();
    };
    match study.recipe.method.offset_weighs() {
        OffsetWeighs::Not => weights.into_iter().collect(),
        OffsetWeighs::Exponent => {
            let shares = offsets.iter().map(|offset| (offset - most).exp());
            vec![times(shares, weights.as_deref())]
        }
        OffsetWeighs::Variance => [0.0, *middle]
            .map(|about| {
                let shares = offsets.iter().map(|offset| variance(offset - about));
                times(shares, weights.as_deref())
            })
            .into(),
    }
}

/// p(1 - p) at log odds of `x`.
fn variance(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    e / ((1.0 + e) * (1.0 + e))
}

/// What rows count for, times their weights where they have some.
fn times(shares: impl Iterator<Item = f64>, weights: Option<&[f64]>) -> Vec<f64> {
    match weights {
        Some(weights) => shares
            .zip(weights)
            .map(|(share, weight)| share * weight)
            .collect(),
        None => shares.collect(),
    }
}

/// For how many rows weights count: Kish's `(sum w)^2 / sum w^2`, which no number of rows of weight
/// 0 or nearly 0 makes larger, and which is never more than the rows of weight above 0.
pub(super) fn effective(weights: &[f64]) -> f64 {
    let most = weights
        .iter()
        .copied()
        .filter(|weight| weight.is_finite())
        .fold(0.0, f64::max);
    if most <= 0.0 {
        return 0.0;
    }
    // By the largest, so that no square overflows or vanishes.
    let shares: Vec<f64> = weights
        .iter()
        .map(|weight| weight / most)
        .filter(|share| *share > 0.0)
        .collect();
    let sum = shares.iter().sum::<f64>();
    let squares = shares.iter().map(|share| share * share).sum::<f64>();
    let rows = shares.len() as f64;
    // Equal weights count for all their rows, whatever the last bit of the sums says.
    let effective = sum * sum / squares;
    if effective > rows * (1.0 - 1e-12) {
        rows
    } else {
        effective
    }
}
