//! A service manager's terminate signal at any moment, with real processes: each ends by itself,
//! and the run goes on to its release.

use motet_tests::consortium::{Consortium, Process, demo_file};
use rand::{RngExt as _, SeedableRng as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];
/// How often a process is told to stop.
const STOPS: usize = 40;
/// Bounds a hang: a process that ignores its signal never ends.
const HANGS: Duration = Duration::from_secs(30);

#[test]
fn a_process_that_is_told_to_stop_at_any_moment_ends_and_the_run_releases_all_the_same() {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("60s");
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    consortium.propose_patient("stopped", &SITES);
    consortium.operate(&["run", "start", "stopped"]).done();
    let mut rng = rand_chacha::ChaCha12Rng::seed_from_u64(10);
    for turn in 0..STOPS {
        std::thread::sleep(Duration::from_millis(rng.random_range(0..250)));
        let who = rng.random_range(0..=SITES.len());
        let site = SITES.get(who).copied();
        let process = match site {
            Some(site) => consortium.node(site),
            None => consortium.hub(),
        };
        process.signal("TERM");
        assert!(
            process.ends_within(HANGS),
            "stop {turn} of {site:?} is ignored\n{}",
            consortium.logs()
        );
        match site {
            Some(site) => {
                consortium.kill_node(site);
                consortium.start_node(site, &[]);
            }
            None => consortium.spawn_coordinator(&[]),
        }
    }
    consortium.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", "stopped"]).out;
        assert!(!runs.contains("failed"), "{runs}\n{}", c.logs());
        runs.contains("released")
    });
    for site in SITES {
        consortium.desk(site, &["ledger", "verify"]).done();
        consortium.node(site).terminate();
    }
    // A stop is said once, and nothing is wrong with a disk because of it.
    for log in SITES.iter().copied().chain(["coordinator"]) {
        let text =
            std::fs::read_to_string(consortium.path(&format!("{log}.log"))).expect("readable");
        let blamed = text.lines().find(|line| {
            ["disk", "closed pool", "storage"]
                .iter()
                .any(|word| line.contains(word))
        });
        assert_eq!(blamed, None, "{log}");
        let stops = if log == "coordinator" { 0 } else { 1 };
        assert!(text.matches(" stopping: ").count() >= stops, "{text}");
    }
    consortium.operate(&["ledger", "verify"]).done();
}

/// A file on a disk that does not answer: it can be opened, and nothing comes of reading it.
#[test]
fn a_node_that_waits_for_a_file_in_vain_ends_when_it_is_told_to() {
    let mut consortium = Consortium::start(PROGRAM);
    let csv = demo_file("heart/cleveland.csv");
    consortium.add_site(
        "cleveland",
        "NL",
        "heart",
        &csv,
        &demo_file("heart/schema.toml"),
    );
    let log = consortium.path("cleveland.log");
    consortium.wait("the node is connected", |_| {
        std::fs::read_to_string(&log)
            .unwrap()
            .contains(" connected")
    });
    // It is read whenever the node dials, by the thread that would hear of the signal otherwise.
    let (pipe, opened) = (
        consortium.path("cleveland/tls.pem"),
        consortium.path("opened"),
    );
    std::fs::remove_file(&pipe).unwrap();
    if !Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .is_ok_and(|made| made.success())
    {
        eprintln!("SKIPPED: no pipe can be made in the temporary folder");
        return;
    }
    // Opened for writing once the node has opened it for reading, and then held.
    let line = format!("exec 3> '{pipe}'; : > '{opened}'; exec sleep 600");
    let _holds = Process(
        Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    consortium.coordinator = None;
    consortium.wait("the node reads the file", |_| Path::new(&opened).exists());
    consortium.node("cleveland").signal("TERM");
    assert!(
        consortium.node("cleveland").ends_within(HANGS),
        "it goes on\n{}",
        consortium.logs()
    );
}
