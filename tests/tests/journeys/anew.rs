//! A hospital whose record is lost: what its node says to do is done, word by word, and it is in
//! the next study.
#![expect(
    clippy::unwrap_used,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_tests::consortium::{Consortium, PATIENCE, demo_file};

const PROGRAM: &str = env!("CARGO_BIN_EXE_motet-under-test");
const SITES: [&str; 4] = ["cleveland", "hungarian", "switzerland", "va"];
const WAY: [&str; 3] = [
    "`motet site remove`",
    "`motet site invite`",
    "`motet-node join`",
];

/// Proposes the heart study under this name and lets every site approve it.
fn propose(consortium: &Consortium, name: &str) {
    let file = consortium.path(&format!("{name}.toml"));
    let text = std::fs::read_to_string(demo_file("heart/logistic.toml")).unwrap();
    std::fs::write(&file, text.replace("heart-disease", name)).unwrap();
    consortium.operate(&["study", "propose", &file]).done();
    // To a site's colleagues it is another one with the keys of its new folder.
    SITES
        .iter()
        .for_each(|site| consortium.approve_again(site, name, ""));
}

/// Runs a study to its release; gives the number of sites in it.
fn released(consortium: &Consortium, study: &str, approvals: usize) -> u64 {
    consortium.wait("every decision is known", |c| {
        c.operate(&["study", "show", study])
            .out
            .matches("approved")
            .count()
            >= approvals
    });
    consortium.operate(&["run", "start", study]).done();
    consortium.wait("the run is released", |c| {
        let runs = c.operate(&["run", "list", study]).out;
        assert!(!runs.contains("failed"), "{runs}\n{}", c.logs());
        runs.contains("released")
    });
    consortium
        .figures(study)
        .get("sites")
        .unwrap()
        .as_u64()
        .unwrap()
}

#[test]
fn a_node_whose_record_is_lost_says_how_to_join_anew_and_that_way_leads_into_the_next_study() {
    let mut consortium = Consortium::start(PROGRAM);
    for site in SITES {
        let csv = demo_file(&format!("heart/{site}.csv"));
        consortium.add_site(site, "NL", "heart", &csv, &demo_file("heart/schema.toml"));
    }
    propose(&consortium, "before");
    consortium.wait("every decision is known", |c| {
        c.operate(&["study", "show", "before"])
            .out
            .matches("approved")
            .count()
            >= SITES.len()
    });

    consortium.kill_node("va");
    let ledger = consortium.path("va/ledger/ledger.sqlite");
    for file in [
        ledger.clone(),
        format!("{ledger}-wal"),
        format!("{ledger}-shm"),
    ] {
        let _ = std::fs::remove_file(file);
    }
    consortium.start_node("va", &[]);
    assert!(consortium.node("va").ends_within(PATIENCE));
    let run = std::fs::read_to_string(consortium.path("va.log")).unwrap();
    let doctor = consortium.desk("va", &["doctor"]).out;
    let status = consortium.desk("va", &["status"]).err;
    for said in [run, doctor, status] {
        assert!(WAY.iter().all(|word| said.contains(word)), "{said}");
        assert!(!said.contains("from a backup"), "{said}");
    }

    // The operator's and the hospital's part of it.
    consortium.operate(&["site", "remove", "va"]).done();
    let code = consortium.invite("va", "NL");
    consortium.kill_node("va");
    std::fs::rename(consortium.path("va"), consortium.path("va-kept")).unwrap();
    consortium.desk("va", &["join", &code]).done();
    let (csv, schema) = (demo_file("heart/va.csv"), demo_file("heart/schema.toml"));
    let (csv, schema) = (csv.to_str().unwrap(), schema.to_str().unwrap());
    consortium
        .desk(
            "va",
            &["data", "add", "heart", "--csv", csv, "--schema", schema],
        )
        .done();
    consortium.start_node("va", &[]);
    consortium.operate(&["site", "list"]).done();

    // What was open goes on without it; what is proposed now has it.
    assert_eq!(released(&consortium, "before", SITES.len() - 1), 3);
    propose(&consortium, "after");
    assert_eq!(released(&consortium, "after", SITES.len()), 4);
}
