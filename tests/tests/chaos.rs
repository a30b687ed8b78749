//! Processes killed and stopped at any moment while an exact fit, trees and an average are computed
//! at once. Every run is released; fit and trees are bit for bit those of a copy of the same
//! consortium that nobody disturbed, and every sum of the average is the one its uploads give, with
//! every site in it once.
//!
//! `MOTET_CHAOS=281 cargo test -p motet-tests --test chaos -- --nocapture` goes on until that many
//! were killed; `MOTET_SEED` draws other moments.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
const KINDS: [(&str, &str); 3] = [
    ("logistic", ""),
    ("gbdt", "kind = \"gbdt\"\ntrees = 4\ndepth = 2\n"),
    (
        "fedavg",
        "kind = \"fedavg\"\nrounds = 8\nbatch = 0\nlr = 0.1\n",
    ),
];
/// Kills in the short form, and in one turn of the long one.
const KILLS: u64 = 10;
/// A run under faults takes seconds; one that takes this long is stuck.
const STUCK: Duration = Duration::from_secs(240);

fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a number"))
}

/// The study of one kind, with phases long enough for a process to come back.
fn study(id: &str, recipe: &str) -> String {
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    let (head, rest) = text.split_once("[recipe]\n").expect("a recipe");
    let (own, tail) = rest
        .split_once("\n[privacy]")
        .expect("limits after the recipe");
    let recipe = if recipe.is_empty() { own } else { recipe };
    let patient = ["join", "share", "sign", "reveal", "upload"]
        .into_iter()
        .fold(tail.to_owned(), |tail, phase| {
            let lines = tail.lines().map(|line| {
                if line.starts_with(&format!("{phase} = ")) {
                    format!("{phase} = \"120s\"\n")
                } else {
                    format!("{line}\n")
                }
            });
            lines.collect()
        });
    let mut head = head.replace("heart-disease", id);
    if recipe.contains("gbdt") {
        // Trees part who lacks a value, and some columns lack them at two hospitals only.
        let all = ["trestbps", "chol", "fbs", "thalach", "exang", "oldpeak"];
        let known = all.map(|column| format!("{column} >= 0 and ")).concat();
        let level = "(restecg == \"0\" or restecg != \"0\")";
        head = head.replace("[data]\n", &format!("[data]\nfilter = '{known}{level}'\n"));
        // And cholesterol is 0 for all of one hospital, which a split would tell.
        head = head.replace("\"chol\", ", "");
    }
    format!("{head}[recipe]\n{recipe}\n[privacy]{patient}")
}

struct Chaos {
    consortium: Consortium,
    rng: ChaCha20Rng,
    faults: u64,
    kills: u64,
    stops: u64,
}

impl Chaos {
    fn below(&mut self, end: u64) -> u64 {
        self.rng.next_u64() % end
    }

    fn sleep(&mut self, most_ms: u64) {
        let pause = self.below(most_ms);
        std::thread::sleep(Duration::from_millis(pause));
    }

    /// Nobody, or a site: the coordinator is one of five.
    fn victim(&mut self) -> Option<&'static str> {
        let which = self.below(SITES.len() as u64 + 1) as usize;
        SITES.get(which).copied()
    }

    fn end(&mut self, victim: Option<&str>) {
        self.kills += 1;
        match victim {
            Some(site) => self.consortium.kill_node(site),
            None => self.consortium.coordinator = None,
        }
    }

    fn start(&mut self, victim: Option<&str>) {
        match victim {
            Some(site) => self.consortium.start_node(site, &[]),
            None => self.consortium.start_coordinator(),
        }
    }

    /// One or two processes are killed and come back, or one stands still for a while.
    fn fault(&mut self) {
        let (first, second) = (self.victim(), self.victim());
        self.faults += 1;
        if self.faults % 4 == 2 {
            self.stops += 1;
            let signal = |chaos: &mut Self, name: &str| match first {
                Some(site) => chaos.consortium.node(site).signal(name),
                None => chaos.consortium.hub().signal(name),
            };
            signal(self, "STOP");
            self.sleep(1_000);
            signal(self, "CONT");
            return;
        }
        let both = first != second && self.below(3) == 0;
        self.end(first);
        if both {
            self.end(second);
        }
        self.sleep(400);
        self.start(first);
        if both {
            self.start(second);
        }
    }

    /// Three studies, all at once, here under faults and in a copy without: what each gave.
    fn turn(&mut self, turn: u64, until: u64) {
        let ids: Vec<String> = KINDS
            .iter()
            .map(|(kind, _)| format!("{kind}-{turn}"))
            .collect();
        for (id, (_, recipe)) in ids.iter().zip(KINDS) {
            let file = self.consortium.path(&format!("{id}.toml"));
            std::fs::write(&file, study(id, recipe)).expect("writable");
            self.consortium.operate(&["study", "propose", &file]).done();
            SITES
                .iter()
                .for_each(|site| self.consortium.approve(site, id));
        }
        let mut twin = self.consortium.twin();
        twin.start_all(&SITES);
        ids.iter()
            .for_each(|id| drop(twin.operate(&["run", "start", id]).done()));
        twin.wait("the undisturbed runs are released", |twin| {
            ids.iter().all(|id| twin.is_released(id))
        });
        let due: Vec<Outcome> = ids.iter().map(|id| Outcome::of(&twin, id)).collect();
        drop(twin);

        self.consortium.start_all(&SITES);
        ids.iter()
            .for_each(|id| drop(self.consortium.operate(&["run", "start", id]).done()));
        let start = Instant::now();
        while !ids.iter().all(|id| self.consortium.is_released(id)) {
            assert!(
                start.elapsed() < STUCK,
                "{ids:?} hang\n{}",
                self.consortium.logs()
            );
            if self.kills < until {
                self.sleep(500);
                self.fault();
            } else {
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        for (id, due) in ids.iter().zip(due) {
            let got = Outcome::of(&self.consortium, id);
            assert_eq!(got.rounds, due.rounds, "{id}: rounds");
            if !id.starts_with("fedavg") {
                assert_eq!(got, due, "{id} is not what the undisturbed copy gives");
            }
            // From the uploads themselves: each sum, and that each state follows from it.
            self.consortium
                .operate(&["ledger", "verify", "--recompute", &got.run])
                .done();
        }
    }
}

/// What a release says, without what names the run or tells the time.
#[derive(Debug)]
struct Outcome {
    run: String,
    rounds: u64,
    state_root: Value,
    figures: Value,
    model: Vec<u8>,
}

/// The run has another name in the copy.
impl PartialEq for Outcome {
    fn eq(&self, other: &Self) -> bool {
        let parts = |outcome: &Self| {
            (
                outcome.rounds,
                outcome.state_root.clone(),
                outcome.figures.clone(),
                outcome.model.clone(),
            )
        };
        parts(self) == parts(other)
    }
}

impl Outcome {
    fn of(consortium: &Consortium, study: &str) -> Self {
        let out = consortium.path(&format!("{study}.checked"));
        consortium
            .operate(&["release", "get", study, "--out", &out])
            .done();
        consortium
            .motet(&["release", "verify", &out, "--as", &consortium.operator()])
            .done();
        let text = std::fs::read_to_string(format!("{out}/manifest.json")).expect("readable");
        let manifest: BTreeMap<String, Value> = serde_json::from_str(&text).expect("valid JSON");
        let model = std::fs::read(format!("{out}/model.safetensors")).expect("readable");
        // Behind the header: that names the run.
        let header = model
            .first_chunk()
            .map_or(0, |length| u64::from_le_bytes(*length)) as usize;
        std::fs::remove_dir_all(out).expect("removable");
        let figures = consortium.figures(study);
        Self {
            run: manifest
                .get("run")
                .and_then(Value::as_str)
                .expect("a run")
                .to_owned(),
            rounds: figures
                .get("rounds")
                .and_then(Value::as_u64)
                .expect("rounds"),
            state_root: manifest.get("state_root").expect("a state").clone(),
            figures,
            model: model.get(8 + header..).expect("tensors").to_vec(),
        }
    }
}

#[test]
fn whatever_is_killed_or_stopped_runs_release_what_an_undisturbed_copy_releases() {
    let (wanted, seed) = (number("MOTET_CHAOS", KILLS), number("MOTET_SEED", 1));
    println!("MOTET_SEED={seed}");
    let mut consortium = Consortium::start(PROGRAM);
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    // Every sum can be made again at the end, and nobody is given up who comes back within two
    // minutes.
    let config = consortium.path("hub/coordinator.toml");
    let text = std::fs::read_to_string(&config).expect("init wrote it");
    let rest: String = text
        .lines()
        .filter(|line| !line.starts_with("retain_uploads_days"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&config, format!("retain_uploads_days = 1\n{rest}")).expect("writable");
    consortium.set_lease("120s");
    let mut chaos = Chaos {
        consortium,
        rng: ChaCha20Rng::seed_from_u64(seed),
        faults: 0,
        kills: 0,
        stops: 0,
    };
    let mut turn = 0;
    while turn == 0 || chaos.kills < wanted {
        turn += 1;
        let until = wanted.min(chaos.kills + KILLS);
        chaos.turn(turn, until);
        println!(
            "turn {turn}: {} killed, {} stood still for a while",
            chaos.kills, chaos.stops
        );
    }
    // Whoever comes back goes on with the attempt that was under way: none is made a second time.
    let log =
        std::fs::read_to_string(chaos.consortium.path("coordinator.log")).expect("it was started");
    assert_eq!(
        log.matches("an attempt ended without a sum").count(),
        0,
        "{}",
        chaos.consortium.logs()
    );
    chaos.consortium.operate(&["ledger", "verify"]).done();
    let sums: Vec<usize> = SITES
        .iter()
        .map(|site| chaos.consortium.contributions(site, SITES.len()))
        .collect();
    assert!(
        sums.iter()
            .all(|count| Some(count) == sums.first() && *count > 0),
        "{sums:?}"
    );
}
