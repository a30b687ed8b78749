//! `model.safetensors`: the weights or coefficients as f64 tensors.

mod survival;
pub(super) mod trees;

use crate::context::Context;
use crate::error::ReleaseError;
use crate::kit::tensor::{self, Tensor};
use motet_recipes::{CountOutcome, GlmOutcome, Layer, Outcome, Rounded};
use std::collections::BTreeMap;

/// Regression: `coefficients`, `standard_errors`. FedAvg: its layers, standardisation included.
/// Summary: `means`, `variances`. Boosted trees: see [`trees::LAYOUT`]. Count: `rounded_counts`,
/// `sites_below` (rows, then events). Metadata: `names` (a JSON list of coefficients, variables or
/// the columns of trees), `study`, `run`, `recipe`, `software`.
pub(super) fn bytes(outcome: &Outcome, context: &Context) -> Result<Vec<u8>, ReleaseError> {
    let (names, tensors): (Option<Vec<String>>, Vec<Tensor>) = match outcome {
        Outcome::FedAvg(model) => (None, model.layers.iter().map(layer).collect()),
        Outcome::Summary(summary) => {
            let of = |pick: fn(&motet_recipes::Variable) -> f64| {
                summary.variables.iter().map(pick).collect::<Vec<f64>>()
            };
            (
                Some(summary.variables.iter().map(|v| v.name.clone()).collect()),
                vec![
                    Tensor::column("means", of(|v| v.mean)),
                    Tensor::column("variances", of(|v| v.variance)),
                ],
            )
        }
        Outcome::Glm(fit) => (
            Some(fit.coefficients.iter().map(|c| c.name.clone()).collect()),
            glm(fit),
        ),
        Outcome::Gbdt(model) => (
            Some(
                model
                    .importance
                    .iter()
                    .map(|(name, _)| name.clone())
                    .collect(),
            ),
            trees::tensors(model),
        ),
        Outcome::Count(count) => (None, counts(count)),
        Outcome::FedNumber(model) => (None, model.layers.iter().map(layer).collect()),
        Outcome::Cox(fit) => (
            Some(fit.coefficients.iter().map(|c| c.name.clone()).collect()),
            survival::cox(fit),
        ),
        Outcome::KaplanMeier(found) => (
            Some(found.curves.iter().map(|c| c.group.clone()).collect()),
            survival::curves(found),
        ),
        Outcome::FedTime(model) => (None, model.layers.iter().map(layer).collect()),
    };
    let mut metadata: BTreeMap<&str, String> = BTreeMap::new();
    metadata.insert("format", "motet-release-1".to_owned());
    metadata.insert("study", context.study.clone());
    metadata.insert("run", context.run.clone());
    metadata.insert("recipe", context.recipe.clone());
    metadata.insert("software", context.software.clone());
    metadata.insert(
        "features",
        serde_json::to_string(&context.features).map_err(ReleaseError::Weights)?,
    );
    if !context.outcome.is_empty() {
        metadata.insert("outcome", context.outcome.clone());
    }
    if let Some(names) = names {
        metadata.insert(
            "names",
            serde_json::to_string(&names).map_err(ReleaseError::Weights)?,
        );
    }
    if let Some(broken) = tensors.iter().find(|tensor| !tensor.is_whole()) {
        return Err(ReleaseError::Outcome {
            run: context.run.clone(),
            what: format!(
                "the shape `{:?}` of layer `{}` does not fit its values",
                broken.shape, broken.name
            ),
        });
    }
    tensor::file(tensors, &metadata).map_err(ReleaseError::Weights)
}

fn layer(layer: &Layer) -> Tensor {
    Tensor::new(
        &layer.name,
        layer.shape.clone(),
        layer.values.iter().copied(),
    )
}

/// A standard error that does not exist is NaN.
fn glm(fit: &GlmOutcome) -> Vec<Tensor> {
    let errors = fit
        .coefficients
        .iter()
        .map(|c| c.uncertainty.as_ref().map_or(f64::NAN, |known| known.se));
    vec![
        Tensor::column("coefficients", fit.coefficients.iter().map(|c| c.estimate)),
        Tensor::column("standard_errors", errors),
    ]
}

fn counts(count: &CountOutcome) -> Vec<Tensor> {
    let of = |pick: fn(&Rounded) -> u64| {
        std::iter::once(&count.rows)
            .chain(&count.events)
            .map(|sum| pick(sum) as f64)
            .collect::<Vec<f64>>()
    };
    vec![
        Tensor::column("rounded_counts", of(|sum| sum.rows)),
        Tensor::column("sites_below", of(|sum| sum.below)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, SafeTensors};

    fn numbers(view: &TensorView<'_>) -> Vec<f64> {
        view.data()
            .chunks(8)
            .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
            .collect()
    }

    #[test]
    fn the_coefficients_read_back_bit_for_bit_with_their_names() {
        let Outcome::Glm(fit) = sample::logistic() else {
            unreachable!()
        };
        let file = bytes(&sample::logistic(), &sample::context()).unwrap();
        let read = SafeTensors::deserialize(&file).unwrap();
        let wanted: Vec<f64> = fit.coefficients.iter().map(|c| c.estimate).collect();
        assert_eq!(numbers(&read.tensor("coefficients").unwrap()), wanted);
        let errors = fit.coefficients.iter().map(|c| c.uncertainty.as_ref());
        let wanted: Vec<f64> = errors.map(|known| known.unwrap().se).collect();
        assert_eq!(numbers(&read.tensor("standard_errors").unwrap()), wanted);
        let (_, header) = SafeTensors::read_metadata(&file).unwrap();
        let metadata = header.metadata().clone().unwrap();
        let names: Vec<String> = serde_json::from_str(&metadata["names"]).unwrap();
        assert_eq!(
            names,
            fit.coefficients
                .iter()
                .map(|c| c.name.clone())
                .collect::<Vec<_>>()
        );
        assert_eq!(
            (metadata["study"].as_str(), metadata["recipe"].as_str()),
            ("ist-death14", "logistic")
        );
    }

    #[test]
    fn every_layer_of_a_network_keeps_its_shape() {
        let Outcome::FedAvg(model) = sample::fedavg() else {
            unreachable!()
        };
        let file = bytes(&sample::fedavg(), &sample::context()).unwrap();
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.len(), model.layers.len());
        for layer in &model.layers {
            let view = read.tensor(&layer.name).unwrap();
            assert_eq!(
                (view.shape(), view.dtype()),
                (layer.shape.as_slice(), Dtype::F64)
            );
            assert_eq!(numbers(&view), layer.values);
        }
    }

    /// Follows the description in the report, and the trees themselves.
    #[test]
    fn the_tensors_predict_what_the_trees_predict() {
        use motet_recipes::{Node, gbdt};
        let outcome = sample::run::trees(gbdt::Loss::Squared, 0.2);
        let Outcome::Gbdt(model) = &outcome else {
            unreachable!()
        };
        let file = bytes(&outcome, &sample::run::context("gbdt-number")).unwrap();
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.len(), trees::LAYOUT.len());
        let (_, header) = SafeTensors::read_metadata(&file).unwrap();
        let names: Vec<String> =
            serde_json::from_str(&header.metadata().clone().unwrap()["names"]).unwrap();
        assert_eq!(names, sample::run::COLUMNS);
        let tensor = |name: &str| numbers(&read.tensor(name).unwrap());
        let [column, edge, left, missing_left, value] = [
            "node_column",
            "node_edge",
            "node_left",
            "node_missing_left",
            "node_value",
        ]
        .map(tensor);
        let rows = [
            [71.0, 1.0, 160.0, 3.0, 0.0, 0.0, 1.5],
            [55.0, 0.0, 130.0, 20.0, 1.0, 0.0, f64::NAN],
            [93.0, 1.0, 210.0, 0.2, 1.0, 1.0, 0.1],
        ];
        for row in rows {
            let mut score = tensor("base")[0];
            for start in tensor("tree_start") {
                let mut at = start as usize;
                while column[at] >= 0.0 {
                    let x: f64 = row[column[at] as usize];
                    let goes_left = if x.is_nan() {
                        missing_left[at] == 1.0
                    } else {
                        x < edge[at]
                    };
                    at = left[at] as usize + usize::from(!goes_left);
                }
                score += value[at];
            }
            let mut wanted = model.base;
            for tree in &model.trees {
                let mut at = 0;
                while let Node::Split(split) = &tree.nodes[at] {
                    let x = row[split.column as usize];
                    let goes_left = if x.is_nan() {
                        split.missing_left
                    } else {
                        x < split.edge
                    };
                    at = split.left as usize + usize::from(!goes_left);
                }
                let Node::Leaf(value) = tree.nodes[at] else {
                    unreachable!()
                };
                wanted += value;
            }
            assert_eq!(score.to_bits(), wanted.to_bits());
        }
    }

    #[test]
    fn a_layer_whose_shape_does_not_fit_is_named() {
        let Outcome::FedAvg(mut model) = sample::fedavg() else {
            unreachable!()
        };
        model.layers[0].values.pop();
        let name = model.layers[0].name.clone();
        let error = bytes(&Outcome::FedAvg(model), &sample::context())
            .unwrap_err()
            .to_string();
        assert!(error.contains(&name), "{error}");
    }
}
