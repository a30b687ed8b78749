//! Fifteen files as five hospitals export them, each read by its schema alone: the pooled fits of
//! the three studies are those of other programs, to the last row. The files are not in this
//! repository: the environment's `MOTET_HOSPITAL_EXPORTS` names their folder
//! (node/data/tests/exports/PROVENANCE.md).
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test: clippy knows only the functions marked as one, not their helpers"
)]

use motet_common::study::Study;
use motet_data::profile::{ColumnProfile, Values};
use motet_data::schema::Source;
use motet_data::{Cohort, Schema, Table, draft, profile};
use motet_recipes::{Outcome, Rows};
use ndarray::{Array1, Array2, Axis, concatenate};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const SITES: [&str; 5] = ["rotterdam", "groningen", "freiburg", "lyon", "milano"];

fn text(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../node/data/tests/exports");
    std::fs::read_to_string(path.join(name)).expect("a file of this repository")
}

/// The folder of the files, where the environment names it.
fn exports() -> Option<PathBuf> {
    let folder = std::env::var("MOTET_HOSPITAL_EXPORTS")
        .ok()
        .map(PathBuf::from);
    if folder.is_none() {
        // Straight to the terminal: the test runner keeps back what a passing test prints.
        let word = b"SKIPPED: MOTET_HOSPITAL_EXPORTS does not name the folder of the exports\n";
        std::io::stderr().write_all(word).expect("a terminal");
    }
    folder
}

fn cohort(folder: &Path, site: &str, study: &Study) -> (u64, Cohort) {
    let name = format!("{site}_{}", study.id);
    let schema = Schema::parse(&text(&format!("{name}.toml"))).expect("a schema");
    let file = folder.join(format!("{name}.csv"));
    let table = Table::open_all(&file, &schema);
    let rows = table.unwrap_or_else(|error| panic!("{error}")).rows();
    let table = Table::open(&file, &schema, study.reads()).expect("read a moment ago");
    (rows, Cohort::of(&table, study).expect("enough rows"))
}

fn number(what: &str, found: f64, want: &Value) -> f64 {
    let want = want.as_f64().expect(what);
    let off = (found - want).abs() / want.abs();
    assert!(off <= 1e-8, "{what}: {found} instead of {want}");
    off
}

/// Names, estimates, standard errors and the log-likelihood.
fn figures(outcome: &Outcome) -> (Vec<(String, f64, f64)>, f64) {
    match outcome {
        Outcome::Cox(fit) => {
            let coefficients = fit.coefficients.iter();
            let lines = coefficients.map(|line| (line.name.clone(), line.estimate, line.se));
            (lines.collect(), fit.loglik)
        }
        Outcome::Glm(fit) => {
            let coefficients = fit.coefficients.iter();
            let lines = coefficients.map(|line| {
                let known = line.uncertainty.as_ref().expect("no lasso");
                (line.name.clone(), line.estimate, known.se)
            });
            (lines.collect(), fit.loglik.expect("no quasi family"))
        }
        _ => panic!("another method"),
    }
}

#[test]
fn fifteen_exports_read_by_their_schemas_give_the_pooled_fits() {
    let Some(folder) = exports() else { return };
    let expected: Value = serde_json::from_str(&text("expected.json")).expect("JSON");
    for name in ["breast", "icu", "stroke"] {
        let study = Study::parse(&text(&format!("studies/{name}.toml"))).expect("a study");
        let want = &expected[name];
        let mut cohorts = Vec::new();
        for site in SITES {
            let (rows, cohort) = cohort(&folder, site, &study);
            assert_eq!(Some(rows), want["rows"][site].as_u64(), "{site}");
            assert_eq!(Some(cohort.used), want["used"][site].as_u64(), "{site}");
            cohorts.push(cohort);
        }
        let tables: Vec<_> = cohorts.iter().map(|cohort| cohort.x.view()).collect();
        let x: Array2<f64> = concatenate(Axis(0), &tables).expect("one width");
        let side = |of: fn(&Cohort) -> &Option<Array1<f64>>| {
            let values = cohorts.iter().filter_map(|cohort| of(cohort).as_ref());
            values.flatten().copied().collect::<Array1<f64>>()
        };
        let y = side(|cohort| &cohort.y);
        let time = side(|cohort| &cohort.time);
        assert_eq!(Some(y.sum() as u64), want["events"].as_u64());
        let rows = Rows {
            time: (!time.is_empty()).then(|| time.view()),
            ..Rows::new(x.view()).outcome(y.view())
        };
        let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
        let outcome = study
            .recipe
            .alone(&rows, &mut rng)
            .expect("a finite estimate");
        let (lines, loglik) = figures(&outcome);
        let names: Vec<&str> = lines.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names.len(),
            want["features"].as_array().expect("names").len()
        );
        let mut most = number("log-likelihood", loglik, &want["loglik"]);
        for (at, (name, estimate, se)) in lines.iter().enumerate() {
            assert_eq!(Some(name.as_str()), want["features"][at].as_str());
            most = most.max(number(name, *estimate, &want["coef"][at]));
            most = most.max(number(name, *se, &want["se"][at]));
        }
        println!(
            "{name}: {} rows used, largest relative difference {most:.1e}",
            y.len()
        );
    }
}

/// What a column holds, whatever its name and the order of its levels.
fn held(file: &Path, schema: &Schema, source: &Source) -> Option<ColumnProfile> {
    let mut columns = schema.columns.iter();
    let (name, _) = columns.find(|(_, column)| column.source() == Some(source))?;
    // A private column is read like any other here.
    let mut open = schema.clone();
    open.columns
        .values_mut()
        .for_each(|column| column.private = false);
    let table = Table::open(file, &open, [name.as_str()]).ok()?;
    let mut held = profile(&table).columns.into_iter().next()?;
    held.name.clear();
    if let Values::Levels { levels } = &mut held.values {
        levels.sort_by(|one, other| one.level.cmp(&other.level));
    }
    Some(held)
}

#[test]
fn most_columns_of_a_draft_are_those_that_people_write() {
    let Some(folder) = exports() else { return };
    let mut same = 0;
    let mut all = 0;
    for site in SITES {
        for study in ["breast", "icu", "stroke"] {
            let name = format!("{site}_{study}");
            let file = folder.join(format!("{name}.csv"));
            let drafted = draft(&file, Some(study)).unwrap_or_else(|error| panic!("{error}"));
            let drafted = Schema::parse(&drafted)
                .unwrap_or_else(|error| panic!("{name}: {error}\n{drafted}"));
            let written = Schema::parse(&text(&format!("{name}.toml"))).expect("a schema");
            assert_eq!(drafted.key, written.key, "{name}");
            let sources = written
                .columns
                .values()
                .filter_map(|column| column.source());
            let mut touched = Vec::new();
            for source in sources {
                all += 1;
                let wanted = held(&file, &written, source);
                assert!(wanted.is_some(), "{name}: {source:?}");
                if held(&file, &drafted, source) == wanted {
                    same += 1;
                } else {
                    touched.push(format!("{source:?}"));
                }
            }
            println!("{name}: to be touched: {}", touched.join(", "));
        }
    }
    println!("{same} of {all} columns need no touch");
    assert!(same * 100 >= all * 80, "{same} of {all}");
}
