//! Which decisions count: only those about exactly what stands proposed.

use super::*;
use motet_common::decision::Decision;
use motet_common::roster::{HubKeys, SiteKeys};
use motet_secagg::encode::Canonical as _;
use motet_secagg::sign::{PublicKey, SecretKey};

/// A study file; `ridge` is the hyper-parameter that tests turn.
pub(crate) fn study(id: &str, ridge: &str) -> String {
    format!(
        "[study]\nid = \"{id}\"\ntitle = \"Death after stroke\"\nquestion = \"Who dies?\"\npurpose = \"53(1)(e)\"\n\
         ends = 2027-12-31\n[data]\ndataset = \"ist\"\noutcome = \"dead14\"\nfeatures = [\"age\", \"sbp\"]\n\
         [recipe]\nkind = \"logistic\"\nridge = {ridge}\n"
    )
}

/// A study file that asks nothing of columns.
fn counting(id: &str) -> String {
    format!(
        "[study]\nid = \"{id}\"\ntitle = \"Count\"\nquestion = \"How many?\"\npurpose = \"53(1)(e)\"\n\
         ends = 2027-12-31\n[data]\ndataset = \"ist\"\nfeatures = [\"age\"]\n[recipe]\nkind = \"count\"\n"
    )
}

pub(crate) fn governance() -> SecretKey {
    SecretKey::from_seed([250; 32])
}

pub(crate) fn public(seed: u8) -> PublicKey {
    SecretKey::from_seed([seed; 32]).public()
}

fn keys(n: u8) -> SiteKeys {
    SiteKeys {
        identity: public(n),
        steward: public(n + 100),
        witness: public(n + 150),
    }
}

/// Sites 1 to `sites`; site n has the identity key of seed n and the steward's of seed n + 100, as
/// in `home::tests`.
pub(crate) fn roster(id: &str, epoch: u64, sites: u8) -> Roster {
    let entry = |n: u8| Entry::new(&format!("site-{n}"), "NL", keys(n));
    Roster::new(
        id,
        epoch,
        HubKeys {
            signing: public(200),
            log: public(201),
        },
        "Stroke Europe",
        (1..=sites).map(entry).collect(),
    )
    .unwrap()
}

pub(crate) fn proposed(text: String, roster: Roster, governance: &SecretKey) -> StudyRecord {
    let roster = roster.sign(governance).unwrap().to_bytes();
    StudyRecord::Proposed(Proposed {
        text,
        roster,
        proposer: "Jane Roe, researcher".into(),
        when_ms: 1,
    })
}

pub(crate) const TODAY: Date = Date {
    year: 2026,
    month: 11,
    day: 23,
};

fn studies() -> Studies {
    let settings = Settings::parse(&Settings::fresh(
        "site-1",
        "NL",
        "Stroke Europe",
        "127.0.0.1:1",
    ))
    .unwrap();
    Studies::none(
        settings,
        public(1).node_id(),
        governance().public().fingerprint(),
    )
}

fn signed(studies: &Studies, id: &str, verdict: Verdict, steward: u8) -> SignedDecision {
    let proposal = &studies.find(id).unwrap().proposal;
    let decision = Decision {
        study: id.into(),
        study_digest: proposal.digest,
        roster: proposal.roster_digest,
        site: public(1).node_id(),
        frozen: matches!(verdict, Verdict::Approve(_)).then_some(Digest([7; 32])),
        verdict,
        when_ms: 2,
    };
    decision.sign(&SecretKey::from_seed([steward; 32]))
}

fn decide(studies: &mut Studies, id: &str, verdict: Verdict, steward: u8) {
    let signed = signed(studies, id, verdict, steward);
    studies.apply(&StudyRecord::Decided(signed));
}

fn may_run(studies: &Studies, id: &str) -> Result<(), Code> {
    let proposal = &studies.find(id).map_err(|refusal| refusal.code)?.proposal;
    studies
        .may_run(&proposal.digest, &proposal.roster_digest, TODAY)
        .map(drop)
        .map_err(|refusal| refusal.code)
}

#[test]
fn nothing_runs_that_the_steward_did_not_approve() {
    let mut studies = studies();
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyUnknown));
    studies.apply(&proposed(
        study("ist", "0.0"),
        roster("ist", 1, 4),
        &governance(),
    ));
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
    decide(&mut studies, "ist", Verdict::Decline("no".into()), 101);
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    assert_eq!(may_run(&studies, "ist"), Ok(()));
    decide(&mut studies, "ist", Verdict::Withdraw(String::new()), 101);
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
}

#[test]
fn an_approval_that_names_no_frozen_table_is_none_and_nothing_else_names_one() {
    let mut studies = studies();
    studies.apply(&proposed(
        study("ist", "0.0"),
        roster("ist", 1, 4),
        &governance(),
    ));
    let mut say = |verdict: Verdict, frozen: Option<Digest>| {
        let decision = Decision {
            frozen,
            ..signed(&studies, "ist", verdict, 101).decision
        };
        let signed = decision.sign(&SecretKey::from_seed([101; 32]));
        studies.apply(&StudyRecord::Decided(signed));
        studies.find("ist").unwrap().standing.as_str()
    };
    let table = Some(Digest([7; 32]));
    assert_eq!(say(Verdict::Approve(String::new()), None), "undecided");
    assert_eq!(say(Verdict::Decline("no".into()), table), "undecided");
    assert_eq!(say(Verdict::Approve(String::new()), table), "approved");
    assert_eq!(say(Verdict::Withdraw(String::new()), table), "approved");
    assert_eq!(say(Verdict::Withdraw(String::new()), None), "withdrawn");
}

#[test]
fn one_changed_hyper_parameter_or_site_makes_a_study_undecided_again() {
    for (text, roster_now) in [
        (study("ist", "0.5"), roster("ist", 1, 4)),
        (study("ist", "0.0"), roster("ist", 2, 5)),
        (
            study("ist", "0.0").replace("2027-12-31", "2027-12-30"),
            roster("ist", 1, 4),
        ),
    ] {
        let mut studies = studies();
        let first = proposed(study("ist", "0.0"), roster("ist", 1, 4), &governance());
        studies.apply(&first);
        decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
        studies.apply(&first);
        assert_eq!(
            may_run(&studies, "ist"),
            Ok(()),
            "the same proposal again changes nothing"
        );
        let (old, old_roster) = (
            studies.find("ist").unwrap().proposal.digest,
            roster("ist", 1, 4).digest(),
        );

        studies.apply(&proposed(text, roster_now.clone(), &governance()));
        assert_eq!(studies.find("ist").unwrap().standing, Standing::Undecided);
        assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
        assert!(
            studies.may_run(&old, &old_roster, TODAY).is_err(),
            "nor does the old one run any more"
        );
        if roster_now.epoch == 1 {
            studies.apply(&first);
            assert_eq!(
                may_run(&studies, "ist"),
                Err(Code::StudyNotApproved),
                "nor after going back"
            );
        }
    }
}

#[test]
fn of_two_rosters_with_one_number_the_first_stays_also_after_a_withdrawal() {
    let mut studies = studies();
    studies.apply(&proposed(
        study("ist", "0.0"),
        roster("ist", 3, 5),
        &governance(),
    ));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    // Both are signed by governance: a coordinator that hid the first got a second one under its
    // number.
    let other = proposed(study("ist", "0.0"), roster("ist", 3, 4), &governance());
    studies.apply(&other);
    assert_eq!(may_run(&studies, "ist"), Ok(()));
    assert_eq!(
        studies.refused().last().unwrap().why.code,
        Code::RosterMismatch
    );
    studies.apply(&StudyRecord::Withdrawn(
        studies.find("ist").unwrap().proposal.digest,
    ));
    studies.apply(&other);
    assert_eq!(
        studies.find("ist").unwrap().proposal.roster.entries.len(),
        5
    );
}

#[test]
fn the_layout_of_the_file_alone_changes_nothing() {
    let mut studies = studies();
    studies.apply(&proposed(
        study("ist", "0.0"),
        roster("ist", 1, 4),
        &governance(),
    ));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    let text = format!("# the same study\n{}", study("ist", "0.00"));
    studies.apply(&proposed(text, roster("ist", 1, 4), &governance()));
    assert_eq!(may_run(&studies, "ist"), Ok(()));
}

#[test]
fn a_decision_about_the_former_proposal_does_not_count_when_it_arrives_late() {
    for roster_now in [roster("ist", 1, 4), roster("ist", 2, 5)] {
        let mut studies = studies();
        studies.apply(&proposed(
            study("ist", "0.0"),
            roster("ist", 1, 4),
            &governance(),
        ));
        let former = studies.clone();
        let ridge = if roster_now.epoch == 1 { "0.5" } else { "0.0" };
        studies.apply(&proposed(study("ist", ridge), roster_now, &governance()));
        let late = signed(&former, "ist", Verdict::Approve(String::new()), 101);
        studies.apply(&StudyRecord::Decided(late));
        assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
    }
}

#[test]
fn only_the_listed_steward_of_this_site_decides() {
    for steward in [1, 102, 103, 200, 250] {
        let mut studies = studies();
        studies.apply(&proposed(
            study("ist", "0.0"),
            roster("ist", 1, 4),
            &governance(),
        ));
        decide(
            &mut studies,
            "ist",
            Verdict::Approve(String::new()),
            steward,
        );
        assert_eq!(
            may_run(&studies, "ist"),
            Err(Code::StudyNotApproved),
            "key {steward}"
        );
    }
}

#[test]
fn rosters_of_strangers_decide_nothing_and_displace_nothing() {
    let mut studies = studies();
    studies.apply(&proposed(
        study("ist", "0.0"),
        roster("ist", 2, 4),
        &governance(),
    ));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    let without_us = {
        let entries = (2..=5)
            .map(|n| Entry::new(&format!("site-{n}"), "NL", keys(n)))
            .collect();
        Roster::new(
            "ist",
            3,
            HubKeys {
                signing: public(200),
                log: public(201),
            },
            "Stroke Europe",
            entries,
        )
        .unwrap()
    };
    for (record, code) in [
        (
            proposed(
                study("ist", "0.5"),
                roster("ist", 3, 4),
                &SecretKey::from_seed([251; 32]),
            ),
            Code::BadSignature,
        ),
        (
            proposed(study("ist", "0.5"), roster("ist", 1, 4), &governance()),
            Code::RosterMismatch,
        ),
        (
            proposed(study("ist", "0.5"), roster("other", 3, 4), &governance()),
            Code::RosterMismatch,
        ),
        (
            proposed(study("ist", "0.5"), without_us, &governance()),
            Code::NotInRoster,
        ),
        (
            proposed("[study]".into(), roster("ist", 3, 4), &governance()),
            Code::StudyInvalid,
        ),
        (
            StudyRecord::Proposed(Proposed {
                text: study("ist", "0.5"),
                roster: vec![1],
                proposer: String::new(),
                when_ms: 1,
            }),
            Code::Malformed,
        ),
    ] {
        studies.apply(&record);
        assert_eq!(studies.refused().last().unwrap().why.code, code);
        assert_eq!(may_run(&studies, "ist"), Ok(()), "{code:?}");
    }
}

#[test]
fn what_the_proposer_withdrew_needs_a_new_decision() {
    let mut studies = studies();
    let record = proposed(study("ist", "0.0"), roster("ist", 1, 4), &governance());
    studies.apply(&record);
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    let digest = studies.find("ist").unwrap().proposal.digest;
    studies.apply(&StudyRecord::Withdrawn(digest));
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyWithdrawn));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    assert_eq!(
        may_run(&studies, "ist"),
        Err(Code::StudyWithdrawn),
        "there is nothing to approve"
    );
    studies.apply(&record);
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
}

#[test]
fn a_study_that_goes_on_without_a_site_needs_this_sites_own_word() {
    let mut studies = studies();
    let goes_on = format!(
        "{}[rounds]\non_site_loss = \"continue\"\n",
        study("ist", "0.0")
    );
    studies.apply(&proposed(goes_on, roster("ist", 1, 4), &governance()));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
    studies.settings.max_set_change = 1;
    assert_eq!(may_run(&studies, "ist"), Ok(()));
}

#[test]
fn the_end_and_the_sites_own_rules_count_every_day() {
    let mut studies = studies();
    studies.apply(&proposed(
        study("ist", "0.0"),
        roster("ist", 1, 4),
        &governance(),
    ));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    let proposal = studies.find("ist").unwrap().proposal.clone();
    let on = |studies: &Studies, year, month, day| {
        let today = Date { year, month, day };
        studies
            .may_run(&proposal.digest, &proposal.roster_digest, today)
            .map(drop)
            .map_err(|refusal| refusal.code)
    };
    assert_eq!(on(&studies, 2027, 12, 31), Ok(()));
    assert_eq!(on(&studies, 2028, 1, 1), Err(Code::StudyEnded));
    studies.settings.min_sites = 4;
    assert_eq!(
        on(&studies, 2027, 1, 1),
        Err(Code::LineUpTooSmall),
        "three of four sites may be all that is in a sum"
    );
    studies.settings.min_sites = 3;
    studies.settings.limits.recipes = Some(vec!["summary".into()]);
    assert_eq!(on(&studies, 2027, 1, 1), Err(Code::StudyNotApproved));
}

#[test]
fn a_limit_that_node_toml_loosens_after_an_approval_stays_and_one_that_it_tightens_holds() {
    let mut studies = studies();
    studies.apply(&proposed(
        counting("ist"),
        roster("ist", 1, 10),
        &governance(),
    ));
    let signed = signed(&studies, "ist", Verdict::Approve(String::new()), 101);
    let under = Under {
        decision: signed.digest("decision"),
        again: motet_common::opening::Lifted::default(),
        min_sites: 5,
        max_set_change: 0,
        own_metrics: false,
        min_rows: 50,
        permit: None,
    };
    studies.under.insert(under.decision, under);
    studies.apply(&StudyRecord::Decided(signed));
    let digest = studies.find("ist").unwrap().proposal.digest;
    let mut held = |(min_sites, max_set_change, own_metrics, min_rows)| {
        (studies.settings.min_sites, studies.settings.max_set_change) = (min_sites, max_set_change);
        studies.settings.limits.own_metrics = own_metrics;
        studies.settings.limits.floors.min_rows = min_rows;
        let held = studies.limits(&digest);
        (
            held.min_sites,
            held.max_set_change,
            held.limits.own_metrics,
            held.limits.floors.min_rows,
        )
    };
    assert_eq!(held((3, 1, true, 10)), (5, 0, false, 50));
    assert_eq!(held((6, 0, false, 60)), (6, 0, false, 60));
    // A roster of which a sum may hold seven.
    assert_eq!(may_run(&studies, "ist"), Ok(()));
    studies.settings.min_sites = 8;
    assert_eq!(may_run(&studies, "ist"), Err(Code::LineUpTooSmall));
}

#[test]
fn a_study_below_the_sites_own_floors_is_not_answered() {
    let mut studies = studies();
    let groups = "[evaluation]\ngroups = [\"male\"]\nmin_cell = 5\n";
    studies.apply(&proposed(
        study("ist", "0.0") + groups,
        roster("ist", 1, 10),
        &governance(),
    ));
    decide(&mut studies, "ist", Verdict::Approve(String::new()), 101);
    assert_eq!(may_run(&studies, "ist"), Ok(()));
    studies.settings.limits.floors.min_cell = 6;
    assert_eq!(may_run(&studies, "ist"), Err(Code::StudyNotApproved));
}

#[test]
fn the_sites_own_floor_counts_for_what_a_study_asks_of_columns_and_groups() {
    let mut studies = studies();
    let five = "[privacy]\nmin_sites = 5\n";
    let groups = "[evaluation]\ngroups = [\"male\"]\n";
    for (id, text) in [
        ("fit", study("fit", "0.0")),
        ("groups", study("groups", "0.0") + groups),
        ("five", study("five", "0.0") + five),
        ("count", counting("count")),
    ] {
        studies.apply(&proposed(text, roster(id, 1, 10), &governance()));
        decide(&mut studies, id, Verdict::Approve(String::new()), 101);
        assert_eq!(may_run(&studies, id), Ok(()));
    }
    // Seven of ten sites stay in every sum; three are enough for a column or a group.
    studies.settings.min_sites = 5;
    assert_eq!(may_run(&studies, "count"), Ok(()));
    assert_eq!(may_run(&studies, "five"), Ok(()));
    assert_eq!(may_run(&studies, "fit"), Err(Code::LineUpTooSmall));
    assert_eq!(may_run(&studies, "groups"), Err(Code::LineUpTooSmall));
}

#[test]
fn earlier_approvals_on_the_dataset_are_named_with_the_sites_that_differ() {
    let mut studies = studies();
    studies.apply(&proposed(
        study("first", "0.0"),
        roster("first", 1, 4),
        &governance(),
    ));
    studies.apply(&proposed(
        study("second", "0.0"),
        roster("second", 1, 5),
        &governance(),
    ));
    let second = studies.find("second").unwrap().proposal.clone();
    assert_eq!(studies.earlier(&second), []);
    decide(&mut studies, "first", Verdict::Approve(String::new()), 101);
    let earlier = studies.earlier(&second);
    assert_eq!(
        earlier,
        [Earlier {
            id: "first".into(),
            joined: vec!["site-5".into()],
            left: vec![],
            same_question: true,
            others_held_out: false
        }]
    );
    decide(&mut studies, "second", Verdict::Approve(String::new()), 101);
    assert_eq!(
        studies.earlier(&second).len(),
        1,
        "an approval of the study itself is not an earlier one"
    );
}

fn arrival(studies: &mut Studies, text: String, roster: Roster, when_ms: u64) -> Arrival {
    let StudyRecord::Proposed(mut record) = proposed(text, roster, &governance()) else {
        panic!()
    };
    record.when_ms = when_ms;
    let arrival = studies.weigh(&record);
    if arrival == Arrival::New {
        studies.apply(&StudyRecord::Proposed(record));
    }
    arrival
}

#[test]
fn what_is_said_again_on_every_connection_is_written_down_once() {
    let mut studies = studies();
    assert_eq!(
        arrival(&mut studies, study("ist", "0.0"), roster("ist", 1, 4), 1),
        Arrival::New
    );
    assert_eq!(
        arrival(&mut studies, study("ist", "0.0"), roster("ist", 1, 4), 2),
        Arrival::Known
    );
    // One that nobody can decide about is kept and shown, once.
    assert_eq!(
        arrival(&mut studies, "no study".to_owned(), roster("ist", 1, 4), 3),
        Arrival::New
    );
    assert_eq!(
        arrival(&mut studies, "no study".to_owned(), roster("ist", 1, 4), 4),
        Arrival::Known
    );
    assert_eq!(studies.refused().len(), 1);
    // One that was withdrawn may be proposed again.
    let digest = studies.find("ist").unwrap().proposal.digest;
    studies.apply(&StudyRecord::Withdrawn(digest));
    assert_eq!(
        arrival(&mut studies, study("ist", "0.0"), roster("ist", 1, 4), 5),
        Arrival::New
    );
}

#[test]
fn a_coordinator_that_proposes_without_end_fills_no_ledger() {
    let mut studies = studies();
    let mut kept = 0;
    for at in 0..1000_u64 {
        // Texts that all hold, under one roster that governance signed; and such as nobody can
        // read.
        let turned = arrival(
            &mut studies,
            study("ist", &format!("{at}.5")),
            roster("ist", 1, 4),
            at * 1000,
        );
        let unreadable = arrival(
            &mut studies,
            format!("{at}"),
            roster("ist", 1, 4),
            at * 1000,
        );
        kept += [turned, unreadable]
            .iter()
            .filter(|arrival| **arrival == Arrival::New)
            .count();
    }
    assert_eq!(kept, FREE_PROPOSALS as usize + MOST_REFUSED);
    assert_eq!(
        arrival(
            &mut studies,
            study("other", "0.0"),
            roster("other", 1, 4),
            1
        ),
        Arrival::New,
        "another study"
    );
    let later = 1_000_000 + PROPOSALS_APART_MS;
    assert_eq!(
        arrival(
            &mut studies,
            study("ist", "9.0"),
            roster("ist", 1, 4),
            later
        ),
        Arrival::New
    );
    let large = study("third", "0.0") + &"#".repeat(MOST_BYTES);
    assert_eq!(
        arrival(&mut studies, large, roster("third", 1, 4), 1),
        Arrival::Dropped,
        "larger than any study"
    );
}
