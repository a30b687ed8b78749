//! Columns that nearly depend on each other, turned into ones that do not: `q = T z`, so that the
//! sums of a fit keep their digits where a correlation is 0.99999999.
//!
//! Sums are known to about 1e-14 of their size. Of two columns with 1 - r^2 = 1e-8 their sums tell
//! the difference to 1e-6 of itself, and so would the standard errors. The first sum of a fit gives
//! the factor L of the columns' products; every site then turns its rows by `T = D L^-1` (D keeps
//! the size of each column) and adds up products of what is left of each column beside those before
//! it. T is public, and as exact as any other constant: what it was made from is rounded, the sums
//! that are made with it are not. Coefficients go back by T' and the covariance by `T' C T`.

use crate::linear::{Factor, dot};
use motet_secagg::canonical;

/// What is left of a column beside those before it, as a part of its square, below which columns
/// are turned.
const NEAR: f64 = 1e-4;

canonical! {
    /// T, row by row as a lower triangle; empty where columns stay as they are.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Basis {
        /// Its cells.
        pub cells: Vec<f64>,
    }
}

impl Basis {
    /// The one that a fit goes on with after its first factor.
    pub(crate) fn of(factor: &Factor) -> Self {
        if factor.least().0 < NEAR {
            Self {
                cells: factor.turning(),
            }
        } else {
            Self::default()
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.cells.is_empty()
    }

    /// The rows of T.
    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        let mut rest = self.cells.as_slice();
        (1..).map_while(move |len| {
            let (row, after) = rest.split_at_checked(len)?;
            rest = after;
            Some(row)
        })
    }

    /// T z, in `q`, which is `z` itself where columns stay as they are.
    pub(crate) fn turn<'a>(&self, z: &'a [f64], q: &'a mut Vec<f64>) -> &'a [f64] {
        if self.is_plain() {
            return z;
        }
        q.clear();
        q.extend(self.rows().map(|row| dot(row, z)));
        q
    }

    /// T' of a step in turned columns: the same step in the columns.
    pub(crate) fn back(&self, step: Vec<f64>) -> Vec<f64> {
        if self.is_plain() {
            return step;
        }
        let mut back = vec![0.0; step.len()];
        for (row, part) in self.rows().zip(&step) {
            back.iter_mut()
                .zip(row)
                .for_each(|(sum, cell)| *sum += cell * part);
        }
        back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turned_columns_do_not_depend_on_each_other() {
        // Products of (1, a, b) with a and b almost alike.
        let products = [3.0, 0.5, 0.5, 2.0, 2.0 - 1e-6, 2.0];
        let basis = Basis::of(&Factor::of(&products, 3, 0.0).ok().unwrap());
        let full = [
            [3.0, 0.5, 0.5],
            [0.5, 2.0, 2.0 - 1e-6],
            [0.5, 2.0 - 1e-6, 2.0],
        ];
        let rows: Vec<Vec<f64>> = basis.rows().map(<[f64]>::to_vec).collect();
        let product = |a: &[f64], b: &[f64]| -> f64 {
            a.iter().zip(&full).map(|(a, line)| a * dot(b, line)).sum()
        };
        for (at, a) in rows.iter().enumerate() {
            assert!(
                (product(a, a) - full[at][at]).abs() < 1e-8,
                "a column keeps its size"
            );
            assert!(rows[..at].iter().all(|b| product(a, b).abs() < 1e-8));
        }
        let (z, mut q) = ([1.0, 0.3, 0.31], Vec::new());
        let turned = basis.turn(&z, &mut q).to_vec();
        let step = vec![0.2, -1.0, 4.0];
        assert!((dot(&turned, &step) - dot(&z, &basis.back(step.clone()))).abs() < 1e-9);
        assert!(
            Basis::of(
                &Factor::of(&[3.0, 0.5, 0.5, 2.0, 1.9, 2.0], 3, 0.0)
                    .ok()
                    .unwrap()
            )
            .is_plain()
        );
    }
}
