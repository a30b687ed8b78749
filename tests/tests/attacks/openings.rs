//! Opening one question twice: A4, A7, and rulings R1 and R5.

use super::refused;
use motet_common::log::{Abort, Leaf};
use motet_common::opening::{Opening, Reading};
use motet_common::refusal::Code;
use motet_secagg::digest::Digest;
use motet_secagg::message::{Kind, Message, Plan, Proposal, RevealRequest};
use motet_tests::attack::lie::Lie;

/// Ten sites of which 7, 8 and 9 collude; all have uploaded.
fn ten() -> Lie {
    let mut lie = Lie::with_sites(10);
    lie.upload_all();
    lie
}

fn abort(lie: &mut Lie, attempt: u32) {
    let ask = lie.plan.as_ref().unwrap().plan.ask;
    lie.log(&Leaf::Abort(Abort {
        ask,
        attempt,
        code: "deadline".to_owned(),
    }));
}

#[test]
fn attack_a04_a_site_opens_one_kind_of_share_for_each_dealer_and_only_once() {
    let mut lie = ten();
    let proposal = lie.proposal(&[0, 1, 2, 3, 4, 5, 6, 7]);
    let signers = [0, 1, 2, 3, 4, 5, 6];
    lie.sign_these(&signers, &proposal);
    let request = lie.request(&proposal);
    lie.reveal_to(0, &request).unwrap();
    let reply = &lie.heard.replies[0];
    let kinds = reply
        .opened
        .iter()
        .map(|share| (lie.cast.place(share.dealer), share.kind));
    let due = (0..10).map(|site| (site, if site < 8 { Kind::Own } else { Kind::Pair }));
    assert!(kinds.eq(due));
    // Site 0 is said to be lost now, so that its other secret would be opened as well.
    let other = lie.forked(&[1, 2, 3, 4, 5, 6, 7]);
    for site in [0, 1] {
        refused(lie.propose_to(site, &other), Code::LogInconsistent);
        let t3 = motet_secagg::message::t3(&other.t2, &other.roots);
        let asked = RevealRequest {
            t3,
            signatures: request.signatures.clone(),
        };
        refused(lie.reveal_to(site, &asked), Code::SetEquivocation);
    }
    lie.reveal_to(0, &request).unwrap();
    assert_eq!(lie.heard.replies[0], lie.heard.replies[1]);
}

#[test]
fn attack_a04_a_site_that_signed_nothing_opens_nothing() {
    let mut lie = ten();
    let proposal = lie.proposal(&lie.all());
    lie.sign_these(&[0, 1, 2, 3, 4, 5, 6], &proposal);
    let request = lie.request(&proposal);
    refused(lie.reveal_to(7, &request), Code::WrongPhase);
}

#[test]
fn attack_a07_a_second_attempt_after_the_opening_is_refused() {
    let mut lie = ten();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    abort(&mut lie, 1);
    for (sites, run) in [(all, 1), ((0..9).collect(), 2)] {
        let mut plan = lie.draft_of(2, &sites);
        plan.run.0[0] = run;
        lie.begin(plan);
        refused(lie.join(0), Code::RoundSpent);
        // Nor does it come back to life with the disk.
        lie.nodes[0].restart(&lie.cast);
        refused(lie.join(0), Code::RoundSpent);
    }
}

#[test]
fn ruling_r01_the_attempt_split_does_not_isolate_a_site() {
    let mut lie = ten();
    // The first four are in the sum, and the next three help to open it.
    let proposal = lie.proposal(&[0, 1, 2, 3, 7, 8, 9]);
    lie.open_with(&[3, 4, 5, 6, 7, 8, 9], &proposal);
    abort(&mut lie, 1);
    // A second attempt with everybody but site 3: what the two sums differ in would be its own
    // answer.
    let nine = lie.draft_of(2, &[0, 1, 2, 4, 5, 6, 7, 8, 9]);
    lie.begin(nine.clone());
    for site in 0..3 {
        refused(lie.join(site), Code::RoundReplay);
    }
    lie.begin(Plan {
        candidates: lie.ids(&[0, 1, 2, 7, 8, 9]),
        min_start: 6,
        min_survivors: 6,
        ..nine
    });
    refused(lie.join(0), Code::LineUpTooSmall);
    // The same ten: who has opened is out, and the rest are too few to deal.
    let plan = lie.draft(2);
    lie.begin(plan);
    for site in 3..7 {
        refused(lie.join(site), Code::RoundSpent);
    }
    (7..10).for_each(|site| lie.corrupt(site));
    lie.join_these(&[0, 1, 2, 7, 8, 9]);
    refused(
        lie.tell(0, Message::AdvertSet(lie.adverts())),
        Code::LineUpTooSmall,
    );
}

#[test]
fn ruling_r01_two_line_ups_never_open_one_question() {
    let mut lie = Lie::with_sites(10);
    lie.share_all();
    // Four honest sites and the colluders are told the others are lost; they upload, sign and open.
    let first = [0, 1, 2, 3, 7, 8, 9];
    lie.upload_these(&first);
    let proposal = lie.proposal(&first);
    lie.open_with(&first, &proposal);
    assert_eq!(
        lie.heard.replies.len(),
        usize::from(lie.plan.as_ref().unwrap().plan.threshold)
    );
    // It hides the sum, and asks the three that never masked anything, with the colluders.
    abort(&mut lie, 1);
    (7..10).for_each(|site| lie.corrupt(site));
    let plan = lie.draft_of(2, &[3, 4, 5, 6, 7, 8, 9]);
    lie.begin(plan);
    refused(lie.join(4), Code::RoundReplay);
    // Nor may a set of theirs stand in the log that site 4 knows.
    let (honest, mut fork) = (lie.log.clone(), lie.log.clone());
    let (roots, plan) = (proposal.roots[..0].to_vec(), lie.plan.clone().unwrap().plan);
    let six = motet_common::log::Commit {
        pin: plan.pin(),
        attempt: 2,
        ..lie.commitment(&roots)
    };
    lie.log_in(&mut fork, &Leaf::Commit(six));
    lie.log = fork;
    let stands = lie.stands();
    refused(lie.tell(4, stands), Code::LogInconsistent);
    lie.log = honest;
    // The line-up that is on record may try again.
    let plan = lie.draft(2);
    lie.begin(plan);
    lie.join(4).unwrap();
}

#[test]
fn ruling_r06_a_line_up_of_fewer_sites_than_a_quorum_of_witnesses_opens_nothing() {
    // Six of ten, three of them with the coordinator, are shown a log of their own: nothing in it
    // says that the question was committed before. They are too few to witness that there is no
    // other log, and so too few to join.
    let mut lie = Lie::with_sites(10);
    let six = lie.ids(&[4, 5, 6, 7, 8, 9]);
    let plan = Plan {
        candidates: six,
        min_start: 6,
        min_survivors: 6,
        ..lie.draft(1)
    };
    lie.begin(plan);
    refused(lie.join(4), Code::LineUpTooSmall);
    // Seven are a quorum, all of them: one advert fewer, and nobody deals.
    let seven = [3, 4, 5, 6, 7, 8, 9];
    let plan = lie.draft_of(1, &seven);
    lie.begin(plan);
    lie.join_these(&seven);
    let mut set = lie.adverts();
    let left_out = set.adverts.remove(0);
    refused(
        lie.tell(9, Message::AdvertSet(set.clone())),
        Code::LineUpTooSmall,
    );
    set.adverts.insert(0, left_out);
    lie.tell(9, Message::AdvertSet(set)).unwrap();
}

#[test]
fn ruling_r01_after_masking_a_question_keeps_its_terms() {
    let mut lie = ten();
    abort(&mut lie, 1);
    let honest = lie.draft(2);
    let changed: [(&str, Plan); 4] = [
        ("line-up", lie.draft_of(2, &[0, 1, 2, 3, 4, 5, 6, 7, 8])),
        (
            "survivors",
            Plan {
                min_survivors: 8,
                min_start: 8,
                ..honest.clone()
            },
        ),
        (
            "colluders",
            Plan {
                colluders: 4,
                threshold: 8,
                min_survivors: 8,
                min_start: 8,
                ..honest.clone()
            },
        ),
        (
            "start",
            Plan {
                min_start: 8,
                ..honest.clone()
            },
        ),
    ];
    for (what, plan) in changed {
        lie.begin(plan);
        assert_eq!(
            lie.join(0).expect_err(what).code,
            Code::RoundReplay,
            "{what}"
        );
        lie.nodes[0].restart(&lie.cast);
        assert_eq!(
            lie.join(0).expect_err(what).code,
            Code::RoundReplay,
            "{what}"
        );
    }
    // Weights and quantisation are held to the derived question at any time; the pin holds them,
    // too.
    for other in [
        Plan {
            weight_max: 9,
            ..honest.clone()
        },
        Plan {
            words: 9,
            ..honest.clone()
        },
    ] {
        assert_ne!(other.pin(), honest.pin());
        lie.begin(other);
        refused(lie.join(0), Code::PlanRejected);
    }
    // Attempt, run, round, nonce and deadlines may differ.
    let mut again = Plan { round: 7, ..honest };
    (again.run.0, again.nonce, again.durations.upload) = ([5; 16], [5; 32], 5);
    lie.begin(again);
    lie.join(0).unwrap();
}

#[test]
fn ruling_r01_joining_again_ends_what_was_before() {
    let mut lie = ten();
    let (old, first) = (lie.proposal(&lie.all()), lie.root());
    lie.sign_these(&[1, 2, 3, 4, 5, 6, 7], &old);
    let request = lie.request(&old);
    abort(&mut lie, 1);
    let plan = lie.draft(2);
    lie.begin(plan);
    lie.join_these(&[0, 1]);
    assert!(
        lie.nodes[1].kept(&first).is_none(),
        "the first attempt's secrets are gone"
    );
    refused(lie.reveal_to(1, &request), Code::WrongPhase);
    refused(lie.propose_to(0, &old), Code::WrongPhase);
}

/// A set of all ten was opened and is void.
fn void() -> Lie {
    let mut lie = ten();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&[0, 1, 2, 3, 4, 5, 6], &proposal);
    let ask = lie.plan.as_ref().unwrap().plan.ask;
    lie.log(&Leaf::Void(ask));
    lie
}

#[test]
fn ruling_r05_a_void_question_is_not_asked_again() {
    let mut lie = void();
    let plan = lie.draft(2);
    lie.begin(plan);
    // Who opened knows by its own ledger, who did not by the log.
    for site in lie.all() {
        refused(lie.join(site), Code::RoundSpent);
    }
    // An abort afterwards makes nothing of it undone.
    abort(&mut lie, 2);
    let plan = lie.draft(3);
    lie.begin(plan);
    refused(lie.join(9), Code::RoundSpent);
}

/// Four sites whose last sum was over `previous`; the set is proposed to site 0.
fn after(
    previous: &[usize],
    set: &[usize],
    may_leave: usize,
) -> Result<Vec<Message>, motet_common::refusal::Refusal> {
    let mut lie = Lie::with_sites(7);
    lie.upload_all();
    lie.nodes[0].previous = lie.ids(previous);
    lie.nodes[0].may_leave = may_leave;
    let proposal: Proposal = lie.proposal(set);
    lie.propose_to(0, &proposal)
}

#[test]
fn ruling_r05_a_study_keeps_its_sites() {
    let before = [0, 1, 2, 3, 4, 5];
    after(&before, &before, 0).unwrap();
    refused(after(&before, &[0, 1, 2, 3, 4], 0), Code::SetChanged);
    refused(after(&before, &[0, 1, 2, 3, 4, 5, 6], 0), Code::SetChanged);
    refused(after(&before, &[0, 1, 2, 3, 4, 6], 0), Code::SetChanged);
    // The first sum has none before it.
    after(&[], &before, 0).unwrap();
}

#[test]
fn attack_a08_where_one_site_may_leave_no_other_comes_or_takes_its_place() {
    let before = [0, 1, 2, 3, 4, 5];
    after(&before, &[0, 1, 2, 3, 4], 1).unwrap();
    refused(
        after(&[0, 1, 2, 3, 4, 5, 6], &[0, 1, 2, 3, 4], 1),
        Code::SetChanged,
    );
    refused(after(&before, &[0, 1, 2, 3, 4, 6], 1), Code::SetChanged);
    refused(after(&before, &[0, 1, 2, 3, 4, 5, 6], 1), Code::SetChanged);
}

#[test]
fn ruling_r01_two_line_ups_without_a_common_honest_site_never_both_open_whatever_log_each_is_shown()
{
    // Ten sites, three collude. Four honest ones open with them; the other three, who masked
    // nothing, are shown a log that parts before that commitment. Were openers counted among the
    // plan's six, five of them would be enough.
    let mut lie = Lie::with_sites(10);
    lie.share_all();
    let before = lie.log.clone();
    let first = [0, 1, 2, 3, 7, 8, 9];
    lie.upload_these(&first);
    let proposal = lie.proposal(&first);
    lie.open_with(&first, &proposal);
    assert_eq!(lie.heard.replies.len(), 7);
    lie.log = before;
    let six = [4, 5, 6, 7, 8, 9];
    let mut plan = lie.draft(2);
    plan.candidates = lie.ids(&six);
    // What six of six would need, and what six of ten would: more than there are.
    for (threshold, survivors, code) in [(5, 6, Code::LineUpTooSmall), (7, 7, Code::LineUpTooSmall)]
    {
        let mut plan = plan.clone();
        (plan.threshold, plan.min_survivors, plan.min_start) = (threshold, survivors, survivors);
        lie.begin(plan);
        for site in [4, 5, 6] {
            refused(lie.join(site), code);
        }
    }
}

#[test]
fn a_sum_that_differs_by_a_site_from_another_studys_over_the_same_data_is_signed_by_no_site() {
    let reading = Reading {
        dataset: "heart".to_owned(),
        source: "/data/heart.csv".to_owned(),
        target: "/data/heart.csv".to_owned(),
        content: Digest::of("content", &[]),
    };
    let propose = |earlier: &[usize], set: &[usize]| {
        let mut lie = Lie::with_sites(7);
        lie.upload_all();
        let (digest, roster) = (Digest::of("another study", &[]), lie.cast.roster.digest());
        let set_before = lie
            .ids(earlier)
            .into_iter()
            .map(|node| (node, node.to_string()))
            .collect();
        lie.nodes[0].beside = vec![Opening {
            study: "earlier".to_owned(),
            digest,
            roster,
            reading: reading.clone(),
            set: set_before,
        }];
        let proposal: Proposal = lie.proposal(set);
        lie.propose_to(0, &proposal)
    };
    let all = [0, 1, 2, 3, 4, 5, 6];
    propose(&all, &all).unwrap();
    // Whoever is left out cannot prevent it: the others do, and so does it where it is asked.
    refused(propose(&all, &[0, 1, 2, 3, 4, 5]), Code::QuestionRepeated);
    refused(propose(&all, &[1, 2, 3, 4, 5, 6]), Code::QuestionRepeated);
    refused(
        propose(&[0, 1, 2, 3, 4], &[0, 1, 2, 3, 4, 5]),
        Code::QuestionRepeated,
    );
    refused(propose(&all, &[0, 1, 2, 3, 4]), Code::QuestionRepeated);
    propose(&[0, 1, 2], &[0, 1, 2, 3, 4, 5]).unwrap();
}
