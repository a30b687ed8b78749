//! Datasets of a site: added, checked, listed and refused.

use super::*;
use crate::data_list::list;
use crate::studies::tests::study;

const SCHEMA: &str = "[dataset]\nname = \"ist\"\n[columns.age]\ntype = \"float\"\nmax = 120\n[columns.sbp]\n\
                      type = \"float\"\n[columns.dead14]\ntype = \"bool\"\n";

fn site(rows: usize, missing: usize) -> (tempfile::TempDir, Paths) {
    let folder = tempfile::tempdir().unwrap();
    let row = |n: usize| {
        let age = if n < missing {
            String::new()
        } else {
            format!("{}", 50 + n % 40)
        };
        format!("{age},{},{}\n", 120 + n % 60, n % 2)
    };
    let csv = format!("age,sbp,dead14\n{}", (0..rows).map(row).collect::<String>());
    fs::write(folder.path().join("p.csv"), csv).unwrap();
    fs::write(folder.path().join("s.toml"), SCHEMA).unwrap();
    let paths = Paths::new(&folder.path().join("node"));
    (folder, paths)
}

fn put(folder: &tempfile::TempDir, paths: &Paths, name: &str) -> Result<Checked, NodeError> {
    add(
        paths,
        name,
        &folder.path().join("p.csv"),
        &folder.path().join("s.toml"),
        false,
    )
}

#[test]
fn second_rows_of_a_patient_are_told() {
    let (folder, paths) = site(60, 0);
    let csv = std::fs::read_to_string(folder.path().join("p.csv")).unwrap();
    let number = |(at, line): (usize, &str)| match at {
        0 => format!("id,{line}\n"),
        _ => format!("{},{line}\n", (at - 1) / 2),
    };
    fs::write(
        folder.path().join("p.csv"),
        csv.lines().enumerate().map(number).collect::<String>(),
    )
    .unwrap();
    let keyed = SCHEMA.replacen("[dataset]\n", "[dataset]\nkey = \"id\"\n", 1);
    assert_ne!(keyed, SCHEMA);
    fs::write(folder.path().join("s.toml"), keyed).unwrap();
    let added = put(&folder, &paths, "ist").unwrap();
    assert_eq!((added.rows_used, added.rows_repeated), (30, 30));
    let said = check_text(&added);
    assert!(
        said.contains("30 rows") && said.contains("30 second rows of a patient are left out"),
        "{said}"
    );
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    let said = check_text(&check(&paths, "ist", Some(&study)).unwrap());
    assert!(said.contains("rows used                 30"), "{said}");
    assert!(said.contains("second rows of a patient  30"), "{said}");
}

#[test]
fn a_grid_of_times_finer_than_the_sites_step_is_refused_by_the_unit_in_its_schema() {
    let text = study("ist-death14", "0.0");
    let (head, _) = text.split_once("outcome = ").unwrap();
    let curve = format!(
        "{head}time = \"sbp\"\nevent = \"dead14\"\n[recipe]\nkind = \"km\"\ntimes = \"grid\"\nstep = 1\nhorizon = 182\n"
    );
    let curve = Study::parse(&curve).unwrap();
    let fits = |unit: &str, floors: &Floors| {
        let text = SCHEMA.replace("[columns.sbp]\n", &format!("[columns.sbp]\n{unit}"));
        let (csv, schema) = (PathBuf::new(), Schema::parse(&text).unwrap());
        Dataset {
            name: "ist".to_owned(),
            csv,
            schema,
        }
        .fits(&curve, floors)
    };
    let floors = Floors::default();
    assert!(fits("unit = \"wk\"\n", &floors).is_ok());
    for (unit, word) in [("unit = \"d\"\n", "grid of `1` d"), ("", "no unit of time")] {
        let error = fits(unit, &floors).unwrap_err();
        assert_eq!(error.code(), Some("study_not_approved"), "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(
            fits(
                unit,
                &Floors {
                    exact_times: true,
                    ..floors.clone()
                }
            )
            .is_ok()
        );
    }
}

#[test]
fn a_file_whose_last_line_has_no_end_is_taken_with_a_note_unless_it_was_written_just_now() {
    let (folder, paths) = site(60, 0);
    assert!(!check_text(&put(&folder, &paths, "ist").unwrap()).contains("NOTE"));
    let whole = fs::read_to_string(folder.path().join("p.csv")).unwrap();
    // Cut inside the last row: what is left of it still reads as a row.
    fs::write(folder.path().join("p.csv"), &whole[..whole.len() - 1]).unwrap();
    let said = check(&paths, "ist", None).unwrap_err().to_string();
    assert!(
        said.contains("file_changing"),
        "just now its writer may only pause: {said}"
    );
    let file = fs::File::options()
        .append(true)
        .open(folder.path().join("p.csv"))
        .unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(3_600))
        .unwrap();
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    for checked in [
        check(&paths, "ist", None).unwrap(),
        check(&paths, "ist", Some(&study)).unwrap(),
    ] {
        assert!(
            check_text(&checked).contains("the last line of the file has no end"),
            "{checked:?}"
        );
    }
}

#[test]
fn what_was_seen_of_a_file_and_not_declared_is_told() {
    let (folder, paths) = site(60, 0);
    assert!(!check_text(&put(&folder, &paths, "ist").unwrap()).contains("NOTE"));
    let csv = folder.path().join("p.csv");
    let tabs = fs::read_to_string(&csv).unwrap().replace(',', "\t");
    fs::write(&csv, tabs).unwrap();
    let said = check_text(&check(&paths, "ist", None).unwrap());
    assert!(
        said.contains("60 rows") && said.contains("NOTE: the file was read separated by tabs"),
        "{said}"
    );
    let rows = fs::read_to_string(&csv).unwrap();
    fs::write(&csv, format!("{rows}\t\t\n\t\t\n")).unwrap();
    let checked = check(&paths, "ist", None).unwrap();
    assert_eq!(checked.rows_used, 60);
    let said = check_text(&checked);
    assert!(
        said.contains("separated by tabs, leaving out 2 rows without any value,"),
        "{said}"
    );
}

#[test]
fn numbers_of_three_digits_after_each_point_are_noted() {
    let (folder, paths) = site(60, 0);
    let rows: String = (0..60)
        .map(|n| format!("50,{}.500,0\n", 4 + n % 9))
        .collect();
    fs::write(
        folder.path().join("p.csv"),
        format!("age,sbp,dead14\n{rows}"),
    )
    .unwrap();
    let said = check_text(&put(&folder, &paths, "ist").unwrap());
    assert!(
        said.contains("NOTE: all numbers of sbp have exactly three digits"),
        "{said}"
    );
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    let checked = check(&paths, "ist", Some(&study)).unwrap();
    assert_eq!(checked.three_digits, ["sbp"]);
}

#[test]
fn a_dataset_is_added_checked_and_listed() {
    let (folder, paths) = site(60, 7);
    assert_eq!(list(&paths, &[]).unwrap().len(), 0);
    assert_eq!(put(&folder, &paths, "ist").unwrap().rows_used, 60);
    assert_eq!(
        put(&folder, &paths, "ist").unwrap_err().exit(),
        2,
        "it is there already"
    );
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    let checked = check(&paths, "ist", Some(&study)).unwrap();
    assert_eq!((checked.rows_used, checked.rows_left_out), (53, 7));
    assert!(
        check_text(&checked).contains("rows used                 53"),
        "{}",
        check_text(&checked)
    );
    let listed = list(&paths, &[]).unwrap();
    assert_eq!(
        (
            listed[0].name.as_str(),
            listed[0].columns,
            &listed[0].problem
        ),
        ("ist", 3, &None)
    );
    fs::remove_file(folder.path().join("p.csv")).unwrap();
    assert!(list(&paths, &[]).unwrap()[0].problem.is_some());
}

#[test]
fn the_sites_own_screen_counts_every_patient() {
    let (folder, paths) = site(60, 3);
    put(&folder, &paths, "ist").unwrap();
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    let checked = check(&paths, "ist", Some(&study)).unwrap();
    assert_eq!(checked.rows_left_out, 3);
    let said = check_text(&checked);
    assert!(
        said.contains("left out, value missing   3 (age: 3)"),
        "{said}"
    );
    let (folder, paths) = site(9, 0);
    put(&folder, &paths, "ist").unwrap();
    let error = check(&paths, "ist", Some(&study)).unwrap_err();
    assert_eq!((error.code(), error.exit()), (Some("too_few_rows"), 3));
}

#[test]
fn who_checks_at_the_site_reads_for_want_of_what_the_rows_are_too_few() {
    let (folder, paths) = site(12, 6);
    put(&folder, &paths, "ist").unwrap();
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    let said = check(&paths, "ist", Some(&study)).unwrap_err().to_string();
    assert!(
        said.contains("6 are used; 6 (age: 6) are left out for want of a value"),
        "{said}"
    );
}

#[test]
fn a_bad_cell_is_refused_with_its_line_and_leaves_nothing() {
    let (folder, paths) = site(60, 0);
    let csv = fs::read_to_string(folder.path().join("p.csv"))
        .unwrap()
        .replacen("51,", "777,", 1);
    fs::write(folder.path().join("p.csv"), csv).unwrap();
    let error = put(&folder, &paths, "ist").unwrap_err();
    assert_eq!(error.code(), Some("out_of_range"));
    assert!(
        error.to_string().contains("line 3") && !error.to_string().contains("777"),
        "{error}"
    );
    assert!(!paths.data().exists());
}

#[test]
fn all_that_is_wrong_for_a_study_is_said_at_once() {
    let (folder, paths) = site(60, 0);
    put(&folder, &paths, "ist").unwrap();
    let asked = study("ist-death14", "0.0")
        .replace(
            "[\"age\", \"sbp\"]",
            "[\"age\", \"sbp\", \"dbp\", \"pulse\"]",
        )
        .replace("outcome = \"dead14\"", "outcome = \"age\"");
    let asked = asked.replace("[\"age\", \"sbp\"", "[\"sbp\", \"dead14\"");
    let study = Study::parse(&asked).unwrap();
    let csv = fs::read_to_string(folder.path().join("p.csv")).unwrap();
    let csv = csv.replacen("51,", "777,", 1).replacen(",122,", ",x,", 1);
    fs::write(folder.path().join("p.csv"), csv).unwrap();
    let error = check(&paths, "ist", Some(&study)).unwrap_err();
    assert_eq!(error.code(), Some("unknown_column"));
    let said = error.to_string();
    for part in [
        "has no column `dbp`",
        "has no column `pulse`",
        "column `age`: the outcome is declared as `float`, the study needs yes or no",
        "line 3, column `age`: above `max`",
        "line 4, column `sbp`: not a number",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(said.lines().count(), 5, "{said}");
}

#[test]
fn columns_of_a_range_that_lack_as_many_values_are_told_together() {
    let lacking = (0..12).map(|n| (format!("emb{n}"), 3 + u64::from(n == 11)));
    let (folder, paths) = site(60, 0);
    let checked = Checked {
        rows_left_out: 4,
        rows_lacking: lacking.collect(),
        study: Some("s".to_owned()),
        ..put(&folder, &paths, "ist").unwrap()
    };
    let said = check_text(&checked);
    assert!(said.contains("4 (emb[0..10]: 3, emb11: 4)"), "{said}");
}

#[test]
fn how_a_column_is_made_is_told_with_the_check() {
    let (folder, paths) = site(60, 0);
    let made = "[columns.older]\ntype = \"bool\"\nwhen = { column = \"dead14\", is = true, \
                then = \"dead14\", else = \"dead14\" }\n[columns.dead14]\nprivate = true\n";
    let schema = SCHEMA.replace("[columns.sbp]\n", "[columns.sbp]\noffset = 1\n");
    let schema = schema.replace("[columns.dead14]\n", made);
    fs::write(folder.path().join("s.toml"), schema).unwrap();
    let said = check_text(&put(&folder, &paths, "ist").unwrap());
    assert!(
        said.contains("your column `sbp`: `sbp` of the file, plus 1"),
        "{said}"
    );
    let older = "your column `older`: `dead14` where `dead14` is true, else `dead14`";
    assert!(said.contains(older), "{said}");
    // A study has what the schema offers, and nothing that is private.
    let study = Study::parse(&study("ist-death14", "0.0")).unwrap();
    let refused = check(&paths, "ist", Some(&study)).unwrap_err();
    assert_eq!(refused.code(), Some("unknown_column"));
}

#[test]
fn names_that_lead_elsewhere_are_no_datasets() {
    let (folder, paths) = site(60, 0);
    assert_eq!(
        put(&folder, &paths, "heart").unwrap_err().exit(),
        2,
        "the schema is of another dataset"
    );
    for name in ["../keys", "", "a/b", "."] {
        assert_eq!(put(&folder, &paths, name).unwrap_err().exit(), 2, "{name}");
        assert_eq!(
            Dataset::find(&paths, name).unwrap_err().code(),
            Some("no_dataset"),
            "{name}"
        );
    }
}
