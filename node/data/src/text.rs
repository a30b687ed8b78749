//! A file's bytes as text: unpacked where they are gzip, in UTF-8 whatever
//! they were written in, and with one kind of line end, so that lines are
//! counted alike everywhere. It is read piece by piece, and no second copy
//! of a file is made.

use crate::error::{Code, DataError};
use crate::schema::Layout;
use crate::watched::Watched;
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use flate2::bufread::GzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

/// How much of a file is looked at to see what it is.
const HEAD: u64 = 4096;
/// What is read at a time.
const PIECE: usize = 16 * 1024;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What begins like this is no delimited text; what it is, and what to do.
const OTHERS: [(&[u8], &str, &str); 3] = [
    (
        b"PK\x03\x04",
        "an Excel workbook (or another zip file) that is packed with gzip",
        "unpack it: a workbook is packed already",
    ),
    (
        &[0xd0, 0xcf, 0x11, 0xe0],
        "an Excel workbook of the old kind (.xls), or one with a password",
        "save it as .xlsx without a password, or its sheet as `CSV UTF-8`",
    ),
    (
        b"SQLite format 3\0",
        "a database",
        "export the table as CSV",
    ),
];
/// The same, where a byte follows that no text has: a header may begin with these letters.
const BINARY: [(&[u8], &str, &str); 5] = [
    (b"PAR1", "a Parquet file", "export the table as CSV"),
    (b"$FL2", "an SPSS file (.sav)", "export the table as CSV"),
    (b"$FL3", "an SPSS file (.zsav)", "export the table as CSV"),
    (
        b"BZh",
        "packed with bzip2",
        "unpack it, or pack it with gzip",
    ),
    (
        b"\xfd7zXZ",
        "packed with xz",
        "unpack it, or pack it with gzip",
    ),
];
/// Texts that are no table, in small letters: what programs give the name of an Excel file.
const PAGES: [(&str, &str); 4] = [
    ("<!doctype html", "a web page"),
    ("<html", "a web page"),
    ("<table", "a web page"),
    ("<?xml", "XML"),
];
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What a file turned out to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// Whether it is packed with gzip.
    pub(crate) gzip: bool,
    /// How its letters are written; none is UTF-8.
    encoding: Option<&'static Encoding>,
    /// Whether it begins with the mark of UTF-8.
    marked: bool,
}

impl Form {
    /// Looks at the first bytes, and holds them against what the schema
    /// says.
    ///
    /// # Errors
    /// `not_text` where they are those of another kind of file or of another encoding.
    pub(crate) fn of(watched: &Watched, layout: &Layout) -> Result<Self, DataError> {
        let packed = head(BufReader::new(raw(watched)?), watched)?.starts_with(&GZIP);
        let head = head(content(watched, packed)?, watched)?;
        let is_binary = head
            .iter()
            .any(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace());
        let binary = BINARY.iter().filter(|_| is_binary);
        for (magic, what, fix) in OTHERS.iter().chain(binary) {
            if head.starts_with(magic) {
                return Err(not_text(watched, format!("the file is {what}"), fix));
            }
        }
        if let Some(what) = page(&head) {
            let fix = "open it in Excel or LibreOffice, and save it as .xlsx or as `CSV UTF-8`";
            let problem = format!("the file is {what}, whatever its name says");
            return Err(not_text(watched, problem, fix));
        }
        let declared = layout.encoding.unwrap_or(UTF_8);
        let wide = match head.get(..2) {
            Some([0xff, 0xfe]) => Some(UTF_16LE),
            Some([0xfe, 0xff]) => Some(UTF_16BE),
            _ => None,
        };
        let marked = head.starts_with(&MARK);
        let is_wide = [UTF_16LE, UTF_16BE].contains(&declared);
        let first = head.split(|byte| *byte == b'\n').next();
        let has_zeros = first.is_some_and(|line| line.contains(&0));
        let fault = match (wide, is_wide) {
            (Some(_), false) => Some((
                "the file is UTF-16 text",
                "declare `encoding = \"utf-16\"` under `[source]` of the schema",
            )),
            (None, true) if !has_zeros && !head.is_empty() => Some((
                "the schema declares UTF-16, and the file is not",
                "correct `encoding` under `[source]` of the schema",
            )),
            (None, false) if has_zeros => Some((
                "there are zero bytes in the first line: it is UTF-16 without a mark, or no text",
                "declare `encoding = \"utf-16\"` under `[source]` of the schema, or export CSV",
            )),
            _ if marked && declared != UTF_8 => Some((
                "the file begins with the mark of UTF-8, and the schema declares another encoding",
                "take `encoding` out of the schema",
            )),
            _ => None,
        };
        match fault {
            Some((problem, fix)) => Err(not_text(watched, problem, fix)),
            None => Ok(Self {
                gzip: packed,
                encoding: wide.or(layout.encoding.filter(|declared| *declared != UTF_8)),
                marked,
            }),
        }
    }

    /// Whether a text that was read in an encoding of one byte a letter is one in UTF-8, each
    /// letter with an accent as two.
    pub(crate) fn is_utf8(&self, text: &[u8]) -> bool {
        let single = self.encoding.filter(|encoding| encoding.is_single_byte());
        let (Some(encoding), Ok(text)) = (single, std::str::from_utf8(text)) else {
            return false;
        };
        let (bytes, _, lossy) = encoding.encode(text);
        !text.is_ascii() && !lossy && std::str::from_utf8(&bytes).is_ok()
    }

    /// The text from its first letter, by one reader at a time.
    pub(crate) fn text(&self, watched: &Watched) -> Result<BufReader<Text>, DataError> {
        let mut content = content(watched, self.gzip)?;
        if self.marked {
            let mut mark = MARK;
            content
                .read_exact(&mut mark)
                .map_err(|error| failed(error, &watched.name))?;
        }
        let inner: Box<dyn BufRead> = match self.encoding {
            Some(encoding) => Box::new(BufReader::with_capacity(
                PIECE,
                Decoded {
                    inner: content,
                    decoder: encoding.new_decoder_with_bom_removal(),
                    finished: false,
                    fault: None,
                    name: watched.name.clone(),
                },
            )),
            None => content,
        };
        Ok(BufReader::with_capacity(PIECE, Text::new(inner)))
    }
}

/// What became of reading: our own words where a part of the way said them,
/// and else only the kind, for a message may quote the file.
pub(crate) fn failed(error: std::io::Error, name: &str) -> DataError {
    let kind = error.kind();
    error.downcast::<DataError>().unwrap_or_else(|_| {
        let problem = format!("reading failed ({kind})");
        let fix = "check the file and try again";
        DataError::new(Code::FileUnreadable, problem, fix).in_file(name)
    })
}

/// What page a text is, if it is one.
fn page(head: &[u8]) -> Option<&'static str> {
    let text = head.strip_prefix(&MARK).unwrap_or(head).trim_ascii_start();
    let found = PAGES.iter().find(|(first, _)| {
        let begin = text.get(..first.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(first.as_bytes()))
    });
    found.map(|(_, what)| *what)
}

fn not_text(watched: &Watched, problem: impl Into<String>, fix: &str) -> DataError {
    DataError::new(Code::NotText, problem, fix)
        .in_file(&watched.name)
        .at_line(1)
}

fn raw(watched: &Watched) -> Result<File, DataError> {
    watched
        .reader()
        .map_err(DataError::unreadable(&watched.name))
}

/// The file's bytes, unpacked.
fn content(watched: &Watched, gzip: bool) -> Result<Box<dyn BufRead>, DataError> {
    let raw = BufReader::with_capacity(PIECE, raw(watched)?);
    if !gzip {
        return Ok(Box::new(raw));
    }
    let unpacked = Unpacked {
        inner: Some(GzDecoder::new(raw)),
        name: watched.name.clone(),
    };
    Ok(Box::new(BufReader::with_capacity(PIECE, unpacked)))
}

fn head(content: impl BufRead, watched: &Watched) -> Result<Vec<u8>, DataError> {
    let mut head = Vec::new();
    content
        .take(HEAD)
        .read_to_end(&mut head)
        .map_err(|error| match error.kind() {
            // A folder opens like a file, and refuses at the first byte.
            ErrorKind::IsADirectory => DataError::unreadable(&watched.name)(error),
            _ => failed(error, &watched.name),
        })?;
    Ok(head)
}

/// What a gzip file holds, in one part or several.
struct Unpacked {
    inner: Option<GzDecoder<BufReader<File>>>,
    name: String,
}

impl Unpacked {
    fn unpack(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(part) = &mut self.inner {
            let read = part.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.inner = match self.inner.take() {
                Some(part) => next_part(part.into_inner())?,
                None => None,
            };
        }
        Ok(0)
    }
}

/// The part behind one that has ended. Zeros between or behind them only fill a tape or a block.
fn next_part(mut packed: BufReader<File>) -> std::io::Result<Option<GzDecoder<BufReader<File>>>> {
    loop {
        let piece = packed.fill_buf()?;
        let zeros = piece.iter().take_while(|byte| **byte == 0).count();
        match (piece.len(), zeros) {
            (0, _) => return Ok(None),
            (_, 0) => return Ok(Some(GzDecoder::new(packed))),
            _ => packed.consume(zeros),
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.unpack(buffer).map_err(|error| {
            let (code, problem, fix) = match error.kind() {
                ErrorKind::UnexpectedEof => (
                    Code::FileChanging,
                    "the packed file ends in the middle: it is half an export",
                    "nothing was taken; run again when the export is finished",
                ),
                ErrorKind::InvalidInput | ErrorKind::InvalidData => (
                    Code::FileUnreadable,
                    "the packed file is damaged (its gzip data do not fit its own checksum)",
                    "nothing was taken; copy or export it again",
                ),
                _ => return error,
            };
            std::io::Error::other(DataError::new(code, problem, fix).in_file(&self.name))
        })
    }
}

/// Text of another encoding, in UTF-8.
struct Decoded {
    inner: Box<dyn BufRead>,
    decoder: Decoder,
    finished: bool,
    /// What is wrong behind the text that was given last.
    fault: Option<std::io::Error>,
    name: String,
}

impl Decoded {
    fn malformed(&self, last: bool) -> std::io::Error {
        let (code, problem) = match last {
            true => (
                Code::FileChanging,
                "the text ends in the middle of a letter: it is half an export",
            ),
            false => (Code::NotText, "these bytes are no text in the encoding"),
        };
        let fix = "correct `encoding` under `[source]` of the schema, or export again";
        std::io::Error::other(DataError::new(code, problem, fix).in_file(&self.name))
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while !self.finished && !buffer.is_empty() {
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            let piece = self.inner.fill_buf()?;
            let last = piece.is_empty();
            let (result, read, written) = self
                .decoder
                .decode_to_utf8_without_replacement(piece, buffer, last);
            self.inner.consume(read);
            match result {
                // Good text before it comes first, and with it the line.
                DecoderResult::Malformed(..) => self.fault = Some(self.malformed(last)),
                DecoderResult::InputEmpty => self.finished = last,
                DecoderResult::OutputFull if written == 0 => {
                    return Err(std::io::Error::from(ErrorKind::InvalidInput));
                }
                DecoderResult::OutputFull => {}
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// Text whose lines all end with a line feed, the last one too, whether
/// they ended with that, with both signs of Windows or with the carriage
/// return of old Macs.
pub(crate) struct Text {
    inner: Box<dyn BufRead>,
    /// The last byte of the file so far.
    after: Option<u8>,
    /// Whether the last line has its end, when the end was reached.
    ended: Option<bool>,
    /// The line that is being read, from 1.
    line: u64,
}

impl Text {
    fn new(inner: Box<dyn BufRead>) -> Self {
        Self {
            inner,
            after: None,
            ended: None,
            line: 1,
        }
    }

    /// Whether the file's last line has its end: where it has none, the
    /// file may have been cut off, in the middle of a number too. To be
    /// asked when everything is read.
    pub(crate) fn is_ended(&self) -> bool {
        debug_assert!(self.ended.is_some(), "everything was read");
        self.ended != Some(false)
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let room = buffer.len();
        while self.ended.is_none() && room > 0 {
            let mut slots = buffer.iter_mut();
            let line = self.line;
            let piece = self
                .inner
                .fill_buf()
                .map_err(|error| in_line(error, line))?;
            if piece.is_empty() {
                let ended = matches!(self.after, None | Some(b'\n' | b'\r'));
                self.ended = Some(ended);
                if let Some(slot) = slots.next().filter(|_| !ended) {
                    *slot = b'\n';
                    return Ok(1);
                }
                return Ok(0);
            }
            let mut read = 0;
            for byte in piece {
                if *byte == b'\n' && self.after == Some(b'\r') {
                    // The second sign of one line end.
                } else if let Some(slot) = slots.next() {
                    *slot = if *byte == b'\r' { b'\n' } else { *byte };
                    self.line += u64::from(*slot == b'\n');
                } else {
                    break;
                }
                self.after = Some(*byte);
                read += 1;
            }
            let written = room - slots.len();
            self.inner.consume(read);
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

/// What a part of the way said is wrong, with the line in which it is.
fn in_line(error: std::io::Error, line: u64) -> std::io::Error {
    match error.downcast::<DataError>() {
        Ok(error) => std::io::Error::other(error.at_line(line)),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], piece: usize) -> (String, bool) {
        let mut read = Text::new(Box::new(BufReader::with_capacity(
            piece,
            std::io::Cursor::new(text.to_vec()),
        )));
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        (text, read.is_ended())
    }

    #[test]
    fn every_kind_of_line_end_is_one() {
        for (text, plain, ended) in [
            ("a\nb\n", "a\nb\n", true),
            ("a\r\nb\r\n", "a\nb\n", true),
            ("a\rb\r", "a\nb\n", true),
            ("a\r\n\r\nb", "a\n\nb\n", false),
            ("a\r\rb\n\n", "a\n\nb\n\n", true),
            ("", "", true),
        ] {
            for piece in [1, 2, 3, 100] {
                assert_eq!(
                    lines(text.as_bytes(), piece),
                    (plain.to_owned(), ended),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn letters_cut_between_two_pieces_are_decoded() {
        let text = "Größe;µmol/L;€\r\n".repeat(50);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let single = encoding_rs::WINDOWS_1252.encode(&text).0.into_owned();
        for (bytes, encoding) in [(wide, UTF_16LE), (single, encoding_rs::WINDOWS_1252)] {
            for piece in [1, 3, 7] {
                let inner = BufReader::with_capacity(piece, std::io::Cursor::new(bytes.clone()));
                let decoded = Decoded {
                    inner: Box::new(inner),
                    decoder: encoding.new_decoder_with_bom_removal(),
                    finished: false,
                    fault: None,
                    name: "t".to_owned(),
                };
                let mut read = String::new();
                let mut text_of = Text::new(Box::new(BufReader::with_capacity(16, decoded)));
                text_of.read_to_string(&mut read).unwrap();
                assert_eq!(read, text.replace("\r\n", "\n"));
            }
        }
    }
}
