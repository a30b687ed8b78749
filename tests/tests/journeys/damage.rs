//! One byte of each file of a state folder flipped, and each file removed, in turn, with real
//! processes stopped in mid-run: the result is the undisturbed one, or a process refuses and names
//! the file or the reason. Never an earlier state without a word.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, PATIENCE, demo_file};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];
/// A run that says by then that it waits for a disk is not waited for any longer.
const SOON: Duration = Duration::from_secs(5);
/// Lines that a log may have after a trial: a process that tries again and again says so once.
const LINES: usize = 120;
/// Files of one kind that are tried; the others are the same by their names.
const OF_A_KIND: usize = 2;

/// A consortium that was stopped in mid-run, and a copy of it.
struct Stopped {
    consortium: Consortium,
    due: Value,
}

enum Outcome {
    /// The undisturbed result.
    Same,
    /// A process did not start; what it said.
    Refused(String),
    /// The run waits or failed; what the logs and the operator's list say.
    Waits(String),
}

impl Stopped {
    fn new() -> Self {
        let mut consortium = Consortium::start(PROGRAM);
        consortium.set_lease("2s");
        for site in SITES {
            let csv = demo_file(&format!("heart/{site}.csv"));
            consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
        }
        consortium.propose_patient("heart", &SITES);
        consortium.operate(&["run", "start", "heart"]).done();
        let sums = consortium.path("cleveland/ledger/blobs");
        consortium.wait("a few sums", |_| files(Path::new(&sums)).len() >= 4);
        consortium.node("va").signal("STOP");
        // Something of an open attempt is there at both.
        let open = [
            consortium.path("cleveland/vault"),
            consortium.path("hub/state/spools"),
        ];
        consortium.wait("an open attempt", |_| {
            open.iter()
                .all(|folder| !files(Path::new(folder)).is_empty())
        });
        let mut stopped = Self {
            consortium,
            due: Value::Null,
        };
        stopped.stop();
        stopped.copy("", "copy");
        stopped.consortium.start_coordinator();
        SITES
            .iter()
            .for_each(|site| stopped.consortium.start_node(site, &[]));
        stopped
            .consortium
            .wait("the undisturbed run is released", |c| {
                state(c) == "released"
            });
        stopped.due = stopped.consortium.figures("heart");
        stopped
    }

    /// As a power cut would.
    fn stop(&mut self) {
        self.consortium.coordinator = None;
        self.consortium.nodes.clear();
    }

    fn copy(&self, from: &str, to: &str) {
        let place = |of: &str, name: &str| PathBuf::from(self.consortium.path(of)).join(name);
        fs::create_dir_all(self.consortium.path(to)).expect("a folder");
        for name in ["hub", "cleveland", "hungarian", "va"] {
            let target = place(to, name);
            let _ = fs::remove_dir_all(&target);
            let done = Command::new("cp")
                .arg("-a")
                .arg(place(from, name))
                .arg(&target)
                .status();
            assert!(done.expect("cp").success());
        }
    }

    fn start(&mut self) {
        for name in ["coordinator", "cleveland", "hungarian", "va"] {
            fs::write(self.consortium.path(&format!("{name}.log")), "").expect("writable");
        }
        self.consortium.spawn_coordinator(&[]);
        SITES
            .iter()
            .for_each(|site| self.consortium.start_node(site, &[]));
    }

    /// Starts everything on a copy in which `file` was damaged.
    fn trial(&mut self, file: &str, damage: impl Fn(&Path)) -> Outcome {
        self.stop();
        self.copy("copy", "");
        damage(&PathBuf::from(self.consortium.path(file)));
        self.start();
        let start = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(100));
            if let Some(said) = self.ended() {
                return Outcome::Refused(said);
            }
            let state = state(&self.consortium);
            if state == "released" {
                assert_eq!(
                    self.consortium.figures("heart"),
                    self.due,
                    "{file}\n{}",
                    self.consortium.logs()
                );
                return Outcome::Same;
            }
            if state == "failed"
                || start.elapsed() > SOON && self.says_why()
                || start.elapsed() > PATIENCE
            {
                let listed = self.consortium.operate(&["run", "list", "heart"]);
                return Outcome::Waits(format!(
                    "{}{}{}",
                    self.consortium.logs(),
                    listed.out,
                    listed.err
                ));
            }
        }
    }

    /// Whether somebody says that a file is the trouble.
    fn says_why(&self) -> bool {
        let listed = self.consortium.operate(&["run", "list", "heart"]).out;
        listed.contains("storage") || self.consortium.logs().contains("set aside")
    }

    /// What a process that has ended by itself said.
    fn ended(&mut self) -> Option<String> {
        let nodes = self
            .consortium
            .nodes
            .iter_mut()
            .map(|(name, process)| (name.clone(), process));
        let hub = self
            .consortium
            .coordinator
            .iter_mut()
            .map(|process| ("coordinator".to_owned(), process));
        let mut ended = nodes
            .chain(hub)
            .filter_map(|(name, process)| process.0.try_wait().expect("a child").map(|_| name));
        let name = ended.next()?;
        drop(ended);
        Some(fs::read_to_string(self.consortium.path(&format!("{name}.log"))).expect("readable"))
    }
}

fn state(consortium: &Consortium) -> String {
    let said = consortium.operate(&["run", "list", "heart", "--json"]);
    let value: Value = serde_json::from_str(&said.out).unwrap_or_default();
    value["runs"][0]["state"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path))
        } else {
            all.push(path)
        }
    }
    all.sort();
    all
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 0x20;
    }
    fs::write(path, bytes).expect("writable");
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("removable");
}

/// Flips and removes each file below `folder`, and gives what became of it.
fn all_trials(stopped: &mut Stopped, folder: &str) -> Vec<(String, Outcome)> {
    let copy = PathBuf::from(stopped.consortium.path("copy"));
    let mut of_a_kind: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for path in files(&copy.join(folder)) {
        let file = path
            .strip_prefix(&copy)
            .expect("below it")
            .to_str()
            .expect("utf-8")
            .to_owned();
        // Blobs and chunks lie in folders of their own: a few stand for all of them.
        let kind = if file.contains("/blobs/") {
            PathBuf::from("blobs")
        } else if file.contains("/spools/") {
            PathBuf::from("spools")
        } else {
            path.clone()
        };
        let tried = of_a_kind.entry(kind).or_default();
        *tried += 1;
        if *tried > OF_A_KIND
            || file.ends_with("-shm")
            || fs::metadata(&path).is_ok_and(|found| found.len() == 0)
        {
            continue;
        }
        for (how, damage) in [("flip", flip as fn(&Path)), ("remove", remove)] {
            let outcome = stopped.trial(&file, damage);
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("utf-8");
            let (word, said) = match &outcome {
                Outcome::Same => ("same", ""),
                Outcome::Refused(said) => ("refused", said.as_str()),
                Outcome::Waits(said) => ("waits", said.as_str()),
            };
            println!(
                "{how:6} {file}: {word} {}",
                said.lines().last().unwrap_or_default()
            );
            let stem = name.split('.').next().unwrap_or(name);
            let is_named = said.is_empty()
                || [
                    name,
                    stem,
                    "storage",
                    "upload_mismatch",
                    "damaged",
                    "not there",
                ]
                .iter()
                .any(|word| said.contains(word));
            assert!(
                is_named,
                "{how} {file}: neither the file nor a reason is named:\n{said}"
            );
            assert!(
                said.lines().count() < LINES,
                "{how} {file}: again and again:\n{said}"
            );
            found.push((format!("{how} {file}"), outcome));
        }
    }
    found
}

fn outcome<'o>(all: &'o [(String, Outcome)], what: &str) -> &'o Outcome {
    &all.iter().find(|(name, _)| name == what).expect(what).1
}

/// What SQLite itself would pass over in silence is refused, or changes nothing: a run that waits
/// went back to an earlier state.
fn no_rollback(all: &[(String, Outcome)], folder: &str) {
    for (name, outcome) in all
        .iter()
        .filter(|(name, _)| name.contains(&format!("{folder}/ledger.")))
    {
        assert!(!matches!(outcome, Outcome::Waits(_)), "{name}");
    }
    for file in ["ledger.sqlite", "ledger.head"] {
        let what = format!("remove {folder}/{file}");
        assert!(
            matches!(outcome(all, &what), Outcome::Refused(said) if said.contains(file)),
            "{what}"
        );
    }
}

#[test]
fn a_damaged_or_missing_file_of_a_coordinator_gives_the_same_result_or_is_named() {
    let mut stopped = Stopped::new();
    let all = all_trials(&mut stopped, "hub/state");
    no_rollback(&all, "hub/state");
    // `ledger verify` on the folder says the same as the start.
    for (file, damage) in [
        ("hub/state/ledger.head", remove as fn(&Path)),
        ("hub/state/ledger.sqlite-wal", remove),
    ] {
        stopped.stop();
        stopped.copy("copy", "");
        if !Path::new(&stopped.consortium.path(file)).exists() {
            continue;
        }
        damage(Path::new(&stopped.consortium.path(file)));
        let config = stopped.consortium.path("hub/coordinator.toml");
        let verified = stopped
            .consortium
            .motet(&["ledger", "verify", "--config", &config]);
        // Without the write-ahead log nothing may be missing, where all of it was written back.
        let what = format!("remove {file}");
        let is_whole = all
            .iter()
            .any(|(name, outcome)| *name == what && matches!(outcome, Outcome::Same));
        assert_eq!(
            (verified.code, verified.err.contains("ledger.")),
            if is_whole { (0, false) } else { (1, true) },
            "{what}: {}",
            verified.err
        );
    }
}

#[test]
fn a_damaged_or_missing_file_of_a_node_gives_the_same_result_or_is_named() {
    let mut stopped = Stopped::new();
    let mut all = Vec::new();
    for folder in ["cleveland/ledger", "cleveland/vault", "cleveland/masked"] {
        all.extend(all_trials(&mut stopped, folder));
    }
    no_rollback(&all, "cleveland/ledger");
    let blobs = all.iter().filter(|(name, _)| name.contains("/blobs/"));
    let same = blobs
        .clone()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Same))
        .count();
    assert_eq!(
        (same, blobs.count()),
        (2 * OF_A_KIND, 2 * OF_A_KIND),
        "the coordinator has every sum too"
    );
}
