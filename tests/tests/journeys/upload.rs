//! A large update over a line that is cut again and again: it arrives, hardly a byte is sent twice,
//! and the sum comes down the same way. Over a slow line, another study is not held up meanwhile.
//!
//! `MOTET_UPLOAD_MB=400 cargo test -p motet-tests --test journeys -- upload:: --nocapture` sends the
//! largest model there is, cut every 50 MB; it takes about seven GiB of memory.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use motet_tests::proxy::{Faults, Proxy};
use serde_json::Value;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["amsterdam", "budapest", "cork"];
/// Patients of each hospital: what is tried is the line, not the training.
const ROWS: usize = 12;
/// What a cut may cost in MB: the piece (256 KiB) that was on its way, and everything said to dial
/// again.
const LOST_MB: f64 = 0.75;
/// Four rounds are released, training the last of them, and the fifth is not.
const TRAINED: [&str; 2] = ["\"rounds\": 4", "\"rounds\":4"];
/// Columns of the model.
const COLUMNS: f64 = 4.0;

fn megabytes() -> u64 {
    std::env::var("MOTET_UPLOAD_MB")
        .ok()
        .map_or(24, |text| text.parse().expect("a number of megabytes"))
}

/// The width of two hidden layers whose model is just below that many 32-bit words.
fn width(words: f64) -> u64 {
    // columns * w + w^2 + the second hidden layer's own weights to the output, with biases
    let linear = COLUMNS + 3.0;
    ((-linear + (linear * linear + 4.0 * words).sqrt()) / 2.0).floor() as u64
}

/// Words of that model's parameters.
fn parameters(width: u64) -> u64 {
    (COLUMNS as u64 + 1) * width + (width + 1) * width + width + 1
}

/// The study file, and the bytes of its update.
fn study(megabytes: u64) -> (String, u64) {
    let width = width(megabytes as f64 * 250_000.0);
    let text = format!(
        r#"
[study]
id = "large"
title = "A large model"
question = "Does it arrive?"
purpose = "53(1)(e)"
ends = 2099-12-31

[data]
dataset = "heart"
outcome = "y"
features = ["age", "trestbps", "chol", "thalach"]

[recipe]
kind = "fedavg"
model = {{ kind = "mlp", hidden = [{width}, {width}] }}
rounds = 1
batch = 0
lr = 0.01
weight = "equal"

[privacy]
min_sites = 3
min_rows = 10

[rounds]
join = "30m"
share = "30m"
upload = "30m"
sign = "30m"
reveal = "30m"
"#
    );
    (text, 4 * parameters(width))
}

/// Three small hospitals, the last of them behind a line with these faults, that have approved a
/// large study.
fn three_hospitals(megabytes: u64, faults: Faults) -> (Consortium, Proxy, u64) {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("10m");
    let proxy = Proxy::start(&consortium.address(), faults).expect("a free port");
    let table = std::fs::read_to_string(demo_file("heart/cleveland.csv")).expect("readable");
    let header = table.lines().next().expect("a header").to_owned();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    for (site, rows) in SITES.iter().zip(rows.chunks(ROWS)) {
        let csv = consortium.path(&format!("{site}.csv"));
        std::fs::write(&csv, format!("{header}\n{}\n", rows.join("\n"))).expect("writable");
        let address = if *site == "cork" {
            proxy.address.clone()
        } else {
            consortium.address()
        };
        let schema = demo_file("heart/schema.toml");
        consortium.add_site_behind(site, &address, "heart", csv.as_ref(), &schema);
        consortium.start_node(site, &[]);
    }
    let (text, bytes) = study(megabytes);
    propose(&consortium, &text, "large");
    (consortium, proxy, bytes)
}

fn propose(consortium: &Consortium, text: &str, id: &str) {
    let file = consortium.path("study.toml");
    std::fs::write(&file, text).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
    SITES.iter().for_each(|site| consortium.approve(site, id));
}

/// Until the table of a study's runs holds one of these texts.
fn until(consortium: &Consortium, study: &str, done: &[&str]) {
    let start = Instant::now();
    loop {
        let shown = consortium.operate(&["run", "list", study, "--json"]).out;
        assert!(
            !shown.contains("\"failed\""),
            "{shown}\n{}",
            consortium.logs()
        );
        assert!(
            start.elapsed() < Duration::from_secs(3000),
            "{shown}\n{}",
            consortium.logs()
        );
        if done.iter().any(|text| shown.contains(text)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// How many sums of a study a site has made again, by its own ledger.
fn checked(consortium: &Consortium, site: &str, study: &str) -> usize {
    let frames = consortium.frames(site);
    let is =
        |frame: &&Value, key: &str, text: &str| frame.get(key).is_some_and(|found| found == text);
    frames
        .iter()
        .filter(|frame| is(frame, "kind", "checked") && is(frame, "study", study))
        .count()
}

#[test]
fn a_large_upload_over_a_line_that_is_cut_arrives_and_hardly_a_byte_is_sent_twice() {
    let megabytes = megabytes();
    let each = (megabytes / 8).max(6) * 1_000_000;
    let faults = Faults {
        cut_after: Some(each),
        ..Faults::default()
    };
    let (consortium, proxy, bytes) = three_hospitals(megabytes, faults);
    let before = proxy.bytes_up();
    let start = Instant::now();
    consortium.operate(&["run", "start", "large"]).done();
    // The training round is the fourth.
    until(&consortium, "large", &TRAINED);
    let spent = proxy.bytes_up() - before;
    let (spent, bytes, cuts) = (spent as f64 / 1e6, bytes as f64 / 1e6, proxy.cuts());
    let took = start.elapsed().as_secs_f64();
    println!(
        "an update of {bytes:.1} MB, cut {cuts} times: {spent:.1} MB sent, {:.4} times as much, {took:.0} s",
        spent / bytes
    );
    assert!(cuts >= 3, "{cuts} cuts");
    assert!(
        spent - bytes <= cuts as f64 * LOST_MB,
        "more is sent again than a cut can cost"
    );
    // The sum, as large, comes down over the same line, or there would be no next round.
    until(
        &consortium,
        "large",
        &["\"rounds\": 5", "\"rounds\":5", "released"],
    );
    println!(
        "the next round after {:.0} s and {} cuts",
        start.elapsed().as_secs_f64(),
        proxy.cuts()
    );
}

#[test]
fn a_large_sum_on_its_way_down_a_slow_line_holds_up_no_other_study() {
    let faults = Faults {
        rate: Some(2_000_000),
        ..Faults::default()
    };
    let (consortium, _proxy, _) = three_hospitals(20, faults);
    let small = study(1).0.replace("id = \"large\"", "id = \"small\"");
    let (head, _) = small.split_once("[recipe]").expect("a recipe");
    propose(
        &consortium,
        &format!("{head}[recipe]\nkind = \"count\"\n"),
        "small",
    );
    consortium.operate(&["run", "start", "large"]).done();
    until(&consortium, "large", &TRAINED);
    let start = Instant::now();
    consortium.operate(&["run", "start", "small"]).done();
    until(&consortium, "small", &["released"]);
    let beside = start.elapsed().as_secs_f64();
    // It has made the sums of three rounds again; that of the fourth is still on its way.
    assert_eq!(checked(&consortium, "cork", "large"), 3);
    println!("beside a sum of 20 MB on a line of 2 MB/s, a count took {beside:.1} s");
    until(&consortium, "large", &["released"]);
    let log = std::fs::read_to_string(consortium.path("cork.log")).expect("readable");
    assert!(
        !log.contains("refused"),
        "whoever is behind refuses nothing for that:\n{log}"
    );
}

/// Frames of one kind that have left a site, by its own ledger.
fn left(consortium: &Consortium, site: &str, kind: &str) -> usize {
    consortium
        .frames(site)
        .iter()
        .filter(|frame| frame.get("kind").is_some_and(|found| found == kind))
        .count()
}

#[test]
fn a_stop_or_a_withdrawal_ends_an_upload_under_way_and_no_line_takes_it_up_again() {
    let faults = Faults {
        rate: Some(500_000),
        ..Faults::default()
    };
    let (consortium, proxy, _) = three_hospitals(8, faults);
    let text = study(8).0;
    for (name, halt, dark) in [
        ("large", vec!["stop"], false),
        ("again", vec!["study", "withdraw", "again"], true),
    ] {
        if dark {
            consortium.desk("cork", &["resume"]).done();
            propose(
                &consortium,
                &text
                    .replace("id = \"large\"", "id = \"again\"")
                    .replace("lr = 0.01", "lr = 0.02"),
                name,
            );
        }
        let before = left(&consortium, "cork", "masked-chunk");
        consortium.operate(&["run", "start", name]).done();
        // The counts of the first rounds are a chunk each; then comes the model.
        let chunks = |c: &Consortium| left(c, "cork", "masked-chunk") - before;
        consortium.wait("the large upload is under way", |c| chunks(c) >= 5);
        if dark {
            proxy.go_dark(true);
        }
        consortium
            .desk("cork", &halt.iter().map(|word| &**word).collect::<Vec<_>>())
            .done();
        // One was perhaps asked for just before that was on record.
        let most = chunks(&consortium) + 1;
        let headers = left(&consortium, "cork", "upload-header");
        proxy.go_dark(false);
        consortium.wait("it is given up, and the coordinator has heard of it", |c| {
            let runs = c.operate(&["run", "list", name, "--json"]).out;
            assert!(
                !TRAINED.iter().any(|trained| runs.contains(trained)),
                "{runs}\n{}",
                c.logs()
            );
            let log = std::fs::read_to_string(c.path("cork.log")).expect("readable");
            let given_up = log.contains(&format!("round 4 of study {name} is given up"));
            given_up
                && (!dark
                    || c.operate(&["study", "show", name])
                        .out
                        .contains("withdrawn"))
        });
        assert!(
            chunks(&consortium) <= most,
            "{} chunks, {most} at the stop",
            chunks(&consortium)
        );
        assert_eq!(left(&consortium, "cork", "upload-header"), headers);
        let kept = std::fs::read_dir(consortium.path("cork/masked/spools"))
            .expect("readable")
            .count();
        assert_eq!(kept, 0, "the masked vector is gone");
        let runs = consortium.operate(&["run", "list", name, "--json"]).done();
        let run = runs
            .split("\"run\"")
            .nth(1)
            .and_then(|rest| rest.split('"').nth(1))
            .expect("a run");
        let _ = consortium.operate(&["run", "abandon", run]);
    }
}
