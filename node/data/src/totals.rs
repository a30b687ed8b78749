//! Rows of totals under the table: sums and averages in the shape of a patient.

use crate::cell;
use crate::error::{Code, DataError};
use crate::schema::{Column, Kind, Schema};
use crate::source::{RowSource, is_empty};
use crate::spelling::nfkc;

/// What a row of sums begins with, in small letters: the words of people, and those that Excel and
/// LibreOffice write under a pivot table.
const SUMS: [&str; 63] = [
    // English
    "total",
    "totals",
    "subtotal",
    "subtotals",
    "sum",
    "sums",
    // German
    "gesamt",
    "gesamtsumme",
    "gesamtergebnis",
    "teilergebnis",
    "insgesamt",
    "summe",
    "summen",
    "zwischensumme",
    // French
    "totaux",
    "somme",
    "sommes",
    // Italian
    "totale",
    "totali",
    "subtotale",
    "somma",
    "risultato totale",
    // Spanish
    "totales",
    "subtotales",
    "suma",
    "sumas",
    // Dutch
    "totaal",
    "eindtotaal",
    "subtotaal",
    "som",
    // Portuguese
    "totais",
    "subtotais",
    "soma",
    // Polish
    "razem",
    "ogółem",
    "łącznie",
    "sumy",
    "wynik całkowity",
    // Swedish
    "totalt",
    "summa",
    "totalsumma",
    "delsumma",
    "slutsumma",
    // Danish
    "i alt",
    "ialt",
    "hovedtotal",
    "samlet resultat",
    // Norwegian
    "totalsum",
    "delsum",
    "totalresultat",
    // Finnish
    "yhteensä",
    "välisumma",
    "loppusumma",
    "kokonaistulos",
    // Hungarian
    "összesen",
    "végösszeg",
    "részösszeg",
    "részösszesen",
    "összes eredmény",
    // Czech
    "celkem",
    "součet",
    "mezisoučet",
    "celkový výsledek",
];
/// What may stand before or after such a word.
const BESIDE: [&str; 37] = [
    // English
    "grand",
    "overall",
    "general",
    "sub",
    "result",
    "results",
    "final",
    // German
    "ergebnis",
    // French
    "général",
    "générale",
    "sous",
    "partiel",
    "résultat",
    // Italian
    "generale",
    "complessivo",
    "complessiva",
    "parziale",
    "risultato",
    // Spanish
    "parcial",
    "resultado",
    // Dutch
    "resultaat",
    // Portuguese
    "geral",
    // Polish
    "końcowa",
    "końcowy",
    "ogólna",
    "częściowa",
    "pośrednia",
    "wynik",
    // Swedish and Norwegian
    "resultat",
    // Danish
    "samlet",
    // Finnish
    "kaikki",
    "tulos",
    // Hungarian
    "eredmény",
    "összes",
    // Czech
    "celkový",
    "celková",
    "výsledek",
];
/// What a row of averages begins with, and those that stand beside it.
const AVERAGES: [&str; 59] = [
    // English
    "mean",
    "means",
    "average",
    "averages",
    "avg",
    "median",
    "standard deviation",
    "stdev",
    "minimum",
    "maximum",
    // German
    "mittelwert",
    "mittelwerte",
    "mittel",
    "durchschnitt",
    "standardabweichung",
    // French
    "moyenne",
    "moyennes",
    "médiane",
    "écart type",
    // Italian
    "media",
    "medie",
    "mediana",
    "deviazione standard",
    "minimo",
    "massimo",
    // Spanish
    "promedio",
    "promedios",
    "desviación estándar",
    "mínimo",
    "máximo",
    // Dutch
    "gemiddelde",
    "gemiddeld",
    "mediaan",
    "standaarddeviatie",
    "standaardafwijking",
    // Portuguese
    "média",
    "médias",
    "desvio padrão",
    // Polish
    "średnia",
    "odchylenie standardowe",
    // Swedish
    "medelvärde",
    "medel",
    "genomsnitt",
    "standardavvikelse",
    // Danish
    "gennemsnit",
    "middelværdi",
    "middel",
    "standardafvigelse",
    // Norwegian
    "gjennomsnitt",
    "middelverdi",
    "standardavvik",
    // Finnish
    "keskiarvo",
    "mediaani",
    "keskihajonta",
    // Hungarian
    "átlag",
    "medián",
    "szórás",
    // Czech
    "průměr",
    "směrodatná odchylka",
];
/// Longer cells hold sentences.
const LONGEST: usize = 40;

/// What a row says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Sum,
    /// A word that a patient's row may hold in the middle of a table.
    Average,
}

/// The rows of totals with which a table ends, as far as it is read.
pub(crate) struct Totals<'s> {
    /// The places of declared columns of texts, read or not: a word that is a level of one of them
    /// is a patient's.
    texts: Vec<(usize, &'s Column)>,
    /// The line of the first of them.
    begun: Option<u64>,
    /// What the row before says.
    last: Option<Word>,
    /// Whether a patient stood below a word of averages: then it is a level of a column that is
    /// not declared, such as `mittel` or `media`.
    levels: bool,
}

impl<'s> Totals<'s> {
    pub(crate) fn new(schema: &'s Schema, rows: &dyn RowSource) -> Self {
        let texts = schema.columns.values().filter_map(|column| {
            let texts = matches!(column.kind, Kind::Bool { .. } | Kind::Category { .. });
            // A column that is not there and not read has no place, and nobody asks for it.
            texts.then(|| Some((rows.place(column.source()?).ok()?, column)))?
        });
        Self {
            texts: texts.collect(),
            begun: None,
            last: None,
            levels: false,
        }
    }

    /// Looks at a row with a value.
    pub(crate) fn look(&mut self, row: &csv::ByteRecord, line: u64) {
        let word = self.word(row);
        self.levels |= word.is_none() && self.last == Some(Word::Average);
        self.begun = word.map(|_| self.begun.unwrap_or(line));
        self.last = word;
    }

    /// To be asked after the last row.
    ///
    /// # Errors
    /// `totals_row` where the table ends with such rows.
    pub(crate) fn end(&self, file: &str) -> Result<(), DataError> {
        self.begun.map_or(Ok(()), |line| Err(refused(file, line)))
    }

    /// What is wrong with a row that was refused, if it is that it is no patient. The rows behind
    /// it are read to know.
    pub(crate) fn explain(
        &self,
        error: DataError,
        row: &csv::ByteRecord,
        rows: &mut dyn RowSource,
    ) -> DataError {
        let line = self.begun.or(error.line());
        let word = self.word(row);
        match (word, line) {
            (Some(Word::Sum), Some(line)) => refused(rows.name(), line),
            (Some(Word::Average), Some(line)) if self.is_last(rows) => refused(rows.name(), line),
            (None, _) if error.kind() == Code::RaggedRow && self.is_last(rows) => error.but(
                "it is the last row: where it is a total or a remark under the table, remove it, \
                 and export without",
            ),
            _ => error,
        }
    }

    /// Whether no patient follows.
    fn is_last(&self, rows: &mut dyn RowSource) -> bool {
        let mut row = csv::ByteRecord::new();
        loop {
            match rows.next(&mut row) {
                Ok(None) => return true,
                Err(error) if error.kind() != Code::RaggedRow => return false,
                _ if is_empty(&row) || self.word(&row).is_some() => {}
                _ => return false,
            }
        }
    }

    /// What a row says of itself by its first cell that is not empty.
    fn word(&self, row: &csv::ByteRecord) -> Option<Word> {
        let (place, first) = (0..)
            .zip(row.iter())
            .find(|(_, cell)| !cell.trim_ascii().is_empty())?;
        let word = said(std::str::from_utf8(first).ok()?)
            .filter(|word| *word == Word::Sum || !self.levels)?;
        let mut texts = self.texts.iter().filter(|(at, _)| *at == place);
        let is_level = texts.any(|(_, column)| cell::read(column, first).is_ok());
        (!is_level).then_some(word)
    }
}

/// What a cell with such words, and no others, says.
fn said(text: &str) -> Option<Word> {
    if text.len() > LONGEST {
        return None;
    }
    let text = nfkc(text).to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .take(3)
        .collect();
    let all = words.join(" ");
    let is_sum = match words.as_slice() {
        [one, other] if SUMS.contains(one) => SUMS.contains(other) || BESIDE.contains(other),
        [one, other] if SUMS.contains(other) => BESIDE.contains(one),
        _ => false,
    };
    if is_sum || SUMS.contains(&all.as_str()) {
        return Some(Word::Sum);
    }
    AVERAGES.contains(&all.as_str()).then_some(Word::Average)
}

/// Such a row is no patient.
fn refused(file: &str, line: u64) -> DataError {
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
    fn totals_are_told_by_the_words_that_people_and_programs_write() {
        for text in [
            "Total",
            "Gesamt:",
            "SUMME (686)",
            "Gesamtergebnis",
            "Gesamt Ergebnis",
            "Grand Total",
            "Total Result",
            "Total général",
            "Sous-total",
            "Totale complessivo",
            "Total general",
            "Totales",
            "Eindtotaal",
            "Totaal Resultaat",
            "Total Geral",
            "Suma końcowa",
            "Totalsumma",
            "I alt",
            "Totalsum",
            "Kaikki yhteensä",
            "Végösszeg",
            "o\u{308}sszesen",
            "Celkový součet",
        ] {
            assert_eq!(said(text), Some(Word::Sum), "{text}");
        }
        for text in ["Mittelwert", "Mean:", "Écart-type", "Pru\u{30a}me\u{30c}r"] {
            assert_eq!(said(text), Some(Word::Average), "{text}");
        }
        for patient in [
            "P1",
            "Total gastrectomy",
            "Tot",
            "General",
            "alt",
            "Ergebnis",
            "Total of all the patients of the wards in it",
            "12.5",
            "",
        ] {
            assert_eq!(said(patient), None, "{patient}");
        }
    }
}
