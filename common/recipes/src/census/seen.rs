//! What stands in the columns of the rows that count.

use crate::rows::Rows;
use ndarray::{ArrayView1, Axis};

/// The rows that count, and what stands in a column of them.
pub(super) struct Seen<'a, 'r> {
    pub(super) rows: &'a Rows<'r>,
    /// A site has values, or different ones, where that many of its rows have: of fewer it says no
    /// word.
    pub(super) least: usize,
}

impl Seen<'_, '_> {
    /// Whether the row is of weight above 0.
    pub(super) fn counts(&self, at: usize) -> bool {
        self.rows
            .weight
            .is_none_or(|weight| weight.get(at).is_some_and(|weight| *weight > 0.0))
    }

    pub(super) fn of<'c>(&'c self, column: ArrayView1<'c, f64>) -> impl Iterator<Item = f64> + 'c {
        column
            .into_iter()
            .copied()
            .enumerate()
            .filter(move |(at, value)| self.counts(*at) && !value.is_nan())
            .map(|(_, value)| value)
    }

    /// Rows without a value.
    pub(super) fn gaps(&self, column: ArrayView1<'_, f64>) -> usize {
        column
            .iter()
            .enumerate()
            .filter(|(at, value)| self.counts(*at) && value.is_nan())
            .count()
    }

    /// Rows of a group whose value is such a one.
    pub(super) fn within(
        &self,
        column: ArrayView1<'_, f64>,
        level: usize,
        is: fn(f64) -> bool,
    ) -> usize {
        let Some(places) = self.rows.group else {
            return 0;
        };
        column
            .iter()
            .zip(places)
            .enumerate()
            .filter(|(at, (value, place))| {
                is(**value) && **place == level as f64 && self.counts(*at)
            })
            .count()
    }

    fn many(&self, column: ArrayView1<'_, f64>, is: impl Fn(f64) -> bool) -> bool {
        self.of(column)
            .filter(|value| is(*value))
            .take(self.least)
            .count()
            == self.least
    }

    /// Whether so many rows have another value than the `common` values that most have. No more
    /// than `common + least` values are remembered on the way.
    fn varies(&self, column: ArrayView1<'_, f64>, common: usize, least: usize) -> bool {
        let mut known: Vec<(f64, usize)> = Vec::new();
        for (seen, value) in (1..).zip(self.of(column)) {
            match known.iter_mut().find(|(of, _)| *of == value) {
                Some((_, rows)) => *rows += 1,
                None => known.push((value, 1)),
            }
            known.sort_unstable_by_key(|(_, rows)| std::cmp::Reverse(*rows));
            let most: usize = known.iter().take(common).map(|(_, rows)| *rows).sum();
            if seen - most >= least {
                return true;
            }
        }
        false
    }

    /// Rows with a value of each column, for each of that many groups.
    fn by_group(&self, levels: usize) -> Vec<Vec<usize>> {
        let mut counts = vec![vec![0; self.rows.x.ncols()]; levels];
        let Some(places) = self.rows.group else {
            return counts;
        };
        for ((at, place), row) in places.iter().enumerate().zip(self.rows.x.rows()) {
            let level = (0..levels)
                .zip(&mut counts)
                .find(|(level, _)| *level as f64 == *place);
            if let (Some((_, counts)), true) = (level, self.counts(at)) {
                counts
                    .iter_mut()
                    .zip(row)
                    .filter(|(_, value)| !value.is_nan())
                    .for_each(|(count, _)| *count += 1);
            }
        }
        counts
    }
}

/// What is seen of a site's rows; of a site that is not here, nothing: there each answer is a no.
pub(super) struct Sight<'a, 'r>(pub(super) Option<Seen<'a, 'r>>);

impl<'a> Sight<'a, '_> {
    /// A column of the table.
    pub(super) fn column(&self, at: usize) -> Option<ArrayView1<'a, f64>> {
        let x = &self.0.as_ref()?.rows.x;
        (at < x.ncols()).then(|| x.index_axis(Axis(1), at))
    }

    /// Whether a row has such a value.
    pub(super) fn any(
        &self,
        column: Option<ArrayView1<'_, f64>>,
        is: impl Fn(f64) -> bool,
    ) -> bool {
        let seen = self.0.as_ref().zip(column);
        seen.is_some_and(|(seen, column)| seen.of(column).any(is))
    }

    /// Whether enough rows have such a value to be told of.
    pub(super) fn many(
        &self,
        column: Option<ArrayView1<'_, f64>>,
        is: impl Fn(f64) -> bool,
    ) -> bool {
        let seen = self.0.as_ref().zip(column);
        seen.is_some_and(|(seen, column)| seen.many(column, is))
    }

    /// Whether so many rows have another value than those that most have.
    pub(super) fn varies(
        &self,
        column: Option<ArrayView1<'_, f64>>,
        common: usize,
        least: u32,
    ) -> bool {
        let seen = self.0.as_ref().zip(column);
        seen.is_some_and(|(seen, column)| seen.varies(column, common, least as usize))
    }

    /// Whether a row has no value.
    pub(super) fn has_gaps(&self, column: Option<ArrayView1<'_, f64>>) -> bool {
        let seen = self.0.as_ref().zip(column);
        seen.is_some_and(|(seen, column)| seen.gaps(column) > 0)
    }

    /// Rows with a value of each column, for each of that many groups.
    pub(super) fn by_group(&self, levels: usize) -> Option<Vec<Vec<usize>>> {
        self.0.as_ref().map(|seen| seen.by_group(levels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn rows_of_no_weight_lack_no_value_in_a_column_or_a_group() {
        let (x, nan) = (Array2::zeros((6, 1)), f64::NAN);
        let weight = array![1.0, 0.0, 2.0, 1.0, 0.0, 1.0];
        let group = array![0.0, 0.0, 0.0, 1.0, 1.0, nan];
        let column = array![nan, nan, 3.0, nan, nan, nan];
        let rows = Rows {
            weight: Some(weight.view()),
            group: Some(group.view()),
            ..Rows::new(x.view())
        };
        let gaps = |rows: &Rows<'_>| {
            let seen = Seen { rows, least: 5 };
            let within = |level| seen.within(column.view(), level, f64::is_nan);
            (seen.gaps(column.view()), within(0), within(1))
        };
        assert_eq!(gaps(&rows), (3, 1, 1));
        let plain = Rows {
            weight: None,
            ..rows
        };
        assert_eq!(gaps(&plain), (5, 2, 2));
    }
}
