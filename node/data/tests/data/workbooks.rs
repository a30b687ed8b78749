//! Excel workbooks: the same bits as of the table as text, and what is refused.

use crate::ward::book::{Part, book, parts, rows, sheet, zipped};
use crate::ward::{HEADER, SCHEMA, Site, refusal, site, study};
use motet_data::{Cohort, Schema, Table, Watched, draft, draft_of_sheet};

/// Thirty rows, some of them without a value.
fn table() -> String {
    let row = |n: usize| {
        let age = match n % 7 {
            0 => String::new(),
            _ => format!("{:?}", 40.0 + n as f64 / 3.0),
        };
        let sex = ["f", "M"][n % 2];
        let cp = ["1", "2", "4.0"][n % 3];
        let seen = format!("19{:02}-03-{:02}", 3 + n * 3, 1 + n % 28);
        format!(
            "{age},{n},{sex},{:?},{cp},{seen},{},x\n",
            0.1 + n as f64 / 7.0,
            n % 5
        )
    };
    HEADER.to_owned() + &(0..30).map(row).collect::<String>()
}

fn cohort(site: &Site) -> Cohort {
    let study = study(
        r#"["age", "cp", "sex", "creatinine", "seen", "visits"]"#,
        "[data.levels]\ncp = [\"1\", \"2\", \"4\"]",
    );
    let watched = Watched::open(&site.path).unwrap();
    let table = Table::of(&watched, &site.schema, study.reads(), &[7; 32]);
    Cohort::of(&table.unwrap_or_else(|error| panic!("{error}")), &study).unwrap()
}

fn bytes(cohort: &Cohort) -> Vec<u8> {
    let mut bytes = Vec::new();
    cohort.write_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_workbook_gives_the_bits_of_its_table_as_text() {
    let schema = SCHEMA.replace("name = \"ward\"", "name = \"ward\"\nkey = \"visits\"");
    let text = cohort(&site(table(), &schema));
    let workbook = cohort(&site(book(&rows(&table())), &schema));
    assert_eq!(text.used, 25);
    assert_eq!(bytes(&text), bytes(&workbook));
    assert_eq!(text.content(), workbook.content());
}

/// A schema of a number, of a whole one, of a day, of yes or no and of a word.
fn plain(source: &str) -> String {
    let levels = "type = \"category\"\nlevels = [\"a b\", \"<ü>\"]";
    format!(
        "[dataset]\nname = \"d\"\n[source]\n{source}\n[columns.x]\ntype = \"float\"\n\
         [columns.n]\ntype = \"int\"\n[columns.day]\ntype = \"date\"\n[columns.yes]\n\
         type = \"bool\"\n[columns.word]\n{levels}\n"
    )
}

const HEAD: &str = "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>x</t></is></c><c t=\"inlineStr\"><is><t>n</t></is></c>\
    <c t=\"inlineStr\"><is><t>day</t></is></c><c t=\"inlineStr\"><is><t>yes</t></is></c>\
    <c t=\"inlineStr\"><is><r><t>wo</t></r><r><t>rd</t></r><rPh><t>spoken</t></rPh></is></c></row>";

#[test]
fn cells_are_read_as_the_sheet_has_them() {
    let texts = "<si><t xml:space=\"preserve\"> a </t></si><si><r><t>&lt;</t></r><r><t>&#xFC;&gt;</t></r></si>";
    let rows = format!(
        "{HEAD}<row><c><v>0.30000000000000004</v></c><c><f>1+1</f><v>2</v></c><c s=\"2\"><v>43831.99</v></c>\
         <c t=\"b\"><v>1</v></c><c t=\"s\"><v>1</v></c></row>\
         <row r=\"9\" hidden=\"1\"><c r=\"B9\"><v>1E3</v></c><c t=\"d\"><v>2020-01-02T10:00:00</v></c>\
         <c t=\"b\"><v>0</v></c><c t=\"str\"><f>A1</f><v>a b</v></c></row><row r=\"10\"><c s=\"1\"/></row>\
         <row r=\"12\"><c><v>1.838</v></c><c><v>7</v></c><c t=\"str\"><f>\"\"</f><v></v></c></row>"
    );
    let file = zipped(&parts(&[("Patients", "", sheet(&rows))], texts, ""));
    let site = site(file, &plain("kind = \"xlsx\"\nsheet = \"Patients\""));
    let table = site.all().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(table.rows(), 3);
    assert!(
        table.doubted().is_empty(),
        "a number's point parts no thousands"
    );
    let seen = table.seen().join(", ");
    assert!(
        seen.contains("workbook") && seen.contains("hides"),
        "{seen}"
    );
    let study = crate::ward::summary("[\"x\", \"n\", \"day\", \"yes\"]", "").to_toml();
    let study = study.replace("dataset = \"ward\"", "dataset = \"d\"");
    let cohort = site
        .cohort(&motet_common::study::Study::parse(&study).unwrap())
        .unwrap();
    let values: Vec<f64> = cohort.x.iter().copied().collect();
    let [a, b, c, d, e, f, g, h, i, j, k, l] = values.try_into().unwrap();
    assert_eq!([a, b, c, d], [0.1 + 0.2, 2.0, 18_262.0, 1.0]);
    assert_eq!([f, g, h], [1000.0, 18_263.0, 0.0]);
    assert_eq!([i, j], [1.838, 7.0]);
    assert!([e, k, l].iter().all(|value| value.is_nan()));
}

/// What is said of a sheet whose second row has these cells, in order.
fn said(source: &str, cells: &str) -> String {
    let site = site(
        book(&format!("{HEAD}<row r=\"2\">{cells}</row>")),
        &plain(source),
    );
    refusal(site.all()).to_string()
}

#[test]
fn a_cell_that_is_wrong_is_said_with_its_address_and_what_to_do_in_the_sheet() {
    for (cells, words) in [
        (
            "<c t=\"e\"><v>#N/A</v></c>",
            ["line 2, column `x`", "`A2` holds an error", "mend"],
        ),
        (
            "<c/><c><f>1+1</f><v/></c>",
            ["column `n`", "`B2` holds a formula", "open the workbook"],
        ),
        (
            "<c t=\"str\"><f>A1</f></c>",
            ["column `x`", "`A2` holds a formula", "save it"],
        ),
        (
            "<c t=\"inlineStr\"><is><t>8.041</t></is></c><c t=\"inlineStr\"><is><t>8 041</t></is></c>",
            ["column `n`", "is a text in the sheet", "not_a_number"],
        ),
        (
            "<c/><c><v>1.5</v></c>",
            ["column `n`", "declare `type", "not_whole"],
        ),
        (
            "<c/><c/><c><v>43831</v></c>",
            ["column `day`", "format of a date", "not_a_date"],
        ),
        (
            "<c s=\"1\"><v>43831</v></c>",
            ["column `x`", "has the format of a date", "not_a_number"],
        ),
        (
            "<c r=\"A2\"><v>1</v></c><c r=\"G2\"><v>1</v></c>",
            [
                "line 2",
                "`G2` has a value, and the first row ends at `E1`",
                "ragged_row",
            ],
        ),
        (
            "<c t=\"s\"><v>9</v></c>",
            [
                "a text that is not there",
                "file_unreadable",
                "save it anew",
            ],
        ),
        (
            "<c r=\"B2\"><v>1</v></c><c r=\"A2\"><v>1</v></c>",
            ["addresses of its cells", "file", ""],
        ),
    ] {
        let said = said("", cells);
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!said.contains("8.041") && !said.contains("43831"), "{said}");
    }
    // Nobody reads the column, and nothing is said of it.
    let rows = format!("{HEAD}<row r=\"2\"><c t=\"e\"><v>#N/A</v></c><c><v>1</v></c></row>");
    let site = site(book(&rows), &plain(""));
    assert_eq!(site.some(&["n"]).unwrap().rows(), 1);
}

#[test]
fn what_says_how_a_text_is_written_has_no_place_beside_a_workbook() {
    for (source, words) in [
        ("decimal = \",\"", "take `decimal` out"),
        ("thousands = \".\"", "take `thousands` out"),
        ("delimiter = \";\"", "take `delimiter` out"),
        ("encoding = \"windows-1252\"", "take `encoding` out"),
        ("kind = \"csv\"", "another `kind`"),
        ("sheet = \"Else\"", "its sheets are `Patients`"),
    ] {
        let said = said(source, "<c><v>1</v></c>");
        assert!(
            said.contains(words) && said.contains("schema_mismatch"),
            "{said}"
        );
    }
    let marks = plain("").replace("type = \"int\"", "type = \"int\"\nthousands = \".\"");
    let said = refusal(site(book(HEAD), &marks).all()).to_string();
    assert!(
        said.contains("column `n`") && said.contains("out of the column"),
        "{said}"
    );
    let text = site("x,n,day,yes,word\n1,1,,,\n", &plain("sheet = \"Patients\""));
    let said = refusal(text.all()).to_string();
    assert!(said.contains("no workbook"), "{said}");
}

#[test]
fn the_sheet_is_the_one_that_is_named_or_the_only_one_with_a_value() {
    let row = "<row><c><v>1</v></c></row>";
    let full = sheet(&format!("{HEAD}{row}"));
    let more = sheet(&format!("{HEAD}{row}{row}"));
    let empty = sheet("<row r=\"1\"><c r=\"A1\" s=\"1\"/></row>");
    let several = [
        ("One", "", full.clone()),
        ("Two", "", more.clone()),
        ("No", "", empty.clone()),
    ];
    let several = zipped(&parts(&several, "", ""));
    let said = refusal(site(&several, &plain("")).all()).to_string();
    assert!(
        said.contains("`One`, `Two`") && !said.contains("`No`"),
        "{said}"
    );
    let named = |name: &str| site(&several, &plain(&format!("sheet = \"{name}\""))).all();
    assert_eq!(named("One").unwrap().rows(), 1);
    assert_eq!(named("Two").unwrap().rows(), 2);
    assert!(
        refusal(named("No"))
            .to_string()
            .contains("the sheet is empty")
    );
    let hidden = [
        ("Lists", "state=\"hidden\"", more),
        ("Patients", "", full),
        ("No", "", empty),
    ];
    let hidden = site(zipped(&parts(&hidden, "", "")), &plain(""));
    assert_eq!(hidden.all().unwrap().rows(), 1);

    let several = site(&several, &plain(""));
    assert!(
        draft(&several.path, None)
            .unwrap_err()
            .to_string()
            .contains("--sheet")
    );
    let drafted = draft_of_sheet(&several.path, None, Some("Two")).unwrap();
    assert!(drafted.contains("[source]\nsheet = \"Two\""), "{drafted}");
    Schema::parse(&drafted).unwrap();
}

#[test]
fn merged_cells_are_refused_where_the_table_has_them() {
    let rows = format!(
        "{HEAD}<row r=\"2\"><c><v>1</v></c></row><row r=\"3\"><c r=\"B3\"><v>1</v></c></row>"
    );
    for (range, refused) in [("A2:A3", true), ("A1:B1", true), ("J1:K3", false)] {
        let merged = sheet(&rows).replace(
            "</sheetData>",
            &format!("</sheetData><mergeCells><mergeCell ref=\"{range}\"/></mergeCells>"),
        );
        let read = site(zipped(&parts(&[("P", "", merged)], "", "")), &plain("")).all();
        assert_eq!(read.is_err(), refused, "{range}");
        let said = read
            .err()
            .map_or_else(String::new, |error| error.to_string());
        assert_eq!(said.contains("merged"), refused, "{said}");
    }
}

#[test]
fn days_of_old_macs_count_from_1904() {
    let rows = format!("{HEAD}<row><c/><c/><c s=\"1\"><v>0</v></c></row>");
    let book = zipped(&parts(
        &[("P", "", sheet(&rows))],
        "",
        "<workbookPr date1904=\"1\"/>",
    ));
    let bounds = "type = \"date\"\nmin = 1904-01-01\nmax = 1904-01-01";
    let schema = plain("").replace("type = \"date\"", bounds);
    assert_eq!(site(book, &schema).all().unwrap().rows(), 1);
}

#[test]
fn a_workbook_that_is_half_damaged_or_a_bomb_is_refused() {
    let whole = book(&rows(&table()));
    let half = whole.get(..whole.len() / 2).unwrap();
    let mut flipped = whole.clone();
    *flipped.get_mut(120).unwrap() ^= 0x10;
    let sheets = [("P", "", sheet(&rows(&table())))];
    let mut large = parts(&sheets, "", "");
    let mut lies = parts(&sheets, "", "");
    for part in &mut large {
        if part.name.ends_with("sharedStrings.xml") {
            part.declared = Some(u32::MAX - 1);
        }
    }
    lies.iter_mut().for_each(|part| {
        if part.name.ends_with("sharedStrings.xml") {
            part.content = b"<sst>"
                .iter()
                .copied()
                .chain(std::iter::repeat_n(b' ', 1 << 24))
                .collect();
            part.declared = Some(10);
        }
    });
    let bomb = zipped(&lies);
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    for (file, code, words) in [
        (half, "file_changing", "half a file"),
        (&flipped, "file_unreadable", "damaged"),
        (&zipped(&large), "file_unreadable", "larger than 512 MiB"),
        (&bomb, "file_unreadable", "more than it says"),
        (
            &zipped(&[Part::new("[Content_Types].xml", "")]),
            "file_unreadable",
            "is not there",
        ),
    ] {
        let said = refusal(site(file, SCHEMA).all()).to_string();
        assert!(
            said.contains(code) && said.contains(words),
            "{words}: {said}"
        );
    }
}

#[test]
fn other_kinds_of_workbooks_are_recognised_and_said() {
    let zip = |part: &str| zipped(&[Part::new(part, "x")]);
    for (file, words) in [
        (zip("xl/workbook.bin"), "binary Excel workbook (.xlsb)"),
        (zip("content.xml"), "OpenDocument table (.ods)"),
        (zip("patients.csv"), "unpack it"),
        (b"\xef\xbb\xbf\n<HTML><body><table>".to_vec(), "a web page"),
        (b"<table><tr>".to_vec(), "save it as .xlsx"),
        (
            b"<?xml version=\"1.0\"?><Workbook>".to_vec(),
            "XML, whatever its name says",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
            "old kind (.xls), or one with a password",
        ),
    ] {
        let said = refusal(site(file, SCHEMA).all()).to_string();
        assert!(said.contains(words) && said.contains("not_text"), "{said}");
    }
}

#[test]
fn a_draft_of_a_workbook_reads_it() {
    let table = (0..40).fold("x,n\n".to_owned(), |table, n| {
        table + &format!("1.{:03},{n}\n", 101 + n)
    });
    let file = site(book(&rows(&table)), &plain(""));
    let drafted = draft(&file.path, Some("ward")).unwrap();
    assert!(!drafted.contains("thousands"), "{drafted}");
    let schema = Schema::parse(&drafted).unwrap();
    assert_eq!(Table::open_all(&file.path, &schema).unwrap().rows(), 40);
}

/// The table of `workbooks/`, of which `PROVENANCE.md` says how it was made.
const OURS: &str = "[dataset]\nname = \"ward\"\nkey = \"key\"\n[columns.age]\ntype = \"float\"\n\
    [columns.crea]\ntype = \"float\"\n[columns.grade]\ntype = \"category\"\n\
    levels = [\"I\", \"größer\", \"III\"]\n[columns.seen]\ntype = \"date\"\n[columns.y]\n\
    type = \"bool\"\nsource = \"died\"\n";

#[test]
fn workbooks_of_other_programs_give_the_bits_of_their_table_as_text() {
    let read = |file: &[u8]| {
        let site = site(file, OURS);
        let levels = "[data.levels]\ngrade = [\"I\", \"größer\", \"III\"]";
        let study = study(r#"["age", "crea", "grade", "seen"]"#, levels);
        let watched = Watched::open(&site.path).unwrap();
        let table = Table::of(&watched, &site.schema, study.reads(), &[7; 32]);
        let table = table.unwrap_or_else(|error| panic!("{error}"));
        bytes(&Cohort::of(&table, &study).unwrap())
    };
    let text = read(include_bytes!("../workbooks/table.csv"));
    assert!(text == read(include_bytes!("../workbooks/openpyxl.xlsx")));
    assert!(text == read(include_bytes!("../workbooks/xlsxwriter.xlsx")));
}

#[test]
fn a_workbook_with_any_byte_changed_is_read_whole_or_refused() {
    let whole = include_bytes!("../workbooks/xlsxwriter.xlsx");
    let mut accepted = 0;
    for at in (0..whole.len()).step_by(31) {
        for change in [0x01, 0x80, 0xff] {
            let mut broken = whole.to_vec();
            *broken.get_mut(at).unwrap() ^= change;
            let read = site(&broken, OURS).all();
            accepted += u32::from(read.is_ok_and(|table| table.rows() == 24));
        }
        let half = whole.get(..at).unwrap();
        assert!(site(half, OURS).all().is_err(), "{at}");
    }
    // Moments of the parts, and parts that nobody reads.
    assert!(accepted > 0);
}
