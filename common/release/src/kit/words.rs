//! Words and numbers as people read them, in Markdown and on pictures.

/// Text of others inside a paragraph: on one line, markup made harmless.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A name as code: column names keep their underscores readable.
pub(crate) fn code(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| {
            if c.is_control() || c == '`' || c == '|' {
                ' '
            } else {
                c
            }
        })
        .collect();
    format!("`{}`", clean.trim())
}

/// A number with that many decimals.
pub(crate) fn digits(value: f64, digits: usize) -> String {
    if value.is_finite() {
        format!("{value:.digits$}")
    } else {
        "not available".to_owned()
    }
}

/// A number of any size with four significant digits.
pub(crate) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return digits(value, 0);
    }
    let size = value.abs();
    if size > 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let places = if size > 0.0 {
        (3.0 - libm::log10(size).floor()).max(0.0) as usize
    } else {
        0
    };
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A rounded minus zero confuses readers.
pub(crate) fn near(value: f64, places: usize) -> String {
    digits(value, places).replace(&format!("-{:.places$}", 0.0), &format!("{:.places$}", 0.0))
}

/// Three decimals are enough for a p-value.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 {
        "<0.001".to_owned()
    } else {
        digits(p, 3)
    }
}

/// An odds ratio with digits that fit its size.
pub(crate) fn ratio(log_odds: f64) -> String {
    let value = libm::exp(log_odds);
    match value {
        v if v >= 1000.0 => ">1000".to_owned(),
        v if v >= 100.0 => digits(v, 0),
        v if v >= 10.0 => digits(v, 1),
        v if v < 0.001 => "<0.001".to_owned(),
        v => digits(v, 3),
    }
}

/// A share as a percentage.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.1}%", share * 100.0)
    } else {
        digits(share, 1)
    }
}

/// An error bound, rounded up: it must not be understated.
pub(crate) fn bound(value: f64) -> String {
    format!("{:.4}", (value * 1e4).ceil() / 1e4)
}

/// The first letter large.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Breaks at spaces so that no line has more than `width` characters, unless a word has.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// "9,381".
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_text_is_wrapped() {
        assert_eq!(
            [0, 999, 1000, 9381, 1234567].map(thousands),
            ["0", "999", "1,000", "9,381", "1,234,567"]
        );
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
    }
}
