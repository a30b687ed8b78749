//! A first schema of a file: what it guesses, what it asks, and what it never says.

use crate::ward::{CANARY, site};
use motet_data::schema::{Kind, Source};
use motet_data::{Code, Schema, Table, draft};
use std::path::PathBuf;

/// The draft of a file.
fn drafted(content: impl AsRef<[u8]>) -> String {
    let site = site(content, crate::ward::SCHEMA);
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
    let error = crate::ward::refusal(site(&text, &draft).all());
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
    let open = crate::ward::refusal(site(&text, &draft).all());
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
fn a_word_for_not_known_that_may_be_a_value_is_asked_with_its_count() {
    let text = file(
        "protein;therapie;response;dose;stadium",
        |n| {
            format!(
                "{};{};{};{};{}",
                ["-", "+", "++"][n % 3],
                ["None", "Chemo", "Radio"][n % 3],
                ["nr", "cr", "pr"][n % 3],
                if n < 3 { "-".to_owned() } else { n.to_string() },
                ["k.A.", "I", "II", "III"][n % 4]
            )
        },
        60,
    );
    let draft = drafted(&text);
    for question in [
        "# ? does \"None\" mean \"not known\", in 20 cells, or is it a value?",
        "# ? does \"nr\" mean \"not known\", in 20 cells, or is it a value?",
        "# ? does \"-\" mean \"not known\", in fewer than 5 cells, or is it a value?",
    ] {
        assert!(draft.contains(question), "{question}\n{draft}");
    }
    assert!(!draft.contains("does \"k.A.\""), "{draft}");
    // Beside a plus a minus is a level.
    let schema = Schema::parse(&draft).unwrap();
    let Kind::Category { levels, .. } = &schema.columns["protein"].kind else {
        panic!("{draft}");
    };
    assert_eq!(levels, &["+", "++", "-"]);
}

#[test]
fn times_of_day_are_drafted_as_they_read_or_left_out_with_a_question() {
    for (cell, format) in [
        ("2020-01-31T10:30:00", Some("yyyy-mm-ddThh:mm:ss")),
        ("2020-01-31 10:30", Some("yyyy-mm-dd hh:mm")),
        ("31.03.2020 9:10", Some("dd.mm.yyyy h:mm")),
        ("31/3/2020\u{a0}19:10:05", Some("d/m/yyyy hh:mm:ss")),
        ("2020-01-31 00:00:00.000", None),
        ("2020-01-31T10:30:00Z", None),
        ("2020-01-31T10:30:00+01:00", None),
        ("1/31/2020 12:00:00 AM", None),
    ] {
        let text = file("seen;age", |n| format!("{cell};{}", n % 7), 40);
        let draft = drafted(&text);
        let wanted = format.map(|format| format!("format = \"{format}\"\n"));
        match &wanted {
            Some(format) => assert!(draft.contains(format), "{format}\n{draft}"),
            None => assert!(
                draft.contains("# \"seen\": dates with a time of day")
                    && draft.contains("# ? parts of a second"),
                "{draft}"
            ),
        }
        let table = site(&text, &draft).all();
        assert_eq!(table.map(|table| table.rows()), Ok(40), "{draft}");
    }
}

#[test]
fn two_columns_of_one_header_are_asked_by_their_numbers_and_not_declared() {
    let text = file(
        "age;crea;sex;crea",
        |n| format!("{};{};f;1", n % 7, n % 9),
        40,
    );
    let draft = drafted(&text);
    assert!(
        draft
            .matches("# ? \"crea\": columns 2 and 4 of the file")
            .count()
            == 2,
        "{draft}"
    );
    assert!(!draft.contains("[columns.crea"), "{draft}");
    let table = site(&text, &draft).all();
    assert_eq!(table.map(|table| table.rows()), Ok(40), "{draft}");
}

#[test]
fn texts_among_numbers_are_the_same_whatever_their_spaces() {
    let text = file(
        "age;crea",
        |n| match n {
            0..6 => "> \u{a0}89;keine\u{a0}Angabe".to_owned(),
            6..12 => ">\u{202f}89;keine Angabe".to_owned(),
            _ => format!("{};{}", n % 70, n % 9),
        },
        90,
    );
    let draft = drafted(&text);
    assert!(draft.contains("replace = { \"> 89\" = 90 }"), "{draft}");
    let table = site(&text, &draft).all();
    assert_eq!(table.map(|table| table.rows()), Ok(90), "{draft}");
    // A raised digit is no digit.
    let raised = "[dataset]\nname = \"ward\"\n[columns.age]\ntype = \"int\"\nmissing = [\"102\"]\n";
    let error = crate::ward::refusal(site("age\n10²\n5\n", raised).all());
    assert_eq!(error.kind(), Code::NotANumber);
}

#[test]
fn a_limit_whose_mark_may_be_either_is_asked_and_one_with_a_part_makes_no_whole_numbers() {
    let text = file(
        "ng;crp",
        |n| match n {
            0..6 => "> 1.000;<1".to_owned(),
            _ => format!("{};{}", n % 70, n % 9),
        },
        90,
    );
    let draft = drafted(&text);
    let question = "# ? the mark in \"> 1.000\" may part thousands";
    assert!(draft.contains(question), "{draft}");
    assert!(!draft.contains("\nreplace = { \"> 1.000\""), "{draft}");
    let schema = Schema::parse(&draft).unwrap_or_else(|error| panic!("{error}\n{draft}"));
    assert_eq!(schema.columns["crp"].kind, Kind::Float);
    assert_eq!(
        crate::ward::refusal(site(&text, &draft).all()).column(),
        Some("ng")
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
    let excel = site(b"\xd0\xcf\x11\xe0rest", crate::ward::SCHEMA);
    let error = draft(&excel.path, None).unwrap_err();
    assert_eq!(error.kind(), Code::NotText);
    assert!(error.to_string().contains("Excel"), "{error}");
}
