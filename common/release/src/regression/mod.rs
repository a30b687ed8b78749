//! Exact regressions: the generalised linear model, proportional odds, and what every fit of
//! coefficients has: a forest plot and Newton steps.

pub(crate) mod card;
pub(crate) mod forest;
pub(crate) mod glm;
pub(crate) mod ordinal;
pub(crate) mod pictures;
pub(crate) mod report;
pub(crate) mod scale;
pub(crate) mod steps;
