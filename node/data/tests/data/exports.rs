//! Ten invented patients a study as five hospitals write them, each in its own dialect, codes and
//! units: read by their schemas they are one table. `exports/PROVENANCE.md` says where the schemas
//! come from.

use motet_common::study::Study;
use motet_data::{Cohort, Schema, Table};
use std::path::PathBuf;

const SITES: [&str; 5] = ["rotterdam", "groningen", "freiburg", "lyon", "milano"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/exports")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn cohort(site: &str, study: &Study) -> Cohort {
    let schema = Schema::parse(&text(&format!("{site}_{}.toml", study.id))).unwrap();
    let file = path(&format!("own/{site}_{}.csv", study.id));
    let all = Table::open_all(&file, &schema).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(all.rows(), 10, "{site}");
    let table = Table::open(&file, &schema, study.reads()).unwrap();
    let (cohort, _) = Cohort::however_few(&table, study).unwrap();
    cohort
}

/// Every value of a cohort, patient by patient. Sites call their patients differently and so have
/// them in other orders: theirs here is that of the values.
fn values(cohort: &Cohort) -> Vec<f64> {
    let sides = [&cohort.y, &cohort.time];
    let mut rows: Vec<Vec<f64>> = (cohort.x.rows().into_iter().enumerate())
        .map(|(row, x)| {
            let beside = sides.into_iter().flatten().map(|side| side[row]);
            x.iter().copied().chain(beside).collect()
        })
        .collect();
    // To six digits, so that the last bits of a conversion change no order.
    rows.sort_by_key(|row| {
        row.iter()
            .map(|value| (value * 1e6).round() as i64)
            .collect::<Vec<_>>()
    });
    rows.concat()
}

#[test]
fn ten_patients_in_the_dialects_of_five_hospitals_are_one_table() {
    for (study, used, repeated) in [("breast", 8, 1), ("icu", 8, 0), ("stroke", 9, 0)] {
        let study = Study::parse(&text(&format!("studies/{study}.toml"))).unwrap();
        let first = cohort("rotterdam", &study);
        assert_eq!((first.used, first.used + first.left_out), (used, 10));
        let want = values(&first);
        for site in SITES {
            let cohort = cohort(site, &study);
            let twice = if site == "groningen" { repeated } else { 0 };
            assert_eq!((cohort.used, cohort.repeated), (used, twice), "{site}");
            let found = values(&cohort);
            assert_eq!(found.len(), want.len(), "{site}");
            for (at, (found, want)) in found.iter().zip(&want).enumerate() {
                let close = (found - want).abs() <= 1e-9 * (1.0 + want.abs());
                assert!(close, "{site}, {at}: {found} instead of {want}");
            }
        }
    }
}
