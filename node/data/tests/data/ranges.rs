//! Many columns that differ in a number alone: declared at once, told at once, drafted at once.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use crate::ward::{refusal, site};
use motet_common::study::ranges;
use motet_data::schema::Source;
use motet_data::{Code, Schema, Table, draft};

fn parsed(columns: &str) -> Result<Schema, motet_data::DataError> {
    Schema::parse(&format!("[dataset]\nname = \"ward\"\n{columns}"))
}

/// A file of so many columns and rows, whose cells these are.
fn file(headers: &[String], rows: usize, cell: impl Fn(usize, usize) -> String) -> String {
    let row = |row: usize| {
        let cells: Vec<String> = (0..headers.len()).map(|at| cell(row, at)).collect();
        cells.join(",") + "\n"
    };
    headers.join(",") + "\n" + &(0..rows).map(row).collect::<String>()
}

#[test]
fn a_range_declares_the_columns_that_a_studys_features_name() {
    for range in ["emb[0..511]", "e_[08..11]", "x[0..4095]"] {
        let schema = parsed(&format!(
            "[columns.age]\ntype = \"int\"\n[columns.\"{range}\"]\ntype = \"float\"\nmax = 9\n"
        ));
        let schema = schema.unwrap();
        let mut names = ranges::names(range).unwrap();
        names.insert(0, "age".to_owned());
        assert_eq!(schema.order, names, "{range}");
        for name in &names[1..] {
            let column = schema.column(name).unwrap();
            assert_eq!(column.max, Some(9.0));
            assert_eq!(column.source(), Some(&Source::Header(name.clone())));
        }
    }
    for (source, first, last) in [
        (
            "\"V[1..512]\"",
            Source::Header("V1".into()),
            Source::Header("V512".into()),
        ),
        ("7", Source::Number(7), Source::Number(518)),
    ] {
        let text = format!("[columns.\"emb[0..511]\"]\ntype = \"float\"\nsource = {source}\n");
        let schema = parsed(&text).unwrap();
        assert_eq!(schema.columns["emb0"].source(), Some(&first));
        assert_eq!(schema.columns["emb511"].source(), Some(&last));
    }
}

#[test]
fn a_range_that_is_none_or_declares_a_column_again_is_refused_with_its_places() {
    let said = |columns: &str| parsed(columns).unwrap_err().to_string();
    let twice = said(
        "[columns.\"emb[0..5]\"]\ntype = \"float\"\n[columns.age]\ntype = \"int\"\n\
         [columns.emb3]\ntype = \"float\"\n",
    );
    assert!(
        twice.contains("line 7: column `emb3` is declared twice: in `emb[0..5]`, line 3"),
        "{twice}"
    );
    let twice = said(
        "[columns.emb3]\ntype = \"float\"\n[columns.\"emb[3..5]\"]\ntype = \"float\"\n\
         [columns.\"emb[5..6]\"]\ntype = \"float\"\n",
    );
    assert!(twice.contains("line 5: column `emb3`"), "{twice}");
    for (wrong, word) in [
        ("emb[0..4096]", "at most 4096"),
        ("emb[3..1]", "not a range"),
        ("emb[0-9]", "not a range"),
        ("é[0..9]", "not a column's name"),
    ] {
        let said = said(&format!("[columns.\"{wrong}\"]\ntype = \"float\"\n"));
        assert!(said.contains(word), "{said}");
    }
    for key in [
        "source = \"V[1..9]\"",
        "source = \"V1\"",
        "source = 99998",
        "value = 1",
        "of = \"age\"",
    ] {
        let text = format!(
            "[columns.age]\ntype = \"int\"\n[columns.\"emb[0..9]\"]\ntype = \"int\"\n{key}\n"
        );
        let said = said(&text);
        assert!(
            said.contains("line 7") && said.contains("emb[0..9]"),
            "{said}"
        );
    }
}

#[test]
fn a_range_is_told_in_one_line_and_so_is_what_is_wrong_in_it() {
    let headers = ranges::names("V[1..64]").unwrap();
    let schema = "[dataset]\nname = \"ward\"\n[columns.\"emb[0..63]\"]\ntype = \"float\"\n\
                  source = \"V[1..64]\"\nscale = 10\nmax = 1000\n";
    let good = site(file(&headers, 20, |row, at| format!("{row}.{at}")), schema);
    assert_eq!(good.all().map(|table| table.rows()), Ok(20));
    let names = ranges::names("emb[0..40]").unwrap();
    let told = good
        .schema
        .told(names.iter().map(String::as_str), |_, _| None);
    let line = "`emb[0..63]`: 64 columns, `V1` to `V64` of the file, times 10; a number, of which \
                the schema says no unit";
    assert_eq!(told, [line]);
    let bad = site(
        file(&headers, 20, |row, at| match (row, at) {
            (7, 3) => "x".to_owned(),
            (5 | 6, 8..) => "111".to_owned(),
            _ => "1".to_owned(),
        }),
        schema,
    );
    let error = refusal(bad.all());
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(
        lines[0].contains("line 7, column `emb10`")
            && lines[0].contains("in 112 cells of 56 columns of its range"),
        "{error}"
    );
    assert!(lines[1].contains("line 9, column `emb3`"), "{error}");
    let lacks = site(file(&headers[1..], 20, |_, _| "1".to_owned()), schema);
    assert_eq!(refusal(lacks.all()).kind(), Code::UnknownColumn);
}

#[test]
fn a_draft_declares_eight_neighbours_of_one_type_without_gaps_as_a_range() {
    let drafted = |headers: &[String], cell: &dyn Fn(usize, usize) -> String| {
        let site = site(file(headers, 40, cell), crate::ward::SCHEMA);
        let text = draft(&site.path, None).unwrap();
        let schema = Schema::parse(&text).unwrap();
        let table = Table::open_all(&site.path, &schema).unwrap();
        assert_eq!(table.rows(), 40);
        text
    };
    let number = |row: usize, at: usize| format!("{}.{}", row % 7, at % 9 + 1);
    let tables = |text: &str| {
        let lines = text.lines().filter(|line| line.starts_with("[columns"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut headers = ranges::names("emb_[0..9]").unwrap();
    let text = drafted(&headers, &number);
    assert_eq!(tables(&text), ["[columns.\"emb_[0..9]\"]"], "{text}");
    assert!(!text.contains("source ="), "{text}");
    // One of whole numbers is one of numbers all the same.
    let text = drafted(&headers, &|row, at| match at {
        3 => (row % 7).to_string(),
        _ => number(row, at),
    });
    assert_eq!(tables(&text), ["[columns.\"emb_[0..9]\"]"], "{text}");
    assert!(text.contains("type = \"float\""), "{text}");
    // Headers that are no names.
    let own = ranges::names("Emb [1..8]").unwrap();
    let text = drafted(&own, &number);
    assert_eq!(tables(&text), ["[columns.\"emb_[1..8]\"]"], "{text}");
    assert!(text.contains("source = \"Emb [1..8]\""), "{text}");
    // Neighbours of another type, a gap, and fewer than eight.
    let text = drafted(&headers, &|row, at| match at {
        5 => ["a", "b", "c"][row % 3].to_owned(),
        _ => number(row, at),
    });
    assert_eq!(tables(&text).len(), 10, "{text}");
    headers.remove(5);
    assert_eq!(tables(&drafted(&headers, &number)).len(), 9);
    assert_eq!(tables(&drafted(&own[1..], &number)).len(), 7);
    // A file without a header.
    let site = site(
        file(&headers, 40, number)
            .lines()
            .skip(1)
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
        crate::ward::SCHEMA,
    );
    let text = draft(&site.path, None).unwrap();
    assert_eq!(tables(&text), ["[columns.\"column_[1..9]\"]"], "{text}");
    assert!(text.contains("source = 1\n"), "{text}");
    assert_eq!(
        Table::open_all(&site.path, &Schema::parse(&text).unwrap()).map(|table| table.rows()),
        Ok(40)
    );
}
