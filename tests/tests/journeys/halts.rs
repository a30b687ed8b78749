//! What a stop, a withdrawal, a removal and time leave of an open attempt at a site: nothing, with
//! real processes, whether the coordinator is there or not. And nothing of it leaves.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
/// Longer than any round of the study lasts.
const LONG_AGO: Duration = Duration::from_secs(3 * 24 * 3600);

/// Four hospitals in the first round of a study; the process of `va` has ended itself where its
/// drill says.
fn in_a_round(drill: &str) -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    // Nobody is given up meanwhile by the coordinator.
    consortium.set_lease("60s");
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", drill]);
    consortium.propose_patient("halted", &SITES);
    consortium.operate(&["run", "start", "halted"]).done();
    consortium.wait("va has ended", |c| {
        c.logs().contains("this process ends here")
    });
    consortium.kill_node("va");
    consortium
}

/// What a site's vault and its folder of masked vectors hold.
fn kept(consortium: &Consortium, site: &str) -> Vec<PathBuf> {
    let folders = ["vault", "masked/spools"].map(|name| consortium.path(&format!("{site}/{name}")));
    let entries = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten();
    entries
        .map(|entry| entry.expect("readable").path())
        .collect()
}

fn log(consortium: &Consortium, site: &str) -> String {
    std::fs::read_to_string(consortium.path(&format!("{site}.log"))).expect("readable")
}

/// Lets a site's sealed attempts be old.
fn age(consortium: &Consortium, site: &str) {
    let then = SystemTime::now() - LONG_AGO;
    for path in kept(consortium, site).iter().filter(|path| path.is_file()) {
        File::options()
            .write(true)
            .open(path)
            .expect("writable")
            .set_modified(then)
            .expect("settable");
    }
}

#[test]
fn a_node_that_is_stopped_before_its_vector_has_left_sends_nothing_of_it_after_a_restart() {
    // Masked, sealed and recorded; the process ends before the header leaves.
    let mut consortium = in_a_round("upload:1:4");
    assert!(!kept(&consortium, "va").is_empty());
    consortium.desk("va", &["stop"]).done();
    let before = consortium.frames("va").len();
    consortium.start_node("va", &[]);
    consortium.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", "halted"]);
        assert!(!runs.out.contains("failed"), "{}\n{}", runs.out, c.logs());
        runs.out.contains("released")
    });
    assert_eq!(kept(&consortium, "va"), [] as [PathBuf; 0]);
    for frame in consortium.frames("va").iter().skip(before) {
        let kind = frame.get("kind").and_then(Value::as_str).expect("a kind");
        let says_nothing =
            ["hello", "refused", "decision"].contains(&kind) || kind.ends_with("-request");
        assert!(
            says_nothing && kind != "upload-request",
            "a `{kind}` left a stopped site"
        );
    }
    assert_eq!(
        consortium.figures("halted").get("sites"),
        Some(&Value::from(3))
    );
}

#[test]
fn an_open_attempt_goes_with_a_stop_or_a_withdrawal_while_the_coordinator_is_away() {
    let mut consortium = in_a_round("share:1");
    consortium.wait("shares are dealt", |c| {
        SITES.iter().all(|site| !kept(c, site).is_empty())
    });
    consortium.coordinator = None;
    consortium.wait("all have seen that", |c| {
        SITES[..3]
            .iter()
            .all(|site| log(c, site).contains(" away: "))
    });
    consortium.desk("cleveland", &["stop"]).done();
    consortium
        .desk("hungarian", &["study", "withdraw", "halted"])
        .done();
    consortium.wait("nothing is left of the attempt", |c| {
        kept(c, "cleveland").is_empty() && kept(c, "hungarian").is_empty()
    });
    assert!(
        !kept(&consortium, "switzerland").is_empty(),
        "whose steward lets it go on"
    );
}

#[test]
fn an_open_attempt_goes_when_the_site_is_removed() {
    let consortium = in_a_round("share:1");
    consortium.wait("shares are dealt", |c| !kept(c, "switzerland").is_empty());
    consortium
        .operate(&["site", "remove", "switzerland"])
        .done();
    consortium.wait("nothing is left of the attempt", |c| {
        kept(c, "switzerland").is_empty()
    });
}

#[test]
fn an_old_attempt_that_nobody_ended_goes_and_one_whose_set_is_signed_opens_its_sum() {
    // Advertised and no more: nobody needs what this site holds of it.
    let mut consortium = in_a_round("share:1");
    consortium.coordinator = None;
    age(&consortium, "va");
    assert!(!kept(&consortium, "va").is_empty());
    consortium.start_node("va", &[]);
    consortium.wait("nothing is left of the attempt", |c| {
        kept(c, "va").is_empty()
    });

    let mut consortium = in_a_round("reveal:1");
    consortium.coordinator = None;
    for site in SITES.iter().filter(|site| **site != "va") {
        consortium.kill_node(site);
    }
    age(&consortium, "va");
    consortium.start_node("va", &[]);
    consortium.wait("va dials again", |c| log(c, "va").contains(" away: "));
    assert!(
        !kept(&consortium, "va").is_empty(),
        "{}",
        log(&consortium, "va")
    );
    consortium.start_coordinator();
    for site in ["cleveland", "hungarian", "switzerland"] {
        consortium.start_node(site, &[]);
    }
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list", "halted"])
            .out
            .contains("released")
    });
    assert!(
        consortium
            .frames("va")
            .iter()
            .any(|frame| frame.get("kind") == Some(&"reveal-reply".into()))
    );
}
