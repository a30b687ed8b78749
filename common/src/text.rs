//! Text from elsewhere, fit to be printed: letters that move the cursor, colour, hide or turn round
//! what stands beside them become spaces, so that nothing that is sent rewrites what a steward or
//! an operator reads.

/// On one line.
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|letter| if rewrites(letter) { ' ' } else { letter })
        .collect()
}

/// Likewise, with its lines as they are.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if rewrites(letter) && letter != '\n' {
                ' '
            } else {
                letter
            }
        })
        .collect()
}

/// JSON with such letters escaped: the same value, also for a program, and harmless on a terminal.
/// Outside of strings JSON has none of them but the ends of its lines.
pub fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if rewrites(letter) && letter != '\n' {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

/// Control characters of both ranges, marks of direction, and the ends of lines that only some
/// programs know.
fn rewrites(letter: char) -> bool {
    let turns = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_sent_moves_a_cursor_or_turns_a_line_round() {
        let sent = "a\x1b[2J\u{9b}31m\u{202e}b\u{2066}\r\nnext: c";
        assert_eq!(shown(sent), "a [2J 31m b   next: c");
        assert_eq!(plain(sent), "a [2J 31m b  \nnext: c");
        assert_eq!(plain("héart – ≥ 5"), "héart – ≥ 5");
        assert_eq!(
            escaped("{\n\"a\u{9b}\": \"\u{202e}\"}"),
            "{\n\"a\\u009b\": \"\\u202e\"}"
        );
    }
}
