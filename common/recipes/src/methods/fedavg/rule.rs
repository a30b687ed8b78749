//! How the weighted mean `D` of the sites' changes moves the common model `w`: the members of the
//! family.
//!
//! ```text
//! average   w += s D                                                               McMahan et al. 2017
//! prox      w += s D           sites step by gradient + mu (w_k - w)               Li et al. 2020 (FedProx)
//! momentum  m = beta m + D;    w += s m                                            Hsu et al. 2019 (FedAvgM)
//! adam      m = b1 m + (1 - b1) D;  v = b2 v + (1 - b2) D^2;  w += s m / (sqrt v + tau)
//! yogi      m as adam;              v = v - (1 - b2) D^2 sign(v - D^2)             Reddi et al. 2021 (FedOpt), without
//! adagrad   m as adam;              v = v + D^2                                    bias correction, as there
//! scaffold  w += s D;          sites step by gradient - c_k + c                    Karimireddy et al. 2020, option II
//!           c_k' = c_k - c + (w - w_k) / (steps * lr);   c = weighted mean of c_k'
//! ```
//!
//! `s` is `server_lr`. All begin at zero. The paper adds the mean of `c_k' - c_k` to `c`, which is
//! the same while all sites take part; the mean of `c_k'` does not add up the rounding of the words
//! over the rounds (a hundredfold error after a hundred rounds of ten sites), and the corrections
//! of a round's sites add up to nothing when one was lost before it. The steps are part of the
//! chain: `+ - * /` and square root only.

use crate::error::{RecipeError, require};
use crate::written::word;
use motet_secagg::canonical;

canonical! {
    /// A member of the family.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub enum Rule {
        /// Plain averaging: `fedavg`.
        1 => Average,
        /// Sites are held back towards the common model with this strength: `fedprox`.
        2 => Prox(f64),
        /// The common model keeps this part of its last step: `fedavgm`.
        3 => Momentum(f64),
        /// `fedadam`.
        4 => Adam(Adaptive),
        /// `fedyogi`.
        5 => Yogi(Adaptive),
        /// `fedadagrad`; `beta2` has no part in it.
        6 => Adagrad(Adaptive),
        /// Sites correct their steps by control variates: `scaffold`.
        7 => Scaffold,
    }
}

canonical! {
    /// The numbers of an adaptive server.
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Adaptive {
        /// The part of the first moment that stays.
        pub beta1: f64,
        /// The part of the second moment that stays.
        pub beta2: f64,
        /// Added to the root of the second moment.
        pub tau: f64,
    }
}

canonical! {
    /// What the server's rule remembers of the rounds before, one number a parameter; empty where
    /// the rule needs none.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Carried {
        /// The first moment; in `scaffold` the common control variate.
        pub first: Vec<f64>,
        /// The second moment.
        pub second: Vec<f64>,
    }
}

/// A rule without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Average,
    Prox,
    Momentum,
    Adam,
    Yogi,
    Adagrad,
    Scaffold,
}

/// What a study file calls them, in the order in which a message lists them.
pub(super) const KINDS: &[(&str, Kind)] = &[
    ("fedavg", Kind::Average),
    ("fedprox", Kind::Prox),
    ("fedavgm", Kind::Momentum),
    ("fedadam", Kind::Adam),
    ("fedyogi", Kind::Yogi),
    ("fedadagrad", Kind::Adagrad),
    ("scaffold", Kind::Scaffold),
];

impl Default for Adaptive {
    /// `beta1` 0.9, `beta2` 0.999, `tau` 0.001.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            tau: 1e-3,
        }
    }
}

impl Rule {
    /// The name a study file calls it by.
    pub fn name(&self) -> &'static str {
        word(KINDS, &self.kind())
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Average => Kind::Average,
            Self::Prox(_) => Kind::Prox,
            Self::Momentum(_) => Kind::Momentum,
            Self::Adam(_) => Kind::Adam,
            Self::Yogi(_) => Kind::Yogi,
            Self::Adagrad(_) => Kind::Adagrad,
            Self::Scaffold => Kind::Scaffold,
        }
    }

    /// Checks its numbers; `lr` is the step length of the sites.
    pub(crate) fn check(&self, lr: f64) -> Result<(), RecipeError> {
        match self {
            Self::Average | Self::Scaffold => Ok(()),
            // A longer step would carry a site beyond the common model that pulls it back.
            Self::Prox(mu) => require(
                *mu > 0.0 && mu * lr <= 1.0,
                "mu",
                "above 0 and at most 1 / lr",
            ),
            Self::Momentum(beta) => check_part(*beta, "momentum"),
            Self::Adam(a) | Self::Yogi(a) | Self::Adagrad(a) => {
                check_part(a.beta1, "beta1")?;
                check_part(a.beta2, "beta2")?;
                require(a.tau.is_finite() && a.tau >= 1e-9, "tau", "1e-9 or more")
            }
        }
    }

    /// The strength with which a site is held back.
    pub(crate) fn pull(&self) -> f64 {
        if let Self::Prox(mu) = self { *mu } else { 0.0 }
    }

    pub(crate) fn start(&self, parameters: usize) -> Carried {
        let zeros = vec![0.0; parameters];
        match self {
            Self::Average | Self::Prox(_) => Carried::default(),
            Self::Momentum(_) | Self::Scaffold => Carried {
                first: zeros,
                second: Vec::new(),
            },
            Self::Adam(_) | Self::Yogi(_) | Self::Adagrad(_) => Carried {
                first: zeros.clone(),
                second: zeros,
            },
        }
    }

    /// The next model. `change` is the weighted mean of the sites' changes, `control` that of their
    /// next control variates.
    pub(crate) fn step(
        &self,
        model: &[f64],
        carried: &Carried,
        change: &[f64],
        control: &[f64],
        server_lr: f64,
    ) -> (Vec<f64>, Carried) {
        match self {
            Self::Average | Self::Prox(_) => (moved(model, change, server_lr), Carried::default()),
            Self::Momentum(beta) => {
                let first: Vec<f64> = carried
                    .first
                    .iter()
                    .zip(change)
                    .map(|(m, d)| beta * m + d)
                    .collect();
                (
                    moved(model, &first, server_lr),
                    Carried {
                        first,
                        second: Vec::new(),
                    },
                )
            }
            Self::Scaffold => (
                moved(model, change, server_lr),
                Carried {
                    first: control.to_vec(),
                    second: Vec::new(),
                },
            ),
            Self::Adam(a) => adapt(
                a,
                |v, d| a.beta2 * v + (1.0 - a.beta2) * d * d,
                carried,
                change,
                model,
                server_lr,
            ),
            Self::Yogi(a) => adapt(
                a,
                |v, d| v - (1.0 - a.beta2) * d * d * sign(v - d * d),
                carried,
                change,
                model,
                server_lr,
            ),
            Self::Adagrad(a) => adapt(a, |v, d| v + d * d, carried, change, model, server_lr),
        }
    }
}

/// The model moved by so much.
fn moved(model: &[f64], by: &[f64], server_lr: f64) -> Vec<f64> {
    model
        .iter()
        .zip(by)
        .map(|(w, by)| w + server_lr * by)
        .collect()
}

/// -1, 0 or 1; 0 of a NaN.
fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

fn check_part(value: f64, name: &'static str) -> Result<(), RecipeError> {
    require((0.0..1.0).contains(&value), name, "0 or more and below 1")
}

/// First and second moments, then the step that both give.
fn adapt(
    a: &Adaptive,
    second: impl Fn(f64, f64) -> f64,
    carried: &Carried,
    change: &[f64],
    model: &[f64],
    server_lr: f64,
) -> (Vec<f64>, Carried) {
    let first: Vec<f64> = carried
        .first
        .iter()
        .zip(change)
        .map(|(m, d)| a.beta1 * m + (1.0 - a.beta1) * d)
        .collect();
    let second: Vec<f64> = carried
        .second
        .iter()
        .zip(change)
        .map(|(v, d)| second(*v, *d))
        .collect();
    let by: Vec<f64> = first
        .iter()
        .zip(&second)
        .map(|(m, v)| m / (v.sqrt() + a.tau))
        .collect();
    (moved(model, &by, server_lr), Carried { first, second })
}
