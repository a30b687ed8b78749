//! The Cholesky factor of a small symmetric matrix, for the Newton steps. One fixed order of `+ - *
//! /` and square root, so that every processor takes the same step.
#![expect(
    clippy::indexing_slicing,
    reason = "all indices are below `size`, which is checked when the matrix is unpacked"
)]

/// Entries of a packed upper triangle with diagonal.
pub(crate) fn triangle(size: usize) -> usize {
    size * (size + 1) / 2
}

/// Places of the diagonal in a packed upper triangle.
pub(crate) fn diagonal(size: usize) -> impl Iterator<Item = usize> {
    (0..size).map(move |row| triangle(size) - triangle(size - row))
}

/// A pivot below this part of its diagonal entry is zero: far above the rounding of the sums (with
/// [`Products`](crate::derivatives::Products) under 1e-12 of the diagonal), far below columns that correlate at 0.99999999 (2e-8).
const SINGULAR: f64 = 1e-10;
/// What rounding of the sums leaves of a pivot that is zero, with room.
const ROUNDING: f64 = 1e-11;
/// A pivot where no row has anything: less than one row that has something, more than the rounding
/// of a row.
const NOTHING: f64 = 1e-14;

/// The lower triangle L of L L' = M, row by row, as a full square.
pub(crate) struct Factor {
    size: usize,
    cells: Vec<f64>,
    /// The smallest pivot of a row beyond the first `free` ones that stands, as a part of its
    /// diagonal entry, and its row.
    least: (f64, usize),
    /// Rows that are those before them, see [`Factor::of_rows`].
    nobodys: Vec<usize>,
}

impl Factor {
    /// Factors the matrix whose upper triangle, row by row, is `packed`, with `extra` added to the
    /// diagonal but its first entry (the ridge does not bind the intercept).
    ///
    /// # Errors
    /// The row whose pivot vanishes: that row depends on those before it.
    pub(crate) fn of(packed: &[f64], size: usize, extra: f64) -> Result<Self, usize> {
        Self::bound(packed, size, extra, 1)
    }

    /// As [`Factor::of`], with `extra` on the diagonal but its first `free` entries.
    ///
    /// # Errors
    /// The row whose pivot vanishes.
    pub(crate) fn bound(
        packed: &[f64],
        size: usize,
        extra: f64,
        free: usize,
    ) -> Result<Self, usize> {
        Self::with(packed, size, (extra, free), false)
    }

    /// The factor of products of rows. A row of the matrix of which only rounding is left when those
    /// before it are taken off is a direction that nobody has: its pivot is next to nothing, and
    /// whoever has some of it has far more than all of it.
    ///
    /// # Errors
    /// The row that nearly depends on those before it, by more than rounding.
    pub(crate) fn of_rows(packed: &[f64], size: usize) -> Result<Self, usize> {
        Self::with(packed, size, (0.0, 0), true)
    }

    fn with(
        packed: &[f64],
        size: usize,
        (extra, free): (f64, usize),
        of_rows: bool,
    ) -> Result<Self, usize> {
        if packed.len() != triangle(size) {
            return Err(0);
        }
        let mut nobodys = Vec::new();
        let mut cells = vec![0.0; size * size];
        for row in 0..size {
            for column in row..size {
                cells[column * size + row] =
                    packed[triangle(size) - triangle(size - row) + column - row];
            }
            if row >= free {
                cells[row * size + row] += extra;
            }
        }
        let mut least = (1.0, 0);
        for column in 0..size {
            let diagonal = cells[column * size + column];
            let mut pivot = diagonal;
            for k in 0..column {
                pivot -= cells[column * size + k] * cells[column * size + k];
            }
            // Written so that NaN is singular too.
            let stands = pivot > SINGULAR * diagonal && pivot.is_finite();
            if !stands {
                if !(of_rows && diagonal > 0.0 && pivot.abs() <= ROUNDING * diagonal) {
                    return Err(column);
                }
                pivot = NOTHING * diagonal;
                nobodys.push(column);
            }
            if stands && column >= free && pivot / diagonal < least.0 {
                least = (pivot / diagonal, column);
            }
            let root = pivot.sqrt();
            cells[column * size + column] = root;
            for row in column + 1..size {
                let mut cell = cells[row * size + column];
                for k in 0..column {
                    cell -= cells[row * size + k] * cells[column * size + k];
                }
                cells[row * size + column] = if stands { cell / root } else { 0.0 };
            }
        }
        Ok(Self {
            size,
            cells,
            least,
            nobodys,
        })
    }

    /// What is left of the row, beyond the free ones, that depends most on those before it, as a
    /// part of its diagonal entry, and which it is.
    pub(crate) fn least(&self) -> (f64, usize) {
        self.least
    }

    /// D L^-1 as a lower triangle row by row, D being the roots of M's diagonal: the products of
    /// what it turns are M's diagonal alone.
    pub(crate) fn turning(&self) -> Vec<f64> {
        let size = self.size;
        let mut inverse = vec![0.0; size * size];
        let mut packed = Vec::with_capacity(triangle(size));
        for row in 0..size {
            let own = &self.cells[row * size..][..=row];
            let root = dot(own, own).sqrt();
            for column in 0..=row {
                let mut cell = if row == column { 1.0 } else { 0.0 };
                for k in column..row {
                    cell -= own[k] * inverse[k * size + column];
                }
                inverse[row * size + column] = cell / own[row];
                packed.push(root * inverse[row * size + column]);
            }
        }
        packed
    }

    /// The x of M x = `right`.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let size = self.size;
        let mut x: Vec<f64> = right
            .iter()
            .copied()
            .chain(std::iter::repeat(0.0))
            .take(size)
            .collect();
        for row in 0..size {
            let mut value = x[row];
            for (cell, x) in self.cells[row * size..][..row].iter().zip(&x) {
                value -= cell * x;
            }
            x[row] = value / self.cells[row * size + row];
        }
        for row in (0..size).rev() {
            let mut value = x[row];
            for (k, x) in x.iter().enumerate().skip(row + 1) {
                value -= self.cells[k * size + row] * x;
            }
            x[row] = value / self.cells[row * size + row];
        }
        x
    }

    /// Rows of the matrix that are those before them.
    pub(crate) fn nobodys(&self) -> &[usize] {
        &self.nobodys
    }

    /// What such a row is made of: the u of which `u'z` is 0 for every row z of the products, 1 at
    /// that place and 0 after it.
    pub(crate) fn dependence(&self, at: usize) -> Vec<f64> {
        let size = self.size;
        let mut u = vec![0.0; size];
        u[at] = 1.0;
        for row in (0..at).rev() {
            let mut value = -self.cells[at * size + row];
            for (k, part) in u.iter().enumerate().take(at).skip(row + 1) {
                value -= self.cells[k * size + row] * part;
            }
            u[row] = value / self.cells[row * size + row];
        }
        u
    }

    /// What is left of z at that place when what depends on the places before it is taken off, from
    /// a line that [`Factor::measure`] left.
    pub(crate) fn rest(&self, at: usize, line: &[f64]) -> f64 {
        line[at] * self.cells[at * self.size + at]
    }

    /// `z' M^-1 z`; leaves L^-1 z in `z`, which has M's size.
    pub(crate) fn measure(&self, z: &mut [f64]) -> f64 {
        let mut sum = 0.0;
        for row in 0..self.size.min(z.len()) {
            let (before, rest) = z.split_at_mut(row);
            let own = &self.cells[row * self.size..][..=row];
            let value = (rest[0] - dot(&own[..row], before)) / own[row];
            rest[0] = value;
            sum += value * value;
        }
        sum
    }

    /// M's inverse, row by row as a full square.
    pub(crate) fn inverse(&self) -> Vec<f64> {
        (0..self.size)
            .flat_map(|column| {
                let mut unit = vec![0.0; self.size];
                unit[column] = 1.0;
                self.solve(&unit)
            })
            .collect()
    }
}

/// The full square, row by row, of an upper triangle; zero beyond the end of a short one.
pub(crate) fn square(packed: &[f64], size: usize) -> Vec<f64> {
    let mut square = vec![0.0; size * size];
    let places = (0..size).flat_map(|row| (row..size).map(move |column| (row, column)));
    for ((row, column), cell) in places.zip(packed) {
        square[row * size + column] = *cell;
        square[column * size + row] = *cell;
    }
    square
}

/// The upper triangle, row by row, of a full square.
pub(crate) fn packed(square: &[f64], size: usize) -> Vec<f64> {
    let rows = square.chunks_exact(size.max(1)).enumerate();
    rows.flat_map(|(at, row)| row[at..].iter().copied())
        .collect()
}

/// `a - b`, one by one.
pub(crate) fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Sum of products in order.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// Largest absolute value.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| {
        if value.abs() > most {
            value.abs()
        } else {
            most
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_solves_and_names_the_dependent_row() {
        // M = [4 2 1; 2 5 3; 1 3 6], x = (1, -2, 3)
        let factor = Factor::of(&[4.0, 2.0, 1.0, 5.0, 3.0, 6.0], 3, 0.0)
            .ok()
            .unwrap();
        let x = factor.solve(&[3.0, 1.0, 13.0]);
        for (got, want) in x.iter().zip([1.0, -2.0, 3.0]) {
            assert!((got - want).abs() < 1e-14);
        }
        let inverse = factor.inverse();
        for (row, want) in [1.0, 0.0, 0.0].iter().enumerate() {
            let value = 4.0 * inverse[row] + 2.0 * inverse[3 + row] + inverse[6 + row];
            assert!((value - want).abs() < 1e-14);
        }
        // third row = first + second
        let packed = [4.0, 2.0, 6.0, 5.0, 7.0, 13.0];
        assert_eq!(Factor::of(&packed, 3, 0.0).err(), Some(2));
        assert!(Factor::of(&packed, 3, 0.5).is_ok());
        // (5 2; 2 6) (1, -2) = (1, -10): with a ridge on all rows
        let all = Factor::bound(&[4.0, 2.0, 5.0], 2, 1.0, 0).ok().unwrap();
        let x = all.solve(&[1.0, -10.0]);
        assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] + 2.0).abs() < 1e-14);
        // rounding leaves a trace of a pivot
        assert_eq!(Factor::of(&[1.0, 1.0, 1.0 + 1e-12], 2, 0.0).err(), Some(1));
        assert!(Factor::of(&[1.0, 1.0, 1.0 + 1e-8], 2, 0.0).is_ok());
        assert_eq!(Factor::of(&[f64::NAN], 1, 0.0).err(), Some(0));
    }
}
