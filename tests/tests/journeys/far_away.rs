//! A hospital on a host of its own, far away behind a bad line: 200 ms there and back, and every
//! hundredth packet lost in each direction. It takes part in every round, and the result is that of
//! a quiet network, bit for bit.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use motet_tests::netns::Host;
use motet_tests::proxy::{Faults, Proxy};
use serde_json::Value;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];

/// Coefficients, errors, log-likelihood and sites of a run, and how long it took.
fn run(consortium: &Consortium, study: &str) -> (Vec<Value>, f64) {
    consortium.propose_patient(study, &SITES);
    let start = Instant::now();
    consortium.operate(&["run", "start", study]).done();
    consortium.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", study]);
        assert!(!runs.out.contains("failed"), "{}\n{}", runs.out, c.logs());
        runs.out.contains("released")
    });
    let took = start.elapsed().as_secs_f64();
    let out = consortium.path(&format!("{study}.release"));
    consortium
        .operate(&["release", "get", study, "--out", &out])
        .done();
    let text = std::fs::read_to_string(format!("{out}/report.json")).expect("readable");
    let report: Value = serde_json::from_str(&text).expect("valid JSON");
    let figures = ["coefficients", "loglik", "metrics", "rows", "sites"];
    (
        figures
            .map(|key| report.get(key).expect("a key of the report").clone())
            .to_vec(),
        took,
    )
}

#[test]
fn a_hospital_far_away_behind_a_lossy_line_is_in_every_round() {
    let host = match Host::start() {
        Ok(host) => host,
        Err(why) => {
            println!("SKIPPED: no host of its own on this machine ({why})");
            return;
        }
    };
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("60s");
    // Where the kernel does not delay, the way through this machine does.
    let delay = if host.is_far {
        Duration::ZERO
    } else {
        Duration::from_millis(100)
    };
    let faults = Faults {
        delay,
        ..Faults::default()
    };
    let proxy = Proxy::start_at(&host.outside, &consortium.address(), faults).expect("an address");
    for site in SITES {
        let address = if site == "va" {
            proxy.address.clone()
        } else {
            consortium.address()
        };
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site_behind(
            site,
            &address,
            "heart",
            &csv,
            &demo_file("heart/schema.toml"),
        );
        let outer: &[&str] = if site == "va" { &host.command() } else { &[] };
        consortium.start_node_under(outer, site, &[]);
    }
    let (far, slow) = run(&consortium, "far-away");
    assert!(
        host.has_rules() && proxy.bytes_up() > 50_000,
        "{} bytes",
        proxy.bytes_up()
    );
    assert_eq!(far.last(), Some(&Value::from(4)));
    // The same hospital at home.
    consortium.kill_node("va");
    let settings = consortium.path("va/node.toml");
    let text = std::fs::read_to_string(&settings).expect("readable");
    std::fs::write(
        &settings,
        text.replace(&proxy.address, &consortium.address()),
    )
    .expect("writable");
    consortium.start_node("va", &[]);
    let (near, quick) = run(&consortium, "near");
    assert_eq!(far, near);
    let how = if host.is_far {
        "netem"
    } else {
        "nft and a delaying proxy"
    };
    println!("200 ms and 1 % loss ({how}): {slow:.1} s instead of {quick:.1} s, the same result");
}
