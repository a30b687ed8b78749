//! What a page withholds follows from nothing else on it: every other small number in the place of
//! a withheld one, and the page is the same to the byte.

mod columns;
mod curves;
mod measures;
mod summaries;
mod tables;

use crate::{Context, build};
use motet_recipes::Outcome;

const MOST: u64 = 4;

/// All files of a page, line by line; numbers of a binary file as their bytes.
fn page_of(outcome: &Outcome, context: &Context) -> Vec<String> {
    let lines = |(name, bytes): (String, Vec<u8>)| match String::from_utf8(bytes) {
        Ok(text) => text
            .lines()
            .map(|line| format!("{name}: {line}"))
            .collect::<Vec<_>>(),
        Err(error) => vec![format!("{name}: {:?}", error.as_bytes())],
    };
    build(outcome, context)
        .unwrap()
        .into_iter()
        .flat_map(lines)
        .collect()
}

/// Fails with the first line that differs.
fn same(page: &[String], other: &[String], what: &str) {
    let differs = page.iter().zip(other).find(|(one, other)| one != other);
    assert_eq!((differs, page.len()), (None, other.len()), "{what}");
}
