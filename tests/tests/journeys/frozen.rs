//! Frozen tables with real processes: what is answered with is what was read before the yes, whatever
//! becomes of the file, and it is gone when it has to be.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::Consortium;
use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["s1", "s2", "s3"];
const SCHEMA: &str = "[dataset]\nname = \"case\"\n[columns.x]\ntype = \"float\"\n";

/// Twelve patients with six values from this one on.
fn rows(from: u32) -> String {
    let row = |n: u32| format!("{}\n", from + n % 6);
    format!("x\n{}", (0..12).map(row).collect::<String>())
}

/// Three sites whose patients have the values 1 to 6.
fn consortium() -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    let schema = consortium.path("schema.toml");
    std::fs::write(&schema, SCHEMA).expect("writable");
    for site in SITES {
        put(&consortium, site, 1);
        let csv = consortium.path(&format!("{site}.csv"));
        consortium.add_site(site, "NL", "case", csv.as_ref(), schema.as_ref());
    }
    consortium
}

/// What the night's export puts in the place of a site's file.
fn put(consortium: &Consortium, site: &str, from: u32) {
    let csv = consortium.path(&format!("{site}.csv"));
    std::fs::write(csv, rows(from)).expect("writable");
}

fn propose(consortium: &Consortium, id: &str) {
    let file = consortium.path("study.toml");
    let study = format!(
        "[study]\nid = \"{id}\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\n\
         ends = 2030-12-31\n[data]\ndataset = \"case\"\nfeatures = [\"x\"]\n\
         [recipe]\nkind = \"summary\"\n[rounds]\njoin = \"60s\"\n"
    );
    std::fs::write(&file, study).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
}

fn propose_and_approve(consortium: &Consortium, id: &str) {
    propose(consortium, id);
    SITES.iter().for_each(|site| consortium.approve(site, id));
}

fn released(consortium: &Consortium, id: &str) -> Value {
    consortium.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", id]);
        assert!(!runs.out.contains("failed"), "{}\n{}", runs.out, c.logs());
        runs.out.contains("released")
    });
    consortium.figures(id)
}

/// The frozen tables of a site.
fn frozen(consortium: &Consortium, site: &str) -> Vec<PathBuf> {
    let folder = consortium.path(&format!("{site}/frozen"));
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.expect("readable").path())
        .collect()
}

/// Every file below a folder.
fn all_files(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found
}

#[test]
fn a_row_changed_after_the_approval_changes_no_bit_of_the_release_and_a_study_after_it_has_it() {
    let undisturbed = consortium();
    propose_and_approve(&undisturbed, "night");
    undisturbed.operate(&["run", "start", "night"]).done();
    let expected = released(&undisturbed, "night");
    // The order of the sites' names is that of their keys, and another each time.
    let expected = &expected["variables"];
    drop(undisturbed);

    let mut consortium = consortium();
    propose_and_approve(&consortium, "night");
    put(&consortium, "s1", 101);
    let gone = consortium.path("s2.csv");
    std::fs::remove_file(&gone).expect("there");
    consortium.kill_node("s3");
    put(&consortium, "s3", 7);
    consortium.start_node("s3", &[]);
    consortium.operate(&["run", "start", "night"]).done();
    assert_eq!(released(&consortium, "night")["variables"], *expected);
    put(&consortium, "s2", 1);
    propose_and_approve(&consortium, "later");
    consortium.operate(&["run", "start", "later"]).done();
    assert_ne!(released(&consortium, "later")["variables"], *expected);
}

#[test]
fn rows_are_read_anew_before_the_first_sum_and_by_no_means_after_it() {
    let mut consortium = consortium();
    propose(&consortium, "night");
    consortium.approve("s1", "night");
    consortium.approve("s2", "night");
    let early = consortium.desk("s3", &["study", "refreeze", "night"]);
    early.refused("study_not_approved");
    consortium.approve("s3", "night");
    let before = frozen(&consortium, "s3");
    assert_eq!(before.len(), 1);
    // A wrong extract, seen in time.
    put(&consortium, "s3", 3);
    let said = consortium
        .desk("s3", &["study", "refreeze", "night"])
        .done();
    assert!(
        said.contains("is approved") && said.contains("were read on"),
        "{said}"
    );
    let after = frozen(&consortium, "s3");
    assert!(after.len() == 1 && after != before, "{after:?}");
    // Lost in the second round, when the first sum is opened.
    consortium.kill_node("s3");
    consortium.start_node("s3", &["--drill", "join:2"]);
    consortium.operate(&["run", "start", "night"]).done();
    consortium.wait("s3 has ended in round 2", |c| {
        c.logs().contains("this process ends here")
    });
    consortium.kill_node("s3");
    put(&consortium, "s3", 101);
    for site in ["s1", "s3"] {
        let late = consortium.desk(site, &["study", "refreeze", "night"]);
        late.refused("table_in_use");
    }
    assert_eq!(frozen(&consortium, "s3"), after);
    consortium.start_node("s3", &[]);
    let figures = released(&consortium, "night");
    // As R has it: mean(c(rep(1:6, 4), rep(3:8, 2))).
    let mean = figures["variables"][0]["mean"].as_f64().expect("a number");
    assert!((mean - 25.0 / 6.0).abs() < 1e-9, "{figures}");
}

#[test]
fn a_frozen_table_is_gone_after_a_withdrawal_the_end_and_a_removal_and_the_ledger_says_so() {
    let consortium = consortium();
    propose_and_approve(&consortium, "night");
    propose_and_approve(&consortium, "other");
    for site in SITES {
        assert_eq!(frozen(&consortium, site).len(), 2);
    }
    consortium
        .desk("s1", &["study", "withdraw", "other"])
        .done();
    assert_eq!(frozen(&consortium, "s1").len(), 1, "at once");
    consortium.operate(&["run", "start", "night"]).done();
    released(&consortium, "night");
    consortium.wait("the finished study's are gone", |c| {
        frozen(c, "s1").is_empty() && frozen(c, "s2").len() == 1 && frozen(c, "s3").len() == 1
    });
    let shown = consortium.desk("s1", &["study", "show", "night"]).done();
    assert!(
        shown.contains("your frozen rows were deleted on"),
        "{shown}"
    );
    assert!(shown.contains("the study is finished"), "{shown}");
    consortium.operate(&["study", "withdraw", "other"]).done();
    consortium.wait("what its proposer withdrew is gone", |c| {
        frozen(c, "s2").is_empty()
    });
    propose_and_approve(&consortium, "third");
    consortium.operate(&["site", "remove", "s3"]).done();
    consortium.wait("the removed site's are gone", |c| {
        frozen(c, "s3").is_empty()
    });
    for (site, why) in [
        ("s1", "the steward withdrew from the study"),
        ("s1", "the study is finished"),
        ("s2", "its proposer withdrew the study"),
        ("s3", "the site was removed"),
    ] {
        let out = consortium.path(&format!("{site}.jsonl"));
        consortium.desk(site, &["ledger", "export", &out]).done();
        let ledger = std::fs::read_to_string(&out).expect("readable");
        let hex: String = why.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            ledger.contains(why) || ledger.contains(&hex),
            "`{why}` is not in the ledger of {site}"
        );
    }
}

#[test]
fn a_node_without_its_state_key_or_its_table_is_away_and_only_its_steward_hears_why() {
    let mut consortium = consortium();
    // A number that stands nowhere else.
    let csv = consortium.path("s3.csv");
    std::fs::write(&csv, rows(1).replace("6\n", "6.0078125\n")).expect("writable");
    propose_and_approve(&consortium, "night");
    let planted = [
        6.007_812_5_f64.to_le_bytes().to_vec(),
        6.007_812_5_f64.to_be_bytes().to_vec(),
        b"6.0078125".to_vec(),
    ];
    for path in all_files(consortium.path("s3").into()) {
        let bytes = std::fs::read(&path).expect("readable");
        for planted in &planted {
            let found = bytes.windows(planted.len()).any(|part| part == planted);
            assert!(!found, "{}", path.display());
        }
    }
    consortium.kill_node("s3");
    let key = consortium.path("s3/keys/state.key");
    let kept = std::fs::read(&key).expect("readable");
    std::fs::write(&key, "ab".repeat(32)).expect("writable");
    consortium.start_node("s3", &[]);
    consortium.operate(&["run", "start", "night"]).done();
    consortium.wait("its steward reads why", |c| c.logs().contains("table_lost"));
    let shown = consortium
        .operate(&["run", "show", "night", "--json"])
        .done();
    assert!(!shown.contains("table_lost"), "{shown}");
    consortium.kill_node("s3");
    std::fs::write(&key, kept).expect("writable");
    consortium.start_node("s3", &[]);
    let figures = released(&consortium, "night");
    let mean = figures["variables"][0]["mean"].as_f64().expect("a number");
    assert!((mean - 126.015_625 / 36.0).abs() < 1e-9, "{figures}");
}

#[test]
fn a_desk_that_is_killed_at_any_moment_leaves_the_old_or_the_new_and_no_more() {
    let consortium = consortium();
    propose(&consortium, "night");
    consortium.wait("the study is here", |c| {
        c.desk("s1", &["study", "show", "night"]).code == 0
    });
    let dir = consortium.path("s1");
    for wait_ms in (0..240).step_by(12) {
        let verb = if frozen(&consortium, "s1").is_empty() {
            "approve"
        } else {
            "refreeze"
        };
        let mut desk = std::process::Command::new(&consortium.program)
            .args(["node", "study", verb, "night", "--dir", &dir])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        std::thread::sleep(Duration::from_millis(wait_ms));
        let _ = desk.kill();
        let _ = desk.wait();
    }
    // Whatever it came to, the steward says it once more, and the run goes on over that.
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, "night"));
    consortium
        .desk("s1", &["study", "refreeze", "night"])
        .done();
    consortium.wait("nothing else is left", |c| frozen(c, "s1").len() == 1);
    consortium.operate(&["run", "start", "night"]).done();
    let figures = released(&consortium, "night");
    let mean = figures["variables"][0]["mean"].as_f64().expect("a number");
    assert!((mean - 3.5).abs() < 1e-9, "{figures}");
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_at_each_freezing_and_what_it_leads_to_later_changes_nothing() {
    use std::os::unix::fs::symlink;
    let mut consortium = Consortium::start(PROGRAM);
    let schema = consortium.path("schema.toml");
    std::fs::write(&schema, SCHEMA).expect("writable");
    for (name, from) in [("extract-28", 1), ("extract-29", 3)] {
        put(&consortium, name, from);
    }
    let point = |consortium: &Consortium, name: &str| {
        let link = consortium.path("current.csv");
        let _ = std::fs::remove_file(&link);
        symlink(consortium.path(&format!("{name}.csv")), link).expect("possible");
    };
    for site in SITES {
        point(&consortium, "extract-28");
        let csv = consortium.path("current.csv");
        consortium.add_site(site, "NL", "case", csv.as_ref(), schema.as_ref());
    }
    point(&consortium, "extract-29");
    let checked = consortium.desk("s1", &["data", "check", "case"]).done();
    assert!(
        checked.contains("is a link") && checked.contains("extract-29.csv"),
        "{checked}"
    );
    propose_and_approve(&consortium, "night");
    point(&consortium, "extract-28");
    consortium.operate(&["run", "start", "night"]).done();
    let figures = released(&consortium, "night");
    let mean = figures["variables"][0]["mean"].as_f64().expect("a number");
    assert!(
        (mean - 5.5).abs() < 1e-9,
        "mean(3:8), not mean(1:6): {figures}"
    );
}

#[test]
fn a_file_that_changes_while_it_is_frozen_is_refused_and_nothing_is_signed() {
    let consortium = consortium();
    propose(&consortium, "night");
    consortium.wait("the study is here", |c| {
        c.desk("s1", &["study", "show", "night"]).code == 0
    });
    let csv = consortium.path("s1.csv");
    let long: String = (0..40_000).map(|n| format!("{}\n", n % 6)).collect();
    std::fs::write(&csv, format!("x\n{long}")).expect("writable");
    let is_over = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = std::fs::File::options()
                .append(true)
                .open(&csv)
                .expect("there");
            while !is_over.load(Ordering::Relaxed) {
                file.write_all(b"1\n").expect("writable");
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let said = consortium.desk("s1", &["study", "approve", "night"]);
        is_over.store(true, Ordering::Relaxed);
        said
    });
    said.refused("file_changing");
    assert!(frozen(&consortium, "s1").is_empty());
    let shown = consortium.desk("s1", &["study", "show", "night"]).done();
    assert!(
        shown.contains("decision at this site: undecided"),
        "{shown}"
    );
}
