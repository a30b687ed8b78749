//! Journeys with real processes: a consortium from nothing to a verified release, and what happens
//! to those who may not.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const HEART: [(&str, &str); 4] = [
    ("cleveland", "US"),
    ("hungarian", "HU"),
    ("switzerland", "CH"),
    ("va", "US"),
];

fn heart_sites(consortium: &mut Consortium, names: &[&str]) {
    for (site, country) in HEART.iter().filter(|(site, _)| names.contains(site)) {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(
            site,
            country,
            "heart",
            &csv,
            &demo_file("heart/schema.toml"),
        );
    }
}

fn report(folder: &str) -> Value {
    let text = std::fs::read_to_string(format!("{folder}/report.json"))
        .expect("the release holds a report");
    serde_json::from_str(&text).expect("valid JSON")
}

fn assert_close(what: &str, found: f64, reference: f64) {
    let distance = (found - reference).abs();
    assert!(
        distance <= 1e-8 * (1.0 + reference.abs()),
        "{what}: {found} and {reference} differ by {distance:e}"
    );
}

#[test]
fn four_hospitals_fit_the_pooled_model_and_the_release_verifies_offline() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(
        &mut consortium,
        &["cleveland", "hungarian", "switzerland", "va"],
    );
    consortium
        .operate(&[
            "study",
            "propose",
            demo_file("heart/logistic.toml").to_str().unwrap(),
        ])
        .done();
    for (site, _) in HEART {
        consortium.approve(site, "heart-disease");
    }
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .done();
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    // Offline: nobody is there any more.
    consortium.nodes.clear();
    consortium.coordinator = None;
    consortium
        .motet(&["release", "verify", &out, "--as", &consortium.operator()])
        .done();

    let report = report(&out);
    let reference: Value = serde_json::from_str(include_str!(
        "../../../common/recipes/tests/reference/heart_logistic.json"
    ))
    .unwrap();
    assert_eq!(report["rows"], 740);
    assert_eq!(report["sites"], 4);
    let fit = &reference;
    for (index, coefficient) in report["coefficients"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
    {
        let name = coefficient["name"].as_str().unwrap();
        assert_eq!(name, reference["features"][index].as_str().unwrap());
        assert_close(
            name,
            coefficient["estimate"].as_f64().unwrap(),
            fit["coef"][index].as_f64().unwrap(),
        );
        assert_close(
            name,
            coefficient["se"].as_f64().unwrap(),
            fit["se"][index].as_f64().unwrap(),
        );
    }
    assert_close(
        "loglik",
        report["loglik"].as_f64().unwrap(),
        fit["loglik"].as_f64().unwrap(),
    );

    // One flipped byte anywhere in a file is found.
    let weights = format!("{out}/model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    assert_ne!(
        consortium
            .motet(&["release", "verify", &out, "--as", &consortium.operator()])
            .code,
        0
    );
}

#[test]
fn a_site_that_has_not_approved_sends_no_update_byte_and_the_operator_sees_why() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(
        &mut consortium,
        &["cleveland", "hungarian", "switzerland", "va"],
    );
    consortium
        .operate(&[
            "study",
            "propose",
            demo_file("heart/logistic.toml").to_str().unwrap(),
        ])
        .done();
    for site in ["cleveland", "hungarian", "va"] {
        consortium.approve(site, "heart-disease");
    }
    consortium.wait("the study has arrived", |c| {
        c.desk("switzerland", &["study", "show", "heart-disease"])
            .code
            == 0
    });
    consortium
        .desk(
            "switzerland",
            &[
                "study",
                "decline",
                "heart-disease",
                "--why",
                "no ethics vote yet",
            ],
        )
        .done();
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .done();
    let study = consortium
        .operate(&["study", "show", "heart-disease"])
        .done();
    assert!(
        study.contains("declined") && study.contains("no ethics vote yet"),
        "{study}"
    );
    let left = consortium
        .desk("switzerland", &["ledger", "show", "--json"])
        .done();
    for kind in [
        "advert",
        "shares",
        "masked-chunk",
        "upload-header",
        "reveal-reply",
    ] {
        assert!(
            !left.contains(&format!("\"{kind}\"")),
            "a `{kind}` left a site that declined:\n{left}"
        );
    }
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    assert_eq!(report(&out)["sites"], 3);
    assert_eq!(report(&out)["rows"], 303 + 261 + 130);
}

#[test]
fn stewards_who_stop_their_nodes_are_named_by_a_run_that_waits_and_nothing_leaves_until_they_resume()
 {
    let mut consortium = Consortium::start(PROGRAM);
    let sites = ["cleveland", "hungarian", "va"];
    heart_sites(&mut consortium, &sites);
    consortium
        .operate(&[
            "study",
            "propose",
            demo_file("heart/logistic.toml").to_str().unwrap(),
        ])
        .done();
    for site in sites {
        consortium.approve(site, "heart-disease");
        consortium.desk(site, &["stop"]).done();
    }
    consortium
        .operate(&["run", "start", "heart-disease"])
        .done();
    let named = sites.map(|site| format!("{site} (stopped by its steward)"));
    consortium.wait("the run names them", |c| {
        let shown = c.operate(&["run", "show", "heart-disease"]).done();
        named.iter().all(|site| shown.contains(site)) && shown.contains("however long")
    });
    for command in [&["site", "list"][..], &["study", "show", "heart-disease"]] {
        let said = consortium.operate(command).done();
        assert_eq!(said.matches("stopped by its steward").count(), 3, "{said}");
    }
    for site in sites {
        let left = consortium.desk(site, &["ledger", "show", "--json"]).done();
        for kind in [
            "advert",
            "shares",
            "masked-chunk",
            "upload-header",
            "reveal-reply",
        ] {
            assert!(
                !left.contains(&format!("\"{kind}\"")),
                "a `{kind}` left a stopped site:\n{left}"
            );
        }
    }
    sites
        .iter()
        .for_each(|site| drop(consortium.desk(site, &["resume"]).done()));
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list"]).out.contains("released")
    });
}

#[test]
fn a_run_waits_for_a_steward_who_has_not_decided_unless_the_operator_says_so_and_the_release_names_the_site()
 {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(
        &mut consortium,
        &["cleveland", "hungarian", "switzerland", "va"],
    );
    consortium
        .operate(&[
            "study",
            "propose",
            demo_file("heart/logistic.toml").to_str().unwrap(),
        ])
        .done();
    for site in ["cleveland", "hungarian", "va"] {
        consortium.approve(site, "heart-disease");
    }
    let show = |c: &Consortium| {
        c.operate(&["run", "show", "heart-disease", "--json"])
            .done()
    };
    let started = consortium
        .operate(&["run", "start", "heart-disease", "--json"])
        .done();
    consortium.wait("it waits for one steward alone", |c| {
        serde_json::from_str::<serde_json::Value>(&show(c)).unwrap()["awaited"]
            == serde_json::json!(["switzerland"])
    });
    let shown: serde_json::Value = serde_json::from_str(&show(&consortium)).unwrap();
    assert_eq!(
        (&shown["state"], &shown["until_ms"]),
        (&"waiting".into(), &serde_json::Value::Null),
        "{shown}"
    );
    for part in [
        "switzerland (its steward has not decided)",
        "run start heart-disease --without-undecided",
    ] {
        assert!(shown["why"].as_str().unwrap().contains(part), "{shown}");
    }
    consortium
        .operate(&["run", "start", "heart-disease"])
        .refused("wrong_phase");
    let without = [
        "run",
        "start",
        "heart-disease",
        "--without-undecided",
        "--json",
    ];
    assert_eq!(
        consortium.operate(&without).done(),
        started,
        "the run that waits is the one that begins"
    );
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list"]).out.contains("released")
    });
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    let absent = serde_json::json!([{ "name": "switzerland", "country": "CH" }]);
    assert_eq!(report(&out)["sites_absent"], absent);
    let card = std::fs::read_to_string(format!("{out}/card.md")).unwrap();
    assert!(card.contains(
        "1 of the 4 sites that were asked is in no sum of this release: switzerland (CH)."
    ));
}

#[test]
fn one_changed_hyper_parameter_voids_every_approval() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(&mut consortium, &["cleveland", "hungarian", "va"]);
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).unwrap();
    let file = consortium.path("study.toml");
    std::fs::write(&file, &text).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    consortium.approve("cleveland", "heart-disease");
    std::fs::write(&file, text.replace("ridge = 0.0", "ridge = 0.5")).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    consortium.wait("the new text has arrived", |c| {
        c.desk("cleveland", &["study", "list"])
            .out
            .contains("undecided")
    });
    let study = consortium
        .operate(&["study", "show", "heart-disease"])
        .done();
    assert!(!study.contains("approved"), "{study}");
}

#[test]
fn a_removed_site_is_cut_at_once_and_stays_out() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(&mut consortium, &["cleveland", "hungarian", "va"]);
    consortium.wait("va is connected", |c| {
        c.operate(&["site", "list"])
            .out
            .matches("connected")
            .count()
            >= 3
    });
    consortium.operate(&["site", "remove", "va"]).done();
    consortium.wait("va hears it", |c| c.logs().contains("site_revoked"));
    assert!(
        consortium
            .operate(&["site", "list"])
            .done()
            .contains("removed")
    );
}

#[test]
fn invitations_work_once_and_only_as_printed() {
    let consortium = Consortium::start(PROGRAM);
    let code = consortium.invite("cleveland", "US");
    let mut mistyped = code.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'a' { 'b' } else { 'a' });
    consortium
        .desk("typo", &["join", &mistyped])
        .refused("bad_join_code");
    consortium.desk("first", &["join", &code]).done();
    consortium
        .desk("second", &["join", &code])
        .refused("token_used");
    assert!(
        !std::path::Path::new(&consortium.path("second"))
            .join("node.toml")
            .exists(),
        "nothing half-made"
    );
}

#[test]
fn a_coordinator_restarted_between_two_rounds_goes_on_to_the_same_release() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(&mut consortium, &["cleveland", "hungarian", "va"]);
    consortium
        .operate(&[
            "study",
            "propose",
            demo_file("heart/logistic.toml").to_str().unwrap(),
        ])
        .done();
    for site in ["cleveland", "hungarian", "va"] {
        consortium.approve(site, "heart-disease");
    }
    consortium
        .operate(&["run", "start", "heart-disease"])
        .done();
    std::thread::sleep(std::time::Duration::from_millis(700));
    if let Some(coordinator) = consortium.coordinator.as_mut() {
        coordinator.kill();
    }
    consortium.start_coordinator();
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list"]).out.contains("released")
    });
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    assert_eq!(report(&out)["rows"], 303 + 261 + 130);
}

#[test]
fn a_node_that_dies_in_mid_round_and_returns_finishes_that_round() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(&mut consortium, &["cleveland", "hungarian", "va"]);
    consortium.kill_node("va");
    // Three sites tolerate no loss: the round can only end when va is back.
    consortium.start_node("va", &["--drill", "upload:3"]);
    consortium
        .operate(&[
            "study",
            "propose",
            demo_file("heart/logistic.toml").to_str().unwrap(),
        ])
        .done();
    for site in ["cleveland", "hungarian", "va"] {
        consortium.approve(site, "heart-disease");
    }
    consortium
        .operate(&["run", "start", "heart-disease"])
        .done();
    consortium.wait("va has ended in round 3", |c| {
        c.logs().contains("this process ends here")
    });
    consortium.kill_node("va");
    consortium.start_node("va", &[]);
    consortium.wait("the run is released", |c| {
        c.operate(&["run", "list"]).out.contains("released")
    });
    let out = consortium.path("release");
    consortium
        .operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    assert_eq!(report(&out)["rows"], 303 + 261 + 130);
}

#[test]
fn a_site_that_stays_away_ends_the_run_at_its_deadlines_with_a_code() {
    let mut consortium = Consortium::start(PROGRAM);
    heart_sites(&mut consortium, &["cleveland", "hungarian", "va"]);
    consortium.kill_node("va");
    consortium.start_node("va", &["--drill", "upload:3"]);
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).unwrap();
    let file = consortium.path("study.toml");
    let quick = text
        .replace("upload = \"60s\"", "upload = \"4s\"")
        .replace("join = \"10s\"", "join = \"3s\"");
    assert_ne!(quick, text);
    std::fs::write(&file, quick).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    for site in ["cleveland", "hungarian", "va"] {
        consortium.approve(site, "heart-disease");
    }
    consortium
        .operate(&["run", "start", "heart-disease", "--wait"])
        .refused("site_lost");
}

#[test]
fn a_text_that_takes_the_place_of_the_one_that_was_read_is_not_approved() {
    let mut consortium = Consortium::start(PROGRAM);
    let sites = ["cleveland", "hungarian", "va"];
    heart_sites(&mut consortium, &sites);
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).unwrap();
    let file = consortium.path("study.toml");
    std::fs::write(&file, &text).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    let arrived = |c: &Consortium, site: &str| c.desk(site, &["study", "list"]).out;
    consortium.wait("it has arrived", |c| {
        sites
            .iter()
            .all(|site| arrived(c, site).contains("heart-disease"))
    });
    let approve = ["study", "approve", "heart-disease"];
    let unread = consortium
        .desk("cleveland", &approve)
        .refused("study_not_approved");
    assert!(unread.contains("was not shown here yet"), "{unread}");
    let card = |c: &Consortium| {
        c.desk("cleveland", &["study", "show", "heart-disease"])
            .done()
    };
    let typed = |card: &str| {
        card.split("--digest ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .to_owned()
    };
    let read = typed(&card(&consortium));
    let before = arrived(&consortium, "cleveland");

    std::fs::write(&file, text.replace("ridge = 0.0", "ridge = 0.5")).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    consortium.wait("another text has arrived", |c| {
        sites.iter().all(|site| arrived(c, site) != before)
    });
    let other = consortium
        .desk("cleveland", &approve)
        .refused("study_not_approved");
    assert!(
        other.contains("has changed since it was shown here"),
        "{other}"
    );
    let old = [&approve[..], &["--digest", &read]].concat();
    sites
        .iter()
        .for_each(|site| drop(consortium.desk(site, &old).refused("study_not_approved")));
    let now = typed(&card(&consortium));
    consortium.desk("cleveland", &approve).done();
    consortium
        .desk("va", &[&approve[..], &["--digest", &now]].concat())
        .done();
}
