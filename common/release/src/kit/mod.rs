//! What the methods share: each file stands by itself or on another one here, and knows no method.
//!
//! ```text
//! numbers   cells (what few patients are), patients (how many, in a sentence), words, chi_square
//! Markdown  page
//! pictures  canvas <- frame (of axis) <- panels; picture (what all of them have around the plot)
//! weights   tensor
//! ```

pub(crate) mod axis;
pub(crate) mod canvas;
pub(crate) mod cells;
pub(crate) mod chi_square;
pub(crate) mod frame;
pub(crate) mod page;
pub(crate) mod panels;
pub(crate) mod patients;
pub(crate) mod picture;
pub(crate) mod tensor;
pub(crate) mod words;
