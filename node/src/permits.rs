//! Permits: the legal authority for a study at this site,
//! kept as a file under its own digest, so that a signed
//! decision can name exactly the text that the steward had in
//! hand.

use crate::home::{create_folder, read_text, write_text};
use crate::{Home, NodeError};
use motet_common::refusal::{Code, Refusal};
use motet_common::study::Date;
use motet_program::Table;
use motet_secagg::digest::Digest;
use motet_toml::{Checked, TomlFile};
use serde::{Deserialize, Serialize};
use std::path::Path;
use toml::Spanned;

/// The kinds of legal authority.
const KINDS: [(&str, &str); 4] = [
    ("data-permit", "data-permit"),
    ("national", "national"),
    ("ethics", "ethics"),
    ("mandate", "mandate"),
];

/// The longest text of a permit's fields, in characters.
const MAX_TEXT: usize = 200;

/// A permit as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// SHA-256 of the file.
    pub digest: Digest,
    /// `data-permit`, `national`, `ethics` or `mandate`.
    pub kind: String,
    /// The authority's number.
    pub reference: String,
    /// Who issued it.
    pub authority: String,
    /// The last day on which it holds.
    pub until: Date,
    /// The only study it is for, if it names one.
    pub study: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    permit: RawPermit,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPermit {
    kind: Spanned<String>,
    reference: Spanned<String>,
    authority: Spanned<String>,
    until: Spanned<toml::value::Datetime>,
    study: Option<Spanned<String>>,
    note: Option<Spanned<String>>,
}

/// A line of `permit list`.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// SHA-256 of the file.
    pub digest: String,
    /// Its kind.
    pub kind: String,
    /// The authority's number.
    pub reference: String,
    /// Who issued it.
    pub authority: String,
    /// The last day.
    pub until: String,
    /// The only study it is for.
    pub study: Option<String>,
}

impl Permit {
    /// Reads a permit's file.
    ///
    /// # Errors
    /// The first mistake with its line.
    pub fn parse(path: &Path, toml_text: &str) -> Checked<Self> {
        let file = TomlFile::at(path, toml_text);
        let RawFile { permit: raw } = file.read()?;
        let line = |value: &Spanned<String>, key: &str| file.prose(value, key, MAX_TEXT, false);
        raw.note
            .as_ref()
            .map(|note| line(note, "note"))
            .transpose()?;
        Ok(Self {
            digest: Digest::of_file(toml_text.as_bytes()),
            kind: file.word(&raw.kind, "kind", &KINDS)?.to_owned(),
            reference: line(&raw.reference, "reference")?,
            authority: line(&raw.authority, "authority")?,
            until: file.day(&raw.until, "until")?.into(),
            study: raw
                .study
                .as_ref()
                .map(|study| line(study, "study"))
                .transpose()?,
        })
    }

    /// What a decision says about its permit.
    pub fn citation(&self) -> String {
        format!(
            "{} {} ({}), until {}, sha256:{}",
            self.kind, self.reference, self.authority, self.until, self.digest
        )
    }

    /// Whether the permit covers a study today.
    ///
    /// # Errors
    /// `study_not_approved` for an expired permit or one that
    /// names another study.
    pub fn cover(&self, study: &str, today: Date) -> Result<(), Refusal> {
        if self.until < today {
            let detail = format!("permit `{}` held until {}", self.reference, self.until);
            return Err(Refusal::new(Code::StudyNotApproved, detail));
        }
        match &self.study {
            Some(named) if named != study => {
                let detail = format!(
                    "permit `{}` is for study `{named}`, not `{study}`",
                    self.reference
                );
                Err(Refusal::new(Code::StudyNotApproved, detail))
            }
            _ => Ok(()),
        }
    }
}

/// Keeps a copy of a permit; adding it again does nothing.
///
/// # Errors
/// [`NodeError::Permit`] for a file that is not a permit,
/// [`NodeError::File`].
pub fn add(home: &Home, file: &Path) -> Result<Permit, NodeError> {
    let text = read_text(file)?;
    let permit = Permit::parse(file, &text).map_err(NodeError::Permit)?;
    let folder = home.paths.permits();
    create_folder(&folder)?;
    let path = folder.join(format!("{}.toml", permit.digest));
    if !path.exists() {
        write_text(&path, &text)?;
    }
    Ok(permit)
}

/// The permits that are kept, by reference.
///
/// # Errors
/// [`NodeError::File`]; [`NodeError::Unsound`] for a copy
/// that was altered.
pub fn list(home: &Home) -> Result<Vec<Permit>, NodeError> {
    let folder = home.paths.permits();
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut permits = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(NodeError::file("read", &folder))? {
        let path = entry.map_err(NodeError::file("read", &folder))?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".toml"))
        else {
            continue;
        };
        let permit = Permit::parse(&path, &read_text(&path)?).map_err(NodeError::Permit)?;
        if permit.digest.hex() != name {
            return Err(NodeError::Unsound(format!(
                "permit `{}` was altered after it was added: remove it and add \
                 it again from the file that you were given",
                path.display()
            )));
        }
        permits.push(permit);
    }
    permits.sort_by(|a, b| a.reference.cmp(&b.reference).then(a.digest.cmp(&b.digest)));
    Ok(permits)
}

/// The list as a table.
pub fn list_text(permits: &[Listed]) -> String {
    if permits.is_empty() {
        return "no permit; `motet-node permit add P.toml` keeps one".to_owned();
    }
    let head = ["reference", "kind", "authority", "until", "study", "sha256"];
    Table::of(head, permits.iter().map(row)).text()
}

fn row(permit: &Listed) -> [String; 6] {
    let digest = permit.digest.chars().take(8).collect();
    let study = permit.study.clone().unwrap_or_else(|| "any".to_owned());
    [
        permit.reference.clone(),
        permit.kind.clone(),
        permit.authority.clone(),
        permit.until.clone(),
        study,
        digest,
    ]
}

impl From<&Permit> for Listed {
    fn from(permit: &Permit) -> Self {
        Self {
            digest: permit.digest.hex(),
            kind: permit.kind.clone(),
            reference: permit.reference.clone(),
            authority: permit.authority.clone(),
            until: permit.until.to_string(),
            study: permit.study.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::tests::make;
    use motet_secagg::sign::SecretKey;

    const SAMPLE: &str = include_str!("../permit.toml.sample");

    #[test]
    fn the_documented_sample_is_a_permit() {
        let permit = Permit::parse(Path::new("sample"), SAMPLE).unwrap();
        assert_eq!(
            (permit.kind.as_str(), permit.reference.as_str()),
            ("data-permit", "HDAB-NL-2026-0117")
        );
        assert!(
            permit
                .citation()
                .contains(&Digest::of_file(SAMPLE.as_bytes()).hex())
        );
        let day = |year| Date {
            year,
            month: 12,
            day: 31,
        };
        assert!(permit.cover("ist-death14", day(2027)).is_ok());
        assert!(
            permit
                .cover("ist-death14", day(2028))
                .unwrap_err()
                .detail
                .contains("2027-12-31")
        );
        assert!(
            permit
                .cover("other", day(2027))
                .unwrap_err()
                .detail
                .contains("ist-death14")
        );
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let plain: String = SAMPLE
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        for (text, line) in [
            (plain.replace("data-permit", "licence"), "line 2"),
            (
                plain.replace("2027-12-31", "2027-12-31T10:00:00Z"),
                "line 5",
            ),
            (plain.replace("note", "colour"), "line 7"),
            (plain.replace("Health Data Access Body NL", " "), "line 4"),
            (plain.replace("authority", "# authority"), "authority"),
        ] {
            let error = Permit::parse(Path::new("P.toml"), &text)
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("`P.toml`, line") && error.contains(line),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_permit_is_kept_once_and_an_altered_copy_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1, &SecretKey::from_seed([9; 32]).public());
        let home = Home::open(folder.path()).await.unwrap();
        assert_eq!(list(&home).unwrap(), []);
        let file = folder.path().join("P.toml");
        std::fs::write(&file, SAMPLE).unwrap();
        let permit = add(&home, &file).unwrap();
        add(&home, &file).unwrap();
        assert_eq!(list(&home).unwrap(), std::slice::from_ref(&permit));
        let copy = home.paths.permits().join(format!("{}.toml", permit.digest));
        std::fs::write(&copy, SAMPLE.replace("0117", "0118")).unwrap();
        assert!(list(&home).unwrap_err().to_string().contains("altered"));
    }
}
