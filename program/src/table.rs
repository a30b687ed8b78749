//! Columns that line up. The widths are counted in characters, and no cell can break out of its
//! line.

use motet_common::text::shown;

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

    /// A table of these rows, each with as many cells as there are headings.
    pub fn of<const N: usize>(
        heads: [&'static str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let mut table = Self::new(&heads);
        for cells in rows {
            table.row(cells);
        }
        table
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.heads.len(), "a cell for each heading");
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
            cells.map(|cell| cell.chars().count()).fold(0, usize::max)
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

    /// All of it, with the end of its last line.
    pub fn text(&self) -> String {
        self.lines().join("\n") + "\n"
    }
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
    fn widths_are_those_of_letters_and_not_of_bytes() {
        let rows = [["ist", "10"], ["héart-b", "4"]].map(|row| row.map(str::to_owned));
        assert_eq!(
            Table::of(["study", "sites"], rows).text(),
            "study    sites\nist      10\nhéart-b  4\n"
        );
    }

    #[test]
    fn a_title_cannot_rewrite_the_terminal() {
        let mut table = Table::new(&["title"]);
        table.row(["harmless\x1b[2J\nsecond".into()]);
        assert_eq!(table.lines().last().unwrap(), "harmless [2J second");
    }
}
