//! A newcomer's mistakes, one after the other: each answer says what to do next, and what it says
//! is so.

use motet_tests::consortium::{Consortium, Said, demo_file};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 3] = ["cleveland", "hungarian", "va"];

/// The standard error of a command that did not do what it was asked to.
fn wrong(said: Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{}\n{}", said.out, said.err);
    for word in words {
        assert!(said.err.contains(word), "`{word}` is not in:\n{}", said.err);
    }
}

fn add(consortium: &mut Consortium, site: &str) {
    let csv = demo_file(&format!("heart/{site}.csv"));
    consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
}

#[test]
fn every_mistake_of_a_newcomer_is_answered_with_what_helps() {
    let mut c = Consortium::start(PROGRAM);
    let study = demo_file("heart/logistic.toml")
        .to_str()
        .unwrap()
        .to_owned();
    let text = std::fs::read_to_string(c.path("hub/coordinator.toml")).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("governance"))
        .unwrap();
    let key = line.split('"').nth(1).unwrap().to_owned();

    // Invitations.
    let first = c.invite("cleveland", "NL");
    let again = c
        .operate(&["site", "invite", "Cleveland", "--country", "NL"])
        .done();
    assert!(again.contains("its code is void from now on"), "{again}");
    wrong(
        c.desk("early", &["join", &first]),
        3,
        &["token_unknown", "a later one of the same name"],
    );
    let other = c
        .operate(&["site", "invite", "nice", "--country", "FR"])
        .done();
    assert!(!other.contains("void"), "{other}");
    c.operate(&["site", "remove", "nice"]).done();
    let (empty, none) = (c.path("empty"), c.path("none"));
    std::fs::write(&empty, "\n").unwrap();
    let to = c.path("ada");
    wrong(
        c.motet(&["person", "join", "nonsense", "--as", &to]),
        3,
        &["bad_join_code", "motet person invite"],
    );
    wrong(
        c.motet(&["person", "join", "--code-file", &empty, "--as", &to]),
        3,
        &["is empty"],
    );
    wrong(
        c.desk("early", &["join", "--code-file", &empty]),
        3,
        &["is empty"],
    );
    let hub = [
        "init",
        &c.path("hub2"),
        "--name",
        "t",
        "--country",
        "NL",
        "--governance-passphrase-file",
        &none,
    ];
    wrong(
        c.motet(&hub),
        2,
        &["name a file whose one line is the passphrase"],
    );

    // Too few sites, the same study twice, a name that is taken.
    SITES[..2].iter().for_each(|site| add(&mut c, site));
    wrong(
        c.operate(&["study", "propose", &study]),
        3,
        &["study_invalid", "next: `motet site invite"],
    );
    let taken = c.operate(&["site", "invite", "cleveland", "--country", "NL"]);
    wrong(taken, 3, &["name_taken", "motet site remove cleveland"]);
    add(&mut c, "va");
    c.operate(&["site", "list"]).done();
    c.operate(&["study", "propose", &study]).done();
    wrong(
        c.operate(&["study", "propose", &study]),
        3,
        &["study_known", "`motet study show ID`", "another id"],
    );

    // A run by the name of its study, and what became of the study.
    wrong(
        c.operate(&["run", "show", "heart-disease"]),
        3,
        &["run_unknown", "no study `heart-disease` has one"],
    );
    SITES
        .iter()
        .for_each(|site| c.approve(site, "heart-disease"));
    assert!(
        c.operate(&["study", "list"])
            .done()
            .contains("heart-disease  open")
    );
    let waited = c.operate(&["run", "start", "heart-disease", "--wait"]);
    let lines = waited
        .err
        .lines()
        .filter(|line| !line.contains("wait"))
        .count();
    let shown = c.operate(&["run", "show", "heart-disease"]).done();
    assert!(
        shown.contains("is the latest of `heart-disease`") && shown.contains("motet release get"),
        "{shown}"
    );
    c.operate(&["run", "watch", "heart-disease"]).done();
    let rounds = c
        .operate(&["run", "show", "heart-disease", "--json"])
        .done();
    let rounds = serde_json::from_str::<serde_json::Value>(&rounds).unwrap()["rounds"]
        .as_u64()
        .unwrap();
    // What lasts longer on a slow machine waits for somebody and says so.
    assert!(
        lines as u64 <= rounds,
        "{lines} lines for {rounds} rounds:\n{}",
        waited.err
    );
    waited.done();
    assert!(
        c.operate(&["study", "list"])
            .done()
            .contains("heart-disease  released")
    );

    // Releases.
    let out = c.path("release");
    c.operate(&["release", "get", "heart-disease", "--out", &out])
        .done();
    let verify =
        |path: &str, more: &[&str]| c.motet(&[&["release", "verify", path], more].concat());
    let with_key = verify(&out, &["--governance", &key]).done();
    assert!(
        with_key.contains("the governance key is the one you trust"),
        "{with_key}"
    );
    let facts: serde_json::Value =
        serde_json::from_str(&verify(&out, &["--as", &c.operator(), "--json"]).done()).unwrap();
    verify(
        &out,
        &["--governance", facts["governance"].as_str().unwrap()],
    )
    .done();
    wrong(
        verify(&out, &["--governance", &"ab".repeat(32)]),
        3,
        &["release_mismatch"],
    );
    wrong(
        verify(&out, &["--governance", "ab"]),
        2,
        &["neither a fingerprint nor a key"],
    );
    wrong(
        verify(&none, &[]),
        2,
        &["there is no", "`motet release get`"],
    );
    wrong(
        verify(&c.path("hub"), &[]),
        2,
        &["is no release", "`motet release get`"],
    );

    // A log in a file is plain.
    for log in ["coordinator", "cleveland"] {
        let text = std::fs::read_to_string(c.path(&format!("{log}.log"))).unwrap();
        assert!(!text.is_empty() && !text.contains('\u{1b}'), "{text}");
    }
}
