//! What a method hands over for its model to be compared with a site's own.

use crate::basis::Basis;
use crate::moments::Moments;
use crate::network::Network;
use ndarray::{Array1, Array2};

/// A finished model of a yes/no outcome, and a site's rows as it sees them.
pub(crate) struct Compared<'a> {
    pub(crate) common: Common<'a>,
    /// Columns or terms.
    pub(crate) x: Array2<f64>,
    pub(crate) y: Array1<f64>,
}

/// A model that all sites have, on columns standardised by the pooled moments.
pub(crate) struct Common<'a> {
    pub(crate) network: Network,
    pub(crate) parameters: Vec<f64>,
    pub(crate) moments: &'a Moments,
    /// What it takes to leave rows out; nothing for hidden layers.
    pub(crate) pooled: Option<Pooled>,
}

/// A regression as its sums know it, intercept first.
pub(crate) struct Pooled {
    pub(crate) beta: Vec<f64>,
    /// Information without the ridge, upper triangle.
    pub(crate) information: Vec<f64>,
    /// The columns it is in.
    pub(crate) basis: Basis,
    pub(crate) ridge: f64,
}
