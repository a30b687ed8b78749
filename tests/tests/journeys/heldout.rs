//! Patients who are held out, through the real system: each site draws them by its own secret when
//! rows are frozen, no sum of the fit sees them, and the release tells how the model does on them,
//! beside those it was fitted on. All of it is computed again here, from the files and the sites'
//! keys.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::study::Study;
use motet_secagg::mac::mac;
use motet_secagg::secret::Secret;
use motet_tests::consortium::Consortium;
use serde_json::Value;
use std::path::PathBuf;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["lyon", "utrecht", "porto"];
const ROWS: usize = 160;
const SHARE: f64 = 0.25;
const Z: f64 = 1.959_963_984_540_054;

/// Key, age in decades, sex and outcome.
type Patient = (String, f64, f64, f64);
/// Risk and outcome.
type Judged = (f64, f64);

/// The patients of a site, drawn by a rule that everybody can repeat.
fn patients(site: usize) -> Vec<Patient> {
    let row = |i: usize| {
        let age = 2.0 + ((i * 37 + site * 11) % 97) as f64 / 16.0;
        let male = f64::from(u8::from((i * 7 + site) % 5 < 2));
        let chance = ((i * 53 + site * 29) % 101) as f64 / 25.0;
        let ill = f64::from(u8::from(age + 0.5 * male + chance > 7.2));
        (format!("P{site}-{i}"), age, male, ill)
    };
    (0..ROWS).map(row).collect()
}

/// The file of a site: a second row of its first patient, who says otherwise, and one patient
/// without a key.
fn file(c: &Consortium, site: usize) -> PathBuf {
    let line = |(id, age, male, ill): &Patient| format!("{id},{age},{male},{ill}\n");
    let mut rows: Vec<String> = patients(site).iter().map(line).collect();
    rows.push(format!("P{site}-0,4,1,1\n"));
    rows.push(",4,1,1\n".to_owned());
    let path = PathBuf::from(c.path(&format!("{}.csv", SITES[site])));
    std::fs::write(&path, format!("id,age,male,y\n{}", rows.concat())).expect("writable");
    path
}

fn schema(c: &Consortium, key: &str) -> PathBuf {
    let path = PathBuf::from(c.path(&format!("schema{}.toml", key.len())));
    let text = format!(
        "[dataset]\nname = \"ward\"\n{key}[columns.age]\ntype = \"float\"\n\
         [columns.male]\ntype = \"bool\"\n[columns.y]\ntype = \"bool\"\n"
    );
    std::fs::write(&path, text).expect("writable");
    path
}

fn give(c: &Consortium, site: usize, key: &str, extra: &[&str]) {
    let (csv, schema) = (file(c, site), schema(c, key));
    let mut words = vec!["data", "add", "ward", "--csv"];
    words.extend([csv.to_str().expect("utf-8"), "--schema"]);
    words.push(schema.to_str().expect("utf-8"));
    words.extend(extra);
    c.desk(SITES[site], &words).done();
}

const STUDY: &str = "[study]\nid = \"apart\"\ntitle = \"Illness\"\n\
    question = \"How well is the illness told in patients the model has not seen?\"\n\
    purpose = \"53(1)(e)\"\nends = 2099-12-31\n\n[data]\ndataset = \"ward\"\noutcome = \"y\"\n\
    features = [\"age\", \"male\"]\ntest_fraction = 0.25\n\n[recipe]\nkind = \"logistic\"\n\n\
    [rounds]\njoin = \"60s\"\nshare = \"60s\"\nupload = \"60s\"\nsign = \"60s\"\nreveal = \"60s\"\n";

/// Who is held out at a site: an HMAC of study and pseudonym under a secret that follows from the
/// site's state key, below the share.
fn held_out(c: &Consortium, site: usize) -> Vec<bool> {
    let key = c.path(&format!("{}/keys/state.key", SITES[site]));
    let text = std::fs::read_to_string(key).expect("readable");
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex");
    let seed: [u8; 32] = std::array::from_fn(byte);
    let patients_of = Secret::new(seed).derive(b"patients");
    let lot = mac(patients_of.expose(), "held-out patients", &[]);
    let study = Study::parse(STUDY).expect("a study").root();
    let is_out = |(id, ..): &Patient| {
        let pseudonym = mac(patients_of.expose(), "patient", id.as_bytes());
        let message = [study.0.as_slice(), &pseudonym[..16]].concat();
        let drawn = mac(&lot, "held-out patient", &message);
        let number = u64::from_le_bytes(drawn[..8].try_into().expect("eight bytes"));
        (number as f64) < SHARE * 2.0_f64.powi(64)
    };
    patients(site).iter().map(is_out).collect()
}

/// Solves a small system by elimination, and gives the inverse.
fn inverse<const N: usize>(mut m: [[f64; N]; N]) -> [[f64; N]; N] {
    let mut inverse = [[0.0; N]; N];
    (0..N).for_each(|i| inverse[i][i] = 1.0);
    for i in 0..N {
        let pivot = m[i][i];
        for j in 0..N {
            m[i][j] /= pivot;
            inverse[i][j] /= pivot;
        }
        for k in (0..N).filter(|k| *k != i) {
            let factor = m[k][i];
            for j in 0..N {
                m[k][j] -= factor * m[i][j];
                inverse[k][j] -= factor * inverse[i][j];
            }
        }
    }
    inverse
}

/// Logistic regression by Newton's method: coefficients and their variances.
fn logistic<const N: usize>(rows: &[([f64; N], f64)]) -> ([f64; N], [f64; N]) {
    let (mut beta, mut variances) = ([0.0; N], [0.0; N]);
    for _ in 0..50 {
        let (mut gradient, mut information) = ([0.0; N], [[0.0; N]; N]);
        for (z, y) in rows {
            let x: f64 = z.iter().zip(&beta).map(|(z, b)| z * b).sum();
            let p = 1.0 / (1.0 + (-x).exp());
            for i in 0..N {
                gradient[i] += (y - p) * z[i];
                for j in 0..N {
                    information[i][j] += p * (1.0 - p) * z[i] * z[j];
                }
            }
        }
        let covariance = inverse(information);
        for i in 0..N {
            beta[i] += (0..N).map(|j| covariance[i][j] * gradient[j]).sum::<f64>();
            variances[i] = covariance[i][i];
        }
    }
    (beta, variances)
}

fn near(what: &str, got: &Value, want: f64) {
    let got = got.as_f64().expect(what);
    assert!(
        (got - want).abs() <= 1e-8 * (1.0 + want.abs()),
        "{what}: {got} instead of {want}"
    );
}

/// Holds a part of the report to its patients.
fn is_of(found: &Value, rows: &[Judged]) {
    let n = rows.len() as f64;
    let (ill, well): (Vec<&Judged>, Vec<&Judged>) = rows.iter().partition(|(_, y)| *y == 1.0);
    let counts = (Some(rows.len() as u64), Some(ill.len() as u64));
    assert_eq!((found["rows"].as_u64(), found["events"].as_u64()), counts);
    let mean = |of: &dyn Fn(&Judged) -> f64| rows.iter().map(of).sum::<f64>() / n;
    near("brier", &found["brier"], mean(&|(p, y)| (p - y) * (p - y)));
    near("expected", &found["expected"], mean(&|(p, _)| *p));
    let over = |p: f64, q: f64| f64::from(u8::from(p > q)) + 0.5 * f64::from(u8::from(p == q));
    let won: f64 = ill
        .iter()
        .map(|(p, _)| well.iter().map(|(q, _)| over(*p, *q)).sum::<f64>())
        .sum();
    let auc = won / (ill.len() * well.len()) as f64;
    let off = (found["auc"].as_f64().expect("an AUC") - auc).abs();
    assert!(
        off <= found["auc_error_bound"].as_f64().expect("it") + 1e-12,
        "{off}"
    );
    let line: Vec<([f64; 2], f64)> = rows
        .iter()
        .map(|(p, y)| ([1.0, (p / (1.0 - p)).ln()], *y))
        .collect();
    let (beta, variances) = logistic(&line);
    let named = ["calibration_intercept", "calibration_slope"];
    for (at, name) in named.into_iter().enumerate() {
        near(name, &found[name], beta[at]);
        let half = Z * variances[at].sqrt();
        near(name, &found[format!("{name}_ci_low")], beta[at] - half);
        near(name, &found[format!("{name}_ci_high")], beta[at] + half);
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a site without a key hears, and what ends it; then all approve, and one freezes again.
fn agree(c: &Consortium) {
    c.wait("the study has arrived", |c| {
        c.desk("lyon", &["study", "show", "apart"]).code == 0
    });
    let refused = c.desk("lyon", &["study", "approve", "apart"]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    let said = words(&refused.err);
    assert!(said.contains("names no `key`"), "{said}");
    assert!(said.contains("or decline the study"), "{said}");
    give(c, 0, "key = \"id\"\n", &["--replace"]);
    let card = words(&c.desk("lyon", &["study", "show", "apart"]).done());
    assert!(
        card.contains("held out: about 25 % of these patients"),
        "{card}"
    );
    SITES.iter().for_each(|site| c.approve(site, "apart"));
    c.desk("porto", &["study", "refreeze", "apart"]).done();
}

#[test]
fn the_fit_is_that_of_the_rest_and_the_release_tells_of_those_held_out() {
    let mut c = Consortium::start(PROGRAM);
    for (at, site) in SITES.into_iter().enumerate() {
        let code = c.invite(site, "NL");
        c.desk(site, &["join", &code]).done();
        give(&c, at, if at == 0 { "" } else { "key = \"id\"\n" }, &[]);
        c.start_node(site, &[]);
    }
    let path = c.path("apart.toml");
    std::fs::write(&path, STUDY).expect("writable");
    c.operate(&["study", "propose", &path]).done();
    agree(&c);
    c.operate(&["run", "start", "apart"]).done();
    c.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", "apart"]).out;
        assert!(!runs.contains("failed"), "{runs}\n{}", c.logs());
        runs.contains("released")
    });
    let report = c.figures("apart");

    let (mut fitted, mut out) = (Vec::new(), Vec::new());
    for site in 0..SITES.len() {
        let drawn = held_out(&c, site);
        let count = drawn.iter().filter(|is_out| **is_out).count();
        assert!((15..70).contains(&count), "{count} of {ROWS}");
        for ((_, age, male, ill), is_out) in patients(site).into_iter().zip(drawn) {
            let row = ([1.0, age, male], ill);
            if is_out { &mut out } else { &mut fitted }.push(row);
        }
        let line = ["data", "check", "ward", "--study", "apart", "--json"];
        let checked: Value =
            serde_json::from_str(&c.desk(SITES[site], &line).done()).expect("JSON");
        assert_eq!(
            checked["rows_used"], ROWS,
            "the patient without a key is left out"
        );
        assert_eq!(checked["rows_held_out"], count, "as the desk counts");
    }
    assert_eq!(report["rows"], fitted.len());
    let (beta, _) = logistic(&fitted);
    let coefficients = report["coefficients"].as_array().expect("coefficients");
    for (found, want) in coefficients.iter().zip(beta) {
        near("a coefficient", &found["estimate"], want);
    }
    let judged = |rows: &[([f64; 3], f64)]| -> Vec<Judged> {
        let risk = |z: &[f64; 3]| {
            let x: f64 = z.iter().zip(&beta).map(|(z, b)| z * b).sum();
            1.0 / (1.0 + (-x).exp())
        };
        rows.iter().map(|(z, y)| (risk(z), *y)).collect()
    };
    is_of(&report["held_out"]["fitted"], &judged(&fitted));
    is_of(&report["held_out"]["held_out"], &judged(&out));
    assert_eq!(report["held_out"]["test_fraction"], SHARE);
    let folder = c.path("release");
    c.operate(&["release", "get", "apart", "--out", &folder])
        .done();
    let card = std::fs::read_to_string(format!("{folder}/card.md")).expect("readable");
    assert!(
        card.contains("## How it does on patients held out"),
        "{card}"
    );
    let said = format!("{} further patients were held out", out.len());
    assert!(words(&card).contains(&said), "{card}");
    c.nodes.clear();
}
