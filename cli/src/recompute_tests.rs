//! Which run is meant, what must stand in the log, and how the command ends. (Whole runs are made
//! again in the journeys.)

use super::*;
use motet_common::enrol::Role;
use motet_common::log::{Log, Release};
use motet_common::roster::{Entry, HubKeys, SiteKeys};
use motet_secagg::id::NodeId;
use motet_secagg::message::Logged;
use motet_secagg::sign::{SecretKey, Signature};

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn roster() -> Roster {
    let entry = |at: u8| {
        let [identity, steward, witness] = [at, 100 + at, 150 + at].map(|seed| key(seed).public());
        Entry::new(
            &format!("site-{at}"),
            "NL",
            SiteKeys {
                identity,
                steward,
                witness,
            },
        )
    };
    let hub = HubKeys {
        signing: key(200).public(),
        log: key(201).public(),
    };
    Roster::new("study", 1, hub, "sim", (1..=4).map(entry).collect()).unwrap()
}

fn state(study: &str, run: u8) -> v1::RunState {
    let run = format!("{run:02x}").repeat(16);
    v1::RunState {
        run,
        study: study.into(),
        ..Default::default()
    }
}

#[test]
fn a_run_is_found_by_its_first_digits_and_a_study_stands_for_its_latest() {
    let runs = || vec![state("ist", 0xa2), state("ist", 0xa1), state("cafe", 0x11)];
    assert_eq!(
        pick(runs(), "a1").unwrap(),
        ("ist".into(), RunId([0xa1; 16]))
    );
    assert_eq!(pick(runs(), "ist").unwrap().1, RunId([0xa2; 16]));
    assert_eq!(pick(runs(), "cafe").unwrap().1, RunId([0x11; 16]));
    assert_eq!(pick(runs(), "a").unwrap_err().exit_code(), 2);
    for none in ["", "b", "heart"] {
        assert_eq!(
            pick(runs(), none).unwrap_err().code(),
            "run_unknown",
            "`{none}`"
        );
    }
}

fn set() -> Vec<(NodeId, Digest)> {
    (1..=3)
        .map(|at| (NodeId([at; 16]), Digest([at; 32])))
        .collect()
}

/// A sum as the coordinator releases it, signed by `hub`.
fn sum(hub: &SecretKey) -> Sum {
    let (run, t3, aggregate, state_root) = (
        RunId([7; 16]),
        Digest([11; 32]),
        Digest([4; 32]),
        Digest([8; 32]),
    );
    let leaf = Leaf::Release(Release {
        run,
        round: 2,
        t3,
        aggregate,
        state_root,
        charge: 0,
    });
    let release = Logged {
        leaf: leaf.to_bytes(),
        index: 2,
        inclusion: Vec::new(),
        point: Log::new("sim", "study").point(),
        checkpoint: String::new(),
        consistency: Vec::new(),
    };
    let released = Released {
        plan: Digest([2; 32]),
        t3,
        set: set().into_iter().map(|(node, _)| node).collect(),
        opened: Vec::new(),
        aggregate,
        evidence: Digest([3; 32]),
        state_root,
        release,
        signature: Signature([0; 64]),
    };
    Sum {
        run,
        round: 2,
        released: released.signed(hub),
    }
}

#[test]
fn one_wrong_sum_is_a_refusal_and_nothing_made_again_is_a_failure() {
    let sums = [sum(&key(200)), sum(&key(200))];
    let run = sums[0].run;
    let not_kept = Verdict::NotKept("uploads not kept any more (retain_uploads_days)");
    let wrong = Verdict::Wrong(Refusal::new(Code::SumMismatch, "another"));
    assert!(conclude(&sums, &[not_kept.clone(), Verdict::Same], run).is_ok());
    let failure = conclude(&sums, &[Verdict::Same, wrong], run).unwrap_err();
    assert_eq!((failure.exit_code(), failure.code()), (3, "sum_mismatch"));
    let last = conclude(&sums, &[Verdict::Same, not_kept.clone()], run).unwrap_err();
    assert_eq!(last.exit_code(), 1, "the result rests on the last sum");
    assert_eq!(
        conclude(&sums, &[not_kept.clone(), not_kept.clone()], run)
            .unwrap_err()
            .exit_code(),
        1
    );
    let withheld = Verdict::Withheld("its evidence");
    let failure = conclude(&sums, &[Verdict::Same, withheld], run).unwrap_err();
    assert_eq!(
        failure.exit_code(),
        1,
        "one sum made again does not stand for one that is withheld"
    );
    assert_eq!(conclude(&[], &[], run).unwrap_err().exit_code(), 1);
    assert_eq!(
        line(&sums[0], &Verdict::Same, run),
        "  round 2    3 sites    made again bit for bit"
    );
    assert!(line(&sums[0], &not_kept, RunId([1; 16])).ends_with("(of run 070707070707)"));
}

#[test]
fn a_roster_that_governance_did_not_sign_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity {
        passphrase_file: None,
        dir: folder.path().to_owned(),
        card: crate::identity::Card {
            consortium: "sim".into(),
            address: "127.0.0.1:1".into(),
            name: "ada".into(),
            country: "NL".into(),
            role: Role::Researcher,
            governance: key(210).public().hex(),
            authority: String::new(),
            governance_key: None,
        },
        governance: key(210).public(),
    };
    let text = "[study]\nid = \"study\"\ntitle = \"T\"\nquestion = \"Q?\"\npurpose = \"53(1)(e)\"\nends = 2027-12-31\n\
                [data]\ndataset = \"ist\"\noutcome = \"dead14\"\nfeatures = [\"age\", \"sbp\"]\n\
                [recipe]\nkind = \"logistic\"\n";
    let told = |governance: u8| v1::Study {
        id: "study".into(),
        text: text.into(),
        roster: roster().sign(&key(governance)).unwrap().to_bytes(),
        ..Default::default()
    };
    assert!(trusted(&identity, &told(210)).is_ok());
    assert_eq!(
        trusted(&identity, &told(211)).err().unwrap().code(),
        "bad_signature"
    );
    let other = v1::Study {
        text: text.replace("\"study\"", "\"other\""),
        ..told(210)
    };
    assert_eq!(
        trusted(&identity, &other).err().unwrap().code(),
        "roster_mismatch"
    );
}
