//! Studies at one node do not wait for each other, and each stops waiting when it has to.

use super::inbox::{Inbox, MOST_BYTES, MOST_WAITING, Mail, Unposted};
use super::tests::{
    SCHEMA, begin, follow, freeze, map, message, plan, release, shared, to_nobody, work,
};
use super::*;
use crate::records;
use motet_common::moment::Moment;
use motet_common::round::member::refused;
use motet_secagg::message::{Abandoned, Proposal as Set};

/// A coordinator that is there and answers nothing: it takes connections and reads none.
fn silent() -> (std::net::TcpListener, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// Nothing here takes this long; a test that would hang ends.
const LONGEST: Duration = Duration::from_secs(50);

#[tokio::test]
async fn a_study_that_waits_for_what_does_not_come_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let plan_of_one = {
        let shared = shared(folder.path()).await;
        map(&shared.home, folder.path(), SCHEMA);
        // Study two has an attempt that is to be answered.
        let mut two = follow(&shared, "two").await;
        freeze(&mut two).await;
        begin(&mut two, Duration::ZERO);
        plan(&follow(&shared, "one").await.follower)
    };
    let home = Home::open(folder.path()).await.unwrap();
    let mut session = Session::open(home, None).await.unwrap();
    let (_silent, address) = silent();
    let (link, mut unheard) = Link::to_nobody(&session.shared.home, &address);
    // The log that the plan goes on from is not here, and does not come.
    let root = plan_of_one.plan.root();
    let heard = heard(&session.shared, &link, Message::Plan(plan_of_one));
    assert!(session.message(heard).await.is_ok());
    waits(&session.shared, "leaves-request").await;
    session.drivers.connect(&link);
    let advert = async {
        while let Some(frame) = unheard.frames.recv().await {
            if let Some(Message::Advert(advert)) = message(frame) {
                return advert;
            }
        }
        panic!("the line is over")
    };
    let advert = tokio::time::timeout(LONGEST, advert).await.unwrap();
    assert_ne!(
        advert.advert.plan, root,
        "study two's, whatever one waits for"
    );
    // Nor does the line wait: it hears that the plan is over.
    let code = "deadline".to_owned();
    let abandoned = Message::Abandoned(Abandoned { plan: root, code });
    let over = self::heard(&session.shared, &link, abandoned);
    assert!(session.message(over).await.is_ok());
    // Nothing was made of the plan, and nobody was refused.
    assert!(unheard.frames.try_recv().is_err());
    drop(unheard);
    session.end().await;
}

/// Returns when this has been put on record as said to the coordinator.
async fn waits(shared: &Shared, kind: &str) {
    let is_said = async {
        loop {
            let said = records::read::<records::Frame>(&shared.home.ledger, records::OUTBOUND);
            if said.await.unwrap().iter().any(|frame| frame.kind == kind) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONGEST, is_said).await.unwrap();
}

#[tokio::test]
async fn a_study_that_waits_is_given_up_when_the_steward_stops_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    begin(&mut study, Duration::ZERO);
    let (link, _unheard) = to_nobody(&shared);
    let stop = async {
        let now = Moment { ms: 5 };
        switch::turn(&shared.home, true, now).await.unwrap();
        assert!(shared.look().await.unwrap());
    };
    let never = std::future::pending::<Result<(), Broken>>();
    let waiting = async { tokio::join!(study.meanwhile(&link, never), stop).0 };
    let waited = tokio::time::timeout(LONGEST, waiting).await.unwrap();
    assert!(
        matches!(waited, Err(Broken::Own(NodeError::Refused(why))) if why.code == Code::SiteStopped)
    );
    assert!(study.follower.attempt.is_none());
    assert!(shared.vault.names().unwrap().is_empty());
    assert_eq!(shared.untold(), 1);
}

#[tokio::test]
async fn a_study_stops_waiting_when_the_line_is_over_and_says_nothing_over_it() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let mut study = follow(&shared, "one").await;
    let (link, unheard) = to_nobody(&shared);
    let never = std::future::pending::<Result<(), Broken>>();
    let ends = async { drop(unheard) };
    let waiting = async { tokio::join!(study.meanwhile(&link, never), ends).0 };
    let waited = tokio::time::timeout(LONGEST, waiting).await.unwrap();
    assert!(matches!(waited, Err(Broken::Line(_))));
    let said = link.turned(true).await;
    assert!(matches!(said, Err(Broken::Line(_))));
    let outbound = records::read::<records::Frame>(&shared.home.ledger, records::OUTBOUND);
    assert_eq!(outbound.await.unwrap(), [], "nor is it on record");
}

#[tokio::test]
async fn a_line_that_one_study_finds_broken_is_over_for_the_first_reason() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let (link, mut unheard) = to_nobody(&shared);
    link.clone().hang_up(Broken::Line("cut".to_owned()));
    link.hang_up(Broken::Replaced);
    let why = unheard.breaks.try_recv();
    assert!(matches!(why, Ok(Broken::Line(why)) if why == "cut"));
}

#[tokio::test]
async fn of_two_studies_that_sign_at_once_one_waits_until_the_others_set_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    map(&shared.home, folder.path(), SCHEMA);
    let mut study = follow(&shared, "one").await;
    freeze(&mut study).await;
    let reading = work(&study).reading().unwrap();
    let set = Set {
        t2: Digest::default(),
        roots: Vec::new(),
        commit: release(1).released.release,
    };
    let message = Message::Proposal(set.clone());
    let other = shared.openings.lock().await;
    tokio::select! {
        biased;
        _ = study.sign(&message, &set, reading.clone()) => panic!("another study decides"),
        () = tokio::task::yield_now() => {}
    }
    drop(other);
    // It has no attempt, which is what comes of its turn.
    let signed = study.sign(&message, &set, reading).await.unwrap();
    assert_eq!(signed.err().unwrap().code, Code::WrongPhase);
}

/// A message as it comes over the line.
fn heard(shared: &Shared, link: &Link, message: Message) -> Box<Heard> {
    Box::new(Heard {
        link: link.clone(),
        run: RunId([1; 16]),
        message,
        room: shared.room(1).unwrap(),
    })
}

/// A message of the attempt under the plan with this root.
fn of_plan(shared: &Shared, link: &Link, plan: u8) -> Mail {
    let abandoned = Abandoned {
        plan: Digest([plan; 32]),
        code: "deadline".to_owned(),
    };
    Mail::Message(heard(shared, link, Message::Abandoned(abandoned)))
}

#[tokio::test]
async fn what_waits_at_a_node_has_a_bound_in_bytes_until_it_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let most = MOST_BYTES / 16;
    let mut waiting: Vec<_> = (0..16).map(|_| shared.room(most).unwrap()).collect();
    assert!(matches!(shared.room(1), Err(Broken::Line(_))));
    waiting.pop();
    assert!(shared.room(most).is_ok(), "one was heard");
}

#[tokio::test]
async fn an_inbox_keeps_the_order_and_has_a_bound_and_a_new_line_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let shared = shared(folder.path()).await;
    let (link, _unheard) = to_nobody(&shared);
    let inbox = Inbox::default();
    for plan in [1, 2] {
        assert!(inbox.post(of_plan(&shared, &link, plan)).is_ok());
    }
    for plan in [1, 2] {
        assert!(inbox.is_past(&Digest([plan; 32])), "it waits");
        let Some(Mail::Message(heard)) = inbox.next().await else {
            panic!("it waits")
        };
        let next = heard.message;
        assert!(matches!(
            next,
            Message::Abandoned(abandoned) if abandoned.plan == Digest([plan; 32])
        ));
        assert!(!inbox.is_past(&Digest([plan; 32])), "it is heard");
    }
    let other = || {
        let message = refused(Digest([3; 32]), &Code::Deadline.into());
        Mail::Message(heard(&shared, &link, message))
    };
    assert!(inbox.post(of_plan(&shared, &link, 3)).is_ok());
    for _ in 1..MOST_WAITING {
        assert!(inbox.post(other()).is_ok());
    }
    let more = inbox.post(of_plan(&shared, &link, 4));
    assert!(matches!(more, Err(Unposted::Full)));
    inbox.connect(&link);
    // What is over nobody says again.
    let Some(Mail::Message(over)) = inbox.next().await else {
        panic!("it stays")
    };
    assert!(matches!(over.message, Message::Abandoned(_)));
    assert!(matches!(inbox.next().await, Some(Mail::Connected(_))));
    assert!(inbox.is_empty());
    assert!(inbox.rest());
    let late = inbox.post(of_plan(&shared, &link, 5));
    assert!(matches!(late, Err(Unposted::Resting(_))));
    assert!(inbox.next().await.is_none());
}
