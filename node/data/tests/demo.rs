//! The demonstration's own files: four hospitals and ten countries, their schemas and their studies.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use motet_common::study::{Severity, Study};
use motet_data::{Cohort, Schema, Table, profile};
use std::path::PathBuf;

fn demo(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../cli/demo").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(demo(name)).unwrap()
}

fn cohort(folder: &str, site: &str, study: &Study) -> Cohort {
    let schema = Schema::parse(&read(&format!("{folder}/schema.toml"))).unwrap();
    let table = Table::open(&demo(&format!("{folder}/{site}.csv")), &schema, study.reads()).unwrap();
    Cohort::of(&table, study).unwrap()
}

#[test]
fn four_hospitals_have_740_complete_patients() {
    for file in ["heart/logistic.toml", "heart/fedavg.toml"] {
        let study = Study::parse(&read(file)).unwrap();
        let columns = [
            "age",
            "sex",
            "trestbps",
            "chol",
            "fbs",
            "thalach",
            "exang",
            "oldpeak",
            "cp_2",
            "cp_3",
            "cp_4",
            "restecg_1",
            "restecg_2",
        ];
        assert_eq!(study.columns(), columns);
        let sites =
            [("cleveland", 303, 303), ("hungarian", 261, 294), ("switzerland", 46, 123), ("va", 130, 200)];
        for (site, used, rows) in sites {
            let cohort = cohort("heart", site, &study);
            assert_eq!((cohort.used, cohort.left_out), (used, rows - used), "{site}");
            assert_eq!(cohort.x.dim(), (used as usize, 13), "{site}");
            let y = cohort.y.unwrap();
            assert!(y.iter().all(|y| *y == 0.0 || *y == 1.0));
            assert!(cohort.x.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn the_first_hospitals_first_patients_are_as_in_its_file() {
    let study = Study::parse(&read("heart/logistic.toml")).unwrap();
    let cohort = cohort("heart", "cleveland", &study);
    let first = [63.0, 1.0, 145.0, 233.0, 1.0, 150.0, 0.0, 2.3, 0.0, 0.0, 0.0, 0.0, 1.0];
    let second = [67.0, 1.0, 160.0, 286.0, 0.0, 108.0, 1.0, 1.5, 0.0, 0.0, 1.0, 0.0, 1.0];
    assert_eq!(cohort.x.row(0).to_vec(), first);
    assert_eq!(cohort.x.row(1).to_vec(), second);
    assert_eq!(cohort.y.unwrap().to_vec()[..3], [0.0, 1.0, 1.0]);
}

#[test]
fn ten_countries_have_9381_patients() {
    for file in ["stroke/logistic.toml", "stroke/fedavg.toml"] {
        let study = Study::parse(&read(file)).unwrap();
        let countries = [
            ("BELG", 305, 30.0),
            ("CZEC", 466, 44.0),
            ("ITAL", 3437, 306.0),
            ("NETH", 728, 52.0),
            ("NORW", 526, 27.0),
            ("POLA", 759, 94.0),
            ("PORT", 415, 32.0),
            ("SPAI", 478, 41.0),
            ("SWED", 636, 32.0),
            ("SWIT", 1631, 155.0),
        ];
        let mut total = 0;
        for (country, rows, events) in countries {
            let cohort = cohort("stroke", country, &study);
            assert_eq!((cohort.used, cohort.left_out, cohort.filtered), (rows, 0, 0), "{country}");
            assert_eq!(cohort.y.unwrap().sum(), events, "{country}");
            total += cohort.used;
        }
        assert_eq!(total, 9381);
    }
}

#[test]
fn the_demonstrations_studies_can_be_proposed() {
    for (file, sites) in [
        ("heart/logistic.toml", 4),
        ("heart/fedavg.toml", 4),
        ("stroke/logistic.toml", 10),
        ("stroke/fedavg.toml", 10),
    ] {
        let study = Study::parse(&read(file)).unwrap();
        let errors: Vec<_> =
            study.lint(sites).into_iter().filter(|f| f.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{file}: {errors:?}");
        study.check().unwrap();
    }
}

#[test]
fn the_card_counts_the_numbers_that_the_recipe_really_asks_for() {
    use motet_secagg::digest::Digest;
    use rand_chacha::rand_core::SeedableRng;
    for file in ["heart/logistic.toml", "heart/fedavg.toml"] {
        let study = Study::parse(&read(file)).unwrap();
        let recipe = study.recipe.clone();
        let cohorts = ["cleveland", "hungarian", "va"].map(|site| cohort("heart", site, &study));
        let mut dice = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        let mut asked = Vec::new();
        let mut state = recipe.start(Digest::default());
        while let Some(question) = recipe.ask(&state, 3).unwrap() {
            asked.push(question.layout.elements());
            let memory = motet_recipes::Memory::default();
            let answer = |cohort: &Cohort| {
                recipe.answer(&state, &question, &cohort.rows(), &memory, &mut dice).unwrap().update
            };
            let updates = cohorts.iter().map(answer).collect();
            let sum = motet_secagg::fold::plain_sum(&question.layout, Digest::default(), updates).unwrap();
            state = recipe.absorb(&state, &sum).unwrap();
        }
        asked.dedup();
        let told: Vec<usize> = study.vectors().into_iter().map(|(_, numbers)| numbers).collect();
        assert_eq!(asked, told[..asked.len()], "{file}");
        assert!(asked.len() >= told.len() - 1, "{file}: {asked:?}");
    }
}

#[test]
fn a_profile_hides_small_counts() {
    let schema = Schema::parse(&read("heart/schema.toml")).unwrap();
    let table = Table::open_all(&demo("heart/switzerland.csv"), &schema).unwrap();
    let shown = profile(&table).to_string();
    for line in [
        "dataset heart: 123 rows",
        "mean 55.3171, sd 9.0321, 32 to 74",
        "1: <5, 2: <5, 3: 17, 4: 98",
        "75 (61.0 %)  false: 43, true: 5",
        "<5  false: 68, true: hidden", // one row is missing: 123 - 68 - 54 would tell
    ] {
        assert!(shown.contains(line), "{line:?} is not in\n{shown}");
    }
}
