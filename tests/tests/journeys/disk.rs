//! What lies in a state folder, with real processes: uploads go when they are not needed, one
//! process has a folder, a damaged file of one study stops no other, and a large record leaves in
//! little memory.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, PATIENCE, Process, demo_file};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];
/// A record of 64 MiB, which is twice as much text: entries of one size, in turns.
const ENTRY: usize = 1 << 18;
const TURN: u8 = 32;
const TURNS: u64 = 8;
/// MiB that a process may hold whose record is larger: what it takes at rest, and some entries on
/// their way.
const MOST: u64 = 60;
/// So long stands who takes it: a coordinator that read on would have read most of it.
const STANDS: Duration = Duration::from_secs(6);

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
        fs::read_dir(at)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()
    };
    let mut all: Vec<PathBuf> = names(&Path::new(folder).join("blobs"))
        .iter()
        .flat_map(|at| names(at))
        .collect();
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
    assert!(
        (1..=2 * SITES.len()).contains(&most.get()),
        "{} uploads at once",
        most.get()
    );
    assert_eq!(
        count(),
        SITES.len(),
        "those of the last sum stay for a week"
    );
}

#[test]
fn no_second_process_has_a_folder_whatever_is_deleted_in_it() {
    let mut consortium = three_hospitals();
    for lock in ["hub/state/run.lock", "cleveland/run.lock"] {
        let _ = fs::remove_file(consortium.path(lock));
    }
    is_refused(&["node", "run", "--dir", &consortium.path("cleveland")]);
    let config = consortium.path("hub/coordinator.toml");
    let (other, address) = (consortium.path("hub/other.toml"), consortium.address());
    let text = fs::read_to_string(config).expect("readable");
    fs::write(
        &other,
        text.replace(
            &format!("listen = \"{address}\""),
            "listen = \"127.0.0.1:0\"",
        ),
    )
    .expect("writable");
    is_refused(&["coordinator", "--config", &other]);
    // The desk goes on beside the daemon.
    consortium.desk("cleveland", &["status"]).done();

    // A process whose folder is taken from under it ends and says why, before it writes into
    // another.
    let (state, away) = (consortium.path("hub/state"), consortium.path("hub/away"));
    fs::rename(&state, &away).expect("movable");
    assert!(
        consortium.hub().ends_within(PATIENCE),
        "{}",
        consortium.logs()
    );
    let log = fs::read_to_string(consortium.path("coordinator.log")).expect("readable");
    assert!(
        log.contains("was moved or replaced") && log.contains("start it again"),
        "{log}"
    );
    fs::rename(&away, &state).expect("movable");
    consortium.start_coordinator();
}

#[test]
fn a_damaged_sum_is_fetched_again_by_its_site_and_stops_one_study_at_the_coordinator() {
    let mut consortium = three_hospitals();
    // In mid-run: va does not answer, the others do.
    consortium.propose_patient("damaged", &SITES);
    consortium.operate(&["run", "start", "damaged"]).done();
    consortium.wait("a few sums of it", |c| {
        blobs(&c.path("cleveland/ledger")).len() >= 3
    });
    consortium.node("va").signal("STOP");
    consortium.kill_node("cleveland");
    let own = blobs(&consortium.path("cleveland/ledger"));
    flip(&own[0]);
    fs::remove_file(&own[1]).expect("removable");
    let verified = consortium.desk("cleveland", &["ledger", "verify"]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    let name = own[0]
        .file_name()
        .and_then(|name| name.to_str())
        .expect("hexadecimal");
    assert!(
        verified.out.contains(name),
        "the file is named: {}",
        verified.out
    );
    consortium.start_node("cleveland", &[]);
    consortium.node("va").signal("CONT");
    consortium.wait("the run is released", |c| is_released(c, "damaged"));
    consortium.propose_patient("undisturbed", &SITES);
    consortium.operate(&["run", "start", "undisturbed"]).done();
    consortium.wait("the run is released", |c| is_released(c, "undisturbed"));
    assert_eq!(
        consortium.figures("damaged"),
        consortium.figures("undisturbed")
    );
    let log = fs::read_to_string(consortium.path("cleveland.log")).expect("readable");
    assert!(
        log.contains("blob-damaged") && log.contains("blob-mended"),
        "{log}"
    );
    consortium.desk("cleveland", &["ledger", "verify"]).done();

    // The coordinator's own is not believed either, and the other study is there.
    consortium.coordinator = None;
    let hub = blobs(&consortium.path("hub/state"));
    let shared = hub
        .iter()
        .find(|blob| own.iter().any(|own| own.file_name() == blob.file_name()))
        .expect("a sum");
    // A chain does not show that a file is gone which an entry names; the command does.
    let (whole, config) = (
        fs::read(shared).expect("readable"),
        consortium.path("hub/coordinator.toml"),
    );
    fs::remove_file(shared).expect("removable");
    let verified = consortium.motet(&["ledger", "verify", "--config", &config]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    assert!(
        verified.out.contains(name_of(shared)),
        "the file is named: {}",
        verified.out
    );
    fs::write(shared, whole).expect("writable");
    consortium
        .motet(&["ledger", "verify", "--config", &config])
        .done();
    flip(shared);
    consortium.start_coordinator();
    let refused = consortium.operate(&["run", "start", "damaged"]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(
        refused.err.contains("set aside") && refused.err.contains(name_of(shared)),
        "{}",
        refused.err
    );
    consortium.propose_patient("other", &SITES);
    consortium.operate(&["run", "start", "other"]).done();
    consortium.wait("the other run is released", |c| is_released(c, "other"));
    // It has the very same sums, and what is kept once more is whole again.
    consortium.coordinator = None;
    consortium.start_coordinator();
    assert!(is_released(&consortium, "damaged"));
}

#[test]
fn a_sum_that_is_damaged_at_the_coordinator_breaks_no_connection_and_stops_one_study() {
    let mut consortium = Consortium::start(PROGRAM);
    let sites = ["cleveland", "hungarian", "switzerland", "va"];
    for site in sites {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    let file = consortium.path("damaged.toml");
    let text = fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    fs::write(&file, text.replace("heart-disease", "damaged")).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    sites
        .iter()
        .for_each(|site| consortium.approve(site, "damaged"));
    // One site is away and will have to fetch every sum.
    consortium.kill_node("va");
    consortium
        .operate(&["run", "start", "damaged", "--without-undecided"])
        .done();
    consortium.wait("the run is released", |c| is_released(c, "damaged"));
    blobs(&consortium.path("hub/state"))
        .iter()
        .for_each(|blob| flip(blob));
    let log = consortium.path("va.log");
    fs::write(&log, "").expect("writable");
    consortium.start_node("va", &[]);
    let said = || fs::read_to_string(&log).expect("readable");
    consortium.wait("the site says what it was told", |_| {
        said().contains("is damaged or missing")
    });
    // The first sum was without it, and so its stewards say so.
    consortium.propose_patient("other", &[]);
    sites
        .iter()
        .for_each(|site| consortium.approve_again(site, "other", ""));
    consortium.operate(&["run", "start", "other"]).done();
    consortium.wait("the other run is released", |c| is_released(c, "other"));
    assert!(
        consortium.contributions("va", sites.len()) > 0,
        "{}",
        consortium.logs()
    );
    let said = said();
    assert_eq!(
        (
            said.matches(" connected: ").count(),
            said.contains(" away: ")
        ),
        (1, false),
        "{said}"
    );
    assert!(said.contains("a release is not followed"), "{said}");
}

/// A daemon that must not begin: the folder is another's. One that begins all the same does not
/// hang the test.
fn is_refused(args: &[&str]) {
    let child = Command::new(PROGRAM)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut second = Process(child.expect("the program starts"));
    assert!(
        second.ends_within(PATIENCE),
        "a second process runs on one folder: {args:?}"
    );
    let mut said = String::new();
    second
        .0
        .stderr
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    let code = second.0.wait().expect("a child").code();
    assert_eq!((code, said.contains("running")), (Some(1), true), "{said}");
}

/// The most memory that a process has held so far, in MiB; nothing where the system does not say.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[test]
fn a_large_record_is_exported_in_little_memory_at_either_end() {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.coordinator = None;
    let state = PathBuf::from(consortium.path("hub/state"));
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    runtime.block_on(async {
        let ledger = motet_ledger::Ledger::open(&state)
            .await
            .expect("init made it");
        let entries: Vec<Vec<u8>> = (0..TURN).map(|byte| vec![byte; ENTRY]).collect();
        for turn in 0..TURNS {
            ledger
                .append_many("years/of/studies", turn * u64::from(TURN), &entries)
                .await
                .expect("room");
        }
        ledger.close().await;
    });
    consortium.start_coordinator();
    let hub = consortium.hub().0.id();
    if peak(hub).is_none() {
        eprintln!("SKIPPED: this system does not say how much memory a process has held");
        return;
    }
    let (file, operator) = (consortium.path("export.jsonl"), consortium.operator());
    let line = ["ledger", "export", &file, "--as", &operator];
    let mut command = Process(
        Command::new(PROGRAM)
            .args(line)
            .stdin(Stdio::null())
            .spawn()
            .expect("starts"),
    );
    // Whoever takes it may stop for a while: the coordinator does not read on meanwhile.
    consortium.wait("it has begun", |_| {
        fs::metadata(&file).is_ok_and(|begun| begun.len() > 0)
    });
    command.signal("STOP");
    std::thread::sleep(STANDS);
    command.signal("CONT");
    let (start, mut desk) = (Instant::now(), 0);
    let ended = loop {
        // It only rises, until the process has ended.
        desk = peak(command.0.id()).unwrap_or(0).max(desk);
        if let Some(ended) = command.0.try_wait().expect("a child") {
            break ended;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "the export does not end\n{}",
            consortium.logs()
        );
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success());
    let exported = fs::metadata(&file).expect("exported").len() >> 20;
    let coordinator = peak(hub).expect("it was told before");
    println!(
        "{exported} MiB exported: {coordinator} MiB at the coordinator, {desk} MiB at the desk"
    );
    assert!(
        exported > 2 * MOST && desk > 0,
        "{exported} MiB say nothing about {MOST}"
    );
    assert!(
        coordinator < MOST && desk < MOST,
        "{coordinator} MiB at the coordinator, {desk} at the desk"
    );
    consortium.motet(&["ledger", "verify", &file]).done();
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .expect("hexadecimal")
}
