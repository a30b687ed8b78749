//! Groups of patients that coefficients stand for. A product of yes/no columns or levels gives each
//! combination of its factors a coefficient of its own, and a group of one patient is fitted
//! exactly: the sum of coefficients is that patient's outcome. So each combination of the factors
//! of a product is empty or of enough patients at enough sites, with the outcome and without it:
//! `min_cell` and one more for each term that is its own.
//!
//! Where all columns are yes/no or categories, coefficients and their errors are counts in another
//! form: then also each column, and what remains when all are no, must be of enough patients with
//! the outcome and without it, or of none.

use super::{Beside, Census, Explained, Seen};
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
    /// With the outcome, without it, or both together where the outcome is a number.
    class: Option<bool>,
    /// In how many terms of more than a column its columns stand together: so many coefficients are
    /// that group's alone, and a group of as many patients would be fitted one by one.
    terms: usize,
    /// Rows of the site.
    pub(super) rows: usize,
}

impl Cell {
    pub(super) fn error(&self, least: u32) -> RecipeError {
        let class = match self.class {
            Some(true) => " and the outcome",
            Some(false) => " and without the outcome",
            None => "",
        };
        RecipeError::FewInCell {
            what: format!("{}{class}", self.name),
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
    let is_number = |name: &str| numbers.contains(&name);
    let number = |at: &usize| {
        census
            .columns
            .get(*at)
            .is_none_or(|column| is_number(column))
    };
    let plain = !census.columns.iter().any(|column| is_number(column));
    // Of a number nobody is with or without it.
    let classless = census.outcome_name().is_some_and(is_number);
    let least = u64::from(census.least(sites));
    let of = |sums: &[u64], at: usize| sums.get(at).copied().unwrap_or_default();
    (0..cells.len()).position(|at| {
        let Some(cell) = cells.get(at) else {
            return false;
        };
        let (any, many, rounded) = (of(any, at), of(many, at), of(rounded, at));
        // Where nobody is, nobody is told of.
        let classless = classless && cell.class.is_some();
        if any == 0 || classless || cell.of.iter().any(|(at, _)| number(at)) && cell.terms > 0 {
            return false;
        }
        let enough = |rounded: u64, any: u64| {
            rounded.max(any) >= u64::from(census.min_cell) + cell.terms as u64
        };
        let sites = if cell.class.is_some() { any } else { many };
        match cell.terms {
            0 if plain => !enough(rounded, any),
            // Beside numbers a column tells no counts; but its patients are more than a few, with
            // the outcome and without together.
            0 => match (cell.of.as_slice(), cell.class) {
                ([(column, true)], Some(true)) if !number(column) => !enough(
                    rounded + of(sums_of(sums, 2), at + 1),
                    any + of(sums_of(sums, 0), at + 1),
                ),
                // None of them has the outcome.
                ([(column, true)], Some(false)) if !number(column) && nobody(sums, at) => {
                    !enough(rounded, any)
                }
                ([(column, true)], None) if !number(column) => !enough(rounded, any),
                _ => false,
            },
            _ => !enough(rounded, any) || sites < least,
        }
    })
}

/// Whether no site has anybody in the cell before this one: the same group with the outcome.
fn nobody(sums: &[Vec<u64>], at: usize) -> bool {
    let before = at.checked_sub(1);
    before.and_then(|before| sums_of(sums, 0).get(before)) == Some(&0)
}

fn sums_of(sums: &[Vec<u64>], at: usize) -> &[u64] {
    sums.get(at).map(Vec::as_slice).unwrap_or_default()
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
        let name = |at: usize| self.columns.get(at).map(String::as_str).unwrap_or_default();
        let mut groups: Vec<Group> = Vec::new();
        let none = (0..self.columns.len()).map(|at| (at, false)).collect();
        groups.push((
            none,
            "a no, or the first level, in every column".to_owned(),
            0,
        ));
        groups.extend((0..self.columns.len()).map(|at| {
            let yes = format!("a yes in `{}`", name(at));
            (vec![(at, true)], yes, 0)
        }));
        for (columns, terms) in beside
            .products
            .as_ref()
            .map(products)
            .transpose()?
            .unwrap_or_default()
        {
            for yes in 0..1_usize << columns.len() {
                let of: Vec<(usize, bool)> = columns
                    .iter()
                    .enumerate()
                    .map(|(bit, at)| (*at, yes >> bit & 1 == 1))
                    .collect();
                let words = of.iter().map(|(at, yes)| {
                    format!("a {} in `{}`", if *yes { "yes" } else { "no" }, name(*at))
                });
                let words = words.collect::<Vec<_>>().join(" and ");
                groups.push((of, words, terms));
            }
        }
        let classes: &[Option<bool>] = match self.outcome {
            Some(Explained::YesNo(_) | Explained::Event(_)) => &[Some(true), Some(false)],
            Some(Explained::Number(_)) => &[None, Some(true), Some(false)],
            None => &[None],
        };
        let mut cells = Vec::new();
        for (of, name, terms) in groups {
            for class in classes {
                let rows = rows.map_or(0, |rows| within(rows, &of, *class));
                cells.push(Cell {
                    of: of.clone(),
                    name: name.clone(),
                    class: *class,
                    terms,
                    rows,
                });
            }
        }
        Ok(cells)
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
fn within(rows: &Rows<'_>, of: &[(usize, bool)], class: Option<bool>) -> usize {
    let seen = Seen { rows, least: 1 };
    let is = |value: Option<&f64>, yes: bool| {
        value.is_some_and(|value| *value == f64::from(u8::from(yes)))
    };
    let inside = |at: usize| {
        of.iter()
            .all(|(column, yes)| is(rows.x.get((at, *column)), *yes))
    };
    let with = |at: usize| class.is_none_or(|yes| is(rows.y.as_ref().and_then(|y| y.get(at)), yes));
    (0..rows.x.nrows())
        .filter(|at| seen.counts(*at) && with(*at) && inside(*at))
        .count()
}
