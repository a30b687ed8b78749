//! One walk over a file's bytes before any row is held in memory: rows too large to be rows, and
//! quotes that take in patients.

use crate::error::{Code, DataError};
use std::io::BufRead;

/// The largest row, line ends in its cells counted: a hundred thousand cells of 160 letters. A packed file
/// of some hundred bytes may hold a line without an end, and who reads rows holds each as a whole.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The most cells of a row: as many as a schema may number.
const MAX_CELLS: usize = 100_000;

/// Why a file cannot be read row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A quoted cell holds line ends, and other text than the next cell follows its closing quote,
    /// or none closes it.
    Unfit,
    /// A quoted cell holds line ends, and each of its lines has the delimiters of a row.
    Rows,
    /// A row of more than [`MAX_BYTES`].
    Bytes,
    /// A row of more than [`MAX_CELLS`].
    Cells,
}

impl Fault {
    /// What is wrong in this file.
    pub(crate) fn said(self, file: &str, line: u64) -> DataError {
        let (code, problem, fix) = match self {
            Self::Unfit => (
                Code::RaggedRow,
                "a quoted cell that begins here takes in whole lines, and no end of the quote fits"
                    .to_owned(),
                "double a quote inside a text (\"\") or remove it; nothing of the file was taken",
            ),
            Self::Rows => (
                Code::RaggedRow,
                "a quoted cell that begins here takes in lines that look like rows of their own"
                    .to_owned(),
                "double a quote that is part of a text (\"\") or remove it, or declare \
                 `quote = \"\"` where quotes are letters; of a text that is meant so take out the \
                 line ends; nothing of the file was taken",
            ),
            Self::Bytes => (
                Code::FileUnreadable,
                format!("a row of more than {} MiB begins here", MAX_BYTES >> 20),
                "look at the line ends and the quotes of the export; nothing was taken",
            ),
            Self::Cells => (
                Code::FileUnreadable,
                format!("a row of more than {MAX_CELLS} cells begins here"),
                "give an extract of fewer columns, or correct `delimiter`; nothing was taken",
            ),
        };
        DataError::new(code, problem, fix)
            .in_file(file)
            .at_line(line)
    }
}

/// Walks to the end of the text, or to the first fault and the line in which it begins.
pub(crate) fn scan(
    text: &mut impl BufRead,
    delimiter: u8,
    quote: Option<u8>,
) -> std::io::Result<Option<(u64, Fault)>> {
    walk(text, delimiter, quote, MAX_BYTES)
}

fn walk(
    text: &mut impl BufRead,
    delimiter: u8,
    quote: Option<u8>,
    largest: usize,
) -> std::io::Result<Option<(u64, Fault)>> {
    let mut walk = Walk {
        delimiter,
        quote,
        largest,
        line: 1,
        at: At::Start,
        row: Row::beginning(1),
    };
    loop {
        let piece = text.fill_buf()?;
        if piece.is_empty() {
            return Ok(match walk.at {
                At::Quoted(cell) => Some((cell.began, Fault::Unfit)),
                _ => None,
            });
        }
        if let Some(fault) = piece.iter().find_map(|byte| walk.step(*byte)) {
            return Ok(Some(fault));
        }
        let read = piece.len();
        text.consume(read);
    }
}

/// Where the byte before stands.
#[derive(Clone, Copy)]
enum At {
    /// At the beginning of a cell.
    Start,
    /// In a cell without quotes, or behind a closed one.
    Plain,
    /// In a quoted cell.
    Quoted(Quoted),
    /// Behind a quote in such a cell: its end, or the first half of a doubled one.
    Quote(Quoted),
}

/// A quoted cell and the delimiters in its lines.
#[derive(Clone, Copy)]
struct Quoted {
    /// The line in which it began.
    began: u64,
    /// Cells before it in its row.
    before: usize,
    /// Delimiters of its first line, once that has ended.
    first: Option<usize>,
    /// The fewest delimiters of a line between its first and its last; empty ones are no rows.
    least: usize,
    /// Delimiters of its last line so far, and whether that is empty.
    last: usize,
    empty: bool,
}

impl Quoted {
    fn beginning(began: u64, before: usize) -> Self {
        Self {
            began,
            before,
            first: None,
            least: usize::MAX,
            last: 0,
            empty: true,
        }
    }

    fn has_lines(&self) -> bool {
        self.first.is_some()
    }

    fn with(mut self, is_delimiter: bool) -> Self {
        self.last += usize::from(is_delimiter);
        self.empty = false;
        self
    }

    fn with_line_end(mut self) -> Self {
        if self.first.is_none() {
            self.first = Some(self.last);
        } else if !self.empty {
            self.least = self.least.min(self.last);
        }
        self.last = 0;
        self.empty = true;
        self
    }

    /// The cells of the widest rows that its lines may be. A quote that takes in rows is closed
    /// by one of a later row, at its own place or further on: before the first line end stand the
    /// delimiters that its row still lacks, behind the last one those up to its place, and in
    /// between whole rows. Of two that a row takes in so, this is true of one at least.
    fn widest(&self) -> usize {
        match self.first {
            Some(first) if self.last >= self.before => self.least.min(first + self.before) + 1,
            _ => 0,
        }
    }
}

/// A row so far.
struct Row {
    began: u64,
    bytes: usize,
    /// Delimiters outside quotes.
    delimiters: usize,
    /// The cells of the widest rows that lines of a quoted cell may be, and where it began.
    taken: (usize, u64),
}

impl Row {
    fn beginning(line: u64) -> Self {
        Self {
            began: line,
            bytes: 0,
            delimiters: 0,
            taken: (0, line),
        }
    }

    fn take(&mut self, cell: &Quoted) {
        if cell.widest() > self.taken.0 {
            self.taken = (cell.widest(), cell.began);
        }
    }

    /// What is wrong with it at its end. A row of one cell has no delimiters to tell it by.
    fn fault(&self) -> Option<(u64, Fault)> {
        let width = self.delimiters + 1;
        (width > 1 && self.taken.0 >= width).then_some((self.taken.1, Fault::Rows))
    }
}

struct Walk {
    delimiter: u8,
    quote: Option<u8>,
    /// The bytes of the largest row.
    largest: usize,
    line: u64,
    at: At,
    row: Row,
}

impl Walk {
    fn step(&mut self, byte: u8) -> Option<(u64, Fault)> {
        let ends = byte == b'\n';
        let parts = byte == self.delimiter;
        let quotes = Some(byte) == self.quote;
        let before = self.at;
        self.at = match before {
            At::Quoted(cell) if quotes => At::Quote(cell),
            At::Quoted(cell) if ends => At::Quoted(cell.with_line_end()),
            At::Quoted(cell) => At::Quoted(cell.with(parts)),
            At::Quote(cell) if quotes => At::Quoted(cell.with(false)),
            At::Quote(cell) if parts || ends => {
                self.row.take(&cell);
                At::Start
            }
            At::Quote(cell) if cell.has_lines() => return Some((cell.began, Fault::Unfit)),
            At::Start if quotes => At::Quoted(Quoted::beginning(self.line, self.row.delimiters)),
            _ if parts || ends => At::Start,
            _ => At::Plain,
        };
        let inside = matches!(self.at, At::Quoted(_) | At::Quote(_));
        self.line += u64::from(ends);
        if ends && !inside {
            let row = std::mem::replace(&mut self.row, Row::beginning(self.line));
            return row.fault();
        }
        self.row.bytes += 1;
        self.row.delimiters += usize::from(parts && !inside);
        self.too_large()
    }

    fn too_large(&self) -> Option<(u64, Fault)> {
        let large = self.row.bytes > self.largest;
        match self.at {
            // A quote without an end makes a row of the whole file behind it.
            At::Quoted(cell) if large && cell.has_lines() => Some((cell.began, Fault::Unfit)),
            _ if large => Some((self.row.began, Fault::Bytes)),
            _ if self.row.delimiters >= MAX_CELLS => Some((self.row.began, Fault::Cells)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<(u64, Fault)> {
        scan(&mut text.as_bytes(), b',', Some(b'"')).unwrap()
    }

    #[test]
    fn a_quote_that_swallows_lines_is_named_by_the_line_in_which_it_begins() {
        for sound in [
            "id,note\n1,\"line one\nline two\"\n2,ok\n",
            "id,note\n1,\"5\"\" tube\nand more\"\n2,5\" tube\n",
            "id,note\n1,\"ab\" cd\n2,ok\n",
            "id,note\n1,\"last\"",
            "\"one, cell\nand, lines\"\n",
        ] {
            assert_eq!(fault(sound), None, "{sound}");
        }
        for (text, line) in [
            (
                "id,note\n1,ok\n2,\"5 mg, then none\n3,ok\n4,\"halved\n5,ok\n",
                3,
            ),
            ("id,note\n1,ok\n2,\"never closed\n3,ok\n", 3),
        ] {
            assert_eq!(fault(text), Some((line, Fault::Unfit)), "{text}");
        }
    }

    #[test]
    fn a_closed_quote_that_takes_in_rows_is_told_from_a_note_of_several_lines() {
        for (swallowed, line) in [
            ("id,note,age\n1,\",63\n2,\",64\n3,x,70\n", 2),
            ("id,note,age\n1,\"none,63\n2,tube 7\",64\n", 2),
            ("id,note,age\n0,x,5\n1,\",63\n2,x,64\n\n3,\",70\n", 3),
            ("note,id,age\n\"a,1,63\n\"\"x,2,64\nb\",3,70\n", 2),
            ("id,age,note\n1,63,\"a\n2,64,b\"\n", 2),
            // Two of them in one row, each closed at another place than its own.
            ("id,a,b,age\n1,\",x,63\n2,y,\",\"\n3,v,\",70\n", 2),
            ("1,\",63\n2,\",64\n", 1),
        ] {
            assert_eq!(fault(swallowed), Some((line, Fault::Rows)), "{swallowed}");
        }
        for sound in [
            "id,note,age\n1,\"seen today, stable, home\nnext visit monday\",63\n",
            "id,note,age\n1,\"a\nb, c\",63\n2,\"x, y\n\nz\",64\n",
            "\"Patient\nno.\",\"Age, years\",sex\n1,63,m\n",
        ] {
            assert_eq!(fault(sound), None, "{sound}");
        }
    }

    #[test]
    fn a_row_has_an_end_to_its_letters_and_cells() {
        let largest = 2 * MAX_CELLS;
        let long = "x".repeat(largest);
        let wide = ",".repeat(MAX_CELLS - 1);
        for (row, quoted, plain) in [
            (format!("{long}\n"), None, None),
            (format!("{long}x\n"), Some(Fault::Bytes), Some(Fault::Bytes)),
            (
                format!("a,\"{long}\"\n"),
                Some(Fault::Bytes),
                Some(Fault::Bytes),
            ),
            (format!("\"\n{long}\n"), Some(Fault::Unfit), None),
            (format!("{wide}\n"), None, None),
            (format!("{wide},\n"), Some(Fault::Cells), Some(Fault::Cells)),
        ] {
            let text = format!("a,b\n{row}");
            for (quote, kind) in [(Some(b'"'), quoted), (None, plain)] {
                let found = walk(&mut text.as_bytes(), b',', quote, largest).unwrap();
                assert_eq!(found, kind.map(|kind| (2, kind)));
            }
        }
    }
}
