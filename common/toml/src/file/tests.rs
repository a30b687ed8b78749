//! Every kind of mistake, in the words that its reader gets.

use super::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is read is looked at by its mistakes")]
struct Keys {
    name: String,
    rows: Option<Spanned<u32>>,
    share: Option<f64>,
    until: Option<Spanned<Datetime>>,
    open: Option<bool>,
    list: Option<Vec<Spanned<String>>>,
    within: Option<Within>,
    columns: Option<BTreeMap<String, Spanned<Within>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct Within {
    kind: String,
}

fn said(text: &str) -> String {
    TomlFile::new("f.toml", text)
        .read::<Keys>()
        .unwrap_err()
        .to_string()
}

#[test]
fn every_kind_of_mistake_has_its_line_and_its_fix_and_no_word_of_the_program() {
    for (text, expected) in [
        (
            "name = \"a\"\nrwos = 3\n",
            "line 2: unknown key `rwos`; did you mean `rows`? correct or remove it",
        ),
        (
            "name = \"a\"\n\"colour, expected `x`\" = 3\n",
            "line 2: unknown key `colour, expected `x``, the keys here are `name`, `rows`, `share`, `until`, `open`, `list`, \
             `within`, `columns`; correct or remove it",
        ),
        (
            "name = \"a\"\n[within]\nkind = \"b\"\ncolour = 1\n",
            "line 4: unknown key `colour`, the keys here are `kind`; correct or remove it",
        ),
        ("rows = 3\n", "line 1: missing key `name`; add it"),
        ("", "line 1: missing key `name`; add it"),
        (
            "name = \"a\"\n\n[within]\n",
            "line 3: missing key `kind`; add it",
        ),
        (
            "name = 3\n",
            "line 1: `name` is a whole number, not a text in quotes; correct the line",
        ),
        (
            "name = \"a\"\nrows = \"secret\"\n",
            "line 2: `rows` is a text, not a whole number from 0; correct the line",
        ),
        (
            "name = \"a\"\nrows = -1\n",
            "line 2: `rows` is `-1`, not a whole number from 0; correct the line",
        ),
        (
            "name = \"a\"\nrows = 4_294_967_296\n",
            "line 2: `rows` is `4294967296`, not a whole number from 0; correct the line",
        ),
        (
            "name = \"a\"\nshare = true\n",
            "line 2: `share` is true or false, not a number; correct the line",
        ),
        (
            "name = \"a\"\nuntil = \"2027-01-01\"\n",
            "line 2: `until` is a text, not a date without quotes; correct the line",
        ),
        (
            "name = \"a\"\nopen = \"yes\"\n",
            "line 2: `open` is a text, not true or false; correct the line",
        ),
        (
            "name = \"a\"\nlist = \"b\"\n",
            "line 2: `list` is a text, not a list in brackets; correct the line",
        ),
        (
            "name = \"a\"\nlist = [\n  \"b\",\n  3,\n]\n",
            "line 4: a value of `list` is a whole number, not a text in quotes; correct the line",
        ),
        (
            "name = \"a\"\nwithin = 3\n",
            "line 2: `within` is a whole number, not a table; correct the line",
        ),
        (
            "name = \"a\"\n[columns]\nage = 3\n",
            "line 3: `age` is a whole number, not a table; correct the line",
        ),
        (
            "name = \"a\"\n[columns.age]\nkind = 3.5\n",
            "line 3: `kind` is a number, not a text in quotes; correct the line",
        ),
        (
            "name = \"a\"\nname = \"b\"\n",
            "line 2: `name` stands twice; keep one of them",
        ),
        (
            "name = \"a\"\n[within]\nkind = \"b\"\n[within]\n",
            "line 4: `within` stands twice; keep one of them",
        ),
        (
            "name = a\n",
            "line 1: not TOML: a text must be quoted; correct the line",
        ),
        (
            "name = \"a\n",
            "line 1: not TOML: invalid basic string, expected `\"`; correct the line",
        ),
        (
            "name = \"a\"\r\nrows =\r\n",
            "line 2: not TOML: a value is missing; correct the line",
        ),
    ] {
        assert_eq!(said(text), format!("f.toml, {expected}"), "{text}");
    }
}

#[test]
fn a_missing_table_is_no_missing_key() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "as above")]
    struct Tables {
        within: Within,
    }
    let mistake = TomlFile::new("f.toml", "# nothing")
        .read::<Tables>()
        .unwrap_err();
    assert_eq!(mistake.what(), "f.toml, line 1: missing table `[within]`");
}

#[test]
fn a_day_is_one_of_the_calendar_and_nothing_more_exact() {
    #[derive(Deserialize)]
    struct Until {
        until: Spanned<Datetime>,
    }
    let day = |written: &str| {
        let text = format!("until = {written}\n");
        let file = TomlFile::new("f.toml", &text);
        file.day(&file.read::<Until>()?.until, "until")
    };
    assert_eq!(day("2028-02-29").unwrap().day, 29);
    for (written, words) in [
        ("2027-01-01T10:00:00Z", "not a day"),
        ("2027-02-29", ""),
        ("2027-04-31", ""),
        ("10:00:00", "not a day"),
    ] {
        let mistake = day(written).unwrap_err();
        assert!(mistake.to_string().contains(words), "{mistake}");
        assert_eq!(mistake.line, 1);
    }
}

#[test]
fn a_path_stands_in_backticks_and_may_become_known_later() {
    let path = Path::new("/a/b.toml");
    let at = TomlFile::at(path, "x = 1").read::<Keys>().unwrap_err();
    let later = TomlFile::new("study file", "x = 1")
        .read::<Keys>()
        .unwrap_err();
    assert_eq!(at, later.in_file(path));
    assert!(at.to_string().starts_with("`/a/b.toml`, line 1: "), "{at}");
}
