//! The pictures of a generalised linear model.

use super::super::scale;
use super::forest::{Effect, Words};
use super::{FITTED, Scene, convergence, forest, outcome_name, performance};
use crate::context::Context;
use motet_recipes::{Family, GlmOutcome};

/// `forest.svg`, `convergence.svg`; with an evaluation also `roc.svg` and `calibration.svg`.
pub(super) fn all(fit: &GlmOutcome, context: &Context) -> Vec<(String, String)> {
    let effects = fit.coefficients.iter().map(|c| {
        let (ci_low, ci_high) = c
            .uncertainty
            .as_ref()
            .map_or((f64::NAN, f64::NAN), |known| (known.ci_low, known.ci_high));
        Effect {
            name: &c.name,
            estimate: c.estimate,
            ci_low,
            ci_high,
        }
    });
    let mut pictures = forest::draw(
        fit.rows,
        effects.collect(),
        &words(fit.family, context),
        context,
    );
    pictures.extend(convergence::newton(
        fit.rows,
        fit.converged,
        &fit.history,
        context,
    ));
    if let Some(evaluation) = &fit.evaluation {
        let scene = Scene {
            context,
            rows: fit.rows,
            metrics: &evaluation.metrics,
            measured: FITTED,
        };
        pictures.extend(performance(
            &scene,
            &evaluation.roc,
            &evaluation.calibration,
        ));
    }
    pictures
}

fn words(family: Family, context: &Context) -> Words {
    let outcome = outcome_name(context);
    let (one, many, of, intercept) = match family {
        Family::Linear => (
            "Coefficient",
            "Coefficients",
            "",
            "the mean of a patient with 0 in every variable",
        ),
        Family::Poisson | Family::Quasipoisson => (
            "Rate ratio",
            "Rate ratios",
            "rate of ",
            "the log rate of a patient with 0 in every variable",
        ),
        Family::Gamma => (
            "Ratio of means",
            "Ratios of means",
            "mean of ",
            "the log mean of a patient with 0 in every variable",
        ),
        Family::Logistic | Family::Quasibinomial => (
            "Odds ratio",
            "Odds ratios",
            "odds of ",
            "the log odds of a patient with 0 in every variable",
        ),
    };
    Words {
        one,
        title: format!("{many} for {outcome}"),
        of: format!("{of}{outcome}"),
        intercept,
        ratio: scale::ratio(family).is_some(),
    }
}
