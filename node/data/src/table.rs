//! The columns of a site's file that were asked for, read and checked cell
//! by cell.

use crate::cell::{self, Cell};
use crate::error::{Code, DataError};
use crate::file::Delimited;
use crate::number::Shown;
use crate::schema::{Column, Kind, Schema};
use crate::source::{RowSource, empty};
use crate::totals;
use crate::watched::Watched;
use motet_recipes::filter::Value;
use motet_secagg::mac::mac;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The largest table this version holds in memory.
const MAX_ROWS: usize = 50_000_000;

/// A patient's pseudonym: the first half of an HMAC of the schema's key under a
/// secret of the site. It tells one patient from another, and to nobody who
/// has not the secret does it tell who that is.
pub(crate) type Pseudonym = [u8; 16];

/// Where nothing of the pseudonyms is kept: they tell a patient's second row.
const NO_SECRET: [u8; 32] = [0; 32];

/// Patients' values. It has no `Debug` and no `Clone`: rows are neither
/// printed nor spread.
pub struct Table {
    pub(crate) dataset: String,
    pub(crate) file: String,
    pub(crate) rows: usize,
    pub(crate) repeated: u64,
    pub(crate) unended: bool,
    /// The patients' pseudonyms, row by row; empty where the schema names no key.
    pseudonyms: Vec<Option<Pseudonym>>,
    seen: Vec<&'static str>,
    pub(crate) columns: BTreeMap<String, Series>,
}

/// One declared column and its values, row by row.
pub(crate) struct Series {
    pub(crate) declared: Column,
    pub(crate) cells: Vec<Cell>,
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
    pub fn seen(&self) -> &[&'static str] {
        &self.seen
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
        Self::of(&Watched::open(path)?, schema, names, &NO_SECRET)
    }

    /// The same of a file that is open, with the patients' pseudonyms under a
    /// secret of the site. Whether it changed meanwhile is asked of whatever
    /// came of it: what is wrong with half a file is that it is half.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn of<'n>(
        watched: &Watched,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
        secret: &[u8; 32],
    ) -> Result<Self, DataError> {
        let table = Delimited::open(watched, schema)
            .and_then(|mut rows| Self::read(&mut rows, schema, names, secret));
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
        secret: &[u8; 32],
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
        let mut pseudonyms = Vec::new();
        let mut repeated = 0;
        let mut count = 0;
        let mut totals = None;
        let mut row = csv::ByteRecord::new();
        while let Some(line) = next(rows, &mut row)? {
            totals = totals_in(&row, &readers).then_some(line);
            let patient = key
                .and_then(|place| row.get(place))
                .map(<[u8]>::trim_ascii)
                .filter(|key| !key.is_empty())
                .map(|key| pseudonym(secret, key));
            if patient.is_some_and(|patient| !patients.insert(patient)) {
                repeated += 1;
                continue;
            }
            if key.is_some() {
                pseudonyms.push(patient);
            }
            count += 1;
            if count > MAX_ROWS {
                let problem = format!("more than {MAX_ROWS} rows");
                return Err(DataError::new(
                    Code::FileUnreadable,
                    problem,
                    "give a smaller extract",
                )
                .in_file(rows.name()));
            }
            for reader in &mut readers {
                reader.take(&row, line).map_err(|error| match totals {
                    Some(line) => totals::refused(rows.name(), line),
                    None => error.in_file(rows.name()).at_line(line),
                })?;
            }
        }
        if let Some(line) = totals {
            return Err(totals::refused(rows.name(), line));
        }
        if count == 0 {
            return Err(empty(rows.name(), "the table has no row"));
        }
        let mut columns = BTreeMap::new();
        for reader in readers {
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
            pseudonyms,
            seen: rows.seen(),
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

    /// The rows in the order of their patients' pseudonyms, whatever their order
    /// in the file; those without a key after them, and all of them where the
    /// schema names none, as they stand in the file.
    pub(crate) fn in_order(&self) -> Box<dyn Iterator<Item = usize>> {
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

    /// The pseudonym of a row's patient, where the schema names a key; the row may lack it.
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
            (Cell::Number(number), _) => Some(Value::Number(*number)),
            (Cell::Level(place), Kind::Category { levels, .. }) => {
                levels.get(*place as usize).map(|level| Value::Text(level))
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
                cells: Vec::new(),
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

fn pseudonym(secret: &[u8; 32], key: &[u8]) -> Pseudonym {
    let mut pseudonym = Pseudonym::default();
    let whole = mac(secret, "patient", key);
    pseudonym
        .iter_mut()
        .zip(whole)
        .for_each(|(to, from)| *to = from);
    pseudonym
}

/// The next row and its line. What a table is followed by is no patient.
fn next(rows: &mut impl RowSource, row: &mut csv::ByteRecord) -> Result<Option<u64>, DataError> {
    let read = rows.next(row);
    let Err(error) = read else { return read };
    if error.kind() != Code::RaggedRow {
        return Err(error);
    }
    if totals::says_so(row).is_some() {
        return Err(match error.line() {
            Some(line) => totals::refused(rows.name(), line),
            None => error,
        });
    }
    match rows.next(&mut csv::ByteRecord::new()) {
        Ok(None) => Err(error.but(
            "it is the last row: where it is a total or a remark under the \
                                   table, remove it, and export without",
        )),
        _ => Err(error),
    }
}

/// Whether a row says that it is one of totals. A word that is a level of a
/// declared column is a patient's.
fn totals_in(row: &csv::ByteRecord, readers: &[Reader<'_>]) -> bool {
    totals::says_so(row).is_some_and(|place| {
        !readers.iter().any(|reader| {
            let declared = &reader.series.declared;
            let texts = matches!(declared.kind, Kind::Bool { .. } | Kind::Category { .. });
            reader.place == place
                && texts
                && row
                    .get(place)
                    .is_some_and(|cell| cell::read(declared, cell).is_ok())
        })
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
