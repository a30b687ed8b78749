//! Limits such as `> 89` among numbers, and what they may count as.

/// A limit, and the number that it may count as; none where its
/// marks may be read in two ways.
pub(super) struct Limit<'t> {
    pub(super) text: &'t str,
    pub(super) counts_as: Option<String>,
}

/// What may stand in it.
const MARKS: [char; 4] = ['.', ',', ' ', '\''];

/// The number behind the sign.
enum Amount {
    /// Without any mark, or with thousands that are parted.
    Whole(f64),
    /// With a decimal mark.
    Part(f64),
    /// One or the other.
    Either,
}

impl<'t> Limit<'t> {
    /// The limit that a text is, in a column with this decimal
    /// mark, if it is known: it counts as the next whole number
    /// above `> 89`, the half of `<0,5`.
    pub(super) fn of(text: &'t str, decimal: Option<char>) -> Option<Self> {
        let (above, rest) = match (text.strip_prefix('>'), text.strip_prefix('<')) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return None,
        };
        let (at, rest) = match rest.strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let counts_as = match (amount(rest.trim(), decimal)?, above) {
            (Amount::Either, _) => None,
            (Amount::Whole(number), true) if !at => Some(number + 1.0),
            (Amount::Whole(number) | Amount::Part(number), true) => Some(number),
            (Amount::Whole(number) | Amount::Part(number), false) => Some(number / 2.0),
        };
        Some(Self {
            text,
            counts_as: counts_as.map(|number| number.to_string()),
        })
    }

    /// Whether it counts as a number with a part.
    pub(super) fn has_part(&self) -> bool {
        let number = self.counts_as.as_ref();
        number.is_some_and(|number| number.contains('.'))
    }
}

fn amount(text: &str, decimal: Option<char>) -> Option<Amount> {
    let marks: Vec<char> = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    let ends = text.ends_with(|c: char| c.is_ascii_digit());
    if !ends || !marks.iter().all(|mark| MARKS.contains(mark)) {
        return None;
    }
    let [mark @ ('.' | ',')] = marks.as_slice() else {
        let number = text.parse().ok().map(Amount::Whole);
        return Some(number.unwrap_or(Amount::Either));
    };
    let (whole, part) = text.split_once(*mark)?;
    let three = part.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
    match decimal {
        None if three => Some(Amount::Either),
        Some(decimal) if three && decimal != *mark => {
            format!("{whole}{part}").parse().ok().map(Amount::Whole)
        }
        _ => text.replace(',', ".").parse().ok().map(Amount::Part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_counts_as_a_number_by_the_marks_of_its_column_or_as_none() {
        for (text, decimal, number) in [
            ("> 89", None, Some("90")),
            (">89", Some(','), Some("90")),
            (">= 89", None, Some("89")),
            ("<0,5", None, Some("0.25")),
            ("<5", None, Some("2.5")),
            ("> 12.5", None, Some("12.5")),
            ("> 1.000", None, None),
            ("> 1.000", Some(','), Some("1001")),
            ("> 1.000", Some('.'), Some("1")),
            ("<1,000", None, None),
            ("<0.125", None, Some("0.0625")),
            ("> 1 000", None, None),
            ("> 1.000.000", Some(','), None),
        ] {
            let limit = Limit::of(text, decimal).unwrap();
            assert_eq!(limit.counts_as.as_deref(), number, "{text} {decimal:?}");
        }
        for none in ["89", ">", "> x", "> 89 years", "<5.", "->3"] {
            assert!(Limit::of(none, None).is_none(), "{none}");
        }
    }
}
