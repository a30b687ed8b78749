//! Tests of the module above: the rules of the log, each broken once.

use super::*;
use crate::log::{Abort, Publication, Release, StudyOpen};
use crate::moment::Moment;
use crate::roster::{Entry, HubKeys, SiteKeys};
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::sign::{PublicKey, SecretKey};

fn key(number: u8) -> PublicKey {
    SecretKey::from_seed([number; 32]).public()
}

fn roster() -> Roster {
    let entry = |at: u8| {
        let keys = SiteKeys {
            identity: key(at),
            steward: key(50 + at),
            witness: key(100 + at),
        };
        Entry::new(&format!("site-{at}"), "NL", keys)
    };
    let hub = HubKeys {
        signing: key(200),
        log: key(201),
    };
    Roster::new("study", 1, hub, "sim", (1..=4).map(entry).collect()).unwrap()
}

fn opening(colluders: u16) -> Vec<u8> {
    let digest = Digest([1; 32]);
    Leaf::StudyOpen(StudyOpen {
        study: "study".into(),
        study_digest: digest,
        recipe: digest,
        roster: digest,
        colluders,
        h_min: 2,
    })
    .to_bytes()
}

/// In the round with its question's number.
fn commit(ask: u8, t3: u8) -> Vec<u8> {
    commit_of(ask, t3, 7)
}

fn commit_of(ask: u8, t3: u8, pin: u8) -> Vec<u8> {
    commit_in(ask.into(), ask, t3, pin)
}

fn commit_in(round: u64, ask: u8, t3: u8, pin: u8) -> Vec<u8> {
    let set = (1..=3)
        .map(|at| (NodeId([at; 16]), Digest([at; 32])))
        .collect();
    let (run, ask, pin, t3) = (
        RunId([0; 16]),
        Digest([ask; 32]),
        Digest([pin; 32]),
        Digest([t3; 32]),
    );
    Leaf::Commit(Commit {
        study: "study".into(),
        ask,
        run,
        round,
        attempt: 1,
        pin,
        t3,
        set,
    })
    .to_bytes()
}

fn release(t3: u8) -> Vec<u8> {
    release_in(u64::from(t3 / 10), t3, 0)
}

fn release_in(round: u64, t3: u8, run: u8) -> Vec<u8> {
    let (run, t3, state_root) = (RunId([run; 16]), Digest([t3; 32]), Digest([9; 32]));
    Leaf::Release(Release {
        run,
        round,
        t3,
        aggregate: state_root,
        state_root,
        charge: 0,
    })
    .to_bytes()
}

fn abort(ask: u8) -> Vec<u8> {
    Leaf::Abort(Abort {
        ask: Digest([ask; 32]),
        attempt: 1,
        code: "deadline".into(),
    })
    .to_bytes()
}

fn void(ask: u8) -> Vec<u8> {
    Leaf::Void(Digest([ask; 32])).to_bytes()
}

fn publication(files: u8, state_root: u8) -> Vec<u8> {
    let (files, state_root) = (Digest([files; 32]), Digest([state_root; 32]));
    Leaf::Publication(Publication {
        format: 1,
        started: Moment { ms: 0 },
        finished: Moment { ms: 0 },
        run: RunId([0; 16]),
        files,
        state_root,
        unchecked: 0,
        last_checked: true,
    })
    .to_bytes()
}

fn mirror() -> Mirror {
    Mirror::empty(Log::new("sim", "study"), opening(1))
}

fn read(leaves: &[Vec<u8>]) -> Result<Mirror, Refusal> {
    let mut mirror = mirror();
    leaves
        .iter()
        .try_for_each(|leaf| mirror.push(leaf.clone()))?;
    Ok(mirror)
}

#[test]
fn a_study_runs_from_its_opening_over_attempts_to_its_publication() {
    let leaves = [
        opening(1),
        abort(1),
        commit(1, 11),
        abort(1),
        commit(1, 12),
        release(12),
    ];
    let seen = read(&leaves).unwrap();
    assert_eq!(seen.asked(&Digest([1; 32])), Some(Asked::Released));
    assert_eq!(seen.latest().unwrap().0, 5);
    let more = [
        leaves.as_slice(),
        &[commit(2, 21), void(2), publication(3, 9)],
    ]
    .concat();
    let seen = read(&more).unwrap();
    assert_eq!(seen.asked(&Digest([2; 32])), Some(Asked::Void));
    assert_eq!(seen.published().unwrap().files, Digest([3; 32]));
    let more = [leaves.as_slice(), &[commit(2, 21), release(21)]].concat();
    let seen = read(&more).unwrap();
    let releases: Vec<u64> = [4, 6, 7, 8]
        .map(|place| seen.release_before(place).unwrap().0)
        .into();
    assert_eq!(releases, [0, 5, 5, 7]);
}

#[test]
fn a_leaf_that_would_open_a_question_twice_is_refused() {
    let cases: [(&str, &[Vec<u8>]); 20] = [
        ("another opening", &[opening(0)]),
        ("no opening", &[commit(1, 11)]),
        ("a second opening", &[opening(1), opening(1)]),
        ("two sets", &[opening(1), commit(1, 11), commit(1, 12)]),
        (
            "two line-ups",
            &[opening(1), commit(1, 11), abort(1), commit_of(1, 12, 8)],
        ),
        (
            "a released question",
            &[opening(1), commit(1, 11), release(11), commit(1, 12)],
        ),
        (
            "a void question",
            &[opening(1), commit(1, 11), void(1), commit(1, 12)],
        ),
        (
            "one transcript for two",
            &[opening(1), commit(1, 11), abort(1), commit(2, 11)],
        ),
        ("a release of nothing", &[opening(1), release(11)]),
        (
            "a release of what was given up",
            &[opening(1), commit(1, 11), abort(1), release(11)],
        ),
        (
            "anything after the result",
            &[
                opening(1),
                commit(1, 11),
                release(11),
                publication(3, 9),
                commit(2, 21),
            ],
        ),
        (
            "a sum between a set and its sum",
            &[
                opening(1),
                commit_in(2, 1, 11, 7),
                commit_in(1, 2, 21, 7),
                release_in(1, 21, 0),
                release_in(2, 11, 0),
            ],
        ),
        (
            "a leaf that is too large",
            &[
                opening(1),
                Leaf::Abort(Abort {
                    ask: Digest([1; 32]),
                    attempt: 1,
                    code: "x".repeat(MOST_LEAF),
                })
                .to_bytes(),
            ],
        ),
        (
            "a round that is left out",
            &[opening(1), commit_in(2, 1, 11, 7), release_in(2, 11, 0)],
        ),
        (
            "a round that comes twice",
            &[
                opening(1),
                commit(1, 11),
                release(11),
                commit_in(1, 2, 21, 7),
                release_in(1, 21, 0),
            ],
        ),
        (
            "a release of another run",
            &[opening(1), commit(1, 11), release_in(1, 11, 1)],
        ),
        ("void out of nothing", &[opening(1), void(1)]),
        ("a result without a sum", &[opening(1), publication(3, 9)]),
        (
            "a result of another state",
            &[opening(1), commit(1, 11), release(11), publication(3, 8)],
        ),
        (
            "two results of one state",
            &[
                opening(1),
                commit(1, 11),
                release(11),
                publication(3, 9),
                publication(4, 9),
            ],
        ),
    ];
    for (what, leaves) in cases {
        let (last, before) = leaves.split_last().unwrap();
        let mut seen = read(before).unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        let size = seen.size();
        assert_eq!(
            seen.push(last.clone()).unwrap_err().code,
            Code::LogInconsistent,
            "{what}"
        );
        assert_eq!(seen.size(), size, "{what}: a refusal changes nothing");
    }
}

#[test]
fn a_checkpoint_over_other_leaves_is_another_log() {
    let roster = roster();
    let key = SecretKey::from_seed([201; 32]);
    let mut log = Log::new("sim", "study");
    let leaves = [opening(1), commit(1, 11), release(11)];
    leaves.iter().for_each(|leaf| _ = log.push(leaf.clone()));
    let note = log.checkpoint(&key);
    let seen = mirror().grown(&note, &leaves, &roster).unwrap();
    assert_eq!(
        (seen.size(), seen.check(&note, &roster).unwrap().size),
        (3, 3)
    );

    let mut fork = Log::new("sim", "study");
    [opening(1), commit(1, 12)]
        .into_iter()
        .for_each(|leaf| _ = fork.push(leaf));
    let forked = fork.checkpoint(&key);
    assert_eq!(
        seen.check(&forked, &roster).unwrap_err().code,
        Code::LogInconsistent
    );
    assert_eq!(
        seen.grown(&forked, &[], &roster).unwrap_err().code,
        Code::LogInconsistent
    );
    assert_eq!(
        mirror()
            .grown(&note, &leaves[..2], &roster)
            .unwrap_err()
            .code,
        Code::LogInconsistent
    );
    let unsigned = log.checkpoint(&SecretKey::from_seed([200; 32]));
    assert_eq!(
        seen.check(&unsigned, &roster).unwrap_err().code,
        Code::BadSignature
    );
    let elsewhere = Log::new("sim", "other").checkpoint(&key);
    assert_eq!(
        seen.check(&elsewhere, &roster).unwrap_err().code,
        Code::BadSignature
    );
}
