//! A model by groups of patients and by site through the real system, masked: ten countries, of
//! which four do not tell their own figures. What is released is computed again from the files,
//! patient by patient.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const COUNTRIES: [&str; 10] = [
    "BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT",
];
/// Their node.toml does not say `own_metrics = true`.
const SILENT: [&str; 4] = ["BELG", "NORW", "PORT", "SWED"];
const FEATURES: [&str; 6] = [
    "age",
    "delay_h",
    "sbp",
    "drowsy",
    "unconscious",
    "n_deficits",
];

/// The sex of every fiftieth patient is not known. It divides the patients and is no feature, so
/// nobody is left out.
fn tables(folder: &Path) -> BTreeMap<&'static str, Vec<Patient>> {
    let mut row = 0;
    let table = |site: &'static str| {
        let text =
            std::fs::read_to_string(demo_file(&format!("stroke/{site}.csv"))).expect("readable");
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
        let at = |name: &str| {
            header
                .iter()
                .position(|column| *column == name)
                .expect("a column")
        };
        let mut out = format!("{}\n", header.join(","));
        let mut patients = Vec::new();
        for line in lines {
            row += 1;
            let mut fields: Vec<&str> = line.split(',').collect();
            if row % 50 == 0 {
                fields[at("male")] = "";
            }
            out.push_str(&format!("{}\n", fields.join(",")));
            let number = |name: &str| fields[at(name)].parse::<f64>().expect("a number");
            patients.push(Patient {
                features: FEATURES.map(number).to_vec(),
                sex: match fields[at("male")] {
                    "" => "missing",
                    "0" => "no",
                    _ => "yes",
                },
                country: site,
                dead: number("dead14") == 1.0,
            });
        }
        std::fs::write(folder.join(format!("{site}.csv")), out).expect("writable");
        (site, patients)
    };
    let tables = COUNTRIES.into_iter().map(table).collect();
    let schema = std::fs::read_to_string(demo_file("stroke/schema.toml")).expect("readable");
    let country = format!("\n[columns.country]\ntype = \"category\"\nlevels = {COUNTRIES:?}\n");
    std::fs::write(folder.join("schema.toml"), schema + &country).expect("writable");
    tables
}

#[derive(Clone)]
struct Patient {
    features: Vec<f64>,
    sex: &'static str,
    country: &'static str,
    dead: bool,
}

impl Patient {
    fn band(&self) -> &'static str {
        match self.features[0] {
            age if age < 50.0 => "below 50",
            age if age < 65.0 => "50 to below 65",
            age if age < 80.0 => "65 to below 80",
            _ => "80 and above",
        }
    }

    fn risk(&self, beta: &[f64]) -> f64 {
        let odds = self
            .features
            .iter()
            .zip(&beta[1..])
            .fold(beta[0], |odds, (x, b)| odds + x * b);
        1.0 / (1.0 + (-odds).exp())
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("valid JSON")
}

fn near(what: &str, got: &Value, want: f64) {
    let got = got.as_f64().expect(what);
    assert!(
        (got - want).abs() <= 1e-12 * (1.0 + want.abs()),
        "{what}: {got} instead of {want}"
    );
}

/// What is right at risk 0.5 is told of all entries or of none: of none where one would tell of 1
/// to 4 patients.
fn are_told_together(entries: &[(&Value, bool)]) {
    let may = entries.iter().all(|(_, tells_few)| !tells_few);
    for (found, _) in entries {
        for key in ["accuracy", "sensitivity", "specificity"] {
            assert_eq!(found[key].is_number(), may, "{key} {found}");
        }
    }
}

/// Holds an entry of the report to its patients; whether a cell at risk 0.5 is of 1 to 4.
fn is_of(found: &Value, patients: &[&Patient], beta: &[f64]) -> bool {
    let what = format!("{found}");
    let rows = patients.len() as f64;
    let risks: Vec<(f64, f64)> = patients
        .iter()
        .map(|patient| (patient.risk(beta), f64::from(u8::from(patient.dead))))
        .collect();
    let mean =
        |of: &dyn Fn(f64, f64) -> f64| risks.iter().map(|(p, y)| of(*p, *y)).sum::<f64>() / rows;
    let (dead, alive): (Vec<_>, Vec<_>) = risks
        .iter()
        .map(|(p, y)| (*p, *y))
        .partition(|(_, y)| *y == 1.0);
    assert_eq!(
        (found["rows"].as_u64(), found["events"].as_u64()),
        (Some(patients.len() as u64), Some(dead.len() as u64)),
        "{what}"
    );
    near(&what, &found["brier"], mean(&|p, y| (p - y) * (p - y)));
    near(&what, &found["expected"], mean(&|p, _| p));
    near(
        &what,
        &found["observed_to_expected"],
        mean(&|_, y| y) / mean(&|p, _| p),
    );
    let high = |rows: &[(f64, f64)]| rows.iter().filter(|(p, _)| *p >= 0.5).count();
    let cells = [
        high(&dead),
        dead.len() - high(&dead),
        high(&alive),
        alive.len() - high(&alive),
    ];
    if found["accuracy"].is_number() {
        near(
            &what,
            &found["accuracy"],
            mean(&|p, y| f64::from(u8::from((p >= 0.5) == (y == 1.0)))),
        );
        near(
            &what,
            &found["sensitivity"],
            cells[0] as f64 / dead.len() as f64,
        );
        near(
            &what,
            &found["specificity"],
            cells[3] as f64 / alive.len() as f64,
        );
    }
    let won = |event: &(f64, f64)| {
        let over = |other: &(f64, f64)| {
            if event.0 > other.0 {
                1.0
            } else {
                0.5 * f64::from(u8::from(event.0 == other.0))
            }
        };
        alive.iter().map(over).sum::<f64>()
    };
    let auc = dead.iter().map(won).sum::<f64>() / (dead.len() * alive.len()) as f64;
    let off = (found["auc"].as_f64().expect("an AUC") - auc).abs();
    assert!(
        off <= found["auc_error_bound"].as_f64().expect("its bound") + 1e-12,
        "{off}: {what}"
    );
    cells.iter().any(|cell| (1..5).contains(cell))
}

#[test]
fn groups_and_sites_of_ten_countries_are_as_their_files_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let tables = tables(folder.path());
    let mut consortium = Consortium::start(PROGRAM);
    let address = consortium.address();
    for site in COUNTRIES {
        let csv = folder.path().join(format!("{site}.csv"));
        consortium.add_site_behind(
            site,
            &address,
            "ist",
            &csv,
            &folder.path().join("schema.toml"),
        );
        if !SILENT.contains(&site) {
            let settings = consortium.path(&format!("{site}/node.toml"));
            let text = std::fs::read_to_string(&settings).expect("join wrote it");
            assert!(text.contains("\nown_metrics = false"), "{text}");
            std::fs::write(
                &settings,
                text.replace("own_metrics = false", "own_metrics = true"),
            )
            .expect("writable");
        }
        consortium.start_node(site, &[]);
    }
    let file = consortium.path("groups.toml");
    let study = format!(
        "[study]\nid = \"groups\"\ntitle = \"groups\"\nquestion = \"For whom does the model of death within 14 days do worse?\"\n\
         purpose = \"53(1)(e)\"\nends = 2099-12-31\n\n[data]\ndataset = \"ist\"\noutcome = \"dead14\"\nfeatures = {FEATURES:?}\n\n\
         [recipe]\nkind = \"logistic\"\n\n[evaluation]\ngroups = [\"male\", \"age\", \"country\"]\ncuts.age = [50, 65, 80]\n\
         levels.country = {COUNTRIES:?}\nsites = true\n\n\
         [rounds]\njoin = \"60s\"\nshare = \"60s\"\nupload = \"60s\"\nsign = \"60s\"\nreveal = \"60s\"\n"
    );
    std::fs::write(&file, study).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    COUNTRIES
        .iter()
        .for_each(|site| consortium.approve(site, "groups"));
    let card = consortium.desk("PORT", &["study", "show", "groups"]).done();
    let card = card.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        card.contains("DISCLOSURE, if you allow it: your site's own figures"),
        "{card}"
    );
    assert!(
        card.contains("this node tells no figures of its own and still takes part"),
        "{card}"
    );
    assert!(
        consortium
            .desk("ITAL", &["study", "show", "groups"])
            .done()
            .contains("this node TELLS")
    );
    let began = Instant::now();
    consortium.operate(&["run", "start", "groups"]).done();
    consortium.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", "groups"]).out;
        assert!(!runs.contains("failed"), "{runs}\n{}", c.logs());
        runs.contains("released")
    });
    let seconds = began.elapsed().as_secs_f64();
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "groups", "--out", &out])
        .done();
    consortium
        .motet(&["release", "verify", &out, "--as", &consortium.operator()])
        .done();
    let read = |name: &str| std::fs::read_to_string(format!("{out}/{name}")).expect("readable");
    let report = json(&read("report.json"));
    let frames = json(
        &consortium
            .desk("ITAL", &["ledger", "show", "--json"])
            .done(),
    );
    let frames = frames
        .as_array()
        .or_else(|| frames.get("frames")?.as_array())
        .expect("frames")
        .clone();
    let bytes: u64 = frames
        .iter()
        .filter_map(|frame| frame["bytes"].as_u64())
        .sum();
    println!(
        "{} rounds, {:.1} kB from one of 10 sites, {seconds:.1} s",
        report["rounds"],
        bytes as f64 / 1e3
    );

    assert_eq!(
        (report["rows"].as_u64(), report["sites"].as_u64()),
        (Some(9381), Some(10)),
        "nobody is left out"
    );
    let beta: Vec<f64> = report["coefficients"]
        .as_array()
        .expect("coefficients")
        .iter()
        .map(|coefficient| coefficient["estimate"].as_f64().expect("an estimate"))
        .collect();
    let everybody: Vec<&Patient> = tables.values().flatten().collect();
    let mut shown: BTreeMap<&str, u64> = BTreeMap::new();
    let mut right: BTreeMap<&str, Vec<(&Value, bool)>> = BTreeMap::new();
    for found in report["subgroups"].as_array().expect("groups") {
        let (group, level) = (
            found["group"].as_str().expect("a group"),
            found["level"].as_str().expect("a level"),
        );
        let place = |patient: &&&Patient| match group {
            "male" => patient.sex == level,
            "age" => patient.band() == level,
            _ => patient.country == level,
        };
        let patients: Vec<&Patient> = everybody.iter().filter(place).copied().collect();
        if found["not_shown"].is_null() {
            let tells_few = is_of(found, &patients, &beta);
            right.entry(group).or_default().push((found, tells_few));
            *shown.entry(group).or_default() += patients.len() as u64;
            println!(
                "{group} {level}: {} AUC {:.4} ({:.4} to {:.4}) +- {:.4} O/E {:.3}",
                found["rows"],
                found["auc"].as_f64().expect("it"),
                found["auc_ci_low"].as_f64().expect("it"),
                found["auc_ci_high"].as_f64().expect("it"),
                found["auc_error_bound"].as_f64().expect("it"),
                found["observed_to_expected"].as_f64().expect("it")
            );
        } else if group == "country" && level != "missing" {
            // A country of one site is no way around what that site does not tell.
            assert!(SILENT.contains(&level), "{found}");
            assert_eq!(found["not_shown"], "fewer than 3 sites have such patients");
        } else {
            assert!(patients.is_empty(), "{found}");
        }
    }
    let told: u64 = tables
        .iter()
        .filter(|(site, _)| !SILENT.contains(site))
        .map(|(_, rows)| rows.len() as u64)
        .sum();
    assert_eq!(
        shown,
        BTreeMap::from([("male", 9381), ("age", 9381), ("country", told)])
    );
    for found in report["sites_metrics"].as_array().expect("sites") {
        let site = found["site"].as_str().expect("a name");
        if SILENT.contains(&site) {
            assert!(
                found["told"] == "not told" && found.get("rows").is_none(),
                "{found}"
            );
        } else {
            assert_eq!(found["told"], "told");
            let patients: Vec<&Patient> = tables[site].iter().collect();
            let tells_few = is_of(found, &patients, &beta);
            right.entry("sites").or_default().push((found, tells_few));
        }
    }
    right
        .values()
        .for_each(|entries| are_told_together(entries));
    let card = read("card.md");
    assert!(
        card.contains(
            "**Gap:** the model tells patients with and without the outcome apart worst in"
        ),
        "{card}"
    );
    assert!(
        card.contains("| PORT | not told |") && card.contains("groups.svg"),
        "{card}"
    );
    assert!(read("groups.svg").contains("9,381 patients"));
    // A site's own report is what it was: the judgement is the consortium's.
    let local = consortium.path("PORT/local/groups.json");
    consortium.wait("the site's own report is written", |_| {
        Path::new(&local).exists()
    });
    let local = json(&std::fs::read_to_string(local).expect("readable"));
    assert!(
        local["federated_here"]["brier"].is_number() && local["verdict"].is_string(),
        "{local}"
    );
    consortium.nodes.clear();
}
