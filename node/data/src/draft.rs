//! A first schema of a file: guesses from what its cells show,
//! and questions where only the site knows. What fewer than five
//! cells have is not written down, so that no line is one
//! patient's.

mod distinct; // whether cells are all different
mod guess; //    a column's lines and questions
mod limits; //   what `> 89` counts as
mod marks; //    decimal marks, and what parts thousands
mod seen; //     what a column's cells have shown
mod words; //    yes and no, "not known", units

use crate::error::{Code, DataError};
use crate::formats;
use crate::schema::{Layout, Schema};
use crate::source::empty;
use crate::watched::Watched;
use encoding_rs::{UTF_16LE, WINDOWS_1252};
use guess::{Guess, guess};
use marks::FileMarks;
use motet_common::study::ranges::{is_next, range};
use motet_common::study::text::{NAME_LIMIT, is_column_name, is_dataset_name};
use seen::{FEW, Seen};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use words::{names_patients, names_people, quoted};

/// Of the cells that are filled, how many in a hundred are
/// different in a column of identifiers: a patient may be there
/// twice.
const DIFFERENT: u64 = 99;
/// Rows from which different cells say that a column is one of
/// identifiers, whatever its name.
const MANY_ROWS: u64 = 100;

/// Neighbours that differ in a number alone, from which on they
/// are declared as a range.
const LEAST_RUN: usize = 8;

/// What a file has shown.
struct File {
    layout: Layout,
    /// None where nothing parts its cells.
    delimiter: Option<u8>,
    /// None where the file has no header.
    headers: Option<Vec<String>>,
    columns: Vec<Seen>,
    rows: u64,
}

/// Writes a first schema of the file at this path, of a dataset
/// of this name or of the file's.
///
/// # Errors
/// Where the file cannot be read at all.
pub fn draft(path: &Path, name: Option<&str>) -> Result<String, DataError> {
    draft_of_sheet(path, name, None)
}

/// The same of a workbook's sheet of this name.
///
/// # Errors
/// As [`draft`].
pub fn draft_of_sheet(
    path: &Path,
    name: Option<&str>,
    sheet: Option<&str>,
) -> Result<String, DataError> {
    let watched = Watched::open(path)?;
    let file = look(&watched, sheet);
    watched.is_unchanged()?;
    let file = file?;
    let stem = path.file_stem().map(|stem| plain(&stem.to_string_lossy()));
    let name = name.map(str::to_owned).or(stem);
    let name = name.filter(|name| is_dataset_name(name));
    let name = name.unwrap_or_else(|| "dataset".to_owned());
    Ok(written(&file, &name))
}

/// Reads the file in the first encoding in which it is text.
fn look(watched: &Watched, sheet: Option<&str>) -> Result<File, DataError> {
    let plain = Layout {
        sheet: sheet.map(str::to_owned),
        ..Layout::default()
    };
    let first = look_in(watched, plain.clone());
    let Err(error) = first else { return first };
    if error.kind() != Code::NotText {
        return Err(error);
    }
    // What the file is said to be where it is text in none of
    // them.
    for encoding in [UTF_16LE, WINDOWS_1252] {
        let layout = Layout {
            encoding: Some(encoding),
            ..plain.clone()
        };
        match look_in(watched, layout) {
            Ok(file) => return Ok(file),
            Err(other) if other.kind() == Code::NotText => {}
            Err(other) => return Err(other),
        }
    }
    Err(error)
}

fn look_in(watched: &Watched, mut layout: Layout) -> Result<File, DataError> {
    let mut first = csv::ByteRecord::new();
    let mut rows = formats::open(watched, &unknown(&layout), true)?;
    if rows.next(&mut first)?.is_none() {
        return Err(empty(rows.name(), "the file is empty"));
    }
    let cells: Vec<&str> = first
        .iter()
        .map(|cell| text(cell, rows.name(), 1))
        .collect::<Result<_, _>>()?;
    let headerless = cells.iter().any(|cell| is_value(cell));
    if cells.iter().all(|cell| is_single_quoted(cell)) {
        layout.quote = Some(b'\'');
    }
    let file = read(watched, layout, headerless)?;
    if !has_a_value_as_header(&file) {
        return Ok(file);
    }
    read(watched, file.layout, true)
}

/// Reads every cell.
fn read(watched: &Watched, layout: Layout, headerless: bool) -> Result<File, DataError> {
    let mut rows = formats::open(watched, &unknown(&layout), headerless)?;
    let mut file = File {
        delimiter: rows.delimiter(),
        headers: rows.names().map(<[String]>::to_vec),
        layout,
        columns: Vec::new(),
        rows: 0,
    };
    let headers = file.headers.iter().flatten();
    file.columns = headers.map(|header| Seen::under(header)).collect();
    let mut row = csv::ByteRecord::new();
    while let Some(line) = rows.next(&mut row)? {
        file.columns.resize_with(row.len(), Seen::default);
        for (place, (seen, cell)) in file.columns.iter_mut().zip(&row).enumerate() {
            let text = text(cell, rows.name(), line)?;
            match rows.is_typed(place) && text.contains('.') {
                // Three digits after its point part no thousands.
                true => seen.look(&format!("{text}0")),
                false => seen.look(text),
            }
        }
        file.rows += 1;
    }
    if file.rows == 0 {
        return Err(empty(rows.name(), "the table has no row"));
    }
    Ok(file)
}

/// The schema of which no column is known yet.
fn unknown(layout: &Layout) -> Schema {
    Schema {
        name: String::new(),
        key: None,
        layout: layout.clone(),
        columns: BTreeMap::new(),
        order: Vec::new(),
        ranges: BTreeMap::new(),
    }
}

/// Whether a header stands in its own column again, and is a
/// patient's value: the draft would say it.
fn has_a_value_as_header(file: &File) -> bool {
    file.columns.iter().any(Seen::has_header)
}

fn text<'c>(cell: &'c [u8], name: &str, line: u64) -> Result<&'c str, DataError> {
    std::str::from_utf8(cell).map(str::trim).map_err(|_| {
        let fix = "save it in UTF-8, and run again";
        DataError::new(Code::NotText, "the file is no text", fix)
            .in_file(name)
            .at_line(line)
    })
}

fn is_single_quoted(cell: &str) -> bool {
    cell.len() > 1 && cell.starts_with('\'') && cell.ends_with('\'')
}

/// Whether a cell of the first line is a value: then the file has
/// no header.
fn is_value(cell: &str) -> bool {
    let cell = cell.trim_matches(['\'', '<', '>', '=', '≤', '≥', '+', '.', ',', ' ']);
    let is_number = cell.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && cell.contains(|c: char| c.is_ascii_digit())
        && !cell.contains(char::is_alphabetic);
    is_number || matches!(cell, "NA" | "NaN" | "NULL")
}

/// ASCII letters, digits and `_`: a name made of a header.
fn plain(text: &str) -> String {
    let mut name = String::new();
    for letter in text
        .to_lowercase()
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
    {
        match letter {
            'ß' => name.push_str("ss"),
            'æ' => name.push_str("ae"),
            'ø' => name.push('o'),
            'œ' => name.push_str("oe"),
            'ł' => name.push('l'),
            'đ' => name.push('d'),
            'µ' | 'μ' => name.push('u'),
            '°' => {}
            letter if letter.is_ascii_alphanumeric() => name.push(letter),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    let end = name.trim_end_matches('_').len().min(NAME_LIMIT - 4);
    name.truncate(end);
    name
}

/// A column's name that none before has.
fn name_of(header: Option<&str>, place: usize, taken: &mut BTreeSet<String>) -> String {
    let made = header.map_or_else(String::new, plain);
    let first = match made.chars().next() {
        None => format!("column_{}", place + 1),
        Some(letter) if letter.is_ascii_alphabetic() => made,
        Some(_) => format!("c_{made}"),
    };
    let mut name = first.clone();
    for again in 2.. {
        if taken.insert(name.clone()) {
            break;
        }
        name = format!("{first}_{again}");
    }
    debug_assert!(is_column_name(&name), "a header made a name that is none");
    name
}

/// The column of the patient's identifier: the first whose cells
/// are all different.
fn key(file: &File) -> Option<usize> {
    let doubled = doubled(file);
    file.columns.iter().enumerate().position(|(place, seen)| {
        let named = file
            .headers
            .as_ref()
            .and_then(|headers| headers.get(place))
            .is_some_and(|header| names_patients(header));
        let numbers = &seen.numbers;
        let whole = numbers.count() == 0 || numbers.count() == numbers.wholes;
        seen.empty == 0
            && !doubled.contains_key(&place)
            && whole
            && seen.days.count() == 0
            && seen.cells.are(DIFFERENT)
            && (named || (place == 0 && file.rows >= MANY_ROWS))
    })
}

/// Columns whose header another has as well, by their places, and
/// what is to be done.
fn doubled(file: &File) -> BTreeMap<usize, String> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, header) in file.headers.iter().flatten().enumerate() {
        places.entry(header).or_default().push(place);
    }
    let doubled = places.into_values().filter(|places| places.len() > 1);
    doubled
        .flat_map(|places| {
            let numbers: Vec<String> = places.iter().map(|place| (place + 1).to_string()).collect();
            let question = format!(
                "columns {} of the file have this header, and a schema does not tell them apart: \
                 which is wanted? rename the others in the file",
                numbers.join(" and ")
            );
            places
                .into_iter()
                .map(move |place| (place, question.clone()))
        })
        .collect()
}

/// A column's header, or its number, as TOML has it.
fn source(file: &File, place: usize) -> String {
    match file.headers.as_ref().and_then(|headers| headers.get(place)) {
        Some(header) => quoted(header),
        None => (place + 1).to_string(),
    }
}

fn written(file: &File, name: &str) -> String {
    let marks = FileMarks::of(file.columns.iter());
    let key = key(file);
    let mut text = format!(
        "# A first schema, guessed by `motet-node data draft` from {} rows. Whoever knows the file reads every line, gives\n\
         # the columns the consortium's names, and answers the questions, each behind a `#` and `?`. What fewer than {} cells\n\
         # have is not shown; where a patient has several rows, more cells may be one patient's. SCHEMA.md has every key.\n\n[dataset]\nname = {}\n",
        file.rows,
        FEW,
        quoted(name)
    );
    if let Some(place) = key {
        text.push_str("# ? an identifier of patients? the first row of each stays\n");
        text.push_str(&format!("key = {}\n", source(file, place)));
    }
    text.push_str(&layout_lines(file, marks));
    if file.headers.is_none() {
        text.push_str(
            "# ? the first line looks like a patient's, and so none of it is taken for a header. Where it is one, write each\n\
             # column's header as its `source`, in quotes\n",
        );
    }
    let mut taken = BTreeSet::new();
    let mut left = String::new();
    let mut found: Vec<Found<'_>> = Vec::new();
    let doubled = doubled(file);
    for (place, seen) in file.columns.iter().enumerate() {
        if Some(place) == key {
            continue;
        }
        let header = file.headers.as_ref().and_then(|headers| headers.get(place));
        let mut guess = guess(header.map_or("", String::as_str), seen, marks);
        let source = source(file, place);
        let is_text = seen.numbers.count() == 0;
        if let Some(question) = doubled.get(&place) {
            left.push_str(&format!("# ? {source}: {question}\n"));
            continue;
        }
        if header.is_some_and(|header| names_people(header) || is_text && names_patients(header)) {
            guess.left = Some("its header says that it is a patient's number or name".to_owned());
        }
        match &guess.left {
            Some(why) => {
                left.push_str(&format!("# {source}: {why}\n"));
                for question in &guess.questions {
                    left.push_str(&format!("# ? {question}\n"));
                }
            }
            None => {
                let named = guess.name.or(header.map(String::as_str));
                let name = name_of(named, place, &mut taken);
                found.push(Found {
                    name,
                    place,
                    header,
                    guess,
                });
            }
        }
    }
    for run in found.chunk_by(Found::is_before) {
        match Found::joined(run) {
            Some(range) => text.push_str(&range),
            None => run.iter().for_each(|one| text.push_str(&one.table(file))),
        }
    }
    if taken.is_empty() {
        text.push_str("\n# ? no column that a study could use was found: declare one\n[columns]\n");
    }
    if !left.is_empty() {
        text.push_str("\n# Not declared:\n");
        text.push_str(&left);
    }
    text
}

/// A column that is declared.
struct Found<'f> {
    name: String,
    place: usize,
    header: Option<&'f String>,
    guess: Guess,
}

impl Found<'_> {
    fn table(&self, file: &File) -> String {
        let is_named = self.header.is_some_and(|header| *header == self.name);
        let source = (!is_named).then(|| source(file, self.place));
        table(&self.name, source, &self.guess.lines, &self.guess.questions)
    }

    /// Whether the next column is this one but for a number that
    /// goes up by one.
    fn is_before(&self, next: &Self) -> bool {
        let headers = match (self.header, next.header) {
            (Some(one), Some(next)) => is_next(one, next),
            (one, next) => one == next,
        };
        headers
            && self.place + 1 == next.place
            && is_next(&self.name, &next.name)
            && self.guess.is_like(&next.guess)
    }

    /// The table of a range, where enough columns follow each
    /// other.
    fn joined(run: &[Self]) -> Option<String> {
        let first = run.first().filter(|_| run.len() >= LEAST_RUN)?;
        let names: Vec<String> = run.iter().map(|one| one.name.clone()).collect();
        let headers: Option<Vec<String>> = run.iter().map(|one| one.header.cloned()).collect();
        let of_names = range(&names)?;
        let source = match headers {
            Some(headers) if headers == names => None,
            Some(headers) => Some(quoted(&range(&headers)?)),
            None => Some((first.place + 1).to_string()),
        };
        // One with parts makes all of them numbers with parts.
        let parts = run.iter().find(|one| !one.guess.is_whole());
        let guess = &parts.unwrap_or(first).guess;
        Some(table(
            &quoted(&of_names),
            source,
            &guess.lines,
            &guess.questions,
        ))
    }
}

fn table(name: &str, source: Option<String>, lines: &[String], questions: &[String]) -> String {
    let mut text = format!("\n[columns.{name}]\n");
    for question in questions {
        text.push_str(&format!("# ? {question}\n"));
    }
    let source = source.map(|source| format!("source = {source}"));
    let mut lines = lines.iter();
    for line in lines.next().into_iter().chain(&source).chain(lines) {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The table `[source]`, as far as something is to be said.
fn layout_lines(file: &File, marks: FileMarks) -> String {
    let mut lines = Vec::new();
    if let Some(sheet) = &file.layout.sheet {
        lines.push(format!("sheet = {}", quoted(sheet)));
    }
    match file.delimiter {
        None | Some(b',') => {}
        Some(b'\t') => lines.push("delimiter = \"tab\"".to_owned()),
        Some(sign) => lines.push(format!(
            "delimiter = {}",
            quoted(&char::from(sign).to_string())
        )),
    }
    if let Some(quote) = file.layout.quote.filter(|quote| *quote != b'"') {
        lines.push(format!(
            "quote = {}",
            quoted(&char::from(quote).to_string())
        ));
    }
    match file.layout.encoding {
        Some(encoding) if encoding == WINDOWS_1252 => {
            lines.push(
                "# ? western Europe; another where letters with accents come out wrong".to_owned(),
            );
            lines.push("encoding = \"windows-1252\"".to_owned());
        }
        Some(_) => lines.push("encoding = \"utf-16\"".to_owned()),
        None => {}
    }
    if marks.decimal == Some(',') && file.delimiter.is_some() {
        lines.push("decimal = \",\"".to_owned());
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("\n[source]\n{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_becomes_a_name_of_ascii_letters() {
        let mut taken = BTreeSet::new();
        for (header, name) in [
            ("Größe (mm)", "grosse_mm"),
            ("N° dossier", "n_dossier"),
            ("Âge au diagnostic", "age_au_diagnostic"),
            ("Kreatinine (µmol/L)", "kreatinine_umol_l"),
            ("14-day death", "c_14_day_death"),
            ("Größe (mm)", "grosse_mm_2"),
            ("", "column_7"),
            ("年", "column_8"),
        ] {
            let place = taken.len();
            assert_eq!(name_of(Some(header), place, &mut taken), name, "{header}");
        }
        let long = name_of(Some(&"x".repeat(200)), 0, &mut taken);
        assert!(
            is_column_name(&long)
                && is_column_name(&name_of(Some(&"x".repeat(200)), 0, &mut taken))
        );
    }
}
