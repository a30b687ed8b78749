//! How a file writes its numbers: the decimal mark, what parts thousands,
//! and the trap between them. `1.838` is one and a bit in one country, and
//! in another a number of days.

use crate::error::{Code, DataError};
use motet_common::study::text::normal_level;
use std::borrow::Cow;

/// What stands between whole and part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// `1.5`
    Point,
    /// `1,5`
    Comma,
}

/// What stands between groups of three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thousands {
    /// `1.838`
    Point,
    /// `1,838`
    Comma,
    /// `1 838`, the space of any width, one that breaks the line or not.
    Space,
    /// `1'838`, the apostrophe straight or curved.
    Apostrophe,
}

impl Decimal {
    /// The words of a schema file.
    pub const WORDS: [(&'static str, Self); 2] = [(".", Self::Point), (",", Self::Comma)];

    fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

impl Thousands {
    /// The words of a schema file.
    pub const WORDS: [(&'static str, Self); 8] = [
        (".", Self::Point),
        (",", Self::Comma),
        (" ", Self::Space),
        ("\u{a0}", Self::Space),
        ("\u{202f}", Self::Space),
        ("\u{2009}", Self::Space),
        ("'", Self::Apostrophe),
        ("\u{2019}", Self::Apostrophe),
    ];

    fn is(self, mark: char) -> bool {
        Self::of(mark) == Some(self)
    }

    fn of(mark: char) -> Option<Self> {
        let mut words = Self::WORDS.into_iter();
        words.find_map(|(word, thousands)| word.starts_with(mark).then_some(thousands))
    }

    fn word(self) -> &'static str {
        match self {
            Self::Point => ".",
            Self::Comma => ",",
            Self::Space => " ",
            Self::Apostrophe => "'",
        }
    }
}

/// The marks that a schema declares, of the file or of one column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// The decimal mark; not declared it is the point, or the comma where
    /// the point parts thousands.
    pub decimal: Option<Decimal>,
    /// What parts thousands; not declared it is nothing.
    pub thousands: Option<Thousands>,
}

/// What to declare where both readings of a number stay open: only the site
/// knows its own.
fn either(mark: char) -> String {
    format!(
        "declare `thousands = \"{mark}\"` where that mark parts thousands, \
         or `decimal = \"{mark}\"` where it is the decimal mark, \
         under `[source]` or for this column"
    )
}

impl Marks {
    /// Whether nothing is said of how numbers are written.
    pub(crate) fn are_silent(self) -> bool {
        self == Self::default()
    }

    /// The decimal mark, declared or not.
    pub(crate) fn decimal(self) -> Decimal {
        match (self.decimal, self.thousands) {
            (Some(decimal), _) => decimal,
            (None, Some(Thousands::Point)) => Decimal::Comma,
            (None, _) => Decimal::Point,
        }
    }

    /// The number as programs write it, or nothing where it is not written
    /// with these marks: no other mark in it, and all groups but the first
    /// of three digits.
    pub(crate) fn plain(self, text: &str) -> Option<Cow<'_, str>> {
        if self.decimal() == Decimal::Point && self.thousands.is_none() {
            return Some(Cow::Borrowed(text));
        }
        let (number, power) = match text.find(['e', 'E']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (sign, number) = signed(number);
        let (whole, part) = number
            .split_once(self.decimal().mark())
            .unwrap_or((number, ""));
        let whole = self.joined(whole)?;
        let digits = is_digits(part) || (part.is_empty() && !whole.is_empty());
        digits.then(|| Cow::Owned(format!("{sign}{whole}.{part}{power}")))
    }

    /// The digits of a whole number without what parts its thousands.
    fn joined(self, whole: &str) -> Option<String> {
        let Some(thousands) = self.thousands.filter(|t| whole.contains(|c| t.is(c))) else {
            return (whole.is_empty() || is_digits(whole)).then(|| whole.to_owned());
        };
        let mut groups = whole.split(|c| thousands.is(c));
        let first = groups.next().filter(|group| leads(group))?;
        let mut joined = first.to_owned();
        for group in groups {
            joined.push_str(Some(group).filter(|group| is_digits(group) && group.len() == 3)?);
        }
        Some(joined)
    }

    /// The number in a cell.
    ///
    /// # Errors
    /// `not_a_number`, with what to declare where the text is one of other marks.
    pub(crate) fn number(self, text: &str) -> Result<f64, DataError> {
        match self.value(text) {
            Some(value) if value.is_finite() => Ok(value),
            Some(_) => {
                let problem =
                    "no finite number: a word such as `inf`, or larger than a number can be";
                Err(DataError::new(Code::NotANumber, problem, CORRECT))
            }
            None => Err(DataError::new(
                Code::NotANumber,
                "not a number",
                self.advice(text),
            )),
        }
    }

    fn value(self, text: &str) -> Option<f64> {
        self.plain(text)?.parse().ok()
    }

    /// What to do about a text that is no number by these marks.
    fn advice(self, text: &str) -> String {
        let (_, digits) = signed(text);
        let mut marks = digits.chars().filter(|c| !c.is_ascii_digit());
        let Some(first) = marks.next().filter(|_| is_number_of_some_marks(digits)) else {
            return CORRECT.to_owned();
        };
        let parted = Thousands::of(first).filter(|thousands| self.is_parted_by(*thousands, text));
        let other = marks.find(|mark| *mark != first);
        if !self.are_silent() {
            return not_with_these_marks(parted, digits);
        }
        match (Thousands::of(first), other) {
            (Some(thousands), Some(other)) if is_of_both(text, thousands, other) => {
                "it has two kinds of marks: declare `decimal` and `thousands` under `[source]` or \
                 for this column"
                    .to_owned()
            }
            (Some(Thousands::Comma), None) if is_either(digits, ',') => either(','),
            (Some(Thousands::Comma), None) if digits.matches(',').count() == 1 => {
                "it looks like a decimal comma: declare `decimal = \",\"` under `[source]` or for \
                 this column"
                    .to_owned()
            }
            _ => parted.map_or_else(|| CORRECT.to_owned(), parting),
        }
    }

    /// Whether a text is a number where this parts thousands, and nothing is said to part them.
    fn is_parted_by(self, thousands: Thousands, text: &str) -> bool {
        let marks = Self {
            thousands: Some(thousands),
            ..self
        };
        self.thousands.is_none() && marks.value(text).is_some()
    }

    /// What to do about a number out of bounds whose point may part thousands: where nothing is
    /// said of marks, it may be a thousand times as large.
    pub(crate) fn doubt(self, text: &str) -> Option<String> {
        (self.are_silent() && is_either(signed(text).1, '.')).then(|| either('.'))
    }

    /// A cell as it is compared with levels none of which is a code. Zeros behind the decimal mark
    /// are a program's; behind a point that is not that mark they are not.
    pub(crate) fn level(self, text: &str) -> String {
        match self.decimal() {
            Decimal::Point => normal_level(text),
            Decimal::Comma if text.contains('.') => text.trim().to_owned(),
            Decimal::Comma => normal_level(&text.replace(',', ".")).replace('.', ","),
        }
    }
}

/// Whether a text is a number with these two marks.
fn is_of_both(text: &str, thousands: Thousands, decimal: char) -> bool {
    let marks = Decimal::WORDS
        .into_iter()
        .find(|(word, _)| word.starts_with(decimal))
        .map(|(_, decimal)| Marks {
            decimal: Some(decimal),
            thousands: Some(thousands),
        });
    marks.is_some_and(|marks| marks.value(text).is_some())
}

fn parting(thousands: Thousands) -> String {
    format!(
        "it looks like parted thousands: declare `thousands = {:?}` under `[source]` or for this \
         column",
        thousands.word()
    )
}

/// What to do where the declared marks do not read a text; `parted` would.
fn not_with_these_marks(parted: Option<Thousands>, digits: &str) -> String {
    let what = match parted {
        Some(thousands) => match thousands.word().chars().next() {
            Some(mark) if is_either(digits, mark) && matches!(mark, '.' | ',') => either(mark),
            _ => parting(thousands),
        },
        None => "correct the cell, or declare the marks of this column in its own table".to_owned(),
    };
    format!(
        "it is not written with the marks that the schema declares (`decimal`, `thousands`): {what}"
    )
}

/// What to do about a number with a part in a column of whole ones. Where
/// the point may part thousands, another type would only hide it.
pub(crate) fn whole_advice(marks: Marks, text: &str) -> &'static str {
    if marks.are_silent() && is_either(signed(text).1, '.') {
        "three digits after a point may be thousands: declare `thousands = \".\"` where it parts \
         them; where it is the decimal mark, declare `decimal = \".\"` and `type = \"float\"`"
    } else {
        "correct the cell, or declare `type = \"float\"`"
    }
}

const CORRECT: &str = "correct the cell, or list the text as `missing`";

fn signed(text: &str) -> (&'static str, &str) {
    match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(rest), _) => ("-", rest),
        (None, Some(rest)) => ("", rest),
        (None, None) => ("", text),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether these digits can stand before the first mark of parted
/// thousands.
fn leads(group: &str) -> bool {
    is_digits(group) && group.len() <= 3 && !group.starts_with('0')
}

/// Whether a text without its sign has digits and marks alone, and begins
/// and ends with digits.
fn is_number_of_some_marks(text: &str) -> bool {
    let is_digit = |c: char| c.is_ascii_digit();
    text.starts_with(is_digit)
        && text.ends_with(is_digit)
        && text
            .chars()
            .all(|c| is_digit(c) || Thousands::of(c).is_some())
}

/// Whether one such mark stands before exactly three digits, so that it may
/// be either: parted thousands do not begin with a zero, and not with four
/// digits.
fn is_either(text: &str, mark: char) -> bool {
    text.split_once(mark)
        .is_some_and(|(whole, part)| leads(whole) && is_digits(part) && part.len() == 3)
}

/// What a column's numbers have shown so far, where the schema is silent
/// about their marks.
#[derive(Default)]
pub(crate) struct Shown {
    wholes: bool,
    parts: bool,
    /// The line of the first value with exactly three digits after its
    /// point.
    either: Option<u64>,
}

impl Shown {
    /// Looks at a number of this line.
    pub(crate) fn look(&mut self, text: &[u8], line: u64) {
        // What was read as a number is text.
        let Ok(text) = std::str::from_utf8(text) else {
            return;
        };
        let (_, digits) = signed(text.trim());
        if is_digits(digits) {
            self.wholes = true;
        } else if is_either(digits, '.') {
            self.either.get_or_insert(line);
        } else if digits.contains('.') {
            self.parts = true;
        }
    }

    /// Whether all its numbers have exactly three digits after a point: they are read as decimal
    /// ones, and nothing shows that they are.
    pub(crate) fn are_all_of_three_digits(&self) -> bool {
        self.either.is_some() && !self.wholes && !self.parts
    }

    /// To be asked after the last row.
    ///
    /// # Errors
    /// `ambiguous_number` where whole numbers stand beside values that all have exactly three
    /// digits after a point: the point may part thousands.
    pub(crate) fn end(&self) -> Result<(), DataError> {
        match self.either {
            Some(line) if self.wholes && !self.parts => {
                let problem = "whole numbers stand beside values that all have exactly three \
                               digits after a point, of which this is the first";
                Err(DataError::new(Code::AmbiguousNumber, problem, either('.')).at_line(line))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(decimal: &str, thousands: &str) -> Marks {
        fn word<T>(words: impl IntoIterator<Item = (&'static str, T)>, word: &str) -> Option<T> {
            words
                .into_iter()
                .find(|(given, _)| *given == word)
                .map(|(_, value)| value)
        }
        Marks {
            decimal: word(Decimal::WORDS, decimal),
            thousands: word(Thousands::WORDS, thousands),
        }
    }

    #[test]
    fn numbers_are_read_with_the_marks_that_are_declared_and_no_others() {
        for (decimal, thousands, text, value) in [
            (".", "", "1.838", 1.838),
            (",", "", "-3,5", -3.5),
            (",", "", "1e3", 1000.0),
            (",", "", "1,5e2", 150.0),
            (",", "", ",5", 0.5),
            (",", "", "5,", 5.0),
            ("", ".", "1.838", 1838.0),
            ("", ".", "1.838,25", 1838.25),
            ("", ".", "403", 403.0),
            ("", ".", "12345", 12345.0),
            ("", ",", "1,234,567.5", 1_234_567.5),
            (",", " ", "1 838,5", 1838.5),
            (",", " ", "1\u{202f}838,5", 1838.5),
            (",", "\u{a0}", "1 838", 1838.0),
            (".", "'", "1\u{2019}838.5", 1838.5),
            (".", "'", "+0.838", 0.838),
        ] {
            let read = marks(decimal, thousands).number(text).ok();
            assert_eq!(read, Some(value), "{decimal} {thousands} {text}");
        }
        for (decimal, thousands, text) in [
            (",", "", "1.838"),
            (",", "", "1,838,000"),
            (",", "", "inf"),
            (",", "", "nan"),
            (",", "", ","),
            (",", "", "-"),
            (".", "", "1,5"),
            ("", ".", "1.5"),
            ("", ".", "0.838"),
            ("", ".", "1838.000"),
            ("", ".", "1.838.5"),
            ("", ".", ".838"),
            ("", ",", "1,838,5"),
            (",", " ", "1 83"),
            (",", ".", "1,838.5"),
        ] {
            let error = marks(decimal, thousands).number(text).unwrap_err();
            assert_eq!(
                error.kind(),
                Code::NotANumber,
                "{decimal} {thousands} {text}"
            );
        }
    }

    #[test]
    fn the_advice_names_what_to_declare_and_never_one_of_two_readings() {
        let advice = |text: &str| Marks::default().advice(text);
        assert!(advice("1,5").contains("decimal comma"));
        assert!(advice("1,838").contains("thousands") && advice("1,838").contains("decimal"));
        assert!(advice("1.838.000").contains("`thousands = \".\"`"));
        assert!(advice("1 838").contains("`thousands = \" \"`"));
        assert!(advice("1.838,5").contains("two kinds"));
        for text in [
            "x",
            "",
            "12:30",
            "1,",
            "-",
            "1/2",
            "12.03.2020",
            "1.2.3",
            "1 2",
            "1'83",
            "12.03,5",
            "1.838'000",
        ] {
            assert_eq!(advice(text), CORRECT, "{text}");
        }
        assert!(
            marks(",", "")
                .advice("1.5")
                .contains("not written with the marks")
        );
        for (decimal, text, word) in [
            (",", "1.838", "`thousands = \".\"` where that mark parts"),
            (",", "1.838", "`decimal = \".\"` where it is the decimal"),
            (
                ",",
                "1.838.415",
                "parted thousands: declare `thousands = \".\"`",
            ),
            (
                ",",
                "1.838,5",
                "parted thousands: declare `thousands = \".\"`",
            ),
            (",", "1 838", "declare `thousands = \" \"`"),
            (".", "1,838", "`thousands = \",\"` where that mark parts"),
            (".", "1'838.5", "declare `thousands = \"'\"`"),
            (".", "80,5", "correct the cell"),
        ] {
            let said = marks(decimal, "").advice(text);
            assert!(said.contains(word), "{decimal} {text}: {said}");
        }
        let other = marks(",", " ").advice("1.838");
        assert!(!other.contains("`thousands = "), "{other}");
        assert!(Marks::default().doubt("-1.838").is_some());
        assert!(Marks::default().doubt("1.8").is_none() && marks(".", "").doubt("1.838").is_none());
        assert!(!whole_advice(Marks::default(), "1.838").starts_with("correct"));
        for (marks, text) in [(Marks::default(), "1.5"), (marks(".", ""), "1.838")] {
            assert!(whole_advice(marks, text).contains("or declare `type = \"float\"`"));
        }
    }

    #[test]
    fn zeros_behind_the_decimal_mark_are_no_part_of_a_level() {
        for (decimal, thousands, cell, level) in [
            ("", "", "1.0", "1"),
            ("", "", "1,0", "1,0"),
            (",", "", "1,0", "1"),
            (",", "", " -2,00 ", "-2"),
            (",", "", "0,50", "0,5"),
            (",", "", "01,0", "01,0"),
            (",", "", "a, b", "a, b"),
            (",", "", "1.000", "1.000"),
            ("", ".", "1.000", "1.000"),
            ("", ".", "1,0", "1"),
            (".", ",", "1.000", "1"),
        ] {
            let read = marks(decimal, thousands).level(cell);
            assert_eq!(read, level, "{decimal} {thousands} {cell}");
        }
    }

    #[test]
    fn three_digits_after_every_point_beside_whole_numbers_are_either() {
        let doubt = |texts: &[&str]| {
            let mut shown = Shown::default();
            for (text, line) in texts.iter().zip(2..) {
                shown.look(text.as_bytes(), line);
            }
            shown.end().err().and_then(|error| error.line())
        };
        assert_eq!(doubt(&["403", "1.838", "1.603"]), Some(3));
        assert_eq!(doubt(&["-1.838", "0"]), Some(2));
        for sound in [
            ["403", "1.838", "1.6"],
            ["403", "1.838", "0.603"],
            ["403", "1.838", "1838.603"],
            ["2.403", "1.838", "1.603"],
            ["403", "1", "1"],
        ] {
            assert_eq!(doubt(&sound), None, "{sound:?}");
        }
        // A number without a point shows nothing of points.
        assert_eq!(doubt(&["403", "1.838", "1E+06"]), Some(3));
        assert_eq!(doubt(&["403", "1.838", "1.5E+06"]), None);
    }
}
