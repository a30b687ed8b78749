//! Every print of our programs. A reader that closes the pipe early (`| head`) ends the printing,
//! not the process. What came from elsewhere rewrites no terminal: control characters but the ends
//! of lines are not printed.

use motet_common::text::{escaped, plain};
use std::fmt::Display;
use std::io::{self, Write as _};

/// A line on standard output.
pub fn line(text: impl Display) {
    out(&plain(&text.to_string()));
}

/// The same in bold, for a terminal.
pub fn bold(text: impl Display) {
    out(&format!("\x1b[1m{}\x1b[0m", plain(&text.to_string())));
}

/// A line on standard error.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", plain(&text.to_string()));
}

/// A JSON value on standard output.
pub fn json(value: impl Display) {
    out(&escaped(&value.to_string()));
}

fn out(text: &str) {
    let mut stdout = io::stdout().lock();
    // A closed pipe is the reader's decision; there is nobody left to tell.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
