//! Centred squares of columns in whatever unit: shared by the fits, which standardise by them, and
//! by `summary`.
//!
//! Limbs round each site's sum to 2^-41, so a sum of squares of molar concentrations (sd 1e-10)
//! would be rounding alone, and one of cells per litre (5e12) would not fit. So squares are asked
//! for in a unit, a power of two that all know:
//!
//! ```text
//! first   [ sum ((x - mean) / u)^2 a column ]                              u = 1, larger where the mean is above 2^30
//! again   [ sum ((x - mean) / u)^2 a column | sum (x - mean) / u a column ]
//!         only where a column's first squares are known to less than 1e-11 of their size; u from what they said
//! ```
//!
//! The second round mends the mean too, which a first sum knows to 2^-41 alone. Its unit is the
//! finest in which no site's squares can leave the range of the limbs, so that what it does not see
//! (a standard deviation below about 1e-25) varies for nobody. A column that one row in a cell has,
//! or none, is not asked again: it has no variance.

use motet_secagg::canonical;

/// Half a unit of the last limb: what a site's sum is rounded by at the most.
const HALF_UNIT: f64 = 1.0 / 2_199_023_255_552.0; // 2^-41
/// Squares known to this part of their size are known.
const KNOWN: f64 = 1e-11;
/// Means above this, as platelets or red cells per litre, are squared in a larger unit.
const LARGE: f64 = 1_073_741_824.0; // 2^30
/// A second unit is this part of the root of the squares: their sum stays below 2^82 of the limbs'
/// 2^86.
const FINE: f64 = 1.0 / 1_099_511_627_776.0; // 2^-40
/// Where values differ by less than this part of their mean, double precision has no digits of the
/// difference.
const SAME: f64 = 1e-13;

canonical! {
    /// In which unit the squares of each column are asked for.
    #[derive(Debug, Clone, PartialEq, Default)]
    pub struct Units {
        /// Powers of two.
        pub of: Vec<f64>,
        /// Whether this is the second round.
        pub again: bool,
    }
}

/// What a round of squares says.
pub(crate) struct Squares {
    /// Means, mended in a second round.
    pub(crate) mean: Vec<f64>,
    /// Squares in the units of the columns.
    pub(crate) sum: Vec<f64>,
    /// How far each may be off.
    pub(crate) error: Vec<f64>,
    /// Another round is due, in these units.
    pub(crate) finer: Option<Units>,
}

/// The smallest power of two that is not below a positive number.
pub(crate) fn power(x: f64) -> f64 {
    let below = f64::from_bits(x.max(f64::MIN_POSITIVE).to_bits() & (0x7ff << 52));
    if below < x { 2.0 * below } else { below }
}

impl Units {
    /// Of a first round.
    pub(crate) fn first(means: &[f64]) -> Self {
        Self {
            of: means
                .iter()
                .map(|mean| {
                    if mean.abs() > LARGE {
                        power(mean.abs() / LARGE)
                    } else {
                        1.0
                    }
                })
                .collect(),
            again: false,
        }
    }

    /// Numbers of a round over this many columns.
    pub(crate) fn len(&self, columns: usize) -> usize {
        if self.again { 2 * columns } else { columns }
    }

    /// A site's numbers: `each(column, figure)` adds up a figure of a column's values.
    pub(crate) fn answer(
        &self,
        means: &[f64],
        mut each: impl FnMut(usize, &dyn Fn(f64) -> f64) -> f64,
    ) -> Vec<f64> {
        let columns = self.of.iter().zip(means).enumerate();
        let mut values: Vec<f64> = columns
            .clone()
            .map(|(at, (unit, mean))| {
                each(at, &|x| {
                    let distance = (x - mean) / unit;
                    distance * distance
                })
            })
            .collect();
        if self.again {
            values.extend(columns.map(|(at, (unit, mean))| each(at, &|x| (x - mean) / unit)));
        }
        values
    }

    /// Takes in a sum of [`Units::len`] numbers. `weights` are those of the columns; one of weight
    /// 0 is left alone.
    pub(crate) fn absorb(
        &self,
        values: &[f64],
        means: &[f64],
        weights: &[f64],
        sites: u32,
    ) -> Squares {
        let (squares, distances) = values
            .split_at_checked(self.of.len())
            .unwrap_or((values, &[]));
        let mut found = Squares {
            mean: means.to_vec(),
            sum: Vec::new(),
            error: Vec::new(),
            finer: None,
        };
        let mut finer = self.of.clone();
        let columns = squares
            .iter()
            .zip(&self.of)
            .zip(found.mean.iter_mut())
            .zip(weights)
            .zip(&mut finer);
        let mut open = false;
        for (at, ((((square, unit), mean), weight), next)) in columns.enumerate() {
            let mut square = *square;
            if let (Some(distance), true) = (distances.get(at), *weight > 0.0) {
                square = (square - distance * distance / weight).max(0.0);
                *mean += unit * distance / weight;
            }
            let error = f64::from(sites) * HALF_UNIT;
            if square * KNOWN < error && *weight > 0.0 {
                open = true;
                *next = power(FINE * unit * (square + error).sqrt());
            }
            found.sum.push(square * unit * unit);
            found.error.push(error * unit * unit);
        }
        if open && !self.again {
            found.finer = Some(Self {
                of: finer,
                again: true,
            });
        }
        found
    }
}

/// The weight of that many values: fewer than two have no variance to be asked for.
pub(crate) fn varying(count: u64) -> f64 {
    if count < 2 { 0.0 } else { count as f64 }
}

/// Stands in a state for squares that are not known; they are never negative, and a NaN equals no
/// NaN.
pub(crate) const UNKNOWN: f64 = -1.0;

/// The sums, [`UNKNOWN`] where they are not known.
pub(crate) fn known(found: &Squares) -> Vec<f64> {
    debug_assert_eq!(found.sum.len(), found.error.len());
    found
        .sum
        .iter()
        .zip(&found.error)
        .map(|(sum, error)| {
            if is_known(*sum, *error) {
                *sum
            } else {
                UNKNOWN
            }
        })
        .collect()
}

impl Squares {
    /// The first column that does not vary.
    ///
    /// S must be so large that what rounding can do to it is below S / (4 rows): then sum z^2 <=
    /// rows - 1/2 for the standardised columns, which the bounds of the Newton rounds rest on.
    pub(crate) fn constant(&self, rows: u64, divisor: f64) -> Option<usize> {
        let mut columns = self.sum.iter().zip(&self.error).zip(&self.mean);
        columns.position(|((sum, error), mean)| {
            *sum <= 4.0 * rows as f64 * error || (sum / divisor).sqrt() <= SAME * mean.abs()
        })
    }
}

/// Whether the squares of a column are known to a billionth; those of equal values are, as zero.
fn is_known(sum: f64, error: f64) -> bool {
    sum == 0.0 || error <= 1e-9 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_of_two_is_never_below() {
        for (x, want) in [
            (1.0, 1.0),
            (1.5, 2.0),
            (0.3, 0.5),
            (4.0, 4.0),
            (5e12, 8_796_093_022_208.0),
        ] {
            assert_eq!(power(x), want);
        }
        assert!(power(0.0) > 0.0);
    }

    #[test]
    fn squares_are_asked_again_only_where_they_are_not_known() {
        let units = Units::first(&[1.0, 5e12]);
        assert_eq!(units.of, [1.0, 8192.0]);
        let found = units.absorb(&[300.0, 300.0], &[1.0, 5e12], &[300.0, 300.0], 3);
        assert!(found.finer.is_none() && found.sum == [300.0, 300.0 * 8192.0 * 8192.0]);
        let found = units.absorb(&[300.0, 0.0], &[1.0, 5e12], &[300.0, 300.0], 3);
        let finer = found.finer.unwrap();
        assert!(finer.again && finer.of[0] == 1.0 && finer.of[1] < 1e-10);
        assert!(
            units
                .absorb(&[300.0, 0.0], &[1.0, 5e12], &[300.0, 0.0], 3)
                .finer
                .is_none()
        );
    }
}
