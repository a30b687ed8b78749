//! The rules of the round machine, searched exhaustively within bounds: one honest site against
//! everything it could ever be shown, and four sites of which the coordinator owns one. What the
//! model's site accepts and refuses, real members do.
//!
//! The search is our own: `stateright` would bring a second `rand` beside the one of the
//! cryptography, and an HTTP server.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::log::Leaf as RealLeaf;
use motet_secagg::encode::Canonical as _;
use motet_tests::model::books::{Books, all_logs};
use motet_tests::model::replay::{Compared, Walk};
use motet_tests::model::search::{Found, search};
use motet_tests::model::site::Rules;
use motet_tests::model::words::{ALL, Leaf, Log, Plan, Rule, Set, T3, THREE, sets};
use motet_tests::model::worlds::{Alone, Four, bounds};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeSet;
use std::thread::scope;

/// Walks of real members, and the steps of each.
const WALKS: u64 = 3_000;
const STEPS: usize = 60;

/// Sets of an attempt in which everybody in the line-up joined and dealt.
fn without_early_losses() -> Vec<T3> {
    sets()
        .into_iter()
        .filter(|t3| t3.joined == t3.plan.line_up && t3.dealers == t3.joined)
        .collect()
}

fn set(attempt: u8, line_up: Set, set: Set) -> T3 {
    T3 {
        plan: Plan { attempt, line_up },
        joined: line_up,
        dealers: line_up,
        set,
    }
}

fn holds(what: &str, found: &Found) {
    println!(
        "{what}: {} states, {} steps, {} deep",
        found.states, found.steps, found.depth
    );
    assert!(found.broken.is_none(), "{what}: {:?}", found.broken);
}

#[test]
fn no_coordinator_makes_one_site_break_a_promise() {
    println!("{}", bounds());
    for (sets, leaves) in [(sets(), 2), (without_early_losses(), 3)] {
        let what = format!(
            "one site, {} sets, every log of {leaves} leaves",
            sets.len()
        );
        let mut world = Alone::new(Rules(None), sets, leaves);
        holds(
            &format!("{what} ({} of them)", world.logs()),
            &search(&mut world),
        );
    }
}

/// Four sites that are shown any part of two logs.
fn four(rules: Rules, logs: [&[Leaf]; 2]) -> Four {
    let mut books = Books::new();
    let commits = logs.iter().flat_map(|log| log.iter());
    let sets: BTreeSet<T3> = commits
        .filter_map(|leaf| match leaf {
            Leaf::Commit(t3) => Some(*t3),
            _ => None,
        })
        .collect();
    let logs: Vec<Log> = logs
        .iter()
        .map(|log| books.log(log).expect("a log that sites follow"))
        .collect();
    Four::new(books, rules, sets.into_iter().collect(), &logs)
}

#[test]
fn four_sites_never_open_two_sets_of_one_question() {
    use Leaf::{Abort, Commit};
    let but_first = Set(0b1110);
    let (all, fewer) = (set(1, ALL, ALL), set(1, ALL, but_first));
    let (again, three) = (set(2, ALL, ALL), set(2, THREE, THREE));
    let worlds: [(&str, [&[Leaf]; 2]); 4] = [
        ("two sets in two logs", [&[Commit(all)], &[Commit(fewer)]]),
        (
            "one set in two logs",
            [&[Commit(all)], &[Abort, Commit(all)]],
        ),
        (
            "a second attempt",
            [&[Commit(all), Abort, Commit(again)], &[]],
        ),
        (
            "a second line-up in a second log",
            [&[Commit(all)], &[Commit(three)]],
        ),
    ];
    // Two line-ups for one question in one log: nobody follows it.
    let mut books = Books::new();
    let more = set(1, THREE, THREE);
    for log in [
        [Commit(all), Abort, Commit(three)],
        [Commit(more), Abort, Commit(again)],
    ] {
        assert!(books.log(&log).is_none(), "{log:?}");
    }
    for (what, logs) in worlds {
        holds(what, &search(&mut four(Rules(None), logs)));
    }
}

#[test]
fn every_release_in_a_log_that_sites_follow_stands_after_its_commitment() {
    let mut books = Books::new();
    let logs = all_logs(&mut books, &without_early_losses(), 3);
    let mut releases = 0;
    for log in &logs {
        let mut committed = BTreeSet::new();
        for leaf in books.mirror(*log).log().leaves() {
            match RealLeaf::from_bytes(leaf).expect("a leaf") {
                RealLeaf::Commit(commit) => drop(committed.insert(commit.t3)),
                RealLeaf::Release(release) => {
                    releases += 1;
                    assert!(committed.contains(&release.t3));
                }
                _ => {}
            }
        }
    }
    println!("{} logs, {releases} releases", logs.len());
    assert!(releases > 20);
}

#[test]
fn without_any_one_rule_a_promise_is_broken() {
    use Rule::{
        CommitInPoint, Committed, JoinOnce, MaskOnce, OneSet, OpensSigned, RecordFirst, Spent,
    };
    let rules = [
        Spent,
        JoinOnce,
        OneSet,
        Committed,
        CommitInPoint,
        OpensSigned,
        MaskOnce,
        RecordFirst,
    ];
    for rule in rules {
        // A second delivery to mask for is another set of dealers.
        let sets = if rule == MaskOnce {
            sets()
        } else {
            without_early_losses()
        };
        let leaves = if rule == MaskOnce { 1 } else { 3 };
        let found = search(&mut Alone::new(Rules(Some(rule)), sets, leaves));
        let (promise, way) = found
            .broken
            .unwrap_or_else(|| panic!("nothing is missed without {rule:?}"));
        println!(
            "without {rule:?}: {promise}, after {} steps: {}",
            way.len(),
            way.join(" ")
        );
    }
    let but_first = Leaf::Commit(set(1, ALL, Set(0b1110)));
    let logs: [&[Leaf]; 2] = [&[Leaf::Commit(set(1, ALL, ALL))], &[but_first]];
    let found = search(&mut four(Rules(Some(Rule::Threshold)), logs));
    let (promise, way) = found
        .broken
        .expect("t - 1 signatures and shares are too few");
    println!("with t - 1: {promise}, after {} steps", way.len());
}

#[test]
fn real_members_accept_and_refuse_what_the_model_does() {
    let walk = |seed, books: &mut Books| {
        let walked = Walk::new(books, ChaCha20Rng::seed_from_u64(seed)).run(STEPS);
        walked.unwrap_or_else(|parted| panic!("seed {seed}: {parted}"))
    };
    let add = |a: Compared, b: Compared| Compared {
        accepted: a.accepted + b.accepted,
        refused: a.refused + b.refused,
        opened: a.opened + b.opened,
    };
    let half = |thread: u64| {
        let mut books = Books::new();
        (thread..WALKS)
            .step_by(2)
            .map(|seed| walk(seed, &mut books))
            .fold(Compared::default(), add)
    };
    let total = scope(|scope| {
        let halves = [0, 1].map(|thread| scope.spawn(move || half(thread)));
        halves
            .into_iter()
            .map(|half| half.join().expect("a walk"))
            .fold(Compared::default(), add)
    });
    println!("{WALKS} walks: {total:?}");
    assert!(
        total.accepted > 20_000 && total.refused > 20_000 && total.opened > 400,
        "{total:?}"
    );
}
