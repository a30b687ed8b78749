//! Directions of the columns that no row has, taken out of what the sums say.
//!
//! Where columns depend on each other, as all levels of a category beside an intercept, a penalty
//! alone decides how the coefficients share what they say. Rows have nothing of such a direction u
//! but rounding, `u'z = 0`, so that gradient and information have nothing of it either:
//!
//! ```text
//! ridge u'b = u'g = sum r_i e_i          r_i = u'z_i a row's rest, e_i its residual
//! ```
//!
//! Where a rest is not quite rounding, coefficients of full precision times the ridge would say that
//! sum, however small it is: of one row its residual, so its outcome. Therefore every sum goes
//! through Q = I - u u' / u'u before a step is made of it, as if each row were Q z. What is true of
//! the columns does not change by that, and nothing that is told depends on a rest.

use crate::leverage::Whole;
use crate::linear::{dot, packed, square};
use motet_secagg::canonical;

canonical! {
    /// Directions of length 1 at right angles to each other, intercept first, of standardised
    /// columns; none where columns do not depend on each other.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Nobody {
        /// Each as long as the coefficients.
        pub directions: Vec<Vec<f64>>,
    }
}

impl Nobody {
    /// Those of the whole.
    pub(crate) fn of(whole: &Whole) -> Self {
        let mut found = Self::default();
        for mut direction in whole.nobodys() {
            // Columns have their mean taken off: what they have of the intercept is rounding.
            if let Some(intercept) = direction.first_mut() {
                *intercept = 0.0;
            }
            found.leave(&mut direction);
            let length = dot(&direction, &direction).sqrt();
            direction.iter_mut().for_each(|part| *part /= length);
            found.directions.push(direction);
        }
        found
    }

    /// Q v, in place.
    fn leave(&self, v: &mut [f64]) {
        for direction in &self.directions {
            let part = dot(direction, v);
            for (v, u) in v.iter_mut().zip(direction) {
                *v -= part * u;
            }
        }
    }

    /// Q g.
    pub(crate) fn line(&self, gradient: &[f64]) -> Vec<f64> {
        let mut line = gradient.to_vec();
        self.leave(&mut line);
        line
    }

    /// Q M Q of an upper triangle; nothing where nothing was asked for.
    pub(crate) fn triangle(&self, cells: &[f64]) -> Vec<f64> {
        let size = match self.directions.first() {
            Some(direction) if !cells.is_empty() => direction.len(),
            _ => return cells.to_vec(),
        };
        let mut full = square(cells, size);
        for _ in 0..2 {
            full.chunks_exact_mut(size).for_each(|row| self.leave(row));
            full = turned_over(&full, size);
        }
        packed(&full, size)
    }
}

/// Rows and columns of a square exchanged.
fn turned_over(full: &[f64], size: usize) -> Vec<f64> {
    let columns = (0..size).flat_map(|at| full.iter().skip(at).step_by(size));
    columns.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivatives::{Products, add_square};

    /// Intercept, a column, another, the first doubled and taken from the other.
    fn line(at: u32) -> Vec<f64> {
        let [a, b] = [f64::from(at % 5) - 2.0, f64::from(at % 3) - 1.0];
        vec![1.0, a, b, b - 2.0 * a]
    }

    #[test]
    fn what_nobody_has_is_in_no_sum_and_all_else_stays() {
        let mut products = vec![0.0; 10];
        (0..60).for_each(|at| add_square(&mut products, &line(at), 1.0));
        let nobody = Nobody::of(&Whole::of(&products, 4, 60).ok().unwrap());
        let [direction] = nobody.directions.as_slice() else {
            panic!("one column depends on the others");
        };
        // 2 a - b + (b - 2 a) = 0
        for (got, want) in direction.iter().zip([0.0, 2.0, -1.0, 1.0]) {
            assert!((got - want / 6.0_f64.sqrt()).abs() < 1e-12);
        }
        // Of rows there is nothing to take out.
        for (got, want) in nobody.triangle(&products).iter().zip(&products) {
            assert!((got - want).abs() < 1e-10);
        }
        for (got, want) in nobody.line(&line(7)).iter().zip(line(7)) {
            assert!((got - want).abs() < 1e-14);
        }
        // Of one that has something, that is taken.
        let odd = [1.0, 2.0, 1.0, 5.0];
        let taken = nobody.line(&odd);
        assert!(dot(&taken, direction).abs() < 1e-14);
        let mut own = vec![0.0; 10];
        let mut want = vec![0.0; 10];
        add_square(&mut own, &odd, 1.0);
        add_square(&mut want, &taken, 1.0);
        for (got, want) in nobody.triangle(&own).iter().zip(&want) {
            assert!((got - want).abs() < 1e-13);
        }
        assert_eq!(Nobody::default().triangle(&own), own);
        assert!(nobody.triangle(&[]).is_empty());
    }

    #[test]
    fn of_many_rows_rounding_is_no_more_than_of_few() {
        // All levels of a category, one of them of every twentieth patient, each about its mean.
        let rows = 200_000_u32;
        let shares = [0.55, 0.40, 0.05];
        let sd = shares.map(|share: f64| (share * (1.0 - share)).sqrt());
        let row = |at: u32| {
            let level = match at % 20 {
                0..11 => 0,
                11..19 => 1,
                _ => 2,
            };
            let z = |of: usize| (f64::from(u8::from(of == level)) - shares[of]) / sd[of];
            [1.0, z(0), z(1), z(2)]
        };
        let mut products = Products::new(4);
        (0..rows).for_each(|at| products.add(&row(at), 1.0));
        let whole = Whole::of(&products.values(), 4, u64::from(rows))
            .ok()
            .unwrap();
        let nobody = Nobody::of(&whole);
        let [direction] = nobody.directions.as_slice() else {
            panic!("one column depends on the others");
        };
        for at in 0..20 {
            assert!(dot(direction, &row(at)).abs() < 1e-14, "{at}");
        }
        let mut site = whole.site();
        (0..20).for_each(|at| {
            site.add(1.0, &row(at), 1.0);
        });
        assert!(!site.has_row());
    }

    #[test]
    fn two_directions_stand_at_right_angles() {
        let doubled = |at: u32| {
            let mut line = line(at);
            line.push(line[1] + line[2]);
            line
        };
        let mut products = vec![0.0; 15];
        (0..60).for_each(|at| add_square(&mut products, &doubled(at), 1.0));
        let nobody = Nobody::of(&Whole::of(&products, 5, 60).ok().unwrap());
        let [first, second] = nobody.directions.as_slice() else {
            panic!("two columns depend on the others");
        };
        assert!(dot(first, second).abs() < 1e-13);
        for direction in [first, second] {
            assert!((dot(direction, direction) - 1.0).abs() < 1e-14);
            assert!((0..15).all(|at| dot(direction, &doubled(at)).abs() < 1e-12));
        }
    }
}
