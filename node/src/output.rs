//! What this package's commands answer, and how they say that they failed.

use crate::NodeError;
use motet_program::print;
pub use motet_program::print::{line, note};
use serde::Serialize;
use serde_json::json;

/// The facts as JSON, or as the text made of them.
pub fn answer<F: Serialize>(json: bool, facts: &F, text: impl FnOnce(&F) -> String) {
    if json {
        let json = serde_json::to_string_pretty(facts);
        print::json(json.unwrap_or_else(|error| json!({"failed": error.to_string()}).to_string()));
    } else {
        line(text(facts).trim_end_matches('\n'));
    }
}

/// What went wrong: a line on stderr, and with `--json` the same on stdout.
pub fn failure(json: bool, error: &NodeError) {
    let text = error.to_string();
    let code = error.code();
    // Most refusals begin with their code; it is printed once.
    let text = code
        .and_then(|code| text.strip_prefix(code))
        .map_or(text.as_str(), |rest| rest.trim_start_matches([':', ' ']));
    match code {
        Some(code) => note(format!("refused [{code}]: {text}")),
        None => note(format!("error: {text}")),
    }
    if json {
        let facts = match code {
            Some(code) => json!({"refused": code, "message": text}),
            None => json!({"failed": text}),
        };
        let (what, next) = error.parts();
        print::json(error.end().json(facts, &what, next));
    }
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
    fn one_to_four_patients_are_not_counted_out() {
        let shown: Vec<String> = [0, 1, 4, 5, 900]
            .map(|count| small_text(&small(count)))
            .to_vec();
        assert_eq!(shown, ["0", "<5", "<5", "5", "900"]);
    }
}
