//! What an operator meets in a year: backups and their return, and a service manager that stops and
//! starts everything.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];
const ROWS: u64 = 303 + 261 + 130;

/// Three hospitals that have approved the study; a process may be away for a while.
fn three_hospitals() -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("60s");
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    approved(&consortium, "heart-disease");
    consortium
}

/// Proposes the study under this name, with patient phases, and lets everybody approve it.
fn approved(consortium: &Consortium, name: &str) {
    consortium.propose_patient(name, &SITES);
    all_heard(consortium, name);
}

/// A node tells its steward's decision a moment later than the steward decides.
fn all_heard(consortium: &Consortium, study: &str) {
    consortium.wait("the coordinator has heard every decision", |c| {
        c.operate(&["study", "show", study])
            .out
            .matches("approved")
            .count()
            >= SITES.len()
    });
}

fn start(consortium: &Consortium, study: &str) -> String {
    let said = consortium
        .operate(&["run", "start", study, "--json"])
        .done();
    json(&said)["run"].as_str().expect("a run").to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON value")
}

fn show(consortium: &Consortium, run: &str) -> Value {
    json(&consortium.operate(&["run", "show", run, "--json"]).done())
}

fn until(consortium: &Consortium, run: &str, state: &str) {
    consortium.wait(&format!("the run is {state}"), |c| {
        let shown = show(c, run);
        let now = shown["state"].as_str().expect("a state").to_owned();
        assert!(
            now == state || !["released", "failed", "abandoned"].contains(&now.as_str()),
            "{shown}\n{}",
            c.logs()
        );
        now == state
    });
}

fn released(consortium: &Consortium, study: &str, run: &str) -> Value {
    until(consortium, run, "released");
    let out = consortium.path(&format!("{run}.release"));
    consortium
        .operate(&["release", "get", study, "--run", run, "--out", &out])
        .done();
    consortium
        .motet(&["release", "verify", &out, "--as", &consortium.operator()])
        .done();
    let mut report =
        json(&std::fs::read_to_string(format!("{out}/report.json")).expect("readable"));
    let fields = report.as_object_mut().expect("an object");
    let changes = |key: &str| {
        key.contains("study") || key.contains("run") || ["started", "finished"].contains(&key)
    };
    fields.retain(|key, _| !changes(key));
    assert_eq!(report["rows"], ROWS);
    report
}

/// Starts a run and holds it in a round: one site does not answer, the others do.
fn held_in_a_round(consortium: &mut Consortium, study: &str) -> String {
    consortium.node("va").signal("STOP");
    let run = start(consortium, study);
    consortium.wait("the round waits for va", |c| {
        let shown = show(c, &run);
        shown["phase"] != "" && shown["awaited"] == serde_json::json!(["va"])
    });
    run
}

/// The coordinator ends, its state is lost, and what is in the backup takes its place.
fn lose_and_restore(consortium: &mut Consortium, backup: &str) {
    consortium.coordinator = None;
    let (config, state) = (
        consortium.path("hub/coordinator.toml"),
        consortium.path("hub/state"),
    );
    std::fs::remove_dir_all(state).expect("removable");
    let said = consortium
        .motet(&["backup", "restore", backup, "--config", &config])
        .done();
    assert!(
        said.contains("abandoned") && said.contains("propose it anew"),
        "{said}"
    );
    consortium.start_coordinator();
}

#[test]
fn a_backup_of_a_running_coordinator_is_checked_lost_and_restored() {
    let mut consortium = three_hospitals();
    let run = start(&consortium, "heart-disease");
    until(&consortium, &run, "released");
    let (config, out) = (
        consortium.path("hub/coordinator.toml"),
        consortium.path("backup"),
    );
    consortium
        .motet(&["backup", "make", "--config", &config, "--out", &out])
        .done();
    assert!(
        !Path::new(&out).join("keys").exists(),
        "no key without being asked"
    );
    let again = consortium.motet(&["backup", "make", "--config", &config, "--out", &out]);
    assert_eq!(
        (again.code, again.err.contains("exists already")),
        (2, true),
        "{}",
        again.err
    );
    let checked = json(
        &consortium
            .motet(&["backup", "verify", &out, "--json"])
            .done(),
    );
    assert_eq!(checked["sound"], true, "{checked}");

    // Refused while a coordinator runs, and into a folder that holds anything.
    let running = consortium.motet(&["backup", "restore", &out, "--config", &config]);
    assert_eq!(
        (running.code, running.err.contains("running")),
        (1, true),
        "{}",
        running.err
    );
    let second = consortium.motet(&["coordinator", "--config", &config]);
    assert_eq!(
        (second.code, second.err.contains("running")),
        (1, true),
        "{}",
        second.err
    );
    consortium.coordinator = None;
    let filled = consortium.motet(&["backup", "restore", &out, "--config", &config]);
    assert_eq!(
        (filled.code, filled.err.contains("not empty")),
        (2, true),
        "{}",
        filled.err
    );

    lose_and_restore(&mut consortium, &out);
    released(&consortium, "heart-disease", &run);
    assert_eq!(
        consortium
            .operate(&["site", "list"])
            .done()
            .matches("verified")
            .count(),
        3
    );

    // One changed byte in the largest file is named.
    let ledger = Path::new(&out).join("ledger.sqlite");
    let mut bytes = std::fs::read(&ledger).expect("readable");
    *bytes.last_mut().expect("some") ^= 1;
    std::fs::write(&ledger, bytes).expect("writable");
    let said = consortium.motet(&["backup", "verify", &out]);
    assert_eq!(
        (said.code, said.err.contains("ledger.sqlite")),
        (1, true),
        "{}",
        said.err
    );
}

#[test]
fn keys_are_in_a_backup_only_when_asked_for_and_then_closed_to_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut consortium = Consortium::start(PROGRAM);
    let (config, out) = (
        consortium.path("hub/coordinator.toml"),
        consortium.path("backup"),
    );
    consortium
        .motet(&[
            "backup",
            "make",
            "--config",
            &config,
            "--out",
            &out,
            "--with-keys",
        ])
        .done();
    let keys = Path::new(&out).join("keys");
    let mut count = 0;
    for entry in std::fs::read_dir(&keys).expect("a folder") {
        let mode = entry
            .expect("a file")
            .metadata()
            .expect("metadata")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o600);
        count += 1;
    }
    assert_eq!(count, 6);
    // A machine that is gone: keys and state come back together.
    consortium.coordinator = None;
    for folder in ["hub/state", "hub/coordinator"] {
        std::fs::remove_dir_all(consortium.path(folder)).expect("removable");
    }
    consortium
        .motet(&["backup", "restore", &out, "--config", &config])
        .done();
    consortium.start_coordinator();
    std::fs::write(keys.join("log.key"), "00").expect("writable");
    let said = consortium.motet(&["backup", "verify", &out]);
    assert_eq!(
        (said.code, said.err.contains("log.key")),
        (1, true),
        "{}",
        said.err
    );
}

#[test]
fn a_round_that_was_open_in_a_backup_is_abandoned_and_the_next_run_gives_the_result() {
    let mut consortium = three_hospitals();
    let run = held_in_a_round(&mut consortium, "heart-disease");
    let (config, out) = (
        consortium.path("hub/coordinator.toml"),
        consortium.path("backup"),
    );
    consortium
        .motet(&["backup", "make", "--config", &config, "--out", &out])
        .done();
    lose_and_restore(&mut consortium, &out);
    until(&consortium, &run, "abandoned");
    let shown = consortium.operate(&["run", "show", &run]).done();
    assert!(shown.contains("backup"), "{shown}");
    consortium.node("va").signal("CONT");
    let next = start(&consortium, "heart-disease");
    released(&consortium, "heart-disease", &next);
}

#[test]
fn a_study_that_went_on_after_the_backup_is_refused_by_its_nodes_and_a_new_one_is_not() {
    let mut consortium = three_hospitals();
    let (config, out) = (
        consortium.path("hub/coordinator.toml"),
        consortium.path("backup"),
    );
    consortium
        .motet(&["backup", "make", "--config", &config, "--out", &out])
        .done();
    let run = start(&consortium, "heart-disease");
    until(&consortium, &run, "released");
    lose_and_restore(&mut consortium, &out);
    let again = start(&consortium, "heart-disease");
    consortium.wait("a node says that the log was forked", |c| {
        let told = c.desk("va", &["ledger", "show", "--json"]).out;
        told.contains("log_inconsistent") || c.logs().contains("log_inconsistent")
    });
    consortium.operate(&["run", "abandon", &again]);
    approved_again(&consortium, "heart-anew");
    let anew = start(&consortium, "heart-anew");
    released(&consortium, "heart-anew", &anew);
}

/// As [`approved`]; the question was asked of these patients before, and the stewards say yes all
/// the same.
fn approved_again(consortium: &Consortium, name: &str) {
    let file = consortium.path(&format!("{name}.toml"));
    let text =
        std::fs::read_to_string(consortium.path("heart-disease.toml")).expect("written before");
    std::fs::write(&file, text.replace("heart-disease", name)).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    for site in SITES {
        consortium.wait("the study has arrived", |c| {
            c.desk(site, &["study", "show", name]).code == 0
        });
        consortium
            .desk(site, &["study", "approve", name, "--again"])
            .done();
    }
    all_heard(consortium, name);
}

#[test]
fn everything_stopped_by_the_service_manager_during_a_round_goes_on_to_the_same_result() {
    let mut consortium = three_hospitals();
    let undisturbed = start(&consortium, "heart-disease");
    let due = released(&consortium, "heart-disease", &undisturbed);

    approved_again(&consortium, "heart-stopped");
    let run = held_in_a_round(&mut consortium, "heart-stopped");
    assert_eq!(
        consortium.node("cleveland").terminate(),
        Some(0),
        "a node that is told to stop ends well"
    );
    assert_eq!(
        consortium.hub().terminate(),
        Some(0),
        "and so does the coordinator"
    );
    consortium.kill_node("cleveland");
    consortium.start_coordinator();
    consortium.start_node("cleveland", &[]);
    consortium.node("va").signal("CONT");
    assert_eq!(released(&consortium, "heart-stopped", &run), due);
}

/// A small disk of its own for a folder that exists; what is in the folder is on it. Gone with this
/// value.
struct Disk {
    at: PathBuf,
    /// What fills it up.
    filler: PathBuf,
}

impl Disk {
    /// Nothing where this process may not mount; it then says so where no test harness hides it.
    fn below(folder: &str) -> Option<Self> {
        let at = PathBuf::from(folder);
        let aside = at.with_extension("aside");
        std::fs::rename(&at, &aside).expect("movable");
        std::fs::create_dir(&at).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", folder])
            .output();
        let why = match mounted {
            Ok(output) if output.status.success() => {
                let copied = Command::new("cp")
                    .arg("-a")
                    .arg(aside.join("."))
                    .arg(&at)
                    .status()
                    .expect("cp");
                assert!(copied.success(), "the folder is on its own disk");
                return Some(Self {
                    filler: at.join("filler"),
                    at,
                });
            }
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED, no disk is filled: a tmpfs cannot be mounted here: {why}"
        );
        None
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.filler)
            .expect("a file");
        for size in [1 << 16, 1 << 12, 1] {
            let zeros = vec![0; size];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(&self.filler).expect("removable");
    }

    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let done = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.at)
            .status()
            .expect("mount");
        assert!(done.success(), "{options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a failing test may have left processes on it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// A run whose round was never given up.
fn in_one_attempt(consortium: &Consortium, run: &str) {
    let log = std::fs::read_to_string(consortium.path("coordinator.log")).expect("readable");
    assert!(
        !log.contains("an attempt ended without a sum"),
        "{run}\n{log}"
    );
}

#[test]
fn a_coordinator_whose_disk_is_full_says_so_and_goes_on_without_a_restart() {
    let mut consortium = three_hospitals();
    consortium.coordinator = None;
    let state = consortium.path("hub/state");
    let Some(disk) = Disk::below(&state) else {
        return;
    };
    consortium.start_coordinator();
    consortium.wait("everybody is back", |c| {
        c.operate(&["site", "list"])
            .out
            .matches("connected")
            .count()
            >= 3
    });
    let run = held_in_a_round(&mut consortium, "heart-disease");
    disk.fill();
    consortium.node("va").signal("CONT");
    consortium.wait("the run says storage", |c| {
        show(c, &run)["code"] == "storage"
    });
    let shown = consortium.operate(&["run", "show", &run]).done();
    for part in ["storage: ", &state, "next try is at", "free space"] {
        assert!(shown.contains(part), "`{part}` is not in: {shown}");
    }
    let listed = consortium.operate(&["run", "list"]).done();
    assert!(listed.contains("storage"), "{listed}");
    let refused = consortium.operate(&["run", "abandon", &run]);
    assert_eq!(
        (refused.code, refused.err.contains("storage")),
        (3, true),
        "{}",
        refused.err
    );
    disk.free();
    released(&consortium, "heart-disease", &run);
    in_one_attempt(&consortium, &run);
    assert_eq!(
        consortium.hub().0.try_wait().expect("a child"),
        None,
        "the same process went on"
    );
    consortium.operate(&["ledger", "verify"]).done();

    // A disk that cannot be written at all is named at the start, and nothing on it changes.
    assert_eq!(consortium.hub().terminate(), Some(0));
    consortium.coordinator = None;
    disk.remount("ro");
    let ledger = std::fs::read(disk.at.join("ledger.sqlite")).expect("readable");
    let said = consortium.motet(&[
        "coordinator",
        "--config",
        &consortium.path("hub/coordinator.toml"),
    ]);
    assert_eq!(
        (said.code, said.err.contains(&state)),
        (1, true),
        "{}",
        said.err
    );
    assert!(
        said.err
            .contains("check that the disk has room and that this user may write there"),
        "{}",
        said.err
    );
    assert_eq!(
        std::fs::read(disk.at.join("ledger.sqlite")).expect("readable"),
        ledger
    );
    disk.remount("rw");
    consortium.start_coordinator();
    assert!(
        consortium
            .operate(&["run", "list"])
            .done()
            .contains("released")
    );
}

#[test]
fn a_node_whose_disk_is_full_is_silent_and_goes_on_without_a_restart() {
    let mut consortium = three_hospitals();
    consortium.kill_node("va");
    let Some(disk) = Disk::below(&consortium.path("va")) else {
        return;
    };
    consortium.start_node("va", &[]);
    consortium.wait("everybody is back", |c| {
        c.operate(&["site", "list"])
            .out
            .matches("connected")
            .count()
            >= 3
    });
    let run = held_in_a_round(&mut consortium, "heart-disease");
    disk.fill();
    consortium.node("va").signal("CONT");
    let log = consortium.path("va.log");
    let said = |word: &str| {
        std::fs::read_to_string(&log)
            .expect("readable")
            .matches(word)
            .count()
    };
    consortium.wait("the node says what is wrong", |_| said(" storage: ") > 0);
    assert_eq!(
        show(&consortium, &run)["awaited"],
        serde_json::json!(["va"]),
        "nothing was said that is not on disk"
    );
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(
        said(" storage: "),
        1,
        "it says so once\n{}",
        consortium.logs()
    );
    disk.free();
    released(&consortium, "heart-disease", &run);
    in_one_attempt(&consortium, &run);
    assert_eq!(
        (said("attempt-lost"), said(" mended: ")),
        (0, 1),
        "{}",
        consortium.logs()
    );
    assert_eq!(
        consortium.node("va").0.try_wait().expect("a child"),
        None,
        "the same process went on"
    );
    consortium.desk("va", &["ledger", "verify"]).done();

    assert_eq!(consortium.node("va").terminate(), Some(0));
    consortium.kill_node("va");
    disk.remount("ro");
    let said = consortium.desk("va", &["run"]);
    assert_eq!(
        (said.code, said.err.contains(&consortium.path("va"))),
        (1, true),
        "{}",
        said.err
    );
    disk.remount("rw");
}
