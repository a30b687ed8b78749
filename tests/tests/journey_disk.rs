//! What lies in a state folder, with real processes: uploads go when they are not needed, one process has a folder, and a damaged
//! file of one study stops no other.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use std::fs;
use std::path::{Path, PathBuf};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];

fn three_hospitals() -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("60s");
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    consortium
}

fn is_released(consortium: &Consortium, study: &str) -> bool {
    let runs = consortium.operate(&["run", "list", study]).out;
    assert!(!runs.contains("failed"), "{runs}\n{}", consortium.logs());
    runs.contains("released")
}

/// Every blob below a folder; none where there is none yet.
fn blobs(folder: &str) -> Vec<PathBuf> {
    let names = |at: &Path| -> Vec<PathBuf> {
        fs::read_dir(at).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
    };
    let mut all: Vec<PathBuf> =
        names(&Path::new(folder).join("blobs")).iter().flat_map(|at| names(at)).collect();
    all.retain(|path| path.extension().is_none());
    all.sort();
    all
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(path, bytes).expect("writable");
}

#[test]
fn uploads_behind_a_sum_go_when_the_next_one_is_released() {
    let consortium = three_hospitals();
    consortium.propose_patient("spools", &SITES);
    let spools = consortium.path("hub/state/spools/spools");
    let count = || fs::read_dir(&spools).map_or(0, Iterator::count);
    consortium.operate(&["run", "start", "spools"]).done();
    let most = std::cell::Cell::new(0);
    consortium.wait("the run is released", |c| {
        for _ in 0..40 {
            most.set(count().max(most.get()));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        is_released(c, "spools")
    });
    // Ten rounds: at any moment those of the latest sum, and of the attempt under way.
    assert!((1..=2 * SITES.len()).contains(&most.get()), "{} uploads at once", most.get());
    assert_eq!(count(), SITES.len(), "those of the last sum stay for a week");
}

#[test]
fn no_second_process_has_a_folder_whatever_is_deleted_in_it() {
    let mut consortium = three_hospitals();
    for lock in ["hub/state/run.lock", "cleveland/run.lock"] {
        let _ = fs::remove_file(consortium.path(lock));
    }
    let second = consortium.desk("cleveland", &["run"]);
    assert_eq!((second.code, second.err.contains("running")), (1, true), "{}", second.err);
    let config = consortium.path("hub/coordinator.toml");
    let (other, address) = (consortium.path("hub/other.toml"), consortium.address());
    let text = fs::read_to_string(config).expect("readable");
    fs::write(&other, text.replace(&format!("listen = \"{address}\""), "listen = \"127.0.0.1:0\""))
        .expect("writable");
    let second = consortium.motet(&["coordinator", "--config", &other]);
    assert_eq!((second.code, second.err.contains("running")), (1, true), "{}", second.err);
    // The desk goes on beside the daemon.
    consortium.desk("cleveland", &["status"]).done();

    // A process whose folder is taken from under it ends and says why, before it writes into another.
    let (state, away) = (consortium.path("hub/state"), consortium.path("hub/away"));
    fs::rename(&state, &away).expect("movable");
    assert!(consortium.hub().ends_within(motet_tests::consortium::PATIENCE), "{}", consortium.logs());
    let log = fs::read_to_string(consortium.path("coordinator.log")).expect("readable");
    assert!(log.contains("was moved or replaced") && log.contains("start it again"), "{log}");
    fs::rename(&away, &state).expect("movable");
    consortium.start_coordinator();
}

#[test]
fn a_damaged_sum_is_fetched_again_by_its_site_and_stops_one_study_at_the_coordinator() {
    let mut consortium = three_hospitals();
    // In mid-run: va does not answer, the others do.
    consortium.propose_patient("damaged", &SITES);
    consortium.operate(&["run", "start", "damaged"]).done();
    consortium.wait("a few sums of it", |c| blobs(&c.path("cleveland/ledger")).len() >= 3);
    consortium.node("va").signal("STOP");
    consortium.kill_node("cleveland");
    let own = blobs(&consortium.path("cleveland/ledger"));
    flip(&own[0]);
    fs::remove_file(&own[1]).expect("removable");
    let verified = consortium.desk("cleveland", &["ledger", "verify"]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    let name = own[0].file_name().and_then(|name| name.to_str()).expect("hexadecimal");
    assert!(verified.out.contains(name), "the file is named: {}", verified.out);
    consortium.start_node("cleveland", &[]);
    consortium.node("va").signal("CONT");
    consortium.wait("the run is released", |c| is_released(c, "damaged"));
    consortium.propose_patient("undisturbed", &SITES);
    consortium.operate(&["run", "start", "undisturbed"]).done();
    consortium.wait("the run is released", |c| is_released(c, "undisturbed"));
    assert_eq!(consortium.figures("damaged"), consortium.figures("undisturbed"));
    let log = fs::read_to_string(consortium.path("cleveland.log")).expect("readable");
    assert!(log.contains("blob-damaged") && log.contains("blob-mended"), "{log}");
    consortium.desk("cleveland", &["ledger", "verify"]).done();

    // The coordinator's own is not believed either, and the other study is there.
    consortium.coordinator = None;
    let hub = blobs(&consortium.path("hub/state"));
    let shared =
        hub.iter().find(|blob| own.iter().any(|own| own.file_name() == blob.file_name())).expect("a sum");
    // A chain does not show that a file is gone which an entry names; the command does.
    let (whole, config) = (fs::read(shared).expect("readable"), consortium.path("hub/coordinator.toml"));
    fs::remove_file(shared).expect("removable");
    let verified = consortium.motet(&["ledger", "verify", "--config", &config]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    assert!(verified.out.contains(name_of(shared)), "the file is named: {}", verified.out);
    fs::write(shared, whole).expect("writable");
    consortium.motet(&["ledger", "verify", "--config", &config]).done();
    flip(shared);
    consortium.start_coordinator();
    let refused = consortium.operate(&["run", "start", "damaged"]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(refused.err.contains("set aside") && refused.err.contains(name_of(shared)), "{}", refused.err);
    consortium.propose_patient("other", &SITES);
    consortium.operate(&["run", "start", "other"]).done();
    consortium.wait("the other run is released", |c| is_released(c, "other"));
    // It has the very same sums, and what is kept once more is whole again.
    consortium.coordinator = None;
    consortium.start_coordinator();
    assert!(is_released(&consortium, "damaged"));
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("hexadecimal")
}
