//! Networks as they are: connections that are cut, a line that goes dark in mid-round, long ways,
//! and a slow study beside a quick one. Nodes dial again, uploads go on at the chunk, and the
//! result is that of a quiet network, bit for bit.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use motet_tests::proxy::{Faults, Proxy};
use serde_json::Value;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];

/// Four hospitals, the last of them behind a bad line.
fn behind(faults: Faults) -> (Consortium, Proxy) {
    let mut consortium = Consortium::start(PROGRAM);
    consortium.set_lease("60s");
    let proxy = Proxy::start(&consortium.address(), faults).expect("a free port");
    let direct = consortium.address();
    for site in SITES {
        let address = if site == "va" {
            proxy.address.clone()
        } else {
            direct.clone()
        };
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site_behind(
            site,
            &address,
            "heart",
            &csv,
            &demo_file("heart/schema.toml"),
        );
        consortium.start_node(site, &[]);
    }
    (consortium, proxy)
}

/// Proposes the heart study under a name of its own, with patient phases.
fn proposed(consortium: &Consortium, name: &str, change: impl Fn(String) -> String) {
    let file = consortium.path(&format!("{name}.toml"));
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).expect("readable");
    let text = text
        .replace("heart-disease", name)
        .replace("= \"10s\"", "= \"60s\"");
    std::fs::write(&file, change(text)).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
}

/// The same, approved by everybody.
fn approved(consortium: &Consortium, name: &str) {
    proposed(consortium, name, |text| text);
    SITES.iter().for_each(|site| consortium.approve(site, name));
}

fn is_released(consortium: &Consortium, study: &str) -> bool {
    let runs = consortium.operate(&["run", "list", study]);
    assert!(
        !runs.out.contains("failed"),
        "{}\n{}",
        runs.out,
        consortium.logs()
    );
    runs.out.contains("released")
}

/// What every disturbed run must give, to the last bit.
fn result(consortium: &Consortium, study: &str) -> Value {
    consortium.wait("the run is released", |c| is_released(c, study));
    consortium.figures(study)
}

#[test]
fn connections_cut_again_and_again_change_nothing() {
    let (mut consortium, proxy) = behind(Faults {
        cut_after: Some(30_000),
        ..Faults::default()
    });
    approved(&consortium, "cut");
    consortium.operate(&["run", "start", "cut"]).done();
    let cut = result(&consortium, "cut");
    assert!(proxy.cuts() >= 5, "{} cuts", proxy.cuts());
    // The same hospital on a quiet line.
    consortium.kill_node("va");
    let settings = consortium.path("va/node.toml");
    let text = std::fs::read_to_string(&settings).expect("readable");
    std::fs::write(
        &settings,
        text.replace(&proxy.address, &consortium.address()),
    )
    .expect("writable");
    consortium.start_node("va", &[]);
    approved(&consortium, "quiet");
    consortium.operate(&["run", "start", "quiet"]).done();
    assert_eq!(cut, result(&consortium, "quiet"));
    println!("{} cuts, the same result", proxy.cuts());
}

#[test]
fn a_line_that_goes_dark_in_mid_round_is_waited_for_and_a_long_way_is_only_slow() {
    // `MOTET_DARK_S=600` makes it ten minutes; then the deadlines and the lease are longer than
    // that, too.
    let dark =
        std::env::var("MOTET_DARK_S").map_or(10, |text| text.parse().expect("a number of seconds"));
    let patience = format!("{}s", dark + 50);
    let (mut consortium, proxy) = behind(Faults {
        delay: Duration::from_millis(100),
        ..Faults::default()
    });
    consortium.set_lease(&patience);
    proposed(&consortium, "dark", |text| {
        text.replace("\"60s\"", &format!("\"{patience}\""))
    });
    SITES
        .iter()
        .for_each(|site| consortium.approve(site, "dark"));
    consortium.operate(&["run", "start", "dark"]).done();
    consortium.wait("the run is under way", |c| {
        c.operate(&["run", "list", "dark", "--json"])
            .out
            .contains("\"rounds\": 2")
            || c.operate(&["run", "list", "dark", "--json"])
                .out
                .contains("\"rounds\":2")
    });
    proxy.go_dark(true);
    std::thread::sleep(Duration::from_secs(dark));
    assert!(
        !is_released(&consortium, "dark"),
        "four sites are in the sum or none: it waits"
    );
    proxy.go_dark(false);
    let report = result(&consortium, "dark");
    assert_eq!(
        report.get("sites"),
        Some(&Value::from(4)),
        "the site is in the sum all the same"
    );
}

#[test]
fn a_router_that_forgets_connections_is_noticed_within_a_minute() {
    let (consortium, proxy) = behind(Faults::default());
    approved(&consortium, "forgotten");
    proxy.forget();
    let start = Instant::now();
    consortium.operate(&["run", "start", "forgotten"]).done();
    assert_eq!(
        result(&consortium, "forgotten").get("sites"),
        Some(&Value::from(4)),
        "the site is in the sum all the same"
    );
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(5),
        "the line was silent: {took:?}"
    );
    println!(
        "a forgotten connection held the run up for {:.0} s",
        took.as_secs_f64()
    );
}

#[test]
fn a_stuck_study_does_not_hold_up_another() {
    let (mut consortium, _proxy) = behind(Faults::default());
    let three = SITES.get(..3).expect("three sites");
    for name in ["alone", "beside"] {
        proposed(&consortium, name, |text| {
            text.replace(
                "[data]",
                "sites = [\"cleveland\", \"hungarian\", \"switzerland\"]\n\n[data]",
            )
        });
        three.iter().for_each(|site| consortium.approve(site, name));
    }
    // Another question than that of the two, and one site more: its steward's colleagues say yes to
    // that.
    proposed(&consortium, "stuck", |text| {
        text.replace("ridge = 0.0", "ridge = 0.5")
    });
    SITES
        .iter()
        .for_each(|site| consortium.approve_again(site, "stuck", "va"));
    let timed = |consortium: &Consortium, name: &str| {
        let start = Instant::now();
        consortium.operate(&["run", "start", name]).done();
        (result(consortium, name), start.elapsed().as_secs_f64())
    };
    let (alone, quiet) = timed(&consortium, "alone");
    // A site stops where its upload begins, and is waited for.
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", "upload:1"]);
    consortium.operate(&["run", "start", "stuck"]).done();
    consortium.wait("the site has stopped", |c| {
        c.logs().contains("drill: this process ends here")
    });
    let (beside, busy) = timed(&consortium, "beside");
    assert_eq!(beside, alone);
    let stuck = consortium.operate(&["run", "list", "stuck"]).done();
    assert!(
        !stuck.contains("released") && stuck.contains("va"),
        "{stuck}"
    );
    // It comes back in its time, and the stuck study ends well too.
    consortium.kill_node("va");
    consortium.start_node("va", &[]);
    assert_eq!(
        result(&consortium, "stuck").get("sites"),
        Some(&Value::from(4))
    );
    println!(
        "alone {quiet:.2} s, beside a stuck study {busy:.2} s: ratio {:.2}",
        busy / quiet
    );
}
