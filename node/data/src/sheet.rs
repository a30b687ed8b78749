//! A sheet of an Excel workbook, row by row: numbers in the
//! fewest digits that are the number, days as YYYY-MM-DD,
//! yes and no as `TRUE` and `FALSE`, of a formula its
//! stored value.

use crate::error::{Code, DataError};
use crate::schema::{Schema, Source};
use crate::source::{Header, RowSource, empty, is_not_text, of_number, place_in};
use crate::text::failed;
use crate::watched::Watched;
use crate::workbook::{Tags, Workbook};
use crate::xml::{Event, broken};
use std::io::Result as Read;

/// Columns of a sheet, as Excel has them.
const COLUMNS: usize = 16_384;
/// Rows of a sheet.
const ROWS: u64 = 1_048_576;
/// The largest row, in bytes: many cells may point to one
/// text.
const LARGEST: usize = 16 * 1024 * 1024;

/// What a cell of the row that was read last holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Text,
    Number,
    Day,
    /// An error of the sheet, such as `#N/A`.
    Fault,
    /// A formula whose value was never stored.
    Unsolved,
}

/// A cell while it is read.
struct Cell {
    place: usize,
    kind: String,
    format: usize,
    formula: bool,
    valued: bool,
    text: String,
}

/// An open sheet whose header has been read.
pub(crate) struct Sheet {
    name: String,
    workbook: Workbook,
    tags: Tags,
    header: Option<Header>,
    width: Option<usize>,
    /// The line of the header or of the first row.
    first: u64,
    /// The line that was read last.
    line: u64,
    held: Vec<Held>,
    /// Whether a row is hidden.
    hides: bool,
    /// Whether the sheet's own tag has closed, and whether its
    /// part was read to the end.
    closed: bool,
    ended: bool,
}

impl Sheet {
    /// Reads the sheet's header, if it has one.
    ///
    /// # Errors
    /// As [`Workbook::open`] and [`Workbook::sheet`];
    /// `schema_mismatch` where the schema declares how a text
    /// file is written; `empty_table`.
    pub(crate) fn open(
        watched: &Watched,
        schema: &Schema,
        headerless: bool,
    ) -> Result<Self, DataError> {
        let workbook = Workbook::open(watched)?;
        is_not_text(schema, "an Excel workbook").map_err(|error| error.in_file(&watched.name))?;
        let (_, tags) = workbook.sheet(watched, schema.layout.sheet.as_deref())?;
        let mut sheet = Self {
            name: watched.name.clone(),
            workbook,
            tags,
            header: None,
            width: None,
            first: 0,
            line: 0,
            held: Vec::new(),
            hides: false,
            closed: false,
            ended: false,
        };
        if !headerless {
            let mut first = csv::ByteRecord::new();
            let Some(line) = sheet.next(&mut first)? else {
                return Err(empty(&sheet.name, "the sheet is empty"));
            };
            let names = first.iter().map(String::from_utf8_lossy);
            let names = names.map(|name| name.trim().to_owned()).collect();
            sheet.header = Some(Header::new(&sheet.name, line, names, schema));
        }
        Ok(sheet)
    }

    /// Reads on to the end of the next row with a value.
    fn read(&mut self, row: &mut csv::ByteRecord) -> Read<Option<u64>> {
        row.clear();
        self.held.clear();
        let mut cell: Option<Cell> = None;
        // Where a cell stands that does not say it.
        let mut next = 0;
        let mut is_text = false;
        let mut spoken = false;
        while !self.ended {
            match self.tags.next()? {
                Event::Open(tag) => match (tag.name, &mut cell) {
                    ("row", _) => {
                        let line = match tag.get("r") {
                            Some(line) => line.parse().ok(),
                            None => Some(self.line + 1),
                        };
                        let fits = line.filter(|line| *line > self.line && *line <= ROWS);
                        self.line = fits.ok_or_else(|| broken("the numbers of its rows"))?;
                        self.hides |= tag
                            .get("hidden")
                            .is_some_and(|is| is == "1" || is == "true");
                    }
                    ("c", _) => {
                        let place = match tag.get("r") {
                            Some(address) => column(&address),
                            None => Some(next),
                        };
                        let fits = place.filter(|at| (next..COLUMNS).contains(at));
                        let place = fits.ok_or_else(|| broken("the addresses of its cells"))?;
                        next = place + 1;
                        let format = tag.get("s").map_or(Some(0), |format| format.parse().ok());
                        cell = Some(Cell {
                            place,
                            kind: tag
                                .get("t")
                                .map_or("n".to_owned(), |kind| kind.into_owned()),
                            format: format.ok_or_else(|| broken("the format of a cell"))?,
                            formula: false,
                            valued: false,
                            text: String::new(),
                        });
                    }
                    ("v", Some(cell)) => {
                        cell.valued = true;
                        is_text = true;
                    }
                    ("t", Some(cell)) if cell.kind == "inlineStr" => is_text = true,
                    ("f", Some(cell)) => cell.formula = true,
                    ("rPh", _) => spoken = true,
                    ("mergeCell", _) => {
                        let merged = tag.get("ref").and_then(|range| corners(&range));
                        self.is_apart(merged)?;
                    }
                    _ => {}
                },
                Event::Text(text) => {
                    if let Some(cell) = cell.as_mut().filter(|_| is_text && !spoken) {
                        cell.text.push_str(&text);
                    }
                }
                Event::Close("v" | "t") => is_text = false,
                Event::Close("rPh") => spoken = false,
                Event::Close("c") => {
                    if let Some(cell) = cell.take() {
                        self.take(&cell, row)?;
                    }
                }
                Event::Close("row") if self.held.iter().any(|held| *held != Held::Nothing) => {
                    return Ok(Some(self.line));
                }
                Event::Close("row") => {
                    row.clear();
                    self.held.clear();
                    next = 0;
                }
                Event::Close("worksheet") => self.closed = true,
                Event::Close(_) => {}
                // Only here is it known that the part fits its checksum.
                Event::End if self.closed => self.ended = true,
                Event::End => return Err(broken("the sheet ends in the middle")),
            }
        }
        Ok(None)
    }

    /// Puts a cell behind those before it.
    fn take(&mut self, cell: &Cell, row: &mut csv::ByteRecord) -> Read<()> {
        let (held, text) = self.value(cell)?;
        if held == Held::Nothing {
            return Ok(());
        }
        while self.held.len() < cell.place {
            row.push_field(b"");
            self.held.push(Held::Nothing);
        }
        if row.as_slice().len() + text.len() > LARGEST {
            return Err(broken("a row of more than 16 MiB"));
        }
        row.push_field(text.as_bytes());
        self.held.push(held);
        Ok(())
    }

    fn value(&self, cell: &Cell) -> Read<(Held, String)> {
        let text = cell.text.trim();
        let missing = text.is_empty() && cell.formula;
        let as_text = match text {
            "" => Held::Nothing,
            _ => Held::Text,
        };
        Ok(match cell.kind.as_str() {
            // What a formula gives may be an empty text.
            "str" | "s" if missing && cell.valued => (Held::Nothing, String::new()),
            _ if missing => (Held::Unsolved, "=".to_owned()),
            _ if text.is_empty() => (Held::Nothing, String::new()),
            "s" => {
                let text = text
                    .parse()
                    .ok()
                    .and_then(|place| self.workbook.text(place));
                let text = text.ok_or_else(|| broken("a text that is not there"))?;
                match text.trim() {
                    "" => (Held::Nothing, String::new()),
                    _ => (Held::Text, text.to_owned()),
                }
            }
            "str" | "inlineStr" => (as_text, cell.text.clone()),
            "b" => match text {
                "0" => (Held::Text, "FALSE".to_owned()),
                _ => (Held::Text, "TRUE".to_owned()),
            },
            "e" => (Held::Fault, text.to_owned()),
            "d" => {
                let day = text.split('T').next().unwrap_or(text);
                (Held::Day, day.to_owned())
            }
            "n" => {
                let number: Option<f64> = text.parse().ok();
                let number = number
                    .filter(|number| number.is_finite())
                    .ok_or_else(|| broken("a number that is none"))?;
                match self.workbook.day(cell.format, number) {
                    Some(day) => (Held::Day, day),
                    None => (Held::Number, number.to_string()),
                }
            }
            _ => return Err(broken("a cell of an unknown kind")),
        })
    }

    /// Cells that are merged hold one value where a table has
    /// several rows or columns.
    fn is_apart(&self, merged: Option<Corners>) -> Read<()> {
        let corners = merged.ok_or_else(|| broken("the addresses of merged cells"))?;
        let width = self
            .width
            .ok_or_else(|| broken("merged cells without a table"))?;
        if corners.bottom < self.first || corners.left >= width {
            return Ok(());
        }
        let problem = "cells are merged here: only the first of \
                       them has the value";
        let fix = "take the merging out, and fill each cell";
        let error = DataError::new(Code::FileUnreadable, problem, fix).at_line(corners.top);
        Err(std::io::Error::other(error))
    }

    /// Makes a row as wide as the first.
    fn fill(&mut self, row: &mut csv::ByteRecord, line: u64) -> Result<(), DataError> {
        let width = *self.width.get_or_insert_with(|| {
            self.first = line;
            row.len()
        });
        if row.len() > width {
            let beyond = address(row.len() - 1, line);
            let problem = format!(
                "the cell `{beyond}` has a value, and the \
                 first row ends at `{}`",
                address(width - 1, self.first)
            );
            let fix = "give each column a header in the first row of the table, and take out \
                       remarks above, beside or under it";
            return Err(DataError::new(Code::RaggedRow, problem, fix)
                .in_file(&self.name)
                .at_line(line));
        }
        while row.len() < width {
            row.push_field(b"");
        }
        Ok(())
    }
}

impl RowSource for Sheet {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, source: &Source) -> Result<usize, DataError> {
        place_in(self.header.as_ref(), source, &self.name)
    }

    fn next(&mut self, row: &mut csv::ByteRecord) -> Result<Option<u64>, DataError> {
        let line = self
            .read(row)
            .map_err(|error| failed(error, &self.name).in_file(&self.name))?;
        if let Some(line) = line {
            self.fill(row, line)?;
        }
        Ok(line)
    }

    fn is_ended(&self) -> bool {
        self.ended
    }

    fn seen(&self) -> Vec<&'static str> {
        let hidden = self.hides.then_some("with the rows that the sheet hides");
        std::iter::once("from a sheet of a workbook")
            .chain(hidden)
            .collect()
    }

    fn names(&self) -> Option<&[String]> {
        self.header.as_ref().map(Header::names)
    }

    fn is_typed(&self, place: usize) -> bool {
        matches!(self.held.get(place), Some(Held::Number | Held::Day))
    }

    fn explain(&self, error: DataError, place: usize) -> DataError {
        let Some(held) = self.held.get(place) else {
            return error;
        };
        let code = error.kind();
        let cell = address(place, self.line);
        let fix = match (held, code) {
            (Held::Fault, _) => {
                let problem = format!("the cell `{cell}` holds an error of the sheet");
                let fix = "mend its formula and save the workbook, or list the error (`#N/A`) as \
                           `missing`";
                return DataError::new(code, problem, fix);
            }
            (Held::Unsolved, _) => {
                let problem = format!("the cell `{cell}` holds a formula without a stored value");
                let fix = "open the workbook in Excel or LibreOffice and save it: then the value \
                           stands beside the formula";
                return DataError::new(code, problem, fix);
            }
            (Held::Text, Code::NotANumber | Code::AmbiguousNumber) => {
                "the cell is a text in the sheet: make a number of it there, or list the text as \
                 `missing`"
            }
            (Held::Number, Code::NotWhole | Code::OutOfRange) => return of_number(error),
            (Held::Number, Code::NotADate | Code::AmbiguousDate) => {
                "the cell is a number in the sheet: give it \
                 the format of a date there"
            }
            (Held::Day, Code::NotADate | Code::AmbiguousDate) => {
                "the cell is a date in the sheet, which is read as YYYY-MM-DD: take `format` out \
                 of the column, and make dates of its texts"
            }
            (Held::Day, Code::NotANumber) => {
                "the cell has the format of a date in the \
                 sheet: give it that of a number there"
            }
            _ => return error,
        };
        error.but(fix)
    }
}

/// A range of cells, its ends included.
struct Corners {
    left: usize,
    top: u64,
    bottom: u64,
}

/// The corners of a range such as `B2:C7`.
fn corners(range: &str) -> Option<Corners> {
    let (first, last) = range.split_once(':').unwrap_or((range, range));
    Some(Corners {
        left: column(first)?,
        top: row(first)?,
        bottom: row(last)?,
    })
}

fn row(address: &str) -> Option<u64> {
    let digits = address.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    digits.parse().ok()
}

/// The 0-based column of an address such as `AB12`.
fn column(address: &str) -> Option<usize> {
    let letters = address.bytes().take_while(u8::is_ascii_alphabetic);
    let mut column = 0_usize;
    for letter in letters {
        let digit = usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    column.checked_sub(1)
}

/// The address of a cell, by its 0-based column and its
/// line.
fn address(column: usize, line: u64) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        let digit = (rest - 1) % 26;
        letters.insert(0, char::from(b'A' + digit as u8));
        rest = (rest - 1) / 26;
    }
    let letters: String = letters.into_iter().collect();
    format!("{letters}{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_column_and_back() {
        for (text, place) in [("A1", 0), ("Z1", 25), ("AA1", 26), ("XFD1", COLUMNS - 1)] {
            assert_eq!(column(text), Some(place));
            assert_eq!(address(place, 1), text);
        }
        assert_eq!(column("1"), None);
        assert_eq!(column(&"Z".repeat(40)), None);
        let range = corners("B2:C7").unwrap();
        assert_eq!((range.left, range.top, range.bottom), (1, 2, 7));
    }
}
