//! A row of totals under the table: sums in the shape of a patient.

use crate::error::{Code, DataError};

/// What such a row begins with, in small letters.
const WORDS: [&str; 24] = [
    "total",
    "totals",
    "totale",
    "totali",
    "totaux",
    "totaal",
    "totalt",
    "subtotal",
    "subtotaal",
    "sum",
    "sums",
    "summe",
    "summa",
    "somme",
    "suma",
    "som",
    "gesamt",
    "gesamtsumme",
    "insgesamt",
    "zwischensumme",
    "razem",
    "celkem",
    "összesen",
    "yhteensä",
];
/// Longer cells hold sentences.
const LONGEST: usize = 40;

/// The place of the cell with which a row says that it is one of totals:
/// its first that is not empty holds such a word and no other.
pub(crate) fn says_so(row: &csv::ByteRecord) -> Option<usize> {
    let (place, first) = row
        .iter()
        .enumerate()
        .find(|(_, cell)| !cell.trim_ascii().is_empty())?;
    let text = std::str::from_utf8(first)
        .ok()
        .filter(|text| text.len() <= LONGEST)?;
    let mut words = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    let word = words.next()?.to_lowercase();
    (words.next().is_none() && WORDS.contains(&word.as_str())).then_some(place)
}

/// Such a row is no patient.
pub(crate) fn refused(file: &str, line: u64) -> DataError {
    let problem = "this is a row of totals and no patient";
    let fix = "remove it, and export without totals; where the word is a patient's own, declare \
               its column as a category with that level";
    DataError::new(Code::TotalsRow, problem, fix)
        .in_file(file)
        .at_line(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_told_by_the_word_they_begin_with() {
        let place = |cells: &[&str]| says_so(&csv::ByteRecord::from(cells));
        assert_eq!(place(&["Total", "12"]), Some(0));
        assert_eq!(place(&["", "Gesamt:", "12"]), Some(1));
        assert_eq!(place(&["SUMME (686)", "12"]), Some(0));
        for patient in [
            ["P1", "Total"],
            ["Total gastrectomy", "1"],
            ["Tot", "1"],
            ["", ""],
        ] {
            assert_eq!(place(&patient), None, "{patient:?}");
        }
    }
}
