//! Letters that show as what they are, and a place for those that do not: what stands in a file is
//! read by people on a terminal.

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

#[cfg(test)]
mod tests {
    use super::*;

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
