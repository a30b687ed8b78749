//! Every print of this package. A reader that closes the pipe early (`| head`) ends the printing,
//! not the process. What came from elsewhere rewrites no terminal: control characters but the ends
//! of lines are not printed.

use motet_common::text::{escaped, plain};
use serde::Serialize;
use serde_json::json;
use std::io::Write as _;

/// One line on stdout.
pub fn line(text: &str) {
    // A closed pipe is the reader's decision; there is nobody left to tell.
    let _ = writeln!(std::io::stdout().lock(), "{}", plain(text));
}

/// One line on stderr.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", plain(text));
}

/// The facts as JSON, or as the text made of them.
pub fn answer<F: Serialize>(json: bool, facts: &F, text: impl FnOnce(&F) -> String) {
    if json {
        let json = serde_json::to_string_pretty(facts);
        line(&escaped(&json.unwrap_or_else(|error| {
            json!({"failed": error.to_string()}).to_string()
        })));
    } else {
        line(text(facts).trim_end_matches('\n'));
    }
}

/// What went wrong: a line on stderr, and with `--json` the same on stdout.
pub fn failure(json: bool, code: Option<&str>, text: &str) {
    // Most refusals begin with their code; it is printed once.
    let text = code
        .and_then(|code| text.strip_prefix(code))
        .map_or(text, |rest| rest.trim_start_matches([':', ' ']));
    match code {
        Some(code) => note(&format!("refused [{code}]: {text}")),
        None => note(&format!("error: {text}")),
    }
    if json {
        let facts = match code {
            Some(code) => json!({"refused": code, "message": text}),
            None => json!({"failed": text}),
        };
        line(&escaped(&facts.to_string()));
    }
}

/// A table with its columns aligned; the widths are counted in characters.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|title| title.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut head.iter().copied());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// A count of patients as it may be shown: one to four are `<5`, also to the site's own people,
/// because screens get copied into mails.
pub fn small(count: u64) -> serde_json::Value {
    if (1..5).contains(&count) {
        "<5".into()
    } else {
        count.into()
    }
}

/// A count made by [`small`], as text.
pub fn small_text(count: &serde_json::Value) -> String {
    count
        .as_str()
        .map_or_else(|| count.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = vec![
            vec!["ist".to_owned(), "10".to_owned()],
            vec!["héart-b".to_owned(), "4".to_owned()],
        ];
        assert_eq!(
            table(&["study", "sites"], &rows),
            "study    sites\nist      10\nhéart-b  4\n"
        );
    }

    #[test]
    fn one_to_four_patients_are_not_counted_out() {
        let shown: Vec<String> = [0, 1, 4, 5, 900]
            .map(|count| small_text(&small(count)))
            .to_vec();
        assert_eq!(shown, ["0", "<5", "<5", "5", "900"]);
    }
}
