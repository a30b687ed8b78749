//! A regression tree in columns' own units.

use motet_secagg::canonical;
use ndarray::ArrayView1;

canonical! {
    /// A fork: rows below the edge go left, the others right.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Split {
        /// Position of the column in the recipe.
        pub column: u32,
        /// `x < edge` goes left.
        pub edge: f64,
        /// Whether a missing value goes left.
        pub missing_left: bool,
        /// Position of the left child in the tree; the right one follows it.
        pub left: u32,
        /// What the split takes off the loss.
        pub gain: f64,
    }
}

canonical! {
    /// A node of a tree.
    #[derive(Debug, Clone, PartialEq)]
    pub enum Node {
        /// A fork.
        1 => Split(Split),
        /// An end: what it adds to the score, learning rate included.
        2 => Leaf(f64),
    }
}

canonical! {
    /// Nodes from the root on, level by level.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Tree {
        /// The root first.
        pub nodes: Vec<Node>,
    }
}

impl Tree {
    /// The node at which a row ends and what it adds.
    pub(crate) fn walk(&self, row: ArrayView1<'_, f64>) -> (usize, f64) {
        let mut at = 0;
        // A child stands behind its parent, so the walk ends; a tree that came from elsewhere may
        // not keep to that.
        for _ in 0..=self.nodes.len() {
            match self.nodes.get(at) {
                Some(Node::Split(split)) => {
                    let x = row.get(split.column as usize).copied().unwrap_or(f64::NAN);
                    let left = if x.is_nan() {
                        split.missing_left
                    } else {
                        x < split.edge
                    };
                    at = split.left as usize + usize::from(!left);
                }
                Some(Node::Leaf(value)) => return (at, *value),
                None => break,
            }
        }
        (at, 0.0)
    }

    pub(crate) fn splits(&self) -> impl Iterator<Item = &Split> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Split(split) => Some(split),
            Node::Leaf(_) => None,
        })
    }
}
