//! XML as workbooks have it, tag by tag and text by text,
//! in pieces of bounded length. There are no names of one's
//! own (`<!DOCTYPE`), and prefixes of names are not looked
//! at.

use crate::error::{Code, DataError};
use std::borrow::Cow;
use std::io::{BufRead, Error, Result};

/// The longest tag or text. A cell of Excel has 32,767
/// letters, of up to twelve bytes each where they are
/// written as numbers.
const LONGEST: usize = 1024 * 1024;

/// What comes next.
pub(crate) enum Event<'b> {
    /// A tag opens.
    Open(Tag<'b>),
    /// The tag of this name closes.
    Close(&'b str),
    /// A text, or a piece of one.
    Text(Cow<'b, str>),
    /// There is no more.
    End,
}

/// A tag's name without its prefix, and its attributes.
pub(crate) struct Tag<'b> {
    pub(crate) name: &'b str,
    attributes: &'b str,
}

impl<'b> Tag<'b> {
    fn of(text: &'b str) -> Self {
        let text = text.strip_suffix('/').unwrap_or(text);
        let end = text.find(|c: char| c.is_ascii_whitespace());
        let (name, attributes) = text.split_at(end.unwrap_or(text.len()));
        Self {
            name: local(name),
            attributes,
        }
    }

    /// An attribute's text, by its name without prefix.
    pub(crate) fn get(&self, wanted: &str) -> Option<Cow<'b, str>> {
        let mut rest = self.attributes;
        loop {
            let (name, behind) = rest.split_once('=')?;
            let behind = behind.trim_ascii_start();
            let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, more) = behind.get(1..)?.split_once(quote)?;
            if local(name.trim_ascii()) == wanted {
                return plain(value);
            }
            rest = more;
        }
    }
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The letters of a text, those written as names or numbers
/// too; nothing where one is none.
fn plain(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('&') {
        return Some(Cow::Borrowed(text));
    }
    let mut pieces = text.split('&');
    let mut plain = pieces.next()?.to_owned();
    for piece in pieces {
        let (name, behind) = piece.split_once(';')?;
        plain.push(letter(name)?);
        plain.push_str(behind);
    }
    Some(Cow::Owned(plain))
}

fn letter(name: &str) -> Option<char> {
    let number = name.strip_prefix('#');
    let code = match (
        name,
        number,
        number.and_then(|n| n.strip_prefix(['x', 'X'])),
    ) {
        ("lt", ..) => return Some('<'),
        ("gt", ..) => return Some('>'),
        ("amp", ..) => return Some('&'),
        ("quot", ..) => return Some('"'),
        ("apos", ..) => return Some('\''),
        (.., Some(hex)) => u32::from_str_radix(hex, 16).ok()?,
        (_, Some(decimal), None) => decimal.parse().ok()?,
        _ => return None,
    };
    char::from_u32(code)
}

/// What was read last.
#[derive(Clone, Copy)]
enum What {
    Open,
    Close,
    Text,
    /// A text in which `&` is a letter.
    Bare,
    End,
}

/// A reader of XML.
pub(crate) struct Xml<R> {
    inner: R,
    /// What the last event shows.
    piece: Vec<u8>,
    /// Whether the `<` of a tag was read.
    in_tag: bool,
    /// Whether the last tag closes itself, and was only said to
    /// open.
    closes: bool,
}

impl<R: BufRead> Xml<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            piece: Vec::new(),
            in_tag: false,
            closes: false,
        }
    }

    /// The next tag or text. Comments and instructions to
    /// programs are passed over.
    ///
    /// # Errors
    /// What is wrong with reading, as a [`DataError`] where it
    /// was said here: `file_unreadable` for what is no XML or
    /// too long, `not_text` for what is not UTF-8.
    pub(crate) fn next(&mut self) -> Result<Event<'_>> {
        let what = self.advance()?;
        let text = std::str::from_utf8(&self.piece).map_err(|_| not_utf8())?;
        Ok(match what {
            What::Open => Event::Open(Tag::of(text)),
            What::Close => Event::Close(Tag::of(text.strip_prefix('/').unwrap_or(text)).name),
            What::Text => Event::Text(plain(text).ok_or_else(|| broken("a letter's name"))?),
            What::Bare => Event::Text(Cow::Borrowed(text)),
            What::End => Event::End,
        })
    }

    fn advance(&mut self) -> Result<What> {
        if std::mem::take(&mut self.closes) {
            return Ok(What::Close);
        }
        loop {
            self.piece.clear();
            if !self.in_tag {
                self.in_tag = self.until(b'<')?;
                match (self.piece.is_empty(), self.in_tag) {
                    (false, _) => return Ok(What::Text),
                    (true, false) => return Ok(What::End),
                    (true, true) => {}
                }
            }
            self.tag()?;
            self.in_tag = false;
            match self.piece.as_slice() {
                [b'?', ..] | [b'!', b'-', ..] => {}
                [b'!', b'[', ..] => {
                    let text = self.piece.strip_prefix(b"![CDATA[".as_slice());
                    let text = text.and_then(|text| text.strip_suffix(b"]]"));
                    self.piece = text.ok_or_else(|| broken("a bare text"))?.to_vec();
                    return Ok(What::Bare);
                }
                [b'!', ..] => return Err(broken("it declares names of its own")),
                [b'/', ..] => return Ok(What::Close),
                [.., b'/'] => {
                    self.closes = true;
                    return Ok(What::Open);
                }
                _ => return Ok(What::Open),
            }
        }
    }

    /// Reads a tag to its end. A `>` in quotes, a comment or a
    /// bare text is not one.
    fn tag(&mut self) -> Result<()> {
        let mut quote = None;
        let mut looked = 0;
        loop {
            if !self.until(b'>')? {
                return Err(broken("it ends in a tag"));
            }
            let whole = match self.piece.as_slice() {
                [b'!', b'-', b'-', rest @ ..] => rest.ends_with(b"--"),
                [b'!', b'[', rest @ ..] => rest.ends_with(b"]]"),
                [b'?', rest @ ..] => rest.ends_with(b"?"),
                text => {
                    for byte in text.iter().skip(looked) {
                        quote = match quote {
                            None if matches!(byte, b'"' | b'\'') => Some(*byte),
                            Some(open) if open == *byte => None,
                            same => same,
                        };
                    }
                    looked = text.len();
                    quote.is_none()
                }
            };
            if whole {
                return Ok(());
            }
            self.piece.push(b'>');
        }
    }

    /// Takes what stands before this sign, and passes over the
    /// sign; whether it came.
    fn until(&mut self, sign: u8) -> Result<bool> {
        loop {
            let room = self.inner.fill_buf()?;
            if room.is_empty() {
                return Ok(false);
            }
            let found = room.iter().position(|byte| *byte == sign);
            let taken = found.unwrap_or(room.len());
            if self.piece.len() + taken > LONGEST {
                return Err(broken("a text of more than 1 MiB"));
            }
            self.piece.extend(room.iter().take(taken));
            self.inner.consume(taken + usize::from(found.is_some()));
            if found.is_some() {
                return Ok(true);
            }
        }
    }
}

/// The XML is none.
pub(crate) fn broken(what: &str) -> Error {
    let problem = format!("the workbook cannot be read ({what})");
    let fix = "open it in Excel or LibreOffice and save it \
               anew, or save the sheet as `CSV UTF-8`";
    Error::other(DataError::new(Code::FileUnreadable, problem, fix))
}

fn not_utf8() -> Error {
    let problem = "the workbook's texts are not UTF-8";
    let fix = "open it in Excel or LibreOffice and save it \
               anew";
    Error::other(DataError::new(Code::NotText, problem, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// What is read in pieces of this many bytes.
    fn said(text: &str, piece: usize) -> Result<String> {
        let mut xml = Xml::new(BufReader::with_capacity(piece, text.as_bytes()));
        let mut said = String::new();
        loop {
            said += &match xml.next()? {
                Event::Open(tag) => format!("<{} {:?}>", tag.name, tag.get("r")),
                Event::Close(name) => format!("</{name}>"),
                Event::Text(text) => format!("[{text}]"),
                Event::End => return Ok(said),
            };
        }
    }

    #[test]
    fn tags_and_texts_are_read_however_they_are_written() {
        for (text, read) in [
            ("<a r=\"1\">x</a>", "<a Some(\"1\")>[x]</a>"),
            (
                "<?xml v='1'?><x:a x:r = 'b>\"'/>",
                "<a Some(\"b>\\\"\")></a>",
            ),
            ("<a><!-- <b> -- >--> </a >", "<a None>[ ]</a>"),
            ("<a q='r=2' r='&lt;&#65;&#x42;'/>", "<a Some(\"<AB\")></a>"),
            ("<a>1 &lt; 2 &amp; 3</a>", "<a None>[1 < 2 & 3]</a>"),
            ("<a><![CDATA[<b>&amp;]]></a>", "<a None>[<b>&amp;]</a>"),
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(said(text, piece).unwrap(), read, "{text}");
            }
        }
        for bad in [
            "<a",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
            "<a>&b;</a>",
            "<a r='>",
        ] {
            assert!(said(bad, 3).is_err(), "{bad}");
        }
        assert!(said(&"x".repeat(LONGEST + 1), 100).is_err());
    }
}
