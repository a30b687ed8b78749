//! Tests of the module above.

use super::*;
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

fn enrolment() -> Enrolment {
    Enrolment {
        invite: [3; 16],
        name: "amsterdam-2".into(),
        country: "NL".into(),
        role: Role::Site,
        identity: PublicKey([5; 32]),
        steward: Some(PublicKey([6; 32])),
        witness: Some(PublicKey([10; 32])),
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
    assert_eq!((read.invite, *read.secret, read.role), ([3; 16], [4; 32], Role::Site));
    assert_eq!(read.to_text().unwrap(), text);
}

#[test]
fn every_change_of_one_character_is_refused() {
    let text = code().to_text().unwrap();
    for at in 0..text.len() {
        for letter in ('!'..='~').filter(|letter| *letter != char::from(text.as_bytes()[at])) {
            let mut other = text.clone();
            other.replace_range(at..=at, &letter.to_string());
            assert!(JoinCode::parse(&other).is_err(), "character {at} as `{letter}`");
        }
        let mut shorter = text.clone();
        shorter.remove(at);
        assert!(JoinCode::parse(&shorter).is_err(), "without character {at}");
        let mut longer = text.clone();
        longer.insert(at, 'a');
        assert!(JoinCode::parse(&longer).is_err(), "one more character at {at}");
    }
}

#[test]
fn a_wrong_code_says_what_is_wrong() {
    let text = code().to_text().unwrap();
    let refusal = |text: &str| JoinCode::parse(text).err().unwrap();
    assert_eq!(refusal("hello"), EnrolError::NotACode);
    assert_eq!(refusal(&text.replace("motet1-", "motet1-0")), EnrolError::Letter { at: 8, found: '0' });
    assert_eq!(refusal(&text[..100]), EnrolError::Damaged { length: 100 });
    assert_eq!(refusal(PREFIX), EnrolError::Damaged { length: 7 });
}

#[test]
fn no_code_is_made_that_nobody_can_use() {
    let nowhere = JoinCode { address: "coordinator".into(), ..code() };
    assert!(matches!(nowhere.to_text(), Err(EnrolError::Address { .. })));
    assert!(matches!(JoinCode { role: Role::Coordinator, ..code() }.to_text(), Err(EnrolError::Role { .. })));
}

#[test]
fn addresses_names_and_countries_are_checked() {
    assert_eq!(split_address("127.0.0.1:7443").unwrap(), ("127.0.0.1", 7443));
    assert_eq!(split_address("[::1]:1").unwrap(), ("::1", 1));
    for bad in ["", "host", "host:", ":1", "host:0", "host:70000", "::1:4", "[x]:1", "a b:1", "user@host:1"] {
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

#[test]
fn a_proof_covers_every_field() {
    let secret = [9; 32];
    let honest = enrolment();
    let proof = honest.prove(&secret);
    assert_eq!(honest.verify(&secret, &proof), Ok(()));
    let changed: [fn(&mut Enrolment); 8] = [
        |e| e.invite = [8; 16],
        |e| e.name = "amsterdam-3".into(),
        |e| e.country = "BE".into(),
        |e| e.identity = PublicKey([8; 32]),
        |e| e.steward = Some(PublicKey([8; 32])),
        |e| e.witness = Some(PublicKey([8; 32])),
        |e| e.csr_key_digest = Digest([8; 32]),
        |e| e.governance_fingerprint = Digest([8; 32]),
    ];
    for change in changed {
        let mut other = honest.clone();
        change(&mut other);
        assert!(matches!(other.verify(&secret, &proof), Err(EnrolError::Proof { .. })), "{other:?}");
    }
    assert!(matches!(honest.verify(&[8; 32], &proof), Err(EnrolError::Proof { .. })), "another secret");
    let person = Enrolment { role: Role::Operator, steward: None, witness: None, ..honest };
    assert!(matches!(person.verify(&secret, &proof), Err(EnrolError::Proof { .. })), "another role");
    assert_eq!(person.verify(&secret, &person.prove(&secret)), Ok(()));
}

#[test]
fn a_site_brings_a_steward_and_a_person_does_not() {
    assert!(matches!(Enrolment { steward: None, ..enrolment() }.check(), Err(EnrolError::Steward { .. })));
    assert!(matches!(Enrolment { witness: None, ..enrolment() }.check(), Err(EnrolError::Steward { .. })));
    let person = Enrolment { role: Role::Researcher, ..enrolment() };
    assert!(matches!(person.check(), Err(EnrolError::Steward { .. })));
    let daemon = Enrolment { role: Role::Coordinator, steward: None, witness: None, ..enrolment() };
    assert!(matches!(daemon.check(), Err(EnrolError::Role { .. })));
}

#[test]
fn an_enrolment_has_one_encoding() {
    let bytes = enrolment().to_bytes();
    assert_eq!(Enrolment::from_bytes(&bytes).unwrap(), enrolment());
    assert!("sitE".parse::<Role>().is_err());
    assert_eq!("researcher".parse::<Role>().unwrap(), Role::Researcher);
}
