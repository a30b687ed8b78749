//! What hospitals, operators and researchers can prove afterwards, with real processes of four, ten
//! and forty nodes of which some are lost on the way: every sum made again by the nodes and by the
//! operator, a proof that stands alone, and each hospital's own list of what its updates went into,
//! all of it offline.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file, going_on};
use serde_json::Value;
use std::path::PathBuf;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
/// Positions of a file at which a byte is flipped; every position is tried in the unit tests of
/// `manifest` and `proof`.
const FLIPS: usize = 12;

/// A consortium that keeps uploads for auditors, with one site for each file.
fn consortium(dataset: &str, files: &[(String, PathBuf)], drills: &[(&str, &str)]) -> Consortium {
    let mut consortium = Consortium::start(PROGRAM);
    let config = consortium.path("hub/coordinator.toml");
    let text = std::fs::read_to_string(&config).expect("init wrote it");
    std::fs::write(&config, format!("{text}retain_uploads_days = 1\n")).expect("writable");
    consortium.coordinator = None;
    consortium.start_coordinator();
    let schema = demo_file(if dataset == "heart" {
        "heart/schema.toml"
    } else {
        "stroke/schema.toml"
    });
    for (site, csv) in files {
        let code = consortium.invite(site, "NL");
        consortium.desk(site, &["join", &code]).done();
        consortium.let_one_leave(site);
        let (csv, schema) = (
            csv.to_str().expect("utf-8"),
            schema.to_str().expect("utf-8"),
        );
        consortium
            .desk(
                site,
                &["data", "add", dataset, "--csv", csv, "--schema", schema],
            )
            .done();
        let drill = drills
            .iter()
            .find(|(name, _)| name == site)
            .map(|(_, drill)| *drill);
        match drill {
            Some(drill) => consortium.start_node(site, &["--drill", drill]),
            None => consortium.start_node(site, &[]),
        }
    }
    consortium
}

/// Proposes, approves everywhere, runs to the release, fetches it and its proof; then nobody is
/// there any more.
fn released(
    consortium: &mut Consortium,
    study: &str,
    file: &str,
    sites: &[(String, PathBuf)],
) -> Value {
    let text = std::fs::read_to_string(file).expect("readable");
    if !text.contains("recipients = ") {
        let all = "[study]\nrecipients = \"all researchers of the consortium\"\n";
        std::fs::write(file, text.replace("[study]\n", all)).expect("writable");
    }
    consortium.operate(&["study", "propose", file]).done();
    for (site, _) in sites {
        consortium.approve(site, study);
    }
    consortium
        .operate(&["run", "start", study, "--wait"])
        .done();
    let (out, proof) = (consortium.path("release"), consortium.path("proof.json"));
    consortium
        .operate(&["release", "get", study, "--out", &out])
        .done();
    consortium
        .operate(&["ledger", "proof", &out, "--out", &proof])
        .done();
    let audit = consortium
        .operate(&["ledger", "verify", "--recompute", study, "--json"])
        .done();
    // A researcher gets the release, and nothing that it was made from.
    let said = consortium
        .operate(&["person", "invite", "ada", "--role", "researcher"])
        .done();
    let (ada, copy) = (consortium.path("ada"), consortium.path("copy"));
    consortium
        .motet(&[
            "person",
            "join",
            said.lines().last().expect("a code"),
            "--as",
            &ada,
        ])
        .done();
    consortium
        .motet(&["release", "get", study, "--out", &copy, "--as", &ada])
        .done();
    consortium
        .motet(&["ledger", "verify", "--recompute", study, "--as", &ada])
        .refused("role_not_allowed");
    consortium.nodes.clear();
    consortium.coordinator = None;
    serde_json::from_str(&audit).expect("valid JSON")
}

/// Both verify with the network gone, and neither does once a byte is another.
fn verifies_offline(consortium: &Consortium) {
    let operator = consortium.operator();
    let verify = |path: &str| consortium.motet(&["release", "verify", path, "--as", &operator]);
    let (out, proof) = (consortium.path("release"), consortium.path("proof.json"));
    for (target, file) in [
        (&out, format!("{out}/manifest.json")),
        (&proof, proof.clone()),
    ] {
        verify(target).done();
        let good = std::fs::read(&file).expect("readable");
        for flip in 0..FLIPS {
            let mut bad = good.clone();
            let at = (flip * good.len() + good.len() / 2) / FLIPS;
            bad[at] ^= 1;
            std::fs::write(&file, &bad).expect("writable");
            assert_eq!(verify(target).code, 3, "byte {at} of {file}");
        }
        std::fs::write(&file, &good).expect("writable");
        verify(target).done();
    }
}

/// What a hospital's own ledger says its updates went into.
fn receipts(consortium: &Consortium, site: &str) -> Vec<Value> {
    let text = consortium
        .desk(site, &["ledger", "verify", "--json"])
        .done();
    let value: Value = serde_json::from_str(&text).expect("valid JSON");
    value["receipts"]
        .as_array()
        .expect("a list of receipts")
        .clone()
}

fn heart() -> Vec<(String, PathBuf)> {
    let site = |name: &str| (name.to_owned(), demo_file(&format!("heart/{name}.csv")));
    ["cleveland", "hungarian", "switzerland", "va"]
        .map(site)
        .to_vec()
}

const COUNTRIES: [&str; 10] = [
    "BELG", "CZEC", "ITAL", "NETH", "NORW", "POLA", "PORT", "SPAI", "SWED", "SWIT",
];

fn stroke() -> Vec<(String, PathBuf)> {
    COUNTRIES
        .map(|name| (name.to_owned(), demo_file(&format!("stroke/{name}.csv"))))
        .to_vec()
}

#[test]
fn four_hospitals_one_lost_every_sum_made_again_and_listed_where_it_went() {
    let sites = heart();
    let mut consortium = consortium("heart", &sites, &[("va", "upload:3")]);
    let file = consortium.path("study.toml");
    std::fs::write(&file, going_on("heart/logistic.toml")).expect("writable");
    let audit = released(&mut consortium, "heart-disease", &file, &sites);
    let rounds = audit["sums"].as_array().expect("a list of sums").clone();
    assert!(rounds.len() >= 10, "{audit}");
    assert!(
        rounds.iter().all(|round| round["verdict"] == "same"),
        "{audit}"
    );
    verifies_offline(&consortium);

    // The site that stayed is in every sum, the lost one in those before it was lost.
    let stayed = receipts(&consortium, "cleveland");
    assert_eq!(
        stayed
            .iter()
            .filter(|receipt| receipt["became"] == "released")
            .count(),
        rounds.len()
    );
    assert!(
        stayed.iter().all(|receipt| receipt["own_upload"] == true),
        "{stayed:?}"
    );
    let smallest = stayed.iter().map(|receipt| receipt["sites"].as_u64()).min();
    assert_eq!(smallest, Some(Some(3)), "{stayed:?}");
    let lost = receipts(&consortium, "va");
    assert_eq!(
        lost.iter()
            .filter(|receipt| receipt["became"] == "released")
            .count(),
        2,
        "{lost:?}"
    );

    // One entry of the hospital's ledger changed on its disk is found.
    let database = std::fs::read_dir(consortium.path("cleveland/ledger"))
        .expect("readable")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "sqlite")
        })
        .expect("the ledger's database");
    let mut bytes = std::fs::read(&database).expect("readable");
    let place = bytes
        .windows(9)
        .rposition(|window| window == b"heart-dis")
        .expect("an entry");
    bytes[place] ^= 1;
    std::fs::write(&database, bytes).expect("writable");
    assert_ne!(consortium.desk("cleveland", &["ledger", "verify"]).code, 0);
}

#[test]
fn ten_countries_three_lost_in_different_phases() {
    let sites = stroke();
    // Two before they are in any sum, and the one that may leave later.
    let drills = [
        ("ITAL", "share:1"),
        ("NETH", "upload:1"),
        ("SWIT", "reveal:4"),
    ];
    let mut consortium = consortium("ist", &sites, &drills);
    let file = consortium.path("study.toml");
    std::fs::write(&file, going_on("stroke/logistic.toml")).expect("writable");
    let audit = released(&mut consortium, "ist-death14", &file, &sites);
    assert!(
        audit["sums"]
            .as_array()
            .is_some_and(|rounds| rounds.iter().all(|r| r["verdict"] == "same"))
    );
    verifies_offline(&consortium);
    assert!(
        receipts(&consortium, "BELG")
            .iter()
            .all(|receipt| receipt["own_upload"] == true)
    );
}

/// Each country's table dealt out over four sites: the work of forty hospitals on one machine.
fn forty(dir: &str) -> Vec<(String, PathBuf)> {
    let mut sites = Vec::new();
    for (name, path) in stroke() {
        let text = std::fs::read_to_string(path).expect("readable");
        let (header, rows) = text.split_once('\n').expect("a header");
        let rows: Vec<&str> = rows.lines().collect();
        for part in 0..4 {
            let own: Vec<&str> = rows.iter().skip(part).step_by(4).copied().collect();
            let file = PathBuf::from(dir).join(format!("{name}-{part}.csv"));
            std::fs::write(&file, format!("{header}\n{}\n", own.join("\n"))).expect("writable");
            sites.push((format!("{name}-{part}"), file));
        }
    }
    sites
}

#[test]
fn forty_sites_five_lost_and_the_means_are_those_of_one_table() {
    let tables = tempfile::tempdir().expect("a folder");
    let sites = forty(tables.path().to_str().expect("utf-8"));
    let drills = [
        ("BELG-0", "join"),
        ("ITAL-1", "share"),
        ("NETH-2", "upload"),
        ("SPAI-3", "upload"),
        ("SWED-0", "sign"),
    ];
    let mut consortium = consortium("ist", &sites, &drills);
    let file = consortium.path("summary.toml");
    let text = std::fs::read_to_string(demo_file("stroke/logistic.toml")).expect("readable");
    let (head, _) = text.split_once("[recipe]").expect("a recipe");
    let head = head
        .replace("ist-death14", "ist-forty")
        .replace("outcome = \"dead14\"\n", "");
    let rest = "[recipe]\nkind = \"summary\"\n\n[privacy]\nmin_sites = 3\nmin_rows = 5\n\n[rounds]\njoin = \"40s\"\n\
                share = \"40s\"\nupload = \"60s\"\nsign = \"40s\"\nreveal = \"40s\"\non_site_loss = \"continue\"\n";
    std::fs::write(&file, format!("{head}{rest}")).expect("writable");
    let audit = released(&mut consortium, "ist-forty", &file, &sites);
    assert!(
        audit["sums"]
            .as_array()
            .is_some_and(|rounds| rounds.iter().all(|r| r["verdict"] == "same"))
    );
    verifies_offline(&consortium);
    // The mean over exactly the sites the report names, from their tables.
    let report = std::fs::read_to_string(consortium.path("release/report.json")).expect("readable");
    let report: Value = serde_json::from_str(&report).expect("valid JSON");
    let named = report["site_names"].as_array().expect("names");
    let mut ages = Vec::new();
    for (_, path) in sites
        .iter()
        .filter(|(name, _)| named.iter().any(|known| known == name.as_str()))
    {
        let text = std::fs::read_to_string(path).expect("readable");
        ages.extend(
            text.lines()
                .skip(1)
                .filter_map(|line| line.split(',').nth(1)?.parse::<f64>().ok()),
        );
    }
    let mean = ages.iter().sum::<f64>() / ages.len() as f64;
    let variables = report["variables"].as_array().expect("variables");
    let age = variables
        .iter()
        .find(|variable| variable["name"] == "age")
        .expect("age");
    let found = age["mean"].as_f64().expect("a mean");
    assert!(
        (found - mean).abs() < 1e-9 * mean && named.len() >= 35,
        "{found} and {mean} of {}",
        named.len()
    );
    let own = receipts(&consortium, "POLA-3");
    assert!(
        own.iter()
            .all(|receipt| receipt["sites"].as_u64().is_some_and(|sites| sites >= 35)),
        "{own:?}"
    );
}
