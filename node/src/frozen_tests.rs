//! Frozen tables in a real folder: what is in the file, who opens it, and when it goes.

use super::*;
use crate::desk::{self, Choice};
use crate::home::tests::make;
use crate::records::{EVENTS, Event, FACTS, STUDIES, StudyRecord};
use crate::studies::tests::{governance, proposed, roster, study};
use motet_common::chain::Chain;
use motet_common::log::{Abort, Leaf, StudyOpen};
use motet_common::round::pins::{Fact, Masked};
use motet_secagg::sign::SecretKey;
use tempfile::TempDir;

const NOW: Moment = Moment {
    ms: 1_795_392_000_000,
};
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A site with study `ist` before its steward, over 70 patients.
async fn site() -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), 1, &governance().public());
    let home = Home::open(folder.path()).await.unwrap();
    let csv: String = (0..70)
        .map(|n| format!("{},{},{}\n", 50 + n, 120 + n, n % 2))
        .collect();
    let schema = "[dataset]\nname = \"ist\"\n[columns.age]\ntype = \"float\"\n\
                  [columns.sbp]\ntype = \"float\"\n[columns.dead14]\ntype = \"bool\"\n";
    let (file, schema_file) = (folder.path().join("p.csv"), folder.path().join("s.toml"));
    fs::write(&file, format!("age,sbp,dead14\n{csv}")).unwrap();
    fs::write(&schema_file, schema).unwrap();
    crate::data_desk::add(&home.paths, "ist", &file, &schema_file, true).unwrap();
    propose(&home, "0.0", 1).await;
    (folder, home)
}

async fn propose(home: &Home, ridge: &str, epoch: u64) {
    let record = proposed(study("ist", ridge), roster("ist", epoch, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
}

async fn decide(home: &Home, choice: Choice) -> Result<desk::Decided, NodeError> {
    desk::show(home, "ist", NOW).await.unwrap();
    let key = || Ok(SecretKey::from_seed([101; 32]));
    desk::decide(home, "ist", &choice, None, NOW, key).await
}

async fn approve(home: &Home) -> Digest {
    decide(home, Choice::Approve(None)).await.unwrap();
    named(home).await
}

/// What the standing decision names.
async fn named(home: &Home) -> Digest {
    let studies = Studies::read(home).await.unwrap();
    studies.find("ist").unwrap().standing.frozen().unwrap()
}

async fn proposal(home: &Home) -> Proposal {
    let studies = Studies::read(home).await.unwrap();
    studies.find("ist").unwrap().proposal.clone()
}

async fn sweep(home: &Home, now: Moment) {
    let mut studies = Studies::read(home).await.unwrap();
    let tables = Tables::of(home);
    assert!(tables.sweep(&home.ledger, &mut studies, now).await.unwrap());
}

/// The files of the folder, by name.
fn files(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.paths.frozen()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn events(home: &Home) -> String {
    let events = records::read::<Event>(&home.ledger, EVENTS).await.unwrap();
    events
        .iter()
        .map(|event| format!("{}\n", event.text))
        .collect()
}

#[tokio::test]
async fn nothing_of_a_frozen_table_is_read_without_the_state_key_and_nothing_is_put_in_its_place() {
    let (_folder, home) = site().await;
    let name = approve(&home).await;
    let proposal = proposal(&home).await;
    assert_eq!(files(&home), [name.hex()]);
    let tables = Tables::of(&home);
    let table = tables.open(&proposal, &name).unwrap();
    assert_eq!(table.cohort.used, 70);
    assert_eq!(table.commitment(), name);
    assert_eq!(table.reading().dataset, "ist");
    assert_eq!(tables.reading(&proposal, &name).unwrap(), *table.reading());
    // No number of a patient, no name and no path stands in it in the clear.
    let path = home.paths.frozen().join(name.hex());
    let sealed = fs::read(&path).unwrap();
    let path_of_rows = table.reading().source.clone();
    let mut clear: Vec<Vec<u8>> = ["ist", "dead14", "float", &path_of_rows]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
    clear.extend((0..70).map(|n| f64::from(120 + n).to_le_bytes().to_vec()));
    for clear in clear.iter().filter(|clear| clear.len() > 3) {
        let found = sealed.windows(clear.len()).any(|window| window == clear);
        assert!(!found, "{clear:?}");
    }
    // Seventy patients, or seven thousand: of the number only the order is seen.
    assert_eq!(sealed.len(), 16 + 32 + (64 << 10) + 16);
    let lost = |result: Result<FrozenTable, Refusal>| match result {
        Err(refusal) => refusal.code == Code::TableLost,
        Ok(_) => false,
    };
    // Another state key, study or roster; a copy under another name.
    let other = Tables {
        files: Secret::new([9; 32]),
        ..Tables::of(&home)
    };
    assert!(lost(other.open(&proposal, &name)));
    let elsewhere = Proposal {
        roster_digest: Digest([9; 32]),
        ..proposal.clone()
    };
    assert!(lost(tables.open(&elsewhere, &name)));
    let copy = Digest([8; 32]);
    fs::copy(&path, home.paths.frozen().join(copy.hex())).unwrap();
    assert!(lost(tables.open(&proposal, &copy)));
    // A bit anywhere, and an end anywhere.
    for at in [0, 20, 100, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        assert!(lost(tables.open(&proposal, &name)), "{at}");
        fs::write(&path, &sealed[..at]).unwrap();
        assert!(lost(tables.open(&proposal, &name)), "{at}");
    }
    fs::remove_file(&path).unwrap();
    assert!(lost(tables.open(&proposal, &name)));
}

#[tokio::test]
async fn the_site_sees_what_is_kept_for_which_study_how_large_and_since_when() {
    let (_folder, home) = site().await;
    assert_eq!(desk::list(&home, NOW).await.unwrap()[0].frozen, None);
    let name = approve(&home).await;
    let size = 16 + 32 + (64 << 10) + 16;
    let kept = KeptRows {
        study: "ist".to_owned(),
        rows: Some(70),
        bytes: Some(size),
        since: clock::text(NOW.ms),
    };
    let status = crate::status::status(&home).await.unwrap();
    assert_eq!(status.frozen, std::slice::from_ref(&kept));
    let said = format!("70 rows, 65 KiB, read {}", clock::text(NOW.ms));
    let text = crate::status::status_text(&status);
    assert!(
        text.contains(&format!("frozen       ist ({said})")),
        "{text}"
    );
    let lines = desk::list(&home, NOW).await.unwrap();
    assert_eq!(lines[0].frozen, Some(kept));
    assert!(desk::list_text(&lines).contains(&said));
    let proposal = proposal(&home).await;
    let table = Tables::of(&home).open(&proposal, &name).unwrap();
    assert_eq!(table.size(), size);
    fs::remove_file(home.paths.frozen().join(name.hex())).unwrap();
    let status = crate::status::status(&home).await.unwrap();
    assert!(crate::status::status_text(&status).contains("ist (lost, read "));
}

#[tokio::test]
async fn a_table_for_which_the_disk_has_no_room_is_not_begun() {
    let (_folder, home) = site().await;
    let name = approve(&home).await;
    let proposal = proposal(&home).await;
    let table = Tables::of(&home).open(&proposal, &name).unwrap();
    let before = files(&home);
    let one_less: fn(&Path) -> Option<u64> = |_| Some((64 << 10) + 64);
    let enough: fn(&Path) -> Option<u64> = |_| Some((64 << 10) + 65);
    for (free_kib, has_room) in [(one_less, false), (enough, true)] {
        let tables = Tables {
            free_kib,
            ..Tables::of(&home)
        };
        let lock = tables.lock().unwrap().unwrap();
        let written = tables.write(&proposal, &table, &lock);
        assert_eq!(written.is_ok(), has_room);
        if let Err(error) = written {
            let is_storage =
                matches!(&error, NodeError::Refused(refusal) if refusal.code == Code::Storage);
            assert!(is_storage, "{error}");
            let said = error.to_string();
            assert!(
                said.contains("takes 65 KiB") && said.contains("has 64 KiB free beside 64 MiB"),
                "{said}"
            );
        }
        assert_eq!(files(&home), before);
    }
}

#[tokio::test]
async fn nobody_is_told_another_day_than_that_on_which_rows_were_read() {
    let (_folder, home) = site().await;
    let name = approve(&home).await;
    let gone = Deleted {
        when_ms: NOW.ms,
        table: name,
        why: FINISHED.to_owned(),
    };
    let gone = FrozenRecord::Deleted(gone);
    records::append(&home.ledger, FROZEN, &gone).await.unwrap();
    let again = decide(&home, Choice::Approve(None)).await.unwrap();
    let read = format!("your rows were read on {}", clock::text(NOW.ms));
    assert!(again.rows.unwrap().starts_with(&read));
    // The same decision in a ledger that lacks the record of the reading.
    let (_folder, bare) = site().await;
    let studies = records::read::<StudyRecord>(&home.ledger, STUDIES)
        .await
        .unwrap();
    for record in &studies[1..] {
        records::append(&bare.ledger, STUDIES, record)
            .await
            .unwrap();
    }
    records::append(&bare.ledger, FROZEN, &gone).await.unwrap();
    let error = decide(&bare, Choice::Approve(None)).await.unwrap_err();
    assert!(error.to_string().contains("not when its rows"), "{error}");
}

#[tokio::test]
async fn the_same_rows_give_another_commitment_each_time_and_the_ledger_holds_neither_rows_nor_digest()
 {
    let (_folder, home) = site().await;
    let first = approve(&home).await;
    let proposal = proposal(&home).await;
    let table = Tables::of(&home).open(&proposal, &first).unwrap();
    let content = table.cohort.content();
    decide(&home, Choice::Refreeze).await.unwrap();
    let second = named(&home).await;
    assert_ne!(first, second, "nobody sees that the rows are the same");
    assert_eq!(files(&home), [second.hex()], "the former is deleted");
    let table = Tables::of(&home).open(&proposal, &second).unwrap();
    assert_eq!(table.cohort.content(), content);
    for stream in home.ledger.streams("").await.unwrap() {
        for recorded in home.ledger.read(&stream, 1).await.unwrap() {
            let has = |digest: &[u8; 32]| recorded.entry.windows(32).any(|part| part == digest);
            assert!(!has(&content.0), "{stream}");
        }
    }
    assert!(events(&home).await.contains("the decision names another"));
}

#[tokio::test]
async fn a_table_goes_with_a_withdrawal_and_what_a_crash_left_goes_at_the_next_sweep() {
    let (_folder, home) = site().await;
    let name = approve(&home).await;
    let path = home.paths.frozen().join(name.hex());
    let linked = home.paths.dir().join("undeleted");
    fs::hard_link(&path, &linked).unwrap();
    decide(&home, Choice::Withdraw(String::new()))
        .await
        .unwrap();
    assert_eq!(files(&home), [""; 0]);
    assert!(events(&home).await.contains("the steward withdrew"));
    // What is left of it on the disk opens for nobody any more, the state key or not.
    fs::rename(&linked, &path).unwrap();
    let proposal = proposal(&home).await;
    assert!(Tables::of(&home).open(&proposal, &name).is_err());
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [""; 0], "it does not come back");

    // Killed while it was written, and before the decision that names it.
    let tables = Tables::of(&home);
    let again = approve(&home).await;
    let table = tables.open(&proposal, &again).unwrap();
    let reading = table.reading().clone();
    let copy = FrozenTable::taken(table.cohort, reading, 1);
    let lock = tables.lock().unwrap().unwrap();
    tables.write(&proposal, &copy, &lock).unwrap();
    let part = home
        .paths
        .frozen()
        .join(format!("{}.part", "ab".repeat(32)));
    fs::write(&part, "half").unwrap();
    assert_eq!(files(&home).len(), 3);
    let mut studies = Studies::read(&home).await.unwrap();
    let swept = tables.sweep(&home.ledger, &mut studies, NOW).await.unwrap();
    assert!(!swept, "not while a desk is between the two");
    assert_eq!(files(&home).len(), 3);
    drop(lock);
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [again.hex()]);
}

#[tokio::test]
async fn a_table_goes_after_its_studys_last_day_and_not_because_a_clock_jumped() {
    let (_folder, home) = site().await;
    let name = approve(&home).await;
    let ends = proposal(&home).await.study.ends;
    let at = |days: u64| Moment {
        ms: NOW.ms + days * DAY_MS,
    };
    let mut days = 0;
    while clock::day(at(days)) <= ends {
        days += 1;
    }
    sweep(&home, at(days - 1)).await;
    assert_eq!(files(&home), [name.hex()], "on its last day");
    // The clock is ahead for a moment.
    sweep(&home, at(days + 300)).await;
    sweep(&home, NOW).await;
    sweep(&home, at(days)).await;
    sweep(&home, at(days)).await;
    assert_eq!(files(&home), [name.hex()], "it is over, and is seen to be");
    sweep(&home, at(days + 1)).await;
    assert_eq!(files(&home), [""; 0]);
    assert!(events(&home).await.contains(&format!("ended on {ends}")));
}

#[tokio::test]
async fn what_the_coordinator_brings_under_the_same_name_deletes_nothing_and_a_yes_finds_the_rows_again()
 {
    let (folder, home) = site().await;
    let name = approve(&home).await;
    // Another roster, and then another text: undecided, and neither is a withdrawal.
    propose(&home, "0.1", 2).await;
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [name.hex()]);
    propose(&home, "0.0", 3).await;
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [name.hex()]);
    // A decision about what stands now is one: it names rows of now.
    let other = approve(&home).await;
    assert_ne!(other, name);
    assert_eq!(files(&home), [other.hex()]);
    // The file changes, and the same yes under another limit keeps what was read.
    let read = Tables::of(&home)
        .open(&proposal(&home).await, &other)
        .unwrap();
    let csv = folder.path().join("p.csv");
    let text = fs::read_to_string(&csv).unwrap();
    fs::write(&csv, text.replace("50,120,0", "51,120,0")).unwrap();
    let mut strict = Home::open(home.paths.dir()).await.unwrap();
    strict.settings.limits.own_metrics = true;
    let decided = decide(&strict, Choice::Approve(None)).await.unwrap();
    assert!(decided.recorded);
    assert_eq!(named(&home).await, other);
    let kept = Tables::of(&home)
        .open(&proposal(&home).await, &other)
        .unwrap();
    assert_eq!(kept.cohort.content(), read.cohort.content());
    // The proposer takes the study back.
    withdraw(&home).await;
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [""; 0]);
}

async fn withdraw(home: &Home) {
    let withdrawn = StudyRecord::Withdrawn(proposal(home).await.digest);
    records::append(&home.ledger, STUDIES, &withdrawn)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_rows_of_a_withdrawn_text_go_also_where_another_came_before_the_node_looked() {
    let (_folder, home) = site().await;
    approve(&home).await;
    withdraw(&home).await;
    propose(&home, "0.1", 2).await;
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [""; 0]);
    assert!(events(&home).await.contains("its proposer withdrew"));
    // The very same text again: a yes to it is a new one.
    approve(&home).await;
    withdraw(&home).await;
    propose(&home, "0.1", 2).await;
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [""; 0]);
    let name = approve(&home).await;
    sweep(&home, NOW).await;
    assert_eq!(files(&home), [name.hex()]);
}

#[tokio::test]
async fn rows_of_an_earlier_decision_are_named_and_can_be_withdrawn() {
    let (_folder, home) = site().await;
    approve(&home).await;
    propose(&home, "0.1", 2).await;
    let shown = desk::show(&home, "ist", NOW).await.unwrap();
    let rows = shown.rows.unwrap();
    assert!(rows.contains("for an earlier decision"), "{rows}");
    decide(&home, Choice::Withdraw(String::new()))
        .await
        .unwrap();
    assert_eq!(files(&home), [""; 0]);
    let shown = desk::show(&home, "ist", NOW).await.unwrap();
    assert_eq!(shown.rows, None);
}

#[tokio::test]
async fn a_card_speaks_of_the_files_own_values_until_rows_are_frozen() {
    let (_folder, home) = site().await;
    let text = study("ist", "0.1") + "[data.columns.age]\nrange = [18, 130]\n";
    let record = proposed(text, roster("ist", 2, 4), &governance());
    records::append(&home.ledger, STUDIES, &record)
        .await
        .unwrap();
    let card = async || desk::show(&home, "ist", NOW).await.unwrap().card;
    assert!(card().await.contains("YOUR OWN VALUES"));
    approve(&home).await;
    assert!(!card().await.contains("YOUR OWN VALUES"));
}

#[tokio::test]
async fn a_table_that_cannot_be_written_leaves_no_decision_and_what_stood_stands() {
    let (_folder, home) = site().await;
    // A file in the place of the folder stands for a disk that refuses.
    fs::write(home.paths.frozen(), "").unwrap();
    assert!(decide(&home, Choice::Approve(None)).await.is_err());
    let studies = Studies::read(&home).await.unwrap();
    assert!(!studies.find("ist").unwrap().standing.is_approved());
    fs::remove_file(home.paths.frozen()).unwrap();
    let name = approve(&home).await;
    // Rows that cannot answer do not take the place of those that can.
    let floors = &mut Home::open(home.paths.dir()).await.unwrap();
    floors.settings.limits.floors.min_rows = 71;
    for choice in [Choice::Refreeze, Choice::Approve(None)] {
        let refused = decide(floors, choice).await.unwrap_err();
        assert_eq!(refused.code(), Some("data_refused"), "{refused}");
    }
    assert_eq!(named(&home).await, name);
    assert_eq!(files(&home), [name.hex()]);
}

#[tokio::test]
async fn of_two_desks_that_freeze_at_once_one_decides_and_the_others_rows_go() {
    let (_folder, home) = site().await;
    let other = Home::open(home.paths.dir()).await.unwrap();
    desk::show(&home, "ist", NOW).await.unwrap();
    let typing = || {
        // A colleague approves while the passphrase is being typed.
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let runtime = tokio::runtime::Runtime::new().unwrap();
                    runtime.block_on(approve(&other));
                })
                .join()
                .unwrap();
        });
        Ok(SecretKey::from_seed([101; 32]))
    };
    let choice = Choice::Approve(None);
    let error = desk::decide(&home, "ist", &choice, None, NOW, typing)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("changed while you decided"),
        "{error}"
    );
    assert_eq!(files(&home), [named(&home).await.hex()]);
}

#[tokio::test]
async fn rows_stay_once_masked_numbers_may_be_in_a_sum_and_may_change_where_an_attempt_came_to_nothing()
 {
    let (_folder, home) = site().await;
    approve(&home).await;
    let proposal = proposal(&home).await;
    let ask = Chain::start(&proposal.study, &proposal.roster).ask_key();
    let refrozen = async || {
        let decided = decide(&home, Choice::Refreeze).await;
        decided.map_err(|error| error.code())
    };
    assert!(refrozen().await.is_ok());
    let masked = Fact::Masked(Masked {
        ask,
        attempt: 1,
        pin: Digest([1; 32]),
        upload_root: Digest([1; 32]),
    });
    records::append(&home.ledger, FACTS, &masked).await.unwrap();
    assert_eq!(refrozen().await.unwrap_err(), Some("table_in_use"));
    let leaves = [
        Leaf::StudyOpen(StudyOpen::of(&proposal.study, &proposal.roster)),
        Leaf::Abort(Abort {
            ask,
            attempt: 1,
            code: "deadline".into(),
        }),
    ];
    for leaf in leaves {
        let stream = crate::follower::log_stream(&proposal);
        records::append(&home.ledger, &stream, &leaf).await.unwrap();
    }
    assert!(refrozen().await.is_ok());
    let signed = Fact::Signed((ask, Digest([2; 32])));
    records::append(&home.ledger, FACTS, &signed).await.unwrap();
    assert_eq!(refrozen().await.unwrap_err(), Some("table_in_use"));
}
