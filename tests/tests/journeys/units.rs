//! One meaning of a column in every country, through the real system: one hospital reports creatinine
//! in umol/L and says so, and the fit is that of one table in mg/dL; where it says mg/dL of such
//! values, its steward reads that before the yes.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::Consortium;
use serde_json::Value;
use std::path::PathBuf;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["lyon", "utrecht", "porto"];
/// umol/L in one mg/dL of creatinine, by its molar mass.
const MICROMOLES: f64 = 1e4 / 113.12;

/// Sixty patients of a site with creatinine in mg/dL, drawn by a rule that everybody can repeat.
fn patients(site: usize) -> Vec<(f64, u8, u8)> {
    (0..60_usize)
        .map(|i| {
            let crea = 0.5 + ((i * 37 + site * 11) % 97) as f64 / 80.0;
            let male = u8::from((i * 7 + site) % 5 < 2);
            let chance = ((i * 53 + site * 29) % 101) as f64 / 60.0;
            let ill = u8::from(crea + 0.3 * f64::from(male) + chance > 2.1);
            (crea, male, ill)
        })
        .collect()
}

/// A file of a site, its creatinine times `factor`.
fn file(c: &Consortium, name: &str, site: usize, factor: f64) -> PathBuf {
    let rows: String = patients(site)
        .into_iter()
        .map(|(crea, male, ill)| format!("{},{male},{ill}\n", crea * factor))
        .collect();
    let path = PathBuf::from(c.path(name));
    std::fs::write(&path, format!("crea,male,y\n{rows}")).expect("writable");
    path
}

fn schema(c: &Consortium, dataset: &str, unit: &str) -> PathBuf {
    let path = PathBuf::from(c.path(&format!("{dataset}-{}.toml", unit.replace('/', "-"))));
    let text = format!(
        "[dataset]\nname = \"{dataset}\"\n[columns.crea]\ntype = \"float\"\nunit = \"{unit}\"\n\
         [columns.male]\ntype = \"bool\"\n[columns.y]\ntype = \"bool\"\n"
    );
    std::fs::write(&path, text).expect("writable");
    path
}

fn study(c: &Consortium, dataset: &str) -> String {
    let path = c.path(&format!("{dataset}-study.toml"));
    let text = format!(
        "[study]\nid = \"{dataset}-1\"\ntitle = \"Creatinine\"\n\
         question = \"Does creatinine go along with the illness?\"\npurpose = \"53(1)(e)\"\n\
         ends = 2099-12-31\n\n[data]\ndataset = \"{dataset}\"\noutcome = \"y\"\n\
         features = [\"male\", \"crea\"]\n\n[data.columns.crea]\nlabel = \"Serum creatinine\"\n\
         unit = \"mg/dL\"\nsubstance = \"creatinine\"\nrange = [0.2, 20]\nper = 0.5\n\n\
         [data.columns.male]\nlabel = \"Male sex\"\ntype = \"bool\"\n\n\
         [recipe]\nkind = \"logistic\"\n\n\
         [rounds]\njoin = \"60s\"\nshare = \"60s\"\nupload = \"60s\"\nsign = \"60s\"\nreveal = \"60s\"\n"
    );
    std::fs::write(&path, text).expect("writable");
    path
}

/// Gives every site the dataset, the first one in this unit and times this factor.
fn give(c: &Consortium, dataset: &str, unit: &str, factor: f64) {
    for (number, site) in SITES.into_iter().enumerate() {
        let (unit, factor) = if number == 0 {
            (unit, factor)
        } else {
            ("mg/dL", 1.0)
        };
        let csv = file(c, &format!("{site}-{dataset}.csv"), number, factor);
        let schema = schema(c, dataset, unit);
        let line = ["data", "add", dataset, "--csv"];
        let line = [&line[..], &[csv.to_str().expect("utf-8"), "--schema"]].concat();
        let line = [&line[..], &[schema.to_str().expect("utf-8")]].concat();
        c.desk(site, &line).done();
    }
}

/// The figures, and what the first site read before it approved.
fn run(c: &Consortium, dataset: &str) -> (Value, String) {
    let id = format!("{dataset}-1");
    c.operate(&["study", "propose", &study(c, dataset)]).done();
    let card = shown(c, SITES[0], &id);
    SITES.iter().for_each(|site| c.approve(site, &id));
    c.operate(&["run", "start", &id]).done();
    c.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", &id]).out;
        assert!(!runs.contains("failed"), "{runs}\n{}", c.logs());
        runs.contains("released")
    });
    (c.figures(&id), card)
}

fn shown(c: &Consortium, site: &str, id: &str) -> String {
    c.wait("the study has arrived", |c| {
        c.desk(site, &["study", "show", id]).code == 0
    });
    let card = c.desk(site, &["study", "show", id]).done();
    card.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_site_in_another_unit_gives_the_same_fit_and_one_that_says_the_wrong_unit_hears_so() {
    let mut c = Consortium::start(PROGRAM);
    for site in SITES {
        let code = c.invite(site, "NL");
        c.desk(site, &["join", &code]).done();
        c.start_node(site, &[]);
    }
    give(&c, "plain", "mg/dL", 1.0);
    give(&c, "mixed", "umol/L", MICROMOLES);
    give(&c, "wrong", "mg/dL", MICROMOLES);
    let (plain, _) = run(&c, "plain");
    let (mixed, card) = run(&c, "mixed");
    let [one, other] = [&plain, &mixed].map(|report| {
        let coefficients = report["coefficients"].as_array().expect("coefficients");
        let figures = coefficients
            .iter()
            .flat_map(|of| ["estimate", "se"].map(|key| of[key].as_f64().expect("a number")));
        figures.collect::<Vec<f64>>()
    });
    assert_eq!(one.len(), 6, "intercept, male, crea");
    let mut most: f64 = 0.0;
    for (one, other) in one.iter().zip(&other) {
        most = most.max((one - other).abs() / one.abs());
    }
    println!("largest relative difference of the two fits: {most:.1e}");
    assert!(most < 1e-8, "{one:?} {other:?}");
    assert_eq!(mixed["rows"], 180);
    // The report says what a column means, and the effect for the step.
    assert_eq!(mixed["columns"][1]["label"], "Male sex");
    assert_eq!(mixed["columns"][2]["unit"], "mg/dL");
    let step = &mixed["steps"][0];
    assert_eq!((&step["name"], &step["per"]), (&"crea".into(), &0.5.into()));
    let estimate = mixed["coefficients"][2]["estimate"].as_f64().expect("it");
    assert!((step["estimate"].as_f64().expect("it") - 0.5 * estimate).abs() < 1e-12);

    // What the steward of the site in umol/L reads.
    let words =
        "column `crea`: your values in `umol/L` are taken times 0.01131 to the study's `mg/dL`";
    assert!(card.contains(words), "{card}");
    assert!(card.contains("all 60 known values lie within"), "{card}");
    // Once they are frozen the file's are another matter.
    assert!(!shown(&c, "lyon", "mixed-1").contains("known values"));

    // And of a site that says the wrong unit, before anything is signed.
    let file = study(&c, "wrong");
    c.operate(&["study", "propose", &file]).done();
    let card = shown(&c, "lyon", "wrong-1");
    let words = "ATTENTION: column `crea`: 60 of 60 known values lie outside the study's plausible \
        0.2 to 20 `mg/dL`. They would lie inside (60 of them) if they were in `umol/L`";
    assert!(card.contains(words), "{card}");
    assert!(card.contains("decision at this site: undecided"), "{card}");
    assert!(!shown(&c, "porto", "wrong-1").contains("ATTENTION: column"));
    let checked = c.desk(
        "lyon",
        &["data", "check", "wrong", "--study", "wrong-1", "--json"],
    );
    let checked: Value = serde_json::from_str(&checked.done()).expect("valid JSON");
    let own = &checked["own_values"][0];
    assert_eq!((&own["outside"], &own["known"]), (&60.into(), &60.into()));
    assert_eq!(own["would_be_inside"][0]["unit"], "umol/L");
    // It refuses nothing: the steward decides.
    c.desk("lyon", &["study", "approve", "wrong-1"]).done();
}
