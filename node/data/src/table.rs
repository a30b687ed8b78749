//! The columns of a site's file that were asked for, read and checked cell
//! by cell.

use crate::cell::{self, Cell};
use crate::cells::Cells;
use crate::error::{Code, DataError};
use crate::file::Delimited;
use crate::number::Shown;
use crate::schema::{Column, Kind, Schema};
use crate::source::{RowSource, empty, is_empty};
use crate::totals::Totals;
use crate::watched::Watched;
use motet_recipes::filter::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The largest table this version holds in memory.
const MAX_ROWS: usize = 50_000_000;
/// The most cells of the columns that are read: 3.2 GB of eight bytes each, and as much again
/// while a column grows.
const MAX_CELLS: usize = 400_000_000;

/// Patients' values. It has no `Debug` and no `Clone`: rows are neither
/// printed nor spread.
pub struct Table {
    pub(crate) dataset: String,
    pub(crate) file: String,
    pub(crate) rows: usize,
    pub(crate) repeated: u64,
    pub(crate) unended: bool,
    seen: Vec<String>,
    doubted: Vec<String>,
    pub(crate) columns: BTreeMap<String, Series>,
}

/// One declared column and its values, row by row.
pub(crate) struct Series {
    pub(crate) declared: Column,
    pub(crate) cells: Cells,
}

impl Table {
    /// Second rows of a patient, by the schema's `key`; they are left out.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Whether the file's last line has no end: it may have been cut off,
    /// in the middle of a number too.
    pub fn is_unended(&self) -> bool {
        self.unended
    }

    /// How the file is read, as far as that was seen and not declared.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Columns all of whose numbers have exactly three digits after a point, where the schema says
    /// nothing of marks: they are read as decimal numbers, and nothing shows that they are.
    pub fn doubted(&self) -> &[String] {
        &self.doubted
    }

    /// Reads the named columns of a delimited file, opened for reading
    /// only. No other column is interpreted, but that of the schema's
    /// `key`, by which a second row of a patient is left out.
    ///
    /// # Errors
    /// [`DataError`] with file, line and column of the first mistake.
    pub fn open<'n>(
        path: &Path,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        Self::of(&Watched::open(path)?, schema, names)
    }

    /// The same of a file that is open. Whether it changed meanwhile is
    /// asked of whatever came of it: what is wrong with half a file is that
    /// it is half.
    pub(crate) fn of<'n>(
        watched: &Watched,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        let table = Delimited::open(watched, schema)
            .and_then(|mut rows| Self::read(&mut rows, schema, names));
        watched.is_unchanged()?;
        let table = table?;
        if table.unended {
            watched.is_settled()?;
        }
        Ok(table)
    }

    fn read<'n>(
        rows: &mut impl RowSource,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        let mut readers = Vec::new();
        for name in names.into_iter().collect::<BTreeSet<&str>>() {
            readers.push(Reader::new(name, schema.column(name)?, rows)?);
        }
        let key = schema
            .key
            .as_ref()
            .map(|source| rows.place(source))
            .transpose()?;
        let mut patients = BTreeSet::new();
        let mut repeated = 0;
        let mut count = 0;
        let mut blank = 0_u64;
        let mut totals = Totals::new(schema, rows);
        let mut row = csv::ByteRecord::new();
        while let Some(line) = next(rows, &mut row, &totals)? {
            if is_empty(&row) {
                blank += 1;
                continue;
            }
            totals.look(&row, line);
            let patient = key
                .and_then(|place| row.get(place))
                .map(<[u8]>::trim_ascii)
                .filter(|key| !key.is_empty());
            if patient.is_some_and(|patient| !patients.insert(patient.to_vec())) {
                repeated += 1;
                continue;
            }
            count += 1;
            fits(count, readers.len()).map_err(|error| error.in_file(rows.name()))?;
            let mut taking = readers.iter_mut();
            if let Err(error) = taking.try_for_each(|reader| reader.take(&row, line)) {
                let error = error.in_file(rows.name()).at_line(line);
                return Err(totals.explain(error, &row, rows));
            }
        }
        totals.end(rows.name())?;
        if count == 0 {
            return Err(empty(rows.name(), "the table has no row"));
        }
        let mut columns = BTreeMap::new();
        let mut doubted = Vec::new();
        for reader in readers {
            if reader.shown.are_all_of_three_digits() {
                doubted.push(reader.name.to_owned());
            }
            let ended = reader.shown.end();
            ended.map_err(|error| error.in_file(rows.name()).in_column(reader.name))?;
            debug_assert_eq!(reader.series.cells.len(), count, "a cell of each row");
            columns.insert(reader.name.to_owned(), reader.series);
        }
        Ok(Self {
            dataset: schema.name.clone(),
            file: rows.name().to_owned(),
            rows: count,
            repeated,
            unended: !rows.is_ended(),
            seen: seen(rows, blank),
            doubted,
            columns,
        })
    }

    /// Reads every declared column.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn open_all(path: &Path, schema: &Schema) -> Result<Self, DataError> {
        Self::open(path, schema, schema.columns.keys().map(String::as_str))
    }

    /// Rows of the file, second rows of a patient not counted.
    pub fn rows(&self) -> u64 {
        self.rows as u64
    }

    pub(crate) fn series(&self, name: &str) -> Result<&Series, DataError> {
        self.columns.get(name).ok_or_else(|| {
            let fix = "open the table with the study's own list of columns";
            DataError::new(
                Code::UnknownColumn,
                format!("column `{name}` was not opened"),
                fix,
            )
            .in_file(&self.file)
        })
    }
}

impl Series {
    /// The cell as a cohort's rule sees it.
    pub(crate) fn value(&self, row: usize) -> Option<Value<'_>> {
        match (self.cells.get(row)?, &self.declared.kind) {
            (Cell::Number(number), _) => Some(Value::Number(number)),
            (Cell::Level(place), Kind::Category { levels, .. }) => {
                levels.get(place as usize).map(|level| Value::Text(level))
            }
            _ => None,
        }
    }
}

/// A column while it is read.
struct Reader<'n> {
    name: &'n str,
    /// Its 0-based place in the file.
    place: usize,
    shown: Shown,
    series: Series,
}

impl<'n> Reader<'n> {
    fn new(name: &'n str, declared: &Column, rows: &impl RowSource) -> Result<Self, DataError> {
        let place = rows
            .place(&declared.source)
            .map_err(|error| error.in_column(name))?;
        Ok(Self {
            name,
            place,
            shown: Shown::default(),
            series: Series {
                declared: declared.clone(),
                cells: Cells::new(&declared.kind),
            },
        })
    }

    /// Reads its cell of a row.
    fn take(&mut self, row: &csv::ByteRecord, line: u64) -> Result<(), DataError> {
        let declared = &self.series.declared;
        let read = match row.get(self.place) {
            Some(bytes) => cell::read(declared, bytes).inspect(|cell| {
                let number = matches!(declared.kind, Kind::Float | Kind::Int);
                if number && declared.marks.are_silent() && matches!(cell, Cell::Number(_)) {
                    self.shown.look(bytes.trim_ascii(), line);
                }
            }),
            None => Err(no_such_number(self.place, row.len())),
        };
        self.series
            .cells
            .push(read.map_err(|error| error.in_column(self.name))?);
        Ok(())
    }
}

/// Whether so many rows of so many columns are held in memory.
fn fits(rows: usize, columns: usize) -> Result<(), DataError> {
    let (problem, fix) = match rows.saturating_mul(columns) {
        _ if rows > MAX_ROWS => (
            format!("more than {MAX_ROWS} rows"),
            "give a smaller extract",
        ),
        cells if cells > MAX_CELLS => (
            format!("more than {MAX_CELLS} cells in the columns that are read"),
            "give a smaller extract, or declare fewer columns",
        ),
        _ => return Ok(()),
    };
    Err(DataError::new(Code::FileUnreadable, problem, fix))
}

/// How the table is read, as far as that was not declared.
fn seen(rows: &impl RowSource, blank: u64) -> Vec<String> {
    let left_out = match blank {
        0 => None,
        1 => Some("leaving out 1 row without any value".to_owned()),
        more => Some(format!("leaving out {more} rows without any value")),
    };
    let seen = rows.seen().into_iter().map(str::to_owned);
    seen.chain(left_out).collect()
}

/// The next row and its line. What a table is followed by is no patient.
fn next(
    rows: &mut impl RowSource,
    row: &mut csv::ByteRecord,
    totals: &Totals<'_>,
) -> Result<Option<u64>, DataError> {
    rows.next(row).map_err(|error| match error.kind() {
        Code::RaggedRow => totals.explain(error, row, rows),
        _ => error,
    })
}

fn no_such_number(place: usize, width: usize) -> DataError {
    let problem = format!("there is no column number `{}`", place + 1);
    DataError::new(
        Code::UnknownColumn,
        problem,
        format!("the file has `{width}` columns: correct `source`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_an_end_to_its_rows_and_to_its_cells() {
        for (rows, columns, fit) in [
            (MAX_ROWS, 8, true),
            (MAX_ROWS + 1, 1, false),
            (MAX_ROWS, 9, false),
            (200_000, 2_000, true),
            (200_001, 2_000, false),
        ] {
            assert_eq!(fits(rows, columns).is_ok(), fit, "{rows} {columns}");
        }
    }
}
