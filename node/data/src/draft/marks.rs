//! What a file has shown of its decimal mark and of what parts
//! thousands.

use super::seen::{GROUPS, Numbers, Seen};
use super::words::quoted;
use std::collections::BTreeSet;

/// The marks of the whole file, as far as its columns agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileMarks {
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
}

impl FileMarks {
    /// The decimal mark that stands in some column, where no
    /// column has the other one; and the mark that surely parts
    /// thousands in some column, where it is no decimal one.
    pub(super) fn of<'s>(columns: impl Iterator<Item = &'s Seen>) -> Self {
        let mut points = 0;
        let mut commas = 0;
        let mut parted = BTreeSet::new();
        for Seen { numbers, .. } in columns {
            if numbers.are_parted() {
                parted.extend(either(numbers));
            }
            points += numbers.points + u64::from(numbers.behind.contains(&'.'));
            commas += numbers.commas + u64::from(numbers.behind.contains(&','));
        }
        Self {
            decimal: match (points, commas) {
                (0, 1..) => Some(','),
                (1.., 0) => Some('.'),
                _ => None,
            },
            thousands: match (parted.first(), parted.len()) {
                (Some('.'), 1) if points == 0 => Some('.'),
                (Some(','), 1) if commas == 0 => Some(','),
                _ => None,
            },
        }
    }
}

/// The only mark that stands before exactly three digits and may
/// be the decimal one or part thousands.
fn either(numbers: &Numbers) -> Option<char> {
    match (numbers.either_point, numbers.either_comma) {
        (1.., 0) => Some('.'),
        (0, 1..) => Some(','),
        _ => None,
    }
}

/// What a column says of its marks.
pub(super) struct Marks {
    pub(super) lines: Vec<String>,
    pub(super) question: Option<String>,
    /// Whether there are numbers with a part.
    pub(super) parts: bool,
}

/// The decimal mark of a column, or of the file.
pub(super) fn decimal(numbers: &Numbers, file: FileMarks) -> Option<char> {
    own(numbers).or(file.decimal)
}

/// The decimal mark that stands in a column, where it has one.
fn own(numbers: &Numbers) -> Option<char> {
    match (numbers.points, numbers.commas, numbers.behind.first()) {
        (_, _, Some(mark)) => Some(*mark),
        (0, 1.., None) => Some(','),
        (1.., 0, None) => Some('.'),
        _ => None,
    }
}

pub(super) fn marks(numbers: &Numbers, file: FileMarks) -> Marks {
    let grouped = numbers.grouped.iter().position(|count| *count > 0);
    let grouped = grouped.and_then(|place| GROUPS.get(place)).copied();
    let own = own(numbers);
    let mut marks = Marks {
        lines: Vec::new(),
        question: None,
        parts: numbers.points + numbers.commas > 0 || own.is_some(),
    };
    if numbers.points > 0 && numbers.commas > 0 {
        marks.question = Some(
            "some numbers have a decimal point and others a decimal comma: correct the export"
                .to_owned(),
        );
        return marks;
    }
    // Which mark stands before three digits and may be either.
    let either = either(numbers);
    if numbers.either_point > 0 && numbers.either_comma > 0 {
        marks.question = Some("both `.` and `,` stand before three digits".to_owned());
    }
    let decimal = own.or(file.decimal);
    let others = either.filter(|mark| decimal.is_some_and(|own| own != *mark));
    let parted = either.filter(|mark| own.is_none() && file.thousands == Some(*mark));
    let thousands = grouped.or(others).or(parted);
    if let Some(mark) = thousands {
        marks
            .lines
            .push(format!("thousands = {}", quoted(&mark.to_string())));
        let point = if marks.parts {
            decimal.filter(|own| *own != mark)
        } else {
            None
        };
        marks
            .lines
            .extend(point.map(|own| format!("decimal = \"{own}\"")));
        if grouped.is_none() {
            let reason = match others {
                Some(_) => "other numbers have another decimal mark",
                None => {
                    "in this column, or in another of the file, no number below 1000 has a mark, \
                     and some above it end in a 0"
                }
            };
            marks.question = Some(format!("`{mark}` is taken to part thousands, as {reason}"));
        }
        return marks;
    }
    match either {
        // The mark is the decimal one of this column.
        Some(mark) if own == Some(mark) => {}
        Some(mark) => {
            let taken = if file.decimal == Some(mark) {
                marks.parts = true;
                "it is read as the decimal mark, as in other columns"
            } else {
                "`data check` refuses the numbers until it is written"
            };
            marks.question = Some(format!(
                "`{mark}` stands before exactly three digits: `thousands = \"{mark}\"`, or \
                 `decimal = \"{mark}\"` and `type = \"float\"`? {taken}"
            ));
        }
        None => {}
    }
    // A comma of a file whose other columns have points.
    if own == Some(',') && file.decimal != Some(',') {
        marks.lines.push("decimal = \",\"".to_owned());
    }
    marks
}
