//! Groups of patients that coefficients stand for. A product of yes/no columns or levels gives each
//! combination of its factors a coefficient of its own, and a group of one patient is fitted
//! exactly: the sum of coefficients is that patient's outcome. So each combination of the factors
//! of a product is empty or of enough patients at enough sites, with the outcome and without it (or
//! at each of its levels): `min_cell` and one more for each term that is its own; where the study
//! shows no cell so small, as many as one that it shows.
//!
//! Where all columns are yes/no or categories, coefficients and their errors
//! are counts in another form: then also each column, and what remains when all
//! are no, must be of enough patients of each such class, or of none.

use super::{Beside, Census, Explained, MULTIPLE, Seen};
use crate::design::{Design, Term};
use crate::error::RecipeError;
use crate::rows::Rows;
use std::collections::{BTreeMap, BTreeSet};

/// Most columns of a product: each of their combinations is counted.
pub(super) const MOST_FACTORS: usize = 6;

/// One such group, and how many patients a site has in it.
pub(super) struct Cell {
    /// Columns by their place, and whether each is a yes.
    of: Vec<(usize, bool)>,
    /// What it is, for a sentence.
    name: String,
    /// The value of the outcome: a class of it, or all together where it is a number.
    class: Option<f64>,
    /// In how many terms of more than a column its columns stand together: so many coefficients are
    /// that group's alone, and a group of as many patients would be fitted one by one.
    terms: usize,
    /// Rows of the site.
    pub(super) rows: usize,
}

impl Cell {
    pub(super) fn error(&self, least: u32) -> RecipeError {
        RecipeError::FewInCell {
            what: self.name.clone(),
            least,
        }
    }
}

/// The first group with too few patients, given for each at how many sites anybody is in it, at how
/// many enough are, and how many are in it, rounded.
pub(super) fn few(
    census: &Census,
    cells: &[Cell],
    numbers: &[&str],
    (sums, sites): (&[Vec<u64>], u32),
) -> Option<usize> {
    // Sums of another length speak of nobody who is known: then the first group is one of too few,
    // and nothing goes on.
    let [any, many, rounded] = sums else {
        return Some(0);
    };
    if sums.iter().any(|sums| sums.len() != cells.len()) {
        return Some(0);
    }
    let told: Vec<Told> = any
        .iter()
        .zip(many)
        .zip(rounded)
        .map(|((any, many), rounded)| Told {
            any: *any,
            many: *many,
            rounded: *rounded,
        })
        .collect();
    let reading = Reading {
        census,
        numbers,
        least: u64::from(census.least(sites)),
    };
    cells
        .iter()
        .zip(&told)
        .position(|(cell, own)| reading.is_few(cell, own, cells, &told))
}

/// What was told of a group: at how many sites anybody is in it, at how many enough are, and how
/// many are in it, rounded.
struct Told {
    any: u64,
    many: u64,
    rounded: u64,
}

/// What groups are read by.
struct Reading<'c> {
    census: &'c Census,
    /// Columns that are numbers.
    numbers: &'c [&'c str],
    /// Fewest sites.
    least: u64,
}

impl Reading<'_> {
    fn is_number(&self, column: &str) -> bool {
        self.numbers.contains(&column)
    }

    /// Whether the column at this place is a number; what is no column is no yes or no either.
    fn holds_number(&self, at: usize) -> bool {
        let column = self.census.columns.get(at);
        column.is_none_or(|column| self.is_number(column))
    }

    fn is_enough(&self, cell: &Cell, told: &Told) -> bool {
        debug_assert!(told.many <= told.any, "who has many has some");
        let terms = cell.terms as u64;
        let some = told.rounded.max(told.any) >= u64::from(self.census.min_cell) + terms;
        if self.census.cell <= self.census.min_cell {
            return some;
        }
        // A site that says 10 has 5 at least, and one that says none but has some has one.
        let sure = told.rounded.saturating_sub(told.many * (MULTIPLE / 2))
            + told.any.saturating_sub(told.many);
        some && sure >= u64::from(self.census.cell) + terms
    }

    /// Whether the group has too few patients.
    fn is_few(&self, cell: &Cell, own: &Told, cells: &[Cell], told: &[Told]) -> bool {
        // Of a number nobody is with or without it.
        let outcome = self.census.outcome_name();
        let classless = cell.class.is_some() && outcome.is_some_and(|name| self.is_number(name));
        let of_number = cell.of.iter().any(|(at, _)| self.holds_number(*at));
        let all = self.of_all_classes(cell, cells, told);
        // Where nobody is, nobody is told of; but of a group in which nobody is with the outcome, or
        // everybody, each patient's is told. Of levels in order each says who is not at it.
        let is_empty = own.any == 0 && (self.is_ordered() || all.any == 0);
        if is_empty || classless || of_number && cell.terms > 0 {
            return false;
        }
        let few = !self.is_enough(cell, own);
        let sites = if cell.class.is_some() {
            own.any
        } else {
            own.many
        };
        if cell.terms > 0 {
            return few || sites < self.least;
        }
        if !self.census.columns.iter().any(|of| self.is_number(of)) {
            return few;
        }
        // Beside numbers a column tells no counts; but its patients are more than a few, those of
        // all classes of the outcome together.
        let [(column, true)] = cell.of.as_slice() else {
            return false;
        };
        if self.holds_number(*column) {
            return false;
        }
        if cell.class.is_none() {
            return few;
        }
        !self.is_enough(cell, &all)
    }

    fn is_ordered(&self) -> bool {
        matches!(self.census.outcome, Some(Explained::Ordered(_)))
    }

    /// What was told of a group over all classes of the outcome.
    fn of_all_classes(&self, cell: &Cell, cells: &[Cell], told: &[Told]) -> Told {
        let classes = cells.iter().zip(told).filter(|(other, _)| {
            other.class.is_some() == cell.class.is_some()
                && (other.terms, &other.of) == (cell.terms, &cell.of)
        });
        let none = Told {
            any: 0,
            many: 0,
            rounded: 0,
        };
        classes.fold(none, |all, (_, told)| Told {
            any: all.any + told.any,
            many: all.many + told.many,
            rounded: all.rounded + told.rounded,
        })
    }
}

/// Columns that are a yes or a no, words for them, and in how many terms they stand together.
type Group = (Vec<(usize, bool)>, String, usize);

impl Census {
    /// The groups of the columns and of the terms; with rows, how many of them are in each.
    pub(super) fn cells(
        &self,
        beside: &Beside,
        rows: Option<&Rows<'_>>,
    ) -> Result<Vec<Cell>, RecipeError> {
        if !self.crosses || self.columns.is_empty() {
            return Ok(Vec::new());
        }
        let mut groups: Vec<Group> = Vec::new();
        let none = (0..self.columns.len()).map(|at| (at, false)).collect();
        groups.push((
            none,
            "a no, or the first level, in every column".to_owned(),
            0,
        ));
        groups.extend(self.columns.iter().enumerate().map(|(at, name)| {
            let yes = format!("a yes in `{name}`");
            (vec![(at, true)], yes, 0)
        }));
        let products = match &beside.products {
            Some(design) => products(design)?,
            None => BTreeMap::new(),
        };
        for (columns, terms) in products {
            for yes in 0..1_usize << columns.len() {
                let of: Vec<(usize, bool)> = columns
                    .iter()
                    .enumerate()
                    .map(|(bit, at)| (*at, yes >> bit & 1 == 1))
                    .collect();
                let words = of
                    .iter()
                    .map(|(at, yes)| self.in_words(*at, *yes))
                    .collect::<Result<Vec<_>, _>>()?;
                groups.push((of, words.join(" and "), terms));
            }
        }
        let classes = self.crossed();
        let mut cells = Vec::new();
        for (of, name, terms) in groups {
            for (class, words) in &classes {
                let rows = rows.map_or(0, |rows| within(rows, &of, *class));
                cells.push(Cell {
                    of: of.clone(),
                    name: format!("{name}{words}"),
                    class: *class,
                    terms,
                    rows,
                });
            }
        }
        Ok(cells)
    }

    /// By what of the outcome each group is divided: the value, and words for it.
    fn crossed(&self) -> Vec<(Option<f64>, String)> {
        let all = (None, String::new());
        let words: Vec<String> = match &self.outcome {
            None => return vec![all],
            Some(Explained::Ordered(of)) => {
                let levels = of.levels.iter();
                levels
                    .map(|level| format!(" and the outcome's level `{level}`"))
                    .collect()
            }
            Some(_) => [" and the outcome", " and without the outcome"]
                .map(str::to_owned)
                .into(),
        };
        let is_number = matches!(self.outcome, Some(Explained::Number(_)));
        let classes = self.classes().into_iter().map(Some).zip(words);
        is_number
            .then_some(all)
            .into_iter()
            .chain(classes)
            .collect()
    }

    fn in_words(&self, column: usize, yes: bool) -> Result<String, RecipeError> {
        let name = self
            .columns
            .get(column)
            .ok_or(RecipeError::Mismatch { what: "formula" })?;
        Ok(format!("a {} in `{name}`", if yes { "yes" } else { "no" }))
    }
}

/// Columns of each term that is more than a column, whatever is done with them, and each part of
/// these: with in how many terms it is. A yes or no that stands beside a number in a product gives
/// its patients a slope of their own.
fn products(design: &Design) -> Result<BTreeMap<Vec<usize>, usize>, RecipeError> {
    check(design)?;
    let mut found = BTreeMap::new();
    for term in &design.terms {
        let columns: Vec<usize> = columns_of(term).into_iter().collect();
        for part in 1..1_usize << columns.len() {
            let part: Vec<usize> = columns
                .iter()
                .enumerate()
                .filter(|(bit, _)| part >> bit & 1 == 1)
                .map(|(_, at)| *at)
                .collect();
            *found.entry(part).or_insert(0) += 1;
        }
    }
    Ok(found)
}

fn columns_of(term: &Term) -> BTreeSet<usize> {
    term.factors
        .iter()
        .map(|factor| factor.column as usize)
        .collect()
}

/// That no product has more columns than can be counted.
///
/// # Errors
/// [`RecipeError::Parameter`].
pub(super) fn check(design: &Design) -> Result<(), RecipeError> {
    if design
        .terms
        .iter()
        .all(|term| columns_of(term).len() <= MOST_FACTORS)
    {
        return Ok(());
    }
    Err(RecipeError::Parameter {
        name: "formula",
        must: "without a product of more than six columns",
    })
}

/// Rows that count, are in the group, and have this outcome.
fn within(rows: &Rows<'_>, of: &[(usize, bool)], class: Option<f64>) -> usize {
    let seen = Seen { rows, least: 1 };
    (0..rows.x.nrows())
        .filter(|at| seen.counts(*at))
        .filter(|at| {
            class.is_none_or(|class| rows.y.and_then(|y| y.get(*at).copied()) == Some(class))
        })
        .filter(|at| {
            of.iter()
                .all(|(column, yes)| is(rows.x.get((*at, *column)), *yes))
        })
        .count()
}

/// Whether there is a value, and it is a yes or a no as asked.
fn is(value: Option<&f64>, yes: bool) -> bool {
    value.is_some_and(|value| *value == f64::from(u8::from(yes)))
}
