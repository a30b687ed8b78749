//! A ward's file, its schema, and studies over it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "not every test uses all of it, and helpers of tests fail by panicking"
)]

pub(crate) mod book;

use motet_common::study::Study;
use motet_data::{Cohort, DataError, Schema, Table};
use std::path::PathBuf;

pub(crate) const SCHEMA: &str = r#"
[dataset]
name = "ward"

[columns.age]
type = "float"
unit = "a"
min = 0
max = 120

[columns.visits]
type = "int"

[columns.sex]
type = "bool"
false = ["f"]
true = ["M", "1"]

[columns.creatinine]
type = "float"
unit = "umol/L"
source = "crea mg/dl"
missing = ["", "0"]
from = "mg/dL"
factor = 88.4
max = 2000

[columns.cp]
type = "category"
levels = ["1", "2", "4"]

[columns.seen]
type = "date"

[columns.y]
type = "bool"
source = "num"
false = ["0"]
true = ["1", "2", "3", "4"]
"#;

pub(crate) const HEADER: &str = "age,visits,sex,crea mg/dl,cp,seen,num,notes\n";
pub(crate) const GOOD: &str = "61.5,3,M,1.0,4.0,2020-01-01,0,x\n";
/// What must never be seen in an error.
pub(crate) const CANARY: &str = "80415551212";

pub(crate) struct Site {
    pub(crate) _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) schema: Schema,
}

pub(crate) fn site(content: impl AsRef<[u8]>, schema: &str) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ward.csv");
    std::fs::write(&path, content).unwrap();
    // Exported an hour ago, and not at this moment.
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    std::fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(hour_ago)
        .unwrap();
    Site {
        _folder: folder,
        path,
        schema: Schema::parse(schema).unwrap(),
    }
}

impl Site {
    pub(crate) fn all(&self) -> Result<Table, DataError> {
        Table::open_all(&self.path, &self.schema)
    }

    pub(crate) fn some(&self, names: &[&str]) -> Result<Table, DataError> {
        Table::open(&self.path, &self.schema, names.iter().copied())
    }

    pub(crate) fn cohort(&self, study: &Study) -> Result<Cohort, DataError> {
        Cohort::of(
            &Table::open(&self.path, &self.schema, study.reads())?,
            study,
        )
    }
}

pub(crate) fn study(features: &str, extra: &str) -> Study {
    Study::parse(&format!(
        "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\nends = 2030-01-01\n[data]\ndataset = \"ward\"\n\
         outcome = \"y\"\nfeatures = {features}\n{extra}\n[recipe]\nkind = \"logistic\"\n[privacy]\nmin_rows = 1\n"
    ))
    .unwrap()
}

pub(crate) fn summary(features: &str, extra: &str) -> Study {
    let text = study(features, extra).to_toml();
    let (head, rest) = text.split_once("[recipe]").unwrap();
    let (_, tail) = rest.split_once("[privacy]").unwrap();
    let head = head.replace("outcome = \"y\"\n", "");
    Study::parse(&format!(
        "{head}[recipe]\nkind = \"summary\"\n[privacy]{tail}"
    ))
    .unwrap()
}

pub(crate) fn refusal(result: Result<Table, DataError>) -> DataError {
    match result {
        Err(error) => error,
        Ok(_) => panic!("the table was accepted"),
    }
}
