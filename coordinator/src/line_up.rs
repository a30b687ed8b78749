//! Who may be in the next round: the sites whose stewards approved, within what the approved study
//! says about losing one. Decided from the book and from who is present; no clock and no network
//! here.

use crate::book::{Book, LineUp};
use crate::pause::{Pause, Reason};
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::study::MOST_LOST;
use motet_secagg::id::NodeId;
use motet_secagg::threshold::Thresholds;

/// What to do about the next round.
pub(crate) enum Next {
    /// Open it with this line-up.
    Open(LineUp),
    /// Wait.
    Wait(Pause),
    /// There is no way on.
    Fail(Code),
}

/// Who is there, and who cannot be.
pub(crate) struct Presence {
    /// Within their lease.
    pub(crate) present: Vec<NodeId>,
    /// Connected at this moment: whoever is only within its lease may be gone, or stopped without
    /// having said so since this coordinator started.
    pub(crate) connected: Vec<NodeId>,
    /// Stopped by their stewards, connected or not.
    pub(crate) stopped: Vec<NodeId>,
    /// Removed from the consortium.
    pub(crate) removed: Vec<NodeId>,
}

/// Decides from who is there and how long the run has waited `since`.
pub(crate) fn next(book: &Book, least: u32, who: &Presence, since: Moment, now: Moment) -> Next {
    let patience = since.after(book.study.rounds.join_s.saturating_mul(1000));
    let here = |node: &NodeId| {
        who.present.contains(node) && book.approved(*node) && !who.removed.contains(node)
    };
    // A question that may be answered keeps its line-up, and a study its sites: one that comes or
    // goes makes its own statistics a difference of two sums. Whoever is away and may be missing
    // stays in the line-up, and nobody waits for it.
    let (line_up, reason) = match (book.pinned(), book.chain.set()) {
        // With the numbers it began with, whatever this coordinator's settings say by now: nodes
        // answer no other.
        (Some(pinned), _) => (pinned.clone(), Reason::SameSites),
        (None, []) => return first_round(book, least, who, patience, now),
        (None, set) => match line_up(book, least, set.to_vec()) {
            Ok(line_up) => (line_up, Reason::ItsSites),
            Err(code) => return Next::Fail(code),
        },
    };
    let awaited: Vec<NodeId> = line_up
        .candidates
        .iter()
        .copied()
        .filter(|node| !here(node))
        .collect();
    if line_up.candidates.len() - awaited.len() >= line_up.min_start {
        Next::Open(line_up)
    } else if now >= patience {
        Next::Fail(Code::SiteLost)
    } else {
        Next::Wait(Pause {
            reason,
            awaited,
            until: Some(patience),
        })
    }
}

/// The first round waits for every site of the roster that has not declined, however long: whoever
/// is not in it stays out of the study's every sum, and a person takes longer than a machine to
/// read a card. Where the operator said so it waits for no decision any more, and for nodes that
/// are away until patience ends.
fn first_round(book: &Book, least: u32, who: &Presence, patience: Moment, now: Moment) -> Next {
    let open: Vec<NodeId> = book
        .roster()
        .nodes()
        .filter(|node| !who.removed.contains(node))
        .collect();
    let (willing, others): (Vec<NodeId>, Vec<NodeId>) = open.into_iter().partition(|node| {
        book.approved(*node) && who.connected.contains(node) && !who.stopped.contains(node)
    });
    // Whoever declined is not waited for.
    let away: Vec<NodeId> = others
        .iter()
        .copied()
        .filter(|node| book.approved(*node))
        .collect();
    let awaited: Vec<NodeId> = others
        .into_iter()
        .filter(|node| !book.decisions.contains_key(node) || book.approved(*node))
        .collect();
    let without = book
        .run
        .as_ref()
        .is_some_and(|run| run.started.without_undecided);
    let wait = |enough: bool, awaited: Vec<NodeId>, until| {
        let stopped = awaited
            .iter()
            .copied()
            .filter(|node| who.stopped.contains(node))
            .collect();
        Next::Wait(Pause {
            reason: Reason::Beginning { enough, stopped },
            awaited,
            until,
        })
    };
    match line_up(book, least, willing) {
        Ok(line_up) if awaited.is_empty() || without && (away.is_empty() || now >= patience) => {
            Next::Open(line_up)
        }
        Ok(_) if without => wait(true, away, Some(patience)),
        Ok(_) => wait(true, awaited, None),
        // Everybody has decided and too few said yes: nothing to wait for but a change of mind.
        Err(code) if awaited.is_empty() => Next::Fail(code),
        Err(_) => wait(false, awaited, None),
    }
}

fn line_up(book: &Book, least: u32, mut candidates: Vec<NodeId>) -> Result<LineUp, Code> {
    candidates.sort_unstable();
    let roster = book.roster();
    let floor = book.study.privacy.min_sites.max(least) as usize;
    let colluders = usize::from(roster.colluders);
    let h_min = usize::from(roster.h_min);
    // A smaller set than this is signed by nobody: the attempt is not to come to one.
    let set = book.chain.set().len();
    let kept = set.saturating_sub(
        book.chain
            .may_leave(book.study.rounds.on_site_loss, MOST_LOST),
    );
    let floor = floor.max(kept);
    let thresholds = Thresholds::of(
        candidates.len(),
        book.roster().entries.len(),
        colluders,
        h_min,
        floor,
    )
    .map_err(|_| Code::LineUpTooSmall)?;
    let quorum = book.study.rounds.quorum.map_or(0, |quorum| quorum as usize);
    let min_start = thresholds.survivors.max(quorum);
    if candidates.len() < min_start {
        return Err(Code::LineUpTooSmall);
    }
    debug_assert!(
        thresholds.threshold > thresholds.colluders && thresholds.survivors <= min_start,
        "so many may collude that they open a site's secrets"
    );
    Ok(LineUp {
        candidates,
        thresholds,
        min_start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::{book, node, pinned_to, started, with_set};
    use motet_common::study::SiteLoss;

    const SINCE: Moment = Moment { ms: 1_000 };
    /// The study's `join` is ninety seconds.
    const PATIENCE: Moment = Moment { ms: 91_000 };

    fn at(book: &Book, present: &[usize], now: Moment) -> Next {
        next(book, 3, &only(present), SINCE, now)
    }

    /// Nobody but these is there.
    fn only(present: &[usize]) -> Presence {
        let present: Vec<NodeId> = present.iter().map(|site| node(*site)).collect();
        Presence {
            connected: present.clone(),
            present,
            stopped: Vec::new(),
            removed: Vec::new(),
        }
    }

    fn held(book: &Book, present: &[usize]) -> Pause {
        match at(book, present, SINCE) {
            Next::Wait(pause) => pause,
            Next::Open(_) => panic!("it begins"),
            Next::Fail(code) => panic!("it fails: {code:?}"),
        }
    }

    fn beginning(enough: bool) -> Reason {
        Reason::Beginning {
            enough,
            stopped: Vec::new(),
        }
    }

    fn sites(sites: &[usize]) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = sites.iter().map(|site| node(*site)).collect();
        nodes.sort_unstable();
        nodes
    }

    fn fails(book: &Book, present: &[usize], code: Code) {
        assert!(matches!(at(book, present, PATIENCE), Next::Fail(found) if found == code));
    }

    /// A run of this book that the operator lets begin without the undecided.
    fn without_undecided(book: Book) -> Book {
        let mut book = started(book);
        book.run.as_mut().unwrap().started.without_undecided = true;
        book
    }

    #[test]
    fn a_first_round_waits_however_long_for_everyone_who_has_not_declined() {
        let (book, here) = (started(book(6, &[1, 2, 3, 4, 5])), [1, 2, 3, 4]);
        for now in [SINCE, PATIENCE] {
            let Next::Wait(pause) = at(&book, &here, now) else {
                panic!("it does not wait")
            };
            assert_eq!((pause.reason, pause.until), (beginning(true), None));
            assert_eq!(
                pause.awaited,
                sites(&[5, 6]),
                "one is away and one has not decided"
            );
        }
        let removed = Presence {
            removed: sites(&[5, 6]),
            ..only(&here)
        };
        assert!(
            matches!(next(&book, 3, &removed, SINCE, SINCE), Next::Open(_)),
            "nobody comes from there"
        );
    }

    #[test]
    fn a_first_round_begins_without_the_undecided_where_the_operator_says_so_and_gives_nodes_their_time()
     {
        let undecided = without_undecided(book(6, &[1, 2, 3, 4]));
        let Next::Open(line_up) = at(&undecided, &[1, 2, 3, 4], SINCE) else {
            panic!("it does not begin")
        };
        assert_eq!(line_up.candidates, sites(&[1, 2, 3, 4]));
        let (book, here) = (without_undecided(book(6, &[1, 2, 3, 4, 5])), [1, 2, 3, 4]);
        let pause = held(&book, &here);
        assert_eq!(
            (pause.reason, pause.until),
            (beginning(true), Some(PATIENCE))
        );
        assert_eq!(
            pause.awaited,
            sites(&[5]),
            "one is away; who has not decided is not waited for"
        );
        let next = at(&book, &here, PATIENCE);
        assert!(matches!(next, Next::Open(line_up) if line_up.candidates == sites(&here)));
    }

    #[test]
    fn a_first_round_begins_with_who_is_connected_and_not_with_who_was_a_moment_ago() {
        let book = started(book(4, &[1, 2, 3, 4]));
        let who = Presence {
            connected: sites(&[1, 2, 3]),
            ..only(&[1, 2, 3, 4])
        };
        let Next::Wait(pause) = next(&book, 3, &who, SINCE, PATIENCE) else {
            panic!("it does not wait")
        };
        assert_eq!(pause.awaited, sites(&[4]), "its lease is no answer");
        assert!(matches!(
            next(&book, 3, &only(&[1, 2, 3, 4]), SINCE, SINCE),
            Next::Open(_)
        ));
    }

    #[test]
    fn a_first_round_waits_for_a_site_that_its_steward_stopped() {
        let book = started(book(4, &[1, 2, 3, 4]));
        let who = Presence {
            stopped: sites(&[4]),
            ..only(&[1, 2, 3, 4])
        };
        let Next::Wait(pause) = next(&book, 3, &who, SINCE, PATIENCE) else {
            panic!("it does not wait")
        };
        let reason = Reason::Beginning {
            enough: true,
            stopped: sites(&[4]),
        };
        assert_eq!((pause.reason, pause.awaited), (reason, sites(&[4])));
    }

    #[test]
    fn a_first_round_without_enough_sites_waits_however_long() {
        for book in [started(book(4, &[1])), without_undecided(book(4, &[1]))] {
            let pause = held(&book, &[1]);
            assert_eq!((pause.reason, pause.until), (beginning(false), None));
            assert_eq!(pause.awaited, sites(&[2, 3, 4]));
            assert!(matches!(at(&book, &[1], PATIENCE), Next::Wait(_)));
        }
    }

    #[test]
    fn an_exact_run_waits_for_its_sites_and_then_ends() {
        let book = with_set(book(4, &[1, 2, 3, 4]), &[1, 2, 3, 4]);
        let pause = held(&book, &[1, 2, 3]);
        assert_eq!(
            (pause.reason, pause.until),
            (Reason::ItsSites, Some(PATIENCE))
        );
        assert_eq!(pause.awaited, sites(&[4]));
        fails(&book, &[1, 2, 3], Code::SiteLost);
    }

    #[test]
    fn a_question_that_may_be_answered_waits_for_the_same_sites_and_then_ends() {
        let book = pinned_to(book(4, &[1, 2, 3, 4]), &[1, 2, 3]);
        let pause = held(&book, &[1, 2, 4]);
        assert_eq!(
            (pause.reason, pause.until),
            (Reason::SameSites, Some(PATIENCE))
        );
        assert_eq!(pause.awaited, sites(&[3]), "site-4 is no help");
        fails(&book, &[1, 2, 4], Code::SiteLost);
    }

    #[test]
    fn a_run_that_may_lose_a_site_waits_for_those_without_whom_too_few_are_left() {
        let mut book = with_set(book(4, &[1, 2, 3, 4]), &[1, 2, 3]);
        book.study.rounds.on_site_loss = SiteLoss::Continue;
        let pause = held(&book, &[1, 2, 4]);
        assert_eq!(
            (pause.reason, pause.until),
            (Reason::ItsSites, Some(PATIENCE))
        );
        assert_eq!(pause.awaited, sites(&[3]), "site-4 does not take its place");
        fails(&book, &[1, 2, 4], Code::SiteLost);
    }

    #[test]
    fn an_attempt_comes_to_no_smaller_set_than_its_sites_sign() {
        let mut book = with_set(book(7, &[1, 2, 3, 4, 5, 6, 7]), &[1, 2, 3, 4, 5, 6, 7]);
        let survivors = |book: &Book, here: &[usize]| match at(book, here, SINCE) {
            Next::Open(line_up) => (line_up.candidates.len(), line_up.thresholds.survivors),
            _ => panic!("it begins"),
        };
        assert_eq!(survivors(&book, &[1, 2, 3, 4, 5, 6, 7]), (7, 7));
        book.study.rounds.on_site_loss = SiteLoss::Continue;
        assert_eq!(
            survivors(&book, &[1, 2, 3, 4, 5, 6]),
            (7, 6),
            "who is away stays in the line-up"
        );
        // Once one has left, nobody else may.
        let book = with_set(book, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(survivors(&book, &[1, 2, 3, 4, 5, 6]), (6, 6));
    }

    #[test]
    fn a_question_goes_on_without_a_site_that_may_be_missing_in_the_line_up_it_began_with() {
        let mut book = with_set(book(5, &[1, 2, 3, 4, 5]), &[1, 2, 3, 4, 5]);
        book.study.rounds.on_site_loss = SiteLoss::Continue;
        let book = pinned_to(book, &[1, 2, 3, 4, 5]);
        let next = at(&book, &[1, 2, 3, 4], SINCE);
        assert!(
            matches!(next, Next::Open(line_up) if line_up.candidates == sites(&[1, 2, 3, 4, 5]))
        );
        // Nor does another minimum of this coordinator's change what was asked.
        let stricter = super::next(&book, 5, &only(&[1, 2, 3, 4]), SINCE, SINCE);
        assert!(matches!(stricter, Next::Open(line_up) if line_up.thresholds.survivors == 3));
    }

    #[test]
    fn a_run_that_may_lose_a_site_loses_one_and_waits_for_the_others() {
        let mut book = with_set(book(5, &[1, 2, 3, 4, 5]), &[1, 2, 3, 4, 5]);
        book.study.rounds.on_site_loss = SiteLoss::Continue;
        let open = |book: &Book, here: &[usize]| match at(book, here, SINCE) {
            Next::Open(line_up) => line_up.candidates,
            Next::Wait(pause) => panic!("it waits: {:?}", pause.reason),
            Next::Fail(code) => panic!("it fails: {code:?}"),
        };
        let pause = held(&book, &[1, 2, 3]);
        assert_eq!(
            (pause.reason, pause.awaited),
            (Reason::ItsSites, sites(&[4, 5]))
        );
        fails(&book, &[1, 2, 3], Code::SiteLost);
        assert_eq!(open(&book, &[1, 2, 3, 4]), sites(&[1, 2, 3, 4, 5]));
        let book = with_set(book, &[1, 2, 3, 4]);
        assert_eq!(
            open(&book, &[1, 2, 3, 4, 5]),
            sites(&[1, 2, 3, 4]),
            "nobody comes back"
        );
        assert_eq!(
            held(&book, &[1, 2, 3]).reason,
            Reason::ItsSites,
            "nor is a second one lost"
        );
    }

    #[test]
    fn a_line_up_of_fewer_sites_than_a_quorum_of_witnesses_is_too_small() {
        let all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let of = |sites: &[usize]| with_set(book(10, &all), sites);
        assert!(matches!(
            at(&of(&all[..6]), &all[..6], SINCE),
            Next::Fail(Code::LineUpTooSmall)
        ));
        let seven = at(&of(&all[..7]), &all[..7], SINCE);
        assert!(matches!(seven, Next::Open(line_up) if line_up.candidates == sites(&all[..7])));
    }
}
