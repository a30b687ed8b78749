//! Two studies over the same patients, one site more or less: without the steward's word no node
//! opens what they show together.
#![expect(
    clippy::expect_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, demo_file};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];

/// Proposes a study under this name that asks nearly the same.
fn proposed(consortium: &Consortium, name: &str, filter: &str, sites: &str) {
    let file = consortium.path(&format!("{name}.toml"));
    let text = format!(
        "[study]\nid = \"{name}\"\ntitle = \"{name}\"\nquestion = \"What do all patients together say about it?\"\n\
         purpose = \"53(1)(e)\"\nends = 2099-12-31\n{sites}[data]\ndataset = \"heart\"\nfeatures = [\"age\"]\nfilter = \"{filter}\"\n\
         [recipe]\nkind = \"summary\"\n[rounds]\njoin = \"3s\"\nshare = \"60s\"\nupload = \"60s\"\nsign = \"60s\"\nreveal = \"60s\"\n"
    );
    std::fs::write(&file, text).expect("writable");
    consortium.operate(&["study", "propose", &file]).done();
}

/// Runs a study to its end, whoever is away; what was said of it.
fn run(consortium: &Consortium, name: &str) -> (i32, String) {
    let run = consortium.operate(&["run", "start", name, "--without-undecided", "--wait"]);
    (run.code, format!("{}{}", run.out, run.err))
}

#[test]
fn a_site_that_stays_away_from_the_second_study_is_not_computed_from_both_unless_the_others_say_so()
{
    let mut consortium = Consortium::start(PROGRAM);
    // A line is known to be gone soon.
    consortium.set_lease("2s");
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    for (name, filter) in [("first", "age >= 0"), ("second", "age >= 1")] {
        proposed(&consortium, name, filter, "");
        // The sites of both rosters are the same: nothing is to be seen at the desk.
        SITES.iter().for_each(|site| consortium.approve(site, name));
    }
    assert_eq!(run(&consortium, "first").0, 0, "{}", consortium.logs());

    // What was signed is remembered over a restart; the one hospital is away, or is said to be.
    for site in SITES {
        consortium.kill_node(site);
    }
    for site in &SITES[..3] {
        consortium.start_node(site, &[]);
    }
    let (code, said) = run(&consortium, "second");
    assert!(
        code != 0 && said.contains("question_repeated") && said.contains("--again"),
        "{said}"
    );
    // Whoever is asked first says it; the run ends before the others need to.
    let says = |site: &&str| {
        let log =
            std::fs::read_to_string(consortium.path(&format!("{site}.log"))).expect("readable");
        log.contains("question_repeated") && log.contains("what va alone would say")
    };
    assert!(SITES[..3].iter().any(says), "{}", consortium.logs());

    // Nor does another study over fewer sites get past the desk, whose card names the study and the
    // site.
    let card = consortium.desk("va", &["study", "show", "second"]).done();
    assert!(
        !card.contains("what va alone would say"),
        "the rosters are the same: {card}"
    );
    proposed(
        &consortium,
        "third",
        "age >= 2",
        "sites = [\"cleveland\", \"hungarian\", \"switzerland\"]\n",
    );
    consortium.wait("the study has arrived", |c| {
        c.desk("hungarian", &["study", "show", "third"]).code == 0
    });
    let card = consortium
        .desk("hungarian", &["study", "show", "third"])
        .done();
    let flat = card.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("ATTENTION: study `first` opened a sum over the same data"),
        "{card}"
    );
    let refused = consortium.desk("hungarian", &["study", "approve", "third"]);
    assert!(
        refused.code == 3 && refused.err.contains("question_repeated"),
        "{}",
        refused.err
    );
    let lifted = consortium
        .desk("hungarian", &["study", "approve", "third", "--again"])
        .done();
    assert!(
        lifted.contains("study `first`") && lifted.contains("what va alone would say"),
        "{lifted}"
    );

    // With their stewards' word the second runs without it, where that word names it.
    for (named, runs) in [("cleveland", false), ("va", true)] {
        SITES[..3]
            .iter()
            .for_each(|site| consortium.approve_again(site, "second", named));
        let (code, said) = run(&consortium, "second");
        assert_eq!(code == 0, runs, "{named}: {said}\n{}", consortium.logs());
    }
    assert_eq!(consortium.figures("second")["sites"], 3);
    consortium.operate(&["ledger", "verify"]).done();
}
