//! From what a column has shown to what it may mean: lines of a
//! schema, and questions.

use super::limits::Limit;
use super::marks::{FileMarks, decimal, marks};
use super::seen::{Days, FEW, Few, Seen, is_warm};
use super::words::{
    CODES, are_before_and_after, are_codes_of_sexes, are_no_and_yes, are_sexes, is_concentration,
    is_default, is_doubtful, is_missing, legend, quoted, unit,
};
use crate::dates::Time;
use std::collections::{BTreeMap, BTreeSet};

/// More levels are no category.
const LEVELS: usize = 20;
/// Of the cells that are filled, how many in a hundred are
/// numbers in a column of numbers.
const MOSTLY: u64 = 80;
/// The same of temperatures of one unit.
const WARM: u64 = 95;

/// The line of whole numbers.
const WHOLE: &str = "type = \"int\"";

/// The same of numbers with parts.
const PARTS: &str = "type = \"float\"";

/// Whether a line says that a column is one of numbers.
fn is_of_numbers(line: &str) -> bool {
    [WHOLE, PARTS].contains(&line)
}

/// What a column may be.
#[derive(Debug, Default)]
pub(super) struct Guess {
    /// The lines of its table; none where it is better left out.
    pub(super) lines: Vec<String>,
    /// What only the site can say. `data check` refuses the file
    /// while some of them are open.
    pub(super) questions: Vec<String>,
    /// Why it is left out.
    pub(super) left: Option<String>,
    /// A name that says more than the header.
    pub(super) name: Option<&'static str>,
}

impl Guess {
    fn typed(kind: &str) -> Self {
        Self {
            lines: vec![format!("type = \"{kind}\"")],
            ..Self::default()
        }
    }

    fn left(why: &str) -> Self {
        Self {
            left: Some(why.to_owned()),
            ..Self::default()
        }
    }

    fn asks(mut self, question: impl Into<String>) -> Self {
        self.questions.push(question.into());
        self
    }

    /// Whether all its numbers are whole.
    pub(super) fn is_whole(&self) -> bool {
        self.lines.first().is_some_and(|line| line == WHOLE)
    }

    /// Whether the two say the same, but for numbers that have
    /// parts in one of them.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let mut pairs = self.lines.iter().zip(&other.lines);
        self.lines.len() == other.lines.len()
            && self.questions == other.questions
            && pairs
                .all(|(one, other)| one == other || (is_of_numbers(one) && is_of_numbers(other)))
    }

    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }
}

fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

/// What a column may be, by its header and its cells.
pub(super) fn guess(header: &str, seen: &Seen, file: FileMarks) -> Guess {
    if seen.filled == 0 {
        return Guess::left("no row has a value");
    }
    let words = Words::of(&seen.words, decimal(&seen.numbers, file));
    let guess = by_cells(header, seen, &words, file);
    if guess.left.is_some() {
        return guess;
    }
    words.doubtful.iter().fold(guess, |guess, (word, count)| {
        guess.asks(format!(
            "does {} mean \"not known\", in {}, or is it a value?",
            quoted(word),
            cells(*count)
        ))
    })
}

fn by_cells(header: &str, seen: &Seen, words: &Words<'_>, file: FileMarks) -> Guess {
    let known = seen.filled - words.missing_cells;
    if seen.days.count() > 0 && seen.days.count() == known {
        return date(seen, words);
    }
    let numbers = seen.numbers.count();
    if numbers > 0 && numbers * 100 >= known * MOSTLY && !words.are_many {
        return number(header, seen, words, file);
    }
    category(header, seen, words)
}

/// The texts of a column that are no numbers.
#[derive(Default)]
struct Words<'s> {
    /// Words for what is not known.
    missing: Vec<&'s str>,
    missing_cells: u64,
    /// Those among them that may be a value, and how often each
    /// was seen.
    doubtful: Vec<(&'s str, u64)>,
    /// Limits such as `> 89`, seen often enough to be written
    /// down.
    limits: Vec<Limit<'s>>,
    /// Others that were.
    others: Vec<&'s str>,
    /// Cells with texts that were not.
    rare: u64,
    are_many: bool,
}

impl<'s> Words<'s> {
    fn of(few: &'s Few, decimal: Option<char>) -> Self {
        let Some(texts) = few.texts() else {
            return Self {
                are_many: true,
                ..Self::default()
            };
        };
        let mut words = Self::default();
        // Beside a plus a minus is the result of a test.
        let are_signs = texts.contains_key("+");
        for (text, cells) in texts {
            if is_missing(text) && !(are_signs && text == "-") {
                words.missing.push(text);
                words.missing_cells += cells;
                if is_doubtful(text) {
                    words.doubtful.push((text, *cells));
                }
            } else if *cells < FEW {
                words.rare += cells;
            } else if let Some(limit) = Limit::of(text, decimal) {
                words.limits.push(limit);
            } else {
                words.others.push(text);
            }
        }
        words
    }

    /// The line `missing`, where a schema does not take the words
    /// so anyhow.
    fn missing(&self, more: &[&str]) -> Option<String> {
        let all: Vec<&str> = self.missing.iter().chain(more).copied().collect();
        let told = all.iter().any(|word| !is_default(word));
        told.then(|| format!("missing = {}", list(all)))
    }
}

fn date(seen: &Seen, words: &Words<'_>) -> Guess {
    let days = &seen.days;
    let mut guess = Guess::typed("date");
    guess.lines.extend(words.missing(&[]));
    if days.times.contains(&Time::Other) {
        let why = "dates with a time of day that no `format` reads";
        return Guess::left(why).asks(
            "parts of a second, a zone, AM or PM: can the export write the date alone, or the \
             time as `10:30` or `10:30:00`?",
        );
    }
    if days.short_years > 0 {
        return Guess::left(
            "dates whose years have two digits, which do not say the century: export them with \
             four",
        );
    }
    if days.plain == days.count() {
        return guess;
    }
    match formats(days).as_slice() {
        [format] => {
            guess.line(format!("format = \"{format}\""));
            guess
        }
        [one, other] => guess.asks(format!(
            "day and month may be either in every row: `format = \"{one}\"` or \
             `format = \"{other}\"`? `data check` refuses the dates until it is written"
        )),
        _ => Guess::left("dates that are written in several ways"),
    }
}

/// The formats that read every day of a column.
fn formats(days: &Days) -> Vec<String> {
    let (Some(sign), 1, 1) = (days.signs.first(), days.signs.len(), days.times.len()) else {
        return Vec::new();
    };
    let (day, month) = if days.one_digit {
        ("d", "m")
    } else {
        ("dd", "mm")
    };
    let time = match days.times.first() {
        Some(time) => time.format(days.short_hours),
        None => String::new(),
    };
    let day_first = format!("{day}{sign}{month}{sign}yyyy{time}");
    let month_first = format!("{month}{sign}{day}{sign}yyyy{time}");
    match (days.year_first, days.year_last, days.plain) {
        (1.., 0, 0) => vec![format!("yyyy{sign}{month}{sign}{day}{time}")],
        (0, 1.., 0) => match (days.first_above, days.second_above) {
            (true, false) => vec![day_first],
            (false, true) => vec![month_first],
            (false, false) => vec![day_first, month_first],
            (true, true) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn number(header: &str, seen: &Seen, words: &Words<'_>, file: FileMarks) -> Guess {
    let code = code(seen);
    let texts = seen.texts.texts();
    let values: Vec<&str> = texts
        .into_iter()
        .flat_map(|texts| texts.keys())
        .map(String::as_str)
        .filter(|text| !words.missing.contains(text) && code != Some(*text))
        .collect();
    let are_codes = seen.numbers.count() == seen.numbers.wholes;
    let words_alone = words.others.is_empty() && words.limits.is_empty() && words.rare == 0;
    if let [one, other] = values.as_slice()
        && words_alone
        && (told(header, one, other, are_no_and_yes).is_some()
            || (are_codes && often(seen, one) && often(seen, other)))
    {
        return two(header, [one, other], words, code.as_slice());
    }
    let marks = marks(&seen.numbers, file);
    let warm = warm(header, seen);
    let named = unit(header).or(warm);
    let parts = marks.parts
        || words.limits.iter().any(Limit::has_part)
        || named.is_some_and(is_concentration);
    let mut guess = Guess::typed(if parts { "float" } else { "int" });
    guess
        .lines
        .extend(named.map(|unit| format!("unit = \"{unit}\"")));
    if let Some(unit) = warm {
        guess = guess.asks(format!(
            "the unit is taken from the values: is it `{unit}`?"
        ));
    }
    guess.lines.extend(marks.lines);
    guess.questions.extend(marks.question);
    let taken: Vec<&str> = code
        .into_iter()
        .chain(words.others.iter().copied())
        .collect();
    guess.lines.extend(words.missing(&taken));
    // Two that differ in spaces are one.
    let pairs: BTreeSet<String> = words
        .limits
        .iter()
        .filter_map(|limit| {
            let words: Vec<&str> = limit.text.split_whitespace().collect();
            let number = limit.counts_as.as_ref()?;
            Some(format!("{} = {number}", quoted(&words.join(" "))))
        })
        .collect();
    if !pairs.is_empty() {
        let pairs: Vec<String> = pairs.into_iter().collect();
        guess.line(format!("replace = {{ {} }}", pairs.join(", ")));
        guess = guess.asks("is a limit such as `>` and a number to count as this?");
    }
    let open = words
        .limits
        .iter()
        .filter(|limit| limit.counts_as.is_none());
    for Limit { text, .. } in open {
        let text = quoted(text);
        guess = guess.asks(format!(
            "the mark in {text} may part thousands or be the decimal one: what number does it \
             count as? `replace = {{ {text} = .. }}`"
        ));
    }
    if let Some(code) = code {
        guess = guess.asks(format!("does {code} mean \"not known\"?"));
    }
    if !words.others.is_empty() {
        guess = guess.asks("do these words mean \"not known\"?");
    }
    if words.rare > 0 {
        guess = guess.asks(format!(
            "{} have a text that is no number, each of them in fewer than {FEW} cells and not \
             shown here for that: `missing` or `replace`?",
            cells(words.rare)
        ));
    }
    if seen.filled > 50 && seen.cells.are(100) && !marks.parts {
        guess = guess.asks("every value is another: an identifier has no place in a study");
    }
    guess
}

/// The unit of a temperature whose header names none, where
/// nearly all values are in its range.
fn warm(header: &str, seen: &Seen) -> Option<&'static str> {
    let is_asked = is_warm(header) && unit(header).is_none();
    let most = seen.numbers.count() * WARM;
    let mut units = ["Cel", "[degF]"].into_iter().zip(seen.warm);
    let found = units.find(|(_, cells)| is_asked && cells * 100 >= most);
    found.map(|(unit, _)| unit)
}

/// Whether a text is in so many cells that it may be written
/// down.
fn often(seen: &Seen, text: &str) -> bool {
    let texts = seen.texts.texts();
    texts.is_some_and(|texts| texts.get(text).is_some_and(|cells| *cells >= FEW))
}

fn cells(count: u64) -> String {
    match count {
        0..FEW => format!("fewer than {FEW} cells"),
        _ => format!("{count} cells"),
    }
}

/// The negative number that may stand for what is not known: the
/// only one, and a usual code.
fn code(seen: &Seen) -> Option<&str> {
    let negative = seen.negative.texts()?;
    let mut texts = negative.iter();
    let (text, cells) = texts.next().filter(|_| negative.len() == 1)?;
    let is_code = CODES.contains(&text.as_str()) && *cells >= FEW;
    is_code.then_some(text)
}

/// Two values: yes and no, or two levels.
fn two(header: &str, [one, other]: [&str; 2], words: &Words<'_>, code: &[&str]) -> Guess {
    let missing = words.missing(code);
    let answer = told(header, one, other, are_no_and_yes);
    let named = NAMED.iter().find_map(|(name, are)| {
        let pair = told(header, one, other, |one, other| are(header, one, other));
        pair.map(|pair| (pair, *name))
    });
    let Some((no, yes)) = answer.or(named.map(|(pair, _)| pair)) else {
        // Which of the two is a yes, and whether one is, only the site and the study know.
        let asks = "two values: a yes and a no (`type = \"bool\"` with the texts of `true` and \
                    `false`), or two levels?";
        return levels(vec![one, other], missing).asks(asks);
    };
    let mut guess = Guess::typed("bool");
    let usual = [("0", "1"), ("no", "yes"), ("false", "true")];
    if !usual.contains(&(no.to_lowercase().as_str(), yes.to_lowercase().as_str())) {
        guess.line(format!("true = {}", list([yes])));
        guess.line(format!("false = {}", list([no])));
    }
    guess.lines.extend(missing);
    if answer.is_none() {
        guess.name = named.map(|(_, name)| name);
    }
    match are_codes_of_sexes(header, no, yes) && legend(header, yes).is_none() {
        true => guess.asks("is 1 a man and 2 a woman, as in ISO/IEC 5218?"),
        false => guess,
    }
}

/// Whether two texts are a no and a yes under a header.
type AreNoAndYes = fn(&str, &str, &str) -> bool;

/// Pairs of texts that are a no and a yes under a header that asks
/// for it, and the name of a column of them.
const NAMED: [(&str, AreNoAndYes); 3] = [
    ("male", are_sexes),
    ("male", are_codes_of_sexes),
    ("postmenopausal", are_before_and_after),
];

/// Which of two texts is the first of a pair and which the
/// second, by themselves or by what the header says of them.
fn told<'t>(
    header: &str,
    one: &'t str,
    other: &'t str,
    in_order: impl Fn(&str, &str) -> bool,
) -> Option<(&'t str, &'t str)> {
    let pairs = [(one, other), (other, one)];
    pairs.into_iter().find(|(first, second)| {
        // What the header says decides: `0=ja, 1=nein`.
        match (legend(header, first), legend(header, second)) {
            (Some(first), Some(second)) => in_order(first, second),
            _ => in_order(first, second),
        }
    })
}

fn levels(mut names: Vec<&str>, missing: Option<String>) -> Guess {
    let mut guess = match ranks(&names) {
        Some(ranks) => {
            names.sort_by_key(|name| ranks.get(name).copied());
            Guess::typed("ordered")
        }
        None => Guess::typed("category"),
    };
    guess.line(format!("levels = {}", list(names)));
    guess.lines.extend(missing);
    guess
}

/// The order of levels that are ranges of numbers, such as
/// `<=20`, `20-50`, `>50`.
fn ranks<'n>(names: &[&'n str]) -> Option<BTreeMap<&'n str, (u64, u8)>> {
    let ranks = names.iter().map(|name| Some((*name, rank(name)?)));
    ranks.collect()
}

/// Where a range begins, and whether it is below, at or above
/// that.
fn rank(name: &str) -> Option<(u64, u8)> {
    let begins = name.trim_start_matches(['<', '>', '=', '≤', '≥', ' ']);
    let ends = begins.split_once(['-', '–']);
    let two = ends.is_some_and(|(low, high)| is_number(low) && is_number(high));
    let first: String = begins.chars().take_while(char::is_ascii_digit).collect();
    let number = first.parse::<u64>().ok()?;
    let sign = match name.chars().next()? {
        '<' | '≤' => 0,
        '>' | '≥' => 2,
        _ if two => 1,
        _ => return None,
    };
    Some((number, sign))
}

fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok()
}

fn category(header: &str, seen: &Seen, words: &Words<'_>) -> Guess {
    let Some(texts) = seen.texts.texts() else {
        if seen.cells.are(100) {
            return Guess::left("every text is another, as of an identifier or a name");
        }
        return Guess::left("many texts, which are no levels");
    };
    let known = texts
        .iter()
        .filter(|(text, _)| !words.missing.contains(&text.as_str()));
    let all: Vec<&str> = known.clone().map(|(text, _)| text.as_str()).collect();
    if let [one, other] = all.as_slice()
        && told(header, one, other, are_no_and_yes).is_some()
    {
        // Words of our own list, and no patient's.
        return two(header, [one, other], words, &[]);
    }
    let often: Vec<&str> = known
        .clone()
        .filter(|(_, cells)| **cells >= FEW)
        .map(|(text, _)| text.as_str())
        .collect();
    let rare: u64 = known
        .filter(|(_, cells)| **cells < FEW)
        .map(|(_, cells)| cells)
        .sum();
    let guess = match often.as_slice() {
        [] => return Guess::left("no text is in 5 cells or more"),
        [_] => return Guess::left("one text alone, or with texts in fewer than 5 cells each"),
        [one, other] if rare == 0 => two(header, [one, other], words, &[]),
        many if many.len() <= LEVELS => levels(often, words.missing(&[])),
        _ => return Guess::left("many texts, which are no levels"),
    };
    if rare == 0 {
        return guess;
    }
    guess.asks(format!(
        "{} have other texts, each of them in fewer than {FEW} and not shown here for that: add \
         them to `levels`, or to `missing`",
        cells(rare)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guessed(header: &str, cells: &[(&str, usize)], decimal: Option<char>) -> Guess {
        let mut seen = Seen::under(header);
        for (cell, times) in cells {
            (0..*times).for_each(|_| seen.look(cell));
        }
        let thousands = FileMarks::of([&seen].into_iter()).thousands;
        guess(header, &seen, FileMarks { decimal, thousands })
    }

    fn lines(cells: &[(&str, usize)]) -> Vec<String> {
        guessed("x", cells, None).lines
    }

    #[test]
    fn types_are_guessed_and_what_few_cells_have_is_not_written_down() {
        assert_eq!(lines(&[("12", 9), ("14", 9), ("7", 1)]), ["type = \"int\""]);
        assert_eq!(
            lines(&[("1.5", 9), ("14", 9), ("NA", 9)]),
            ["type = \"float\""]
        );
        assert_eq!(
            lines(&[("1", 9), ("3", 9), ("5", 9), ("-9", 9), ("ND", 1)]),
            ["type = \"int\"", "missing = [\"ND\", \"-9\"]"]
        );
        assert_eq!(lines(&[("0", 9), ("1", 1)]), ["type = \"bool\""]);
        assert_eq!(
            lines(&[("ja", 9), ("nee", 1), ("onbekend", 1)]),
            [
                "type = \"bool\"",
                "true = [\"ja\"]",
                "false = [\"nee\"]",
                "missing = [\"onbekend\"]"
            ]
        );
        assert_eq!(
            lines(&[("ja", 9), ("nein", 9), ("?", 1)]),
            ["type = \"bool\"", "true = [\"ja\"]", "false = [\"nein\"]"]
        );
        assert_eq!(
            lines(&[(">50", 9), ("<=20", 9), ("20-50", 9)]),
            [
                "type = \"ordered\"",
                "levels = [\"<=20\", \"20-50\", \">50\"]"
            ]
        );
        let rare = guessed("x", &[("I", 9), ("II", 9), ("secret", 4)], None);
        assert!(!format!("{rare:?}").contains("secret"), "{rare:?}");
        assert_eq!(rare.questions.len(), 1);
        let rare = guessed("x", &[("1", 90), ("2", 90), ("3", 90), ("> 89", 4)], None);
        assert!(!format!("{rare:?}").contains("89"), "{rare:?}");
        let often = guessed("x", &[("1", 90), ("2", 90), ("3", 90), ("> 89", 5)], None);
        assert!(
            often
                .lines
                .contains(&"replace = { \"> 89\" = 90 }".to_owned()),
            "{often:?}"
        );
    }

    #[test]
    fn marks_that_may_be_either_are_asked_and_never_guessed_without_a_reason() {
        let cells = [("1.838", 9), ("403", 9), ("12", 9)];
        let open = guessed("x", &cells, None);
        assert_eq!((open.lines.len(), open.questions.len()), (1, 1), "{open:?}");
        let told = guessed("x", &cells, Some(','));
        assert_eq!(told.lines, ["type = \"int\"", "thousands = \".\""]);
        let sure = guessed("x", &[("1.838.000", 9), ("403", 9), ("12", 9)], None);
        assert_eq!(sure.lines, ["type = \"int\"", "thousands = \".\""]);
        assert!(sure.questions.is_empty());
        let comma = guessed("Alter (Tage)", &[("1,5", 9), ("403", 9), ("12", 9)], None);
        assert_eq!(
            comma.lines,
            ["type = \"float\"", "unit = \"d\"", "decimal = \",\""]
        );
    }

    #[test]
    fn a_mark_that_only_numbers_above_a_thousand_have_parts_them() {
        let parted = |cells: &[(&str, usize)]| guessed("x", cells, None);
        let sure = parted(&[("1.838", 9), ("1.640", 9), ("403", 9), ("12", 9)]);
        assert_eq!(sure.lines, ["type = \"int\"", "thousands = \".\""]);
        assert_eq!(sure.questions.len(), 1, "{sure:?}");
        for open in [
            // Where decimals are written as they come, none ends in a 0.
            [("1.838", 9), ("1.645", 9), ("403", 9), ("12", 9)],
            [("1.838", 9), ("1.640", 9), ("403", 9), ("1403", 9)],
            [("1.838", 9), ("1.640", 9), ("3", 9), ("12", 9)],
            [("1.838", 9), ("1.640", 4), ("403", 9), ("12", 9)],
        ] {
            assert_eq!(parted(&open).lines, ["type = \"int\""], "{open:?}");
        }
        let decimal = guessed("x", &[("1.838", 9), ("1.640", 9), ("403", 9)], Some('.'));
        assert!(decimal.questions.len() == 1, "{decimal:?}");
    }

    #[test]
    fn two_values_are_a_yes_and_a_no_where_header_and_values_say_of_what() {
        let before = guessed("Menopause", &[("post", 9), ("prä", 9)], None);
        let lines = ["type = \"bool\"", "true = [\"post\"]", "false = [\"prä\"]"];
        assert_eq!(
            (&before.lines[..], before.name),
            (&lines.map(str::to_owned)[..], Some("postmenopausal"))
        );
        let told = guessed(
            "Meno (1=post, 2=pre) menopausa",
            &[("1", 9), ("2", 9)],
            None,
        );
        assert_eq!(told.name, None, "the legend is not at the end");
        let told = guessed("Menopausa (1=post, 2=pre)", &[("1", 9), ("2", 9)], None);
        assert_eq!(told.lines[1], "true = [\"1\"]", "{told:?}");
        let test = guessed("Test", &[("post", 9), ("pre", 9)], None);
        assert!(test.lines[0].contains("category"), "{test:?}");
        let codes = guessed("Geslacht", &[("1", 9), ("2", 9)], None);
        assert_eq!(codes.lines[1], "true = [\"1\"]");
        assert_eq!((codes.name, codes.questions.len()), (Some("male"), 1));
        let legend = guessed("Geslacht (1=vrouw, 2=man)", &[("1", 9), ("2", 9)], None);
        assert_eq!(legend.lines[1], "true = [\"2\"]");
        assert!(legend.questions.is_empty());
    }

    #[test]
    fn a_concentration_is_a_number_with_parts() {
        let whole = |header| guessed(header, &[("90", 9), ("100", 9), ("110", 9)], None).lines;
        assert_eq!(whole("Glukose mg/dl")[0], PARTS);
        assert_eq!(whole("sbp (mmHg)")[0], WHOLE);
    }

    #[test]
    fn a_format_of_dates_is_written_where_one_alone_reads_them() {
        assert_eq!(
            lines(&[("13/04/2020", 1), ("01/02/2020", 9)]),
            ["type = \"date\"", "format = \"dd/mm/yyyy\""]
        );
        assert_eq!(lines(&[("2020-01-31", 9), ("NA", 1)]), ["type = \"date\""]);
        let open = guessed("x", &[("01/02/2020", 9)], None);
        assert_eq!((open.lines.len(), open.questions.len()), (1, 1));
        assert!(guessed("x", &[("01/02/20", 9)], None).left.is_some());
    }
}
