//! What may be replaced in silence: a value that may not be there and has a good stand-in, which
//! needs no word to anybody. Everything else says what is missing: a refusal, an error, or, where
//! it cannot be, `Refusal::broken`.

use super::count::silent_defaults;
use super::source::{Code, Place};
use std::collections::BTreeMap;

/// A file, or a folder that ends with `/`; how many of it may be replaced; why that is no loss. A
/// place counts for the row that names most of its path.
pub type Row = (&'static str, usize, &'static str);

/// The list. A number may only go down.
pub const DEFAULTS: &[Row] = &[
    (
        "cli/src/ledger.rs",
        2,
        "no run is the latest on the wire; files that were checked hold a manifest, and an empty one is refused",
    ),
    (
        "cli/src/release.rs",
        2,
        "no run is the latest on the wire; an entry of a folder has a name, and an empty one is refused",
    ),
    (
        "common/ledger/src/",
        1,
        "numbers that the database knows as signed and lengths of files do not reach their bounds; a stream without entries is at zero",
    ),
    (
        "common/recipes/src/",
        4,
        "a bin or a cell that a table does not have counts nobody; tables have the lengths of their levels",
    ),
    (
        "common/release/src/",
        1,
        "a study without an outcome names none",
    ),
    (
        "common/secagg/src/",
        4,
        "a length beyond its bound saturates, and every reader and every bound refuses it then",
    ),
    (
        "common/src/",
        8,
        "an index or a length beyond its bound saturates and is found nowhere; a proof that cannot be made is empty and proves nothing",
    ),
    (
        "common/toml/src/",
        1,
        "a place outside of a text shows nothing of it",
    ),
    (
        "coordinator/src/admission.rs",
        1,
        "a call of which none is under way is counted as none",
    ),
    (
        "coordinator/src/publish.rs",
        1,
        "numbers of sites and rounds are small",
    ),
    (
        "coordinator/src/serve.rs",
        1,
        "a stream that was in no backup was put back at no version",
    ),
    (
        "node/src/downloads.rs",
        1,
        "a download of which nothing has arrived begins empty",
    ),
    (
        "program/src/clock.rs",
        1,
        "a span of half a billion years is as good as for ever",
    ),
    (
        "proto/src/uploads.rs",
        1,
        "more rows than the wire can say are more than an upload has: the coordinator sends none",
    ),
];

/// What is replaced in silence beyond the list, and what the list has too much.
pub fn complaints(codes: &[Code], rows: &[Row]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut found: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for place in silent_defaults(codes) {
        match row_of(&place.path, rows) {
            Some((path, ..)) => found.entry(path).or_default().push(place),
            None => complaints.push(format!(
                "{place}: is replaced in silence: say what is missing, or give DEFAULTS the file and a reason"
            )),
        }
    }
    for (path, most, why) in rows {
        match found.get(path) {
            None => complaints.push(format!(
                "{path}: replaces nothing any more: take it out of DEFAULTS"
            )),
            Some(places) if places.len() > *most => {
                let all: Vec<String> = places.iter().map(Place::to_string).collect();
                complaints.push(format!(
                    "{path}: replaces {} in silence, {most} may be ({why}): say what is missing; they are {}",
                    places.len(),
                    all.join(" ")
                ));
            }
            Some(_) if why.is_empty() => {
                complaints.push(format!("{path}: say in DEFAULTS why that is no loss"));
            }
            Some(_) => {}
        }
    }
    complaints
}

/// The row that names most of a path.
fn row_of<'a>(path: &str, rows: &'a [Row]) -> Option<&'a Row> {
    let named = rows
        .iter()
        .filter(|(row, ..)| *row == path || row.ends_with('/') && path.starts_with(row));
    named.max_by_key(|(row, ..)| row.len())
}

#[cfg(test)]
mod tests {
    use super::super::source::tests::code;
    use super::*;

    const SILENT: &str = "fn f() { a.unwrap_or_default(); }";
    const TWICE: &str = "fn f() { a.unwrap_or_default();\n b.unwrap_or(0); }";

    #[test]
    fn a_silent_default_outside_the_list_is_complained_of_with_its_line() {
        let codes = [
            code("cli/src/a.rs", "fn f() { a?; }"),
            code("cli/src/b.rs", SILENT),
        ];
        let said = complaints(&codes, &[]);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("cli/src/b.rs:1: "), "{}", said[0]);
        assert!(complaints(&codes, &[("cli/src/b.rs", 1, "why")]).is_empty());
        assert!(complaints(&codes, &[("cli/src/", 1, "why")]).is_empty());
        assert_eq!(complaints(&codes, &[("cli/src/b.rs", 1, "")]).len(), 1);
    }

    #[test]
    fn a_row_holds_its_number_and_is_gone_with_its_last_place() {
        let codes = [code("cli/src/a.rs", SILENT), code("cli/src/b.rs", TWICE)];
        let said = complaints(&codes, &[("cli/src/", 2, "why")]);
        assert!(
            said[0].ends_with("they are cli/src/a.rs:1 cli/src/b.rs:1 cli/src/b.rs:2"),
            "{}",
            said[0]
        );
        // The longer path counts.
        let rows = [("cli/src/", 1, "why"), ("cli/src/b.rs", 2, "why")];
        assert!(complaints(&codes, &rows).is_empty());
        let said = complaints(&codes[..1], &rows);
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("take it out"), "{}", said[0]);
    }
}
