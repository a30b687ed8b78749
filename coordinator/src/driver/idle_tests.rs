//! A late site hears how the study stands, whatever the study's driver is about when it comes. With
//! a real driver; the book is one whose run is over. And a run that its recipe ends, on such books.

use super::super::replay::{Replayed, drive, replay, unread};
use super::*;
use crate::book::tests::{TEXT, book, key, node, started};
use crate::config::Config;
use crate::entries::{End, RunEnded, RunStarted, StudyEntry};
use crate::handle::{Ask, Awake, Wake};
use crate::hub::{Hub, QUEUE};
use crate::members::Members;
use crate::shared::Keys;
use motet_common::chain::Chain;
use motet_common::checks::Due;
use motet_common::decision::{Decision, Verdict};
use motet_common::log::{Leaf, StudyOpen};
use motet_common::moment::Moment;
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Study;
use motet_ledger::Ledger;
use motet_proto::tls::authority::{Authority, ServerIdentity};
use motet_proto::tls::server::Connections;
use motet_proto::v1::AttendResponse;
use motet_proto::v1::attend_response::Frame;
use motet_secagg::encode::Canonical as _;
use motet_secagg::message::{Checked, Released, Witness, Witnessed};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::mpsc;
use tonic::Status;

const SITES: usize = 4;
const RUN: RunId = RunId([1; 16]);
const AT: Moment = Moment { ms: 1_000 };
/// Longer than anything here takes: without what is waited for, the test ends.
const HANG: Duration = Duration::from_secs(60);

/// A study whose sites all approved and counted, its one run released; in the release is nothing
/// that its book looks at.
fn finished() -> Book {
    finished_by(SITES, "2030-02-28")
}

/// The vector of the present question.
fn layout(book: &Book) -> motet_secagg::layout::Layout {
    book.chain.question(SITES).unwrap().unwrap().layout
}

/// The same with that many approvals and this last day.
fn finished_by(approved: usize, ends: &str) -> Book {
    let approved: Vec<usize> = (1..=approved).collect();
    let mut book = started(book(SITES, &approved));
    book.study =
        Study::parse(&TEXT.replace("summary", "count").replace("2030-02-28", ends)).unwrap();
    book.chain = Chain::start(&book.study, book.roster());
    let open = StudyOpen::of(&book.study, book.roster());
    book.log.push(Leaf::StudyOpen(open).to_bytes());
    let mut state = book.chain.state().clone();
    if let motet_recipes::AnyState::Count(count) = &mut state.method {
        count.counts = vec![motet_recipes::Rounded {
            rows: 100,
            below: 0,
        }];
    }
    let set: Vec<NodeId> = approved.iter().map(|site| node(*site)).collect();
    let layout = layout(&book);
    book.chain.accept(state, &set, &layout);
    let (plan, t3, aggregate, evidence) = Default::default();
    let (opened, state_root, signature) = (Vec::new(), book.chain.root(), key(201).sign("", &[]));
    let release = book.log.logged(0, 1, &key(202)).unwrap();
    let released = Released {
        plan,
        t3,
        set,
        opened,
        aggregate,
        evidence,
        state_root,
        release,
        signature,
    };
    book.past.push(crate::book::Past {
        round: 1,
        ask: plan,
        released,
        at: AT,
    });
    let (detail, files) = (String::new(), Vec::new());
    let ended = StudyEntry::RunEnded(RunEnded {
        run: RUN,
        end: End::Released,
        detail,
        files,
        at: AT,
    });
    book.apply(ended, &key(201), None).unwrap();
    assert!(book.is_over());
    book
}

/// Wakes a real driver on books that are made, not read from a ledger.
struct Waker {
    shared: Arc<Shared>,
    book: fn() -> Book,
}

#[tonic::async_trait]
impl Wake for Waker {
    async fn wake(&self, handle: &Handle) -> Result<Awake, Refusal> {
        let book = (self.book)();
        let stream = book.stream();
        let version = self.shared.ledger.version(&stream).await.unwrap();
        Ok(drive(
            &self.shared,
            handle,
            Replayed {
                book,
                version,
                planned: 0,
            },
            false,
        ))
    }
}

/// A study at rest, and what its coordinator's services and drivers share.
struct Scene {
    shared: Arc<Shared>,
    handle: Handle,
}

impl Scene {
    async fn new(book: fn() -> Book) -> Self {
        let ledger = Ledger::memory();
        let sample = include_str!("../../coordinator.sample.toml");
        let keys = Keys {
            authority: Authority::create("trial").unwrap(),
            server: ServerIdentity {
                chain_pem: String::new(),
                key_pem: String::new().into(),
            },
            signing: key(201),
            log: key(202),
            governance: key(200).public(),
        };
        let shared = Arc::new(Shared {
            config: Config::parse(std::path::Path::new("coordinator.toml"), sample).unwrap(),
            keys,
            catalogue: crate::catalogue::Catalogue::load(ledger.clone())
                .await
                .unwrap(),
            members: Arc::new(Members::load(ledger.clone()).await.unwrap()),
            ledger,
            drill: None,
            hub: Hub::new(HANG),
            receiving: Default::default(),
            allowances: Default::default(),
            connections: Connections::new(|_| true),
            studies: Default::default(),
            set_aside: Default::default(),
            runs: Default::default(),
            fetchable: Default::default(),
        });
        let waker = Arc::new(Waker {
            shared: Arc::clone(&shared),
            book,
        });
        let now = book();
        let handle = Handle::new(
            waker,
            shared.hub.clone(),
            &now,
            resting(&now, &shared.config, &shared.keys.log),
        );
        Self { shared, handle }
    }

    /// A site's line opens; the coordinator has yet to look what the site missed.
    fn connects(&self, site: usize) -> Site {
        let (line, out) = mpsc::channel(QUEUE);
        self.shared.hub.came(node(site), line);
        Site(out)
    }

    /// Somebody asks something of the study.
    async fn wakes(&self) {
        self.handle
            .ask(|answer| Ask::Runs { answer })
            .await
            .unwrap();
        assert!(self.handle.is_awake());
    }

    /// A site cosigns the end of the study.
    async fn cosigns(&self, site: usize) {
        let point = finished().log.point();
        let cosignature = point.cosign(&key(site + 100), 1);
        let witness = Witness {
            node: node(site),
            cosignature,
        };
        let witnessed = Witnessed {
            study: self.handle.digest,
            point,
            witness,
        };
        self.handle
            .send(Ask::FromNode {
                node: node(site),
                message: Message::Witnessed(witnessed),
            })
            .await;
    }
}

/// A site at the other end of its line.
struct Site(mpsc::Receiver<Result<AttendResponse, Status>>);

impl Site {
    /// The next message to it.
    async fn hears(&mut self) -> Message {
        let frame = tokio::time::timeout(HANG, self.0.recv())
            .await
            .expect("nothing more is told");
        let Some(Ok(AttendResponse {
            frame: Some(Frame::Message(envelope)),
        })) = frame
        else {
            panic!("no message")
        };
        assert_eq!(envelope.run, RUN.0);
        Message::from_bytes(&envelope.body).unwrap()
    }

    /// What it missed, and the end.
    async fn hears_the_end(&mut self) {
        assert!(matches!(self.hears().await, Message::Released(_)));
        assert!(matches!(self.hears().await, Message::Stands(_)));
    }

    fn hears_nothing(&mut self) {
        assert!(self.0.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_site_hears_the_end_though_its_study_wakes_between_its_coming_and_the_look_at_what_it_missed()
 {
    let scene = Scene::new(finished).await;
    let mut late = scene.connects(1);
    // The news that it came is over before anybody listened.
    scene.wakes().await;
    scene.handle.came(node(1)).await;
    late.hears_the_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_site_hears_the_end_on_every_line_until_it_has_cosigned_it() {
    let scene = Scene::new(finished).await;
    let told = async |site: usize| {
        let line = scene.connects(site);
        scene.handle.came(node(site)).await;
        line
    };
    // At rest, on two lines.
    told(1).await.hears_the_end().await;
    told(1).await.hears_the_end().await;
    // Awake, on two lines; a second late site beside it.
    scene.wakes().await;
    told(1).await.hears_the_end().await;
    told(2).await.hears_the_end().await;
    told(1).await.hears_the_end().await;
    scene.cosigns(1).await;
    let mut done = told(1).await;
    told(2).await.hears_the_end().await;
    done.hears_nothing();
    // At rest again: what the driver knew is kept.
    let rests = async {
        while scene.handle.is_awake() {
            tokio::time::sleep(AWAKE).await;
        }
    };
    tokio::time::timeout(10 * AWAKE, rests)
        .await
        .expect("it rests");
    told(2).await.hears_the_end().await;
    told(1).await.hears_nothing();
}

/// Goes on as far as it can, and says whether it waits there.
async fn waits(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context).is_pending())).await
}

#[tokio::test]
async fn a_site_that_comes_while_its_driver_goes_to_rest_is_asked_for_or_told() {
    let scene = Scene::new(finished).await;
    let (inbox, mut asked) = mpsc::channel(1);
    let views = tokio::sync::broadcast::channel(1).0;
    let at_rest = {
        let mut line = scene.handle.line.lock().await;
        std::mem::replace(&mut *line, Line::Awake(Awake { inbox, views }))
    };
    let mut late = scene.connects(1);
    // The line is held until both wait for it, in this order: the site's coming, then the driver's
    // rest.
    let held = scene.handle.line.lock().await;
    let mut coming = Box::pin(scene.handle.came(node(1)));
    assert!(waits(&mut coming).await);
    let mut rest = Box::pin(async { *scene.handle.line.lock().await = at_rest });
    assert!(waits(&mut rest).await);
    drop(held);
    tokio::join!(coming, rest);
    let is_asked_for = matches!(asked.try_recv(), Ok(Ask::Came(came)) if came == node(1));
    let is_told = late.0.try_recv().is_ok();
    assert!(is_asked_for || is_told);
}

/// A study that was given up while checks of its last sum were missing.
fn unchecked() -> Book {
    let mut book = finished();
    let release = book
        .past
        .last()
        .map(|past| past.released.leaf_hash())
        .unwrap();
    book.due = Some(Due { release, checks: 1 });
    assert!(!book.is_over());
    book
}

#[tokio::test(start_paused = true)]
async fn sites_that_are_here_hear_an_end_that_the_last_check_brings() {
    let scene = Scene::new(unchecked).await;
    let mut late = scene.connects(1);
    scene.handle.came(node(1)).await;
    assert!(matches!(late.hears().await, Message::Released(_)));
    late.hears_nothing();
    let release = unchecked().due.unwrap().release;
    let checked = Checked::sign(release, node(2), &key(2));
    scene
        .handle
        .send(Ask::FromNode {
            node: node(2),
            message: Message::Checked(checked),
        })
        .await;
    assert!(matches!(late.hears().await, Message::Stands(_)));
}

#[tokio::test(start_paused = true)]
async fn a_late_site_hears_the_end_of_a_study_whose_last_day_is_over() {
    let scene = Scene::new(|| finished_by(SITES, "2020-02-28")).await;
    for _ in 0..2 {
        let mut late = scene.connects(1);
        scene.handle.came(node(1)).await;
        late.hears_the_end().await;
        scene.wakes().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_site_that_approves_when_all_is_over_hears_the_end_at_once() {
    let scene = Scene::new(|| finished_by(SITES - 1, "2030-02-28")).await;
    let mut late = scene.connects(SITES);
    scene.handle.came(node(SITES)).await;
    scene.wakes().await;
    scene.handle.came(node(SITES)).await;
    late.hears_nothing();
    let decision = Decision {
        study: scene.handle.id.clone(),
        study_digest: scene.handle.digest,
        roster: finished().roster().digest(),
        site: node(SITES),
        verdict: Verdict::Approve(String::new()),
        frozen: Some(scene.handle.digest),
        when_ms: AT.ms,
    };
    let decision = Box::new(decision.sign(&key(SITES + 50)));
    scene
        .handle
        .ask(|answer| Ask::Decide { decision, answer })
        .await
        .unwrap()
        .unwrap();
    late.hears_the_end().await;
}

/// A run under way that no sum was opened in.
fn under_way() -> Book {
    let mut book = started(book(SITES, &[1, 2, 3, 4]));
    let open = StudyOpen::of(&book.study, book.roster());
    book.log.push(Leaf::StudyOpen(open).to_bytes());
    book
}

/// The same, whose first round found that something is at too few sites.
fn lacking() -> Book {
    let mut book = under_way();
    let mut state = book.chain.state().clone();
    if let Some(tally) = &mut state.tally {
        (tally.asked, tally.sites) = (true, SITES as u32);
        tally.lacks = vec![0];
    }
    let layout = layout(&book);
    book.chain.accept(state, &[], &layout);
    book
}

/// The same, at the state of another recipe.
fn astray() -> Book {
    let mut book = under_way();
    let layout = layout(&book);
    book.chain
        .accept(finished().chain.state().clone(), &[], &layout);
    book
}

/// The same, after a sum that the recipe could not take in.
fn spent() -> Book {
    let mut book = under_way();
    if let Some(run) = &mut book.run {
        run.last_code = Some(Code::RecipeFailed);
        run.last_detail = "the sum cannot be".to_owned();
    }
    book
}

#[tokio::test(start_paused = true)]
async fn a_run_that_its_recipe_ends_is_over_for_the_reason_that_the_recipe_gives() {
    for (book, reason) in [
        (
            lacking as fn() -> Book,
            "column `age` has values at fewer than",
        ),
        (astray, "state"),
        (spent, "the sum cannot be"),
    ] {
        let scene = Scene::new(book).await;
        scene.wakes().await;
        let ledger = &scene.shared.ledger;
        let stream = book().stream();
        let ends = async {
            loop {
                if let Some(last) = ledger.read(&stream, 1).await.unwrap().pop() {
                    return StudyEntry::from_bytes(&last.entry).unwrap();
                }
                tokio::time::sleep(AWAKE / 10).await;
            }
        };
        let entry = tokio::time::timeout(HANG, ends).await.expect("it ends");
        let StudyEntry::RunEnded(ended) = entry else {
            panic!("{reason}: {entry:?}")
        };
        assert_eq!(ended.end, End::Failed(Code::RecipeFailed));
        assert!(ended.detail.contains(reason), "{}", ended.detail);
    }
}

impl Scene {
    /// The same with this study on record, from its proposal on, so that its driver can read it
    /// again.
    async fn recorded(book: fn() -> Book, entries: &[StudyEntry]) -> Self {
        let scene = Self::new(book).await;
        let stream = book().stream();
        let proposed = StudyEntry::Proposed(book().proposed);
        for entry in [&proposed].into_iter().chain(entries) {
            let entry = entry.to_bytes();
            scene
                .shared
                .ledger
                .append_next(&stream, &entry)
                .await
                .unwrap();
        }
        scene
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_the_program_holds_the_run_until_it_is_read_anew_and_does_not_end_it() {
    let begun = StudyEntry::RunStarted(RunStarted {
        run: RUN,
        without_undecided: false,
        at: AT,
    });
    let scene = Scene::recorded(|| started(book(SITES, &[1])), &[begun]).await;
    scene.wakes().await;
    let broken = Refusal::broken("a sum of no sites");
    scene.handle.send(Ask::Folded(Box::new(Err(broken)))).await;
    let held = scene.handle.runs().await.unwrap().remove(0);
    assert_eq!(held.code, "internal");
    assert!(held.why.contains("a sum of no sites"), "{}", held.why);
    assert_eq!(held.next, Code::Internal.next());
    let goes_on = async {
        while !scene.handle.runs().await.unwrap()[0].code.is_empty() {
            tokio::time::sleep(AWAKE).await;
        }
    };
    tokio::time::timeout(10 * AWAKE, goes_on)
        .await
        .expect("it goes on from its record");
    let run = scene.handle.runs().await.unwrap().remove(0);
    assert_eq!(run.run, RUN.hex());
    assert!(run.why.starts_with("waits for "), "{}", run.why);
}

#[tokio::test]
async fn a_record_that_releases_a_sum_before_it_is_folded_is_said_to_be_so() {
    let leaf = finished().log.logged(0, 1, &key(202)).unwrap();
    let released = StudyEntry::Round(motet_common::round::Entry::Released(leaf));
    let scene = Scene::recorded(|| book(SITES, &[]), &[released]).await;
    let stream = book(SITES, &[]).stream();
    let error = replay(&scene.shared, &stream).await.err().unwrap();
    let refusal = unread(error);
    assert_eq!(refusal.code, Code::Internal);
    assert!(refusal.detail.contains("before it is folded"), "{refusal}");
}
