//! What a person who wrote a TOML file wants to hear: the line, the problem and the fix, without a
//! word of Rust.

/// Characters a name or a level may have.
pub const NAME_LIMIT: usize = 64;

/// The 1-based line of byte `offset` in `text`.
pub fn line_at(text: &str, offset: usize) -> u32 {
    let before = text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count();
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

/// What the TOML reader refused: its line, the problem in plain words, and the fix.
pub fn explain(text: &str, error: &toml::de::Error) -> (u32, String, &'static str) {
    let span = error.span().unwrap_or(0..0);
    let line = line_at(text, span.start);
    let message = error.message();
    if message.starts_with("missing field") {
        let name = message.split('`').nth(1).unwrap_or_default();
        // A key is missing from its table, which has a place in the text; a table from the file,
        // which has none.
        let problem = if span.is_empty() {
            format!("missing table `[{name}]`")
        } else {
            format!("missing key `{name}`")
        };
        return (line, problem, "add it");
    }
    let words = [
        ("unknown field", "unknown key"),
        ("expected one of", "the keys here are"),
        ("invalid type:", "wrong kind of value:"),
        ("invalid value:", "wrong value:"),
        ("a sequence", "a list"),
        ("sequence", "list"),
        ("a map", "a table"),
        ("map", "table"),
        ("a boolean", "true or false"),
        ("boolean", "true or false"),
        ("floating point", "number"),
        ("expected f64", "expected a number"),
        ("expected u32", "expected a whole number from 0"),
        ("expected a string", "expected a text in quotes"),
        ("expected a TOML datetime", "expected a date without quotes"),
    ];
    let plain = words.iter().fold(
        message.trim().replace('\n', ", "),
        |plain, (theirs, ours)| plain.replace(theirs, ours),
    );
    let plain = match plain.split_once("struct ") {
        Some((head, _)) => format!("{head}a table"),
        None => plain,
    };
    let fix = if message.starts_with("unknown field") {
        "correct or remove it"
    } else {
        "correct the line"
    };
    (line, plain, fix)
}

/// Whether `text` shows as what it is: no control characters and nothing that reorders or hides
/// letters on a terminal. Line breaks are for questions only.
pub fn is_plain(text: &str, line_breaks: bool) -> bool {
    text.chars().all(|c| match c {
        '\n' => line_breaks,
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => false,
        c => !c.is_control(),
    })
}

/// `text` with every character that [`is_plain`] refuses shown as `?`.
pub fn cleaned(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_plain(c.encode_utf8(&mut [0; 4]), false) {
                c
            } else {
                '?'
            }
        })
        .collect()
}

/// Whether `text` is a column's name: a letter, then letters, digits or `_`, at most
/// [`NAME_LIMIT`].
pub fn is_column_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
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
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (sign, digits) = text
        .strip_prefix('-')
        .map_or(("", text), |digits| ("-", digits));
    match digits.split_once('.') {
        Some((whole, part))
            if plain(whole) && plain(part) && (whole == "0" || !whole.starts_with('0')) =>
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

    #[test]
    fn hidden_characters_are_seen() {
        assert!(is_plain("Mortalité à 14 jours, β-bloquants", false));
        for bad in [
            "a\u{1b}[2J",
            "a\u{202e}b",
            "zero\u{200b}width",
            "two\nlines",
        ] {
            assert!(!is_plain(bad, false), "{bad:?}");
            assert!(is_plain(&cleaned(bad), false));
        }
        assert!(is_plain("two\nlines", true));
    }
}
