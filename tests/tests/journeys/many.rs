//! Hundreds of studies at once: a node that comes back hears of all of them over one connection,
//! says nothing again that is known, and goes on with the one that runs.

use motet_tests::consortium::{Consortium, demo_file};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];
/// More than any queue on the way holds.
const STUDIES: usize = 300;

/// How many frames of a kind have left a site, by its own ledger.
fn left(consortium: &Consortium, site: &str, kind: &str) -> usize {
    let frames = consortium.frames(site);
    frames
        .iter()
        .filter(|frame| frame.get("kind").is_some_and(|found| found == kind))
        .count()
}

#[test]
fn a_node_hears_of_hundreds_of_studies_and_says_nothing_again_that_is_known() {
    let mut consortium = Consortium::start(PROGRAM);
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    let file = consortium.path("study.toml");
    consortium.kill_node("va");
    for at in 0..STUDIES {
        let text = text.replace("heart-disease", &format!("study-{at}"));
        std::fs::write(
            &file,
            text.replace("ridge = 0.0", &format!("ridge = {at}.5")),
        )
        .expect("writable");
        consortium.operate(&["study", "propose", &file]).done();
    }
    consortium.start_node("va", &[]);
    let last = format!("study-{}", STUDIES - 1);
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, &last));
    consortium.wait("the decision has left", |c| left(c, "va", "decision") == 1);
    for _ in 0..2 {
        consortium.kill_node("va");
        consortium.start_node("va", &[]);
        consortium.wait("it is back", |c| {
            c.operate(&["site", "list"])
                .out
                .lines()
                .any(|line| line.contains("va") && line.contains("connected"))
        });
        std::thread::sleep(Duration::from_secs(2));
    }
    let log = std::fs::read_to_string(consortium.path("va.log")).expect("readable");
    assert!(
        !log.contains("disconnected") && !log.contains("away"),
        "{log}"
    );
    assert_eq!(
        left(&consortium, "va", "decision"),
        1,
        "what the coordinator knows is not said again"
    );
    consortium.operate(&["run", "start", &last]).done();
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list", &last]).out.contains("released")
    });
    // A coordinator that starts again knows the decisions, and that everybody has the result.
    consortium.coordinator = None;
    consortium.start_coordinator();
    let before = left(&consortium, "va", "fetch-request");
    consortium.kill_node("va");
    consortium.start_node("va", &[]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        (
            left(&consortium, "va", "decision"),
            left(&consortium, "va", "fetch-request")
        ),
        (1, before)
    );
}
