//! Who may be in the next round: the sites whose stewards approved, within what the approved study says about losing
//! one. Decided from the book and from who is present; no clock and no network here.

use crate::book::Book;
use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::round::witness_quorum;
use motet_common::study::SiteLoss;
use motet_secagg::id::NodeId;
use motet_secagg::threshold::Thresholds;

/// What to do about the next round.
pub(crate) enum Next {
    /// Open it with this line-up.
    Open(LineUp),
    /// Wait; the text says for what, the moment until when at the latest.
    Wait { why: String, until: Option<Moment> },
    /// There is no way on.
    Fail(Code),
}

pub(crate) struct LineUp {
    pub(crate) candidates: Vec<NodeId>,
    pub(crate) thresholds: Thresholds,
    pub(crate) min_start: usize,
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
    let witnesses = willing.len();
    if let Some(pinned) = book.pinned() {
        return all_of(
            book,
            least,
            witnesses,
            pinned,
            here,
            (patience, now),
            "they may have answered this question already and must all be there again",
        );
    }
    let first = book.chain.set().is_empty();
    if first {
        return first_round(book, least, willing, patience, now);
    }
    let bound = book.chain.recipe().exact();
    let pauses = book.study.rounds.on_site_loss == SiteLoss::Pause;
    let candidates = match (bound, pauses) {
        // An exact fit keeps its sites: one that comes or goes would make its own statistics a difference of two sums.
        (true, true) => {
            return all_of(
                book,
                least,
                witnesses,
                book.chain.set(),
                here,
                (patience, now),
                "they belong to this exact run",
            );
        }
        (true, false) => book.chain.set().iter().copied().filter(|node| here(node)).collect(),
        (false, _) => willing,
    };
    match line_up(book, least, witnesses, candidates) {
        Ok(line_up) => Next::Open(line_up),
        Err(code) if now >= patience => Next::Fail(code),
        Err(_) => {
            let missing: Vec<NodeId> = book.chain.set().iter().copied().filter(|node| !here(node)).collect();
            Next::Wait {
                why: waits_for(book, &missing, "too few sites are left without them"),
                until: Some(patience),
            }
        }
    }
}

fn all_of(
    book: &Book,
    least: u32,
    witnesses: usize,
    nodes: &[NodeId],
    here: impl Fn(&NodeId) -> bool,
    (patience, now): (Moment, Moment),
    reason: &str,
) -> Next {
    let missing: Vec<NodeId> = nodes.iter().copied().filter(|node| !here(node)).collect();
    if missing.is_empty() {
        return match line_up(book, least, witnesses, nodes.to_vec()) {
            Ok(line_up) => Next::Open(line_up),
            Err(code) => Next::Fail(code),
        };
    }
    if now >= patience {
        return Next::Fail(Code::SiteLost);
    }
    Next::Wait { why: waits_for(book, &missing, reason), until: Some(patience) }
}

/// The first round waits until every site of the roster has decided and is there, or patience ends with a quorum.
fn first_round(book: &Book, least: u32, willing: Vec<NodeId>, patience: Moment, now: Moment) -> Next {
    let waiting: Vec<String> = book
        .roster()
        .nodes()
        .filter(|node| !willing.contains(node))
        .filter_map(|node| match book.decisions.get(&node) {
            None => Some(format!("{} (its steward has not decided)", book.name(node))),
            Some(_) if book.approved(node) => Some(format!("{} (not connected)", book.name(node))),
            Some(_) => None,
        })
        .collect();
    let enough = line_up(book, least, willing.len(), willing);
    match enough {
        Ok(line_up) if waiting.is_empty() || now >= patience => Next::Open(line_up),
        Ok(_) => Next::Wait { why: format!("waits for {}", waiting.join(", ")), until: Some(patience) },
        // Everybody has decided and too few said yes: nothing to wait for but a change of mind.
        Err(code) if waiting.is_empty() => Next::Fail(code),
        Err(_) => Next::Wait { why: format!("waits for {}", waiting.join(", ")), until: None },
    }
}

fn line_up(book: &Book, least: u32, witnesses: usize, mut candidates: Vec<NodeId>) -> Result<LineUp, Code> {
    candidates.sort_unstable();
    let roster = book.roster();
    // Whoever is willing witnesses the log, in the line-up or not.
    if witnesses < witness_quorum(roster.entries.len(), usize::from(roster.colluders)) {
        return Err(Code::TooFewWitnesses);
    }
    let floor = book.study.privacy.min_sites.max(least) as usize;
    let (colluders, h_min) = (usize::from(roster.colluders), usize::from(roster.h_min));
    let thresholds =
        Thresholds::of(candidates.len(), colluders, h_min, floor).map_err(|_| Code::LineUpTooSmall)?;
    let quorum = book.study.rounds.quorum.map_or(0, |quorum| quorum as usize);
    let min_start = thresholds.survivors.max(quorum);
    if candidates.len() < min_start {
        return Err(Code::LineUpTooSmall);
    }
    Ok(LineUp { candidates, thresholds, min_start })
}

fn waits_for(book: &Book, missing: &[NodeId], reason: &str) -> String {
    format!("waits for {}: {reason}", book.names(missing).join(", "))
}
