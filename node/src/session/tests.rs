//! What stays in a node's memory, and what does not; what it believes of whom.

use super::*;
use crate::follower::{Absorbed, Attempt};
use crate::home::tests::make;
use crate::link::Again;
use crate::records::{EVENTS, Event, STUDIES, StudyRecord};
use crate::studies::tests::{governance, proposed, roster, study};
use motet_common::checks::{Due, Latest};
use motet_common::decision::{Decision, Verdict};
use motet_common::log::Log;
use motet_common::round::member::Member;
use motet_proto::v1::AttendRequest;
use motet_proto::v1::attend_request::Frame as Sent;
use motet_secagg::message::{
    Checked, Durations, Logged, PRG, Released, SUITE, SignedPlan, VERSION,
};
use motet_secagg::note::Checkpoint;
use motet_secagg::sign::{SecretKey, Signature};

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
    lasting::read_all(&home).await.unwrap();
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
    assert!(lasting::read_all(&home).await.unwrap_err().is_damage());
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
    let (study, _) = begin(&mut session, halting::longest(&study) + minute);
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
