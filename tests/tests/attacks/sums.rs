//! Wrong sums, lost sites, and questions that come again: rulings R2, R3 and R5.

use super::refused;
use motet_common::chain::Chain;
use motet_common::refusal::Code;
use motet_common::roster::{Entry, HubKeys, Roster, SiteKeys};
use motet_common::round::PhaseName;
use motet_common::study::Study;
use motet_recipes::Rows;
use motet_secagg::digest::Digest;
use motet_secagg::fold::{Aggregate, plain_sum, set_digest};
use motet_secagg::message::{Checked, Message, Released};
use motet_secagg::sign::SecretKey;
use motet_secagg::threshold::Thresholds;
use motet_tests::attack::lie::Lie;
use ndarray::{Array1, Array2};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use std::collections::BTreeSet;

/// How an honest attempt of that many sites ends when these are lost at a phase.
fn lost(size: usize, lost: &[usize], phase: PhaseName) -> (PhaseName, Option<Code>) {
    let mut lie = Lie::with_sites(size);
    let plan = lie.draft(1);
    lie.begin(plan);
    let lost: Vec<_> = lost.iter().map(|site| (*site, phase)).collect();
    let ended = lie.fair(&lost, &mut |_, message| Some(message));
    if let Some(released) = &ended.released {
        for site in lie.all() {
            lie.tell(site, Message::Released(released.clone())).unwrap();
        }
    }
    (ended.phase.unwrap(), ended.code)
}

#[test]
fn ruling_r02_as_many_may_be_lost_as_the_table_says() {
    use PhaseName::{Abandoned, Released, Reveal, Sign, Upload};
    let small = (Abandoned, Some(Code::LineUpTooSmall));
    let released = (Released, None);
    assert_eq!(lost(3, &[1], Upload), small);
    assert_eq!(lost(3, &[1], Sign), released);
    assert_eq!(lost(3, &[1], Reveal), released);
    assert_eq!(lost(4, &[0], Upload), released);
    assert_eq!(lost(4, &[3], Upload), released);
    assert_eq!(lost(4, &[0, 3], Upload), small);
    assert_eq!(
        lost(4, &[0, 3], Sign),
        (Abandoned, Some(Code::TooFewSignatures))
    );
    assert_eq!(lost(4, &[0, 3], Reveal), (Abandoned, Some(Code::Deadline)));
}

#[test]
fn ruling_r02_four_sites_with_three_honest_ones_demanded_may_lose_none() {
    let mut lie = Lie::with_sites(4);
    assert_eq!((lie.cast.roster.colluders, lie.cast.roster.h_min), (1, 2));
    assert_eq!(Thresholds::of(4, 4, 1, 2, 3).unwrap().survivors, 3);
    lie.cast.roster = lie.cast.roster.clone().with_limits(1, 3).unwrap();
    let mut lie = Lie::of(lie.cast, ChaCha20Rng::seed_from_u64(3));
    let plan = lie.draft(1);
    assert_eq!(plan.min_survivors, 4);
    lie.begin(plan);
    let ended = lie.fair(&[(2, PhaseName::Upload)], &mut |_, message| Some(message));
    assert_eq!(
        (ended.phase, ended.code),
        (Some(PhaseName::Abandoned), Some(Code::LineUpTooSmall))
    );
}

/// Everybody of four opened a set; the release of a sum that is one unit off in its last value.
fn wrong(lie: &mut Lie) -> Released {
    let all = lie.all();
    lie.share_these(&all);
    lie.upload_these(&all);
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let evidence = lie.evidence(&proposal);
    let Aggregate { ring, mut words } = lie.sum(&evidence);
    *words.last_mut().unwrap() ^= 1;
    lie.released(&evidence, &Aggregate { ring, words })
}

/// Nobody follows a wrong release, nobody says that the sum was made again, and nothing can be
/// asked after it.
fn nobody_follows(lie: &mut Lie, released: &Released) {
    lie.checked.clear();
    let before = lie.state;
    for site in lie.all() {
        refused(
            lie.tell(site, Message::Released(released.clone())),
            Code::SumMismatch,
        );
        assert_eq!(lie.nodes[site].disk.state, before);
    }
    let threshold = usize::from(lie.plan.as_ref().unwrap().plan.threshold);
    assert!(lie.checked.len() < threshold);
    lie.state = released.state_root;
    let plan = lie.draft(1);
    lie.begin(plan);
    refused(lie.join(0), Code::StateRootMismatch);
}

#[test]
fn ruling_r03_a_wrong_sum_is_refused_in_a_recipe_of_one_round() {
    let mut lie = Lie::with_sites(4);
    lie.join_all();
    let released = wrong(&mut lie);
    nobody_follows(&mut lie, &released);
}

#[test]
fn ruling_r03_a_wrong_sum_is_refused_in_the_last_round() {
    let mut lie = Lie::with_sites(4);
    lie.whole_round();
    lie.join_all();
    let released = wrong(&mut lie);
    nobody_follows(&mut lie, &released);
}

#[test]
fn ruling_r03_evidence_of_anything_else_is_refused() {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let evidence = lie.evidence(&proposal);
    let sum = lie.sum(&evidence);
    let honest = lie.released(&evidence, &sum);
    let key = &lie.cast.coordinator;
    let other_secret = {
        let mut opened = honest.opened.clone();
        opened[0].secret[0] ^= 1;
        Released {
            opened,
            ..honest.clone()
        }
        .signed(key)
    };
    let smaller = Released {
        set: honest.set[..3].to_vec(),
        ..honest.clone()
    }
    .signed(key);
    let unknown = Released {
        evidence: Digest::of("none", &[]),
        ..honest.clone()
    }
    .signed(key);
    let cases = [
        (other_secret, Code::SumMismatch),
        (smaller, Code::SetNotLogged),
        (unknown, Code::SumMismatch),
    ];
    for (released, code) in cases {
        // Each at a site that has not seen one yet: a release ends its attempt.
        let site = all
            .iter()
            .find(|site| lie.nodes[**site].plan().is_some())
            .copied()
            .unwrap();
        refused(lie.tell(site, Message::Released(released)), code);
        lie.nodes[site].restart(&lie.cast);
    }
    // One chunk of one upload that is not what its site signed.
    let t2 = evidence.t2();
    let chunk = lie.archive.uploads[&t2][0][1]
        .iter()
        .map(|byte| byte ^ 1)
        .collect::<Vec<u8>>();
    lie.archive.uploads.get_mut(&t2).unwrap()[0][1] = chunk.into();
    refused(
        lie.tell(3, Message::Released(honest.clone())),
        Code::SumMismatch,
    );
    // Two uploads that are not the signed ones and add up to the same.
    let mut lie = Lie::with_sites(4);
    let honest = lie.whole_but_told();
    let rows = lie.archive.uploads.values_mut().next().unwrap();
    for (site, add) in [(1, 1_u32), (2, u32::MAX)] {
        let mut chunk = rows[0][site].to_vec();
        let word = u32::from_le_bytes(chunk[8..12].try_into().unwrap()).wrapping_add(add);
        chunk[8..12].copy_from_slice(&word.to_le_bytes());
        rows[0][site] = chunk.into();
    }
    refused(
        lie.tell(3, Message::Released(honest.clone())),
        Code::SumMismatch,
    );
    let t2 = lie.t2();
    // Another signature than the coordinator's, and another set than the one that was signed.
    let mut forged = honest.clone();
    forged.aggregate.0[0] ^= 1;
    lie.nodes[2].restart(&lie.cast);
    refused(lie.tell(2, Message::Released(forged)), Code::BadSignature);
    let other = Released { t3: t2, ..honest }.signed(&lie.cast.coordinator);
    refused(lie.tell(2, Message::Released(other)), Code::SetEquivocation);
}

#[test]
fn ruling_r03_nobody_goes_on_before_t_sites_have_made_the_sum_again() {
    let mut lie = Lie::with_sites(4);
    let released = lie.whole_round();
    let checked = lie.checked.clone();
    assert_eq!(checked.len(), 4);
    let honest = lie.draft(1);
    let few: Vec<Checked> = checked.values().take(2).cloned().collect();
    let with = |checked: Vec<Checked>| motet_secagg::message::Plan {
        checked,
        ..honest.clone()
    };
    let mut twice = few.clone();
    twice.push(few[1].clone());
    let mut borrowed = few.clone();
    borrowed.push(Checked {
        node: lie.cast.node(3),
        ..few[1].clone()
    });
    let mut other = few.clone();
    let site = &lie.cast.sites[3];
    other.push(Checked::sign(
        Digest::of("another release", &[]),
        site.node,
        &site.key,
    ));
    let cases = [
        (Vec::new(), Code::TooFewChecks),
        (few.clone(), Code::TooFewChecks),
        (twice, Code::PlanRejected),
        (borrowed, Code::TooFewChecks),
        (other, Code::TooFewChecks),
    ];
    for (checked, code) in cases {
        lie.begin(with(checked));
        refused(lie.join(0), code);
    }
    let enough = with(checked.values().skip(1).cloned().collect());
    assert!(
        enough
            .checked
            .iter()
            .all(|checked| checked.release == released.leaf_hash())
    );
    lie.begin(enough);
    lie.join(0).unwrap();
}

const STUDY: &str = r#"
[study]
id = "converged"
title = "t"
question = "q?"
purpose = "53(1)(c)"
ends = 2030-02-28
[data]
dataset = "d"
outcome = "y"
features = ["x"]
[recipe]
kind = "logistic"
ridge = 1.0
"#;

#[test]
fn ruling_r05_a_step_or_a_start_that_repeats_asks_a_new_question_and_the_run_ends() {
    let study = Study::parse(STUDY).unwrap();
    let key = |number: u8| SecretKey::from_seed([number; 32]).public();
    let site = |number: u8| {
        let keys = SiteKeys {
            identity: key(number),
            steward: key(number + 10),
            witness: key(number + 20),
        };
        Entry::new(&format!("site-{number}"), "NL", keys)
    };
    let hub = HubKeys {
        signing: key(100),
        log: key(101),
    };
    let roster = Roster::new("converged", 1, hub, "trial", (1..5).map(site).collect()).unwrap();
    let all: Vec<_> = roster.nodes().collect();
    // The same on both sides of every value: the first step of the fit is zero, and the
    // coefficients stay as they are.
    let x = Array2::from_shape_fn((40, 1), |(row, _)| [-1.0, -1.0, 1.0, 1.0][row % 4]);
    let y = Array1::from_shape_fn(40, |row| (row % 2) as f64);
    let mut chain = Chain::start(&study, &roster);
    let (mut roots, mut asks, mut rounds) = (BTreeSet::new(), BTreeSet::new(), 0);
    while let Some(question) = chain.question(4).unwrap() {
        rounds += 1;
        assert!(rounds < 50, "the run ends");
        roots.insert(chain.root());
        asks.insert(chain.ask_key());
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut answer = || {
            let rows = Rows::new(x.view()).outcome(y.view());
            let memory = motet_recipes::Memory::default();
            chain
                .recipe()
                .answer(chain.state(), &question, &rows, &memory, &mut rng)
                .unwrap()
                .update
        };
        // A site is lost after the second round: the pass begins again, from what was the first
        // state.
        let set = if rounds <= 2 { &all[..] } else { &all[..3] };
        let updates = set.iter().map(|_| answer()).collect();
        let sum = plain_sum(&question.layout, set_digest(set), updates).unwrap();
        let state = chain.recipe().absorb(chain.state(), &sum).unwrap();
        chain.accept(state, set, &question.layout);
    }
    roots.insert(chain.root());
    assert_eq!((roots.len(), asks.len()), (rounds + 1, rounds));
}
