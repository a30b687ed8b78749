//! Patients who are held out of a study's fit: always the same, whoever else is in the file.

use crate::ward::{HEADER, SCHEMA, site};
use motet_common::study::Study;
use motet_data::cohort::check_schema;
use motet_data::{Code, Cohort, DataError, Table, Watched};

/// A study of this id that holds a fifth of the patients out.
fn study(id: &str, min_rows: u32) -> Study {
    Study::parse(&format!(
        "[study]\nid = \"{id}\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\n\
         ends = 2030-01-01\n[data]\ndataset = \"ward\"\noutcome = \"y\"\nfeatures = [\"age\"]\n\
         test_fraction = 0.2\n[recipe]\nkind = \"logistic\"\n[privacy]\nmin_rows = {min_rows}\n"
    ))
    .unwrap()
}

fn keyed() -> String {
    SCHEMA.replace("name = \"ward\"", "name = \"ward\"\nkey = \"notes\"")
}

fn row(patient: usize, key: &str) -> String {
    format!(
        "{},1,f,1,1,2020-01-01,{},{key}\n",
        patient as f64 / 100.0,
        patient % 2
    )
}

/// A row for each of these patients, whose age says which it is.
fn rows(patients: impl Iterator<Item = usize>) -> String {
    patients
        .map(|patient| row(patient, &format!("p{patient}")))
        .collect()
}

fn cohort(file: &str, study: &Study, secret: u8) -> Result<Cohort, DataError> {
    let site = site(format!("{HEADER}{file}"), &keyed());
    let watched = Watched::open(&site.path).unwrap();
    Cohort::of(
        &Table::of(&watched, &site.schema, study.reads(), &[secret; 32])?,
        study,
    )
}

/// Who is fitted on, and who is held out.
fn parts(cohort: &Cohort) -> [Vec<usize>; 2] {
    let patients = cohort
        .x
        .column(0)
        .map(|age| (age * 100.0).round() as usize)
        .to_vec();
    let held_out = cohort.rows_held_out() as usize;
    let (fitted, out) = patients.split_at(patients.len() - held_out);
    let column = cohort.held_out.as_ref().unwrap();
    assert!(column.iter().take(fitted.len()).all(|value| *value == 0.0));
    assert!(column.iter().skip(fitted.len()).all(|value| *value == 1.0));
    let [mut fitted, mut out] = [fitted.to_vec(), out.to_vec()];
    fitted.sort_unstable();
    out.sort_unstable();
    [fitted, out]
}

#[test]
fn the_same_patients_are_held_out_of_whatever_file_they_stand_in() {
    let abc = study("abc", 10);
    let all = cohort(&rows(0..1000), &abc, 7).unwrap();
    let [fitted, out] = parts(&all);
    // Six standard deviations of a binomial number.
    assert!((out.len() as f64 - 200.0).abs() < 76.0, "{}", out.len());
    assert_eq!(fitted.len() + out.len(), 1000);
    // Another order, second rows of patients, and one that has none of them: nobody changes side.
    let file = rows((0..1000).rev()) + &rows(0..50) + &rows(1000..1100);
    let more = cohort(&file, &abc, 7).unwrap();
    assert_eq!((more.used, more.repeated), (1100, 50));
    let [fitted_of_more, out_of_more] = parts(&more);
    let known = |patients: &[usize]| -> Vec<usize> {
        patients
            .iter()
            .copied()
            .filter(|patient| *patient < 1000)
            .collect()
    };
    assert_eq!(
        (known(&fitted_of_more), known(&out_of_more)),
        (fitted, out.clone())
    );
    // Another site's secret and another study hold out others.
    for other in [
        cohort(&rows(0..1000), &abc, 8).unwrap(),
        cohort(&rows(0..1000), &study("abd", 10), 7).unwrap(),
    ] {
        let [_, others] = parts(&other);
        let both = others
            .iter()
            .filter(|patient| out.contains(patient))
            .count();
        assert!(both < 80, "{both}: about 40 by chance");
    }
    // What is kept comes back with its parts.
    let mut bytes = Vec::new();
    all.write_to(&mut bytes).unwrap();
    let back = Cohort::read_from(&mut &bytes[..]).unwrap();
    assert_eq!((parts(&back), back.content()), (parts(&all), all.content()));
    assert_eq!(back.rows().only_held_out().x.nrows(), out.len());
}

#[test]
fn a_site_without_a_key_or_with_a_small_part_holds_nobody_out() {
    let abc = study("abc", 10);
    let plain = site(format!("{HEADER}{}", rows(0..1000)), SCHEMA);
    let refused = check_schema(&plain.schema, &abc).unwrap_err();
    assert_eq!(refused.kind(), Code::SchemaMismatch);
    let said = refused.to_string();
    assert!(
        said.contains("names no `key`") && said.contains("decline the study"),
        "{said}"
    );
    let table = Table::open(&plain.path, &plain.schema, abc.reads()).unwrap();
    assert_eq!(
        Cohort::of(&table, &abc).err().unwrap().kind(),
        Code::SchemaMismatch
    );
    // One patient is in neither part: whether it is one of those held out nobody knows.
    let file = rows(0..1000) + &row(1000, "");
    let one = cohort(&file, &abc, 7).unwrap();
    assert_eq!((one.used, one.left_out), (1000, 1));
    assert_eq!(
        one.missing.last().unwrap(),
        &("(the patient's key)".to_owned(), 1)
    );
    // About eight of forty: enough are left to fit, and too few to judge by.
    let few = cohort(&rows(0..40), &abc, 7).err().unwrap();
    assert_eq!(few.kind(), Code::TooFewRows);
    assert!(few.to_string().contains("in one of the two parts"), "{few}");
    assert!(cohort(&rows(0..40), &study("abc", 1), 7).is_ok());
}
