//! Where rows come from. The delimited file is the one source there is; a
//! database is one more.

use crate::error::{Code, DataError};
use crate::schema::Source;
use crate::spelling::same;

/// Headers shown when one is not found.
const SHOWN: usize = 60;

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
    /// What may be wrong where a name is not found.
    doubt: Option<&'static str>,
}

impl Header {
    /// The names in this line. `doubt` says what to do where one is not
    /// found, if that is known.
    pub(crate) fn new(
        file: &str,
        line: u64,
        names: Vec<String>,
        doubt: Option<&'static str>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line,
            names,
            doubt,
        }
    }

    /// The names as the table has them.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The 0-based place of the column with this name, whatever the
    /// spelling of its letters.
    pub(crate) fn place(&self, wanted: &str) -> Result<usize, DataError> {
        let mut found = (0..)
            .zip(&self.names)
            .filter(|(_, name)| same(name, wanted))
            .map(|(place, _)| place);
        match (found.next(), found.next()) {
            (Some(place), None) => Ok(place),
            (Some(_), Some(_)) => {
                let problem = format!("two columns are called `{wanted}`");
                let fix = "rename one of them in the file";
                Err(self.error(Code::AmbiguousColumn, problem, fix))
            }
            (None, _) => Err(self.not_found(wanted)),
        }
    }

    fn error(&self, code: Code, problem: String, fix: impl Into<String>) -> DataError {
        DataError::new(code, problem, fix)
            .in_file(&self.file)
            .at_line(self.line)
    }

    fn not_found(&self, wanted: &str) -> DataError {
        let problem = format!("there is no column `{wanted}`");
        if let Some(doubt) = self.doubt {
            return self.error(Code::UnknownColumn, problem, doubt);
        }
        // A first line that is a patient's row must not be shown as if it were the header.
        if !self.names.iter().all(|name| is_header(name)) {
            let fix = "the first line does not look like a header: for a file without \
                one, give every column's number as `source`";
            return self.error(Code::UnknownColumn, problem, fix);
        }
        let wanted = wanted.to_lowercase();
        let alike = self.names.iter().find(|name| name.to_lowercase() == wanted);
        let hint = alike.map_or_else(String::new, |name| format!("did you mean `{name}`? "));
        let names: Vec<&str> = self.names.iter().take(SHOWN).map(String::as_str).collect();
        let fix = format!(
            "{hint}set `source` in the schema; the file has {}",
            names.join(", ")
        );
        self.error(Code::UnknownColumn, problem, fix)
    }
}

/// Whether a cell of the first line can be a column's name: it begins with
/// a letter or `_`, is no date and no missing mark, and is short.
fn is_header(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().count() <= 64
        && !name.eq_ignore_ascii_case("na")
        && !name.eq_ignore_ascii_case("nan")
}
