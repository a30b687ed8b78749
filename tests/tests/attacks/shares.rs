//! Shares in the wrong place, for the wrong holder, or of another secret: A14, A15, and rulings R4,
//! R11 and R12.

use super::refused;
use motet_common::log::Leaf;
use motet_common::refusal::Code;
use motet_common::round::PhaseName;
use motet_common::round::member::Kept;
use motet_secagg::digest::Digest;
use motet_secagg::encode::Canonical as _;
use motet_secagg::id::NodeId;
use motet_secagg::message::{Kind, Message, RevealReply};
use motet_secagg::pair::{commit, commit_share};
use motet_secagg::secret::Secret;
use motet_secagg::shamir::{ShamirError, Share, combine};
use motet_tests::attack::fair::last_leaf;
use motet_tests::attack::forge::Trick;
use motet_tests::attack::lie::Lie;

#[test]
fn attack_a14_a_share_has_a_place_of_its_own_and_never_place_zero() {
    let share = Share::copied(&[7; 32]);
    let put = |places: &[u8]| {
        combine(
            &places
                .iter()
                .map(|x| (*x, share.clone()))
                .collect::<Vec<_>>(),
        )
        .err()
    };
    assert_eq!(put(&[1, 0, 2]), Some(ShamirError::PlaceZero));
    assert_eq!(put(&[1, 2, 1]), Some(ShamirError::PlaceTwice { x: 1 }));
    assert_eq!(put(&[1, 2, 3]), None);
}

#[test]
fn attack_a14_a_reflected_or_redirected_bundle_is_refused() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    let (me, peer, third) = (lie.cast.node(0), lie.cast.node(1), lie.cast.node(2));
    let honest = lie.delivery(0);
    let mut reflected = honest.clone();
    reflected.bundles[0] = lie.delivered(me, peer);
    refused(
        lie.tell(0, Message::Delivery(reflected.clone())),
        Code::Malformed,
    );
    reflected.bundles[0].bundle.dealer = peer;
    refused(lie.tell(0, Message::Delivery(reflected)), Code::Malformed);
    let mut redirected = honest.clone();
    redirected.bundles[0] = lie.delivered(peer, third);
    refused(lie.tell(0, Message::Delivery(redirected)), Code::Malformed);
    let mut changed = honest.clone();
    changed.bundles[0].bundle.commit_own = changed.bundles[0].bundle.commit_pair;
    refused(lie.tell(0, Message::Delivery(changed)), Code::Malformed);
    let mut earlier = honest.clone();
    earlier.t1 = Digest::of("another attempt", &[]);
    refused(lie.tell(0, Message::Delivery(earlier)), Code::RoundReplay);
    let mut missing = honest.clone();
    missing.bundles.pop();
    refused(lie.tell(0, Message::Delivery(missing)), Code::Malformed);
    let mut unsigned = honest.clone();
    unsigned.roots[1].root.0[0] ^= 1;
    refused(lie.tell(0, Message::Delivery(unsigned)), Code::BadSignature);
    lie.tell(0, Message::Delivery(honest)).unwrap();
}

#[test]
fn ruling_r12_a_delivery_without_ones_own_shares_is_refused() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    refused(
        lie.tell(0, Message::Delivery(lie.delivery_of(0, &[1, 2, 3]))),
        Code::NotInLineUp,
    );
}

/// The last of four sites deals with a trick, and the first one receives it: what it says to that.
fn dealt(trick: impl FnOnce(&Lie) -> Trick) -> (Lie, Vec<Message>) {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    let trick = trick(&lie);
    lie.forge(3, trick);
    let delivery = Message::Delivery(lie.delivery(0));
    let said = lie.tell(0, delivery).unwrap();
    (lie, said)
}

/// A trick on one holder.
type OnHolder = fn(NodeId) -> Trick;

#[test]
fn attack_a15_a_bad_sealed_share_gives_a_signed_complaint_that_names_its_dealer() {
    let tricks: [(OnHolder, &str); 5] = [
        (Trick::BadPair, "share_commitment"),
        (Trick::BadOwn, "share_commitment"),
        (Trick::Closed, "share_open_failed"),
        // The share of the neighbour's place (A14): it says so inside, and is not taken.
        (Trick::Place, "share_open_failed"),
        // Sealed as it should, over a ciphertext that gives no mask.
        (Trick::Length, "share_open_failed"),
    ];
    for (trick, code) in tricks {
        let (lie, said) = dealt(|lie| trick(lie.cast.node(0)));
        let [Message::Complaint(complaint)] = &said[..] else {
            panic!("{code}: {} messages", said.len())
        };
        assert_eq!(
            (complaint.node, complaint.dealer),
            (lie.cast.node(0), lie.cast.node(3))
        );
        assert_eq!(complaint.code, code);
        assert!(complaint.is_signed_by(&lie.cast.sites[0].key.public()));
        // It masks nothing in this attempt any more, and says the same again.
        assert!(lie.nodes[0].disk.masked(&lie.root()).is_none());
    }
    let (_, said) = dealt(|lie| Trick::BadPair(lie.cast.node(1)));
    assert!(
        matches!(said[..], [Message::Header(_)]),
        "it is another holder's affair"
    );
}

#[test]
fn attack_a15_a_dealer_whose_ciphertext_has_another_length_has_not_dealt_and_nobody_else_is_lost() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    // From a lower id to a higher: the holder would find no mask after the others have masked for
    // it.
    let (dealer, holder) = (lie.cast.node(0), lie.cast.node(3));
    lie.forge(0, Trick::Length(holder));
    let ended = lie.fair(&[], &mut |_, message| Some(message));
    assert_eq!(ended.phase, Some(PhaseName::Released), "{:?}", ended.code);
    let Leaf::Release(release) = last_leaf(&lie.log) else {
        panic!("nothing is released")
    };
    let leaves = lie
        .log
        .leaves()
        .iter()
        .filter_map(|leaf| match Leaf::from_bytes(leaf).ok()? {
            Leaf::Commit(commit) if commit.t3 == release.t3 => Some(commit.set),
            _ => None,
        });
    let set: Vec<NodeId> = leaves.flatten().map(|(node, _)| node).collect();
    assert!(
        !set.contains(&dealer) && set.contains(&holder) && set.len() == 3,
        "{set:?}"
    );
}

#[test]
fn ruling_r11_a_complaint_ends_the_attempt_and_names_both() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    lie.forge(3, Trick::BadOwn(lie.cast.node(1)));
    let ended = lie.fair(&[], &mut |_, message| Some(message));
    assert_eq!(
        (ended.phase, ended.code),
        (Some(PhaseName::Abandoned), Some(Code::ShareCommitment))
    );
    let complaint = ended.complaint.unwrap();
    assert_eq!(
        (complaint.node, complaint.dealer),
        (lie.cast.node(1), lie.cast.node(3))
    );
    // Nothing was opened: it may be tried again.
    assert!(matches!(last_leaf(&lie.log), Leaf::Abort(abort) if abort.code == "share_commitment"));
}

#[test]
fn ruling_r04_commitments_of_the_two_kinds_do_not_stand_for_each_other() {
    let lie = Lie::with_sites(3);
    let (t1, share, node) = (Digest::of("t1", &[]), Share::copied(&[7; 32]), |site| {
        lie.cast.node(site)
    });
    let base = commit_share(Kind::Pair, &t1, node(0), node(1), 2, &share);
    for other in [
        commit_share(Kind::Own, &t1, node(0), node(1), 2, &share),
        commit_share(
            Kind::Pair,
            &Digest::of("t1'", &[]),
            node(0),
            node(1),
            2,
            &share,
        ),
        commit_share(Kind::Pair, &t1, node(1), node(0), 2, &share),
        commit_share(Kind::Pair, &t1, node(0), node(1), 3, &share),
        commit_share(
            Kind::Pair,
            &t1,
            node(0),
            node(1),
            2,
            &Share::copied(&[8; 32]),
        ),
    ] {
        assert_ne!(base, other);
    }
}

/// A round of four in which site 3 is lost and site 0 opens what `spoil` makes of its shares.
fn opened(spoil: impl Fn(&mut RevealReply, &Kept)) -> (Lie, motet_tests::attack::fair::Ended) {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    lie.upload_these(&[0, 1, 2]);
    let kept = lie.nodes[0].kept(&lie.root()).unwrap();
    let key = motet_secagg::sign::SecretKey::from_seed(*lie.cast.sites[0].key.seed());
    let ended = lie.fair(
        &[(3, PhaseName::Upload), (0, PhaseName::Released)],
        &mut |site, message| match message {
            Message::RevealReply(mut reply) if site == 0 => {
                spoil(&mut reply, &kept);
                let RevealReply {
                    t3, node, opened, ..
                } = reply;
                Some(Message::RevealReply(RevealReply::sign(
                    t3, node, opened, &key,
                )))
            }
            other => Some(other),
        },
    );
    (lie, ended)
}

fn flipped(share: &Share) -> Share {
    let mut bytes = *share.expose();
    bytes[5] ^= 1;
    Share::copied(&bytes)
}

#[test]
fn ruling_r04_one_corrupt_share_of_one_kind_names_exactly_its_revealer() {
    // Dealer 1 is in the sum, dealer 3 is lost: a share of either kind.
    for dealer in [1, 3] {
        let (lie, ended) =
            opened(|reply, _| reply.opened[dealer].share = flipped(&reply.opened[dealer].share));
        let (site, refusal) = &ended.refused[0];
        assert_eq!((*site, refusal.code), (0, Code::ShareCommitment));
        let (revealer, named) = (
            lie.cast.node(0).to_string(),
            lie.cast.node(dealer).to_string(),
        );
        assert!(
            refusal.detail.contains(&revealer) && refusal.detail.contains(&named),
            "{refusal}"
        );
        let others = [1, 2, 3].into_iter().filter(|other| *other != dealer);
        assert!(
            others
                .into_iter()
                .all(|other| !refusal.detail.contains(&lie.cast.node(other).to_string()))
        );
    }
}

#[test]
fn attack_a15_a_share_of_the_other_kind_or_for_another_set_is_refused() {
    let (_, ended) = opened(|reply, _| reply.opened[1].kind = Kind::Pair);
    assert_eq!(ended.refused[0].1.code, Code::ShareCommitment);
    // Its real share of that kind, which fits the dealer's commitment.
    let (_, ended) = opened(|reply, kept| {
        let share = &mut reply.opened[1];
        let held = kept
            .held
            .iter()
            .find(|held| held.dealer == share.dealer)
            .unwrap();
        (share.kind, share.share) = (Kind::Pair, held.pair.clone());
    });
    assert_eq!(ended.refused[0].1.code, Code::ShareCommitment);
    let (_, ended) = opened(|reply, _| reply.t3.0[0] ^= 1);
    assert_eq!(ended.refused[0].1.code, Code::SetEquivocation);
    let (_, ended) = opened(|reply, _| drop(reply.opened.pop()));
    assert_eq!(ended.refused[0].1.code, Code::Malformed);
    let (_, ended) = opened(|reply, _| reply.opened.swap(0, 1));
    assert_eq!(ended.refused[0].1.code, Code::Malformed);
}

#[test]
fn attack_a15_the_others_open_the_sum_without_the_liar() {
    let mut lie = Lie::with_sites(5);
    lie.share_all();
    lie.upload_these(&lie.all());
    let ended = lie.fair(&[], &mut |site, message| match message {
        Message::RevealReply(_) if site == 0 => None,
        other => Some(other),
    });
    assert_eq!(ended.phase, Some(PhaseName::Released));
}

/// A dealer whose shares give another secret than it committed to: the round is void, and the
/// dealer named.
fn void_by(lie: &mut Lie, lost: &[(usize, PhaseName)]) {
    let ended = lie.fair(lost, &mut |_, message| Some(message));
    assert_eq!(
        (ended.phase, ended.code),
        (Some(PhaseName::Abandoned), Some(Code::ReconstructFailed))
    );
    let ask = lie.plan.as_ref().unwrap().plan.ask;
    assert_eq!(last_leaf(&lie.log), Leaf::Void(ask));
}

#[test]
fn ruling_r11_a_dealer_whose_shares_give_another_secret_makes_the_round_void() {
    // Its own secret, where it is in the sum.
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    lie.forge(3, Trick::OtherOwn);
    void_by(&mut lie, &[]);
    // Its pair secret, where it is lost.
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    lie.forge(3, Trick::OtherPair);
    void_by(&mut lie, &[(3, PhaseName::Upload)]);
}

#[test]
fn ruling_r11_a_dealer_whose_secret_does_not_give_its_keys_makes_the_round_void() {
    let mut lie = Lie::with_sites(4);
    lie.join_all();
    // It adverts one key pair and commits to the secret of another, which it then deals.
    let (root, node) = (lie.root(), lie.cast.node(3));
    let other = Secret::new([9; 32]);
    let mut signed = lie.heard.adverts[&node].advert.clone();
    signed.commit_pair = commit(Kind::Pair, &root, node, &other);
    let signed = signed.sign(&lie.cast.sites[3].key);
    lie.heard.adverts.insert(node, signed.clone());
    lie.nodes[3].tamper(&lie.cast, |kept| {
        kept.pair = Secret::new([9; 32]);
        kept.advert = Some(signed);
    });
    lie.share_these(&lie.all());
    void_by(&mut lie, &[(3, PhaseName::Upload)]);
}

#[test]
fn ruling_r11_a_lost_dealers_wrong_ciphertext_makes_the_round_void() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    // The first site is the lower one of all its pairs: it encapsulates.
    lie.forge(0, Trick::Ciphertext(lie.cast.node(2)));
    void_by(&mut lie, &[(0, PhaseName::Upload)]);
}

#[test]
fn ruling_r11_the_dealer_is_named_in_the_evidence() {
    let mut lie = Lie::with_sites(4);
    lie.share_all();
    lie.forge(0, Trick::Ciphertext(lie.cast.node(2)));
    lie.upload_these(&[1, 2, 3]);
    let proposal = lie.proposal(&[1, 2, 3]);
    lie.open_with(&[1, 2, 3], &proposal);
    let bad = lie.evidence(&proposal).removals().err().unwrap();
    assert!(
        bad.to_string().contains(&lie.cast.node(0).to_string()),
        "{bad}"
    );
}
