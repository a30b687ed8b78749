//! What columns mean in every country.

use super::card::roster;
use super::*;

const COLUMNS: &str = r#"
[data.columns.age]
label = "Age at admission"
type = "float"
unit = "a"
range = [18, 110]
per = 10

[data.columns.cp]
label = "Chest pain"
type = "category"
levels = ["1", "2", "3", "4"]
reference = "4"
labels = { "1" = "typical", "4" = "none" }

[data.columns.sex]
type = "bool"

[data.columns.seen]
type = "date"

[data.columns.restecg]
label = "ECG at rest"
"#;

/// The full study with what its columns mean; the levels of one stand there, too.
fn text() -> String {
    FULL.replacen("cp = [\"1\", \"2\", \"3\", \"4\"]\n", COLUMNS, 1)
}

fn meant() -> Study {
    Study::parse(&text()).unwrap_or_else(|error| panic!("{error}"))
}

/// As `text`, with `from` replaced: refused in the line of `to` with this word.
fn refused(from: &str, to: &str, word: &str) {
    let text = text();
    assert!(text.contains(from), "{from} is not in the file");
    let error = Study::parse(&text.replacen(from, to, 1)).expect_err(to);
    assert!(error.to_string().contains(word), "{to}: {error}");
    // Where a line is missing, its table is named; where two do not agree, one of them is.
    let line = 1 + text[..text.find(from).unwrap()].matches('\n').count();
    let lines = line - 1..=line + 2;
    assert!(lines.contains(&(error.line as usize)), "{to}: {error}");
}

#[test]
fn a_study_says_what_its_columns_mean_and_reads_it_back() {
    let study = meant();
    let age = study.meaning("age").unwrap();
    assert_eq!(age.label.as_deref(), Some("Age at admission"));
    assert_eq!((age.range, age.per), (Some((18.0, 110.0)), Some(10.0)));
    assert_eq!(age.unit().unwrap().code(), "a");
    // The reference comes first, and the others keep their order.
    assert_eq!(study.levels_of("cp").unwrap(), ["4", "1", "2", "3"]);
    assert_eq!(study.columns()[1..4], ["cp_1", "cp_2", "cp_3"]);
    let labels = &study.meaning("cp").unwrap().labels;
    assert_eq!(labels[0], ("4".to_owned(), "none".to_owned()));
    let names: Vec<&str> = study.meanings.iter().map(|of| of.column.as_str()).collect();
    assert_eq!(names, ["age", "cp", "restecg", "seen", "sex"]);
    study.check().unwrap();
    let again = Study::parse(&study.to_toml()).unwrap();
    assert_eq!(again, study);
    assert_eq!(Study::from_bytes(&study.to_bytes()).unwrap(), study);
}

#[test]
fn a_meaning_is_part_of_what_is_approved_and_none_of_what_is_asked() {
    let study = meant();
    for (from, to) in [
        ("\"Age at admission\"", "\"Age\""),
        ("unit = \"a\"", "unit = \"mo\""),
        ("[18, 110]", "[18, 111]"),
        ("per = 10", "per = 5"),
        ("\"none\"", "\"no pain\""),
        ("type = \"bool\"", "type = \"int\""),
    ] {
        let other = Study::parse(&text().replacen(from, to, 1)).unwrap();
        assert_ne!(other.root(), study.root(), "{to}");
        assert_eq!(other.asks(), study.asks(), "{to}");
    }
}

#[test]
fn levels_with_no_meaning_are_those_of_the_data() {
    let own = "[data.columns.cp]\nlevels = [\"1\", \"2\", \"3\", \"4\"]\n";
    let text = FULL.replacen("cp = [\"1\", \"2\", \"3\", \"4\"]\n", own, 1);
    assert_eq!(Study::parse(&text).unwrap(), full());
}

#[test]
fn a_mistake_in_a_column_is_refused_in_its_line_with_its_fix() {
    let unit = "unit = \"a\"";
    refused(unit, "unit = \"years\"", "did you mean `a`?");
    refused(unit, "unit = \"mg/dl\"", "did you mean `mg/dL`?");
    refused(unit, "unit = \"bananas\"", "write its UCUM code");
    refused(unit, "unit = \"\"", "write its UCUM code");
    refused(unit, "substance = \"glucose\"", "without `unit`");
    refused(
        unit,
        "unit = \"mg/dL\"\nsubstance = \"creatinin\"",
        "write one of creatinine",
    );
    refused("range = [18, 110]", "range = [110, 18]", "not two rising");
    refused("range = [18, 110]", "range = [18]", "not two rising");
    refused("range = [18, 110]", "range = [18, inf]", "not two rising");
    refused("per = 10", "per = 0", "not a positive");
    refused("per = 10", "steps = 10", "unknown key `steps`");
    refused(
        "type = \"float\"",
        "type = \"number\"",
        "`type` is \"number\"",
    );
    refused("type = \"float\"", "type = \"bool\"", "which is no number");
    refused("type = \"float\"", "type = \"category\"", "no number");
    refused("type = \"category\"", "type = \"int\"", "is no category");
    refused(
        "reference = \"4\"",
        "reference = \"5\"",
        "none of the levels",
    );
    refused(
        "\"1\" = \"typical\"",
        "\"9\" = \"typical\"",
        "no level of `cp`",
    );
    refused("label = \"Chest pain\"", "label = \"\"", "characters");
    refused("label = \"Chest pain\"", "per = 2", "which is no number");
    refused(
        "[data.columns.seen]",
        "[data.columns.hair]",
        "reads no column",
    );
    refused("type = \"date\"", "", "says nothing");
    refused(
        "label = \"ECG at rest\"",
        "levels = [\"0\", \"1\"]",
        "stand under `[data.levels]`, too",
    );
    refused(
        "label = \"ECG at rest\"",
        "reference = \"2\"",
        "`reference` without `levels`",
    );
    refused(
        "type = \"date\"",
        "unit = \"d\"\nper = 3",
        "which is no feature",
    );
}

#[test]
fn the_card_and_the_lint_say_what_is_named_and_what_is_not() {
    let study = meant();
    let said = study.means().join("\n");
    for words in [
        "age: Age at admission; of type `float`; in `a`; plausible from 18 to 110",
        "its effect told for each 10 too",
        "cp: Chest pain; of type `category`; 4 is none, 1 is typical",
        "no round compares sites",
        "the reference: cp with 4, restecg with 0",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // All that may be a number has unit and range.
    assert!(!said.contains("names no"), "{said}");
    let bare = full();
    let said = bare.means().join("\n");
    assert!(said.contains("names no unit of age, seen, sex:"), "{said}");
    assert!(
        said.contains("names no plausible range of age, seen, sex:"),
        "{said}"
    );
    let card = bare.card(&CardContext {
        proposer: "ada",
        roster: &roster(4),
        earlier: &[],
        near: &[],
        dir: "node",
        floors: &Floors::default(),
    });
    assert!(card.contains("the study names no unit of age"), "{card}");
    let lint = |study: &Study| {
        let found = study.lint(4).into_iter();
        found
            .map(|found| found.to_string())
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(lint(&bare).contains("note: no unit of age, seen, sex:"));
    assert!(!lint(&study).contains("no unit of"));
    // An offset is converted nowhere, so its unit is asked nowhere.
    let text = FULL.replacen("features", "offset = \"known\"\nfeatures", 1);
    let beside = Study::parse(&text).unwrap();
    assert!(beside.data.offset.is_some());
    assert!(lint(&beside).contains("note: no unit of age, seen, sex:"));
    let said = beside.means().join("\n");
    assert!(said.contains("names no unit of age, seen, sex:"), "{said}");
    assert!(said.contains("range of age, known, seen, sex:"), "{said}");
}

#[test]
fn a_grid_of_times_is_held_to_the_floor_by_the_unit_of_the_study() {
    let floors = Floors::default();
    let data = "time = \"days\"\nevent = \"died\"\n[data.columns.days]\nunit = \"UNIT\"";
    let grid = "times = \"grid\"\nstep = 7\nhorizon = 182\n";
    let of = |unit: &str| {
        let text = super::methods::file("km", &data.replace("UNIT", unit), grid);
        Study::parse(&text).unwrap()
    };
    // Whatever the schema has, the site's times are converted to the study's unit.
    assert_eq!(of("d").too_fine(&floors, Some("h")), None);
    assert_eq!(of("d").too_fine(&floors, None), None);
    let fine = of("h").too_fine(&floors, Some("wk")).unwrap();
    assert!(fine.contains("grid of `7` h"), "{fine}");
    let said = of("d").applies(&floors).join(" ");
    assert!(
        said.contains("7 of the study's unit of time, `d`"),
        "{said}"
    );
}

#[test]
fn the_study_that_counts_first_means_the_same_by_what_it_reads() {
    let count = meant().feasibility(10);
    count.check().unwrap();
    assert_eq!(count.meanings, meant().meanings);
    let text = text().replacen(
        "kind = \"logistic\"\nridge = 0.5\ntolerance = 1e-8\nmax_rounds = 12",
        "kind = \"gbdt\"",
        1,
    );
    let count = Study::parse(&text).unwrap().feasibility(10);
    count.check().unwrap();
    let names: Vec<&str> = count.meanings.iter().map(|of| of.column.as_str()).collect();
    assert_eq!(names, ["age", "seen", "sex"], "those of the rule");
}
