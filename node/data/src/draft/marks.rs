//! What a file has shown of its decimal mark and of what parts
//! thousands.

use super::seen::{GROUPS, Numbers, Seen};
use super::words::quoted;

/// The marks of the whole file, as far as its columns agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileMarks {
    pub(super) decimal: Option<char>,
}

impl FileMarks {
    /// The decimal mark that stands in some column, where no
    /// column has the other one.
    pub(super) fn of<'s>(columns: impl Iterator<Item = &'s Seen>) -> Self {
        let mut points = 0;
        let mut commas = 0;
        for Seen { numbers, .. } in columns {
            points += numbers.points + u64::from(numbers.behind.contains(&'.'));
            commas += numbers.commas + u64::from(numbers.behind.contains(&','));
        }
        Self {
            decimal: match (points, commas) {
                (0, 1..) => Some(','),
                (1.., 0) => Some('.'),
                _ => None,
            },
        }
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
    let either = match (numbers.either_point, numbers.either_comma) {
        (0, 0) => None,
        (_, 0) => Some('.'),
        (0, _) => Some(','),
        _ => {
            marks.question = Some("both `.` and `,` stand before three digits".to_owned());
            None
        }
    };
    let decimal = own.or(file.decimal);
    let thousands = grouped.or(either.filter(|mark| decimal.is_some_and(|own| own != *mark)));
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
            marks.question = Some(format!(
                "`{mark}` is taken to part thousands, as other numbers have another decimal mark"
            ));
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
