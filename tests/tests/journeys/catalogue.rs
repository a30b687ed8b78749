//! What datasets there are, through the real system: two stewards tell the catalogue of theirs, one
//! while nothing is connected; sites, operators and researchers read what is for them and hold it
//! against what governance signed; a restart keeps it, and what is taken out stays out.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, Said};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");

const SCHEMA: &str = "[dataset]\nname = \"ward\"\n[columns.crea]\ntype = \"float\"\nunit = \"mg/dL\"\nmax = 30\n\
    [columns.mrn]\ntype = \"int\"\nprivate = true\n[columns.seen]\ntype = \"date\"\n\
    [columns.sex]\ntype = \"category\"\nlevels = [\"f\", \"m\"]\n\
    [columns.stage]\ntype = \"category\"\nlevels = [\"I\", \"II\", \"rare-stage\"]\n";

/// What may be nowhere outside: an identifier, a rare level, the years of few, a private name.
const NEVER: [&str; 4] = ["80415", "rare-stage", "1999", "mrn"];

/// So many patients, of whom three are of a rare stage and seen in a year of their own.
fn file(c: &Consortium, site: &str, patients: usize) -> PathBuf {
    let row = |n: usize| {
        let year = if n < 3 { 1999 } else { 2015 + n % 4 };
        let stage = match n {
            0..3 => "rare-stage",
            n if n.is_multiple_of(2) => "I",
            _ => "II",
        };
        let sex = if n.is_multiple_of(2) { "f" } else { "m" };
        let crea = 0.5 + (n % 90) as f64 / 50.0;
        format!("{crea},80415{n},{year}-06-01,{sex},{stage}\n")
    };
    let rows: String = (0..patients).map(row).collect();
    let path = PathBuf::from(c.path(&format!("{site}.csv")));
    std::fs::write(&path, format!("crea,mrn,seen,sex,stage\n{rows}")).expect("writable");
    path
}

/// A site with its dataset, whose node does not run yet.
fn join(c: &Consortium, site: &str, country: &str, patients: usize) {
    let code = c.invite(site, country);
    c.desk(site, &["join", &code]).done();
    let csv = file(c, site, patients);
    let schema = c.path("ward.toml");
    std::fs::write(&schema, SCHEMA).expect("writable");
    let csv = csv.to_str().expect("utf-8");
    let line = ["data", "add", "ward", "--csv", csv, "--schema", &schema];
    c.desk(site, &line).done();
}

fn person(c: &Consortium, name: &str) {
    let said = c.operate(&["person", "invite", name, "--role", "researcher"]);
    let said = said.done();
    let code = said.lines().last().expect("the code");
    c.motet(&["person", "join", code, "--as", &c.path(name)])
        .done();
}

/// What somebody reads, as `site/dataset`.
fn reads(said: Said) -> Vec<String> {
    let text = said.done();
    for never in NEVER {
        assert!(!text.contains(never), "{never}:\n{text}");
    }
    let value: Value = serde_json::from_str(&text).expect("valid JSON");
    assert_eq!(value["doubted"], Value::Array(Vec::new()), "{text}");
    let all = value["catalogue"].as_array().expect("a list");
    let names = all.iter().map(|one| {
        let text = |key: &str| one[key].as_str().expect("a text").to_owned();
        format!("{}/{}", text("site"), text("dataset"))
    });
    names.collect()
}

fn ask(c: &Consortium, who: &str) -> Said {
    c.motet(&["data", "catalogue", "--json", "--as", &c.path(who)])
}

/// Shows the card and says yes to it.
fn publish(c: &Consortium, site: &str, more: &[&str]) -> String {
    let line = [&["data", "publish", "ward"], more].concat();
    let card = c.desk(site, &line).done();
    c.desk(site, &[&line[..], &["--yes"]].concat()).done();
    card
}

/// How many notices have left a site, by its own ledger.
fn left(c: &Consortium, site: &str) -> usize {
    let frames = c.frames(site);
    let notices = frames.iter().filter(|frame| frame["kind"] == "notice");
    notices.count()
}

#[test]
fn stewards_tell_of_their_datasets_and_whoever_it_is_for_reads_that_and_nothing_more() {
    let mut c = Consortium::start(PROGRAM);
    join(&c, "lyon", "FR", 240);
    join(&c, "utrecht", "NL", 60);
    person(&c, "jane");
    person(&c, "john");
    let operator = c.identity.clone();

    // Nothing is signed that was not shown, and nothing is told before it is signed.
    let unread = c.desk("lyon", &["data", "publish", "ward", "--yes"]);
    unread.refused("not_shown");
    let card = publish(&c, "lyon", &["--levels", "sex,stage"]);
    for part in [
        "NOT SIGNED",
        "about 200",
        "levels \"f\", \"m\"",
        "years 2015 to 2018",
    ] {
        assert!(card.contains(part), "{part}:\n{card}");
    }
    let held = "of `stage` its levels: one of them has fewer than 5 patients";
    assert!(card.contains(held), "{card}");
    assert!(
        reads(ask(&c, &operator)).is_empty(),
        "its node does not run"
    );
    let list = c.desk("lyon", &["data", "list"]).done();
    assert!(
        list.contains("published") && list.contains("number 1"),
        "{list}"
    );

    // It waits in the site's own ledger until its node comes.
    c.start_node("lyon", &[]);
    c.start_node("utrecht", &[]);
    publish(
        &c,
        "utrecht",
        &["--columns", "crea,sex", "--researchers", "jane"],
    );
    let both = ["lyon/ward", "utrecht/ward"];
    c.wait("both are told", |c| reads(ask(c, &operator)).len() == 2);
    for (who, sees) in [
        (&operator[..], &both[..]),
        ("jane", &both),
        ("john", &both[..1]),
    ] {
        assert_eq!(reads(ask(&c, who)), sees, "{who}");
    }
    for site in ["lyon", "utrecht"] {
        let said = c.desk(site, &["data", "catalogue", "--json"]);
        assert_eq!(reads(said), both, "{site}");
    }
    let one = [
        "data",
        "catalogue",
        "--site",
        "utrecht",
        "--as",
        &c.path("jane"),
    ];
    let text = c.motet(&one).done();
    for part in [
        "utrecht (NL): dataset ward",
        "fewer than 100",
        "mg/dL",
        "allowed up to 30",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains("seen") && !text.contains("lyon"), "{text}");
    // No roster that jane sees names the site yet; the operator verified it.
    assert!(text.contains("COORDINATOR'S WORD ALONE"), "{text}");
    let all = c.operate(&["data", "catalogue"]).done();
    assert!(!all.contains("COORDINATOR'S WORD ALONE"), "{all}");

    // Over a restart it is kept; a node that is stopped tells nothing anew.
    c.coordinator = None;
    c.start_coordinator();
    assert_eq!(reads(ask(&c, "jane")), both);
    c.desk("lyon", &["stop"]).done();
    publish(&c, "lyon", &["--columns", "sex"]);
    c.desk("lyon", &["data", "unpublish", "none"]).done();
    let told = left(&c, "lyon");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(left(&c, "lyon"), told, "a stopped node");
    c.desk("lyon", &["resume"]).done();
    let lyon = |c: &Consortium| {
        let line = [
            "data",
            "catalogue",
            "--site",
            "lyon",
            "--as",
            &c.path("john"),
        ];
        c.motet(&line).done()
    };
    c.wait("it tells of one column", |c| !lyon(c).contains("crea"));

    // Taken out it stays out, also when node and coordinator come back.
    c.desk("lyon", &["data", "unpublish", "ward"]).done();
    c.wait("it is gone", |c| reads(ask(c, "john")).is_empty());
    let status = c.desk("lyon", &["status"]).done();
    assert!(status.contains("ward (taken out"), "{status}");
    c.kill_node("lyon");
    c.coordinator = None;
    c.start_coordinator();
    let told = left(&c, "lyon");
    c.start_node("lyon", &[]);
    c.wait("it is back", |c| {
        let list = c.operate(&["site", "list"]).out;
        list.lines()
            .any(|line| line.contains("lyon") && line.contains(" connected"))
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(left(&c, "lyon"), told, "what is known is not said again");
    assert_eq!(reads(ask(&c, &operator)), both[1..]);

    // Who was removed reads nothing, and of a site that was removed nothing is read.
    c.operate(&["person", "remove", "john"]).done();
    ask(&c, "john").refused("person_revoked");
    c.operate(&["site", "remove", "utrecht"]).done();
    assert!(reads(ask(&c, "jane")).is_empty());
    let removed = c.desk("utrecht", &["data", "catalogue"]);
    removed.refused("site_revoked");

    // Nor has the coordinator more of it on record than was told.
    let out = c.path("export.jsonl");
    c.operate(&["ledger", "export", &out]).done();
    let text = std::fs::read_to_string(&out).expect("readable");
    let entries: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("\"catalogue\""))
        .collect();
    assert_eq!(
        entries.len(),
        4,
        "two of each site, and one taken out: {text}"
    );
    for never in NEVER {
        let hex: String = never.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(entries.iter().all(|entry| !entry.contains(&hex)), "{never}");
    }
}
