//! Frozen tables as the site's own people see them: for which
//! study, how many rows, how large, and since when.

use super::{Tables, purpose_of, table};
use crate::records::Kept;
use crate::{clock, disk};
use serde::Serialize;
use std::fs::{self, File};
use std::io::BufReader;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptRows {
    /// The study's id.
    pub study: String,
    /// Patients; nothing where the file cannot be opened.
    pub rows: Option<u64>,
    /// Bytes of the file; nothing where it is not there.
    pub bytes: Option<u64>,
    /// When they were read.
    pub since: String,
}

impl KeptRows {
    /// It in a few words, without the study.
    pub(crate) fn text(&self) -> String {
        let Self {
            rows, bytes, since, ..
        } = self;
        let Some(bytes) = bytes else {
            return format!("lost, read {since}");
        };
        let size = disk::size(*bytes);
        match rows {
            Some(rows) => format!("{rows} rows, {size}, read {since}"),
            None => format!("cannot be opened, {size}, read {since}"),
        }
    }
}

impl Tables {
    /// What a table holds, as far as its file says.
    pub(crate) fn shown(&self, kept: &Kept) -> KeptRows {
        let path = self.path(&kept.table);
        let purpose = purpose_of(&kept.study, &kept.roster, &kept.table);
        let rows = File::open(&path)
            .and_then(|file| table::patients(BufReader::new(file), &self.files, &purpose));
        KeptRows {
            study: kept.id.clone(),
            rows: rows.ok(),
            bytes: fs::metadata(&path).map(|meta| meta.len()).ok(),
            since: clock::text(kept.when_ms),
        }
    }
}
