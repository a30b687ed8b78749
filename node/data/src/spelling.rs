//! One letter in several spellings: headers and levels are compared after
//! Unicode's compatibility composition (NFKC), so that a composed `é`, one
//! of two signs, `µ` of either kind and a no-break space are what they look
//! like.

use std::borrow::Cow;
use unicode_normalization::{UnicodeNormalization as _, is_nfkc};

/// The text after NFKC. What is so already, as nearly every cell is, is not
/// copied.
pub(crate) fn nfkc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfkc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfkc().collect())
    }
}

/// Whether two texts are one after NFKC.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one == other || (!(one.is_ascii() && other.is_ascii()) && nfkc(one) == nfkc(other))
}

/// The same of letters in any case.
pub(crate) fn same_in_any_case(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii())
            && nfkc(one).to_lowercase() == nfkc(other).to_lowercase())
}

/// Whether one of these texts is this one after NFKC.
pub(crate) fn lists(texts: &[String], text: &str) -> bool {
    texts.iter().any(|listed| same(listed, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_the_same_in_each_of_its_spellings() {
        for (one, other) in [
            ("e\u{301}t\u{e9}", "\u{e9}te\u{301}"),
            ("\u{b5}mol/L", "\u{3bc}mol/L"),
            ("kg/m\u{b2}", "kg/m2"),
            ("T\u{a0}1", "T 1"),
        ] {
            assert!(same(one, other), "{one} {other}");
            assert!(lists(&["x".to_owned(), one.to_owned()], other));
        }
        assert!(!same("e", "é") && !same("III", "3"));
        assert!(same_in_any_case("SI\u{301}", "sí") && same_in_any_case("Yes", "yES"));
        assert!(!same_in_any_case("SI", "sí"));
        assert!(matches!(nfkc("Größe"), Cow::Borrowed(_)));
    }
}
