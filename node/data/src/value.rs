//! What a cell holds, once it is read or made.

/// One value of one row.
#[derive(Clone, Copy)]
pub(crate) enum Cell {
    /// Not known.
    Missing,
    /// A number, 0 or 1 of a yes/no column, or days since
    /// 1970-01-01.
    Number(f64),
    /// A category's level, by its place in the schema's list.
    Level(u32),
}
