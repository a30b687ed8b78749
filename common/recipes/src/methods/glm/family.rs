//! The families: how the mean follows from the linear predictor, and what a row adds to the sums.
//!
//! With `e` the linear predictor, `w` the prior weight (McCullagh and Nelder 1989, 2.2; R:
//! `family()`):
//!
//! | family | mean | variance | kernel of the log-likelihood | first | minus second derivative by e |
//! |---|---|---|---|---|---|
//! | linear | e | 1 | -(y - e)^2 / 2 | y - e | 1 |
//! | poisson | exp e | mean | y e - exp e | y - exp e | exp e |
//! | gamma | exp e | mean^2 | -e - y exp -e | y exp -e - 1 | y exp -e; expected 1 |
//! | logistic | 1/(1 + exp -e) | mean (1 - mean) | log P(y) | y - mean | mean (1 - mean) |
//!
//! `quasipoisson` and `quasibinomial` have the estimates of poisson and logistic; their dispersion
//! is estimated.

use crate::score;
use crate::written::word;
use motet_secagg::canonical;

/// exp of more than this is no mean that people count, and its sums would leave the range of the
/// limbs: a step that goes there is far too long. The likelihood, not this number, then makes the
/// climb turn back.
pub(super) const FAR: f64 = 40.0;
/// An offset further from its mean than this leaves the columns too little of that range; a factor
/// of e^20 is no exposure.
pub(super) const OFFSET_FAR: f64 = 20.0;

canonical! {
    /// Distribution and link.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Family {
        /// Normal errors, identity link.
        1 => Linear,
        /// Counts, log link.
        2 => Poisson,
        /// Positive numbers with a constant coefficient of variation, log link.
        3 => Gamma,
        /// 0 or 1, logit link.
        4 => Logistic,
        /// Poisson with an estimated dispersion.
        5 => Quasipoisson,
        /// Logistic with an estimated dispersion; the outcome may be a share from 0 to 1.
        6 => Quasibinomial,
    }
}

/// What a study file calls them, in the order in which a message lists them.
pub(super) const KINDS: &[(&str, Family)] = &[
    ("linear", Family::Linear),
    ("logistic", Family::Logistic),
    ("poisson", Family::Poisson),
    ("gamma", Family::Gamma),
    ("quasipoisson", Family::Quasipoisson),
    ("quasibinomial", Family::Quasibinomial),
];

/// What a row of weight 1 adds.
pub(super) struct Part {
    pub(super) kernel: f64,
    /// Derivative of the kernel by the linear predictor.
    pub(super) first: f64,
    /// Minus the second derivative.
    pub(super) second: f64,
    /// Minus its expected value.
    pub(super) expected: f64,
    /// Squared Pearson residual.
    pub(super) pearson: f64,
}

impl Family {
    /// The name a study file calls it by.
    pub fn name(self) -> &'static str {
        word(KINDS, &self)
    }

    /// Whether the dispersion is estimated: then coefficients are tested against Student's t.
    pub fn disperses(self) -> bool {
        !matches!(self, Self::Poisson | Self::Logistic)
    }

    /// Whether the outcome may be divided by any unit: then it is, so that sums do not depend on
    /// the unit it comes in.
    pub(super) fn scales(self) -> bool {
        matches!(self, Self::Gamma | Self::Quasipoisson)
    }

    pub(super) fn log_link(self) -> bool {
        matches!(self, Self::Poisson | Self::Gamma | Self::Quasipoisson)
    }

    pub(super) fn logit_link(self) -> bool {
        matches!(self, Self::Logistic | Self::Quasibinomial)
    }

    /// The values an outcome may have.
    pub(super) fn knows(self, y: f64) -> bool {
        match self {
            Self::Linear => y.is_finite(),
            Self::Poisson => y >= 0.0 && y.is_finite() && libm::floor(y) == y,
            Self::Quasipoisson => y >= 0.0 && y.is_finite(),
            Self::Gamma => y > 0.0 && y.is_finite(),
            Self::Logistic => y == 0.0 || y == 1.0,
            Self::Quasibinomial => (0.0..=1.0).contains(&y),
        }
    }

    /// The same for people.
    pub(super) fn must(self) -> &'static str {
        match self {
            Self::Linear => "a finite number",
            Self::Poisson => "a count (0, 1, 2, ..)",
            Self::Quasipoisson => "0 or more",
            Self::Gamma => "above 0",
            Self::Logistic => "0 or 1",
            Self::Quasibinomial => "from 0 to 1",
        }
    }

    /// The mean that belongs to a linear predictor.
    pub(super) fn mean(self, predictor: f64) -> f64 {
        match self {
            Self::Linear => predictor,
            Self::Poisson | Self::Quasipoisson | Self::Gamma => predictor.clamp(-FAR, FAR).exp(),
            Self::Logistic | Self::Quasibinomial => score::logistic(predictor),
        }
    }

    pub(super) fn part(self, predictor: f64, y: f64) -> Part {
        match self {
            Self::Linear => {
                let rest = y - predictor;
                Part {
                    kernel: -0.5 * rest * rest,
                    first: rest,
                    second: 1.0,
                    expected: 1.0,
                    pearson: rest * rest,
                }
            }
            Self::Poisson | Self::Quasipoisson => {
                let predictor = predictor.clamp(-FAR, FAR);
                let mean = predictor.exp();
                let rest = y - mean;
                Part {
                    kernel: y * predictor - mean,
                    first: rest,
                    second: mean,
                    expected: mean,
                    pearson: rest * rest / mean,
                }
            }
            Self::Gamma => {
                let predictor = predictor.clamp(-FAR, FAR);
                let ratio = y * (-predictor).exp();
                let rest = ratio - 1.0;
                Part {
                    kernel: -predictor - ratio,
                    first: rest,
                    second: ratio,
                    expected: 1.0,
                    pearson: rest * rest,
                }
            }
            Self::Logistic | Self::Quasibinomial => {
                let mean = score::logistic(predictor);
                let other = score::logistic(-predictor);
                let variance = mean * other;
                let rest = y - mean;
                let kernel = if self == Self::Logistic {
                    score::log_likelihood(predictor, y)
                } else {
                    y * score::log_likelihood(predictor, 1.0)
                        + (1.0 - y) * score::log_likelihood(predictor, 0.0)
                };
                // (y - p)^2 / (p q) without a division of zero by zero where p is 0 or 1 to the
                // last bit.
                let pearson = if variance > 0.0 {
                    rest * rest / variance
                } else {
                    0.0
                };
                Part {
                    kernel,
                    first: rest,
                    second: variance,
                    expected: variance,
                    pearson,
                }
            }
        }
    }

    /// How many sums besides the kernel log-likelihood and deviance need; they do not depend on the
    /// coefficients.
    pub(super) fn constants(self, weighted: bool) -> usize {
        match self {
            Self::Linear => usize::from(weighted),
            Self::Poisson => 2,
            Self::Gamma | Self::Quasipoisson | Self::Quasibinomial => 1,
            Self::Logistic => 0,
        }
    }

    /// What a row adds to them. First what the kernel would be if the mean were the outcome (gamma:
    /// log y; linear: log w), then what the density has besides. `y` is the outcome on the scale of
    /// the fit.
    pub(super) fn constant(self, y: f64, weight: f64) -> [f64; 2] {
        match self {
            Self::Linear => [if weight > 0.0 { weight.ln() } else { 0.0 }, 0.0],
            Self::Poisson => [weight * (entropy(y) - y), -weight * libm::lgamma(y + 1.0)],
            Self::Quasipoisson => [weight * (entropy(y) - y), 0.0],
            Self::Gamma => [weight * y.ln(), 0.0],
            Self::Logistic => [0.0, 0.0],
            Self::Quasibinomial => [weight * (entropy(y) + entropy(1.0 - y)), 0.0],
        }
    }
}

/// `y log y`, which is 0 at 0.
fn entropy(y: f64) -> f64 {
    if y > 0.0 { y * y.ln() } else { 0.0 }
}
