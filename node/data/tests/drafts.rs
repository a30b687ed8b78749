//! A first schema of a file: what it guesses, what it asks, and what it never says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod ward;

use motet_data::schema::{Kind, Source};
use motet_data::{Code, Schema, Table, draft};
use std::path::PathBuf;
use ward::{CANARY, site};

/// The draft of a file.
fn drafted(content: impl AsRef<[u8]>) -> String {
    let site = site(content, ward::SCHEMA);
    draft(&site.path, None).unwrap_or_else(|error| panic!("{error}"))
}

/// A file of so many rows.
fn file(header: &str, row: impl Fn(usize) -> String, rows: usize) -> String {
    let rows: String = (0..rows).map(|n| format!("{}\n", row(n))).collect();
    format!("{header}\n{rows}")
}

fn own(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/exports/own")
        .join(name)
}

#[test]
fn a_draft_without_open_questions_reads_its_own_file() {
    let text = file(
        "Patiëntnummer;Leeftijd;Größe (cm);Geschlecht;Verstorben;Aufnahme;Grad;Bemerkung",
        |n| {
            format!(
                "P{n};{};{},5;{};{};{:02}.03.2020;{};{CANARY} {n}",
                40 + n % 30,
                150 + n % 40,
                ["m", "w"][n % 2],
                ["ja", "nein", "NA"][n % 3],
                1 + n % 28,
                ["I", "II", "III"][n % 3]
            )
        },
        60,
    );
    let draft = drafted(&text);
    let schema = Schema::parse(&draft).unwrap_or_else(|error| panic!("{error}\n{draft}"));
    assert_eq!(schema.key, Some(Source::Header("Patiëntnummer".into())));
    let words: Vec<(&str, &str)> = schema
        .in_order()
        .map(|(name, column)| (name, column.kind.word()))
        .collect();
    assert_eq!(
        words,
        [
            ("leeftijd", "int"),
            ("grosse_cm", "float"),
            ("male", "bool"),
            ("verstorben", "bool"),
            ("aufnahme", "date"),
            ("grad", "category"),
        ]
    );
    assert_eq!(schema.columns["grosse_cm"].unit.as_deref(), Some("cm"));
    assert!(!draft.contains(CANARY), "{draft}");
    let site = site(&text, &draft);
    let table = site
        .all()
        .unwrap_or_else(|error| panic!("{error}\n{draft}"));
    assert_eq!(table.rows(), 60);
}

#[test]
fn a_draft_never_says_what_fewer_than_five_cells_have() {
    let rare = ["zweifelhaft", "> 89", "<0,5", "2001-09-11", "-42"];
    let text = file(
        "a;b;c;d;e",
        |n| {
            let value = |common: &str, at: usize| match n {
                0..4 => rare[at].to_owned(),
                _ => common.to_owned(),
            };
            let whole = (n % 17).to_string();
            format!(
                "{};{};{};{};{}",
                value(["gut", "schlecht", "mittel"][n % 3], 0),
                value(&whole, 1),
                value(&format!("{whole},5"), 2),
                value("1999-01-01", 3),
                value(&whole, 4)
            )
        },
        60,
    );
    let draft = drafted(&text);
    for word in rare {
        assert!(!draft.contains(word), "{word}\n{draft}");
    }
    // Neither does it say the ends of a range.
    assert!(
        !draft.contains("min =") && !draft.contains("max ="),
        "{draft}"
    );
    let schema = Schema::parse(&draft).unwrap();
    let Kind::Category { levels, .. } = &schema.columns["a"].kind else {
        panic!("{draft}");
    };
    assert_eq!(levels, &["gut", "mittel", "schlecht"]);
    // The question is open, and the check says so.
    let error = ward::refusal(site(&text, &draft).all());
    assert!(draft.contains("# ? fewer than 5 cells"), "{draft}");
    assert!([Code::UnknownLevel, Code::NotANumber].contains(&error.kind()));
}

#[test]
fn what_may_be_read_in_two_ways_is_asked_and_refused_until_it_is_answered() {
    let text = file(
        "days;seen",
        |n| {
            let days = ["1.838", "403", "404"][n % 3];
            format!("{days};{:02}/{:02}/2020", 1 + n % 12, 1 + n % 11)
        },
        42,
    );
    let draft = drafted(&text);
    for reading in [
        "thousands = \".\"",
        "decimal = \".\"",
        "dd/mm/yyyy",
        "mm/dd/yyyy",
    ] {
        assert!(draft.contains(reading), "{draft}");
    }
    let open = ward::refusal(site(&text, &draft).all());
    let kinds: Vec<Code> = std::iter::once(&open)
        .chain(open.also())
        .map(|error| error.kind())
        .collect();
    assert_eq!(kinds, [Code::NotWhole, Code::AmbiguousDate], "{open}");
    let answered = draft
        .replace(
            "[columns.seen]\n",
            "[columns.seen]\nformat = \"dd/mm/yyyy\"\n",
        )
        .replace("[columns.days]\n", "[columns.days]\nthousands = \".\"\n");
    assert_eq!(
        site(&text, &answered).all().map(|table| table.rows()),
        Ok(42)
    );
}

#[test]
fn every_dialect_of_five_hospitals_is_drafted() {
    for (site, study) in ["rotterdam", "groningen", "freiburg", "lyon", "milano"]
        .into_iter()
        .flat_map(|site| ["breast", "icu", "stroke"].map(|study| (site, study)))
    {
        let path = own(&format!("{site}_{study}.csv"));
        let draft = draft(&path, Some(study)).unwrap_or_else(|error| panic!("{error}"));
        let schema = Schema::parse(&draft).unwrap_or_else(|error| panic!("{error}\n{draft}"));
        assert_eq!(schema.name, study);
        assert!(schema.columns.len() > 5, "{draft}");
        for (name, _) in schema.in_order() {
            // Ten rows are few: what is asked may be refused, and nothing else.
            let read = Table::open(&path, &schema, [name]);
            let (_, own) = draft.split_once(&format!("[columns.{name}]\n")).unwrap();
            assert!(
                read.is_ok() || own.starts_with("# ?"),
                "{site} {study} {name}\n{draft}"
            );
        }
    }
}

#[test]
fn files_of_every_kind_are_drafted_and_what_is_no_text_is_said() {
    let text = file(
        "age;sex",
        |n| format!("{};{}", 40 + n % 30, ["m", "f"][n % 2]),
        30,
    );
    let wide: Vec<u8> = format!("\u{feff}{text}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let utf16 = drafted(&wide);
    assert!(utf16.contains("encoding = \"utf-16\""), "{utf16}");
    let headerless = drafted(text.replace("age;sex\n", ""));
    let schema = Schema::parse(&headerless).unwrap();
    assert!(schema.headerless(), "{headerless}");
    // A first line that is a patient's, whatever it looks like.
    let texts = file(
        "m;ja",
        |n| format!("{};{}", ["m", "f"][n % 2], ["ja", "nein"][n % 2]),
        30,
    );
    assert!(Schema::parse(&drafted(texts)).unwrap().headerless());
    let quoted = drafted(file("'a','b'", |n| format!("'{n}','{}'", n % 3), 30));
    assert!(quoted.contains("quote = \"'\""), "{quoted}");
    let tabs = drafted(text.replace(';', "\t"));
    assert!(tabs.contains("delimiter = \"tab\""), "{tabs}");
    let excel = site(b"\xd0\xcf\x11\xe0rest", ward::SCHEMA);
    let error = draft(&excel.path, None).unwrap_err();
    assert_eq!(error.kind(), Code::NotText);
    assert!(error.to_string().contains("Excel"), "{error}");
}
