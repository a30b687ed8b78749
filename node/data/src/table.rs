//! The columns of a site's file that were asked for, read and
//! checked cell by cell.

use crate::cell;
use crate::cells::Cells;
use crate::derive::{Known, Maker};
use crate::error::{Code, DataError};
use crate::file::Delimited;
use crate::number::Shown;
use crate::schema::{Column, Kind, Origin, Schema};
use crate::source::{RowSource, empty, is_empty};
use crate::totals::Totals;
use crate::value::Cell;
use crate::watched::Watched;
use motet_recipes::filter::Value;
use motet_secagg::mac::mac;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The largest table this version holds in memory.
const MAX_ROWS: usize = 50_000_000;
/// The most cells of the columns that are read: 3.2 GB of
/// eight bytes each, and as much again while a column grows.
const MAX_CELLS: usize = 400_000_000;

/// A patient's pseudonym: the first half of an HMAC of the
/// schema's key under a secret of the site. It tells one
/// patient from another, and to nobody who has not the secret
/// does it tell who that is.
pub(crate) type Pseudonym = [u8; 16];

/// Where nothing of the pseudonyms is kept: they tell a
/// patient's second row.
const NO_SECRET: [u8; 32] = [0; 32];

/// Patients' values. It has no `Debug` and no `Clone`: rows are
/// neither printed nor spread.
pub struct Table {
    pub(crate) dataset: String,
    pub(crate) file: String,
    pub(crate) rows: usize,
    pub(crate) repeated: u64,
    pub(crate) unended: bool,
    /// The patients' pseudonyms, row by row; empty where the
    /// schema names no key.
    pseudonyms: Vec<Option<Pseudonym>>,
    seen: Vec<String>,
    doubted: Vec<String>,
    pub(crate) columns: BTreeMap<String, Series>,
    /// The columns' names as the schema has them.
    order: Vec<String>,
}

/// How a table is read.
struct Reading {
    /// The secret of the pseudonyms.
    secret: [u8; 32],
    /// Whether a cell that is wrong does not end it: what is
    /// wrong in each column is said at the end.
    every: bool,
}

/// For the site's own eyes.
const EVERY: Reading = Reading {
    secret: NO_SECRET,
    every: true,
};

impl Default for Reading {
    fn default() -> Self {
        Self {
            secret: NO_SECRET,
            every: false,
        }
    }
}

/// The columns that are asked for, all of which the schema offers.
fn asked<'n>(
    schema: &Schema,
    names: impl IntoIterator<Item = &'n str>,
) -> Result<BTreeSet<&'n str>, DataError> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    for name in &names {
        schema.column(name)?;
    }
    Ok(names)
}

/// One declared column and its values, row by row.
pub(crate) struct Series {
    pub(crate) declared: Column,
    pub(crate) cells: Cells,
}

impl Table {
    /// Second rows of a patient, by the schema's `key`; they are
    /// left out.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Whether the file's last line has no end: it may have been
    /// cut off, in the middle of a number too.
    pub fn is_unended(&self) -> bool {
        self.unended
    }

    /// How the file is read, as far as that was seen and not declared.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Columns all of whose numbers have exactly three digits
    /// after a point, where the schema says nothing of marks:
    /// they are read as decimal numbers, and nothing shows that
    /// they are.
    pub fn doubted(&self) -> &[String] {
        &self.doubted
    }

    /// Reads the named columns of a delimited file, opened for reading
    /// only. No other column is interpreted, but those that they are made
    /// of and that of the schema's `key`, by which a second row of a
    /// patient is left out.
    ///
    /// # Errors
    /// [`DataError`] with file, line and column of the first
    /// mistake.
    pub fn open<'n>(
        path: &Path,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        let names = asked(schema, names)?;
        Self::read_of(&Watched::open(path)?, schema, &names, Reading::default())
    }

    /// The same of a file that is open, with the patients'
    /// pseudonyms under a secret of the site. Whether it changed
    /// meanwhile is asked of whatever came of it: what is wrong
    /// with half a file is that it is half.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn of<'n>(
        watched: &Watched,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
        secret: &[u8; 32],
    ) -> Result<Self, DataError> {
        let reading = Reading {
            secret: *secret,
            every: false,
        };
        Self::read_of(watched, schema, &asked(schema, names)?, reading)
    }

    fn read_of(
        watched: &Watched,
        schema: &Schema,
        names: &BTreeSet<&str>,
        reading: Reading,
    ) -> Result<Self, DataError> {
        let table = Delimited::open(watched, schema, schema.headerless())
            .and_then(|mut rows| Self::read(&mut rows, schema, names, &reading));
        watched.is_unchanged()?;
        let table = table?;
        if table.unended {
            watched.is_settled()?;
        }
        Ok(table)
    }

    fn read(
        rows: &mut impl RowSource,
        schema: &Schema,
        names: &BTreeSet<&str>,
        reading: &Reading,
    ) -> Result<Self, DataError> {
        let mut readers = readers(rows, schema, names)?;
        let key = schema
            .key
            .as_ref()
            .map(|source| rows.place(source))
            .transpose()?;
        let mut patients = BTreeSet::new();
        let mut pseudonyms = Vec::new();
        let mut repeated = 0;
        let mut count = 0;
        let mut blank = 0_u64;
        let mut totals = Totals::new(schema, rows);
        let mut row = csv::ByteRecord::new();
        let mut cells = Vec::with_capacity(readers.len());
        while let Some(line) = next(rows, &mut row, &totals)? {
            if is_empty(&row) {
                blank += 1;
                continue;
            }
            totals.look(&row, line);
            let patient = key
                .and_then(|place| row.get(place))
                .map(<[u8]>::trim_ascii)
                .filter(|key| !key.is_empty())
                .map(|key| pseudonym(&reading.secret, key));
            if patient.is_some_and(|patient| !patients.insert(patient)) {
                repeated += 1;
                continue;
            }
            if key.is_some() {
                pseudonyms.push(patient);
            }
            count += 1;
            fits(count, readers.len()).map_err(|error| error.in_file(rows.name()))?;
            cells.clear();
            for reader in &mut readers {
                let cell = reader.take(&row, &cells, line).or_else(|error| {
                    let error = error.in_file(rows.name()).at_line(line);
                    if !reading.every {
                        return Err(totals.explain(error, &row, rows));
                    }
                    reader.fails(error);
                    // What is made of it is not wrong by itself.
                    Ok(Cell::Missing)
                })?;
                cells.push(cell);
            }
        }
        totals.end(rows.name())?;
        if count == 0 {
            return Err(empty(rows.name(), "the table has no row"));
        }
        let mut columns = BTreeMap::new();
        let mut faults = Vec::new();
        let mut doubted = Vec::new();
        for reader in readers {
            if let Some(fault) = reader.fault {
                faults.push(fault);
                continue;
            }
            if let Err(error) = reader.shown.end() {
                faults.push(error.in_file(rows.name()).in_column(reader.name));
                continue;
            }
            if reader.shown.are_all_of_three_digits() {
                doubted.push(reader.name.to_owned());
            }
            if reader.kept {
                debug_assert_eq!(reader.series.cells.len(), count, "a cell of each row");
                columns.insert(reader.name.to_owned(), reader.series);
            }
        }
        if let Some(fault) = DataError::joined(of_ranges(faults, schema)) {
            return Err(fault);
        }
        Ok(Self {
            dataset: schema.name.clone(),
            file: rows.name().to_owned(),
            rows: count,
            repeated,
            unended: !rows.is_ended(),
            pseudonyms,
            seen: seen(rows, blank),
            doubted,
            columns,
            order: schema.order.clone(),
        })
    }

    /// Reads every declared column, the private ones among them:
    /// for the site's own eyes.
    ///
    /// # Errors
    /// As [`Table::open`], but of every column: the earliest
    /// mistake, and [`DataError::also`].
    pub fn open_all(path: &Path, schema: &Schema) -> Result<Self, DataError> {
        let names = schema.columns.keys().map(String::as_str).collect();
        Self::read_of(&Watched::open(path)?, schema, &names, EVERY)
    }

    /// Reads the named columns, as far as the schema offers them, to
    /// say all that is wrong with them.
    ///
    /// # Errors
    /// As [`Table::open_all`].
    pub fn check<'n>(
        path: &Path,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        let names = names.into_iter();
        let names = names.filter(|name| schema.column(name).is_ok()).collect();
        Self::read_of(&Watched::open(path)?, schema, &names, EVERY)
    }

    /// Rows of the file, second rows of a patient not counted.
    pub fn rows(&self) -> u64 {
        self.rows as u64
    }

    /// The columns that were asked for, in the schema's order.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (&str, &Series)> {
        self.order
            .iter()
            .filter_map(|name| Some((name.as_str(), self.columns.get(name)?)))
    }

    /// The rows in the order of their patients' pseudonyms,
    /// whatever their order in the file; those without a key
    /// after them, and all of them where the schema names none,
    /// as they stand in the file.
    pub(crate) fn by_patient(&self) -> Box<dyn Iterator<Item = usize>> {
        if self.pseudonyms.is_empty() {
            return Box::new(0..self.rows);
        }
        let mut rows: Vec<usize> = (0..self.rows).collect();
        rows.sort_by_key(|row| {
            let pseudonym = self.pseudonym(*row).flatten();
            (pseudonym.is_none(), pseudonym)
        });
        Box::new(rows.into_iter())
    }

    /// The pseudonym of a row's patient, where the schema names a
    /// key; the row may lack it.
    pub(crate) fn pseudonym(&self, row: usize) -> Option<Option<Pseudonym>> {
        self.pseudonyms.get(row).copied()
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

/// The columns that are asked for and those that they are made
/// of, each after its own.
fn readers<'s>(
    rows: &impl RowSource,
    schema: &'s Schema,
    names: &BTreeSet<&str>,
) -> Result<Vec<Reader<'s>>, DataError> {
    let mut known = Known::default();
    let mut readers = Vec::new();
    let mut faults: Vec<DataError> = Vec::new();
    for (name, column) in schema.made_of(names)? {
        let way = match &column.origin {
            Origin::Cell { source, .. } => match rows.place(source) {
                Ok(place) => Way::Cell(place),
                Err(fault) => {
                    let fault = fault.in_column(name);
                    // What the file has is said once.
                    let again = faults.iter().any(|known| known.kind() == fault.kind());
                    faults.push(if again { fault.but("as above") } else { fault });
                    Way::Cell(0)
                }
            },
            Origin::Made(derivation) => match known.maker(column, derivation) {
                Some(maker) => Way::Others(maker),
                None => return Err(not_there(name)),
            },
        };
        known.add(name, column);
        readers.push(Reader {
            name,
            way,
            kept: names.contains(name),
            shown: Shown::default(),
            fault: None,
            series: Series {
                declared: column.clone(),
                cells: Cells::new(&column.kind),
            },
        });
    }
    match DataError::joined(faults) {
        Some(fault) => Err(fault),
        None => Ok(readers),
    }
}

/// The faults with one for all columns of a range in which
/// the same is wrong.
fn of_ranges(faults: Vec<DataError>, schema: &Schema) -> Vec<DataError> {
    let range_of = schema.range_of();
    let mut kept: Vec<DataError> = Vec::new();
    let mut first_of: BTreeMap<(&str, Code, String), usize> = BTreeMap::new();
    for fault in faults {
        let range = fault.column().and_then(|name| range_of.get(name));
        let Some(range) = range else {
            kept.push(fault);
            continue;
        };
        let what = (*range, fault.kind(), fault.problem().to_owned());
        let first = *first_of.entry(what).or_insert(kept.len());
        match kept.get_mut(first) {
            Some(first) => first.again_in_another(fault),
            None => kept.push(fault),
        }
    }
    kept
}

fn not_there(name: &str) -> DataError {
    let problem = "a column that it is made of is not there";
    let fix = "read the schema again with `data add NAME --csv F --schema S --replace`";
    DataError::new(Code::UnknownColumn, problem, fix).in_column(name)
}

/// A column while it is read.
struct Reader<'n> {
    name: &'n str,
    way: Way,
    /// Whether it was asked for, and does not only feed others.
    kept: bool,
    shown: Shown,
    /// The first cell that is wrong, and how many are.
    fault: Option<DataError>,
    series: Series,
}

/// Where a column's cells come from.
enum Way {
    /// This 0-based place in the file.
    Cell(usize),
    /// The cells of the row before it.
    Others(Maker),
}

impl Reader<'_> {
    /// A cell is wrong.
    fn fails(&mut self, error: DataError) {
        match &mut self.fault {
            Some(first) => first.again(),
            None => self.fault = Some(error),
        }
        if self.kept {
            self.series.cells.push(Cell::Missing);
        }
    }

    /// Reads or makes its cell of a row; `known` are the row's
    /// cells before it.
    fn take(
        &mut self,
        row: &csv::ByteRecord,
        known: &[Cell],
        line: u64,
    ) -> Result<Cell, DataError> {
        let declared = &self.series.declared;
        let cell = match &self.way {
            Way::Others(maker) => maker.cell(declared, known),
            Way::Cell(place) => match row.get(*place) {
                Some(bytes) => cell::read(declared, bytes).inspect(|cell| {
                    let number = matches!(declared.read_as(), Kind::Float | Kind::Int);
                    if number
                        && declared.marks.are_silent()
                        && !matches!(cell, Cell::Missing)
                        && !cell::is_replaced(declared, bytes)
                    {
                        self.shown.look(bytes.trim_ascii(), line);
                    }
                }),
                None => Err(no_such_number(*place, row.len())),
            },
        };
        let cell = cell.map_err(|error| error.in_column(self.name))?;
        if self.kept {
            self.series.cells.push(cell);
        }
        Ok(cell)
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

fn pseudonym(secret: &[u8; 32], key: &[u8]) -> Pseudonym {
    let mut pseudonym = Pseudonym::default();
    let whole = mac(secret, "patient", key);
    pseudonym
        .iter_mut()
        .zip(whole)
        .for_each(|(to, from)| *to = from);
    pseudonym
}

/// The next row and its line. What a table is followed by is
/// no patient.
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
