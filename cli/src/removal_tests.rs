//! Tests of the module above: whatever the coordinator shows, this folder's own is out, and nobody
//! else.

use super::*;
use crate::identity::Card;
use motet_secagg::digest::Digest;
use std::path::Path;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// An operator's folder that holds the governance key.
fn operator(dir: &Path) -> Identity {
    let governance = key(99);
    crate::identity::write_key(&dir.join(crate::governance::FILE), &governance).unwrap();
    let card = Card {
        consortium: "trial".into(),
        address: "127.0.0.1:1".into(),
        name: "operator".into(),
        country: "NL".into(),
        role: Role::Operator,
        governance: governance.public().hex(),
        authority: Digest::default().hex(),
        governance_key: None,
    };
    Identity {
        dir: dir.to_owned(),
        card,
        governance: governance.public(),
        passphrase_file: None,
    }
}

fn leaving<'a>(identity: &'a Identity, name: &'a str, roles: &'a [Role]) -> Leaving<'a> {
    Leaving {
        identity,
        name,
        why: "test",
        roles,
        key: None,
    }
}

fn enrolment(name: &str, invite: u8, role: Role) -> Enrolment {
    Enrolment {
        invite: [invite; 16],
        name: name.into(),
        country: "FR".into(),
        role,
        identity: key(invite).public(),
        steward: (role == Role::Site).then(|| key(invite + 1).public()),
        witness: (role == Role::Site).then(|| key(invite + 2).public()),
        csr_key_digest: Digest::default(),
        governance_fingerprint: key(99).public().fingerprint(),
    }
}

/// Keeps an invitation of this name, under which its enrolment was verified if that is wanted.
fn keep(dir: &Path, name: &str, invite: u8, fixed: bool) {
    let mut kept = Kept::new(name, "FR", Role::Site, Some(&[7; 32]), 1_000);
    if fixed {
        kept.fix(&enrolment(name, invite, Role::Site));
    }
    kept.keep(dir, &[invite; 16]).unwrap();
}

fn of(dir: &Path, invite: u8) -> Kept {
    Kept::of(dir, &[invite; 16]).unwrap().unwrap()
}

fn member(name: &str, role: Role, state: MemberState, invite: u8) -> v1::Member {
    let joined = state == MemberState::Joined;
    v1::Member {
        name: name.into(),
        role: v1::MemberRole::from(role).into(),
        state: state.into(),
        invite: vec![invite; 16],
        enrolment: if joined {
            enrolment(name, invite, role).to_bytes()
        } else {
            Vec::new()
        },
        ..v1::Member::default()
    }
}

#[test]
fn whoever_was_verified_here_is_out_before_the_coordinator_has_said_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    keep(folder.path(), "evil", 1, true);
    keep(folder.path(), "evil", 20, false);
    keep(folder.path(), "lyon", 30, true);
    let mut leaving = leaving(&identity, "evil", SITES);
    assert_eq!(
        (leaving.end_here(5).unwrap(), leaving.sign_kept(5).unwrap()),
        (2, 1)
    );
    // The removal is that of the enrolment which was verified, whatever is shown under the name by
    // now.
    let signed = of(folder.path(), 1).removal().unwrap();
    let signed = motet_common::roster::SignedRemoval::from_bytes(&signed).unwrap();
    let removal = signed.verify(&key(99).public().fingerprint()).unwrap();
    assert_eq!(
        (removal.invite, removal.node),
        ([1; 16], key(1).public().node_id())
    );
    assert!(of(folder.path(), 20).is_removed() && of(folder.path(), 20).secret().is_none());
    assert!(of(folder.path(), 30).is_standing(), "nobody else is out");

    // It is sent whatever the coordinator shows: another invitation, `removed`, nobody.
    let swapped = member("evil", Role::Site, MemberState::Joined, 40);
    let removed = member("evil", Role::Site, MemberState::Removed, 1);
    for shown in [vec![swapped], vec![removed], vec![]] {
        assert_eq!(leaving.unheard(&shown, true).unwrap().len(), 1);
    }
    // Once more changes nothing.
    assert_eq!(
        (leaving.end_here(9).unwrap(), leaving.sign_kept(9).unwrap()),
        (0, 0)
    );
}

#[test]
fn a_name_that_the_coordinator_puts_on_anothers_invitation_takes_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    keep(folder.path(), "honest", 1, true);
    let removed = enrolment("gone", 30, Role::Site);
    Kept::record_removal(folder.path(), &removed, b"signed", 5).unwrap();
    for state in [
        MemberState::Joined,
        MemberState::Invited,
        MemberState::Expired,
        MemberState::Removed,
    ] {
        for invite in [1, 30] {
            let forged = member("evil", Role::Site, state, invite);
            let leaving = leaving(&identity, "evil", SITES);
            assert_eq!(leaving.end_here(5).unwrap(), 0);
            let failure = leaving.shown(&[forged]).unwrap_err().to_string();
            assert!(
                failure.contains("made for somebody else"),
                "{state:?}: {failure}"
            );
        }
    }
    assert!(of(folder.path(), 1).is_standing());
    assert_eq!(of(folder.path(), 30).removal().unwrap(), b"signed");
    // Nor is such a file forgotten by any other way.
    for invite in [[1; 16], [30; 16]] {
        assert!(Kept::forget(folder.path(), &invite).is_err());
        assert!(Kept::of(folder.path(), &invite).unwrap().is_some());
    }
}

#[test]
fn another_enrolment_than_the_verified_one_is_not_signed_out_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    keep(folder.path(), "lyon", 1, true);
    let mut leaving = leaving(&identity, "lyon", SITES);
    leaving.end_here(5).unwrap();
    leaving.sign_kept(5).unwrap();
    let forged = Enrolment {
        identity: key(50).public(),
        ..enrolment("lyon", 1, Role::Site)
    };
    let mut member = member("lyon", Role::Site, MemberState::Joined, 1);
    member.enrolment = forged.to_bytes();
    let failure = leaving.shown(&[member.clone()]).unwrap_err().to_string();
    assert!(
        failure.contains("another enrolment than the one that was verified"),
        "{failure}"
    );
    member.enrolment = enrolment("nice", 1, Role::Site).to_bytes();
    let failure = leaving.shown(&[member]).unwrap_err().to_string();
    assert!(failure.contains("record of another member"), "{failure}");
}

#[test]
fn a_removal_finds_exactly_one_member_whom_this_folder_does_not_know() {
    let members = [
        member("lyon", Role::Site, MemberState::Removed, 1),
        member("lyon", Role::Site, MemberState::Joined, 2),
        member("lyon", Role::Researcher, MemberState::Joined, 3),
        member("nice", Role::Site, MemberState::Joined, 4),
        member("nice", Role::Site, MemberState::Joined, 5),
        member("pau", Role::Site, MemberState::Invited, 6),
        member("pau", Role::Site, MemberState::Expired, 7),
    ];
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    let shown = |name, roles| leaving(&identity, name, roles).shown(&members);
    assert_eq!(
        shown("lyon", SITES).unwrap().joined,
        [enrolment("lyon", 2, Role::Site)]
    );
    assert_eq!(
        shown("lyon", PEOPLE).unwrap().joined,
        [enrolment("lyon", 3, Role::Researcher)]
    );
    let pau = shown("pau", SITES).unwrap();
    assert_eq!(
        (pau.joined.len(), pau.waiting),
        (0, vec![vec![6; 16], vec![7; 16]])
    );
    assert_eq!(shown("nice", SITES).unwrap_err().exit_code(), 1);
    assert_eq!(shown("pau", PEOPLE).unwrap(), Shown::default());
}

#[test]
fn whoever_joined_by_a_code_and_was_never_listed_is_removed_by_the_record_that_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    keep(folder.path(), "lyon", 1, false);
    let mut leaving = leaving(&identity, "lyon", SITES);
    assert_eq!(
        (leaving.end_here(5).unwrap(), leaving.sign_kept(5).unwrap()),
        (1, 0)
    );
    let shown = leaving
        .shown(&[member("lyon", Role::Site, MemberState::Joined, 1)])
        .unwrap();
    assert_eq!(shown.joined, [enrolment("lyon", 1, Role::Site)]);
}

#[test]
fn a_removal_that_the_coordinator_lost_is_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    let mut leaving = leaving(&identity, "lyon", SITES);
    let lyon = enrolment("lyon", 1, Role::Site);
    let signed = leaving.sign(&lyon, 5).unwrap();
    Kept::record_removal(folder.path(), &lyon, &signed, 5).unwrap();
    let returned = [member("lyon", Role::Site, MemberState::Joined, 1)];
    assert_eq!(leaving.unheard(&returned, false).unwrap(), [signed]);
    assert_eq!(leaving.shown(&returned).unwrap(), Shown::default());
    let done = [member("lyon", Role::Site, MemberState::Removed, 1)];
    assert!(leaving.unheard(&done, false).unwrap().is_empty());
}

#[test]
fn a_removal_of_another_key_under_the_name_does_not_stand_for_the_true_one() {
    let folder = tempfile::tempdir().unwrap();
    let identity = operator(folder.path());
    let mut leaving = leaving(&identity, "evil", SITES);
    // Signed on a false word, over keys that are not those of the member.
    let false_word = Enrolment {
        identity: key(77).public(),
        ..enrolment("evil", 1, Role::Site)
    };
    let removal = leaving.sign(&false_word, 5).unwrap();
    Kept::record_removal(folder.path(), &false_word, &removal, 5).unwrap();
    let shown = leaving
        .shown(&[member("evil", Role::Site, MemberState::Joined, 1)])
        .unwrap();
    assert_eq!(
        shown.joined,
        [enrolment("evil", 1, Role::Site)],
        "it is signed once more, over the key that is shown"
    );
}
