//! Sets that differ, are too small, or leave somebody out: A5, A9, A11, A19, and rulings R7 and R10
//! about sets.

use super::refused;
use motet_common::refusal::Code;
use motet_common::roster::{HubKeys, Roster, RosterError};
use motet_secagg::digest::Digest;
use motet_secagg::fold::{FoldError, fold_chunk};
use motet_secagg::mask::{Shape, Sign};
use motet_secagg::message::{AdvertSet, Kind, Message, RevealRequest, SetSign};
use motet_secagg::pair::{PairKeys, self_seed};
use motet_secagg::secret::{Secret, Seed};
use motet_secagg::threshold::{FEWEST_SITES, LARGEST_LINE_UP, Thresholds};
use motet_tests::attack::lie::Lie;

#[test]
fn attack_a05_two_sets_for_two_halves_find_no_quorum() {
    let mut lie = Lie::with_sites(10);
    lie.upload_all();
    let (one, other) = (
        lie.forked(&[0, 1, 2, 3, 4, 5, 6, 7]),
        lie.forked(&[1, 2, 3, 4, 5, 6, 7, 8]),
    );
    // The colluders 7, 8 and 9 sign both; five honest sites are not enough with them for either.
    lie.sign_these(&[0, 1, 2, 7], &one);
    lie.sign_these(&[3, 4, 5, 6, 8, 9], &other);
    let (first, second) = (lie.request(&one), lie.request(&other));
    refused(lie.reveal_to(0, &first), Code::TooFewSignatures);
    refused(lie.reveal_to(3, &second), Code::TooFewSignatures);
    // Signatures of both sets together are no quorum of one.
    let mixed = |t3, mut signatures: Vec<_>| {
        signatures.extend(first.signatures.iter().chain(&second.signatures).cloned());
        signatures.sort_by_key(|signed: &SetSign| signed.node);
        RevealRequest { t3, signatures }
    };
    refused(
        lie.reveal_to(0, &mixed(first.t3, Vec::new())),
        Code::TooFewSignatures,
    );
    // Nor is one signature that comes several times, nor one by a site that dealt nothing.
    let mut twice = first.clone();
    twice.signatures.extend(first.signatures.clone());
    refused(lie.reveal_to(0, &twice), Code::TooFewSignatures);
    twice.signatures.sort_by_key(|signed| signed.node);
    refused(lie.reveal_to(0, &twice), Code::TooFewSignatures);
}

#[test]
fn attack_a05_another_sites_name_under_ones_own_signature_does_not_count() {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let proposal = lie.proposal(&lie.all());
    lie.sign_these(&[0, 1], &proposal);
    let mut request = lie.request(&proposal);
    let mut forged = request.signatures[1].clone();
    forged.node = lie.cast.node(2);
    request.signatures.push(forged);
    refused(lie.reveal_to(0, &request), Code::TooFewSignatures);
}

#[test]
fn attack_a05_a_colluders_signature_over_another_set_does_not_count() {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let proposal = lie.proposal(&lie.all());
    lie.sign_these(&[0, 1], &proposal);
    let mut request = lie.request(&proposal);
    // Under the very log that the others signed, and with the colluder's own real key.
    let (point, site) = (proposal.commit.point, &lie.cast.sites[2]);
    let (other, cosignature) = (
        Digest::of("another set", &[]),
        point.cosign(&site.witness, 7),
    );
    request.signatures.push(SetSign::sign(
        other,
        point,
        site.node,
        &site.key,
        cosignature,
    ));
    refused(lie.reveal_to(0, &request), Code::TooFewSignatures);
}

#[test]
fn attack_a05_a_site_signs_one_set_an_attempt() {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let (one, other) = (lie.forked(&lie.all()), lie.forked(&[0, 1, 2]));
    lie.propose_to(0, &one).unwrap();
    refused(lie.propose_to(0, &other), Code::LogInconsistent);
    // The log does not save the liar: the same set under another root is another tuple.
    let ask = lie.plan.as_ref().unwrap().plan.ask;
    lie.log = lie.nodes[0].disk.log.log().clone();
    let abort = motet_common::log::Abort {
        ask,
        attempt: 1,
        code: "deadline".to_owned(),
    };
    lie.log(&motet_common::log::Leaf::Abort(abort));
    let other = lie.proposal(&[0, 1, 2]);
    refused(lie.propose_to(0, &other), Code::SetEquivocation);
    lie.nodes[0].restart(&lie.cast);
    refused(lie.propose_to(0, &other), Code::SetEquivocation);
}

#[test]
fn ruling_r07_two_different_messages_for_one_step_are_refused() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    // M3: the line-up without its last site, after the whole one.
    let mut adverts = lie.adverts();
    adverts.adverts.pop();
    refused(lie.tell(0, Message::AdvertSet(adverts)), Code::TwoMessages);
    // M5: the same with the dealers.
    lie.upload_these(&lie.all());
    let fewer = Message::Delivery(lie.delivery_of(0, &[0, 1, 2]));
    refused(lie.tell(0, fewer), Code::TwoMessages);
    // M7, after the first was signed.
    let (one, other) = (lie.proposal(&lie.all()), lie.roots(&[0, 1, 2]));
    lie.propose_to(0, &one).unwrap();
    let other = motet_secagg::message::Proposal {
        roots: other,
        ..one
    };
    refused(lie.propose_to(0, &other), Code::SetEquivocation);
}

#[test]
fn ruling_r07_two_lists_of_dealers_never_meet_in_one_set() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    let all = [0, 1, 2, 3];
    for (site, dealers) in [(0, &all[..]), (1, &all[..]), (2, &all[..3])] {
        let delivery = Message::Delivery(lie.delivery_of(site, dealers));
        lie.tell(site, delivery).unwrap();
    }
    // Site 2 signed its upload under another T2: no set of both can be proposed to anybody.
    let proposal = lie.forked(&[0, 1, 2]);
    refused(lie.propose_to(0, &proposal), Code::BadSignature);
    refused(lie.propose_to(2, &proposal), Code::RoundReplay);
}

#[test]
fn attack_a09_no_sum_has_fewer_than_three_sites() {
    const { assert!(FEWEST_SITES >= 3) }
    for sites in 0..=LARGEST_LINE_UP {
        for colluders in [0, 1, sites / 3] {
            if let Ok(numbers) = Thresholds::of(sites, sites, colluders, 0, 0) {
                assert!(
                    numbers.survivors >= 3,
                    "{sites} sites, {colluders} colluders"
                );
            }
        }
    }
    let lie = Lie::with_sites(3);
    let roster = &lie.cast.roster;
    let hub = HubKeys {
        signing: roster.coordinator,
        log: roster.log,
    };
    let two = Roster::new(
        &roster.study_id,
        1,
        hub,
        "sim",
        roster.entries[..2].to_vec(),
    );
    assert!(matches!(two, Err(RosterError::TooFew { count: 2 })));
}

#[test]
fn attack_a09_a_set_below_the_survivors_is_refused_at_every_step() {
    let mut lie = Lie::with_sites(10);
    lie.upload_all();
    let proposal = lie.proposal(&[0, 1, 2, 3, 4, 5]);
    refused(lie.propose_to(0, &proposal), Code::LineUpTooSmall);
    let mut lie = Lie::with_sites(10);
    lie.share_all();
    refused(
        lie.tell(
            0,
            Message::Delivery(lie.delivery_of(0, &[0, 1, 2, 3, 4, 5])),
        ),
        Code::LineUpTooSmall,
    );
    let mut lie = Lie::with_sites(10);
    lie.join_all();
    let adverts = lie.adverts().adverts[..6].to_vec();
    refused(
        lie.tell(
            0,
            Message::AdvertSet(AdvertSet {
                adverts,
                ..lie.adverts()
            }),
        ),
        Code::LineUpTooSmall,
    );
}

#[test]
fn attack_a19_an_aggregate_of_two_sites_does_not_exist() {
    let mut lie = Lie::with_sites(3);
    lie.upload_all();
    let proposal = lie.proposal(&[0, 1]);
    for site in lie.all() {
        refused(lie.propose_to(site, &proposal), Code::LineUpTooSmall);
    }
    // Not even where every number of the plan says so.
    let mut lie = Lie::with_sites(3);
    let mut plan = lie.draft(1);
    (plan.min_survivors, plan.min_start) = (2, 2);
    lie.begin(plan);
    refused(lie.join(0), Code::ThresholdTooLow);
}

/// Four sites; the last one uploads, and is left out of the sum.
fn left_out() -> (Lie, Shape, Digest) {
    let mut lie = Lie::with_sites(4);
    lie.upload_all();
    let plan = &lie.plan.as_ref().unwrap().plan;
    let shape = Shape {
        ring: plan.ring,
        words: plan.words,
        chunk_words: plan.chunk_words,
    };
    let t2 = lie.t2();
    (lie, shape, t2)
}

#[test]
fn attack_a11_a_late_upload_stays_closed_after_its_pair_secret_is_open() {
    let (mut lie, shape, t2) = left_out();
    let late = lie.chunks(3);
    let root = lie.root();
    let own = lie.nodes[3].kept(&root).unwrap().own;
    let proposal = lie.proposal(&[0, 1, 2]);
    lie.open_with(&[0, 1, 2], &proposal);
    let evidence = lie.evidence(&proposal);
    let opened = &evidence.opened[3];
    assert_eq!((opened.node, opened.kind), (lie.cast.node(3), Kind::Pair));
    // With the opened pair secret every mask it shares with others comes off ...
    let keys = PairKeys::derive(&Secret::new(opened.secret));
    let me = lie.cast.node(3);
    let removals = |own: Option<Seed>| -> Vec<(Sign, Seed)> {
        let peers = lie.ids(&[0, 1, 2]).into_iter().map(|peer| {
            let their = &lie.heard.adverts[&peer].advert.pair;
            // Site 3 has the highest id: its peers encapsulated.
            let sent = lie.delivered(peer, me).bundle.mask_ct;
            (
                Sign::of(me, peer).opposite(),
                keys.seed_as_upper(me, peer, their, &sent, &t2).unwrap(),
            )
        });
        peers.chain(own.map(|seed| (Sign::Minus, seed))).collect()
    };
    let payload: [&[u8]; 1] = [&late[0]];
    // ... and its own mask stays on: nothing can be read.
    assert_eq!(
        fold_chunk(&shape, 0, &payload, &removals(None), 1),
        Err(FoldError::Sentinel { chunk: 0 })
    );
    // (The test can fail: with the own secret, which nobody may open now, it reads.)
    fold_chunk(
        &shape,
        0,
        &payload,
        &removals(Some(self_seed(&own, &t2))),
        1,
    )
    .unwrap();
    refused(
        lie.reveal_to(
            0,
            &RevealRequest {
                t3: t2,
                signatures: Vec::new(),
            },
        ),
        Code::SetEquivocation,
    );
}

#[test]
fn ruling_r10_a_site_that_is_left_out_wipes_its_own_secrets_and_helps_the_others() {
    let (mut lie, _, _) = left_out();
    let root = lie.root();
    let kept = lie.nodes[3].kept(&root).unwrap();
    assert!(
        lie.nodes[3].keeps(&root, kept.own.expose())
            && lie.nodes[3].keeps(&root, kept.pair.expose())
    );
    assert!(lie.nodes[3].disk.masked(&root).is_some());
    let proposal = lie.proposal(&[0, 1, 2]);
    lie.sign_these(&[1, 2, 3], &proposal);
    assert!(lie.nodes[3].acts.contains(&"discard"));
    assert!(lie.nodes[3].disk.masked(&root).is_none());
    assert!(
        !lie.nodes[3].keeps(&root, kept.own.expose())
            && !lie.nodes[3].keeps(&root, kept.pair.expose())
    );
    assert!(!lie.nodes[1].acts.contains(&"discard"));
    // It signed, and opens its shares of the others, over a restart as well. What it says is no
    // upload any more.
    let said = lie.restart(3);
    assert!(
        said.iter()
            .all(|message| matches!(message, Message::SetSign(_)))
    );
    let request = lie.request(&proposal);
    for site in [1, 2, 3] {
        lie.reveal_to(site, &request).unwrap();
    }
    let evidence = lie.evidence(&proposal);
    lie.sum(&evidence);
}

#[test]
fn ruling_r10_after_the_opening_only_the_reply_is_kept() {
    let (mut lie, _, _) = left_out();
    let root = lie.root();
    let before = lie.nodes[0].kept(&root).unwrap();
    assert!(
        before.channel.is_none(),
        "gone since the shares were opened"
    );
    let held = before.held[1].own.expose();
    let proposal = lie.proposal(&lie.all());
    lie.open_with(&[0, 1, 2], &proposal);
    let pair = before.held[1].pair.expose();
    let keeps = |bytes: &[u8]| lie.nodes[0].keeps(&root, bytes);
    // The own-kind share stands in the reply; the other kind, and the own secrets, stand nowhere.
    assert!(keeps(held));
    assert!(!keeps(pair) && !keeps(before.own.expose()) && !keeps(before.pair.expose()));
}
