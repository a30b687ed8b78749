//! The columns of a site's file that were asked for, read and checked cell by cell.

use crate::cell::{self, Cell};
use crate::error::{Code, DataError};
use crate::file::Rows;
use crate::schema::{Column, Schema};
use crate::watched::Watched;
use motet_recipes::filter::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The largest table this version holds in memory.
const MAX_ROWS: usize = 50_000_000;

/// Patients' values. It has no `Debug` and no `Clone`: rows are neither printed nor spread.
pub struct Table {
    pub(crate) dataset: String,
    pub(crate) file: String,
    pub(crate) rows: usize,
    pub(crate) repeated: u64,
    pub(crate) unended: bool,
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

    /// Whether the file's last line has no end: it may have been cut off, in the middle of a number
    /// too.
    pub fn is_unended(&self) -> bool {
        self.unended
    }

    /// Reads the named columns of a CSV file (`,` or `;`), opened for reading only. No other column
    /// is interpreted, but that of the schema's `key`, by which a second row of a patient is left
    /// out.
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

    /// The same of a file that is open. Whether it changed meanwhile is asked of whatever came of
    /// it: what is wrong with half a file is that it is half.
    pub(crate) fn of<'n>(
        watched: &Watched,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        let table = Self::read(watched, schema, names);
        watched.is_unchanged()?;
        let table = table?;
        if table.unended {
            watched.is_settled()?;
        }
        Ok(table)
    }

    fn read<'n>(
        watched: &Watched,
        schema: &Schema,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, DataError> {
        let mut rows = Rows::open(watched, schema)?;
        let mut readers = Vec::new();
        for name in names.into_iter().collect::<BTreeSet<&str>>() {
            let declared = schema.column(name)?;
            let place = rows
                .place(&declared.source)
                .map_err(|error| error.in_column(name))?;
            readers.push((
                name,
                place,
                Series {
                    declared: declared.clone(),
                    cells: Vec::new(),
                },
            ));
        }
        let key = schema
            .key
            .as_ref()
            .map(|source| rows.place(source))
            .transpose()?;
        let mut patients = BTreeSet::new();
        let mut repeated = 0;
        let mut count = 0;
        let mut row = csv::ByteRecord::new();
        while let Some(line) = rows.next(&mut row)? {
            let patient = key
                .and_then(|place| row.get(place))
                .map(<[u8]>::trim_ascii)
                .filter(|key| !key.is_empty());
            if patient.is_some_and(|patient| !patients.insert(patient.to_vec())) {
                repeated += 1;
                continue;
            }
            count += 1;
            if count > MAX_ROWS {
                let problem = format!("more than {MAX_ROWS} rows");
                return Err(DataError::new(
                    Code::FileUnreadable,
                    problem,
                    "give a smaller extract",
                )
                .in_file(&rows.name));
            }
            for (name, place, series) in &mut readers {
                let read = match row.get(*place) {
                    Some(bytes) => cell::read(&series.declared, bytes),
                    None => Err(no_such_number(*place, row.len())),
                };
                series.cells.push(
                    read.map_err(|error| error.in_file(&rows.name).at_line(line).in_column(name))?,
                );
            }
        }
        if count == 0 {
            return Err(rows.empty("the table has no row"));
        }
        debug_assert!(
            readers
                .iter()
                .all(|(_, _, series)| series.cells.len() == count),
            "every column has a cell of each row"
        );
        let file = rows.name.clone();
        let unended = !watched.is_ended()?;
        let columns = readers
            .into_iter()
            .map(|(name, _, series)| (name.to_string(), series))
            .collect();
        Ok(Self {
            dataset: schema.name.clone(),
            file,
            rows: count,
            repeated,
            unended,
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
            (Cell::Number(number), _) => Some(Value::Number(*number)),
            (Cell::Level(place), crate::schema::Kind::Category { levels, .. }) => {
                levels.get(*place as usize).map(|level| Value::Text(level))
            }
            _ => None,
        }
    }
}

fn no_such_number(place: usize, width: usize) -> DataError {
    let problem = format!("there is no column number `{}`", place + 1);
    DataError::new(
        Code::UnknownColumn,
        problem,
        format!("the file has `{width}` columns: correct `source`"),
    )
}
