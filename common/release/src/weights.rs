//! `model.safetensors`: the weights or coefficients as f64 tensors, with a few texts about them:
//! `names` (a JSON list, where the method has any), `features`, `columns` (what each means, as JSON), `outcome`, `study`, `run`, `recipe`,
//! `software`.

use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::tensor;
use crate::shown::Weights;
use std::collections::BTreeMap;

const FORMAT: &str = "motet-release-1";

pub(crate) fn bytes(weights: Weights, context: &Context) -> Result<Vec<u8>, ReleaseError> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    texts.insert("format", FORMAT.to_owned());
    texts.insert("study", context.study.clone());
    texts.insert("run", context.run.clone());
    texts.insert("recipe", context.recipe.clone());
    texts.insert("software", context.software.clone());
    texts.insert("features", list(&context.features)?);
    if !context.columns.is_empty() {
        let columns = serde_json::to_string(&context.columns);
        texts.insert("columns", columns.map_err(ReleaseError::Weights)?);
    }
    if !context.outcome.is_empty() {
        texts.insert("outcome", context.outcome.clone());
    }
    if let Some(names) = &weights.names {
        texts.insert("names", list(names)?);
    }
    if let Some(broken) = weights.tensors.iter().find(|tensor| !tensor.is_whole()) {
        return Err(ReleaseError::Outcome {
            run: context.run.clone(),
            what: format!(
                "the shape `{:?}` of layer `{}` does not fit its values",
                broken.shape, broken.name
            ),
        });
    }
    tensor::file(weights.tensors, &texts).map_err(ReleaseError::Weights)
}

fn list(names: &[String]) -> Result<String, ReleaseError> {
    serde_json::to_string(names).map_err(ReleaseError::Weights)
}
