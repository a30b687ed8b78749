//! Which patients of a file form a study's cohort, and for how many they count.

use crate::ward::*;
use motet_common::study::Study;
use motet_data::{Code, DataError};

#[test]
fn the_rule_chooses_the_cohort_and_a_missing_value_does_not_pass_it() {
    let row =
        |age: &str, sex: &str, seen: &str, cp: &str| format!("{age},1,{sex},1,{cp},{seen},0,x\n");
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
    assert_eq!(
        (
            cohort.used,
            cohort.left_out,
            cohort.filtered,
            cohort.undecided
        ),
        (2, 0, 4, 1)
    );
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
        let cohort = site(format!("age,frail,crp\n{rows}"), FRAIL)
            .cohort(&study)
            .unwrap();
        values.extend(cohort.x.column(0).to_vec());
        undecided += cohort.undecided;
        filtered += cohort.filtered;
    }
    // The figures of `subset()` in R and of `WHERE` in SQL, of the twelve patients in one table.
    assert_eq!((values.len(), filtered, undecided), (8, 3, 1));
    assert!((values.iter().sum::<f64>() / 8.0 - 1.3375).abs() < 1e-12);
}

#[test]
fn a_weight_that_selects_one_patient_is_refused_whatever_rows_stand_around_it() {
    let text = study(
        r#"["creatinine"]"#,
        "weight = \"visits\"\nweight_kind = \"precision\"",
    )
    .to_toml();
    let study = Study::parse(&text.replace("min_rows = 1\n", "min_rows = 10\n")).unwrap();
    let schema = SCHEMA.replace("type = \"int\"", "type = \"float\"");
    let cohort = |weight: &dyn Fn(usize) -> f64| {
        let line = |row: usize| format!("61.5,{},M,1.{row},4.0,2020-01-01,0,x\n", weight(row));
        site(
            format!("{HEADER}{}", (10..40).map(line).collect::<String>()),
            &schema,
        )
        .cohort(&study)
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
        let Err(error) = cohort(weight) else {
            panic!("taken although {what}")
        };
        assert_eq!(error.code(), "too_few_rows", "{what}: {error}");
        assert!(
            error
                .to_string()
                .contains("with weight and offset rows count for fewer"),
            "{what}: {error}"
        );
    }
    // Ten of one weight, but for the last bit of a sum.
    let bit = |row: usize| {
        if row == 10 {
            0.1 + 0.2
        } else {
            f64::from(u8::from(row < 20)) * 0.3
        }
    };
    for weight in [
        &(|row: usize| f64::from(u8::from(row < 20)) * 0.1) as &dyn Fn(usize) -> f64,
        &|row| row as f64,
        &bit,
    ] {
        assert_eq!(
            cohort(weight)
                .unwrap_or_else(|error| panic!("{error}"))
                .used,
            30
        );
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
        Study::parse(&format!(
            "{head}[recipe]\nkind = \"{kind}\"\n[privacy]{tail}"
        ))
        .unwrap()
    };
    let cohort = |kind: &str, outcome: &str, offset: &dyn Fn(usize) -> f64| {
        let line = |row: usize| format!("61.5,{},M,1.{row},4.0,2020-01-01,0,x\n", offset(row));
        site(
            format!("{HEADER}{}", (10..40).map(line).collect::<String>()),
            &schema,
        )
        .cohort(&study(kind, outcome))
    };
    let one = |row: usize| if row == 17 { 40.0 } else { 0.0 };
    let but_one = |row: usize| 40.0 - one(row);
    let years = |row: usize| (row as f64 / 10.0).ln();
    for (kind, outcome, offset) in [
        ("poisson", "age", &one as &dyn Fn(usize) -> f64),
        ("logistic", "y", &but_one),
    ] {
        let Err(error) = cohort(kind, outcome, offset) else {
            panic!("{kind} takes it")
        };
        assert_eq!(error.code(), "too_few_rows", "{error}");
        assert_eq!(cohort(kind, outcome, &years).unwrap().used, 30);
    }
    assert_eq!(
        cohort("linear", "age", &one).unwrap().used,
        30,
        "an offset of a linear fit moves no weight"
    );
}

#[test]
fn too_few_rows_say_no_number() {
    let text = study(r#"["age"]"#, "")
        .to_toml()
        .replace("min_rows = 1", "min_rows = 10");
    let study = Study::parse(&text).unwrap();
    let enough = format!("{HEADER}{}", GOOD.repeat(10));
    assert_eq!(site(&enough, SCHEMA).cohort(&study).unwrap().used, 10);
    let short = site(format!("{HEADER}{}", GOOD.repeat(9)), SCHEMA);
    let Err(error) = short.cohort(&study) else {
        panic!("taken")
    };
    assert_eq!(error.code(), "too_few_rows");
    // The path is drawn at random and may hold any digit.
    let said = error
        .to_string()
        .replace(&short.path.display().to_string(), "");
    assert!(!said.contains('9'), "{error}");
}

#[test]
fn an_outcome_of_yes_and_no_is_one_and_zero_to_linear_poisson_and_quasi_models() {
    let site = site(format!("{HEADER}{GOOD}40,1,f,0,1,2021-06-30,3,x\n"), SCHEMA);
    let asked = |kind: &str| {
        let text = study(r#"["age"]"#, "")
            .to_toml()
            .replace("kind = \"logistic\"", &format!("kind = \"{kind}\""));
        Study::parse(&text).unwrap()
    };
    for kind in ["linear", "poisson", "quasipoisson", "quasibinomial"] {
        assert_eq!(
            site.cohort(&asked(kind)).unwrap().y.unwrap().to_vec(),
            [0.0, 1.0],
            "{kind}"
        );
    }
    let refused = site.cohort(&asked("gamma")).err().unwrap();
    assert_eq!(
        (refused.kind(), refused.column()),
        (Code::SchemaMismatch, Some("y"))
    );
}

/// A site whose column `code` has these levels and cells, one a row.
fn coded(levels: &str, cells: &[&str]) -> Site {
    let schema = format!(
        "[dataset]\nname = \"ward\"\n[columns.code]\ntype = \"category\"\nlevels = [{levels}]\n"
    );
    site(
        format!(
            "code,y\n{}",
            cells
                .iter()
                .map(|cell| format!("{cell},0\n"))
                .collect::<String>()
        ),
        &schema,
    )
}

/// Columns of the summary's table: of each level but the first, who has it.
fn dummies(site: &Site, levels: &str, extra: &str) -> Result<Vec<Vec<f64>>, DataError> {
    let study = summary(
        r#"["code"]"#,
        &format!("{extra}\n[data.levels]\ncode = [{levels}]"),
    );
    Ok(site
        .cohort(&study)?
        .x
        .columns()
        .into_iter()
        .map(|column| column.to_vec())
        .collect())
}

#[test]
fn codes_that_look_like_numbers_are_compared_as_they_are_written() {
    // ICD-9: 250.0 is a group, 250.00 a disease in it.
    let levels = r#""401.9", "250.00""#;
    let error = coded(levels, &["250.00", "250.0", "401.9"])
        .all()
        .map(drop)
        .unwrap_err();
    assert_eq!(
        (error.code(), error.line()),
        ("unknown_level", Some(3)),
        "{error}"
    );
    assert!(!error.to_string().contains("`250.0`"), "{error}");
    let both = r#""401.9", "250.0", "250.00""#;
    let found = dummies(
        &coded(both, &["250.00", "250.0", "401.9", "250.00"]),
        both,
        "",
    )
    .unwrap();
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
    for (rule, why) in [
        ("code == 250", "are codes here"),
        ("code == '401.90'", "none of the levels"),
    ] {
        let error = dummies(&site, both, &format!("filter = \"{rule}\"")).unwrap_err();
        assert_eq!(
            (error.code(), error.column()),
            ("schema_mismatch", Some("code"))
        );
        assert!(error.to_string().contains(why), "{error}");
    }
    // Where levels are numbers, a rule may still compare them as such.
    let plain = r#""1", "2", "3""#;
    let found = dummies(
        &coded(plain, &["1.0", "2", "3"]),
        plain,
        "filter = \"code >= 2\"",
    )
    .unwrap();
    assert_eq!(found, [[1.0, 0.0], [0.0, 1.0]]);
}

/// A ward whose outcome has levels in order, 0 and 9 being missing.
fn graded(kind: &str, levels: &str, cells: &[&str]) -> Site {
    let schema = format!(
        "[dataset]\nname = \"ward\"\n[columns.age]\ntype = \"float\"\n\
         [columns.grade]\ntype = \"{kind}\"\nlevels = [{levels}]\nmissing = [\"\", \"0\", \"9\"]\n"
    );
    let rows: String = cells.iter().map(|cell| format!("61,{cell}\n")).collect();
    site(format!("age,grade\n{rows}"), &schema)
}

/// A study of it with these levels.
fn grades(levels: &str) -> Study {
    Study::parse(&format!(
        "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\nends = 2030-01-01\n\
         [data]\ndataset = \"ward\"\noutcome = \"grade\"\nfeatures = [\"age\"]\n[data.levels]\ngrade = [{levels}]\n\
         [recipe]\nkind = \"ordinal\"\n[privacy]\nmin_rows = 1\n"
    ))
    .unwrap()
}

#[test]
fn a_row_has_the_place_of_its_level_in_the_study_and_one_without_is_left_out() {
    // This site knows no level `2`, and the study begins one below its first.
    let site = graded(
        "ordered",
        r#""1", "3", "4""#,
        &["4", "1", "9", "3.0", "", "0", "1"],
    );
    let cohort = site
        .cohort(&grades(r#""worst", "1", "2", "3", "4""#))
        .unwrap();
    assert_eq!(cohort.y.unwrap().to_vec(), [4.0, 1.0, 3.0, 1.0]);
    assert_eq!((cohort.used, cohort.left_out), (4, 3));
}

#[test]
fn a_site_whose_levels_are_in_another_order_or_in_none_takes_no_part() {
    let study = grades(r#""1", "2", "3", "4""#);
    for (kind, levels, words) in [
        (
            "ordered",
            r#""4", "3", "2", "1""#,
            "in the order 4, 3, 2, 1 here, and in the study 1, 2, 3, 4",
        ),
        ("ordered", r#""1", "2", "5""#, "the study has no level `5`"),
        (
            "category",
            r#""1", "2", "3", "4""#,
            "the study needs levels that are in order",
        ),
    ] {
        let error = graded(kind, levels, &["1"])
            .cohort(&study)
            .map(drop)
            .unwrap_err();
        assert_eq!(
            (error.code(), error.column()),
            ("schema_mismatch", Some("grade"))
        );
        assert!(error.to_string().contains(words), "{error}");
    }
}
