//! A site's numbers in the units of a study: converted, or refused with both units named.

use crate::ward::{Site, site};
use motet_common::study::Study;
use motet_data::cohort::check_schema;
use motet_data::{DataError, OwnValues, Schema, Table, own_values};

/// A schema whose `crea` has these keys beside its type.
fn schema(crea: &str) -> String {
    format!(
        "[dataset]\nname = \"ward\"\n[columns.crea]\ntype = \"float\"\n{crea}\n\
         [columns.sex]\ntype = \"bool\"\n[columns.y]\ntype = \"bool\"\n"
    )
}

/// A study of `crea` and `sex`, `meanings` being its tables `[data.columns.NAME]`.
fn study(meanings: &str, filter: &str) -> Study {
    let text = text(meanings, filter);
    Study::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn text(meanings: &str, filter: &str) -> String {
    format!(
        "[study]\nid = \"abc\"\ntitle = \"t\"\nquestion = \"q\"\npurpose = \"53(1)(e)\"\n\
         ends = 2030-01-01\n[data]\ndataset = \"ward\"\noutcome = \"y\"\n\
         features = [\"crea\", \"sex\"]\n{filter}\n{meanings}\n[recipe]\nkind = \"logistic\"\n\
         [privacy]\nmin_rows = 1\n"
    )
}

fn crea(keys: &str) -> Study {
    study(&format!("[data.columns.crea]\n{keys}\n"), "")
}

const CREATININE: &str = "unit = \"mg/dL\"\nsubstance = \"creatinine\"\nrange = [0.2, 20]";
/// In umol/L.
const ROWS: &str = "crea,sex,y\n50.4,1,1\n124.6,0,1\n,0,1\n88.402,1,0\n1200,0,0\n";

fn values(site: &Site, study: &Study) -> Vec<f64> {
    let cohort = site.cohort(study).unwrap();
    cohort.x.column(0).to_vec()
}

fn refused(keys: &str, study: &Study) -> DataError {
    let schema = Schema::parse(&schema(keys)).unwrap();
    check_schema(&schema, study).expect_err(keys)
}

#[test]
fn a_site_in_another_unit_is_converted_by_what_the_substance_weighs() {
    let site = site(ROWS, &schema("unit = \"umol/L\""));
    let study = crea(CREATININE);
    let found = values(&site, &study);
    for (own, found) in [50.4, 124.6, 88.402, 1200.0].into_iter().zip(&found) {
        assert!((found - own * 113.12 / 1e4).abs() < 1e-12, "{own}: {found}");
    }
    assert!((found[2] - 1.0).abs() < 1e-5);
    // In its own unit the same bits, and so without a unit of the study.
    let same = values(&site, &crea("unit = \"umol/L\""));
    assert_eq!(same, [50.4, 124.6, 88.402, 1200.0]);
    assert_eq!(values(&site, &crea("label = \"Creatinine\"")), same);
}

#[test]
fn the_rule_of_a_study_compares_in_its_own_unit() {
    let site = site(ROWS, &schema("unit = \"umol/L\"\nmax = 1300"));
    let table = format!("[data.columns.crea]\n{CREATININE}\n");
    let study = study(&table, "filter = \"crea > 0.9 and crea < 2\"");
    assert_eq!(site.cohort(&study).unwrap().used, 2);
}

#[test]
fn the_two_scales_of_hba1c_are_converted_by_their_equation() {
    let rows = "crea,sex,y\n53,1,1\n48,0,0\n";
    let site = site(rows, &schema("unit = \"mmol/mol\""));
    let found = values(&site, &crea("unit = \"%\"\nsubstance = \"HbA1c\""));
    assert!((found[0] - 7.0).abs() < 0.01 && (found[1] - 6.54).abs() < 0.01);
    let error = refused("unit = \"mmol/mol\"", &crea("unit = \"%\""));
    assert!(error.to_string().contains("`mmol/mol`"), "{error}");
}

#[test]
fn temperatures_are_converted_with_their_zero() {
    let site = site("crea,sex,y\n98.6,1,1\n", &schema("unit = \"[degF]\""));
    let found = values(&site, &crea("unit = \"Cel\""));
    assert!((found[0] - 37.0).abs() < 1e-9);
}

#[test]
fn a_unit_that_does_not_convert_is_refused_and_both_are_named() {
    let error = refused("unit = \"umol/L\"", &crea("unit = \"mg/dL\""));
    assert_eq!(
        (error.code(), error.column()),
        ("schema_mismatch", Some("crea"))
    );
    let said = error.to_string();
    for words in [
        "`umol/L` here",
        "`mg/dL` in the study",
        "needs the `substance`",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let error = refused("unit = \"mm[Hg]\"", &crea(CREATININE));
    assert!(
        error.to_string().contains("no property of creatinine"),
        "{error}"
    );
}

#[test]
fn a_remark_that_is_not_the_studys_is_refused_and_both_units_are_named() {
    for (own, wanted) in [
        ("ug/L{DDU}", "ug/L{FEU}"),
        ("mL/min", "mL/min/{1.73_m2}"),
        ("mL/min/{1.73_m2}", "mL/min"),
    ] {
        let keys = format!("unit = \"{own}\"");
        let error = refused(&keys, &crea(&format!("unit = \"{wanted}\"")));
        assert_eq!(error.code(), "schema_mismatch");
        let said = error.to_string();
        for words in [
            &format!("`{own}` here"),
            &format!("`{wanted}` in the study"),
            "remarked in braces is not the same",
        ] {
            assert!(said.contains(words), "{said}");
        }
    }
    // What a site converts itself is its own word.
    let keys = "from = \"ug/L{DDU}\"\nfactor = 2\nunit = \"ug/L{FEU}\"";
    let schema = Schema::parse(&schema(keys)).unwrap();
    check_schema(&schema, &crea("unit = \"ug/L{FEU}\"")).unwrap();
    // Of one side alone: the steward reads it.
    let found = own(ROWS, "unit = \"ug/L\"", &crea("unit = \"ug/L{FEU}\""));
    assert_eq!(found.remark.as_deref(), Some("{FEU}"));
    let found = own(ROWS, "unit = \"ug/L{FEU}\"", &crea("unit = \"ng/mL{FEU}\""));
    assert_eq!(found.remark, None);
}

#[test]
fn a_percentage_is_no_ratio_and_no_score() {
    let error = refused("unit = \"%\"", &crea("unit = \"1\""));
    let said = error.to_string();
    for words in ["`%` here", "`1` in the study", "`1{fraction}`"] {
        assert!(said.contains(words), "{said}");
    }
    let site = site("crea,sex,y\n70,1,1\n", &schema("unit = \"%\""));
    let found = values(&site, &crea("unit = \"1{fraction}\""));
    assert!((found[0] - 0.7).abs() < 1e-12);
}

#[test]
fn an_offset_in_another_unit_is_refused_and_not_multiplied() {
    let study = |unit: &str| {
        let text = text(&format!("[data.columns.crea]\nunit = \"{unit}\"\n"), "");
        let features = "features = [\"crea\", \"sex\"]";
        let offset = "features = [\"sex\"]\noffset = \"crea\"";
        Study::parse(&text.replacen(features, offset, 1)).unwrap_or_else(|error| panic!("{error}"))
    };
    let error = refused("unit = \"d\"", &study("a"));
    assert_eq!(
        (error.code(), error.column()),
        ("schema_mismatch", Some("crea"))
    );
    let said = error.to_string();
    for words in ["`d` here", "`a` in the study", "is not converted"] {
        assert!(said.contains(words), "{said}");
    }
    let same = Schema::parse(&schema("unit = \"a_j\"")).unwrap();
    check_schema(&same, &study("a")).unwrap();
}

#[test]
fn a_schema_without_the_unit_that_a_study_has_is_refused_with_what_to_write() {
    let error = refused("", &crea(CREATININE));
    assert_eq!(
        (error.code(), error.column()),
        ("schema_mismatch", Some("crea"))
    );
    let said = error.to_string();
    assert!(
        said.contains("no unit here, the study needs `mg/dL`"),
        "{said}"
    );
    assert!(said.contains("declare `unit` in the schema"), "{said}");
}

#[test]
fn a_schema_whose_unit_is_none_is_refused_in_its_line() {
    for (unit, words) in [
        ("unit = \"mg/dl\"", "did you mean `mg/dL`?"),
        ("unit = \"bananas\"", "write its UCUM code"),
        (
            "from = \"mmol/l\"\nfactor = 2\nunit = \"mg/dL\"",
            "`from`: \"mmol/l\"",
        ),
    ] {
        let error = Schema::parse(&schema(unit)).unwrap_err();
        assert_eq!((error.code(), error.line()), ("schema_invalid", Some(5)));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_factor_of_the_sites_own_is_held_against_the_table() {
    let own = |factor: &str| format!("unit = \"umol/L\"\nfrom = \"mg/dL\"\nfactor = {factor}");
    let study = crea("unit = \"umol/L\"\nsubstance = \"creatinine\"");
    for factor in ["88.4", "88", "89.2"] {
        let schema = Schema::parse(&schema(&own(factor))).unwrap();
        check_schema(&schema, &study).unwrap();
    }
    for factor in ["88.4e3", "0.0113", "90", "76.25"] {
        let error = refused(&own(factor), &study);
        assert_eq!(error.code(), "schema_mismatch");
        let said = error.to_string();
        assert!(said.contains("of creatinine it is `88.4`"), "{said}");
        assert!(said.contains("remove `from` and `factor`"), "{said}");
    }
    // What the table does not know, the site may.
    let trusted = Schema::parse(&schema(&own("90"))).unwrap();
    check_schema(&trusted, &crea("unit = \"umol/L\"")).unwrap();
    // A law of units needs no study.
    let wrong = schema("unit = \"g/L\"\nfrom = \"mg/dL\"\nfactor = 0.1");
    let error = Schema::parse(&wrong).unwrap_err();
    assert_eq!((error.code(), error.line()), ("schema_invalid", Some(7)));
    assert!(error.to_string().contains("it is `0.01`"), "{error}");
    let line = schema("unit = \"Cel\"\nfrom = \"[degF]\"\nfactor = 0.55");
    let error = Schema::parse(&line).unwrap_err();
    assert!(error.to_string().contains("no factor alone"), "{error}");
}

#[test]
fn a_column_of_another_type_is_refused() {
    let study = study("[data.columns.sex]\ntype = \"bool\"\n", "");
    let check = |kind: &str| {
        let text = schema("").replacen("type = \"bool\"", kind, 1);
        check_schema(&Schema::parse(&text).unwrap(), &study)
    };
    check("type = \"bool\"").unwrap();
    let error = check("type = \"float\"").unwrap_err();
    assert_eq!(
        (error.code(), error.column()),
        ("schema_mismatch", Some("sex"))
    );
    let said = error.to_string();
    assert!(
        said.contains("declared as `float`, the study means `bool`"),
        "{said}"
    );
}

fn own(rows: &str, keys: &str, study: &Study) -> OwnValues {
    let site = site(rows, &schema(keys));
    let table = Table::open(&site.path, &site.schema, study.reads()).unwrap();
    own_values(&table, study).unwrap().remove(0)
}

#[test]
fn a_site_hears_which_unit_would_bring_its_values_where_the_study_expects_them() {
    // Declared as what they are: by what they are converted.
    let found = own(ROWS, "unit = \"umol/L\"", &crea(CREATININE));
    assert_eq!(found.substance.map(|of| of.name), Some("creatinine"));
    assert_eq!((found.known, found.outside), (4, 0));
    assert!(found.remedies.is_empty());
    // A law of units needs no substance.
    let found = own(ROWS, "unit = \"g/L\"", &crea(CREATININE));
    assert_eq!((found.conversion.times, found.substance), (100.0, None));
    // Declared as the study's unit with the values of another.
    let found = own(ROWS, "unit = \"mg/dL\"", &crea(CREATININE));
    assert_eq!((found.known, found.outside), (4, 4));
    let first = &found.remedies[0];
    assert_eq!((first.unit.as_deref(), first.inside), (Some("umol/L"), 4));
    assert!((first.times.unwrap() * 88.402 - 1.0).abs() < 1e-5);
    // A decimal point that was lost is a factor, or a unit that differs by one.
    let rows = "crea,sex,y\n900,1,1\n1100,0,1\n1.2,0,1\n";
    let found = own(
        rows,
        "unit = \"mg/dL\"",
        &crea("unit = \"mg/dL\"\nrange = [0.2, 20]"),
    );
    assert_eq!((found.known, found.outside), (3, 2));
    let times: Vec<f64> = found.remedies.iter().filter_map(|of| of.times).collect();
    assert!(
        times.iter().any(|times| (times - 0.01).abs() < 1e-12),
        "{times:?}"
    );
    // Without a unit of the study: the powers of ten.
    let found = own(rows, "", &crea("range = [0.2, 20]"));
    let units: Vec<_> = found.remedies.iter().map(|of| &of.unit).collect();
    assert!(!units.is_empty() && units.iter().all(|unit| unit.is_none()));
    // Nothing brings in what is nowhere.
    let rows = "crea,sex,y\n-3,1,1\n-5,0,1\n";
    let found = own(rows, "unit = \"mg/dL\"", &crea(CREATININE));
    assert_eq!((found.outside, found.remedies.len()), (2, 0));
    // A study without ranges expects nothing.
    let found = own(rows, "unit = \"mg/dL\"", &crea("unit = \"mg/dL\""));
    assert_eq!((found.range, found.outside), (None, 0));
}
