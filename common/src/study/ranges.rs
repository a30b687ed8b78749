//! Names of columns that differ in a number alone:
//! `emb[0..511]` stands for `emb0` to `emb511`, both ends
//! included. Where the first number begins with a zero, all
//! have at least as many digits as it.

/// The most columns that one range stands for, and that a study has.
pub const MOST_COLUMNS: u32 = 4096;

/// Shorter runs of names are easier to read one by one.
const LEAST_JOINED: usize = 10;

/// A number in a name has at most this many digits; more of
/// them are part of the name.
const MOST_DIGITS: usize = 9;

/// The names that a text stands for: those of its range, or
/// the text itself where it has no bracket. Nothing where the
/// range is not written so, goes down or has more than
/// [`MOST_COLUMNS`] numbers.
pub fn names(text: &str) -> Option<Vec<String>> {
    let Some((stem, range)) = text.split_once('[') else {
        return Some(vec![text.to_owned()]);
    };
    let (first, last) = range.strip_suffix(']')?.split_once("..")?;
    let (from, to) = (number(first)?, number(last)?);
    let steps = to.checked_sub(from)?;
    let name = |number| numbered(stem, number, first);
    (steps < MOST_COLUMNS).then(|| (from..=to).map(name).collect())
}

/// The texts that stand for these names: a run of ten or more
/// as its range, others as they are.
pub fn joined(names: &[String]) -> Vec<String> {
    names
        .chunk_by(|name, next| is_next(name, next))
        .flat_map(|run| {
            let long = Some(run).filter(|run| run.len() >= LEAST_JOINED);
            long.and_then(range)
                .map_or_else(|| run.to_vec(), |range| vec![range])
        })
        .collect()
}

/// These names in one line, each run of ten or more as its
/// range.
pub(super) fn in_words(names: &[&str]) -> String {
    let mut names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
    by_number(&mut names);
    joined(&names).join(", ")
}

/// Sorts names by their stems, and those of one stem by their
/// numbers.
pub fn by_number(names: &mut [String]) {
    names.sort_by(|one, other| sorted_by(one).cmp(&sorted_by(other)));
}

/// A name's stem, number and text.
fn sorted_by(name: &str) -> (&str, Option<u32>, &str) {
    match parted(name) {
        Some((stem, digits)) => (stem, number(digits), name),
        None => (name, None, name),
    }
}

/// Whether a name is the other with the next number.
pub fn is_next(name: &str, next: &str) -> bool {
    following(name).is_some_and(|name| name == next)
}

/// The range that stands for these names, each of which is
/// the one before with the next number; nothing where no text
/// that [`names`] reads does.
pub fn range(run: &[String]) -> Option<String> {
    debug_assert!(
        run.windows(2)
            .all(|pair| matches!(pair, [name, next] if is_next(name, next))),
        "a range has no gaps"
    );
    let (stem, first) = parted(run.first()?).filter(|(stem, _)| !stem.contains('['))?;
    let (_, last) = parted(run.last()?)?;
    let fits = run.len() <= MOST_COLUMNS as usize;
    fits.then(|| format!("{stem}[{first}..{last}]"))
}

/// The name with the next number.
fn following(name: &str) -> Option<String> {
    let (stem, digits) = parted(name)?;
    Some(numbered(stem, number(digits)? + 1, digits))
}

/// A name's stem and the number at its end.
fn parted(name: &str) -> Option<(&str, &str)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.split_at_checked(stem.len())
        .filter(|(_, digits)| number(digits).is_some())
}

fn number(digits: &str) -> Option<u32> {
    let is_one = (1..=MOST_DIGITS).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_one)
}

/// A name with this number, of as many digits as `first`
/// where that begins with a zero.
fn numbered(stem: &str, number: u32, first: &str) -> String {
    let digits = if first.starts_with('0') {
        first.len()
    } else {
        0
    };
    format!("{stem}{number:0digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_its_ends_and_as_many_digits_as_the_first() {
        let of = |text: &str| names(text).unwrap_or_default().join(" ");
        assert_eq!(of("age"), "age");
        assert_eq!(of("emb[0..3]"), "emb0 emb1 emb2 emb3");
        assert_eq!(of("e_[8..11]"), "e_8 e_9 e_10 e_11");
        assert_eq!(of("e[098..101]"), "e098 e099 e100 e101");
        assert_eq!(names("emb[0..511]").unwrap().len(), 512);
        assert_eq!(names("emb[0..4095]").unwrap().len(), 4096);
        for wrong in [
            "emb[0..4096]",
            "emb[3..1]",
            "emb[..3]",
            "emb[0..]",
            "emb[0...3]",
            "emb[0-3]",
            "emb[0..3]x",
            "emb[0..3",
            "emb[+0..3]",
            "emb[0..3][0..3]",
            "emb[0..9999999999]",
        ] {
            assert_eq!(names(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_sorted_by_their_numbers_and_a_run_has_its_range() {
        let mut all = names("x[8..11]").unwrap();
        all.push("a".to_owned());
        all.sort();
        assert_eq!(all, ["a", "x10", "x11", "x8", "x9"]);
        by_number(&mut all);
        assert_eq!(all, ["a", "x8", "x9", "x10", "x11"]);
        assert!(is_next("x9", "x10") && is_next("x09", "x10") && !is_next("x8", "x10"));
        assert!(!is_next("x", "x1") && !is_next("x9", "y10"));
        assert_eq!(range(&all[1..]).as_deref(), Some("x[8..11]"));
        assert_eq!(range(&all[..1]), None);
        assert_eq!(range(&["a[0] 1".to_owned(), "a[0] 2".to_owned()]), None);
    }

    #[test]
    fn joined_names_stand_for_the_same_names() {
        let all: Vec<String> = [
            "a",
            "x[1..9]",
            "b[0..40]",
            "c[08..20]",
            "c[990..1010]",
            "b41",
        ]
        .into_iter()
        .flat_map(|text| names(text).unwrap())
        .collect();
        let texts = joined(&all);
        assert_eq!(texts.len(), 1 + 9 + 4, "{texts:?}");
        assert!(texts.contains(&"b[0..40]".to_owned()) && texts.contains(&"c[08..20]".to_owned()));
        let again: Vec<String> = texts.iter().flat_map(|text| names(text).unwrap()).collect();
        assert_eq!(again, all);
        assert_eq!(joined(&[]), Vec::<String>::new());
        let long = ["p1234567890".to_owned(), "p1234567891".to_owned()];
        assert_eq!(joined(&long), long);
    }
}
