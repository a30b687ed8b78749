//! Letters that show as what they are, and a place for those that do not: what stands in a file is
//! read by people on a terminal.

/// Whether `text` shows as what it is: no control characters and nothing that reorders or hides
/// letters on a terminal or has no width (Unicode's default-ignorable characters). Line breaks are for questions only.
pub fn is_plain(text: &str, line_breaks: bool) -> bool {
    text.chars().all(|c| match c {
        '\n' => line_breaks,
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => false,
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
            "soft\u{ad}hyphen",
            "no\u{e0079}\u{e0065}\u{e0073}",
            "filler\u{3164}",
            "heart\u{fe0f}",
            "two\nlines",
        ] {
            assert!(!is_plain(bad, false), "{bad:?}");
            assert!(is_plain(&cleaned(bad), false));
        }
        assert!(is_plain("two\nlines", true));
    }
}
