//! Tests of the module above.

use super::*;

fn key(number: u8) -> PublicKey {
    SecretKey::from_seed([number; 32]).public()
}

fn entries(count: u8) -> Vec<Entry> {
    let entry = |at| {
        let keys = SiteKeys {
            identity: key(at),
            steward: key(100 + at),
            witness: key(50 + at),
        };
        Entry::new(&format!("site-{at}"), "NL", keys)
    };
    (1..=count).map(entry).collect()
}

fn hub(signing: PublicKey) -> HubKeys {
    HubKeys {
        signing,
        log: key(201),
    }
}

fn roster(count: u8) -> Roster {
    Roster::new(
        "ist-death14",
        1,
        hub(key(200)),
        "Stroke Europe",
        entries(count),
    )
    .unwrap()
}

fn refused(entries: Vec<Entry>) -> RosterError {
    Roster::new("ist-death14", 1, hub(key(200)), "Stroke Europe", entries).unwrap_err()
}

#[test]
fn entries_are_sorted_so_that_a_roster_has_one_digest() {
    let mut backwards = entries(5);
    backwards.reverse();
    let other = Roster::new("ist-death14", 1, hub(key(200)), "Stroke Europe", backwards).unwrap();
    assert_eq!(other.digest(), roster(5).digest());
    assert!(other.entries.is_sorted_by_key(|entry| entry.node));
    assert_eq!(other.entry(key(3).node_id()).unwrap().name, "site-3");
    assert_eq!(other.named("site-3").unwrap().identity, key(3));
    assert_eq!(other.entry(NodeId([0; 16])), None);
    assert_eq!(other.nodes().count(), 5);
}

#[test]
fn colluders_and_the_honest_rest_follow_from_the_size() {
    for (count, colluders, h_min) in [
        (3, 0, 3),
        (4, 1, 2),
        (5, 1, 3),
        (7, 2, 3),
        (10, 3, 3),
        (16, 5, 3),
    ] {
        let roster = roster(count);
        assert_eq!(
            (roster.colluders, roster.h_min),
            (colluders, h_min),
            "{count} sites"
        );
    }
    assert_eq!(roster(10).with_limits(4, 3).unwrap().colluders, 4);
    assert!(matches!(
        roster(10).with_limits(9, 3),
        Err(RosterError::Thresholds(_))
    ));
    assert!(matches!(
        roster(4).with_limits(1, 4),
        Err(RosterError::Thresholds(_))
    ));
    assert_eq!(roster(4).with_limits(1, 1), Err(RosterError::HMin));
}

#[test]
fn nothing_stands_in_a_roster_twice() {
    assert_eq!(refused(entries(2)), RosterError::TooFew { count: 2 });
    let twice = |change: fn(&mut Vec<Entry>)| {
        let mut entries = entries(4);
        change(&mut entries);
        refused(entries)
    };
    assert!(matches!(
        twice(|e| e.push(e[0].clone())),
        RosterError::NodeTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].name = "Site-1".into()),
        RosterError::NameTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].steward = e[0].steward),
        RosterError::KeyTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].steward = e[1].identity),
        RosterError::KeyTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].steward = key(200)),
        RosterError::KeyTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].witness = e[1].identity),
        RosterError::KeyTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].witness = key(201)),
        RosterError::KeyTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].identity = e[0].identity),
        RosterError::KeyTwice { .. }
    ));
    assert!(matches!(
        twice(|e| e[1].node = NodeId([9; 16])),
        RosterError::WrongNode { .. }
    ));
}

#[test]
fn keys_for_which_anybody_can_sign_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let order_eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    for weak in [
        PublicKey([0; 32]),
        PublicKey(identity),
        PublicKey::from_hex(order_eight).unwrap(),
    ] {
        let mut entries = entries(4);
        entries[2].steward = weak;
        assert!(
            matches!(refused(entries), RosterError::WeakKey { .. }),
            "{weak}"
        );
        assert!(
            Roster::new(
                "ist-death14",
                1,
                hub(weak),
                "Stroke Europe",
                self::entries(4)
            )
            .is_err()
        );
    }
}

#[test]
fn texts_are_checked() {
    let make = |study: &str, consortium: &str| {
        Roster::new(study, 1, hub(key(200)), consortium, entries(3))
    };
    assert!(matches!(make("IST", "c"), Err(RosterError::Study { .. })));
    assert!(matches!(make("ab", "c"), Err(RosterError::Study { .. })));
    assert!(matches!(make("abc", " "), Err(RosterError::Text { .. })));
    assert!(matches!(
        make("abc", "two\nlines"),
        Err(RosterError::Text { .. })
    ));
    let mut bad = entries(3);
    bad[0].country = "nl".into();
    assert!(matches!(refused(bad), RosterError::Entry(_)));
}

#[test]
fn only_the_trusted_governance_key_makes_a_roster_valid() {
    let governance = SecretKey::from_seed([211; 32]);
    let trusted = governance.public().fingerprint();
    let signed = roster(4).sign(&governance).unwrap();
    let received = SignedRoster::from_bytes(&signed.to_bytes()).unwrap();
    assert_eq!(
        received.verify(&trusted).unwrap().digest(),
        roster(4).digest()
    );

    let stranger = roster(4).sign(&SecretKey::from_seed([202; 32])).unwrap();
    assert!(matches!(
        stranger.verify(&trusted),
        Err(RosterError::OtherGovernance { .. })
    ));
    let mut altered = received.clone();
    altered.roster.entries[0].steward = key(150);
    assert_eq!(
        altered.verify(&trusted),
        Err(RosterError::BadSignature { what: "roster" })
    );
    let mut claimed = stranger;
    claimed.governance = governance.public();
    assert_eq!(
        claimed.verify(&trusted),
        Err(RosterError::BadSignature { what: "roster" })
    );
}

#[test]
fn a_signature_does_not_make_a_malformed_roster_valid() {
    let governance = SecretKey::from_seed([211; 32]);
    let mut roster = roster(4);
    roster.entries.reverse();
    assert_eq!(roster.clone().sign(&governance), Err(RosterError::Order));
    let signature = governance.sign("roster", &roster.to_bytes());
    let signed = SignedRoster {
        roster,
        governance: governance.public(),
        signature,
    };
    assert_eq!(
        signed.verify(&governance.public().fingerprint()),
        Err(RosterError::Order)
    );
}

#[test]
fn the_governance_key_is_nobodys_in_the_roster() {
    for holder in [1, 102, 200] {
        let governance = SecretKey::from_seed([holder; 32]);
        assert!(
            matches!(
                roster(4).sign(&governance),
                Err(RosterError::KeyTwice { .. })
            ),
            "{holder}"
        );
    }
}

#[test]
fn a_removal_is_signed_and_is_no_roster() {
    let governance = SecretKey::from_seed([211; 32]);
    let trusted = governance.public().fingerprint();
    let removal = Removal {
        invite: [3; 16],
        node: key(1).node_id(),
        name: "site-1".into(),
        reason: "left the consortium".into(),
        when_ms: 1_800_000_000_000,
    };
    let mut signed = removal.clone().sign(&governance).unwrap();
    assert_eq!(signed.verify(&trusted), Ok(&removal));
    signed.removal.node = key(2).node_id();
    assert_eq!(
        signed.verify(&trusted),
        Err(RosterError::BadSignature { what: "removal" })
    );
    assert!(
        Removal {
            reason: String::new(),
            ..removal
        }
        .sign(&governance)
        .is_err()
    );
}
