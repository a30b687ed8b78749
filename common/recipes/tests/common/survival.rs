//! Tables with follow-up times: three real cohorts, one table a site.

use super::{STROKE, Site, reference, table};
use motet_recipes::{Grid, Grouping};
use ndarray::{Array1, Array2};
use std::io::Write as _;
use std::path::PathBuf;

pub const BREAST: [&str; 6] = ["northeast", "south", "west", "midwest", "europe", "canada"];

/// One patient: covariates, days, event and the number of the site.
#[derive(Debug, Clone)]
pub struct Patient {
    pub x: Vec<f64>,
    pub days: f64,
    pub event: f64,
    pub group: f64,
}

/// A cohort with its reference figures.
pub struct Cohort {
    pub columns: Vec<String>,
    pub sites: Vec<(String, Vec<Patient>)>,
    pub reference: serde_json::Value,
    pub grid: Grid,
}

impl Cohort {
    pub fn patients(&self) -> Vec<Patient> {
        self.sites
            .iter()
            .flat_map(|(_, patients)| patients.clone())
            .collect()
    }

    pub fn tables(&self) -> Vec<Site> {
        self.sites
            .iter()
            .map(|(name, patients)| site(name, patients))
            .collect()
    }

    /// The same without covariates.
    pub fn bare_tables(&self) -> Vec<Site> {
        let bare = |site: Site| Site {
            x: Array2::zeros((site.y.len(), 0)),
            ..site
        };
        self.tables().into_iter().map(bare).collect()
    }

    /// The sites as groups.
    pub fn grouping(&self) -> Grouping {
        Grouping {
            column: "site".into(),
            levels: self.sites.iter().map(|(name, _)| name.clone()).collect(),
        }
    }
}

pub fn site(name: &str, patients: &[Patient]) -> Site {
    let width = patients[0].x.len();
    let column = |value: fn(&Patient) -> f64| patients.iter().map(value).collect::<Array1<f64>>();
    Site {
        name: name.into(),
        x: Array2::from_shape_fn((patients.len(), width), |(row, at)| patients[row].x[at]),
        y: column(|patient| patient.event),
        time: Some(column(|patient| patient.days)),
        group: Some(column(|patient| patient.group)),
    }
}

fn features(reference: &serde_json::Value) -> Vec<String> {
    reference["features"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// TCGA: the patients and columns of the reference; those of FLamby's training part where it says
/// so.
pub fn breast(name: &str) -> Cohort {
    let reference = reference(name);
    let columns = features(&reference);
    let train = name != "breast_tcga_cox";
    let sites = BREAST.iter().enumerate().map(|(number, site)| {
        let (header, rows) = table("breast-tcga", site);
        let at = |column: &str| header.iter().position(|name| name == column).unwrap();
        let patient = |row: &Vec<f64>| Patient {
            x: columns.iter().map(|column| row[at(column)]).collect(),
            days: row[at("days")],
            event: row[at("death")],
            group: number as f64,
        };
        let rows = rows.iter().filter(|row| !train || row[at("train")] == 1.0);
        ((*site).to_owned(), rows.map(patient).collect::<Vec<_>>())
    });
    let sites = sites.collect();
    Cohort {
        columns,
        sites,
        reference,
        grid: Grid::days(8605.0),
    }
}

fn read(path: PathBuf) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader =
        csv::Reader::from_path(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let header = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let rows = reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect());
    (header, rows.collect())
}

/// The stroke trial with follow-up to 182 days.
pub fn stroke_followup() -> Cohort {
    let reference = reference("stroke_cox");
    let columns = features(&reference);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/stroke_followup.csv");
    let (_, followup) = read(path);
    let sites = STROKE.iter().enumerate().map(|(number, site)| {
        let (header, rows) = table("stroke", site);
        let at = |column: &str| header.iter().position(|name| name == column).unwrap();
        let times = followup.iter().filter(|line| line[0] == *site);
        let patient = |(row, line): (&Vec<f64>, &Vec<String>)| Patient {
            x: columns.iter().map(|column| row[at(column)]).collect(),
            days: line[1].parse().unwrap(),
            event: line[2].parse().unwrap(),
            group: number as f64,
        };
        (
            (*site).to_owned(),
            rows.iter().zip(times).map(patient).collect::<Vec<_>>(),
        )
    });
    let sites = sites.collect();
    Cohort {
        columns,
        sites,
        reference,
        grid: Grid::days(182.0),
    }
}

/// Rotterdam and GBSG, whose rows come from an LGPL package and are not in this repository:
/// nothing, and a loud word, unless `MOTET_ROTTERDAM_GBSG` names the table (see
/// tests/reference/PROVENANCE.md).
pub fn rotterdam_gbsg() -> Option<Cohort> {
    let Ok(path) = std::env::var("MOTET_ROTTERDAM_GBSG") else {
        // Straight to the terminal: the test runner keeps back what a passing test prints.
        let word = b"SKIPPED: MOTET_ROTTERDAM_GBSG does not name the table rotterdam_gbsg.csv\n";
        std::io::stderr().write_all(word).unwrap();
        return None;
    };
    let reference = reference("rotterdam_gbsg_cox");
    let columns = features(&reference);
    let (header, rows) = read(path.into());
    let at = |column: &str| header.iter().position(|name| name == column).unwrap();
    let sites = ["DE_gbsg", "NL_rotterdam"]
        .iter()
        .enumerate()
        .map(|(number, site)| {
            let number_at =
                |row: &Vec<String>, column: &str| row[at(column)].parse::<f64>().unwrap();
            let patient = |row: &Vec<String>| Patient {
                x: columns
                    .iter()
                    .map(|column| number_at(row, column))
                    .collect(),
                days: number_at(row, "time_days"),
                event: number_at(row, "event"),
                group: number as f64,
            };
            (
                (*site).to_owned(),
                rows.iter()
                    .filter(|row| row[0] == *site)
                    .map(patient)
                    .collect::<Vec<_>>(),
            )
        });
    let sites = sites.collect();
    Some(Cohort {
        columns,
        sites,
        reference,
        grid: Grid::days(7043.0),
    })
}
