//! The pictures of a generalised linear model.

use super::forest::{self, Effect, Words};
use super::{scale, steps};
use crate::context::Context;
use crate::kit::picture::{Picture, outcome_name};
use crate::performance;
use crate::performance::scene::{FITTED, Scene};
use motet_recipes::Family;
use motet_recipes::glm::GlmOutcome;

/// `forest.svg`, `convergence.svg`; with an evaluation also `roc.svg` and `calibration.svg`.
pub(crate) fn pictures(fit: &GlmOutcome, context: &Context) -> Vec<Picture> {
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
    let mut pictures = forest::pictures(
        fit.rows,
        effects.collect(),
        &words(fit.family, context),
        context,
    );
    pictures.extend(steps::picture(
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
        pictures.extend(performance::pictures::pictures(
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
        shows: match family {
            Family::Linear => "coefficients with their confidence intervals",
            Family::Gamma => "ratios of means with their confidence intervals",
            Family::Poisson | Family::Quasipoisson | Family::Quasibinomial => {
                "ratios with their confidence intervals"
            }
            Family::Logistic => "odds ratios with their confidence intervals",
        },
        ratio: scale::ratio(family).is_some(),
    }
}
