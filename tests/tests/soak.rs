//! A consortium under a fault every few seconds: processes killed, stopped and told to end, lines
//! cut and dark. Every run gives the undisturbed result, bit for bit; ledgers are sound; what runs
//! all the time holds on to nothing.
//!
//! `MOTET_SOAK_S=1800 cargo test -p motet-tests --test soak -- --nocapture` takes half an hour;
//! `MOTET_SEED` draws other faults.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use motet_tests::proxy::{Faults, Proxy};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
/// Studies at the same time.
const AT_ONCE: u32 = 2;
/// Every line is cut this often, as by a proxy with a limit.
const CUT_EVERY: Duration = Duration::from_secs(20);
/// A run under faults takes seconds; one that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(240);
/// Samples of a third of the time before the mean of open files says anything ..
const ENOUGH: usize = 8;
/// .. and that of the memory, which is freed and taken in large pieces.
const MANY: usize = 20;
/// KiB by which a process may grow for a study that is over: its text, its roster, its row in a
/// list, and what the allocator and the database's cache have not given back.
const KEPT_KIB: f64 = 70.0;

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

struct Soak {
    consortium: Consortium,
    proxies: Vec<Proxy>,
    rng: ChaCha20Rng,
    faults: [u32; 6],
    /// Whether the coordinator may still be killed: from then on its memory is watched.
    young: bool,
}

/// Resident memory in KiB and open files of a process; these only where an administrator looks,
/// since our programs are closed to their own user.
fn weight(id: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("its memory");
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .expect("a number");
    let files = match std::fs::read_dir(format!("/proc/{id}/fd")) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => 0,
        files => files.expect("it runs").count(),
    };
    (kib, files as f64)
}

impl Soak {
    fn new() -> Self {
        let mut consortium = Consortium::start(PROGRAM);
        consortium.set_lease("120s");
        let mut proxies = Vec::new();
        for site in SITES {
            let faults = Faults {
                cut_every: Some(CUT_EVERY),
                ..Faults::default()
            };
            let proxy = Proxy::start(&consortium.address(), faults).expect("a free port");
            let csv = demo_file(&format!("heart/{site}.csv"));
            let schema = demo_file("heart/schema.toml");
            consortium.add_site_behind(site, &proxy.address, "heart", &csv, &schema);
            consortium.start_node(site, &[]);
            proxies.push(proxy);
        }
        let rng = ChaCha20Rng::seed_from_u64(number("MOTET_SEED", 1));
        Self {
            consortium,
            proxies,
            rng,
            faults: [0; 6],
            young: true,
        }
    }

    fn below(&mut self, end: u64) -> u64 {
        self.rng.next_u64() % end
    }

    /// One fault. The first site's process and, after a while, the coordinator's live on: theirs is
    /// the memory that is watched.
    fn fault(&mut self) {
        let kind = self.below(if self.young { 6 } else { 5 }) as usize;
        let mortal = 1 + self.below(SITES.len() as u64 - 1) as usize;
        let any = self.below(SITES.len() as u64) as usize;
        let pause = Duration::from_millis(200 + self.below(3_000));
        let (Some(dying), Some(struck)) = (SITES.get(mortal), SITES.get(any)) else {
            return;
        };
        match kind {
            0 => {
                self.consortium.kill_node(dying);
                self.consortium.start_node(dying, &[]);
            }
            1 => {
                self.consortium.node(dying).terminate();
                self.consortium.kill_node(dying);
                std::thread::sleep(pause);
                self.consortium.start_node(dying, &[]);
            }
            2 => {
                self.consortium.node(struck).signal("STOP");
                std::thread::sleep(pause);
                self.consortium.node(struck).signal("CONT");
            }
            3 => {
                let proxy = self.proxies.get(any).expect("one a site");
                proxy.go_dark(true);
                std::thread::sleep(pause);
                proxy.go_dark(false);
            }
            4 => {
                self.consortium.hub().signal("STOP");
                std::thread::sleep(pause);
                self.consortium.hub().signal("CONT");
            }
            _ => {
                self.consortium.coordinator = None;
                std::thread::sleep(pause / 4);
                self.consortium.start_coordinator();
            }
        }
        if let Some(count) = self.faults.get_mut(kind) {
            *count += 1;
        }
    }

    /// Studies at the same time, with a fault every few seconds until all are released.
    fn turn(&mut self, names: &[String], is_disturbed: bool) -> Vec<Value> {
        for name in names {
            self.consortium.propose_patient(name, &SITES);
        }
        for name in names {
            self.consortium.operate(&["run", "start", name]).done();
        }
        let start = Instant::now();
        while !names.iter().all(|name| self.consortium.is_released(name)) {
            assert!(
                start.elapsed() < STUCK,
                "{names:?} hang\n{}",
                self.consortium.logs()
            );
            let pause = 300 + self.below(2_500);
            std::thread::sleep(Duration::from_millis(pause));
            if is_disturbed {
                self.fault();
            }
        }
        names
            .iter()
            .map(|name| self.consortium.figures(name))
            .collect()
    }
}

/// How much the mean of the last third lies above that of the middle third.
fn growth(samples: &[f64]) -> f64 {
    let third = samples.len() / 3;
    if third == 0 {
        return 0.0;
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (middle, last) = (samples.get(third..2 * third), samples.get(2 * third..));
    middle
        .zip(last)
        .map_or(0.0, |(middle, last)| mean(last) - mean(middle))
}

#[test]
fn a_fault_every_few_seconds_loses_nothing_and_counts_nothing_twice() {
    let patience = Duration::from_secs(number("MOTET_SOAK_S", 40));
    let mut soak = Soak::new();
    let due = soak.turn(&["undisturbed".to_owned()], false);
    let due = due.first().expect("one result");
    let start = Instant::now();
    let (mut turn, mut samples) = (0, Vec::new());
    while start.elapsed() < patience {
        turn += 1;
        soak.young = start.elapsed() < patience / 3;
        let names: Vec<String> = (1..=AT_ONCE).map(|n| format!("soak-{turn}-{n}")).collect();
        for (name, result) in names.iter().zip(soak.turn(&names, true)) {
            assert_eq!(&result, due, "{name}");
        }
        if !soak.young {
            let (hub, node) = (
                soak.consortium.hub().0.id(),
                soak.consortium.node("cleveland").0.id(),
            );
            samples.push([weight(hub), weight(node)]);
        }
    }
    soak.consortium.operate(&["ledger", "verify"]).done();
    let rounds = due.get("rounds").and_then(Value::as_u64).expect("rounds") as usize;
    let sums = rounds * (turn * AT_ONCE + 1) as usize;
    for site in SITES {
        assert_eq!(
            soak.consortium.contributions(site, SITES.len()),
            sums,
            "sums that {site} is in, by its own ledger"
        );
    }
    println!("{sums} sums, every site in each of them once");
    let [kills, ends, stops, darks, waits, restarts] = soak.faults;
    println!(
        "{turn} turns of {AT_ONCE} studies in {} s: {kills} nodes killed, {ends} told to end, {stops} stopped for a while, \
         {darks} lines dark, the coordinator stopped for a while {waits} times and killed {restarts} times; {} cuts",
        start.elapsed().as_secs(),
        soak.proxies.iter().map(Proxy::cuts).sum::<u64>()
    );
    for (at, who) in ["coordinator", "node"].iter().enumerate() {
        let of = |pick: fn(&(f64, f64)) -> f64| -> Vec<f64> {
            samples
                .iter()
                .filter_map(|sample| sample.get(at))
                .map(pick)
                .collect()
        };
        let (memory, files) = (of(|weight| weight.0 / 1024.0), of(|weight| weight.1));
        let ends = |samples: &[f64]| {
            samples
                .first()
                .copied()
                .zip(samples.last().copied())
                .unwrap_or_default()
        };
        let third = samples.len() / 3;
        let kept = growth(&memory) * 1024.0 / (third.max(1) * AT_ONCE as usize) as f64;
        println!(
            "{who}: memory {:.1?} MiB, grown by {:.2} MiB from the middle third to the last, {kept:.0} KiB a study; open \
             files {:?}, grown by {:.1}",
            ends(&memory),
            growth(&memory),
            ends(&files),
            growth(&files)
        );
        if third >= MANY {
            assert!(kept < KEPT_KIB, "{who} keeps studies that are over");
        }
        if third >= ENOUGH {
            assert!(growth(&files) < 4.0, "{who} holds on to files");
        }
    }
}
