//! The words that formulas and filters are made of, each where it stands.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use motet_recipes::tokens::{Lexicon, Placed, Token, Tokens};

/// Names with points, backticks around others, no text: as in a formula.
const PLAIN: Lexicon = Lexicon {
    language: "a sum",
    has: "names, numbers and + - =",
    most: 60,
    signs: &["+", "-", "="],
    name: |c| c.is_alphanumeric() || c == '_' || c == '.',
    quotes: "`",
    signed: false,
    hints: &[('.', "write it out")],
};

/// Names of ASCII, texts, numbers with their sign, signs of two characters: as in a filter.
const QUOTED: Lexicon = Lexicon {
    language: "a rule",
    has: "names, numbers, texts and < <= ==",
    most: 60,
    signs: &["<=", "==", "<"],
    name: |c| c.is_ascii_alphanumeric() || c == '_',
    quotes: "\"'",
    signed: true,
    hints: &[('=', "write `==`")],
};

fn words(text: &str, lexicon: &Lexicon) -> Result<Vec<Placed>, (usize, String)> {
    let mut tokens = Tokens::read(text, lexicon).map_err(|error| (error.at, error.what))?;
    let mut words = Vec::new();
    while tokens.peek().1 != Token::End {
        words.push(tokens.take());
    }
    assert_eq!(tokens.take(), (text.chars().count() + 1, Token::End));
    assert_eq!(tokens.take(), tokens.peek(), "the end stays");
    Ok(words)
}

fn name(text: &str) -> Token {
    Token::Name(text.to_owned())
}

#[test]
fn words_stand_at_their_characters() {
    use Token::{Number, Sign, Text};
    let plain = words("é1.b+ `odd é`-.5e-1 =1e2", &PLAIN).unwrap();
    let want = [
        (1, name("é1.b")),
        (5, Sign("+")),
        (7, name("odd é")),
        (14, Sign("-")),
        (15, Number(0.05)),
        (21, Sign("=")),
        (22, Number(100.0)),
    ];
    assert_eq!(plain, want);
    let quoted = words("a<=-1e-5and b<'é \\'\"'==\"\\\\\" -0", &QUOTED).unwrap();
    let want = [
        (1, name("a")),
        (2, Sign("<=")),
        (4, Number(-1e-5)),
        (9, name("and")),
        (13, name("b")),
        (14, Sign("<")),
        (15, Text("é '\"".to_owned())),
        (22, Sign("==")),
        (24, Text("\\".to_owned())),
        (29, Number(0.0)),
    ];
    assert_eq!(quoted, want);
    let zero = words("-0", &QUOTED).unwrap();
    assert!(matches!(zero.as_slice(), [(1, Number(zero))] if zero.is_sign_positive()));
    assert_eq!(words(" \n\t", &PLAIN).unwrap(), []);
}

#[test]
fn a_character_that_begins_no_word_is_named_with_its_place() {
    let long = "a".repeat(61);
    for (text, lexicon, at, says) in [
        (
            "a + ;",
            PLAIN,
            5,
            "`;` is not known: a sum has names, numbers and + - =",
        ),
        ("é\u{7}", PLAIN, 2, "`\\u{7}` is not known"),
        ("a .", PLAIN, 3, "write it out"),
        ("a `b", PLAIN, 3, "no end"),
        ("``", PLAIN, 1, "no end"),
        ("1.2.3", PLAIN, 1, "`1.2.3` is not a number"),
        ("a 1a", PLAIN, 3, "`1a` is not a number"),
        ("1e999", PLAIN, 1, "is not a number"),
        (long.as_str(), PLAIN, 60, "a sum has at most 60 characters"),
        ("a = 1", QUOTED, 3, "write `==`"),
        ("a.b", QUOTED, 2, "`.` is not known: a rule has"),
        ("é", QUOTED, 1, "`é` is not known"),
        (
            "a < -b",
            QUOTED,
            5,
            "`-b` is not a number; put texts and dates in quotes",
        ),
        ("a < 2020-01-31", QUOTED, 0, ""),
        ("a \"b", QUOTED, 3, "no closing quote"),
        ("'b\\n'", QUOTED, 3, "after `\\`"),
        ("'b\n'", QUOTED, 3, "control character"),
    ] {
        match words(text, &lexicon) {
            Ok(words) => assert_eq!((at, words.len()), (0, 5), "{text}: {words:?}"),
            Err((got, what)) => {
                assert_eq!(got, at, "{text}: {what}");
                assert!(what.contains(says), "{text}: {what}");
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_to_its_end_or_refused_within_it(
        text in "\\PC{0,40}|[-a-cE0-9.,+<>=!`'\"\\\\ \né]{0,40}|([a-c]|[-+]?[0-9.]{1,3}|[eE]|<=|==|'[a-c]?'|`[a-c ]`| ){0,12}",
        quoted in proptest::bool::ANY,
    ) {
        let lexicon = if quoted { QUOTED } else { PLAIN };
        let length = text.chars().count();
        match words(&text, &lexicon) {
            Ok(found) => {
                let mut before = 0;
                for (at, word) in found {
                    proptest::prop_assert!(before < at && at <= length);
                    before = at;
                    // From its own character on it is the first word.
                    let rest: String = text.chars().skip(at - 1).collect();
                    let again = words(&rest, &lexicon).unwrap();
                    proptest::prop_assert_eq!(again.first(), Some(&(1, word)));
                }
            }
            Err((at, _)) => proptest::prop_assert!((1..=length).contains(&at)),
        }
    }
}
