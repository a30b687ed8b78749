//! Pairs of yes/no columns and of levels of different categories. Where one is a yes only with the
//! other, or never, or always without it, a coefficient belongs to a group that neither column
//! names ("in intensive care and not ventilated"), and the smaller column's error tells how many
//! these are.
//!
//! A fit of two effects has three coefficients for the four cells of a pair. It is drawn to one row
//! of a cell of n rows by 1 / (n + 1 / (sum of 1 / n over the other three)), which is how much of
//! that row's fitted value is its own outcome. In a cell beside an empty one it is 1 / n. So of
//! each cell, empty ones apart, n + 1 / (..) is `min_cell` or more, whatever rounding hides; and a
//! cell beside an empty one is at enough sites. Where the study has yes/no columns alone, cells
//! beside an empty one have enough patients with the outcome and without it, too.
//!
//! Nothing is asked here of three columns at once.

use super::{Census, Explained, MULTIPLE, Seen};
use crate::error::RecipeError;
use crate::rows::Rows;
use ndarray::Array1;

/// Most columns, with the first levels of categories, of which every pair is counted.
pub(super) const MOST_PAIRED: usize = 256;
/// The cells of a pair.
const CELLS: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

/// A column, or the first level of a category, which has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Column(usize),
    First(usize),
}

/// Two of them.
pub(super) struct Pair(Mark, Mark);

/// What was told of a cell of a pair, of all its rows or of those of one class.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// Sites that have such a row.
    any: u64,
    /// Rows, rounded at each site.
    rounded: u64,
}

impl Told {
    /// Fewest rows that there can be: a site whose rows are rounded to ten has five, and one whose
    /// are rounded to none has one.
    fn least(self, min_cell: u32) -> u64 {
        let rounding = self.any.min(self.rounded / MULTIPLE);
        let sure = (self.any + self.rounded).saturating_sub((MULTIPLE / 2 + 1) * rounding);
        let cell = if self.rounded > 0 {
            u64::from(min_cell)
        } else {
            0
        };
        sure.max(cell).max(self.any)
    }
}

impl Census {
    /// The pairs that are counted: all but two levels of one category, which never are together.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        if !self.pairs {
            return Vec::new();
        }
        let marks = self.marks();
        let mut pairs = Vec::new();
        for (at, one) in marks.iter().enumerate() {
            for other in marks.iter().skip(at + 1) {
                let category = self.category_of(*one);
                if category.is_none() || category != self.category_of(*other) {
                    pairs.push(Pair(*one, *other));
                }
            }
        }
        pairs
    }

    /// That not more columns are paired than can be counted.
    ///
    /// # Errors
    /// [`RecipeError::Parameter`].
    pub(super) fn pairs_can_be_counted(&self) -> Result<(), RecipeError> {
        if !self.pairs || self.marks().len() <= MOST_PAIRED {
            return Ok(());
        }
        Err(RecipeError::Parameter {
            name: "features",
            must: "at most 256 columns, with every level of a category: each pair of them is counted",
        })
    }

    /// Of two levels the first is where the second is not.
    fn marks(&self) -> Vec<Mark> {
        let columns = (0..self.columns.len()).map(Mark::Column);
        let categories = self.categories.iter().enumerate();
        let firsts = categories
            .filter(|(_, category)| category.of.levels.len() > 2)
            .map(|(at, _)| Mark::First(at));
        columns.chain(firsts).collect()
    }

    fn category_of(&self, mark: Mark) -> Option<usize> {
        match mark {
            Mark::First(category) => Some(category),
            Mark::Column(at) => self
                .categories
                .iter()
                .position(|category| category.columns().contains(&at)),
        }
    }

    /// All rows of a cell, and those of each class of the outcome.
    fn ways(&self) -> Vec<Option<f64>> {
        let classes = self.classes().into_iter().map(Some);
        std::iter::once(None).chain(classes).collect()
    }

    /// How many numbers are told of the pairs in one way: whether rows are there, or how many.
    pub(super) fn paired(&self) -> usize {
        self.pairs().len() * CELLS.len() * self.ways().len()
    }

    /// Rows of each cell of each pair. Of a column that is a number here nothing is said.
    pub(super) fn paired_rows(&self, rows: &Rows<'_>) -> Vec<usize> {
        let seen = Seen { rows, least: 1 };
        let marks = self.marks();
        let values: Vec<Option<Array1<f64>>> = marks
            .iter()
            .map(|mark| self.marked(*mark, rows))
            .map(|values| values.filter(|of| seen.of(of.view()).all(|x| !super::is_other(x))))
            .collect();
        let of = |mark: Mark| {
            let at = marks.iter().position(|known| *known == mark)?;
            values.get(at)?.as_ref()
        };
        let classes = self.ways();
        let mut counts = Vec::with_capacity(self.paired());
        for Pair(one, other) in self.pairs() {
            let mut cells = vec![0; CELLS.len() * classes.len()];
            if let (Some(one), Some(other)) = (of(one), of(other)) {
                let both = one.iter().zip(other).enumerate();
                for (row, (one, other)) in both.filter(|(row, _)| seen.counts(*row)) {
                    let Some(cell) = CELLS
                        .iter()
                        .position(|(a, b)| is(*one, *a) && is(*other, *b))
                    else {
                        continue;
                    };
                    let y = rows.y.and_then(|y| y.get(row).copied());
                    for (at, class) in classes.iter().enumerate() {
                        if class.is_none_or(|class| y == Some(class))
                            && let Some(count) = cells.get_mut(cell * classes.len() + at)
                        {
                            *count += 1;
                        }
                    }
                }
            }
            counts.extend(cells);
        }
        counts
    }

    /// A yes where the column is one, or the row of the first level.
    fn marked(&self, mark: Mark, rows: &Rows<'_>) -> Option<Array1<f64>> {
        match mark {
            Mark::Column(at) => (at < rows.x.ncols()).then(|| rows.x.column(at).to_owned()),
            Mark::First(at) => {
                let others = self.first_level(self.categories.get(at)?, rows);
                Some(others.mapv(|others| 1.0 - others))
            }
        }
    }

    /// The first cell, by its place among those of all pairs, that has too few patients or sites
    /// for a coefficient that is its own, given for each at how many sites it is and its rows.
    pub(super) fn few_paired(
        &self,
        numbers: &[&str],
        (any, rounded): (&[u64], &[u64]),
        sites: u32,
    ) -> Option<usize> {
        let classes = self.ways().len();
        let told: Vec<Told> = any
            .iter()
            .zip(rounded)
            .map(|(any, rounded)| Told {
                any: *any,
                rounded: *rounded,
            })
            .collect();
        let pairs = self.pairs();
        // Numbers of another length speak of nobody who is known.
        if any.len() != rounded.len() || told.len() != pairs.len() * CELLS.len() * classes {
            return Some(0);
        }
        let is_number = |mark: &Mark| match mark {
            Mark::Column(at) => {
                let name = self.columns.get(*at);
                name.is_none_or(|name| numbers.contains(&name.as_str()))
            }
            Mark::First(_) => false,
        };
        let counted = self
            .columns
            .iter()
            .all(|of| !numbers.contains(&of.as_str()))
            && self
                .outcome_name()
                .is_some_and(|name| !numbers.contains(&name));
        (0..)
            .zip(&pairs)
            .zip(told.chunks(CELLS.len() * classes))
            .filter(|((_, Pair(one, other)), _)| !is_number(one) && !is_number(other))
            .find_map(|((at, _), cells)| {
                let cells: Vec<&[Told]> = cells.chunks(classes).collect();
                let few = self.few_of_a_pair(&cells, counted, self.least(sites))?;
                Some(at * CELLS.len() + few)
            })
    }

    /// The first such cell of one pair. `counted`: coefficients are counts in another form.
    fn few_of_a_pair(&self, cells: &[&[Told]], counted: bool, least: u32) -> Option<usize> {
        let all: Vec<Told> = cells.iter().filter_map(|of| of.first().copied()).collect();
        let is_nested = all.iter().any(|cell| cell.any == 0);
        let is_ordered = matches!(self.outcome, Some(Explained::Ordered(_)));
        all.iter().enumerate().position(|(at, cell)| {
            if cell.any == 0 {
                return false;
            }
            // Of an empty cell this is infinite.
            let others: f64 = all
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, other)| 1.0 / other.least(self.min_cell) as f64)
                .sum();
            let held = cell.least(self.min_cell) as f64 + 1.0 / others;
            let few_of_a_class = || {
                let mut classes = cells.get(at).into_iter().flat_map(|of| of.iter().skip(1));
                classes.any(|class| {
                    let nobody_of_a_level = is_ordered && class.any == 0;
                    !nobody_of_a_level && class.least(self.min_cell) < u64::from(self.min_cell)
                })
            };
            held < f64::from(self.min_cell)
                || is_nested && cell.any < u64::from(least)
                || counted && is_nested && few_of_a_class()
        })
    }

    /// Why a run ends by this cell.
    pub(super) fn pair_error(&self, cell: usize) -> RecipeError {
        let pairs = self.pairs();
        let found = pairs
            .get(cell / CELLS.len())
            .zip(CELLS.get(cell % CELLS.len()));
        let Some((Pair(one, other), (one_is, other_is))) = found else {
            return RecipeError::Mismatch { what: "state" };
        };
        let words =
            [(one, one_is), (other, other_is)].map(|(mark, is)| self.mark_in_words(*mark, *is));
        let [Some(one), Some(other)] = words else {
            return RecipeError::Mismatch { what: "state" };
        };
        RecipeError::FewInCell {
            what: format!("{one} and {other}"),
            least: self.min_cell,
        }
    }

    fn mark_in_words(&self, mark: Mark, yes: bool) -> Option<String> {
        let word = if yes { "a yes" } else { "a no" };
        match mark {
            Mark::Column(at) => Some(format!("{word} in `{}`", self.columns.get(at)?)),
            Mark::First(at) => {
                let of = &self.categories.get(at)?.of;
                let other = if yes { "" } else { "not " };
                Some(format!(
                    "{other}the level `{}` of `{}`",
                    of.levels.first()?,
                    of.column
                ))
            }
        }
    }
}

/// Whether it is a yes or a no as asked.
fn is(value: f64, yes: bool) -> bool {
    value == f64::from(u8::from(yes))
}
