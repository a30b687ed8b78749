//! Words of a message: kinds of values, keys that are nearly known, and lists of what may be written.

use crate::plain::cleaned;

/// A key that nobody knows, and what to do: the key that it is nearly, or all that may stand there.
pub(crate) fn unknown(key: &str, known: &[&str]) -> (String, String) {
    let key = cleaned(key);
    match near(&key, known) {
        Some(near) => (
            format!("unknown key `{key}`"),
            format!("did you mean `{near}`? correct or remove it"),
        ),
        None => (
            format!("unknown key `{key}`, the keys here are {}", keys(known)),
            "correct or remove it".to_owned(),
        ),
    }
}

/// No key of a file is nearly as long.
const LONGEST_KEY: usize = 100;

/// The known key that is at most one slip in three letters away.
pub(crate) fn near<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    // A text may come over the wire: what is longer than any key is none with a slip in it.
    if key.len() > LONGEST_KEY {
        return None;
    }
    let (slips, nearest) = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(key, known), *known))
        .min()?;
    (slips <= key.chars().count().div_ceil(3)).then_some(nearest)
}

fn keys(known: &[&str]) -> String {
    let known: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    known.join(", ")
}

/// A kind of value, from TOML's word for it.
pub(crate) fn said(kind: &str) -> &'static str {
    match kind {
        "string" => "a text",
        "integer" => "a whole number",
        "float" => "a number",
        "boolean" => "true or false",
        "datetime" => "a date",
        "array" => "a list",
        _ => "a table",
    }
}

/// `"a", "b" or "c"`.
pub(crate) fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_that_is_near_is_suggested() {
        let known = ["min_rows", "min_cell", "bins"];
        for (key, wanted) in [
            ("min_row", Some("min_rows")),
            ("min_rowz", Some("min_rows")),
            ("minrows", Some("min_rows")),
            ("bisn", Some("bins")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(near(key, &known), wanted, "{key}");
        }
        assert_eq!(near("x", &[]), None);
    }
}
