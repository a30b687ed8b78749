//! Who may be in the next round: the sites whose stewards approved, within what the approved study says about losing
//! one. Decided from the book and from who is present; no clock and no network here.

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

/// Decides from who is `present` and how long the run has waited `since`.
pub(crate) fn next(
    book: &Book,
    least: u32,
    present: &[NodeId],
    removed: &[NodeId],
    since: Moment,
    now: Moment,
) -> Next {
    let patience = since.after(book.study.rounds.join_s.saturating_mul(1000));
    let here = |node: &NodeId| present.contains(node) && book.approved(*node) && !removed.contains(node);
    let willing: Vec<NodeId> = book.roster().nodes().filter(here).collect();
    // A question that may be answered keeps its line-up, and a study its sites: one that comes or goes makes its own statistics a
    // difference of two sums. Whoever is away and may be missing stays in the line-up, and nobody waits for it.
    let (line_up, reason) = match (book.pinned(), book.chain.set()) {
        // With the numbers it began with, whatever this coordinator's settings say by now: nodes answer no other.
        (Some(pinned), _) => (pinned.clone(), Reason::SameSites),
        (None, []) => return first_round(book, least, willing, patience, now),
        (None, set) => match line_up(book, least, set.to_vec()) {
            Ok(line_up) => (line_up, Reason::ItsSites),
            Err(code) => return Next::Fail(code),
        },
    };
    let awaited: Vec<NodeId> = line_up.candidates.iter().copied().filter(|node| !here(node)).collect();
    if line_up.candidates.len() - awaited.len() >= line_up.min_start {
        Next::Open(line_up)
    } else if now >= patience {
        Next::Fail(Code::SiteLost)
    } else {
        Next::Wait(Pause { reason, awaited, until: Some(patience) })
    }
}

/// The first round waits until every site of the roster has decided and is there, or patience ends with a quorum.
fn first_round(book: &Book, least: u32, willing: Vec<NodeId>, patience: Moment, now: Moment) -> Next {
    // Whoever declined is not waited for.
    let undecided = |node: &NodeId| !book.decisions.contains_key(node);
    let awaited: Vec<NodeId> = book
        .roster()
        .nodes()
        .filter(|node| !willing.contains(node) && (undecided(node) || book.approved(*node)))
        .collect();
    let wait = |enough: bool, until| {
        Next::Wait(Pause { reason: Reason::Beginning { enough }, awaited: awaited.clone(), until })
    };
    match line_up(book, least, willing) {
        Ok(line_up) if awaited.is_empty() || now >= patience => Next::Open(line_up),
        Ok(_) => wait(true, Some(patience)),
        // Everybody has decided and too few said yes: nothing to wait for but a change of mind.
        Err(code) if awaited.is_empty() => Next::Fail(code),
        Err(_) => wait(false, None),
    }
}

fn line_up(book: &Book, least: u32, mut candidates: Vec<NodeId>) -> Result<LineUp, Code> {
    candidates.sort_unstable();
    let roster = book.roster();
    let floor = book.study.privacy.min_sites.max(least) as usize;
    let (colluders, h_min) = (usize::from(roster.colluders), usize::from(roster.h_min));
    // A smaller set than this is signed by nobody: the attempt is not to come to one.
    let set = book.chain.set().len();
    let kept = set.saturating_sub(book.chain.may_leave(book.study.rounds.on_site_loss, MOST_LOST));
    let floor = floor.max(kept);
    let thresholds = Thresholds::of(candidates.len(), book.roster().entries.len(), colluders, h_min, floor)
        .map_err(|_| Code::LineUpTooSmall)?;
    let quorum = book.study.rounds.quorum.map_or(0, |quorum| quorum as usize);
    let min_start = thresholds.survivors.max(quorum);
    if candidates.len() < min_start {
        return Err(Code::LineUpTooSmall);
    }
    Ok(LineUp { candidates, thresholds, min_start })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::tests::{book, node, pinned_to, with_set};
    use motet_common::study::SiteLoss;

    const SINCE: Moment = Moment { ms: 1_000 };
    /// The study's `join` is ninety seconds.
    const PATIENCE: Moment = Moment { ms: 91_000 };

    fn at(book: &Book, present: &[usize], now: Moment) -> Next {
        let present: Vec<NodeId> = present.iter().map(|site| node(*site)).collect();
        next(book, 3, &present, &[], SINCE, now)
    }

    fn held(book: &Book, present: &[usize]) -> Pause {
        match at(book, present, SINCE) {
            Next::Wait(pause) => pause,
            Next::Open(_) => panic!("it begins"),
            Next::Fail(code) => panic!("it fails: {code:?}"),
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

    #[test]
    fn a_first_round_waits_for_all_who_may_still_come_and_then_begins_without_them() {
        let (book, here) = (book(6, &[1, 2, 3, 4, 5]), [1, 2, 3, 4]);
        let pause = held(&book, &here);
        assert_eq!((pause.reason, pause.until), (Reason::Beginning { enough: true }, Some(PATIENCE)));
        assert_eq!(pause.awaited, sites(&[5, 6]), "one is away and one has not decided");
        assert!(
            matches!(at(&book, &here, PATIENCE), Next::Open(line_up) if line_up.candidates == sites(&here))
        );
    }

    #[test]
    fn a_first_round_without_enough_sites_waits_however_long() {
        let book = book(4, &[1]);
        let pause = held(&book, &[1]);
        assert_eq!((pause.reason, pause.until), (Reason::Beginning { enough: false }, None));
        assert_eq!(pause.awaited, sites(&[2, 3, 4]));
        assert!(matches!(at(&book, &[1], PATIENCE), Next::Wait(_)));
    }

    #[test]
    fn an_exact_run_waits_for_its_sites_and_then_ends() {
        let book = with_set(book(4, &[1, 2, 3, 4]), &[1, 2, 3, 4]);
        let pause = held(&book, &[1, 2, 3]);
        assert_eq!((pause.reason, pause.until), (Reason::ItsSites, Some(PATIENCE)));
        assert_eq!(pause.awaited, sites(&[4]));
        fails(&book, &[1, 2, 3], Code::SiteLost);
    }

    #[test]
    fn a_question_that_may_be_answered_waits_for_the_same_sites_and_then_ends() {
        let book = pinned_to(book(4, &[1, 2, 3, 4]), &[1, 2, 3]);
        let pause = held(&book, &[1, 2, 4]);
        assert_eq!((pause.reason, pause.until), (Reason::SameSites, Some(PATIENCE)));
        assert_eq!(pause.awaited, sites(&[3]), "site-4 is no help");
        fails(&book, &[1, 2, 4], Code::SiteLost);
    }

    #[test]
    fn a_run_that_may_lose_a_site_waits_for_those_without_whom_too_few_are_left() {
        let mut book = with_set(book(4, &[1, 2, 3, 4]), &[1, 2, 3]);
        book.study.rounds.on_site_loss = SiteLoss::Continue;
        let pause = held(&book, &[1, 2, 4]);
        assert_eq!((pause.reason, pause.until), (Reason::ItsSites, Some(PATIENCE)));
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
        assert_eq!(survivors(&book, &[1, 2, 3, 4, 5, 6]), (7, 6), "who is away stays in the line-up");
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
        assert!(matches!(next, Next::Open(line_up) if line_up.candidates == sites(&[1, 2, 3, 4, 5])));
        // Nor does another minimum of this coordinator's change what was asked.
        let present: Vec<NodeId> = (1..=4).map(node).collect();
        let stricter = super::next(&book, 5, &present, &[], SINCE, SINCE);
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
        assert_eq!((pause.reason, pause.awaited), (Reason::ItsSites, sites(&[4, 5])));
        fails(&book, &[1, 2, 3], Code::SiteLost);
        assert_eq!(open(&book, &[1, 2, 3, 4]), sites(&[1, 2, 3, 4, 5]));
        let book = with_set(book, &[1, 2, 3, 4]);
        assert_eq!(open(&book, &[1, 2, 3, 4, 5]), sites(&[1, 2, 3, 4]), "nobody comes back");
        assert_eq!(held(&book, &[1, 2, 3]).reason, Reason::ItsSites, "nor is a second one lost");
    }

    #[test]
    fn a_line_up_of_fewer_sites_than_a_quorum_of_witnesses_is_too_small() {
        let all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        let of = |sites: &[usize]| with_set(book(10, &all), sites);
        assert!(matches!(at(&of(&all[..6]), &all[..6], SINCE), Next::Fail(Code::LineUpTooSmall)));
        let seven = at(&of(&all[..7]), &all[..7], SINCE);
        assert!(matches!(seven, Next::Open(line_up) if line_up.candidates == sites(&all[..7])));
    }
}
