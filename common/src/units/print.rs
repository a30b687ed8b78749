//! Units as they stand in print: UCUM is for programs.

/// Units that people know by a word or a sign.
const WORDS: [(&str, &str); 12] = [
    ("a", "years"),
    ("a_j", "years"),
    ("mo", "months"),
    ("mo_j", "months"),
    ("wk", "weeks"),
    ("d", "days"),
    ("h", "hours"),
    ("Cel", "\u{b0}C"),
    ("[degF]", "\u{b0}F"),
    ("[in_i]", "inches"),
    ("[lb_av]", "pounds"),
    ("[pH]", "pH"),
];

/// Parts of units, as they are written and as they are
/// printed.
const PARTS: [(&str, &str); 12] = [
    ("[Hg]", "Hg"),
    ("[H2O]", "H2O"),
    ("[IU]", "IU"),
    ("[iU]", "IU"),
    ("10*", "10^"),
    ("umol", "\u{b5}mol"),
    ("ug", "\u{b5}g"),
    ("uL", "\u{b5}L"),
    ("ukat", "\u{b5}kat"),
    ("_", " "),
    ("{", ""),
    ("}", ""),
];

/// A UCUM code as it stands in print: `years`, `mmHg`,
/// `µmol/L`; nothing of a pure number.
pub fn printed(code: &str) -> String {
    if code == "1" {
        return String::new();
    }
    if let Some((_, word)) = WORDS.iter().find(|(known, _)| *known == code) {
        return (*word).to_owned();
    }
    PARTS.iter().fold(code.to_owned(), |text, (part, print)| {
        text.replace(part, print)
    })
}
