//! What the cells of one column have shown: counts, never a row.

use super::distinct::Distinct;
use crate::dates::Time;
use crate::spelling::nfkc;
use motet_common::study::text::normal_level;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What is seen in fewer cells is not written down: it may be one
/// patient's.
pub(super) const FEW: u64 = 5;
/// Different texts that are kept: a column of more has no levels.
const MOST: usize = 40;

/// What a column has shown so far.
#[derive(Default)]
pub(super) struct Seen {
    /// Cells that are not empty.
    pub(super) filled: u64,
    /// Cells that are.
    pub(super) empty: u64,
    /// Its texts and how often each was seen, as long as they are
    /// few.
    pub(super) texts: Few,
    /// The same of those that are no numbers.
    pub(super) words: Few,
    /// The same of negative numbers.
    pub(super) negative: Few,
    pub(super) numbers: Numbers,
    pub(super) days: Days,
    /// Numbers that may be a patient's temperature, in degrees
    /// Celsius and in Fahrenheit.
    pub(super) warm: [u64; 2],
    /// Whether cells are all different.
    pub(super) cells: Distinct,
    /// What is asked of the header.
    header: Header,
}

/// What the cells of a column show of its header.
#[derive(Default)]
struct Header {
    hash: Option<u64>,
    /// Whether a cell was the header.
    again: bool,
    /// Whether the values may be temperatures.
    is_warm: bool,
}

/// Texts and how often each was seen; nothing where they are
/// many.
pub(super) struct Few(Option<BTreeMap<String, u64>>);

impl Default for Few {
    fn default() -> Self {
        Self(Some(BTreeMap::new()))
    }
}

impl Few {
    fn add<T: AsRef<str>>(&mut self, text: impl FnOnce() -> T) {
        let Some(texts) = &mut self.0 else { return };
        let text = text();
        let text = text.as_ref();
        *texts.entry(text.to_owned()).or_insert(0) += 1;
        if texts.len() > MOST {
            self.0 = None;
        }
    }

    /// The texts, where they are few.
    pub(super) fn texts(&self) -> Option<&BTreeMap<String, u64>> {
        self.0.as_ref()
    }
}

/// How numbers were written.
#[derive(Default)]
pub(super) struct Numbers {
    /// Without any mark.
    pub(super) wholes: u64,
    /// Those of three digits among them, and those of more.
    hundreds: u64,
    longer: u64,
    /// With a point that is surely the decimal mark.
    pub(super) points: u64,
    /// With a comma that is.
    pub(super) commas: u64,
    /// With a point before exactly three digits, which may part
    /// thousands.
    pub(super) either_point: u64,
    /// With a comma before exactly three.
    pub(super) either_comma: u64,
    /// Those of either kind whose last digit is a 0.
    round: u64,
    /// With a mark that surely parts thousands: point, comma,
    /// space, apostrophe.
    pub(super) grouped: [u64; 4],
    /// The decimal marks behind such thousands.
    pub(super) behind: BTreeSet<char>,
}

/// The marks of [`Numbers::grouped`].
pub(super) const GROUPS: [char; 4] = ['.', ',', ' ', '\''];

impl Numbers {
    /// Whether the mark before exactly three digits surely parts
    /// thousands: none of the numbers below 1,000 has a mark, which
    /// one with three decimals would have, and of those above some
    /// end in a 0, which is left out where decimals are written as
    /// they come.
    pub(super) fn are_parted(&self) -> bool {
        let open = [self.either_point, self.either_comma];
        let one_mark = open.iter().filter(|cells| **cells > 0).count() == 1;
        let sure = self.points + self.commas + self.grouped.iter().sum::<u64>();
        one_mark && sure == 0 && self.longer == 0 && self.hundreds >= FEW && self.round >= FEW
    }

    pub(super) fn count(&self) -> u64 {
        let grouped: u64 = self.grouped.iter().sum();
        self.wholes + self.points + self.commas + self.either_point + self.either_comma + grouped
    }
}

/// How days were written: three groups of digits with a sign
/// between them.
#[derive(Default)]
pub(super) struct Days {
    /// YYYY-MM-DD.
    pub(super) plain: u64,
    /// Four digits of a year at the end.
    pub(super) year_last: u64,
    /// The same in front, with another sign.
    pub(super) year_first: u64,
    /// Two digits of a year.
    pub(super) short_years: u64,
    /// The signs between.
    pub(super) signs: BTreeSet<char>,
    /// How times of day behind it were written.
    pub(super) times: BTreeSet<Time>,
    /// Whether an hour had one digit.
    pub(super) short_hours: bool,
    /// Whether the first number was above 12, the second one, and
    /// whether one had one digit.
    pub(super) first_above: bool,
    pub(super) second_above: bool,
    pub(super) one_digit: bool,
}

impl Days {
    pub(super) fn count(&self) -> u64 {
        self.plain + self.year_last + self.year_first + self.short_years
    }
}

impl Seen {
    /// Nothing yet, of a column with this header.
    pub(super) fn under(header: &str) -> Self {
        let header = Header {
            hash: Some(hash(&nfkc(header.trim()))),
            again: false,
            is_warm: is_warm(header),
        };
        Self {
            header,
            ..Self::default()
        }
    }

    /// Looks at a cell.
    pub(super) fn look(&mut self, cell: &str) {
        let cell = nfkc(cell.trim());
        if cell.is_empty() {
            self.empty += 1;
            return;
        }
        self.filled += 1;
        self.texts.add(|| normal_level(&cell));
        let hash = hash(&cell);
        self.cells.add(hash);
        self.header.again |= self.header.hash == Some(hash);
        let is_number = self.numbers.look(&cell);
        if self.header.is_warm
            && let Ok(number) = cell.replace(',', ".").parse::<f64>()
        {
            let [celsius, fahrenheit] = &mut self.warm;
            *celsius += u64::from((25.0..45.0).contains(&number));
            *fahrenheit += u64::from((77.0..113.0).contains(&number));
        }
        if !is_number {
            let days = self.days.count();
            self.days.look(&cell);
            if self.days.count() == days {
                self.words.add(|| &cell);
            }
        } else if cell.starts_with('-') {
            self.negative.add(|| &cell);
        }
    }

    /// Whether a cell was the header.
    pub(super) fn has_header(&self) -> bool {
        self.header.again
    }
}

/// Whether a header may be that of temperatures.
pub(super) fn is_warm(header: &str) -> bool {
    header.to_lowercase().starts_with("temp")
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Numbers {
    /// Counts a number; nothing where the text is none.
    fn look(&mut self, text: &str) -> bool {
        let text = text.strip_prefix(['-', '+']).unwrap_or(text);
        if digits(text) {
            self.wholes += 1;
            self.hundreds += u64::from(text.len() == 3);
            self.longer += u64::from(text.len() > 3);
            return true;
        }
        if text.contains(['e', 'E']) && text.parse::<f64>().is_ok_and(f64::is_finite) {
            self.points += 1;
            return true;
        }
        if let Some((whole, part)) = text.split_once(['.', ','])
            && (whole.is_empty() || digits(whole))
            && digits(part)
            && let Some(mark) = text.chars().find(|c| matches!(c, '.' | ','))
        {
            // Nearly every number with a mark.
            return self.one_mark(mark, whole, part);
        }
        let marks: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        let Some(first) = marks.first().copied() else {
            return false;
        };
        let groups: Vec<&str> = text.split(first).collect();
        match (groups.as_slice(), marks.iter().all(|mark| *mark == first)) {
            ([whole, part], true) if matches!(first, '.' | ',') => {
                self.one_mark(first, whole, part)
            }
            ([lead, rest @ ..], true) if parted(lead, rest) => self.group(first),
            // Two kinds: the last is the decimal mark, and the
            // one before it parts thousands.
            ([lead, middle @ .., last], false) => {
                let decimal = marks
                    .last()
                    .copied()
                    .filter(|mark| matches!(mark, '.' | ','));
                let cut = decimal.and_then(|mark| Some((mark, last.split_once(mark)?)));
                let Some((mark, (end, part))) = cut else {
                    return false;
                };
                let rest: Vec<&str> = middle.iter().copied().chain([end]).collect();
                let is_one = digits(part) && parted(lead, &rest) && self.group(first);
                if is_one {
                    self.behind.insert(mark);
                }
                is_one
            }
            _ => false,
        }
    }

    /// A number with one point or comma.
    fn one_mark(&mut self, mark: char, whole: &str, part: &str) -> bool {
        if !(whole.is_empty() || digits(whole)) || !digits(part) {
            return false;
        }
        let either = part.len() == 3 && leads(whole);
        let count = match (mark, either) {
            ('.', false) => &mut self.points,
            ('.', true) => &mut self.either_point,
            (_, false) => &mut self.commas,
            (_, true) => &mut self.either_comma,
        };
        *count += 1;
        self.round += u64::from(either && part.ends_with('0'));
        true
    }

    fn group(&mut self, mark: char) -> bool {
        let mark = match mark {
            '\u{2019}' => '\'',
            mark => mark,
        };
        let place = GROUPS.iter().position(|known| *known == mark);
        let Some(count) = place.and_then(|place| self.grouped.get_mut(place)) else {
            return false;
        };
        *count += 1;
        true
    }
}

/// Whether these digits can stand before the first mark of parted
/// thousands.
fn leads(group: &str) -> bool {
    digits(group) && group.len() <= 3 && !group.starts_with('0')
}

fn parted(lead: &str, rest: &[&str]) -> bool {
    let three = rest.iter().all(|group| digits(group) && group.len() == 3);
    leads(lead) && !rest.is_empty() && three
}

/// Whether digits are too many for a month.
fn above(digits: &str) -> bool {
    digits.parse::<u16>().is_ok_and(|number| number > 12)
}

impl Days {
    fn look(&mut self, text: &str) {
        let (date, time) = Time::split(text);
        let Some(sign) = date.chars().find(|c| !c.is_ascii_digit()) else {
            return;
        };
        let groups: Vec<&str> = date.split(sign).collect();
        let [first, second, third] = groups.as_slice() else {
            return;
        };
        if !['/', '-', '.'].contains(&sign) || !groups.iter().all(|group| digits(group)) {
            return;
        }
        let Some(shape) = Time::of(time) else {
            return;
        };
        match (first.len(), second.len(), third.len()) {
            (4, 2, 2) if sign == '-' && shape == Time::None => self.plain += 1,
            (4, 1 | 2, 1 | 2) => {
                self.year_first += 1;
                self.one_digit |= second.len() == 1 || third.len() == 1;
            }
            (1 | 2, 1 | 2, 4) => {
                self.year_last += 1;
                self.first_above |= above(first);
                self.second_above |= above(second);
                self.one_digit |= first.len() == 1 || second.len() == 1;
            }
            (1 | 2, 1 | 2, 2) => self.short_years += 1,
            _ => return,
        }
        self.signs.insert(sign);
        self.times.insert(shape);
        self.short_hours |= Time::has_short_hour(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(cells: &[&str]) -> Seen {
        let mut seen = Seen::default();
        cells.iter().for_each(|cell| seen.look(cell));
        seen
    }

    #[test]
    fn numbers_are_counted_by_their_marks() {
        let numbers = seen(&[
            "12",
            "-9",
            "1.5",
            "0.838",
            "1.838",
            "1,5",
            "1,838",
            "1.838.000",
            "1.838,5",
            "1 838",
            "1e3",
            "x",
            "1.",
            "1..5",
            "12:30",
            "1-2",
        ])
        .numbers;
        assert_eq!((numbers.wholes, numbers.points, numbers.commas), (2, 3, 1));
        assert_eq!((numbers.either_point, numbers.either_comma), (1, 1));
        assert_eq!(numbers.grouped, [2, 0, 1, 0]);
        assert_eq!(numbers.count(), 11);
    }

    #[test]
    fn days_are_counted_by_what_is_above_twelve() {
        let days = seen(&["13/04/2020", "01/02/2020"]).days;
        assert_eq!(
            (days.year_last, days.first_above, days.second_above),
            (2, true, false)
        );
        let days = seen(&["2020-01-02", "x", "1.2.2020 10:30", "01/02/20"]).days;
        assert_eq!((days.plain, days.year_last, days.short_years), (1, 1, 1));
        let minutes = Time::Digits {
            sign: ' ',
            seconds: false,
        };
        assert_eq!(days.times, [Time::None, minutes].into());
        assert!(days.one_digit);
        assert!(!days.short_hours && seen(&["1.2.2020 9:30"]).days.short_hours);
        let days = seen(&[
            "2020-01-02T10:30:00.000",
            "2020-01-02 1:30 PM",
            "2020-01-02 soon",
        ])
        .days;
        assert_eq!((days.count(), days.times), (2, [Time::Other].into()));
    }

    #[test]
    fn texts_are_kept_while_they_are_few() {
        let few = seen(&["a", "b", "a", "", " "]);
        assert_eq!((few.filled, few.empty), (3, 2));
        assert!(few.cells.are(66) && !few.cells.are(67));
        assert_eq!(few.texts.texts().unwrap().get("a"), Some(&2));
        let many: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let many = seen(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(many.texts.texts().is_none() && many.words.texts().is_some());
        assert!(many.cells.are(100));
    }
}
