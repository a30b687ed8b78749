//! Bad input meets a clear refusal with a stable code, and the others go on.
#![expect(
    clippy::unwrap_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [(&str, &str); 4] = [
    ("cleveland", "US"),
    ("hungarian", "HU"),
    ("switzerland", "CH"),
    ("va", "US"),
];

fn four_sites(consortium: &mut Consortium) {
    for (site, country) in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(
            site,
            country,
            "heart",
            &csv,
            &demo_file("heart/schema.toml"),
        );
    }
}

fn propose(consortium: &Consortium, change: impl Fn(String) -> String) -> String {
    let file = consortium.path("study.toml");
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).unwrap();
    std::fs::write(&file, change(text)).unwrap();
    file
}

#[test]
fn a_site_with_too_few_rows_declines_at_its_desk_and_nobody_hears_why() {
    let mut consortium = Consortium::start(PROGRAM);
    four_sites(&mut consortium);
    // Switzerland has 46 complete rows.
    let file = propose(&consortium, |text| {
        text.replace("min_rows = 10", "min_rows = 100")
    });
    consortium.operate(&["study", "propose", &file]).done();
    for (site, _) in SITES {
        consortium.approve(site, "heart-disease");
    }
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .done();
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    let report = std::fs::read_to_string(format!("{out}/report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        report["site_names"].as_array().unwrap().len(),
        3,
        "{report}"
    );
    // That it is in no sum is said, and why is not.
    assert_eq!(
        report["sites_absent"],
        serde_json::json!([{ "name": "switzerland", "country": "CH" }])
    );
    // Its steward reads why; what is signed and told is a decline like any other.
    let shown = consortium
        .desk("switzerland", &["study", "show", "heart-disease"])
        .done();
    assert!(
        shown.contains("decision at this site: declined: this site does not take part"),
        "{shown}"
    );
    assert!(
        consortium
            .operate(&["study", "show", "heart-disease"])
            .done()
            .contains("this site does not take part")
    );
    for log in ["coordinator.log", "switzerland.log"] {
        let log = std::fs::read_to_string(consortium.path(log)).unwrap();
        assert!(
            !log.contains("too_few_rows") && !log.contains("rows are left"),
            "{log}"
        );
    }
    let left = consortium
        .desk("switzerland", &["ledger", "show", "--json"])
        .done();
    assert!(!left.contains("masked-chunk"), "{left}");
}

#[test]
fn a_study_with_an_unknown_column_is_approved_by_nobody_and_the_node_goes_on() {
    let mut consortium = Consortium::start(PROGRAM);
    four_sites(&mut consortium);
    let file = propose(&consortium, |text| {
        text.replace("\"thalach\"", "\"heart_rate\"")
            .replace("columns.thalach", "columns.heart_rate")
    });
    consortium.operate(&["study", "propose", &file]).done();
    for (site, _) in SITES {
        consortium.wait("it has arrived", |c| {
            c.desk(site, &["study", "show", "heart-disease"]).code == 0
        });
        let said = consortium
            .desk(site, &["study", "approve", "heart-disease"])
            .refused("unknown_column");
        assert!(said.contains("heart_rate"), "{said}");
    }
    // Everybody is still there for a better study.
    let file = propose(&consortium, |text| {
        text.replace("heart-disease", "heart-disease-2")
    });
    consortium.operate(&["study", "propose", &file]).done();
    for (site, _) in SITES {
        consortium.approve(site, "heart-disease-2");
    }
    consortium
        .operate(&["run", "start", "heart-disease-2", "--wait"])
        .done();
}

#[test]
fn a_run_that_every_site_refuses_by_its_schema_ends_at_once_and_names_the_column() {
    let mut consortium = Consortium::start(PROGRAM);
    four_sites(&mut consortium);
    let file = propose(&consortium, |text| text);
    consortium.operate(&["study", "propose", &file]).done();
    for (site, _) in SITES {
        consortium.approve(site, "heart-disease");
    }
    // After the approvals every site takes a column out of its schema.
    let schema = consortium.path("schema.toml");
    let text = std::fs::read_to_string(demo_file("heart/schema.toml")).unwrap();
    let (before, column) = text.split_once("[columns.thalach]").unwrap();
    let (_, after) = column.split_once("\n[columns.").unwrap();
    std::fs::write(&schema, format!("{before}[columns.{after}")).unwrap();
    for (site, _) in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        let csv = csv.to_str().unwrap();
        consortium
            .desk(
                site,
                &[
                    "data",
                    "add",
                    "heart",
                    "--csv",
                    csv,
                    "--schema",
                    &schema,
                    "--replace",
                ],
            )
            .done();
    }
    let run = consortium.operate(&["run", "start", "heart-disease", "--wait"]);
    let said = format!("{}{}", run.out, run.err);
    assert!(
        run.code != 0
            && said.contains("schema_refused: the schema of `heart` has no column `thalach`"),
        "{said}"
    );
    assert!(
        !said.contains("wait for more sites") && !said.contains("declared are"),
        "{said}"
    );
    let log = std::fs::read_to_string(consortium.path("coordinator.log")).unwrap();
    assert_eq!(
        log.matches("an attempt ended without a sum").count(),
        1,
        "{log}"
    );
}

#[test]
fn files_that_do_not_fit_their_schema_are_refused_by_line_and_column_and_never_by_value() {
    let consortium = Consortium::start(PROGRAM);
    let code = consortium.invite("cleveland", "US");
    consortium.desk("cleveland", &["join", &code]).done();
    let schema = demo_file("heart/schema.toml");
    let schema = schema.to_str().unwrap();
    let good = std::fs::read_to_string(demo_file("heart/cleveland.csv")).unwrap();
    let header = good.lines().next().unwrap();
    let add = |name: &str, text: &str| {
        let file = consortium.path(name);
        std::fs::write(&file, text).unwrap();
        consortium.desk(
            "cleveland",
            &["data", "add", "heart", "--csv", &file, "--schema", schema],
        )
    };
    add("empty.csv", "").refused("empty_table");
    add("header.csv", &format!("{header}\n")).refused("empty_table");
    let text = add("text.csv", &good.replacen("63.0", "sixtythreeplus", 1)).refused("not_a_number");
    assert!(
        text.contains("text.csv") && text.contains("line 2") && text.contains("age"),
        "{text}"
    );
    assert!(
        !text.contains("sixtythreeplus"),
        "a patient's value in a message: {text}"
    );
    add("column.csv", &good.replacen("thalach", "pulse", 1)).refused("unknown_column");
    let typo = consortium.path("schema.toml");
    std::fs::write(
        &typo,
        std::fs::read_to_string(schema)
            .unwrap()
            .replacen("unit =", "units =", 1),
    )
    .unwrap();
    let file = demo_file("heart/cleveland.csv");
    let said = consortium
        .desk(
            "cleveland",
            &[
                "data",
                "add",
                "heart",
                "--csv",
                file.to_str().unwrap(),
                "--schema",
                &typo,
            ],
        )
        .refused("schema_invalid");
    assert!(said.contains("units") && said.contains("line"), "{said}");
}

#[test]
fn study_files_are_refused_with_their_line_and_too_small_a_consortium_is_named() {
    let mut consortium = Consortium::start(PROGRAM);
    four_sites(&mut consortium);
    let file = propose(&consortium, |text| {
        text.replace("tolerance =", "tolerence =")
    });
    let said = consortium.operate(&["study", "propose", &file]);
    assert_ne!(said.code, 0);
    assert!(
        said.err.contains("line") && said.err.contains("tolerence"),
        "{}",
        said.err
    );
    let file = propose(&consortium, |text| {
        text.replace("min_sites = 3", "min_sites = 5")
    });
    let said = consortium.operate(&["study", "propose", &file]);
    assert_ne!(said.code, 0, "five sites of four: {}", said.out);
}

/// Elsewhere a single value that is no number turns everybody's model into none, and the run
/// reports success.
#[test]
fn a_site_whose_answer_is_out_of_range_is_stopped_at_its_desk_and_one_that_cannot_answer_later_is_away()
 {
    let mut consortium = Consortium::start(PROGRAM);
    let (schema, csv) = (
        consortium.path("schema.toml"),
        consortium.path("cleveland.csv"),
    );
    let text = std::fs::read_to_string(demo_file("heart/schema.toml")).unwrap();
    std::fs::write(&schema, text.replace("max = 1000\n", "")).unwrap();
    let table = std::fs::read_to_string(demo_file("heart/cleveland.csv")).unwrap();
    let (header, rest) = table.split_once('\n').unwrap();
    let (first, rest) = rest.split_once('\n').unwrap();
    let column = header.split(',').position(|name| name == "chol").unwrap();
    let mut cells: Vec<&str> = first.split(',').collect();
    *cells.get_mut(column).unwrap() = "7.31e30";
    let wrong = format!("{header}\n{}\n{rest}", cells.join(","));
    std::fs::write(&csv, &wrong).unwrap();
    consortium.add_site("cleveland", "US", "heart", csv.as_ref(), schema.as_ref());
    for (site, country) in SITES.iter().skip(1) {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(
            site,
            country,
            "heart",
            &csv,
            &demo_file("heart/schema.toml"),
        );
    }
    let file = propose(&consortium, |text| text);
    consortium.operate(&["study", "propose", &file]).done();
    // At the desk already its steward reads why, and nobody else.
    consortium.wait("the study is here", |c| {
        c.desk("cleveland", &["study", "show", "heart-disease"])
            .code
            == 0
    });
    let declined = consortium
        .desk("cleveland", &["study", "approve", "heart-disease"])
        .done();
    for part in [
        "is declined",
        "for you alone",
        "the largest numbers stand in column `chol`",
    ] {
        assert!(declined.contains(part), "`{part}` is not in {declined}");
    }
    let seen = consortium
        .operate(&["study", "show", "heart-disease"])
        .done();
    assert!(!seen.contains("chol"), "{seen}");
    // The file is mended, and damaged again once the study is approved: that changes nothing. A
    // limit that the site raises holds for the rows that were read before.
    std::fs::write(&csv, &table).unwrap();
    for (site, _) in SITES {
        consortium.approve(site, "heart-disease");
    }
    std::fs::write(&csv, &wrong).unwrap();
    let settings = consortium.path("cleveland/node.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(text.contains("min_rows = 10\n"), "{text}");
    let raised = text.replace("min_rows = 10\n", "min_rows = 5000\n");
    std::fs::write(&settings, raised).unwrap();
    let run = consortium.operate(&["run", "start", "heart-disease", "--wait"]);
    let seen = format!("{}{}", run.out, run.err);
    run.done();
    assert!(!seen.contains("too_few_rows"), "{seen}");
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(format!("{out}/report.json")).unwrap())
            .unwrap();
    assert_eq!(report.get("sites"), Some(&serde_json::json!(3)));
    assert_eq!(report.get("converged"), Some(&serde_json::json!(true)));
    // The reason stands in the site's own log, by place and without the value, and nowhere else.
    let own = std::fs::read_to_string(consortium.path("cleveland.log")).unwrap();
    assert!(own.contains("too_few_rows"), "{own}");
    let theirs = std::fs::read_to_string(consortium.path("coordinator.log")).unwrap();
    // A line of a log begins with its time, which may hold any digits.
    let told: Vec<&str> = [own.as_str(), theirs.as_str(), seen.as_str()]
        .into_iter()
        .flat_map(str::lines)
        .map(|line| line.split_once(' ').map_or(line, |(_, told)| told))
        .collect();
    let told = told.join("\n");
    assert!(
        !theirs.contains("beyond what can be added up")
            && !theirs.contains("too_few_rows")
            && !told.contains("7.31")
            && !told.contains("731000"),
        "{theirs}"
    );
}
