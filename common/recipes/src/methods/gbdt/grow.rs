//! One tree, level by level. A round asks for the histograms of the nodes that are to split: rows,
//! first and second derivatives of the loss in every bin of every column. Of two siblings only the
//! one with fewer rows is asked for: the other's histogram is the parent's, which the state holds,
//! less that one. All sums are whole multiples of 2^-20 below 2^53 of them, so differences are
//! exact.
//!
//! ```text
//! grow -> [ rows | g | h ]  a cell = node x column x bin;  h only for log loss, of squares it is the rows
//!         [ loss in training, loss held out ]              with the root of each tree
//! ```
//!
//! Gain and leaf (Chen and Guestrin 2016, equations 5 to 7), over all boundaries and both ways for
//! missing rows:
//!
//! ```text
//! gain = (GL^2 / (HL + lambda) + GR^2 / (HR + lambda) - G^2 / (H + lambda)) / 2 - gamma          leaf = -G / (H + lambda)
//! ```
//!
//! The best split is the first of the largest gain above 0: lowest column, lowest edge, missing to
//! the right.

use super::bins::Bins;
use super::growth::{Growth, Histogram, Pending, Sums};
use super::site::{BITS, Site, UNIT, derivatives, loss_of};
use super::tree::{Node, Split, Tree};
use super::{Gbdt, GbdtState, Loss};
use crate::error::RecipeError;
use crate::moments::{counts, exact, limbs};
use crate::rows::Values;
use motet_secagg::layout::{Block, Layout, Scale};

/// What a round of growth led to.
pub(crate) enum Grown {
    /// The next level.
    On(Growth),
    /// A whole tree.
    Tree(Tree),
    /// The root found no split.
    Nothing,
}

/// A split that is possible.
struct Choice {
    split: Split,
    left: Sums,
    right: Sums,
}

/// The numbers of one node, of those of all nodes.
fn part<T: Copy>(all: &[T], node: usize, width: usize) -> Vec<T> {
    all.iter().skip(node * width).take(width).copied().collect()
}

/// A whole number of units.
fn real(whole: i64) -> f64 {
    whole as f64 * UNIT
}

impl Growth {
    fn asks_losses(&self) -> bool {
        self.level == 0
    }

    pub(crate) fn ask(&self, recipe: &Gbdt, state: &GbdtState) -> Layout {
        let cells = self.pending.len()
            * recipe
                .used(state)
                .map(|(_, bins)| bins.len())
                .sum::<usize>();
        let most = state.rows as f64;
        let mut blocks = vec![counts(cells, most)];
        match recipe.loss {
            Loss::Logistic => {
                let fixed = Block {
                    len: cells as u32,
                    scale: Scale::Fixed(BITS),
                    bound: most,
                };
                blocks.extend([fixed.clone(), fixed]);
            }
            Loss::Squared => blocks.push(limbs(cells)),
        }
        if self.asks_losses() {
            blocks.push(limbs(2));
        }
        exact(blocks)
    }

    pub(crate) fn answer(&self, recipe: &Gbdt, state: &GbdtState, site: &Site<'_>) -> Vec<f64> {
        let used: Vec<(usize, &Bins)> = recipe.used(state).collect();
        let width: usize = used.iter().map(|(_, bins)| bins.len()).sum();
        let cells = self.pending.len() * width;
        let mut rows = vec![0_u64; cells];
        let mut g = vec![0_i64; cells];
        let mut h = vec![0_i64; cells];
        let mut losses = [0_i64; 2];
        let scores = site.scores(state.base, &state.trees);
        let known = site
            .x
            .rows()
            .into_iter()
            .zip(&site.y)
            .zip(&site.held)
            .zip(scores);
        for (((row, y), held), score) in known {
            if let Some(loss) = losses.get_mut(usize::from(*held)) {
                *loss += loss_of(recipe.loss, score, *y);
            }
            let node = self.tree.walk(row).0;
            let place = self
                .pending
                .iter()
                .position(|pending| pending.node as usize == node);
            let (false, Some(place)) = (*held, place) else {
                continue;
            };
            let (first, second) = derivatives(recipe.loss, score, *y);
            let mut from = place * width;
            for (column, bins) in &used {
                let at = from + bins.place(row.get(*column).copied().unwrap_or(f64::NAN));
                if let (Some(rows), Some(g), Some(h)) =
                    (rows.get_mut(at), g.get_mut(at), h.get_mut(at))
                {
                    (*rows, *g, *h) = (*rows + 1, *g + first, *h + second);
                }
                from += bins.len();
            }
        }
        let mut values: Vec<f64> = rows.iter().map(|rows| *rows as f64).collect();
        values.extend(g.into_iter().map(real));
        if recipe.loss == Loss::Logistic {
            values.extend(h.into_iter().map(real));
        }
        if self.asks_losses() {
            values.extend(losses.map(real));
        }
        values
    }

    /// The sums of this round: a histogram for each pending node, and the losses in training and
    /// held out.
    pub(crate) fn read(
        &self,
        recipe: &Gbdt,
        state: &GbdtState,
        values: &mut Values<'_>,
    ) -> Result<(Vec<Histogram>, Option<[f64; 2]>), RecipeError> {
        let width: usize = recipe.used(state).map(|(_, bins)| bins.len()).sum();
        let cells = self.pending.len() * width;
        let rows = values.counts(cells, "rows of a node")?;
        let g = values.take(cells)?;
        let h = if recipe.loss == Loss::Logistic {
            values.take(cells)?
        } else {
            &[]
        };
        let losses = if self.asks_losses() {
            Some([values.one()?, values.one()?])
        } else {
            None
        };
        let histograms = (0..self.pending.len()).map(|at| Histogram {
            rows: part(&rows, at, width),
            g: part(g, at, width),
            h: part(h, at, width),
        });
        Ok((histograms.collect(), losses))
    }

    /// Splits every pending node that can be split.
    pub(crate) fn split(
        &self,
        recipe: &Gbdt,
        state: &GbdtState,
        histograms: Vec<Histogram>,
    ) -> Result<Grown, RecipeError> {
        let mut known = Vec::new();
        for (pending, histogram) in self.pending.iter().zip(histograms) {
            if let Some(sibling) = pending.sibling {
                known.push((sibling, pending.parent.less(&histogram)?));
            }
            known.push((pending.node, histogram));
        }
        known.sort_by_key(|(node, _)| *node);
        let mut next = Self {
            tree: self.tree.clone(),
            pending: Vec::new(),
            level: self.level + 1,
        };
        for (node, histogram) in known {
            if let Some(choice) = recipe.best(state, &histogram) {
                next.fork(recipe, node, choice, histogram);
            }
        }
        Ok(
            match (next.tree.nodes.as_slice(), next.pending.is_empty()) {
                ([Node::Leaf(_)] | [], _) => Grown::Nothing,
                (_, true) => Grown::Tree(next.tree),
                (_, false) => Grown::On(next),
            },
        )
    }

    fn fork(&mut self, recipe: &Gbdt, node: u32, choice: Choice, parent: Histogram) {
        let Choice {
            split,
            left: left_sums,
            right: right_sums,
        } = choice;
        let left = self.tree.nodes.len() as u32;
        let leaves = [left_sums, right_sums].map(|sums| recipe.leaf(sums));
        self.tree.nodes.extend(leaves);
        if let Some(place) = self.tree.nodes.get_mut(node as usize) {
            *place = Node::Split(Split { left, ..split });
        }
        // A node of fewer rows than two leaves need cannot split.
        let least = 2 * u64::from(recipe.min_rows);
        let splits =
            [left_sums, right_sums].map(|sums| self.level < recipe.depth && sums.rows >= least);
        match splits {
            [true, true] => {
                let (node, sibling) = if left_sums.rows <= right_sums.rows {
                    (left, left + 1)
                } else {
                    (left + 1, left)
                };
                self.pending.push(Pending {
                    node,
                    sibling: Some(sibling),
                    parent,
                });
            }
            [true, false] => self.pending.push(Pending::alone(left)),
            [false, true] => self.pending.push(Pending::alone(left + 1)),
            [false, false] => {}
        }
    }
}

impl Gbdt {
    /// The best split of a node.
    fn best(&self, state: &GbdtState, histogram: &Histogram) -> Option<Choice> {
        let mut best: Option<Choice> = None;
        let mut from = 0;
        for (column, bins) in self.used(state) {
            let cells = histogram.bins(from, bins.len());
            from += bins.len();
            let (present, missing) = match cells.split_at_checked(bins.edges.len() + 1) {
                Some((present, [missing, ..])) => (present, *missing),
                // No row misses this column.
                Some((present, [])) => (present, Sums::default()),
                // A histogram from elsewhere, of fewer bins than the columns have, splits nowhere.
                None => continue,
            };
            let all = present.iter().fold(missing, |sums, cell| sums.plus(*cell));
            let mut below = Sums::default();
            for (cell, edge) in present.iter().zip(&bins.edges) {
                below = below.plus(*cell);
                for missing_left in [false, true] {
                    let left = if missing_left {
                        below.plus(missing)
                    } else {
                        below
                    };
                    let right = all.less(left);
                    // Without missing rows both ways are the same; those that come later follow the
                    // larger side.
                    let missing_left = if missing.rows == 0 {
                        left.rows > right.rows
                    } else {
                        missing_left
                    };
                    let gain = self.gain(all, left, right);
                    if gain > best.as_ref().map_or(0.0, |best| best.split.gain) {
                        let split = Split {
                            column: column as u32,
                            edge: *edge,
                            missing_left,
                            left: 0,
                            gain,
                        };
                        best = Some(Choice { split, left, right });
                    }
                }
            }
        }
        best
    }

    /// What a split takes off the loss; 0 where it may not be made.
    fn gain(&self, all: Sums, left: Sums, right: Sums) -> f64 {
        if !self.may_be_leaf(left) || !self.may_be_leaf(right) {
            return 0.0;
        }
        let [left, right, all] = [left, right, all].map(|sums| sums.value(self.lambda));
        0.5 * (left + right - all) - self.gamma
    }

    fn may_be_leaf(&self, sums: Sums) -> bool {
        sums.rows >= u64::from(self.min_rows) && sums.h >= self.min_child_weight
    }

    fn leaf(&self, sums: Sums) -> Node {
        let weight = sums.h + self.lambda;
        Node::Leaf(if weight > 0.0 {
            -sums.g / weight * self.learning_rate
        } else {
            0.0
        })
    }
}
