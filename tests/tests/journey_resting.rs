//! A study of which nothing is under way leaves the coordinator's memory. Nobody is to notice: people get the same answers,
//! and a site that was away at the end hears of the result when it comes back.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
const STUDY: &str = "how-many";

/// How often the study has gone to rest.
fn rests(consortium: &Consortium) -> usize {
    let log = std::fs::read_to_string(consortium.path("coordinator.log")).expect("readable");
    log.matches("the study rests").count()
}

fn json(consortium: &Consortium, args: &[&str]) -> Value {
    let said = consortium.operate(&[args, &["--json"]].concat()).done();
    serde_json::from_str(&said).expect("valid JSON")
}

/// What people see of the study.
fn seen(consortium: &Consortium, run: &str) -> [Value; 4] {
    let out = consortium.path("release");
    consortium.operate(&["release", "get", STUDY, "--out", &out]).done();
    consortium.motet(&["release", "verify", &out, "--as", &consortium.operator()]).done();
    let report = std::fs::read_to_string(format!("{out}/report.json")).expect("readable");
    std::fs::remove_dir_all(out).expect("removable");
    [
        json(consortium, &["run", "list", STUDY]),
        json(consortium, &["run", "show", run]),
        json(consortium, &["release", "list", STUDY]),
        serde_json::from_str(&report).expect("valid JSON"),
    ]
}

#[test]
fn a_study_that_rests_answers_as_before_and_tells_a_late_site_its_result() {
    let mut consortium = Consortium::start(PROGRAM);
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    let file = consortium.path("study.toml");
    let text = format!(
        "[study]\nid = \"{STUDY}\"\ntitle = \"How many\"\nquestion = \"How many patients are there?\"\n\
         purpose = \"53(1)(e)\"\nends = 2099-12-31\n[data]\ndataset = \"heart\"\noutcome = \"y\"\n\
         features = [\"age\"]\n[recipe]\nkind = \"count\"\n"
    );
    std::fs::write(&file, text).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    // This one is in the sum, dies before it knows the sum, and stays away.
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", "reveal:1"]);
    SITES.iter().for_each(|site| consortium.approve(site, STUDY));
    let run = json(&consortium, &["run", "start", STUDY]);
    let run = run.get("run").and_then(Value::as_str).expect("the run's id").to_owned();
    consortium.wait("the run is released", |c| c.operate(&["run", "list", STUDY]).out.contains("released"));
    consortium.kill_node("va");
    let before = seen(&consortium, &run);
    assert_eq!(before.last().and_then(|report| report.get("sites")), Some(&Value::from(4)));

    consortium.wait("the study rests", |c| rests(c) == 1);
    assert_eq!(seen(&consortium, &run), before, "the same answers");
    consortium.operate(&["run", "start", STUDY]).refused("round_spent");
    consortium.operate(&["ledger", "verify", "--recompute", &run]).done();
    consortium.operate(&["run", "abandon", &run]).refused("run_over");

    consortium.wait("the study rests again", |c| rests(c) == 2);
    let own = consortium.path(&format!("va/local/{STUDY}.json"));
    assert!(!std::path::Path::new(&own).exists(), "it cannot know the result yet");
    consortium.start_node("va", &[]);
    consortium.wait("the late site has its report", |_| std::path::Path::new(&own).exists());
    consortium.wait("it has made the sum again", |c| {
        let left = c.desk("va", &["ledger", "show", "--json"]).done();
        left.contains("\"checked\"")
    });

    // Who starts again with nothing under way is as good as resting, and has nothing to tell anybody.
    consortium.wait("the study rests once more", |c| rests(c) == 3);
    consortium.coordinator = None;
    consortium.start_coordinator();
    assert_eq!(seen(&consortium, &run), before, "the same answers");
}
