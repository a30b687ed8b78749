//! What stays in a node's memory, and what does not; what it believes of whom.

use super::driver::Driver;
use super::inbox::Inbox;
use super::study::{Computed, Study, UNUSED};
use super::*;
use crate::follower::{Absorbed, Answered, Attempt, Follower, Work};
use crate::home::tests::make;
use crate::link::{Again, Unheard};
use crate::records::{self, EVENTS, Event, STUDIES, StudyRecord, UNDER, Under};
use crate::studies::tests::{governance, proposed, roster, study};
use motet_common::checks::{Due, Latest};
use motet_common::decision::{Decision, Verdict};
use motet_common::refusal::Refusal;
use motet_common::round::member::Member;
use motet_proto::v1::AttendRequest;
use motet_proto::v1::attend_request::Frame as Sent;
use motet_secagg::layout::ClearUpdate;
use motet_secagg::message::{
    Checked, Durations, Logged, PRG, Plan, Refused, Released, SUITE, SignedPlan, SignedRoot,
    VERSION,
};
use motet_secagg::note::Checkpoint;
use motet_secagg::sign::{SecretKey, Signature};
use std::path::Path;
use std::time::Instant;

/// The folder of a site with two approved studies.
async fn folder(folder: &Path) -> Home {
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
            // No such table is there: `freeze` makes one.
            frozen: Some(Digest([7; 32])),
            when_ms: 2,
        };
        let signed = decision.sign(&SecretKey::from_seed([101; 32]));
        records::append(&home.ledger, STUDIES, &StudyRecord::Decided(signed))
            .await
            .unwrap();
    }
    home
}

pub(super) async fn shared(path: &Path) -> Arc<Shared> {
    Shared::open(folder(path).await, None).await.unwrap()
}

async fn known(shared: &Shared, id: &str) -> Arc<Proposal> {
    let studies = shared.studies.lock().await;
    Arc::new(studies.find(id).unwrap().proposal.clone())
}

pub(super) async fn follow(shared: &Arc<Shared>, id: &str) -> Study {
    let proposal = known(shared, id).await;
    Study::open(shared, &proposal).await.unwrap()
}

/// What is computed for a study on the site's patients.
pub(super) fn work(study: &Study) -> Work {
    study
        .follower
        .work(&study.shared.home, &study.shared.memories)
}

/// A line to an address at which there is nobody.
pub(super) fn to_nobody(shared: &Shared) -> (Link, Unheard) {
    Link::to_nobody(&shared.home, "http://nobody.invalid")
}

pub(super) const SCHEMA: &str = "[dataset]\nname = \"ist\"\n[columns.age]\ntype = \"float\"\n[columns.sbp]\ntype = \"float\"\n\
                      [columns.dead14]\ntype = \"bool\"\n";

/// Maps the studies' dataset to a file of 70 patients, under this schema.
pub(super) fn map(home: &Home, folder: &Path, schema: &str) {
    let csv: String = (0..70)
        .map(|n| format!("{},{},{}\n", 50 + n, 120 + n, n % 2))
        .collect();
    let (file, schema_file) = (folder.join("p.csv"), folder.join("s.toml"));
    std::fs::write(&file, format!("age,sbp,dead14\n{csv}")).unwrap();
    std::fs::write(&schema_file, schema).unwrap();
    crate::data_desk::add(&home.paths, "ist", &file, &schema_file, true).unwrap();
}

/// The steward reads the card and approves: the rows are frozen, and the study knows.
pub(super) async fn freeze(study: &mut Study) -> Digest {
    let home = &study.shared.home;
    let id = study.follower.proposal.study.id.clone();
    let now = crate::clock::now();
    crate::desk::show(home, &id, now).await.unwrap();
    let choice = crate::desk::Choice::ApproveAgain(None, Vec::new());
    let key = || Ok(SecretKey::from_seed([101; 32]));
    let decided = crate::desk::decide(home, &id, &choice, None, now, key)
        .await
        .unwrap();
    assert_eq!(decided.decision, "approved");
    study.shared.look().await.unwrap();
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    study.follower.frozen.unwrap()
}

fn unused_for(driver: &mut Driver, time: Duration) {
    let At::Open(study) = &mut driver.at else {
        panic!("it is open")
    };
    study.follower.used = Instant::now().checked_sub(time).unwrap();
}

/// The driver of a study that is followed.
async fn driver(shared: &Arc<Shared>, id: &str) -> Driver {
    let study = follow(shared, id).await;
    let proposal = Arc::clone(&study.follower.proposal);
    let inbox = Arc::new(Inbox::default());
    Driver::new(Arc::clone(shared), inbox, proposal, At::Open(study))
}

#[tokio::test]
async fn a_study_of_which_nothing_more_is_asked_leaves_the_memory_and_comes_back_when_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut one = driver(&shared, "one").await;
    unused_for(&mut one, UNUSED * 2);
    assert!(
        !one.rests().await.unwrap(),
        "an open study stays, however long its next round takes"
    );
    let At::Open(study) = &mut one.at else {
        panic!("it stays")
    };
    study.follower.is_over = true;
    unused_for(&mut one, UNUSED / 2);
    assert!(
        !one.rests().await.unwrap(),
        "its result may have to be witnessed yet"
    );
    unused_for(&mut one, UNUSED * 2);
    assert!(one.rests().await.unwrap());

    // Its driver ends, and what comes for it then starts another.
    let mut drivers = Drivers::default();
    let proposal = known(&shared, "one").await;
    drivers.start(&shared, Arc::clone(&proposal), At::Closed);
    while !drivers.running().is_empty() {
        tokio::select! {
            trouble = drivers.trouble() => panic!("{trouble}"),
            () = tokio::task::yield_now() => {}
        }
    }
    let (link, _unheard) = to_nobody(&shared);
    let message = Message::Released(release(1).released);
    let heard = Box::new(Heard {
        link,
        run: RunId([1; 16]),
        message,
        room: shared.room(1).unwrap(),
    });
    assert!(drivers.deliver(&shared, &proposal, heard).is_ok());
    assert_eq!(drivers.running(), ["one"]);
    drivers.end().await;

    // What may not be answered is not kept.
    let mut two = driver(&shared, "two").await;
    let withdrawn = StudyRecord::Withdrawn(known(&shared, "two").await.digest);
    records::append(&shared.home.ledger, STUDIES, &withdrawn)
        .await
        .unwrap();
    shared.look().await.unwrap();
    unused_for(&mut two, UNUSED * 2);
    assert!(two.rests().await.unwrap());
}

/// A release of which only the digest matters.
pub(super) fn release(number: u8) -> Absorbed {
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

/// The protocol's message in a frame that was sent.
pub(super) fn message(sent: AttendRequest) -> Option<Message> {
    match sent.frame? {
        Sent::Message(envelope) => Message::from_bytes(&envelope.body).ok(),
        _ => None,
    }
}

/// What this site has told the coordinator of sums that it made again.
fn checked(unheard: &mut Unheard) -> Vec<Checked> {
    let told = std::iter::from_fn(|| unheard.frames.try_recv().ok()).filter_map(message);
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
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let proposal = Arc::clone(&study.follower.proposal);
    let stream = format!("chain/one/{}", proposal.digest.short());
    // A sum that this site absorbed and did not make again, and the same release but for another
    // sum.
    let mut own = release(1);
    own.released.state_root = study.follower.chain.root();
    own.released.release.point.origin = Log::of_study(&proposal.study, &proposal.roster)
        .origin()
        .to_owned();
    records::append(&shared.home.ledger, &stream, &own)
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
    let (link, mut unheard) = to_nobody(&shared);
    for (of_own, vouches) in [
        (Again::Wrong(Code::SumMismatch.into()), false),
        (Again::NotKept, false),
        (Again::Same, true),
    ] {
        study.follower.latest = Some(Latest::after(None, leaf, due, false));
        shared.downloads.judge(own.released.root(), of_own);
        shared.downloads.judge(other.root(), Again::Same);
        let heard = study.released(&link, RunId([1; 16]), &other).await;
        assert!(
            heard.is_ok(),
            "what a coordinator names breaks no connection"
        );
        assert_eq!(study.follower.latest.unwrap().checked, vouches);
        let told: Vec<Digest> = checked(&mut unheard)
            .iter()
            .map(|checked| checked.release)
            .collect();
        assert_eq!(told, if vouches { vec![leaf] } else { Vec::new() });
    }
}

#[tokio::test]
async fn a_latest_release_that_this_site_is_beyond_shows_that_the_coordinator_was_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let proposal = Arc::clone(&study.follower.proposal);
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
    latest.released.state_root = study.follower.chain.root();
    for absorbed in [&earlier, &latest] {
        records::append(&shared.home.ledger, &stream, absorbed)
            .await
            .unwrap();
    }
    let (link, _unheard) = to_nobody(&shared);
    for (released, is_said) in [(latest.released, false), (earlier.released, true)] {
        assert!(
            study
                .released(&link, RunId([1; 16]), &released)
                .await
                .is_ok()
        );
        let events = records::read::<Event>(&shared.home.ledger, EVENTS)
            .await
            .unwrap();
        assert_eq!(
            events.iter().any(|event| event.code == "log-inconsistent"),
            is_said
        );
    }
}

/// A plan that asks what a study stands at.
pub(super) fn plan(follower: &Follower) -> SignedPlan {
    let Proposal {
        study: of,
        roster,
        digest,
        ..
    } = &*follower.proposal;
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
    SignedPlan {
        plan,
        signature: Signature([0; 64]),
    }
}

/// An attempt in memory and in the vault, as old as `age`.
pub(super) fn begin(study: &mut Study, age: Duration) -> Digest {
    let follower = &mut study.follower;
    let signed = plan(follower);
    let root = signed.plan.root();
    // As the vault keeps what has said nothing yet: the plan, no message, no secret, no share.
    let mut kept = signed.to_bytes();
    kept.extend([0; 5 + 4 + 3 + 4 * 32 + 1 + 4]);
    let member = Member::restore(&kept, &follower.proposal.roster).unwrap();
    let candidates = signed.plan.candidates.len();
    follower.attempt = Some(Attempt {
        run: RunId([7; 16]),
        round: 1,
        member,
        layout: follower.chain.question(candidates).unwrap().unwrap().layout,
        since: Instant::now(),
        aged: age,
    });
    study.shared.vault.seal(&root, kept.into()).unwrap();
    root
}

#[tokio::test]
async fn an_attempt_that_nobody_ends_is_given_up_once_its_phases_are_long_over() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let minute = Duration::from_secs(60);
    begin(&mut study, minute);
    study.hold().await.unwrap();
    assert_eq!(
        (shared.vault.names().unwrap().len(), shared.untold()),
        (1, 0)
    );
    let longest = given_up::longest(&study.follower.proposal.study);
    begin(&mut study, longest + minute);
    study.hold().await.unwrap();
    assert!(study.follower.attempt.is_none());
    assert!(shared.vault.names().unwrap().is_empty());
    assert_eq!(
        shared.untold(),
        1,
        "the coordinator is told when it is back"
    );
}

#[tokio::test]
async fn a_limit_that_is_changed_while_the_node_runs_holds_from_the_next_message_on() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let path = shared.home.paths.settings();
    let text = std::fs::read_to_string(&path).unwrap();
    let with = |from: &str, to: &str| std::fs::write(&path, text.replace(from, to)).unwrap();
    assert!(!study.follower.tells);
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    with("own_metrics = false", "own_metrics = true");
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    assert!(study.follower.tells);
    with("min_sites = 3", "min_sites = 4");
    assert_eq!(
        study.may_go_on().await.unwrap().unwrap_err().code,
        Code::LineUpTooSmall
    );
    with("permit_required = false", "permit_required = true");
    assert_eq!(
        study.may_go_on().await.unwrap().unwrap_err().code,
        Code::StudyNotApproved
    );
    // What cannot be understood allows nothing.
    with("[limits]", "[limit]");
    assert_eq!(
        study.may_go_on().await.unwrap().unwrap_err().code,
        Code::StudyNotApproved
    );
    with("", "");
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    assert!(!study.follower.tells);
}

#[tokio::test]
async fn a_cohort_is_held_to_the_rows_that_its_approval_asked_for_whatever_node_toml_says_later() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let decision = {
        let studies = shared.studies.lock().await;
        let Standing::Decided(signed) = &studies.find("one").unwrap().standing else {
            panic!("it is approved")
        };
        signed.digest("decision")
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
    records::append(&shared.home.ledger, UNDER, &under)
        .await
        .unwrap();
    assert_eq!(study.follower.floors.min_rows, 10);
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    assert_eq!(
        study.follower.floors.min_rows, 50,
        "as node.toml asked then"
    );
    let mut study = follow(&shared, "one").await;
    assert_eq!(study.follower.floors.min_rows, 50);
    let path = shared.home.paths.settings();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("min_rows = 10", "min_rows = 60")).unwrap();
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    assert_eq!(study.follower.floors.min_rows, 60, "as it asks now");

    // Patients who are in memory are held to it, too.
    map(&shared.home, folder.path(), SCHEMA);
    freeze(&mut study).await;
    let read = work(&study).cohort().unwrap();
    study.follower.cohort = Some(read);
    study.follower.content = Some([7; 32]);
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    assert!(study.follower.cohort.is_some(), "nothing has changed");
    std::fs::write(&path, text.replace("min_rows = 10", "min_rows = 71")).unwrap();
    assert_eq!(study.may_go_on().await.unwrap(), Ok(()));
    let refused = work(&study).cohort().err().unwrap();
    assert_eq!(refused.code, Code::TooFewRows);
    // And so are those who are read from the frozen table.
    study.follower.cohort = None;
    let refused = work(&study).cohort().err().unwrap();
    assert_eq!(refused.code, Code::TooFewRows);
}

#[tokio::test]
async fn a_limit_that_ends_in_mid_run_makes_the_site_leave_and_a_file_that_is_being_written_does_not()
 {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    begin(&mut study, Duration::ZERO);
    let path = shared.home.paths.settings();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("[limits]", "[limi")).unwrap();
    shared.look().await.unwrap();
    study.hold().await.unwrap();
    assert!(shared.untold() == 0 && study.follower.attempt.is_some());
    std::fs::write(&path, text.replace("min_sites = 3", "min_sites = 4")).unwrap();
    shared.look().await.unwrap();
    study.hold().await.unwrap();
    assert!(study.follower.attempt.is_none());
    assert_eq!(
        (shared.vault.names().unwrap().len(), shared.untold()),
        (0, 1)
    );
}

#[tokio::test]
async fn a_schema_that_is_narrowed_holds_for_patients_in_memory_too() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    map(&shared.home, folder.path(), SCHEMA);
    freeze(&mut study).await;
    let read = work(&study).cohort().unwrap();
    study.follower.cohort = Some(Arc::clone(&read));
    study.follower.content = Some([7; 32]);
    assert!(
        Arc::ptr_eq(&work(&study).cohort().unwrap(), &read),
        "they are read once"
    );
    let without = SCHEMA.replace("[columns.sbp]\ntype = \"float\"\n", "");
    map(&shared.home, folder.path(), &without);
    let refused = work(&study).cohort().err().unwrap();
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
    records::append(&shared.home.ledger, STUDIES, &record)
        .await
        .unwrap();
    shared.look().await.unwrap();
    let mut study = follow(&shared, "curve").await;
    let unit = |unit: &str| {
        SCHEMA.replace(
            "[columns.sbp]\n",
            &format!("[columns.sbp]\nunit = \"{unit}\"\n"),
        )
    };
    map(&shared.home, folder.path(), &unit("wk"));
    freeze(&mut study).await;
    study.follower.cohort = Some(work(&study).cohort().unwrap());
    map(&shared.home, folder.path(), &unit("d"));
    let refused = work(&study).cohort().err().unwrap();
    assert_eq!(refused.code, Code::StudyNotApproved);
}

#[tokio::test]
async fn a_set_is_lifted_whole_and_only_for_the_sites_that_the_steward_named() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    map(&shared.home, folder.path(), SCHEMA);
    let text = study("many", "0.0").replace("2027", "2099");
    let record = proposed(text, roster("many", 1, 6), &governance());
    let ledger = shared.home.ledger.clone();
    records::append(&ledger, STUDIES, &record).await.unwrap();
    shared.look().await.unwrap();
    let table = freeze(&mut follow(&shared, "many").await).await;
    let known = Studies::read(&shared.home).await.unwrap();
    let proposal = known.find("many").unwrap().proposal.clone();
    let signed = Decision {
        study: "many".into(),
        study_digest: proposal.digest,
        roster: proposal.roster_digest,
        site: shared.home.node(),
        verdict: Verdict::Approve(String::new()),
        frozen: Some(table),
        when_ms: u64::MAX,
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
    shared.look().await.unwrap();
    let study = follow(&shared, "many").await;
    // All six were in a sum of another study over the same data.
    let entries = &proposal.roster.entries;
    let reading = work(&study).reading().unwrap();
    let opening = motet_common::opening::Opening {
        study: "first".to_owned(),
        digest: Digest([9; 32]),
        roster: Digest([9; 32]),
        reading: reading.clone(),
        set: entries
            .iter()
            .map(|entry| (entry.node, entry.name.clone()))
            .collect(),
    };
    let mut openings = shared.openings.lock().await;
    openings.keep(&shared.home, opening).await.unwrap();
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
        let proposed = motet_secagg::message::Proposal {
            t2: Digest::default(),
            roots: roots.collect(),
            commit: release(1).released.release,
        };
        let beside = study.beside(&openings, &proposed, &reading).await;
        assert_eq!(beside.openings.is_empty(), lifted, "{away:?}");
    }
}

/// Ends an attempt of study `one` with this instead of an answer; what the coordinator is told of
/// it, and what stands on this site's own record.
async fn unanswered(
    study: &mut Study,
    result: Result<Answered, Refusal>,
) -> (Vec<Refused>, String) {
    let (link, mut unheard) = to_nobody(&study.shared);
    let attempt = study.follower.attempt.as_ref().unwrap();
    let plan = attempt.member.terms().plan_root();
    let computed = Computed { plan, result };
    assert!(study.computed(&link, computed).await.is_ok());
    let told = std::iter::from_fn(|| unheard.frames.try_recv().ok()).filter_map(message);
    let told = told.filter_map(|message| match message {
        Message::Refused(refused) => Some(refused),
        _ => None,
    });
    let told = told.collect();
    let events = records::read::<Event>(&study.shared.home.ledger, EVENTS)
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
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    map(&shared.home, folder.path(), SCHEMA);
    freeze(&mut study).await;
    begin(&mut study, Duration::ZERO);
    let mut work = work(&study);
    let elements = study.follower.attempt.as_ref().unwrap().layout.elements();
    let answered = Answered {
        cohort: work.cohort().unwrap(),
        reading: work.reading().unwrap(),
        content: [7; 32],
        update: ClearUpdate::new(1, vec![1e30; elements]),
        own: None,
        remembered: None,
    };
    // Found where the answer is encoded.
    let (told, said) = unanswered(&mut study, Ok(answered)).await;
    assert!(told.is_empty(), "{told:?}");
    assert!(
        said.contains("input_refused") && said.matches(LARGEST).count() == 1,
        "{said}"
    );
    // Found where it is computed, and named there.
    begin(&mut study, Duration::ZERO);
    let named = Refusal::new(
        Code::InputRefused,
        format!("beyond what can be added up{LARGEST}"),
    );
    let (told, said) = unanswered(&mut study, Err(named)).await;
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(said.matches(LARGEST).count(), 1, "{said}");
    // Whatever else depends on the rows is told as little.
    for (code, is_told) in [
        (Code::TooFewRows, false),
        (Code::DataRefused, false),
        (Code::DataChanged, false),
        (Code::TableLost, false),
        (Code::RecipeFailed, false),
        (Code::SchemaRefused, true),
        (Code::Storage, true),
    ] {
        begin(&mut study, Duration::ZERO);
        let refusal = Refusal::new(code, "the reason");
        let (told, said) = unanswered(&mut study, Err(refusal)).await;
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
async fn an_answer_for_no_attempt_is_a_fault_of_this_program() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let (link, _unheard) = to_nobody(&shared);
    let refusal = study.compute(&link).unwrap_err();
    assert_eq!(refusal.code, Code::Internal);
    // It is nobody's to be refused for, and no reason to give up what is open.
    assert!(matches!(NodeError::from(refusal), NodeError::Broken(_)));
}

#[tokio::test]
async fn a_withdrawal_that_names_no_study_is_said_and_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let home = self::folder(folder.path()).await;
    let session = Session::open(home, None).await.unwrap();
    session.withdrawn(&[7; 31]).await.unwrap();
    assert!(session.shared.last_said().await.contains("names no study"));
}
