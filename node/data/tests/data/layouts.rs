//! Files as hospitals export them: marks of numbers, encodings, delimiters, gzip, lines, spellings,
//! and what is said of those that cannot be read.

use crate::ward::{refusal, site};
use flate2::Compression;
use flate2::write::GzEncoder;
use motet_data::{Code, DataError, Schema, profile};
use std::io::Write as _;

/// Two columns of numbers, one of levels, and one that no schema declares.
const COLUMNS: &str = "[columns.days]\ntype = \"float\"\n[columns.size]\ntype = \"float\"\nsource = \"Größe (mm)\"\n\
                       [columns.grade]\ntype = \"category\"\nlevels = [\"I\", \"II\", \"größer\"]\n";

fn schema(source: &str) -> String {
    format!("[dataset]\nname = \"ward\"\n[source]\n{source}\n{COLUMNS}")
}

/// A file that the schema reads as two rows.
const FILE: &str = "days;Größe (mm);grade;note\n1.838;2,5;I;\"a; b\"\n403;12,25;größer;x\n";
const MARKS: &str = "decimal = \",\"\nthousands = \".\"";

/// What comes of a file: its rows.
fn read(content: impl AsRef<[u8]>, schema: &str) -> Result<u64, DataError> {
    Ok(site(content, schema).all()?.rows())
}

fn packed(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn wide(text: &str, big: bool) -> Vec<u8> {
    let units = text.encode_utf16();
    match big {
        true => units.flat_map(u16::to_be_bytes).collect(),
        false => units.flat_map(u16::to_le_bytes).collect(),
    }
}

fn single(text: &str, label: &str) -> Vec<u8> {
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
    encoding.encode(text).0.into_owned()
}

/// What is said behind the file's path, in which a folder's name is drawn.
fn told(said: &str) -> &str {
    said.split_once("ward.csv").unwrap().1
}

#[test]
fn one_table_is_the_same_in_every_layout_that_a_schema_declares() {
    // The bounds are the values themselves.
    let with = |more: &str| {
        let exact = schema(&format!("{MARKS}\n{more}"))
            .replacen(
                "type = \"float\"",
                "type = \"float\"\nmin = 403\nmax = 1838",
                1,
            )
            .replacen(
                "source = \"Größe",
                "min = 2.5\nmax = 12.25\nsource = \"Größe",
                1,
            );
        assert!(exact.contains("min = 403") && exact.contains("min = 2.5"));
        exact
    };
    assert_eq!(read(FILE, &with("")), Ok(2));
    let tabs = FILE.replace("\"a; b\"", "a b").replace(';', "\t");
    for (content, schema) in [
        (
            format!("\u{feff}{FILE}").into_bytes(),
            with("encoding = \"utf-8\""),
        ),
        (
            FILE.replace('\n', "\r\n").into_bytes(),
            with("kind = \"csv\""),
        ),
        (
            FILE.replace('\n', "\r").into_bytes(),
            with("delimiter = \";\""),
        ),
        (tabs.clone().into_bytes(), with("delimiter = \"tab\"")),
        (tabs.clone().into_bytes(), with("delimiter = \"\\t\"")),
        (tabs.into_bytes(), with("")),
        (format!("sep=;\n{FILE}").into_bytes(), with("")),
        (
            format!("\u{feff}sep=;\r\n{FILE}").into_bytes(),
            with("delimiter = \";\""),
        ),
        (FILE.replace('"', "'").into_bytes(), with("quote = \"'\"")),
        (
            FILE.replace("\"a; b\"", "\"").into_bytes(),
            with("quote = \"\""),
        ),
        (
            FILE.replace("\"a; b\"", "a").replace(';', "|").into_bytes(),
            with("delimiter = \"|\""),
        ),
        (
            single(FILE, "windows-1252"),
            with("encoding = \"windows-1252\""),
        ),
        (
            single(FILE, "iso-8859-15"),
            with("encoding = \"ISO-8859-15\""),
        ),
        (
            single(FILE, "windows-1250"),
            with("encoding = \"windows-1250\""),
        ),
        (
            wide(&format!("\u{feff}{FILE}"), false),
            with("encoding = \"utf-16\""),
        ),
        (
            wide(&format!("\u{feff}{FILE}"), true),
            with("encoding = \"utf-16\""),
        ),
        (wide(FILE, false), with("encoding = \"utf-16\"")),
        (wide(FILE, true), with("encoding = \"utf-16be\"")),
        (packed(FILE), with("")),
        (
            packed(single(FILE, "windows-1252")),
            with("encoding = \"windows-1252\""),
        ),
        (
            [packed(FILE.split_at(30).0), packed(FILE.split_at(30).1)].concat(),
            with(""),
        ),
    ] {
        assert_eq!(read(content, &schema), Ok(2), "{schema}");
    }
}

#[test]
fn signs_that_two_encodings_mean_otherwise_are_those_of_the_one_declared() {
    let rows = "unit\n€\nŽ\n";
    let levels = "[columns.unit]\ntype = \"category\"\nlevels = [\"€\", \"Ž\"]\n";
    let schema =
        |label: &str| format!("[dataset]\nname = \"d\"\n[source]\nencoding = {label:?}\n{levels}");
    for label in ["windows-1252", "iso-8859-15"] {
        assert_eq!(read(single(rows, label), &schema(label)).unwrap(), 2);
    }
    let error = refusal(site(single(rows, "windows-1252"), &schema("iso-8859-15")).all());
    assert_eq!((error.kind(), error.line()), (Code::UnknownLevel, Some(2)));
}

#[test]
fn thousands_are_parted_by_every_mark_that_europe_parts_them_with() {
    for (decimal, thousands, cell) in [
        (",", ".", "1.234.567,5"),
        (".", ",", "\"1,234,567.5\""),
        (",", " ", "1 234 567,5"),
        (",", "\u{a0}", "1\u{a0}234\u{a0}567,5"),
        (",", "\u{202f}", "1\u{202f}234\u{202f}567,5"),
        (",", " ", "1\u{a0}234\u{202f}567,5"),
        (".", "'", "1'234'567.5"),
        (".", "\u{2019}", "1\u{2019}234\u{2019}567.5"),
    ] {
        let source =
            format!("delimiter = \";\"\ndecimal = \"{decimal}\"\nthousands = \"{thousands}\"");
        let schema = format!(
            "[dataset]\nname = \"d\"\n[source]\n{source}\n[columns.x]\ntype = \"float\"\nmin = 1234567.5\nmax = 1234567.5\n"
        );
        let cell = cell.replace("\"", "");
        assert_eq!(
            read(format!("x;y\n{cell};1\n"), &schema).unwrap(),
            1,
            "{cell}"
        );
    }
}

/// A schema of one column `x`.
fn column(kind: &str, more: &str, source: &str) -> String {
    format!("[dataset]\nname = \"d\"\n{source}\n[columns.x]\ntype = {kind:?}\n{more}\n")
}

#[test]
fn thousands_that_may_be_decimals_are_refused_with_both_ways_out() {
    let rows = "id;x\n1;403\n2;NA\n3;1.838\n4;1.603\n";
    for kind in ["float", "int"] {
        let error = refusal(site(rows, &column(kind, "", "")).all());
        let said = error.to_string();
        assert_eq!(
            (error.line(), error.column()),
            (Some(4), Some("x")),
            "{said}"
        );
        assert!(
            said.contains("`thousands = \".\"`") && said.contains("`decimal = \".\"`"),
            "{said}"
        );
        assert!(
            !told(&said).contains("838") && !told(&said).contains("603"),
            "{said}"
        );
    }
    let error = refusal(site(rows, &column("float", "", "")).all());
    assert_eq!(error.code(), "ambiguous_number");
    // Whole numbers in their look alone.
    let zeros = rows.replace("838", "000").replace("603", "000");
    let error = refusal(site(&zeros, &column("int", "", "")).all());
    assert_eq!(error.code(), "ambiguous_number");
    // Declared, either of them, for the file or for the column.
    let is_thousand = |source: &str, more: &str| {
        let schema = column("float", &format!("{more}\nmin = 100"), source);
        read(rows, &schema).map_err(|error| error.kind())
    };
    let below = Err(Code::OutOfRange);
    assert_eq!(is_thousand("[source]\nthousands = \".\"", ""), Ok(4));
    assert_eq!(is_thousand("[source]\ndecimal = \".\"", ""), below);
    assert_eq!(is_thousand("", "thousands = \".\""), Ok(4));
    assert_eq!(is_thousand("", "decimal = \".\""), below);
    let both = is_thousand("[source]\ndecimal = \".\"", "thousands = \".\"");
    assert_eq!(both, Ok(4), "a column's own marks count for it");
    // What shows that the point is a decimal one.
    for cell in ["1.8", "0.838", "1838.250"] {
        let rows = format!("{rows}5;{cell}\n");
        assert_eq!(read(rows, &column("float", "", "")).unwrap(), 5, "{cell}");
    }
    // Nobody is asked about a column that is not read.
    let other = column("float", "", "").replace("columns.x", "columns.id");
    assert_eq!(read(rows, &other).unwrap(), 4);
}

#[test]
fn a_cell_of_other_marks_is_refused_with_what_to_declare() {
    for (source, cell, word) in [
        ("", "\"80,5\"", "declare `decimal = \",\"`"),
        (
            "",
            "\"1,838\"",
            "declare `thousands = \",\"` where that mark parts thousands, or `decimal",
        ),
        ("", "1.838.415", "declare `thousands = \".\"`"),
        ("", "\"1.838,5\"", "declare `decimal` and `thousands`"),
        ("", "1'838", "declare `thousands = \"'\"`"),
        ("decimal = \",\"", "80.5", "not written with the marks"),
        ("decimal = \",\"", "1.838", "not written with the marks"),
        ("thousands = \".\"", "80.5", "not written with the marks"),
        ("thousands = \".\"", "0.838", "not written with the marks"),
        ("decimal = \".\"", "\"80,5\"", "not written with the marks"),
    ] {
        let rows = format!("x,y\n7,1\n{cell},1\n");
        let error = refusal(site(rows, &column("float", "", &format!("[source]\n{source}"))).all());
        let said = error.to_string();
        assert_eq!(
            (error.code(), error.line(), error.column()),
            ("not_a_number", Some(3), Some("x")),
            "{said}"
        );
        assert!(said.contains(word), "{said}");
        assert!(
            !told(&said).contains("838") && !told(&said).contains("80"),
            "{said}"
        );
    }
}

#[test]
fn marks_of_missing_are_read_as_numbers_of_the_file() {
    let schema = column(
        "float",
        "missing = [\"-9\", \"9999\"]",
        "[source]\ndecimal = \",\"\nthousands = \".\"",
    );
    let seen = profile(
        &site(
            "x;y\n-9,0;1\n9.999;1\n3,5;1\n;1\n1;1\n2;1\n4;1\n5;1\n",
            &schema,
        )
        .all()
        .unwrap(),
    );
    assert_eq!((seen.rows, seen.columns.first().unwrap().missing), (8, 3));
}

#[test]
fn what_a_column_calls_missing_adds_to_the_empty_cell_and_replaces_the_usual_words() {
    let rows = |cell: &str| format!("x,y\n1,1\n{cell},1\n");
    let listed = column("float", "missing = [\"-9\"]", "");
    for cell in ["", " ", "-9", "-9.0"] {
        assert_eq!(read(rows(cell), &listed).unwrap(), 2, "{cell:?}");
    }
    let error = refusal(site(rows("NA"), &listed).all());
    assert_eq!((error.code(), error.line()), ("not_a_number", Some(3)));
    for cell in ["", "NA", "."] {
        assert_eq!(
            read(rows(cell), &column("float", "", "")).unwrap(),
            2,
            "{cell:?}"
        );
    }
    // Where the empty cell is a value, it is that.
    let empty = column(
        "bool",
        "false = [\"\"]\ntrue = [\"1\"]\nmissing = [\"NA\"]",
        "",
    );
    assert_eq!(read(rows(""), &empty).unwrap(), 2);
    let table = site("x,y\n,1\n,1\n,1\n,1\n,1\n1,1\n1,1\n1,1\n1,1\n1,1\n", &empty);
    let seen = profile(&table.all().unwrap());
    assert_eq!(seen.columns.first().unwrap().missing, 0);
}

#[test]
fn the_line_is_the_same_whatever_lines_end_with() {
    let text = "id;x;note\n1;5;\"two\nlines\"\n\n2;6;x\n3;bad;x\n";
    for end in ["\n", "\r\n", "\r"] {
        let error = refusal(site(text.replace('\n', end), &column("float", "", "")).all());
        assert_eq!(
            (error.code(), error.line()),
            ("not_a_number", Some(6)),
            "{end:?}"
        );
        let sep = format!("sep=;\n{text}").replace('\n', end);
        assert_eq!(
            refusal(site(sep, &column("float", "", "")).all()).line(),
            Some(7),
            "{end:?}"
        );
        let ragged = text.replace("3;bad;x", "3;7");
        let error = refusal(site(ragged.replace('\n', end), &column("float", "", "")).all());
        assert_eq!(
            (error.code(), error.line()),
            ("ragged_row", Some(6)),
            "{end:?}"
        );
        let swallowing = text.replace("2;6;x", "2;6;\"x");
        let error = refusal(site(swallowing.replace('\n', end), &column("float", "", "")).all());
        assert_eq!(
            (error.code(), error.line()),
            ("ragged_row", Some(5)),
            "{end:?}"
        );
    }
}

#[test]
fn headers_and_levels_are_compared_whatever_the_spelling_of_their_letters() {
    let decomposed = "days;Gro\u{308}\u{df}e\u{a0}(mm);grade;note\n5;2;gro\u{308}ßer;x\n6;2;II;x\n";
    assert_eq!(read(decomposed, &schema("")).unwrap(), 2);
    let twice = COLUMNS.replace("\"II\"", "\"II\", \"gro\u{308}ßer\"");
    let error = Schema::parse(&format!("[dataset]\nname = \"d\"\n{twice}")).unwrap_err();
    assert!(error.to_string().contains("stands twice"), "{error}");
    // The same unit with each of the two letters that look like `µ`.
    let unit = column("float", "source = \"\u{b5}mol/l\"", "");
    assert_eq!(read("\u{3bc}mol/l,y\n1,1\n", &unit).unwrap(), 1);
    let both = "\u{3bc}mol/l,\u{3bc}mol/l\n1,1\n";
    assert_eq!(refusal(site(both, &unit).all()).code(), "ambiguous_column");
}

#[test]
fn a_study_and_a_schema_name_a_level_alike_whatever_the_spelling_of_its_letters() {
    let schema = "[dataset]\nname = \"ward\"\n[columns.grade]\ntype = \"category\"\nlevels = [\"I\", \"gro\u{308}ßer\"]\n\
                  [columns.y]\ntype = \"bool\"\n";
    let site = site("grade,y\nI,0\ngrößer,1\n", schema);
    let levels = "[data.levels]\ngrade = [\"I\", \"größer\"]";
    let cohort = site
        .cohort(&crate::ward::study("[\"grade\"]", levels))
        .unwrap();
    assert_eq!(cohort.x.column(0).to_vec(), [0.0, 1.0]);
    let rule = format!("filter = 'grade == \"größer\"'\n{levels}");
    let error = site
        .cohort(&crate::ward::study("[\"grade\"]", &rule))
        .err()
        .unwrap();
    assert_eq!(
        error.code(),
        "schema_mismatch",
        "a rule compares letters as they are"
    );
}

#[test]
fn other_kinds_of_files_are_recognised_and_said() {
    let plain = column("float", "", "");
    for (content, schema, code, word) in [
        (
            b"PK\x03\x04\x14\0".to_vec(),
            &plain,
            "file_changing",
            "half a file",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1".to_vec(),
            &plain,
            "not_text",
            "old kind (.xls)",
        ),
        (packed(b"PK\x03\x04"), &plain, "not_text", "Excel workbook"),
        (b"PAR1\x15".to_vec(), &plain, "not_text", "Parquet"),
        (
            wide("\u{feff}x;y\n1;1\n", false),
            &plain,
            "not_text",
            "declare `encoding = \"utf-16\"`",
        ),
        (
            wide("\u{feff}x;y\n1;1\n", true),
            &plain,
            "not_text",
            "declare `encoding = \"utf-16\"`",
        ),
        (wide("x;y\n1;1\n", false), &plain, "not_text", "zero bytes"),
        (
            b"x;y\n1;1\n".to_vec(),
            &column("float", "", "[source]\nencoding = \"utf-16\""),
            "not_text",
            "declares UTF-16, and the file is not",
        ),
        (
            b"\xef\xbb\xbfx;y\n1;1\n".to_vec(),
            &column("float", "", "[source]\nencoding = \"windows-1252\""),
            "not_text",
            "mark of UTF-8",
        ),
        (b"x;y\nx;1\n".to_vec(), &plain, "not_a_number", "line 2"),
        (
            b"sep=,\nx,y\n1,1\n".to_vec(),
            &column("float", "", "[source]\ndelimiter = \";\""),
            "schema_mismatch",
            "`sep=` line",
        ),
        (
            b"z|x\n1|1\n".to_vec(),
            &plain,
            "unknown_column",
            "declare its `delimiter`",
        ),
        (
            b"z;x\n1;1\n".to_vec(),
            &column("float", "", "[source]\ndelimiter = \",\""),
            "unknown_column",
            "another than `delimiter`",
        ),
        (
            b"Gr\xf6\xdfe;y\n1;1\n".to_vec(),
            &column("float", "source = \"Größe\"", ""),
            "unknown_column",
            "declare `encoding = \"windows-1252\"`",
        ),
        (
            "Größe;y\n1;1\n".as_bytes().to_vec(),
            &column(
                "float",
                "source = \"Größe\"",
                "[source]\nencoding = \"windows-1252\"",
            ),
            "unknown_column",
            "take `encoding` out",
        ),
    ] {
        let error = refusal(site(content, schema).all());
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let error = refusal(site(b"x;y\n1;1\n\xe9;1\n", &plain).all());
    assert_eq!((error.code(), error.line()), ("not_text", Some(3)));
    assert!(error.to_string().contains("`encoding`"), "{error}");
}

#[test]
fn what_is_seen_and_not_declared_is_told() {
    let seen = |content: Vec<u8>, source: &str| {
        let table = site(content, &column("float", "", source)).all().unwrap();
        table.seen().join(", ")
    };
    assert_eq!(seen(b"x,y\n1,1\n".to_vec(), ""), "");
    assert_eq!(seen(b"x\ty\n1\t1\n".to_vec(), ""), "separated by tabs");
    assert_eq!(
        seen(b"x\ty\n1\t1\n".to_vec(), "[source]\ndelimiter = \"tab\""),
        ""
    );
    assert_eq!(
        seen(packed("sep=|\nx|y\n1|1\n"), ""),
        "packed with gzip, with the delimiter of its `sep=` line"
    );
}

#[test]
fn half_a_packed_file_is_refused_wherever_it_was_cut() {
    let plain = column("float", "", "");
    let rows: String = (0..200).map(|n| format!("{n},{}\n", n * 7 % 13)).collect();
    let whole = packed(format!("x,y\n{rows}"));
    assert_eq!(read(&whole, &plain).unwrap(), 200);
    for cut in [10, whole.len() / 2, whole.len() - 1] {
        let (half, _) = whole.split_at(cut);
        let error = refusal(site(half, &plain).all());
        assert_eq!(error.code(), "file_changing", "{error}");
    }
    let mut damaged = whole.clone();
    let last = damaged.len() - 6;
    if let Some(byte) = damaged.get_mut(last) {
        *byte ^= 0xff;
    }
    let error = refusal(site(damaged, &plain).all());
    assert_eq!(error.code(), "file_unreadable", "{error}");
    // Cut before it was packed, and in a letter of two bytes.
    assert!(
        site(packed("x,y\n1,1\n2,1"), &plain)
            .all()
            .unwrap()
            .is_unended()
    );
    let wide_schema = column("float", "", "[source]\nencoding = \"utf-16\"");
    let mut text = wide("\u{feff}x,y\n1,1\n2,1", false);
    assert!(site(&text, &wide_schema).all().unwrap().is_unended());
    text.push(b'5');
    assert_eq!(
        refusal(site(&text, &wide_schema).all()).code(),
        "file_changing"
    );
}

#[test]
fn a_row_of_totals_is_no_patient() {
    let plain = column("float", "", "");
    let rows = "id;x;y\n1;5;1\n2;6;1\n";
    for (last, line) in [
        ("Total;11;2\n", 4),
        ("Summe:;11;2\n", 4),
        (";Gesamt;\n", 4),
        ("TOTAL (2)\n", 4),
        ("\nTotaal;NA;\n", 5),
    ] {
        let error = refusal(site(format!("{rows}{last}"), &plain).all());
        let said = error.to_string();
        assert_eq!(
            (error.code(), error.line()),
            ("totals_row", Some(line)),
            "{said}"
        );
        assert!(
            !told(&said).contains("11") && !said.contains("Summe"),
            "{said}"
        );
    }
    // A remark of another shape is said to be the last row.
    let error = refusal(site(format!("{rows}(2 rows)\n"), &plain).all());
    assert_eq!((error.code(), error.line()), ("ragged_row", Some(4)));
    assert!(error.to_string().contains("it is the last row"), "{error}");
    let error = refusal(site(format!("{rows}7;8\n9;9;9\n"), &plain).all());
    assert!(!error.to_string().contains("it is the last row"), "{error}");
    // A word in the middle is looked at where its row does not fit, and a level is a patient's.
    assert_eq!(
        read(format!("{rows}Total;5;1\n3;5;1\n"), &plain).unwrap(),
        4
    );
    let kind = column("category", "levels = [\"total\", \"partial\"]", "");
    assert_eq!(read("x;y\npartial;1\ntotal;2\n", &kind).unwrap(), 2);
}

#[test]
fn a_bad_table_of_the_source_is_refused_in_its_line() {
    for (source, word) in [
        ("kind = \"sql\"", "this version reads `csv`"),
        ("delimiter = \"xy\"", "`delimiter` is \"xy\""),
        ("delimiter = \"5\"", "write one sign"),
        ("delimiter = \"\"", "write one sign"),
        ("quote = \"ab\"", "`quote` is \"ab\""),
        ("delimiter = \"'\"\nquote = \"'\"", "are one sign"),
        ("decimal = \"·\"", "write \".\" or \",\""),
        ("thousands = \"_\"", "a space of any kind"),
        ("decimal = \".\"\nthousands = \".\"", "are one mark"),
        ("encoding = \"ebcdic\"", "`encoding` is \"ebcdic\""),
        ("encoding = \"shift_jis\"", "one byte a letter"),
        ("delimeter = \";\"", "did you mean `delimiter`?"),
    ] {
        let error = Schema::parse(&schema(source)).expect_err(source);
        assert_eq!(error.code(), "schema_invalid");
        assert!(error.to_string().contains(word), "{source}: {error}");
        assert!(
            error.line().is_some_and(|line| line > 3),
            "{source}: {error}"
        );
    }
    for key in ["decimal", "thousands"] {
        let text = column("bool", &format!("{key} = \".\""), "");
        let error = Schema::parse(&text).unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{key}` is not a key of type `bool`")),
            "{error}"
        );
    }
}
