//! Forked, rewritten and empty logs: A21 and ruling R6.

use super::refused;
use motet_common::log::{Abort, Leaf, Log};
use motet_common::refusal::Code;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::message::{Message, Proposal, Witness};
use motet_tests::attack::lie::Lie;
use motet_tests::sim::cast::STUDY;

fn four() -> Lie {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    lie
}

/// A leaf that nobody asked for and that may stand anywhere.
fn filler(name: &str) -> Leaf {
    Leaf::Abort(Abort {
        ask: Digest::of(name, &[]),
        attempt: 1,
        code: "deadline".to_owned(),
    })
}

#[test]
fn ruling_r06_a_set_that_is_not_logged_is_not_signed() {
    let mut lie = four();
    let roots = lie.roots(&lie.all());
    let unrelated = lie.log(&filler("unrelated"));
    let proposal = Proposal {
        t2: lie.t2(),
        roots,
        commit: unrelated,
    };
    refused(lie.propose_to(0, &proposal), Code::SetNotLogged);
}

#[test]
fn ruling_r06_signatures_over_one_set_under_two_logs_do_not_add_up() {
    let mut lie = four();
    let one = lie.forked(&lie.all());
    let mut fork = lie.log.clone();
    lie.log_in(&mut fork, &filler("elsewhere"));
    let leaf = Leaf::Commit(lie.commitment(&one.roots));
    let commit = lie.log_in(&mut fork, &leaf);
    let other = Proposal {
        commit,
        ..one.clone()
    };
    lie.sign_these(&[0, 1], &one);
    lie.sign_these(&[2, 3], &other);
    // Four signatures stand under T3, and three would do; two of them are for another log.
    let request = lie.request(&one);
    assert_eq!(request.signatures.len(), 4);
    for site in lie.all() {
        refused(lie.reveal_to(site, &request), Code::TooFewSignatures);
    }
}

#[test]
fn ruling_r06_a_second_commitment_of_an_open_question_is_refused() {
    let mut lie = four();
    let first = lie.proposal(&lie.all());
    let second = lie.proposal(&[0, 1, 2]);
    refused(lie.propose_to(0, &second), Code::LogInconsistent);
    // The first one alone is fine, and the second is not hidden by coming after it was signed.
    lie.propose_to(1, &first).unwrap();
    refused(lie.propose_to(1, &second), Code::LogInconsistent);
}

#[test]
fn ruling_r06_a_commitment_to_another_question_or_attempt_is_none() {
    for what in ["ask", "attempt", "run", "round", "study", "pin", "set"] {
        let mut lie = four();
        let roots = lie.roots(&lie.all());
        let mut commit = lie.commitment(&roots);
        match what {
            "ask" => commit.ask = Digest::of("another", &[]),
            "attempt" => commit.attempt += 1,
            "run" => commit.run.0[0] ^= 1,
            "round" => commit.round += 1,
            "study" => commit.study.push('x'),
            "pin" => commit.pin.0[0] ^= 1,
            _ => drop(commit.set.pop()),
        }
        let commit = lie.log(&Leaf::Commit(commit));
        let proposal = Proposal {
            t2: lie.t2(),
            roots,
            commit,
        };
        assert_eq!(
            lie.propose_to(0, &proposal).expect_err(what).code,
            Code::SetNotLogged,
            "{what}"
        );
    }
}

#[test]
fn ruling_r06_an_aborted_commitment_is_not_signed() {
    let mut lie = four();
    let proposal = lie.proposal(&lie.all());
    let ask = lie.plan.as_ref().unwrap().plan.ask;
    lie.log(&Leaf::Abort(Abort {
        ask,
        attempt: 1,
        code: "deadline".to_owned(),
    }));
    let stands = lie.stands();
    lie.tell(0, stands).unwrap();
    refused(lie.propose_to(0, &proposal), Code::SetNotLogged);
}

#[test]
fn attack_a21_a_fork_or_a_rewritten_log_is_refused() {
    let mut lie = four();
    lie.log(&filler("seen by site 0"));
    let stands = lie.stands();
    lie.tell(0, stands).unwrap();
    // Forked before that leaf: same size, larger size, and one leaf fewer with another root.
    let mut fork = lie.cast.log();
    lie.log_in(&mut fork, &filler("instead"));
    lie.log = fork.clone();
    let stands = lie.stands();
    refused(lie.tell(0, stands), Code::LogInconsistent);
    let proposal = lie.proposal(&lie.all());
    refused(lie.propose_to(0, &proposal), Code::LogInconsistent);
    refused(lie.propose_to(0, &proposal), Code::LogInconsistent);
    lie.propose_to(1, &proposal).unwrap();
    let plan = lie.draft(2);
    lie.begin(plan);
    refused(lie.join(0), Code::LogInconsistent);
}

#[test]
fn attack_a21_another_studys_log_and_another_key_are_refused() {
    let mut lie = Lie::with_sites(4);
    lie.log = Log::new("sim", "another-study");
    lie.log.push(lie.cast.log().leaves()[0].clone());
    let plan = lie.draft(1);
    lie.begin(plan);
    refused(lie.join(0), Code::BadSignature);
    lie.log = lie.cast.log();
    let mut plan = lie.draft(1);
    plan.checkpoint = lie.log.checkpoint(&lie.cast.coordinator);
    lie.begin(plan);
    refused(lie.join(0), Code::BadSignature);
    // Nor is such a checkpoint witnessed, or a set signed under it.
    let mut lie = four();
    let mut proposal = lie.proposal(&lie.all());
    let checkpoint = lie.log.checkpoint(&lie.cast.coordinator);
    let study = lie.cast.study_digest();
    let stands = motet_secagg::message::Stands {
        study,
        checkpoint: checkpoint.clone(),
        checked: Vec::new(),
    };
    refused(lie.tell(0, Message::Stands(stands)), Code::BadSignature);
    proposal.commit.checkpoint = checkpoint;
    refused(lie.propose_to(0, &proposal), Code::BadSignature);
}

#[test]
fn attack_a21_everybody_in_a_line_up_cosigned_the_same_log() {
    let mut lie = Lie::with_sites(4);
    lie.join_all();
    // Site 3 is with the coordinator: it cosigned a log that others never saw.
    let mut elsewhere = lie.log.clone();
    lie.log_in(&mut elsewhere, &filler("elsewhere"));
    let (site, mut set) = (&lie.cast.sites[3], lie.adverts());
    let other = elsewhere.point().cosign(&site.witness, 7);
    let mut advert = set.adverts[3].advert.clone();
    advert.cosignature = other;
    set.adverts[3] = advert.sign(&site.key);
    refused(lie.tell(0, Message::AdvertSet(set)), Code::BadSignature);
    // Nor does a witness outside the line-up count for another log, or twice.
    let mut lie = Lie::with_sites(5);
    lie.join_these_to(1, &[0, 1, 2, 3]);
    let witness = |point: &motet_secagg::message::Checkpoint, lie: &Lie| {
        let site = &lie.cast.sites[4];
        Witness {
            node: site.node,
            cosignature: point.cosign(&site.witness, 7),
        }
    };
    let mut set = lie.adverts();
    set.witnesses = vec![witness(&elsewhere.point(), &lie)];
    refused(
        lie.tell(0, Message::AdvertSet(set.clone())),
        Code::BadSignature,
    );
    set.witnesses = vec![witness(&lie.log.point(), &lie); 2];
    refused(
        lie.tell(0, Message::AdvertSet(set.clone())),
        Code::PlanRejected,
    );
    set.witnesses.pop();
    lie.tell(0, Message::AdvertSet(set)).unwrap();
}

#[test]
fn attack_a21_a_signature_never_stands_under_a_log_that_lacks_the_commitment() {
    // Two halves see two logs, which fork after the plan; the set is committed in both.
    let mut lie = four();
    let before = lie.log.clone();
    let one = lie.forked(&lie.all());
    let mut fork = lie.log.clone();
    lie.log_in(&mut fork, &filler("elsewhere"));
    lie.log_in(&mut fork, &Leaf::Commit(lie.commitment(&one.roots)));
    let mut with_commit = lie.log.clone();
    lie.log_in(&mut with_commit, &Leaf::Commit(lie.commitment(&one.roots)));
    for (site, log) in [(0, &with_commit), (1, &with_commit), (2, &fork), (3, &fork)] {
        lie.log = log.clone();
        let stands = lie.stands();
        lie.tell(site, stands).unwrap();
    }
    // Both halves are asked to sign under what they have in common, the checkpoint of the plan.
    let mut common = one;
    common.commit.point = before.point();
    common.commit.checkpoint = before.checkpoint(&lie.cast.log_key);
    for site in lie.all() {
        refused(lie.propose_to(site, &common), Code::SetNotLogged);
    }
}

#[test]
fn ruling_r06_the_first_round_stands_on_the_opening_alone() {
    let mut lie = Lie::with_sites(3);
    assert_eq!(lie.log.leaves().len(), 1);
    lie.whole_round();
    refused(
        lie.cast.mirror().push(filler("no opening").to_bytes()),
        Code::LogInconsistent,
    );
    // A log without it, or with another one, is not the study's.
    let mut lie = Lie::with_sites(3);
    let plan = lie.draft(1);
    lie.log = Log::new("sim", STUDY);
    let empty = lie.log.checkpoint(&lie.cast.log_key);
    lie.begin(motet_secagg::message::Plan {
        checkpoint: empty,
        ..plan.clone()
    });
    refused(lie.join(0), Code::LogInconsistent);
    let other = filler("no opening");
    lie.log(&other);
    let checkpoint = lie.log.checkpoint(&lie.cast.log_key);
    lie.begin(motet_secagg::message::Plan { checkpoint, ..plan });
    refused(lie.join(0), Code::LogInconsistent);
}
