//! A delimited text file: byte order mark, delimiter, header, rows with their line numbers.

use crate::error::{Code, DataError};
use crate::schema::{Schema, Source};
use crate::watched::Watched;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

/// How far the first line is looked at to find the delimiter.
const HEAD: u64 = 256 * 1024;
/// Headers shown when one is not found.
const SHOWN: usize = 60;

/// An open file whose header has been read.
pub(crate) struct Rows {
    /// The name for errors.
    pub(crate) name: String,
    reader: csv::Reader<BufReader<File>>,
    header: Option<Vec<String>>,
    width: Option<usize>,
}

impl Rows {
    /// Reads the file's header.
    pub(crate) fn open(watched: &Watched, schema: &Schema) -> Result<Self, DataError> {
        let name = watched.name.clone();
        let unreadable = DataError::unreadable(&name);
        let mut file = BufReader::new(watched.reader().map_err(&unreadable)?);
        let mut head = Vec::new();
        file.by_ref()
            .take(HEAD)
            .read_until(b'\n', &mut head)
            .map_err(&unreadable)?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            let error = DataError::new(
                Code::NotText,
                "the file is UTF-16 text",
                "save it as CSV in UTF-8",
            );
            return Err(error.in_file(&name));
        }
        let mark: u64 = if head.starts_with(&[0xef, 0xbb, 0xbf]) {
            3
        } else {
            0
        };
        file.seek(SeekFrom::Start(mark)).map_err(&unreadable)?;
        let delimiter = delimiter(&head, schema.headerless());
        if let Some(line) = swallowed(&mut file, delimiter).map_err(&unreadable)? {
            let problem =
                "a quoted cell that begins here takes in whole lines, and no end of the quote fits";
            let fix =
                "double a quote inside a text (\"\") or remove it; nothing of the file was taken";
            return Err(DataError::new(Code::RaggedRow, problem, fix)
                .in_file(&name)
                .at_line(line));
        }
        file.seek(SeekFrom::Start(mark)).map_err(&unreadable)?;
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(file);
        let mut rows = Self {
            name,
            reader,
            header: None,
            width: None,
        };
        if !schema.headerless() {
            let mut first = csv::ByteRecord::new();
            if rows.next(&mut first)?.is_none() {
                return Err(rows.empty("the file is empty"));
            }
            rows.header = Some(
                first
                    .iter()
                    .map(|cell| String::from_utf8_lossy(cell).trim().to_string())
                    .collect(),
            );
        }
        Ok(rows)
    }

    /// Reads the next row and gives its line, or nothing at the end.
    pub(crate) fn next(&mut self, row: &mut csv::ByteRecord) -> Result<Option<u64>, DataError> {
        let more = self.reader.read_byte_record(row).map_err(|error| {
            // The reader's own message may quote the row: only its kind is passed on.
            let why = match error.kind() {
                csv::ErrorKind::Io(error) => error.kind().to_string(),
                _ => "malformed text".to_string(),
            };
            DataError::new(
                Code::FileUnreadable,
                format!("reading failed ({why})"),
                "check the file and try again",
            )
            .in_file(&self.name)
        })?;
        if !more {
            return Ok(None);
        }
        let line = row.position().map_or(0, csv::Position::line);
        match self.width {
            Some(width) if width != row.len() => {
                let problem = format!("the row has `{}` cells, the first one `{width}`", row.len());
                let fix =
                    "quote texts that hold the delimiter, and write a decimal point, not a comma";
                Err(DataError::new(Code::RaggedRow, problem, fix)
                    .in_file(&self.name)
                    .at_line(line))
            }
            _ => {
                self.width = Some(row.len());
                Ok(Some(line))
            }
        }
    }

    /// The 0-based place of a column.
    pub(crate) fn place(&self, source: &Source) -> Result<usize, DataError> {
        match (source, &self.header) {
            (Source::Number(number), _) => Ok(number - 1),
            (Source::Header(wanted), Some(header)) => {
                let mut found = header
                    .iter()
                    .enumerate()
                    .filter(|(_, name)| *name == wanted)
                    .map(|(place, _)| place);
                match (found.next(), found.next()) {
                    (Some(place), None) => Ok(place),
                    (Some(_), Some(_)) => {
                        let fix = "rename one of them in the file";
                        Err(self.header_error(
                            Code::AmbiguousColumn,
                            format!("two columns are called `{wanted}`"),
                            fix,
                        ))
                    }
                    (None, _) => Err(self.not_found(wanted, header)),
                }
            }
            (Source::Header(wanted), None) => Err(self.not_found(wanted, &[])),
        }
    }

    pub(crate) fn empty(&self, problem: &str) -> DataError {
        DataError::new(
            Code::EmptyTable,
            problem,
            "export the table again; it needs a row for each patient",
        )
        .in_file(&self.name)
    }

    fn header_error(&self, code: Code, problem: String, fix: impl Into<String>) -> DataError {
        DataError::new(code, problem, fix)
            .in_file(&self.name)
            .at_line(1)
    }

    fn not_found(&self, wanted: &str, header: &[String]) -> DataError {
        let problem = format!("there is no column `{wanted}`");
        // A first line that is a patient's row must not be shown as if it were the header.
        if !header.iter().all(|name| is_header(name)) {
            let fix = "the first line does not look like a header: for a file without \
                one, give every column's number as `source`";
            return self.header_error(Code::UnknownColumn, problem, fix);
        }
        let alike = header.iter().find(|name| name.eq_ignore_ascii_case(wanted));
        let hint = alike.map_or_else(String::new, |name| format!("did you mean `{name}`? "));
        let names: Vec<&str> = header.iter().take(SHOWN).map(String::as_str).collect();
        let fix = format!(
            "{hint}set `source` in the schema; the file has {}",
            names.join(", ")
        );
        self.header_error(Code::UnknownColumn, problem, fix)
    }
}

/// Whether a cell of the first line can be a column's name: it begins with a letter or `_`, is no
/// date and no missing mark, and is short.
fn is_header(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().count() <= 64
        && !name.eq_ignore_ascii_case("na")
        && !name.eq_ignore_ascii_case("nan")
}

/// `;` where the first line has more of them outside quotes. A line of numbers may hold decimal
/// commas, so there one `;` is enough.
fn delimiter(head: &[u8], headerless: bool) -> u8 {
    let mut commas = 0_u32;
    let mut semicolons = 0_u32;
    let mut inside = false;
    for byte in head {
        match byte {
            b'"' => inside = !inside,
            b',' if !inside => commas += 1,
            b';' if !inside => semicolons += 1,
            _ => {}
        }
    }
    if semicolons > commas || (headerless && semicolons > 0) {
        b';'
    } else {
        b','
    }
}

/// The line in which a quoted cell begins that takes in the lines after it by mistake: it holds a
/// line end, and other text than the next cell follows its closing quote, or none closes it. What a
/// quote takes in so would be patients, gone without a word.
fn swallowed(file: &mut impl BufRead, delimiter: u8) -> std::io::Result<Option<u64>> {
    /// Where the byte before stands.
    enum At {
        /// At the beginning of a cell.
        Start,
        /// In a cell without quotes, or behind a closed one.
        Plain,
        /// In a quoted cell that began in this line, and whether a line end was in it.
        Quoted(u64, bool),
        /// Behind a quote in such a cell: its end, or the first half of a doubled one.
        Quote(u64, bool),
    }
    let mut at = At::Start;
    let mut line = 1;
    for byte in file.bytes() {
        let byte = byte?;
        let ends = byte == b'\n' || byte == b'\r';
        at = match at {
            At::Quoted(began, lines) if byte == b'"' => At::Quote(began, lines),
            At::Quoted(began, lines) => At::Quoted(began, lines || ends),
            At::Quote(began, lines) if byte == b'"' => At::Quoted(began, lines),
            At::Quote(..) if byte == delimiter || ends => At::Start,
            At::Quote(began, true) => return Ok(Some(began)),
            At::Start if byte == b'"' => At::Quoted(line, false),
            At::Start | At::Plain if byte == delimiter || ends => At::Start,
            _ => At::Plain,
        };
        line += u64::from(byte == b'\n');
    }
    Ok(match at {
        At::Quoted(began, _) => Some(began),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_that_swallows_lines_is_named_by_the_line_in_which_it_begins() {
        let line = |text: &str| swallowed(&mut text.as_bytes(), b',').unwrap();
        for sound in [
            "id,note\n1,\"line one\nline two\"\n2,ok\n",
            "id,note\n1,\"line one\r\nline two\",x\n",
            "id,note\n1,\"5\"\" tube\nand more\"\n2,5\" tube\n",
            "id,note\n1,\"ab\" cd\n2,ok\n",
            "id,note\n1,\"last\"",
        ] {
            assert_eq!(line(sound), None, "{sound}");
        }
        assert_eq!(
            line("id,note\n1,ok\n2,\"5 mg, then none\n3,ok\n4,\"halved\n5,ok\n"),
            Some(3)
        );
        assert_eq!(line("id,note\n1,ok\n2,\"never closed\n3,ok\n"), Some(3));
    }

    #[test]
    fn the_delimiter_is_seen_in_the_first_line() {
        assert_eq!(delimiter(b"age,sex\n", false), b',');
        assert_eq!(delimiter(b"age;sex\n", false), b';');
        assert_eq!(delimiter(b"\"age; years\",sex\n", false), b',');
        assert_eq!(delimiter(b"age\n", false), b',');
        assert_eq!(delimiter(b"1,5;2,5\n", true), b';');
    }
}
