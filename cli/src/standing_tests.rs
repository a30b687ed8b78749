//! What a listed member is worth, with real keys and kept secrets.

use super::*;
use motet_secagg::digest::to_hex;
use motet_secagg::sign::SecretKey;

const ENDS: u64 = 1_000;
const NOW: u64 = 10;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn governance() -> Digest {
    key(99).public().fingerprint()
}

/// An enrolment with the keys of three seeds.
fn enrolment(name: &str, seed: u8) -> Enrolment {
    Enrolment {
        invite: [seed; 16],
        name: name.into(),
        country: "FR".into(),
        role: Role::Site,
        identity: key(seed).public(),
        steward: Some(key(seed + 1).public()),
        witness: Some(key(seed + 2).public()),
        csr_key_digest: Digest::of("csr", &[&[seed]]),
        governance_fingerprint: governance(),
    }
}

/// What the coordinator says of it, with a proof under the secret `[7; 32]` and signatures of the
/// keys of `seed`.
fn member(enrolment: &Enrolment, seed: u8) -> v1::Member {
    v1::Member {
        name: enrolment.name.clone(),
        country: "FR".into(),
        role: v1::MemberRole::Site.into(),
        state: MemberState::Joined.into(),
        invite: enrolment.invite.to_vec(),
        proof: enrolment.prove(&[7; 32]).to_vec(),
        possession: enrolment
            .sign(&key(seed), Some(&key(seed + 1)), Some(&key(seed + 2)))
            .to_bytes(),
        enrolment: enrolment.to_bytes(),
        connected: true,
        in_two_places: false,
        stopped: false,
        until_ms: 0,
    }
}

/// Members of whom none was removed here.
fn here<const N: usize>(members: [v1::Member; N]) -> Vec<Listed> {
    members
        .map(|member| Listed {
            member,
            is_gone: false,
        })
        .into()
}

#[test]
fn a_twin_is_settled_by_whoever_of_the_two_was_removed_here_and_by_no_other() {
    let lyon = enrolment("lyon", 2);
    let twin = Enrolment {
        name: "nice".into(),
        invite: [9; 16],
        ..lyon.clone()
    };
    for gone in [None, Some(0), Some(1), Some(2)] {
        let mut listed = here([
            member(&lyon, 2),
            member(&twin, 2),
            member(&enrolment("pau", 12), 12),
        ]);
        if let Some(gone) = gone {
            listed[gone].is_gone = true;
        }
        let settled = matches!(gone, Some(0 | 1));
        let seen = twins(&listed);
        assert!(
            seen[0]
                .iter()
                .chain(&seen[1])
                .all(|twin| twin.settled == settled),
            "{gone:?}"
        );
        assert_eq!(
            (seen[0].is_empty(), seen[1].is_empty(), seen[2].is_empty()),
            (false, false, true)
        );
    }
}

fn scene() -> (v1::Member, Kept, Digest) {
    let kept = Kept::new("lyon", "FR", Role::Site, Some(&[7; 32]), ENDS);
    (member(&enrolment("lyon", 2), 2), kept, governance())
}

#[test]
fn keys_from_the_holder_of_the_code_are_verified() {
    let (member, kept, governance) = scene();
    assert!(matches!(
        judge(&member, Some(&kept), &governance, NOW),
        Standing::Verified(_)
    ));
    assert!(
        twins(&here([
            member,
            super::tests::member(&enrolment("nice", 12), 12)
        ]))
        .iter()
        .all(Vec::is_empty)
    );
}

#[test]
fn a_coordinator_that_invents_or_renames_a_hospital_is_seen() {
    let (member, kept, governance) = scene();
    let forged = v1::Member {
        proof: vec![0; 32],
        ..member.clone()
    };
    assert!(matches!(
        judge(&forged, Some(&kept), &governance, NOW),
        Standing::Wrong(_)
    ));
    let other = Enrolment {
        identity: key(5).public(),
        ..Enrolment::from_bytes(&member.enrolment).unwrap()
    };
    let swapped = v1::Member {
        possession: other.sign(&key(5), Some(&key(3)), Some(&key(4))).to_bytes(),
        enrolment: other.to_bytes(),
        ..member.clone()
    };
    assert!(matches!(
        judge(&swapped, Some(&kept), &governance, NOW),
        Standing::Wrong(_)
    ));
    let renamed = v1::Member {
        name: "nice".into(),
        ..member.clone()
    };
    assert!(matches!(
        judge(&renamed, Some(&kept), &governance, NOW),
        Standing::Wrong(_)
    ));
    let moved = Kept {
        country: "DE".into(),
        ..scene().1
    };
    assert!(matches!(
        judge(&member, Some(&moved), &governance, NOW),
        Standing::Wrong(_)
    ));
    let elsewhere = Digest::of("another", &[]);
    assert!(matches!(
        judge(&member, Some(&kept), &elsewhere, NOW),
        Standing::Wrong(_)
    ));
}

#[test]
fn a_key_that_did_not_sign_its_enrolment_is_wrong_whatever_the_coordinator_let_pass() {
    let (_, kept, governance) = scene();
    let victim = key(42).public();
    let honest = enrolment("lyon", 2);
    for borrowed in [
        Enrolment {
            identity: victim,
            ..honest.clone()
        },
        Enrolment {
            steward: Some(victim),
            ..honest.clone()
        },
        Enrolment {
            witness: Some(victim),
            ..honest
        },
    ] {
        // The proof under the join secret holds: its holder sent this. The keys of seed 2 are all
        // he has.
        let standing = judge(&member(&borrowed, 2), Some(&kept), &governance, NOW);
        let Standing::Wrong(why) = standing else {
            panic!("{standing:?}")
        };
        assert!(why.contains("did not sign this enrolment"), "{why}");
    }
}

#[test]
fn a_twin_that_a_coordinator_invents_is_an_alarm_on_both() {
    let lyon = enrolment("lyon", 2);
    let twin = Enrolment {
        name: "nice".into(),
        invite: [9; 16],
        identity: lyon.identity,
        ..enrolment("nice", 12)
    };
    let crossed = Enrolment {
        name: "pau".into(),
        invite: [8; 16],
        steward: lyon.witness,
        ..enrolment("pau", 22)
    };
    let removed = v1::Member {
        state: MemberState::Removed.into(),
        ..member(&twin, 12)
    };
    let waiting = v1::Member {
        name: "metz".into(),
        state: MemberState::Invited.into(),
        ..v1::Member::default()
    };
    let seen = twins(&here([
        member(&lyon, 2),
        removed,
        member(&crossed, 22),
        waiting,
    ]));
    let twin = |purpose, with: &str, theirs| Twin {
        purpose,
        with: with.into(),
        theirs,
        settled: false,
    };
    let mut lyons = seen[0].clone();
    lyons.sort_by_key(|twin| twin.with.clone());
    assert_eq!(
        lyons,
        [
            twin(Purpose::Identity, "nice", Purpose::Identity),
            twin(Purpose::Witness, "pau", Purpose::Steward)
        ]
    );
    assert_eq!(
        seen[1],
        [twin(Purpose::Identity, "lyon", Purpose::Identity)]
    );
    assert_eq!(seen[2], [twin(Purpose::Steward, "lyon", Purpose::Witness)]);
    assert_eq!(seen[3], []);
}

#[test]
fn without_the_secret_nothing_is_called_verified() {
    let (member, _, governance) = scene();
    assert_eq!(judge(&member, None, &governance, NOW), Standing::Unchecked);
    let removed = v1::Member {
        state: MemberState::Removed.into(),
        ..member
    };
    assert_eq!(judge(&removed, None, &governance, NOW), Standing::Removed);
}

/// An operator's folder in which `lyon` was invited.
fn folder(kept: &Kept) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    kept.keep(folder.path(), &[2; 16]).unwrap();
    folder
}

fn standing(folder: &Path, member: &v1::Member, now: u64) -> Standing {
    judged(folder, vec![member.clone()], &governance(), now)
        .unwrap()
        .remove(0)
        .standing
}

fn words(folder: &Path) -> String {
    std::fs::read_to_string(
        folder
            .join("invites")
            .join(format!("{}.toml", to_hex(&[2; 16]))),
    )
    .unwrap()
}

#[test]
fn a_code_that_is_found_after_its_use_brings_nobody_in() {
    let (honest, kept, _) = scene();
    let folder = folder(&kept);
    assert!(matches!(
        standing(folder.path(), &honest, NOW),
        Standing::Verified(_)
    ));
    let text = words(folder.path());
    assert!(
        !text.contains(&to_hex(&[7; 32])) && text.contains("enrolled ="),
        "the secret is gone: {text}"
    );
    // The finder and the coordinator: other keys, the same secret, the same invitation.
    let forged = member(
        &Enrolment {
            invite: [2; 16],
            ..enrolment("lyon", 50)
        },
        50,
    );
    for now in [NOW, ENDS + 1] {
        let Standing::Wrong(why) = standing(folder.path(), &forged, now) else {
            panic!("it was let in")
        };
        assert!(why.contains("another enrolment was verified"), "{why}");
        assert!(
            matches!(standing(folder.path(), &honest, now), Standing::Verified(_)),
            "it stays"
        );
    }
}

#[test]
fn nobody_counts_beside_another_who_was_verified_under_the_name() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [2, 12] {
        let kept = Kept::new(
            if seed == 2 { "lyon" } else { "LYON" },
            "FR",
            Role::Site,
            Some(&[7; 32]),
            ENDS,
        );
        kept.keep(folder.path(), &[seed; 16]).unwrap();
    }
    // Both by codes of this folder: a second one was made, the first was found, and an older ledger
    // knows the first alone.
    let (second, first) = (
        member(&enrolment("LYON", 12), 12),
        member(&enrolment("lyon", 2), 2),
    );
    assert!(matches!(
        standing(folder.path(), &second, NOW),
        Standing::Verified(_)
    ));
    let Standing::Wrong(why) = standing(folder.path(), &first, NOW) else {
        panic!("it was let in")
    };
    assert_eq!(why, RIVAL);
    assert!(
        words(folder.path()).contains("secret ="),
        "it was not fixed"
    );
    let both = judged(
        folder.path(),
        vec![first.clone(), second],
        &governance(),
        NOW,
    )
    .unwrap();
    assert!(matches!(
        (&both[0].standing, &both[1].standing),
        (Standing::Wrong(_), Standing::Verified(_))
    ));
    // Once the other is removed here, the name is free.
    Kept::record_removal(folder.path(), &enrolment("LYON", 12), b"signed", NOW).unwrap();
    assert!(matches!(
        standing(folder.path(), &first, NOW),
        Standing::Verified(_)
    ));
}

#[test]
fn an_enrolment_that_is_first_seen_after_its_invitation_ended_is_wrong() {
    let (honest, kept, _) = scene();
    let folder = folder(&kept);
    let Standing::Wrong(why) = standing(folder.path(), &honest, ENDS) else {
        panic!("it was let in")
    };
    assert!(why.contains("late"), "{why}");
    assert!(matches!(
        standing(folder.path(), &honest, ENDS - 1),
        Standing::Verified(_)
    ));
}

#[test]
fn who_was_removed_here_is_never_verified_whatever_the_coordinator_says() {
    let (honest, kept, _) = scene();
    let nobody = tempfile::tempdir().unwrap();
    // Before and after the first sight, and in the folder of an operator who did not invite it.
    let (unseen, seen) = (folder(&kept), folder(&kept));
    standing(seen.path(), &honest, NOW);
    for folder in [&unseen, &seen, &nobody] {
        Kept::record_removal(folder.path(), &enrolment("lyon", 2), b"signed", NOW).unwrap();
        assert_eq!(standing(folder.path(), &honest, NOW), Standing::Returned);
        let told = v1::Member {
            state: MemberState::Removed.into(),
            ..honest.clone()
        };
        assert_eq!(standing(folder.path(), &told, NOW), Standing::Removed);
        assert!(!words(folder.path()).contains(&to_hex(&[7; 32])));
        assert_eq!(
            Kept::of(folder.path(), &[2; 16])
                .unwrap()
                .unwrap()
                .removal()
                .unwrap(),
            b"signed"
        );
    }
}

#[test]
fn a_forged_twin_that_was_removed_here_is_no_alarm_any_more() {
    let (honest, kept, _) = scene();
    let folder = folder(&kept);
    let forged = Enrolment {
        invite: [9; 16],
        identity: key(2).public(),
        ..enrolment("evil", 12)
    };
    let both = vec![honest, member(&forged, 12)];
    let alarms = |known: &[Known]| {
        known
            .iter()
            .map(|known| known.alarms().len())
            .collect::<Vec<_>>()
    };
    let before = judged(folder.path(), both.clone(), &governance(), NOW).unwrap();
    assert_eq!(alarms(&before), [1, 1]);
    Kept::record_removal(folder.path(), &forged, b"signed", NOW).unwrap();
    let after = judged(folder.path(), both, &governance(), NOW).unwrap();
    assert_eq!(alarms(&after), [0, 0]);
    assert!(matches!(after[0].standing, Standing::Verified(_)));
    assert_eq!(after[1].standing, Standing::Returned);
}

/// A folder in which these were verified.
fn verified_in(fixed: &[&Enrolment]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for enrolment in fixed {
        let mut kept = Kept::new(&enrolment.name, "FR", Role::Site, Some(&[7; 32]), ENDS);
        kept.fix(enrolment);
        kept.keep(folder.path(), &enrolment.invite).unwrap();
    }
    folder
}

#[test]
fn a_verified_hospital_that_the_coordinator_does_not_show_is_named_whatever_it_shows_in_its_place()
{
    let (lyon, pau) = (enrolment("lyon", 2), enrolment("pau", 12));
    let folder = verified_in(&[&lyon, &pau]);
    let whole = judged(
        folder.path(),
        vec![member(&lyon, 2), member(&pau, 12)],
        &governance(),
        NOW,
    )
    .unwrap();
    assert_eq!(hidden(folder.path(), &whole).unwrap(), Vec::<String>::new());
    let told = |state: MemberState| v1::Member {
        state: state.into(),
        ..member(&pau, 12)
    };
    let person = v1::Member {
        role: v1::MemberRole::Researcher.into(),
        ..member(&pau, 12)
    };
    for shown in [
        None,
        Some(told(MemberState::Removed)),
        Some(told(MemberState::Invited)),
        Some(told(MemberState::Expired)),
        Some(person),
    ] {
        let members = shown.into_iter().chain([member(&lyon, 2)]).collect();
        let known = judged(folder.path(), members, &governance(), NOW).unwrap();
        assert_eq!(hidden(folder.path(), &known).unwrap(), ["pau"]);
    }
}

#[test]
fn nobody_comes_back_with_the_keys_of_whoever_was_verified_before() {
    let lyon = enrolment("lyon", 2);
    let folder = verified_in(&[&lyon]);
    let mut gone = Kept::of(folder.path(), &lyon.invite).unwrap().unwrap();
    gone.end(NOW);
    gone.replace(folder.path(), &lyon.invite).unwrap();
    Kept::new("nice", "FR", Role::Site, Some(&[7; 32]), ENDS)
        .keep(folder.path(), &[30; 16])
        .unwrap();
    let borrowed = Enrolment {
        name: "nice".into(),
        invite: [30; 16],
        ..lyon.clone()
    };
    let known = judged(
        folder.path(),
        vec![member(&borrowed, 2)],
        &governance(),
        NOW,
    )
    .unwrap();
    assert_eq!(known[0].standing, Standing::Wrong(KNOWN_KEY.to_owned()));
    assert!(
        Kept::of(folder.path(), &[30; 16])
            .unwrap()
            .unwrap()
            .enrolled
            .is_none(),
        "it is not fixed"
    );
}
