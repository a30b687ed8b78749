//! What a tree that grows consists of: the nodes so far, those that are to split, and their
//! histograms.

use super::tree::{Node, Tree};
use crate::error::RecipeError;
use crate::linear::difference;
use motet_secagg::canonical;

canonical! {
    /// Sums of a node: over the columns in use, their bins one after the other.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Histogram {
        /// Rows.
        pub rows: Vec<u64>,
        /// First derivatives.
        pub g: Vec<f64>,
        /// Second derivatives; empty where each is 1.
        pub h: Vec<f64>,
    }
}

canonical! {
    /// A node whose histogram is asked for, and its sibling whose histogram follows.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Pending {
        /// Position in the tree.
        pub node: u32,
        /// The sibling that is to split too.
        pub sibling: Option<u32>,
        /// The histogram of their parent; empty without a sibling.
        pub parent: Histogram,
    }
}

canonical! {
    /// A tree that grows.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Growth {
        /// The tree so far: open nodes stand as the leaves they will be if they do not split.
        pub tree: Tree,
        /// Nodes to split; none after the last tree, when only the losses are asked for.
        pub pending: Vec<Pending>,
        /// Levels that have split.
        pub level: u32,
    }
}

impl Pending {
    /// A node whose sibling does not split.
    pub(crate) fn alone(node: u32) -> Self {
        Self {
            node,
            sibling: None,
            parent: Histogram::default(),
        }
    }
}

/// Sums over some rows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    pub(crate) rows: u64,
    pub(crate) g: f64,
    pub(crate) h: f64,
}

impl Sums {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            g: self.g + other.g,
            h: self.h + other.h,
        }
    }

    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            rows: self.rows.saturating_sub(other.rows),
            g: self.g - other.g,
            h: self.h - other.h,
        }
    }

    pub(crate) fn value(self, lambda: f64) -> f64 {
        let weight = self.h + lambda;
        if weight > 0.0 {
            self.g * self.g / weight
        } else {
            0.0
        }
    }
}

impl Histogram {
    /// Sums of the bins from `from` on.
    pub(crate) fn bins(&self, from: usize, len: usize) -> Vec<Sums> {
        let of = self.rows.iter().zip(&self.g);
        let mut h = self.h.iter().skip(from);
        of.skip(from)
            .take(len)
            .map(|(rows, g)| Sums {
                rows: *rows,
                g: *g,
                // Of squared errors each is 1, and none is written down.
                h: h.next().map_or(*rows as f64, |h| *h),
            })
            .collect()
    }

    pub(crate) fn less(&self, other: &Self) -> Result<Self, RecipeError> {
        let rows = self
            .rows
            .iter()
            .zip(&other.rows)
            .map(|(a, b)| a.checked_sub(*b))
            .collect::<Option<_>>();
        let rows = rows.ok_or(RecipeError::Implausible {
            what: "rows of a node",
        })?;
        Ok(Self {
            rows,
            g: difference(&self.g, &other.g),
            h: difference(&self.h, &other.h),
        })
    }
}

impl Growth {
    /// A tree that begins: the root alone.
    pub(crate) fn root() -> Self {
        let root = Pending {
            node: 0,
            sibling: None,
            parent: Histogram::default(),
        };
        Self {
            tree: Tree {
                nodes: vec![Node::Leaf(0.0)],
            },
            pending: vec![root],
            level: 0,
        }
    }
}
