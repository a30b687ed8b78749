//! A delimited text file: `sep=` line, delimiter, quotes, header, rows with
//! their line numbers.

use crate::error::{Code, DataError};
use crate::number::Decimal;
use crate::scan::scan;
use crate::schema::{Layout, Schema, Source};
use crate::source::{Header, RowSource, empty, place_in};
use crate::text::{Form, Text, failed};
use crate::watched::Watched;
use std::io::{BufRead, BufReader, Read};

/// How far the first row is looked at to find the delimiter.
const HEAD: u64 = 256 * 1024;
const RAGGED: &str =
    "quote texts that hold the delimiter, and take out remarks above or under the table";
const SHORT: &str = "take out remarks above or under the table, and export anew where the program \
                     leaves out the delimiters of the last \
                     empty cells (Excel does): fill them, or \
                     let a column without gaps be the last";
const NAMED: &str = "where each row begins with a name that has no header (`write.table` of R), \
                     export with `row.names = FALSE` or \
                     `col.names = NA`; else quote texts that \
                     hold the delimiter";

/// An open file whose header has been read.
pub(crate) struct Delimited {
    name: String,
    reader: csv::Reader<BufReader<Text>>,
    /// Lines before the first one that the reader sees.
    skipped: u64,
    header: Option<Header>,
    width: Option<usize>,
    /// Whether a row behind the header was read.
    begun: bool,
    seen: Vec<&'static str>,
    delimiter: u8,
}

impl Delimited {
    /// Reads the file's header, if it has one.
    ///
    /// # Errors
    /// `not_text`, `ragged_row` for a quote that takes in lines, `file_unreadable` for a row that
    /// is too large, `schema_mismatch`, `empty_table`.
    pub(crate) fn open(
        watched: &Watched,
        schema: &Schema,
        headerless: bool,
    ) -> Result<Self, DataError> {
        let layout = &schema.layout;
        let name = watched.name.clone();
        let form = Form::of(watched, layout)?;
        let mut head = Vec::new();
        form.text(watched)?
            .take(HEAD)
            .read_to_end(&mut head)
            .map_err(|error| failed(error, &name))?;
        let (separator, table) = match separator(&head) {
            Some((sign, behind)) => (Some(sign), behind),
            None => (None, head.as_slice()),
        };
        let skipped = u64::from(separator.is_some());
        let told = layout.delimiter.or(separator);
        agrees(separator, layout).map_err(|error| error.in_file(&name).at_line(1))?;
        let delimiter = match told {
            Some(delimiter) => delimiter,
            None => delimiter(table, schema, headerless).map_err(|error| error.in_file(&name))?,
        };
        if let Some((line, fault)) = scan(
            &mut table_of(watched, &form, skipped)?,
            delimiter,
            layout.quote,
        )
        .map_err(|error| failed(error, &name))?
        {
            return Err(fault.said(&name, line + skipped));
        }
        let mut rows = Self {
            reader: reader(table_of(watched, &form, skipped)?, delimiter, layout),
            name,
            skipped,
            header: None,
            width: None,
            begun: false,
            seen: seen(&form, told, separator, delimiter),
            delimiter,
        };
        if !headerless {
            rows.header = Some(rows.read_header(schema, form)?);
        }
        Ok(rows)
    }

    fn read_header(&mut self, schema: &Schema, form: Form) -> Result<Header, DataError> {
        let mut first = csv::ByteRecord::new();
        let Some(line) = self.next(&mut first)? else {
            return Err(empty(&self.name, "the file is empty"));
        };
        let names: Vec<String> = first
            .iter()
            .map(|cell| String::from_utf8_lossy(cell).trim().to_string())
            .collect();
        let header = Header::new(&self.name, line, names, schema);
        let doubt = misread(&first, form).or_else(|| match header.is_sure() {
            true => None,
            false => misparted(&first, self.delimiter, schema.layout.delimiter),
        });
        Ok(header.with_doubt(doubt))
    }
}

impl RowSource for Delimited {
    fn name(&self) -> &str {
        &self.name
    }

    fn place(&self, source: &Source) -> Result<usize, DataError> {
        place_in(self.header.as_ref(), source, &self.name)
    }

    fn next(&mut self, row: &mut csv::ByteRecord) -> Result<Option<u64>, DataError> {
        let more = self.reader.read_byte_record(row);
        // Lines end with one sign, the last one too: the row began as many before this one as it
        // ends and holds.
        let held = row.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let ended = self.skipped + self.reader.position().line();
        let line = ended.saturating_sub(1 + held as u64);
        let more = more.map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => failed(error, &self.name),
            // The reader's own message may quote the row: it is not passed on.
            _ => failed(std::io::Error::other("malformed text"), &self.name).at_line(line),
        })?;
        if !more {
            return Ok(None);
        }
        match self.width {
            Some(width) if width != row.len() => {
                let problem = format!("the row has `{}` cells, the first one `{width}`", row.len());
                let fix = match row.len() {
                    more if more == width + 1 && self.header.is_some() && !self.begun => NAMED,
                    less if less < width => SHORT,
                    _ => RAGGED,
                };
                Err(DataError::new(Code::RaggedRow, problem, fix)
                    .in_file(&self.name)
                    .at_line(line))
            }
            _ => {
                self.begun = self.width.is_some();
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

    fn names(&self) -> Option<&[String]> {
        self.header.as_ref().map(Header::names)
    }

    fn delimiter(&self) -> Option<u8> {
        Some(self.delimiter)
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
        text.by_ref()
            .take(HEAD)
            .read_until(b'\n', &mut Vec::new())
            .map_err(|error| failed(error, &watched.name))?;
    }
    Ok(text)
}

/// The delimiter that Excel writes above a table, a line `sep=;`, and what stands behind it.
fn separator(text: &[u8]) -> Option<(u8, &[u8])> {
    let mut parts = text.splitn(2, |byte| *byte == b'\n');
    let line = parts.next()?;
    let behind = parts.next()?;
    match line.trim_ascii_start() {
        [s, e, p, b'=', sign] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => Some((*sign, behind)),
        _ => None,
    }
}

/// Whether a `sep=` line agrees with the schema.
fn agrees(separator: Option<u8>, layout: &Layout) -> Result<(), DataError> {
    let (problem, fix) = match separator {
        Some(_) if layout.delimiter.is_some() && separator != layout.delimiter => (
            "the `sep=` line names another delimiter than the schema",
            "take one of them out",
        ),
        Some(_) if separator == layout.quote => (
            "the `sep=` line names the sign of quotes",
            "correct that line, or declare another `quote` under `[source]` of the schema",
        ),
        _ => return Ok(()),
    };
    Err(DataError::new(Code::SchemaMismatch, problem, fix))
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

/// Letters of another encoding, which may be why a header is not found.
fn misread(first: &csv::ByteRecord, form: Form) -> Option<&'static str> {
    if std::str::from_utf8(first.as_slice()).is_err() {
        return Some(
            "the header is not UTF-8, it looks like one byte a letter: declare `encoding = \
             \"windows-1252\"` (western Europe) or another under `[source]` of the schema; what \
             Excel saved as `CSV (MS-DOS)` save anew as `CSV UTF-8`",
        );
    }
    first.iter().any(|name| form.is_utf8(name)).then_some(
        "the header looks like UTF-8 that is read as another encoding: take `encoding` out of \
         `[source]` of the schema",
    )
}

/// Another delimiter, which may be why. A name may hold a comma; with `;` or a tab in it, or with
/// any where it is the only one, the row is parted by that.
fn misparted(first: &csv::ByteRecord, delimiter: u8, declared: Option<u8>) -> Option<&'static str> {
    let signs: &[u8] = match first.len() {
        1 => b";,\t|",
        _ => b";\t",
    };
    let mut parts = first.as_slice().iter().filter(|sign| signs.contains(sign));
    parts
        .any(|sign| *sign != delimiter)
        .then_some(match declared {
            Some(_) => {
                "a name of the first line holds what may be its delimiter: that is another than \
             `delimiter` under `[source]` of the schema"
            }
            None => {
                "a name of the first line holds what may be its delimiter: declare its `delimiter` \
             under `[source]` of the schema"
            }
        })
}

/// `;` or tab where the first row has more of them outside quotes than commas. A row of numbers
/// may hold decimal commas, so there one is enough.
///
/// # Errors
/// `schema_mismatch` where the row is one of numbers, the comma their decimal mark, and there is
/// neither `;` nor tab: a comma that parts cells would make two numbers of one.
fn delimiter(table: &[u8], schema: &Schema, headerless: bool) -> Result<u8, DataError> {
    let row = first_row(table, schema.layout.quote);
    let [tabs, semicolons, commas] = [b'\t', b';', b','].map(|sign| {
        let of_it = row.iter().filter(|byte| **byte == sign);
        (sign, of_it.count())
    });
    let most = |one: (u8, usize)| one.1 > 0 && (headerless || one.1 > commas.1);
    match (most(tabs), most(semicolons)) {
        (true, false) => Ok(tabs.0),
        (true, true) if tabs.1 > semicolons.1 => Ok(tabs.0),
        (_, true) => Ok(semicolons.0),
        (false, false) if !has_decimal_commas(schema) => Ok(commas.0),
        // One name and nothing that parts: below it a comma is a decimal mark.
        (false, false) if !headerless && commas.1 == 0 => Ok(semicolons.0),
        (false, false) if headerless => {
            let problem = "the file has no header and decimal commas, and its first line neither \
                           `;` nor a tab: what parts its cells cannot be seen";
            let fix = "declare its `delimiter` under `[source]` of the schema; for a single column \
                       write \";\"";
            Err(DataError::new(Code::SchemaMismatch, problem, fix))
        }
        (false, false) => Ok(commas.0),
    }
}

fn has_decimal_commas(schema: &Schema) -> bool {
    let columns = schema.columns.values().map(|column| column.marks);
    let mut marks = columns.chain([schema.layout.marks]);
    marks.any(|marks| marks.decimal() == Decimal::Comma)
}

/// What stands outside quotes in the first row that is not empty. A quote that opens and has no
/// end is a letter.
fn first_row(table: &[u8], quote: Option<u8>) -> Vec<u8> {
    let mut outside = Vec::new();
    let mut inside = false;
    let mut before = b'\n';
    for byte in table.iter().skip_while(|byte| **byte == b'\n') {
        let opens = matches!(before, b'\n' | b'\t' | b';' | b',') || Some(before) == quote;
        match *byte {
            sign if Some(sign) == quote && (inside || opens) => inside = !inside,
            b'\n' if !inside => return outside,
            sign if !inside => outside.push(sign),
            _ => {}
        }
        before = *byte;
    }
    match inside {
        true => first_row(table, None),
        false => outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(source: &str, column: &str) -> Schema {
        let text = format!(
            "[dataset]\nname = \"d\"\n[source]\n{source}\n[columns.x]\ntype = \"float\"\n{column}\n"
        );
        Schema::parse(&text).unwrap()
    }

    #[test]
    fn the_delimiter_is_seen_in_the_first_row() {
        let header = schema("", "");
        let numbers = schema("", "source = 1");
        let commas = schema("decimal = \",\"", "source = 1");
        let comma = schema("", "source = 1\ndecimal = \",\"");
        let named = schema("decimal = \",\"", "");
        for (table, schema, seen) in [
            ("age,sex\n", &header, b','),
            ("age;sex\n", &header, b';'),
            ("age\tsex\n", &header, b'\t'),
            ("age (a, b)\tsex\tx\n", &header, b'\t'),
            ("\"age; years\",sex\n", &header, b','),
            ("age\n", &header, b','),
            ("\"Patient\nno.\";\"Age\"\n1,2,3;4\n", &header, b';'),
            ("\"a \"\"b\n, c\"\" ,\";d\n", &header, b';'),
            ("\n\nage;sex\n1,5;2\n", &header, b';'),
            ("\"age;sex\n1,5,6;2\n", &header, b';'),
            ("tube 5\";sex\n1,5,\"6;2\n", &header, b';'),
            ("1,5;2,5\n", &numbers, b';'),
            ("1,5\t2,5\n", &numbers, b'\t'),
            ("1,5\n", &numbers, b','),
            ("\n1,5;2,5\n", &commas, b';'),
            ("1,5;2,5\n", &comma, b';'),
            ("days\n1,5\n", &named, b';'),
            ("days,x\n\"1,5\",2\n", &named, b','),
        ] {
            assert_eq!(
                delimiter(table.as_bytes(), schema, schema.headerless()),
                Ok(seen),
                "{table}"
            );
        }
        for (table, schema) in [
            ("1,5\n2,5\n", &commas),
            ("1,5 2,5\n", &comma),
            ("1\n2,5\n", &commas),
        ] {
            let error = delimiter(table.as_bytes(), schema, schema.headerless()).unwrap_err();
            assert_eq!(error.kind(), Code::SchemaMismatch, "{table}");
        }
    }

    #[test]
    fn the_line_that_names_the_delimiter_is_told_from_a_header() {
        assert_eq!(separator(b"sep=;\nx;y\n"), Some((b';', &b"x;y\n"[..])));
        assert_eq!(separator(b"SEP=\t\n"), Some((b'\t', &b""[..])));
        for header in ["\nsep=;\n", "sep;x\n", "sep=\n", "sep=;x\n", "step=;\n"] {
            assert_eq!(separator(header.as_bytes()), None, "{header}");
        }
    }
}
