//! Real files, good and bad: what is read, what is refused, and that no refusal ever shows what
//! stands in a cell.

use crate::ward::*;
use motet_data::cohort::check_schema;
use motet_data::{Code, Cohort, Schema, Table, Watched};

#[test]
fn a_good_file_becomes_the_columns_of_the_study() {
    let rows = format!("{GOOD}40,1,f,0,1,2021-06-30,3,x\n80,0,1,2.5,2,1969-12-31,0,x\n");
    let site = site(format!("{HEADER}{rows}"), SCHEMA);
    let study = study(
        r#"["age", "cp", "sex", "creatinine", "seen", "visits"]"#,
        "[data.levels]\ncp = [\"1\", \"2\", \"3\", \"4\"]",
    );
    assert_eq!(
        study.columns(),
        [
            "age",
            "cp_2",
            "cp_3",
            "cp_4",
            "sex",
            "creatinine",
            "seen",
            "visits"
        ]
    );
    let cohort = site.cohort(&study).unwrap();
    assert_eq!(
        (
            cohort.used,
            cohort.left_out,
            cohort.filtered,
            cohort.repeated
        ),
        (2, 1, 0, 0)
    );
    let expected = [
        [61.5, 0.0, 0.0, 1.0, 1.0, 88.4, 18262.0, 3.0],
        [80.0, 1.0, 0.0, 0.0, 1.0, 221.0, -1.0, 0.0],
    ];
    for (row, expected) in cohort.x.rows().into_iter().zip(expected) {
        assert_eq!(row.to_vec(), expected);
    }
    assert_eq!(cohort.y.unwrap().to_vec(), [0.0, 0.0]);
}

#[test]
fn a_summary_keeps_incomplete_rows_and_marks_what_is_missing() {
    let rows = format!("{GOOD},1,f,0,?,2021-06-30,NA,x\n");
    let site = site(format!("{HEADER}{rows}"), SCHEMA);
    let study = summary(
        r#"["age", "cp"]"#,
        "[data.levels]\ncp = [\"1\", \"2\", \"4\"]",
    );
    let cohort = site.cohort(&study).unwrap();
    assert_eq!((cohort.used, cohort.left_out), (2, 0));
    assert!(cohort.y.is_none());
    assert_eq!(cohort.x.row(0).to_vec(), [61.5, 0.0, 1.0]);
    assert!(cohort.x.row(1).iter().all(|value| value.is_nan()));
}

#[test]
fn semicolons_a_byte_order_mark_and_windows_lines_are_understood() {
    let text = format!("\u{feff}{HEADER}{GOOD}")
        .replace(',', ";")
        .replace('\n', "\r\n");
    let table = site(text, SCHEMA).all().unwrap();
    assert_eq!(table.rows(), 1);
    let text = format!(
        "\u{feff}\"age\",visits,sex,crea mg/dl,cp,seen,num\n{}",
        GOOD.replace(",x", "")
    );
    assert_eq!(site(text, SCHEMA).all().unwrap().rows(), 1);
}

#[test]
fn a_file_without_a_header_is_read_by_number() {
    let schema = "[dataset]\nname = \"d\"\n[columns.age]\ntype = \"float\"\nsource = 2\n[columns.y]\ntype = \"bool\"\nsource = 1\n";
    let site = site("1,60\n0,70\n", schema);
    let cohort = site.cohort(&study(r#"["age"]"#, "")).unwrap();
    assert_eq!(cohort.x.column(0).to_vec(), [60.0, 70.0]);
    assert_eq!(cohort.y.unwrap().to_vec(), [1.0, 0.0]);
    let error = refusal(self::site("1\n0\n", schema).all());
    assert_eq!(
        (error.kind(), error.column()),
        (Code::UnknownColumn, Some("age"))
    );
}

#[test]
fn columns_that_the_study_does_not_name_are_not_interpreted() {
    let study = study(r#"["age"]"#, "");
    let garbage = [
        b"61.5,\xff\xfe,?!,not a number,99,31.12.2020,0,x\n".as_slice(),
        b"62,,,,,,1,\n",
    ]
    .concat();
    let clean = "61.5,3,M,1.0,4.0,2020-01-01,0,x\n62,3,M,1.0,4.0,2020-01-01,1,x\n";
    let one = site([HEADER.as_bytes(), &garbage].concat(), SCHEMA)
        .cohort(&study)
        .unwrap();
    let other = site(format!("{HEADER}{clean}"), SCHEMA)
        .cohort(&study)
        .unwrap();
    assert_eq!(one.x, other.x);
    assert_eq!(one.y, other.y);
}

#[test]
fn a_second_row_of_a_patient_is_left_out_and_counted() {
    let schema = SCHEMA.replace("name = \"ward\"", "name = \"ward\"\nkey = \"notes\"");
    let rows = "1,1,f,1,1,2020-01-01,0,p1\n2,1,f,1,1,2020-01-01,0,p2\n3,1,f,1,1,2020-01-01,0, p1\n4,1,f,1,1,2020-01-01,0,\n5,1,f,1,1,2020-01-01,0,\n";
    let cohort = site(format!("{HEADER}{rows}"), &schema)
        .cohort(&study(r#"["age"]"#, ""))
        .unwrap();
    let mut ages = cohort.x.column(0).to_vec();
    assert_eq!(ages[2..], [4.0, 5.0], "those without a key come last");
    ages.sort_by(f64::total_cmp);
    assert_eq!(ages, [1.0, 2.0, 4.0, 5.0]);
    assert_eq!((cohort.used, cohort.repeated), (4, 1));
}

#[test]
fn rows_stand_in_the_order_of_their_patients_pseudonyms_whatever_their_order_in_the_file() {
    let with_key = SCHEMA.replace("name = \"ward\"", "name = \"ward\"\nkey = \"notes\"");
    let study = study(r#"["age"]"#, "");
    let cohort = |schema: &str, patients: [u8; 6], secret: u8| {
        let row = |patient: u8| format!("{patient},1,f,1,1,2020-01-01,0,p{patient}\n");
        let rows: String = patients.into_iter().map(row).collect();
        let site = site(format!("{HEADER}{rows}"), schema);
        let watched = Watched::open(&site.path).unwrap();
        let table = Table::of(&watched, &site.schema, study.reads(), &[secret; 32]).unwrap();
        Cohort::of(&table, &study).unwrap()
    };
    let one = cohort(&with_key, [1, 2, 3, 4, 5, 6], 7);
    let other = cohort(&with_key, [6, 2, 4, 1, 5, 3], 7);
    assert_eq!(one.x, other.x);
    assert_eq!(one.content(), other.content());
    // The order is the secret's: it tells nobody else who comes first.
    let elsewhere = cohort(&with_key, [1, 2, 3, 4, 5, 6], 8);
    assert_ne!(one.content(), elsewhere.content());
    // Without a key it is the file's.
    let plain = cohort(SCHEMA, [6, 2, 4, 1, 5, 3], 7);
    assert_eq!(plain.x.column(0).to_vec(), [6.0, 2.0, 4.0, 1.0, 5.0, 3.0]);
}

/// The third line of a file in which one cell is the canary, or something built on it.
fn with_cell(column: usize, cell: &str) -> String {
    let mut cells: Vec<&str> = GOOD.trim_end().split(',').collect();
    cells[column] = cell;
    format!("{HEADER}{GOOD}{}\n", cells.join(","))
}

#[test]
fn every_bad_cell_is_refused_by_place_and_never_shown() {
    let text = format!("x{CANARY}");
    let number = CANARY.to_string();
    let fraction = format!("{CANARY}.5");
    let comma = format!("\"{CANARY},5\"");
    let date = format!("{CANARY}-01-01");
    for (place, column, cell, code, word) in [
        (0, "age", &text, "not_a_number", "missing"),
        (0, "age", &comma, "not_a_number", "decimal comma"),
        (
            0,
            "age",
            &number,
            "out_of_range",
            "above `max`, which is 120 a",
        ),
        (
            0,
            "age",
            &format!("-{number}"),
            "out_of_range",
            "below `min`, which is 0 a",
        ),
        (
            0,
            "age",
            &"inf".to_string(),
            "not_a_number",
            "no finite number",
        ),
        (
            0,
            "age",
            &"1e400".to_string(),
            "not_a_number",
            "no finite number",
        ),
        (
            0,
            "age",
            &"nan".to_string(),
            "not_a_number",
            "no finite number",
        ),
        (1, "visits", &fraction, "not_whole", "float"),
        (1, "visits", &text, "not_a_number", "not a number"),
        (2, "sex", &text, "not_a_bool", "no is f, yes is M or 1"),
        (3, "creatinine", &number, "out_of_range", "umol/L"),
        (4, "cp", &number, "unknown_level", "the levels are 1, 2, 4"),
        (5, "seen", &date, "not_a_date", "YYYY-MM-DD"),
        (
            5,
            "seen",
            &"31.12.2020".to_string(),
            "not_a_date",
            "YYYY-MM-DD",
        ),
        (
            5,
            "seen",
            &"2020-02-30".to_string(),
            "not_a_date",
            "YYYY-MM-DD",
        ),
        (6, "y", &number, "not_a_bool", "yes is 1 or 2 or 3 or 4"),
    ] {
        let error = refusal(site(with_cell(place, cell), SCHEMA).all());
        let shown = error.to_string();
        assert_eq!(
            (error.code(), error.line(), error.column()),
            (code, Some(3), Some(column)),
            "{shown}"
        );
        assert!(shown.contains(word), "{shown}");
        assert!(shown.contains("ward.csv`, line 3, column"), "{shown}");
        let all = format!("{shown} {error:?}");
        assert!(
            !all.contains(CANARY) && !all.contains("31.12.") && !all.contains("02-30"),
            "{all}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let file = [
        HEADER.as_bytes(),
        GOOD.as_bytes(),
        b"61,3,\xe4m\xe4,1,4,2020-01-01,0,x\n",
    ]
    .concat();
    let error = refusal(site(file, SCHEMA).all());
    assert_eq!(
        (error.code(), error.line(), error.column()),
        ("not_text", Some(3), Some("sex"))
    );
    let error = refusal(site([0xff, 0xfe, b'a', 0], SCHEMA).all());
    assert_eq!(error.code(), "not_text");
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[test]
fn a_row_of_another_length_is_refused_without_its_text() {
    let error = refusal(
        site(
            format!("{HEADER}{GOOD}{GOOD}61,5,3,M,1.0,4.0,2020-01-01,0,{CANARY}\n"),
            SCHEMA,
        )
        .all(),
    );
    assert_eq!((error.code(), error.line()), ("ragged_row", Some(4)));
    assert!(
        error.to_string().contains("`9` cells, the first one `8`"),
        "{error}"
    );
    assert!(!error.to_string().contains(CANARY));
}

#[test]
fn a_missing_column_lists_the_headers_there_are() {
    let header = HEADER.replace("age", "Age");
    let error = refusal(site(format!("{header}{GOOD}"), SCHEMA).all());
    assert_eq!(
        (error.code(), error.line(), error.column()),
        ("unknown_column", Some(1), Some("age"))
    );
    let shown = error.to_string();
    assert!(
        shown.contains("did you mean `Age`?") && shown.contains("crea mg/dl, cp, seen, num"),
        "{shown}"
    );
}

#[test]
fn a_patients_row_is_not_listed_as_if_it_were_a_header() {
    let first = format!("61,3,M,1,4,2020-01-01,0,x{CANARY}\n");
    let error = refusal(site(format!("{first}{GOOD}"), SCHEMA).all());
    assert_eq!(error.code(), "unknown_column");
    assert!(
        error.to_string().contains("may be a patient's row"),
        "{error}"
    );
    assert!(
        !error.to_string().contains(CANARY) && !error.to_string().contains("2020-01-01"),
        "{error}"
    );
}

#[test]
fn two_columns_of_one_name_are_refused_when_it_is_asked_for() {
    let file = site(format!("age,{HEADER}1,{GOOD}"), SCHEMA);
    assert_eq!(refusal(file.all()).code(), "ambiguous_column");
    assert_eq!(file.some(&["sex"]).map(|table| table.rows()).unwrap(), 1);
}

#[test]
fn empty_and_unreadable_files_are_refused() {
    for content in ["", "\n\n", HEADER] {
        assert_eq!(
            refusal(site(content, SCHEMA).all()).code(),
            "empty_table",
            "{content:?}"
        );
    }
    let mut missing = site(GOOD, SCHEMA);
    missing.path.set_file_name("nowhere.csv");
    let error = refusal(missing.all());
    assert_eq!(error.code(), "file_unreadable");
    assert!(error.to_string().contains("nowhere.csv"), "{error}");
    missing.path.pop();
    assert_eq!(
        refusal(missing.all()).code(),
        "file_unreadable",
        "a folder is no file"
    );
}

#[test]
fn schema_and_study_must_mean_the_same() {
    let schema = Schema::parse(SCHEMA).unwrap();
    for (features, extra, column, word) in [
        (r#"["cp"]"#, "", "cp", "names no levels"),
        (
            r#"["cp"]"#,
            "[data.levels]\ncp = [\"1\", \"2\"]",
            "cp",
            "no level `4`",
        ),
        (
            r#"["visits"]"#,
            "[data.levels]\nvisits = [\"1\", \"2\"]",
            "visits",
            "declared as `int`",
        ),
        (
            r#"["age"]"#,
            "filter = 'age == \"old\"'",
            "age",
            "compares it with `\"old\"`",
        ),
        (
            r#"["age"]"#,
            "filter = 'seen > 2020'",
            "seen",
            "compares it with `2020`",
        ),
    ] {
        let study = study(features, extra);
        let error = check_schema(&schema, &study).unwrap_err();
        assert_eq!(
            (error.code(), error.column()),
            ("schema_mismatch", Some(column)),
            "{error}"
        );
        assert!(error.to_string().contains(word), "{error}");
        let file = site(format!("{HEADER}{GOOD}"), SCHEMA);
        assert_eq!(
            file.cohort(&study).err().map(|error| error.code()),
            Some("schema_mismatch")
        );
    }
    // A column that may explain, but neither choose patients nor group them.
    let closed = Schema::parse(&SCHEMA.replacen(
        "type = \"float\"",
        "type = \"float\"\nuse = [\"weight\"]",
        1,
    ))
    .unwrap();
    check_schema(&closed, &study(r#"["age"]"#, "")).unwrap();
    let error = check_schema(&closed, &study(r#"["age"]"#, "filter = 'age >= 18'")).unwrap_err();
    assert_eq!(
        (error.code(), error.column()),
        ("schema_mismatch", Some("age")),
        "{error}"
    );
    assert!(
        error.to_string().contains("lets no study filter by it"),
        "{error}"
    );
    for (allowed, extra, word) in [
        (
            "filter",
            "weight = \"age\"\nweight_kind = \"precision\"",
            "lets no study weight by it",
        ),
        (
            "weight",
            "[evaluation]\ngroups = [\"age\"]\ncuts.age = [50]",
            "lets no study group by it",
        ),
    ] {
        let column = format!("type = \"float\"\nuse = [\"{allowed}\"]");
        let closed = Schema::parse(&SCHEMA.replacen("type = \"float\"", &column, 1)).unwrap();
        let error = check_schema(&closed, &study(r#"["creatinine"]"#, extra)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = check_schema(&schema, &study(r#"["weight"]"#, "")).unwrap_err();
    assert_eq!(error.code(), "unknown_column");
    assert!(
        error.to_string().contains("declared are age, cp"),
        "{error}"
    );
    let number = Schema::parse(&SCHEMA.replace(
        "type = \"bool\"\nsource = \"num\"\nfalse = [\"0\"]\ntrue = [\"1\", \"2\", \"3\", \"4\"]",
        "type = \"int\"",
    ))
    .unwrap();
    let error = check_schema(&number, &study(r#"["age"]"#, "")).unwrap_err();
    assert!(error.to_string().contains("needs yes or no"), "{error}");
}

#[test]
fn a_bad_schema_is_refused_in_its_line() {
    for (from, to, word) in [
        ("unit = \"a\"", "units = \"a\"", "unknown key `units`"),
        ("unit = \"a\"", "use = [\"sum\"]", "`use` names \"sum\""),
        (
            "type = \"int\"",
            "type = \"integer\"",
            "`type` is \"integer\"",
        ),
        ("type = \"int\"", "type = 3", "text"),
        (
            "type = \"int\"",
            "type = \"int\"\nlevels = [\"1\", \"2\"]",
            "`levels` is not a key of type `int`",
        ),
        ("min = 0", "min = 121", "`min` is above `max`"),
        (
            "factor = 88.4",
            "factor = 0",
            "`factor` is not a positive number",
        ),
        ("from = \"mg/dL\"\n", "", "`factor` needs `from`"),
        ("factor = 88.4\n", "", "`from` needs `factor`"),
        (
            "levels = [\"1\", \"2\", \"4\"]",
            "levels = [\"1\", \" 1\"]",
            "stands twice",
        ),
        (
            "levels = [\"1\", \"2\", \"4\"]",
            "levels = [\"1\"]",
            "fewer than two levels",
        ),
        (
            "levels = [\"1\", \"2\", \"4\"]",
            "levels = [\"1\", \"?\"]",
            "a value and a missing one",
        ),
        (
            "true = [\"M\", \"1\"]",
            "true = [\"f\"]",
            "do not tell no from yes",
        ),
        ("source = \"num\"", "source = 3", "others are numbers"),
        ("source = \"num\"", "source = 0", "column number `0`"),
        ("name = \"ward\"", "name = \"a ward\"", "dataset `name`"),
        ("name = \"ward\"\n", "", "missing key `name`"),
    ] {
        assert!(SCHEMA.contains(from));
        let error = Schema::parse(&SCHEMA.replacen(from, to, 1)).expect_err(to);
        assert_eq!(error.code(), "schema_invalid");
        assert!(error.to_string().contains(word), "{to}: {error}");
        assert!(error.line().is_some_and(|line| line > 1), "{to}: {error}");
    }
    let lined =
        Schema::parse(&SCHEMA.replacen("max = 2000", "max = 2000\nmax = 1", 1)).unwrap_err();
    assert_eq!(
        lined.line(),
        Some(
            1 + SCHEMA[..SCHEMA.find("max = 2000").unwrap()]
                .matches('\n')
                .count() as u64
                + 1
        ),
        "{lined}"
    );
    for name in ["1st", "two words", "naïve"] {
        let text = SCHEMA.replace("[columns.age]", &format!("[columns.\"{name}\"]"));
        assert!(
            Schema::parse(&text)
                .unwrap_err()
                .to_string()
                .contains("not a column's name")
        );
    }
}

#[test]
fn missing_marks_that_are_numbers_compare_as_numbers() {
    let rows =
        "61,1,f,0.0,1,2020-01-01,0,x\n62,1,f,00,1,2020-01-01,0,x\n63,1,f,0.5,1,2020-01-01,0,x\n";
    let cohort = site(format!("{HEADER}{rows}"), SCHEMA)
        .cohort(&study(r#"["age", "creatinine"]"#, ""))
        .unwrap();
    assert_eq!((cohort.used, cohort.left_out), (1, 2));
}

#[test]
fn a_quote_that_takes_in_patients_is_refused_by_the_line_in_which_it_begins() {
    let patient = |note: &str| GOOD.replace(",x\n", &format!(",{note}\n"));
    let quoted = [
        patient("x"),
        patient("\"5 mg, then none"),
        patient("x"),
        patient("\"halved"),
        patient("x"),
    ];
    let error = refusal(site(format!("{HEADER}{}", quoted.concat()), SCHEMA).all());
    assert_eq!(
        (error.code(), error.line()),
        ("ragged_row", Some(3)),
        "{error}"
    );
    let sound = [
        patient("x"),
        patient("\"two\nlines\""),
        patient("\"a \"\"quoted\"\" word\""),
    ];
    assert_eq!(
        site(format!("{HEADER}{}", sound.concat()), SCHEMA)
            .all()
            .unwrap()
            .rows(),
        3
    );
}

#[test]
fn a_last_line_without_its_end_is_told() {
    let whole = format!("{HEADER}{GOOD}{GOOD}");
    for (text, unended) in [
        (whole.as_str(), false),
        (whole.trim_end(), true),
        (&whole.replace('\n', "\r\n"), false),
    ] {
        assert_eq!(site(text, SCHEMA).all().unwrap().is_unended(), unended);
    }
}

#[test]
fn a_date_outside_its_bounds_is_refused_with_the_bound_and_not_the_day() {
    let bounded = |min: &str, max: &str| {
        SCHEMA.replace(
            "type = \"date\"",
            &format!("type = \"date\"\nmin = {min}\nmax = {max}"),
        )
    };
    let schema = bounded("2019-12-31", "\"2020-01-01\"");
    assert_eq!(
        site(format!("{HEADER}{GOOD}"), &schema)
            .all()
            .unwrap()
            .rows(),
        1,
        "ends included"
    );
    for (day, word) in [
        ("2020-01-02", "above `max`, which is 2020-01-01"),
        ("0020-01-01", "below `min`"),
    ] {
        let error = refusal(site(with_cell(5, day), &schema).all());
        assert_eq!(
            (error.code(), error.line(), error.column()),
            ("out_of_range", Some(3), Some("seen"))
        );
        assert!(
            error.to_string().contains(word) && !error.to_string().contains(day),
            "{error}"
        );
    }
    let wrong = |min: &str, max: &str| Schema::parse(&bounded(min, max)).unwrap_err().to_string();
    assert!(wrong("2020-01-02", "2020-01-01").contains("`min` is above `max`"));
    assert!(wrong("0", "2020-01-01").contains("`min` is not a day"));
    assert!(wrong("\"soon\"", "2020-01-01").contains("`min` is not a day"));
}

#[test]
fn an_ordered_column_is_a_category_whose_levels_are_in_order() {
    let ordered = SCHEMA.replace(
        "type = \"category\"\nlevels = [\"1\", \"2\", \"4\"]",
        "type = \"ordered\"\nlevels = [\"4\", \"1\", \"2\"]",
    );
    assert_ne!(ordered, SCHEMA);
    let table = site(format!("{HEADER}{GOOD}"), &ordered).all().unwrap();
    let shown = motet_data::profile(&table).to_string();
    assert!(shown.contains("ordered"), "{shown}");
    // As a feature it is one like any other.
    let study = study(r#"["cp"]"#, "[data.levels]\ncp = [\"1\", \"2\", \"4\"]");
    let cohort = site(format!("{HEADER}{GOOD}"), &ordered)
        .cohort(&study)
        .unwrap();
    assert_eq!(cohort.x.row(0).to_vec(), [0.0, 1.0]);
    for (from, to, words) in [
        (
            "[\"4\", \"1\", \"2\"]",
            "[\"4\"]",
            "ordered `cp` has fewer than two levels",
        ),
        (
            "\"ordered\"",
            "\"ranked\"",
            "`category`, `ordered` or `date`",
        ),
    ] {
        let error = Schema::parse(&ordered.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
