//! Names and levels as a study and a schema write them.

/// Characters a name or a level may have.
pub const NAME_LIMIT: usize = 64;

/// Whether `text` is a column's name: a letter, then letters, digits or `_`, at most
/// [`NAME_LIMIT`].
pub fn is_column_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether `text` is a dataset's name: letters, digits, `-` or `_`, at most [`NAME_LIMIT`].
pub fn is_dataset_name(text: &str) -> bool {
    (1..=NAME_LIMIT).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A text as it is compared where numbers compare as numbers: `1.0`, `01` and `1E0` are `1`.
pub fn as_number(text: &str) -> String {
    let text = text.trim();
    match text.parse::<f64>() {
        // Adding zero turns -0 into 0. Words such as `nan` or `inf` stay words, and long codes stay
        // exact.
        Ok(number) if number.is_finite() && number.abs() < 1e15 => (number + 0.0).to_string(),
        _ => text.to_string(),
    }
}

/// Whether a level that could be read as a number is a code: it is not written as that number is,
/// for it begins or ends with zeros that count, or has an exponent (`01`, `250.00`, `1E3`). Two
/// such levels may be one number and two diseases.
pub fn is_code(level: &str) -> bool {
    level.trim() != as_number(level)
}

/// A cell as it is compared with levels none of which is a code: a whole number may have got a
/// point and zeros from the program that wrote it (`1.0` is `1`). What begins with a zero or has an
/// exponent stays what it is.
pub fn normal_level(text: &str) -> String {
    let text = text.trim();
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text), |digits| ("-", digits));
    match digits.split_once('.') {
        Some((whole, part))
            if is_digits(whole) && is_digits(part) && (whole == "0" || !whole.starts_with('0')) =>
        {
            match (part.trim_end_matches('0'), whole) {
                ("", "0") => "0".to_owned(),
                ("", whole) => format!("{sign}{whole}"),
                (part, whole) => format!("{sign}{whole}.{part}"),
            }
        }
        None if digits == "0" => "0".to_owned(),
        _ => text.to_owned(),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_a_program_wrote_with_a_point_is_that_number_and_a_code_is_not() {
        for (written, normal) in [
            ("1.0", "1"),
            (" 2 ", "2"),
            ("-0.0", "0"),
            ("-0", "0"),
            ("0.50", "0.5"),
            ("-3.00", "-3"),
            ("100", "100"),
            ("nan", "nan"),
            ("III", "III"),
            ("01", "01"),
            ("01.0", "01.0"),
            ("1E3", "1E3"),
            ("1e400", "1e400"),
            ("+1", "+1"),
            ("1.", "1."),
            ("1.0.0", "1.0.0"),
            ("", ""),
        ] {
            assert_eq!(normal_level(written), normal);
        }
        for code in [
            "01", "250.00", "250.0", "1E3", "1e3", "+1", "-0", ".5", "00",
        ] {
            assert!(is_code(code), "{code}");
        }
        for level in [
            "1",
            "-1",
            "0.5",
            "250.1",
            "C50.10",
            "nan",
            "III",
            "1e400",
            "00123456789012345678",
        ] {
            assert!(!is_code(level) || level.starts_with('0'), "{level}");
        }
        assert_eq!(
            ["01", "1E0", "1.0", "x"].map(as_number),
            ["1", "1", "1", "x"]
        );
    }
}
