//! How long a loss holds up a run of ten countries: a coordinator that starts again in mid-round,
//! and a node that dies in the upload and stays dead. What must hold is asserted; how long it took
//! is printed, for no test may depend on the machine.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, PATIENCE, demo_file};
use serde_json::Value;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 10] = [
    "BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT",
];
/// How long the coordinator waits for a node that is gone.
const LEASE_S: f64 = 3.0;

/// Ten countries that have approved a study of the demo; `change` edits its file before.
fn ten_countries(study: &str, change: impl Fn(String) -> String) -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("3s");
    for site in SITES {
        let csv = demo_file(&format!("stroke/{site}.csv"));
        consortium.add_site(site, "NL", "ist", &csv, &demo_file("stroke/schema.toml"));
    }
    let file = consortium.path("study.toml");
    let text =
        std::fs::read_to_string(demo_file(&format!("stroke/{study}.toml"))).expect("readable");
    std::fs::write(&file, change(text)).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    consortium
}

fn start(consortium: &Consortium, study: &str) -> String {
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, study));
    let said = consortium
        .operate(&["run", "start", study, "--json"])
        .done();
    let value: Value = serde_json::from_str(&said).expect("valid JSON");
    value
        .get("run")
        .and_then(Value::as_str)
        .expect("the run's id")
        .to_owned()
}

/// Rounds released so far, and the run's state; nothing while the coordinator is away.
fn progress(consortium: &Consortium, run: &str) -> Option<(u64, String)> {
    let said = consortium.operate(&["run", "show", run, "--json"]);
    let value: Value = serde_json::from_str(&said.out)
        .ok()
        .filter(|_| said.code == 0)?;
    Some((
        value.get("rounds")?.as_u64()?,
        value.get("state")?.as_str()?.to_owned(),
    ))
}

/// Until that many rounds are released; how long that took.
fn until_round(consortium: &Consortium, run: &str, round: u64) -> Duration {
    let start = Instant::now();
    while progress(consortium, run).is_none_or(|(rounds, _)| rounds < round) {
        assert!(
            start.elapsed() < PATIENCE,
            "round {round} does not come\n{}",
            consortium.logs()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    start.elapsed()
}

fn until_exit(process: &mut motet_tests::consortium::Process, what: &str) {
    let start = Instant::now();
    while process.0.try_wait().expect("a child").is_none() {
        assert!(start.elapsed() < PATIENCE, "{what} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn sites_of_the_release(consortium: &Consortium, study: &str, run: &str) -> u64 {
    consortium.wait("the run is released", |c| {
        progress(c, run).is_some_and(|(_, state)| {
            assert!(state != "failed", "{}", c.logs());
            state == "released"
        })
    });
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", study, "--out", &out])
        .done();
    let text = std::fs::read_to_string(format!("{out}/report.json")).expect("readable");
    let report: Value = serde_json::from_str(&text).expect("valid JSON");
    report.get("sites").and_then(Value::as_u64).expect("sites")
}

#[test]
fn a_coordinator_started_again_in_mid_round_goes_on_with_ten_countries() {
    // Ten nodes come back each in its own time: nobody is to be missing when the machine is busy.
    let mut consortium = ten_countries("logistic", |text| text);
    consortium.set_lease("60s");
    consortium.coordinator = None;
    // About the middle of the third round: uploads are on their way.
    consortium.start_coordinator_with(&["--drill", "3:40"]);
    let run = start(&consortium, "ist-death14");
    until_exit(consortium.hub(), "the coordinator");
    consortium.coordinator = None;
    let began = Instant::now();
    consortium.start_coordinator();
    let answers = began.elapsed();
    until_round(&consortium, &run, 3);
    let resumed = began.elapsed();
    assert_eq!(
        sites_of_the_release(&consortium, "ist-death14", &run),
        10,
        "every country is in the sum"
    );
    println!(
        "a coordinator of ten countries started again: answers after {:.2} s, the round it died in is released after {:.2} s",
        answers.as_secs_f64(),
        resumed.as_secs_f64()
    );
}

#[test]
fn a_node_that_dies_in_the_upload_costs_its_lease_and_no_more() {
    // Deadlines far beyond the lease: who waited for one would be seen.
    let mut consortium = ten_countries("fedavg", |text| {
        let goes_on = text.replace("on_site_loss = \"pause\"", "on_site_loss = \"continue\"");
        goes_on.replace("upload = \"60s\"", "upload = \"10m\"")
    });
    consortium.kill_node("BELG");
    consortium.start_node("BELG", &["--drill", "upload:5:1"]);
    let run = start(&consortium, "ist-death14-fedavg");
    until_exit(consortium.node("BELG"), "the node");
    let took = until_round(&consortium, &run, 5).as_secs_f64();
    consortium.kill_node("BELG");
    assert!(
        took >= LEASE_S * 0.9,
        "it was awaited for its lease: {took:.2} s"
    );
    assert_eq!(
        sites_of_the_release(&consortium, "ist-death14-fedavg", &run),
        9
    );
    println!(
        "a node died in the upload of round 5: the round is released {:.2} s after its lease was over (deadline 600 s)",
        took - LEASE_S
    );
}
