//! Dates: how a file writes them, and what lies between two of
//! them. Every day is a number, the days since 1970-01-01.

use crate::error::{Code, DataError};
use jiff::civil::Date;
use motet_recipes::filter::days_since_1970;

/// How a file writes its dates: `dd/mm/yyyy`, `d.m.yyyy hh:mm`
/// and their like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    parts: Vec<Part>,
    /// As the schema has it.
    written: String,
}

/// A part of a date as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Digits of this many letters of the format.
    Digits(What, usize),
    /// A sign between them.
    Sign(char),
}

/// What digits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Day,
    Month,
    Year,
    Hour,
    Minute,
    Second,
}

/// What may stand between the parts.
const SIGNS: [char; 7] = ['/', '-', '.', ' ', ':', ',', 't'];

impl Format {
    /// Reads a format of the schema.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let parts = parts(text)?;
        let whats: Vec<What> = parts.iter().filter_map(Part::what).collect();
        let (date, time) = whats.split_at(whats.len().min(3));
        let whole = [What::Day, What::Month, What::Year]
            .into_iter()
            .all(|wanted| date.contains(&wanted));
        let timed = matches!(
            time,
            [] | [What::Hour, What::Minute] | [What::Hour, What::Minute, What::Second]
        );
        let ends = matches!(
            (parts.first(), parts.last()),
            (Some(Part::Digits(..)), Some(Part::Digits(..)))
        );
        // `d` and `m` may be one digit or two: only a sign says
        // where they end.
        let loose = parts.windows(2).any(|pair| {
            matches!(pair, [Part::Digits(_, 1), Part::Digits(..)])
                || matches!(pair, [Part::Digits(..), Part::Digits(_, 1)])
        });
        if !whole || !timed || !ends || loose {
            return Err((format!("`format` is {text:?}"), FORMS));
        }
        Ok(Self {
            parts,
            written: text.to_owned(),
        })
    }

    /// The day in a cell, in days since 1970-01-01; a time of day
    /// is read and dropped.
    ///
    /// # Errors
    /// `not_a_date`, with the format.
    pub(crate) fn day(&self, text: &str) -> Result<f64, DataError> {
        let day = self.fields(text).and_then(|fields| fields.day());
        day.ok_or_else(|| {
            let problem = format!("not a date as `{}`", self.written);
            let fix = "correct the cell or the column's `format` (`d` and `m` take one digit or \
                       two), or list the text as `missing`";
            DataError::new(Code::NotADate, problem, fix)
        })
    }

    /// The numbers of a cell that is written so.
    fn fields(&self, text: &str) -> Option<Fields> {
        let mut rest = text;
        let mut fields = Fields::default();
        for part in &self.parts {
            match part {
                Part::Sign(sign) => rest = after(rest, *sign)?,
                Part::Digits(what, width) => {
                    let most = if *width == 1 { 2 } else { *width };
                    let found = rest.bytes().take(most).take_while(u8::is_ascii_digit);
                    let length = found.count();
                    if length == 0 || (*width > 1 && length != *width) {
                        return None;
                    }
                    let (digits, behind) = rest.split_at_checked(length)?;
                    fields.set(*what, digits.parse().ok()?);
                    rest = behind;
                }
            }
        }
        rest.is_empty().then_some(fields)
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.written)
    }
}

impl Part {
    fn what(&self) -> Option<What> {
        match self {
            Self::Digits(what, _) => Some(*what),
            Self::Sign(_) => None,
        }
    }
}

/// What a format may be.
const FORMS: &str = "write day (`dd`, or `d` where it may be one digit), month (`mm` or `m`) and \
                     year (`yyyy`) with the signs between \
                     them, and behind them `hh:mm` or \
                     `hh:mm:ss` where a time of day \
                     follows (`h` where the hour may be \
                     one digit)";

/// The parts of a format. `mm` is the month before an hour, and
/// behind it the minute.
fn parts(text: &str) -> Result<Vec<Part>, (String, &'static str)> {
    let problem = format!("`format` is {text:?}");
    let lower = text.trim().to_lowercase();
    let mut parts = Vec::new();
    let mut rest = lower.as_str();
    while let Some(first) = rest.chars().next() {
        let length = rest.chars().take_while(|letter| *letter == first).count();
        let hours = parts
            .iter()
            .any(|part: &Part| part.what() == Some(What::Hour));
        let part = match (first, length) {
            ('d', 1 | 2) => Part::Digits(What::Day, length),
            ('m', 2) if hours => Part::Digits(What::Minute, 2),
            ('m', 1 | 2) if !hours => Part::Digits(What::Month, length),
            ('y', 4) => Part::Digits(What::Year, 4),
            ('y', 2) => {
                let fix = "two digits of a year do not say which century: export the dates with \
                           four, and write `yyyy`";
                return Err((problem, fix));
            }
            ('h', 1 | 2) => Part::Digits(What::Hour, length),
            ('s', 2) => Part::Digits(What::Second, 2),
            (sign, 1) if SIGNS.contains(&sign) => Part::Sign(sign),
            _ => return Err((problem, FORMS)),
        };
        parts.push(part);
        rest = rest.trim_start_matches(first);
    }
    Ok(parts)
}

/// The text behind a sign, whatever the size of a letter.
fn after(text: &str, sign: char) -> Option<&str> {
    let first = text.chars().next()?;
    (first.to_ascii_lowercase() == sign).then(|| text.strip_prefix(first))?
}

/// The numbers of a date and a time of day.
#[derive(Default)]
struct Fields {
    day: i16,
    month: i16,
    year: i16,
    hour: i16,
    minute: i16,
    second: i16,
}

impl Fields {
    fn set(&mut self, what: What, number: i16) {
        let field = match what {
            What::Day => &mut self.day,
            What::Month => &mut self.month,
            What::Year => &mut self.year,
            What::Hour => &mut self.hour,
            What::Minute => &mut self.minute,
            What::Second => &mut self.second,
        };
        *field = number;
    }

    /// The day, where there is such a day and such a moment of
    /// it.
    fn day(&self) -> Option<f64> {
        let in_time = self.hour < 24 && self.minute < 60 && self.second < 60;
        let month = i8::try_from(self.month).ok()?;
        let day = i8::try_from(self.day).ok()?;
        let date = Date::new(self.year, month, day).ok().filter(|_| in_time)?;
        Some(number(date))
    }
}

/// How a time of day behind a date is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Time {
    /// None is there.
    None,
    /// Hours and minutes, behind this sign.
    Digits {
        /// A space or `T`.
        sign: char,
        /// Whether seconds follow.
        seconds: bool,
    },
    /// One that no format reads: with parts of a second, a zone,
    /// AM or PM.
    Other,
}

impl Time {
    /// A date, and the time of day with the sign before it.
    pub(crate) fn split(text: &str) -> (&str, &str) {
        let at = text.find([' ', 'T']);
        at.and_then(|at| text.split_at_checked(at))
            .unwrap_or((text, ""))
    }

    /// How a time is written, with the sign before it; nothing
    /// where it is none.
    pub(crate) fn of(time: &str) -> Option<Self> {
        let Some(sign) = time.chars().next() else {
            return Some(Self::None);
        };
        let digits = time.strip_prefix(sign)?;
        let groups: Vec<&str> = digits.split(':').collect();
        let are_digits = groups
            .iter()
            .all(|group| is_digits(group) && group.len() <= 2);
        let behind = groups.iter().skip(1).all(|group| group.len() == 2);
        match groups.len() {
            count @ 2..=3 if are_digits && behind => {
                let seconds = count == 3;
                Some(Self::Digits { sign, seconds })
            }
            2.. if groups.first().is_some_and(|hour| is_digits(hour)) => Some(Self::Other),
            _ => None,
        }
    }

    /// Whether the hour of a time with the sign before it is one
    /// digit.
    pub(crate) fn has_short_hour(time: &str) -> bool {
        time.chars().nth(2) == Some(':')
    }

    /// The end of a format that reads it.
    pub(crate) fn format(self, short_hour: bool) -> String {
        match self {
            Self::Digits { sign, seconds } => {
                let hour = if short_hour { "h" } else { "hh" };
                let second = if seconds { ":ss" } else { "" };
                format!("{sign}{hour}:mm{second}")
            }
            Self::None | Self::Other => String::new(),
        }
    }
}

/// Days since 1970-01-01.
fn number(date: Date) -> f64 {
    // Days since 0000-03-01 by Hinnant's `days_from_civil`
    // (howardhinnant.github.io/date_algorithms.html), in whole
    // numbers.
    let month = i64::from(date.month());
    let year = i64::from(date.year()) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(date.day()) - 1;
    let days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    (era * 146_097 + days - 719_468) as f64
}

/// The day that is that many after 1970-01-01.
pub(crate) fn date(days: f64) -> Option<Date> {
    let span = jiff::Span::new().try_days(days as i64).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(span).ok()
}

/// The same as it is written everywhere, YYYY-MM-DD.
pub(crate) fn written(days: f64) -> String {
    date(days).map_or_else(|| "another day".to_owned(), |day| day.to_string())
}

/// The day in a cell of a column without a format.
///
/// # Errors
/// `not_a_date`, and `ambiguous_date` where it may be read in two
/// ways.
pub(crate) fn plain(text: &str) -> Result<f64, DataError> {
    days_since_1970(text).ok_or_else(|| advice(text))
}

/// What to do about a text that is not YYYY-MM-DD: a format that
/// would read it, or both.
fn advice(text: &str) -> DataError {
    let (date, behind) = Time::split(text);
    let time = match Time::of(behind) {
        Some(Time::Other) if split(date).is_some() => {
            return not_plain(
                "no `format` reads parts of a second, a zone, AM or PM: export the date alone, or \
                 the time as `10:30` or `10:30:00`",
            );
        }
        Some(time) => time.format(Time::has_short_hour(behind)),
        None => String::new(),
    };
    let time = time.as_str();
    match split(date) {
        Some((sign, [year, _, day])) if year.len() == 4 && day.len() < 3 => not_plain(&format!(
            "declare `format = \"yyyy{sign}mm{sign}dd{time}\"`"
        )),
        Some((sign, [first, second, year]))
            if first.len() < 3 && second.len() < 3 && year.len() == 4 =>
        {
            year_last(sign, first, second, time)
        }
        Some((_, [.., year])) if year.len() == 2 => {
            not_plain("two digits of a year do not say which century: export the dates with four")
        }
        _ => not_plain("write dates as YYYY-MM-DD, or declare the column's `format`"),
    }
}

fn not_plain(fix: &str) -> DataError {
    let fix = format!("{fix}, or list the text as `missing`");
    DataError::new(Code::NotADate, "not a date as YYYY-MM-DD", fix)
}

/// The same of day and month in either order before a year.
fn year_last(sign: char, first: &str, second: &str, time: &str) -> DataError {
    // Where one digit is enough in one of them, it is in both.
    let (day, month) = match first.len() + second.len() {
        4 => ("dd", "mm"),
        _ => ("d", "m"),
    };
    let day_first = format!("{day}{sign}{month}{sign}yyyy{time}");
    let month_first = format!("{month}{sign}{day}{sign}yyyy{time}");
    match (is_month(first), is_month(second)) {
        (true, true) => DataError::new(
            Code::AmbiguousDate,
            "an ambiguous date without a format: day and month may be either",
            format!(
                "declare `format = \"{day_first}\"` where the day comes first, or \
                 `format = \"{month_first}\"` where the month does"
            ),
        ),
        (false, _) => not_plain(&format!("declare `format = \"{day_first}\"`")),
        (true, false) => not_plain(&format!("declare `format = \"{month_first}\"`")),
    }
}

/// Whether digits can be a month.
fn is_month(digits: &str) -> bool {
    digits.parse::<u8>().is_ok_and(|number| number <= 12)
}

/// Three groups of digits, and the sign between them.
fn split(text: &str) -> Option<(char, [&str; 3])> {
    let sign = text.chars().find(|letter| !letter.is_ascii_digit())?;
    let sign = Some(sign).filter(|sign| ['/', '-', '.'].contains(sign))?;
    let mut groups = text.split(sign);
    let three = [groups.next()?, groups.next()?, groups.next()?];
    let all = groups.next().is_none() && three.iter().all(|group| is_digits(group));
    all.then_some((sign, three))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Months since the year 0.
fn months(day: Date) -> i32 {
    i32::from(day.year()) * 12 + i32::from(day.month())
}

/// Completed calendar months from one day to another; negative
/// where the second is the earlier. A month is complete on the
/// day with the same number, and where a month has no such day on
/// the first of the next: from 31 January one is complete on 1
/// March, and from 29 February a year is complete on 1 March of a
/// year without that day.
pub(crate) fn whole_months(from: f64, to: f64) -> Option<f64> {
    if to < from {
        return whole_months(to, from).map(|months| 0.0 - months);
    }
    let from = date(from)?;
    let to = date(to)?;
    let begun = months(to) - months(from);
    debug_assert!(begun >= 0, "the later day is not of an earlier month");
    Some(f64::from(begun - i32::from(to.day() < from.day())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_five_hundred_years_is_its_number() {
        for days in (-100_000..100_000).step_by(7) {
            let day = date(f64::from(days)).unwrap();
            assert_eq!(number(day), f64::from(days), "{day}");
        }
        assert_eq!(
            days_since_1970("2000-02-29"),
            Some(number(jiff::civil::date(2000, 2, 29)))
        );
    }

    #[test]
    fn a_date_is_read_by_its_format_and_by_no_other() {
        let read = |format: &str, text: &str| Format::parse(format).unwrap().day(text).ok();
        let day = days_since_1970("1987-08-09");
        for (format, text) in [
            ("dd/mm/yyyy", "09/08/1987"),
            ("mm/dd/yyyy", "08/09/1987"),
            ("d.m.yyyy", "9.8.1987"),
            ("d.m.yyyy", "09.08.1987"),
            ("DD-MM-YYYY", "09-08-1987"),
            ("yyyymmdd", "19870809"),
            ("dd/mm/yyyy hh:mm", "09/08/1987 23:59"),
            ("yyyy-mm-ddThh:mm:ss", "1987-08-09T00:00:00"),
            ("dd mm yyyy", "09 08 1987"),
            ("d.m.yyyy h:mm", "9.8.1987 9:05"),
            ("d.m.yyyy h:mm", "9.8.1987 19:05"),
        ] {
            assert_eq!(read(format, text), day, "{format} {text}");
        }
        for (format, text) in [
            ("dd/mm/yyyy", "9/8/1987"),
            ("dd/mm/yyyy", "09-08-1987"),
            ("dd/mm/yyyy", "09/08/87"),
            ("dd/mm/yyyy", "09/08/1987 10:00"),
            ("dd/mm/yyyy", "31/02/1987"),
            ("dd/mm/yyyy", "09/13/1987"),
            ("dd/mm/yyyy", "x"),
            ("dd/mm/yyyy hh:mm", "09/08/1987 24:00"),
            ("dd/mm/yyyy hh:mm", "09/08/1987 10:60"),
            ("d.m.yyyy", "109.8.1987"),
        ] {
            assert_eq!(read(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn a_format_says_day_month_and_year_once_each() {
        for refused in [
            "",
            "dd/mm",
            "dd/mm/yy",
            "dd/mm/yyy",
            "dd/dd/yyyy",
            "dmyyyy",
            "yyyymd",
            "/dd/mm/yyyy",
            "dd/mm/yyyy hh",
            "dd/mm/yyyy h:m",
            "hh:mm dd/mm/yyyy",
            "dd/mmm/yyyy",
            "dd_mm_yyyy",
            "dd//mm/yyyy",
            "dd/mm/yyyy/dd",
            "ddd/mm/yyyy",
            "dd/mm/yyyy ss:hh",
        ] {
            assert!(Format::parse(refused).is_err(), "{refused}");
        }
        let (_, fix) = Format::parse("dd/mm/yy").unwrap_err();
        assert!(fix.contains("century"));
    }

    #[test]
    fn the_advice_names_the_format_that_reads_a_date_and_both_where_two_do() {
        let said = |text: &str| advice(text);
        let both = said("09/08/1987");
        assert_eq!(both.kind(), Code::AmbiguousDate);
        let text = both.to_string();
        assert!(
            text.contains("dd/mm/yyyy") && text.contains("mm/dd/yyyy"),
            "{text}"
        );
        for (text, format) in [
            ("19/08/1987", "\"dd/mm/yyyy\""),
            ("08/19/1987", "\"mm/dd/yyyy\""),
            ("19.8.1987", "\"d.m.yyyy\""),
            ("1987/08/19", "\"yyyy/mm/dd\""),
            ("19/08/1987 10:30", "\"dd/mm/yyyy hh:mm\""),
            ("19.08.1987 9:30", "\"dd.mm.yyyy h:mm\""),
            ("1987-08-19T10:30:00", "\"yyyy-mm-ddThh:mm:ss\""),
            ("1987-08-19 10:30:00.000", "export the date alone"),
            ("19/08/1987 9:30 AM", "export the date alone"),
            ("1987-08-19T10:30:00Z", "export the date alone"),
            ("19/08/87", "century"),
            ("soon", "YYYY-MM-DD"),
        ] {
            let error = said(text);
            assert_eq!(error.kind(), Code::NotADate, "{text}");
            assert!(error.to_string().contains(format), "{error}");
        }
    }

    #[test]
    fn months_are_complete_on_the_day_of_the_same_number() {
        let months = |from: &str, to: &str| {
            let [from, to] = [from, to].map(|day| days_since_1970(day).unwrap());
            whole_months(from, to).unwrap()
        };
        for (from, to, count) in [
            ("2020-01-15", "2020-02-14", 0.0),
            ("2020-01-15", "2020-02-15", 1.0),
            ("2020-01-31", "2020-02-29", 0.0),
            ("2020-01-31", "2020-03-01", 1.0),
            ("2000-02-29", "2001-02-28", 11.0),
            ("2000-02-29", "2001-03-01", 12.0),
            ("2000-02-29", "2004-02-29", 48.0),
            ("2020-02-15", "2020-01-16", 0.0),
            ("2020-02-15", "2020-01-15", -1.0),
        ] {
            assert_eq!(months(from, to), count, "{from} {to}");
        }
    }
}
