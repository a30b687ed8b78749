//! An Excel workbook (.xlsx): which sheets it has, the
//! texts that cells share, and which numbers are days.
//! Names of parts, tags and attributes: ECMA-376, part 1,
//! 18.
//!
//! Sheets are read piece by piece; in memory are the shared
//! texts and one row.

use crate::dates::written;
use crate::error::{Code, DataError};
use crate::spelling::same;
use crate::text::failed;
use crate::watched::Watched;
use crate::xml::{Event, Tag, Xml, broken};
use crate::zip::{Unpacked, Zip};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Result as Read};

/// The most bytes of a list of sheets or of formats.
const LIST: u64 = 64 * 1024 * 1024;
/// The most bytes of the texts that cells share, which are
/// held in memory.
const TEXTS: u64 = 512 * 1024 * 1024;
/// The most bytes of a sheet, which is read piece by piece:
/// a million rows of a hundred columns. What a hundred
/// times as much unpacks from is no table of patients.
const SHEET: u64 = 16 * 1024 * 1024 * 1024;
/// The most shared texts, and the most formats of cells.
const MOST: usize = 20_000_000;
/// Sheets whose names are said.
const SHOWN: usize = 20;

/// Formats of cells that every program knows and that say a
/// day: dates, and a date with a time. 27 to 31, 36 and 50
/// to 58 are those of East Asia.
const DAYS: [std::ops::RangeInclusive<u32>; 5] = [14..=17, 22..=22, 27..=31, 36..=36, 50..=58];

/// A part of a workbook, tag by tag.
pub(crate) type Tags = Xml<BufReader<Unpacked>>;

/// What a sheet's cells point to.
pub(crate) struct Workbook {
    zip: Zip,
    sheets: Vec<SheetOf>,
    texts: Texts,
    /// For each format of cells, whether it says a day.
    days: Vec<bool>,
    /// Whether days count from 1904-01-01, as on old Macs.
    from_1904: bool,
}

/// A sheet in the workbook's list.
struct SheetOf {
    name: String,
    part: String,
    hidden: bool,
}

/// The texts that cells share, one behind the other.
#[derive(Default)]
struct Texts {
    all: String,
    ends: Vec<usize>,
}

impl Texts {
    fn get(&self, place: usize) -> Option<&str> {
        let start = match place.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.all.get(start..*self.ends.get(place)?)
    }
}

impl Workbook {
    /// Reads all but the sheets.
    ///
    /// # Errors
    /// `not_text` where the zip file is none, `file_changing`
    /// where it is half, `file_unreadable` where it is damaged
    /// or too large.
    pub(crate) fn open(watched: &Watched) -> Result<Self, DataError> {
        let zip = Zip::open(watched)?;
        is_workbook(&zip, &watched.name)?;
        let reading = Reading { watched, zip: &zip };
        let main = reading.main()?;
        let (listed, from_1904) = reading.with(&main, LIST, sheets)?;
        let links = reading.links(&main)?;
        let sheets = listed.into_iter().filter_map(|(name, link, hidden)| {
            let (kind, part) = links.get(&link)?;
            (kind == "worksheet").then(|| SheetOf {
                name,
                part: part.clone(),
                hidden,
            })
        });
        let sheets: Vec<SheetOf> = sheets.collect();
        let beside = |wanted: &str| {
            let mut links = links.values();
            links.find_map(|(kind, part)| (kind == wanted).then(|| part.clone()))
        };
        // A workbook without shared texts or formats has cells
        // that need none.
        let texts = match beside("sharedStrings") {
            Some(part) => reading.with(&part, TEXTS, texts)?,
            None => Texts::default(),
        };
        let days = match beside("styles") {
            Some(part) => reading.with(&part, LIST, days)?,
            None => Vec::new(),
        };
        Ok(Self {
            zip,
            sheets,
            texts,
            days,
            from_1904,
        })
    }

    /// The sheet that is asked for, or the only one with a
    /// value, and its cells.
    ///
    /// # Errors
    /// `schema_mismatch` where that is none or several.
    pub(crate) fn sheet(
        &self,
        watched: &Watched,
        wanted: Option<&str>,
    ) -> Result<(String, Tags), DataError> {
        let found: Vec<&SheetOf> = match wanted {
            Some(wanted) => {
                let named = self.sheets.iter().find(|sheet| sheet.name == wanted);
                let mut alike = self.sheets.iter().filter(|sheet| same(&sheet.name, wanted));
                named.or_else(|| alike.next()).into_iter().collect()
            }
            None => self.with_values(watched)?,
        };
        match (found.as_slice(), wanted) {
            ([one], _) => Ok((one.name.clone(), self.tags(watched, &one.part)?)),
            ([], None) => {
                let problem = "the workbook has no sheet with a value";
                let fix = "save the workbook again; it needs a sheet \
                           with a row for each patient";
                Err(DataError::new(Code::EmptyTable, problem, fix).in_file(&watched.name))
            }
            (_, None) => {
                let problem = "several sheets of the workbook have values";
                let fix = format!(
                    "declare `sheet` under `[source]` of the \
                     schema (`--sheet` of `data draft`): {}",
                    names(&found)
                );
                Err(DataError::new(Code::SchemaMismatch, problem, fix).in_file(&watched.name))
            }
            (_, Some(wanted)) => {
                let all: Vec<&SheetOf> = self.sheets.iter().collect();
                let problem = format!("the workbook has no sheet `{wanted}`");
                let fix = format!(
                    "correct `sheet` under `[source]` of the \
                     schema: {}",
                    names(&all)
                );
                Err(DataError::new(Code::SchemaMismatch, problem, fix).in_file(&watched.name))
            }
        }
    }

    /// The sheets in which a value stands; the hidden ones only
    /// where no other has one.
    fn with_values(&self, watched: &Watched) -> Result<Vec<&SheetOf>, DataError> {
        for hidden in [false, true] {
            let mut found = Vec::new();
            for sheet in self.sheets.iter().filter(|sheet| sheet.hidden == hidden) {
                let mut tags = self.tags(watched, &sheet.part)?;
                if has_value(&mut tags).map_err(|error| unread(error, watched))? {
                    found.push(sheet);
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn tags(&self, watched: &Watched, part: &str) -> Result<Tags, DataError> {
        let content = self.zip.read(watched, part, SHEET)?;
        let content =
            content.ok_or_else(|| unread(broken("a sheet of its list is not there"), watched))?;
        Ok(Xml::new(content))
    }

    /// A text by its number.
    pub(crate) fn text(&self, place: usize) -> Option<&str> {
        self.texts.get(place)
    }

    /// The day that a number means in a cell of this format, as
    /// YYYY-MM-DD; nothing where the format says no day, or the
    /// number none. A time of day is dropped: there are no
    /// zones.
    pub(crate) fn day(&self, format: usize, number: f64) -> Option<String> {
        if self.days.get(format) != Some(&true) {
            return None;
        }
        let serial = number.floor();
        let days = match serial {
            // To 9999-12-31.
            _ if !(0.0..2_958_466.0).contains(&serial) => return None,
            _ if self.from_1904 => serial - 24_107.0,
            0.0 => return None,
            // There never was such a day; programs count it all the
            // same.
            60.0 => return Some("1900-02-29".to_owned()),
            early if early < 60.0 => early - 25_568.0,
            _ => serial - 25_569.0,
        };
        Some(written(days))
    }
}

/// What became of reading a part.
fn unread(error: std::io::Error, watched: &Watched) -> DataError {
    failed(error, &watched.name).in_file(&watched.name)
}

/// The names of sheets, for people.
fn names(sheets: &[&SheetOf]) -> String {
    let names = sheets.iter().take(SHOWN);
    let names: Vec<String> = names.map(|sheet| format!("`{}`", sheet.name)).collect();
    format!("its sheets are {}", names.join(", "))
}

/// What else a zip file may be.
fn is_workbook(zip: &Zip, name: &str) -> Result<(), DataError> {
    let (what, fix) = match zip {
        zip if zip.has("xl/workbook.bin") => (
            "a binary Excel workbook (.xlsb)",
            "save it as .xlsx, or its sheet as `CSV UTF-8`",
        ),
        zip if zip.has("content.xml") => (
            "an OpenDocument table (.ods)",
            "save it as .xlsx, or its sheet as CSV in UTF-8",
        ),
        zip if zip.has("[content_types].xml") && !zip.has("word/document.xml") => return Ok(()),
        _ => ("a zip file, and no Excel workbook", "unpack it"),
    };
    Err(DataError::new(Code::NotText, format!("the file is {what}"), fix).in_file(name))
}

/// What a tag points to: the last word of what it is, and
/// the part.
type Links = BTreeMap<String, (String, String)>;
/// The sheets in the workbook's list: name, link and
/// whether it is hidden; and whether days count from 1904.
type Listed = (Vec<(String, String, bool)>, bool);

/// A workbook while its parts are read.
struct Reading<'f> {
    watched: &'f Watched,
    zip: &'f Zip,
}

impl Reading<'_> {
    /// What is made of a part.
    fn with<T>(
        &self,
        part: &str,
        most: u64,
        made: impl FnOnce(&mut Tags) -> Read<T>,
    ) -> Result<T, DataError> {
        let content = self.zip.read(self.watched, part, most)?;
        let content = content.ok_or_else(|| {
            let what = "a part to which it points is not there";
            unread(broken(what), self.watched)
        })?;
        made(&mut Xml::new(content)).map_err(|error| unread(error, self.watched))
    }

    /// The part with the list of sheets.
    fn main(&self) -> Result<String, DataError> {
        let links = self.links("")?;
        let mut links = links.into_values();
        let main = links.find_map(|(kind, part)| (kind == "officeDocument").then_some(part));
        main.ok_or_else(|| unread(broken("there is no list of sheets"), self.watched))
    }

    /// What a part points to.
    fn links(&self, part: &str) -> Result<Links, DataError> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let folder = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let beside = format!("{folder}_rels/{file}.rels");
        self.with(&beside, LIST, |tags| links(tags, &folder))
    }
}

/// An attribute that must be there.
fn needed(tag: &Tag<'_>, name: &str) -> Read<String> {
    let found = tag.get(name).map(|text| text.into_owned());
    found.ok_or_else(|| broken(&format!("`{name}` is missing in `{}`", tag.name)))
}

fn is_true(tag: &Tag<'_>, name: &str) -> bool {
    tag.get(name)
        .is_some_and(|text| text == "1" || text == "true")
}

fn links(tags: &mut Tags, folder: &str) -> Read<Links> {
    let mut links = Links::new();
    loop {
        match tags.next()? {
            Event::Open(tag) if tag.name == "Relationship" => {
                let kind = needed(&tag, "Type")?;
                let kind = kind
                    .rsplit_once('/')
                    .map_or(kind.as_str(), |(_, last)| last);
                let target = needed(&tag, "Target")?;
                let part = match target.strip_prefix('/') {
                    Some(whole) => whole.to_owned(),
                    None => format!("{folder}{target}"),
                };
                links.insert(needed(&tag, "Id")?, (kind.to_owned(), part));
            }
            Event::End => return Ok(links),
            _ => {}
        }
    }
}

fn sheets(tags: &mut Tags) -> Read<Listed> {
    let mut listed = Vec::new();
    let mut from_1904 = false;
    loop {
        match tags.next()? {
            Event::Open(tag) if tag.name == "sheet" => {
                let hidden = tag.get("state").is_some_and(|state| state != "visible");
                listed.push((needed(&tag, "name")?, needed(&tag, "id")?, hidden));
            }
            Event::Open(tag) if tag.name == "workbookPr" => from_1904 = is_true(&tag, "date1904"),
            Event::End => return Ok((listed, from_1904)),
            _ => {}
        }
    }
}

/// Whether a cell of the sheet has a value or a formula.
fn has_value(tags: &mut Tags) -> Read<bool> {
    loop {
        match tags.next()? {
            Event::Open(tag) if matches!(tag.name, "v" | "is" | "f") => return Ok(true),
            Event::Close("sheetData") | Event::End => return Ok(false),
            _ => {}
        }
    }
}

fn texts(tags: &mut Tags) -> Read<Texts> {
    let mut texts = Texts::default();
    let mut is_text = false;
    // How a text is spoken stands beside it in Japanese files.
    let mut spoken = false;
    loop {
        match tags.next()? {
            Event::Open(tag) if tag.name == "t" => is_text = true,
            Event::Close("t") => is_text = false,
            Event::Open(tag) if tag.name == "rPh" => spoken = true,
            Event::Close("rPh") => spoken = false,
            Event::Text(text) if is_text && !spoken => texts.all.push_str(&text),
            Event::Close("si") => texts.ends.push(texts.all.len()),
            Event::End => return Ok(texts),
            _ => {}
        }
        if texts.ends.len() > MOST {
            return Err(broken("it has more texts than fit in memory"));
        }
    }
}

/// For each format of cells, whether it says a day.
fn days(tags: &mut Tags) -> Read<Vec<bool>> {
    let mut own = BTreeSet::new();
    let mut days = Vec::new();
    // The formats that cells are given, and not those that
    // these are made of.
    let mut of_cells = false;
    loop {
        match tags.next()? {
            Event::Open(tag) if tag.name == "numFmt" => {
                if let (Ok(id), true) = (
                    needed(&tag, "numFmtId")?.parse::<u32>(),
                    says_day(&needed(&tag, "formatCode")?),
                ) {
                    own.insert(id);
                }
            }
            Event::Open(tag) if tag.name == "cellXfs" => of_cells = true,
            Event::Close("cellXfs") => of_cells = false,
            Event::Open(tag) if tag.name == "xf" && of_cells => {
                let id = tag.get("numFmtId").and_then(|id| id.parse::<u32>().ok());
                let known = |id: u32| DAYS.iter().any(|days| days.contains(&id));
                days.push(id.is_some_and(|id| known(id) || own.contains(&id)));
            }
            Event::End => return Ok(days),
            _ => {}
        }
        if days.len() > MOST {
            return Err(broken("it has more formats than fit in memory"));
        }
    }
}

/// Whether a format such as `dd/mm/yyyy hh:mm` or
/// `[$-407]d. mmmm yyyy;@` says a day: it has a day or a
/// year outside of texts, colours and hours that run on, or
/// a month and no time.
fn says_day(code: &str) -> bool {
    let mut letters = code.chars();
    let mut seen = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            // The first part is that of positive numbers.
            ';' => break,
            '"' => letters.by_ref().take_while(|c| *c != '"').for_each(drop),
            '[' => letters.by_ref().take_while(|c| *c != ']').for_each(drop),
            '\\' | '_' | '*' => drop(letters.next()),
            letter => seen.push(letter.to_ascii_lowercase()),
        }
    }
    let is_time = seen.contains(['h', 's']);
    seen.replace("general", "").contains(['d', 'y']) || seen.contains('m') && !is_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_says_a_day_or_it_does_not() {
        for day in [
            "yyyy\\-mm\\-dd",
            "dd/mm/yyyy hh:mm",
            "[$-407]d. mmmm yyyy;@",
            "mmm-yy",
            "mmmm",
            "[Red]dd.mm.yy",
        ] {
            assert!(says_day(day), "{day}");
        }
        for number in [
            "General",
            "0.00",
            "0.00E+00",
            "[h]:mm:ss",
            "mm:ss",
            "hh:mm",
            "#,##0 \"days\"",
            "0\\d",
            "[Red]0;[Blue]dd",
            "0_m",
            "@",
        ] {
            assert!(!says_day(number), "{number}");
        }
    }

    #[test]
    fn a_number_is_the_day_that_excel_shows() {
        let mut book = Workbook {
            zip: Zip::empty(),
            sheets: Vec::new(),
            texts: Texts::default(),
            days: vec![false, true],
            from_1904: false,
        };
        for (number, day) in [
            (1.0, Some("1900-01-01")),
            (59.0, Some("1900-02-28")),
            (60.0, Some("1900-02-29")),
            (61.0, Some("1900-03-01")),
            (43_831.75, Some("2020-01-01")),
            (2_958_465.0, Some("9999-12-31")),
            (2_958_466.0, None),
            (0.5, None),
            (-1.0, None),
            (f64::NAN, None),
        ] {
            assert_eq!(book.day(1, number).as_deref(), day, "{number}");
            assert_eq!(book.day(0, number), None);
        }
        book.from_1904 = true;
        assert_eq!(book.day(1, 0.0).as_deref(), Some("1904-01-01"));
        assert_eq!(book.day(1, 42_369.0).as_deref(), Some("2020-01-01"));
    }
}
