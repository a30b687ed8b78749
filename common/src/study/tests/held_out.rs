//! `test_fraction`: read, written back, refused in its line, told to the steward.

use super::methods::file;
use super::*;

const AGE: &str = "outcome = \"y\"\nfeatures = [\"age\"]";

fn read(kind: &str, data: &str, recipe: &str) -> Result<Study, String> {
    Study::parse(&file(kind, data, recipe)).map_err(|error| error.to_string())
}

fn apart(rest: &str) -> String {
    format!("{AGE}\ntest_fraction = 0.2{rest}")
}

#[test]
fn a_share_is_held_out_and_all_else_of_the_study_is_as_it_was() {
    let (plain, study) = (
        read("logistic", AGE, "").unwrap(),
        read("logistic", &apart(""), "").unwrap(),
    );
    assert_eq!((study.held_out(), plain.held_out()), (Some(0.2), None));
    assert_eq!(
        Study::parse(&study.to_toml()).unwrap(),
        study,
        "{}",
        study.to_toml()
    );
    assert_eq!(Study::from_bytes(&study.to_bytes()).unwrap(), study);
    study.check().unwrap();
    assert_eq!(
        (study.reads(), study.columns()),
        (plain.reads(), plain.columns())
    );
    assert_eq!(study.recipe.method, plain.recipe.method);
    assert_ne!(study.root(), plain.root());
    assert_eq!(study.asks(), plain.asks(), "nearly the same rows");
    let asked = study.recipe.judged.as_ref().unwrap();
    assert!(asked.holds_out() && asked.in_columns().count() == 0);
    assert_eq!(plain.recipe.judged, None);
    // How many patients there are is asked of all.
    let count = study.feasibility(10);
    assert_eq!(
        (count.held_out(), count.recipe.judged.as_ref()),
        (None, None)
    );
    // Beside groups, and with cells of another size.
    let judged = "\n[evaluation]\ngroups = [\"sex\"]\nmin_cell = 20";
    let study = read("logistic", &apart(judged), "").unwrap();
    assert_eq!(Study::parse(&study.to_toml()).unwrap(), study);
    let asked = study.recipe.judged.as_ref().unwrap();
    assert_eq!((asked.in_columns().count(), asked.min_cell), (1, 20));
    let none = read("logistic", &format!("{AGE}\ntest_fraction = 0"), "");
    assert_eq!(none.as_ref(), Ok(&plain));
    // Of two hundred a twentieth are ten, and every other time fewer.
    let little = read("logistic", &format!("{AGE}\ntest_fraction = 0.05"), "").unwrap();
    let lint = little.lint(5);
    let said = lint
        .iter()
        .find(|found| found.message.contains("`test_fraction = 0.05`"));
    assert!(
        said.unwrap().message.contains("about `336` in all"),
        "{lint:?}"
    );
}

#[test]
fn what_cannot_be_held_out_is_refused_with_its_reason() {
    let refused = |kind: &str, data: &str, recipe: &str, said: &[&str]| {
        let error = read(kind, data, recipe).unwrap_err();
        for said in said {
            assert!(error.contains(said), "{error}");
        }
    };
    for share in ["0.04", "0.51", "1", "-0.2", "nan"] {
        let data = format!("{AGE}\ntest_fraction = {share}");
        refused(
            "logistic",
            &data,
            "",
            &["`test_fraction` is", "from 0.05 to 0.5", "line"],
        );
    }
    let folds = format!("{AGE}\n[evaluation]\nfolds = 5");
    refused(
        "logistic",
        &folds,
        "",
        &["`folds` is not available", "write `test_fraction`"],
    );
    let survival = "time = \"days\"\nevent = \"died\"\ntest_fraction = 0.2";
    let grid = "times = \"grid\"\nhorizon = 182\n";
    refused(
        "km",
        survival,
        grid,
        &["recipe `km` has no model", "remove `test_fraction`"],
    );
    let table = "features = [\"age\"]\ntest_fraction = 0.2";
    refused("summary", table, "", &["recipe `summary` has no model"]);
    refused("count", table, "", &["recipe `count` has no model"]);
    let ordered = format!("{}\n[data.levels]\ny = [\"a\", \"b\", \"c\"]", apart(""));
    refused("ordinal", &ordered, "", &["recipe `ordinal` has no model"]);
    let weighed = apart("\nweight = \"w\"\nweight_kind = \"frequency\"");
    refused(
        "logistic",
        &weighed,
        "",
        &["with the weight `w`", "`test_fraction`"],
    );
    let goes_on = format!(
        "{}[rounds]\non_site_loss = \"continue\"\n",
        file("fedavg", &apart(""), "")
    );
    let error = Study::parse(&goes_on).unwrap_err().to_string();
    assert!(
        error.contains("no rows are held out where a run goes on"),
        "{error}"
    );
}
