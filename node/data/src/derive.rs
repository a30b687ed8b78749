//! Columns that are made of others: a row's known cells to one
//! cell more.

use crate::cell::finished;
use crate::dates::whole_months;
use crate::error::DataError;
use crate::schema::{Column, Constant, Derivation, End, Kind, Measure};
use crate::steps::are_one;
use crate::value::Cell;
use std::collections::BTreeMap;

/// A derivation whose columns are places among the cells of a
/// row.
pub(crate) enum Maker {
    Between(Point, Point, Measure),
    When {
        at: usize,
        is: Vec<Constant>,
        then: Input,
        otherwise: Input,
    },
    Any(Vec<usize>),
    All(Vec<usize>),
    First(Vec<Input>),
    Value(Constant),
}

/// A day: of a cell, or a fixed one.
pub(crate) enum Point {
    At(usize),
    Day(f64),
}

/// A cell that becomes the column's as it is.
pub(crate) struct Input {
    at: usize,
    /// Of a category: for each of its levels, the place among the
    /// column's own.
    levels: Vec<u32>,
}

/// The columns whose cells are known before: each by its name,
/// its place in a row and what it is.
#[derive(Default)]
pub(crate) struct Known<'k>(BTreeMap<&'k str, (usize, &'k Column)>);

impl<'k> Known<'k> {
    /// One column more, whose cells come next in a row.
    pub(crate) fn add(&mut self, name: &'k str, column: &'k Column) {
        let place = self.0.len();
        let before = self.0.insert(name, (place, column));
        debug_assert!(before.is_none(), "a column is read once");
    }

    /// A column's derivation, with the places of those that it is
    /// made of; nothing where one of them is not there.
    pub(crate) fn maker(&self, column: &Column, derivation: &Derivation) -> Option<Maker> {
        Some(match derivation {
            Derivation::Between { from, to, measure } => {
                Maker::Between(self.point(from)?, self.point(to)?, *measure)
            }
            Derivation::When {
                column: asked,
                is,
                then,
                otherwise,
            } => Maker::When {
                at: self.place(asked)?,
                is: is.clone(),
                then: self.input(column, then)?,
                otherwise: self.input(column, otherwise)?,
            },
            Derivation::Any(names) => Maker::Any(self.places(names)?),
            Derivation::All(names) => Maker::All(self.places(names)?),
            Derivation::First(names) => {
                let inputs = names.iter().map(|name| self.input(column, name));
                Maker::First(inputs.collect::<Option<_>>()?)
            }
            Derivation::Of(name) => Maker::First(vec![self.input(column, name)?]),
            Derivation::Value(constant) => Maker::Value(*constant),
        })
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.0.get(name).map(|(place, _)| *place)
    }

    fn places(&self, names: &[String]) -> Option<Vec<usize>> {
        names.iter().map(|name| self.place(name)).collect()
    }

    fn point(&self, end: &End) -> Option<Point> {
        Some(match end {
            End::Column(name) => Point::At(self.place(name)?),
            End::Day(day) => Point::Day(*day),
        })
    }

    fn input(&self, column: &Column, name: &str) -> Option<Input> {
        let (at, theirs) = *self.0.get(name)?;
        let levels = match (&column.kind, &theirs.kind) {
            (Kind::Category { .. }, Kind::Category { levels, .. }) => levels
                .iter()
                .map(|level| column.place(level))
                .collect::<Option<_>>()?,
            _ => Vec::new(),
        };
        Some(Input { at, levels })
    }
}

impl Maker {
    /// The column's cell of a row whose cells before it these
    /// are.
    ///
    /// # Errors
    /// `out_of_range` where the result is not within the column's
    /// bounds.
    pub(crate) fn cell(&self, column: &Column, row: &[Cell]) -> Result<Cell, DataError> {
        let made = match self {
            Self::Between(from, to, measure) => between(from.day(row), to.day(row), *measure),
            Self::When {
                at,
                is,
                then,
                otherwise,
            } => match row.get(*at) {
                None | Some(Cell::Missing) => Cell::Missing,
                Some(cell) if is.iter().any(|constant| is_it(*constant, *cell)) => then.cell(row),
                Some(_) => otherwise.cell(row),
            },
            Self::Any(places) => joined(places, row, 1.0),
            Self::All(places) => joined(places, row, 0.0),
            Self::First(inputs) => inputs
                .iter()
                .map(|input| input.cell(row))
                .find(|cell| !matches!(cell, Cell::Missing))
                .unwrap_or(Cell::Missing),
            Self::Value(Constant::Number(number)) => Cell::Number(*number),
            Self::Value(Constant::Level(level)) => Cell::Level(*level),
        };
        match (made, &column.kind) {
            (Cell::Number(_), Kind::Bool { .. }) => Ok(made),
            (Cell::Number(number), _) => finished(column, number),
            _ => Ok(made),
        }
    }
}

impl Input {
    fn cell(&self, row: &[Cell]) -> Cell {
        match row.get(self.at) {
            Some(Cell::Level(level)) => match self.levels.get(*level as usize) {
                Some(own) => Cell::Level(*own),
                None => Cell::Missing,
            },
            Some(cell) => *cell,
            None => Cell::Missing,
        }
    }
}

impl Point {
    fn day(&self, row: &[Cell]) -> Option<f64> {
        match self {
            Self::Day(day) => Some(*day),
            Self::At(place) => match row.get(*place) {
                Some(Cell::Number(day)) => Some(*day),
                _ => None,
            },
        }
    }
}

fn between(from: Option<f64>, to: Option<f64>, measure: Measure) -> Cell {
    let (Some(from), Some(to)) = (from, to) else {
        return Cell::Missing;
    };
    let days = to - from;
    let counted = match measure {
        Measure::Days => Some(days),
        Measure::Months => Some(days / 30.4375),
        Measure::Years => Some(days / 365.25),
        Measure::WholeMonths => whole_months(from, to),
        Measure::WholeYears => whole_months(from, to).map(|months| (months / 12.0).trunc()),
    };
    counted.map_or(Cell::Missing, Cell::Number)
}

/// Whether any is true (`decides` is 1) or all are (0): one cell
/// with that value decides, whatever the others lack.
fn joined(places: &[usize], row: &[Cell], decides: f64) -> Cell {
    let mut lacks = false;
    for place in places {
        match row.get(*place) {
            Some(Cell::Number(value)) if *value == decides => return Cell::Number(decides),
            Some(Cell::Number(_)) => {}
            _ => lacks = true,
        }
    }
    if lacks {
        Cell::Missing
    } else {
        Cell::Number(1.0 - decides)
    }
}

fn is_it(constant: Constant, cell: Cell) -> bool {
    match (constant, cell) {
        (Constant::Number(number), Cell::Number(value)) => are_one(value, number),
        (Constant::Level(level), Cell::Level(place)) => level == place,
        _ => false,
    }
}
