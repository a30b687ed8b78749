//! A column's cells, eight bytes each.

use crate::schema::Kind;
use crate::value::Cell;

/// The cells of a column, row by row. Each is a number: a level its place, and one that is not
/// known NaN, which no cell holds.
pub(crate) struct Cells {
    /// Whether they are levels.
    levels: bool,
    numbers: Vec<f64>,
}

impl Cells {
    /// No cell yet of a column of this kind.
    pub(crate) fn new(kind: &Kind) -> Self {
        Self {
            levels: matches!(kind, Kind::Category { .. }),
            numbers: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, cell: Cell) {
        debug_assert!(
            match cell {
                Cell::Missing => true,
                Cell::Number(number) => !self.levels && !number.is_nan(),
                Cell::Level(_) => self.levels,
            },
            "a cell of its kind"
        );
        self.numbers.push(match cell {
            Cell::Missing => f64::NAN,
            Cell::Number(number) => number,
            Cell::Level(place) => f64::from(place),
        });
    }

    /// The cell of a row.
    pub(crate) fn get(&self, row: usize) -> Option<Cell> {
        self.numbers.get(row).map(|number| self.cell(*number))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Cell> {
        self.numbers.iter().map(|number| self.cell(*number))
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    fn cell(&self, number: f64) -> Cell {
        match self.levels {
            _ if number.is_nan() => Cell::Missing,
            true => Cell::Level(number as u32),
            false => Cell::Number(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_comes_back_as_it_was() {
        let category = Kind::Category {
            levels: vec!["a".to_owned(), "b".to_owned()],
            ordered: false,
        };
        let mut levels = Cells::new(&category);
        let mut numbers = Cells::new(&Kind::Float);
        for cells in [&mut levels, &mut numbers] {
            cells.push(Cell::Missing);
        }
        levels.push(Cell::Level(1));
        numbers.push(Cell::Number(-0.5));
        assert!(matches!(levels.get(0), Some(Cell::Missing)));
        assert!(matches!(numbers.get(0), Some(Cell::Missing)));
        assert!(matches!(levels.get(1), Some(Cell::Level(1))));
        assert!(matches!(numbers.get(1), Some(Cell::Number(-0.5))));
        assert!(levels.get(2).is_none() && numbers.iter().count() == 2);
    }
}
