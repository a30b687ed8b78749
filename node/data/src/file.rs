//! A delimited text file: `sep=` line, delimiter, quotes, header, rows with
//! their line numbers.

use crate::error::{Code, DataError};
use crate::schema::{Layout, Source};
use crate::source::{Header, RowSource, empty};
use crate::text::{Form, Text, failed};
use crate::watched::Watched;
use std::io::{BufRead, BufReader, Read};

/// How far the first line is looked at to find the delimiter.
const HEAD: u64 = 256 * 1024;
const RAGGED: &str =
    "quote texts that hold the delimiter, and take out remarks above or under the table";

/// An open file whose header has been read.
pub(crate) struct Delimited {
    name: String,
    reader: csv::Reader<BufReader<Text>>,
    /// Lines before the first one that the reader sees.
    skipped: u64,
    header: Option<Header>,
    width: Option<usize>,
    seen: Vec<&'static str>,
    delimiter: u8,
}

impl Delimited {
    /// Reads the file's header, if it has one.
    ///
    /// # Errors
    /// `not_text`, `ragged_row` for a quote that takes in lines, `empty_table`.
    pub(crate) fn open(
        watched: &Watched,
        layout: &Layout,
        headerless: bool,
    ) -> Result<Self, DataError> {
        let name = watched.name.clone();
        let form = Form::of(watched, layout)?;
        let mut text = form.text(watched)?;
        let mut first = first_line(&mut text, &name)?;
        let separator = separator(&first);
        let skipped = u64::from(separator.is_some());
        if separator.is_some() {
            first = first_line(&mut text, &name)?;
        }
        drop(text);
        if separator.is_some() && layout.delimiter.is_some() && separator != layout.delimiter {
            let problem = "the `sep=` line names another delimiter than the schema";
            let fix = "take one of them out";
            return Err(DataError::new(Code::SchemaMismatch, problem, fix)
                .in_file(&name)
                .at_line(1));
        }
        let told = layout.delimiter.or(separator);
        let delimiter = told.unwrap_or_else(|| delimiter(&first, layout.quote, headerless));
        if let Some(quote) = layout.quote
            && let Some(line) = swallowed(&mut table_of(watched, &form, skipped)?, delimiter, quote)
                .map_err(|error| failed(error, &name))?
        {
            let problem =
                "a quoted cell that begins here takes in whole lines, and no end of the quote fits";
            let fix =
                "double a quote inside a text (\"\") or remove it; nothing of the file was taken";
            return Err(DataError::new(Code::RaggedRow, problem, fix)
                .in_file(&name)
                .at_line(line + skipped));
        }
        let mut rows = Self {
            reader: reader(table_of(watched, &form, skipped)?, delimiter, layout),
            name,
            skipped,
            header: None,
            width: None,
            seen: seen(&form, told, separator, delimiter),
            delimiter,
        };
        if !headerless {
            rows.header = Some(rows.read_header(layout, form)?);
        }
        Ok(rows)
    }

    /// What parts its cells.
    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// The names of its columns, where it has a header.
    pub(crate) fn names(&self) -> Option<&[String]> {
        self.header.as_ref().map(Header::names)
    }

    fn read_header(&mut self, layout: &Layout, form: Form) -> Result<Header, DataError> {
        let mut first = csv::ByteRecord::new();
        let Some(line) = self.next(&mut first)? else {
            return Err(empty(&self.name, "the file is empty"));
        };
        let names: Vec<String> = first
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).trim().to_string())
            .collect();
        let doubt = doubt(&first, &names, layout, form);
        Ok(Header::new(&self.name, line, names, doubt))
    }
}

impl RowSource for Delimited {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, source: &Source) -> Result<usize, DataError> {
        match (source, &self.header) {
            (Source::Number(number), _) => Ok(number - 1),
            (Source::Header(wanted), Some(header)) => header.place(wanted),
            (Source::Header(wanted), None) => {
                Header::new(&self.name, 1, Vec::new(), None).place(wanted)
            }
        }
    }

    fn next(&mut self, row: &mut csv::ByteRecord) -> Result<Option<u64>, DataError> {
        let more = self.reader.read_byte_record(row);
        // Lines end with one sign, the last one too: the row began as many before this one as it
        // ends and holds.
        let held = row.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let ended = self.skipped + self.reader.position().line();
        let line = ended.saturating_sub(1 + held as u64);
        let more = more.map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => failed(error, &self.name).at_line(line),
            // The reader's own message may quote the row: it is not passed on.
            _ => failed(std::io::Error::other("malformed text"), &self.name).at_line(line),
        })?;
        if !more {
            return Ok(None);
        }
        match self.width {
            Some(width) if width != row.len() => {
                let problem = format!("the row has `{}` cells, the first one `{width}`", row.len());
                Err(DataError::new(Code::RaggedRow, problem, RAGGED)
                    .in_file(&self.name)
                    .at_line(line))
            }
            _ => {
                self.width = Some(row.len());
                Ok(Some(line))
            }
        }
    }

    fn is_ended(&self) -> bool {
        self.reader.get_ref().get_ref().is_ended()
    }

    fn seen(&self) -> Vec<&'static str> {
        self.seen.clone()
    }
}

fn reader(text: BufReader<Text>, delimiter: u8, layout: &Layout) -> csv::Reader<BufReader<Text>> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quote(layout.quote.unwrap_or(b'"'))
        .quoting(layout.quote.is_some())
        .has_headers(false)
        .flexible(true)
        .from_reader(text)
}

/// The text behind the lines to skip.
fn table_of(watched: &Watched, form: &Form, skipped: u64) -> Result<BufReader<Text>, DataError> {
    let mut text = form.text(watched)?;
    for _ in 0..skipped {
        first_line(&mut text, &watched.name)?;
    }
    Ok(text)
}

/// The next line, as far as a first line is looked at.
fn first_line(text: &mut impl BufRead, name: &str) -> Result<Vec<u8>, DataError> {
    let mut line = Vec::new();
    text.by_ref()
        .take(HEAD)
        .read_until(b'\n', &mut line)
        .map_err(|error| failed(error, name))?;
    Ok(line)
}

/// The delimiter that Excel writes above a table: a line `sep=;`.
fn separator(line: &[u8]) -> Option<u8> {
    match line.trim_ascii_start() {
        [s, e, p, b'=', sign, b'\n'] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => Some(*sign),
        _ => None,
    }
}

/// What was seen and not declared.
fn seen(form: &Form, told: Option<u8>, separator: Option<u8>, delimiter: u8) -> Vec<&'static str> {
    let words = [
        (form.gzip, "packed with gzip"),
        (separator.is_some(), "with the delimiter of its `sep=` line"),
        (told.is_none() && delimiter == b'\t', "separated by tabs"),
    ];
    words
        .into_iter()
        .filter_map(|(so, word)| so.then_some(word))
        .collect()
}

/// What may be the reason where a header is not found.
fn doubt(
    first: &csv::ByteRecord,
    names: &[String],
    layout: &Layout,
    form: Form,
) -> Option<&'static str> {
    if std::str::from_utf8(first.as_slice()).is_err() {
        return Some(
            "the header is not UTF-8, it looks like one byte a letter: declare `encoding = \
             \"windows-1252\"` (western Europe) or another under `[source]` of the schema",
        );
    }
    // Text in UTF-8 that was read as one byte a letter: each letter with an accent shows as two.
    let doubled = |name: &String| name.contains(['\u{c2}', '\u{c3}', '\u{e2}']);
    if form.is_decoded() && names.iter().any(doubled) {
        return Some(
            "the header looks like UTF-8 that is read as another encoding: take `encoding` out of \
             `[source]` of the schema",
        );
    }
    match names {
        [one] if one.contains([';', ',', '\t', '|']) => Some(match layout.delimiter {
            Some(_) => {
                "the first line is one cell: its delimiter is another than `delimiter` under \
                 `[source]` of the schema"
            }
            None => {
                "the first line is one cell: declare its `delimiter` under `[source]` of the schema"
            }
        }),
        _ => None,
    }
}

/// `;` or tab where the first line has more of them outside quotes. A line of numbers may hold
/// decimal commas, so there one is enough.
fn delimiter(line: &[u8], quote: Option<u8>, headerless: bool) -> u8 {
    let mut inside = false;
    let mut counts = [(b'\t', 0_u32), (b';', 0), (b',', 0)];
    for byte in line {
        if Some(*byte) == quote {
            inside = !inside;
        }
        for (sign, count) in counts.iter_mut().filter(|_| !inside) {
            *count += u32::from(byte == sign);
        }
    }
    let [tabs, semicolons, commas] = counts;
    let most = |one: (u8, u32)| one.1 > 0 && (headerless || one.1 > commas.1);
    match (most(tabs), most(semicolons)) {
        (true, false) => tabs.0,
        (true, true) if tabs.1 > semicolons.1 => tabs.0,
        (_, true) => semicolons.0,
        (false, false) => commas.0,
    }
}

/// The line in which a quoted cell begins that takes in the lines after it
/// by mistake: it holds a line end, and other text than the next cell
/// follows its closing quote, or none closes it. What a quote takes in so
/// would be patients, gone without a word.
fn swallowed(text: &mut impl BufRead, delimiter: u8, quote: u8) -> std::io::Result<Option<u64>> {
    /// Where the byte before stands.
    enum At {
        /// At the beginning of a cell.
        Start,
        /// In a cell without quotes, or behind a closed one.
        Plain,
        /// In a quoted cell that began in this line, and whether a line end
        /// was in it.
        Quoted(u64, bool),
        /// Behind a quote in such a cell: its end, or the first half of a
        /// doubled one.
        Quote(u64, bool),
    }
    let mut at = At::Start;
    let mut line = 1;
    for byte in text.bytes() {
        let byte = byte?;
        let ends = byte == b'\n';
        at = match at {
            At::Quoted(began, lines) if byte == quote => At::Quote(began, lines),
            At::Quoted(began, lines) => At::Quoted(began, lines || ends),
            At::Quote(began, lines) if byte == quote => At::Quoted(began, lines),
            At::Quote(..) if byte == delimiter || ends => At::Start,
            At::Quote(began, true) => return Ok(Some(began)),
            At::Start if byte == quote => At::Quoted(line, false),
            At::Start | At::Plain if byte == delimiter || ends => At::Start,
            _ => At::Plain,
        };
        line += u64::from(ends);
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
        let line = |text: &str| swallowed(&mut text.as_bytes(), b',', b'"').unwrap();
        for sound in [
            "id,note\n1,\"line one\nline two\"\n2,ok\n",
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
        let delimiter = |line: &[u8], headerless| delimiter(line, Some(b'"'), headerless);
        assert_eq!(delimiter(b"age,sex\n", false), b',');
        assert_eq!(delimiter(b"age;sex\n", false), b';');
        assert_eq!(delimiter(b"age\tsex\n", false), b'\t');
        assert_eq!(delimiter(b"age (a, b)\tsex\tx\n", false), b'\t');
        assert_eq!(delimiter(b"\"age; years\",sex\n", false), b',');
        assert_eq!(delimiter(b"age\n", false), b',');
        assert_eq!(delimiter(b"1,5;2,5\n", true), b';');
        assert_eq!(delimiter(b"1,5\t2,5\n", true), b'\t');
    }

    #[test]
    fn the_line_that_names_the_delimiter_is_told_from_a_header() {
        assert_eq!(separator(b"sep=;\n"), Some(b';'));
        assert_eq!(separator(b"SEP=\t\n"), Some(b'\t'));
        for header in ["sep;x\n", "sep=\n", "sep=;x\n", "step=;\n"] {
            assert_eq!(separator(header.as_bytes()), None, "{header}");
        }
    }
}
