//! Notices as they come in: whose, in which order, how often, and who is told.

use super::*;
use motet_common::catalogue::{MOST_BYTES, MOST_COLUMNS, Notice, Offer, Told, Word};
use motet_common::study::{Recipients, Type};
use motet_secagg::digest::Digest;
use motet_secagg::sign::SecretKey;
use std::sync::Arc;

const NOW: Moment = Moment { ms: 1_000_000 };

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// The node of a site.
fn node(seed: u8) -> NodeId {
    key(seed).public().node_id()
}

/// A site whose identity key has this seed, and whose steward's has the next.
fn site(seed: u8) -> Enrolment {
    Enrolment {
        invite: [seed; 16],
        name: format!("site-{seed}"),
        country: "NL".into(),
        role: Role::Site,
        identity: key(seed).public(),
        steward: Some(key(seed + 1).public()),
        witness: Some(key(seed + 2).public()),
        csr_key_digest: Digest::default(),
        governance_fingerprint: Digest::default(),
    }
}

fn published(researchers: Recipients) -> Word {
    let column = Told {
        column: "age".into(),
        kind: Type::Float,
        label: None,
        unit: None,
        substance: None,
        min: None,
        max: None,
        uses: Vec::new(),
        levels: Vec::new(),
        years: None,
    };
    Word::Published(Offer {
        researchers,
        rows: 300,
        rounded_to: 100,
        columns: vec![column],
    })
}

fn notice(seed: u8, dataset: &str, number: u64, word: Word) -> SignedNotice {
    let notice = Notice {
        site: node(seed),
        dataset: dataset.into(),
        number,
        when_ms: NOW.ms,
        word,
    };
    notice.sign(&key(seed + 1))
}

fn caller(role: Role, name: &str, since: u64) -> Caller {
    Caller {
        name: name.into(),
        role,
        invite: [9; 16],
        since: Moment { ms: since },
        node: None,
    }
}

async fn empty() -> Catalogue {
    Catalogue::load(Ledger::memory()).await.unwrap()
}

async fn refused(catalogue: &Catalogue, notice: SignedNotice, of: u8) -> Option<Code> {
    let taken = catalogue.take(notice, &site(of), NOW).await;
    taken.err().map(|refusal| refusal.code)
}

/// What somebody is shown of a site.
async fn seen(catalogue: &Catalogue, by: Caller, of: u8) -> Vec<Notice> {
    let (sender, mut told) = mpsc::channel(MOST_DATASETS);
    catalogue.tell(&by, &[site(of)], &sender).await;
    drop(sender);
    let mut seen = Vec::new();
    while let Some(Ok(response)) = told.recv().await {
        let signed = SignedNotice::from_bytes(&response.notice).unwrap();
        assert_eq!(response.site, format!("site-{of}"));
        assert_eq!(response.steward, key(of + 1).public().0);
        seen.push(signed.notice);
    }
    seen
}

/// The numbers that an operator is shown.
async fn numbers(catalogue: &Catalogue) -> Vec<u64> {
    let seen = seen(catalogue, caller(Role::Operator, "ada", 0), 10).await;
    seen.iter().map(|notice| notice.number).collect()
}

#[tokio::test]
async fn an_older_notice_does_not_come_back_not_after_a_restart_nor_after_the_dataset_was_taken_out()
 {
    let catalogue = empty().await;
    let word = || published(Recipients::Everyone);
    let [first, second] = [1, 2].map(|number| notice(10, "stroke", number, word()));
    assert_eq!(refused(&catalogue, first.clone(), 10).await, None);
    assert_eq!(refused(&catalogue, second.clone(), 10).await, None);
    assert_eq!(
        refused(&catalogue, second.clone(), 10).await,
        None,
        "said again"
    );
    assert_eq!(
        refused(&catalogue, first.clone(), 10).await,
        Some(Code::NoticeStale)
    );
    // Another of the same number is no later word.
    let twin = notice(10, "stroke", 2, Word::Withdrawn);
    assert_eq!(refused(&catalogue, twin, 10).await, Some(Code::NoticeStale));
    assert_eq!(numbers(&catalogue).await, [2]);
    let gone = notice(10, "stroke", 3, Word::Withdrawn);
    assert_eq!(refused(&catalogue, gone, 10).await, None);
    assert!(numbers(&catalogue).await.is_empty());

    let again = Catalogue::load(catalogue.ledger.clone()).await.unwrap();
    assert_eq!(refused(&again, second, 10).await, Some(Code::NoticeStale));
    assert!(numbers(&again).await.is_empty());
    let anew = notice(10, "stroke", 4, word());
    assert_eq!(refused(&again, anew, 10).await, None);
    assert_eq!(numbers(&again).await, [4]);
    let entries = again.ledger.read(STREAM, 1).await.unwrap();
    assert_eq!(entries.len(), 4, "what is said again is not recorded again");
}

#[tokio::test]
async fn a_notice_is_that_of_the_site_whose_line_it_comes_over_and_of_its_steward() {
    let catalogue = empty().await;
    let word = || published(Recipients::Everyone);
    let other = notice(20, "stroke", 1, word());
    assert_eq!(refused(&catalogue, other, 10).await, Some(Code::Malformed));
    let mut forged = notice(10, "stroke", 1, word());
    forged.notice.number = 2;
    assert_eq!(
        refused(&catalogue, forged, 10).await,
        Some(Code::BadSignature)
    );
    let identity = notice(10, "stroke", 1, word()).notice.sign(&key(10));
    assert_eq!(
        refused(&catalogue, identity, 10).await,
        Some(Code::BadSignature)
    );
    let hidden = notice(10, "two words", 1, word());
    assert_eq!(refused(&catalogue, hidden, 10).await, Some(Code::Malformed));
    assert!(numbers(&catalogue).await.is_empty());
}

#[tokio::test]
async fn a_researcher_reads_what_is_for_her_and_nobody_who_bears_her_name_later() {
    let catalogue = empty().await;
    let named = Recipients::Named(vec!["jane".into()]);
    let all = [
        ("all", published(Recipients::Everyone)),
        ("janes", published(named)),
        ("none", published(Recipients::Nobody)),
    ];
    for (dataset, word) in all {
        assert_eq!(
            refused(&catalogue, notice(10, dataset, 1, word), 10).await,
            None
        );
    }
    let read = async |by: Caller| {
        let seen = seen(&catalogue, by, 10).await;
        let names = seen.into_iter().map(|notice| notice.dataset);
        names.collect::<Vec<_>>()
    };
    for role in [Role::Operator, Role::Site] {
        assert_eq!(
            read(caller(role, "x", u64::MAX)).await,
            ["all", "janes", "none"]
        );
    }
    assert_eq!(
        read(caller(Role::Researcher, "jane", NOW.ms)).await,
        ["all", "janes"]
    );
    assert_eq!(
        read(caller(Role::Researcher, "jane", NOW.ms + 1)).await,
        ["all"]
    );
    // What was signed before she joined and arrived after it is another's.
    let mut late = notice(
        10,
        "janes",
        2,
        published(Recipients::Named(vec!["jane".into()])),
    )
    .notice;
    late.when_ms = NOW.ms - 1;
    assert_eq!(refused(&catalogue, late.sign(&key(11)), 10).await, None);
    assert_eq!(
        read(caller(Role::Researcher, "jane", NOW.ms)).await,
        ["all"]
    );
    assert_eq!(
        read(caller(Role::Researcher, "jane", NOW.ms - 1)).await,
        ["all", "janes"]
    );
    assert_eq!(read(caller(Role::Researcher, "john", 0)).await, ["all"]);
    assert!(read(caller(Role::Coordinator, "hub", 0)).await.is_empty());
    let other = seen(&catalogue, caller(Role::Site, "x", 0), 20).await;
    assert!(other.is_empty());
}

#[tokio::test]
async fn whoever_reads_slowly_holds_one_notice_ready_and_not_what_was_taken_out_meanwhile() {
    let catalogue = Arc::new(empty().await);
    for dataset in ["a", "b", "c", "d"] {
        let next = notice(10, dataset, 1, published(Recipients::Everyone));
        assert_eq!(refused(&catalogue, next, 10).await, None);
    }
    let (sender, mut told) = mpsc::channel(1);
    let reading = Arc::clone(&catalogue);
    let telling = tokio::spawn(async move {
        let by = caller(Role::Site, "x", 0);
        reading.tell(&by, &[site(10)], &sender).await;
    });
    // One waits to be read and one to be sent, and no more is made ready.
    while told.is_empty() {
        tokio::task::yield_now().await;
    }
    let gone = notice(10, "c", 2, Word::Withdrawn);
    assert_eq!(refused(&catalogue, gone, 10).await, None);
    let mut read = Vec::new();
    while let Some(Ok(response)) = told.recv().await {
        let signed = SignedNotice::from_bytes(&response.notice).unwrap();
        read.push(signed.notice.dataset);
    }
    assert_eq!(read, ["a", "b", "d"]);
    telling.await.unwrap();
}

/// A word of nearly as many bytes as there may be.
fn long(salt: u64) -> Word {
    let Word::Published(mut offer) = published(Recipients::Everyone) else {
        panic!("published")
    };
    let column = offer.columns.remove(0);
    offer.columns = (0..MOST_COLUMNS)
        .map(|at| Told {
            column: format!("c{at:04}"),
            label: Some(format!("{:>76}", format!("{at} of {salt}"))),
            ..column.clone()
        })
        .collect();
    Word::Published(offer)
}

#[tokio::test]
async fn long_notices_of_a_site_are_taken_by_their_bytes() {
    let catalogue = empty().await;
    let mut bytes = 0;
    let mut number = 0;
    loop {
        number += 1;
        let next = notice(10, "stroke", number, long(number));
        let length = next.to_bytes().len();
        assert!(length > MOST_BYTES * 3 / 4, "{length}");
        match refused(&catalogue, next, 10).await {
            None => bytes += length,
            Some(code) => {
                assert_eq!(code, Code::TooFast);
                assert!(bytes <= A_DAY && bytes + length > A_DAY, "{bytes}");
                break;
            }
        }
    }
    // Taking out needs no room.
    let gone = notice(10, "stroke", number, Word::Withdrawn);
    assert_eq!(refused(&catalogue, gone, 10).await, None);
}

#[tokio::test]
async fn a_site_that_publishes_without_end_is_not_recorded_for_ever_and_takes_out_at_any_time() {
    let catalogue = empty().await;
    let word = || published(Recipients::Everyone);
    for number in 1..=(A_DAY / LEAST) as u64 {
        let next = notice(10, "stroke", number, word());
        assert_eq!(refused(&catalogue, next, 10).await, None);
    }
    let more = notice(10, "stroke", 999, word());
    assert_eq!(
        refused(&catalogue, more.clone(), 10).await,
        Some(Code::TooFast)
    );
    let gone = notice(10, "stroke", 998, Word::Withdrawn);
    assert_eq!(refused(&catalogue, gone, 10).await, None);
    let twice = notice(10, "stroke", 1000, Word::Withdrawn);
    assert_eq!(refused(&catalogue, twice, 10).await, Some(Code::TooFast));
    let other = notice(20, "stroke", 1, word());
    assert_eq!(refused(&catalogue, other, 20).await, None);
    let again = Catalogue::load(catalogue.ledger.clone()).await.unwrap();
    assert_eq!(
        refused(&again, more.clone(), 10).await,
        Some(Code::TooFast),
        "nor after a restart"
    );
    let later = Moment {
        ms: NOW.ms + DAY_MS,
    };
    assert_eq!(again.take(more, &site(10), later).await, Ok(()));
    let known = again.known(node(10));
    let [known] = known.as_slice() else {
        panic!("one dataset: {known:?}");
    };
    assert_eq!((&known.dataset[..], known.number), ("stroke", 999));
    // Nor has it datasets without end, however slowly they come.
    for at in 1..=MOST_DATASETS {
        let next = notice(10, &format!("d{at}"), 1, word());
        let taken = again.take(next, &site(10), later).await;
        assert_eq!(taken.is_ok(), at < MOST_DATASETS, "{at}");
    }
}
