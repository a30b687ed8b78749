//! A study of which nothing is under way leaves the coordinator's memory. Nobody is to notice:
//! people get the same answers, and a site that was away at the end hears of the result when it
//! comes back.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 6] = ["BELG", "CZEC", "NETH", "NORW", "PORT", "SWIT"];
/// These are in the sum, die before they know it, and stay away.
const LATE: [&str; 2] = ["PORT", "SWIT"];
const STUDY: &str = "how-many";

const RESTS: &str = "the study rests";

/// How often a study has gone to rest.
fn rests(consortium: &Consortium) -> usize {
    let log = std::fs::read_to_string(consortium.path("coordinator.log")).expect("readable");
    log.matches(RESTS).count()
}

fn rests_again(consortium: &Consortium, before: usize) {
    consortium.wait("a study rests", |c| rests(c) > before);
}

fn json(consortium: &Consortium, args: &[&str]) -> Value {
    let said = consortium.operate(&[args, &["--json"]].concat()).done();
    serde_json::from_str(&said).expect("valid JSON")
}

/// What people see of the study.
fn seen(consortium: &Consortium, run: &str) -> [Value; 4] {
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", STUDY, "--out", &out])
        .done();
    consortium
        .motet(&["release", "verify", &out, "--as", &consortium.operator()])
        .done();
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
        let csv = demo_file(&format!("stroke/{site}.csv"));
        consortium.add_site(site, "NL", "ist", &csv, &demo_file("stroke/schema.toml"));
    }
    let file = consortium.path("study.toml");
    let text = format!(
        "[study]\nid = \"{STUDY}\"\ntitle = \"How many\"\nquestion = \"How many patients are there?\"\n\
         purpose = \"53(1)(e)\"\nends = 2099-12-31\n[data]\ndataset = \"ist\"\noutcome = \"dead14\"\n\
         features = [\"age\"]\n[recipe]\nkind = \"count\"\n"
    );
    std::fs::write(&file, text).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    for site in LATE {
        consortium.kill_node(site);
        consortium.start_node(site, &["--drill", "reveal:1"]);
    }
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, STUDY));
    let run = json(&consortium, &["run", "start", STUDY]);
    let run = run
        .get("run")
        .and_then(Value::as_str)
        .expect("the run's id")
        .to_owned();
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list", STUDY]).out.contains("released")
    });
    LATE.iter().for_each(|site| consortium.kill_node(site));
    let before = seen(&consortium, &run);
    assert_eq!(
        before.last().and_then(|report| report.get("sites")),
        Some(&Value::from(SITES.len()))
    );

    rests_again(&consortium, rests(&consortium));
    let rested = rests(&consortium);
    assert_eq!(seen(&consortium, &run), before, "the same answers");
    consortium
        .operate(&["run", "start", STUDY])
        .refused("round_spent");
    consortium
        .operate(&["ledger", "verify", "--recompute", &run])
        .done();
    consortium
        .operate(&["run", "abandon", &run])
        .refused("run_over");

    rests_again(&consortium, rested);
    let own = LATE.map(|site| consortium.path(&format!("{site}/local/{STUDY}.json")));
    let is_there = |path: &String| std::path::Path::new(path).exists();
    assert!(!own.iter().any(is_there), "they cannot know the result yet");
    LATE.iter()
        .for_each(|site| consortium.start_node(site, &[]));
    consortium.wait("the late sites have their reports", |_| {
        own.iter().all(is_there)
    });
    for site in LATE {
        let said = |c: &Consortium, what: &str| {
            c.desk(site, &["ledger", "show", "--json"])
                .done()
                .contains(what)
        };
        consortium.wait("it has cosigned the end", |c| said(c, "\"cosignature\""));
        // Enough sites have made the sum again: what an image of its memory would be good for is
        // not handed out any more.
        assert!(!said(&consortium, "\"checked\""));
    }

    // Who starts again with nothing under way is as good as resting, and has nothing to tell
    // anybody.
    consortium.coordinator = None;
    let log = std::fs::read_to_string(consortium.path("coordinator.log")).expect("readable");
    consortium.start_coordinator();
    assert_eq!(seen(&consortium, &run), before, "the same answers");
    consortium.wait("it rests", |c| {
        let now = std::fs::read_to_string(c.path("coordinator.log")).expect("readable");
        now.strip_prefix(log.as_str())
            .is_some_and(|new| new.contains(RESTS))
    });
}

#[test]
fn a_run_given_up_in_mid_round_leaves_nothing_behind_at_the_coordinator_and_a_withdrawn_study_nothing_at_the_sites()
 {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("120s");
    let sites = ["cleveland", "hungarian", "va"];
    for site in sites {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    let files = |c: &Consortium, folder: &str| {
        std::fs::read_dir(c.path(folder)).map_or(0, |entries| entries.flatten().count())
    };
    let held = |consortium: &mut Consortium, study: &str| {
        consortium.kill_node("va");
        consortium.start_node("va", &[]);
        consortium.propose_patient(study, &sites);
        // It dies in the upload of the second round and is awaited.
        consortium.kill_node("va");
        consortium.start_node("va", &["--drill", "upload:2"]);
        let run = json(consortium, &["run", "start", study]);
        let run = run
            .get("run")
            .and_then(Value::as_str)
            .expect("the run's id")
            .to_owned();
        consortium.wait("the others have uploaded", |c| {
            let shown = json(c, &["run", "show", &run]);
            shown.get("phase").is_some_and(|phase| phase == "upload")
                && shown.get("awaited") == Some(&serde_json::json!(["va"]))
        });
        assert!(
            files(consortium, "hub/state/spools/spools") > 0,
            "uploads lie there"
        );
        run
    };
    let run = held(&mut consortium, "given-up");
    let rested = rests(&consortium);
    consortium.operate(&["run", "abandon", &run]).done();
    rests_again(&consortium, rested);
    // Those of the first round's sum stay a week.
    assert_eq!(files(&consortium, "hub/state/spools/spools"), sites.len());

    held(&mut consortium, "withdrawn");
    for site in ["cleveland", "hungarian"] {
        assert!(
            files(&consortium, &format!("{site}/vault")) > 0,
            "an attempt is open"
        );
    }
    consortium
        .operate(&["study", "withdraw", "withdrawn"])
        .done();
    for site in ["cleveland", "hungarian"] {
        consortium.wait("the attempt is forgotten", |c| {
            files(c, &format!("{site}/vault")) == 0
        });
    }
}
