//! A release of four sites, its proof through the commands, and every byte of it changed.

use super::*;
use crate::args::{As, Ledger, Proof as Args, Read, Release, VerifyRelease};
use motet_common::log::{Commit, Leaf, Log, Publication, Release as Sum, StudyOpen};
use motet_common::manifest::FILE_NAME;
use motet_common::manifest::{self, Privacy, RoundRecord, files_digest};
use motet_common::moment::Moment;
use motet_common::proof::{Check, LedgerProof, Proven};
use motet_common::roster::{Entry, HubKeys, SiteKeys};
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::merkle;
use motet_secagg::message::{Checked, MadeOf, Remade};
use motet_secagg::note::Note;
use motet_secagg::sign::{SecretKey, Signature};

const STUDY: &str = "ist-death14";
const RUN: RunId = RunId([7; 16]);
const STATE: Digest = Digest([8; 32]);

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn governance() -> Digest {
    key(210).public().fingerprint()
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
    Roster::new(
        STUDY,
        1,
        hub,
        "stroke-alliance",
        (1..=4).map(entry).collect(),
    )
    .unwrap()
}

/// A log of a question that is opened that many times, over `set`, and the result, cosigned by
/// three sites.
fn ledger(files: &[manifest::File], set: &[NodeId], times: u8) -> LedgerProof {
    let roster = roster();
    let opening = StudyOpen {
        study: STUDY.into(),
        study_digest: Digest([5; 32]),
        recipe: Digest([6; 32]),
        roster: roster.digest(),
        colluders: roster.colluders,
        h_min: roster.h_min,
    };
    let mut leaves = vec![Leaf::StudyOpen(opening)];
    for (round, t3) in (1..).zip((1..=times).map(|time| Digest([100 + time; 32]))) {
        let (ask, set) = (
            Digest([1; 32]),
            set.iter().map(|node| (*node, Digest([3; 32]))).collect(),
        );
        leaves.push(Leaf::Commit(Commit {
            study: STUDY.into(),
            ask,
            run: RUN,
            round,
            attempt: 1,
            pin: Digest([2; 32]),
            t3,
            set,
        }));
        let aggregate = Digest([4; 32]);
        leaves.push(Leaf::Release(Sum {
            run: RUN,
            round,
            t3,
            aggregate,
            state_root: STATE,
            charge: 0,
        }));
    }
    let result = Publication {
        format: 1,
        started: Moment { ms: 0 },
        finished: Moment { ms: 0 },
        run: RUN,
        files: files_digest(files),
        state_root: STATE,
        unchecked: 0,
        last_checked: true,
    };
    let of = MadeOf {
        study: Digest([5; 32]),
        roster: roster.digest(),
        release: merkle::leaf(&leaves[leaves.len() - 1].to_bytes()),
        publication: result.leaf_hash(),
    };
    leaves.push(Leaf::Publication(result));
    let mut log = Log::new("stroke-alliance", STUDY);
    for leaf in &leaves {
        log.push(leaf.to_bytes());
    }
    let point = log.point();
    let mut note = Note::sign(point.clone(), &point.origin, &key(201)).unwrap();
    for at in 1..=3 {
        let witness = key(150 + at);
        note.add(
            &format!("site-{at}"),
            &witness.public(),
            &point.cosign(&witness, 1_800_000_000),
        )
        .unwrap();
    }
    let proven = |(index, leaf): (u64, &Leaf)| Proven {
        index,
        leaf: leaf.to_bytes(),
        inclusion: log.inclusion(index),
    };
    LedgerProof {
        origin: point.origin.clone(),
        tree_size: point.size,
        root: point.root,
        checkpoint: note.to_string(),
        checks: checks(&leaves[leaves.len() - 2]),
        remade: remade(&of),
        leaves: (0..).zip(&leaves).map(proven).collect(),
    }
}

/// Three sites made the sum of this release again.
fn checks(release: &Leaf) -> Vec<Check> {
    let hash = merkle::leaf(&release.to_bytes());
    let check = |at: u8| Check::of(&Checked::sign(hash, key(at).public().node_id(), &key(at)));
    let mut checks: Vec<Check> = (1..=3).map(check).collect();
    checks.sort_by_key(|check| check.node);
    checks
}

/// And its folder.
fn remade(of: &MadeOf) -> Vec<Check> {
    let remade = |at: u8| {
        let Remade {
            node, signature, ..
        } = Remade::sign(of, key(at).public().node_id(), &key(at));
        Check { node, signature }
    };
    let mut remade: Vec<Check> = (1..=3).map(remade).collect();
    remade.sort_by_key(|check| check.node);
    remade
}

/// What a report says that the manifest says too.
fn report() -> Vec<u8> {
    let said = serde_json::json!({
        "study": STUDY, "run": RUN.hex(), "recipe": "logistic", "sites": 4, "consortium": "stroke-alliance",
    });
    said.to_string().into_bytes()
}

fn release_over(set: &[NodeId]) -> Manifest {
    let (roster, files) = (roster(), vec![manifest::File::of("report.json", &report())]);
    let round = RoundRecord {
        round: 1,
        ask: Digest([1; 32]),
        set: set.to_vec(),
        transcript: Digest([101; 32]),
    };
    let manifest = Manifest {
        format: manifest::FORMAT,
        consortium: "stroke-alliance".into(),
        study: STUDY.into(),
        title: "Death within 14 days".into(),
        study_digest: Digest([5; 32]),
        recipe: "logistic".into(),
        run: RUN,
        state_root: STATE,
        rounds: 1,
        sites: 4,
        roster_size: 4,
        roster_digest: roster.digest(),
        roster: roster.clone().sign(&key(210)).unwrap().to_bytes(),
        governance: key(210).public(),
        governance_fingerprint: governance(),
        coordinator: key(200).public(),
        permits: Vec::new(),
        privacy: Privacy {
            mode: "none".into(),
            epsilon: None,
        },
        software: "motet 0.1.0".into(),
        created: "2026-11-20T09:14:41Z".into(),
        ledger: ledger(&files, set, 1),
        files,
        round_log: vec![round],
        signature: Signature([0; 64]),
    };
    manifest.sign(&key(200))
}

fn release() -> Manifest {
    release_over(&roster().nodes().collect::<Vec<_>>())
}

fn arguments(release: &Path, out: &Path) -> Args {
    let read = Read {
        who: As { identity: None },
        json: false,
    };
    Args {
        release: release.display().to_string(),
        run: None,
        out: Some(out.to_owned()),
        read,
    }
}

async fn write(args: &Path, out: &Path) -> Done {
    crate::ledger::run(&Ledger::Proof(arguments(args, out))).await
}

async fn verify_command(path: &Path, governance: &str) -> Done {
    let (path, governance) = (path.to_owned(), Some(governance.to_owned()));
    let verify = VerifyRelease {
        path,
        identity: None,
        governance,
        json: false,
    };
    crate::release::run(&Release::Verify(verify)).await
}

#[tokio::test]
async fn a_proof_goes_out_of_a_release_into_a_file_and_holds_there() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), release().to_json().unwrap()).unwrap();
    let file = folder.path().join("ist.proof.json");
    write(folder.path(), &file).await.unwrap();
    let again = write(&folder.path().join(FILE_NAME), &file)
        .await
        .unwrap_err();
    assert_eq!(again.exit_code(), 2, "an existing file is left as it is");

    verify_command(&file, &governance().hex()).await.unwrap();
    let other = verify_command(&file, &key(1).public().fingerprint().hex())
        .await
        .unwrap_err();
    assert_eq!((other.exit_code(), other.code()), (3, "release_mismatch"));
    let verdict = verify(&file, Some(governance())).unwrap();
    assert_eq!(verdict.lines.len(), 7);
    assert!(
        verdict.lines[3].contains("entry 4 of 4"),
        "{:?}",
        verdict.lines
    );
    assert!(
        verdict.lines[4].contains("3 sites, a quorum (3)"),
        "{:?}",
        verdict.lines
    );
    assert!(
        verdict.lines[5].contains("made again from the masked uploads by 3 sites"),
        "{:?}",
        verdict.lines
    );
    assert!(
        verdict.lines[6].starts_with("1 round, ") && verdict.lines[6].ends_with("4 sites each")
    );
    assert_eq!(verdict.facts["witnesses"], 3);
    assert!(verify(&file, None).unwrap().lines[1].contains(&governance().hex()));
}

#[test]
fn a_changed_byte_in_a_proof_file_is_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proof.json");
    let good = release().proof().to_json().unwrap().into_bytes();
    // Every byte is changed beside the proof itself; here it is the command's answer that counts.
    for at in (0..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[at] ^= if at % 2 == 0 { 1 } else { 0x20 };
        std::fs::write(&file, &bad).unwrap();
        assert_eq!(
            verify(&file, Some(governance())).unwrap_err().exit_code(),
            3,
            "byte {at}"
        );
    }
    std::fs::write(&file, &good[..good.len() - 1]).unwrap();
    assert_eq!(
        verify(&file, Some(governance())).unwrap_err().exit_code(),
        3
    );
}

#[tokio::test]
async fn no_proof_is_written_of_a_manifest_that_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (
        folder.path().join(FILE_NAME),
        folder.path().join("proof.json"),
    );
    for broken in [
        Manifest {
            title: "another".into(),
            ..release()
        },
        Manifest {
            study_digest: Digest([1; 32]),
            ..release()
        }
        .sign(&key(200)),
        release().sign(&key(91)),
    ] {
        std::fs::write(&path, broken.to_json().unwrap()).unwrap();
        assert_eq!(
            write(&path, &file).await.unwrap_err().code(),
            "release_mismatch"
        );
        assert!(!file.exists());
    }
    let missing = write(&folder.path().join("none"), &file).await.unwrap_err();
    assert_eq!(missing.exit_code(), 2);
}

#[test]
fn a_question_that_was_opened_twice_is_no_proof() {
    let nodes: Vec<NodeId> = roster().nodes().collect();
    let files = release().files;
    let twice = Manifest {
        ledger: ledger(&files, &nodes, 2),
        ..release()
    };
    let says = twice
        .proof()
        .verify(Some(governance()))
        .unwrap_err()
        .to_string();
    assert!(says.contains("opened twice"), "{says}");
}

#[test]
fn a_set_that_holds_a_site_twice_or_a_stranger_is_no_set() {
    let nodes: Vec<NodeId> = roster().nodes().collect();
    for set in [
        vec![nodes[0], nodes[0], nodes[1], nodes[2]],
        vec![NodeId([0; 16]), nodes[0], nodes[1]],
    ] {
        let proof = release_over(&set).proof();
        let says = proof.verify(Some(governance())).unwrap_err().to_string();
        assert!(says.contains("sites of the roster"), "{says}");
    }
}
