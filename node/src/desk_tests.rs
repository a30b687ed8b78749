//! A steward at the desk, with a real folder and ledger.

use super::*;
use crate::data_desk::Dataset;
use crate::home::tests::make;
use crate::studies::tests::{governance, proposed, roster, study};
use motet_common::opening::Near;
use motet_common::study::Date;
use tempfile::TempDir;

const NOW: Moment = Moment {
    ms: 1_795_392_000_000,
};

async fn site() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), 1, &governance().public());
    let home = Home::open(folder.path()).await.unwrap();
    map(&folder, &home, 40);
    (folder, home)
}

/// Maps the dataset of `study` to a file with this many rows.
fn map(folder: &TempDir, home: &Home, rows: usize) {
    map_in(folder, home, rows, "");
}

/// The same with the pressures in another unit, by the power of ten behind them.
fn map_in(folder: &TempDir, home: &Home, rows: usize, power: &str) {
    let csv = (0..rows)
        .map(|n| format!("{},{}{power},{}\n", 50 + n, 120 + n, n % 2))
        .collect::<String>();
    let schema = "[dataset]\nname = \"ist\"\n[columns.age]\ntype = \"float\"\n[columns.sbp]\ntype = \"float\"\n\
                  [columns.dead14]\ntype = \"bool\"\n";
    let (file, schema_file) = (folder.path().join("p.csv"), folder.path().join("s.toml"));
    std::fs::write(&file, format!("age,sbp,dead14\n{csv}")).unwrap();
    std::fs::write(&schema_file, schema).unwrap();
    crate::data_desk::add(&home.paths, "ist", &file, &schema_file, true).unwrap();
}

async fn propose(home: &Home, ridge: &str) {
    let record = proposed(study("ist", ridge), roster("ist", 1, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
}

fn steward() -> Result<SecretKey, NodeError> {
    Ok(SecretKey::from_seed([101; 32]))
}

/// Reads the card, where there is one, and decides.
async fn say(home: &Home, choice: Choice) -> Result<Decided, NodeError> {
    let _ = show(home, "ist", NOW).await;
    decide(home, "ist", &choice, None, NOW, steward).await
}

async fn decision(home: &Home) -> String {
    list(home, NOW).await.unwrap()[0].decision.clone()
}

#[tokio::test]
async fn a_study_is_approved_withdrawn_and_approved_again() {
    let (_folder, home) = site().await;
    let unknown = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.exit()), (Some("study_unknown"), 3));
    propose(&home, "0.0").await;
    assert_eq!(decision(&home).await, "undecided");
    assert!(say(&home, Choice::Approve(None)).await.unwrap().recorded);
    assert_eq!(decision(&home).await, "approved");
    assert!(
        !say(&home, Choice::Approve(None)).await.unwrap().recorded,
        "once is enough"
    );
    say(&home, Choice::Withdraw(String::new())).await.unwrap();
    assert_eq!(decision(&home).await, "withdrawn");
    say(&home, Choice::Approve(None)).await.unwrap();
    assert_eq!(decision(&home).await, "approved");
    assert_eq!(home.ledger.version(STUDIES).await.unwrap(), 4);
}

#[tokio::test]
async fn a_changed_hyper_parameter_is_undecided_at_the_desk_too() {
    let (_folder, home) = site().await;
    propose(&home, "0.0").await;
    let first = say(&home, Choice::Approve(None))
        .await
        .unwrap()
        .study_digest;
    propose(&home, "0.1").await;
    assert_eq!(decision(&home).await, "undecided");
    let second = say(&home, Choice::Decline("penalty was agreed as zero".into()))
        .await
        .unwrap();
    assert_ne!(first, second.study_digest);
    assert_eq!(decision(&home).await, "declined");
}

#[tokio::test]
async fn a_study_that_changes_while_the_steward_types_is_not_decided() {
    let (_folder, home) = site().await;
    propose(&home, "0.0").await;
    let other = Home::open(home.paths.dir()).await.unwrap();
    let typing = || {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    tokio::runtime::Runtime::new()
                        .unwrap()
                        .block_on(propose(&other, "0.1"))
                })
                .join()
                .unwrap();
        });
        steward()
    };
    show(&home, "ist", NOW).await.unwrap();
    let error = decide(&home, "ist", &Choice::Approve(None), None, NOW, typing)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("changed while you decided"),
        "{error}"
    );
    assert_eq!(decision(&home).await, "undecided");
}

#[tokio::test]
async fn only_the_stewards_own_key_signs() {
    let (_folder, home) = site().await;
    propose(&home, "0.0").await;
    let stranger = || Ok(SecretKey::from_seed([102; 32]));
    show(&home, "ist", NOW).await.unwrap();
    let error = decide(&home, "ist", &Choice::Approve(None), None, NOW, stranger)
        .await
        .unwrap_err();
    assert!(
        matches!(error, NodeError::Steward(StewardError::Mismatch)),
        "{error}"
    );
    let locked = || Err(StewardError::WrongPassphrase.into());
    let error = decide(&home, "ist", &Choice::Approve(None), None, NOW, locked)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("wrong_passphrase"));
    assert_eq!(decision(&home).await, "undecided");
}

#[tokio::test]
async fn rules_and_permits_of_the_site_are_kept() {
    let (_folder, mut home) = site().await;
    propose(&home, "0.0").await;
    home.settings.limits.permit_required = true;
    let error = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert!(error.to_string().contains("--permit"), "{error}");
    let permit = Permit::parse(
        std::path::Path::new("P"),
        include_str!("../permit.toml.sample"),
    )
    .unwrap();
    let error = say(&home, Choice::Approve(Some(permit.clone())))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ist-death14"), "{error}");
    let permit = Permit {
        study: None,
        ..permit
    };
    say(&home, Choice::Approve(Some(permit.clone())))
        .await
        .unwrap();
    assert!(
        list(&home, NOW).await.unwrap()[0]
            .text
            .contains(&permit.digest.hex())
    );
}

#[tokio::test]
async fn what_was_asked_of_other_sites_is_approved_in_so_many_words_or_not_at_all() {
    let (_folder, home) = site().await;
    let put = async |id: &str, ridge: &str, sites: u8| {
        let record = proposed(study(id, ridge), roster(id, 1, sites), &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
    };
    put("ist", "0.0", 5).await;
    say(&home, Choice::Approve(None)).await.unwrap();
    // Another name, one site fewer: the difference of both results is that site.
    put("ist-again", "0.0", 4).await;
    let answer =
        async |choice: Choice| decide(&home, "ist-again", &choice, None, NOW, steward).await;
    let error = answer(Choice::Approve(None)).await.unwrap_err();
    assert_eq!((error.code(), error.exit()), (Some("question_repeated"), 3));
    assert!(error.to_string().contains("site-5"), "{error}");
    assert!(
        show(&home, "ist-again", NOW)
            .await
            .unwrap()
            .card
            .contains("EXACTLY THE SAME")
    );
    assert!(
        answer(Choice::ApproveAgain(None, Vec::new()))
            .await
            .unwrap()
            .recorded
    );
    put("ist", "0.0", 4).await;
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap_err().code(),
        Some("question_repeated")
    );
    put("ist-ridge", "0.5", 4).await;
    show(&home, "ist-ridge", NOW).await.unwrap();
    let other = decide(
        &home,
        "ist-ridge",
        &Choice::Approve(None),
        None,
        NOW,
        steward,
    )
    .await;
    assert!(other.unwrap().recorded);
}

#[tokio::test]
async fn there_is_nothing_to_withdraw_before_an_approval_and_no_reason_is_no_reason() {
    let (_folder, home) = site().await;
    propose(&home, "0.0").await;
    let error = say(&home, Choice::Withdraw(String::new()))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("study_not_approved"));
    for why in ["", "two\nlines", "\u{1b}[2J"] {
        assert_eq!(
            say(&home, Choice::Decline(why.into()))
                .await
                .unwrap_err()
                .exit(),
            2,
            "{why:?}"
        );
    }
}

#[tokio::test]
async fn the_card_names_study_sites_and_the_command() {
    let (_folder, home) = site().await;
    propose(&home, "0.0").await;
    std::fs::remove_dir_all(home.paths.data()).unwrap();
    let shown = show(&home, "ist", NOW).await.unwrap();
    // A study that this site could not answer is approved by nobody.
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap_err().code(),
        Some("no_dataset")
    );
    assert!(
        shown
            .card
            .contains("ATTENTION: as this site's data are mapped and its rules are now"),
        "{}",
        shown.card
    );
    assert_eq!(shown.sites.len(), 4);
    assert_eq!(shown.sites.iter().filter(|site| site.own).count(), 1);
    let text = show_text(&shown);
    let dir = home.paths.dir().display().to_string();
    for part in [
        "Jane Roe",
        &shown.line.digest,
        &shown.roster_digest,
        "decision at this site: undecided",
        &dir,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(list_text(&list(&home, NOW).await.unwrap()).contains("Death after stroke"));
}

#[tokio::test]
async fn a_strangers_roster_is_listed_and_cannot_be_approved() {
    let (_folder, home) = site().await;
    let record = proposed(
        study("ist", "0.0"),
        roster("ist", 1, 4),
        &SecretKey::from_seed([251; 32]),
    );
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    assert_eq!(decision(&home).await, "unacceptable");
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap_err().code(),
        Some("bad_signature")
    );
}

#[tokio::test]
async fn what_is_approved_is_what_was_read_and_nothing_that_took_its_place() {
    let (_folder, home) = site().await;
    let approve = async |typed: Option<&str>| {
        let error = decide(&home, "ist", &Choice::Approve(None), typed, NOW, steward)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("study_not_approved"));
        error.to_string()
    };
    propose(&home, "0.0").await;
    assert!(approve(None).await.contains("was not shown here yet"));
    let card = show(&home, "ist", NOW).await.unwrap().card;
    let typed = card
        .split("--digest ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    // Another text under the same id; then the same text with another roster.
    propose(&home, "0.1").await;
    assert!(
        approve(None)
            .await
            .contains("has changed since it was shown")
    );
    assert!(
        approve(Some(typed))
            .await
            .contains("not what `--digest` names")
    );
    let record = proposed(study("ist", "0.0"), roster("ist", 2, 5), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    assert!(
        approve(None)
            .await
            .contains("has changed since it was shown")
    );
    for typed in [typed, "", &typed[..8], &typed[..16]] {
        assert!(
            approve(Some(typed))
                .await
                .contains("not what `--digest` names"),
            "{typed}"
        );
    }
    assert_eq!(decision(&home).await, "undecided");
    let stands = &Studies::read(&home)
        .await
        .unwrap()
        .find("ist")
        .unwrap()
        .proposal
        .clone();
    let typed = motet_common::study::shortened(&stands.digest, &stands.roster_digest);
    let decided = decide(
        &home,
        "ist",
        &Choice::Approve(None),
        Some(&typed),
        NOW,
        steward,
    )
    .await
    .unwrap();
    assert!(decided.recorded && decided.study_digest == stands.digest.hex());
}

#[tokio::test]
async fn a_permit_holds_on_the_days_it_names_and_what_was_approved_without_waits_for_one() {
    let (_folder, mut home) = site().await;
    propose(&home, "0.0").await;
    say(&home, Choice::Approve(None)).await.unwrap();
    let proposal = Studies::read(&home)
        .await
        .unwrap()
        .find("ist")
        .unwrap()
        .proposal
        .clone();
    let runs = async |home: &Home, today: Date| {
        let studies = Studies::read(home).await.unwrap();
        studies
            .may_run(&proposal.digest, &proposal.roster_digest, today)
            .map(drop)
            .map_err(|why| why.to_string())
    };
    let today = clock::day(NOW);
    assert_eq!(runs(&home, today).await, Ok(()));
    home.settings.limits.permit_required = true;
    assert!(runs(&home, today).await.unwrap_err().contains("--permit"));
    let permit = Permit::parse(
        std::path::Path::new("P"),
        include_str!("../permit.toml.sample"),
    )
    .unwrap();
    let permit = Permit {
        study: None,
        until: today,
        ..permit
    };
    let decided = say(&home, Choice::Approve(Some(permit.clone())))
        .await
        .unwrap();
    let said = decided_text(&decided);
    assert!(
        decided.recorded && said.contains(&format!("until {today}")) && said.contains("leaves"),
        "{said}"
    );
    assert_eq!(runs(&home, today).await, Ok(()));
    let later = Date {
        year: today.year + 1,
        ..today
    };
    for required in [true, false] {
        home.settings.limits.permit_required = required;
        let over = runs(&home, later).await.unwrap_err();
        assert!(
            over.contains(&permit.reference) && over.contains(&today.to_string()),
            "{over}"
        );
    }
}

#[tokio::test]
async fn the_stricter_of_the_limits_at_the_approval_and_of_now_applies() {
    let (_folder, mut home) = site().await;
    propose(&home, "0.0").await;
    (
        home.settings.max_set_change,
        home.settings.limits.own_metrics,
    ) = (1, true);
    say(&home, Choice::Approve(None)).await.unwrap();
    let limits = async |home: &Home| {
        let studies = Studies::read(home).await.unwrap();
        let limits = studies.limits(&studies.find("ist").unwrap().proposal.digest);
        (
            limits.min_sites,
            limits.max_set_change,
            limits.limits.own_metrics,
        )
    };
    let rows = async |home: &Home| {
        let studies = Studies::read(home).await.unwrap();
        studies
            .limits(&studies.find("ist").unwrap().proposal.digest)
            .limits
            .floors
            .min_rows
    };
    assert_eq!(limits(&home).await, (3, 1, true));
    (
        home.settings.min_sites,
        home.settings.max_set_change,
        home.settings.limits.own_metrics,
    ) = (4, 0, false);
    assert_eq!(limits(&home).await, (4, 0, false));
    assert!(
        say(&home, Choice::Withdraw(String::new()))
            .await
            .unwrap()
            .recorded
    );
    home.settings.min_sites = 3;
    say(&home, Choice::Approve(None)).await.unwrap();
    home.settings.limits.floors.min_rows = 30;
    assert_eq!(rows(&home).await, 30);
    say(&home, Choice::Approve(None)).await.unwrap();
    // Loosened afterwards: with another decision only.
    home.settings.limits.floors.min_rows = 10;
    assert_eq!(rows(&home).await, 30);
    (
        home.settings.max_set_change,
        home.settings.limits.own_metrics,
    ) = (1, true);
    assert_eq!(limits(&home).await, (3, 0, false));
    assert!(
        say(&home, Choice::Approve(None)).await.unwrap().recorded,
        "the same word under other limits"
    );
    assert_eq!(limits(&home).await, (3, 1, true));
}

#[tokio::test]
async fn a_set_that_was_opened_for_another_study_is_held_against_a_roster_at_the_desk() {
    let (_folder, home) = site().await;
    let put = async |id: &str, text: String, roster: motet_common::roster::Roster| {
        let record = proposed(text, roster, &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
        Studies::read(&home)
            .await
            .unwrap()
            .find(id)
            .unwrap()
            .proposal
            .clone()
    };
    // One with the roster of the next, whose sum was opened without its last site.
    let first = put("first", study("first", "0.5"), roster("first", 1, 5)).await;
    let dataset = Dataset::find(&home.paths, "ist").unwrap();
    let key = home.state_key.derive(openings::KEY);
    let sites = first
        .roster
        .entries
        .iter()
        .map(|entry| (entry.node, entry.name.clone()));
    let opening = motet_common::opening::Opening {
        study: "first".to_owned(),
        digest: first.digest,
        roster: first.roster_digest,
        reading: openings::reading(&dataset, &key).unwrap(),
        set: sites.filter(|(_, name)| name != "site-5").collect(),
    };
    openings::Openings::read(&home)
        .await
        .unwrap()
        .keep(&home, opening.clone())
        .await
        .unwrap();
    put("ist", study("ist", "0.0"), roster("ist", 1, 5)).await;
    let error = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert_eq!(error.code(), Some("question_repeated"));
    assert!(
        error.to_string().contains("what site-5 alone would say"),
        "{error}"
    );
    // One more sum is opened after the card was shown: what nobody read is not lifted.
    let other = motet_common::opening::Opening {
        study: "second".into(),
        digest: Digest([9; 32]),
        ..opening
    };
    openings::Openings::read(&home)
        .await
        .unwrap()
        .keep(&home, other)
        .await
        .unwrap();
    let unread = decide(
        &home,
        "ist",
        &Choice::ApproveAgain(None, Vec::new()),
        None,
        NOW,
        steward,
    )
    .await;
    assert!(
        unread.unwrap_err().to_string().contains("does not name"),
        "it was read before"
    );
    let card = show(&home, "ist", NOW).await.unwrap().card;
    assert!(
        card.contains("ATTENTION: study `first` opened a sum over the same data"),
        "{card}"
    );
    assert!(
        card.contains(" --again --dir"),
        "the command that it prints is one that works: {card}"
    );
    let lifted = say(&home, Choice::ApproveAgain(None, Vec::new()))
        .await
        .unwrap();
    assert!(
        decided_text(&lifted).contains("study `first`"),
        "{lifted:?}"
    );
    let studies = Studies::read(&home).await.unwrap();
    let ist = studies.find("ist").unwrap().proposal.digest;
    let lifted = |lines: &[&str], named: &[&str]| Lifted {
        lines: lines.iter().map(|&line| vec![line.to_owned()]).collect(),
        named: named.iter().map(|&name| name.to_owned()).collect(),
    };
    assert_eq!(
        studies.again(&ist),
        lifted(&["site-5"], &[]),
        "what the card names, and nobody else"
    );
    // Whoever else may stay away is named; a slip of the pen is not taken for a site.
    let typo = say(&home, Choice::ApproveAgain(None, vec!["site-22".into()]))
        .await
        .unwrap_err();
    assert!(typo.to_string().contains("`site-22`"), "{typo}");
    assert!(
        say(&home, Choice::ApproveAgain(None, vec!["site-2".into()]))
            .await
            .unwrap()
            .recorded
    );
    assert_eq!(
        Studies::read(&home).await.unwrap().again(&ist),
        lifted(&["site-5"], &["site-2"])
    );
    // Sets that differ by as many as a sum must hold are another matter.
    put("far", study("far", "0.7"), roster("far", 1, 9)).await;
    show(&home, "far", NOW).await.unwrap();
    assert!(
        decide(&home, "far", &Choice::Approve(None), None, NOW, steward)
            .await
            .unwrap()
            .recorded
    );
}

#[tokio::test]
async fn too_few_rows_are_a_decline_like_any_other_and_what_the_card_warns_of_is_not_approved() {
    let (folder, home) = site().await;
    propose(&home, "0.0").await;
    map(&folder, &home, 9);
    let declined = say(&home, Choice::Approve(None)).await.unwrap();
    assert_eq!((declined.decision, declined.recorded), ("declined", true));
    assert_eq!(declined.text, STAYS_OUT);
    assert!(
        decided_text(&declined).contains("for you alone"),
        "{declined:?}"
    );
    assert_eq!(decision(&home).await, "declined");
    // What a steward signs who gives no reason is the very same.
    let verdict = |studies: &Studies| match &studies.find("ist").unwrap().standing {
        Standing::Decided(signed) => signed.decision.verdict.clone(),
        other => panic!("{other:?}"),
    };
    let automatic = verdict(&Studies::read(&home).await.unwrap());
    assert!(
        say(&home, Choice::Decline(STAYS_OUT.to_owned()))
            .await
            .unwrap()
            .lacks
            .is_none()
    );
    assert_eq!(verdict(&Studies::read(&home).await.unwrap()), automatic);
    map(&folder, &home, 10);
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap().decision,
        "approved"
    );
    // What the method refuses in the rows is found here, too, and looks the same to everybody else.
    // Rows that were frozen are not read again by another yes.
    map_in(&folder, &home, 10, "e300");
    assert!(!say(&home, Choice::Approve(None)).await.unwrap().recorded);
    say(&home, Choice::Withdraw(String::new())).await.unwrap();
    let refused = say(&home, Choice::Approve(None)).await.unwrap();
    assert_eq!(
        (refused.decision, refused.text.as_str()),
        ("declined", STAYS_OUT)
    );
    let text = decided_text(&refused);
    assert!(
        text.contains("for you alone") && text.contains("`sbp`"),
        "{text}"
    );
    map(&folder, &home, 10);
    // A column that the schema does not have.
    let text = study("other", "0.0").replace("\"sbp\"", "\"pulse\"");
    let record = proposed(text, roster("other", 1, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    show(&home, "other", NOW).await.unwrap();
    let refused = decide(&home, "other", &Choice::Approve(None), None, NOW, steward)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("unknown_column"));
    assert!(refused.to_string().contains("pulse"), "{refused}");
}

#[tokio::test]
async fn a_twin_that_was_approved_after_the_card_was_shown_is_lifted_by_nobody_who_did_not_read_of_it()
 {
    let (_folder, home) = site().await;
    let put = async |id: &str, sites: u8| {
        let record = proposed(study(id, "0.0"), roster(id, 1, sites), &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
    };
    put("ist", 5).await;
    put("ist-again", 4).await;
    let again = async || {
        let choice = Choice::ApproveAgain(None, Vec::new());
        decide(&home, "ist-again", &choice, None, NOW, steward).await
    };
    show(&home, "ist-again", NOW).await.unwrap();
    say(&home, Choice::Approve(None)).await.unwrap();
    let unread = again().await.unwrap_err();
    assert_eq!(unread.code(), Some("study_not_approved"));
    assert!(
        unread.to_string().contains("or its like approved"),
        "{unread}"
    );
    show(&home, "ist-again", NOW).await.unwrap();
    let lifted = again().await.unwrap();
    let text = decided_text(&lifted);
    assert!(
        text.contains("study `ist` asked exactly this")
            && text.contains("what site-5 alone would say"),
        "{text}"
    );
    let studies = Studies::read(&home).await.unwrap();
    let digest = studies.find("ist-again").unwrap().proposal.digest;
    assert_eq!(studies.again(&digest).lines, [["site-5".to_owned()]]);
}

#[test]
fn again_lifts_each_difference_of_the_card_whole_and_what_is_named_besides() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.into()).collect() };
    let near = |id: &str, sites: &[&str]| Near {
        id: id.into(),
        sites: names(sites),
    };
    let earlier = |id: &str, joined: &[&str], left: &[&str], same_question| Earlier {
        id: id.into(),
        joined: names(joined),
        left: names(left),
        same_question,
    };
    let near = [near("one", &["a", "b"]), near("two", &["a", "b"])];
    let earlier = [
        earlier("three", &["c"], &["d"], true),
        earlier("other", &["e"], &[], false),
        earlier("alike", &[], &[], true),
    ];
    let roster = roster("ist", 1, 4);
    let lift = |named: &[&str]| {
        let choice = Choice::ApproveAgain(None, names(named));
        lifted(&choice, &roster, &near, &earlier)
    };
    let (of, lines) = lift(&[]).unwrap();
    assert_eq!(of.lines, [names(&["a", "b"]), names(&["c", "d"])]);
    assert!(of.named.is_empty());
    assert_eq!(lines, said(&near, &earlier));
    for (line, parts) in lines.iter().zip([
        ["study `one`", "what a, b alone would say"],
        ["study `two`", "what a, b alone would say"],
        ["study `three`", "what c, d alone would say"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    }
    assert_eq!(lines.len(), 3, "what tells nothing apart is not said");
    // A site of the roster, and one that the card names though no roster has it any more.
    let (of, lines) = lift(&["site-2", "d"]).unwrap();
    assert_eq!((of.lines.len(), of.named), (2, names(&["site-2", "d"])));
    assert!(lines[3].contains("by site-2, d are signed"), "{lines:?}");
    for unknown in ["e", "f"] {
        assert_eq!(
            lift(&["site-2", unknown]).unwrap_err().exit(),
            2,
            "{unknown}"
        );
    }
    let choice = Choice::ApproveAgain(None, Vec::new());
    let (of, lines) = lifted(&choice, &roster, &[], &[]).unwrap();
    assert_eq!(of, Lifted::default());
    assert!(
        lines.len() == 1 && lines[0].starts_with("nothing:"),
        "{lines:?}"
    );
    let (of, lines) = lifted(&Choice::Approve(None), &roster, &near, &earlier).unwrap();
    assert_eq!((of, lines), (Lifted::default(), Vec::new()));
}

#[tokio::test]
async fn a_difference_is_near_by_the_larger_minimum_and_named_once_however_often_it_was_opened() {
    let (_folder, mut home) = site().await;
    let record = proposed(study("ist", "0.0"), roster("ist", 1, 9), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    let studies = Studies::read(&home).await.unwrap();
    let proposal = studies.find("ist").unwrap().proposal.clone();
    let dataset = Dataset::find(&home.paths, "ist").unwrap();
    let key = home.state_key.derive(openings::KEY);
    let sites = proposal
        .roster
        .entries
        .iter()
        .map(|entry| (entry.node, entry.name.clone()));
    let away = ["site-7", "site-8", "site-9"];
    let opening = motet_common::opening::Opening {
        study: "first".to_owned(),
        digest: Digest([9; 32]),
        roster: proposal.roster_digest,
        reading: openings::reading(&dataset, &key).unwrap(),
        set: sites
            .filter(|(_, name)| !away.contains(&name.as_str()))
            .collect(),
    };
    for digest in [9, 10] {
        let opening = motet_common::opening::Opening {
            digest: Digest([digest; 32]),
            ..opening.clone()
        };
        let mut openings = openings::Openings::read(&home).await.unwrap();
        openings.keep(&home, opening).await.unwrap();
    }
    assert_eq!(
        openings::near(&home, &studies, &proposal).await.unwrap(),
        []
    );
    home.settings.min_sites = 4;
    let near = openings::near(&home, &studies, &proposal).await.unwrap();
    assert_eq!(near.len(), 1, "{near:?}");
    let mut sites = near[0].sites.clone();
    sites.sort();
    assert_eq!(sites, away);
}

#[tokio::test]
async fn a_grid_of_times_finer_than_the_sites_step_is_approved_by_nobody() {
    let (folder, home) = site().await;
    let text = study("ist", "0.0");
    let (head, _) = text.split_once("outcome = ").unwrap();
    let curve = format!(
        "{head}time = \"sbp\"\nevent = \"dead14\"\n[recipe]\nkind = \"km\"\ntimes = \"grid\"\nstep = 1\nhorizon = 182\n"
    );
    let record = proposed(curve, roster("ist", 1, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    let unit = |unit: &str| {
        let path = folder.path().join("s.toml");
        let schema = std::fs::read_to_string(&path).unwrap();
        let (head, tail) = schema.split_once("[columns.sbp]\n").unwrap();
        let (_, tail) = tail.split_once("type").unwrap();
        let schema = format!("{head}[columns.sbp]\nunit = \"{unit}\"\nround = 1\ntype{tail}");
        std::fs::write(&path, schema).unwrap();
        let csv = folder.path().join("p.csv");
        crate::data_desk::add(&home.paths, "ist", &csv, &path, true).unwrap();
    };
    unit("d");
    let refused = say(&home, Choice::Approve(None)).await.unwrap_err();
    assert_eq!(refused.code(), Some("study_not_approved"), "{refused}");
    unit("wk");
    let card = show(&home, "ist", NOW).await.unwrap().card;
    assert!(
        card.contains("your column `sbp`: `sbp` of the file, to the nearest whole"),
        "{card}"
    );
    assert_eq!(
        say(&home, Choice::Approve(None)).await.unwrap().decision,
        "approved"
    );
}
