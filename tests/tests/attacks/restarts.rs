//! Killed at every act: ruling R7. What is said again is the same bytes, and no second thing is
//! ever said.

use motet_common::moment::Moment;
use motet_common::refusal::Code;
use motet_common::round::pins::Fact;
use motet_common::round::{Entry, PhaseName, Round, Terms};
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::message::{Message, Proposal};
use motet_tests::attack::lie::Lie;
use std::collections::{BTreeMap, BTreeSet};

/// One step of the coordinator towards every site, over which site 0 may be killed; where it was,
/// it is shown the same again and says what it owes.
fn step(lie: &mut Lie, message: impl Fn(&Lie, usize) -> Message) {
    for site in lie.all() {
        let message = message(lie, site);
        let armed = lie.nodes[site].killed_after.is_some();
        lie.tell(site, message.clone()).unwrap();
        if armed && lie.nodes[site].killed_after.is_none() {
            lie.resume(site);
            // A repeat of what it has answered is answered alike; for one it never saw this is the
            // first time.
            lie.tell(site, message).unwrap();
        }
    }
}

/// A round of three in which site 0 is killed after an act of this number.
fn round(killed_after: Option<usize>) -> Lie {
    let mut lie = Lie::with_sites(3);
    lie.nodes[0].killed_after = killed_after;
    let plan = lie.draft(1);
    let signed = lie.begin(plan);
    step(&mut lie, |_, _| Message::Plan(signed.clone()));
    step(&mut lie, |lie, _| Message::AdvertSet(lie.adverts()));
    step(&mut lie, |lie, site| Message::Delivery(lie.delivery(site)));
    let proposal: Proposal = lie.proposal(&lie.all());
    step(&mut lie, |_, _| Message::Proposal(proposal.clone()));
    step(&mut lie, |lie, _| {
        Message::RevealRequest(lie.request(&proposal))
    });
    let evidence = lie.evidence(&proposal);
    lie.sum(&evidence);
    lie
}

/// Digests of what site 0 said, by kind of message.
fn said(lie: &Lie) -> BTreeMap<&'static str, BTreeSet<Digest>> {
    let mut said = BTreeMap::<_, BTreeSet<_>>::new();
    for message in &lie.nodes[0].said {
        said.entry(message.kind())
            .or_default()
            .insert(message.digest("said"));
    }
    said
}

#[test]
fn ruling_r07_a_node_killed_after_any_act_says_the_same_bytes_and_the_sum_is_made() {
    let calm = round(None);
    let acts = calm.nodes[0].acts.clone();
    let stored = ["seal", "record", "tell"];
    let due = [
        &stored[..],
        &["seal", "tell"],
        &["store"],
        &stored,
        &["upload"],
        &stored,
        &stored,
    ]
    .concat();
    assert_eq!(acts, due, "M2, M4, M6, M8, M10");
    for act in 1..=acts.len() {
        let lie = round(Some(act));
        let said = said(&lie);
        assert_eq!(said.len(), 5, "killed after act {act}: {:?}", said.keys());
        for (kind, digests) in said {
            assert_eq!(
                digests.len(),
                1,
                "killed after act {act}: two different `{kind}`"
            );
        }
        // Every fact is on record, whichever of vault and ledger the kill came between.
        let facts: BTreeSet<u8> = lie.nodes[0]
            .disk
            .facts()
            .iter()
            .map(|fact| fact[0])
            .collect();
        assert_eq!(
            facts,
            BTreeSet::from([1, 2, 3, 4]),
            "killed after act {act}"
        );
    }
}

#[test]
fn ruling_r07_a_node_killed_and_killed_again_at_every_step_stays_the_same() {
    let mut lie = Lie::with_sites(3);
    let plan = lie.draft(1);
    let signed = lie.begin(plan);
    let twice = |lie: &mut Lie, message: &dyn Fn(&Lie, usize) -> Message| {
        step(lie, message);
        for site in lie.all() {
            let before = lie.nodes[site].said.clone();
            let said = lie.restart(site);
            assert_eq!(before.last(), said.last());
            lie.restart(site);
        }
    };
    twice(&mut lie, &|_, _| Message::Plan(signed.clone()));
    twice(&mut lie, &|lie, _| Message::AdvertSet(lie.adverts()));
    twice(&mut lie, &|lie, site| Message::Delivery(lie.delivery(site)));
    let proposal = lie.proposal(&lie.all());
    twice(&mut lie, &|_, _| Message::Proposal(proposal.clone()));
    twice(&mut lie, &|lie, _| {
        Message::RevealRequest(lie.request(&proposal))
    });
    assert!(said(&lie).values().all(|digests| digests.len() == 1));
}

#[test]
fn ruling_r07_each_fact_stands_in_the_ledger_before_its_message_and_is_one() {
    let lie = round(None);
    let facts: Vec<Fact> = lie.nodes[0]
        .disk
        .facts()
        .iter()
        .map(|bytes| Fact::from_bytes(bytes).unwrap())
        .collect();
    let [
        Fact::Joined(joined),
        Fact::Masked(masked),
        Fact::Signed((ask, t3)),
        Fact::Spent(spent),
    ] = &facts[..]
    else {
        panic!("{facts:?}")
    };
    let plan = &lie.plan.as_ref().unwrap().plan;
    assert!(
        [joined.ask, masked.ask, *ask, spent.0]
            .iter()
            .all(|known| *known == plan.ask)
    );
    assert_eq!(
        (joined.plan, joined.attempt, masked.pin),
        (plan.root(), 1, plan.pin())
    );
    let node = lie.cast.node(0);
    assert_eq!(masked.upload_root, lie.heard.headers[&node].root.root);
    assert!(
        lie.heard
            .signed
            .iter()
            .any(|signed| signed.node == node && signed.t3 == *t3)
    );
}

#[test]
fn a_record_that_ends_an_attempt_with_an_unknown_code_is_not_followed() {
    let mut lie = Lie::with_sites(3);
    let plan = lie.draft(1);
    let signed = lie.begin(plan);
    let terms = Terms::new(signed, &lie.cast.roster).unwrap();
    let mut round = Round::open(terms, Moment { ms: 0 });
    let unheard_of = Entry::Abandoned("operator_is_tired".to_owned());
    let refusal = round.apply(unheard_of, &lie.cast.coordinator).unwrap_err();
    assert_eq!(refusal.code, Code::Internal);
    assert!(refusal.detail.contains("`operator_is_tired`"), "{refusal}");
    assert_eq!(round.phase(), PhaseName::Join, "nothing has ended");
}
