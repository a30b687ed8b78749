//! For how many rows the rows of a site count, by weight and offset.

use motet_common::study::Study;
use motet_recipes::{AnyMethod, Family};

/// What rows count for, in each way in which they do: by their weights, and under a log or logit
/// link by what the offset makes of them, which is exp(offset), and p(1 - p) at the offset itself,
/// where a fit begins, and about the middle one, where it ends.
pub(super) fn counting(
    study: &Study,
    weights: Option<Vec<f64>>,
    offsets: Option<Vec<f64>>,
) -> Vec<Vec<f64>> {
    let curved = |about: f64, offset: f64| {
        let e = (-(offset - about).abs()).exp();
        e / ((1.0 + e) * (1.0 + e))
    };
    let family = match &study.recipe.method {
        AnyMethod::Glm(recipe) => recipe.family,
        _ => Family::Linear,
    };
    let offsets = offsets.unwrap_or_default();
    let mut sorted = offsets.clone();
    sorted.sort_by(f64::total_cmp);
    let (Some(middle), Some(most)) = (sorted.get(sorted.len() / 2), sorted.last()) else {
        return weights.into_iter().collect();
    };
    let by = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let weight = |row: usize| {
            weights
                .as_ref()
                .map_or(1.0, |weights| weights.get(row).copied().unwrap_or_default())
        };
        offsets
            .iter()
            .enumerate()
            .map(|(row, offset)| of(*offset) * weight(row))
            .collect()
    };
    match family {
        Family::Linear => weights.into_iter().collect(),
        Family::Poisson | Family::Gamma | Family::Quasipoisson => {
            vec![by(&|offset| (offset - most).exp())]
        }
        Family::Logistic | Family::Quasibinomial => {
            vec![
                by(&|offset| curved(0.0, offset)),
                by(&|offset| curved(*middle, offset)),
            ]
        }
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
    let shares = || {
        weights
            .iter()
            .map(|weight| weight / most)
            .filter(|share| *share > 0.0)
    };
    let (sum, squares) = (
        shares().sum::<f64>(),
        shares().map(|share| share * share).sum::<f64>(),
    );
    let rows = shares().count() as f64;
    // Equal weights count for all their rows, whatever the last bit of the sums says.
    let effective = sum * sum / squares;
    if effective > rows * (1.0 - 1e-12) {
        rows
    } else {
        effective
    }
}
