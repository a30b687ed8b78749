//! What the commands print: lines and tables for people, one JSON value for programs. Nothing is
//! printed with control characters but the ends of its lines, so that no study title and no answer
//! of a coordinator can rewrite a terminal; what came from elsewhere is put on one line first
//! ([`shown`]).

pub use motet_common::text::shown;
pub use motet_program::print::note as remark;
pub use motet_program::table::Table;
use motet_program::{clock, print};
use std::fmt::Display;
use std::io::{self, IsTerminal as _};

/// Where a command's answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    json: bool,
    colour: bool,
}

impl Out {
    /// Lines and tables, or one JSON value.
    pub fn new(json: bool) -> Self {
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { json, colour }
    }

    /// Whether programs read this.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// A line for people; nothing with `--json`.
    pub fn line(self, text: impl Display) {
        if !self.json {
            print::line(text);
        }
    }

    /// A heading for people, bold on a terminal.
    pub fn heading(self, text: impl Display) {
        if self.colour && !self.json {
            print::bold(text);
        } else {
            self.line(text);
        }
    }

    /// A table for people.
    pub fn table(self, table: &Table) {
        for (at, line) in table.lines().into_iter().enumerate() {
            if at == 0 {
                self.heading(line)
            } else {
                self.line(line)
            }
        }
    }

    /// One JSON value on a line of its own for programs; nothing without `--json`.
    pub fn value(self, value: &serde_json::Value) {
        if self.json {
            print::json(value);
        }
    }
}

/// Whether a person is watching standard error, where progress is shown.
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// A number of things in words: `1 site`, `10 sites`.
pub fn count(number: impl std::fmt::Display, thing: &str) -> String {
    match number.to_string().as_str() {
        "1" => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

/// Columns of the terminal it is made for.
pub const WIDTH: usize = 100;

/// Enough of a run's id to name it.
pub fn short(run: &str) -> String {
    run.chars().take(12).collect()
}

/// Text in lines of at most `width` characters.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let indent = text.len() - text.trim_start().len();
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    // A list item goes on under its first word.
    let hang = if text.trim_start().starts_with("- ") {
        indent + 2
    } else {
        indent
    };
    for word in text.split_whitespace() {
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(
                &mut line,
                format!("{}{word}", " ".repeat(hang)),
            ));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.push(line);
    lines
}

/// A figure to watch, short: four decimals, or powers of ten where that would show nothing.
pub fn figure(value: f64) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.2e}")
    }
}

/// Milliseconds since 1970-01-01 as a moment in UTC, to the second.
pub fn moment(when_ms: u64) -> String {
    let at = i64::try_from(when_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(
        || "?".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// Now, in milliseconds since 1970-01-01 UTC.
pub fn now_ms() -> u64 {
    clock::now().ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_within_its_width() {
        assert_eq!(wrapped("  - a bb ccc", 8), ["  - a bb", "    ccc"]);
        assert_eq!(wrapped("word", 2), ["word"]);
    }

    #[test]
    fn moments_are_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(
            [0.0, 0.24209, 7.27e-13, -12.5].map(figure),
            ["0.0000", "0.2421", "7.27e-13", "-12.5000"]
        );
        assert_eq!(count(1, "site"), "1 site");
        assert_eq!(count(0, "site"), "0 sites");
    }
}
