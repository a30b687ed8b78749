//! Real files, good and bad: what is read, what is refused, and that no refusal ever shows what stands in a cell.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use motet_common::study::Study;
use motet_data::cohort::check_schema;
use motet_data::{Code, Cohort, DataError, Schema, Table};
use std::path::PathBuf;

const SCHEMA: &str = r#"
[dataset]
name = "ward"

[columns.age]
type = "float"
unit = "a"
min = 0
max = 120

[columns.visits]
type = "int"

[columns.sex]
type = "bool"
false = ["f"]
true = ["M", "1"]

[columns.creatinine]
type = "float"
unit = "umol/L"
source = "crea mg/dl"
missing = ["", "0"]
from = "mg/dL"
factor = 88.4
max = 2000

[columns.cp]
type = "category"
levels = ["1", "2", "4"]

[columns.seen]
type = "date"

[columns.y]
type = "bool"
source = "num"
false = ["0"]
true = ["1", "2", "3", "4"]
"#;

const HEADER: &str = "age,visits,sex,crea mg/dl,cp,seen,num,notes\n";
const GOOD: &str = "61.5,3,M,1.0,4.0,2020-01-01,0,x\n";
/// What must never be seen in an error.
const CANARY: &str = "80415551212";

struct Site {
    _folder: tempfile::TempDir,
    path: PathBuf,
    schema: Schema,
}

fn site(content: impl AsRef<[u8]>, schema: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ward.csv");
    std::fs::write(&path, content).unwrap();
    Site { _folder: folder, path, schema: Schema::parse(schema).unwrap() }
}

impl Site {
    fn all(&self) -> Result<Table, DataError> {
        Table::open_all(&self.path, &self.schema)
    }

    fn some(&self, names: &[&str]) -> Result<Table, DataError> {
        Table::open(&self.path, &self.schema, names.iter().copied())
    }

    fn cohort(&self, study: &Study) -> Result<Cohort, DataError> {
        Cohort::of(&Table::open(&self.path, &self.schema, study.reads())?, study)
    }
}

fn study(features: &str, extra: &str) -> Study {
    Study::parse(&format!(
        "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\nends = 2030-01-01\n[data]\ndataset = \"ward\"\n\
         outcome = \"y\"\nfeatures = {features}\n{extra}\n[recipe]\nkind = \"logistic\"\n[privacy]\nmin_rows = 1\n"
    ))
    .unwrap()
}

fn summary(features: &str, extra: &str) -> Study {
    let text = study(features, extra).to_toml();
    let (head, rest) = text.split_once("[recipe]").unwrap();
    let (_, tail) = rest.split_once("[privacy]").unwrap();
    let head = head.replace("outcome = \"y\"\n", "");
    Study::parse(&format!("{head}[recipe]\nkind = \"summary\"\n[privacy]{tail}")).unwrap()
}

fn refusal(result: Result<Table, DataError>) -> DataError {
    match result {
        Err(error) => error,
        Ok(_) => panic!("the table was accepted"),
    }
}

#[test]
fn a_good_file_becomes_the_columns_of_the_study() {
    let rows = format!("{GOOD}40,1,f,0,1,2021-06-30,3,x\n80,0,1,2.5,2,1969-12-31,0,x\n");
    let site = site(format!("{HEADER}{rows}"), SCHEMA);
    let study = study(
        r#"["age", "cp", "sex", "creatinine", "seen", "visits"]"#,
        "[data.levels]\ncp = [\"1\", \"2\", \"3\", \"4\"]",
    );
    assert_eq!(study.columns(), ["age", "cp_2", "cp_3", "cp_4", "sex", "creatinine", "seen", "visits"]);
    let cohort = site.cohort(&study).unwrap();
    assert_eq!((cohort.used, cohort.left_out, cohort.filtered, cohort.repeated), (2, 1, 0, 0));
    let expected =
        [[61.5, 0.0, 0.0, 1.0, 1.0, 88.4, 18262.0, 3.0], [80.0, 1.0, 0.0, 0.0, 1.0, 221.0, -1.0, 0.0]];
    for (row, expected) in cohort.x.rows().into_iter().zip(expected) {
        assert_eq!(row.to_vec(), expected);
    }
    assert_eq!(cohort.y.unwrap().to_vec(), [0.0, 0.0]);
}

#[test]
fn a_summary_keeps_incomplete_rows_and_marks_what_is_missing() {
    let rows = format!("{GOOD},1,f,0,?,2021-06-30,NA,x\n");
    let site = site(format!("{HEADER}{rows}"), SCHEMA);
    let study = summary(r#"["age", "cp"]"#, "[data.levels]\ncp = [\"1\", \"2\", \"4\"]");
    let cohort = site.cohort(&study).unwrap();
    assert_eq!((cohort.used, cohort.left_out), (2, 0));
    assert!(cohort.y.is_none());
    assert_eq!(cohort.x.row(0).to_vec(), [61.5, 0.0, 1.0]);
    assert!(cohort.x.row(1).iter().all(|value| value.is_nan()));
}

#[test]
fn the_rule_chooses_the_cohort_and_a_missing_value_does_not_pass_it() {
    let row = |age: &str, sex: &str, seen: &str, cp: &str| format!("{age},1,{sex},1,{cp},{seen},0,x\n");
    let rows = [
        row("20", "M", "2020-05-01", "1"),
        row("17", "M", "2020-05-01", "1"),
        row("", "M", "2020-05-01", "1"),
        row("30", "f", "2020-05-01", "1"),
        row("40", "M", "2019-05-01", "1"),
        row("50", "M", "2020-05-02", "4"),
        row("60", "M", "2020-05-02", "2"),
    ]
    .concat();
    let site = site(format!("{HEADER}{rows}"), SCHEMA);
    let rule = r#"filter = 'age >= 18 and sex == 1 and seen >= "2020-01-01" and cp != 4'"#;
    let cohort = site.cohort(&study(r#"["age"]"#, rule)).unwrap();
    assert_eq!((cohort.used, cohort.left_out, cohort.filtered, cohort.undecided), (2, 0, 4, 1));
    assert_eq!(cohort.x.column(0).to_vec(), [20.0, 60.0]);
}

#[test]
fn a_patient_of_whom_one_side_of_an_or_is_true_belongs_to_the_cohort_whatever_else_is_missing() {
    const FRAIL: &str = "[dataset]\nname = \"ward\"\n[columns.age]\ntype = \"float\"\n[columns.frail]\ntype = \"bool\"\n\
                         [columns.crp]\ntype = \"float\"\n";
    let sites = [
        "80,,1.0\n70,1,2.0\n50,0,0.5\n55,,0.7\n",
        "82,,1.1\n71,0,2.1\n51,1,0.6\n56,0,0.8\n",
        "83,,1.3\n72,0,2.2\n52,0,0.9\n57,1,0.4\n",
    ];
    let study = summary(r#"["crp"]"#, "filter = \"age >= 65 or frail == 1\"");
    let (mut values, mut undecided, mut filtered) = (Vec::new(), 0, 0);
    for rows in sites {
        let cohort = site(format!("age,frail,crp\n{rows}"), FRAIL).cohort(&study).unwrap();
        values.extend(cohort.x.column(0).to_vec());
        undecided += cohort.undecided;
        filtered += cohort.filtered;
    }
    // The figures of `subset()` in R and of `WHERE` in SQL, of the twelve patients in one table.
    assert_eq!((values.len(), filtered, undecided), (8, 3, 1));
    assert!((values.iter().sum::<f64>() / 8.0 - 1.3375).abs() < 1e-12);
}

#[test]
fn semicolons_a_byte_order_mark_and_windows_lines_are_understood() {
    let text = format!("\u{feff}{HEADER}{GOOD}").replace(',', ";").replace('\n', "\r\n");
    let table = site(text, SCHEMA).all().unwrap();
    assert_eq!(table.rows(), 1);
    let text = format!("\u{feff}\"age\",visits,sex,crea mg/dl,cp,seen,num\n{}", GOOD.replace(",x", ""));
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
    assert_eq!((error.kind(), error.column()), (Code::UnknownColumn, Some("age")));
}

#[test]
fn columns_that_the_study_does_not_name_are_not_interpreted() {
    let study = study(r#"["age"]"#, "");
    let garbage = [b"61.5,\xff\xfe,?!,not a number,99,31.12.2020,0,x\n".as_slice(), b"62,,,,,,1,\n"].concat();
    let clean = "61.5,3,M,1.0,4.0,2020-01-01,0,x\n62,3,M,1.0,4.0,2020-01-01,1,x\n";
    let one = site([HEADER.as_bytes(), &garbage].concat(), SCHEMA).cohort(&study).unwrap();
    let other = site(format!("{HEADER}{clean}"), SCHEMA).cohort(&study).unwrap();
    assert_eq!(one.x, other.x);
    assert_eq!(one.y, other.y);
}

#[test]
fn a_second_row_of_a_patient_is_left_out_and_counted() {
    let schema = SCHEMA.replace("name = \"ward\"", "name = \"ward\"\nkey = \"notes\"");
    let rows = "1,1,f,1,1,2020-01-01,0,p1\n2,1,f,1,1,2020-01-01,0,p2\n3,1,f,1,1,2020-01-01,0, p1\n4,1,f,1,1,2020-01-01,0,\n5,1,f,1,1,2020-01-01,0,\n";
    let cohort = site(format!("{HEADER}{rows}"), &schema).cohort(&study(r#"["age"]"#, "")).unwrap();
    assert_eq!(cohort.x.column(0).to_vec(), [1.0, 2.0, 4.0, 5.0]);
    assert_eq!((cohort.used, cohort.repeated), (4, 1));
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
        (0, "age", &number, "out_of_range", "above `max`, which is 120 a"),
        (0, "age", &format!("-{number}"), "out_of_range", "below `min`, which is 0 a"),
        (0, "age", &"inf".to_string(), "not_a_number", "no finite number"),
        (0, "age", &"1e400".to_string(), "not_a_number", "no finite number"),
        (1, "visits", &fraction, "not_whole", "float"),
        (1, "visits", &text, "not_a_number", "not a number"),
        (2, "sex", &text, "not_a_bool", "no is f, yes is M or 1"),
        (3, "creatinine", &number, "out_of_range", "umol/L"),
        (4, "cp", &number, "unknown_level", "the levels are 1, 2, 4"),
        (5, "seen", &date, "not_a_date", "YYYY-MM-DD"),
        (5, "seen", &"31.12.2020".to_string(), "not_a_date", "YYYY-MM-DD"),
        (5, "seen", &"2020-02-30".to_string(), "not_a_date", "YYYY-MM-DD"),
        (6, "y", &number, "not_a_bool", "yes is 1 or 2 or 3 or 4"),
    ] {
        let error = refusal(site(with_cell(place, cell), SCHEMA).all());
        let shown = error.to_string();
        assert_eq!((error.code(), error.line(), error.column()), (code, Some(3), Some(column)), "{shown}");
        assert!(shown.contains(word), "{shown}");
        assert!(shown.contains("ward.csv`, line 3, column"), "{shown}");
        let all = format!("{shown} {error:?}");
        assert!(!all.contains(CANARY) && !all.contains("31.12.") && !all.contains("02-30"), "{all}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let file = [HEADER.as_bytes(), GOOD.as_bytes(), b"61,3,\xe4m\xe4,1,4,2020-01-01,0,x\n"].concat();
    let error = refusal(site(file, SCHEMA).all());
    assert_eq!((error.code(), error.line(), error.column()), ("not_text", Some(3), Some("sex")));
    let error = refusal(site([0xff, 0xfe, b'a', 0], SCHEMA).all());
    assert_eq!(error.code(), "not_text");
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[test]
fn a_row_of_another_length_is_refused_without_its_text() {
    let error =
        refusal(site(format!("{HEADER}{GOOD}{GOOD}61,5,3,M,1.0,4.0,2020-01-01,0,{CANARY}\n"), SCHEMA).all());
    assert_eq!((error.code(), error.line()), ("ragged_row", Some(4)));
    assert!(error.to_string().contains("`9` cells, the first one `8`"), "{error}");
    assert!(!error.to_string().contains(CANARY));
}

#[test]
fn a_missing_column_lists_the_headers_there_are() {
    let header = HEADER.replace("age", "Age");
    let error = refusal(site(format!("{header}{GOOD}"), SCHEMA).all());
    assert_eq!((error.code(), error.line(), error.column()), ("unknown_column", Some(1), Some("age")));
    let shown = error.to_string();
    assert!(shown.contains("did you mean `Age`?") && shown.contains("crea mg/dl, cp, seen, num"), "{shown}");
}

#[test]
fn a_patients_row_is_not_listed_as_if_it_were_a_header() {
    let first = format!("61,3,M,1,4,2020-01-01,0,x{CANARY}\n");
    let error = refusal(site(format!("{first}{GOOD}"), SCHEMA).all());
    assert_eq!(error.code(), "unknown_column");
    assert!(error.to_string().contains("does not look like a header"), "{error}");
    assert!(!error.to_string().contains(CANARY) && !error.to_string().contains("2020-01-01"), "{error}");
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
        assert_eq!(refusal(site(content, SCHEMA).all()).code(), "empty_table", "{content:?}");
    }
    let mut missing = site(GOOD, SCHEMA);
    missing.path.set_file_name("nowhere.csv");
    let error = refusal(missing.all());
    assert_eq!(error.code(), "file_unreadable");
    assert!(error.to_string().contains("nowhere.csv"), "{error}");
    missing.path.pop();
    assert_eq!(refusal(missing.all()).code(), "file_unreadable", "a folder is no file");
}

#[test]
fn a_weight_that_selects_one_patient_is_refused_whatever_rows_stand_around_it() {
    let text = study(r#"["creatinine"]"#, "weight = \"visits\"").to_toml();
    let study = Study::parse(&text.replace("min_rows = 1\n", "min_rows = 10\n")).unwrap();
    let schema = SCHEMA.replace("type = \"int\"", "type = \"float\"");
    let cohort = |weight: &dyn Fn(usize) -> f64| {
        let line = |row: usize| format!("61.5,{},M,1.{row},4.0,2020-01-01,0,x\n", weight(row));
        site(format!("{HEADER}{}", (10..40).map(line).collect::<String>()), &schema).cohort(&study)
    };
    let one = |row: usize| f64::from(u8::from(row == 17));
    let nine = |row: usize| f64::from(u8::from(row < 19));
    for (weight, what) in [
        (&one as &dyn Fn(usize) -> f64, "all but one are 0"),
        (&|_| 0.0, "all are 0"),
        (&|row| one(row) + 1e-6, "all but one are next to nothing"),
        (&|row| one(row) * 1e200 + 1.0, "one is beyond all measure"),
        (&nine, "all but nine are 0"),
    ] {
        let Err(error) = cohort(weight) else { panic!("taken although {what}") };
        assert_eq!(error.code(), "too_few_rows", "{what}: {error}");
        assert!(error.to_string().contains("with weight and offset rows count for fewer"), "{what}: {error}");
    }
    for weight in
        [&(|row: usize| f64::from(u8::from(row < 20)) * 0.1) as &dyn Fn(usize) -> f64, &|row| row as f64]
    {
        assert_eq!(cohort(weight).unwrap_or_else(|error| panic!("{error}")).used, 30);
    }
}

#[test]
fn an_offset_that_selects_one_patient_is_refused_as_a_weight_is() {
    let schema = SCHEMA.replace("type = \"int\"", "type = \"float\"");
    let study = |kind: &str, outcome: &str| {
        let text = study(r#"["creatinine"]"#, "offset = \"visits\"")
            .to_toml()
            .replace("min_rows = 1\n", "min_rows = 10\n");
        let (head, rest) = text.split_once("[recipe]").unwrap();
        let (_, tail) = rest.split_once("[privacy]").unwrap();
        let head = head.replace("outcome = \"y\"", &format!("outcome = \"{outcome}\""));
        Study::parse(&format!("{head}[recipe]\nkind = \"{kind}\"\n[privacy]{tail}")).unwrap()
    };
    let cohort = |kind: &str, outcome: &str, offset: &dyn Fn(usize) -> f64| {
        let line = |row: usize| format!("61.5,{},M,1.{row},4.0,2020-01-01,0,x\n", offset(row));
        site(format!("{HEADER}{}", (10..40).map(line).collect::<String>()), &schema)
            .cohort(&study(kind, outcome))
    };
    let one = |row: usize| if row == 17 { 40.0 } else { 0.0 };
    let but_one = |row: usize| 40.0 - one(row);
    let years = |row: usize| (row as f64 / 10.0).ln();
    for (kind, outcome, offset) in
        [("poisson", "age", &one as &dyn Fn(usize) -> f64), ("logistic", "y", &but_one)]
    {
        let Err(error) = cohort(kind, outcome, offset) else { panic!("{kind} takes it") };
        assert_eq!(error.code(), "too_few_rows", "{error}");
        assert_eq!(cohort(kind, outcome, &years).unwrap().used, 30);
    }
    assert_eq!(cohort("linear", "age", &one).unwrap().used, 30, "an offset of a linear fit moves no weight");
}

#[test]
fn too_few_rows_say_no_number() {
    let text = study(r#"["age"]"#, "").to_toml().replace("min_rows = 1", "min_rows = 10");
    let study = Study::parse(&text).unwrap();
    let enough = format!("{HEADER}{}", GOOD.repeat(10));
    assert_eq!(site(&enough, SCHEMA).cohort(&study).unwrap().used, 10);
    let short = site(format!("{HEADER}{}", GOOD.repeat(9)), SCHEMA);
    let Err(error) = short.cohort(&study) else { panic!("taken") };
    assert_eq!(error.code(), "too_few_rows");
    // The path is drawn at random and may hold any digit.
    let said = error.to_string().replace(&short.path.display().to_string(), "");
    assert!(!said.contains('9'), "{error}");
}

#[test]
fn schema_and_study_must_mean_the_same() {
    let schema = Schema::parse(SCHEMA).unwrap();
    for (features, extra, column, word) in [
        (r#"["cp"]"#, "", "cp", "names no levels"),
        (r#"["cp"]"#, "[data.levels]\ncp = [\"1\", \"2\"]", "cp", "no level `4`"),
        (r#"["visits"]"#, "[data.levels]\nvisits = [\"1\", \"2\"]", "visits", "declared as `int`"),
        (r#"["age"]"#, "filter = 'age == \"old\"'", "age", "compares it with `\"old\"`"),
        (r#"["age"]"#, "filter = 'seen > 2020'", "seen", "compares it with `2020`"),
    ] {
        let study = study(features, extra);
        let error = check_schema(&schema, &study).unwrap_err();
        assert_eq!((error.code(), error.column()), ("schema_mismatch", Some(column)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        let file = site(format!("{HEADER}{GOOD}"), SCHEMA);
        assert_eq!(file.cohort(&study).err().map(|error| error.code()), Some("schema_mismatch"));
    }
    // A column that may explain, but neither choose patients nor group them.
    let closed =
        Schema::parse(&SCHEMA.replacen("type = \"float\"", "type = \"float\"\nuse = [\"weight\"]", 1))
            .unwrap();
    check_schema(&closed, &study(r#"["age"]"#, "")).unwrap();
    let error = check_schema(&closed, &study(r#"["age"]"#, "filter = 'age >= 18'")).unwrap_err();
    assert_eq!((error.code(), error.column()), ("schema_mismatch", Some("age")), "{error}");
    assert!(error.to_string().contains("lets no study filter by it"), "{error}");
    let error = check_schema(&schema, &study(r#"["weight"]"#, "")).unwrap_err();
    assert_eq!(error.code(), "unknown_column");
    assert!(error.to_string().contains("declared are age, cp"), "{error}");
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
        ("type = \"int\"", "type = \"integer\"", "`type` is \"integer\""),
        ("type = \"int\"", "type = 3", "text"),
        ("type = \"int\"", "type = \"int\"\nlevels = [\"1\", \"2\"]", "`levels` is not a key of type `int`"),
        ("min = 0", "min = 121", "`min` is above `max`"),
        ("factor = 88.4", "factor = 0", "`factor` is not a positive number"),
        ("from = \"mg/dL\"\n", "", "`factor` needs `from`"),
        ("factor = 88.4\n", "", "`from` needs `factor`"),
        ("levels = [\"1\", \"2\", \"4\"]", "levels = [\"1\", \" 1\"]", "stands twice"),
        ("levels = [\"1\", \"2\", \"4\"]", "levels = [\"1\"]", "fewer than two levels"),
        ("levels = [\"1\", \"2\", \"4\"]", "levels = [\"1\", \"?\"]", "a value and a missing one"),
        ("true = [\"M\", \"1\"]", "true = [\"f\"]", "do not tell no from yes"),
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
    let lined = Schema::parse(&SCHEMA.replacen("max = 2000", "max = 2000\nmax = 1", 1)).unwrap_err();
    assert_eq!(
        lined.line(),
        Some(1 + SCHEMA[..SCHEMA.find("max = 2000").unwrap()].matches('\n').count() as u64 + 1),
        "{lined}"
    );
    for name in ["1st", "two words", "naïve"] {
        let text = SCHEMA.replace("[columns.age]", &format!("[columns.\"{name}\"]"));
        assert!(Schema::parse(&text).unwrap_err().to_string().contains("not a column's name"));
    }
}

#[test]
fn missing_marks_that_are_numbers_compare_as_numbers() {
    let rows = "61,1,f,0.0,1,2020-01-01,0,x\n62,1,f,00,1,2020-01-01,0,x\n63,1,f,0.5,1,2020-01-01,0,x\n";
    let cohort =
        site(format!("{HEADER}{rows}"), SCHEMA).cohort(&study(r#"["age", "creatinine"]"#, "")).unwrap();
    assert_eq!((cohort.used, cohort.left_out), (1, 2));
}

#[test]
fn an_outcome_of_yes_and_no_is_one_and_zero_to_linear_poisson_and_quasi_models() {
    let site = site(format!("{HEADER}{GOOD}40,1,f,0,1,2021-06-30,3,x\n"), SCHEMA);
    let asked = |kind: &str| {
        let text =
            study(r#"["age"]"#, "").to_toml().replace("kind = \"logistic\"", &format!("kind = \"{kind}\""));
        Study::parse(&text).unwrap()
    };
    for kind in ["linear", "poisson", "quasipoisson", "quasibinomial"] {
        assert_eq!(site.cohort(&asked(kind)).unwrap().y.unwrap().to_vec(), [0.0, 1.0], "{kind}");
    }
    let refused = site.cohort(&asked("gamma")).err().unwrap();
    assert_eq!((refused.kind(), refused.column()), (Code::SchemaMismatch, Some("y")));
}

/// A site whose column `code` has these levels and cells, one a row.
fn coded(levels: &str, cells: &[&str]) -> Site {
    let schema =
        format!("[dataset]\nname = \"ward\"\n[columns.code]\ntype = \"category\"\nlevels = [{levels}]\n");
    site(format!("code,y\n{}", cells.iter().map(|cell| format!("{cell},0\n")).collect::<String>()), &schema)
}

/// Columns of the summary's table: of each level but the first, who has it.
fn dummies(site: &Site, levels: &str, extra: &str) -> Result<Vec<Vec<f64>>, DataError> {
    let study = summary(r#"["code"]"#, &format!("{extra}\n[data.levels]\ncode = [{levels}]"));
    Ok(site.cohort(&study)?.x.columns().into_iter().map(|column| column.to_vec()).collect())
}

#[test]
fn codes_that_look_like_numbers_are_compared_as_they_are_written() {
    // ICD-9: 250.0 is a group, 250.00 a disease in it.
    let levels = r#""401.9", "250.00""#;
    let error = coded(levels, &["250.00", "250.0", "401.9"]).all().map(drop).unwrap_err();
    assert_eq!((error.code(), error.line()), ("unknown_level", Some(3)), "{error}");
    assert!(!error.to_string().contains("`250.0`"), "{error}");
    let both = r#""401.9", "250.0", "250.00""#;
    let found = dummies(&coded(both, &["250.00", "250.0", "401.9", "250.00"]), both, "").unwrap();
    assert_eq!(found, [[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]]);
    for (levels, cell) in [
        (r#""1E3", "x""#, "1000"),
        (r#""1000", "x""#, "1E3"),
        (r#""01", "02""#, "1"),
        (r#""1", "2""#, "01"),
        (r#""01", "2""#, "2.0"),
    ] {
        let error = coded(levels, &[cell]).all().map(drop).unwrap_err();
        assert_eq!(error.code(), "unknown_level", "{levels}: {cell}");
    }
    // A program that writes whole numbers with a point changes no level.
    let plain = r#""1", "2", "0.5""#;
    assert_eq!(
        dummies(&coded(plain, &["1.0", "2.00", "0.50"]), plain, "").unwrap(),
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    );
}

#[test]
fn a_rule_means_a_code_as_it_is_written_or_is_refused() {
    let both = r#""401.9", "250.0", "250.00""#;
    let site = coded(both, &["250.00", "250.0", "401.9", "250.00"]);
    let found = dummies(&site, both, "filter = \"code == '250.00'\"").unwrap();
    assert_eq!(found, [[0.0, 0.0], [1.0, 1.0]]);
    for (rule, why) in [("code == 250", "are codes here"), ("code == '401.90'", "none of the levels")] {
        let error = dummies(&site, both, &format!("filter = \"{rule}\"")).unwrap_err();
        assert_eq!((error.code(), error.column()), ("schema_mismatch", Some("code")));
        assert!(error.to_string().contains(why), "{error}");
    }
    // Where levels are numbers, a rule may still compare them as such.
    let plain = r#""1", "2", "3""#;
    let found = dummies(&coded(plain, &["1.0", "2", "3"]), plain, "filter = \"code >= 2\"").unwrap();
    assert_eq!(found, [[1.0, 0.0], [0.0, 1.0]]);
}

#[test]
fn a_last_line_without_its_end_is_told() {
    let whole = format!("{HEADER}{GOOD}{GOOD}");
    for (text, unended) in
        [(whole.as_str(), false), (whole.trim_end(), true), (&whole.replace('\n', "\r\n"), false)]
    {
        assert_eq!(site(text, SCHEMA).all().unwrap().is_unended(), unended);
    }
}

#[test]
fn a_date_outside_its_bounds_is_refused_with_the_bound_and_not_the_day() {
    let bounded = |min: &str, max: &str| {
        SCHEMA.replace("type = \"date\"", &format!("type = \"date\"\nmin = {min}\nmax = {max}"))
    };
    let schema = bounded("2019-12-31", "\"2020-01-01\"");
    assert_eq!(site(format!("{HEADER}{GOOD}"), &schema).all().unwrap().rows(), 1, "ends included");
    for (day, word) in [("2020-01-02", "above `max`, which is 2020-01-01"), ("0020-01-01", "below `min`")] {
        let error = refusal(site(with_cell(5, day), &schema).all());
        assert_eq!((error.code(), error.line(), error.column()), ("out_of_range", Some(3), Some("seen")));
        assert!(error.to_string().contains(word) && !error.to_string().contains(day), "{error}");
    }
    let wrong = |min: &str, max: &str| Schema::parse(&bounded(min, max)).unwrap_err().to_string();
    assert!(wrong("2020-01-02", "2020-01-01").contains("`min` is above `max`"));
    assert!(wrong("0", "2020-01-01").contains("`min` is not a day"));
    assert!(wrong("\"soon\"", "2020-01-01").contains("`min` is not a day"));
}
