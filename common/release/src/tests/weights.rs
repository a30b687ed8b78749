//! What the file of weights holds, to the last bit.

use crate::trees::nodes::LAYOUT;
use crate::{Context, ReleaseError, sample, weights};
use motet_recipes::{Averaged, Outcome};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

fn bytes(outcome: &Outcome, context: &Context) -> Result<Vec<u8>, ReleaseError> {
    weights::bytes(sample::shown(outcome).weights(), context)
}

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
    let Outcome::FedAvg(Averaged::YesNo(model)) = sample::fedavg() else {
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
    assert_eq!(read.len(), LAYOUT.len());
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
    let Outcome::FedAvg(Averaged::YesNo(mut model)) = sample::fedavg() else {
        unreachable!()
    };
    model.layers[0].values.pop();
    let name = model.layers[0].name.clone();
    let error = bytes(&Outcome::FedAvg(Averaged::YesNo(model)), &sample::context())
        .unwrap_err()
        .to_string();
    assert!(error.contains(&name), "{error}");
}
