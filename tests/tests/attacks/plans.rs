//! Keys, plans and questions that are not what they should be: A1, A2, A3, A6, and rulings R2 and
//! R12 about plans.

use super::refused;
use motet_common::refusal::Code;
use motet_common::roster::{Entry, HubKeys, Roster, RosterError, SiteKeys};
use motet_secagg::digest::Digest;
use motet_secagg::layout::Ring;
use motet_secagg::message::{Advert, AdvertSet, Message, Plan, SignedAdvert};
use motet_secagg::sign::SecretKey;
use motet_secagg::threshold::Thresholds;
use motet_tests::attack::lie::Lie;

/// Everybody has joined; the adverts as a test changes those of one site, shown to another.
fn shown(
    change: impl FnOnce(&Lie, &mut AdvertSet),
) -> Result<Vec<Message>, motet_common::refusal::Refusal> {
    let mut lie = Lie::with_sites(4);
    lie.join_all();
    let mut set = lie.adverts();
    change(&lie, &mut set);
    lie.tell(0, Message::AdvertSet(set))
}

/// The advert of a place, changed and signed with its site's own key.
fn resigned(lie: &Lie, signed: &SignedAdvert, change: impl FnOnce(&mut Advert)) -> SignedAdvert {
    let mut advert = signed.advert.clone();
    change(&mut advert);
    let site = lie.cast.place(advert.node);
    advert.sign(&lie.cast.sites[site].key)
}

#[test]
fn attack_a01_a_key_that_its_site_did_not_sign_is_refused() {
    let other = |set: &AdvertSet| set.adverts[3].advert.pair.clone();
    let swapped = shown(|_, set| set.adverts[2].advert.pair = other(set));
    refused(swapped, Code::BadSignature);
    let by_the_coordinator = shown(|lie, set| {
        let mut advert = set.adverts[2].advert.clone();
        advert.channel = set.adverts[3].advert.channel.clone();
        set.adverts[2] = advert.sign(&lie.cast.coordinator);
    });
    refused(by_the_coordinator, Code::BadSignature);
}

#[test]
fn attack_a01_a_sites_own_advert_is_there_and_unchanged() {
    refused(
        shown(|_, set| drop(set.adverts.remove(0))),
        Code::OwnAdvertAltered,
    );
    let earlier =
        shown(|lie, set| set.adverts[0] = resigned(lie, &set.adverts[0], |own| own.nonce[0] ^= 1));
    refused(earlier, Code::OwnAdvertAltered);
}

#[test]
fn attack_a01_a_roster_that_no_steward_approved_is_refused() {
    let mut lie = Lie::with_sites(4);
    let mut roster = lie.cast.roster.clone();
    roster.entries[3].identity = SecretKey::from_seed([9; 32]).public();
    let plan = Plan {
        roster: roster.digest(),
        ..lie.draft(1)
    };
    lie.begin(plan);
    refused(lie.join(0), Code::RosterMismatch);
}

#[test]
fn attack_a02_one_site_is_shown_another_model_and_refuses_it() {
    let mut lie = Lie::with_sites(4);
    lie.join_these_to(1, &[0, 1, 2]);
    let crafted = Digest::of("crafted", &[]);
    let ask = Plan::ask_key(&lie.draft(1).study, &lie.cast.recipe(), &crafted);
    let plan = Plan {
        state_root: crafted,
        ask,
        ..lie.draft(1)
    };
    lie.begin(plan);
    refused(lie.join(3), Code::StateRootMismatch);
}

#[test]
fn attack_a02_two_plans_for_one_attempt_never_share_a_line_up() {
    let mut lie = Lie::with_sites(4);
    lie.join_these_to(1, &[0, 1]);
    let (first, adverts) = (lie.root(), lie.heard.adverts.clone());
    lie.join_these_to(1, &[2, 3]);
    assert_ne!(first, lie.root());
    lie.heard.adverts.extend(adverts);
    // Whichever plan the set claims, two of its adverts are for the other one.
    refused(
        lie.tell(2, Message::AdvertSet(lie.adverts())),
        Code::BadSignature,
    );
    let set = AdvertSet {
        plan: first,
        ..lie.adverts()
    };
    refused(
        lie.tell(2, Message::AdvertSet(set.clone())),
        Code::RoundReplay,
    );
    refused(lie.tell(0, Message::AdvertSet(set)), Code::BadSignature);
}

#[test]
fn attack_a03_a_crafted_model_is_refused_by_everybody_it_is_shown_to() {
    let mut lie = Lie::with_sites(3);
    lie.whole_round();
    // The state does not follow from the release, whatever the coordinator signs about it.
    lie.state = Digest::of("crafted", &[]);
    let plan = lie.draft(1);
    lie.begin(plan);
    for site in lie.all() {
        refused(lie.join(site), Code::StateRootMismatch);
    }
    // The question of the right state, answered in a layout that singles out what it likes.
    lie.state = lie.nodes[0].disk.state;
    let plan = Plan {
        layout: Digest::of("crafted", &[]),
        ..lie.draft(1)
    };
    lie.begin(plan);
    refused(lie.join(0), Code::PlanRejected);
}

#[test]
fn attack_a06_a_plan_that_leaves_the_latest_release_out_is_refused() {
    let mut lie = Lie::with_sites(3);
    lie.whole_round();
    let opening = (lie.log.hash(0).unwrap(), lie.log.inclusion(0));
    let plan = Plan {
        previous_leaf: opening.0,
        previous_index: 0,
        previous_proof: opening.1,
        ..lie.draft(1)
    };
    lie.begin(plan);
    refused(lie.join(0), Code::LogInconsistent);
}

#[test]
fn attack_a03_a_release_that_announces_another_state_leads_nowhere() {
    let mut lie = Lie::with_sites(3);
    lie.upload_all();
    let all = lie.all();
    let proposal = lie.proposal(&all);
    lie.open_with(&all, &proposal);
    let evidence = lie.evidence(&proposal);
    let sum = lie.sum(&evidence);
    let mut released = lie.released(&evidence, &sum);
    released.state_root = Digest::of("crafted", &[]);
    let released = released.signed(&lie.cast.coordinator);
    let before = lie.nodes[0].disk.state;
    refused(lie.tell(0, Message::Released(released)), Code::SetNotLogged);
    assert_eq!(lie.nodes[0].disk.state, before);
    assert!(lie.checked.is_empty());
}

#[test]
fn attack_a06_a_plan_that_was_joined_is_joined_once() {
    let mut lie = Lie::with_sites(4);
    let plan = lie.draft(2);
    lie.begin(plan);
    lie.join(0).unwrap();
    // The same bytes get the same bytes; another plan of this attempt, or an older one, gets
    // nothing.
    let first = lie.heard.adverts.clone();
    lie.join(0).unwrap();
    assert_eq!(first, lie.heard.adverts);
    for attempt in [2, 1, 0] {
        let plan = lie.draft(attempt);
        lie.begin(plan);
        refused(lie.join(0), Code::RoundReplay);
        lie.nodes[0].restart(&lie.cast);
        refused(lie.join(0), Code::RoundReplay);
    }
}

#[test]
fn attack_a06_a_plan_is_not_joined_again_after_its_secrets_are_gone() {
    let mut lie = Lie::with_sites(4);
    lie.join_all();
    let (plan, code) = (lie.root(), "abandoned".to_owned());
    lie.tell(
        0,
        Message::Abandoned(motet_secagg::message::Abandoned { plan, code }),
    )
    .unwrap();
    refused(lie.join(0), Code::RoundReplay);
    lie.nodes[0].restart(&lie.cast);
    refused(lie.join(0), Code::RoundReplay);
}

#[test]
fn attack_a06_a_released_rounds_plan_comes_again_in_vain() {
    let mut lie = Lie::with_sites(3);
    lie.whole_round();
    refused(lie.join(0), Code::StateRootMismatch);
    lie.nodes[0].restart(&lie.cast);
    refused(lie.join(0), Code::StateRootMismatch);
}

/// What a plan may not say, as a change of an honest one.
type Change = (&'static str, fn(&mut Plan), Code);

const WRONG: &[Change] = &[
    ("version", |plan| plan.version += 1, Code::VersionUnknown),
    ("suite", |plan| plan.suite += 1, Code::VersionUnknown),
    ("prg", |plan| plan.prg += 1, Code::VersionUnknown),
    ("study", |plan| plan.study.push('x'), Code::PlanRejected),
    (
        "study digest",
        |plan| plan.study_digest.0[0] ^= 1,
        Code::PlanRejected,
    ),
    ("roster", |plan| plan.roster.0[0] ^= 1, Code::RosterMismatch),
    ("recipe", |plan| plan.recipe.0[0] ^= 1, Code::PlanRejected),
    ("ask", |plan| plan.ask.0[0] ^= 1, Code::PlanRejected),
    (
        "state",
        |plan| plan.state_root.0[0] ^= 1,
        Code::StateRootMismatch,
    ),
    (
        "previous leaf",
        |plan| plan.previous_leaf.0[0] ^= 1,
        Code::LogInconsistent,
    ),
    (
        "previous index",
        |plan| plan.previous_index += 1,
        Code::LogInconsistent,
    ),
    (
        "previous proof",
        |plan| plan.previous_proof.push(plan.nonce_as_digest()),
        Code::LogInconsistent,
    ),
    ("ring", |plan| plan.ring = Ring::Bits24, Code::PlanRejected),
    ("words", |plan| plan.words += 1, Code::PlanRejected),
    (
        "chunk words",
        |plan| plan.chunk_words += 1,
        Code::PlanRejected,
    ),
    ("layout", |plan| plan.layout.0[0] ^= 1, Code::PlanRejected),
    (
        "largest weight",
        |plan| plan.weight_max += 1,
        Code::PlanRejected,
    ),
    (
        "order of candidates",
        |plan| plan.candidates.swap(0, 1),
        Code::PlanRejected,
    ),
    (
        "a candidate twice",
        |plan| plan.candidates[0] = plan.candidates[1],
        Code::PlanRejected,
    ),
    (
        "a stranger",
        |plan| plan.candidates[0].0 = [0; 16],
        Code::NotInRoster,
    ),
    (
        "fewer colluders",
        |plan| plan.colluders -= 1,
        Code::ThresholdTooLow,
    ),
    (
        "fewer openers",
        |plan| plan.threshold -= 1,
        Code::ThresholdTooLow,
    ),
    (
        "more openers",
        |plan| plan.threshold += 1,
        Code::ThresholdTooLow,
    ),
    (
        "fewer survivors",
        |plan| plan.min_survivors -= 1,
        Code::ThresholdTooLow,
    ),
    (
        "an early start",
        |plan| plan.min_start -= 1,
        Code::ThresholdTooLow,
    ),
    (
        "an unsigned checkpoint",
        |plan| plan.checkpoint.clear(),
        Code::BadSignature,
    ),
];

trait Nonce {
    fn nonce_as_digest(&self) -> Digest;
}

impl Nonce for Plan {
    fn nonce_as_digest(&self) -> Digest {
        Digest(self.nonce)
    }
}

#[test]
fn ruling_r12_a_plan_that_differs_in_any_term_is_refused() {
    for (what, change, code) in WRONG {
        let mut lie = Lie::with_sites(7);
        let mut plan = lie.draft(1);
        change(&mut plan);
        lie.begin(plan);
        let refusal = lie.join(6).expect_err(what);
        assert_eq!(refusal.code, *code, "{what}: {refusal}");
    }
    let mut lie = Lie::with_sites(7);
    let plan = lie.draft_of(1, &[1, 2, 3, 4, 5, 6]);
    lie.begin(plan);
    refused(lie.join(0), Code::NotInLineUp);
    lie.plan.as_mut().unwrap().plan.nonce[0] ^= 1;
    refused(lie.join(1), Code::BadSignature);
}

#[test]
fn ruling_r02_colluders_count_absolutely_in_a_smaller_line_up() {
    let mut lie = Lie::with_sites(10);
    // Seven of ten with the three colluders of the ten: all must stay. Six are too few for any sum.
    let plan = lie.draft_of(1, &[0, 1, 2, 3, 7, 8, 9]);
    assert_eq!(
        (plan.colluders, plan.threshold, plan.min_survivors),
        (3, 7, 7)
    );
    let six = Plan {
        candidates: lie.ids(&[0, 1, 2, 7, 8, 9]),
        min_start: 6,
        min_survivors: 6,
        ..plan.clone()
    };
    lie.begin(six.clone());
    refused(lie.join(0), Code::LineUpTooSmall);
    lie.begin(Plan {
        colluders: 1,
        threshold: 4,
        min_survivors: 4,
        min_start: 4,
        ..six
    });
    refused(lie.join(0), Code::ThresholdTooLow);
    lie.begin(plan);
    lie.join(0).unwrap();
    // A plan may reckon with more colluders, and then needs more.
    let numbers = Thresholds::of(10, 10, 4, 3, 3).unwrap();
    let more = Plan {
        colluders: 4,
        threshold: numbers.threshold as u16,
        ..lie.draft(1)
    };
    let survivors = numbers.survivors as u16;
    lie.begin(Plan {
        min_survivors: survivors,
        min_start: survivors,
        ..more
    });
    lie.join(1).unwrap();
}

#[test]
fn ruling_r12_a_key_stands_for_one_thing_in_a_roster() {
    let lie = Lie::with_sites(4);
    let roster = &lie.cast.roster;
    let hub = HubKeys {
        signing: roster.coordinator,
        log: roster.log,
    };
    let made = |entries: Vec<Entry>| Roster::new(&roster.study_id, 1, hub, "sim", entries);
    made(roster.entries.clone()).unwrap();
    let twice = |change: &dyn Fn(&mut SiteKeys)| {
        let Entry {
            identity,
            steward,
            witness,
            ..
        } = roster.entries[0];
        let mut keys = SiteKeys {
            identity,
            steward,
            witness,
        };
        change(&mut keys);
        let mut entries = roster.entries.clone();
        entries[0] = Entry::new("site-0", "NL", keys);
        made(entries).unwrap_err()
    };
    let other = &roster.entries[1];
    for error in [
        twice(&|keys| keys.witness = other.witness),
        twice(&|keys| keys.steward = other.steward),
        twice(&|keys| keys.witness = keys.identity),
        twice(&|keys| keys.identity = roster.coordinator),
        twice(&|keys| keys.witness = roster.log),
    ] {
        assert!(matches!(error, RosterError::KeyTwice { .. }), "{error}");
    }
    let weak = twice(&|keys| keys.identity.0 = [0; 32]);
    assert!(matches!(weak, RosterError::WeakKey { .. }), "{weak}");
}

#[test]
fn ruling_r12_the_same_keys_under_two_site_ids_are_refused() {
    let pair = |lie: &Lie, set: &mut AdvertSet| {
        let pair = set.adverts[3].advert.pair.clone();
        set.adverts[2] = resigned(lie, &set.adverts[2], |advert| advert.pair = pair);
    };
    refused(shown(pair), Code::DuplicateKey);
    let channel = |lie: &Lie, set: &mut AdvertSet| {
        let channel = set.adverts[3].advert.channel.clone();
        set.adverts[2] = resigned(lie, &set.adverts[2], |advert| advert.channel = channel);
    };
    refused(shown(channel), Code::DuplicateKey);
    refused(
        shown(|_, set| set.adverts[2] = set.adverts[3].clone()),
        Code::PlanRejected,
    );
}

#[test]
fn ruling_r11_a_malformed_key_is_refused_and_its_node_named() {
    let weak = |lie: &Lie, set: &mut AdvertSet| {
        set.adverts[2] = resigned(lie, &set.adverts[2], |advert| {
            advert.pair.mlkem.truncate(100)
        });
    };
    let refusal = refused(shown(weak), Code::Malformed);
    let named = Lie::with_sites(4).cast.node(2).to_string();
    assert!(refusal.detail.contains(&named), "{refusal}");
}
