//! Datasets at the site: where a file lies and what its columns
//! mean. The file itself stays where it is and is opened for
//! reading only; what is kept here is its path and a copy of
//! the schema.

use crate::NodeError;
use crate::frozen::secret_of_patients;
use crate::home::{Paths, create_folder, read_text, write_text};
use crate::own_values::{self, OwnColumn};
use motet_common::refusal::{Code, Refusal};
use motet_common::study::ranges::{by_number, joined};
use motet_common::study::text::is_dataset_name;
use motet_common::study::{Floors, Study};
use motet_data::cohort::check_schema;
use motet_data::schema::Kind;
use motet_data::{Cohort, DataError, Profile, Schema, Table, Watched, profile};
use motet_secagg::secret::Secret;
use motet_toml::TomlFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A dataset of this site.
#[derive(Debug)]
pub struct Dataset {
    /// The name that studies use.
    pub name: String,
    /// The site's own file.
    pub csv: PathBuf,
    /// What its columns mean.
    pub schema: Schema,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Source {
    csv: PathBuf,
}

/// What `data check` found: for the site's own screen, where
/// counts are whole.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The dataset.
    pub dataset: String,
    /// The study it was checked for.
    pub study: Option<String>,
    /// Columns that were read.
    pub columns: usize,
    /// Rows that would be used.
    pub rows_used: u64,
    /// Those of them that the study holds out of its fit, where it holds some out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_held_out: Option<u64>,
    /// Rows left out because a value is missing.
    pub rows_left_out: u64,
    /// How many of them lack a value of each column that any lacks
    /// one of.
    pub rows_lacking: BTreeMap<String, u64>,
    /// Rows that the study's rule leaves out.
    pub rows_outside_rule: u64,
    /// Rows left out because the study's rule needs a value that is
    /// missing.
    pub rows_rule_undecided: u64,
    /// Second rows of a patient by the schema's `key`, left out:
    /// the first one in the file stays.
    pub rows_repeated: u64,
    /// Whether the file's last line has no end: it may have been
    /// cut off.
    pub last_line_unended: bool,
    /// How the file is read, as far as that was seen and not declared.
    pub read_as: Vec<String>,
    /// Columns all of whose numbers have exactly three digits
    /// after a point, read as decimal ones for want of another
    /// word in the schema.
    pub three_digits: Vec<String>,
    /// What the schema makes the columns of and takes them for, a line each.
    pub made: Vec<String>,
    /// Of the columns of which the study names unit or range: how
    /// this site's values are converted, and how many lie
    /// outside.
    pub own_values: Vec<OwnColumn>,
    /// Where the file's path led, where that is elsewhere.
    pub leads_to: Option<String>,
    /// What goes on with rows that were read before, a sentence each:
    /// approved studies, and what the catalogue tells.
    pub kept: Vec<String>,
}

impl Dataset {
    /// The dataset with this name.
    ///
    /// # Errors
    /// `no_dataset`, or what is wrong with its schema.
    pub fn find(paths: &Paths, name: &str) -> Result<Self, NodeError> {
        let missing = || {
            Refusal::new(
                Code::NoDataset,
                format!("this site has no dataset `{name}`"),
            )
        };
        // A study's text must not reach another folder.
        let folder = folder(paths, name).ok_or_else(missing)?;
        if !folder.is_dir() {
            return Err(missing().into());
        }
        let at = folder.join("source.toml");
        let source: Source = TomlFile::at(&at, &read_text(&at)?).read()?;
        let schema = read_schema(&folder.join("schema.toml"))?.1;
        Ok(Self {
            name: name.to_owned(),
            csv: source.csv,
            schema,
        })
    }

    /// Whether schema and study mean the same, and the study's grid
    /// of times is no finer than the site's floor.
    ///
    /// # Errors
    /// `unknown_column`, `schema_mismatch`; `study_not_approved`
    /// for the grid.
    pub fn fits(&self, study: &Study, floors: &Floors) -> Result<(), NodeError> {
        check_schema(&self.schema, study)?;
        let time = study
            .data
            .time
            .as_ref()
            .and_then(|time| self.schema.columns.get(time));
        match study.too_fine(floors, time.and_then(|column| column.unit.as_deref())) {
            Some(fine) => Err(Refusal::new(
                Code::StudyNotApproved,
                format!("study `{}` {fine}", study.id),
            )
            .into()),
            None => Ok(()),
        }
    }

    /// What this site takes the columns for that a study reads, one line each.
    pub fn told(&self, study: &Study) -> String {
        let lines = self.columns_of(study).into_iter();
        lines.map(|line| format!("your column {line}\n")).collect()
    }

    fn columns_of(&self, study: &Study) -> Vec<String> {
        let reads = study.reads();
        self.schema.told(reads.iter().copied(), |name, column| {
            let read = reads.contains(name);
            let named = study
                .meaning(name)
                .is_some_and(|meaning| meaning.unit.is_some());
            let is_number = matches!(column.kind, Kind::Float | Kind::Int);
            (read && is_number && !named).then(|| {
                "the study names no unit of it: your numbers go in as they are, so be sure that \
                 they are what it means"
                    .to_owned()
            })
        })
    }

    /// The columns that a study uses, as the file is now.
    fn table(&self, study: &Study) -> Result<Table, DataError> {
        check_schema(&self.schema, study)?;
        Table::open(&self.csv, &self.schema, study.reads())
    }

    /// The same for the site's own eyes: every fault is said.
    fn checked(&self, study: &Study, secret: Option<&Secret>) -> Result<Table, DataError> {
        let fits = check_schema(&self.schema, study);
        let secret = secret.map(Secret::expose);
        let table = Table::check(&self.csv, &self.schema, study.reads(), secret);
        match (fits, table) {
            (Ok(()), table) => table,
            (Err(fault), Ok(_)) => Err(fault),
            (Err(fault), Err(cells)) => Err(fault.and(cells)),
        }
    }

    /// What the steward reads of this site's own values in the
    /// columns of a study.
    ///
    /// # Errors
    /// As [`Dataset::cohort`], but for `too_few_rows`.
    pub(crate) fn own_values(&self, study: &Study) -> Result<Vec<OwnColumn>, NodeError> {
        if study.meanings.is_empty() {
            return Ok(Vec::new());
        }
        own_values::of(&self.table(study)?, study)
    }

    /// The patients of a study and the columns it uses, and no
    /// others, however few, with their pseudonyms under a secret of
    /// the site, and what else is made of the very file that they
    /// were read from: a link is followed once, and a file that
    /// changes meanwhile is refused.
    ///
    /// # Errors
    /// [`NodeError::Data`], `file_changing` among them, and those
    /// of `beside`.
    pub(crate) fn cohort<T>(
        &self,
        study: &Study,
        secret: &Secret,
        beside: impl FnOnce(File) -> Result<T, NodeError>,
    ) -> Result<(Cohort, T), NodeError> {
        check_schema(&self.schema, study)?;
        let watched = Watched::open(&self.csv)?;
        let table = Table::of(&watched, &self.schema, study.reads(), secret.expose())?;
        let (cohort, _) = Cohort::however_few(&table, study)?;
        let file = watched
            .reader()
            .map_err(NodeError::file("read", &self.csv))?;
        let made = beside(file)?;
        watched.is_unchanged()?;
        Ok((cohort, made))
    }

    /// Where its path leads now, where that is elsewhere.
    pub(crate) fn leads_to(&self) -> Option<String> {
        let target = self.csv.canonicalize().ok()?;
        (target != self.csv).then(|| target.display().to_string())
    }
}

/// The study as the site holds it: with no fewer rows than its
/// own floor.
pub(crate) fn with_floor(study: &Study, floors: &Floors) -> Study {
    let mut study = study.clone();
    study.privacy.min_rows = study.privacy.min_rows.max(floors.min_rows);
    study
}

fn folder(paths: &Paths, name: &str) -> Option<PathBuf> {
    is_dataset_name(name).then(|| paths.data().join(name))
}

/// A schema file: its text and what it says.
fn read_schema(path: &Path) -> Result<(String, Schema), NodeError> {
    let text = read_text(path)?;
    let schema = Schema::parse(&text).map_err(|mistake| mistake.in_path(path))?;
    Ok((text, schema))
}

/// A first schema of a file, of a workbook that of this sheet: written to `out` with a line that says so, or itself.
///
/// # Errors
/// [`NodeError::Data`] where the file cannot be read, [`NodeError::Usage`] for a name that is none or
/// a file that is there already, [`NodeError::File`].
pub fn draft(
    file: &Path,
    sheet: Option<&str>,
    name: Option<&str>,
    out: Option<&Path>,
) -> Result<String, NodeError> {
    if let Some(name) = name.filter(|name| !is_dataset_name(name)) {
        return Err(no_name(name));
    }
    let text = motet_data::draft_of_sheet(file, name, sheet)?;
    let Some(out) = out else { return Ok(text) };
    if out.exists() {
        let problem = format!("`{}` is there already: name another file", out.display());
        return Err(NodeError::Usage(problem));
    }
    fs::write(out, &text).map_err(NodeError::file("write", out))?;
    let questions = text.lines().filter(|line| line.starts_with("# ?")).count();
    Ok(format!(
        "a first schema is in `{}`, with {questions} questions in its comments; read it, answer them, then \
         `motet-node data add NAME --csv F --schema S`",
        out.display()
    ))
}

fn no_name(name: &str) -> NodeError {
    NodeError::Usage(format!(
        "`{name}` is not a dataset's name: letters, digits, `-` and `_`"
    ))
}

/// Takes a dataset in after reading every declared cell once;
/// `replace` exchanges one of the same name.
///
/// # Errors
/// [`NodeError::Data`] with file, line and column of the first
/// mistake, [`NodeError::Usage`], [`NodeError::File`].
pub fn add(
    paths: &Paths,
    name: &str,
    csv: &Path,
    schema: &Path,
    replace: bool,
) -> Result<Checked, NodeError> {
    let folder = folder(paths, name).ok_or_else(|| no_name(name))?;
    if folder.exists() && !replace {
        return Err(NodeError::Usage(format!(
            "dataset `{name}` is there already: add `--replace` to exchange it"
        )));
    }
    let (text, parsed) = read_schema(schema)?;
    if parsed.name != name {
        let problem = format!(
            "the schema is that of dataset `{}`, not `{name}`",
            parsed.name
        );
        return Err(NodeError::Usage(format!(
            "{problem}: use one name for both"
        )));
    }
    // Not where a link leads: that is found out at each reading.
    let csv = std::path::absolute(csv).map_err(NodeError::file("read", csv))?;
    let table = Table::open_all(&csv, &parsed);
    let table = table.map_err(|fault| match folder.exists() {
        true => fault.because("nothing was exchanged, and the schema added before stays in force"),
        false => fault,
    })?;
    create_folder(&folder)?;
    let source = toml::to_string(&Source { csv: csv.clone() })
        .map_err(|_| NodeError::Usage(format!("the path `{}` is not text", csv.display())))?;
    write_text(&folder.join("schema.toml"), &text)?;
    write_text(&folder.join("source.toml"), &source)?;
    let dataset = Dataset {
        name: name.to_owned(),
        csv,
        schema: parsed,
    };
    Ok(whole(&dataset, &table))
}

/// Reads a dataset as a study would, or every declared column
/// when none is named.
///
/// # Errors
/// `no_dataset`, [`NodeError::Data`]; `too_few_rows` says no
/// number.
pub fn check(paths: &Paths, name: &str, study: Option<&Study>) -> Result<Checked, NodeError> {
    let dataset = Dataset::find(paths, name)?;
    let Some(study) = study else {
        let table = Table::open_all(&dataset.csv, &dataset.schema)?;
        return Ok(whole(&dataset, &table));
    };
    if study.data.dataset != name {
        let problem = format!(
            "study `{}` asks for dataset `{}`, not `{name}`",
            study.id, study.data.dataset
        );
        return Err(NodeError::Usage(problem));
    }
    // Before a site has joined, the least that any has; a node.toml
    // that cannot be read is said.
    let floors = match paths.read_settings() {
        Err(NodeError::NotJoined(_)) => Floors::default(),
        settings => settings?.limits.floors,
    };
    // Before a site has joined it has no secret to draw by: another share is held out then.
    let secret = secret_of_patients(paths)?.filter(|_| study.held_out().is_some());
    let table = dataset.checked(study, secret.as_ref())?;
    // Who is held out follows from the study's own text, without this site's floors.
    let (cohort, _) = Cohort::however_few(&table, study)?;
    let too_few = cohort.too_few(&with_floor(study, &floors));
    let too_few = too_few.map(|few| few.in_file(table.file()));
    let lacking = cohort.missing.iter().filter(|(_, rows)| *rows > 0);
    let checked = Checked {
        dataset: name.to_owned(),
        study: Some(study.id.clone()),
        columns: study.reads().len(),
        rows_used: cohort.used,
        rows_held_out: study.held_out().map(|_| cohort.rows_held_out()),
        rows_left_out: cohort.left_out,
        rows_lacking: lacking.cloned().collect(),
        rows_outside_rule: cohort.filtered,
        rows_rule_undecided: cohort.undecided,
        rows_repeated: cohort.repeated,
        last_line_unended: table.is_unended(),
        read_as: table.seen().to_vec(),
        three_digits: table.doubted().to_vec(),
        made: dataset.columns_of(study),
        own_values: own_values::of(&table, study)?,
        leads_to: dataset.leads_to(),
        kept: Vec::new(),
    };
    match too_few {
        None => dataset.fits(study, &floors).map(|()| checked),
        Some(too_few) => Err(too_few.because(&rows_in_words(&checked)).into()),
    }
}

/// What became of the rows, in one line.
fn rows_in_words(checked: &Checked) -> String {
    format!(
        "{} are used{}; {} are left out for want of a value, {} outside the \
         study's rule, {} because the rule lacks a value, {} as \
         second rows of a patient",
        checked.rows_used,
        held_out_text(checked, ", of them held out "),
        lacking_text(checked),
        checked.rows_outside_rule,
        checked.rows_rule_undecided,
        checked.rows_repeated
    )
}

fn whole(dataset: &Dataset, table: &Table) -> Checked {
    Checked {
        dataset: dataset.name.clone(),
        study: None,
        columns: dataset.schema.columns.len(),
        rows_used: table.rows(),
        rows_held_out: None,
        rows_left_out: 0,
        rows_lacking: BTreeMap::new(),
        rows_outside_rule: 0,
        rows_rule_undecided: 0,
        rows_repeated: table.repeated(),
        last_line_unended: table.is_unended(),
        read_as: table.seen().to_vec(),
        three_digits: table.doubted().to_vec(),
        made: dataset
            .schema
            .told(dataset.schema.columns.keys().map(String::as_str), |_, _| {
                None
            }),
        own_values: Vec::new(),
        leads_to: dataset.leads_to(),
        kept: Vec::new(),
    }
}

/// What was found, for people.
pub fn check_text(checked: &Checked) -> String {
    let mut text = rows_text(checked);
    text.extend(
        checked
            .made
            .iter()
            .map(|line| format!("\nyour column {line}")),
    );
    if !checked.read_as.is_empty() {
        let seen = checked.read_as.join(", ");
        text.push_str(&format!(
            "\nNOTE: the file was read {seen}, as was seen from it"
        ));
    }
    if !checked.three_digits.is_empty() {
        let columns = joined(&checked.three_digits).join(", ");
        text.push_str(&format!(
            "\nNOTE: all numbers of {columns} have exactly three digits after a point, which is \
             read as the decimal mark. Where it parts thousands, declare `thousands = \".\"` under \
             `[source]` or for the column; `decimal = \".\"` ends this note"
        ));
    }
    if let Some(target) = &checked.leads_to {
        text.push_str(&format!(
            "\nNOTE: the path is a link, which leads to `{target}` now; it is followed \
             anew whenever rows are read: here, and once for each study that is approved"
        ));
    }
    for kept in &checked.kept {
        text.push_str(&format!("\nNOTE: {kept}"));
    }
    if checked.last_line_unended {
        text.push_str(
            "\nNOTE: the last line of the file has no end: where the export was cut \
             off, or is still being written, the last row may \
             be half a row. Compare the number of \
             rows with that of the export; \
             a line end after the last row ends this note",
        );
    }
    if let Some(own) = own_values::text(&checked.own_values) {
        text.push_str(&format!("\n{own}"));
    }
    text
}

/// How many rows are held out, after these words; nothing where the study holds none out.
fn held_out_text(checked: &Checked, before: &str) -> String {
    let rows = checked.rows_held_out;
    rows.map_or_else(String::new, |rows| format!("{before}{rows}"))
}

/// How many rows lack a value, and of which column.
fn lacking_text(checked: &Checked) -> String {
    let rows = checked.rows_left_out;
    if checked.rows_lacking.is_empty() {
        return rows.to_string();
    }
    let mut names: Vec<String> = checked.rows_lacking.keys().cloned().collect();
    by_number(&mut names);
    let lacking: Vec<(&String, &u64)> = names
        .iter()
        .filter_map(|name| Some((name, checked.rows_lacking.get(name)?)))
        .collect();
    let columns: Vec<String> = lacking
        .chunk_by(|one, next| one.1 == next.1)
        .flat_map(|alike| {
            let names: Vec<String> = alike.iter().map(|(name, _)| (*name).clone()).collect();
            let rows = alike.iter().map(|(_, rows)| *rows);
            joined(&names).into_iter().zip(rows)
        })
        .map(|(column, rows)| format!("{column}: {rows}"))
        .collect();
    format!("{rows} ({})", columns.join(", "))
}

fn rows_text(checked: &Checked) -> String {
    let rows = checked.rows_used;
    match &checked.study {
        None if checked.rows_repeated == 0 => format!(
            "dataset {}: {rows} rows, {} declared columns, every cell as the schema says",
            checked.dataset, checked.columns
        ),
        None => format!(
            "dataset {}: {rows} rows, {} declared columns, every cell as the \
             schema says; besides them {} second rows of a \
             patient are left out, and of each patient the first row in the file stays",
            checked.dataset, checked.columns, checked.rows_repeated
        ),
        Some(study) => format!(
            "dataset {} for study {study}: {} columns are read\n  rows used                 {rows}{}\n  \
             left out, value missing   {}\n  outside the study's \
             rule  {}\n  rule lacks a value        {}\n  \
             second rows of a patient  {}",
            checked.dataset,
            checked.columns,
            held_out_text(checked, "\n  of them held out          "),
            lacking_text(checked),
            checked.rows_outside_rule,
            checked.rows_rule_undecided,
            checked.rows_repeated
        ),
    }
}

/// What a steward looks at before saying yes; it stays at the
/// site.
///
/// # Errors
/// As [`check`].
pub fn look(paths: &Paths, name: &str) -> Result<Profile, NodeError> {
    let dataset = Dataset::find(paths, name)?;
    Ok(profile(&Table::open_all(&dataset.csv, &dataset.schema)?))
}

/// The names of all datasets, sorted.
///
/// # Errors
/// [`NodeError::File`].
pub fn names(paths: &Paths) -> Result<Vec<String>, NodeError> {
    let folder = paths.data();
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(NodeError::file("read", &folder))? {
        let entry = entry.map_err(NodeError::file("read", &folder))?;
        if entry.path().is_dir() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
#[path = "data_desk_tests.rs"]
mod tests;
