//! SCHEMA.md names the keys that a schema has, and no others, and its example is one.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use motet_data::Schema;
use motet_data::schema::Source;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../SCHEMA.md");

/// The names in backticks in a text.
fn names(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The keys that the parser knows in a table, as it lists them of one that it does not know.
fn known(table: &str) -> BTreeSet<String> {
    let text = format!("[dataset]\nname = \"d\"\n[columns.x]\ntype = \"int\"\n{table}\n");
    let said = Schema::parse(&text).unwrap_err().to_string();
    let (_, list) = said.split_once("the keys here are ").unwrap();
    names(list.split(';').next().unwrap()).collect()
}

/// The keys of the tables under this heading of the page, up to the next one of its rank.
fn on_page(heading: &str) -> BTreeSet<String> {
    let (_, part) = PAGE.split_once(heading).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| names(row.split('|').nth(1).unwrap()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn the_page_has_every_key_of_a_schema_and_no_other() {
    let strange = "a_key_that_nobody_would_ever_write_here = 1";
    assert_eq!(on_page("## `[columns.NAME]`"), known(strange));
    assert_eq!(
        on_page("## `[source]`"),
        known(&format!("[source]\n{strange}"))
    );
    let dataset = "[dataset]\nname = \"d\"\n";
    let said = Schema::parse(&format!(
        "{dataset}{strange}\n[columns.x]\ntype = \"int\"\n"
    ));
    let said = said.unwrap_err().to_string();
    let (_, list) = said.split_once("the keys here are ").unwrap();
    let keys: BTreeSet<String> = names(list.split(';').next().unwrap()).collect();
    assert_eq!(on_page("## `[dataset]`"), keys);
}

#[test]
fn the_pages_range_declares_the_columns_that_it_says() {
    let range = PAGE.split("```toml\n").nth(2).unwrap();
    let (range, _) = range.split_once("```").unwrap();
    let schema = Schema::parse(&format!("[dataset]\nname = \"d\"\n{range}")).unwrap();
    assert_eq!(schema.columns.len(), 512);
    let source = |name: &str| schema.columns[name].source().cloned();
    assert_eq!(source("emb0"), Some(Source::Header("V1".to_owned())));
    assert_eq!(source("emb511"), Some(Source::Header("V512".to_owned())));
}

#[test]
fn the_pages_example_is_a_schema() {
    let (_, example) = PAGE.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let schema = Schema::parse(example).unwrap();
    for told in schema.told(["time", "event"], |_, _| None) {
        let private = told.starts_with("`diagnosed`") || told.starts_with("`last_seen`");
        let line = format!("your column {told}\n");
        assert!(private || PAGE.contains(&line), "{line}");
    }
}
