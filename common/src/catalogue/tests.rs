//! Notices: one byte string each, a signature that holds for it alone, and nothing longer or
//! hidden.

use super::*;
use crate::refusal::Code;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn told(column: &str, kind: Type) -> Told {
    Told {
        column: column.to_owned(),
        kind,
        label: None,
        unit: None,
        substance: None,
        min: None,
        max: None,
        uses: vec![Use::Filter, Use::Weight, Use::Group],
        levels: Vec::new(),
        years: None,
    }
}

fn offer() -> Offer {
    let mut age = told("age", Type::Float);
    age.label = Some("Age at stroke".to_owned());
    age.unit = Some("a".to_owned());
    (age.min, age.max) = (Some(0.0), Some(120.0));
    let mut seen = told("seen", Type::Date);
    seen.years = Some(Years {
        first: 2011,
        last: 2019,
    });
    let mut sex = told("sex", Type::Category);
    sex.levels = vec!["f".to_owned(), "m".to_owned()];
    sex.uses = vec![Use::Group];
    Offer {
        researchers: Recipients::Named(vec!["jane".to_owned()]),
        rows: 1200,
        rounded_to: 100,
        columns: vec![age, seen, sex],
    }
}

fn notice() -> Notice {
    Notice {
        site: NodeId([3; 16]),
        dataset: "stroke".to_owned(),
        number: 2,
        when_ms: 5,
        word: Word::Published(offer()),
    }
}

#[test]
fn a_notice_has_one_byte_string_and_no_changed_byte_of_it_is_the_stewards() {
    let signed = notice().sign(&key(7));
    let bytes = signed.to_bytes();
    assert_eq!(SignedNotice::from_bytes(&bytes), Ok(signed.clone()));
    assert!(signed.is_signed_by(&key(7).public()) && !signed.is_signed_by(&key(8).public()));
    assert_eq!(signed.check(), Ok(()));
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let read = SignedNotice::from_bytes(&changed);
        assert!(
            read.is_err() || read.is_ok_and(|read| !read.is_signed_by(&key(7).public())),
            "byte {at}"
        );
    }
    // What the steward's key signs for another purpose is no notice.
    let signature = key(7).sign("decision", &signed.notice.to_bytes());
    let other = SignedNotice {
        signature,
        ..signed
    };
    assert!(!other.is_signed_by(&key(7).public()));
}

#[test]
fn the_bytes_of_a_word_are_a_promise() {
    let withdrawn = Notice {
        word: Word::Withdrawn,
        ..notice()
    };
    let mut bytes = [&[3; 16][..], &[6, 0, 0, 0], b"stroke"].concat();
    bytes.extend([2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2]);
    assert_eq!(withdrawn.to_bytes(), bytes);
}

#[test]
fn rows_are_told_in_hundreds_and_fewer_than_a_hundred_as_that() {
    for (rows, told) in [
        (0, 0),
        (99, 0),
        (100, 100),
        (149, 100),
        (150, 200),
        (12_345, 12_300),
    ] {
        assert_eq!(Offer::rounded(rows, HUNDRED), told, "{rows}");
    }
    assert_eq!(Offer::rounded(12_345, 1000), 12_000);
    assert_eq!(Offer::rounded(700, 1000), 0);
    assert_eq!(Offer::rounded(u64::MAX, HUNDRED) % 100, 0);
    let few = Offer { rows: 0, ..offer() };
    assert_eq!(few.size(), "fewer than 100");
    assert_eq!(offer().size(), "about 1200, to the nearest 100");
}

#[test]
fn what_is_told_reads_alike_for_the_steward_and_for_whoever_it_is_for() {
    let lines: Vec<String> = offer()
        .columns
        .iter()
        .map(|told| told.cells().join(" | "))
        .collect();
    assert_eq!(
        lines,
        [
            "age | float | a | \"Age at stroke\"; allowed 0 to 120",
            "seen | date | - | years 2011 to 2019",
            "sex | category | - | levels \"f\", \"m\"; of filter, weight and group only group",
        ]
    );
    let json = serde_json::to_value(offer()).unwrap();
    assert_eq!(json["researchers"], serde_json::json!(["jane"]));
    assert_eq!(json["columns"][0]["type"], "float");
    assert_eq!(json["columns"][1]["years"]["last"], 2019);
    assert_eq!(json["columns"][2]["uses"], serde_json::json!(["group"]));
    assert!(offer().readers().ends_with("of the researchers jane"));
}

#[test]
fn a_level_that_holds_a_comma_or_a_quote_does_not_read_as_two() {
    let mut end = told("end", Type::Category);
    end.levels = vec!["dead, alive".to_owned(), "lost\", \"moved".to_owned()];
    assert_eq!(end.cells()[3], r#"levels "dead, alive", "lost\", \"moved""#);
}

#[test]
fn a_later_notice_is_held_against_the_earlier_word_for_word() {
    let before = offer();
    assert!(before.changes(&before).is_empty());
    let mut now = offer();
    now.researchers = Recipients::Nobody;
    now.rows = 1300;
    now.columns[0].max = Some(110.0);
    now.columns[1].years = None;
    now.columns[2].levels.clear();
    now.columns.push(told("smokes", Type::Bool));
    let for_all = "the consortium's sites and operators, and";
    assert_eq!(
        now.changes(&before),
        [
            format!("for: {for_all} no researcher; before: {for_all} of the researchers jane"),
            "rows: about 1300, to the nearest 100; before: about 1200, to the nearest 100".into(),
            "columns told now: smokes".into(),
            "what the schema declares of `age` is another".into(),
            "years of `seen`: not told; before: 2011 to 2019".into(),
            "levels of `sex`: not told; before: \"f\", \"m\"".into(),
        ]
    );
    let back = before.changes(&now);
    assert!(back.contains(&"columns told no more: smokes".to_owned()));
    assert!(back.contains(&"years of `seen`: 2011 to 2019; before: not told".to_owned()));
}

#[test]
fn a_notice_that_is_longer_hidden_or_twice_is_refused() {
    let refused = |change: fn(&mut Notice, &mut Offer)| {
        let mut changed = notice();
        let mut offer = offer();
        change(&mut changed, &mut offer);
        changed.word = Word::Published(offer);
        let found = changed.sign(&key(7)).check();
        found.err().map(|refusal| refusal.code)
    };
    assert_eq!(refused(|_, _| {}), None);
    let wrong: [fn(&mut Notice, &mut Offer); 15] = [
        |notice, _| notice.dataset = "a b".to_owned(),
        |notice, _| notice.number = 0,
        |notice, _| notice.number = u64::MAX,
        |_, offer| offer.rows = 1234,
        |_, offer| (offer.rows, offer.rounded_to) = (1230, 10),
        |_, offer| offer.columns.clear(),
        |_, offer| offer.columns.swap(0, 1),
        |_, offer| offer.columns[1].column = "age".to_owned(),
        |_, offer| offer.columns[0].label = Some("a\u{1b}[2J".to_owned()),
        |_, offer| offer.columns[0].max = Some(f64::NAN),
        |_, offer| offer.columns[2].min = Some(1.0),
        |_, offer| offer.columns[0].levels = vec!["61".to_owned()],
        |_, offer| offer.columns[2].levels = (0..=MOST_LEVELS).map(|n| format!("l{n}")).collect(),
        |_, offer| offer.columns[2].levels[1] = "f".to_owned(),
        |_, offer| offer.columns[0].years = offer.columns[1].years,
    ];
    for (at, change) in wrong.into_iter().enumerate() {
        assert_eq!(refused(change), Some(Code::Malformed), "{at}");
    }
    let mut long = offer();
    long.columns = (0..MOST_COLUMNS)
        .map(|at| {
            let mut told = told(&format!("c{at:04}"), Type::Category);
            told.levels = (0..20)
                .map(|n| format!("a level of some length {n}"))
                .collect();
            told
        })
        .collect();
    let long = Notice {
        word: Word::Published(long),
        ..notice()
    };
    assert_eq!(
        long.sign(&key(7)).check().unwrap_err().code,
        Code::Malformed
    );
}
