//! What is wrong with a file, a schema or a table, said
//! without a patient's value.

use motet_toml::Mistake;
use std::fmt;
use std::num::NonZeroU64;
use std::path::Path;

/// What kind of mistake it is, stable for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The file cannot be opened or read.
    FileUnreadable,
    /// The file is being written while it is read.
    FileChanging,
    /// The schema file cannot be accepted.
    SchemaInvalid,
    /// The schema and the study mean different things by a name.
    SchemaMismatch,
    /// A column that the study or the schema names is not there.
    UnknownColumn,
    /// Two columns of the file have the name that is asked for.
    AmbiguousColumn,
    /// There is no row.
    EmptyTable,
    /// A row has more or fewer cells than the first.
    RaggedRow,
    /// A row of totals, which is no patient.
    TotalsRow,
    /// Bytes that are not text in the file's encoding, or a file
    /// of another kind.
    NotText,
    /// Text where a number belongs.
    NotANumber,
    /// A column whose numbers may be written in either of two ways.
    AmbiguousNumber,
    /// A number with a fraction where a whole one belongs.
    NotWhole,
    /// Neither of the texts for yes and no.
    NotABool,
    /// Not a date.
    NotADate,
    /// A date that may be read in two ways, in a column without a format.
    AmbiguousDate,
    /// Below the minimum or above the maximum.
    OutOfRange,
    /// A category's level that the schema does not list.
    UnknownLevel,
    /// Fewer rows than the study asks of a site.
    TooFewRows,
}

impl Code {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::FileUnreadable => "file_unreadable",
            Code::FileChanging => "file_changing",
            Code::SchemaInvalid => "schema_invalid",
            Code::SchemaMismatch => "schema_mismatch",
            Code::UnknownColumn => "unknown_column",
            Code::AmbiguousColumn => "ambiguous_column",
            Code::EmptyTable => "empty_table",
            Code::RaggedRow => "ragged_row",
            Code::TotalsRow => "totals_row",
            Code::NotText => "not_text",
            Code::NotANumber => "not_a_number",
            Code::AmbiguousNumber => "ambiguous_number",
            Code::NotWhole => "not_whole",
            Code::NotABool => "not_a_bool",
            Code::NotADate => "not_a_date",
            Code::AmbiguousDate => "ambiguous_date",
            Code::OutOfRange => "out_of_range",
            Code::UnknownLevel => "unknown_level",
            Code::TooFewRows => "too_few_rows",
        }
    }
}

/// A mistake with its place and its fix. It never holds the
/// text of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError {
    pub(crate) code: Code,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<NonZeroU64>,
    pub(crate) column: Option<String>,
    pub(crate) problem: String,
    pub(crate) fix: String,
    /// What else is wrong, where every cell was read.
    more: Option<Box<More>>,
}

/// What is wrong beside a first cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct More {
    /// Further cells of the column.
    cells: u64,
    /// Further columns of a range in which the same is wrong.
    columns: u64,
    /// The first mistake of each other column.
    also: Vec<DataError>,
}

impl DataError {
    pub(crate) fn new(code: Code, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            code,
            file: None,
            line: None,
            column: None,
            problem: problem.into(),
            fix: fix.into(),
            more: None,
        }
    }

    /// The same mistake in the file at this path.
    #[must_use]
    pub fn in_path(self, path: &Path) -> Self {
        self.in_file(&path.display().to_string())
    }

    pub(crate) fn in_file(self, file: &str) -> Self {
        Self {
            file: Some(file.to_string()),
            ..self
        }
    }

    pub(crate) fn at_line(self, line: u64) -> Self {
        Self {
            line: NonZeroU64::new(line),
            ..self
        }
    }

    pub(crate) fn in_column(self, column: &str) -> Self {
        Self {
            column: Some(column.to_string()),
            ..self
        }
    }

    /// The first mistake in each of several columns as one: that
    /// of the earliest line, and the others behind it.
    pub(crate) fn joined(mut faults: Vec<Self>) -> Option<Self> {
        // Of one line the column that was looked at first.
        faults.sort_by_key(|fault| fault.line);
        let mut faults = faults.into_iter();
        let mut first = faults.next()?;
        let others: Vec<Self> = faults.collect();
        if !others.is_empty() {
            first.more().also = others;
        }
        Some(first)
    }

    /// This mistake and those of another pass over the same
    /// columns, as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let code = self.code;
        let faults = self.parted().into_iter().chain(other.parted());
        match Self::joined(faults.collect()) {
            Some(joined) => joined,
            // Two are never none.
            None => Self::new(code, "several mistakes", "run it again"),
        }
    }

    /// What is joined, one by one.
    fn parted(mut self) -> Vec<Self> {
        let also = match &mut self.more {
            Some(more) => std::mem::take(&mut more.also),
            None => Vec::new(),
        };
        let mut faults = vec![self];
        faults.extend(also);
        faults
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// One cell more of the column is wrong.
    pub(crate) fn again(&mut self) {
        self.more().cells += 1;
    }

    /// The same is wrong in another column of its range.
    pub(crate) fn again_in_another(&mut self, other: Self) {
        let cells = other.more.map_or(0, |more| more.cells);
        let earlier = other.line.is_some() && other.line < self.line;
        if earlier {
            self.line = other.line;
            self.column = other.column;
        }
        let more = self.more();
        more.cells += cells + 1;
        more.columns += 1;
    }

    /// What is wrong, without its place.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }

    /// The first mistakes of the other columns, where every
    /// column was read.
    pub fn also(&self) -> &[Self] {
        self.more.as_ref().map_or(&[], |more| &more.also)
    }

    /// The same mistake with another fix.
    pub(crate) fn but(self, fix: &str) -> Self {
        Self {
            fix: fix.to_owned(),
            ..self
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// The kind of mistake.
    pub fn kind(&self) -> Code {
        self.code
    }

    /// The 1-based line of the file, where there is one.
    pub fn line(&self) -> Option<u64> {
        self.line.map(NonZeroU64::get)
    }

    /// For `map_err`: an operating-system refusal about a file.
    pub(crate) fn unreadable(name: &str) -> impl Fn(std::io::Error) -> Self + use<> {
        let name = name.to_owned();
        move |error| {
            let fix = "check the path, and that this user may read the file";
            let problem = format!("cannot be read ({error})");
            Self::new(Code::FileUnreadable, problem, fix).in_file(&name)
        }
    }

    /// The same mistake with the counts behind it, for whoever
    /// may see them.
    #[must_use]
    pub fn because(self, counts: &str) -> Self {
        Self {
            problem: format!("{}: {counts}", self.problem),
            ..self
        }
    }

    /// The column and what is wrong with it, without the file's
    /// path and what else the schema declares: where two texts do
    /// not agree, nobody's affair is in it.
    pub fn of_texts(&self) -> String {
        match &self.column {
            Some(column) => format!("column `{column}`: {}", self.problem),
            None => self.problem.clone(),
        }
    }

    /// The declared column, where there is one.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}

impl From<Mistake> for DataError {
    fn from(mistake: Mistake) -> Self {
        Self::new(Code::SchemaInvalid, mistake.problem, mistake.fix)
            .in_file(&mistake.file)
            .at_line(mistake.line.into())
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = [
            self.file.as_ref().map(|file| format!("`{file}`")),
            self.line.map(|line| format!("line {line}")),
            self.column
                .as_ref()
                .map(|column| format!("column `{column}`")),
        ];
        let place: Vec<String> = place.into_iter().flatten().collect();
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        write!(f, "{}", self.problem)?;
        if let Some(more) = self.more.as_ref().filter(|more| more.cells > 0) {
            let cells = more.cells + 1;
            let columns = match more.columns {
                0 => String::new(),
                more => format!(" of {} columns of its range", more + 1),
            };
            write!(
                f,
                " (and so in {cells} cells{columns}, of which this is the first)"
            )?;
        }
        write!(f, "; {} ({})", self.fix, self.code())?;
        self.also()
            .iter()
            .try_for_each(|other| write!(f, "\n{other}"))
    }
}

impl std::error::Error for DataError {}
