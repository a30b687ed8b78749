//! A steward at the desk, with a real folder and ledger.

use super::*;
use crate::data_desk::Dataset;
use crate::home::tests::make;
use crate::studies::tests::{governance, proposed, roster, study};
use motet_common::opening::Near;
use motet_common::study::Date;
use tempfile::TempDir;

#[path = "desk_tests/limits.rs"]
mod limits;
#[path = "desk_tests/opened.rs"]
mod opened;

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
