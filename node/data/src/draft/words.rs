//! Words that files of hospitals use: for yes and no, for what is
//! not known, for units; and how TOML writes one.

/// A text as TOML has it.
pub(super) fn quoted(text: &str) -> String {
    // TOML writes a text with line ends over several lines, and a comment has one.
    let ends = text.contains(['\n', '\r']);
    match ends {
        true => format!("{text:?}"),
        false => toml::Value::String(text.to_owned()).to_string(),
    }
}

/// Pairs of a word for no and one for yes, in small letters.
const YES_NO: [(&str, &str); 24] = [
    ("0", "1"),
    ("no", "yes"),
    ("n", "y"),
    ("false", "true"),
    ("f", "t"),
    ("nein", "ja"),
    ("nee", "ja"),
    ("n", "j"),
    ("non", "oui"),
    ("n", "o"),
    ("faux", "vrai"),
    ("no", "sì"),
    ("no", "si"),
    ("no", "sí"),
    ("n", "s"),
    ("falso", "vero"),
    ("não", "sim"),
    ("nej", "ja"),
    ("nei", "ja"),
    ("nie", "tak"),
    ("ne", "ano"),
    ("ei", "kyllä"),
    ("nem", "igen"),
    ("nu", "da"),
];

/// Pairs of a word for a patient who lives, or went home, and one
/// for a patient who died.
const DEATHS: [(&str, &str); 10] = [
    ("alive", "dead"),
    ("alive", "deceased"),
    ("alive", "expired"),
    ("lebend", "verstorben"),
    ("entlassen", "verstorben"),
    ("levend", "overleden"),
    ("vivant", "décédé"),
    ("vivante", "décédée"),
    ("vivo", "deceduto"),
    ("dimesso", "deceduto"),
];

/// Whether one text means no and the other yes, or a life and a
/// death.
pub(super) fn are_no_and_yes(no: &str, yes: &str) -> bool {
    pairs(&YES_NO, no, yes) || pairs(&DEATHS, no, yes)
}

fn pairs(known: &[(&str, &str)], one: &str, other: &str) -> bool {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    known.contains(&(one.as_str(), other.as_str()))
}

/// Words for what is not known, in small letters.
const MISSING: [&[&str]; 11] = [
    &["na", "n/a", "n.a.", "nan"],
    &["null", "none", "nr"],
    &["nd", "n.d.", "nc"],
    &[".", "..", "-", "--", "?", "??"],
    &["missing", "unknown", "unk"],
    &["not known", "not done"],
    &["onbekend", "unbekannt"],
    &["k.a.", "keine angabe"],
    &["inconnu", "inconnue"],
    &["sconosciuto", "ignoto"],
    &["desconocido", "nieznane"],
];

/// Whether a text is such a word.
pub(super) fn is_missing(text: &str) -> bool {
    let text = text.to_lowercase();
    MISSING.iter().any(|words| words.contains(&text.as_str()))
}

/// Those among them that are values in other files: of a test
/// that is negative, of a therapy that was not given; "no
/// response", "not detected", "no change".
const DOUBTFUL: [&str; 7] = ["-", "--", "none", "nr", "nd", "n.d.", "nc"];

/// Whether a word for what is not known may be a value.
pub(super) fn is_doubtful(text: &str) -> bool {
    DOUBTFUL.contains(&text.to_lowercase().as_str())
}

/// Whether a schema takes the word so without being told.
pub(super) fn is_default(text: &str) -> bool {
    ["NA", "NaN", "?", "."].contains(&text)
}

/// Numbers that stand for what is not known where no other number
/// is negative.
pub(super) const CODES: [&str; 7] = ["-1", "-8", "-9", "-88", "-99", "-999", "-9999"];

/// Words of a header for a patient's sex, in small letters.
const SEX: [&[&str]; 3] = [
    &["sex", "sexe", "sexo", "sesso"],
    &["gender", "genre", "genere"],
    &["geschlecht", "geslacht"],
];
/// For a woman and for a man, in one language each.
const SEXES: [(&str, &str); 14] = [
    ("f", "m"),
    ("f", "h"),
    ("w", "m"),
    ("v", "m"),
    ("female", "male"),
    ("woman", "man"),
    ("frau", "mann"),
    ("weiblich", "männlich"),
    ("vrouw", "man"),
    ("femme", "homme"),
    ("féminin", "masculin"),
    ("femmina", "maschio"),
    ("donna", "uomo"),
    ("mujer", "hombre"),
];

/// Whether a header asks for the sex, and these two are a woman's
/// and a man's.
pub(super) fn are_sexes(header: &str, woman: &str, man: &str) -> bool {
    asks_for_sex(header) && pairs(&SEXES, woman, man)
}

/// Whether a header asks for the sex, and these two are the codes
/// of ISO/IEC 5218: 2 of a woman and 1 of a man.
pub(super) fn are_codes_of_sexes(header: &str, woman: &str, man: &str) -> bool {
    asks_for_sex(header) && (woman, man) == ("2", "1")
}

fn asks_for_sex(header: &str) -> bool {
    let header = header.to_lowercase();
    let mut words = header.split(|letter: char| !letter.is_alphabetic());
    words.any(|word| SEX.iter().any(|known| known.contains(&word)))
}

/// Beginnings of words of a header for the menopause, in small
/// letters.
const MENOPAUSE: [&str; 3] = ["menopau", "ménopau", "klimakter"];

/// For a woman before it and one after it.
const STAGES: [(&str, &str); 6] = [
    ("pre", "post"),
    ("pré", "post"),
    ("prä", "post"),
    ("prae", "post"),
    ("premenopausal", "postmenopausal"),
    ("prämenopausal", "postmenopausal"),
];

/// Whether a header asks for the menopause, and these two are
/// before it and after it.
pub(super) fn are_before_and_after(header: &str, before: &str, after: &str) -> bool {
    let header = header.to_lowercase();
    MENOPAUSE.iter().any(|word| header.contains(word)) && pairs(&STAGES, before, after)
}

/// Whether a unit is that of a concentration, which is measured:
/// another export may have parts where this one has none.
pub(super) fn is_concentration(unit: &str) -> bool {
    ["/L", "/dL", "/mL"].iter().any(|per| unit.ends_with(per))
}

/// What a header says of a code, as in `Geslacht
/// (1=man,2=vrouw)`.
pub(super) fn legend<'h>(header: &'h str, code: &str) -> Option<&'h str> {
    let (_, inner) = header.rsplit_once('(')?;
    let mut pairs = inner.trim_end_matches(')').split([',', ';']);
    pairs.find_map(|pair| {
        let (known, meaning) = pair.split_once('=')?;
        (known.trim() == code).then_some(meaning.trim())
    })
}

/// Words of a header that are a unit, in small letters, and its
/// UCUM code.
const UNITS: [(&str, &str); 42] = [
    ("mg/dl", "mg/dL"),
    ("g/dl", "g/dL"),
    ("g/l", "g/L"),
    ("mg/l", "mg/L"),
    ("ug/l", "ug/L"),
    ("ng/ml", "ng/mL"),
    ("mmol/l", "mmol/L"),
    ("umol/l", "umol/L"),
    ("nmol/l", "nmol/L"),
    ("pmol/l", "pmol/L"),
    ("fmol/mg", "fmol/mg"),
    ("u/l", "U/L"),
    ("mm", "mm"),
    ("cm", "cm"),
    ("m", "m"),
    ("kg", "kg"),
    ("g", "g"),
    ("kg/m2", "kg/m2"),
    ("°c", "Cel"),
    ("°f", "[degF]"),
    ("mmhg", "mm[Hg]"),
    ("mm hg", "mm[Hg]"),
    ("%", "%"),
    ("bpm", "/min"),
    ("h", "h"),
    ("uur", "h"),
    ("hours", "h"),
    ("stunden", "h"),
    ("heures", "h"),
    ("ore", "h"),
    ("min", "min"),
    ("days", "d"),
    ("tage", "d"),
    ("dagen", "d"),
    ("jours", "d"),
    ("giorni", "d"),
    ("months", "mo"),
    ("monate", "mo"),
    ("maanden", "mo"),
    ("mois", "mo"),
    ("mesi", "mo"),
    ("years", "a"),
];

/// The unit that a header names: in brackets, as its last word,
/// or as its last parts between `_`.
pub(super) fn unit(header: &str) -> Option<&'static str> {
    let header = header.replace(['µ', 'μ'], "u").to_lowercase();
    let header = header.trim_end();
    let bracket = header
        .strip_suffix([')', ']'])
        .and_then(|inner| inner.rsplit_once(['(', '[']))
        .map(|(_, inner)| inner.trim());
    // A letter behind a space is a unit where it can be no other word, and `min` is the least.
    let is_unit = |word: &&str| *word != "min" && (word.len() > 1 || *word == "h");
    let last = header.rsplit_once(' ').map(|(_, last)| last);
    let last = last.filter(is_unit);
    let parts: Vec<&str> = header.rsplit('_').collect();
    let below = match parts.as_slice() {
        [amount, per, _, ..] => Some(format!("{per}/{amount}")),
        _ => None,
    };
    let alone = match parts.as_slice() {
        // One letter behind a `_` may be anything.
        [word, _, ..] if word.len() > 2 && is_unit(word) => Some(*word),
        _ => None,
    };
    let named = [bracket, last, below.as_deref(), alone];
    named.into_iter().flatten().find_map(|word| {
        let found = UNITS.iter().find(|(known, _)| *known == word);
        found.map(|(_, unit)| *unit)
    })
}

/// Words of a header that stand for a patient's number, in small
/// letters.
const IDENTIFIERS: [&[&str]; 3] = [
    &["id", "pid", "nr", "no", "num"],
    &["paziente", "dossier", "mrn"],
    &["séjour", "case", "fall"],
];

/// Words of a header that stand for a person's name, in small letters.
const PEOPLE: [&[&str]; 4] = [
    &["name", "surname", "forename", "vorname", "nachname"],
    &["nom", "prénom", "prenom", "naam", "voornaam", "achternaam"],
    &["cognome", "nome", "nombre", "apellido", "apellidos"],
    &["nazwisko", "imię", "efternamn", "förnamn"],
];

/// Whether a header says that it is a person's name.
pub(super) fn names_people(header: &str) -> bool {
    let header = header.to_lowercase();
    let mut words = header.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| PEOPLE.iter().any(|known| known.contains(&word)))
}

/// Whether a header says that it is an identifier.
pub(super) fn names_patients(header: &str) -> bool {
    let header = header.to_lowercase();
    header
        .split(|letter: char| !letter.is_alphanumeric())
        .any(|word| {
            IDENTIFIERS.iter().any(|known| known.contains(&word))
                || word.ends_with("nummer")
                || word.ends_with("nr")
                || word.starts_with("pati")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_read_from_a_header() {
        for (header, wanted) in [
            ("Kreatinine (µmol/L)", Some("umol/L")),
            ("Kreatinin mg/dl", Some("mg/dL")),
            ("creatinine_umol_l", Some("umol/L")),
            ("Temperatur °C", Some("Cel")),
            ("Temperatura °F", Some("[degF]")),
            ("RFS (Tage)", Some("d")),
            ("Ritardo h", Some("h")),
            ("delay_hours", Some("h")),
            ("Größe (mm)", Some("mm")),
            ("temp_c", None),
            ("map", None),
            ("Stato menopausale (1=pre, 2=post)", None),
            ("g", None),
        ] {
            assert_eq!(unit(header), wanted, "{header}");
        }
    }

    #[test]
    fn yes_is_told_from_no_in_either_order() {
        assert!(are_no_and_yes("No", "Sì") && !are_no_and_yes("Sì", "No"));
        assert!(are_no_and_yes("N", "O") && are_no_and_yes("dimesso", "deceduto"));
        assert!(!are_no_and_yes("1", "2") && !are_no_and_yes("pre", "post"));
        assert!(are_sexes("Geschlecht", "w", "m") && !are_sexes("Typ", "w", "m"));
        let header = "Geslacht (1=man,2=vrouw)";
        assert_eq!(
            ["1", "2", "3"].map(|code| legend(header, code)),
            [Some("man"), Some("vrouw"), None]
        );
    }

    #[test]
    fn a_header_of_patients_is_known() {
        for header in [
            "pid",
            "Patiëntnummer",
            "Nr",
            "N° dossier",
            "ID paziente",
            "Fallnummer",
        ] {
            assert!(names_patients(header), "{header}");
        }
        assert!(!names_patients("age") && !names_patients("Natrium"));
    }
}
