//! A node's ledger made by hand: three sets, and every lie about them that we could think of.

use super::*;
use crate::home::tests::make;
use crate::ledger_desk::{verify, verify_text};
use crate::records::append;
use crate::studies::tests::{governance, proposed, public, roster, study};
use motet_common::chain::Chain;
use motet_common::log::{Abort, Log, Release, StudyOpen};
use motet_common::study::Study;
use motet_secagg::fold::Aggregate;
use motet_secagg::id::RunId;
use motet_secagg::message::{Logged, Released};
use motet_secagg::sign::{SecretKey, Signature};
use tempfile::TempDir;

const RUN: RunId = RunId([7; 16]);

/// What is told, and what a test may turn.
struct Told {
    /// The upload root of this site as it was masked, and as the log counts it.
    masked: Option<Digest>,
    logged: Digest,
    /// Who signs the release, and the checkpoint under it.
    hub: SecretKey,
    log_key: SecretKey,
    /// The state that the release and the log name.
    state_root: Option<Digest>,
    /// Whether the log that this site keeps ends before the release.
    cut: bool,
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn told() -> Told {
    let root = Digest([31; 32]);
    Told {
        masked: Some(root),
        logged: root,
        hub: key(200),
        log_key: key(201),
        state_root: None,
        cut: false,
    }
}

/// A site's folder of a study that came with two rosters, the later of which was approved, after a
/// first attempt that was given up, a second that was released, and a set of the next question.
async fn ledger(told: Told) -> (TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), 1, &governance().public());
    let home = Home::open(folder.path()).await.unwrap();
    let (text, roster) = (study("ist", "0.0"), roster("ist", 2, 4));
    for roster in [crate::studies::tests::roster("ist", 1, 5), roster.clone()] {
        append(
            &home.ledger,
            STUDIES,
            &proposed(text.clone(), roster, &governance()),
        )
        .await
        .unwrap();
    }
    let study = Study::parse(&text).unwrap();
    let chain = Chain::start(&study, &roster);
    let set: Vec<NodeId> = roster.nodes().collect();
    let layout = chain.question(4).unwrap().unwrap().layout;
    let mut words = vec![0; layout.words()];
    words[0] = 4;
    let aggregate = Aggregate {
        ring: layout.ring,
        words,
    };
    let follows = chain.follow(&aggregate, &layout, &set).unwrap().root();
    let state_root = told.state_root.unwrap_or(follows);

    let commit = |ask: Digest, round: u64, attempt: u32, t3: u8| {
        let root = |node: NodeId| {
            if node == home.node() {
                told.logged
            } else {
                Digest([t3; 32])
            }
        };
        let set = set.iter().map(|node| (*node, root(*node))).collect();
        let t3 = Digest([t3; 32]);
        let pin = Digest([7; 32]);
        Leaf::Commit(Commit {
            study: "ist".into(),
            ask,
            run: RUN,
            round,
            attempt,
            pin,
            t3,
            set,
        })
    };
    let (ask, next) = (chain.ask_key(), Digest([2; 32]));
    let t3 = Digest([12; 32]);
    let digest = Digest::of_file(&aggregate.to_bytes());
    let release = Leaf::Release(Release {
        run: RUN,
        round: 1,
        t3,
        aggregate: digest,
        state_root,
        charge: 0,
    });
    let opening = Leaf::StudyOpen(StudyOpen::of(&study, &roster));
    let abort = Leaf::Abort(Abort {
        ask,
        attempt: 1,
        code: "deadline".into(),
    });
    let leaves = [
        opening,
        commit(ask, 1, 1, 11),
        abort,
        commit(ask, 1, 2, 12),
        release,
        commit(next, 2, 1, 13),
    ];
    let mut log = Log::of_study(&study, &roster);
    let mut logged = None;
    for (index, leaf) in (0..).zip(leaves.iter().map(Leaf::to_bytes)) {
        log.push(leaf.clone());
        if index == 4 {
            logged = log.logged(4, 0, &told.log_key);
        }
        if !told.cut || index < 4 {
            let stream = format!("log/ist/{}", study.root().short());
            home.ledger.append_next(&stream, &leaf).await.unwrap();
        }
    }
    let released = absorbed(logged.unwrap(), digest, state_root, set).signed(&told.hub);
    home.ledger.put_blob(&aggregate.to_bytes()).await.unwrap();
    let absorbed = Absorbed {
        candidates: 4,
        threshold: 3,
        released,
        checked: true,
    };
    append(
        &home.ledger,
        &format!("chain/ist/{}", study.root().short()),
        &absorbed,
    )
    .await
    .unwrap();
    for (ask, attempt) in [(ask, 1), (ask, 2), (next, 1)] {
        if let Some(upload_root) = told.masked {
            let masked = Fact::Masked(Masked {
                ask,
                attempt,
                pin: Digest([5; 32]),
                upload_root,
            });
            append(&home.ledger, FACTS, &masked).await.unwrap();
        }
    }
    (folder, home)
}

fn absorbed(release: Logged, aggregate: Digest, state_root: Digest, set: Vec<NodeId>) -> Released {
    Released {
        plan: Digest([1; 32]),
        t3: Digest([12; 32]),
        set,
        opened: Vec::new(),
        aggregate,
        evidence: Digest([3; 32]),
        state_root,
        release,
        signature: Signature([0; 64]),
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_set_that_counts_this_site_is_listed_with_what_became_of_it() {
    let (_folder, home) = ledger(told()).await;
    let verified = verify(&home).await.unwrap();
    assert_eq!(verified.faults, [""; 0]);
    verified.conclude().unwrap();
    let ends: Vec<_> = verified
        .receipts
        .iter()
        .map(|receipt| (receipt.attempt, receipt.became))
        .collect();
    assert_eq!(
        ends,
        [
            (1, Became::GivenUp),
            (2, Became::Released),
            (1, Became::Open)
        ]
    );
    let released = &verified.receipts[1];
    assert_eq!((released.sites, released.own_upload), (4, true));
    assert_eq!(
        (released.release_holds, released.checked),
        (Some(true), Some(true))
    );
    assert!(released.model.is_some());
    assert_eq!(
        (
            verified.receipts[0].release_holds,
            verified.receipts[2].checked
        ),
        (None, None)
    );
    let text = verify_text(&verified);
    assert!(
        squeezed(&text).contains("1 1 4 given up unopened as masked here not absorbed"),
        "{text}"
    );
    let json = serde_json::to_value(&verified).unwrap();
    assert_eq!(json["receipts"][0]["became"], "given_up");
}

#[tokio::test]
async fn a_forged_set_release_log_or_state_is_a_fault() {
    let other = Digest([99; 32]);
    let cases: [(&str, Told, &str); 7] = [
        (
            "another upload in the log",
            Told {
                logged: other,
                ..told()
            },
            "of this site, which masked `",
        ),
        (
            "an upload that never was",
            Told {
                masked: None,
                ..told()
            },
            "which masked none",
        ),
        (
            "a release by somebody else",
            Told {
                hub: key(7),
                ..told()
            },
            "not signed by the coordinator",
        ),
        (
            "a log by somebody else",
            Told {
                log_key: key(7),
                ..told()
            },
            "bad_signature",
        ),
        (
            "a log that ends early",
            Told {
                cut: true,
                ..told()
            },
            "set_not_logged",
        ),
        (
            "a state that does not follow",
            Told {
                state_root: Some(other),
                ..told()
            },
            "does not follow",
        ),
        (
            "the log's key for the coordinator's",
            Told {
                hub: key(201),
                ..told()
            },
            "not signed by",
        ),
    ];
    for (what, told, says) in cases {
        let (_folder, home) = ledger(told).await;
        let verified = verify(&home).await.unwrap();
        assert!(!verified.sound && verified.whole, "{what}");
        assert!(
            verified.faults.iter().any(|fault| fault.contains(says)),
            "{what}: {:?}",
            verified.faults
        );
        let text = verify_text(&verified);
        assert!(text.contains("FAULT  study ist/"), "{what}: {text}");
        let error = verified.conclude().unwrap_err();
        assert_eq!(error.exit(), 1, "{what}");
        assert!(error.to_string().contains("call the other sites"), "{what}");
    }
}

#[tokio::test]
async fn a_forged_upload_root_is_a_fault_in_the_table_and_the_json() {
    let (_folder, home) = ledger(Told {
        logged: Digest([99; 32]),
        ..told()
    })
    .await;
    let verified = verify(&home).await.unwrap();
    assert_eq!(verified.faults.len(), 3, "{:?}", verified.faults);
    assert!(verified.receipts.iter().all(|receipt| !receipt.own_upload));
    assert!(squeezed(&verify_text(&verified)).contains("given up unopened FAULT"));
}

#[tokio::test]
async fn a_leaf_that_breaks_the_rules_is_a_fault() {
    let (_folder, home) = ledger(told()).await;
    let stream = home.ledger.streams("log/").await.unwrap().remove(0);
    let again = Leaf::Void(
        Chain::start(
            &Study::parse(&study("ist", "0.0")).unwrap(),
            &roster("ist", 2, 4),
        )
        .ask_key(),
    );
    home.ledger
        .append_next(&stream, &again.to_bytes())
        .await
        .unwrap();
    let verified = verify(&home).await.unwrap();
    assert!(
        verified.faults[0].contains("log_inconsistent: leaf 6"),
        "{:?}",
        verified.faults
    );
}

#[tokio::test]
async fn another_text_under_the_same_id_and_a_strangers_proposal_change_nothing() {
    let (_folder, home) = ledger(told()).await;
    let later = proposed(study("ist", "0.5"), roster("ist", 3, 4), &governance());
    let stranger = proposed(study("ist", "0.0"), roster("ist", 3, 4), &key(9));
    let newer_roster = proposed(study("ist", "0.0"), roster("ist", 4, 6), &governance());
    for record in [later, stranger, newer_roster] {
        append(&home.ledger, STUDIES, &record).await.unwrap();
    }
    let verified = verify(&home).await.unwrap();
    assert_eq!(
        (verified.faults.len(), verified.receipts.len()),
        (0, 3),
        "{:?}",
        verified.faults
    );
    assert_eq!(public(1).node_id(), home.node());
}
