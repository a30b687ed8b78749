//! What stays in a node's memory, and what does not; what it believes of whom.

use super::*;
use crate::follower::{Absorbed, Answered, Attempt, Follower};
use crate::home::tests::make;
use crate::link::Again;
use crate::records::{EVENTS, Event, STUDIES, StudyRecord, UNDER, Under};
use crate::studies::Standing;
use crate::studies::tests::{governance, proposed, roster, study};
use motet_common::checks::{Due, Latest};
use motet_common::decision::{Decision, Verdict};
use motet_common::log::Log;
use motet_common::round::member::Member;
use motet_proto::v1::AttendRequest;
use motet_proto::v1::attend_request::Frame as Sent;
use motet_secagg::layout::ClearUpdate;
use motet_secagg::message::{
    Checked, Durations, Logged, PRG, Refused, Released, SUITE, SignedPlan, SignedRoot, VERSION,
};
use motet_secagg::note::Checkpoint;
use motet_secagg::sign::{SecretKey, Signature};
use std::sync::Arc;

/// A site with two approved studies, both in memory and unused for a while.
async fn session(folder: &std::path::Path) -> Session {
    make(folder, 1, &governance().public());
    let home = Home::open(folder).await.unwrap();
    for id in ["one", "two"] {
        let text = study(id, "0.0").replace("2027", "2099");
        let record = proposed(text, roster(id, 1, 3), &governance());
        records::append(&home.ledger, STUDIES, &record)
            .await
            .unwrap();
    }
    let known = Studies::read(&home).await.unwrap();
    for at in known.all() {
        let decision = Decision {
            study: at.proposal.study.id.clone(),
            study_digest: at.proposal.digest,
            roster: at.proposal.roster_digest,
            site: home.node(),
            verdict: Verdict::Approve(String::new()),
            when_ms: 2,
        };
        let signed = decision.sign(&SecretKey::from_seed([101; 32]));
        records::append(&home.ledger, STUDIES, &StudyRecord::Decided(signed))
            .await
            .unwrap();
    }
    let mut session = Session::open(home, None).await.unwrap();
    let proposals: Vec<Proposal> = session
        .studies
        .all()
        .map(|at| at.proposal.clone())
        .collect();
    for proposal in proposals {
        session
            .follower(&proposal.digest.clone(), proposal)
            .await
            .unwrap();
    }
    session
}

const SCHEMA: &str = "[dataset]\nname = \"ist\"\n[columns.age]\ntype = \"float\"\n[columns.sbp]\ntype = \"float\"\n\
                      [columns.dead14]\ntype = \"bool\"\n";

/// Maps the studies' dataset to a file of 70 patients, under this schema.
fn map(session: &Session, folder: &std::path::Path, schema: &str) {
    let csv: String = (0..70)
        .map(|n| format!("{},{},{}\n", 50 + n, 120 + n, n % 2))
        .collect();
    let (file, schema_file) = (folder.join("p.csv"), folder.join("s.toml"));
    std::fs::write(&file, format!("age,sbp,dead14\n{csv}")).unwrap();
    std::fs::write(&schema_file, schema).unwrap();
    crate::data_desk::add(&session.home.paths, "ist", &file, &schema_file, true).unwrap();
}

fn unused_for(session: &mut Session, time: Duration) {
    let long_ago = Instant::now().checked_sub(time).unwrap();
    session
        .followers
        .values_mut()
        .for_each(|follower| follower.used = long_ago);
}

fn in_memory(session: &Session) -> Vec<&str> {
    session
        .followers
        .values()
        .map(|follower| follower.proposal.study.id.as_str())
        .collect()
}

#[tokio::test]
async fn a_study_of_which_nothing_more_is_asked_leaves_the_memory_and_comes_back_when_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    unused_for(&mut session, UNUSED * 2);
    session.let_go().await.unwrap();
    assert_eq!(
        in_memory(&session).len(),
        2,
        "an open study stays, however long its next round takes"
    );

    let proposal = session.studies.find("one").unwrap().proposal.clone();
    session.followers.get_mut(&proposal.digest).unwrap().is_over = true;
    unused_for(&mut session, UNUSED / 2);
    session.let_go().await.unwrap();
    assert_eq!(
        in_memory(&session).len(),
        2,
        "its result may have to be witnessed yet"
    );
    unused_for(&mut session, UNUSED * 2);
    session.let_go().await.unwrap();
    assert_eq!(in_memory(&session), ["two"]);
    session
        .follower(&proposal.digest.clone(), proposal)
        .await
        .unwrap();
    assert_eq!(in_memory(&session).len(), 2);

    let two = session.studies.find("two").unwrap().proposal.digest;
    session.withdrawn(&two.0).await.unwrap();
    unused_for(&mut session, UNUSED * 2);
    session.let_go().await.unwrap();
    assert_eq!(
        in_memory(&session),
        ["one"],
        "what may not be answered is not kept"
    );
}

/// A release of which only the digest matters.
fn release(number: u8) -> Absorbed {
    let digest = Digest([number; 32]);
    let point = Checkpoint {
        origin: "log".to_owned(),
        size: 1,
        root: digest,
    };
    let release = Logged {
        leaf: Vec::new(),
        index: 0,
        inclusion: Vec::new(),
        point,
        checkpoint: String::new(),
        consistency: Vec::new(),
    };
    let released = Released {
        plan: digest,
        t3: digest,
        set: Vec::new(),
        opened: Vec::new(),
        aggregate: digest,
        evidence: digest,
        state_root: digest,
        release,
        signature: Signature([0; 64]),
    };
    Absorbed {
        candidates: 3,
        threshold: 2,
        released,
        checked: false,
    }
}

#[tokio::test]
async fn a_missed_release_that_was_absorbed_another_way_is_not_taken_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let follower = session.followers.values_mut().next().unwrap();
    let [first, second, third] = [1, 2, 3].map(release);
    let state = follower.chain.state().clone();
    follower.missed = [first.released.clone(), second.released.clone()].into();
    follower.accept(state.clone(), &first).unwrap();
    assert_eq!(follower.missed, [second.released]);
    follower.accept(state, &third).unwrap();
    assert!(
        follower.missed.is_empty(),
        "what does not follow is behind this site"
    );
}

#[tokio::test]
async fn a_changed_entry_of_a_stream_that_nobody_reads_stops_a_node_before_it_appends_to_it() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), 1, &governance().public());
    let home = Home::open(folder.path()).await.unwrap();
    let said = b"what left this site, word for word";
    home.ledger.append_next("outbound", said).await.unwrap();
    home.ledger
        .append_next("outbound", b"and what left it then")
        .await
        .unwrap();
    reconnect::read_all(&home).await.unwrap();
    home.ledger.close().await;
    let database = home.paths.ledger().join("ledger.sqlite");
    let mut bytes = std::fs::read(&database).unwrap();
    let at = bytes
        .windows(said.len())
        .position(|part| part == said)
        .unwrap();
    bytes[at] ^= 1;
    std::fs::write(&database, bytes).unwrap();
    let home = Home::open(folder.path()).await.unwrap();
    assert!(reconnect::read_all(&home).await.unwrap_err().is_damage());
}

/// What this site has told the coordinator of sums that it made again.
fn checked(out: &mut mpsc::Receiver<AttendRequest>) -> Vec<Checked> {
    let message = |sent: AttendRequest| match sent.frame? {
        Sent::Message(envelope) => Message::from_bytes(&envelope.body).ok(),
        _ => None,
    };
    let told = std::iter::from_fn(|| out.try_recv().ok()).filter_map(message);
    told.filter_map(|message| {
        if let Message::Checked(checked) = message {
            Some(checked)
        } else {
            None
        }
    })
    .collect()
}

#[tokio::test]
async fn a_site_vouches_for_the_sum_on_its_own_record_and_for_none_that_is_named_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let proposal = session.studies.find("one").unwrap().proposal.clone();
    let study = proposal.digest;
    let stream = format!("chain/one/{}", study.short());
    // A sum that this site absorbed and did not make again, and the same release but for another
    // sum.
    let mut own = release(1);
    own.released.state_root = session.followers[&study].chain.root();
    own.released.release.point.origin = Log::of_study(&proposal.study, &proposal.roster)
        .origin()
        .to_owned();
    records::append(&session.home.ledger, &stream, &own)
        .await
        .unwrap();
    let other = Released {
        aggregate: Digest([9; 32]),
        evidence: Digest([9; 32]),
        ..own.released.clone()
    };
    let (leaf, due) = (
        own.released.leaf_hash(),
        Some(Due {
            release: own.released.leaf_hash(),
            checks: 2,
        }),
    );
    assert_eq!(other.leaf_hash(), leaf);
    let (link, mut out) = Link::to_nobody(&session.home);
    for (of_own, vouches) in [
        (Again::Wrong(Code::SumMismatch.into()), false),
        (Again::NotKept, false),
        (Again::Same, true),
    ] {
        session.followers.get_mut(&study).unwrap().latest =
            Some(Latest::after(None, leaf, due, false));
        session.downloads.judge(own.released.root(), of_own);
        session.downloads.judge(other.root(), Again::Same);
        let heard = session.released(&link, None, RunId([1; 16]), &other).await;
        assert!(
            heard.is_ok(),
            "what a coordinator names breaks no connection"
        );
        assert_eq!(session.followers[&study].latest.unwrap().checked, vouches);
        let told: Vec<Digest> = checked(&mut out)
            .iter()
            .map(|checked| checked.release)
            .collect();
        assert_eq!(told, if vouches { vec![leaf] } else { Vec::new() });
    }
}

#[tokio::test]
async fn a_latest_release_that_this_site_is_beyond_shows_that_the_coordinator_was_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let proposal = session.studies.find("one").unwrap().proposal.clone();
    let stream = format!("chain/one/{}", proposal.digest.short());
    let origin = Log::of_study(&proposal.study, &proposal.roster)
        .origin()
        .to_owned();
    let mut past = [1, 2].map(release);
    for (absorbed, leaf) in past.iter_mut().zip(1..) {
        absorbed.released.release.point.origin.clone_from(&origin);
        absorbed.released.release.leaf = vec![leaf];
    }
    let [earlier, mut latest] = past;
    latest.released.state_root = session.followers[&proposal.digest].chain.root();
    for absorbed in [&earlier, &latest] {
        records::append(&session.home.ledger, &stream, absorbed)
            .await
            .unwrap();
    }
    let (link, _out) = Link::to_nobody(&session.home);
    for (released, is_said) in [(latest.released, false), (earlier.released, true)] {
        assert!(
            session
                .released(&link, None, RunId([1; 16]), &released)
                .await
                .is_ok()
        );
        let events = records::read::<Event>(&session.home.ledger, EVENTS)
            .await
            .unwrap();
        assert_eq!(
            events.iter().any(|event| event.code == "log-inconsistent"),
            is_said
        );
    }
}

/// An attempt of study `one` in memory and in the vault, as old as `age`.
fn begin(session: &mut Session, age: Duration) -> (Digest, Digest) {
    let study = session.studies.find("one").unwrap().proposal.digest;
    let follower = session.followers.get_mut(&study).unwrap();
    let Proposal {
        study: of,
        roster,
        digest,
        ..
    } = &follower.proposal;
    let mut log = Log::of_study(of, roster);
    log.push(b"open".to_vec());
    let layout = follower.chain.question(3).unwrap().unwrap().layout;
    let mut candidates: Vec<_> = roster.nodes().collect();
    candidates.sort();
    let zero = Digest::default();
    let plan = Plan {
        version: VERSION,
        suite: SUITE,
        prg: PRG,
        study: of.id.clone(),
        study_digest: *digest,
        roster: roster.digest(),
        recipe: follower.chain.recipe_digest(),
        run: RunId([7; 16]),
        round: 1,
        attempt: 1,
        ask: zero,
        state_root: follower.chain.root(),
        previous_leaf: zero,
        ring: layout.ring,
        words: layout.words() as u64,
        chunk_words: 1024,
        layout: layout.root(),
        weight_max: layout.weight_max,
        candidates,
        colluders: 0,
        threshold: 2,
        min_start: 3,
        min_survivors: 3,
        checkpoint: log.checkpoint(&SecretKey::from_seed([201; 32])),
        previous_index: 0,
        previous_proof: Vec::new(),
        checked: Vec::new(),
        // What the coordinator writes here does not count.
        durations: Durations {
            join: u32::MAX,
            share: 0,
            upload: 0,
            sign: 0,
            reveal: 0,
        },
        nonce: [0; 32],
    };
    let root = plan.root();
    // As the vault keeps what has said nothing yet: the plan, no message, no secret, no share.
    let mut kept = SignedPlan {
        plan,
        signature: Signature([0; 64]),
    }
    .to_bytes();
    kept.extend([0; 5 + 4 + 3 + 4 * 32 + 1 + 4]);
    let member = Member::restore(&kept, roster).unwrap();
    follower.attempt = Some(Attempt {
        run: RunId([7; 16]),
        round: 1,
        member,
        layout,
        since: Instant::now(),
        aged: age,
    });
    session.vault.seal(&root, kept.into()).unwrap();
    (study, root)
}

#[tokio::test]
async fn an_attempt_that_nobody_ends_is_given_up_once_its_phases_are_long_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let (young, minute) = (Duration::from_secs(60), Duration::from_secs(60));
    begin(&mut session, young);
    session.let_go().await.unwrap();
    assert_eq!(
        (session.vault.names().unwrap().len(), session.given_up.len()),
        (1, 0)
    );
    let study = session.studies.find("one").unwrap().proposal.study.clone();
    let (study, _) = begin(&mut session, halt::longest(&study) + minute);
    session.let_go().await.unwrap();
    let follower = session.followers.get(&study).unwrap();
    assert!(follower.attempt.is_none());
    assert!(session.vault.names().unwrap().is_empty());
    assert_eq!(
        session.given_up.len(),
        1,
        "the coordinator is told when it is back"
    );
}

#[tokio::test]
async fn a_limit_that_is_changed_while_the_node_runs_holds_from_the_next_message_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let study = session.studies.find("one").unwrap().proposal.digest;
    let path = session.home.paths.settings();
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| std::fs::write(&path, text.replace(from, to)).unwrap();
    assert!(!session.followers[&study].tells);
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    with("own_metrics = false", "own_metrics = true");
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    assert!(session.followers[&study].tells && session.home.settings.limits.own_metrics);
    with("min_sites = 3", "min_sites = 4");
    assert_eq!(
        session.may_go_on(&study).await.unwrap().unwrap_err().code,
        Code::LineUpTooSmall
    );
    with("permit_required = false", "permit_required = true");
    assert_eq!(
        session.may_go_on(&study).await.unwrap().unwrap_err().code,
        Code::StudyNotApproved
    );
    // What cannot be understood allows nothing.
    with("[limits]", "[limit]");
    assert_eq!(
        session.may_go_on(&study).await.unwrap().unwrap_err().code,
        Code::StudyNotApproved
    );
    with("", "");
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    assert!(!session.followers[&study].tells);
}

#[tokio::test]
async fn a_cohort_is_held_to_the_rows_that_its_approval_asked_for_whatever_node_toml_says_later() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let (study, proposal, decision) = {
        let known = session.studies.find("one").unwrap();
        let Standing::Decided(signed) = &known.standing else {
            panic!("it is approved")
        };
        (
            known.proposal.digest,
            known.proposal.clone(),
            signed.digest("decision"),
        )
    };
    let under = Under {
        decision,
        again: motet_common::opening::Lifted::default(),
        min_sites: 3,
        max_set_change: 0,
        own_metrics: false,
        min_rows: 50,
        permit: None,
    };
    records::append(&session.home.ledger, UNDER, &under)
        .await
        .unwrap();
    assert_eq!(session.followers[&study].floors.min_rows, 10);
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    assert_eq!(
        session.followers[&study].floors.min_rows, 50,
        "as node.toml asked then"
    );
    session.followers.remove(&study);
    assert_eq!(
        session
            .follower(&study, proposal)
            .await
            .unwrap()
            .floors
            .min_rows,
        50
    );
    let path = session.home.paths.settings();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("min_rows = 10", "min_rows = 60")).unwrap();
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    assert_eq!(
        session.followers[&study].floors.min_rows, 60,
        "as it asks now"
    );

    // Patients who are in memory are held to it, too.
    map(&session, folder.path(), SCHEMA);
    let read = session.followers[&study]
        .work(&session.home)
        .cohort()
        .unwrap();
    session.followers.get_mut(&study).unwrap().cohort = Some(read);
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    assert!(
        session.followers[&study].cohort.is_some(),
        "nothing has changed"
    );
    std::fs::write(&path, text.replace("min_rows = 10", "min_rows = 71")).unwrap();
    assert_eq!(session.may_go_on(&study).await.unwrap(), Ok(()));
    let refused = session.followers[&study]
        .work(&session.home)
        .cohort()
        .err()
        .unwrap();
    assert_eq!(refused.code, Code::TooFewRows);
}

#[tokio::test]
async fn a_limit_that_ends_in_mid_run_makes_the_site_leave_and_a_file_that_is_being_written_does_not()
 {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let (study, _) = begin(&mut session, Duration::ZERO);
    let path = session.home.paths.settings();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[limits]", "[limi")).unwrap();
    session.hold_to_decisions().await.unwrap();
    assert!(session.given_up.is_empty() && session.followers[&study].attempt.is_some());
    std::fs::write(&path, text.replace("min_sites = 3", "min_sites = 4")).unwrap();
    session.hold_to_decisions().await.unwrap();
    assert!(session.followers[&study].attempt.is_none());
    assert_eq!(
        (session.vault.names().unwrap().len(), session.given_up.len()),
        (0, 1)
    );
}

#[tokio::test]
async fn a_schema_that_is_narrowed_holds_for_patients_in_memory_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let study = session.studies.find("one").unwrap().proposal.digest;
    let follower = |session: &Session| session.followers[&study].work(&session.home).cohort();
    map(&session, folder.path(), SCHEMA);
    let read = follower(&session).unwrap();
    session.followers.get_mut(&study).unwrap().cohort = Some(Arc::clone(&read));
    assert!(
        Arc::ptr_eq(&follower(&session).unwrap(), &read),
        "they are read once"
    );
    let without = SCHEMA.replace("[columns.sbp]\ntype = \"float\"\n", "");
    map(&session, folder.path(), &without);
    let refused = follower(&session).err().unwrap();
    assert_eq!(refused.code, Code::SchemaRefused);
    let path = folder.path().display().to_string();
    assert!(
        refused.detail.contains("`sbp`") && !refused.detail.contains(&path),
        "{refused}"
    );

    // A grid of times that was no finer than this site's step is, once the schema says days.
    let text = crate::studies::tests::study("curve", "0.0").replace("2027", "2099");
    let (head, _) = text.split_once("outcome = ").unwrap();
    let curve = format!(
        "{head}time = \"sbp\"\nevent = \"dead14\"\n[recipe]\nkind = \"km\"\ntimes = \"grid\"\nstep = 1\nhorizon = 182\n"
    );
    let record = proposed(curve, roster("curve", 1, 3), &governance());
    records::append(&session.home.ledger, STUDIES, &record)
        .await
        .unwrap();
    let known = Studies::read(&session.home).await.unwrap();
    let proposal = known.find("curve").unwrap().proposal.clone();
    let mut curve = Follower::open(&session.home, proposal).await.unwrap();
    let unit = |unit: &str| {
        SCHEMA.replace(
            "[columns.sbp]\n",
            &format!("[columns.sbp]\nunit = \"{unit}\"\n"),
        )
    };
    map(&session, folder.path(), &unit("wk"));
    curve.cohort = Some(curve.work(&session.home).cohort().unwrap());
    map(&session, folder.path(), &unit("d"));
    let refused = curve.work(&session.home).cohort().err().unwrap();
    assert_eq!(refused.code, Code::StudyNotApproved);
}

#[tokio::test]
async fn a_set_is_lifted_whole_and_only_for_the_sites_that_the_steward_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    map(&session, folder.path(), SCHEMA);
    let text = study("many", "0.0").replace("2027", "2099");
    let record = proposed(text, roster("many", 1, 6), &governance());
    let ledger = session.home.ledger.clone();
    records::append(&ledger, STUDIES, &record).await.unwrap();
    let known = Studies::read(&session.home).await.unwrap();
    let proposal = known.find("many").unwrap().proposal.clone();
    let signed = Decision {
        study: "many".into(),
        study_digest: proposal.digest,
        roster: proposal.roster_digest,
        site: session.home.node(),
        verdict: Verdict::Approve(String::new()),
        when_ms: 2,
    }
    .sign(&SecretKey::from_seed([101; 32]));
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let under = Under {
        decision: signed.digest("decision"),
        again: motet_common::opening::Lifted {
            lines: vec![names(&["site-2", "site-3"])],
            named: names(&["site-4"]),
        },
        min_sites: 3,
        max_set_change: 0,
        own_metrics: false,
        min_rows: 10,
        permit: None,
    };
    records::append(&ledger, UNDER, &under).await.unwrap();
    records::append(&ledger, STUDIES, &StudyRecord::Decided(signed))
        .await
        .unwrap();
    session.studies = Studies::read(&session.home).await.unwrap();
    let digest = proposal.digest;
    session.follower(&digest, proposal.clone()).await.unwrap();
    // All six were in a sum of another study over the same data.
    let entries = &proposal.roster.entries;
    let mut work = session.followers[&digest].work(&session.home);
    let opening = motet_common::opening::Opening {
        study: "first".to_owned(),
        digest: Digest([9; 32]),
        roster: Digest([9; 32]),
        reading: work.reading().unwrap(),
        set: entries
            .iter()
            .map(|entry| (entry.node, entry.name.clone()))
            .collect(),
    };
    session.openings.keep(&session.home, opening).await.unwrap();
    for (away, lifted) in [
        (&["site-2", "site-3"][..], true),
        (&["site-4"], true),
        (&["site-2"], false),
        (&["site-3"], false),
        (&["site-2", "site-4"], false),
        (&["site-5"], false),
        (&["site-4", "site-5"], false),
    ] {
        let here = entries
            .iter()
            .filter(|entry| !away.contains(&entry.name.as_str()));
        let roots = here.map(|entry| SignedRoot {
            node: entry.node,
            root: Digest::default(),
            signature: Signature([0; 64]),
        });
        let proposed = Message::Proposal(motet_secagg::message::Proposal {
            t2: Digest::default(),
            roots: roots.collect(),
            commit: release(1).released.release,
        });
        let beside = session.beside(&digest, &proposed).await.unwrap().unwrap();
        assert_eq!(beside.openings.is_empty(), lifted, "{away:?}");
    }
}

/// Ends an attempt of study `one` with this instead of an answer; what the coordinator is told of
/// it, and what stands on this site's own record.
async fn unanswered(
    session: &mut Session,
    result: Result<Answered, Refusal>,
) -> (Vec<Refused>, String) {
    let (link, mut out) = Link::to_nobody(&session.home);
    let study = session.studies.find("one").unwrap().proposal.digest;
    let attempt = session.followers[&study].attempt.as_ref().unwrap();
    let plan = attempt.member.terms().plan_root();
    let computed = Computed {
        study,
        plan,
        result,
    };
    assert!(session.computed(&link, computed).await.is_ok());
    let message = |sent: AttendRequest| match sent.frame? {
        Sent::Message(envelope) => Message::from_bytes(&envelope.body).ok(),
        _ => None,
    };
    let told = std::iter::from_fn(|| out.try_recv().ok()).filter_map(message);
    let told = told.filter_map(|message| match message {
        Message::Refused(refused) => Some(refused),
        _ => None,
    });
    let told = told.collect();
    let events = records::read::<Event>(&session.home.ledger, EVENTS)
        .await
        .unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.code, "refused");
    (told, last.text.clone())
}

#[tokio::test]
async fn an_answer_out_of_range_names_its_column_once_to_the_steward_and_to_nobody_else() {
    const LARGEST: &str = "; the largest numbers stand in column `sbp`";
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    map(&session, folder.path(), SCHEMA);
    let (study, _) = begin(&mut session, Duration::ZERO);
    let follower = &session.followers[&study];
    let mut work = follower.work(&session.home);
    let elements = follower.attempt.as_ref().unwrap().layout.elements();
    let answered = Answered {
        cohort: work.cohort().unwrap(),
        reading: work.reading().unwrap(),
        pin: None,
        update: ClearUpdate::new(1, vec![1e30; elements]),
        own: None,
        remembered: None,
    };
    // Found where the answer is encoded.
    let (told, said) = unanswered(&mut session, Ok(answered)).await;
    assert!(told.is_empty(), "{told:?}");
    assert!(
        said.contains("input_refused") && said.matches(LARGEST).count() == 1,
        "{said}"
    );
    // Found where it is computed, and named there.
    begin(&mut session, Duration::ZERO);
    let named = Refusal::new(
        Code::InputRefused,
        format!("beyond what can be added up{LARGEST}"),
    );
    let (told, said) = unanswered(&mut session, Err(named)).await;
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(said.matches(LARGEST).count(), 1, "{said}");
    // Whatever else depends on the rows is told as little.
    for (code, is_told) in [
        (Code::TooFewRows, false),
        (Code::DataRefused, false),
        (Code::DataChanged, false),
        (Code::RecipeFailed, false),
        (Code::SchemaRefused, true),
        (Code::Storage, true),
    ] {
        begin(&mut session, Duration::ZERO);
        let refusal = Refusal::new(code, "the reason");
        let (told, said) = unanswered(&mut session, Err(refusal)).await;
        let codes: Vec<&str> = told.iter().map(|refused| refused.code.as_str()).collect();
        assert_eq!(
            codes,
            if is_told {
                vec![code.as_str()]
            } else {
                Vec::new()
            }
        );
        assert!(
            said.contains("the reason") && !said.contains(LARGEST),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_study_that_is_answered_and_not_followed_is_a_fault_of_this_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    let study = session.studies.find("one").unwrap().proposal.digest;
    session.followers.remove(&study);
    let refusal = session.compute(&study).unwrap_err();
    assert_eq!(refusal.code, Code::Internal);
    // It is nobody's to be refused for, and no reason to give up what is open.
    assert!(matches!(NodeError::from(refusal), NodeError::Broken(_)));
}

#[tokio::test]
async fn a_withdrawal_that_names_no_study_is_said_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = session(folder.path()).await;
    session.withdrawn(&[7; 31]).await.unwrap();
    assert!(session.last_said.contains("names no study"));
}
