//! What a release folder asks of the outcome of a method.

use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::page::Page;
use crate::kit::picture::Picture;
use crate::kit::tensor::Tensor;
use crate::meaning::Effects;
use crate::report::Report;
use serde_json::Value;

/// An outcome as the folder shows it. All but the first are asked after [`Shown::protect`].
pub(crate) trait Shown {
    /// Takes away what stands for few patients: what is left may be told to anybody. A number that
    /// goes is `NaN` or nothing.
    fn protect(&mut self, context: &Context);

    /// The report around the numbers of the method.
    fn report(&self, report: &Report<'_>) -> Result<Vec<u8>, ReleaseError>;

    /// What the result is, as the end of a sentence.
    fn kind(&self) -> &'static str;

    /// How many patients there are, as a sentence.
    fn patients(&self, context: &Context) -> String;

    /// Whether patients with a missing value in a used column take part.
    fn keeps_missing(&self) -> bool {
        false
    }

    /// Whether training went on without a lost site, so that the model still holds what it learned
    /// there.
    fn is_averaged(&self) -> bool {
        false
    }

    /// The sections of the card that are the method's own.
    fn result(&self, page: &mut Page<'_>);

    /// Its effects for one unit of each variable, where it has any.
    fn effects(&self) -> Effects<'_> {
        Effects::default()
    }

    /// What the card warns of.
    fn cautions(&self, page: &mut Page<'_>);

    /// Every picture that it has data for.
    fn pictures(&self, context: &Context) -> Vec<Picture>;

    /// What figures of groups and sites are held to.
    fn overall(&self) -> Overall {
        Overall {
            patients: 0,
            figure: None,
        }
    }

    /// The weights or coefficients.
    fn weights(&self) -> Weights;

    /// The fit as a site tells it to its own steward, who may see all of it: asked before
    /// [`Shown::protect`].
    fn own(&self) -> Value;

    /// What its model is worth on the rows that it was measured on; nothing where a method measures
    /// nothing.
    fn measured(&self) -> Option<Value>;
}

/// A model on all patients that it is judged on.
pub(crate) struct Overall {
    pub(crate) patients: u64,
    /// Its figure on them, where those of groups can be held to it.
    pub(crate) figure: Option<f64>,
}

/// What `model.safetensors` holds.
pub(crate) struct Weights {
    /// Of coefficients, variables, groups, or the columns of trees.
    pub(crate) names: Option<Vec<String>>,
    pub(crate) tensors: Vec<Tensor>,
    /// In words, for the card's list of files.
    pub(crate) holds: &'static str,
}
