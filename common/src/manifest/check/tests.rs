//! A release of four sites, and every way to tamper with it that we could think of.

use super::*;
use crate::log::{Commit, Release};
use crate::log::{Leaf, Log, StudyOpen};
use crate::manifest::RoundRecord;
use crate::manifest::{File, Privacy};
use crate::moment::Moment;
use crate::proof::{Check, LedgerProof, Proof, Proven};
use crate::roster::{Entry, HubKeys, SiteKeys};
use motet_secagg::id::{NodeId, RunId};
use motet_secagg::merkle;
use motet_secagg::message::{Checked, MadeOf, Remade};
use motet_secagg::note::Note;
use motet_secagg::sign::{PublicKey, SecretKey, Signature};

const STUDY: &str = "ist-death14";

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed([number; 32])
}

fn log_key() -> SecretKey {
    key(201)
}

fn coordinator() -> SecretKey {
    key(200)
}

fn roster(governance: &SecretKey, coordinator: PublicKey) -> SignedRoster {
    let entry = |at: u8| {
        let keys = SiteKeys {
            identity: key(at).public(),
            steward: key(100 + at).public(),
            witness: key(150 + at).public(),
        };
        Entry::new(&format!("site-{at}"), "NL", keys)
    };
    let roster = Roster::new(
        STUDY,
        1,
        HubKeys {
            signing: coordinator,
            log: log_key().public(),
        },
        "stroke-alliance",
        (1..=4).map(entry).collect(),
    )
    .unwrap();
    roster.sign(governance).unwrap()
}

/// What a report says that the manifest says too.
const REPORT: &[u8] = br#"{"study":"ist-death14","run":"07070707070707070707070707070707","recipe":"logistic","sites":4,"consortium":"stroke-alliance"}
"#;

fn files() -> BTreeMap<String, Vec<u8>> {
    [
        ("model.safetensors", &b"weights"[..]),
        ("report.json", REPORT),
        ("card.md", b"# card\n"),
        ("empty.svg", b""),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
    .into()
}

/// A sound manifest over `files`, signed by `coordinator`, resting on `governance`.
fn release(
    governance: &SecretKey,
    coordinator: &SecretKey,
    files: &BTreeMap<String, Vec<u8>>,
) -> Manifest {
    let signed = roster(governance, coordinator.public());
    let files: Vec<File> = files
        .iter()
        .map(|(name, bytes)| File::of(name, bytes))
        .collect();
    let (run, state_root) = (RunId([7; 16]), Digest([8; 32]));
    let mut set: Vec<NodeId> = signed.roster.nodes().collect();
    set.sort();
    let round = |round: u8| RoundRecord {
        round: u64::from(round),
        ask: Digest([round; 32]),
        set: set.clone(),
        transcript: Digest([100 + round; 32]),
    };
    let ledger = ledger(&signed, &files, [round(1), round(2)], (0, true));
    let manifest = Manifest {
        format: FORMAT,
        consortium: "stroke-alliance".to_owned(),
        study: STUDY.to_owned(),
        title: "Death within 14 days: \u{e9}tude".to_owned(),
        study_digest: Digest([5; 32]),
        recipe: "logistic".to_owned(),
        run,
        state_root,
        rounds: 2,
        sites: 4,
        roster_size: 4,
        roster_digest: signed.roster.digest(),
        roster: signed.to_bytes(),
        governance: governance.public(),
        governance_fingerprint: governance.public().fingerprint(),
        coordinator: coordinator.public(),
        permits: vec!["EHDS-2026-0017".to_owned()],
        privacy: Privacy {
            mode: "none".to_owned(),
            epsilon: None,
        },
        software: "motet 0.1.0".to_owned(),
        created: "2026-11-20T09:14:41Z".to_owned(),
        files,
        ledger,
        round_log: vec![round(1), round(2)],
        signature: Signature([0; 64]),
    };
    manifest.sign(coordinator)
}

/// A log of two rounds and a result, cosigned by three sites.
fn ledger(
    signed: &SignedRoster,
    files: &[File],
    rounds: [RoundRecord; 2],
    large: (u64, bool),
) -> LedgerProof {
    ledger_of(signed, files, rounds, large, RunId([7; 16]))
}

/// The same with a result that says to be of this run.
fn ledger_of(
    signed: &SignedRoster,
    files: &[File],
    rounds: [RoundRecord; 2],
    large: (u64, bool),
    of: RunId,
) -> LedgerProof {
    let (run, state_root) = (RunId([7; 16]), Digest([8; 32]));
    let roster = &signed.roster;
    let mut log = Log::new("stroke-alliance", STUDY);
    let mut leaves = vec![Leaf::StudyOpen(StudyOpen {
        study: STUDY.to_owned(),
        study_digest: Digest([5; 32]),
        recipe: Digest([6; 32]),
        roster: roster.digest(),
        colluders: roster.colluders,
        h_min: roster.h_min,
    })];
    for record in rounds {
        let RoundRecord {
            round,
            ask,
            set,
            transcript: t3,
        } = record;
        let set = set
            .into_iter()
            .map(|node| (node, Digest([3; 32])))
            .collect();
        let (study, pin) = (STUDY.to_owned(), Digest([7; 32]));
        leaves.push(Leaf::Commit(Commit {
            study,
            ask,
            run,
            round,
            attempt: 1,
            pin,
            t3,
            set,
        }));
        let aggregate = Digest([4; 32]);
        leaves.push(Leaf::Release(Release {
            run,
            round,
            t3,
            aggregate,
            state_root,
            charge: 0,
        }));
    }
    let ((unchecked, last_checked), files) = (large, files_digest(files));
    let publication = Publication {
        format: 1,
        started: Moment { ms: 0 },
        finished: Moment { ms: 0 },
        run: of,
        files,
        state_root,
        unchecked,
        last_checked,
    };
    let of = MadeOf {
        study: Digest([5; 32]),
        roster: roster.digest(),
        release: merkle::leaf(&leaves[leaves.len() - 1].to_bytes()),
        publication: publication.leaf_hash(),
    };
    leaves.push(Leaf::Publication(publication));
    leaves.iter().for_each(|leaf| _ = log.push(leaf.to_bytes()));
    let point = log.point();
    let mut note = Note::sign(point.clone(), &point.origin, &log_key()).unwrap();
    for at in 1..=3 {
        note.add(
            &format!("site-{at}"),
            &key(150 + at).public(),
            &point.cosign(&key(150 + at), 1_800_000_000),
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
        checks: checks(&merkle::leaf(&leaves[4].to_bytes()), &[1, 2, 3]),
        remade: remade(&of, &[1, 2, 3]),
        leaves: (0..).zip(&leaves).map(proven).collect(),
    }
}

/// These sites say that they made the sum of this release again.
fn checks(release: &Digest, sites: &[u8]) -> Vec<Check> {
    let mut said: Vec<Check> = sites
        .iter()
        .map(|at| {
            Check::of(&Checked::sign(
                *release,
                key(*at).public().node_id(),
                &key(*at),
            ))
        })
        .collect();
    said.sort_by_key(|check| check.node);
    said
}

/// These sites say that they made the folder again.
fn remade(of: &MadeOf, sites: &[u8]) -> Vec<Check> {
    let said = |at: &u8| {
        let Remade {
            node, signature, ..
        } = Remade::sign(of, key(*at).public().node_id(), &key(*at));
        Check { node, signature }
    };
    let mut said: Vec<Check> = sites.iter().map(said).collect();
    said.sort_by_key(|check| check.node);
    said
}

/// H of the last release in the log of a sound manifest.
fn last_release(manifest: &Manifest) -> Digest {
    merkle::leaf(&manifest.ledger.leaves[4].leaf)
}

fn sound() -> Manifest {
    release(&key(210), &coordinator(), &files())
}

fn json(manifest: &Manifest) -> Vec<u8> {
    manifest.to_json().unwrap().into_bytes()
}

/// What `check` says to a change that the coordinator itself signs.
fn resigned(change: impl FnOnce(&mut Manifest)) -> String {
    let mut manifest = sound();
    change(&mut manifest);
    let manifest = manifest.sign(&coordinator());
    check(&json(&manifest), &files(), None)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_sound_folder_passes_and_says_what_it_rests_on() {
    let trusted = key(210).public().fingerprint();
    let verified = check(&json(&sound()), &files(), Some(trusted)).unwrap();
    assert_eq!(verified.governance, trusted);
    assert_eq!(verified.lines.len(), 9);
    let remade = "remade byte for byte by 3 of the roster's 4 sites";
    assert!(verified.lines.iter().any(|line| line == remade));
    assert!(
        verified.lines[6].contains("made again from the masked uploads by 3 sites"),
        "{:?}",
        verified.lines
    );
    assert!(
        verified.lines[5].contains("3 sites, a quorum (3)"),
        "{:?}",
        verified.lines
    );
    let alone = check(&json(&sound()), &files(), None).unwrap();
    assert!(
        alone.lines.iter().any(|line| line.contains(&trusted.hex())),
        "{:?}",
        alone.lines
    );
    assert_eq!(Manifest::from_bytes(&sound().to_bytes()).unwrap(), sound());
}

#[test]
fn a_changed_byte_anywhere_in_the_manifest_is_seen() {
    let good = json(&sound());
    for at in 0..good.len() {
        // One bit; the case of a letter; another digit, space or bracket.
        for change in [1, 0x20, 0x80, 7] {
            let mut bad = good.clone();
            bad[at] ^= change;
            assert!(check(&bad, &files(), None).is_err(), "byte {at} ^ {change}");
        }
        let mut shorter = good.clone();
        shorter.remove(at);
        assert!(check(&shorter, &files(), None).is_err(), "byte {at} gone");
    }
    for space in [b' ', b'\n', b'\t'] {
        let mut longer = good.clone();
        longer.push(space);
        assert!(check(&longer, &files(), None).is_err());
    }
}

#[test]
fn a_changed_byte_in_any_file_is_seen() {
    for (name, bytes) in files() {
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = files();
                bad.get_mut(&name).unwrap()[at] ^= 1 << bit;
                let error = check(&json(&sound()), &bad, None).unwrap_err();
                assert!(error.what.contains(&name), "{error}");
            }
        }
        let mut longer = files();
        longer.get_mut(&name).unwrap().push(0);
        assert!(check(&json(&sound()), &longer, None).is_err());
        let mut missing = files();
        missing.remove(&name);
        assert!(
            check(&json(&sound()), &missing, None)
                .unwrap_err()
                .what
                .contains("missing")
        );
    }
    let mut extra = files();
    extra.insert("roc.svg".to_owned(), b"<svg/>".to_vec());
    assert!(
        check(&json(&sound()), &extra, None)
            .unwrap_err()
            .what
            .contains("`roc.svg`")
    );
}

#[test]
fn a_forged_folder_is_consistent_but_not_the_trusted_consortiums() {
    let forged = release(&key(90), &key(91), &files());
    assert!(check(&json(&forged), &files(), None).is_ok());
    let error = check(
        &json(&forged),
        &files(),
        Some(key(210).public().fingerprint()),
    )
    .unwrap_err();
    assert!(error.what.contains("you trust"), "{error}");
    // The true fingerprint over the forger's roster.
    let claimed = Manifest {
        governance_fingerprint: key(210).public().fingerprint(),
        ..forged
    }
    .sign(&key(91));
    assert!(
        check(
            &json(&claimed),
            &files(),
            Some(key(210).public().fingerprint())
        )
        .is_err()
    );
    // The true roster under a key that it does not name.
    let stolen = sound().sign(&key(91));
    assert!(
        check(&json(&stolen), &files(), None)
            .unwrap_err()
            .what
            .contains("coordinator's key")
    );
}

#[test]
fn the_coordinator_itself_cannot_sign_what_the_log_and_the_roster_do_not_say() {
    for (change, says) in [
        (
            (|m| m.files[0] = File::of("card.md", b"other")) as fn(&mut Manifest),
            "not the one that was released",
        ),
        (
            |m| m.files[0].name = "../card.md".to_owned(),
            "not a file name",
        ),
        (
            |m| m.files[0].name = "Manifest.json".to_owned(),
            "not a file name",
        ),
        (
            |m| m.files[0] = m.files[1].clone(),
            "not a file name of its own",
        ),
        (|m| m.files.clear(), "names `0` files"),
        (|m| m.format = 2, "format `2`"),
        (|m| m.run = RunId([9; 16]), "about another release"),
        (|m| m.state_root = Digest([9; 32]), "about another release"),
        (|m| m.files.swap(0, 1), "about another release"),
        (|m| m.ledger.leaves[0].index = 1, "not in order"),
        (|m| m.ledger.leaves[5].index = 6, "does not contain"),
        (
            |m| m.ledger.leaves[5].inclusion[0] = Digest([1; 32]),
            "does not contain",
        ),
        (
            |m| drop(m.ledger.leaves.remove(1)),
            "without the commitment before it",
        ),
        (|m| drop(m.ledger.leaves.drain(1..3)), "a round is left out"),
        // Also where the list of rounds is as short.
        (
            |m| {
                m.ledger.leaves.drain(1..3);
                m.round_log.remove(0);
                m.rounds = 1;
            },
            "a round is left out",
        ),
        (
            |m| drop(m.ledger.leaves.pop()),
            "does not end with the result",
        ),
        (|m| drop(m.ledger.leaves.remove(0)), "does not begin with"),
        (
            |m| m.round_log[0].transcript = Digest([1; 32]),
            "not those of the log",
        ),
        (
            |m| m.study_digest = Digest([1; 32]),
            "about another release",
        ),
        (
            |m| m.ledger.checkpoint = m.ledger.checkpoint.replace("site-1", "site-4"),
            "not that of a site",
        ),
        (|m| m.ledger.tree_size += 1, "checkpoint"),
        (|m| m.ledger.root = Digest([1; 32]), "checkpoint"),
        (|m| m.ledger.checkpoint.push('\n'), "checkpoint"),
        (|m| m.ledger.origin.push('x'), "checkpoint"),
        (
            |m| m.study = "other".to_owned(),
            "the study in the manifest",
        ),
        (
            |m| m.consortium = "other".to_owned(),
            "the consortium in the manifest",
        ),
        (|m| m.roster_size = 5, "the number of sites in the manifest"),
        (|m| m.roster_digest = Digest([1; 32]), "the roster's digest"),
        (|m| m.governance = key(1).public(), "the governance key"),
        (|m| m.roster.truncate(90), "malformed"),
        (|m| m.rounds = 3, "not complete"),
        (|m| m.round_log.swap(0, 1), "not in order"),
        (|m| m.round_log[1].ask = m.round_log[0].ask, "opened twice"),
        (
            |m| m.round_log[1].ask = Digest([77; 32]),
            "not those of the log",
        ),
        (
            |m| m.round_log[0].set[0] = NodeId([0; 16]),
            "set of round `1`",
        ),
        (|m| m.round_log[1].set.swap(0, 1), "set of round `2`"),
        (|m| m.sites = 3, "that of the last round"),
    ] {
        let error = resigned(change);
        assert!(error.contains(says), "`{says}` not in `{error}`");
    }
}

#[test]
fn a_result_of_another_run_than_that_of_its_last_sum_does_not_pass() {
    let signed = roster(&key(210), coordinator().public());
    let other = RunId([9; 16]);
    let said = resigned(|manifest| {
        let rounds = [manifest.round_log[0].clone(), manifest.round_log[1].clone()];
        manifest.run = other;
        manifest.ledger = ledger_of(&signed, &manifest.files, rounds, (0, true), other);
    });
    assert!(said.contains("not of the run of its last sum"), "{said}");
}

#[test]
fn a_manifest_that_says_another_thing_than_the_report_does_not_pass() {
    for (key, change) in [
        (
            "recipe",
            (|m| m.recipe = "poisson".to_owned()) as fn(&mut Manifest),
        ),
        ("sites", |m| m.sites = 3),
        ("consortium", |m| m.consortium = "another".to_owned()),
    ] {
        let said = resigned(change);
        assert!(
            said.contains(key) || said.contains("number of sites"),
            "{key}: {said}"
        );
    }
    let recipe = resigned(|m| m.recipe = "poisson".to_owned());
    assert!(
        recipe.contains("`recipe` in the manifest is not that of `report.json`"),
        "{recipe}"
    );
}

#[test]
fn a_folder_that_too_few_sites_made_again_or_another_one_does_not_pass() {
    let made_of = |manifest: &Manifest| MadeOf {
        study: Digest([5; 32]),
        roster: manifest.roster_digest,
        release: last_release(manifest),
        publication: manifest
            .ledger
            .leaves
            .last()
            .map(|proven| merkle::leaf(&proven.leaf))
            .unwrap(),
    };
    let with = |of: &dyn Fn(&mut MadeOf), sites: &[u8]| {
        resigned(|manifest| {
            let mut made = made_of(manifest);
            of(&mut made);
            manifest.ledger.remade = remade(&made, sites);
        })
    };
    let few = "made again by 2 sites, and 3 must have";
    assert!(with(&|_| {}, &[1, 2]).contains(few));
    assert!(with(&|_| {}, &[]).contains("by 0 sites"));
    let another = "not that of a site of the roster, or about another folder";
    assert!(with(&|_| {}, &[1, 2, 2]).contains(another));
    assert!(with(&|_| {}, &[1, 2, 9]).contains(another), "no site");
    let other = Digest([77; 32]);
    assert!(with(&|made| made.publication = other, &[1, 2, 3]).contains(another));
    assert!(with(&|made| made.study = other, &[1, 2, 3]).contains(another));
    assert!(with(&|made| made.roster = other, &[1, 2, 3]).contains(another));
    assert!(with(&|made| made.release = other, &[1, 2, 3]).contains(another));
}

#[test]
fn a_result_over_a_last_sum_that_too_few_sites_made_again_does_not_pass() {
    for (change, says) in [
        (
            (|m| m.ledger.checks = checks(&last_release(m), &[1, 2])) as fn(&mut Manifest),
            "by 2 different sites, and 3 must have",
        ),
        (
            |m| m.ledger.checks = checks(&last_release(m), &[1, 2, 2]),
            "by 3 different sites",
        ),
        (|m| m.ledger.checks.swap(0, 1), "must have"),
        (
            |m| m.ledger.checks = checks(&last_release(m), &[1, 2, 9]),
            "not that of a site of the roster",
        ),
        (
            |m| m.ledger.checks = checks(&Digest([4; 32]), &[1, 2, 3]),
            "about another sum",
        ),
        (
            |m| {
                let earlier = merkle::leaf(&m.ledger.leaves[2].leaf);
                m.ledger.checks = checks(&earlier, &[1, 2, 3]);
            },
            "about another sum",
        ),
    ] {
        let error = resigned(change);
        assert!(error.contains(says), "`{says}` not in `{error}`");
    }
}

#[test]
fn a_sum_that_is_too_large_to_be_made_again_rests_on_more_witnesses_than_may_collude_and_the_folder_says_so()
 {
    let large = |witnesses: usize| {
        let mut manifest = sound();
        let signed = roster(&key(210), coordinator().public());
        let rounds = [manifest.round_log[0].clone(), manifest.round_log[1].clone()];
        // An earlier one was too large: the last was not, and its checks are due all the same.
        manifest.ledger = ledger(&signed, &manifest.files, rounds.clone(), (1, true));
        let earlier = check(
            &json(&manifest.clone().sign(&coordinator())),
            &files(),
            None,
        )
        .unwrap();
        assert!(
            earlier.lines[6].contains("1 of the 1"),
            "{:?}",
            earlier.lines
        );
        manifest.ledger.checks.clear();
        let cut = check(
            &json(&manifest.clone().sign(&coordinator())),
            &files(),
            None,
        )
        .unwrap_err();
        assert!(cut.what.contains("not too large"), "{cut}");
        manifest.ledger = ledger(&signed, &manifest.files, rounds, (1, false));
        manifest.ledger.checks.clear();
        // One line of the log's key, and one of each site.
        let lines: Vec<&str> = manifest.ledger.checkpoint.lines().collect();
        let kept = lines.len() - 3 + witnesses;
        manifest.ledger.checkpoint = lines[..kept].join("\n") + "\n";
        let manifest = manifest.sign(&coordinator());
        check(&json(&manifest), &files(), None)
    };
    let lines = large(2).unwrap().lines;
    assert!(
        lines[6].contains("NOT made again") && lines[6].contains("2 sites"),
        "{lines:?}"
    );
    let stripped = resigned(|m| m.ledger.checks.clear());
    assert!(stripped.contains("not too large"), "{stripped}");
    let alone = large(1).unwrap_err();
    assert!(
        alone.what.contains("cosigned by 1 sites"),
        "one witness may be a colluder: {alone}"
    );
    // Checks are about one sum; that the study ended with it, and in this log, more witnesses than
    // may collude must say.
    let mut private = sound();
    let lines: Vec<&str> = private.ledger.checkpoint.lines().collect();
    private.ledger.checkpoint = lines[..lines.len() - 3].join("\n") + "\n";
    let private = check(&json(&private.sign(&coordinator())), &files(), None).unwrap_err();
    assert!(private.what.contains("cosigned by 0 sites"), "{private}");
}

#[test]
fn a_set_of_fewer_sites_than_the_roster_demands_is_no_sum_whoever_checked_it() {
    let signed = roster(&key(210), coordinator().public());
    let few = |manifest: &Manifest| {
        let round = |record: &RoundRecord| RoundRecord {
            set: record.set[..2].to_vec(),
            ..record.clone()
        };
        [round(&manifest.round_log[0]), round(&manifest.round_log[1])]
    };
    let error = resigned(|m| {
        let rounds = few(m);
        (m.ledger, m.sites) = (
            ledger(
                &roster(&key(210), coordinator().public()),
                &m.files,
                rounds.clone(),
                (0, true),
            ),
            2,
        );
        m.round_log = rounds.into();
    });
    assert_eq!((signed.roster.colluders, signed.roster.h_min), (1, 2));
    assert!(
        error.contains("fewer sites than the roster demands"),
        "{error}"
    );
}

#[test]
fn numbers_and_unknown_keys_do_not_slip_through_the_json() {
    let exact = 0.1 + 0.2;
    let privacy = Privacy {
        mode: "local".to_owned(),
        epsilon: Some(exact),
    };
    let manifest = Manifest { privacy, ..sound() }.sign(&coordinator());
    let read = Manifest::from_json(&json(&manifest)).unwrap();
    assert_eq!(read.privacy.epsilon.unwrap().to_bits(), exact.to_bits());
    let text = manifest
        .to_json()
        .unwrap()
        .replace("\"format\": 1", "\"format\": 1,\n  \"approved\": true");
    assert!(Manifest::from_json(text.as_bytes()).is_err());
}

#[test]
fn a_proof_stands_without_the_folder_and_shows_every_changed_byte() {
    let trusted = Some(key(210).public().fingerprint());
    let proof = sound().proof();
    let good = proof.to_json().unwrap().into_bytes();
    let (roster, found) = Proof::from_json(&good).unwrap().verify(trusted).unwrap();
    assert_eq!(
        (roster.entries.len(), found.rounds.len(), found.witnesses),
        (4, 2, 3)
    );
    for at in 0..good.len() {
        for change in [1, 0x20, 0x80, 7] {
            let mut bad = good.clone();
            bad[at] ^= change;
            let verdict = Proof::from_json(&bad).and_then(|proof| proof.verify(trusted));
            assert!(verdict.is_err(), "byte {at} ^ {change}");
        }
    }
    assert!(
        proof
            .verify(Some(key(1).public().fingerprint()))
            .unwrap_err()
            .what
            .contains("you trust")
    );
}
