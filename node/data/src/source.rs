//! Where rows come from: a delimited file, a sheet of a workbook; a database
//! is one more.

use crate::error::{Code, DataError};
use crate::schema::{Layout, Schema, Source};
use crate::spelling::same;

/// Headers shown when one is not found.
const SHOWN: usize = 60;
/// Letters of a header; what is longer is a text.
const LONGEST: usize = 64;

/// A table's rows, one after the other, as texts in UTF-8.
pub(crate) trait RowSource {
    /// The name for errors.
    fn name(&self) -> &str;

    /// The 0-based place of a column.
    ///
    /// # Errors
    /// `unknown_column`, `ambiguous_column`.
    fn place(&self, source: &Source) -> Result<usize, DataError>;

    /// Reads the next row and gives its line, or nothing at the end. A row
    /// that is refused for the number of its cells is in `row` all the
    /// same.
    ///
    /// # Errors
    /// What is wrong with the row or with reading.
    fn next(&mut self, row: &mut csv::ByteRecord) -> Result<Option<u64>, DataError>;

    /// Whether the end, once it is reached, is a whole one: what was read
    /// is not cut off.
    fn is_ended(&self) -> bool;

    /// How it is read, as far as that was seen and not declared.
    fn seen(&self) -> Vec<&'static str>;

    /// The names of its columns, where it has a header.
    fn names(&self) -> Option<&[String]>;

    /// What parts its cells, where they are texts that something parts.
    fn delimiter(&self) -> Option<u8> {
        None
    }

    /// Whether the cell at this place of the row that was read last is a number or a day to the
    /// file itself, so that nothing in its text may mean two things.
    fn is_typed(&self, _place: usize) -> bool {
        false
    }

    /// What is wrong with the cell at this place of the row that was read last, as this source
    /// knows it.
    fn explain(&self, error: DataError, _place: usize) -> DataError {
        error
    }
}

/// What is wrong with a cell that is a number to the file itself: no marks are to be declared.
pub(crate) fn of_number(error: DataError) -> DataError {
    match error.kind() {
        Code::NotWhole => error.but("correct the cell, or declare `type = \"float\"`"),
        Code::OutOfRange => {
            error.but("correct the cell, the bound, or the unit (`from` and `factor`)")
        }
        _ => error,
    }
}

/// The 0-based place of a column in a table with this header, or without one.
pub(crate) fn place_in(
    header: Option<&Header>,
    source: &Source,
    name: &str,
) -> Result<usize, DataError> {
    match (source, header) {
        (Source::Number(number), _) => Ok(number - 1),
        (Source::Header(wanted), Some(header)) => header.place(wanted),
        (Source::Header(wanted), None) => {
            let problem = format!("the file has no header, so it has no column `{wanted}`");
            let fix = "give its number in the schema, as for the other columns (`key`, `source`)";
            Err(DataError::new(Code::UnknownColumn, problem, fix).in_file(name))
        }
    }
}

/// Whether the schema declares nothing of how a text is written, beside a file that is none.
///
/// # Errors
/// `schema_mismatch`: the key that has no meaning there.
pub(crate) fn is_not_text(schema: &Schema, what: &str) -> Result<(), DataError> {
    let layout = &schema.layout;
    let plain = Layout::default();
    let declared = [
        ("delimiter", layout.delimiter.is_some()),
        ("quote", layout.quote != plain.quote),
        ("encoding", layout.encoding.is_some()),
        ("decimal", layout.marks.decimal.is_some()),
        ("thousands", layout.marks.thousands.is_some()),
    ];
    if let Some((key, _)) = declared.iter().find(|(_, is)| *is) {
        let problem = format!(
            "the schema declares `{key}` under `[source]`, and the file is {what}, \
             in which that has no meaning"
        );
        let fix = format!("take `{key}` out of the schema");
        return Err(DataError::new(Code::SchemaMismatch, problem, fix));
    }
    let mut columns = schema.columns.iter();
    let marked =
        columns.find(|(_, column)| column.source().is_some() && !column.marks.are_silent());
    marked.map_or(Ok(()), |(name, _)| {
        let problem = format!(
            "the schema declares marks of this column's numbers, and the file is {what}, \
             in which numbers have none"
        );
        let fix = "take `decimal` and `thousands` out of the column; numbers that are texts in \
                   the file make numbers there";
        Err(DataError::new(Code::SchemaMismatch, problem, fix).in_column(name))
    })
}

/// Whether a row of several cells has no value in any: programs write such rows under a table, and
/// who is in none of its columns is nobody.
pub(crate) fn is_empty(row: &csv::ByteRecord) -> bool {
    let mut texts = row.iter().map(std::str::from_utf8);
    row.len() > 1 && texts.all(|text| text.is_ok_and(|text| text.trim().is_empty()))
}

/// There is nothing in the table.
pub(crate) fn empty(name: &str, problem: &str) -> DataError {
    let fix = "export the table again; it needs a row for each patient";
    DataError::new(Code::EmptyTable, problem, fix).in_file(name)
}

/// The names of a table's columns.
pub(crate) struct Header {
    /// The table's name for errors.
    file: String,
    /// The line they stand in.
    line: u64,
    names: Vec<String>,
    /// Whether they are a header's beyond doubt, and may be shown.
    sure: bool,
    /// What may be wrong where a name is not found.
    doubt: Option<&'static str>,
}

impl Header {
    /// The names in this line, some of which the schema looks for.
    pub(crate) fn new(file: &str, line: u64, names: Vec<String>, schema: &Schema) -> Self {
        let sources = schema.columns.values().filter_map(|column| column.source());
        let is_one = sources.chain(&schema.key).any(|source| match source {
            Source::Header(wanted) => names.iter().any(|name| same(name, wanted)),
            Source::Number(_) => false,
        });
        let sure = is_one && !names.iter().any(|name| is_value(name));
        Self {
            file: file.to_owned(),
            line,
            names,
            sure,
            doubt: None,
        }
    }

    /// The names as the table has them.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The same with what may be wrong where a name is not found, if that is known.
    pub(crate) fn with_doubt(self, doubt: Option<&'static str>) -> Self {
        Self { doubt, ..self }
    }

    /// Whether a declared column is among them, and no value.
    pub(crate) fn is_sure(&self) -> bool {
        self.sure
    }

    /// The 0-based place of the column with this name: the one that is spelt so, or else whatever
    /// the spelling of its letters.
    pub(crate) fn place(&self, wanted: &str) -> Result<usize, DataError> {
        match self.places(|name| name == wanted) {
            (Some(place), None) => return Ok(place),
            (Some(_), Some(_)) => return Err(self.ambiguous(wanted)),
            (None, _) => {}
        }
        match self.places(|name| same(name, wanted)) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => Err(self.ambiguous(wanted)),
            (None, _) => Err(self.not_found(wanted)),
        }
    }

    /// The first two places of such names.
    fn places(&self, is_one: impl Fn(&str) -> bool) -> (Option<usize>, Option<usize>) {
        let mut found = (0..)
            .zip(&self.names)
            .filter(|(_, name)| is_one(name))
            .map(|(place, _)| place);
        (found.next(), found.next())
    }

    fn error(&self, code: Code, problem: String, fix: impl Into<String>) -> DataError {
        DataError::new(code, problem, fix)
            .in_file(&self.file)
            .at_line(self.line)
    }

    fn ambiguous(&self, wanted: &str) -> DataError {
        let problem = format!("two columns are called `{wanted}`");
        let fix = "rename one of them in the file";
        self.error(Code::AmbiguousColumn, problem, fix)
    }

    fn not_found(&self, wanted: &str) -> DataError {
        let problem = format!("there is no column `{wanted}`");
        if let Some(doubt) = self.doubt {
            return self.error(Code::UnknownColumn, problem, doubt);
        }
        let lower = wanted.to_lowercase();
        let alike = self.names.iter().find(|name| name.to_lowercase() == lower);
        let hint = alike.map_or_else(String::new, |name| format!("did you mean `{name}`? "));
        // A first line that is a patient's row must not be shown as if it were the header.
        let fix = if self.sure {
            let names = self.names.iter().map(String::as_str);
            let names: Vec<&str> = names.filter(|name| !name.is_empty()).take(SHOWN).collect();
            format!(
                "{hint}set `source` in the schema; the file has {}",
                names.join(", ")
            )
        } else {
            format!(
                "{hint}nothing shows that the first line is a header, so it may be a patient's row \
                 and is not shown: where it is one, correct \
                 `source` or `delimiter`; for a file \
                 without one, give every column's number as `source`"
            )
        };
        self.error(Code::UnknownColumn, problem, fix)
    }
}

/// Whether a cell of the first line is rather a value than a column's name: it has no letter, is a
/// missing mark, or is long. No name at all is what R and pandas give the numbers of their rows.
fn is_value(name: &str) -> bool {
    let is_number = !name.is_empty() && !name.contains(char::is_alphabetic);
    is_number
        || name.chars().count() > LONGEST
        || name.eq_ignore_ascii_case("na")
        || name.eq_ignore_ascii_case("nan")
}
