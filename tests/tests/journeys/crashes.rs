//! Kill anything, any time, with real processes: the coordinator before and after every entry that
//! it writes about a round, a node before every act of every phase. Started again, the same round
//! and run go on, and the result is that of an undisturbed run, bit for bit.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, PATIENCE, demo_file};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
/// Rounds of the exact fit on these data.
const ROUNDS: u64 = 10;
/// Entries written about one round of four sites: plan, adverts, shares, headers, uploads,
/// commitment, signatures, replies, sum, release, and what closes each phase. The last few come
/// only when more answered than had to.
const ENTRIES: u32 = 31;

fn four_hospitals() -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    // Long enough for a process to come back on a busy machine: what comes back in time is in the
    // sum.
    consortium.set_lease("60s");
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    consortium
}

fn is_released(consortium: &Consortium, study: &str) -> bool {
    let runs = consortium.operate(&["run", "list", study]);
    assert!(
        !runs.out.contains("failed"),
        "{}\n{}",
        runs.out,
        consortium.logs()
    );
    runs.out.contains("released")
}

/// The figures of a study in which every site is.
fn result(consortium: &Consortium, study: &str) -> Value {
    consortium.wait("the run is released", |c| is_released(c, study));
    let figures = consortium.figures(study);
    let whole = figures.get("sites") == Some(&Value::from(4));
    assert!(
        whole,
        "every site is in the sum all the same: {figures}\n{}",
        consortium.logs()
    );
    figures
}

/// Until the process has ended itself; false when the run was over before.
fn ended(consortium: &mut Consortium, study: &str, site: Option<&str>) -> bool {
    let start = Instant::now();
    loop {
        let process = match site {
            None => consortium.coordinator.as_mut(),
            Some(site) => consortium
                .nodes
                .iter_mut()
                .find(|(name, _)| name == site)
                .map(|(_, node)| node),
        };
        let exited = process
            .expect("it runs")
            .0
            .try_wait()
            .expect("a child")
            .is_some();
        if exited || is_released(consortium, study) {
            return exited;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "neither ended nor released\n{}",
            consortium.logs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_coordinator_killed_at_every_entry_of_a_round_gives_the_undisturbed_result() {
    let mut consortium = four_hospitals();
    consortium.propose_patient("undisturbed", &SITES);
    consortium.operate(&["run", "start", "undisturbed"]).done();
    let due = result(&consortium, "undisturbed");

    let mut points = (1..=ENTRIES)
        .flat_map(|entry| [format!("{entry}"), format!("{entry}+")])
        .peekable();
    let (mut kills, mut study) = (0, 0);
    while points.peek().is_some() {
        study += 1;
        let name = format!("disturbed-{study}");
        consortium.propose_patient(&name, &SITES);
        let mut begun = false;
        for round in 1..=ROUNDS {
            let Some(point) = points.next() else { break };
            consortium.coordinator = None;
            consortium.start_coordinator_with(&["--drill", &format!("{round}:{point}")]);
            if !begun {
                // The coordinator may end before its answer has arrived, with the run on record or
                // not.
                let _ = consortium.operate(&["run", "start", &name]);
                begun = true;
            }
            kills += u32::from(ended(&mut consortium, &name, None));
        }
        consortium.coordinator = None;
        consortium.start_coordinator();
        let list = consortium.operate(&["run", "list", &name]);
        let known = list.code == 0 && !list.out.contains("no run");
        assert!(
            known,
            "{name}: {}{}\n{}",
            list.out,
            list.err,
            consortium.logs()
        );
        assert_eq!(result(&consortium, &name), due, "{name}");
    }
    // A round may close a phase with fewer messages than could come.
    assert!(
        kills * 10 > ENTRIES * 2 * 8,
        "only {kills} of {} kills happened",
        ENTRIES * 2
    );
    println!("{kills} kills of the coordinator, {study} runs with the undisturbed result");
}

#[test]
fn a_coordinator_killed_while_it_publishes_has_one_result_in_the_log_that_all_sites_cosign() {
    let mut consortium = four_hospitals();
    // What is written after the last round: the result, then who made it again, three of whom bring
    // its leaf, then who cosigned.
    let points = ["1", "1+", "2", "3+", "4", "4+", "6", "7+"];
    let mut kills = 0;
    for (number, point) in points.into_iter().enumerate() {
        let name = format!("published-{number}");
        consortium.propose_patient(&name, &SITES);
        consortium.coordinator = None;
        consortium.start_coordinator_with(&["--drill", &format!("{}:{point}", ROUNDS + 1)]);
        consortium.operate(&["run", "start", &name]).done();
        kills += u32::from(ended(&mut consortium, &name, None));
        consortium.coordinator = None;
        consortium.start_coordinator();
        result(&consortium, &name);
        let out = consortium.path(&name);
        consortium
            .operate(&["release", "get", &name, "--out", &out])
            .done();
        let verified = consortium
            .motet(&["release", "verify", &out, "--as", &consortium.operator()])
            .done();
        assert!(
            verified.contains("the last sum was made again from the masked uploads by"),
            "{verified}"
        );
        for site in SITES {
            let local = consortium.path(&format!("{site}/local/{name}.json"));
            consortium.wait("each site has its own report", |_| {
                std::path::Path::new(&local).exists()
            });
        }
    }
    assert!(
        kills >= 6,
        "only {kills} of {} kills happened",
        points.len()
    );
    for site in SITES {
        // A second result of one state would be a fork of the log for every site.
        consortium.desk(site, &["ledger", "verify"]).done();
    }
}

/// Entries that a round of four sites has when two of them are lost before they sign the set: plan,
/// adverts, shares, headers, uploads, what closes each phase, the commitment, two signatures; and
/// the entry that gives the attempt up.
const GIVEN_UP: std::ops::RangeInclusive<u32> = 22..=24;

/// An attempt whose set stands in the log is given up, and the coordinator ends before the log says
/// so: another attempt at the question would be a second set for every site, and no log that it
/// follows.
#[test]
fn a_coordinator_killed_while_it_gives_an_attempt_up_goes_on_in_a_log_that_all_sites_follow() {
    let mut consortium = four_hospitals();
    consortium.propose_patient("undisturbed", &SITES);
    consortium.operate(&["run", "start", "undisturbed"]).done();
    let due = result(&consortium, "undisturbed");
    for entry in GIVEN_UP {
        let name = format!("given-up-{entry}");
        propose_hasty(&consortium, &name, "sign");
        for site in ["hungarian", "va"] {
            consortium.kill_node(site);
            consortium.start_node(site, &["--drill", "sign:1:1"]);
        }
        consortium.coordinator = None;
        consortium.start_coordinator_with(&["--drill", &format!("1:{entry}+")]);
        let _ = consortium.operate(&["run", "start", &name]);
        assert!(
            ended(&mut consortium, &name, None),
            "entry {entry} of the first round is written"
        );
        for site in ["hungarian", "va"] {
            consortium.kill_node(site);
            consortium.start_node(site, &[]);
        }
        consortium.coordinator = None;
        consortium.start_coordinator();
        assert_eq!(result(&consortium, &name), due, "{name}");
        for site in SITES {
            consortium.desk(site, &["ledger", "verify"]).done();
        }
    }
    assert!(
        consortium.logs().contains("an attempt ended without a sum"),
        "{}",
        consortium.logs()
    );
}

/// Entries of a round of four sites around the one that opens its set: what came of it cannot be
/// asked again.
const OPENED: std::ops::RangeInclusive<u32> = 25..=27;

#[test]
fn a_coordinator_that_is_away_for_longer_than_a_sum_is_opened_in_finishes_it_all_the_same() {
    let mut consortium = four_hospitals();
    consortium.propose_patient("undisturbed", &SITES);
    consortium.operate(&["run", "start", "undisturbed"]).done();
    let due = result(&consortium, "undisturbed");
    for entry in OPENED {
        let name = format!("opened-{entry}");
        propose_hasty(&consortium, &name, "reveal");
        consortium.coordinator = None;
        consortium.start_coordinator_with(&["--drill", &format!("1:{entry}+")]);
        let _ = consortium.operate(&["run", "start", &name]);
        assert!(
            ended(&mut consortium, &name, None),
            "entry {entry} of the first round is written"
        );
        std::thread::sleep(Duration::from_secs(6));
        consortium.coordinator = None;
        // Nodes dial again by themselves, each when its wait is over: that may be longer than the
        // phase.
        consortium.start_coordinator();
        assert_eq!(result(&consortium, &name), due, "{name}");
    }
}

/// The study of the demo with one short phase, approved by all.
fn propose_hasty(consortium: &Consortium, name: &str, phase: &str) {
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    let short = format!("\n{phase} = \"2s\"");
    let hasty = text
        .replace(&format!("\n{phase} = \"10s\""), &short)
        .replace("heart-disease", name);
    assert!(hasty.contains(&short));
    let file = consortium.path(&format!("{name}.toml"));
    std::fs::write(&file, hasty).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    SITES.iter().for_each(|site| consortium.approve(site, name));
}

#[test]
fn a_node_killed_before_every_act_of_every_phase_is_in_the_undisturbed_result() {
    let mut consortium = four_hospitals();
    consortium.propose_patient("undisturbed", &SITES);
    consortium.operate(&["run", "start", "undisturbed"]).done();
    let due = result(&consortium, "undisturbed");

    // seal, record, tell; seal, tell; store, seal, record, tell, upload; seal, record, tell; seal,
    // record, tell, absorb
    let acts = [
        ("join", 3),
        ("share", 2),
        ("upload", 5),
        ("sign", 3),
        ("reveal", 4),
    ];
    let mut points = acts
        .into_iter()
        .flat_map(|(phase, most)| (1..=most).map(move |act| (phase, act)))
        .peekable();
    let (mut kills, mut study) = (0, 0);
    while points.peek().is_some() {
        study += 1;
        let name = format!("disturbed-{study}");
        consortium.propose_patient(&name, &SITES);
        let mut begun = false;
        for round in 1..=ROUNDS {
            let Some((phase, act)) = points.next() else {
                break;
            };
            consortium.kill_node("va");
            consortium.start_node("va", &["--drill", &format!("{phase}:{round}:{act}")]);
            if !begun {
                consortium.operate(&["run", "start", &name]).done();
                begun = true;
            }
            kills += u32::from(ended(&mut consortium, &name, Some("va")));
        }
        consortium.kill_node("va");
        consortium.start_node("va", &[]);
        assert_eq!(result(&consortium, &name), due, "{name}");
    }
    assert!(kills >= 15, "only {kills} of 17 kills happened");
    println!("{kills} kills of a node, {study} runs with the undisturbed result");
}

/// Every file of chunks below a folder, whole.
fn chunks(folder: &Path) -> Vec<Vec<u8>> {
    let spools = std::fs::read_dir(folder.join("spools"))
        .into_iter()
        .flatten()
        .flatten();
    let files = spools.flat_map(|spool| {
        std::fs::read_dir(spool.path())
            .into_iter()
            .flatten()
            .flatten()
    });
    let is_chunk = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "chunk")
    };
    let paths = files.map(|file| file.path()).filter(|path| is_chunk(path));
    paths.filter_map(|path| std::fs::read(path).ok()).collect()
}

/// Training and rounding roll rng. A node that is killed after it has written the masked vector
/// and before the vault knows of it computes again: it must come to the very vector that it had,
/// for two under one mask would tell their difference, and whatever stands in the file of another
/// must not be in its way.
#[test]
fn a_node_killed_between_the_file_and_the_vault_of_a_trained_answer_masks_that_very_answer_again() {
    let mut consortium = four_hospitals();
    let text = std::fs::read_to_string(demo_file("heart/fedavg.toml")).expect("readable");
    let patient = ["join", "share", "upload", "sign", "reveal"]
        .into_iter()
        .fold(text, |text, phase| {
            let long = text.replace(
                &format!("\n{phase} = \"10s\""),
                &format!("\n{phase} = \"120s\""),
            );
            long.replace(
                &format!("\n{phase} = \"60s\""),
                &format!("\n{phase} = \"120s\""),
            )
        });
    let short = patient
        .replace("rounds = 20", "rounds = 2")
        .replace("heart-disease-fedavg", "average");
    let file = consortium.path("average.toml");
    std::fs::write(&file, short).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, "average"));

    // In the third round, the first that trains, before the second act of the upload phase: stored,
    // and not sealed yet.
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", "upload:3:2"]);
    consortium.operate(&["run", "start", "average"]).done();
    assert!(
        ended(&mut consortium, "average", Some("va")),
        "it was killed\n{}",
        consortium.logs()
    );
    let masked = consortium.path("va/masked");
    let [written] = <[Vec<u8>; 1]>::try_from(chunks(Path::new(&masked)))
        .expect("the masked vector is one chunk");
    // In the fourth round it ends once more: until then the coordinator keeps the uploads of the
    // third.
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", "join:4"]);
    assert!(
        ended(&mut consortium, "average", Some("va")),
        "the round went on\n{}",
        consortium.logs()
    );
    let heard = chunks(Path::new(&consortium.path("hub/state/spools")));
    assert!(
        heard.contains(&written),
        "another vector was masked under the same masks"
    );

    // The same in the fourth round, and another's file in its place: nobody was told of it, and it
    // is written over.
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", "upload:4:2"]);
    assert!(
        ended(&mut consortium, "average", Some("va")),
        "it was killed\n{}",
        consortium.logs()
    );
    let spool = std::fs::read_dir(format!("{masked}/spools"))
        .expect("a folder")
        .flatten()
        .next();
    let chunk = spool.expect("one attempt").path().join("0.chunk");
    let other: Vec<u8> = std::fs::read(&chunk)
        .expect("readable")
        .iter()
        .map(|byte| !byte)
        .collect();
    std::fs::write(&chunk, other).expect("writable");
    consortium.kill_node("va");
    consortium.start_node("va", &[]);
    let figures = result(&consortium, "average");
    assert!(figures.is_object());
    let log = std::fs::read_to_string(consortium.path("va.log")).expect("readable");
    assert!(!log.contains("storage:"), "{log}");
}
