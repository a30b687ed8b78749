//! Tests of the module above.

use super::*;
use crate::refusal::{Code, Refusal};
use motet_secagg::sign::{SecretKey, Signature};
use zeroize::Zeroizing;

fn code() -> JoinCode {
    JoinCode {
        address: "coordinator.example.org:7443".into(),
        ca_fingerprint: Digest([1; 32]),
        governance_fingerprint: Digest([2; 32]),
        invite: [3; 16],
        secret: Zeroizing::new([4; 32]),
        role: Role::Site,
    }
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn enrolment() -> Enrolment {
    Enrolment {
        invite: [3; 16],
        name: "amsterdam-2".into(),
        country: "NL".into(),
        role: Role::Site,
        identity: key(5).public(),
        steward: Some(key(6).public()),
        witness: Some(key(10).public()),
        csr_key_digest: Digest([7; 32]),
        governance_fingerprint: Digest([2; 32]),
    }
}

#[test]
fn a_code_comes_back_also_from_a_mail_that_broke_the_line() {
    let text = code().to_text().unwrap();
    let (front, back) = text.split_at(60);
    let read = JoinCode::parse(&format!("  {front}\r\n   {back}\n")).unwrap();
    assert_eq!(read.address, code().address);
    assert_eq!(read.ca_fingerprint, code().ca_fingerprint);
    assert_eq!(read.governance_fingerprint, code().governance_fingerprint);
    assert_eq!(
        (read.invite, *read.secret, read.role),
        ([3; 16], [4; 32], Role::Site)
    );
    assert_eq!(read.to_text().unwrap(), text);
}

#[test]
fn every_change_of_one_character_is_refused() {
    let text = code().to_text().unwrap();
    for at in 0..text.len() {
        for letter in ('!'..='~').filter(|letter| *letter != char::from(text.as_bytes()[at])) {
            let mut other = text.clone();
            other.replace_range(at..=at, &letter.to_string());
            assert!(
                JoinCode::parse(&other).is_err(),
                "character {at} as `{letter}`"
            );
        }
        let mut shorter = text.clone();
        shorter.remove(at);
        assert!(JoinCode::parse(&shorter).is_err(), "without character {at}");
        let mut longer = text.clone();
        longer.insert(at, 'a');
        assert!(
            JoinCode::parse(&longer).is_err(),
            "one more character at {at}"
        );
    }
}

#[test]
fn a_wrong_code_says_what_is_wrong() {
    let text = code().to_text().unwrap();
    let refusal = |text: &str| JoinCode::parse(text).err().unwrap();
    assert_eq!(refusal("hello"), EnrolError::NotACode);
    assert_eq!(
        refusal(&text.replace("motet1-", "motet1-0")),
        EnrolError::Letter { at: 8, found: '0' }
    );
    assert_eq!(refusal(&text[..100]), EnrolError::Damaged { length: 100 });
    assert_eq!(refusal(PREFIX), EnrolError::Damaged { length: 7 });
}

#[test]
fn no_code_is_made_that_nobody_can_use() {
    let nowhere = JoinCode {
        address: "coordinator".into(),
        ..code()
    };
    assert!(matches!(nowhere.to_text(), Err(EnrolError::Address { .. })));
    assert!(matches!(
        JoinCode {
            role: Role::Coordinator,
            ..code()
        }
        .to_text(),
        Err(EnrolError::Role { .. })
    ));
}

#[test]
fn addresses_names_and_countries_are_checked() {
    assert_eq!(
        split_address("127.0.0.1:7443").unwrap(),
        ("127.0.0.1", 7443)
    );
    assert_eq!(split_address("[::1]:1").unwrap(), ("::1", 1));
    for bad in [
        "",
        "host",
        "host:",
        ":1",
        "host:0",
        "host:70000",
        "::1:4",
        "[x]:1",
        "a b:1",
        "user@host:1",
    ] {
        assert!(split_address(bad).is_err(), "{bad}");
    }
    for good in ["a", "Site_1", "9-x", &"x".repeat(40)] {
        assert!(check_name(good).is_ok(), "{good}");
    }
    for bad in ["", "-a", "_a", "a b", "a/b", "é", &"x".repeat(41)] {
        assert!(check_name(bad).is_err(), "{bad}");
    }
    assert!(check_country("NL").is_ok());
    for bad in ["nl", "N", "NLD", "N1", ""] {
        assert!(check_country(bad).is_err(), "{bad}");
    }
}

/// The signatures of the keys that [`enrolment`] names.
fn signed(enrolment: &Enrolment) -> Possession {
    enrolment.sign(&key(5), Some(&key(6)), Some(&key(10)))
}

const CHANGES: [fn(&mut Enrolment); 8] = [
    |e| e.invite = [8; 16],
    |e| e.name = "amsterdam-3".into(),
    |e| e.country = "BE".into(),
    |e| e.identity = key(8).public(),
    |e| e.steward = Some(key(8).public()),
    |e| e.witness = Some(key(8).public()),
    |e| e.csr_key_digest = Digest([8; 32]),
    |e| e.governance_fingerprint = Digest([8; 32]),
];

#[test]
fn a_proof_covers_every_field() {
    let secret = [9; 32];
    let honest = enrolment();
    let (proof, possession) = (honest.prove(&secret), signed(&honest));
    assert_eq!(honest.verify(&secret, &proof, &possession), Ok(()));
    for change in CHANGES {
        let mut other = honest.clone();
        change(&mut other);
        // Signed again by whoever holds its keys, so that the proof alone is at stake.
        let keys = [5, 6, 10, 8].map(key);
        let of = |public: PublicKey| keys.iter().find(|key| key.public() == public).unwrap();
        let again = other.sign(
            of(other.identity),
            other.steward.map(of),
            other.witness.map(of),
        );
        assert!(
            matches!(
                other.verify(&secret, &proof, &again),
                Err(EnrolError::Proof { .. })
            ),
            "{other:?}"
        );
    }
    assert!(
        matches!(
            honest.verify(&[8; 32], &proof, &possession),
            Err(EnrolError::Proof { .. })
        ),
        "another secret"
    );
    let person = Enrolment {
        role: Role::Operator,
        steward: None,
        witness: None,
        ..honest
    };
    let possession = person.sign(&key(5), None, None);
    assert!(
        matches!(
            person.verify(&secret, &proof, &possession),
            Err(EnrolError::Proof { .. })
        ),
        "another role"
    );
    assert_eq!(
        person.verify(&secret, &person.prove(&secret), &possession),
        Ok(())
    );
}

#[test]
fn every_key_signs_every_field_of_the_enrolment() {
    let honest = enrolment();
    let possession = signed(&honest);
    assert_eq!(honest.verify_possession(&possession), Ok(()));
    for change in CHANGES {
        let mut other = honest.clone();
        change(&mut other);
        assert!(
            matches!(
                other.verify_possession(&possession),
                Err(EnrolError::Possession { .. })
            ),
            "{other:?}"
        );
    }
    let Possession {
        identity,
        steward,
        witness,
    } = possession;
    for (wrong, purpose) in [
        (
            Possession {
                identity: Signature([0; 64]),
                steward,
                witness,
            },
            Purpose::Identity,
        ),
        (
            Possession {
                identity,
                steward: None,
                witness,
            },
            Purpose::Steward,
        ),
        (
            Possession {
                identity,
                steward,
                witness: None,
            },
            Purpose::Witness,
        ),
        // A signature for one purpose is none for another, also of one key.
        (
            Possession {
                identity,
                steward: Some(honest.sign(&key(6), None, None).identity),
                witness,
            },
            Purpose::Steward,
        ),
        (
            Possession {
                identity,
                steward,
                witness: steward,
            },
            Purpose::Witness,
        ),
    ] {
        let refused = honest.verify_possession(&wrong).unwrap_err();
        assert_eq!(
            refused,
            EnrolError::Possession {
                name: "amsterdam-2".into(),
                purpose
            }
        );
        assert_eq!(Refusal::from(refused).code, Code::KeyUnproven);
    }
    let person = Enrolment {
        role: Role::Operator,
        steward: None,
        witness: None,
        ..honest
    };
    let alone = person.sign(&key(5), None, None);
    assert_eq!(person.verify_possession(&alone), Ok(()));
    let more = Possession { steward, ..alone };
    assert!(
        person.verify_possession(&more).is_err(),
        "a signature for a key that is not there"
    );
}

#[test]
fn a_newcomer_cannot_enrol_the_public_key_of_another() {
    let victim = key(77).public();
    for borrowed in [
        Enrolment {
            identity: victim,
            ..enrolment()
        },
        Enrolment {
            steward: Some(victim),
            ..enrolment()
        },
        Enrolment {
            witness: Some(victim),
            ..enrolment()
        },
    ] {
        let refused = borrowed
            .verify(&[9; 32], &borrowed.prove(&[9; 32]), &signed(&borrowed))
            .unwrap_err();
        assert!(
            matches!(refused, EnrolError::Possession { .. }),
            "{refused}"
        );
    }
}

#[test]
fn one_key_for_two_purposes_is_refused() {
    let honest = enrolment();
    let same = Digest([7; 32]);
    for twice in [
        Enrolment {
            steward: Some(honest.identity),
            ..honest.clone()
        },
        Enrolment {
            witness: Some(honest.identity),
            ..honest.clone()
        },
        Enrolment {
            witness: honest.steward,
            ..honest.clone()
        },
        Enrolment {
            governance_fingerprint: honest.identity.fingerprint(),
            ..honest.clone()
        },
        Enrolment {
            governance_fingerprint: key(10).public().fingerprint(),
            ..honest.clone()
        },
        Enrolment {
            governance_fingerprint: same,
            csr_key_digest: same,
            ..honest
        },
    ] {
        assert_eq!(
            Refusal::from(twice.check().unwrap_err()).code,
            Code::KeyTaken,
            "{twice:?}"
        );
    }
}

#[test]
fn a_key_with_which_anybody_can_sign_or_that_has_a_second_encoding_is_refused() {
    // The neutral element; a point of order 8 (RFC 8032's curve has eight such); y = p + 3, a
    // second encoding of y = 3.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let mut second = [0xff; 32];
    (second[0], second[31]) = (0xed + 3, 0x7f);
    let mut first = [0; 32];
    first[0] = 3;
    assert!(
        PublicKey(first).is_sound(),
        "y = 3 is on the curve, and this is its encoding"
    );
    for weak in [
        PublicKey(neutral),
        PublicKey::from_hex(order_8).unwrap(),
        PublicKey(second),
        PublicKey([2; 32]),
    ] {
        assert!(!weak.is_sound(), "{weak}");
        let enrolment = Enrolment {
            identity: weak,
            ..enrolment()
        };
        let refused = enrolment.check().unwrap_err();
        assert!(matches!(refused, EnrolError::WeakKey { .. }), "{refused}");
        assert_eq!(Refusal::from(refused).code, Code::KeyUnproven);
    }
}

#[test]
fn a_site_brings_a_steward_and_a_person_does_not() {
    assert!(matches!(
        Enrolment {
            steward: None,
            ..enrolment()
        }
        .check(),
        Err(EnrolError::Steward { .. })
    ));
    assert!(matches!(
        Enrolment {
            witness: None,
            ..enrolment()
        }
        .check(),
        Err(EnrolError::Steward { .. })
    ));
    let person = Enrolment {
        role: Role::Researcher,
        ..enrolment()
    };
    assert!(matches!(person.check(), Err(EnrolError::Steward { .. })));
    let daemon = Enrolment {
        role: Role::Coordinator,
        steward: None,
        witness: None,
        ..enrolment()
    };
    assert!(matches!(daemon.check(), Err(EnrolError::Role { .. })));
}

#[test]
fn an_enrolment_has_one_encoding() {
    let bytes = enrolment().to_bytes();
    assert_eq!(Enrolment::from_bytes(&bytes).unwrap(), enrolment());
    assert!("sitE".parse::<Role>().is_err());
    assert_eq!("researcher".parse::<Role>().unwrap(), Role::Researcher);
}
