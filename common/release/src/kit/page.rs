//! A page in Markdown that grows line by line.

use crate::context::Context;

/// The page, and what it is about.
pub(crate) struct Page<'a> {
    text: String,
    pub(crate) context: &'a Context,
}

impl<'a> Page<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self {
            text: String::new(),
            context,
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(crate) fn section(&mut self, title: &str) {
        debug_assert!(!title.contains('\n'), "a title is one line");
        self.line(&format!("\n## {title}\n"));
    }

    /// All of it.
    pub(crate) fn text(self) -> String {
        self.text
    }
}
