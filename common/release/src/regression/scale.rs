//! What a coefficient of a generalised linear model means: the link, and what exp(coefficient) is
//! called.

use motet_recipes::{Errors, Family, WeightKind};

/// The function of the mean that is linear in the variables.
pub(crate) fn link(family: Family) -> &'static str {
    match family {
        Family::Linear => "identity",
        Family::Poisson | Family::Gamma | Family::Quasipoisson => "log",
        Family::Logistic | Family::Quasibinomial => "logit",
    }
}

/// What exp(coefficient) is; nothing where it has no meaning.
pub(crate) fn ratio(family: Family) -> Option<&'static str> {
    match family {
        Family::Linear => None,
        Family::Poisson | Family::Quasipoisson => Some("rate ratio"),
        Family::Gamma => Some("ratio of means"),
        Family::Logistic | Family::Quasibinomial => Some("odds ratio"),
    }
}

/// What the weights say, as the report and a study file name it.
pub(crate) fn weight_kind(kind: WeightKind) -> &'static str {
    match kind {
        WeightKind::Precision => "precision",
        WeightKind::Frequency => "frequency",
    }
}

/// Where standard errors come from, as the report names it.
pub(crate) fn errors(errors: Errors) -> &'static str {
    match errors {
        Errors::Model => "model",
        Errors::Hc0 => "hc0",
        Errors::Hc1 => "hc1",
    }
}
