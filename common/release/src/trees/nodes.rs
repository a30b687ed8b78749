//! Boosted trees as tensors: all nodes of all trees in a row, so that a few lines of any language
//! can predict with them.

use crate::kit::tensor::Tensor;
use motet_recipes::gbdt::GbdtOutcome;
use motet_recipes::{Node, Split};

/// The tensors and what they hold, as the report says it.
pub(crate) const LAYOUT: [(&str, &str); 8] = [
    ("base", "[1]: score before the first tree"),
    (
        "importance",
        "[names]: what each column's splits took off the training loss",
    ),
    (
        "node_column",
        "[nodes]: position in `names` (metadata) of the column a node asks about; -1 in a leaf",
    ),
    (
        "node_edge",
        "[nodes]: a value below it goes left; 0 in a leaf",
    ),
    (
        "node_left",
        "[nodes]: position of the left child, the right one follows it; -1 in a leaf",
    ),
    (
        "node_missing_left",
        "[nodes]: 1 if a missing value goes left, else 0",
    ),
    (
        "node_value",
        "[nodes]: what a leaf adds to the score, learning rate included; 0 in a fork",
    ),
    ("tree_start", "[trees]: position of each tree's first node"),
];

/// A node as a line of numbers.
struct Line {
    column: f64,
    edge: f64,
    left: f64,
    missing_left: f64,
    value: f64,
}

fn line(node: &Node, start: usize) -> Line {
    match node {
        Node::Split(Split {
            column,
            edge,
            missing_left,
            left,
            ..
        }) => Line {
            column: f64::from(*column),
            edge: *edge,
            left: start as f64 + f64::from(*left),
            missing_left: f64::from(u8::from(*missing_left)),
            value: 0.0,
        },
        Node::Leaf(value) => Line {
            column: -1.0,
            edge: 0.0,
            left: -1.0,
            missing_left: 0.0,
            value: *value,
        },
    }
}

pub(crate) fn tensors(model: &GbdtOutcome) -> Vec<Tensor> {
    let mut starts = Vec::new();
    let mut lines = Vec::new();
    for tree in &model.trees {
        let start = lines.len();
        starts.push(start as f64);
        lines.extend(tree.nodes.iter().map(|node| line(node, start)));
    }
    debug_assert_eq!(
        starts.len(),
        model.trees.len(),
        "each tree starts somewhere"
    );
    let gains = model.importance.iter().map(|(_, gain)| *gain);
    vec![
        Tensor::column("base", [model.base]),
        Tensor::column("importance", gains),
        Tensor::column("node_column", lines.iter().map(|line| line.column)),
        Tensor::column("node_edge", lines.iter().map(|line| line.edge)),
        Tensor::column("node_left", lines.iter().map(|line| line.left)),
        Tensor::column(
            "node_missing_left",
            lines.iter().map(|line| line.missing_left),
        ),
        Tensor::column("node_value", lines.iter().map(|line| line.value)),
        Tensor::column("tree_start", starts),
    ]
}
