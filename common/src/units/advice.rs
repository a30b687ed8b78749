//! What was meant by a unit that is none.

use super::atoms::{ATOMS, PREFIXES};
use super::code::size;

/// What people and programs write, and what UCUM writes.
const WORDS: [(&str, &str); 46] = [
    ("year", "a"),
    ("years", "a"),
    ("yr", "a"),
    ("yrs", "a"),
    ("y", "a"),
    ("month", "mo"),
    ("months", "mo"),
    ("week", "wk"),
    ("weeks", "wk"),
    ("day", "d"),
    ("days", "d"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("minute", "min"),
    ("minutes", "min"),
    ("sec", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("mmhg", "mm[Hg]"),
    ("cmh2o", "cm[H2O]"),
    ("iu", "[IU]"),
    ("miu", "m[IU]"),
    ("uiu", "u[IU]"),
    ("kiu", "k[IU]"),
    ("celsius", "Cel"),
    ("degc", "Cel"),
    ("c", "Cel"),
    ("fahrenheit", "[degF]"),
    ("degf", "[degF]"),
    ("f", "[degF]"),
    ("percent", "%"),
    ("pct", "%"),
    ("ph", "[pH]"),
    ("mcg", "ug"),
    ("gm", "g"),
    ("gram", "g"),
    ("grams", "g"),
    ("cc", "mL"),
    ("liter", "L"),
    ("litre", "L"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("inch", "[in_i]"),
    ("ft", "[ft_i]"),
    ("bpm", "/min"),
];

/// What to write instead of a text that is no unit.
pub(super) fn instead(code: &str) -> String {
    match guess(code) {
        Some(guess) => format!("did you mean `{guess}`?"),
        None => "write its UCUM code, such as `mg/dL`, `mmol/L`, `10*9/L`, `mm[Hg]`, `kg/m2`, `a` \
                 for years, `%`, or `1` for what has no unit"
            .to_owned(),
    }
}

/// The unit that differs from this text by its case, its
/// signs or its words.
fn guess(code: &str) -> Option<String> {
    let mut written = String::new();
    let mut word = String::new();
    // A degree says nothing that the letter after it does not.
    let plain = code
        .replace(['\u{b5}', '\u{3bc}'], "u")
        .replace('\u{b2}', "2")
        .replace('\u{b0}', "")
        .replace([' ', '\u{a0}'], "");
    let plain = plain.replace('^', if plain.starts_with("10^") { "*" } else { "" });
    for sign in plain.chars().chain(['.']) {
        if matches!(sign, '.' | '/' | '(' | ')') {
            written.push_str(&meant(&word)?);
            written.push(sign);
            word.clear();
        } else {
            word.push(sign);
        }
    }
    written.pop();
    let is_other = written != code && size(&written).is_ok();
    is_other.then_some(written)
}

/// A word of a unit as UCUM writes it.
fn meant(word: &str) -> Option<String> {
    if word.is_empty() || size(word).is_ok() {
        return Some(word.to_owned());
    }
    let name = word.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
    let exponent = word.get(name.len()..)?;
    if let Some((_, meant)) = WORDS.iter().find(|(of, _)| name.eq_ignore_ascii_case(of)) {
        return Some(format!("{meant}{exponent}"));
    }
    let bare = ATOMS.iter().map(|atom| atom.code.to_owned());
    let prefixed = PREFIXES.iter().flat_map(|(prefix, ten)| {
        let metric = ATOMS.iter().filter(|atom| atom.takes(*ten));
        metric.map(move |atom| format!("{prefix}{}", atom.code))
    });
    let known = bare
        .chain(prefixed)
        .find(|known| known.eq_ignore_ascii_case(name))?;
    Some(format!("{known}{exponent}"))
}
