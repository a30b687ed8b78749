//! Files that look sound and are read otherwise than they are meant: each is refused, or read as
//! it is meant, and what is said leads out and not in circles.

use crate::ward::{refusal, site};
use flate2::Compression;
use flate2::write::GzEncoder;
use motet_data::{Code, DataError, Schema, profile};
use std::io::Write as _;

/// A schema of one column `x`.
fn column(kind: &str, more: &str, source: &str) -> String {
    format!("[dataset]\nname = \"d\"\n[source]\n{source}\n[columns.x]\ntype = {kind:?}\n{more}\n")
}

/// A column of numbers, with all else as it is not declared.
fn plain() -> String {
    column("float", "", "")
}

/// Two columns of numbers, under these headers.
fn two(one: &str, other: &str, source: &str) -> String {
    format!(
        "[dataset]\nname = \"d\"\n[source]\n{source}\n[columns.x]\ntype = \"float\"\nsource = {one:?}\n\
         [columns.y]\ntype = \"float\"\nsource = {other:?}\n"
    )
}

/// What comes of a file: its rows.
fn read(content: impl AsRef<[u8]>, schema: &str) -> Result<u64, DataError> {
    Ok(site(content, schema).all()?.rows())
}

fn packed(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

/// The first value of the column `x`, by its bounds: that of all five rows.
fn value(content: &str, schema: &str) -> String {
    let table = site(content, schema).all().unwrap();
    format!("{:?}", profile(&table).columns.first().unwrap().values)
}

#[test]
fn a_closed_quote_that_takes_in_a_patient_is_refused_and_a_note_of_several_lines_is_not() {
    let numbers = two("id", "age", "");
    for swallowing in [
        "id;note;age\n1;\";63\n2;\";64\n3;x;70\n",
        "id\tnote\tage\n1\t\"kein Befund\t63\n2\tTubus 7\"\t64\n3\tx\t70\n",
    ] {
        let error = refusal(site(swallowing, &numbers).all());
        assert_eq!((error.code(), error.line()), ("ragged_row", Some(2)));
        assert!(error.to_string().contains("rows of their own"), "{error}");
        let letters = two("id", "age", "quote = \"\"");
        assert_eq!(read(swallowing, &letters), Ok(3), "quotes that are letters");
    }
    let note = "id;note;age\n1;\"Tubus; 7\nkein Befund\";63\n2;\"a\n\nb; c; d\";64\n";
    assert_eq!(read(note, &numbers), Ok(2));
}

#[test]
fn totals_of_pivot_tables_are_no_patients() {
    for word in [
        "Gesamtergebnis",
        "Grand Total",
        "Total général",
        "Totale complessivo",
        "Total general",
        "Totales",
        "Eindtotaal",
        "Suma końcowa",
        "Totalsum",
        "Végösszeg",
        "o\u{308}sszesen",
        "Mittelwert",
        "Mean",
    ] {
        let error = refusal(site(format!("id;x\n1;5\n2;6\n{word};11\n"), &plain()).all());
        assert_eq!(
            (error.code(), error.line()),
            ("totals_row", Some(4)),
            "{word}"
        );
    }
    // Several of them are named by the first.
    let several = "id;x\n1;5\n2;6\nSumme;11\nMittelwert;5.5\nStandardabweichung;1\n";
    let error = refusal(site(several, &plain()).all());
    assert_eq!((error.code(), error.line()), ("totals_row", Some(4)));
    let whole = column("int", "", "");
    let error = refusal(site(several.replace("Summe;11\n", ""), &whole).all());
    assert_eq!((error.code(), error.line()), ("totals_row", Some(4)));
    // A patient's row may begin with such a word, and one below it shows that it does.
    let patient = "id;x\n1;5\nMedia;6\n3;7\n";
    assert_eq!(read(patient, &plain()), Ok(3));
    let level = "grade;x\nmittel;5\nleicht;6\nmittel;7\n";
    assert_eq!(read(level, &plain()), Ok(3));
    let error = refusal(site(patient.replace(";6", ";6.5"), &whole).all());
    assert_eq!((error.code(), error.line()), ("not_whole", Some(3)));
}

#[test]
fn rows_without_any_value_are_left_out_and_said_and_hide_no_totals() {
    let rows = "id;x;y\n1;5;1\n;;\n2;6;1\n ; ;\n";
    let table = site(rows, &plain()).all().unwrap();
    assert_eq!(table.rows(), 2);
    assert_eq!(table.seen(), ["leaving out 2 rows without any value"]);
    let empty = "false = [\"\"]\ntrue = [\"1\"]\nsource = \"y\"";
    assert_eq!(read(rows, &column("bool", empty, "")), Ok(2));
    let error = refusal(site("id;x;y\n1;5;1\n2;6;1\nTotal;11;2\n;;\n", &plain()).all());
    assert_eq!((error.code(), error.line()), ("totals_row", Some(4)));
    let error = refusal(site("id;x;y\n;;\n", &plain()).all());
    assert_eq!(error.code(), "empty_table");
    // A table of one column has empty cells.
    assert_eq!(read("x\n5\n\"\"\n6\n", &plain()), Ok(3));
}

#[test]
fn a_level_of_a_column_that_is_not_read_is_a_patients_word() {
    let schema = "[dataset]\nname = \"d\"\n[columns.age]\ntype = \"float\"\n[columns.surgery]\n\
                  type = \"category\"\nlevels = [\"partial\", \"total\"]\n";
    let rows = "surgery;age\npartial;60\ntotal;61\n";
    assert_eq!(site(rows, schema).some(&["age"]).unwrap().rows(), 2);
    // A declared column that is not in the file and not read asks for nothing.
    let other = schema.replace("columns.surgery", "columns.operation");
    let error = refusal(site(rows, &other).some(&["age"]));
    assert_eq!(error.code(), "totals_row");
}

#[test]
fn no_advice_leads_into_the_trap_of_thousands() {
    // Out of bounds, for it is a thousand times as large.
    let bounded = column("float", "min = 100", "");
    for (rows, is_told) in [
        ("id;x\n1;403\n2;1.838\n", true),
        ("id;x\n1;403\n2;1.83\n", false),
        ("id;x\n1;403\n2;-1838.415\n", false),
    ] {
        let error = refusal(site(rows, &bounded).all());
        let said = error.to_string();
        assert_eq!(error.code(), "out_of_range");
        for way in ["`thousands = \".\"`", "`decimal = \".\"`"] {
            assert_eq!(said.contains(way), is_told, "{said}");
        }
    }
    let declared = column("float", "min = 100", "decimal = \".\"");
    let error = refusal(site("id;x\n1;403\n2;1.838\n", &declared).all());
    assert!(
        error.to_string().contains("correct the cell, the bound"),
        "{error}"
    );
    // No number at all.
    for text in ["12.03.2020", "1.2.3"] {
        let error = refusal(site(format!("a;x\n1;1.125\n2;{text}\n"), &plain()).all());
        assert!(!error.to_string().contains("thousands"), "{error}");
    }
    // Another column made somebody declare the decimal comma.
    let german = column("float", "", "decimal = \",\"");
    let error = refusal(site("a;x\n1;403\n2;1.838\n", &german).all());
    let said = error.to_string();
    assert!(said.contains("`thousands = \".\"` where") && said.contains("`decimal = \".\"` where"));
    // A number without a point shows nothing of points.
    let error = refusal(site("a;x\n1;403\n2;1.838\n3;1E+06\n", &plain()).all());
    assert_eq!(error.code(), "ambiguous_number");
}

#[test]
fn columns_of_three_digits_after_each_point_are_told() {
    let rows = "a;x\n1;4.500\n2;11.200\n3;NA\n";
    let doubted = |rows: &str, source: &str| {
        let table = site(rows, &column("float", "", source)).all().unwrap();
        table.doubted().to_vec()
    };
    assert_eq!(doubted(rows, ""), ["x"]);
    assert!(doubted(rows, "decimal = \".\"").is_empty());
    assert!(doubted(rows, "thousands = \".\"").is_empty());
    assert!(doubted(&rows.replace("4.500", "0.500"), "").is_empty());
}

#[test]
fn a_number_that_means_missing_is_written_as_the_file_writes_numbers() {
    for (source, missing) in [
        ("decimal = \",\"", "-9.0"),
        ("thousands = \".\"", "9999.0"),
        ("decimal = \",\"\nthousands = \".\"", "99.9"),
    ] {
        let text = column(
            "float",
            &format!("missing = [\"{missing}\", \"NA\"]"),
            source,
        );
        let error = Schema::parse(&text).unwrap_err();
        assert_eq!(error.code(), "schema_invalid");
        assert!(
            error.to_string().contains("written with the marks"),
            "{error}"
        );
        assert!(error.line() > Some(5), "{error}");
    }
    for missing in ["-9", "-9,0", "NaN", "unknown"] {
        let text = column(
            "float",
            &format!("missing = [\"{missing}\"]"),
            "decimal = \",\"",
        );
        assert!(Schema::parse(&text).is_ok(), "{missing}");
    }
}

#[test]
fn a_level_is_compared_by_the_files_own_decimal_mark() {
    let rows = |cells: [&str; 5]| format!("x;y\n{}\n", cells.map(|c| format!("{c};1")).join("\n"));
    let levels = "levels = [\"0\", \"1\", \"1.000\"]";
    let bool = column("bool", "", "decimal = \",\"");
    let with_gaps = rows(["1,0", "0,0", "", "1", "0,00"]);
    assert_eq!(read(&with_gaps, &bool), Ok(5));
    let category = column("category", "levels = [\"0\", \"1\"]", "decimal = \",\"");
    assert_eq!(read(&with_gaps, &category), Ok(5));
    // A code is compared as it is written, whatever the marks.
    let codes = column("category", levels, "decimal = \",\"");
    assert_eq!(
        refusal(site(&with_gaps, &codes).all()).code(),
        "unknown_level"
    );
    // A thousand is not a one.
    let thousands = column("category", "levels = [\"1\", \"2\"]", "thousands = \".\"");
    let error = refusal(site(rows(["1", "2", "2", "1", "1.000"]), &thousands).all());
    assert_eq!((error.code(), error.line()), ("unknown_level", Some(6)));
    let points = column("category", "levels = [\"1\", \"2\"]", "");
    assert_eq!(read(rows(["1", "2", "2", "1", "1.000"]), &points), Ok(5));
}

#[test]
fn a_file_of_decimal_commas_without_a_header_names_its_delimiter() {
    let numbered = |number: u8, source: &str| {
        column(
            "float",
            &format!("source = {number}"),
            &format!("decimal = \",\"\n{source}"),
        )
    };
    for rows in ["1,5\n2,5\n3,5\n4,5\n5,5\n", "1,5 2,5\n2,5 3,5\n"] {
        let error = refusal(site(rows, &numbered(1, "")).all());
        assert_eq!(error.code(), "schema_mismatch");
        assert!(
            error.to_string().contains("declare its `delimiter`"),
            "{error}"
        );
        assert!(!error.to_string().contains("1,5"), "{error}");
    }
    let rows = "1,5\n1,5\n1,5\n1,5\n1,5\n";
    assert!(value(rows, &numbered(1, "delimiter = \";\"")).contains("max: 1.5"));
    let second = format!("\n{}", "1,5;2,5\n".repeat(5));
    assert!(value(&second, &numbered(2, "")).contains("max: 2.5"));
    let under_a_name = "x\n2,5\n2,5\n2,5\n2,5\n2,5\n";
    assert!(value(under_a_name, &column("float", "", "decimal = \",\"")).contains("max: 2.5"));
}

#[test]
fn a_header_is_found_whatever_lines_it_has_and_stands_under() {
    let broken = "\"Patient\nNr.\";\"Alter\"\n1;63\n";
    assert_eq!(
        read(broken, &column("float", "source = \"Alter\"", "")),
        Ok(1)
    );
    assert_eq!(read("\n\nid;x\n1;63\n", &plain()), Ok(1));
    // What is spelt exactly so comes before what is alike.
    let rows = "kg/m\u{b2};kg/m2;n\n1;x;1\n";
    assert_eq!(
        read(rows, &column("float", "source = \"kg/m\u{b2}\"", "")),
        Ok(1)
    );
    let wide = column("float", "source = \"kg/m\u{ff12}\"", "");
    assert_eq!(refusal(site(rows, &wide).all()).code(), "ambiguous_column");
}

#[test]
fn a_header_with_letters_of_france_is_not_taken_for_another_encoding() {
    let french = two("Âge (années)", "Taille", "encoding = \"windows-1252\"");
    let single = |text: &str| encoding_rs::WINDOWS_1252.encode(text).0.into_owned();
    let error = refusal(site(single("Âge;Taille\n63;170\n"), &french).all());
    let said = error.to_string();
    assert!(said.contains("the file has Âge, Taille"), "{said}");
    let error = refusal(site("Âge;Taille\n63;170\n", &french).all());
    assert!(error.to_string().contains("take `encoding` out"), "{error}");
    let wide: Vec<u8> = "\u{feff}Âge;Taille\n63;170\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let error = refusal(site(wide, &french.replace("windows-1252", "utf-16")).all());
    assert!(error.to_string().contains("the file has Âge"), "{error}");
    // What no schema can declare is said where another would be guessed.
    let bytes = site(b"\x83ge;Taille\n63;170\n", &two("Âge", "Taille", ""));
    assert!(refusal(bytes.all()).to_string().contains("MS-DOS"));
    let dos = Schema::parse(&column("float", "", "encoding = \"cp850\"")).unwrap_err();
    assert!(dos.to_string().contains("MS-DOS"), "{dos}");
}

#[test]
fn no_patients_row_is_in_a_message_and_a_header_of_any_program_is() {
    let sources = two("alter", "labor", "");
    for row in [
        "Meier;maennlich;positiv",
        "Meier 63 m",
        "Meier^63^m",
        "Meier:63:m",
        "Meier;63;m",
    ] {
        let said = refusal(site(format!("{row}\n{row}\n"), &sources).all()).to_string();
        assert!(
            !said.contains("Meier") && !said.contains("positiv"),
            "{said}"
        );
        assert!(said.contains("may be a patient's row"), "{said}");
    }
    for (header, shown) in [
        ("\"\";age;labor", "the file has age, labor"),
        ("25-OH-D;%Ki67;labor", "25-OH-D, %Ki67, labor"),
        ("ALTER;labor;", "did you mean `ALTER`?"),
        // The name that is alike tells nothing that the schema does not.
        ("ALTER;Labor;x", "did you mean `ALTER`?"),
    ] {
        let error = refusal(site(format!("{header}\n1;2;3\n"), &sources).all());
        assert!(error.to_string().contains(shown), "{error}");
    }
    let said = refusal(site("ALTER;Labor;Meier\n1;2;3\n", &sources).all()).to_string();
    assert!(!said.contains("Meier"), "{said}");
}

#[test]
fn a_name_that_holds_a_delimiter_shows_that_another_was_taken() {
    let sources = two("Größe, mm", "Alter", "");
    let error = refusal(site("Größe, mm;Alter\n1;63\n", &sources).all());
    assert!(
        error.to_string().contains("declare its `delimiter`"),
        "{error}"
    );
    let declared = two("Größe, mm", "Alter", "delimiter = \";\"");
    assert_eq!(read("Größe, mm;Alter\n1;63\n", &declared), Ok(1));
    // A name with a semicolon beside one that was found is a name.
    let error = refusal(site("\"age; years\",Alter\n1,63\n", &sources).all());
    assert!(
        error.to_string().contains("the file has age; years, Alter"),
        "{error}"
    );
}

#[test]
fn rows_of_another_width_are_explained_by_the_program_that_writes_them() {
    let error = refusal(
        site(
            "x y\n1 5 7\n2 6 8\n",
            &column("float", "", "delimiter = \" \""),
        )
        .all(),
    );
    assert_eq!((error.code(), error.line()), ("ragged_row", Some(2)));
    assert!(error.to_string().contains("row.names = FALSE"), "{error}");
    let error = refusal(site("x;y;z\n1;5;7\n2;6\n3;7;8\n", &plain()).all());
    assert!(error.to_string().contains("last empty cells"), "{error}");
    let error = refusal(site("x;y;z\n1;5;7\n2;6;7;8\n3;7;8\n", &plain()).all());
    assert!(
        error
            .to_string()
            .contains("quote texts that hold the delimiter"),
        "{error}"
    );
}

#[test]
fn a_key_by_name_is_refused_where_there_are_no_names() {
    let text = column("float", "source = 2", "").replace("\"d\"\n", "\"d\"\nkey = \"id\"\n");
    let error = refusal(site("1;5\n2;6\n", &text).all());
    assert_eq!(error.code(), "unknown_column");
    let said = error.to_string();
    assert!(
        said.contains("no header") && said.contains("number"),
        "{said}"
    );
}

#[test]
fn a_row_has_an_end_however_small_the_file_is_packed() {
    let long = format!("x,y\n1,1\n2,{}\n", "7".repeat(17 << 20));
    let wide = format!("x,y\n1,1\n{}\n", ",".repeat(100_000));
    let unended = format!("x,y\n1,1\n2,\"{}", "7\n".repeat(9 << 20));
    let header = format!("x{}\n", ",".repeat(100_000));
    for (text, line, code) in [
        (&wide, 3, Code::FileUnreadable),
        (&unended, 3, Code::RaggedRow),
        (&header, 1, Code::FileUnreadable),
    ] {
        let error = refusal(site(packed(text), &plain()).all());
        assert_eq!((error.kind(), error.line()), (code, Some(line)), "{error}");
    }
    let letters = column("float", "", "quote = \"\"");
    let error = refusal(site(packed(&long), &letters).all());
    assert_eq!((error.code(), error.line()), ("file_unreadable", Some(3)));
}

#[test]
fn letters_of_other_files_at_the_beginning_of_a_header_are_letters() {
    assert_eq!(read("PAR1;PAR2;x\n1;2;3\n", &plain()), Ok(1));
    assert_eq!(read("BZh;x\n1;3\n", &plain()), Ok(1));
    for (content, word) in [
        (b"PAR1\x15\x04\x15".as_slice(), "Parquet"),
        (b"$FL2@(#) SPSS DATA FILE\0\0".as_slice(), "SPSS"),
        (b"BZh91AY&SY\0\x01".as_slice(), "bzip2"),
        (b"\xfd7zXZ\0\0\x04".as_slice(), "xz"),
    ] {
        let error = refusal(site(content, &plain()).all());
        assert_eq!(error.code(), "not_text");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn bytes_that_are_no_text_are_named_by_their_line() {
    let rows = "1;1\n".repeat(30_000);
    for quote in ["", "quote = \"\""] {
        let schema = column("float", "", &format!("encoding = \"utf-16\"\n{quote}"));
        for good in [1, 2_000, 29_000] {
            let (before, after) = rows.split_at(4 * good);
            let mut units: Vec<u16> = format!("\u{feff}x;y\n{before}").encode_utf16().collect();
            units.push(0xd800);
            units.extend(after.encode_utf16());
            let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
            let error = refusal(site(bytes, &schema).all());
            assert_eq!(
                (error.code(), error.line()),
                ("not_text", Some(2 + good as u64)),
                "{error}"
            );
        }
    }
}

#[test]
fn zeros_that_fill_a_packed_file_are_not_damage() {
    let first = packed("x,y\n1,1\n");
    let second = packed("2,2\n");
    let zeros = vec![0; 40_000];
    let filled = [&first[..], &zeros, &second, &zeros].concat();
    assert_eq!(read(filled, &plain()), Ok(2));
    let error = refusal(site([&first[..], &zeros, b"x"].concat(), &plain()).all());
    assert!(["file_unreadable", "file_changing"].contains(&error.code()));
}

#[test]
fn small_print_is_what_it_says() {
    // A line that names the quote as the delimiter.
    let error = refusal(site("sep=\"\nx\"y\n1\"1\n", &plain()).all());
    assert_eq!((error.code(), error.line()), ("schema_mismatch", Some(1)));
    // Yes and no in any case, of letters with accents too.
    let spanish = column("bool", "false = [\"no\"]\ntrue = [\"sí\"]", "");
    assert_eq!(read("x;y\nNO;1\nSÍ;1\nSI\u{301};1\n", &spanish), Ok(3));
}
