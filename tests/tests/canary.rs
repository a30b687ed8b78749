//! Only masked vectors leave. Distinctive values are planted in one hospital's file; then
//! everything the coordinator received and kept, and the TRACE logs of both sides, are searched for
//! them and for that site's clear update.
//!
//! It goes red when `mask_words` in motet-secagg applies no mask: the clear limbs then lie in the
//! coordinator's spool.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::study::Study;
use motet_data::{Cohort, Schema, Table};
use motet_secagg::fold::plain_sum;
use motet_tests::consortium::{Consortium, demo_file};
use rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
/// Values that occur nowhere by chance: an age, a pressure and a cholesterol no scale would show.
const CANARIES: [(&str, f64); 3] = [
    ("age", 51.730_469_218_75),
    ("trestbps", 137.530_917_549_3),
    ("chol", 241.915_620_337_1),
];

/// A site's file with the canaries, shifted by `shift`, in its first row. The other sites get
/// shifted ones: were theirs whole numbers, the public sum itself would show the fraction of the
/// one site that has some.
fn plant(dir: &Path, site: &str, shift: f64) -> PathBuf {
    let text = std::fs::read_to_string(demo_file(&format!("heart/{site}.csv"))).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let header: Vec<String> = lines[0].split(',').map(str::to_owned).collect();
    let mut cells: Vec<String> = lines[1].split(',').map(str::to_owned).collect();
    for (column, value) in CANARIES {
        cells[header.iter().position(|name| name == column).unwrap()] = (value + shift).to_string();
    }
    lines[1] = cells.join(",");
    let path = dir.join(format!("{site}.csv"));
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// The site's clear answers to the first question of the method, computed here as the node computes
/// them.
fn clear_update(csv: &Path, study: &Study) -> Vec<f64> {
    let schema =
        Schema::parse(&std::fs::read_to_string(demo_file("heart/schema.toml")).unwrap()).unwrap();
    let cohort = Cohort::of(&Table::open(csv, &schema, study.reads()).unwrap(), study).unwrap();
    let recipe = study.recipe.bare();
    let state = recipe.start(Default::default());
    let question = recipe.ask(&state, 3).unwrap().unwrap();
    let memory = motet_recipes::Memory::default();
    let update = recipe
        .answer(
            &state,
            &question,
            &cohort.rows(),
            &memory,
            &mut rand_chacha::ChaCha20Rng::from_seed([0; 32]),
        )
        .unwrap()
        .update;
    plain_sum(&question.layout, Default::default(), vec![update])
        .unwrap()
        .values
}

/// Every form in which a secret could lie somewhere.
fn patterns(clear: &[f64]) -> BTreeMap<String, Vec<u8>> {
    let mut patterns = BTreeMap::new();
    for (name, value) in CANARIES {
        patterns.insert(format!("{name} as text"), value.to_string().into_bytes());
        patterns.insert(format!("{name} as f64"), value.to_le_bytes().to_vec());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the narrow form is searched too"
        )]
        patterns.insert(
            format!("{name} as f32"),
            (value as f32).to_le_bytes().to_vec(),
        );
    }
    for (index, value) in clear
        .iter()
        .enumerate()
        .filter(|(_, value)| value.fract() != 0.0)
    {
        patterns.insert(
            format!("sum {index} as text"),
            value.to_string().into_bytes(),
        );
        patterns.insert(format!("sum {index} as f64"), value.to_le_bytes().to_vec());
        // Limbs: the value in units of 2^-40, its low 32 bits as one 64-bit ring word.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small positive sums"
        )]
        let limb = (value * f64::from(1 << 20) * f64::from(1 << 20)).round() as u128 as u32;
        if limb > 1 << 16 {
            patterns.insert(
                format!("sum {index} as ring word"),
                u64::from(limb).to_le_bytes().to_vec(),
            );
        }
    }
    patterns
}

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found)
        } else {
            found.push(path)
        }
    }
}

/// Copies every masked upload out of the coordinator's spools before the next release sweeps it
/// away.
fn capture(spools: PathBuf, into: PathBuf, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::fs::create_dir_all(&into).unwrap();
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            let mut found = Vec::new();
            files_below(&spools, &mut found);
            for path in found {
                let name: String = path
                    .strip_prefix(&spools)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .replace('/', "_");
                let copy = into.join(name);
                if !copy.exists() {
                    let _ = std::fs::hard_link(&path, &copy);
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    })
}

fn holds(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|window| window == pattern)
}

#[test]
fn planted_values_and_the_clear_update_are_nowhere_at_the_coordinator_or_in_a_log() {
    let mut consortium = Consortium::start(PROGRAM);
    // The coordinator again, now with everything logged that any library logs.
    consortium.env = vec![
        ("RUST_LOG".into(), "trace".into()),
        ("MOTET_LOG".into(), "trace".into()),
    ];
    consortium.coordinator = None;
    consortium.start_coordinator();
    let dir = consortium.dir.path().to_path_buf();
    let planted = plant(&dir, "cleveland", 0.0);
    let schema = demo_file("heart/schema.toml");
    consortium.add_site("cleveland", "US", "heart", &planted, &schema);
    consortium.add_site(
        "hungarian",
        "HU",
        "heart",
        &plant(&dir, "hungarian", 0.419_318_207_63),
        &schema,
    );
    consortium.add_site(
        "va",
        "US",
        "heart",
        &plant(&dir, "va", 0.273_905_118_42),
        &schema,
    );
    let study_file = demo_file("heart/logistic.toml");
    consortium
        .operate(&["study", "propose", study_file.to_str().unwrap()])
        .done();
    for site in ["cleveland", "hungarian", "va"] {
        consortium.approve(site, "heart-disease");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let captured = PathBuf::from(consortium.path("hub/captured"));
    let watcher = capture(
        PathBuf::from(consortium.path("hub/state/spools")),
        captured.clone(),
        Arc::clone(&stop),
    );
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .done();
    stop.store(true, Ordering::Relaxed);
    watcher.join().unwrap();

    // Every message the coordinator accepted stands in its ledger, decrypted and whole.
    let export = consortium.path("ledger.jsonl");
    consortium.operate(&["ledger", "export", &export]).done();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&export).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "an export is for its owner alone");
    }
    let mut heard = Vec::new();
    for line in std::fs::read_to_string(&export).unwrap().lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(entry) = value["entry"].as_str() {
            heard.extend(motet_secagg::digest::from_hex(entry).expect("hexadecimal"));
        }
    }
    let mut haystacks: Vec<(String, Vec<u8>)> = vec![("the coordinator's ledger".into(), heard)];
    let mut files = Vec::new();
    files_below(Path::new(&consortium.path("hub")), &mut files);
    files.extend(
        [
            "coordinator.log",
            "cleveland.log",
            "hungarian.log",
            "va.log",
        ]
        .map(|log| consortium.path(log).into()),
    );
    for file in files {
        haystacks.push((
            file.display().to_string(),
            std::fs::read(&file).unwrap_or_default(),
        ));
    }
    let uploads = haystacks
        .iter()
        .filter(|(name, _)| name.contains("captured"))
        .count();
    assert!(
        uploads >= 10,
        "only {uploads} masked uploads were captured: the search would prove little"
    );
    let logged: usize = haystacks
        .iter()
        .filter(|(name, _)| name.ends_with(".log"))
        .map(|(_, log)| log.len())
        .sum();
    assert!(
        logged > 100_000,
        "the logs are not at TRACE: {logged} bytes"
    );

    let study = Study::parse(&std::fs::read_to_string(&study_file).unwrap()).unwrap();
    let patterns = patterns(&clear_update(&planted, &study));
    assert!(patterns.len() > 15, "{:?}", patterns.keys());
    let own = std::fs::read(&planted).unwrap();
    assert!(
        CANARIES
            .iter()
            .all(|(_, value)| holds(&own, value.to_string().as_bytes())),
        "the search finds what is there"
    );
    for (name, bytes) in &haystacks {
        for (what, pattern) in &patterns {
            assert!(!holds(bytes, pattern), "{what} was found in {name}");
        }
    }
}
