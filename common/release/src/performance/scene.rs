//! What the pictures of a model's performance share.

use crate::context::Context;
use motet_recipes::Metrics;

/// The model that is measured, and on whom.
pub(crate) struct Scene<'a> {
    pub(crate) context: &'a Context,
    pub(crate) rows: u64,
    pub(crate) metrics: &'a Metrics,
    /// On which patients, as a sentence.
    pub(crate) measured: &'static str,
}

pub(crate) const FITTED: &str =
    "Measured on the patients the model was fitted to: expect less in new patients.";
pub(crate) const HELD_OUT: &str =
    "Measured on patients of the same sites who were held out of the training.";
