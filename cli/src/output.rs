//! What the commands print: lines and tables for people, one JSON value for programs. Nothing is
//! printed with control characters but the ends of its lines, so that no study title and no answer
//! of a coordinator can rewrite a terminal; what came from elsewhere is put on one line first
//! ([`shown`]).

pub use motet_common::text::shown;
use motet_common::text::{escaped, plain};
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

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
            print(&format!("{}\n", plain(&text.to_string())));
        }
    }

    /// A heading for people, bold on a terminal.
    pub fn heading(self, text: impl Display) {
        if self.colour && !self.json {
            print(&format!("\x1b[1m{}\x1b[0m\n", plain(&text.to_string())));
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
            print(&format!("{}\n", escaped(&value.to_string())));
        }
    }
}

/// Writes to standard output. A reader that has gone (`motet run list | head`) is no failure of
/// ours.
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// Writes a line to standard error.
pub fn remark(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(&text.to_string()));
}

/// Whether a person is watching standard error, where progress is shown.
pub fn watched() -> bool {
    io::stderr().is_terminal()
}

/// Columns with a heading; a heading that begins with `>` stands over numbers, which are set to the
/// right.
#[derive(Debug, Clone, Default)]
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(heads: &[&'static str]) -> Self {
        Self {
            heads: heads.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows
            .push(cells.iter().map(|cell| shown(cell)).collect());
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The heading and the rows, each a line without spaces at its end.
    pub fn lines(&self) -> Vec<String> {
        let heads: Vec<String> = self
            .heads
            .iter()
            .map(|head| head.trim_start_matches('>').to_owned())
            .collect();
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .chain([&heads])
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row
                .iter()
                .zip(&widths)
                .zip(&self.heads)
                .map(|((cell, &width), head)| {
                    if head.starts_with('>') {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        [&heads].into_iter().chain(&self.rows).map(line).collect()
    }
}

/// A number of things in words: `1 site`, `10 sites`.
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
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
    let (mut lines, mut line) = (Vec::new(), " ".repeat(indent));
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
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["site", ">rows", "state"]);
        table.row(["ITAL".into(), "3437".into(), "joined".into()]);
        table.row(["amsterdam-2".into(), "9".into(), String::new()]);
        assert_eq!(
            table.lines(),
            [
                "site         rows  state",
                "ITAL         3437  joined",
                "amsterdam-2     9"
            ]
        );
    }

    #[test]
    fn a_title_cannot_rewrite_the_terminal() {
        let mut table = Table::new(&["title"]);
        table.row(["harmless\x1b[2J\nsecond".into()]);
        assert_eq!(table.lines()[1], "harmless [2J second");
    }

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
